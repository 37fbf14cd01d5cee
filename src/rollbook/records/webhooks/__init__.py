"""Webhooks: endpoints that events are sent to. Secrets, the values of headers and the URLs of chats are stored
sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from rollbook import clock, ids
from rollbook.records import lineages
from rollbook.records.lineages import IS_SUSPENDED
from rollbook.records.presenting import Flag, Hidden, OrNull, Shown, Time, Words, presenter
from rollbook.records.webhooks import cursors
from rollbook.storage.database import LOOK_UP, Queries, Statement, Tx, existing, in_parts, scalar

CHANNEL = "webhooks"
"""Notified when a webhook changes, is created or deleted."""
MAIL_ID = "webhook_mail"
"""Stands for the mail server: its cursor, lanes and deliveries are those of a webhook. It has no row in `webhooks`, so
that no list, count or action knows of it."""
INBOX = "inbox"
"""Instead of a URL: events are kept in the product, to be looked at."""
CHATS = ("slack", "discord", "teams")
WITHOUT_TOKENS = (*CHATS, "ocsf")
"""Formats whose receivers are no application that could do something with a one-time token."""
"""Formats of chats. Whoever has the URL of one can write to it."""
REASONS: dict[str, str] = {
    "owner_suspended": "The user it belongs to was suspended.",
    "owner_deleted": "The user it belongs to was deleted.",
    "owner_demoted": "The user it belongs to has a role that can't have webhooks.",
    "creator_suspended": "A user it goes back to was suspended: who created it for its owner, or chose where it sends.",
    "creator_lost_rights": "A user it goes back to was deleted, or lost the right to create it.",
    "access_ended": "A user it belongs or goes back to got a new password or was adopted, and what acts without the "
    "password ended.",
    "gone": "The endpoint returned 410.",
    "failing": "No delivery succeeded for five days.",
}
"""The reasons why a webhook is disabled."""
SUSPENSIONS = ("owner_suspended", "creator_suspended")
"""Reasons that end when the users are activated."""
OWNER_REASONS = (*SUSPENSIONS, "owner_deleted", "owner_demoted", "creator_lost_rights", "access_ended")


class Webhook(NamedTuple):
    """A webhook as stored. Its defaults are those of a new one."""

    id: str
    user_id: str
    created_by: OrNull | None  # the person it goes back to: by creating it, or choosing where it sends; empty: `cli`
    secret: Hidden[bytes]
    url: str
    description: str = ""
    types: Words = "*"  # patterns
    format: str = "standard"
    payload: str = "full"
    ordering: str = "user"
    skip_imports: Flag = 0  # whether what imports do is not sent
    headers: Annotated[bytes | None, Shown("list(sealed_headers(record))")] = None  # names and sealed values
    old_secret: Hidden[bytes | None] = None  # signs too, until `old_secret_until`
    old_secret_until: Hidden[int | None] = None
    sealed_url: Hidden[bytes | None] = None  # then `url` is masked
    status: str = "enabled"
    status_reason: str | None = None
    status_by: Hidden[str | None] = None  # who set it: a user, `cli` or `system`
    status_at: Hidden[int | None] = None
    version: Hidden[int] = 1
    created_with: str | None = None
    lineage: Hidden[str | None] = None
    created_at: Time = 0
    updated_at: Time = 0


COLUMNS = ", ".join(Webhook._fields)

ADD = f"INSERT INTO webhooks ({COLUMNS}) VALUES ({', '.join('?' * len(Webhook._fields))})"
BY_ID = Statement(f"SELECT {COLUMNS} FROM webhooks WHERE id = ?", locks=True)
OWNER_OF = "SELECT user_id FROM webhooks WHERE id = ?"
ALL = f"SELECT {COLUMNS} FROM webhooks ORDER BY id LIMIT ? OFFSET ?"
OF_USER = f"SELECT {COLUMNS} FROM webhooks WHERE user_id = ? ORDER BY id LIMIT ? OFFSET ?"
AFTER = f"SELECT {COLUMNS} FROM webhooks WHERE id > ? ORDER BY id LIMIT ?"
SEAL_AGAIN = (
    "UPDATE webhooks SET secret = ?, old_secret = ?, headers = ?, url = ?, sealed_url = ? WHERE id = ? AND version = ?"
)
WORKING_OF_USER = Statement(
    f"SELECT {COLUMNS} FROM webhooks WHERE user_id = ? AND (status != 'disabled' OR status_reason IN {SUSPENSIONS}) "
    "ORDER BY id",
    locks=True,
    together=LOOK_UP,
)
_GOES_BACK = "lineage IN (SELECT lineages.lineage FROM lineages WHERE lineages.user_id = ?)"
GO_BACK_TO = Statement(
    f"SELECT {COLUMNS}, (SELECT role FROM users WHERE users.id = webhooks.user_id) FROM webhooks "
    f"WHERE (created_by = ? AND created_by != user_id) OR {_GOES_BACK} ORDER BY id",
    locks=True,
    together=LOOK_UP,
)
AT_ONCE = 50
_STOPS = f"(webhooks.status != 'disabled' OR webhooks.status_reason IN {SUSPENSIONS})"
GOING_BACK = f"""
    SELECT created_by, id, user_id FROM webhooks
      WHERE created_by IN ({", ".join("?" * AT_ONCE)}) AND created_by != user_id AND {_STOPS}
    UNION SELECT lineages.user_id, webhooks.id, webhooks.user_id
      FROM lineages JOIN webhooks ON webhooks.lineage = lineages.lineage
      WHERE lineages.user_id IN ({", ".join("?" * AT_ONCE)}) AND {_STOPS}
    ORDER BY 2 LIMIT ?"""
_THESE = ", ".join("?" * AT_ONCE)
IN_USE = f"""
    SELECT id FROM webhooks WHERE status = 'enabled' AND id IN (
      SELECT id FROM webhooks WHERE user_id IN ({_THESE})
      UNION SELECT id FROM webhooks WHERE created_by IN ({_THESE}) AND created_by != user_id
      UNION SELECT webhooks.id FROM lineages JOIN webhooks ON webhooks.lineage = lineages.lineage
        WHERE lineages.user_id IN ({_THESE}))"""
SUSPENDED_WITH = Statement(
    f"""
    SELECT {COLUMNS} FROM webhooks
    WHERE (user_id = ? OR {_GOES_BACK}) AND status = 'disabled' AND status_reason IN {SUSPENSIONS}
      AND NOT {IS_SUSPENDED.format("webhooks.lineage")} ORDER BY id""",
    locks=True,
    together=LOOK_UP,
)
HAS_LOST = """
    SELECT 1 FROM lineages LEFT JOIN users ON users.id = lineages.user_id
    WHERE lineages.lineage = ? AND (users.id IS NULL OR users.status = 'suspended') LIMIT 1"""
COUNT = "SELECT count(*) FROM webhooks"
COUNT_OF_USER = "SELECT count(*) FROM webhooks WHERE user_id = ?"
IDS_OF_USER = "SELECT id FROM webhooks WHERE user_id = ? ORDER BY id"
REMOVE = "DELETE FROM webhooks WHERE id = ?"
REMOVE_PARTS = (
    "UPDATE one_time_tokens SET sealed = NULL WHERE sealed IS NOT NULL AND delivered_by = ?",
    *(
        f"DELETE FROM {table} WHERE webhook_id = ?"
        for table in ("webhook_cursors", "webhook_lanes", "webhook_hours", "webhook_replays", "webhook_inbox")
    ),
)
"""Its deliveries, of which there may be many, are left to a job: `deliveries.expire`."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, bytes]).decode


async def get(queries: Queries, id: str) -> Webhook:
    """Raises NotFound."""
    return Webhook._make(await existing(queries, BY_ID, id))


async def owner_of(queries: Queries, id: str) -> str:
    """ID of the user it belongs to, without a lock. Raises NotFound."""
    return (await existing(queries, OWNER_OF, id))[0]


async def some(queries: Queries, user_id: str | None, limit: int, offset: int = 0) -> list[Webhook]:
    """Webhooks of a user, or of all, oldest first."""
    if user_id is None:
        return [Webhook._make(row) for row in await queries.all(ALL, limit, offset)]
    return [Webhook._make(row) for row in await queries.all(OF_USER, user_id, limit, offset)]


async def after(queries: Queries, id: str, limit: int) -> list[Webhook]:
    """Webhooks of all, oldest first, from the one after this ID on."""
    return [Webhook._make(row) for row in await queries.all(AFTER, id, limit)]


async def seal_again(tx: Tx, webhook: Webhook) -> None:
    """Store what is sealed, unless the webhook has changed since. It stays the same webhook: no one is notified."""
    sealed = (webhook.secret, webhook.old_secret, webhook.headers, webhook.url, webhook.sealed_url)
    await tx.run(SEAL_AGAIN, *sealed, webhook.id, webhook.version)


async def working_of(tx: Tx, user_id: str, for_good: bool) -> list[Webhook]:
    """A user's webhooks that are to be disabled: those that are enabled; `for_good`, also those that are paused or
    disabled by a suspension."""
    working = [Webhook._make(row) for row in await tx.all(WORKING_OF_USER, user_id)]
    return working if for_good else [webhook for webhook in working if webhook.status == "enabled"]


async def go_back_to(tx: Tx, user_id: str) -> list[tuple[Webhook, str]]:
    """Webhooks of others that go back to this user, each with its user's role."""
    rows = await tx.all(GO_BACK_TO, user_id, user_id)
    return [(Webhook._make(row[:-1]), row[-1] or "member") for row in rows]


async def going_back(queries: Queries, user_ids: Sequence[str], limit: int) -> list[tuple[str, str, str]]:
    """Webhooks that were not stopped for good and go back to these users, who are others: the user, the webhook, and
    whose it is."""
    triples: set[tuple[str, str, str]] = set()
    for part in in_parts(user_ids, AT_ONCE):
        triples |= {(row[0], row[1], row[2]) for row in await queries.all(GOING_BACK, *part, *part, limit)}
    return sorted(triples)


async def in_use(queries: Queries, user_ids: Sequence[str]) -> set[str]:
    """IDs of the enabled webhooks of these users, and of those that go back to them."""
    webhook_ids = set[str]()
    for part in in_parts(user_ids, AT_ONCE):
        webhook_ids |= {row[0] for row in await queries.all(IN_USE, *part * 3)}
    return webhook_ids


def works(webhook: Webhook) -> bool:
    """Test whether it is enabled, or will be once no one is suspended whom it goes back to."""
    return webhook.status == "enabled" or webhook.status_reason in SUSPENSIONS


async def suspended_with(tx: Tx, user_id: str) -> list[Webhook]:
    """Webhooks that are disabled because this user was suspended, and no one else is to whom they go back."""
    return [Webhook._make(row) for row in await tx.all(SUSPENDED_WITH, user_id, user_id)]


async def is_orphaned(queries: Queries, webhook: Webhook) -> bool:
    """Test whether somebody it goes back to is suspended or gone."""
    return webhook.lineage is not None and await queries.one(HAS_LOST, webhook.lineage) is not None


async def count(queries: Queries, user_id: str | None = None) -> int:
    """Webhooks of a user, or of all."""
    return await (scalar(queries, COUNT) if user_id is None else scalar(queries, COUNT_OF_USER, user_id))


def new_id() -> str:
    return ids.new("webhook")


async def add(tx: Tx, new: Webhook) -> Webhook:
    """Its cursor starts at the end of the log."""
    now = clock.now()
    await lineages.keep(tx, new.lineage)
    webhook = new._replace(status_at=now, created_at=now, updated_at=now)
    await tx.run(ADD, *webhook)
    await cursors.start(tx, webhook.id, await cursors.newest(tx))
    tx.notify(CHANNEL)
    return webhook


async def change(tx: Tx, webhook: Webhook, changed: Mapping[str, Any]) -> Webhook:
    """Set these columns. Whoever sends to it reads it again."""
    await lineages.keep(tx, changed.get("lineage"))
    after = webhook._replace(**changed, version=webhook.version + 1, updated_at=clock.now())
    await tx.run(_update(tuple(changed)), *changed.values(), after.updated_at, webhook.id)
    tx.notify(CHANNEL)
    return after


async def remove(tx: Tx, id: str) -> None:
    await tx.run(REMOVE, id)
    for statement in REMOVE_PARTS:
        await tx.run(statement, id)
    tx.notify(CHANNEL)


async def erase_all(tx: Tx, user_id: str) -> None:
    """Erase the webhooks of an erased user."""
    for row in await tx.all(IDS_OF_USER, user_id):
        await remove(tx, row[0])


def sealed_headers(webhook: Webhook) -> dict[str, bytes]:
    """By name."""
    return {} if webhook.headers is None else _decode(webhook.headers)


public = presenter(Webhook)
"""All that may be seen of a webhook: neither its secret nor the values of its headers."""


def kept_headers(sealed: Mapping[str, bytes]) -> bytes | None:
    """Encode headers as the column has them."""
    return _encode(sealed) if sealed else None


def in_events(webhook: Webhook) -> dict[str, Any]:
    """A webhook as the event log shows it, which more people can read: of the URL only the host, since the rest of
    those of chats is a secret."""
    return {**public(webhook), "url": masked_url(webhook.url)}


def masked_url(url: str) -> str:
    if url == INBOX:
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/" + ("…" if parts.path.strip("/") or parts.query else "")


@lru_cache(maxsize=64)
def _update(columns: tuple[str, ...]) -> str:
    return (
        f"UPDATE webhooks SET {', '.join(f'{name} = ?' for name in columns)}, version = version + 1, "
        "updated_at = ? WHERE id = ?"
    )
