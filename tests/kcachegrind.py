"""Loads a file in the real KCachegrind, without a screen, and tells what it said.

KCachegrind keeps no exit code for a file that it cannot read. What it does is log: an error in a line is a
critical message. That a file has nothing for it is one too in newer versions; older ones show a message box,
which is among the debug messages of accessibility. After a file is loaded there is the bar of tabs for the
function that it selects.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

DEADLINE_SECONDS = 120
MISSING = [program for program in ("kcachegrind", "dbus-run-session") if shutil.which(program) is None]
needs_kcachegrind = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

LOADED = re.compile(r"^qt\.gui\.shortcutmap\|debug\|.*addShortcut\(TabBar\(")
REFUSED = re.compile(r"Could not open the file|No data found")
COMPLAINT = re.compile(r'^default\|(?:critical|warning)\|(Loading ".*)')


def load_in_kcachegrind(path: Path, home: Path) -> tuple[bool, list[str]]:
    """Whether it loaded the file, and its complaints about it. `home`: an empty folder for its settings."""
    complaints = []
    with _started(path, home) as log:
        for line in log:
            if complaint := COMPLAINT.match(line):
                complaints.append(complaint.group(1))
            if LOADED.search(line):
                return True, complaints
            if REFUSED.search(line):
                break
    return False, complaints


def first_complaint_of_kcachegrind(path: Path, home: Path) -> str:
    """What it complains of first; empty if it loads the file without."""
    with _started(path, home) as log:
        for line in log:
            if complaint := COMPLAINT.match(line):
                return complaint.group(1)
            if LOADED.search(line):
                break
    return ""


@contextlib.contextmanager
def _started(path: Path, home: Path) -> Iterator[Iterator[str]]:
    """What it logs while it runs."""
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "QT_LOGGING_RULES": "*.debug=true",
        "QT_MESSAGE_PATTERN": "%{category}|%{type}|%{message}",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "LC_ALL": "C.UTF-8",
    }
    process = subprocess.Popen(
        ["dbus-run-session", "--", "kcachegrind", str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
        start_new_session=True,
    )
    assert process.stderr is not None
    deadline = threading.Timer(DEADLINE_SECONDS, _end, [process])
    deadline.start()
    try:
        yield iter(process.stderr)
    finally:
        deadline.cancel()
        _end(process)
        process.communicate()


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
