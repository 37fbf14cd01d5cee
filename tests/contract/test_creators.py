"""Nobody plants what outlives them: what somebody creates for others ends with their right to, does nothing while they
are suspended, and no one but an owner touches what is an owner's."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import refused
from tests.harness import Server, new_key, new_token, new_user, running
from tests.visitor import own_key, signed_in

CHANGES: dict[str, Callable[[httpx2.Client, str], httpx2.Response]] = {
    "demoted": lambda http, id: http.patch(f"/v1/users/{id}", json={"role": "viewer"}),
    "deleted": lambda http, id: http.delete(f"/v1/users/{id}"),
    "purged": lambda http, id: http.delete(f"/v1/users/{id}?purge=true"),
}


class Planter:
    """An admin who creates something for others."""

    def __init__(self, server: Server, http: httpx2.Client, role: str = "admin") -> None:
        self.http = http
        self.user = new_user(http, role=role)
        with signed_in(server, self.user) as person:
            self.client = server.http(own_key(person))

    def key(self, user_id: str) -> str:
        answer = self.client.post("/v1/keys", json={"name": "planted", "user_id": user_id})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def token(self, user_id: str) -> str:
        answer = self.client.post(f"/v1/users/{user_id}/tokens", json={"purpose": "reset_password"})
        assert answer.status_code == 201, answer.text
        return answer.json()["token"]

    def webhook(self, user_id: str, **fields: Any) -> dict[str, Any]:
        answer = self.client.post("/v1/webhooks", json={"url": "inbox", "user_id": user_id, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()


@pytest.fixture
def planter_of(server: Server, http: httpx2.Client) -> Iterator[Callable[..., Planter]]:
    made: list[Planter] = []

    def make(role: str = "admin") -> Planter:
        made.append(Planter(server, http, role))
        return made[-1]

    yield make
    for planter in made:
        planter.client.close()


def works(http: httpx2.Client, id: str) -> bool:
    return http.get(f"/v1/keys/{id}").json()["revoked_at"] is None


def state(http: httpx2.Client, id: str) -> tuple[str, str | None]:
    webhook = http.get(f"/v1/webhooks/{id}").json()
    return webhook["status"], webhook["status_reason"]


@pytest.mark.parametrize("change", CHANGES)
def test_what_somebody_created_for_others_ends_when_they_lose_the_right(
    server: Server, http: httpx2.Client, planter_of: Callable[..., Planter], change: str
) -> None:
    planter, viewer, owner = planter_of(), new_user(http, role="viewer"), http.get("/v1/users/me").json()
    keys = [planter.key(viewer["id"]), planter.key(new_user(http)["id"])]
    tokens = [planter.token(viewer["id"]), planter.token(new_user(http)["id"])]
    made = new_token(http, viewer["id"])
    kept_token = {name: value for name, value in made.items() if name not in ("token", "url")}
    webhook = planter.webhook(viewer["id"])
    assert webhook["created_by"] == planter.user["id"]
    with server.http(new_key(http, user_id=viewer["id"])) as own:
        kept = own.post("/v1/keys", json={"name": "own"}).json()["id"]
        kept_webhook = own.post("/v1/webhooks", json={"url": "inbox"}).json()
    of_owner = http.post("/v1/webhooks", json={"url": "inbox", "user_id": viewer["id"]}).json()
    after = http.get("/v1/events").headers["event-position"]
    assert CHANGES[change](http, planter.user["id"]).status_code < 300
    assert [works(http, id) for id in keys] == [False, False]
    for token in tokens:
        refused(
            http.post("/v1/tokens/consume", json={"token": token, "password": "planted by somebody"}),
            errors.TokenInvalid,
        )
    assert http.get(f"/v1/users/{viewer['id']}/tokens").json() == [kept_token]
    assert state(http, webhook["id"]) == ("disabled", "creator_lost_rights")
    assert works(http, kept) and state(http, kept_webhook["id"]) == ("enabled", None)
    assert state(http, of_owner["id"]) == ("enabled", None)
    events = http.get("/v1/events", params={"after": after, "limit": 50}).json()
    told = {(event["type"], event["object"]["id"]) for event in events if event["actor"]["user_id"] == owner["id"]}
    assert {("key.revoked", id) for id in keys} | {("webhook.disabled", webhook["id"])} <= told


def test_a_smaller_role_ends_what_it_could_not_create(
    server: Server, http: httpx2.Client, planter_of: Callable[..., Planter]
) -> None:
    planter, owner, member = planter_of("owner"), new_user(http, role="owner"), new_user(http)
    of_owner, of_member = planter.key(owner["id"]), planter.key(member["id"])
    webhook, other = planter.webhook(owner["id"]), planter.webhook(new_user(http, role="admin")["id"])
    planter.token(owner["id"]), planter.token(member["id"])
    assert http.patch(f"/v1/users/{planter.user['id']}", json={"role": "admin"}).status_code == 200
    assert (works(http, of_owner), works(http, of_member)) == (False, True)
    open_tokens = [http.get(f"/v1/users/{each['id']}/tokens").json() for each in (owner, member)]
    assert [len(each) for each in open_tokens] == [0, 1]
    assert state(http, webhook["id"])[0] == "disabled"
    assert state(http, other["id"])[0] == "enabled"


def test_what_a_planted_key_creates_comes_from_who_planted_it(
    server: Server, http: httpx2.Client, planter_of: Callable[..., Planter]
) -> None:
    planter, viewer = planter_of(), new_user(http, role="viewer")
    planted = planter.client.post("/v1/keys", json={"name": "planted", "user_id": viewer["id"]}).json()
    with server.http(planted["key"]) as key:
        webhook = key.post("/v1/webhooks", json={"url": "inbox"}).json()
    assert (webhook["user_id"], webhook["created_by"]) == (viewer["id"], planter.user["id"])
    http.delete(f"/v1/users/{planter.user['id']}")
    assert state(http, webhook["id"]) == ("disabled", "creator_lost_rights")


def test_who_directs_a_webhook_answers_for_it_until_its_owner_does(
    server: Server, http: httpx2.Client, planter_of: Callable[..., Planter]
) -> None:
    viewer, planter = new_user(http, role="viewer"), planter_of()
    with server.http(new_key(http, user_id=viewer["id"])) as own:
        path = f"/v1/webhooks/{own.post('/v1/webhooks', json={'url': 'inbox'}).json()['id']}"
        directed = planter.client.patch(path, json={"url": "https://example.com/hook"}).json()
        assert directed["created_by"] == planter.user["id"]
        assert planter.client.patch(path, json={"description": "Billing"}).json()["created_by"] == planter.user["id"]
        http.patch(f"/v1/users/{planter.user['id']}", json={"role": "member"})
        assert state(http, path.rpartition("/")[2]) == ("disabled", "creator_lost_rights")
        # Not by the viewer's key, which the test's owner created.
        assert (
            http.patch(f"{path}", json={"status": "enabled"}).json()["created_by"]
            == http.get("/v1/users/me").json()["id"]
        )
        http.delete(f"/v1/users/{planter.user['id']}")
        assert http.get(path).json()["status"] == "enabled"


def test_an_admin_touches_no_webhook_of_an_owner_by_any_way(
    server: Server, http: httpx2.Client, planter_of: Callable[..., Planter]
) -> None:
    owner, planter = new_user(http, role="owner"), planter_of()
    path = f"/v1/webhooks/{http.post('/v1/webhooks', json={'url': 'inbox', 'user_id': owner['id']}).json()['id']}"
    mine = planter.webhook(planter.user["id"])
    before = http.get(path).json()
    for method, at, body in [
        ("PATCH", path, {"user_id": "me"}),
        ("PATCH", path, {"url": "https://evil.example/"}),
        ("PATCH", path, {"status": "paused"}),
        ("PATCH", f"/v1/webhooks/{mine['id']}", {"user_id": owner["id"]}),
        ("POST", "/v1/webhooks", {"url": "inbox", "user_id": owner["id"]}),
        ("POST", f"{path}/reveal", {"password": planter.user["password"]}),
        ("POST", f"{path}/replays", {"from": "2023-10-27T10:00:00Z"}),
    ]:
        answer = planter.client.request(method, at, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope"), (method, at, body)
    http.delete(f"/v1/users/{owner['id']}")
    gone = planter.client.patch(path, json={"user_id": "me"})
    assert gone.status_code == 403, "nor when the owner was deleted"
    after = http.get(path).json()
    assert [after[name] for name in ("url", "user_id", "headers")] == [
        before[name] for name in ("url", "user_id", "headers")
    ]


def test_a_hand_over_gives_the_webhook_a_new_secret(
    server: Server, http: httpx2.Client, planter_of: Callable[..., Planter]
) -> None:
    planter, other = planter_of(), new_user(http, role="admin")
    made = planter.webhook(planter.user["id"])
    path = f"/v1/webhooks/{made['id']}"
    given = http.patch(path, json={"user_id": other["id"]}).json()
    assert given["user_id"] == other["id"]
    assert given["secret"].startswith("whsec_") and given["secret"] != made["secret"]
    assert "secret" not in http.patch(path, json={"user_id": other["id"], "description": "same"}).json()


def test_a_new_url_drops_all_headers_that_are_not_sent_with_it(http: httpx2.Client) -> None:
    made = http.post(
        "/v1/webhooks",
        json={"url": "https://hooks.example.com/a", "headers": {"Authorization": "Bearer of-a", "X-Tenant": "acme"}},
    ).json()
    path = f"/v1/webhooks/{made['id']}"
    same = http.patch(path, json={"url": "https://hooks.example.com/a", "headers": {"X-More": "1"}}).json()
    assert same["headers"] == ["Authorization", "X-Tenant", "X-More"]
    moved = http.patch(path, json={"url": "https://hooks.example.com/b", "headers": {"X-Tenant": "acme"}}).json()
    assert moved["headers"] == ["X-Tenant"]
    assert http.patch(path, json={"url": "https://hooks.example.com/a"}).json()["headers"] == []


def test_events_are_sent_again_only_to_who_may_read_them(server: Server, http: httpx2.Client) -> None:
    admin = new_user(http, role="admin")
    made = http.post("/v1/webhooks", json={"url": "inbox", "user_id": admin["id"]}).json()
    key = new_key(http, user_id=admin["id"], scopes=["webhooks:write", "webhooks:read"])
    with server.http(key) as narrow:
        path = f"/v1/webhooks/{made['id']}"
        assert narrow.patch(f"{path}", json={"status": "paused"}).status_code == 200
        answer = narrow.patch(f"{path}", json={"status": "enabled", "from": "2023-10-27T10:00:00Z"})
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert narrow.patch(f"{path}", json={"status": "enabled", "from": "now"}).status_code == 200


def test_replays_of_a_disabled_webhook_end_with_its_owners_right(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--rate-limit", "none", "--webhook-allow", "127.0.0.0/8") as server,
        server.http() as http,
        socket.create_server(("127.0.0.1", 0)) as silent,  # no event is delivered there, so that no replay is done
    ):
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hook"
        for change in ("suspended", "demoted", "deleted"):
            viewer = new_user(http, role="viewer")
            made = http.post("/v1/webhooks", json={"url": url, "user_id": viewer["id"]}).json()
            path = f"/v1/webhooks/{made['id']}"
            assert http.patch(path, json={"status": "paused"}).status_code == 200
            replay = http.post(f"{path}/replays", json={"from": "2023-10-27T10:00:00Z"}).json()
            server_says = {"suspended": _suspend, "demoted": _to_member}.get(change, CHANGES["deleted"])
            server_says(http, viewer["id"])
            assert http.get(f"{path}/replays/{replay['id']}").json()["status"] == "canceled", change


def _suspend(http: httpx2.Client, id: str) -> httpx2.Response:
    return http.post(f"/v1/users/{id}/suspend")


def _to_member(http: httpx2.Client, id: str) -> httpx2.Response:
    return http.patch(f"/v1/users/{id}", json={"role": "member"})
