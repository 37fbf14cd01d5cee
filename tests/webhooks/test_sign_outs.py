"""Back-channel logout: an application hears of each of its sessions that ends, whatever ended it, until it has heard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from tests.harness import PATIENCE, Server, new_user
from tests.relying import Application, LogoutReceiver, application, hearing, refused
from tests.visitor import signed_in
from tests.webhooks.hooks import Time


@pytest.fixture
def receiver() -> Iterator[LogoutReceiver]:
    with hearing() as made:
        yield made


@pytest.fixture
def app(server: Server, http: httpx2.Client, receiver: LogoutReceiver) -> Iterator[Application]:
    with application(server, http, backchannel_logout_url=receiver.url) as made:
        yield made


Tokens = dict[str, Any]
ENDINGS: dict[str, Callable[[httpx2.Client, httpx2.Client, Application, Tokens, dict[str, Any]], httpx2.Response]] = {
    "everywhere": lambda http, browser, app, tokens, user: browser.post("/account/sessions/end-others"),
    "by the application": lambda http, browser, app, tokens, user: browser.get(
        "/oauth2/logout", params={"id_token_hint": tokens["id_token"]}
    ),
    "revoked": lambda http, browser, app, tokens, user: app.revoke(tokens["refresh_token"]),
    "ended": lambda http, browser, app, tokens, user: http.delete(
        f"/v1/sessions/{app.claims(tokens['id_token'])['sid']}"
    ),
    "suspended": lambda http, browser, app, tokens, user: http.post(f"/v1/users/{user['id']}/suspend"),
    "deleted": lambda http, browser, app, tokens, user: http.delete(f"/v1/users/{user['id']}"),
    "purged": lambda http, browser, app, tokens, user: http.delete(f"/v1/users/{user['id']}?purge=true"),
}


def _waiting(server: Server, app: Application) -> list[Any]:
    return server.ask(f"SELECT attempts FROM sign_outs WHERE client_id = '{app.id}'")


def _wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_an_application_hears_of_a_session_whatever_ends_it(
    server: Server, http: httpx2.Client, app: Application, receiver: LogoutReceiver
) -> None:
    subjects: dict[str, str] = {}
    with application(server, http) as deaf:
        for end in ENDINGS.values():
            user = new_user(http)
            with signed_in(server, user) as browser:
                deaf.signed_in(browser)
                tokens = app.signed_in(browser)
                subjects[app.claims(tokens["id_token"])["sid"]] = user["id"]
                assert end(http, browser, app, tokens, user).status_code < 400
        claims = receiver.wait_for(app, set(subjects))
        assert {told["sid"]: told["sub"] for told in claims} == subjects, "of these, and of no other"
        _wait_until(lambda: not _waiting(server, app))
        assert len(receiver.tokens) == len(subjects), "once of each"
        assert not _waiting(server, deaf), "it did not ask to hear"
    for token in receiver.tokens:
        refused(app.userinfo(token), "invalid_token", 401)


def test_a_session_used_by_a_thief_ends_for_the_application_too(
    server: Server, http: httpx2.Client, app: Application, receiver: LogoutReceiver, user: dict
) -> None:
    with signed_in(server, user) as browser:
        tokens = app.signed_in(browser)
    assert app.refresh(tokens["refresh_token"]).status_code == 200
    refused(app.refresh(tokens["refresh_token"]), "invalid_grant")
    receiver.wait_for(app, {app.claims(tokens["id_token"])["sid"]})


def test_what_was_not_heard_is_told_again_and_a_refused_session_delays_no_other(
    server: Server, http: httpx2.Client, app: Application, receiver: LogoutReceiver, later: Time
) -> None:
    receiver.answer = lambda token: 503
    people = [new_user(http) for _ in range(3)]
    sids: list[str] = []
    for person in people:
        with signed_in(server, person) as browser:
            sids.append(app.claims(app.signed_in(browser)["id_token"])["sid"])
    assert http.post(f"/v1/users/{people[0]['id']}/suspend").status_code == 200
    _wait_until(lambda: [tuple(row) for row in _waiting(server, app)] == [(1,)])
    receiver.tokens.clear()
    receiver.answer = lambda token: 400 if app.claims(token, "logout+jwt")["sid"] == sids[1] else 200
    assert http.post(f"/v1/users/{people[1]['id']}/suspend").status_code == 200
    assert http.post(f"/v1/users/{people[2]['id']}/suspend").status_code == 200
    receiver.wait_for(app, set(sids[1:]))
    _wait_until(lambda: sorted(tuple(row) for row in _waiting(server, app)) == [(1,), (1,)])
    receiver.answer = lambda token: 200
    later(3600)
    receiver.wait_for(app, set(sids))
    _wait_until(lambda: not _waiting(server, app))


def test_an_application_that_wants_to_hear_no_more_hears_nothing_and_no_other_network_is_reached(
    server: Server, http: httpx2.Client, app: Application, receiver: LogoutReceiver, user: dict
) -> None:
    path = f"/v1/applications/{app.id}"
    for url in ("http://10.0.0.1/", "https://10.0.0.1/", "https://127.0.0.1@10.0.0.1/", f"{receiver.url}#x", "x"):
        answer = http.patch(path, json={"backchannel_logout_url": url})
        assert answer.status_code == 400 and answer.json()["param"] == "backchannel_logout_url", answer.text
    receiver.answer = lambda token: 503
    with signed_in(server, user) as browser:
        app.signed_in(browser)
    assert http.post(f"/v1/users/{user['id']}/suspend").status_code == 200
    _wait_until(lambda: [tuple(row) for row in _waiting(server, app)] == [(1,)])
    assert http.patch(path, json={"backchannel_logout_url": None}).status_code == 200
    assert http.get(path).json()["backchannel_logout_url"] is None and not _waiting(server, app)
