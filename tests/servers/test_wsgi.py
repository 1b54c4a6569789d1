"""Servers of gevent and eventlet: each call that a client caused is counted, with the caller that it had."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import callers_in, calls_in, started

from servers.wsgi import EVENTLET, GEVENT, HELPER_CALLS, STATUS

CLIENTS = 10
REQUESTS = [name for name in HELPER_CALLS for _ in range(60)]


def status_of(port: str, name: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def ask(port: str) -> Counter[tuple[str, int]]:
    """Sends all requests, many at a time; how often each was answered by which status."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        statuses = clients.map(lambda name: status_of(port, name), REQUESTS)
        return Counter(zip(REQUESTS, statuses, strict=True))


@pytest.mark.parametrize("options", [[], ["--no-builtins"]], ids=["", "without builtins"])
@pytest.mark.parametrize("source", [GEVENT, EVENTLET], ids=["gevent.pywsgi", "eventlet.wsgi"])
def test_a_server_is_recorded_as_its_clients_saw_it(source: str, options: list[str], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(source)
    with started(*options, "-o", "out.pstats", "program.py", folder=tmp_path) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        answered = ask(port)
        assert status_of(port, "end") == 200
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors.count("Traceback (most recent call last)") == errors.count("RuntimeError: wrong\n")
    profile = tmp_path / "out.pstats"
    calls = calls_in(profile)
    assert answered == {(name, STATUS[name]): REQUESTS.count(name) for name in HELPER_CALLS}
    assert {name: calls[name] for name in HELPER_CALLS} == Counter(REQUESTS)
    assert calls["application"] == len(REQUESTS) + 1  # the one to end
    assert callers_in(profile, "helper") == {
        name: count * REQUESTS.count(name) for name, count in HELPER_CALLS.items()
    }
    assert all(set(callers_in(profile, name)) == {"application"} for name in HELPER_CALLS)
