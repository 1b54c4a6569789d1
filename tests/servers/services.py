"""Services that programs need here: each is the test's own, at a socket in a folder, and ends with it.

    with redis() as url: ...
    with postgresql() as dsn: ...

Where a machine lacks one, the test is skipped.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

TIMEOUT_SECONDS = 60


def needs(*libraries: str) -> pytest.MarkDecorator:
    """Skips a module's tests where a library is missing. Not imported here: locust would patch everything."""
    missing = ", ".join(library for library in libraries if importlib.util.find_spec(library) is None)
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {missing}")


def line_with(stream: IO[str] | None, text: str) -> str:
    """Reads a process's output up to the first line that has this in it, in capitals or not."""
    assert stream is not None
    for line in stream:
        if text.lower() in line.lower():
            return line
    raise AssertionError(f"the process ended without telling {text!r}")


@contextmanager
def _folder(**owner: str) -> Iterator[Path]:
    """A folder whose path is short enough for a socket's; of that owner."""
    folder = Path(tempfile.mkdtemp(prefix="service-"))
    try:
        if owner:
            shutil.chown(folder, **owner)
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def redis() -> Iterator[str]:
    """A redis-server that keeps nothing; its URL, as Celery understands it."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("not installed: redis-server")
    with _folder() as folder:
        socket = folder / "redis.sock"
        command = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as process:
            try:
                line_with(process.stdout, "ready to accept connections")
                yield f"redis+socket://{socket}"
            finally:
                process.terminate()
                process.communicate(timeout=TIMEOUT_SECONDS)


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server with an empty database; how to connect to it."""
    programs = _postgresql_programs()
    owner = _user_that_is_not_root()
    with _folder(**owner) as folder:
        data = str(folder / "data")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        control = [str(programs / "pg_ctl"), "--pgdata", data, "--wait", "--log", str(folder / "log")]
        make = [str(programs / "initdb"), "--pgdata", data, "--no-sync"]
        _run([*make, "--auth", "trust", "--username", "tester"], folder, owner)
        _run([*control, "--options", options, "start"], folder, owner)
        try:
            yield f"host={folder} user=tester dbname=postgres"
        finally:
            _run([*control, "--mode", "immediate", "stop"], folder, owner)


def _environment() -> dict[str, str]:
    """Without the sanitizers' library, which Python may need: PostgreSQL hangs with it."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def _postgresql_programs() -> Path:
    """Debian keeps them out of PATH."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("not installed: PostgreSQL's initdb")
    return found[-1].parent


def _user_that_is_not_root() -> dict[str, Any]:
    """As whom to run it, for it refuses root; nothing if this is not root."""
    if os.geteuid() != 0:
        return {}
    known = {user.pw_name for user in pwd.getpwall()}
    name = next(name for name in ("postgres", "nobody") if name in known)
    return {"user": name}


def _run(command: list[str], folder: Path, owner: dict[str, Any]) -> None:
    """What it starts inherits its output, so that is a file, not a pipe to be waited for."""
    with (folder / "output").open("a") as output:
        done = subprocess.run(
            command, cwd=folder, timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, env=_environment(), **owner,
        )  # fmt: skip
    assert done.returncode == 0, (folder / "output").read_text()
