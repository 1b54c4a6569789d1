"""What plain-text reports are made of: numbers with a unit, columns, texts that must fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from greenletprofiler._generated import ours
from greenletprofiler.values import Function

ELLIPSIS: Final = ".."
GAP: Final = "  "
CALLED_BY: Final = " < "


@ours
@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of time: its name, and how many nanoseconds it has."""

    name: str
    ns: int

    def format(self, ns: int) -> str:
        """Three decimals; "-" for an exact zero."""
        return f"{ns / self.ns:,.3f}" if ns else "-"


SECONDS: Final = Unit("seconds", 10**9)
MILLISECONDS: Final = Unit("milliseconds", 10**6)


def right_aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A line for each row; the cells of a column end at the same place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield GAP.join(cell.rjust(size) for cell, size in zip(row, widths, strict=True))


def shortened(text: str, width: int) -> str:
    """At most `width` characters, from the end of the text."""
    return text if len(text) <= width else ELLIPSIS + text[len(text) - width + len(ELLIPSIS) :]


def printable(text: str) -> str:
    """A name on one line."""
    return text if text.isprintable() else repr(text)[1:-1]


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`plural`: where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def wrapped(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
    yield line


def innermost_first(path: Sequence[Function], room: int) -> str:
    """The last function of a path, and the names of its callers as far as they fit."""
    text = shortened(printable(path[-1].label), room)
    for caller in (printable(function.bare_name) for function in reversed(path[:-1]) if function.is_function):
        if len(text) + len(CALLED_BY) + len(caller) > room:
            break
        text += CALLED_BY + caller
    return text
