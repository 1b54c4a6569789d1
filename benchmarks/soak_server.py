"""The server of the soak: gevent.pywsgi with the profiler on, and a snapshot every so often.

    python benchmarks/soak_server.py SECONDS EVERY [keep]

Serves the handlers of soak_handlers.py on a port that the system chooses, until it is asked for /end, or a
minute longer than SECONDS. Standard output:

    the port
    a line every EVERY seconds, of the numbers of soak_judging.Sample
    at the end, the final profile: {"calls": {function of soak_handlers: calls}, "warnings": [...]}

Before it says its port it records as many ended greenlets and threads as a recording keeps apart (see Bounds
in docs/architecture.md): memory that only fills what has a bound is not what the soak looks for.

`keep` is the control: each snapshot is kept, and memory grows.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402  what is imported from here on is patched
import os  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable, Iterable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
import greenlet  # noqa: E402
import soak_handlers  # noqa: E402
from gevent.event import Event  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402
from soak_judging import Sample  # noqa: E402

from greenletprofiler import Profile, Profiler  # noqa: E402

#: More than a recording keeps apart.
GREENLETS = 101_000
THREADS = 300

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024

ending = Event()


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    path = environ["PATH_INFO"].lstrip("/")
    answer = end() if path == "end" else soak_handlers.HANDLERS[path]()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return answer


def end() -> Iterable[bytes]:
    ending.set()
    return [b"ending"]


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KIB


def fill_what_has_a_bound() -> None:
    for _ in range(GREENLETS):
        greenlet.greenlet(int).switch()
    for _ in range(THREADS):
        done = soak_handlers.allocate_lock()
        done.acquire()
        soak_handlers.start_new_thread(done.release, ())
        done.acquire()


def calls_of_handlers(profile: Profile) -> Counter[str]:
    """Calls of functions of soak_handlers.py, by the last part of their names."""
    calls: Counter[str] = Counter()
    for stats in profile.functions:
        if stats.function.filename == soak_handlers.__file__:
            calls[stats.function.name.rpartition(".")[2]] += stats.calls
    return calls


def sample(profiler: Profiler, started: float, kept: list[Profile] | None) -> Sample:
    """Takes a snapshot, and looks at memory while it is there and when it is gone again."""
    before = time.perf_counter()
    profile = profiler.snapshot()
    took = time.perf_counter() - before
    handlers = calls_of_handlers(profile)
    with_snapshot = resident_kib()
    if kept is not None:
        kept.append(profile)
    del profile
    return Sample(
        seconds=time.monotonic() - started,
        cpu_seconds=time.process_time(),
        with_snapshot_kib=with_snapshot,
        resident_kib=resident_kib(),
        recording_kib=profiler.memory_bytes // 1024,
        requests=sum(handlers[name] for name in soak_handlers.HANDLERS),
        calls=handlers.total(),
        snapshot_seconds=took,
    )


def sample_regularly(profiler: Profiler, every: float, kept: list[Profile] | None) -> None:
    started = time.monotonic()
    while not ending.wait(every):
        print(*sample(profiler, started, kept), flush=True)


def listener() -> socket.socket:
    """Answers that are sent in parts do not wait for acknowledgements."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def serve(seconds: float, every: float, kept: list[Profile] | None) -> Profile:
    """Until somebody asks for the end; the profile of it all."""
    server = WSGIServer(listener(), application, log=None)
    with Profiler() as profiler:
        fill_what_has_a_bound()
        server.start()
        print(server.server_port, flush=True)
        sampling = gevent.spawn(sample_regularly, profiler, every, kept)
        ending.wait(seconds + 60)
        ending.set()
        sampling.get()
        server.stop()
    return profiler.snapshot()


def main(seconds: float, every: float, keep: bool) -> None:
    gevent.get_hub().NOT_ERROR += (soak_handlers.RaisedError,)  # not to be printed
    profile = serve(seconds, every, [] if keep else None)
    print(json.dumps({"calls": calls_of_handlers(profile), "warnings": profile.warnings}), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]), "keep" in sys.argv[3:])
