"""`make bench`: ours and the servers one would take instead, side by side in one run; writes RESULTS.md, results.json
and results.svg.

    .venv/bin/python benchmarks/run.py                     everything, 100,000 users, about 15 minutes
    .venv/bin/python benchmarks/run.py --users 10000000    ours alone with ten million users, about 30 minutes and 15 GB of disk
    .venv/bin/python benchmarks/run.py --peers rollbook,bare --only W1,W2 --seconds 2 --rounds 1

A run of some peers or workloads only prints its figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import machine
import record
from large import large_figures
from load import WORK
from measure import WARM_UP, WORKLOADS, Row, as_json, measurable, measure, medians
from own import own_figures
from peers import Peer, go_sqlite
from peers.bare import Bare
from peers.fastapi_users import FastapiUsers
from peers.go_sqlite import GoSqlite
from peers.pocketbase import PocketBase
from peers.rollbook import Rollbook
from plot import plot
from report import keep, printed, report
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tooling import install

HERE = Path(__file__).parent

PEERS: dict[str, type[Peer]] = {
    "rollbook": Rollbook,
    "pocketbase": PocketBase,
    "fastapi-users": FastapiUsers,
    "go": GoSqlite,
    "bare": Bare,
}
PARTS = (*WORKLOADS, "floors", "own")
LARGE = 1_000_000  # from here on the peers' lists take seconds a page

console = Console(width=None if sys.stdout.isatty() else 110)


def main() -> None:
    arguments = parse(sys.argv[1:])
    machine.require_two_cores()
    install()
    (WORK / "logs").mkdir(parents=True, exist_ok=True)
    # This script reads clocks and opens half-open connections: it stays off the server's core, like wrk.
    os.sched_setaffinity(0, {int(machine.CLIENT_CPU)})
    common = record.origin() | {
        "seconds": arguments.seconds,
        "rounds": arguments.rounds,
        "users": arguments.users,
    }
    common["machine"]["wrk"] = wrk_version()
    with machine.nothing_left_behind(), progress_bar() as progress:
        if arguments.users > LARGE:
            task = progress.add_task("", total=None)
            figures = large_figures(
                arguments.users,
                arguments.seconds,
                arguments.rounds,
                lambda text: progress.update(task, description=text),
            )
            save("large", common | figures)
            console.print_json(data=figures)
            return
        standard = common | standard_figures(arguments, progress)
    for table in printed(standard):
        console.print(table)
    if set(arguments.peers) >= set(PEERS) - {"go"} and arguments.only == list(PARTS):
        save("standard", standard)
    else:
        console.print("A part of the run: RESULTS.md is left as it was.")


def standard_figures(arguments: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Every chosen workload on every chosen server, in rounds in which the servers take turns."""
    if "go" in arguments.peers and (why := go_sqlite.missing()):
        console.print(why)
        arguments.peers = [name for name in arguments.peers if name != "go"]
    peers = [PEERS[name]() for name in arguments.peers]
    workloads = [workload for workload in WORKLOADS if workload in arguments.only]
    task = progress.add_task("", total=None)
    for peer in peers:
        progress.update(task, description=f"{peer.name}: {arguments.users:,} users")
        peer.start(arguments.users)
    jobs = [(workload, peer) for workload in workloads for peer in peers if measurable(peer, workload)]
    progress.update(task, total=len(jobs) * arguments.rounds, completed=0)
    rows: list[Row] = []
    for _ in range(arguments.rounds):
        for workload, peer in jobs:
            progress.update(task, description=f"{peer.name}: {workload}")
            rows += measure(peer, workload, arguments.seconds)
            progress.advance(task)
    result: dict[str, Any] = {"versions": {peer.name: peer.version() for peer in peers}, "rows": as_json(medians(rows))}
    for peer in peers:
        if not isinstance(peer, Rollbook):
            peer.process.stop()
    for peer in peers:
        if isinstance(peer, Rollbook):
            result["import_rows_per_second"] = arguments.users / peer.import_seconds
            if "own" in arguments.only:
                progress.update(task, total=4, completed=0, description="Rollbook: half-open connections")
                result["own"] = {}
                for heading, figures in own_figures(peer, arguments.seconds):
                    result["own"][heading] = figures
                    progress.update(task, advance=1, description=f"Rollbook: after {heading}")
            peer.process.stop()
    if "floors" in arguments.only:
        progress.update(task, total=None, description="floors: SQLite and argon2 alone")
        result["floors"] = floors(arguments.users, arguments.seconds)
    return result


def floors(users: int, seconds: int) -> dict[str, float]:
    """In a process of its own on the servers' core."""
    command = [sys.executable, HERE / "floors.py", WORK / "floors", str(users), str(seconds)]
    process = machine.Process(command, cpus=machine.SERVER_CPU, log=WORK / "logs" / "floors.log")
    if process.wait():
        raise RuntimeError(process.log.read_text())
    figures: dict[str, float] = json.loads(process.log.read_text())
    return figures


def save(part: str, figures: dict[str, Any]) -> None:
    """Into results.json, beside what the other kind of run left there; RESULTS.md and the plot are written from it."""
    results = keep(HERE / "results.json", part, figures)
    (HERE / "RESULTS.md").write_text(report(results))
    if "standard" in results:
        (HERE / "results.svg").write_text(plot(results["standard"]))
    console.print("Written: benchmarks/RESULTS.md, results.json, results.svg. `make docs` puts them on the pages.")


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measures Rollbook beside other servers.")
    parser.add_argument("--peers", type=chosen(list(PEERS)), default=list(PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--only", type=chosen(list(PARTS)), default=list(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--seconds", type=int, default=5, help=f"of each measurement, after {WARM_UP} s of warm-up (default 5)"
    )
    parser.add_argument("--rounds", type=int, default=2, help="of everything; the medians count (default 2)")
    parser.add_argument(
        "--users", type=int, default=100_000, help="in each server; above a million, ours alone (default 100000)"
    )
    return parser.parse_args(words)


def chosen(allowed: list[str]) -> Any:
    def parts(text: str) -> list[str]:
        wanted = text.split(",")
        if unknown := set(wanted) - set(allowed):
            raise argparse.ArgumentTypeError(f"no such part: {', '.join(sorted(unknown))}")
        return [name for name in allowed if name in wanted]

    return parts


def progress_bar() -> Progress:
    columns = (BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=console, transient=True)


def wrk_version() -> str:
    output = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
    return (output.stdout + output.stderr).split("[")[0].replace("wrk", "").strip()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped; no server is left running.")
