"""A new password, a first or removed second factor and signing out everywhere: what was begun before leads nowhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import httpx2
import pytest

from rollbook import errors
from tests.authenticator import Authenticator
from tests.contract import test_imports as imports
from tests.contract.answers import refused
from tests.contract.test_app_sessions import SHOP, is_valid
from tests.contract.test_second_step import STEP, at_localhost, named, options, signed_in_there, with_passkey
from tests.factors import App, enrolled
from tests.harness import Server, new_token, running
from tests.visitor import is_signed_in, set_password, sign_in, signed_in, visitor

NEW = "another good one"
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PURPOSES = ("reset_password", "sign_in", "change_email", "verify_email")


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--rate-limit=none", "--unauthenticated-limit=none", "--page-limit=none")
    with running(tmp_path_factory.mktemp("server") / "data", *flags) as server:
        yield server


class Begun(NamedTuple):
    """What somebody has begun who knew the password."""

    tokens: dict[str, str]
    browser: httpx2.Client
    session: dict[str, Any]
    challenge: str
    """Empty for a user without a second factor."""
    app: dict[str, Any]
    """Not activated."""
    registration: str
    """A passkey's signature."""


def begin(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> Begun:
    tokens = {purpose: new_token(http, user["id"], **asked(purpose))["token"] for purpose in PURPOSES}
    browser = signed_in_by(server, user, "" if app is None else app.recovery_codes[0])
    body = {"email": user["email"], "password": user["password"], "audience": SHOP}
    answer, challenge = http.post("/v1/sessions", json=body), ""
    if app is not None:
        proof = {"challenge": answer.json()["challenge"], "code": app.recovery_codes[1]}
        challenge = http.post("/v1/sessions", json=body).json()["challenge"]
        answer = http.post("/v1/sessions", json={"audience": SHOP, **proof})
    page = browser.get("/account/security/passkey")
    registration = Authenticator().create(options(page.text, "create"), named(server))
    pending = http.post(f"/v1/users/{user['id']}/second-factors", json={"kind": "totp"})
    assert answer.status_code == pending.status_code == 201, (answer.text, pending.text)
    return Begun(tokens, browser, answer.json(), challenge, pending.json(), registration)


def asked(purpose: str) -> dict[str, str]:
    email = {"email": f"thief{time.perf_counter_ns()}@example.com"} if purpose == "change_email" else {}
    return {"purpose": purpose, **email}


def signed_in_by(server: Server, user: dict[str, Any], code: str) -> httpx2.Client:
    """A browser in which the user has signed in, with this code if they have a second factor."""
    with at_localhost(server) as first:
        assert sign_in(first, user["email"], user["password"]).status_code == 303
        assert not code or first.post(STEP, data={"code": code}).status_code == 303
    person = at_localhost(server)
    person.cookies = first.cookies
    return person


def own_browser(server: Server, user: dict[str, Any], app: App | None) -> httpx2.Client:
    return signed_in_by(server, user, "" if app is None else app.recovery_codes[4])


def leads_nowhere(http: httpx2.Client, user: dict[str, Any], begun: Begun, app: App | None) -> None:
    path, code = f"/v1/users/{user['id']}", {} if app is None else {"code": app.recovery_codes[2]}
    assert [each["purpose"] for each in http.get(f"{path}/tokens").json()] == ["verify_email"]
    for purpose, token in begun.tokens.items():
        password = {"password": "one of a thief"} if purpose == "reset_password" else {}
        answer = http.post("/v1/tokens/consume", json={"token": token, **password, **code})
        if purpose == "verify_email":
            assert answer.status_code == 200, "it confirms the email they have"
        else:
            refused(answer, errors.TokenInvalid)
    assert not is_valid(http, begun.session)
    with closing(begun.browser) as browser:
        assert not is_signed_in(browser)
        form = {"name": "Thief", "credential": begun.registration}
        assert browser.post("/account/security/passkey", data=form).headers["location"].startswith("/account/sign-in")
    if app is not None:
        ended = http.post("/v1/sessions", json={"audience": SHOP, "challenge": begun.challenge, **code})
        refused(ended, errors.InvalidChallenge)
    late = http.post(
        f"{path}/second-factors/{begun.app['id']}/activate", json={"code": App(begun.app["secret"]).code()}
    )
    refused(late, errors.NotFound)
    assert http.get(f"{path}?fields=email").json()["email"] == user["email"]


Way = Callable[[Server, httpx2.Client, dict[str, Any], App | None], None]


def password_by_admin(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> None:
    assert http.put(f"/v1/users/{user['id']}/password", json={"password": NEW}).status_code == 204


def own_password_by_page(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> None:
    with own_browser(server, user, app) as person:
        form = {"current_password": user["password"], "password": NEW}
        assert person.post("/account/password", data=form).status_code == 303
        assert is_signed_in(person), "the browser that asks stays signed in"


def password_by_link(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> None:
    link = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"}).json()["url"]
    with visitor(server) as person:
        assert set_password(person, link, NEW).status_code == 303


def password_by_token(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> None:
    token = new_token(http, user["id"], purpose="reset_password")["token"]
    code = {} if app is None else {"code": app.recovery_codes[3]}
    assert http.post("/v1/tokens/consume", json={"token": token, "password": NEW, **code}).status_code == 200


def first_factor_by_api(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> None:
    enrolled(http, user["id"])


def first_passkey_by_page(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> None:
    with signed_in_there(server, user) as person:
        page = person.get("/account/security/passkey")
        form = {"name": "x", "credential": Authenticator().create(options(page.text, "create"), named(server))}
        assert person.post("/account/security/passkey", data=form).status_code == 303
        assert is_signed_in(person), "the browser that asks stays signed in"


def first_factor_by_import(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> None:
    http.patch(f"/v1/users/{user['id']}", json={"email_verified": True}).raise_for_status()
    row = {"email": user["email"], "name": user["name"], "totp_secret": SECRET}
    assert imports.done(http, row, on_conflict="update")["updated"] == 1


def factor_removed_by_admin(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> None:
    assert app is not None
    enrolled(http, user["id"])
    path = f"/v1/users/{user['id']}/second-factors/{app.factor_id}"
    assert http.request("DELETE", path, json={}).status_code == 204


def factor_removed_by_page(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> None:
    assert app is not None
    with own_browser(server, user, app) as person:
        assert person.post(f"/account/security/{app.factor_id}/remove").status_code == 303
        assert is_signed_in(person), "the browser that asks stays signed in"


def factors_lifted(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> None:
    assert http.delete(f"/v1/users/{user['id']}/second-factors").status_code == 204


def signed_out_by_themself(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> None:
    with own_browser(server, user, app) as person:
        assert person.post("/account/sessions/end-others").status_code == 303
        assert is_signed_in(person), "the browser that asks stays signed in"


def signed_out_by_admin(server: Server, http: httpx2.Client, user: dict[str, Any], app: App | None) -> None:
    with signed_in(server) as owner:
        assert owner.post(f"/admin/users/{user['id']}/sessions/end").status_code == 303


WITHOUT_FACTOR = (
    password_by_admin,
    own_password_by_page,
    password_by_link,
    password_by_token,
    first_factor_by_api,
    first_passkey_by_page,
    first_factor_by_import,
    signed_out_by_themself,
    signed_out_by_admin,
)
WITH_FACTOR = (
    password_by_admin,
    own_password_by_page,
    password_by_token,
    factor_removed_by_admin,
    factor_removed_by_page,
    factors_lifted,
    signed_out_by_themself,
    signed_out_by_admin,
)


@pytest.mark.parametrize("way", WITHOUT_FACTOR)
def test_nothing_begun_before_leads_anywhere(server: Server, http: httpx2.Client, user: dict, way: Way) -> None:
    begun = begin(server, http, user, None)
    way(server, http, user, None)
    leads_nowhere(http, user, begun, None)


@pytest.mark.parametrize("way", WITH_FACTOR)
def test_nothing_begun_with_a_factor_leads_anywhere(server: Server, http: httpx2.Client, user: dict, way: Way) -> None:
    app = enrolled(http, user["id"])
    begun = begin(server, http, user, app)
    way(server, http, user, app)
    leads_nowhere(http, user, begun, app)


def test_a_password_that_an_import_sets_ends_what_was_begun(http: httpx2.Client) -> None:
    row = imports.user()
    body = {key: row[key] for key in ("name", "email")} | {"status": "invited"}
    user = http.post("/v1/users?fields=*", json=body).json()
    tokens = {each: new_token(http, user["id"], **asked(each))["token"] for each in ("invite", "change_email")}
    assert imports.done(http, row | {"password_hash": imports.HASH}, on_conflict="update")["updated"] == 1
    for purpose, token in tokens.items():
        password = {"password": "one of a thief"} if purpose == "invite" else {}
        refused(http.post("/v1/tokens/consume", json={"token": token, **password}), errors.TokenInvalid)


def test_what_a_passkey_signed_before_a_new_password_signs_no_one_in(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    device = with_passkey(server, user)
    with at_localhost(server) as person:
        before = device.get(options(person.get("/account/sign-in").text), named(server))
        password_by_admin(server, http, user, None)
        assert person.post("/account/sign-in", data={"credential": before}).status_code == 401
        after = device.get(options(person.get("/account/sign-in").text), named(server))
        assert person.post("/account/sign-in", data={"credential": after}).status_code == 303


def test_a_registration_makes_one_passkey(server: Server, http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    with own_browser(server, user, app) as person:
        challenge = options(person.get("/account/security/passkey").text, "create")
        forms = [{"name": "x", "credential": Authenticator().create(challenge, named(server))} for _ in range(2)]
        assert [person.post("/account/security/passkey", data=each).status_code for each in forms] == [303, 400]


def test_a_change_of_email_asks_for_the_factor(server: Server, http: httpx2.Client, user: dict) -> None:
    app, other = enrolled(http, user["id"]), asked("change_email")
    token = new_token(http, user["id"], **other)
    refused(http.post("/v1/tokens/consume", json={"token": token["token"]}), errors.SecondFactorRequired)
    with visitor(server) as person:
        page = person.get(token["url"])
        assert 'name="code"' in page.text
        path = token["url"].partition("?")[0]
        wrong = person.post(path, data={"token": token["token"], "code": app.wrong()})
        assert wrong.status_code == 401
        assert http.get(f"/v1/users/{user['id']}").json()["email"] == user["email"]
        assert person.post(path, data={"token": token["token"], "code": app.code()}).status_code == 200
    assert http.get(f"/v1/users/{user['id']}").json()["email"] == other["email"]
