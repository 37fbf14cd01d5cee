"""A read that may take long does not keep others waiting."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import closing
from typing import Any

import httpx2

from rollbook.records import events
from tests.harness import Server, new_key, new_user

MANY = 300_000
FILL = f"""
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})
    INSERT INTO events (id, type, user_id, created_at, object) SELECT 'many_' || i, 'user.updated', ?, 0, '{{}}' FROM n"""


def fill(server: Server, user_id: str) -> None:
    with closing(sqlite3.connect(server.data / "rollbook.db", timeout=30)) as connection, connection:
        connection.execute(FILL, (user_id,))


def test_a_rare_type_among_the_many_events_of_a_user_is_looked_for_aside(
    server: Server, http: httpx2.Client, as_role: Any
) -> None:
    user = new_user(http)
    fill(server, user["id"])
    viewer = as_role("viewer")
    answered = 0
    found: list[httpx2.Response] = []
    asking = threading.Thread(
        target=lambda: found.extend(
            viewer.get("/v1/events", params={"user": user["id"], "type": "key.revoked"}) for _ in range(5)
        )
    )
    with server.http(new_key(http)) as other:
        other.get("/v1/users/me")
        asking.start()
        slowest = 0.0
        while asking.is_alive():
            begun = time.perf_counter()
            assert other.get("/v1/users/me").status_code == 200
            slowest = max(slowest, time.perf_counter() - begun)
            answered += 1
        asking.join()
    assert [answer.json() for answer in found] == [[]] * 5
    assert answered >= 25, slowest  # on the event loop it would be one, or two, for each of the five


def test_the_events_of_a_type_about_a_user_are_found_by_the_user(server: Server) -> None:
    plans: list[str] = []
    with closing(sqlite3.connect(server.data / "rollbook.db")) as connection:

        class Explained:
            async def all(self, sql: str, *values: Any) -> list[Any]:
                plans.append(connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchone()[3])
                return []

        asyncio.run(events.after(Explained(), None, "user.updated", "user_x", 1))  # type: ignore[arg-type]
    assert "events_user_id" in plans[0]
