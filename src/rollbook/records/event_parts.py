"""Parts of stored events: metadata, names, and their public form.

Large metadata of the users in events: stored once for all events that hold it, before or after a change.

A user's metadata can have 16 KiB and rarely changes, while each event shows the whole user. So the text of an event has
the digest of such metadata instead, which is a string where metadata is an object. Whoever reads events gets them
whole.

Names of the users and API keys that an event has the IDs of, for texts that people read.

An event as everything outside sees it: one form for the API, the stream, webhooks and exports.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Struct

from rollbook import clock
from rollbook.records import examples
from rollbook.records.event_log import COLUMNS
from rollbook.records.examples import ALICE_ID, CHARLIE_ID, KEY_ID, REQUEST_ID, TRACE_ID
from rollbook.schemas import identifier, moment, reference, says
from rollbook.storage.database import LOOK_UP, Queries, Row, Statement, Tx, in_parts

MIN_SIZE = 512
"""Bytes from which on metadata is stored by itself. Smaller ones would gain little, and cost a statement."""
PRECISION = clock.HOUR
"""The age that `last_used` may have before it is written again: a row of 16 KiB is not touched by every event."""

KEEP = Statement(
    f"""
        INSERT INTO event_metadata (user_id, digest, last_used, value) VALUES (?, ?, ?, ?)
        ON CONFLICT (user_id, digest) DO UPDATE SET last_used = excluded.last_used
          WHERE event_metadata.last_used < excluded.last_used - {PRECISION}""",
    together=f"""
        INSERT INTO event_metadata (user_id, digest, last_used, value)
        SELECT * FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]), CAST(? AS text[]))
        ON CONFLICT (user_id, digest) DO UPDATE SET last_used = excluded.last_used
          WHERE event_metadata.last_used < excluded.last_used - {PRECISION}""",
)
AT_ONCE = 8
_IN = f"IN ({', '.join('?' * AT_ONCE)})"
FIND = Statement(f"SELECT digest, value FROM event_metadata WHERE user_id {_IN} AND digest {_IN}", together=LOOK_UP)
FORGET = "DELETE FROM event_metadata WHERE user_id = ?"
EXPIRE = """
    DELETE FROM event_metadata WHERE (user_id, digest) IN (
        SELECT user_id, digest FROM event_metadata WHERE last_used < ? ORDER BY last_used LIMIT ?)"""
SLACK = 2 * PRECISION
"""Time that is added for a `last_used` that was not written again, and for the clocks of several servers."""

_FIELD = '"metadata":'  # the first of these is the user's own field: in strings, quotes are escaped
_DIGEST = 32
_IS_DIGEST = re.compile(r'"[0-9a-f]{32}"').match  # other objects may have a text of this name
_USER_ID = 1 + COLUMNS.split(", ").index("user_id")


async def keep(tx: Tx, user_id: str, now: int, metadata: bytes) -> str | None:
    """Reference to this metadata for an event; None: the metadata stands for itself."""
    if len(metadata) < MIN_SIZE:
        return None
    # The user's own, though another has the same: it is erased with its user.
    digest = hashlib.sha256(user_id.encode() + metadata).hexdigest()[:_DIGEST]
    await tx.run(KEEP, user_id, digest, now, metadata.decode())
    return digest


async def fill(queries: Queries, rows: Sequence[Row]) -> list[Row]:
    """Rows of events, `seq` and COLUMNS, with their `object` and `before` as they were recorded."""
    references = sorted({(row[_USER_ID], digest) for row in rows for text in row[-2:] if (digest := _digest(text))})
    if not references:
        return list(rows)
    values: dict[str, str] = {}
    for part in in_parts(references, AT_ONCE):
        texts: Any = await queries.all(FIND, *(user for user, _ in part), *(digest for _, digest in part))
        values.update(texts)
    return [(*rest, _filled(object, values), _filled(before, values)) for *rest, object, before in rows]


async def forget(tx: Tx, user_id: str) -> None:
    """Forget the metadata in the events of an erased user."""
    await tx.run(FORGET, user_id)


async def expire(tx: Tx, before: int, limit: int) -> None:
    """Drop what no event holds any more, now that there are none from before this time."""
    await tx.run(EXPIRE, before - SLACK, limit)


def _digest(text: str | None) -> str | None:
    at = _metadata_at(text)
    return text[at : at + _DIGEST] if text is not None and at else None


def _filled(text: str | None, values: dict[str, str]) -> str | None:
    at = _metadata_at(text)
    if text is None or not at:
        return text
    return f"{text[: at - 1]}{values.get(text[at : at + _DIGEST], 'null')}{text[at + _DIGEST + 1 :]}"


def _metadata_at(text: str | None) -> int:
    """Position at which the digest begins; 0 where there is none."""
    if text is None or (at := text.find(_FIELD)) < 0 or not _IS_DIGEST(text, at + len(_FIELD)):
        return 0
    return at + len(_FIELD) + 1


MAX_NAMED = 13
"""IDs that one statement looks up: user, actor and key, and those of five changes."""
FEW = 3
"""As many as most events have."""


def _names(count: int) -> str:
    ids = ", ".join("?" * count)
    return " UNION ALL ".join(
        f"SELECT id, name FROM {table} WHERE id IN ({ids})" for table in ("users", "deleted_users", "keys")
    )


NAMES_OF_FEW, NAMES = _names(FEW), _names(MAX_NAMED)

EXAMPLES: Mapping[str, str] = {ALICE_ID: "Alice Example", CHARLIE_ID: "Charlie Chaplin", KEY_ID: "CRM sync"}
"""Names in test events."""


async def of(queries: Queries, ids: Sequence[str]) -> dict[str, str]:
    """By ID, also of deleted users. Those of erased users are not found: no one knows them any more."""
    if not ids:
        return {}
    sql, count = (NAMES_OF_FEW, FEW) if len(ids) <= FEW else (NAMES, MAX_NAMED)
    padded = [*ids[:count], *[""] * (count - len(ids))]
    return {row[0]: row[1] for row in await queries.all(sql, *padded, *padded, *padded)}


class EventActor(Struct, frozen=True):
    """Actor of the change: the user, API key, ID and trace of the request, the client's IP address (`cli` for the
    command line), and the assistant that made it."""

    user_id: Annotated[str, identifier("ID of the user who made the request.", ALICE_ID)] | None
    key_id: Annotated[str, identifier("ID of the API key that made the request.", examples.KEY_ID)] | None
    address: (
        Annotated[
            str,
            says(
                "Where the request came from: an IP address, `cli` for the command line, `system` for the server "
                "itself.",
                examples=["203.0.113.7"],
            ),
        ]
        | None
    )
    request_id: (
        Annotated[
            str,
            says(
                "ID of the request, also in `X-Request-Id` and in the server's log, or of the import that did it.",
                examples=[REQUEST_ID],
            ),
        ]
        | None
    )
    trace_id: (
        Annotated[
            str,
            says(
                "ID of the distributed trace that the request belongs to, from its `traceparent` header. Null: "
                "it had none.",
                examples=[TRACE_ID],
            ),
        ]
        | None
    )
    client: (
        Annotated[
            str,
            says(
                "Name and version of the assistant that made the request over MCP, as it says itself. Null: the "
                "request was not made over MCP.",
                examples=["claude-code 2.1.0"],
            ),
        ]
        | None
    )
    key_created_by: (
        Annotated[
            str,
            identifier(
                "ID of the user whom the API key goes back to, because they created it or the key it was created "
                "with. Without a key, the user who created the link that the session began with, or acts in it. "
                "Null: it is the user's own, or none.",
                ALICE_ID,
            ),
        ]
        | None
    )


class Event(Struct, frozen=True):
    """Change of a user, of one of their keys, sessions or one-time tokens, of a webhook, or of the server."""

    id: Annotated[
        str, identifier("ID of the event. Pass it as `after` to get the events that follow.", examples.EVENT_ID)
    ]
    type: Annotated[str, reference("EventType")]
    created_at: Annotated[str, moment("When it was created.")]
    user_id: (
        Annotated[
            str,
            identifier(
                "ID of the user the event is about, or whose key, session, token or webhook it is about. Null: it "
                "is about no user.",
                CHARLIE_ID,
            ),
        ]
        | None
    )
    actor: EventActor
    object: Annotated[msgspec.Raw, reference("EventObject")]
    before: Annotated[
        Annotated[msgspec.Raw, reference("EventObject")] | None,
        says(
            "The previous values of the fields that changed, or the API key that was rotated. Null if there is "
            "no previous state."
        ),
    ]
