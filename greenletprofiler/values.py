"""The values that a profile consists of: plain, immutable, independent of the profiler.

    Function        what was called, or a mark in the tree (a thread, a greenlet's base)
    Times           six sums in nanoseconds
    FunctionStats   a function over the whole profile, with its Edges to callers and callees
    ThreadStats, GreenletStats, GreenletKind
    TagStats        what was done in a part of the program that it has named
    SpawnPlace      where a greenlet was spawned
    SliceStats      how long greenlets of a kind ran at a stretch
    BlockingSlice   a long one, while others were suspended; Blocker: what such slices were spent on

Definitions, all of wall time unless they say CPU:
    running    its greenlet was switched in, and the function on top of the stack
    cpu        CPU time of the thread within running
    waiting    its greenlet was switched out, with the function on top
    contended  the part of waiting in which the thread ran another greenlet, or its hub that was not idle: no
               more than that was the others' fault. The rest the world was to blame for
    lag        the part of contended since the hub looked last, up to the resume, if that was within the wait:
               since a poll in which it was idle, or since it gave way to another greenlet. What came in
               meanwhile could not be noticed
    idle       a hub in its poll, off the CPU; not part of running
    elapsed    running + waiting
    slice      from a switch into a greenlet to the next switch out of it, without polls of a hub
    blocking   a slice of a certain length while other greenlets of its thread are suspended, beside the one
               that ran before: for that one it is no more than a call
    self       the function alone; inclusive: with everything called from it. Of a recursive function the
               outermost entries count, so that no time counts twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import add, sub
from typing import TYPE_CHECKING, Final, Literal

from greenletprofiler._generated import ours
from greenletprofiler.errors import ClockError

if TYPE_CHECKING:
    from greenletprofiler.calltree import TreeNode

GreenletState = Literal["running", "suspended", "ended", "unknown"]

#: The clock that a report shows. "wall" is elapsed time: running + waiting.
Clock = Literal["cpu", "wall"]
CLOCKS: Final[tuple[Clock, ...]] = ("cpu", "wall")

#: Kinds of Function that mark a place in the tree. They have no caller and call nothing.
BASE_KINDS: Final = frozenset({"program", "thread", "greenlet", "excluded"})
#: The mark that stands for calls on paths past the recorder's budget.
TRUNCATED_KIND: Final = "truncated"
#: A part of a function's call that the program has named: see Profiler.tag().
TAG_KIND: Final = "tag"

#: Kinds of Function that are none.
MARK_KINDS: Final = BASE_KINDS | {TRUNCATED_KIND, TAG_KIND}


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
        "program", "thread", "greenlet", "truncated", "tag", "excluded" (where a hub polls, or the profiler
        calls the program, in what the filters exclude).
    name: qualified name of a Python or Cython function; bare name of any other.
    owner: module of a function, type or greenlet class; the type that a method belongs to.
    filename, line: of a Python function's first line; "" and 0 otherwise.
    number: of the greenlet whose own tree begins here, with Profiler(per_greenlet=True); 0 otherwise.
    """

    kind: str
    name: str
    owner: str = ""
    filename: str = ""
    line: int = 0
    number: int = 0

    @property
    def shared(self) -> Function:
        """Of a greenlet's own base that of its class; otherwise the same."""
        return replace(self, number=0) if self.number else self

    @property
    def is_function(self) -> bool:
        """False for the marks in the tree."""
        return self.kind not in MARK_KINDS

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
        if self.number:
            return f"[greenlet {self.number}: {self._dotted_name}]"
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
    "tag": "[tag {name}]",
}


@ours
@dataclass(frozen=True, slots=True)
class Times:
    """Sums in nanoseconds; the head of this file defines them."""

    running_ns: int = 0
    cpu_ns: int = 0
    waiting_ns: int = 0
    idle_ns: int = 0
    contended_ns: int = 0
    lag_ns: int = 0

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
            self.contended_ns + other.contended_ns,
            self.lag_ns + other.lag_ns,
        )

    def __sub__(self, other: Times) -> Times:
        return Times(
            self.running_ns - other.running_ns,
            self.cpu_ns - other.cpu_ns,
            self.waiting_ns - other.waiting_ns,
            self.idle_ns - other.idle_ns,
            self.contended_ns - other.contended_ns,
            self.lag_ns - other.lag_ns,
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
class TagStats:
    """What was done below a tag, see Profiler.tag(), over all places where it was.

    entries: how often it was entered. times: of everything there; where it is in itself, that counts once.
    """

    name: str
    entries: int
    times: Times


@ours
@dataclass(frozen=True, slots=True)
class ThreadStats:
    """A thread while it was recorded.

    id: this profile's, never reused; ident, native_id: Python's and the system's, which are.
    times: of everything in it; its waiting is that of all its greenlets together.
    own_ns: the profiler's share, with what was taken out of the times. times.running_ns + times.idle_ns
        + own_ns == lifetime_ns.
    switches: from greenlet to greenlet. polls: how often its hub was found to wait, off the CPU.
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
    polls: int
    times: Times
    tree: TreeNode = field(repr=False, compare=False)


@ours
@dataclass(frozen=True, slots=True)
class SpawnPlace:
    """A place in the program: a function, and the line that it had come to."""

    function: Function
    line: int

    def __str__(self) -> str:
        return f"{self.function.filename}:{self.line} in {self.function.label}"


@ours
@dataclass(frozen=True, slots=True)
class GreenletStats:
    """A greenlet.

    greenlet_class: a Function of kind "greenlet"; first_function: entered first at its base, None if none.
    times: with what the profiler's events cost in them, as in Profile.raw(), where running and idle times of
        a thread's greenlets and its own_ns add up to its lifetime.
    given_name: what its attribute `name` was set to before it first ran; "" if it was not.
    spawned_at: where, if Profiler(spawn_places=True) asked for it and gevent spawned it.
    switches: how often it was switched to.
    began_ns, ended_ns: when it was seen first, and when it ended, since the recording's first start
        (Profile.started_at); None if it has not ended.
    longest_slice_ns: of slices that are over; None in a difference, where it may have been before.
    state: at the snapshot: running, suspended or ended; unknown after a stop, if it had not ended then.
    stack: the functions in which it was, the outermost first; () if it had ended, or nobody knows.
    """

    id: int
    thread_id: int
    greenlet_class: Function
    first_function: Function | None
    given_name: str
    spawned_at: SpawnPlace | None
    alive: bool
    switches: int
    times: Times
    began_ns: int
    ended_ns: int | None
    longest_slice_ns: int | None
    state: GreenletState
    stack: tuple[Function, ...]

    @property
    def name(self) -> str:
        """The name that it was given, or its first function, or its class, with its number."""
        return self.given_name or _numbered_name(self.greenlet_class, self.first_function, self.id)


#: Slices are counted by length: below these numbers of nanoseconds, powers of two from a microsecond to
#: minutes. The last count is of all that are longer.
SLICE_LIMITS_NS: Final = tuple(1 << bits for bits in range(10, 39))


@ours
@dataclass(frozen=True, slots=True)
class SliceStats:
    """Slices that have ended; one ends with a switch, or with a poll of the hub.

    longest_ns: None in a difference, where the longest one may have been before.
    lengths: how many there were of each length: lengths[i] is for those below SLICE_LIMITS_NS[i] and not
        below the limit before, the last one for all that are longer.
    """

    count: int = 0
    total_ns: int = 0
    longest_ns: int | None = 0
    lengths: tuple[int, ...] = (0,) * (len(SLICE_LIMITS_NS) + 1)

    def __add__(self, other: SliceStats) -> SliceStats:
        return SliceStats(
            self.count + other.count,
            self.total_ns + other.total_ns,
            longest(self.longest_ns, other.longest_ns),
            tuple(map(add, self.lengths, other.lengths)),
        )

    def since(self, earlier: SliceStats) -> SliceStats:
        """Without those that were there already."""
        return SliceStats(
            self.count - earlier.count,
            self.total_ns - earlier.total_ns,
            longest_since(self.longest_ns, earlier.longest_ns),
            tuple(map(sub, self.lengths, earlier.lengths)),
        )


def longest(one: int | None, other: int | None) -> int | None:
    """Of two, if both are known."""
    return None if one is None or other is None else max(one, other)


def longest_since(later: int | None, earlier: int | None) -> int | None:
    """The longest since an earlier snapshot. It is known if it is longer than the longest one up to then, and
    not only because the clock's rate is known better now."""
    if later is None or earlier is None or later <= earlier + earlier // 1000 + 1000:
        return None
    return later


@ours
@dataclass(frozen=True, slots=True)
class BlockingSlice:
    """A greenlet ran at a stretch for long, and no other of its thread could.

    began_at_ns: UTC, since the epoch. length_ns, cpu_ns: with what the profiler's events cost.
    suspended: how many other greenlets of the thread were, when it ended.
    is_over: False if it went on at the snapshot, or at the stop.
    culprit: the innermost place in and below which half of it or more was spent; path: the functions from the
        greenlet's base to it.
    samples: (place, ns) of what it was doing, taken about each millisecond; they add up to its length, and
        small ones may be counted for a caller.
    """

    thread_id: int
    greenlet_id: int
    greenlet_class: Function
    first_function: Function | None
    given_name: str
    began_at_ns: int
    length_ns: int
    cpu_ns: int
    suspended: int
    is_over: bool
    culprit: TreeNode = field(repr=False, compare=False)
    path: tuple[Function, ...]
    samples: tuple[tuple[TreeNode, int], ...] = field(repr=False, compare=False)

    @property
    def is_off_cpu(self) -> bool:
        """Whether less than half of it was CPU time: it slept, or another thread or process ran."""
        return 2 * self.cpu_ns < self.length_ns

    @property
    def greenlet_name(self) -> str:
        """The name that it was given, or its first function, or its class, with its number."""
        return self.given_name or _numbered_name(self.greenlet_class, self.first_function, self.greenlet_id)


def _numbered_name(greenlet_class: Function, first_function: Function | None, number: int) -> str:
    return f"{(first_function or greenlet_class).label}-{number}"


@ours
@dataclass(frozen=True, slots=True)
class Blocker:
    """What slices that blocked were spent on.

    path: from the greenlet's base to the culprit; function: that culprit.
    longest_ns: None in a difference, where the longest one may have been before.
    """

    path: tuple[Function, ...]
    count: int
    total_ns: int
    longest_ns: int | None

    @property
    def function(self) -> Function:
        """The last of the path."""
        return self.path[-1]


@ours
@dataclass(frozen=True, slots=True)
class GreenletKind:
    """Greenlets of one class that entered the same function at their base, over all threads.

    function: None for what happened in such greenlets outside of any function.
    greenlets, alive, switches: of those whose first function it was, those without a record of their own too.
    times: of all that was done in the function and below; the kinds of a class add up to the class.
    slices: of those greenlets. Over all kinds there are as many as switches and polls of all threads.
    """

    greenlet_class: Function
    function: Function | None
    greenlets: int
    alive: int
    switches: int
    times: Times
    slices: SliceStats = SliceStats()
