"""Bulk jobs do the same on both databases, whoever is in them: on PostgreSQL, users are changed side by side, and on
SQLite one after the other."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rollbook.actions import bulk_jobs, groups, keys, tokens, users, webhooks
from rollbook.actions.arguments.bulk_jobs import BulkJobResults
from rollbook.actions.arguments.keys import KeyCreate
from rollbook.actions.arguments.tokens import TokenCreate
from rollbook.actions.arguments.webhooks import WebhookCreate, WebhookUrl
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI
from rollbook.config import Settings
from rollbook.records import groups as group_records
from rollbook.records import keys as key_records
from rollbook.records import one_time_tokens
from rollbook.records import users as user_records
from rollbook.records.bulk_jobs import BulkJob
from rollbook.records.groups import Group
from rollbook.records.users import User
from rollbook.storage import postgres_writer
from tests.engines import ENGINES, migrated
from tests.storage.test_bulk_job_parts import acting, add, create, members, run, told

GROUP = "group_" + "0" * 26
LARGE = msgspec.json.encode({"text": "x" * 600}).decode()


def people(on: Rollbook) -> tuple[User, dict[str, str]]:
    """Two owners, of whom the first asks; and many who are changed, also those who hold or gave something to others:
    their IDs, by name."""
    asking = add(on, "Olga", role="owner")
    found = {
        user.name: user
        for user in [
            *members(on, 30),
            *[add(on, f"Admin{at}", role="admin") for at in range(4)],
            add(on, "Owner", role="owner"),
            add(on, "Plan", metadata='{"plan":"team"}', external_id="plan"),
            add(on, "Large", metadata=LARGE),
            add(on, "Invited", status="invited"),
            add(on, "Suspended", status="suspended"),
            add(on, "Deleted"),
            add(on, "Twin"),
            add(on, "Shop", kind="application"),
        ]
    }
    one, two, three, _ = [found[f"Admin{at}"] for at in range(4)]
    for by, holder in ((one, found["Bea 3"]), (one, two), (two, three)):
        on.run(keys.create(on, acting(by), KeyCreate(name="a key", user_id=holder.id)))
    on.run(tokens.create_token(on, acting(three), found["Bea 4"].id, TokenCreate(purpose="reset_password")))
    on.run(webhooks.create(on, acting(one), WebhookCreate(url=WebhookUrl("https://example.com/hook"))))
    on.run(on.write(groups.add, CLI, Group(GROUP, "Design")))
    on.run(on.write(groups.put_members, CLI, GROUP, {found["Bea 1"].id: "lead", found["Admin1"].id: ""}))
    on.run(users.delete(on, CLI, found["Deleted"].id))
    on.run(users.delete(on, CLI, found["Twin"].id))
    add(on, "Twin")  # has the email of one who was deleted
    return asking, {name: user.id for name, user in found.items()} | {"Nobody": "user_unknown", "Olga": asking.id}


def outcomes(on: Rollbook, by: User, job: BulkJob, ids: dict[str, str]) -> dict[str, object]:
    names = {id: name for name, id in ids.items()}

    async def read() -> dict[str, object]:
        found = await bulk_jobs.get_bulk_job_results(on, acting(by), job.id, BulkJobResults())
        rows = [row for part in [part async for part in found.parts] for row in part]
        return {names[row.user_id]: (row.outcome, row.link and row.link.purpose) for row in rows}

    return on.run(read())


def state(on: Rollbook, ids: dict[str, str]) -> dict[str, object]:
    """All that a job may have changed."""

    async def read() -> dict[str, object]:
        found: dict[str, object] = {}
        for name, id in ids.items():
            user = await user_records.by_id(on.db, id)
            deleted = await user_records.deleted(on.db, id)
            held = await key_records.of_user(on.db, id, 10)
            open_tokens = await one_time_tokens.of_user(on.db, id)
            found[name] = (
                user and (user.role, user.status, user.metadata, user.version),
                deleted and deleted.user.version,
                [key.revoked_at is not None for key in held],
                [token.purpose for token in open_tokens],
                [membership.role for membership in await group_records.of_user(on.db, id)],
            )
        return found

    names = {id: name for name, id in ids.items()}
    return on.run(read()) | {"events": sorted((event.type, names.get(event.user_id, "")) for event in told(on))}


ACTIONS = (
    ("suspend", {}),
    ("activate", {}),
    ("delete", {}),
    ("restore", {}),
    ("role", {"role": "admin"}),
    ("role", {"role": "viewer"}),
    ("metadata", {"metadata": '{"plan":"pro","seats":3}'}),
    ("setup_links", {}),
)
OF_GROUPS = (("add_to_group", {"group_id": GROUP}), ("remove_from_group", {"group_id": GROUP}))
"""One after the other on both databases: they write one row, that of the group."""


each_action = pytest.mark.parametrize(
    ("action", "fields"), ACTIONS, ids=[f"{action}{''.join(fields.values())[:6]}" for action, fields in ACTIONS]
)


@pytest.mark.parametrize(("action", "fields"), [*ACTIONS, *OF_GROUPS], ids=lambda value: str(value)[:24])
def test_a_job_does_the_same(action: str, fields: dict[str, str], tmp_path: Path) -> None:
    became: dict[str, list[object]] = {}
    for engine in ENGINES:
        with migrated(engine, tmp_path / engine) as db:
            became[engine] = jobs(Rollbook(Settings(data=tmp_path), db), action, fields)
    assert became["postgresql"] == became["sqlite"]


def jobs(on: Rollbook, action: str, fields: dict[str, str]) -> list[object]:
    """What becomes of everyone. First of those who gave something to others, or cannot be changed: on PostgreSQL, too,
    they are changed one after the other."""
    by, ids = people(on)
    became: list[object] = []
    for some in (("Bea 1", "Bea 3", "Admin0", "Admin1", "Admin2", "Twin"), [name for name in ids if name != "Twin"]):
        job = run(on, create(on, acting(by), action, ids=tuple([ids[name] for name in some]), **fields), 2)
        became += [job.status, outcomes(on, by, job, ids), state(on, ids)]
        if action in bulk_jobs.UNDONE_BY:
            undo = run(on, on.run(bulk_jobs.undo_bulk_job(on, acting(by), job.id)), 2)
            became += [undo.status, outcomes(on, by, undo, ids), state(on, ids)]
    return became


@each_action
def test_ordinary_users_are_changed_side_by_side(
    action: str, fields: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a job takes five times as long: a statement for each user of each step."""
    with migrated("postgresql", tmp_path) as db:
        on = Rollbook(Settings(data=tmp_path), db)
        by = add(on, "Olga", role="owner")
        ids = tuple([user.id for user in members(on, 3)] + [add(on, "Plan", metadata=LARGE, external_id="plan").id])
        if action == "restore":
            for id in ids:
                on.run(users.delete(on, CLI, id))
        monkeypatch.setattr(postgres_writer, "attempted", None)  # what does one after the other
        job = run(on, create(on, acting(by), action, ids=ids, **fields), 2)
        assert (job.status, job.done, job.refused) == ("finished", 4, 0)
        if action in bulk_jobs.UNDONE_BY:
            undo = run(on, on.run(bulk_jobs.undo_bulk_job(on, acting(by), job.id)), 2)
            assert (undo.status, undo.changed) == ("finished", job.changed)
