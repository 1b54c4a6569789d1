"""A hard case: a program, and what is true of its profile.

    @case(
        Truth(
            calls={"sorts": 2, "key": 4, "leaf": 2},
            edges={("sorts", "leaf"): 2},
            with_builtins={("sorts", "sorted"): 2, ("sorted", "key"): 4},
            without_builtins={("sorts", "key"): 4},
            milliseconds={"sorts": 8},
        )
    )
    def a_sort_key_that_switches(recording: Recording) -> None:
        ...                     what goes before
        with recording:         or recording.start() and recording.stop(), wherever and as often as one likes
            ...
        ...                     what comes after

A case's own functions are those of its file. A Truth holds all of their calls, and all edges that lead to
them. What it does not hold is false: a function without calls, a caller that never called, recursion that
was none. Edges to built-ins are compared for those built-ins that it names.

Comprehensions are functions before Python 3.12, so they are left out of all.

Names are bare: "leaf", "sorted", "switch", "__lt__". PROGRAM is the case's function; ELSEWHERE is any caller
that is neither an own function nor a built-in that the truth names. Who begins a greenlet has no caller.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from views import Seen, Session

Edges = Mapping[tuple[str, str], int]

PROGRAM: Final = "(program)"
ELSEWHERE: Final = "(elsewhere)"

#: Python 3.12 and later.
MONITORING: Final = sys.version_info >= (3, 12)

COMPREHENSIONS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})

#: How the one warning begins that may be about greenlets which other tests left behind.
OF_OTHERS: Final = "suspended greenlets belong to threads"

#: How far off CPU time may be. Less than any spin() of a case, so none can be another function's.
TOLERANCE_MS: Final = 0.7
TOLERANCE_SHARE: Final = 0.05


@dataclass(frozen=True)
class Truth:
    """calls: calls and resumes of all own functions that have any. outermost: those at which the function
    was not open already, where that is not all of them. edges: with built-ins and without. milliseconds:
    inclusive CPU time. warned: the profile says that it misses something, which is none of this."""

    calls: Mapping[str, int]
    edges: Edges = field(default_factory=dict)
    with_builtins: Edges = field(default_factory=dict)
    without_builtins: Edges = field(default_factory=dict)
    outermost: Mapping[str, int] = field(default_factory=dict)
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    warned: bool = False

    def wrong_counts(self, seen: Seen, builtins: bool) -> list[str]:
        """Calls and edges that are not true, in words."""
        own = (seen.own | self.calls.keys()) - COMPREHENSIONS
        calls = {name: count for name, count in seen.calls.items() if name in own}
        outermost = {name: count for name, count in seen.outermost.items() if name in own}
        edges = {**self.edges, **(self.with_builtins if builtins else self.without_builtins)}
        return [
            *_differences("calls of", calls, self.calls),
            *_differences("outermost calls of", outermost, {**self.calls, **self.outermost}),
            *_differences("calls by and of", self._edges(seen, own), edges),
            *self._wrong_warnings(seen),
        ]

    def wrong_costs(self, seen: Seen) -> list[str]:
        """Times that are not true, in words."""
        return [
            f"{name}: {found:.2f} ms and not {true}"
            for name, true in self.milliseconds.items()
            for found in (1000 * seen.seconds.get(name, 0.0),)
            if abs(found - true) > TOLERANCE_MS + TOLERANCE_SHARE * true
        ]

    def _wrong_warnings(self, seen: Seen) -> list[str]:
        """Those that warn of nothing; the interfaces without warnings have none."""
        return [] if self.warned else [each for each in seen.warnings if OF_OTHERS not in each]

    def _edges(self, seen: Seen, own: set[str]) -> dict[tuple[str, str], int]:
        """Those to own functions, and those from own functions to built-ins that have a name here."""
        named = own | {name for edge in self.with_builtins for name in edge}
        found: dict[tuple[str, str], int] = {}
        for (caller, callee), count in seen.edges.items():
            if callee in own or (callee in named and caller in own):
                edge = (caller if caller in named else ELSEWHERE, callee)
                found[edge] = found.get(edge, 0) + count
        return found


def _differences(what: str, found: Mapping[object, int], true: Mapping[object, int]) -> Iterator[str]:
    for key in sorted({*found, *true}, key=str):
        if found.get(key, 0) != true.get(key, 0):
            yield f"{what} {key}: {found.get(key, 0)} and not {true.get(key, 0)}"


class Recording:
    """What the program of a case starts and stops."""

    def __init__(self, session: Session, program: Callable[[Recording], None]) -> None:
        self.snapshots: list[Seen] = []
        self._session = session
        self._program = program

    def start(self) -> None:
        """Begins, or goes on."""
        self._session.start()

    def stop(self) -> None:
        """Ends it for now."""
        self._session.stop()

    def snapshot(self) -> None:
        """Keeps what was recorded up to now, to be compared with the next truth."""
        seen = self._session.seen(self._program.__code__.co_filename)
        self.snapshots.append(bare(seen, self._program.__name__))

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def bare(seen: Seen, program: str) -> Seen:
    """The same with names without a class, and with PROGRAM for the function of that name."""

    def rename(name: str) -> str:
        return PROGRAM if name == program else name.rpartition(".")[2]

    renamed = Seen(own={rename(name) for name in seen.own}, warnings=seen.warnings)
    for what in ("calls", "outermost", "seconds", "elapsed_seconds"):
        for name, number in getattr(seen, what).items():
            _add(getattr(renamed, what), rename(name), number)
    for (caller, callee), count in seen.edges.items():
        _add(renamed.edges, (rename(caller), rename(callee)), count)
    return renamed


def _add(numbers: dict[object, float], key: object, more: float) -> None:
    numbers[key] = numbers.get(key, 0) + more


@dataclass(frozen=True)
class Outcome:
    """What a profiler said of a case that is not true, in words."""

    wrong_counts: list[str]
    wrong_costs: list[str]


@dataclass(frozen=True)
class Case:
    """truths: of each snapshot that the program takes, and of the end. cprofile_is_wrong: on each version.
    in_a_process: of its own, for what it leaves behind."""

    program: Callable[[Recording], None]
    truths: tuple[Truth, ...]
    cprofile_is_wrong: bool
    in_a_process: bool

    @property
    def name(self) -> str:
        """What is hard in it."""
        return self.program.__name__

    def run(self, session: Session, builtins: bool) -> Outcome:
        """Runs the program once and compares."""
        recording = Recording(session, self.program)
        try:
            self.program(recording)
            recording.snapshot()
        finally:
            session.close()
        assert len(recording.snapshots) == len(self.truths)
        compared = list(zip(self.truths, recording.snapshots, strict=True))
        return Outcome(
            [wrong for truth, seen in compared for wrong in truth.wrong_counts(seen, builtins)],
            [wrong for truth, seen in compared for wrong in truth.wrong_costs(seen)],
        )


def case(
    *truths: Truth, cprofile_is_wrong: bool = True, in_a_process: bool = False
) -> Callable[[Callable[[Recording], None]], Case]:
    """Makes a Case of a program."""
    return lambda program: Case(program, truths, cprofile_is_wrong, in_a_process)
