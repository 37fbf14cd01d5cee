"""The pages about applications: connecting one is one step, and stopping one is none by accident."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import httpx2
import pytest

from rollbook.actions.key_bounds import PURPOSES
from tests.contract.answers import Log
from tests.engines import once
from tests.harness import Server, new_key, new_user
from tests.visitor import signed_in

numbers = count(1)


@pytest.fixture(scope="module")
def owner(server: Server) -> Iterator[httpx2.Client]:
    with signed_in(server) as person:
        yield person


def application(http: httpx2.Client, **fields: Any) -> dict[str, Any]:
    body = {"name": f"Shop {next(numbers)}", "role": "viewer", **fields}
    return http.post("/v1/applications?fields=*", json=body).json()


def wait(holds: Callable[[], bool]) -> None:
    """What is used is counted within a second or two."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def status(http: httpx2.Client, user: dict[str, Any]) -> str:
    return http.get(f"/v1/users/{user['id']}").json()["status"]


def test_connecting_an_application_shows_its_first_key_next(
    server: Server, http: httpx2.Client, owner: httpx2.Client
) -> None:
    log = Log(http)
    sent = owner.post("/admin/applications/new", data={"name": "Billing", "role": "viewer", "expires": "30"})
    assert sent.status_code == 303
    page = owner.get(sent.headers["location"]).text
    found = re.search(r"rbk_[0-9A-Za-z]{38}", page)
    assert found, "the key is shown"
    assert '<a href="/admin/applications" aria-current="page">' in page
    with server.http(found[0]) as itself:
        user = itself.get("/v1/users/me").json()
        assert (user["name"], user["kind"], user["role"]) == ("Billing", "application", "viewer")
        assert itself.get("/v1/keys/current").json()["expires_at"] is not None
    assert [event["type"] for event in log.news()] == ["user.created", "key.created"]


def test_the_form_asks_what_the_application_does_and_shows_a_program_that_works(
    server: Server, http: httpx2.Client, owner: httpx2.Client
) -> None:
    form = owner.get("/admin/applications/new").text
    for name, purpose in PURPOSES.items():
        assert f'name="purpose" value="{name}"' in form and purpose.about.replace("'", "’") in html.unescape(form)
        sent = owner.post(
            "/admin/applications/new",
            data={"name": "Shop", "purpose": name, "audience": "https://shop.example.com", "expires": "never"},
        )
        assert sent.status_code == 303, sent.text
        page = html.unescape(owner.get(sent.headers["location"]).text)
        assert f"Shop: {name}" in page and purpose.about.replace("'", "’") in page
        page = re.sub("</?span[^>]*>", "", page)
        found = re.search(r"^(?:ROLLBOOK|APP)_KEY=(rbk_\w{38})\b", page, re.MULTILINE) or re.search(
            r"<code[^>]*>APP_KEY=(rbk_\w{38})\n", page
        )
        assert found, page
        for command in purpose.commands:
            assert command.partition("'")[2].partition("{")[0] in page
        with server.http(found[1]) as itself:
            key = itself.get("/v1/keys/current")
            user = itself.get("/v1/users/me")
        if "users:read" in purpose.scopes:
            assert (user.json()["role"], user.json()["rate_limit"]) == (purpose.role, purpose.rate_limit)
        assert key.status_code == 403, "no purpose needs keys"
    listed = owner.get("/admin/applications", params={"q": "Shop"}).text
    assert all(f"<td>{purpose.title}</td>" in listed for purpose in PURPOSES.values())
    shop = http.get("/v1/applications", params={"sort": "-created_at", "limit": 1}).json()[0]
    [key] = http.get("/v1/keys", params={"user": shop["id"]}).json()
    assert key["audiences"] == ["https://shop.example.com"]
    assert "https://shop.example.com" in owner.get(f"/admin/users/{shop['id']}/keys/{key['id']}").text


def test_a_form_that_is_refused_creates_neither(http: httpx2.Client, owner: httpx2.Client) -> None:
    for form in (
        {"name": "", "role": "viewer"},
        {"name": "Shop", "role": "owner"},
        {"name": "Shop", "role": "king"},
        {"name": "Shop"},
        {"name": "Shop", "purpose": "world-peace"},
        {"name": "Shop", "purpose": "sign-in", "audience": "HTTPS://SHOP.EXAMPLE.COM"},
    ):
        with Log(http).silent():
            answer = owner.post("/admin/applications/new", data=form)
        assert answer.status_code == 400 and "field-" in answer.text


@once
def test_who_may_not_create_keys_or_roles_connects_nothing(server: Server, http: httpx2.Client) -> None:
    for role in ("member", "viewer"):
        with signed_in(server, new_user(http, role=role)) as person, Log(http).silent():
            assert person.get("/admin/applications/new").status_code == 403
            assert person.post("/admin/applications/new", data={"name": "Shop", "role": "member"}).status_code == 403


def test_the_list_tells_keys_last_use_and_requests(server: Server, http: httpx2.Client, owner: httpx2.Client) -> None:
    shop = application(http, name="Listed shop")
    new_key(http, user_id=shop["id"], name="second")
    with server.http(new_key(http, user_id=shop["id"], name="first")) as itself:
        for _ in range(3):
            itself.get("/v1/users/me")

    def row() -> str:
        page = owner.get("/admin/applications", params={"q": "Listed shop"}).text
        found = re.search(r"<tr>\s*<th scope=\"row\".*?</tr>", page, re.DOTALL)
        assert found, page
        return found[0]

    wait(lambda: "Never" not in row() and '<td class="num">3</td>' in row())
    assert "<td>All that the role viewer allows</td>" in row()
    assert '<td class="num">2</td>' in row() and f"/admin/applications/{shop['id']}" in row()


def test_the_list_of_users_shows_persons_unless_it_is_asked_for_applications(
    http: httpx2.Client, owner: httpx2.Client
) -> None:
    tag = f"Kind{next(numbers)}"
    person = http.post("/v1/users", json={"name": f"{tag} person", "email": f"{tag}@example.com", "status": "invited"})
    shop, user = application(http, name=f"{tag} shop"), person.json()
    for kind, wanted in (("", {user["id"]}), ("application", {shop["id"]}), ("any", {user["id"], shop["id"]})):
        asked = {"q": tag, "kind": kind} if kind else {"q": tag}
        page = owner.get("/admin/users", params=asked).text
        shown = set(
            re.findall(r'<th scope="row"(?:(?!</th>).)*?<a href="/admin/(?:users|applications)/(user_\w+)"', page)
        )
        assert shown == wanted, kind
        chip = {"application": "applications", "any": "both"}.get(kind)
        assert chip is None or f'<span class="muted">Kind</span> {chip}' in page
        exported = owner.get("/admin/users/export", params=asked | {"format": "ndjson"})
        assert {json.loads(line)["id"] for line in exported.text.splitlines()} == wanted
    total = http.get("/v1/users/count", params={"kind": "person"}).json()["count"]
    assert f"<strong>{total:,}</strong> user" in owner.get("/admin/users").text


def test_its_page_has_its_keys_webhooks_and_requests(server: Server, http: httpx2.Client, owner: httpx2.Client) -> None:
    shop = application(http, name="Whole shop")
    with server.http(new_key(http, user_id=shop["id"], name="production")) as itself:
        hook = {"url": "inbox", "types": ["user.*"], "description": "Orders to the warehouse"}
        assert itself.post("/v1/webhooks", json=hook).status_code == 201
        itself.get("/v1/users/me")
    wait(lambda: "/v1/users/me" in owner.get(f"/admin/applications/{shop['id']}").text)
    page = owner.get(f"/admin/applications/{shop['id']}").text
    for text in ("production", "Orders to the warehouse", "/v1/users/me", "Requests, 7 days"):
        assert text in page, text
    assert owner.get(f"/admin/applications/{new_user(http)['id']}").status_code == 404
    tabs = owner.get(f"/admin/users/{shop['id']}").text
    assert f'/admin/users/{shop["id"]}/sessions"' not in tabs and "/link" not in tabs


def test_an_admin_creates_a_webhook_for_an_application_on_its_page(
    http: httpx2.Client, owner: httpx2.Client, server: Server
) -> None:
    shop = application(http, name="Shop with hooks")
    page = owner.get(f"/admin/applications/{shop['id']}").text
    new = f"/admin/webhooks/new?user={shop['id']}"
    assert f'href="{new}"' in page and "on behalf of" not in page
    assert "on behalf of" not in owner.get(f"/admin/users/{shop['id']}/keys").text
    assert "For Shop with hooks" in owner.get(new).text
    form = {"user_id": shop["id"], "url": "inbox", "reach": "all", "description": "Orders"}
    assert owner.post("/admin/webhooks", data=form).status_code == 303
    [hook] = http.get("/v1/webhooks", params={"user": shop["id"]}).json()
    assert (hook["user_id"], hook["description"]) == (shop["id"], "Orders")
    refusal = owner.post("/admin/webhooks", data={**form, "url": "ftp://x"})
    assert refusal.status_code == 400 and "For Shop with hooks" in refusal.text
    assert owner.get("/admin/webhooks/new?user=user_00000000000000000000000000").status_code == 404
    with signed_in(server, new_user(http, role="viewer")) as viewer, Log(http).silent():
        assert viewer.post("/admin/webhooks", data=form).status_code == 403


def test_no_single_click_suspends_or_deletes_an_application(http: httpx2.Client, owner: httpx2.Client) -> None:
    shop = application(http, name="Busy Shop")
    new_key(http, user_id=shop["id"], name="production key")
    for page in ("/admin/users?kind=any&q=Busy", f"/admin/applications/{shop['id']}", f"/admin/users/{shop['id']}"):
        text = owner.get(page).text
        assert not re.search(rf'action="/admin/[a-z]+/{shop["id"]}/(suspend|delete)"', text), page
        assert f"/admin/applications/{shop['id']}/suspend" in text
    for what in ("suspend", "delete"):
        with Log(http).silent():
            answer = owner.post(f"/admin/users/{shop['id']}/{what}", data={"list": "on"})
            assert answer.status_code == 303
            asking = f"/admin/applications/{shop['id']}/{what}"
            assert answer.headers["location"] == asking
            assert "production key" in owner.get(asking).text
            for typed in ("", "Busy", "another shop"):
                refusal = owner.post(asking, data={"confirm": typed})
                assert refusal.status_code == 400 and "production key" in refusal.text
    assert owner.post(f"/admin/applications/{shop['id']}/suspend", data={"confirm": "busy  shop "}).status_code == 303
    assert status(http, shop) == "suspended"
    assert owner.post(f"/admin/users/{shop['id']}/activate").status_code == 303
    assert status(http, shop) == "active"
    assert owner.post(f"/admin/applications/{shop['id']}/delete", data={"confirm": "Busy Shop"}).status_code == 303
    assert http.get(f"/v1/users/{shop['id']}").status_code == 404


def test_a_suspended_user_is_offered_no_link_to_set_a_password(http: httpx2.Client, owner: httpx2.Client) -> None:
    """With it they would type a password twice before they learn that they can't sign in."""
    user = new_user(http)
    assert "/link" in owner.get(f"/admin/users/{user['id']}").text
    http.post(f"/v1/users/{user['id']}/suspend")
    assert "/link" not in owner.get(f"/admin/users/{user['id']}").text
    assert "/link" not in owner.get("/admin/users", params={"q": user["email"]}).text
    with Log(http).silent():
        answer = owner.post(f"/admin/users/{user['id']}/link")
    assert answer.status_code == 400 and "The user is suspended. Activate them first." in answer.text


def test_people_are_counted_without_applications_as_they_are_listed(http: httpx2.Client, owner: httpx2.Client) -> None:
    application(http, role="viewer")

    def tile(path: str, label: str) -> int:
        found = re.search(f'<p class="label">{label}</p><p class="number">([0-9,]+)', owner.get(path).text)
        assert found, (path, label)
        return int(found[1].replace(",", ""))

    def listed(query: str) -> int:
        page = owner.get(f"/admin/users?count=exact&{query}").text
        found = re.search(r"<strong>([0-9,]+)</strong> user", page)
        assert found or "No users found" in page
        return int(found[1].replace(",", "")) if found else 0

    def linked(words: str) -> int:
        found = re.search(f">([0-9,]+) {words}s?</a>", owner.get("/admin").text)
        assert found, words
        return int(found[1].replace(",", ""))

    people, applications = listed(""), listed("kind=application")
    assert applications and people + applications == http.get("/v1/users/count").json()["count"]
    for path in ("/admin", "/admin/server"):
        assert (tile(path, "Users"), tile(path, "Applications")) == (people, applications)
    assert tile("/admin", "New users, 24 hours") == tile("/admin", "New users, 7 days") == people
    for role in ("owner", "admin", "member", "viewer"):
        assert linked(role) == listed(f"role={role}"), role
    assert linked("suspended") == listed("status=suspended")
