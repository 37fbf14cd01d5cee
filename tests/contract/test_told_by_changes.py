"""Answers of changes tell a key without `users:read` nothing of users but the usual fields of whom it changed."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from rollbook import errors
from rollbook.roles import SCIM_SCOPES, SCOPES
from tests.contract.answers import Log, refused
from tests.contract.test_bulk_jobs import JOBS, done, ended, people, results
from tests.contract.test_imports import done as imported
from tests.harness import Server, new_key, new_user

Client = httpx2.Client
NO_READER = sorted(set(SCOPES) - {"users:read", "groups:read"})
MORE = "external_id,metadata,role,status,last_sign_in_at"


@pytest.fixture(scope="module")
def writer(server: Server, http: Client) -> Any:
    """A key of an admin that can do everything but read users and groups."""
    with server.http(new_key(http, user_id=new_user(http, role="admin")["id"], scopes=NO_READER)) as client:
        yield client


def test_results_of_jobs_name_people_only_to_who_may_read_them(http: Client, writer: Client) -> None:
    mark, ids = people(http, 3)
    ids.append(new_user(http, role="owner")["id"])
    of_owner = done(http, "activate", filter={"metadata": [mark]})
    of_writer = done(writer, "suspend", ids=ids)
    for job, count in ((of_owner, 3), (of_writer, 4)):
        rows = results(writer, job)
        assert [(row["name"], row["email"]) for row in rows] == [(None, None)] * count
        assert {row["user_id"] for row in rows} <= {*ids}
        text = writer.get(job["results_url"], params={"format": "csv"}).text
        assert text.count("\n") == count + 1 and "@" not in text and "Bea" not in text and "Alice" not in text
        assert all(row["name"] and row["email"] for row in results(http, job))


def test_a_job_finds_and_counts_users_only_for_who_may_read_them(http: Client, writer: Client) -> None:
    for chosen in ({}, {"role": "owner"}, {"q": "alice"}):
        for more in ({}, {"confirm_count": 999_999}):
            with Log(http).silent():
                answer = writer.post(JOBS, json={"action": "activate", "filter": chosen, **more})
            content = refused(answer, errors.InsufficientScope)
            assert content["error"] == "This API key does not have the scope users:read."
    ids = [new_user(http)["id"]]
    assert ended(http, writer.post(JOBS, json={"action": "suspend", "ids": ids}).json())["changed"] == 1


@pytest.mark.parametrize("fields", ["*", "role", f"id,{MORE}"])
def test_the_answer_to_an_update_has_more_than_the_usual_fields_only_for_who_may_read_the_user(
    server: Server, http: Client, writer: Client, fields: str
) -> None:
    user = new_user(http)
    path = f"/v1/users/{user['id']}"
    deleted = f"/v1/users/{new_user(http)['id']}"
    http.delete(deleted)
    calls = [
        ("PATCH", path, {}),
        ("PATCH", path, {"name": "Other"}),
        ("PUT", path, {"metadata": {"a": 1}}),
        ("POST", f"{path}/suspend", None),
        ("POST", f"{path}/activate", None),
        ("POST", f"{deleted}/restore", None),
    ]
    with Log(http).silent():
        for method, at, body in calls:
            refused(writer.request(method, at, params={"fields": fields}, json=body), errors.InsufficientScope)
    for method, at, body in calls:
        usual = writer.request(method, at, params={"fields": "name,email,updated_at"}, json=body)
        assert set(usual.json()) == {"id", "name", "email", "updated_at"}, usual.text
        assert http.request(method, at, params={"fields": "role"}, json=body).status_code in (200, 404)
    with server.http(new_key(http, user_id=user["id"], scopes=["users:write"])) as own:
        refused(own.patch("/v1/users/me", params={"fields": fields}, json={}), errors.InsufficientScope)
        assert own.patch("/v1/users/me", json={}).status_code == 200


def test_the_answer_to_a_creation_has_all_that_was_sent(writer: Client) -> None:
    body = {"name": "New", "email": f"new{id(writer)}@example.com", "status": "invited", "external_id": None}
    answer = writer.post("/v1/users", params={"fields": "*"}, json=body)
    assert answer.status_code == 201 and answer.json()["status"] == "invited"


def test_what_answers_with_a_member_or_a_whole_user_takes_the_scope_for_reading_them(
    server: Server, http: Client, writer: Client
) -> None:
    user = new_user(http)
    group = http.post("/v1/groups", json={"name": "Told"}).json()["id"]
    admin = new_user(http, role="admin")["id"]
    scopes = sorted(SCIM_SCOPES - {"users:read"})
    with Log(http).silent():
        refused(writer.put(f"/v1/groups/{group}/members/{user['id']}", json={}), errors.InsufficientScope)
    with server.http(new_key(http, user_id=admin, kind="scim", scopes=scopes)) as provider, Log(http).silent():
        patch = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": []}
        core = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": f"told{id(user)}@example.com"}
        path = f"/scim/v2/Users/{user['id']}"
        sent = [
            provider.patch(path, json=patch),
            provider.put(path, json=core),
            provider.post("/scim/v2/Users", json=core),
        ]
        assert [answer.status_code for answer in sent] == [403] * 3
    answer = writer.post(f"/v1/groups/{group}/members", json={"members": [{"user_id": user["id"]}]})
    assert answer.json() == {"added": 1, "changed": 0, "unchanged": 0}


def test_the_report_of_an_import_quotes_nothing_of_the_file_or_of_users(http: Client, writer: Client) -> None:
    taken = new_user(http, external_id=f"told{id(http)}", name="Tilda Taken")
    rows: list[Any] = [
        {"name": "Zelda Secret", "email": taken["email"]},
        {"name": "Zelda Secret", "email": f"zelda{id(http)}@example.com", "external_id": taken["external_id"]},
        {"name": "Zelda Secret", "email": "zelda-secret"},
        {"name": "Zelda Secret", "email": "zelda.secret@example.com", "role": "zelda-secret"},
        {"name": "Zelda Secret", "email": "zelda.secret@example.com", "zelda-secret": 1},
        {"name": "Zelda Secret", "email": "zelda.secret@example.com", "password_hash": "zelda-secret"},
        '{"name": "Zelda Secret", "email": "zelda',
    ]
    job = imported(http, *rows)
    for format in ("ndjson", "csv"):
        report = writer.get(f"/v1/imports/{job['id']}/report", params={"format": format})
        assert report.text.count("\n") >= 6, report.text
        assert "zelda" not in report.text.lower() and "tilda" not in report.text.lower(), report.text
        assert taken["email"] not in report.text
    refusal = writer.get(f"/v1/imports/{job['id']}/report", params={"format": "rows"})
    assert refusal.status_code == 403
    assert (
        "columns" not in writer.get(f"/v1/imports/{job['id']}").json()
        or not json.loads(writer.get(f"/v1/imports/{job['id']}").text)["columns"]
    )
