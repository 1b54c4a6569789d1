"""Filters: which functions are recorded, by patterns on their modules and files.

    gevent          the module, and all in it (gevent.*)
    myapp.views*    * ? [seq] [!seq], as in fnmatch: a star takes dots too
    */vendor/*      with a slash: a path, compared with the name of the function's file
    vendor          no slash, so a module; vendor/ is the folder, wherever it is, and all in it
    stdlib          every module of Python's standard library

A function is recorded unless a pattern of `exclude` matches it, or there are patterns in `include` and none
of them does. Its module is the `__name__` where it is defined; what runs by -m is known by its own name too.

Each pattern is turned into globs here, which the recorder compares, once a function, with names.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from greenletprofiler._generated import ours
from greenletprofiler.errors import FilterError

#: What stands for all modules of the standard library.
STDLIB: Final = "stdlib"
#: What to write, in messages.
HINT: Final = "Name a module (gevent, myapp.*), a path with a slash (*/vendor/*), or stdlib."

#: Name of a file that is excluded wherever there are filters: to find out what it costs to pass over a call.
PASSED_OVER: Final = "<greenletprofiler: passed over>"

#: Number of the pattern, whether it excludes, whether it is of paths, and the glob.
Rule = tuple[int, bool, bool, str]


@ours
@dataclass(frozen=True, slots=True)
class Filters:
    """Patterns, checked. Without any, everything is recorded."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @classmethod
    def checked(cls, include: Iterable[str], exclude: Iterable[str]) -> Filters:
        """Raises FilterError for what is no list of patterns, and for a pattern that cannot be meant."""
        return cls(_checked_patterns("include", include), _checked_patterns("exclude", exclude))

    @property
    def patterns(self) -> tuple[str, ...]:
        """All of them, in the order of their numbers."""
        return self.include + self.exclude

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def __str__(self) -> str:
        parts = [f"include {pattern}" for pattern in self.include]
        return ", ".join(parts + [f"exclude {pattern}" for pattern in self.exclude])

    def rules(self) -> tuple[Rule, ...]:
        """For the recorder."""
        own = ((len(self.patterns), True, True, PASSED_OVER),) if self else ()
        return own + tuple(
            (number, number >= len(self.include), "/" in pattern, glob)
            for number, pattern in enumerate(self.patterns)
            for glob in _globs(pattern)
        )

    def unmatched(self, matched: Iterable[int]) -> tuple[str, ...]:
        """The patterns that are not among those with these numbers."""
        numbers = frozenset(matched)
        return tuple(pattern for number, pattern in enumerate(self.patterns) if number not in numbers)


def _globs(pattern: str) -> Iterator[str]:
    if "/" in pattern:
        for name in _paths(pattern.removeprefix("./").rstrip("/")):
            yield from (name, f"{name}/*")
    else:
        for name in sorted(sys.stdlib_module_names) if pattern == STDLIB else (pattern,):
            yield from (name, f"{name}.*")


def _paths(name: str) -> tuple[str, ...]:
    """What does not begin at the root may begin at any folder."""
    return (name,) if name.startswith(("/", "*")) else (name, f"*/{name}")


# -- checks ----------------------------------------------------------------------------------------------


def _checked_patterns(argument: str, patterns: Iterable[str]) -> tuple[str, ...]:
    if isinstance(patterns, str | bytes):
        raise FilterError(f"{argument} is a list of patterns: write {argument}=[{patterns!r}].")
    try:
        given = tuple(patterns)
    except TypeError:
        raise FilterError(f"{argument} is a list of patterns, not {patterns!r}.") from None
    for pattern in given:
        _check(argument, pattern)
    return given


def _check(argument: str, pattern: object) -> None:
    if not isinstance(pattern, str):
        raise FilterError(f"{argument}: a pattern is a string, not {pattern!r}. {HINT}")
    if not pattern.strip():
        raise FilterError(f"{argument}: the pattern {pattern!r} is empty. {HINT}")
    if not pattern.strip("/."):
        raise FilterError(f"{argument}: the pattern {pattern!r} names nothing. {HINT}")
    if not _is_balanced(pattern):
        raise FilterError(
            f"{argument}: a bracket in the pattern {pattern!r} has no partner. Write [[] for an opening and"
            " []] for a closing bracket."
        )
    if "/" not in pattern and not all(pattern.split(".")):
        raise FilterError(
            f"{argument}: the pattern {pattern!r} is no name of a module: there is nothing before, after or"
            f" between its dots. {HINT}"
        )


def _is_balanced(pattern: str) -> bool:
    """Whether brackets open and close sets that have members; one right at the start of a set is a member."""
    rest = pattern
    while "[" in rest or "]" in rest:
        outside, opened, rest = rest.partition("[")
        members = rest.removeprefix("!")
        _, closed, rest = members[1:].partition("]")
        if "]" in outside or not opened or not members or not closed:
            return False
    return True
