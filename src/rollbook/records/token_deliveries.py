"""Deliveries that carry a one-time token: its text is kept, sealed, until one has succeeded or was tried for the last
time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from rollbook import clock
from rollbook.records.events import Event
from rollbook.records.webhooks import CHATS, INBOX
from rollbook.storage.database import Queries, Tx

REQUESTED = "token.requested"
CARRYING = frozenset({REQUESTED, "token.created"})
"""Types of events whose delivery may carry the token."""


class Carrier(NamedTuple):
    """A webhook that names the event, the role of its owner, and whom it goes back to."""

    webhook_id: str
    role: str
    user_id: str
    created_by: str | None
    lineage: str | None


class SealedToken(NamedTuple):
    """A token that waits to be delivered, with its user and the owner of the webhook that delivers it."""

    sealed: bytes
    purpose: str
    redirect_url: str
    language: str | None
    data: str | None
    expires_at: int
    email: str
    """Of the user; for a change, the new one."""
    user_role: str
    user_status: str
    owner_role: str | None
    owner_status: str | None
    """None: the webhook belongs to no user, or is gone."""


class Settled(NamedTuple):
    """End of the delivery of a token."""

    is_sent: bool
    token_id: str


CARRIERS = f"""
    SELECT w.id, u.role, w.user_id, w.created_by, w.lineage FROM webhooks AS w JOIN users AS u ON u.id = w.user_id
    WHERE w.status = 'enabled' AND u.status = 'active' AND w.payload = 'full' AND w.url <> '{INBOX}'
      AND w.format NOT IN ({", ".join(map(repr, CHATS))}) AND ' ' || w.types || ' ' LIKE '% {REQUESTED} %'
    ORDER BY w.id"""
CARRIED = """
    SELECT t.sealed, t.purpose, t.redirect_url, t.language, t.data, t.expires_at, coalesce(t.email, u.email),
      u.role, u.status, o.role, o.status
    FROM one_time_tokens AS t JOIN users AS u ON u.id = t.user_id
    LEFT JOIN webhooks AS w ON w.id = t.delivered_by LEFT JOIN users AS o ON o.id = w.user_id
    WHERE t.id = ? AND t.delivered_by = ? AND t.sealed IS NOT NULL AND t.expires_at > ?"""
SENT = "UPDATE one_time_tokens SET sealed = NULL, is_sent = 1 WHERE id = ? AND delivered_by = ? AND sealed IS NOT NULL"
NOT_SENT = "UPDATE one_time_tokens SET sealed = NULL WHERE id = ? AND delivered_by = ? AND sealed IS NOT NULL"


class _About(Struct):
    id: str = ""


_read = msgspec.json.Decoder(_About).decode


def token_id(event: Event) -> str:
    """The ID of the token that an event is about."""
    return _read(event.object).id


async def carriers(queries: Queries) -> list[Carrier]:
    """The webhooks that can carry tokens, oldest first."""
    return [Carrier._make(row) for row in await queries.all(CARRIERS)]


async def carried(queries: Queries, token_id: str, webhook_id: str) -> SealedToken | None:
    """The token that this webhook is to deliver. None: it has ended, or was delivered, or another one delivers it."""
    row = await queries.one(CARRIED, token_id, webhook_id, clock.now())
    return None if row is None else SealedToken._make(row)


async def settle(tx: Tx, webhook_id: str, settled: Sequence[Settled]) -> None:
    """Forget the text of tokens that this webhook has delivered, or has given up on."""
    for is_sent, token_id in settled:
        await tx.run(SENT if is_sent else NOT_SENT, token_id, webhook_id)
