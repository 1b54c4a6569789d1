"""A gevent.pywsgi server in this process, and its client in another one: so only the server is timed.

    Server(1000).run()          answers 1,000 requests, over four connections that stay open

    python bench_wsgi.py PORT   the client: for each line that it reads, so many requests
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Thread
from typing import Any

CONNECTIONS = 4
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Some work, as a small service does it."""
    rows = [{"id": number, "name": f"row {number}", "path": environ["PATH_INFO"]} for number in range(20)]
    body = json.dumps([row for row in rows if keep(row)]).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def keep(row: dict[str, Any]) -> bool:
    return bool(row["id"] % 2 == 0)


class Server:
    """Owns the server and the client's process, until this process ends."""

    def __init__(self, requests: int) -> None:
        from gevent.pywsgi import WSGIServer

        self._requests = requests
        self._server = WSGIServer(("127.0.0.1", 0), application, log=None)
        self._server.start()
        self._server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # of connections too
        self._client = subprocess.Popen(
            [sys.executable, str(Path(__file__)), str(self._server.server_port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self) -> None:
        """Until the client has its answers."""
        from gevent.os import tp_read

        assert self._client.stdin is not None and self._client.stdout is not None
        self._client.stdin.write(f"{self._requests}\n")
        self._client.stdin.flush()
        answer = tp_read(self._client.stdout.fileno(), 100)
        assert answer == b"done\n", answer


def request_some(connection: socket.socket, count: int) -> None:
    file = connection.makefile("rb")
    for _ in range(count):
        connection.sendall(REQUEST)
        length = 0
        for line in iter(file.readline, b"\r\n"):
            if not line:
                raise ConnectionError("the server has closed the connection")
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        file.read(length)


def main() -> None:
    connections = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(CONNECTIONS)]
    for line in sys.stdin:
        count = int(line) // CONNECTIONS
        threads = [Thread(target=request_some, args=(each, count)) for each in connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
