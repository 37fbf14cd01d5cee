"""Changes of users that imports leave out of the event log: not what they were, but when."""

from __future__ import annotations

from collections.abc import Iterable

from rollbook.storage.database import Queries, Tx

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
