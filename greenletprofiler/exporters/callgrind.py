"""callgrind files, for KCachegrind, QCachegrind and callgrind_annotate.

Five events, in nanoseconds: CPU, Running, Waiting, Contended, Lag. A function's block is

    fl=(1) /app/server.py
    fn=(2) Handler.get
    12 30500 31000 0 0 0          line of its def, self costs
    cfi=(3) ~
    cfn=(4) <built-in method time.sleep>
    calls=10 0                    calls and resumes, line of the callee's def
    12 500 1000100 0 0 0          what the calls cost, all told

Both readers take the inclusive cost of a function that is called to be the sum of the calls to it, and that
of any other to be its self cost and that of its calls. Hence
    - a call has the inclusive cost of folds.py, which is 0 where the callee was open already;
    - what a greenlet entered at its base is called by an entry for the base, such as
      [greenlet gevent._gevent_cgreenlet.Greenlet], or the inclusive cost would lack it;
    - `calls=0` is never written (callgrind_annotate would take the cost after it for self cost). A call that
      was in progress when the recording began, and is no call of the recording, is `calls=1` here.

Nothing is lost: bases and [truncated] have their own costs, and `totals:` is the sum of all self costs. The
idle time of hubs is no event and not in the file.

Functions are told apart by file and name, so a name that a file has twice gets its line: `helper:34`.
Of the command line, only the base name of the script is in the file.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from greenletprofiler._generated import ours
from greenletprofiler._version import __version__
from greenletprofiler.profile import Profile
from greenletprofiler.values import BASE_KINDS, TAG_KIND, Clock, Function, Times

K = TypeVar("K", bound=Hashable)

#: What stands for the file of a function that has none, as in pstats.
NO_FILE: Final = "~"

Costs = tuple[int, ...]  # one for each event


@ours
@dataclass(frozen=True, slots=True)
class Event:
    """What costs are of: a name of letters, and one for people."""

    name: str
    long_name: str


@ours
@dataclass(frozen=True, slots=True)
class Entry:
    """How a function appears in the file. Functions with equal entries are one there."""

    file: str
    name: str
    line: int


@ours
@dataclass(frozen=True, slots=True)
class Call:
    """All calls of one function by another."""

    callee: Entry
    count: int
    costs: Costs


@ours
@dataclass(frozen=True, slots=True)
class Block:
    """A function: its self costs and its calls."""

    entry: Entry
    costs: Costs
    calls: tuple[Call, ...] = ()


EVENTS: Final = (
    Event("CPU", "CPU time [ns]"),
    Event("Running", "Wall time switched in [ns]"),
    Event("Waiting", "Wall time switched out [ns]"),
    Event("Contended", "Wall time switched out while its thread was busy [ns]"),
    Event("Lag", "Contended time since the hub looked last [ns]"),
)


def write_callgrind(profile: Profile, out: BinaryIO, clock: Clock) -> None:
    """Writes the profile; all clocks are in the file, whatever `clock` is."""
    write_blocks(out, EVENTS, blocks_of(profile))


def write_blocks(out: BinaryIO, events: Sequence[Event], blocks: Iterable[Block]) -> None:
    """Writes a file of these blocks, in their order."""
    command = Path(sys.argv[0]).name if sys.argv else ""
    for line in _lines(command, events, blocks):
        out.write(line.encode() + b"\n")


def blocks_of(profile: Profile) -> Iterator[Block]:
    """The blocks of a profile's functions and bases."""
    entries, sums = profile.fold(_entry_of(profile.call_tree.functions))
    calls_from: dict[int, list[Call]] = {}
    for caller, callee, edge in sums.edges():
        call = Call(entries[callee], edge.all_calls, _costs(edge.inclusive))
        calls_from.setdefault(caller, []).append(call)
    for group, (entry, group_sums) in enumerate(zip(entries, sums.groups, strict=True)):
        calls = () if entry.kind == "thread" else tuple(calls_from.get(group, ()))
        costs = _costs(group_sums.self)
        if calls or any(costs) or entry.kind not in BASE_KINDS:
            yield Block(entry, costs, calls)


def _lines(command: str, events: Sequence[Event], blocks: Iterable[Block]) -> Iterator[str]:
    yield "# callgrind format"
    yield "version: 1"
    yield f"creator: greenletprofiler {__version__}"
    yield f"cmd: {_printable(command)}"
    yield "positions: line"
    for event in events:
        yield f"event: {event.name} : {event.long_name}"
    yield f"events: {' '.join(event.name for event in events)}"
    yield ""
    names = _Names()
    totals = [0] * len(events)
    for block in blocks:
        yield from _block_lines(names, block)
        totals = [total + cost for total, cost in zip(totals, block.costs, strict=True)]
    yield f"totals: {_joined(totals)}"


def _block_lines(names: _Names, block: Block) -> Iterator[str]:
    line = block.entry.line
    yield from names.function(block.entry)
    yield f"{line} {_joined(block.costs)}"
    for call in block.calls:
        yield from names.callee(call.callee)
        yield f"calls={call.count or 1} {call.callee.line}"
        yield f"{line} {_joined(call.costs)}"
    yield ""


def _joined(costs: Iterable[int]) -> str:
    return " ".join(map(str, costs))


def _costs(times: Times) -> Costs:
    return times.cpu_ns, times.running_ns, times.waiting_ns, times.contended_ns, times.lag_ns


@ours
@dataclass(frozen=True, slots=True)
class _FunctionEntry(Entry):
    """The entry of a profile's function, with the function's kind."""

    kind: str


def _entry_of(functions: Iterable[Function]) -> Callable[[Function], _FunctionEntry | None]:
    """What gives a function's entry; None for the program, which is everything, and for tags."""
    uses = Counter(_file_and_name(function) for function in functions)

    def entry(function: Function) -> _FunctionEntry | None:
        if function.kind in ("program", TAG_KIND):
            return None
        file, name = _file_and_name(function)
        if function.kind == "python" and uses[file, name] > 1:
            name = f"{name}:{function.line}"
        return _FunctionEntry(file, name, function.line, function.kind)

    return entry


def _file_and_name(function: Function) -> tuple[str, str]:
    file = function.owner if function.kind == "cython" else function.filename
    return file or NO_FILE, function.label


def _printable(text: str) -> str:
    """`text` on one line, in characters that UTF-8 has."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


class _Names:
    """Numbers for file and function names: `(1) name` the first time, `(1)` after that."""

    def __init__(self) -> None:
        self._files: dict[str, int] = {}
        self._functions: dict[tuple[str, str], int] = {}

    def function(self, entry: Entry) -> Iterator[str]:
        """Begins a function's block."""
        yield f"fl={self._file(entry)}"
        yield f"fn={self._function(entry)}"

    def callee(self, entry: Entry) -> Iterator[str]:
        """Names the function of the calls line that follows."""
        yield f"cfi={self._file(entry)}"
        yield f"cfn={self._function(entry)}"

    def _file(self, entry: Entry) -> str:
        return _numbered(self._files, entry.file, entry.file)

    def _function(self, entry: Entry) -> str:
        return _numbered(self._functions, (entry.file, entry.name), entry.name)


def _numbered(numbers: dict[K, int], key: K, name: str) -> str:
    """`(number) name` if the key is new, `(number)` if not."""
    if key in numbers:
        return f"({numbers[key]})"
    numbers[key] = len(numbers) + 1
    return f"({numbers[key]}) {_printable(name)}"
