"""A request that was admitted just before its API key was narrowed or revoked gives away nothing that the key had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollbook.actions import key_changes, keys
from rollbook.actions.arguments import KeyCreate, KeyRotation, KeyUpdate
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI, Principal, for_job
from rollbook.config import Settings
from rollbook.errors import Forbidden, Unauthorized
from rollbook.records import users
from tests.engines import ENGINES, migrated

WIDE, NARROW = ("keys:write", "users:read", "users:write"), ("keys:write", "users:read")
CALLS: dict[str, Callable[[Rollbook, Principal, str], Any]] = {
    "create": lambda on, by, sibling: keys.create(on, by, KeyCreate(name="new")),
    "rotate": lambda on, by, sibling: keys.rotate(on, by, sibling, KeyRotation(overlap=0)),
    "change": lambda on, by, sibling: key_changes.update(on, by, sibling, KeyUpdate(name="renamed")),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_key_does_with_keys_counts_what_it_can_do_now(engine: str, call: str, tmp_path: Path) -> None:
    with migrated(engine, tmp_path) as db:
        on = Rollbook(Settings(data=tmp_path, password_memory=8, password_time_cost=1), db)
        user = db.write_now(users.add, users.new("Alice", "alice@example.com")._replace(role="admin"))

        def new(scopes: tuple[str, ...]) -> str:
            return on.run(keys.create(on, CLI, KeyCreate(name="test", user_id=user.id, scopes=scopes))).key.id

        def admitted(id: str) -> Principal:
            return on.run(for_job(db, user.id, id, None, None, "req_1"))

        sibling = new(WIDE)
        by = admitted(new(WIDE))
        on.run(key_changes.update(on, CLI, by.key_id or "", KeyUpdate(scopes=NARROW)))
        with pytest.raises(Forbidden):
            on.run(CALLS[call](on, by, sibling))
        by = admitted(new(WIDE))
        on.run(keys.revoke(on, CLI, by.key_id or ""))
        with pytest.raises(Unauthorized):
            on.run(CALLS[call](on, by, sibling))
        on.run(CALLS[call](on, admitted(new(WIDE)), sibling))
