"""Runs a program for real, with the real profiler, and returns what both noted.

The program runs in raw threads of its own, so that no function but its own is on its stacks. Whichever thread
waits does so in a lock, and no thread loses the interpreter's lock before that: the order of all events
is the program's.

What could run Python code between two events is kept away: the collector is off, errors that nobody can
catch go to a built-in, greenlet's complaints to a string.
"""

from __future__ import annotations

import _thread
import ctypes
import gc
import io
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from types import CodeType
from typing import Any, Final

import greenlet

from greenletprofiler import Profile, Profiler
from oracle import program as p
from oracle.source import source_of

FILENAME: Final = "<oracle>"
EXCLUDED: Final = "/excluded"

_COLLECT_EVERY: Final = 50
_turn: Final = itertools.count()


class Error(Exception):
    """What programs raise."""


class Worker(greenlet.greenlet):
    """A greenlet of another class."""


@dataclass
class Run:
    """log: numbers of the statements in the order in which they began; profiles: of each snapshot, and
    last of the stopped profiler; strangers: idents of the threads that were there before."""

    log: list[int]
    profiles: list[Profile]
    strangers: frozenset[int]


def run(
    program: p.Program, builtins: bool, threads: bool = True, excluded: frozenset[str] = frozenset()
) -> Run:
    """Runs a program to its end."""
    profiler = Profiler(
        builtins=builtins, threads=threads, exclude=[EXCLUDED] if excluded else [],
        block_threshold=0, timeline=True,
    )
    names = _globals(profiler, builtins)
    exec(_to_be_excluded(compile(source_of(program), FILENAME, "exec"), excluded), names)
    names["entries"] = [names["main"]] + [names[f"t{n}"] for n in range(1, p.MORE_THREADS + 1)]
    strangers = frozenset(sys._current_frames())
    with _undisturbed():
        _run_in_thread(names)
        log, raw = names["ended"], [*names["snapshots"], profiler._recorder.snapshot()]
        _bury_suspended()
        names.clear()
        gc.collect()  # only what this program made: the rest is frozen
    return Run(log, [Profile.from_snapshot(each) for each in raw], strangers)


def _to_be_excluded(code: CodeType, excluded: frozenset[str]) -> CodeType:
    """The same code with these functions in a file of their own."""
    constants = tuple(
        _to_be_excluded(each, excluded) if isinstance(each, CodeType) else each for each in code.co_consts
    )
    file = EXCLUDED if p.stem(code.co_name) in excluded else FILENAME
    return code.replace(co_consts=constants, co_filename=file)


def _globals(profiler: Profiler, builtins: bool) -> dict[str, Any]:
    threads = p.MORE_THREADS + 1
    locks = [_thread.allocate_lock() for _ in range(threads)]
    for lock in locks:
        lock.acquire()
    return {
        "__name__": "oracle_program",
        "P": profiler, "R": profiler._recorder, "on": False, "over": False, "snapshots": [],
        "log": [], "fuel": p.FUEL, "Error": Error, "ONE": (1,), "TWO": (1, 2),
        "REPEAT": [(0,) * times for times in range(64)], "reduce": reduce,
        "L": _thread._local(), "SLOTS": p.GREENLET_SLOTS, "graves": [],
        "greenlet": greenlet.greenlet, "Worker": Worker, "getcurrent": greenlet.getcurrent,
        "G": [None] * p.GENERATOR_SLOTS,
        "locks": locks, "alive": [True] + [False] * p.MORE_THREADS, "born": 0, "targets": [None] * threads,
        "start_new_thread": _thread.start_new_thread, "finished": _thread.allocate_lock(),
        "touches": not builtins,
    }  # fmt: skip


def _run_in_thread(names: dict[str, Any]) -> None:
    finished = names["finished"]
    finished.acquire()
    _thread.start_new_thread(names["main"], ())
    finished.acquire()


def _bury_suspended() -> None:
    """Keeps what dead threads left suspended for good: the collector crashes when it meets such frames, with
    CPython 3.10 to 3.12 and without any profiler too. All other objects are frozen, so these are few."""
    for each in gc.get_objects():
        if isinstance(each, greenlet.greenlet) and each:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))


@contextmanager
def _undisturbed() -> Iterator[None]:
    was_enabled = gc.isenabled()
    hook, stderr, interval = sys.unraisablehook, sys.stderr, sys.getswitchinterval()
    gc.disable()
    if next(_turn) % _COLLECT_EVERY == 0:
        gc.collect()  # what is frozen counts as old ever after, so nothing else collects it
    gc.freeze()  # what was there before is no greenlet of the program: starting need not look at it
    sys.setswitchinterval(1000.0)
    sys.unraisablehook = id
    sys.stderr = io.StringIO()
    try:
        yield
    finally:
        sys.unraisablehook, sys.stderr = hook, stderr
        sys.setswitchinterval(interval)
        gc.unfreeze()
        if was_enabled:
            gc.enable()
