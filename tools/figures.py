"""Parts of README.md and docs/ with figures that were measured. Each comes from a file of benchmarks/ that a command
wrote, together with the commit that it measured; new results change the pages by `make docs`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
sys.path.append(str(BENCHMARKS))

from growth_page import LINE, NAMES, Run, by_engine, expected, in_order, measures, mebibytes  # noqa: E402
from plot import duration  # noqa: E402

FAR = 100_000_000
COUNTS = 256 * 2**20
"""`maxmemory` of Valkey in deploy/compose.three-nodes.yaml."""


def kept(file: str, *names: str) -> Run:
    """A run's figures. KeyError if it doesn't say which commit it measured: then no page may quote it."""
    figures = json.loads((BENCHMARKS / file).read_text())
    for name in names:
        figures = figures[name]
    if "commit" not in figures:
        raise KeyError(f"{file} {' '.join(names)}: no commit. Measure again.")
    return dict(figures)


def standard() -> Run:
    return kept("results.json", "standard")


def of_workload(workload: str, name: str) -> float:
    """A figure of one worker."""
    [row] = [row for row in standard()["rows"] if (row["server"], row["workload"]) == ("Rollbook", workload)]
    if row["refused"] or row["broken"]:
        raise ValueError(f"{workload}: requests failed")
    return float(row[name])


def rate(workload: str) -> float:
    """Requests a second."""
    return of_workload(workload, "rate")


def growth(engine: str) -> list[Run]:
    """Runs by size."""
    runs = in_order(json.loads((BENCHMARKS / "growth.json").read_text()))
    return [kept("growth.json", f"{engine} {run['users']}") for run in by_engine(runs)[engine]]


def losses() -> Run:
    return kept("copies.json", "losses")


def footprint() -> Run:
    return kept("footprint.json")


# ---- words


def two(value: float) -> str:
    """Two digits that count: 32,000."""
    return f"{float(f'{value:.2g}'):,.10g}"


def millions(users: int) -> str:
    return f"{users / 1e6:g} million" if users >= 1_000_000 else f"{users:,}"


def between(values: list[float], shown: Callable[[float], str]) -> str:
    least, most = shown(min(values)), shown(max(values))
    return least if least == most else f"{least} to {most}"


def cpu(run: Run, kind: str) -> list[float]:
    """Microseconds, which other programs on the machine hardly change."""
    return [float(figures["cpu_us"]) for name, figures in run["asked"].items() if name.startswith(kind)]


def at(runs: list[Run], name: str, users: int) -> str:
    """What the line through all sizes says of another one."""
    [measure] = [measure for measure in measures(runs) if measure.name == name]
    value = expected(runs, measure, users)
    if value is None:
        raise ValueError(f"{name}: fewer than three sizes")
    return measure.shown(float(f"{value:.2g}"))


# ---- parts


def rates_part() -> str:
    return (
        f"On one core, Rollbook does {two(rate('W2'))} lookups and {two(rate('W3'))} durable updates per second "
        "([benchmarks](benchmarks/RESULTS.md))."
    )


def origin_part() -> str:
    processor = standard()["machine"]["processor"]
    commits = sorted({run["commit"] for engine in NAMES for run in growth(engine)})
    return (
        f"Figures were measured on one virtual machine ({processor}), which server and clients shared: requests per second "
        f"at commit {standard()['commit']} (`benchmarks/RESULTS.md`), what grows with the number of users at {', '.join(commits)} "
        f"(`benchmarks/GROWTH.md`). On other machines, expect the same ratios, but other numbers."
    )


def hashing_part() -> str:
    hashes = standard()["floors"]["hashes_per_second"]
    return (
        "Cores are needed for sign-ins and new users. Each hashes a password: by default "
        f"{two(1000 / hashes)} ms of a core, which can do {two(hashes)} per second."
    )


def sqlite_part() -> str:
    runs = growth("sqlite")
    largest = runs[-1]
    people = millions(largest["users"])
    ends = of_workload("W1d", "cpu_us") / of_workload("W1", "cpu_us")
    lost, large = losses(), kept("copies.json", "large")
    return "\n".join(
        [
            f"- **Lookups**: {two(rate('W2'))} per second and worker",
            f"- **Durable updates**: {two(rate('W3'))} per second",
            f"- **The end of a list of {millions(standard()['users'])}**: {ends:.2g} times the CPU of its first page; the total is exact",
            f"- **Search in {people} users**: {between(cpu(largest, 'search'), duration)} of CPU",
            f"- **Size**: {mebibytes(largest['size_mib'])} for {people} users",
            f"- **Import** with ready hashes: {duration(largest['import_cpu_us'])} of CPU for each user",
            f"- **{millions(FAR)} users**, {line_through(runs)}: {at(runs, 'size of the database', FAR)}, "
            f"a lookup {at(runs, 'get a user, CPU', FAR)} and a search for one {at(runs, 'search, one match, CPU', FAR)} of CPU",
            f"- **Loss of the machine**, with [Litestream](backups.md#copy-every-change): at most the last {lost['longest_lost_s']:.1f} s, "
            f"in {len(lost['rounds'])} losses under load; {mebibytes(large['size_mib'])} answered again after {two(large['back_s'])} s "
            "(`benchmarks/COPIES.md`)",
        ]
    )


def postgresql_part() -> str:
    runs = growth("postgresql")
    largest = runs[-1]
    people = millions(largest["users"])
    return "\n".join(
        [
            "- **Updates**: each waits for a round trip and PostgreSQL's own fsync.",
            f"- **Search** in {people} users: {between(cpu(largest, 'search'), duration)} of CPU.",
            f"- **Size**: {mebibytes(largest['size_mib'])} for {people} users, "
            f"{at(runs, 'size of the database', FAR)} for {millions(FAR)} {line_through(runs)}.",
        ]
    )


def worker_part() -> str:
    largest = growth("sqlite")[-1]
    return (
        f"- **Memory of a worker**: {standard()['own']['start']['idle_worker_mib']:.0f} MiB; "
        f"{largest['memory_mib']:.0f} MiB after all kinds of requests about {millions(largest['users'])} users, on a machine "
        f"with {largest['machine']['memory']}"
    )


def events_part() -> str:
    sizes = footprint()
    of_one = sizes["event_bytes_sqlite"]

    def year(number: float) -> str:
        return f"{two(number / 1e6)} million events, {two(number * of_one / 1e9)} GB"

    return "\n".join(
        [
            f"A change of a name takes {two(of_one)} bytes on SQLite and {two(sizes['event_bytes_postgresql'])} on PostgreSQL. "
            "A year takes, for example:",
            "",
            f"- 10,000 users with one change per user and day: {year(3_650_000)}",
            f"- one user with 5,000 updates per hour, day and night: {year(43_800_000)}",
        ]
    )


def request_log_part() -> str:
    sizes = footprint()
    least, most = sorted([sizes["request_bytes_of_100"], sizes["request_bytes_alone"]])
    week = 7 * 24 * 5_000
    return (
        f"- **Size.** A request takes {two(least)} bytes among a hundred of its user and {two(most)} alone: 5,000 per hour take "
        f"{two(week * least / 1e6)} to {two(week * most / 1e6)} MB in 7 days."
    )


def valkey_part() -> str:
    return f"- **Memory**: {two(footprint()['window_bytes'])} bytes for each user or IP address with a running window."


def containers_part() -> str:
    largest = growth("postgresql")[-1]
    at_once = COUNTS / footprint()["window_bytes"]
    return (
        f"{millions(largest['users'])} users take {mebibytes(largest['size_mib'])} in PostgreSQL, which has 1 GiB of memory. Valkey's 256 MB of counts "
        f"are enough for {two(at_once / 1e6)} million users at once."
    )


def connection_part() -> str:
    sizes = footprint()
    return (
        f"- **An idle connection**: {two(sizes['connection_kib'])} KiB, {two(sizes['connection_tls_kib'])} KiB with TLS"
    )


def line_through(runs: list[Run]) -> str:
    *sizes, last = (millions(run["users"]) for run in runs[-LINE:])
    return f"by the line through {', '.join(sizes)} and {last}"


def rules_part() -> str:
    run = kept("rules.json", "sqlite")
    alone, beside = (two(run[name]["p99_ms"]) for name in ("alone", "beside"))
    return (
        f"- A rule with one step for {millions(run['users'])} people runs in {run['run_s'] / 60:.1f} minutes on SQLite. Reads beside "
        f"it take at most {beside} ms in 99 % of cases, and {alone} ms without it."
    )


LOST = {
    "a process of Rollbook, etcd, Patroni or Valkey": (
        "kill node",
        "kill etcd leader",
        "kill patroni",
        "kill valkey primary",
    ),
    "a node's machine": ("lose node", "cut node"),
    "the primary's process": ("kill primary",),
    "the primary's machine": ("lose primary", "cut primary", "pause primary"),
    "all machines": ("lose all",),
}
"""What is lost in a fault, by the beginnings of the names of faults."""


def cluster_part() -> str:
    runs = json.loads((BENCHMARKS / "cluster.json").read_text())
    rounds = [done for run in runs for done in run["rounds"]]
    broken = sum(problem.startswith(("lost", "doubled")) for done in rounds for problem in done["problems"])
    lines = ["| lost | times | median without writes | longest |", "| --- | --- | --- | --- |"]
    for what, faults in LOST.items():
        seconds = [done["without_writes"] for done in rounds if done["fault"].startswith(faults)]
        lines.append(f"| {what} | {len(seconds)} | {median(seconds):.0f} s | {max(seconds):.0f} s |")
    most = max(done["admitted"] for done in rounds if done["was_without_valkey"])
    return "\n".join(
        [
            f"In {len(rounds)} faults on one busy machine (`benchmarks/CLUSTER.md` in the repository), {broken or 'none'} of "
            f"{sum(done['acknowledged'] for done in rounds):,} acknowledged writes was lost or made twice:",
            "",
            *lines,
            "",
            f"While Valkey fails over, each node counts by itself: three admitted up to {most} by a limit of 30.",
        ]
    )


def claims() -> Iterator[tuple[str, str, bool]]:
    """Sentences of the pages that say less than a figure, and whether the figure still allows them."""
    yield "backups.md", "less than a second behind", losses()["longest_lost_s"] < 1
    hashes = standard()["floors"]["hashes_per_second"]
    slower = 1e6 / hashes / growth("sqlite")[-1]["import_cpu_us"]
    yield "import.md", "hundreds of times slower to import", 100 < slower < 1000
    for row, reads, updates, sign_ins, cores in (
        ("| up to 1 million | 5,000 reads, 500 updates, 20 sign-ins |", 5_000, 500, 20, 2),
        ("| up to 10 million | 20,000 reads, 1,000 updates, 100 sign-ins |", 20_000, 1_000, 100, 4),
    ):
        yield "scaling.md", row, rate("W2") * cores > reads and rate("W3") > updates and hashes * cores > sign_ins


PARTS: dict[str, Callable[[], str]] = {
    "figures_rates": rates_part,
    "figures_origin": origin_part,
    "figures_hashing": hashing_part,
    "figures_sqlite": sqlite_part,
    "figures_postgresql": postgresql_part,
    "figures_worker": worker_part,
    "figures_events": events_part,
    "figures_request_log": request_log_part,
    "figures_valkey": valkey_part,
    "figures_containers": containers_part,
    "figures_connection": connection_part,
    "figures_rules": rules_part,
    "figures_cluster": cluster_part,
}
