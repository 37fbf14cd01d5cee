"""Parts of the event log that are sent again, on request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from rollbook import clock, ids
from rollbook.records.presenting import Hidden, OrNull, Shown, Time, presenter
from rollbook.records.webhooks import CHANNEL
from rollbook.storage.database import Queries, Statement, Tx, existing, scalar


class Replay(NamedTuple):
    id: str
    webhook_id: str
    trigger: str  # replay, or resend of one delivery
    status: str  # running, done or canceled
    first_seq: Hidden[int]
    next_seq: Annotated[int, Shown("record.progress", "progress")]
    last_seq: Hidden[int]
    delivered: int
    failed: int
    types: Annotated[str, Shown("{0}.split() or None")]  # patterns; empty: all that the webhook asks for
    user_id: OrNull  # empty: of all users
    selection: Annotated[str, Shown("None if {0} == 'all' else {0}", "only")]  # all, failed or undelivered
    created_by: OrNull
    created_at: Time
    finished_at: Time | None

    @property
    def progress(self) -> float:
        """Share of its part of the event log that is done, from 0 to 1."""
        return round(min(1.0, (self.next_seq - self.first_seq) / (self.last_seq - self.first_seq + 1)), 3)


public = presenter(Replay)
"""All that may be seen of a replay."""


class Progress(NamedTuple):
    """Progress since the last one that was stored."""

    next_seq: int
    delivered: int
    failed: int
    status: str
    finished_at: int | None
    id: str


COLUMNS = ", ".join(Replay._fields)
RUNNING = f"SELECT {COLUMNS} FROM webhook_replays WHERE status = 'running' ORDER BY id"
ADVANCE = """
    UPDATE webhook_replays SET next_seq = ?, delivered = delivered + ?, failed = failed + ?, status = ?, finished_at = ?
    WHERE id = ? AND status = 'running'"""
ADD = f"INSERT INTO webhook_replays ({COLUMNS}) VALUES ({', '.join('?' * len(Replay._fields))})"
BY_ID = f"SELECT {COLUMNS} FROM webhook_replays WHERE webhook_id = ? AND id = ?"
OF_WEBHOOK = f"SELECT {COLUMNS} FROM webhook_replays WHERE webhook_id = ? AND id < ? ORDER BY id DESC LIMIT ?"
ALL_RUNNING = """
    SELECT id, created_by FROM webhook_replays WHERE status = 'running' AND trigger = 'replay' ORDER BY id"""
COUNT = "SELECT count(*) FROM webhook_replays WHERE webhook_id = ?"
COUNT_RUNNING = "SELECT count(*) FROM webhook_replays WHERE webhook_id = ? AND status = 'running'"
CANCEL = (
    "UPDATE webhook_replays SET status = 'canceled', finished_at = ? WHERE webhook_id = ? AND id = ? AND "
    "status = 'running'"
)
CANCEL_ALL = (
    "UPDATE webhook_replays SET status = 'canceled', finished_at = ? WHERE webhook_id = ? AND status = 'running'"
)
CANCEL_ALL_OF = Statement(
    """
    UPDATE webhook_replays SET status = 'canceled', finished_at = ?
    WHERE status = 'running' AND webhook_id IN (SELECT id FROM webhooks WHERE user_id = ?)""",
    together="""
    UPDATE webhook_replays SET status = 'canceled', finished_at = writes.now
    FROM unnest(CAST(? AS bigint[]), CAST(? AS text[])) WITH ORDINALITY AS writes(now, owner, number)
        JOIN webhooks ON webhooks.user_id = writes.owner
    WHERE webhook_replays.status = 'running' AND webhook_id = webhooks.id RETURNING number""",
)
EXPIRED = "SELECT id FROM webhook_replays WHERE id < ? AND status != 'running' ORDER BY id LIMIT ?"
REMOVE = "DELETE FROM webhook_replays WHERE id = ?"


MAX_OF_USER, MAX_OF_SERVER = 5, 20
"""Replays that are under way at a time, of those whom one user asked for and of all. The others wait, oldest first. A
resent delivery is one event, and waits for none."""


def new(
    webhook_id: str,
    trigger: str,
    first: int,
    last: int,
    *,
    types: str = "",
    user_id: str = "",
    selection: str = "all",
    by: str,
) -> Replay:
    """Create a replay of the events from `first` to `last`. `by` is the user who asks for it, empty for the command
    line."""
    return Replay(
        id=ids.new("replay"),
        webhook_id=webhook_id,
        trigger=trigger,
        status="running",
        first_seq=first,
        next_seq=first,
        last_seq=last,
        delivered=0,
        failed=0,
        types=types,
        user_id=user_id,
        selection=selection,
        created_by=by,
        created_at=clock.now(),
        finished_at=None,
    )


async def add(tx: Tx, new: Replay) -> None:
    await tx.run(ADD, *new)
    tx.notify(CHANNEL)


async def get(queries: Queries, webhook_id: str, id: str) -> Replay:
    """Raises NotFound."""
    replay = Replay._make(await existing(queries, BY_ID, webhook_id, id))
    return (await _shown(queries, [replay]))[0]


async def of(queries: Queries, webhook_id: str, limit: int, before: str | None = None) -> list[Replay]:
    """The replays of a webhook, newest first; the page after the one with the ID `before`."""
    rows = await queries.all(OF_WEBHOOK, webhook_id, before or "replay~", limit)
    return await _shown(queries, [Replay._make(row) for row in rows])


async def _shown(queries: Queries, batch: list[Replay]) -> list[Replay]:
    """With the status `waiting` for those whose turn has not come. It is not stored: one that ends makes room at
    once."""
    if not any(replay.status == "running" and replay.trigger == "replay" for replay in batch):
        return batch
    turn = _under_way([(row[0], row[1]) for row in await queries.all(ALL_RUNNING)])
    return [
        replay._replace(status="waiting")
        if replay.status == "running" and replay.trigger == "replay" and replay.id not in turn
        else replay
        for replay in batch
    ]


def _under_way(waiting: Sequence[tuple[str, str]]) -> set[str]:
    """The replays whose turn it is, of those that are not finished, by ID and who asked for them."""
    turn: set[str] = set()
    by_user: dict[str, int] = {}
    for id, user_id in waiting:
        if len(turn) < MAX_OF_SERVER and by_user.get(user_id, 0) < MAX_OF_USER:
            turn.add(id)
            by_user[user_id] = by_user.get(user_id, 0) + 1
    return turn


async def count(queries: Queries, webhook_id: str) -> int:
    return await scalar(queries, COUNT, webhook_id)


async def count_running(queries: Queries, webhook_id: str) -> int:
    return await scalar(queries, COUNT_RUNNING, webhook_id)


async def cancel(tx: Tx, webhook_id: str, id: str) -> None:
    """Nothing happens if it is finished."""
    await tx.run(CANCEL, clock.now(), webhook_id, id)
    tx.notify(CHANNEL)


async def cancel_all(tx: Tx, webhook_id: str) -> None:
    await tx.run(CANCEL_ALL, clock.now(), webhook_id)
    tx.notify(CHANNEL)


async def cancel_all_of(tx: Tx, user_id: str) -> None:
    """Cancel the replays of all webhooks of a user."""
    if await tx.run(CANCEL_ALL_OF, clock.now(), user_id):
        tx.notify(CHANNEL)


async def expired(queries: Queries, before: int, limit: int) -> list[str]:
    """Finished ones that were asked for before this time."""
    return [row[0] for row in await queries.all(EXPIRED, ids.first("replay", before), limit)]


async def remove(tx: Tx, replay_ids: Sequence[str]) -> None:
    await tx.many(REMOVE, [(id,) for id in replay_ids])


async def running(queries: Queries) -> dict[str, list[Replay]]:
    """Replays whose turn it is, by webhook, oldest first."""
    all = [Replay._make(row) for row in await queries.all(RUNNING)]
    turn = _under_way([(replay.id, replay.created_by) for replay in all if replay.trigger == "replay"])
    by_webhook: dict[str, list[Replay]] = {}
    for replay in all:
        if replay.trigger != "replay" or replay.id in turn:
            by_webhook.setdefault(replay.webhook_id, []).append(replay)
    return by_webhook


async def advance(tx: Tx, progress: Sequence[Progress]) -> None:
    await tx.many(ADVANCE, progress)
