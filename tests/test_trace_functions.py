"""Programs with a trace function of greenlet of their own: each finds what it set and is called, at any time
before, in and after a recording, and does not cut the profiler off; where it does, the profile says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import greenlet
import pytest
from greenlet import getcurrent
from hard.helping import at_one_of, take_turns
from recorded import callers, calls, record, stats

from greenletprofiler import Profile, Profiler

#: References from before a recording go past the stand-ins.
real_settrace, real_gettrace = greenlet.settrace, greenlet.gettrace

Trace = Callable[[str, Any], object]


@pytest.fixture(autouse=True)
def _no_trace_function_is_left() -> Iterator[None]:
    yield
    left = real_gettrace(), greenlet.settrace is real_settrace, greenlet.gettrace is real_gettrace
    real_settrace(None)
    assert left == (None, True, True)


def leaf() -> None:
    pass


def ping_pong(rounds: int = 3) -> None:
    """Two greenlets that take turns, each with calls of its own: 2 * (rounds + 1) * 2 switches."""
    main = getcurrent()

    def one() -> None:
        for _ in range(rounds):
            leaf()
            main.switch()

    def other() -> None:
        for _ in range(rounds):
            main.switch()

    greenlets = [greenlet.greenlet(one), greenlet.greenlet(other)]
    for _ in range(rounds + 1):
        for each in greenlets:
            each.switch()


def counter() -> tuple[Trace, list[str]]:
    """A trace function, and the events that it was called with."""
    events: list[str] = []

    def trace(event: str, _greenlets: Any) -> None:
        events.append(event)

    return trace, events


SWITCHES = 16


def assert_ping_pong_is_true(profile: Profile, rounds: int) -> None:
    assert callers(profile, "leaf") == {"one"}
    assert calls(profile, "one", "leaf") == rounds
    assert callers(profile, "one") == callers(profile, "other") == set()


def test_a_function_set_while_recording_is_found_called_and_taken_away_again() -> None:
    trace, events = counter()
    found: list[object] = []

    def program() -> None:
        found.append(greenlet.settrace(trace))
        found.append(greenlet.gettrace())
        ping_pong()
        found.append(greenlet.settrace(None))
        found.append(greenlet.gettrace())
        ping_pong()

    profile = record(program)
    assert found == [None, trace, trace, None]
    assert events == ["switch"] * SWITCHES
    assert_ping_pong_is_true(profile, 6)
    assert profile.warnings == ()


def test_a_function_set_before_is_found_and_can_be_replaced_while_recording() -> None:
    first, first_events = counter()
    second, second_events = counter()
    found: list[object] = []

    def program() -> None:
        found.append(greenlet.gettrace())
        ping_pong()
        found.append(greenlet.settrace(second))
        ping_pong()

    greenlet.settrace(first)
    profile = record(program)
    assert found == [first, first]
    assert greenlet.gettrace() is second
    assert (len(first_events), len(second_events)) == (SWITCHES, SWITCHES)
    assert_ping_pong_is_true(profile, 6)
    greenlet.settrace(None)


def test_a_function_set_while_recording_stays_afterwards() -> None:
    trace, events = counter()
    record(lambda: greenlet.settrace(trace))
    assert greenlet.gettrace() is trace
    ping_pong()
    assert len(events) == SWITCHES
    assert greenlet.settrace(None) is trace


def test_one_that_calls_the_function_before_it_and_puts_it_back_sees_everything_once() -> None:
    inner, inner_events = counter()
    outer_events: list[str] = []

    def program() -> None:
        greenlet.settrace(inner)
        before = greenlet.settrace(lambda event, args: (outer_events.append(event), before(event, args)))
        ping_pong()
        greenlet.settrace(before)
        ping_pong()
        assert greenlet.settrace(None) is inner

    assert_ping_pong_is_true(record(program), 6)
    assert (len(inner_events), len(outer_events)) == (2 * SWITCHES, SWITCHES)


def test_a_function_that_takes_itself_away_while_it_is_called_is_gone() -> None:
    events: list[str] = []

    def once(event: str, _greenlets: Any) -> None:
        events.append(event)
        greenlet.settrace(None)

    def program() -> None:
        greenlet.settrace(once)
        ping_pong()

    assert_ping_pong_is_true(record(program), 3)
    assert events == ["switch"]


def test_what_raises_is_gone_as_it_would_be_without_us() -> None:
    def trace(_event: str, _greenlets: Any) -> None:
        raise ArithmeticError

    found: list[object] = []

    def program() -> None:
        greenlet.settrace(trace)
        with pytest.raises(ArithmeticError):
            greenlet.greenlet(leaf).switch()
        found.append(greenlet.gettrace())
        ping_pong()

    profile = record(program)
    assert found == [None]
    assert_ping_pong_is_true(profile, 3) if callers(profile, "leaf") == {"one"} else None
    assert calls(profile, "one", "leaf") == 3


def switches_seen_by_one_that_switches() -> list[tuple[str, str, str]]:
    """Each event, with what a trace function was told that goes elsewhere in the middle of its first call."""
    main, names, events = getcurrent(), {getcurrent(): "main"}, []

    def trace(event: str, pair: tuple[greenlet.greenlet, greenlet.greenlet]) -> None:
        events.append((event, names[pair[0]], names[pair[1]]))
        if len(events) == 1:
            other.switch()

    def go_back() -> None:
        main.switch()
        leaf()

    one, other = greenlet.greenlet(go_back), greenlet.greenlet(go_back)
    names.update({one: "one", other: "other"})
    greenlet.settrace(trace)
    for each in (one, one, other, one):
        each.switch()
    greenlet.settrace(None)
    return events


@pytest.mark.parametrize("builtins", [True, False])
def test_one_that_switches_is_told_of_that_too(builtins: bool) -> None:
    seen: list[list[tuple[str, str, str]]] = []
    profile = record(lambda: seen.append(switches_seen_by_one_that_switches()), builtins)
    assert seen == [switches_seen_by_one_that_switches()]
    assert ("switch", "one", "other") in seen[0]
    assert sum(thread.switches for thread in profile.threads) == len(seen[0])


def test_each_thread_finds_its_own() -> None:
    traces = [counter() for _ in range(3)]
    found: list[bool] = []

    def work(trace: Trace) -> None:
        before = greenlet.settrace(trace)
        ping_pong()
        found.append(before is None and greenlet.gettrace() is trace)

    def program() -> None:
        threads = [threading.Thread(target=work, args=(trace,)) for trace, _ in traces]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert_ping_pong_is_true(record(program), 9)
    assert found == [True] * 3
    assert [len(events) for _, events in traces] == [SWITCHES] * 3


def test_another_thread_finds_its_own_before_and_after_it_switches_once_we_are_gone() -> None:
    trace, events = counter()
    steps = [threading.Event() for _ in range(3)]
    found: list[bool] = []

    def work() -> None:
        greenlet.settrace(trace)
        steps[0].set()
        steps[1].wait()
        ping_pong()
        steps[0].set()
        steps[2].wait()
        found.append(greenlet.gettrace() is trace)
        ping_pong()
        found.append(greenlet.gettrace() is trace)
        found.append(real_gettrace() is trace)
        found.append(greenlet.settrace(None) is trace)
        greenlet.greenlet(leaf).switch()

    thread = threading.Thread(target=work)
    thread.start()
    steps[0].wait()
    steps[0].clear()

    def program() -> None:
        steps[1].set()
        steps[0].wait()

    record(program)
    steps[2].set()
    thread.join()
    assert found == [True] * 4
    assert len(events) == 2 * SWITCHES


def test_a_reference_from_before_that_calls_what_was_there_keeps_us_in_the_chain() -> None:
    events: list[str] = []

    def program() -> None:
        before = real_settrace(lambda event, args: (events.append(event), before(event, args)))  # type: ignore[misc]
        ping_pong()
        real_settrace(before)
        ping_pong()

    profile = record(program)
    assert len(events) == SWITCHES
    assert_ping_pong_is_true(profile, 6)
    assert profile.warnings == ()


def test_one_that_calls_what_really_is_there_which_is_us_sees_everything_once() -> None:
    events: list[str] = []

    def program() -> None:
        there = real_gettrace()
        greenlet.settrace(lambda event, args: (events.append(event), there(event, args)))
        ping_pong()
        greenlet.settrace(None)

    assert_ping_pong_is_true(record(program), 3)
    assert len(events) == SWITCHES


@pytest.mark.parametrize("at_a_snapshot", [True, False])
def test_a_reference_from_before_that_calls_nobody_cuts_us_off_and_the_profile_says_so(
    at_a_snapshot: bool,
) -> None:
    trace, events = counter()
    profiler = Profiler()
    with profiler:
        real_settrace(trace)
        ping_pong()
        profile = profiler.snapshot() if at_a_snapshot else None
    profile = profile or profiler.snapshot()
    assert len(events) == SWITCHES
    assert profile.counters["cut_off_threads"] == 1
    assert any("trace function" in warning for warning in profile.warnings)
    real_settrace(None)


def test_after_a_snapshot_that_found_us_cut_off_switches_are_noticed_again() -> None:
    trace, events = counter()
    profiler = Profiler()

    def later() -> None:
        ping_pong(5)

    with profiler:
        real_settrace(trace)
        ping_pong()
        profiler.snapshot()
        later()
    profile = profiler.snapshot()
    assert len(events) == SWITCHES + 24
    assert sum(thread.switches for thread in profile.threads if thread.switches) == 24
    assert profile.counters["cut_off_threads"] == 1
    assert stats(profile, "leaf").calls == 8
    assert greenlet.settrace(None) is trace


def test_a_stand_in_that_the_program_keeps_goes_on_doing_what_greenlets_own_does() -> None:
    kept: list[Any] = []
    record(lambda: kept.extend((greenlet.settrace, greenlet.gettrace)))
    settrace, gettrace = kept
    trace, events = counter()
    assert settrace is not real_settrace
    assert (settrace(trace), gettrace()) == (None, trace)
    ping_pong()
    assert (settrace(None), gettrace(), len(events)) == (trace, None, SWITCHES)


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("builtins", [True, False])
def test_a_greenlet_at_the_address_of_one_whose_end_was_not_told_begins_anew(builtins: bool) -> None:
    main = getcurrent()

    def outer() -> None:
        inner()

    def inner() -> None:
        main.switch()

    def other() -> None:
        main.switch()
        leaf()

    def program() -> None:
        suspended = [greenlet.greenlet(outer) for _ in range(4)]
        take_turns(suspended)
        addresses = set(map(id, suspended))
        ours = real_settrace(None)
        suspended.clear()  # they end now, and nobody is told
        real_settrace(ours)
        new = at_one_of(addresses, other)
        take_turns([new], 2)

    profile = record(program, builtins)
    assert callers(profile, "leaf") == {"other"}
    assert callers(profile, "other") == set()
    assert (stats(profile, "other").calls, stats(profile, "leaf").calls) == (1, 1)
