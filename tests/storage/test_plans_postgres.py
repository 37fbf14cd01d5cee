"""On PostgreSQL, too, no named statement of the records walks a table, however many rows it may come to hold."""

from __future__ import annotations

import asyncio
import re
from itertools import product
from typing import Any, cast

import asyncpg
import pytest
from test_query_plans import STATEMENT, records_on

from rollbook.config import Settings
from rollbook.records import connect as connect_records
from rollbook.records import user_list, users
from rollbook.records.background_jobs import JobTable
from rollbook.records.connect import connect
from rollbook.records.user_list.query import ANY, NEWEST_DELETION_FIRST, Filters, Order, Position, Query
from rollbook.storage import migrate
from rollbook.storage.database import EACH, LOOK_UP, Statement
from rollbook.storage.postgres_text import numbered
from tests.postgres import execute, new_database

# Statements that are SQLite's alone: their tables, or their language, are not there.
SQLITE = re.compile(
    r"user_search\b|user_search_|sqlite_|json_group_array|json_object|PRAGMA|total_changes|DEFAULT VALUES|AS "
    r"BLOB|excluded\.inside|INTO users \(id"
)
# Tables that hold little: what was written within the last fraction of a second, or a few rows.
SMALL = {
    "user_block_deltas",
    "events_new",
    "access",
    "rules",
    "numbers",
    "leases",
    "user_blocks",
    "signing_keys",
    "server_secret",
}


@pytest.fixture(scope="module")
def url() -> str:
    address = new_database("plans")
    db = connect(Settings(database=address), for_migration=True)
    migrate.migrate(db)
    db.close()
    return address


@pytest.fixture(scope="module")
def filled(url: str) -> str:
    """With so many deleted users that a plan matters."""
    needed = (
        "id, name, email, email_key, search_text, role, status, metadata, email_verified, version, "
        "created_at, updated_at, deleted_at"
    )
    execute(
        url,
        f"""INSERT INTO deleted_users (seq, {needed})
        SELECT n, 'user_' || n, 'User', 'user' || n || '@example.com', 'user' || n || '@example.com', '', 'member',
          'active', '{{}}', 0, 1, n, n, n
        FROM generate_series(1, 20000) AS n""",
        "ANALYZE deleted_users",
    )
    return url


@pytest.fixture(scope="module")
def dated(url: str) -> str:
    """With so many users that a plan matters, half of them of one date."""
    needed = (
        "id, name, email, email_key, search_text, role, status, metadata, email_verified, version, "
        "created_at, updated_at, last_active_at, ends_at"
    )
    execute(
        url,
        f"""INSERT INTO users (seq, {needed})
        SELECT n, 'user_' || n, 'User', 'user' || n || '@example.com', 'user' || n || '@example.com', '', 'member',
          'active', '{{}}', 0, 1,
        CASE n % 2 WHEN 0 THEN 15000 ELSE n END, n, n, n FROM generate_series(1, 20000) AS n""",
        "ANALYZE users",
    )
    return url


def named_statements() -> dict[str, str]:
    named: dict[str, str] = {}
    for module in records_on(connect_records.POSTGRESQL):
        for name, value in vars(module).items():
            texts = value.statements if isinstance(value, JobTable) else value
            for text in texts.values() if isinstance(texts, dict) else [texts]:
                if isinstance(text, str) and STATEMENT.match(text) and "{" not in text:
                    if not SQLITE.search(text):
                        named[f"{module.__name__}.{name}"] = numbered(text)
                    if isinstance(text, Statement) and text.together not in (None, LOOK_UP, EACH):
                        named[f"{module.__name__}.{name} together"] = numbered(text.together)
    further = connect_records.POSTGRESQL.user_search.COLUMNS
    renaming = users._update(("name", "search_text")).together
    assert renaming is not None
    named |= {
        "users._update together": numbered(renaming),
        "users._keep_deleted": numbered(users._keep_deleted(further)),
        "users._bring_back": numbered(users._bring_back(further)),
    }
    return named


def test_no_named_statement_walks_a_table(url: str) -> None:
    named = named_statements()
    assert len(named) > 90, sorted(named)
    # Tables are empty here, and small ones are read whole; this asks for the plan that large ones get.
    assert asyncio.run(walks_of(url, named, "SET enable_seqscan = off")) == {}


class Sent:
    """A database that is asked nothing: what was sent to it."""

    dialect = connect_records.POSTGRESQL

    def __init__(self) -> None:
        self.statements: list[tuple[str, tuple[Any, ...]]] = []

    async def all(self, text: str, *values: Any) -> list[Any]:
        self.statements.append((numbered(text), values))
        return []

    async def one(self, text: str, *values: Any) -> tuple[int]:
        return (0,)  # the position of the event log


DELETED = Query(ANY._replace(deleted_since=1), NEWEST_DELETION_FIRST, limit=50)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (DELETED, "deleted_users_deleted_at"),
        (DELETED._replace(listed=True), "deleted_users_deleted_at"),
        (DELETED._replace(position=Position((15_000, 7), False)), "deleted_users_deleted_at"),
        (DELETED._replace(position=Position((5_000, 7), True)), "deleted_users_deleted_at"),
        (DELETED._replace(filters=DELETED.filters._replace(email="user7@example.com")), "deleted_users_email_key"),
    ],
)
def test_a_page_of_deleted_users_is_read_from_an_index_in_its_order(filled: str, query: Query, index: str) -> None:
    sent = Sent()
    asyncio.run(user_list.read(cast("Any", sent), query))

    async def plan() -> str:
        connection = await asyncpg.connect(filled)
        try:
            ((text, values),) = sent.statements
            return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {text}", *values))
        finally:
            await connection.close()

    found = asyncio.run(plan())
    assert f"using {index}" in found, found
    assert ("Sort" in found) == (query.filters.email is not None), found


PROGRAMS = Filters(kind="application")


@pytest.mark.parametrize("filters", [PROGRAMS, PROGRAMS._replace(role="member"), PROGRAMS._replace(status="active")])
def test_a_page_of_applications_is_read_from_their_index(dated: str, filters: Filters) -> None:
    sent = Sent()
    query = Query(filters, limit=50)
    asyncio.run(user_list.read(cast("Any", sent), query))

    async def plan() -> str:
        connection = await asyncpg.connect(dated)
        try:
            ((text, values),) = sent.statements
            return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {text}", *values))
        finally:
            await connection.close()

    found = asyncio.run(plan())
    assert "using users_applications" in found, found


class Mixed(Sent):
    """The same of a database whose users have dates in another order than that in which they were added."""

    async def one(self, text: str, *values: Any) -> tuple[int]:
        return (1 << 62,)


BY_DATE = Query(ANY, (Order("created_at", False),), limit=50)
LATEST_FIRST = BY_DATE._replace(order=(Order("created_at", True),))


@pytest.mark.parametrize("position", [None, Position((5_000, 7), False), Position((15_000, 7), True)])
@pytest.mark.parametrize("name", ["last_active_at", "ends_at"])
def test_a_page_by_activity_or_end_is_read_from_an_index_in_its_order(
    dated: str, name: str, position: Position | None
) -> None:
    bounds = {"last_active_at": ANY._replace(active_after=0), "ends_at": ANY._replace(ends_before=1 << 50)}
    for falls, filters in product((False, True), (ANY, bounds[name])):
        query = Query(filters, (Order(name, falls),), limit=50, position=position)
        for found in plans_of(dated, query):
            assert f"using users_{name}" in found and "Sort" not in found, found


@pytest.mark.parametrize(
    "query",
    [
        BY_DATE,
        LATEST_FIRST,
        BY_DATE._replace(position=Position((15_000, 7), False)),
        BY_DATE._replace(position=Position((15_000, 7), True)),
        LATEST_FIRST._replace(position=Position((15_000, 7), False)),
        LATEST_FIRST._replace(position=Position((15_000, 7), True)),
        LATEST_FIRST._replace(filters=ANY._replace(created_after=3, created_before=19_000)),
    ],
)
def test_a_page_by_date_is_read_from_an_index_in_its_order(dated: str, query: Query) -> None:
    for found in plans_of(dated, query):
        assert "using users_dates" in found and "Sort" not in found, found


def plans_of(url: str, query: Query) -> list[str]:
    """Plans of the statements that read a page."""
    sent = Mixed()
    asyncio.run(user_list.read(cast("Any", sent), query))

    async def plans() -> list[str]:
        connection = await asyncpg.connect(url)
        try:
            return [
                "\n".join([row[0] for row in await connection.fetch(f"EXPLAIN {text}", *values)])
                for text, values in sent.statements
            ]
        finally:
            await connection.close()

    return asyncio.run(plans())


async def walks_of(url: str, named: dict[str, str], planner: str = "") -> dict[str, list[str]]:
    """Statements whose plan, whatever their values, goes through a whole table though it could use an index."""
    connection = await asyncpg.connect(url)
    found: dict[str, list[str]] = {}
    try:
        await connection.execute(f"SET plan_cache_mode = force_generic_plan; {planner}")
        for name, text in named.items():
            try:
                statement = await connection.prepare(text)
            except asyncpg.PostgresError as problem:
                raise AssertionError(f"{name}: {problem}\n{text}") from None
            values = [_value(each.name) for each in statement.get_parameters()]
            await connection.execute("BEGIN")
            try:
                rows = await connection.fetch(f"EXPLAIN {text}", *values)
            finally:
                await connection.execute("ROLLBACK")
            steps = [row[0].strip() for row in rows]
            walks = [step for step in steps if (scan := re.search(r"Seq Scan on (\w+)", step)) and scan[1] not in SMALL]
            if walks:
                found[name] = walks
    finally:
        await connection.close()
    return found


def _value(type: str) -> object:
    if type.endswith("[]"):
        return [_value(type.removesuffix("[]"))]
    return {"text": "x", "bytea": b"x", "int8": 1, "int4": 1, "bool": True, "float8": 1.0}.get(type)
