"""Opens the database that the settings name, with the records' own ways on its engine."""

from __future__ import annotations

from collections.abc import Callable

from rollbook.config import Settings
from rollbook.records.engines import POSTGRESQL, SQLITE
from rollbook.records.user_search.postgres import LatestSample
from rollbook.storage.database import Database
from rollbook.storage.sqlite import SQLite

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
        dialect=POSTGRESQL._replace(latest_sample=LatestSample()),
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
