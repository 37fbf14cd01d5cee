"""What grows with the number of users, and what doesn't; writes GROWTH.md, growth.json and growth.svg.

    .venv/bin/python benchmarks/growth.py 100000 300000 1000000          both engines, one size after the other
    .venv/bin/python benchmarks/growth.py 10000000 --engine sqlite      in an hour and with 35 GB of disk
    .venv/bin/python benchmarks/growth.py                               only the page and the plot, from what is kept

Import, size, start, each kind of read, the plan of every statement, backup and restore, and on SQLite the copy by
Litestream. Times of requests are those of one caller who asks one after the other; beside them is the CPU that the server
and PostgreSQL took, which other programs on the machine hardly change. Each size takes the place of its last run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import shutil
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import machine
import record
from cluster import Database
from growth_page import in_order, page, plot
from load import WORK
from peers.rollbook import PROGRAM, Rollbook
from people import FAMILY, GIVEN
from report import keep
from tooling import install_litestream

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "storage"))  # `cluster` adds what is above it

import pytest
import test_plans_postgres
from test_query_plans import STATEMENT, named_statements, sent_on, walks, walks_of

from tests.deploy.programs import program, run
from tests.postgres import programs

HERE = Path(__file__).parent
ENGINES = ("sqlite", "postgresql")
WARM_UP, REQUESTS = 20, 200
LIST = "/v1/users?limit=20"
SEQUENTIAL = re.compile(r"Seq Scan on (\w+)")


class OnPostgresql(Rollbook):
    """On a database that is there."""

    def __init__(self, folder: str, url: str) -> None:
        super().__init__(folder)
        self.url = url
        self.environment = {"ROLLBOOK_DATABASE": url}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(";")[0])
    parser.add_argument("users", nargs="*", type=int, help="how many, one size after the other")
    parser.add_argument("--engine", choices=ENGINES, action="append", help="instead of both")
    arguments = parser.parse_args()
    machine.require_two_cores()
    install_litestream()
    (WORK / "logs").mkdir(parents=True, exist_ok=True)
    kept = HERE / "growth.json"
    with machine.nothing_left_behind():
        for engine in arguments.engine or ENGINES:
            for users in arguments.users:
                print(f"{engine}, {users:,} users", flush=True)
                measured = on_sqlite(users) if engine == "sqlite" else on_postgresql(users)
                keep(kept, f"{engine} {users}", {"engine": engine, "users": users, **measured})
    figures = in_order(json.loads(kept.read_text()))
    (HERE / "GROWTH.md").write_text(page(figures))
    (HERE / "growth.svg").write_text(plot(figures))
    print("Written: benchmarks/GROWTH.md, growth.json, growth.svg. `make docs` puts them on the pages.")


def on_sqlite(users: int) -> dict[str, Any]:
    figures = record.origin()
    figures["machine"]["litestream"] = run(program("litestream"), "version").stdout.strip()
    peer = Rollbook("growth")
    try:
        figures |= filled(peer, users)
        database = peer.folder / "data" / "rollbook.db"
        figures["size_mib"] = database.stat().st_size / 2**20
        figures |= read(peer, lambda: 0.0)
        figures["plans"] = plans_on_sqlite(database)
        figures["backup"] = timed(PROGRAM, "backup", peer.folder / "backup.db", "--data", peer.folder / "data")
        figures["restore"] = timed("cp", peer.folder / "backup.db", peer.folder / "data" / "rollbook.db")
        figures["check"] = timed(PROGRAM, "doctor", "--data", peer.folder / "data")
        (peer.folder / "backup.db").unlink()
        figures |= copied(peer)
    finally:
        shutil.rmtree(peer.folder, ignore_errors=True)
    return compact(figures)


def on_postgresql(users: int) -> dict[str, Any]:
    figures = record.origin()
    with ExitStack() as stack:
        database = Database(WORK / "postgresql")
        database.start()
        stack.callback(database.remove)
        figures["machine"]["postgresql"] = database.ask("SHOW server_version").split()[0]
        peer = OnPostgresql("growth", database.create("growth"))
        stack.callback(shutil.rmtree, peer.folder, ignore_errors=True)
        figures |= filled(peer, users, database.cpu_seconds)
        database.ask("VACUUM ANALYZE", "growth")
        figures["size_mib"] = int(database.ask("SELECT pg_database_size('growth')")) / 2**20
        figures |= read(peer, database.cpu_seconds)
        figures["plans"] = plans_on_postgresql(database, peer.url)
        dump, folder = peer.folder / "growth.dump", programs()
        figures["backup"] = timed(folder / "pg_dump", "--format=custom", f"--file={dump}", peer.url)
        restored = database.create("restored")
        figures["restore"] = timed(folder / "pg_restore", "--exit-on-error", "--no-owner", f"--dbname={restored}", dump)
    return compact(figures)


def filled(peer: Rollbook, users: int, of_database: Callable[[], float] = float) -> dict[str, Any]:
    """Users by `rollbook users import`, as anybody would."""
    shutil.rmtree(peer.folder, ignore_errors=True)
    peer.folder.mkdir(parents=True)
    peer.serve()  # the owner, and the schema
    peer.process.stop()
    before = children_cpu() + of_database()
    peer.fill(users)
    cpu = children_cpu() + of_database() - before
    return {
        "import_s": peer.import_seconds,
        "import_cpu_us": cpu / users * 1e6,
    }


def read(peer: Rollbook, of_database: Callable[[], float]) -> dict[str, Any]:
    """The start, the kinds of reads and one of writes."""
    figures: dict[str, Any] = {"start_s": peer.serve()}
    total = peer.total()
    ids = [id for page in range(10) for id in peer.page(page * total // 10)[:40]]
    step = max(1, total // REQUESTS)
    kinds: dict[str, list[str]] = {
        "get a user": [f"/v1/users/{id}" for id in ids],
        "first page": [f"{LIST}&offset={20 * number}" for number in range(5)],
        "page at the end": [f"{LIST}&offset={total - 100 - 20 * number}" for number in range(5)],
        "page anywhere": [f"{LIST}&offset={number * 7919 * step % total}" for number in range(REQUESTS)],
        "first page by name": [f"{LIST}&sort=name", f"{LIST}&sort=-name"],
        "first page of a role": [f"{LIST}&role=member&status=active"],
        "count of all": ["/v1/users/count"],
        "count of a role": ["/v1/users/count?role=member"],
        "search, one match": [f"{LIST}&q=user{number * step}@" for number in range(REQUESTS)],
        "search, full name": [
            f"{LIST}&q={quote(f'{given} {family}')}" for given, family in zip(GIVEN, FAMILY, strict=False)
        ],
        "search, family name": [f"{LIST}&q={quote(name)}" for name in FAMILY],
        "search, no match": [f"{LIST}&q=zq{number}xj" for number in range(REQUESTS)],
    }
    figures["asked"] = {
        kind: asked(peer, [("GET", path, "") for path in paths], of_database) for kind, paths in kinds.items()
    }
    changes = [("PUT", f"/v1/users/{id}", json.dumps({"name": f"Renamed {number}"})) for number, id in enumerate(ids)]
    figures["asked"]["change a user"] = asked(peer, changes, of_database)
    figures["memory_mib"] = peer.process.memory_mib()
    figures["total"] = total
    peer.process.stop()
    return figures


def asked(peer: Rollbook, calls: list[tuple[str, str, str]], of_database: Callable[[], float]) -> dict[str, float]:
    """One caller, one call after the other on one connection, in turn."""
    with closing(HTTPConnection("127.0.0.1", peer.port, timeout=300)) as connection:

        def ask(number: int) -> float:
            method, path, body = calls[number % len(calls)]
            began = time.perf_counter()
            connection.request(method, path, body or None, headers=peer.headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{path} answered {answer.status}: {text!r}")
            return (time.perf_counter() - began) * 1000

        for number in range(WARM_UP):
            ask(number)
        peer.process.settle(5)
        before, database_before = peer.process.exact_cpu_seconds(), of_database()
        taken = [ask(WARM_UP + number) for number in range(REQUESTS)]
        cpu = peer.process.exact_cpu_seconds() - before + of_database() - database_before
    return {"median_ms": statistics.median(taken), "longest_ms": max(taken), "cpu_us": cpu / REQUESTS * 1e6}


def plans_on_sqlite(database: Path) -> dict[str, Any]:
    """Statements that all calls and jobs send, and those of the records that have a name: how many, and which of them walk
    through a table of this size."""
    folder = WORK / "plans"
    shutil.rmtree(folder, ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        _, statements = sent_on(folder, patch)
    shutil.rmtree(folder)
    statements = [statement for statement in statements if STATEMENT.match(statement)]
    named = named_statements()
    with closing(sqlite3.connect(database)) as connection:
        found = [statement for statement in statements if walks(connection, statement)] + sorted(
            walks_of(connection, named)
        )
    return {"statements": len(statements) + len(named), "walks": found}


def plans_on_postgresql(database: Database, url: str) -> dict[str, Any]:
    """Statements of the records that have a name. It reads the tables that are small, or empty here, as a whole."""
    named = test_plans_postgres.named_statements()
    grown = set(database.ask("SELECT relname FROM pg_class WHERE reltuples >= 10000", "growth").split())
    walking = asyncio.run(test_plans_postgres.walks_of(url, named))
    found = [name for name, steps in walking.items() if grown & set(SEQUENTIAL.findall("\n".join(steps)))]
    return {"statements": len(named), "walks": sorted(found)}


def copied(peer: Rollbook) -> dict[str, Any]:
    """Litestream's first copy of the database, and a restore of it."""
    litestream, replica = program("litestream"), peer.folder / "replica"
    config = peer.folder / "litestream.yml"
    config.write_text(f"dbs: [{{path: {peer.folder}/data/rollbook.db, replica: {{type: file, path: {replica}}}}}]\n")
    figures: dict[str, Any] = {"first_copy": timed(litestream, "replicate", "-once", "-config", config)}
    figures["copy_mib"] = sum(file.stat().st_size for file in replica.rglob("*") if file.is_file()) / 2**20
    shutil.rmtree(peer.folder / "data")
    figures["restore_copy"] = timed(
        litestream, "restore", "-o", peer.folder / "data" / "rollbook.db", f"file://{replica}"
    )
    return figures


def timed(*command: str | Path) -> dict[str, float]:
    """Seconds by the clock and of CPU, its own and its children's."""
    began, before = time.perf_counter(), children_cpu()
    run(*command)
    os.sync()
    return {"s": time.perf_counter() - began, "cpu_s": children_cpu() - before}


def children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def compact(figures: Any) -> Any:
    """Floats with three digits that count."""
    if isinstance(figures, dict):
        return {name: compact(value) for name, value in figures.items()}
    return record.rounded(figures) if isinstance(figures, float) else figures


if __name__ == "__main__":
    main()
