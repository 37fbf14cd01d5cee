"""What one of each takes: an event, a line of the request log, a count in Valkey, an open connection; writes
footprint.json.

    .venv/bin/python benchmarks/footprint.py        a minute

Events are changes of a name, and the request log is measured with one and with a hundred requests in each of its rows.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import machine
import record
import usage
from peers.rollbook import PROGRAM

from rollbook import clock
from rollbook.limits import valkey_address
from rollbook.limits.table import Table
from rollbook.limits.valkey import Valkey
from rollbook.quota import Limit
from rollbook.storage import migrate
from rollbook.storage.sqlite import SQLite
from tests import harness
from tests.certificates import certified
from tests.crash.load import WIDE
from tests.harness import PATIENCE, running
from tests.valkey import running_valkey

HERE = Path(__file__).parent
USERS, CHANGES = 1_000, 20
"""Users, and how often each of them is changed."""
CONNECTIONS, CALLERS = 400, 10_000
PAGES = "SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = '{}')"
ON_POSTGRESQL = "SELECT pg_total_relation_size('{}')"


def main() -> None:
    figures = record.origin()
    with tempfile.TemporaryDirectory() as folder:
        figures |= dict(measured(Path(folder)))
    compact = {name: record.rounded(value) if isinstance(value, float) else value for name, value in figures.items()}
    (HERE / "footprint.json").write_text(json.dumps(compact, indent=1, ensure_ascii=False) + "\n")
    print("Written: benchmarks/footprint.json. `make docs` puts them on the pages.")


def measured(folder: Path) -> Iterator[tuple[str, float]]:
    for engine, size in (("sqlite", PAGES), ("postgresql", ON_POSTGRESQL)):
        harness.engine = engine
        yield f"event_bytes_{engine}", event(folder / engine, size)
    harness.engine = "sqlite"
    for name, users in (("alone", usage.REQUESTS), ("of_100", usage.REQUESTS // 100)):
        yield f"request_bytes_{name}", line_of_the_request_log(folder / f"{name}.db", users)
    yield "window_bytes", asyncio.run(count_in_valkey(folder / "valkey"))
    files = certified(folder / "tls", "127.0.0.1")
    yield "connection_kib", connection(folder / "plain")
    over_tls = {"ROLLBOOK_TLS_CERT": str(files.certificate), "ROLLBOOK_TLS_KEY": str(files.key)}
    yield "connection_tls_kib", connection(folder / "over-tls", over_tls)


def event(folder: Path, size: str) -> float:
    """Bytes of the log for each."""
    with running(folder, *WIDE) as server, server.http() as http:

        def send(operations: list[dict[str, str]]) -> list[str]:
            results = http.post("/v1/users/bulk", json={"operations": operations}).json()["results"]
            assert all(result["status"] in (200, 201) for result in results), results[0]
            return [result["user"]["id"] for result in results]

        def kept() -> tuple[int, int]:
            [(number,)] = server.ask("SELECT count(*) FROM events")
            [(taken,)] = server.ask(size.format("events"))
            return number, taken

        new = [{"op": "create", "name": f"Person {n}", "email": f"person{n}@example.com"} for n in range(USERS)]
        ids = send(new)
        http.get("/v1/events?limit=1")  # on PostgreSQL, whoever reads the log brings it up to date
        number, before = kept()
        for turn in range(CHANGES):
            send([{"op": "update", "id": id, "name": f"Charlie Mboya {turn}"} for id in ids])
            http.get("/v1/events?limit=1")
        changed, after = kept()
        assert changed - number >= USERS * CHANGES * 0.9, changed
        return (after - before) / (changed - number)


def line_of_the_request_log(file: Path, users: int) -> float:
    """Bytes for each request, where so many users make as many in a moment as `usage` has."""
    with closing(SQLite.open(file)) as db, closing(sqlite3.connect(file)) as reader:
        migrate.migrate(db)
        asyncio.run(usage.run(db, reader, usage.requests(users)))
        return float(reader.execute(PAGES.format("request_log")).fetchone()[0]) / usage.REQUESTS


async def count_in_valkey(folder: Path) -> float:
    """Bytes for each caller with the limits that a user has by default."""
    with running_valkey(folder) as server:

        def memory() -> int:
            [line] = [each for each in server.ask("INFO", "memory").split() if each.startswith(b"used_memory:")]
            return int(line.removeprefix(b"used_memory:"))

        limiter = Valkey(valkey_address.parse(server.url), Table.create(workers=1))
        await limiter.start()
        before = memory()
        for number in range(CALLERS):
            await limiter.take(f"user_{number:026d}", Limit.parse("100/minute,5000/hour"), clock.now())
        after = memory()
        await limiter.stop()
        assert not limiter.locally, "Valkey did not answer in time: this machine is too busy"
        return (after - before) / CALLERS


def connection(folder: Path, environment: dict[str, str] | None = None) -> float:
    """KiB of the server's memory for each that waits after an answer."""
    trust = ssl._create_unverified_context() if environment else None
    port = machine.free_port()
    folder.mkdir()
    command = [PROGRAM, "serve", "--port", str(port), "--data", folder / "data", *WIDE]
    with machine.nothing_left_behind(), ExitStack() as stack:
        server = machine.Process(command, cpus=machine.BOTH_CPUS, log=folder / "log", env=environment)
        stack.callback(server.stop)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                opened(port, trust).close()
                break
            except OSError:
                assert server.alive() and time.monotonic() < until, server.log.read_text()
                time.sleep(0.1)
        server.settle()
        before = server.memory_mib()
        for _ in range(CONNECTIONS):
            stack.callback(opened(port, trust).close)
        return (server.memory_mib() - before) * 1024 / CONNECTIONS


def opened(port: int, trust: ssl.SSLContext | None) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    if trust is not None:
        connection = trust.wrap_socket(connection)
    connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    if not connection.recv(65_536).startswith(b"HTTP/1.1 200 "):
        raise ConnectionError("/health/live did not answer 200")
    return connection


if __name__ == "__main__":
    main()
