"""Retention and webhooks that are behind: what they miss is counted and told of, never passed in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rollbook import clock
from rollbook.actions.context import Rollbook
from rollbook.config import Settings
from rollbook.jobs.retention import expire_events
from rollbook.records import events, webhooks
from rollbook.records.events import Actor, Selection
from rollbook.records.webhooks import Webhook, cursors
from rollbook.records.webhooks.cursors import StoredLane
from rollbook.storage.database import Database, Tx
from tests.engines import ENGINES, migrated

BY = Actor(None, None, "test", None)


@pytest.fixture(params=ENGINES)
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rollbook]:
    with migrated(request.param, tmp_path) as db:
        yield Rollbook(Settings(data=tmp_path, event_retention=10), db)


def webhook(types: str, ordering: str = "user") -> Webhook:
    return Webhook(
        id=webhooks.new_id(),
        user_id="user_owner",
        created_by=None,
        url="https://example.com",
        types=types,
        ordering=ordering,
        secret=b"",
    )


def record(db: Database, type: str, user_id: str) -> None:
    async def write(tx: Tx) -> None:
        await events.record(tx, type, user_id, BY, {"id": user_id})

    db.write_now(write)


def missed(db: Database) -> list[tuple[str, int]]:
    """Webhook and number of each event that tells of it."""

    async def read() -> Any:
        await events.settle(db)
        return await db.read(events.page, Selection(frozenset({"webhook.events_missed"})), 100)

    found = [msgspec.json.decode(event.object) for event in db.run_now(read()).events]
    return [(each["id"], each["missed"]) for each in found]


def test_what_retention_cuts_under_a_cursor_or_a_lane_is_counted_and_told(
    on: Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = on.db
    behind, done, few, failing = webhook("*"), webhook("*"), webhook("user.deleted"), webhook("user.*")
    for each in (behind, done, few, failing):
        db.write_now(webhooks.add, each)
    for number in range(3):
        record(db, "user.updated", f"user_{number}")
        record(db, "user.deleted", f"user_{number}")
    db.run_now(events.settle(db))
    db.write_now(cursors.move, done.id, 6)
    db.write_now(cursors.move, failing.id, 6)
    db.write_now(cursors.store_lanes, failing.id, [StoredLane("user_1", 3, 1, 0, 0, "http_500")])
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 20 * clock.DAY)
    record(db, "user.created", "user_new")  # the newest event stays in any case
    db.run_now(events.settle(db))
    db.run_now(expire_events(on))
    assert sorted(missed(db)) == sorted([(behind.id, 6), (few.id, 3), (failing.id, 2)])
    monkeypatch.setattr(clock, "now", lambda: now + 31 * clock.DAY)
    record(db, "user.created", "user_newer")
    db.run_now(events.settle(db))
    db.run_now(expire_events(on))
    told = 3  # events of the first time, which were cut in turn
    assert sorted(missed(db)) == sorted([(behind.id, 1 + told), (done.id, 1 + told), (failing.id, 1)])
