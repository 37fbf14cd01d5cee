"""Users who are invited: they have no password until they set one, and all else like everybody."""

from __future__ import annotations

import json
import time
from itertools import count
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import Log, refused
from tests.harness import Server, new_key, new_user
from tests.nodes.pair import wait_until
from tests.visitor import set_password, sign_in, visitor

PASSWORD = "a few random words"
HASHED = 'rollbook_password_hashes_total{outcome="done"}'
numbers = count(time.time_ns() // 1000)


def body(**fields: Any) -> dict[str, Any]:
    return {"name": "Ines Invited", "email": f"invited{next(numbers)}@example.com", "status": "invited", **fields}


def invited(http: httpx2.Client, **fields: Any) -> dict[str, Any]:
    answer = http.post("/v1/users", json=body(**fields), params={"fields": "*"})
    assert answer.status_code == 201, answer.text
    return answer.json()


def status(http: httpx2.Client, user: dict[str, Any]) -> str:
    return http.get(f"/v1/users/{user['id']}").json()["status"]


def hashes(http: httpx2.Client) -> int:
    lines = http.get("/metrics").text.splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(HASHED))


# ---- created


def test_an_invited_user_needs_no_password_and_is_listed_filtered_and_counted(http: httpx2.Client) -> None:
    log = Log(http)
    user = invited(http)
    assert (user["status"], user["role"], user["email_verified"]) == ("invited", "member", False)
    [event] = log.news()
    assert (event["type"], event["object"]["status"]) == ("user.created", "invited")
    asked = {"status": "invited", "email": user["email"]}
    assert [found["id"] for found in http.get("/v1/users", params=asked).json()] == [user["id"]]
    assert http.get("/v1/users/count", params=asked).json() == {"count": 1}
    assert http.get("/v1/users/count", params=asked | {"status": "active"}).json() == {"count": 0}
    newest = {"status": "invited", "sort": "-created_at", "limit": "1"}
    assert http.get("/v1/users", params=newest).json()[0]["id"] == user["id"]
    exported = http.get("/v1/exports", params={"format": "ndjson", **asked}).text.splitlines()
    assert [json.loads(line)["status"] for line in exported] == ["invited"]


def test_a_password_is_required_without_the_status_and_refused_with_it(http: httpx2.Client) -> None:
    log = Log(http)
    with log.silent():
        both = refused(http.post("/v1/users", json=body(password=PASSWORD)), errors.InvalidParameter)
        neither = body()
        del neither["status"]
        none = refused(http.post("/v1/users", json=neither), errors.InvalidParameter)
        other = refused(http.post("/v1/users", json=body(status="active")), errors.InvalidParameter)
        all_missing = refused(http.post("/v1/users", json={}), errors.InvalidParameter)
    assert (both["param"], none["param"], other["param"]) == ("password", "password", "status")
    assert none["error"] == "password is required, unless the status is invited."
    assert [fault["param"] for fault in all_missing["errors"]] == ["name", "email", "password"]


def test_bulk_and_import_create_invited_users_and_no_password_with_them(http: httpx2.Client) -> None:
    operations = [{"op": "create", **body()}, {"op": "create", **body(password=PASSWORD)}]
    made = http.post("/v1/users/bulk", json={"operations": operations}).json()["results"]
    assert [each["status"] for each in made] == [201, 400]
    assert status(http, made[0]["user"]) == "invited"

    hash = "$2b$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
    rows = [body(), body(password=PASSWORD), body(password_hash=hash), body(status="active")]
    job = imported(http, *rows)
    assert (job["added"], job["refused"]) == (2, 2)
    found = [http.get("/v1/users", params={"email": row["email"], "fields": "*"}).json() for row in rows]
    assert [[user["status"] for user in users] for users in found] == [["invited"], [], [], ["active"]]

    # Who is there is not invited again, and a password from the file makes an invited user active.
    active = http.get("/v1/users", params={"email": rows[3]["email"]}).json()[0]
    log = Log(http)
    again = imported(http, rows[0] | {"status": "active", "password": PASSWORD}, rows[3] | {"status": "invited"})
    assert (again["updated"], again["unchanged"]) == (1, 1)
    assert (status(http, found[0][0]), status(http, active)) == ("active", "active")
    changes = [(event["type"], event["before"]) for event in log.news() if event["type"].startswith("user.")]
    assert changes == [("user.password_changed", None), ("user.activated", {"status": "invited"})]


def imported(http: httpx2.Client, *rows: dict[str, Any]) -> dict[str, Any]:
    content = "".join(json.dumps(row) + "\n" for row in rows)
    job = http.post("/v1/imports", params={"on_conflict": "update"}, content=content.encode()).json()
    deadline = time.monotonic() + 60
    while job["status"] not in ("finished", "failed"):
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
        job = http.get(f"/v1/imports/{job['id']}").json()
    return job


# ---- signing in


def test_signing_in_is_a_wrong_password_for_the_same_work(server: Server, http: httpx2.Client) -> None:
    user, settled = invited(http), hashes(http)
    known = new_user(http)
    wait_until(lambda: hashes(http) > settled)  # each second; of those before, at most one is still missing
    texts: list[str] = []
    before = hashes(http)
    for email in (user["email"], known["email"], f"nobody{next(numbers)}@example.com"):
        credentials = {"email": email, "password": PASSWORD}
        answer = refused(http.post("/v1/users/verify-password", json=credentials), errors.WrongPassword)
        with visitor(server) as person:
            page = sign_in(person, email, PASSWORD)
        assert page.status_code == 401
        texts += [answer["error"], page.text.replace(email, "")]
    assert len(set(texts[::2])) == len(set(texts[1::2])) == 1
    assert status(http, user) == "invited"
    wait_until(lambda: hashes(http) >= before + 6)  # without those of the invited user, at most five


def test_keys_of_an_invited_user_work(server: Server, http: httpx2.Client) -> None:
    user = invited(http, role="viewer")
    with server.http(new_key(http, user_id=user["id"])) as own:
        assert own.get("/v1/users/me").json()["status"] == "invited"
        assert own.post("/v1/webhooks", json={"url": "inbox"}).status_code == 201


# ---- the first password


def by_link(server: Server, http: httpx2.Client, user: dict[str, Any]) -> None:
    link = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "invite"}).json()["url"]
    with visitor(server) as person:
        assert set_password(person, link, PASSWORD).status_code == 303


def by_an_admin(server: Server, http: httpx2.Client, user: dict[str, Any]) -> None:
    assert http.put(f"/v1/users/{user['id']}/password", json={"password": PASSWORD}).status_code == 204


def by_their_key(server: Server, http: httpx2.Client, user: dict[str, Any]) -> None:
    with server.http(new_key(http, user_id=user["id"])) as own:
        assert own.put("/v1/users/me/password", json={"password": PASSWORD}).status_code == 204


@pytest.mark.parametrize("sets", [by_link, by_an_admin, by_their_key])
def test_the_first_password_makes_them_active(server: Server, http: httpx2.Client, sets: Any) -> None:
    user = invited(http)
    log = Log(http)
    sets(server, http, user)
    [changed, activated] = [
        event for event in log.news() if event["type"] in ("user.password_changed", "user.activated")
    ]
    assert (changed["type"], activated["before"]) == ("user.password_changed", {"status": "invited"})
    assert activated["object"]["status"] == status(http, user) == "active"
    answer = http.post("/v1/users/verify-password", json={"email": user["email"], "password": PASSWORD})
    assert answer.status_code == 200


# ---- other changes


def test_nobody_is_invited_again(server: Server, http: httpx2.Client) -> None:
    user, known = invited(http), new_user(http)
    key = new_key(http, user_id=known["id"])
    log = Log(http)
    with log.silent():
        answer = refused(http.patch(f"/v1/users/{known['id']}", json={"status": "invited"}), errors.InvalidParameter)
        assert answer["param"] == "status"
        with server.http(key) as own:
            refused(own.patch("/v1/users/me", json={"status": "invited"}), errors.InsufficientScope)
        # What was read is sent back, and to activate a user only ends a suspension.
        assert http.put(f"/v1/users/{user['id']}", json={"status": "invited"}).status_code == 200
        assert http.patch(f"/v1/users/{user['id']}", json={"status": "active"}).status_code == 200
        assert http.post(f"/v1/users/{user['id']}/activate").status_code == 200
    assert status(http, user) == "invited"


def test_a_suspended_user_is_invited_again_until_they_have_a_password(http: httpx2.Client) -> None:
    user, path = invited(http), "/v1/users/{id}"
    log = Log(http)
    http.post(path.format(**user) + "/suspend")
    assert status(http, user) == "suspended"
    http.post(path.format(**user) + "/activate")
    assert status(http, user) == "invited"
    http.post(path.format(**user) + "/suspend")
    http.put(path.format(**user) + "/password", json={"password": PASSWORD})
    assert status(http, user) == "suspended", "a password ends no suspension"
    http.patch(path.format(**user), json={"status": "active"})
    assert status(http, user) == "active"
    changes = [(event["type"], event["before"], event["object"]["status"]) for event in log.news()]
    assert changes == [
        ("user.suspended", {"status": "invited"}, "suspended"),
        ("user.activated", {"status": "suspended"}, "invited"),
        ("user.suspended", {"status": "invited"}, "suspended"),
        ("user.password_changed", None, "suspended"),
        ("user.activated", {"status": "suspended"}, "active"),
    ]


def test_an_invited_owner_is_no_other_owner(http: httpx2.Client) -> None:
    invited(http, role="owner")
    refused(http.patch("/v1/users/me", json={"role": "member"}), errors.LastOwner)


@pytest.mark.parametrize(("role", "to"), [("member", "/account"), ("admin", "/admin")])
def test_whoever_accepts_an_invitation_lands_on_their_profile_and_not_on_api_keys(
    server: Server, http: httpx2.Client, role: str, to: str
) -> None:
    user = invited(http, role=role)
    made = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "invite"}).json()
    with visitor(server, **{"Accept-Language": "de"}) as person:
        page = person.get("/account/invitation", params={"token": made["token"]})
        assert 'lang="de"' in page.text
        form = {"token": made["token"], "name": "Ines", "password": PASSWORD}
        answer = person.post("/account/invitation", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, to)
