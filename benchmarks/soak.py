"""A server under load for a quarter of an hour, profiled all the time: nothing grows, fails or slows down.

    python benchmarks/soak.py [--seconds 900] [--every 10] [--chart soak.svg] [--table soak.md]

A gevent.pywsgi server (soak_server.py) records itself while some clients in another process (soak_load.py)
ask for one thing after the other, and takes a snapshot every ten seconds, which it drops. Its requests start
and end greenlets, threads, generators and exceptions in many ways (soak_handlers.py). At the end
soak_judging.py says what is wrong; its head says what is asked for. The exit code is 1 if anything is.

--keep-snapshots is the control: the server keeps each snapshot, and memory must be found to grow.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO

from soak_chart import chart, table
from soak_handlers import CALLS
from soak_judging import Run, Sample, faults

FOLDER = Path(__file__).parent


@contextmanager
def child(program: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """A program of this folder and its standard output; it does not outlive us."""
    command = [sys.executable, str(FOLDER / program), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def read_samples(output: IO[str]) -> tuple[list[Sample], str]:
    """The server's lines, shown as they come, and the last one, which is the final profile."""
    samples: list[Sample] = []
    for line in output:
        if line.startswith("{"):
            return samples, line
        samples.append(Sample.from_line(line))
        print(line, end="", flush=True)
    raise SystemExit("The server ended without a final profile.")


def run(seconds: float, every: float, keep: bool) -> Run:
    """Runs server and clients to their end."""
    control = ["keep"] if keep else []
    with child("soak_server.py", str(seconds), str(every), *control) as (_, server_output):
        port = server_output.readline().strip()
        if not port:
            raise SystemExit("The server did not start.")
        print("   ".join(Sample._fields))
        with child("soak_load.py", port, str(seconds)) as (_, load_output):
            samples, last = read_samples(server_output)
            answers = load_output.read()
    if not answers:
        raise SystemExit("The clients ended without saying what was answered.")
    profile = json.loads(last)
    return Run(seconds, samples, json.loads(answers), profile["calls"], profile["warnings"])


def versions() -> str:
    parts = [f"{name} {version(name)}" for name in ("greenlet", "gevent")]
    return ", ".join([f"CPython {platform.python_version()}", *parts])


def options() -> argparse.Namespace:
    description, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(description=description, epilog=rest.partition("\n\n")[2])
    parser.add_argument("--seconds", type=float, default=900, help="how long the clients ask (default: 900)")
    parser.add_argument("--every", type=float, help="seconds between snapshots (10; fewer in a short run)")
    parser.add_argument("--chart", type=Path, help="a file for memory and throughput over time, SVG")
    parser.add_argument("--table", type=Path, help="a file for the numbers, Markdown")
    parser.add_argument("--keep-snapshots", action="store_true", help="the control, which must fail")
    return parser.parse_args()


def main() -> int:
    chosen = options()
    every = chosen.every or min(10, chosen.seconds / 30)
    result = run(chosen.seconds, every, chosen.keep_snapshots)
    wrong = faults(result, CALLS)
    if chosen.chart:
        chosen.chart.write_text(chart(result, versions()))
    if chosen.table:
        chosen.table.write_text(table(result, versions(), wrong))
    for fault in wrong:
        print(fault, file=sys.stderr)
    print(f"{result.requests:,} requests, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
