"""Tells in the event log of API keys that expire: 7 days before, 1 day before, and when they have."""

from __future__ import annotations

from typing import NamedTuple

from rollbook import clock
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM
from rollbook.records import events, keys, progress
from rollbook.records.keys import Key
from rollbook.storage.database import Queries, Tx

BATCH = 256
REST = clock.HOUR
"""Longest distance a mark may lag behind while no key expires, so that nothing is written."""


class ExpiryNotice(NamedTuple):
    mark: str
    """Up to when it was given, by the times at which it is due."""
    type: str
    ahead: int
    """The time before the key expires at which it is due, in microseconds."""
    until: int
    """The time before the key expires at which it is too late."""


NOTICES = (
    ExpiryNotice("keys.expiring.7", "key.expiring", 7 * clock.DAY, clock.DAY),
    ExpiryNotice("keys.expiring.1", "key.expiring", clock.DAY, 0),
    ExpiryNotice("keys.expired", "key.expired", 0, -1 << 60),
)


async def give_notice(on: Rollbook) -> bool:
    """Record the events that are due. Returns whether there are more."""
    now = clock.now()
    more = False
    for notice in NOTICES:
        since = await progress.get(on.db, notice.mark)
        if now - since > REST or (await on.read(_due, notice, since, now))[0]:
            more |= await on.db.write(_give, notice, now)
    return more


async def _due(queries: Queries, notice: ExpiryNotice, since: int, now: int) -> tuple[list[Key], int | None]:
    first = max(since + notice.ahead, now + notice.until)
    return await keys.expiring(queries, first, now + notice.ahead, notice.ahead, BATCH)


async def _give(tx: Tx, notice: ExpiryNotice, now: int) -> bool:
    """Give notice in the transaction that moves the mark, so that each is given once."""
    since = await progress.lock(tx, notice.mark)
    if not since:  # the first time, there is no telling what was due
        await progress.advance(tx, notice.mark, now)
        return False
    found, up_to = await _due(tx, notice, since, now)
    for key in found:
        await events.record(tx, notice.type, key.user_id, SYSTEM.actor, keys.public(key))
    await progress.advance(tx, notice.mark, now if up_to is None else up_to - notice.ahead)
    return up_to is not None
