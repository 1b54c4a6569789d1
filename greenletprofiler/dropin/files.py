"""Files of the drop-in's statistics.

ystat      JSON, to be loaded again; nothing in it is ever executed
callgrind  one event, the clock of the statistics, in ns
pstat      for the standard library's pstats, in seconds
"""

from __future__ import annotations

import json
import marshal
import pstats
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from greenletprofiler.dropin.stats import (
    YappiError,
    YChildFuncStat,
    YChildFuncStats,
    YFuncStat,
    YFuncStats,
)
from greenletprofiler.exporters.callgrind import NO_FILE, Block, Call, Entry, Event, write_blocks
from greenletprofiler.exporters.pstats import Entry as PstatsEntry
from greenletprofiler.exporters.pstats import Key as PstatsKey
from greenletprofiler.output import write_file
from greenletprofiler.values import checked_clock

YSTAT: Final = "greenletprofiler ystat"
YSTAT_VERSION: Final = 1
EVENTS: Final = {"cpu": Event("CPU", "CPU time [ns]"), "wall": Event("Elapsed", "Elapsed time [ns]")}
#: Stands in callgrind files for what entered a function that others call too.
NO_CALLER: Final = Entry(NO_FILE, "[no caller]", 0)

_FUNCTION_FIELDS: Final = [key for key in YFuncStat._KEYS if key != "children"]


def save(stats: YFuncStats, path: str, file_type: str) -> None:
    """Writes a file; NotImplementedError for an unknown type."""
    writers: dict[str, Callable[[YFuncStats, BinaryIO], None]] = {
        "YSTAT": _write_ystat,
        "CALLGRIND": _write_callgrind,
        "PSTAT": _write_pstat,
    }
    write = writers.get(file_type.upper())
    if write is None:
        raise NotImplementedError(
            f'Saving in "{file_type}" format is not possible: use ystat, callgrind or pstat.'
        )
    write_file(path, lambda out: write(stats, out))


def load(stats: YFuncStats, path: str, file_type: str) -> None:
    """Adds what a file holds; NotImplementedError for an unknown type."""
    if file_type.upper() != "YSTAT":
        raise NotImplementedError(f'Loading from "{file_type}" format is not possible: use ystat.')
    saved = _read_ystat(path)
    clock = checked_clock(saved["clock"])
    if stats.clock_type not in (None, clock) and not stats.empty():
        raise YappiError(
            f"Clock type mismatch between current and saved profiler sessions.[{stats.clock_type},{clock}]"
        )
    stats.clock_type = clock
    _merge(stats, [_loaded(fields) for fields in saved["functions"]])


def convert2pstats(stats: YFuncStats) -> pstats.Stats:
    """The statistics as a pstats.Stats. Raises YappiError if they are not a YFuncStats."""
    if not isinstance(stats, YFuncStats):
        raise YappiError("Source stats must be derived from YFuncStats.")
    return pstats.Stats(_PstatsSource(_pstats_entries(stats)))  # type: ignore[arg-type]


class _PstatsSource:
    """What pstats.Stats takes for a profiler."""

    def __init__(self, stats: dict[PstatsKey, PstatsEntry]) -> None:
        self.stats = stats

    def create_stats(self) -> None:
        """They are made already."""


def _write_pstat(stats: YFuncStats, out: BinaryIO) -> None:
    marshal.dump(_pstats_entries(stats), out)


def _pstats_entries(stats: YFuncStats) -> dict[PstatsKey, PstatsEntry]:
    entries: dict[PstatsKey, PstatsEntry] = {
        _pstats_key(row): (row.nactualcall, row.ncall, row.tsub, row.ttot, {}) for row in stats
    }
    for row in stats:
        for child in row.children:
            callers = entries[_pstats_key(child)][4]
            callers[_pstats_key(row)] = child.ncall, child.nactualcall, child.tsub, child.ttot
    return entries


def _pstats_key(row: YFuncStat) -> PstatsKey:
    """cProfile's for built-ins, which have no file."""
    return (NO_FILE, 0, row.name) if row.builtin else (row.module, row.lineno, row.name)


def _write_callgrind(stats: YFuncStats, out: BinaryIO) -> None:
    write_blocks(out, [EVENTS[stats.clock_type or "cpu"]], _blocks(stats))


def _blocks(stats: YFuncStats) -> Iterator[Block]:
    entries = _entries(stats)
    for row in stats:
        calls = tuple(Call(entries[child], child.ncall, (_ns(child.ttot),)) for child in row.children)
        yield Block(entries[row], (_ns(row.tsub),), calls)
    entered = tuple(_entered(stats, entries))
    if entered:
        yield Block(NO_CALLER, (0,), entered)


def _entries(stats: YFuncStats) -> dict[YFuncStat, Entry]:
    """By file and name; a name that a file has twice gets its line."""
    uses = Counter((row.module, row.name) for row in stats)
    return {
        row: Entry(
            NO_FILE if row.builtin else row.module,
            f"{row.name}:{row.lineno}" if uses[row.module, row.name] > 1 else row.name,
            row.lineno,
        )
        for row in stats
    }


def _entered(stats: YFuncStats, entries: dict[YFuncStat, Entry]) -> Iterator[Call]:
    """For functions that are called: the calls that no function made, or readers would not count them."""
    calls: Counter[YFuncStat] = Counter()
    called_ns: Counter[YFuncStat] = Counter()
    for child in (child for row in stats for child in row.children):
        calls[child] += child.ncall
        called_ns[child] += _ns(child.ttot)
    for row in stats:
        if row in calls and row.ncall > calls[row]:
            yield Call(entries[row], row.ncall - calls[row], (max(0, _ns(row.ttot) - called_ns[row]),))


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def _write_ystat(stats: YFuncStats, out: BinaryIO) -> None:
    content = {
        "format": YSTAT,
        "version": YSTAT_VERSION,
        "clock": stats.clock_type or "cpu",
        "functions": [
            {
                **{name: getattr(row, name) for name in _FUNCTION_FIELDS},
                "children": [{name: getattr(child, name) for name in child._KEYS} for child in row.children],
            }
            for row in stats
        ],
    }
    out.write(json.dumps(content).encode("ascii"))


def _read_ystat(path: str) -> dict[str, Any]:
    content = Path(path).read_bytes()
    try:
        saved = json.loads(content)
    except ValueError:
        saved = None
    if not isinstance(saved, dict) or (saved.get("format"), saved.get("version")) != (YSTAT, YSTAT_VERSION):
        raise YappiError(
            f"Unable to load the saved profile information from {path}: it is not a ystat file of this"
            " profiler. Files that GreenletProfiler 0.1 or Yappi saved are pickles, which could run any code,"
            " and are not read."
        )
    return saved


def _loaded(fields: dict[str, Any]) -> YFuncStat:
    children = YChildFuncStats()
    for child in fields["children"]:
        children.append(YChildFuncStat([child[name] for name in YChildFuncStat._KEYS]))
    return YFuncStat([children if name == "children" else fields[name] for name in YFuncStat._KEYS])


def _merge(stats: YFuncStats, loaded: Iterable[YFuncStat]) -> None:
    """Adds rows; those that are new get an index that is free, and children the index of their function."""
    loaded = list(loaded)
    free = max((row.index for row in stats), default=-1) + 1
    index = {row.full_name: row.index for row in stats}
    for row in loaded:
        if row.full_name not in index:
            index[row.full_name] = free
            free += 1
        row.index = index[row.full_name]
    for row in loaded:
        for child in row.children:
            child.index = index[child.full_name]
        stats.append(row)
