"""A new password shuts out whoever knew the old one: their sessions, and the API keys they may have created."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.contract.test_app_sessions import SHOP, is_valid
from tests.contract.test_creators import state
from tests.harness import Server, new_key, new_token, new_user
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
    link = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"}).json()["url"]
    with visitor(server) as person:
        page = person.get(link).text
        assert 'name="revoke_keys" type="checkbox" value="on" checked' in page
        token = link.partition("token=")[2]
        form = {"token": token, "password": NEW} | ({"revoke_keys": "on"} if chosen else {})
        assert person.post("/account/set-password", data=form).status_code == 303
    assert works(server, key) is not chosen


class Thief:
    """What somebody made who had the account of an admin for a while."""

    def __init__(self, server: Server, http: httpx2.Client, **fields: Any) -> None:
        self.server, self.http = server, http
        self.admin = new_user(http, role="admin", **fields)
        with signed_in(server, self.admin) as person:
            self.keys = [own_key(person)]
        owners, viewer = ("me", "me"), new_user(http, role="viewer")["id"]
        with server.http(self.keys[0]) as by:
            application = by.post("/v1/applications", json={"name": "Job", "role": "admin"}).json()["id"]
            self.keys += [new_key(by, user_id=each) for each in (application, new_user(http)["id"])]
            made = [by.post("/v1/webhooks", json={"url": "inbox", "user_id": each}) for each in (*owners, viewer)]
            self.webhooks = [each.json()["id"] for each in made]
            assert by.patch(f"/v1/webhooks/{self.webhooks[1]}", json={"status": "paused"}).status_code == 200
            self.link, used = (new_token(by, new_user(http)["id"], purpose="sign_in")["token"] for _ in range(2))
        self.session = http.post("/v1/sessions", json={"token": used, "audience": SHOP}).json()
        with server.http(self.keys[1]) as by:
            self.keys.append(new_key(by, user_id=new_user(http)["id"]))

    def left(self) -> list[str]:
        """What of it still works."""
        found = [f"key {number}" for number, key in enumerate(self.keys) if works(self.server, key)]
        for id in self.webhooks:
            if state(self.http, id) != ("disabled", "access_ended"):
                found.append(f"webhook, {self.http.get(f'/v1/webhooks/{id}').json()['status']}")
        if self.http.post("/v1/sessions", json={"token": self.link, "audience": SHOP}).status_code == 201:
            found.append("link")
        return found + (["session"] if is_valid(self.http, self.session) else [])


def by_admin(server: Server, http: httpx2.Client, user: dict[str, Any]) -> None:
    assert http.put(f"/v1/users/{user['id']}/password", json={"password": NEW}).status_code == 204


def by_link(server: Server, http: httpx2.Client, user: dict[str, Any]) -> None:
    token = new_token(http, user["id"], purpose="reset_password")["token"]
    assert http.post("/v1/tokens/consume", json={"token": token, "password": NEW}).status_code == 200


def by_themself(server: Server, http: httpx2.Client, user: dict[str, Any]) -> None:
    with signed_in(server, user) as person:
        assert "your webhooks are disabled" in person.get("/account").text
        form = {"password": NEW, "current_password": user["password"], "revoke_keys": "on"}
        assert person.post("/account/password", data=form).status_code == 303


def by_adoption(server: Server, http: httpx2.Client, user: dict[str, Any]) -> None:
    assert http.post(f"/v1/users/{user['id']}/adopt").status_code == 200


@pytest.mark.parametrize("way", [by_admin, by_link, by_themself, by_adoption])
def test_it_ends_what_was_made_for_others_too_and_webhooks_can_be_resumed(
    server: Server, http: httpx2.Client, way: Callable[[Server, httpx2.Client, dict[str, Any]], None]
) -> None:
    thief = Thief(server, http)
    way(server, http, thief.admin)
    assert thief.left() == []
    resumed = http.patch(f"/v1/webhooks/{thief.webhooks[0]}", json={"status": "enabled"}).json()
    assert (resumed["status"], resumed["status_reason"]) == ("enabled", None)
    assert resumed["created_by"] == http.get("/v1/users/me").json()["id"], "whoever resumes it answers for it"


def test_without_it_all_of_that_goes_on(server: Server, http: httpx2.Client) -> None:
    thief = Thief(server, http)
    body = {"password": NEW, "revoke_keys": False}
    assert http.put(f"/v1/users/{thief.admin['id']}/password", json=body).status_code == 204
    keys = [f"key {number}" for number in range(4)]
    assert thief.left() == [*keys, "webhook, enabled", "webhook, paused", "webhook, enabled", "link", "session"]


def test_a_first_password_revokes_nothing(server: Server, http: httpx2.Client) -> None:
    user = new_user(http)
    link = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"}).json()["url"]
    with visitor(server) as person:
        assert "revoke_keys" not in person.get(link).text
