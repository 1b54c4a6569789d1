"""What dataclass() and NamedTuple generate for this package is the package's, by file name.

The profiler's own functions are hidden by the name of their file. Generated ones have none ("<string>"), and
would show in the profile of a program that takes a snapshot while it is recorded.
"""

from __future__ import annotations

from typing import TypeVar

C = TypeVar("C", bound=type)


def ours(made: C) -> C:
    """Decorates a class, in front of dataclass(): gives its generated methods the name of this file."""
    for method in vars(made).values():
        code = getattr(method, "__code__", None)
        if code is not None and code.co_filename == "<string>":
            method.__code__ = code.replace(co_filename=__file__)
    return made
