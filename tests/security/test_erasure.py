"""Who is erased for good is gone from the files too, and nobody is erased who has been restored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollbook import clock
from rollbook.background import Background
from rollbook.config import Settings
from rollbook.records import search, users
from rollbook.records.events import SYSTEM
from rollbook.storage import migrate, sqlite_checkpoint
from rollbook.storage.sqlite import SQLite

NAME, EMAIL = "Quetzalcoatl Xylophone", "quetzal.secretperson@example.org"


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SQLite]:
    monkeypatch.setattr(sqlite_checkpoint, "EMPTY_AFTER", 0.1)
    db = SQLite.open(tmp_path / "rollbook.db")
    migrate.migrate(db)
    yield db
    db.close()


def held(folder: Path) -> dict[str, int]:
    """How often each file holds the person's name or address."""
    found: dict[str, int] = {}
    for file in folder.iterdir():
        content = file.read_bytes()
        if count := content.count(NAME.encode()) + content.count(EMAIL.encode()):
            found[file.name] = count
    return found


def test_a_quiet_server_does_not_keep_the_erased_in_its_log(db: SQLite) -> None:
    user = db.write_now(users.add, users.NewUser(NAME, EMAIL, metadata=f'{{"also":"{NAME}"}}'), SYSTEM)
    until = time.monotonic() + 60
    while "rollbook.db" not in held(db.path.parent):  # the log is moved into the database, so that both have held it
        assert time.monotonic() < until
        time.sleep(0.02)
    db.write_now(users.purge, user.id, SYSTEM)
    while found := held(db.path.parent):
        assert time.monotonic() < until, found
        time.sleep(0.02)


def test_a_user_restored_just_before_its_erasure_stays(db: SQLite) -> None:
    user = db.write_now(users.add, users.NewUser(NAME, EMAIL), SYSTEM)
    db.write_now(users.delete, user.id, SYSTEM)
    before = clock.now() + 1
    assert db.read_now(users.expired, before, 10) == [user.id]
    db.write_now(users.restore, user.id, SYSTEM)
    db.write_now(users.expire, user.id, before, SYSTEM)
    assert db.read_now(users.get, user.id)

    db.write_now(users.delete, user.id, SYSTEM)  # anew: its 30 days begin again
    db.write_now(users.expire, user.id, before, SYSTEM)
    assert db.read_now(users.deleted, user.id)
    db.write_now(users.expire, user.id, clock.now() + 1, SYSTEM)
    assert not db.read_now(users.deleted, user.id)


def test_the_search_index_forgets_the_letters_of_the_erased(db: SQLite) -> None:
    runes = "\u16a0\u16a2\u16a6\u16a8\u16b1\u16b2"  # no other name has them, so that their entries are written out in full

    def in_files() -> bool:
        return any(runes[:3].encode() in file.read_bytes() for file in db.path.parent.iterdir())

    user = db.write_now(users.add, users.NewUser(runes, EMAIL), SYSTEM)
    db.write_now(search.fold)
    for number in range(1000):
        db.write_now(users.add, users.NewUser(f"User {number}", f"user{number}@example.com"), SYSTEM)
    while db.write_now(search.fold):
        pass
    db.write_now(users.purge, user.id, SYSTEM)
    time.sleep(0.5)  # the log is emptied
    assert in_files(), "the search index lets go of letters by itself: compaction is not needed"

    background = Background(Settings(), db, None, None, None, None, first=True)  # type: ignore[arg-type]

    async def step() -> None:
        while await background.erase_from_search():
            pass

    asyncio.run(step())
    assert db.read_now(search.last_erased) == 0
    until = time.monotonic() + 60
    while in_files():
        assert time.monotonic() < until
        time.sleep(0.02)
    while db.write_now(search.fold):
        pass
    assert db.write_now(search.compact, True) is False  # nothing is left to do
