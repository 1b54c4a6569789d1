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
from collections.abc import Sequence
from dataclasses import dataclass, field

from greenletprofiler.calltree import CallTree, Columns
from greenletprofiler.values import Times

SKIPPED = -1


@dataclass(slots=True)
class Sums:
    """What is added up for a group or an edge. Times are columns of node sums, read through Fold."""

    calls: int = 0
    resumes: int = 0
    primitive_calls: int = 0
    self_ns: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    inclusive_ns: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    @property
    def all_calls(self) -> int:
        """Calls and resumes, which file formats do not tell apart."""
        return self.calls + self.resumes

    @property
    def self(self) -> Times:
        """Self time as a value."""
        return Times(*self.self_ns)

    @property
    def inclusive(self) -> Times:
        """Inclusive time as a value."""
        return Times(*self.inclusive_ns)


@dataclass(frozen=True, slots=True)
class Fold:
    """Sums per group, and per (calling group, called group)."""

    groups: tuple[Sums, ...]
    edges: dict[tuple[int, int], Sums]


def fold(tree: CallTree, group_of: Sequence[int], group_count: int) -> Fold:
    """Sums of each group and edge. `group_of` gives the group of each of the tree's functions."""
    group = array("i", (group_of[function] for function in tree.function))
    caller = _callers(tree, group)
    is_outermost = _outermost(tree, group, group_count)
    groups = tuple(Sums() for _ in range(group_count))
    edges: dict[tuple[int, int], Sums] = {}
    for node in range(len(tree)):
        if group[node] == SKIPPED:
            continue
        _add_node(groups[group[node]], tree, node, is_outermost[node])
        if caller[node] != SKIPPED:
            edge = edges.setdefault((caller[node], group[node]), Sums())
            _add_node(edge, tree, node, is_outermost[node])
    return Fold(groups, edges)


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


def _add_node(sums: Sums, tree: CallTree, node: int, is_outermost: int) -> None:
    calls, resumes = tree.calls[node], tree.resumes[node]
    sums.calls += calls
    sums.resumes += resumes
    _add_times(sums.self_ns, tree.self_times, node)
    if is_outermost:
        sums.primitive_calls += calls + resumes
        _add_times(sums.inclusive_ns, tree.inclusive_times, node)


def _add_times(sums: list[int], columns: Columns, node: int) -> None:
    running, cpu, waiting, idle = columns
    sums[0] += running[node]
    sums[1] += cpu[node]
    sums[2] += waiting[node]
    sums[3] += idle[node]
