"""A page far down a list is the slice of the whole, in every order and behind every filter, on both databases."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from rollbook.records import user_list, users
from rollbook.records.user_list import FAR
from rollbook.records.user_list.query import ANY, AS_ADDED, Filters, Order, Query
from rollbook.records.users import User
from rollbook.storage.database import Database, Queries, Tx
from tests.engines import ENGINES, migrated
from tests.grids import grid

USERS = 3 * FAR
NAMES = ("Anna", "Ben", "Çelik", "anna", "李")
"""Few, so that many are equal in it."""


async def add_all(tx: Tx) -> None:
    chance = random.Random(7)
    for number in range(USERS):
        new = users.new(
            chance.choice(NAMES), f"user{chance.randrange(10**9)}.{number}@example.com", metadata='{"plan":"pro"}'
        )
        user = await users.add(tx, new)
        if number % 4 == 0:
            await users.change(tx, user, {"status": "suspended"})
        elif number % 50 == 1:
            await users.delete(tx, user)


async def everybody(queries: Queries) -> list[dict[str, Any]]:
    rows = await queries.all("SELECT seq, created_at, id, name, email_key AS email, status FROM users ORDER BY seq")
    return [dict(zip(("added", "created_at", "id", "name", "email", "status"), row, strict=True)) for row in rows]


@pytest.fixture(scope="module", params=ENGINES)
def db(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request.param, tmp_path_factory.mktemp("deep")) as db:
        db.write_now(add_all)
        yield db


NAME, NAME_DOWN = Order("name", False), Order("name", True)
ORDERS = [
    AS_ADDED,
    (Order("created_at", True),),
    (NAME,),
    (NAME_DOWN,),
    (Order("email", False),),
    (NAME, Order("email", True)),
]


@grid(
    "filters",
    [ANY, ANY._replace(status="active"), ANY._replace(metadata=(("plan", "pro"),))],
    ids=["all", "status", "metadata"],
)
@grid("order", ORDERS, ids=lambda order: ",".join(f"{'-' * key.descending}{key.name}" for key in order))
def test_a_page_far_down_is_the_slice_of_the_whole_and_leads_on_and_back(
    db: Database, order: tuple[Order, ...], filters: Filters
) -> None:
    whole = [user for user in db.read_now(everybody) if filters.status in (None, user["status"])]
    for key in reversed((*order, order[-1]._replace(name="added"))):
        whole.sort(key=lambda user: user[key.name], reverse=key.descending)
    ids = [user["id"] for user in whole]
    for offset in (FAR + 1, len(ids) // 2, len(ids) // 2 + 1, len(ids) - 7, len(ids) - 1):
        page = db.read_now(user_list.read, Query(filters, order, 10, offset))
        assert [User._make(row).id for row in page.rows] == ids[offset : offset + 10], offset
        assert (page.after is not None) == (offset + 10 < len(ids))
        assert page.before is not None
        before = db.read_now(user_list.read, Query(filters, order, 10, position=page.before))
        assert [User._make(row).id for row in before.rows] == ids[offset - 10 : offset], offset
        if page.after is not None:
            after = db.read_now(user_list.read, Query(filters, order, 10, position=page.after))
            assert [User._make(row).id for row in after.rows] == ids[offset + 10 : offset + 20], offset
    for offset in (len(ids), len(ids) + 1, 10**12):
        assert db.read_now(user_list.read, Query(filters, order, 10, offset)).rows == []
