"""Folds old usage: the hours of a day into one row, the one of its first hour."""

from __future__ import annotations

from typing import NamedTuple

from rollbook import clock
from rollbook.records import progress, usage
from rollbook.storage.database import Queries, Tx, first


class Folded(NamedTuple):
    """A table whose old hours are folded."""

    name: str
    kept: int
    """Microseconds for which its hours are told apart."""
    count: str
    """The statement that adds to its rows."""
    next: str
    take: str

    @property
    def mark(self) -> str:
        """The name of the mark that says up to which hour it is folded."""
        return f"{self.name}.folded"


def _folded(name: str, kept: int, count: str) -> Folded:
    columns = count[count.index("(") + 1 : count.index(")")]
    key = ", ".join(
        [column for column in columns.split(", ") if column in ("hour", "user_id", "key_id", "name", "route")]
    )
    return Folded(
        name,
        kept,
        count,
        f"SELECT hour FROM {name} WHERE hour > ? AND hour < ? ORDER BY hour LIMIT 1",
        f"DELETE FROM {name} WHERE ({key}) IN (SELECT {key} FROM {name} WHERE hour = ? LIMIT ?) RETURNING {columns}",
    )


# What pages plot by the hour is kept so for longer than they look back.
TABLES = (
    _folded("usage", 8 * clock.DAY, usage.COUNT),
    _folded("usage_limits", 8 * clock.DAY, usage.COUNT_LIMITS),
    _folded("usage_routes", 2 * clock.DAY, usage.COUNT_ROUTES),
)


async def next_hour(queries: Queries, table: Folded, now: int) -> int | None:
    """The oldest hour that is to be folded, if any."""
    return await first(queries, table.next, await progress.get(queries, table.mark), now - table.kept)


async def fold(tx: Tx, table: Folded, now: int, limit: int) -> bool:
    """Fold up to `limit` rows of the oldest hour. False when there are none to fold."""
    await progress.lock(tx, table.mark)
    hour = await next_hour(tx, table, now)
    if hour is None:
        return False
    day = hour - hour % clock.DAY
    gone = [] if hour == day else await tx.all(table.take, hour, limit)
    values = [value for row in sorted(map(tuple, gone)) for value in (day, *row[1:])]
    for statement, some in usage.in_rows(table.count, values):
        await tx.run(statement, *some)
    if len(gone) < limit:
        await progress.advance(tx, table.mark, hour)
    return True
