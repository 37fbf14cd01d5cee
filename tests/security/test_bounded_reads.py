"""A read that may take long does not keep others waiting."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx2

from rollbook.records import events
from tests.harness import Server, new_key, new_user

MANY = 300_000
NUMBERS = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})"
EVENTS = f"""{NUMBERS}
    INSERT INTO events (id, type, user_id, created_at, object) SELECT 'many_' || i, 'user.updated', ?, 0, '{{}}'
      FROM n"""


def fill(server: Server, sql: str, *values: str) -> None:
    with closing(sqlite3.connect(server.data / "rollbook.db", timeout=30)) as connection, connection:
        connection.execute(sql, values)


def test_a_rare_type_among_the_many_events_of_a_user_is_looked_for_aside(
    server: Server, http: httpx2.Client, as_role: Any
) -> None:
    user, viewer = new_user(http), as_role("viewer")
    fill(server, EVENTS, user["id"])

    def ask() -> None:
        assert viewer.get("/v1/events", params={"user": user["id"], "type": "key.revoked"}).json() == []

    answered = 0
    with server.http(new_key(http)) as other, ThreadPoolExecutor(1) as pool:
        for asked in range(1, 101):  # a busy machine answers few others while one goes on
            asking = pool.submit(ask)
            while not asking.done():
                assert other.get("/v1/users/me").status_code == 200
                answered += 1
            asking.result()
            if answered > 2 * asked + 15:  # on the event loop it would be one, or two, for each
                return
    raise AssertionError(f"{answered} others were answered beside 100")


def test_the_events_of_a_type_about_a_user_are_found_by_the_user(server: Server) -> None:
    plans: list[str] = []
    with closing(sqlite3.connect(server.data / "rollbook.db")) as connection:

        class Explained:
            async def all(self, sql: str, *values: Any) -> list[Any]:
                plans.append(connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchone()[3])
                return []

            async def one(self, sql: str, *values: Any) -> Any:
                return connection.execute(sql, values).fetchone()

        asked = events.Selection(frozenset(("user.updated", "key.created")), "user_x")
        asyncio.run(events.page(Explained(), asked, 1))  # type: ignore[arg-type]
    assert "events_user_id" in plans[0]
