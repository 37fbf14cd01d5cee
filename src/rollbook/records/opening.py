"""Opens the database that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rollbook.config import Settings
from rollbook.records.engines import POSTGRESQL, SQLITE
from rollbook.storage.database import Database
from rollbook.storage.sqlite import SQLite

if TYPE_CHECKING:
    from rollbook.storage.postgres import Postgres

LONGEST_MIGRATION = 4 * 3600.0
"""Seconds a statement of a migration may take."""


def is_sqlite(settings: Settings) -> bool:
    return not settings.database


def open_database(settings: Settings, committed: Callable[[int], None] = lambda writes: None) -> Database:
    """The database of a worker. Raises DatabaseUnusable when it cannot be one; PostgreSQL may be away, as at any later time."""
    if is_sqlite(settings):
        return SQLite.open(settings.sqlite_file, settings.synchronous, committed, SQLITE)
    return _postgres(settings, settings.database, settings.database_timeout, committed)


def open_for_migration(settings: Settings) -> Database:
    """The same for one who changes the schema: past a pooler, and with as much time as it takes. Raises DatabaseUnusable."""
    if is_sqlite(settings):
        return open_database(settings)
    database = _patient(settings)
    database.check(settings.database_timeout)
    return database


def open_with_time(settings: Settings) -> Database:
    """The same for code in an event loop. PostgreSQL is not asked yet whether it is there."""
    return open_database(settings) if is_sqlite(settings) else _patient(settings)


def exists(settings: Settings) -> bool:
    """Whether there is anything to open, as far as can be seen from here."""
    return not is_sqlite(settings) or settings.sqlite_file.exists()


def place(settings: Settings) -> str:
    """Where it is, for people; without a password."""
    if is_sqlite(settings):
        return str(settings.sqlite_file)
    from rollbook.storage.postgres_connection import address

    return address(settings.database).shown


def _patient(settings: Settings) -> Postgres:
    return _postgres(settings, settings.database_direct or settings.database, LONGEST_MIGRATION, lambda writes: None)


def _postgres(settings: Settings, url: str, timeout: float, committed: Callable[[int], None]) -> Postgres:
    # Not at the top: the driver is a tenth of the time to the first answer, and a server on SQLite has no use for it.
    from rollbook.storage.postgres import Postgres

    return Postgres(
        url,
        connections=settings.database_connections,
        timeout=timeout,
        replicas=settings.database_replicas,
        committed=committed,
        dialect=POSTGRESQL,
    )
