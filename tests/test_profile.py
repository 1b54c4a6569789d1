"""Profile and its folds, on trees made by hand."""

from __future__ import annotations

import dataclasses
import os
import random
import sys
from pathlib import Path

import pytest
from synthetic import TRUNCATED, SnapshotBuilder, builtin, cython, method, python

from greenletprofiler import Profile
from greenletprofiler.calltree import TreeNode
from greenletprofiler.errors import ClockError, FormatError, OutputError
from greenletprofiler.values import Function, FunctionStats, Times

F, G, H = python("f", line=1), python("g", line=10), python("h", line=20)


def stats_of(profile: Profile, name: str) -> FunctionStats:
    (found,) = (stats for stats in profile.functions if stats.function.name == name)
    return found


def chain(*functions: tuple[str, str, str, str, int]) -> Profile:
    """Each function called by the one before, once, with 1 ns of CPU and running time each."""
    snapshot = SnapshotBuilder()
    node = snapshot.greenlet_base(snapshot.thread())
    for function in functions:
        node = snapshot.call(node, function, running=1, cpu=1)
    return snapshot.profile()


def test_a_function_adds_up_over_the_paths_that_lead_to_it() -> None:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread())
    f = snapshot.call(base, F, calls=2, running=10, cpu=9)
    snapshot.call(f, H, calls=3, running=100, cpu=90, waiting=5)
    g = snapshot.call(base, G, running=20, cpu=18)
    snapshot.call(g, H, calls=4, resumes=6, running=200, cpu=180, waiting=7, idle=1)
    h = stats_of(snapshot.profile(), "h")
    assert (h.calls, h.resumes, h.primitive_calls) == (7, 6, 13)
    assert h.self == h.inclusive == Times(300, 270, 12, 1)
    assert h.inclusive.elapsed_ns == 312
    assert {(edge.caller.name, edge.calls, edge.resumes) for edge in h.callers} == {("f", 3, 0), ("g", 4, 6)}
    assert stats_of(snapshot.profile(), "f").inclusive == Times(110, 99, 5, 0)


def test_a_recursive_function_is_counted_once_in_inclusive_time() -> None:
    profile = chain(F, F, F, G)
    f = stats_of(profile, "f")
    assert (f.calls, f.primitive_calls) == (3, 1)
    assert f.self.cpu_ns == 3
    assert f.inclusive.cpu_ns == 4
    edges = {(edge.caller.name, edge.callee.name): edge for edge in profile.edges}
    assert edges["f", "f"].calls == 2
    assert edges["f", "f"].primitive_calls == 0
    assert edges["f", "f"].inclusive == Times()
    assert edges["f", "f"].self.cpu_ns == 2


def test_mutual_recursion_counts_each_function_at_its_outermost_entry() -> None:
    profile = chain(F, G, F, G, H)
    assert stats_of(profile, "f").inclusive.cpu_ns == 5
    assert stats_of(profile, "g").inclusive.cpu_ns == 4
    edges = {(edge.caller.name, edge.callee.name): edge for edge in profile.edges}
    assert edges["f", "g"].calls == 2
    assert edges["f", "g"].inclusive.cpu_ns == 4
    assert edges["g", "f"].inclusive.cpu_ns == 0
    assert edges["g", "h"].inclusive.cpu_ns == 1


def test_the_same_function_beside_itself_is_outermost_twice() -> None:
    snapshot = SnapshotBuilder()
    thread = snapshot.thread()
    for name in ("Greenlet", "Other"):
        snapshot.call(snapshot.greenlet_base(thread, name), F, running=5, cpu=5)
    f = stats_of(snapshot.profile(), "f")
    assert f.primitive_calls == 2
    assert f.inclusive.cpu_ns == 10


def test_bases_and_truncated_are_no_functions_and_no_callers() -> None:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread(running=1), running=2)
    f = snapshot.call(base, F, running=4)
    snapshot.call(f, TRUNCATED, calls=9, running=8)
    profile = snapshot.profile()
    assert [stats.function.name for stats in profile.functions] == ["f"]
    assert profile.edges == ()
    f_stats = stats_of(profile, "f")
    assert f_stats.callers == ()
    assert f_stats.self.running_ns == 4
    assert f_stats.inclusive.running_ns == 12
    assert profile.total.running_ns == 15


def test_a_skipped_function_is_looked_through() -> None:
    profile = chain(F, G, H)
    keys, fold = profile.fold(lambda function: None if function.name == "g" else function.name)
    edges = {(keys[caller], keys[callee]): sums for caller, callee, sums in fold.edges()}
    assert edges["f", "h"].calls == 1
    assert edges["f", "h"].inclusive.cpu_ns == 1
    assert dict(zip(keys, fold.groups, strict=True))["f"].inclusive.cpu_ns == 3


def test_functions_with_the_same_identity_are_one() -> None:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread())
    first = snapshot.function(F)
    second = snapshot.function(F, always_new=True)
    snapshot.call(snapshot.call(base, first, running=1), second, running=2)
    profile = snapshot.profile()
    f = stats_of(profile, "f")
    assert (f.calls, f.primitive_calls) == (2, 1)
    assert f.inclusive.running_ns == 3


def test_siblings_with_the_same_function_are_one_node_and_so_are_their_children() -> None:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread())
    for number in range(2):
        f = snapshot.call(base, snapshot.function(F, always_new=True), running=1)
        g = snapshot.call(f, G, calls=2 + number, running=10)
        snapshot.call(g, H, running=100)
    (base_node,) = snapshot.profile().tree.children[0].children
    (f_node,) = base_node.children
    (g_node,) = f_node.children
    (h_node,) = g_node.children
    assert (f_node.calls, g_node.calls, h_node.calls) == (2, 5, 2)
    assert f_node.self.running_ns == 2
    assert f_node.inclusive.running_ns == 222


def test_threads_of_the_same_name_stay_apart() -> None:
    snapshot = SnapshotBuilder()
    for running in (1, 2):
        snapshot.call(snapshot.greenlet_base(snapshot.thread("worker")), F, running=running)
    profile = snapshot.profile()
    assert [thread.times.running_ns for thread in profile.threads] == [1, 2]
    assert len(profile.tree.children) == 2
    assert [thread.tree for thread in profile.threads] == list(profile.tree.children)


def test_the_tree_walks_every_node_before_its_children() -> None:
    snapshot = SnapshotBuilder()
    base = snapshot.greenlet_base(snapshot.thread())
    f = snapshot.call(base, F)
    snapshot.call(f, G)
    snapshot.call(base, H)
    tree = snapshot.profile().tree
    names = [node.function.label for node in tree.walk()]
    assert names == ["[program]", "[thread MainThread]", "[greenlet greenlet.greenlet]", "f", "g", "h"]
    assert tree.parent is None
    assert all(child.parent == node for node in tree.walk() for child in node.children)


def random_profile(seed: int, nodes: int = 300) -> SnapshotBuilder:
    source = random.Random(seed)
    snapshot = SnapshotBuilder()
    parents = []
    for number in range(3):
        thread = snapshot.thread(f"thread {number}", running=source.randrange(5), own=source.randrange(50))
        parents += [snapshot.greenlet_base(thread, name, running=1) for name in ("greenlet", "Greenlet")]
    functions = [python(f"f{number}", line=number) for number in range(6)]
    for _ in range(nodes):
        running = source.randrange(1000)
        parents.append(
            snapshot.call(
                source.choice(parents),
                source.choice(functions),
                calls=source.randrange(4),
                resumes=source.randrange(3),
                running=running,
                cpu=source.randrange(running + 1),
                waiting=source.randrange(1000),
                idle=source.randrange(10),
            )
        )
    return snapshot


@pytest.mark.parametrize("seed", range(20))
def test_all_sums_are_conserved_to_the_nanosecond(seed: int) -> None:
    snapshot = random_profile(seed)
    profile = snapshot.profile()
    bases = [node.self for node in profile.tree.walk() if not node.function.is_function]
    functions = [stats.self for stats in profile.functions]
    assert sum([*bases, *functions], Times()) == profile.total
    assert profile.total.waiting_ns == sum(snapshot.columns["waiting_ns"])
    assert sum((kind.times for kind in profile.greenlet_kinds), Times()) == sum(
        (base.inclusive for thread in profile.tree.children for base in thread.children), Times()
    )
    for thread in profile.threads:
        assert thread.times.running_ns + thread.times.idle_ns + thread.own_ns == thread.lifetime_ns
    for stats in profile.functions:
        assert sum((edge.calls for edge in stats.callers), 0) <= stats.calls


@pytest.mark.parametrize("seed", range(20))
def test_folds_agree_with_the_definitions_applied_to_each_node(seed: int) -> None:
    profile = random_profile(seed).profile()
    inclusive: dict[Function, Times] = {}
    primitive: dict[Function, int] = {}
    edge_times: dict[tuple[Function, Function], Times] = {}
    for node in profile.tree.walk():
        function = node.function
        above: list[TreeNode] = []
        while (node_above := (above[-1] if above else node).parent) is not None:
            above.append(node_above)
        if not function.is_function:
            continue
        is_outermost = all(other.function != function for other in above)
        caller = above[0].function
        if caller.is_function:
            edge_times.setdefault((caller, function), Times())
        if is_outermost:
            inclusive[function] = inclusive.get(function, Times()) + node.inclusive
            primitive[function] = primitive.get(function, 0) + node.calls + node.resumes
            if caller.is_function:
                edge_times[caller, function] += node.inclusive
    assert {stats.function: stats.inclusive for stats in profile.functions} == inclusive
    assert {stats.function: stats.primitive_calls for stats in profile.functions} == primitive
    assert {(edge.caller, edge.callee): edge.inclusive for edge in profile.edges} == edge_times


def test_a_tree_deeper_than_any_python_stack_is_folded() -> None:
    depth = 50_000
    profile = chain(*(F if level % 2 else G for level in range(depth)))
    assert depth > sys.getrecursionlimit()
    assert stats_of(profile, "g").inclusive.cpu_ns == depth
    assert stats_of(profile, "f").inclusive.cpu_ns == depth - 1
    assert sum(1 for _ in profile.tree.walk()) == depth + 3


def test_greenlets_are_told_by_class_and_first_function_over_all_threads() -> None:
    snapshot = SnapshotBuilder()
    greenlet = ("greenlet", "Greenlet", "gevent", "", 0)
    for number in range(2):
        base = snapshot.greenlet_base(snapshot.thread(f"t{number}"), "Greenlet", "gevent")
        snapshot.call(base, F, calls=3, running=100, cpu=100)
        snapshot.call(base, G, running=1, cpu=1)
    for switches in (1, 2, 3):
        snapshot.greenlet(greenlet, F, running=50, switches=switches, alive=switches == 3)
    snapshot.greenlet(greenlet, None)
    snapshot.call(0, TRUNCATED, running=1)
    kinds = snapshot.profile().greenlet_kinds
    first, second, third = kinds
    assert (first.greenlet_class.label, first.function) == ("[greenlet gevent.Greenlet]", Function(*F))
    assert (first.greenlets, first.alive, first.switches, first.times.cpu_ns) == (3, 1, 6, 200)
    assert (second.function, second.greenlets, second.times.cpu_ns) == (Function(*G), 0, 2)
    assert (third.function, third.greenlets) == (None, 1)


def test_a_profile_is_a_value_that_cannot_be_changed() -> None:
    snapshot = SnapshotBuilder()
    snapshot.call(snapshot.greenlet_base(snapshot.thread()), F)
    raw = snapshot.raw()
    profile = Profile.from_snapshot(raw)
    raw["counters"]["events"] = 5
    raw["functions"].clear()
    assert dict(profile.counters) == {}
    assert stats_of(profile, "f").calls == 1
    for value, name in ((profile, "clock"), (profile.functions[0], "calls"), (profile.total, "cpu_ns")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, 1)
    with pytest.raises(TypeError):
        profile.counters["events"] = 1  # type: ignore[index]


def test_the_start_is_told_in_utc() -> None:
    snapshot = SnapshotBuilder()
    profile = snapshot.profile()
    assert profile.started_at == "2023-11-14T22:13:20.123456+00:00"
    assert profile.started_monotonic_ns == 42
    assert Profile.from_snapshot({**snapshot.raw(), "started_at_ns": 0}).started_at == ""


def test_functions_are_named_as_python_and_cprofile_name_them() -> None:
    labels = {
        python("C.method"): "C.method",
        builtin("len"): "<built-in method builtins.len>",
        builtin("nameless", ""): "<built-in method nameless>",
        method("append", "list"): "<method 'append' of 'list' objects>",
        ("classmethod", "fromkeys", "dict", "", 0): "<built-in method fromkeys>",
        ("slot", "__init__", "object", "", 0): "<slot wrapper '__init__' of 'object' objects>",
        ("type", "range", "builtins", "", 0): "<class 'range'>",
        ("type", "deque", "collections", "", 0): "<class 'collections.deque'>",
        ("callable", "partial", "functools", "", 0): "<functools.partial object>",
        cython("Waiter.get", "gevent._gevent_c_waiter"): "Waiter.get",
        TRUNCATED: "[truncated]",
    }
    assert {record: Function(*record).label for record in labels} == labels


def test_what_the_recorder_could_not_keep_is_a_warning() -> None:
    snapshot = SnapshotBuilder()
    assert snapshot.profile().warnings == ()
    snapshot.counters = {
        "truncated_calls": 1234567,
        "dropped_intervals": 2,
        "dropped_ns": 1_500_000_000,
        "unrecorded_greenlets": 7,
        "events": 99,
    }
    truncated, dropped, greenlets = snapshot.profile().warnings
    assert truncated.startswith("1,234,567 calls")
    assert "[truncated]" in truncated
    assert "2 intervals (1.500 s)" in dropped
    assert greenlets.startswith("7 greenlets")


def saved(tmp_path: Path, name: str = "x.callgrind") -> Path:
    path = tmp_path / name
    chain(F, G).save(path)
    return path


def test_saved_files_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "x.callgrind"
    path.write_text("old")
    path.chmod(0o644)
    assert saved(tmp_path).stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.callgrind"]


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("a.callgrind", b"# callgrind format"),
        ("callgrind.out.123", b"# callgrind format"),
        ("callgrind.out", b"# callgrind format"),
        ("A.CALLGRIND", b"# callgrind format"),
        ("a.pstats", b"{"),
        ("a.prof", b"{"),
    ],
)
def test_the_file_name_tells_the_format(tmp_path: Path, name: str, beginning: bytes) -> None:
    content = saved(tmp_path, name).read_bytes()
    assert bytes([content[0] & 0x7F]) + content[1 : len(beginning)] == beginning  # marshal flags references


def test_a_format_that_is_given_wins_over_the_file_name(tmp_path: Path) -> None:
    path = tmp_path / "x.prof"
    chain(F).save(path, format="callgrind")
    assert path.read_text().startswith("# callgrind format")


@pytest.mark.parametrize(("name", "format_name"), [("x.svg", None), ("callgrind", None), ("x.prof", "svg")])
def test_an_unknown_format_is_an_error_that_names_the_known_ones(
    tmp_path: Path, name: str, format_name: str | None
) -> None:
    with pytest.raises(FormatError, match=r"callgrind .*\.callgrind.* or pstats .*\.prof"):
        chain(F).save(tmp_path / name, format_name)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_clock_is_an_error_that_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ClockError, match="cpu, wall"):
        chain(F).save(tmp_path / "x.prof", clock="sun")
    with pytest.raises(ClockError, match="cpu, wall"):
        chain(F).print(clock="sun")


@pytest.mark.parametrize("place", [".", "missing/x.prof", "file/x.prof"])
def test_a_path_that_cannot_be_written_is_an_output_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"give a file name|there is no folder"):
        chain(F).save(tmp_path / place, "pstats")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.prof"
    path.write_text("old")

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("greenletprofiler.exporters.pstats.marshal.dump", full_disk)
    with pytest.raises(OutputError, match="No space left on device"):
        chain(F).save(path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.prof"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link.callgrind"
    link.symlink_to(tmp_path / "target")
    chain(F).save(link)
    assert link.is_symlink()
    assert (tmp_path / "target").read_text().startswith("# callgrind format")


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.callgrind"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    chain(F).save(pipe)
    assert os.read(reader, 100).startswith(b"# callgrind format")
    os.close(reader)
    assert pipe.is_fifo()
