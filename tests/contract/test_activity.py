"""When users were last active and when they end: how both are kept, and that lists filter and sort by them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.contract.expect import faults, ids, pages
from tests.harness import Server, new_key, new_user, running
from tests.valkey import wait_for

HOUR = 3_600
PASSWORD = "securepassword123"


@pytest.fixture
def own(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, httpx2.Client]]:
    """A server of its own for tests that move its clock."""
    with running(tmp_path_factory.mktemp("own") / "data", "--rate-limit", "none") as server, server.http() as http:
        yield server, http


def ahead(**delta: float) -> str:
    return f"{datetime.now(UTC) + timedelta(**delta):%Y-%m-%dT%H:%M:%SZ}"


def user_of(http: httpx2.Client, id: str) -> dict[str, Any]:
    return http.get(f"/v1/users/{id}").json()


def of_type(http: httpx2.Client, id: str, type: str) -> list[dict[str, Any]]:
    return http.get("/v1/events", params={"user": id, "type": type}).json()


def test_activity_is_the_latest_sign_in_session_or_call_to_the_minute_and_changes_nothing_else(
    own: tuple[Server, httpx2.Client],
) -> None:
    server, http = own
    caller, verified, refreshed, idle = (new_user(http) for _ in range(4))
    key = new_key(http, user_id=caller["id"])
    tokens = {}
    for user in (verified, refreshed):
        body = {"email": user["email"], "password": PASSWORD, "audience": "shop"}
        tokens[user["id"]] = http.post("/v1/sessions", json=body).json()
        signed_in = user_of(http, user["id"])
        assert signed_in["last_active_at"] == f"{signed_in['last_sign_in_at'][:-3]}00Z", "to the minute"
    server.pass_time(120)
    before = {user["id"]: http.get(f"/v1/users/{user['id']}") for user in (caller, verified, refreshed, idle)}
    events = http.get("/v1/events?limit=1").headers["event-position"]
    assert httpx2.get(f"{server.url}/v1/users/me", headers={"authorization": f"Bearer {key}"}).status_code == 200
    for user, call in ((verified, "verify"), (refreshed, "refresh")):
        field = {"verify": "token", "refresh": "refresh_token"}[call]
        body = {field: tokens[user["id"]][field], "audience": "shop"}
        assert http.post(f"/v1/sessions/{call}", json=body).status_code == 200
    for user in (caller, verified, refreshed):
        was = before.pop(id := user["id"])
        wait_for(lambda id=id, was=was: _is_later(user_of(http, id), was.json()))  # type: ignore[misc]
        after = http.get(f"/v1/users/{id}")
        assert after.headers["etag"] == was.headers["etag"]
        at = after.json()["last_active_at"]
        assert after.json() == {**was.json(), "last_active_at": at} and at.endswith(":00Z")
    assert user_of(http, idle["id"])["last_active_at"] is None
    assert http.get("/v1/events?limit=1").headers["event-position"] == events
    id, earlier = caller["id"], user_of(http, caller["id"])["last_active_at"]
    assert http.patch(f"/v1/users/{id}", json={"last_active_at": None, "name": "Other"}).status_code == 200
    assert user_of(http, id)["last_active_at"] == earlier, "read only"
    http.delete(f"/v1/users/{id}")
    http.post(f"/v1/users/{id}/restore")
    assert user_of(http, id)["last_active_at"] == earlier
    then = http.get(f"/v1/users/{id}", params={"at": of_type(http, id, "user.created")[0]["id"]}).json()
    assert "last_active_at" not in then and "last_active_at" in then["unknown_fields"]


def _is_later(user: dict[str, Any], before: dict[str, Any]) -> bool:
    return (user["last_active_at"] or "") > (before["last_active_at"] or "")


def test_who_ends_is_suspended_once_by_the_system_and_activation_clears_the_end(
    own: tuple[Server, httpx2.Client],
) -> None:
    server, http = own
    end = ahead(hours=1)
    made = [new_user(http, password=PASSWORD, ends_at=end)["id"] for _ in range(3)]
    later = new_user(http, ends_at=ahead(hours=9))["id"]
    key = new_key(http, user_id=made[0])
    assert user_of(http, made[0])["ends_at"] == end
    http.delete(f"/v1/users/{made[1]}")
    server.stop()  # who ends meanwhile is caught up with
    server.pass_time(HOUR + 10)
    server.start()
    with server.http() as http:
        wait_for(lambda: {user_of(http, id)["status"] for id in (made[0], made[2])} == {"suspended"})
        assert user_of(http, later)["status"] == "active"
        [event] = of_type(http, made[0], "user.suspended")
        assert event["actor"]["user_id"] is event["actor"]["key_id"] is None
        assert (event["before"], event["object"]["ends_at"]) == ({"status": "active"}, end)
        refused = httpx2.get(f"{server.url}/v1/users/me", headers={"authorization": f"Bearer {key}"})
        assert refused.json()["code"] == "user_suspended"
        # A restored user ends as well.
        assert http.post(f"/v1/users/{made[1]}/restore").status_code == 200
        wait_for(lambda: user_of(http, made[1])["status"] == "suspended")
        # Read, change, write: an end that has passed is no new one.
        whole = user_of(http, made[0])
        sent = {name: whole[name] for name in ("name", "email", "status", "ends_at")}
        assert http.put(f"/v1/users/{made[0]}", json={**sent, "name": "Other"}).status_code == 200
        for url in (f"/v1/users/{made[0]}", f"/v1/users/{later}"):
            assert faults(http.patch(url, json={"ends_at": ahead(hours=-2)})) == ["ends_at"]
        assert faults(http.post("/v1/users", json={**sent, "status": "invited", "email": "x@example.com"})) == [
            "ends_at"
        ]
        assert http.post(f"/v1/users/{made[0]}/activate").status_code == 200
        assert user_of(http, made[0])["ends_at"] is None
        [event] = of_type(http, made[0], "user.activated")
        assert event["before"] == {"status": "suspended", "ends_at": end}
        # To undo that puts back no end that has passed, but the suspension.
        undone = http.post(f"/v1/events/{event['id']}/revert", json={}).json()
        assert [field["field"] for field in undone["not_reverted"]] == ["ends_at"]
        assert (user_of(http, made[0])["status"], user_of(http, made[0])["ends_at"]) == ("suspended", None)
        assert len(of_type(http, made[2], "user.suspended")) == 1


def test_the_last_owner_stays_until_there_is_another(own: tuple[Server, httpx2.Client]) -> None:
    server, http = own
    owner = http.get("/v1/users/me").json()["id"]
    assert http.patch(f"/v1/users/{owner}", json={"ends_at": ahead(hours=1)}).status_code == 200
    other = new_user(http, ends_at=ahead(hours=1))["id"]
    server.pass_time(HOUR + 10)
    wait_for(lambda: user_of(http, other)["status"] == "suspended")
    assert user_of(http, owner)["status"] == "active"
    new_user(http, role="owner")
    wait_for(lambda: http.get("/v1/users/me").json().get("code") == "user_suspended")


def test_an_end_is_changed_for_many_and_put_back(own: tuple[Server, httpx2.Client]) -> None:
    _, http = own
    early, late = ahead(days=1), ahead(days=30)
    made = [new_user(http, ends_at=early)["id"], new_user(http)["id"]]
    body = {"action": "ends_at", "ends_at": late, "ids": made}
    assert faults(http.post("/v1/bulk-jobs", json={**body, "ends_at": ahead(days=-1)})) == ["ends_at"]
    assert faults(http.post("/v1/bulk-jobs", json={"action": "ends_at", "ids": made})) == ["ends_at"]

    def done(answer: httpx2.Response) -> dict[str, Any]:
        assert answer.status_code == 201, answer.text
        path = f"/v1/bulk-jobs/{answer.json()['id']}"
        wait_for(lambda: http.get(path).json()["finished_at"])
        return http.get(path).json()

    job = done(http.post("/v1/bulk-jobs", json=body))
    assert (job["changed"], job["ends_at"]) == (2, late)
    assert [user_of(http, id)["ends_at"] for id in made] == [late, late]
    assert done(http.post(f"/v1/bulk-jobs/{job['id']}/undo"))["changed"] == 2
    assert [user_of(http, id)["ends_at"] for id in made] == [early, None]
    assert done(http.post("/v1/bulk-jobs", json={**body, "ends_at": None}))["changed"] == 1
    assert [user_of(http, id)["ends_at"] for id in made] == [None, None]


FACTS = ("last_active_at", "ends_at")


@pytest.fixture(scope="module")
def facts(
    engine: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx2.Client, list[dict[str, Any]]]]:
    """A server with users who were active, end, verified, suspended and have second factors in all combinations, and
    all users in the order in which they were added."""
    with running(tmp_path_factory.mktemp("facts") / "data", "--rate-limit", "none") as server, server.http() as http:
        rows = [
            {
                "name": "AB"[number % 2],
                "email": f"u{number}@example.com",
                "created_at": f"2020-01-{number % 28 + 1:02}T00:00:00Z",
                **({"last_active_at": f"2021-0{number % 3 + 1}-01T00:00:00Z"} if number % 4 else {}),
                **({"last_sign_in_at": "2020-06-01T00:00:00Z"} if number == 4 else {}),
                **({"ends_at": f"2090-0{number % 2 + 1}-01T00:00:00Z"} if number % 3 == 0 else {}),
                **({"email_verified": True} if number % 5 == 0 else {}),
                **({"totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"} if number % 7 == 0 else {}),
            }
            for number in range(36)
        ]
        file = "\n".join(json.dumps(row) for row in rows).encode()
        answer = http.post("/v1/imports", content=file, headers={"content-type": "application/x-ndjson"})
        wait_for(lambda: http.get(f"/v1/imports/{answer.json()['id']}").json()["finished_at"])
        users = http.get("/v1/users?limit=1000&fields=*").json()
        for user in users[2::9]:
            assert http.post(f"/v1/users/{user['id']}/suspend").status_code == 200
        users = http.get("/v1/users?limit=1000&fields=*").json()
        for user, row in zip(users[1:], rows, strict=True):
            user["second_factor"] = "totp_secret" in row
            user["last_active_at"] = row.get("last_active_at", row.get("last_sign_in_at"))
            assert user_of(http, user["id"])["last_active_at"] == user["last_active_at"]
        wait_for(lambda: user_of(http, users[0]["id"])["last_active_at"])  # whose key asks
        users[0] |= {"second_factor": False, "last_active_at": "2100-01-01T00:00:00Z"}
        yield http, users


def test_lists_filter_by_activity_end_verification_factor_and_status(
    facts: tuple[httpx2.Client, list[dict[str, Any]]],
) -> None:
    http, users = facts
    filters: dict[str, Callable[[dict[str, Any]], bool]] = {
        "active_before=2021-02-01T00:00:00Z": lambda user: "" < (user["last_active_at"] or "") < "2021-02-01T00:00:00Z",
        "active_after=2021-01-31T23:59:59Z": lambda user: (user["last_active_at"] or "") > "2021-01-31T23:59:59Z",
        "active_before=never": lambda user: user["last_active_at"] is None,
        "active_after=never": lambda user: user["last_active_at"] is not None,
        "ends_before=2090-01-02T00:00:00Z": lambda user: (user["ends_at"] or "9") < "2090-01-02T00:00:00Z",
        "ends_after=2090-01-02T00:00:00Z": lambda user: (user["ends_at"] or "") > "2090-01-02T00:00:00Z",
        "email_verified=true": lambda user: user["email_verified"],
        "email_verified=false": lambda user: not user["email_verified"],
        "second_factor=true": lambda user: user["second_factor"],
        "second_factor=false": lambda user: not user["second_factor"],
        "status_since_before=2020-01-15T00:00:00Z": lambda user: (
            user["status"] == "active" and user["created_at"] < "2020-01-15T00:00:00Z"
        ),
        "status_since_before=2099-01-15T00:00:00Z&status=suspended": lambda user: user["status"] == "suspended",
    }
    orders = ["", "-last_active_at", "last_active_at", "ends_at", "-ends_at", "ends_at,name", "created_at,-ends_at"]
    for number, (query, passes) in enumerate(filters.items()):
        expected = [user for user in users if passes(user)]
        assert 0 < len(expected) < len(users), query
        assert http.get(f"/v1/users/count?{query}").json() == {"count": len(expected)}, query
        for more in ("", "&role=member", "&q=u1"):
            some = [
                user["id"]
                for user in expected
                if (not more or user["role"] == "member") and ("q" not in more or user["email"].startswith("u1"))
            ]
            assert ids(list(pages(http, f"/v1/users?limit=5&{query}{more}"))) == some, (query, more)
        for sort in orders if number < 3 else orders[number % 7 :][:1]:
            found = list(pages(http, f"/v1/users?limit=5&{query}" + (f"&sort={sort}" if sort else "")))
            assert ids(found) == in_order(expected, sort), (query, sort)
        exported = http.get(f"/v1/exports?{query}").text.splitlines()
        assert [json.loads(line)["id"] for line in exported] == [user["id"] for user in expected], query
    body = {"action": "metadata", "metadata": {"a": "b"}, "filter": {"active_before": "never", "second_factor": False}}
    job = http.post("/v1/bulk-jobs", json=body).json()
    assert job["total"] == len([user for user in users if not user["last_active_at"] and not user["second_factor"]])
    assert job["filter"] == {"kind": "person", "active_before": "never", "second_factor": False}


def test_lists_sort_by_activity_and_end(facts: tuple[httpx2.Client, list[dict[str, Any]]]) -> None:
    http, users = facts
    for sort in ("last_active_at", "-last_active_at", "ends_at", "-ends_at", "-last_active_at,name", "ends_at,-name"):
        expected = in_order(users, sort)
        forth = list(pages(http, f"/v1/users?limit=7&sort={sort}"))
        assert ids(forth) == expected, sort
        back = list(pages(http, str(forth[-1].url), "prev"))
        assert [id for page in reversed(back) for id in ids([page])] == expected, sort
        assert ids([http.get(f"/v1/users?limit=7&offset=5&sort={sort}&fields=*")]) == expected[5:12], sort
        found = list(pages(http, f"/v1/users?limit=7&sort={sort}&q=example&role=member"))
        assert ids(found) == [id for id in expected if id != users[0]["id"]], sort


def in_order(users: list[dict[str, Any]], sort: str) -> list[str]:
    """Who never was active comes first, who has no end last."""
    found = list(users)
    if not sort:
        return [user["id"] for user in found]
    if sort.split(",")[-1].startswith("-"):
        found.reverse()
    absent = {"last_active_at": "", "ends_at": "9999"}
    for part in reversed(sort.split(",")):
        name = part.removeprefix("-")
        if name == "created_at":
            found.sort(key=lambda user: user["created_at"], reverse=part != name)
        else:
            found.sort(key=lambda user, name=name: user[name] or absent[name], reverse=part != name)  # type: ignore[misc]
    return [user["id"] for user in found]
