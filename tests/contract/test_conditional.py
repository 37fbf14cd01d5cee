"""Conditional requests on one user: ETag, If-Match, If-None-Match (RFC 9110 section 13), and HEAD."""

from __future__ import annotations

import httpx2
import pytest

from tests.contract.expect import refused
from tests.engines import once


def test_the_etag_changes_with_the_user_and_only_then(http: httpx2.Client, user: dict) -> None:
    path = f"/v1/users/{user['id']}"
    first = http.get(path).headers["etag"]
    assert first.startswith('"') and first.endswith('"')
    assert http.get(path).headers["etag"] == first
    assert http.put(path, json={}).headers["etag"] == first
    assert http.put(path, json={"name": user["name"]}).headers["etag"] == first
    changed = http.put(path, json={"name": "Other"}).headers["etag"]
    assert changed != first
    assert http.get(path).headers["etag"] == changed
    back = http.put(path, json={"name": user["name"]}).headers["etag"]
    assert back not in (first, changed), "an older tag never comes back"


def test_creating_and_updating_answer_with_the_etag_that_reading_gives(http: httpx2.Client) -> None:
    created = http.post("/v1/users", json={"name": "A", "email": "etag@example.com", "password": "securepassword123"})
    path = f"/v1/users/{created.json()['id']}"
    assert created.headers["etag"] == http.get(path).headers["etag"]
    for verb in ("suspend", "activate"):
        assert http.post(f"{path}/{verb}").headers["etag"] == http.get(path).headers["etag"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"0", {}', '{} , W/"999"', "*"])
@once
def test_who_has_the_version_gets_304_without_a_body(http: httpx2.Client, user: dict, form: str) -> None:
    path = f"/v1/users/{user['id']}"
    etag = http.get(path).headers["etag"]
    answer = http.get(path, headers={"If-None-Match": form.format(etag)})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag
    assert "content-type" not in answer.headers
    assert http.head(path, headers={"If-None-Match": form.format(etag)}).status_code == 304


@pytest.mark.parametrize("tag", ['"999"', 'W/"999"', '"1x"', "1", '""'])
@once
def test_who_has_another_version_gets_the_user(http: httpx2.Client, user: dict, tag: str) -> None:
    answer = http.get(f"/v1/users/{user['id']}", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.json()["id"] == user["id"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_stale_if_match_is_412_and_nothing_changes(http: httpx2.Client, user: dict, method: str) -> None:
    path = f"/v1/users/{user['id']}"
    stale = http.get(path).headers["etag"]
    http.put(path, json={"name": "Someone else's change"})
    before = http.get(path)
    for tag in (stale, f"W/{before.headers['etag']}", '"999"', '"abc"', f'{stale}, "77"'):
        content = None if method == "DELETE" else {"name": "Mine"}
        refused(http.request(method, path, json=content, headers={"If-Match": tag}), 412, "precondition_failed")
    after = http.get(path)
    assert after.json() == before.json() and after.headers["etag"] == before.headers["etag"]


@pytest.mark.parametrize("form", ["{}", "*", '"999", {}', '{},"999"'])
def test_a_fresh_if_match_lets_the_change_through(http: httpx2.Client, user: dict, form: str) -> None:
    path = f"/v1/users/{user['id']}"
    etag = http.get(path).headers["etag"]
    assert http.put(path, json={"name": "Mine"}, headers={"If-Match": form.format(etag)}).status_code == 200
    assert http.get(path).json()["name"] == "Mine"
    etag = http.get(path).headers["etag"]
    assert http.delete(path, headers={"If-Match": form.format(etag)}).status_code == 204
    refused(http.put(path, json={"name": "Late"}, headers={"If-Match": "*"}), 404, "not_found")


@once
@pytest.mark.parametrize("tag", ["3", '"3', '"3*', "abc", "", '"1" "2"', "**", '*, "1"'])
def test_a_mistyped_if_match_is_400_and_not_taken_for_any_version(http: httpx2.Client, user: dict, tag: str) -> None:
    path = f"/v1/users/{user['id']}"
    refused(
        http.put(path, json={"name": "Mine"}, headers={"If-Match": tag}), 400, "invalid_parameter", param="If-Match"
    )
    refused(http.delete(path, headers={"If-Match": tag}), 400, "invalid_parameter", param="If-Match")
    assert http.get(path).json()["name"] == user["name"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/users",
        "/v1/users?limit=1&sort=-name",
        "/v1/users/count",
        "/v1/users/me",
        "/v1/users/{id}",
        "/v1/keys",
        "/v1/events",
    ],
)
@once
def test_head_answers_like_get_without_the_body(http: httpx2.Client, user: dict, path: str) -> None:
    path = path.format(id=user["id"])
    plain = {"Accept-Encoding": "identity"}
    get, head = http.get(path, headers=plain), http.head(path, headers=plain)
    while len(http.get(path, headers=plain).content) != len(get.content):  # when a key was last used is written later
        get, head = http.get(path, headers=plain), http.head(path, headers=plain)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    # Events of earlier tests may get their numbers between the two.
    varying = {"date", "x-request-id", "ratelimit", "ratelimit-remaining", "ratelimit-reset", "event-position"}
    assert head.headers.keys() == get.headers.keys()
    assert {k: v for k, v in head.headers.items() if k not in varying} == {
        k: v for k, v in get.headers.items() if k not in varying
    }
    assert int(head.headers["content-length"]) == len(get.content) > 0


def test_head_of_what_is_not_there_is_404_without_a_body(http: httpx2.Client) -> None:
    answer = http.head("/v1/users/user_abc123")
    assert (answer.status_code, answer.content) == (404, b"")
    assert int(answer.headers["content-length"]) > 0
