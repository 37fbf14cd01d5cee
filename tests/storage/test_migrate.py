"""Migrations: applied once, in order, wholly or not at all, and never on a database they do not belong to."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from things import program

from rollbook import clock
from rollbook.records import users
from rollbook.storage import migrate as migrations
from rollbook.storage.database import DatabaseUnusable, Tx
from rollbook.storage.migrate import FOLDER, known, migrate, pending, statements
from rollbook.storage.sqlite import SQLite
from tests.engines import ENGINES, migrated

FIRST = """
-- A comment; with a semicolon.
CREATE TABLE people (name TEXT DEFAULT 'a;b'); -- behind it; too
/* and
   a block; of one */
CREATE TRIGGER loud AFTER INSERT ON people BEGIN
    UPDATE people SET name = upper(name) WHERE rowid = new.rowid;
    SELECT 1;
END;
CREATE VIRTUAL TABLE found USING fts5(name, content='', contentless_delete=1, tokenize='trigram');
"""
SECOND = "ALTER TABLE people ADD COLUMN age INTEGER;\n-- the end\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_people.sql").write_text(FIRST)
    (folder / "0002_age.sql").write_text(SECOND)
    return folder


async def insert(tx: Tx) -> None:
    await tx.run("INSERT INTO people (age) VALUES (1)")


def tables(db: SQLite) -> set[str]:
    async def read(queries: Tx) -> set[str]:
        return {row[0] for row in await queries.all("SELECT name FROM sqlite_schema WHERE type = 'table'")}

    return db.read_now(read)


def test_what_is_pending_is_applied_in_order_and_once(db: SQLite, folder: Path) -> None:
    assert [migration.file_name for migration in pending(db, folder)] == ["0001_people.sql", "0002_age.sql"]
    before = clock.now()
    assert [migration.number for migration in migrate(db, folder)] == [1, 2]
    assert pending(db, folder) == []
    assert migrate(db, folder) == []
    db.write_now(insert)

    async def read(queries: Tx) -> tuple[object, object]:
        return await queries.all("SELECT name, age FROM people"), await queries.all("SELECT * FROM migrations")

    people, rows = db.read_now(read)
    assert people == [("A;B", 1)]
    assert [(row[0], row[1], len(row[2])) for row in rows] == [(1, "people", 64), (2, "age", 64)]  # type: ignore[attr-defined]
    assert all(before <= row[3] <= clock.now() for row in rows)  # type: ignore[attr-defined]


def test_a_new_file_is_applied_to_an_old_database(db: SQLite, folder: Path) -> None:
    migrate(db, folder)
    (folder / "0003_more.sql").write_text("CREATE TABLE more (a);")
    assert [migration.name for migration in migrate(db, folder)] == ["more"]
    assert "more" in tables(db)


def test_a_file_that_fails_leaves_nothing_and_those_before_it_stay(db: SQLite, folder: Path) -> None:
    (folder / "0003_broken.sql").write_text("CREATE TABLE half (a); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"):
        migrate(db, folder)
    assert "half" not in tables(db)
    assert "people" in tables(db)
    (folder / "0003_broken.sql").write_text("CREATE TABLE half (a);")
    assert [migration.number for migration in migrate(db, folder)] == [3]


def test_a_changed_file_is_refused_with_a_sentence(db: SQLite, folder: Path) -> None:
    migrate(db, folder)
    (folder / "0001_people.sql").write_text(FIRST + "\n")
    for call in (pending, migrate):
        with pytest.raises(
            DatabaseUnusable,
            match=r"0001_people\.sql is not the file this database was made with\. Put the released file back",
        ):
            call(db, folder)


def test_a_database_newer_than_the_code_is_refused_with_a_sentence(db: SQLite, folder: Path) -> None:
    migrate(db, folder)
    (folder / "0002_age.sql").unlink()
    for call in (pending, migrate):
        with pytest.raises(
            DatabaseUnusable,
            match="newer than this Rollbook: it has migration 0002_age, this version knows them up to 0001",
        ):
            call(db, folder)


@pytest.mark.parametrize("engine", ENGINES)
def test_this_version_starts_on_the_schema_of_the_next_one_and_not_on_that_of_the_one_after_it(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = tmp_path / "following"
    shutil.copytree(FOLDER / engine, following)
    number = known(following)[-1].number + 1
    (following / f"{number:04}_nickname.sql").write_text("ALTER TABLE users ADD COLUMN nickname TEXT;")
    with migrated(engine, tmp_path) as db:
        assert [migration.number for migration in migrate(db, following)] == [number]
        assert pending(db) == migrate(db) == []
        user = db.write_now(users.add, users.new("Alice", "alice@example.com"))
        assert db.run_now(users.get(db, user.id)) == user
        # The one after it: what was new is what its previous version has to know.
        monkeypatch.setattr(migrations, "PREVIOUS", number)
        (following / f"{number + 1:04}_more.sql").write_text("CREATE TABLE more (a integer);")
        assert [migration.number for migration in migrate(db, following)] == [number + 1]
        with pytest.raises(DatabaseUnusable, match=f"it has migration {number:04}_nickname"):
            pending(db)


def test_files_out_of_line_are_refused(db: SQLite, folder: Path) -> None:
    (folder / "3_name.sql").write_text("SELECT 1;")
    with pytest.raises(DatabaseUnusable, match=r"3_name\.sql is not in sequence"):
        pending(db, folder)
    (folder / "3_name.sql").rename(folder / "0002_height.sql")
    with pytest.raises(DatabaseUnusable, match=r"0002_height\.sql is not in sequence"):
        migrate(db, folder)
    assert "people" not in tables(db)


def test_processes_that_start_at_once_apply_each_file_once(path: Path, folder: Path) -> None:
    for number in range(3, 20):
        (folder / f"{number:04}_table.sql").write_text(f"CREATE TABLE table_{number} (a);")
    processes = [
        subprocess.Popen(
            program("migrate_once", path, folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    applied: list[int] = []
    for process in processes:
        output, problems = process.communicate(timeout=60)
        assert process.returncode == 0, problems
        applied += map(int, output.split())
    assert sorted(applied) == list(range(1, 20))


def test_a_statement_without_an_end_is_an_error() -> None:
    assert list(statements("SELECT 1; -- end")) == ["SELECT 1;"]
    with pytest.raises(ValueError, match="no semicolon ends this statement: SELECT 2"):
        list(statements("SELECT 1; SELECT 2"))


def test_the_files_of_this_version_apply_to_an_empty_database(path: Path) -> None:
    db = SQLite.open(path)
    migrate(db)
    assert pending(db) == []
    db.close()


def test_a_number_means_the_same_on_both_engines() -> None:
    assert [file[:2] for file in known(FOLDER / "sqlite")] == [file[:2] for file in known(FOLDER / "postgresql")]
