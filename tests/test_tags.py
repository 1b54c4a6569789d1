"""Parts of a program that it has named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import gevent
import greenlet
import pytest
from recorded import name_of, stats

from greenletprofiler import Profile, Profiler
from greenletprofiler.errors import TagError
from greenletprofiler.values import TagStats

WITH_AND_WITHOUT_BUILTINS = pytest.mark.parametrize("builtins", [True, False])


def leaf(number: int = 1000) -> int:
    return sum(range(number))


def tags(profile: Profile) -> dict[str, TagStats]:
    return {tag.name: tag for tag in profile.tags}


def paths_below_tags(profile: Profile) -> dict[str, int]:
    """Calls of leaf by the tags above it, as in "GET / > query"."""
    calls: dict[str, int] = {}
    for node in profile.tree.walk():
        if node.function.name == "leaf":
            names = " > ".join(each.name for each in node.path if each.kind == "tag")
            calls[names] = calls.get(names, 0) + node.calls
    return calls


def recorded(program: Callable[[Profiler], object], builtins: bool = True) -> Profile:
    with Profiler(builtins=builtins) as profiler:
        program(profiler)
    return profiler.snapshot()


def edges(profile: Profile, name: str) -> dict[str, int]:
    return {name_of(edge.caller): edge.calls for edge in stats(profile, name).callers}


@WITH_AND_WITHOUT_BUILTINS
def test_what_is_done_in_a_tag_is_told_by_its_name(builtins: bool) -> None:
    def program(profiler: Profiler) -> None:
        leaf()
        for name in ("GET /", "GET /", "GET /users"):
            with profiler.tag(name):
                leaf()
                len("built-in")
                leaf()
        leaf()

    profile = recorded(program, builtins)
    assert paths_below_tags(profile) == {"": 2, "GET /": 4, "GET /users": 2}
    assert {name: tag.entries for name, tag in tags(profile).items()} == {"GET /": 2, "GET /users": 1}
    assert edges(profile, "leaf") == {"program": 8}
    counters = profile.counters
    assert counters["lost_leaves"] == counters["unmatched_leaves"] == counters["unopened_tags"] == 0


@WITH_AND_WITHOUT_BUILTINS
def test_functions_and_edges_are_as_without_tags(builtins: bool) -> None:
    def program(profiler: Profiler) -> None:
        with profiler.tag("outer"):
            leaf(2_000_000)
            with profiler.tag("inner"):
                leaf(10)

    profile = recorded(program, builtins)
    program_stats, leaf_stats = stats(profile, "program"), stats(profile, "leaf")
    assert program_stats.calls == 1 and leaf_stats.calls == 2
    assert program_stats.inclusive.running_ns > leaf_stats.inclusive.running_ns
    total = program_stats.self.running_ns + sum(edge.inclusive.running_ns for edge in program_stats.callees)
    assert total == program_stats.inclusive.running_ns
    assert not any(each.function.kind == "tag" for each in profile.functions)


def test_times_of_a_tag_are_of_all_that_was_done_in_it_and_count_once_where_it_is_in_itself() -> None:
    def again(profiler: Profiler, depth: int) -> None:
        with profiler.tag("again"):
            leaf(100_000)
            if depth:
                again(profiler, depth - 1)

    profile = recorded(lambda profiler: again(profiler, 4))
    tag = tags(profile)["again"]
    assert tag.entries == 5
    assert stats(profile, "leaf").inclusive.cpu_ns <= tag.times.cpu_ns <= profile.total.cpu_ns


def test_a_tag_is_its_greenlets_and_stays_over_switches() -> None:
    def serve(profiler: Profiler, name: str) -> None:
        with profiler.tag(name):
            leaf()
            gevent.sleep(0.01)
            leaf()
            gevent.spawn(leaf).join()

    def program(profiler: Profiler) -> None:
        gevent.joinall([gevent.spawn(serve, profiler, f"GET /{number % 2}") for number in range(6)])

    profile = recorded(program)
    assert paths_below_tags(profile) == {"": 6, "GET /0": 6, "GET /1": 6}
    assert all(tag.times.waiting_ns >= 30_000_000 for tag in profile.tags)


def test_a_tag_ends_with_the_function_that_entered_it() -> None:
    def forgetful(profiler: Profiler) -> object:
        tag = profiler.tag("open")
        tag.__enter__()
        leaf()
        return tag

    def program(profiler: Profiler) -> None:
        tag = forgetful(profiler)
        leaf()
        tag.__exit__(None, None, None)  # type: ignore[attr-defined]
        leaf()

    profile = recorded(program)
    assert paths_below_tags(profile) == {"open": 1, "": 2}
    assert profile.counters["lost_leaves"] == 0


def test_an_exception_ends_a_tag() -> None:
    def failing(profiler: Profiler) -> None:
        with profiler.tag("failing"):
            leaf()
            raise KeyError

    def program(profiler: Profiler) -> None:
        with pytest.raises(KeyError):
            failing(profiler)
        leaf()

    assert paths_below_tags(recorded(program)) == {"failing": 1, "": 1}


def test_a_generators_tag_ends_at_its_yield() -> None:
    def numbers(profiler: Profiler) -> Iterator[int]:
        with profiler.tag("generating"):
            leaf()
            yield 1
            leaf()

    def program(profiler: Profiler) -> None:
        for _ in numbers(profiler):
            leaf()

    profile = recorded(program)
    assert paths_below_tags(profile) == {"generating": 1, "": 2}
    assert profile.counters["lost_leaves"] == 0


def test_a_tag_may_be_left_by_another_function_which_began_in_it_and_so_is_in_it_to_its_end() -> None:
    def program(profiler: Profiler) -> None:
        with ExitStack() as stack:
            stack.callback(leaf)  # by ExitStack.__exit__, after it has left the tag
            tag = profiler.tag("kept")
            tag.__enter__()
            stack.push(tag.__exit__)
            leaf()
        leaf()

    assert paths_below_tags(recorded(program)) == {"kept": 2, "": 1}


def test_a_tag_does_nothing_while_the_profiler_is_stopped() -> None:
    profiler = Profiler()
    tag = profiler.tag("off")
    with tag:
        profiler.start()
        leaf()
    profiler.stop()
    with tag:
        leaf()
    assert profiler.snapshot().tags == ()
    assert paths_below_tags(profiler.snapshot()) == {"": 1}


def test_one_tag_may_be_used_in_itself() -> None:
    def program(profiler: Profiler) -> None:
        tag = profiler.tag("same")
        with tag:
            with tag:
                leaf()
            leaf()
        leaf()

    assert paths_below_tags(recorded(program)) == {"same > same": 1, "same": 1, "": 1}


def test_past_a_thousand_names_more_are_one() -> None:
    def program(profiler: Profiler) -> None:
        for number in range(1_010):
            with profiler.tag(f"GET /{number}"):
                leaf(1)
        with profiler.tag("GET /7"):
            leaf(1)

    profile = recorded(program)
    found = tags(profile)
    assert len(found) == 1_001
    assert found["[other]"].entries == 10
    assert found["GET /7"].entries == 2
    assert sum(paths_below_tags(profile).values()) == 1_011


def test_a_tag_of_a_function_that_is_excluded_is_its_callers() -> None:
    def program(profiler: Profiler) -> None:
        names: dict[str, object] = {"profiler": profiler, "leaf": leaf, "__name__": "hidden.module"}
        exec("def part():\n    with profiler.tag('part'):\n        leaf()\n", names)
        names["part"]()  # type: ignore[operator]
        leaf()

    with Profiler(exclude=["hidden.*"]) as profiler:
        program(profiler)
    assert paths_below_tags(profiler.snapshot()) == {"part": 1, "": 1}


def test_a_tag_entered_before_an_unseen_switch_of_greenlets_is_no_others() -> None:
    main = greenlet.getcurrent()

    def other() -> None:
        leaf()
        main.switch()
        leaf()

    def program(profiler: Profiler) -> None:
        worker = greenlet.greenlet(other)
        with profiler.tag("mine"):
            worker.switch()
            leaf()
        worker.switch()

    assert paths_below_tags(recorded(program)) == {"": 2, "mine": 1}


@pytest.mark.parametrize("name", ["", None, 3, b"GET /"])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(TagError, match="a tag is a text, such as 'GET /users'"):
        Profiler().tag(name)  # type: ignore[arg-type]


def test_a_difference_has_what_was_done_in_tags_since() -> None:
    with Profiler() as profiler:
        with profiler.tag("part"):
            leaf()
        earlier = profiler.snapshot()
        for _ in range(3):
            with profiler.tag("part"):
                leaf()
    since = profiler.snapshot().since(earlier)
    assert tags(since)["part"].entries == 3
    assert paths_below_tags(since) == {"part": 3}
