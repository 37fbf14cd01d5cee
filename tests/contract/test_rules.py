"""Rules: what a team automates, with people taken in once for each occasion, in runs that are bulk jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from tests.contract.paths import RULE
from tests.contract.test_bulk_jobs import counts, people, results, statuses, undone
from tests.harness import Server, new_key, new_user, running
from tests.nodes.pair import wait_until

DAY = 86_400
FAR = 60


@pytest.fixture
def own(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, httpx2.Client]]:
    """A server of its own for tests that move its clock."""
    with running(tmp_path_factory.mktemp("own") / "data", "--rate-limit", "none") as server, server.http() as http:
        yield server, http


def rule(http: httpx2.Client, when: dict[str, Any], *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"name": "A rule", "enabled": True, "when": when, "steps": steps, **fields}
    answer = http.post("/v1/rules", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def runs(http: httpx2.Client, made: dict[str, Any]) -> list[dict[str, Any]]:
    """Its runs that have ended, oldest first."""
    jobs = http.get(f"/v1/rules/{made['id']}/runs").json()
    return [job for job in reversed(jobs) if job["finished_at"]]


def run(http: httpx2.Client, made: dict[str, Any], number: int) -> dict[str, Any]:
    """Its run of this number, from 0 on, when it has ended. It is kept for thirty days of the server's clock."""
    wait_until(lambda: len(runs(http, made)) > number, FAR)
    return runs(http, made)[number]


def status(http: httpx2.Client, user: dict[str, Any]) -> str:
    answer = http.get(f"/v1/users/{user['id']}")
    return answer.json()["status"] if answer.status_code == 200 else "deleted"


def test_who_is_suspended_for_long_is_deleted_once_and_who_comes_back_is_left_alone(
    own: tuple[Server, httpx2.Client],
) -> None:
    server, http = own
    gone, back, other = (new_user(http) for _ in range(3))
    for user in (gone, back):
        http.post(f"/v1/users/{user['id']}/suspend")
    made = rule(
        http,
        {"after": "suspended_at", "days": 10},
        {"do": "metadata", "metadata": {"leaving": True}},
        {"do": "delete", "after_days": 7},
    )
    assert http.post(f"/v1/rules/{made['id']}/preview").json()["count"] == 0
    server.pass_time(11 * DAY)
    first = run(http, made, 0)
    assert counts(first) == (2, 2, 0, 0) and first["action"] == "metadata" and first["rule_id"] == made["id"]
    preview = http.post(f"/v1/rules/{made['id']}/preview").json()
    assert preview["count"] == 0 and [step["waiting"] for step in preview["steps"]] == [0, 2]
    http.post(f"/v1/users/{back['id']}/activate")
    server.pass_time(19 * DAY)
    second = run(http, made, 1)
    assert counts(second) == (2, 1, 0, 1)
    assert [row["code"] for row in results(http, second) if row["user_id"] == back["id"]] == ["left_alone"]
    assert [status(http, user) for user in (gone, back, other)] == ["deleted", "active", "active"]
    assert counts(undone(http, second)) == (1, 1, 0, 0) and status(http, gone) == "suspended"
    server.pass_time(29 * DAY)  # later, its runs would be removed
    time.sleep(2.5)
    assert len(runs(http, made)) == 2


def test_an_event_begins_with_whom_it_is_about_if_they_match_and_rules_begin_nothing_themselves(
    http: httpx2.Client,
) -> None:
    group = http.post("/v1/groups", json={"name": "Sales"}).json()["id"]
    made = rule(
        http,
        {"event": "user.created"},
        {"do": "add_to_group", "group_id": group},
        {"do": "role", "role": "viewer"},
        who={"metadata": ["department:sales"]},
    )
    echo = rule(http, {"event": "group.member_added"}, {"do": "suspend"})
    new_user(http)
    seller = new_user(http, metadata={"department": "sales"})
    assert [run(http, made, number)["action"] for number in (0, 1)] == ["add_to_group", "role"]
    assert http.get(f"/v1/groups/{group}").json()["members"] == 1
    shown = http.get(f"/v1/users/{seller['id']}").json()
    assert (shown["role"], shown["status"]) == ("viewer", "active") and not runs(http, echo)
    for one in (made, echo):
        assert http.delete(f"/v1/rules/{one['id']}").status_code == 204
    assert http.get(f"/v1/rules/{made['id']}").status_code == 404


def test_who_was_never_active_is_inactive_from_their_sign_up_on(own: tuple[Server, httpx2.Client]) -> None:
    server, http = own
    never, active = new_user(http), new_user(http)
    made = rule(http, {"after": "last_active_at", "days": 90}, {"do": "suspend"}, who={"role": "member"})
    server.pass_time(60 * DAY)
    later = new_user(http)
    with server.http(new_key(http, user_id=active["id"])) as client:
        assert client.get(f"/v1/users/{active['id']}").status_code == 200
    wait_until(lambda: http.get(f"/v1/users/{active['id']}").json()["last_active_at"] is not None, FAR)
    time.sleep(2.5)
    assert not runs(http, made)
    server.pass_time(91 * DAY)
    assert counts(run(http, made, 0)) == (1, 1, 0, 0)
    assert [status(http, user) for user in (never, active, later)] == ["suspended", "active", "active"]
    server.pass_time(152 * DAY)
    wait_until(lambda: status(http, later) == status(http, active) == "suspended", FAR)


def test_a_rule_of_every_day_runs_once_a_day_and_catches_up_once(own: tuple[Server, httpx2.Client]) -> None:
    server, http = own
    new_user(http, metadata={"plan": "trial"})
    at = datetime.now(UTC)
    when = {"daily": f"{(at.hour + 2) % 24:02}:30", "zone": "UTC"}
    made = rule(http, when, {"do": "metadata", "metadata": {"seen": 1}}, who={"metadata": ["plan:trial"]})
    assert http.post(f"/v1/rules/{made['id']}/preview").json()["count"] == 1
    assert made["next_run_at"][11:16] == when["daily"]
    server.pass_time(3 * 3600)
    assert counts(run(http, made, 0)) == (1, 1, 0, 0)
    server.pass_time(0)  # the clock jumps back
    time.sleep(2.5)
    assert len(runs(http, made)) == 1
    server.pass_time(5 * DAY + 3 * 3600)
    assert counts(run(http, made, 1)) == (1, 0, 1, 0), "a step that did nothing says so"
    time.sleep(2.5)
    assert len(runs(http, made)) == 2, "once, and not for each day"


def test_a_clock_that_was_ahead_for_a_while_stops_no_rule_and_repeats_nothing(
    own: tuple[Server, httpx2.Client],
) -> None:
    server, http = own
    when, step = {"after": "created_at", "days": 0}, {"do": "metadata", "metadata": {"seen": 1}}
    made = rule(http, when, step, who={"metadata": ["plan:trial"]})
    new_user(http, metadata={"plan": "trial"})
    assert counts(run(http, made, 0)) == (1, 1, 0, 0)
    server.pass_time(20 * DAY)
    time.sleep(2.5)
    server.pass_time(0)
    new_user(http, metadata={"plan": "trial"})
    assert counts(run(http, made, 1)) == (1, 1, 0, 0)
    time.sleep(2.5)
    assert len(runs(http, made)) == 2


def test_a_rule_for_more_than_its_ceiling_waits_until_someone_says_how_many(http: httpx2.Client) -> None:
    mark, ids = people(http, 60)
    made = rule(
        http,
        {"after": "created_at", "days": 0},
        {"do": "suspend"},
        who={"metadata": [mark]},
        max_users=10,
    )
    path = f"/v1/rules/{made['id']}"
    wait_until(lambda: http.get(path).json()["waiting_count"] == 60, FAR)
    preview = http.post(f"{path}/preview").json()
    assert (preview["count"], len(preview["users"])) == (60, 60)
    assert not runs(http, made) and statuses(http, ids) == {"active"}
    waiting = http.get("/v1/events", params={"type": "rule.waiting", "order": "desc"}).json()
    assert [event["object"]["id"] for event in waiting].count(made["id"]) == 1
    assert http.post(f"{path}/run", json={"confirm_count": 59}).status_code == 400
    assert http.post(f"{path}/run").status_code == 200
    assert http.post(f"{path}/run", json={"confirm_count": 60}).json()["id"] == made["id"]
    done = run(http, made, 0)
    assert counts(done) == (60, 60, 0, 0) and http.get(path).json()["waiting_count"] is None
    undone(http, done)
    assert statuses(http, ids) == {"active"}
    http.delete(path)


def test_a_rule_that_waits_counts_who_still_matches_and_goes_on_unasked_when_they_are_few(
    own: tuple[Server, httpx2.Client],
) -> None:
    server, http = own
    made = rule(http, {"event": "user.created"}, {"do": "metadata", "metadata": {"seen": 1}}, max_users=4)
    path, people = f"/v1/rules/{made['id']}", [new_user(http) for _ in range(8)]
    wait_until(lambda: http.get(path).json()["waiting_count"] == 8, FAR)
    for user in people[:3]:
        http.delete(f"/v1/users/{user['id']}")
    server.pass_time(120)
    wait_until(lambda: http.get(path).json()["waiting_count"] == 5, FAR)
    assert not runs(http, made)
    for user in people[3:5]:
        http.delete(f"/v1/users/{user['id']}")
    server.pass_time(240)
    assert counts(run(http, made, 0)) == (8, 3, 0, 5) and http.get(path).json()["waiting_count"] is None
    new_user(http)
    assert counts(run(http, made, 1)) == (1, 1, 0, 0), "it has begun with three of four a day, and not with eight"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"who": {"q": "ann"}}, "who.q"),
        ({"who": {"email": "ann@example.com"}}, "who.email"),
        ({"who": {"rolle": "member"}}, "who.rolle"),
        ({"when": {"daily": "6:00"}}, "when.daily"),
        ({"when": {"daily": "06:00", "zone": "Mars/Olympus"}}, "when.zone"),
        ({"when": {"event": "webhook.created"}}, "when.event"),
        ({"when": {"before": "created_at", "days": 1}}, "when.before"),
        ({"when": {"after": "created_at"}}, "when.days"),
        ({"when": {"after": "created_at", "days": 1, "event": "user.created"}}, "when"),
        ({"when": {"after": "suspended_at", "days": 1}, "who": {"status": "active"}}, "who.status"),
        ({"steps": [{"do": "suspend", "role": "member"}]}, "steps[0].role"),
        ({"steps": [{"do": "suspend"}, {"do": "role"}]}, "steps[1].role"),
        ({"steps": [{"do": "run", "code": "1"}]}, "steps[0].do"),
        ({"steps": [{"do": "suspend"}] * 6}, "steps"),
    ],
)
def test_what_a_rule_cant_say_is_refused_with_its_place(
    http: httpx2.Client, fields: dict[str, Any], param: str
) -> None:
    answer = http.post("/v1/rules", json={**RULE, **fields})
    assert answer.status_code == 400 and answer.json()["param"] == param, answer.text


def test_a_rule_ends_with_the_right_of_whom_its_key_goes_back_to(http: httpx2.Client, server: Server) -> None:
    """Over two hops: an admin creates a key for another, who creates the key that the rule is created with."""
    first, second = new_user(http, role="admin"), new_user(http, role="admin")
    borrowed = new_key(server.http(new_key(http, user_id=first["id"])), user_id=second["id"])
    own_key = new_key(server.http(borrowed))
    made = rule(server.http(own_key), {"event": "user.suspended"}, {"do": "delete"})
    http.post(f"/v1/users/{first['id']}/suspend")
    victim = new_user(http)
    http.post(f"/v1/users/{victim['id']}/suspend")
    time.sleep(2.5)
    assert status(http, victim) == "suspended" and http.get(f"/v1/rules/{made['id']}").json()["enabled"]
    http.patch(f"/v1/users/{first['id']}", json={"role": "member"})
    path = f"/v1/rules/{made['id']}"
    wait_until(lambda: not http.get(path).json()["enabled"], FAR)
    assert "lost the right" in http.get(path).json()["stopped_reason"]
    assert status(http, victim) == "suspended"
    http.delete(path)
