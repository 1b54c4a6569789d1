"""The benchmark: its workloads and contenders run, and a missed target is told. Here no time is judged."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import run_plain
from recorded import stats

from greenletprofiler import Profiler

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import bench  # noqa: E402
import bench_measure  # noqa: E402
from bench_contenders import CONTENDERS  # noqa: E402
from bench_page import write_page  # noqa: E402
from bench_results import Results  # noqa: E402
from bench_targets import TARGETS, Target, verdicts  # noqa: E402
from bench_workloads import WORKLOADS  # noqa: E402

#: In a process of its own, for some leave greenlets behind.
ALL_WORKLOADS = """
from bench_workloads import WORKLOADS
from greenletprofiler import Profiler

for name, workload in WORKLOADS.items():
    run = workload.prepare()
    with Profiler(builtins=False) as profiler:
        run()
    print(name, profiler.snapshot().total.cpu_ns > 0)
"""


def test_every_workload_runs_and_is_profiled() -> None:
    done = run_plain("-c", ALL_WORKLOADS, folder=BENCHMARKS)
    assert done.stdout.splitlines() == [f"{name} True" for name in WORKLOADS]


@pytest.mark.parametrize(
    ("name", "function"), [("fib", "fib"), ("generators", "numbers"), ("deep recursion", "down")]
)
def test_a_workload_does_as_many_things_as_it_says(name: str, function: str) -> None:
    workload = WORKLOADS[name]
    with Profiler(builtins=False) as profiler:
        workload.prepare()()
    found = stats(profiler.snapshot(), function)
    assert abs(found.calls + found.resumes - workload.units) <= 1


@pytest.mark.parametrize("name", [name for name, each in CONTENDERS.items() if each.is_there()])
def test_a_contender_that_is_there_starts_and_stops_twice(name: str) -> None:
    contender = CONTENDERS[name]
    ran = []
    for _ in range(2):
        with contender.profiling():
            ran.append(len(ran))
    assert ran == [0, 1]


def shares(shown: float, slowed: float = 0.5) -> dict[str, float]:
    return {"plain": 0.5, "slowed": slowed, "shown": shown, "raw": 0.7}


def results(ours: float = 10.0, floor: float = 5.0, python: str = "3.13.0") -> Results:
    """Of fib alone: what ours and the floor add to a call of 50 ns."""
    pairs = {
        name: [{"plain": 50.0, "added": added, "stamp": 10.0}] * 3
        for name, added in {"ours": ours, "floor": floor, "cProfile": 100.0}.items()
    }
    flat = {count: {"plain": 20.0, "event": 20.0, "random": 90.0} for count in ("10", "1000")}
    return Results(
        python, pairs={"fib": pairs}, nodes=flat, greenlets=flat, report=0.5,
        truth={name: [shares(0.5)] for name in ("ours", "ours, built-ins")},
        phases={"fib": {"ours": shares(0.52)}},
        snapshot={"nodes": 1e6, "snapshot": 0.5, "stopped": 0.01, "callgrind": 1.0},
    )  # fmt: skip


def missed(found: Results) -> list[str]:
    return [verdict.target.name for verdict in verdicts(found) if verdict.is_missed]


def test_targets_that_are_kept_are_not_missed() -> None:
    assert missed(results()) == []


def test_a_call_that_costs_more_than_two_stamps_above_the_floor_is_a_miss() -> None:
    assert missed(results(ours=26.0)) == ["Python calls: time stamps above callbacks that do nothing"]


def test_a_limit_that_no_tracer_can_keep_is_out_of_reach() -> None:
    name = "Python calls, against cProfile"
    (verdict,) = (each for each in verdicts(results(ours=34.0, floor=14.0)) if each.target.name == name)
    assert (verdict.is_out_of_reach, verdict.is_missed, verdict.floor) == (True, False, 0.34)
    (verdict,) = (each for each in verdicts(results(ours=34.0, floor=13.0)) if each.target.name == name)
    assert (verdict.is_out_of_reach, verdict.is_missed, verdict.floor) == (False, True, 0.33)


def test_a_share_is_out_of_reach_where_the_interpreter_slows_the_loop_by_more() -> None:
    name = "tiny calls: share shown, away from plain"
    found = results()
    found.truth["ours"] = [shares(0.44, slowed=0.43)] * 3
    (verdict,) = (each for each in verdicts(found) if each.target.name == name)
    assert (verdict.is_out_of_reach, verdict.is_missed) == (True, False)
    found.truth["ours"] = [shares(0.44, slowed=0.46)] * 3
    assert missed(found) == [name]


def test_a_share_that_is_further_from_plain_than_what_was_recorded_is_a_miss() -> None:
    found = results()
    found.phases["methods"] = {"ours": shares(0.27)}
    assert missed(found) == ["workloads: share shown, further from plain than recorded"]


def test_limits_differ_from_python_to_python() -> None:
    name = "Python calls, against cProfile"
    assert name in missed(results(ours=34.0, floor=13.0))
    assert name not in missed(results(ours=34.0, floor=13.0, python="3.11.7"))


def test_wrong_shares_a_steep_curve_and_a_slow_snapshot_are_misses() -> None:
    found = results()
    found.truth["ours"] = [shares(0.6)]
    found.nodes = {**found.nodes, "1000000": {"plain": 20.0, "event": 24.0, "random": 90.0}}
    found.snapshot = {**found.snapshot, "stopped": 0.06}
    assert missed(found) == [
        "tiny calls: share shown, away from plain",
        "hot paths, from 10 to 1,000,000 nodes: growth",
        "the program stopped by it at a time, seconds",
    ]


def test_what_was_not_measured_is_not_judged() -> None:
    judged = {verdict.target.name for verdict in verdicts(results())}
    assert "pywsgi, share of plain throughput" not in judged
    assert "Python calls, against cProfile" in judged
    of_pairs = {verdict.target.name for verdict in verdicts(Results("3.13.0", pairs=results().pairs))}
    assert judged - of_pairs == {target.name for target in TARGETS if target.part != "pairs"}


def test_pairs_at_half_speed_do_not_count_beside_those_at_full_speed() -> None:
    found = results()
    slow = {"plain": 90.0, "added": 500.0, "stamp": 20.0}
    found.pairs["fib"]["ours"].append(slow)
    assert found.relative("fib", "ours") == (0.2, 0.2, 0.2)
    found.pairs["fib"]["ours"] = [slow]
    assert found.relative("fib", "ours").middle == 500 / 90


def test_a_run_counts_that_a_tenth_of_the_runs_beat() -> None:
    assert bench_measure.fast([200] * 15 + [100, 50, 102, 101, 200]) == 101
    assert bench_measure.fast([7]) == 7


def test_slow_profilers_take_turns_of_their_own() -> None:
    names = ["floor", "ours", "Yappi, CPU", "cProfile", "viztracer"]
    judged, slow = ["floor", "ours", "cProfile"], ["Yappi, CPU", "viztracer"]
    assert bench.processes(names, 2) == [judged, judged, slow]
    assert bench.processes(judged, 2) == [judged, judged]
    assert bench.processes(slow, 2) == [slow, slow]


def test_all_have_a_turn_before_any_has_the_next_and_not_in_one_order() -> None:
    begun: list[str] = []

    def noting(name: str) -> Callable[[], nullcontext[None]]:
        def profiling() -> nullcontext[None]:
            begun.append(name)
            return nullcontext()

        return profiling

    names = ["plain", "floor", "ours", "cProfile"]
    found = bench_measure.in_turns(list, {name: noting(name) for name in names}, list, 0)
    turns = [begun[first : first + len(names)] for first in range(0, len(begun), len(names))]
    assert [sorted(turn) for turn in turns] == [sorted(names)] * bench_measure.LEAST_TURNS
    assert len(set(map(tuple, turns))) > 1
    assert list(found) == [*names, bench_measure.STAMPS]


def test_costs_are_of_each_contender_beside_the_same_plain_program(monkeypatch: pytest.MonkeyPatch) -> None:
    no_floor = SimpleNamespace(read_stamps=lambda: None, STAMPS=1)  # that is made by `make bench`
    monkeypatch.setitem(sys.modules, "floor", no_floor)
    monkeypatch.setattr(bench_measure, "SECONDS", 0)
    found = bench_measure.costs("built-ins", "ours", "cProfile")
    assert list(found) == ["ours", "cProfile"]
    assert found["ours"]["plain"] == found["cProfile"]["plain"] > 0
    assert found["cProfile"]["added"] > 0


def test_a_limit_from_below_is_missed_from_below() -> None:
    least = Target("share", lambda _: 0.5, 0.82, 0.70, is_least=True)
    assert [replace(least, limit_new=limit).limit(results()) for limit in (0.4, None)] == [0.4, None]
    assert {target.is_least for target in TARGETS} == {True, False}


def test_the_page_tells_every_verdict_and_has_its_picture(tmp_path: Path) -> None:
    found = results(ours=26.0)
    write_page(tmp_path / "benchmarks.md", tmp_path / "benchmarks.svg", [found])
    page = (tmp_path / "benchmarks.md").read_text()
    for verdict in verdicts(found):
        figure = f"{verdict.figure:.3f}"
        line = next(line for line in page.splitlines() if line.startswith(f"| {verdict.target.name} |"))
        assert (f"**{figure}**" if verdict.is_missed else figure) in line
    assert "| fib | 0.50 | 0.50 | 0.52 | 0.70 |" in page
    assert "benchmarks.svg" in page
    assert (tmp_path / "benchmarks.svg").read_text().startswith("<svg")
