"""Chrome trace events, for Perfetto (ui.perfetto.dev), vizviewer and chrome://tracing.

    thread of the program  ->  a process of the trace, by the profile's number of the thread
    greenlet               ->  a track of that process, by the profile's number of the greenlet
    stretch                ->  a complete event ("ph": "X"); times in microseconds since the first start

An event's category is what ended it: switch, poll or stop; idle for a hub's poll itself. One that blocked
other greenlets is named so, and has the culprit with it if it is among the longest. In Perfetto's SQL,

    select count(*) from slice where category = 'switch'

is the number of switches that are in the file; how many were too old to be kept is in its otherData.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

from greenletprofiler._version import __version__
from greenletprofiler.errors import TimelineError
from greenletprofiler.profile import Profile
from greenletprofiler.timeline import Stretch, Timeline
from greenletprofiler.values import BlockingSlice, Clock

BLOCKS: Final = " (blocks)"

#: Chrome's name of a colour that means trouble.
TROUBLE: Final = "terrible"

#: The beginning of a slice is known by two clocks, which may differ by so much.
SAME_NS: Final = 1_000_000


def write_chrome_trace(profile: Profile, out: BinaryIO, clock: Clock) -> None:
    """Writes the profile's timeline, whose clock is wall time. Raises TimelineError if it has none."""
    timeline = profile.timeline
    if timeline is None:
        raise TimelineError(
            "This profile has no timeline, and a trace is made of one: record it with"
            " Profiler(timeline=True)."
        )
    head = json.dumps({"displayTimeUnit": "ns", "otherData": _about(profile, timeline)})
    out.write(head.removesuffix("}").encode() + b', "traceEvents": [\n')
    separator = ""
    for event in _events(profile, timeline):
        out.write(f"{separator}{event}".encode())
        separator = ",\n"
    out.write(b"\n]}\n")


def _about(profile: Profile, timeline: Timeline) -> dict[str, str]:
    return {
        "creator": f"greenletprofiler {__version__}",
        "started_at": profile.started_at,
        "switches": str(timeline.switches),
        "dropped_switches": str(timeline.dropped_switches),
    }


def _events(profile: Profile, timeline: Timeline) -> Iterator[str]:
    """As JSON. There may be millions."""
    names = {greenlet.id: greenlet.name for greenlet in profile.greenlets}
    slices: dict[int, list[BlockingSlice]] = {}
    for each in profile.blocking_slices:
        slices.setdefault(each.greenlet_id, []).append(each)
    yield from _threads(profile, timeline)
    shown: dict[tuple[int, int], str] = {}  # the JSON of a track's name
    for stretch in timeline:
        track = stretch.thread_id, stretch.greenlet_id
        name = names.get(stretch.greenlet_id, f"greenlet-{stretch.greenlet_id}")
        if track not in shown:
            shown[track] = json.dumps(name)
            yield _metadata("thread_name", name, *track)
        if stretch.is_blocking:
            blame = _blame(stretch, slices.get(stretch.greenlet_id, ()), profile.started_at_ns)
            yield _event(stretch, json.dumps(name + BLOCKS), f",{json.dumps(blame)[1:-1]}")
        else:
            yield _event(stretch, shown[track])


def _threads(profile: Profile, timeline: Timeline) -> Iterator[str]:
    names = {thread.id: thread.name for thread in profile.threads}
    for number in sorted(timeline.thread_ids):
        yield _metadata("process_name", f"thread {names.get(number, f'{number}, ended')}", number)


def _metadata(kind: str, name: str, thread_id: int, greenlet_id: int | None = None) -> str:
    track = {} if greenlet_id is None else {"tid": greenlet_id}
    return json.dumps({"ph": "M", "name": kind, "pid": thread_id, **track, "args": {"name": name}})


def _event(stretch: Stretch, name: str, more: str = "") -> str:
    """`name` and `more` are JSON."""
    category: str = stretch.ended_by
    if stretch.kind == "idle":
        name, category = '"idle"', "idle"
    return (
        f'{{"ph":"X","name":{name},"cat":"{category}","pid":{stretch.thread_id},"tid":{stretch.greenlet_id},'
        f'"ts":{stretch.began_ns / 1000},"dur":{stretch.length_ns / 1000}{more}}}'
    )


def _blame(stretch: Stretch, slices: Sequence[BlockingSlice], started_at_ns: int) -> dict[str, Any]:
    """What an event that blocked has beside. `slices`: of that greenlet, those that were kept."""

    def distance_ns(each: BlockingSlice) -> int:
        return abs(each.began_at_ns - started_at_ns - stretch.began_ns)

    blame: dict[str, Any] = {"cname": TROUBLE}
    found = min(slices, key=distance_ns, default=None)
    if found is not None and distance_ns(found) <= SAME_NS:
        functions = [function.label for function in found.path if function.is_function]
        blame["args"] = {"culprit": found.path[-1].label, "path": " > ".join(functions)}
    return blame
