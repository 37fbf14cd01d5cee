"""What generated clients send where their users left something out: none of it changes or breaks anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from rollbook.actions.checking import collections_of
from rollbook.api.routes import ROUTES
from tests.contract.expect import refused
from tests.engines import once
from tests.harness import new_user

Client = httpx2.Client
METADATA = {"plan": "pro", "seats": 5}


@pytest.fixture
def user(http: Client) -> dict[str, Any]:
    return new_user(http, metadata=METADATA, private_metadata=METADATA)


@pytest.fixture
def webhook(http: Client) -> Iterator[dict[str, Any]]:
    made = http.post("/v1/webhooks", json={"url": "inbox", "types": ["user.*"], "headers": {"X-Tenant": "acme"}}).json()
    yield made
    http.delete(f"/v1/webhooks/{made['id']}")


def metadata_of(http: Client, user: dict[str, Any], name: str = "metadata") -> Any:
    return http.get(f"/v1/users/{user['id']}", params={"fields": name}).json()[name]


@pytest.mark.parametrize("name", ["metadata", "private_metadata"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_null_instead_of_metadata_leaves_it_and_null_within_removes_a_key(
    http: Client, user: dict[str, Any], method: str, name: str
) -> None:
    path = f"/v1/users/{user['id']}"
    answer = http.request(method, path, json={"name": "Al", name: None, "external_id": None})
    assert answer.status_code == 200, answer.text
    assert metadata_of(http, user, name) == METADATA
    assert http.patch(path, json={name: {"seats": None}}).status_code == 200
    assert metadata_of(http, user, name) == {"plan": "pro"}


@pytest.mark.parametrize("name", ["metadata", "private_metadata"])
def test_null_instead_of_metadata_is_a_new_user_without_any(http: Client, name: str) -> None:
    assert metadata_of(http, new_user(http, **{name: None}), name) == {}


def test_the_same_of_an_application(http: Client) -> None:
    made = http.post("/v1/applications", json={"name": "Shop", "metadata": None}).json()
    path = f"/v1/applications/{made['id']}"
    assert metadata_of(http, made) == {}
    http.patch(path, json={"metadata": METADATA})
    assert http.patch(path, json={"name": "Shop", "metadata": None}).status_code == 200
    assert metadata_of(http, made) == METADATA
    http.delete(path)


def test_null_instead_of_an_applications_urls_and_groups_leaves_them(http: Client) -> None:
    urls = {
        "redirect_urls": ["https://shop.example.com/done"],
        "post_logout_redirect_urls": ["https://shop.example.com"],
    }
    nothing = dict.fromkeys([*urls, "sign_in_groups"])
    made = http.post("/v1/applications", params={"fields": "*"}, json={"name": "Shop", **nothing}).json()
    assert {name: made[name] for name in nothing} == {name: [] for name in nothing}
    path = f"/v1/applications/{made['id']}"
    for body in (urls, nothing):
        changed = http.patch(path, params={"fields": "*"}, json=body).json()
        assert {name: changed[name] for name in urls} == urls
    http.delete(path)


def test_the_same_in_a_bulk_change(http: Client, user: dict[str, Any]) -> None:
    operations = [
        {"op": "update", "id": user["id"], "name": "Al", "metadata": None},
        {"op": "create", "name": "Bo", "email": f"bo-{user['id']}@example.com", "metadata": None, "status": "invited"},
        {"op": "create_token", "id": user["id"], "purpose": "sign_in", "data": None},
    ]
    results = http.post("/v1/users/bulk", json={"operations": operations}).json()["results"]
    assert [each["status"] for each in results] == [200, 201, 201], results
    assert (metadata_of(http, user), metadata_of(http, results[1]["user"])) == (METADATA, {})


def test_the_same_of_a_group(http: Client) -> None:
    made = http.post("/v1/groups", json={"name": "Sales", "metadata": None}).json()
    path = f"/v1/groups/{made['id']}"
    http.patch(path, json={"metadata": METADATA})
    for method in ("PUT", "PATCH"):
        assert http.request(method, path, json={"name": "Sales", "metadata": None}).status_code == 200
    assert (made["metadata"], http.get(path).json()["metadata"]) == ({}, METADATA)
    http.delete(path)


def test_null_instead_of_a_webhooks_types_and_headers_leaves_them(http: Client, webhook: dict[str, Any]) -> None:
    path = f"/v1/webhooks/{webhook['id']}"
    changed = http.patch(path, json={"description": "new", "types": None, "headers": None})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["types"], changed.json()["headers"]) == (["user.*"], ["X-Tenant"])
    made = http.post("/v1/webhooks", json={"url": "inbox", "types": None, "headers": None}).json()
    assert (made["types"], made["headers"]) == (["*"], [])
    http.delete(f"/v1/webhooks/{made['id']}")


def test_null_instead_of_a_tokens_data_and_a_replays_types_is_their_default(
    http: Client, user: dict[str, Any], webhook: dict[str, Any]
) -> None:
    token = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "sign_in", "data": None})
    assert (token.status_code, token.json()["data"]) == (201, None)
    replay = http.post(
        f"/v1/webhooks/{webhook['id']}/replays", json={"from": "2023-10-27T10:00:00Z", "types": None, "only": "failed"}
    )
    assert (replay.status_code, replay.json()["types"]) == (201, None), replay.text


@once
def test_null_instead_of_the_users_and_metadata_of_a_bulk_job_counts_as_leaving_them_out(http: Client) -> None:
    whom = {"email": "nobody@example.com"}
    job = http.post("/v1/bulk-jobs", json={"action": "suspend", "filter": whom, "ids": None, "metadata": None})
    assert (job.status_code, job.json()["total"]) == (201, 0), job.text


@once
def test_null_is_no_list_where_one_is_required(http: Client) -> None:
    refused(http.post("/v1/users/bulk", json={"operations": None}), 400, "invalid_parameter", param="operations")


@once
def test_the_tests_above_are_about_every_body_with_a_list_or_an_object() -> None:
    found = {route.body.__name__: set(collections_of(route.body)) for route in ROUTES if route.body is not None}
    assert {name: fields for name, fields in found.items() if fields} == {
        "UserCreate": {"metadata", "private_metadata"},
        "UserUpdate": {"metadata", "private_metadata"},
        "UserPatch": {"metadata", "private_metadata"},
        "BulkJobCreate": {"ids", "metadata"},
        "ApplicationCreate": {"metadata", "redirect_urls", "post_logout_redirect_urls", "sign_in_groups"},
        "ApplicationPatch": {"metadata", "redirect_urls", "post_logout_redirect_urls", "sign_in_groups"},
        "GroupCreate": {"metadata"},
        "GroupUpdate": {"metadata"},
        "GroupPatch": {"metadata"},
        "TokenCreate": {"data"},
        "WebhookCreate": {"types", "headers"},
        "WebhookUpdate": {"types", "headers"},
        "ReplayCreate": {"types"},
        "RuleUpdate": {"steps"},
    }
