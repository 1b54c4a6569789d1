"""A debug build of CPython, as far as greenlet supports it: no reference is lost.

Its assertions, and greenlet's, are at work in all other tests too: `make test-debug`.
"""

from __future__ import annotations

from pathlib import Path

import greenlet
import pytest
from builds import CAN_GO_ON_IN_MID_FLIGHT, IN_MID_FLIGHT, IS_DEBUG_BUILD
from leaks import in_a_small_process

from greenletprofiler import _native

pytestmark = pytest.mark.skipif(not IS_DEBUG_BUILD, reason="only a debug build of Python counts references")

SESSIONS = 200


@pytest.mark.parametrize("in_mid_flight", [False, True], ids=["", "in mid-flight"])
def test_all_references_together_do_not_grow(in_mid_flight: bool) -> None:
    if in_mid_flight and not CAN_GO_ON_IN_MID_FLIGHT:
        pytest.skip(f"a debug build of Python: {IN_MID_FLIGHT}")
    growth = in_a_small_process(f"growth_of_all_references({SESSIONS}, {in_mid_flight})")
    assert growth < SESSIONS // 2  # type: ignore[operator]


@pytest.mark.parametrize("extension", [_native.__file__, greenlet._greenlet.__file__])
def test_the_extensions_are_built_for_it_and_so_with_assertions(extension: str) -> None:
    *_, tag, _ = Path(extension).name.split(".")
    assert tag.split("-")[1].endswith("d")
