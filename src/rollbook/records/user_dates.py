"""Dates on which users signed up, and the time from which on their order is that in which users were added.

A user who is created gets a date later than every one before. One who is imported keeps the date of the file, and so
may stand in the list behind users of later dates. The mark `users.mixed` is the latest date that any user had when that
last happened, 0 if it never did: of users with a date past it, each was added, too, after all who signed up before
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rollbook.records import marks
from rollbook.storage.database import LOOK_UP, Queries, Statement, Tx, scalar

MARK = "users.mixed"
AFTER = "SELECT seq FROM users WHERE created_at > ? ORDER BY created_at LIMIT 1"
COUNT = "SELECT count(*) FROM users WHERE created_at > ? AND created_at <= ?"
LATEST = "SELECT max(created_at) FROM users"
AT = """
    SELECT seq, created_at, name, email_key, coalesce(last_active_at,0), coalesce(ends_at,4611686018427387904)
    FROM users WHERE seq <= ? ORDER BY seq DESC LIMIT 1"""
AT_COLUMNS = (
    *("seq", "created_at", "name", "email_key"),
    *("coalesce(last_active_at,0)", "coalesce(ends_at,4611686018427387904)"),
)
NEIGHBORS = Statement(
    """
    SELECT (SELECT created_at FROM users WHERE seq < ? ORDER BY seq DESC LIMIT 1),
           (SELECT created_at FROM users WHERE seq > ? ORDER BY seq LIMIT 1)""",
    together=LOOK_UP,
)


async def mixed_until(queries: Queries) -> int:
    """The time past which dates and positions have one order; 0 if they always have."""
    return await marks.get(queries, MARK)


async def first_after(queries: Queries, time: int) -> int | None:
    """The position of the first user with a date past this time, which is not before `mixed_until`."""
    row = await queries.one(AFTER, time)
    return row[0] if row else None


async def at(queries: Queries, seq: int) -> dict[str, Any]:
    """Sort values of the user at this position or, if they are gone, of the one before."""
    row = await queries.one(AT, seq)
    return dict(zip(AT_COLUMNS, row or (0, 0, "", "", 0, 0), strict=True))


async def count(queries: Queries, after: int, until: int) -> int:
    """Count the users who have a date after the one, and not after the other."""
    return await scalar(queries, COUNT, after, until)


async def latest(queries: Queries) -> int:
    """The latest date of a user; -1 if there is none."""
    row = await queries.one(LATEST)
    return -1 if row is None or row[0] is None else row[0]


def mixed_by(dates: Iterable[int], latest: int) -> int:
    """Return the time until which positions and dates differ if users with these dates are added in this order after
    one with the latest; 0 if they don't."""
    mixed = 0
    for date in dates:
        if date > latest:
            latest = date
        else:
            mixed = max(latest, 1)
    return mixed


async def note(tx: Tx, mixed: int) -> None:
    """Users were added, and `mixed_by` says this. To be asked last in a write: on PostgreSQL, other imports wait for
    its end."""
    if mixed:
        await marks.advance(tx, MARK, mixed)


async def restored(tx: Tx, seq: int, date: int) -> None:
    """Note that a user is back at their position. While they were gone, a clock that was set back may have given their
    date to one behind them."""
    row = await tx.one(NEIGHBORS, seq, seq)
    assert row is not None  # it has no FROM
    before, after = row
    mixed = max(
        before if before is not None and before >= date else 0, date if after is not None and date >= after else 0
    )
    if mixed > await mixed_until(tx):
        await note(tx, await latest(tx))
