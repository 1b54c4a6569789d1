"""Exceptions that pass frames of which the interpreter told nobody when the recording began.

CPython 3.15.0 crashes there under any tool that hears of exceptions in all code at once, as sys.setprofile,
sys.settrace and cProfile do. This profiler asks only for code that it has seen.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

#: start() is the profiler's; what is printed is the same with and without one.
BEGIN = """
import gc, sys
from greenlet import getcurrent, greenlet

def fail():
    getcurrent().parent.switch()
    leaf()
    raise ValueError

def between():
    fail()

def catch():
    try:
        between()
    except ValueError:
        leaf()
    print("caught")

def leaf(): pass
main = getcurrent()
each = greenlet(catch)
"""

PROGRAMS = {
    "a suspended greenlet": "each.switch(); start(); each.switch()",
    "a suspended greenlet in a frozen heap": "each.switch(); gc.freeze(); start(); each.switch()",
    "a greenlet that is being killed": """
def fail_in_the_end():
    kept.append(getcurrent())
    starter.switch()
    leaf()
    raise ValueError

def die():
    try:
        main.switch()
    finally:
        try:
            fail_in_the_end()
        except ValueError:
            leaf()
        print("caught")

def begin():
    start()
    kept[0].switch()

kept = []
starter = greenlet(begin)
each = greenlet(die)
each.switch()
del each
""",
    "code that first ran in another tool's callback": """
def marker(): pass
def on_start(code, offset):
    if code is marker.__code__:
        each.switch()
sys.monitoring.use_tool_id(1, "another")
sys.monitoring.register_callback(1, sys.monitoring.events.PY_START, on_start)
sys.monitoring.set_events(1, sys.monitoring.events.PY_START)
start()
marker()
each.switch()
""",
}

END = "\nstop()\nprint('the end')\n"

CRASHES = (-signal.SIGSEGV, -signal.SIGABRT)  # the latter under a sanitizer

NOTHING = "start = stop = lambda: None\n"
PLAIN = """
import sys
start = lambda: sys.setprofile(lambda *event: None)
stop = lambda: sys.setprofile(None)
"""
OURS = """
from greenletprofiler import Profiler
profiler = Profiler({builtins})
start = profiler.start
def stop():
    profiler.stop()
    print([each.calls for each in profiler.snapshot().functions if each.function.name == "leaf"])
"""

every_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())


def run(profiler: str, program: str) -> subprocess.CompletedProcess[str]:
    if "sys.monitoring" in program and sys.version_info < (3, 12):
        pytest.skip("Python 3.12 and later have sys.monitoring")
    source = profiler + BEGIN + program + END
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)


@every_program
def test_a_profile_function_crashes_there_on_3_15_0(program: str) -> None:
    if sys.version_info[:3] != (3, 15, 0):
        pytest.skip("Python 3.15.0 alone crashes")
    assert run(PLAIN, program).returncode in CRASHES


@every_program
@pytest.mark.parametrize("builtins", [True, False])
def test_the_program_goes_on_under_this_profiler(program: str, builtins: bool) -> None:
    plain = run(NOTHING, program)
    profiled = run(OURS.format(builtins=builtins), program)
    assert plain.stdout == "caught\nthe end\n"
    assert (profiled.returncode, profiled.stderr) == (plain.returncode, plain.stderr) == (0, "")
    assert profiled.stdout == "caught\n[2]\nthe end\n"
