"""The part of the table that has the greenlets, by what they are: their class and their first function.

    Greenlets: 41, of 3 kinds; times in seconds; longest: at a stretch
    greenlets  alive  switches    cpu  running  waiting  longest  first function
           40      0       400  0.399    0.400    4.100    0.301  serve, spawned at app.py:31 in main
            1      1       421  0.002    0.002    0.001    0.000  Hub.run

In a narrow table some columns give way. A kind goes by its function, and by its place or its class where two
go by one name. (none): greenlets that entered no function that is recorded. Where places of spawning are
known, the commonest is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from greenletprofiler.exporters.text import GAP, Unit, count, printable, right_aligned, shortened, wrapped
from greenletprofiler.profile import Profile
from greenletprofiler.values import Function, GreenletKind, SpawnPlace

MOST_KINDS: Final = 10
NO_FUNCTION: Final = "(none)"

#: Of greenlets that are worth a part of the table: one of them is the program.
FEWEST: Final = 2

_HEADINGS: Final = ("greenlets", "alive", "switches", "cpu", "running", "waiting", "longest")

#: Columns that give way, the first one first, where there is less room than that for functions.
_GIVE_WAY: Final = ("running", "alive", "longest")
LEAST_ROOM: Final = 25


def kind_lines(profile: Profile, unit: Unit, width: int) -> Iterator[str]:
    """No lines if there was one greenlet only."""
    kinds = [kind for kind in profile.greenlet_kinds if kind.greenlets]
    greenlets = sum(kind.greenlets for kind in kinds)
    if greenlets < FEWEST:
        return
    yield ""
    yield from wrapped(
        f"Greenlets: {greenlets:,}, of {count(len(kinds), 'kind')}; times in {unit.name};"
        " longest: at a stretch",
        width,
    )
    shown = kinds[:MOST_KINDS]
    lines = _lines_within(width - LEAST_ROOM, [_HEADINGS, *(_numbers(kind, unit) for kind in shown)])
    room = width - len(lines[0]) - len(GAP)
    texts = _texts(profile, shown)
    for line, text in zip(lines, ("first function", *texts), strict=True):
        yield f"{line}{GAP}{text if len(text) <= room else shortened(text, room)}"
    if len(kinds) > MOST_KINDS:
        yield f"... and {count(len(kinds) - MOST_KINDS, 'kind')} more"


def _lines_within(width: int, rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows, without columns that give way as long as they are too wide."""
    hidden: set[str] = set()
    for name in ("", *_GIVE_WAY):
        hidden.add(name)
        left = [place for place, heading in enumerate(_HEADINGS) if heading not in hidden]
        lines = list(right_aligned([[row[place] for place in left] for row in rows]))
        if len(lines[0]) <= width:
            break
    return lines


def _numbers(kind: GreenletKind, unit: Unit) -> tuple[str, ...]:
    times = kind.times
    longest_ns = kind.slices.longest_ns
    return (
        f"{kind.greenlets:,}", f"{kind.alive:,}", f"{kind.switches:,}",
        unit.format(times.cpu_ns), unit.format(times.running_ns), unit.format(times.waiting_ns),
        "?" if longest_ns is None else unit.format(longest_ns),
    )  # fmt: skip


def _texts(profile: Profile, shown: Sequence[GreenletKind]) -> Iterator[str]:
    places: dict[tuple[Function, Function | None], Counter[SpawnPlace]] = {}
    for each in profile.greenlets:
        if each.spawned_at is not None:
            kind_places = places.setdefault((each.greenlet_class, each.first_function), Counter())
            kind_places[each.spawned_at] += 1
    for kind in shown:
        yield _distinct(kind, shown) + _spawned(places.get((kind.greenlet_class, kind.function)))


def _label(kind: GreenletKind) -> str:
    return NO_FUNCTION if kind.function is None else printable(kind.function.label)


def _distinct(kind: GreenletKind, others: Iterable[GreenletKind]) -> str:
    """The label of its function, with what tells it apart from the others."""
    alike = [other for other in others if _label(other) == _label(kind) and other != kind]
    text = _label(kind)
    if kind.function is not None and any(other.function != kind.function for other in alike):
        text += f" at {printable(kind.function.place)}"
    if any(other.function == kind.function for other in alike):
        text += f" in {printable(kind.greenlet_class.label)}"
    return text


def _spawned(places: Counter[SpawnPlace] | None) -> str:
    if not places:
        return ""
    ((place, _),) = places.most_common(1)
    file = printable(Path(place.function.filename).name)
    more = f" and {count(len(places) - 1, 'place')} more" if len(places) > 1 else ""
    return f", spawned at {file}:{place.line} in {printable(place.function.label)}{more}"
