"""Running the command and plain Python, and reading what they leave.

    run("script.py", folder=tmp_path)             greenletprofiler script.py
    run_plain("script.py", folder=tmp_path)       python script.py
    with started("script.py", folder=tmp_path) as process: ...
    calls_in(tmp_path / "out.pstats")             {"foo": 3, "<module>": 1, ...}
"""

from __future__ import annotations

import marshal
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

COMMAND = [sys.executable, "-m", "greenletprofiler"]
TABLE_BEGINS = "\nRecorded "
TIMEOUT_SECONDS = 120
RESEND_SECONDS = 5


def run(
    *arguments: str, folder: Path, command: list[str] = COMMAND, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end in that folder."""
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment(), text=True,
        **{"timeout": TIMEOUT_SECONDS, "capture_output": True, "preexec_fn": _heed_signals, **options},
    )  # fmt: skip


def run_plain(*arguments: str, folder: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs Python without a profiler."""
    return run(*arguments, folder=folder, command=[sys.executable], **options)


@contextmanager
def started(
    *arguments: str, folder: Path, command: list[str] = COMMAND
) -> Iterator[subprocess.Popen[str]]:
    """The command while it runs; its standard output and error are pipes."""
    process = subprocess.Popen(
        [*command, *arguments], cwd=folder, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_heed_signals,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _heed_signals() -> None:
    """Shells make what they start in the background ignore Ctrl-C, and children inherit that."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    """Reads the program's output up to that line."""
    output: IO[str] | None = process.stdout
    assert output is not None
    for text in output:
        if text.rstrip("\n") == line:
            return
    raise AssertionError(f"the program ended without printing {line!r}: {process.communicate()}")


def end_by(process: subprocess.Popen[str], number: signal.Signals) -> tuple[str, str]:
    """Sends a signal until the program is over; its standard output and error.

    More than once, for one that comes right before a thread blocks in C code is handled only when that ends,
    as with any handler in Python; and Ctrl-C in a weakref's callback is dropped by the interpreter.
    """
    for _ in range(TIMEOUT_SECONDS // RESEND_SECONDS):
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=RESEND_SECONDS)
    raise AssertionError(f"the program does not end by {number.name}")


def environment() -> dict[str, str]:
    """This one, with a wide terminal and plain tracebacks."""
    return {**os.environ, "COLUMNS": "160", "PYTHON_COLORS": "0", "NO_COLOR": "1"}


def without_table(standard_error: str) -> str:
    """What the program itself wrote; the table must be there, and come last."""
    own, table, _ = standard_error.partition(TABLE_BEGINS)
    assert table, f"no table in {standard_error!r}"
    return own


def entries_in(path: Path) -> dict[tuple[str, int, str], tuple[Any, ...]]:
    """A pstats file: (file, line, name) -> (primitive calls, calls, self, inclusive, callers)."""
    entries: dict[tuple[str, int, str], tuple[Any, ...]] = marshal.loads(path.read_bytes())
    return entries


def calls_in(path: Path) -> dict[str, int]:
    """Calls by name, in a pstats file."""
    calls: dict[str, int] = {}
    for (_, _, name), (_, count, *_) in entries_in(path).items():
        calls[name] = calls.get(name, 0) + count
    return calls


def callers_in(path: Path, name: str) -> dict[str, int]:
    """Who called the functions of that name, and how often, in a pstats file."""
    counts: dict[str, int] = {}
    for (_, _, callee), (*_, callers) in entries_in(path).items():
        for (_, _, caller), (count, *_) in callers.items():
            if callee == name:
                counts[caller] = counts.get(caller, 0) + count
    return counts
