"""What every test may ask for."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for synthetic.py


@pytest.fixture
def no_collections() -> Iterator[None]:
    """No garbage collection of the whole test process in the middle of what is timed."""
    gc.disable()
    yield
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The oracle comes last: what its programs leave suspended for good is there to be met by other tests."""
    items.sort(key=lambda item: "oracle" in item.path.parts)
