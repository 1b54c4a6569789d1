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
    names = ["PY_START", "PY_RESUME", "PY_THROW", "PY_RETURN", "PY_YIELD", "PY_UNWIND", "CALL", "C_RETURN", "C_RAISE"]
    monitoring.use_tool_id(monitoring.PROFILER_ID, "empty")
    for name in names:
        monitoring.register_callback(monitoring.PROFILER_ID, getattr(monitoring.events, name), _nothing)
    asked = [getattr(monitoring.events, name) for name in names if not name.startswith("C_")]
    monitoring.set_events(monitoring.PROFILER_ID, sum(asked))
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
    try:
        log.line("ended", calls_seen())
    except BaseException as error:
        log.line("broken", repr(error))
        raise


# -- outcomes --------------------------------------------------------------------------------------------


class ResultFinder:
    """Finds unittest.result when it is first imported, and has it write to the log from then on."""

    def __init__(self, log):
        self._log = log

    def find_spec(self, name, path=None, target=None):
        if name != "unittest.result":
            return None
        sys.meta_path.remove(self)
        import importlib.util

        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            record_outcomes(self._log, module.TestResult)

        spec.loader.exec_module = exec_module
        return spec


def record_outcomes(log, result_class):
    """Has each method that is told of a test's end write that first."""
    for name, outcome in OUTCOMES.items():
        _write_before(result_class, name, lambda test, *details, o=outcome: log.line("test", _id(test), o, _detail(*details)))
    _write_before(result_class, "startTest", lambda test: log.line("test begins", _id(test)))
    _write_before(result_class, "addSubTest", lambda *ended: _write_subtest(log, *ended))


def _write_before(result_class, name, write):
    original = getattr(result_class, name)

    def method(self, *arguments):
        write(*arguments)
        return original(self, *arguments)

    setattr(result_class, name, method)


def _write_subtest(log, test, subtest, error):
    if error is not None:
        failed = issubclass(error[0], test.failureException)
        log.line("test", _id(subtest), "failed" if failed else "error", _detail(error))


def _detail(reason=""):
    """Why a test was skipped, or the name of the exception by which it ended."""
    return reason if isinstance(reason, str) else reason[0].__name__


def _id(test):
    """unittest's, with the true name of a module that was run by -m."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    return test.id().replace("__main__.", f"{spec.name}.") if spec else test.id()


def begin(environment):
    """Does what this module is for, if it was asked for."""
    if LOG_VARIABLE in environment:
        log = Log(environment[LOG_VARIABLE])
        sys.meta_path.insert(0, ResultFinder(log))
        watch_process(log, environment[PROFILER_VARIABLE])


begin(os.environ)
