"""Events that are not part of a change: refused passwords, keys and forms, and exceeded limits. Kept in memory, and
recorded by a job within about a second.

So no response waits for them or tells by its time whether an account exists, and a flood of requests costs no write
each: of every kind and user, one is recorded in the time of its window, over all workers and servers.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from rollbook import clock
from rollbook.errors import NotFound
from rollbook.quota import Limit, Window
from rollbook.records import events, keys, sessions, users
from rollbook.records.events import Actor
from rollbook.records.sessions import Session
from rollbook.storage.database import Tx

if TYPE_CHECKING:
    from rollbook.actions.context import Rollbook

MAX_WAITING = 10_000
"""Events that wait in a worker. Beyond it, others are not recorded."""
BATCH = 256


class DeferredEvent(NamedTuple):
    type: str
    user_id: str
    actor: Actor
    seconds: int
    """In which it is recorded once."""
    object: dict[str, Any] | None = None
    """None: the user, or the key."""
    key_id: str | None = None
    """ID of the key that the event is about."""


class DeferredEvents:
    """Events of a worker that wait to be recorded: the first of each kind and user."""

    def __init__(self) -> None:
        self.refused = Counter[str]()
        """Number of refusals by the type of their event, also of those that are not recorded."""
        self._waiting: dict[tuple[str, ...], DeferredEvent] = {}

    def sign_in_failed(self, user_id: str | None, actor: Actor) -> None:
        """`user_id` None: no user has this email."""
        self._refuse("user.sign_in_failed", user_id, actor)

    def confirmation_failed(self, user_id: str, actor: Actor) -> None:
        self._refuse("user.confirmation_failed", user_id, actor)

    def locked_out(self, user_id: str | None, actor: Actor) -> None:
        self._refuse("user.locked_out", user_id, actor)

    def key_refused(self, user_id: str, key_id: str, actor: Actor) -> None:
        self.refused["key.refused"] += 1
        self._add((key_id, "refused"), DeferredEvent("key.refused", user_id, actor, 60, key_id=key_id))

    def form_refused(self, session: Session | None, actor: Actor) -> None:
        """`session` None: the browser sent no cookie with it."""
        self.refused["session.form_refused"] += 1
        if session is not None:
            event = DeferredEvent("session.form_refused", session.user_id, actor, 60, sessions.public(session))
            self._add((session.user_id, event.type), event)

    def limit_exceeded(self, actor: Actor, window: str, limit: Window, seconds: int) -> None:
        """`seconds` is how long the window lasts from now."""
        key = (user_id := actor.user_id or "", window)
        if key not in self._waiting:  # of a flood, the first
            resets_at = clock.format_time(clock.now() + seconds * clock.SECOND)
            object = {
                "user_id": user_id,
                "key_id": actor.key_id,
                "window": window,
                "limit": limit.calls,
                "resets_at": resets_at,
            }
            self._add(key, DeferredEvent("limit.exceeded", user_id, actor, limit.seconds, object))

    def _refuse(self, type: str, user_id: str | None, actor: Actor) -> None:
        self.refused[type] += 1
        if user_id is not None:
            self._add((user_id, type), DeferredEvent(type, user_id, actor, 60))

    def _add(self, key: tuple[str, ...], event: DeferredEvent) -> None:
        if len(self._waiting) < MAX_WAITING:
            self._waiting.setdefault(key, event)

    def take(self) -> list[tuple[str, DeferredEvent]]:
        """Up to BATCH, each with the name of what it is the only one in."""
        keys = list(self._waiting)[:BATCH]
        return [(f"notice:{':'.join(key)}", self._waiting.pop(key)) for key in keys]


async def store(on: Rollbook) -> bool:
    """Record what waits. Returns whether there is more."""
    taken = on.deferred_events.take()
    now = clock.now()
    first = [
        event
        for bucket, event in taken
        if (await on.limiter.take(bucket, Limit([Window(1, event.seconds)]), now)).admitted
    ]
    if first:
        await on.db.write(_record, first)
    return len(taken) == BATCH


async def _record(tx: Tx, deferred: list[DeferredEvent]) -> None:
    for event in deferred:
        user = await users.by_id(tx, event.user_id)
        if user is None:  # they were deleted, and perhaps erased, meanwhile
            continue
        object = event.object or users.complete(user)
        if event.key_id is not None:
            try:
                object = keys.public(await keys.get(tx, event.key_id))
            except NotFound:
                continue
        await events.record(tx, event.type, user.id, event.actor, object)
