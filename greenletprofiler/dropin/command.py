"""python -m GreenletProfiler, with the options of GreenletProfiler 0.1, on this package's command."""

from __future__ import annotations

import sys
from optparse import OptionParser

CLOCKS = ("wall", "cpu")


def main(argv: list[str] | None = None) -> int:
    """Runs a script under the profiler; the exit code. Exits with 2 on options that do not exist."""
    parser = _parser()
    options, script = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if not script:
        parser.print_usage(sys.stderr)
        return 2
    from greenletprofiler.cli import main as run

    return run([*_translated(options.builtins, options.single_thread, options.clock_type), *script])


def _parser() -> OptionParser:
    parser = OptionParser(usage="python -m GreenletProfiler [-b] [-s] [-c CLOCK] SCRIPT ARGS...")
    parser.allow_interspersed_args = False
    parser.add_option("-b", "--builtins", action="store_true", default=False, help="record built-ins too")
    parser.add_option(
        "-s", "--single_thread", action="store_true", default=False, help="record the calling thread only"
    )
    parser.add_option("-c", "--clock_type", type="choice", choices=CLOCKS, default="cpu", help="wall or cpu")
    return parser


def _translated(builtins: bool, single_thread: bool, clock: str) -> list[str]:
    """Options of greenletprofiler, which records built-ins unless told not to."""
    return [
        *([] if builtins else ["--no-builtins"]),
        *(["--single-thread"] if single_thread else []),
        "--clock",
        clock,
    ]
