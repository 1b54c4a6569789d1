"""JSON files, and that all that tells of a recording tells the same."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import gevent
from recorded import record_with_timeline

from greenletprofiler import Profile, Profiler


def serve(delay: float) -> None:
    for _ in range(3):
        gevent.sleep(delay)


def program() -> None:
    gevent.joinall([gevent.spawn(serve, delay / 1000) for delay in range(4)])


def recorded() -> Profile:
    with Profiler(timeline=True, block_threshold=0) as profiler, profiler.tag("the whole"):
        program()
    return profiler.snapshot()


def saved(profile: Profile, folder: Path) -> dict[str, Any]:
    path = folder / "profile.json"
    profile.save(path)
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_all_that_tells_of_a_recording_has_the_same_counts(tmp_path: Path) -> None:
    profile, seen = record_with_timeline(program)
    content, out = saved(profile, tmp_path), io.StringIO()
    profile.print(out)
    profile.save(tmp_path / "profile.trace.json")
    trace = json.loads((tmp_path / "profile.trace.json").read_text())
    told = re.search(r", ([\d,]+) switches: CPU", out.getvalue())
    assert told is not None
    switches = {
        "trace function": seen,
        "table": int(told[1].replace(",", "")),
        "threads": sum(thread.switches for thread in profile.threads),
        "kinds": sum(kind.switches for kind in profile.greenlet_kinds),
        "greenlets": sum(each.switches for each in profile.greenlets),
        "JSON": sum(thread["switches"] for thread in content["threads"]),
        "JSON, kinds": sum(kind["switches"] for kind in content["greenlet_kinds"]),
        "JSON, greenlets": sum(each["switches"] for each in content["greenlets"]),
        "JSON, timeline": content["timeline"]["switches"],
        "timeline": profile.timeline.switches if profile.timeline else None,
        "trace file": sum(event.get("cat") == "switch" for event in trace["traceEvents"]),
    }
    assert set(switches.values()) == {seen}, switches
    polls = sum(thread.polls for thread in profile.threads)
    slices = {
        "kinds": sum(kind.slices.count for kind in profile.greenlet_kinds),
        "JSON": sum(kind["slices"]["count"] for kind in content["greenlet_kinds"]),
        "trace file": sum(event.get("cat") in ("switch", "poll") for event in trace["traceEvents"]),
    }
    assert set(slices.values()) == {seen + polls}, slices


def test_times_and_calls_are_those_of_the_profile(tmp_path: Path) -> None:
    profile = recorded()
    content = saved(profile, tmp_path)
    functions = content["functions"]
    called = [each for each in functions if "calls" in each]
    by_place = {(each["label"], each["file"], each["line"]): each for each in called}
    assert len(by_place) == len(called) == len(profile.functions)
    for stats in profile.functions:
        function = stats.function
        told = by_place[function.label, function.filename, function.line]
        assert (told["calls"], told["resumes"]) == (stats.calls, stats.resumes)
        assert told["inclusive"]["cpu_ns"] == stats.inclusive.cpu_ns
        assert told["self"]["waiting_ns"] == stats.self.waiting_ns
    edges = [
        (functions[edge["caller"]]["label"], functions[edge["callee"]]["label"], edge["calls"])
        for edge in content["edges"]
    ]
    assert edges == [(edge.caller.label, edge.callee.label, edge.calls) for edge in profile.edges]
    assert content["total"]["running_ns"] == profile.total.running_ns
    (thread,) = content["threads"]
    times = thread["times"]
    assert times["running_ns"] + times["idle_ns"] + thread["own_ns"] == thread["lifetime_ns"]


def test_greenlets_tags_and_slices_are_in_it(tmp_path: Path) -> None:
    profile = recorded()
    content = saved(profile, tmp_path)
    functions = content["functions"]
    assert {each["name"] for each in content["greenlets"]} == {each.name for each in profile.greenlets}
    assert [tag["name"] for tag in content["tags"]] == ["the whole"]
    assert [each["length_ns"] for each in content["blocking_slices"]] == [
        each.length_ns for each in profile.blocking_slices
    ]
    for told, each in zip(content["blockers"], profile.blockers, strict=True):
        assert [functions[place]["label"] for place in told["path"]] == [f.label for f in each.path]
    for slices in (kind["slices"] for kind in content["greenlet_kinds"]):
        assert sum(slices["lengths"]) == slices["count"]
        assert len(slices["lengths"]) == len(content["slice_limits_ns"]) + 1


def test_without_a_timeline_it_is_null(tmp_path: Path) -> None:
    with Profiler() as profiler:
        pass
    assert saved(profiler.snapshot(), tmp_path)["timeline"] is None


def test_any_name_can_be_written(tmp_path: Path) -> None:
    with Profiler() as profiler:
        exec("def \u00e9(): pass\n\u00e9()", {})
        with profiler.tag("\ud800 lone"):
            pass
    content = saved(profiler.snapshot(), tmp_path)
    assert any(each["name"] == "\u00e9" for each in content["functions"])
    assert content["tags"][0]["name"] == "\ud800 lone"
