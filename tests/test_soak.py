"""What the soak says of a run, by runs that are made up; and that it finds a leak in a real one.

The soak itself is `make soak`.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from commands import run as run_program

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from soak_chart import chart, table, ticks  # noqa: E402
from soak_judging import Run, Sample, faults, windows  # noqa: E402

MAKES = {"handle": {"handle": 1, "leaf": 3}}
SECONDS = 900
A_SECOND = 1000


def made_up_line(seconds: int) -> Sample:
    """Of a server that does as it should: 1,000 requests a second, 80 % of a CPU, flat memory."""
    requests = A_SECOND * seconds
    return Sample(seconds, 0.8 * seconds, 90_000, 60_000, 9_000, requests, 4 * requests, 0.3)


def made_up(line: Callable[[int], Sample] = made_up_line, seconds: int = SECONDS, every: int = 10) -> Run:
    requests = A_SECOND * seconds
    return Run(
        seconds, [line(each) for each in range(0, seconds + 1, every)],
        {"handle": {"200": requests}}, {"handle": requests, "leaf": 3 * requests}, [],
    )  # fmt: skip


def growing(**growths: float) -> Run:
    """A run in which columns grow by so much a second."""

    def line(seconds: int) -> Sample:
        flat = made_up_line(seconds)
        grown = {name: int(getattr(flat, name) + seconds * by) for name, by in growths.items()}
        return flat._replace(**grown)

    return made_up(line)


def with_rates(rate: Callable[[int], float]) -> Run:
    """A run in which requests a second of CPU time depend on the time."""

    def line(seconds: int) -> Sample:
        windows = range(10, seconds + 1, 10)
        return made_up_line(seconds)._replace(cpu_seconds=sum(10 * A_SECOND / rate(each) for each in windows))

    return made_up(line)


def test_a_run_as_it_should_be_has_no_faults() -> None:
    assert faults(made_up(), MAKES) == []
    assert faults(made_up(seconds=60, every=2), MAKES) == []


def test_what_grows_before_it_is_settled_is_no_fault() -> None:
    def line(seconds: int) -> Sample:
        return made_up_line(seconds)._replace(with_snapshot_kib=90_000 - 500 * max(0, 60 - seconds))

    assert faults(made_up(line), MAKES) == []


def test_memory_that_grows_is_a_fault() -> None:
    [fault] = faults(growing(with_snapshot_kib=10, resident_kib=10), MAKES)
    assert fault.startswith("Resident memory grew from 91,")


def test_a_recording_that_grows_is_a_fault() -> None:
    [fault] = faults(growing(recording_kib=3), MAKES)
    assert fault.startswith("The recording grew from 9,")


def test_memory_may_grow_by_two_per_cent_and_a_mebibyte() -> None:
    assert faults(growing(with_snapshot_kib=4), MAKES) == []
    assert len(faults(growing(with_snapshot_kib=6), MAKES)) == 1


def test_one_line_out_of_many_does_not_decide_about_memory() -> None:
    def line(seconds: int) -> Sample:
        return made_up_line(seconds)._replace(with_snapshot_kib=120_000 if seconds == 900 else 90_000)

    assert faults(made_up(line), MAKES) == []


def test_a_request_that_failed_is_a_fault() -> None:
    answers = {"handle": {"200": SECONDS * A_SECOND - 1, "500": 1}}
    assert faults(replace(made_up(), answers=answers), MAKES) == [
        "1 requests for handle were answered by 500, not by 200."
    ]


def test_a_call_that_was_not_counted_is_a_fault() -> None:
    calls = {"handle": 900_000, "leaf": 2_699_999}
    assert faults(replace(made_up(), calls=calls), MAKES) == [
        "The profile has 2,699,999 calls of leaf, the requests caused 2,700,000."
    ]


def test_calls_of_a_function_that_nobody_expects_are_a_fault() -> None:
    calls = {"handle": 900_000, "leaf": 2_700_000, "stranger": 2}
    assert faults(replace(made_up(), calls=calls), MAKES) == [
        "The profile has 2 calls of stranger, the requests caused 0."
    ]


def test_no_request_at_all_is_a_fault() -> None:
    nothing = replace(made_up(), answers={"handle": {}}, calls={})
    assert faults(nothing, MAKES) == ["No request was made."]


def test_a_warning_of_the_profile_is_a_fault_unless_the_server_must_cause_it() -> None:
    expected = "3 threads that ended are shown together as [ended threads]."
    missing = "7 calls are missing because there was no memory for the function's name."
    run = replace(made_up(), warnings=[expected, missing])
    assert faults(run, MAKES) == [f"The profile warns: {missing}"]


def test_a_dip_is_a_fault_when_it_takes_more_than_half() -> None:
    assert faults(with_rates(lambda seconds: 700 if seconds == 500 else 1200), MAKES) == []
    [fault] = faults(with_rates(lambda seconds: 500 if seconds == 500 else 1200), MAKES)
    assert fault.startswith("In the window up to 500 s the server answered 500 requests")


def test_a_server_that_stands_still_is_a_fault() -> None:
    def line(seconds: int) -> Sample:
        answered = A_SECOND * (seconds if seconds < 500 else seconds - 10)
        return made_up_line(seconds)._replace(requests=answered)

    [fault] = faults(made_up(line), MAKES)
    assert "up to 500 s the server answered 0 requests" in fault


def test_a_server_that_slows_down_little_by_little_is_a_fault() -> None:
    assert faults(with_rates(lambda seconds: 1200 - 0.3 * seconds), MAKES) == []
    [fault] = faults(with_rates(lambda seconds: 1200 - 0.7 * seconds), MAKES)
    assert fault.startswith("The server slowed down from 1,")


def test_a_run_that_is_too_short_is_not_judged() -> None:
    [fault] = faults(made_up(seconds=60, every=30), MAKES)
    assert "too few to judge" in fault


def test_a_line_is_read_as_it_is_written() -> None:
    line = made_up_line(10)
    assert Sample.from_line(" ".join(map(str, line))) == line


def test_a_window_is_what_lies_between_two_lines() -> None:
    assert windows([made_up_line(0), made_up_line(10)]) == [(10, 1000, 1250)]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (90, [0, 25, 50, 75, 100]),
        (1, [0, 0.25, 0.5, 0.75, 1]),
        (15, [0, 5, 10, 15]),
        (2100, [0, 1000, 2000, 3000]),
    ],
)
def test_ticks_are_round_and_reach_far_enough(most: float, expected: list[float]) -> None:
    assert ticks(most) == expected


@pytest.mark.parametrize("seconds", [60, SECONDS])
def test_the_chart_is_an_svg_of_every_line_inside_its_frame(seconds: int) -> None:
    svg = ElementTree.fromstring(chart(made_up(seconds=seconds), "CPython 3.13.0"))
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    places = [line.attrib["points"].split() for line in svg.findall("{http://www.w3.org/2000/svg}polyline")]
    points = [tuple(map(float, place.split(","))) for line in places for place in line]
    samples = seconds // 10 + 1
    assert len(points) == 3 * samples + 2 * (samples - 1)
    assert all(0 < x < width and 0 < y < height for x, y in points)
    words = [text.text for text in svg.findall("{http://www.w3.org/2000/svg}text")]
    assert {"Resident memory, MiB", "minutes" if seconds == SECONDS else "seconds"} <= set(words)


def test_the_table_says_what_was_measured_and_what_is_wrong() -> None:
    text = table(made_up(), "CPython 3.13.0", [])
    assert "900,000 requests, 0 of them failed" in text
    assert "Nothing is wrong" in text
    assert "| 60 | 87.9 | 58.6 | 8.8 | 60,000 | 1,000 | 240,000 | 0.30 |" in text
    assert "- Wrong: memory grew" in table(made_up(), "CPython 3.13.0", ["memory grew"])


@pytest.mark.long
def test_a_server_that_keeps_its_snapshots_fails(tmp_path: Path) -> None:
    arguments = (str(BENCHMARKS / "soak.py"), "--seconds", "10", "--keep-snapshots")
    result = run_program(*arguments, folder=tmp_path, command=[sys.executable])
    assert result.returncode == 1
    assert "Resident memory grew" in result.stderr
    assert "The profile has" not in result.stderr
