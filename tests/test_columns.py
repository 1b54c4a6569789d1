"""The extension's folds over columns: what plain Python makes of their definition; no numbers do harm."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable

import pytest

from greenletprofiler import _native

PARENTS = array("i", [-1, 0, 1, 2, 1])
GROUPS = array("i", [-1, 0, 1, 0, 1])
VALUES = array("q", [1, 2, 4, 8, 16])
KINDS = bytes(2)
COSTS = ((1.0, 1.0),) * 4


def numbers(content: bytes) -> list[int]:
    return list(array("i", content))


def values(content: bytes) -> list[int]:
    return list(array("q", content))


def any_tree(seed: int) -> tuple[array[int], array[int], array[int]]:
    """Parents, groups from -1 to 4, and values of a tree of 200 nodes."""
    random_ = random.Random(seed)
    parents = array("i", (random_.randrange(max(0, node - 8), node) if node else -1 for node in range(200)))
    groups = array("i", (random_.randrange(-1, 5) for _ in parents))
    return parents, groups, array("q", (random_.randrange(-(10**12), 10**12) for _ in parents))


def groups_on_the_way_up(parents: array[int], groups: array[int], node: int) -> list[int]:
    above = []
    while (node := parents[node]) >= 0:
        above.append(groups[node])
    return above


@pytest.mark.parametrize("seed", range(20))
def test_folds_are_what_their_definition_says(seed: int) -> None:
    parents, groups, column = any_tree(seed)
    ways_up = [groups_on_the_way_up(parents, groups, node) for node in range(len(parents))]
    nearest = [next((group for group in way if group >= 0), -1) for way in ways_up]
    first_of_its_group = [
        int(group >= 0 and group not in way) for group, way in zip(groups, ways_up, strict=True)
    ]
    by_group = sorted(zip(groups, column, strict=True))
    sums = [sum(value for group, value in by_group if group == wanted) for wanted in range(5)]

    assert numbers(_native.groups_above(parents, groups)) == nearest
    assert list(_native.outermost(parents, groups, 5)) == first_of_its_group
    assert values(_native.sum_by(column, groups, 5)) == sums
    assert values(_native.sum_upwards(column, parents))[0] == sum(column)


@pytest.mark.parametrize("seed", range(20))
def test_pairs_are_numbered_in_the_order_in_which_they_are_seen(seed: int) -> None:
    parents, groups, _ = any_tree(seed)
    above = array("i", _native.groups_above(parents, groups))
    pairs = [pair for pair in zip(above, groups, strict=True) if min(pair) >= 0]
    known = list(dict.fromkeys(pairs))
    number, left, right = map(numbers, _native.number_pairs(above, groups))
    assert list(zip(left, right, strict=True)) == known
    assert [known[each] for each in number if each >= 0] == pairs


@pytest.mark.parametrize("seed", range(20))
def test_merged_siblings_differ_in_their_function(seed: int) -> None:
    parents, groups, _ = any_tree(seed)
    functions = array("i", (group + 1 for group in groups))
    node_of, merged_parents, merged_functions = map(numbers, _native.merge(parents, functions))
    places = list(zip(merged_parents, merged_functions, strict=True))
    assert len(set(places)) == len(places)
    assert all(merged_functions[node] == function for node, function in zip(node_of, functions, strict=True))
    assert all(
        merged_parents[node] == (0 if parent < 0 else node_of[parent])
        for node, parent in zip(node_of, parents, strict=True)
    )


def test_a_tree_a_million_deep_is_folded() -> None:
    parents = array("i", range(-1, 999_999))
    ones = array("q", [1]) * 1_000_000
    one_group = array("i", [0]) * 1_000_000
    assert values(_native.sum_upwards(ones, parents))[:2] == [1_000_000, 999_999]
    assert sum(_native.outermost(parents, one_group, 1)) == 1


def with_costs(**changed: object) -> Callable[[], object]:
    columns: dict[str, object] = {
        "parents": PARENTS, "functions": array("i", [0, 1, 0, 1, 0]), "kinds": KINDS,
        "calls": VALUES, "resumes": VALUES,
        "passed_over": VALUES, "running_ns": VALUES, "cpu_ns": VALUES, "costs": COSTS,
    } | changed  # fmt: skip
    return lambda: _native.without_costs(*columns.values())  # type: ignore[arg-type]


BEHIND = array("i", [-1, 2, 1, 2, 1])
BELOW_NONE = array("i", [-2, 0, 1, 2, 1])
TOO_LARGE = array("i", [-1, 0, 1, 0, 2])

UNFIT = {
    "an index behind the table": lambda: _native.take(array("i", [1]), array("i", [1])),
    "an index below none": lambda: _native.take(array("i", [1]), array("i", [-2])),
    "marks that are too few": lambda: _native.only(PARENTS, b"1"),
    "targets that are too few": lambda: _native.sum_by(VALUES, PARENTS[:-1], 5),
    "a target behind the sums": lambda: _native.sum_by(VALUES, PARENTS, 2),
    "a length below nothing": lambda: _native.sum_by(VALUES, PARENTS, -1),
    "values that are too few": lambda: _native.sum_upwards(VALUES[:-1], PARENTS),
    "a sum upwards with a parent behind its child": lambda: _native.sum_upwards(VALUES, BEHIND),
    "links with a parent behind its child": lambda: _native.links(BEHIND),
    "links with a parent below none": lambda: _native.links(BELOW_NONE),
    "groups that are too few": lambda: _native.groups_above(PARENTS, GROUPS[:-1]),
    "groups above a parent behind its child": lambda: _native.groups_above(BEHIND, GROUPS),
    "a group behind the last": lambda: _native.outermost(PARENTS, TOO_LARGE, 2),
    "outermost with a parent behind its child": lambda: _native.outermost(BEHIND, GROUPS, 2),
    "pairs of unequal length": lambda: _native.number_pairs(PARENTS, GROUPS[:-1]),
    "merging with functions that are too few": lambda: _native.merge(PARENTS, GROUPS[:-1]),
    "merging with a parent behind its child": lambda: _native.merge(BEHIND, GROUPS),
    "merging with a function below none": lambda: _native.merge(PARENTS, BELOW_NONE),
    "costs with a parent behind its child": with_costs(parents=BEHIND),
    "costs of a function behind the last": with_costs(functions=TOO_LARGE),
    "costs of a function below none": with_costs(functions=BELOW_NONE),
    "costs of too few calls": with_costs(calls=VALUES[:-1]),
    "half a number": lambda: _native.links(b"abc"),
    "numbers that are not aligned": lambda: _native.links(memoryview(bytes(9))[1:]),
}  # fmt: skip


@pytest.mark.parametrize("case", UNFIT)
def test_columns_that_do_not_fit_are_refused(case: str) -> None:
    with pytest.raises(ValueError, match=r"fit|whole|range"):
        UNFIT[case]()


MISTAKEN = {
    "nothing": lambda: _native.links(),  # type: ignore[call-arg]
    "no column": lambda: _native.links([1, 2]),  # type: ignore[arg-type]
    "a length that is none": lambda: _native.sum_by(VALUES, PARENTS, "5"),  # type: ignore[arg-type]
    "no length": lambda: _native.sum_by(VALUES, PARENTS),  # type: ignore[call-arg]
    "a column that is missing": lambda: _native.number_pairs(PARENTS),  # type: ignore[call-arg]
    "no costs": with_costs(costs=None),
    "too few costs": with_costs(costs=COSTS[:-1]),
}


@pytest.mark.parametrize("case", MISTAKEN)
def test_what_is_no_column_is_a_type_error(case: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        MISTAKEN[case]()


def test_nothing_is_folded_into_nothing() -> None:
    nothing = array("i")
    assert _native.links(nothing) == (b"", b"")
    assert _native.outermost(nothing, nothing, 0) == b""
    assert _native.number_pairs(nothing, nothing) == (b"", b"", b"")
    assert numbers(_native.merge(nothing, nothing)[1]) == [-1]
