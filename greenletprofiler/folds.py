"""Folds: from the call tree to functions and the edges between them.

The caller says which functions belong together (a *group*: usually one function, for some file formats all
that share a name there) and which are skipped (group -1: marks such as a greenlet's base). A skipped node's
children are called by the group above it, if there is one.

    inclusive of a group   subtrees of its outermost nodes
    edge a -> b            nodes of b right below a; its inclusive time is that of b's outermost nodes
    outgoing a -> b        the same calls seen from a: the time that a's inclusive time owes to them. Summed
                           over b, with a's self time, it gives a's inclusive time even in recursion, where
                           edges cannot do both. Without recursion it is the edge's inclusive time.

Example, each node with 1 ns of self time:   f > g > f > g
    inclusive  f 4, g 3     edges  f->g 3, g->f 0     outgoing  f->g 2, g->f 1     (f: 2 + 2 = 4, g: 2 + 1 = 3)

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


@dataclass(frozen=True, slots=True)
class Places:
    """Where each node is, seen from groups; node numbers, or -1.

    group: of the node itself; caller: group of the nearest node above that is not skipped.
    outer: nearest node above of the same group; -1 makes the node an outermost one.
    branch: where `outer` is, the node right below it (skipped ones apart) on the way to this one.
    """

    group: array[int]
    caller: array[int]
    outer: array[int]
    branch: array[int]


def fold(tree: CallTree, group_of: Sequence[int], group_count: int) -> Fold:
    """Sums of each group and edge. `group_of` gives the group of each of the tree's functions."""
    places = find_places(tree, group_of, group_count)
    groups = tuple(Sums() for _ in range(group_count))
    edges: dict[tuple[int, int], Sums] = {}
    for node, group in enumerate(places.group):
        if group == SKIPPED:
            continue
        _add_node(groups[group], tree, node, places.outer[node])
        caller = places.caller[node]
        if caller != SKIPPED:
            edge = edges.get((caller, group))
            if edge is None:
                edge = edges[caller, group] = Sums()
            _add_node(edge, tree, node, places.outer[node])
    return Fold(groups, edges)


def outgoing_times(tree: CallTree, group_of: Sequence[int], group_count: int) -> dict[tuple[int, int], Times]:
    """The outgoing time of each edge; see the head of this file."""
    places = find_places(tree, group_of, group_count)
    owed: dict[tuple[int, int], list[int]] = {}
    for node, group in enumerate(places.group):
        if group == SKIPPED:
            continue
        caller = places.caller[node]
        if caller != SKIPPED:
            _add_times(owed.setdefault((caller, group), [0, 0, 0, 0]), tree.inclusive_times, node, 1)
        if places.outer[node] >= 0:
            branch = places.group[places.branch[node]]
            _add_times(owed.setdefault((group, branch), [0, 0, 0, 0]), tree.inclusive_times, node, -1)
    return {edge: Times(*times) for edge, times in owed.items()}


def find_places(tree: CallTree, group_of: Sequence[int], group_count: int) -> Places:
    """One walk over the tree, depth first."""
    group = array("i", (group_of[function] for function in tree.function))
    caller = _callers(tree, group)
    outer, branch = array("i", [-1]) * len(tree), array("i", [-1]) * len(tree)
    innermost = array("i", [-1]) * group_count
    path: list[int] = []  # open nodes that are not skipped
    depth = array("i", [0]) * len(tree)  # of an open node in path
    pending = [0]
    while pending:
        node = pending.pop()
        if node < 0:
            node = ~node
            innermost[group[node]] = outer[node]
            path.pop()
            continue
        if group[node] != SKIPPED:
            above = outer[node] = innermost[group[node]]
            depth[node] = len(path)
            path.append(node)
            if above >= 0:
                branch[node] = path[depth[above] + 1]
            innermost[group[node]] = node
            pending.append(~node)
        child = tree.first_child[node]
        while child >= 0:
            pending.append(child)
            child = tree.next_sibling[child]
    return Places(group, caller, outer, branch)


def total(columns: Columns) -> Times:
    """The sum of each of four columns."""
    return Times(*(sum(column) for column in columns))


def _callers(tree: CallTree, group: array[int]) -> array[int]:
    caller = array("i", [SKIPPED]) * len(tree)
    parent = tree.parent
    for node in range(1, len(tree)):
        above = parent[node]
        caller[node] = caller[above] if group[above] == SKIPPED else group[above]
    return caller


def _add_node(sums: Sums, tree: CallTree, node: int, outer: int) -> None:
    calls, resumes = tree.calls[node], tree.resumes[node]
    sums.calls += calls
    sums.resumes += resumes
    _add_times(sums.self_ns, tree.self_times, node, 1)
    if outer < 0:
        sums.primitive_calls += calls + resumes
        _add_times(sums.inclusive_ns, tree.inclusive_times, node, 1)


def _add_times(sums: list[int], columns: Columns, node: int, sign: int) -> None:
    for index, column in enumerate(columns):
        sums[index] += sign * column[node]
