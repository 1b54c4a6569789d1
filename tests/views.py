"""One recording as each interface shows it, and as cProfile shows it, in the same words.

    seen = VIEWS["drop-in"](program, builtins=True)
    seen.edges == {("outer", "inner"): 3}        for functions of the calling file, and built-ins they call

    session = SESSIONS["drop-in"](True)          the same, started and stopped wherever one likes
    with session:
        program()
    seen = session.seen(__file__)                while it runs, too
    session.close()

Names are bare, without the function that a function was defined in: "inner", "Class.method", "sorted",
"list.append". Edges of which neither end is a function of the program's file are left out, so what runs the
tests does not show.
"""

from __future__ import annotations

import cProfile
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from recorded import name_of

import GreenletProfiler
from greenletprofiler import Profiler

Program = Callable[[], object]


@dataclass
class Seen:
    """calls: calls and resumes by function; edges: by (caller, callee); seconds: inclusive CPU time by
    function; elapsed_seconds: inclusive running and waiting time. An edge without calls is none.
    outermost: the calls at which a function was not open already. own: the functions of the program's file.
    warnings: of the profile, where there can be some."""

    calls: dict[str, int] = field(default_factory=dict)
    outermost: dict[str, int] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    edges: dict[tuple[str, str], int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    elapsed_seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def callers(self, name: str) -> set[str]:
        """Who called it."""
        return {caller for caller, callee in self.edges if callee == name}

    def among(self, names: Iterable[str]) -> dict[tuple[str, str], int]:
        """The edges of which both ends are among these."""
        wanted = set(names)
        return {edge: count for edge, count in self.edges.items() if wanted.issuperset(edge)}


class Session(ABC):
    """A recording that may be started and stopped many times, and is closed once."""

    @abstractmethod
    def start(self) -> None:
        """Begins to record, or goes on."""

    @abstractmethod
    def stop(self) -> None:
        """Ends the recording for now; nothing if it is stopped."""

    @abstractmethod
    def seen(self, file: str) -> Seen:
        """What was recorded up to now, as far as it is about this file."""

    def close(self) -> None:
        """Leaves nothing behind."""
        self.stop()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class ApiSession(Session):
    """greenletprofiler.Profiler."""

    def __init__(self, builtins: bool) -> None:
        self._profiler = Profiler(builtins)

    def start(self) -> None:
        self._profiler.start()

    def stop(self) -> None:
        if self._profiler.running:
            self._profiler.stop()

    def seen(self, file: str) -> Seen:
        profile = self._profiler.snapshot().raw()  # the program's own clocks tell the same
        seen = Seen(warnings=profile.warnings)
        for each in profile.functions:
            if each.function.filename in (file, ""):
                name = name_of(each.function)
                _count(seen.calls, name, each.calls + each.resumes)
                _count(seen.outermost, name, each.primitive_calls)
                _add(seen.seconds, name, each.inclusive.cpu_ns / 1e9)
                _add(seen.elapsed_seconds, name, each.inclusive.elapsed_ns / 1e9)
                if each.function.filename:
                    seen.own.add(name)
        for edge in profile.edges:
            if file in (edge.caller.filename, edge.callee.filename):
                _count(seen.edges, (name_of(edge.caller), name_of(edge.callee)), edge.calls + edge.resumes)
        return seen


class DropInSession(Session):
    """GreenletProfiler."""

    def __init__(self, builtins: bool) -> None:
        GreenletProfiler.clear_stats()
        self._builtins = builtins

    def start(self) -> None:
        GreenletProfiler.start(builtins=self._builtins)

    def stop(self) -> None:
        GreenletProfiler.stop()

    def close(self) -> None:
        GreenletProfiler.stop()
        GreenletProfiler.clear_stats()

    def seen(self, file: str) -> Seen:
        seen = Seen()
        GreenletProfiler.set_clock_type("wall")
        for row in GreenletProfiler.get_func_stats():
            _add(seen.elapsed_seconds, _plain(row.name), row.ttot)
        GreenletProfiler.set_clock_type("cpu")
        for row in GreenletProfiler.get_func_stats():
            if row.builtin or row.module == file:
                _count(seen.calls, _plain(row.name), row.ncall)
                _count(seen.outermost, _plain(row.name), row.nactualcall)
                _add(seen.seconds, _plain(row.name), row.ttot)
                if not row.builtin:
                    seen.own.add(row.name)
            for child in row.children:
                if file in (row.module, child.module):
                    _count(seen.edges, (_plain(row.name), _plain(child.name)), child.ncall)
        return seen


class CProfileSession(Session):
    """cProfile: known to be wrong where greenlets switch."""

    def __init__(self, builtins: bool) -> None:
        self._profile = cProfile.Profile(builtins=builtins)

    def start(self) -> None:
        self._profile.enable()

    def stop(self) -> None:
        self._profile.disable()

    def seen(self, file: str) -> Seen:
        seen = Seen()
        self._profile.snapshot_stats()  # type: ignore[attr-defined]
        entries: dict[tuple[str, int, str], Any] = self._profile.stats  # type: ignore[attr-defined]
        for key, (outermost, calls, _, seconds, callers) in entries.items():
            name = _plain(key[2])
            if key[0] in (file, "~"):
                _count(seen.calls, name, calls)
                _count(seen.outermost, name, outermost)
                _add(seen.seconds, name, seconds)
                if key[0] == file:
                    seen.own.add(name)
            for caller, (count, *_) in callers.items():
                if file in (key[0], caller[0]):
                    _count(seen.edges, (_plain(caller[2]), name), count)
        return seen


#: The interfaces that must be right.
SESSIONS: dict[str, Callable[[bool], Session]] = {"api": ApiSession, "drop-in": DropInSession}


def by_the_api(program: Program, builtins: bool = True) -> Seen:
    """Recorded and shown by greenletprofiler.Profiler."""
    return _seen_by(ApiSession(builtins), program)


def by_the_drop_in(program: Program, builtins: bool = True) -> Seen:
    """Recorded and shown by GreenletProfiler."""
    return _seen_by(DropInSession(builtins), program)


def by_cprofile(program: Program, builtins: bool = True) -> Seen:
    """What cProfile makes of it: known to be wrong where greenlets switch."""
    return _seen_by(CProfileSession(builtins), program)


#: The same for a whole program.
VIEWS: dict[str, Callable[[Program, bool], Seen]] = {"api": by_the_api, "drop-in": by_the_drop_in}


def _seen_by(session: Session, program: Program) -> Seen:
    try:
        with session:
            program()
        return session.seen(program.__code__.co_filename)
    finally:
        session.close()


_BUILTIN = re.compile(r"<built-in method (?:.*\.)?(\w+)>")
_CALLABLE = re.compile(r"<(?:[\w.]+\.)?(\w+) object>")
_METHOD = re.compile(r"<(?:method|slot wrapper) '(\w+)' of '(.*)' objects>")


def _plain(name: str) -> str:
    """cProfile's name of a built-in as recorded.name_of gives it."""
    if found := _BUILTIN.fullmatch(name) or _CALLABLE.fullmatch(name):
        return found[1]
    if found := _METHOD.fullmatch(name):
        return f"{found[2]}.{found[1]}"
    return name


def _count(counts: dict[Any, int], key: Any, more: int) -> None:
    if more:
        counts[key] = counts.get(key, 0) + more


def _add(sums: dict[str, float], key: str, more: float) -> None:
    sums[key] = sums.get(key, 0.0) + more
