"""Very deep, and very wide: recursion further down than the usual limit, and a million distinct paths."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from leaks import conserves
from views import VIEWS

from greenletprofiler import Profiler
from greenletprofiler.profiler import NODE_BUDGET

#: A greenlet switches 60,000 levels down, and another one runs before it comes back up.
DEEP = """
import sys, threading
sys.path.insert(0, {folder!r})
from greenlet import getcurrent, greenlet
from views import VIEWS

def down(levels):
    if levels:
        down(levels - 1)
    else:
        main.switch()
        leaf()

def other():
    leaf()

def leaf():
    pass

def program():
    deep = greenlet(down)
    deep.switch(60_000)
    greenlet(other).switch()
    deep.switch()

def run():
    global main
    main = getcurrent()
    seen = VIEWS[{view!r}](program, {builtins})
    edges = ("down", "down"), ("down", "leaf"), ("other", "leaf"), ("program", "leaf")
    print(seen.calls["down"], seen.outermost["down"], [seen.edges.get(edge, 0) for edge in edges])

sys.setrecursionlimit(100_000)
threading.stack_size(512 * 1024 * 1024)
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("builtins", [True, False], ids=["builtins", "python"])
@pytest.mark.parametrize("view", VIEWS)
def test_recursion_sixty_thousand_deep_in_a_greenlet_is_recorded_whole(view: str, builtins: bool) -> None:
    program = DEEP.format(folder=str(Path(__file__).parent), view=view, builtins=builtins)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("60001 1 [60000, 1, 1, 0]\n", "")


def left(levels: int) -> None:
    if levels:
        left(levels - 1)
        right(levels - 1)


def right(levels: int) -> None:
    if levels:
        left(levels - 1)
        right(levels - 1)


@pytest.mark.usefixtures("no_collections")
def test_a_million_distinct_paths_stay_within_the_budget_and_totals_stay_right() -> None:
    levels = 19
    calls = 2 ** (levels + 1) - 1
    assert calls > NODE_BUDGET
    profiler = Profiler(builtins=False)
    with profiler:
        left(levels)
    assert profiler.memory_bytes < 110 * NODE_BUDGET
    profile = profiler.snapshot()
    counted = {each.function.name: each.calls for each in profile.functions}
    truncated = profile.counters["truncated_calls"]
    assert 0 < truncated == calls - counted["left"] - counted["right"]
    assert len(profile.call_tree) <= 2 * NODE_BUDGET
    assert sum(node.calls for node in profile.tree.walk()) == calls
    assert any(f"{truncated:,} calls were on call paths" in warning for warning in profile.warnings)
    assert conserves(profile)
    seconds = {each.function.name: each.inclusive.cpu_ns for each in profile.functions}
    assert seconds["left"] >= seconds["right"] > 0.4 * seconds["left"]
