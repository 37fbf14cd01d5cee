"""The index of metadata finds just those who have the values, in every way that a list is read."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rollbook.records import user_list, user_metadata, users
from rollbook.records.user_list.query import AS_ADDED, Filters, Order, Query
from rollbook.storage.database import Database, Tx
from tests.engines import migrated

USERS = 300
PLANS = ("free", "free", "free", "pro", "rare")


async def add(tx: Tx, number: int, role: str, metadata: str) -> None:
    new = users.new(f"Name {number % 90:02}", f"user{number:03}@example.com", role=role, metadata=metadata)
    user = await users.add(tx, new)
    if number % 11 == 0:
        await users.change(tx, user, {"metadata": "{}"})


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """With thresholds so low that values are both rare and common."""
    monkeypatch.setattr(user_metadata, "MANY", 20)
    monkeypatch.setattr(user_metadata, "TOGETHER", 5)
    monkeypatch.setattr(user_list, "FEW", 10)
    with migrated(request.param, tmp_path) as opened:
        choose = random.Random(11)
        for number in range(USERS):
            metadata = {"plan": choose.choice(PLANS), "seats": choose.randrange(9)} if choose.random() < 0.9 else {}
            role = choose.choice(("member", "member", "viewer")) if number % 50 else "admin"
            opened.write_now(add, number, role, msgspec.json.encode(metadata).decode())
        yield opened


ORDERS: list[tuple[Order, Callable[[Any], Any], bool]] = [
    (AS_ADDED[0], lambda row: row[0], False),
    (Order("created_at", True), lambda row: row[0], True),
    (Order("name", False), lambda row: (row[2], row[0]), False),
    (Order("email", True), lambda row: row[3], True),
]


def test_what_is_found_is_what_has_the_values(db: Database) -> None:
    choose = random.Random(7)
    everybody = db.read_now(user_list.read, Query(limit=1000)).rows
    found = 0
    for _ in range(100):
        pairs = {"plan": choose.choice(PLANS), "seats": str(choose.randrange(10))}
        if choose.random() < 0.6:
            del pairs[choose.choice(list(pairs))]
        filters = Filters(
            metadata=tuple(pairs.items()),
            role=choose.choice((None, None, "viewer", "admin")),
            q=choose.choice((None, None, None, "name", "example")),
            created_after=choose.choice((None, None, everybody[100][-3])),
            created_before=choose.choice((None, None, everybody[220][-3])),
        )
        wanted = [row for row in everybody if _passes(users.User._make(row), filters)]
        order, key, falls = choose.choice(ORDERS)
        wanted.sort(key=key, reverse=falls)
        query = Query(filters, (order,), choose.choice((7, 40)), count=True)
        rows = []
        while True:
            page = db.read_now(user_list.read, query)
            assert page.total == len(wanted), query
            rows += page.rows
            if page.after is None:
                break
            query = query._replace(position=page.after)
        assert rows == wanted, query
        found += bool(wanted)
    assert found > 50


def _passes(user: users.User, filters: Filters) -> bool:
    metadata = msgspec.json.decode(user.metadata)
    return (
        all(str(metadata.get(key)) == value for key, value in filters.metadata or ())
        and filters.role in (None, user.role)
        and (filters.created_after is None or user.created_at > filters.created_after)
        and (filters.created_before is None or user.created_at < filters.created_before)
    )
