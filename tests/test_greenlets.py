"""Greenlets: switches never change who called whom. Raw greenlets here; gevent in test_gevent.py."""

from __future__ import annotations

import gc

import greenlet
import pytest
from greenlet import getcurrent
from leaks import in_a_small_process
from recorded import callees, callers, calls, names, record, stats

from greenletprofiler import Profile, Profiler

BUILTINS = pytest.mark.parametrize("builtins", [True, False])


def leaf() -> None:
    pass


@BUILTINS
def test_two_greenlets_that_alternate_keep_their_own_callees(builtins: bool) -> None:
    main = getcurrent()

    def foo() -> None:
        for _ in range(5):
            leaf_of_foo()
            main.switch()

    def bar() -> None:
        for _ in range(5):
            leaf_of_bar()
            main.switch()

    def leaf_of_foo() -> None:
        pass

    def leaf_of_bar() -> None:
        pass

    def program() -> None:
        greenlets = [greenlet.greenlet(foo), greenlet.greenlet(bar)]
        for _ in range(6):
            for each in greenlets:
                each.switch()

    profile = record(program, builtins)
    assert calls(profile, "foo", "leaf_of_foo") == 5
    assert calls(profile, "bar", "leaf_of_bar") == 5
    assert callers(profile, "leaf_of_foo") == {"foo"}
    assert callers(profile, "leaf_of_bar") == {"bar"}
    assert callers(profile, "foo") == callers(profile, "bar") == set()
    assert callees(profile, "foo") - {"greenlet.greenlet.switch", "range"} == {"leaf_of_foo"}


@BUILTINS
def test_a_switch_deep_in_calls_comes_back_to_the_same_place(builtins: bool) -> None:
    main = getcurrent()

    def outer() -> None:
        inner()
        leaf()

    def inner() -> None:
        main.switch()
        leaf()

    def program() -> None:
        first, second = greenlet.greenlet(outer), greenlet.greenlet(outer)
        first.switch()
        second.switch()
        first.switch()
        leaf()
        second.switch()

    profile = record(program, builtins)
    assert calls(profile, "outer", "leaf") == 2
    assert calls(profile, "inner", "leaf") == 2
    assert calls(profile, "program", "leaf") == 1
    assert stats(profile, "outer").primitive_calls == 2


@BUILTINS
def test_recursion_is_not_invented_by_switches(builtins: bool) -> None:
    main = getcurrent()

    def work() -> None:
        main.switch()

    def program() -> None:
        greenlets = [greenlet.greenlet(work) for _ in range(4)]
        for each in greenlets * 2:
            each.switch()

    found = stats(record(program, builtins), "work")
    assert (found.calls, found.primitive_calls) == (4, 4)


@BUILTINS
def test_a_switch_inside_a_builtin_keeps_its_caller(builtins: bool) -> None:
    main = getcurrent()

    def key(number: int) -> int:
        main.switch()
        leaf()
        return number

    def sorts() -> None:
        sorted([2, 1], key=key)
        leaf()

    def program() -> None:
        first, second = greenlet.greenlet(sorts), greenlet.greenlet(sorts)
        for _ in range(3):
            first.switch()
            second.switch()

    profile = record(program, builtins)
    assert callers(profile, "key") == {"sorted" if builtins else "sorts"}
    assert calls(profile, "key", "leaf") == 4
    assert calls(profile, "sorts", "leaf") == 2


@BUILTINS
def test_an_exception_that_crosses_to_the_parent_leaves_the_child_only(builtins: bool) -> None:
    def fail() -> None:
        raise LookupError

    def child() -> None:
        fail()

    def program() -> None:
        for _ in range(3):
            with pytest.raises(LookupError):
                greenlet.greenlet(child).switch()
            leaf()

    profile = record(program, builtins)
    assert calls(profile, "child", "fail") == 3
    assert callers(profile, "leaf") == {"program"}


@BUILTINS
def test_a_greenlet_killed_deep_in_calls_is_left_whole(builtins: bool) -> None:
    main = getcurrent()

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        main.switch()

    def program() -> None:
        for _ in range(3):
            child = greenlet.greenlet(deep)
            child.switch(5)
            child.throw()
            leaf()
            child = greenlet.greenlet(deep)
            child.switch(5)
            del child
            leaf()

    profile = record(program, builtins)
    assert callers(profile, "leaf") == {"program"}
    assert (stats(profile, "deep").calls, stats(profile, "deep").primitive_calls) == (36, 6)
    assert [kind.greenlets for kind in profile.greenlet_kinds if named(kind.function) == "deep"] == [6]


def named(function: object) -> str:
    return "" if function is None else str(getattr(function, "bare_name", ""))


@BUILTINS
def test_greenlets_suspended_at_start_are_told_of_from_then_on(builtins: bool) -> None:
    main = getcurrent()

    def outer() -> None:
        inner()
        leaf()

    def inner() -> None:
        len("")
        main.switch()
        len("")
        leaf()

    greenlets = [greenlet.greenlet(outer) for _ in range(3)]
    for each in greenlets:
        each.switch()

    def program() -> None:
        for each in greenlets:
            each.switch()

    profile = record(program, builtins)
    assert all(each.dead for each in greenlets)
    assert calls(profile, "inner", "leaf") == 3
    assert calls(profile, "outer", "leaf") == 3
    assert calls(profile, "inner", "len") == (3 if builtins else 0)
    assert (stats(profile, "outer").calls, stats(profile, "inner").calls) == (0, 0)


@BUILTINS
def test_what_still_runs_at_the_end_has_its_time(builtins: bool) -> None:
    main = getcurrent()

    def forever() -> None:
        while True:
            main.switch()

    greenlets = [greenlet.greenlet(forever) for _ in range(3)]

    def program() -> None:
        for _ in range(10):
            for each in greenlets:
                each.switch()

    profile = record(program, builtins)
    found = stats(profile, "forever")
    assert found.calls == 3
    assert found.inclusive.running_ns > 0
    assert found.inclusive.waiting_ns > 0
    assert [kind.alive for kind in profile.greenlet_kinds if named(kind.function) == "forever"] == [3]


@BUILTINS
def test_nothing_of_a_session_is_a_stack_in_the_next(builtins: bool) -> None:
    main = getcurrent()

    def forever() -> None:
        while True:
            main.switch()
            leaf()

    each = greenlet.greenlet(forever)
    each.switch()
    profiler = Profiler(builtins=builtins)
    for _ in range(20):
        with profiler:
            each.switch()
            leaf()
    profile = profiler.snapshot()
    assert calls(profile, "forever", "leaf") == 20
    assert callers(profile, "leaf") == {
        "forever",
        "test_nothing_of_a_session_is_a_stack_in_the_next",
    }
    assert stats(profile, "forever").calls == 0


def test_switches_are_counted_as_greenlet_counts_them() -> None:
    counted = 0

    def count(_event: str, _greenlets: object) -> None:
        nonlocal counted
        counted += 1

    main = getcurrent()

    def work() -> None:
        for _ in range(3):
            main.switch()

    def program() -> None:
        greenlets = [greenlet.greenlet(work) for _ in range(7)]
        for _ in range(4):
            for each in greenlets:
                each.switch()

    previous = greenlet.settrace(count)
    try:
        profile = record(program)
    finally:
        greenlet.settrace(previous)
    assert sum(thread.switches for thread in profile.threads) == counted == 7 * 4 * 2


def test_a_snapshot_tells_in_what_state_and_where_each_greenlet_is() -> None:
    main = getcurrent()

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        else:
            main.switch()

    def ends() -> None:
        pass

    def looks() -> None:
        snapshots.append(profiler.snapshot())

    snapshots: list[Profile] = []
    profiler = Profiler(builtins=False)
    suspended = greenlet.greenlet(deep)
    with profiler:
        suspended.switch(2)
        greenlet.greenlet(ends).switch()
        greenlet.greenlet(looks).switch()
    found = {
        each.first_function.bare_name: (each.state, [function.bare_name for function in each.stack])
        for each in snapshots[0].greenlets
        if each.first_function is not None
    }
    assert found["deep"] == ("suspended", ["deep", "deep", "deep"])
    assert found["ends"] == ("ended", [])
    assert found["looks"] == ("running", ["looks"])
    states = {each.state for each in profiler.snapshot().greenlets}
    assert states == {"ended", "unknown"}
    assert all(each.stack == () for each in profiler.snapshot().greenlets)


def test_a_trace_function_that_was_there_is_called_and_put_back() -> None:
    seen: list[str] = []

    def trace(event: str, _greenlets: object) -> None:
        seen.append(event)

    previous = greenlet.settrace(trace)
    try:
        record(lambda: greenlet.greenlet(leaf).switch())
        assert greenlet.gettrace() is trace
    finally:
        greenlet.settrace(previous)
    assert seen == ["switch", "switch"]


def test_without_one_none_is_left() -> None:
    record(lambda: greenlet.greenlet(leaf).switch())
    assert greenlet.gettrace() is None


def test_a_trace_function_that_raises_reaches_the_target_and_recording_goes_on() -> None:
    def trace(_event: str, _greenlets: object) -> None:
        raise ArithmeticError

    def program() -> None:
        with pytest.raises(ArithmeticError):
            greenlet.greenlet(leaf).switch()
        main = getcurrent()

        def work() -> None:
            main.switch()
            leaf()

        for each in [greenlet.greenlet(work)] * 2:
            each.switch()

    greenlet.settrace(trace)
    try:
        profile = record(program)
    finally:
        greenlet.settrace(None)
    assert callers(profile, "leaf") == {"work"}


def test_greenlet_classes_are_named() -> None:
    class Worker(greenlet.greenlet):
        def run(self) -> None:
            leaf()

    profile = record(lambda: Worker().switch())
    kinds = {
        kind.greenlet_class.name.rpartition(".")[2]: kind.function.bare_name
        for kind in profile.greenlet_kinds
        if kind.function  # the base of a class can have time of its own
    }
    assert kinds["Worker"] == "run"


def test_a_hundred_thousand_short_greenlets_leave_little_behind() -> None:
    profiler = Profiler(builtins=False, threads=False)
    gc.collect()
    living = sum(isinstance(each, greenlet.greenlet) and bool(each) for each in gc.get_objects())

    def program(number: int) -> None:
        for _ in range(number):
            greenlet.greenlet(leaf).switch()

    with profiler:
        program(1000)
        before = profiler.memory_bytes
        program(100_000)
        after = profiler.memory_bytes
    profile = profiler.snapshot()
    assert stats(profile, "leaf").calls == 101_000
    assert after - before <= 100 * 100_000
    assert len(profile.greenlets) == 100_000
    assert 1000 < profile.counters["unrecorded_greenlets"] <= 1000 + living
    kinds = profile.greenlet_kinds
    assert sum(kind.greenlets for kind in kinds) == 100_000 + profile.counters["unrecorded_greenlets"]
    assert sum(kind.switches for kind in kinds) == sum(thread.switches for thread in profile.threads)


def test_a_report_on_a_hundred_thousand_greenlets_leaves_nothing() -> None:
    count = 100_000
    bytes_left, blocks_left = in_a_small_process(f"report_on_greenlets({count})")  # type: ignore[misc]
    assert bytes_left < count / 10
    assert blocks_left < count / 100


def test_a_recording_keeps_no_greenlet_alive() -> None:
    import weakref

    class Worker(greenlet.greenlet):
        pass

    found: list[bool] = []

    def program() -> None:
        worker = Worker(leaf)
        gone = weakref.ref(worker)
        worker.switch()
        del worker
        found.append(gone() is None)

    record(program)
    assert found == [True]


def test_garbage_of_greenlets_is_collected_as_without_us() -> None:
    class Cyclic(greenlet.greenlet):
        pass

    def program() -> None:
        for _ in range(100):
            one = Cyclic(leaf)
            one.myself = one  # type: ignore[attr-defined]
            one.switch()

    record(program)
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Cyclic)]


def test_names_of_the_program_are_all_there_is() -> None:
    def program() -> None:
        greenlet.greenlet(leaf).switch()

    assert names(record(program, builtins=False)) == {
        "leaf",
        "program",
        "record",
        "test_names_of_the_program_are_all_there_is",
    } | runner_names()


def runner_names() -> set[str]:
    """What runs the tests has functions on the stack too."""

    def nothing() -> None:
        pass

    own = {"runner_names", "runner_names.<locals>.nothing", "nothing", "record"}
    return names(record(nothing, builtins=False)) - own
