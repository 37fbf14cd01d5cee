"""A copy's PostgreSQL side: what is read there, and what is written besides the rows."""

from __future__ import annotations

from collections.abc import Sequence

from rollbook.records import marks
from rollbook.records.copying import DELETED_USERS, EVENT, TABLE, TABLES, USERS, CopyTable, Positions
from rollbook.records.user_counts import postgres as user_counts
from rollbook.records.user_search.folding import searched_text
from rollbook.storage.bulk import CopySession
from rollbook.storage.database import DatabaseUnusable, Row

POSITIONS = """
    SELECT (SELECT next FROM numbers WHERE counter = 'users'), (SELECT at FROM numbers WHERE counter = 'users'),
           (SELECT next FROM numbers WHERE counter = 'events') + (SELECT count(*)
             FROM events_new), (SELECT version FROM access)"""
# With the events that were committed and have no number yet, numbered as they would be next.
_EVENTS = f"""(
    SELECT seq, {EVENT} FROM events UNION ALL
    SELECT (SELECT next FROM numbers
      WHERE counter = 'events') - 1 + row_number() OVER (ORDER BY written_at, id), {EVENT} FROM events_new
    ) AS events"""
_MARK = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (row integer NOT NULL PRIMARY KEY)",
    f"INSERT INTO {TABLE} VALUES (1) ON CONFLICT DO NOTHING",
)
_LOCK = f"SELECT 1 FROM {TABLE} FOR UPDATE SKIP LOCKED"
_UNMARK = f"DROP TABLE {TABLE}"
_CLAIMS = (
    "INSERT INTO email_claims (email_key, user_id) SELECT email_key, id FROM users ORDER BY email_key",
    "INSERT INTO external_id_claims (external_id, user_id) SELECT external_id, id FROM users WHERE external_id "
    "IS NOT NULL ORDER BY external_id",
)
_NUMBERS = "UPDATE numbers SET next = ?, at = ? WHERE counter = ?"
_ACCESS = "UPDATE access SET version = ?"


def source(table: CopyTable) -> str:
    return _EVENTS if table.name == "events" else table.name


async def begin(target: CopySession) -> None:
    """Mark the database, so that no server starts on it before the copy is committed. Raises DatabaseUnusable."""
    for statement in _MARK:
        await target.run(statement)
    for name in (*(table.name for table in TABLES), "events_new"):
        if await target.one(f"SELECT 1 FROM {name} LIMIT 1") is not None:
            raise DatabaseUnusable(
                f"The target is not empty: its table {name} has rows. Copy into a database that was just created. "
                "(To compare two databases, add --verify.)"
            )
    await target.run("COMMIT")
    await target.run("BEGIN")
    if await target.one(_LOCK) is None:
        raise DatabaseUnusable("Another `rollbook copy` is writing to this database. Let it finish first.")


async def put(target: CopySession, table: CopyTable, rows: Sequence[Row]) -> None:
    columns = table.columns
    if table in (USERS, DELETED_USERS):
        name, email = columns.index("name"), columns.index("email")
        columns = (*columns, "search_text")
        rows = [(*row, searched_text(row[name], row[email])) for row in rows]
    await target.insert(table.name, columns, rows)
    if table is USERS:
        seq = columns.index("seq")
        await user_counts.adjust(target, [row[seq] for row in rows], +1)


async def finish(target: CopySession, positions: Positions, fingerprint: bytes | None) -> None:
    for statement in _CLAIMS:
        await target.run(statement)
    await user_counts.fold(target)
    await target.run(_NUMBERS, positions.user, positions.user_time, "users")
    await target.run(_NUMBERS, positions.event, 0, "events")
    await target.run(_ACCESS, positions.access)
    if fingerprint is not None:
        await target.run(marks.KEEP, fingerprint)
    for table in TABLES:
        await target.run(f"ANALYZE {table.name}")
    await target.run(_UNMARK)
