"""One recording as each interface shows it, and as cProfile shows it, in the same words.

    seen = VIEWS["drop-in"](program, builtins=True)
    seen.edges == {("outer", "inner"): 3}        for functions of the calling file, and built-ins they call

Names are bare, without the function that a function was defined in: "inner", "Class.method", "sorted",
"list.append". Edges of which neither end is a function of the program's file are left out, so what runs the
tests does not show.
"""

from __future__ import annotations

import cProfile
import re
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
    warnings: of the profile, where there can be some."""

    calls: dict[str, int] = field(default_factory=dict)
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


def by_the_api(program: Program, builtins: bool = True) -> Seen:
    """Recorded and shown by greenletprofiler.Profiler."""
    profiler = Profiler(builtins)
    with profiler:
        program()
    return api_view(profiler, program)


def api_view(profiler: Profiler, program: Program) -> Seen:
    """What a Profiler holds, as far as it is about the program's file."""
    file = _file_of(program)
    profile = profiler.snapshot()
    seen = Seen(warnings=profile.warnings)
    for each in profile.functions:
        if each.function.filename in (file, ""):
            _count(seen.calls, name_of(each.function), each.calls + each.resumes)
            _add(seen.seconds, name_of(each.function), each.inclusive.cpu_ns / 1e9)
            _add(seen.elapsed_seconds, name_of(each.function), each.inclusive.elapsed_ns / 1e9)
    for edge in profile.edges:
        if file in (edge.caller.filename, edge.callee.filename):
            _count(seen.edges, (name_of(edge.caller), name_of(edge.callee)), edge.calls + edge.resumes)
    return seen


def by_the_drop_in(program: Program, builtins: bool = True) -> Seen:
    """Recorded and shown by GreenletProfiler."""
    GreenletProfiler.clear_stats()
    try:
        GreenletProfiler.start(builtins=builtins)
        try:
            program()
        finally:
            GreenletProfiler.stop()
        return drop_in_view(program)
    finally:
        GreenletProfiler.clear_stats()


def drop_in_view(program: Program) -> Seen:
    """What the drop-in holds, as far as it is about the program's file."""
    file = _file_of(program)
    seen = Seen()
    GreenletProfiler.set_clock_type("wall")
    for row in GreenletProfiler.get_func_stats():
        _add(seen.elapsed_seconds, _plain(row.name), row.ttot)
    GreenletProfiler.set_clock_type("cpu")
    for row in GreenletProfiler.get_func_stats():
        if row.builtin or row.module == file:
            _count(seen.calls, _plain(row.name), row.ncall)
            _add(seen.seconds, _plain(row.name), row.ttot)
        for child in row.children:
            if file in (row.module, child.module):
                _count(seen.edges, (_plain(row.name), _plain(child.name)), child.ncall)
    return seen


def by_cprofile(program: Program, builtins: bool = True) -> Seen:
    """What cProfile makes of it: known to be wrong where greenlets switch."""
    profile = cProfile.Profile(builtins=builtins)
    profile.enable()
    try:
        program()
    finally:
        profile.disable()
    profile.create_stats()
    file = _file_of(program)
    seen = Seen()
    entries: dict[tuple[str, int, str], Any] = profile.stats  # type: ignore[attr-defined]
    for key, (_, calls, _, seconds, callers) in entries.items():
        if key[0] in (file, "~"):
            _count(seen.calls, _plain(key[2]), calls)
            _add(seen.seconds, _plain(key[2]), seconds)
        for caller, (count, *_) in callers.items():
            if file in (key[0], caller[0]):
                _count(seen.edges, (_plain(caller[2]), _plain(key[2])), count)
    return seen


#: The interfaces that must be right.
VIEWS: dict[str, Callable[[Program, bool], Seen]] = {"api": by_the_api, "drop-in": by_the_drop_in}

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


def _file_of(program: Program) -> str:
    return program.__code__.co_filename


def _count(counts: dict[Any, int], key: Any, more: int) -> None:
    if more:
        counts[key] = counts.get(key, 0) + more


def _add(sums: dict[str, float], key: str, more: float) -> None:
    sums[key] = sums.get(key, 0.0) + more
