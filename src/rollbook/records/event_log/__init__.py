"""The order of the event log: every event has a number, `seq`, so that a reader can resume from the last one it saw and
miss none. Changes of users that imports leave out of it are noted: not what they were, but when."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from rollbook.storage.database import Database, Queries, Row, Tx, scalar

COLUMNS = (
    "id, type, user_id, created_at, actor_user, actor_key, address, request_id, trace_id, client, key_created_by, "
    "object, before"
)

ERASED_END = ',"erased":true}'
"""The end of the object of an event whose user was erased: besides, it has only the ID of what it is about."""

NEWEST = "(SELECT coalesce(max(seq), 0) FROM events)"
"""The position of the log's end, as an expression."""
POSITION = f"SELECT {NEWEST}"


async def position(queries: Queries) -> int:
    """The number of the newest event: whatever is read after it, or in the same snapshot, includes the changes up to
    there. 0: there is none."""
    return await scalar(queries, POSITION)


class EventLog(Protocol):
    async def erase(self, tx: Tx, user_id: str) -> None:
        """Erase what is personal in the events about a user: of what they are about, all but its ID, and the address
        and assistant of what the user did."""
        ...

    async def append(self, tx: Tx, event: Row) -> None:
        """Values of COLUMNS."""
        ...

    async def append_many(self, tx: Tx, events: Iterable[Row]) -> None:
        """Append the events, as the last step: until the commit, no one else on PostgreSQL can number events."""
        ...

    async def settle(self, db: Database) -> None:
        """Wait until all that was committed by now is in the log; awaited before it is read."""
        ...

    async def newest(self, db: Database) -> int:
        """The number of the newest event, 0 if there is none. All that were committed by now have one."""
        ...

    async def size(self, queries: Queries) -> int:
        """About how many bytes the log takes up, with its indexes. Costs less than a millisecond, however long the log
        is."""
        ...

    async def settle_in(self, tx: Tx) -> None:
        """Settle inside a transaction that changes what is in the log."""
        ...


ADD = "INSERT INTO unlogged_changes (first_seq, last_seq, changed_at, is_new) VALUES (?, ?, ?, ?)"
OF_USER = "SELECT changed_at FROM unlogged_changes WHERE is_new = 0 AND first_seq = ? ORDER BY changed_at"
ADDED = """
    SELECT last_seq, changed_at FROM unlogged_changes WHERE is_new = 1 AND first_seq <= ?
    ORDER BY first_seq DESC, changed_at DESC LIMIT 1"""
EXPIRED = "SELECT changed_at FROM unlogged_changes WHERE changed_at < ? ORDER BY changed_at LIMIT 1 OFFSET ?"
EXPIRE = "DELETE FROM unlogged_changes WHERE changed_at < ?"


async def note_changed(tx: Tx, changes: Iterable[tuple[int, int]]) -> None:
    """Note users, each by their number, and when they were changed."""
    await tx.many(ADD, [(seq, seq, at, 0) for seq, at in changes])


async def note_added(tx: Tx, first: int, last: int, at: int) -> None:
    """Note the users of a batch, who have all the numbers between these."""
    await tx.run(ADD, first, last, at, 1)


async def of_user(queries: Queries, seq: int) -> list[int]:
    """Times at which the user with this number was changed, oldest first."""
    return [row[0] for row in await queries.all(OF_USER, seq)]


async def added(queries: Queries, seq: int) -> int | None:
    """Time at which the user with this number was added. None: the log tells, or did."""
    row = await queries.one(ADDED, seq)
    return row[1] if row is not None and row[0] >= seq else None


async def expire(tx: Tx, before: int, limit: int) -> None:
    """Forget about `limit` of those from before this time, or more if they are of the same moment: the log begins
    later."""
    row = await tx.one(EXPIRED, before, limit)
    await tx.run(EXPIRE, before if row is None else row[0] + 1)
