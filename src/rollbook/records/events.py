"""What happened, written in the transaction of the change itself, read in an order a consumer can resume from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from rollbook import clock, ids
from rollbook.errors import Fault, InvalidParameter
from rollbook.records import event_metadata, examples, public_events
from rollbook.records.dialect import dialect
from rollbook.records.event_log import COLUMNS
from rollbook.records.event_types import TYPES
from rollbook.storage.database import Database, Queries, Row, Tx


class Actor(NamedTuple):
    """Who did it: the user and key of the request, the client's address, the request's id and trace. The command line has only an address, `cli`."""

    user_id: str | None
    key_id: str | None
    address: str | None
    request_id: str | None
    trace_id: str | None = None
    """The distributed trace of the request."""


class Event(NamedTuple):
    seq: int
    id: str
    type: str
    user_id: str
    """Empty if it is about no user."""
    created_at: int
    actor: Actor
    object: str
    before: str | None

    @property
    def size(self) -> int:
        """Characters of what it holds about its subject: nearly all of a large event."""
        return len(self.object) + len(self.before or "")


def public(event: Event) -> public_events.Event:
    """The event as everything shows it: the API, the stream, webhooks, exports and the dashboard."""
    return public_events.Event(
        event.id,
        event.type,
        clock.format_time(event.created_at),
        event.user_id or None,
        public_events.EventActor(*event.actor),
        msgspec.Raw(event.object.encode()),
        None if event.before is None else msgspec.Raw(event.before.encode()),
    )


def example(type: str, id: str, created_at: int) -> Event:
    """The example of a type, as an event that is in no log. KeyError if there is no such type."""
    found = TYPES[type]
    before = None if found.before is None else _encode(found.before).decode()
    return Event(0, id, type, found.user_id, created_at, Actor(**examples.ACTOR), _encode(found.object).decode(), before)


class EventPage(NamedTuple):
    events: list[Event]
    more: bool
    """Whether others come after the last one."""


MAX_SIZE = 1 << 20
"""Where a page ends, however few events it has: others wait while it is read and encoded."""
SLICE = 16
"""Events per statement. More of the largest kind would be read at once, only to be left out of the page."""

# Not numbered (?1): Python 3.12.0 to 3.12.3 warns of those.
SEQ = "SELECT seq FROM events WHERE id = ? UNION ALL SELECT seq FROM erased_events WHERE id = ?"
# Open for more conditions; ORDER follows them.
AFTER = f"SELECT seq, {COLUMNS} FROM events WHERE seq > ?"
BEFORE = f"SELECT seq, {COLUMNS} FROM events WHERE seq < ?"
OLDEST_FIRST = " ORDER BY seq LIMIT ?"
NEWEST_FIRST = " ORDER BY seq DESC LIMIT ?"
OF_USER = f"{AFTER} AND user_id = ? AND seq <= ?{OLDEST_FIRST}"
KEEP_PLACES = "INSERT INTO erased_events (seq, id) SELECT seq, id FROM events WHERE user_id = ? AND type != 'user.purged'"
FORGET = "DELETE FROM events WHERE user_id = ? AND type != 'user.purged'"
# The newest event stays, so that no place in the log is given twice.
EXPIRE = """
    DELETE FROM events WHERE seq IN (
        SELECT seq FROM events WHERE created_at < ? AND seq < (SELECT max(seq) FROM events) ORDER BY seq LIMIT ?)"""
EXPIRE_PLACES = "DELETE FROM erased_events WHERE seq < (SELECT min(seq) FROM events)"
OLDEST = "SELECT created_at FROM events ORDER BY seq LIMIT 1"

CHANNEL = "events"
"""Notified of every commit that recorded events, see `Database.listen`."""

_encode = msgspec.json.Encoder().encode


async def record(
    tx: Tx, type: str, user_id: str, by: Actor, object: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> None:
    """`object` is what the subject is now, `before` what its changed fields were; both without secrets."""
    now = clock.now()
    event = (
        ids.new("evt"), type, user_id, now, *by,
        await _stored(tx, user_id, now, object), None if before is None else await _stored(tx, user_id, now, before),
    )  # fmt: skip
    await dialect(tx).event_log.append(tx, event)
    tx.notify(CHANNEL)


async def _stored(tx: Tx, user_id: str, now: int, object: Mapping[str, Any]) -> str:
    metadata: msgspec.Raw | None = object.get("metadata")
    if metadata is not None and (reference := await event_metadata.keep(tx, user_id, now, bytes(metadata))):
        object = {**object, "metadata": reference}
    return _encode(object).decode()


async def record_many(tx: Tx, events: Sequence[Row]) -> None:
    """Record these, rows of `event_log.COLUMNS`. To be done last: until the commit, no one else on PostgreSQL can number events."""
    await dialect(tx).event_log.append_many(tx, events)
    tx.notify(CHANNEL)


async def settle(db: Database) -> None:
    """To be awaited before the log is read, so that all that was committed by then is in it."""
    await dialect(db).event_log.settle(db)


async def newest(db: Database) -> int:
    """The number of the newest event, 0 if there is none. All that were committed by now have one, and can be read."""
    return await dialect(db).event_log.newest(db)


async def after(queries: Queries, event_id: str | None, type: str | None, user_id: str | None, limit: int) -> EventPage:
    """Events that were committed after this one (None: from the oldest kept), oldest first."""
    seq = 0
    if event_id is not None:
        row = await queries.one(SEQ, event_id, event_id)
        if row is None:
            message = "after: there is no such event. It may be older than the retention period. Omit after to read from the oldest event."
            raise InvalidParameter(message, param="after", faults=[Fault("after", message)])
        seq = row[0]
    only, values = _only(type, user_id)
    return await _page(queries, f"{AFTER}{only}{OLDEST_FIRST}", seq, values, limit)


async def latest(
    queries: Queries,
    limit: int,
    type: str | None = None,
    user_id: str | None = None,
    *,
    before: int = 1 << 62,
    after: int | None = None,
) -> EventPage:
    """Newest first: those before a `seq`, or with `after` the ones that came right after it."""
    only, values = _only(type, user_id)
    if after is not None:
        page = await _page(queries, f"{AFTER}{only}{OLDEST_FIRST}", after, values, limit)
        return EventPage(page.events[::-1], page.more)
    return await _page(queries, f"{BEFORE}{only}{NEWEST_FIRST}", before, values, limit)


async def of_user(queries: Queries, user_id: str, after: int, last: int) -> list[Event]:
    """The next few events about a user that came after one `seq`, up to another, oldest first."""
    return await _some(queries, OF_USER, after, (user_id, last), SLICE)


async def _page(queries: Queries, sql: str, seq: int, values: Sequence[str], limit: int) -> EventPage:
    """Up to `limit` events and MAX_SIZE, but at least one. `sql` takes a seq to go on from first, and a number of rows last."""
    found: list[Event] = []
    size = 0
    while True:
        wanted = min(SLICE, limit + 1 - len(found))
        some = await _some(queries, sql, seq, values, wanted)
        for event in some:
            size += event.size
            if found and (size > MAX_SIZE or len(found) == limit):
                return EventPage(found, True)
            found.append(event)
        if len(some) < wanted:
            return EventPage(found, False)
        seq = some[-1].seq


async def _some(queries: Queries, sql: str, seq: int, values: Sequence[Any], limit: int) -> list[Event]:
    return await select(queries, sql, seq, *values, limit)


async def select(queries: Queries, sql: str, *values: Any) -> list[Event]:
    """The events of a statement that selects `seq` and COLUMNS."""
    rows = await queries.all(sql, *values)
    return [_event(row) for row in await event_metadata.fill(queries, rows)]


async def forget(tx: Tx, user_id: str) -> None:
    """Erase what the log holds about a person, all but the fact of its erasure, which must be in it by now: so the last place is taken.

    The places stay, without what stood there: a consumer whose last event is erased goes on from where it was.
    """
    await dialect(tx).event_log.settle_in(tx)
    await tx.run(KEEP_PLACES, user_id)
    await tx.run(FORGET, user_id)
    await event_metadata.forget(tx, user_id)


async def size(queries: Queries) -> int:
    """About how many bytes the log takes up."""
    return await dialect(queries).event_log.size(queries)


async def is_older(queries: Queries, before: int) -> bool:
    """Whether there are events from before this time."""
    row = await queries.one(OLDEST)
    return row is not None and row[0] < before


async def expire(tx: Tx, before: int, limit: int) -> int:
    """Drop up to `limit` events from before this time. Returns how many went."""
    gone = await tx.run(EXPIRE, before, limit)
    await tx.run(EXPIRE_PLACES)
    oldest = await tx.one(OLDEST)
    if oldest is not None:
        await event_metadata.expire(tx, min(before, oldest[0]), limit)
    return gone


def _only(type: str | None, user_id: str | None) -> tuple[str, list[str]]:
    """Conditions, each beginning with AND, and their values."""
    only: str = ""
    values: list[str] = []
    if type is not None:
        # A user has few events, a type may have most: the empty text keeps the index of types out of it where the user is known.
        only, values = only + (" AND type = ?" if user_id is None else " AND type || '' = ?"), [*values, type]
    if user_id is not None:
        only, values = only + " AND user_id = ?", [*values, user_id]
    return only, values


def _event(row: Any) -> Event:
    seq, id, type, user_id, created_at, *actor, object, before = row
    return Event(seq, id, type, user_id, created_at, Actor(*actor), object, before)
