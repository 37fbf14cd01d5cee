"""Dates of sign-up that users bring along: whatever they are, places stay as they were given, and what goes by date is
exact."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollbook import clock
from rollbook.records import user_dates, user_imports, user_list, users
from rollbook.records.dialect import dialect
from rollbook.records.events import Actor
from rollbook.records.user_imports import PreparedUser
from rollbook.records.user_list import sqlite as user_list_sqlite
from rollbook.records.user_list.query import ANY, AS_ADDED, Filters, Order, Position, Query
from rollbook.records.user_search import prefixes
from rollbook.records.user_search import sqlite as user_search_sqlite
from rollbook.records.users import User
from rollbook.storage.database import Database, Tx
from tests.engines import ENGINES, migrated

NOBODY = Actor(None, None, None, None, None)
DAY = clock.DAY
OLD = [n * 400 * DAY for n in (0, 1, 20, 30, 40, 45)]
"""Dates that many users share."""
ORDERS = [
    AS_ADDED,
    (Order("added", True),),
    (Order("created_at", False),),
    (Order("created_at", True),),
    (Order("created_at", False), Order("name", False)),
    (Order("created_at", True), Order("email", True)),
    (Order("name", False), Order("created_at", True)),
    (Order("name", True), Order("created_at", False)),
]


@pytest.fixture(params=ENGINES)
def db(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """What is done differently for many users begins at a few."""
    for module, name, value in [
        (user_list, "FAR", 4),
        (user_list, "FEW", 2),
        (user_list_sqlite, "MANY", 6),
        (user_list, "LOOKED_AT", 2),
        (user_search_sqlite, "MANY", 5),
        (user_search_sqlite, "LOOKED_AT", (3, 10)),
        (prefixes, "LOOKED_AT", {2: 3}),
    ]:
        monkeypatch.setattr(module, name, value)
    with migrated(request.param, tmp_path) as db:
        yield db


class Model:
    """The users who are there, in the order in which they were added, and those who were deleted."""

    def __init__(self, db: Database, seed: int) -> None:
        self.db, self.chance, self.made = db, random.Random(seed), 0
        self.there: list[User] = []
        self.gone: list[User] = []

    def new(self) -> User:
        self.made += 1
        pick = self.chance.choice
        plan = {} if self.made % 3 else {"metadata": '{"plan":"pro"}'}
        return users.new(
            pick(["Ann", "Bob", "Zoë"]),
            f"{pick('xyz')}{self.made}@example.com",
            role=pick(["member"] * 3 + ["viewer"]),
            **plan,
        )

    def date(self) -> int | None:
        now = clock.now()
        return self.chance.choice([None, *OLD, self.chance.randrange(now), now - self.chance.randrange(clock.SECOND)])

    def step(self) -> None:
        what = self.chance.random()
        if what < 0.3:
            self.there.append(self.db.write_now(users.add, self.new()))
        elif what < 0.6:
            self.add([self.date() for _ in range(self.chance.randrange(1, 6))])
        elif what < 0.8 and self.there:
            user = self.there.pop(self.chance.randrange(len(self.there)))
            self.db.write_now(users.delete, user)
            self.gone.append(user)
        elif self.gone:
            user = self.gone.pop(self.chance.randrange(len(self.gone)))
            self.there.append(self.db.write_now(users.restore, user))
            self.there.sort()

    def add(self, dates: list[int | None]) -> None:
        prepared = [user_imports.prepare(self.new(), None, created_at=date) for date in dates]
        self.db.write_now(imported, prepared)
        added = [self.db.run_now(users.get(self.db, each.new.id)) for each in prepared]
        for user, date in zip(added, dates, strict=True):
            assert date is None or user.created_at == user.updated_at == date
        self.there += added

    def expected(self, filters: Filters, order: tuple[Order, ...]) -> list[User]:
        found = [user for user in self.there if passes(user, filters)]
        keys: list[tuple[str, bool]] = [(each.name, each.descending) for each in order]
        keys.append(("added", keys[-1][1]))
        for name, descending in reversed(keys):
            found.sort(key=lambda user, name=name: key(user, name), reverse=descending)  # type: ignore[misc]
        return found


async def imported(tx: Tx, prepared: list[PreparedUser]) -> None:
    assert await dialect(tx).user_imports.add(tx, prepared, NOBODY, "email", True) == []


def key(user: User, name: str) -> Any:
    return {"added": user.seq, "created_at": user.created_at, "name": user.name.encode(), "email": user.email.encode()}[
        name
    ]


def passes(user: User, filters: Filters) -> bool:
    return (
        filters.role in (None, user.role)
        and (filters.q is None or filters.q in f"{user.name} {user.email}".lower())
        and (filters.metadata is None or user.metadata != "{}")
        and (filters.created_after is None or user.created_at > filters.created_after)
        and (filters.created_before is None or user.created_at < filters.created_before)
    )


def seqs(page: user_list.UserPage) -> list[int]:
    return [row[0] for row in page.rows]


def walked(db: Database, query: Query, backwards: bool = False) -> list[int]:
    """All pages from the first on, or from the last one back."""
    found: list[int] = []
    page = db.read_now(user_list.read, query)
    while True:
        found = [*seqs(page), *found] if backwards else [*found, *seqs(page)]
        position = page.before if backwards else page.after
        if position is None:
            return found
        page = db.read_now(user_list.read, query._replace(position=position, offset=0))


@pytest.mark.parametrize("seed", range(2))
def test_lists_filters_and_counts_are_those_of_the_dates_that_users_came_with(db: Database, seed: int) -> None:
    model = Model(db, seed)
    rounds = 12 if db.engine == "sqlite" else 3  # a statement takes a hundred times as long there
    for _ in range(rounds):
        for _ in range(48 // rounds):
            model.step()
        check(model)


def check(model: Model) -> None:
    db, chance = model.db, model.chance
    times = [
        *OLD,
        *[user.created_at + shift for user in model.there[:: len(model.there) // 4 + 1] for shift in (-1, 0)],
        clock.now(),
    ]
    assert db.read_now(user_list.created_since, times) == [
        sum(user.created_at > time for user in model.there) for time in times
    ]
    filters = [
        Filters(created_after=after, created_before=before, role=role, q=q, metadata=metadata)
        for after in (None, chance.choice(times))
        for before in (None, chance.choice(times))
        for role in (None, "member", "viewer")
        for q, metadata in ((None, None), ("example", None), ("b", None), (None, (("plan", "pro"),)))
    ]
    for filter in chance.sample(filters, 16):
        for order in chance.sample(ORDERS, 3):
            expected = [user.seq for user in model.expected(filter, order)]
            query = Query(filter, order, limit=chance.randrange(1, 9), count=True, listed=chance.random() < 0.5)
            assert walked(db, query) == expected, query
            offset = chance.randrange(len(expected) + 2)
            page = db.read_now(user_list.read, query._replace(offset=offset))
            assert (seqs(page), page.total) == (expected[offset : offset + query.limit], len(expected)), (query, offset)
            if expected and offset < len(expected):
                back = walked(db, query._replace(offset=offset), backwards=True)
                assert back[-len(seqs(page)) :] == seqs(page) and back == expected[: offset + len(seqs(page))], (
                    query,
                    offset,
                )
        assert db.read_now(user_list.read_count, filter) == len(model.expected(filter, AS_ADDED))


@pytest.mark.parametrize("order", [order for order in ORDERS if "created_at" in [each.name for each in order]])
def test_a_cursor_is_exact_across_the_first_import_with_dates(db: Database, order: tuple[Order, ...]) -> None:
    """Such cursors name a place alone."""
    for gone in (False, True):
        model = Model(db, 1)
        model.made = 100 * gone
        model.there = [db.write_now(users.add, model.new()) for _ in range(9)]
        before = {user.seq for user in db.read_now(everyone)}
        db.write_now(unmix)
        query = Query(ANY, order, limit=4)
        first = db.read_now(user_list.read, query)
        assert first.after is not None and len(first.after.values) == (1 if order[0].name == "created_at" else 2)
        if gone:
            row = first.rows[-1]
            db.write_now(users.delete, db.run_now(users.get(db, row[1])))
        model.add([5 * DAY, 5 * DAY, 40 * DAY])
        rest = walked(db, query._replace(position=first.after))
        assert set(seqs(first)) & set(rest) == set()
        assert before <= {*seqs(first), *rest}
        for user in db.read_now(everyone):
            db.write_now(users.delete, user)


async def everyone(queries: Any) -> list[User]:
    return [User._make(row) for row in await queries.all(f"SELECT {users.COLUMNS} FROM users ORDER BY seq")]


async def unmix(tx: Tx) -> None:
    await tx.run("DELETE FROM marks WHERE name = ?", user_dates.MARK)


def test_without_earlier_dates_everything_goes_by_place(db: Database) -> None:
    """As fast as before: no list of such a server asks the index of dates."""
    model = Model(db, 1)
    model.there = [db.write_now(users.add, model.new()) for _ in range(3)]
    model.add([None, None])
    assert db.read_now(user_dates.mixed_until) == 0
    deleted = model.there.pop(1)
    db.write_now(users.delete, deleted)
    db.write_now(users.restore, deleted)
    assert db.read_now(user_dates.mixed_until) == 0
    page = db.read_now(user_list.read, Query(order=(Order("created_at", True),), limit=2))
    assert page.after == Position((4,), False)
    model.add([DAY])
    latest = max(user.created_at for user in model.there)
    mixed = db.read_now(user_dates.mixed_until)
    live = db.write_now(users.add, model.new())
    assert latest <= mixed < live.created_at
    assert db.read_now(user_list.created_since, [mixed, live.created_at]) == [1, 0]


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_a_restored_user_whose_date_the_clock_gave_away_meanwhile_stays_exact(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(db, 1)
    model.there = [db.write_now(users.add, model.new()) for _ in range(3)]
    last = model.there[-1]
    db.write_now(users.delete, last)
    monkeypatch.setattr(clock, "now", lambda: model.there[1].created_at + 1)
    earlier = db.write_now(users.add, model.new())
    assert earlier.created_at < last.created_at
    restored = db.write_now(users.restore, last)
    found = db.read_now(user_list.read, Query(order=(Order("created_at", False),)))
    assert seqs(found)[2:] == [earlier.seq, restored.seq]
    assert db.read_now(user_list.created_since, [earlier.created_at]) == [1]


def test_imports_and_new_users_at_the_same_time_leave_places_and_dates_exact(db: Database) -> None:
    model = Model(db, 4)
    batches = [[user_imports.prepare(model.new(), None, created_at=n * DAY) for n in range(20)] for _ in range(3)]
    alone = [model.new() for _ in range(20)]

    async def all_at_once() -> None:
        writes = [db.write(imported, batch) for batch in batches] + [db.write(users.add, user) for user in alone]
        await asyncio.gather(*model.chance.sample(writes, len(writes)))

    db.run_now(all_at_once())
    model.there = db.read_now(everyone)
    assert len(model.there) == 80
    dates = {user.email: user.created_at for user in model.there}
    assert all(dates[each.new.email] == each.created_at for batch in batches for each in batch)
    check(model)
