"""The order of the event log on PostgreSQL, where transactions commit in another order than they write in.

So each appends to `events_new`, without a number. Whoever reads moves what is committed by then into `events` and
numbers it. The row of `numbers` is locked meanwhile, so that one does it at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from rollbook.errors import OutcomeUnknown, StorageUnavailable
from rollbook.records.event_log import COLUMNS, ERASED_END
from rollbook.storage.database import Database, Queries, Row, Statement, Tx, scalar

APPEND = Statement(
    f"INSERT INTO events_new ({COLUMNS}) VALUES ({', '.join('?' * len(COLUMNS.split()))})",
    together=f"""
        INSERT INTO events_new ({COLUMNS})
        SELECT * FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]),
          CAST(? AS text[]),
                             CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]),
                               CAST(? AS text[]),
                             CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]))""",
)
_ID = """
    CASE WHEN object LIKE '{"id":"%' THEN split_part(substr(object, 8), '"', 1) ELSE user_id END"""
ERASE = f"""
    UPDATE events SET before = NULL, address = CASE WHEN actor_user = ? THEN NULL ELSE address END,
        client = CASE WHEN actor_user = ? THEN NULL ELSE client END,
        object = '{{"id":"' || {_ID} || '"{ERASED_END}'
    WHERE user_id = ? AND type != 'user.purged'"""
NUMBERED_COLUMNS = ("seq", *COLUMNS.split(", "))
ANY_NEW = "SELECT 1 FROM events_new LIMIT 1"
NEWEST = "SELECT next - 1, EXISTS (SELECT 1 FROM events_new) FROM numbers WHERE counter = 'events'"
NEXT = "SELECT next FROM numbers WHERE counter = 'events' FOR UPDATE"
NUMBER = f"""
    WITH moved AS (
        DELETE FROM events_new WHERE id IN (SELECT id FROM events_new
          ORDER BY written_at, id LIMIT ?) RETURNING written_at, {COLUMNS})
    INSERT INTO events (seq, {COLUMNS})
    SELECT CAST(? AS bigint) + row_number() OVER (ORDER BY written_at, id), {COLUMNS} FROM moved"""
NUMBERED = "UPDATE numbers SET next = ? WHERE counter = 'events'"
SIZE = (
    "SELECT sum(pg_total_relation_size(name)) FROM unnest(CAST(ARRAY['events', 'events_new', 'event_metadata'] "
    "AS regclass[])) AS name"
)
BATCH = 5_000


async def erase(tx: Tx, user_id: str) -> None:
    await tx.run(ERASE, user_id, user_id, user_id)


async def append(tx: Tx, event: Row) -> None:
    await tx.run(APPEND, *event)


async def append_many(tx: Tx, events: Iterable[Row]) -> None:
    # Straight into the log: to move so many there later would cost as much again. What was committed before them goes
    # first.
    await settle_in(tx)
    numbers = count(await scalar(tx, NEXT))
    await tx.insert("events", NUMBERED_COLUMNS, ((next(numbers), *values) for values in events))
    await tx.run(NUMBERED, next(numbers))


async def settle(db: Database) -> None:
    if await db.one(ANY_NEW) is None:
        return
    try:
        # Not until nothing is new: writers who never stop would keep the reader here.
        while await db.write(number) == BATCH:
            pass
    except OutcomeUnknown as problem:  # for who changes something to know, not for who reads
        raise StorageUnavailable("The database is unavailable at the moment. Nothing was changed.") from problem


async def newest(db: Database) -> int:
    newest, any_new = await _numbered(db)
    if any_new:
        await settle(db)
        newest, _ = await _numbered(db)
    return newest


async def size(queries: Queries) -> int:
    return int(await scalar(queries, SIZE))


async def settle_in(tx: Tx) -> None:
    while await number(tx) == BATCH:
        pass


async def settle_new(db: Database) -> bool:
    """`settle`, so that who reads has little left to do. A job."""
    await settle(db)
    return False


async def number(tx: Tx) -> int:
    """Move new events into the log, in the order in which the database took them. Returns how many: BATCH or fewer."""
    first = await scalar(tx, NEXT)
    moved = await tx.run(NUMBER, BATCH, first - 1)
    if moved:
        await tx.run(NUMBERED, first + moved)
    return moved


async def _numbered(db: Database) -> tuple[int, bool]:
    """The last number that was given, and whether there are events without one."""
    row = await db.one(NEWEST)
    assert row is not None  # the migration wrote it
    return row[0], row[1]
