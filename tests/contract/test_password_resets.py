"""A new password shuts out whoever knew the old one: their sessions, and the API keys they may have created."""

from __future__ import annotations

import httpx2
import pytest

from tests.harness import Server, new_key, new_user
from tests.visitor import own_key, signed_in, visitor

NEW = "another long password"


def works(server: Server, key: str) -> bool:
    with server.http(key) as own:
        return own.get("/v1/users/me").status_code == 200


@pytest.mark.parametrize(
    ("sent", "kept"), [({}, False), ({"revoke_keys": False}, True), ({"revoke_keys": True}, False)]
)
def test_who_sets_the_password_of_another_revokes_their_keys(
    server: Server, http: httpx2.Client, sent: dict[str, bool], kept: bool
) -> None:
    user = new_user(http)
    key, other = new_key(http, user_id=user["id"]), new_key(http)
    assert http.put(f"/v1/users/{user['id']}/password", json={"password": NEW, **sent}).status_code == 204
    assert works(server, key) is kept
    assert works(server, other), "those of nobody else"
    told = http.get("/v1/events", params={"user": user["id"], "type": "key.revoked"}).json()
    assert len(told) == (0 if kept else 1)


@pytest.mark.parametrize("chosen", [True, False])
def test_people_choose_it_for_their_own(server: Server, http: httpx2.Client, chosen: bool) -> None:
    user = new_user(http)
    with signed_in(server, user) as person:
        key = own_key(person)
        form = {"password": NEW, "current_password": user["password"]} | ({"revoke_keys": "on"} if chosen else {})
        assert person.post("/account/password", data=form).status_code == 303
    assert works(server, key) is not chosen


@pytest.mark.parametrize("chosen", [True, False])
def test_a_reset_link_offers_it(server: Server, http: httpx2.Client, chosen: bool) -> None:
    user = new_user(http)
    with signed_in(server, user) as thief:
        key = own_key(thief)
    link = http.post(f"/v1/users/{user['id']}/password-link", json={}).json()["url"]
    with visitor(server) as person:
        page = person.get(link).text
        assert 'name="revoke_keys" type="checkbox" value="on" checked' in page
        token = link.partition("token=")[2]
        form = {"token": token, "password": NEW, "again": NEW} | ({"revoke_keys": "on"} if chosen else {})
        assert person.post("/account/set-password", data=form).status_code == 303
    assert works(server, key) is not chosen


def test_a_first_password_revokes_nothing(server: Server, http: httpx2.Client) -> None:
    user = new_user(http)
    link = http.post(f"/v1/users/{user['id']}/password-link", json={}).json()["url"]
    with visitor(server) as person:
        assert "revoke_keys" not in person.get(link).text
