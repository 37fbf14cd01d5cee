"""Events, written in the transaction of the change itself, read in an order a consumer can resume from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import msgspec

from rollbook import clock, ids
from rollbook.errors import Fault, InvalidParameter, PositionExpired
from rollbook.records import event_log, event_parts, examples, marks
from rollbook.records.dialect import dialect
from rollbook.records.event_log import COLUMNS, ERASED_END, position
from rollbook.records.event_types import TYPES
from rollbook.storage.database import LOOK_UP, Database, Queries, Row, Statement, Tx, first


class Actor(NamedTuple):
    """Actor of an event: the user and key of the request, the client's address, the request's ID and trace, and the
    assistant. The command line has only an address, `cli`."""

    user_id: str | None
    key_id: str | None
    address: str | None
    request_id: str | None
    trace_id: str | None = None
    """The distributed trace of the request."""
    client: str | None = None
    """The assistant that made the request over MCP, as it calls itself."""
    key_created_by: str | None = None
    """The person whom the key goes back to, if that is not its user."""


class Span(NamedTuple):
    """A part of the log: events after the number `first`, up to `last`."""

    first: int
    last: int


class UserOfRequest(NamedTuple):
    """A user whom a request or job has changed, by the first of its events about them."""

    seq: int
    user_id: str
    type: str


UsersOfRequest = tuple[list[UserOfRequest], int | None]
"""Users, and the number of the event after which others come; None: there are no others."""


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
    def is_erased(self) -> bool:
        """Test whether its user was erased. No object that is not ends like this."""
        return self.object.endswith(ERASED_END)

    @property
    def size(self) -> int:
        """Characters of what it holds about its subject: nearly all of a large event."""
        return len(self.object) + len(self.before or "")


def is_of_import(event: Event) -> bool:
    """Test whether an import did it. The ID of an import is in the place of that of a request, which the server
    gives."""
    return (
        not event.type.startswith("import.")
        and event.actor.request_id is not None
        and event.actor.request_id.startswith("imp_")
    )


def public(event: Event) -> event_parts.Event:
    """The event as everything shows it: the API, the stream, webhooks, exports and the dashboard."""
    return event_parts.Event(
        event.id,
        event.type,
        clock.format_time(event.created_at),
        event.user_id or None,
        event_parts.EventActor(*event.actor),
        msgspec.Raw(event.object.encode()),
        None if event.before is None else msgspec.Raw(event.before.encode()),
    )


def example(type: str, id: str, created_at: int) -> Event:
    """The example of a type, as an event that is in no log. KeyError if there is no such type."""
    about = TYPES[type]
    before = None if about.before is None else _encode(about.before).decode()
    return Event(
        0, id, type, about.user_id, created_at, Actor(**examples.ACTOR), _encode(about.object).decode(), before
    )


class Selection(NamedTuple):
    """Selection of events. None means any."""

    types: frozenset[str] | None = None
    user_id: str | None = None
    after: int = 0
    """Only those with a higher `seq`."""
    before: int = 1 << 62
    """Only those with a lower `seq`."""
    created_after: int | None = None  # microseconds, exclusive
    created_before: int | None = None  # microseconds, exclusive
    actor: str | None = None
    """The ID of the user or key that caused them."""
    address: str | None = None
    """Address of the actor."""

    @property
    def is_indexed(self) -> bool:
        """Test whether an index leads to all of them, so that a page is read at once. Those of one type and one user
        may be few and far between."""
        timed = self.created_after is not None or self.created_before is not None
        return (
            not timed
            and self.actor is self.address is None
            and (self.types is None or (self.user_id is None and len(self.types) == 1))
        )


class EventPage(NamedTuple):
    events: list[Event]
    more: bool
    """True if others come after the last one."""
    position: int
    """Oldest first: up to where the log was read. Newest first: where the page begins. In the numbers of events."""
    searched_to: int | None = None
    """The number at which the search goes on, where it ended before the page was full."""


MAX_SIZE = 1 << 20
"""The size at which a page ends, however few events it has: others wait while it is read and encoded."""
MAX_SEARCHED = 200_000
"""Events that are looked at for a page of those with an actor or address, or about a user and of some types, to which
no index leads: some 50 ms."""
MAX_OF_REQUEST = 100
"""Events about one user that are read of a request or job."""
SLICE = 16
"""Events per statement. More of the largest kind would be read at once, only to be left out of the page."""

# Not numbered (?1): Python 3.12.0 to 3.12.3 warns of those.
SEQ = "SELECT seq FROM events WHERE id = ? UNION ALL SELECT seq FROM erased_events WHERE id = ?"
# The empty text keeps the index of types out of it: a user has few events.
LAST_REQUEST = "SELECT request_id FROM events WHERE user_id = ? AND type || '' IN ({}) ORDER BY seq DESC LIMIT 1"
OF_REQUEST = Statement(
    f"SELECT seq, {COLUMNS} FROM events WHERE user_id = ? AND request_id = ? AND type || '' = ? LIMIT 1",
    together=LOOK_UP,
)
ALL_OF_REQUEST = Statement(
    f"SELECT seq, {COLUMNS} FROM events WHERE user_id = ? AND request_id = ? ORDER BY seq DESC LIMIT {MAX_OF_REQUEST}",
    together=LOOK_UP,
)
# Of each user the first event, found by the index of a user's events.
FIRST_OF_REQUEST = """
    SELECT seq, user_id, type FROM events
    WHERE seq > ? AND seq <= ? AND request_id = ? AND type || '' IN ({types}) AND NOT EXISTS (
        SELECT 1 FROM events earlier
        WHERE earlier.user_id = events.user_id AND earlier.seq > ? AND earlier.seq < events.seq
          AND earlier.request_id = events.request_id AND earlier.type || '' IN ({types}))
    ORDER BY seq LIMIT ?"""
# Not NULL, which an event without a request has.
OTHER = "SELECT {}(seq) FROM events WHERE seq > ? AND seq < ? AND coalesce(request_id, '') <> ?"
BY_ID = f"SELECT seq, {COLUMNS} FROM events WHERE id = ?"
AT = f"SELECT seq, {COLUMNS} FROM events WHERE seq = ?"
OF_USER = f"SELECT seq, {COLUMNS} FROM events WHERE seq > ? AND user_id = ? AND seq <= ? ORDER BY seq LIMIT ?"
# The newest event stays, so that no position in the log is given twice.
EXPIRED = "SELECT seq FROM events WHERE created_at < ? AND seq < (SELECT max(seq) FROM events) ORDER BY seq LIMIT ?"
EXPIRE = "DELETE FROM events WHERE created_at < ? AND seq <= ? AND seq < (SELECT max(seq) FROM events)"
EXPIRE_PLACES = "DELETE FROM erased_events WHERE seq <= ?"
OLDEST = "SELECT created_at FROM events ORDER BY seq LIMIT 1"
FIRST = "SELECT (SELECT min(seq) FROM events), (SELECT min(seq) FROM erased_events)"
FROM = "SELECT seq, created_at FROM events WHERE seq >= ? ORDER BY seq LIMIT 1"
EXPIRED_MARK = "events.expired"
"""The mark up to which retention has removed events. Where the clocks of servers differ, a few before it may be
left."""
SKEW = clock.MINUTE
"""Largest difference between the clocks of servers: `created_at` rises with `seq` up to this much."""

CHANNEL = "events"
"""Notified of every commit that recorded events, see `Database.listen`."""

_encode = msgspec.json.Encoder().encode
_about: ContextVar[set[str] | None] = ContextVar("about", default=None)


@contextmanager
def noted() -> Iterator[set[str]]:
    """IDs of the users whom events are about that are recorded within it."""
    users = set[str]()
    former = _about.set(users)
    try:
        yield users
    finally:
        _about.reset(former)


async def record(
    tx: Tx, type: str, user_id: str, by: Actor, object: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> None:
    """`object` is what the subject is now, `before` what its changed fields were; both without secrets."""
    now = clock.now()
    text, was = _encode(object), None if before is None else _encode(before)
    # Shorter ones have no metadata that is stored by itself.
    if len(text) >= event_parts.MIN_SIZE:
        text = await _stored(tx, user_id, now, object, text)
    if before is not None and was is not None and len(was) >= event_parts.MIN_SIZE:
        was = await _stored(tx, user_id, now, before, was)
    event = (ids.new("evt"), type, user_id, now, *by, text.decode(), None if was is None else was.decode())
    await dialect(tx).event_log.append(tx, event)
    if (about := _about.get()) is not None:
        about.add(user_id)
    tx.notify(CHANNEL)


async def _stored(tx: Tx, user_id: str, now: int, object: Mapping[str, Any], whole: bytes) -> bytes:
    """The object as JSON, `whole`, or with a reference to its metadata: to both kinds of it, which stand side by
    side."""
    metadata, private = object.get("metadata"), bytes(object.get("private_metadata", b"{}"))
    if metadata is None:
        return whole
    text = bytes(metadata)
    if private != b"{}":
        text += b',"private_metadata":' + private
        object = {name: value for name, value in object.items() if name != "private_metadata"}
    reference = await event_parts.keep(tx, user_id, now, text)
    return whole if reference is None else _encode({**object, "metadata": reference})


def row(type: str, user_id: str, by: Actor, object: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Row:
    """A row for `record_many`, of a small object."""
    was = None if before is None else _encode(before).decode()
    return ids.new("evt"), type, user_id, clock.now(), *by, _encode(object).decode(), was


async def record_many(tx: Tx, events: Iterable[Row]) -> None:
    """Record these, rows of `event_log.COLUMNS`. To be done last: until the commit, no one else on PostgreSQL can
    number events."""
    if (about := _about.get()) is not None:
        events = list(events)
        about |= {event[2] for event in events}
    await dialect(tx).event_log.append_many(tx, events)
    tx.notify(CHANNEL)


async def settle(db: Database) -> None:
    """Wait until all that was committed by now is in the log; awaited before it is read."""
    await dialect(db).event_log.settle(db)


async def newest(db: Database) -> int:
    """The number of the newest event, 0 if there is none. All that were committed by now have one, and can be read."""
    return await dialect(db).event_log.newest(db)


async def seq_of(queries: Queries, param: str, text: str) -> int:
    """The `seq` that an event's ID or a position stands for. Raises PositionExpired where retention has removed what
    came right after it, InvalidParameter where it never was in the log; `param` names the argument."""
    expired = await expired_to(queries)
    if text.isascii() and text.isdigit():
        seq = int(text)
        if seq > await position(queries):
            raise _unknown(param)
    elif row := await queries.one(SEQ, text, text):
        seq = row[0]
    elif expired and ids.is_id("evt", text) and ids.time(text) < await _oldest(queries) + SKEW:
        raise PositionExpired()
    else:
        raise _unknown(param)
    if seq < expired:
        raise PositionExpired()
    return seq


def _unknown(param: str) -> InvalidParameter:
    message = f"{param}: there is no such event, and never was. Use the ID of an event, or an Event-Position."
    return InvalidParameter(message, param=param, faults=[Fault(param, message)])


async def _oldest(queries: Queries) -> int:
    return await first(queries, OLDEST) or 0


async def expired_to(queries: Queries) -> int:
    """The highest `seq` of which retention has removed the event; 0: it has removed none. Who has read up to there has
    missed nothing."""
    row = await queries.one(FIRST)
    assert row is not None  # it has no FROM
    return max(await marks.get(queries, EXPIRED_MARK), min((seq for seq in row if seq is not None), default=1) - 1)


async def begins(queries: Queries) -> int:
    """Time from which on the log has every event; 0 if nothing was removed from it."""
    return await _oldest(queries) + SKEW if await expired_to(queries) else 0


async def seq_at(queries: Queries, time: int) -> int:
    """The `seq` after which the events from this time on begin, in microseconds: found by some thirty look-ups, however
    long the log is.

    Where the clocks of servers differ, events next to it may belong to the other side.
    """
    first, _ = await queries.one(FIRST) or (None, None)
    low, high = (first or 1) - 1, await position(queries)
    while low < high:  # events up to `low` are earlier, those beyond `high` are not
        middle = (low + high + 1) // 2
        row = await queries.one(FROM, middle)
        if row is not None and row[0] <= high and row[1] < time:
            low = row[0]
        else:
            high = middle - 1
    return low


async def page(queries: Queries, query: Selection, limit: int, *, newest_first: bool = False) -> EventPage:
    """Up to `limit` events and MAX_SIZE, but at least one if there are any, oldest first or newest first."""
    end = max(0, min(await position(queries), query.before - 1))
    query = await _narrowed(queries, query)
    searched_to: int | None = None
    if query.actor or query.address or (query.user_id is not None and query.types is not None):
        query, searched_to = await _part(queries, query, end, newest_first)
    batch: list[Event] = []
    size, more = 0, False
    while not more:
        count = min(SLICE, limit + 1 - len(batch))
        sql, values = _statement(query, newest_first, count)
        some = await select(queries, sql, *values)
        for event in some:
            size += event.size
            if more := bool(batch) and (size > MAX_SIZE or len(batch) == limit):
                break
            batch.append(event)
        if len(some) < count:
            break
        query = query._replace(before=batch[-1].seq) if newest_first else query._replace(after=batch[-1].seq)
    if not more and searched_to is not None:
        return EventPage(batch, True, end if newest_first else searched_to, searched_to)
    return EventPage(batch, more, batch[-1].seq if more and not newest_first else end)


async def _part(queries: Queries, query: Selection, end: int, newest_first: bool) -> tuple[Selection, int | None]:
    """The part of the log that one page searches, and the number at which the next one goes on; None: it is all that
    there is."""
    first, last = query.after, min(end, query.before - 1)
    if last - first > MAX_SEARCHED:
        first = max(first, await expired_to(queries))
    if last - first <= MAX_SEARCHED:
        return query, None
    # The first number that is left to the next page.
    cut: int | None = last - MAX_SEARCHED if newest_first else first + MAX_SEARCHED + 1
    if query.user_id is not None:  # an index leads to the events about a user
        cut = await _nth_of_user(queries, query.user_id, first, last, newest_first)
    if cut is None:
        return query, None
    return (query._replace(after=cut), cut + 1) if newest_first else (query._replace(before=cut), cut - 1)


async def _nth_of_user(queries: Queries, user_id: str, first: int, last: int, newest_first: bool) -> int | None:
    """The event about a user after MAX_SEARCHED others. None: there are no more than those."""
    text = (
        "SELECT seq FROM events WHERE user_id = ? AND seq > ? AND seq <= ? ORDER BY "
        f"seq{' DESC' if newest_first else ''}"
    )
    row = await queries.one(f"{text} LIMIT 1 OFFSET ?", user_id, first, last, MAX_SEARCHED)
    return None if row is None else row[0]


async def follow(queries: Queries, query: Selection, limit: int) -> EventPage:
    """The events after `asked.after`, oldest first. Raises PositionExpired where retention has removed what came
    next."""
    if query.after < await expired_to(queries):
        raise PositionExpired()
    return await page(queries, query, limit)


def selects(query: Selection, event: Event) -> bool:
    """Test whether `page` finds this event."""
    return (
        query.after < event.seq < query.before
        and (query.types is None or event.type in query.types)
        and (query.user_id is None or event.user_id == query.user_id)
        and (query.actor is None or query.actor in (event.actor.user_id, event.actor.key_id))
        and (query.address is None or event.actor.address == query.address)
        and (query.created_after is None or event.created_at > query.created_after)
        and (query.created_before is None or event.created_at < query.created_before)
    )


async def latest(queries: Queries, limit: int, user_id: str | None = None) -> EventPage:
    """The newest first, of a user or of all."""
    return await page(queries, Selection(user_id=user_id), limit, newest_first=True)


async def of_request(queries: Queries, user_id: str, request_id: str, type: str) -> Event | None:
    """The event of this type about a user that a request or job has recorded."""
    matches = await select(queries, OF_REQUEST, user_id, request_id, type)
    return matches[0] if matches else None


async def all_of_request(queries: Queries, user_id: str, request_id: str) -> list[Event]:
    """The events about a user that a request or job has recorded, newest first: up to
    MAX_OF_REQUEST."""
    return await select(queries, ALL_OF_REQUEST, user_id, request_id)


async def users_of_request(
    queries: Queries, request_id: str, types: Sequence[str], span: Span, after: int, limit: int
) -> UsersOfRequest:
    """Up to `limit` users whom events of these types of a request or job are about, each with the first, in a part of
    the log; `after` is the number of the last that was read. Also the number to go on after, None at the end. Looks at
    no more than MAX_SEARCHED events."""
    sql = FIRST_OF_REQUEST.format(types=", ".join("?" * len(types)))
    first = max(span.first, after)
    last = min(span.last, first + MAX_SEARCHED)
    rows = await queries.all(sql, first, last, request_id, *types, span.first, *types, limit)
    found = [UserOfRequest._make(row) for row in rows]
    if len(found) == limit:
        return found, found[-1].seq
    return found, None if last == span.last else last


async def span(queries: Queries, since: int, until: int) -> Span:
    """The numbers of the events between two times, and of some before and after: clocks of servers differ."""
    return Span(await seq_at(queries, since - SKEW), await seq_at(queries, until + SKEW))


async def last_request(queries: Queries, user_id: str, types: Sequence[str]) -> str | None:
    """The ID of the request or job behind the last event of these types about a user: empty for the command line.
    None: there is no such event."""
    sql = Statement(LAST_REQUEST.format(", ".join("?" * len(types))), together=LOOK_UP)
    row = await queries.one(sql, user_id, *types)
    return None if row is None else row[0] or ""


async def before_job(queries: Queries, id: str, before: int) -> int | None:
    """The number before which the log goes on behind the events of a job that come right before this number: of all of
    them, or of MAX_SEARCHED. None: there are no others."""
    low = max(0, before - MAX_SEARCHED)
    other = await first(queries, OTHER.format("max"), low, before, id)
    return (other or low) + 1 if other or low else None


async def after_job(queries: Queries, id: str, after: int) -> int:
    """The number after which the log goes on behind the events of a job that come right after this number; this number
    itself where the log ends with them."""
    other = await first(queries, OTHER.format("min"), after, after + MAX_SEARCHED, id)
    return other - 1 if other else after


async def find(queries: Queries, id: str) -> Event | None:
    """The event with this ID."""
    matches = await select(queries, BY_ID, id)
    return matches[0] if matches else None


async def time_at(queries: Queries, seq: int) -> int | None:
    """Time at which the first event from this number on happened."""
    row = await queries.one(FROM, seq)
    return None if row is None else row[1]


async def at(queries: Queries, seq: int) -> Event | None:
    """The event with this number. None: it was erased, or is past its retention."""
    matches = await select(queries, AT, seq)
    return matches[0] if matches else None


async def of_user(queries: Queries, user_id: str, after: int, last: int) -> list[Event]:
    """The next few events about a user that came after one `seq`, up to another, oldest first."""
    return await select(queries, OF_USER, after, user_id, last, SLICE)


async def _narrowed(queries: Queries, query: Selection) -> Selection:
    """Return the selection with the positions of its times: `seq` rises with them, nearly."""
    if query.created_after is not None:
        query = query._replace(after=max(query.after, await seq_at(queries, query.created_after - SKEW)))
    if query.created_before is not None:
        query = query._replace(before=min(query.before, await seq_at(queries, query.created_before + SKEW) + 1))
    return query


def _statement(query: Selection, newest_first: bool, limit: int) -> tuple[str, list[Any]]:
    """The next few that were asked for."""
    some = f"SELECT seq, {COLUMNS} FROM events WHERE"
    order = f"ORDER BY seq{' DESC' if newest_first else ''} LIMIT ?"
    where, values = " seq > ? AND seq < ?", list[Any]((query.after, query.before))
    conditions = {
        "created_at >": query.created_after,
        "created_at <": query.created_before,
        ("actor_key =" if ids.is_id("key", query.actor or "") else "actor_user ="): query.actor,
        "address =": query.address,
    }
    for condition, value in conditions.items():
        if value is not None:
            where, values = f"{where} AND {condition} ?", [*values, value]
    types = sorted(query.types or ())
    if query.types is not None and not types:
        return f"{some}{where} AND false {order}", [*values, limit]
    if query.user_id is not None:
        # A user has few events, a type may have most: the empty text keeps the index of types out of it.
        of_types = f" AND type || '' IN ({', '.join('?' * len(types))})" if types else ""
        return f"{some} user_id = ? AND{where}{of_types} {order}", [query.user_id, *values, *types, limit]
    if not types:
        return f"{some}{where} {order}", [*values, limit]
    if len(types) == 1:
        return f"{some} type = ? AND{where} {order}", [*types, *values, limit]
    # The first of each type, by its index, and of those the first.
    of_one = f"SELECT seq FROM (SELECT seq FROM events WHERE type = ? AND{where} {order}) AS few"
    firsts = " UNION ALL ".join([of_one] * len(types))
    every = [value for type in types for value in (type, *values, limit)]
    return f"{some} seq IN (SELECT seq FROM ({firsts}) AS few {order}) {order}", [*every, limit, limit]


async def select(queries: Queries, sql: str, *values: Any) -> list[Event]:
    """The events of a statement that selects `seq` and COLUMNS."""
    rows = await queries.all(sql, *values)
    return [_event(row) for row in await event_parts.fill(queries, rows)]


async def forget(tx: Tx, user_id: str) -> None:
    """Erase what the log holds about a person. What stays of each event is that it happened, when, who did it and to
    which ID: no one can erase what they have done by erasing whom they did it to."""
    await dialect(tx).event_log.settle_in(tx)
    await dialect(tx).event_log.erase(tx, user_id)
    await event_parts.forget(tx, user_id)


async def size(queries: Queries) -> int:
    """About how many bytes the log takes up."""
    return await dialect(queries).event_log.size(queries)


async def is_older(queries: Queries, before: int) -> bool:
    """Test whether there are events from before this time."""
    row = await queries.one(OLDEST)
    return row is not None and row[0] < before


async def last_to_expire(queries: Queries, before: int, limit: int) -> int:
    """The number of the last event that `expire` drops, 0 if it drops none."""
    rows = await queries.all(EXPIRED, before, limit)
    return rows[-1][0] if rows else 0


async def expire(tx: Tx, before: int, limit: int) -> int:
    """Drop up to `limit` events from before this time. Returns how many went."""
    rows = await tx.all(EXPIRED, before, limit)
    if not rows:
        return 0
    last = rows[-1][0]
    gone = await tx.run(EXPIRE, before, last)
    await marks.advance(tx, EXPIRED_MARK, last)
    await tx.run(EXPIRE_PLACES, last)
    oldest = await tx.one(OLDEST)
    if oldest is not None:
        await event_parts.expire(tx, min(before, oldest[0]), limit)
        await event_log.expire(tx, min(before, oldest[0]) - SKEW, limit)
    return gone


def _event(row: Any) -> Event:
    seq, id, type, user_id, created_at, *actor, object, before = row
    return Event(seq, id, type, user_id, created_at, Actor(*actor), object, before)
