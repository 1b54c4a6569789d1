"""What the profiler promises of its cost, and whether results keep it.

Each target is a figure of Results, and the most (or least) that it may be on Python 3.12 and later, and on
3.10 and 3.11; None where it is told and not judged. A target of which something is missing is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench_results import Results

FULL: Final = "ours, built-ins"

#: Of the same events.
FLOORS: Final = {"ours": "floor", FULL: "floor, built-ins"}


@dataclass(frozen=True)
class Target:
    """needs: what must have been measured, (workload, contenders...). part: the field of Results that must be
    there. is_least: the limit is from below.

    floor: what the figure would be of callbacks that do nothing but read the time-stamp counter. A limit
    below that is out of any tracer's reach on this Python and machine.
    """

    name: str
    figure: Callable[[Results], float]
    limit_new: float | None
    limit_old: float | None
    needs: tuple[tuple[str, ...], ...] = ()
    is_least: bool = False
    floor: Callable[[Results], float | None] = lambda _: None
    part: str = "pairs"

    def limit(self, results: Results) -> float | None:
        return self.limit_new if results.is_new else self.limit_old

    def applies(self, results: Results) -> bool:
        return bool(getattr(results, self.part)) and all(results.has(*each) for each in self.needs)


@dataclass(frozen=True)
class Verdict:
    """Of a target, on one Python."""

    target: Target
    figure: float
    limit: float | None
    floor: float | None = None

    @property
    def is_kept(self) -> bool:
        if self.limit is None:
            return True
        return self.figure >= self.limit if self.target.is_least else self.figure <= self.limit

    @property
    def is_out_of_reach(self) -> bool:
        """Not kept, and no tracer could."""
        if self.is_kept or self.limit is None or self.floor is None:
            return False
        return self.floor < self.limit if self.target.is_least else self.floor > self.limit

    @property
    def is_missed(self) -> bool:
        """Not kept, and it could be."""
        return not self.is_kept and not self.is_out_of_reach


def stamps_above_floor(results: Results) -> float:
    above = results.relative("fib", "ours").middle - results.relative("fib", "floor").middle
    return above / results.stamp("fib")


def against(workload: str, ours: str, other: str) -> Callable[[Results], float]:
    return lambda results: results.ratio(workload, ours, other)


def of_plain(workload: str, ours: str) -> Callable[[Results], float]:
    return lambda results: results.of_plain(workload, ours)


def throughput(ours: str) -> Callable[[Results], float]:
    return lambda results: 1 / results.of_plain("pywsgi", ours)


def most_throughput(ours: str) -> Callable[[Results], float | None]:
    """Of callbacks that do nothing."""
    floor = FLOORS[ours]
    return lambda results: 1 / results.of_plain("pywsgi", floor) if results.has("pywsgi", floor) else None


def farthest_from_plain(contender: str) -> Callable[[Results], float]:
    """The median over processes of how far the share of the tiny calls is from the plain one."""
    return lambda results: median(abs(run["shown"] - run["plain"]) for run in results.truth[contender])


def distance_by_slowness(contender: str) -> Callable[[Results], float | None]:
    """The same of a share out of which exactly the cost of events was taken: before 3.12 the interpreter runs
    all code more slowly while it tells of calls."""
    return lambda results: median(abs(run["slowed"] - run["plain"]) for run in results.truth[contender])


def made_worse(word: str) -> Callable[[Results], float]:
    """How much further from plain a workload's share is than as it was recorded, where that is most."""

    def figure(results: Results) -> float:
        every = (shares for known in results.phases.values() for shares in known.values() if shares)
        return max(abs(each[word] - each["plain"]) - abs(each["raw"] - each["plain"]) for each in every)

    return figure


def least_against(workload: str, ours: str, other: str) -> Callable[[Results], float | None]:
    """Callbacks that do nothing, and a time stamp for each of the two events."""
    floor = FLOORS[ours]

    def figure(results: Results) -> float | None:
        if not results.has(workload, floor):
            return None
        least = results.relative(workload, floor).middle + 2 * results.stamp(workload)
        return least / results.relative(workload, other).middle

    return figure


def flatness(curve: Mapping[str, Mapping[str, float]]) -> float:
    """How far the dearest event is above the cheapest, as a share of that."""
    events = [point["event"] for point in curve.values()]
    return max(events) / min(events) - 1


def of_snapshot(word: str) -> Callable[[Results], float]:
    return lambda results: results.snapshot[word]


def dearer_by_timeline(results: Results) -> float:
    """At full speed."""
    with_timeline = results.relative("raw switches", "ours, timeline").middle
    more = with_timeline - results.relative("raw switches", "ours").middle
    return more * results.plain_ns("raw switches")


def ratio(name: str, workload: str, ours: str, other: str, new: float, old: float) -> Target:
    return Target(
        name, against(workload, ours, other), new, old, ((workload, ours, other),),
        floor=least_against(workload, ours, other),
    )  # fmt: skip


TARGETS: Final = (
    Target(
        "Python calls: time stamps above callbacks that do nothing", stamps_above_floor, 2, 2,
        (("fib", "ours", "floor"),),
    ),
    ratio("Python calls, against cProfile", "fib", "ours", "cProfile", 0.33, 0.80),
    ratio("Python calls, with built-ins, against cProfile", "fib", FULL, "cProfile", 0.50, 0.80),
    ratio("built-in calls, against cProfile", "built-ins", FULL, "cProfile", 0.50, 0.80),
    ratio("Python calls, with built-ins, against Yappi, wall", "fib", FULL, "Yappi, wall", 1 / 7, 1 / 3),
    ratio("Python calls, with built-ins, against Yappi, CPU", "fib", FULL, "Yappi, CPU", 1 / 25, 1 / 12),
    Target(
        "a loop without calls, in plain times", of_plain("call-free loop", FULL), 1.05, None,
        (("call-free loop", FULL),),
    ),
    ratio("raw switches, against an empty trace function", "raw switches", "ours", "floor", 1.5, 1.5),
    Target(
        "raw switches with a timeline: ns more than without, each", dearer_by_timeline, 60, 60,
        (("raw switches", "ours", "ours, timeline"),),
    ),
    Target(
        "excluded code, in plain times", of_plain("fib", "ours, excluded"), 1.10, None,
        (("fib", "ours, excluded"),),
    ),
    Target(
        "pywsgi, share of plain throughput", throughput("ours"), 0.82, 0.70, (("pywsgi", "ours"),), True,
        most_throughput("ours"),
    ),
    Target(
        "pywsgi, with built-ins, share of plain throughput", throughput(FULL), 0.78, 0.65,
        (("pywsgi", FULL),), True, most_throughput(FULL),
    ),
    Target(
        "tiny calls: share shown, away from plain", farthest_from_plain("ours"), 0.05, 0.05,
        floor=distance_by_slowness("ours"), part="truth",
    ),
    Target(
        "the same with built-ins", farthest_from_plain(FULL), 0.05, 0.05,
        floor=distance_by_slowness(FULL), part="truth",
    ),
    Target(
        "workloads: share shown, further from plain than recorded", made_worse("shown"), 0.02, 0.02,
        floor=made_worse("slowed"), part="phases",
    ),
    Target(
        "hot paths, from 10 to 1,000,000 nodes: growth", lambda it: flatness(it.nodes), 0.15, 0.15,
        part="nodes",
    ),
    Target(
        "hot paths, from 1 to 100,000 greenlets: growth", lambda it: flatness(it.greenlets), 0.15, 0.15,
        part="greenlets",
    ),
    Target("snapshot of a million nodes, seconds", of_snapshot("snapshot"), 1.0, 1.0, part="snapshot"),
    Target(
        "the program stopped by it at a time, seconds", of_snapshot("stopped"), 0.05, 0.05, part="snapshot"
    ),
    Target("that written as callgrind, seconds", of_snapshot("callgrind"), 5.0, 5.0, part="snapshot"),
    Target("the table of 100,000 greenlets, seconds", lambda it: it.report, 1.0, 1.0, part="report"),
)  # fmt: skip


def verdicts(results: Results) -> list[Verdict]:
    """Of the targets for which everything is there."""
    return [
        Verdict(target, target.figure(results), target.limit(results), target.floor(results))
        for target in TARGETS
        if target.applies(results)
    ]
