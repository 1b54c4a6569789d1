"""What a debug build of CPython itself, or greenlet in it, cannot do: left out there, by name.

Each fails in the same way in a program that does not import the profiler.
"""

from __future__ import annotations

import sys
from typing import Final

import pytest

IS_DEBUG_BUILD: Final = hasattr(sys, "gettotalrefcount")

#: How the name of a test begins, a part of its parameters, and why it cannot work.
LEFT_OUT: Final = (
    (
        "test_the_interpreter_ends_in_peace_while_the_profiler_runs",
        "",
        "greenlet aborts where the interpreter ends with a suspended greenlet whose first function is another"
        " greenlet's switch() (murder_in_place: !this->is_currently_running_in_some_thread())",
    ),
    (
        "test_daemon_threads_at_the_interpreters_end_do_no_harm",
        "",
        "greenlet says 'inner_bootstrap threw unknown exception' of a daemon thread at the interpreter's end",
    ),
    (
        "test_a_profile",
        "the_ends_that_eventlet_brings",
        "the interpreter aborts where eventlet kills a greenlet before it began (_PyObject_Call:"
        " PyTuple_Check(args))",
    ),
)

#: The same, of versions before 3.13.
LEFT_OUT_BEFORE_3_13: Final = (
    (
        "test_processes",
        "forkserver",
        "the interpreter aborts where a forked process is the first to ask which interpreter it runs in"
        " (_PyInterpreterState_IDDecref: interp->id_refcount != 0)",
    ),
)


def leave_out(items: list[pytest.Item]) -> None:
    """Marks tests to be skipped."""
    left_out = LEFT_OUT + (LEFT_OUT_BEFORE_3_13 if sys.version_info < (3, 13) else ())
    for item in items:
        for name, parameter, reason in left_out:
            if item.name.startswith(name) and parameter in item.name:
                item.add_marker(pytest.mark.skip(reason=f"a debug build of Python: {reason}"))
