"""Who ran when: the last million switches of a recording, if they were asked for.

    thread 1    |--- hub ---|~~~ idle ~~~|- hub -|--- worker ---|-- hub ...
                            1            2       3              4       recorded: when each stretch ended,
                                                                        whose it was, and what ended it

A stretch is a slice, from a switch into a greenlet to the next switch out of it, or a hub's poll, which ends
one slice and begins another. It began where the one before it in its thread has ended; what was too old to be
kept is counted. Times are those of the clock, with all that the profiler itself took in them: stretches of a
thread follow each other without a gap, and add up to its lifetime.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal

from greenletprofiler._generated import ours
from greenletprofiler.calltree import numbers, values

StretchKind = Literal["slice", "idle"]
StretchEnd = Literal["switch", "poll", "stop"]

#: Stretches that are kept: switches, and two for each poll of a hub. A power of two.
STRETCHES_KEPT: Final = 1 << 21

UNRECORDED: Final = "unrecorded"


@ours
@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which one greenlet was switched in.

    began_ns, ended_ns: since the recording's first start (Profile.started_at).
    kind: "slice"; "idle" for a poll of the hub, off the CPU.
    ended_by: "switch"; "poll", of a slice and of the poll itself; "stop" of the recording, or the snapshot.
    is_blocking: it is a slice that blocked others, see Profile.blocking_slices.
    """

    thread_id: int
    greenlet_id: int
    began_ns: int
    ended_ns: int
    kind: StretchKind
    ended_by: StretchEnd
    is_blocking: bool

    @property
    def length_ns(self) -> int:
        """How long it was."""
        return self.ended_ns - self.began_ns


@ours
@dataclass(frozen=True, slots=True)
class _Columns:
    """What was recorded of each stretch; `end` holds places in `ends`."""

    ended_ns: array[int]
    greenlet: array[int]
    thread: array[int]
    end: array[int]
    blocked: array[int]
    ends: tuple[str, ...]


@ours
@dataclass(frozen=True, eq=False, repr=False)
class Timeline:
    """Stretches of all threads, in the order in which they ended.

    entered: of all stretches that have ended, kept or not. totals: the same, by what ended them.
    """

    entered: int
    totals: Mapping[str, int]
    _columns: _Columns
    _kept: int  # of those that have ended; those that went on at the snapshot come after them
    _first: int = 0  # those before it were in an earlier snapshot
    _since_ns: int | None = None  # the moment of that snapshot

    @classmethod
    def from_snapshot(cls, raw: Mapping[str, Any] | None) -> Timeline | None:
        """Of a snapshot's `timeline`; None if none was kept."""
        if raw is None:
            return None
        ends, gone = zip(*raw["ends"], strict=True)
        columns = _Columns(
            values(raw["ended_ns"]), values(raw["greenlet"]), numbers(raw["thread"]),
            array("b", raw["end"]), array("b", raw["blocked"]), ends,
        )  # fmt: skip
        kept = raw["entered"] - sum(gone)
        ended = columns.end[:kept]
        totals = {end: gone[place] + ended.count(place) for place, end in enumerate(ends)}
        return cls(raw["entered"], totals, columns, kept)

    def __iter__(self) -> Iterator[Stretch]:
        """All of which the beginning is known."""
        columns = self._columns
        began: dict[int, int] = {}
        for place, (ended_ns, greenlet, thread, end, blocked) in enumerate(
            zip(columns.ended_ns, columns.greenlet, columns.thread, columns.end, columns.blocked, strict=True)
        ):
            began_ns = began.get(thread)
            began[thread] = ended_ns
            name = columns.ends[end]
            if began_ns is None or place < self._first or name == UNRECORDED:
                continue
            if self._since_ns is not None:
                began_ns = min(max(began_ns, self._since_ns), ended_ns)
            yield Stretch(thread, greenlet, began_ns, ended_ns, *_KINDS[name], bool(blocked))

    @cached_property
    def switches(self) -> int:
        """How many stretches that are here were ended by a switch."""
        columns, switch = self._columns, self._columns.ends.index("switch")
        count = columns.end[self._first :].count(switch)
        for thread in self.thread_ids:
            oldest = columns.thread.index(thread)  # nobody knows when it began
            count -= oldest >= self._first and columns.end[oldest] == switch
        return count

    @cached_property
    def thread_ids(self) -> frozenset[int]:
        """Of all that is here."""
        return frozenset(self._columns.thread)

    @property
    def dropped_switches(self) -> int:
        """How many there were that are not here, for they were too old."""
        return self.totals["switch"] - self.switches

    def since(self, earlier: Timeline) -> Timeline:
        """Without what had ended at an earlier snapshot; what went on then begins with it."""
        oldest = self.entered - self._kept
        totals = {end: total - earlier.totals[end] for end, total in self.totals.items()}
        first = max(earlier.entered - oldest, self._first, 0)
        return replace(self, totals=totals, _first=first, _since_ns=max(earlier._columns.ended_ns, default=0))

    def __repr__(self) -> str:
        return f"<Timeline switches={self.totals['switch']} dropped_switches={self.dropped_switches}>"


_KINDS: Final[Mapping[str, tuple[StretchKind, StretchEnd]]] = {
    "switch": ("slice", "switch"),
    "poll": ("slice", "poll"),
    "idle": ("idle", "poll"),
    "stop": ("slice", "stop"),
}
