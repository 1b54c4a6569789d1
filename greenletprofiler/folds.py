"""Folds: from the call tree to functions and the edges between them.

The caller says which functions belong together (a *group*: usually one function, for some file formats all
that share a name there) and which are skipped (group -1: marks such as a greenlet's base). A skipped node's
children are called by the group above it, if there is one.

    inclusive of a group   subtrees of its outermost nodes
    edge a -> b            nodes of b right below a; its inclusive time is that of those which are outermost

so the inclusive times of the edges to a group, and of its nodes that nobody called, add up to the group's.

Time and memory are linear in the nodes; nothing recurses. Sums of integers: exact to the nanosecond.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from greenletprofiler._generated import ours
from greenletprofiler.calltree import CallTree, Columns, each_column, times_at, zeros
from greenletprofiler.values import Times

SKIPPED = -1


@ours
@dataclass(frozen=True, slots=True)
class Sums:
    """What a group, or an edge, adds up to."""

    calls: int
    resumes: int
    primitive_calls: int
    self: Times
    inclusive: Times

    @property
    def all_calls(self) -> int:
        """Calls and resumes, which file formats do not tell apart."""
        return self.calls + self.resumes


@ours
@dataclass(frozen=True, slots=True)
class SumTable:
    """Sums as columns, one entry a group or an edge."""

    length: int
    calls: array[int]
    resumes: array[int]
    primitive_calls: array[int]
    self_times: Columns
    inclusive_times: Columns

    def __iter__(self) -> Iterator[Sums]:
        for index in range(self.length):
            yield Sums(
                self.calls[index],
                self.resumes[index],
                self.primitive_calls[index],
                times_at(self.self_times, index),
                times_at(self.inclusive_times, index),
            )


@ours
@dataclass(frozen=True, slots=True)
class Fold:
    """Sums of each group, and of each edge with the groups at its ends."""

    groups: SumTable
    callers: array[int]
    callees: array[int]
    edge_sums: SumTable

    def edges(self) -> Iterator[tuple[int, int, Sums]]:
        """(calling group, called group, sums) of each edge."""
        return zip(self.callers, self.callees, self.edge_sums, strict=True)


def fold(tree: CallTree, group_of: Sequence[int], group_count: int) -> Fold:
    """Sums of each group and edge. `group_of` gives the group of each of the tree's functions."""
    group = array("i", (group_of[function] for function in tree.function))
    is_outermost = _outermost(tree, group, group_count)
    edge, callers, callees = _edges(_callers(tree, group), group, group_count)
    return Fold(
        _sum_table(tree, group, is_outermost, group_count),
        callers,
        callees,
        _sum_table(tree, edge, is_outermost, len(callers)),
    )


def total(columns: Columns) -> Times:
    """The sum of each of four columns."""
    return Times(*(sum(column) for column in columns))


def _callers(tree: CallTree, group: array[int]) -> array[int]:
    """The group above each node that is nearest."""
    caller = array("i", [SKIPPED]) * len(tree)
    parent = tree.parent
    for node in range(1, len(tree)):
        above = parent[node]
        caller[node] = caller[above] if group[above] == SKIPPED else group[above]
    return caller


def _outermost(tree: CallTree, group: array[int], group_count: int) -> bytearray:
    """1 for each node that has none of its group above it. One walk, depth first; ~node closes a node."""
    is_outermost = bytearray(len(tree))
    open_nodes = array("i", [0]) * group_count
    first_child, next_sibling = tree.first_child, tree.next_sibling
    pending = [0]
    while pending:
        node = pending.pop()
        if node < 0:
            open_nodes[group[~node]] -= 1
            continue
        if group[node] != SKIPPED:
            is_outermost[node] = open_nodes[group[node]] == 0
            open_nodes[group[node]] += 1
            pending.append(~node)
        child = first_child[node]
        while child >= 0:
            pending.append(child)
            child = next_sibling[child]
    return is_outermost


def _edges(
    caller: array[int], group: array[int], group_count: int
) -> tuple[array[int], array[int], array[int]]:
    """The edge of each node, or -1; and the groups at the ends of each edge."""
    known: dict[int, int] = {}
    edge = array("i", [SKIPPED]) * len(group)
    for node, (above, below) in enumerate(zip(caller, group, strict=True)):
        if above != SKIPPED and below != SKIPPED:
            edge[node] = known.setdefault(above * group_count + below, len(known))
    callers = array("i", (pair // group_count for pair in known))
    callees = array("i", (pair % group_count for pair in known))
    return edge, callers, callees


def _sum_table(tree: CallTree, target: array[int], is_outermost: bytearray, length: int) -> SumTable:
    """Sums of the nodes of each target; -1 is none."""
    outermost_target = array(
        "i", (place if outermost else SKIPPED for place, outermost in zip(target, is_outermost, strict=True))
    )

    def summed(column: array[int]) -> array[int]:
        return _summed(column, target, length)

    def summed_at_outermost(column: array[int]) -> array[int]:
        return _summed(column, outermost_target, length)

    primitive_calls = summed_at_outermost(tree.calls)
    for place, resumes in enumerate(summed_at_outermost(tree.resumes)):
        primitive_calls[place] += resumes
    return SumTable(
        length,
        summed(tree.calls),
        summed(tree.resumes),
        primitive_calls,
        each_column(summed, tree.self_times),
        each_column(summed_at_outermost, tree.inclusive_times),
    )


def _summed(column: array[int], target: array[int], length: int) -> array[int]:
    """Sums of the column's values by target. What has none falls into an entry behind the last."""
    sums = zeros(length + 1)
    for place, value in zip(target, column, strict=True):
        sums[place] += value
    return sums
