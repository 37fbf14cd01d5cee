"""A database of before the index of short search terms: it is built while the server runs, and until it is whole such
terms are refused. One of before other spellings: they are indexed while the server runs, and whatever was found before
is found all the time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from rollbook import clock
from rollbook.config import Settings
from rollbook.errors import Unavailable
from rollbook.records import events, rules, user_list, users
from rollbook.records.connect import connect
from rollbook.records.events import Actor
from rollbook.records.user_list.query import ANY, Query
from rollbook.records.user_search import postgres, rebuilding, sqlite
from rollbook.records.user_search.folding import searched_text
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


def text_of_then(name: str, email: str) -> str:
    return f"{rules.fold(name)}\n{rules.fold(email)}"


async def write_as_before(tx: Tx, name: str, email: str) -> None:
    """As a server of the version before other spellings does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "searched_text", text_of_then)
        patch.setattr(postgres, "searched_text", text_of_then)
        await add(tx, name, email)
        if tx.engine == "sqlite":
            await sqlite.fold(tx)


async def forget_spellings(tx: Tx) -> None:
    await tx.run("DELETE FROM newer_migrations WHERE name = 'search_spellings'")


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_other_spellings_of_users_of_before_are_indexed_piece_by_piece(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "LOOKED_AT", 7)
    monkeypatch.setattr(rebuilding, "CHANGED", 3)
    settings = Settings(data=tmp_path / "data")
    if engine == "postgresql":
        settings = Settings(database=new_database("search_spellings"))
    upkeep, clock_at = {"sqlite": sqlite.rebuild, "postgresql": postgres.rebuild}[engine], clock.now()
    monkeypatch.setattr(clock, "now", lambda: clock_at)
    db = connect(settings, for_migration=True)
    migrate(db)
    people = [(f"{('Zoë', 'Ann')[number % 2]} O'Hara {number}", f"user{number}@example.com") for number in range(USERS)]
    for person in people:
        db.write_now(write_as_before, *person)
    db.write_now(forget_spellings)
    migrate(db)

    every, zoes = [email for _, email in people], [email for name, email in people if "Zoë" in name]
    pieces = 0
    for pieces in range(1, 5):
        assert db.run_now(upkeep(db)) is True
        # What was found before is found all the time, what is new more and more, and each piece stays done.
        assert (found(db, "zoë"), found(db, "o'hara"), found(db, "ha")) == (zoes, every, every)
        assert found(db, "ohara") == every[: 3 * pieces] and found(db, "oh") == every[: 3 * pieces]
    db.close()
    db = connect(settings, for_migration=True)
    db.write_now(delete, every.pop(2))
    db.write_now(delete, every.pop(20))
    zoes = [email for email in zoes if email in every]
    while db.run_now(upkeep(db)):
        pass
    assert (found(db, "zoe"), found(db, "ohara"), found(db, "zö"), found(db, "oh")) == (zoes, every, zoes, every)

    if engine == "sqlite":  # no other server shares its file
        db.close()
        return
    # A server of the version before may still run. What it writes behind the job is indexed by the second pass.
    db.write_now(write_as_before, "Late Müller", "late@example.com")
    assert db.run_now(upkeep(db)) is False
    assert (found(db, "müller"), found(db, "muller")) == (["late@example.com"], [])
    clock_at += rebuilding.BETWEEN
    while db.run_now(upkeep(db)):
        pass
    assert found(db, "muller") == ["late@example.com"]
    assert db.run_now(upkeep(db)) is False, "over for good"
    db.close()


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_users_that_a_server_of_the_version_before_writes_later_are_indexed_too(
    engine: str, is_new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When an upgrade was taken back for a while, or such a server runs beside this one for longer than an hour."""
    settings = Settings(data=tmp_path / "data")
    if engine == "postgresql":
        settings = Settings(database=new_database("search_looked"))
    upkeep, clock_at = {"sqlite": sqlite.rebuild, "postgresql": postgres.rebuild}[engine], clock.now()
    monkeypatch.setattr(clock, "now", lambda: clock_at)

    def run() -> None:
        nonlocal clock_at
        for _ in rebuilding.PASSES:
            while db.run_now(upkeep(db)):
                pass
            clock_at += rebuilding.BETWEEN

    db = connect(settings, for_migration=True)
    migrate(db)
    if not is_new:  # there were users when it was upgraded
        db.write_now(write_as_before, "Zoë", "zoe@example.com")
        db.write_now(forget_spellings)
        migrate(db)
    run()
    for number, (type, object, is_found) in enumerate(
        (
            ("user.created", {"id": "user_1", "name": "Renée", "role": "member"}, True),
            ("import.finished", {"id": "imp_1", "status": "finished", "records": 1}, True),
            ("user.updated", {"id": "user_1", "name": "Renée", "kind": "person", "role": "member"}, False),
            ("import.finished", {"id": "imp_1", "status": "finished", "records": 1, "records_expected": 1}, False),
            ("key.created", {"id": "key_1"}, False),
        )
    ):
        email = f"late{number}@example.com"
        db.write_now(write_as_before, "Renée", email)
        assert email not in found(db, "renee")
        db.write_now(events.record, type, "user_1", Actor(None, None, "cli", None), object)
        db.run_now(events.settle(db))
        run()
        assert (email in found(db, "renee")) is is_found
    assert db.run_now(upkeep(db)) is False
    db.close()


def test_a_new_database_has_no_spellings_to_look_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = connect(Settings(data=tmp_path / "data"), for_migration=True)
    migrate(db)
    db.write_now(add, "Zoë", "zoe@example.com")
    assert db.run_now(sqlite.rebuild(db)) is False
    assert found(db, "zoe") == ["zoe@example.com"]
    db.close()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_user_deleted_before_the_upgrade_has_all_spellings_when_restored(engine: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    if engine == "postgresql":
        settings = Settings(database=new_database("search_restored"))
    db = connect(settings, for_migration=True)
    migrate(db)
    db.write_now(write_as_before, "Zoë", "z@example.com")
    user = db.run_now(users.by_email(db, "z@example.com"))
    assert user is not None and found(db, "zoe") == []
    db.write_now(users.delete, user)
    db.write_now(users.restore, user)
    assert found(db, "zoe") == ["z@example.com"]
    db.close()
