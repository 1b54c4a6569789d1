"""The table for the terminal: where the time went, by function.

    Recorded 2.113 s in 1 thread, 3 greenlets, 42 switches: CPU 1.998 s, running 2.001 s, idle 0.100 s
    Times in seconds; self is CPU time; sorted by self

    calls   self    cpu  running  waiting  contended  function
        1  1.330  1.331    1.340    0.671      0.670  foo                  examples/foo_bar.py:12
       20  0.001  0.001    0.001    0.671      0.670  sleep                gevent/hub.py:154

    Greenlets: 3, of 3 kinds ...

    Held up: 2 slices of 0.1 s or more while other greenlets of their thread were suspended ...

    Profiler: 0.9% of the run taken out, 1,268 events of 40 ns; 2,013 CPU clock reads; 0 truncated, ...

cpu (elapsed on the wall clock), running, waiting, contended and idle are inclusive. What waited while others
ran has a column for that, in a wide table. A hub's idle time has a column of its own, where there is any, and
is in none of the others, so waiting for the world hides nothing. An exact zero is shown as "-". Places that
do not fit lose folders, then names lose their beginning.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

from greenletprofiler.exporters.blocked import blocked_lines
from greenletprofiler.exporters.kinds import kind_lines
from greenletprofiler.exporters.suspended import suspended_lines
from greenletprofiler.exporters.tags import tag_lines
from greenletprofiler.exporters.text import (
    GAP,
    MILLISECONDS,
    SECONDS,
    Unit,
    count,
    printable,
    right_aligned,
    shortened,
    wrapped,
)
from greenletprofiler.profile import Profile
from greenletprofiler.values import BASE_KINDS, Clock, Function, FunctionStats

NARROWEST: Final = 60
WIDE: Final = 100
WIDER: Final = 110
WIDTH_WHEN_PIPED: Final = 120


def print_table(profile: Profile, file: TextIO, clock: Clock, limit: int | None, width: int | None) -> None:
    """Writes the table: `limit` rows (None: all) of `width` columns (None: the terminal's)."""
    columns = max(NARROWEST, _terminal_width(file) if width is None else width)
    encoding = getattr(file, "encoding", None) or "utf-8"
    for line in table_lines(profile, clock, limit, columns):
        file.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def table_lines(profile: Profile, clock: Clock, limit: int | None, width: int) -> Iterator[str]:
    """The lines, none longer than `width`; sentences are wrapped."""
    functions = sorted(profile.functions, key=lambda stats: _sort_key(stats, clock))
    shown = functions if limit is None else functions[:limit]
    unit = SECONDS if max(profile.recorded_ns, 1) >= SECONDS.ns else MILLISECONDS
    yield from wrapped(_summary(profile), width)
    yield from wrapped(_legend(shown, clock, unit), width)
    yield ""
    yield from _rows(shown, clock, unit, width, _columns_for(profile, width))
    yield from _rest(functions[len(shown) :], clock, unit, width)
    parts = [
        *tag_lines(profile, unit, width),
        *kind_lines(profile, unit, width),
        *blocked_lines(profile, unit, width),
        *suspended_lines(profile, width),
    ]
    yield from [*parts, ""] if parts else []
    yield from wrapped(_cost(profile), width)
    if profile.filters:
        yield from wrapped(_filters(profile, clock, unit), width)
    for warning in profile.warnings:
        yield ""
        yield from wrapped(f"Warning: {warning}", width)


def _sort_key(stats: FunctionStats, clock: Clock) -> tuple[int, int, str]:
    return -stats.self.of_clock(clock), -stats.inclusive.of_clock(clock), stats.function.label


def _summary(profile: Profile) -> str:
    total = profile.total
    times = {"CPU": total.cpu_ns, "running": total.running_ns, "idle": total.idle_ns}
    parts = ", ".join(f"{name} {ns / 1e9:,.3f} s" for name, ns in times.items() if ns or name != "idle")
    greenlets = len(profile.greenlets) + profile.counters.get("unrecorded_greenlets", 0)
    switches = sum(thread.switches for thread in profile.threads)
    return (
        f"Recorded {profile.recorded_ns / 1e9:,.3f} s in {count(len(profile.threads), 'thread')},"
        f" {count(greenlets, 'greenlet')}, {count(switches, 'switch', 'switches')}: {parts}"
    )


def _legend(shown: Iterable[FunctionStats], clock: Clock, unit: Unit) -> str:
    self_time = "CPU time" if clock == "cpu" else "elapsed time (running + waiting)"
    legend = f"Times in {unit.name}; self is {self_time}, the others include callees; sorted by self"
    if any("/" in _calls(stats) for stats in shown):
        legend += "; calls of recursive functions are all/outermost"
    if any("+" in _calls(stats) for stats in shown):
        legend += "; +n counts resumes of generators and coroutines"
    return legend


def _columns_for(profile: Profile, width: int) -> list[str]:
    """Those after waiting: where there is something to show in them, and room for it."""
    total = profile.total
    columns = ["contended"] if total.contended_ns and width >= WIDE else []
    columns += ["lag"] if total.lag_ns and width >= WIDER else []
    return [*columns, "idle"] if total.idle_ns else columns


def _rows(
    shown: Sequence[FunctionStats], clock: Clock, unit: Unit, width: int, more: Sequence[str]
) -> Iterator[str]:
    headings = ["calls", "self", "cpu" if clock == "cpu" else "elapsed", "running", "waiting", *more]
    numbers = [_numbers(stats, clock, unit, more) for stats in shown]
    left = list(right_aligned([headings, *numbers]))
    room = width - len(left[0]) - len(GAP)
    texts = _names_and_places([stats.function for stats in shown], room)
    for row, text in zip(left, ("function", *texts), strict=True):
        yield f"{row}{GAP}{text}".rstrip()


def _numbers(stats: FunctionStats, clock: Clock, unit: Unit, more: Sequence[str]) -> list[str]:
    all_told = stats.inclusive
    times = [stats.self.of_clock(clock), all_told.of_clock(clock), all_told.running_ns, all_told.waiting_ns]
    times += [getattr(all_told, f"{name}_ns") for name in more]
    return [_calls(stats), *map(unit.format, times)]


def _calls(stats: FunctionStats) -> str:
    """12, 12/3 where 3 were outermost, 1+40 with 40 resumes."""
    everything = stats.calls + stats.resumes
    text = f"{stats.calls}+{stats.resumes}" if stats.resumes else str(stats.calls)
    return text if everything == stats.primitive_calls else f"{text}/{stats.primitive_calls}"


def _names_and_places(functions: Sequence[Function], room: int) -> Iterator[str]:
    """Two columns in `room` characters. Places give way first, down to two fifths of it."""
    shorten = _Places(sys.path).short
    places = [shorten(function, room * 2 // 5) for function in functions]
    name_room = room - len(GAP) - max(map(len, places), default=0)
    names = [
        shortened(printable(function.label), name_room if place else room)
        for function, place in zip(functions, places, strict=True)
    ]
    width = max((len(name) for name, place in zip(names, places, strict=True) if place), default=0)
    for name, place in zip(names, places, strict=True):
        yield f"{name.ljust(width)}{GAP}{place}" if place else name


def _rest(hidden: Sequence[FunctionStats], clock: Clock, unit: Unit, width: int) -> Iterator[str]:
    if hidden:
        self_ns = sum(stats.self.of_clock(clock) for stats in hidden)
        yield from wrapped(
            f"... and {count(len(hidden), 'function')} more, with {self_ns / unit.ns:,.3f} {unit.name} of"
            " self time together",
            width,
        )


def _cost(profile: Profile) -> str:
    cost = profile.cost
    share = f"{cost.share:.1%} of the run {'left in' if profile.is_raw else 'taken out'}"
    price = "unknown cost" if cost.calibration is None else f"{cost.ns_per_event:.0f} ns"
    return (
        f"Profiler: {share}, {count(cost.events, 'event')} of {price};"
        f" {count(cost.cpu_clock_reads, 'CPU clock read')}; {cost.truncated_calls:,} truncated,"
        f" {cost.unmatched_leaves:,} unmatched, {cost.dropped_intervals:,} dropped"
    )


def _filters(profile: Profile, clock: Clock, unit: Unit) -> str:
    """What was filtered, and the time that is in no row for it."""
    _, sums = profile.fold(lambda function: "base" if function.kind in BASE_KINDS else None)
    outside_ns = sum(group.self.of_clock(clock) for group in sums.groups)
    return (
        f"Filters: {profile.filters}; {outside_ns / unit.ns:,.3f} {unit.name} of self time below no included"
        " function"
    )


class _Places:
    """Shortens places to what tells them apart: from the folder on that modules come from, or less."""

    def __init__(self, search_path: Iterable[str]) -> None:
        folders = {str(Path(folder).absolute()) + os.sep for folder in (*search_path, "")}
        self._folders = sorted(folders, key=len, reverse=True)

    def short(self, function: Function, width: int) -> str:
        """At most `width` characters. Leading folders or packages go first."""
        inside = (folder for folder in self._folders if function.filename.startswith(folder))
        place = printable(function.place.removeprefix(next(inside, "")))
        separator = os.sep if function.filename else "."
        while len(place) > width and separator in place:
            place = place.partition(separator)[2]
        return shortened(place, width)


def _terminal_width(file: TextIO) -> int:
    """COLUMNS, or the terminal's that the file is, or enough for names where nobody measures."""
    if "COLUMNS" in os.environ:
        return shutil.get_terminal_size().columns
    try:
        return os.get_terminal_size(file.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return WIDTH_WHEN_PIPED
