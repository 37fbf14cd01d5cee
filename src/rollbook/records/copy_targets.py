"""Where a copy is written to, on either engine: rows together with how far they go, and what each engine keeps beside the rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from rollbook.records import copy_tables, imports
from rollbook.records.copy_tables import DELETED_USERS, MAKE_STATE, PUT_STATE, STEP, TABLES, USERS, Table
from rollbook.records.user_counts import sqlite as user_counts
from rollbook.records.user_search import searched_text
from rollbook.records.user_search import sqlite as user_search
from rollbook.storage.bulk import PostgresWriting, Reading
from rollbook.storage.database import Database, DatabaseUnusable, Row, Tx

SQLITE_BATCH = 20_000
POSTGRES_BATCH = 20_000
"""Rows of one transaction: what is done again after a copy was killed."""

NOT_EMPTY = (
    "The database to copy to is not empty: there are rows in {table}. A copy needs one that was never served: make an empty database or folder. "
    "(To compare two databases, add --verify.)"
)
OTHER_SOURCE = (
    "A copy into this database was begun from another source, or the source has been changed since. Make an empty database and copy again; "
    "stop all servers on the source first."
)
TWO = "Another copy is written to this database at this moment. Let one of the two end."

_SQLITE_POSITION = "INSERT INTO sqlite_sequence (name, seq) VALUES ('users', ?)"
_ACCESS = "UPDATE access SET version = ?"
# Indexes that no rule depends on are made once all rows are there: a fraction of the work of keeping them in order row by row.
_INDEXES = """
    SELECT CAST(indexrelid AS regclass)::text, pg_get_indexdef(indexrelid) FROM pg_index
    JOIN pg_class AS indexes ON indexes.oid = indexrelid JOIN pg_class AS tables ON tables.oid = indrelid
    WHERE indexes.relkind = 'i' AND tables.relkind = 'r' AND NOT indisunique AND tables.relnamespace = CAST(current_schema() AS regnamespace)
          AND tables.relname = ANY(CAST(? AS text[])) ORDER BY tables.relname, indexes.relname"""
_DERIVED = (
    "DELETE FROM email_claims",
    "INSERT INTO email_claims (email_key, user_id) SELECT email_key, id FROM users ORDER BY email_key",
    "DELETE FROM external_id_claims",
    "INSERT INTO external_id_claims (external_id, user_id) SELECT external_id, id FROM users WHERE external_id IS NOT NULL ORDER BY external_id",
    "DELETE FROM user_block_deltas",
    "DELETE FROM user_blocks",
    """INSERT INTO user_blocks (level, block, n)
       SELECT level, seq >> (6 * level), count(*) FROM users, generate_series(1, 3) AS level GROUP BY 1, 2""",
)
_NUMBERS = "UPDATE numbers SET next = ?, at = ? WHERE counter = ?"
_NO_FINGERPRINT = "DELETE FROM server_secret"
_FINGERPRINT = "INSERT INTO server_secret VALUES (1, ?)"
_MEMORY = "SET maintenance_work_mem = '256MB'"


class Positions(NamedTuple):
    """What is given out next, see `copy_tables.POSITIONS`."""

    user: int
    at: int
    event: int
    access: int


Say = Callable[[int, str], None]
"""Hears how much more is done, and of what."""


class Target(Protocol):
    batch: int

    async def begin(self, mark: str) -> dict[str, str]:
        """How far each table has come. Raises DatabaseUnusable when the database is not empty, or half of another copy."""
        ...

    async def put(self, table: Table, rows: Sequence[Row], was: str, now: str) -> None:
        """These rows, and that the copy has come from `was` to `now`: both, or nothing."""
        ...

    async def finish(self, positions: Positions, fingerprint: bytes | None, say: Say) -> None:
        """All that follows from the rows. May be done again."""
        ...


async def _begin(tx: Tx, mark: str) -> dict[str, str]:
    found = await copy_tables.state(tx)
    if found is not None:
        if found.get(copy_tables.SOURCE) != mark:
            raise DatabaseUnusable(OTHER_SOURCE)
        return found
    names = [table.name for table in TABLES] + (["events_new"] if tx.engine == "postgresql" else [])
    for name in names:
        if await tx.one(f"SELECT 1 FROM {name} LIMIT 1") is not None:
            raise DatabaseUnusable(NOT_EMPTY.format(table=name))
    await tx.run(MAKE_STATE)
    state = {copy_tables.SOURCE: mark, **dict.fromkeys((table.name for table in TABLES), "")}
    if tx.engine == "postgresql":
        indexes = [tuple(row) for row in await tx.all(_INDEXES, [table.name for table in TABLES])]
        state[copy_tables.INDEXES] = json.dumps([text for _, text in indexes])
        for name, _ in indexes:
            await tx.run(f"DROP INDEX {name}")
    for name, value in state.items():
        await tx.run(PUT_STATE, name, value)
    return state


async def end(tx: Tx) -> None:
    """The copy is good: nothing is kept of how it came about."""
    await tx.run(copy_tables.DROP_STATE)


class SQLiteTarget:
    batch = SQLITE_BATCH

    def __init__(self, db: Database) -> None:
        self._db = db

    async def begin(self, mark: str) -> dict[str, str]:
        return await self._db.write(_begin, mark)

    async def put(self, table: Table, rows: Sequence[Row], was: str, now: str) -> None:
        await self._db.write(_put, table, rows, was, now)

    async def finish(self, positions: Positions, fingerprint: bytes | None, say: Say) -> None:
        await self._db.write(_position, positions)
        while notes := await self._db.write(imports.index):
            say(notes, "indexing for search")


async def _put(tx: Tx, table: Table, rows: Sequence[Row], was: str, now: str) -> None:
    if not await tx.run(STEP, now, table.name, was):
        raise DatabaseUnusable(TWO)
    await tx.run(imports.CACHE)
    width = len(table.columns)
    marks = ", ".join("?" * width)
    sql = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})"
    await tx.many(sql, [tuple(row[:width]) for row in rows])
    if table is USERS:
        seqs = [row[0] for row in rows]
        await user_counts.adjust(tx, seqs, +1)
        await user_search.changed(tx, seqs)


async def _position(tx: Tx, positions: Positions) -> None:
    await tx.run("DELETE FROM sqlite_sequence WHERE name = 'users'")
    await tx.run(_SQLITE_POSITION, positions.user - 1)
    await tx.run(_ACCESS, positions.access)


class PostgresTarget:
    batch = POSTGRES_BATCH

    def __init__(self, db: Database, rows: PostgresWriting) -> None:
        self._db = db
        self._rows = rows

    async def begin(self, mark: str) -> dict[str, str]:
        return await self._db.write(_begin, mark)

    async def put(self, table: Table, rows: Sequence[Row], was: str, now: str) -> None:
        width = len(table.columns)
        if table in (USERS, DELETED_USERS):
            name, email = table.columns.index("name"), table.columns.index("email")
            columns = (*table.columns, "search_text")
            records = [(*row[:width], searched_text(row[name], row[email])) for row in rows]
        else:
            columns, records = table.columns, [tuple(row[:width]) for row in rows]
        # The step first: another copy, or the last statement of one that was killed, is waited for there.
        if not await self._rows.put(STEP, (now, table.name, was), table.name, columns, records):
            raise DatabaseUnusable(TWO)

    async def finish(self, positions: Positions, fingerprint: bytes | None, say: Say) -> None:
        say(0, "addresses and places")
        await self._db.write(_derive, positions, fingerprint)
        state = await self._db.read(copy_tables.state) or {}
        await self._rows.run(_MEMORY)
        for text in json.loads(state[copy_tables.INDEXES]):
            say(0, "indexes")
            await self._rows.run(text.replace("CREATE INDEX ", "CREATE INDEX IF NOT EXISTS ", 1))
        for table in TABLES:
            await self._rows.run(f"ANALYZE {table.name}")


async def _derive(tx: Tx, positions: Positions, fingerprint: bytes | None) -> None:
    for sql in _DERIVED:
        await tx.run(sql)
    await tx.run(_NUMBERS, positions.user, positions.at, "users")
    await tx.run(_NUMBERS, positions.event, 0, "events")
    await tx.run(_ACCESS, positions.access)
    if fingerprint is not None:
        await tx.run(_NO_FINGERPRINT)
        await tx.run(_FINGERPRINT, fingerprint)


async def derived(reading: Reading) -> list[str]:
    """What does not follow from the rows as it should, in words; empty when all does."""
    found = []
    for what, sql in (_CHECKS_POSTGRESQL if reading.engine == "postgresql" else _CHECKS_SQLITE).items():
        (wrong,) = (await reading.all(sql))[0]
        if wrong:
            found.append(f"{what}: {wrong:,}")
    return found


_PLACES = "runs of places whose users are counted otherwise"
_CHECKS_SQLITE = {
    _PLACES: """
        SELECT count(*) FROM (
            SELECT 3 AS level, seq >> 18 AS block, count(*) AS n FROM users GROUP BY 2
            UNION ALL SELECT 2, seq >> 12, count(*) FROM users GROUP BY 2) AS users
        FULL JOIN user_blocks AS counted ON counted.level = users.level AND counted.block = users.block
        WHERE coalesce(users.n, 0) != coalesce(counted.n, 0)""",
}
_CHECKS_POSTGRESQL = {
    _PLACES: """
        SELECT count(*) FROM (
            SELECT level, seq >> (6 * level) AS block, count(*) AS n FROM users, generate_series(1, 3) AS level GROUP BY 1, 2) AS users
        FULL JOIN (
            SELECT level, block, sum(n) AS n FROM (
                SELECT level, block, n FROM user_blocks
                UNION ALL SELECT level, run >> (6 * (level - 1)), change FROM user_block_deltas, generate_series(1, 3) AS level) AS rows
            GROUP BY 1, 2) AS counted ON counted.level = users.level AND counted.block = users.block
        WHERE coalesce(users.n, 0) != coalesce(counted.n, 0)""",
    "e-mail addresses claimed otherwise than by their users": """
        SELECT count(*) FROM users FULL JOIN email_claims AS claims ON claims.email_key = users.email_key AND claims.user_id = users.id
        WHERE users.id IS NULL OR claims.user_id IS NULL""",
    "identifiers claimed otherwise than by their users": """
        SELECT count(*) FROM (SELECT external_id, id FROM users WHERE external_id IS NOT NULL) AS users
        FULL JOIN external_id_claims AS claims ON claims.external_id = users.external_id AND claims.user_id = users.id
        WHERE users.id IS NULL OR claims.user_id IS NULL""",
}
