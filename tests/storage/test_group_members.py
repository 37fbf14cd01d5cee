"""The list of users by group finds just the members, in every way that it is read; and the trigger keeps what a version
does that knows no groups."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollbook.records import groups, user_list, user_metadata, users
from rollbook.records.user_list.query import AS_ADDED, Filters, Order, Query
from rollbook.storage.database import Database, Tx
from tests.engines import migrated

USERS = 300
SIZES = {"small": 0.02, "middle": 0.1, "large": 0.8}
ORDERS: list[tuple[Order, Callable[[Any], Any], bool]] = [
    (AS_ADDED[0], lambda row: row[0], False),
    (Order("added", True), lambda row: row[0], True),
    (Order("created_at", True), lambda row: row[0], True),
    (Order("name", False), lambda row: (row[2], row[0]), False),
    (Order("email", True), lambda row: row[3], True),
]


async def fill(tx: Tx) -> None:
    choose = random.Random(3)
    made = [await groups.add(tx, groups.new(name, external_id=name)) for name in SIZES]
    for number in range(USERS):
        role = choose.choice(("member", "member", "viewer"))
        plan = choose.choice(("free", "free", "pro", "rare"))
        new = users.new(
            f"Name {number % 90:02}", f"user{number:03}@example.com", role=role, metadata=f'{{"plan":"{plan}"}}'
        )
        user = await users.add(tx, new)
        for group, share in zip(made, SIZES.values(), strict=True):
            if choose.random() < share:
                await groups.join(tx, group.id, [(user.seq, user.id, "")])
                await groups.counted(tx, group.id, 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """With thresholds so low that groups are both small and large."""
    monkeypatch.setattr(groups, "MANY", 40)
    monkeypatch.setattr(user_metadata, "MANY", 40)
    monkeypatch.setattr(user_list, "FEW", 10)
    with migrated(request.param, tmp_path) as opened:
        opened.write_now(fill)
        yield opened


def group_of(db: Database, name: str) -> groups.Group:
    (found,) = db.read_now(groups.some, groups.GroupSelection(external_id=name), 2)
    return found


def test_what_is_found_is_who_is_a_member(db: Database) -> None:
    choose = random.Random(7)
    everybody = db.read_now(user_list.read, Query(limit=1000)).rows
    ids = {name: group_of(db, name).id for name in SIZES}
    members = {name: {each.user_id for each in db.read_now(groups.members, id, 0, 1000)} for name, id in ids.items()}
    sizes = [len(each) for each in members.values()]
    assert sizes == [group_of(db, name).members for name in SIZES] and sizes[0] <= 10 < sizes[1] <= 40 < sizes[2]
    found = 0
    for _ in range(100):
        name = choose.choice(list(SIZES))
        filters = Filters(
            group=ids[name],
            role=choose.choice((None, None, "viewer")),
            q=choose.choice((None, None, None, "name", "user1")),
            metadata=choose.choice((None, None, (("plan", "rare"),), (("plan", "free"),))),
            created_after=choose.choice((None, None, everybody[100][-3])),
            created_before=choose.choice((None, None, everybody[220][-3])),
        )
        wanted = [
            row for row in everybody if row[1] in members[name] and passes(users.User._make(row), row[3], filters)
        ]
        order, key, falls = choose.choice(ORDERS)
        wanted.sort(key=key, reverse=falls)
        skipped = choose.choice((0, 0, 5))
        query = Query(filters, (order,), choose.choice((7, 40)), offset=skipped, count=True)
        rows = []
        while True:
            page = db.read_now(user_list.read, query)
            assert page.total == len(wanted), query
            rows += page.rows
            if page.after is None:
                break
            query = query._replace(position=page.after, offset=0)
        assert rows == wanted[skipped:], query
        found += bool(rows)
    assert found > 50


def passes(user: users.User, email: str, filters: Filters) -> bool:
    return (
        filters.role in (None, user.role)
        and (filters.q is None or filters.q in f"{user.name} {email}".lower())
        and (filters.metadata is None or f'"{filters.metadata[0][1]}"' in user.metadata)
        and (filters.created_after is None or user.created_at > filters.created_after)
        and (filters.created_before is None or user.created_at < filters.created_before)
    )


@pytest.mark.parametrize("restores", [True, False])
def test_memberships_go_and_come_with_users_whatever_deletes_them(db: Database, restores: bool) -> None:
    """With the statements of any version: those of a version without groups, too."""
    before = group_of(db, "large")
    leaving = db.read_now(groups.members, before.id, 0, 3)

    async def delete(tx: Tx) -> None:
        for each in leaving:
            await users.delete(tx, await users.get(tx, each.user_id))

    async def end(tx: Tx) -> None:
        for each in leaving:
            gone = await users.deleted(tx, each.user_id)
            assert gone is not None
            await (users.restore(tx, gone.user) if restores else users.erase(tx, each.user_id))

    db.write_now(delete)
    assert group_of(db, "large").members == before.members - 3
    assert not {each.user_id for each in leaving}.intersection(db.read_now(groups.person_ids, before.id, 1_000))
    db.write_now(end)
    after = group_of(db, "large")
    assert after.members == before.members - (0 if restores else 3) and after.version > before.version
    assert len(db.read_now(groups.person_ids, before.id, 1_000)) == after.members
    assert (db.read_now(groups.members, before.id, 0, 3) == leaving) == restores


def test_members_of_a_deleted_group_are_forgotten_in_pieces(db: Database) -> None:
    group = group_of(db, "large")
    db.write_now(groups.remove, group.id)
    steps = 0
    while (id := db.read_now(groups.left_over)) is not None:
        db.write_now(groups.forget, id, 50)
        steps += 1
    assert steps == group.members // 50 + 1
    assert db.read_now(groups.person_ids, group.id, 1_000) == []
