"""Dialect of a database: what the records do in one way on SQLite and in another on PostgreSQL, chosen once, when the
database is opened (`connect.py`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from rollbook.storage.database import Database, Queries

if TYPE_CHECKING:
    from rollbook.records.event_log import EventLog
    from rollbook.records.user_counts import UserCounts
    from rollbook.records.user_imports import UserImports
    from rollbook.records.user_list import UserList
    from rollbook.records.user_search import UserSearch
    from rollbook.records.user_search.postgres import LatestSample


class Upkeep(NamedTuple):
    """A job: `step` every `pause` seconds, sooner when it says that there is more."""

    name: str
    pause: float
    step: Callable[[Database], Awaitable[bool]]


class Dialect(NamedTuple):
    """A module for each of these nouns: `user_list/sqlite.py` or `user_list/postgres.py`, and so on."""

    event_log: EventLog
    user_counts: UserCounts
    user_imports: UserImports
    user_list: UserList
    user_search: UserSearch
    upkeep: tuple[Upkeep, ...]
    is_shared: bool
    """Several servers may share a database: what only one needs to do is done by the one that has the lease."""
    latest_sample: LatestSample
    """Sample of the users of this database, by which searches on PostgreSQL go."""


def dialect(queries: Queries) -> Dialect:
    """The dialect of the database behind a read or a transaction."""
    answer: Dialect = queries.dialect
    return answer
