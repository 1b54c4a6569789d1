"""The errors of this package. Each message says what happened and what to do about it.

ProfilerError
    UnsupportedError        this Python, system or installation cannot be profiled
    StateError              the call does not fit what the profiler is doing
        AlreadyRunningError
        NotRunningError
        ToolIdsTakenError
    DecorationError         (also a TypeError)
    UsageError              (also a ValueError) a clock, a sort key, an option that does not exist
        ClockError
        FilterError
        FormatError
        DifferenceError
        TimelineError
        TagError
    OutputError             (also an OSError) a file could not be written
"""

from __future__ import annotations


class ProfilerError(Exception):
    """Base of every error that this package raises on purpose."""


class UnsupportedError(ProfilerError):
    """This interpreter, system or installation cannot be profiled; the message names what can."""


class StateError(ProfilerError):
    """The call does not fit what the profiler is doing now."""


class AlreadyRunningError(StateError):
    """start(), while this profiler or another one in this interpreter is running."""


class NotRunningError(StateError):
    """stop(), while the profiler is stopped."""


class ToolIdsTakenError(StateError):
    """Other tools hold every monitoring tool id that a profiler may use."""


class DecorationError(ProfilerError, TypeError):
    """A profiler was asked to decorate something that it cannot time as a call."""


class UsageError(ProfilerError, ValueError):
    """An argument names something that does not exist."""


class ClockError(UsageError):
    """No clock is known by this name."""


class HubError(UsageError):
    """What is to be a hub's polling function names none."""


class ThresholdError(UsageError):
    """No slice can be compared with this length."""


class FilterError(UsageError):
    """A pattern of functions to include or exclude can match none."""


class DifferenceError(UsageError):
    """Two profiles of which neither continues the other."""


class TagError(UsageError):
    """What is to name a part of the program is no name."""


class TimelineError(UsageError):
    """A timeline is asked for of a profile that was recorded without one."""


class FormatError(UsageError):
    """No file format is known by this name or suffix."""


class OutputError(ProfilerError, OSError):
    """A file could not be written."""
