"""GreenletProfiler.py: scripts written for GreenletProfiler 0.1 run unchanged."""

from __future__ import annotations

import io
import json
import pickle
import pstats
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import thread_time
from typing import Any

import greenlet
import pytest
from callgrind_reader import inclusive_costs, read_callgrind

import GreenletProfiler
from GreenletProfiler import YappiError, YChildFuncStat, YFuncStat, YFuncStats
from greenletprofiler import Profiler
from greenletprofiler.dropin.collect import key_of
from greenletprofiler.errors import AlreadyRunningError, OutputError
from greenletprofiler.values import Function

ROOT = Path(GreenletProfiler.__file__).parent
pytestmark = pytest.mark.usefixtures("no_collections")

SWITCH = "<method 'switch' of 'greenlet.greenlet' objects>"
THREAD_TIME = "<built-in method time.thread_time>"
sees_types = sys.version_info >= (3, 12)  # before, calls of types give no event


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    GreenletProfiler.stop()
    GreenletProfiler.clear_stats()
    GreenletProfiler.set_clock_type("cpu")


def spin(n: int) -> None:
    """Uses n milliseconds of CPU time, however fast the machine is at this moment."""
    end = thread_time() + n / 1000
    while thread_time() < end:
        for _ in range(100):
            pass


def leaf() -> None:
    pass


def recorded(program: Callable[[], object], **options: bool) -> YFuncStats:
    GreenletProfiler.start(**options)
    program()
    GreenletProfiler.stop()
    return GreenletProfiler.get_func_stats()


def named(stats: Any, name: str) -> Any:
    (found,) = (item for item in stats if item.name == name)
    return found


def children_of(item: YFuncStat) -> set[str]:
    return {child.name for child in item.children}


def total(stats: YFuncStats) -> float:
    """All seconds of CPU time that were recorded."""
    return sum(item.tsub for item in stats)


def assert_uses(item: YFuncStat, seconds: float, excess: float) -> None:
    """What it was to use, and of what the whole program used beyond that, anything: a machine that others use
    may put that anywhere."""
    assert 0.9 * seconds <= item.ttot <= 1.1 * seconds + excess


# The expectations of 0.1's own tests: its greenlets switch in the middle of everything.


def test_three_levels_of_calls_with_switches_between() -> None:
    def a() -> None:
        main.switch()
        b()
        spin(1)

    def b() -> None:
        spin(5)
        main.switch()
        c()

    def c() -> None:
        spin(7)

    main = greenlet.getcurrent()

    def program() -> None:
        g = greenlet.greenlet(a)
        g.switch()
        spin(2)
        g.switch()
        spin(3)
        g.switch()
        assert g.dead

    stats = recorded(program, builtins=True)
    excess = total(stats) - 0.018
    assert named(stats, "spin").ncall == 5
    assert children_of(named(stats, "spin")) == {THREAD_TIME} | ({"range"} if sees_types else set())
    for name, calls, children, units in (
        ("a", 1, {"spin", "b", SWITCH}, 13),
        ("b", 1, {"spin", "c", SWITCH}, 12),
        ("c", 1, {"spin"}, 7),
    ):
        item = named(stats, name)
        assert item.ncall == calls
        assert children_of(item) == children
        assert_uses(item, units / 1000, excess)
        assert item.tavg == item.ttot
        assert item.tsub < 0.001 + excess


def test_recursion_with_switches_between() -> None:
    def r(n: int) -> None:
        spin(1)
        main.switch()
        if n > 1:
            r(n - 1)
        main.switch()

    def s(n: int) -> None:
        spin(1)
        main.switch()
        if n > 1:
            s(n - 1)
        main.switch()

    main = greenlet.getcurrent()

    def program() -> None:
        running = [greenlet.greenlet(partial(r, 10)), greenlet.greenlet(partial(s, 2))]
        for g in running:
            g.switch()
        while running:
            for g in list(running):
                g.switch()
                if g.dead:
                    running.remove(g)

    stats = recorded(program, builtins=True)
    excess = total(stats) - 0.012
    assert named(stats, "spin").ncall == 12
    for name, calls in (("r", 10), ("s", 2)):
        item = named(stats, name)
        assert (item.ncall, item.nactualcall) == (calls, 1)
        assert item.is_recursive()
        assert children_of(item) == {"spin", name, SWITCH}
        assert_uses(item, calls / 1000, excess)
        assert item.tavg == pytest.approx(item.ttot / calls)
        assert named(item.children, name).ncall == calls - 1


# Starting, stopping, clocks


def test_starting_twice_and_stopping_twice_are_silent() -> None:
    assert not GreenletProfiler.is_running()
    GreenletProfiler.stop()
    GreenletProfiler.start()
    GreenletProfiler.start(builtins=True)
    assert GreenletProfiler.is_running()
    GreenletProfiler.stop()
    GreenletProfiler.stop()
    assert not GreenletProfiler.is_running()


def test_counting_goes_on_over_stop_and_start_until_it_is_cleared() -> None:
    assert named(recorded(leaf), "leaf").ncall == 1
    leaf()
    assert named(recorded(leaf), "leaf").ncall == 2
    assert named(GreenletProfiler.get_func_stats(), "leaf").ncall == 2
    GreenletProfiler.clear_stats()
    assert GreenletProfiler.get_func_stats().empty()
    assert named(recorded(leaf), "leaf").ncall == 1


def test_counting_goes_on_when_a_later_start_has_other_options() -> None:
    def outer() -> None:
        leaf()
        len([])

    recorded(outer)
    stats = recorded(outer, builtins=True, profile_threads=False)
    stats = recorded(outer)
    assert (named(stats, "leaf").ncall, named(stats, "outer").ncall) == (3, 3)
    assert named(named(stats, "outer").children, "leaf").ncall == 3
    assert named(stats, "<built-in method builtins.len>").ncall == 1
    assert len(GreenletProfiler.get_thread_stats()) == 1


def test_clearing_while_running_counts_on_from_zero() -> None:
    GreenletProfiler.start()
    leaf()
    GreenletProfiler.clear_stats()
    assert GreenletProfiler.is_running()
    leaf()
    leaf()
    assert named(GreenletProfiler.get_func_stats(), "leaf").ncall == 2


def test_statistics_can_be_had_while_running() -> None:
    GreenletProfiler.start()
    leaf()
    first = GreenletProfiler.get_func_stats()
    leaf()
    assert named(first, "leaf").ncall == 1
    assert named(GreenletProfiler.get_func_stats(), "leaf").ncall == 2


def test_the_clock_chooses_what_is_shown_at_any_time() -> None:
    main = greenlet.getcurrent()
    waits = threading.Event()

    def waiting() -> None:
        main.switch()

    def program() -> None:
        g = greenlet.greenlet(waiting)
        g.switch()
        waits.wait(0.05)
        g.switch()

    cpu = recorded(program)
    assert GreenletProfiler.get_clock_type()["type"] == "cpu"
    GreenletProfiler.set_clock_type("WALL")
    assert GreenletProfiler.get_clock_type()["type"] == "wall"
    wall = GreenletProfiler.get_func_stats()
    assert named(cpu, "waiting").ttot < 0.02
    assert named(wall, "waiting").ttot >= 0.05
    assert named(wall, "waiting").ncall == named(cpu, "waiting").ncall == 1


def test_an_unknown_clock_is_an_error() -> None:
    with pytest.raises(YappiError, match="Invalid clock type:SUN"):
        GreenletProfiler.set_clock_type("sun")


def test_a_running_profiler_of_the_package_is_an_error() -> None:
    with Profiler(), pytest.raises(AlreadyRunningError, match="Another profiler"):
        GreenletProfiler.start()
    assert not GreenletProfiler.is_running()


def test_builtins_are_off_unless_asked_for() -> None:
    stats = recorded(lambda: len([]))
    assert not [item for item in stats if item.builtin]
    GreenletProfiler.clear_stats()
    stats = recorded(lambda: len([]), builtins=True)
    item = named(stats, "<built-in method builtins.len>")
    assert item.builtin
    assert (item.module, item.lineno) == ("builtins", 0)


def test_other_threads_count_unless_told_not_to() -> None:
    def program() -> None:
        thread = threading.Thread(target=leaf)
        thread.start()
        thread.join()

    assert named(recorded(program), "leaf").ncall == 1
    GreenletProfiler.clear_stats()
    assert not [item for item in recorded(program, profile_threads=False) if item.name == "leaf"]


# Items and collections


class Shape:
    def area(self) -> None:
        leaf()

    @classmethod
    def unit(cls) -> None: ...


def shapes() -> None:
    Shape().area()
    Shape.unit()
    leaf()


def test_functions_are_named_as_in_0_1() -> None:
    stats = recorded(shapes)
    area = named(stats, "Shape.area")
    line = Shape.area.__code__.co_firstlineno
    assert (area.module, area.lineno, area.builtin) == (__file__, line, False)
    assert area.full_name == f"{__file__}:{line} Shape.area"


def test_names_of_functions() -> None:
    names = {
        Function("python", "f.<locals>.C.method", "", "a.py", 3): ("C.method", "a.py", 3, False),
        Function("python", "Outer.Inner.method", "", "a.py", 3): ("Inner.method", "a.py", 3, False),
        Function("python", "f.<locals>.g", "", "a.py", 3): ("g", "a.py", 3, False),
        Function("python", "<module>", "", "a.py", 1): ("<module>", "a.py", 1, False),
        Function("function", "len", "builtins"): ("<built-in method builtins.len>", "builtins", 0, True),
        Function("method", "append", "list"): ("<method 'append' of 'list' objects>", "builtins", 0, True),
        Function("method", "switch", "greenlet.greenlet"): (SWITCH, "greenlet", 0, True),
        Function("type", "range", "builtins"): ("range", "builtins", 0, True),
        Function("cython", "Waiter.get", "gevent._waiter"): ("Waiter.get", "gevent._waiter", 0, True),
    }
    assert {function: tuple(key_of(function) or ()) for function in names} == names
    assert key_of(Function("greenlet", "Greenlet", "gevent")) is None
    assert key_of(Function("truncated", "truncated")) is None


def test_fields_can_be_read_as_attributes_by_name_and_by_position() -> None:
    item = named(recorded(shapes), "leaf")
    fields = (
        "name", "module", "lineno", "ncall", "nactualcall", "builtin", "ttot", "tsub", "index", "children",
        "tavg", "full_name", "ctx_id",
    )  # fmt: skip
    for position, name in enumerate(fields):
        assert item[position] is item[name] is getattr(item, name)
    item.ncall = 99
    assert item["ncall"] == item[3] == 99
    with pytest.raises(KeyError):
        item["colour"]


def test_collections_find_items_by_index_full_name_and_item() -> None:
    stats = recorded(shapes)
    leaf_item = named(stats, "leaf")
    assert stats[leaf_item.index] is leaf_item
    assert stats[leaf_item.full_name] is leaf_item
    assert stats[leaf_item] is leaf_item
    assert stats["no such function"] is None
    assert stats[12345] is None
    child = named(named(stats, "shapes").children, "leaf")
    assert isinstance(child, YChildFuncStat)
    assert child.index == leaf_item.index
    assert child == leaf_item
    assert stats[child] is leaf_item
    assert leaf_item in stats


def test_children_tell_calls_of_this_caller_only() -> None:
    stats = recorded(shapes)
    assert named(stats, "leaf").ncall == 2
    assert named(named(stats, "shapes").children, "leaf").ncall == 1
    assert named(named(stats, "Shape.area").children, "leaf").ncall == 1


def test_of_functions_that_ran_before_the_start_those_have_rows_that_ran_on() -> None:
    def before() -> None:
        main.switch()
        spin(1)

    main = greenlet.getcurrent()
    worker, idle = greenlet.greenlet(before), greenlet.greenlet(before)
    worker.switch()
    idle.switch()
    stats = recorded(shapes)
    assert {item.name for item in stats} == {"recorded", "shapes", "Shape.area", "Shape.unit", "leaf"}
    assert [(item.name, item.ncall, item.tavg) for item in stats if not item.ncall] == [("recorded", 0, 0.0)]
    assert [(child.name, child.ncall) for child in named(stats, "recorded").children] == [("shapes", 1)]
    stats = recorded(worker.switch)
    assert named(stats, "before").ncall == 0
    assert named(stats, "before").ttot >= 0.0009


def test_a_loop_without_calls_that_runs_since_before_the_start_has_its_time() -> None:
    def loop() -> None:
        main.switch()
        for _ in range(20_000):
            pass
        main.switch()

    main = greenlet.getcurrent()
    worker = greenlet.greenlet(loop)
    worker.switch()
    found = named(recorded(worker.switch), "loop")
    assert (found.ncall, found.ttot) == (0, found.tsub)
    assert found.tsub > 0.0001


def test_sorting_by_each_type_and_order() -> None:
    stats = recorded(shapes)
    for sort_type, field in (
        ("name", "name"),
        ("callcount", "ncall"),
        ("ncall", "ncall"),
        ("totaltime", "ttot"),
        ("TTOT", "ttot"),
        ("subtime", "tsub"),
        ("tsub", "tsub"),
        ("avgtime", "tavg"),
        ("tavg", "tavg"),
    ):
        for order, is_descending in (
            ("asc", False),
            ("ascending", False),
            ("DESC", True),
            ("descending", True),
        ):
            values = [getattr(item, field) for item in stats.sort(sort_type, order)]
            assert values == sorted(values, reverse=is_descending)
    assert [item.ttot for item in stats.get()] == sorted((item.ttot for item in stats), reverse=True)
    with pytest.raises(YappiError, match="SortType"):
        stats.sort("colour")
    with pytest.raises(YappiError, match="SortOrder"):
        stats.sort("name", "sideways")


def test_appending_an_item_that_is_there_adds_it_up() -> None:
    stats = recorded(shapes)
    other = YFuncStats()
    assert other.empty()
    for _ in range(2):
        other.append(GreenletProfiler.get_func_stats()[named(stats, "shapes").full_name])
    (item,) = other
    assert item.ncall == 2
    assert named(item.children, "leaf").ncall == 2
    other.clear()
    assert len(other) == 0


def test_folders_can_be_stripped() -> None:
    stats = recorded(shapes).strip_dirs()
    item = named(stats, "shapes")
    assert item.module == Path(__file__).name
    assert item.full_name.startswith(f"{Path(__file__).name}:")
    assert stats[item.full_name] is item
    assert named(item.children, "leaf").module == Path(__file__).name


# Printing


def test_functions_are_printed_in_the_layout_of_0_1() -> None:
    def countdown(n: int) -> None:
        if n:
            countdown(n - 1)

    out = io.StringIO()
    recorded(partial(countdown, 3)).sort("name", "asc").print_all(out)
    lines = out.getvalue().splitlines()
    assert lines[:4] == ["", "Clock type: cpu", "Ordered by: name, asc", ""]
    assert lines[4] == "name                                    #n         tsub      ttot      tavg"
    row = lines[5]
    assert row.startswith("..")
    assert row[:38].endswith(" countdown")
    assert row[38:49].strip() == "4/1"
    assert [len(cell) for cell in row[51:].split()] == [8, 8, 8]
    empty = io.StringIO()
    YFuncStats().print_all(empty)
    assert empty.getvalue() == ""


def test_times_lose_decimals_rather_than_width() -> None:
    from greenletprofiler.dropin.layout import seconds_text

    assert [seconds_text(seconds) for seconds in (0.5, 12.5, 12345.6789, 123456789.0)] == [
        "0.500000", "12.50000", "12345.68", "123456789.0",
    ]  # fmt: skip


def test_details_name_the_children(capsys: pytest.CaptureFixture[str]) -> None:
    recorded(shapes).debug_print()
    text = capsys.readouterr().out
    assert "ncall: 2/2" in text
    assert f"     child_full_name: {__file__}:{leaf.__code__.co_firstlineno} leaf" in text


def test_threads_are_told_by_class_name_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    class Worker(threading.Thread):
        pass

    def program() -> None:
        worker = Worker(target=partial(spin, 20))
        worker.start()
        worker.join()

    stats = recorded(program)
    threads = GreenletProfiler.get_thread_stats()
    assert {thread.name for thread in threads} == {"_MainThread", "Worker"}
    worker, main = named(threads, "Worker"), named(threads, "_MainThread")
    assert 0.018 <= named(stats, "spin").ttot <= worker.ttot
    assert worker.ttot + main.ttot == pytest.approx(total(stats), rel=0.05, abs=0.001)
    assert main.tid == threading.get_ident()
    assert main.sched_count >= 1
    assert (named(stats, "spin").ctx_id, named(stats, "program").ctx_id) == (worker.id, main.id)
    threads.print_all()
    assert capsys.readouterr().out.splitlines()[1] == "name           tid              ttot      scnt"
    assert [thread.name for thread in threads.sort("name", "asc")] == ["Worker", "_MainThread"]
    with pytest.raises(YappiError, match="SortType"):
        threads.sort("ncall")


def test_greenlets_are_told_by_class_name_time_and_switches() -> None:
    class Worker(greenlet.greenlet):
        pass

    main = greenlet.getcurrent()

    def work() -> None:
        spin(10)
        main.switch()
        spin(10)

    def program() -> None:
        workers = [Worker(work) for _ in range(3)]
        for worker in workers * 2:
            worker.switch()

    stats = recorded(program)
    greenlets = GreenletProfiler.get_greenlet_stats()
    workers = [item for item in greenlets if item.name == "Worker"]
    assert [worker.sched_count for worker in workers] == [2, 2, 2]
    assert all(worker.ttot >= 0.018 for worker in workers)
    assert sum(worker.ttot for worker in workers) == pytest.approx(named(stats, "work").ttot, rel=0.05)
    assert len({item.id for item in greenlets}) == len(greenlets)
    assert len(workers) == 3 and any(item.name == "greenlet" for item in greenlets)
    out = io.StringIO()
    greenlets.print_all(out)
    assert out.getvalue().splitlines()[1].split() == ["name", "id", "ttot", "scnt"]


def test_memory_is_told_in_bytes() -> None:
    recorded(shapes)
    assert GreenletProfiler.get_mem_usage() > 100


# Files


def test_callgrind_files_hold_the_clock_that_is_shown(tmp_path: Path) -> None:
    def main() -> None:
        spawned = greenlet.greenlet(shapes)
        shapes()
        spawned.switch()
        countdown(3)

    def countdown(n: int) -> None:
        if n:
            countdown(n - 1)

    stats = recorded(main)
    path = tmp_path / "x.callgrind"
    stats.save(str(path), type="callgrind")
    content = read_callgrind(path.read_text())
    assert content.events == ["CPU"]
    assert content.count("main", "shapes") == 1
    assert content.count("[no caller]", "shapes") == 1
    assert content.count("countdown", "countdown") == 3
    found = inclusive_costs(content)
    for item in stats:
        (cost,) = found[item.module, item.name]
        assert cost == pytest.approx(item.ttot * 1e9, abs=2)
    assert content.totals[0] == pytest.approx(sum(item.tsub for item in stats) * 1e9, abs=len(stats))
    GreenletProfiler.set_clock_type("wall")
    GreenletProfiler.get_func_stats().save(str(path), "CALLGRIND")
    assert read_callgrind(path.read_text()).events == ["Elapsed"]


def test_pstat_files_are_read_by_the_standard_library(tmp_path: Path) -> None:
    def countdown(n: int) -> None:
        len([])
        if n:
            countdown(n - 1)

    recorded_stats = recorded(partial(countdown, 3), builtins=True)
    path = tmp_path / "x.pstat"
    recorded_stats.save(str(path), type="pstat")
    item = named(recorded_stats, "countdown")
    key = (item.module, item.lineno, "countdown")
    for stats in (pstats.Stats(str(path)), GreenletProfiler.convert2pstats(recorded_stats)):
        entries: dict[Any, Any] = stats.stats  # type: ignore[attr-defined]
        assert entries[key][:4] == (1, 4, item.tsub, item.ttot)
        assert entries[key][4][key][:2] == (3, 0)
        assert entries["~", 0, "<built-in method builtins.len>"][4][key][0] == 4
    with pytest.raises(YappiError):
        GreenletProfiler.convert2pstats([])  # type: ignore[arg-type]


def test_ystat_files_can_be_added_up(tmp_path: Path) -> None:
    path = str(tmp_path / "x.ystat")
    before = recorded(shapes)
    before.save(path)
    loaded = YFuncStats(path)
    assert {item.full_name: tuple(item.values())[:8] for item in loaded} == {
        item.full_name: tuple(item.values())[:8] for item in before
    }
    twice = YFuncStats([path]).add([path])
    item = named(twice, "shapes")
    assert (item.ncall, named(item.children, "leaf").ncall) == (2, 2)
    assert item.ttot == pytest.approx(2 * named(before, "shapes").ttot)
    GreenletProfiler.clear_stats()
    mixed = recorded(lambda: leaf()).add(path)
    assert named(mixed, "leaf").ncall == 3
    child = named(named(mixed, "shapes").children, "leaf")
    assert mixed[child.index].name == "leaf"
    assert len({item.index for item in mixed}) == len(mixed)


def test_ystat_files_of_another_clock_are_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "x.ystat")
    stats = recorded(shapes)
    stats.save(path)
    GreenletProfiler.set_clock_type("wall")
    with pytest.raises(YappiError, match=r"Clock type mismatch.*\[wall,cpu\]"):
        GreenletProfiler.get_func_stats().add(path)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("executed",))


@pytest.mark.parametrize(
    "content",
    [pickle.dumps(Bomb(), 2), b"", b"\xff\xfe", b"[1]", b"{}", json.dumps({"format": "other"}).encode()],
)
def test_other_files_are_refused_and_nothing_in_them_is_executed(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.ystat"
    path.write_bytes(content)
    with pytest.raises(YappiError, match="Unable to load the saved profile information from"):
        YFuncStats(str(path))
    assert capsys.readouterr().out == ""


def test_unknown_file_types_and_bad_paths_are_errors(tmp_path: Path) -> None:
    stats = recorded(shapes)
    with pytest.raises(NotImplementedError, match="svg"):
        stats.save(str(tmp_path / "x"), type="svg")
    with pytest.raises(NotImplementedError, match="pstat"):
        stats.add(str(tmp_path / "x"), type="pstat")
    with pytest.raises(OutputError):
        stats.save(str(tmp_path / "missing" / "x"), type="pstat")
    with pytest.raises(FileNotFoundError):
        stats.add(str(tmp_path / "missing"))


# The command


def test_options_are_handed_to_the_command_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from greenletprofiler.dropin import command

    handed_over: list[list[str]] = []

    def run(argv: list[str]) -> int:
        handed_over.append(argv)
        return 7

    monkeypatch.setattr("greenletprofiler.cli.main", run)
    assert command.main(["script.py", "-b", "x"]) == 7
    command.main(["-b", "-s", "-c", "wall", "script.py"])
    assert handed_over == [
        ["--no-builtins", "--clock", "cpu", "script.py", "-b", "x"],
        ["--single-thread", "--clock", "wall", "script.py"],
    ]


def test_the_module_runs_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\ndef greet():\n    print('hello', sys.argv[1:])\ngreet()\nsys.exit(3)\n")
    for command in ([str(ROOT / "GreenletProfiler.py")], ["-m", "GreenletProfiler"]):
        result = subprocess.run(
            [sys.executable, *command, "-c", "wall", str(script), "-b", "x"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        assert (result.returncode, result.stdout) == (3, "hello ['-b', 'x']\n"), result.stderr
        assert "greet" in result.stderr
        assert "<built-in method builtins.print>" not in result.stderr


def test_the_module_without_a_script_shows_how_to_use_it() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "GreenletProfiler"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert result.returncode == 2
    assert result.stderr.startswith("Usage: python -m GreenletProfiler [-b] [-s] [-c CLOCK] SCRIPT")
