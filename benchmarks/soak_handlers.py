"""What the server of the soak does for a request: a little of everything that could leave something behind.

Every request calls these functions a number of times that is known: CALLS says how often. What they leave is
short-lived: greenlets that end, that are killed, that die of an exception or with their last reference;
threads; generators that nobody finishes; classes, code and cycles that are made anew each time.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import gevent
import greenlet
from gevent.monkey import get_original
from gevent.queue import Queue

allocate_lock = get_original("_thread", "allocate_lock")
start_new_thread = get_original("_thread", "start_new_thread")


class RaisedError(Exception):
    """Raised for the sake of it."""


def leaf(*_: object) -> None:
    """What all others call."""


# -- greenlets -------------------------------------------------------------------------------------------


def child(number: int, answers: Queue[int]) -> None:
    leaf()
    gevent.sleep(0)
    answers.put(number)


def left_open(main: greenlet.greenlet) -> None:
    """Is never switched to again: it dies with its last reference."""
    leaf()
    main.switch()


def greenlets() -> Iterable[bytes]:
    """Four that end, one that is killed, one that is forgotten."""
    answers: Queue[int] = Queue()
    children = list(map(gevent.spawn, [child] * 4, range(4), [answers] * 4))
    killed = gevent.spawn(gevent.sleep, 60)
    gevent.joinall(children)
    killed.kill()
    greenlet.greenlet(left_open).switch(greenlet.getcurrent())
    return [b"%d" % answers.qsize()]


# -- exceptions ------------------------------------------------------------------------------------------


def fails(levels: int) -> None:
    if levels == 0:
        raise RaisedError
    try:
        fails(levels - 1)
    finally:
        leaf()


def exceptions() -> Iterable[bytes]:
    """Through some frames, out of a greenlet, and out of a wait."""
    for _ in range(3):
        try:
            fails(2)
        except RaisedError:
            pass
    gevent.spawn(fails, 0).join()
    with gevent.Timeout(0.001, False):
        gevent.sleep(60)
    return [b"caught"]


# -- generators ------------------------------------------------------------------------------------------


def numbers() -> Iterator[int]:
    for number in range(5):
        leaf()
        yield number


def parts() -> Iterator[bytes]:
    for number in range(3):
        gevent.sleep(0)
        yield b"%d" % number


def generators() -> Iterable[bytes]:
    """One that ends, one that nobody finishes, and one that the server sends in chunks."""
    sum(numbers())
    next(numbers())
    return parts()


# -- threads ---------------------------------------------------------------------------------------------


def in_thread(done: Any) -> None:
    leaf()
    done.release()


def in_pool() -> None:
    """Starts a thread that soon ends, and waits for it."""
    done = allocate_lock()
    done.acquire()
    start_new_thread(in_thread, (done,))
    done.acquire()


def threads() -> Iterable[bytes]:
    gevent.get_hub().threadpool.apply(in_pool)
    return [b"joined"]


# -- objects ---------------------------------------------------------------------------------------------


def objects() -> Iterable[bytes]:
    """A class, its instances in cycles, code, closures and callbacks that are new each time."""

    class Local:
        def __init__(self) -> None:
            self.itself = self

        def method(self) -> None:
            leaf()

    for _ in range(10):
        Local().method()
    exec(compile("def made(): pass\nmade()\n", "made", "exec"), {})
    functools.partial(leaf, Local)()
    watched = RaisedError()
    watching = weakref.ref(watched, leaf)
    del watched
    ordered = sorted(range(10), key=lambda number: -number)
    return [b"%d %d" % (ordered[0], watching() is None)]


#: What requests ask for, by their path.
HANDLERS: Final[dict[str, Callable[[], Iterable[bytes]]]] = {
    each.__name__: each for each in (greenlets, exceptions, generators, threads, objects)
}

#: How often a request for it calls which functions, by the last part of their names.
CALLS: Final[dict[str, dict[str, int]]] = {
    "greenlets": {"greenlets": 1, "child": 4, "left_open": 1, "leaf": 5},
    "exceptions": {"exceptions": 1, "fails": 10, "leaf": 6},
    "generators": {"generators": 1, "numbers": 2, "parts": 1, "leaf": 6},
    "threads": {"threads": 1, "in_pool": 1, "in_thread": 1, "leaf": 1},
    "objects": {"objects": 1, "Local": 1, "__init__": 10, "method": 10, "leaf": 12, "<lambda>": 10},
}
