"""Rows of statistics and collections of them, with the names and habits of GreenletProfiler 0.1.

    YFuncStats     -> YFuncStat, whose `children` are YChildFuncStats -> YChildFuncStat
    YThreadStats   -> YThreadStat
    YGreenletStats -> YGreenletStat

A row's fields can be read as attributes, by name and by position: row.ttot, row["ttot"], row[6]. Times are in
seconds. A row equals another with the same full_name (or id); appending it again adds the two up, in place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Generic, TextIO, TypeVar

from greenletprofiler.dropin import layout
from greenletprofiler.errors import ProfilerError
from greenletprofiler.values import Clock

SORT_ORDERS = {"ascending": False, "asc": False, "descending": True, "desc": True}
DEFAULT_SORT_TYPE = "totaltime"
DEFAULT_SORT_ORDER = "desc"

FUNCTION_SORT_TYPES = {
    "name": "name",
    "callcount": "ncall",
    "ncall": "ncall",
    "totaltime": "ttot",
    "ttot": "ttot",
    "subtime": "tsub",
    "tsub": "tsub",
    "avgtime": "tavg",
    "tavg": "tavg",
}
CONTEXT_SORT_TYPES = {
    "name": "name",
    "id": "id",
    "totaltime": "ttot",
    "ttot": "ttot",
    "schedcount": "sched_count",
    "scnt": "sched_count",
}


Row = TypeVar("Row", bound="YStat")
FunctionRow = TypeVar("FunctionRow", bound="YFuncStat")


class YappiError(ProfilerError):
    """The drop-in was asked for something that it does not have."""


class YStat(dict[int, Any]):
    """A row: a dictionary from positions to values, which are attributes too."""

    _KEYS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, values: Sequence[Any]) -> None:
        super().__init__()
        for key, value in zip(self._KEYS, values, strict=True):
            setattr(self, key, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._KEYS:
            self[self._KEYS.index(name)] = value
        super().__setattr__(name, value)

    def __missing__(self, key: object) -> Any:
        if isinstance(key, str) and key in self._KEYS:
            return getattr(self, key)
        raise KeyError(key)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __add__(self: Row, other: Row) -> Row:
        """This row. Only functions have numbers to add up."""
        return self


class YFuncStat(YStat):
    """A function.

    name, module, lineno, builtin: module is the file's name for Python functions.
    ncall: calls and resumes; nactualcall: those at which it was not open already.
    ttot, tsub, tavg: inclusive, self, and ttot / ncall.
    children: what it called. index: number of the function, the same as its children's.
    ctx_id: id of the first thread in which it ran.
    """

    _KEYS: ClassVar[tuple[str, ...]] = (
        "name", "module", "lineno", "ncall", "nactualcall", "builtin", "ttot", "tsub", "index", "children",
        "tavg", "full_name", "ctx_id",
    )  # fmt: skip

    name: str
    module: str
    lineno: int
    ncall: int
    nactualcall: int
    builtin: bool
    ttot: float
    tsub: float
    index: int
    children: YChildFuncStats
    tavg: float
    full_name: str
    ctx_id: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, YFuncStat) and self.full_name == other.full_name

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.full_name)

    def __add__(self: FunctionRow, other: FunctionRow) -> FunctionRow:
        """Adds `other` to this row, in place."""
        if other is not self:
            self._add_numbers(other)
            for child in other.children:
                self.children.append(child)
        return self

    def is_recursive(self) -> bool:
        """True if it was called while it was open."""
        return self.nactualcall not in (0, self.ncall)

    def strip_dirs(self) -> YFuncStat:
        """Takes the folders off the module's name."""
        self.module = self.module.rpartition(os.sep)[2]
        self.full_name = full_name(self.builtin, self.module, self.lineno, self.name)
        return self

    def _add_numbers(self, other: YFuncStat) -> None:
        self.ncall += other.ncall
        self.nactualcall += other.nactualcall
        self.ttot += other.ttot
        self.tsub += other.tsub
        self.tavg = average(self.ttot, self.ncall)


class YChildFuncStat(YFuncStat):
    """A function where one other called it. `index` is that of its YFuncStat."""

    _KEYS: ClassVar[tuple[str, ...]] = (
        "index", "ncall", "nactualcall", "ttot", "tsub", "tavg", "builtin", "full_name", "module", "lineno",
        "name",
    )  # fmt: skip

    __hash__ = YFuncStat.__hash__

    def __add__(self: FunctionRow, other: FunctionRow) -> FunctionRow:
        """Adds `other` to this row, in place."""
        if other is not self:
            self._add_numbers(other)
        return self


class _YContextStat(YStat):
    """A thread or greenlet. ttot: on the clock shown; sched_count: how often it was switched to."""

    name: str
    id: int
    ttot: float
    sched_count: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.id == other.id

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.id)


class YThreadStat(_YContextStat):
    """A thread. name: of its class; id: never reused; tid: the system's, which is.

    sched_count: switches between its greenlets, and 1 for the thread itself.
    """

    _KEYS: ClassVar[tuple[str, ...]] = ("name", "id", "ttot", "sched_count", "tid")
    __hash__ = _YContextStat.__hash__

    tid: int


class YGreenletStat(_YContextStat):
    """A greenlet. name: of its class; id: never reused."""

    _KEYS: ClassVar[tuple[str, ...]] = ("name", "id", "ttot", "sched_count")
    __hash__ = _YContextStat.__hash__


class YStats(Generic[Row]):
    """Rows in an order."""

    _SORT_TYPES: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        self._stats: list[Row] = []
        self._place: dict[Row, int] = {}
        self._clock_type: Clock | None = None

    def sort(self, sort_type: str, sort_order: str = DEFAULT_SORT_ORDER) -> YStats[Row]:
        """Sorts in place. Raises YappiError for a sort type or order that does not exist."""
        field = _looked_up(self._SORT_TYPES, sort_type, "SortType")
        reverse = _looked_up(SORT_ORDERS, sort_order, "SortOrder")
        self._stats.sort(key=lambda row: getattr(row, field), reverse=reverse)
        self._number()
        return self

    def clear(self) -> None:
        """Drops all rows."""
        self._stats.clear()
        self._place.clear()

    def empty(self) -> bool:
        """True without rows."""
        return not self._stats

    def append(self, item: Row) -> None:
        """Adds a row, or adds it to its equal."""
        place = self._place.setdefault(item, len(self._stats))
        if place == len(self._stats):
            self._stats.append(item)
        else:
            self._stats[place] = self._stats[place] + item

    def __iter__(self) -> Iterator[Row]:
        return iter(self._stats)

    def __len__(self) -> int:
        return len(self._stats)

    def __contains__(self, item: object) -> bool:
        return item in self._place

    def __getitem__(self, key: Any) -> Any:
        """The row at this place; None past the end."""
        try:
            return self._stats[key]
        except IndexError:
            return None

    def __repr__(self) -> str:
        return repr(self._stats)

    def _number(self) -> None:
        self._place = {row: place for place, row in enumerate(self._stats)}


class _YIndexedStats(YStats[FunctionRow]):
    """Functions, found by index (a number), full name, or row."""

    _SORT_TYPES = FUNCTION_SORT_TYPES

    def __getitem__(self, key: Any) -> Any:
        """The row with this index or full name, or None. A number that is no index is a place."""
        if isinstance(key, str):
            return next((row for row in self if row.full_name == key), None)
        number = key.index if isinstance(key, YFuncStat) else key
        found = next((row for row in self if row.index == number), None)
        return super().__getitem__(number) if found is None else found


class YChildFuncStats(_YIndexedStats[YChildFuncStat]):
    """What a function called."""

    def print_all(self, out: TextIO | None = None) -> None:
        """Writes a table to `out` (standard output)."""
        layout.print_functions(sys.stdout if out is None else out, self)

    def strip_dirs(self) -> YChildFuncStats:
        """Takes the folders off the modules' names."""
        for row in self:
            row.strip_dirs()
        self._number()
        return self


class YFuncStats(_YIndexedStats[YFuncStat]):
    """All functions. `files`: statistics that were saved, to begin with."""

    def __init__(self, files: str | Iterable[str] = ()) -> None:
        super().__init__()
        self._sort_type: str | None = None
        self._sort_order: str | None = None
        self.add(files)

    def get(self) -> YFuncStats:
        """Replaces the rows by those of the recording, on the clock that is set."""
        from greenletprofiler.dropin import collect

        self.clear()
        self._clock_type = collect.fill_functions(self)
        return self.sort(DEFAULT_SORT_TYPE, DEFAULT_SORT_ORDER)

    def sort(self, sort_type: str, sort_order: str = DEFAULT_SORT_ORDER) -> YFuncStats:
        """By name, ncall (callcount), ttot (totaltime), tsub (subtime) or tavg (avgtime)."""
        super().sort(sort_type, sort_order)
        self._sort_type, self._sort_order = sort_type.lower(), sort_order.lower()
        return self

    def strip_dirs(self) -> YFuncStats:
        """Takes the folders off the modules' names."""
        for row in self:
            row.strip_dirs()
            row.children.strip_dirs()
        self._number()
        return self

    def print_all(self, out: TextIO | None = None) -> None:
        """Writes a table to `out` (standard output)."""
        if not self.empty():
            out = sys.stdout if out is None else out
            out.write(
                f"\nClock type: {self._clock_type}\nOrdered by: {self._sort_type}, {self._sort_order}\n"
            )
            layout.print_functions(out, self)

    def debug_print(self) -> None:
        """Writes every row with its children to standard output."""
        layout.print_details(sys.stdout, self)

    def save(self, path: str, type: str = "ystat") -> None:  # noqa: A002  its name in 0.1
        """Writes a file of type "ystat", "callgrind" or "pstat".

        Raises NotImplementedError for another type and OutputError, an OSError, for a path that cannot be.
        """
        from greenletprofiler.dropin import files

        files.save(self, path, type)

    def add(
        self,
        files: str | Iterable[str],
        type: str = "ystat",  # noqa: A002  its name in 0.1
    ) -> YFuncStats:
        """Adds statistics that save() wrote as "ystat".

        Raises NotImplementedError for another type, YappiError for a file that is none or has another clock.
        """
        from greenletprofiler.dropin import files as formats

        for path in [files] if isinstance(files, str) else files:
            formats.load(self, path, type)
        return self.sort(DEFAULT_SORT_TYPE, DEFAULT_SORT_ORDER)

    @property
    def clock_type(self) -> Clock | None:
        """The clock of the times: None before there are any."""
        return self._clock_type

    @clock_type.setter
    def clock_type(self, clock: Clock) -> None:
        self._clock_type = clock


class YThreadStats(YStats[YThreadStat]):
    """All threads."""

    _SORT_TYPES = CONTEXT_SORT_TYPES

    def get(self) -> YThreadStats:
        """Replaces the rows by those of the recording, on the clock that is set."""
        from greenletprofiler.dropin import collect

        self.clear()
        self._clock_type = collect.fill_threads(self)
        self.sort(DEFAULT_SORT_TYPE, DEFAULT_SORT_ORDER)
        return self

    def print_all(self, out: TextIO | None = None) -> None:
        """Writes a table to `out` (standard output)."""
        rows = [(row.name, row.tid, row.ttot, row.sched_count) for row in self]
        layout.print_contexts(sys.stdout if out is None else out, "tid", rows)

    def strip_dirs(self) -> None:
        """Threads have no files."""


class YGreenletStats(YStats[YGreenletStat]):
    """All greenlets that have a record of their own."""

    _SORT_TYPES = CONTEXT_SORT_TYPES

    def get(self) -> YGreenletStats:
        """Replaces the rows by those of the recording, on the clock that is set."""
        from greenletprofiler.dropin import collect

        self.clear()
        self._clock_type = collect.fill_greenlets(self)
        self.sort(DEFAULT_SORT_TYPE, DEFAULT_SORT_ORDER)
        return self

    def print_all(self, out: TextIO | None = None) -> None:
        """Writes a table to `out` (standard output)."""
        rows = [(row.name, row.id, row.ttot, row.sched_count) for row in self]
        layout.print_contexts(sys.stdout if out is None else out, "id", rows)

    def strip_dirs(self) -> None:
        """Greenlets have no files."""


def full_name(builtin: bool, module: str, lineno: int, name: str) -> str:
    """ "module.name" of a built-in function, "file:line name" of one in Python."""
    return f"{module}.{name}" if builtin else f"{module}:{lineno} {name}"


def average(seconds: float, calls: int) -> float:
    """Per call; 0 without calls."""
    return seconds / calls if calls else 0.0


Value = TypeVar("Value")


def _looked_up(known: dict[str, Value], name: str, what: str) -> Value:
    if name.lower() not in known:
        raise YappiError(f"Invalid {what} parameter.[{name.lower()}] Use one of {', '.join(known)}.")
    return known[name.lower()]
