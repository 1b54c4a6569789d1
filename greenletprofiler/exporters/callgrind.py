"""callgrind files, for KCachegrind, QCachegrind and callgrind_annotate.

Three events, in nanoseconds: CPU, Running, Waiting. A function's block is

    fl=(1) /app/server.py
    fn=(2) Handler.get
    12 30500 31000 0              line of its def, self costs
    cfi=(3) ~
    cfn=(4) <built-in method time.sleep>
    calls=10 0                    calls and resumes, line of the callee's def
    12 500 1000100 0              what the calls cost, all told

Readers take a function's inclusive cost to be its self cost and that of its calls. So calls carry the
*outgoing* time of folds.py: 0 from a function to itself, and right in every recursion.

Nothing is lost: the cost of a thread's or a greenlet's base, and of [truncated], has an entry of its own, in
brackets, and `totals:` is the sum of all self costs. Idle time of hubs is no event and not in the file.

Functions are told apart by file and name, so a name that a file has twice gets its line: `helper:34`.
Of the command line, only the base name of the script is in the file.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final

from greenletprofiler import folds
from greenletprofiler._version import __version__
from greenletprofiler.calltree import CallTree, times_at
from greenletprofiler.folds import Fold, Sums
from greenletprofiler.profile import Profile
from greenletprofiler.values import BASE_KINDS, Clock, Function, Times

#: What stands for the file of a function that has none, as in pstats.
NO_FILE: Final = "~"
EVENTS: Final = (("CPU", "CPU time [ns]"), ("Running", "Wall time switched in [ns]"),
                 ("Waiting", "Wall time switched out [ns]"))  # fmt: skip

Entry = tuple[str, str, int]  # file, name, line


def write_callgrind(profile: Profile, out: BinaryIO, clock: Clock) -> None:
    """Writes the profile; all clocks are in the file, whatever `clock` is."""
    for line in callgrind_lines(profile, os.path.basename(sys.argv[0]) if sys.argv else ""):
        out.write(line.encode() + b"\n")


def callgrind_lines(profile: Profile, command: str) -> Iterator[str]:
    """The file's lines."""
    tree = profile.call_tree
    groups, entries = profile.groups(_entry_of(tree.functions))
    sums = folds.fold(tree, groups, len(entries))
    outgoing = folds.outgoing_times(tree, groups, len(entries))
    bases = list(_base_costs(tree))
    yield from _header(command)
    yield from _body(entries, sums, outgoing, bases)
    yield f"totals: {_costs(folds.total(tree.self_times))}"


def _header(command: str) -> Iterator[str]:
    yield "# callgrind format"
    yield "version: 1"
    yield f"creator: greenletprofiler {__version__}"
    yield f"cmd: {_printable(command)}"
    yield "positions: line"
    for name, long_name in EVENTS:
        yield f"event: {name} : {long_name}"
    yield f"events: {' '.join(name for name, _ in EVENTS)}"
    yield ""


def _body(
    entries: tuple[Entry, ...],
    sums: Fold,
    outgoing: dict[tuple[int, int], Times],
    bases: Iterable[tuple[str, Times]],
) -> Iterator[str]:
    names = _Names()
    calls_from: dict[int, list[int]] = {}
    for caller, callee in sums.edges:
        calls_from.setdefault(caller, []).append(callee)
    for group, (file, name, line) in enumerate(entries):
        yield from names.function(file, name)
        yield f"{line} {_costs(sums.groups[group].self)}"
        for callee in calls_from.get(group, ()):
            edge = sums.edges[group, callee]
            yield from _call(names, line, entries[callee], edge, outgoing[group, callee])
        yield ""
    for name, times in bases:
        yield from names.function(NO_FILE, name)
        yield f"0 {_costs(times)}"
        yield ""


def _call(names: _Names, line: int, callee: Entry, edge: Sums, times: Times) -> Iterator[str]:
    file, name, callee_line = callee
    yield from names.callee(file, name)
    yield f"calls={edge.all_calls} {callee_line}"
    yield f"{line} {_costs(times)}"


def _costs(times: Times) -> str:
    return f"{times.cpu_ns} {times.running_ns} {times.waiting_ns}"


def _entry_of(functions: Iterable[Function]) -> Callable[[Function], Entry | None]:
    """What tells where a function appears; None for the bases."""
    plain = Counter(_file_and_name(function) for function in functions)

    def entry(function: Function) -> Entry | None:
        if function.kind in BASE_KINDS:
            return None
        file, name = _file_and_name(function)
        is_ambiguous = function.kind == "python" and plain[file, name] > 1
        return file, f"{name}:{function.line}" if is_ambiguous else name, function.line

    return entry


def _file_and_name(function: Function) -> tuple[str, str]:
    file = function.owner if function.kind == "cython" else function.filename
    return _printable(file or NO_FILE), _printable(function.label)


def _base_costs(tree: CallTree) -> Iterator[tuple[str, Times]]:
    """Bases that have a cost of their own, those of the same name together."""
    is_base = [function.kind in BASE_KINDS for function in tree.functions]
    costs: dict[str, Times] = {}
    for node, function in enumerate(tree.function):
        if is_base[function]:
            label = _printable(tree.functions[function].label)
            costs[label] = costs.get(label, Times()) + times_at(tree.self_times, node)
    return ((name, times) for name, times in costs.items() if any(map(int, _costs(times).split())))


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

    def function(self, file: str, name: str) -> Iterator[str]:
        """Begins a function's block."""
        yield f"fl={self._file(file)}"
        yield f"fn={self._function(file, name)}"

    def callee(self, file: str, name: str) -> Iterator[str]:
        """Names the function of the calls line that follows."""
        yield f"cfi={self._file(file)}"
        yield f"cfn={self._function(file, name)}"

    def _file(self, file: str) -> str:
        known = self._files.get(file)
        if known is not None:
            return f"({known})"
        self._files[file] = len(self._files) + 1
        return f"({len(self._files)}) {file}"

    def _function(self, file: str, name: str) -> str:
        known = self._functions.get((file, name))
        if known is not None:
            return f"({known})"
        self._functions[file, name] = len(self._functions) + 1
        return f"({len(self._functions)}) {name}"
