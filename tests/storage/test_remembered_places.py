"""On PostgreSQL, a page at any offset is the one that counting finds, whoever has folded the counts since a worker read them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec
import pytest

from rollbook.config import Settings
from rollbook.records import directory, opening, places, remembered_places, users
from rollbook.storage import migrate
from rollbook.storage.database import Database, Queries, Tx
from rollbook.storage.postgres import Postgres
from tests.postgres import new_database

USERS = 400  # more than six of the smallest runs
IDS = "SELECT id FROM users ORDER BY seq"


@pytest.fixture
def two() -> Iterator[tuple[Database, Database]]:
    """The same database as two servers see it."""
    settings = Settings(database=new_database("places"))
    first = opening.open_for_migration(settings)
    migrate.migrate(first)
    second = opening.open_for_migration(settings)
    yield first, second
    first.close()
    second.close()


async def add(tx: Tx, number: int) -> str:
    return (await users.add(tx, users.NewUser(f"Anna {number}", f"anna{number}@example.com"))).id


async def delete(tx: Tx, id: str) -> None:
    await users.delete(tx, await users.get(tx, id))


async def restore(tx: Tx, id: str) -> None:
    deleted = await users.deleted(tx, id)
    assert deleted is not None
    await users.restore(tx, deleted.user)


async def all_ids(queries: Queries) -> list[str]:
    return [row[0] for row in await queries.all(IDS)]


def ids_at(db: Database, limit: int, offset: int) -> tuple[list[str], int]:
    found = db.read_now(directory.listing, limit, offset)
    return [user["id"] for user in msgspec.json.decode(found.json)], found.total


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
            second.write_now(places.fold)
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


def test_a_page_is_found_by_what_was_remembered_until_somebody_folds(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two
    for number in range(100):
        first.write_now(add, number)
    second.write_now(places.fold)
    asked: list[str] = []
    all_ = Postgres.all
    one = Postgres.one

    async def noted_all(self: Postgres, sql: str, *values: object) -> object:
        asked.append(sql)
        return await all_(self, sql, *values)

    async def noted_one(self: Postgres, sql: str, *values: object) -> object:
        asked.append(sql)
        return await one(self, sql, *values)

    monkeypatch.setattr(Postgres, "all", noted_all)
    monkeypatch.setattr(Postgres, "one", noted_one)
    expected = first.read_now(all_ids)

    def statements() -> list[str]:
        asked.clear()
        assert ids_at(first, 5, 90)[0] == expected[90:95]
        return list(asked)

    learning = [remembered_places.TOP, remembered_places.INSIDE, remembered_places.INSIDE, remembered_places.FROM]
    assert statements() == learning
    assert statements() == [remembered_places.FROM]
    second.write_now(delete, expected.pop(3))
    assert statements() == [remembered_places.FROM]
    second.write_now(places.fold)
    assert statements() == [remembered_places.FROM, *learning]


def test_users_that_came_back_before_a_place_are_counted(two: tuple[Database, Database]) -> None:
    """More of them than the smallest run has left: the walk in SQL finds the page."""
    first, second = two
    ids = [first.write_now(add, number) for number in range(200)]
    for id in ids[:50]:
        first.write_now(delete, id)
    second.write_now(places.fold)
    assert ids_at(first, 5, 20)[0] == ids[70:75]
    for id in ids[:50]:
        second.write_now(restore, id)
    for offset in (0, 13, 14, 20, 64, 70, 199):
        assert ids_at(first, 5, offset) == (ids[offset : offset + 5], 200), offset
