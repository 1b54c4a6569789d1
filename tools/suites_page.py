"""The page of results of suites.py: a table, then what did not end alike, and why."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

BEGIN = """# Suites of other projects

Made by `tools/suites.py`, which says how: each suite runs with the profiler off and on, and the outcome of
each single test is compared. `make suites` runs them on every Python that is found here, and
`tools/forky make suites-python VENV=.venvs/3.15 PYTHON=python3.15` on one in Debian forky. With the profiler
on, each process that runs the Python of the environment starts one as it begins, children of tests among
them, and it runs until the process ends.

- **greenlet**: its own tests.
- **cpython**: of CPython's tests those of generators, coroutines, exceptions, threads, the collector, weak
  references, functools, contextlib, sys.setprofile, sys.settrace and sys.monitoring.
- **gevent**: its own tests, whole, each file in a process of its own, without the network.

not steady: differed in one pair of runs out of four, or ends now this way, now that, without a profiler too;
gevent says so itself of what fails with FlakyAssertionError.
"""

COLUMNS = (
    "Python", "suite", "tests", "ok", "skipped", "not ok", "same", "left out", "not steady", "different",
    "processes", "ended by themselves", "forks", "calls seen",
)  # fmt: skip

Suite = dict[str, Any]


def write_page(path: Path, results: Path) -> None:
    """From what is kept of each Python."""
    files = sorted(results.glob("*.json"), key=lambda file: int(file.stem.split(".")[1]))
    kept = [json.loads(file.read_text()) for file in files]
    suites = [(one["python"], suite) for one in kept for suite in one["suites"].values()]
    lines = [BEGIN, *table(suites), *left_out(suites), *others(suites), *not_well(suites)]
    path.write_text("\n".join(lines) + "\n")


def table(suites: Iterable[tuple[str, Suite]]) -> Iterator[str]:
    yield row(COLUMNS)
    yield row(["---"] * 2 + ["---:"] * (len(COLUMNS) - 2))
    for python, suite in suites:
        yield row([python, suite["suite"], *map(grouped, numbers(suite))])


def numbers(suite: Suite) -> list[int]:
    outcomes, processes = suite["outcomes"], suite["processes"]
    ok, skipped = outcomes.get("ok", 0), outcomes.get("skipped", 0)
    return [
        suite["tests"], ok, skipped, sum(outcomes.values()) - ok - skipped, suite["same"],
        count(suite, "left out"), count(suite, "once", "unsteady"), count(suite, "different"),
        processes["began"], processes["ended"], processes["forked"], processes["calls"],
    ]  # fmt: skip


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def grouped(number: int) -> str:
    return f"{number:,}"


def count(suite: Suite, *kinds: str) -> int:
    return sum(difference["kind"] in kinds for difference in suite["differences"])


def left_out(suites: Iterable[tuple[str, Suite]]) -> Iterator[str]:
    """By reason, each test with the Pythons where it is so."""
    yield "\n## Left out\n"
    yield "Each ends under an empty tool or under cProfile as well or badly as under ours, but for"
    yield "those of threading and of gevent's pool of threads."
    reasons: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for python, suite in suites:
        for difference in suite["differences"]:
            if difference["kind"] == "left out":
                reasons[difference["reason"]][difference["test"]].append(python)
    for reason, tests in reasons.items():
        yield f"\n{reason[0].upper()}{reason[1:]}:\n"
        yield from (f"- `{test}` ({', '.join(pythons)})" for test, pythons in sorted(tests.items()))


def others(suites: Iterable[tuple[str, Suite]]) -> Iterator[str]:
    """What each ended with, without a profiler and with ours, in each pair of runs."""
    yield "\n## Not steady, and different\n"
    lines = [
        f"- {python}, {difference['kind']}: `{difference['test']}`: "
        + "; ".join(f"{off} → {on}" for off, on in difference["pairs"])
        for python, suite in suites
        for difference in suite["differences"]
        if difference["kind"] != "left out"
    ]
    yield from lines or ["None."]


def not_well(suites: Iterable[tuple[str, Suite]]) -> Iterator[str]:
    """What fails without a profiler too, here."""
    yield "\n## Not ok, with the profiler and without it\n"
    tests: dict[str, list[str]] = defaultdict(list)
    for python, suite in suites:
        for test in suite["not_well"]:
            tests[test].append(python)
    lines = [f"- `{test}` ({', '.join(pythons)})" for test, pythons in sorted(tests.items())]
    yield from lines or ["None."]
