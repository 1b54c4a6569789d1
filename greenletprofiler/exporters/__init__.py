"""File formats by name and by file name, and save(), which picks one.

A format is one entry of FORMATS: its name, the endings and beginnings of file names that mean it, and the
function that writes a profile to a binary file. Formats know profiles; profiles know no format.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from greenletprofiler._generated import ours
from greenletprofiler.errors import FormatError
from greenletprofiler.exporters.callgrind import write_callgrind
from greenletprofiler.exporters.chrome_trace import write_chrome_trace
from greenletprofiler.exporters.json import write_json
from greenletprofiler.exporters.pstats import write_pstats
from greenletprofiler.output import write_file
from greenletprofiler.profile import Profile
from greenletprofiler.values import Clock


@ours
@dataclass(frozen=True, slots=True)
class Format:
    """A file format. `prefix`: of file names, None where only suffixes mean it. needs_timeline: it is made of
    what Profiler(timeline=True) records."""

    name: str
    suffixes: tuple[str, ...]
    write: Callable[[Profile, BinaryIO, Clock], None]
    prefix: str | None = None
    needs_timeline: bool = False

    def match(self, file_name: str) -> int:
        """How many characters of a file's name say that it is to have this format."""
        name = file_name.lower()
        lengths = [len(suffix) for suffix in self.suffixes if name.endswith(suffix)]
        if self.prefix is not None and file_name.startswith(self.prefix):
            lengths.append(len(self.prefix))
        return max(lengths, default=0)


FORMATS: Final = (
    # callgrind.out.PID is what valgrind writes, and what KCachegrind looks for
    Format("callgrind", (".callgrind",), write_callgrind, prefix="callgrind.out"),
    Format("pstats", (".pstats", ".prof"), write_pstats),
    Format("chrome-trace", (".trace.json", ".trace"), write_chrome_trace, needs_timeline=True),
    Format("json", (".json",), write_json),
)


def find_format(path: str | os.PathLike[str], name: str | None = None) -> Format:
    """The format of this name, or the one that most of the file's name means. Raises FormatError."""
    if name is not None:
        found = [known for known in FORMATS if known.name == name]
        problem = f"There is no file format named {name!r}"
    else:
        file_name = Path(path).name
        matching = sorted(FORMATS, key=lambda known: known.match(file_name), reverse=True)
        found = [known for known in matching if known.match(file_name)]
        problem = f"The name {os.fspath(path)!r} does not tell a file format"
    if not found:
        raise FormatError(f"{problem}: use {_known()}.")
    return found[0]


def save(profile: Profile, path: str | os.PathLike[str], format_name: str | None, clock: Clock) -> None:
    """Writes the profile to `path`. Raises FormatError or OutputError."""
    chosen = find_format(path, format_name)
    write_file(path, lambda out: chosen.write(profile, out, clock))


def _known() -> str:
    return " or ".join(f"{known.name} ({', '.join(known.suffixes)})" for known in FORMATS)
