"""RESULTS-POSTGRESQL.md from results-postgresql.json."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from measure import COST, ON_POSTGRESQL
from report import OURS, Figures, Goal, Part, at_least, at_most, document, grid, medians_of, summary
from report import caption as shared_caption

GO = "Go, net/http + pgx"
READS = ("W1", "W1d", "W2")
REMARK = (
    "PostgreSQL and the client share the other core. All three write durably. The Go program does what a request "
    "needs and nothing else: "
    "no roles, no log, no metrics, no search, and no total in lists."
)


def report(results: dict[str, Any]) -> str:
    """The whole file."""
    parts = {"standard": Part(standard_goals, standard_sections), "large": Part(large_goals, large_sections)}
    return document(
        "Results on PostgreSQL", 'make bench ARGS="--postgresql"', "results-postgresql.json", parts, results
    )


def standard_goals(standard: dict[str, Any]) -> Iterator[Goal]:
    figures = Figures(standard["rows"])
    for workload in ("W1", "W2", "W3"):
        yield at_least(
            f"{workload} against Go, CPU of the server for each request", figures.ratio(GO, workload), 1.2, "×"
        )
        ours, theirs = figures.get(OURS, workload, "rate"), figures.get(GO, workload, "rate")
        yield at_least(
            f"{workload} against Go, requests a second", ours / theirs if ours and theirs else None, 1.2, "×"
        )


def large_goals(large: dict[str, Any]) -> Iterator[Goal]:
    millions = f"{large['users'] / 1e6:.0f} million users"
    for part, when in (("before", ""), ("after", f" after {large['deleted']:,} scattered deletions")):
        figures = Figures(medians_of(large[part]))
        near, far = figures.get(OURS, "W1"), figures.get(OURS, "W1d")
        yield at_most(
            f"list at the end of {millions}, against its beginning{when}, CPU",
            far / near if near and far else None,
            2,
            "×",
        )
        whole = [row["cpu_us"] + row["database_us"] for row in medians_of(large[part]) if row["workload"] == "W1d"]
        yield at_most(
            f"a page there, CPU of the server and PostgreSQL{when}",
            whole[0] / 1000 if whole else None,
            2,
            "ms",
        )
    yield at_most(
        "a page at an offset by chance, whole answers one after the other, median",
        large["anywhere_ms"]["median"],
        2,
        "ms",
    )
    yield at_most(
        f"search for one hit in {millions}, whole answers, median", large["search"]["one hit, median ms"], 5, "ms"
    )
    exact = (
        large["total"] == large["total_expected"]
        and large["total_at_once"] == large["total_after"] == large["total_after_expected"]
    )
    yield Goal(
        "`X-Total-Count` before and after them", "exact", f"{large['total']:,} and {large['total_after']:,}", exact
    )


def standard_sections(standard: dict[str, Any]) -> Iterator[str]:
    yield from summary(standard, (GO, "fastapi-users"), REMARK)
    yield f"## Beside others: {standard['users']:,} users"
    yield caption(standard)
    yield "\n".join(f"- {name}: {version}" for name, version in standard["versions"].items())
    if "left_out" in standard:
        yield standard["left_out"]
    yield (
        "The server is bound to one core; wrk and PostgreSQL share the other one, so requests a second are "
        "bounded there, too. In brackets how "
        "many times Rollbook's CPU a row's is: first the server's, then the server's and PostgreSQL's together. "
        "W1 and W1d ask for five pages in turn, so that none serves all callers."
    )
    yield table(standard["rows"])
    yield "\n".join(f"- **{name}**: {meaning}" for name, meaning in ON_POSTGRESQL.items())
    beside = [row for row in standard["rows"] if row["workload"] == "W5 beside"]
    yield "Creations a second beside W5: " + ", ".join(f"{row['server']} {row['creates']:.1f}" for row in beside) + "."
    if two := standard.get("rows_of_two"):
        yield "### Two workers"
        yield (
            "Two workers (Go: two threads), wrk and PostgreSQL all share the two cores: what counts is that the "
            "cost of a request stays."
        )
        yield table(two)
    yield f"The database of {standard['users']:,} users takes {standard['disk_mib']:,.0f} MiB before the first change."
    if "limiter" in standard:
        yield "### Counting a request"
        yield "Microseconds of CPU for a take, on the three stores of limits (`limiter.py`)."
        yield f"```\n{standard['limiter'].rstrip()}\n```"


def large_sections(large: dict[str, Any]) -> Iterator[str]:
    yield f"## {large['users']:,} users, ours alone"
    yield caption(large)
    disk = large["disk"]
    largest = ", ".join(f"{name} {size / 1024:.1f}" for name, size in list(disk.items())[1:8])
    yield grid(
        ["figure", ""],
        [
            ["loaded by COPY, with all indexes, in", f"{large['load_s']:,.0f} s"],
            [
                "database after it",
                f"{disk['all'] / 1024:.1f} GiB: {disk['all'] / large['users'] * 1e6:,.0f} MiB for a million users",
            ],
            ["its largest parts, GiB", largest],
            ["first 200 after the start", f"{large['first_200_s']:.2f} s"],
            ["`X-Total-Count`", f"{large['total']:,} (expected {large['total_expected']:,})"],
            [
                "the total's statement alone, seen from the client",
                f"{large['total_us']:,.0f} µs; `count(*)` {large['count_us'] / 1000:,.0f} ms",
            ],
            [
                "deleted, scattered",
                f"{large['deleted']:,}, by one statement beside the server, {large['delete_s']:,.0f} s",
            ],
            ["`X-Total-Count` then", f"{large['total_after']:,} (expected {large['total_after_expected']:,})"],
            ["pages compared with plain OFFSET after it", f"{large['pages']}, equal"],
            [
                "a page at an offset by chance, one after the other, whole answers",
                f"median {large['anywhere_ms']['median']:.2f} ms, 99 % within {large['anywhere_ms']['p99']:.2f} ms",
            ],
            ["memory of the server at the end", f"{large['memory_mib']:,.0f} MiB"],
        ],
    )
    for part, when in (("before", "All users"), ("after", "After the deletions")):
        yield f"{when}:"
        yield table(medians_of(large[part]))
    yield "Search for `q`, one request after the other, whole answers:"
    yield grid(["kind", "ms"], [[name, f"{value:.2f}"] for name, value in large["search"].items()])


def table(rows: Iterable[dict[str, Any]]) -> str:
    figures = Figures(rows)
    order = list(ON_POSTGRESQL)
    lines = []
    for (server, workload), row in sorted(figures.rows.items(), key=lambda item: order.index(base(item[0][1]))):
        failed = row["refused"] + row["broken"]
        cost = row[COST.get(workload, "cpu_us")]
        ours = figures.rows.get((OURS, "W3" if workload == "W3 alone" else workload))
        server_ratio = whole_ratio = ""
        if ours is not None and server != OURS and cost:
            mine = ours[COST.get(workload, "cpu_us")]
            server_ratio = f" ({cost / mine:.1f}×)"
            whole_ratio = f" ({(cost + row['database_us']) / (mine + ours['database_us']):.1f}×)"
        lines.append(
            [
                server,
                workload,
                f"{row['rate']:,.0f}" if row["rate"] >= 100 else f"{row['rate']:.1f}",
                f"{row['p50_ms']:,.1f}",
                f"{row['p99_ms']:,.1f}",
                f"{cost:,.0f}{server_ratio}" if cost else "",
                f"{row['database_us']:,.0f}{whole_ratio}" if row["database_us"] else "",
                f"{row['memory_mib']:,.0f}",
                f"{failed:,} broken" if failed else "0",
            ]
        )
    return grid(
        ["server", "workload", "req/s", "p50 ms", "p99 ms", "server µs", "PostgreSQL µs", "memory MiB", "failed"], lines
    )


def base(workload: str) -> str:
    return workload if workload in ON_POSTGRESQL else workload.removesuffix(" alone").removesuffix(" beside")


def caption(run: dict[str, Any]) -> str:
    return f"{shared_caption(run)} PostgreSQL with {', '.join(run['settings'])}; fsync and synchronous_commit are on."
