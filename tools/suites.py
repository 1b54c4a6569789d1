"""Runs test suites of other projects with the profiler off and on, and compares how each single test ended.

    tools/suites.py [--python .venvs/3.13/bin/python] [--write docs/suites.md] [SUITE...] [FILE...]

    greenlet    python -m unittest discover greenlet.tests
    cpython     python -m test FILE, of CPython's own tests: those of what a profiler could upset
    gevent      python -m gevent.tests, whole; each file is a process of its own

All of these if none is named. FILE is one file of a suite, test_gc or gevent.tests.test__socket, say.
`make suites` installs what is needed.

With the profiler on, a Profiler() is started at the start of each process that runs the environment's Python,
children of tests and those with -I too, and never stopped: suites_site/greenletprofiler_suites.py does that,
and tells how tests ended, by a .pth file that is in the environment while this runs. For each process there
is a line when it began, and one with the number of calls seen when it ended by itself.

A test is compared by its outcome, and by the exception or the reason of a skip. One that differs has its
file run up to three times more, both ways. It is

    different     if it differs in more than one of the pairs, and ends alike each time without the profiler
    once          if it differed in one pair only
    unsteady      if it ends now this way, now that, without the profiler; or fails there with gevent's
                  FlakyAssertionError, which is how gevent says that this test does so
    left out      if it is named in suites_left_out.py, which says why, and where it ends as well or badly
                  under another profiler than ours: an empty one, that does nothing, or cProfile. Its file is
                  run under both. Where the reason says why no other does the same, ours alone changes it.

The exit code is 1 if a test is different, or if a process was not profiled. --profiler cprofile, or empty,
instead of ours shows what these change. --quick runs both ways at the same time.

Results are kept in build/suites/, one file a Python; --write makes the page of all that are there.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from suites_left_out import LEFT_OUT, LeftOut
from suites_page import write_page

PROJECT = Path(__file__).resolve().parent.parent
IN_EVERY_PROCESS = Path(__file__).resolve().parent / "suites_site" / "greenletprofiler_suites.py"
OFF = "off"
OURS = "greenletprofiler"
OTHER_PROFILERS = ("empty", "cprofile")
FLAKY = "FlakyAssertionError"
RERUNS = 3
TIMEOUT_SECONDS = 1800
NOT_RUN = "not run"
NO_MEMORY = "MemoryError()"  # a test has taken it from the process: it cannot say how many calls it saw
CRASHED = re.compile("signal|timed out")

CPYTHON_FILES = (
    "test_generators", "test_coroutines", "test_asyncgen", "test_exceptions", "test_threading",
    "test_thread", "test_gc", "test_weakref", "test_functools", "test_contextlib", "test_sys_setprofile",
    "test_sys_settrace", "test_monitoring",
)  # fmt: skip

#: gevent's packages lack its examples, and what is found instead are those of this project.
NOT_OF_GEVENT = re.compile(r"gevent\.testing\.testcase\.Test_|gevent\.tests\.test__examples")

#: A line of gevent's runner for each process that has ended: "! python -mgevent.tests.test__api [code 1] ..."
GEVENT_END = re.compile(r"^[-!] .*-m ?(gevent\.tests\.\w+)(?: \[code (.+?)\])?", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[\d;]*m")


# -- suites ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """One command of a suite."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Suite:
    """jobs: the whole of it. of_file: one file. file_of: which file a test is in."""

    name: str
    jobs: Callable[[str], list[Job]]
    of_file: Callable[[str], Job]
    file_of: re.Pattern[str]


def greenlet_file(module: str) -> Job:
    return Job(module, ("-m", "unittest", module))


def cpython_file(name: str) -> Job:
    return Job(name, ("-m", "test", "-v", name))


def gevent_file(module: str) -> Job:
    return Job(module, ("-m", "gevent.tests", "--no-combine", module.rpartition(".")[2] + ".py"))


def greenlet_jobs(python: str) -> list[Job]:
    return [Job("greenlet.tests", ("-m", "unittest", "discover", "greenlet.tests"))]


def cpython_jobs(python: str) -> list[Job]:
    """Of the files that this version has."""
    has = "importlib.util.find_spec('test.' + name)"
    probe = f"import importlib.util, sys; print(*(name for name in sys.argv[1:] if {has}))"
    found = subprocess.run([python, "-c", probe, *CPYTHON_FILES], capture_output=True, text=True)
    return [cpython_file(name) for name in found.stdout.split()]


def gevent_jobs(python: str) -> list[Job]:
    return [Job("gevent.tests", ("-m", "gevent.tests", "--no-combine"))]


SUITES = (
    Suite("greenlet", greenlet_jobs, greenlet_file, re.compile(r"greenlet\.tests\.\w+")),
    Suite("cpython", cpython_jobs, cpython_file, re.compile(r"(?<=test\.)test_\w+|test_\w+")),
    Suite("gevent", gevent_jobs, gevent_file, re.compile(r"gevent\.tests\.\w+")),
)


# -- one run ---------------------------------------------------------------------------------------------


@dataclass
class Processes:
    """How many began, with the profiler; ended by themselves, after how many calls; were forked. And how many
    sub-interpreters there were, which go without."""

    began: int = 0
    refused: int = 0
    forked: int = 0
    ended: int = 0
    calls: int = 0
    unseen: list[str] = field(default_factory=list)

    def add(self, other: Processes) -> None:
        self.began += other.began
        self.refused += other.refused
        self.forked += other.forked
        self.ended += other.ended
        self.calls += other.calls
        self.unseen += other.unseen


@dataclass
class Ran:
    """What came of jobs: test -> outcome, command -> how it ended."""

    tests: dict[str, str] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    processes: Processes = field(default_factory=Processes)

    def add(self, other: Ran) -> None:
        self.tests.update(other.tests)
        self.ends.update(other.ends)
        self.processes.add(other.processes)


@dataclass(frozen=True)
class Environment:
    """The Python that suites are run by, and where what they print goes."""

    python: str
    folder: Path

    def run(self, job: Job, profiler: str) -> Ran:
        """Runs one job to its end."""
        files = self.folder / f"{job.name}.{profiler}"
        log, output = files.with_suffix(files.suffix + ".log"), files.with_suffix(files.suffix + ".txt")
        log.write_text("")
        end = self._run(job, profiler, log, output)
        ran = read_log(log, profiler)
        text = COLOUR.sub("", output.read_text(errors="replace"))
        ends_in_text = {name: code or "0" for name, code in GEVENT_END.findall(text)}
        runs_processes = job.arguments[1] == "gevent.tests" and not CRASHED.search(end)
        ran.ends = without_examples(ends_in_text if runs_processes else {job.name: end})
        ran.tests = without_examples(ran.tests)
        return ran

    def _run(self, job: Job, profiler: str, log: Path, output: Path) -> str:
        """How it ended. It runs in an empty folder, which goes with what it leaves there."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, output.open("wb") as out:
            process = subprocess.Popen(
                [self.python, *job.arguments], cwd=folder, env=environment(log, profiler),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=heed_signals,
                start_new_session=True,
            )  # fmt: skip
            try:
                code = process.wait(TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                return "timed out"
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return f"signal {-code}" if code < 0 else str(code)


def without_examples(ends: dict[str, str]) -> dict[str, str]:
    return {name: end for name, end in ends.items() if not NOT_OF_GEVENT.match(name)}


def environment(log: Path, profiler: str) -> dict[str, str]:
    """What a suite should not depend on is taken out of it; no network but this machine."""
    left_out = ("PYTHON", "GEVENT", "MAKE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {
        **kept, "GREENLETPROFILER_SUITES_LOG": str(log), "GREENLETPROFILER_SUITES_PROFILER": profiler,
        "GEVENTTEST_USE_RESOURCES": "-network",
    }  # fmt: skip


def heed_signals() -> None:
    """Shells make what they start in the background ignore Ctrl-C, and children inherit that."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def read_log(log: Path, profiler: str) -> Ran:
    """What the processes of a job wrote."""
    ran = Ran()
    outcomes: dict[str, list[str]] = defaultdict(list)
    for line in log.read_text().splitlines():
        process, event, *values = ast.literal_eval(line)
        if event == "test begins":
            outcomes[values[0]].append("begun")
        elif event == "test":
            test, outcome, detail = values
            others = [each for each in outcomes[test] if each != "begun"]
            outcomes[test] = [*others, f"{outcome}: {detail}".rstrip(": ")]
        else:
            note_process(ran.processes, profiler, process, event, values)
    ran.tests = {test: " and ".join(sorted(ends)) for test, ends in outcomes.items()}
    return ran


def note_process(processes: Processes, profiler: str, number: int, event: str, values: list[object]) -> None:
    processes.began += event == "began"
    processes.refused += event == "refused"
    processes.forked += event == "forked"
    is_without_memory = event == "broken" and values == [NO_MEMORY]
    processes.ended += event == "ended" or is_without_memory
    if is_without_memory:
        return
    if event == "ended" and isinstance(values[0], int):
        processes.calls += values[0]
    if event == "broken" or (event == "ended" and profiler != OFF and not values[0]):
        processes.unseen.append(f"{number}: {event} {values}")


@contextmanager
def in_every_process(python: str) -> Iterator[None]:
    """While this lasts, each process of that environment imports the module that records outcomes."""
    probe = "import sysconfig; print(sysconfig.get_path('purelib'))"
    answer = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=True)
    module = Path(answer.stdout.strip()) / IN_EVERY_PROCESS.name
    line = module.with_name("zz_" + module.stem + ".pth")  # the last of them: then all else can be imported
    shutil.copyfile(IN_EVERY_PROCESS, module)
    line.write_text(f"import {module.stem}\n")
    try:
        yield
    finally:
        line.unlink()
        module.unlink()


# -- comparison ------------------------------------------------------------------------------------------


@dataclass
class Difference:
    """A test that did not end alike each time: what it ended with in each pair of runs, and under others."""

    test: str
    kind: str
    pairs: list[tuple[str, str]]
    reason: str = ""
    under_others: dict[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """Of one suite."""

    suite: str
    tests: int
    outcomes: dict[str, int]
    same: int
    differences: list[Difference]
    processes: Processes
    plain_processes: int
    not_well: list[str]  # tests that fail or err without a profiler too

    def count(self, kind: str) -> int:
        return sum(difference.kind == kind for difference in self.differences)

    @property
    def is_good(self) -> bool:
        return not self.count("different") and not self.processes.unseen and self.tests > 0


@dataclass(frozen=True)
class How:
    """Under which profiler, and what runs at the same time: so many files, and a file with and without it."""

    profiler: str
    files_at_once: int
    both_at_once: bool


class Comparison:
    """A suite with the profiler off and on, as often as it takes to know what differs."""

    def __init__(self, environment: Environment, suite: Suite, version: str, how: How) -> None:
        self._environment = environment
        self._suite = suite
        self._version = version
        self._how = how

    def run(self, jobs: list[Job]) -> Result:
        off, on = self._run_both(jobs)
        pairs = {test: [pair] for test, pair in differing(off, on).items()}
        left_out = self._left_out(pairs)
        known = {difference.test for difference in left_out}
        self._run_again({test: pairs[test] for test in pairs if test not in known})
        others = [Difference(test, kind_of(pairs[test]), pairs[test]) for test in pairs if test not in known]
        return self._result(off, on, left_out + others)

    def _run_both(self, jobs: list[Job]) -> tuple[Ran, Ran]:
        with ThreadPoolExecutor(2 if self._how.both_at_once else 1) as pool:
            off, on = pool.map(lambda profiler: self._run_all(jobs, profiler), (OFF, self._how.profiler))
        return off, on

    def _run_all(self, jobs: list[Job], profiler: str) -> Ran:
        whole = Ran()
        with ThreadPoolExecutor(self._how.files_at_once) as pool:
            for ran in pool.map(lambda job: self._environment.run(job, profiler), jobs):
                whole.add(ran)
        return whole

    def _run_again(self, pairs: dict[str, list[tuple[str, str]]]) -> None:
        """Adds a pair of outcomes for each run of the files, while there is something to learn by it."""
        for _ in range(RERUNS):
            open_tests = [test for test, known in pairs.items() if kind_of(known) == "once"]
            if not open_tests:
                return
            files = sorted({self._file_of(test) for test in open_tests})
            off, on = self._run_both([self._suite.of_file(name) for name in files])
            for test in open_tests:
                pairs[test].append((outcome_of(off, test), outcome_of(on, test)))

    def _left_out(self, pairs: dict[str, list[tuple[str, str]]]) -> list[Difference]:
        """Those that another profiler changes too, or that need none to be changed."""
        entries = {test: entry for test in pairs if (entry := self._entry_of(test))}
        under = self._run_under_others([test for test, entry in entries.items() if entry.any_profiler])
        return [
            Difference(test, "left out", pairs[test], entry.reason, under.get(test, {}))
            for test, entry in entries.items()
            if not entry.any_profiler or manner(pairs[test][0][1]) in map(manner, under[test].values())
        ]

    def _run_under_others(self, tests: list[str]) -> dict[str, dict[str, str]]:
        """How these end under each profiler that is not ours."""
        jobs = [self._suite.of_file(name) for name in sorted({self._file_of(test) for test in tests})]
        ran = {profiler: self._run_all(jobs, profiler) for profiler in OTHER_PROFILERS if jobs}
        return {test: {profiler: outcome_of(ran[profiler], test) for profiler in ran} for test in tests}

    def _file_of(self, test: str) -> str:
        found = self._suite.file_of.search(test)
        if found is None:
            raise ValueError(f"it is not known in which file {test!r} is")
        return found.group()

    def _entry_of(self, test: str) -> LeftOut | None:
        return next((entry for entry in LEFT_OUT if applies(entry, self._suite, test, self._version)), None)

    def _result(self, off: Ran, on: Ran, differences: list[Difference]) -> Result:
        outcomes: dict[str, int] = defaultdict(int)
        for outcome in off.tests.values():
            outcomes[manner(outcome)] += 1
        tests = set(off.tests) | set(on.tests)
        same = len(tests - {difference.test for difference in differences})
        not_well = sorted(test for test, end in off.tests.items() if end.startswith(("failed", "error")))
        return Result(
            self._suite.name, len(tests), dict(outcomes), same, differences, on.processes,
            off.processes.began, not_well,
        )  # fmt: skip


def differing(off: Ran, on: Ran) -> dict[str, tuple[str, str]]:
    """Tests that did not end alike, and commands where their tests do not explain it."""
    tests = {
        test: (outcome_of(off, test), outcome_of(on, test))
        for test in sorted(set(off.tests) | set(on.tests))
        if outcome_of(off, test) != outcome_of(on, test)
    }
    return tests | {
        end_of(name): (off.ends.get(name, NOT_RUN), on.ends.get(name, NOT_RUN))
        for name in sorted(set(off.ends) | set(on.ends))
        if off.ends.get(name) != on.ends.get(name)
        and (not any(name in test for test in tests) or CRASHED.search(on.ends.get(name, "")))
    }


def end_of(name: str) -> str:
    return f"(exit code of {name})"


def outcome_of(ran: Ran, test: str) -> str:
    name = test.removeprefix("(exit code of ").removesuffix(")")
    return ran.ends.get(name, NOT_RUN) if test == end_of(name) else ran.tests.get(test, NOT_RUN)


def manner(outcome: str) -> str:
    """Of "failed: AssertionError", "failed": what failed in the same test may be told by a kind of it."""
    return re.split(":| and ", outcome)[0]


def kind_of(pairs: Sequence[tuple[str, str]]) -> str:
    """See the top of this file."""
    if len({off for off, _ in pairs}) > 1 or any(FLAKY in off for off, _ in pairs):
        return "unsteady"
    return "different" if sum(off != on for off, on in pairs) > 1 else "once"


def applies(entry: LeftOut, suite: Suite, test: str, version: str) -> bool:
    is_of_version = not entry.versions or version in entry.versions.split()
    return entry.suite == suite.name and fnmatchcase(test, entry.test) and is_of_version


# -- the command -----------------------------------------------------------------------------------------


def chosen(names: Sequence[str], python: str) -> Iterable[tuple[Suite, list[Job]]]:
    """Suites with their jobs, whole or of the files that are named."""
    for suite in SUITES:
        files = [name for name in names if suite.file_of.fullmatch(name)]
        if files:
            yield suite, [suite.of_file(name) for name in files]
        elif suite.name in names or not names:
            yield suite, suite.jobs(python)


def version_of(python: str) -> tuple[str, str]:
    """("3.13", "3.13.0")"""
    answer = subprocess.run([python, "-c", "import platform; print(platform.python_version())"],
                            capture_output=True, text=True, check=True)  # fmt: skip
    full = answer.stdout.strip()
    return ".".join(full.split(".")[:2]), full


def show(result: Result, profiler: str) -> None:
    processes = result.processes
    print(
        f"{result.suite}: {result.tests} tests {result.outcomes}, {result.same} same, "
        + ", ".join(f"{result.count(kind)} {kind}" for kind in ("different", "once", "unsteady", "left out"))
    )
    print(
        f"    {profiler}: {processes.began} processes, {processes.refused} sub-interpreters and"
        f" {processes.forked} forks (plain: {result.plain_processes} processes and sub-interpreters),"
        f" {processes.ended} ended by themselves after {processes.calls} calls"
    )
    for difference in result.differences:
        ends = [f"{off} -> {on}" for off, on in difference.pairs]
        ends += [f"under {name}: {outcome}" for name, outcome in difference.under_others.items()]
        print(f"    {difference.kind}: {difference.test}: {'; '.join(ends)}")
    for unseen in processes.unseen:
        print(f"    not profiled: process {unseen}")


def keep(results: list[Result], version: str, full: str, folder: Path) -> None:
    """Beside what is known of this Python's other suites."""
    file = folder / f"{version}.json"
    known = json.loads(file.read_text())["suites"] if file.exists() else {}
    known |= {result.suite: asdict(result) for result in results}
    file.write_text(json.dumps({"python": full, "suites": known}, indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="SUITE_OR_FILE")
    parser.add_argument("--python", default=sys.executable, help="of a virtual environment")
    parser.add_argument("--profiler", default=OURS, choices=[OURS, *OTHER_PROFILERS])
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="files at the same time")
    parser.add_argument("--quick", action="store_true", help="with and without the profiler at the same time")
    parser.add_argument("--write", type=Path, help="make this page of all results that there are")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    version, full = version_of(options.python)
    results_folder = PROJECT / "build" / "suites"
    folder = results_folder / version
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    how = How(options.profiler, 1 if options.quick else options.at_once, options.quick)
    with in_every_process(options.python):
        for suite, jobs in chosen(options.names, options.python):
            environment = Environment(str(Path(options.python).absolute()), folder)
            comparison = Comparison(environment, suite, version, how)
            results.append(comparison.run(jobs))
            show(results[-1], options.profiler)
    if options.profiler == OURS and set(options.names) <= {suite.name for suite in SUITES}:
        keep(results, version, full, results_folder)
    if options.write:
        write_page(options.write, results_folder)
    return 0 if results and all(result.is_good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
