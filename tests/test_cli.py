"""The command: what the program sees and how it ends is as without profiler, and its profile is written."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
from commands import (
    COMMAND,
    callers_in,
    calls_in,
    end_by,
    entries_in,
    environment,
    run,
    run_plain,
    started,
    wait_for_line,
    without_table,
)

import greenletprofiler

CONSOLE_SCRIPT = Path(sysconfig.get_path("scripts")) / "greenletprofiler"

#: Prints everything that a program can see of how it was started.
SHOW_SURROUNDINGS = """
import sys
main = sys.modules["__main__"]
print(__name__, main.__dict__ is globals(), sys.argv, sys.path)
plain = (str, type(None), dict)
print({name: value for name, value in sorted(vars(main).items()) if isinstance(value, plain)})
print(sorted(vars(main)), type(__builtins__), type(__loader__), __loader__.name, __loader__.path)
print(__spec__ and (__spec__.name, __spec__.origin, __spec__.parent, __spec__.cached))
print(sys.flags, sys.exc_info())
"""

#: Each program, and what it is an example of, is run with and without profiler.
PROGRAMS = {
    "what it sees": SHOW_SURROUNDINGS,
    "exit": "import sys; sys.exit()",
    "exit with a number": "import sys; sys.exit(3)",
    "exit with a negative number": "import sys; sys.exit(-1)",
    "exit with True": "import sys; sys.exit(True)",
    "exit with a message": "import sys; sys.exit('the message')",
    "exit with an object": "raise SystemExit((1, 2))",
    "error": "def inner():\n    1 / 0\ninner()",
    "chained errors": (
        "def inner():\n    raise KeyError('first')\n"
        "try:\n    inner()\nexcept KeyError as error:\n    raise ValueError('second') from error"
    ),
    "error while handling another": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    undefined",
    "error in an import": "import broken",
    "missing import": "import nowhere_to_be_found",
    "interrupted": "raise KeyboardInterrupt",
    "a kind of KeyboardInterrupt": "class Stop(KeyboardInterrupt): pass\nraise Stop",
    "excepthook": "import sys\nsys.excepthook = lambda *args: print(args[:2], args[2].tb_lineno)\n1 / 0",
    "excepthook that exits": "import sys\nsys.excepthook = lambda *args: sys.exit(7)\n1 / 0",
    "excepthook that fails": "import sys\ndef hook(*args):\n    {}['x']\nsys.excepthook = hook\n1 / 0",
    "exit handlers and threads": (
        "import atexit, threading\n"
        "atexit.register(print, 'handler')\n"
        "ended = threading.Event()\n"
        "threading.Thread(target=lambda: (ended.wait(), print('thread'))).start()\n"
        "print('main')\n"
        "threading.Thread(target=ended.set).start()"
    ),
    "pool that nobody closes": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor(2)\nprint(list(pool.map(abs, [-1, -2])))"
    ),
    "error with threads": "import threading\nthreading.Thread(target=print, args=('thread',)).start()\n1 / 0",
    "pickling": (
        "import pickle\nclass Own: pass\nprint(type(pickle.loads(pickle.dumps(Own()))) is Own)"
    ),
    "processes": (
        "import multiprocessing, sys\n"
        "def work(number):\n    return number * 2\n"
        "if __name__ == '__main__':\n"
        "    for method in ('fork', 'spawn'):\n"
        "        with multiprocessing.get_context(method).Pool(1) as pool:\n"
        "            print(pool.map(work, [1, 2]))\n"
    ),
    "forked child that ends by itself": (
        "import os, sys\nprint('before', flush=True)\n"
        "child = os.fork()\n"
        "if child:\n    print(os.waitpid(child, 0)[1])\n"
        "else:\n    print('in the child')\n    sys.exit(4)"
    ),
    "closed standard output": "import sys\nprint('x')\nsys.stdout.close()",
    "source with an encoding": "# coding: latin-1\nprint(ascii('\u00e9'))",
}


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_script_runs_and_ends_as_without_profiler(source: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("undefined")
    (tmp_path / "program.py").write_bytes(source.encode("latin-1"))
    plain = run_plain("program.py", "-o", "--", "x y", folder=tmp_path)
    profiled = run("-o", "out.pstats", "program.py", "-o", "--", "x y", folder=tmp_path)
    assert profiled.returncode == plain.returncode
    assert profiled.stdout == plain.stdout
    assert without_table(profiled.stderr) == plain.stderr
    assert calls_in(tmp_path / "out.pstats")["<module>"] >= 1


@pytest.mark.parametrize("path", ["./program.py", "inner/../program.py", "inner/link.py", "inner/other.py"])
def test_a_script_sees_the_path_that_was_given(path: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(SHOW_SURROUNDINGS)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "other.py").write_text(SHOW_SURROUNDINGS)
    (tmp_path / "inner" / "link.py").symlink_to("../program.py")
    assert run(path, folder=tmp_path).stdout == run_plain(path, folder=tmp_path).stdout


@pytest.mark.parametrize(
    "module", ["single", "package", "package.inner", "package.deeper", "package.deeper.leaf"]
)
def test_a_module_sees_what_python_m_shows(module: str, tmp_path: Path) -> None:
    deeper = tmp_path / "package" / "deeper"
    deeper.mkdir(parents=True)
    (tmp_path / "package" / "__init__.py").write_text("import sys; print('package', sys.argv, sys.path[0])")
    (tmp_path / "package" / "inner.py").write_text(SHOW_SURROUNDINGS)
    (deeper / "leaf.py").write_text(SHOW_SURROUNDINGS)
    for folder in (deeper, tmp_path / "package"):
        (folder / "__main__.py").write_text(SHOW_SURROUNDINGS)
    (tmp_path / "single.py").write_text(SHOW_SURROUNDINGS)
    arguments = ("-m", module, "-s", "-m", "x")
    assert run(*arguments, folder=tmp_path).stdout == run_plain(*arguments, folder=tmp_path).stdout


@pytest.mark.parametrize(
    "options",
    [
        ["-m", "program"],
        ["-mprogram"],
        ["-sm", "program"],
        ["-smprogram"],
        ["-cwall", "-m", "program"],
        ["-sc", "wall", "-o", "-o.prof", "program.py"],
        ["-sc", "wall", "-oc.prof", "--", "program.py"],
        ["--clock", "cpu", "--output", "a.prof", "program.py"],
        ["--clock=cpu", "--output=-m.prof", "program.py"],
    ],
    ids=" ".join,
)
def test_options_end_where_the_program_begins(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import sys; print(sys.argv[1:])")
    result = run(*options, "-s", "--help", folder=tmp_path)
    if "-o.prof" in options:
        assert_refused(result, "-o")
    else:
        assert (result.returncode, result.stdout) == (0, "['-s', '--help']\n")


def test_the_console_script_and_python_m_are_the_same_command(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(SHOW_SURROUNDINGS)
    by_script = run("-o", "a.pstats", "program.py", folder=tmp_path, command=[str(CONSOLE_SCRIPT)])
    by_module = run("-o", "b.pstats", "program.py", folder=tmp_path)
    assert by_script.stdout == by_module.stdout != ""
    assert calls_in(tmp_path / "a.pstats") == calls_in(tmp_path / "b.pstats")


def test_modules_that_a_program_may_patch_are_not_loaded_before_it(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import sys; print(*sys.modules, sep='\\n')")
    plain = set(run_plain("program.py", folder=tmp_path).stdout.split())
    loaded = set(run("program.py", folder=tmp_path).stdout.split())
    assert (loaded - plain).isdisjoint({"gevent", "logging", "selectors", "socket", "ssl", "subprocess"})


# -- what is in the profile --------------------------------------------------------------------------------

CALLS = """
def outer():
    for _ in range(3):
        in_a_loop()

def in_a_loop():
    len("x")

outer()
"""


def test_the_profile_holds_the_program_and_nothing_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(CALLS)
    run("-o", "out.pstats", "program.py", folder=tmp_path)
    calls = calls_in(tmp_path / "out.pstats")
    calls.pop("<class 'range'>", None)  # sys.monitoring sees it, a profile function does not
    assert calls == {"<module>": 1, "outer": 1, "in_a_loop": 3, "<built-in method builtins.len>": 3}
    assert callers_in(tmp_path / "out.pstats", "in_a_loop") == {"outer": 3}
    assert callers_in(tmp_path / "out.pstats", "<module>") == {}
    files = {Path(file).name for file, _, _ in entries_in(tmp_path / "out.pstats")}
    assert files == {"program.py", "~"}


def test_the_packages_of_a_module_are_in_the_profile(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("def prepare(): pass\nprepare()")
    (tmp_path / "package" / "inner.py").write_text(CALLS)
    run("-o", "out.pstats", "-m", "package.inner", folder=tmp_path)
    calls = calls_in(tmp_path / "out.pstats")
    assert (calls["prepare"], calls["in_a_loop"], calls["<module>"]) == (1, 3, 2)
    assert callers_in(tmp_path / "out.pstats", "outer") == {"<module>": 1}
    assert not [file for file, _, _ in entries_in(tmp_path / "out.pstats") if "runpy" in file]


def test_the_table_shows_the_functions_on_standard_error(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(CALLS)
    result = run("program.py", folder=tmp_path)
    assert result.stdout == ""
    [row] = [line.split() for line in result.stderr.splitlines() if " in_a_loop " in line]
    assert row[0] == "3"
    assert row[-1] == "program.py:6"


def test_the_clock_chooses_the_column_that_is_sorted_by(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(CALLS)
    tables = [
        run(*clock, "program.py", folder=tmp_path).stderr.splitlines()
        for clock in ([], ["-c", "cpu"], ["--clock=wall"], ["-c", "wall"])
    ]
    headings = [next(line for line in table if "calls " in line) for table in tables]
    assert ["cpu" in heading.split() for heading in headings] == [True, True, False, False]
    assert ["elapsed" in heading.split() for heading in headings] == [False, False, True, True]


def test_built_in_functions_are_left_out_on_request(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(CALLS)
    for options, shown in (([], True), (["-b"], True), (["--no-builtins"], False), (["-bs"], True)):
        run(*options, "-o", "out.pstats", "program.py", folder=tmp_path)
        assert ("<built-in method builtins.len>" in calls_in(tmp_path / "out.pstats")) == shown
        assert calls_in(tmp_path / "out.pstats")["in_a_loop"] == 3


THREADS = """
import threading

def last():
    pass

def late():
    go_on.wait()
    last()

go_on = threading.Event()
threading.Thread(target=late).start()
threading.Thread(target=go_on.set).start()
"""


def test_threads_are_recorded_to_their_end_when_the_main_code_ends_before(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(THREADS)
    run("-o", "out.pstats", "program.py", folder=tmp_path)
    assert calls_in(tmp_path / "out.pstats")["last"] == 1


def test_green_threads_are_recorded_to_their_end_when_the_main_code_ends_before(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("from gevent import monkey; monkey.patch_all()\n" + THREADS)
    result = run("-o", "out.pstats", "program.py", folder=tmp_path)
    assert (result.returncode, without_table(result.stderr)) == (0, "")
    assert calls_in(tmp_path / "out.pstats")["last"] == 1


def test_only_the_main_thread_is_recorded_on_request(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(THREADS)
    run("-s", "-o", "out.pstats", "program.py", folder=tmp_path)
    calls = calls_in(tmp_path / "out.pstats")
    assert calls["<module>"] >= 1
    assert not calls.keys() & {"late", "last"}


def test_the_interpreters_own_ending_is_not_in_the_profile(tmp_path: Path) -> None:
    source = "import atexit, threading\ndef goodbye(): pass\natexit.register(goodbye)\n"
    (tmp_path / "program.py").write_text(source)
    run("-o", "out.pstats", "program.py", folder=tmp_path)
    assert not calls_in(tmp_path / "out.pstats").keys() & {"goodbye", "_shutdown", "enumerate"}


def test_the_profile_is_written_before_the_programs_exit_handlers_run(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import atexit, os\natexit.register(lambda: print(os.path.exists('out.callgrind')))"
    )
    assert run("-o", "out.callgrind", "program.py", folder=tmp_path).stdout == "True\n"


def test_files_are_written_for_their_owner_only_and_where_the_command_was_started(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import os; os.chdir('/')")
    result = run("-o", "a.callgrind", "-o", "b.pstats", "--output=c.prof", "program.py", folder=tmp_path)
    assert "Recorded" in result.stderr
    for name in ("a.callgrind", "b.pstats", "c.prof"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


# -- bad input ---------------------------------------------------------------------------------------------


def assert_refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("greenletprofiler: ")
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["SCRIPT", "--help"]),
        (["-s"], ["SCRIPT"]),
        (["-m"], ["-m", "MODULE"]),
        (["--"], ["SCRIPT"]),
        (["missing.py"], ["missing.py", "No such file"]),
        (["folder"], ["folder"]),
        (["picture.py"], ["picture.py", "not Python"]),
        (["broken.py"], ["broken.py", "not Python", "line 2"]),
        (["nulls.py"], ["nulls.py", "not Python"]),
        (["-m", "missing"], ["missing"]),
        (["-m", "missing.inner"], ["missing"]),
        (["-m", "folder"], ["folder"]),
        (["-m", "program.inner"], ["program.inner"]),
        (["-m", "broken"], ["broken", "line 2"]),
        (["-m", ".program"], [".program"]),
        (["-m", "sys"], ["sys"]),
        (["-c", "sundial", "program.py"], ["sundial", "cpu", "wall"]),
        (["-c"], ["-c"]),
        (["-o"], ["-o"]),
        (["--nonsense", "program.py"], ["--nonsense"]),
        (["-o", "out.txt", "program.py"], ["out.txt", "callgrind"]),
        (["-o", "out", "program.py"], ["out", "callgrind"]),
        (["-o", "nowhere/out.callgrind", "program.py"], ["nowhere"]),
        (["-o", "program.py/out.callgrind", "program.py"], ["program.py"]),
        (["-o", "dir.callgrind", "program.py"], ["dir.callgrind", "folder"]),
        (["-o", "good.callgrind", "-o", "bad.txt", "program.py"], ["bad.txt"]),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_cannot_work_is_refused_in_one_line_before_the_program_runs(
    arguments: list[str], words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text("open('it-ran', 'w').close()")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dir.callgrind").mkdir()
    (tmp_path / "picture.py").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    (tmp_path / "broken.py").write_text("open('it-ran', 'w')\nif:\n")
    (tmp_path / "nulls.py").write_bytes(b"open('it-ran', 'w')\n\0")
    before = {path.name for path in tmp_path.iterdir()}
    assert_refused(run(*arguments, folder=tmp_path), *words)
    if arguments != ["-m", "program.inner"]:  # `python -m program.inner` imports program first
        assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_full_standard_error_loses_no_file_and_no_exit_code(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(CALLS + "import sys; sys.exit(5)")
    with open("/dev/full", "w") as full:  # noqa: PTH123
        result = run("-o", "out.pstats", "program.py", folder=tmp_path, capture_output=False, stderr=full)
    assert result.returncode == 5
    assert calls_in(tmp_path / "out.pstats")["in_a_loop"] == 3


@pytest.mark.parametrize("ending", ["", "import sys; sys.stderr.close()", "import os; os.close(2)"])
def test_a_closed_standard_error_loses_no_file_and_no_exit_code(ending: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(CALLS + ending)
    command = " ".join([*COMMAND, "-o", "out.pstats", "program.py"])
    closing = "" if ending else " 2>&-"
    result = run("-c", command + closing, folder=tmp_path, command=["sh"])
    assert result.returncode == 0
    assert calls_in(tmp_path / "out.pstats")["in_a_loop"] == 3


def test_a_file_that_cannot_be_written_in_the_end_is_said_and_the_exit_code_stays(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import os, sys; os.rmdir('results'); sys.exit(5)")
    (tmp_path / "results").mkdir()
    result = run("-o", "results/out.callgrind", "-o", "out.pstats", "program.py", folder=tmp_path)
    assert result.returncode == 5
    [line] = [line for line in result.stderr.splitlines() if line.startswith("greenletprofiler: ")]
    assert "results" in line
    assert "Recorded" in result.stderr
    assert (tmp_path / "out.pstats").exists()


#: The command as a user for whom write protection holds; root becomes one once everything is loaded.
NO_LONGER_ROOT = [
    sys.executable,
    "-c",
    "import locale, os, sys; from greenletprofiler.cli import main\n"
    "if os.geteuid() == 0: os.setuid(65534)\n"
    "sys.exit(main())",
]


@pytest.mark.parametrize("place", ["old.callgrind", "locked/new.callgrind"])
def test_a_write_protected_place_is_refused(place: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "program.py").write_text("")
        (folder / "old.callgrind").touch(0o444)
        (folder / "locked").mkdir(0o555)
        result = run("-o", place, "program.py", folder=folder, command=NO_LONGER_ROOT)
    assert_refused(result, place, "writ")


def test_help_and_version_go_to_standard_output(tmp_path: Path) -> None:
    help_text = run("--help", folder=tmp_path)
    assert (help_text.returncode, help_text.stderr) == (0, "")
    for option in ("-m", "-o", "-c", "-s", "-b", "--no-builtins", "--version"):
        assert option in help_text.stdout
    version = run("-V", folder=tmp_path)
    assert (version.returncode, version.stderr) == (0, "")
    assert greenletprofiler.__version__ in version.stdout


# -- signals -----------------------------------------------------------------------------------------------

WAITS = {
    "plain": "import time\nprint('ready', flush=True)\ntime.sleep(60)",
    "busy": "print('ready', flush=True)\nwhile True: pass",
    "gevent": "import gevent\nprint('ready', flush=True)\ngevent.sleep(60)",
    "patched": (
        "from gevent import monkey; monkey.patch_all()\n"
        "import time\nprint('ready', flush=True)\ntime.sleep(60)"
    ),
    "thread": (
        "import threading\n"
        "def wait():\n    print('ready', flush=True)\n    threading.Event().wait(60)\n"
        "threading.Thread(target=wait).start()"
    ),
}


@pytest.mark.parametrize(
    ("number", "waiting"),
    [
        (number, waiting)
        for number in (signal.SIGTERM, signal.SIGINT)
        for waiting in WAITS
        if (number, waiting) != (signal.SIGINT, "thread")  # the interpreter waits for the thread regardless
    ],
)
def test_a_signal_ends_the_program_as_it_would_and_the_profile_is_written(
    number: signal.Signals, waiting: str, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(CALLS + WAITS[waiting])
    with started("-o", "out.pstats", "program.py", folder=tmp_path) as process:
        wait_for_line(process, "ready")
        _, standard_error = end_by(process, number)
    assert "Recorded" in standard_error
    assert "greenletprofiler/" not in standard_error
    assert calls_in(tmp_path / "out.pstats")["in_a_loop"] == 3
    assert process.returncode == -number


def test_a_programs_own_handler_of_sigterm_wins(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        CALLS + "import signal, sys\n"
        "def leave(*args):\n    print('handled')\n    sys.exit(9)\n"
        "signal.signal(signal.SIGTERM, leave)\n" + WAITS["plain"]
    )
    with started("-o", "out.pstats", "program.py", folder=tmp_path) as process:
        wait_for_line(process, "ready")
        output, _ = end_by(process, signal.SIGTERM)
    assert (output, process.returncode) == ("handled\n", 9)
    assert calls_in(tmp_path / "out.pstats")["leave"] == 1


def test_a_handler_of_sigterm_in_gevents_loop_wins(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        CALLS + "import gevent, gevent.event, signal, sys\n"
        "told = gevent.event.Event()\n"
        "gevent.signal_handler(signal.SIGTERM, told.set)\n"
        "print('ready', flush=True)\n"
        "told.wait(60)\nprint('handled')\nsys.exit(9)"
    )
    with started("-o", "out.pstats", "program.py", folder=tmp_path) as process:
        wait_for_line(process, "ready")
        process.terminate()
        output, _ = process.communicate(timeout=60)
    assert (output, process.returncode) == ("handled\n", 9)
    assert calls_in(tmp_path / "out.pstats")["in_a_loop"] == 3


def test_a_program_that_ignores_sigterm_goes_on_ignoring_it(tmp_path: Path) -> None:
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nprint('alive')"
    (tmp_path / "program.py").write_text(source)
    ignoring = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.execv(sys.executable, sys.argv[1:])"
    )
    result = run("program.py", folder=tmp_path, command=[sys.executable, "-c", ignoring, *COMMAND])
    assert (result.returncode, result.stdout) == (0, "alive\n")


def test_sigterm_in_a_forked_child_ends_that_child_alone_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import os, signal, time\n"
        "child = os.fork()\n"
        "if not child:\n    time.sleep(60)\n    os._exit(0)\n"
        "os.kill(child, signal.SIGTERM)\n"
        "print(os.waitpid(child, 0)[1] == signal.SIGTERM, os.path.exists('out.pstats'))"
    )
    result = run("-o", "out.pstats", "program.py", folder=tmp_path)
    assert (result.returncode, result.stdout) == (0, "True False\n")
    assert (tmp_path / "out.pstats").exists()


def test_a_program_started_with_a_full_pipe_on_standard_error_is_not_disturbed(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import os; os.set_blocking(2, False)\nfor _ in range(20000): pass")
    read, write = os.pipe()
    with os.fdopen(read), os.fdopen(write, "w") as pipe:
        process = subprocess.Popen([*COMMAND, "program.py"], cwd=tmp_path, env=environment(), stderr=pipe)
        assert process.wait(timeout=60) == 0
