"""Clients of the servers: many requests at a time, and what came back.

    port = port_in(process.stdout)
    assert ask(port) == ALL_ANSWERED
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from servers.wsgi import HELPER_CALLS, STATUS

CLIENTS = 10
REQUESTS = [name for name in HELPER_CALLS for _ in range(60)]

#: (request, status) -> how often, if nothing goes wrong that should not.
ALL_ANSWERED = Counter((name, STATUS[name]) for name in REQUESTS)

#: Calls of helper() by those requests, by who calls it.
ALL_HELPER_CALLS = {name: count * REQUESTS.count(name) for name, count in HELPER_CALLS.items()}


def status_of(port: str, name: str) -> int:
    """Sends a request, and waits for the status of its answer."""
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
