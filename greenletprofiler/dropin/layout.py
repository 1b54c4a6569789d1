"""The printed tables of GreenletProfiler 0.1, column for column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from greenletprofiler.dropin.stats import YFuncStat, YFuncStats

NAME_WIDTH: Final = 38
CALLS_WIDTH: Final = 9
TIME_WIDTH: Final = 8
CONTEXT_NAME_WIDTH: Final = 13
CONTEXT_ID_WIDTH: Final = 15
SWITCHES_WIDTH: Final = 10
GAP: Final = "  "
TRAIL: Final = ".."


def print_functions(out: TextIO, rows: Iterable[YFuncStat]) -> None:
    """A table of functions, or nothing if there are none."""
    lines = [_function_line(row) for row in rows]
    if lines:
        heading = _joined(
            "name".ljust(NAME_WIDTH),
            "#n".ljust(CALLS_WIDTH),
            "tsub".ljust(TIME_WIDTH),
            "ttot".ljust(TIME_WIDTH),
            "tavg",
        )
        out.write("\n" + heading + "\n" + "".join(lines))


def print_contexts(out: TextIO, id_heading: str, rows: Iterable[tuple[str, int, float, int]]) -> None:
    """A table of threads or greenlets: (name, id, seconds, switches)."""
    heading = _joined(
        "name".ljust(CONTEXT_NAME_WIDTH), id_heading.ljust(CONTEXT_ID_WIDTH), "ttot".ljust(TIME_WIDTH), "scnt"
    )
    out.write(f"\n{heading}\n")
    for name, id_, seconds, switches in rows:
        line = _joined(
            _end_of(name, CONTEXT_NAME_WIDTH),
            _start_of(str(id_), CONTEXT_ID_WIDTH),
            _start_of(seconds_text(seconds), TIME_WIDTH),
            _start_of(str(switches), SWITCHES_WIDTH),
        )
        out.write(line + "\n")


def print_details(out: TextIO, stats: YFuncStats) -> None:
    """Every function with what it called."""
    for row in stats:
        for line in _detail_lines(row, "full_name"):
            out.write(line + "\n")
        out.write("children: \n")
        for child in row.children:
            out.write("\n")
            for line in _detail_lines(child, "child_full_name"):
                out.write(" " * 5 + line + "\n")
        out.write("\n")


def seconds_text(seconds: float) -> str:
    """As many decimals, at most six, as fit the column."""
    texts = (f"{seconds:.{decimals}f}" for decimals in range(6, 0, -1))
    return next((text for text in texts if len(text) <= TIME_WIDTH), f"{seconds:.1f}")


def _function_line(row: YFuncStat) -> str:
    calls = f"{row.ncall}/{row.nactualcall}" if row.is_recursive() else str(row.ncall)
    times = (_start_of(seconds_text(seconds), TIME_WIDTH) for seconds in (row.tsub, row.ttot, row.tavg))
    return _joined(_end_of(row.full_name, NAME_WIDTH), _start_of(calls, CALLS_WIDTH), *times) + "\n"


def _detail_lines(row: YFuncStat, name_field: str) -> Iterator[str]:
    yield f"index: {row.index}"
    yield f"{name_field}: {row.full_name}"
    yield f"ncall: {row.ncall}/{row.nactualcall}"
    yield f"ttot: {seconds_text(row.ttot)}"
    yield f"tsub: {seconds_text(row.tsub)}"


def _joined(*cells: str) -> str:
    return GAP.join(cells)


def _end_of(text: str, width: int) -> str:
    """Exactly `width` characters: filled up, or the text's end behind two dots."""
    return text.ljust(width) if len(text) <= width else TRAIL + text[len(text) - width + len(TRAIL) :]


def _start_of(text: str, width: int) -> str:
    """Exactly `width` characters: filled up, or the text's start before two dots."""
    return text.ljust(width) if len(text) <= width else text[: width - len(TRAIL)] + TRAIL
