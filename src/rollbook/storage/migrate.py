"""Brings a database to the schema of this version, one numbered SQL file at a time.

The files of `migrations/sqlite/`, or of `migrations/postgresql/`, are applied in the order of their numbers, each in
one transaction with the row that says so: the first makes the schema, each of the others changes it, and a number means
the same on both engines. A released file is never changed: the next one corrects it.
The rows are in two tables: a version doesn't start where `migrations` has one that it doesn't know, but does where
`newer_migrations` has, since it runs on the schema of the version after it.
What a database can do without, such as an extension that its owner may have to allow, is in `optional/` and tried after
them. `before/` makes the first schema of one that was made by the files it replaced.
"""

from __future__ import annotations

import hashlib
import logging
import re
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rollbook import clock
from rollbook.storage.database import Database, DatabaseUnusable, Duplicate, Engine, Queries, Tx

logger = logging.getLogger("rollbook")

FOLDER = Path(__file__).with_name("migrations")

PREVIOUS = 103
"""The newest migration that the previous version knows. There is none yet: that of the first schema."""
BEFORE: dict[Engine, str] = {
    "sqlite": "700c90f0bb8bf805fcb1733b2e227ee7c775330d3757c756f3c2e57442e89ea6",
    "postgresql": "9c3b64eab13801363621c896fefa3a39d8a19bcb58c97bfb5bca8fe15f77659a",
}
"""The digest of the numbers and checksums of all migrations before the first schema."""
LAST_BEFORE = "f6e3c0b6"
"""The commit that has all of them."""

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql").fullmatch
_TABLE: dict[Engine, str] = {
    "sqlite": """
    CREATE TABLE IF NOT EXISTS {} (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        checksum TEXT NOT NULL,
        applied_at INTEGER NOT NULL
    ) STRICT""",
    "postgresql": """
    CREATE TABLE IF NOT EXISTS {} (
        number integer NOT NULL PRIMARY KEY,
        name text NOT NULL,
        checksum text NOT NULL,
        applied_at bigint NOT NULL
    )""",
}
_TABLES = ("migrations", "newer_migrations")
_HAS_TABLE: dict[Engine, str] = {
    "sqlite": "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?",
    "postgresql": "SELECT 1 WHERE to_regclass(?) IS NOT NULL",
}
# Servers that start together migrate in turn. On SQLite there is one writer anyway.
_IN_TURN = "LOCK TABLE migrations IN EXCLUSIVE MODE"
_APPLIED = "SELECT number, name, checksum FROM {} ORDER BY number"
_NOTE = "INSERT INTO {} (number, name, checksum, applied_at) VALUES (?, ?, ?, ?)"
_OLD = "FROM newer_migrations WHERE number <= ?"


class Migration(NamedTuple):
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def file_name(self) -> str:
        return f"{self.number:04}_{self.name}.sql"


def pending(db: Database, folder: Path | None = None) -> list[Migration]:
    """Migrations that `migrate` would apply. Raises DatabaseUnusable when the database does not belong to these
    files."""
    return db.read_now(_missing, known(folder or FOLDER / db.engine))


def migrate(db: Database, folder: Path | None = None) -> list[Migration]:
    """Apply what is pending; those this call applied. Several processes may do it at once: each file is applied by one
    of them.

    Raises DatabaseUnusable when the database does not belong to these files, StorageUnavailable when the disk fails,
    and the driver's own error when a file's SQL does; what came before it stays applied.
    """
    folder = folder or FOLDER / db.engine
    files = known(folder)
    missing = db.read_now(_missing, files)
    if missing and db.engine == "postgresql":
        try:
            db.write_now(_make_tables)
        except Duplicate:  # another server made it meanwhile; PostgreSQL's IF NOT EXISTS does not see that coming
            db.write_now(_make_tables)
    applied = [migration for migration in missing if db.write_now(_apply, migration, files, folder)]
    if applied:
        db.write_now(_settle)
    for file in sorted((folder / "optional").glob("*.sql")):
        _try(db, file)
    return applied


def _try(db: Database, file: Path) -> None:
    """Apply an optional file unless the object it is named after already exists."""
    if db.read_now(_exists, file.stem):
        return
    for statement in statements(file.read_text(encoding="utf-8")):
        try:
            db.write_now(_run, statement)
        except Duplicate:
            pass  # another server made it meanwhile
        except Exception as problem:
            logger.warning("%s could not be applied, and is done without: %s", file.name, problem)
            return


async def _exists(queries: Queries, name: str) -> bool:
    return await queries.one("SELECT 1 WHERE to_regclass(?) IS NOT NULL", name) is not None


async def _run(tx: Tx, statement: str) -> None:
    await tx.run(statement)


async def _make_tables(tx: Tx) -> None:
    for table in _TABLES:
        await tx.run(_TABLE[tx.engine].format(table))


async def _settle(tx: Tx) -> None:
    """Move what is no longer new: versions before the previous one don't start any more."""
    if tx.engine == "postgresql":
        await tx.run(_IN_TURN)
    await tx.run(f"INSERT INTO migrations SELECT number, name, checksum, applied_at {_OLD}", PREVIOUS)
    await tx.run(f"DELETE {_OLD}", PREVIOUS)


def known(folder: Path) -> tuple[Migration, ...]:
    """The files of this version for the engine of this folder, in order."""
    migrations: dict[int, Migration] = {}
    for file in sorted(folder.glob("*.sql")):
        match = _FILE_NAME(file.name)
        if match is None or int(match[1]) in migrations:
            raise DatabaseUnusable(
                f"{file} is not in sequence: each migration has a number of its own, as in 0104_name.sql. "
                "Reinstall Rollbook."
            )
        migrations[int(match[1])] = Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"))
    return tuple(migrations.values())


async def _missing(queries: Queries, files: tuple[Migration, ...]) -> list[Migration]:
    by_number = {migration.number: migration for migration in files}
    before: dict[int, str] = {}
    for table in _TABLES:
        if await queries.one(_HAS_TABLE[queries.engine], table) is None:
            continue
        for number, name, checksum in await queries.all(_APPLIED.format(table)):
            migration = by_number.pop(number, None)
            if migration is not None:
                _check(migration, checksum)
            elif files and number < files[0].number:
                before[number] = checksum
            elif table == "migrations":
                newest = files[-1].number if files else 0
                raise DatabaseUnusable(
                    f"The database is newer than this Rollbook: it has migration {number:04}_{name}, this version "
                    f"knows them up to {newest:04}. "
                    "Start the newer Rollbook again, or restore a backup made before the upgrade."
                )
    if before and digest(before) != BEFORE[queries.engine]:
        raise DatabaseUnusable(
            "The database is older than the first schema of Rollbook. Run `rollbook migrate` of commit "
            f"{LAST_BEFORE} on it first, then start this version."
        )
    return list(by_number.values())


def digest(checksums: Mapping[int, str]) -> str:
    """Digest of migrations, of each the number and the checksum."""
    lines = [f"{number} {checksum}\n" for number, checksum in sorted(checksums.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _check(migration: Migration, checksum: str) -> None:
    if migration.checksum != checksum:
        raise DatabaseUnusable(
            f"Migration {migration.file_name} is not the file this database was made with. "
            "Put the released file back (reinstall the same version of Rollbook). A schema change needs a "
            "new migration."
        )


async def _apply(tx: Tx, migration: Migration, files: tuple[Migration, ...], folder: Path) -> bool:
    """False when another process was faster."""
    await _make_tables(tx)
    if tx.engine == "postgresql":
        await tx.run(_IN_TURN)
    if migration not in await _missing(tx, files):
        return False
    sql = migration.sql
    if await _forget_before(tx, files[0].number):
        sql = (folder / "before" / migration.file_name).read_text(encoding="utf-8")
    for statement in statements(sql):
        await tx.run(statement)
    table = _TABLES[migration.number > PREVIOUS]
    await tx.run(_NOTE.format(table), migration.number, migration.name, migration.checksum, clock.now())
    return True


async def _forget_before(tx: Tx, first: int) -> int:
    """How many migrations of before the first schema the database had, all of them or none."""
    return sum([await tx.run(f"DELETE FROM {table} WHERE number < ?", first) for table in _TABLES])


def statements(sql: str) -> Iterator[str]:
    """The single statements of a file. SQLite itself says where one ends, so semicolons in strings, comments and
    triggers are no trouble.

    ValueError when the last one has no end.
    """
    start = 0
    for semicolon in re.finditer(";", sql):
        if sqlite3.complete_statement(sql[start : semicolon.end()]):
            yield sql[start : semicolon.end()].strip()
            start = semicolon.end()
    rest = re.sub(r"--[^\n]*|/\*.*?\*/", "", sql[start:], flags=re.DOTALL).strip()
    if rest:
        raise ValueError(f"no semicolon ends this statement: {rest[:80]}")
