"""Acting as a user, for support: it is marked wherever it is seen, changes nothing, and ends with whoever acts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from rollbook import errors, roles
from rollbook.web.pages import PAGES
from tests.contract.answers import refused
from tests.contract.test_app_sessions import SHOP, refresh, verify
from tests.factors import enrolled
from tests.harness import Server, new_key, new_user, running
from tests.relying import Application, application, parameters_of
from tests.visitor import is_signed_in, own_key, signed_in, visitor

Client = httpx2.Client
ISSUER = "https://users.example.com"
WHY = "Ticket 4711: <b>no</b> invoice"
ASKED = {"purpose": "impersonate", "reason": WHY}


def acting(person: Client, user: dict[str, Any]) -> Client:
    """The browser of an admin who acts as a user from now on."""
    answer = person.post(f"/admin/users/{user['id']}/impersonate", data={"reason": WHY})
    assert answer.status_code == 303, answer.text
    return person


@pytest.fixture
def ada(http: Client) -> dict[str, Any]:
    return new_user(http, name="Ada Support", role="admin")


@pytest.fixture
def grace(http: Client) -> dict[str, Any]:
    return new_user(http, name="Grace Customer")


@pytest.fixture
def browser(server: Server, ada: dict, grace: dict) -> Iterator[Client]:
    with signed_in(server, ada) as person:
        yield acting(person, grace)


@pytest.fixture
def app(server: Server, http: Client) -> Iterator[Application]:
    with application(server, http) as made:
        yield made


def test_each_page_says_who_acts_and_why_and_the_person_sees_it(
    server: Server, http: Client, ada: dict, grace: dict, browser: Client
) -> None:
    for path in ("/account", "/account/sessions", "/docs", "/docs/errors/nothing", "/admin"):
        page = unescape(browser.get(path).text)
        assert "Ada Support acts as Grace Customer until" in page, path
        assert WHY in page and "<b>no</b>" not in browser.get(path).text, path
    with signed_in(server, grace) as person:
        for path in ("/account/sessions", "/account/security"):
            assert f"Ada Support acted as you: {WHY}" in unescape(person.get(path).text), path
        (session,) = (it for it in http.get("/v1/sessions", params={"user": grace["id"]}).json() if it["acted_by"])
        assert session["acted_by"] == ada["id"] and session["reason"] == WHY
        assert person.post(f"/account/sessions/{session['id']}/end").status_code == 303
        assert not is_signed_in(browser), "the person ends it"
        assert "Ada Support acted as you" in person.get("/account/security").text, "and sees it afterwards"
    user = http.get(f"/v1/users/{grace['id']}").json()
    created = http.get("/v1/events", params={"user": grace["id"], "type": "session.impersonated"}).json()
    assert created[0]["actor"]["user_id"] == ada["id"] and created[0]["object"]["reason"] == WHY
    types = [event["type"] for event in http.get("/v1/events", params={"user": grace["id"]}).json()]
    assert types.count("user.signed_in") == types.count("session.created") == 1, "only the person signed in"
    assert user["last_sign_in_at"] is not None


def test_it_is_no_activity_of_the_person_and_makes_no_browser_known(http: Client, grace: dict, browser: Client) -> None:
    assert is_signed_in(browser)
    assert http.get(f"/v1/users/{grace['id']}").json()["last_sign_in_at"] is None
    names = [cookie.name for cookie in browser.cookies.jar]
    assert [name.endswith("-device") for name in names].count(True) == 1, "their own, of before"


def test_nothing_can_be_changed_while_acting(server: Server, http: Client, ada: dict, grace: dict, app: Any) -> None:
    """An owner acts as an admin, who could do everything else."""
    key = http.post("/v1/keys", json={"name": "Ada's", "user_id": ada["id"]}).json()["id"]
    factor = f"/account/security/{enrolled(http, ada['id']).factor_id}"
    other, before = new_user(http), http.get(f"/v1/users/{ada['id']}").json()
    own = {"current_password": ada["password"], "password": "another long password", "revoke_keys": "on"}
    forms: dict[str, dict[str, Any]] = {
        "/account/profile": {"name": "Mallory", "email": ada["email"]},
        "/account/password": own,
        "/account/keys": {"name": "own", "reach": "all", "expires": "never"},
        "/account/security/apps": {"proof_password": ada["password"]},
        "/account/security/codes": {"proof_password": ada["password"]},
        "/account/security/app": {"proof_password": ada["password"], "code": "123456"},
        "/account/security/passkey": {"name": "Mallory's", "credential": "{}"},
        f"{factor}/rename": {"name": "Mallory's"},
        f"{factor}/remove": {"proof_password": ada["password"]},
        f"/account/keys/{key}": {"name": "Mallory's", "reach": "all", "expires": "never"},
        f"/account/keys/{key}/reveal": {"proof_password": ada["password"], "password": ada["password"]},
        f"/account/keys/{key}/rotate": {"overlap": "0"},
        f"/account/keys/{key}/revoke": {},
        "/account/assistants": {"name": "Mallory's", "reach": "read"},
        "/account/assistants/consent": {"answer": "allow"},
        "/admin/server/mail/test": {"kind": "test"},
        "/account/sessions/end-others": {"proof_password": ada["password"]},
        "/account/confirm": {"proof_password": ada["password"], "next": "/account"},
        "/account/delete": {"proof_password": ada["password"]},
        "/account/email/verify": {},
        "/account/email/cancel": {},
        f"/admin/users/{other['id']}": {"name": "Mallory", "email": other["email"], "role": "member"},
        f"/admin/users/{other['id']}/suspend": {},
        f"/admin/users/{other['id']}/link": {},
        f"/admin/users/{other['id']}/impersonate": {"reason": "two hops"},
        f"/admin/users/{other['id']}/keys": {"name": "theirs", "reach": "all", "expires": "never"},
        f"/admin/users/{grace['id']}/sessions/end": {},
        "/admin/users/new": {"name": "Eve", "email": "eve@example.com", "role": "member", "status": "invited"},
        "/admin/applications/new": {"name": "Job", "purpose": "manage"},
        "/admin/groups": {"name": "Eve"},
        "/admin/webhooks": {"url": "inbox", "types": "*"},
        "/admin/webhooks/inbox": {},
        "/admin/scim": {"name": "Okta"},
        "/admin/users/bulk/apply": {"action": "suspend", "ids": other["id"]},
        "/admin/imports": {},
        "/docs/key": {"key": "key_unknown"},
    }
    open_to_readers = {"person", "key holder", *roles.READING}
    forms_of = [page.path for page in PAGES if page.method == "POST" and page.who in open_to_readers]
    patterns = [re.compile(re.sub(r"{\w+}", "[^/]+", path)) for path in forms_of]
    with signed_in(server) as person:
        browser = acting(person, ada)
        (session,) = http.get("/v1/sessions", params={"user": ada["id"]}).json()
        forms[f"/account/sessions/{session['id']}/end"] = {}
        assert not [pattern.pattern for pattern in patterns if not any(map(pattern.fullmatch, forms))]
        at = http.get("/v1/events", params={"limit": 1, "order": "desc"}).json()[0]["id"]
        for path, form in forms.items():
            answer = browser.post(path, data=form)
            assert answer.status_code in (400, 403, 404, 415), (path, answer.status_code, answer.text[-300:])
        for path in ("/account/export", "/admin/users/export", "/account/security/app", "/account/security/passkey"):
            assert browser.get(path).status_code in (303, 403), path
        assert browser.get("/account?lang=de").status_code == 200
        assert [event["type"] for event in http.get("/v1/events", params={"after": at}).json()] == []
        assert http.get(f"/v1/users/{ada['id']}").json() == before
        assert browser.get(f"/admin/users/{other['id']}").status_code == 200, "but seen"
        assert browser.post("/account/sign-out").status_code == 303 and not is_signed_in(browser)
        (event,) = http.get("/v1/events", params={"after": at}).json()
    owner = http.get("/v1/users/me").json()["id"]
    assert event["type"] == "session.revoked" and event["actor"]["user_id"] == ada["id"]
    assert event["actor"]["key_created_by"] == owner, "both are named"


def test_never_upward_and_not_without_the_right(server: Server, http: Client, ada: dict, grace: dict) -> None:
    owner = http.get("/v1/users/me").json()
    viewer, peer = new_user(http, role="viewer"), new_user(http, role="admin")
    program = http.post("/v1/applications", json={"name": "Helpdesk", "role": "admin"}).json()
    key = new_key(http, user_id=ada["id"])
    with server.http(key) as by:
        for id in (owner["id"], peer["id"], ada["id"], program["id"]):
            answer = by.post(f"/v1/users/{id}/tokens", json=ASKED)
            assert answer.status_code in (400, 403), answer.text
        for fields in ({"reason": None}, {"reason": " \n"}, {"expires_in": 3601}, {"send": True}, {"email": "a@b.co"}):
            body = {name: value for name, value in (ASKED | fields).items() if value is not None}
            assert by.post(f"/v1/users/{grace['id']}/tokens", json=body).status_code == 400, fields
        assert by.post(f"/v1/users/{grace['id']}/tokens", json=ASKED).status_code == 201
        assert by.post(f"/v1/users/{viewer['id']}/tokens", json=ASKED).status_code == 201
        refused(by.post("/v1/tokens/request", json={"email": grace["email"], **ASKED}), errors.InvalidParameter)
    narrow = ["tokens:create", "users:impersonate"]
    with server.http(new_key(http, user_id=ada["id"], scopes=narrow)) as by:
        assert by.post(f"/v1/users/{grace['id']}/tokens", json=ASKED).status_code == 201
        refused(by.post(f"/v1/users/{viewer['id']}/tokens", json=ASKED), errors.InsufficientScope)
    wide = ["tokens:create", "users:grant", "users:read", "groups:read"]
    for user, scopes in ((grace, wide), (viewer, [*narrow, "users:grant", "users:read", "groups:read"])):
        with server.http(new_key(http, user_id=ada["id"], scopes=scopes)) as by:  # not events:read, as viewers have
            refused(by.post(f"/v1/users/{user['id']}/tokens", json=ASKED), errors.InsufficientScope)
    with server.http(new_key(http, user_id=program["id"])) as by:
        refused(by.post(f"/v1/users/{grace['id']}/tokens", json=ASKED), errors.InvalidParameter)


def test_a_link_is_only_its_creators_and_works_once(server: Server, http: Client, ada: dict, grace: dict) -> None:
    with server.http(new_key(http, user_id=ada["id"])) as by:
        link = by.post(f"/v1/users/{grace['id']}/tokens", json=ASKED).json()
    refused(http.post("/v1/tokens/consume", json={"token": link["token"]}), errors.TokenInvalid)
    with signed_in(server, grace) as person:
        assert person.get(link["url"]).status_code == 403, "not the person's"
    with visitor(server) as stranger, signed_in(server) as owner, signed_in(server, ada) as person:
        assert stranger.get(link["url"]).headers["location"].startswith("/account/sign-in")
        assert "Only the person who created this link can use it" in stranger.get("/account/sign-in").text
        answer = owner.get(link["url"])
        assert answer.status_code == 404 and "Only the person who created this link can use it" in answer.text
        assert owner.post("/account/impersonate", data={"token": link["token"]}).status_code == 404
        assert owner.post("/account/sign-in-link", data={"token": link["token"]}).status_code == 404
        assert WHY in unescape(person.get(link["url"]).text)
        copy = visitor(server)
        copy.cookies = httpx2.Cookies(person.cookies)
        assert person.post("/account/impersonate", data={"token": link["token"]}).status_code == 303
        assert "Ada Support acts as" in person.get("/account").text
        assert not is_signed_in(copy), "their own session has ended"
        assert person.get(link["url"]).status_code == 403, "while acting, nobody acts as others"


def test_applications_are_told_who_acts(server: Server, http: Client, ada: dict, grace: dict, app: Application) -> None:
    with server.http(new_key(http, user_id=ada["id"])) as by:
        link = by.post(f"/v1/users/{grace['id']}/tokens", json=ASKED).json()
    session = http.post("/v1/sessions", json={"token": link["token"], "audience": SHOP}).json()
    act = {"sub": ada["id"]}
    assert session["act"] == act and session["refresh_expires_at"] == link["expires_at"]
    assert verify(http, session).json()["act"] == act
    next = refresh(http, session).json()
    assert next["act"] == act and next["refresh_expires_at"] == link["expires_at"], "and never goes on"
    with signed_in(server, ada) as person:
        tokens = app.signed_in(acting(person, grace))
        for name, type in (("id_token", "JWT"), ("access_token", "at+jwt")):
            told = app.claims(tokens[name], type)
            assert told["act"] == act and told["sub"] == grace["id"]
        again = app.refresh(tokens["refresh_token"]).json()
        assert app.claims(again["id_token"])["act"] == act
        assert http.get(f"/v1/users/{grace['id']}").json()["last_active_at"] is None
        assert person.post("/account/sign-out").status_code == 303
    assert app.userinfo(again["access_token"]).status_code == 401, "what began there ends with it"
    assert app.refresh(again["refresh_token"]).status_code == 400
    with signed_in(server, grace) as person:
        assert "act" not in app.claims(app.signed_in(person)["id_token"])


def test_the_person_ends_it_everywhere_and_with_it_what_began_in_it(
    server: Server, http: Client, ada: dict, grace: dict, app: Application
) -> None:
    with server.http(new_key(http, user_id=ada["id"])) as by, signed_in(server, ada) as support:
        tokens = app.signed_in(acting(support, grace))
        link = by.post(f"/v1/users/{grace['id']}/tokens", json=ASKED).json()
        session = http.post("/v1/sessions", json={"token": link["token"], "audience": SHOP}).json()
        unused = by.post(f"/v1/users/{grace['id']}/tokens", json=ASKED).json()
        with signed_in(server, grace) as person:
            assert person.post("/account/sessions/end-others").status_code == 303
            assert is_signed_in(person) and not is_signed_in(support)
    assert app.userinfo(tokens["access_token"]).status_code == 401
    refused(verify(http, session), errors.SessionEnded)
    refused(http.post("/v1/sessions", json={"token": unused["token"], "audience": SHOP}), errors.TokenInvalid)


@pytest.mark.parametrize("reason", ["a\nb", "\u202eevil", "a\u200bb", "\x1b[31m", "x" * 201, "", "\ufeff"])
def test_a_reason_is_one_visible_line(server: Server, http: Client, ada: dict, grace: dict, reason: str) -> None:
    with server.http(new_key(http, user_id=ada["id"])) as by:
        answer = by.post(f"/v1/users/{grace['id']}/tokens", json=ASKED | {"reason": reason})
        refused(answer, errors.InvalidParameter)


def test_a_reason_is_text_wherever_it_is_shown(server: Server, http: Client, ada: dict, grace: dict) -> None:
    """Neither a formula of a table, nor a field of a sentence, nor markup."""
    reason = '=HYPERLINK("https://evil.example") {actor} {{7*7}} <img src=x> *b* |%s'
    with signed_in(server, ada) as person, signed_in(server, grace) as customer:
        answer = person.post(f"/admin/users/{grace['id']}/impersonate", data={"reason": reason})
        assert answer.status_code == 303
        id = http.get("/v1/events", params={"user": grace["id"], "type": "session.impersonated"}).json()[0]["id"]
        with signed_in(server) as owner:
            paths = (f"/admin/events/{id}", f"/admin/users/{grace['id']}/sessions", "/admin/events")
            pages = [owner.get(path).text for path in paths]
            table = owner.get(f"/admin/events/export?format=csv&user={grace['id']}").text
        pages += [person.get("/account").text, customer.get("/account/sessions").text]
        pages += [customer.get("/account/security").text]
    assert not [page for page in pages if "<img src=x" in page]
    assert sum(reason in unescape(page) for page in pages) >= 4
    assert "HYPERLINK" in table and not re.search(r'(?m)(^|,)"?=HYPERLINK', table)


def demote(http: Client, id: str) -> httpx2.Response:
    return http.patch(f"/v1/users/{id}", json={"role": "member"})


def new_password(http: Client, id: str) -> httpx2.Response:
    return http.put(f"/v1/users/{id}/password", json={"password": "set by an owner, at last", "revoke_keys": False})


def suspend(http: Client, id: str) -> httpx2.Response:
    return http.post(f"/v1/users/{id}/suspend")


def delete(http: Client, id: str) -> httpx2.Response:
    return http.delete(f"/v1/users/{id}")


@pytest.mark.parametrize("end", [demote, new_password, suspend, delete])
@pytest.mark.parametrize("of", ["who acts", "the person", "who created the key of who acts"])
def test_it_ends_with_the_right_of_whoever_acts_over_any_number_of_keys(
    server: Server, http: Client, ada: dict, grace: dict, app: Application, end: Callable[..., Any], of: str
) -> None:
    root = new_user(http, role="admin")
    with signed_in(server, root) as person, server.http(own_key(person)) as by:
        first = new_key(by, user_id=new_user(http, role="admin")["id"])
    with server.http(first) as by, server.http(new_key(by, user_id=ada["id"])) as second:
        made = second.post(f"/v1/users/{grace['id']}/tokens", json=ASKED).json()
        session = http.post("/v1/sessions", json={"token": made["token"], "audience": SHOP}).json()
        link = second.post(f"/v1/users/{grace['id']}/tokens", json=ASKED).json()
        with signed_in(server, ada) as browser:
            assert browser.post("/account/impersonate", data={"token": link["token"]}).status_code == 303
            tokens = app.signed_in(browser)
            unused = second.post(f"/v1/users/{grace['id']}/tokens", json=ASKED).json()
            assert verify(http, session).status_code == 200 and is_signed_in(browser)
            if of == "the person" and end is demote:
                assert http.patch(f"/v1/users/{grace['id']}", json={"role": "admin"}).status_code == 200
            else:
                whom = {"who acts": ada, "the person": grace}.get(of, root)
                assert end(http, whom["id"]).status_code < 300
            goes_on = of == "who created the key of who acts" and end is new_password
            assert is_signed_in(browser) is goes_on
    assert (verify(http, session).status_code == 200) is goes_on
    assert (app.userinfo(tokens["access_token"]).status_code == 200) is goes_on
    answer = http.post("/v1/sessions", json={"token": unused["token"], "audience": SHOP})
    assert (answer.status_code == 201) is goes_on, answer.text


def test_a_lower_role_ends_it_though_it_still_creates_links(server: Server, http: Client, ada: dict) -> None:
    second = new_user(http, role="owner")
    with signed_in(server, second) as person:
        assert is_signed_in(acting(person, ada))
        assert http.patch(f"/v1/users/{second['id']}", json={"role": "admin"}).status_code == 200
        assert not is_signed_in(person)


def test_it_lasts_an_hour_at_most(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.http() as http:
        grace, ada = new_user(http), new_user(http, role="admin")
        with signed_in(server, ada) as browser, application(server, http) as app:
            assert re.search("Max-Age=(3600|3599);", _cookies(browser, grace))
            tokens = app.signed_in(browser)
            told = app.claims(tokens["id_token"])
            server.pass_time(58 * 60)
            assert is_signed_in(browser)
            again = app.refresh(tokens["refresh_token"]).json()
            late = app.claims(again["id_token"])
            assert late["exp"] <= told["iat"] + 3600, "no token says that it goes on"
            server.pass_time(61 * 60)
            assert not is_signed_in(browser)
            assert app.refresh(again["refresh_token"]).status_code == 400
            assert app.userinfo(again["access_token"]).status_code == 401
            assert http.get("/v1/sessions", params={"user": grace["id"]}).json() == []
            assert parameters_of(app.send(browser).headers["location"]).keys() >= {"next"}, "it asks to sign in"


def test_the_session_of_an_application_lasts_no_longer_and_its_access_token_names_who_acts(tmp_path: Path) -> None:
    flags = ("--access-tokens", "--public-url", ISSUER)
    with running(tmp_path / "data", *flags) as server, server.http() as http:
        grace, ada = new_user(http), new_user(http, role="admin")
        with server.http(new_key(http, user_id=ada["id"])) as by:
            link = by.post(f"/v1/users/{grace['id']}/tokens", json=ASKED | {"expires_in": 1800}).json()
        session = http.post("/v1/sessions", json={"token": link["token"], "audience": SHOP}).json()
        server.pass_time(28 * 60)
        session = refresh(http, session).json()
        signed = jwt.decode(session["access_token"], options={"verify_signature": False, "verify_iat": False})
        assert signed["act"] == {"sub": ada["id"]} and signed["sub"] == grace["id"]
        assert session["refresh_expires_at"] == session["expires_at"] == session["access_expires_at"]
        server.pass_time(31 * 60)
        refused(verify(http, session), errors.SessionEnded)
        refused(refresh(http, session), errors.SessionEnded)


def _cookies(browser: Client, user: dict[str, Any]) -> str:
    answer = browser.post(f"/admin/users/{user['id']}/impersonate", data={"reason": WHY})
    return ", ".join(answer.headers.get_list("set-cookie"))
