"""Tables and drawings of what was measured, made from the JSON alone."""

import math
import statistics
from html import escape
from typing import Any

from benchmarks.databases import OURS
from benchmarks.harness import NOTHING, OTHER_TREE, PYDANTIC, median
from benchmarks.work import TITLES

Result = dict[str, Any]
Ratios = dict[str, dict[str, float]]
COUNT = "instructions"
MEASURES = {"processor": "processor time", COUNT: "instructions"}
SLOWER = 1.05
"""Beyond this, with its lower quartile over 1, a comparison says slower."""
ABSOLUTE = {"growth", "held"}
"""Rows of figures that are no multiples."""


def first(found: Result) -> str:
    """Return the contender that the others are compared with."""
    return next(iter(found["contenders"]))


def ratios(found: Result, what: str) -> Ratios:
    """Return what each contender takes as a multiple of the first one."""
    rows: Ratios = {}
    driver = first(found)
    for operation, samples in found["samples"].items():
        if operation == "import":
            if what == "server":
                continue
            nothing = median(samples[NOTHING], what)
            base = median(samples[PYDANTIC], what) - nothing
            rows[operation] = {
                name: (median(taken, what) - nothing) / base
                for name, taken in samples.items()
                if name not in {NOTHING, PYDANTIC}
            }
        elif driver in samples and (base := median(samples[driver], what)):
            rows[operation] = {
                name: median(taken, what) / base for name, taken in samples.items()
            }
    return rows


def memory(found: Result) -> Ratios:
    """Return the figures of memory, which are no multiples."""
    return {
        what: {name: statistics.median(values) for name, values in by_name.items()}
        for what, by_name in found["memory"].items()
    }


def disagreements(found: Result) -> list[str]:
    """Say where the answers of two contenders differ."""
    return [
        f"{found['title']}: {operation}: the answers differ: {answers}"
        for operation, answers in found["checksums"].items()
        if len(set(answers.values())) > 1
    ]


def duration(seconds: float) -> str:
    """Spell a time with three digits."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def cell(value: float | None, what: str) -> str:
    """Spell one figure."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if what == "held" else f"{value:.2f}"


def table(found: Result) -> str:
    """Return one database's table and notes, in Markdown."""
    driver, *names = found["contenders"]
    titles = [title_of(found, name) for name in names]
    measure = MEASURES[found["measure"]].capitalize()
    has_server = any(
        sample["server"]
        for samples in found["samples"].values()
        for sample in samples.get(driver, [])
    )
    heads = ["operation", "of the driver", "goal", *titles]
    heads += [f"{found['contenders'][OURS]['title']}, wall"] if OURS in names else []
    heads += ["PyModels, server"] if has_server and OURS in names else []
    lines = [
        f"### {found['title']}",
        "",
        f"{measure} as a multiple of {found['contenders'][driver]['title']}'s;"
        f" {found['sizes']['records']:,} records; {durability(found)}.",
        "",
        f"| {' | '.join(heads)} |",
        f"| {' | '.join('---' for _ in heads)} |",
    ]
    measured = ratios(found, found["measure"])
    wall, server = ratios(found, "wall"), ratios(found, "server")
    for operation, row in {**measured, **memory(found)}.items():
        base = "–"
        if operation in ABSOLUTE:
            base = cell(row.get(driver), operation)
        elif operation != "import":
            taken = median(found["samples"][operation][driver], found["measure"])
            base = f"{taken:,.0f}" if found["measure"] == COUNT else duration(taken)
        cells = [TITLES[operation], base, cell(found["goals"].get(operation), "")]
        cells += [cell(row.get(name), operation) for name in names]
        if OURS in names:
            cells.append(cell(wall.get(operation, {}).get(OURS), ""))
            if has_server:
                cells.append(cell(server.get(operation, {}).get(OURS), ""))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines + notes(found)) + "\n"


def durability(found: Result) -> str:
    """Say what a write waits for; in a folder of its own that may not be so."""
    where = f" (in {found['folder']})" if found["folder"] else ""
    return f"{found['durability']}{where}"


def title_of(found: Result, name: str) -> str:
    """Return what a contender is called in tables and drawings."""
    title: str = found["contenders"][name]["title"]
    return f"{title} {found['other']}" if name == OTHER_TREE else title


def notes(found: Result) -> list[str]:
    """Say which contender does not do what."""
    lines = []
    for name, reasons in found["missing"].items():
        title = found["contenders"].get(name, {}).get("title", name)
        for operation, reason in reasons.items():
            what = TITLES.get(operation, "anything")
            lines.append(f"* {title}, {what}: {reason}.")
    return ["", *lines] if lines else []


def page(found: Result) -> str:
    """Return what the README says about one database."""
    versions = ", ".join(
        f"{n} {v}" for n, v in found["environment"]["packages"].items()
    )
    return "\n".join(
        [
            table(found),
            f"![{found['title']}](results/{found['database']}.svg)",
            "",
            f"Commit {found['commit']}, {found['made'][:10]}, CPython"
            f" {found['environment']['python']}, {found['environment']['processors']}"
            f" processors, load {found['environment']['load']:.1f}; {versions}.",
            "",
        ]
    )


def comparison(found: Result) -> str:
    """Return the time of PyModels here as a multiple of that of the other tree.

    Each round gives one quotient; the quartiles tell how far to trust the median.
    """
    measure = found["measure"]
    lines = [
        f"### {found['title']}: {found['commit']} against {found['other']}",
        "",
        f"| operation | {MEASURES[measure]} | quartiles | wall | server | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for operation, samples in found["samples"].items():
        if not {OURS, OTHER_TREE} <= set(samples):
            continue
        pairs = list(zip(samples[OURS], samples[OTHER_TREE], strict=True))
        cells = [TITLES[operation]]
        values = quotients(pairs, measure)
        low, middle, high = statistics.quantiles(values * 2, n=4)
        cells += [f"{middle:.2f}", f"{low:.2f} to {high:.2f}"]
        for what in ("wall", "server"):
            values = quotients(pairs, what)
            cells.append(f"{statistics.median(values):.2f}" if values else "–")
        is_slower = middle > SLOWER and low > 1
        cells.append("slower" if is_slower else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def quotients(pairs: list[Any], what: str) -> list[float]:
    """Divide one kind of time, round by round."""
    return [ours[what] / other[what] for ours, other in pairs if other[what]]


STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 11px; fill: #57606a }
  .line { stroke: #d0d7de } .one { stroke: #24292f; stroke-width: 1.5 }
  .c0 { fill: #0969da } .c1 { fill: #bc4c00 } .c2 { fill: #1a7f37 }
  .c3 { fill: #8250df } .c4 { fill: #bf3989 } .c5 { fill: #7d4e00 }
  .goal { fill: none; stroke: #24292f; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 }
    .line { stroke: #30363d } .one, .goal { stroke: #e6edf3 }
    .c0 { fill: #58a6ff } .c1 { fill: #f0883e } .c2 { fill: #3fb950 }
    .c3 { fill: #bc8cff } .c4 { fill: #ff7bc8 } .c5 { fill: #d8b04a }
  }
"""
LEFT, WIDTH, ROW, TOP, BOTTOM = 240, 860, 24, 78, 34


def drawing(found: Result) -> str:
    """Draw one database: a row for each operation, a dot for each contender."""
    rows = ratios(found, found["measure"])
    driver, *names = found["contenders"]
    every = [value for row in rows.values() for value in row.values() if value > 0]
    low = min(0.5, *every) if every else 0.5
    high = max(2.0, *every) if every else 2.0
    scale = (WIDTH - LEFT - 30) / math.log(high / low)

    def across(value: float) -> float:
        return round(LEFT + scale * math.log(max(value, low) / low), 1)

    height = TOP + ROW * len(rows) + BOTTOM
    base = found["contenders"][driver]["title"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' role="img"><title>{escape(found["title"])}</title>',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="10" y="22">{escape(found["title"])}:'
        f" {MEASURES[found['measure']]}"
        f" as a multiple of {escape(base)}'s (lower is better)</text>",
    ]
    at = 10.0
    for number, name in enumerate(names):
        title = title_of(found, name)
        parts.append(f'<circle class="c{number % 6}" cx="{at + 5}" cy="43" r="5"/>')
        parts.append(f'<text x="{at + 14}" y="47">{escape(title)}</text>')
        at += 34 + 7 * len(title)
    parts.append(f'<circle class="goal" cx="{at + 5}" cy="43" r="6"/>')
    parts.append(f'<text x="{at + 15}" y="47">goal of PyModels</text>')
    bottom = height - BOTTOM
    for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500):
        if low <= tick <= high:
            x, kind = across(tick), "one" if tick == 1 else "line"
            ends = f'x1="{x}" x2="{x}" y1="{TOP - 14}" y2="{bottom}"'
            parts.append(
                f'<line class="{kind}" {ends}/>'
                f'<text class="small" x="{x}" y="{bottom + 16}"'
                f' text-anchor="middle">{tick:g}</text>'
            )
    for number, (operation, row) in enumerate(rows.items()):
        y = TOP + ROW * number
        parts.append(f'<text x="10" y="{y + 4}">{escape(TITLES[operation])}</text>')
        if goal := found["goals"].get(operation):
            parts.append(f'<circle class="goal" cx="{across(goal)}" cy="{y}" r="6"/>')
        for color, name in reversed(list(enumerate(names))):
            if value := row.get(name):
                what = f"{title_of(found, name)}: {value:.2f}"
                radius = 5.5 if name == OURS else 4
                spot = f'cx="{across(value)}" cy="{y}" r="{radius}"'
                parts.append(
                    f'<circle class="c{color % 6}" {spot}>'
                    f"<title>{escape(what)}</title></circle>"
                )
    return "\n".join([*parts, "</svg>"]) + "\n"
