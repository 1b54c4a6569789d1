"""Who is measured: each profiler as a context manager, by name.

    with CONTENDERS["cProfile"].profiling():
        run()

is_there() says whether a profiler is installed and works on this Python; who is not there is told as missing.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Contender:
    """distribution: of which the version is told; "" for none. knows_greenlets: its profile is not wrong.
    only: on these workloads; () for all."""

    name: str
    profiling: Callable[[], AbstractContextManager[None]]
    module: str
    distribution: str = ""
    knows_greenlets: bool = True
    only: tuple[str, ...] = ()

    def is_there(self) -> bool:
        try:
            importlib.import_module(self.module)
        except Exception:  # whatever keeps it from being imported
            return False
        return True

    @property
    def version(self) -> str:
        return importlib.metadata.version(self.distribution) if self.distribution else sys.version.split()[0]

    @property
    def is_slow(self) -> bool:
        """Adds hundreds of ns to a call, as all do that are not ours or the interpreter's."""
        return self.distribution != ""


def ours(**options: Any) -> Callable[[], AbstractContextManager[None]]:
    @contextmanager
    def profiling() -> Iterator[None]:
        from greenletprofiler import Profiler

        with Profiler(**options):
            yield

    return profiling


def floor(builtins: bool) -> Callable[[], AbstractContextManager[None]]:
    @contextmanager
    def profiling() -> Iterator[None]:
        import floor
        import greenlet

        floor.start(builtins)
        greenlet.settrace(floor.switched)
        try:
            yield
        finally:
            greenlet.settrace(None)
            floor.stop()

    return profiling


@contextmanager
def cprofile() -> Iterator[None]:
    import cProfile

    profiler = cProfile.Profile()
    profiler.enable()
    try:
        yield
    finally:
        profiler.disable()


def yappi(clock: str) -> Callable[[], AbstractContextManager[None]]:
    @contextmanager
    def profiling() -> Iterator[None]:
        import yappi

        yappi.set_context_backend("greenlet")
        yappi.set_clock_type(clock)
        yappi.start(builtins=True)
        try:
            yield
        finally:
            yappi.stop()
            yappi.clear_stats()

    return profiling


@contextmanager
def viztracer() -> Iterator[None]:
    from viztracer import VizTracer

    tracer = VizTracer(verbose=0, tracer_entries=2_000_000)
    tracer.start()
    try:
        yield
    finally:
        tracer.stop()
        tracer.clear()


@contextmanager
def pyinstrument() -> Iterator[None]:
    from pyinstrument import Profiler

    with Profiler(async_mode="disabled"):
        yield


CONTENDERS = {
    each.name: each
    for each in (
        Contender("floor", floor(False), "floor"),
        Contender("floor, built-ins", floor(True), "floor"),
        Contender("ours", ours(builtins=False), "greenletprofiler"),
        Contender("ours, built-ins", ours(), "greenletprofiler"),
        Contender("ours, excluded", ours(exclude=["bench_*"]), "greenletprofiler"),
        Contender(
            "ours, timeline", ours(builtins=False, timeline=True), "greenletprofiler", only=("raw switches",)
        ),
        Contender("cProfile", cprofile, "cProfile", knows_greenlets=False),
        Contender("Yappi, wall", yappi("wall"), "yappi", "yappi"),
        Contender("Yappi, CPU", yappi("cpu"), "yappi", "yappi"),
        Contender("viztracer", viztracer, "viztracer", "viztracer"),
        Contender("pyinstrument", pyinstrument, "pyinstrument", "pyinstrument", knows_greenlets=False),
    )
}
