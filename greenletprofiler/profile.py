"""Profile: what was recorded, as a value that is apart from the profiler and never changes.

    snapshot (plain dict)  ->  Profile.from_snapshot  ->  functions, edges, tree, threads, greenlets, slices
                                                      ->  print(), save()

Times are in nanoseconds, defined in values.py; how functions and edges come from the tree, in folds.py.
They are folded when first asked for, and kept.

Invariant, exact to the nanosecond, for each thread: running + idle + own == lifetime; and over the whole
profile: self times of functions and of the marks in the tree add up to `total`.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, TextIO, TypeVar

from greenletprofiler import _native, difference, folds
from greenletprofiler._generated import ours
from greenletprofiler.calltree import (
    CallTree,
    TreeNode,
    distinct_functions,
    tree_from_snapshot,
    values,
    zeros,
)
from greenletprofiler.caveats import unmatched_warnings, warnings_of
from greenletprofiler.costs import EventCosts, ProfilerCost, without_event_costs
from greenletprofiler.errors import DifferenceError
from greenletprofiler.filters import Filters
from greenletprofiler.folds import Fold
from greenletprofiler.greenlets import greenlets_of, notes_of
from greenletprofiler.slices import KindKey, RecordedSlices
from greenletprofiler.timeline import Timeline
from greenletprofiler.values import (
    TAG_KIND,
    Blocker,
    BlockingSlice,
    Edge,
    Function,
    FunctionStats,
    GreenletKind,
    GreenletStats,
    SliceStats,
    TagStats,
    ThreadStats,
    Times,
    checked_clock,
)

K = TypeVar("K", bound=Hashable)


#: Counters that say how it was when the recording started; all others count what happened.
STATES: Final = frozenset({"frozen_objects"})

#: Counters that are told among the recording's own cost.
COUNTED_COSTS: Final = ("cpu_clock_reads", "truncated_calls", "unmatched_leaves", "dropped_intervals")


@ours
@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded, whatever of it is shown.

    records: of each thread, as the snapshot has it; nodes: of each thread, in the tree; slices: of all.
    """

    tree: CallTree
    records: tuple[Sequence[Any], ...]
    nodes: tuple[int, ...]
    slices: RecordedSlices

    def threads(self, shown: CallTree, taken_ns: array[int]) -> tuple[ThreadStats, ...]:
        """With the times of a tree from which these ns were taken, node by node."""
        taken_below_ns = values(_native.sum_upwards(taken_ns, shown.parent))
        return tuple(
            _thread(record, TreeNode(shown, node), taken_below_ns[node])
            for record, node in zip(self.records, self.nodes, strict=True)
        )

    def since(self, earlier: Recorded) -> Recorded:
        """What came after the earlier one. Threads of which nothing was recorded since are left out."""
        thread_of = difference.threads_in_later(self.records, earlier.records)
        roots = {node: self.nodes[thread] for node, thread in zip(earlier.nodes, thread_of, strict=True)}
        place_of = difference.places(self.tree, earlier.tree, roots)
        tree = difference.tree_since(self.tree, earlier.tree, place_of)
        records = difference.records_since(self.records, earlier.records, thread_of)
        difference.settle(records, self.nodes, tree)
        slices = self.slices.since(earlier.slices, place_of)
        left = [number for number, record in enumerate(records) if difference.has_lived(record)]
        kept = (*(self.nodes[number] for number in left), *slices.nodes())
        tree, node_of = difference.without_nothing(tree, kept)
        nodes = tuple(node_of[self.nodes[number]] for number in left)
        return Recorded(tree, tuple(records[number] for number in left), nodes, slices.moved(node_of))


@ours
@dataclass(frozen=True, eq=False, repr=False)
class Profile:
    """A recording up to the moment of its snapshot.

    clock: what stamped the events, "tsc" or "monotonic"; both clocks of a report come from one recording.
    started_at_ns: of the first start, UTC, since the epoch; 0 if there was none.
    started_monotonic_ns: the monotonic clock then.
    recorded_ns: wall time between starts and stops.
    builtins: whether functions written in C were recorded.
    filters: patterns of what was included and excluded.
    unmatched_patterns: those of them that no function matched.
    threads, greenlets: ThreadStats and GreenletStats, the latter of a limited number of greenlets.
    counters: what happened while recording, by name; `warnings` says what of it matters.
    call_tree: without what the profiler's events cost, see costs.py; that of raw() is as it was recorded.
    cost: what the recording itself took.
    timeline: who ran when, if Profiler(timeline=True) recorded it.
    """

    clock: str
    started_at_ns: int
    started_monotonic_ns: int
    recorded_ns: int
    builtins: bool
    filters: Filters
    unmatched_patterns: tuple[str, ...]
    threads: tuple[ThreadStats, ...]
    greenlets: tuple[GreenletStats, ...]
    counters: Mapping[str, int]
    call_tree: CallTree
    cost: ProfilerCost
    timeline: Timeline | None
    _recorded: Recorded

    @classmethod
    def from_snapshot(
        cls,
        raw: Mapping[str, Any],
        costs: EventCosts | None = None,
        filters: Filters = Filters(),  # noqa: B008  it never changes
        unmatched_patterns: tuple[str, ...] = (),
    ) -> Profile:
        """The profile of what Recorder.snapshot() returned; `costs` of events go out of its times."""
        functions, places = distinct_functions(raw["functions"])
        thread_names = {record[5]: record[3] for record in raw["threads"]}
        tree, node_of = tree_from_snapshot(raw["nodes"], functions, places, thread_names)
        records = tuple(raw["threads"])
        roots = tuple(node_of[record[5]] for record in records)
        slices = RecordedSlices.from_snapshot(raw["slices"], functions, places, node_of)
        notes = notes_of(raw["notes"], functions, places)
        recorded = Recorded(tree, records, roots, slices)
        shown, taken_ns = _without_costs(tree, costs)
        return cls(
            clock=raw["clock"],
            started_at_ns=raw["started_at_ns"],
            started_monotonic_ns=raw["started_monotonic_ns"],
            recorded_ns=raw["recorded_ns"],
            builtins=raw["builtins"],
            filters=filters,
            unmatched_patterns=unmatched_patterns,
            threads=recorded.threads(shown, taken_ns),
            greenlets=tuple(greenlets_of(raw["greenlets"], functions, places, tree, node_of, notes)),
            counters=MappingProxyType(dict(raw["counters"])),
            call_tree=shown,
            cost=_cost(recorded, taken_ns, costs, raw["counters"]),
            timeline=Timeline.from_snapshot(raw["timeline"]),
            _recorded=recorded,
        )

    def raw(self) -> Profile:
        """The same recording with the times as they were recorded: what the events cost is in them."""
        tree = self._recorded.tree
        return replace(self, call_tree=tree, threads=self._recorded.threads(tree, zeros(len(tree))))

    def since(self, earlier: Profile) -> Profile:
        """What was recorded after an earlier snapshot of the same profiler, as a profile of its own.

        Counts are exact; times to a microsecond, for the clock's rate is known better at every snapshot. A
        function that was open at the earlier snapshot has time and no call; started_at stays the recording's.
        Raises DifferenceError if `earlier` is of another recording, or is the later one.
        """
        self._check_continues(earlier)
        recorded = self._recorded.since(earlier._recorded)
        costs = self.cost.calibration
        shown, taken_ns = _without_costs(recorded.tree, costs)
        counters = {
            name: value if name in STATES else value - earlier.counters.get(name, 0)
            for name, value in self.counters.items()
        }
        profile = replace(
            self,
            recorded_ns=self.recorded_ns - earlier.recorded_ns,
            threads=recorded.threads(shown, taken_ns),
            greenlets=difference.greenlets_since(self.greenlets, earlier.greenlets),
            counters=MappingProxyType(counters),
            call_tree=shown,
            cost=_cost(recorded, taken_ns, costs, counters),
            timeline=difference.timeline_since(self.timeline, earlier.timeline),
            _recorded=recorded,
        )
        return profile.raw() if self.is_raw else profile

    def _check_continues(self, earlier: Profile) -> None:
        began = self.started_at_ns, self.started_monotonic_ns, self.builtins, self.filters
        if began != (earlier.started_at_ns, earlier.started_monotonic_ns, earlier.builtins, earlier.filters):
            raise DifferenceError(
                "These profiles are of two recordings. A difference is of two snapshots of one profiler:"
                " later.since(earlier)."
            )
        if self.recorded_ns < earlier.recorded_ns:
            raise DifferenceError("The other profile is the later one: call later.since(earlier).")

    @property
    def is_raw(self) -> bool:
        """Whether the cost of events is in the times: raw() was asked for, or the cost is not known."""
        return self.call_tree is self._recorded.tree

    @property
    def started_at(self) -> str:
        """Of the first start, UTC, ISO 8601; "" if there was none."""
        if self.started_at_ns == 0:
            return ""
        seconds, nanoseconds = divmod(self.started_at_ns, 10**9)
        moment = datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=nanoseconds // 1000)
        return moment.isoformat(timespec="microseconds")

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what this profile lacks, and what that means for its numbers."""
        return warnings_of(self.counters) + unmatched_warnings(self.unmatched_patterns)

    @property
    def tree(self) -> TreeNode:
        """The program; its children are the threads, theirs the greenlets' bases, then come functions."""
        return TreeNode(self.call_tree, 0)

    @property
    def total(self) -> Times:
        """Everything that was recorded, over all threads."""
        return self.tree.inclusive

    @cached_property
    def functions(self) -> tuple[FunctionStats, ...]:
        """Every function that has time or calls, with its callers and callees."""
        callers: dict[Function, list[Edge]] = {}
        callees: dict[Function, list[Edge]] = {}
        for edge in self.edges:
            callers.setdefault(edge.callee, []).append(edge)
            callees.setdefault(edge.caller, []).append(edge)
        return tuple(
            FunctionStats(
                function, sums.calls, sums.resumes, sums.primitive_calls, sums.self, sums.inclusive,
                tuple(callers.get(function, ())), tuple(callees.get(function, ())),
            )
            for function, sums in zip(self._folded_functions, self._fold.groups, strict=True)
        )  # fmt: skip

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every pair of functions of which one called the other."""
        functions = self._folded_functions
        return tuple(
            Edge(
                functions[caller], functions[callee], sums.calls, sums.resumes, sums.primitive_calls,
                sums.self, sums.inclusive,
            )
            for caller, callee, sums in self._fold.edges()
        )  # fmt: skip

    @cached_property
    def greenlet_kinds(self) -> tuple[GreenletKind, ...]:
        """Greenlets by class and first function, the most CPU time first."""
        counts = _count_greenlets(self.greenlets, self._recorded.slices.unrecorded)
        times = _kind_times(self.call_tree)
        slices = self._recorded.slices.kinds
        kinds = [
            GreenletKind(
                *kind, *counts.get(kind, (0, 0, 0)), times.get(kind, Times()), slices.get(kind, SliceStats())
            )
            for kind in {**times, **counts, **slices}
        ]
        return tuple(sorted(kinds, key=lambda kind: kind.times.cpu_ns, reverse=True))

    @property
    def block_threshold_ns(self) -> int:
        """A slice of this length blocks, if other greenlets of its thread are suspended."""
        return self._recorded.slices.threshold_ns

    @property
    def blocking_count(self) -> int:
        """How many slices blocked, those that still go on among them."""
        return self._recorded.slices.count_until_now

    @cached_property
    def blocking_slices(self) -> tuple[BlockingSlice, ...]:
        """The longest slices that blocked, 50 and those that still go on, the longest first."""
        names = {greenlet.id: greenlet.name for greenlet in self.greenlets if greenlet.given_name}
        return self._recorded.slices.blocking(
            self.call_tree, self.started_at_ns - self.started_monotonic_ns, names
        )

    @cached_property
    def blockers(self) -> tuple[Blocker, ...]:
        """What all slices that blocked were spent on, the most time first."""
        return self._recorded.slices.blockers(self.call_tree)

    @cached_property
    def tags(self) -> tuple[TagStats, ...]:
        """What was done below each tag, the most CPU time first."""
        if not any(function.kind == TAG_KIND for function in self.call_tree.functions):
            return ()
        groups, names = self._groups(lambda function: function.name if function.kind == TAG_KIND else None)
        sums = folds.fold(self.call_tree, groups, len(names)).groups
        tags = [
            TagStats(name, each.calls, each.inclusive) for name, each in zip(names, sums, strict=True)
        ]
        return tuple(sorted(tags, key=lambda tag: tag.times.cpu_ns, reverse=True))

    def fold(self, key: Callable[[Function], K | None]) -> tuple[tuple[K, ...], Fold]:
        """Sums of the functions that share a key, for file formats that know functions by less than their
        identity: keys, and the Fold whose groups are in the same order. Key None skips a function. What tags
        have of their own is with the functions that they are a part of."""
        groups, keys = self._groups(key)
        return keys, folds.fold(self.call_tree.without_tags, groups, len(keys))

    def _groups(self, key: Callable[[Function], K | None]) -> tuple[array[int], tuple[K, ...]]:
        """For each function the index of its key, -1 for key None; and the keys, of what is in the tree."""
        index: dict[K, int] = {}
        groups = array("i", [folds.SKIPPED]) * len(self.call_tree.functions)
        for place in sorted(set(self.call_tree.function)):
            name = key(self.call_tree.functions[place])
            if name is not None:
                groups[place] = index.setdefault(name, len(index))
        return groups, tuple(index)

    def print(
        self, file: TextIO | None = None, clock: str = "cpu", limit: int | None = 40, width: int | None = None
    ) -> None:
        """Writes a table of functions to `file` (standard output).

        clock: "cpu" or "wall"; limit: of rows, None for all; width: of lines (the terminal's).
        Raises ClockError for another clock.
        """
        from greenletprofiler.exporters.table import print_table

        print_table(self, sys.stdout if file is None else file, checked_clock(clock), limit, width)

    def save(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,  # noqa: A002  the word for it
        clock: str = "cpu",
    ) -> None:
        """Writes the profile to a file that only its owner can read.

        format: "callgrind" or "pstats"; by the file's name when not given.
        clock: of formats that hold one ("pstats").
        Raises FormatError, ClockError or OutputError; a file that was there is then still as it was.
        """
        from greenletprofiler import exporters

        exporters.save(self, path, format, checked_clock(clock))

    def __repr__(self) -> str:
        return (
            f"<Profile started_at={self.started_at!r} recorded_ns={self.recorded_ns}"
            f" threads={len(self.threads)} nodes={len(self.call_tree)}>"
        )

    @cached_property
    def _fold(self) -> Fold:
        groups, functions = self._function_groups
        return folds.fold(self.call_tree.without_tags, groups, len(functions))

    @cached_property
    def _function_groups(self) -> tuple[array[int], tuple[Function, ...]]:
        return self._groups(lambda function: function if function.is_function else None)

    @property
    def _folded_functions(self) -> Sequence[Function]:
        return self._function_groups[1]


def _without_costs(tree: CallTree, costs: EventCosts | None) -> tuple[CallTree, array[int]]:
    return (tree, zeros(len(tree))) if costs is None else without_event_costs(tree, costs)


def _thread(record: Sequence[Any], node: TreeNode, taken_ns: int) -> ThreadStats:
    id_, ident, native_id, name, class_name, _, alive, lifetime_ns, own_ns, switches, polls = record
    return ThreadStats(
        id_, ident, native_id, name, class_name, alive, lifetime_ns, own_ns + taken_ns, switches,
        polls, node.inclusive, node,
    )  # fmt: skip


def _cost(
    recorded: Recorded, taken_ns: array[int], costs: EventCosts | None, counters: Mapping[str, int]
) -> ProfilerCost:
    tree = recorded.tree
    raw_threads = recorded.threads(tree, zeros(len(tree)))
    return ProfilerCost(
        events=2 * sum(map(sum, (tree.calls, tree.resumes, tree.passed_over)))
        + sum(thread.switches for thread in raw_threads),
        events_ns=sum(taken_ns),
        own_ns=sum(thread.own_ns for thread in raw_threads),
        recorded_ns=sum(thread.lifetime_ns - thread.times.idle_ns for thread in raw_threads),
        calibration=costs,
        **{name: counters.get(name, 0) for name in COUNTED_COSTS},
    )


def _count_greenlets(
    greenlets: Iterable[GreenletStats], unrecorded: Mapping[KindKey, tuple[int, int]]
) -> dict[KindKey, tuple[int, int, int]]:
    """(greenlets, alive, switches) of each kind. There may be many greenlets: they share their functions."""
    kinds: dict[tuple[int, int], list[GreenletStats]] = {}
    for greenlet in greenlets:
        kind = id(greenlet.greenlet_class), id(greenlet.first_function)
        kinds.setdefault(kind, []).append(greenlet)
    counts = {kind: (number, 0, switches) for kind, (number, switches) in unrecorded.items() if number}
    for alike in kinds.values():
        key = alike[0].greenlet_class, alike[0].first_function
        number, alive, switches = counts.get(key, (0, 0, 0))
        more_switches = sum(greenlet.switches for greenlet in alike)
        more_alive = sum(greenlet.alive for greenlet in alike)
        counts[key] = number + len(alike), alive + more_alive, switches + more_switches
    return counts


def _kind_times(tree: CallTree) -> dict[KindKey, Times]:
    """Self times of the greenlet bases, and of each subtree right below one."""
    times: dict[KindKey, Times] = {}
    for thread in TreeNode(tree, 0).children:
        for base in (child for child in thread.children if child.function.kind == "greenlet"):
            _add(times, (base.function.shared, None), base.self)
            for child in _past_marks(base.children):
                kind = None if child.function.kind == "excluded" else child.function
                _add(times, (base.function.shared, kind), child.self if kind is None else child.inclusive)
    return {kind: sums for kind, sums in times.items() if kind[1] is not None or sums != Times()}


def _past_marks(nodes: Iterable[TreeNode]) -> Iterator[TreeNode]:
    """These, and those below marks of what is excluded, which are no functions."""
    for node in nodes:
        yield node
        if node.function.kind == "excluded":
            yield from _past_marks(node.children)


def _add(times: dict[KindKey, Times], kind: KindKey, more: Times) -> None:
    times[kind] = times.get(kind, Times()) + more
