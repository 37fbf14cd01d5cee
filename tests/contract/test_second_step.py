"""Signing in to the dashboard with a second factor, or with a passkey alone; and what a person's second factors protect."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from tests.authenticator import Authenticator
from tests.factors import App, enrolled
from tests.harness import OWNER_PASSWORD, Server, new_key, new_user, running
from tests.visitor import is_signed_in, own_key, sign_in, signed_in, visitor

STEP = "/account/sign-in/code"
MINUTE = 60


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {"ROLLBOOK_ATTEMPTS_LIMIT": "4/minute", "ROLLBOOK_ADDRESS_ATTEMPTS_LIMIT": "none"}
    with running(
        tmp_path_factory.mktemp("server") / "data",
        "--rate-limit=none",
        "--unauthenticated-limit=none",
        environment=environment,
    ) as server:
        yield server


@pytest.fixture
def later(server: Server) -> Iterator[Callable[[float], None]]:
    yield server.pass_time
    server.pass_time(0)


def named(server: Server) -> str:
    """The origin under which browsers have passkeys."""
    return f"http://localhost:{server.port}"


def at_localhost(server: Server) -> httpx2.Client:
    return visitor(server, Host=f"localhost:{server.port}", Origin=named(server))


def signed_in_there(server: Server, user: dict[str, Any]) -> httpx2.Client:
    return signed_in(server, user, Host=f"localhost:{server.port}", Origin=named(server))


def options(page: str, kind: str = "get") -> dict[str, Any]:
    """What a page gives to the browser's authenticator."""
    found = re.search(rf'data-passkey="{kind}" data-options="([^"]+)"', page)
    assert found, page
    return json.loads(html.unescape(found[1]))


def with_passkey(server: Server, user: dict[str, Any], name: str = "Laptop") -> Authenticator:
    """A passkey that a user registers in the dashboard."""
    device = Authenticator()
    with signed_in_there(server, user) as person:
        page = person.get("/account/security/passkey")
        credential = device.create(options(page.text, "create"), named(server))
        done = person.post("/account/security/passkey", data={"name": name, "credential": credential})
        assert done.status_code == 303, done.text
    return device


def first_step(person: httpx2.Client, user: dict[str, Any], **fields: str) -> httpx2.Response:
    """The right password, where a factor is asked for next."""
    answer = sign_in(person, user["email"], user["password"], **fields)
    assert answer.status_code == 303 and answer.headers["location"].startswith(STEP), answer.headers
    assert not is_signed_in(person)
    return answer


def types_of(http: httpx2.Client, user: dict[str, Any]) -> list[str]:
    return [each["type"] for each in http.get("/v1/events", params={"user": user["id"]}).json()]


def wait_for_failure(http: httpx2.Client, user: dict[str, Any]) -> None:
    """Until the event about a failed attempt is there: it is recorded a moment later."""
    while "user.sign_in_failed" not in types_of(http, user):
        time.sleep(0.05)


# ---- codes


def test_after_the_password_a_code_is_asked_for(server: Server, http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    with visitor(server) as person:
        answer = first_step(person, user, next="/account/keys")
        page = person.get(answer.headers["location"])
        assert page.status_code == 200 and user["email"] in page.text and 'name="code"' in page.text
        assert person.get(answer.headers["location"]).status_code == 200, "can be loaded again"
        wrong = person.post(STEP, data={"code": app.wrong(), "next": "/account/keys"})
        assert wrong.status_code == 401 and "The code is incorrect" in wrong.text
        assert person.post(STEP, data={"code": ""}).status_code == 401
        assert not is_signed_in(person)
        done = person.post(STEP, data={"code": app.code(), "next": "/account/keys"})
        assert (done.status_code, done.headers["location"]) == (303, "/account/keys")
        assert is_signed_in(person)
        assert person.cookies.get(f"rollbook-{server.port}-step") is None
    types = types_of(http, user)
    assert types.count("session.created") == types.count("user.signed_in") == 1
    wait_for_failure(http, user)


def test_a_code_works_once_and_so_does_a_recovery_code(server: Server, http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    code = app.code()
    for given, works in ((code, True), (code, False), (app.recovery_codes[0], True), (app.recovery_codes[0], False)):
        with visitor(server) as person:
            first_step(person, user)
            assert (person.post(STEP, data={"code": given}).status_code == 303) is works
            assert is_signed_in(person) is works


def test_a_sign_in_waits_five_minutes_for_a_code_and_ends_with_a_new_password(
    server: Server, http: httpx2.Client, user: dict, later: Callable[[float], None]
) -> None:
    app = enrolled(http, user["id"])
    with visitor(server) as person, visitor(server) as other:
        first_step(person, user)
        first_step(other, user)
        assert http.put(f"/v1/users/{user['id']}/password", json={"password": "another good one"}).status_code == 204
        late = person.post(STEP, data={"code": app.code()})
        assert late.headers["location"] == "/account/sign-in"
        assert "took too long" in person.get("/account/sign-in").text
        user = user | {"password": "another good one"}
        first_step(person, user)
        later(5 * MINUTE + 1)
        assert person.get(STEP).headers["location"] == "/account/sign-in"
        assert other.post(STEP, data={"code": app.code()}).headers["location"] == "/account/sign-in"
        assert not is_signed_in(person) and not is_signed_in(other)


def test_a_challenge_signs_in_once(server: Server, http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    with visitor(server) as person, visitor(server) as thief:
        first_step(person, user)
        thief.cookies = httpx2.Cookies(person.cookies)
        assert person.post(STEP, data={"code": app.code()}).status_code == 303
        assert thief.post(STEP, data={"code": app.recovery_codes[0]}).headers["location"] == "/account/sign-in"
        assert not is_signed_in(thief)
        # One of an application is none of the dashboard's, and the other way round.
        asked = http.post("/v1/users/verify-password", json={key: user[key] for key in ("email", "password")}).json()
        thief.cookies.set(f"rollbook-{server.port}-step", asked["challenge"], domain="127.0.0.1")
        assert thief.post(STEP, data={"code": app.recovery_codes[0]}).headers["location"] == "/account/sign-in"


def test_wrong_codes_are_limited_and_a_wrong_password_tells_nothing_of_a_factor(
    server: Server, http: httpx2.Client, user: dict, later: Callable[[float], None]
) -> None:
    app, plain = enrolled(http, user["id"]), new_user(http)
    with visitor(server) as person:
        pages = [sign_in(person, each, "not the password") for each in (user["email"], plain["email"])]
        assert pages[0].status_code == pages[1].status_code == 401
        assert pages[0].text.replace(user["email"], "") == pages[1].text.replace(plain["email"], "")
        later(61)
        first_step(person, user)
        statuses = [person.post(STEP, data={"code": app.wrong()}).status_code for _ in range(6)]
        assert statuses == [401, 401, 401, 401, 429, 429]
        refused = person.post(STEP, data={"code": app.recovery_codes[0]})
        assert refused.status_code == 429 and "Try again in" in refused.text and "retry-after" in refused.headers


@pytest.mark.parametrize(("language", "text"), [("de", "Der Code ist falsch"), ("ja", "コードが正しくない")])
def test_the_second_step_speaks_the_readers_language(
    server: Server, http: httpx2.Client, user: dict, language: str, text: str
) -> None:
    app = enrolled(http, user["id"])
    with visitor(server) as person:
        sent = {"email": user["email"], "password": user["password"]}
        answer = person.post(f"/account/sign-in?lang={language}", data=sent)
        assert f"lang={language}" in answer.headers["location"]
        assert text in person.post(answer.headers["location"], data={"code": app.wrong()}).text


# ---- passkeys


def test_a_passkey_signs_in_alone(server: Server, http: httpx2.Client, user: dict) -> None:
    device = with_passkey(server, user)
    with at_localhost(server) as person:
        asked = options(person.get("/account/sign-in").text)
        assert (asked["rpId"], asked["userVerification"], asked["allowCredentials"]) == ("localhost", "required", [])
        credential = device.get(asked, named(server))
        done = person.post("/account/sign-in", data={"credential": credential, "next": "/account/keys"})
        assert (done.status_code, done.headers["location"]) == (303, "/account/keys"), done.text
        assert is_signed_in(person)
    with at_localhost(server) as thief:
        assert thief.post("/account/sign-in", data={"credential": credential}).status_code == 401, "signs in once"
        assert not is_signed_in(thief)
    assert [each["kind"] for each in http.get(f"/v1/users/{user['id']}/second-factors").json()["second_factors"]] == [
        "passkey"
    ]


def test_what_a_passkey_has_signed_works_once_whatever_has_changed_since(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    device = with_passkey(server, user)
    device.count = None  # a synced one, without a counter
    with at_localhost(server) as person:
        credential = device.get(options(person.get("/account/sign-in").text), named(server))
        assert person.post("/account/sign-in", data={"credential": credential}).status_code == 303
        body = {"password": "another one for passkeys"}
        assert http.put(f"/v1/users/{user['id']}/password", json=body).status_code == 204
        assert person.post("/account/sign-in", data={"credential": credential}).status_code == 401


def test_a_passkey_does_for_a_code(server: Server, user: dict) -> None:
    device = with_passkey(server, user)
    with at_localhost(server) as person:
        answer = first_step(person, user)
        asked = options(person.get(answer.headers["location"]).text)
        assert len(asked["allowCredentials"]) == 1
        done = person.post(STEP, data={"credential": device.get(asked, named(server))})
        assert done.status_code == 303, done.text
        assert is_signed_in(person)


@pytest.mark.parametrize("wrong", ["origin", "clone", "not verified", "other challenge", "old"])
def test_a_passkey_that_signs_otherwise_is_refused(
    server: Server, http: httpx2.Client, user: dict, later: Callable[[float], None], wrong: str
) -> None:
    device = with_passkey(server, user)
    clone = device.copy()
    with at_localhost(server) as person:
        page = person.get("/account/sign-in").text
        if wrong == "clone":
            asked = options(person.get("/account/sign-in").text)
            assert person.post("/account/sign-in", data={"credential": device.get(asked, named(server))}).is_redirect
            device = clone
            person.cookies.clear()
        if wrong == "other challenge":
            first_step(person, user)
            page = person.get(STEP).text
        origin = "http://localhost.evil.test" if wrong == "origin" else named(server)
        flags = {"flags": 1} if wrong == "not verified" else {}
        credential = device.get(options(page), origin, **flags)
        if wrong == "old":
            later(5 * MINUTE + 1)
        answer = person.post("/account/sign-in", data={"credential": credential})
        assert answer.status_code == 401 and "This passkey was not accepted" in answer.text
        assert not is_signed_in(person)
    wait_for_failure(http, user)


def test_a_passkey_is_that_of_one_user(server: Server, http: httpx2.Client, user: dict) -> None:
    other = new_user(http)
    mine, theirs = with_passkey(server, user), with_passkey(server, other)
    with at_localhost(server) as person:
        first_step(person, user)
        asked = options(person.get(STEP).text)
        assert person.post(STEP, data={"credential": theirs.get(asked, named(server))}).status_code == 401
        assert person.post(STEP, data={"credential": mine.get(asked, named(server))}).status_code == 303
    with signed_in_there(server, new_user(http)) as person:
        page = person.get("/account/security/passkey")
        credential = mine.copy().create(options(page.text, "create"), named(server))
        again = person.post("/account/security/passkey", data={"name": "stolen", "credential": credential})
        assert again.status_code == 400 and "registered already" in again.text
    assert http.post(f"/v1/users/{user['id']}/suspend").status_code == 200
    with at_localhost(server) as person:
        credential = mine.get(options(person.get("/account/sign-in").text), named(server))
        assert person.post("/account/sign-in", data={"credential": credential}).status_code == 403


def test_under_an_ip_address_no_passkey_is_offered(server: Server, user: dict) -> None:
    with signed_in(server, user) as person:
        assert "data-passkey=" not in person.get("/account/security/passkey").text
        assert person.post("/account/security/passkey", data={"name": "x", "credential": "{}"}).status_code == 404
    with visitor(server) as person:
        assert "data-passkey=" not in person.get("/account/sign-in").text


# ---- enrolment


def test_a_person_sets_up_an_app(server: Server, http: httpx2.Client, user: dict) -> None:
    with signed_in(server, user) as person:
        answer = person.post("/account/security/apps", data={})
        page = person.get(answer.headers["location"])
        assert "<svg" in page.text and page.headers["cache-control"] == "no-store"
        secret = re.search(r"secret=([A-Z2-7]+)", html.unescape(page.text))
        assert secret and " ".join(re.findall("....", secret[1])) in page.text
        app = App(secret[1])
        wrong = person.post("/account/security/app", data={"code": app.wrong()})
        assert wrong.status_code == 401 and "<svg" in wrong.text
        done = person.post("/account/security/app", data={"code": app.code()})
        assert done.headers["location"] == "/account/security/codes"
        shown = person.get("/account/security/codes")
        codes = re.findall(r"(?:[0-9a-z]{4}-){5}[0-9a-z]{4}", shown.text)
        assert len(codes) == 10
        file = person.get("/account/security/codes/file")
        assert file.headers["content-disposition"] == 'attachment; filename="recovery-codes.txt"'
        assert all(code in file.text for code in codes) and user["email"] in file.text
        german = person.get("/account/security/codes/file?lang=de").text
        assert german.startswith(f"Wiederherstellungscodes von {user['email']}")
    with visitor(server) as other:
        first_step(other, user)
        assert other.post(STEP, data={"code": codes[3]}).status_code == 303
        assert other.get("/account/security/codes").headers["location"] == "/account/security", "shown to nobody else"
    events = http.get("/v1/events", params={"user": user["id"]}).text
    assert secret[1] not in events and codes[0] not in events


def test_factors_are_named_removed_and_their_codes_renewed(server: Server, http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    with visitor(server) as person:
        first_step(person, user)
        assert person.post(STEP, data={"code": app.code()}).status_code == 303
        path = f"/account/security/{app.factor_id}"
        assert person.post(f"{path}/rename", data={"name": "Old <phone>"}).status_code == 303
        assert "Old &lt;phone&gt;" in person.get("/account/security").text
        assert person.post(f"{path}/rename", data={"name": ""}).status_code == 400
        assert person.post("/account/security/codes", data={}).headers["location"] == "/account/security/codes"
        codes = re.findall(r"(?:[0-9a-z]{4}-){5}[0-9a-z]{4}", person.get("/account/security/codes").text)
        assert not set(codes) & set(app.recovery_codes)
        other = enrolled(http, new_user(http)["id"])
        assert person.post(f"/account/security/{other.factor_id}/remove", data={}).status_code == 404
        assert person.post(f"/account/security/{other.factor_id}/rename", data={"name": "x"}).status_code == 404
        assert person.post(f"{path}/remove", data={}).status_code == 303
    with visitor(server) as person:
        assert sign_in(person, user["email"], user["password"]).headers["location"] == "/"


def test_where_factors_are_changed_all_other_browsers_can_be_signed_out(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    app = enrolled(http, user["id"])
    with visitor(server) as other, visitor(server) as person:
        for browser, code in ((other, app.recovery_codes[0]), (person, app.recovery_codes[1])):
            first_step(browser, user)
            assert browser.post(STEP, data={"code": code}).status_code == 303
        page = person.get("/account/security").text
        assert re.search('action="/account/sessions/end-others"><button[^>]*>Sign out all other browsers', page)
        assert person.post("/account/sessions/end-others", data={}).status_code == 303
        assert is_signed_in(person) and not is_signed_in(other)


# ---- proof


def test_factors_are_changed_after_a_proof(
    server: Server, http: httpx2.Client, user: dict, later: Callable[[float], None]
) -> None:
    app = enrolled(http, user["id"])
    with at_localhost(server) as person:
        first_step(person, user)
        assert person.post(STEP, data={"code": app.code()}).status_code == 303
        later(601)
        for path in ("apps", "passkey", "codes", f"{app.factor_id}/remove"):
            asked = person.post(f"/account/security/{path}", data={"name": "Laptop", "credential": "{}"})
            assert asked.status_code == 200 and 'name="proof_code"' in asked.text, path
        assert person.get("/account/security/passkey").headers["location"].startswith("/account/confirm")
        held = http.get(f"/v1/users/{user['id']}/second-factors").json()
        assert len(held["second_factors"]) == 1 and held["recovery_codes_left"] == 10


def test_with_a_factor_it_is_the_proof_and_the_password_is_none(
    server: Server, http: httpx2.Client, later: Callable[[float], None]
) -> None:
    user = new_user(http)
    app = enrolled(http, user["id"])
    form = {"name": "planted", "reach": "all", "expires": "never", "revealable": "on"}
    with visitor(server) as person:
        first_step(person, user)
        assert person.post(STEP, data={"code": app.code()}).status_code == 303
        key = own_key(person)
        later(601)
        app.ahead = 601
        asked = person.post("/account/keys", data=form)
        assert 'name="proof_code"' in asked.text and 'name="proof_password"' not in asked.text
        for given in ({"proof_password": user["password"]}, {"proof_code": app.wrong()}, {"proof_code": ""}):
            assert person.post("/account/keys", data=form | given).status_code == 401
        assert person.post("/account/keys", data=form | {"proof_code": app.code()}).status_code == 303
    with server.http(key) as own:
        id = own.get("/v1/keys/current").json()["id"]
        assert own.post(f"/v1/keys/{id}/reveal", json={"password": user["password"]}).json()["param"] == "code"
        assert own.post(f"/v1/keys/{id}/reveal", json={"code": app.wrong()}).json()["code"] == "wrong_code"
        code = app.recovery_codes[0]
        assert own.post(f"/v1/keys/{id}/reveal", json={"code": code}).json()["key"] == key
        assert own.post(f"/v1/keys/{id}/reveal", json={"code": code}).status_code == 401, "a code works once"


def test_a_new_password_is_no_proof_for_a_person_with_a_factor(
    server: Server, http: httpx2.Client, user: dict, later: Callable[[float], None]
) -> None:
    app = enrolled(http, user["id"])
    with at_localhost(server) as person:
        first_step(person, user)
        assert person.post(STEP, data={"code": app.code()}).status_code == 303
        later(601)
        app.ahead = 601
        change = {"current_password": user["password"], "password": "one that somebody else has chosen"}
        asked = person.post("/account/password", data=change)
        assert asked.status_code == 200 and 'name="proof_code"' in asked.text, asked.text
        assert person.post("/account/password", data=change | {"proof_code": app.code()}).status_code == 303
        assert is_signed_in(person)


def test_another_email_takes_the_factor_beside_the_password(
    server: Server, http: httpx2.Client, user: dict, later: Callable[[float], None]
) -> None:
    app = enrolled(http, user["id"])
    with visitor(server) as person:
        first_step(person, user)
        assert person.post(STEP, data={"code": app.code()}).status_code == 303
        later(601)
        app.ahead = 601
        change = {"name": "x", "email": f"new-{user['email']}", "current_password": user["password"]}
        asked = person.post("/account/profile", data=change)
        assert asked.status_code == 200 and 'name="proof_code"' in asked.text, asked.text
        assert http.get(f"/v1/users/{user['id']}").json()["email"] == user["email"]
        assert person.post("/account/profile", data=change | {"proof_code": app.code()}).status_code == 303
    assert http.get(f"/v1/users/{user['id']}").json()["email"] == change["email"]


def test_a_new_password_brings_no_new_attempts_at_a_code(server: Server, http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    with server.http(new_key(http, user_id=user["id"])) as thief:
        path, guess = "/v1/users/me/second-factors", {"kind": "totp", "code": app.wrong()}
        known, answers = user["password"], []
        for number in range(3):
            answers += [thief.post(path, json=guess).status_code for _ in range(3)]
            change = {"current_password": known, "password": f"{user['password']} {number}"}
            assert thief.put("/v1/users/me/password", json=change).status_code == 204
            known = change["password"]
    assert answers == [401] * 4 + [429] * 5


def test_a_passkey_is_a_proof(server: Server, http: httpx2.Client, user: dict, later: Callable[[float], None]) -> None:
    device = with_passkey(server, user)
    with at_localhost(server) as person:
        credential = device.get(options(person.get("/account/sign-in").text), named(server))
        assert person.post("/account/sign-in", data={"credential": credential}).status_code == 303
        later(601)
        page = person.get("/account/export")
        assert page.headers["location"] == "/account/confirm?next=/account/export"
        page = person.get(page.headers["location"])
        signed = device.get(options(page.text), named(server))
        done = person.post("/account/confirm", data={"next": "/account/export", "proof_credential": signed})
        assert (done.status_code, done.headers["location"]) == (303, "/account/export"), done.text
        assert person.get("/account/export").json()["user"]["id"] == user["id"]
        later(1300)
        again = person.post("/account/confirm", data={"next": "/", "proof_credential": signed})
        assert again.status_code == 401, "signed for once"


@pytest.mark.parametrize(
    "path", ["/account/export", "/admin/users/export?format=csv", "/admin/events/export?format=csv"]
)
def test_exports_ask_for_a_proof(server: Server, later: Callable[[float], None], path: str) -> None:
    with signed_in(server) as owner:
        assert owner.get(path).status_code == 200
        later(601)
        asked = owner.get(path)
        assert asked.status_code == 303 and asked.headers["location"].startswith("/account/confirm?next=/a")
        page = owner.get(asked.headers["location"])
        sent = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', html.unescape(page.text)))
        done = owner.post("/account/confirm", data=sent | {"proof_password": OWNER_PASSWORD})
        assert done.headers["location"] == path


# ---- by admins


def test_an_admin_lifts_somebodys_factors(server: Server, http: httpx2.Client, later: Callable[[float], None]) -> None:
    user, admin, owner = new_user(http), new_user(http, role="admin"), new_user(http, role="owner")
    for each in (user, owner):
        enrolled(http, each["id"])
    with signed_in(server, admin) as person:
        assert "Authenticator app" in person.get(f"/admin/users/{user['id']}").text
        path = f"/admin/users/{user['id']}/second-factors/lift"
        later(601)
        assert 'name="proof_password"' in person.post(path, data={}).text
        assert person.post(path, data={"proof_password": admin["password"]}).status_code == 303
        assert person.post(f"/admin/users/{owner['id']}/second-factors/lift", data={}).status_code == 403
    lifted = http.get("/v1/events", params={"type": "second_factor.lifted", "user": user["id"]}).json()
    assert [(each["actor"]["user_id"], each["user_id"]) for each in lifted] == [(admin["id"], user["id"])]
    with visitor(server) as person:
        assert sign_in(person, user["email"], user["password"]).headers["location"] == "/"


# ---- links


def test_a_reset_link_asks_for_the_factor_before_the_new_password_counts(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    app = enrolled(http, user["id"])
    link = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"}).json()["url"]
    token = link.partition("token=")[2]
    new = {"token": token, "password": "a few random words"}
    with visitor(server) as person:
        page = person.get(link)
        assert 'name="code"' in page.text and "has a second factor" in page.text
        for given in ({}, {"code": ""}, {"code": app.wrong()}):
            answer = person.post("/account/set-password", data=new | given)
            assert answer.status_code == 401 and "code" in answer.text
        assert not is_signed_in(person)
        weak = new | {"password": "password", "code": app.recovery_codes[0]}
        assert person.post("/account/set-password", data=weak).status_code == 400, "uses no code up"
        first_step(person, user)
        done = person.post("/account/set-password", data=new | {"code": app.recovery_codes[0]})
        assert done.status_code == 303 and is_signed_in(person)
        assert person.post("/account/set-password", data=new | {"code": app.code()}).status_code == 404, "works once"


def test_a_sign_in_link_asks_for_the_factor(server: Server, http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    issued = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "sign_in"}).json()
    with visitor(server) as person:
        assert 'name="code"' in person.get(issued["url"]).text
        for code in ("", app.wrong()):
            answer = person.post("/account/sign-in-link", data={"token": issued["token"], "code": code})
            assert answer.status_code == 401 and not is_signed_in(person)
        done = person.post("/account/sign-in-link", data={"token": issued["token"], "code": app.code()})
        assert done.status_code == 303 and is_signed_in(person)


def test_a_passkey_opens_a_reset_link_too(server: Server, http: httpx2.Client, user: dict) -> None:
    device = with_passkey(server, user)
    link = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"}).json()["url"]
    new = {"token": link.partition("token=")[2], "password": "a few random words"}
    with at_localhost(server) as person:
        page = person.get(link)
        credential = device.get(options(page.text), named(server))
        assert person.post("/account/set-password", data=new | {"credential": credential}).status_code == 303
        assert is_signed_in(person)


@pytest.mark.parametrize("purpose", ["reset_password", "sign_in"])
def test_an_application_sends_a_code_with_a_token(http: httpx2.Client, user: dict, purpose: str) -> None:
    app = enrolled(http, user["id"])
    token = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": purpose}).json()["token"]
    body = {"token": token} | ({"password": "a few random words"} if purpose == "reset_password" else {})
    asked = http.post("/v1/tokens/consume", json=body)
    assert (asked.status_code, asked.json()["code"]) == (401, "second_factor_required")
    assert "challenge" not in asked.json()
    assert http.post("/v1/tokens/consume", json=body | {"code": app.wrong()}).json()["code"] == "wrong_code"
    assert http.post("/v1/tokens/consume", json=body | {"code": app.code()}).status_code == 200
    other = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "verify_email"}).json()["token"]
    assert http.post("/v1/tokens/consume", json={"token": other}).status_code == 200


def test_a_session_by_a_sign_in_link_needs_the_code_too(http: httpx2.Client, user: dict) -> None:
    app = enrolled(http, user["id"])
    token = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "sign_in"}).json()["token"]
    body = {"audience": "shop", "token": token}
    assert http.post("/v1/sessions", json=body).json()["code"] == "second_factor_required"
    assert http.post("/v1/sessions", json=body | {"code": app.wrong()}).json()["code"] == "wrong_code"
    assert http.post("/v1/sessions", json=body | {"code": app.code()}).status_code == 201
