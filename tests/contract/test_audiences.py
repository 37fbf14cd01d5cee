"""Audiences of keys: an application signs people in to itself, and to no other application."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import Log, refused
from tests.engines import once
from tests.harness import OWNER_PASSWORD, Server, new_key, new_token, new_user, running
from tests.visitor import is_signed_in, signed_in, visitor

BANK, BLOG = "https://bank.example", "https://blog.example"
SCOPES = ["tokens:create", "tokens:consume", "sessions:create", "sessions:verify", "sessions:read", "sessions:write"]
numbers = count(time.time_ns() // 1000)


class Application:
    """An application that signs people in, and its key."""

    def __init__(self, server: Server, http: httpx2.Client, **fields: Any) -> None:
        made = http.post("/v1/applications", json={"name": "Shop", "role": "admin"}).json()
        self.id: str = made["id"]
        self.server = server
        answer = http.post("/v1/keys", json={"name": "sign-in", "user_id": self.id, "scopes": SCOPES, **fields})
        assert answer.status_code == 201, answer.text
        self.key = answer.json()
        self.http = server.http(self.key["key"])

    def session(self, audience: str, **proof: Any) -> httpx2.Response:
        return self.http.post("/v1/sessions", json={"audience": audience, **proof})


@pytest.fixture
def apps(server: Server, http: httpx2.Client) -> Iterator[tuple[Application, Application]]:
    with ExitStack() as opened:
        bank = Application(server, http, audiences=[BANK])
        blog = Application(server, http, audiences=[BLOG])
        for each in (bank, blog):
            opened.enter_context(each.http)
        yield bank, blog


def credentials(user: dict[str, Any]) -> dict[str, str]:
    return {"email": user["email"], "password": user["password"]}


def test_an_application_creates_refreshes_and_verifies_sessions_of_its_own_audience_only(
    http: httpx2.Client, apps: tuple[Application, Application]
) -> None:
    bank, blog = apps
    user = new_user(http)
    made = bank.session(BANK, **credentials(user)).json()
    assert made["audience"] == BANK
    log = Log(http)
    with log.silent():
        wrong = refused(blog.session(BANK, **credentials(user)), errors.InsufficientScope)
        assert BLOG in wrong["error"]
        for path, token in (("refresh", "refresh_token"), ("verify", "token")):
            body = {"audience": BANK, token: made[token]}
            refused(blog.http.post(f"/v1/sessions/{path}", json=body), errors.InsufficientScope)
    verified = bank.http.post("/v1/sessions/verify", json={"audience": BANK, "token": made["token"]})
    assert verified.json()["user"]["id"] == user["id"]
    renewed = bank.http.post("/v1/sessions/refresh", json={"audience": BANK, "refresh_token": made["refresh_token"]})
    assert renewed.status_code == 200, "the blog's try did not use it up"


def test_a_sign_in_token_of_one_application_is_no_session_of_another(
    http: httpx2.Client, apps: tuple[Application, Application]
) -> None:
    """Whoever holds the token: the blog must not sign a member in by the bank's own page, either."""
    bank, blog = apps
    user = new_user(http)
    token = new_token(blog.http, user["id"], purpose="sign_in")["token"]
    refused(bank.session(BANK, token=token), errors.TokenInvalid)
    refused(bank.http.post("/v1/tokens/consume", json={"token": token}), errors.TokenInvalid)
    refused(http.post("/v1/sessions", json={"audience": BANK, "token": token}), errors.TokenInvalid)
    assert blog.session(BLOG, token=token).status_code == 201, "it was not used up"
    again = new_token(blog.http, user["id"], purpose="sign_in")["token"]
    assert blog.http.post("/v1/tokens/consume", json={"token": again}).status_code == 200
    # An admin's is for all.
    for app, audience in ((bank, BANK), (blog, BLOG)):
        anybody = new_token(http, user["id"], purpose="sign_in")["token"]
        assert app.session(audience, token=anybody).json()["audience"] == audience


def test_a_sign_in_token_of_an_application_does_not_open_the_dashboard(
    server: Server, http: httpx2.Client, apps: tuple[Application, Application]
) -> None:
    _, blog = apps
    user = new_user(http)
    made = new_token(blog.http, user["id"], purpose="sign_in")
    with visitor(server) as browser:
        sent = browser.post("/account/sign-in-link", data={"token": made["token"]})
        assert sent.status_code == 404 and not is_signed_in(browser)
        assert blog.session(BLOG, token=made["token"]).status_code == 201, "it was not used up"
        anybody = new_token(http, user["id"], purpose="sign_in")["token"]
        assert browser.post("/account/sign-in-link", data={"token": anybody}).status_code == 303
        assert is_signed_in(browser)


def test_a_key_with_one_audience_need_not_name_it(server: Server, http: httpx2.Client) -> None:
    user = new_user(http)
    with Application(server, http, audiences=[BLOG]).http as one:
        made = one.post("/v1/sessions", json=credentials(user)).json()
        assert made["audience"] == BLOG
        renewed = one.post("/v1/sessions/refresh", json={"refresh_token": made["refresh_token"]}).json()
        assert one.post("/v1/sessions/verify", json={"token": renewed["token"]}).json()["audience"] == BLOG
        token = new_token(one, user["id"], purpose="sign_in")["token"]
        assert one.post("/v1/sessions", json={"token": token}).json()["audience"] == BLOG
    with Application(server, http, audiences=[BLOG, BANK]).http as two:
        for client in (two, http):
            for path, body in (
                ("", credentials(user)),
                ("/refresh", {"refresh_token": made["refresh_token"]}),
                ("/verify", {"token": made["token"]}),
            ):
                found = refused(client.post(f"/v1/sessions{path}", json=body), errors.InvalidParameter)
                assert found["param"] == "audience", path


def test_a_sign_in_link_that_is_asked_for_belongs_to_who_asked(
    server: Server, http: httpx2.Client, apps: tuple[Application, Application]
) -> None:
    """The request is worked off later, and its token goes out by a webhook."""
    _, blog = apps
    user = new_user(http)
    hook = http.post("/v1/webhooks", json={"url": "https://hook.example.com/", "types": ["token.requested"]}).json()
    body = {"email": user["email"], "purpose": "sign_in"}
    assert blog.http.post("/v1/tokens/request", json=body).status_code == 202
    deadline = time.monotonic() + 60
    find = f"SELECT audiences FROM one_time_tokens WHERE user_id = '{user['id']}'"
    while not (rows := server.ask(find)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [tuple(row) for row in rows] == [(BLOG,)]
    http.delete(f"/v1/webhooks/{hook['id']}")


def test_an_application_lists_and_ends_its_own_sessions_only(
    http: httpx2.Client, apps: tuple[Application, Application]
) -> None:
    bank, blog = apps
    user = new_user(http)
    of_bank = bank.session(BANK, **credentials(user)).json()["id"]
    of_blog = blog.session(BLOG, **credentials(user)).json()["id"]
    listed = blog.http.get("/v1/sessions", params={"user": user["id"]})
    assert [each["id"] for each in listed.json()] == [of_blog]
    assert listed.headers["x-total-count"] == "1"
    asked = {"user": user["id"], "audience": BANK}
    refused(blog.http.get("/v1/sessions", params=asked), errors.InsufficientScope)
    with Log(http).silent():
        refused(blog.http.delete(f"/v1/sessions/{of_bank}"), errors.NotFound)
    assert blog.http.delete(f"/v1/sessions/{of_blog}").status_code == 204
    assert [each["id"] for each in http.get("/v1/sessions", params={"user": user["id"]}).json()] == [of_bank]


def test_a_key_of_an_application_is_for_its_id_unless_it_has_audiences_and_one_of_a_person_for_any(
    server: Server, http: httpx2.Client
) -> None:
    shop, user = Application(server, http), new_user(http)
    with shop.http:
        assert shop.key["audiences"] == [shop.id]
        refused(shop.session("shop", **credentials(user)), errors.InsufficientScope)
        assert shop.session(shop.id, **credentials(user)).status_code == 201
    assert http.post("/v1/keys", json={"name": "mine"}).json()["audiences"] is None
    person = new_user(http, role="admin")
    with server.http(new_key(http, user_id=person["id"])) as admin:
        for audience in (BANK, BLOG, shop.id):
            assert admin.post("/v1/sessions", json={"audience": audience, **credentials(user)}).status_code == 201
    several = http.post("/v1/keys", json={"name": "both", "audiences": [BLOG, BANK, BLOG]}).json()
    assert several["audiences"] == [BANK, BLOG]


def test_what_a_key_creates_has_no_more_audiences_than_it_has(server: Server, http: httpx2.Client) -> None:
    wide = ["keys:write", "users:write", "users:read", "users:grant", *SCOPES]
    shop = Application(server, http, audiences=[BLOG], scopes=wide)
    with shop.http as own:
        person, other = new_user(own), own.post("/v1/applications", json={"name": "Other"}).json()
        for holder in (shop.id, person["id"], other["id"]):
            key = own.post("/v1/keys", json={"name": "mine", "user_id": holder, "scopes": []}).json()
            assert key["audiences"] == [BLOG]
            body = {"name": "more", "user_id": holder, "scopes": [], "audiences": [BANK]}
            with Log(http).silent():
                refused(own.post("/v1/keys", json=body), errors.InsufficientScope)
        with Log(http).silent():
            for audiences in ([BANK], [BANK, BLOG]):
                refused(own.patch("/v1/keys/current", json={"audiences": audiences}), errors.InsufficientScope)
        wider = http.post("/v1/keys", json={"name": "wider", "user_id": shop.id, "audiences": [BANK]}).json()["id"]
        refused(own.post(f"/v1/keys/{wider}/rotate"), errors.InsufficientScope)
        refused(own.patch(f"/v1/keys/{wider}", json={"name": "mine"}), errors.InsufficientScope)


def test_audiences_of_a_key_are_changed_kept_by_a_rotation_and_take_a_proof_to_widen(
    server: Server, http: httpx2.Client
) -> None:
    shop, user, log = Application(server, http, audiences=[BLOG]), new_user(http), Log(http)
    at = f"/v1/keys/{shop.key['id']}"
    with log.silent():
        refused(http.patch(at, json={"audiences": [BANK, BLOG]}), errors.InvalidParameter)
    proof = {"current_password": OWNER_PASSWORD}
    assert http.patch(at, json={"audiences": [BANK, BLOG], **proof}).json()["audiences"] == [BANK, BLOG]
    [event] = log.news()
    assert (event["type"], event["before"]) == ("key.updated", {"audiences": [BLOG]})
    with shop.http:
        assert shop.session(BANK, **credentials(user)).status_code == 201
        assert http.patch(at, json={"audiences": [BLOG]}).status_code == 200
        refused(shop.session(BANK, **credentials(user)), errors.InsufficientScope)
    rotated = http.post(f"{at}/rotate").json()
    assert rotated["audiences"] == [BLOG]
    whole = http.patch(f"/v1/keys/{rotated['id']}", json={"audiences": None, **proof}).json()
    assert whole["audiences"] == [shop.id]
    own = http.post("/v1/keys", json={"name": "mine", "audiences": [BLOG]}).json()["id"]
    assert http.patch(f"/v1/keys/{own}", json={"audiences": None, **proof}).json()["audiences"] is None


def test_the_form_of_a_key_shows_its_audiences_and_changes_them(server: Server, http: httpx2.Client) -> None:
    shop = Application(server, http, audiences=[BLOG])
    shop.http.close()
    at = f"/admin/users/{shop.id}/keys/{shop.key['id']}"
    with signed_in(server) as owner:
        assert BLOG in owner.get(at).text
        seen = re.search('name="seen" value="([^"]+)"', owner.get(f"{at}/edit").text)
        assert seen
        form = {"name": "sign-in", "reach": "some", "scopes": SCOPES, "expires": "keep", "seen": seen[1]}
        wrong = owner.post(at, data={**form, "audiences": "HTTPS://BANK.EXAMPLE"})
        assert wrong.status_code == 400 and "audiences-problem" in wrong.text
        assert owner.post(at, data={**form, "audiences": f"{BANK}\n{BLOG}"}).status_code == 303
    assert http.get(f"/v1/keys/{shop.key['id']}").json()["audiences"] == [BANK, BLOG]


@once
def test_an_audience_has_one_spelling(http: httpx2.Client) -> None:
    user = new_user(http)
    wrong = (
        "",
        "*",
        "https://*.bank.example",
        "HTTPS://bank.example",
        "https://Bank.example",
        '["https://bank.example"]',
    )
    for audience in (*wrong, "{}", " https://bank.example", "https://bank.example ", "a\nb", "bänk", "a" * 256):
        answer = http.post("/v1/sessions", json={"audience": audience, **credentials(user)})
        found = refused(answer, errors.InvalidParameter)
        assert found["param"] == "audience" and "control characters" not in found["error"], audience
        body = {"name": "key", "audiences": [audience]}
        assert refused(http.post("/v1/keys", json=body), errors.InvalidParameter)["param"].startswith("audiences")
    for audience in (
        "shop",
        "com.example.app",
        "urn:example:shop",
        "https://a-b.example:8443/Path?Q=1",
        "api://default",
    ):
        made = http.post("/v1/sessions", json={"audience": audience, **credentials(user)})
        assert made.status_code == 201, (audience, made.text)
    for body in (
        {"audiences": []},
        {"audiences": [f"a{at}" for at in range(17)]},
        {"kind": "scim", "audiences": ["a"]},
    ):
        assert refused(http.post("/v1/keys", json={"name": "key", **body}), errors.InvalidParameter)
    assert http.post("/v1/keys", json={"name": "key", "kind": "scim"}).json()["audiences"] is None


@once
def test_an_access_token_names_the_audience_that_the_key_may_have(tmp_path: Path) -> None:
    flags = ("--access-tokens", "--public-url", "https://users.example.com")
    with running(tmp_path / "data", *flags) as server, server.http() as http:
        shop, user = Application(server, http, audiences=[BLOG]), new_user(http)
        with shop.http:
            refused(shop.session(BANK, **credentials(user)), errors.InsufficientScope)
            payload = shop.session(BLOG, **credentials(user)).json()["access_token"].split(".")[1]
        assert json.loads(base64.urlsafe_b64decode(payload + "=="))["aud"] == BLOG
