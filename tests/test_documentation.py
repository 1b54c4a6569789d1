"""What README.md and CONTRIBUTING.md tell people to write works as it stands there."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from commands import run

ROOT = Path(__file__).parent.parent


def python_blocks(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


@pytest.mark.parametrize("block", python_blocks("README.md"))
def test_a_program_in_the_readme_runs(block: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("def handle_requests():\n    sorted([2, 1])\n" + block)
    result = run("program.py", folder=tmp_path, command=[sys.executable])
    assert (result.returncode, result.stderr) == (0, "")
    assert "handle_requests" in result.stdout


def test_the_file_format_in_contributing_works_as_soon_as_it_is_registered(tmp_path: Path) -> None:
    module, entry = python_blocks("CONTRIBUTING.md")
    [registered] = re.findall(r"^Format\(.*\)", entry, re.MULTILINE)
    (tmp_path / "totals.py").write_text(module)
    (tmp_path / "program.py").write_text(
        "from greenletprofiler import Profiler, exporters\n"
        "from greenletprofiler.exporters import Format\n"
        "from totals import write_totals\n"
        f"exporters.FORMATS += ({registered},)\n"
        "def work(): pass\n"
        "with Profiler() as profiler:\n    work()\n"
        "profiler.snapshot().save('x.totals.json')\n"
    )
    result = run("program.py", folder=tmp_path, command=[sys.executable])
    assert (result.returncode, result.stderr) == (0, "")
    assert "work" in json.loads((tmp_path / "x.totals.json").read_text())


def test_the_readme_names_every_option_that_it_uses_rightly(tmp_path: Path) -> None:
    described = run("--help", folder=tmp_path).stdout
    used = set(re.findall(r"greenletprofiler (-\w)", (ROOT / "README.md").read_text()))
    assert used
    assert all(f" {option}" in described for option in used)
