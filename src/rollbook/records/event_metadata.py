"""Large metadata of the users in events: stored once for all events that hold it, before or after a change.

A user's metadata can have 16 KiB and rarely changes, while each event shows the whole user. So the text of an event has
the digest of such metadata instead, which is a string where metadata is an object. Whoever reads events gets them
whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from rollbook import clock
from rollbook.records.event_log import COLUMNS
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
"""For `last_used` that was not written again, and for the clocks of several servers."""

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
    wanted = sorted({(row[_USER_ID], found) for row in rows for text in row[-2:] if (found := _digest(text))})
    if not wanted:
        return list(rows)
    values: dict[str, str] = {}
    for part in in_parts(wanted, AT_ONCE):
        found: Any = await queries.all(FIND, *(user for user, _ in part), *(digest for _, digest in part))
        values.update(found)
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
