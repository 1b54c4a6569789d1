"""Functions as the program's author knows them: by qualified name, file and line."""

from __future__ import annotations

import functools
import gc
import sys
import weakref
from collections.abc import Callable
from types import CodeType

import pytest
from recorded import record
from views import VIEWS

from greenletprofiler import Profile, Profiler, _native

QUALIFIED = sys.version_info >= (3, 11)  # before, a code object knows its bare name only
SEES_TYPES = sys.version_info >= (3, 12)  # before, the interpreter does not tell of calls of types
INLINES = sys.version_info >= (3, 12)  # comprehensions are no functions any more

pytestmark = pytest.mark.usefixtures("no_collections")


class Shape:
    """Has a method of each kind."""

    def area(self) -> None:
        pass

    @classmethod
    def unit(cls) -> None:
        pass

    @staticmethod
    def sides() -> None:
        pass

    @property
    def edge(self) -> None:
        return None


def name_of(code: CodeType) -> str:
    """What a profile must call it, if nothing tells of its class."""
    return code.co_qualname if QUALIFIED else code.co_name


def found(profile: Profile) -> set[tuple[str, str, int]]:
    return {
        (function.name, function.filename, function.line)
        for function in (each.function for each in profile.functions)
        if function.kind == "python"
    }


def builtins_of(profile: Profile) -> set[str]:
    return {each.function.label for each in profile.functions if each.function.is_builtin}


def test_methods_and_functions_inside_functions_have_their_qualified_names() -> None:
    def inner() -> None:
        pass

    shorter = lambda: None  # noqa: E731

    def program() -> None:
        Shape().area()
        Shape.unit()
        Shape.sides()
        Shape().edge  # noqa: B018
        inner()
        shorter()

    edge = Shape.edge.fget  # type: ignore[attr-defined]
    plain = {name_of(each.__code__) for each in (Shape.sides, edge, inner, shorter)}
    profile = record(program)
    names = {name for name, file, _ in found(profile) if file == __file__}
    assert {"Shape.area", "Shape.unit", *plain} <= names
    assert ("Shape.sides" in names) == ("Shape.edge" in names) == QUALIFIED


def test_comprehensions_are_functions_where_the_interpreter_calls_them() -> None:
    def program() -> None:
        [-each for each in (1, 2)]
        {each: -each for each in (1, 2)}
        {-each for each in (1, 2)}
        list(-each for each in (1, 2))  # noqa: C400

    names = {name.rpartition(".")[2] for name, file, _ in found(record(program)) if file == __file__}
    comprehensions = set() if INLINES else {"<listcomp>", "<dictcomp>", "<setcomp>"}
    assert {name for name in names if name.startswith("<")} == comprehensions | {"<genexpr>"}


def test_a_decorated_function_and_its_decorator_are_two() -> None:
    def decorated(function: Callable[[], None]) -> Callable[[], None]:
        @functools.wraps(function)
        def wrapper() -> None:
            function()

        return wrapper

    def plain() -> None:
        pass

    wrapped = decorated(plain)
    profile = record(wrapped)
    assert {name_of(wrapped.__code__), name_of(plain.__code__)} <= {name for name, _, _ in found(profile)}  # type: ignore[attr-defined]
    by_code = {each.function.line: each for each in profile.functions}
    assert [edge.caller.line for edge in by_code[plain.__code__.co_firstlineno].callers] == [
        wrapped.__code__.co_firstlineno  # type: ignore[attr-defined]
    ]


def test_functions_and_types_of_c_are_named_as_cprofile_names_them() -> None:
    def program() -> None:
        len("")
        [].append(1)
        dict.fromkeys("ab")
        max(1, 2)
        functools.reduce(max, [1, 2])
        str(1)

    expected = {
        "<built-in method builtins.len>",
        "<method 'append' of 'list' objects>",
        "<built-in method fromkeys>",
        "<built-in method builtins.max>",
        "<built-in method _functools.reduce>",
    }
    assert expected <= builtins_of(record(program))
    assert ("<class 'str'>" in builtins_of(record(program))) == SEES_TYPES


def test_executed_code_is_named_by_its_own_file() -> None:
    code = compile("def inside(): pass\ninside()\n(lambda: None)()", "request.py", "exec")
    names = found(record(lambda: exec(code, {})))
    expected = {("<module>", 1), ("inside", 1), ("<lambda>", 3)}
    assert {(name, line) for name, file, line in names if file == "request.py"} == expected


@pytest.mark.parametrize("view", VIEWS)
def test_functions_of_one_name_and_line_in_two_files_stay_two(view: str) -> None:
    one: dict[str, Callable[[], None]] = {}
    other: dict[str, Callable[[], None]] = {}
    exec(compile("def same(): pass", "one.py", "exec"), one)
    exec(compile("def same(): pass", "other.py", "exec"), other)

    def program() -> None:
        one["same"]()
        for _ in range(3):
            other["same"]()

    profile = record(program)
    found = {each.function.filename: each.calls for each in profile.functions if each.function.name == "same"}
    assert found == {"one.py": 1, "other.py": 3}
    assert VIEWS[view](program, False).edges[("program", "same")] == 4


def requests(number: int, name: str) -> list[weakref.ref[CodeType]]:
    """Compiles a function for each request, calls it and forgets it; its code objects."""
    codes = []
    for request in range(number):
        names: dict[str, Callable[[], int]] = {}
        exec(compile(f"def {name.format(request)}(): return {request}", "requests.py", "exec"), names)
        (handler,) = (each for key, each in names.items() if key != "__builtins__")
        assert handler() == request
        codes.append(weakref.ref(handler.__code__))
        names.clear()  # they and their function hold each other
    return codes


@pytest.mark.parametrize("name", ["handler", "handler_of_{}"])
def test_code_that_is_compiled_at_each_request_dies_when_it_would_without_us(name: str) -> None:
    profiler = Profiler()
    with profiler:
        codes = requests(300, name)
        alive = [code for code in codes if code() is not None]
    assert len(alive) <= 1  # `handler` of the last request
    assert not [code for code in codes if code() is not None]


def test_a_function_that_is_compiled_at_each_request_takes_no_more_memory_for_each() -> None:
    profiler = Profiler(builtins=False)
    with profiler:
        requests(1000, "handler")
        before = profiler.memory_bytes
        requests(1000, "handler")
        assert profiler.memory_bytes == before


def test_functions_without_end_take_memory_up_to_the_budget() -> None:
    recorder = _native.Recorder(builtins=False, threads=False, hidden=(), polls=(), node_budget=500)
    recorder.start()
    requests(3000, "handler_of_{}")
    before = recorder.memory_bytes
    requests(6000, "handler_of_{}")
    assert recorder.memory_bytes == before
    recorder.stop()
    profile = Profile.from_snapshot(recorder.snapshot())
    counted = sum(node.calls for node in profile.tree.walk() if node.function.filename != __file__)
    assert counted == 2 * 9000
    assert profile.counters["truncated_calls"] > 8000
    assert profile.counters["unnamed_calls"] == 0


def test_recompiled_code_is_found_again_past_the_budget() -> None:
    recorder = _native.Recorder(builtins=False, threads=False, hidden=(), polls=(), node_budget=50)
    recorder.start()
    requests(10, "handler")
    requests(3000, "handler_of_{}")
    requests(10, "handler")
    recorder.stop()
    profile = Profile.from_snapshot(recorder.snapshot())
    assert [each.calls for each in profile.functions if each.function.name == "handler"] == [20]


def test_a_profile_outlives_the_code_that_it_names() -> None:
    profile = record(lambda: requests(3, "handler"))  # type: ignore[arg-type]
    gc.collect()
    assert [each.calls for each in profile.functions if each.function.name == "handler"] == [3]
