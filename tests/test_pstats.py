"""pstats files: their content, and what the standard library and gprof2dot make of them."""

from __future__ import annotations

import io
import marshal
import pstats
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Any

import pytest
from synthetic import TRUNCATED, SnapshotBuilder, builtin, cython, method, python

from greenletprofiler import Profile

F = python("outer.<locals>.f", "app.py", 3)
G = python("C.g", "app.py", 10)
F_KEY, G_KEY = ("app.py", 3, "f"), ("app.py", 10, "g")


def sample() -> SnapshotBuilder:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread(), running=999, cpu=999)
    f = snapshot.call(base, F, calls=2, running=3_000_000_000, cpu=2_000_000_000, waiting=500_000_000)
    g = snapshot.call(f, G, calls=4, resumes=1, running=1_000_000_000, cpu=1_000_000_000)
    f = snapshot.call(g, F, calls=6, running=250_000_000, cpu=250_000_000)
    snapshot.call(f, builtin("len"), calls=7)
    snapshot.call(f, method("append", "list"), calls=8)
    snapshot.call(f, ("type", "range", "builtins", "", 0), calls=9)
    snapshot.call(f, cython("Waiter.get", "gevent._waiter"), calls=10)
    snapshot.call(f, TRUNCATED, calls=11, cpu=1_000_000_000)
    return snapshot


def load(path: Path) -> dict[Any, Any]:
    entries: dict[Any, Any] = marshal.loads(path.read_bytes())
    return entries


def entries_of(profile: Profile, tmp_path: Path, clock: str = "cpu") -> dict[Any, Any]:
    path = tmp_path / "x.pstats"
    profile.save(path, clock=clock)
    return load(path)


def test_entries_hold_calls_and_cpu_seconds(tmp_path: Path) -> None:
    entries = entries_of(sample().profile(), tmp_path)
    primitive, calls, self_seconds, inclusive_seconds, callers = entries[F_KEY]
    assert (primitive, calls) == (2, 8)
    assert (self_seconds, inclusive_seconds) == (2.25, 4.25)
    assert callers == {G_KEY: (6, 0, 0.25, 0.0)}
    assert entries[G_KEY] == (5, 5, 1.0, 2.25, {F_KEY: (5, 5, 1.0, 2.25)})


def test_the_wall_clock_is_elapsed_time(tmp_path: Path) -> None:
    _, _, self_seconds, inclusive_seconds, _ = entries_of(sample().profile(), tmp_path, "wall")[F_KEY]
    assert (self_seconds, inclusive_seconds) == (3.75, 4.75)


def test_what_is_not_python_has_the_name_that_cprofile_gives_it(tmp_path: Path) -> None:
    assert set(entries_of(sample().profile(), tmp_path)) == {
        F_KEY,
        G_KEY,
        ("~", 0, "<built-in method builtins.len>"),
        ("~", 0, "<method 'append' of 'list' objects>"),
        ("~", 0, "<class 'range'>"),
        ("gevent._waiter", 0, "Waiter.get"),
        ("~", 0, "[truncated]"),
    }


def test_functions_that_pstats_cannot_tell_apart_are_folded_as_one(tmp_path: Path) -> None:
    snapshot = SnapshotBuilder()
    outer = snapshot.call(snapshot.greenlet_base(snapshot.thread()), python("A.f", "a.py", 1), cpu=10**9)
    snapshot.call(outer, python("B.f", "a.py", 1), cpu=10**9)
    key = ("a.py", 1, "f")
    assert entries_of(snapshot.profile(), tmp_path) == {key: (1, 2, 2.0, 2.0, {key: (1, 0, 1.0, 0.0)})}


def test_the_standard_library_reads_and_prints_it(tmp_path: Path) -> None:
    path = tmp_path / "x.pstats"
    sample().profile().save(path)
    out = io.StringIO()
    stats = pstats.Stats(str(path), stream=out)
    stats.sort_stats("cumulative").print_stats()
    stats.print_callers()
    stats.print_callees()
    text = out.getvalue()
    assert "app.py:3(f)" in text
    assert "{built-in method builtins.len}" in text
    assert "8/2    2.250" in text
    assert stats.total_calls == 8 + 5 + 7 + 8 + 9 + 10 + 11  # type: ignore[attr-defined]


@pytest.mark.skipif(util.find_spec("gprof2dot") is None, reason="not installed: gprof2dot")
def test_gprof2dot_draws_it(tmp_path: Path) -> None:
    path = tmp_path / "x.pstats"
    snapshot = sample()
    seeded = snapshot.call(0, python("running_at_start"), calls=0, cpu=10**9)
    snapshot.call(seeded, F, calls=1, cpu=10**9)
    snapshot.profile().save(path)
    command = [sys.executable, "-m", "gprof2dot", "-f", "pstats", "-n0", "-e0", str(path)]
    drawing = subprocess.run(command, capture_output=True, text=True, check=True)
    assert drawing.stderr == ""
    assert "app:3:f" in drawing.stdout
    assert "Waiter.get" in drawing.stdout
