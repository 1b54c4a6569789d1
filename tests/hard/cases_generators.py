"""Generators and coroutines belong to nobody: whoever resumes one is its caller there and then."""

from __future__ import annotations

import types
from collections.abc import AsyncIterator, Coroutine, Generator, Iterator

from greenlet import getcurrent, greenlet

from hard.case import ELSEWHERE, PROGRAM, Recording, Truth, case
from hard.helping import in_sqlalchemy, joined, spin, take_turns


@case(
    Truth(
        calls={"foo": 1, "bar": 1, "numbers": 6, "leaf": 6},
        edges={("numbers", "leaf"): 6},
        with_builtins={("foo", "next"): 4, ("bar", "next"): 2, ("next", "numbers"): 6},
        without_builtins={("foo", "numbers"): 4, ("bar", "numbers"): 2},
        outermost={"numbers": 6},
        milliseconds={"foo": 4, "bar": 2, "numbers": 6},
    )
)
def resumed_by_different_greenlets(recording: Recording) -> None:
    main = getcurrent()

    def numbers() -> Iterator[int]:
        while True:
            leaf()
            yield 1

    def leaf() -> None:
        spin(1)

    def foo() -> None:
        for _ in range(2):
            next(shared)
            next(shared)
            main.switch()

    def bar() -> None:
        for _ in range(2):
            next(shared)
            main.switch()

    shared = numbers()
    with recording:
        take_turns([greenlet(foo), greenlet(bar)], 3)


@case(
    Truth(
        calls={"foo": 2, "bar": 1, "first_of": 5, "numbers": 5, "leaf": 5},
        edges={
            ("foo", "first_of"): 4,
            ("bar", "first_of"): 1,
            ("first_of", "numbers"): 5,
            ("numbers", "leaf"): 5,
        },
        with_builtins={("numbers", "switch"): 5, (PROGRAM, "switch"): 4},
        milliseconds={"foo": 4, "bar": 1, "numbers": 5},
    )
)
def that_switch_while_they_run(recording: Recording) -> None:
    main = getcurrent()

    def numbers() -> Iterator[int]:
        while True:
            main.switch()
            leaf()
            yield 1

    def first_of(generator: Iterator[int]) -> None:
        for _ in generator:
            break

    def leaf() -> None:
        spin(1)

    def foo(generator: Iterator[int]) -> None:
        first_of(generator)
        first_of(generator)

    def bar(generator: Iterator[int]) -> None:
        first_of(generator)

    one, other = numbers(), numbers()
    with recording:
        foos = list(map(greenlet, (foo, foo)))
        foos[0].switch(one)
        foos[1].switch(other)
        take_turns(foos, 2)
        last = greenlet(bar)
        last.switch(one)
        last.switch()


@case(
    Truth(
        calls={"foo": 2, "bar": 1, "numbers": 6, "leaf": 6},
        edges={("numbers", "leaf"): 6, (PROGRAM, "foo"): 1, (ELSEWHERE, "foo"): 1, (ELSEWHERE, "bar"): 1},
        with_builtins={("foo", "next"): 4, ("bar", "next"): 2, ("next", "numbers"): 6},
        without_builtins={("foo", "numbers"): 4, ("bar", "numbers"): 2},
        milliseconds={"foo": 4, "bar": 2, "numbers": 6},
    ),
    cprofile_is_wrong=False,  # from Python 3.12 on it sees all threads, and no greenlet switches here
)
def resumed_by_different_threads(recording: Recording) -> None:
    def numbers() -> Iterator[int]:
        while True:
            leaf()
            yield 1

    def leaf() -> None:
        spin(1)

    def foo() -> None:
        next(shared)
        next(shared)

    def bar() -> None:
        next(shared)
        next(shared)

    shared = numbers()
    with recording:
        foo()
        joined(bar)
        joined(foo)


@case(
    Truth(
        calls={"foo": 2, "outer": 8, "middle": 8, "inner": 6, "leaf": 8},
        edges={
            ("outer", "middle"): 8,
            ("middle", "inner"): 6,
            ("inner", "leaf"): 4,
            ("middle", "leaf"): 2,
            ("outer", "leaf"): 2,
            ("foo", "outer"): 8,
        },
        with_builtins={("inner", "switch"): 4},
        milliseconds={"foo": 8, "outer": 8, "middle": 6, "inner": 4},
    )
)
def that_delegate_while_others_run(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        for _ in outer():
            pass

    def outer() -> Iterator[int]:
        yield from middle()
        leaf()

    def middle() -> Iterator[int]:
        yield from inner()
        leaf()
        yield 3

    def inner() -> Iterator[int]:
        for number in range(2):
            main.switch()
            leaf()
            yield number

    def leaf() -> None:
        spin(1)

    with recording:
        take_turns([greenlet(foo), greenlet(foo)], 3)


@case(
    Truth(
        calls={"begins": 1, "thrower": 1, "closer": 1, "dropper": 1, "pause": 4, "numbers": 6, "leaf": 7},
        edges={
            ("begins", "numbers"): 3,
            ("numbers", "leaf"): 6,
            ("thrower", "leaf"): 1,
            ("begins", "pause"): 1,
            ("thrower", "pause"): 1,
            ("closer", "pause"): 1,
            ("dropper", "pause"): 1,
        },
        with_builtins={
            ("thrower", "throw"): 1,
            ("throw", "numbers"): 1,
            ("closer", "close"): 1,
            ("close", "numbers"): 1,
            ("dropper", "clear"): 1,
            ("clear", "numbers"): 1,
        },
        without_builtins={("thrower", "numbers"): 1, ("closer", "numbers"): 1, ("dropper", "numbers"): 1},
        milliseconds={"begins": 3, "thrower": 2, "closer": 1, "dropper": 1},
    )
)
def thrown_into_closed_and_dropped_by_other_greenlets(recording: Recording) -> None:
    main = getcurrent()

    def numbers() -> Generator[int, None, None]:
        try:
            leaf()
            yield 1
        finally:
            leaf()

    def leaf() -> None:
        spin(1)

    def pause() -> None:
        main.switch()

    def begins() -> None:
        for each in half_run:
            for _ in each:
                break
        pause()

    def thrower() -> None:
        try:
            half_run.pop().throw(LookupError)
        except LookupError:
            leaf()
        pause()

    def closer() -> None:
        half_run.pop().close()
        pause()

    def dropper() -> None:
        half_run.clear()
        pause()

    half_run = [numbers(), numbers(), numbers()]
    with recording:
        greenlets = list(map(greenlet, (begins, thrower, closer, dropper)))
        take_turns(greenlets, 2)


@case(
    Truth(
        calls={"driver": 2, "consume": 8, "numbers": 14, "pause": 12, "leaf": 12},
        edges={
            ("consume", "numbers"): 14,
            ("numbers", "pause"): 12,
            ("numbers", "leaf"): 6,
            ("consume", "leaf"): 6,
        },
        with_builtins={("driver", "send"): 8, ("send", "consume"): 8, ("driver", "switch"): 6},
        without_builtins={("driver", "consume"): 8},
        milliseconds={"driver": 12, "consume": 12, "numbers": 6},
    )
)
def asynchronous_ones_beside_each_other(recording: Recording) -> None:
    main = getcurrent()

    def driver() -> None:
        coroutine: Coroutine[object, None, None] = consume()
        try:
            while True:
                coroutine.send(None)
                main.switch()
        except StopIteration:
            pass

    async def consume() -> None:
        async for _ in numbers():
            leaf()

    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            leaf()
            await pause()
            yield number

    @types.coroutine
    def pause() -> Generator[None, None, None]:
        yield

    def leaf() -> None:
        spin(1)

    with recording:
        take_turns([greenlet(driver), greenlet(driver)], 4)


@case(
    Truth(
        calls={"query": 4, "transaction": 8, "leaf": 13},
        edges={
            ("query", "transaction"): 8,
            ("transaction", "leaf"): 8,
            ("query", "leaf"): 4,
            (PROGRAM, "leaf"): 1,
        },
        milliseconds={"leaf": 13},
    )
)
def tasks_over_the_bridge_of_sqlalchemy(recording: Recording) -> None:
    import sqlalchemy

    def query(connection: sqlalchemy.Connection) -> None:
        for number in range(2):
            transaction(connection, number)
        leaf()

    def transaction(connection: sqlalchemy.Connection, number: int) -> None:
        with connection.begin_nested():
            assert connection.scalar(one_more, {"number": number}) == number + 1
        leaf()

    def leaf() -> None:
        spin(1)

    one_more = sqlalchemy.text("select :number + 1")
    with recording:
        in_sqlalchemy(query, 4)
        leaf()
