"""What a copy of a database consists of: its tables, the order in which each is read, and what is known of how far a copy has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from rollbook.records import users
from rollbook.storage.database import DatabaseUnusable, Engine, Queries, Row

_EVENT = "id, type, user_id, created_at, actor_user, actor_key, address, request_id, object, before"
# On PostgreSQL, what was committed and is not numbered yet, with the numbers it would get next.
_ALL_EVENTS = f"""(
    SELECT seq, {_EVENT} FROM events UNION ALL
    SELECT (SELECT next FROM numbers WHERE counter = 'events') - 1 + row_number() OVER (ORDER BY written_at, id), {_EVENT} FROM events_new
    ) AS events"""


class Table(NamedTuple):
    name: str
    columns: tuple[str, ...]
    """Those that are the same in both engines."""
    key: tuple[str, ...]
    """What it is read by: a unique index, so that a copy can go on behind any row."""
    postgresql: tuple[str, tuple[str, ...]] | None = None
    """What it is read from, and by which key, where these are others there."""

    def source(self, engine: Engine) -> str:
        return self.postgresql[0] if self.postgresql and engine == "postgresql" else self.name

    def key_on(self, engine: Engine) -> tuple[str, ...]:
        return self.postgresql[1] if self.postgresql and engine == "postgresql" else self.key

    def has_own_key(self) -> bool:
        """Whether the key is part of the rows, and so the same on both sides."""
        return set(self.key) <= set(self.columns)

    def select(self, engine: Engine, behind: bool) -> str:
        """All columns, then the key, in the key's order; with `behind`, only rows after the key of these values."""
        key = ", ".join(self.key_on(engine))
        marks = ", ".join("?" * len(self.key_on(engine)))
        where = f" WHERE ({key}) > ({marks})" if behind else ""
        return f"SELECT {', '.join(self.columns)}, {key} FROM {self.source(engine)}{where} ORDER BY {key}"

    def all(self, engine: Engine) -> str:
        return f"SELECT {', '.join(self.columns)} FROM {self.source(engine)}"

    def counted(self, engine: Engine) -> str:
        return f"SELECT count(*) FROM {self.source(engine)}"


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


USERS = Table("users", _names(users.KEPT), ("seq",))
DELETED_USERS = Table("deleted_users", (*USERS.columns, "deleted_at"), ("id",))
TABLES = (
    USERS,
    DELETED_USERS,
    Table(
        "keys",
        _names(
            "id, user_id, name, digest, start, last_four, sealed, scopes, ip_allow, rate_limit, created_at, expires_at, last_used_at, revoked_at"
        ),
        ("id",),
    ),
    Table("sessions", _names("id, digest, user_id, created_at, last_seen_at, address, user_agent"), ("id",)),
    Table("password_links", _names("user_id, digest, created_at, expires_at"), ("user_id",)),
    Table("events", ("seq", *_names(_EVENT)), ("seq",), (_ALL_EVENTS, ("seq",))),
    Table("erased_events", ("seq", "id"), ("seq",)),
    Table("replies", _names("user_id, key, request, owner, started_at, status, head, sealed"), ("user_id", "key")),
    Table("usage", _names("hour, user_id, key_id, requests, errors, refused, limited"), ("hour", "user_id", "key_id")),
    Table("usage_limits", _names("hour, user_id, key_id, name, limited"), ("hour", "user_id", "key_id", "name")),
    Table("server_usage", _names("hour, requests, errors, refused, limited"), ("hour",)),
    # Its `id` says nothing: it is given anew, rising with the times.
    Table(
        "request_log",
        _names("user_id, key_id, status, limited_by, first, last, left_out, lines"),
        ("id",),
        ("request_log", ("last", "id")),
    ),
    Table("erased_usage", ("user_id", "erased_at"), ("user_id",)),
)

# The next place of a user and the earliest time of one, the next number of an event, and the number that moves with every change of access.
POSITIONS: dict[Engine, str] = {
    "sqlite": """
        SELECT 1 + max((SELECT coalesce(max(seq), 0) FROM users), (SELECT coalesce(max(seq), 0) FROM deleted_users),
                       (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'users')),
               1 + max((SELECT coalesce(max(created_at), -1) FROM users), (SELECT coalesce(max(created_at), -1) FROM deleted_users)),
               1 + max((SELECT coalesce(max(seq), 0) FROM events), (SELECT coalesce(max(seq), 0) FROM erased_events)),
               (SELECT version FROM access)""",
    "postgresql": """
        SELECT (SELECT next FROM numbers WHERE counter = 'users'), (SELECT at FROM numbers WHERE counter = 'users'),
               (SELECT next FROM numbers WHERE counter = 'events') + (SELECT count(*) FROM events_new), (SELECT version FROM access)""",
}

_NEWEST = "SELECT id FROM {events} ORDER BY seq DESC LIMIT 1"
_MARK = """
    SELECT (SELECT version FROM access), (SELECT max(seq) FROM users), ({newest}), (SELECT max(last_seen_at) FROM sessions),
           (SELECT max(last) FROM request_log), (SELECT CAST(sum(requests) AS bigint) FROM server_usage), (SELECT max(started_at) FROM replies)"""

# Its rows: `source` is the mark of what is copied, the name of a table the key of the last row that is there, `indexes` what was put aside.
STATE = "copy_unfinished"
MAKE_STATE = f"CREATE TABLE {STATE} (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)"
PUT_STATE = f"INSERT INTO {STATE} (name, value) VALUES (?, ?)"
READ_STATE = f"SELECT name, value FROM {STATE}"
# Of the value it had before, so that of two copies into one database the second is refused.
STEP = f"UPDATE {STATE} SET value = ? WHERE name = ? AND value = ?"
DROP_STATE = f"DROP TABLE {STATE}"
_HAS_STATE: dict[Engine, str] = {
    "sqlite": f"SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '{STATE}'",
    "postgresql": f"SELECT 1 WHERE to_regclass('{STATE}') IS NOT NULL",
}
SOURCE, INDEXES = "source", "indexes"


def mark(engine: Engine) -> str:
    """A statement whose row is another one after nearly every change: by it, the source of a copy is known again. Indexes answer it."""
    events = next(table for table in TABLES if table.name == "events")
    return _MARK.format(newest=_NEWEST.format(events=events.source(engine)))


def as_text(values: Sequence[Any]) -> str:
    """Values of a row, to be kept and compared."""
    return msgspec.json.encode(list(values), enc_hook=str).decode()


def from_text(text: str) -> list[Any]:
    return msgspec.json.decode(text, type=list[Any])


async def state(queries: Queries) -> dict[str, str] | None:
    """How far a copy into this database has come; None when none was begun, or it is finished."""
    if await queries.one(_HAS_STATE[queries.engine]) is None:
        return None
    return {row[0]: row[1] for row in await queries.all(READ_STATE)}


async def refuse_unfinished(queries: Queries) -> None:
    """Raises DatabaseUnusable where a copy has to be finished first: half of the users would be served as if they were all."""
    if await queries.one(_HAS_STATE[queries.engine]) is not None:
        raise DatabaseUnusable(
            "A copy into this database was begun and is not finished. Run the same `rollbook copy` again: it goes on where it was. Or give up the "
            "copy: use an empty database."
        )


def key_of(table: Table, engine: Engine, row: Row) -> str:
    """The key of a row that was read by `Table.select`."""
    return as_text(row[-len(table.key_on(engine)) :])
