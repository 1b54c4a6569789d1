"""The call tree as columns of numbers: one entry a node, parents before their children.

        0  [program]
        1    [thread MainThread]
        2      [greenlet greenlet.greenlet]
        3        <module>
        4          main                   parent = [-1, 0, 1, 2, 3, ...]

A tree may have a million nodes and be 50,000 deep, so nothing here recurses and nothing makes an object a
node, except TreeNode for whom asks. What goes over all nodes is done by the extension, column by column.
Siblings differ in their function: the recorder's records are merged on the way in, except for threads, of
which two may share a name.

Every column is complete when the tree is made, and not changed after that.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from greenletprofiler import _native
from greenletprofiler.values import TAG_KIND, Function, Times

#: Order of the six time columns: the fields of Times.
TIME_COLUMNS: Final = ("running_ns", "cpu_ns", "waiting_ns", "idle_ns", "contended_ns", "lag_ns")
PROGRAM: Final = Function("program", "program")

Columns = tuple[
    "array[int]", "array[int]", "array[int]", "array[int]", "array[int]", "array[int]"
]


def numbers(content: bytes) -> array[int]:
    """A column of 32-bit numbers: indices, -1 for none."""
    return _column("i", content)


def values(content: bytes) -> array[int]:
    """A column of 64-bit numbers: calls, nanoseconds."""
    return _column("q", content)


def _column(typecode: str, content: bytes) -> array[int]:
    column = array(typecode)
    column.frombytes(content)
    return column


def zeros(length: int) -> array[int]:
    """A column of 64-bit zeros."""
    return values(bytes(8 * length))


def times_at(columns: Columns, index: int) -> Times:
    """One entry of the time columns."""
    running, cpu, waiting, idle, contended, lag = columns
    return Times(running[index], cpu[index], waiting[index], idle[index], contended[index], lag[index])


def each_column(make: Callable[[array[int]], array[int]], columns: Columns) -> Columns:
    """Time columns from time columns."""
    running, cpu, waiting, idle, contended, lag = columns
    return make(running), make(cpu), make(waiting), make(idle), make(contended), make(lag)


class CallTree:
    """Columns of a call tree. `function` holds indices into `functions`; node 0 is the program.

    passed_over: events in the node that recorded no call, and yet took time.
    """

    def __init__(
        self,
        functions: Sequence[Function],
        parent: array[int],
        function: array[int],
        calls: array[int],
        resumes: array[int],
        passed_over: array[int],
        self_times: Columns,
    ) -> None:
        self.functions = functions
        self.parent = parent
        self.function = function
        self.calls = calls
        self.resumes = resumes
        self.passed_over = passed_over
        self.self_times = self_times

    def __len__(self) -> int:
        return len(self.parent)

    def with_times(self, self_times: Columns) -> CallTree:
        """The same tree with other times."""
        return CallTree(
            self.functions, self.parent, self.function, self.calls, self.resumes, self.passed_over, self_times
        )

    @cached_property
    def without_tags(self) -> CallTree:
        """The same nodes, where a tag's own times are those of the function that it is a part of."""
        is_tag = [function.kind == TAG_KIND for function in self.functions]
        if not any(is_tag):
            return self
        tags = array("i", (-1 if is_tag[function] else node for node, function in enumerate(self.function)))
        above = numbers(_native.groups_above(self.parent, tags))
        place = array("i", (outer if own < 0 else own for own, outer in zip(tags, above, strict=True)))

        def settled(column: array[int]) -> array[int]:
            return values(_native.sum_by(column, place, len(self)))

        return self.with_times(each_column(settled, self.self_times))

    @cached_property
    def inclusive_times(self) -> Columns:
        """Sums over each node's subtree."""
        return each_column(self._summed_upwards, self.self_times)

    @cached_property
    def first_child(self) -> array[int]:
        """-1 where a node has none."""
        return self._links[0]

    @cached_property
    def next_sibling(self) -> array[int]:
        """-1 after the last child."""
        return self._links[1]

    @cached_property
    def _links(self) -> tuple[array[int], array[int]]:
        first, following = _native.links(self.parent)
        return numbers(first), numbers(following)

    def _summed_upwards(self, column: array[int]) -> array[int]:
        return values(_native.sum_upwards(column, self.parent))


class TreeNode:
    """A node of the call tree, as an object that is made when it is asked for.

    function: what was called, or the mark of a thread or a greenlet's base.
    calls, resumes: of this function on this path.
    """

    __slots__ = ("_index", "_tree")

    def __init__(self, tree: CallTree, index: int) -> None:
        self._tree = tree
        self._index = index

    @property
    def index(self) -> int:
        """Its place in the columns of the call tree."""
        return self._index

    @property
    def function(self) -> Function:
        """What was called here."""
        return self._tree.functions[self._tree.function[self._index]]

    @property
    def calls(self) -> int:
        """How often the parent called it."""
        return self._tree.calls[self._index]

    @property
    def resumes(self) -> int:
        """How often it went on here after a yield or await."""
        return self._tree.resumes[self._index]

    @property
    def self(self) -> Times:
        """Of this node alone."""
        return times_at(self._tree.self_times, self._index)

    @property
    def inclusive(self) -> Times:
        """Of this node and everything below it."""
        return times_at(self._tree.inclusive_times, self._index)

    @property
    def parent(self) -> TreeNode | None:
        """None above the program."""
        above = self._tree.parent[self._index]
        return None if above < 0 else TreeNode(self._tree, above)

    @property
    def children(self) -> tuple[TreeNode, ...]:
        """In the order in which they were first entered."""
        return tuple(TreeNode(self._tree, index) for index in self._child_indices(self._index))

    @property
    def path(self) -> tuple[Function, ...]:
        """From below the thread on to this one, the marks of greenlets' bases among them."""
        functions = []
        node: TreeNode | None = self
        while node is not None and node.function.kind not in ("thread", "program"):
            functions.append(node.function)
            node = node.parent
        return tuple(reversed(functions))

    def walk(self) -> Iterator[TreeNode]:
        """This node and all below it, each before its children."""
        pending = [self._index]
        while pending:
            index = pending.pop()
            yield TreeNode(self._tree, index)
            pending.extend(reversed(list(self._child_indices(index))))

    def _child_indices(self, index: int) -> Iterator[int]:
        child = self._tree.first_child[index]
        while child >= 0:
            yield child
            child = self._tree.next_sibling[child]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeNode) and (self._tree, self._index) == (other._tree, other._index)

    def __hash__(self) -> int:
        return hash((id(self._tree), self._index))

    def __repr__(self) -> str:
        return f"<TreeNode {self.function.label} calls={self.calls} {self.inclusive}>"


def distinct_functions(records: Sequence[Sequence[Any]]) -> tuple[tuple[Function, ...], array[int]]:
    """The functions of a snapshot without repetition, and for each record the place of its function."""
    place: dict[Function, int] = {}
    places = array("i", (place.setdefault(Function(*record), len(place)) for record in records))
    return tuple(place), places


def tree_from_snapshot(
    nodes: Mapping[str, bytes],
    functions: Sequence[Function],
    places: array[int],
    thread_names: Mapping[int, str],
) -> tuple[CallTree, array[int]]:
    """The tree of a snapshot's `nodes`, and for each record the node that it became.

    thread_names: by record of a thread's root. A thread is named when it first runs, later than its node.
    """
    merged = _native.merge(nodes["parent"], _native.take(places, nodes["function"]))
    node_of, parent, function = map(numbers, merged)
    function[0] = len(functions)
    for number, root in enumerate(thread_names, start=len(functions) + 1):
        function[node_of[root]] = number
    marks = [PROGRAM, *(Function("thread", name) for name in thread_names.values())]
    calls, resumes, passed_over, running, cpu, waiting, idle, contended, lag = (
        values(_native.sum_by(nodes[name], node_of, len(parent)))
        for name in ("calls", "resumes", "passed_over", *TIME_COLUMNS)
    )
    times = running, cpu, waiting, idle, contended, lag
    return CallTree((*functions, *marks), parent, function, calls, resumes, passed_over, times), node_of
