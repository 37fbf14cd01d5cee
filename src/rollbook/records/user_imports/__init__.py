"""Many users at once: the records that one user gets at a time, at a tenth of the cost, in the order of a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from rollbook import clock, ids
from rollbook.errors import EmailTaken, ExternalIdTaken, IdTaken
from rollbook.records import rules, users
from rollbook.records.events import Actor
from rollbook.records.users import User
from rollbook.storage.database import Database, Row, Tx

BATCH = 20_000
"""Users of one transaction. On SQLite it holds the writer lock for about half a second: no write of a running server
waits longer."""

Match = Literal["email", "external_id"]
Taken = EmailTaken | ExternalIdTaken | IdTaken
RefusedUser = tuple[int, Taken]
"""The index of a user who was not added, and why."""

_encode = msgspec.json.Encoder().encode
# The end of every event's object: its times, which are known only in the transaction.
_TIMES = '"created_at":"{0}","updated_at":"{1}","last_sign_in_at":{2}}}'
_NO_TIMES = _TIMES.format(*[clock.format_time(0)] * 2, "null")


class Existing(NamedTuple):
    """A user who was there before the import."""

    user: User
    has_password: bool
    is_unproven: bool = False
    """See `users.unproven`."""


class UserImports(Protocol):
    async def existing(self, tx: Tx, match: Match, keys: Sequence[str]) -> dict[str, Existing]:
        """The users with these email keys or external IDs, by them. In a write, no one else changes them until it
        ends."""
        ...

    async def add(
        self, tx: Tx, new: Sequence[PreparedUser], by: Actor, match: Match, all_events: bool
    ) -> list[RefusedUser]:
        """Add up to BATCH users in their order, but for those whose email, external ID or ID another user has; if
        several are in use, that of `match` is named. `all_events`: with an event for each; else only those with a
        role above member have one.

        Raises Duplicate on PostgreSQL when someone took one at the same moment: then nothing was added, and it can be
        tried again.
        """
        ...

    async def tidy(self, db: Database) -> None:
        """Do in small writes, between two batches, what would else be done within one of the next, and hold up all
        others."""
        ...

    async def index(self, tx: Tx) -> int:
        """Do what the jobs of a server would do in time, so that lists and searches are fast at once. Returns how many
        changed users were brought into the search index: up to BATCH, and 0 at the end. New ones are in it."""
        ...


class PreparedUser(NamedTuple):
    """A user ready to be written. Everything that needs no database is done."""

    new: User
    """Without `seq` and the times that follow."""
    created_at: int | None
    """As the file says; None where it doesn't. So is `updated_at`."""
    updated_at: int | None
    email_key: str
    password_hash: str | None
    event_id: str
    object: str
    """The event's object up to its times."""
    has_own_id: bool
    """True if the file says which ID they have."""

    def at(self, seq: int, at: int) -> User:
        """The user as added with this number, created at this time. They can't have been updated before they were
        created."""
        new, updated_at = self.new, self.updated_at
        if updated_at is None or updated_at < at:
            updated_at = at
        return User._make((seq, *new[1:-3], at, updated_at, new.last_sign_in_at))  # a third of what `_replace` takes


def prepare(
    new: User,
    password_hash: str | None,
    has_own_id: bool = False,
    created_at: int | None = None,
    updated_at: int | None = None,
) -> PreparedUser:
    """The times must not be in the future."""
    timeless = new if new.last_sign_in_at is None else new._replace(last_sign_in_at=None)
    object = _encode(users.complete(timeless)).decode().removesuffix(_NO_TIMES)
    # The one event of a user whose ID is new can have the same.
    event_id = ids.new("evt") if has_own_id else ids.same("evt", new.id)
    return PreparedUser(
        new, created_at, updated_at, rules.email_key(new.email), password_hash, event_id, object, has_own_id
    )


def values(user: User, prepared: PreparedUser) -> tuple[Any, ...]:
    """Values of `users.KEPT`."""
    return (*user, prepared.email_key, prepared.password_hash)


def dates(new: Sequence[PreparedUser], start: int) -> list[int]:
    """Dates on which these users were created: as the file says, or one after another from `start` on, which is later
    than all before."""
    return [start + number if user.created_at is None else user.created_at for number, user in enumerate(new)]


def with_own_event(added: Sequence[tuple[PreparedUser, User]], all_events: bool) -> Sequence[tuple[PreparedUser, User]]:
    """Added users of whom an event is recorded: all, or those with a role above member."""
    return added if all_events else [pair for pair in added if pair[1].role != "member"]


def created(added: Iterable[tuple[PreparedUser, User]], by: Actor) -> Iterator[Row]:
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


class DryRunKeys:
    # Of a file of its own: no statements of the database.
    _ADD = "INSERT OR IGNORE INTO seen VALUES (?)"
    _HAS = "SELECT 1 FROM seen WHERE key = ?"

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)  # a temporary file that goes with the connection
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID")

    def close(self) -> None:
        self._file.close()

    def taken(self, user: PreparedUser, match: Match) -> Taken | None:
        """The unique value of this user that an earlier one has; None: there is none, and the user is noted. If there
        are several, that of `match`."""
        keys = list(_unique_keys(user))
        taken = [error for key, error in keys if self._file.execute(self._HAS, (key,)).fetchone()]
        if not taken:
            self._file.executemany(self._ADD, [(key,) for key, _ in keys])
            return None
        return ExternalIdTaken() if match == "external_id" and ExternalIdTaken in taken else taken[0]()


class FileKeys:
    """Keys of everyone whom a file has, beside it: an import that is interrupted goes on with them. Without a path,
    they go with the process."""

    _ADD = "INSERT OR IGNORE INTO keys VALUES (?)"
    _HAS = "SELECT 1 FROM keys WHERE key IN (?, ?)"
    _UNKNOWN = "SELECT count(*) FROM keys WHERE key > 'record ' AND key < 'record!'"

    def __init__(self, path: Path | None) -> None:
        self._file = sqlite3.connect(path or "", isolation_level=None)
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.execute("CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY) WITHOUT ROWID")

    def close(self) -> None:
        self._file.close()

    @property
    def records(self) -> int:
        """The number of records, from the first on, whose keys are here."""
        return self._file.execute("PRAGMA user_version").fetchone()[0]

    def note(self, keys: Iterable[str], first: int, records: int) -> None:
        """Store the keys of `records` records, of which the first has the number `first`. Must be done before an import
        notes that it has come so far. Keys after records that are missing here are of no use, and not counted."""
        here = self.records
        self._file.execute("BEGIN")
        self._file.executemany(self._ADD, [(key,) for key in keys])
        if first <= here < first + records:
            self._file.execute(f"PRAGMA user_version = {first + records}")
        self._file.execute("COMMIT")

    def has(self, email: str, external_id: str | None) -> bool:
        keys = keys_of(email, external_id)
        return self._file.execute(self._HAS, (keys[0], keys[-1])).fetchone() is not None

    @property
    def unknown(self) -> int:
        """The number of records that say neither email nor external ID."""
        return self._file.execute(self._UNKNOWN).fetchone()[0]


def keys_of(email: Any, external_id: Any, line: int = 0) -> tuple[str, ...]:
    """Keys by which a user of a file is recognized, or that its record in this line has none."""
    keys = [f"email {rules.email_key(email.strip())}"] if isinstance(email, str) and email.strip() else []
    if isinstance(external_id, str) and external_id.strip():
        keys.append(f"external_id {external_id.strip()}")
    return tuple(keys) or (f"record {line}",)


def _unique_keys(user: PreparedUser) -> Iterable[tuple[str, type[Taken]]]:
    yield f"email {user.email_key}", EmailTaken
    if user.new.external_id is not None:
        yield f"external_id {user.new.external_id}", ExternalIdTaken
    if user.has_own_id:
        yield f"id {user.new.id}", IdTaken
