"""Bulk jobs on two nodes: one of them runs a job, the other goes on when that one is killed, and either ends it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import httpx2

from tests import postgres
from tests.crash.load import kill_all
from tests.mail_server import mail_server
from tests.nodes.pair import WIDE, Pair, fill, wait_until
from tests.nodes.pair import ask as query

USERS = 150
"""Each of whom gets a mail."""
MANY = 4_000


def create(http: httpx2.Client, action: str, **fields: Any) -> dict[str, Any]:
    body = {"action": action, "filter": {"q": "filler"}, **fields}
    answer = http.post("/v1/bulk-jobs", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def state(http: httpx2.Client, job: dict[str, Any]) -> dict[str, Any]:
    return http.get(f"/v1/bulk-jobs/{job['id']}").json()


def ended(http: httpx2.Client, job: dict[str, Any]) -> dict[str, Any]:
    wait_until(lambda: state(http, job)["finished_at"])
    return state(http, job)


def subjects(nodes: Pair, type: str, job: dict[str, Any]) -> Counter[str]:
    """Users whom events of this type by this job are about."""
    sql = "SELECT user_id FROM {} WHERE type = $1 AND request_id = $2"
    rows = [
        row for table in ("events", "events_new") for row in query(nodes.database, sql.format(table), type, job["id"])
    ]
    return Counter(row["user_id"] for row in rows)


def is_led(nodes: Pair) -> bool:
    return query(nodes.database, "SELECT 1 FROM leases WHERE name = 'bulk jobs' AND until > clock_timestamp()") != []


def test_a_job_goes_on_at_the_other_node_and_mails_nobody_twice(tmp_path: Path) -> None:
    with mail_server() as mail:
        flags = (*WIDE, "--mail-rate", "60000", *mail.flags("http://127.0.0.1:8000"))
        nodes = Pair(tmp_path, postgres.migrated_database(), *flags)
        one, two = nodes.both
        try:
            one.start()
            wait_until(lambda: is_led(nodes))  # by the only one there is
            two.start()
            fill(nodes.database, USERS)
            with two.http() as http:
                job = create(http, "setup_links", send=True, confirm_count=USERS)
                # However far it has come by then: the promise holds wherever the node ends.
                wait_until(lambda: state(http, job)["done"])
                kill_all(one)
                end = ended(http, job)
                assert (end["status"], end["total"], end["changed"], end["refused"]) == ("finished", USERS, USERS, 0)
            assert set(subjects(nodes, "token.created", job).values()) == {1}
            addresses = {f"filler{number}@example.com" for number in range(USERS)}
            wait_until(lambda: {each.recipient for each in mail.accepted} >= addresses, 180)
            # What was on the wire when the node was killed may come again, and can be told by its ID.
            assert {each.recipient for each in mail.accepted} == addresses
            ids = {(each.recipient, each.id, each.link) for each in mail.accepted}
            assert len(ids) == USERS
            nodes.check_logs()
        finally:
            nodes.stop()


def test_the_node_that_does_not_run_a_job_cancels_it(tmp_path: Path) -> None:
    nodes = Pair(tmp_path, postgres.migrated_database(), *WIDE)
    one, two = nodes.both
    try:
        one.start()
        wait_until(lambda: is_led(nodes))
        two.start()
        fill(nodes.database, MANY)
        with two.http() as http, one.http() as runner:
            while True:  # until one is canceled before it has ended
                job = create(http, "suspend")
                wait_until(lambda job=job: state(http, job)["done"])
                canceled = http.post(f"/v1/bulk-jobs/{job['id']}/cancel").json()
                if canceled["status"] == "canceled":
                    break
                ended(http, create(http, "activate"))
            assert 0 < canceled["changed"] == canceled["done"] < MANY
            # Whoever runs it has come to the next one, and so does nothing more of this one.
            ended(http, create(http, "metadata", filter={"role": "owner"}, metadata={"seen": True}))
            assert state(http, job) == canceled
            suspended = subjects(nodes, "user.suspended", job)
            assert set(suspended.values()) == {1} and len(suspended) == canceled["changed"]
            undo = ended(http, runner.post(f"/v1/bulk-jobs/{job['id']}/undo").json())
            assert (undo["total"], undo["changed"]) == (canceled["changed"], canceled["changed"])
            assert http.get("/v1/users/count?status=suspended").json() == {"count": 0}
        nodes.check_logs()
    finally:
        nodes.stop()
