"""Whatever is made with a key goes back to people, over any number of keys: it does nothing while one of them is
suspended, works again when they are activated, and ends when one of them is deleted or demoted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import Log, refused
from tests.contract.test_creators import state
from tests.harness import PLAIN, Server, new_key, new_user
from tests.nodes.pair import wait_until
from tests.visitor import own_key, signed_in, visitor

Client = httpx2.Client
WORKS, SUSPENDED, ENDED = "works", "suspended", "ended"


class Chain:
    """What is planted with a key that goes back to the admin `root` over so many hops: by way of an application and,
    with three, a key of another admin."""

    def __init__(self, server: Server, http: Client, hops: int) -> None:
        self.server, self.http = server, http
        self.root = new_user(http, role="admin", email_verified=True)
        with signed_in(server, self.root) as person:
            key = own_key(person)
        with server.http(key) as by:
            made = by.post("/v1/applications", json={"name": "Nightly job", "role": "admin"})
            assert made.status_code == 201, made.text
            self.application = made.json()["id"]
            self.way = [self._key(by, self.application)]
        if hops == 3:
            self.bystander = new_user(http, role="admin")["id"]
            with server.http(self.way[0]["key"]) as by:
                self.way.append(self._key(by, self.bystander))
        self.keys: dict[str, dict[str, Any]] = {}
        self.links: dict[str, str] = {}
        self.webhooks: dict[str, str] = {}
        with server.http(self.way[-1]["key"]) as by:
            self._plant_keys(by)
            self._plant_links(by)
            self._plant_webhooks(by)

    def _key(self, by: Client, user_id: str, **fields: Any) -> dict[str, Any]:
        answer = by.post("/v1/keys", json={"name": "planted", "user_id": user_id, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def _own_key(self, *options: str) -> tuple[dict[str, Any], str]:
        """A key that a new viewer created, from the command line."""
        user = new_user(self.http, role="viewer")
        # No key gets hold of one with audiences that it doesn't have.
        command = ("keys", "create", user["id"], "--audiences", self.application, *options)
        text = self.server.rollbook(*command, "--quiet", "--data", str(self.server.data)).stdout.strip()
        [key] = self.http.get("/v1/keys", params={"user": user["id"]}).json()
        return key, text

    def _plant_keys(self, by: Client) -> None:
        self.keys["key"] = self._key(by, new_user(self.http)["id"])
        application = by.post("/v1/applications", json={"name": "Other job", "role": "admin"}).json()["id"]
        self.keys["application's key"] = self._key(by, application)
        edited, text = self._own_key("--scopes", "users:read")
        proof = {"current_password": "securepassword123"} if len(self.way) > 1 else {}
        changed = by.patch(f"/v1/keys/{edited['id']}", json={"scopes": ["users:read", "keys:read"], **proof})
        assert changed.status_code == 200, changed.text
        self.keys["edited key"] = changed.json() | {"key": text}
        rotated, _ = self._own_key()
        self.keys["rotated key"] = by.post(f"/v1/keys/{rotated['id']}/rotate", json={}).json()
        with self.server.http(self.keys["key"]["key"]) as further:
            self.keys["key of a key"] = further.post("/v1/keys", json={"name": "further"}).json()
            self.keys["key that rotated itself"] = self._rotated(further)

    def _rotated(self, by: Client) -> dict[str, Any]:
        answer = by.post("/v1/keys/current/rotate", json={"overlap": 3600})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def _plant_links(self, by: Client) -> None:
        for purpose, fields in (("sign_in", {}), ("reset_password", {}), ("invite", {"status": "invited"})):
            user = {"name": "Bob", "email": f"{purpose}{self.root['email']}", **fields}
            id = self.http.post(
                "/v1/users", json={"password": "securepassword123"} | user if not fields else user
            ).json()
            answer = by.post(f"/v1/users/{id['id']}/tokens", json={"purpose": purpose, "expires_in": 86_400})
            assert answer.status_code == 201, answer.text
            self.links[purpose] = answer.json()["url"]
        self.links["link"] = by.post(
            f"/v1/users/{new_user(self.http)['id']}/tokens", json={"purpose": "reset_password"}
        ).json()["url"]
        job = by.post("/v1/bulk-jobs", json={"action": "setup_links", "ids": [new_user(self.http)["id"]]}).json()
        path = f"/v1/bulk-jobs/{job['id']}"
        wait_until(lambda: by.get(path).json()["status"] == "finished")
        self.links["link of a bulk job"] = by.get(f"{path}/results").json()["url"]

    def _plant_webhooks(self, by: Client) -> None:
        viewer = new_user(self.http, role="viewer")["id"]
        made = by.post("/v1/webhooks", json={"url": "inbox", "user_id": viewer})
        assert made.status_code == 201, made.text
        self.webhooks["webhook"] = made.json()["id"]
        _, text = self._own_key()
        with self.server.http(text) as own:
            id = own.post("/v1/webhooks", json={"url": "inbox"}).json()["id"]
        assert by.patch(f"/v1/webhooks/{id}", json={"url": "https://hooks.invalid/planted"}).status_code == 200
        self.webhooks["edited webhook"] = id

    def found(self) -> dict[str, str]:
        """What becomes of each by now."""
        found = {name: self._of_key(key) for name, key in self.keys.items()}
        with visitor(self.server) as stranger:
            for name, url in self.links.items():
                answer = stranger.get(url.removeprefix(self.server.url))
                found[name] = {200: WORKS, 404: ENDED}[answer.status_code]
        states = {("enabled", None): WORKS, ("disabled", "creator_suspended"): SUSPENDED}
        return found | {name: states.get(state(self.http, id), ENDED) for name, id in self.webhooks.items()}

    def _of_key(self, key: dict[str, Any]) -> str:
        shown = self.http.get(f"/v1/keys/{key['id']}").json()["status"]
        with self.server.http(key["key"]) as by:
            answer = by.get("/v1/users/me")
        outcomes = {"active": WORKS, "suspended": SUSPENDED, "revoked": ENDED}
        if answer.status_code == 200:
            outcome = WORKS
        elif answer.status_code == 403:
            refused(answer, errors.KeySuspended)
            outcome = SUSPENDED
        else:
            refused(answer, errors.RevokedKey)
            outcome = ENDED
        # A change that the command line made takes the server up to a second to hear of.
        return outcome if outcomes[shown] == outcome else f"{outcome}, but shown as {shown}"

    def all(self, outcome: str) -> dict[str, str]:
        """Links look the same while they are suspended and when they have ended."""
        of_links = ENDED if outcome == SUSPENDED else outcome
        return dict.fromkeys((*self.keys, *self.webhooks), outcome) | dict.fromkeys(self.links, of_links)


ENDS: dict[str, Callable[[Client, str], httpx2.Response]] = {
    "deleted": lambda http, id: http.delete(f"/v1/users/{id}"),
    "purged": lambda http, id: http.delete(f"/v1/users/{id}?purge=true"),
    "demoted": lambda http, id: http.patch(f"/v1/users/{id}", json={"role": "viewer"}),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("hops", [2, 3])
def test_whatever_was_made_with_a_key_ends_with_the_right_of_whom_it_goes_back_to(
    server: Server, http: Client, hops: int, end: str
) -> None:
    chain = Chain(server, http, hops)
    assert chain.found() == chain.all(WORKS)
    assert ENDS[end](http, chain.root["id"]).status_code < 300
    assert chain.found() == chain.all(ENDED)


@pytest.mark.parametrize("lost", ["application", "bystander"])
def test_it_ends_with_each_user_on_the_way(server: Server, http: Client, lost: str) -> None:
    chain = Chain(server, http, 3)
    assert ENDS["deleted"](http, getattr(chain, lost)).status_code < 300
    assert chain.found() == chain.all(ENDED)


def by_api(server: Server, http: Client, user: dict[str, Any], suspends: bool) -> None:
    answer = http.post(f"/v1/users/{user['id']}/{'suspend' if suspends else 'activate'}")
    assert answer.status_code == 200, answer.text


def by_undo(server: Server, http: Client, user: dict[str, Any], suspends: bool) -> None:
    if suspends:
        return by_api(server, http, user, True)
    asked = {"user": user["id"], "type": "user.suspended", "order": "desc", "limit": 1}
    [event] = http.get("/v1/events", params=asked).json()
    answer = http.post(f"/v1/events/{event['id']}/revert", json={})
    assert answer.status_code == 200, answer.text


def by_bulk_job(server: Server, http: Client, user: dict[str, Any], suspends: bool) -> None:
    body = {"action": "suspend" if suspends else "activate", "ids": [user["id"]]}
    id = http.post("/v1/bulk-jobs", json=body).json()["id"]
    wait_until(lambda: http.get(f"/v1/bulk-jobs/{id}").json()["status"] == "finished")


def by_scim(server: Server, http: Client, user: dict[str, Any], suspends: bool) -> None:
    scopes = ["users:read", "users:write", "users:grant"]
    headers = {"Authorization": f"Bearer {new_key(http, kind='scim', scopes=scopes)}"}
    operation = {"op": "replace", "path": "active", "value": not suspends}
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}
    answer = httpx2.patch(f"{server.url}/scim/v2/Users/{user['id']}", headers=headers, json=body, timeout=60, **PLAIN)
    assert answer.status_code == 200, answer.text


def by_page(server: Server, http: Client, user: dict[str, Any], suspends: bool) -> None:
    with signed_in(server) as owner:
        path = f"/admin/users/{user['id']}/{'suspend' if suspends else 'activate'}"
        assert owner.post(path, data={}).status_code == 303


def by_command(server: Server, http: Client, user: dict[str, Any], suspends: bool) -> None:
    command = "suspend" if suspends else "activate"
    server.rollbook("users", command, user["id"], "--data", str(server.data))


WAYS = (by_api, by_undo, by_bulk_job, by_scim, by_page, by_command)


@pytest.mark.parametrize("hops", [2, 3])
def test_a_suspension_suspends_it_and_activation_by_any_way_brings_it_back(
    server: Server, http: Client, hops: int
) -> None:
    chain = Chain(server, http, hops)
    for way in WAYS:
        way(server, http, chain.root, True)
        wait_until(lambda: chain.found() == chain.all(SUSPENDED))
        way(server, http, chain.root, False)
        wait_until(lambda: chain.found() == chain.all(WORKS))


def test_who_was_suspended_and_then_loses_the_right_gets_nothing_back(server: Server, http: Client) -> None:
    chain = Chain(server, http, 2)
    path = f"/v1/users/{chain.root['id']}"
    assert http.post(f"{path}/suspend").status_code == 200
    assert http.patch(path, json={"role": "member"}).status_code == 200
    assert http.post(f"{path}/activate").status_code == 200
    assert chain.found() == chain.all(ENDED)


def test_all_whom_it_goes_back_to_have_to_be_active(server: Server, http: Client) -> None:
    chain = Chain(server, http, 3)
    for id in (chain.root["id"], chain.application):
        assert http.post(f"/v1/users/{id}/suspend").status_code == 200
    assert http.post(f"/v1/users/{chain.root['id']}/activate").status_code == 200
    assert chain.found() == chain.all(SUSPENDED)
    assert http.post(f"/v1/users/{chain.application}/activate").status_code == 200
    assert chain.found() == chain.all(WORKS)


def test_a_paused_webhook_is_paused_after_a_suspension_too(server: Server, http: Client) -> None:
    chain = Chain(server, http, 2)
    path = f"/v1/webhooks/{chain.webhooks['webhook']}"
    assert http.patch(f"{path}", json={"status": "paused"}).status_code == 200
    http.post(f"/v1/users/{chain.root['id']}/suspend")
    http.post(f"/v1/users/{chain.root['id']}/activate")
    assert http.get(path).json()["status"] == "paused"
    # Whoever resumes it meanwhile answers for it: it does not end with who created it.
    http.post(f"/v1/users/{chain.root['id']}/suspend")
    me = http.get("/v1/users/me").json()["id"]
    assert http.patch(f"{path}", json={"status": "enabled"}).json()["created_by"] == me
    http.delete(f"/v1/users/{chain.root['id']}")
    assert http.get(path).json()["status"] == "enabled"


def test_a_key_its_user_rotates_no_longer_goes_back_to_others(server: Server, http: Client) -> None:
    chain = Chain(server, http, 2)
    user = new_user(http)
    with server.http(chain.way[0]["key"]) as by:
        key = by.post("/v1/keys", json={"name": "planted", "user_id": user["id"]}).json()
    with signed_in(server, user) as person, server.http(own_key(person)) as own:
        mine = own.post(f"/v1/keys/{key['id']}/rotate", json={}).json()
    http.delete(f"/v1/users/{chain.root['id']}")
    with server.http(mine["key"]) as by:
        assert by.get("/v1/users/me").status_code == 200


def test_keys_and_the_log_say_whom_a_key_goes_back_to(server: Server, http: Client) -> None:
    chain = Chain(server, http, 3)
    first, second = chain.way
    key = http.get(f"/v1/keys/{chain.keys['key']['id']}").json()
    assert (key["created_by"], key["created_with"]) == (chain.root["id"], second["id"])
    of_root = http.get("/v1/keys", params={"user": "all", "created_by": chain.root["id"], "limit": 1000}).json()
    planted = {first["id"], second["id"], *(key["id"] for key in chain.keys.values())}
    assert planted <= {key["id"] for key in of_root}
    log = Log(http)
    with server.http(second["key"]) as by:
        assert by.post("/v1/users", json={"name": "Eve", "email": f"eve{chain.root['email']}", "status": "invited"})
    [event] = log.news()
    actor = event["actor"]
    assert (actor["user_id"], actor["key_id"]) == (chain.bystander, second["id"])
    assert actor["key_created_by"] == chain.root["id"], "not only the user whose key it is, who did nothing"


def test_a_suspended_key_is_shown_as_such(server: Server, http: Client) -> None:
    root, member = new_user(http, role="admin"), new_user(http)
    with signed_in(server, root) as person, server.http(own_key(person)) as by:
        key = by.post("/v1/keys", json={"name": "planted", "user_id": member["id"]}).json()
    assert http.post(f"/v1/users/{root['id']}/suspend").status_code == 200
    with signed_in(server) as owner:
        path = f"/admin/users/{member['id']}/keys"
        for page in (owner.get(path).text, owner.get(f"{path}/{key['id']}").text):
            assert "Suspended" in page and key["masked"] in page
        assert root["name"] in owner.get(f"{path}/{key['id']}").text
    listed = server.rollbook("keys", "list", member["id"], "--data", str(server.data)).stdout
    assert "suspended" in listed
