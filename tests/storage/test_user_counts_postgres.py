"""A page at any offset is the one that counting finds, while users come and go and another server folds the counts."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from rollbook.config import Settings
from rollbook.records import user_list, users
from rollbook.records.connect import connect
from rollbook.records.user_counts import postgres as user_counts
from rollbook.records.user_list.query import Query
from rollbook.storage import migrate
from rollbook.storage.database import Database, Queries, Tx
from tests.postgres import new_database

USERS = 400  # more than six of the smallest runs
IDS = "SELECT id FROM users ORDER BY seq"


@pytest.fixture
def two() -> Iterator[tuple[Database, Database]]:
    """The same database as two servers see it."""
    settings = Settings(database=new_database("places"))
    first = connect(settings, for_migration=True)
    migrate.migrate(first)
    second = connect(settings, for_migration=True)
    yield first, second
    first.close()
    second.close()


async def add(tx: Tx, number: int) -> str:
    return (await users.add(tx, users.new(f"Anna {number}", f"anna{number}@example.com"))).id


async def delete(tx: Tx, id: str) -> None:
    await users.delete(tx, await users.get(tx, id))


async def restore(tx: Tx, id: str) -> None:
    deleted = await users.deleted(tx, id)
    assert deleted is not None
    await users.restore(tx, deleted.user)


async def all_ids(queries: Queries) -> list[str]:
    return [row[0] for row in await queries.all(IDS)]


def ids_at(db: Database, limit: int, offset: int) -> tuple[list[str], int]:
    page = db.read_now(user_list.read, Query(limit=limit, offset=offset))
    assert page.total is not None
    return [row[1] for row in page.rows], page.total


def test_pages_are_exact_while_users_come_and_go_and_others_fold(two: tuple[Database, Database]) -> None:
    first, second = two
    choose = random.Random(7)
    deleted: list[str] = []
    for number in range(USERS):
        first.write_now(add, number)
    for round_ in range(40):
        living = first.read_now(all_ids)
        for _ in range(choose.randrange(6)):
            match choose.randrange(3):
                case 0:
                    second.write_now(add, USERS + round_ * 10 + choose.randrange(10**6))
                case 1 if deleted:
                    second.write_now(restore, deleted.pop(choose.randrange(len(deleted))))
                case _:
                    gone = living.pop(choose.randrange(len(living)))
                    second.write_now(delete, gone)
                    deleted.append(gone)
        if choose.random() < 0.5:
            second.write_now(user_counts.fold)
        living = first.read_now(all_ids)
        for offset in (
            1,
            63,
            64,
            len(living) // 2,
            len(living) - 3,
            len(living),
            len(living) + 70,
            choose.randrange(len(living)),
        ):
            for db in two:
                assert ids_at(db, 5, offset) == (living[offset : offset + 5], len(living)), (round_, offset)


def test_users_that_came_back_before_a_place_are_counted(two: tuple[Database, Database]) -> None:
    """More of them than their block has left."""
    first, second = two
    ids = [first.write_now(add, number) for number in range(200)]
    for id in ids[:50]:
        first.write_now(delete, id)
    second.write_now(user_counts.fold)
    assert ids_at(first, 5, 20)[0] == ids[70:75]
    for id in ids[:50]:
        second.write_now(restore, id)
    for offset in (0, 13, 14, 20, 64, 70, 199):
        assert ids_at(first, 5, offset) == (ids[offset : offset + 5], 200), offset
