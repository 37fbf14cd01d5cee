"""Events that open or close ways into the accounts of people above member, with whoever caused them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from rollbook.records.event_log import COLUMNS
from rollbook.records.events import Actor
from rollbook.roles import ROLES
from rollbook.storage.database import Queries, in_parts

TYPES = (
    "user.created",
    "user.updated",
    "user.promoted",
    "user.suspended",
    "user.activated",
    "user.restored",
    "user.password_changed",
    "user.access_ended",
    "second_factor.activated",
    "second_factor.codes_regenerated",
    "second_factor.lifted",
    "session.revoked",
    "token.created",
    "token.requested",
    "token.consumed",
    "key.created",
    "key.updated",
    "key.rotated",
    "webhook.created",
    "webhook.updated",
    "webhook.rotated",
)
_ABOVE = tuple(role for role in ROLES if role != "member")
AT_ONCE = 100
# The empty text keeps the index of types out of it: a user has few events. Left out is what there may be many of and
# says nothing: changes of metadata, and sessions that users and applications end one by one.
_WHICH = f"""
    e.seq > ? AND e.type || '' IN ({", ".join(map(repr, TYPES))})
    AND (e.type <> 'user.updated' OR e.before LIKE '%"email":%' OR e.before LIKE '%"role":%')
    AND (e.type <> 'session.revoked' OR (e.actor_user <> e.user_id AND e.actor_key IS NULL))
    ORDER BY e.seq DESC LIMIT ?"""
_COLUMNS = ", ".join(f"e.{name}" for name in ("seq", *COLUMNS.split(", ")))
# CROSS JOIN: SQLite begins with the users, who are few.
ABOUT_STAFF = f"""
    SELECT {_COLUMNS} FROM users u CROSS JOIN events e
    WHERE u.role IN ({", ".join(map(repr, _ABOVE))}) AND e.user_id = u.id AND {_WHICH}"""
ABOUT = f"SELECT {_COLUMNS} FROM events e WHERE e.user_id IN ({', '.join('?' * AT_ONCE)}) AND {_WHICH}"


class StaffEvent(NamedTuple):
    seq: int
    id: str
    type: str
    user_id: str
    created_at: int
    actor: Actor
    object: dict[str, Any]
    before: dict[str, Any]

    @property
    def people(self) -> tuple[str | None, str | None]:
        """IDs of the people who may have caused it, by who the key's user is and whom the key goes back to."""
        return self.actor.key_created_by, self.actor.user_id


async def of_staff(queries: Queries, after: int, limit: int) -> list[StaffEvent]:
    """The newest of these events about users whose role is above member now, newest first."""
    return [_event(*row) for row in await queries.all(ABOUT_STAFF, after, limit)]


async def of_users(queries: Queries, ids: Iterable[str], after: int, limit: int) -> list[StaffEvent]:
    """The newest of these events about these users, whatever became of them."""
    events: set[tuple[Any, ...]] = set()
    for part in in_parts(sorted(ids), AT_ONCE):
        events |= {tuple(row) for row in await queries.all(ABOUT, *part, after, limit)}
    return [_event(*row) for row in sorted(events, reverse=True)[:limit]]


def _event(seq: int, id: str, type: str, user_id: str, created_at: int, *rest: Any) -> StaffEvent:
    *actor, object, before = rest
    details = ({} if text is None else msgspec.json.decode(text) for text in (object, before))
    return StaffEvent(seq, id, type, user_id, created_at, Actor(*actor), *details)
