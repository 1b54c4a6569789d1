"""What the benchmark has profiled: small programs that do one thing.

    workload = WORKLOADS["fib"]
    run = workload.prepare()
    run()                       does workload.units things: calls, switches, requests

prepare() makes what the program needs; it is not timed, and not profiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gevent
import greenlet
from bench_wsgi import Server
from gevent.queue import Queue

Run = Callable[[], object]


@dataclass(frozen=True)
class Workload:
    """units: how many things run() does, and what they are. `is_of_greenlets`: nothing else is to be had of
    profilers that do not know them."""

    name: str
    unit: str
    units: int
    prepare: Callable[[], Run]


def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)


class Account:
    """Methods that call methods."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, amount: int) -> None:
        self.total = self.checked(self.total + amount)

    def checked(self, total: int) -> int:
        return total


def methods() -> None:
    account = Account()
    for number in range(20_000):
        account.add(number)


def builtin_functions() -> None:
    text = "text"
    for _ in range(50_000):
        len(text)


def raw_switches() -> None:
    main = greenlet.getcurrent()

    def other() -> None:
        while True:
            main.switch()

    partner = greenlet.greenlet(other)
    for _ in range(1_000):
        partner.switch()


def queue_ping_pong() -> None:
    there: Queue[int] = Queue()
    back: Queue[int] = Queue()

    def pong() -> None:
        for _ in range(2_000):
            back.put(there.get())

    def ping() -> None:
        for number in range(2_000):
            there.put(number)
            back.get()

    gevent.joinall([gevent.spawn(ping), gevent.spawn(pong)])


def ten_thousand_greenlets() -> None:
    main = greenlet.getcurrent()

    def work() -> None:
        main.switch()

    waiting = [greenlet.greenlet(work) for _ in range(10_000)]
    for each in waiting:
        each.switch()
    for each in waiting:
        each.switch()


def call_free_loop() -> None:
    total = 0
    for number in range(300_000):
        total += number & 7


def raising() -> None:
    raise ValueError


def exceptions() -> None:
    for _ in range(10_000):
        try:
            raising()
        except ValueError:
            pass


def numbers(count: int) -> Iterator[int]:
    number = 0
    while number < count:
        yield number
        number += 1


def generators() -> None:
    for _ in numbers(50_000):
        pass


def down(depth: int) -> None:
    if depth:
        down(depth - 1)


def deep_recursion() -> None:
    for _ in range(100):
        down(400)


def wide() -> Run:
    """One function that calls 10,000."""
    names: dict[str, Any] = {"__name__": __name__}
    source = "".join(f"def f{number}(): pass\n" for number in range(10_000))
    exec(compile(source, __file__, "exec"), names)  # of this module, as all that is excluded
    callees = [names[f"f{number}"] for number in range(10_000)]

    def call_all() -> None:
        for callee in callees:
            callee()

    call_all()
    return call_all


def always(run: Run) -> Callable[[], Run]:
    return lambda: run


WORKLOADS = {
    each.name: each
    for each in (
        Workload("fib", "call", 21_891, always(lambda: fib(20))),
        Workload("methods", "call", 40_000, always(methods)),
        Workload("built-ins", "call", 50_000, always(builtin_functions)),
        Workload("raw switches", "switch", 2_000, always(raw_switches)),
        Workload("gevent queue", "message", 4_000, always(queue_ping_pong)),
        Workload("10,000 greenlets", "greenlet", 10_000, always(ten_thousand_greenlets)),
        Workload("pywsgi", "request", 60, lambda: Server(60).run),
        Workload("call-free loop", "round", 300_000, always(call_free_loop)),
        Workload("exceptions", "call", 10_000, always(exceptions)),
        Workload("generators", "resume", 50_000, always(generators)),
        Workload("deep recursion", "call", 40_100, always(deep_recursion)),
        Workload("wide", "call", 10_000, wide),
    )
}
