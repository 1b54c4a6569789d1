"""The page of results of suites.py."""

from __future__ import annotations

from pathlib import Path


def write_page(path: Path, results: Path) -> None:
    raise NotImplementedError
