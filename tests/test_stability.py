"""Start and stop, again and again and where they cannot: nothing leaks, nothing stays behind."""

from __future__ import annotations

import gc
import importlib.util
import subprocess
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress

import greenlet
import pytest
from leaks import conserves, in_a_small_process, leaf, work
from recorded import record, stats

from greenletprofiler import Profile, Profiler, _native
from greenletprofiler.errors import ToolIdsTakenError

MONITORING = sys.version_info >= (3, 12)

#: A reference from before a recording sees what is really there.
real_gettrace = greenlet.gettrace


def test_a_thousand_sessions_of_one_profiler_leave_no_object_behind() -> None:
    assert in_a_small_process("growth_over_sessions(1000)") < 100  # type: ignore[operator]


def test_hundreds_of_profilers_leave_no_object_behind() -> None:
    assert in_a_small_process("growth_over_profilers(100)") < 50  # type: ignore[operator]


def test_references_to_what_events_hand_over_are_flat() -> None:
    changes = in_a_small_process("changes_of_references(1000)")
    assert [change for change in changes if abs(change) > 500] == []  # type: ignore[attr-defined]


def test_a_recorder_is_freed_with_its_last_reference() -> None:
    profiler = Profiler()
    with profiler:
        work()
    recorder = id(profiler._recorder)
    gone = weakref.ref(profiler)
    del profiler
    gc.collect()
    assert gone() is None
    recorders = [id(each) for each in gc.get_objects() if isinstance(each, _native.Recorder)]
    assert recorder not in recorders


def test_a_profiler_that_is_dropped_while_it_runs_stops() -> None:
    profiler = Profiler()
    profiler.start()
    del profiler
    gc.collect()
    assert stats(record(work), "leaf").calls == 1


if MONITORING:  # 3.10 and 3.11 have no tool ids

    def test_taken_tool_ids_are_a_named_error_and_are_left_alone() -> None:
        monitoring = sys.monitoring
        for tool in (2, 3, 4):
            monitoring.use_tool_id(tool, f"tool {tool}")
        try:
            with pytest.raises(ToolIdsTakenError):
                Profiler().start()
            assert [monitoring.get_tool(tool) for tool in (2, 3, 4)] == ["tool 2", "tool 3", "tool 4"]
        finally:
            for tool in (2, 3, 4):
                monitoring.free_tool_id(tool)
        assert stats(record(work), "leaf").calls == 1

    def test_the_next_free_tool_id_is_taken_and_given_back() -> None:
        monitoring = sys.monitoring
        monitoring.use_tool_id(2, "another")
        try:
            assert stats(record(work), "leaf").calls == 1
            assert monitoring.get_tool(3) is None
        finally:
            monitoring.free_tool_id(2)


def test_the_extensions_inner_objects_cannot_be_made_by_hand() -> None:
    found: list[type] = []
    record(lambda: found.append(type(real_gettrace())))
    assert found[0].__name__ == "SwitchHook"
    with pytest.raises(TypeError, match="cannot create"):
        found[0]()


def test_the_hook_for_switches_can_be_called_with_anything() -> None:
    def program() -> None:
        hook = real_gettrace()
        assert hook is not None
        for arguments in ((), (1, 2), ("switch", (1, 2)), ("switch", (greenlet.getcurrent(), None))):
            with suppress(TypeError):
                hook(*arguments)  # type: ignore[call-overload]
        leaf()

    assert stats(record(program), "leaf").calls == 1


def test_another_profiler_right_after_sees_everything() -> None:
    """cProfile, whose events would be missing where we had turned them off."""
    import cProfile

    record(work)
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(5):
        leaf()
    profile.disable()
    profile.create_stats()
    counts = {name: numbers[0] for (_file, _line, name), numbers in profile.stats.items()}  # type: ignore[attr-defined]
    assert counts["leaf"] == 5


def test_a_profile_function_that_was_set_is_put_back() -> None:
    def profile(_frame: object, _event: str, _argument: object) -> None:
        pass

    sys.setprofile(profile)
    try:
        record(work)
        assert sys.getprofile() is profile
    finally:
        sys.setprofile(None)


def test_the_recursion_limit_is_reached_where_it_would_be() -> None:
    def down(levels: int) -> int:
        try:
            return down(levels + 1)
        except RecursionError:
            return levels

    plain = down(0)
    reached: list[int] = []
    record(lambda: reached.append(down(0)))
    assert plain - reached[0] < 10


def test_deep_recursion_is_recorded_whole() -> None:
    program = """
import sys; sys.setrecursionlimit(100_000)
import threading; threading.stack_size(512 * 1024 * 1024)
from greenletprofiler import Profiler
def down(levels):
    if levels: down(levels - 1)
def main():
    profiler = Profiler(builtins=False)
    with profiler: down(60_000)
    profile = profiler.snapshot()
    print([(each.calls, each.primitive_calls) for each in profile.functions if each.function.name == "down"])
thread = threading.Thread(target=main); thread.start(); thread.join()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("[(60001, 1)]\n", "")


def test_the_interpreter_ends_in_peace_while_the_profiler_runs() -> None:
    program = """
import threading, greenlet
from greenletprofiler import Profiler
profiler = Profiler()
profiler.start()
main = greenlet.getcurrent()
kept = greenlet.greenlet(main.switch); kept.switch()
event = threading.Event()
threading.Thread(target=event.wait, daemon=True).start()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("no_collections")
def test_a_paths_budget_keeps_totals_right_and_says_what_it_left_out() -> None:
    functions = []
    for number in range(100):
        names: dict[str, Callable[[], None]] = {}
        exec(compile(f"def f{number}(): leaf()", f"made_{number}.py", "exec"), {"leaf": leaf}, names)
        functions.append(names[f"f{number}"])
    recorder = _native.Recorder(builtins=False, threads=False, hidden=(), polls=(), node_budget=60)
    recorder.start()
    for function in functions:
        function()
    recorder.stop()
    profile = Profile.from_snapshot(recorder.snapshot())
    assert profile.counters["truncated_calls"] > 0
    assert any("[truncated]" in warning for warning in profile.warnings)
    assert conserves(profile)
    seen = sum(node.calls for node in profile.tree.walk())
    assert seen == 200


def wait_at(depth: int) -> None:
    if depth > 1:
        wait_at(depth - 1)
    else:
        greenlet.getcurrent().parent.switch()


@pytest.mark.parametrize("depth", [1, 3, 4, 12, 21, 60])
def test_a_living_greenlet_takes_200_bytes_and_16_for_each_open_call(depth: int) -> None:
    recorder = _native.Recorder(builtins=False, threads=False, hidden=(), polls=(), node_budget=1000)
    recorder.start()
    waiting = [greenlet.greenlet(wait_at) for _ in range(20_001)]
    waiting[0].switch(depth)
    before = recorder.memory_bytes
    for each in waiting[1:]:
        each.switch(depth)
    taken = recorder.memory_bytes - before
    recorder.stop()
    assert taken / (len(waiting) - 1) <= 200 + 16 * depth


def test_a_greenlet_that_ended_takes_100_bytes() -> None:
    recorder = _native.Recorder(builtins=False, threads=False, hidden=(), polls=(), node_budget=1000)
    recorder.start()
    before = recorder.memory_bytes
    for _ in range(100_000):
        greenlet.greenlet(leaf).switch()
    taken = recorder.memory_bytes - before
    recorder.stop()
    assert taken <= 100 * 100_000


def test_whatever_memory_there_is_the_program_goes_on_and_what_is_lost_is_said() -> None:
    wrong, complete = in_a_small_process("with_little_memory(0, 130_000, 131)")  # type: ignore[misc]
    assert wrong == []
    assert complete > 0


def test_any_single_request_for_memory_may_fail_and_what_is_lost_is_said() -> None:
    wrong, refused, last = in_a_small_process("with_each_request_refused()")  # type: ignore[misc]
    assert wrong == []
    assert refused > 50
    assert last > 100


@pytest.mark.skipif(importlib.util.find_spec("_testcapi") is None, reason="this Python has no _testcapi")
def test_any_object_that_the_interpreter_has_no_memory_for_is_an_error_or_none() -> None:
    failed, succeeded = in_a_small_process("without_python_memory(120)")  # type: ignore[misc]
    assert failed > 50
    assert succeeded > 50


def test_ten_million_switches_leave_nothing_behind() -> None:
    assert in_a_small_process("growth_over_switches(10)") == 0


@pytest.mark.long
def test_a_hundred_thousand_sessions_leave_nothing_behind() -> None:
    assert in_a_small_process("growth_of_a_recording_over_sessions(100_000)") == 0
