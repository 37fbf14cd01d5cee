"""What others document as workflows, each as a rule without code: three of Keycloak and six of Okta. Time passes, mails
are caught, no one else is touched, and to undo the runs restores everyone."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx2
import pytest

from rollbook.actions.ready_rules import all_ready
from tests.contract.test_bulk_jobs import undone
from tests.harness import Server
from tests.mail_server import MailServer, mail_server
from tests.nodes.pair import wait_until

BYSTANDERS = 2_000
SOME = 30
"""People whom a rule is for: below its ceiling."""
FAR = 90
BEGINNING = -500.0
"""Days from now to the beginning of these tests, more than pass in them: IDs are of the real clock, and runs and imports
whose IDs are older than a month are removed."""
numbers = count()


class World:
    """A server full of people, whose clock moves on from test to test."""

    def __init__(self, server: Server, http: httpx2.Client, mail: MailServer) -> None:
        self.server, self.http, self.mail = server, http, mail
        self._passed = BEGINNING * 86_400
        self._rules: list[str] = []

    def pass_days(self, days: float) -> None:
        self._passed += days * 86_400
        self.server.pass_time(self._passed)

    def at(self, days: float) -> str:
        """A time so many days from the server's now on."""
        at = datetime.now(UTC) + timedelta(seconds=self._passed, days=days)
        return f"{at:%Y-%m-%dT%H:%M:%SZ}"

    def people(self, how_many: int = SOME, **fields: Any) -> dict[str, str]:
        """Imported people: their emails by ID."""
        mark = f"w{next(numbers)}"
        rows = [{"name": "Wendy", "email": f"{mark}.{number}@example.com", **fields} for number in range(how_many)]
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        job = self.http.post("/v1/imports", content=content, headers={"content-type": "application/x-ndjson"}).json()
        wait_until(lambda: self.http.get(f"/v1/imports/{job['id']}").json()["finished_at"], FAR)
        return {user["id"]: user["email"] for user in self.everyone() if user["email"].startswith(f"{mark}.")}

    def everyone(self, status: str = "") -> list[dict[str, Any]]:
        users: list[dict[str, Any]] = []
        query = {"fields": "*", "limit": 1000, **({"status": status} if status else {})}
        while batch := self.http.get("/v1/users", params={**query, "offset": len(users)}).json():
            users += batch
        return users

    def state(self, *groups: str) -> dict[str, Any]:
        """Role, status and memberships of everyone."""
        members = {(member["user_id"], group) for group in groups for member in self.members(group)}
        return {
            user["id"]: (
                user["role"],
                user["status"],
                user["metadata"],
                {group for id, group in members if id == user["id"]},
            )
            for user in self.everyone()
        }

    def members(self, group: str) -> list[dict[str, Any]]:
        return self.http.get(f"/v1/groups/{group}/members?limit=1000").json()

    def group(self, name: str, *ids: str) -> str:
        group = self.http.post("/v1/groups", json={"name": f"{name} {next(numbers)}"}).json()["id"]
        for id in ids:
            self.join(group, id)
        return group

    def join(self, group: str, id: str) -> None:
        assert self.http.put(f"/v1/groups/{group}/members/{id}", json={}).is_success

    def ready(self, key: str, group: str = "", days: float = 1) -> str:
        """A rule of the gallery, for who was added so many days ago at most."""
        chosen = all_ready()[key]
        steps = [dict(step) for step in chosen.fields["steps"]]
        for at, name in chosen.needs:
            steps[at][name] = group
        return self.rule(chosen.fields["when"], *steps, who={**chosen.fields["who"], "created_after": self.at(-days)})

    def rule(self, when: dict[str, Any], *steps: dict[str, Any], **fields: Any) -> str:
        """A rule that is looked at before it is switched on: its preview names whom it then is for."""
        answer = self.http.post("/v1/rules", json={"name": f"R{next(numbers)}", "when": when, "steps": steps, **fields})
        assert answer.status_code == 201, answer.text
        self._rules.append(answer.json()["id"])
        return self._rules[-1]

    def preview(self, rule: str) -> set[str]:
        shown = self.http.post(f"/v1/rules/{rule}/preview").json()
        assert len(shown["users"]) == shown["count"]
        return {user["id"] for user in shown["users"]}

    def switch_on(self, rule: str) -> None:
        assert self.http.patch(f"/v1/rules/{rule}", json={"enabled": True}).status_code == 200

    def runs(self, rule: str, how_many: int) -> list[dict[str, Any]]:
        """Its runs, oldest first, once there are so many that have ended, with whom they changed."""

        def ended() -> list[dict[str, Any]]:
            jobs = self.http.get(f"/v1/rules/{rule}/runs").json()
            return [job for job in reversed(jobs) if job["status"] == "finished"]

        wait_until(lambda: len(ended()) >= how_many, FAR)
        time.sleep(2.2)  # more would begin by then
        jobs = ended()
        assert len(jobs) == how_many
        for job in jobs:
            lines = self.http.get(f"/v1/bulk-jobs/{job['id']}/results", params={"result": "changed"}).text.splitlines()
            job["whom"] = {json.loads(line)["user_id"] for line in lines}
        return jobs

    def mailed(self, emails: dict[str, str], times: int) -> list[str]:
        """Subjects of the mails to these, each of whom has so many: no one else has any."""
        wanted = dict.fromkeys(emails.values(), times)
        self.mail.wait_for(lambda: Counter(each.recipient for each in self.mail.accepted) == wanted, FAR)
        ids = [each.id for each in self.mail.accepted]
        assert len(set(ids)) == len(ids)
        return sorted({each.subject for each in self.mail.accepted})

    def end(self) -> None:
        for rule in self._rules:
            self.http.delete(f"/v1/rules/{rule}")
        self._rules.clear()
        self.mail.mails.clear()


@pytest.fixture(scope="module")
def built(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    flags = (
        "--rate-limit",
        "none",
        "--unauthenticated-limit",
        "none",
        "--mail-rate",
        "100000",
        "--mail-notices",
        "rule_stopped",
    )
    with mail_server() as mail:
        folder = tmp_path_factory.mktemp("world") / "data"
        server = Server(folder, *flags, *mail.flags("http://127.0.0.1:9"))
        server.pass_time(BEGINNING * 86_400)
        server.start()
        try:
            with server.http() as http:
                world = World(server, http, mail)
                fields = {"email_verified": True, "created_at": "2020-01-01T00:00:00Z"}
                world.people(BYSTANDERS, **fields, last_active_at="2090-01-01T00:00:00Z")
                yield world
        finally:
            server.stop()


@pytest.fixture
def world(built: World) -> Iterator[World]:
    yield built
    built.end()


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {id for id in before.keys() | after.keys() if before.get(id) != after.get(id)}


# ---- Keycloak: User Onboarding, User Offboarding, Tracking user activity and taking actions on inactivity


def test_onboarding_of_gold_members(world: World) -> None:
    welcome = {"do": "mail", "subject": "Welcome to gold", "text": "Hello {{ user.name }}"}
    rule = world.rule(
        {"event": "user.created"}, welcome, {"do": "role", "role": "viewer"}, who={"metadata": ["membership:gold"]}
    )
    world.switch_on(rule)
    before = world.state()
    gold = world.people(metadata={"membership": "gold"})
    silver = world.people(metadata={"membership": "silver"})
    _, second = world.runs(rule, 2)
    assert second["whom"] == set(gold)
    after = world.state()
    assert changed(before, after) == set(gold) | set(silver)
    assert {after[id][0] for id in gold} == {"viewer"} and {after[id][0] for id in silver} == {"member"}
    assert world.mailed(gold, 1) == ["Welcome to gold"]
    assert undone(world.http, second)["refused"] == 0
    assert {world.state()[id][0] for id in gold} == {"member"}


def test_offboarding_of_who_leaves_a_group(world: World) -> None:
    people = world.people(10, role="viewer")
    sales, other = world.group("Sales", *people), world.group("Other", *people)
    rule = world.rule({"event": "group.member_removed", "group_id": sales}, {"do": "role", "role": "member"})
    world.switch_on(rule)
    before = world.state()
    leavers, stayers = list(people)[:6], list(people)[6:]
    for id in leavers:
        world.http.delete(f"/v1/groups/{sales}/members/{id}")
    for id in stayers:
        world.http.delete(f"/v1/groups/{other}/members/{id}")
    wait_until(lambda: changed(before, world.state()) == set(leavers), FAR)
    time.sleep(2.2)
    after = world.state()
    assert changed(before, after) == set(leavers) and {after[id][0] for id in leavers} == {"member"}
    for job in world.http.get(f"/v1/rules/{rule}/runs").json():
        undone(world.http, job)
    assert world.state() == before


def test_inactive_people_are_reminded_warned_suspended_and_told(world: World) -> None:
    idle = world.people(last_active_at=world.at(0), metadata={"plan": "idle"})
    steps = [
        {"do": "mail", "subject": "We miss you", "text": "It has been a while."},
        {"do": "mail", "subject": "7 days left", "text": "{{ link }}", "after_days": 60},
        {"do": "suspend", "after_days": 7},
        {"do": "mail", "subject": "Sorry to see you go", "text": "Your account was suspended."},
    ]
    # People of the tests before were never active: by their sign-up, they would be met, too.
    rule = world.rule({"after": "last_active_at", "days": 180}, *steps, who={"metadata": ["plan:idle"]})
    world.switch_on(rule)
    world.pass_days(179)
    time.sleep(2.2)
    assert not world.mail.mails and not world.preview(rule)
    before = world.state()
    world.pass_days(1.1)
    assert world.runs(rule, 1)[0]["whom"] == set(idle)
    world.pass_days(60)
    world.runs(rule, 2)
    back = next(iter(idle))
    login = {"purpose": "sign_in"}
    token = world.http.post(f"/v1/users/{back}/tokens", json=login).json()["token"]
    assert world.http.post("/v1/sessions", json={"token": token, "audience": "shop"}).is_success
    wait_until(lambda: world.http.get(f"/v1/users/{back}").json()["last_active_at"] > world.at(-1), FAR)
    world.pass_days(7)
    *_, suspended, _ = world.runs(rule, 4)
    gone = {id: email for id, email in idle.items() if id != back}
    assert suspended["action"] == "suspend" and suspended["whom"] == set(gone) and suspended["refused"] == 1
    assert changed(before, world.state()) == set(gone)
    world.mail.wait_for(lambda: len(world.mail.to(idle[back])) == 2)
    world.mail.mails = [mail for mail in world.mail.mails if mail.recipient != idle[back]]
    assert world.mailed(gone, 3) == ["7 days left", "Sorry to see you go", "We miss you"]
    assert undone(world.http, suspended)["changed"] == len(gone)
    assert world.state() == before


# ---- Okta's templates, as they are in the gallery


def test_abandoned_accounts_are_closed(world: World) -> None:
    abandoned = world.people(created_at=world.at(-10))
    world.people(5, created_at=world.at(-10), email_verified=True)
    world.people(5, created_at=world.at(-10), last_active_at=world.at(-9))
    rule = world.ready("close-unconfirmed", days=11)
    assert not world.preview(rule)
    before = world.state()
    world.switch_on(rule)
    world.pass_days(4.5)
    [job] = world.runs(rule, 1)
    assert job["whom"] == changed(before, world.state()) == set(abandoned)
    undone(world.http, job)
    assert world.state() == before


def test_contractors_hear_of_their_end_and_are_suspended_on_it(world: World) -> None:
    end = world.at(20)
    contractors = world.people(ends_at=end)
    longer = world.people(5, ends_at=world.at(20))
    rule = world.ready("warn-before-end")
    world.switch_on(rule)
    before = world.state()
    world.pass_days(5)
    assert not world.preview(rule)
    for id in longer:  # whose end was put off meanwhile
        assert world.http.patch(f"/v1/users/{id}", json={"ends_at": world.at(300)}).status_code == 200
    world.pass_days(1.5)
    assert world.runs(rule, 1)[0]["whom"] == set(contractors)
    assert world.mailed(contractors, 1) == [f"Your access ends on {end[:10]}"]
    world.pass_days(14)
    wait_until(lambda: changed(before, world.state()) == set(contractors), FAR)
    world.runs(rule, 1)
    assert {status for id, (_, status, *_) in world.state().items() if id in contractors} == {"suspended"}


def test_temporary_group_memberships_end(world: World) -> None:
    people = list(world.people(8))
    project, other = world.group("Project"), world.group("Other")
    step = {"do": "remove_from_group", "group_id": project, "after_days": 30}
    rule = world.rule({"event": "group.member_added", "group_id": project}, step)
    world.switch_on(rule)
    before = world.state(project, other)
    for group in (project, other):
        for id in people:
            world.join(group, id)
    early = people[0]
    wait_until(lambda: waiting(world, rule) == 8, FAR)
    world.http.delete(f"/v1/groups/{project}/members/{early}")
    world.pass_days(29)
    time.sleep(2.2)
    assert len(world.members(project)) == 7
    world.pass_days(1.1)
    [job] = world.runs(rule, 1)
    assert job["whom"] == set(people) - {early} and job["unchanged"] == 1, "a step that did nothing says so"
    assert not world.members(project) and len(world.members(other)) == 8
    assert changed(before, world.state(project, other)) == set(people)
    undone(world.http, job)
    assert {member["user_id"] for member in world.members(project)} == set(people) - {early}


def waiting(world: World, rule: str) -> int:
    return sum(step["waiting"] for step in world.http.post(f"/v1/rules/{rule}/preview").json()["steps"])


def test_inactive_members_are_suspended(world: World) -> None:
    idle = world.people(last_active_at=world.at(-80))
    world.people(5, last_active_at=world.at(-30))
    world.people(5, last_active_at=world.at(-80), role="admin")
    rule = world.ready("suspend-inactive")
    before = world.state()
    world.switch_on(rule)
    world.pass_days(10.5)
    assert world.runs(rule, 1)[0]["unchanged"] == SOME, "no one had a session"
    world.pass_days(14)
    _, job = world.runs(rule, 2)
    assert job["whom"] == changed(before, world.state()) == set(idle)
    undone(world.http, job)
    assert world.state() == before
    time.sleep(2.2)
    assert world.state() == before, "whoever is back isn't suspended again"


def test_who_is_suspended_for_long_is_deleted(world: World) -> None:
    gone = world.people()
    back = next(iter(gone))
    rule = world.ready("delete-suspended")
    world.switch_on(rule)
    for id in gone:
        world.http.post(f"/v1/users/{id}/suspend")
    before = world.state()
    world.pass_days(25)
    world.http.post(f"/v1/users/{back}/activate")
    before[back] = world.state()[back]
    world.pass_days(5.5)
    [job] = world.runs(rule, 1)
    assert job["whom"] == changed(before, world.state()) == set(gone) - {back}
    undone(world.http, job)
    assert world.state() == before


def test_groups_follow_an_attribute(world: World) -> None:
    group = world.group("Sales")
    rule = world.ready("group-by-attribute", group)
    world.switch_on(rule)
    before = world.state(group)
    sellers = world.people(metadata={"department": "sales"})
    others = world.people(5, metadata={"department": "support"})
    assert world.runs(rule, 1)[0]["whom"] == set(sellers)
    late = next(iter(others))
    world.http.patch(f"/v1/users/{late}", json={"metadata": {"department": "sales"}})
    world.pass_days(1.1)
    *_, job = world.runs(rule, 2)
    assert job["whom"] == {late}
    after = world.state(group)
    assert changed(before, after) == set(sellers) | set(others)
    assert {id for id, fields in after.items() if fields[3]} == {*sellers, late}
    for job in world.http.get(f"/v1/rules/{rule}/runs").json():
        undone(world.http, job)
    assert not world.members(group)
