"""Unusual builds: what is left out in them, by name and with the reason.

    a debug build of CPython        what it, or greenlet in it, cannot do without a profiler either
    a sanitized build of ours       nothing but what is said next
    both                            what a time must be: each event takes many times as long
"""

from __future__ import annotations

import os
import sys
from typing import Final, NamedTuple

import pytest

IS_DEBUG_BUILD: Final = hasattr(sys, "gettotalrefcount")
IS_SANITIZED: Final = "libasan" in os.environ.get("LD_PRELOAD", "")
IS_SLOWED: Final = IS_DEBUG_BUILD or IS_SANITIZED

#: Where sys.monitoring is: a debug build aborts.
CAN_GO_ON_IN_MID_FLIGHT: Final = sys.version_info < (3, 12)
IN_MID_FLIGHT: Final = (
    "the interpreter aborts where a greenlet goes on that was suspended in a call while events were set"
    " (get_tools_for_instruction: debug_check_sanity(interp, code))"
)

BUILD: Final = "a debug build of Python" if IS_DEBUG_BUILD else "a sanitized build"


class LeftOut(NamedTuple):
    """tests: parts of their ids; where: whether that is so in this build."""

    tests: tuple[str, ...]
    why: str
    where: bool = IS_DEBUG_BUILD


LEFT_OUT: Final = (
    LeftOut(
        ("test_the_interpreter_ends_in_peace_while_the_profiler_runs",),
        "greenlet aborts where the interpreter ends with a suspended greenlet whose first function is another"
        " greenlet's switch() (murder_in_place: !this->is_currently_running_in_some_thread())",
    ),
    LeftOut(
        ("test_daemon_threads_at_the_interpreters_end_do_no_harm",),
        "greenlet says 'inner_bootstrap threw unknown exception' of a daemon thread at the interpreter's end",
    ),
    LeftOut(
        ("the_ends_that_eventlet_brings",),
        "the interpreter aborts where eventlet kills a greenlet before it began (_PyObject_Call:"
        " PyTuple_Check(args))",
    ),
    LeftOut(
        ("make_their_own[forkserver-", "from_task_to_task[context.Pool(1)-forkserver",
         "from_task_to_task[concurrent.futures.ProcessPoolExecutor(1, mp_context=context)-forkserver"),
        "the interpreter aborts where a forked process is the first to ask which interpreter it runs in"
        " (_PyInterpreterState_IDDecref: interp->id_refcount != 0)",
        IS_DEBUG_BUILD and sys.version_info < (3, 13),
    ),
    LeftOut(
        (
            "tests/hard/", "tests/oracle/", "tests/test_greenlets.py", "tests/test_profiler_api.py",
            "tests/test_unseen_frames.py", "test_wsgi.py", "exit handler that switches",
            "test_a_monkey_patched_program_is_profiled_with_unpatched_locks",
            "test_any_object_that_the_interpreter_has_no_memory_for",
            "test_any_single_request_for_memory_may_fail", "test_whatever_memory_there_is",
        ),
        IN_MID_FLIGHT,
        IS_DEBUG_BUILD and not CAN_GO_ON_IN_MID_FLIGHT,
    ),
    LeftOut(
        (
            "are_reported_within_a_second", "cpu_time_is_what_the_threads_clock_says",
            "each_has_the_cpu_time_of_its_clock",
        ),
        "events take many times as long, so times are not judged",
        IS_SLOWED,
    ),
)  # fmt: skip


def leave_out(items: list[pytest.Item]) -> None:
    """Marks tests to be skipped."""
    for item in items:
        for tests, why, where in LEFT_OUT:
            if where and any(part in item.nodeid for part in tests):
                item.add_marker(pytest.mark.skip(reason=f"{BUILD}: {why}"))
