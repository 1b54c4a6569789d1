"""Snapshots made by hand: what the extension would hand over for a tree that a test writes down.

    snapshot = SnapshotBuilder()
    main = snapshot.thread("MainThread")
    base = snapshot.greenlet_base(main, "greenlet", "greenlet")
    f = snapshot.call(base, python("f", "a.py", 1), calls=1, running=10, cpu=8)
    profile = snapshot.profile()

Times are self times in ns.
"""

from __future__ import annotations

from array import array
from typing import Any

from greenletprofiler.costs import EventCosts
from greenletprofiler.profile import Profile

FunctionRecord = tuple[str, str, str, str, int]


def python(name: str, filename: str = "app.py", line: int = 1) -> FunctionRecord:
    return ("python", name, "", filename, line)


def builtin(name: str, owner: str = "builtins") -> FunctionRecord:
    return ("function", name, owner, "", 0)


def method(name: str, owner: str) -> FunctionRecord:
    return ("method", name, owner, "", 0)


def cython(name: str, owner: str) -> FunctionRecord:
    return ("cython", name, owner, "", 0)


TRUNCATED: FunctionRecord = ("truncated", "truncated", "", "", 0)
NODE_COLUMNS = (
    "calls", "resumes", "passed_over", "running_ns", "cpu_ns", "waiting_ns", "idle_ns", "contended_ns",
    "lag_ns",
)  # fmt: skip


class SnapshotBuilder:
    """Nodes are numbers, in the order in which they are added."""

    def __init__(self) -> None:
        self.functions: list[FunctionRecord] = []
        self.parents: list[int] = []
        self.node_functions: list[int] = []
        self.columns: dict[str, list[int]] = {name: [] for name in NODE_COLUMNS}
        self.threads: list[dict[str, Any]] = []
        self.greenlets: list[tuple[Any, ...]] = []
        self.slice_kinds: list[tuple[Any, ...]] = []
        self.blocking: list[tuple[Any, ...]] = []
        self.culprits: list[tuple[int, ...]] = []
        self.counters: dict[str, int] = {}
        self.recorded_ns = 2_000_000_000
        self.builtins = True

    def function(self, record: FunctionRecord, always_new: bool = False) -> int:
        """The number of a function; a second one with the same identity if `always_new`."""
        if always_new or record not in self.functions:
            self.functions.append(record)
            return len(self.functions) - 1
        return self.functions.index(record)

    def node(
        self,
        parent: int,
        function: FunctionRecord | int,
        calls: int = 0,
        resumes: int = 0,
        running: int = 0,
        cpu: int = 0,
        waiting: int = 0,
        idle: int = 0,
        passed_over: int = 0,
        contended: int = 0,
        lag: int = 0,
    ) -> int:
        self.parents.append(parent)
        self.node_functions.append(function if isinstance(function, int) else self.function(function))
        numbers = calls, resumes, passed_over, running, cpu, waiting, idle, contended, lag
        for name, value in zip(NODE_COLUMNS, numbers, strict=True):
            self.columns[name].append(value)
        return len(self.parents) - 1

    def call(self, parent: int, function: FunctionRecord | int, calls: int = 1, **values: int) -> int:
        return self.node(parent, function, calls=calls, **values)

    def thread(
        self, name: str = "MainThread", class_name: str = "_MainThread", own: int = 0, **values: int
    ) -> int:
        root = self.node(-1, ("thread", "", "", "", 0), **values)
        self.threads.append({"name": name, "class_name": class_name, "root": root, "own": own})
        return root

    def greenlet_base(
        self, thread: int, name: str = "greenlet", owner: str = "greenlet", **values: int
    ) -> int:
        return self.node(thread, ("greenlet", name, owner, "", 0), **values)

    def greenlet(
        self,
        class_function: FunctionRecord,
        kind_function: FunctionRecord | None = None,
        running: int = 0,
        cpu: int = 0,
        waiting: int = 0,
        switches: int = 1,
        alive: bool = False,
        thread_id: int = 0,
        node: int = -1,
    ) -> None:
        """node: where it is suspended."""
        kind = -1 if kind_function is None else self.function(kind_function)
        self.greenlets.append(
            (len(self.greenlets), thread_id, self.function(class_function), kind, running, cpu, waiting,
             0, 0, 0, switches, 100, 900, 50, alive or node >= 0, False, node)
        )  # fmt: skip

    def blocking_slice(
        self,
        culprit: int,
        first: FunctionRecord,
        length: int,
        cpu: int = 0,
        began: int = 1042,
        greenlet_id: int = 1,
        is_over: bool = True,
        goes_on: bool = False,
    ) -> None:
        """One that was spent in a node; for it to be in the sums too, see culprit()."""
        class_function = self.function(("greenlet", "greenlet", "greenlet", "", 0))
        self.blocking.append(
            (1, greenlet_id, class_function, self.function(first), began, length, cpu, 3, is_over, goes_on,
             culprit, [(culprit, length)])
        )  # fmt: skip

    def culprit(self, node: int, count: int, total: int, longest: int) -> None:
        self.culprits.append((node, count, total, longest))

    def raw(self) -> dict[str, Any]:
        nodes = {name: array("q", values).tobytes() for name, values in self.columns.items()}
        nodes["parent"] = array("i", self.parents).tobytes()
        nodes["function"] = array("i", self.node_functions).tobytes()
        return {
            "clock": "tsc",
            "started_at_ns": 1_700_000_000_123_456_789,
            "started_monotonic_ns": 42,
            "recorded_ns": self.recorded_ns,
            "builtins": self.builtins,
            "functions": list(self.functions),
            "nodes": nodes,
            "threads": [self._thread(number, thread) for number, thread in enumerate(self.threads)],
            "greenlets": list(self.greenlets),
            "slices": {
                "blocking_ns": 100_000_000,
                "blocking_count": sum(culprit[1] for culprit in self.culprits),
                "kinds": list(self.slice_kinds),
                "blocking": list(self.blocking),
                "culprits": list(self.culprits),
            },
            "timeline": None,
            "notes": [],
            "counters": dict(self.counters),
        }

    def profile(self, costs: EventCosts | None = None) -> Profile:
        return Profile.from_snapshot(self.raw(), costs)

    def _thread(self, number: int, thread: dict[str, Any]) -> tuple[Any, ...]:
        in_thread = {thread["root"]}
        for node, parent in enumerate(self.parents):
            if parent in in_thread:
                in_thread.add(node)
        busy = sum(self.columns["running_ns"][node] + self.columns["idle_ns"][node] for node in in_thread)
        lifetime, switches, polls = busy + thread["own"], 7, 2
        return (
            number, 1000 + number, 2000 + number, thread["name"], thread["class_name"], thread["root"], True,
            lifetime, thread["own"], switches, polls,
        )  # fmt: skip
