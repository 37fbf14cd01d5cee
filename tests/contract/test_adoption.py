"""Whoever had an email here first, and has not verified it, is not taken over by an identity provider or an import while
they have a way in of their own. Adopting them ends it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from tests.contract.test_imports import HASH, counts, done, reported
from tests.factors import App, enrolled
from tests.harness import Server, new_key, new_user
from tests.nodes.pair import wait_until
from tests.scim.provider import PATCH, Provider, refused
from tests.scim.provider import user as resource
from tests.visitor import is_signed_in, sign_in, signed_in, visitor

USED, FREE = "a lobster in the library", "another crab in the archive"


class Squatter:
    """A stranger who signed up with someone else's email, and all that they have."""

    def __init__(self, server: Server, http: httpx2.Client, **fields: Any) -> None:
        self.user = new_user(http, **fields)
        self.http = http
        self.key = new_key(http, user_id=self.user["id"])
        with server.http(self.key) as own:
            self.app: App = enrolled(own, self.user["id"], current_password=self.user["password"])
        with visitor(server) as browser:
            sign_in(browser, self.user["email"], self.user["password"])
            assert browser.post("/account/sign-in/code", data={"code": self.app.code()}).status_code == 303
            self.cookies = browser.cookies
        link = {"purpose": "change_email", "email": f"new.{self.user['email']}"}
        http.post(f"/v1/users/{self.user['id']}/tokens", json=link).raise_for_status()
        self.server = server

    def ways_in(self) -> list[str]:
        """The ways that still work."""
        ways = []
        with self.server.http(self.key) as caller:
            if caller.get("/v1/users/me").status_code == 200:
                ways.append("key")
        sign_in = {"email": self.user["email"], "password": self.user["password"]}
        if self.http.post("/v1/users/verify-password", json=sign_in).json().get("code") != "wrong_password":
            ways.append("password")
        if self.http.get(f"/v1/users/{self.user['id']}/second-factors").json()["second_factors"]:
            ways.append("factor")
        if self.http.get(f"/v1/users/{self.user['id']}/tokens").json():
            ways.append("link")
        with visitor(self.server) as browser:
            browser.cookies = self.cookies
            if is_signed_in(browser):
                ways.append("session")
        return ways


ALL = ["key", "password", "factor", "link", "session"]


@pytest.fixture(scope="module")
def idp(server: Server, http: httpx2.Client) -> Iterator[Provider]:
    with server.http(new_key(http, kind="scim")) as client:
        client.base_url = httpx2.URL(f"{server.url}/scim/v2")
        yield Provider(client)


def shown(http: httpx2.Client, user: dict[str, Any]) -> dict[str, Any]:
    return http.get(f"/v1/users/{user['id']}", params={"fields": "*"}).json()


def adopted(http: httpx2.Client, user: dict[str, Any]) -> None:
    answer = http.post(f"/v1/users/{user['id']}/adopt", params={"fields": "*"})
    assert answer.status_code == 200 and answer.json()["id"] == user["id"], answer.text


# ---- identity providers


def test_a_provider_takes_no_one_over_who_signed_up_first_until_an_admin_adopts_them(
    server: Server, http: httpx2.Client, idp: Provider
) -> None:
    squatter = Squatter(server, http)
    id, email = squatter.user["id"], squatter.user["email"]
    before = shown(http, squatter.user)
    assert idp.http.post("/Users", json=resource(userName=email)).status_code == 409
    assert idp.found(f'userName eq "{email}"') == [id]
    whole = resource(userName=email, externalId=f"00u{id}", displayName="The CEO")
    title = {"op": "replace", "path": "displayName", "value": "The CEO"}
    active = {"op": "replace", "path": "active", "value": True}
    group = idp.new_group(displayName=f"Executives {id}")["id"]
    join = {"op": "add", "path": "members", "value": [{"value": id}]}
    calls: list[tuple[str, str, Any]] = [
        ("PUT", f"/Users/{id}", whole),
        ("PUT", f"/Users/{id}", {**whole, "active": False}),
        ("PUT", f"/Users/{id}", {**resource(userName=f"new-{email}"), "active": False}),
        ("PATCH", f"/Users/{id}", {"schemas": [PATCH], "Operations": [title]}),
        ("PATCH", f"/Users/{id}", {"schemas": [PATCH], "Operations": [active]}),
        ("PATCH", f"/Groups/{group}", {"schemas": [PATCH], "Operations": [join]}),
        ("POST", "/Groups", {**idp.get(f"/Groups/{group}"), "displayName": "More", "members": [{"value": id}]}),
    ]
    for method, path, body in calls:
        said = refused(idp.http.request(method, path, json=body), 409, "uniqueness")
        assert "has not verified it" in said
    assert shown(http, squatter.user) == before and squatter.ways_in() == ALL
    adopted(http, squatter.user)
    assert squatter.ways_in() == []
    for method, path, body in (calls[0], *calls[3:6]):
        assert idp.http.request(method, path, json=body).status_code == 200, path
    assert shown(http, squatter.user)["name"] == "The CEO"
    types = [each["type"] for each in http.get("/v1/events", params={"user": id}).json()]
    assert types.count("user.access_ended") == types.count("key.revoked") == 1


def test_a_provider_may_suspend_anyone_and_keeps_those_it_has(
    server: Server, http: httpx2.Client, idp: Provider
) -> None:
    squatter = new_user(http)
    off = {"op": "replace", "path": "active", "value": False}
    assert idp.patch(f"/Users/{squatter['id']}", off)["active"] is False
    own = idp.new_user(externalId=secrets.token_hex(4))
    http.put(f"/v1/users/{own['id']}/password", json={"password": USED}).raise_for_status()
    named = {"op": "replace", "path": "displayName", "value": "Ada King"}
    assert idp.patch(f"/Users/{own['id']}", named)["displayName"] == "Ada King", "they came from the provider"
    without = http.post(
        "/v1/users", json={"name": "Ida", "email": f"{secrets.token_hex(6)}@example.com", "status": "invited"}
    )
    assert idp.patch(f"/Users/{without.json()['id']}", named)["displayName"] == "Ada King", "no one else has a way in"
    verified = new_user(http, email_verified=True)
    assert idp.patch(f"/Users/{verified['id']}", named)["displayName"] == "Ada King"


def test_whoever_takes_another_email_themselves_is_not_the_person_that_the_provider_knew(
    server: Server, http: httpx2.Client, idp: Provider
) -> None:
    own = idp.new_user()
    http.put(f"/v1/users/{own['id']}/password", json={"password": USED}).raise_for_status()
    with server.http(new_key(http, user_id=own["id"])) as caller:
        body = {"email": f"ceo.{own['userName']}", "current_password": USED}
        assert caller.patch("/v1/users/me", json=body).status_code == 200
    named = {"op": "replace", "path": "displayName", "value": "The CEO"}
    body = {"schemas": [PATCH], "Operations": [named]}
    assert refused(idp.http.patch(f"/Users/{own['id']}", json=body), 409, "uniqueness")


# ---- imports


@pytest.mark.parametrize(
    "fields",
    [
        {"email_verified": True},
        {"metadata": {"plan": "enterprise"}},
        {"groups": "Executives"},
        {"name": "The CFO"},
        {"external_id": "cfo-{}", "password_hash": HASH},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_an_import_refuses_whoever_signed_up_first(http: httpx2.Client, fields: dict[str, Any]) -> None:
    squatter = new_user(http)
    before = shown(http, squatter)
    row = json.loads(
        json.dumps({"name": squatter["name"], "email": squatter["email"], **fields}).replace("{}", squatter["id"])
    )
    for dry_run in ("true", "false"):
        job = done(http, row, on_conflict="update", dry_run=dry_run)
        assert counts(job) == {"refused": 1}
        [refusal] = reported(http, job)
        assert (refusal["code"], refusal["field"]) == ("email_unproven", "email")
        assert shown(http, squatter) == before
    same = done(http, {"email": squatter["email"], "name": squatter["name"]}, on_conflict="update")
    assert counts(same) == {"unchanged": 1}


def test_an_import_that_adopts_ends_every_way_in_and_the_files_password_counts(
    server: Server, http: httpx2.Client
) -> None:
    squatter = Squatter(server, http)
    row = {"email": squatter.user["email"], "name": "The CFO", "password": USED, "email_verified": True}
    assert counts(done(http, row, on_conflict="update", adopt="true", dry_run="true")) == {"updated": 1}
    assert squatter.ways_in() == ALL
    squatter = Squatter(server, http)
    row["email"] = squatter.user["email"]
    assert counts(done(http, row, on_conflict="update", adopt="true")) == {"updated": 1}
    # The server remembers a key for a quarter of a second beyond what another process does.
    wait_until(lambda: squatter.ways_in() == [])
    credentials = {"email": row["email"], "password": USED}
    assert http.post("/v1/users/verify-password", json=credentials).status_code == 200
    assert counts(done(http, row, on_conflict="update", adopt="true")) == {"unchanged": 1}
    assert http.post("/v1/users/verify-password", json=credentials).status_code == 200


def test_an_import_goes_on_updating_whom_it_brought_and_whom_it_knows_by_external_id(http: httpx2.Client) -> None:
    email = f"{secrets.token_hex(6)}@example.com"
    first = {"name": "Ida", "email": email, "password_hash": HASH}
    assert counts(done(http, first)) == {"added": 1}
    assert counts(done(http, first, on_conflict="update")) == {"unchanged": 1}
    [ida] = http.get("/v1/users", params={"email": email}).json()
    http.put(f"/v1/users/{ida['id']}/password", json={"password": FREE}).raise_for_status()
    assert counts(done(http, {**first, "name": "Ida B"}, on_conflict="update")) == {"updated": 1}
    known = new_user(http, external_id=secrets.token_hex(6))
    row = {"email": known["email"], "external_id": known["external_id"], "name": "Known"}
    assert counts(done(http, row, on_conflict="update", match="external_id")) == {"updated": 1}
    for proof in ({"email_verified": True}, {"email": f"{secrets.token_hex(6)}@example.com"}):
        assert counts(done(http, row | proof, on_conflict="update", match="external_id")) == {"refused": 1}, proof


def test_who_may_adopt(
    server: Server, http: httpx2.Client, as_role: Callable[..., httpx2.Client], idp: Provider
) -> None:
    squatter, admin = Squatter(server, http), new_user(http, role="admin")
    with visitor(server) as stranger, signed_in(server) as owner:
        assert stranger.post(f"/admin/users/{squatter.user['id']}/adopt").status_code in (303, 403)
        for role, scopes in (("member", None), ("viewer", None), ("admin", ["users:read"])):
            answer = as_role(role, scopes=scopes).post(f"/v1/users/{squatter.user['id']}/adopt")
            assert answer.status_code == 403, role
        narrow = as_role("admin", scopes=["users:write"])
        assert narrow.post(f"/v1/users/{admin['id']}/adopt").status_code == 403, "needs users:grant"
        assert squatter.ways_in() == ALL
        page = owner.get(f"/admin/users/{squatter.user['id']}")
        assert f"/admin/users/{squatter.user['id']}/adopt" in page.text
    verified = new_user(http, email_verified=True)
    adopted(http, verified)
    credentials = {"email": verified["email"], "password": verified["password"]}
    assert http.post("/v1/users/verify-password", json=credentials).status_code == 200, "nothing happens to them"
