"""Filters: what is excluded has no calls and no row; what it calls hangs below the nearest included caller.

The excluded layers are modules that are made here, so that their names and files are known.
"""

from __future__ import annotations

import dis
import fnmatch
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import greenlet
import pytest
from commands import run
from recorded import callees, callers, calls, name_of, names, stats

from greenletprofiler import Profile, Profiler
from greenletprofiler.errors import FilterError, ProfilerError

MONITORING = sys.version_info >= (3, 12)

LAYER = """
    def through(function, *arguments):
        return function(*arguments)

    def deeper(function, depth):
        return deeper(function, depth - 1) if depth else function()

    def with_builtins(function):
        len("text")
        sorted([2, 1], key=abs)
        return function()

    def every(function, times):
        for _ in range(times):
            yield function()

    def catching(function):
        try:
            function()
        except ValueError:
            return True

    def busy(seconds):
        end = perf_counter() + seconds
        while perf_counter() < end:
            pass
"""


def module(name: str, source: str = LAYER, **names: object) -> Any:
    """A module by that name, from a file /made/NAME.py."""
    made = ModuleType(name)
    made.__dict__.update(names, perf_counter=time.perf_counter)
    file = f"/made/{name.replace('.', '/')}.py"
    exec(compile(textwrap.dedent(source), file, "exec"), made.__dict__)
    return made


layer = module("layer")


def leaf() -> None:
    pass


def failing() -> None:
    raise ValueError


def record(
    program: Callable[[], object],
    include: Sequence[str] = (),
    exclude: Sequence[str] = ("layer",),
    **options: Any,
) -> Profile:
    """The profile of one call of `program`, with raw times."""
    profiler = Profiler(include=include, exclude=exclude, **options)
    with profiler:
        program()
    profile = profiler.snapshot().raw()
    check_account(profile)
    if "layer" in exclude:
        assert not any(each.function.filename == "/made/layer.py" for each in profile.functions)
    return profile


def check_account(profile: Profile) -> None:
    """All time is somewhere, and no leave was taken for another's."""
    for thread in profile.threads:
        assert thread.times.running_ns + thread.times.idle_ns + thread.own_ns == thread.lifetime_ns
    assert profile.counters["lost_leaves"] == profile.counters["unmatched_leaves"] == 0


def called(profile: Profile) -> set[str]:
    """Names of what was called; others were on the stack when the recording began."""
    return {name_of(each.function) for each in profile.functions if each.calls}


# -- each way of leaving ------------------------------------------------------------------------------------


def test_what_excluded_code_calls_hangs_below_the_nearest_included_caller() -> None:
    def program() -> None:
        for _ in range(10):
            layer.through(leaf)
            layer.through(layer.through, layer.through, leaf)
        leaf()

    profile = record(program)
    assert calls(profile, "program", "leaf") == 21
    assert callees(profile, "program") - {"range"} == {"leaf"}
    assert stats(profile, "leaf").calls == 21


def test_recursion_through_excluded_code_is_recursion() -> None:
    def again(depth: int) -> None:
        if depth:
            layer.through(again, depth - 1)

    def program() -> None:
        again(5)

    profile = record(program)
    assert calls(profile, "program", "again") == 1
    assert calls(profile, "again", "again") == 5


def test_excluded_recursion_is_passed_over_at_every_depth() -> None:
    def program() -> None:
        for depth in range(20):
            layer.deeper(leaf, depth)

    assert calls(record(program), "program", "leaf") == 20


def test_exceptions_pass_excluded_code_without_closing_what_is_open() -> None:
    def program() -> None:
        for _ in range(10):
            try:
                layer.through(layer.through, failing)
            except ValueError:
                leaf()

    profile = record(program)
    assert calls(profile, "program", "failing") == 10
    assert calls(profile, "program", "leaf") == 10
    assert callees(profile, "program") - {"range"} == {"failing", "leaf"}


def test_exceptions_that_excluded_code_catches_end_the_calls_below_it() -> None:
    def outer() -> None:
        layer.through(failing)

    def program() -> None:
        for _ in range(10):
            layer.catching(outer)
            leaf()

    profile = record(program)
    assert calls(profile, "program", "outer") == 10
    assert calls(profile, "outer", "failing") == 10
    assert calls(profile, "program", "leaf") == 10


def test_generators_that_are_excluded_are_passed_over_however_they_are_left() -> None:
    def program() -> None:
        for _ in layer.every(leaf, 5):
            pass
        half = layer.every(leaf, 5)
        next(half)
        half.close()
        for exception in (ValueError, KeyError):
            thrown = layer.every(leaf, 5)
            next(thrown)
            with pytest.raises(exception):
                thrown.throw(exception)
        unraisable = layer.every(failing, 5)
        with pytest.raises(ValueError):
            next(unraisable)

    profile = record(program, builtins=False)
    assert calls(profile, "program", "leaf") == 8
    assert calls(profile, "program", "failing") == 1


def test_generators_that_are_included_are_resumed_by_the_nearest_included_caller() -> None:
    def numbers() -> Any:
        for _ in range(3):
            leaf()
            yield

    def program() -> None:
        layer.through(list, numbers())

    profile = record(program, builtins=False)
    assert calls(profile, "program", "numbers") == 4
    assert calls(profile, "numbers", "leaf") == 3


def test_coroutines_that_are_excluded_pass_on_what_they_await() -> None:
    source = """
        async def through(function):
            return await function()
    """
    awaiting = module("layer.awaiting", source)

    async def inner() -> None:
        leaf()

    def program() -> None:
        for _ in range(3):
            with pytest.raises(StopIteration):
                awaiting.through(inner).send(None)

    profile = record(program, builtins=False)
    assert calls(profile, "program", "inner") == 3
    assert calls(profile, "inner", "leaf") == 3


# -- built-ins ----------------------------------------------------------------------------------------------


def test_built_ins_are_passed_over_where_excluded_code_calls_them() -> None:
    def program() -> None:
        len("")
        for _ in range(5):
            layer.with_builtins(leaf)

    profile = record(program)
    assert {each for each in callees(profile, "program") if each in ("len", "sorted", "abs")} == {"len"}
    assert calls(profile, "program", "len") == 1
    assert calls(profile, "program", "leaf") == 5
    assert "sorted" not in names(profile)


def test_a_built_in_of_included_code_is_the_caller_past_excluded_code() -> None:
    key = module("layer.key", "def key(number):\n    function()\n    return number", function=leaf).key

    def program() -> None:
        sorted([3, 1, 2], key=key)
        leaf()

    profile = record(program)
    assert calls(profile, "sorted", "leaf") == 3
    assert calls(profile, "program", "leaf") == 1


def test_failing_built_ins_in_excluded_code_leave_the_stack_as_it_is() -> None:
    failing_call = module("layer.failing", "def call():\n    int('x')").call

    def program() -> None:
        for _ in range(5):
            layer.catching(failing_call)
            leaf()

    profile = record(program)
    assert calls(profile, "program", "leaf") == 5


# -- greenlets ----------------------------------------------------------------------------------------------


def test_switches_in_excluded_code_keep_each_greenlets_place() -> None:
    main = greenlet.getcurrent()

    def work() -> None:
        for _ in range(4):
            leaf()
            layer.through(layer.through, main.switch)

    def program() -> None:
        workers = greenlet.greenlet(work), greenlet.greenlet(work), greenlet.greenlet(work)
        for _ in range(5):
            for worker in workers:
                layer.through(worker.switch)

    profile = record(program, builtins=False)
    assert stats(profile, "work").calls == 3
    assert callers(profile, "work") == set()
    assert calls(profile, "work", "leaf") == 12
    assert callees(profile, "program") == set()


def test_a_greenlet_whose_function_is_excluded_has_the_first_included_one_for_its_kind() -> None:
    def program() -> None:
        for _ in range(3):
            greenlet.greenlet(layer.through).switch(leaf)
        greenlet.greenlet(layer.through).switch(len, ())

    profile = record(program, builtins=False)
    assert stats(profile, "leaf").calls == 3
    assert callers(profile, "leaf") == set()
    kinds = [each.first_function for each in profile.greenlets if each.switches == 1]
    assert sorted(kind.name if kind else "" for kind in kinds) == ["", "leaf", "leaf", "leaf"]


def test_a_greenlet_that_is_killed_in_excluded_code_is_left_in_order() -> None:
    main = greenlet.getcurrent()

    def work() -> None:
        layer.through(main.switch)

    def program() -> None:
        for _ in range(3):
            worker = greenlet.greenlet(work)
            worker.switch()
            worker.throw()
            leaf()

    profile = record(program, builtins=False)
    assert stats(profile, "work").calls == 3
    assert calls(profile, "program", "leaf") == 3
    assert not any(each.alive for each in profile.greenlets if each.first_function and each.switches == 2)


def test_a_recording_that_starts_and_stops_in_excluded_code_takes_over_what_is_included() -> None:
    profiler = Profiler(exclude=["layer"], builtins=False)
    main = greenlet.getcurrent()

    def work() -> None:
        layer.through(suspend)
        leaf()

    def suspend() -> None:
        layer.deeper(main.switch, 3)
        leaf()

    def inner() -> None:
        profiler.start()
        leaf()

    def outer() -> None:
        layer.through(inner)
        leaf()
        worker.switch()
        layer.through(profiler.stop)

    worker = greenlet.greenlet(work)
    worker.switch()
    layer.deeper(outer, 4)
    profile = profiler.snapshot().raw()
    check_account(profile)
    for name in ("outer", "inner", "work", "suspend"):
        assert stats(profile, name).calls == 0
        assert calls(profile, name, "leaf") == 1
    assert stats(profile, "leaf").calls == 4


def test_a_thread_that_is_in_excluded_code_at_the_start_goes_on_in_its_own_greenlet() -> None:
    profiler = Profiler(exclude=["layer"], builtins=False)
    here, there = threading.Lock(), threading.Lock()
    here.acquire()
    there.acquire()

    def wait() -> None:
        here.release()
        there.acquire()

    def work() -> None:
        layer.deeper(wait, 3)
        leaf()

    thread = threading.Thread(target=work)
    thread.start()
    here.acquire()
    with profiler:
        there.release()
        thread.join()
    profile = profiler.snapshot().raw()
    check_account(profile)
    assert calls(profile, "work", "leaf") == 1
    assert stats(profile, "work").calls == stats(profile, "wait").calls == 0
    ids = [each.id for each in profile.threads if each.name == thread.name]
    assert [each.switches for each in profile.greenlets if each.thread_id in ids] == [0]


def test_generators_that_were_resumed_before_the_start_are_passed_over() -> None:
    running = layer.every(leaf, 5)
    next(running)

    def program() -> None:
        for _ in running:
            pass

    assert calls(record(program), "program", "leaf") == 4


def test_each_session_excludes_anew() -> None:
    profiler = Profiler(exclude=["layer"])

    def program() -> None:
        layer.through(leaf)

    for _ in range(3):
        with profiler:
            program()
    assert calls(profiler.snapshot(), "program", "leaf") == 3
    with Profiler() as everything:
        program()
    profile = everything.snapshot()
    assert calls(profile, "program", "through") == calls(profile, "through", "leaf") == 1


def test_a_thread_whose_functions_are_excluded_has_the_included_ones_at_its_base() -> None:
    def program() -> None:
        threads = [threading.Thread(target=layer.through, args=(leaf,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    profile = record(program, exclude=["layer", "threading"], builtins=False)
    assert stats(profile, "leaf").calls == 3
    assert callers(profile, "leaf") == set()
    assert not any(each.function.filename == threading.__file__ for each in profile.functions)


# -- time ---------------------------------------------------------------------------------------------------


def test_the_time_of_excluded_code_is_its_nearest_included_callers() -> None:
    def caller() -> None:
        layer.through(layer.busy, 0.05)

    def program() -> None:
        layer.through(caller)

    profile = record(program)
    assert stats(profile, "caller").self.running_ns >= 50_000_000
    assert stats(profile, "program").self.running_ns < 25_000_000


def test_a_wait_in_excluded_code_is_its_nearest_included_callers() -> None:
    main = greenlet.getcurrent()

    def work() -> None:
        layer.through(main.switch)

    def program() -> None:
        worker = greenlet.greenlet(work)
        worker.switch()
        time.sleep(0.05)
        worker.switch()

    profile = record(program, builtins=False)
    assert stats(profile, "work").self.waiting_ns >= 50_000_000


def test_time_without_an_included_caller_is_told_under_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    profile = record(lambda: layer.busy(0.05), include=["nowhere"], exclude=[])
    assert profile.functions == ()
    assert profile.total.running_ns >= 50_000_000
    profile.print(clock="wall", width=200)
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Filters: "))
    assert line.startswith("Filters: include nowhere; ")
    assert float(line.split("; ")[1].split()[0]) >= 50


def test_a_decorated_function_that_is_excluded_is_not_the_profilers_own_time() -> None:
    profiler = Profiler(exclude=["layer"])
    busy = profiler(layer.busy)
    for _ in range(2):
        busy(0.05)
    profile = profiler.snapshot().raw()
    check_account(profile)
    assert profile.total.running_ns >= 100_000_000


def test_a_hub_that_is_excluded_idles_all_the_same(tmp_path: Path) -> None:
    gevent = pytest.importorskip("gevent")

    def program() -> None:
        jobs = [gevent.spawn(layer.through, leaf) for _ in range(3)]
        gevent.sleep(0.1)
        gevent.joinall(jobs)

    profile = record(program, exclude=["gevent", "layer"])
    assert profile.total.idle_ns >= 50_000_000
    assert stats(profile, "leaf").calls == 3
    assert not any("gevent" in each.function.filename for each in profile.functions)
    kinds = [each.first_function for each in profile.greenlets if each.first_function]
    assert not any("gevent" in function.filename for function in kinds)
    for name in ("profile.callgrind", "profile.pstats"):
        profile.save(tmp_path / name)


# -- what costs nothing ------------------------------------------------------------------------------------


def instrumented(code: CodeType) -> set[str]:
    """Its instructions at which the interpreter tells of events now."""
    names = {each.opname for each in dis.get_instructions(code, adaptive=True)}  # type: ignore[call-arg]
    return {name for name in names if name.startswith("INSTRUMENTED")}


@pytest.mark.skipif(not MONITORING, reason="Python 3.12 and later have events that can be disabled")
def test_excluded_code_tells_of_nothing_once_it_has_run() -> None:
    with Profiler(exclude=["layer"]):
        for _ in range(2):
            layer.with_builtins(leaf)
            layer.deeper(leaf, 2)
            list(layer.every(leaf, 2))
        for function in (layer.with_builtins, layer.deeper, layer.every):
            assert instrumented(function.__code__) == set()
        assert instrumented(leaf.__code__) != set()


# -- other tools -------------------------------------------------------------------------------------------


#: The tool id that the profiler takes if it is free.
FIRST_CHOICE = 3


def events_of_a_tool(tool_id: int, program: Callable[[], object]) -> list[str]:
    """Names of the functions that another tool is told of."""
    monitoring = sys.monitoring
    seen: list[str] = []
    monitoring.use_tool_id(tool_id, "another tool")
    try:
        monitoring.register_callback(
            tool_id, monitoring.events.PY_START, lambda code, offset: seen.append(code.co_name)
        )
        monitoring.set_events(tool_id, monitoring.events.PY_START)
        program()
        monitoring.set_events(tool_id, 0)
    finally:
        monitoring.register_callback(tool_id, monitoring.events.PY_START, None)
        monitoring.free_tool_id(tool_id)
    return seen


@pytest.mark.skipif(not MONITORING, reason="Python 3.12 and later have tools beside each other")
@pytest.mark.parametrize("tool_id", [1, 2, 3, 4])
def test_what_was_disabled_is_told_to_the_next_tool(tool_id: int) -> None:
    for _ in range(2):
        record(lambda: layer.through(leaf))
    assert events_of_a_tool(tool_id, lambda: layer.through(leaf)) == ["<lambda>", "through", "leaf"]


@pytest.mark.skipif(not MONITORING, reason="Python 3.12 and later have tools beside each other")
def test_a_tool_beside_us_is_told_of_excluded_code() -> None:
    def program() -> None:
        for _ in range(3):
            layer.through(leaf)

    def recorded() -> None:
        profiles.append(record(program))

    profiles: list[Profile] = []
    seen = events_of_a_tool(1, recorded)
    assert seen.count("through") == seen.count("leaf") == 3
    assert calls(profiles[0], "program", "leaf") == 3


@pytest.mark.skipif(not MONITORING, reason="Python 3.12 and later have tool ids")
def test_what_another_tool_disabled_under_our_id_is_recorded() -> None:
    monitoring = sys.monitoring

    def program() -> None:
        layer.through(leaf)

    events = monitoring.events.PY_START, monitoring.events.PY_RETURN
    monitoring.use_tool_id(FIRST_CHOICE, "another tool")
    for event in events:
        monitoring.register_callback(FIRST_CHOICE, event, lambda *_: monitoring.DISABLE)
    monitoring.set_events(FIRST_CHOICE, sum(events))
    program()
    monitoring.set_events(FIRST_CHOICE, 0)
    for event in events:
        monitoring.register_callback(FIRST_CHOICE, event, None)
    monitoring.free_tool_id(FIRST_CHOICE)
    profile = record(program, exclude=[])
    assert calls(profile, "through", "leaf") == 1


# -- patterns ----------------------------------------------------------------------------------------------

GLOBS = (
    "layer", "layer*", "lay?r", "l*r", "*", "*.b", "a.*", "a.b.c", "a?b", "[al]*", "[!a]*", "[a-m]*.[!a-b]",
    "[]]", "[[]", "a[.]b", "*a*b*c*", "**", "A", "naïve", "na?ve", "[ï]*", "*[ï]*", "[-a]", "[a-]b",
)  # fmt: skip
MODULES = (
    "layer", "layer2", "a", "a.b", "a.b.c", "a.c", "b", "naïve", "naïve.a", "A", "]", "[", "-",
    "-b", "\U0001f40d.b",
)  # fmt: skip


@pytest.mark.parametrize("pattern", GLOBS)
def test_a_module_pattern_matches_as_fnmatch_does_and_what_is_in_the_module(pattern: str) -> None:
    functions = {name: module(name, "def f():\n    pass").f for name in MODULES}

    def program() -> None:
        for function in functions.values():
            function()

    profile = record(program, exclude=[pattern], builtins=False)
    found = {each.function.filename for each in profile.functions if each.function.name == "f"}
    expected = {
        functions[name].__code__.co_filename
        for name in MODULES
        if not fnmatch.fnmatchcase(name, pattern) and not fnmatch.fnmatchcase(name, f"{pattern}.*")
    }
    assert found == expected
    assert profile.unmatched_patterns == (() if len(expected) < len(MODULES) else (pattern,))


@pytest.mark.parametrize(
    ("pattern", "excluded"),
    [
        ("/made/layer.py", True), ("*/made/*", True), ("made/", True), ("./made/", True), ("/made", True),
        ("made/layer.py", True), ("/made/*.py", True), ("/m?de/[l]ayer.py", True), ("*/layer.py", True),
        ("ade/", False), ("/layer.py", False), ("made/layer", False), ("/made/layer.p", False),
    ],
)  # fmt: skip
def test_a_path_pattern_is_compared_with_file_names(pattern: str, excluded: bool) -> None:
    profiler = Profiler(exclude=[pattern], builtins=False)
    with profiler:
        layer.through(leaf)
    assert ("through" not in called(profiler.snapshot())) == excluded


def test_a_pattern_in_include_leaves_out_everything_else() -> None:
    def program() -> None:
        layer.through(leaf)
        other.through(leaf)

    other = module("other")
    profile = record(program, include=["other"], exclude=[], builtins=False)
    assert names(profile) == {"through"}
    assert callers(profile, "through") == set()


def test_exclude_has_the_last_word() -> None:
    inside, deep = module("other.inside"), module("other.inside.deep")

    def program() -> None:
        inside.through(deep.through, leaf)

    profile = record(program, include=["other", __name__], exclude=["other.inside.*"], builtins=False)
    assert calls(profile, "through", "leaf") == 1
    assert {each.function.filename for each in profile.functions} == {"/made/other/inside.py", __file__}


def test_stdlib_is_every_module_of_the_standard_library() -> None:
    import json

    def program() -> None:
        json.dumps({"a": [1, 2, {"b": None}]}, indent=1)
        threading.Event().set()
        leaf()

    profile = record(program, exclude=["stdlib"])
    called_ones = [each.function for each in profile.functions if each.calls]
    assert {function.filename for function in called_ones if not function.is_builtin} == {__file__}
    assert profile.unmatched_patterns == ()


def test_code_of_equal_text_is_told_apart_by_its_module() -> None:
    first, second = {"__name__": "layer.made"}, {"__name__": "other.made"}
    for namespace in (first, second):
        exec(compile("def made(function):\n    function()", "<string>", "exec"), namespace)

    def program() -> None:
        for namespace in (first, second):
            namespace["made"](leaf)  # type: ignore[operator]

    profile = record(program, builtins=False)
    assert calls(profile, "program", "leaf") == calls(profile, "made", "leaf") == 1


def test_code_without_a_module_matches_no_pattern_of_modules() -> None:
    names_of_exec: dict[str, Any] = {}
    exec(compile("def bare():\n    pass", "<string>", "exec"), names_of_exec)
    names_of_exec.pop("__name__", None)
    profile = record(names_of_exec["bare"], exclude=["*", "layer"], builtins=False)
    assert names(profile) == {"bare"}


def test_the_profile_keeps_its_filters_and_says_which_matched_nothing() -> None:
    profile = record(lambda: layer.through(leaf), include=["*"], exclude=["layer", "nowhere", "/nowhere/*"])
    assert profile.filters.include == ("*",)
    assert profile.filters.exclude == ("layer", "nowhere", "/nowhere/*")
    assert profile.unmatched_patterns == ("nowhere", "/nowhere/*")
    said = [warning.split("'")[1] for warning in profile.warnings if "pattern" in warning]
    assert said == ["nowhere", "/nowhere/*"]


def test_the_profiler_itself_is_never_filtered_out() -> None:
    profile = record(leaf, exclude=["greenletprofiler", "*"])
    assert profile.functions == ()
    assert sum(thread.own_ns for thread in profile.threads) > 0


# -- malformed patterns ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "is empty"), (" \t", "is empty"), ("[a", "has no partner"), ("a]", "has no partner"),
        ("[]", "has no partner"), ("[!]", "has no partner"), ("a[b]]", "has no partner"), ("a..b", "no name"),
        (".a", "no name"), ("a.", "no name"), ("/", "names nothing"), ("..", "names nothing"),
        (3, "is a string"), (None, "is a string"), (b"a", "is a string"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("argument", ["include", "exclude"])
def test_a_malformed_pattern_is_refused(argument: str, pattern: Any, reason: str) -> None:
    with pytest.raises(FilterError, match=reason) as caught:
        Profiler(**{argument: [pattern]})
    assert str(caught.value).startswith(argument)
    assert isinstance(caught.value, ProfilerError)


@pytest.mark.parametrize("patterns", ["gevent", b"gevent", 3, None])
def test_what_is_no_list_of_patterns_is_refused(patterns: Any) -> None:
    with pytest.raises(FilterError, match="list of patterns"):
        Profiler(exclude=patterns)


# -- the command -------------------------------------------------------------------------------------------

SCRIPT = """
    import time
    import helping

    def leaf():
        pass

    end = time.perf_counter() + 0.2
    while time.perf_counter() < end:
        pass
    for _ in range(7):
        helping.through(leaf)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "helping.py").write_text("def through(function):\n    function()\n")
    return tmp_path


def rows(output: str) -> dict[str, str]:
    """Name of a function -> its calls, from a table."""
    words = [line.split() for line in output.splitlines()]
    return {line[-2]: line[0] for line in words if len(line) > 2 and line[-1].partition(".py:")[1]}


def test_the_command_excludes(folder: Path) -> None:
    result = run("--exclude", "helping", "--exclude=stdlib", "script.py", folder=folder)
    assert result.returncode == 0
    found = rows(result.stderr)
    assert (found["<module>"], found["leaf"]) == ("1", "7")
    assert "through" not in found
    assert "Filters: exclude helping, exclude stdlib; " in result.stderr
    assert "Warning" not in result.stderr


def test_the_command_includes_and_what_is_left_out_is_not_the_profilers_own(folder: Path) -> None:
    result = run("--include", "helping", "-c", "wall", "--raw", "script.py", folder=folder)
    assert rows(result.stderr) == {"<module>": "1", "through": "7"}
    seconds = result.stderr.partition("Filters: include helping; ")[2].split()
    assert float(seconds[0]) * {"seconds": 1000, "milliseconds": 1}[seconds[1]] >= 200


def test_the_command_says_under_the_table_which_pattern_matched_nothing(folder: Path) -> None:
    result = run("--exclude", "nowhere", "script.py", folder=folder)
    assert result.returncode == 0
    assert "No function that ran matches the pattern 'nowhere'" in result.stderr.partition("Filters: ")[2]


@pytest.mark.parametrize("option", ["--include", "--exclude"])
def test_the_command_refuses_a_malformed_pattern(folder: Path, option: str) -> None:
    result = run(option, "[a", "script.py", folder=folder)
    assert result.returncode == 2
    assert result.stderr.startswith(f"greenletprofiler: {option[2:]}: a bracket in the pattern '[a' has no ")
    assert len(result.stderr.splitlines()) == 1


def test_a_module_that_is_the_program_is_known_by_its_own_name(folder: Path) -> None:
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("")
    (folder / "package" / "main.py").write_text(textwrap.dedent(SCRIPT))
    for pattern in ("package", "package.main", "__main__"):
        result = run("--include", pattern, "-m", "package.main", folder=folder)
        assert rows(result.stderr)["leaf"] == "7", pattern
        assert "through" not in rows(result.stderr)
