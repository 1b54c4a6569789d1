"""Random greenlet programs: the recorded call tree equals, node for node, what a model says.

    program.py      the little language         source.py       a program as Python source
    strategies.py   random programs             interpreter.py  runs it for real
    model.py        what must be recorded       comparison.py   whether it was

ORACLE_PROGRAMS says how many programs: `quick` (the default), `few`, `ci`, or a number. Each runs with
built-ins and without. They come in batches, each with a seed. The names try the same programs every time,
`ci` other ones on each Python, so that they add up; a number tries others each time, from ORACLE_SEED on if
that is given. A failure prints the shrunk program, to be pasted into test_found.py, and the seed is in the
name of the test.

Left out, for nothing tells of it: a thread that start() meets between two calls, and whose first event after
that is a switch (built-ins off); which greenlet a thread runs that has no event; a greenlet in the middle of
being killed while the recording begins or ends in another one; generators that a thrown exception passes on
its way into the one they yield from, which are on the stack for a recording that begins then. Taken as the
interpreter tells it: a generator that is closed or thrown into before it began is entered on 3.10 and 3.11; a
half-run one without a try block is closed without being entered on 3.13; types that are called are seen from
3.12 on.
"""

from __future__ import annotations

import os
import random
import sys
from typing import Final

import pytest
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st

from oracle import program as p
from oracle.comparison import check
from oracle.model import predict
from oracle.strategies import FUNCTIONS, GENERATORS, programs

pytestmark = pytest.mark.usefixtures("event_costs_measured_once")

#: So few that what Hypothesis remembers of them slows nothing down.
_BATCH: Final = 250
_NUMBERS: Final = {"few": 25, "quick": _BATCH, "ci": 100}  # 600, twice, over six Pythons
_SEEDS: Final = {"few": 0, "quick": 0, "ci": 1000 * sys.version_info.minor}
_CHOSEN: Final = os.environ.get("ORACLE_PROGRAMS", "quick")
_PROGRAMS: Final = _NUMBERS[_CHOSEN] if _CHOSEN in _NUMBERS else int(_CHOSEN)
_ANY_SEED: Final = os.environ.get("ORACLE_SEED", random.randrange(10**6))
_FIRST_SEED: Final = _SEEDS[_CHOSEN] if _CHOSEN in _SEEDS else int(_ANY_SEED)
_SETTINGS: Final = settings(
    max_examples=min(_BATCH, _PROGRAMS),
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.filterwarnings("ignore:'(return|break|continue)' in a 'finally' block:SyntaxWarning")
@pytest.mark.parametrize("first", range(_FIRST_SEED, _FIRST_SEED + -(-_PROGRAMS // _BATCH)))
def test_any_program_is_recorded_as_the_model_says(first: int) -> None:
    @seed(first)
    @_SETTINGS
    @given(program=programs(), threads=st.sampled_from((True, True, True, False)))
    def each(program: p.Program, threads: bool) -> None:
        assume(not predict(program, True, threads).recording.is_known_to_be_wrong)
        for builtins in (True, False):
            check(program, builtins, threads)

    each()


#: main runs f0, which starts the profiler.
_NAMES: Final = ("main", *(f"f{n}" for n in range(FUNCTIONS)), *(f"g{n}" for n in range(GENERATORS)))


@pytest.mark.filterwarnings("ignore:'(return|break|continue)' in a 'finally' block:SyntaxWarning")
@pytest.mark.parametrize("first", range(_FIRST_SEED, _FIRST_SEED + -(-_PROGRAMS // _BATCH)))
def test_any_program_is_recorded_as_the_model_says_where_functions_are_excluded(first: int) -> None:
    """In the thread that starts: of another one it depends on what was excluded before which event is its
    first."""

    @seed(first)
    @_SETTINGS
    @given(program=programs(), excluded=st.frozensets(st.sampled_from(_NAMES), min_size=1))
    def each(program: p.Program, excluded: frozenset[str]) -> None:
        assume(not predict(program, True, False, excluded).recording.is_known_to_be_wrong)
        for builtins in (True, False):
            check(program, builtins, False, excluded)

    each()
