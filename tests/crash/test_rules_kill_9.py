"""kill -9 while rules run, between and within their steps: each step happens once for each person, no one else is
touched, and to undo the runs restores all. Two servers that both take themselves for the only one do nothing twice.

Six rounds each in `make soak`, more with ROLLBOOK_ROUNDS.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import httpx2

from tests import postgres
from tests.callers import Connection, events
from tests.contract.test_bulk_jobs import people, undone
from tests.crash.load import WIDE, kill_all
from tests.harness import Server
from tests.mail_server import MailServer, mail_server
from tests.nodes.pair import Pair, wait_until
from tests.nodes.pair import ask as query

ROUNDS = int(os.environ.get("ROLLBOOK_ROUNDS", "20"))
FLAGS = ("--mail-rate", "100000", "--mail-notices", "rule_stopped", *WIDE)
ADDRESS = "http://127.0.0.1:9"
WAVE = 12
DONE_BY = {
    "rule.mailed": 2,
    "user.updated": 1,
    "group.member_added": 1,
    "user.suspended": 1,
}
"""Events about each person that the rule is for."""


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
def under_way(servers: list[Server], mail: MailServer, kills: int) -> Iterator[None]:
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
        check(http, servers[0], answer.json()["id"], group, mail, kills)
        assert {http.get(f"/v1/users/{id}").json()["status"] for id in before} == {"active"}


def everyone(http: httpx2.Client) -> list[dict[str, Any]]:
    users: list[dict[str, Any]] = []
    while batch := http.get("/v1/users", params={"fields": "*", "limit": 1000, "offset": len(users)}).json():
        users += batch
    return users


def check(http: httpx2.Client, server: Server, rule: str, group: str, mail: MailServer, kills: int) -> None:
    def sales() -> list[dict[str, Any]]:
        return [user for user in everyone(http) if user["metadata"].get("team") == "sales"]

    wait_until(lambda: {user["status"] for user in sales()} == {"suspended"}, 180)
    wait_until(lambda: all(job["finished_at"] for job in http.get(f"/v1/rules/{rule}/runs?limit=200").json()), 60)
    ids = {user["id"] for user in sales()}
    with Connection(server) as connection:
        log = list(events(connection))
    for type, times in DONE_BY.items():
        touched = Counter(event["user_id"] for event in log if event["type"] == type)
        assert set(touched) == ids, f"{type}: all of them, and no one else"
        assert set(touched.values()) == {times}, type
    wanted = {f"<{event['id']}@[127.0.0.1]>" for event in log if event["type"] == "rule.mailed"}
    mail.wait_for(lambda: {each.id for each in mail.accepted} >= wanted, 120)
    assert {each.id for each in mail.accepted} == wanted
    repeated = len(mail.accepted) - len(wanted)
    print(f"{len(ids)} people, {len(wanted)} mails, {repeated} of them repeated by {kills} kills")
    assert repeated <= kills
    jobs = http.get(f"/v1/rules/{rule}/runs?limit=200").json()
    for job in jobs:
        if job["action"] != "mail" and job["changed"]:
            ended = undone(http, job)
            assert ended["refused"] == 0, ended
    if len(jobs) < 200:  # the others are older than those that are listed
        assert not http.get(f"/v1/groups/{group}").json()["members"]
        assert {(user["status"], len(user["metadata"])) for user in sales()} == {("active", 1)}


def test_kill_9_repeats_no_step_and_leaves_none_out(tmp_path: Path) -> None:
    with mail_server() as mail:
        server = Server(tmp_path / "data", *FLAGS, *mail.flags(ADDRESS))
        server.start()
        try:
            with under_way([server], mail, ROUNDS):
                for _ in range(ROUNDS):
                    time.sleep(random.uniform(0.2, 3))
                    kill_all(server)
                    server.start()
        finally:
            server.stop()


def test_two_servers_that_both_run_rules_and_are_killed_do_each_step_once(tmp_path: Path) -> None:
    with mail_server() as mail:
        nodes = Pair(tmp_path, postgres.migrated_database(), *FLAGS, *mail.flags(ADDRESS))
        try:
            nodes.start()
            with under_way([*nodes.both], mail, ROUNDS):
                for round in range(ROUNDS):
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
