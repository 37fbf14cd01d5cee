"""Migrations on PostgreSQL: applied once whoever starts at the same moment, wholly or not at all; without an extension,
when it may not be made."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from things import program

from rollbook.config import Settings
from rollbook.records.connect import connect
from rollbook.storage.database import Database, DatabaseUnusable
from rollbook.storage.migrate import FOLDER, known, migrate, pending
from tests import postgres
from tests.harness import new_user, running


@pytest.fixture
def url() -> str:
    return postgres.new_database("migrate")


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    db = connect(Settings(database=url), for_migration=True)
    yield db
    db.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_people.sql").write_text("CREATE TABLE people (name text DEFAULT 'a;b?'); -- behind it; too\n")
    (folder / "0002_age.sql").write_text("ALTER TABLE people ADD COLUMN age integer;\n-- the end\n")
    return folder


def tables(url: str) -> set[str]:
    return {row[0] for row in postgres.rows(url, "SELECT relname::text FROM pg_class WHERE relkind = 'r'")}


def test_what_is_pending_is_applied_in_order_and_once(db: Database, url: str, folder: Path) -> None:
    assert [migration.file_name for migration in pending(db, folder)] == ["0001_people.sql", "0002_age.sql"]
    assert [migration.number for migration in migrate(db, folder)] == [1, 2]
    assert pending(db, folder) == migrate(db, folder) == []
    assert postgres.rows(url, "INSERT INTO people (age) VALUES (1) RETURNING name, age") == [("a;b?", 1)]
    assert postgres.rows(url, "SELECT number, name, length(checksum) FROM migrations ORDER BY 1") == [
        (1, "people", 64),
        (2, "age", 64),
    ]


def test_a_file_that_fails_leaves_nothing_and_those_before_it_stay(db: Database, url: str, folder: Path) -> None:
    (folder / "0003_broken.sql").write_text("CREATE TABLE half (a integer); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(asyncpg.UndefinedTableError, match="nowhere"):
        migrate(db, folder)
    assert "half" not in tables(url) and "people" in tables(url)
    (folder / "0003_broken.sql").write_text("CREATE TABLE half (a integer);")
    assert [migration.number for migration in migrate(db, folder)] == [3]


def test_a_database_that_does_not_belong_to_the_files_is_refused_with_a_sentence(db: Database, folder: Path) -> None:
    migrate(db, folder)
    (folder / "0002_age.sql").write_text("SELECT 1;")
    with pytest.raises(DatabaseUnusable, match=r"0002_age\.sql is not the file this database was made with"):
        migrate(db, folder)
    (folder / "0002_age.sql").unlink()
    with pytest.raises(DatabaseUnusable, match="newer than this Rollbook: it has migration 0002_age"):
        pending(db, folder)


def test_servers_that_start_at_once_apply_each_file_once(url: str) -> None:
    processes = [
        subprocess.Popen(program("migrate_postgres", url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    applied: list[int] = []
    for process in processes:
        output, problems = process.communicate(timeout=60)
        assert process.returncode == 0, problems
        applied += map(int, output.split())
    assert sorted(applied) == [migration.number for migration in known(FOLDER / "postgresql")]
    assert postgres.rows(url, "SELECT count(*) FROM pg_class WHERE relname = 'users_search_text'") == [(1,)]


def test_all_text_is_compared_by_its_bytes(db: Database, url: str) -> None:
    migrate(db)
    found = "SELECT table_name || '.' || column_name FROM information_schema.columns"
    others = "table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
    assert postgres.rows(url, f"{found} WHERE {others} AND table_name NOT LIKE '%migrations'") == []


def test_where_the_extension_may_not_be_made_searches_are_right_and_doctor_says_why_they_are_slow(
    url: str, tmp_path: Path
) -> None:
    name = url.rpartition("/")[2]
    role = f"poor_{name}"
    shared = postgres.shared()
    shared.ask(f'CREATE ROLE "{role}" LOGIN')
    # It owns what it makes, but may make no extension: that needs CREATE on the database.
    shared.ask(f'GRANT ALL ON SCHEMA public TO "{role}"; REVOKE CREATE ON DATABASE "{name}" FROM PUBLIC', name)
    poor = url.replace(f"{postgres.USER}@", f"{role}@")
    with running(tmp_path / "data", environment={"ROLLBOOK_DATABASE": poor}) as server, server.http() as http:
        user = new_user(http, name="Zoë 100%_\\")
        for q in ("zoë", "zoe", "100%_", "%_\\", "oë 1"):
            assert [found["id"] for found in http.get("/v1/users", params={"q": q}).json()] == [user["id"]], q
        assert http.get("/v1/users", params={"q": "zoa"}).json() == []
        assert "users_search_text.sql could not be applied, and is done without" in server.log.read_text()
        found = server.rollbook("doctor", check=False).stdout
        assert "pg_trgm is missing" in found and "CREATE EXTENSION pg_trgm" in found
    # Once somebody who may has made it, the next start makes the index.
    shared.ask("CREATE EXTENSION pg_trgm", name)
    with running(tmp_path / "data", environment={"ROLLBOOK_DATABASE": poor}) as server:
        assert "pg_trgm is missing" not in server.rollbook("doctor", check=False).stdout
    assert postgres.rows(url, "SELECT count(*) FROM pg_class WHERE relname = 'users_search_text'") == [(1,)]
