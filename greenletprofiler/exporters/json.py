"""JSON, for programs: the numbers of a profile under the names that they have in Python.

    {"format": "greenletprofiler", "version": 1, "started_at": ..., "recorded_ns": ..., "total": {...},
     "functions": [{"name": ..., "file": ..., "line": ..., "calls": ..., "self": {"cpu_ns": ...}, ...}, ...],
     "edges": [{"caller": 4, "callee": 7, "calls": ..., ...}, ...],
     "threads": [...], "greenlet_kinds": [...], "greenlets": [...], "tags": [...],
     "blockers": [...], "blocking_slices": [...], "timeline": {...} or null, "cost": {...}, "counters": {...}}

A function is told by its place in "functions", from 0. Those that are only spoken of are there too, without
calls: classes of greenlets, and what stands in a path or a stack. All times are integers in nanoseconds. The
call tree is not in the file, nor are single switches.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from io import TextIOWrapper
from typing import Any, BinaryIO, Final

from greenletprofiler._version import __version__
from greenletprofiler.profile import Profile
from greenletprofiler.values import (
    SLICE_LIMITS_NS,
    Blocker,
    BlockingSlice,
    Clock,
    Edge,
    Function,
    FunctionStats,
    GreenletKind,
    GreenletStats,
    SliceStats,
    ThreadStats,
    Times,
)

VERSION: Final = 1

Object = dict[str, Any]


def write_json(profile: Profile, out: BinaryIO, clock: Clock) -> None:
    """Writes the profile; all clocks are in the file, whatever `clock` is."""
    text = TextIOWrapper(out, "utf-8", newline="\n")
    json.dump(object_of(profile), text, separators=(",", ":"))
    text.write("\n")
    text.detach()


def object_of(profile: Profile) -> Object:
    """The profile as lists, dicts, texts and numbers."""
    functions = _Functions()
    content = {
        "format": "greenletprofiler",
        "version": VERSION,
        "creator": f"greenletprofiler {__version__}",
        "clock": profile.clock,
        "started_at": profile.started_at,
        "recorded_ns": profile.recorded_ns,
        "builtins": profile.builtins,
        "is_raw": profile.is_raw,
        "filters": str(profile.filters),
        "warnings": list(profile.warnings),
        "total": _times(profile.total),
        "functions": functions.objects,
        "edges": [],
        "threads": [_thread(each) for each in profile.threads],
        "greenlet_kinds": [functions.kind(each) for each in profile.greenlet_kinds],
        "greenlets": [functions.greenlet(each) for each in profile.greenlets],
        "tags": [
            {"name": tag.name, "entries": tag.entries, "times": _times(tag.times)} for tag in profile.tags
        ],
        "block_threshold_ns": profile.block_threshold_ns,
        "blocking_count": profile.blocking_count,
        "slice_limits_ns": SLICE_LIMITS_NS,
        "blockers": [functions.blocker(each) for each in profile.blockers],
        "blocking_slices": [functions.blocking_slice(each) for each in profile.blocking_slices],
        "timeline": _timeline(profile),
        "cost": {**asdict(profile.cost), "ns_per_event": profile.cost.ns_per_event},
        "counters": dict(profile.counters),
    }
    for stats in profile.functions:
        functions.add_sums(stats)
    content["edges"] = [functions.edge(each) for each in profile.edges]
    return content


def _times(times: Times) -> dict[str, int]:
    return {
        "running_ns": times.running_ns, "cpu_ns": times.cpu_ns, "waiting_ns": times.waiting_ns,
        "idle_ns": times.idle_ns, "contended_ns": times.contended_ns, "lag_ns": times.lag_ns,
    }  # fmt: skip


def _function(function: Function) -> Object:
    return {
        "kind": function.kind, "name": function.name, "owner": function.owner, "file": function.filename,
        "line": function.line, "number": function.number, "label": function.label,
    }  # fmt: skip


def _sums(stats: FunctionStats | Edge) -> Object:
    return {
        "calls": stats.calls, "resumes": stats.resumes, "primitive_calls": stats.primitive_calls,
        "self": _times(stats.self), "inclusive": _times(stats.inclusive),
    }  # fmt: skip


def _slices(slices: SliceStats) -> Object:
    return {
        "count": slices.count, "total_ns": slices.total_ns, "longest_ns": slices.longest_ns,
        "lengths": slices.lengths,
    }  # fmt: skip


def _thread(thread: ThreadStats) -> Object:
    return {
        "id": thread.id, "ident": thread.ident, "native_id": thread.native_id, "name": thread.name,
        "class_name": thread.class_name, "alive": thread.alive, "lifetime_ns": thread.lifetime_ns,
        "own_ns": thread.own_ns, "switches": thread.switches, "polls": thread.polls,
        "times": _times(thread.times),
    }  # fmt: skip


def _timeline(profile: Profile) -> Object | None:
    timeline = profile.timeline
    if timeline is None:
        return None
    return {"switches": timeline.switches, "dropped_switches": timeline.dropped_switches}


class _Functions:
    """The list of functions, and what is told by places in it."""

    def __init__(self) -> None:
        self.objects: list[Object] = []
        self._places: dict[Function, int] = {}

    def place(self, function: Function) -> int:
        """Where it is; at the end, if it was not there."""
        if function not in self._places:
            self._places[function] = len(self.objects)
            self.objects.append(_function(function))
        return self._places[function]

    def add_sums(self, stats: FunctionStats) -> None:
        self.objects[self.place(stats.function)].update(_sums(stats))

    def edge(self, edge: Edge) -> Object:
        return {"caller": self.place(edge.caller), "callee": self.place(edge.callee), **_sums(edge)}

    def kind(self, kind: GreenletKind) -> Object:
        return {
            "class": self.place(kind.greenlet_class), "function": self._place_if_any(kind.function),
            "greenlets": kind.greenlets, "alive": kind.alive, "switches": kind.switches,
            "times": _times(kind.times), "slices": _slices(kind.slices),
        }  # fmt: skip

    def greenlet(self, greenlet: GreenletStats) -> Object:
        spawned_at = greenlet.spawned_at
        return {
            "id": greenlet.id, "thread_id": greenlet.thread_id, "name": greenlet.name,
            "class": self.place(greenlet.greenlet_class),
            "function": self._place_if_any(greenlet.first_function),
            "spawned_in": None if spawned_at is None else self.place(spawned_at.function),
            "spawned_at_line": None if spawned_at is None else spawned_at.line,
            "alive": greenlet.alive, "state": greenlet.state, "switches": greenlet.switches,
            "began_ns": greenlet.began_ns, "ended_ns": greenlet.ended_ns,
            "longest_slice_ns": greenlet.longest_slice_ns, "times": _times(greenlet.times),
            "stack": self._path(greenlet.stack),
        }  # fmt: skip

    def blocker(self, blocker: Blocker) -> Object:
        return {
            "path": self._path(blocker.path), "count": blocker.count, "total_ns": blocker.total_ns,
            "longest_ns": blocker.longest_ns,
        }  # fmt: skip

    def blocking_slice(self, each: BlockingSlice) -> Object:
        return {
            "thread_id": each.thread_id, "greenlet_id": each.greenlet_id, "greenlet": each.greenlet_name,
            "began_at_ns": each.began_at_ns, "length_ns": each.length_ns, "cpu_ns": each.cpu_ns,
            "suspended": each.suspended, "is_over": each.is_over, "is_off_cpu": each.is_off_cpu,
            "path": self._path(each.path),
            "samples": [{"path": self._path(node.path), "ns": ns} for node, ns in each.samples],
        }  # fmt: skip

    def _path(self, path: Iterable[Function]) -> list[int]:
        return [self.place(function) for function in path]

    def _place_if_any(self, function: Function | None) -> int | None:
        return None if function is None else self.place(function)
