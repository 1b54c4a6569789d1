"""What was recorded between two snapshots of one recording: the later one's numbers less the earlier one's.

    later       [program]-[thread]-[greenlet]-serve-query        serve: 7 calls
    earlier     [program]-[thread]-[greenlet]-serve              serve: 5 calls
    since       [program]-[thread]-[greenlet]-serve-query        serve: 2 calls

A place in the earlier tree is found in the later one by its path. A thread that was folded into the ended
ones in between is found among them, and a place that found no room there is its parent's. Numbers are those
that were recorded: what events cost is taken out afterwards, of the difference.

The rate of the clock is known better at every snapshot, so that old times differ by some nanoseconds from
one to the next. Where nothing was called or resumed, and no time is more than a microsecond, nothing has
happened: such places are left out, and what they had is the thread's own time.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import sub
from typing import Any, Final

from greenletprofiler import _native
from greenletprofiler.calltree import CallTree, values
from greenletprofiler.timeline import Timeline
from greenletprofiler.values import Function, GreenletStats, longest_since

#: Fields of a thread's record.
_ID: Final = 0
_LIFETIME, _OWN, _SWITCHES, _POLLS = 7, 8, 9, 10

#: No more is no time: see above.
_NOTHING_NS: Final = 1000

#: The id of what stands for threads that ended, past a number of them.
_ENDED_THREADS: Final = 0


def tree_since(later: CallTree, earlier: CallTree, place_of: array[int]) -> CallTree:
    """The later tree with what was in the earlier one taken from it."""
    now, before = _columns(later), _columns(earlier)
    columns = [_without(*each, place_of) for each in zip(now, before, strict=True)]
    for node, (calls, resumes, passed_over, *times) in enumerate(zip(*columns, strict=True)):
        if not (calls or resumes or passed_over) and max(map(abs, times)) <= _NOTHING_NS:
            for column in columns:
                column[node] = 0
    return _tree(later.functions, later.parent, later.function, columns)


def _columns(tree: CallTree) -> tuple[array[int], ...]:
    """Those that hold sums: three of counts, six of times."""
    return tree.calls, tree.resumes, tree.passed_over, *tree.self_times


def _tree(
    functions: Sequence[Function], parent: array[int], function: array[int], columns: Iterable[array[int]]
) -> CallTree:
    calls, resumes, passed_over, running, cpu, waiting, idle, contended, lag = columns
    times = running, cpu, waiting, idle, contended, lag
    return CallTree(functions, parent, function, calls, resumes, passed_over, times)


def _without(now: array[int], before: array[int], place_of: array[int]) -> array[int]:
    there = values(_native.sum_by(before, place_of, len(now)))
    return array("q", map(sub, now, there))


def places(later: CallTree, earlier: CallTree, threads: dict[int, int]) -> array[int]:
    """For each node of the earlier tree the one of the later tree; `threads` has that of their nodes."""
    index = {function: number for number, function in enumerate(later.functions)}
    function_of = [index.get(function, -1) for function in earlier.functions]
    child = {key: node for node, key in enumerate(zip(later.parent, later.function, strict=True))}
    found = array("i", bytes(4 * len(earlier)))
    for node in range(1, len(earlier)):
        parent = found[earlier.parent[node]]
        found[node] = threads.get(node) or child.get((parent, function_of[earlier.function[node]]), parent)
    return found


def records_since(
    later: Sequence[Sequence[Any]], earlier: Sequence[Sequence[Any]], later_of: Sequence[int]
) -> list[list[Any]]:
    """Records of threads; `later_of` has the place of each earlier thread's among the later ones."""
    records = [list(record) for record in later]
    for record, place in zip(earlier, later_of, strict=True):
        for field in (_LIFETIME, _OWN, _SWITCHES, _POLLS):
            records[place][field] -= record[field]
    return records


def has_lived(record: Sequence[Any]) -> bool:
    """Whether a thread was there at all."""
    return bool(record[_LIFETIME] > _NOTHING_NS)


def settle(records: Iterable[list[Any]], nodes: Iterable[int], tree: CallTree) -> None:
    """Gives each thread, of which a node is the root, as its own time what is in no place of the tree."""
    running, _, _, idle, _, _ = tree.inclusive_times
    for record, node in zip(records, nodes, strict=True):
        record[_OWN] = record[_LIFETIME] - running[node] - idle[node]


def threads_in_later(later: Sequence[Sequence[Any]], earlier: Sequence[Sequence[Any]]) -> list[int]:
    """For each earlier thread its place among the later ones: that of the ended threads if it is gone."""
    place = {record[_ID]: number for number, record in enumerate(later)}
    return [place.get(record[_ID], place.get(_ENDED_THREADS, 0)) for record in earlier]


def greenlets_since(
    later: Iterable[GreenletStats], earlier: Iterable[GreenletStats]
) -> tuple[GreenletStats, ...]:
    """Those that live, began, ended or ran since."""
    known = {greenlet.id: greenlet for greenlet in earlier}
    found = []
    for greenlet in later:
        before = known.get(greenlet.id)
        if before is None:
            found.append(greenlet)
        elif greenlet.alive or before.alive or greenlet.switches > before.switches:
            found.append(_greenlet_since(greenlet, before))
    return tuple(found)


def _greenlet_since(later: GreenletStats, earlier: GreenletStats) -> GreenletStats:
    return replace(
        later,
        switches=later.switches - earlier.switches,
        times=later.times - earlier.times,
        longest_slice_ns=longest_since(later.longest_slice_ns, earlier.longest_slice_ns),
    )


def timeline_since(later: Timeline | None, earlier: Timeline | None) -> Timeline | None:
    """Two snapshots of one recording both have one, or neither has."""
    return None if later is None or earlier is None else later.since(earlier)


def without_nothing(tree: CallTree, kept: Iterable[int]) -> tuple[CallTree, array[int]]:
    """The tree without places in and below which nothing happened, but for those to be kept; and for each
    node of it the one that it became, -1 if it is gone."""
    columns = _columns(tree)
    busy = array("q", map(any, zip(*columns, strict=True)))
    for node in (0, *kept):
        busy[node] = 1
    left = [node for node, below in enumerate(values(_native.sum_upwards(busy, tree.parent))) if below]
    node_of = array("i", [-1]) * len(tree)
    for number, node in enumerate(left):
        node_of[node] = number
    parent = array("i", (-1 if node == 0 else node_of[tree.parent[node]] for node in left))
    function, *columns_left = (_chosen(column, left) for column in (tree.function, *columns))
    return _tree(tree.functions, parent, function, columns_left), node_of


def _chosen(column: array[int], places: Iterable[int]) -> array[int]:
    return array(column.typecode, map(column.__getitem__, places))
