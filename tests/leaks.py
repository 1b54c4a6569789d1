"""Loops that show what is left behind; run by test_stability.py in processes of their own.

A process that has imported little has few objects, and starting and stopping looks at all of them.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import greenlet

from greenletprofiler import Profile, Profiler, _native

WHAT_MEMORY_IS_FOR = ("truncated_calls", "unrecorded_threads", "unplaced_greenlets", "unnamed_calls")


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


def least_growth(cycle: Callable[[], object], times: int, rounds: int) -> int:
    """Memory blocks that the interpreter holds more after a round of so many cycles: the least of several
    rounds, for caches fill at first, while a leak grows in all of them."""
    growths = []
    for _ in range(rounds):
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(times):
            cycle()
        gc.collect()
        growths.append(sys.getallocatedblocks() - before)
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

    return least_growth(cycle, times, rounds=8)


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


def recorded_within(memory_limit: int) -> Profile | None:
    """A profile by a recorder that may hold so many bytes; None if it cannot even be made or read."""
    try:
        recorder = _native.Recorder(
            builtins=True, threads=True, hidden=("/a",), polls=(("b", "c"),), node_budget=1000,
            memory_limit=memory_limit,
        )  # fmt: skip
        for _ in range(2):
            recorder.start()
            work()
            recorder.stop()
        return Profile.from_snapshot(recorder.snapshot())
    except MemoryError:
        return None


def leaf_calls(profile: Profile) -> int:
    return sum(each.calls for each in profile.functions if each.function.name == "leaf")


def with_little_memory(first: int, last: int, step: int) -> tuple[list[int], int]:
    """Limits at which a profile was wrong without saying so, and how many profiles were complete."""
    wrong = []
    complete = 0
    for memory_limit in range(first, last, step):
        profile = recorded_within(memory_limit)
        if profile is not None:
            said = any(profile.counters[name] for name in WHAT_MEMORY_IS_FOR)
            complete += not said
            if not conserves(profile) or (not said and leaf_calls(profile) != 2):
                wrong.append(memory_limit)
    return wrong, complete
