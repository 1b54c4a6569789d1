"""The values that a profile consists of: plain, immutable, independent of the profiler.

    Function        what was called, or a mark in the tree (a thread, a greenlet's base)
    Times           four sums in nanoseconds
    FunctionStats   a function over the whole profile, with its Edges to callers and callees
    ThreadStats, GreenletStats, GreenletKind

Definitions, all of wall time unless they say CPU:
    running    its greenlet was switched in, and the function on top of the stack
    cpu        CPU time of the thread within running
    waiting    its greenlet was switched out, with the function on top
    idle       a hub in its poll, off the CPU; not part of running
    elapsed    running + waiting
    self       the function alone; inclusive: with everything called from it. Of a recursive function the
               outermost entries count, so that no time counts twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from greenletprofiler._generated import ours
from greenletprofiler.errors import ClockError

if TYPE_CHECKING:
    from greenletprofiler.calltree import TreeNode

#: The clock that a report shows. "wall" is elapsed time: running + waiting.
Clock = Literal["cpu", "wall"]
CLOCKS: Final[tuple[Clock, ...]] = ("cpu", "wall")

#: Kinds of Function that mark a place in the tree. They have no caller and call nothing.
BASE_KINDS: Final = frozenset({"program", "thread", "greenlet", "excluded"})
#: The mark that stands for calls on paths past the recorder's budget.
TRUNCATED_KIND: Final = "truncated"


def checked_clock(name: str) -> Clock:
    """`name` as a Clock; ClockError if there is none."""
    for clock in CLOCKS:
        if clock == name:
            return clock
    raise ClockError(f"There is no clock named {name!r}: use one of {', '.join(CLOCKS)}.")


@ours
@dataclass(frozen=True, slots=True)
class Function:
    """Identity of a function: two records with equal fields are one function.

    kind: "python", "function", "method", "classmethod", "slot", "type", "cython", "callable", or a mark:
        "program", "thread", "greenlet", "truncated", "excluded" (where a hub polls, or the profiler calls the
        program, in what the filters exclude).
    name: qualified name of a Python or Cython function; bare name of any other.
    owner: module of a function, type or greenlet class; the type that a method belongs to.
    filename, line: of a Python function's first line; "" and 0 otherwise.
    """

    kind: str
    name: str
    owner: str = ""
    filename: str = ""
    line: int = 0

    @property
    def is_function(self) -> bool:
        """False for the marks in the tree."""
        return self.kind not in BASE_KINDS and self.kind != TRUNCATED_KIND

    @property
    def is_builtin(self) -> bool:
        """True for what is not written in Python."""
        return self.is_function and self.kind != "python"

    @property
    def bare_name(self) -> str:
        """The name without the classes and functions around it: co_name of a Python function."""
        return self.name.rpartition(".")[2] if self.kind == "python" else self.name

    @property
    def label(self) -> str:
        """What a report calls it: the qualified name in Python and Cython, cProfile's name of a built-in
        function or method, the repr of a type, a name in brackets for a mark."""
        template = _LABELS.get(self.kind)
        if template is None:
            return self.name
        return template.format(name=self.name, owner=self.owner, dotted=self._dotted_name)

    @property
    def place(self) -> str:
        """Where it is defined: "file:line", or the module of a Cython function, or ""."""
        if self.kind == "cython":
            return self.owner
        return f"{self.filename}:{self.line}" if self.filename else ""

    @property
    def _dotted_name(self) -> str:
        """As repr() gives it: without the module for types in builtins, which repr leaves out."""
        hides_module = self.kind in ("type", "callable") and self.owner == "builtins"
        return self.name if hides_module or not self.owner else f"{self.owner}.{self.name}"


_LABELS: Final = {
    "function": "<built-in method {dotted}>",
    "method": "<method '{name}' of '{owner}' objects>",
    "classmethod": "<built-in method {name}>",
    "slot": "<slot wrapper '{name}' of '{owner}' objects>",
    "type": "<class '{dotted}'>",
    "callable": "<{dotted} object>",
    "program": "[program]",
    "thread": "[thread {name}]",
    "greenlet": "[greenlet {dotted}]",
    "truncated": "[truncated]",
    "excluded": "[excluded]",
}


@ours
@dataclass(frozen=True, slots=True)
class Times:
    """Sums in nanoseconds; the head of this file defines them."""

    running_ns: int = 0
    cpu_ns: int = 0
    waiting_ns: int = 0
    idle_ns: int = 0

    @property
    def elapsed_ns(self) -> int:
        """running + waiting."""
        return self.running_ns + self.waiting_ns

    def of_clock(self, clock: Clock) -> int:
        """Nanoseconds on the clock that a report shows."""
        return self.cpu_ns if clock == "cpu" else self.elapsed_ns

    def __add__(self, other: Times) -> Times:
        return Times(
            self.running_ns + other.running_ns,
            self.cpu_ns + other.cpu_ns,
            self.waiting_ns + other.waiting_ns,
            self.idle_ns + other.idle_ns,
        )

    def __sub__(self, other: Times) -> Times:
        return Times(
            self.running_ns - other.running_ns,
            self.cpu_ns - other.cpu_ns,
            self.waiting_ns - other.waiting_ns,
            self.idle_ns - other.idle_ns,
        )


@ours
@dataclass(frozen=True, slots=True)
class Edge:
    """Calls of one function by another.

    calls, resumes, self: of the callee where this caller called it.
    primitive_calls: calls and resumes at which the callee was not open already.
    inclusive: of those outermost entries.
    """

    caller: Function
    callee: Function
    calls: int
    resumes: int
    primitive_calls: int
    self: Times
    inclusive: Times


@ours
@dataclass(frozen=True, slots=True)
class FunctionStats:
    """A function over the whole profile.

    calls: how often it was called; resumes: how often it went on after a yield or await.
    primitive_calls: calls and resumes at which it was not open already.
    callers, callees: the edges that lead to it and from it. Entered at a greenlet's base, it has no caller.
    """

    function: Function
    calls: int
    resumes: int
    primitive_calls: int
    self: Times
    inclusive: Times
    callers: tuple[Edge, ...] = ()
    callees: tuple[Edge, ...] = ()


@ours
@dataclass(frozen=True, slots=True)
class ThreadStats:
    """A thread while it was recorded.

    id: this profile's, never reused; ident, native_id: Python's and the system's, which are.
    times: of everything in it; its waiting is that of all its greenlets together.
    own_ns: the profiler's share, with what was taken out of the times. times.running_ns + times.idle_ns
        + own_ns == lifetime_ns.
    switches: from greenlet to greenlet.
    tree: its node in the call tree.
    """

    id: int
    ident: int
    native_id: int
    name: str
    class_name: str
    alive: bool
    lifetime_ns: int
    own_ns: int
    switches: int
    times: Times
    tree: TreeNode = field(repr=False, compare=False)


@ours
@dataclass(frozen=True, slots=True)
class GreenletStats:
    """A greenlet.

    greenlet_class: a Function of kind "greenlet"; first_function: entered first at its base, None if none.
    switches: how often it was switched to.
    """

    id: int
    thread_id: int
    greenlet_class: Function
    first_function: Function | None
    alive: bool
    switches: int
    times: Times


@ours
@dataclass(frozen=True, slots=True)
class GreenletKind:
    """Greenlets of one class that entered the same function at their base, over all threads.

    function: None for what happened in such greenlets outside of any function.
    greenlets, alive, switches: of those whose first function it was.
    times: of all that was done in the function and below; the kinds of a class add up to the class.
    """

    greenlet_class: Function
    function: Function | None
    greenlets: int
    alive: int
    switches: int
    times: Times
