"""What is told of single greenlets: names, places, trees of their own."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from typing import Any

import gevent
import greenlet
import pytest
from gevent.pool import Pool

from greenletprofiler import Profile, Profiler, _native
from greenletprofiler.calltree import TreeNode
from greenletprofiler.values import GreenletStats

MEMORY_COUNTERS = "truncated_calls", "unplaced_greenlets", "unnamed_calls", "unrecorded_threads"


def leaf() -> None:
    pass


def named(profile: Profile, function: str) -> list[GreenletStats]:
    with_function = (each for each in profile.greenlets if each.first_function is not None)
    return [each for each in with_function if each.first_function.bare_name == function]  # type: ignore[union-attr]


def recorded(program: Callable[[], object], **options: Any) -> Profile:
    with Profiler(**options) as profiler:
        program()
    return profiler.snapshot()


# -- names -----------------------------------------------------------------------------------------------


def test_a_greenlet_goes_by_the_name_that_the_program_gave_it() -> None:
    def program() -> None:
        greenlets = [gevent.spawn(leaf) for _ in range(3)]
        greenlets[1].name = "the second"
        gevent.joinall(greenlets)

    first, second, third = named(recorded(program), "leaf")
    assert (second.name, second.given_name) == ("the second", "the second")
    assert (first.name, first.given_name) == (f"leaf-{first.id}", "")
    assert third.name == f"leaf-{third.id}"


def test_any_greenlet_may_have_a_name() -> None:
    class Worker(greenlet.greenlet):
        name: str

    def program() -> None:
        worker = Worker(leaf)
        worker.name = "\u20ac" * 300
        worker.switch()

    (worker,) = named(recorded(program), "leaf")
    assert worker.name == "\u20ac" * 200  # no more is kept


def test_what_is_no_text_is_no_name() -> None:
    class Worker(greenlet.greenlet):
        name = "the class's"

    def program() -> None:
        for name in (3, None, ["x"]):
            worker = Worker(leaf)
            worker.name = name  # type: ignore[assignment]
            worker.switch()
        Worker(leaf).switch()

    assert [each.given_name for each in named(recorded(program), "leaf")] == [""] * 4


def test_a_name_is_looked_up_without_calling_the_program() -> None:
    calls = []

    class Worker(greenlet.greenlet):
        @property
        def name(self) -> str:
            calls.append("name")
            return "computed"

        def __getattr__(self, name: str) -> object:
            calls.append(name)
            raise AttributeError(name)

    recorded(lambda: Worker(leaf).switch(), spawn_places=True)
    assert calls == []


def test_names_stay_over_sessions() -> None:
    main = greenlet.getcurrent()

    class Worker(greenlet.greenlet):
        name: str

    profiler = Profiler()
    worker = Worker(lambda: [main.switch() for _ in range(3)])
    worker.name = "patient"
    for _ in range(3):
        with profiler:
            worker.switch()
    (found,) = (each for each in profiler.snapshot().greenlets if each.given_name)
    assert found.name == "patient" and found.switches == 3


# -- where they were spawned -----------------------------------------------------------------------------


def spawn_by_hand() -> gevent.Greenlet:
    return gevent.spawn(leaf)


def spawn_in_pool() -> gevent.Greenlet:
    return Pool(1).spawn(leaf)


@pytest.mark.parametrize("spawn", [spawn_by_hand, spawn_in_pool])
def test_where_gevent_spawned_a_greenlet_is_found_out(spawn: Callable[[], gevent.Greenlet]) -> None:
    (found,) = named(recorded(lambda: spawn().join(), spawn_places=True), "leaf")
    assert found.spawned_at is not None
    assert found.spawned_at.function.bare_name == spawn.__name__
    assert found.spawned_at.function.filename == __file__
    assert found.spawned_at.line == spawn.__code__.co_firstlineno + 1
    assert str(found.spawned_at) == f"{__file__}:{found.spawned_at.line} in {spawn.__name__}"


def test_nobody_asked_where_so_nobody_looked() -> None:
    assert [each.spawned_at for each in named(recorded(lambda: spawn_by_hand().join()), "leaf")] == [None]


def test_of_greenlets_that_gevent_did_not_spawn_it_is_not_known() -> None:
    profile = recorded(lambda: greenlet.greenlet(leaf).switch(), spawn_places=True)
    assert [each.spawned_at for each in named(profile, "leaf")] == [None]


def test_the_table_tells_where() -> None:
    out = io.StringIO()
    recorded(lambda: spawn_by_hand().join(), spawn_places=True).print(out, width=150)
    assert "leaf, spawned at test_greenlet_details.py:" in out.getvalue()
    assert " in spawn_by_hand\n" in out.getvalue()


# -- trees of their own ----------------------------------------------------------------------------------


def bases(profile: Profile) -> dict[int, TreeNode]:
    """By the numbers of their greenlets, in all threads."""
    every = [base for thread in profile.tree.children for base in thread.children]
    return {base.function.number: base for base in every}


def calls_of(base: TreeNode) -> dict[str, int]:
    return {node.function.bare_name: node.calls for node in base.walk() if node.function.is_function}


def test_each_greenlet_can_have_a_tree_of_its_own() -> None:
    def work(number: int) -> None:
        for _ in range(number):
            leaf()

    def program() -> None:
        for number in (2, 3, 5):
            greenlet.greenlet(work).switch(number)

    profile = recorded(program, per_greenlet=True, builtins=False)
    workers = named(profile, "work")
    trees = bases(profile)
    assert [calls_of(trees[each.id]) for each in workers] == [
        {"work": 1, "leaf": 2},
        {"work": 1, "leaf": 3},
        {"work": 1, "leaf": 5},
    ]
    assert [trees[each.id].inclusive.running_ns for each in workers] != [0, 0, 0]
    assert all(trees[each.id].function.shared == each.greenlet_class for each in workers)
    assert trees[workers[0].id].function.label == f"[greenlet {workers[0].id}: greenlet.greenlet]"


def test_functions_edges_and_kinds_are_as_with_trees_that_are_shared() -> None:
    def program() -> None:
        gevent.joinall([gevent.spawn(gevent.sleep, 0.001) for _ in range(5)])

    def shape(profile: Profile) -> tuple[set[Any], set[Any]]:
        functions = {(each.function, each.calls) for each in profile.functions if each.calls}
        kinds = {
            (kind.greenlet_class, kind.function, kind.greenlets)
            for kind in profile.greenlet_kinds
            if kind.greenlets
        }
        return functions, kinds

    program()  # the hub has begun
    shared, separate = recorded(program), recorded(program, per_greenlet=True)
    (shared_functions, shared_kinds), (functions, kinds) = shape(shared), shape(separate)
    assert kinds == shared_kinds
    assert {each for each in functions if each[0].bare_name == "sleep"} == {
        each for each in shared_functions if each[0].bare_name == "sleep"
    }
    slices = [kind.slices.count for kind in separate.greenlet_kinds]
    assert sum(slices) == sum(thread.switches + thread.polls for thread in separate.threads)


def test_a_greenlet_goes_on_in_its_tree_in_the_next_session() -> None:
    main = greenlet.getcurrent()

    def work() -> None:
        while True:
            leaf()
            main.switch()

    profiler = Profiler(per_greenlet=True, builtins=False)
    workers = [greenlet.greenlet(work) for _ in range(3)]
    workers[0].switch()
    for _ in range(3):
        with profiler:
            for worker in workers:
                worker.switch()
    profile = profiler.snapshot()
    trees = bases(profile)
    assert [calls_of(trees[each.id]) for each in named(profile, "work")] == [
        {"work": 0, "leaf": 3},
        {"work": 1, "leaf": 3},
        {"work": 1, "leaf": 3},
    ]
    assert {each.id for each in named(profile, "work")} <= set(trees)


def test_whatever_memory_there_is_for_trees_calls_are_counted_or_told_of_as_missing() -> None:
    complete = 0
    for number in range(1, 150):
        try:
            recorder = _native.Recorder(
                builtins=False, threads=False, hidden=(), polls=(), node_budget=1000, per_greenlet=True,
                failing_request=number,
            )  # fmt: skip
        except MemoryError:
            continue
        recorder.start()
        for _ in range(5):
            greenlet.greenlet(leaf).switch()
        recorder.stop()
        try:
            profile = Profile.from_snapshot(recorder.snapshot())
        except MemoryError:
            continue
        calls = sum(each.calls for each in profile.functions if each.function.name == "leaf")
        said = sum(profile.counters[name] for name in MEMORY_COUNTERS)
        assert calls == 5 or said
        complete += calls == 5
    assert complete > 10


def test_past_the_budget_greenlets_share_again() -> None:
    depth = len(inspect.stack())
    recorder = _native.Recorder(
        builtins=False, threads=False, hidden=(), polls=(), node_budget=depth + 30, per_greenlet=True
    )
    recorder.start()
    for _ in range(40):
        greenlet.greenlet(leaf).switch()
    recorder.stop()
    profile = Profile.from_snapshot(recorder.snapshot())
    trees = bases(profile)
    assert 0 in trees and 5 < len(trees) <= 31
    assert sum(calls_of(tree).get("leaf", 0) for tree in trees.values()) + profile.counters[
        "truncated_calls"
    ] >= 40
