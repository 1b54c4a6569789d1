"""greenletprofiler: a deterministic profiler that knows greenlets.

    from greenletprofiler import Profiler

    with Profiler() as profiler:
        main()
    profile = profiler.snapshot()
    profile.print()
    profile.save("main.callgrind")

Profiler records, Profile is what was recorded: functions, edges, call tree, threads, greenlets, with CPU and
wall time at once. Errors are in greenletprofiler.errors, under ProfilerError.

Importing it raises UnsupportedError where it cannot work (see support.py).
"""

from __future__ import annotations

from greenletprofiler import support

support.check()

from greenletprofiler import errors  # noqa: E402  what follows loads the extension
from greenletprofiler._version import __version__  # noqa: E402
from greenletprofiler.errors import ProfilerError  # noqa: E402
from greenletprofiler.profile import Profile  # noqa: E402
from greenletprofiler.profiler import Profiler  # noqa: E402

__all__ = ["Profile", "Profiler", "ProfilerError", "__version__", "errors"]
