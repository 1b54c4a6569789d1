"""The page of results: verdicts, tables, and a picture of the cost of a call."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

from bench_contenders import CONTENDERS
from bench_results import Results
from bench_targets import Verdict, verdicts
from bench_workloads import WORKLOADS
from soak_chart import STYLE

HEAD: Final = """# Benchmarks

Made by `make bench` (`benchmarks/bench.py` says how). Times are CPU times of the process, so other programs
do not count. A workload is measured in some processes, each pinned to one core, in which a few take turns,
the plain program too; of the runs of each the fastest tenth counts, for the core is slow in many. Ratios are
medians over the processes; those count during which the core had its full speed.

- **floor**: C callbacks that do nothing, of the same events; an empty C function for `greenlet.settrace`.
- **ours**: without built-ins; **excluded**: with built-ins, and `exclude=` of the benchmark's own functions;
  those of gevent are not.
- cProfile and pyinstrument do not know greenlets: of programs that switch their profile is wrong.
"""

#: Of runs of bench_measure.truth(), with their titles.
SHARES: Final = {
    "plain": "without a profiler",
    "slowed": "the same, loop slowed by the interpreter",
    "shown": "shown",
    "raw": "raw",
}

WIDTH: Final = 760
ROW: Final = 22
NAME_WIDTH: Final = 130


def write_page(page: Path, chart: Path, every: Sequence[Results]) -> None:
    chart.write_text(svg(every[-1]))
    page.write_text("\n".join(lines(chart.name, every)) + "\n")


def lines(chart: str, every: Sequence[Results]) -> Iterator[str]:
    yield HEAD
    yield f"![added time of a call]({chart})\n"
    yield f"{os.cpu_count()} cores of a {processor()}, {platform.system()} {platform.release()}.\n"
    yield "## Targets\n"
    yield from verdict_table(every)
    for results in every:
        yield from of_python(results)


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def verdict_table(every: Sequence[Results]) -> Iterator[str]:
    yield "What is missed is **bold**. Limits are of 3.12 and later / of 3.10 and 3.11; - is not judged."
    yield "*0.55 (0.54)*: a limit that is out of reach there. 0.54 is what callbacks have that do nothing but"
    yield "read the clock; of tiny calls, how far off it is if events cost nothing, for before 3.12 the"
    yield "interpreter itself runs all code more slowly while it tells of calls: the loop, too.\n"
    by_python = [{verdict.target.name: verdict for verdict in verdicts(results)} for results in every]
    names = dict.fromkeys(name for known in by_python for name in known)
    yield row(["", "limit", *(results.python for results in every)])
    yield row(["---", "---", *("---:" for _ in every)])
    for name in names:
        target = next(known[name].target for known in by_python if name in known)
        limits = "/".join(
            "-" if limit is None else f"{limit:.2f}" for limit in (target.limit_new, target.limit_old)
        )
        sign = "≥" if target.is_least else "≤"
        yield row([name, f"{sign} {limits}", *(cell(known.get(name)) for known in by_python)])


def cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    text = f"{verdict.figure:.3f}"
    if verdict.is_out_of_reach:
        return f"*{text} ({verdict.floor:.3f})*"
    return f"**{text}**" if verdict.is_missed else text


def of_python(results: Results) -> Iterator[str]:
    yield f"\n## CPython {results.python}\n"
    yield "Added nanoseconds a unit, median and quartiles.\n"
    contenders = [name for name in CONTENDERS if any(name in known for known in results.pairs.values())]
    yield row(["", "unit", "plain", *contenders])
    yield row(["---", "---", *("---:" for _ in range(len(contenders) + 1))])
    for workload, known in results.pairs.items():
        added = [added_cell(results, workload, name) if known.get(name) else "" for name in contenders]
        yield row([workload, WORKLOADS[workload].unit, f"{results.plain_ns(workload):,.0f}", *added])
    stamp_ns = results.stamp("fib") * results.plain_ns("fib")
    yield f"\nA time stamp takes {stamp_ns:.1f} ns."
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in results.versions.items()) + "."
    if results.missing:
        yield f"Not there: {', '.join(results.missing)}."
    if results.failed:
        yield f"Failed: {', '.join(results.failed)}."
    yield from truth_table(results)
    yield from phase_table(results)
    yield from curves(results)


def added_cell(results: Results, workload: str, contender: str) -> str:
    middle, low, high = results.added_ns(workload, contender)
    return f"{middle:,.0f} ({low:,.0f}-{high:,.0f})"


def truth_table(results: Results) -> Iterator[str]:
    yield "\nThe share of 300,000 tiny calls beside a loop that takes as long, process by process:\n"
    yield row(["", *SHARES.values()])
    yield row(["---"] * (len(SHARES) + 1))
    for name, runs in results.truth.items():
        yield row([name, *(", ".join(f"{run[key]:.2f}" for run in runs if key in run) for key in SHARES)])


def phase_table(results: Results) -> Iterator[str]:
    yield "\nThe share of each workload beside such a loop: without a profiler (plain), the same with the"
    yield "loop slowed by the interpreter (slowed), shown, and raw. A switch's cost is not taken out.\n"
    contenders = list(dict.fromkeys(name for known in results.phases.values() for name in known))
    yield row(["", *(f"{name}: {key}" for name in contenders for key in SHARES)])
    yield row(["---", *["---:"] * (len(contenders) * len(SHARES))])
    for workload, known in results.phases.items():
        shares = [known[name].get(key) for name in contenders for key in SHARES]
        yield row([workload, *("" if share is None else f"{share:.2f}" for share in shares)])


def curves(results: Results) -> Iterator[str]:
    yield "\nNanoseconds of an event on ten hot paths (ours), and of one on a walk over the whole tree:\n"
    yield row(["nodes", "hot paths", "walk", "", "living greenlets", "hot paths"])
    yield row(["---:"] * 6)
    for (nodes, of_nodes), (greenlets, of_greenlets) in zip(
        results.nodes.items(), results.greenlets.items(), strict=False
    ):
        yield row([
            f"{int(nodes):,}", f"{of_nodes['event']:.1f}", f"{of_nodes['random']:.1f}", "",
            f"{int(greenlets):,}", f"{of_greenlets['event']:.1f}",
        ])  # fmt: skip


def svg(results: Results) -> str:
    """Bars on a logarithmic scale: what each adds to a call of a Python function."""
    known = [name for name in CONTENDERS if results.has("fib", name)]
    bars = [(name, results.added_ns("fib", name).middle) for name in known]
    height = 60 + ROW * len(bars) + 30
    decades = math.ceil(math.log10(max(value for _, value in bars)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>Added nanoseconds a Python call</title><style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="16" y="28">Added nanoseconds a call (fib, CPython {results.python})</text>',
    ]
    for power in range(decades + 1):
        x = position(10.0**power, decades)
        parts.append(f'<line class="grid" x1="{x:.0f}" x2="{x:.0f}" y1="44" y2="{height - 30}"/>')
        parts.append(label(x, height - 12, "faint", "middle", f"{10**power:,}"))
    for number, (name, value) in enumerate(bars):
        parts += bar(name, value, 50 + ROW * number, decades)
    return "\n".join([*parts, "</svg>\n"])


def position(value: float, decades: int) -> float:
    """What is below 1 has no place on a logarithmic scale."""
    room = WIDTH - NAME_WIDTH - 80
    return NAME_WIDTH + room * math.log10(max(1.0, value)) / decades


def bar(name: str, value: float, y: float, decades: int) -> list[str]:
    style = "one" if name.startswith("ours") else "three"
    end = position(value, decades)
    return [
        label(NAME_WIDTH - 8, y + 14, "", "end", name),
        f'<path class="{style}" stroke-width="12" d="M{NAME_WIDTH} {y + 10}H{end:.1f}"/>',
        label(end + 6, y + 14, f"{style}-name", "start", f"{value:,.0f}" if value >= 1 else "less than 1"),
    ]


def label(x: float, y: float, style: str, anchor: str, text: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
