"""Marks by which an unfinished copy is recognized, so that no server serves one: a file beside the database on SQLite,
a table on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from rollbook.config import Settings
from rollbook.records.connect import is_sqlite
from rollbook.storage.database import DatabaseUnusable, Engine, Queries

TABLE = "copy_unfinished"
_HAS_TABLE: dict[Engine, str] = {
    "sqlite": f"SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '{TABLE}'",
    "postgresql": f"SELECT 1 WHERE to_regclass('{TABLE}') IS NOT NULL",
}


def part(file: Path) -> Path:
    """The file that a copy to SQLite writes; it is renamed to `file` once it is complete."""
    return file.with_name(f"{file.name}.copying")


def refuse_part(settings: Settings) -> None:
    """Refuse a part of a copy, before the database is opened, which would create it. Raises DatabaseUnusable."""
    if is_sqlite(settings) and part(settings.sqlite_file).exists():
        raise _unfinished(f"remove {part(settings.sqlite_file)}")


async def refuse_mark(queries: Queries) -> None:
    """Raises DatabaseUnusable."""
    if await queries.one(_HAS_TABLE[queries.engine]) is not None:
        raise _unfinished(f"DROP TABLE {TABLE}")


def _unfinished(give_up: str) -> DatabaseUnusable:
    return DatabaseUnusable(
        "A copy into this database has not finished. Run the same `rollbook copy` again; it starts over. To give "
        "up the copy and start "
        f"without its users instead: {give_up}."
    )
