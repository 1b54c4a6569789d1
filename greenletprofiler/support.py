"""What this package cannot run on, found out before the extension is loaded.

Each check takes what it judges as arguments, so that it can be tried on any machine, and raises
UnsupportedError with what to do. check() puts the running interpreter through all of them.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module, util
from pathlib import Path
from typing import Any, Final

from greenletprofiler.errors import UnsupportedError

OLDEST_PYTHON: Final = (3, 10)
OLDEST_GREENLET: Final = (3, 0, 0)
OLDEST_GREENLET_FOR_PYTHON_3_13: Final = (3, 1, 0)

#: What GreenletProfiler 0.1 installs and this package does not.
_PREDECESSOR_MODULES: Final = ("_vendorized_yappi", "_GreenletProfiler_yappi")


def check_implementation(name: str) -> None:
    """`name` as in sys.implementation.name."""
    if name != "cpython":
        raise UnsupportedError(
            f"greenletprofiler works on CPython only, and this is {name}. Run the program with CPython."
        )


def check_python(version: tuple[int, ...]) -> None:
    """`version` as in sys.version_info."""
    if tuple(version[:2]) < OLDEST_PYTHON:
        raise UnsupportedError(
            f"greenletprofiler needs Python {_dotted(OLDEST_PYTHON)} or later, and this is"
            f" {_dotted(version[:3])}. Run the program with a newer Python."
        )


def check_system(platform: str) -> None:
    """`platform` as in sys.platform."""
    if not (platform.startswith("linux") or platform == "darwin"):
        raise UnsupportedError(
            f"greenletprofiler works on Linux and macOS, and this is {platform}."
            " Run the program there; on Windows, WSL will do."
        )


def check_gil(is_free_threaded_build: bool) -> None:
    """A free-threaded build is refused even with its lock turned on: the extension's layout differs."""
    if is_free_threaded_build:
        raise UnsupportedError(
            "greenletprofiler needs the global interpreter lock, and this is a free-threaded build of"
            " Python. Run the program with the ordinary build."
        )


def check_interpreter(is_main: bool) -> None:
    """Only the main interpreter of a process can be profiled."""
    if not is_main:
        raise UnsupportedError(
            "greenletprofiler works in the main interpreter only, and this is a sub-interpreter."
            " Import it from the main interpreter."
        )


def check_greenlet(version: str | None, python: tuple[int, ...]) -> None:
    """`version` of the greenlet distribution, None where it is not installed."""
    oldest = OLDEST_GREENLET_FOR_PYTHON_3_13 if tuple(python[:2]) >= (3, 13) else OLDEST_GREENLET
    remedy = f"Install it: pip install 'greenlet>={_dotted(oldest)}'."
    if version is None:
        raise UnsupportedError(f"greenletprofiler needs greenlet, which is not installed. {remedy}")
    if _leading_numbers(version) < oldest:
        raise UnsupportedError(
            f"greenletprofiler needs greenlet {_dotted(oldest)} or later on Python {_dotted(python[:2])},"
            f" and {version} is installed. {remedy}"
        )


def check_predecessor(installed: Iterable[str], has_module: Callable[[str], bool]) -> None:
    """Refuses GreenletProfiler 0.1 beside us: its GreenletProfiler.py and ours are one file.

    `installed`: names of files where packages are installed; `has_module` says if one can be imported.
    """
    found = next((name for name in installed if _is_predecessor(name)), None)
    found = found or next((module for module in _PREDECESSOR_MODULES if has_module(module)), None)
    if found is not None:
        raise UnsupportedError(
            f"The old GreenletProfiler 0.1 is installed beside greenletprofiler ({found} was found), and"
            " both bring a module named GreenletProfiler. Remove both and install this one again:"
            " pip uninstall -y GreenletProfiler greenlet-profiler && pip install greenlet-profiler."
        )


def check() -> None:
    """Raises UnsupportedError if the running interpreter cannot be profiled."""
    check_implementation(sys.implementation.name)
    check_python(tuple(sys.version_info[:3]))
    check_system(sys.platform)
    check_gil(bool(sysconfig.get_config_var("Py_GIL_DISABLED")))
    check_interpreter(_is_main_interpreter())
    check_greenlet(_greenlet_version(), tuple(sys.version_info[:3]))
    check_predecessor(_installed(), _has_module)


def _is_main_interpreter() -> bool:
    """Sub-interpreters exist for Python code only where a module makes them."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        if util.find_spec(name) is not None:
            interpreters = import_module(name)
            return _id_of(interpreters.get_current()) == _id_of(interpreters.get_main())
    return True


def _id_of(interpreter: Any) -> int:
    """3.10-3.12 give an object that is an integer, later versions (id, how it was made)."""
    return int(interpreter[0] if isinstance(interpreter, tuple) else interpreter)


def _greenlet_version() -> str | None:
    try:
        version: str = import_module("greenlet").__version__
    except ImportError:
        return None
    return version


def _is_predecessor(name: str) -> bool:
    """True of GreenletProfiler-0.1.dist-info; ours begins with greenlet_profiler."""
    return name.lower().startswith("greenletprofiler-") and name.endswith((".dist-info", ".egg-info", ".egg"))


def _installed() -> Iterator[str]:
    """The files of the folders that modules come from. importlib.metadata would take 50 ms longer."""
    for folder in sys.path:
        with suppress(OSError):
            yield from (path.name for path in Path(folder).iterdir())


def _has_module(name: str) -> bool:
    return name in sys.modules or util.find_spec(name) is not None


def _leading_numbers(version: str) -> tuple[int, ...]:
    """(3, 1, 0) of "3.1.0rc1"."""
    numbers = []
    for part in version.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def _dotted(version: Iterable[object]) -> str:
    return ".".join(map(str, version))
