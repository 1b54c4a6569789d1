"""A program's run under the profiler, from its first line to the files of its profile.

    run()        recording: packages of a module, then the main code
                 recording ends with the main code, or goes on while other threads have not ended
    at exit      the interpreter has joined the program's threads: profile written; then the program's own
                 exit handlers run
    SIGTERM      profile written, then the signal does what it does by default

The program should not notice. Its exit code is returned, its traceback is shown without the frames of this
package, an exit handler registered now runs before its own ones, and no exception is being handled while
its code runs. Where the program has its own handler for SIGTERM, that one replaces ours. A child made by
fork writes nothing. What ends a process at once (os._exit, SIGKILL, exec) leaves no profile.

Owns: the profiler, until the profile is written.
"""

from __future__ import annotations

import atexit
import builtins
import gc
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Final, ParamSpec

from greenletprofiler import exporters
from greenletprofiler._generated import ours
from greenletprofiler.errors import ProfilerError
from greenletprofiler.exporters.table import print_table
from greenletprofiler.filters import Filters
from greenletprofiler.profile import Profile
from greenletprofiler.profiler import DOORS, HIDDEN, Profiler
from greenletprofiler.program import Program
from greenletprofiler.values import Clock

P = ParamSpec("P")

STANDARD_ERROR: Final = 2  # its file descriptor
ROWS: Final = 25
ROOM_TO_WRITE: Final = 1000  # in calls


# -- what is written -------------------------------------------------------------------------------------


@ours
@dataclass(frozen=True)
class Report:
    """Where a profile goes: files by absolute path, then a table on standard error. is_raw: as recorded, with
    the cost of the profiler's events in it."""

    files: Sequence[str]
    clock: Clock
    is_raw: bool = False

    def write(self, recorded: Profile) -> None:
        """Never raises: the program's exit code is not ours to change. Says what could not be written."""
        profile = recorded.raw() if self.is_raw else recorded
        for path in self.files:
            _attempt(exporters.save, profile, path, None, self.clock)
        _attempt(self._write_table, profile)

    def _write_table(self, profile: Profile) -> None:
        page = _Page()
        page.write("\n")
        print_table(profile, page, self.clock, ROWS, None)
        write_to_standard_error(page.getvalue())


class _Page(io.StringIO):
    """Text on its way to standard error, and as wide."""

    def fileno(self) -> int:
        return STANDARD_ERROR


def _attempt(step: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    try:
        step(*args, **kwargs)
    except Exception as error:
        say(str(error) or repr(error))


def say(message: str) -> None:
    """One line on standard error."""
    write_to_standard_error(f"greenletprofiler: {' '.join(message.split())}\n")


def write_to_standard_error(text: str) -> None:
    """Writes around sys.stderr, as far as possible, and never raises.

    What a stream could not get rid of stays in its buffer, and the interpreter then exits with code 120.
    """
    if sys.__stderr__ is None or sys.__stderr__.closed:
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    left = text.encode(sys.__stderr__.encoding, "backslashreplace")
    with suppress(OSError):
        while left:
            left = left[_write_some(left) :]


def _write_some(data: bytes) -> int:
    try:
        return os.write(STANDARD_ERROR, data)
    except BlockingIOError:  # the program made it non-blocking
        os.set_blocking(STANDARD_ERROR, True)
        return os.write(STANDARD_ERROR, data)


# -- the run ---------------------------------------------------------------------------------------------


def frames_outside(frame: FrameType) -> tuple[str, ...]:
    """Files of the frames that called this one: they are how the profiler was started, not the program."""
    files = set()
    caller = frame.f_back
    while caller is not None:
        files.add(caller.f_code.co_filename)
        caller = caller.f_back
    return tuple(sorted(files))


@ours
@dataclass(frozen=True)
class Recording:
    """What is recorded; see Profiler."""

    builtins: bool
    threads: bool
    filters: Filters
    block_threshold: float
    hubs: tuple[str, ...]
    timeline: bool
    spawn_places: bool
    per_greenlet: bool


class _ProgramProfiler(Profiler):
    """A Profiler that hides more files than this package's."""

    _doors = (*DOORS, ("greenletprofiler/run.py", "_record"))

    def __init__(self, recording: Recording, hidden: tuple[str, ...]) -> None:
        self._hidden = HIDDEN + hidden
        filters = recording.filters
        super().__init__(
            recording.builtins,
            recording.threads,
            filters.include,
            filters.exclude,
            recording.block_threshold,
            recording.hubs,
            recording.timeline,
            recording.spawn_places,
            recording.per_greenlet,
        )


class Run:
    """One program, run once."""

    def __init__(self, report: Report, recording: Recording, hidden: tuple[str, ...]) -> None:
        self._profiler = _ProgramProfiler(recording, hidden)
        self._records_threads = recording.threads
        self._report = report
        self._process_id = os.getpid()
        self._is_writing = False
        self._is_written = False
        self._sigterm_came = False
        self._holds_collector = False

    def run(self, program: Program) -> int:
        """Runs it and returns its exit code; the profile is written when the interpreter exits.

        Raises UsageError if it cannot be found or is not Python, StateError if it cannot be recorded, and
        KeyboardInterrupt, silently, if the program did.
        """
        launcher = sys.modules["__main__"]  # kept, for its code is still running
        try:
            program.enter()
            self._handle_sigterm()
            atexit.register(self._release_collector)  # the first one is called last
            atexit.register(self._write)  # should all else fail
            error = self._run_program(program)
        except ProfilerError:
            atexit.unregister(self._write)
            raise
        atexit.unregister(self._write)
        atexit.register(self._write)  # so that it runs before the program's exit handlers
        code = _conclude(error)
        del launcher
        return code

    def _run_program(self, program: Program) -> BaseException | None:
        """What it raised."""
        for package in program.packages():
            error = self._record(builtins.__import__, package)
            if error is not None:
                return error
        code, main = program.load()
        sys.modules["__main__"] = main
        return self._record(builtins.exec, code, main.__dict__)

    def _record(self, step: Callable[..., object], *arguments: object) -> BaseException | None:
        """What the step raised. Between start() and it there is nothing that would be recorded."""
        if not self._profiler.running:
            self._profiler.start()
        try:
            step(*arguments)
        except BaseException as error:
            return _without_own_frames(error)
        finally:
            if not (self._records_threads and _threads_go_on()):
                self._profiler.stop()
        return None

    def _write(self) -> None:
        """Ends the recording and writes its profile, once, and in the process that began it."""
        if self._is_writing or self._is_written or os.getpid() != self._process_id:
            return
        self._is_writing = True
        self._hold_collector()
        sys.setrecursionlimit(sys.getrecursionlimit() + ROOM_TO_WRITE)  # SIGTERM may have come deep down
        with _signals_held():
            if self._profiler.running:
                self._profiler.stop()
            self._report.write(self._profiler.snapshot())
        self._is_writing = False
        self._is_written = True
        if self._sigterm_came:
            _terminate_by_default()

    def _hold_collector(self) -> None:
        """Making a profile makes so many objects that the collector would run. What the program leaves to it
        is for the interpreter to find at its end: a finalizer may rely on that, and wait forever for a thread
        that has not ended yet."""
        self._holds_collector = gc.isenabled()
        gc.disable()

    def _release_collector(self) -> None:
        """Once all exit handlers have run: now the interpreter collects."""
        if self._holds_collector:
            gc.enable()

    def _handle_sigterm(self) -> None:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            with suppress(ValueError):  # not in the main thread: handlers cannot be set there
                signal.signal(signal.SIGTERM, self._on_sigterm)
                _default_sigterm_in_children(self._on_sigterm)

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self._sigterm_came = True
        self._write()
        if not self._is_writing:  # else _write() comes back to it
            _terminate_by_default()


def _default_sigterm_in_children(handler: Callable[[int, FrameType | None], None]) -> None:
    """Makes children by fork do without the handler.

    SIGTERM is blocked meanwhile: one that came before the child can put the default action back would be
    forgotten, for Python drops in a new child what its parent's handlers noted.
    """
    masks: list[set[signal.Signals | int]] = []

    def before() -> None:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}))

    def after_in_parent() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop())

    def after_in_child() -> None:
        if signal.getsignal(signal.SIGTERM) == handler:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop())

    os.register_at_fork(before=before, after_in_parent=after_in_parent, after_in_child=after_in_child)


def _terminate_by_default() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait: what is being written is what they would have cut off.

    A Ctrl-C that came meanwhile is dropped, for the program that it was meant to end has ended.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        with suppress(KeyboardInterrupt):  # handlers of what came run in this call
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _threads_go_on() -> bool:
    """Whether the interpreter has threads to wait for before it exits.

    Looks behind the public functions of threading: they would show in the profile as the program's.
    """
    threading = vars(sys.modules["threading"]) if "threading" in sys.modules else None
    return threading is not None and any(
        not vars(thread)["_daemonic"] and thread is not threading["_main_thread"]
        for thread in list(threading["_active"].values())
    )


# -- how the program ended -------------------------------------------------------------------------------


def _without_own_frames(error: BaseException) -> BaseException:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(HIDDEN):
        trace = trace.tb_next
    return error.with_traceback(trace)


def _conclude(error: BaseException | None) -> int:
    """Shows what is to be shown and returns the exit code, as the interpreter does for its main module."""
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        return _exit_code(error)
    leaving = _show(error)
    if leaving is not None:
        return _exit_code(leaving)
    if _ends_by_sigint(error):
        sys.excepthook = _show_nothing  # it has been shown
        raise KeyboardInterrupt
    return 1


def _ends_by_sigint(error: BaseException) -> bool:
    """Whether the interpreter ends itself by that signal: not for subclasses before 3.14."""
    if sys.version_info >= (3, 14):
        return isinstance(error, KeyboardInterrupt)
    return type(error) is KeyboardInterrupt


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    with suppress(Exception):
        print(error.code, file=sys.stderr)
    return 1


def _show(error: BaseException) -> SystemExit | None:
    """Calls sys.excepthook. Returns the SystemExit that the hook raised, if it did."""
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    failure = _call_hook(error)
    if failure is None or isinstance(failure, SystemExit):
        return failure
    with suppress(Exception):
        print("Error in sys.excepthook:", file=sys.stderr)
        sys.__excepthook__(type(failure), failure, failure.__traceback__)
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(error), error, error.__traceback__)
    return None


def _call_hook(error: BaseException) -> BaseException | None:
    """What the hook raised."""
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as failure:
        return _without_own_frames(failure)
    return None


def _show_nothing(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A sys.excepthook."""
