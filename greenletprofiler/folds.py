"""Folds: from the call tree to functions and the edges between them.

The caller says which functions belong together (a *group*: usually one function, for some file formats all
that share a name there) and which are skipped (group -1: marks such as a greenlet's base). A skipped node's
children are called by the group above it, if there is one. What tags have of their own is handed in with the
functions that they are a part of: see CallTree.without_tags.

    inclusive of a group   subtrees of its outermost nodes
    edge a -> b            nodes of b right below a; its inclusive time is that of those which are outermost

so the inclusive times of the edges to a group, and of its nodes that nobody called, add up to the group's.

Time and memory are linear in the nodes; nothing recurses. The extension goes over the nodes, column by
column. Sums of integers: exact to the nanosecond.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from greenletprofiler import _native
from greenletprofiler._generated import ours
from greenletprofiler.calltree import CallTree, Columns, each_column, numbers, times_at, values
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
    groups = array("i", group_of)
    group = _native.take(groups, tree.function)
    outermost = _native.outermost(tree.parent, group, group_count)
    above = _native.groups_above(tree.parent, group)
    edge, *ends = _native.number_pairs(above, group)
    callers, callees = map(numbers, ends)
    return Fold(
        _sum_table(tree, group, outermost, group_count),
        callers,
        callees,
        _sum_table(tree, edge, outermost, len(callers)),
    )


def _sum_table(tree: CallTree, target: bytes, outermost: bytes, length: int) -> SumTable:
    """Sums of the nodes of each target; -1 is none. outermost: 1 for a node that counts as a subtree."""
    outermost_target = _native.only(target, outermost)

    def summed(column: array[int]) -> array[int]:
        return values(_native.sum_by(column, target, length))

    def summed_at_outermost(column: array[int]) -> array[int]:
        return values(_native.sum_by(column, outermost_target, length))

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
