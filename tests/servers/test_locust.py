"""locust against a server: its own count of requests, its profile's and the server's are one number."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from commands import TABLE_BEGINS, calls_in, started

from servers.clients import status_of
from servers.services import needs
from servers.wsgi import GEVENT

pytestmark = needs("locust")

USERS = 8
REQUESTS = 25

#: Each user sends its requests; the last one to be done ends locust.
LOCUSTFILE = f"""
from itertools import count
from locust import HttpUser, task
from locust.exception import StopUser

done = count(1)

class Visitor(HttpUser):
    sent = 0

    @task
    def visit(self):
        self.client.get("/quick")
        self.sent += 1
        if self.sent == {REQUESTS}:
            self.leave()

    def leave(self):
        if next(done) == {USERS}:
            self.environment.runner.quit()
        raise StopUser
"""


def visit(port: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Has locust send all requests."""
    options = ["--headless", "--users", str(USERS), "--spawn-rate", str(USERS), "--json", "--skip-log-setup"]
    where = ["--locustfile", "locustfile.py", "--host", f"http://127.0.0.1:{port}"]
    with started("-o", "locust.pstats", "-m", "locust", *options, *where, folder=folder) as process:
        output, errors = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def test_what_locust_counts_is_what_both_profiles_count(tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    (tmp_path / "server.py").write_text(GEVENT)
    with started("-o", "server.pstats", "server.py", folder=tmp_path) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        locust = visit(port, tmp_path)
        assert status_of(port, "end") == 200
        _, server_errors = server.communicate(timeout=60)
    assert (locust.returncode, server.returncode) == (0, 0), locust.stderr + server_errors
    assert TABLE_BEGINS in locust.stderr
    assert "Traceback" not in locust.stderr + server_errors
    (told,) = json.loads(locust.stdout)
    in_locust, in_server = calls_in(tmp_path / "locust.pstats"), calls_in(tmp_path / "server.pstats")
    assert (told["num_requests"], told["num_failures"]) == (USERS * REQUESTS, 0)
    assert in_locust["visit"] == in_server["quick"] == USERS * REQUESTS
    assert in_locust["leave"] == USERS
