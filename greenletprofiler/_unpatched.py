"""The interpreter's own locks, whatever gevent or eventlet put in their place.

A patched lock switches greenlets where it would block. Inside a profiler that would run the program in
the middle of the profiler's work.
"""

from __future__ import annotations

import _thread
import sys
from types import TracebackType
from typing import Protocol


class Lock(Protocol):
    """What the package uses of a lock."""

    def __enter__(self) -> bool: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


def allocate_lock() -> Lock:
    """A lock that blocks the thread. Hold it only where no greenlet can switch."""
    if "gevent.monkey" in sys.modules:
        allocate = sys.modules["gevent.monkey"].get_original("_thread", "allocate_lock")
    elif "eventlet.patcher" in sys.modules:
        allocate = sys.modules["eventlet.patcher"].original("_thread").allocate_lock
    else:
        allocate = _thread.allocate_lock
    lock: Lock = allocate()
    return lock
