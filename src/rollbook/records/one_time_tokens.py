"""One-time tokens: with each, somebody does one thing once. Stored by digest, so a stolen database opens nothing. The
text of one that is delivered is kept, sealed, until a delivery has succeeded or was tried for the last time; a request
for one waits for a moment, all of it sealed: it may name people who have no account here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
from msgspec import Struct

from rollbook import clock, ids
from rollbook.records import lineages
from rollbook.records.events import Actor, Event
from rollbook.records.lineages import IS_SUSPENDED
from rollbook.records.presenting import Hidden, Json, OrNull, Time, presenter
from rollbook.records.webhooks import INBOX, WITHOUT_TOKENS
from rollbook.storage.database import EACH, Queries, Statement, Tx, existing, scalar

PURPOSES: dict[str, str] = {
    "invite": "An invited user sets their first password.",
    "reset_password": "Sets a password, for users who have forgotten theirs or have none yet.",
    "verify_email": "Confirms the user's email.",
    "change_email": "Changes the user's email to `email`, and confirms it.",
    "sign_in": "Signs the user in without a password.",
    "impersonate": "Lets whoever created it act as the user, for support.",
}
IMPERSONATE = "impersonate"
OF_PASSWORDS = ("invite", "reset_password")
"""Purposes that set a password."""

if TYPE_CHECKING:
    Purpose = str
else:
    Purpose = Literal[tuple(PURPOSES)]


class Token(NamedTuple):
    """A token as we keep it. Its text is never part of it."""

    id: str
    user_id: str
    purpose: str
    email: str | None  # the new one of change_email, the one that verify_email confirms
    redirect_url: OrNull
    data: Json | None
    created_at: Time
    expires_at: Time
    language: Hidden[str | None]
    has_been_sent: Hidden[int]  # 1: it went to the user's email, so that whoever has it can read that
    delivered_by: Hidden[str | None]  # the webhook whose delivery has the text; None: whoever created it got it
    audiences: Hidden[str | None]  # those of the key that created it; None: any
    created_by: Hidden[str | None]
    lineage: Hidden[str | None]
    acted_by: Hidden[str | None] = None  # who acts as the user with it
    reason: str | None = None  # for acting as them


public = presenter(Token)
"""All that may be seen of a token, which is never the token."""
in_events = presenter(Token, tuple(field for field in Token._fields if field != "redirect_url"))
"""A token as events show it: without where it leads, which may hold state of the application."""


class NewToken(NamedTuple):
    """`sealed` is the encrypted token while it waits to be sent."""

    id: str
    digest: bytes
    user_id: str
    purpose: str
    email: str | None
    redirect_url: str
    data: str | None
    language: str | None
    sealed: bytes | None
    delivered_by: str | None
    created_by: str | None  # a user; "" whoever can write to the server's files; None: not known
    created_with: str | None  # an API key
    lineage: str | None
    created_at: int
    expires_at: int
    audiences: str | None = None
    acted_by: str | None = None
    reason: str | None = None


# The text of a sealed one leaves only by its delivery, and its receiver may be faster than the note that it was sent.
_WAS_SENT = "CASE WHEN is_sent = 1 OR sealed IS NOT NULL THEN 1 ELSE 0 END"
COLUMNS = ", ".join(_WAS_SENT if name == "has_been_sent" else name for name in Token._fields)
_NEW = ", ".join(NewToken._fields)
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in NewToken._fields if name not in ("user_id", "purpose"))

ADD = Statement(
    f"""
    INSERT INTO one_time_tokens ({_NEW}) VALUES ({", ".join("?" * len(NewToken._fields))})
    ON CONFLICT (user_id, purpose) DO UPDATE SET {_REPLACED}, is_sent = 0
    RETURNING {COLUMNS}""",
    together=EACH,
)
_WORKS = f"digest = ? AND expires_at > ? AND NOT {IS_SUSPENDED.format('one_time_tokens.lineage')}"
BY_DIGEST = f"SELECT {COLUMNS} FROM one_time_tokens WHERE {_WORKS}"
OF_USER = f"SELECT {COLUMNS} FROM one_time_tokens WHERE user_id = ? AND expires_at > ? ORDER BY id"
USE = f"DELETE FROM one_time_tokens WHERE {_WORKS} RETURNING {COLUMNS}"
REVOKE = f"DELETE FROM one_time_tokens WHERE id = ? AND user_id = ? AND expires_at > ? RETURNING {COLUMNS}"
END_ALL = Statement(
    "DELETE FROM one_time_tokens WHERE user_id = ?",
    together="DELETE FROM one_time_tokens WHERE user_id = ANY(CAST(? AS text[]))",
)
END_BEGUN = f"{END_ALL} AND purpose <> 'verify_email'"
END_THAT_GO_BACK_TO = Statement(
    """
    DELETE FROM one_time_tokens WHERE id IN (
        SELECT id FROM one_time_tokens WHERE created_by = ? AND user_id <> created_by
        UNION ALL SELECT one_time_tokens.id FROM lineages
          JOIN one_time_tokens ON one_time_tokens.lineage = lineages.lineage WHERE lineages.user_id = ?)""",
    together=EACH,
)
END_FOR_ROLE = Statement(f"{END_THAT_GO_BACK_TO} AND user_id IN (SELECT id FROM users WHERE role = ?)", together=EACH)
END_ACTING = Statement("DELETE FROM one_time_tokens WHERE acted_by = ?", together=EACH)
SEALED_AFTER = "SELECT id, sealed FROM one_time_tokens WHERE id > ? AND sealed IS NOT NULL ORDER BY id LIMIT ?"
SEAL_AGAIN = "UPDATE one_time_tokens SET sealed = ? WHERE id = ? AND sealed = ?"
EXPIRE = """
    DELETE FROM one_time_tokens
    WHERE id IN (SELECT id FROM one_time_tokens WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"""
ANY_OLD = "SELECT 1 FROM one_time_tokens WHERE expires_at <= ? LIMIT 1"


async def add(tx: Tx, new: NewToken) -> Token:
    """Instead of an older one of the same purpose. Its user is locked."""
    await lineages.keep(tx, new.lineage)
    row = await tx.one(ADD, *new)
    assert row is not None  # RETURNING
    return Token._make(row)


async def find(queries: Queries, digest: bytes) -> Token | None:
    """The token with this digest; None when it was used or replaced, is too old, never was, or goes back to a user who
    is suspended."""
    row = await queries.one(BY_DIGEST, digest, clock.now())
    return None if row is None else Token._make(row)


async def of_user(queries: Queries, user_id: str) -> list[Token]:
    """A user's open tokens, oldest first: one of each purpose at most."""
    return [Token._make(row) for row in await queries.all(OF_USER, user_id, clock.now())]


async def of_users(queries: Queries, ids: Sequence[str], purpose: str) -> dict[str, Token]:
    """The token of this purpose of each of these users who has one, expired or not."""
    rows = await queries.all(_of_users(len(ids)), purpose, *ids) if ids else []
    return {token.user_id: token for token in map(Token._make, rows)}


@lru_cache(maxsize=64)
def _of_users(count: int) -> str:
    marks = ", ".join("?" * count)
    return f"SELECT {COLUMNS} FROM one_time_tokens WHERE purpose = ? AND user_id IN ({marks})"


async def use(tx: Tx, digest: bytes) -> Token | None:
    """The token, once: it is gone with it."""
    row = await tx.one(USE, digest, clock.now())
    return None if row is None else Token._make(row)


async def revoke(tx: Tx, id: str, user_id: str) -> Token:
    """Raises NotFound."""
    return Token._make(await existing(tx, REVOKE, id, user_id, clock.now()))


async def end_all(tx: Tx, user_id: str) -> None:
    """Part of a larger change, which has its own event."""
    await tx.run(END_ALL, user_id)


async def end_begun(tx: Tx, user_id: str) -> None:
    """End all but a confirmation of the email that the user has."""
    await tx.run(END_BEGUN, user_id)


async def end_that_go_back_to(tx: Tx, user_id: str, role: str | None = None) -> None:
    """End the tokens of others, or of others with this role, that go back to a user."""
    if role is None:
        await tx.run(END_THAT_GO_BACK_TO, user_id, user_id)
    else:
        await tx.run(END_FOR_ROLE, user_id, user_id, role)


async def end_acting(tx: Tx, user_id: str) -> None:
    """End the tokens with which this user would act as others."""
    await tx.run(END_ACTING, user_id)


async def sealed_after(queries: Queries, id: str, limit: int) -> list[tuple[str, bytes]]:
    """IDs and encrypted texts of the tokens after this ID that wait to be sent."""
    return [(row[0], bytes(row[1])) for row in await queries.all(SEALED_AFTER, id, limit)]


async def seal_again(tx: Tx, changed: Iterable[tuple[bytes, str, bytes]]) -> None:
    """New sealed text, ID and former sealed text of each: one that was sent meanwhile stays without."""
    await tx.many(SEAL_AGAIN, changed)


async def is_expired(queries: Queries) -> bool:
    return await queries.one(ANY_OLD, clock.now()) is not None


async def expire(tx: Tx, limit: int) -> int:
    return await tx.run(EXPIRE, clock.now(), limit)


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
    """Email of the user; for a change, the new one."""
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
      AND w.format NOT IN ({", ".join(map(repr, WITHOUT_TOKENS))}) AND ' ' || w.types || ' ' LIKE '% {REQUESTED} %'
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


CHANNEL = "token_requests"
"""Notified when there is another request."""


class RequestedToken(NamedTuple):
    """The content of a request."""

    email: str
    purpose: str
    redirect_url: str
    language: str | None
    actor: Actor
    asked_at: int
    is_admitted: bool
    """False: it exceeds a limit, and nothing comes of it."""
    audiences: str | None = None
    """Audiences of the key that asked, as `one_time_tokens` keeps them."""


class WaitingRequest(NamedTuple):
    id: str
    sealed: bytes


COUNT_REQUESTS = "SELECT count(*) FROM token_requests"
ADD_REQUEST = "INSERT INTO token_requests (id, sealed) VALUES (?, ?)"
OLDEST_REQUESTS = "SELECT id, sealed FROM token_requests ORDER BY id LIMIT ?"
REQUESTS_AFTER = "SELECT id, sealed FROM token_requests WHERE id > ? ORDER BY id LIMIT ?"
SEAL_REQUEST_AGAIN = "UPDATE token_requests SET sealed = ? WHERE id = ? AND sealed = ?"
TAKE_REQUEST = "DELETE FROM token_requests WHERE id = ?"

encode_request = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(RequestedToken).decode


def new_request_id() -> str:
    return ids.new("treq")


async def count_requests(queries: Queries) -> int:
    return await scalar(queries, COUNT_REQUESTS)


async def add_request(tx: Tx, id: str, sealed: bytes) -> None:
    await tx.run(ADD_REQUEST, id, sealed)
    tx.notify(CHANNEL)


async def oldest_requests(queries: Queries, limit: int) -> list[WaitingRequest]:
    return [WaitingRequest._make(row) for row in await queries.all(OLDEST_REQUESTS, limit)]


async def take_request(tx: Tx, id: str) -> bool:
    """Take a request, so that no one else does what it asks for. False: another process was faster."""
    return await tx.run(TAKE_REQUEST, id) > 0


async def sealed_requests_after(queries: Queries, id: str, limit: int) -> list[tuple[str, bytes]]:
    return [(row[0], row[1]) for row in await queries.all(REQUESTS_AFTER, id, limit)]


async def seal_requests_again(tx: Tx, changed: Iterable[tuple[bytes, str, bytes]]) -> None:
    """New sealed content, ID and former sealed content of each: one that was taken meanwhile stays away."""
    await tx.many(SEAL_REQUEST_AGAIN, changed)
