"""One program under four profilers, and what each says about it, side by side.

    python examples/compare.py [foo_bar | raw_greenlets] [MILLIONS]

Each profiler runs in a process of its own, with the settings it comes with, built-in functions left out.
What is true of the program is said in foo_bar.py, and is the first column.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

#: Each example, and the function by which foo and bar give way to each other.
PROGRAMS: Final = {"foo_bar": "sleep", "raw_greenlets": "give_way"}


@dataclass
class Answer:
    """What a profiler says. Times are in its own unit: only shares are compared."""

    clock: str
    foo_time: float
    bar_time: float
    foo_gives_way: int
    bar_gives_way: int
    callers_of_foo: list[str]
    callers_of_bar: list[str]
    recursive: list[str]


# -- the profilers ---------------------------------------------------------------------------------------


def ask_greenletprofiler(program: Callable[[], object], gives_way: str) -> Answer:
    from greenletprofiler import Profiler

    with Profiler(builtins=False) as profiler:
        program()
    profile = profiler.snapshot()
    found = {each.function.name: each for each in profile.functions}
    calls = {(edge.caller.name, edge.callee.name): edge.calls for edge in profile.edges}
    recursive = [each for each in profile.functions if each.calls + each.resumes != each.primitive_calls]
    return Answer(
        "CPU", found["foo"].self.cpu_ns, found["bar"].self.cpu_ns,
        calls.get(("foo", gives_way), 0), calls.get(("bar", gives_way), 0),
        [caller for caller, callee in calls if callee == "foo"],
        [caller for caller, callee in calls if callee == "bar"],
        [each.function.name for each in recursive],
    )  # fmt: skip


def ask_cprofile(program: Callable[[], object], gives_way: str) -> Answer:
    import cProfile
    import pstats

    profiler = cProfile.Profile(builtins=False)
    profiler.runcall(program)
    entries = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    found = {name: entry for (_, _, name), entry in entries.items()}
    calls = {
        (caller, callee): numbers[0]
        for callee, (*_, callers) in found.items()
        for (_, _, caller), numbers in callers.items()
    }
    return Answer(
        "wall", found["foo"][2], found["bar"][2],
        calls.get(("foo", gives_way), 0), calls.get(("bar", gives_way), 0),
        [caller for caller, callee in calls if callee == "foo"],
        [caller for caller, callee in calls if callee == "bar"],
        [name for (_, _, name), entry in entries.items() if entry[0] != entry[1]],
    )  # fmt: skip


def ask_yappi(backend: str, program: Callable[[], object], gives_way: str) -> Answer:
    import yappi

    yappi.set_context_backend(backend)
    yappi.start(builtins=False)
    program()
    yappi.stop()
    entries = list(yappi.get_func_stats())
    found = {each.name: each for each in entries}
    calls = {(name, child.name): child.ncall for name, each in found.items() for child in each.children}
    return Answer(
        "CPU", found["foo"].tsub, found["bar"].tsub,
        calls.get(("foo", gives_way), 0), calls.get(("bar", gives_way), 0),
        [caller for caller, callee in calls if callee == "foo"],
        [caller for caller, callee in calls if callee == "bar"],
        [each.name for each in entries if each.ncall != each.nactualcall],
    )  # fmt: skip


@dataclass(frozen=True)
class Contender:
    title: str
    module: str  # that must be installed
    ask: Callable[[Callable[[], object], str], Answer]


CONTENDERS: Final = (
    Contender("greenletprofiler", "greenletprofiler", ask_greenletprofiler),
    Contender("cProfile", "cProfile", ask_cprofile),
    Contender("Yappi", "yappi", partial(ask_yappi, "native_thread")),
    Contender("Yappi, greenlet back-end", "yappi", partial(ask_yappi, "greenlet")),
)


# -- asking, each in its own process ---------------------------------------------------------------------


def answer_of(contender: int, program: str, millions: int) -> Answer | str:
    """Its answer, or why there is none."""
    if importlib.util.find_spec(CONTENDERS[contender].module) is None:
        return "not installed"
    command = [sys.executable, __file__, program, str(millions), str(contender)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        return "failed: " + (result.stderr.strip().splitlines() or ["no reason given"])[-1]
    return Answer(**json.loads(result.stdout))


def answer_here(contender: int, program: str, millions: int) -> None:
    """Prints the answer of one profiler, in this process."""
    main = importlib.import_module(program).main
    answer = CONTENDERS[contender].ask(lambda: main(millions), PROGRAMS[program])
    print(json.dumps(asdict(answer)))


# -- showing ---------------------------------------------------------------------------------------------


def truth(millions: int) -> Answer:
    return Answer("", 2.0, 1.0, millions, millions // 2, [], [], [])


def cells(answer: Answer) -> list[str]:
    both = answer.foo_time + answer.bar_time
    return [
        answer.clock or "-",
        f"{answer.foo_time / both:.1%}",
        f"{answer.bar_time / both:.1%}",
        str(answer.foo_gives_way),
        str(answer.bar_gives_way),
        names(answer.callers_of_foo),
        names(answer.callers_of_bar),
        names(answer.recursive),
    ]


def names(found: Iterable[str]) -> str:
    return ", ".join(sorted(set(found))) or "none"


def table(program: str, millions: int, answers: Sequence[Answer | str]) -> str:
    """A column for the truth and one for each profiler."""
    gives_way = PROGRAMS[program]
    headings = [
        "", "clock", "foo's share of the time", "bar's share of the time", f"foo calls {gives_way}",
        f"bar calls {gives_way}", "callers of foo", "callers of bar", "recursive functions",
    ]  # fmt: skip
    columns = [headings, ["the truth", *cells(truth(millions))]]
    for contender, answer in zip(CONTENDERS, answers, strict=True):
        if isinstance(answer, Answer):
            columns.append([contender.title, *cells(answer)])
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*columns, strict=True)
    ]
    left_out = [
        f"{contender.title}: {answer}"
        for contender, answer in zip(CONTENDERS, answers, strict=True)
        if isinstance(answer, str)
    ]
    return "\n".join([*lines, *left_out])


def main(arguments: Sequence[str]) -> int:
    words = [word for word in arguments if not word.isdigit()]
    numbers = [int(word) for word in arguments if word.isdigit()]
    program = words[0] if words else "foo_bar"
    if program not in PROGRAMS or len(words) > 1:
        print(f"usage: {sys.argv[0]} [{' | '.join(PROGRAMS)}] [MILLIONS]", file=sys.stderr)
        return 2
    millions = numbers[0] if numbers else 20
    if len(numbers) > 1:
        answer_here(numbers[1], program, millions)
    else:
        answers = [answer_of(contender, program, millions) for contender in range(len(CONTENDERS))]
        print(table(program, millions, answers))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
