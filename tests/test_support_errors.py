"""What cannot be profiled is refused with what to do, before the extension is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import greenletprofiler
from greenletprofiler import support
from greenletprofiler.errors import ProfilerError, UnsupportedError

ROOT = Path(greenletprofiler.__file__).parent.parent


def test_this_interpreter_is_supported() -> None:
    support.check()


def test_only_cpython_is_supported() -> None:
    support.check_implementation("cpython")
    with pytest.raises(UnsupportedError, match=r"this is pypy\. Run the program with CPython"):
        support.check_implementation("pypy")


def test_python_before_3_10_is_refused() -> None:
    support.check_python((3, 10, 0))
    support.check_python((4, 0, 0))
    with pytest.raises(UnsupportedError, match=r"Python 3\.10 or later, and this is 3\.9\.18"):
        support.check_python((3, 9, 18))


def test_linux_and_macos_are_supported_and_windows_is_not() -> None:
    support.check_system("linux")
    support.check_system("darwin")
    with pytest.raises(UnsupportedError, match="Linux and macOS, and this is win32"):
        support.check_system("win32")


def test_free_threaded_builds_are_refused() -> None:
    support.check_gil(False)
    with pytest.raises(UnsupportedError, match="needs the global interpreter lock"):
        support.check_gil(True)


def test_sub_interpreters_are_refused() -> None:
    support.check_interpreter(True)
    with pytest.raises(UnsupportedError, match="this is a sub-interpreter"):
        support.check_interpreter(False)


@pytest.mark.parametrize("version", ["3.0.0", "3.0.3", "3.1.1", "4.0", "3.1.0rc1"])
def test_greenlet_3_is_new_enough(version: str) -> None:
    support.check_greenlet(version, (3, 12, 0))


@pytest.mark.parametrize(
    ("version", "python", "remedy"),
    [
        ("2.0.2", (3, 10, 1), r"greenlet 3\.0\.0 or later on Python 3\.10, and 2\.0\.2 is installed"),
        ("3.0.3", (3, 13, 0), r"pip install 'greenlet>=3\.1\.0'"),
        ("0.4.17", (3, 12, 0), r"pip install 'greenlet>=3\.0\.0'"),
        (None, (3, 12, 0), r"not installed\. Install it: pip install 'greenlet>=3\.0\.0'"),
    ],
)
def test_greenlet_that_is_too_old_or_missing_is_refused(
    version: str | None, python: tuple[int, ...], remedy: str
) -> None:
    with pytest.raises(UnsupportedError, match=remedy):
        support.check_greenlet(version, python)


@pytest.mark.parametrize(
    "name",
    [
        "GreenletProfiler-0.1.dist-info",
        "greenletprofiler-0.1.dist-info",
        "GreenletProfiler-0.1-py3.10.egg-info",
    ],
)
def test_the_old_distribution_beside_this_one_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedError, match="pip uninstall -y GreenletProfiler greenlet-profiler"):
        support.check_predecessor(["greenlet_profiler-1.0.dist-info", name], lambda _: False)


@pytest.mark.parametrize("module", ["_vendorized_yappi", "_GreenletProfiler_yappi"])
def test_modules_of_the_old_distribution_are_refused(module: str) -> None:
    with pytest.raises(UnsupportedError, match=f"{module} was found"):
        support.check_predecessor([], lambda name: name == module)


def test_this_distribution_is_not_taken_for_the_old_one() -> None:
    ours = [
        "greenlet_profiler-1.0.dist-info",
        "GreenletProfiler.py",
        "greenletprofiler",
        "greenlet-3.1.dist-info",
    ]
    support.check_predecessor(ours, lambda _: False)


def test_an_error_at_import_is_under_the_common_base_and_loads_no_extension(tmp_path: Path) -> None:
    (tmp_path / "_vendorized_yappi.py").write_text("")
    program = (
        "import sys\n"
        "try:\n"
        "    import greenletprofiler\n"
        "except Exception as error:\n"
        "    print(type(error).__mro__[1].__name__, 'greenletprofiler._native' in sys.modules, error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}"},
    )
    assert result.stdout.startswith("ProfilerError False The old GreenletProfiler 0.1 is installed")
    assert issubclass(UnsupportedError, ProfilerError)


def test_a_sub_interpreter_gets_the_error_and_no_crash() -> None:
    program = (
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "try:\n"
        "    import greenletprofiler\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error, flush=True)\n"
    )
    runner = (
        "import sys\n"
        "try:\n"
        "    import _interpreters as interpreters\n"
        "    new = lambda: interpreters.create('legacy')\n"
        "except ImportError:\n"
        "    import _xxsubinterpreters as interpreters\n"
        "    new = lambda: interpreters.create(isolated=False)\n"
        f"interpreters.run_string(new(), {program!r})\n"
    )
    result = subprocess.run([sys.executable, "-c", runner], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("UnsupportedError ")
    assert "sub-interpreter" in result.stdout
