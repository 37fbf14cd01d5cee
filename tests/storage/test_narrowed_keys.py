"""A request that was admitted just before its API key was narrowed or revoked gives away nothing that the key had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollbook.actions import creators, keys, tokens
from rollbook.actions import users as user_actions
from rollbook.actions.arguments.keys import KeyCreate, KeyRotation, KeyUpdate
from rollbook.actions.arguments.tokens import TokenCreate
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI, Principal, for_job
from rollbook.config import Settings
from rollbook.errors import Forbidden, Unauthorized
from rollbook.records import lineages, sessions, users
from tests.engines import ENGINES, migrated

WIDE, NARROW = ("keys:write", "users:read", "users:write"), ("keys:write", "users:read")
CALLS: dict[str, Callable[[Rollbook, Principal, str], Any]] = {
    "create": lambda on, by, sibling: keys.create(on, by, KeyCreate(name="new")),
    "rotate": lambda on, by, sibling: keys.rotate(on, by, sibling, KeyRotation(overlap=0)),
    "change": lambda on, by, sibling: keys.update(on, by, sibling, KeyUpdate(name="renamed")),
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
        on.run(keys.update(on, CLI, by.key_id or "", KeyUpdate(scopes=NARROW)))
        with pytest.raises(Forbidden):
            on.run(CALLS[call](on, by, sibling))
        by = admitted(new(WIDE))
        on.run(keys.revoke(on, CLI, by.key_id or ""))
        with pytest.raises(Unauthorized):
            on.run(CALLS[call](on, by, sibling))
        on.run(CALLS[call](on, admitted(new(WIDE)), sibling))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_job_that_was_begun_in_a_session_by_a_link_of_another_ends_with_it(engine: str, tmp_path: Path) -> None:
    with migrated(engine, tmp_path) as db:
        on = Rollbook(Settings(data=tmp_path, password_memory=8, password_time_cost=1), db)
        root = db.write_now(users.add, users.new("Bob", "bob@example.com")._replace(role="admin"))
        user = db.write_now(users.add, users.new("Alice", "alice@example.com")._replace(role="admin"))
        token = on.run(tokens.create_token(on, CLI, user.id, TokenCreate(purpose="sign_in"))).token
        planted = creators.of_session(token._replace(created_by=root.id, lineage=root.id))
        db.write_now(lineages.keep, planted.lineage)
        session = db.write_now(sessions.add, b"digest", user.id, "", "", planted.created_by, planted.lineage, None)

        def later() -> Principal:
            return on.run(for_job(db, user.id, None, session.id, None, "req_1"))

        assert (later().caller.created_by, later().caller.goes_back_to) == (root.id, {root.id})
        on.run(user_actions.suspend(on, CLI, root.id))
        with pytest.raises(Unauthorized):
            later()
        on.run(user_actions.activate(on, CLI, root.id))
        on.run(keys.create(on, later(), KeyCreate(name="new")))
        on.run(user_actions.delete(on, CLI, root.id))
        with pytest.raises(Unauthorized):
            later()
