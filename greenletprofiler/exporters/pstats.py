"""pstats files, for the standard library's pstats, gprof2dot, snakeviz and their kind.

A marshalled dictionary, as cProfile dumps it:

    (file, line, name): (primitive calls, calls, self, inclusive, callers)
    callers: {(file, line, name): (calls, primitive calls, self, inclusive)}

Times are seconds on one clock; calls are calls and resumes. Keys are cProfile's: bare names, and for what has
no file "~" as file and 0 as line. Functions with equal keys are one entry, folded as one function.
"""

from __future__ import annotations

import marshal
from typing import BinaryIO, Final

from greenletprofiler.folds import Sums
from greenletprofiler.profile import Profile
from greenletprofiler.values import BASE_KINDS, Clock, Function

NO_FILE: Final = "~"

Key = tuple[str, int, str]
CallerEntry = tuple[int, int, float, float]
Entry = tuple[int, int, float, float, dict[Key, CallerEntry]]


def write_pstats(profile: Profile, out: BinaryIO, clock: Clock) -> None:
    """Writes the profile with times of `clock`."""
    marshal.dump(pstats_entries(profile, clock), out)


def pstats_entries(profile: Profile, clock: Clock) -> dict[Key, Entry]:
    """The dictionary."""
    keys, sums = profile.fold(pstats_key)
    callers: list[dict[Key, CallerEntry]] = [{} for _ in keys]
    for caller, callee, edge in sums.edges():
        callers[callee][keys[caller]] = edge.all_calls, edge.primitive_calls, *_seconds(edge, clock)
    return {
        key: (group.primitive_calls, group.all_calls, *_seconds(group, clock), callers[index])
        for index, (key, group) in enumerate(zip(keys, sums.groups, strict=True))
    }


def pstats_key(function: Function) -> Key | None:
    """cProfile's key. None for the bases, which are no functions."""
    if function.kind in BASE_KINDS:
        return None
    if function.kind == "python":
        return function.filename, function.line, function.bare_name
    if function.kind == "cython":
        return function.owner or NO_FILE, 0, function.name
    return NO_FILE, 0, function.label


def _seconds(sums: Sums, clock: Clock) -> tuple[float, float]:
    """(self, inclusive)."""
    return sums.self.of_clock(clock) / 1e9, sums.inclusive.of_clock(clock) / 1e9
