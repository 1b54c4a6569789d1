"""Prints the CPythons from 3.10 up on this machine, one of each minor version: "3.12 /path/to/python".

Looked for on PATH (python3, python3.10, ...) and among pyenv's. One that cannot build an extension in a
virtual environment (no headers, no venv, free-threaded) is left out, and said so on standard error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

OLDEST_MINOR = 10
NEWEST_MINOR = 30  # far enough

#: Run by each candidate. Prints its version and path, or why it is of no use.
PROBE = """
import importlib.util, os, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
headers = os.path.join(sysconfig.get_path("include"), "Python.h")
def why_not():
    if sys.implementation.name != "cpython" or sys.version_info < (3, 10):
        return "old"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "is free-threaded"
    if not os.path.exists(headers):
        return "has no headers (" + headers + ")"
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        return "has no venv with pip"
print(version, sys.executable, why_not() or "", sep="\\n")
"""


def candidates() -> Iterator[str]:
    for name in ["python3", *(f"python3.{minor}" for minor in range(OLDEST_MINOR, NEWEST_MINOR))]:
        found = shutil.which(name)
        if found:
            yield found
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(root.glob("versions/*/bin/python")))


def probe(python: str) -> tuple[str, str, str] | None:
    """(version, executable, why it is of no use), or None if it does not run."""
    try:
        answer = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, timeout=60)
    except OSError:
        return None
    if answer.returncode != 0:  # a pyenv shim without a version, or a Python too old for the probe
        return None
    version, executable, why_not = answer.stdout.split("\n")[:3]
    return version, executable, why_not


def main() -> int:
    found: dict[str, str] = {}
    useless: dict[str, str] = {}
    for candidate in candidates():
        answer = probe(candidate)
        if answer is None or answer[2] == "old":
            continue
        version, executable, why_not = answer
        if why_not:
            useless[executable] = f"{version} {why_not}"
        else:
            found.setdefault(version, executable)
    for executable, reason in useless.items():
        print(f"left out: {executable}: Python {reason}", file=sys.stderr)
    for version in sorted(found, key=lambda version: int(version.split(".")[1])):
        print(version, found[version])
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
