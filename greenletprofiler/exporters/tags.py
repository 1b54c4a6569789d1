"""The part of the table that has the tags: parts of the program that it has named, by Profiler.tag().

    Tags: 2; times in seconds, of all that was done in them
    entries    cpu  running  waiting  contended  tag
         20  0.301    0.310    1.201      0.090  GET /users
          5  0.105    0.105        -          -  GET /
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from greenletprofiler.exporters.text import GAP, Unit, count, printable, right_aligned, shortened, wrapped
from greenletprofiler.profile import Profile
from greenletprofiler.values import TagStats

MOST_TAGS: Final = 20

_HEADINGS: Final = ("entries", "cpu", "running", "waiting", "contended")


def tag_lines(profile: Profile, unit: Unit, width: int) -> Iterator[str]:
    """No lines without tags."""
    tags = profile.tags
    if not tags:
        return
    yield ""
    yield from wrapped(f"Tags: {len(tags):,}; times in {unit.name}, of all that was done in them", width)
    lines = list(right_aligned([_HEADINGS, *(_numbers(tag, unit) for tag in tags[:MOST_TAGS])]))
    room = width - len(lines[0]) - len(GAP)
    names = (shortened(printable(tag.name), room) for tag in tags)
    for line, text in zip(lines, ("tag", *names), strict=False):
        yield f"{line}{GAP}{text}"
    if len(tags) > MOST_TAGS:
        yield f"... and {count(len(tags) - MOST_TAGS, 'tag')} more"


def _numbers(tag: TagStats, unit: Unit) -> tuple[str, ...]:
    times = tag.times
    clocks = times.cpu_ns, times.running_ns, times.waiting_ns, times.contended_ns
    return f"{tag.entries:,}", *map(unit.format, clocks)
