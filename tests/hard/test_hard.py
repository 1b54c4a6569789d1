"""Hard cases: each by the API and by the drop-in, with built-ins and without, is true to the last call; and
cProfile is not, so the cases tell right from wrong."""

from __future__ import annotations

from types import ModuleType
from typing import Final

import pytest
from builds import IS_SLOWED
from views import SESSIONS

from hard import (
    cases_deaths,
    cases_generators,
    cases_in_mid_flight,
    cases_libraries,
    cases_recursion,
    cases_switching_in_c,
    cases_threads,
    cases_unfinished,
)
from hard.alone import run_alone, run_here
from hard.case import PROGRAM, Case, Outcome

MODULES: Final[tuple[ModuleType, ...]] = (
    cases_in_mid_flight,
    cases_unfinished,
    cases_deaths,
    cases_switching_in_c,
    cases_generators,
    cases_threads,
    cases_libraries,
    cases_recursion,
)
CASES: Final = [each for module in MODULES for each in vars(module).values() if isinstance(each, Case)]

#: A machine that others use may disturb the times of one run; a profiler that is wrong is so in each.
ATTEMPTS: Final = 6

BUILTINS = pytest.mark.parametrize("builtins", [True, False], ids=["builtins", "python"])

pytestmark = pytest.mark.usefixtures("no_collections", "event_costs_measured_once")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("interface", SESSIONS)
@BUILTINS
def test_a_profile_is_true(case: Case, interface: str, builtins: bool) -> None:
    for _ in range(ATTEMPTS):
        outcome = run(case, interface, builtins)
        assert outcome.wrong_counts == []
        if IS_SLOWED or not outcome.wrong_costs:
            return
    assert outcome.wrong_costs == []


def run(case: Case, interface: str, builtins: bool) -> Outcome:
    return (run_alone if case.in_a_process else run_here)(case, interface, builtins)


@pytest.mark.parametrize(
    "case", [each for each in CASES if each.cprofile_is_wrong], ids=lambda case: case.name
)
@BUILTINS
def test_a_profile_of_cprofile_is_not_true(case: Case, builtins: bool) -> None:
    """Not only of calls by the program itself, which is open at the start: that alone would prove little."""
    assert [wrong for wrong in run(case, "cProfile", builtins).wrong_counts if PROGRAM not in wrong]
