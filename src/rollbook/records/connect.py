"""Opens the database that the settings name, with the dialect of the records for its engine."""

from __future__ import annotations

from collections.abc import Callable

from rollbook.config import Settings
from rollbook.records.dialect import Dialect, Upkeep
from rollbook.records.event_log import postgres as event_log_postgres
from rollbook.records.event_log import sqlite as event_log_sqlite
from rollbook.records.user_counts import postgres as user_counts_postgres
from rollbook.records.user_counts import sqlite as user_counts_sqlite
from rollbook.records.user_imports import postgres as user_imports_postgres
from rollbook.records.user_imports import sqlite as user_imports_sqlite
from rollbook.records.user_list import postgres as user_list_postgres
from rollbook.records.user_list import sqlite as user_list_sqlite
from rollbook.records.user_search import postgres as user_search_postgres
from rollbook.records.user_search import sqlite as user_search_sqlite
from rollbook.storage.database import Database
from rollbook.storage.sqlite import SQLite

SQLITE = Dialect(
    event_log_sqlite,
    user_counts_sqlite,
    user_imports_sqlite,
    user_list_sqlite,
    user_search_sqlite,
    upkeep=(
        Upkeep("fold search", 0.2, user_search_sqlite.fold_pending),
        Upkeep("erase from search", 3600.0, user_search_sqlite.compact),
    ),
    is_shared=False,
    latest_sample=user_search_postgres.LatestSample(),
)
POSTGRESQL = Dialect(
    event_log_postgres,
    user_counts_postgres,
    user_imports_postgres,
    user_list_postgres,
    user_search_postgres,
    upkeep=(
        Upkeep("fold counts", 0.2, user_counts_postgres.fold_appended),
        Upkeep("number events", 0.5, event_log_postgres.settle_new),
    ),
    is_shared=True,
    latest_sample=user_search_postgres.LatestSample(),
)


MAX_MIGRATION = 4 * 3600.0
"""Seconds a statement of a migration may take."""


def connect(
    settings: Settings, *, for_migration: bool = False, committed: Callable[[int], None] = lambda writes: None
) -> Database:
    """Raises DatabaseUnusable when it cannot be one. A server may start while PostgreSQL is away, as it may be at any
    later time.

    With `for_migration` PostgreSQL is asked whether it is there, a pooler is bypassed, and statements have as much time
    as they take.
    """
    if is_sqlite(settings):
        return SQLite.open(settings.sqlite_file, settings.synchronous, committed, SQLITE)
    # Not at the top: the driver is a tenth of the time to the first answer, and a server on SQLite has no use for it.
    from rollbook.storage.postgres import Postgres

    database = Postgres(
        settings.database_direct or settings.database if for_migration else settings.database,
        connections=settings.database_connections,
        timeout=MAX_MIGRATION if for_migration else settings.database_timeout,
        replicas=settings.database_replicas,
        committed=committed,
        dialect=POSTGRESQL._replace(latest_sample=user_search_postgres.LatestSample()),
    )
    if for_migration:
        database.check(settings.database_timeout)
    return database


def is_sqlite(settings: Settings) -> bool:
    return not settings.database


def exists(settings: Settings) -> bool:
    """Test whether there is anything to open, as far as can be seen from here."""
    return not is_sqlite(settings) or settings.sqlite_file.exists()


def address(settings: Settings) -> str:
    """Address of the database for people, without a password."""
    if is_sqlite(settings):
        return str(settings.sqlite_file)
    from rollbook.storage import postgres_connection

    return postgres_connection.address(settings.database).public
