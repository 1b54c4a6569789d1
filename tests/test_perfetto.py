"""Trace files in a real Perfetto page: it reads them, and counts what we count.

Run by `make test-perfetto`, not by `make test`: it needs a browser.
"""

from __future__ import annotations

import time
from pathlib import Path

import gevent
import pytest
from perfetto import opened, what_is_missing

from greenletprofiler import Profile, Profiler

pytestmark = [
    pytest.mark.perfetto,
    pytest.mark.skipif(what_is_missing() != "", reason=f"needs {what_is_missing()}"),
]

SWITCHES = "select count(*) from slice where category = 'switch'"
TRACKS = """
    select process.name, thread.name, count(slice.id), sum(slice.dur) from slice
    join thread_track on slice.track_id = thread_track.id join thread using (utid) join process using (upid)
    group by utid
"""
BLOCKS = """
    select name, dur, extract_arg(arg_set_id, 'args.culprit') from slice where name glob '*(blocks)'
"""
PROBLEMS = "select name, value from stats where severity in ('error', 'data_loss') and value > 0"


def serve(delay: float) -> None:
    for _ in range(3):
        gevent.sleep(delay)


def nap() -> None:
    time.sleep(0.15)


def profile_of_a_program() -> Profile:
    with Profiler(timeline=True) as profiler:
        gevent.joinall([gevent.spawn(serve, delay / 1000) for delay in range(4)])
        gevent.joinall([gevent.spawn(serve, 0.01), gevent.spawn(nap)])
    return profiler.snapshot()


def test_perfetto_counts_the_same_switches_greenlets_and_times(tmp_path: Path) -> None:
    profile = profile_of_a_program()
    timeline, path = profile.timeline, tmp_path / "profile.trace.json"
    assert timeline is not None
    profile.save(path)
    with opened(path) as page:
        page.picture(tmp_path / "perfetto.png")
        assert page.query(PROBLEMS) == []
        assert page.query(SWITCHES) == [[sum(thread.switches for thread in profile.threads)]]
        tracks = {name: (thread, count, ns) for thread, name, count, ns in page.query(TRACKS)}
        ((blocked, length_ns, culprit),) = page.query(BLOCKS)
    assert set(tracks) == {each.name for each in profile.greenlets}
    assert {thread for thread, _, _ in tracks.values()} == {"thread MainThread"}
    for each in profile.greenlets:
        lengths = [stretch.length_ns for stretch in timeline if stretch.greenlet_id == each.id]
        assert tracks[each.name][1:] == (len(lengths), sum(lengths))
    (told,) = profile.blocking_slices
    assert blocked == f"{told.greenlet_name} (blocks)"
    assert culprit == "<built-in method time.sleep>"
    assert abs(length_ns - told.length_ns) < 1_000_000
