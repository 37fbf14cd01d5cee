"""The order of the event log on SQLite: events are numbered as they are written, since there is one writer at a
time."""

from __future__ import annotations

from collections.abc import Iterable

from rollbook.records.event_log import COLUMNS, ERASED_END
from rollbook.storage.database import Database, Queries, Row, Tx, scalar
from rollbook.storage.sqlite_connection import insert_rows

APPEND = f"INSERT INTO events ({COLUMNS}) VALUES ({', '.join('?' * len(COLUMNS.split()))})"
_ID = """
    CASE WHEN object LIKE '{"id":"%' THEN substr(object, 8, instr(substr(object, 8), '"') - 1) ELSE user_id END"""
ERASE = f"""
    UPDATE events SET before = NULL, address = CASE WHEN actor_user = ? THEN NULL ELSE address END,
        client = CASE WHEN actor_user = ? THEN NULL ELSE client END,
        object = '{{"id":"' || {_ID} || '"{ERASED_END}'
    WHERE user_id = ? AND type != 'user.purged'"""
NEWEST = "SELECT coalesce(max(seq), 0) FROM events"


def _sampled(table: str, number: str, bytes: str) -> str:
    """The rows of a table, by their first and last number, and what 64 of them take up on average."""
    first, last = f"(SELECT min({number}) FROM {table})", f"(SELECT max({number}) FROM {table})"
    row = (
        f"SELECT {bytes} FROM {table} WHERE {number} >= {first} + ({last} - {first}) * i / 63 ORDER BY {number} LIMIT 1"
    )
    return f"""
        WITH RECURSIVE samples(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM samples WHERE i < 63)
        SELECT coalesce(({last} - {first} + 1) * avg(({row})), 0) FROM samples"""


# Besides these, an event has ids, an address and entries in three indexes: 300 bytes.
EVENTS_SIZE = _sampled("events", "seq", "300 + length(object) + coalesce(length(before), 0)")
METADATA_SIZE = _sampled("event_metadata", "rowid", "200 + length(value)")


async def erase(tx: Tx, user_id: str) -> None:
    await tx.run(ERASE, user_id, user_id, user_id)


async def append(tx: Tx, event: Row) -> None:
    await tx.run(APPEND, *event)


async def append_many(tx: Tx, events: Iterable[Row]) -> None:
    await insert_rows(tx, "events", COLUMNS.split(", "), events)


async def settle(db: Database) -> None: ...


async def newest(db: Database) -> int:
    return int(await scalar(db, NEWEST))


async def size(queries: Queries) -> int:
    rows = [await queries.one(EVENTS_SIZE), await queries.one(METADATA_SIZE)]
    return sum(int(row[0]) for row in rows if row is not None)


async def settle_in(tx: Tx) -> None: ...
