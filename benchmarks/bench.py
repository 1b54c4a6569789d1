"""The benchmark: what profiling costs, beside other profilers and beside what is promised.

    bench.py                      measures on this Python, and keeps the results in build/bench/
    bench.py --write docs         makes docs/benchmarks.md and its picture of all results that are kept
    bench.py --only fib ours      some of it, shown and not kept
    bench.py --more --only fib    the same, added to what is kept of this Python: medians of more pairs
    bench.py --again --only fib   the same, in place of what is kept; also parts that are not of pairs (PARTS)

A workload is measured in processes of its own, pinned to one core, in which contenders take turns
(processes()); --repeats says how many. The exit code is 1 if a target is missed (bench_targets.py).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench_contenders import CONTENDERS
from bench_page import write_page
from bench_results import Pairs, Results
from bench_targets import Verdict, verdicts
from bench_workloads import WORKLOADS

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent / "build" / "bench"
TIMEOUT_SECONDS = 300
COUNTS = ("10", "100", "1000", "10000", "100000", "1000000")
OURS = ("ours", "ours, built-ins")
TRUE_SHARES = (*OURS, "cProfile", "Yappi, wall", "Yappi, CPU")
PROCESSES_OF_TRUTH = 5
PROCESSES_OF_CURVES = 5
PROCESSES_OF_SNAPSHOTS = 3
PROCESSES_OF_REPORTS = 3


def pin() -> None:
    """On the last core; the first one has the most to do for the system."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def measure(*words: str, pinned: bool = True) -> Any:
    """What one process measured; None if it failed."""
    done = subprocess.run(
        [sys.executable, str(HERE / "bench_measure.py"), *words], capture_output=True, text=True,
        timeout=TIMEOUT_SECONDS, preexec_fn=pin if pinned else None,
    )  # fmt: skip
    if done.returncode != 0:
        print(f"    {' '.join(words)}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def add_costs(results: Results, only: list[str], repeats: int, more: bool) -> None:
    there = {name: each for name, each in CONTENDERS.items() if each.is_there()}
    results.missing = [name for name in CONTENDERS if name not in there]
    results.versions = {each.distribution: each.version for each in there.values() if each.distribution}
    chosen = [name for name in there if name in only] or list(there)
    for workload in [name for name in WORKLOADS if not only or name in only]:
        known = results.pairs.setdefault(workload, {})
        names = [name for name in chosen if not there[name].only or workload in there[name].only]
        if not more:
            known.update((name, []) for name in names)
        for names_of_process in processes(names, repeats):
            add_pairs(known, workload, names_of_process)
        show_costs(results, workload)
    results.failed = [
        f"{name} on {workload}"
        for workload, known in results.pairs.items()
        for name, pairs in known.items()
        if not pairs
    ]


def processes(names: list[str], repeats: int) -> list[list[str]]:
    """Who takes turns in each: what is judged; in one more, profilers so slow that it would have few turns.

    Where code and data come to lie differs from process to process, and is some ns of a call; what is slow
    adds hundreds.
    """
    slow = [name for name in names if CONTENDERS[name].is_slow]
    near = [name for name in names if name not in slow]
    if not near:
        return [slow] * repeats
    return [near] * repeats + [slow] * bool(slow)


def add_pairs(known: dict[str, Pairs], workload: str, names: list[str]) -> None:
    for name, pair in (measure("costs", workload, *names) or {}).items():
        known.setdefault(name, []).append(pair)


def show_costs(results: Results, workload: str) -> None:
    measured = [name for name, pairs in results.pairs[workload].items() if pairs]
    added = [f"{name} {results.added_ns(workload, name).middle:,.0f}" for name in measured]
    print(f"{workload}: {', '.join(added)}", flush=True)


def truth_of_tiny_calls() -> dict[str, list[dict[str, float]]]:
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in TRUE_SHARES}
    for _ in range(PROCESSES_OF_TRUTH):
        for name in TRUE_SHARES:
            runs[name] += filter(None, [measure("truth", name)])
    return runs


def shares_of_workloads() -> dict[str, dict[str, dict[str, float]]]:
    shares: dict[str, dict[str, dict[str, float]]] = {workload: {} for workload in WORKLOADS}
    for workload, known in shares.items():
        for name in OURS:
            known[name] = measure("phases", workload, name) or {}
    return shares


def medians_of_snapshots() -> dict[str, float]:
    """Of some processes: what stops a thread for long may be the system, now and then."""
    runs = [run for run in (measure("snapshot", pinned=False) for _ in range(PROCESSES_OF_SNAPSHOTS)) if run]
    return {word: median(run[word] for run in runs) for word in runs[0]} if runs else {}


def least_seconds_of_report() -> float:
    runs = [measure("report") for _ in range(PROCESSES_OF_REPORTS)]
    return min(filter(None, runs), default=0.0)


#: What is measured beside pairs: a field of Results, and what it is.
PARTS: Final[dict[str, Callable[[], Any]]] = {
    "truth": truth_of_tiny_calls,
    "phases": shares_of_workloads,
    "nodes": lambda: curve("nodes", COUNTS),
    "greenlets": lambda: curve("greenlets", ("1", *COUNTS[:-1])),
    "snapshot": medians_of_snapshots,
    "report": least_seconds_of_report,
}


def add_parts(results: Results, names: Iterable[str]) -> None:
    for name in names:
        setattr(results, name, PARTS[name]())


def curve(name: str, counts: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """For each count the least of some processes, which take turns: an event when the machine is fastest."""
    runs: dict[str, list[dict[str, float]]] = {count: [] for count in counts}
    for _ in range(PROCESSES_OF_CURVES):
        for count in counts:
            runs[count] += filter(None, [measure(name, count)])
    return {count: least_of(each) for count, each in runs.items()}


def least_of(runs: list[dict[str, float]]) -> dict[str, float]:
    least = {word: min(run[word] for run in runs) for word in runs[0]}
    return {**least, "event": least["profiled"] - least["plain"]}


def kept() -> list[Results]:
    files = sorted(KEPT.glob("*.json"), key=lambda file: int(file.stem.split(".")[1]))
    return [Results(**json.loads(file.read_text())) for file in files]


def word(verdict: Verdict) -> str:
    if verdict.limit is None:
        return "told"
    if verdict.is_out_of_reach:
        return "out of reach"
    return "MISSED" if verdict.is_missed else "kept"


def judge(results: Results) -> int:
    missed = 0
    for verdict in verdicts(results):
        limit = "" if verdict.limit is None else f"(limit {verdict.limit:.3f})"
        print(f"{word(verdict):12} {verdict.target.name}: {verdict.figure:.3f} {limit}")
        missed += verdict.is_missed
    return 1 if missed else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="make the page of what is kept, and end")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="workloads, contenders, parts")
    parser.add_argument("--more", action="store_true", help="add to what is kept of this Python")
    parser.add_argument("--again", action="store_true", help="replace it by what is measured now")
    parser.add_argument("--repeats", type=int, default=3, help="processes for each workload")
    options = parser.parse_args()
    if options.write:
        write_page(options.write / "benchmarks.md", options.write / "benchmarks.svg", kept())
        return max((judge(results) for results in kept()), default=1)
    results = Results(platform.python_version())
    if options.more or options.again:
        results = next((each for each in kept() if each.python == results.python), results)
        if not results.pairs:
            parser.error(f"nothing is kept of Python {results.python}: measure all of it first")
    add_costs(results, options.only, options.repeats, options.more)
    add_parts(results, [name for name in PARTS if not options.only or name in options.only])
    if options.only and not (options.more or options.again):
        return 0
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{results.python}.json").write_text(json.dumps(asdict(results), indent=1))
    return judge(results)


if __name__ == "__main__":
    sys.exit(main())
