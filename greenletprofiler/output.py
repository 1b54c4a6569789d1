"""Files that are written whole or not at all, for their owner's eyes.

A profile names files and functions of the program and gets mailed around, so it is made with mode 0600. It
is written beside its destination and then renamed: who opens the destination finds the old file or the
new one. What is not a regular file (/dev/stdout, a pipe) is written to directly.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from greenletprofiler.errors import OutputError


def check_destination(path: str | os.PathLike[str]) -> None:
    """Raises OutputError if a file could not be written to `path` as things are now. Writes nothing."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise OutputError(f"{path} is a folder: give a file name.")
    if _is_special(target):
        if not os.access(target, os.W_OK):
            raise OutputError(f"{path} cannot be written to.")
    elif not target.parent.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {target.parent}. Make it first.")
    elif not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be written: files cannot be made in {target.parent}.")


def write_file(path: str | os.PathLike[str], write: Callable[[BinaryIO], None]) -> None:
    """Lets `write` fill the file. Raises OutputError; the destination is then as it was."""
    check_destination(path)
    target = Path(os.path.realpath(path))
    try:
        if _is_special(target):
            with target.open("wb") as out:
                write(out)
        else:
            _write_beside(target, write)
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror or error}.") from error


def _write_beside(target: Path, write: Callable[[BinaryIO], None]) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out:
            write(out)
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _is_special(target: Path) -> bool:
    """True of a device, a pipe, a socket."""
    return target.exists() and not target.is_file()
