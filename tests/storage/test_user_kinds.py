"""Lists of persons and of applications: exact at any offset and in any order, however the two are mixed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import pytest

from rollbook.records import user_dates, user_list
from rollbook.records.dialect import dialect
from rollbook.records.user_list.query import AS_ADDED, LAST_ADDED_FIRST, Filters, Order, Query
from rollbook.roles import APPLICATION, PERSON
from rollbook.storage.database import Tx
from rollbook.web.admin import overview
from tests.engines import ENGINES, migrated

USERS = 3_000
COLUMNS = (
    "seq, id, name, email, email_key, kind, role, status, metadata, email_verified, version, created_at, updated_at"
)


class Model(NamedTuple):
    seq: int
    name: str
    kind: str
    status: str


def mixed() -> list[Model]:
    """Runs of applications of all lengths among persons, with gaps where users were deleted."""
    chance, found, kind = random.Random(26), list[Model](), PERSON
    for seq in range(1, USERS):
        if chance.random() < (0.02 if kind == PERSON else 0.1):
            kind = APPLICATION if kind == PERSON else PERSON
        if chance.random() < 0.9:
            found.append(Model(seq, f"{chance.randrange(90):02}", kind, chance.choice(("active", "suspended"))))
    return found


async def fill(tx: Tx, models: list[Model]) -> None:
    searched = tx.engine == "postgresql"
    rows: list[tuple[object, ...]] = []
    for seq, name, kind, status in models:
        email = f"{seq}@example.com"
        text = (f"{name}\n{email}",) if searched else ()
        rows.append((seq, f"user_{seq}", name, email, email, kind, "member", status, "{}", 0, 1, seq, seq, *text))
    columns = f"{COLUMNS}, search_text" if searched else COLUMNS
    await tx.many(f"INSERT INTO users ({columns}) VALUES ({', '.join('?' * len(rows[0]))})", rows)
    await dialect(tx).user_counts.adjust(tx, [each.seq for each in models], +1)


@pytest.mark.parametrize("engine", ENGINES)
def test_pages_at_any_offset_are_those_of_a_list_in_memory(engine: str, tmp_path: Path) -> None:
    models, chance = mixed(), random.Random(1)
    by_name = sorted(models, key=lambda each: (each.name, each.seq))
    orders = {
        AS_ADDED: models,
        LAST_ADDED_FIRST: models[::-1],
        (Order("created_at", True),): models[::-1],
        (Order("name", False),): by_name,
    }
    with migrated(engine, tmp_path) as db:
        db.write_now(fill, models)
        for kind in (PERSON, APPLICATION):
            for status in (None, "suspended"):
                filters = Filters(kind=kind, status=status)
                for order, all_of_them in orders.items():
                    wanted = [each for each in all_of_them if each.kind == kind and status in (None, each.status)]
                    assert db.read_now(user_list.read_count, filters) == len(wanted)
                    for offset in (0, 1, 127, 129, 1_001, len(wanted) - 1, len(wanted), chance.randrange(len(wanted))):
                        page = db.read_now(user_list.read, Query(filters, order, 7, offset, count=True))
                        found = [row[0] for row in page.rows]
                        assert found == [each.seq for each in wanted[offset : offset + 7]], (filters, order, offset)
                        assert page.total == len(wanted)


@pytest.mark.parametrize("engine", ENGINES)
def test_people_of_the_overview_are_those_of_a_list_in_memory(engine: str, tmp_path: Path) -> None:
    models = mixed()
    people = [each for each in models if each.kind == PERSON]
    times = [0, 63, 64, 500, USERS // 2, USERS]
    wanted = [sum(each.seq > time for each in people) for time in times]
    suspended = sum(each.status == "suspended" for each in people)
    with migrated(engine, tmp_path) as db:
        db.write_now(fill, models)
        assert db.read_now(user_list.created_since, times) == wanted
        db.write_now(user_dates.note, USERS // 2)  # from where on positions and dates have one order
        assert db.read_now(user_list.created_since, times) == wanted
        for limit, few in ((suspended, suspended), (suspended - 1, None)):
            filters = Filters(kind=PERSON, status="suspended")
            assert db.read_now(user_list.count_up_to, filters, limit) == few
        assert db.read_now(user_list.count_up_to, Filters(kind=PERSON), 1) == len(people), "they needn't be counted"
        rest = {"owner": 0, "admin": 0, "viewer": 0}
        assert db.read_now(overview.by_role, len(people), 1) == rest | {"member": len(people)}
        db.write_now(promote, [each.seq for each in people[:3]])
        assert db.read_now(overview.by_role, len(people), 3) == rest | {"admin": 3, "member": len(people) - 3}
        assert db.read_now(overview.by_role, len(people), 2) == rest | {"admin": None, "member": None}


async def promote(tx: Tx, seqs: list[int]) -> None:
    await tx.many("UPDATE users SET role = 'admin' WHERE seq = ?", [(seq,) for seq in seqs])
