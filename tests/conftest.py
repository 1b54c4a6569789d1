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
from greenletprofiler.costs import EventCosts

#: With built-ins and without.
EVENT_COSTS: dict[bool, EventCosts | None] = {}


@pytest.fixture
def no_collections() -> Iterator[None]:
    """No garbage collection of the whole test process in the middle of what is timed."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def event_costs_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an event costs is measured by the first profiler of each kind, for tests that start thousands."""
    for builtins in {True, False}.difference(EVENT_COSTS):
        with Profiler(builtins) as first:
            EVENT_COSTS[builtins] = first._event_costs

    def take_what_is_known(profiler: Profiler) -> None:
        profiler._event_costs = EVENT_COSTS[profiler._builtins]

    monkeypatch.setattr(Profiler, "_new_calibration", take_what_is_known)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    leave_out(items)
    put_last_what_leaves_something(items)


def put_last_what_leaves_something(items: list[pytest.Item]) -> None:
    """Hard cases and the oracle come last: what they leave suspended is there to be met by others."""
    order = ("hard", "oracle")
    items.sort(key=lambda item: next((order.index(part) + 1 for part in item.path.parts if part in order), 0))
