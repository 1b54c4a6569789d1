"""Slices: how long greenlets run at a stretch, and what held the others up."""

from __future__ import annotations

import io
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import greenlet
import pytest
from commands import run
from recorded import name_of, record
from synthetic import SnapshotBuilder, builtin, python

from greenletprofiler import Profile, Profiler
from greenletprofiler.errors import ThresholdError
from greenletprofiler.values import SLICE_LIMITS_NS, SliceStats

WORK = python("work", "app.py", 10)
SERVE = python("serve", "app.py", 20)
NAP = builtin("sleep", "time")
MS = 1_000_000


def slices_of(profile: Profile) -> dict[str, SliceStats]:
    """By the name of the first function."""
    kinds = profile.greenlet_kinds
    return {name_of(kind.function): kind.slices for kind in kinds if kind.function is not None}


def blockers_of(profile: Profile) -> list[tuple[str, int]]:
    return [(name_of(blocker.function), blocker.count) for blocker in profile.blockers]


def give_way() -> None:
    parent = greenlet.getcurrent().parent
    assert parent is not None
    parent.switch()


def three() -> None:
    for _ in range(3):
        give_way()


def five() -> None:
    for _ in range(5):
        give_way()


def take_turns(started: list[greenlet.greenlet]) -> None:
    while started:
        for each in started:
            each.switch()
        started = [each for each in started if not each.dead]


# -- counts and lengths ------------------------------------------------------------------------------------


def test_a_kind_has_as_many_slices_as_greenlet_tells_of_switches_out_of_it() -> None:
    seen: Counter[str] = Counter()
    started = {greenlet.greenlet(function): function.__name__ for function in (three, five, five)}

    def trace(_event: str, greenlets: tuple[greenlet.greenlet, greenlet.greenlet]) -> None:
        seen[started.get(greenlets[0], "main")] += 1

    previous = greenlet.settrace(trace)
    try:
        profile = record(lambda: take_turns(list(started)))
    finally:
        greenlet.settrace(previous)
    found = {name: slices.count for name, slices in slices_of(profile).items()}
    assert (found.pop("three"), found.pop("five")) == (seen["three"], seen["five"]) == (4, 12)
    assert sum(found.values()) == seen["main"] == 16
    assert sum(thread.switches for thread in profile.threads) == 32


def test_slices_of_greenlets_that_ended_add_up_to_their_running_time() -> None:
    def work() -> None:
        for _ in range(20):
            sorted(range(2000))
            give_way()

    profile = record(lambda: take_turns([greenlet.greenlet(work) for _ in range(5)]))
    slices = slices_of(profile)["work"]
    running_ns = sum(
        each.times.running_ns
        for each in profile.greenlets
        if each.first_function is not None and name_of(each.first_function) == "work"
    )
    assert slices.count == 5 * 21
    assert abs(slices.total_ns - running_ns) <= 5  # nanoseconds: each greenlet's time is rounded
    assert slices.longest_ns is not None
    assert slices.total_ns / slices.count <= slices.longest_ns <= slices.total_ns


def test_lengths_count_every_slice_and_the_longest_is_in_the_last_place() -> None:
    def work() -> None:
        for size in (1, 1000, 100_000):
            sorted(range(size))
            give_way()

    slices = slices_of(record(lambda: take_turns([greenlet.greenlet(work)])))["work"]
    assert sum(slices.lengths) == slices.count == 4
    assert len(slices.lengths) == len(SLICE_LIMITS_NS) + 1
    longest = max(place for place, count in enumerate(slices.lengths) if count)
    assert slices.longest_ns is not None
    assert SLICE_LIMITS_NS[longest - 1] <= slices.longest_ns < SLICE_LIMITS_NS[longest]
    assert (SLICE_LIMITS_NS[0], SLICE_LIMITS_NS[-1]) == (1024, 1 << 38)


def test_a_poll_of_the_hub_ends_a_slice_and_is_in_none() -> None:
    gevent = pytest.importorskip("gevent", reason="not installed: gevent")

    def waits() -> None:
        for _ in range(5):
            gevent.sleep(0.02)

    profile = record(lambda: gevent.joinall([gevent.spawn(waits) for _ in range(3)]))
    main = next(thread for thread in profile.threads if thread.switches)
    assert main.polls >= 5
    assert main.times.idle_ns > 80 * MS
    slices = [kind.slices for kind in profile.greenlet_kinds]
    assert sum(each.count for each in slices) == main.switches + main.polls
    last_ns = main.times.running_ns - sum(each.total_ns for each in slices)
    off_cpu_ns = main.times.running_ns - main.times.cpu_ns  # other processes may come in between
    assert abs(last_ns) < 3 * MS + off_cpu_ns
    hub = next(
        kind for kind in profile.greenlet_kinds if kind.slices.count and "Hub" in kind.greenlet_class.name
    )
    assert hub.slices.total_ns < main.times.idle_ns


def test_kinds_of_the_same_functions_are_one() -> None:
    one, other = SliceStats(2, 30, 20, (2,) + (0,) * 29), SliceStats(1, 50, 50, (0, 1) + (0,) * 28)
    assert one + other == SliceStats(3, 80, 50, (2, 1) + (0,) * 28)


# -- what blocks -------------------------------------------------------------------------------------------


def test_what_held_others_up_is_named_with_its_callers_length_and_cpu_time() -> None:
    def nap() -> None:
        time.sleep(0.03)

    def work() -> None:
        give_way()
        nap()

    def program() -> None:
        take_turns([greenlet.greenlet(work), greenlet.greenlet(three)])

    profile = blocked_profile(program, 0.02)
    blocking = profile.blocking_slices[0]
    assert [name_of(function) for function in blocking.path[1:]] == ["work", "nap", "sleep"]
    (blocker,) = (each for each in profile.blockers if each.path == blocking.path)
    assert (blocker.count, name_of(blocker.function)) == (1, "sleep")
    assert name_of(blocking.culprit.function) == "sleep"
    assert blocking.length_ns == blocker.total_ns == blocker.longest_ns
    assert blocking.length_ns >= 30 * MS
    assert blocking.is_off_cpu and blocking.is_over
    assert blocking.cpu_ns < 15 * MS
    assert blocking.suspended >= 3  # the main greenlet, `three` twice, and what other tests left in suspense
    assert blocking.greenlet_name.endswith(f"work-{blocking.greenlet_id}")
    assert sum(ns for _, ns in blocking.samples) == blocking.length_ns
    assert profile.started_at_ns <= blocking.began_at_ns <= profile.started_at_ns + profile.recorded_ns
    assert blocking.greenlet_id in {each.id for each in profile.greenlets}


def blocked_profile(program: Callable[[], object], threshold: float) -> Profile:
    """With a greenlet that is suspended all the time: it is what is held up."""
    profiler = Profiler(block_threshold=threshold)
    bystander = greenlet.greenlet(three)
    bystander.switch()
    with profiler:
        program()
    return profiler.snapshot()


def test_many_small_calls_are_named_by_the_function_that_makes_them() -> None:
    def one() -> None:
        pass

    def another() -> None:
        pass

    def third() -> None:
        pass

    def many() -> None:
        for _ in range(200_000):
            one()
            another()
            third()

    def work() -> None:
        many()

    profile = blocked_profile(lambda: take_turns([greenlet.greenlet(work)]), 0.02)
    assert ("many", 1) in blockers_of(profile)


def test_a_threshold_of_nothing_tells_of_every_slice_beside_a_suspended_greenlet() -> None:
    profile = blocked_profile(lambda: take_turns([greenlet.greenlet(three)]), 0)
    assert sum(blocker.count for blocker in profile.blockers) >= 4
    assert {each.greenlet_name.rpartition(".")[2].partition("-")[0] for each in profile.blocking_slices} >= {
        "three"
    }


def test_fifty_slices_are_kept_and_all_are_added_up() -> None:
    def ninety() -> None:
        for _ in range(90):
            give_way()

    profile = blocked_profile(lambda: take_turns([greenlet.greenlet(ninety)]), 0)
    assert len([each for each in profile.blocking_slices if each.is_over]) <= 50
    assert sum(blocker.count for blocker in profile.blockers) > 90
    lengths = [each.length_ns for each in profile.blocking_slices]
    assert lengths == sorted(lengths, reverse=True)


def test_a_slice_that_goes_on_is_told_by_a_snapshot_from_another_thread() -> None:
    profiler = Profiler(block_threshold=0)
    blocked, go_on = threading.Lock(), threading.Event()
    taken: list[Profile] = []
    blocked.acquire()

    def watch() -> None:
        go_on.wait()
        for _ in range(1000):  # until the greenlet is in acquire()
            taken.append(profiler.snapshot())
            if any(path_of(each)[-2:] == ["waits", "acquire"] for each in taken[-1].blocking_slices):
                break
        blocked.release()

    def waits() -> None:
        go_on.set()
        blocked.acquire()

    thread = threading.Thread(target=watch)
    bystander = greenlet.greenlet(three)
    bystander.switch()
    with profiler:
        thread.start()
        take_turns([greenlet.greenlet(waits)])
        thread.join()
    (blocking,) = (
        each for each in taken[-1].blocking_slices if path_of(each)[-2:] == ["waits", "acquire"]
    )
    assert not blocking.is_over
    assert [each.count for each in taken[-1].blockers if each.path == blocking.path] == [1]
    over = profiler.snapshot()
    (same,) = (each for each in over.blocking_slices if each.greenlet_id == blocking.greenlet_id)
    assert same.is_over and same.length_ns >= blocking.length_ns


def path_of(blocking: Any) -> list[str]:
    return [each.bare_name.rpartition(".")[2] for each in blocking.path]


def test_a_slice_that_a_stop_cuts_off_is_told_as_not_over() -> None:
    profiler = Profiler(block_threshold=0.01)

    def work() -> None:
        profiler.start()
        time.sleep(0.02)
        profiler.stop()

    bystander = greenlet.greenlet(three)
    bystander.switch()
    greenlet.greenlet(work).switch()
    (blocking,) = profiler.snapshot().blocking_slices
    assert (blocking.is_over, path_of(blocking)[-1]) == (False, "sleep")
    assert blockers_of(profiler.snapshot()) == [("sleep", 1)]


def test_slices_are_the_same_with_raw_times() -> None:
    profile = blocked_profile(lambda: take_turns([greenlet.greenlet(five)]), 0)
    assert profile.raw().blockers == profile.blockers
    assert profile.raw().blocking_slices == profile.blocking_slices


@pytest.mark.parametrize("threshold", [-0.1, math.nan, math.inf, 1e9, "0.1", None])
def test_a_threshold_that_is_no_length_of_time_is_refused(threshold: Any) -> None:
    with pytest.raises(ThresholdError, match="use a number of seconds from 0 to"):
        Profiler(block_threshold=threshold)


# -- differences -------------------------------------------------------------------------------------------


def test_a_difference_has_the_slices_that_ended_in_between() -> None:
    profiler = Profiler(block_threshold=0.01)

    def work() -> None:
        for seconds in (0.02, 0.04, 0.03):
            time.sleep(seconds)
            give_way()

    worker, bystander = greenlet.greenlet(work), greenlet.greenlet(three)
    bystander.switch()
    with profiler:
        worker.switch()
        first = profiler.snapshot()
        worker.switch()
        second = profiler.snapshot()
        worker.switch()
        worker.switch()
    third = profiler.snapshot()
    assert [blocker.count for blocker in third.blockers] == [3]
    (between,) = second.since(first).blockers
    assert between.count == 1 and between.longest_ns is not None
    assert abs(between.longest_ns - between.total_ns) <= 1000  # the clock's rate was known less well before
    assert between.total_ns >= 40 * MS
    (last,) = third.since(second).blockers
    assert (last.count, last.longest_ns) == (1, None)  # the second one was longer
    assert 30 * MS <= last.total_ns == third.blockers[0].total_ns - second.blockers[0].total_ns
    (slice_of_last,) = third.since(second).blocking_slices
    assert abs(slice_of_last.length_ns - last.total_ns) <= 1000  # as above
    assert third.since(second).blocking_slices[0].path == third.blockers[0].path
    assert slices_of(third.since(second))["work"].count == 2
    assert third.since(third).blockers == third.since(third).blocking_slices == ()


def test_a_slice_that_went_on_at_the_earlier_snapshot_is_in_the_difference() -> None:
    earlier, later = blocked_snapshot(length=200 * MS, goes_on=True), blocked_snapshot(length=300 * MS)
    later.culprit(3, 1, 300 * MS, 300 * MS)
    later.recorded_ns += 1
    since = later.profile().since(earlier.profile())
    assert [(each.length_ns, each.is_over) for each in since.blocking_slices] == [(300 * MS, True)]
    assert [(each.count, each.total_ns) for each in since.blockers] == [(1, 300 * MS)]


def blocked_snapshot(length: int, goes_on: bool = False) -> SnapshotBuilder:
    """work calls sleep, in a greenlet: nodes 2 and 3."""
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread(own=1), running=1)
    nap = snapshot.call(snapshot.call(base, WORK, running=5), NAP, running=length)
    assert nap == 3
    snapshot.blocking_slice(nap, WORK, length, cpu=1 * MS, is_over=not goes_on, goes_on=goes_on)
    return snapshot


# -- the table ---------------------------------------------------------------------------------------------


def table_of(profile: Profile, width: int = 100) -> str:
    file = io.StringIO()
    profile.print(file, width=width)
    return file.getvalue()


def held_up_in(table: str) -> list[str]:
    lines = table.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("Held up"))
    end = next(number for number, line in enumerate(lines) if line.startswith("Profiler"))
    return lines[begin:end]


def test_the_table_tells_what_held_up_whom() -> None:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread())
    serve = snapshot.call(base, SERVE)
    nap = snapshot.call(snapshot.call(serve, WORK), NAP, running=2_900 * MS)
    snapshot.culprit(nap, 1200, 2_600 * MS, 300 * MS)
    snapshot.culprit(serve, 1, 200 * MS, 200 * MS)
    snapshot.blocking_slice(nap, SERVE, 300 * MS, cpu=1 * MS, began=1_000_000_042, greenlet_id=4)
    snapshot.blocking_slice(serve, SERVE, 200 * MS, cpu=150 * MS, began=42, greenlet_id=12)
    snapshot.blocking_slice(nap, SERVE, 100 * MS, began=2_000_000_042, is_over=False, goes_on=True)
    assert held_up_in(table_of(snapshot.profile())) == [
        "Held up: 1,202 slices of 0.1 s or more while other greenlets of their thread were suspended; in",
        "seconds, as recorded",
        "slices  total  longest  spent in",
        " 1,201  2.700    0.300  <built-in method time.sleep> < work < serve",
        "     1  0.200    0.200  serve",
        "",
        "   began  length    cpu  others  greenlet  spent in",
        "+1.000 s   0.300  0.001       3   serve-4  <built-in method time.sleep> < work < serve, off CPU",
        "+0.000 s   0.200  0.150       3  serve-12  serve",
        "+2.000 s   0.100      -       3   serve-1  <built-in method time.sleep> < work, off CPU, not over",
        "",
    ]
    assert all(len(line) <= 60 for line in table_of(snapshot.profile(), width=60).splitlines())


def test_the_table_has_the_ten_worst_and_says_how_many_more_there_are() -> None:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread())
    for number in range(12):
        function = python(f"work_{number}", "app.py", number)
        node = snapshot.call(base, function, running=300 * MS)
        snapshot.culprit(node, 1, (300 + number) * MS, (300 + number) * MS)
        snapshot.blocking_slice(node, function, (300 + number) * MS, began=42 + number, greenlet_id=number)
    lines = held_up_in(table_of(snapshot.profile()))
    assert [line.split()[3] for line in lines[3:13]] == [f"work_{number}" for number in range(11, 1, -1)]
    assert lines[13] == "... and 2 places more"
    assert len(lines) == 14 + 1 + 1 + 5 + 1


def test_places_of_two_threads_are_one_and_their_sum_is_in_the_table() -> None:
    snapshot = SnapshotBuilder()
    for length in (200 * MS, 300 * MS):
        base = snapshot.greenlet_base(snapshot.thread())
        node = snapshot.call(base, WORK, running=length)
        snapshot.culprit(node, 1, length, length)
    (blocker,) = snapshot.profile().blockers
    assert (blocker.count, blocker.total_ns, blocker.longest_ns) == (2, 500 * MS, 300 * MS)


def test_a_length_that_a_difference_does_not_know_is_a_question_mark() -> None:
    earlier, later = blocked_snapshot(300 * MS), blocked_snapshot(300 * MS)
    earlier.culprit(3, 1, 300 * MS, 300 * MS)
    later.culprit(3, 2, 500 * MS, 300 * MS)
    later.recorded_ns += 1
    table = table_of(replace(later.profile().since(earlier.profile())))
    assert held_up_in(table)[3].split()[:3] == ["1", "200.000", "?"]


# -- the command -------------------------------------------------------------------------------------------

PROGRAM = """
import greenlet, time
def wait(): greenlet.getcurrent().parent.switch()
bystander = greenlet.greenlet(wait)
bystander.switch()
greenlet.greenlet(lambda: time.sleep(0.03)).switch()
bystander.switch()
"""


def test_the_commands_threshold_is_the_profilers(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    result = run("--block-threshold", "0.02", "program.py", folder=tmp_path)
    assert result.returncode == 0
    assert "Held up: 1 slice of 0.02 s or more" in " ".join(result.stderr.split())
    result = run("--block-threshold=5", "program.py", folder=tmp_path)
    assert result.returncode == 0
    assert "Held up" not in result.stderr


def test_nothing_is_held_up_where_only_the_caller_is_suspended(tmp_path: Path) -> None:
    called = "import greenlet, time\ngreenlet.greenlet(lambda: time.sleep(0.03)).switch()\n"
    (tmp_path / "program.py").write_text(called)
    result = run("--block-threshold", "0.02", "program.py", folder=tmp_path)
    assert result.returncode == 0
    assert "Held up" not in result.stderr


@pytest.mark.parametrize(
    ("value", "complaint"),
    [("-1", "A slice cannot be compared with -1.0 seconds"), ("soon", "invalid float value: 'soon'")],
)
def test_the_command_refuses_a_threshold_that_is_none(value: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    result = run(f"--block-threshold={value}", "program.py", folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1
