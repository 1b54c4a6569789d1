"""Greenlets that switch inside C functions: what C calls back has the C function as its caller, or with
built-ins off the Python function that called that."""

from __future__ import annotations

import functools
import itertools
import re
import weakref
from collections.abc import Iterator

from greenlet import getcurrent, greenlet

from hard.case import MONITORING, Recording, Truth, case
from hard.helping import answer, spin, take_turns


@case(
    Truth(
        calls={"foo": 1, "bar": 1, "foo_key": 3, "bar_key": 3, "leaf": 2},
        edges={("foo", "leaf"): 1, ("bar", "leaf"): 1},
        with_builtins={
            ("foo", "sorted"): 1,
            ("bar", "sorted"): 1,
            ("sorted", "foo_key"): 3,
            ("sorted", "bar_key"): 3,
            ("foo_key", "switch"): 3,
            ("bar_key", "switch"): 3,
        },
        without_builtins={("foo", "foo_key"): 3, ("bar", "bar_key"): 3},
        milliseconds={"foo": 12, "bar": 6, "foo_key": 12, "bar_key": 6},
    )
)
def in_a_sort_key(recording: Recording) -> None:
    main = getcurrent()

    def foo_key(number: int) -> int:
        spin(2)
        main.switch()
        spin(2)
        return number

    def bar_key(number: int) -> int:
        spin(1)
        main.switch()
        spin(1)
        return number

    def foo() -> None:
        sorted([3, 1, 2], key=foo_key)
        leaf()

    def bar() -> None:
        sorted([3, 1, 2], key=bar_key)
        leaf()

    def leaf() -> None:
        pass

    with recording:
        take_turns([greenlet(foo), greenlet(bar)], 4)


@case(
    Truth(
        calls={"foo": 1, "bar": 1, "foo_step": 3, "bar_step": 3, "leaf": 2},
        edges={("foo", "leaf"): 1, ("bar", "leaf"): 1, ("foo", "foo_step"): 3},
        with_builtins={
            ("bar", "list"): 1,
            ("bar", "map"): 1,
            ("foo", "map"): 1,
            ("list", "bar_step"): 3,
        }
        if MONITORING  # before, the interpreter does not tell of calls of types
        else {("bar", "bar_step"): 3},
        without_builtins={("bar", "bar_step"): 3},
        milliseconds={"foo": 6, "bar": 3, "foo_step": 6, "bar_step": 3},
    )
)
def in_map(recording: Recording) -> None:
    main = getcurrent()

    def foo_step(_number: int) -> None:
        main.switch()
        spin(2)

    def bar_step(_number: int) -> None:
        main.switch()
        spin(1)

    def foo() -> None:
        for _ in map(foo_step, (1, 2, 3)):
            pass
        leaf()

    def bar() -> None:
        list(map(bar_step, (1, 2, 3)))
        leaf()

    def leaf() -> None:
        pass

    with recording:
        take_turns([greenlet(foo), greenlet(bar)], 4)


@case(
    Truth(
        calls={"foo": 1, "bar": 1, "foo_key": 2, "bar_key": 2},
        with_builtins={
            ("foo", "min"): 1,
            ("bar", "max"): 1,
            ("min", "foo_key"): 2,
            ("max", "bar_key"): 2,
        },
        without_builtins={("foo", "foo_key"): 2, ("bar", "bar_key"): 2},
        milliseconds={"foo": 4, "bar": 8},
    )
)
def in_the_key_of_a_minimum_and_of_a_maximum(recording: Recording) -> None:
    main = getcurrent()

    def foo_key(number: int) -> int:
        main.switch()
        spin(2)
        return number

    def bar_key(number: int) -> int:
        main.switch()
        spin(4)
        return number

    def foo() -> None:
        min((1, 2), key=foo_key)

    def bar() -> None:
        max((1, 2), key=bar_key)

    with recording:
        take_turns([greenlet(foo), greenlet(bar)], 3)


@case(
    Truth(
        calls={"foo": 2, "add": 6, "leaf": 2},
        edges={("foo", "leaf"): 2},
        with_builtins={("foo", "reduce"): 2, ("reduce", "add"): 6, ("add", "switch"): 6},
        without_builtins={("foo", "add"): 6},
        milliseconds={"foo": 12},
    )
)
def in_reduce(recording: Recording) -> None:
    main = getcurrent()

    def add(one: int, other: int) -> int:
        main.switch()
        spin(2)
        return one + other

    def foo() -> None:
        functools.reduce(add, (1, 2, 3, 4))
        leaf()

    def leaf() -> None:
        pass

    with recording:
        take_turns([greenlet(foo), greenlet(foo)], 4)


@case(
    Truth(
        calls={"foo": 2, "replace": 6, "leaf": 6},
        edges={("replace", "leaf"): 6},
        with_builtins={("foo", "sub"): 2, ("sub", "replace"): 6, ("replace", "switch"): 6},
        without_builtins={("foo", "replace"): 6},
        milliseconds={"foo": 12, "leaf": 12},
    )
)
def in_the_callback_of_a_regular_expression(recording: Recording) -> None:
    main = getcurrent()
    letter = re.compile("[abc]")

    def replace(_match: re.Match[str]) -> str:
        main.switch()
        leaf()
        return ""

    def leaf() -> None:
        spin(2)

    def foo() -> None:
        letter.sub(replace, "a b c")

    with recording:
        take_turns([greenlet(foo), greenlet(foo)], 4)


@case(
    Truth(
        calls={"foo": 3, "__lt__": 3, "pause": 3},
        edges={("__lt__", "pause"): 3},
        with_builtins={("foo", "sort"): 3, ("sort", "__lt__"): 3, ("pause", "switch"): 3},
        without_builtins={("foo", "__lt__"): 3},
        milliseconds={"foo": 6, "pause": 6},
    )
)
def in_the_comparison_of_a_sort(recording: Recording) -> None:
    main = getcurrent()

    class Item:
        def __lt__(self, other: object) -> bool:
            pause()
            return True

    def pause() -> None:
        main.switch()
        spin(2)

    def foo() -> None:
        [Item(), Item()].sort()

    with recording:
        take_turns([greenlet(foo), greenlet(foo), greenlet(foo)], 2)


@case(
    Truth(
        calls={"foo": 2, "bar": 1, "value": 8, "leaf": 3},
        edges={("foo", "value"): 4, ("bar", "value"): 4, ("foo", "leaf"): 2, ("bar", "leaf"): 1},
        with_builtins={("value", "switch"): 8},
        milliseconds={"foo": 8, "bar": 8, "value": 16},
    )
)
def in_a_property(recording: Recording) -> None:
    main = getcurrent()

    class Thing:
        @property
        def value(self) -> int:
            main.switch()
            spin(2)
            return 1

    thing = Thing()

    def foo() -> None:
        assert thing.value + thing.value == 2
        leaf()

    def bar() -> None:
        assert thing.value + thing.value + thing.value + thing.value == 4
        leaf()

    def leaf() -> None:
        pass

    with recording:
        take_turns([greenlet(foo), greenlet(bar), greenlet(foo)], 5)


@case(
    Truth(
        calls={"foo": 2, "bar": 1, "__del__": 3, "leaf": 3},
        edges={("foo", "__del__"): 2, ("bar", "__del__"): 1, ("foo", "leaf"): 2, ("bar", "leaf"): 1},
        with_builtins={("__del__", "switch"): 3},
        milliseconds={"foo": 8, "bar": 4, "__del__": 12},
    )
)
def in_a_finalizer(recording: Recording) -> None:
    main = getcurrent()

    class Thing:
        def __del__(self) -> None:
            spin(2)
            main.switch()
            spin(2)

    def foo() -> None:
        thing = Thing()
        del thing
        leaf()

    def bar() -> None:
        thing = Thing()
        thing = None  # type: ignore[assignment]  # noqa: F841
        leaf()

    def leaf() -> None:
        pass

    with recording:
        take_turns([greenlet(foo), greenlet(bar), greenlet(foo)], 2)


@case(
    Truth(
        calls={"foo": 2, "bar": 1, "take": 9, "leaf": 6},
        edges={("foo", "take"): 6, ("bar", "take"): 3, ("foo", "leaf"): 4, ("bar", "leaf"): 2},
        with_builtins={("take", "switch"): 9},
        milliseconds={"foo": 12, "bar": 6, "take": 18},
    )
)
def in_an_iterator_over_a_function(recording: Recording) -> None:
    main = getcurrent()

    def take() -> object:
        spin(2)
        return main.switch()

    def foo() -> None:
        for _ in iter(take, None):
            leaf()

    def bar() -> None:
        for _ in iter(take, None):
            leaf()

    def leaf() -> None:
        pass

    with recording:
        greenlets = [greenlet(foo), greenlet(bar), greenlet(foo)]
        take_turns(greenlets)
        for value in (1, 1, None):
            answer(greenlets, value)


@case(
    Truth(
        calls={"foo": 1, "bar": 1, "numbers": 8, "leaf": 6},
        edges={("foo", "numbers"): 4, ("bar", "numbers"): 4, ("foo", "leaf"): 3, ("bar", "leaf"): 3},
        with_builtins={("numbers", "switch"): 6},
        milliseconds={"foo": 6, "bar": 6, "numbers": 12},
    )
)
def in_itertools_over_a_generator(recording: Recording) -> None:
    main = getcurrent()

    def numbers() -> Iterator[int]:
        for number in (1, 2, 3):
            spin(2)
            main.switch()
            yield number

    def foo() -> None:
        for _ in itertools.chain(numbers()):
            leaf()

    def bar() -> None:
        for _ in zip(itertools.islice(numbers(), None), "abcd", strict=False):
            leaf()

    def leaf() -> None:
        pass

    with recording:
        take_turns([greenlet(foo), greenlet(bar)], 4)


@case(
    Truth(
        calls={"foo": 1, "bar": 1, "numbers": 8},
        with_builtins={("foo", "sum"): 1, ("bar", "join"): 1, ("sum", "numbers"): 4, ("join", "numbers"): 4},
        without_builtins={("foo", "numbers"): 4, ("bar", "numbers"): 4},
        milliseconds={"foo": 6, "bar": 3, "numbers": 9},
    )
)
def in_c_that_consumes_a_generator(recording: Recording) -> None:
    main = getcurrent()

    def numbers(one: object, milliseconds: int) -> Iterator[object]:
        for _ in range(3):
            spin(milliseconds)
            main.switch()
            yield one

    def foo() -> None:
        assert sum(numbers(1, 2)) == 3  # type: ignore[arg-type]

    def bar() -> None:
        assert "".join(numbers("a", 1)) == "aaa"  # type: ignore[arg-type]

    with recording:
        take_turns([greenlet(foo), greenlet(bar)], 4)


@case(
    Truth(
        calls={"foo": 2, "outer": 4, "inner": 8, "leaf": 8},
        edges={("inner", "leaf"): 8},
        with_builtins={
            ("foo", "sorted"): 2,
            ("sorted", "outer"): 4,
            ("outer", "reduce"): 4,
            ("reduce", "inner"): 8,
            ("inner", "switch"): 8,
        },
        without_builtins={("foo", "outer"): 4, ("outer", "inner"): 8},
        milliseconds={"foo": 16, "outer": 16, "inner": 16, "leaf": 16},
    )
)
def in_c_that_python_code_in_c_called(recording: Recording) -> None:
    main = getcurrent()

    def inner(one: int, other: int) -> int:
        main.switch()
        leaf()
        return one + other

    def leaf() -> None:
        spin(2)

    def outer(number: int) -> int:
        return functools.reduce(inner, (1, 2, number))

    def foo() -> None:
        sorted((2, 1), key=outer)

    with recording:
        take_turns([greenlet(foo), greenlet(foo)], 5)


@case(
    Truth(
        calls={"foo": 2, "bar": 1, "__enter__": 3, "__exit__": 3, "fail": 2, "leaf": 3},
        edges={
            ("foo", "__enter__"): 2,
            ("foo", "__exit__"): 2,
            ("bar", "__enter__"): 1,
            ("bar", "__exit__"): 1,
            ("foo", "fail"): 2,
            ("foo", "leaf"): 2,
            ("bar", "leaf"): 1,
        },
        with_builtins={("__enter__", "switch"): 3, ("__exit__", "switch"): 3},
        milliseconds={"foo": 8, "bar": 4, "__enter__": 6, "__exit__": 6},
    )
)
def in_a_context_manager(recording: Recording) -> None:
    main = getcurrent()

    class Manager:
        def __enter__(self) -> None:
            main.switch()
            spin(2)

        def __exit__(self, *_: object) -> bool:
            main.switch()
            spin(2)
            return True

    def foo() -> None:
        with Manager():
            fail()
        leaf()

    def bar() -> None:
        with Manager():
            pass
        leaf()

    def fail() -> None:
        raise LookupError

    def leaf() -> None:
        pass

    recording.start()  # not by its own __enter__, which is another
    take_turns([greenlet(foo), greenlet(bar), greenlet(foo)], 3)
    recording.stop()


@case(
    Truth(
        calls={"foo": 2, "bar": 1, "gone": 3, "leaf": 3},
        edges={("foo", "gone"): 2, ("bar", "gone"): 1, ("foo", "leaf"): 2, ("bar", "leaf"): 1},
        with_builtins={("gone", "switch"): 3},
        milliseconds={"foo": 4, "bar": 2, "gone": 6},
    )
)
def in_the_callback_of_a_weak_reference(recording: Recording) -> None:
    main = getcurrent()

    def gone(_reference: object) -> None:
        main.switch()
        spin(2)

    def foo() -> None:
        thing = greenlet()
        kept.append(weakref.ref(thing, gone))
        del thing
        leaf()

    def bar() -> None:
        thing = greenlet()
        kept.append(weakref.ref(thing, gone))
        thing = None  # type: ignore[assignment]
        leaf()

    def leaf() -> None:
        pass

    kept: list[object] = []
    with recording:
        take_turns([greenlet(foo), greenlet(bar), greenlet(foo)], 2)


@case(
    Truth(
        calls={"foo": 2, "__hash__": 6, "__eq__": 4, "leaf": 2},
        edges={("foo", "leaf"): 2},
        with_builtins={
            ("foo", "get"): 2,
            ("foo", "__hash__"): 4,
            ("foo", "__eq__"): 2,
            ("get", "__hash__"): 2,
            ("get", "__eq__"): 2,
            ("__hash__", "switch"): 6,
            ("__eq__", "switch"): 4,
        },
        without_builtins={("foo", "__hash__"): 6, ("foo", "__eq__"): 4},
        milliseconds={"foo": 14, "__hash__": 6, "__eq__": 8},
    )
)
def in_the_search_of_a_dictionary(recording: Recording) -> None:
    main = getcurrent()

    class Key:
        def __hash__(self) -> int:
            main.switch()
            spin(1)
            return 1

        def __eq__(self, other: object) -> bool:
            main.switch()
            spin(2)
            return True

    def foo() -> None:
        numbers = {Key(): 1}
        assert numbers[Key()] == 1
        assert numbers.get(Key()) == 1
        leaf()

    def leaf() -> None:
        pass

    with recording:
        take_turns([greenlet(foo), greenlet(foo)], 6)


@case(
    Truth(
        calls={"foo": 2, "Thing": 2, "leaf": 4},
        edges={("Thing", "leaf"): 2, ("foo", "leaf"): 2},
        with_builtins={
            ("foo", "__build_class__"): 2,
            ("__build_class__", "Thing"): 2,
            ("Thing", "switch"): 2,
        },
        without_builtins={("foo", "Thing"): 2},
        milliseconds={"foo": 8, "Thing": 4, "leaf": 8},
    )
)
def in_the_body_of_a_class(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        class Thing:
            main.switch()
            leaf()

        leaf()

    def leaf() -> None:
        spin(2)

    with recording:
        take_turns([greenlet(foo), greenlet(foo)], 2)
