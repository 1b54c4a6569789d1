"""Ways to call that tests/test_ways_to_call.py and others check: a function that calls in one way, beside the
edges that one call of it makes.

    @way(off="leaf", on="sorted; sorted > key * 3")
    def sorting() -> None: ...

"leaf" is an edge from the way itself, "a > b" one from a to b, "* 3" three calls. `off` holds without
built-ins, `on` with them (default: as `off`), `told` on 3.12 and later, which tell of calls of types, Cython
functions and other callables too (default: as `on`). An edge without either end in the way's file is none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType, TracebackType
from typing import Any

from views import VIEWS, Seen

MONITORING = sys.version_info >= (3, 12)
#: 3.10's code objects do not know the class that they are of, so that names are compared without it.
KNOWS_CLASSES = sys.version_info >= (3, 11)

HOT = 5000
Edges = dict[tuple[str, str], int]


@dataclass(frozen=True)
class Way:
    call: Callable[[], object]
    off: str
    on: str
    told: str

    @property
    def name(self) -> str:
        return self.call.__name__

    def edges(self, builtins: bool, turns: int) -> Edges:
        """What `turns` calls by program() make, with a call of after() after each."""
        told = self.told if MONITORING else self.on
        edges = parsed(told if builtins else self.off, self.name)
        edges["program", self.name] = 1
        edges["program", "after"] = 1
        return {edge: count * turns for edge, count in edges.items()}


class Ways(list[Way]):
    """Those of one file."""

    def __call__(
        self, off: str = "", on: str | None = None, told: str | None = None
    ) -> Callable[[Callable[[], object]], Callable[[], object]]:
        """Decorates a way."""

        def add(call: Callable[[], object]) -> Callable[[], object]:
            with_builtins = off if on is None else on
            self.append(Way(call, off, with_builtins, with_builtins if told is None else told))
            return call

        return add


def parsed(text: str, caller: str) -> Edges:
    """The edges that a text names; those without a caller are of this one."""
    edges: Edges = {}
    for item in filter(None, (part.strip() for part in text.split(";"))):
        names, _, count = item.partition(" * ")
        *above, callee = names.split(" > ")
        edges[above[0] if above else caller, callee] = int(count or 1)
    return edges


def comparable(edges: Edges) -> Edges:
    """Names as every version knows them."""
    if KNOWS_CLASSES:
        return edges
    bare: Edges = {}
    for (caller, callee), count in edges.items():
        edge = caller.rpartition(".")[2], callee.rpartition(".")[2]
        bare[edge] = bare.get(edge, 0) + count
    return bare


def fresh(function: Callable[[], object]) -> Callable[[], object]:
    """The function with code that was never run: the interpreter has specialised nothing in it."""
    assert isinstance(function, FunctionType)
    copy = FunctionType(
        function.__code__.replace(), function.__globals__, function.__name__, None, function.__closure__
    )
    copy.__qualname__ = function.__qualname__
    return copy


def edges_of(seen: Seen) -> Edges:
    """Without the calls of who runs the program."""
    return comparable({edge: count for edge, count in seen.edges.items() if edge[0] != "_seen_by"})


def recorded(view: str, program: Callable[[], object], builtins: bool) -> Edges:
    return edges_of(VIEWS[view](program, builtins))


#: Type, arguments, names and lines of the traceback, cause, context, whether the context is hidden.
Account = tuple[type[BaseException], str, tuple[str, ...], "Account | None", "Account | None", bool]


def account(error: BaseException | None) -> Account | None:
    """Everything that a program can tell of an exception."""
    if error is None:
        return None
    return (
        type(error),
        repr(error.args),
        tuple(_places(error.__traceback__)),
        account(error.__cause__),
        account(error.__context__),
        error.__suppress_context__,
    )


def _places(trace: TracebackType | None) -> Iterable[str]:
    while trace is not None:
        yield f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
        trace = trace.tb_next


def changed_accounts(errors: list[Any], plain: Account | None) -> list[Account | None]:
    """Of these exceptions, those that are not as they were without a profiler. One in 50 is looked into."""
    assert plain is not None
    other = [account(error) for error in errors if type(error) is not plain[0]]
    return other + [each for each in map(account, errors[::50]) if each != plain]
