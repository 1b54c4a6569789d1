"""The clients of the soak: a few greenlets, each with one connection that it keeps.

    python benchmarks/soak_load.py PORT SECONDS

Each client asks for one handler after the other and waits for each answer, so there are never more requests
under way than clients; one that gets no answer stops. Last, the server is asked to end. Prints how often
which status, or what in its place, came back: {handler: {"200": 1234}}.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import itertools  # noqa: E402  what is imported from here on is patched
import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from http.client import HTTPConnection, HTTPException  # noqa: E402

import gevent  # noqa: E402
import soak_handlers  # noqa: E402

CLIENTS = 5

Answers = dict[str, Counter[str]]


def ask(connection: HTTPConnection, name: str) -> str:
    """The status of an answer."""
    connection.request("GET", f"/{name}")
    response = connection.getresponse()
    response.read()
    return str(response.status)


def ask_until(deadline: float, number: int, connection: HTTPConnection, answers: Answers) -> None:
    """One client. Each begins with another handler."""
    names = itertools.islice(itertools.cycle(soak_handlers.HANDLERS), number, None)
    while time.monotonic() < deadline:
        name = next(names)
        try:
            answers[name][ask(connection, name)] += 1
        except (OSError, HTTPException) as error:
            answers[name][repr(error)] += 1
            return


def load(port: int, seconds: float) -> Answers:
    deadline = time.monotonic() + seconds
    answers: Answers = {name: Counter() for name in soak_handlers.HANDLERS}
    connections = [HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(CLIENTS)]
    gevent.joinall([
        gevent.spawn(ask_until, deadline, number, connection, answers)
        for number, connection in enumerate(connections)
    ], raise_error=True)  # fmt: skip
    for connection in connections:
        connection.close()
    return answers


def main(port: int, seconds: float) -> None:
    answers = load(port, seconds)
    print(json.dumps(answers), flush=True)
    ask(HTTPConnection("127.0.0.1", port, timeout=60), "end")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
