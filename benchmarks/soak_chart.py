"""The soak in a picture and in a table.

The picture is an SVG of two panels, memory and throughput over time, with axes from zero. It has a background
of its own, light or dark as the reader's system is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from soak_judging import Run, Sample, first_and_last, windows

WIDTH: Final = 760
PANEL_HEIGHT: Final = 170
LEFT: Final = 64
RIGHT: Final = 24
TOP: Final = 72
GAP: Final = 66
HEIGHT: Final = TOP + 2 * PANEL_HEIGHT + GAP + 60
PLOT_WIDTH: Final = WIDTH - LEFT - RIGHT

STYLE: Final = """
  svg { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif }
  .paper { fill: #ffffff } text { fill: #24292f } .faint { fill: #57606a }
  .grid { stroke: #d8dee4 } .one { stroke: #0969da } .two { stroke: #bc4c00 } .three { stroke: #6e7781 }
  .one-name { fill: #0969da } .two-name { fill: #bc4c00 } .three-name { fill: #6e7781 }
  .title { font-size: 15px; font-weight: 600 } .panel { font-weight: 600 }
  polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #161b22 } text { fill: #e6edf3 } .faint { fill: #8d96a0 }
    .grid { stroke: #30363d } .one { stroke: #58a6ff } .two { stroke: #f0883e } .three { stroke: #8d96a0 }
    .one-name { fill: #58a6ff } .two-name { fill: #f0883e } .three-name { fill: #8d96a0 }
  }
"""

MIB: Final = 1024
LINE_STYLES: Final = ("one", "two", "three")

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Lines over one time axis: a name and the points (seconds, value) of each."""

    title: str
    lines: Sequence[tuple[str, Points]]
    top: float
    seconds: float

    @property
    def ticks(self) -> list[float]:
        return ticks(max(value for _, points in self.lines for _, value in points))

    def x(self, seconds: float) -> float:
        return LEFT + PLOT_WIDTH * seconds / self.seconds

    def y(self, value: float) -> float:
        return self.top + PANEL_HEIGHT * (1 - value / self.ticks[-1])


def ticks(most: float) -> list[float]:
    """From 0 up to at least `most`, some five of them, at round numbers."""
    rough = most / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return [step * number for number in range(math.ceil(most / step) + 1)]


def time_ticks(seconds: float) -> tuple[list[tuple[float, str]], str]:
    """(seconds, what is written there), and the unit."""
    unit, name = (60, "minutes") if seconds >= 180 else (1, "seconds")
    room = 0.9 * seconds  # the unit is at the end
    places = [tick for tick in ticks(seconds / unit) if tick * unit <= room]
    return [(tick * unit, f"{tick:g}") for tick in places], name


def text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{words}</text>'


def axes(panel: Panel) -> list[str]:
    parts = [text(LEFT, panel.top - 14, panel.title, "panel")]
    for tick in panel.ticks:
        y = panel.y(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(text(LEFT - 8, y + 4, f"{tick:,g}", "faint", "end"))
    places, unit = time_ticks(panel.seconds)
    below = panel.top + PANEL_HEIGHT + 17
    parts += [text(panel.x(seconds), below, words, "faint", "middle") for seconds, words in places]
    parts.append(text(WIDTH - RIGHT, below, unit, "faint", "end"))
    return parts


def plotted(panel: Panel) -> list[str]:
    """Each line, and the names of all at the right end above the panel."""
    parts = []
    right = float(WIDTH - RIGHT)
    for (name, points), style in reversed(list(zip(panel.lines, LINE_STYLES, strict=False))):
        places = " ".join(f"{panel.x(seconds):.1f},{panel.y(value):.1f}" for seconds, value in points)
        parts.append(f'<polyline class="{style}" points="{places}"/>')
        parts.append(text(right, panel.top - 14, f"&#8212; {name}", f"{style}-name", "end"))
        right -= 6.2 * len(name) + 34
    return parts


def panels(run: Run) -> list[Panel]:
    memory = [
        ("while there is a snapshot", [(each.seconds, each.with_snapshot_kib / MIB) for each in run.samples]),
        ("when it is gone", [(each.seconds, each.resident_kib / MIB) for each in run.samples]),
        ("of it the recording", [(each.seconds, each.recording_kib / MIB) for each in run.samples]),
    ]
    between = windows(run.samples)
    throughput = [
        ("a second", [(each.until, each.per_second) for each in between]),
        ("a second of the server's CPU time", [(each.until, each.per_cpu_second) for each in between]),
    ]
    end = run.samples[-1].seconds
    return [
        Panel("Resident memory, MiB", memory, TOP, end),
        Panel("Requests answered", throughput, TOP + PANEL_HEIGHT + GAP, end),
    ]


def chart(run: Run, versions: str) -> str:
    body = [
        text(LEFT, 24, "A profiled gevent server under load", "title"),
        text(LEFT, HEIGHT - 14, f"{versions}; {run.requests:,} requests; a snapshot at each point", "faint"),
    ]
    for panel in panels(run):
        body += [*axes(panel), *plotted(panel)]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>Memory and throughput of a profiled gevent server over time</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        *body,
        "</svg>\n",
    ])  # fmt: skip


# -- the table -------------------------------------------------------------------------------------------


def table(run: Run, versions: str, faults: Sequence[str]) -> str:
    with_snapshot = first_and_last([each.with_snapshot_kib / MIB for each in run.settled])
    gone = first_and_last([each.resident_kib / MIB for each in run.settled])
    rates = [each.per_cpu_second for each in windows(run.settled)]
    failed = sum(run.statuses.values()) - run.statuses["200"]
    return "\n".join([
        "# Soak: a profiled server under load",
        "",
        f"`make soak` on {versions}.",
        "[benchmarks/soak.py](../benchmarks/soak.py) says what runs,",
        "[benchmarks/soak_judging.py](../benchmarks/soak_judging.py) what is asked of it.",
        "",
        "![Memory and throughput over time](soak.svg)",
        "",
        *([f"- Wrong: {fault}" for fault in faults] or ["- Nothing is wrong with it."]),
        f"- {run.requests:,} requests, {failed:,} of them failed. The profile counts {run.all_calls:,} calls"
        f" of {len(run.calls)} functions for them.",
        "- Resident memory, medians of the first and the last third once settled:",
        f"  {with_snapshot[0]:.1f} and {with_snapshot[1]:.1f} MiB while there is a snapshot,"
        f" {gone[0]:.1f} and {gone[1]:.1f} MiB when it is gone.",
        f"- Requests in a second of the server's CPU time: {median(rates):,.0f} (median), from"
        f" {min(rates):,.0f} to {max(rates):,.0f}. How many there are in a second depends on what else the",
        "  machine has to do.",
        "",
        "| seconds | with snapshot, MiB | without, MiB | recording, MiB | requests | a second | calls"
        " | snapshot, s |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
        *rows(run.samples),
        "",
    ])  # fmt: skip


def rows(samples: Sequence[Sample]) -> list[str]:
    """Of some fifteen lines, evenly over time; requests a second since the row before."""
    chosen = samples[:: max(1, len(samples) // 15)]
    rates = ["", *(f"{each.per_second:,.0f}" for each in windows(chosen))]
    return [
        f"| {each.seconds:.0f} | {each.with_snapshot_kib / MIB:.1f} | {each.resident_kib / MIB:.1f} |"
        f" {each.recording_kib / MIB:.1f} | {each.requests:,} | {rate} | {each.calls:,} |"
        f" {each.snapshot_seconds:.2f} |"
        for each, rate in zip(chosen, rates, strict=True)
    ]
