"""A database of before the index of short search terms: it is built while the server runs, and until it is whole such
terms are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from rollbook.config import Settings
from rollbook.errors import Unavailable
from rollbook.records import user_list, users
from rollbook.records.connect import connect
from rollbook.records.user_list.query import ANY, Query
from rollbook.records.user_search import postgres, searched_text, sqlite
from rollbook.storage.database import Database, Tx
from rollbook.storage.migrate import migrate
from tests.engines import migrate_before
from tests.postgres import new_database, rows

USERS = 30


async def add(tx: Tx, name: str, email: str) -> None:
    await users.add(tx, users.new(name, email))


async def index_as_before(tx: Tx) -> None:
    for seq, name, email in await tx.all("SELECT seq, name, email FROM users"):
        await tx.run(sqlite.INDEX, seq, searched_text(name, email))
    await tx.run("DELETE FROM user_search_pending")


async def delete(tx: Tx, email: str) -> None:
    user = await users.by_email(tx, email)
    assert user is not None
    await users.delete(tx, user)


def old(db: Database, folder: Path) -> None:
    """Brings a new database to the schema of then, with users."""
    migrate_before(db, "user_words", folder)
    for number in range(USERS):
        db.write_now(add, f"Anna {number} 李小龍", f"user{number}@example.com")


def found(db: Database, q: str) -> list[str]:
    page = db.read_now(user_list.read, Query(ANY._replace(q=q), listed=True))
    assert db.read_now(user_list.read_count, ANY._replace(q=q)) == len(page.rows)
    return [row[3] for row in page.rows]


def everyone(*, but: int) -> list[str]:
    return [f"user{number}@example.com" for number in range(USERS) if number != but]


@pytest.fixture
def lite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(sqlite, "BUILT", 7)
    db = connect(Settings(data=tmp_path / "data"), for_migration=True)
    old(db, tmp_path)
    db.write_now(index_as_before)
    migrate(db)
    yield db
    db.close()


def test_short_terms_are_refused_until_the_index_is_built_step_by_step(lite: Database) -> None:
    assert lite.run_now(sqlite.build_words(lite)) is True
    # What is written meanwhile, before and behind the place that the job has reached, is not lost, nor does it come
    # back.
    lite.write_now(delete, "user3@example.com")
    lite.write_now(delete, "user20@example.com")
    lite.write_now(add, "Zoë", "new@example.org")
    lite.write_now(sqlite.fold)
    for q in ("a", "an", "小", "zo"):
        with pytest.raises(Unavailable, match="being built"):
            found(lite, q)
    assert len(found(lite, "anna")) == USERS - 2
    while lite.write_now(sqlite.build):
        pass
    wanted = [email for email in everyone(but=3) if email != "user20@example.com"]
    assert found(lite, "an") == found(lite, "小") == found(lite, "us") == wanted
    assert found(lite, "zo") == ["new@example.org"]
    assert lite.run_now(sqlite.build_words(lite)) is False


def test_a_new_database_has_nothing_to_build(tmp_path: Path) -> None:
    db = connect(Settings(data=tmp_path / "data"), for_migration=True)
    migrate(db)
    db.write_now(add, "Anna", "anna@example.com")
    assert found(db, "a") == ["anna@example.com"]
    db.close()


@pytest.mark.parametrize("broken", [False, True])
def test_on_postgresql_the_index_is_built_beside_the_writes(tmp_path: Path, broken: bool) -> None:
    url = new_database("search_upgrade")
    db = connect(Settings(database=url), for_migration=True)
    old(db, tmp_path)
    migrate(db)
    with pytest.raises(Unavailable, match="being built"):
        found(db, "an")
    assert len(found(db, "anna")) == USERS
    db.run_now(postgres.build_words(db))
    if broken:  # as a build that was interrupted leaves it
        rows(url, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_words'::regclass RETURNING 1")
        with pytest.raises(Unavailable, match="being built"):
            found(db, "an")
        db.run_now(postgres.build_words(db))
    db.write_now(delete, "user3@example.com")
    assert found(db, "an") == found(db, "小") == found(db, "us") == everyone(but=3)
    db.close()


def test_the_index_that_the_migration_makes_is_the_one_that_a_search_asks() -> None:
    """The expression must be the same there, in the job and in the search."""
    url = new_database("search_words")
    db = connect(Settings(database=url), for_migration=True)
    migrate(db)
    db.close()

    async def plan() -> str:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("SET enable_seqscan = off")
            steps = await connection.fetch(f"EXPLAIN SELECT * FROM users WHERE {postgres.BEGINNINGS} @> $1", ["an"])
            return "\n".join(step[0] for step in steps)
        finally:
            await connection.close()

    assert "Index Scan on users_words" in asyncio.run(plan())
