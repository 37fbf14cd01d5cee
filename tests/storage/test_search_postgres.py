"""On PostgreSQL a search finds just those who hold the term, whichever way it takes: by the index, among the first of
the list, among all, or among the few that other filters leave."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from rollbook.config import Settings
from rollbook.records import rules, user_list, users
from rollbook.records.connect import connect
from rollbook.records.user_list.query import ANY, Order, Query
from rollbook.records.user_search import postgres as user_search
from rollbook.records.user_search.folding import searched_text, spellings
from rollbook.records.user_search.postgres import Sample
from rollbook.storage import migrate
from rollbook.storage.database import Database, Queries, Tx
from tests.postgres import new_database

USERS = 1_500
PARTS = ("an", "na", "Ann", "ŞE", "šé", "ber", "li", "0", "00", "7", " ", "-", "%", "_", "\\", "'", "ß", "小龍", "xyz")

SEPARATORS = " -%_\\'@."
# Where a word of these names and emails may begin.
WORD = re.compile(r"^|(?=[小龍])|(?<=[小龍 \-%_\\'@.])")


def made_up(choose: random.Random) -> str:
    return "".join(choose.choices(PARTS, k=choose.randrange(2, 7))).strip() or "Anna"


async def add(tx: Tx, name: str, email: str, role: str, is_suspended: bool) -> None:
    user = await users.add(tx, users.new(name, email, role=role))
    if is_suspended:
        await users.change(tx, user, {"status": "suspended"})


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    opened = connect(Settings(database=new_database("search_postgres")), for_migration=True)
    migrate.migrate(opened)
    choose = random.Random(11)
    for number in range(USERS):
        role = "admin" if number % 300 == 0 else "member"
        opened.write_now(add, made_up(choose), f"user{number:05}@example.com", role, choose.random() < 0.5)
    yield opened
    opened.close()


@pytest.fixture(params=["sampled now", "sampled when there was nobody", "sampled among others"])
def sampled(request: pytest.FixtureRequest, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the sample says decides about the way, and never about what is found."""
    told: dict[str, Sample | None] = {
        "sampled now": None,
        "sampled when there was nobody": Sample([], 0, math.inf),
        "sampled among others": Sample(["anna\nuser00@example.com", "xyz"] * 50, 1e9, math.inf),
    }
    monkeypatch.setattr(db.dialect.latest_sample, "sample", told[request.param])


Everybody = list[tuple[Any, ...]]


async def everybody(queries: Queries) -> Everybody:
    return [
        tuple(row) for row in await queries.all("SELECT seq, id, name, email, role, status FROM users ORDER BY seq")
    ]


def finds(term: str, name: str, email: str) -> bool:
    return any(holds(line, spelling) for line in lines(name, email) for spelling in spelt(term))


@cache
def spelt(term: str) -> list[str]:
    return [*spellings(term)]


@cache
def lines(name: str, email: str) -> list[str]:
    return searched_text(name, email).split("\n")


def holds(text: str, term: str) -> bool:
    if len(term) > 2:
        return term in text
    return term[0] not in SEPARATORS and any(text.startswith(term, word.start()) for word in WORD.finditer(text))


@pytest.mark.usefixtures("sampled")
def test_what_is_found_is_what_holds_the_term(db: Database) -> None:
    choose = random.Random(5)
    rows = db.read_now(everybody)
    seen = set()
    for _ in range(150):
        _, _, name, email, *_ = choose.choice(rows)
        text = choose.choice((name, email, made_up(choose), name + email))
        start = choose.randrange(len(text))
        term = text[start : start + choose.choice((1, 2, *range(3, 14)))]
        role, status = choose.choice((None, "member", "admin")), choose.choice((None, None, "active"))
        wanted = [row for row in rows if role in (None, row[4]) and status in (None, row[5]) and finds(term, *row[2:4])]
        filters = ANY._replace(q=term, role=role, status=status)
        assert db.read_now(user_list.read_count, filters) == len(wanted), term
        order, key = choose.choice(
            (
                (Order("created_at", False), lambda row: row[0]),
                (Order("created_at", True), lambda row: -row[0]),
                (Order("email", False), lambda row: (rules.email_key(row[3]), row[0])),
            )
        )
        wanted.sort(key=key)
        offset = choose.choice((0, 0, 1, 20))
        query = Query(filters, (order,), 10, offset, listed=True)
        page = db.read_now(user_list.read, query)
        assert [row[1] for row in page.rows] == [row[1] for row in wanted[offset : offset + 10]], (term, order)
        if page.after is not None:
            page = db.read_now(user_list.read, query._replace(offset=0, position=page.after))
            assert [row[1] for row in page.rows] == [row[1] for row in wanted[offset + 10 : offset + 20]], (term, order)
        seen.add(min(len(wanted), 21))
    assert {0, 1, 21} <= seen, "terms of nobody, of one and of many"


TEN_MILLION = Sample(
    [f"{given} weber\nuser{n:07}@example.com" for n in range(0, 10**7, 10**4) for given in ("anna", "ole")], 1e7, 0.0
)


@pytest.mark.parametrize(
    ("term", "asked"),
    [
        ("zq7xj", {"7xj", "q7x", "zq7"}),
        ("a&b", {"&b"}),
        ("% _", {"% _"}),
        ("example", {"amp"}),
        ("user0420", {"042", "420", "r04"}),
    ],
)
def test_what_the_index_is_asked_for(term: str, asked: set[str]) -> None:
    assert set(user_search.rare_parts(TEN_MILLION, term)[0]) == asked


def test_what_nearly_everybody_has_is_not_asked_for() -> None:
    found, users = user_search.rare_parts(TEN_MILLION, "user7310482@example.com")
    assert 2 <= len(found) <= 6
    assert not {"use", "ser", "exa", "mpl", "com"} & set(found), found
    assert users < 1_000


def test_what_leaves_as_many_as_before_is_not_asked_for() -> None:
    """Everybody who has `ann` has `nna`: the second word is what tells."""
    found, _ = user_search.rare_parts(TEN_MILLION, "anna z")
    assert " z" in found and not {"ann", "nna"} <= set(found), found


def test_a_sample_of_few_is_soon_taken_anew_and_one_of_many_is_kept() -> None:
    assert Sample([], 0, 100.0).until == 101.0
    assert Sample(["anna"], 50_000, 100.0).until == 110.0
    assert Sample(["anna"], 1e9, 100.0).until == 700.0


def test_the_index_that_the_schema_makes_is_the_one_that_a_search_asks(db: Database) -> None:
    """The expression must be the same in both."""

    async def plan(queries: Queries) -> str:
        await queries.one("SELECT set_config('enable_seqscan', 'off', true)")
        steps = await queries.all(f"EXPLAIN SELECT * FROM users WHERE {user_search.BEGINNINGS} @> ?", ["zz"])
        return "\n".join(step[0] for step in steps)

    assert "Index Scan on users_words" in db.read_now(plan)
