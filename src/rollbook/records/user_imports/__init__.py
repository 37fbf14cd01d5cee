"""Many users at once: the records that one user gets at a time, at a tenth of the cost, in the order of a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from rollbook import clock, ids
from rollbook.errors import EmailTaken, ExternalIdTaken
from rollbook.records import rules, users
from rollbook.records.events import Actor
from rollbook.records.users import User
from rollbook.storage.database import Row, Tx

BATCH = 20_000
"""Users of one transaction. On SQLite it holds the writer lock for about half a second: no write of a running server waits longer."""

Refused = tuple[int, EmailTaken | ExternalIdTaken]
"""The index of a user who was not added, and why."""

_encode = msgspec.json.Encoder().encode
# The end of every event's object: its times, which are known only in the transaction.
_TIMES = '"created_at":"{0}","updated_at":"{0}","last_sign_in_at":null}}'
_NO_TIMES = _TIMES.format(clock.format_time(0))


class UserImports(Protocol):
    async def add(self, tx: Tx, new: Sequence[Prepared], by: Actor) -> list[Refused]:
        """Add up to BATCH users in their order, but for those whose email or external ID another user has.

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
    email_key: str
    password_hash: str | None
    event_id: str
    object: str
    """The event's object up to its times."""

    def row(self, seq: int, at: int) -> tuple[Any, ...]:
        """Values of `users.KEPT`."""
        return (*self.new._replace(seq=seq, created_at=at, updated_at=at), self.email_key, self.password_hash)


def prepare(new: User, password_hash: str | None) -> Prepared:
    object = _encode(users.public(new)).decode().removesuffix(_NO_TIMES)
    return Prepared(new, rules.email_key(new.email), password_hash, ids.new("evt"), object)


def insert(columns: Sequence[str]) -> str:
    return f"INSERT INTO users ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def created(added: Iterable[tuple[Prepared, int]], by: Actor) -> list[Row]:
    """An event for each of these users and their times of creation."""
    rows: list[Row] = []
    second, times = -1, ""
    for user, at in added:
        if at // clock.SECOND != second:
            second, times = at // clock.SECOND, _TIMES.format(clock.format_time(at))
        rows.append((user.event_id, "user.created", user.new.id, at, *by, user.object + times, None))
    return rows
