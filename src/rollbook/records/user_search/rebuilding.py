"""The rebuild of the search index after an upgrade: the other spellings (`folding`) of users who were there are
brought into the index a few at a time, while all that was found before is still found.

Twice where several servers share the database: in a rolling upgrade, servers of the previous version write users after
the first pass has gone by. And once more whenever the event log tells that such a server has written users since.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from rollbook import clock
from rollbook.records import progress, rules
from rollbook.records.dialect import dialect
from rollbook.records.event_log import ERASED_END, position
from rollbook.records.user_search import folding
from rollbook.storage.database import Database, Queries, Row, Tx

TO_REBUILD = "search.to_rebuild"
"""Mark: there were users when the database was upgraded."""
PASSES = ("search.spellings", "search.spellings_again")
"""Marks: the position of the last user who was looked at; and when the pass is over, its time."""
LOOKED_TO = "search.looked_to"
"""Mark: the event up to which the log was looked through for what servers of the previous version did."""
BETWEEN = 3_600_000_000
"""Microseconds."""
LOOKED_AT = 1_000
"""Users in a transaction."""
CHANGED = 256
"""Entries made in a transaction: some 15 ms."""

EVENTS = 5_000
"""Events that are looked through at a time: some 10 ms."""

# Events of users have a kind since there are further spellings, and those of imports what was expected.
_LOOK = f"""
    SELECT max(seq), max(CASE
        WHEN object LIKE '%{ERASED_END}' THEN 0
        WHEN type IN ('user.created', 'user.updated', 'user.restored') AND object NOT LIKE '%"kind":"%' THEN 1
        WHEN type = 'import.finished' AND object NOT LIKE '%"records_expected":%' THEN 1 ELSE 0 END)
    FROM (SELECT seq, type, object FROM events WHERE seq > ? ORDER BY seq LIMIT {EVENTS}) AS page"""
_OVER = 1 << 48
"""Microseconds: in 1978. No position is as high."""

Piece = Callable[[Tx, int], Awaitable[int | None]]
"""Bring users after a position into the index. Returns the last one's position, or None when there was none."""


async def spellings(queries: Queries, term: str) -> list[str]:
    """The spellings of a term to look for: as long as users may lack theirs, also that of `rules.fold`."""
    found, plain = folding.spellings(term), rules.fold(term)
    if found == [plain] or await _current(queries) is None:
        return found
    return [*dict.fromkeys((plain, *found))]


async def step(db: Database, piece: Piece) -> bool:
    """The next piece. Whether there are more."""
    mark = await _current(db)
    if mark is None:
        return await _look(db)
    return not await _is_early(db, mark) and await db.write(_next, mark, piece)


async def _look(db: Database) -> bool:
    """Look through the next events, and begin again where the previous version has written users."""
    row = await db.one(_LOOK, await progress.get(db, LOOKED_TO))
    if row is None or row[0] is None:
        return False
    await db.write(_looked, *row)
    return True


async def _looked(tx: Tx, last: int, is_found: int) -> None:
    await progress.advance(tx, LOOKED_TO, last)
    if is_found:
        await progress.forget(tx, *PASSES)
        await progress.advance(tx, TO_REBUILD, 1)


async def _current(queries: Queries) -> str | None:
    """The first pass that is not over."""
    if not await progress.get(queries, TO_REBUILD):
        return None
    for mark in PASSES if dialect(queries).is_shared else PASSES[:1]:
        if await progress.get(queries, mark) < _OVER:
            return mark
    return None


async def _is_early(db: Database, mark: str) -> bool:
    return mark != PASSES[0] and clock.now() < await progress.get(db, PASSES[0]) + BETWEEN


async def _next(tx: Tx, mark: str, piece: Piece) -> bool:
    after = await progress.lock(tx, mark)
    if not after:
        await progress.advance(tx, LOOKED_TO, await position(tx))
    last = await piece(tx, after)
    await progress.advance(tx, mark, clock.now() if last is None else last)
    return last is not None


def first(users: Sequence[Row], is_other: Callable[[Row], bool]) -> tuple[list[Row], int | None]:
    """The first users, up to CHANGED of them, whose entry is another one now, and the position of the last one who was
    looked at. `seq` is the first column."""
    found: list[Row] = []
    for user in users:
        if is_other(user):
            found.append(user)
            if len(found) == CHANGED:
                return found, user[0]
    return found, users[-1][0] if users else None
