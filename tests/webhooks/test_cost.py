"""What webhooks add to a change of a user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollbook.actions import users, webhooks
from rollbook.actions.arguments.users import UserCreate, UserUpdate
from rollbook.actions.arguments.webhooks import WebhookCreate
from rollbook.actions.checking import check
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI
from rollbook.config import Settings
from rollbook.storage.database import Tx
from tests.engines import migrated


class Counted:
    """A transaction that notes the statements it is asked for."""

    def __init__(self, tx: Tx, seen: list[str]) -> None:
        self._tx = tx
        self._seen = seen

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._tx, name)
        if name not in ("one", "all", "run", "many"):
            return found

        async def noted(sql: str, *values: Any) -> Any:
            self._seen.append(sql)
            return await found(sql, *values)

        return noted


@pytest.fixture
def on(engine: str, tmp_path: Path) -> Iterator[Rollbook]:
    with migrated(engine, tmp_path) as db:
        yield Rollbook(Settings(data=tmp_path, password_memory=8, password_time_cost=1), db)


def test_a_change_of_a_user_takes_no_statement_more_with_webhooks(on: Rollbook) -> None:
    seen: list[str] = []

    async def write(fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        async def counted(tx: Tx) -> Any:
            return await fn(Counted(tx, seen), *args)

        return await on.db.write(counted)

    new = {"name": "A", "email": "a@example.com", "password": "securepassword123", "role": "viewer"}
    user = on.run(users.create(on, CLI, check(UserCreate, new, 8)))

    def statements(name: str) -> list[str]:
        seen.clear()
        counting = on.writing(write)
        counting.write_together = lambda about, fn, *args: write(fn, *args)
        on.run(users.update(counting, CLI, user.id, check(UserUpdate, {"name": name}, 8)))
        return list(seen)

    without = statements("B")
    for _ in range(3):
        on.run(webhooks.create(on, CLI, check(WebhookCreate, {"url": "inbox", "user_id": user.id}, 8)))
    assert without and statements("C") == without
