"""GROWTH.md and growth.svg, from growth.json."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import record
from plot import STYLE, duration
from report import grid

FAR = (10_000_000, 100_000_000)
"""Sizes that are computed from the measured ones: a power of the number of users, by least squares of the logarithms."""
SHOWN = 120
"""Characters of a statement."""
IDLE = 2
"""Load average up to which nothing else computes."""
LINE = 3
"""Runs that the line goes through: in small ones, what every database and start costs stands out."""
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}

Run = dict[str, Any]


class Measure(NamedTuple):
    """One line of the tables. `of` finds it in a run, in the unit that `shown` takes."""

    name: str
    of: Callable[[Run], float]
    shown: Callable[[float], str]
    clock: bool = True
    """Taken by the clock: other programs on the machine change it."""


def seconds(value: float) -> str:
    return duration(value * 1e6)


def mebibytes(value: float) -> str:
    return f"{value / 1024:.3g} GiB" if value >= 1000 else f"{value:.3g} MiB"


def part(name: str, unit: str = "s") -> Callable[[Run], float]:
    return lambda run: run[name][unit]


def kind(name: str, unit: str) -> Callable[[Run], float]:
    return lambda run: run["asked"][name][unit]


def measures(runs: Sequence[Run]) -> Iterator[Measure]:
    """Those that all of these runs have."""
    yield Measure("import", lambda run: run["import_s"], seconds)
    yield Measure("import, CPU of a user", lambda run: run["import_cpu_us"], duration, False)
    yield Measure("size of the database", lambda run: run["size_mib"], mebibytes, False)
    yield Measure("start to the first answer", lambda run: run["start_s"], seconds)
    yield Measure("memory of the server", lambda run: run["memory_mib"], mebibytes, False)
    for name in runs[-1]["asked"]:
        yield Measure(f"{name}, CPU", kind(name, "cpu_us"), duration, False)
        yield Measure(f"{name}, median", kind(name, "median_ms"), lambda value: duration(value * 1e3))
    for name, title in STEPS.items():
        if name in runs[-1]:
            yield Measure(title, part(name), seconds)
    if "copy_mib" in runs[-1]:
        yield Measure("size of Litestream's copy", lambda run: run["copy_mib"], mebibytes, False)


STEPS = {
    "backup": "backup",
    "restore": "restore",
    "check": "`rollbook doctor` after it",
    "first_copy": "Litestream's first copy",
    "restore_copy": "restore of Litestream's copy",
}
PLOTTED = (
    "import",
    "size of the database",
    "backup",
    "restore",
    "restore of Litestream's copy",
    "start to the first answer",
    "get a user, CPU",
    "change a user, CPU",
    "first page, CPU",
    "page at the end, CPU",
    "count of a role, CPU",
    "search, one match, CPU",
)


def in_order(kept: Mapping[str, Run]) -> list[Run]:
    """Runs of growth.json."""
    return sorted(kept.values(), key=lambda run: (run["engine"], run["users"]))


def by_engine(figures: Sequence[Run]) -> dict[str, list[Run]]:
    return {name: runs for name in NAMES if (runs := [run for run in figures if run["engine"] == name])}


def expected(runs: Sequence[Run], measure: Measure, users: int) -> float | None:
    """What the line through the largest runs says of another size; with fewer than three of them, nothing, and of
    times by the clock neither, if one of them was taken on a busy machine. Nothing gets cheaper by more users: then it is
    the last."""
    runs = runs[-LINE:]
    if len(runs) < LINE or (measure.clock and any(run["load_average"] > IDLE for run in runs)):
        return None
    points = [(math.log(run["users"]), math.log(max(measure.of(run), 1e-9))) for run in runs]
    middle, height = (sum(values) / len(points) for values in zip(*points, strict=True))
    slope = sum((x - middle) * (y - height) for x, y in points) / sum((x - middle) ** 2 for x, _ in points)
    if slope <= 0:
        return measure.of(runs[-1])
    return math.exp(height + slope * (math.log(users) - middle))


def page(figures: Sequence[Run]) -> str:
    parts = [
        "# Growth",
        "Written by `benchmarks/growth.py`; not edited by hand. The figures as data: [growth.json](growth.json).",
        "One caller asks one request after the other, 200 of each kind after 20. CPU is that of the server and PostgreSQL for "
        "each, which other programs on the machine change little; medians by the clock they do change. What is in *italics* was not "
        "measured: it is the line through the three largest sizes, a power of the number of users; of times by the clock only if nothing else computed meanwhile.",
        "![What grows with the number of users, on logarithmic scales](growth.svg)",
    ]
    for name, runs in by_engine(figures).items():
        sizes = [run["users"] for run in runs]
        far = [users for users in FAR if len(runs) >= LINE and users not in sizes]
        lines = [
            [
                measure.name,
                *(measure.shown(measure.of(run)) for run in runs),
                *(f"*{measure.shown(value)}*" if (value := expected(runs, measure, users)) else "" for users in far),
            ]
            for measure in measures(runs)
        ]
        parts += [f"## {NAMES[name]}", grid(["users", *(f"{users:,}" for users in [*sizes, *far])], lines)]
        parts += [f"{run['users']:,} users: {plans(run)} {record.caption(run)}" for run in runs]
    return "\n\n".join(parts) + "\n"


def plans(run: Run) -> str:
    """What the database says it would do at this size."""
    if not (walking := run["plans"]["walks"]):
        return f"None of {run['plans']['statements']} statements walks through a table."
    beginnings = "; ".join(f"`{' '.join(statement.split())[:SHOWN]} …`" for statement in walking)
    return f"{len(walking)} of {run['plans']['statements']} statements walk through a table: {beginnings}."


WIDTH, HEIGHT, COLUMNS = 280, 170, 3
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 34, 30


def plot(figures: Sequence[Run]) -> str:
    """A small picture for each measure, both scales logarithmic: measured sizes as dots, the line on to the far ones
    dashed."""
    engines = by_engine(figures)
    names = [
        name for name in PLOTTED if any(measure.name == name for runs in engines.values() for measure in measures(runs))
    ]
    rows = -(-len(names) // COLUMNS)
    panels = [
        f'<g transform="translate({number % COLUMNS * WIDTH} {56 + number // COLUMNS * HEIGHT})">{panel(name, engines)}</g>'
        for number, name in enumerate(names)
    ]
    legend = "".join(
        f'<rect class="s{(0, 3)[number]}" x="{LEFT + 120 * number}" y="32" width="12" height="12" rx="2"/>'
        f'<text x="{LEFT + 18 + 120 * number}" y="42.5">{NAMES[engine]}</text>'
        for number, engine in enumerate(engines)
    )
    title = "What grows with the number of users"
    width, height = COLUMNS * WIDTH, 64 + rows * HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-labelledby="title">\n<title id="title">{title}</title>\n<style>{STYLE}'
        "  .l0 { stroke: #0a7d5a; } .l1 { stroke: #5b7db1; } .on { fill: none; stroke-width: 2; } .on.far { stroke-dasharray: 4 4; }\n"
        f'</style>\n<rect class="ground" width="{width}" height="{height}" rx="6"/>\n'
        f'<text class="title" x="{LEFT}" y="22">{title}</text>\n{legend}\n' + "\n".join(panels) + "\n</svg>\n"
    )


def panel(name: str, engines: dict[str, list[Run]]) -> str:
    lines = []
    for number, runs in enumerate(engines.values()):
        for measure in (measure for measure in measures(runs) if measure.name == name):
            known = [(run["users"], measure.of(run)) for run in runs]
            far = [
                (users, value) for users in FAR if (value := expected(runs, measure, users)) and users > known[-1][0]
            ]
            lines.append((number, measure, known, far))
    values = [value for _, _, known, far in lines for _, value in (*known, *far)]
    low, high = math.floor(math.log10(max(min(values), 1e-9))), math.ceil(math.log10(max(values)) + 0.01)
    first, last = 4.0, 8.0

    def place(users: float, value: float) -> str:
        x = LEFT + (math.log10(users) - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - (math.log10(max(value, 1e-9)) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return f"{x:.1f} {y:.1f}"

    shown = lines[0][1].shown
    drawn = [f'<text class="group" x="{LEFT}" y="20">{escape(name.replace("`", ""))}</text>']
    for power in range(low, high + 1, max(1, (high - low) // 3)):
        x, y = place(10**first, 10.0**power).split()
        drawn.append(f'<path class="line" d="M{x} {y}H{WIDTH - RIGHT}"/>')
        drawn.append(
            f'<text class="quiet" x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{shown(10.0**power)}</text>'
        )
    for power, label in {4: "10,000", 6: "1 million", 8: "100 million"}.items():
        x, y = place(10.0**power, 10.0**low).split()
        drawn.append(
            f'<text class="quiet" x="{x}" y="{float(y) + 18:.1f}" text-anchor="{"end" if power == 8 else "middle"}">{label}</text>'
        )
    for number, _, known, far in lines:
        path = "L".join(place(*point) for point in known)
        drawn.append(f'<path class="on l{number}" d="M{path}"/>')
        if far:
            drawn.append(
                f'<path class="on far l{number}" d="M{"L".join(place(*point) for point in (known[-1], *far))}"/>'
            )
        for point in known:
            x, y = place(*point).split()
            drawn.append(f'<circle class="s{(0, 3)[number]}" cx="{x}" cy="{y}" r="3.5"/>')
    return "".join(drawn)
