"""Messages of webhooks that deliver to the inbox inside the product."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rollbook import ids
from rollbook.storage.database import Queries, Tx

MAX_KEPT = 100
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


COLUMNS = ", ".join(Message._fields)
ADD = f"INSERT INTO webhook_inbox ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
TRIM = """
    DELETE FROM webhook_inbox WHERE webhook_id = ? AND id <= (
        SELECT id FROM webhook_inbox WHERE webhook_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?)"""
NEWEST = f"SELECT {COLUMNS} FROM webhook_inbox WHERE webhook_id = ? ORDER BY id DESC LIMIT ?"
FORGET = "DELETE FROM webhook_inbox WHERE user_id = ?"


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


async def add(tx: Tx, messages: Sequence[Message]) -> None:
    """All of one webhook."""
    if messages:
        webhook_id = messages[0].webhook_id
        await tx.many(ADD, messages[-MAX_KEPT:])
        await tx.run(TRIM, webhook_id, webhook_id, MAX_KEPT)


async def newest(queries: Queries, webhook_id: str, limit: int) -> list[Message]:
    """Newest messages, newest first."""
    return [Message._make(row) for row in await queries.all(NEWEST, webhook_id, limit)]


async def forget(tx: Tx, user_id: str) -> None:
    """Erase what is about a user."""
    await tx.run(FORGET, user_id)
