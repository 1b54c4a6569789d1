"""A function is recursive where it was open already in the same greenlet, and nowhere else."""

from __future__ import annotations

from greenlet import getcurrent, greenlet

from hard.case import PROGRAM, Recording, Truth, case
from hard.helping import spin, take_turns


@case(
    Truth(
        calls={"down": 14, "other_down": 8},
        edges={("down", "down"): 12, ("other_down", "other_down"): 6},
        with_builtins={("down", "switch"): 28, ("other_down", "switch"): 16},
        outermost={"down": 2, "other_down": 2},
        milliseconds={"down": 14, "other_down": 8},
    )
)
def that_switches_on_the_way_down_and_up(recording: Recording) -> None:
    main = getcurrent()

    def down(levels: int = 7) -> None:
        spin(1)
        main.switch()
        if levels > 1:
            down(levels - 1)
        main.switch()

    def other_down(levels: int = 4) -> None:
        spin(1)
        main.switch()
        if levels > 1:
            other_down(levels - 1)
        main.switch()

    with recording:
        take_turns([greenlet(each) for each in (down, other_down, down, other_down)], 15)


@case(
    Truth(
        calls={"even": 5, "odd": 6, "leaf": 2},
        edges={("even", "odd"): 5, ("odd", "even"): 4, ("odd", "leaf"): 2},
        with_builtins={("even", "switch"): 5, ("odd", "switch"): 6, (PROGRAM, "switch"): 2},
        outermost={"even": 2, "odd": 2},
        milliseconds={"even": 12, "odd": 12, "leaf": 2},
    )
)
def of_two_functions_that_call_each_other(recording: Recording) -> None:
    main = getcurrent()

    def even(number: int) -> None:
        spin(1)
        main.switch()
        odd(number - 1)

    def odd(number: int) -> None:
        spin(1)
        main.switch()
        even(number - 1) if number > 1 else leaf()

    def leaf() -> None:
        spin(1)

    one, other = greenlet(even), greenlet(odd)
    with recording:
        one.switch(4)
        other.switch(7)
        take_turns([one, other], 7)


@case(
    Truth(
        calls={"spawns": 5, "deeper": 5, "leaf": 5},
        edges={("spawns", "deeper"): 5, ("spawns", "leaf"): 5},
        with_builtins={("deeper", "switch"): 4, (PROGRAM, "switch"): 1},
        milliseconds={"spawns": 5, "leaf": 5},
    )
)
def that_is_none_for_each_goes_on_in_a_new_greenlet(recording: Recording) -> None:
    def spawns(levels: int) -> None:
        deeper(levels)
        leaf()

    def deeper(levels: int) -> None:
        if levels > 1:
            greenlet(spawns).switch(levels - 1)

    def leaf() -> None:
        spin(1)

    with recording:
        greenlet(spawns).switch(5)


@case(
    Truth(
        calls={"down": 900, "leaf": 300},
        edges={("down", "down"): 897, ("down", "leaf"): 300},
        with_builtins={("down", "switch"): 300},
        outermost={"down": 3},
        milliseconds={"leaf": 30},
    )
)
def that_switches_at_each_third_level_far_down(recording: Recording) -> None:
    main = getcurrent()

    def down(levels: int = 300) -> None:
        if levels % 3 == 0:
            main.switch()
        if levels > 1:
            down(levels - 1)
        if levels % 3 == 0:
            leaf()

    def leaf() -> None:
        spin(0.1)

    with recording:
        take_turns([greenlet(down) for _ in range(3)], 101)
