"""Two servers on one PostgreSQL and one Valkey, as behind a load balancer, and what must hold of them after every
test."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from rollbook.auth import key_format
from tests import postgres
from tests.harness import Server

# A busy machine may hold a statement up for longer than it has where it ships.
WIDE = (
    *("--rate-limit", "none", "--unauthenticated-limit", "none", "--password-queue", "1000"),
    *("--database-timeout", "60"),
)
# Words that stand in a server's log only when something of ours went wrong in a way that nobody foresaw.
UNFORESEEN = ("Traceback", "never retrieved", "unexpected error", "was destroyed but it is pending", "never awaited")


class Pair:
    """`both` are the nodes; they share `key`, the owner's, and `database`."""

    def __init__(
        self, folder: Path, database: str, *flags: str, environment: dict[str, str] | None = None, **options: Any
    ) -> None:
        self.database = database
        self.key = key_format.mint()
        common = {"ROLLBOOK_DATABASE": database, "ROLLBOOK_SECRET": secrets.token_hex(32), **(environment or {})}
        self.both = tuple(
            Server(folder / name, *flags, owner_key=self.key, environment=common.copy(), **options)
            for name in ("node1", "node2")
        )

    def start(self) -> Pair:
        for node in self.both:
            node.start()
        return self

    def stop(self) -> None:
        for node in self.both:
            node.stop()

    def check_logs(self, *more: str) -> None:
        """Nothing unforeseen, and none of these, is in the nodes' logs."""
        for node in self.both:
            told = node.log.read_text()
            for word in (*UNFORESEEN, *more):
                at = told.find(word)
                assert at < 0, f"{node.data.name} logged: {told[max(0, at - 1000) : at + 3000]}"


@contextmanager
def pair(folder: Path, *flags: str, database: str | None = None, **options: Any) -> Iterator[Pair]:
    """Both run; at the end, nothing unforeseen was logged, and no transaction was left open."""
    nodes = Pair(folder, database or postgres.migrated_database(), *flags, **options)
    try:
        yield nodes.start()
        nodes.check_logs()
        wait_until(lambda: not left_open(nodes.database))
    finally:
        nodes.stop()


def left_open(database: str) -> list[Any]:
    """Connections of servers that hold a transaction and do nothing with it."""
    rows = ask(
        database,
        "SELECT pid, query FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rollbook' "
        "AND state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '1 second'",
    )
    return [tuple(row) for row in rows]


def ask(database: str, sql: str, *values: Any) -> list[Any]:
    """Rows of one statement, on a connection of its own."""

    async def asked() -> list[Any]:
        connection = await asyncpg.connect(database)
        try:
            return await connection.fetch(sql, *values)
        finally:
            await connection.close()

    return asyncio.run(asked())


def fill(database: str, users: int) -> None:
    """So many users more, with numbers and counts as if the API had made them; none of them can sign in."""
    (first,) = ask(
        database,
        "UPDATE numbers SET next = next + $1, at = at + $1 WHERE counter = 'users' RETURNING next - $1 AS seq, "
        "at - $1 AS at",
        users,
    )
    ask(
        database,
        """
        WITH made AS (
            INSERT INTO users (seq, id, name, email, email_key, role, status, metadata, email_verified, version,
              created_at, updated_at, search_text)
            SELECT $1::bigint + n, 'user_' || lpad(n::text, 26, '0'), 'Filler ' || n, 'filler' || n || '@example.com',
                   'filler' || n || '@example.com', 'member', 'active', '{}', 0, 1, $2::bigint + n, $2::bigint + n,
                     'filler ' || n
            FROM generate_series(0, $3::bigint - 1) AS n RETURNING seq),
        claimed AS (
            INSERT INTO email_claims
            SELECT 'filler' || n || '@example.com', 'user_' || lpad(n::text, 26, '0')
              FROM generate_series(0, $3::bigint - 1) AS n)
        INSERT INTO user_block_deltas (run, change) SELECT seq >> 6, count(*) FROM made GROUP BY 1""",
        first["seq"],
        first["at"],
        users,
    )


def wait_until(happened: Callable[[], Any], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)
