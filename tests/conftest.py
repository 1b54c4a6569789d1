"""What every test may ask for."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for synthetic.py

from builds import leave_out


@pytest.fixture
def no_collections() -> Iterator[None]:
    """No garbage collection of the whole test process in the middle of what is timed."""
    gc.disable()
    yield
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    leave_out(items)
    put_last_what_leaves_something(items)


def put_last_what_leaves_something(items: list[pytest.Item]) -> None:
    """Hard cases and the oracle come last: what they leave suspended is there to be met by others."""
    order = ("hard", "oracle")
    items.sort(key=lambda item: next((order.index(part) + 1 for part in item.path.parts if part in order), 0))
