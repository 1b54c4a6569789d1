"""Builds the extension module; everything else that a build needs to know is in pyproject.toml.

Every C file of core/ and extension/ goes in; core/tests/ does not. Two environment variables, for developers:

    GREENLETPROFILER_DEVELOPMENT=1   many warnings, and each is an error; not for a debug build of CPython
    GREENLETPROFILER_SANITIZE=1      AddressSanitizer and UndefinedBehaviorSanitizer (see `make sanitize`)
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

# _GNU_SOURCE: -std=c11 alone hides the clocks and threads of POSIX. A function that is not declared would be
# taken for one that returns an int: never only a warning.
STANDARD_FLAGS = [
    "-std=c11",
    "-D_GNU_SOURCE",
    "-O2",
    "-fvisibility=hidden",
    "-fno-strict-aliasing",
    "-Werror=implicit",
]
WARNING_FLAGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
# Without red zones on the stack: greenlet copies pieces of it away, those of our functions too when a
# greenlet dies below one, and the sanitizer takes that for an error. The core's own tests have them.
SANITIZER_FLAGS = [
    "-fsanitize=address,undefined",
    "--param=asan-stack=0",
    "-fno-sanitize-recover=undefined",
    "-fno-omit-frame-pointer",
    "-g",
]


def files_in(folder: str, pattern: str) -> list[str]:
    """Not of the folders in it."""
    return sorted(map(str, Path(folder).glob(pattern)))


def is_set(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


def is_debug_build() -> bool:
    """Debian's has links to the ordinary headers; of a system's headers gcc takes what a link leads to."""
    return hasattr(sys, "gettotalrefcount")


def python_headers_are_not_ours() -> list[str]:
    """Flags that keep warnings about Python's own headers out."""
    folders = sorted({sysconfig.get_path("include"), sysconfig.get_path("platinclude")})
    return [flag for folder in folders for flag in ("-isystem", folder)]


def compile_flags() -> list[str]:
    flags = list(STANDARD_FLAGS)
    if is_set("GREENLETPROFILER_DEVELOPMENT") and not is_debug_build():
        flags += WARNING_FLAGS + python_headers_are_not_ours()
    if is_set("GREENLETPROFILER_SANITIZE"):
        flags += SANITIZER_FLAGS
    return flags


def link_flags() -> list[str]:
    return SANITIZER_FLAGS if is_set("GREENLETPROFILER_SANITIZE") else []


setup(
    ext_modules=[
        Extension(
            "greenletprofiler._native",
            sources=[*files_in("core", "*.c"), *files_in("extension", "*.c")],
            depends=[*files_in("core", "*.h"), *files_in("extension", "*.h")],
            include_dirs=["core", "extension"],
            extra_compile_args=compile_flags(),
            extra_link_args=link_flags(),
        )
    ]
)
