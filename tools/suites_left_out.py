"""Tests of other projects that cannot end alike under a profiler, and why: see suites.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LeftOut:
    """test: a pattern of its name. versions: of Python, where it differs."""

    suite: str
    test: str
    versions: str
    reason: str


LEFT_OUT: tuple[LeftOut, ...] = ()
