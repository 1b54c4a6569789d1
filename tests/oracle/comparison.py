"""Whether a profile says what the model says, node for node; and whether its times can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from greenletprofiler import Profile
from greenletprofiler.calltree import TreeNode
from greenletprofiler.values import Function, ThreadStats, Times
from oracle import program as p
from oracle.interpreter import FILENAME, run
from oracle.model import Expected, Greenlets, Path, ThreadFacts, predict


def check(
    program: p.Program, builtins: bool, threads: bool = True, excluded: frozenset[str] = frozenset()
) -> None:
    """Runs the program and compares all of its snapshots. AssertionError says what differs."""
    machine = predict(program, builtins, threads, excluded)
    result = run(program, builtins, threads, excluded)
    assert result.log == machine.log, "the model is wrong about what the program does"
    assert len(result.profiles) == len(machine.expected)
    for profile, expected in zip(result.profiles, machine.expected, strict=True):
        check_profile(profile, expected, result.strangers)


def check_profile(profile: Profile, expected: Expected, strangers: frozenset[int]) -> None:
    if profile.counters["dropped_intervals"]:  # the machine was suspended: what had only time may have none
        return
    differences = list(_differences(profile, expected, strangers))
    assert not differences, "\n" + "\n".join(differences)
    _check_times(profile)
    _check_slices(profile)
    _check_timeline(profile)
    for thread in profile.threads:
        if thread.ident in strangers:
            assert all(node.calls == node.resumes == 0 for node in thread.tree.walk())


#: Each may end a slice of each thread that blocks and is not counted by its length.
SESSIONS_AT_MOST = 1000

# -- the tree -------------------------------------------------------------------------------------------


def _step(function: Function) -> str:
    """What the model calls a function."""
    if function.kind == "python":
        assert function.filename == FILENAME, function
        return function.bare_name
    if function.kind in ("method", "greenlet"):
        owner = function.owner.rpartition(".")[2]
        return function.name if function.kind == "greenlet" else f"{owner}.{function.name}"
    return function.name


def _nodes(thread: ThreadStats) -> dict[Path, tuple[int, int]]:
    nodes: dict[Path, tuple[int, int]] = {}
    pending: list[tuple[Path, TreeNode]] = [((), child) for child in thread.tree.children]
    while pending:
        above, node = pending.pop()
        path = (*above, _step(node.function))
        assert path not in nodes, f"two nodes at {path}"
        nodes[path] = node.calls, node.resumes
        pending.extend((path, child) for child in node.children)
    return nodes


def _facts(profile: Profile, thread: ThreadStats) -> ThreadFacts:
    greenlets = Counter(
        (
            _step(each.greenlet_class),
            None if each.first_function is None else _step(each.first_function),
            each.switches,
            each.alive,
        )
        for each in profile.greenlets
        if each.thread_id == thread.id
    )
    return _nodes(thread), greenlets, thread.switches, thread.alive


def _differences(profile: Profile, expected: Expected, strangers: frozenset[int]) -> Iterator[str]:
    found = [_facts(profile, thread) for thread in profile.threads if thread.ident not in strangers]
    wanted = list(expected.threads)
    for facts in list(found):
        same = next((each for each in wanted if _agree(facts, each)), None)
        if same is not None:
            found.remove(facts)
            wanted.remove(same)
    for facts in found:
        nearest = max(wanted, key=lambda each: _likeness(each, facts), default=None)
        if nearest is None:
            yield f"a thread that is none: {facts}"
            continue
        wanted.remove(nearest)
        yield from _thread_differences(facts, nearest)
    yield from (f"a thread is missing: {facts}" for facts in wanted)


def _agree(found: ThreadFacts, wanted: ThreadFacts) -> bool:
    return not list(_thread_differences(found, wanted))


def _told(greenlets: Greenlets, wanted: ThreadFacts) -> Greenlets:
    """Without what nobody may have told: whether greenlets live whose thread ended unrecorded."""
    if wanted[3] is not None:
        return greenlets
    blind: Greenlets = Counter()
    for (class_name, first, switches, _), count in greenlets.items():
        blind[class_name, first, switches, False] += count
    return blind


def _likeness(one: ThreadFacts, other: ThreadFacts) -> int:
    return len(one[0].items() & other[0].items())


def _thread_differences(found: ThreadFacts, wanted: ThreadFacts) -> Iterator[str]:
    for path in sorted(found[0].keys() | wanted[0].keys()):
        have, want = found[0].get(path), wanted[0].get(path)
        if have != want:
            yield f"{' -> '.join(path)}: (calls, resumes) {have}, should be {want}"
    if _told(found[1], wanted) != _told(wanted[1], wanted):
        yield f"greenlets (class, first function, switches, alive) {found[1]}, should be {wanted[1]}"
    if found[2] != wanted[2] or wanted[3] not in (None, found[3]):
        yield f"(switches, alive) of the thread {found[2:]}, should be {wanted[2:]}"


# -- times ----------------------------------------------------------------------------------------------


def _check_times(profile: Profile) -> None:
    for node in profile.tree.walk():
        _check_sane(node.self)
    for each in profile.greenlets:
        _check_sane(each.times)
    for thread in profile.threads:
        accounted = thread.times.running_ns + thread.times.idle_ns + thread.own_ns
        assert accounted == thread.lifetime_ns, thread
        greenlets = [each for each in profile.greenlets if each.thread_id == thread.id]
        if greenlets and profile.is_raw:
            in_greenlets = sum(each.times.running_ns + each.times.idle_ns for each in greenlets)
            assert abs(in_greenlets + thread.own_ns - thread.lifetime_ns) <= 2 * len(greenlets), thread
        assert thread.own_ns >= 0


def _check_sane(times: Times) -> None:
    assert min(times.running_ns, times.cpu_ns, times.idle_ns, times.lag_ns) >= 0, times
    assert times.cpu_ns <= times.running_ns, times
    assert times.lag_ns <= times.contended_ns <= times.waiting_ns, times


def _check_timeline(profile: Profile) -> None:
    """It is another account of the same, with every stretch on its own."""
    assert profile.timeline is not None
    stretches = list(profile.timeline)
    assert profile.timeline.dropped_switches == 0
    for thread in profile.threads:
        own = [each for each in stretches if each.thread_id == thread.id]
        slices = Counter(each.ended_by for each in own if each.kind == "slice")
        assert slices["switch"] == thread.switches, thread
        assert slices["poll"] == sum(each.kind == "idle" for each in own) == thread.polls, thread
        length_ns = sum(each.length_ns for each in own)
        assert abs(length_ns - thread.lifetime_ns) <= len(own), thread
    blocking = sum(each.is_blocking for each in stretches)
    assert blocking == profile.blocking_count == sum(blocker.count for blocker in profile.blockers)


def _check_slices(profile: Profile) -> None:
    """Programs are run with a threshold of nothing: every slice beside a suspended greenlet blocks."""
    kinds = [kind.slices for kind in profile.greenlet_kinds]
    count = sum(each.count for each in kinds)
    assert count == sum(thread.switches + thread.polls for thread in profile.threads)
    assert all(sum(each.lengths) == each.count for each in kinds)
    blocking = profile.blocking_slices
    counted = sum(blocker.count for blocker in profile.blockers)
    assert counted <= count + len(profile.threads) * SESSIONS_AT_MOST
    assert min(counted, 50) <= len(blocking) <= 50 + len(profile.threads)
    for each in blocking:
        assert sum(ns for _, ns in each.samples) == each.length_ns, each
        assert 0 <= each.cpu_ns <= each.length_ns, each
    if counted <= 50:
        total_ns = sum(blocker.total_ns for blocker in profile.blockers)
        assert abs(total_ns - sum(each.length_ns for each in blocking)) <= counted
