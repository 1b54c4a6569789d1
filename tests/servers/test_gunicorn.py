"""gunicorn's gevent workers: each records itself by the example's configuration; together they saw all."""

from __future__ import annotations

import re
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from callgrind_reader import read_callgrind
from commands import started

from servers.clients import ALL_ANSWERED, ALL_HELPER_CALLS, REQUESTS, ask
from servers.services import line_with, needs
from servers.wsgi import FLASK, HELPER_CALLS

CONFIGURATION = Path(__file__).parents[2] / "examples/gunicorn.conf.py"

pytestmark = needs("gunicorn", "flask")


def calls_in(profiles: list[Path]) -> Counter[tuple[str, str]]:
    """(caller, callee) -> calls, over all of them."""
    counts: Counter[tuple[str, str]] = Counter()
    for profile in profiles:
        for (caller, callee), (count, _) in read_callgrind(profile.read_text()).calls.items():
            counts[caller[1], callee[1]] += count
    return counts


@pytest.mark.parametrize("workers", [1, 2])
def test_the_workers_together_recorded_what_the_clients_saw(workers: int, tmp_path: Path) -> None:
    (tmp_path / "flask_application.py").write_text(FLASK)
    command = [sys.executable, "-m", "gunicorn", "--config", str(CONFIGURATION), "--bind", "127.0.0.1:0"]
    served = ["--worker-class", "gevent", "--workers", str(workers), "flask_application:app"]
    with started(*served, folder=tmp_path, command=command) as process:
        listening = re.search(r"http://127\.0\.0\.1:(\d+)", line_with(process.stderr, "Listening at"))
        assert listening is not None
        answered = ask(listening[1])
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, answered) == (0, ALL_ANSWERED)
    assert "Traceback" not in errors
    profiles = list(tmp_path.glob("worker-*.callgrind"))
    calls = calls_in(profiles)
    assert len(profiles) == workers
    assert {name: calls["Flask.dispatch_request", name] for name in HELPER_CALLS} == Counter(REQUESTS)
    helped = {caller: count for (caller, callee), count in calls.items() if callee == "helper"}
    assert helped == ALL_HELPER_CALLS
