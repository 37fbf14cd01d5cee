"""Bulk jobs, a part at a time: what happens between two parts, or to two processes at one part, happens once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rollbook import clock
from rollbook.actions import background_jobs, bulk_jobs, keys, users
from rollbook.actions.arguments.bulk_jobs import BulkFilter, BulkJobCreate, BulkJobResults, ListBulkJobs
from rollbook.actions.arguments.keys import KeyCreate
from rollbook.actions.arguments.users import UserUpdate
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI, Principal, for_job, signed_in
from rollbook.config import Settings
from rollbook.errors import BulkJobLimitReached, InvalidParameter, NotFound, ProofRequired
from rollbook.jobs.schedule import MAX_FAILURES, BulkJobs
from rollbook.quota import NO_LIMIT
from rollbook.records import bulk_jobs as records
from rollbook.records import events
from rollbook.records import users as user_records
from rollbook.records.bulk_jobs import PART, BulkJob
from rollbook.records.events import Selection
from rollbook.records.users import User
from tests.engines import ENGINES, migrated


@pytest.fixture(params=ENGINES)
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rollbook]:
    with migrated(request.param, tmp_path) as db:
        yield Rollbook(Settings(data=tmp_path), db)


def add(on: Rollbook, name: str, **fields: Any) -> User:
    new = user_records.new(name, f"{name.lower()}@example.com", **fields)
    return on.run(on.db.write(users.add, CLI, new, "a hash"))


def members(on: Rollbook, how_many: int) -> list[User]:
    async def write(tx: Any) -> list[User]:
        new = [user_records.new(f"Bea {number}", f"bea{number}@example.com") for number in range(how_many)]
        await user_records.expect(tx, how_many)
        return [await users.add(tx, CLI, each, "a hash") for each in new]

    return on.run(on.db.write(write))


def acting(user: User, role: str = "", proven_at: int | None = None) -> Principal:
    caller = signed_in(user.id, role or user.role, user.status, None, NO_LIMIT)
    return Principal(caller, "203.0.113.7", "req_1", proven_at=proven_at)


def asked(action: Any, **fields: Any) -> BulkJobCreate:
    return BulkJobCreate(action=action, **(fields or {"filter": BulkFilter(role="member")}))


def create(on: Rollbook, by: Principal, action: str = "suspend", **fields: Any) -> BulkJob:
    return on.run(bulk_jobs.create_bulk_job(on, by, asked(action, **fields)))


def run(on: Rollbook, job: BulkJob, parts: int = 1) -> BulkJob:
    for _ in range(parts):
        on.run(bulk_jobs.run_part(on, job.id))
    return on.run(on.read(records.JOBS.get, job.id))


def told(on: Rollbook, *types: str) -> list[events.Event]:
    async def read() -> list[events.Event]:
        await events.settle(on.db)
        return (await on.db.read(events.page, Selection(frozenset(types)), 10_000)).events

    return on.run(read())


def test_a_job_ends_when_its_creator_loses_the_right(on: Rollbook) -> None:
    add(on, "Olga", role="owner")
    admins = [add(on, f"Admin{number}", role="admin") for number in range(4)]
    members(on, 2 * PART)
    key = on.run(keys.create(on, acting(admins[3]), KeyCreate(name="a key"))).key
    callers = [acting(admin) for admin in admins[:3]]
    callers.append(on.run(on.read(for_job, admins[3].id, key.id, None, "203.0.113.7", "req_2")))
    jobs = [create(on, by, "metadata", filter=BulkFilter(role="member"), metadata='{"a":1}') for by in callers]
    assert all(run(on, job).done == PART for job in jobs)
    suspended, demoted, deleted, _ = admins
    on.run(users.suspend(on, CLI, suspended.id))
    on.run(users.update(on, CLI, demoted.id, UserUpdate(role="member")))
    on.run(users.delete(on, CLI, deleted.id))
    on.run(keys.revoke(on, CLI, key.id))
    ends = [run(on, job) for job in jobs]
    codes = ["user_suspended", "insufficient_scope", "not_found", "revoked_key"]
    assert [(end.status, end.error_code, end.done) for end in ends] == [("failed", code, PART) for code in codes]
    finished = [msgspec.json.decode(event.object) for event in told(on, "bulk_job.finished")]
    assert [each["error_code"] for each in finished] == codes


def test_two_processes_at_one_part_change_each_user_once(on: Rollbook) -> None:
    owner = add(on, "Olga", role="owner")
    people = members(on, PART + 1)
    job = create(on, acting(owner))

    async def both() -> None:
        await asyncio.gather(bulk_jobs.run_part(on, job.id), bulk_jobs.run_part(on, job.id))

    on.run(both())
    assert run(on, job, 0).done >= PART  # more, if the second began only after the first had ended
    end = run(on, job, 3)
    assert (end.status, end.done, end.changed) == ("finished", PART + 1, PART + 1)
    assert sorted(event.user_id for event in told(on, "user.suspended")) == sorted(user.id for user in people)
    assert len(told(on, "bulk_job.finished")) == 1


def test_a_job_has_those_who_matched_when_it_was_created(on: Rollbook) -> None:
    owner = add(on, "Olga", role="owner")
    first, second = members(on, 2)
    job = create(on, acting(owner), "metadata", filter=BulkFilter(role="member"), metadata='{"a":1}')
    on.run(users.update(on, CLI, first.id, UserUpdate(role="viewer")))
    late = add(on, "Late")
    assert run(on, job, 2).changed == 2
    found = [on.run(users.get(on, CLI, user.id)).metadata for user in (first, second, late)]
    assert found == ['{"a":1}', '{"a":1}', "{}"]


def test_a_canceled_job_changes_nobody_else_and_is_undone_as_far_as_it_came(on: Rollbook) -> None:
    owner = add(on, "Olga", role="owner")
    members(on, 2 * PART)
    job = create(on, acting(owner))
    run(on, job)
    for _ in range(2):
        assert on.run(bulk_jobs.cancel_bulk_job(on, acting(owner), job.id)).status == "canceled"
    assert run(on, job).done == PART
    undo = on.run(bulk_jobs.undo_bulk_job(on, acting(owner), job.id))
    end = run(on, undo, 2)
    assert (end.total, end.changed, end.status) == (PART, PART, "finished")
    assert len(told(on, "bulk_job.finished")) == 2


def test_jobs_are_limited_and_those_of_one_creator_run_one_after_the_other(on: Rollbook) -> None:
    owner, other = add(on, "Olga", role="owner"), add(on, "Ada", role="admin")
    members(on, 3)
    jobs = [create(on, acting(owner)) for _ in range(background_jobs.MAX_OF_USER)]
    with pytest.raises(BulkJobLimitReached):
        create(on, acting(owner))
    of_other = create(on, acting(other))
    assert on.run(bulk_jobs.under_way(on)) == [jobs[0].id, of_other.id]
    assert run(on, jobs[0], 2).status == "finished"
    assert on.run(bulk_jobs.under_way(on)) == [jobs[1].id, of_other.id]
    create(on, acting(owner))
    assert len(on.run(bulk_jobs.list_bulk_jobs(on, acting(other), ListBulkJobs()))) == background_jobs.MAX_OF_USER + 2


def test_the_limit_is_exact_and_checked_before_anything_is_read(on: Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is refused for another reason takes nobody's place."""
    owner = add(on, "Olga", role="owner")
    members(on, 3)
    for _ in range(background_jobs.MAX_OF_USER):
        with pytest.raises(InvalidParameter):
            create(on, acting(owner), filter=BulkFilter(role="member"), confirm_count=2)

    async def many() -> list[Any]:
        made = [bulk_jobs.create_bulk_job(on, acting(owner), asked("suspend")) for _ in range(15)]
        return await asyncio.gather(*made, return_exceptions=True)

    found = on.run(many())
    assert [type(each) for each in found].count(BulkJob) == background_jobs.MAX_OF_USER
    assert [type(each) for each in found].count(BulkJobLimitReached) == 15 - background_jobs.MAX_OF_USER
    monkeypatch.setattr(bulk_jobs, "_matching", None)
    with pytest.raises(BulkJobLimitReached):
        create(on, acting(owner))
    with pytest.raises(BulkJobLimitReached):
        create(on, acting(owner), filter=BulkFilter(role="member"), confirm_count=2)


def test_people_prove_who_they_are_first(on: Rollbook) -> None:
    owner = add(on, "Olga", role="owner")
    with pytest.raises(ProofRequired):
        create(on, acting(owner, proven_at=1))


def test_links_go_after_a_day_and_jobs_after_thirty(on: Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = add(on, "Olga", role="owner")
    [bea] = members(on, 1)
    job = create(on, acting(owner), "setup_links", ids=(bea.id,))
    run(on, job, 2)

    def url() -> Any:
        async def read() -> Any:
            found = await bulk_jobs.get_bulk_job_results(on, acting(owner), job.id, BulkJobResults())
            return [row.link for part in [part async for part in found.parts] for row in part]

        [link] = on.run(read())
        return link and link.text

    def sealed() -> int:
        return len(on.run(on.read(records.sealed_after, "", 10)))

    assert url() and sealed() == 1
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + clock.DAY + clock.MINUTE)
    assert url() is None
    while on.run(bulk_jobs.expire(on)):
        pass
    assert sealed() == 0
    monkeypatch.setattr(clock, "now", lambda: now + 30 * clock.DAY + clock.MINUTE)
    while on.run(bulk_jobs.expire(on)):
        pass
    with pytest.raises(NotFound):
        run(on, job, 0)
    assert not on.run(on.read(records.done_parts, job.id, "", 10))


def test_a_job_whose_users_were_not_all_stored_never_runs_and_goes(
    on: Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill -9 while it was created."""
    owner = add(on, "Olga", role="owner")
    members(on, 2)
    monkeypatch.setattr(bulk_jobs, "_start", None)
    with pytest.raises(TypeError):
        create(on, acting(owner))
    monkeypatch.undo()
    assert on.run(bulk_jobs.under_way(on)) == []
    assert on.run(bulk_jobs.list_bulk_jobs(on, acting(owner), ListBulkJobs())) == []
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + clock.HOUR + clock.MINUTE)
    while on.run(bulk_jobs.expire(on)):
        pass
    assert on.run(on.read(records.JOBS.unfinished)) == []


def test_a_part_that_no_one_has_thought_of_ends_its_job_and_delays_no_other(
    on: Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, other = add(on, "Olga", role="owner"), add(on, "Ada", role="admin")
    members(on, 1)
    bad, good = create(on, acting(owner)), create(on, acting(other))
    run_part = bulk_jobs.run_part

    async def failing(on: Rollbook, id: str) -> bool:
        if id == bad.id:
            raise RuntimeError
        return await run_part(on, id)

    monkeypatch.setattr(bulk_jobs, "run_part", failing)
    jobs = BulkJobs(on)
    failures = 0
    for _ in range(2 * MAX_FAILURES):
        try:
            on.run(jobs.step())
        except RuntimeError:
            failures += 1
    assert failures == MAX_FAILURES
    assert (run(on, bad, 0).status, run(on, bad, 0).error_code) == ("failed", "internal_error")
    assert run(on, good, 0).status == "finished"
