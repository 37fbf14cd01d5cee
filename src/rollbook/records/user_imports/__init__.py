"""Many users at once: the records that one user gets at a time, at a tenth of the cost, in the order of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from rollbook import clock, ids
from rollbook.errors import EmailTaken, ExternalIdTaken, IdTaken
from rollbook.records import rules, users
from rollbook.records.events import Actor
from rollbook.records.users import User
from rollbook.storage.database import Row, Tx

BATCH = 20_000
"""Users of one transaction. On SQLite it holds the writer lock for about half a second: no write of a running server waits longer."""

Match = Literal["email", "external_id"]
Taken = EmailTaken | ExternalIdTaken | IdTaken
Refused = tuple[int, Taken]
"""The index of a user who was not added, and why."""

_encode = msgspec.json.Encoder().encode
# The end of every event's object: its times, which are known only in the transaction.
_TIMES = '"created_at":"{0}","updated_at":"{1}","last_sign_in_at":{2}}}'
_NO_TIMES = _TIMES.format(*[clock.format_time(0)] * 2, "null")


class Existing(NamedTuple):
    """A user who was there before the import."""

    user: User
    has_password: bool


class UserImports(Protocol):
    async def existing(self, tx: Tx, match: Match, keys: Sequence[str]) -> dict[str, Existing]:
        """The users with these email keys or external IDs, by them. In a write, no one else changes them until it ends."""
        ...

    async def add(self, tx: Tx, new: Sequence[Prepared], by: Actor, match: Match, tells: bool) -> list[Refused]:
        """Add up to BATCH users in their order, but for those whose email, external ID or ID another user has; if several are in use, that of
        `match` is named. `tells`: with an event for each; else only those with a role above member have one.

        Raises Duplicate on PostgreSQL when someone took one at the same moment: then nothing was added, and it can be tried again.
        """
        ...

    async def index(self, tx: Tx) -> int:
        """Do what the jobs of a server would do in time, so that lists and searches are fast at once. Returns how many users were
        brought into the search index: up to BATCH, and 0 at the end."""
        ...


class Prepared(NamedTuple):
    """A user ready to be written. Everything that needs no database is done."""

    new: User
    """Its times are those that the file has, or 0."""
    email_key: str
    password_hash: str | None
    event_id: str
    object: str
    """The event's object up to its times."""
    has_own_id: bool
    """Whether the file says which ID they have."""

    def at(self, seq: int, at: int) -> User:
        """The user as added with this number, at this time. Where they were created later than the file says, they can't have been updated
        before."""
        new = self.new
        return User._make((seq, *new[1:-3], at, max(at, new.updated_at), new.last_sign_in_at))  # a third of what `_replace` takes


def prepare(new: User, password_hash: str | None, has_own_id: bool = False) -> Prepared:
    """The user's `updated_at` must not be in the future."""
    timed = new.created_at or new.updated_at or new.last_sign_in_at is not None
    timeless = new._replace(created_at=0, updated_at=0, last_sign_in_at=None) if timed else new
    object = _encode(users.public(timeless)).decode().removesuffix(_NO_TIMES)
    return Prepared(new, rules.email_key(new.email), password_hash, ids.new("evt"), object, has_own_id)


def values(user: User, prepared: Prepared) -> tuple[Any, ...]:
    """Of `users.KEPT`."""
    return (*user, prepared.email_key, prepared.password_hash)


def has_times(new: Sequence[Prepared]) -> bool:
    """Whether the file says when any of these users was created."""
    return any(user.new.created_at for user in new)


def times(new: Sequence[Prepared], newest: int, now: int) -> list[int]:
    """When each of these users was created: as the file says, to the second, if that is later than all before and not in the future;
    otherwise now. `newest` is when the last one before them was: the order of users is that of their times."""
    found = []
    for user in new:
        given = user.new.created_at
        is_kept = newest < given <= now or (given and (newest + 1) // clock.SECOND == given // clock.SECOND)
        newest = max(newest + 1, given if is_kept else now)
        found.append(newest)
    return found


def told_of(added: Sequence[tuple[Prepared, User]], tells: bool) -> Sequence[tuple[Prepared, User]]:
    """Those of whom an event is recorded. Nobody gets a role above member without one."""
    return added if tells else [each for each in added if each[1].role != "member"]


def created(added: Iterable[tuple[Prepared, User]], by: Actor) -> Iterator[Row]:
    """An event for each of these users."""
    key: tuple[int, int, int | None] | None = None
    text = ""
    at = clock.now()
    for prepared, user in added:
        seconds = user.created_at // clock.SECOND, user.updated_at // clock.SECOND, user.last_sign_in_at
        if seconds != key:
            key, text = seconds, _times(user)
        yield prepared.event_id, "user.created", user.id, at, *by, prepared.object + text, None


def _times(user: User) -> str:
    last = "null" if user.last_sign_in_at is None else f'"{clock.format_time(user.last_sign_in_at)}"'
    return _TIMES.format(clock.format_time(user.created_at), clock.format_time(user.updated_at), last)
