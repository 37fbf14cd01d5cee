"""Runs of rules by two servers that both take themselves for the only one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollbook.actions import bulk_jobs, rules
from rollbook.actions.arguments.rules import RuleCreate
from rollbook.actions.checking import check
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI
from rollbook.actions.rule_runs import RuleRuns
from rollbook.config import Settings
from rollbook.records import bulk_jobs as records
from rollbook.records import events, user_rules
from rollbook.records.events import Selection
from tests.engines import ENGINES, migrated
from tests.storage.test_bulk_job_parts import members


@pytest.fixture(params=ENGINES)
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rollbook]:
    with migrated(request.param, tmp_path) as db:
        yield Rollbook(Settings(data=tmp_path), db)


def run_jobs(on: Rollbook) -> int:
    """Do all jobs that wait, part by part in turns. Returns how many there were."""
    jobs = [job.id for job in on.run(on.read(records.JOBS.unfinished))]
    left = list(jobs)
    while left:
        left = [id for id in left if on.run(bulk_jobs.run_part(on, id))]
    return len(jobs)


def test_who_is_in_two_jobs_of_a_step_goes_through_each_step_once(on: Rollbook) -> None:
    people = {user.id for user in members(on, 120)}
    steps = [{"do": "metadata", "metadata": {"seen": 1}}, {"do": "suspend"}]
    fields = {"name": "x", "enabled": True, "when": {"after": "created_at", "days": 0}, "steps": steps}
    rule = on.run(rules.create(on, CLI, check(RuleCreate, {**fields, "max_users": 200}, 1)))
    one, two = RuleRuns(on), RuleRuns(on)
    while on.run(one._take_in(rule, 0)):
        pass
    for server in (one, two):
        assert on.run(server._begin(rule, 0))
    assert run_jobs(on) == 2
    waiting = on.run(on.read(user_rules.waiting, rule.id))
    assert [(entry.step, entry.people) for entry in waiting] == [(1, 120)]
    for server in (one, two):
        assert on.run(server._begin(rule, 1))
    assert run_jobs(on) == 2
    on.run(events.settle(on.db))
    for type in ("user.updated", "user.suspended"):
        page = on.run(on.read(events.page, Selection(frozenset((type,))), 1_000))
        assert Counter(event.user_id for event in page.events) == dict.fromkeys(people, 1), type
    assert not on.run(on.read(user_rules.waiting, rule.id))
