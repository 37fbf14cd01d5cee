"""What a page says about the last action: once, on the next page, and to nobody who follows a link."""

from __future__ import annotations

import re

import httpx2
import pytest

from tests.engines import once
from tests.harness import Server, new_user
from tests.visitor import signed_in, visitor

SAVED = "Saved."
SIGNED_OUT = "You’ve signed out."
PASSWORD_SET = "Your password is set"
UNDO = r'action="(/admin/events/\w+/revert)"><input type="hidden" name="back" value="([^"]*)">'


@pytest.fixture
def name(server: Server) -> str:
    return f"rollbook-{server.port}-notice"


def save(person: httpx2.Client) -> httpx2.Response:
    return person.post("/account/profile", data={"name": "Owner", "email": "owner@example.com"})


def test_a_notice_is_shown_once_and_no_address_has_it(server: Server, name: str) -> None:
    with signed_in(server) as person:
        answer = save(person)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account")
        assert answer.headers["set-cookie"] == f"{name}=profile-saved; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
        assert SAVED not in person.get("/account/usage/live", headers={"HX-Request": "true"}).text
        assert person.cookies.get(name), "a part of a page leaves it to the next page"
        first = person.get("/account")
        assert SAVED in first.text and 'role="status"' in first.text
        assert "Max-Age=0" in first.headers["set-cookie"]
        again = person.get("/account")
        assert SAVED not in again.text and "set-cookie" not in again.headers


def test_no_link_and_no_foreign_cookie_makes_a_page_say_something(server: Server, name: str) -> None:
    with signed_in(server) as person:
        assert PASSWORD_SET not in person.get("/account?notice=password-set").text
        person.cookies.set(name, "<b>You won</b>")
        assert "You won" not in person.get("/account").text


def test_a_page_that_caches_keep_has_no_notice(server: Server, name: str) -> None:
    with visitor(server, Cookie=f"{name}=signed-out") as stranger:
        assert SIGNED_OUT not in stranger.get("/docs/users").text
        assert SIGNED_OUT in stranger.get("/account/sign-in").text


@once
def test_what_a_form_has_changed_is_put_back_by_the_button_of_its_notice(
    server: Server, http: httpx2.Client, name: str
) -> None:
    user = new_user(http)
    at = f"/admin/users/{user['id']}"
    with signed_in(server) as person:
        for action, field in (("suspend", "status"), ("", "name"), ("delete", "status")):
            before = http.get(f"/v1/users/{user['id']}").json()[field]
            version = re.search(r'name="version" value="(\d+)"', person.get(at).text)
            form = {
                "name": "Other",
                "email": user["email"],
                "role": "member",
                "version": version and version[1],
                "list": "",
            }
            done = person.post(f"{at}/{action}".rstrip("/"), data=form)
            [(undo, back)] = re.findall(UNDO, person.get(done.headers["location"]).text)
            undone = person.post(undo, data={"back": back})
            assert (undone.status_code, undone.headers["location"]) == (303, done.headers["location"])
            assert http.get(f"/v1/users/{user['id']}").json()[field] == before
        person.post(f"{at}/sessions/end-all")
        assert not re.search(UNDO, person.get(at).text), "nothing to put back"
        for other in ("//evil.invalid", "/admin/../account/sign-out", "/account"):
            http.post(f"/v1/users/{user['id']}/activate")
            person.post(f"{at}/suspend")
            [(undo, _)] = re.findall(UNDO, person.get(at).text)
            assert person.post(undo, data={"back": other}).headers["location"].startswith("/admin/events/")
