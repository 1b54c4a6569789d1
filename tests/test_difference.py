"""profile.since(earlier): what was recorded between two snapshots of one profiler."""

from __future__ import annotations

import _thread
from operator import sub

import greenlet
import pytest
from recorded import callers, calls, names, stats
from synthetic import SnapshotBuilder, python

from greenletprofiler import Profile, Profiler
from greenletprofiler.errors import DifferenceError
from greenletprofiler.values import Times


def leaf() -> None:
    pass


def caller(times: int) -> None:
    for _ in range(times):
        leaf()


def only_before() -> None:
    leaf()


def only_after() -> None:
    leaf()


def times(profile: Profile) -> list[int]:
    total = profile.total
    own_ns = sum(thread.own_ns for thread in profile.threads)
    return [total.running_ns, total.cpu_ns, total.waiting_ns, total.idle_ns, profile.recorded_ns, own_ns]


def counts(profile: Profile) -> list[int]:
    tree = profile.call_tree
    return [sum(tree.calls), sum(tree.resumes), sum(thread.switches for thread in profile.threads)]


def assert_sums(since: Profile, later: Profile, earlier: Profile) -> None:
    """Over the whole profile: counts to one, times to a microsecond a place."""
    assert counts(since) == list(map(sub, counts(later), counts(earlier)))
    for found, now, before in zip(times(since), times(later), times(earlier), strict=True):
        assert abs(found - (now - before)) <= 1000 * len(later.call_tree)


def conserves(profile: Profile) -> bool:
    return all(
        thread.times.running_ns + thread.times.idle_ns + thread.own_ns == thread.lifetime_ns
        for thread in profile.threads
    )


def test_it_has_the_calls_and_the_time_since_and_nothing_else() -> None:
    with Profiler() as profiler:
        caller(3)
        only_before()
        earlier = profiler.snapshot()
        caller(5)
        only_after()
        later = profiler.snapshot()
    since = later.since(earlier)
    assert calls(since, "caller", "leaf") == 5
    assert stats(since, "caller").calls == 1
    assert callers(since, "leaf") == {"caller", "only_after"}
    assert "only_before" not in names(since)
    for profile, before, after in ((since, earlier, later), (since.raw(), earlier.raw(), later.raw())):
        assert conserves(profile)
        if profile.is_raw:
            assert_sums(profile, after, before)


def test_of_raw_profiles_it_is_raw() -> None:
    with Profiler() as profiler:
        earlier = profiler.snapshot()
        caller(100)
    later = profiler.snapshot()
    assert later.raw().since(earlier).is_raw
    assert later.raw().since(earlier).total == later.since(earlier).raw().total
    assert not later.since(earlier.raw()).is_raw
    assert later.since(earlier).cost.events >= 200


def test_every_place_has_its_difference() -> None:
    def recording(calls_of_f: int, calls_of_g: int, waiting: int) -> Profile:
        snapshot = SnapshotBuilder()
        base = snapshot.greenlet_base(snapshot.thread())
        f = snapshot.call(base, python("f"), calls=calls_of_f, running=10 * calls_of_f)
        snapshot.call(f, python("g"), calls=calls_of_g, running=7, cpu=5, waiting=waiting)
        snapshot.call(base, python("g"), calls=2, running=3, waiting=waiting)
        return snapshot.profile()

    since = recording(5, 9, 40).since(recording(3, 8, 15))  # 25 ns without a call are no difference
    assert [(node.function.name, node.calls, node.self) for node in since.tree.walk() if node.calls] == [
        ("f", 2, Times(running_ns=20)), ("g", 1, Times(waiting_ns=25)),
    ]  # fmt: skip


def test_a_function_that_is_open_all_the_while_has_time_and_no_call() -> None:
    snapshots: list[Profile] = []

    def serve(profiler: Profiler) -> None:
        for _ in range(2):
            caller(2)
            snapshots.append(profiler.snapshot())

    with Profiler() as profiler:
        serve(profiler)
    since = snapshots[1].since(snapshots[0])
    (stats_of_serve,) = (each for each in since.functions if each.function.bare_name == "serve")
    assert stats_of_serve.calls == 0
    assert stats_of_serve.inclusive.running_ns > 0
    assert calls(since, "caller", "leaf") == 2


def test_threads_that_ended_meanwhile_are_still_taken_off() -> None:
    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        leaf()
        done.release()

    def run_threads(count: int) -> None:
        for _ in range(count):
            _thread.start_new_thread(work, ())
            done.acquire()

    with Profiler() as profiler:
        run_threads(50)
        earlier = profiler.snapshot()
        run_threads(400)
        later = profiler.snapshot()
    since = later.since(earlier)
    assert later.counters["folded_threads"] > 50
    assert stats(since, "leaf").calls == 400
    assert conserves(since) and conserves(since.raw())
    assert_sums(since.raw(), later.raw(), earlier.raw())


def test_greenlets_are_those_that_ran_or_live() -> None:
    def twice() -> None:
        greenlet.getcurrent().parent.switch()

    ended, suspended, new = (greenlet.greenlet(twice) for _ in range(3))
    with Profiler() as profiler:
        ended.switch()
        ended.switch()
        suspended.switch()
        earlier = profiler.snapshot()
        suspended.switch()
        new.switch()
        later = profiler.snapshot()
    since = later.since(earlier)
    switches = sorted(
        (each.switches, each.alive) for each in since.greenlets if each.first_function is not None
        and each.first_function.bare_name == "twice"
    )  # fmt: skip
    assert switches == [(1, False), (1, True)]
    assert sum(thread.switches for thread in since.threads) == 4


def test_profiles_that_do_not_continue_each_other_have_no_difference() -> None:
    with Profiler() as profiler:
        earlier = profiler.snapshot()
        leaf()
    later = profiler.snapshot()
    with pytest.raises(DifferenceError, match="later one"):
        earlier.since(later)
    with Profiler() as another:
        leaf()
    with pytest.raises(DifferenceError, match="two recordings"):
        another.snapshot().since(earlier)
