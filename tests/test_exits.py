"""A program ends as it would without profiler, in every way, and what was to be written is written.

Each program runs by itself, with a profiler that runs until the end, with one that was stopped, and under
the command. Signals are sent by the program itself: it has then certainly begun.
"""

from __future__ import annotations

import signal
import subprocess
import textwrap
from pathlib import Path

import pytest
from commands import calls_in, run, run_plain, without_table

BEGIN = """
import atexit, gc, os, signal, sys, threading, time
from greenlet import getcurrent, greenlet

def leaf(): pass
def work(levels=3):
    leaf()
    if levels:
        work(levels - 1)
def suspend():
    work()
    try:
        getcurrent().parent.switch()
    finally:
        leaf()
def suspended():
    each = greenlet(suspend)
    each.switch()
    return each
work()
"""

#: Ways in which a program has the chance to write what is to be written.
ORDERLY = {
    "normal end": "",
    "sys.exit in a greenlet": "greenlet(lambda: sys.exit(3)).switch()",
    "sys.exit in a gevent greenlet": "import gevent\ngevent.spawn(sys.exit, 3).join()",
    "exception at top level": "1 / 0",
    "exception in a greenlet": "greenlet(lambda: 1 / 0).switch()",
    "SIGTERM with a handler": (
        "signal.signal(signal.SIGTERM, lambda *args: sys.exit(5))\n"
        "os.kill(os.getpid(), signal.SIGTERM)\nwhile True: leaf()"
    ),
    "SIGINT": "os.kill(os.getpid(), signal.SIGINT)\nwhile True: leaf()",
    "SIGINT in a greenlet": (
        "def forever():\n    os.kill(os.getpid(), signal.SIGINT)\n    while True: leaf()\n"
        "greenlet(forever).switch()"
    ),
    "suspended greenlets": "kept = [suspended() for _ in range(10)]",
    "suspended greenlets in cycles": (
        "for _ in range(10):\n    cycle = [suspended()]\n    cycle.append(cycle)\n    del cycle"
    ),
    "suspended gevent greenlets": (
        "import gevent, gevent.event\nkept = [gevent.spawn(gevent.event.Event().wait) for _ in range(10)]\n"
        "gevent.sleep(0)"
    ),
    "suspended greenlets of a thread": (
        "kept = []\n"
        "thread = threading.Thread(target=lambda: kept.append(suspended()))\nthread.start()\nthread.join()"
    ),
    "daemon thread that waits": (
        "begun = threading.Event()\n"
        "def wait():\n    work()\n    begun.set()\n    threading.Event().wait()\n"
        "threading.Thread(target=wait, daemon=True).start()\nbegun.wait()"
    ),
    "daemon thread that runs": (
        "begun = threading.Event()\n"
        "def forever():\n    begun.set()\n    while True: work()\n"
        "threading.Thread(target=forever, daemon=True).start()\nbegun.wait()"
    ),
    # Not one that goes on switching: greenlet itself can crash the interpreter there, without any profiler.
    "daemon thread with suspended greenlets": (
        "begun = threading.Event()\n"
        "def wait():\n    kept = suspended()\n    begun.set()\n    threading.Event().wait()\n"
        "threading.Thread(target=wait, daemon=True).start()\nbegun.wait()"
    ),
    "exit handler that switches": "kept = suspended()\natexit.register(lambda: (work(), kept.switch()))",
    "work in the last __del__": (
        "class Last:\n    def __del__(self, work=work, suspended=suspended): work(); suspended().switch()\n"
        "last = Last()\nlast.itself = last\nsys.last_of_all = last"
    ),
    "suspended generator": (
        "def generate():\n    try:\n        yield 1\n    finally:\n        work()\n"
        "kept = generate()\nnext(kept)"
    ),
    "thread that goes on": (
        "def last():\n    threading.main_thread().join()\n    work()\n    suspended().switch()\n"
        "threading.Thread(target=last).start()"
    ),
}

#: Ways in which it has none.
ABRUPT = {
    "os._exit": "os._exit(4)",
    "os._exit in a greenlet": "greenlet(lambda: os._exit(4)).switch()",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "os.abort": "os.abort()",
}

#: Under the command the profile is written first.
SIGTERM = {"SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)\nwhile True: leaf()"}

PROFILERS = {
    "running": "from greenletprofiler import Profiler\nprofiler = Profiler()\nprofiler.start()\n",
    "running, without builtins": (
        "from greenletprofiler import Profiler\nprofiler = Profiler(builtins=False)\nprofiler.start()\n"
    ),
    "running, in a cycle": (
        "from greenletprofiler import Profiler\ncycle = [Profiler()]\ncycle.append(cycle)\n"
        "cycle[0].start()\ndel cycle\n"
    ),
    "stopped": (
        "from greenletprofiler import Profiler\nprofiler = Profiler()\n"
        "with profiler:\n    work(); kept_by_profiler = suspended()\n"
    ),
    "never started": "from greenletprofiler import Profiler\nprofiler = Profiler()\n",
}

EVERY = {**ORDERLY, **SIGTERM, **ABRUPT}


def ends_alike(profiled: subprocess.CompletedProcess[str], plain: subprocess.CompletedProcess[str]) -> None:
    """Same exit code, same output."""
    assert (profiled.returncode, profiled.stdout) == (plain.returncode, plain.stdout)
    assert profiled.stderr == plain.stderr


@pytest.mark.parametrize("profiler", PROFILERS.values(), ids=PROFILERS.keys())
@pytest.mark.parametrize("program", EVERY.values(), ids=EVERY.keys())
def test_a_program_with_a_profiler_ends_as_without(program: str, profiler: str, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(BEGIN + "\n" * profiler.count("\n") + program)  # as many lines, for tracebacks
    plain = run_plain("program.py", folder=tmp_path)
    path.write_text(BEGIN + profiler + program)
    profiled = run_plain("program.py", folder=tmp_path)
    ends_alike(profiled, plain)


@pytest.mark.parametrize("program", ORDERLY.values(), ids=ORDERLY.keys())
def test_the_command_ends_as_its_program_and_writes_the_profile(program: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(BEGIN + program)
    plain = run_plain("program.py", folder=tmp_path)
    profiled = run("-o", "out.pstats", "program.py", folder=tmp_path)
    assert (profiled.returncode, profiled.stdout) == (plain.returncode, plain.stdout)
    assert without_table(profiled.stderr) == plain.stderr
    assert calls_in(tmp_path / "out.pstats")["work"] >= 4


def test_the_command_writes_the_profile_before_sigterm_ends_it(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(BEGIN + SIGTERM["SIGTERM"])
    profiled = run("-o", "out.pstats", "program.py", folder=tmp_path)
    assert profiled.returncode == -signal.SIGTERM
    assert calls_in(tmp_path / "out.pstats")["work"] == 4


@pytest.mark.parametrize("program", ABRUPT.values(), ids=ABRUPT.keys())
def test_the_command_leaves_no_half_of_a_profile_of_a_program_that_ends_abruptly(
    program: str, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(BEGIN + program)
    plain = run_plain("program.py", folder=tmp_path)
    profiled = run("-o", "out.pstats", "program.py", folder=tmp_path)
    ends_alike(profiled, plain)
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]


def test_what_is_left_to_the_collector_is_not_finalized_before_the_interpreter_ends(tmp_path: Path) -> None:
    """A finalizer that waits for a lock of a daemon thread is told at the interpreter's end, not before, that
    it would wait forever: so the profile must not have the collector run."""
    (tmp_path / "program.py").write_text(
        textwrap.dedent("""
            import atexit, gc

            gc.set_threshold(700)
            for number in range(1000):
                exec(f"def f{number}(): pass\\nf{number}()")

            class Cycle:
                def __init__(self):
                    self.itself = self

                def __del__(self):
                    print("finalized", "after" if at_end else "before", "the program's exit handlers")

            at_end = []
            atexit.register(at_end.append, True)
            gc.collect()
            gc.disable()
            Cycle()
            gc.enable()
        """)
    )
    assert run("program.py", folder=tmp_path).stdout == "finalized after the program's exit handlers\n"
