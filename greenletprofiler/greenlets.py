"""Greenlets of a recording, as values: their times, their stacks, their names, where they were spawned.

    snapshot: records, one a greenlet  ----+
    snapshot: notes, of some of them  -----+-->  GreenletStats
    call tree: where each is suspended  ---+

A greenlet goes by the name that the program gave it, or by its first function and its number. gevent keeps
the stack that spawned a greenlet, in which its own functions come first: the place is the program's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenletprofiler._generated import ours
from greenletprofiler.calltree import CallTree, TreeNode
from greenletprofiler.values import Function, GreenletState, GreenletStats, SpawnPlace, Times

#: What remembers where it spawned greenlets.
SPAWNER = "gevent"


@ours
@dataclass(frozen=True, slots=True)
class Note:
    """What is known of a greenlet beside its times. given_name: "" if it has none."""

    given_name: str = ""
    spawned_at: SpawnPlace | None = None


NOTHING_KNOWN = Note()


def notes_of(
    records: Iterable[tuple[int, str, Sequence[tuple[int, int]]]],
    functions: Sequence[Function],
    places: Sequence[int],
) -> dict[int, Note]:
    """By number of the greenlet, from a snapshot's `notes`; `places` are of its functions."""
    folder = _folder_of(SPAWNER)
    notes = {}
    for greenlet_id, name, stack in records:
        spawned = [SpawnPlace(functions[places[function]], line) for function, line in stack]
        notes[greenlet_id] = Note(name, _outside(spawned, folder))
    return notes


def _folder_of(package: str) -> str | None:
    file = getattr(sys.modules.get(package), "__file__", None)
    return None if file is None else str(Path(file).parent)


def _outside(stack: Sequence[SpawnPlace], folder: str | None) -> SpawnPlace | None:
    """The innermost place that is in no file of the folder; the outermost if all are."""
    for place in stack:
        if folder is None or not place.function.filename.startswith(folder):
            return place
    return stack[-1] if stack else None


def greenlets_of(
    records: Iterable[Sequence[Any]],
    functions: Sequence[Function],
    places: Sequence[int],
    tree: CallTree,
    node_of: Sequence[int],
    notes: Mapping[int, Note],
) -> Iterator[GreenletStats]:
    """Those of a snapshot's `greenlets`. Those in one place share its stack."""
    stacks: dict[int, tuple[Function, ...]] = {-1: ()}
    for (
        id_, thread_id, class_, first, *times, switches, began_ns, ended_ns, longest_ns, alive, running, row
    ) in records:  # fmt: skip
        if row not in stacks:
            stacks[row] = tuple(each for each in TreeNode(tree, node_of[row]).path if each.is_function)
        note = notes.get(id_, NOTHING_KNOWN)
        yield GreenletStats(
            id_, thread_id, functions[places[class_]], None if first < 0 else functions[places[first]],
            note.given_name, note.spawned_at, alive, switches, Times(*times), began_ns,
            None if alive else ended_ns, longest_ns, _state(alive, running, row), stacks[row],
        )  # fmt: skip


def _state(alive: bool, running: bool, row: int) -> GreenletState:
    if not alive:
        return "ended"
    if row < 0:
        return "unknown"
    return "running" if running else "suspended"
