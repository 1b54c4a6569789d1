"""What was measured on one Python, and the figures that targets are about.

    results.added("fib", "ours")          added ns a unit: a median, with its quartiles
    results.ratio("fib", "ours", "cProfile")

Ratios between contenders are of added time over plain time, measured in one process in turns, so that they
hold on a machine whose cores change their speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Final, NamedTuple


class Spread(NamedTuple):
    middle: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """The median and the quartiles."""
    if len(values) < 2:
        return Spread(values[0], values[0], values[0])
    low, _, high = quantiles(values, n=4, method="inclusive")
    return Spread(median(values), low, high)


Pairs = list[dict[str, float]]

#: That is still full speed, in plain times of the fastest pair.
SLOWEST: Final = 1.15


@dataclass
class Results:
    """pairs: workload -> contender -> plain and added ns of a unit, and ns of a time stamp, pair by pair.

    versions: of contenders. truth: contender -> shares of tiny calls, one a process. phases: workload ->
    contender -> its shares. nodes, greenlets: count -> ns of an event. snapshot, report: seconds.
    """

    python: str
    versions: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    pairs: dict[str, dict[str, Pairs]] = field(default_factory=dict)
    truth: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    phases: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    nodes: dict[str, dict[str, float]] = field(default_factory=dict)
    greenlets: dict[str, dict[str, float]] = field(default_factory=dict)
    snapshot: dict[str, float] = field(default_factory=dict)
    report: float = 0.0

    @property
    def is_new(self) -> bool:
        """Whether it has sys.monitoring."""
        return tuple(map(int, self.python.split(".")[:2])) >= (3, 12)

    def has(self, workload: str, *contenders: str) -> bool:
        return all(self.pairs.get(workload, {}).get(contender) for contender in contenders)

    def plain_ns(self, workload: str) -> float:
        """Of a unit, at full speed."""
        return median(pair["plain"] for pair in self._every_at_full_speed(workload))

    def stamp(self, workload: str) -> float:
        """A reading of the time-stamp counter, in plain times of the workload."""
        return median(pair["stamp"] / pair["plain"] for pair in self._every_at_full_speed(workload))

    def _every_at_full_speed(self, workload: str) -> Pairs:
        known = self.pairs[workload]
        return [pair for name in known if known[name] for pair in self.at_full_speed(workload, name)]

    def at_full_speed(self, workload: str, contender: str) -> Pairs:
        """The pairs that were made when the processor was at its fastest; all of them if none was.

        At half speed, beside others on the same core, not all takes twice as long: callbacks take more.
        """
        fastest_ns = min(pair["plain"] for pairs in self.pairs[workload].values() for pair in pairs)
        pairs = self.pairs[workload][contender]
        return [pair for pair in pairs if pair["plain"] <= fastest_ns * SLOWEST] or pairs

    def relative(self, workload: str, contender: str) -> Spread:
        """Added time, in plain times."""
        return spread([pair["added"] / pair["plain"] for pair in self.at_full_speed(workload, contender)])

    def added_ns(self, workload: str, contender: str) -> Spread:
        """Added time of a unit, at full speed."""
        plain_ns = self.plain_ns(workload)
        low, middle, high = (each * plain_ns for each in sorted(self.relative(workload, contender)))
        return Spread(middle, low, high)

    def ratio(self, workload: str, contender: str, other: str) -> float:
        """Of what one adds to what another adds."""
        return self.relative(workload, contender).middle / self.relative(workload, other).middle

    def of_plain(self, workload: str, contender: str) -> float:
        """Profiled time, in plain times."""
        return 1 + self.relative(workload, contender).middle
