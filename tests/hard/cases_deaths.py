"""However a greenlet ends, what it had open ends with it, and nobody inherits its place."""

from __future__ import annotations

import threading

import gevent
from greenlet import GreenletExit, getcurrent, greenlet

from hard.case import ELSEWHERE, PROGRAM, Recording, Truth, case
from hard.helping import at_one_of, joined, spin, take_turns


@case(
    Truth(
        calls={"foo": 2, "bar": 2, "fails": 2, "catches": 1, "leaf": 4},
        edges={
            ("bar", "fails"): 2,
            ("foo", "leaf"): 1,
            (PROGRAM, "leaf"): 2,
            ("catches", "leaf"): 1,
        },
        with_builtins={
            ("fails", "switch"): 2,
            ("foo", "switch"): 2,
            ("catches", "switch"): 2,
            (PROGRAM, "switch"): 1,
        },
        milliseconds={"foo": 2, "bar": 2, "fails": 2, "catches": 2, "leaf": 8},
    )
)
def by_return_and_by_an_exception_that_crosses_to_the_parent(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        main.switch()
        leaf()

    def bar() -> None:
        fails()

    def fails() -> None:
        main.switch()
        spin(1)
        raise LookupError

    def catches() -> None:
        child = greenlet(bar)
        child.switch()
        try:
            child.switch()
        except LookupError:
            leaf()

    def leaf() -> None:
        spin(2)

    one, other, parent = greenlet(foo), greenlet(bar), greenlet(catches)
    with recording:
        take_turns([one, other, parent])
        try:
            other.switch()
        except LookupError:
            leaf()
        take_turns([greenlet(foo), one, parent])
        leaf()


@case(
    Truth(
        calls={"outer": 2, "inner": 2, "leaf": 5},
        edges={
            ("outer", "inner"): 2,
            ("inner", "leaf"): 2,
            ("outer", "leaf"): 2,
            (PROGRAM, "leaf"): 1,
        },
        with_builtins={("inner", "switch"): 2, (PROGRAM, "throw"): 5, (PROGRAM, "switch"): 2},
        milliseconds={"outer": 8, "inner": 4, "leaf": 10},
    )
)
def by_throw_before_the_first_switch_and_deep_in_calls(recording: Recording) -> None:
    main = getcurrent()

    def outer() -> None:
        try:
            inner()
        except LookupError:
            leaf()

    def inner() -> None:
        try:
            main.switch()
        finally:
            leaf()

    def leaf() -> None:
        spin(2)

    with recording:
        one, other, unborn, unborn_too = [greenlet(outer) for _ in range(4)]
        one.switch()
        other.switch()
        unborn.throw()
        one.throw(LookupError)
        try:
            unborn_too.throw(LookupError)
        except LookupError:
            leaf()
        other.throw(LookupError)
        assert unborn.dead and unborn_too.dead
        unborn.throw()


@case(
    Truth(
        calls={"outer": 3, "inner": 3, "leaf": 4, "drops": 1},
        edges={
            ("outer", "inner"): 3,
            ("inner", "leaf"): 3,
            (PROGRAM, "drops"): 1,
            ("drops", "leaf"): 1,
        },
        with_builtins={("inner", "switch"): 3, ("drops", "clear"): 1},
        milliseconds={"outer": 6, "inner": 6, "drops": 2, "leaf": 8},
    )
)
def by_the_last_reference_deep_in_calls(recording: Recording) -> None:
    main = getcurrent()

    def outer() -> None:
        inner()

    def inner() -> None:
        try:
            main.switch()
        finally:
            leaf()

    def drops() -> None:
        greenlets.clear()
        leaf()

    def leaf() -> None:
        spin(2)

    greenlets = [greenlet(outer) for _ in range(3)]
    with recording:
        take_turns(greenlets)
        drops()


@case(
    Truth(
        calls={"leaf": 7},
        edges={("inner", "leaf"): 3, ("outer", "leaf"): 3, (PROGRAM, "leaf"): 1},
        milliseconds={"outer": 12, "inner": 6, "leaf": 14},
    )
)
def by_the_last_reference_of_those_that_were_deep_in_calls_at_the_start(recording: Recording) -> None:
    main = getcurrent()

    def outer() -> None:
        try:
            inner()
        except GreenletExit:
            leaf()

    def inner() -> None:
        try:
            main.switch()
        finally:
            leaf()

    def leaf() -> None:
        spin(2)

    greenlets = [greenlet(outer) for _ in range(3)]
    take_turns(greenlets)
    with recording:
        while greenlets:
            del greenlets[-1]
        leaf()


@case(
    Truth(
        calls={"outer": 3, "inner": 3, "drops": 1, "leaf": 7},
        edges={
            ("outer", "inner"): 3,
            ("inner", "leaf"): 6,
            (ELSEWHERE, "drops"): 1,
            ("drops", "leaf"): 1,
        },
        milliseconds={"outer": 12, "inner": 12, "drops": 2, "leaf": 14},
    )
)
def by_the_last_reference_that_another_thread_drops(recording: Recording) -> None:
    main = getcurrent()

    def outer() -> None:
        inner()

    def inner() -> None:
        leaf()
        try:
            main.switch()
        finally:
            leaf()

    def drops() -> None:
        greenlets.clear()
        leaf()

    def leaf() -> None:
        spin(2)

    greenlets = [greenlet(outer) for _ in range(3)]
    with recording:
        take_turns(greenlets)
        joined(drops)
        getcurrent()  # ends, in their own thread, those that no other may end


@case(
    Truth(
        calls={"outer": 2, "inner": 2, "refuses": 2, "drops": 1, "leaf": 7},
        edges={
            ("outer", "inner"): 2,
            ("inner", "refuses"): 2,
            ("refuses", "leaf"): 4,
            ("outer", "leaf"): 2,
            (PROGRAM, "drops"): 1,
            ("drops", "leaf"): 1,
        },
        with_builtins={("inner", "switch"): 2, ("refuses", "switch"): 2, ("drops", "clear"): 1},
        milliseconds={"outer": 12, "inner": 8, "refuses": 8, "drops": 2, "leaf": 14},
    )
)
def by_return_for_the_end_of_the_last_reference_was_refused(recording: Recording) -> None:
    main = getcurrent()

    def outer() -> None:
        inner()
        leaf()

    def inner() -> None:
        try:
            main.switch()
        except GreenletExit:
            refuses()

    def refuses() -> None:
        leaf()
        living.append(getcurrent())
        main.switch()
        leaf()

    def drops() -> None:
        greenlets.clear()
        leaf()

    def leaf() -> None:
        spin(2)

    living: list[greenlet] = []
    greenlets = [greenlet(outer) for _ in range(2)]
    with recording:
        take_turns(greenlets)
        drops()
        take_turns(living)


@case(
    Truth(
        calls={"foo": 2, "key": 4, "bar": 2, "fails": 2, "leaf": 4},
        edges={("bar", "fails"): 2, ("key", "leaf"): 2, ("foo", "leaf"): 2},
        with_builtins={
            ("foo", "sorted"): 2,
            ("sorted", "key"): 4,
            ("key", "switch"): 4,
            ("fails", "switch"): 2,
        },
        without_builtins={("foo", "key"): 4},
        milliseconds={"foo": 8, "key": 4, "bar": 2, "fails": 2, "leaf": 8},
    )
)
def by_an_exception_that_crosses_to_a_sort_key_of_the_parent(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        child = greenlet(bar)
        children.append(child)

        def key(number: int) -> int:
            try:
                child.switch()
            except LookupError:
                leaf()
            return number

        sorted((2, 1), key=key)
        leaf()

    def bar() -> None:
        fails()

    def fails() -> None:
        main.switch()
        spin(1)
        raise LookupError

    def leaf() -> None:
        spin(2)

    children: list[greenlet] = []
    with recording:
        take_turns([greenlet(foo), greenlet(foo)])
        take_turns(children)


@case(
    Truth(
        calls={"foo": 2, "bar": 2, "waits": 2, "leaf": 8},
        edges={("foo", "leaf"): 4, ("bar", "waits"): 2, ("waits", "leaf"): 2, ("bar", "leaf"): 2},
        with_builtins={("foo", "switch"): 2, ("waits", "switch"): 2, (PROGRAM, "switch"): 2},
        milliseconds={"foo": 4, "bar": 4, "waits": 2, "leaf": 8},
    )
)
def by_return_to_a_parent_that_was_set_meanwhile(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        leaf()
        main.switch()
        leaf()

    def bar() -> None:
        waits()
        leaf()

    def waits() -> None:
        main.switch()
        leaf()

    def leaf() -> None:
        spin(1)

    with recording:
        for _ in range(2):
            one, other = greenlet(foo), greenlet(bar)
            take_turns([one, other])
            one.parent = other
            one.switch()


@case(
    Truth(
        calls={"leaf": 6},
        edges={("key", "leaf"): 3, ("outer", "leaf"): 3},
        milliseconds={"outer": 12, "key": 6, "leaf": 12},
    )
)
def by_throw_of_those_that_were_deep_in_a_sort_key_at_the_start(recording: Recording) -> None:
    main = getcurrent()

    def outer() -> None:
        try:
            sorted((2, 1), key=key)
        except LookupError:
            leaf()

    def key(number: int) -> int:
        try:
            main.switch()
        finally:
            leaf()
        return number

    def leaf() -> None:
        spin(2)

    greenlets = [greenlet(outer) for _ in range(3)]
    take_turns(greenlets)
    with recording:
        for each in greenlets:
            each.throw(LookupError)


@case(
    Truth(
        calls={"foo": 3, "inner": 3, "leaf": 7},
        edges={("foo", "inner"): 3, ("inner", "leaf"): 6, ("foo", "leaf"): 1},
        with_builtins={("inner", "switch"): 5, (PROGRAM, "switch"): 1},
        milliseconds={"foo": 7, "inner": 6, "leaf": 7},
    )
)
def between_sessions(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        inner()
        leaf()

    def inner() -> None:
        for _ in range(2):
            leaf()
            main.switch()
        leaf()

    def leaf() -> None:
        spin(1)

    thrown, dropped, living = map(greenlet, (foo, foo, foo))
    with recording:
        take_turns([thrown, dropped, living])
    thrown.throw()
    del dropped
    last = greenlet(foo)
    last.switch()
    with recording:
        take_turns([living, last])
    living.switch()
    with recording:
        last.switch()


@case(
    Truth(
        calls={"outer": 3, "inner": 3, "killer": 1, "leaf": 7},
        edges={
            ("outer", "inner"): 3,
            ("inner", "leaf"): 3,
            ("outer", "leaf"): 3,
            ("killer", "leaf"): 1,
        },
        milliseconds={"outer": 12, "inner": 6, "killer": 2},
    )
)
def by_gevents_kill(recording: Recording) -> None:
    def outer() -> None:
        try:
            inner()
        finally:
            leaf()

    def inner() -> None:
        try:
            gevent.sleep(60)
        finally:
            leaf()

    def killer() -> None:
        gevent.sleep(0)
        gevent.killall(victims)
        leaf()

    def leaf() -> None:
        spin(2)

    with recording:
        victims = [gevent.spawn(outer) for _ in range(3)]
        gevent.spawn(outer).kill()  # before it began
        gevent.spawn(killer).join()


@case(
    Truth(
        calls={"outer": 2, "middle": 2, "inner": 2, "leaf": 5},
        edges={
            ("outer", "middle"): 2,
            ("middle", "inner"): 2,
            ("inner", "leaf"): 2,
            ("outer", "leaf"): 2,
            (PROGRAM, "leaf"): 1,
        },
        milliseconds={"outer": 8, "middle": 4, "inner": 4, "leaf": 10},
    )
)
def of_the_calls_that_a_timeout_ends(recording: Recording) -> None:
    def outer() -> None:
        with gevent.Timeout(0.002, False):
            middle()
            leaf()
        leaf()

    def middle() -> None:
        inner()
        leaf()

    def inner() -> None:
        try:
            gevent.sleep(60)
        finally:
            leaf()

    def leaf() -> None:
        spin(2)

    with recording:
        gevent.joinall([gevent.spawn(outer), gevent.spawn(outer)])
        leaf()


@case(
    Truth(
        calls={"work": 2, "outer": 4, "inner": 4, "leaf": 7},
        edges={
            (ELSEWHERE, "work"): 2,
            ("outer", "inner"): 4,
            ("inner", "leaf"): 4,
            ("work", "leaf"): 2,
            (PROGRAM, "leaf"): 1,
        },
        with_builtins={("inner", "switch"): 4, ("work", "switch"): 4},
        milliseconds={"work": 4, "outer": 8, "inner": 8, "leaf": 14},
    )
)
def with_their_thread(recording: Recording) -> None:
    kept = []

    def work() -> None:
        main = getcurrent()
        for _ in range(2):
            kept.append(greenlet(outer))
            kept[-1].switch(main)
        leaf()

    def outer(main: greenlet) -> None:
        inner(main)

    def inner(main: greenlet) -> None:
        leaf()
        main.switch()

    def leaf() -> None:
        spin(2)

    with recording:
        for _ in range(2):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        leaf()


@case(
    Truth(
        calls={"foo": 4, "foo_inner": 4, "bar": 4, "bar_inner": 4, "leaf": 4},
        edges={("foo", "foo_inner"): 4, ("bar", "bar_inner"): 4, ("bar_inner", "leaf"): 4},
        with_builtins={("foo_inner", "switch"): 4, ("bar_inner", "switch"): 4, (PROGRAM, "switch"): 4},
        milliseconds={"foo": 4, "bar": 8, "leaf": 8},
    )
)
def and_another_is_born_at_its_address(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        foo_inner()

    def foo_inner() -> None:
        spin(1)
        main.switch()

    def bar() -> None:
        bar_inner()

    def bar_inner() -> None:
        main.switch()
        leaf()

    def leaf() -> None:
        spin(2)

    with recording:
        first = list(map(greenlet, [foo] * 4))
        for each in first:
            each.switch()
        addresses = set(map(id, first))
        del first, each
        for _ in range(4):
            other = at_one_of(addresses, bar)
            take_turns([other], 2)
            del other


@case(
    Truth(
        calls={"foo": 12, "foo_inner": 12, "leaf": 3},
        edges={("foo", "foo_inner"): 12, ("bar_inner", "leaf"): 3},
        with_builtins={("foo_inner", "switch"): 12, (PROGRAM, "switch"): 15},
        milliseconds={"foo": 12, "bar": 6, "leaf": 6},
    )
)
def and_another_is_born_at_its_address_between_sessions(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        foo_inner()

    def foo_inner() -> None:
        spin(1)
        main.switch()

    def bar() -> None:
        bar_inner()

    def bar_inner() -> None:
        main.switch()
        leaf()

    def leaf() -> None:
        spin(2)

    for _ in range(3):
        first = list(map(greenlet, [foo] * 4))
        with recording:
            for each in first:
                each.switch()
        addresses = set(map(id, first))
        del first, each
        other = at_one_of(addresses, bar)
        other.switch()
        with recording:
            other.switch()
        del other
