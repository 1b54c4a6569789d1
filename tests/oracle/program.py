"""The little language of the oracle: what a random greenlet program consists of.

    Program = bodies of a few functions and generators; a body = statements, some with bodies of their own

Places are small numbers: greenlets live in slots of their thread (slot 0 holds the thread's main greenlet
at first), generators in slots that all threads share. A statement whose slot is empty does nothing.
A program ends: each function call costs one unit of fuel, and without fuel functions return at once.

Every statement is a plain value, so Hypothesis can shrink programs and a failure can be pasted into a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import ClassVar, Final

GREENLET_SLOTS: Final = 4
GENERATOR_SLOTS: Final = 3
MORE_THREADS: Final = 2
FUEL: Final = 40

Body = tuple["Statement", ...]


@dataclass(frozen=True)
class Statement:
    """Base of all statements."""

    def bodies(self) -> Iterator[Body]:
        """The bodies inside it."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                yield value


# -- functions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call(Statement):
    """Calls a function; `how` says by what: one of Call.WAYS."""

    WAYS: ClassVar = (
        "plain", "star", "property", "add", "item", "delete", "with", "sorted", "reduce", "map",
    )  # fmt: skip
    function: int
    how: str


@dataclass(frozen=True)
class Raise(Statement):
    """Raises Error."""


@dataclass(frozen=True)
class Return(Statement):
    """Leaves the function."""


@dataclass(frozen=True)
class Try(Statement):
    """Catches Error, or everything."""

    body: Body
    everything: bool
    handler: Body


@dataclass(frozen=True)
class Finally(Statement):
    """try: body, finally: final."""

    body: Body
    final: Body


@dataclass(frozen=True)
class Loop(Statement):
    """Repeats its body while there is fuel; often enough to be specialised, if `times` is."""

    times: int
    body: Body


# -- greenlets ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spawn(Statement):
    """Makes a greenlet; its parent is the current one, or the one in slot `parent`."""

    slot: int
    function: int
    subclass: bool
    parent: int | None


@dataclass(frozen=True)
class Switch(Statement):
    """Switches to a greenlet: a new one, a suspended one, a dead one, itself."""

    slot: int


@dataclass(frozen=True)
class Throw(Statement):
    """Throws Error or GreenletExit into a greenlet."""

    slot: int
    exits: bool


@dataclass(frozen=True)
class Drop(Statement):
    """Empties a slot; if that was the last reference, the greenlet is killed."""

    slot: int


# -- generators -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Make(Statement):
    """Makes a generator."""

    slot: int
    generator: int


@dataclass(frozen=True)
class Next(Statement):
    """Resumes a generator: by the built-in next(), or by a for statement."""

    slot: int
    builtin: bool


@dataclass(frozen=True)
class Close(Statement):
    """Closes a generator."""

    slot: int


@dataclass(frozen=True)
class ThrowIn(Statement):
    """Throws Error into a generator."""

    slot: int


@dataclass(frozen=True)
class Forget(Statement):
    """Empties a generator's slot."""

    slot: int


@dataclass(frozen=True)
class Yield(Statement):
    """Only in generators."""


@dataclass(frozen=True)
class YieldFrom(Statement):
    """Only in generators."""

    generator: int


# -- threads --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NewThread(Statement):
    """Starts the next thread, and waits until it is handed the baton again."""

    function: int


@dataclass(frozen=True)
class Hand(Statement):
    """Lets another thread run, and waits until it is handed the baton again."""

    thread: int


# -- the profiler ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start(Statement):
    """Starts the profiler if it is stopped."""


@dataclass(frozen=True)
class Stop(Statement):
    """Stops the profiler if it runs."""


@dataclass(frozen=True)
class Snapshot(Statement):
    """Takes a snapshot, to be compared like the last one."""


@dataclass(frozen=True)
class Program:
    """functions[0] is the one that runs first."""

    functions: tuple[Body, ...]
    generators: tuple[Body, ...]


def stem(name: str) -> str:
    """Of a function's name: one function has several, by the ways to call it."""
    return name.partition("_")[0]


def number_statements(program: Program) -> dict[int, int]:
    """id() of each statement -> a number that its trace entries carry."""
    numbers: dict[int, int] = {}

    def visit(body: Body) -> None:
        for statement in body:
            numbers.setdefault(id(statement), len(numbers))
            for inner in statement.bodies():
                visit(inner)

    for body in program.functions + program.generators:
        visit(body)
    return numbers
