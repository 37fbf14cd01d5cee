"""RESULTS.md from results.json: first what users want to know, then all figures, at the end the goals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import record
from measure import COST, WORKLOADS, Row, as_json, medians
from plot import duration
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

OURS, GO = "Rollbook", "Go, net/http + SQLite"
MAIN = ("W1", "W1d", "W2", "W3", "W4")
IN_WORDS = {
    "W2": "Get a user",
    "W1": "List 20 users",
    "W1d": "List 20 users near the end",
    "W3": "Update a user",
    "W4": "Create a user with a password",
    "W5 alone": "Get a user, 8 connections",
    "W5 beside": "The same, while users are created",
}
"""The workloads that most people ask about."""


PEERS = (
    "Updates of Rollbook and fastapi-users survive a power failure, those of PocketBase may not. The hash of the "
    "password determines how long it "
    "takes to create a user: argon2id with 19 MiB on Rollbook, bcrypt on PocketBase, argon2id with 64 MiB on "
    "fastapi-users. The lists of Rollbook "
    "and PocketBase have a total; without it, PocketBase lists {without:,.0f} times a second."
)


class Goal(NamedTuple):
    text: str
    goal: str
    measured: str
    met: bool | None


class Figures:
    """A standard run's rows by server and workload; those with a failed request count as absent."""

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self.rows = {(row["server"], row["workload"]): row for row in rows}
        self.servers = list(dict.fromkeys(server for server, _ in self.rows))

    def get(self, server: str, workload: str, name: str = "") -> float | None:
        """A figure of the row, what a request costs if no other is named."""
        row = self.rows.get((server, workload))
        if row is None or row["refused"] or row["broken"]:
            return None
        return float(row[name or COST[workload]])

    def ratio(self, server: str, workload: str) -> float | None:
        """How many times Rollbook's cost this server's is."""
        ours, theirs = self.get(OURS, workload), self.get(server, workload)
        return theirs / ours if ours and theirs else None


class Part(NamedTuple):
    """One kind of run: what its figures are held against, and how they are shown."""

    goals: Callable[[dict[str, Any]], Iterable[Goal]]
    sections: Callable[[dict[str, Any]], Iterable[str]]


def report(results: dict[str, Any]) -> str:
    """The whole file."""
    parts = {"standard": Part(standard_goals, standard_sections), "large": Part(large_goals, large_sections)}
    return document("Results", "make bench", "results.json", parts, results)


def document(title: str, command: str, data: str, parts: dict[str, Part], results: dict[str, Any]) -> str:
    """The sections of all parts that were run, then their goals."""
    run = [(part, results[name]) for name, part in parts.items() if results.get(name)]
    marks = {True: "met", False: "**not met**", None: "not measured"}
    goals = [
        [goal.text, goal.goal, goal.measured, marks[goal.met]] for part, figures in run for goal in part.goals(figures)
    ]
    found = [
        f"# {title}",
        f"Written by `{command}`; not edited by hand. What is measured, and how far to trust it: "
        "[README.md](README.md). "
        f"The figures as data: [{data}]({data}).",
    ]
    for part, figures in run:
        found += part.sections(figures)
    found += ["## Goals", grid(["what", "goal", "measured", ""], goals)]
    return "\n\n".join(found) + "\n"


def summary(standard: dict[str, Any], peers: Sequence[str], remark: str) -> Iterator[str]:
    """Requests per second and latencies of Rollbook beside others, for readers in a hurry."""
    figures = Figures(standard["rows"])
    servers = [OURS, *peers]
    yield "## Requests per second"
    yield (
        f"Measured on {standard['date'].partition(' ')[0]} with {standard['users']:,} users, on one core of a "
        "virtual machine "
        f"({standard['machine']['processor']}). {remark}"
    )
    yield grid(
        ["", *servers],
        [
            [words, *(_figure(figures, server, workload, "rate") for server in servers)]
            for workload, words in IN_WORDS.items()
            if "W5" not in workload
        ],
    )
    yield "## Latency"
    yield (
        "The median in milliseconds, and in brackets the 99th percentile. "
        "32 connections keep one core busy, so most of it is waiting (4 connections where users are created)."
    )
    yield grid(
        ["", *servers],
        [[words, *(_latency(figures, server, workload) for server in servers)] for workload, words in IN_WORDS.items()],
    )


def _figure(figures: Figures, server: str, workload: str, name: str) -> str:
    value = figures.get(server, workload, name)
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _latency(figures: Figures, server: str, workload: str) -> str:
    median, most = (_figure(figures, server, workload, name) for name in ("p50_ms", "p99_ms"))
    return f"{median} ({most})" if median else ""


def keep(file: Path, part: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Put the figures beside what the other kind of run left in this file. Returns all of them."""
    results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    results[part] = figures
    file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    return results


def printed(standard: dict[str, Any]) -> Iterator[Table]:
    """The tables of a run for the terminal."""
    columns = ("server", "workload", "req/s", "p50 ms", "p99 ms", "CPU µs", "+ later", "MiB", "failed")
    table = Table(
        *(Column(name, no_wrap=True, justify="left" if number < 2 else "right") for number, name in enumerate(columns)),
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for row in sorted(standard["rows"], key=lambda row: (str(row["workload"]), -float(row["rate"]))):
        table.add_row(*figures_of(row))
    yield table
    for heading in ("own", "floors"):
        if heading in standard:
            table = Table(heading, Column("figure", justify="right"), box=SIMPLE_HEAD)
            for name, value in flat(standard[heading]):
                table.add_row(name, f"{value:,.3f}".rstrip("0").rstrip("."))
            yield table


def standard_goals(standard: dict[str, Any]) -> Iterator[Goal]:
    figures = Figures(standard["rows"])
    for workload, limit in (("W1", 60), ("W2", 42), ("W3", 110)):
        yield at_most(f"{workload}, server CPU for each request", figures.get(OURS, workload, "cpu_us"), limit, "µs")
    yield at_most(
        "W3, with what it leaves for later (search index, checkpoint)", figures.get(OURS, "W3", "settled_us"), 150, "µs"
    )
    for workload, pocketbase, fastapi_users in (("W1", 5, 25), ("W2", 5, 25), ("W3", 5, 5)):
        yield at_least(f"{workload} against PocketBase, CPU", figures.ratio("PocketBase", workload), pocketbase, "×")
        yield at_least(
            f"{workload} against fastapi-users, CPU", figures.ratio("fastapi-users", workload), fastapi_users, "×"
        )
    for workload, times in (("W1", 1), ("W2", 0.91)):
        yield at_least(f"{workload} against a bare server in Go, CPU", figures.ratio(GO, workload), times, "×")
    alone, beside = figures.get(OURS, "W5 alone", "p99_ms"), figures.get(OURS, "W5 beside", "p99_ms")
    yield at_most(
        "p99 of W2 beside creations at saturation, against alone",
        beside / alone if alone and beside else None,
        1.5,
        "×",
    )
    own = standard.get("own", {})
    create, start, half = own.get("create", {}), own.get("start", {}), own.get("half_open", {})
    sound = create and not create["failures"]
    yield at_least(
        "creations a second, against argon2 alone on an idle core", create["share"] * 100 if sound else None, 90, "%"
    )
    yield at_most("first 200 after the start, new folder", start.get("first_200_empty_s"), 0.5, "s")
    yield at_most(
        f"first 200 after the start, {standard['users']:,} users", start.get("first_200_with_data_s"), 0.5, "s"
    )
    yield at_most("memory of an idle worker", start.get("idle_worker_mib"), 50, "MiB")
    ratio = half["beside_p99_ms"] / half["alone_p99_ms"] if half and not half["failures"] else None
    yield at_most("p99 of W2 beside 200 half-open connections, against alone", ratio, 1.5, "×")
    closed = half.get("slowest_close_s") if half.get("closed") == 200 else None
    yield at_most("each of the 200 closed; half of them stop in the body, whose deadline is 30 s", closed, 30.5, "s")
    yield at_least(
        f"import of {standard['users']:,} users, rows a second", standard.get("import_rows_per_second"), 30_000, ""
    )


def large_goals(large: dict[str, Any]) -> Iterator[Goal]:
    millions = f"{large['users'] / 1e6:.0f} million users"
    yield at_least(f"import of {millions}, rows a second", large["import_rows_per_second"], 30_000, "")
    for part, when in (("before", ""), ("after", f" after {large['deleted']:,} scattered deletions")):
        figures = Figures(medians_of(large[part]))
        near, far = figures.get(OURS, "W1"), figures.get(OURS, "W1d")
        yield at_most(
            f"list at the end of {millions}, against its beginning{when}", far / near if near and far else None, 2, "×"
        )
    exact = large["total"] == large["total_expected"] and large["total_after"] == large["total_after_expected"]
    yield Goal(
        "`X-Total-Count` before and after them", "exact", f"{large['total']:,} and {large['total_after']:,}", exact
    )
    yield at_most(f"first 200 after the start, {millions}", large["first_200_s"], 1, "s")
    longest = max(value for name, value in large["search"].items() if name.endswith("median ms"))
    yield at_most(f"search in {millions}, median of the slowest kind of `q`", longest, 5, "ms")


def standard_sections(standard: dict[str, Any]) -> Iterator[str]:
    figures = Figures(standard["rows"])
    floors = standard.get("floors", {})
    yield from summary(
        standard,
        ("PocketBase", "fastapi-users"),
        PEERS.format(without=figures.get("PocketBase", "W1 without total", "rate") or 0),
    )
    yield f"## Beside others: {standard['users']:,} users"
    yield caption(standard)
    yield "\n".join(f"- {name}: {version}" for name, version in standard["versions"].items())
    yield "![Server CPU time of one request, by workload and server, on a logarithmic scale](results.svg)"
    yield (
        "Server CPU for each request; for W3 and W4 with what the server still did afterwards. In brackets how "
        "many times Rollbook's that is.\n"
        "The last line is the machine's floor: the same statement, or hash, straight from Python with no HTTP "
        "and no rules."
    )
    rows = [[name, *(cell(figures, name, workload) for workload in MAIN)] for name in figures.servers]
    rows += [
        [
            "PocketBase, `skipTotal=1`",
            *(cell(figures, "PocketBase", f"{workload} without total", workload) for workload in ("W1", "W1d")),
            "",
            "",
            "",
        ]
    ]
    if floors:
        hash_us = 1e6 / floors["hashes_per_second"]
        rows += [["SQLite, argon2 alone", *(duration(floors[workload]) for workload in MAIN[:-1]), duration(hash_us)]]
    yield grid(["", *MAIN], rows)
    yield "\n".join(f"- **{name}**: {meaning}" for name, meaning in WORKLOADS.items() if "without" not in name)
    yield "### All figures"
    order = list(WORKLOADS)
    listed = sorted(
        standard["rows"],
        key=lambda row: (order.index(row["workload"].removesuffix(" alone").removesuffix(" beside")), row["workload"]),
    )
    columns = ["server", "workload", "req/s", "p50 ms", "p99 ms", "CPU µs", "+ later", "memory MiB", "failed"]
    yield grid(columns, [figures_of(row) for row in listed])
    beside = [row for row in listed if row["workload"] == "W5 beside"]
    yield "Creations a second meanwhile: " + ", ".join(f"{row['server']} {row['creates']:.1f}" for row in beside) + "."
    if own := standard.get("own"):
        yield "### Only ours"
        yield grid(
            ["figure", ""],
            [[name.replace("_", " "), f"{value:,.3f}".rstrip("0").rstrip(".")] for name, value in flat(own)],
        )


def large_sections(large: dict[str, Any]) -> Iterator[str]:
    yield f"## {large['users']:,} users, ours alone"
    yield caption(large)
    yield grid(
        ["figure", ""],
        [
            ["import", f"{large['import_s']:,.0f} s, {large['import_rows_per_second']:,.0f} rows/s"],
            ["data folder after it", f"{large['disk_gib']:.1f} GiB"],
            ["first 200 after the start", f"{large['first_200_s']:.2f} s"],
            ["`X-Total-Count`", f"{large['total']:,} (expected {large['total_expected']:,})"],
            ["deleted over the API, scattered", f"{large['deleted']:,}"],
            ["`X-Total-Count` then", f"{large['total_after']:,} (expected {large['total_after_expected']:,})"],
            ["memory of the server at the end", f"{large['memory_mib']:,.0f} MiB"],
        ],
    )
    rows = []
    for part, when in (("before", "all users"), ("after", "after the deletions")):
        rows += [[when, *figures_of(row)[1:]] for row in medians_of(large[part])]
    yield grid(["", "workload", "req/s", "p50 ms", "p99 ms", "CPU µs", "+ later", "memory MiB", "failed"], rows)
    yield "Search for `q`, one request after the other, whole answers:"
    yield grid(["kind", "ms"], [[name, f"{value:.2f}"] for name, value in large["search"].items()])


def caption(run: dict[str, Any]) -> str:
    return f"{record.caption(run)} {run['seconds']} s for each measurement, medians of {run['rounds']} rounds."


def at_most(text: str, value: float | None, limit: float, unit: str) -> Goal:
    return Goal(
        text, f"≤ {number(limit)} {unit}".strip(), shown(value, unit), None if value is None else value <= limit
    )


def at_least(text: str, value: float | None, limit: float, unit: str) -> Goal:
    return Goal(
        text, f"≥ {number(limit)} {unit}".strip(), shown(value, unit), None if value is None else value >= limit
    )


def shown(value: float | None, unit: str) -> str:
    return "" if value is None else f"{number(value)} {unit}".strip()


def number(value: float) -> str:
    """Three digits, more for whole numbers."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def cell(figures: Figures, server: str, workload: str, against: str | None = None) -> str:
    if (server, workload) not in figures.rows:
        return ""
    value = figures.get(server, workload)
    if value is None:
        return "broken"
    ours = figures.get(OURS, against or workload)
    return (
        duration(value)
        if server == OURS or not ours
        else f"{duration(value)} ({value / ours:,.{0 if value >= 10 * ours else 1}f}×)"
    )


def figures_of(row: dict[str, Any]) -> list[str]:
    cpu = [f"{row[name]:,.0f}" if row[name] else "" for name in ("cpu_us", "settled_us")]
    failed = row["refused"] + row["broken"]
    return [
        row["server"],
        row["workload"],
        f"{row['rate']:,.0f}" if row["rate"] >= 100 else f"{row['rate']:.1f}",
        f"{row['p50_ms']:,.1f}",
        f"{row['p99_ms']:,.1f}",
        *cpu,
        f"{row['memory_mib']:,.0f}",
        f"{failed:,} broken" if failed else "0",
    ]


def flat(figures: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}: ")
        else:
            yield prefix + name, value


def medians_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return as_json(medians(Row(**row) for row in rows))


def grid(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
