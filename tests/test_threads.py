"""Threads: those that are there, those that come and go, and those that are not wanted."""

from __future__ import annotations

import _thread
import subprocess
import sys
import threading

import greenlet
import pytest
from recorded import callers, calls, names, record, stats

from greenletprofiler import Profile, Profiler
from greenletprofiler.values import ThreadStats


def leaf() -> None:
    pass


def run_in_threads(count: int) -> None:
    threads = [threading.Thread(target=leaf, name=f"worker {number}") for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def by_name(profile: Profile) -> dict[str, ThreadStats]:
    return {thread.name: thread for thread in profile.threads}


def test_threads_that_start_later_are_recorded_from_their_first_call() -> None:
    profile = record(lambda: run_in_threads(4))
    assert calls(profile, "Thread.run", "leaf") == 4
    assert {f"worker {number}" for number in range(4)} <= by_name(profile).keys()
    assert by_name(profile)["worker 0"].class_name == "Thread"
    assert not by_name(profile)["worker 0"].alive


def test_the_thread_that_starts_the_profiler_is_named() -> None:
    assert "MainThread" in by_name(record(leaf))


def test_raw_threads_are_recorded_from_their_first_call() -> None:
    done = _thread.allocate_lock()

    def work() -> None:
        leaf()
        done.release()

    def program() -> None:
        for _ in range(5):
            done.acquire()
            _thread.start_new_thread(work, ())
            done.acquire()
            done.release()

    profile = record(program)
    assert stats(profile, "work").calls == 5
    assert callers(profile, "work") == set()


PATCHED = """
{patch}
from greenletprofiler import Profiler
def leaf():
    pass
def work(done):
    leaf()
    done.release()
def start():
    done = allocate_lock()
    done.acquire()
    start_new_thread(work, (done,))
    done.acquire()
with Profiler() as profiler:
    for _ in range(5): start()
print([each.calls for each in profiler.snapshot().functions if each.function.name in ("work", "leaf")])
"""


@pytest.mark.parametrize(
    "patch",
    [
        "from gevent import monkey; monkey.patch_all()\n"
        "names = ['start_new_thread', 'allocate_lock']\n"
        "start_new_thread, allocate_lock = monkey.get_original('_thread', names)",
        "import eventlet, eventlet.patcher; eventlet.monkey_patch()\n"
        "original = eventlet.patcher.original('_thread')\n"
        "start_new_thread, allocate_lock = original.start_new_thread, original.allocate_lock",
    ],
    ids=["gevent", "eventlet"],
)
def test_threads_that_a_patched_program_starts_by_the_unpatched_function_are_recorded(patch: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", PATCHED.format(patch=patch)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[5, 5]\n", "")


def test_a_thread_that_runs_already_is_recorded_under_its_callers() -> None:
    waits, goes_on = threading.Event(), threading.Event()

    def inner() -> None:
        waits.set()
        goes_on.wait()
        leaf()

    def outer() -> None:
        inner()
        leaf()

    thread = threading.Thread(target=outer)
    thread.start()
    waits.wait()

    def program() -> None:
        goes_on.set()
        thread.join()

    profile = record(program)
    assert calls(profile, "inner", "leaf") == 1
    assert calls(profile, "outer", "leaf") == 1
    assert stats(profile, "outer").calls == 0
    assert stats(profile, "outer").inclusive.running_ns > 0


def test_a_thread_that_does_nothing_meanwhile_has_its_time_all_the_same() -> None:
    waits, goes_on = threading.Event(), threading.Event()

    def sleeper() -> None:
        waits.set()
        goes_on.wait()

    thread = threading.Thread(target=sleeper, name="sleeper")
    thread.start()
    waits.wait()
    profile = record(leaf)
    goes_on.set()
    thread.join()
    assert by_name(profile)["sleeper"].lifetime_ns > 0
    assert stats(profile, "sleeper").inclusive.running_ns > 0


def test_only_the_calling_thread_is_recorded_on_request() -> None:
    def program() -> None:
        run_in_threads(2)

    profile = record(program, threads=False)
    assert len(profile.threads) == 1
    assert "leaf" not in names(profile)
    assert stats(profile, "run_in_threads").calls == 1


def test_greenlets_of_each_thread_have_positions_of_their_own() -> None:
    def work() -> None:
        main = greenlet.getcurrent()

        def child() -> None:
            for _ in range(10):
                leaf()
                main.switch()

        children = [greenlet.greenlet(child) for _ in range(3)]
        for _ in range(11):
            for each in children:
                each.switch()

    def program() -> None:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    profile = record(program)
    assert calls(profile, "child", "leaf") == 4 * 3 * 10
    assert callers(profile, "leaf") == {"child"}
    assert stats(profile, "child").primitive_calls == 12


def test_start_in_one_thread_and_stop_in_another() -> None:
    profiler = Profiler()
    profiler.start()
    leaf()
    thread = threading.Thread(target=profiler.stop)
    thread.start()
    thread.join()
    assert not profiler.running
    assert stats(profiler.snapshot(), "leaf").calls == 1


def test_many_threads_one_after_another_take_bounded_room() -> None:
    done = _thread.allocate_lock()

    def run(count: int) -> None:
        for _ in range(count):
            done.acquire()
            _thread.start_new_thread(work, ())
            done.acquire()
            done.release()

    def work() -> None:
        leaf()
        done.release()

    profiler = Profiler()
    with profiler:
        run(600)
        before = profiler.memory_bytes
        run(600)
        after = profiler.memory_bytes
    profile = profiler.snapshot()
    assert stats(profile, "leaf").calls == 1200
    assert profile.counters["folded_threads"] > 800
    assert by_name(profile)["[ended threads]"].lifetime_ns > 0
    assert after - before < 600 * 400


@pytest.mark.long
def test_a_hundred_thousand_threads_one_after_another_take_bounded_room() -> None:
    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        leaf()
        done.release()

    profiler = Profiler()
    with profiler:
        sizes = []
        for _ in range(100):
            for _ in range(1000):
                _thread.start_new_thread(work, ())
                done.acquire()
            sizes.append(profiler.memory_bytes)
    profile = profiler.snapshot()
    assert stats(profile, "leaf").calls == 100_000
    assert callers(profile, "leaf") == {"work"}
    assert sum(kind.greenlets for kind in profile.greenlet_kinds) > 100_000
    assert len(profile.greenlets) < 100_010  # records, and those that live
    assert max(sizes) < sizes[9] + 100 * 100_000  # a record of 100 bytes for each ended greenlet, at most


BESIDE_AN_AUDIT_HOOK = """
import sys, threading
from greenletprofiler import Profiler
sys.addaudithook(lambda event, arguments: None)
def leaf():
    pass
sys.setswitchinterval(1e-6)
with Profiler() as profiler:
    for _ in range(200):
        threads = [threading.Thread(target=leaf) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
sys.setswitchinterval(0.005)
print(*(each.calls for each in profiler.snapshot().functions if each.function.name == "leaf"))
"""


def test_threads_start_as_without_profiler_where_audit_hooks_let_others_go_on() -> None:
    command = [sys.executable, "-c", BESIDE_AN_AUDIT_HOOK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("800\n", "", 0)


def test_an_audit_hook_that_forbids_it_keeps_the_profiler_from_starting() -> None:
    program = """
import sys
from greenletprofiler import Profiler
def forbid(event, arguments):
    if event in ("sys.setprofile", "sys.monitoring.register_callback"):
        raise PermissionError(event)
sys.addaudithook(forbid)
profiler = Profiler()
try:
    profiler.start()
except PermissionError:
    print("forbidden", profiler.running)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("forbidden False\n", "")


def test_daemon_threads_at_the_interpreters_end_do_no_harm() -> None:
    program = """
import threading, gevent
from greenletprofiler import Profiler
started = threading.Barrier(4)
def spin():
    started.wait()
    while True:
        len("")
def hub():
    gevent.spawn(gevent.sleep, 60)
    started.wait()
    gevent.sleep(60)
profiler = Profiler()
profiler.start()
for target in (spin, spin, hub):
    threading.Thread(target=target, daemon=True).start()
started.wait()
print(len(profiler.snapshot().threads))
"""
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr, done.returncode) == ("4\n", "", 0)


def test_threads_that_began_before_and_end_meanwhile_are_counted_to_their_end() -> None:
    waits, goes_on = threading.Barrier(4), threading.Event()

    def inner() -> None:
        waits.wait()
        goes_on.wait()
        leaf()

    threads = [threading.Thread(target=inner, name=f"early {number}") for number in range(3)]
    for thread in threads:
        thread.start()
    waits.wait()

    def program() -> None:
        goes_on.set()
        for thread in threads:
            thread.join()

    profile = record(program)
    assert calls(profile, "inner", "leaf") == 3
    assert [by_name(profile)[f"early {number}"].alive for number in range(3)] == [False] * 3


def test_a_snapshot_from_another_thread_shows_the_one_that_runs() -> None:
    waits, goes_on = threading.Event(), threading.Event()

    def busy() -> None:
        leaf()
        waits.set()
        goes_on.wait()

    profiler = Profiler()
    with profiler:
        thread = threading.Thread(target=busy)
        thread.start()
        waits.wait()
        first = profiler.snapshot()
        goes_on.set()
        thread.join()
    assert (stats(first, "busy").calls, stats(first, "leaf").calls) == (1, 1)
    assert stats(profiler.snapshot(), "busy").calls == 1
