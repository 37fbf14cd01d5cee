"""On SQLite a search finds just those who hold the term, whichever way it takes: by an index, among the first of the
list, or among what is not indexed yet."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_search_postgres import PARTS, add, everybody, finds, made_up

from rollbook.actions.principal import SYSTEM
from rollbook.config import Settings
from rollbook.records import rules, user_imports, user_list, users
from rollbook.records.connect import connect
from rollbook.records.user_imports import sqlite as user_imports_sqlite
from rollbook.records.user_list.query import ANY, Order, Query
from rollbook.records.user_search import prefixes, sqlite
from rollbook.storage import migrate
from rollbook.storage.database import Database, Tx, scalar

USERS = 400


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(sqlite, "MANY", 20)
    monkeypatch.setattr(sqlite, "LOOKED_AT", (10, 60))
    monkeypatch.setattr(sqlite, "BATCH", 300)
    monkeypatch.setattr(prefixes, "LOOKED_AT", {10: 10, 20: 60})
    opened = connect(Settings(data=tmp_path / "data"), for_migration=True)
    migrate.migrate(opened)
    choose = random.Random(3)
    for number in range(USERS):
        opened.write_now(add, made_up(choose), f"user{number:05}@example.com", "member", choose.random() < 0.5)
    opened.write_now(sqlite.fold)  # the rest is pending
    yield opened
    opened.close()


ORDERS: list[tuple[Order, Callable[[Any], Any], bool]] = [
    (Order("created_at", True), lambda row: row[0], True),
    (Order("name", False), lambda row: (row[2], row[0]), False),
    (Order("name", True), lambda row: (row[2], row[0]), True),
    (Order("email", False), lambda row: row[3], False),
]


def test_what_is_found_is_what_holds_the_term(db: Database) -> None:
    choose = random.Random(5)
    rows = db.read_now(everybody)
    seen = set()
    for _ in range(250):
        term = choose.choice(
            (choose.choice(PARTS), "user_0", "us", "ex", choose.choice(rows)[2][:4], choose.choice(rows)[1][:17])
        )
        folded = rules.fold(term)
        status = choose.choice((None, None, "active"))
        wanted = [
            row
            for row in rows
            if (finds(term, *row[2:4]) or (len(folded) > 5 and row[1].startswith(folded))) and status in (None, row[5])
        ]
        filters = ANY._replace(q=term, status=status)
        assert db.read_now(user_list.read_count, filters) == len(wanted), term
        order, key, falls = choose.choice(ORDERS)
        wanted.sort(key=key, reverse=falls)
        query = Query(filters, (order,), 10, choose.choice((0, 0, 7)), listed=True)
        page = db.read_now(user_list.read, query)
        assert [row[1] for row in page.rows] == [row[1] for row in wanted[query.offset : query.offset + 10]], (
            term,
            order,
        )
        if page.after is not None:
            rest = db.read_now(user_list.read, query._replace(offset=0, position=page.after))
            assert [row[1] for row in rest.rows] == [row[1] for row in wanted[query.offset + 10 : query.offset + 20]], (
                term,
                order,
            )
        seen.add(min(len(wanted), 21))
    assert {0, 1, 21} <= seen, "terms of nobody, of one and of many"


def test_the_segments_of_an_index_are_merged_beside_the_writes_that_make_them(db: Database) -> None:
    """A fold merges nothing, or all writes would wait for it; the job that folds merges afterwards, so that searches
    stay fast."""
    for _ in range(40):
        assert db.write_now(sqlite.fold) < sqlite.BATCH
        db.write_now(rename_some)
    alone = segments(db)
    assert min(alone) > 30
    assert db.run_now(sqlite.fold_pending(db)) is False
    assert max(segments(db)) < 8
    assert db.run_now(user_list.count(db, ANY._replace(q="renamed"))) == 5


def test_imported_users_are_in_the_index_when_they_are_written_and_its_segments_are_merged_between_batches(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found as those who were folded into it are, and none of them has to be looked at by a search."""
    while db.write_now(sqlite.fold):
        pass
    choose = random.Random(7)
    monkeypatch.setattr(user_imports_sqlite, "MANY_SEGMENTS", 12)
    most = 0
    for batch in range(15):
        people = [users.new(made_up(choose), f"j{batch}.{number}@example.com") for number in range(20)]
        new = [user_imports.prepare(person, None) for person in people]
        assert db.write_now(user_imports_sqlite.add, new, SYSTEM.actor, "email", True) == []
        most = max(most, *segments(db))
        db.run_now(user_imports_sqlite.tidy(db))
        assert max(segments(db)) < 12
    assert most >= 12
    assert db.read_now(scalar, "SELECT count(*) FROM user_search_pending") == 0
    rows = db.read_now(everybody)
    for term in ("an", "li", "0", "7", "j1", "j.", "小龍", "14.19@ex", choose.choice(rows)[2][:2]):
        held = sum(finds(term, *row[2:4]) for row in rows)
        assert db.run_now(user_list.count(db, ANY._replace(q=term))) == held, term


def segments(db: Database) -> list[int]:
    """How many segments each index consists of (https://sqlite.org/fts5.html#fts5_data_structures)."""
    return [
        db.read_now(scalar, f"SELECT count(DISTINCT segid) FROM {index}_idx") for index in ("user_search", "user_words")
    ]


async def rename_some(tx: Tx) -> None:
    await tx.run("UPDATE users SET name = 'Renamed' WHERE seq <= 5")
    await sqlite.changed(tx, range(1, 6))
