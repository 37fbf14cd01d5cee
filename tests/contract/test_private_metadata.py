"""Private metadata: what the company keeps of users and they don't see, by no way."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests import assistant
from tests.contract.expect import refused
from tests.harness import Server, new_key, new_token, new_user
from tests.visitor import signed_in

Client = httpx2.Client
SECRET = "cus_42-never-shown-to-them"
PRIVATE = {"stripe_customer": SECRET, "fraud_score": 87}
BOTH = {"metadata": {"plan": "free"}, "private_metadata": PRIVATE}


def _all_pages(server: Server, user: dict[str, Any]) -> str:
    with signed_in(server, user) as person:
        paths = ["/account", "/account/export", "/account/keys", "/account/requests", f"/admin/users/{user['id']}"]
        paths += [f"/admin/users/{user['id']}/{tab}" for tab in ("events", "at", "as-of")]
        return " ".join([person.get(path).text for path in paths])


READINGS: dict[str, Callable[[Client, str], str]] = {
    "me": lambda by, id: by.get("/v1/users/me").text,
    "by ID": lambda by, id: by.get(f"/v1/users/{id}").text,
    "every field": lambda by, id: by.get("/v1/users/me?fields=*").text,
    "the field": lambda by, id: by.get("/v1/users/me?fields=private_metadata").text,
    "an update": lambda by, id: by.patch("/v1/users/me?fields=*", json={"name": "Al"}).text,
    "export": lambda by, id: by.get("/v1/users/me/export").text,
    "list": lambda by, id: by.get("/v1/users?fields=*").text,
    "filter": lambda by, id: by.get("/v1/users?metadata=fraud_score:87").text,
    "file": lambda by, id: by.get("/v1/exports").text,
    "events": lambda by, id: by.get("/v1/events").text,
    "as of a time": lambda by, id: by.get(f"/v1/users/{id}?at=2026-01-01T00:00:00Z").text,
    "requests": lambda by, id: by.get("/v1/requests").text,
    "SCIM": lambda by, id: by.get(f"/scim/v2/Users/{id}").text,
    "MCP": lambda by, id: json.dumps(assistant.call(by, "get_user", user="me")),
}


def test_members_never_see_their_own(server: Server, http: Client) -> None:
    user = new_user(http, **BOTH)
    assert http.patch(f"/v1/users/{user['id']}", json={"private_metadata": {"fraud_score": 88}}).status_code == 200
    member = server.http(new_key(http, user_id=user["id"]))
    for name, read in READINGS.items():
        found = read(member, user["id"])
        assert SECRET not in found and "fraud_score" not in found, name
    me = member.get("/v1/users/me").json()
    assert me["metadata"] == {"plan": "free"} and "private_metadata" not in me
    for event in member.get("/v1/users/me/export").json()["events"]:
        assert "private_metadata" not in event["object"] and "private_metadata" not in (event["before"] or {})
    assert SECRET not in _all_pages(server, user) and "fraud_score" not in _all_pages(server, user)
    member.close()


def test_an_application_sees_it_only_if_it_can_read_all_users(server: Server, http: Client) -> None:
    user = new_user(http, **BOTH)
    scopes = ["users:write", "users:verify", "sessions:create", "sessions:verify", "tokens:consume"]
    sign_in = {"audience": "https://shop.example", "email": user["email"], "password": user["password"]}
    for more, is_seen in (([], False), (["users:read"], True)):
        by = server.http(new_key(http, scopes=[*scopes, *more]))
        session = by.post("/v1/sessions", json=sign_in)
        verified = {"audience": sign_in["audience"], "token": session.json()["token"]}
        login = {"email": user["email"], "password": user["password"]}
        token = new_token(http, user["id"], purpose="verify_email")["token"]
        answers = [
            session,
            by.post("/v1/sessions/verify?fields=*", json=verified),
            by.post("/v1/users/verify-password?fields=*", json=login),
            by.post("/v1/tokens/consume", json={"token": token}),
        ]
        for answer in answers:
            assert answer.status_code in (200, 201), answer.text
            assert (SECRET in answer.text) is is_seen, answer.request.url
        by.close()


def test_whoever_reads_all_users_reads_it_everywhere(server: Server, http: Client, as_role: Any) -> None:
    user = new_user(http, **BOTH)
    path = f"/v1/users/{user['id']}"
    viewer = as_role("viewer")
    for by in (http, viewer):
        assert by.get(path).json()["private_metadata"] == PRIVATE
        (listed,) = by.get("/v1/users", params={"email": user["email"], "fields": "private_metadata"}).json()
        assert listed["private_metadata"] == PRIVATE
        (event,) = by.get("/v1/events", params={"user": user["id"], "type": "user.created"}).json()
        assert event["object"]["private_metadata"] == PRIVATE
    assert http.get(f"{path}/export").json()["user"]["private_metadata"] == PRIVATE
    rows = csv.DictReader(io.StringIO(http.get("/v1/exports?format=csv").text))
    (row,) = [row for row in rows if row["id"] == user["id"]]
    assert json.loads(row["private_metadata"]) == PRIVATE
    with signed_in(server) as owner:
        assert SECRET in owner.get(f"/admin/users/{user['id']}").text


def test_it_is_merged_replaced_limited_undone_and_restored_like_metadata(http: Client) -> None:
    user = new_user(http, **BOTH)
    path = f"/v1/users/{user['id']}"

    def now() -> Any:
        return http.get(path).json()["private_metadata"]

    assert http.patch(path, json={"private_metadata": {"fraud_score": None, "tier": 2}}).status_code == 200
    assert now() == {"stripe_customer": SECRET, "tier": 2}
    (event,) = http.get("/v1/events", params={"user": user["id"], "type": "user.updated"}).json()
    assert event["before"] == {"private_metadata": PRIVATE}
    assert http.get(f"{path}?at={event['id']}").json()["private_metadata"] == now()
    assert http.put(path, json={"private_metadata": {"tier": 3, "new": True}}).status_code == 200
    assert now() == {"tier": 3, "new": True} and http.get(path).json()["metadata"] == {"plan": "free"}
    reverted = http.post(f"/v1/events/{event['id']}/revert").json()
    assert reverted["reverted"] == {"private_metadata": {"fraud_score": 87}}
    assert [each["field"] for each in reverted["not_reverted"]] == ["private_metadata.tier"]
    assert now() == {"tier": 3, "new": True, "fraud_score": 87}
    assert http.delete(path).status_code == 204 and http.post(f"{path}/restore").status_code == 200
    assert now() == {"tier": 3, "new": True, "fraud_score": 87}
    for wrong in ("text", [1], {"x": "y" * 16_384}):
        refused(http.patch(path, json={"private_metadata": wrong}), 400, "invalid_parameter", param="private_metadata")
    bulk = {"operations": [{"op": "update", "id": user["id"], "private_metadata": {"tier": 4}}]}
    assert http.post("/v1/users/bulk", json=bulk).status_code == 207
    assert now() == {"tier": 4, "new": True, "fraud_score": 87}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_members_cannot_find_out_what_it_is_by_sending_it(as_role: Any, method: str) -> None:
    """Were the same value no change, they could guess it."""
    member = as_role("member", **BOTH)
    for guess in (PRIVATE, {}, {"fraud_score": 87}, {"fraud_score": 1}):
        answer = member.request(method, "/v1/users/me", json={"private_metadata": guess})
        sentence = "Only admins can change private_metadata. You can change your own name, email."
        refused(answer, 403, "insufficient_scope", sentence)


def test_large_ones_are_in_every_event_whole(http: Client) -> None:
    large = {
        "metadata": {"a": "x" * 9_000, "private_metadata": {}},
        "private_metadata": {"b": "y" * 9_000, "metadata": 1},
    }
    user = new_user(http, **large)
    path = f"/v1/users/{user['id']}"
    assert http.patch(path, json={"name": "Bo"}).status_code == 200
    assert http.patch(path, json={"private_metadata": {"c": "z" * 2_000}}).status_code == 200
    events = http.get("/v1/events", params={"user": user["id"], "order": "asc"}).json()
    for event in events[:2]:
        assert {name: event["object"][name] for name in large} == large
    assert events[2]["before"] == {"private_metadata": large["private_metadata"]}
    assert events[2]["object"]["private_metadata"]["c"] == "z" * 2_000


def test_an_import_adds_its_keys_to_those_that_are_there(server: Server, http: Client) -> None:
    user = new_user(http, email_verified=True, **BOTH)
    lines = "email,name,Plan,Score\n" + f"{user['email']},Al,pro,90\n"
    mapping = json.dumps({"Plan": "metadata.plan", "Score": "private_metadata.score"})
    asked = {"on_conflict": "update", "mapping": mapping, "format": "csv"}
    started = http.post("/v1/imports", params=asked, content=lines, headers={"Content-Type": "text/csv"}).json()
    found = started
    while found["status"] not in ("finished", "failed"):
        found = http.get(f"/v1/imports/{started['id']}").json()
    assert found["updated"] == 1, found
    now = http.get(f"/v1/users/{user['id']}").json()
    assert now["private_metadata"] == PRIVATE | {"score": "90"}
    assert now["metadata"] == {"plan": "pro"}
    assert "private_metadata.score" in json.dumps(found["columns"])
