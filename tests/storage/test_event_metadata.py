"""Large metadata of events is kept as long as an event holds it, and no longer."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollbook import clock
from rollbook.actions.principal import SYSTEM
from rollbook.records import events, users
from rollbook.storage.database import Database, Tx
from tests.engines import ENGINES, migrated

HOUR, DAY = clock.HOUR, clock.DAY
LARGE = [f'{{"text":"{letter * 1000}"}}' for letter in "ab"]


@pytest.fixture(params=ENGINES)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with migrated(request.param, tmp_path) as db:
        yield db


def test_it_goes_with_the_last_event_that_holds_it(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    user = users.new("Alice", "alice@example.com")

    async def record(tx: Tx, metadata: str) -> None:
        await events.record(tx, "user.updated", user.id, SYSTEM.actor, users.complete(user._replace(metadata=metadata)))

    def left() -> list[str]:
        db.run_now(events.settle(db))
        assert [
            event.object
            for event in db.read_now(events.latest, 100).events
            if "null" in event.object.partition("metadata")[2][:7]
        ] == []
        return [row[0] for row in db.run_now(db.all("SELECT value FROM event_metadata ORDER BY value"))]

    def expire(before: int) -> list[str]:
        db.run_now(events.settle(db))
        db.write_now(events.expire, before, 100)
        return left()

    for at, metadata in (
        (0, LARGE[0]),
        (HOUR // 2, LARGE[1]),
        (5 * HOUR, LARGE[0]),
        (10 * HOUR, "{}"),
        (20 * HOUR, "{}"),
    ):
        monkeypatch.setattr(clock, "now", lambda at=at: DAY + at)
        db.write_now(record, metadata)
    assert left() == LARGE
    assert expire(DAY + 1 * HOUR) == LARGE  # it might have been used in the hour after it was noted
    assert expire(DAY + 6 * HOUR) == LARGE[:1]
    assert expire(DAY + 15 * HOUR) == []
    assert len(db.read_now(events.latest, 100).events) == 1


def test_a_clock_that_was_ahead_costs_no_event_its_metadata(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    user = users.new("Alice", "alice@example.com", metadata=LARGE[0])

    async def record(tx: Tx) -> None:
        await events.record(tx, "user.updated", user.id, SYSTEM.actor, users.complete(user))

    for at in (1000 * DAY, 10 * DAY):
        monkeypatch.setattr(clock, "now", lambda at=at: at)
        db.write_now(record)
    db.run_now(events.settle(db))
    db.write_now(events.expire, 5 * DAY, 100)
    assert all(LARGE[0] in event.object for event in db.read_now(events.latest, 100).events)


def test_the_size_of_the_log_is_about_right(db: Database) -> None:
    user = users.new("Alice", "alice@example.com")

    async def record(tx: Tx) -> None:
        for number in range(2_000):
            metadata = f'{{"text":"{secrets.token_hex(4_000)}"}}' if number % 2 else "{}"
            await events.record(
                tx, "user.updated", user.id, SYSTEM.actor, users.complete(user._replace(metadata=metadata))
            )

    db.run_now(events.settle(db))
    before = db.read_now(events.size)
    db.write_now(record)
    db.run_now(events.settle(db))
    assert 7_000_000 < db.read_now(events.size) - before < 14_000_000
