"""Loops that show what is left behind; run by test_stability.py in processes of their own.

A process that has imported little has few objects, and starting and stopping looks at all of them.
"""

from __future__ import annotations

import _thread
import ast
import ctypes
import gc
import io
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import greenlet

from greenletprofiler import Profile, Profiler, _native

with suppress(ImportError):  # a Python without its tests
    from _testcapi import remove_mem_hooks as allow
    from _testcapi import set_nomemory as refuse

ERRORS = MemoryError, _native.NotRunning

WHAT_MEMORY_IS_FOR = (
    "truncated_calls", "unrecorded_threads", "unplaced_greenlets", "unnamed_calls", "unrecorded_greenlets",
    "unkept_slices", "unopened_tags", "unnoted_greenlets",
)  # fmt: skip


FOLDER = str(Path(__file__).parent)


def in_a_small_process(expression: str) -> object:
    """What an expression of this module is worth, in an interpreter that has little to search through."""
    program = f"import sys; sys.path.insert(0, {FOLDER!r}); import leaks; print(leaks.{expression})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600)
    assert done.stderr == ""
    return ast.literal_eval(done.stdout)


def conserves(profile: Profile) -> bool:
    """running + idle + own == lifetime, for each thread."""
    return all(
        thread.times.running_ns + thread.times.idle_ns + thread.own_ns == thread.lifetime_ns
        for thread in profile.threads
    )


def leaf() -> None:
    pass


def generate() -> Iterator[int]:
    yield 1


def work() -> None:
    """A little of everything."""
    main = greenlet.getcurrent()

    def child() -> None:
        leaf()
        main.switch()
        sorted([2, 1], key=abs)

    each = greenlet.greenlet(child)
    each.switch()
    each.switch()
    next(generate())
    with suppress(TypeError):
        str.upper(1)  # type: ignore[arg-type]


def least_growth(
    cycle: Callable[[], object], times: int, rounds: int, held: Callable[[], int] = sys.getallocatedblocks
) -> int:
    """What is held more after a round of so many cycles (memory blocks of the interpreter): the least of
    several rounds, for caches fill at first, while a leak grows in all of them."""
    growths = []
    for _ in range(rounds):
        gc.collect()
        before = held()
        for _ in range(times):
            cycle()
        gc.collect()
        growths.append(held() - before)
    return min(growths)


def growth_over_sessions(times: int) -> int:
    profiler = Profiler()

    def cycle() -> None:
        with profiler:
            work()

    return least_growth(cycle, times, rounds=3)


def growth_over_profilers(times: int) -> int:
    def cycle() -> None:
        profiler = Profiler()
        with profiler:
            work()
        profiler.snapshot()

    return least_growth(cycle, times, rounds=4)


def changes_of_references(times: int) -> list[int]:
    """Of objects that events hand over, after so many sessions."""
    counted = [None, leaf.__code__, len, greenlet.getcurrent(), greenlet.greenlet, type(leaf), "switch"]
    profiler = Profiler()
    with profiler:
        work()
    before = [sys.getrefcount(each) for each in counted]
    for _ in range(times):
        with profiler:
            work()
    return [sys.getrefcount(each) - count for each, count in zip(counted, before, strict=True)]


def excluded() -> None:
    work()


excluded.__code__ = excluded.__code__.replace(co_filename="/f/excluded.py")


def eventful_work(suspended: greenlet.greenlet) -> None:
    """Some 1,000 events: calls, built-ins, switches, a thread, a greenlet that was there before."""
    for _ in range(99):
        work()
    excluded()
    suspended.switch()
    in_another_thread()


def in_another_thread() -> None:
    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(in_thread, (done,))
    done.acquire()


def wait_in_another_thread() -> None:
    """For ever, and with a suspended greenlet."""
    waiting, ever = _thread.allocate_lock(), _thread.allocate_lock()
    for each in waiting, ever:
        each.acquire()

    def wait() -> None:
        suspended = greenlet.greenlet(forever)
        suspended.switch()
        waiting.release()
        ever.acquire()
        suspended.switch()

    _thread.start_new_thread(wait, ())
    waiting.acquire()


def in_thread(done: _thread.LockType) -> None:
    work()
    done.release()


def forever() -> None:
    while True:
        leaf()
        greenlet.getcurrent().parent.switch()  # type: ignore[union-attr]


def growth_of_all_references(times: int, in_mid_flight: bool) -> int:
    """References to all objects together, which a debug build counts, after so many sessions.

    in_mid_flight: with greenlets that go on after a start and after a stop, and beside a thread that waits.
    """
    suspended = greenlet.greenlet(forever)
    if in_mid_flight:
        suspended.switch()
        wait_in_another_thread()

    def cycle() -> None:
        profiler = Profiler()
        with profiler:
            work()
            in_another_thread()
            unfinished = ways_to_end()
            profiler.snapshot()
            if in_mid_flight:
                suspended.switch()
            else:
                unfinished.clear()
        unfinished.clear()
        profiler.snapshot().print(io.StringIO())

    return least_growth(cycle, times, rounds=3, held=sys.gettotalrefcount)  # type: ignore[attr-defined]


def ways_to_end() -> list[object]:
    """Exceptions through greenlets and generators; and what is left unfinished."""
    generator = generate()
    next(generator)
    with suppress(RuntimeError):
        generator.throw(RuntimeError)
    dies = greenlet.greenlet(forever)
    dies.switch()
    dies.throw()
    with suppress(RuntimeError):
        greenlet.greenlet(dies_of_an_error).switch()
    unfinished = generate()
    next(unfinished)
    left_open = greenlet.greenlet(forever)
    left_open.switch()
    return [unfinished, left_open]


def dies_of_an_error() -> None:
    try:
        raise ValueError
    except ValueError as error:
        raise RuntimeError from error


class Spawned(greenlet.greenlet):
    """Has what is noted of a greenlet: a name, and a place as gevent has it."""

    name = ""
    spawning_stack: object = None


def named_greenlet() -> greenlet.greenlet:
    each = Spawned(leaf)
    each.name = "named"
    each.spawning_stack = sys._getframe()
    return each


LEAVES = 2 * (100 + 1 + 1 + 1)  # of two sessions with eventful_work()


def recorded(**limits: int) -> Profile | None:
    """A profile by a recorder that finds little memory; None if it cannot even be made or read."""
    suspended = greenlet.greenlet(forever)
    suspended.switch()
    try:
        recorder = _native.Recorder(
            builtins=True, threads=True, hidden=("/a",), polls=(("b", "c"),), node_budget=1000,
            doors=(("d", "e"),), filters=((0, True, False, "m"), (1, True, True, "/f/*")), timeline=64,
            spawn_places=True, **limits
        )  # fmt: skip
        for _ in range(2):
            recorder.start()
            recorder.enter_tag("part")
            eventful_work(suspended)
            recorder.exit_tag("part")
            named_greenlet().switch()
            recorder.stop()
        return Profile.from_snapshot(recorder.snapshot())
    except MemoryError:
        return None


def leaf_calls(profile: Profile) -> int:
    return sum(each.calls for each in profile.functions if each.function.name == "leaf")


def is_said(profile: Profile) -> bool:
    return any(profile.counters[name] for name in WHAT_MEMORY_IS_FOR)


def is_wrong(profile: Profile) -> bool:
    """It lacks something without saying so."""
    if is_said(profile):
        return not conserves(profile)
    is_complete = leaf_calls(profile) == LEAVES and counts_slices(profile) and has_details(profile)
    return not conserves(profile) or not is_complete


def counts_slices(profile: Profile) -> bool:
    slices = sum(kind.slices.count for kind in profile.greenlet_kinds)
    return slices == sum(thread.switches + thread.polls for thread in profile.threads)


def has_details(profile: Profile) -> bool:
    named = [each for each in profile.greenlets if each.given_name == "named" and each.spawned_at]
    tags = [(tag.name, tag.entries) for tag in profile.tags]
    timeline = profile.timeline
    return len(named) == 2 and tags == [("part", 2)] and timeline is not None and timeline.totals["stop"] >= 2


def with_little_memory(first: int, last: int, step: int) -> tuple[list[int], int]:
    """Limits at which a profile was wrong, and how many profiles were complete."""
    wrong = []
    complete = 0
    for memory_limit in range(first, last, step):
        profile = recorded(memory_limit=memory_limit)
        if profile is not None:
            complete += not is_said(profile)
            if is_wrong(profile):
                wrong.append(memory_limit)
    return wrong, complete


def with_each_request_refused() -> tuple[list[int], int, int]:
    """Requests for memory whose refusal, of that one alone, made a profile wrong; how many made it
    incomplete, or impossible; and the number of the last that did."""
    wrong = []
    refused = []
    number = 0
    while number - max(refused, default=0) < 300:
        number += 1
        profile = recorded(failing_request=number)
        if profile is None or is_said(profile):
            refused.append(number)
        if profile is not None and is_wrong(profile):
            wrong.append(number)
    return wrong, len(refused), refused[-1]


def fails(step: Callable[[], object], number: int, end: int) -> bool:
    """Whether a step fails when the interpreter gets no memory from one request on, up to another (0: none).

    Short, and asks for no memory itself: where an exception is handled far down in a function, the
    interpreter needs memory for the place, and without it tries again for ever.
    """
    frame = sys._getframe()  # events of 3.10 and 3.11 need the object, which must be there then
    failed = False
    refuse(number, end)
    try:
        step()
    except ERRORS:
        failed = True
    allow()
    del frame
    return failed


def without_python_memory(last: int) -> tuple[int, int]:
    """Runs sessions in which the n-th block that the interpreter asks for is refused, and all after it or
    that one alone, in start(), stop() and snapshot(), for each n. How many steps failed, and how many did
    not."""
    failed = 0
    steps = 0
    suspended = greenlet.greenlet(forever)
    suspended.switch()
    for number in range(1, last):
        for end in (number + 1, 0):
            recorder = _native.Recorder(builtins=True, threads=True, hidden=(), polls=(), node_budget=1000)
            for step in (recorder.start, recorder.snapshot, recorder.stop, recorder.snapshot):
                steps += 1
                failed += fails(step, number, end)
                work()
                suspended.switch()
            if recorder.running:
                recorder.stop()
            recorder.start()  # what one that had no memory left behind, the next one clears away
            recorder.stop()
            assert conserves(Profile.from_snapshot(recorder.snapshot()))
    return failed, steps - failed


def growth_over_switches(millions: int) -> int:
    """Bytes that a recording holds more after so many switches."""
    partner = greenlet.greenlet(forever)
    profiler = Profiler(builtins=False)
    with profiler:
        for _ in range(2):  # both have waited
            partner.switch()
        before = profiler.memory_bytes
        for _ in range(millions * 500_000):
            partner.switch()
        return profiler.memory_bytes - before


def growth_of_a_recording_over_sessions(times: int) -> int:
    """Bytes that a recording holds more after so many sessions, with greenlets that live through them."""
    living = [greenlet.greenlet(forever) for _ in range(3)]
    for each in living:
        each.switch()
    profiler = Profiler()

    def cycle() -> None:
        with profiler:
            for each in living:
                each.switch()

    for _ in range(10):
        cycle()
    before = profiler.memory_bytes
    for _ in range(times):
        cycle()
    return profiler.memory_bytes - before


class MallocInfo(ctypes.Structure):
    """struct mallinfo2 of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks",
            "keepcost",
        )
    ]  # fmt: skip


def held_memory() -> tuple[int, int]:
    """Bytes that the C library has handed out (0 where it does not say), and blocks that the interpreter
    has."""
    gc.collect()
    handed_out = 0
    with suppress(AttributeError):  # glibc 2.33 and later have it
        mallinfo = ctypes.CDLL(None).mallinfo2
        mallinfo.restype = MallocInfo
        info = mallinfo()
        handed_out = info.uordblks + info.hblkhd
    return handed_out, sys.getallocatedblocks()


def report_on_greenlets(count: int) -> tuple[int, int]:
    """Bytes and blocks of memory that are left of a recording of so many short greenlets, and of its table,
    once profiler and profile are gone: the least of a few rounds."""

    def round_of(number: int) -> None:
        profiler = Profiler(builtins=False)
        with profiler:
            for _ in range(number):
                greenlet.greenlet(leaf).switch()
        profiler.snapshot().print(io.StringIO())

    held = []
    for _ in range(4):
        round_of(count)
        held.append(held_memory())
    bytes_left, blocks_left = (
        min(later - earlier for earlier, later in itertools.pairwise(column))
        for column in zip(*held, strict=True)
    )
    return bytes_left, blocks_left
