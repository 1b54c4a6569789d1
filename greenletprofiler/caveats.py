"""What a recording's counters mean for its reader: one sentence each, where there is something to say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_MEANINGS: Final = {
    "truncated_calls": (
        "{count:,} calls were on call paths that are too many to keep apart. Their time is in [truncated],"
        " and the functions that were called there are missing from the numbers."
    ),
    "dropped_intervals": (
        "{count:,} intervals ({dropped_seconds:.3f} s) were left out because the clocks disagreed, as they do"
        " when the machine was suspended."
    ),
    "cpu_clock_unknown": (
        "The CPU clock of a thread could not be read {count:,} times. Some CPU time there may be running time"
        " off the CPU."
    ),
    "missed_switches": (
        "{count:,} times a greenlet ran that no switch had led to: something took away the profiler's trace"
        " function for greenlets. Time and calls near these switches may be with the wrong greenlet."
    ),
    "cut_off_threads": (
        "{count:,} times a trace function for greenlets that the program set took the profiler's place in a"
        " thread. Switches there went unnoticed for a while: time and calls may be with the wrong greenlet."
    ),
    "unreached_greenlets": (
        "{count:,} greenlets that were suspended when the recording started or stopped could not be told."
        " Calls in the functions that they were in may be missing."
    ),
    "replaced_profile_functions": (
        "{count:,} times the program set a profile function of its own in a thread (sys.setprofile,"
        " cProfile). On Python 3.10 and 3.11 there is room for one: what that thread did then is missing."
    ),
    "frozen_objects": (
        "{count:,} objects were out of the garbage collector's sight by gc.freeze() when the recording"
        " started. Calls in greenlets that were among them, and suspended, may be missing."
    ),
    "unmet_greenlets": (
        "{count:,} suspended greenlets belong to threads that did nothing meanwhile, or that are over. That"
        " they waited is not in the numbers."
    ),
    "unplaced_greenlets": (
        "{count:,} greenlets found no memory for their calls. What they did is in [truncated]."
    ),
    "unrecorded_greenlets": (
        "{count:,} greenlets have no record of their own. Their time and calls are in all other numbers."
    ),
    "unnoted_greenlets": (
        "{count:,} greenlets go by their function and number: there was no room for their names, or for where"
        " they were spawned."
    ),
    "unopened_tags": "{count:,} times there was no room for a tag. What was done in it is not below it.",
    "unrecorded_threads": (
        "{count:,} times there was no memory to record a thread. What it did is not in the numbers."
    ),
    "unkept_slices": (
        "{count:,} slices found no room: they are missing from the lengths of a kind's slices, or from what"
        " blocked others."
    ),
    "folded_threads": "{count:,} threads that ended are shown together as [ended threads].",
    "unnamed_calls": "{count:,} calls are missing because there was no memory for the function's name.",
}


def warnings_of(counters: Mapping[str, int]) -> tuple[str, ...]:
    """The sentences for those counters that are not 0."""
    dropped_seconds = counters.get("dropped_ns", 0) / 1e9
    return tuple(
        sentence.format(count=counters[name], dropped_seconds=dropped_seconds)
        for name, sentence in _MEANINGS.items()
        if counters.get(name, 0)
    )


def unmatched_warnings(patterns: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each pattern of a filter that no function matched."""
    return tuple(
        f"No function that ran matches the pattern {pattern!r}. A pattern with a slash is compared with whole"
        " file names, any other one with dotted names of modules."
        for pattern in patterns
    )
