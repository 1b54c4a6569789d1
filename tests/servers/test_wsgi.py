"""Servers of gevent and eventlet: each call that a client caused is counted, with the caller that it had."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from commands import callers_in, calls_in, started

from servers.clients import ALL_ANSWERED, ALL_HELPER_CALLS, REQUESTS, ask, status_of
from servers.wsgi import EVENTLET, GEVENT, HELPER_CALLS


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
    assert answered == ALL_ANSWERED
    assert {name: calls[name] for name in HELPER_CALLS} == Counter(REQUESTS)
    assert calls["application"] == len(REQUESTS) + 1  # the one to end
    assert callers_in(profile, "helper") == ALL_HELPER_CALLS
    assert all(set(callers_in(profile, name)) == {"application"} for name in HELPER_CALLS)
