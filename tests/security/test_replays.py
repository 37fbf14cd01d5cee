"""A stored answer is for the key that got it, while it may do what it could then: no more, no less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import refused
from tests.harness import OWNER_PASSWORD, Server, new_key, running
from tests.visitor import signed_in

NARROWER: list[dict[str, Any]] = [
    {"scopes": ["keys:read", "keys:write"]},
    {"expires_at": "2999-01-01T00:00:00Z"},
    {"ip_allow": ["127.0.0.0/8"]},
    {"rate_limit": "1000/minute"},
]


@pytest.mark.parametrize("fields", NARROWER, ids=lambda fields: next(iter(fields)))
def test_a_narrower_key_is_not_replayed_the_text_of_a_wider_one(
    server: Server, http: httpx2.Client, fields: dict[str, Any]
) -> None:
    again = {"Idempotency-Key": f"narrower {fields}"}
    assert "key" in http.post("/v1/keys", json={"name": "wide"}, headers=again).json()
    with server.http(new_key(http, **fields)) as narrower:
        refused(narrower.post("/v1/keys", json={"name": "wide"}, headers=again), errors.KeyReused)


def test_who_has_lost_a_role_is_not_replayed_what_it_could_do_with_it(
    http: httpx2.Client, as_role: Any, user: dict[str, Any]
) -> None:
    admin = as_role("admin")
    body, again = {"name": "for another", "user_id": user["id"]}, {"Idempotency-Key": "role"}
    assert "key" in admin.post("/v1/keys", json=body, headers=again).json()
    assert http.patch(f"/v1/users/{admin.user['id']}", json={"role": "viewer"}).status_code == 200
    refused(admin.post("/v1/keys", json=body, headers=again), errors.KeyReused)


def test_after_a_rotation_neither_key_is_replayed_what_was_told_before_and_nothing_is_done_twice(
    server: Server, http: httpx2.Client
) -> None:
    """The new key goes back to whoever rotated the old one, which ends now."""
    again = {"Idempotency-Key": "rotated"}
    with server.http(new_key(http, scopes=["keys:write", "keys:read"])) as old:
        assert "key" in old.post("/v1/keys", json={"name": "x"}, headers=again).json()
        with server.http(old.post("/v1/keys/current/rotate", json={"overlap": 3600}).json()["key"]) as new:
            for client in (old, new):
                refused(client.post("/v1/keys", json={"name": "x"}, headers=again), errors.KeyReused)
            assert [key["name"] for key in new.get("/v1/keys").json()].count("x") == 1


def test_after_the_servers_secret_was_lost_answers_and_keys_are_refused_in_words(tmp_path: Path) -> None:
    again = {"Idempotency-Key": "before the loss"}
    with running(tmp_path / "data", "--rate-limit", "none") as server:
        with server.http() as http:
            key = http.post("/v1/keys", json={"name": "old"}, headers=again).json()
        server.stop()
        (server.data / "secret").unlink()
        server.start()
        with server.http() as http:
            lost = refused(http.post("/v1/keys", json={"name": "old"}, headers=again), errors.KeyReused)
            assert "secret has changed" in lost["error"]
            assert len(http.get("/v1/keys").json()) == 2
            shown = refused(
                http.post(f"/v1/keys/{key['id']}/reveal", json={"password": OWNER_PASSWORD}), errors.NotFound
            )
            assert "cannot be shown again" in shown["error"]
        with signed_in(server) as owner:
            page = owner.post(f"/account/keys/{key['id']}/reveal", data={})
            assert page.status_code == 404 and "cannot be shown again" in page.text
        with server.http(key["key"]) as http:
            assert http.get("/v1/users/me").status_code == 200
