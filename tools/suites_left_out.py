"""Tests of other projects that cannot end alike under a profiler, and why: see suites.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LeftOut:
    """test: a pattern of its name. versions: of Python, all if empty.

    any_profiler: other profilers change it too, which is looked at each time. Otherwise the reason tells why
    ours alone does.
    """

    suite: str
    test: str
    reason: str
    versions: str = ""
    any_profiler: bool = True


ALREADY_INSTRUMENTED = (
    "counts on the code that sets an event being run without events: where a tool has them on already, the"
    " interpreter tells the new one of the return of the call that set it too"
)

SPECIALISED = "asserts that code has been specialised in a way that code with events is not"

THREADING = "asserts that nothing has imported threading; the profiler has, before the program began"

LEAKS_ANYWAY = (
    "rests on how far greenlet can clean up what a thread's C stack still holds, and \"sometimes spuriously"
    " passes\", as it says itself; any profile function is in the way of that"
)

ONE_PROFILE_FUNCTION = (
    "asserts that a thread of gevent's pool has no profile function; the profiler records those threads too,"
    " which others do not, and up to 3.11 it is such a function"
)

TWO_SECONDS = (
    "gives sixteen interpreters two seconds, and importing the profiler takes a tenth of a second in each;"
    " with the time that gevent gives it in continuous integration it ends alike (GITHUB_ACTIONS=true)"
)

LEFT_OUT: tuple[LeftOut, ...] = (
    LeftOut(
        "greenlet", "greenlet.tests.test_tracing.TestPythonTracing.test_trace_events_*", ALREADY_INSTRUMENTED
    ),
    LeftOut(
        "greenlet", "greenlet.tests.test_leaks.*.test_issue251_issue252_need_to_collect_in_background",
        LEAKS_ANYWAY, versions="3.10 3.11",
    ),
    LeftOut(
        "cpython", "test.test_sys_setprofile.TestEdgeCases.test_method_with_c_function", ALREADY_INSTRUMENTED
    ),
    LeftOut("cpython", "test.test_monitoring.MonitoringCountTest.test_c_return_count", ALREADY_INSTRUMENTED),
    LeftOut("cpython", "test.test_monitoring.SimulateProfileTest.test_frame_stack", ALREADY_INSTRUMENTED),
    LeftOut("cpython", "test.test_monitoring.TestLoadSuperAttr.test_*", ALREADY_INSTRUMENTED),
    LeftOut("cpython", "test.test_monitoring.TestManyEvents.test_*", ALREADY_INSTRUMENTED),
    LeftOut("cpython", "test.test_monitoring.*.test_no_unwind_for_shim_frame", SPECIALISED),
    LeftOut(
        "gevent", "gevent.tests.test__threadpool.TestWorkerProfileAndTrace.test_profile_called_in_task",
        ONE_PROFILE_FUNCTION, versions="3.10 3.11", any_profiler=False,
    ),
    LeftOut(
        "gevent", "gevent.tests.test__monkey_fork_atomic.Test.test_forks_do_not_overlap", TWO_SECONDS,
        any_profiler=False,
    ),
    LeftOut(
        "cpython", "test.test_threading.*.test_import_from_another_thread", THREADING, any_profiler=False
    ),
)
