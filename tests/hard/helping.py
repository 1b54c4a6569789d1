"""What the programs of cases do over and over. None of it is a case's own function."""

from __future__ import annotations

import _thread
import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Container, Iterable
from typing import Any

import gevent
from builds import IS_SANITIZED
from gevent.hub import Hub
from greenlet import greenlet


def spin(milliseconds: float) -> None:
    """Uses that much CPU time."""
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        pass


def take_turns(greenlets: Iterable[greenlet], turns: int = 1) -> None:
    """Switches to each of them in turn, again and again."""
    kept = list(greenlets)
    for _ in range(turns):
        for each in kept:
            each.switch()


def answer(greenlets: Iterable[greenlet], value: object) -> None:
    """Switches to each of them once, with what their switch() then returns."""
    for each in greenlets:
        each.switch(value)


def at_one_of(addresses: Container[int], run: Callable[..., object]) -> greenlet:
    """A new greenlet where a dead one was; not each place is free for greenlets again."""
    if IS_SANITIZED:  # it keeps what was freed, to see who still uses it
        return greenlet(run)
    elsewhere = []
    for _ in range(10_000):
        new = greenlet(run)
        if id(new) in addresses:
            return new
        elsewhere.append(new)
    raise AssertionError("no new greenlet is at any of these addresses")


class Gate:
    """Closed until open() is called; of C alone, so no Python function of its own is ever in a stack."""

    def __init__(self) -> None:
        lock = _thread.allocate_lock()
        lock.acquire()
        self.open = lock.release
        self.wait = lock.acquire


def in_a_hub(work: Callable[[], object]) -> None:
    """Calls it in a thread that has a gevent hub, and leaves no hub behind."""
    try:
        work()
    finally:
        gevent.get_hub().destroy()


def joined(work: Callable[[], object]) -> None:
    """Calls it in a thread, and waits for the thread's end."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def wait_until_it_polls(thread: threading.Thread) -> None:
    """Returns when only its gevent hub, which has begun its loop, is left to run: that waits for no GIL."""
    assert thread.ident is not None
    while sys._current_frames()[thread.ident].f_code is not Hub.run.__code__:
        os.sched_yield()


def in_sqlalchemy(work: Callable[[Any], None], tasks: int) -> None:
    """Calls it in that many asyncio tasks at once, each with an SQLite database of its own."""
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    async def task() -> None:
        async with engine.connect() as connection:
            await connection.run_sync(work)

    async def all_of_them() -> None:
        await asyncio.gather(*[task() for _ in range(tasks)])
        await engine.dispose()

    engine = create_async_engine("sqlite+aiosqlite://", poolclass=NullPool)
    asyncio.run(all_of_them())


def wait_until_it_waits_for_files(thread: threading.Thread, files: int) -> None:
    """Returns when its eventlet hub, which has that many files to wait for, is in its poll."""
    assert thread.ident is not None
    while True:
        frame = sys._current_frames()[thread.ident]
        if frame.f_code.co_name == "do_poll" and len(frame.f_locals["self"].listeners["read"]) == files:
            return
        os.sched_yield()
