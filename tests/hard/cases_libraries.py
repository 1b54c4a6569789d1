"""What gevent and eventlet build of greenlets: nobody who waits is under whoever runs meanwhile."""

from __future__ import annotations

import os
import threading

import gevent
import gevent.event
import gevent.lock
import gevent.pool
import gevent.queue

from hard.case import ELSEWHERE, PROGRAM, Recording, Truth, case
from hard.helping import spin, wait_until_it_waits_for_files


@case(
    Truth(
        calls={"producer": 2, "consumer": 2, "take": 8, "leaf": 12},
        edges={("producer", "leaf"): 6, ("consumer", "take"): 8, ("consumer", "leaf"): 6},
        milliseconds={"producer": 6, "consumer": 6, "take": 0, "leaf": 12},
    )
)
def the_queue_of_gevent(recording: Recording) -> None:
    queue: gevent.queue.Queue[object] = gevent.queue.Queue(1)

    def producer() -> None:
        for number in range(3):
            leaf()
            queue.put(number)
        queue.put(None)

    def consumer() -> None:
        while take() is not None:
            leaf()

    def take() -> object:
        return queue.get()

    def leaf() -> None:
        spin(1)

    with recording:
        gevent.joinall([gevent.spawn(each) for each in (producer, consumer, producer, consumer)])


@case(
    Truth(
        calls={"work": 6, "other_work": 4, "pause": 10, "leaf": 11},
        edges={
            ("work", "pause"): 6,
            ("other_work", "pause"): 4,
            ("work", "leaf"): 6,
            ("other_work", "leaf"): 4,
            (PROGRAM, "leaf"): 1,
        },
        milliseconds={"work": 6, "other_work": 4, "leaf": 11},
    )
)
def the_pool_of_gevent(recording: Recording) -> None:
    def work(_number: int) -> None:
        pause()
        leaf()

    def other_work(_number: int) -> None:
        pause()
        leaf()

    def pause() -> None:
        gevent.sleep(0)

    def leaf() -> None:
        spin(1)

    with recording:
        pool = gevent.pool.Pool(3)
        pool.map(work, range(6))
        for _ in pool.imap_unordered(other_work, range(4)):
            pass
        leaf()


@case(
    Truth(
        calls={"waiter": 3, "setter": 1, "reader": 2, "outer": 3, "leaf": 6},
        edges={
            ("waiter", "outer"): 3,
            ("outer", "leaf"): 3,
            ("setter", "leaf"): 1,
            ("reader", "leaf"): 2,
        },
        milliseconds={"waiter": 6, "outer": 6, "setter": 2, "reader": 4},
    )
)
def the_events_of_gevent(recording: Recording) -> None:
    event, result = gevent.event.Event(), gevent.event.AsyncResult()

    def waiter() -> None:
        outer()

    def outer() -> None:
        event.wait()
        leaf()

    def setter() -> None:
        leaf()
        event.set()
        gevent.sleep(0)
        result.set(1)

    def reader() -> None:
        assert result.get() == 1
        leaf()

    def leaf() -> None:
        spin(2)

    with recording:
        functions = (waiter, reader, waiter, setter, reader, waiter)
        gevent.joinall([gevent.spawn(each) for each in functions])


@case(
    Truth(
        calls={"foo": 3, "critical": 6, "leaf": 6, "linked": 3},
        edges={("foo", "critical"): 6, ("critical", "leaf"): 6},
        milliseconds={"foo": 6, "critical": 6, "leaf": 6, "linked": 3},
    )
)
def the_semaphore_and_the_links_of_gevent(recording: Recording) -> None:
    semaphore = gevent.lock.BoundedSemaphore(1)

    def foo() -> None:
        for _ in range(2):
            critical()

    def critical() -> None:
        with semaphore:
            gevent.sleep(0)
            leaf()

    def leaf() -> None:
        spin(1)

    def linked(_of: gevent.Greenlet) -> None:
        spin(1)

    with recording:
        greenlets = [gevent.spawn(foo) for _ in range(3)]
        for each in greenlets:
            each.link(linked)
        gevent.joinall(greenlets)
        gevent.sleep(0)


@case(
    Truth(
        calls={"work": 6, "other_work": 3, "pause": 9, "leaf": 10},
        edges={
            (ELSEWHERE, "work"): 6,
            (ELSEWHERE, "other_work"): 3,
            ("work", "pause"): 6,
            ("other_work", "pause"): 3,
            ("work", "leaf"): 6,
            ("other_work", "leaf"): 3,
            (PROGRAM, "leaf"): 1,
        },
        milliseconds={"work": 12, "other_work": 3, "leaf": 15},
    ),
    in_a_process=True,
)
def the_pool_of_eventlet(recording: Recording) -> None:
    import eventlet

    def work(milliseconds: int) -> None:
        pause()
        leaf(milliseconds)

    def other_work(milliseconds: int) -> None:
        pause()
        leaf(milliseconds)

    def pause() -> None:
        eventlet.sleep(0)

    def leaf(milliseconds: int) -> None:
        spin(milliseconds)

    pool = eventlet.GreenPool(2)
    with recording:
        for _ in range(3):
            pool.spawn(work, 2)
            pool.spawn(other_work, 1)
        for _ in pool.imap(work, [2, 2, 2]):
            pass
        pool.waitall()
        leaf(0)


@case(
    Truth(
        calls={"producer": 1, "consumer": 1, "take": 4, "leaf": 6},
        edges={
            (ELSEWHERE, "producer"): 1,
            (ELSEWHERE, "consumer"): 1,
            ("producer", "leaf"): 3,
            ("consumer", "take"): 4,
            ("consumer", "leaf"): 3,
        },
        milliseconds={"producer": 6, "consumer": 6, "leaf": 12},
    ),
    in_a_process=True,
)
def the_queue_of_eventlet(recording: Recording) -> None:
    import eventlet

    def producer() -> None:
        for number in range(3):
            leaf()
            queue.put(number)
        queue.put(None)

    def consumer() -> None:
        while take() is not None:
            leaf()

    def take() -> object:
        return queue.get()

    def leaf() -> None:
        spin(2)

    queue = eventlet.Queue(1)
    with recording:
        threads = [eventlet.spawn(producer), eventlet.spawn(consumer)]
        for each in threads:
            each.wait()


@case(
    Truth(
        calls={"outer": 2, "timed": 1, "inner": 3, "leaf": 6},
        edges={
            (ELSEWHERE, "outer"): 2,
            (ELSEWHERE, "timed"): 1,
            ("outer", "inner"): 2,
            ("timed", "inner"): 1,
            ("inner", "leaf"): 3,
            ("outer", "leaf"): 2,
            ("timed", "leaf"): 1,
        },
        milliseconds={"outer": 8, "timed": 4, "inner": 6, "leaf": 12},
    ),
    in_a_process=True,
)
def the_ends_that_eventlet_brings(recording: Recording) -> None:
    import eventlet

    def outer() -> None:
        try:
            inner()
        finally:
            leaf()

    def timed() -> None:
        with eventlet.Timeout(0.002, False):
            inner()
        leaf()

    def inner() -> None:
        try:
            eventlet.sleep(60)
        finally:
            leaf()

    def leaf() -> None:
        spin(2)

    with recording:
        victims = [eventlet.spawn(outer), eventlet.spawn(outer)]
        eventlet.spawn(outer).kill()  # before it began
        eventlet.spawn(timed).wait()
        for each in victims:
            each.kill()


@case(
    Truth(
        calls={"late": 1, "leaf": 5},
        edges={
            ("inner", "leaf"): 2,
            ("foo", "leaf"): 1,
            ("bar", "leaf"): 1,
            ("work", "late"): 1,
            ("late", "leaf"): 1,
        },
        milliseconds={"foo": 4, "bar": 4, "inner": 4, "late": 2, "leaf": 10},
    ),
    in_a_process=True,
)
def the_poll_of_eventlet_in_another_thread_at_the_start(recording: Recording) -> None:
    import eventlet
    import eventlet.hubs

    pipes = [os.pipe(), os.pipe()]

    def work() -> None:
        for each in [eventlet.spawn(foo, pipes[0][0]), eventlet.spawn(bar, pipes[1][0])]:
            each.wait()
        late()

    def foo(file: int) -> None:
        inner(file)
        leaf()

    def bar(file: int) -> None:
        inner(file)
        leaf()

    def inner(file: int) -> None:
        leaf()
        eventlet.hubs.trampoline(file, read=True)
        leaf()

    def late() -> None:
        leaf()

    def leaf() -> None:
        spin(2)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until_it_waits_for_files(thread, 2)
    with recording:
        for _, wake in pipes:
            os.write(wake, b"!")
        thread.join()


@case(
    Truth(
        calls={"foo": 2, "task": 4, "leaf": 6},
        edges={
            (ELSEWHERE, "foo"): 2,
            (ELSEWHERE, "task"): 4,
            ("task", "leaf"): 4,
            ("foo", "leaf"): 2,
        },
        milliseconds={"task": 8, "leaf": 12},  # the first foo starts the pool
    ),
    in_a_process=True,
)
def the_threads_of_eventlet(recording: Recording) -> None:
    import eventlet
    import eventlet.tpool

    def foo() -> None:
        eventlet.tpool.execute(task)
        eventlet.tpool.execute(task)
        leaf()

    def task() -> None:
        leaf()

    def leaf() -> None:
        spin(2)

    with recording:
        for each in [eventlet.spawn(foo), eventlet.spawn(foo)]:
            each.wait()
    eventlet.tpool.killall()


@case(
    Truth(
        calls={"work": 2, "foo": 4, "step": 12, "leaf": 12},
        edges={
            (ELSEWHERE, "work"): 2,
            (ELSEWHERE, "foo"): 4,
            ("foo", "step"): 12,
            ("step", "leaf"): 12,
        },
        milliseconds={"work": 0, "foo": 12, "leaf": 12},
    ),
    in_a_process=True,
)
def the_hubs_of_eventlet_in_two_threads(recording: Recording) -> None:
    import eventlet

    def work() -> None:
        for each in [eventlet.spawn(foo), eventlet.spawn(foo)]:
            each.wait()

    def foo() -> None:
        for _ in range(3):
            step()

    def step() -> None:
        eventlet.sleep(0)
        leaf()

    def leaf() -> None:
        spin(1)

    with recording:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
