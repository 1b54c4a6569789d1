"""What a recording's counters mean for its reader: one sentence each, where there is something to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_MEANINGS: Final = (
    (
        "truncated_calls",
        "{count:,} calls were on call paths that are too many to keep apart. Their time is in [truncated],"
        " and the functions that were called there are missing from the numbers.",
    ),
    (
        "dropped_intervals",
        "{count:,} intervals ({dropped_seconds:.3f} s) were left out because the clocks disagreed, as they do"
        " when the machine was suspended.",
    ),
    (
        "unrecorded_greenlets",
        "{count:,} greenlets have no record of their own. Their time and calls are in all other numbers.",
    ),
    (
        "unrecorded_threads",
        "{count:,} threads could not be recorded for lack of memory. Nothing that they did is shown.",
    ),
)


def warnings_of(counters: Mapping[str, int]) -> tuple[str, ...]:
    """The sentences for those counters that are not 0."""
    dropped_seconds = counters.get("dropped_ns", 0) / 1e9
    return tuple(
        sentence.format(count=counters[name], dropped_seconds=dropped_seconds)
        for name, sentence in _MEANINGS
        if counters.get(name, 0)
    )
