"""Reads callgrind files by the format's grammar, strictly: what is not understood is an error."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

Name = tuple[str, str]  # file, function
Costs = tuple[int, ...]


@dataclass
class CallgrindFile:
    headers: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    self_costs: dict[Name, Costs] = field(default_factory=dict)
    lines: dict[Name, int] = field(default_factory=dict)
    calls: dict[tuple[Name, Name], tuple[int, Costs]] = field(default_factory=dict)
    totals: Costs = ()

    def named(self, name: str) -> Name:
        """The only function of this name."""
        (found,) = (known for known in self.self_costs if known[1] == name)
        return found

    def callers(self, name: str) -> set[str]:
        """Names of the functions that call the one with this name."""
        return {caller[1] for caller, callee in self.calls if callee[1] == name}

    def count(self, caller: str, callee: str) -> int:
        """Calls from one to the other."""
        return sum(
            count
            for (above, below), (count, _) in self.calls.items()
            if (above[1], below[1]) == (caller, callee)
        )


def read_callgrind(text: str) -> CallgrindFile:
    """The content of a file."""
    lines = text.splitlines()
    assert lines[0] == "# callgrind format"
    result = CallgrindFile()
    files: dict[str, str] = {}
    functions: dict[str, str] = {}
    current_file = current_callee_file = ""
    current: Name | None = None
    callee: Name | None = None
    count: int | None = None
    for line in lines[1:]:
        if not line:
            continue
        if header := re.fullmatch(r"(\w+): ?(.*)", line):
            key, value = header.groups()
            if key == "events":
                result.events = value.split()
            elif key == "totals":
                result.totals = _costs(value)
            else:
                result.headers[key] = value
        elif line.startswith("fl="):
            current_file = _name(files, line[3:])
        elif line.startswith("fn="):
            current = current_file, _name(functions, line[3:])
        elif line.startswith("cfi="):
            current_callee_file = _name(files, line[4:])
        elif line.startswith("cfn="):
            callee = current_callee_file, _name(functions, line[4:])
        elif line.startswith("calls="):
            count = int(line[6:].split()[0])
        else:
            assert re.fullmatch(r"\d+( -?\d+)+", line), line
            assert current is not None
            where, *costs = map(int, line.split())
            assert len(costs) == len(result.events)
            if count is None:
                assert current not in result.self_costs, f"two blocks for {current}"
                result.self_costs[current] = tuple(costs)
                result.lines[current] = where
            else:
                assert callee is not None
                assert (current, callee) not in result.calls
                result.calls[current, callee] = count, tuple(costs)
                count = None
    return result


def inclusive_costs(content: CallgrindFile) -> dict[Name, Costs]:
    """By the rule of KCachegrind and callgrind_annotate: the sum of the calls to a function from others, or
    else its self cost and its calls."""
    called: defaultdict[Name, list[Costs]] = defaultdict(list)
    calling: defaultdict[Name, list[Costs]] = defaultdict(list)
    for (caller, callee), (_, costs) in content.calls.items():
        called[callee].append(costs)
        calling[caller].append(costs)
    return {
        name: _sum(called[name]) if name in called else _sum([costs, *calling[name]])
        for name, costs in content.self_costs.items()
    }


def _sum(costs: list[Costs]) -> Costs:
    return tuple(map(sum, zip(*costs, strict=True)))


def _costs(text: str) -> Costs:
    return tuple(map(int, text.split()))


def _name(known: dict[str, str], text: str) -> str:
    match = re.fullmatch(r"\((\d+)\)(?: (.*))?", text)
    assert match, text
    number, name = match.groups()
    if name is not None:
        assert number not in known, f"number {number} defined twice"
        known[number] = name
    return known[number]
