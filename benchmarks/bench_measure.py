"""Measures in a process of its own, and prints JSON: one of the functions below, by name.

    python bench_measure.py costs fib ours cProfile    plain and under each profiler, in turns
    python bench_measure.py truth cProfile             shares of tiny calls, plain and as shown
    python bench_measure.py phases fib ours            shares of a workload, plain and as shown
    python bench_measure.py nodes 1000 | greenlets 1000 | snapshot | report

Time is CPU time of the process: what others do on the machine is not in it, but that a core may be slower
at one moment than at another, by half or more. So costs are of many short runs, in which a few take turns,
and of the fastest tenth of each one's; and shares count if it was steady meanwhile (Steadiness).
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from random import Random
from statistics import median
from time import perf_counter, process_time_ns
from typing import Any, TypeVar

LEAST_TURNS = 4
TURNS = 60
RUNS = 3
SECONDS = 30
SECONDS_OF_SLOW = 12  # for profilers that add hundreds of ns, of which some do not matter
FASTEST = 10
ROUNDS_OF_TRUTH = 5
RUNS_OF_CURVES = 60
ATTEMPTS = 20
STEADY = 0.05
PLAIN = "plain"
STAMPS = "stamps"
LOOKED_AT = tuple(range(100_000))

T = TypeVar("T")


def timed_ns(run: Callable[[], object]) -> int:
    began_ns = process_time_ns()
    run()
    return process_time_ns() - began_ns


def of_loops(rounds: int) -> None:
    for _ in range(rounds):
        pass


def look() -> None:
    LOOKED_AT.index(LOOKED_AT[-1])


class Steadiness:
    """How steady the processor was while something was measured, by a loop in C of some 1 ms.

    look() belongs before, between and behind what is measured; unsteadiness() is 0 if the loop took the
    same time in each look.
    """

    def __init__(self) -> None:
        self._looks_ns: list[int] = []

    def look(self) -> None:
        self._looks_ns.append(timed_ns(look))

    def unsteadiness(self) -> float:
        return max(self._looks_ns) / min(self._looks_ns) - 1


def steadiest(measure: Callable[[Steadiness], T], count: int, attempts: int) -> list[T]:
    """Measures until so many were made on a steady processor; or of all attempts the steadiest."""
    measured: list[tuple[float, T]] = []
    for _ in range(attempts):
        steadiness = Steadiness()
        each = measure(steadiness)
        measured.append((steadiness.unsteadiness(), each))
        measured.sort(key=lambda pair: pair[0])
        if len(measured) >= count and measured[count - 1][0] <= STEADY:
            break
    return [each for _, each in measured[:count]]


def fast(runs_ns: list[int]) -> int:
    """A tenth of them took less: the processor was at its fastest, whatever it was like in most of them."""
    return sorted(runs_ns)[len(runs_ns) // FASTEST]


def costs(workload_name: str, *names: str) -> dict[str, dict[str, float]]:
    """Of each contender: plain and added ns of one unit, and ns of a reading of the time-stamp counter."""
    import floor
    from bench_contenders import CONTENDERS
    from bench_workloads import WORKLOADS

    workload = WORKLOADS[workload_name]
    profilings = {PLAIN: nullcontext, **{name: CONTENDERS[name].profiling for name in names}}
    seconds = SECONDS_OF_SLOW if any(CONTENDERS[name].is_slow for name in names) else SECONDS
    fast_ns = in_turns(workload.prepare(), profilings, floor.read_stamps, seconds)
    stamp = fast_ns.pop(STAMPS) / floor.STAMPS
    ns = {name: each / workload.units for name, each in fast_ns.items()}
    return {name: {"plain": ns[PLAIN], "added": ns[name] - ns[PLAIN], "stamp": stamp} for name in names}


Profilings = Mapping[str, Callable[[], AbstractContextManager[None]]]


def in_turns(
    run: Callable[[], object], profilings: Profilings, read_stamps: Callable[[], object], seconds: float
) -> dict[str, int]:
    """What a run takes under each of them, and, as STAMPS, the other function.

    The turns are many and short, so that the processor's moods are the same for all, and in another order
    each time: what one leaves behind (memory, kept or given back) is not always the same one's burden.
    """
    runs_ns: dict[str, list[int]] = {name: [] for name in (*profilings, STAMPS)}
    order = list(profilings)
    chance = Random(TURNS)
    began, turns = perf_counter(), 0
    while turns < LEAST_TURNS or (turns < TURNS and perf_counter() - began < seconds):
        runs_ns[STAMPS].append(timed_ns(read_stamps))
        chance.shuffle(order)
        for name in order:
            runs_ns[name] += some_runs_ns(run, profilings[name])
        turns += 1
    return {name: fast(each) for name, each in runs_ns.items()}


def some_runs_ns(
    run: Callable[[], object], profiling: Callable[[], AbstractContextManager[None]]
) -> list[int]:
    gc.collect()  # what others left behind
    with profiling():
        run()  # before it is timed: code is adapted again
        return [timed_ns(run) for _ in range(RUNS)]


# -- truth -----------------------------------------------------------------------------------------------


def tiny() -> None:
    pass


def of_calls() -> None:
    for _ in range(300_000):
        tiny()


#: Of a phase beside a loop: what a profiler shows, by word, when it profiles the function.
Shares = Callable[[Callable[[], None]], dict[str, float]]


def truth(kind: str) -> dict[str, float]:
    """Of a phase of 300,000 tiny calls."""
    return beside_a_loop(of_calls, SHARES[kind])


def phases(workload_name: str, kind: str) -> dict[str, float]:
    """Of a workload."""
    from bench_workloads import WORKLOADS

    return beside_a_loop(WORKLOADS[workload_name].prepare(), SHARES[kind])


def beside_a_loop(run: Callable[[], object], shares: Shares) -> dict[str, float]:
    """The share of a phase beside a loop without calls that takes as long: by the process's own clock without
    a profiler, and as a profile shows it. Medians of a few, in turns.

    slowed: what is left of it when nothing but the loop runs while the interpreter tells of calls; so a
    profile would show it that took out of the times exactly what events cost.
    """
    import floor

    run()
    run_ns = min(timed_ns(run) for _ in range(5))
    rounds = 1_000_000
    rounds = int(rounds * run_ns / min(timed_ns(lambda: of_loops(rounds)) for _ in range(5)))

    def one_round(steadiness: Steadiness) -> dict[str, float]:
        def both() -> None:
            steadiness.look()
            run()
            steadiness.look()
            of_loops(rounds)
            steadiness.look()

        run()  # code is adapted again
        steadiness.look()
        run_ns = timed_ns(run)
        steadiness.look()
        loops_ns = timed_ns(lambda: of_loops(rounds))
        floor.start(False)
        slowed_ns = timed_ns(lambda: of_loops(rounds))
        floor.stop()
        steadiness.look()
        return {"plain": share(run_ns, loops_ns), "slowed": share(run_ns, slowed_ns), **shares(both)}

    found = steadiest(one_round, ROUNDS_OF_TRUTH, ATTEMPTS)
    return {word: median(each[word] for each in found) for word in found[0]}


def share(phase: float, loops: float) -> float:
    return phase / (phase + loops)


def shares_of_ours(builtins: bool) -> Shares:
    def shares(both: Callable[[], None]) -> dict[str, float]:
        from greenletprofiler import Profiler

        profiler = Profiler(builtins=builtins)
        with profiler:
            both()
        profile = profiler.snapshot()
        return {"shown": share_in(profile), "raw": share_in(profile.raw())}

    return shares


def share_in(profile: Any) -> float:
    """The phase is all that is neither the loop nor the looks, for it may be of many greenlets."""
    inclusive_ns = {each.function.name: each.inclusive.cpu_ns for each in profile.functions}
    loops_ns = inclusive_ns["of_loops"]
    return share(profile.total.cpu_ns - inclusive_ns["look"] - loops_ns, loops_ns)


def shares_of_cprofile(both: Callable[[], None]) -> dict[str, float]:
    import cProfile
    import pstats

    profiler = cProfile.Profile()
    profiler.runcall(both)
    times = {name: numbers[3] for (_, _, name), numbers in pstats.Stats(profiler).stats.items()}  # type: ignore[attr-defined]
    return {"shown": share(times["of_calls"], times["of_loops"])}


def shares_of_yappi(clock: str) -> Shares:
    def shares(both: Callable[[], None]) -> dict[str, float]:
        import yappi

        yappi.set_clock_type(clock)
        yappi.start()
        both()
        yappi.stop()
        times = {each.name: each.ttot for each in yappi.get_func_stats()}
        yappi.clear_stats()
        return {"shown": share(times["of_calls"], times["of_loops"])}

    return shares


SHARES: dict[str, Shares] = {
    "ours": shares_of_ours(False),
    "ours, built-ins": shares_of_ours(True),
    "cProfile": shares_of_cprofile,
    "Yappi, wall": shares_of_yappi("wall"),
    "Yappi, CPU": shares_of_yappi("cpu"),
}


# -- curves ----------------------------------------------------------------------------------------------


def hot() -> None:
    pass


def calling_hot(number: int) -> Callable[[], None]:
    names: dict[str, Any] = {"hot": hot}
    exec(f"def hot_{number}(): hot()", names)
    function: Callable[[], None] = names[f"hot_{number}"]
    return function


HOT_PATHS = [calling_hot(number) for number in range(10)]


def ten_hot_paths() -> None:
    """40,000 calls, 2,000 on each of ten paths of two functions."""
    for _ in range(2_000):
        for path in HOT_PATHS:
            path()


def left(depth: int) -> None:
    if depth:
        left(depth - 1)
        right(depth - 1)


def right(depth: int) -> None:
    if depth:
        left(depth - 1)
        right(depth - 1)


HOT_EVENTS = 2 * 2 * 10 * 2_000


def per_event_ns(grow: Callable[[], object]) -> dict[str, float]:
    """Of the hot paths, without a profiler and with one after something has grown: the least of a few."""
    from greenletprofiler import Profiler

    ten_hot_paths()
    profiler = Profiler(builtins=False)
    with profiler:
        kept = grow()
        ten_hot_paths()
        profiled_ns = min(timed_ns(ten_hot_paths) for _ in range(RUNS_OF_CURVES))
    ten_hot_paths()
    plain_ns = min(timed_ns(ten_hot_paths) for _ in range(RUNS_OF_CURVES))
    del kept
    return {"plain": plain_ns / HOT_EVENTS, "profiled": profiled_ns / HOT_EVENTS}


def nodes(count: str) -> dict[str, float]:
    """With a tree of about so many nodes; `random`: an event of a walk over all of them."""
    depth = max(1, int(count).bit_length() - 2)
    found = per_event_ns(lambda: left(depth))
    visits = 2 * 2 ** (depth + 1)
    from greenletprofiler import Profiler

    with Profiler(builtins=False):
        left(depth)
        walked_ns = timed_ns(lambda: left(depth))
    return {**found, "random": (walked_ns - timed_ns(lambda: left(depth))) / visits}


def greenlets(count: str) -> dict[str, float]:
    """With so many greenlets that are alive, each in a call."""
    import greenlet

    def wait() -> None:
        greenlet.getcurrent().parent.switch()

    def grow() -> list[greenlet.greenlet]:
        waiting = [greenlet.greenlet(wait) for _ in range(int(count))]
        for each in waiting:
            each.switch()
        return waiting

    return per_event_ns(grow)


# -- a snapshot of a million nodes -----------------------------------------------------------------------


def snapshot() -> dict[str, float]:
    """Seconds that it takes, that it stops another thread for at most, and that a callgrind file takes."""
    import tempfile
    import threading
    import time

    from greenletprofiler import Profiler

    profiler = Profiler(builtins=False)
    longest, done = [0.0], threading.Event()

    def watch() -> None:
        last = perf_counter()
        while not done.is_set():
            time.sleep(0.0005)
            now = perf_counter()
            longest[0] = max(longest[0], now - last)
            last = now

    with profiler:
        left(19)
        watcher = threading.Thread(target=watch)
        watcher.start()
        time.sleep(0.05)
        longest[0] = 0.0
        began = perf_counter()
        profile = profiler.snapshot()
        taken = perf_counter() - began
        stopped = longest[0]
        done.set()
        watcher.join()
    with tempfile.NamedTemporaryFile(suffix=".callgrind") as file:
        began = perf_counter()
        profile.save(file.name)
        written = perf_counter() - began
    return {"nodes": len(profile.call_tree), "snapshot": taken, "stopped": stopped, "callgrind": written}


# -- a report on 100,000 greenlets -----------------------------------------------------------------------


def report() -> float:
    """Seconds of CPU time for a snapshot and its table after so many short greenlets; the least of a few."""
    import io

    import greenlet

    from greenletprofiler import Profiler

    def taken_ns() -> int:
        profiler = Profiler(builtins=False)
        with profiler:
            for _ in range(100_000):
                greenlet.greenlet(hot).switch()
        return timed_ns(lambda: profiler.snapshot().print(io.StringIO()))

    return min(taken_ns() for _ in range(3)) / 1e9


MEASUREMENTS: dict[str, Callable[..., object]] = {
    each.__name__: each for each in (costs, truth, phases, nodes, greenlets, snapshot, report)
}

if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]](*sys.argv[2:])))
