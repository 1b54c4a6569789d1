"""The profiler: starts and stops a recording and hands out what it holds.

    Profiler.start/stop  ->  _native.Recorder  ->  snapshot()  ->  Profile

A Profiler adds up over its start/stop pairs. One can run at a time in an interpreter; the extension is the
judge of that, so there is no state here that could disagree with it. Between the recorder's start and the
program's own code there is nothing but returns: that time would be charged to the profiler.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, ParamSpec, TypeVar

from greenletprofiler import _native
from greenletprofiler._unpatched import allocate_lock
from greenletprofiler.calibration import Calibration
from greenletprofiler.costs import EventCosts
from greenletprofiler.errors import (
    AlreadyRunningError,
    DecorationError,
    NotRunningError,
    TagError,
    ToolIdsTakenError,
)
from greenletprofiler.filters import Filters
from greenletprofiler.hubs import checked_hubs, polls_of
from greenletprofiler.profile import Profile
from greenletprofiler.slices import checked_threshold_ns
from greenletprofiler.timeline import STRETCHES_KEPT

P = ParamSpec("P")
R = TypeVar("R")

_FOLDER: Final = Path(__file__).absolute().parent

#: Functions whose file name begins like this never show: the package, and the drop-in module beside it.
HIDDEN: Final = (
    str(_FOLDER) + os.sep,
    str(_FOLDER.with_name("GreenletProfiler.py")),
)

#: Where the profiler calls the program: the end of the file name, and the bare name. What the filters exclude
#: there must not be taken for the profiler's own time.
DOORS: Final = (("greenletprofiler/profiler.py", "recorded"),)

#: Places in the call trees of one recording, some 100 bytes each. Past it, new paths are counted together.
NODE_BUDGET: Final = 1_000_000

#: Seconds, as gevent's own monitor has it.
BLOCK_THRESHOLD: Final = 0.1


class Tag:
    """What Profiler.tag() returns: a context manager, for any number of uses.

    It does nothing while the profiler is stopped.
    """

    __slots__ = ("_name", "_recorder")

    def __init__(self, recorder: _native.Recorder, name: str) -> None:
        self._recorder = recorder
        self._name = name

    def __enter__(self) -> None:
        self._recorder.enter_tag(self._name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recorder.exit_tag(self._name)


class Profiler:
    """Records every call of Python functions, and of built-in ones, per greenlet and thread.

    builtins: record calls of functions written in C too, gevent's compiled ones among them (Python 3.12+).
    threads: record all threads, those that start later too; otherwise only the one that calls start().
    include, exclude: patterns of modules (gevent, myapp.*), of paths (*/vendor/*), or stdlib; see filters.py.
        A function that is excluded, or not included where something is, has no calls and no row, and its time
        is its nearest included caller's. Functions written in C follow who calls them.
    block_threshold: a greenlet that runs for so many seconds at a stretch, while others of its thread are
        suspended, blocks them: see Profile.blockers.
    hub: functions in which a hub of your own waits for events, as MODULE:FUNCTION: time off the CPU there,
        and in what it calls in C, is idle. Those of gevent and eventlet are known.
    timeline: keep the last million switches, when and to whom, for Profile.timeline and trace files:
        16 bytes each, up to 32 MB.
    spawn_places: find out where gevent spawned each greenlet, for GreenletStats.spawned_at; it takes a
        microsecond or two for each.
    per_greenlet: a call tree for each greenlet, with its number, instead of one for all of its class.
        As long as there is room: past a million places in all trees together, new greenlets share one.

    Raises FilterError for a malformed pattern, ThresholdError for a threshold that is no length of time, and
    HubError for what names no function.

    Use it by start() and stop(), as a context manager, or as a decorator:

        with Profiler() as profiler:
            serve()
        profiler.snapshot().print()
    """

    #: Beginnings of the names of files whose functions never show.
    _hidden: tuple[str, ...] = HIDDEN
    _doors: tuple[tuple[str, str], ...] = DOORS

    def __init__(
        self,
        builtins: bool = True,
        threads: bool = True,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        block_threshold: float = BLOCK_THRESHOLD,
        hub: Iterable[str] = (),
        timeline: bool = False,
        spawn_places: bool = False,
        per_greenlet: bool = False,
    ) -> None:
        self._filters = Filters.checked(include, exclude)
        self._recorder = _native.Recorder(
            builtins=builtins,
            threads=threads,
            hidden=self._hidden,
            polls=polls_of(checked_hubs(hub)),
            node_budget=NODE_BUDGET,
            doors=self._doors,
            filters=self._filters.rules(),
            blocking_ns=checked_threshold_ns(block_threshold),
            timeline=STRETCHES_KEPT if timeline else 0,
            spawn_places=spawn_places,
            per_greenlet=per_greenlet,
        )
        self._builtins = builtins
        self._event_costs: EventCosts | None = None  # until the first start
        self._decorated_calls = 0
        self._decorated_calls_lock = allocate_lock()

    @property
    def running(self) -> bool:
        """True between start() and stop()."""
        return self._recorder.running

    @property
    def memory_bytes(self) -> int:
        """What the recording holds now."""
        return self._recorder.memory_bytes

    def start(self) -> None:
        """Begins to record, or goes on: what was recorded before is kept.

        Raises AlreadyRunningError if this or another profiler runs in this interpreter, and
        ToolIdsTakenError if other tools hold all of its monitoring tool ids (Python 3.12+).
        """
        calibration = self._new_calibration()
        try:
            self._recorder.start()
        except _native.Busy:
            raise AlreadyRunningError(self._why_busy()) from None
        except _native.ToolIdsTaken:
            raise ToolIdsTakenError(
                "Other tools (profilers, debuggers, coverage) hold the monitoring tool ids 2, 3 and 4,"
                " and this profiler needs one of them. Stop one of those tools first."
            ) from None
        if calibration is not None:
            self._finish(calibration)

    def stop(self) -> None:
        """Ends the recording for now. Raises NotRunningError if it is stopped."""
        try:
            self._recorder.stop()
        except _native.NotRunning:
            raise NotRunningError("This profiler is not running: call start() before stop().") from None

    def snapshot(self) -> Profile:
        """What was recorded up to now, while running or stopped. Later events do not change it."""
        raw = self._recorder.snapshot()
        unmatched = self._filters.unmatched(self._recorder.matched_patterns)
        return Profile.from_snapshot(raw, self._event_costs, self._filters, unmatched)

    def tag(self, name: str) -> Tag:
        """Names a part of the program: `with profiler.tag("GET /users"):` tells of what is done in there.

        In Profile.tags, and in the call tree below a mark of its own; functions and edges are as without it.
        A tag is its greenlet's: one that is spawned in it does not have it. It ends with the function that
        entered it at the latest, of a generator or coroutine at its yield or await. Past 1,000 names more are
        "[other]".

        Raises TagError for what is no name.
        """
        if not isinstance(name, str) or not name:
            raise TagError(f"{name!r} names no part of a program: a tag is a text, such as 'GET /users'.")
        return Tag(self._recorder, name)

    def __enter__(self) -> Profiler:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorates a function: it is recorded from its outermost call until its last open call ends.

        Greenlets and threads may be in it at the same time. Raises DecorationError for generator and
        coroutine functions, whose calls end before they run.
        """
        if not callable(function) or _runs_later(function):
            raise DecorationError(
                f"A profiler cannot decorate {function!r}: it decorates plain functions. Inside a generator"
                " or coroutine use 'with profiler:'."
            )

        @functools.wraps(function)
        def recorded(*args: P.args, **kwargs: P.kwargs) -> R:
            self._enter_decorated()
            try:
                return function(*args, **kwargs)
            finally:
                self._leave_decorated()

        return recorded

    def __del__(self) -> None:
        """The interpreter holds what records, so a profiler that nobody can stop any more stops itself."""
        recorder = getattr(self, "_recorder", None)  # None when __init__ failed
        if recorder is not None and recorder.running:
            recorder.stop()

    def _new_calibration(self) -> Calibration | None:
        """None if it is known already what events cost, or if the program is too deep down to find out."""
        if self._event_costs is not None or self.running:
            return None
        try:
            return Calibration(self._recorder, self._builtins, bool(self._filters))
        except RecursionError:
            return None

    def _finish(self, calibration: Calibration) -> None:
        """An exception, such as a KeyboardInterrupt, leaves no recording that nobody knows of."""
        try:
            self._event_costs = calibration.costs()
        except RecursionError:
            pass
        except BaseException:
            self._recorder.stop()
            raise

    def _enter_decorated(self) -> None:
        with self._decorated_calls_lock:
            if self._decorated_calls == 0:
                self.start()
            self._decorated_calls += 1

    def _leave_decorated(self) -> None:
        with self._decorated_calls_lock:
            self._decorated_calls -= 1
            if self._decorated_calls == 0:
                self.stop()

    def _why_busy(self) -> str:
        if self.running:
            return "This profiler is running already: call stop() before starting it again."
        return "Another profiler is running in this interpreter, and only one can: stop that one first."


def _runs_later(function: Callable[..., object]) -> bool:
    """True if a call of it only makes a generator or coroutine."""
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return any(is_kind(function) for is_kind in kinds)
