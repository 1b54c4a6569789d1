"""Ten greenlets serve a queue, and three of the jobs hold all of them up.

    python examples/blocked_hub.py

One job calls time.sleep(), which no one has patched; one writes JSON in pure Python, a million small calls;
one is a regular expression that comes to no good end. Each takes 0.3 seconds, and no greenlet can run
meanwhile. The table names all three first under "Held up".
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Final

import gevent
from gevent.queue import Queue

from greenletprofiler import Profile, Profiler

SECONDS: Final = 0.3
SERVERS: Final = 10
POLITE_JOBS: Final = 40
ENCODER: Final = json.JSONEncoder()
DOCUMENT: Final = [{"name": "a\u00e9b", "numbers": list(range(8)), "inner": {"x": 1.5, "y": None}}]
NEVER_MATCHES: Final = re.compile("(?:a|b)*c")

Job = Callable[[], object]


def polite() -> None:
    gevent.sleep(0.002)


def nap() -> None:
    time.sleep(SECONDS)


def write_json() -> None:
    """iterencode() is pure Python."""
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        "".join(ENCODER.iterencode(DOCUMENT))


def search(text: str) -> None:
    NEVER_MATCHES.search(text)


def text_for(seconds: float) -> str:
    """One that takes so long to search: the square of its length counts."""
    length = 1000
    began = time.perf_counter()
    search("ab" * length)
    return "ab" * int(length * (seconds / (time.perf_counter() - began)) ** 0.5)


def serve(jobs: Queue[tuple[str, Job]], took: dict[str, float]) -> None:
    while True:
        name, job = jobs.get()
        if name == "stop":
            return
        began = time.perf_counter()
        job()
        if name != "polite":
            took[name] = time.perf_counter() - began


def run() -> dict[str, float]:
    """How many seconds the three jobs took, by themselves."""
    text = text_for(SECONDS)
    jobs: Queue[tuple[str, Job]] = Queue()
    took: dict[str, float] = {}
    servers = [gevent.spawn(serve, jobs, took) for _ in range(SERVERS)]
    for rude in (("nap", nap), ("write_json", write_json), ("search", lambda: search(text))):
        for _ in range(POLITE_JOBS):
            jobs.put(("polite", polite))
        jobs.put(rude)
    for _ in servers:
        jobs.put(("stop", polite))
    gevent.joinall(servers, raise_error=True)
    return took


def profiled() -> tuple[Profile, dict[str, float]]:
    with Profiler() as profiler:
        took = run()
    return profiler.snapshot(), took


if __name__ == "__main__":
    profile, took = profiled()
    profile.print(limit=3)
    print("\nBy their own clocks:", ", ".join(f"{name} {seconds:.3f} s" for name, seconds in took.items()))
