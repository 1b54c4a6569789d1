"""Why did this greenlet wait? Three replies that come late, each for another reason.

    python examples/contended.py

    alone      a reply after 1 s, and nothing else to do: contended 0
    polite     a reply after 1 s, beside a greenlet that works all the time but gives way each millisecond:
               contended, but no lag. It was the network
    hog        a reply after 0.1 s, when another greenlet takes the thread from 0.05 s to 0.35 s, by
               time.sleep() or by computing: contended, and lag. It was the hog, and it is named
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from typing import Final

import gevent
from gevent import socket as gevent_socket

from greenletprofiler import Profile, Profiler
from greenletprofiler.values import Times


def compute(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def ask(server: gevent_socket.socket) -> float:
    """How many seconds the reply took, by its own clock."""
    began = time.perf_counter()
    server.sendall(b"?\n")
    server.recv(1)
    return time.perf_counter() - began


def server_that_replies_after(seconds: float, end: socket.socket) -> subprocess.Popen[bytes]:
    """In a process of its own, which nothing here holds up."""
    command = f"read request; sleep {seconds}; echo reply"
    return subprocess.Popen(["sh", "-c", command], stdin=end.fileno(), stdout=end.fileno())


def beside(other: Callable[[], object], seconds: float) -> float:
    """Asks for a reply that comes after so long, beside another greenlet; how long it took."""
    here, there = gevent_socket.socketpair()
    with here, there, server_that_replies_after(seconds, there):
        working = gevent.spawn(other)
        took: float = gevent.spawn(ask, here).get()
        working.kill()
        return took


def nothing() -> None:
    pass


def polite() -> None:
    while True:
        compute(0.001)
        gevent.sleep(0)


def sleeping_hog() -> None:
    gevent.sleep(0.05)
    time.sleep(0.3)


def computing_hog() -> None:
    gevent.sleep(0.05)
    compute(0.3)


def waiting_beside(other: Callable[[], object], seconds: float) -> tuple[float, Times, Profile]:
    """How long it took, the times of the greenlet that waited, and the whole profile."""
    gevent.sleep(0)  # a hub is there before it is needed
    with Profiler() as profiler:
        took = beside(other, seconds)
    profile = profiler.snapshot()
    found = next(each for each in profile.functions if each.function.name == "ask")
    return took, found.inclusive, profile


CASES: Final[dict[str, tuple[Callable[[], object], float]]] = {
    "alone": (nothing, 1.0),
    "polite": (polite, 1.0),
    "hog": (sleeping_hog, 0.1),
    "hog 2": (computing_hog, 0.1),
}

if __name__ == "__main__":
    for name, (other, seconds) in CASES.items():
        took, times, profile = waiting_beside(other, seconds)
        print(
            f"{name:7} took {took:.3f} s: waiting {times.waiting_ns / 1e9:.3f} s, contended"
            f" {times.contended_ns / 1e9:.3f} s, lag {times.lag_ns / 1e9:.3f} s; held up by",
            ", ".join(each.function.label for each in profile.blockers) or "nothing",
        )
