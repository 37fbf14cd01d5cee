"""The public guide, to the letter: its four calls as it prints them, their answers, its errors and its limits."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path

import httpx2
import pytest

from rollbook.auth import key_format
from tests.contract.expect import TIME, USER_ID, refused
from tests.engines import once
from tests.harness import Server, running

LIST = """GET /v1/users?limit=2&offset=0 HTTP/1.1
Host: api.example.com
Authorization: Bearer YOUR_API_KEY
Accept: application/json

"""
CREATE = """POST /v1/users HTTP/1.1
Host: api.example.com
Authorization: Bearer YOUR_API_KEY
Content-Type: application/json
Accept: application/json

{
"name": "Charlie Chaplin",
"email": "charlie@example.com",
"password": "securepassword123"
}"""
UPDATE = """PUT /v1/users/user_ghi789 HTTP/1.1
Host: api.example.com
Authorization: Bearer YOUR_API_KEY
Content-Type: application/json
Accept: application/json

{
"name": "Charles Chaplin",
"email": "charlie.c@example.com"
}"""
DELETE = """DELETE /v1/users/user_ghi789 HTTP/1.1
Host: api.example.com
Authorization: Bearer YOUR_API_KEY

"""


def send(server: Server, text: str, user_id: str = "") -> tuple[int, http.client.HTTPMessage, bytes]:
    """The guide's request as it stands, with the reader's own key and user in it, and the length that a client adds."""
    head, _, body = (
        text.replace("YOUR_API_KEY", server.key).replace("user_ghi789", user_id or "user_ghi789").partition("\n\n")
    )
    length = f"\nContent-Length: {len(body)}" if body else ""
    raw = (head + length + "\n\n").replace("\n", "\r\n").encode() + body.encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(raw)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.headers, answer.read()


def test_the_four_calls_of_the_guide_are_answered_as_it_prints_them(server: Server) -> None:
    status, headers, body = send(server, CREATE)
    created = json.loads(body)
    assert status == 201
    assert headers["content-type"] == "application/json"
    assert list(created) == ["id", "name", "email", "created_at"]
    assert USER_ID(created["id"]) and TIME(created["created_at"])
    assert (created["name"], created["email"]) == ("Charlie Chaplin", "charlie@example.com")
    assert headers["location"] == f"{server.url}/v1/users/{created['id']}"

    status, _, body = send(server, CREATE)
    assert status == 400
    assert json.loads(body)["error"] == "Email address is already in use."

    status, headers, body = send(server, LIST)
    listed = json.loads(body)
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert len(listed) == 2, "the owner and Charlie"
    assert all(list(user) == ["id", "name", "email", "created_at"] for user in listed)
    assert listed[1] == created

    status, headers, body = send(server, UPDATE, created["id"])
    updated = json.loads(body)
    assert status == 200
    assert list(updated) == ["id", "name", "email", "updated_at"]
    assert TIME(updated["updated_at"])
    assert (updated["id"], updated["name"], updated["email"]) == (
        created["id"],
        "Charles Chaplin",
        "charlie.c@example.com",
    )

    status, headers, body = send(server, DELETE, created["id"])
    assert (status, body) == (204, b"")
    assert "content-length" not in headers and "content-type" not in headers
    assert int(headers["ratelimit-remaining"]) >= 0

    status, _, body = send(server, DELETE, created["id"])
    assert status == 404
    assert "error" in json.loads(body)


def test_each_error_of_the_guide_is_json_with_its_status(
    http: httpx2.Client, anonymous: httpx2.Client, as_role
) -> None:
    refused(http.post("/v1/users", json={"name": "A"}), 400, "invalid_parameter")
    missing = anonymous.get("/v1/users")
    named = "No API key provided. Send it in the header `Authorization: Bearer YOUR_API_KEY`."
    refused(missing, 401, "missing_key", named)
    assert missing.headers["www-authenticate"].startswith("Bearer")
    bare = anonymous.get("/v1/users", headers={"Authorization": key_format.mint()})
    refused(bare, 401, "malformed_key", key_format.NO_SCHEME)
    wrong = anonymous.get("/v1/users", headers={"Authorization": f"Bearer {key_format.mint()}"})
    refused(wrong, 401, "invalid_key", "Invalid API key provided.")
    refused(as_role("member").get("/v1/users"), 403, "insufficient_scope")
    refused(http.get("/v1/users/user_abc123"), 404, "not_found", "The requested resource could not be found.")
    refused(http.get("/v1/nothing"), 404, "not_found")


@once
@pytest.mark.parametrize("key", ["YOUR_API_KEY", "rbk_short", "x" * 500])
def test_what_is_no_key_is_an_invalid_key_and_is_not_echoed(anonymous: httpx2.Client, key: str) -> None:
    answer = anonymous.get("/v1/users", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 401
    assert answer.json()["error"] == "Invalid API key provided."
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert key not in answer.text


@once
def test_a_hundred_requests_a_minute_and_5000_an_hour_unless_set_otherwise(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.http() as http:
        for left in range(99, -1, -1):
            answer = http.get("/v1/users?limit=2&offset=0")
            assert answer.status_code == 200
            assert answer.headers["ratelimit-limit"] == "100"
            assert answer.headers["ratelimit-remaining"] == str(left)
            assert 1 <= int(answer.headers["ratelimit-reset"]) <= 60
        over = http.get("/v1/users")
        refused(over, 429, "rate_limit_exceeded", "Rate limit exceeded.")
        assert over.headers["ratelimit-remaining"] == "0"
        assert "q=5000;w=3600" in over.headers["ratelimit-policy"]
        assert 1 <= int(over.headers["retry-after"]) <= 60
        server.pass_time(60)
        assert http.get("/v1/users").status_code == 200
