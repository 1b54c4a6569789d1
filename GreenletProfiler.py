"""GreenletProfiler: the interface of GreenletProfiler 0.1 over greenletprofiler. Scripts run unchanged.

    import GreenletProfiler

    GreenletProfiler.set_clock_type("cpu")
    GreenletProfiler.start()
    my_function()
    GreenletProfiler.stop()
    stats = GreenletProfiler.get_func_stats()
    stats.print_all()
    stats.save("profile.callgrind", type="callgrind")

Times are in seconds; "wall" is elapsed time: a function's own and that of what it called, the time that its
greenlet was switched out included. Counting goes on over stop() and start() until clear_stats().

What differs from 0.1:
    - Both clocks are always recorded, so set_clock_type() may be called at any time, and chooses what
      get_func_stats() and its kind show from then on. In 0.1 it raised an error once there were statistics.
    - get_thread_stats() tells threads, as Yappi does, and get_greenlet_stats() greenlets; 0.1 gave greenlets
      for threads. `ctx_id` of a function is the `id` of the first thread in which it ran.
    - A function that was running at start() and has called something since has a row, with ncall 0.
    - Times are as recorded, with what the profiler's own events cost in them, as in 0.1; a Profile has taken
      that out.
    - Built-in functions are named as cProfile names them: <built-in method builtins.len>.
    - A method is "Class.method" after the class that defines it, whatever its first argument is called.
    - Files that save() writes as "ystat" are JSON; pickles of 0.1 are not read.
    - Callgrind files are in nanoseconds, and pstat files have calls and primitive calls in the usual order.
"""

from __future__ import annotations

import sys
from typing import Any

from greenletprofiler.dropin.command import main
from greenletprofiler.dropin.files import convert2pstats
from greenletprofiler.dropin.recording import RECORDING
from greenletprofiler.dropin.stats import (
    YappiError,
    YChildFuncStat,
    YChildFuncStats,
    YFuncStat,
    YFuncStats,
    YGreenletStat,
    YGreenletStats,
    YThreadStat,
    YThreadStats,
)
from greenletprofiler.values import CLOCKS

__all__ = [
    "YChildFuncStat",
    "YChildFuncStats",
    "YFuncStat",
    "YFuncStats",
    "YGreenletStat",
    "YGreenletStats",
    "YThreadStat",
    "YThreadStats",
    "YappiError",
    "clear_stats",
    "convert2pstats",
    "get_clock_type",
    "get_func_stats",
    "get_greenlet_stats",
    "get_mem_usage",
    "get_thread_stats",
    "is_running",
    "set_clock_type",
    "start",
    "stop",
]


def start(builtins: bool = False, profile_threads: bool = True) -> None:
    """Starts profiling, or goes on; nothing if it is running.

    builtins: record functions written in C too. profile_threads: record all threads, not only this one.
    Raises AlreadyRunningError while a greenletprofiler.Profiler is running.
    """
    RECORDING.start(builtins, profile_threads)


def stop() -> None:
    """Stops profiling; nothing if it is stopped. What was counted is kept."""
    RECORDING.stop()


def is_running() -> bool:
    """True between start() and stop()."""
    return RECORDING.running


def clear_stats() -> None:
    """Forgets what was counted. While running, counting goes on from zero."""
    RECORDING.clear()


def set_clock_type(type: str) -> None:  # noqa: A002  its name in 0.1
    """Chooses the clock that is shown, "cpu" or "wall". Raises YappiError for another."""
    for clock in CLOCKS:
        if clock == type.lower():
            RECORDING.clock = clock
            return
    raise YappiError(f"Invalid clock type:{type.upper()}. Use cpu or wall.")


def get_clock_type() -> dict[str, Any]:
    """The clock that is shown: its type ("cpu" or "wall"), the api that it comes from, and its resolution."""
    source = "CLOCK_THREAD_CPUTIME_ID" if RECORDING.clock == "cpu" else "CLOCK_MONOTONIC"
    return {"type": RECORDING.clock, "api": f"clock_gettime({source})", "resolution": "1ns"}


def get_func_stats() -> YFuncStats:
    """The functions up to now, the most time first."""
    return YFuncStats().get()


def get_thread_stats() -> YThreadStats:
    """The threads up to now, the most time first."""
    return YThreadStats().get()


def get_greenlet_stats() -> YGreenletStats:
    """The greenlets up to now, the most time first."""
    return YGreenletStats().get()


def get_mem_usage() -> int:
    """Bytes that the profiler holds for what it counted."""
    return RECORDING.memory_bytes


if __name__ == "__main__":
    sys.exit(main())
