"""Each thread has greenlets of its own, and none of them is where another thread's is."""

from __future__ import annotations

import _thread
import threading
from contextlib import nullcontext

import gevent
from gevent.threadpool import ThreadPool
from greenlet import getcurrent, greenlet

from hard.case import ELSEWHERE, MONITORING, PROGRAM, Recording, Truth, case
from hard.helping import Gate, in_a_hub, spin, take_turns


@case(
    Truth(
        calls={"work": 3, "foo": 3, "bar": 3, "step": 18, "leaf": 18},
        edges={
            (ELSEWHERE, "work"): 3,
            ("foo", "step"): 9,
            ("bar", "step"): 9,
            ("step", "leaf"): 18,
        },
        milliseconds={"foo": 9, "bar": 9, "leaf": 18},
    )
)
def with_a_hub_in_each(recording: Recording) -> None:
    def work() -> None:
        gevent.joinall([gevent.spawn(foo), gevent.spawn(bar)])

    def foo() -> None:
        for _ in range(3):
            step()

    def bar() -> None:
        for _ in range(3):
            step()

    def step() -> None:
        gevent.sleep(0)
        leaf()

    def leaf() -> None:
        spin(1)

    with recording:
        threads = [threading.Thread(target=in_a_hub, args=(work,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@case(
    Truth(
        calls={"foo": 2, "spawn": 6, "bar": 6, "leaf": 14},
        edges={
            ("foo", "spawn"): 6,
            ("foo", "leaf"): 2,
            ("spawn", "leaf"): 6,
            ("bar", "leaf"): 6,
        },
        with_builtins={("spawn", "switch"): 6, ("bar", "switch"): 6},
        milliseconds={"foo": 8, "spawn": 6, "bar": 6, "leaf": 14},
    )
)
def with_greenlets_that_are_created_by_others(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        for _ in range(3):
            spawn()
        leaf()

    def spawn() -> None:
        children.append(greenlet(bar, main))
        children[-1].switch()  # which switches to the program, not back here
        leaf()

    def bar() -> None:
        main.switch()
        leaf()

    def leaf() -> None:
        spin(1)

    children: list[greenlet] = []
    with recording:
        take_turns([greenlet(foo), greenlet(foo)], 4)
        take_turns(children)


@case(
    Truth(
        calls={"foo": 2, "task": 6, "leaf": 8},
        edges={("foo", "leaf"): 2, (ELSEWHERE, "task"): 6, ("task", "leaf"): 6},
        milliseconds={"foo": 4, "task": 12, "leaf": 16},
        warned=not MONITORING,  # between two tasks the pool takes away whatever profile function there is
    )
)
def of_gevents_pool(recording: Recording) -> None:
    pool = ThreadPool(2)

    def foo() -> None:
        for each in [pool.spawn(task) for _ in range(3)]:
            each.get()
        leaf()

    def task() -> None:
        leaf()

    def leaf() -> None:
        spin(2)

    try:
        with recording:
            gevent.joinall([gevent.spawn(foo), gevent.spawn(foo)])
    finally:
        pool.kill()


@case(
    Truth(
        calls={"work": 4, "child": 8, "leaf": 20},
        edges={("child", "leaf"): 16, ("work", "leaf"): 4},
        with_builtins={("child", "switch"): 16, ("work", "switch"): 8},
        milliseconds={"work": 4, "child": 16},
    )
)
def made_by_the_raw_module(recording: Recording) -> None:
    gates = [Gate() for _ in range(4)]

    def work(number: int) -> None:
        main = getcurrent()
        greenlets = [greenlet(child), greenlet(child)]
        for each in greenlets:
            each.switch(main)
        leaf()
        take_turns(greenlets)
        gates[number].open()

    def child(main: greenlet) -> None:
        leaf()
        main.switch()
        leaf()
        main.switch()

    def leaf() -> None:
        spin(1)

    with recording:
        for number in range(4):
            _thread.start_new_thread(work, (number,))
        for gate in gates:
            gate.wait()


@case(
    Truth(
        calls={"work": 2, "child": 4, "leaf": 8},
        edges={
            (ELSEWHERE, "work"): 2,
            ("child", "leaf"): 4,
            ("work", "leaf"): 2,
            (PROGRAM, "leaf"): 2,
        },
        with_builtins={("child", "switch"): 4, ("work", "switch"): 4},
        milliseconds={"work": 4, "child": 8, "leaf": 16},
    )
)
def that_outlive_the_recording(recording: Recording) -> None:
    def work(arrived: Gate, goes_on: Gate) -> None:
        main = getcurrent()
        greenlets = [greenlet(child), greenlet(child)]
        for each in greenlets:
            each.switch(main)
        leaf()
        arrived.open()
        goes_on.wait()
        take_turns(greenlets)
        leaf()

    def child(main: greenlet) -> None:
        leaf()
        main.switch()
        leaf()

    def leaf() -> None:
        spin(2)

    threads = []
    with recording:
        for _ in range(2):
            gates = Gate(), Gate()
            threads.append((threading.Thread(target=work, args=gates), *gates))
            threads[-1][0].start()
        for _, arrived, _ in threads:
            arrived.wait()
            leaf()
    for thread, _, goes_on in threads:
        goes_on.open()
        thread.join()


@case(
    Truth(
        calls={"work": 1, "step": 3, "foo": 2, "leaf": 9},
        edges={("work", "step"): 3, ("step", "leaf"): 3, ("foo", "leaf"): 6},
        with_builtins={("foo", "switch"): 6},
        milliseconds={"work": 3, "step": 3, "foo": 6, "leaf": 9},
    )
)
def that_know_no_greenlet(recording: Recording) -> None:
    main, arrived, goes_on = getcurrent(), Gate(), Gate()

    def work() -> None:
        step()
        step()
        step()

    def step() -> None:
        goes_on.wait()
        leaf()
        arrived.open()

    def foo() -> None:
        while True:
            leaf()
            main.switch()

    def leaf() -> None:
        spin(1)

    greenlets = [greenlet(foo), greenlet(foo)]
    with recording:
        _thread.start_new_thread(work, ())
        for _ in range(3):
            take_turns(greenlets)
            goes_on.open()
            arrived.wait()


@case(
    Truth(
        calls={"step": 6, "leaf": 6},
        edges={("child", "step"): 6, ("step", "leaf"): 6},
        with_builtins={("child", "switch"): 6},
        milliseconds={"child": 6, "step": 6, "leaf": 6},
    )
)
def that_live_through_many_recordings(recording: Recording) -> None:
    arrived, goes_on = Gate(), Gate()

    def work() -> None:
        main = getcurrent()
        greenlets = [greenlet(child), greenlet(child)]
        for each in greenlets:
            each.switch(main)
        for _ in range(5):
            arrived.open()
            goes_on.wait()
            take_turns(greenlets)
        arrived.open()

    def child(main: greenlet) -> None:
        while True:
            main.switch()
            step()

    def step() -> None:
        leaf()

    def leaf() -> None:
        spin(1)

    thread = threading.Thread(target=work)
    thread.start()
    arrived.wait()
    for turn in range(5):
        with recording if turn % 2 == 0 else nullcontext():
            goes_on.open()
            arrived.wait()
    thread.join()
