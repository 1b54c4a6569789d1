"""The part of the table that says what held other greenlets up: see slices.py for what is meant.

    Held up: 4 slices of 0.1 s or more while other greenlets of their thread were suspended; longest first
    slices  total  longest  spent in
         3  0.901    0.300  <built-in method time.sleep> < nap < serve
         1  0.399    0.399  search < serve

    began     length    cpu  others  greenlet  spent in
    +0.201 s   0.399  0.399       9  serve-12  search
    +0.601 s   0.300  0.001       9  serve-14  <built-in method time.sleep>, off CPU

Callers come after what they called, as far as they fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from greenletprofiler.exporters.text import (
    GAP,
    Unit,
    count,
    innermost_first,
    printable,
    right_aligned,
    shortened,
    wrapped,
)
from greenletprofiler.profile import Profile
from greenletprofiler.values import Blocker, BlockingSlice, Function

MOST_BLOCKERS: Final = 10
MOST_SLICES: Final = 5
LONGEST_NAME: Final = 20
NARROWEST_PATH: Final = 20


def blocked_lines(profile: Profile, unit: Unit, width: int) -> Iterator[str]:
    """No lines where nothing was held up."""
    blockers = profile.blockers
    if not blockers:
        return
    slices = count(profile.blocking_count, "slice")
    yield ""
    yield from wrapped(
        f"Held up: {slices} of {profile.block_threshold_ns / 1e9:g} s or more while other greenlets of their"
        f" thread were suspended; in {unit.name}, as recorded",
        width,
    )
    yield from _blocker_lines(blockers[:MOST_BLOCKERS], unit, width)
    if len(blockers) > MOST_BLOCKERS:
        yield f"... and {count(len(blockers) - MOST_BLOCKERS, 'place')} more"
    yield ""
    yield from _slice_lines(profile, profile.blocking_slices[:MOST_SLICES], unit, width)


def _blocker_lines(blockers: Sequence[Blocker], unit: Unit, width: int) -> Iterator[str]:
    numbers = [("slices", "total", "longest")]
    for each in blockers:
        longest = "?" if each.longest_ns is None else unit.format(each.longest_ns)
        numbers.append((f"{each.count:,}", unit.format(each.total_ns), longest))
    yield from _with_paths(numbers, [(each.path, "") for each in blockers], width)


def _slice_lines(profile: Profile, slices: Sequence[BlockingSlice], unit: Unit, width: int) -> Iterator[str]:
    numbers = [("began", "length", "cpu", "others", "greenlet")]
    for each in slices:
        began = f"+{(each.began_at_ns - profile.started_at_ns) / 1e9:,.3f} s"
        times = unit.format(each.length_ns), unit.format(each.cpu_ns)
        name = shortened(printable(each.greenlet_name), LONGEST_NAME)
        numbers.append((began, *times, f"{each.suspended:,}", name))
    yield from _with_paths(numbers, [(each.path, _remarks(each)) for each in slices], width)


def _remarks(each: BlockingSlice) -> str:
    return (", off CPU" if each.is_off_cpu else "") + ("" if each.is_over else ", not over")


def _with_paths(
    numbers: Sequence[Sequence[str]], paths: Iterable[tuple[Sequence[Function], str]], width: int
) -> Iterator[str]:
    """Columns of numbers, then paths with remarks in what is left of the width."""
    lines = list(right_aligned(numbers))
    room = width - len(lines[0]) - len(GAP)
    texts = (_text(path, remarks, room) for path, remarks in paths)
    for line, text in zip(lines, ("spent in", *texts), strict=True):
        yield f"{line}{GAP}{text}"


def _text(path: Sequence[Function], remarks: str, room: int) -> str:
    """Remarks are left out where they would leave too little room."""
    rest = room - len(remarks)
    return innermost_first(path, room) if rest < NARROWEST_PATH else innermost_first(path, rest) + remarks
