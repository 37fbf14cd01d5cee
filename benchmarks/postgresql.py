"""`make bench ARGS="--postgresql"`: ours on PostgreSQL beside a bare Go server and fastapi-users; writes
RESULTS-POSTGRESQL.md and its data.

    .venv/bin/python benchmarks/postgresql.py                     everything, 100,000 users, about 20 minutes
    .venv/bin/python benchmarks/postgresql.py --users 10000000    ours alone with ten million users, about 20 minutes and 12 GB of disk
    .venv/bin/python benchmarks/postgresql.py --peers rollbook,go --only W1,W2 --seconds 2 --rounds 1

A run of some peers or workloads only prints its figures.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import machine
import record
from cluster import SETTINGS, Database
from load import WORK
from measure import ON_POSTGRESQL, WARM_UP, Row, as_json, measurable, measure, medians
from peers import Server
from peers.fastapi_users import FastapiUsers
from peers.go import Go, missing
from peers.rollbook_postgresql import RollbookPostgresql
from postgresql_large import large_figures
from postgresql_report import report
from report import keep
from rich.console import Console
from run import chosen, progress_bar, wrk_version
from tooling import install

HERE = Path(__file__).parent
PEERS = ("rollbook", "go", "fastapi-users")
PARTS = (*ON_POSTGRESQL, "two workers", "limiter")
OF_TWO = ("W1", "W1d", "W2", "W3")
LARGE = 1_000_000

console = Console(width=None if sys.stdout.isatty() else 110)

Start = Callable[[int, str], object]
"""Starts a filled server with so many workers on these cores."""


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(words)
    machine.require_two_cores()
    install()
    (WORK / "logs").mkdir(parents=True, exist_ok=True)
    # Also for PostgreSQL, which inherits it: the server has its core to itself, all others share the other one.
    os.sched_setaffinity(0, {int(machine.CLIENT_CPU)})
    with ExitStack() as stack:
        stack.enter_context(machine.nothing_left_behind())
        database = Database(WORK / "postgresql")
        database.start()
        stack.callback(database.remove)
        common = record.origin() | {
            "settings": list(SETTINGS),
            "seconds": arguments.seconds,
            "rounds": arguments.rounds,
            "users": arguments.users,
        }
        common["machine"] |= {"wrk": wrk_version(), "postgresql": database.ask("SHOW server_version").split()[0]}
        progress = stack.enter_context(progress_bar())
        task = progress.add_task("", total=None)

        def say(text: str) -> None:
            progress.update(task, description=text)

        if arguments.users > LARGE:
            figures = common | large_figures(database, arguments.users, arguments.seconds, arguments.rounds, say)
            part = "large"
        else:
            figures = common | standard_figures(database, arguments, say)
            part = "standard"
    console.print_json(data=figures)
    if part == "large" or (arguments.peers == list(PEERS) and arguments.only == list(PARTS)):
        save(part, figures)
    else:
        console.print("A part of the run: RESULTS-POSTGRESQL.md is left as it was.")


def standard_figures(database: Database, arguments: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """Every chosen workload on every chosen server, in rounds in which the servers take turns; then the same with two
    workers."""
    result: dict[str, Any] = {}
    servers: list[tuple[Server, Start]] = []
    for name in arguments.peers:
        if name == "go" and (why := missing()):
            result["left_out"] = why
            console.print(why)
            continue
        say(f"{name}: {arguments.users:,} users")
        servers.append(filled(name, database, arguments.users))
    result["versions"] = {peer.name: peer.version() for peer, _ in servers}
    result["disk_mib"] = (
        int(database.ask("SELECT pg_database_size('rollbook')")) / 2**20 if "rollbook" in arguments.peers else 0
    )
    wanted = [workload for workload in ON_POSTGRESQL if workload in arguments.only]
    result["rows"] = in_turns(servers, wanted, 1, machine.SERVER_CPU, arguments, database, say)
    if "two workers" in arguments.only:
        database.move_to(machine.BOTH_CPUS)
        of_two = [workload for workload in OF_TWO if workload in wanted]
        result["rows_of_two"] = in_turns(servers, of_two, 2, machine.BOTH_CPUS, arguments, database, say)
    if "limiter" in arguments.only:
        say("limiter")
        result["limiter"] = limiter()
    return result


def filled(name: str, database: Database, users: int) -> tuple[Server, Start]:
    if name == "rollbook":
        ours = RollbookPostgresql(database)
        ours.load(users)
        return ours, lambda workers, cpus: ours.run(workers, cpus)
    if name == "go":
        go = Go(database)
        go.fill(users)
        return go, go.serve
    theirs = FastapiUsers()
    theirs.fill(users, database.create("fastapi").replace("postgresql://", "postgresql+asyncpg://"))
    return theirs, theirs.serve


def in_turns(
    servers: Sequence[tuple[Server, Start]],
    workloads: Sequence[str],
    workers: int,
    cpus: str,
    arguments: argparse.Namespace,
    database: Database,
    say: Callable[[str], None],
) -> list[dict[str, object]]:
    rows: list[Row] = []
    for _, start in servers:
        start(workers, cpus)
    try:
        for number in range(arguments.rounds):
            for workload in workloads:
                for peer, _ in servers:
                    if measurable(peer, workload):
                        say(f"{peer.name}: {workload}, round {number + 1}, {workers} worker{'s'[: workers - 1]}")
                        rows += measure(peer, workload, arguments.seconds, database.cpu_seconds)
    finally:
        for peer, _ in servers:
            peer.process.stop()
    return as_json(medians(rows))


def limiter() -> str:
    """The table that `limiter.py` prints, measured on the servers' core."""
    command = [sys.executable, HERE / "limiter.py", "--takes", "30000"]
    process = machine.Process(command, cpus=machine.BOTH_CPUS, log=WORK / "logs" / "limiter.log")
    if process.wait():
        raise RuntimeError(process.log.read_text()[-2000:])
    return process.log.read_text()


def save(part: str, figures: Mapping[str, Any]) -> None:
    """Into results-postgresql.json, beside what the other kind of run left there; RESULTS-POSTGRESQL.md is written from
    it."""
    results = keep(HERE / "results-postgresql.json", part, figures)
    (HERE / "RESULTS-POSTGRESQL.md").write_text(report(results))
    console.print("Written: benchmarks/RESULTS-POSTGRESQL.md, results-postgresql.json")


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='make bench ARGS="--postgresql"', description="Measures Rollbook on PostgreSQL beside others."
    )
    parser.add_argument("--peers", type=chosen(list(PEERS)), default=list(PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--only", type=chosen(list(PARTS)), default=list(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--seconds", type=int, default=3, help=f"of each measurement, after {WARM_UP} s of warm-up (default 3)"
    )
    parser.add_argument("--rounds", type=int, default=2, help="of everything; the medians count (default 2)")
    parser.add_argument(
        "--users", type=int, default=100_000, help="in each server; above a million, ours alone (default 100000)"
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped; no server is left running.")
