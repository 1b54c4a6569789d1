"""Recording a piece of program, and asking its profile short questions.

    profile = record(program)
    calls(profile, "outer", "inner") == 3        inner was called three times by outer
    callers(profile, "inner") == {"outer"}

Names are those of Function.name: qualified, without the test function around them.
"""

from __future__ import annotations

from collections.abc import Callable

import greenlet

from greenletprofiler import Profile, Profiler
from greenletprofiler.calltree import TreeNode
from greenletprofiler.values import Function, FunctionStats


def record(program: Callable[[], object], builtins: bool = True, threads: bool = True) -> Profile:
    """The profile of one call of `program`, with raw times: they are compared with the program's clocks."""
    profiler = Profiler(builtins=builtins, threads=threads)
    with profiler:
        program()
    return profiler.snapshot().raw()


def record_with_timeline(program: Callable[[], object]) -> tuple[Profile, int]:
    """The profile of one call of `program`, and how many switches a trace function in Python counted."""
    seen = 0

    def count(event: str, args: object) -> None:
        nonlocal seen
        seen += 1

    with Profiler(timeline=True) as profiler:
        before = greenlet.settrace(count)
        program()
        greenlet.settrace(before)
    return profiler.snapshot(), seen


def name_of(function: Function) -> str:
    """The name without the test function that a function was defined in; `list.append` of a method."""
    name = function.name.rpartition("<locals>.")[2]
    return f"{function.owner}.{name}" if function.kind in ("method", "slot") else name


def stats(profile: Profile, name: str) -> FunctionStats:
    """Of the one function of this name."""
    found = [each for each in profile.functions if name_of(each.function) == name]
    assert len(found) == 1, f"{len(found)} functions are named {name}"
    return found[0]


def calls(profile: Profile, caller: str, callee: str) -> int:
    """Calls and resumes of one function by another; 0 if there were none."""
    return sum(
        edge.calls + edge.resumes
        for edge in profile.edges
        if (name_of(edge.caller), name_of(edge.callee)) == (caller, callee)
    )


def callers(profile: Profile, name: str) -> set[str]:
    return {name_of(edge.caller) for edge in stats(profile, name).callers}


def callees(profile: Profile, name: str) -> set[str]:
    return {name_of(edge.callee) for edge in stats(profile, name).callees}


def names(profile: Profile) -> set[str]:
    return {name_of(each.function) for each in profile.functions}


def node(profile: Profile, *path: str) -> TreeNode:
    """The node of a function that is reached by these, from the first place where that is so."""
    for start in profile.tree.walk():
        found = _descend(start, path)
        if found is not None:
            return found
    raise AssertionError(f"nothing was called by the path {path}")


def _descend(start: TreeNode, path: tuple[str, ...]) -> TreeNode | None:
    if name_of(start.function) != path[0]:
        return None
    for step in path[1:]:
        start = next((child for child in start.children if name_of(child.function) == step), None)
        if start is None:
            return None
    return start
