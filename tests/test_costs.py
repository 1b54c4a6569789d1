"""The profiler's own cost: taken out of the times that are shown, told, and never lost."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from commands import run
from recorded import name_of, names
from synthetic import SnapshotBuilder, builtin, python

from greenletprofiler import Profile, Profiler, _native
from greenletprofiler.calibration import COPIES, RUNS, Calibration, _Loop
from greenletprofiler.costs import EventCost, EventCosts

COSTS = EventCosts(
    python_call=EventCost(10, 1), resume=EventCost(20, 2), c_call=EventCost(40, 4), passed_over=EventCost(80)
)


def two_levels(running: int = 1000, cpu: int = 900) -> SnapshotBuilder:
    """outer calls inner 3 times, resumes a generator 5 times, calls len 7 times; 2 calls are passed over."""
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread(own=50))
    outer = snapshot.call(base, python("outer"), running=running, cpu=cpu, passed_over=2)
    snapshot.call(outer, python("inner"), calls=3, running=500, cpu=400)
    snapshot.call(outer, python("generator"), calls=1, resumes=5, running=500, cpu=400)
    snapshot.call(outer, builtin("len"), calls=7, running=500, cpu=400)
    return snapshot


def self_times(profile: Profile) -> dict[str, tuple[int, int]]:
    """Running and CPU time by name."""
    return {each.function.name: (each.self.running_ns, each.self.cpu_ns) for each in profile.functions}


def test_each_side_of_an_event_is_taken_from_where_it_was_charged() -> None:
    outer = 1 + 3 * 10 + (10 + 5 * 20) + 7 * 40 + 2 * 80
    assert self_times(two_levels().profile(COSTS)) == {
        "outer": (1000 - outer, 900 - outer),
        "inner": (500 - 3, 400 - 3),
        "generator": (500 - 1 - 5 * 2, 400 - 1 - 5 * 2),
        "len": (500 - 7 * 4, 400 - 7 * 4),
    }


def test_no_more_is_taken_from_a_function_than_its_cpu_time() -> None:
    assert self_times(two_levels(cpu=100).profile(COSTS))["outer"] == (900, 0)
    assert self_times(two_levels(cpu=0).profile(COSTS))["outer"] == (1000, 0)


def test_what_is_taken_is_the_profilers_own_time() -> None:
    profile = two_levels().profile(COSTS)
    raw = profile.raw()
    taken_ns = raw.total.running_ns - profile.total.running_ns
    assert profile.cost.events_ns == taken_ns > 0
    assert [each.own_ns for each in profile.threads] == [50 + taken_ns]
    assert [each.own_ns for each in raw.threads] == [50]
    for each in (*profile.threads, *raw.threads):
        assert each.times.running_ns + each.times.idle_ns + each.own_ns == each.lifetime_ns


def test_inclusive_times_are_sums_of_what_is_left() -> None:
    profile = two_levels().profile(COSTS)
    (outer,) = (each for each in profile.functions if each.function.name == "outer")
    assert outer.inclusive.cpu_ns == sum(each.self.cpu_ns for each in profile.functions)
    assert outer.inclusive.running_ns == profile.total.running_ns


def test_raw_times_are_those_that_were_recorded() -> None:
    corrected = two_levels().profile(COSTS)
    assert self_times(corrected.raw()) == self_times(two_levels().profile())
    assert (corrected.is_raw, corrected.raw().is_raw, corrected.raw().raw().is_raw) == (False, True, True)
    assert corrected.raw().cost == corrected.cost


def test_counts_are_the_same_with_and_without_the_cost() -> None:
    def counts(profile: Profile) -> list[tuple[str, int, int]]:
        return [(each.function.name, each.calls, each.resumes) for each in profile.functions]

    corrected = two_levels().profile(COSTS)
    assert counts(corrected) == counts(corrected.raw())


def test_cost_that_is_not_known_is_not_taken() -> None:
    profile = two_levels().profile()
    assert profile.is_raw
    assert (profile.cost.calibration, profile.cost.events_ns, profile.cost.ns_per_event) == (None, 0, 0.0)


def test_events_are_two_for_a_call_a_resume_and_a_call_that_is_passed_over() -> None:
    profile = two_levels().profile(COSTS)
    switches = sum(each.switches for each in profile.threads)
    assert profile.cost.events == 2 * (1 + 3 + 1 + 5 + 7 + 2) + switches
    assert profile.cost.ns_per_event == profile.cost.events_ns / profile.cost.events


def test_the_profilers_share_is_of_all_time_that_ran() -> None:
    cost = two_levels().profile(COSTS).cost
    assert cost.own_ns == 50
    assert cost.share == (cost.events_ns + 50) / (1000 + 3 * 500 + 50)


def printed(profile: Profile) -> str:
    page = io.StringIO()
    profile.print(page, width=200)
    return page.getvalue()


def test_one_line_under_the_table_tells_the_cost() -> None:
    snapshot = two_levels()
    snapshot.counters = {"cpu_clock_reads": 1234, "truncated_calls": 1, "unmatched_leaves": 2}
    snapshot.counters["dropped_intervals"] = 3
    profile = snapshot.profile(COSTS)
    rest = "1,234 CPU clock reads; 1 truncated, 2 unmatched, 3 dropped"
    share = f"{profile.cost.share:.1%} of the run"
    events = f"{profile.cost.events} events of {profile.cost.ns_per_event:.0f} ns"
    assert f"Profiler: {share} taken out, {events}; {rest}" in printed(profile)
    assert f"Profiler: {share} left in, {events}; {rest}" in printed(profile.raw())
    assert f"{profile.cost.events} events of unknown cost; {rest}" in printed(snapshot.profile())


def many_calls() -> None:
    def tiny(number: int) -> int:
        return number

    for number in range(20_000):
        tiny(number)


@pytest.mark.parametrize("builtins", [True, False])
def test_a_recording_takes_the_cost_of_its_own_events_out(builtins: bool) -> None:
    profiler = Profiler(builtins=builtins)
    with profiler:
        many_calls()
    profile = profiler.snapshot()
    calls = sum(each.calls + each.resumes for each in profile.functions)
    assert profile.cost.events >= 2 * calls >= 40_000
    assert not profile.is_raw
    assert 0 < profile.total.running_ns < profile.raw().total.running_ns
    assert profile.raw().total.running_ns - profile.total.running_ns == profile.cost.events_ns


def test_calls_that_are_passed_over_are_counted_where_the_interpreter_tells_of_them() -> None:
    profiler = Profiler(builtins=False)
    with profiler:
        for _ in range(1000):
            len("")
    passed_over = sum(profiler.snapshot().call_tree.passed_over)
    assert passed_over >= 1000 if sys.version_info < (3, 12) else passed_over == 0


@pytest.mark.parametrize("builtins", [True, False])
def test_calibration_is_seen_nowhere(builtins: bool) -> None:
    profiler = Profiler(builtins=builtins)
    with profiler:
        many_calls()
    profile = profiler.snapshot()
    called = {name_of(each.function) for each in profile.functions if each.calls}
    assert called - {"range"} == {"many_calls", "tiny"}


def test_events_cost_something_of_every_kind_that_is_recorded() -> None:
    for builtins in (True, False):
        recorder = _native.Recorder(builtins=builtins, threads=True, hidden=(), polls=(), node_budget=1000)
        calibration = Calibration(recorder, builtins)
        recorder.start()
        costs = calibration.costs()
        recorder.stop()
        assert min(costs.python_call.inner_ns, costs.resume.inner_ns) > 0
        assert (costs.c_call.inner_ns > 0) is builtins
        assert (costs.passed_over.outer_ns > 0) is (not builtins and sys.version_info < (3, 12))


def test_no_loop_is_charged_with_the_time_of_the_copies_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    run = _Loop._run

    def noted(loop: _Loop) -> tuple[float, float, int]:
        runs.append(run(loop))
        return runs[-1]

    monkeypatch.setattr(_Loop, "_run", noted)
    recorder = _native.Recorder(builtins=True, threads=True, hidden=(), polls=(), node_budget=1000)
    calibration = Calibration(recorder, True)
    runs.clear()
    recorder.start()
    calibration.costs()
    recorder.stop()
    assert len(runs) == 3 * COPIES * RUNS
    assert all(0 < in_loop <= everything for everything, in_loop, _ in runs)


def test_it_is_measured_once_for_all_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    profiler = Profiler()
    with profiler:
        pass
    first = profiler.snapshot().cost.calibration
    monkeypatch.setattr(Calibration, "costs", None)
    with profiler:
        pass
    assert profiler.snapshot().cost.calibration is first is not None


class Interrupted(BaseException):
    pass


def test_an_interruption_of_the_measuring_leaves_no_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(calibration: Calibration) -> EventCosts:
        raise Interrupted

    profiler = Profiler()
    with monkeypatch.context() as patch:
        patch.setattr(Calibration, "costs", interrupted)
        with pytest.raises(Interrupted):
            profiler.start()
    assert not profiler.running
    with profiler:
        many_calls()
    assert "many_calls" in names(profiler.snapshot())


def test_too_deep_down_to_measure_it_records_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_deep(*arguments: object) -> None:
        raise RecursionError

    for method in ("__init__", "costs"):
        profiler = Profiler()
        with monkeypatch.context() as patch:
            patch.setattr(Calibration, method, too_deep)
            with profiler:
                many_calls()
        assert "many_calls" in names(profiler.snapshot())
        assert profiler.snapshot().cost.calibration is None


def test_the_command_shows_raw_times_on_request(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text("for number in range(1000): (lambda: number)()\n")
    assert "of the run taken out" in run(script.name, folder=tmp_path).stderr
    assert "of the run left in" in run("--raw", script.name, folder=tmp_path).stderr
