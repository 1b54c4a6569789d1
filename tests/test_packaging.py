"""What is built and installed: the source distribution builds the wheel, and the wheel works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import greenletprofiler

ROOT = Path(__file__).parent.parent
VERSION = greenletprofiler.__version__

pytest.importorskip("setuptools", "77", reason="not installed: setuptools 77")


def build(kind: str, source: Path, target: Path) -> Path:
    """Builds a "sdist" or "wheel" by the build backend's own interface; the file."""
    call = f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])"
    subprocess.run([sys.executable, "-c", call, str(target)], cwd=source, check=True, capture_output=True)
    [built] = target.iterdir()
    return built


@pytest.fixture(scope="module")
def source_distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, for setuptools leaves files behind."""
    copy = tmp_path_factory.mktemp("copy") / "project"
    leave_out = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "*.so", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=leave_out)
    return build("sdist", copy, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(source_distribution: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(source_distribution) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # 3.11.3 and older have none
        archive.extractall(folder)
    [project] = folder.iterdir()
    return build("wheel", project, tmp_path_factory.mktemp("wheel"))


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_package_the_drop_in_and_the_types(wheel: Path) -> None:
    package = {f"greenletprofiler/{path.relative_to(ROOT / 'greenletprofiler').as_posix()}"
               for path in (ROOT / "greenletprofiler").rglob("*.py")}  # fmt: skip
    expected = {"GreenletProfiler.py", "greenletprofiler/py.typed", "greenletprofiler/_native.pyi", *package}
    assert expected <= names_in(wheel)


def test_the_wheel_holds_nothing_else_but_the_extension(wheel: Path) -> None:
    names = {name for name in names_in(wheel) if ".dist-info/" not in name}
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"GreenletProfiler.py", "greenletprofiler"}
    suffixes = {Path(name).suffix for name in names}
    assert suffixes == {".py", ".pyi", ".typed", ".so"}
    assert len([name for name in names if name.endswith(".so")]) == 1


def test_the_extension_has_nothing_of_the_core_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".so")]
        content = archive.read(name)
    assert b"core/tests" not in content
    assert b"passed, " not in content  # what the tests' main() prints


def test_the_wheel_asks_for_greenlet_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"greenlet_profiler-{VERSION}.dist-info/METADATA").decode()
    required = {line.split(": ")[1] for line in metadata.splitlines() if line.startswith("Requires-Dist")}
    assert {name.partition(">")[0] for name in required} == {"greenlet"}
    assert "Requires-Python: >=3.10" in metadata
    assert "License-Expression: MIT" in metadata


def test_an_installed_wheel_profiles(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (tmp_path / "program.py").write_text("import greenletprofiler; print(greenletprofiler.__file__)")
    command = [sys.executable, "-m", "greenletprofiler", "program.py"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True)
    assert result.stdout.strip() == str(site / "greenletprofiler" / "__init__.py")
    assert "Recorded" in result.stderr
    assert result.returncode == 0
