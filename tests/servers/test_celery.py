"""Celery's gevent pool with redis: each task that was sent is counted, with the callers that it had."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from commands import callers_in, calls_in, environment, started

from servers.services import TIMEOUT_SECONDS, line_with, needs, redis

pytestmark = needs("celery", "redis")

ADDITIONS = 60
NAPS = 40

#: The worker says when it is ready: what it would log is of no use then.
TASKS = """
import sys, time
from celery import Celery
from celery.signals import worker_ready

app = Celery("tasks", broker={url!r}, backend={url!r})
app.conf.worker_redirect_stdouts = False
app.conf.broker_connection_retry_on_startup = True

def step_of_task(): pass

@app.task
def add_one(number):
    step_of_task()
    return number + 1

@app.task
def nap():
    step_of_task()
    time.sleep(0.001)
    step_of_task()

@worker_ready.connect
def tell(**_):
    print("ready to work", flush=True)
"""

CLIENT = f"""
from tasks import add_one, nap
additions = [add_one.delay(number) for number in range({ADDITIONS})]
naps = [nap.delay() for _ in range({NAPS})]
print([each.get(timeout={TIMEOUT_SECONDS}) for each in additions] == list(range(1, {ADDITIONS} + 1)))
print([each.get(timeout={TIMEOUT_SECONDS}) for each in naps] == [None] * {NAPS})
"""


def send_all(folder: Path) -> str:
    """Sends the tasks and waits for their results; what the client says of them."""
    return subprocess.run(
        [sys.executable, "-c", CLIENT], cwd=folder, env=environment(), check=True, text=True,
        stdout=subprocess.PIPE, timeout=2 * TIMEOUT_SECONDS,
    ).stdout  # fmt: skip


def test_a_gevent_pool_is_recorded_as_its_client_saw_it(tmp_path: Path) -> None:
    worker = ["-m", "celery", "--app", "tasks", "worker", "--pool", "gevent", "--concurrency", "10"]
    quiet = ["--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with redis() as url:
        (tmp_path / "tasks.py").write_text(TASKS.format(url=url))
        with started("-o", "out.pstats", *worker, *quiet, folder=tmp_path) as process:
            line_with(process.stdout, "ready to work")
            results = send_all(tmp_path)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert results == "True\nTrue\n"
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    profile = tmp_path / "out.pstats"
    calls = calls_in(profile)
    assert (calls["add_one"], calls["nap"]) == (ADDITIONS, NAPS)
    assert callers_in(profile, "step_of_task") == {"add_one": ADDITIONS, "nap": 2 * NAPS}
    assert callers_in(profile, "add_one") == {"__protected_call__": ADDITIONS}
    assert callers_in(profile, "nap") == {"__protected_call__": NAPS}
