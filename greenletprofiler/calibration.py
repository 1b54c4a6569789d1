"""What an event costs on this machine and Python, for it to be taken out of the times that are shown.

A function is called, a generator resumed, and a built-in called, some hundred times from a loop: first
without the profiler, then, right after it has started, with it.

    with profiler      |-- loop --|ev|-- callee --|ev|--        ev: an event, the time stamp in its middle
    without            |-- loop --|-- callee --|--

What it takes longer is the cost of both events. The part in the callee, between the stamps, is charged to
the callee ("inner"), the rest to the caller ("outer"). What the callees here do is so little that their time
is taken for inner cost altogether.

Medians of a few copies of each loop, for other threads may come in between. The functions here are the
package's own, and show in no profile; what they call of other modules would, so they call nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType
from typing import Final, Protocol, TypeVar

from greenletprofiler.costs import EventCost, EventCosts
from greenletprofiler.filters import PASSED_OVER

T = TypeVar("T", float, "tuple[float, float, int]")

COPIES: Final = 9
RUNS: Final = 5  # the first has the interpreter adapt
ROUNDS: Final = 200
MEASURE_LENGTH: Final = 1000
MEASURE: Final = tuple(range(MEASURE_LENGTH))


class Watch(Protocol):
    """The recorder. What tells time is its own clock, for programs may replace those of the module time.

    self_ns: running time so far of a function that the asking one called; 0 while it is not recording, and of
    code that has not run yet.
    """

    def monotonic_ns(self) -> int: ...

    def self_ns(self, code: CodeType) -> int: ...


def _callee(argument: int) -> int:
    return argument


def _generator(rounds: int) -> Iterator[int]:
    for number in range(rounds):  # noqa: UP028  each one is to be a resume of this very function
        yield number


def _call_python(rounds: int, callee: Callable[[int], int]) -> None:
    for number in range(rounds):
        callee(number)


def _resume(rounds: int, generator: Callable[[int], Iterable[int]]) -> None:
    for _ in generator(rounds):
        pass


def _call_c(rounds: int, nothing: tuple[()]) -> None:
    for _ in range(rounds):
        len(nothing)


#: Does what _callee does, and is excluded where anything is.
_excluded_callee: Final = FunctionType(_callee.__code__.replace(co_filename=PASSED_OVER), globals())


def _copy(function: FunctionType) -> FunctionType:
    """A function with code of its own, which the interpreter has not adapted to anything yet."""
    return FunctionType(function.__code__.replace(), function.__globals__)


#: Of a run of a loop: all of its time, and that in the loop itself, in times of the measure; that, in ns.
_Run = tuple[float, float, int]


class _Loop:
    """One copy of a loop and its callee."""

    def __init__(self, watch: Watch, loop: object, callee: object) -> None:
        assert isinstance(loop, FunctionType)
        self._watch = watch
        self._loop = _copy(loop)
        self._callee = callee  # as `def` made it: 3.13 calls a copy more slowly, with events and without
        self._plain, _, _ = self._usual_run()

    def _usual_run(self) -> _Run:
        """The median of a few: something may have come in between the work, or the measure."""
        return _middle(self._run() for _ in range(RUNS))

    def _run(self) -> _Run:
        code, watch = self._loop.__code__, self._watch
        measure_ns = _measure_ns(watch)
        before_ns = watch.self_ns(code)
        began_ns = watch.monotonic_ns()
        self._loop(ROUNDS, self._callee)
        all_ns = watch.monotonic_ns() - began_ns
        loop_ns = watch.self_ns(code) - before_ns
        return all_ns / measure_ns, loop_ns / measure_ns, measure_ns

    def _make_known(self) -> None:
        """All copies are one function to the profiler, but that it is this one is known of a copy that ran.

        Of another it says that its time so far is 0: that of all copies before would be taken for its own.
        """
        self._loop(1, self._callee)

    def cost(self) -> EventCost:
        """Of a call, or a resume, while the profiler runs."""
        self._make_known()
        everything, in_loop, measure_ns = self._usual_run()
        inner_ns = max(0.0, everything - in_loop) * measure_ns
        outer_ns = max(0.0, in_loop - self._plain) * measure_ns
        return EventCost(outer_ns / ROUNDS, inner_ns / ROUNDS)


def _measure_ns(watch: Watch) -> int:
    """Time for some work without events: a processor may change its speed from one moment to the next."""
    began_ns = watch.monotonic_ns()
    MEASURE.index(MEASURE_LENGTH - 1)
    return max(1, watch.monotonic_ns() - began_ns)


class Calibration:
    """Made before the profiler starts; costs() belongs right behind its start."""

    def __init__(self, watch: Watch, builtins: bool, filtered: bool = False) -> None:
        self._builtins = builtins
        tells_of_all = sys.version_info < (3, 12)  # of what is excluded, and of built-ins that nobody wants
        excluded_copies = COPIES if filtered and tells_of_all else 0
        self._python_calls = [_Loop(watch, _call_python, _callee) for _ in range(COPIES)]
        self._resumes = [_Loop(watch, _resume, _generator) for _ in range(COPIES)]
        self._c_calls = [_Loop(watch, _call_c, ()) for _ in range(COPIES if builtins or tells_of_all else 0)]
        self._excluded_calls = [_Loop(watch, _call_python, _excluded_callee) for _ in range(excluded_copies)]

    def costs(self) -> EventCosts:
        """Of this machine, this interpreter and this kind of recording."""
        c_call = _median(loop.cost() for loop in self._c_calls)
        passed_over = _median(loop.cost() for loop in self._excluded_calls)
        if not (self._builtins or self._excluded_calls):
            passed_over = c_call
        return EventCosts(
            _median(loop.cost() for loop in self._python_calls),
            _median(loop.cost() for loop in self._resumes),
            c_call if self._builtins else EventCost(),
            EventCost(passed_over.outer_ns + passed_over.inner_ns),
        )


def _median(costs: Iterable[EventCost]) -> EventCost:
    every = list(costs)
    if not every:
        return EventCost()
    return EventCost(_middle([cost.outer_ns for cost in every]), _middle([cost.inner_ns for cost in every]))


def _middle(every: Iterable[T]) -> T:
    """The median, the lower one of two. That of the module statistics would be recorded."""
    ordered = sorted(every)
    return ordered[(len(ordered) - 1) // 2]
