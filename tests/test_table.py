"""The table for the terminal."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios
from itertools import takewhile

import pytest
from synthetic import SnapshotBuilder, builtin, cython, python

from greenletprofiler import Profile

MS = 10**6


def sample() -> SnapshotBuilder:
    snapshot = SnapshotBuilder()
    thread = snapshot.thread(own=5 * MS)
    base = snapshot.greenlet_base(thread, "Greenlet", "gevent")
    f = snapshot.call(
        base, python("foo", "/app/a/long/way/down/server.py", 12), running=1300 * MS, cpu=1250 * MS
    )
    snapshot.call(
        f, python("sleep", "/lib/gevent/hub.py", 154), calls=20, running=MS, cpu=MS,
        waiting=700 * MS, contended=600 * MS,
    )  # fmt: skip
    snapshot.call(f, builtin("len"), calls=3, running=2 * MS, cpu=2 * MS)
    recursive = snapshot.call(base, python("walk", "/app/tree.py", 3), calls=1, running=3 * MS, cpu=3 * MS)
    snapshot.call(recursive, python("walk", "/app/tree.py", 3), calls=9, running=3 * MS, cpu=3 * MS)
    snapshot.call(base, python("feed", "/app/tree.py", 30), calls=1, resumes=40, running=MS, cpu=MS)
    snapshot.call(base, cython("Waiter.get", "gevent._gevent_c_waiter"), calls=2, running=MS, cpu=MS)
    hub = snapshot.greenlet_base(thread, "Hub", "gevent.hub")
    snapshot.call(
        hub, python("Hub.run", "/lib/gevent/hub.py", 631), running=4 * MS, cpu=4 * MS, idle=9000 * MS
    )
    for _ in range(3):
        snapshot.greenlet(("greenlet", "Greenlet", "gevent", "", 0))
    return snapshot


def printed(
    profile: Profile, clock: str = "cpu", limit: int | None = None, width: int | None = 100
) -> list[str]:
    out = io.StringIO()
    profile.print(out, clock=clock, limit=limit, width=width)
    return out.getvalue().splitlines()


def functions_of(lines: list[str]) -> list[str]:
    """The part that has functions, with its heading."""
    first = next(number for number, line in enumerate(lines) if line.split()[:2] == ["calls", "self"])
    return list(takewhile(lambda line: line and not line.startswith("Profiler:"), lines[first:]))


def row(lines: list[str], name: str) -> str:
    (found,) = (line for line in functions_of(lines) if name in line.split())
    return found


def test_the_head_says_what_was_recorded_and_what_the_numbers_are() -> None:
    head = " ".join(printed(sample().profile())[:4])
    assert "Recorded 2.000 s in 1 thread, 3 greenlets, 7 switches: CPU 1.265 s, running 1.315 s" in head
    assert "running 1.315 s, idle 9.000 s" in head
    assert "Times in seconds; self is CPU time" in head
    assert "sorted by self" in head
    wall = " ".join(printed(sample().profile(), "wall")[:4])
    assert "self is elapsed time (running + waiting)" in wall


def test_rows_are_sorted_by_self_time_of_the_clock() -> None:
    names = [line.split()[-2] for line in printed(sample().profile()) if ".py:" in line]
    assert names == ["foo", "walk", "Hub.run", "feed", "sleep"]
    names = [line.split()[-2] for line in printed(sample().profile(), "wall") if ".py:" in line]
    assert names[:3] == ["foo", "sleep", "walk"]


def test_a_row_has_calls_self_and_inclusive_times_name_and_place() -> None:
    lines = printed(sample().profile(), width=160)
    assert row(lines, "waiting").split() == [
        "calls", "self", "cpu", "running", "waiting", "contended", "idle", "function",
    ]  # fmt: skip
    assert row(lines, "foo").split() == [
        "1", "1.250", "1.253", "1.303", "0.700", "0.600", "-", "foo", "/app/a/long/way/down/server.py:12",
    ]  # fmt: skip
    assert row(lines, "Waiter.get").split()[-2:] == ["Waiter.get", "gevent._gevent_c_waiter"]
    assert row(printed(sample().profile(), "wall"), "sleep").split()[:3] == ["20", "0.701", "0.701"]


def test_recursion_and_resumes_show_in_the_calls_and_are_explained() -> None:
    lines = printed(sample().profile())
    assert row(lines, "walk").split()[0] == "10/1"
    assert row(lines, "feed").split()[0] == "1+40"
    head = " ".join(lines[:4])
    assert "calls of recursive functions are all/outermost" in head
    assert "+n counts resumes" in head
    plain = SnapshotBuilder()
    plain.call(plain.greenlet_base(plain.thread()), python("f"), cpu=1)
    assert "outermost" not in " ".join(printed(plain.profile()))


def test_a_hubs_idle_time_has_a_column_only_where_there_is_any() -> None:
    lines = printed(sample().profile(), "wall")
    assert row(lines, "Hub.run").split()[1:8] == ["0.004", "0.004", "0.004", "-", "-", "9.000", "Hub.run"]
    busy = SnapshotBuilder()
    busy.call(busy.greenlet_base(busy.thread()), python("f"), cpu=1)
    assert "idle" not in "\n".join(printed(busy.profile()))


def test_contended_waiting_has_a_column_where_there_is_any_and_the_table_is_wide() -> None:
    assert "contended" in "\n".join(printed(sample().profile(), width=100))
    assert "contended" not in "\n".join(printed(sample().profile(), width=99))
    busy = SnapshotBuilder()
    busy.call(busy.greenlet_base(busy.thread()), python("f"), waiting=1)
    assert "contended" not in "\n".join(printed(busy.profile()))


def test_suspended_greenlets_are_told_by_where_they_are() -> None:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread())
    waits = snapshot.call(snapshot.call(base, python("serve")), cython("wait", "gevent"), waiting=1)
    class_function = ("greenlet", "Greenlet", "gevent", "", 0)
    for node in (waits, waits, base, -1):
        snapshot.greenlet(class_function, python("serve"), node=node)
    lines = printed(snapshot.profile())
    begin = lines.index("Suspended: 3 greenlets, in 2 places")
    assert lines[begin - 1 : begin + 5] == [
        "",
        "Suspended: 3 greenlets, in 2 places",
        "greenlets  in",
        "        2  wait < serve",
        "        1  no function that is recorded",
        "",
    ]
    for number in range(11):
        node = snapshot.call(base, python(f"work_{number}"), waiting=1)
        snapshot.greenlet(class_function, python("serve"), node=node)
    assert "... and 3 places more" in printed(snapshot.profile())
    assert "Suspended" not in "\n".join(printed(sample().profile()))


def test_short_recordings_are_told_in_milliseconds() -> None:
    snapshot = SnapshotBuilder()
    snapshot.recorded_ns = 20 * MS
    snapshot.call(snapshot.greenlet_base(snapshot.thread()), python("f"), running=MS, cpu=MS)
    lines = printed(snapshot.profile())
    assert "Times in milliseconds" in lines[1]
    assert row(lines, "f").split()[1] == "1.000"


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    snapshot = sample()
    snapshot.counters = {"truncated_calls": 5, "unrecorded_greenlets": 12}
    snapshot.call(1, python("a_name_that_goes_on." * 20 + "end", "/x/" * 100 + "y.py"), running=1, cpu=1)
    assert max(map(len, printed(snapshot.profile(), width=width))) <= width


def test_names_keep_their_end_and_places_their_file() -> None:
    snapshot = sample()
    snapshot.call(1, python("Outer.Inner." * 9 + "method", "/deep/" * 30 + "file.py", 7), running=1, cpu=1)
    lines = printed(snapshot.profile(), width=80)
    (cut,) = (line for line in lines if "file.py:7" in line)
    assert ".Inner.method " in cut
    assert row(lines, "foo").endswith("server.py:12")


def test_more_functions_than_rows_are_counted_and_their_time_told() -> None:
    lines = printed(sample().profile(), limit=2)
    assert "... and 5 functions more, with 0.009 seconds of self time together" in lines
    assert sum(".py:" in line for line in lines) == 2


def test_warnings_stand_under_the_table() -> None:
    snapshot = sample()
    snapshot.counters = {"unrecorded_greenlets": 1000}
    lines = printed(snapshot.profile(), width=200)
    assert lines[-1].startswith("Warning: 1,000 greenlets have no record of their own.")
    assert "1,003 greenlets" in lines[0]


def test_the_table_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 70, 0, 0))
    with os.fdopen(theirs, "w") as terminal:
        sample().profile().print(terminal, limit=3)
        terminal.flush()
        lines = os.read(ours, 100_000).decode().splitlines()
    os.close(ours)
    assert 60 < max(map(len, lines)) <= 70


def test_columns_in_the_environment_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "65")
    assert max(map(len, printed(sample().profile(), width=None))) <= 65


def test_no_terminal_gets_plain_lines_of_a_fixed_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = printed(sample().profile(), width=None)
    assert max(map(len, lines)) <= 120
    assert "\x1b" not in "".join(lines)


def test_names_that_the_file_cannot_hold_are_escaped() -> None:
    snapshot = SnapshotBuilder()
    snapshot.call(snapshot.greenlet_base(snapshot.thread()), python("größe\n", "/a.py"), running=1, cpu=1)
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    snapshot.profile().print(out, width=100)
    out.flush()
    assert b"gr\\xf6\\xdfe\\n" in raw.getvalue()


def test_the_default_is_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    sample().profile().print()
    assert "foo" in capsys.readouterr().out


# -- parts -----------------------------------------------------------------------------------------------


def part(lines: list[str], head: str) -> list[str]:
    """From the line that begins so to the next empty one."""
    first = next(number for number, line in enumerate(lines) if line.startswith(head))
    return lines[first : lines.index("", first)]


def test_greenlets_are_told_of_by_kind() -> None:
    snapshot = sample()
    foo = python("foo", "/app/a/long/way/down/server.py", 12)
    for _ in range(2):
        snapshot.greenlet(("greenlet", "Greenlet", "gevent", "", 0), foo)
    lines = part(printed(snapshot.profile()), "Greenlets: 5, of ")
    assert lines[1].split() == [
        "greenlets", "alive", "switches", "cpu", "running", "waiting", "longest", "first", "function",
    ]  # fmt: skip
    counts = [line.split()[:3] for line in lines if line.endswith("  foo")]
    assert counts == [["2", "0", "2"]]


def test_kinds_of_one_name_are_told_apart() -> None:
    snapshot = SnapshotBuilder()
    thread = snapshot.thread()
    for owner in ("gevent", "eventlet"):
        base = snapshot.greenlet_base(thread, "Greenlet", owner)
        snapshot.call(base, python("run", "/a.py", 1), running=MS)
        snapshot.greenlet(("greenlet", "Greenlet", owner, "", 0), python("run", "/a.py", 1))
    snapshot.call(snapshot.greenlet_base(thread, "Other", "x"), python("run", "/b.py", 2), running=MS)
    snapshot.greenlet(("greenlet", "Other", "x", "", 0), python("run", "/b.py", 2))
    text = "\n".join(part(printed(snapshot.profile(), width=140), "Greenlets:"))
    assert "run at /a.py:1 in [greenlet gevent.Greenlet]" in text
    assert "run at /a.py:1 in [greenlet eventlet.Greenlet]" in text
    assert f"{text}\n".count("run at /b.py:2\n") == 1


def test_one_greenlet_is_no_reason_for_a_part_of_the_table() -> None:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread())
    snapshot.call(base, python("foo", "/app/server.py", 12), running=MS, cpu=MS)
    snapshot.greenlet(("greenlet", "greenlet", "greenlet", "", 0))
    assert not any(line.startswith("Greenlets:") for line in printed(snapshot.profile()))


def test_in_a_narrow_table_columns_of_greenlets_give_way() -> None:
    def headings(width: int) -> list[str]:
        lines = part(printed(sample().profile(), width=width), "Greenlets:")
        return next(line.split() for line in lines if line.split()[0] == "greenlets")

    assert {"running", "alive", "longest"} <= set(headings(100))
    assert headings(60) == ["greenlets", "switches", "cpu", "waiting", "first", "function"]


def test_tags_are_told_of_with_all_that_was_done_in_them() -> None:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread())
    serve = snapshot.call(base, python("serve", "/app/server.py", 12), running=1000 * MS, cpu=1000 * MS)
    tag = snapshot.call(serve, ("tag", "GET /", "", "", 0), calls=20, running=MS, cpu=MS)
    snapshot.call(
        tag, python("query", "/app/db.py", 3), running=4 * MS, cpu=3 * MS, waiting=70 * MS, contended=9 * MS
    )
    lines = part(printed(snapshot.profile()), "Tags: 1;")
    assert lines[1].split() == ["entries", "cpu", "running", "waiting", "contended", "tag"]
    assert lines[2].split() == ["20", "0.004", "0.005", "0.070", "0.009", "GET", "/"]


def test_tags_past_a_number_are_counted() -> None:
    snapshot = SnapshotBuilder()
    serve = snapshot.call(
        snapshot.greenlet_base(snapshot.thread()), python("serve", "/app/server.py", 12), running=1000 * MS
    )
    for number in range(25):
        snapshot.call(serve, ("tag", f"GET /{number}", "", "", 0), running=MS, cpu=MS)
    assert "... and 5 tags more" in printed(snapshot.profile())
