"""What every test may ask for."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for synthetic.py

from builds import leave_out

from greenletprofiler import Profiler
from greenletprofiler.calibration import Calibration
from greenletprofiler.costs import EventCosts

#: With built-ins and without.
EVENT_COSTS: dict[bool, EventCosts] = {}


@pytest.fixture
def no_collections() -> Iterator[None]:
    """No garbage collection of the whole test process in the middle of what is timed."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def event_costs_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an event costs is measured by the first profiler of each kind, for tests that start thousands."""
    new_calibration, finish = Profiler._new_calibration, Profiler._finish

    def known_or_new(profiler: Profiler) -> Calibration | None:
        if profiler._event_costs is None:
            profiler._event_costs = EVENT_COSTS.get(profiler._builtins)
        return new_calibration(profiler)

    def finish_and_remember(profiler: Profiler, calibration: Calibration) -> None:
        finish(profiler, calibration)
        if profiler._event_costs is not None:
            EVENT_COSTS[profiler._builtins] = profiler._event_costs

    monkeypatch.setattr(Profiler, "_new_calibration", known_or_new)
    monkeypatch.setattr(Profiler, "_finish", finish_and_remember)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    leave_out(items)
    put_last_what_leaves_something(items)


def put_last_what_leaves_something(items: list[pytest.Item]) -> None:
    """Hard cases and the oracle come last: what they leave suspended is there to be met by others."""
    order = ("hard", "oracle")
    items.sort(key=lambda item: next((order.index(part) + 1 for part in item.path.parts if part in order), 0))
