"""A session that begins with a token which somebody else has seen goes back to them, and so does all that is made in it:
it does nothing while they are suspended, and ends with their right to have created the token."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import refused
from tests.contract.test_app_sessions import SHOP, is_valid, refresh
from tests.contract.test_creators import state
from tests.contract.test_key_chains import ENDED, ENDS, SUSPENDED, WORKS
from tests.harness import Server, new_key, new_user
from tests.visitor import is_signed_in, own_key, set_password, signed_in, visitor

Client = httpx2.Client
NEW = "planted by somebody"


class Impostor:
    """An admin who signs in as another user, with links that they create for them, and what they make there."""

    def __init__(self, server: Server, http: Client) -> None:
        self.server, self.http = server, http
        self.root = new_user(http, role="admin", email_verified=True)
        self.browsers: dict[str, Client] = {}
        self.keys: dict[str, str] = {}
        with signed_in(server, self.root) as person:
            self.key = own_key(person)
        with server.http(self.key) as by:
            self._sign_in(by)
            self._sign_in_to_application(by)
        self._make_keys()
        self._make_webhooks()

    def _sign_in(self, by: Client) -> None:
        self.colleague = new_user(self.http, role="admin")
        link = by.post(f"/v1/users/{self.colleague['id']}/tokens", json={"purpose": "sign_in"}).json()
        browser = visitor(self.server)
        assert browser.post("/account/sign-in-link", data={"token": link["token"]}).status_code == 303
        self.browsers["sign-in link"] = browser
        self.member = new_user(self.http)
        link = by.post(f"/v1/users/{self.member['id']}/tokens", json={"purpose": "reset_password"}).json()
        browser = visitor(self.server)
        assert set_password(browser, link["url"], NEW).status_code == 303
        self.browsers["password link"] = browser

    def _sign_in_to_application(self, by: Client) -> None:
        customer = new_user(self.http)
        link = by.post(f"/v1/users/{customer['id']}/tokens", json={"purpose": "sign_in"}).json()
        answer = self.http.post("/v1/sessions", json={"token": link["token"], "audience": SHOP})
        assert answer.status_code == 201, answer.text
        self.session = answer.json()

    def _make_keys(self) -> None:
        for name, browser in self.browsers.items():
            self.keys[f"key of the {name}"] = own_key(browser)
        with self.server.http(self.keys["key of the sign-in link"]) as by:
            application = by.post("/v1/applications", json={"name": "Nightly job", "role": "admin"}).json()["id"]
            self.keys["application's key"] = new_key(by, user_id=application)
        with self.server.http(self.keys["application's key"]) as by:
            self.keys["key of a key"] = new_key(by, user_id=new_user(self.http)["id"])

    def _make_webhooks(self) -> None:
        with self.server.http(self.keys["key of the sign-in link"]) as by:
            self.webhook = by.post("/v1/webhooks", json={"url": "inbox"}).json()["id"]

    def found(self) -> dict[str, str]:
        """What becomes of each by now. Sessions don't say whether they only rest."""
        found = {}
        for name, key in self.keys.items():
            with self.server.http(key) as by:
                answer = by.get("/v1/users/me")
            found[name] = {200: WORKS, 403: SUSPENDED, 401: ENDED}[answer.status_code]
        for name, browser in self.browsers.items():
            found[name] = WORKS if is_signed_in(browser) else ENDED
        found["application's session"] = WORKS if is_valid(self.http, self.session) else ENDED
        states = {("enabled", None): WORKS, ("disabled", "creator_suspended"): SUSPENDED}
        return found | {"webhook": states.get(state(self.http, self.webhook), ENDED)}

    def all(self, outcome: str) -> dict[str, str]:
        of_sessions = ENDED if outcome == SUSPENDED else outcome
        sessions = dict.fromkeys((*self.browsers, "application's session"), of_sessions)
        return dict.fromkeys((*self.keys, "webhook"), outcome) | sessions


@pytest.fixture
def impostor(server: Server, http: Client) -> Any:
    made = Impostor(server, http)
    yield made
    for browser in made.browsers.values():
        browser.close()


@pytest.mark.parametrize("end", ENDS)
def test_sessions_by_links_of_another_end_with_that_ones_right_and_so_does_what_was_made_there(
    http: Client, impostor: Impostor, end: str
) -> None:
    assert impostor.found() == impostor.all(WORKS)
    assert ENDS[end](http, impostor.root["id"]).status_code < 300
    assert impostor.found() == impostor.all(ENDED)
    refused(refresh(http, impostor.session), errors.SessionEnded)


def test_they_rest_while_that_one_is_suspended(http: Client, impostor: Impostor) -> None:
    path = f"/v1/users/{impostor.root['id']}"
    assert http.post(f"{path}/suspend").status_code == 200
    assert impostor.found() == impostor.all(SUSPENDED)
    refused(refresh(http, impostor.session), errors.SessionEnded)
    assert http.post(f"{path}/activate").status_code == 200
    assert impostor.found() == impostor.all(WORKS)
    answer = refresh(http, impostor.session)
    assert answer.status_code == 200, answer.text
    assert http.delete(path).status_code == 204
    assert not is_valid(http, answer.json()), "the next tokens are those of the same session"


def test_what_is_done_there_names_who_created_the_link(server: Server, http: Client, impostor: Impostor) -> None:
    key = impostor.keys["key of the sign-in link"]
    with server.http(key) as by:
        shown = by.get("/v1/keys/current").json()
    assert (shown["user_id"], shown["created_by"]) == (impostor.colleague["id"], impostor.root["id"])
    form = {"name": "Eve", "email": f"eve.{impostor.root['email']}", "role": "member", "status": "invited"}
    assert impostor.browsers["sign-in link"].post("/admin/users/new", data=form).status_code == 303
    [event] = http.get("/v1/events", params={"type": "user.created", "order": "desc", "limit": 1}).json()
    actor = event["actor"]
    assert (actor["user_id"], actor["key_created_by"]) == (impostor.colleague["id"], impostor.root["id"])


def test_a_session_that_follows_one_of_them_goes_back_as_far(server: Server, http: Client, impostor: Impostor) -> None:
    """A new password ends the session, and this browser gets another one."""
    browser = impostor.browsers["password link"]
    form = {"current_password": NEW, "password": f"{NEW} again"}
    assert browser.post("/account/password", data=form).status_code == 303
    assert is_signed_in(browser)
    assert http.delete(f"/v1/users/{impostor.root['id']}").status_code == 204
    assert not is_signed_in(browser)


def test_who_signs_in_by_themself_has_a_session_of_their_own(server: Server, http: Client, impostor: Impostor) -> None:
    with signed_in(server, impostor.colleague) as person:
        key = own_key(person)
        http.delete(f"/v1/users/{impostor.root['id']}")
        assert is_signed_in(person)
    with server.http(key) as by:
        assert by.get("/v1/users/me").status_code == 200


def test_a_link_from_the_command_line_goes_back_to_no_one(server: Server, http: Client) -> None:
    user = new_user(http)
    command = ("tokens", "create", user["id"], "--purpose", "sign_in", "--quiet", "--data", str(server.data))
    made = server.rollbook(*command).stdout.strip()
    answer = http.post("/v1/sessions", json={"token": made.rpartition("token=")[2], "audience": SHOP})
    assert answer.status_code == 201, answer.text
    assert server.ask(f"SELECT lineage FROM sessions WHERE id = '{answer.json()['id']}'") == [(None,)]


def test_links_of_a_bulk_job_that_was_begun_there_end_too_and_are_shown_nowhere_else(
    server: Server, http: Client, impostor: Impostor
) -> None:
    browser = impostor.browsers["sign-in link"]
    answer = browser.post("/admin/users/bulk/apply", data={"op": "links", "ids": new_user(http)["id"]})
    results = f"{httpx2.URL(answer.headers['location']).path}/results"
    [path] = re.findall(r"/account/set-password\?token=[\w-]+", browser.get(results).text)
    with signed_in(server, impostor.colleague) as person:
        assert path not in person.get(results).text
    with visitor(server) as stranger:
        assert stranger.get(path).status_code == 200
        assert http.delete(f"/v1/users/{impostor.root['id']}").status_code == 204
        assert stranger.get(path).status_code == 404
