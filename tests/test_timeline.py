"""Who ran when, and the files that are made of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import greenlet
import pytest
from recorded import record_with_timeline

from greenletprofiler import Profile, Profiler, _native
from greenletprofiler.errors import TimelineError
from greenletprofiler.timeline import Stretch, Timeline


def turns(count: int) -> None:
    """Twice as many switches, and as many again for a greenlet of its own to begin and to end."""
    main = greenlet.getcurrent()

    def work() -> None:
        for _ in range(count - 1):
            main.switch()

    worker = greenlet.greenlet(work)
    for _ in range(count):
        worker.switch()


def gevent_program() -> None:
    def serve(delay: float) -> None:
        for _ in range(3):
            gevent.sleep(delay)

    gevent.joinall([gevent.spawn(serve, delay / 1000) for delay in range(4)])


def timeline_of(profile: Profile) -> Timeline:
    assert profile.timeline is not None
    return profile.timeline


def recorded(program: Callable[[], object]) -> Profile:
    with Profiler(timeline=True) as profiler:
        program()
    return profiler.snapshot()


def of_small_ring(program: Callable[[], object], stretches: int) -> Profile:
    recorder = _native.Recorder(
        builtins=False, threads=True, hidden=(), polls=(), node_budget=1000, timeline=stretches
    )
    recorder.start()
    program()
    recorder.stop()
    return Profile.from_snapshot(recorder.snapshot())


def lengths_by(stretches: Timeline, key: Callable[[Stretch], Any]) -> dict[Any, int]:
    sums: dict[Any, int] = {}
    for stretch in stretches:
        sums[key(stretch)] = sums.get(key(stretch), 0) + stretch.length_ns
    return sums


def is_near(one_ns: int, other_ns: int, roundings: int) -> bool:
    return abs(one_ns - other_ns) <= roundings


def test_without_being_asked_for_there_is_none() -> None:
    with Profiler() as profiler:
        turns(2)
    assert profiler.snapshot().timeline is None


def test_it_has_every_switch_that_a_trace_function_in_python_counts() -> None:
    def program() -> None:
        gevent_program()
        turns(500)

    profile, seen = record_with_timeline(program)
    assert timeline_of(profile).switches == seen == sum(thread.switches for thread in profile.threads)
    assert timeline_of(profile).dropped_switches == 0


def test_it_agrees_with_the_profile_in_all_counts_and_times() -> None:
    profile = recorded(gevent_program)
    timeline = timeline_of(profile)
    stretches = list(timeline)
    thread = profile.threads[0]
    slices = [each for each in stretches if each.kind == "slice" and each.ended_by != "stop"]
    assert len(slices) == sum(kind.slices.count for kind in profile.greenlet_kinds)
    assert sum(each.ended_by == "poll" and each.kind == "slice" for each in stretches) == thread.polls
    assert sum(each.kind == "idle" for each in stretches) == thread.polls
    by_kind = lengths_by(timeline, lambda stretch: stretch.kind)
    assert is_near(sum(by_kind.values()), thread.lifetime_ns, len(stretches))
    assert is_near(by_kind["idle"], thread.times.idle_ns, 10_000 * thread.polls)
    ran = lengths_by(timeline, lambda stretch: (stretch.greenlet_id, stretch.kind))
    for each in profile.greenlets:
        switched_out = sum(s.greenlet_id == each.id and s.ended_by == "switch" for s in stretches)
        assert abs(switched_out - each.switches) <= 1  # one ran at the beginning, one at the end
        assert ran[each.id, "slice"] >= each.times.running_ns - len(stretches)


def test_stretches_of_a_thread_follow_each_other_without_a_gap() -> None:
    last_ns = None
    for stretch in timeline_of(recorded(gevent_program)):
        assert last_ns is None or stretch.began_ns == last_ns
        assert stretch.began_ns <= stretch.ended_ns
        last_ns = stretch.ended_ns


def test_the_longest_slice_of_a_greenlet_is_in_it() -> None:
    profile = recorded(lambda: gevent.spawn(time.sleep, 0.02).join())
    longest = max(profile.greenlets, key=lambda each: each.longest_slice_ns or 0)
    found = max(
        (each for each in timeline_of(profile) if each.greenlet_id == longest.id), key=lambda s: s.length_ns
    )
    assert longest.longest_slice_ns is not None and longest.longest_slice_ns >= 20_000_000
    assert found.length_ns >= longest.longest_slice_ns - 1
    assert longest.began_ns <= found.began_ns + 1 and found.ended_ns - 1 <= (longest.ended_ns or 0)


def test_what_found_no_room_is_counted() -> None:
    profile = of_small_ring(lambda: turns(100), 64)
    timeline = timeline_of(profile)
    assert sum(thread.switches for thread in profile.threads) == 200
    assert timeline.switches + timeline.dropped_switches == 200
    assert 60 <= timeline.switches < 64


def test_of_a_thread_whose_beginning_found_no_room_the_first_stretch_is_left_out() -> None:
    profile = of_small_ring(lambda: turns(100), 2)
    assert timeline_of(profile).switches <= 1
    assert timeline_of(profile).dropped_switches >= 199


def test_a_difference_has_what_ended_after_the_earlier_snapshot() -> None:
    with Profiler(timeline=True) as profiler:
        turns(30)
        earlier = profiler.snapshot()
        turns(50)
        gevent_program()
    later = profiler.snapshot()
    since = later.since(earlier)
    timeline = timeline_of(since)
    assert timeline.switches == since.threads[0].switches
    assert timeline.switches + timeline_of(earlier).switches == timeline_of(later).switches
    assert timeline.dropped_switches == 0
    length_ns = sum(stretch.length_ns for stretch in timeline)
    assert is_near(length_ns, since.threads[0].lifetime_ns, 10_000)


def test_a_slice_that_blocked_is_marked() -> None:
    def program() -> None:
        gevent.joinall([gevent.spawn(gevent.sleep, 0.01), gevent.spawn(time.sleep, 0.15)])

    profile = recorded(program)
    (blocking,) = (each for each in timeline_of(profile) if each.is_blocking)
    (told,) = profile.blocking_slices
    assert blocking.greenlet_id == told.greenlet_id
    assert is_near(blocking.length_ns, told.length_ns, 1_000_000)


def test_times_of_greenlets_and_the_profilers_own_add_up_to_their_threads_lifetime() -> None:
    with Profiler(timeline=True) as profiler:
        for _ in range(3):
            with profiler.tag("part"):
                gevent_program()
            profiler.snapshot()
        turns(20)
    profile = profiler.snapshot().raw()
    (thread,) = profile.threads
    greenlets_ns = sum(each.times.running_ns + each.times.idle_ns for each in profile.greenlets)
    assert is_near(greenlets_ns + thread.own_ns, thread.lifetime_ns, 2 * len(profile.greenlets))
    cpu_ns = sum(each.times.cpu_ns for each in profile.greenlets)
    assert is_near(cpu_ns, thread.times.cpu_ns, 2 * len(profile.greenlets))


# -- files -----------------------------------------------------------------------------------------------


def trace_of(profile: Profile, folder: Path) -> dict[str, Any]:
    path = folder / "profile.trace.json"
    profile.save(path)
    trace: dict[str, Any] = json.loads(path.read_text())
    return trace


def test_a_trace_file_has_a_track_for_each_greenlet_below_its_thread(tmp_path: Path) -> None:
    profile = recorded(gevent_program)
    trace = trace_of(profile, tmp_path)
    events = trace["traceEvents"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert names == {each.id: each.name for each in profile.greenlets}
    threads = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert threads == {profile.threads[0].id: "thread MainThread"}
    switches = [event for event in events if event.get("cat") == "switch"]
    assert len(switches) == profile.threads[0].switches == int(trace["otherData"]["switches"])
    assert {event["pid"] for event in switches} == set(threads)
    assert sum(event.get("cat") == "idle" for event in events) == profile.threads[0].polls


def test_a_trace_file_names_what_blocked(tmp_path: Path) -> None:
    def sleepy() -> None:
        time.sleep(0.15)

    def program() -> None:
        gevent.joinall([gevent.spawn(gevent.sleep, 0.01), gevent.spawn(sleepy)])

    (event,) = (e for e in trace_of(recorded(program), tmp_path)["traceEvents"] if "(blocks)" in e["name"])
    assert event["args"]["culprit"] == "<built-in method time.sleep>"
    assert event["args"]["path"].endswith("sleepy > <built-in method time.sleep>")
    assert event["dur"] >= 150_000


def test_a_trace_file_of_a_profile_without_a_timeline_is_refused(tmp_path: Path) -> None:
    there = tmp_path / "old.trace.json"
    there.write_text("old")
    with Profiler() as profiler:
        turns(1)
    with pytest.raises(TimelineError, match=r"Profiler\(timeline=True\)"):
        profiler.snapshot().save(there)
    assert there.read_text() == "old"
