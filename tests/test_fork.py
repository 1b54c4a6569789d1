"""Children made by fork: each records for itself, from nothing, and the parent's recording is its own."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from commands import TABLE_BEGINS, calls_in, environment, run, run_plain

FOLDER = str(Path(__file__).parent)
MONITORING = sys.version_info >= (3, 12)
ATTEMPTS = 5
SECONDS = 60

both_with_and_without_builtins = pytest.mark.parametrize("builtins", [True, False])

#: Stands before each program.
PRELUDE = f"""
import sys; sys.path.insert(0, {FOLDER!r})
import os, threading, time
from forks import *
from greenlet import getcurrent, greenlet
from greenletprofiler import Profiler

BUILTINS = {{builtins}}
profiler = Profiler(builtins=BUILTINS)
def leaf(): pass
def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end: pass
"""


def outcomes(program: str, builtins: bool = True, seconds: float = 300) -> dict[str, Any]:
    """What the processes of a program told, by their names."""
    source = PRELUDE.format(builtins=builtins) + program
    command = [sys.executable, "-W", "ignore", "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    told = [ast.literal_eval(line) for line in done.stdout.splitlines()]
    assert len(dict(told)) == len(told), f"told twice: {told}"
    return dict(told)


Done = TypeVar("Done")


def until_it_ends(run: Callable[[float], Done]) -> Done:
    """What it returns, given some seconds; if they are not enough it is run again.

    For where gevent waits for a child: now and then it misses the end, without a profiler too, and waits for
    ever. Parent and child are woken through the same descriptor until the child makes its own.
    """
    for _ in range(ATTEMPTS - 1):
        with suppress(subprocess.TimeoutExpired):
            return run(SECONDS)
    return run(SECONDS)


# -- calls -----------------------------------------------------------------------------------------------

OPEN_CALLS = """
def before(): leaf()
def inner():
    before()
    child = os.fork()
    if child == 0: leaf()
    return child
def outer():
    child = inner()
    leaf(); leaf()
    return child
def only_in_child(): pass
def only_in_parent(): pass
with profiler:
    child = outer()
    only_in_parent() if child else only_in_child()
tell(child, edges(profiler))
"""


@both_with_and_without_builtins
def test_parent_and_child_record_what_they_do_themselves_and_calls_of_before_are_the_parents(
    builtins: bool,
) -> None:
    assert outcomes(OPEN_CALLS, builtins) == {
        "child": {
            "<module> outer": 0,
            "outer inner": 0,
            "inner leaf": 1,
            "outer leaf": 2,
            "<module> only_in_child": 1,
        },
        "parent": {
            "<module> outer": 1,
            "outer inner": 1,
            "inner before": 1,
            "before leaf": 1,
            "outer leaf": 2,
            "<module> only_in_parent": 1,
        },
    }


@both_with_and_without_builtins
def test_a_call_of_c_that_is_open_across_the_fork_has_no_false_callees(builtins: bool) -> None:
    program = """
children = []
def fork_once(key):
    if not children: children.append(os.fork())
    return key
def outer():
    sorted([1, 2], key=fork_once)
    leaf()
with profiler:
    outer()
(child,) = children
tell(child, [callers(profiler, "leaf"), callers(profiler, "fork_once")])
"""
    told = outcomes(program, builtins)
    assert told["parent"] == [{"outer"}, {"sorted" if builtins else "outer"}]
    assert told["child"] == [{"outer"}, {"outer"}]  # the call of sorted() began in the parent


@both_with_and_without_builtins
def test_generators_that_were_suspended_go_on_in_both(builtins: bool) -> None:
    program = """
def generate():
    for number in (1, 2):
        leaf()
        yield number
def consume():
    for number in generate():
        if number == 1: child = os.fork()
    return child
with profiler:
    child = consume()
tell(child, edges(profiler))
"""
    assert outcomes(program, builtins) == {
        "child": {"<module> consume": 0, "consume generate": 2, "generate leaf": 1},
        "parent": {"<module> consume": 1, "consume generate": 3, "generate leaf": 2},
    }


def test_exceptions_that_pass_the_fork_leave_the_calls_that_it_was_in() -> None:
    program = """
def inner(children):
    children.append(os.fork())
    raise KeyError
def outer(children):
    try: inner(children)
    except KeyError: pass
    leaf()
children = []
with profiler:
    outer(children)
tell(children[0], edges(profiler))
"""
    assert outcomes(program) == {
        "child": {"<module> outer": 0, "outer inner": 0, "outer leaf": 1},
        "parent": {"<module> outer": 1, "outer inner": 1, "outer leaf": 1},
    }


def test_a_child_of_a_child_begins_anew_too() -> None:
    program = """
def work(times):
    for _ in range(times): leaf()
with profiler:
    work(1)
    child = os.fork()
    if child == 0:
        work(2)
        grandchild = os.fork()
        if grandchild == 0: work(3)
if child == 0:
    if grandchild == 0:
        print(("grandchild", edges(profiler)), flush=True)
        os._exit(0)
    os.waitpid(grandchild, 0)
tell(child, edges(profiler))
"""
    assert outcomes(program) == {
        "grandchild": {"<module> work": 1, "work leaf": 3},
        "child": {"<module> work": 1, "work leaf": 2},
        "parent": {"<module> work": 1, "work leaf": 1},
    }


# -- greenlets -------------------------------------------------------------------------------------------

SUSPENDED = """
main = getcurrent()
def deep():
    leaf()
    main.switch()
    leaf(); leaf()
def wide():
    deep()
    leaf()
def never_resumed():
    main.switch()
def fork_between():
    first, second = greenlet(wide), greenlet(never_resumed)
    first.switch(), second.switch()
    child = os.fork()
    first.switch()
    leaf()
    switch_there_and_back(leaf, 5)
    kept.append(second)
    return child
kept = []
with profiler:
    child = fork_between()
"""


@both_with_and_without_builtins
def test_greenlets_that_were_suspended_go_on_in_both_where_they_were(builtins: bool) -> None:
    told = outcomes(SUSPENDED + "tell(child, edges(profiler))", builtins)
    assert told["child"] == {
        "<module> fork_between": 0,
        "wide deep": 0,
        "deep leaf": 2,
        "wide leaf": 1,
        "fork_between leaf": 1,
    }
    assert told["parent"] == {
        "<module> fork_between": 1,
        "wide deep": 1,
        "deep leaf": 3,
        "wide leaf": 1,
        "fork_between leaf": 1,
    }


def test_a_childs_greenlets_are_those_that_ran_in_it_and_its_switches_its_own() -> None:
    told = outcomes(
        SUSPENDED
        + """
profile = profile_of(profiler)
named = [each for each in profile.greenlet_kinds if each.function]
kinds = {each.function.name: (each.greenlets, each.switches) for each in named}
tell(child, [kinds, sum(thread.switches for thread in profile.threads)])
"""
    )
    assert told["child"] == [
        {"<module>": (1, 6), "wide": (1, 1), "never_resumed": (1, 0), "leaf": (5, 5)}, 12
    ]  # fmt: skip
    assert told["parent"] == [
        {"<module>": (1, 8), "wide": (1, 2), "never_resumed": (1, 1), "leaf": (5, 5)}, 16
    ]  # fmt: skip


def test_waiting_of_a_greenlet_in_the_child_begins_with_the_child() -> None:
    program = """
main = getcurrent()
def wait():
    main.switch()
with profiler:
    waiting = greenlet(wait)
    waiting.switch()
    spin(0.2)
    began = time.monotonic_ns()
    child = os.fork()
    waiting.switch()
    ended = time.monotonic_ns()
[waited_ns] = [s.inclusive.waiting_ns for s in profile_of(profiler).functions if s.function.name == "wait"]
tell(child, waited_ns <= ended - began)
"""
    assert outcomes(program) == {"child": True, "parent": False}


@both_with_and_without_builtins
def test_a_greenlet_can_fork_and_switch_to_those_that_wait_for_it(builtins: bool) -> None:
    program = """
main = getcurrent()
def forks():
    child = os.fork()
    leaf()
    main.switch(child)
    leaf()
def waits(forking):
    child = forking.switch()
    leaf()
    forking.switch()
    leaf()
    return child
with profiler:
    child = waits(greenlet(forks))
tell(child, edges(profiler))
"""
    told = outcomes(program, builtins)
    assert told["child"] == {"<module> waits": 0, "waits leaf": 2, "forks leaf": 2}
    assert told["parent"] == {"<module> waits": 1, "waits leaf": 2, "forks leaf": 2}


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_programs_own_trace_function_is_called_once_a_switch_and_left_where_it_was(when: str) -> None:
    program = f"""
import greenlet as greenlets
events = []
def trace(event, pair):
    events.append(event)
    if previous is not None: previous(event, pair)
previous = None
if {when!r} == "before": greenlets.settrace(trace)
profiler.start()
if {when!r} == "after": previous = greenlets.settrace(trace)
child = os.fork()
events.clear()
switch_there_and_back(leaf, 3)
profiler.stop()
switches = sum(thread.switches for thread in profile_of(profiler).threads)
tell(child, [switches, len(events), greenlets.gettrace() is trace])
"""
    assert outcomes(program) == {"child": [6, 6, True], "parent": [6, 6, True]}


# -- threads ---------------------------------------------------------------------------------------------

FORK_IN_A_THREAD = """
def work(children):
    leaf()
    children.append(os.fork())
    leaf(); leaf()
    if children == [0]:
        threading.Thread(target=leaf, name="new").start()
        profiler.stop()
        tell(0, FOUND())
children, go_on = [], threading.Event()
waiting = threading.Thread(target=go_on.wait, name="waiting"); waiting.start()
with profiler:
    thread = threading.Thread(target=work, args=(children,), name="forking")
    thread.start(); thread.join()
go_on.set(); waiting.join()
tell(children[0], FOUND())
"""


@both_with_and_without_builtins
def test_of_the_threads_the_one_that_forked_is_in_the_child_and_those_that_start_there(
    builtins: bool,
) -> None:
    found = "\nFOUND = lambda: [thread_names(profiler), edges(profiler)]\n"
    told = outcomes(found + FORK_IN_A_THREAD, builtins)
    assert told["child"] == [["forking", "new"], {"work leaf": 2}]
    assert told["parent"] == [["waiting", "MainThread", "forking"], {"work leaf": 3}]


def test_the_threads_calls_hang_where_they_did() -> None:
    found = "\nFOUND = lambda: [callers(profiler, 'work'), callers(profiler, 'leaf')]\n"
    told = outcomes(found + FORK_IN_A_THREAD)
    assert told["child"] == [{"Thread.run"}, {"work", "Thread.run"}]
    assert told["parent"] == [{"Thread.run"}, {"work"}]


def test_threads_that_had_ended_are_the_parents_however_many() -> None:
    program = """
def run_threads(count):
    for _ in range(count):
        thread = threading.Thread(target=leaf); thread.start(); thread.join()
with profiler:
    run_threads(300)
    child = os.fork()
    run_threads(2)
profile = profile_of(profiler)
[calls] = [stats.calls for stats in profile.functions if stats.function.name == "leaf"]
tell(child, [calls, len(profile.threads), profile.counters["folded_threads"]])
"""
    assert outcomes(program) == {"child": [2, 3, 0], "parent": [302, 258, 46]}


@pytest.mark.parametrize(("forks_in", "threads"), [("main", ["MainThread"]), ("another", [])])
def test_a_child_of_a_thread_that_is_not_recorded_records_nothing(forks_in: str, threads: list[str]) -> None:
    program = f"""
profiler = Profiler(threads=False)
children = []
def work():
    children.append(os.fork())
    if children == [0]:
        leaf()
        profiler.stop()
        tell(0, [thread_names(profiler), callers(profiler, "leaf")])
profiler.start()
if {forks_in!r} == "main":
    work()
else:
    thread = threading.Thread(target=work); thread.start(); thread.join()
profiler.stop()
tell(children[0], thread_names(profiler))
"""
    assert outcomes(program) == {
        "child": [threads, {"work"} if threads else set()], "parent": ["MainThread"]
    }  # fmt: skip


# -- times -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thread", [False, True])
def test_cpu_time_in_the_child_is_read_from_its_own_clock(thread: bool) -> None:
    program = f"""
def work():
    spin(0.05)
    child = os.fork()
    began = time.thread_time_ns()
    if child == 0: spin(0.2)
    used_ns = time.thread_time_ns() - began
    profiler.stop()
    profile = profile_of(profiler).raw()
    found = [profile.counters["cpu_clock_unknown"], round(profile.total.cpu_ns / 1e9, 1)]
    if child == 0: found.append(abs(profile.total.cpu_ns - used_ns) < 20_000_000)
    tell(child, found)
profiler.start()
if {thread}:
    thread = threading.Thread(target=work); thread.start(); thread.join()
else:
    work()
"""
    told = outcomes(program)
    assert told["child"] == [0, 0.2, True]
    assert told["parent"][0] == 0


def test_a_childs_recording_begins_with_the_child_whatever_was_recorded_before() -> None:
    program = """
with profiler:
    spin(0.2)
with profiler:
    leaf()
    before = time.time_ns(), time.monotonic_ns()
    child = os.fork()
    spin(0.01)
after = time.monotonic_ns()
profile = profile_of(profiler)
tell(child, [
    before[0] <= profile.started_at_ns < before[0] + 10**10,
    before[1] <= profile.started_monotonic_ns <= after,
    0 < profile.recorded_ns <= after - before[1],
    all(thread.lifetime_ns <= profile.recorded_ns for thread in profile.threads),
    callers(profiler, "leaf"),
])
"""
    told = outcomes(program)
    assert told["child"] == [True, True, True, True, set()]
    assert told["parent"] == [False, False, False, True, {"<module>"}]


# -- the recording goes on, and ends -----------------------------------------------------------------------


def test_a_child_stops_and_starts_as_it_likes() -> None:
    program = """
profiler.start()
leaf()
child = os.fork()
for _ in range(3):
    leaf()
    profiler.stop()
    leaf()
    profiler.start()
profiler.stop()
other = Profiler()
with other: leaf()
profile = profile_of(profiler)
calls = [stats.calls for stats in profile.functions if stats.function.name == "leaf"]
tell(child, [calls, profiler.running, edges(other)])
"""
    told = outcomes(program)
    assert told["child"] == [[3], False, {"<module> leaf": 1}]
    assert told["parent"] == [[4], False, {"<module> leaf": 1}]


def test_a_recording_that_was_stopped_when_the_process_forked_is_kept() -> None:
    program = """
with profiler: leaf()
child = os.fork()
with profiler: leaf()
tell(child, edges(profiler))
"""
    assert outcomes(program) == {"child": {"<module> leaf": 2}, "parent": {"<module> leaf": 2}}


def test_a_child_gives_back_what_the_recording_took() -> None:
    program = """
import gc, greenlet as greenlets
from greenletprofiler import _native
def profile_function(*event): pass
def wait():
    switch_there_and_back(leaf, 1)
    ready.set()
    go_on.wait()
ready, go_on = threading.Event(), threading.Event()
sys.setprofile(profile_function)
profiler.start()
waiting = threading.Thread(target=wait); waiting.start(); ready.wait()
switch_there_and_back(leaf, 1)
child = os.fork()
switch_there_and_back(leaf, 1)
profiler.stop()
found = [greenlets.gettrace(), sys.getprofile() is profile_function]
if sys.version_info >= (3, 12): found.append(sys.monitoring.get_tool(2) and "cProfile's")
sys.setprofile(None)
go_on.set()
if child: waiting.join()
del profiler
gc.collect()
recorders = [each for each in gc.get_objects() if type(each) is _native.Recorder]
tell(child, [found[:2], recorders])
"""
    assert outcomes(program) == {"child": [[None, True], []], "parent": [[None, True], []]}


def test_what_went_wrong_in_the_parent_is_not_said_of_the_child() -> None:
    program = """
from greenletprofiler import Profile, _native
recorder = _native.Recorder(builtins=False, threads=True, hidden=(), polls=(), node_budget=20)
recorder.start()
for number in range(100): eval(compile("0", f"made_{number}", "eval"))
child = os.fork()
leaf()
recorder.stop()
profile = Profile.from_snapshot(recorder.snapshot())
tell(child, [profile.counters["truncated_calls"] > 0, profile.warnings])
"""
    told = outcomes(program)
    assert told["child"] == [False, ()]
    assert told["parent"][0]


def test_whatever_memory_there_is_a_child_goes_on_and_what_is_lost_is_said() -> None:
    told = outcomes('print(("parent", limits_at_which_a_child_is_wrong(4_000, 60_000, 211)))')
    wrong, tried = told["parent"]
    assert wrong == []
    assert tried > 150


def test_what_a_child_runs_before_exec_is_no_trouble() -> None:
    program = """
import subprocess
def prepare(): os.write(1, b"prepared\\n")
def work():
    return subprocess.run([sys.executable, "-c", "print('ran')"], preexec_fn=prepare, stdout=subprocess.PIPE)
with profiler: output = work().stdout
print(("parent", [output, callers(profiler, "prepare")]))
"""
    assert outcomes(program) == {"parent": [b"prepared\nran\n", set()]}


# -- multiprocessing ---------------------------------------------------------------------------------------

#: A module of a program that starts processes; each process has its own.
WORKER = """
from greenletprofiler import Profiler
from forks import profile_of
profiler = Profiler(builtins={builtins})
def leaf(): pass
def work(times):
    for _ in range(times): leaf()
    calls = {{each.function.name: each.calls for each in profile_of(profiler).functions}}
    return profiler.running, calls.get("work", 0), calls.get("leaf", 0)
def send(connection, times): connection.send(work(times))
"""


def told_by_workers(program: str, builtins: bool, folder: Path) -> Any:
    """What a program told that has WORKER as a module."""
    (folder / "worker.py").write_text(WORKER.format(builtins=builtins))
    source = f"import multiprocessing, sys\nsys.path[:0] = [{str(folder)!r}, {FOLDER!r}]\n" + program
    command = [sys.executable, "-W", "ignore", "-c", source]
    done = until_it_ends(
        lambda seconds: subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env=environment()
        )
    )
    assert (done.returncode, done.stderr) == (0, "")
    return ast.literal_eval(done.stdout)


def skip_what_gevent_cannot_do(method: str, patched: bool) -> None:
    if method == "forkserver" and patched and sys.version_info >= (3, 14):
        pytest.skip("Python 3.14 and later cannot start a fork server from a process that gevent patched")


@both_with_and_without_builtins
@pytest.mark.parametrize("patched", [False, True], ids=["", "patched by gevent"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_that_are_forked_from_a_recording_make_their_own(
    method: str, patched: bool, builtins: bool, tmp_path: Path
) -> None:
    skip_what_gevent_cannot_do(method, patched)
    program = f"""
if {patched}:
    from gevent import monkey; monkey.patch_all()
import worker
def run(context):
    ours, theirs = context.Pipe(duplex=False)  # a duplex one is of sockets, which gevent makes non-blocking
    process = context.Process(target=worker.send, args=(theirs, 2))
    process.start()
    told = ours.recv()
    process.join()
    return told
with worker.profiler:
    worker.work(5)
    told = [run(multiprocessing.get_context({method!r})) for _ in range(2)]
print([*told, worker.work(0)])
"""
    child = (True, 1, 2) if method == "fork" else (False, 0, 0)
    assert told_by_workers(program, builtins, tmp_path) == [child, child, (False, 1, 5)]


@both_with_and_without_builtins
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize(
    "pool", ["context.Pool(1)", "concurrent.futures.ProcessPoolExecutor(1, mp_context=context)"]
)
def test_processes_of_pools_go_on_recording_from_task_to_task(
    pool: str, method: str, builtins: bool, tmp_path: Path
) -> None:
    program = f"""
import concurrent.futures
import worker
context = multiprocessing.get_context({method!r})
with worker.profiler:
    worker.work(5)
    with {pool} as pool:
        told = list(pool.map(worker.work, [1, 2], chunksize=1))
print([*told, worker.work(0)])
"""
    children = [(True, 1, 1), (True, 2, 3)] if method == "fork" else [(False, 0, 0)] * 2
    assert told_by_workers(program, builtins, tmp_path) == [*children, (False, 1, 5)]


# -- gevent ------------------------------------------------------------------------------------------------


@both_with_and_without_builtins
@pytest.mark.parametrize(
    ("patch", "fork"),
    [("", "gevent.fork"), ("", "gevent.os.fork_and_watch"), ("gevent.monkey.patch_all()", "os.fork")],
    ids=["fork", "fork_and_watch", "patched os.fork"],
)
def test_gevents_greenlets_and_hub_go_on_in_both(patch: str, fork: str, builtins: bool) -> None:
    program = f"""
import gevent, gevent.monkey, gevent.os
{patch}
def loops(times):
    for _ in range(times):
        leaf()
        gevent.sleep(0.01)
def forks():
    gevent.sleep(0.02)
    child = {fork}()
    done.append(looping.value)
    gevent.sleep(0.01)
    leaf()
    gevent.spawn(loops, 3).join()
    looping.join()
    return child
done = []
with profiler:
    looping = gevent.spawn(loops, 20)
    forking = gevent.spawn(forks)
    forking.join()
profile = profile_of(profiler)
[calls] = [edge.calls for edge in profile.edges if (edge.caller.name, edge.callee.name) == ("loops", "leaf")]
[loops] = [stats.calls for stats in profile.functions if stats.function.name == "loops"]
found = [loops, calls == 23, 3 < calls < 23, callers(profiler, "loops"), callers(profiler, "leaf"), done]
if forking.value == 0:
    print(("child", found), flush=True)
    os._exit(0)
os.waitpid(forking.value, 0) if {fork!r} == "gevent.fork" else gevent.os.waitpid(forking.value, 0)
print(("parent", found))
"""
    told = until_it_ends(lambda seconds: outcomes(program, builtins, seconds))
    assert told["child"] == [1, False, True, set(), {"loops", "forks"}, [None]]
    assert told["parent"] == [2, True, False, set(), {"loops", "forks"}, [None]]


# -- the drop-in -------------------------------------------------------------------------------------------

DROP_IN = """
import GreenletProfiler
def work(times):
    for _ in range(times): leaf()
def calls():
    stats = {row.name: row.ncall for row in GreenletProfiler.get_func_stats()}
    return [stats.get("work", 0), stats.get("leaf", 0)]
"""


@both_with_and_without_builtins
def test_the_drop_in_counts_in_a_child_from_zero_what_it_retired_included(builtins: bool) -> None:
    program = """
GreenletProfiler.start(builtins=not BUILTINS)
work(10)
GreenletProfiler.stop()
GreenletProfiler.start(builtins=BUILTINS)
work(5)
child = os.fork()
work(2)
GreenletProfiler.stop()
tell(child, [calls(), GreenletProfiler.is_running(), len(GreenletProfiler.get_thread_stats())])
"""
    assert outcomes(DROP_IN + program, builtins) == {
        "child": [[1, 2], False, 1], "parent": [[3, 17], False, 1]
    }  # fmt: skip


@both_with_and_without_builtins
def test_the_drop_in_keeps_in_a_child_what_was_counted_if_it_was_stopped(builtins: bool) -> None:
    program = """
GreenletProfiler.start(builtins=not BUILTINS)
work(10)
GreenletProfiler.stop()
GreenletProfiler.start(builtins=BUILTINS)
work(5)
GreenletProfiler.stop()
child = os.fork()
work(2)
tell(child, calls())
"""
    assert outcomes(DROP_IN + program, builtins) == {"child": [2, 15], "parent": [2, 15]}


def test_the_drop_in_can_be_cleared_and_started_in_a_child() -> None:
    program = """
GreenletProfiler.start()
work(5)
child = os.fork()
work(1)
GreenletProfiler.clear_stats()
work(2)
GreenletProfiler.stop()
GreenletProfiler.start()
work(3)
GreenletProfiler.stop()
tell(child, calls())
"""
    assert outcomes(DROP_IN + program) == {"child": [2, 5], "parent": [2, 5]}


# -- the command -------------------------------------------------------------------------------------------

CHILD_ENDS = {
    "at once": "os._exit(3)",
    "by sys.exit": "sys.exit(3)",
    "by itself": "atexit.register(os._exit, 3)",
}


@pytest.mark.parametrize("ending", CHILD_ENDS)
def test_under_the_command_a_child_writes_nothing_and_is_not_in_its_parents_profile(
    ending: str, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(
        f"""
import atexit, os, sys
def leaf(): pass
def work(times):
    for _ in range(times): leaf()
work(5)
child = os.fork()
if child == 0:
    work(3)
    {CHILD_ENDS[ending]}
else:
    status = os.waitpid(child, 0)[1]
    print(os.WEXITSTATUS(status), os.path.exists("out.pstats"))
    work(1)
"""
    )
    result = run("-o", "out.pstats", "program.py", folder=tmp_path)
    assert (result.returncode, result.stdout) == (0, "3 False\n")
    assert result.stderr.count(TABLE_BEGINS) == 1
    assert (calls_in(tmp_path / "out.pstats")["work"], calls_in(tmp_path / "out.pstats")["leaf"]) == (2, 6)


@pytest.mark.parametrize("patched", [False, True], ids=["", "patched by gevent"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_under_the_command_does_what_it_does_without(
    method: str, patched: bool, tmp_path: Path
) -> None:
    skip_what_gevent_cannot_do(method, patched)
    (tmp_path / "program.py").write_text(
        f"""
if {patched}:
    from gevent import monkey; monkey.patch_all()
import multiprocessing, sys
def leaf(): pass
def work(connection, times):
    for _ in range(times): leaf()
    connection.send((__name__ in ("__main__", "__mp_main__"), times))
    sys.exit(times)
def main():
    context = multiprocessing.get_context({method!r})
    told = []
    for times in (2, 3):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(theirs, times))
        process.start()
        told.append(ours.recv())
        process.join()
        told.append(process.exitcode)
    leaf()
    print(told)
    sys.exit(7)
if __name__ == "__main__":
    main()
"""
    )
    plain = until_it_ends(lambda seconds: run_plain("program.py", folder=tmp_path, timeout=seconds))
    result = until_it_ends(
        lambda seconds: run("-o", "out.pstats", "program.py", folder=tmp_path, timeout=seconds)
    )
    assert plain.stdout == "[(True, 2), 2, (True, 3), 3]\n"
    assert (result.returncode, result.stdout) == (plain.returncode, plain.stdout) == (7, plain.stdout)
    assert result.stderr.count(TABLE_BEGINS) == 1
    assert calls_in(tmp_path / "out.pstats")["leaf"] == 1
    assert "work" not in calls_in(tmp_path / "out.pstats")
