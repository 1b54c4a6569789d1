"""gevent: its functions by their own names, its hub, and its patched world."""

from __future__ import annotations

import subprocess
import sys

import gevent
import gevent.event
import gevent.queue
import pytest
from gevent import Timeout
from gevent.threadpool import ThreadPool
from recorded import callees, callers, calls, name_of, names, record, stats

MONITORING = sys.version_info >= (3, 12)


@pytest.mark.parametrize("builtins", [True, False])
def test_spawned_functions_have_no_caller_and_their_own_callees(builtins: bool) -> None:
    def foo() -> None:
        for _ in range(20):
            gevent.sleep(0)

    def bar() -> None:
        for _ in range(10):
            gevent.sleep(0)

    profile = record(lambda: gevent.joinall([gevent.spawn(foo), gevent.spawn(bar)]), builtins)
    assert calls(profile, "foo", "sleep") == 20
    assert calls(profile, "bar", "sleep") == 10
    assert callers(profile, "foo") == callers(profile, "bar") == set()
    assert callees(profile, "foo") - {"range"} == callees(profile, "bar") - {"range"} == {"sleep"}


def test_compiled_functions_appear_under_their_own_names_where_the_interpreter_tells_of_them() -> None:
    def program() -> None:
        event = gevent.event.Event()
        gevent.spawn_later(0.001, event.set)
        event.wait()
        gevent.spawn(lambda: None).join()
        gevent.sleep(0)

    profile = record(program)
    compiled = {each.function.name: each for each in profile.functions if each.function.kind == "cython"}
    if MONITORING:
        assert {"Event.wait", "Greenlet.join", "Greenlet.spawn"} <= compiled.keys()
        assert compiled["Greenlet.join"].function.owner == "gevent._gevent_cgreenlet"
        assert compiled["Event.wait"].calls == 1
    else:
        assert not compiled


def test_what_is_waited_for_in_python_code_of_gevent_is_seen_below_it() -> None:
    profile = record(lambda: gevent.sleep(0.001))
    expected = "WaitOperationsGreenlet.wait" if MONITORING else "sleep"
    assert expected in names(profile)


@pytest.mark.parametrize("builtins", [True, False])
def test_tasks_of_a_pool_are_in_one_place_of_the_tree_however_many_there_are(builtins: bool) -> None:
    def task() -> None:
        len("")

    def program() -> None:
        pool = ThreadPool(1)
        for _ in range(20):
            pool.apply(task)
        pool.kill()

    profile = record(program, builtins)
    assert [node.calls for node in profile.tree.walk() if name_of(node.function) == "task"] == [20]
    assert {caller.rpartition(".")[2] for caller in callers(profile, "task")} == {"__run_task"}


def test_a_timeout_leaves_what_it_interrupts() -> None:
    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        else:
            gevent.sleep(10)

    def after() -> None:
        pass

    def program() -> None:
        for _ in range(3):
            with Timeout(0.001, False):
                deep(5)
            after()

    profile = record(program)
    assert (stats(profile, "deep").calls, stats(profile, "deep").primitive_calls) == (18, 3)
    assert callers(profile, "after") == {"program"}


def test_killed_greenlets_are_counted_once() -> None:
    def forever() -> None:
        while True:
            gevent.sleep(10)

    def program() -> None:
        greenlets = [gevent.spawn(forever) for _ in range(5)]
        gevent.sleep(0)
        gevent.killall(greenlets)

    profile = record(program)
    assert stats(profile, "forever").calls == 5
    kinds = {kind.function.bare_name: kind for kind in profile.greenlet_kinds if kind.function}
    assert (kinds["forever"].greenlets, kinds["forever"].alive) == (5, 0)


def test_a_queue_between_greenlets_keeps_both_sides_apart() -> None:
    def produce(queue: gevent.queue.Queue) -> None:
        for number in range(50):
            queue.put(number)

    def consume(queue: gevent.queue.Queue) -> None:
        for _ in range(50):
            handle(queue.get())

    def handle(_number: int) -> None:
        gevent.sleep(0)

    def program() -> None:
        queue = gevent.queue.Queue(1)
        gevent.joinall([gevent.spawn(produce, queue), gevent.spawn(consume, queue)])

    profile = record(program)
    assert calls(profile, "consume", "handle") == 50
    assert callers(profile, "handle") == {"consume"}
    assert "handle" not in callees(profile, "produce")


def test_the_thread_pool_is_recorded() -> None:
    def work(number: int) -> int:
        return helper(number)

    def helper(number: int) -> int:
        return number + 1

    def program() -> None:
        pool = ThreadPool(3)
        assert pool.map(work, range(10)) == list(range(1, 11))
        pool.kill()

    profile = record(program)
    assert calls(profile, "work", "helper") == 10


def test_a_monkey_patched_program_is_profiled_with_unpatched_locks() -> None:
    program = """
from gevent import monkey; monkey.patch_all()
import threading, time, gevent
from greenletprofiler import Profiler

@(profiler := Profiler())
def work():
    time.sleep(0.001)

threads = [threading.Thread(target=work) for _ in range(10)]
for thread in threads: thread.start()
for thread in threads: thread.join()
profile = profiler.snapshot()
print([each.calls for each in profile.functions if each.function.name == "work"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[10]\n", "")
