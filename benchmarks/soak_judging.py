"""What the soak says of a run: nothing, or what is wrong with it.

    requests    each was answered, by status 200
    counts      the final profile has as many calls of each function as the requests caused, exactly
    memory      flat once settled (after a minute; in a short run, after a third): the median of the last
                third of the lines is at most 2 % and 1 MiB above that of the first third. Of resident memory
                while a snapshot is there, and of what the recording holds. Once a snapshot is dropped, the
                interpreter gives back as much as happens to lie in whole pieces of a mebibyte: that is
                below the first, goes up and down, and is shown, not judged.
    throughput  steady once settled, as requests in a second of the server's CPU time, because on a busy
                machine other programs take wall time away from it. Each window between two lines reaches at
                least 0.5 of the median, for programs on the other half of a core take as much; and, where
                five minutes are enough to tell a trend, the last third reaches 0.7 of the first (medians).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

SETTLING_SECONDS: Final = 60
MOST_GROWTH: Final = 0.02
MOST_GROWTH_KIB: Final = 1024
LEAST_SHARE_OF_MEDIAN: Final = 0.5
LEAST_SHARE_OF_BEGINNING: Final = 0.7
TREND_SECONDS: Final = 300

#: Sentences of Profile.warnings that are right here: there are more greenlets and threads than are kept
#: apart, a virtual machine's clocks may differ for a moment, and on 3.10 and 3.11 a thread of gevent's pool
#: has no profile function between two tasks, and a thread that runs a single built-in function may be met
#: and have ended, untold, before its CPU clock was read.
EXPECTED_WARNINGS: Final = (
    "greenlets have no record of their own", "shown together as [ended threads]", "the clocks disagreed",
    "set a profile function of its own", "CPU clock of a thread could not be read",
)  # fmt: skip


class Sample(NamedTuple):
    """A line of the server.

    seconds since it began; CPU seconds of the process; resident memory while the snapshot is there, and when
    it is gone; what the recording holds; requests, and all calls of functions of soak_handlers.py, that the
    snapshot counts; how long the snapshot took.
    """

    seconds: float
    cpu_seconds: float
    with_snapshot_kib: int
    resident_kib: int
    recording_kib: int
    requests: int
    calls: int
    snapshot_seconds: float

    @classmethod
    def from_line(cls, line: str) -> Sample:
        types = (float, float, int, int, int, int, int, float)
        return cls(*(kind(word) for kind, word in zip(types, line.split(), strict=True)))


@dataclass(frozen=True)
class Run:
    """All that is known of one.

    answers: handler -> status -> how often, as the clients saw it; calls, warnings: of the final profile.
    """

    seconds: float
    samples: Sequence[Sample]
    answers: Mapping[str, Mapping[str, int]]
    calls: Mapping[str, int]
    warnings: Sequence[str]

    @property
    def statuses(self) -> Counter[str]:
        """What came back, over all handlers."""
        total: Counter[str] = Counter()
        for statuses in self.answers.values():
            total.update(statuses)
        return total

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())

    @property
    def all_calls(self) -> int:
        return sum(self.calls.values())

    @property
    def settled(self) -> list[Sample]:
        """The lines from when memory must be flat."""
        settling = min(SETTLING_SECONDS, self.seconds / 3)
        return [each for each in self.samples if each.seconds >= settling]


class Window(NamedTuple):
    """What happened between two lines."""

    until: float
    per_second: float
    per_cpu_second: float


def windows(samples: Sequence[Sample]) -> list[Window]:
    return [
        Window(
            after.seconds,
            (after.requests - before.requests) / (after.seconds - before.seconds),
            (after.requests - before.requests) / (after.cpu_seconds - before.cpu_seconds),
        )
        for before, after in pairwise(samples)
    ]


def first_and_last(values: Sequence[float]) -> tuple[float, float]:
    """Medians over the first and the last third."""
    third = max(1, len(values) // 3)
    return median(values[:third]), median(values[-third:])


def faults(run: Run, calls_of_a_request: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A sentence for each thing that is wrong."""
    if len(run.settled) < 3:
        return [f"Only {len(run.settled)} lines came from the server once it was settled: too few to judge."]
    return [
        *_faults_of_requests(run),
        *_faults_of_counts(run, calls_of_a_request),
        *_faults_of_memory(run),
        *_faults_of_throughput(run),
    ]


def _faults_of_requests(run: Run) -> list[str]:
    wrong = [
        f"{count:,} requests for {name} were answered by {status}, not by 200."
        for name, statuses in run.answers.items()
        for status, count in statuses.items()
        if status != "200"
    ]
    return wrong if run.requests else ["No request was made."]


def _faults_of_counts(run: Run, calls_of_a_request: Mapping[str, Mapping[str, int]]) -> list[str]:
    expected: Counter[str] = Counter()
    for name, statuses in run.answers.items():
        for function, calls in calls_of_a_request[name].items():
            expected[function] += calls * sum(statuses.values())
    wrong = [
        f"The profile has {run.calls.get(function, 0):,} calls of {function}, the requests caused {count:,}."
        for function, count in {**dict.fromkeys(run.calls, 0), **expected}.items()
        if run.calls.get(function, 0) != count
    ]
    unexpected = [each for each in run.warnings if not any(part in each for part in EXPECTED_WARNINGS)]
    return wrong + [f"The profile warns: {warning}" for warning in unexpected]


def _faults_of_memory(run: Run) -> list[str]:
    return [
        *_fault_of_growth("Resident memory", [each.with_snapshot_kib for each in run.settled]),
        *_fault_of_growth("The recording", [each.recording_kib for each in run.settled]),
    ]


def _fault_of_growth(what: str, kib: Sequence[int]) -> list[str]:
    first, last = first_and_last(kib)
    allowed = first * MOST_GROWTH + MOST_GROWTH_KIB
    if last - first <= allowed:
        return []
    return [f"{what} grew from {first:,.0f} to {last:,.0f} KiB, by more than {allowed:,.0f} KiB."]


def _faults_of_throughput(run: Run) -> list[str]:
    settled = windows(run.settled)
    rates = [each.per_cpu_second for each in settled]
    usual = median(rates)
    wrong = [
        f"In the window up to {each.until:.0f} s the server answered {each.per_cpu_second:,.0f} requests a"
        f" second of its CPU time, less than {LEAST_SHARE_OF_MEDIAN} of the median, {usual:,.0f}."
        for each in settled
        if each.per_cpu_second < LEAST_SHARE_OF_MEDIAN * usual
    ]
    first, last = first_and_last(rates)
    if run.seconds >= TREND_SECONDS and last < LEAST_SHARE_OF_BEGINNING * first:
        wrong.append(
            f"The server slowed down from {first:,.0f} to {last:,.0f} requests a second of its CPU time."
        )
    return wrong
