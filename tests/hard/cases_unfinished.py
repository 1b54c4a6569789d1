"""What is still open at a snapshot or a stop has its calls and its time up to then, and goes on from there.
The recording may end in another greenlet or thread than it began in, and leaves nothing to the next one."""

from __future__ import annotations

import cProfile
import threading
from collections.abc import Callable, Iterator

from greenlet import getcurrent, greenlet

from hard.case import ELSEWHERE, PROGRAM, Recording, Truth, case
from hard.helping import Gate, joined, spin, take_turns


def loops(turns: int) -> Truth:
    """Of the workers of the next case after that many turns."""
    return Truth(
        calls={"foo": 1, "bar": 1, "step": 2 * turns, "leaf": 2 * turns},
        edges={("foo", "step"): turns, ("bar", "step"): turns, ("step", "leaf"): 2 * turns},
        with_builtins={("step", "switch"): 2 * turns},
        milliseconds={"foo": 2 * turns, "bar": turns, "step": 3 * turns, "leaf": 3 * turns},
    )


@case(loops(1), loops(3), loops(3), loops(4))
def workers_that_never_return(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        while True:
            step(2)

    def bar() -> None:
        while True:
            step(1)

    def step(milliseconds: int) -> None:
        leaf(milliseconds)
        main.switch()

    def leaf(milliseconds: int) -> None:
        spin(milliseconds)

    greenlets = [greenlet(foo), greenlet(bar)]
    with recording:
        take_turns(greenlets)
        recording.snapshot()
        take_turns(greenlets, 2)
        recording.snapshot()
    take_turns(greenlets)
    recording.snapshot()
    with recording:
        take_turns(greenlets)


def deep(before: int, after: int) -> Truth:
    """Of the next case with that many calls of the leaf before its snapshots, and after them."""
    return Truth(
        calls={"foo": 1, "bar": 1, "middle": 2, "inner": 2, "leaf": 2 + before + after},
        edges={
            ("foo", "middle"): 1,
            ("bar", "middle"): 1,
            ("middle", "inner"): 2,
            ("inner", "leaf"): 2 + before,
            **({("middle", "leaf"): after} if after else {}),
        },
    )


@case(deep(0, 0), deep(1, 1), deep(2, 2))
def snapshots_deep_in_calls(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        middle()

    def bar() -> None:
        middle()

    def middle() -> None:
        inner()
        leaf()

    def inner() -> None:
        leaf()
        main.switch()
        recording.snapshot()
        leaf()

    def leaf() -> None:
        pass

    with recording:
        take_turns([greenlet(foo), greenlet(bar)], 2)


@case(deep(0, 0), deep(1, 1), deep(2, 2))
def snapshots_by_another_thread(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        middle()

    def bar() -> None:
        middle()

    def middle() -> None:
        inner()
        leaf()

    def inner() -> None:
        leaf()
        main.switch()
        joined(recording.snapshot)
        leaf()

    def leaf() -> None:
        pass

    with recording:
        take_turns([greenlet(foo), greenlet(bar)], 2)


@case(
    Truth(
        calls={"step": 40, "leaf": 40},
        edges={("foo", "step"): 20, ("bar", "step"): 20, ("step", "leaf"): 40},
        with_builtins={("step", "switch"): 40},
        milliseconds={"foo": 10, "bar": 5, "step": 15},
    )
)
def twenty_sessions_on_the_same_greenlets(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        while True:
            step(0.5)

    def bar() -> None:
        while True:
            step(0.25)

    def step(milliseconds: float) -> None:
        leaf(milliseconds)
        main.switch()

    def leaf(milliseconds: float) -> None:
        spin(milliseconds)

    greenlets = [greenlet(foo), greenlet(bar)]
    take_turns(greenlets)
    for _ in range(20):
        with recording:
            take_turns(greenlets)
        take_turns(greenlets)


@case(
    Truth(
        calls={"leaf": 20},
        edges={("descend", "leaf"): 20},
        milliseconds={"descend": 10, "leaf": 10},
    )
)
def twenty_sessions_while_recursion_unwinds(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        descend(40)

    def descend(levels: int) -> None:
        if levels:
            descend(levels - 1)
        main.switch()
        leaf()

    def leaf() -> None:
        spin(0.5)

    one, other = greenlet(foo), greenlet(foo)
    take_turns([one, other])
    for _ in range(20):
        with recording:
            one.switch()
        one.switch()
        other.switch()


@case(
    Truth(
        calls={"foo": 1, "bar": 1, "numbers": 4, "leaf": 4},
        edges={
            ("foo", "numbers"): 2,
            ("bar", "numbers"): 2,
            ("foo", "leaf"): 1,
            ("bar", "leaf"): 1,
            ("numbers", "leaf"): 2,
        },
        with_builtins={("numbers", "switch"): 2, ("foo", "switch"): 1, ("bar", "switch"): 1},
        milliseconds={"foo": 4, "bar": 4, "numbers": 4},
    ),
    Truth(
        calls={"foo": 1, "bar": 1, "numbers": 5, "leaf": 5},
        edges={
            ("foo", "numbers"): 3,
            ("bar", "numbers"): 2,
            ("foo", "leaf"): 2,
            ("bar", "leaf"): 1,
            ("numbers", "leaf"): 2,
        },
        with_builtins={("numbers", "switch"): 2, ("foo", "switch"): 2, ("bar", "switch"): 1},
        milliseconds={"foo": 6, "bar": 4, "numbers": 4},
    ),
)
def generators_that_are_half_run(recording: Recording) -> None:
    main = getcurrent()

    def numbers() -> Iterator[int]:
        leaf()
        yield 1
        main.switch()
        yield 2

    def foo() -> None:
        for _ in numbers():
            leaf()
            main.switch()

    def bar() -> None:
        for _ in numbers():
            leaf()
            main.switch()

    def leaf() -> None:
        spin(2)

    one, other = greenlet(foo), greenlet(bar)
    with recording:
        take_turns([one, other], 2)
    recording.snapshot()
    with recording:
        take_turns([one], 2)


@case(
    Truth(
        calls={"leaf": 5, "stops": 1},
        edges={
            ("starts", "leaf"): 1,
            ("foo", "leaf"): 1,
            (PROGRAM, "leaf"): 1,
            ("bar", "leaf"): 1,
            ("stops", "leaf"): 1,
            ("bar", "stops"): 1,
        },
        milliseconds={"foo": 4, "starts": 2, PROGRAM: 2, "bar": 4, "stops": 2, "leaf": 10},
    )
)
def started_in_one_greenlet_and_stopped_in_another(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        starts()
        leaf()
        main.switch()
        leaf()

    def starts() -> None:
        leaf()
        recording.start()
        leaf()

    def bar() -> None:
        main.switch()
        leaf()
        stops()
        leaf()

    def stops() -> None:
        leaf()
        recording.stop()
        leaf()

    def leaf() -> None:
        spin(2)

    one, other = greenlet(foo), greenlet(bar)
    other.switch()
    one.switch()
    leaf()
    other.switch()
    one.switch()


@case(
    Truth(
        calls={"bar": 1, "step": 20, "leaf": 20},
        edges={("foo", "step"): 10, ("bar", "step"): 10, ("step", "leaf"): 20},
        milliseconds={"foo": 5, "bar": 5, "step": 10},
    )
)
def started_in_one_greenlet_and_stopped_in_another_again_and_again(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        while True:
            recording.start()
            step()
            main.switch()

    def bar() -> None:
        while True:
            step()
            recording.stop()
            step()
            main.switch()

    def step() -> None:
        leaf()

    def leaf() -> None:
        spin(0.5)

    take_turns([greenlet(foo), greenlet(bar)], 10)


@case(
    Truth(
        calls={"leaf": 4, "stops": 1, "other": 1, "child": 1},
        edges={
            ("starts", "leaf"): 1,
            ("one", "leaf"): 1,
            (ELSEWHERE, "other"): 1,
            ("other", "stops"): 1,
            ("stops", "leaf"): 1,
            ("child", "leaf"): 1,
        },
        milliseconds={"one": 4, "starts": 2, "other": 2, "stops": 2, "child": 2},
    )
)
def started_in_one_thread_and_stopped_in_another(recording: Recording) -> None:
    started, stopped = Gate(), Gate()

    def one() -> None:
        starts()
        leaf()
        started.open()
        stopped.wait()
        leaf()

    def starts() -> None:
        leaf()
        recording.start()
        leaf()

    def other() -> None:
        main = getcurrent()
        suspended = greenlet(child)
        suspended.switch(main)
        stops()
        leaf()
        suspended.switch()

    def child(main: greenlet) -> None:
        leaf()
        main.switch()
        leaf()

    def stops() -> None:
        leaf()
        recording.stop()
        leaf()

    def leaf() -> None:
        spin(2)

    thread = threading.Thread(target=one)
    thread.start()
    started.wait()
    joined(other)
    stopped.open()
    thread.join()


@case(
    Truth(
        calls={"foo": 2, "step": 6, "leaf": 6},
        edges={("foo", "step"): 6, ("step", "leaf"): 6},
        with_builtins={("step", "switch"): 6},
        milliseconds={"foo": 6},
    )
)
def cprofile_afterwards_counts_everything(recording: Recording) -> None:
    main = getcurrent()

    def foo() -> None:
        for _ in range(6):
            step()

    def step() -> None:
        leaf()
        main.switch()

    def leaf() -> None:
        spin(1)

    greenlets = [greenlet(foo), greenlet(foo)]
    before = counted_by_cprofile(foo)  # of this one, so each switch comes back at once
    with recording:
        take_turns(greenlets, 3)
    assert counted_by_cprofile(foo) == before
    assert counted_by_cprofile(lambda: take_turns(greenlets, 3))["leaf"] == 6


def counted_by_cprofile(program: Callable[[], object]) -> dict[str, int]:
    """Its calls of each function but time's, by name."""
    profile = cProfile.Profile()
    profile.runcall(program)
    profile.create_stats()
    counts: dict[str, int] = {}
    for (_, _, name), (_, calls, *_) in profile.stats.items():  # type: ignore[attr-defined]
        if "time" not in name:
            counts[name] = counts.get(name, 0) + calls
    return counts
