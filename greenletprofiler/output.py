"""Files that are written whole or not at all, for their owner's eyes.

A profile names files and functions of the program and gets mailed around, so it is made with mode 0600. It
is written beside its destination and then renamed: who opens the destination finds the old file or the
new one. What is not a regular file (/dev/stdout, a pipe) is written to directly.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from greenletprofiler.errors import OutputError


def check_destination(path: str | os.PathLike[str]) -> None:
    """Raises OutputError if a file could not be written to `path` as things are now. Writes nothing."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise OutputError(f"{path} is a folder: give a file name.")
    if _is_special(target):
        if not os.access(target, os.W_OK):
            raise OutputError(f"{path} cannot be written to.")
    elif not os.path.isdir(folder):
        raise OutputError(f"{path} cannot be written: there is no folder {folder}. Make it first.")
    elif not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be written: files cannot be made in {folder}.")


def write_file(path: str | os.PathLike[str], write: Callable[[BinaryIO], None]) -> None:
    """Lets `write` fill the file. Raises OutputError; the destination is then as it was."""
    check_destination(path)
    target = os.path.realpath(path)
    try:
        if _is_special(target):
            with open(target, "wb") as out:
                write(out)
        else:
            _write_beside(target, write)
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror or error}.") from error


def _write_beside(target: str, write: Callable[[BinaryIO], None]) -> None:
    folder, name = os.path.split(target)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", suffix=".tmp", dir=folder)
    try:
        with open(descriptor, "wb") as out:
            write(out)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _is_special(target: str) -> bool:
    """True of a device, a pipe, a socket."""
    try:
        return not stat.S_ISREG(os.stat(target).st_mode)
    except OSError:
        return False
