"""Programs in which the oracle once found a profile to be wrong."""

from __future__ import annotations

import _thread

import greenlet
import pytest

from greenletprofiler import Profile, Profiler
from oracle import program as p
from oracle.comparison import check

BUILTINS = pytest.mark.parametrize("builtins", [True, False])


@BUILTINS
def test_a_start_in_a_greenlet_of_a_subclass_is_below_the_base_of_that_class(builtins: bool) -> None:
    spawn, switch = p.Spawn(1, 1, True, None), p.Switch(1)
    check(p.Program(((spawn, switch), (p.Start(), p.Call(2, "plain"), p.Stop()), ()), ()), builtins)


@BUILTINS
def test_a_thread_in_a_greenlet_of_a_subclass_at_the_start_is_below_the_base_of_that_class(
    builtins: bool,
) -> None:
    functions = (
        (p.NewThread(1), p.Start(), p.Hand(1), p.Stop()),
        (p.Spawn(1, 2, True, None), p.Switch(1)),
        (p.Hand(0), p.Call(3, "plain")),
        (),
    )
    check(p.Program(functions, ()), builtins)


def test_a_new_greenlet_before_any_event_of_its_thread_has_a_kind_of_its_own() -> None:
    assert sorted(kinds_of(profile_of_a_switch_before_any_event())) == ["child", "other"]


def profile_of_a_switch_before_any_event() -> Profile:
    """start() meets a thread in a lock; without built-ins its first event is in a greenlet that is new."""
    profiler = Profiler(builtins=False)
    here, there = _thread.allocate_lock(), _thread.allocate_lock()
    here.acquire()
    there.acquire()

    def child() -> None:
        pass

    def other() -> None:
        new = greenlet.greenlet(child)
        here.release()
        there.acquire()
        new.switch()
        here.release()

    _thread.start_new_thread(other, ())
    here.acquire()
    with profiler:
        there.release()
        here.acquire()
    return profiler.snapshot()


def kinds_of(profile: Profile) -> list[str]:
    """First functions of the greenlets in other threads than this one."""
    here = _thread.get_ident()
    others = {thread.id for thread in profile.threads if thread.ident != here}
    return [
        each.first_function.bare_name
        for each in profile.greenlets
        if each.thread_id in others and each.first_function is not None
    ]
