"""Who is erased for good is gone from the files too, and nobody is erased who has been restored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollbook import clock, ids
from rollbook.actions import users as actions
from rollbook.actions.arguments import Metadata
from rollbook.actions.arguments.users import UserUpdate
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM
from rollbook.config import Settings
from rollbook.jobs import retention
from rollbook.records import connect, users
from rollbook.records.user_search import sqlite as user_search
from rollbook.records.webhooks import deliveries
from rollbook.records.webhooks.deliveries import Delivery, Message
from rollbook.storage import migrate, sqlite_checkpoint
from rollbook.storage.sqlite import SQLite

NAME, EMAIL = "Quetzalcoatl Xylophone", "quetzal.secretperson@example.org"


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SQLite]:
    monkeypatch.setattr(sqlite_checkpoint, "EMPTY_AFTER", 0.1)
    db = SQLite.open(tmp_path / "rollbook.db", dialect=connect.SQLITE)
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
    on = Rollbook(Settings(), db)
    user = db.write_now(actions.add, SYSTEM, users.new(NAME, EMAIL, metadata=f'{{"also":"{NAME}"}}'))
    # So large that events refer to a copy, which is kept apart from them: in turn what was and what is.
    for letter in "ab":
        large = UserUpdate(metadata=Metadata(f'{{"also":"{NAME}","text":"{letter * 10_000}"}}'))
        on.run(actions.update(on, SYSTEM, user.id, large))
    assert len(db.run_now(db.all("SELECT 1 FROM event_metadata"))) == 2
    until = time.monotonic() + 60
    while "rollbook.db" not in held(db.path.parent):  # the log is moved into the database, so that both have held it
        assert time.monotonic() < until
        time.sleep(0.02)
    on.run(actions.delete(on, SYSTEM, user.id, purge=True))
    while found := held(db.path.parent):
        assert time.monotonic() < until, found
        time.sleep(0.02)


def test_what_is_stored_of_the_erased_afterwards_goes_too(db: SQLite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery that was under way is stored when it has ended."""
    on = Rollbook(Settings(), db)
    user = db.write_now(actions.add, SYSTEM, users.new(NAME, EMAIL))
    on.run(actions.delete(on, SYSTEM, user.id, purge=True))
    delivery = Delivery(
        id="",
        webhook_id="webhook_1",
        seq=1,
        event_id="evt_1",
        type="user.created",
        user_id=user.id,
        trigger="event",
        attempt=1,
        created_at=0,
        duration=0,
        outcome="http_500",
        response=NAME,
        http_status=500,
        address=None,
        retry_at=None,
        response_type="text/plain",
    )
    db.write_now(deliveries.add, [delivery._replace(id=ids.new("dlv")) for _ in range(300)])
    db.write_now(deliveries.add_message, [Message(ids.new("msg"), "webhook_1", user.id, 0, "", NAME)])
    monkeypatch.setattr(retention, "BUFFERED", -1)
    while on.run(retention.erase_usage(on)):
        pass
    for table in ("webhook_deliveries", "webhook_inbox"):
        assert db.run_now(db.one(f"SELECT count(*) FROM {table}")) == (0,)


def test_a_user_restored_just_before_its_erasure_stays(db: SQLite) -> None:
    on = Rollbook(Settings(), db)
    user = db.write_now(actions.add, SYSTEM, users.new(NAME, EMAIL))
    on.run(actions.delete(on, SYSTEM, user.id))
    before = clock.now() + 1
    assert db.read_now(users.expired, before, 10) == [user.id]
    on.run(actions.restore(on, SYSTEM, user.id))
    on.run(actions.expire(on, SYSTEM, user.id, before))
    assert db.read_now(users.get, user.id)

    on.run(actions.delete(on, SYSTEM, user.id))  # anew: its 30 days begin again
    on.run(actions.expire(on, SYSTEM, user.id, before))
    assert db.read_now(users.deleted, user.id)
    on.run(actions.expire(on, SYSTEM, user.id, clock.now() + 1))
    assert not db.read_now(users.deleted, user.id)


def test_the_search_index_forgets_the_letters_of_the_erased(db: SQLite) -> None:
    on = Rollbook(Settings(), db)
    runes = (
        "\u16a0\u16a2\u16a6\u16a8\u16b1\u16b2"  # no other name has them, so that their entries are written out in full
    )

    def in_files() -> bool:
        return any(runes[:3].encode() in file.read_bytes() for file in db.path.parent.iterdir())

    user = db.write_now(actions.add, SYSTEM, users.new(runes, EMAIL))
    db.write_now(user_search.fold)
    for number in range(1000):
        db.write_now(actions.add, SYSTEM, users.new(f"User {number}", f"user{number}@example.com"))
    while db.write_now(user_search.fold):
        pass
    on.run(actions.delete(on, SYSTEM, user.id, purge=True))
    time.sleep(0.5)  # the log is emptied
    assert in_files(), "the search index lets go of letters by itself: compaction is not needed"

    asyncio.run(user_search.compact(db))
    assert db.read_now(user_search.last_erased) == 0
    until = time.monotonic() + 60
    while in_files():
        assert time.monotonic() < until
        time.sleep(0.02)
    while db.write_now(user_search.fold):
        pass
    assert db.write_now(user_search.merge, True) is False  # nothing is left to do
