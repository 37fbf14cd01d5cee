"""The log of attempts to deliver events, the results that a holder stores in one transaction (deliveries, lanes,
cursor, counts and lease together), and the messages of webhooks that deliver to the inbox inside the product."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple

from rollbook import ids
from rollbook.records import marks, one_time_tokens, webhooks
from rollbook.records.one_time_tokens import Settled
from rollbook.records.presenting import Hidden, OrNull, Shown, Time, presenter
from rollbook.records.webhooks import cursors, health, replays
from rollbook.records.webhooks.cursors import BreakerState, StoredLane
from rollbook.records.webhooks.health import DeliveryHour
from rollbook.records.webhooks.replays import Progress
from rollbook.storage.database import Queries, Tx, existing

MAX_MESSAGES = 100
"""Messages of each webhook: the newest."""
HIDDEN = "…"
"""Instead of the values of a webhook's own headers, and of signatures that are not kept."""


class Message(NamedTuple):
    id: str
    webhook_id: str
    user_id: str
    """ID of the user its event is about: erased with them."""
    received_at: int
    headers: str
    """A line each."""
    body: str


MESSAGE_COLUMNS = ", ".join(Message._fields)
ADD_MESSAGE = f"INSERT INTO webhook_inbox ({MESSAGE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
TRIM = """
    DELETE FROM webhook_inbox WHERE webhook_id = ? AND id <= (
        SELECT id FROM webhook_inbox WHERE webhook_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?)"""
NEWEST = f"SELECT {MESSAGE_COLUMNS} FROM webhook_inbox WHERE webhook_id = ? ORDER BY id DESC LIMIT ?"
FORGET_MESSAGES = "DELETE FROM webhook_inbox WHERE user_id = ?"


def message(
    webhook_id: str,
    user_id: str,
    now: int,
    head: Iterable[tuple[str, str]],
    own: Iterable[tuple[str, str]],
    body: bytes,
) -> Message:
    """Message that would have been sent. Of the webhook's own headers, whose values are stored sealed and nowhere else,
    only the names."""
    lines = [*head, *((name, HIDDEN) for name, _ in own)]
    return Message(
        ids.new("msg"), webhook_id, user_id, now, "".join(f"{name}: {value}\n" for name, value in lines), body.decode()
    )


async def add_message(tx: Tx, messages: Sequence[Message]) -> None:
    """All of one webhook."""
    if messages:
        webhook_id = messages[0].webhook_id
        await tx.many(ADD_MESSAGE, messages[-MAX_MESSAGES:])
        await tx.run(TRIM, webhook_id, webhook_id, MAX_MESSAGES)


async def newest(queries: Queries, webhook_id: str, limit: int) -> list[Message]:
    """Newest messages, newest first."""
    return [Message._make(row) for row in await queries.all(NEWEST, webhook_id, limit)]


async def forget_messages(tx: Tx, user_id: str) -> None:
    """Erase what is about a user."""
    await tx.run(FORGET_MESSAGES, user_id)


MAX_KEPT = 10_000
"""Deliveries of each webhook: the newest."""


class Delivery(NamedTuple):
    id: str
    webhook_id: str
    seq: Hidden[int]
    event_id: str
    type: str
    user_id: OrNull
    trigger: str
    attempt: int
    created_at: Time
    duration: Annotated[int, Shown("{0} // 1000", "duration_ms")]
    outcome: str
    response: Annotated[str | None, Shown("record.detail", "detail")]
    """The beginning of the body of the response, or `detail` where none came."""
    http_status: int | None
    address: str | None
    retry_at: Time | None
    response_type: Hidden[str | None]

    @property
    def detail(self) -> str | None:
        """Exact failure, for people, where it is known and the outcome does not say it."""
        return self.response or None if self.http_status is None else None


public = presenter(Delivery)
"""All that lists show of a delivery."""

COLUMNS = ", ".join(Delivery._fields)
ADD = f"INSERT INTO webhook_deliveries ({COLUMNS}) VALUES ({', '.join('?' * len(Delivery._fields))})"
# The empty text keeps the index of webhooks out of it: a webhook has many deliveries, a user few.
OUTCOMES_OF = "SELECT outcome FROM webhook_deliveries WHERE user_id = ? AND webhook_id || '' = ? AND seq = ?"
# Open for more conditions; NEWEST_FIRST follows them.
OF_WEBHOOK = f"SELECT {COLUMNS} FROM webhook_deliveries WHERE webhook_id = ?"
NEWEST_FIRST = " ORDER BY id DESC LIMIT ?"
ONE = f"{OF_WEBHOOK} AND id = ?"
# A test is of no event in the log.
UNDELIVERED = """
    SELECT count(*), min(seq), min(failed_at) FROM (
        SELECT seq, min(failed_at) AS failed_at FROM (
            SELECT seq, created_at AS failed_at, outcome FROM webhook_deliveries WHERE webhook_id = ? AND seq > 0
            UNION ALL
            SELECT seq, failed_at, outcome FROM webhook_lanes WHERE webhook_id = ? AND attempts > 0) AS attempts
        GROUP BY seq HAVING sum(CASE WHEN outcome = 'delivered' THEN 1 ELSE 0 END) = 0) AS undelivered"""
NEXT_WEBHOOK = f"""
    SELECT d.webhook_id, w.id IS NOT NULL OR d.webhook_id = '{webhooks.MAIL_ID}'
    FROM webhook_deliveries AS d LEFT JOIN webhooks AS w ON w.id = d.webhook_id
    WHERE d.webhook_id > ? ORDER BY d.webhook_id LIMIT 1"""
FIRST_TOO_MANY = f"SELECT id FROM webhook_deliveries WHERE webhook_id = ?{NEWEST_FIRST} OFFSET ?"
OLDEST = "SELECT created_at FROM webhook_deliveries WHERE webhook_id = ? ORDER BY id LIMIT 1"
# Up to the last of the first: with `id IN`, PostgreSQL compares each row with each where it doesn't know yet how many
# there are, for seconds.
EXPIRE = """
    DELETE FROM webhook_deliveries WHERE webhook_id = ? AND (created_at < ? OR id <= ?) AND id <= (
        SELECT max(id) FROM (SELECT id FROM webhook_deliveries WHERE webhook_id = ? ORDER BY id LIMIT ?) AS first)"""
FORGET = """
    DELETE FROM webhook_deliveries WHERE user_id = ? AND id <= (
        SELECT max(id) FROM (SELECT id FROM webhook_deliveries WHERE user_id = ? ORDER BY id LIMIT ?) AS first)"""


class DeliveryFilters(NamedTuple):
    """Filters of a webhook's deliveries. `outcome` may be FAILED."""

    before: str | None = None
    """Only those that began before the one with this ID."""
    outcome: str | None = None
    type: str | None = None
    user_id: str | None = None
    event_id: str | None = None
    trigger: str | None = None
    created_after: int | None = None
    created_before: int | None = None


FAILED = "failed"
"""Every outcome but `delivered`."""
_CONDITIONS = {
    "before": "id < ?",
    "outcome": "outcome = ?",
    "type": "type = ?",
    "user_id": "user_id = ?",
    "event_id": "event_id = ?",
    "trigger": "trigger = ?",
    "created_after": "created_at > ?",
    "created_before": "created_at < ?",
}


async def some(queries: Queries, webhook_id: str, filters: DeliveryFilters, limit: int) -> list[Delivery]:
    """The newest first."""
    sql, values = OF_WEBHOOK, [webhook_id]
    for name, value in filters._asdict().items():
        if name == "outcome" and value == FAILED:
            sql += " AND outcome != 'delivered'"
        elif value is not None:
            sql, values = f"{sql} AND {_CONDITIONS[name]}", [*values, value]
    return [Delivery._make(row) for row in await queries.all(f"{sql}{NEWEST_FIRST}", *values, limit)]


async def get(queries: Queries, webhook_id: str, id: str) -> Delivery:
    """Raises NotFound."""
    return Delivery._make(await existing(queries, ONE, webhook_id, id))


async def add(tx: Tx, deliveries: Sequence[Delivery]) -> None:
    await tx.many(ADD, deliveries)


async def outcomes_of(queries: Queries, webhook_id: str, user_id: str, seq: int) -> list[str]:
    """Outcomes of the attempts to deliver an event about this user, as far as they are kept."""
    return [row[0] for row in await queries.all(OUTCOMES_OF, user_id, webhook_id, seq)]


class Undelivered(NamedTuple):
    """Events that failed and have not been delivered since, as far as deliveries are kept."""

    count: int
    first: int | None
    """The number of the first of them."""
    since: int | None
    """Time of the first attempt that failed."""


async def undelivered(queries: Queries, webhook_id: str) -> Undelivered:
    """Reads all deliveries that are kept of a webhook: some ten milliseconds for the most there can be."""
    row = await queries.one(UNDELIVERED, webhook_id, webhook_id)
    assert row is not None  # it is an aggregate
    return Undelivered._make(row)


class Expiring(NamedTuple):
    """A webhook with deliveries that are past their retention."""

    webhook_id: str
    before: int
    """Time before which finished deliveries can go."""
    last: str
    """and those up to the one with this ID."""


async def expiring(queries: Queries, before: int) -> list[Expiring]:
    """All such webhooks; every delivery of those that were deleted can go."""
    batch: list[Expiring] = []
    row = await queries.one(NEXT_WEBHOOK, "")
    while row is not None:
        webhook_id, is_there = row
        oldest = await queries.one(OLDEST, webhook_id)
        first = await queries.one(FIRST_TOO_MANY, webhook_id, 1, MAX_KEPT)
        if not is_there:
            batch.append(Expiring(webhook_id, 1 << 62, ""))
        elif first is not None or (oldest is not None and oldest[0] < before):
            batch.append(Expiring(webhook_id, before, first[0] if first else ""))
        row = await queries.one(NEXT_WEBHOOK, webhook_id)
    return batch


async def expire(tx: Tx, of: Expiring, limit: int) -> int:
    """Drop up to `limit` of them, the oldest first. Returns how many went."""
    return await tx.run(EXPIRE, of.webhook_id, of.before, of.last, of.webhook_id, limit)


async def forget(tx: Tx, user_id: str, limit: int) -> bool:
    """Erase up to `limit` deliveries of events about a user. False when none is left."""
    return await tx.run(FORGET, user_id, user_id, limit) == limit


class Results(NamedTuple):
    """Results of one webhook since its last ones were stored."""

    webhook_id: str
    epoch: int
    seq: int
    breaker: BreakerState
    lanes: Sequence[StoredLane]
    """Lanes that are new or have changed."""
    delivered_lanes: Sequence[str]
    """Lanes in which nothing waits anymore."""
    deliveries: Sequence[Delivery]
    hours: Sequence[DeliveryHour]
    messages: Sequence[Message]
    tokens: Sequence[Settled]
    replays: Sequence[Progress]


class StoreOutcome(NamedTuple):
    now: int
    """By the database's clock."""
    lost: frozenset[str]
    """Webhooks that someone else holds by now, or has moved: of these, only the deliveries are stored, which took place
    all the same, and with them what became of tokens."""


async def store_results(tx: Tx, holder: str, results: Sequence[Results]) -> StoreOutcome:
    now = await marks.database_now(tx)
    lost = []
    for result in results:
        id = result.webhook_id
        await one_time_tokens.settle(tx, id, result.tokens)
        if not await cursors.keep(tx, id, holder, result.epoch, now, result.seq, result.breaker):
            lost.append(id)
            continue
        await cursors.remove_lanes(tx, id, result.delivered_lanes)
        await cursors.store_lanes(tx, id, result.lanes)
        await replays.advance(tx, result.replays)
        await add_message(tx, result.messages)
        for hour in result.hours:
            await health.add_hour(tx, id, hour)
    await add(tx, [delivery for result in results for delivery in result.deliveries])
    return StoreOutcome(now, frozenset(lost))
