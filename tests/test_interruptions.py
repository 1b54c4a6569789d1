"""Python code that runs between two events of the program: signal handlers, callbacks of the collector and of
weak references, finalizers. Whoever was interrupted is the caller, and what comes after has its true callers,
though such code calls, switches and raises."""

from __future__ import annotations

import gc
import signal
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import greenlet
import pytest
from greenlet import getcurrent
from leaks import conserves
from recorded import callers, calls, record, stats

BUILTINS = pytest.mark.parametrize("builtins", [True, False])


def leaf() -> None:
    pass


def after() -> None:
    leaf()


@contextmanager
def handler(function: Any) -> Iterator[None]:
    """A signal handler for SIGUSR1."""
    before = signal.signal(signal.SIGUSR1, function)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def interrupted() -> None:
    signal.raise_signal(signal.SIGUSR1)
    after()


def switching() -> None:
    """Runs a greenlet to its first switch and back, and to its end."""
    main = getcurrent()

    def other() -> None:
        leaf()
        main.switch()
        leaf()

    each = greenlet.greenlet(other)
    each.switch()
    each.switch()


# -- signals -----------------------------------------------------------------------------------------------


@BUILTINS
def test_a_signal_handler_is_called_by_who_was_interrupted(builtins: bool) -> None:
    def on_signal(_number: int, _frame: object) -> None:
        leaf()
        switching()

    def program() -> None:
        with handler(on_signal):
            for _ in range(3):
                interrupted()

    profile = record(program, builtins)
    assert callers(profile, "on_signal") <= {"interrupted", "raise_signal"}
    assert stats(profile, "on_signal").calls == 3
    assert calls(profile, "on_signal", "leaf") == 3
    assert calls(profile, "other", "leaf") == 6
    assert callers(profile, "after") == {"interrupted"}
    assert calls(profile, "after", "leaf") == 3
    assert callers(profile, "other") == set()


@BUILTINS
def test_a_signal_handler_that_raises_leaves_who_was_interrupted(builtins: bool) -> None:
    def on_signal(_number: int, _frame: object) -> None:
        raise LookupError

    def program() -> None:
        with handler(on_signal):
            for _ in range(3):
                with suppress(LookupError):
                    interrupted()
                after()

    profile = record(program, builtins)
    assert stats(profile, "on_signal").calls == 3
    assert (stats(profile, "interrupted").calls, stats(profile, "interrupted").primitive_calls) == (3, 3)
    assert callers(profile, "after") == {"program"}


@BUILTINS
def test_signals_that_raise_anywhere_never_make_a_false_caller(builtins: bool) -> None:
    """The timer goes off wherever it does, at the very start of a function too."""
    raised = 0

    def on_alarm(_number: int, frame: FrameType | None) -> None:
        nonlocal raised
        if frame is not None and frame.f_code in (outer.__code__, inner.__code__, innermost.__code__):
            raised += 1
            raise LookupError

    def outer() -> None:
        inner()
        inner()

    def inner() -> None:
        innermost()

    def innermost() -> None:
        pass

    def program() -> None:
        while raised < 300:
            with suppress(LookupError):
                while True:
                    outer()
        after()

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        profile = record(program, builtins)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert callers(profile, "outer") <= {"program"}
    assert callers(profile, "inner") == {"outer"}
    assert callers(profile, "innermost") == {"inner"}
    assert callers(profile, "after") == {"program"}
    for name in ("outer", "inner", "innermost"):
        assert stats(profile, name).calls == stats(profile, name).primitive_calls
    assert stats(profile, "on_alarm").calls >= 300
    assert conserves(profile)


# -- the collector, weak references, finalizers ------------------------------------------------------------


@BUILTINS
def test_a_callback_of_the_collector_is_called_by_who_collects(builtins: bool) -> None:
    def on_collection(_phase: str, _info: object) -> None:
        leaf()
        switching()

    def collects() -> None:
        gc.collect()
        after()

    def program() -> None:
        gc.callbacks.append(on_collection)
        try:
            collects()
        finally:
            gc.callbacks.remove(on_collection)

    gc.disable()
    try:
        profile = record(program, builtins)
    finally:
        gc.enable()
    assert callers(profile, "on_collection") == {"collect" if builtins else "collects"}
    assert stats(profile, "on_collection").calls == 2
    assert calls(profile, "on_collection", "leaf") == 2
    assert callers(profile, "after") == {"collects"}


@BUILTINS
def test_a_callback_of_a_weak_reference_is_called_by_who_lets_go(builtins: bool) -> None:
    class Thing:
        pass

    def on_end(_reference: object) -> None:
        leaf()
        switching()

    def lets_go() -> None:
        thing = Thing()
        reference = weakref.ref(thing, on_end)
        del thing
        after()
        del reference

    profile = record(lets_go, builtins)
    assert callers(profile, "on_end") == {"lets_go"}
    assert (calls(profile, "on_end", "leaf"), calls(profile, "other", "leaf")) == (1, 2)
    assert callers(profile, "after") == {"lets_go"}


@BUILTINS
def test_a_finalizer_that_switches_and_fails_is_called_by_who_lets_go(
    builtins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Thing:
        def __del__(self) -> None:
            leaf()
            switching()
            raise LookupError

    def lets_go() -> None:
        thing = Thing()
        del thing
        after()

    monkeypatch.setattr("sys.unraisablehook", id)
    profile = record(lets_go, builtins)
    assert callers(profile, "Thing.__del__") == {"lets_go"}
    assert (calls(profile, "Thing.__del__", "leaf"), calls(profile, "other", "leaf")) == (1, 2)
    assert callers(profile, "after") == {"lets_go"}


@BUILTINS
def test_a_finalizer_that_ends_in_another_greenlet_than_it_began(builtins: bool) -> None:
    """__del__ switches away; its greenlet is gone on with later, from elsewhere."""
    main = getcurrent()

    class Thing:
        def __del__(self) -> None:
            main.switch()
            leaf()

    def child() -> None:
        thing = Thing()
        del thing
        after()

    def program() -> None:
        each = greenlet.greenlet(child)
        each.switch()
        after()
        each.switch()

    profile = record(program, builtins)
    assert callers(profile, "Thing.__del__") == {"child"}
    assert calls(profile, "Thing.__del__", "leaf") == 1
    assert callers(profile, "after") == {"child", "program"}


@BUILTINS
def test_a_collection_in_the_middle_of_calls_that_ends_cyclic_garbage(builtins: bool) -> None:
    class Node:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            leaf()

    def makes() -> None:
        Node()
        gc.collect()
        after()

    gc.disable()
    try:
        profile = record(makes, builtins)
    finally:
        gc.enable()
    assert callers(profile, "Node.__del__") == {"collect" if builtins else "makes"}
    assert callers(profile, "after") == {"makes"}
