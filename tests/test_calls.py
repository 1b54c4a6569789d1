"""Calls, returns and callers of every shape, without greenlets: counts and edges are exact."""

from __future__ import annotations

import functools
import sys
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import suppress

import pytest
from recorded import callees, callers, calls, names, record, stats

pytestmark = pytest.mark.usefixtures("no_collections")

MONITORING = sys.version_info >= (3, 12)

BUILTINS = pytest.mark.parametrize("builtins", [True, False])


@BUILTINS
def test_a_function_is_counted_under_its_caller(builtins: bool) -> None:
    def leaf() -> None:
        pass

    def twice() -> None:
        leaf()
        leaf()

    def program() -> None:
        twice()
        leaf()

    profile = record(program, builtins)
    assert calls(profile, "program", "twice") == 1
    assert calls(profile, "twice", "leaf") == 2
    assert calls(profile, "program", "leaf") == 1
    assert stats(profile, "leaf").calls == 3
    assert callees(profile, "leaf") == set()


@BUILTINS
def test_a_hot_function_loses_no_call(builtins: bool) -> None:
    def leaf(number: int) -> int:
        return number

    def program() -> None:
        for number in range(20_000):
            leaf(number)

    profile = record(program, builtins)
    assert calls(profile, "program", "leaf") == 20_000


@BUILTINS
def test_recursion_counts_every_call_and_its_outermost(builtins: bool) -> None:
    def down(levels: int) -> None:
        if levels:
            down(levels - 1)

    def program() -> None:
        down(4)
        down(2)

    profile = record(program, builtins)
    found = stats(profile, "down")
    assert (found.calls, found.primitive_calls) == (8, 2)
    assert calls(profile, "down", "down") == 6
    assert found.inclusive.running_ns == found.self.running_ns


@BUILTINS
def test_a_function_left_by_an_exception_is_left(builtins: bool) -> None:
    def fail() -> None:
        raise ValueError

    def middle() -> None:
        fail()

    def after() -> None:
        pass

    def program() -> None:
        for _ in range(3):
            with pytest.raises(ValueError):
                middle()
            after()

    profile = record(program, builtins)
    assert calls(profile, "middle", "fail") == 3
    assert calls(profile, "program", "after") == 3
    assert callers(profile, "after") == {"program"}


@BUILTINS
def test_resumes_of_a_generator_are_counted_apart_from_its_call(builtins: bool) -> None:
    def generate() -> Iterator[int]:
        yield 1
        yield 2

    def program() -> None:
        for _ in generate():
            pass

    found = stats(record(program, builtins), "generate")
    assert (found.calls, found.resumes) == (1, 2)


@BUILTINS
def test_a_delegating_generator_calls_its_part(builtins: bool) -> None:
    def part() -> Iterator[int]:
        yield 1
        yield 2

    def whole() -> Iterator[int]:
        yield from part()

    def program() -> None:
        for _ in whole():
            pass

    profile = record(program, builtins)
    assert callers(profile, "part") == {"whole"}
    assert (stats(profile, "part").calls, stats(profile, "part").resumes) == (1, 2)


@BUILTINS
def test_a_generator_resumed_by_two_functions_has_two_callers(builtins: bool) -> None:
    def generate() -> Iterator[int]:
        yield 1
        yield 2

    def first(generator: Iterator[int]) -> None:
        for _ in generator:
            break

    def second(generator: Iterator[int]) -> None:
        for _ in generator:
            pass

    def program() -> None:
        generator = generate()
        first(generator)
        second(generator)

    profile = record(program, builtins)
    assert calls(profile, "first", "generate") == 1
    assert calls(profile, "second", "generate") == 2


@BUILTINS
def test_an_exception_thrown_into_a_generator_resumes_it(builtins: bool) -> None:
    def generate() -> Generator[int, None, None]:
        with suppress(KeyError):
            yield 1

    def program() -> None:
        generator = generate()
        next(generator)
        with suppress(StopIteration):
            generator.throw(KeyError())

    found = stats(record(program, builtins), "generate")
    assert (found.calls, found.resumes) == (1, 1)


def test_awaiting_a_coroutine_calls_it() -> None:
    async def inner() -> int:
        return 1

    async def outer() -> int:
        return await inner() + await inner()

    def program() -> None:
        with pytest.raises(StopIteration):
            outer().send(None)

    profile = record(program, builtins=False)
    assert calls(profile, "outer", "inner") == 2


def test_builtins_are_counted_under_their_caller() -> None:
    def program() -> None:
        items: list[int] = []
        for number in range(5):
            items.append(number)
            len(items)

    profile = record(program)
    assert calls(profile, "program", "len") == 5
    assert calls(profile, "program", "list.append") == 5


def test_without_builtins_none_is_counted() -> None:
    def program() -> None:
        sorted([2, 1], key=abs)

    assert all(not each.function.is_builtin for each in record(program, builtins=False).functions)


def test_a_builtin_that_calls_back_is_the_caller() -> None:
    def key(number: int) -> int:
        return -number

    def program() -> None:
        sorted([1, 2, 3], key=key)

    profile = record(program)
    assert callers(profile, "key") == {"sorted"}
    assert calls(profile, "sorted", "key") == 3


def test_without_builtins_the_caller_of_a_key_function_is_who_sorts() -> None:
    def key(number: int) -> int:
        return -number

    def program() -> None:
        sorted([1, 2, 3], key=key)

    profile = record(program, builtins=False)
    assert callers(profile, "key") == {"program"}


def test_a_builtin_that_fails_is_left_and_fails_as_it_would() -> None:
    def after() -> None:
        pass

    def program() -> None:
        for _ in range(3):
            with pytest.raises(TypeError, match="descriptor 'upper' for 'str' objects"):
                str.upper(1)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="invalid literal"):
                int("x")
            after()

    profile = record(program)
    assert callers(profile, "after") == {"program"}


def test_bound_and_unbound_methods_of_a_type_are_one_function() -> None:
    def program() -> None:
        text = "a"
        text.upper()
        str.upper(text)
        method = text.upper
        method()

    assert calls(record(program), "program", "str.upper") == 3


def test_constructors_in_python_are_called_by_who_makes_the_object() -> None:
    class Thing:
        def __new__(cls) -> Thing:
            return super().__new__(cls)

        def __init__(self) -> None:
            pass

    def program() -> None:
        for _ in range(3):
            Thing()

    profile = record(program)
    assert calls(profile, "program", "Thing.__init__") == 3
    assert calls(profile, "program", "Thing.__new__") == 3


def test_a_callable_object_in_python_is_its_call_method() -> None:
    class Thing:
        def __call__(self) -> None:
            pass

    def program() -> None:
        thing = Thing()
        thing()
        thing()

    assert calls(record(program), "program", "Thing.__call__") == 2


def test_types_of_c_are_called_by_name_where_the_interpreter_tells_of_them() -> None:
    def program() -> None:
        int("3")
        deque()
        deque()

    profile = record(program)
    assert calls(profile, "program", "int") == (1 if MONITORING else 0)
    assert calls(profile, "program", "deque") == (2 if MONITORING else 0)


def test_a_partial_leads_to_its_function() -> None:
    def leaf(number: int) -> None:
        pass

    def program() -> None:
        functools.partial(leaf, 1)()

    profile = record(program, builtins=False)
    assert calls(profile, "program", "leaf") == 1


@BUILTINS
def test_class_methods_have_their_caller(builtins: bool) -> None:
    class Thing:
        @classmethod
        def make(cls) -> None:
            pass

    def program() -> None:
        Thing.make()
        Thing().make()

    assert calls(record(program, builtins), "program", "Thing.make") == 2


@BUILTINS
def test_static_methods_have_their_caller(builtins: bool) -> None:
    class Thing:
        @staticmethod
        def work() -> None:
            pass

    def program() -> None:
        Thing.work()
        Thing().work()

    profile = record(program, builtins)
    found = [each for each in profile.functions if each.function.bare_name == "work"]
    assert [each.calls for each in found] == [2]


def test_functions_of_one_name_in_two_places_stay_two() -> None:
    def make_first() -> object:
        def same() -> None:
            pass

        return same

    def make_second() -> object:
        def same() -> None:
            pass

        return same

    first, second = make_first(), make_second()

    def program() -> None:
        first()  # type: ignore[operator]
        second()  # type: ignore[operator]
        second()  # type: ignore[operator]

    profile = record(program, builtins=False)
    found = [each for each in profile.functions if each.function.bare_name == "same"]
    assert sorted(each.calls for each in found) == [1, 2]


def test_a_function_compiled_again_and_again_stays_one() -> None:
    source = "def fresh():\n    pass\nfresh()\n"

    def program() -> None:
        for _ in range(50):
            exec(compile(source, "fresh.py", "exec"), {})

    profile = record(program, builtins=False)
    assert stats(profile, "fresh").calls == 50


def test_the_profilers_own_functions_never_show() -> None:
    def program() -> None:
        pass

    profile = record(program)
    assert not [each for each in profile.functions if "greenletprofiler" in each.function.filename]
    assert names(profile).isdisjoint({"Profiler.__exit__", "Profiler.stop", "stop", "start"})


def test_who_called_start_has_time_but_no_call() -> None:
    def program() -> None:
        pass

    profile = record(program)
    assert stats(profile, "record").calls == 0
    assert stats(profile, "record").inclusive.running_ns > 0
    assert callers(profile, "program") == {"record"}
