"""kill -9 while the workflows of Keycloak and Okta run as rules, between and within their steps: each step happens once
for each person and occasion, no one outside the preview is touched, a mail comes again only with the same Message-ID, and
to undo the runs restores all. Two servers that both take themselves for the only one do nothing twice.

Six kills each in `make soak`. The long run is `ROLLBOOK_ROUNDS=100 ROLLBOOK_PEOPLE=100000`, a pytest `--timeout` of
hours and `-s`; ROLLBOOK_SEED repeats the choices of a run that failed.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from rollbook import clock
from rollbook.actions.ready_rules import all_ready
from rollbook.records.user_rules import DONE
from tests import postgres
from tests.callers import Connection, events, pages
from tests.contract.test_bulk_jobs import people, undone
from tests.crash.load import WIDE, kill_all
from tests.engines import engine, once
from tests.harness import Server
from tests.mail_server import MailServer, mail_server
from tests.nodes.pair import Pair, wait_until
from tests.nodes.pair import ask as query

__all__ = ["engine"]

KILLS = int(os.environ.get("ROLLBOOK_ROUNDS", "20"))
PEOPLE = int(os.environ.get("ROLLBOOK_PEOPLE", "400"))
SEED = int(os.environ.get("ROLLBOOK_SEED", "0")) or random.randrange(1, 100_000)
FLAGS = ("--mail-rate", "100000", "--mail-notices", "rule_stopped", *WIDE)
ADDRESS = "http://127.0.0.1:9"
FAR = 120 + PEOPLE / 50
"""Seconds that a busy machine has for what so many people wait for."""
DAYS, LAST_DAYS = 20, (20, 23, 26, 29)
"""Days that pass while it is killed, and then: fewer than jobs are kept, since their IDs are of the real clock."""
COHORTS = 6
"""Days on which the moment of people comes."""
WAVES = 40
"""Times at which others join or leave, so that no more jobs come of it than are kept."""
GROUPS = ("Team", "Project", "Sales")
WAVE = 12
DONE_BY = {
    "rule.mailed": 2,
    "user.updated": 1,
    "group.member_added": 1,
    "user.suspended": 1,
}
"""Events about each person that the rule is for."""


class Workflow(NamedTuple):
    """A rule, whom it finds, who has the same mark and is left alone, and what its steps say of each person."""

    when: Mapping[str, Any]
    steps: list[dict[str, Any]]
    who: Mapping[str, Any]
    of_moment: Mapping[str, Any]
    near: Mapping[str, Any]
    events: tuple[str, ...]


def at(days: float) -> str:
    """A time so many days from now on."""
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def mail(subject: str, after_days: int = 0) -> dict[str, Any]:
    return {"do": "mail", "subject": subject, "text": "Hello {{ user.email }}", "after_days": after_days}


def ready(key: str, of_moment: Mapping[str, Any], near: Mapping[str, Any], event: str, group: str = "") -> Workflow:
    """A rule of the gallery."""
    fields, needs = all_ready()[key].fields, all_ready()[key].needs
    steps = [dict(step) for step in fields["steps"]]
    for number, name in needs:
        steps[number][name] = group
    return Workflow(fields["when"], steps, fields["who"], of_moment, near, (event,))


def workflows(team: str, project: str, sales: str) -> dict[str, Workflow]:
    """Three of Keycloak, then six of Okta, with waits that fit into these days."""
    inactive = [mail("We miss you"), mail("3 days left", 5), {"do": "suspend", "after_days": 3}, mail("Good bye")]
    leave = {"do": "remove_from_group", "group_id": project, "after_days": 5}
    told = "rule.mailed"
    return {
        "onboarding": Workflow(
            {"event": "user.created"}, [mail("Hello"), {"do": "role", "role": "viewer"}], {}, {}, {},
            (told, "user.promoted"),
        ),
        "offboarding": Workflow(
            {"event": "group.member_removed", "group_id": team}, [{"do": "role", "role": "member"}], {},
            {"role": "viewer"}, {"role": "viewer"}, ("user.updated",),
        ),
        "inactivity": Workflow(
            {"after": "last_active_at", "days": 180}, inactive, {}, {"last_active_at": -180}, {"last_active_at": -1},
            (told, told, "user.suspended", told),
        ),
        "abandoned": ready("close-unconfirmed", {"created_at": -14}, {"email_verified": True}, "user.deleted"),
        "contractors": ready("warn-before-end", {"ends_at": 14}, {"ends_at": 90}, told),
        "temporary": Workflow(
            {"event": "group.member_added", "group_id": project}, [leave], {}, {}, {}, ("group.member_removed",)
        ),
        "inactive": ready(
            "suspend-inactive", {"last_active_at": -90}, {"last_active_at": -90, "role": "viewer"}, "user.suspended"
        ),
        "suspended": Workflow(
            {"after": "suspended_at", "days": 5}, [{"do": "delete"}], {}, {}, {}, ("user.deleted",)
        ),
        "attribute": ready(
            "group-by-attribute", {"metadata": {"department": "sales"}}, {"metadata": {"department": "support"}},
            "group.member_added", sales,
        ),
    }  # fmt: skip


class World:
    """A server full of people, with these workflows as rules. It is killed while time passes."""

    def __init__(self, server: Server, mails: MailServer) -> None:
        self.server, self.mails = server, mails
        self.chance = random.Random(SEED)
        self.struck, self._passed = 0, 0.0
        self._share = max(1, PEOPLE // 20)
        with server.http() as http:
            self.groups = [http.post("/v1/groups", json={"name": name}).json()["id"] for name in GROUPS]
            self.flows = workflows(*self.groups)
            self._import(http)
            self.ids = self._marked()
            self._job("add_to_group", self.ids["offboarding"] | self.ids["near offboarding"], group_id=self.groups[0])
            self._job("suspend", self.ids["suspended"])
            self.before = self.state()
            self.rules = {name: self._rule(http, name, flow) for name, flow in self.flows.items()}
        self._joining = {name: sorted(self.ids[name]) for name in ("offboarding", "temporary")}

    # ---- who is there

    def _import(self, http: httpx2.Client) -> None:
        rows = [self._row("bystanders", number, {"last_active_at": -1}) for number in range(PEOPLE // 10)]
        for name, flow in self.flows.items():
            if name != "onboarding":  # who come later
                rows += [self._row(name, number, flow.of_moment) for number in range(self._share)]
            rows += [self._row(f"near {name}", number, flow.near) for number in range(self._share)]
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        job = http.post("/v1/imports", content=content, headers={"content-type": "application/x-ndjson"}).json()
        wait_until(lambda: http.get(f"/v1/imports/{job['id']}").json()["finished_at"], FAR)
        job = http.get(f"/v1/imports/{job['id']}").json()
        assert job["added"] == len(rows), job
        if self.server.database:  # the tests' PostgreSQL doesn't do so by itself
            self.server.ask("ANALYZE")

    def _row(self, name: str, number: int, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A person. The days of their moments are spread over those of the cohorts, unless they are to stay away."""
        day = 1 + number % COHORTS
        times = {key: at(value + day * (abs(value) > 1)) for key, value in fields.items() if key.endswith("_at")}
        metadata = {"flow": name.removeprefix("near "), "as": name, **fields.get("metadata", {})}
        email = f"{name.replace(' ', '-')}.{number}@example.com"
        return {"name": "Ann", "email": email, **fields, **times, "metadata": metadata}

    def _marked(self) -> dict[str, set[str]]:
        """IDs by what people are in this test."""
        found: dict[str, set[str]] = {name: set() for name in self.flows}
        for user in everyone(self.server):
            found.setdefault(user["metadata"].get("as", "owner"), set()).add(user["id"])
        return found

    def state(self) -> dict[str, Any]:
        """Role, status, metadata and groups of everyone."""
        with Connection(self.server) as connection:
            members = [
                {member["user_id"] for member in pages(connection, f"/v1/groups/{group}/members?limit=1000")}
                for group in self.groups
            ]
        return {
            user["id"]: [user["role"], user["status"], user["metadata"], [user["id"] in group for group in members]]
            for user in everyone(self.server)
        }

    # ---- rules

    def _rule(self, http: httpx2.Client, name: str, flow: Workflow) -> str:
        who = {**flow.who, "metadata": [*flow.who.get("metadata", ()), f"flow:{name}"]}
        fields = {"name": name, "who": who, "steps": flow.steps, "max_users": 5_000_000}
        if "event" not in flow.when:
            self._check_preview(http, {**fields, "when": flow.when}, self.ids[name])
        answer = http.post("/v1/rules", json={**fields, "when": flow.when, "enabled": True})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def _check_preview(self, http: httpx2.Client, fields: dict[str, Any], ids: set[str]) -> None:
        """Whom it would be for once the days of all cohorts have come."""
        when = dict(fields["when"])
        when["days"] = max(0, when["days"] + (COHORTS + 1) * (1 if "before" in when else -1))
        shown = http.post("/v1/rules/preview", json={**fields, "when": when}).json()
        assert shown["count"] == len(ids), fields["name"]
        assert {user["id"] for user in shown["users"]} <= ids, fields["name"]

    def runs(self) -> list[dict[str, Any]]:
        """Of all rules, newest first."""
        with self.server.http() as http:
            found = [job for rule in self.rules.values() for job in runs_of(http, rule)]
        return sorted(found, key=lambda job: job["id"], reverse=True)

    def _job(self, action: str, ids: set[str] | list[str], **fields: Any) -> None:
        """By hand, ten thousand at a time."""
        ids = sorted(ids)
        with self.server.http() as http:
            for start in range(0, len(ids), 10_000):
                fields |= {"action": action, "ids": ids[start : start + 10_000]}
                job = http.post("/v1/bulk-jobs", json=fields).json()
                wait_until(lambda id=job["id"]: http.get(f"/v1/bulk-jobs/{id}").json()["finished_at"], FAR)

    # ---- what happens

    def wave(self, number: int, of: int) -> None:
        """New people come, some leave their team, and in the first half some join the project."""
        first, last = number * self._share // of, (number + 1) * self._share // of
        rows = [self._row("onboarding", each, {}) | {"op": "create"} for each in range(first, last)]
        with self.server.http() as http:
            for start in range(0, len(rows), 500):
                answer = http.post("/v1/users/bulk", json={"operations": rows[start : start + 500], "atomic": True})
                assert answer.status_code == 207, answer.text
        self._start("remove_from_group", self._joining["offboarding"][first:last], self.groups[0])
        first, last = (min(2 * bound, self._share) for bound in (first, last))
        self._start("add_to_group", self._joining["temporary"][first:last], self.groups[1])

    def _start(self, action: str, ids: list[str], group: str) -> None:
        if ids:
            with self.server.http() as http:
                answer = http.post("/v1/bulk-jobs", json={"action": action, "ids": ids, "group_id": group})
                assert answer.status_code == 201, answer.text

    def kill(self) -> None:
        """Most often while a job is under way or has just ended, otherwise at any moment."""
        until = time.monotonic() + self.chance.choice((0, 1, 3, 3))
        while time.monotonic() < until and not self._is_busy():
            time.sleep(0.01)
        time.sleep(self.chance.choice((0, 0.05, 0.3, 1.5)) * self.chance.random())
        self.struck += self._is_busy()
        kill_all(self.server)
        if self.server.database:  # as half a minute later
            self.server.ask("UPDATE leases SET until = clock_timestamp()")
            self.server.ask("UPDATE webhook_cursors SET until = 0")
        self.server.start()

    def _is_busy(self) -> bool:
        return bool(self.server.ask("SELECT 1 FROM bulk_jobs WHERE finished_at IS NULL LIMIT 1"))

    def pass_days(self, days: float) -> None:
        """So many in all."""
        self._passed = days * 86_400
        self.server.pass_time(self._passed)

    def settle(self) -> None:
        """Until no one is due for a step, and no job is under way, for longer than it takes to begin another."""
        quiet, until = 0, time.monotonic() + FAR
        while quiet < 10:
            now = int((time.time() + self._passed) * clock.SECOND)
            due = self.server.ask(f"SELECT 1 FROM rule_people WHERE step < {DONE} AND due_at <= {now} LIMIT 1")
            quiet = 0 if due or self._is_busy() else quiet + 1
            assert time.monotonic() < until, self.runs()[:5]
            time.sleep(0.5)

    # ---- what must hold

    def check(self) -> None:
        self.ids = self._marked() | {name: self.ids[name] for name in ("abandoned", "suspended")}
        assert len(self.ids["onboarding"]) == self._share
        with Connection(self.server) as connection:
            log = list(events(connection))
        runs = self.runs()
        assert {job["status"] for job in runs} == {"finished"}
        self._check_refused([job for job in runs if job["refused"]])
        jobs = {job["id"] for job in runs}
        touched = Counter(
            (event["user_id"], event["type"])
            for event in log
            if event["actor"]["request_id"] in jobs and event["type"] != "bulk_job.finished"
        )
        wanted = Counter(
            (id, type) for name, flow in self.flows.items() for id in self.ids[name] for type in flow.events
        )
        assert touched == wanted, (list((touched - wanted).items())[:5], list((wanted - touched).items())[:5])
        suspended = Counter(event["user_id"] for event in log if event["type"] == "user.suspended")
        assert {suspended[id] for id in self.ids["contractors"]} == {1}, "by the server, on their end date"
        print(f"{len(self.before)} users, {sum(wanted.values())} steps by {len(runs)} runs", end="; ")
        print(f"{self.struck} of {KILLS} kills while one was under way", end="; ")
        check_mails(self.mails, log)

    def _check_refused(self, runs: list[dict[str, Any]]) -> None:
        """PostgreSQL can store a job after the server that began it was killed and its successor began another: that finds
        its people further on."""
        with self.server.http() as http:
            refused = {job["id"]: http.get(f"/v1/bulk-jobs/{job['id']}/results?result=refused").text for job in runs}
        if refused:
            print(f"{len(runs)} runs of people who had gone on", end="; ")
        assert {json.loads(line)["code"] for text in refused.values() for line in text.splitlines()} <= {"left_alone"}

    def check_undo(self) -> None:
        expected = {id: [*fields[:3], list(fields[3])] for id, fields in self.before.items()}
        for id in self.ids["offboarding"]:
            expected[id][3][0] = False
        for id in self.ids["temporary"]:
            expected[id][3][1] = True
        for id in self.ids["contractors"]:
            expected[id][1] = "suspended"
        with self.server.http() as http:
            runs = self.runs()
            for job in runs:
                if job["changed"] and job["action"] not in ("mail", "end_sessions"):
                    ended = undone(http, job)
                    assert ended["status"] == "finished" and not ended["refused"], (job, ended)
        self.settle()
        state = self.state()
        assert {state.pop(id)[0] for id in self.ids["onboarding"]} == {"member"}
        wrong = {id: (state.get(id), fields) for id, fields in expected.items() if state.get(id) != fields}
        assert not wrong and len(state) == len(expected), list(wrong.items())[:5]
        assert len(self.runs()) == len(runs), "to undo is no occasion"


def everyone(server: Server) -> list[dict[str, Any]]:
    with Connection(server) as connection:
        return pages(connection, "/v1/users?fields=*&limit=1000")


def runs_of(http: httpx2.Client, rule: str) -> Iterator[dict[str, Any]]:
    """Newest first."""
    before: dict[str, str] = {}
    while batch := http.get(f"/v1/rules/{rule}/runs", params={"limit": "100", **before}).json():
        yield from batch
        before = {"before": batch[-1]["id"]}


def check_mails(mails: MailServer, log: list[dict[str, Any]]) -> None:
    wanted = {f"<{event['id']}@[127.0.0.1]>" for event in log if event["type"] == "rule.mailed"}
    mails.wait_for(lambda: len(mails.mails) >= len(wanted) and {each.id for each in mails.accepted} >= wanted, FAR)
    assert {each.id for each in mails.accepted} == wanted
    repeated = len(mails.accepted) - len(wanted)
    print(f"{len(wanted)} mails, {repeated} of them again with the same Message-ID; seed {SEED}")
    assert repeated <= KILLS


def test_kill_9_between_the_steps_of_workflows_repeats_none_and_leaves_none_out(engine: str, tmp_path: Path) -> None:
    print(f"ROLLBOOK_SEED={SEED}, {KILLS} kills, {PEOPLE} people, {engine}")
    with mail_server() as mails:
        server = Server(tmp_path / "data", *FLAGS, *mails.flags(ADDRESS))
        server.start()
        try:
            world = World(server, mails)
            every, settled = -(-KILLS // WAVES), 0.0
            for number in range(KILLS):
                days = DAYS * number / KILLS
                if days - settled > 3:  # a server that lives for no second in weeks tells no one of their end
                    world.settle()
                    settled = days
                world.pass_days(days)
                if number % every == 0:
                    world.wave(number // every, -(-KILLS // every))
                world.kill()
            world.settle()
            for days in LAST_DAYS:
                world.pass_days(days)
                world.settle()
            world.check()
            world.check_undo()
        finally:
            server.stop()


class Arrivals(threading.Thread):
    """New people without pause, whichever of the servers answers: for every second wave there is a rule."""

    def __init__(self, servers: list[Server]) -> None:
        super().__init__(daemon=True)
        self._servers = servers
        self._ended = threading.Event()
        self.start()

    def run(self) -> None:
        number = 0
        while not self._ended.wait(0.1):
            number += 1
            team = ("sales", "other")[number % 2]
            operations = [
                {
                    "op": "create",
                    "name": "Ann",
                    "email": f"{team}{number}.{each}@example.com",
                    "metadata": {"team": team},
                }
                for each in range(WAVE)
            ]
            with suppress(OSError, HTTPException), Connection(random.choice(self._servers), timeout=10) as connection:
                connection.call("POST", "/v1/users/bulk", {"operations": operations, "atomic": True})

    def end(self) -> None:
        self._ended.set()
        self.join()


@contextmanager
def under_way(servers: list[Server], mails: MailServer) -> Iterator[None]:
    with servers[0].http() as http:
        group = http.post("/v1/groups", json={"name": "Sales"}).json()["id"]
        _, before = people(http, 50)
        steps = [
            {"do": "mail", "subject": "Welcome", "text": "Hello {{ user.email }}"},
            {"do": "metadata", "metadata": {"seen": True}},
            {"do": "add_to_group", "group_id": group},
            {"do": "mail", "subject": "In the group", "text": "You are in."},
            {"do": "suspend"},
        ]
        fields = {"name": "Sales", "enabled": True, "who": {"metadata": ["team:sales"]}, "max_users": 1_000_000}
        answer = http.post("/v1/rules", json={**fields, "when": {"event": "user.created"}, "steps": steps})
        assert answer.status_code == 201, answer.text
    arrivals = Arrivals(servers)
    try:
        yield
    finally:
        arrivals.end()
    with servers[0].http() as http:
        check(http, servers[0], answer.json()["id"], group, mails)
        assert {http.get(f"/v1/users/{id}").json()["status"] for id in before} == {"active"}


def check(http: httpx2.Client, server: Server, rule: str, group: str, mails: MailServer) -> None:
    def sales() -> list[dict[str, Any]]:
        return [user for user in everyone(server) if user["metadata"].get("team") == "sales"]

    wait_until(lambda: {user["status"] for user in sales()} == {"suspended"}, 180)
    wait_until(lambda: all(job["finished_at"] for job in runs_of(http, rule)), 60)
    ids = {user["id"] for user in sales()}
    with Connection(server) as connection:
        log = list(events(connection))
    for type, times in DONE_BY.items():
        touched = Counter(event["user_id"] for event in log if event["type"] == type)
        assert set(touched) == ids, f"{type}: all of them, and no one else"
        assert set(touched.values()) == {times}, type
    print(f"{len(ids)} people", end="; ")
    check_mails(mails, log)
    for job in list(runs_of(http, rule)):
        if job["action"] != "mail" and job["changed"]:
            ended = undone(http, job)
            assert ended["refused"] == 0, ended
    assert not http.get(f"/v1/groups/{group}").json()["members"]
    assert {(user["status"], len(user["metadata"])) for user in sales()} == {("active", 1)}


@once
def test_two_servers_that_both_run_rules_and_are_killed_do_each_step_once(tmp_path: Path) -> None:
    with mail_server() as mails:
        nodes = Pair(tmp_path, postgres.migrated_database(), *FLAGS, *mails.flags(ADDRESS))
        try:
            nodes.start()
            with under_way([*nodes.both], mails):
                for round in range(KILLS):
                    until = time.monotonic() + random.uniform(1, 4)
                    while time.monotonic() < until:  # whoever has a lease loses it to the other, and goes on
                        query(
                            nodes.database,
                            "UPDATE leases SET until = clock_timestamp() WHERE name IN ('rules', 'bulk jobs')",
                        )
                        time.sleep(0.2)
                    kill_all(nodes.both[round % 2])
                    nodes.both[round % 2].start()
        finally:
            nodes.stop()
