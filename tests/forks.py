"""For programs that fork, which test_fork.py runs in processes of their own.

    child = os.fork()
    ...
    tell(child, edges(profiler))        each of the two says what it found, the child first, and that ends
"""

from __future__ import annotations

import os
from collections.abc import Callable

import greenlet
from leaks import conserves, leaf_calls, work

from greenletprofiler import Profile, Profiler, _native

#: What goes wrong when a process takes stacks for its own that are not.
MISTAKES = ("lost_leaves", "unmatched_leaves", "missed_switches", "truncated_calls", "unplaced_greenlets")
WHAT_MEMORY_IS_FOR = ("truncated_calls", "unrecorded_threads", "unplaced_greenlets", "unnamed_calls")
PROGRAM_FILE = "<string>"


def tell(child: int, found: object) -> None:
    """Prints what was found, under the name of this process, and ends the child."""
    if child == 0:
        print(("child", found), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print(("parent", found), flush=True)


def profile_of(profiler: Profiler) -> Profile:
    """Its profile, in which no stack was taken for another."""
    profile = profiler.snapshot()
    assert conserves(profile)
    assert {name: profile.counters[name] for name in MISTAKES} == dict.fromkeys(MISTAKES, 0)
    return profile


def edges(profiler: Profiler) -> dict[str, int]:
    """{"caller callee": calls and resumes} between functions of the program."""
    return {
        f"{edge.caller.name} {edge.callee.name}": edge.calls + edge.resumes
        for edge in profile_of(profiler).edges
        if edge.caller.filename == edge.callee.filename == PROGRAM_FILE
    }


def thread_names(profiler: Profiler) -> list[str]:
    return [thread.name for thread in profile_of(profiler).threads]


def callers(profiler: Profiler, name: str) -> set[str]:
    return {edge.caller.name for edge in profile_of(profiler).edges if edge.callee.name == name}


def switch_there_and_back(target: Callable[[], object], times: int) -> None:
    """Runs a target that often, each time in a greenlet of its own."""
    for _ in range(times):
        greenlet.greenlet(target).switch()


def in_a_child(recorder: _native.Recorder) -> bool:
    """Whether a child's profile is right, or says what it lacks."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    work()
    recorder.stop()
    try:
        profile = Profile.from_snapshot(recorder.snapshot())
    except MemoryError:
        os._exit(0)
    said = any(profile.counters[name] for name in WHAT_MEMORY_IS_FOR)
    os._exit(not (conserves(profile) and (said or leaf_calls(profile) == 1)))


def limits_at_which_a_child_is_wrong(first: int, last: int, step: int) -> tuple[list[int], int]:
    """Bytes that a recorder may hold, and how many limits were tried. Its parent needs some of them."""
    wrong = []
    tried = 0
    for memory_limit in range(first, last, step):
        try:
            recorder = _native.Recorder(
                builtins=True, threads=True, hidden=(), polls=(), node_budget=1000, memory_limit=memory_limit
            )
        except MemoryError:
            continue
        recorder.start()
        for _ in range(3):
            work()
        if not in_a_child(recorder):
            wrong.append(memory_limit)
        recorder.stop()
        tried += 1
    return wrong, tried
