"""What tools/suites.py has in every process of another project's test suite.

A .pth file of the environment imports it when an interpreter starts, also one that is started with -I or -E.
Without the variable that names the log it does nothing. Otherwise it

    - starts the profiler that was asked for, and leaves it running to the very end
    - writes how each test of unittest ended, whatever runner there is
    - writes which processes began, were forked and ended by themselves, and how many calls were seen in them

The log has a line an event, a tuple of what literal_eval() can read, written by one write() each. Nothing is
kept open, and nothing is imported beside the profiler, for there are tests that would see it.
"""

from __future__ import annotations

import os
import sys

LOG_VARIABLE = "GREENLETPROFILER_SUITES_LOG"
PROFILER_VARIABLE = "GREENLETPROFILER_SUITES_PROFILER"

#: The program may replace them.
_open, _write, _close, _getpid = os.open, os.write, os.close, os.getpid

#: What unittest.TestResult is told of a test that has ended, and what that means.
OUTCOMES = {
    "addSuccess": "ok",
    "addError": "error",
    "addFailure": "failed",
    "addSkip": "skipped",
    "addExpectedFailure": "expected failure",
    "addUnexpectedSuccess": "unexpected success",
}


class Log:
    """Lines at the end of a file that many processes write to."""

    def __init__(self, path):
        self._path = path

    def line(self, *values):
        file = _open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _write(file, ascii((_getpid(), *values)).encode() + b"\n")
        finally:
            _close(file)


# -- profilers -------------------------------------------------------------------------------------------
# Each function starts one, and returns a function that says how many calls it has seen.


def start_greenletprofiler():
    from greenletprofiler import Profiler

    profiler = Profiler()
    profiler.start()
    return lambda: sum(profiler.snapshot().call_tree.calls)


def start_cprofile():
    """Another project's profiler, to see what any profiler changes."""
    import cProfile

    profiler = cProfile.Profile()
    profiler.enable()
    return lambda: sum(entry.callcount for entry in profiler.getstats())


def start_empty():
    """A tool that does nothing, of the events that this interpreter's profilers use."""
    return _empty_monitoring() if hasattr(sys, "monitoring") else _empty_profile_function()


def _empty_monitoring():
    monitoring = sys.monitoring
    names = ["PY_START", "PY_RESUME", "PY_THROW", "PY_RETURN", "PY_YIELD", "PY_UNWIND"]
    names += ["CALL", "C_RETURN", "C_RAISE"]
    tool = 3  # as ours
    monitoring.use_tool_id(tool, "empty")
    for name in names:
        monitoring.register_callback(tool, getattr(monitoring.events, name), _nothing)
    asked = [getattr(monitoring.events, name) for name in names if not name.startswith("C_")]
    monitoring.set_events(tool, sum(asked))
    return lambda: 1


def _empty_profile_function():
    import threading

    threading.setprofile(_nothing)
    sys.setprofile(_nothing)
    return lambda: 1


def _nothing(*_):
    pass


PROFILERS = {
    "off": lambda: lambda: 0,
    "greenletprofiler": start_greenletprofiler,
    "cprofile": start_cprofile,
    "empty": start_empty,
}


# -- processes -------------------------------------------------------------------------------------------


def watch_process(log, profiler):
    """Starts the profiler, and writes of the process and of its end."""
    import atexit

    try:
        calls_seen = PROFILERS[profiler]()
    except ImportError as error:  # in a sub-interpreter
        log.line("refused", repr(error))
        return
    log.line("began", os.getppid(), list(sys.orig_argv))
    atexit.register(_write_end, log, calls_seen)
    os.register_at_fork(after_in_child=lambda: log.line("forked", os.getppid()))


def _write_end(log, calls_seen):
    """The collector must not run for the objects that are made here: what it finds is to be found later."""
    import gc

    was_enabled = gc.isenabled()
    gc.disable()
    try:
        log.line("ended", calls_seen())
    except BaseException as error:
        log.line("broken", repr(error))
        raise
    finally:
        if was_enabled:
            gc.enable()


# -- outcomes --------------------------------------------------------------------------------------------


class AfterImport:
    """Calls a function with a module when that has first been imported."""

    def __init__(self, name, function):
        self._name = name
        self._function = function
        sys.meta_path.insert(0, self)

    def find_spec(self, name, path=None, target=None):
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        import importlib.util

        spec = importlib.util.find_spec(name)
        spec.loader.exec_module = self._executing(spec.loader.exec_module)
        return spec

    def _executing(self, execute):
        def exec_module(module):
            execute(module)
            self._function(module)

        return exec_module


def record_outcomes(log, result_class):
    """Has each method that is told of a test's end write that first."""
    for name, outcome in OUTCOMES.items():
        _write_before(result_class, name, _outcome_writer(log, outcome))
    _write_before(result_class, "startTest", lambda test: log.line("test begins", _id(test)))
    _write_before(result_class, "addSubTest", lambda *ended: _write_subtest(log, *ended))


def _write_before(result_class, name, write):
    original = getattr(result_class, name)

    def method(self, *arguments):
        write(*arguments)
        return original(self, *arguments)

    setattr(result_class, name, method)


def _outcome_writer(log, outcome):
    return lambda test, *details: log.line("test", _id(test), outcome, _detail(*details))


def _write_subtest(log, test, subtest, error):
    """A test ends with what its subtests end with, if that is not well."""
    if error is not None:
        failed = issubclass(error[0], test.failureException)
        log.line("test", _id(test), "failed" if failed else "error", _detail(error))


def _detail(reason=""):
    """Why a test was skipped, or the name of the exception by which it ended."""
    return reason if isinstance(reason, str) else reason[0].__name__


def _id(test):
    """unittest's, with the true name of a module that was run by -m."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    return test.id().replace("__main__.", f"{spec.name}.") if spec else test.id()


# -- room for a tool in tests of tools -------------------------------------------------------------------


def make_room(test_monitoring):
    """Its tests want all of the tool ids that ours may have, and that nothing is asked for by any tool.

    One that fails leaves its own tools on, and takes all others with it, so these are freed before each.
    """
    test_monitoring.TEST_TOOL2 = 1
    tools = [test_monitoring.TEST_TOOL, test_monitoring.TEST_TOOL2, test_monitoring.TEST_TOOL3]
    set_up = test_monitoring.MonitoringTestBase.setUp

    def set_up_free(self):
        for tool in tools:
            _free(tool)
        set_up(self)

    test_monitoring.MonitoringTestBase.setUp = set_up_free
    _hide_tools(sys.monitoring)


def _free(tool):
    if sys.monitoring.get_tool(tool) is not None:
        sys.monitoring.set_events(tool, 0)
        sys.monitoring.free_tool_id(tool)


def _hide_tools(monitoring):
    """What is asked for now, by the profiler, does not count."""
    tools_of, events_of, tools_here = monitoring._all_events, monitoring.get_events, monitoring._all_events()
    events_here = [events_of(tool) for tool in range(6)]

    def _all_events():
        without = {name: tools & ~tools_here.get(name, 0) for name, tools in tools_of().items()}
        return {name: tools for name, tools in without.items() if tools}

    monitoring._all_events = _all_events
    monitoring.get_events = lambda tool: events_of(tool) & ~events_here[tool]


def begin(environment):
    """Does what this module is for, if it was asked for."""
    if LOG_VARIABLE in environment:
        log = Log(environment[LOG_VARIABLE])
        AfterImport("unittest.result", lambda module: record_outcomes(log, module.TestResult))
        AfterImport("test.test_monitoring", make_room)
        watch_process(log, environment[PROFILER_VARIABLE])


begin(os.environ)
