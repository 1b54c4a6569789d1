"""The examples run as they say, and compare.py tells what is true of each profiler."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import callers_in, run

from greenletprofiler.values import BlockingSlice

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize(("program", "gives_way"), [("foo_bar", "sleep"), ("raw_greenlets", "give_way")])
def test_an_example_runs_at_the_size_that_is_asked_for(program: str, gives_way: str, tmp_path: Path) -> None:
    result = run("-o", "out.pstats", str(EXAMPLES / f"{program}.py"), "4", folder=tmp_path)
    assert (result.returncode, result.stdout) == (0, "")
    assert callers_in(tmp_path / "out.pstats", gives_way) == {"foo": 4, "bar": 2}
    assert callers_in(tmp_path / "out.pstats", "bar") == {}


@pytest.mark.parametrize("program", ["foo_bar", "raw_greenlets"])
def test_the_comparison_shows_who_is_right(program: str, tmp_path: Path) -> None:
    pytest.importorskip("yappi", reason="not installed: yappi")
    result = run(str(EXAMPLES / "compare.py"), program, "4", folder=tmp_path, command=[sys.executable])
    assert (result.returncode, result.stderr) == (0, "")
    columns = columns_of(result.stdout)
    truth = columns["the truth"]
    assert (truth["foo calls"], truth["bar calls"], truth["callers of foo"]) == ("4", "2", "none")
    for about in ("foo calls", "bar calls", "callers of foo", "callers of bar"):
        assert columns["greenletprofiler"][about] == truth[about]
    assert (columns["cProfile"]["foo calls"], columns["cProfile"]["bar calls"]) == ("2", "4")
    assert "Yappi, greenlet back-end" in columns


def columns_of(table: str) -> dict[str, dict[str, str]]:
    """Title of a column -> what a row is about, without what is called -> cell."""
    heading, *lines = [re.split(r"  +", line.strip()) for line in table.splitlines()]
    rows = {re.sub(r"( calls) .*", r"\1", line[0]): line[1:] for line in lines}
    return {
        title: {about: cells[place] for about, cells in rows.items()} for place, title in enumerate(heading)
    }


def test_a_profiler_that_is_not_installed_is_said(tmp_path: Path) -> None:
    hide_yappi = (
        "import importlib.util, runpy, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name == 'yappi' else find(name)\n"
        "runpy.run_path(sys.argv[1], run_name='compare')['main'](['raw_greenlets', '2'])"
    )
    arguments = ("-c", hide_yappi, str(EXAMPLES / "compare.py"))
    result = run(*arguments, folder=tmp_path, command=[sys.executable])
    assert "Yappi: not installed\n" in result.stdout
    assert "cProfile" in result.stdout


def test_the_comparison_refuses_a_program_that_it_does_not_know(tmp_path: Path) -> None:
    result = run(str(EXAMPLES / "compare.py"), "nothing", folder=tmp_path, command=[sys.executable])
    assert result.returncode == 2
    assert "foo_bar" in result.stderr


def example(name: str) -> Any:
    """The module of an example that needs gevent."""
    pytest.importorskip("gevent", reason="not installed: gevent")
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_three_jobs_that_block_the_hub_are_named_first_with_their_lengths() -> None:
    blocked_hub = example("blocked_hub")
    profile, took = blocked_hub.profiled()
    three = profile.blocking_slices[:3]
    found = {next(name for name in took if name in label_path(each)): each for each in three}
    assert found.keys() == took.keys() == {"nap", "write_json", "search"}
    for name, seconds in took.items():
        assert found[name].length_ns / 1e9 == pytest.approx(seconds, rel=0.05)
        assert found[name].suspended == blocked_hub.SERVERS + 1  # the others, the hub and the main greenlet
    assert found["nap"].is_off_cpu
    assert label_path(found["nap"])[-1] == "sleep"
    assert label_path(found["search"])[-1] == "search"
    # Should another one be there, the machine gave its processor to someone else.
    assert all(each.is_off_cpu and each.length_ns < 250_000_000 for each in profile.blocking_slices[3:])


def label_path(blocking: BlockingSlice) -> list[str]:
    return [function.bare_name for function in blocking.path]


@pytest.mark.parametrize("case", ["alone", "polite", "hog", "hog 2"])
def test_contended_and_lag_tell_the_network_from_the_neighbours(case: str) -> None:
    contended = example("contended")
    other, seconds = contended.CASES[case]
    hogs = 0.3 if case.startswith("hog") else 0.0
    took, times, profile = contended.waiting_beside(other, seconds)
    assert took >= (0.05 + hogs if hogs else seconds) - 0.01
    assert within(times.waiting_ns, took)
    assert times.lag_ns < 0.01e9 if not hogs else within(times.lag_ns, hogs)
    if case == "alone":
        assert times.contended_ns < 0.01e9
    else:
        assert times.contended_ns >= (0.9 if case == "polite" else 0.28) * 1e9
    functions = [each.bare_name for blocking in profile.blocking_slices for each in blocking.path]
    assert ("sleeping_hog" in functions, "computing_hog" in functions) == (case == "hog", case == "hog 2")


def within(ns: int, seconds: float) -> bool:
    """Of 5 %, or 10 ms."""
    return abs(ns / 1e9 - seconds) <= max(0.05 * seconds, 0.01)
