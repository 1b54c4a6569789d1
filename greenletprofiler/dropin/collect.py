"""From the recording's profiles to rows of statistics, on the clock that is set.

Profiles follow each other in time, so their sums add up. A function is known by its name, module and line, as
in GreenletProfiler 0.1; functions that share them are folded as one. What was running before start() has a
row only if it was called since, or is the caller of something that was.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from greenletprofiler._generated import ours
from greenletprofiler.dropin.recording import RECORDING
from greenletprofiler.dropin.stats import (
    YChildFuncStat,
    YChildFuncStats,
    YFuncStat,
    YFuncStats,
    YGreenletStat,
    YGreenletStats,
    YThreadStat,
    YThreadStats,
    average,
    full_name,
)
from greenletprofiler.folds import Sums
from greenletprofiler.profile import Profile
from greenletprofiler.values import Clock, Function, ThreadStats, Times


@ours
class Key(NamedTuple):
    """What a row is known by."""

    name: str
    module: str
    lineno: int
    builtin: bool


NOTHING: Final = Sums(0, 0, 0, Times(), Times())


@ours
@dataclass(slots=True)
class Row:
    """Sums over all profiles, and of the calls to each other function."""

    ctx_id: int
    sums: Sums = NOTHING
    children: dict[Key, Sums] = field(default_factory=dict)


def fill_functions(stats: YFuncStats) -> Clock:
    """Appends a row for each function that was called or has called. Returns the clock of its times."""
    clock, rows = RECORDING.clock, _function_rows(RECORDING.profiles())
    shown = (key for key, row in rows.items() if _is_shown(row))
    index = {key: number for number, key in enumerate(shown)}
    for key, number in index.items():
        stats.append(
            _function_stat(key, rows[key], number, _child_stats(rows[key], rows, index, clock), clock)
        )
    return clock


def fill_threads(stats: YThreadStats) -> Clock:
    """Appends a row for each thread that was recorded."""
    clock, profiles = RECORDING.clock, RECORDING.profiles()
    ids = _thread_ids(profiles)
    seconds: dict[int, float] = {}
    switches: dict[int, int] = {}
    threads = [thread for profile in profiles for thread in profile.threads if thread.lifetime_ns]
    for thread in threads:
        id_ = ids[_identity(thread)]
        seconds[id_] = seconds.get(id_, 0.0) + _thread_seconds(thread, clock)
        switches[id_] = switches.get(id_, 0) + thread.switches
    for id_, thread in {ids[_identity(thread)]: thread for thread in threads}.items():
        name = thread.class_name or thread.name
        stats.append(YThreadStat((name, id_, seconds[id_], switches[id_] + 1, thread.ident)))
    return clock


def fill_greenlets(stats: YGreenletStats) -> Clock:
    """Appends a row for each greenlet that has a record."""
    clock = RECORDING.clock
    greenlets = [greenlet for profile in RECORDING.profiles() for greenlet in profile.greenlets]
    for number, greenlet in enumerate(sorted(greenlets, key=lambda greenlet: greenlet.id), start=1):
        seconds = _context_seconds(greenlet.times, clock)
        name = greenlet.greenlet_class.name.rpartition(".")[2]
        stats.append(YGreenletStat((name, number, seconds, greenlet.switches)))
    return clock


def key_of(function: Function) -> Key | None:
    """The row's key; None for the marks in the tree."""
    if not function.is_function:
        return None
    if function.kind == "python":
        return Key(_name_in_class(function.name), function.filename, function.line, False)
    name = function.name if function.kind in ("type", "cython") else function.label
    return Key(name, _module_of(function), 0, True)


def _name_in_class(qualified_name: str) -> str:
    """ "Class.method" of "outer.<locals>.Class.method", "inner" of "outer.<locals>.inner"."""
    return ".".join(qualified_name.rpartition("<locals>.")[2].split(".")[-2:])


def _module_of(function: Function) -> str:
    """A built-in method's owner is its type, with the module in front where that is not builtins."""
    if function.kind in ("method", "classmethod", "slot"):
        return function.owner.rpartition(".")[0] or "builtins"
    return function.owner or "builtins"


def _function_rows(profiles: Sequence[Profile]) -> dict[Key, Row]:
    rows: dict[Key, Row] = {}
    thread_ids = _thread_ids(profiles)
    for profile in profiles:
        keys, fold = profile.fold(key_of)
        contexts = _first_threads(profile, thread_ids)
        for key, sums in zip(keys, fold.groups, strict=True):
            row = rows.setdefault(key, Row(contexts[key]))
            row.sums = _added(row.sums, sums)
        for caller, callee, edge in fold.edges():
            children = rows[keys[caller]].children
            children[keys[callee]] = _added(children.get(keys[callee], NOTHING), edge)
    return rows


def _is_shown(row: Row) -> bool:
    """What was called; and what ran before the start, if it called, or ran by itself, since."""
    calls = row.sums.all_calls or any(child.all_calls for child in row.children.values())
    return bool(calls or row.sums.self.running_ns)


def _added(one: Sums, other: Sums) -> Sums:
    return Sums(
        one.calls + other.calls,
        one.resumes + other.resumes,
        one.primitive_calls + other.primitive_calls,
        one.self + other.self,
        one.inclusive + other.inclusive,
    )


def _first_threads(profile: Profile, thread_ids: dict[tuple[int, int, str], int]) -> dict[Key, int]:
    """For each function the id of the first thread in which it ran."""
    tree = profile.call_tree
    key_of_function = [key_of(function) for function in tree.functions]
    thread_of = array("q", [0]) * len(tree)
    first: dict[Key, int] = {}
    for thread in profile.threads:
        thread_of[thread.tree.index] = thread_ids[_identity(thread)]
    for node in range(1, len(tree)):
        if tree.parent[node] != 0:
            thread_of[node] = thread_of[tree.parent[node]]
        key = key_of_function[tree.function[node]]
        if key is not None:
            first.setdefault(key, thread_of[node])
    return first


def _function_stat(key: Key, row: Row, index: int, children: YChildFuncStats, clock: Clock) -> YFuncStat:
    calls, primitive, total, own, per_call = _numbers(row.sums, clock)
    name = full_name(key.builtin, key.module, key.lineno, key.name)
    return YFuncStat(
        (key.name, key.module, key.lineno, calls, primitive, key.builtin, total, own, index, children,
         per_call, name, row.ctx_id)
    )  # fmt: skip


def _child_stats(row: Row, rows: dict[Key, Row], index: dict[Key, int], clock: Clock) -> YChildFuncStats:
    children = YChildFuncStats()
    for key, sums in row.children.items():
        if key in index and sums.all_calls:
            calls, primitive, total, own, per_call = _numbers(sums, clock)
            name = full_name(key.builtin, key.module, key.lineno, key.name)
            children.append(
                YChildFuncStat(
                    (index[key], calls, primitive, total, own, per_call, key.builtin, name, key.module,
                     key.lineno, key.name)
                )
            )  # fmt: skip
    return children


def _numbers(sums: Sums, clock: Clock) -> tuple[int, int, float, float, float]:
    """(ncall, nactualcall, ttot, tsub, tavg)."""
    total = sums.inclusive.of_clock(clock) / 1e9
    own = sums.self.of_clock(clock) / 1e9
    return sums.all_calls, sums.primitive_calls, total, own, average(total, sums.all_calls)


def _thread_ids(profiles: Iterable[Profile]) -> dict[tuple[int, int, str], int]:
    """Numbers for threads, the same in all profiles."""
    ids: dict[tuple[int, int, str], int] = {}
    for thread in _threads_by_age(profiles):
        ids.setdefault(_identity(thread), len(ids))
    return ids


def _threads_by_age(profiles: Iterable[Profile]) -> Iterator[ThreadStats]:
    for profile in profiles:
        yield from sorted(profile.threads, key=lambda thread: thread.id)


def _identity(thread: ThreadStats) -> tuple[int, int, str]:
    return thread.ident, thread.native_id, thread.name


def _thread_seconds(thread: ThreadStats, clock: Clock) -> float:
    """CPU time, or how long it was recorded without the profiler's own time."""
    times = thread.times
    return (times.cpu_ns if clock == "cpu" else times.running_ns + times.idle_ns) / 1e9


def _context_seconds(times: Times, clock: Clock) -> float:
    """CPU time, or the time from its first to its last moment."""
    return (times.cpu_ns if clock == "cpu" else times.elapsed_ns + times.idle_ns) / 1e9
