"""callgrind files: their grammar and sums, and what the real readers make of them."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from callgrind_reader import CallgrindFile, inclusive_costs, read_callgrind
from kcachegrind import first_complaint_of_kcachegrind, load_in_kcachegrind, needs_kcachegrind
from synthetic import TRUNCATED, SnapshotBuilder, builtin, cython, method, python
from test_profile import random_profile

from greenletprofiler import Profile
from greenletprofiler.exporters.callgrind import write_callgrind
from greenletprofiler.values import Times

needs_callgrind_annotate = pytest.mark.skipif(
    shutil.which("callgrind_annotate") is None, reason="not installed: callgrind_annotate (valgrind)"
)
F, G, H = python("f", line=1), python("g", line=10), python("h", line=20)


def text_of(profile: Profile) -> str:
    out = io.BytesIO()
    write_callgrind(profile, out, "cpu")
    return out.getvalue().decode()


def content_of(profile: Profile) -> CallgrindFile:
    return read_callgrind(text_of(profile))


def server() -> SnapshotBuilder:
    """Recursion of all kinds, functions both called and spawned, calls in progress, built-ins, bases."""
    snapshot = SnapshotBuilder()
    thread = snapshot.thread(running=3, cpu=1)
    main = snapshot.greenlet_base(thread)
    running = snapshot.call(main, python("<module>", line=1), calls=0, running=7, cpu=5)
    f = snapshot.call(running, F, calls=0, running=11, cpu=11, waiting=100)
    f = snapshot.call(f, F, calls=2, running=13, cpu=13)
    g = snapshot.call(f, G, calls=3, resumes=4, running=17, cpu=17)
    f = snapshot.call(g, F, calls=5, running=19, cpu=18)
    snapshot.call(f, builtin("len"), calls=6, running=23, cpu=20)
    snapshot.call(f, TRUNCATED, calls=8, running=29, cpu=29)
    spawned = snapshot.greenlet_base(thread, "Greenlet", "gevent", running=31, cpu=30, waiting=1)
    g = snapshot.call(spawned, G, calls=9, running=37, cpu=37)
    snapshot.call(g, method("append", "list"), calls=10, running=41, cpu=41)
    snapshot.call(g, cython("Waiter.get", "gevent._waiter"), calls=11, running=43, cpu=1, waiting=50, idle=9,
                  contended=20, lag=15)  # fmt: skip
    recursive = snapshot.call(spawned, H, calls=1, running=47, cpu=47)
    snapshot.call(recursive, H, calls=1, running=53, cpu=53)
    return snapshot


def costs_of(times: Times) -> tuple[int, ...]:
    return times.cpu_ns, times.running_ns, times.waiting_ns, times.contended_ns, times.lag_ns


def test_the_header_says_what_the_numbers_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/me/app/serve.py", "--password", "secret"])
    text = text_of(server().profile())
    lines = text.splitlines()
    assert lines[:2] == ["# callgrind format", "version: 1"]
    assert "positions: line" in lines
    assert "events: CPU Running Waiting Contended Lag" in lines
    assert "event: Waiting : Wall time switched out [ns]" in lines
    assert "cmd: serve.py" in lines
    assert "secret" not in text
    assert "/home/me/app" not in text


def test_self_costs_are_in_nanoseconds_at_the_line_of_the_definition() -> None:
    content = content_of(server().profile())
    assert content.self_costs["app.py", "g"] == (54, 54, 0, 0, 0)
    assert content.lines["app.py", "g"] == 10
    assert content.self_costs["gevent._waiter", "Waiter.get"] == (1, 43, 50, 20, 15)
    assert content.self_costs["~", "<built-in method builtins.len>"] == (20, 23, 0, 0, 0)


def test_calls_and_resumes_are_counted_by_caller() -> None:
    content = content_of(server().profile())
    assert content.count("f", "g") == 7
    assert content.count("g", "f") == 5
    assert content.count("f", "f") == 2
    assert content.callers("g") == {"f", "[greenlet gevent.Greenlet]"}
    assert content.callers("<method 'append' of 'list' objects>") == {"g"}


def test_a_call_in_progress_when_the_recording_began_is_one_call_there() -> None:
    assert content_of(server().profile()).count("<module>", "f") == 1
    assert "calls=0" not in text_of(server().profile())


@pytest.mark.parametrize("seed", range(10))
def test_totals_are_the_sum_of_all_self_costs_and_nothing_is_lost(seed: int) -> None:
    for snapshot in (random_profile(seed), server()):
        profile = snapshot.profile()
        content = content_of(profile)
        total = profile.total
        assert content.totals == costs_of(total)
        assert content.totals == tuple(map(sum, zip(*content.self_costs.values(), strict=True)))


@pytest.mark.parametrize("seed", range(10))
def test_readers_find_the_inclusive_time_of_every_function(seed: int) -> None:
    for snapshot in (random_profile(seed), server()):
        profile = snapshot.profile()
        found = {name[1]: costs for name, costs in inclusive_costs(content_of(profile)).items()}
        for stats in profile.functions:
            times = stats.inclusive
            assert found[stats.function.label] == costs_of(times), stats.function


def test_bases_are_shown_where_they_carry_time_or_calls_only() -> None:
    content = content_of(server().profile())
    assert content.self_costs["~", "[thread MainThread]"] == (1, 3, 0, 0, 0)
    assert content.self_costs["~", "[greenlet gevent.Greenlet]"] == (30, 31, 1, 0, 0)
    assert content.self_costs["~", "[truncated]"] == (29, 29, 0, 0, 0)
    idle = SnapshotBuilder()
    idle.greenlet_base(idle.thread(), "Idle")
    assert "Idle" not in text_of(idle.profile())
    assert "[thread" not in text_of(idle.profile())


def test_a_name_that_a_file_has_twice_gets_its_line() -> None:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread())
    for record in (
        python("helper", "a.py", 3),
        python("helper", "a.py", 30),
        python("helper", "b.py", 3),
        python("other", "a.py", 3),
    ):
        snapshot.call(base, record, running=1)
    names = set(content_of(snapshot.profile()).self_costs)
    assert names - {("~", "[greenlet greenlet.greenlet]")} == {
        ("a.py", "helper:3"),
        ("a.py", "helper:30"),
        ("b.py", "helper"),
        ("a.py", "other"),
    }


def test_odd_names_stay_on_their_line() -> None:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread("a\nfn=(9) b", running=1))
    snapshot.call(base, python("f\ncalls=9 9", "a\r\n\tb.py"), running=1)
    snapshot.call(base, python("größe", "/straße.py"), running=1)
    snapshot.call(base, python("g", "\udcff.py"), running=1)
    snapshot.call(base, python("(1) g", "(2)"), running=1)
    names = {name for name in content_of(snapshot.profile()).self_costs if name[0] != "~"}
    assert names == {
        ("a\\r\\n\\tb.py", "f\\ncalls=9 9"),
        ("/straße.py", "größe"),
        ("\\udcff.py", "g"),
        ("(2)", "(1) g"),
    }


def annotate(path: Path, *options: str) -> dict[str, tuple[int, ...]]:
    """Costs by "file:function", as callgrind_annotate prints them."""
    output = subprocess.run(
        ["callgrind_annotate", "--show-percs=no", "--auto=no", "--threshold=100", *options, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.stderr == ""
    found = {}
    for line in output.stdout.splitlines():
        if match := re.fullmatch(r"\s*" + 5 * r"([\d,]+)\s+" + r"(\S.*)", line):
            *costs, name = match.groups()
            found[name] = tuple(int(cost.replace(",", "")) for cost in costs)
    return found


@needs_callgrind_annotate
def test_callgrind_annotate_reads_self_costs_and_totals(tmp_path: Path) -> None:
    path = tmp_path / "x.callgrind"
    profile = server().profile()
    profile.save(path)
    shown = annotate(path)
    content = read_callgrind(path.read_text())
    assert shown.pop("PROGRAM TOTALS") == content.totals
    assert shown == {f"{file}:{name}": costs for (file, name), costs in content.self_costs.items()}


@needs_callgrind_annotate
def test_callgrind_annotate_shows_our_inclusive_times(tmp_path: Path) -> None:
    path = tmp_path / "x.callgrind"
    profile = server().profile()
    profile.save(path)
    shown = annotate(path, "--inclusive=yes")
    for stats in profile.functions:
        file = stats.function.filename or (stats.function.owner if stats.function.kind == "cython" else "~")
        times = stats.inclusive
        assert shown[f"{file}:{stats.function.label}"] == costs_of(times)


@needs_callgrind_annotate
def test_callgrind_annotate_shows_callers(tmp_path: Path) -> None:
    path = tmp_path / "x.callgrind"
    server().profile().save(path)
    shown = subprocess.run(
        ["callgrind_annotate", "--tree=caller", "--threshold=100", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"< app\.py:f \(7x\)", shown.stdout)
    assert re.search(r"< ~:\[greenlet gevent\.Greenlet\] \(9x\)", shown.stdout)


@needs_kcachegrind
def test_kcachegrind_loads_the_file_without_a_complaint(tmp_path: Path) -> None:
    path = tmp_path / "good.callgrind"
    server().profile().save(path)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    assert load_in_kcachegrind(path, home) == (True, [])


@needs_kcachegrind
@pytest.mark.parametrize(
    ("pattern", "replacement", "complaint"),
    [
        ("events: ", "evnts: ", "Invalid line 'evnts: CPU Running Waiting Contended Lag'"),
        (r"\n(\d+) 54 54 0 0 0\n", r"\n\1 54 54 0 0 0 rubbish\n", "Garbage at end of cost line"),
    ],
)
def test_kcachegrind_complains_about_a_broken_file(
    tmp_path: Path, pattern: str, replacement: str, complaint: str
) -> None:
    text, count = re.subn(pattern, replacement, text_of(server().profile()))
    assert count == 1
    path = tmp_path / "broken.callgrind"
    path.write_text(text)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    assert complaint in first_complaint_of_kcachegrind(path, home)
