"""Places in the event log, on each database: found by time, and expired where retention has left a hole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from rollbook import clock
from rollbook.actions.principal import SYSTEM
from rollbook.errors import PositionExpired
from rollbook.records import events
from rollbook.records.events import Selection
from rollbook.storage.database import Database, Tx
from tests.engines import ENGINES, migrated

DAY = clock.DAY


@pytest.fixture(params=ENGINES)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with migrated(request.param, tmp_path) as db:
        yield db


def record(db: Database, monkeypatch: pytest.MonkeyPatch, *times: int) -> list[str]:
    """An event at each of these times. Their ids."""

    async def one(tx: Tx) -> None:
        await events.record(tx, "user.updated", "user_x", SYSTEM.actor, {"id": "user_x"})

    for time in times:
        monkeypatch.setattr(clock, "now", lambda time=time: time)
        db.write_now(one)
        db.run_now(events.settle(db))
    return [event.id for event in db.read_now(events.page, Selection(), 1000).events]


def test_the_place_of_a_time_is_before_the_first_event_from_then_on(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert db.read_now(events.seq_at, DAY) == 0
    record(db, monkeypatch, *(DAY + 10 * number for number in range(1, 101)))
    assert [db.read_now(events.seq_at, DAY + time) for time in (0, 10, 11, 500, 501, 1000, 1001, 10_000)] == [
        0,
        0,
        1,
        49,
        50,
        99,
        100,
        100,
    ]
    db.write_now(events.expire, DAY + 305, 1000)
    assert [db.read_now(events.seq_at, DAY + time) for time in (0, 300, 310, 311)] == [30, 30, 30, 31]


def test_a_hole_that_retention_left_is_never_passed_in_silence(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the server that wrote the second was ahead: it is kept, with later ones gone."""
    kept = record(db, monkeypatch, DAY, 9 * DAY, 2 * DAY, 3 * DAY, 10 * DAY, 11 * DAY)
    assert db.write_now(events.expire, 5 * DAY, 100) == 3
    assert record(db, monkeypatch) == [kept[1], kept[4], kept[5]]
    for given in ("0", "1", "2", "3", kept[0], kept[1], kept[3]):
        if given not in (kept[0], kept[3]):  # by the real clock, these were made just now
            with pytest.raises(PositionExpired):
                db.read_now(events.seq_of, "after", given)
    assert [db.read_now(events.seq_of, "after", given) for given in ("4", kept[4], kept[5], "6")] == [4, 5, 6, 6]


def test_erased_events_keep_their_places_until_retention_passes_them(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def erase(tx: Tx) -> None:
        await events.record(tx, "user.purged", "user_x", SYSTEM.actor, {"id": "user_x"})
        await events.forget(tx, "user_x")

    read = record(db, monkeypatch, DAY, 2 * DAY, 6 * DAY)
    db.write_now(erase)
    record(db, monkeypatch, 7 * DAY, 9 * DAY)
    assert [db.read_now(events.seq_of, "after", given) for given in ("0", "1", read[0], read[2])] == [0, 1, 1, 3]
    assert db.write_now(events.expire, 5 * DAY, 100) == 2
    assert [db.read_now(events.seq_of, "after", given) for given in ("2", read[2])] == [2, 3]
    assert db.write_now(events.expire, 8 * DAY, 100) == 3
    with pytest.raises(PositionExpired):
        db.read_now(events.seq_of, "after", "4")
    assert db.read_now(events.seq_of, "after", "5") == 5


@pytest.mark.parametrize("newest_first", [False, True])
def test_what_no_index_leads_to_is_searched_for_in_parts(
    db: Database, monkeypatch: pytest.MonkeyPatch, newest_first: bool
) -> None:
    ids = record(db, monkeypatch, *(DAY + number for number in range(30)))
    db.write_now(events.expire, DAY + 3, 100)
    monkeypatch.setattr(events, "MAX_SEARCHED", 10)
    read = partial(events.page, newest_first=newest_first)
    asked, found = Selection(address="system"), []
    while True:
        page = db.read_now(read, asked, 4)
        found += page.events
        if not page.more:
            break
        place = page.events[-1].seq if page.searched_to is None else page.searched_to
        asked = asked._replace(before=place) if newest_first else asked._replace(after=place)
    assert [event.id for event in found] == (ids[:2:-1] if newest_first else ids[3:])
    few = db.read_now(read, Selection(frozenset({"user.deleted"}), "user_x"), 4)
    assert (few.events, few.more) == ([], True), "of many events about a user, some types may be rare"
    nothing = db.read_now(read, Selection(address="192.0.2.1"), 4)
    assert (nothing.events, nothing.more, nothing.searched_to) == ([], True, 21 if newest_first else 13)
    assert not db.read_now(read, Selection(address="192.0.2.1", after=20), 4).more
