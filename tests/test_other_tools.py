"""Other tools that listen at the same time: each goes on working; the profile is right, or says it is not."""

from __future__ import annotations

import cProfile
import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import greenlet
import pytest
from commands import environment
from greenlet import getcurrent
from recorded import callers, calls, record, stats

MONITORING = sys.version_info >= (3, 12)


def leaf() -> None:
    pass


def work(times: int = 3) -> None:
    """Calls leaf in two greenlets, `times` in each."""
    main = getcurrent()

    def child() -> None:
        for _ in range(times):
            leaf()
            main.switch()

    children = [greenlet.greenlet(child) for _ in range(2)]
    for _ in range(times + 1):
        for each in children:
            each.switch()


def run_python(program: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(program)
    return subprocess.run(
        [sys.executable, "program.py"], cwd=folder, env={**environment(), **variables},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


# -- cProfile, setprofile, settrace -------------------------------------------------------------------------


def calls_of_leaf(profile: cProfile.Profile) -> int:
    profile.create_stats()
    entries: dict[tuple[str, int, str], Any] = profile.stats  # type: ignore[attr-defined]
    return sum(numbers[0] for (_, _, name), numbers in entries.items() if name == "leaf")


def test_cprofile_in_the_middle_of_a_recording_counts_everything() -> None:
    inner = cProfile.Profile()

    def program() -> None:
        work()
        inner.enable()
        leaf()
        leaf()
        inner.disable()

    profile = record(program)
    assert calls_of_leaf(inner) == 2
    if MONITORING:
        assert calls(profile, "child", "leaf") == 6
        assert calls(profile, "program", "leaf") == 2
        assert profile.warnings == ()
    else:
        assert calls(profile, "child", "leaf") == 6
        assert profile.counters["replaced_profile_functions"] == 1
        assert any("sys.setprofile" in warning for warning in profile.warnings)


def test_cprofile_around_a_recording_and_after_it_counts_everything() -> None:
    around, after = cProfile.Profile(), cProfile.Profile()
    around.enable()
    profile = record(lambda: work())
    leaf()
    around.disable()
    after.enable()
    work()
    after.disable()
    assert calls(profile, "child", "leaf") == 6
    assert calls_of_leaf(around) >= (7 if MONITORING else 1)
    assert calls_of_leaf(after) == 6


@pytest.mark.parametrize("setter", [sys.settrace, sys.setprofile])
def test_a_function_of_the_program_sees_the_same_with_us_as_without(setter: Callable[[Any], None]) -> None:
    def events_of(run: Callable[[Callable[[], object]], object]) -> list[str]:
        seen: list[str] = []

        def note(frame: FrameType, event: str, _argument: object) -> Any:
            if frame.f_code.co_name in ("leaf", "child", "work"):
                seen.append(f"{event} {frame.f_code.co_name}")
            return note

        def program() -> None:
            setter(note)
            work()
            setter(None)

        run(program)
        return seen

    assert events_of(record) == events_of(lambda program: program())


def test_a_trace_function_set_before_stays_and_the_profile_is_right() -> None:
    seen: list[str] = []

    def note(frame: FrameType, event: str, _argument: object) -> Any:
        seen.append(event)
        return None

    before = sys.gettrace()
    sys.settrace(note)
    try:
        profile = record(work)
        assert sys.gettrace() is note
    finally:
        sys.settrace(before)
    assert "call" in seen
    assert calls(profile, "child", "leaf") == 6
    assert callers(profile, "child") == set()


def test_a_profile_function_set_while_recording_stays_when_the_recording_ends() -> None:
    def note(_frame: FrameType, _event: str, _argument: object) -> None:
        pass

    record(lambda: sys.setprofile(note))
    try:
        assert sys.getprofile() is note
    finally:
        sys.setprofile(None)


if MONITORING:  # Python 3.12 and later have sys.monitoring

    def test_another_monitoring_tool_sees_everything_while_we_record_and_afterwards() -> None:
        monitoring = sys.monitoring
        seen: list[str] = []
        monitoring.use_tool_id(2, "another")
        monitoring.register_callback(2, monitoring.events.PY_START, lambda code, _: seen.append(code.co_name))
        monitoring.set_events(2, monitoring.events.PY_START)
        try:
            profile = record(work)
            during = seen.count("leaf")
            work()
            assert (during, seen.count("leaf")) == (6, 12)
            assert monitoring.get_tool(2) == "another"
        finally:
            monitoring.set_events(2, 0)
            monitoring.free_tool_id(2)
        assert calls(profile, "child", "leaf") == 6

    def test_what_another_tool_has_disabled_for_itself_we_see() -> None:
        monitoring = sys.monitoring
        monitoring.use_tool_id(2, "another")
        monitoring.register_callback(2, monitoring.events.PY_START, lambda _code, _: monitoring.DISABLE)
        monitoring.set_events(2, monitoring.events.PY_START)
        try:
            work()
            assert calls(record(work), "child", "leaf") == 6
        finally:
            monitoring.set_events(2, 0)
            monitoring.free_tool_id(2)


# -- coverage -----------------------------------------------------------------------------------------------

COVERED = """
import json
from greenletprofiler import Profiler
import greenlet

def leaf(number):
    if number == 2:
        return "two"
    if number == 99:
        return "never"
    return None

def child():
    for number in range(3):
        leaf(number)
        greenlet.getcurrent().parent.switch()

profiler = Profiler()
with profiler:
    one = greenlet.greenlet(child)
    for _ in range(4):
        one.switch()
found = {each.function.bare_name: each.calls for each in profiler.snapshot().functions}
print(json.dumps([found["leaf"], found["child"], list(profiler.snapshot().warnings)]))
"""


@pytest.mark.parametrize("core", ["ctrace", "sysmon"] if MONITORING else ["ctrace"])
def test_coverage_and_the_profile_are_both_right(core: str, tmp_path: Path) -> None:
    pytest.importorskip("coverage", reason="not installed: coverage")
    (tmp_path / "program.py").write_text(COVERED)
    concurrency = "greenlet" if core == "ctrace" else "thread"
    (tmp_path / ".coveragerc").write_text(f"[run]\nconcurrency = {concurrency}\n")
    variables = {**environment(), "COVERAGE_CORE": core}
    command = [sys.executable, "-m", "coverage", "run", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60)
    assert (done.returncode, json.loads(done.stdout)) == (0, [3, 1, []])
    command = [sys.executable, "-m", "coverage", "json", "-o", "out.json", "--include", "program.py"]
    subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, check=True, timeout=60)
    report = json.loads((tmp_path / "out.json").read_text())
    never = 1 + COVERED.split("\n").index('        return "never"')
    assert report["files"]["program.py"]["missing_lines"] == [never]


# -- gevent's monitor thread -----------------------------------------------------------------------------

MONITORED = """
import time
import gevent
from gevent import get_hub
from greenletprofiler import Profiler

def block():
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass

def leaf():
    pass

def work():
    for _ in range(5):
        leaf()
        gevent.sleep(0)

def main():
    gevent.joinall([gevent.spawn(work), gevent.spawn(work)])
    gevent.spawn(block).join()

gevent.config.max_blocking_time = 0.1
if BEFORE:
    get_hub()
    gevent.sleep(0)
profiler = Profiler()
with profiler:
    main()
profile = profiler.snapshot()
edges = {(each.caller.bare_name, each.callee.bare_name): each.calls for each in profile.edges}
print(edges["work", "leaf"], [name for name, callee in edges if callee == "leaf"], profile.warnings)
after = Profiler()
with after:
    gevent.spawn(work).join()
print({each.function.bare_name: each.calls for each in after.snapshot().functions}["leaf"])
"""


@pytest.mark.parametrize("before", [True, False])
def test_gevents_monitor_thread_reports_what_blocks_and_the_profile_is_right(
    before: bool, tmp_path: Path
) -> None:
    program = MONITORED.replace("BEFORE", str(before))
    done = run_python(program, tmp_path, GEVENT_MONITOR_THREAD_ENABLE="1")
    assert done.stdout == "10 ['work'] ()\n5\n"
    assert "blocked" in done.stderr
    assert done.returncode == 0


# -- the collector ---------------------------------------------------------------------------------------


SEES_FROZEN_OBJECTS = sys.version_info >= (3, 14)


@pytest.mark.skipif(SEES_FROZEN_OBJECTS, reason="Python 3.14 and later show frozen objects")
def test_objects_that_were_frozen_are_said() -> None:
    gc.freeze()
    try:
        profile = record(work)
    finally:
        gc.unfreeze()
    assert profile.counters["frozen_objects"] > 0
    assert any("gc.freeze()" in warning for warning in profile.warnings)
    assert stats(profile, "leaf").calls == 6


@pytest.mark.skipif(not SEES_FROZEN_OBJECTS, reason="Python 3.14 and later show frozen objects")
def test_greenlets_that_were_frozen_are_found() -> None:
    def child() -> None:
        getcurrent().parent.switch()
        len("")

    each = greenlet.greenlet(child)
    each.switch()
    gc.freeze()
    try:
        profile = record(each.switch)
    finally:
        gc.unfreeze()
    assert calls(profile, "child", "len") == 1
    assert profile.warnings == ()


# -- code that is not Python's -------------------------------------------------------------------------------

#: Number of the event, function of the C interface, and its arguments after the code and the offset.
FIRED = [
    (0, "PyStart"),
    (1, "PyResume"),
    (2, "PyReturn", None),
    (3, "PyYield", None),
    (4, "Call", len, ()),
    (4, "CReturn", None),
]


class MonitoringState(ctypes.Structure):
    """PyMonitoringState."""

    _fields_ = (("active", ctypes.c_uint8), ("opaque", ctypes.c_uint8))


def fire(number: int, name: str, *arguments: object) -> None:
    """Tells of an event of code that is a string, as what compiles other languages may."""
    api, state, version = ctypes.pythonapi, MonitoringState(), ctypes.c_uint64(0)
    event = ctypes.c_uint8(number)
    api.PyMonitoring_EnterScope(
        ctypes.byref(state), ctypes.byref(version), ctypes.byref(event), ctypes.c_ssize_t(1)
    )
    tell = getattr(api, f"_PyMonitoring_Fire{name}Event")
    code = ctypes.py_object("code")
    tell(ctypes.byref(state), code, ctypes.c_int32(0), *map(ctypes.py_object, arguments))
    api.PyMonitoring_ExitScope()


@pytest.mark.skipif(sys.version_info < (3, 13), reason="Python 3.13 and later have an interface for this")
def test_events_of_what_is_no_python_code_are_passed_over() -> None:
    def program() -> None:
        for event in FIRED:
            fire(*event)
            leaf()

    profile = record(program)
    assert (calls(profile, "program", "fire"), calls(profile, "program", "leaf")) == (len(FIRED),) * 2
    assert callers(profile, "leaf") == callers(profile, "fire") == {"program"}
