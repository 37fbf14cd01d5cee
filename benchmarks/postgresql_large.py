"""Ten million users on PostgreSQL: both ends of the list, search, what the total costs, and that again after a tenth of
them is deleted."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import machine
from cluster import Database
from measure import as_json, measure
from own import pages_anywhere, search
from peers.rollbook_postgresql import RollbookPostgresql

TOTAL = """
    SELECT (SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 3) + (SELECT coalesce(sum(change), 0)
      FROM user_block_deltas)"""
# What the server does for each of its deletions, for a tenth of all users at once: by the API that takes ten minutes of
# a core.
DELETE = """
    WITH gone AS (DELETE FROM users WHERE hashtext(id) % 10 = 0 AND role = 'member' RETURNING *),
    kept AS (INSERT INTO deleted_users ({columns}, deleted_at) SELECT {columns}, updated_at FROM gone),
    given AS (DELETE FROM email_claims USING gone WHERE email_claims.email_key = gone.email_key)
    INSERT INTO user_block_deltas (run, change) SELECT seq >> 6, -count(*) FROM gone GROUP BY 1"""
COLUMNS = "SELECT string_agg(column_name, ', ') FROM information_schema.columns WHERE table_name = 'users'"
WORKLOADS = ("W1", "W1d", "W2", "W3", "W6")


def large_figures(
    database: Database, users: int, seconds: int, rounds: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Everything of the large run, ready for JSON. The disk needs about 1.2 KB for each user."""
    peer = RollbookPostgresql(database)
    began = time.perf_counter()
    on_all_cores(database)
    peer.load(users, say)
    os.sched_setaffinity(0, {int(machine.CLIENT_CPU)})
    database.move_to(machine.CLIENT_CPU)
    figures: dict[str, Any] = {"load_s": time.perf_counter() - began, "disk": sizes(database)}
    say("starting")
    figures["first_200_s"] = peer.run()
    ids = peer.folder / "ids"

    def read() -> list[dict[str, object]]:
        peer.calls = {**peer.calls, **peer.calls_for(peer.total(), ids)}
        rows = []
        for _ in range(rounds):
            for workload in WORKLOADS:
                say(workload)
                rows += as_json(measure(peer, workload, seconds, database.cpu_seconds))
        return rows

    figures["total"], figures["total_expected"] = peer.total(), users + 1  # and the owner
    figures["total_us"] = asyncio.run(times(database.url("rollbook"), TOTAL, 300))
    figures["count_us"] = asyncio.run(times(database.url("rollbook"), "SELECT count(*) FROM users", 2))
    figures["before"] = read()
    say("pages anywhere")
    figures["anywhere_ms"] = pages_anywhere(peer)
    say("searching")
    figures["search"] = search(peer)
    say("deleting")
    began = time.perf_counter()
    # Beside the running server, as if another one did it.
    database.ask(DELETE.format(columns=database.ask(COLUMNS, "rollbook")), "rollbook")
    figures["delete_s"] = time.perf_counter() - began
    figures["total_at_once"] = peer.total()  # from counts that are not folded yet
    say("VACUUM")
    database.ask("VACUUM ANALYZE users", "rollbook")
    living = int(database.ask("SELECT count(*) FROM users", "rollbook"))
    figures["deleted"] = users + 1 - living
    figures["total_after"], figures["total_after_expected"] = peer.total(), living
    known = set(database.ask("SELECT id FROM users", "rollbook").split())
    ids.write_text("".join(f"{id}\n" for id in ids.read_text().split() if id in known))
    figures["after"] = read()
    figures["pages"] = exact_pages(database, peer, living)
    figures["memory_mib"] = peer.process.memory_mib()
    peer.process.stop()
    return figures


def on_all_cores(database: Database) -> None:
    """This process and PostgreSQL."""
    os.sched_setaffinity(0, set(map(int, machine.BOTH_CPUS.split(","))))
    database.move_to(machine.BOTH_CPUS)


def exact_pages(database: Database, peer: RollbookPostgresql, living: int) -> int:
    """Pages over the whole list that hold just what plain OFFSET finds. Raises RuntimeError at one that does not."""
    offsets = [0, 1, 63, 64, living // 3, living // 2, living - 1_000]
    for offset in offsets:
        plain = database.ask(f"SELECT id FROM users ORDER BY seq LIMIT 1000 OFFSET {offset}", "rollbook").split()
        if peer.page(offset) != plain:
            raise RuntimeError(f"The page at offset {offset} is not the one that PostgreSQL finds by counting.")
    return len(offsets)


def sizes(database: Database) -> dict[str, float]:
    """MiB of the database, its tables and their indexes."""
    lines = database.ask(
        "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = "
        "'public'::regnamespace "
        "AND pg_relation_size(oid) > 1048576 ORDER BY 2 DESC",
        "rollbook",
    )
    found = {name: int(size) / 2**20 for name, size in (line.split("|") for line in lines.splitlines())}
    return {"all": int(database.ask("SELECT pg_database_size('rollbook')")) / 2**20, **found}


async def times(url: str, sql: str, how_often: int) -> float:
    """Microseconds of a prepared statement, seen from the client: the median."""
    connection = await asyncpg.connect(url)
    statement = await connection.prepare(sql)
    taken = []
    for _ in range(how_often):
        began = time.perf_counter()
        await statement.fetch()
        taken.append(time.perf_counter() - began)
    await connection.close()
    return statistics.median(taken) * 1e6
