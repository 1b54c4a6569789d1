"""Running, CPU, waiting and idle: conserved to the nanosecond, and right within what the machine allows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import greenlet
import pytest
from commands import run
from greenlet import getcurrent
from leaks import conserves
from recorded import node, record, stats

from greenletprofiler import Profile, Profiler
from greenletprofiler.errors import HubError
from greenletprofiler.values import Times

pytestmark = pytest.mark.usefixtures("no_collections")

ATTEMPTS = 6


def spin(seconds: float) -> None:
    """Uses that much CPU time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def busy_program() -> None:
    main = getcurrent()

    def work() -> None:
        for _ in range(50):
            spin(0.0001)
            main.switch()

    greenlets = [greenlet.greenlet(work) for _ in range(3)]
    threads = [threading.Thread(target=spin, args=(0.01,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not all(each.dead for each in greenlets):
        for each in greenlets:
            each.switch()
    for thread in threads:
        thread.join()
    gevent.sleep(0.01)


@pytest.fixture(scope="module")
def busy() -> Profile:
    return record(busy_program)


def test_running_idle_and_own_time_add_up_to_each_threads_recorded_time(busy: Profile) -> None:
    assert len(busy.threads) >= 4
    assert conserves(busy)


def test_self_times_add_up_to_the_total(busy: Profile) -> None:
    marks = [each for each in busy.tree.walk() if not each.function.is_function]
    for name in ("running_ns", "cpu_ns", "waiting_ns", "idle_ns", "contended_ns", "lag_ns"):
        functions = sum(getattr(each.self, name) for each in busy.functions)
        assert functions + sum(getattr(mark.self, name) for mark in marks) == getattr(busy.total, name)


def test_inclusive_time_is_that_of_the_subtree(busy: Profile) -> None:
    for each in busy.tree.walk():
        below = [child.inclusive.running_ns for child in each.children]
        assert each.inclusive.running_ns == each.self.running_ns + sum(below)


def test_cpu_never_exceeds_running(busy: Profile) -> None:
    assert all(each.self.cpu_ns <= each.self.running_ns for each in busy.tree.walk())


def test_a_thread_lives_no_longer_than_the_recording(busy: Profile) -> None:
    assert all(thread.lifetime_ns <= busy.recorded_ns for thread in busy.threads)


def test_cpu_time_of_another_thread_is_its_own() -> None:
    def program() -> None:
        thread = threading.Thread(target=spin, args=(0.05,))
        thread.start()
        thread.join()

    found = stats(record(program), "spin")
    assert 0.049e9 <= found.inclusive.cpu_ns < 0.1e9


def test_cpu_time_is_what_the_threads_own_clock_says() -> None:
    used = []

    def program() -> None:
        before = time.thread_time_ns()
        for _ in range(200):
            spin(0.0005)
            time.sleep(0.0001)
        used.append(time.thread_time_ns() - before)

    profile = record(program)
    assert stats(profile, "program").inclusive.cpu_ns == pytest.approx(used[0], rel=0.02)


def test_sleeping_is_running_off_the_cpu() -> None:
    profile = record(lambda: time.sleep(0.1))
    found = stats(profile, "sleep")
    assert found.self.running_ns >= 0.1e9
    assert found.self.cpu_ns < 0.02e9
    assert found.self.waiting_ns == 0


def test_a_greenlet_that_is_switched_out_waits() -> None:
    main = getcurrent()

    def waiter() -> None:
        main.switch()

    def program() -> None:
        one = greenlet.greenlet(waiter)
        one.switch()
        time.sleep(0.05)
        one.switch()

    found = stats(record(program, builtins=False), "waiter")
    assert 0.05e9 <= found.self.waiting_ns < 0.2e9
    assert found.self.running_ns < 0.02e9
    assert found.inclusive.elapsed_ns == found.inclusive.running_ns + found.inclusive.waiting_ns


def test_waiting_is_contended_while_others_run_and_not_while_the_hub_is_idle() -> None:
    gevent = pytest.importorskip("gevent", reason="not installed: gevent")

    def waits_alone() -> None:
        gevent.sleep(0.1)

    def waits_beside_others() -> None:
        gevent.sleep(0.1)

    def blocks() -> None:
        time.sleep(0.06)

    def program() -> None:
        gevent.spawn(waits_alone).join()
        gevent.joinall([gevent.spawn(waits_beside_others), gevent.spawn(blocks)])

    profile = record(program)
    alone = stats(profile, "waits_alone").inclusive
    beside = stats(profile, "waits_beside_others").inclusive
    assert alone.waiting_ns >= 0.1e9 and beside.waiting_ns >= 0.1e9
    assert alone.contended_ns < 0.02e9
    assert 0.06e9 <= beside.contended_ns < 0.09e9
    (kind,) = (each for each in profile.greenlet_kinds if each.times == beside)
    assert kind.greenlets == 1
    greenlets = [each.times for each in profile.greenlets if each.first_function == kind.function]
    assert [each.contended_ns for each in greenlets] == [pytest.approx(beside.contended_ns, abs=10)]


def test_waiting_for_another_raw_greenlet_is_contended_whole() -> None:
    def work() -> None:
        time.sleep(0.02)

    profile = record(lambda: greenlet.greenlet(work).switch(), builtins=False)
    waiting = next(each.inclusive for each in profile.functions if each.inclusive.waiting_ns)
    assert waiting.waiting_ns >= 0.02e9
    assert waiting.waiting_ns - waiting.contended_ns < 0.005e9  # what the profiler itself took


def test_a_greenlet_that_never_goes_on_waits_until_the_snapshot() -> None:
    main = getcurrent()
    kept = []

    def waiter() -> None:
        main.switch()

    def program() -> None:
        kept.append(greenlet.greenlet(waiter))
        kept[0].switch()
        time.sleep(0.05)

    assert stats(record(program, builtins=False), "waiter").self.waiting_ns >= 0.05e9


@pytest.mark.parametrize("builtins", [True, False])
def test_a_hub_that_polls_is_idle_and_not_running(builtins: bool) -> None:
    profile = record(lambda: gevent.sleep(0.1), builtins)
    hub = stats(profile, "Hub.run")
    assert hub.inclusive.idle_ns >= 0.09e9
    assert hub.inclusive.running_ns < 0.05e9
    assert conserves(profile)


EVENTLET_PROGRAM = """
import eventlet
from eventlet.green import socket
from greenletprofiler import Profiler

for builtins in (True, False):
    with Profiler(builtins) as sleeping:
        eventlet.sleep(0.1)
    here, there = socket.socketpair()
    eventlet.spawn_after(0.3, there.send, b"x")
    with Profiler(builtins) as receiving:
        here.recv(1)
    print([profiler.snapshot().total.idle_ns > 0.09e9 for profiler in (sleeping, receiving)])
"""


def test_eventlets_hub_is_idle_with_and_without_files_to_watch() -> None:
    command = [sys.executable, "-W", "ignore", "-c", EVENTLET_PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[True, True]\n[True, True]\n", "")


@pytest.mark.parametrize("builtins", [True, False])
def test_a_hub_that_is_blocked_by_a_callback_is_not_idle(builtins: bool) -> None:
    def block() -> None:
        time.sleep(0.1)

    def program() -> None:
        gevent.get_hub().loop.run_callback(block)
        gevent.sleep(0.001)

    profile = record(program, builtins)
    assert stats(profile, "block").inclusive.running_ns >= 0.1e9
    assert stats(profile, "block").inclusive.idle_ns == 0


def test_a_snapshot_while_running_counts_the_time_so_far() -> None:
    profiler = Profiler()
    with profiler:
        spin(0.02)
        first = profiler.snapshot().raw()
        spin(0.02)
    second = profiler.snapshot().raw()
    assert conserves(first) and conserves(second)
    assert stats(first, "spin").inclusive.cpu_ns >= 0.019e9
    assert stats(second, "spin").inclusive.cpu_ns >= 0.038e9
    assert (stats(first, "spin").calls, stats(second, "spin").calls) == (1, 2)


def test_time_between_sessions_is_nobodys() -> None:
    profiler = Profiler()
    with profiler:
        pass
    time.sleep(0.5)
    with profiler:
        pass
    profile = profiler.snapshot().raw()
    assert profile.recorded_ns < 0.5e9
    assert conserves(profile)


def test_phases_share_the_cpu_as_the_threads_own_clock_says() -> None:
    def first() -> None:
        spin(0.08)

    def second() -> None:
        spin(0.04)

    used = []

    def program() -> None:
        began = time.thread_time_ns()
        first()
        used.append(time.thread_time_ns() - began)
        second()
        used.append(time.thread_time_ns() - began - used[0])

    profile = record(program, builtins=False)
    one, two = (stats(profile, name).inclusive.cpu_ns for name in ("first", "second"))
    assert one / (one + two) == pytest.approx(used[0] / sum(used), abs=0.005)


def two_phases(used_ns: dict[str, int]) -> None:
    """Calls of some length, and then many short ones; what the thread's own clock says of each."""

    def first() -> None:
        for _ in range(10):
            spin(0.02)

    def second() -> None:
        def short() -> None:
            for _ in range(100):
                pass

        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            short()

    for phase in (first, second):
        began_ns = time.thread_time_ns()
        phase()
        used_ns[phase.__name__] = time.thread_time_ns() - began_ns


class Phases(NamedTuple):
    """What was recorded of each phase, what the thread's clock said, and how often the profiler read it."""

    times: list[tuple[Times, int]]
    readings: int


#: A reading of the CPU clock is the profiler's own time, and part of what that clock says; two or three
#: microseconds, more beside another process.
READING_NS = 5000


def differs(phases: Phases) -> bool:
    """From what the clock says: by half a percent all together, or by two in one of them."""
    missing_ns = sum(used_ns - found.cpu_ns for found, used_ns in phases.times)
    tolerance_ns = 0.005 * sum(used_ns for _, used_ns in phases.times)
    return not -tolerance_ns <= missing_ns <= tolerance_ns + READING_NS * phases.readings or any(
        found.cpu_ns != pytest.approx(used_ns, rel=0.02) for found, used_ns in phases.times
    )


def once_of_some(run: Callable[[], list[Phases]]) -> bool:
    """Whether all are right: a busy machine may disturb a run, but a profiler that is wrong is so in each."""
    return any(not any(map(differs, run())) for _ in range(ATTEMPTS))


@pytest.fixture
def competitor() -> Iterator[None]:
    """Another process that never stops, on the one core that this one then has too."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize("builtins", [True, False])
def test_beside_a_process_on_the_same_core_cpu_time_is_what_the_threads_clock_says(
    competitor: None, builtins: bool
) -> None:
    def run() -> list[Phases]:
        used_ns: dict[str, int] = {}
        profile = record(lambda: two_phases(used_ns), builtins)
        times = [(stats(profile, name).inclusive, used_ns[name]) for name in used_ns]
        return [Phases(times, profile.cost.cpu_clock_reads)]

    assert once_of_some(run)


@pytest.mark.parametrize("builtins", [True, False])
def test_of_two_threads_that_share_the_interpreter_each_has_the_cpu_time_of_its_clock(builtins: bool) -> None:
    used_ns: dict[str, dict[str, int]] = {"one": {}, "other": {}}

    def one() -> None:
        two_phases(used_ns["one"])

    def other() -> None:
        two_phases(used_ns["other"])

    def program() -> None:
        threads = [threading.Thread(target=function) for function in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def run() -> list[Phases]:
        profile = record(program, builtins)
        return [
            Phases(
                [(node(profile, name, "two_phases", phase).inclusive, used[phase]) for phase in used],
                profile.cost.cpu_clock_reads // 2,
            )
            for name, used in used_ns.items()
        ]

    assert once_of_some(run)


# -- hubs --------------------------------------------------------------------------------------------------

OWN_HUB = """
import time
class Hub:
    def wait(self):
        time.sleep(0.05)
"""


def recorded_with_hub(folder: Path, hub: str | list[str]) -> Times:
    (folder / "own").mkdir()
    (folder / "own" / "loop.py").write_text(OWN_HUB)
    names: dict[str, Any] = {}
    exec(compile(OWN_HUB, str(folder / "own" / "loop.py"), "exec"), names)
    profiler = Profiler(hub=hub)
    with profiler:
        names["Hub"]().wait()
    return profiler.snapshot().raw().total


@pytest.mark.parametrize(
    "hub", ["own.loop:Hub.wait", ["own/loop.py:Hub.wait"], ["other:f", "own.loop:Hub.wait"]]
)
def test_time_off_the_cpu_in_a_hub_that_the_user_names_is_idle(hub: str | list[str], tmp_path: Path) -> None:
    times = recorded_with_hub(tmp_path, hub)
    assert times.idle_ns >= 0.045e9
    assert times.running_ns < 0.04e9


@pytest.mark.parametrize("hub", ["own.loop:wait", "wn.loop:Hub.wait", "loop:Hub.waits", []])
def test_what_is_not_the_hub_runs(hub: str | list[str], tmp_path: Path) -> None:
    times = recorded_with_hub(tmp_path, hub)
    assert times.idle_ns == 0
    assert times.running_ns >= 0.045e9


@pytest.mark.parametrize("hub", ["Hub.wait", ":f", "module:", "module:f()", [3], 3])
def test_what_names_no_function_is_refused_as_a_hub(hub: Any) -> None:
    with pytest.raises(HubError, match="write MODULE:FUNCTION"):
        Profiler(hub=hub)


def test_the_commands_hub_is_the_profilers(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(OWN_HUB + "Hub().wait()\n")
    result = run("--hub", "program.py:Hub.wait", "program.py", folder=tmp_path)
    assert result.returncode == 0
    assert re.search(r"idle 0\.0[5-9]\d s", " ".join(result.stderr.split()))
    result = run("--hub", "nothing", "program.py", folder=tmp_path)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert "'nothing' does not name a function in which a hub polls" in result.stderr
