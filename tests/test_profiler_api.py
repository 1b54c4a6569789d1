"""Profiler: starting, stopping, adding up, decorating, and what it says when used wrongly."""

from __future__ import annotations

import functools
import inspect
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import greenlet
import pytest

import greenletprofiler
from greenletprofiler import Profile, Profiler, ProfilerError
from greenletprofiler.errors import (
    AlreadyRunningError,
    DecorationError,
    NotRunningError,
    StateError,
    ToolIdsTakenError,
)
from greenletprofiler.hubs import POLLS
from greenletprofiler.values import FunctionStats


def work() -> int:
    return sum(i for i in range(1000))


def stats_of(profile: Profile, name: str) -> FunctionStats | None:
    found = [stats for stats in profile.functions if stats.function.bare_name == name]
    assert len(found) < 2
    return found[0] if found else None


def calls_of(profile: Profile, name: str) -> int:
    stats = stats_of(profile, name)
    return 0 if stats is None else stats.calls


def test_start_and_stop_bound_what_is_recorded() -> None:
    profiler = Profiler()
    work()
    profiler.start()
    assert profiler.running
    work()
    work()
    profiler.stop()
    assert not profiler.running
    work()
    assert calls_of(profiler.snapshot(), "work") == 2


def test_a_profiler_adds_up_over_its_starts_and_stops() -> None:
    profiler = Profiler()
    for _ in range(3):
        with profiler:
            work()
        work()
    profile = profiler.snapshot()
    assert calls_of(profile, "work") == 3
    (thread,) = profile.threads
    assert thread.times.running_ns + thread.times.idle_ns + thread.own_ns == thread.lifetime_ns


def test_two_profilers_count_apart() -> None:
    first, second = Profiler(), Profiler()
    with first:
        work()
    with second:
        work()
        work()
    assert calls_of(first.snapshot(), "work") == 1
    assert calls_of(second.snapshot(), "work") == 2


def test_a_snapshot_of_a_running_profiler_is_a_value_of_that_moment() -> None:
    with Profiler() as profiler:
        work()
        before = profiler.snapshot()
        work()
        after = profiler.snapshot()
    assert calls_of(before, "work") == 1
    assert calls_of(after, "work") == 2
    assert before.recorded_ns <= after.recorded_ns


def test_a_profiler_that_never_ran_has_an_empty_profile() -> None:
    profile = Profiler().snapshot()
    assert profile.functions == ()
    assert profile.started_at == ""
    assert profile.recorded_ns == 0
    profile.print()


def test_a_stopped_profiler_has_one_profile() -> None:
    with Profiler() as profiler:
        for _ in range(50):
            work()
    first, second = profiler.snapshot(), profiler.snapshot()
    assert first.functions == second.functions
    assert first.threads == second.threads
    assert first.recorded_ns == second.recorded_ns


def test_the_start_is_stamped_with_both_clocks() -> None:
    wall_before, before = time.time_ns(), time.monotonic_ns()
    with Profiler() as profiler:
        pass
    profile = profiler.snapshot()
    assert before <= profile.started_monotonic_ns <= time.monotonic_ns()
    assert wall_before <= profile.started_at_ns <= time.time_ns()


def test_the_context_manager_stops_when_the_body_raises() -> None:
    profiler = Profiler()
    with pytest.raises(KeyError), profiler:
        raise KeyError
    assert not profiler.running


def test_without_builtins_only_python_functions_are_recorded() -> None:
    with Profiler(builtins=False) as profiler:
        work()
        len([])
    profile = profiler.snapshot()
    assert not profile.builtins
    assert {stats.function.kind for stats in profile.functions} == {"python"}


def test_other_threads_are_recorded_unless_told_not_to() -> None:
    for threads, calls in ((True, 1), (False, 0)):
        with Profiler(threads=threads) as profiler:
            other = threading.Thread(target=work)
            other.start()
            other.join()
        assert calls_of(profiler.snapshot(), "work") == calls


def test_the_profilers_own_frames_never_show() -> None:
    profiler = Profiler()

    @profiler
    def decorated() -> None:
        work()

    decorated()
    with profiler:
        profiler.snapshot()
        assert profiler.running
    profile = profiler.snapshot()
    package = str(Path(greenletprofiler.__file__).parent)
    files = {node.function.filename for node in profile.tree.walk()}
    assert not [name for name in files if name.startswith(package)]
    assert not [node for node in profile.tree.walk() if "greenletprofiler" in node.function.owner]
    assert calls_of(profile, "decorated") == 1


def test_methods_that_were_generated_for_the_package_never_show() -> None:
    profiler = Profiler()
    with profiler:
        greenlet.greenlet(work).switch()
        profile = profiler.snapshot()
        assert profile.functions
        assert profile.greenlet_kinds
    profile = profiler.snapshot()
    assert calls_of(profile, "work") == 1
    assert [each.function.label for each in profile.functions if each.function.filename == "<string>"] == []


def test_starting_twice_is_an_error_that_says_so() -> None:
    with Profiler() as profiler:
        with pytest.raises(AlreadyRunningError, match=r"This profiler is running already: call stop\(\)"):
            profiler.start()
        assert profiler.running
        work()
    assert calls_of(profiler.snapshot(), "work") == 1


def test_stopping_a_stopped_profiler_is_an_error_that_says_so() -> None:
    profiler = Profiler()
    with pytest.raises(NotRunningError, match=r"call start\(\) before stop\(\)"):
        profiler.stop()
    with profiler:
        pass
    with pytest.raises(NotRunningError):
        profiler.stop()


def test_a_second_profiler_beside_a_running_one_is_an_error_that_says_so() -> None:
    with Profiler() as profiler:
        other = Profiler()
        with pytest.raises(AlreadyRunningError, match="Another profiler is running"):
            other.start()
        with pytest.raises(NotRunningError):
            other.stop()
        assert profiler.running
        assert not other.running


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 and later have tool ids")
def test_taken_tool_ids_are_an_error_and_stay_taken() -> None:
    monitoring = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    taken = [tool for tool in (2, 3, 4) if monitoring.get_tool(tool) is None]
    for tool in taken:
        monitoring.use_tool_id(tool, f"test {tool}")
    try:
        profiler = Profiler()
        with pytest.raises(ToolIdsTakenError, match="2, 3 and 4"):
            profiler.start()
        assert not profiler.running
        assert [monitoring.get_tool(tool) for tool in taken] == [f"test {tool}" for tool in taken]
    finally:
        for tool in taken:
            monitoring.free_tool_id(tool)
    with profiler:
        work()
    assert calls_of(profiler.snapshot(), "work") == 1


def test_errors_have_one_base() -> None:
    for error in (AlreadyRunningError, NotRunningError, ToolIdsTakenError):
        assert issubclass(error, StateError)
        assert issubclass(error, ProfilerError)


def test_the_decorator_records_each_call_and_keeps_the_function_as_it_looks() -> None:
    profiler = Profiler()

    @profiler
    def add(left: int, right: int = 1) -> int:
        """Adds."""
        work()
        return left + right

    assert add(1, right=2) == 3
    assert add(1) == 2
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert str(inspect.signature(add)) == "(left: 'int', right: 'int' = 1) -> 'int'"
    profile = profiler.snapshot()
    assert calls_of(profile, "add") == 2
    assert calls_of(profile, "work") == 2
    assert not profiler.running


def test_a_decorated_function_may_recurse_and_raise() -> None:
    profiler = Profiler()

    @profiler
    def countdown(number: int) -> None:
        if number == 0:
            raise ValueError
        countdown(number - 1)

    with pytest.raises(ValueError, match=r"^$"):
        countdown(4)
    stats = stats_of(profiler.snapshot(), "countdown")
    assert stats is not None
    assert (stats.calls, stats.primitive_calls) == (5, 1)
    assert not profiler.running


def test_greenlets_may_be_in_a_decorated_function_at_the_same_time() -> None:
    profiler = Profiler()
    main = greenlet.getcurrent()

    @profiler
    def handler() -> None:
        work()
        main.switch()
        work()

    greenlets = [greenlet.greenlet(handler) for _ in range(3)]
    for _ in range(2):
        for handled in greenlets:
            handled.switch()
    assert not profiler.running
    profile = profiler.snapshot()
    assert calls_of(profile, "handler") == 3
    assert calls_of(profile, "work") == 6


def test_what_runs_after_its_call_cannot_be_decorated() -> None:
    profiler = Profiler()

    def generator() -> Iterator[int]:
        yield 1

    async def coroutine() -> None: ...

    for function in (generator, coroutine, 5):
        with pytest.raises(DecorationError, match="with profiler"):
            profiler(function)  # type: ignore[arg-type]
    assert profiler(functools.partial(work))() == work()


def test_every_poll_of_the_table_is_a_function_of_the_installed_hubs() -> None:
    gevent = pytest.importorskip("gevent", reason="not installed: gevent")
    root = Path(gevent.__file__).parent.parent
    sources = {name: root / name for name, _ in POLLS if (root / name).exists()}
    assert "gevent/hub.py" in sources
    for name, function in POLLS:
        if name in sources:
            owner, _, method = function.rpartition(".")
            text = sources[name].read_text()
            assert f"class {owner}(" in text
            assert f"    def {method}(self" in text


def test_a_hub_that_waits_for_the_world_is_idle() -> None:
    gevent = pytest.importorskip("gevent", reason="not installed: gevent")
    for builtins in (False, True):
        with Profiler(builtins=builtins) as profiler:
            gevent.sleep(0.1)
        total = profiler.snapshot().total
        assert total.idle_ns > 80_000_000
        assert total.running_ns < 50_000_000


PATCHED = """
import gevent.monkey
gevent.monkey.patch_all()
import gevent, threading, time
from greenletprofiler import Profiler

profiler = Profiler()

@profiler
def handler(number):
    with lock:
        time.sleep(0.001)

lock = threading.Lock()
gevent.joinall([gevent.spawn(handler, number) for number in range(10)])
(stats,) = [stats for stats in profiler.snapshot().functions if stats.function.name == "handler"]
assert stats.calls == 10, stats
assert not profiler.running
print("done")
"""


def test_it_works_under_monkey_patching() -> None:
    pytest.importorskip("gevent", reason="not installed: gevent")
    root = Path(greenletprofiler.__file__).parent.parent
    result = subprocess.run(
        [sys.executable, "-c", PATCHED], capture_output=True, text=True, cwd=root, timeout=60, check=False
    )
    assert (result.stdout, result.stderr) == ("done\n", "")
