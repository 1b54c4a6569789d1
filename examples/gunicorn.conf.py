"""A configuration of gunicorn that profiles each of its workers.

    gunicorn --config examples/gunicorn.conf.py --worker-class gevent --workers 2 app:app

Each worker records from its first moment to its last and then writes worker-PID.callgrind, beside where
gunicorn was started. Copy the two functions into the configuration that you have.
"""

import os
from typing import Any

from greenletprofiler import Profiler

profiler = Profiler()


def post_fork(server: Any, worker: Any) -> None:
    """Called by gunicorn in a new worker, before it serves."""
    profiler.start()


def worker_exit(server: Any, worker: Any) -> None:
    """Called by gunicorn in a worker that has served its last request."""
    profiler.stop()
    profiler.snapshot().save(f"worker-{os.getpid()}.callgrind")
