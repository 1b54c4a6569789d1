"""The profiler's own cost, and the call tree without it.

A function that is made of tiny calls looks dearer than it is, for the events of these calls are charged to
it and to them. What an event costs is measured (calibration.py), how many there were is in the tree:

    node      loses    its calls * inner + its resumes * inner          (by kind: Python, built-in)
    parent    loses    its children's calls * outer + resumes * outer

from both running and CPU time, and never more than the node's CPU time. What is taken goes to the thread's
own time, so that nothing is lost: running + idle + own == lifetime, as before.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Final

from greenletprofiler import _native
from greenletprofiler._generated import ours
from greenletprofiler.calltree import CallTree, values
from greenletprofiler.values import Function


@ours
@dataclass(frozen=True, slots=True)
class EventCost:
    """What both events of a call, or of a resume, cost, in ns: charged to the caller, and to the callee."""

    outer_ns: float = 0.0
    inner_ns: float = 0.0


@ours
@dataclass(frozen=True, slots=True)
class EventCosts:
    """By kind of event.

    passed_over: a call that is not recorded, and of which Python 3.10 and 3.11 tell all the same: that of a
        built-in that nobody wants, or of or by what is excluded.
    """

    python_call: EventCost
    resume: EventCost
    c_call: EventCost
    passed_over: EventCost


@ours
@dataclass(frozen=True, slots=True)
class ProfilerCost:
    """What the recording itself took, over all threads.

    events: two for each call and each resume, and for each call that was passed over; one for each switch.
    events_ns: of calls and resumes, by the calibration; `Profile.raw()` has it in its times.
    own_ns: start, snapshots, and naming functions, as measured. In the times of no function, ever.
    recorded_ns: all time that threads ran, these two included.
    calibration: None if there was none; then the cost of events is not known, and taken to be 0.
    cpu_clock_reads: how often the system was asked for a thread's CPU time.
    truncated_calls, unmatched_leaves, dropped_intervals: what could not be recorded as it was.
    """

    events: int
    events_ns: int
    own_ns: int
    recorded_ns: int
    calibration: EventCosts | None
    cpu_clock_reads: int
    truncated_calls: int
    unmatched_leaves: int
    dropped_intervals: int

    @property
    def ns_per_event(self) -> float:
        """On the average; 0 without events."""
        return self.events_ns / self.events if self.events else 0.0

    @property
    def share(self) -> float:
        """Of the time that threads ran, from 0 to 1: what the profiler took."""
        return (self.events_ns + self.own_ns) / self.recorded_ns if self.recorded_ns else 0.0


# The extension's numbers for what the entries of a function are.
_OF_UNKNOWN: Final = 0
_OF_PYTHON: Final = 1
_OF_C: Final = 2


def without_event_costs(tree: CallTree, costs: EventCosts) -> tuple[CallTree, array[int]]:
    """The tree without the cost of events, and the ns that were taken from each node."""
    running, cpu, waiting, idle, contended, lag = tree.self_times
    kinds = bytes(map(_entries, tree.functions))
    by_kind = costs.python_call, costs.resume, costs.c_call, costs.passed_over
    pairs = tuple((cost.outer_ns, cost.inner_ns) for cost in by_kind)
    left = _native.without_costs(
        tree.parent, tree.function, kinds, tree.calls, tree.resumes, tree.passed_over, running, cpu, pairs
    )
    running, cpu, taken_ns = map(values, left)
    return tree.with_times((running, cpu, waiting, idle, contended, lag)), taken_ns


def _entries(function: Function) -> int:
    if not function.is_function:
        return _OF_UNKNOWN
    return _OF_C if function.is_builtin else _OF_PYTHON
