"""The command: greenletprofiler [options] SCRIPT ARGS... | -m MODULE ARGS...

    command line  ->  checks             ->  run.py: the program runs, the profile is written
                      (one line, exit 2)

Everything that can be found wrong beforehand is: a profile that took an hour is not lost for a folder that
does not exist.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from greenletprofiler._version import __version__
from greenletprofiler.errors import OutputError, ProfilerError, UsageError
from greenletprofiler.exporters import find_format
from greenletprofiler.filters import Filters
from greenletprofiler.hubs import checked_hubs
from greenletprofiler.output import check_destination
from greenletprofiler.profiler import BLOCK_THRESHOLD
from greenletprofiler.program import Module, Program, Script
from greenletprofiler.run import Recording, Report, Run, frames_outside, say
from greenletprofiler.values import CLOCKS, checked_clock

BAD_USAGE: Final = 2

#: Long options whose value is the next word.
WITH_VALUE: Final = ("--clock", "--output", "--include", "--exclude", "--block-threshold", "--hub")

_USAGE: Final = """greenletprofiler [options] SCRIPT [ARGUMENTS...]
       greenletprofiler [options] -m MODULE [ARGUMENTS...]"""
_EPILOG: Final = (
    "Options come before SCRIPT or -m MODULE; all that follows belongs to the program. The table of functions"
    " is written to standard error when the program ends."
)


def main(argv: list[str] | None = None) -> int:
    """Runs a program under the profiler and returns its exit code, or 2 if there was nothing to run.

    argv: the arguments of the command, without its name; those of this process if not given.

    The profile is written when the interpreter exits, once the program's threads have ended (see run.py).
    Raises KeyboardInterrupt if the program did, for the interpreter to end by SIGINT as without profiler.
    """
    words = sys.argv[1:] if argv is None else argv
    try:
        options, program, report = _read_command_line(words)
        filters = Filters.checked(options.include, options.exclude)
        recording = Recording(
            options.builtins, not options.single_thread, filters, options.block_threshold,
            checked_hubs(options.hub), options.timeline or any(map(_needs_timeline, options.output)),
            options.spawn_places, options.per_greenlet,
        )  # fmt: skip
        return Run(report, recording, frames_outside(sys._getframe())).run(program)
    except ProfilerError as error:
        say(str(error))
        return BAD_USAGE


def _read_command_line(words: Sequence[str]) -> tuple[argparse.Namespace, Program, Report]:
    own, program_words = _split(words)
    options = _parser().parse_args(own)
    files = [_checked_output(path) for path in options.output]
    report = Report(files, checked_clock(options.clock), options.raw)
    return options, _program(options.module, program_words), report


def _program(is_module: bool, words: Sequence[str]) -> Program:
    if not words:
        missing = "-m needs a MODULE" if is_module else "There is nothing to run: name a SCRIPT, or -m MODULE"
        raise UsageError(f"{missing}. Try greenletprofiler --help.")
    return Module(words[0], words[1:]) if is_module else Script(words[0], words[1:])


def _checked_output(path: str) -> str:
    """The absolute path, for the program may change folders. Raises FormatError or OutputError."""
    find_format(path)
    check_destination(path)
    absolute = Path(path).absolute()
    if absolute.exists() and not os.access(absolute, os.W_OK):
        raise OutputError(f"{path} cannot be written to: it is there already and write-protected.")
    return str(absolute)


def _needs_timeline(path: str) -> bool:
    return find_format(path).needs_timeline


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our own options, and what begins with the script's or module's name."""
    own: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        flags, letter, value = _taken_apart(word)
        if letter == "m":
            return [*own, flags + letter], [value, *rest] if value else rest
        own.append(word)
        if word in WITH_VALUE or (letter and not value):
            own += rest[:1]
            del rest[:1]
    return own, rest


def _taken_apart(word: str) -> tuple[str, str, str]:
    """-sofile is the flags "-s", the option "o" and its value "file"."""
    if not word.startswith("--"):
        for place, letter in enumerate(word):
            if letter in "com":
                return word[:place], letter, word[place + 1 :]
    return word, "", ""


class _Parser(argparse.ArgumentParser):
    """An argument parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}. Try greenletprofiler --help.")


def _parser() -> _Parser:
    parser = _Parser(prog="greenletprofiler", usage=_USAGE, epilog=_EPILOG, allow_abbrev=False)
    python = ".".join(map(str, sys.version_info[:3]))  # the module platform would load half the library
    version = f"greenletprofiler {__version__} (CPython {python})"
    parser.add_argument("-V", "--version", action="version", version=version)
    parser.add_argument("-m", action="store_true", dest="module", help="run a module, as python -m does")
    parser.add_argument(
        "-o", "--output", metavar="FILE", action="append", default=[],
        help="write the profile to FILE as well; its name tells the format: .callgrind or callgrind.out.*,"
        " .pstats or .prof, .trace.json or .trace, .json (may be given several times)",
    )  # fmt: skip
    parser.add_argument(
        "-c", "--clock", default="cpu", metavar="|".join(CLOCKS),
        help="of the table and of pstats files: cpu (default), or wall, the elapsed time",
    )  # fmt: skip
    parser.add_argument(
        "-b", "--builtins", action="store_true", default=True, help="record built-in functions too (default)"
    )
    parser.add_argument(
        "--no-builtins", action="store_false", dest="builtins", help="record Python functions only"
    )
    parser.add_argument(
        "-s", "--single-thread", action="store_true", help="record the main thread only, not all threads"
    )
    parser.add_argument(
        "--include", metavar="PATTERN", action="append", default=[],
        help="record only functions of this module (gevent, myapp.*) or path (*/vendor/*), or of stdlib, the"
        " standard library (may be given several times)",
    )  # fmt: skip
    parser.add_argument(
        "--exclude", metavar="PATTERN", action="append", default=[],
        help="do not record functions of this module or path, or of stdlib; their time is their callers' (may"
        " be given several times)",
    )  # fmt: skip
    parser.add_argument(
        "--block-threshold", metavar="SECONDS", type=float, default=BLOCK_THRESHOLD,
        help="a greenlet that runs so long at a stretch, while others of its thread are suspended, is told of"
        " as blocking them (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--hub", metavar="MODULE:FUNCTION", action="append", default=[],
        help="a hub of your own waits for events in this function: time off the CPU there is idle (may be"
        " given several times)",
    )  # fmt: skip
    parser.add_argument(
        "--timeline", action="store_true",
        help="keep the last million switches; .trace.json files are made of them, and ask for it themselves",
    )  # fmt: skip
    parser.add_argument(
        "--spawn-places", action="store_true",
        help="find out where gevent's greenlets were spawned, a microsecond or two for each; the table names"
        " the places",
    )  # fmt: skip
    parser.add_argument(
        "--per-greenlet", action="store_true",
        help="a call tree for each greenlet, instead of one for all of its class",
    )  # fmt: skip
    parser.add_argument(
        "--raw", action="store_true",
        help="times as recorded, with what the profiler's own events cost in them",
    )  # fmt: skip
    return parser
