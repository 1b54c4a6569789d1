"""What is open when the recording starts has time from then on and no call, and what it calls later has the
true caller. A C function that is open then is not seen: whoever called it is the caller."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import gevent
import gevent.event
from greenlet import getcurrent, greenlet

from hard.case import ELSEWHERE, PROGRAM, Recording, Truth, case
from hard.helping import Gate, in_a_hub, joined, spin, take_turns, wait_until_it_polls


@case(
    Truth(
        calls={"leaf": 9},
        edges={("inner", "leaf"): 4, ("middle", "leaf"): 2, ("foo", "leaf"): 2, ("bar", "leaf"): 1},
        with_builtins={("inner", "switch"): 2},
        milliseconds={"foo": 10, "bar": 4, "middle": 9, "inner": 6, "leaf": 14},
    )
)
def deep_in_python_calls(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        middle(2)
        leaf(2)
        leaf(2)

    def bar() -> None:
        middle(1)
        leaf(1)

    def middle(milliseconds: int) -> None:
        inner(milliseconds)
        leaf(milliseconds)

    def inner(milliseconds: int) -> None:
        leaf(3)
        main.switch()
        leaf(milliseconds)
        main.switch()
        leaf(milliseconds)

    def leaf(milliseconds: int) -> None:
        spin(milliseconds)

    greenlets = [greenlet(foo), greenlet(bar)]
    take_turns(greenlets)
    with recording:
        take_turns(greenlets, 2)


@case(
    Truth(
        calls={"foo_key": 2, "bar_key": 2, "leaf": 2},
        edges={("foo", "foo_key"): 2, ("bar", "bar_key"): 2, ("foo", "leaf"): 1, ("bar", "leaf"): 1},
        with_builtins={("foo_key", "switch"): 2, ("bar_key", "switch"): 2},
        milliseconds={"foo": 8, "bar": 5, "foo_key": 8, "bar_key": 5},
    )
)
def deep_in_a_sort_key(recording: Recording) -> None:
    main = getcurrent()

    def foo_key(number: int) -> int:
        spin(1)
        main.switch()
        spin(2)
        return number

    def bar_key(number: int) -> int:
        spin(1)
        main.switch()
        spin(1)
        return number

    def foo() -> None:
        sorted((3, 1, 2), key=foo_key)
        leaf()

    def bar() -> None:
        sorted((3, 1, 2), key=bar_key)
        leaf()

    def leaf() -> None:
        pass

    greenlets = [greenlet(foo), greenlet(bar)]
    take_turns(greenlets)
    with recording:
        take_turns(greenlets, 3)


@case(
    Truth(
        calls={"outer": 2, "inner": 6, "leaf": 8},
        edges={("inner", "leaf"): 8, ("foo", "outer"): 2},
        with_builtins={
            ("outer", "reduce"): 2,
            ("outer", "inner"): 2,
            ("reduce", "inner"): 4,
            ("inner", "switch"): 6,
        },
        without_builtins={("outer", "inner"): 6},
        milliseconds={"foo": 16, "outer": 16, "inner": 16, "leaf": 16},
    )
)
def deep_in_c_that_python_code_in_c_called(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        sorted((2, 1), key=outer)

    def outer(number: int) -> int:
        return functools.reduce(inner, (1, 2, number))

    def inner(one: int, other: int) -> int:
        main.switch()
        leaf()
        return one + other

    def leaf() -> None:
        spin(2)

    greenlets = [greenlet(foo), greenlet(foo)]
    take_turns(greenlets)
    with recording:
        take_turns(greenlets, 4)


@case(
    Truth(
        calls={"numbers": 6, "leaf": 6},
        edges={("foo", "numbers"): 3, ("bar", "numbers"): 3, ("foo", "leaf"): 3, ("bar", "leaf"): 3},
        with_builtins={("numbers", "switch"): 4},
        milliseconds={"foo": 10, "bar": 5, "numbers": 15},
    )
)
def deep_in_a_generator(recording: Recording) -> None:
    main = getcurrent()

    def numbers(milliseconds: int) -> Iterator[int]:
        for number in range(3):
            spin(milliseconds)
            main.switch()
            yield number
            spin(milliseconds)

    def foo() -> None:
        for _ in numbers(2):
            leaf()

    def bar() -> None:
        for _ in numbers(1):
            leaf()

    def leaf() -> None:
        pass

    greenlets = [greenlet(foo), greenlet(bar)]
    take_turns(greenlets)
    with recording:
        take_turns(greenlets, 3)


@case(
    Truth(
        calls={"numbers": 4, "leaf": 6},
        edges={("foo", "numbers"): 4, ("foo", "leaf"): 4, ("numbers", "leaf"): 2},
        with_builtins={("foo", "switch"): 2},
        milliseconds={"foo": 12, "numbers": 4, "leaf": 12},
    )
)
def beside_a_generator_that_is_half_run(recording: Recording) -> None:
    main = getcurrent()

    def numbers() -> Iterator[int]:
        yield 1
        leaf()
        yield 2

    def foo() -> None:
        iterator = numbers()
        for _ in iterator:
            break
        main.switch()
        for _ in iterator:
            main.switch()
            leaf()
        leaf()

    def leaf() -> None:
        spin(2)

    greenlets = [greenlet(foo), greenlet(foo)]
    take_turns(greenlets)
    with recording:
        take_turns(greenlets, 2)


@case(
    Truth(
        calls={"descend": 4, "leaf": 14},
        outermost={"descend": 0},
        edges={("descend", "descend"): 4, ("descend", "leaf"): 12, ("foo", "leaf"): 2},
        with_builtins={("descend", "switch"): 2},
        milliseconds={"foo": 14, "descend": 12, "leaf": 14},
    )
)
def deep_in_recursion(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        descend(3, True)
        leaf()

    def descend(levels: int, again: bool) -> None:
        if levels:
            descend(levels - 1, again)
        else:
            main.switch()
            if again:
                descend(1, False)
        leaf()

    def leaf() -> None:
        spin(1)

    greenlets = [greenlet(foo), greenlet(foo)]
    take_turns(greenlets)
    with recording:
        take_turns(greenlets, 2)


@case(
    Truth(
        calls={"leaf": 6},
        edges={
            ("starts", "leaf"): 1,
            ("third", "leaf"): 1,
            ("deeper", "leaf"): 1,
            ("second", "leaf"): 1,
            ("first", "leaf"): 1,
            (PROGRAM, "leaf"): 1,
        },
        milliseconds={"starts": 2, "third": 4, "deeper": 2, "second": 4, "first": 2, "leaf": 12},
    )
)
def deep_in_a_greenlet_whose_parents_wait_for_it(recording: Recording) -> None:
    def first() -> None:
        greenlet(second).switch()
        leaf()

    def second() -> None:
        deeper()
        leaf()

    def deeper() -> None:
        greenlet(third).switch()
        leaf()

    def third() -> None:
        starts()
        leaf()

    def starts() -> None:
        recording.start()
        leaf()

    def leaf() -> None:
        spin(2)

    greenlet(first).switch()
    leaf()
    recording.stop()


@case(
    Truth(
        calls={"leaf": 5},
        edges={("inner", "leaf"): 2, ("outer", "leaf"): 2, (PROGRAM, "leaf"): 1},
        milliseconds={"outer": 8, "inner": 4, "leaf": 10},
    )
)
def other_threads_deep_in_calls(recording: Recording) -> None:
    arrived, goes_on = [Gate(), Gate()], [Gate(), Gate()]

    def outer(number: int) -> None:
        inner(number)
        leaf()

    def inner(number: int) -> None:
        leaf()
        arrived[number].open()
        goes_on[number].wait()
        leaf()

    def leaf() -> None:
        spin(2)

    threads = [threading.Thread(target=outer, args=(number,)) for number in (0, 1)]
    for thread, gate in zip(threads, arrived, strict=True):
        thread.start()
        gate.wait()
    with recording:
        leaf()
        for thread, gate in zip(threads, goes_on, strict=True):
            gate.open()
            thread.join()


@case(
    Truth(
        calls={"leaf": 8},
        edges={("inner", "leaf"): 4, ("foo", "leaf"): 2, ("bar", "leaf"): 2},
        with_builtins={("inner", "switch"): 4},
        milliseconds={"foo": 8, "bar": 8, "inner": 8, "work": 0},
    )
)
def greenlets_of_other_threads_deep_in_calls(recording: Recording) -> None:
    arrived, goes_on = [Gate(), Gate()], [Gate(), Gate()]

    def work(number: int) -> None:
        main = getcurrent()
        greenlets = [greenlet(foo), greenlet(bar)]
        for each in greenlets:
            each.switch(main)
        arrived[number].open()
        goes_on[number].wait()
        take_turns(greenlets, 2)

    def foo(main: greenlet) -> None:
        inner(main)
        leaf()

    def bar(main: greenlet) -> None:
        inner(main)
        leaf()

    def inner(main: greenlet) -> None:
        leaf()
        main.switch()
        leaf()
        main.switch()

    def leaf() -> None:
        spin(2)

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread, gate in zip(threads, arrived, strict=True):
        thread.start()
        gate.wait()
    with recording:
        for thread, gate in zip(threads, goes_on, strict=True):
            gate.open()
            thread.join()


@case(
    Truth(
        calls={"leaf": 8},
        edges={("waits", "leaf"): 2, ("child", "leaf"): 2, ("begins", "leaf"): 2, ("work", "leaf"): 2},
        milliseconds={"work": 8, "begins": 4, "child": 8, "waits": 4, "leaf": 16},
    )
)
def other_threads_deep_in_a_greenlet(recording: Recording) -> None:
    arrived, goes_on = [Gate(), Gate()], [Gate(), Gate()]

    def work(number: int) -> None:
        begins(number)
        leaf()

    def begins(number: int) -> None:
        greenlet(child).switch(number)
        leaf()

    def child(number: int) -> None:
        waits(number)
        leaf()

    def waits(number: int) -> None:
        arrived[number].open()
        goes_on[number].wait()
        leaf()

    def leaf() -> None:
        spin(2)

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread, gate in zip(threads, arrived, strict=True):
        thread.start()
        gate.wait()
    with recording:
        for thread, gate in zip(threads, goes_on, strict=True):
            gate.open()
            thread.join()


@case(
    Truth(
        calls={"leaf": 10, "late": 2},
        edges={
            ("inner", "leaf"): 4,
            ("foo", "leaf"): 2,
            ("bar", "leaf"): 2,
            ("late", "leaf"): 2,
            ("work", "late"): 2,
        },
        milliseconds={"foo": 8, "bar": 8, "inner": 8, "late": 4, "leaf": 20},
    )
)
def other_threads_in_the_poll_of_their_hubs(recording: Recording) -> None:
    wakes = []
    arrived: SimpleQueue[None] = SimpleQueue()

    def work() -> None:
        event = gevent.event.Event()
        watcher = gevent.get_hub().loop.async_()
        watcher.start(event.set)
        greenlets = [gevent.spawn(foo, event), gevent.spawn(bar, event)]
        wakes.append(watcher.send)
        gevent.joinall(greenlets)
        watcher.close()
        late()

    def foo(event: gevent.event.Event) -> None:
        inner(event)
        leaf()

    def bar(event: gevent.event.Event) -> None:
        inner(event)
        leaf()

    def inner(event: gevent.event.Event) -> None:
        leaf()
        arrived.put(None)
        event.wait()
        leaf()

    def late() -> None:
        leaf()

    def leaf() -> None:
        spin(2)

    threads = [threading.Thread(target=in_a_hub, args=(work,)) for _ in range(2)]
    for thread in threads:
        thread.start()
        arrived.get()
        arrived.get()
        wait_until_it_polls(thread)
    with recording:
        for wake, thread in zip(wakes, threads, strict=True):
            wake()
            thread.join()


@case(
    Truth(
        calls={"late": 1, "leaf": 5},
        edges={
            (ELSEWHERE, "late"): 1,
            ("late", "leaf"): 1,
            ("inner", "leaf"): 2,
            ("early", "leaf"): 2,
        },
        milliseconds={"early": 4, "inner": 4, "late": 2},
    )
)
def threads_that_began_before_and_end_meanwhile(recording: Recording) -> None:
    arrived, goes_on = Gate(), Gate()

    def early() -> None:
        main = getcurrent()
        greenlets = [greenlet(inner), greenlet(inner)]
        for each in greenlets:
            each.switch(main)
        arrived.open()
        goes_on.wait()
        for each in greenlets:
            each.switch()
            leaf()

    def inner(main: greenlet) -> None:
        main.switch()
        leaf()

    def late() -> None:
        leaf()

    def leaf() -> None:
        spin(2)

    thread = threading.Thread(target=early)
    thread.start()
    arrived.wait()
    with recording:
        joined(late)
        goes_on.open()
        thread.join()
