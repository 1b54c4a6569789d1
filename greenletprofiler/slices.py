"""What is recorded of slices, and how it becomes values.

    snapshot  ->  RecordedSlices.from_snapshot  ->  kinds           SliceStats of each kind of greenlet
                         |  since(earlier)      ->  blocking()      the longest slices that blocked
                                                ->  blockers()      what they were spent on, added up

A slice is the time from a switch into a greenlet to the next switch out of it; a hub's poll is no part of
one. It blocks if it is long while other greenlets of its thread are suspended, beside the one that ran
before: they could not go on meanwhile. Its length is as it was recorded, with what the profiler's events cost
in it and without the profiler's other work.

Places in the call tree are numbers of nodes here, for the tree that is shown may have other times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from greenletprofiler._generated import ours
from greenletprofiler.calltree import CallTree, TreeNode
from greenletprofiler.errors import ThresholdError
from greenletprofiler.values import (
    Blocker,
    BlockingSlice,
    Function,
    SliceStats,
    longest,
    longest_since,
)

#: Seconds; a year or so.
LONGEST_THRESHOLD: Final = 31_000_000

KindKey = tuple[Function, "Function | None"]


@ours
@dataclass(frozen=True, slots=True)
class Culprit:
    """Slices that blocked in one place. longest_ns: None where that is not known."""

    count: int
    total_ns: int
    longest_ns: int | None

    def __add__(self, other: Culprit) -> Culprit:
        return Culprit(
            self.count + other.count,
            self.total_ns + other.total_ns,
            longest(self.longest_ns, other.longest_ns),
        )

    def since(self, earlier: Culprit) -> Culprit:
        """Without what was there already."""
        return Culprit(
            self.count - earlier.count,
            self.total_ns - earlier.total_ns,
            longest_since(self.longest_ns, earlier.longest_ns),
        )


@ours
@dataclass(frozen=True, slots=True)
class BlockingRecord:
    """A slice that blocked, with nodes by number.

    began_ns: on the monotonic clock. goes_on: at the moment of the snapshot; it is in no sum yet.
    """

    thread_id: int
    greenlet_id: int
    greenlet_class: Function
    first_function: Function | None
    began_ns: int
    length_ns: int
    cpu_ns: int
    suspended: int
    is_over: bool
    goes_on: bool
    culprit: int
    samples: tuple[tuple[int, int], ...]

    def moved(self, place_of: Sequence[int]) -> BlockingRecord:
        """The same, where nodes have other numbers."""
        samples = tuple((place_of[node], ns) for node, ns in self.samples)
        return replace(self, culprit=place_of[self.culprit], samples=samples)


@ours
@dataclass(frozen=True, slots=True)
class RecordedSlices:
    """Slices of a recording. blocking_count: of all that blocked and have ended, kept in detail or not.
    unrecorded: of each kind the greenlets without a record of their own, and switches to them."""

    threshold_ns: int
    blocking_count: int
    kinds: Mapping[KindKey, SliceStats]
    unrecorded: Mapping[KindKey, tuple[int, int]]
    records: tuple[BlockingRecord, ...]
    culprits: Mapping[int, Culprit]

    @classmethod
    def from_snapshot(
        cls,
        raw: Mapping[str, Any],
        functions: Sequence[Function],
        places: Sequence[int],
        node_of: Sequence[int],
    ) -> RecordedSlices:
        """Of a snapshot's `slices`; `places` and `node_of` are of its functions and of its rows."""

        def function(number: int) -> Function | None:
            return None if number < 0 else functions[places[number]]

        kinds: dict[KindKey, SliceStats] = {}
        unrecorded: dict[KindKey, tuple[int, int]] = {}
        for class_, first, greenlets, switches, *sums in raw["kinds"]:
            kind = functions[places[class_]], function(first)
            kinds[kind] = kinds.get(kind, SliceStats()) + SliceStats(*sums)
            known = unrecorded.get(kind, (0, 0))
            unrecorded[kind] = known[0] + greenlets, known[1] + switches
        culprits: dict[int, Culprit] = {}
        for row, *sums in raw["culprits"]:
            _add(culprits, node_of[row], Culprit(*sums))
        records = tuple(
            BlockingRecord(
                thread_id, greenlet_id, functions[places[class_]], function(first), began_ns, length_ns,
                cpu_ns, suspended, is_over, goes_on, node_of[row], _samples(samples, node_of),
            )
            for thread_id, greenlet_id, class_, first, began_ns, length_ns, cpu_ns, suspended, is_over,
                goes_on, row, samples in raw["blocking"]
        )  # fmt: skip
        return cls(raw["blocking_ns"], raw["blocking_count"], kinds, unrecorded, records, culprits)

    def since(self, earlier: RecordedSlices, place_of: Sequence[int]) -> RecordedSlices:
        """What ended after the earlier one, or still goes on; `place_of` has the places of its nodes here."""
        kinds = {
            kind: stats.since(earlier.kinds.get(kind, SliceStats())) for kind, stats in self.kinds.items()
        }
        before: dict[int, Culprit] = {}
        for node, culprit in earlier.culprits.items():
            _add(before, place_of[node], culprit)
        culprits = {
            node: culprit.since(before.get(node, Culprit(0, 0, 0))) for node, culprit in self.culprits.items()
        }
        known = {_identity(record) for record in earlier.records if not record.goes_on}
        return replace(
            self,
            blocking_count=self.blocking_count - earlier.blocking_count,
            kinds={kind: stats for kind, stats in kinds.items() if stats.count},
            unrecorded=_less(self.unrecorded, earlier.unrecorded),
            records=tuple(record for record in self.records if _identity(record) not in known),
            culprits={node: culprit for node, culprit in culprits.items() if culprit.count},
        )

    @property
    def count_until_now(self) -> int:
        """Of all that blocked, those that still go on among them."""
        return self.blocking_count + sum(record.goes_on for record in self.records)

    def nodes(self) -> Iterator[int]:
        """All places in the tree that are spoken of."""
        yield from self.culprits
        for record in self.records:
            yield record.culprit
            yield from (node for node, _ in record.samples)

    def moved(self, place_of: Sequence[int]) -> RecordedSlices:
        """The same, where nodes have other numbers."""
        return replace(
            self,
            records=tuple(record.moved(place_of) for record in self.records),
            culprits={place_of[node]: culprit for node, culprit in self.culprits.items()},
        )

    def blocking(
        self, tree: CallTree, utc_less_monotonic_ns: int, given_names: Mapping[int, str]
    ) -> tuple[BlockingSlice, ...]:
        """The slices that are kept, the longest first."""
        records = sorted(self.records, key=lambda record: record.length_ns, reverse=True)
        return tuple(
            BlockingSlice(
                record.thread_id, record.greenlet_id, record.greenlet_class, record.first_function,
                given_names.get(record.greenlet_id, ""), record.began_ns + utc_less_monotonic_ns,
                record.length_ns, record.cpu_ns, record.suspended,
                record.is_over, TreeNode(tree, record.culprit), TreeNode(tree, record.culprit).path,
                tuple((TreeNode(tree, node), ns) for node, ns in record.samples),
            )
            for record in records
        )  # fmt: skip

    def blockers(self, tree: CallTree) -> tuple[Blocker, ...]:
        """Slices by what they were spent on, over all threads, those still going on among them; the most
        time first."""
        paths: dict[tuple[Function, ...], Culprit] = {}
        for node, culprit in self._culprits_until_now():
            _add(paths, TreeNode(tree, node).path, culprit)
        blockers = [
            Blocker(path, culprit.count, culprit.total_ns, culprit.longest_ns)
            for path, culprit in paths.items()
        ]
        return tuple(sorted(blockers, key=lambda blocker: blocker.total_ns, reverse=True))

    def _culprits_until_now(self) -> Iterable[tuple[int, Culprit]]:
        yield from self.culprits.items()
        for record in self.records:
            if record.goes_on:
                yield record.culprit, Culprit(1, record.length_ns, record.length_ns)


def _less(
    later: Mapping[KindKey, tuple[int, int]], earlier: Mapping[KindKey, tuple[int, int]]
) -> dict[KindKey, tuple[int, int]]:
    before = {kind: earlier.get(kind, (0, 0)) for kind in later}
    return {kind: (now[0] - before[kind][0], now[1] - before[kind][1]) for kind, now in later.items()}


def checked_threshold_ns(seconds: float) -> int:
    """Nanoseconds; ThresholdError if no slice can be that long."""
    if not isinstance(seconds, (int, float)) or not 0 <= seconds <= LONGEST_THRESHOLD:
        raise ThresholdError(
            f"A slice cannot be compared with {seconds!r} seconds: use a number of seconds from 0 to"
            f" {LONGEST_THRESHOLD:,}, such as 0.1."
        )
    return round(seconds * 1e9)


def _add(culprits: dict[Any, Culprit], key: Any, more: Culprit) -> None:
    culprits[key] = culprits[key] + more if key in culprits else more


def _samples(samples: Iterable[tuple[int, int]], node_of: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Rows that became one node together."""
    sums: dict[int, int] = {}
    for row, ns in samples:
        sums[node_of[row]] = sums.get(node_of[row], 0) + ns
    return tuple(sums.items())


def _identity(record: BlockingRecord) -> tuple[int, int]:
    return record.greenlet_id, record.began_ns
