"""Sign-in to applications over OpenID Connect: what an application gets, and of whom; and that no one else gets it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import jwt
import pytest

from tests.callers import together
from tests.factors import enrolled
from tests.harness import PATIENCE, PLAIN, Server, new_user, running
from tests.relying import CALLBACK, Application, application, parameters_of, pkce, refused
from tests.visitor import is_signed_in, set_password, sign_in, signed_in, visitor

SIGNED_OUT = "https://grafana.example.com/login"


@pytest.fixture
def app(server: Server, http: httpx2.Client) -> Iterator[Application]:
    with application(server, http, post_logout_redirect_urls=[SIGNED_OUT]) as made:
        yield made


@pytest.fixture
def spa(server: Server, http: httpx2.Client) -> Iterator[Application]:
    with application(server, http, is_public=True) as made:
        yield made


@pytest.fixture
def browser(server: Server, user: dict) -> Iterator[httpx2.Client]:
    with signed_in(server, user) as made:
        yield made


# ---- what an application gets


def test_both_documents_name_all_that_is_served(server: Server) -> None:
    with server.http(None) as stranger:
        first, second = (
            stranger.get(f"/.well-known/{name}") for name in ("openid-configuration", "oauth-authorization-server")
        )
        assert first.json() == second.json() and first.headers["access-control-allow-origin"] == "*"
        document = first.json()
        assert document["issuer"] == server.url
        for name in ("authorization", "token", "userinfo", "revocation", "end_session"):
            path = document[f"{name}_endpoint"].removeprefix(server.url)
            assert stranger.get(path, headers={"Accept": "text/html"}).status_code != 404, path
        (key,) = (key for key in stranger.get("/.well-known/jwks.json").json()["keys"] if key["alg"] == "RS256")
        assert set(key) == {"kty", "alg", "use", "kid", "n", "e"}, "never the private part"
        for path in ("/oauth2/token", "/oauth2/userinfo", "/.well-known/openid-configuration"):
            preflight = stranger.options(path, headers={"Origin": "https://spa.example.com"})
            assert preflight.headers["access-control-allow-origin"] == "*"


def test_a_person_signs_in_and_the_application_learns_who_they_are(
    server: Server, http: httpx2.Client, app: Application, user: dict
) -> None:
    group = http.post("/v1/groups", json={"name": "Engineering"}).json()
    assert http.put(f"/v1/groups/{group['id']}/members/{user['id']}", json={}).status_code < 300
    with visitor(server) as browser:
        asked = app.send(browser)
        assert asked.status_code == 303, asked.text
        form = parameters_of(asked.headers["location"])
        assert asked.headers["location"].startswith("/account/sign-in?")
        shown = browser.get(asked.headers["location"])
        assert "form-action 'self' https://grafana.example.com;" in shown.headers["content-security-policy"]
        answer = sign_in(browser, user["email"], user["password"], next=form["next"])
        back = browser.get(answer.headers["location"])
        assert back.status_code == 303 and back.headers["cache-control"] == "no-store"
        answered = parameters_of(back.headers["location"])
        assert back.headers["location"].startswith(f"{CALLBACK}?") and set(answered) == {"code", "state", "iss"}
    tokens = app.exchange(answered["code"]).json()
    assert tokens["token_type"] == "Bearer" and tokens["expires_in"] == 300
    told = app.claims(tokens["id_token"])
    access = app.claims(tokens["access_token"], "at+jwt")
    assert told["sub"] == user["id"] and told["nonce"] == "n-0S6_WzA2Mj" and told["amr"] == ["pwd"]
    assert told["acr"] == "aal1" and abs(told["iat"] - told["auth_time"]) < 60
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert told["at_hash"] == base64.urlsafe_b64encode(half).decode().rstrip("=")
    assert access["client_id"] == access["aud"] == app.id and access["sid"] == told["sid"] and access["jti"]
    info = app.userinfo(tokens["access_token"])
    assert info.headers["access-control-allow-origin"] == "*"
    assert info.json() == {
        "sub": user["id"],
        "name": user["name"],
        "preferred_username": user["email"],
        "updated_at": info.json()["updated_at"],
        "locale": "en",
        "email": user["email"],
        "email_verified": False,
        "groups": ["Engineering"],
    }
    assert info.json().items() <= told.items() and isinstance(told["updated_at"], int)
    (session,) = http.get("/v1/sessions", params={"user": user["id"], "audience": app.id}).json()
    assert session["id"] == told["sid"] and session["audience"] == app.id, "in the same list as all others"
    with signed_in(server) as owner:
        log = owner.get(f"/admin/events?user={user['id']}").text
    assert "signed in to Grafana, " in log and "signed in to Rollbook, " in log and f"signed in to {app.id}" not in log


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("openid", set()),
        ("openid email", {"email", "email_verified"}),
        ("openid profile unknown", {"name", "preferred_username", "updated_at", "locale"}),
        ("openid groups", {"groups"}),
    ],
)
def test_a_scope_tells_what_it_is_for_and_no_more(
    app: Application, browser: httpx2.Client, scope: str, told: set[str]
) -> None:
    tokens = app.signed_in(browser, scope=scope)
    assert "refresh_token" not in tokens and tokens["scope"] == scope.replace(" unknown", "")
    assert set(app.userinfo(tokens["access_token"]).json()) == {"sub"} | told


def test_ids_of_groups_and_the_role_are_told_where_the_application_says_so(
    http: httpx2.Client, app: Application, browser: httpx2.Client, user: dict
) -> None:
    group = http.post("/v1/groups", json={"name": f"Team {user['id']}"}).json()
    assert http.put(f"/v1/groups/{group['id']}/members/{user['id']}", json={}).status_code < 300
    changed = {"group_claims": "ids", "role_claim": True}
    assert http.patch(f"/v1/applications/{app.id}", json=changed).status_code == 200
    info = app.userinfo(app.signed_in(browser)["access_token"]).json()
    assert info["groups"] == [group["id"]] and info["role"] == "member"
    shown = http.get(f"/v1/applications/{app.id}").json()
    assert shown.items() >= changed.items() and shown["redirect_urls"] == [CALLBACK]
    (event,) = http.get(
        "/v1/events", params={"user": app.id, "type": "application.updated", "limit": 1, "order": "desc"}
    ).json()
    assert event["before"] == {"group_claims": "names", "role_claim": False}


def test_a_second_factor_is_asked_for_on_the_way_and_told(
    server: Server, http: httpx2.Client, app: Application, user: dict
) -> None:
    codes = enrolled(http, user["id"])
    with visitor(server) as browser:
        form = parameters_of(app.send(browser).headers["location"])
        second = sign_in(browser, user["email"], user["password"], next=form["next"])
        assert second.headers["location"].startswith("/account/sign-in/code?next=")
        page = browser.get(second.headers["location"])
        assert "https://grafana.example.com;" in page.headers["content-security-policy"]
        done = browser.post("/account/sign-in/code", data={"code": codes.code(), "next": form["next"]})
        code = parameters_of(browser.get(done.headers["location"]).headers["location"])["code"]
    told = app.claims(app.exchange(code).json()["id_token"])
    assert told["amr"] == ["pwd", "otp", "mfa"] and told["acr"] == "aal2"


@pytest.mark.parametrize("purpose", ["invite", "reset_password"])
def test_a_password_that_was_just_set_is_told_as_one(
    server: Server, http: httpx2.Client, app: Application, purpose: str
) -> None:
    user = new_user(http)
    if purpose == "invite":
        invited = {"name": "Ines", "email": f"invited.{user['email']}", "status": "invited"}
        user = http.post("/v1/users", json=invited).json()
    link = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": purpose}).json()["url"]
    with visitor(server) as browser:
        assert set_password(browser, link, "a few random words").status_code == 303
        code = parameters_of(app.send(browser).headers["location"])["code"]
    told = app.claims(app.exchange(code).json()["id_token"])
    assert told["amr"] == ["pwd"] and told["acr"] == "aal1"


def test_the_answer_goes_as_a_form_where_that_is_asked_for(app: Application, browser: httpx2.Client) -> None:
    page = app.send(browser, response_mode="form_post")
    assert page.status_code == 200 and f'action="{CALLBACK}"' in page.text and 'name="code" value="rbc_' in page.text
    assert 'name="iss"' in page.text and 'value="state &amp; more"' in page.text
    assert "form-action 'self' https://grafana.example.com;" in page.headers["content-security-policy"]


def test_a_request_may_come_as_a_form_from_another_site(
    server: Server, app: Application, browser: httpx2.Client
) -> None:
    headers = {"Origin": "https://grafana.example.com", "Sec-Fetch-Site": "cross-site"}
    answer = browser.post("/oauth2/authorize", data=app.asked(), headers=headers)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/oauth2/authorize?")
    assert "code" in parameters_of(browser.get(answer.headers["location"]).headers["location"])


def test_prompts_ask_the_person_what_they_say(
    server: Server, app: Application, browser: httpx2.Client, user: dict
) -> None:
    with visitor(server) as nobody:
        assert app.answered(nobody, prompt="none")["error"] == "login_required"
        hinted = app.send(nobody, login_hint="who@example.com", ui_locales="xx de-CH")
        assert (
            parameters_of(hinted.headers["location"]).items() >= {"login_hint": "who@example.com", "lang": "de"}.items()
        )
        assert 'value="who@example.com"' in nobody.get(hinted.headers["location"]).text
    assert "code" in app.answered(browser, prompt="none", max_age="600")
    chosen = app.send(browser, prompt="select_account")
    assert chosen.status_code == 200 and user["email"] in chosen.text and "Grafana" in chosen.text
    again = app.send(browser, prompt="login").headers["location"]
    assert again.startswith("/account/confirm?next=")
    back = parameters_of(again)["next"]
    assert browser.get(back).headers["location"].startswith("/account/confirm"), "not before they have"
    proof = browser.post("/account/confirm", data={"next": back, "proof_password": user["password"]})
    code = parameters_of(browser.get(proof.headers["location"]).headers["location"])["code"]
    assert app.claims(app.exchange(code).json()["id_token"])["sub"] == user["id"]
    with signed_in(server) as owner:
        hint = app.signed_in(owner)["id_token"]
    assert app.answered(browser, prompt="none", id_token_hint=hint)["error"] == "login_required", "someone else is"


# ---- who may sign in, at each step


def _leave(http: httpx2.Client, user: dict[str, Any], app: Application, group: str) -> httpx2.Response:
    return http.delete(f"/v1/groups/{group}/members/{user['id']}")


ENDINGS: dict[str, Callable[[httpx2.Client, dict[str, Any], Application, str], httpx2.Response]] = {
    "suspended": lambda http, user, app, group: http.post(f"/v1/users/{user['id']}/suspend"),
    "deleted": lambda http, user, app, group: http.delete(f"/v1/users/{user['id']}"),
    "purged": lambda http, user, app, group: http.delete(f"/v1/users/{user['id']}?purge=true"),
    "has left the group": _leave,
    "application deleted": lambda http, user, app, group: http.delete(f"/v1/applications/{app.id}"),
    "application suspended": lambda http, user, app, group: http.post(f"/v1/users/{app.id}/suspend"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_who_may_no_longer_sign_in_gets_nothing_at_any_step(server: Server, http: httpx2.Client, ending: str) -> None:
    user = new_user(http)
    group = http.post("/v1/groups", json={"name": f"Group of {user['id']}"}).json()["id"]
    assert http.put(f"/v1/groups/{group}/members/{user['id']}", json={}).status_code < 300
    with application(server, http, sign_in_groups=[group]) as app, signed_in(server, user) as browser:
        tokens = app.signed_in(browser)
        assert app.userinfo(tokens["access_token"]).status_code == 200
        code = app.code(browser)
        verifier = app.verifier
        assert ENDINGS[ending](http, user, app, group).status_code < 300
        refused(app.userinfo(tokens["access_token"]), "invalid_token", 401)
        error, status = ("invalid_client", 401) if ending.startswith("application") else ("invalid_grant", 400)
        refused(app.exchange(code, code_verifier=verifier), error, status)
        refused(app.refresh(tokens["refresh_token"]), error, status)
        answer = app.send(browser)
        if ending.startswith("application"):
            assert answer.status_code == 400, "nothing leads there anymore"
        elif ending == "has left the group":
            assert parameters_of(answer.headers["location"])["error"] == "access_denied"
        else:
            assert answer.headers["location"].startswith("/account/sign-in")


def test_only_members_of_the_groups_sign_in(
    server: Server, http: httpx2.Client, app: Application, browser: httpx2.Client
) -> None:
    group = http.post("/v1/groups", json={"name": "Few"}).json()["id"]
    assert http.patch(f"/v1/applications/{app.id}", json={"sign_in_groups": [group]}).status_code == 200
    assert app.answered(browser)["error"] == "access_denied"
    answer = http.patch(f"/v1/applications/{app.id}", json={"sign_in_groups": ["group_nothing"]})
    assert answer.status_code == 400 and answer.json()["param"] == "sign_in_groups[0]"


# ---- codes


def test_of_fifty_who_come_with_a_code_at_once_one_gets_tokens_and_they_end(
    app: Application, browser: httpx2.Client
) -> None:
    code = app.code(browser)
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": app.verifier}

    def come() -> httpx2.Response:
        with httpx2.Client(base_url=app.server.url, timeout=60, **PLAIN) as caller:
            return caller.post("/oauth2/token", data=fields, auth=(app.id, app.secret))

    answers = together(*[come] * 50)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 49}
    (won,) = (answer.json() for answer in answers if answer.status_code == 200)
    refused(app.userinfo(won["access_token"]), "invalid_token", 401)
    refused(app.refresh(won["refresh_token"]), "invalid_grant")


def test_a_code_is_worth_nothing_to_another_application_at_another_url_or_without_its_verifier(
    server: Server, http: httpx2.Client, app: Application, spa: Application, browser: httpx2.Client
) -> None:
    code = app.code(browser)
    with application(server, http) as other:
        refused(other.exchange(code, code_verifier=app.verifier), "invalid_grant")
    refused(spa.exchange(code, code_verifier=app.verifier), "invalid_grant")
    refused(app.exchange(code, redirect_uri=f"{CALLBACK}/"), "invalid_grant")
    refused(app.exchange(code, code_verifier=pkce().verifier), "invalid_grant")
    refused(app.exchange(code, code_verifier=""), "invalid_grant")
    assert app.exchange(code).status_code == 200, "none of them has used it up"
    plain = app.code(browser, code_challenge=None, code_challenge_method=None)
    refused(app.exchange(plain, code_verifier=pkce().verifier), "invalid_grant")
    wrong = app.code(browser)
    refused(app.exchange(f"{wrong[:-1]}{'A' if wrong[-1] != 'A' else 'B'}"), "invalid_grant")


def test_a_code_lives_for_a_minute_and_ends_with_the_session_of_its_browser(
    app: Application, browser: httpx2.Client
) -> None:
    code = app.code(browser)
    assert browser.post("/account/sign-out").status_code == 303
    refused(app.exchange(code), "invalid_grant")


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge": "short"},
    ],
)
def test_pkce_is_not_downgraded(spa: Application, browser: httpx2.Client, changed: dict[str, str | None]) -> None:
    assert spa.answered(browser, **changed)["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://example.com/"}, "request_uri_not_supported"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"id_token_hint": "eyJ"}, "invalid_request"),
    ],
)
def test_what_is_not_served_is_told_to_the_application(
    app: Application, browser: httpx2.Client, changed: dict[str, str | None], error: str
) -> None:
    assert app.answered(browser, **changed)["error"] == error


def test_without_state_and_nonce_none_are_told(app: Application, browser: httpx2.Client) -> None:
    tokens = app.signed_in(browser, state=None, nonce=None)
    assert "nonce" not in app.claims(tokens["id_token"])


@pytest.mark.parametrize(
    "url",
    [
        "https://grafana.example.com/login/generic_oauth/",
        "https://grafana.example.com/login/generic_oauth?x=1",
        "https://grafana.example.com/login/../login/generic_oauth",
        "https://grafana.example.com:443/login/generic_oauth",
        "https://grafana.example.com:8443/login/generic_oauth",
        "https://user@grafana.example.com/login/generic_oauth",
        "https://grafana.example.com@evil.example/login/generic_oauth",
        "https://GRAFANA.example.com/login/generic_oauth",
        "HTTPS://grafana.example.com/login/generic_oauth",
        "https://grafana.example.com/login/%67eneric_oauth",
        "https://grafana.example.com/login/generic_oauth#x",
        "https://grafana.example.com\\@evil.example/login/generic_oauth",
        "https://grafana.example.com/login\\generic_oauth",
        "https://grafana.example.com./login/generic_oauth",
        "http://grafana.example.com/login/generic_oauth",
        "https://evil.example/",
        "javascript:alert(1)",
        "//evil.example/",
        f" {CALLBACK}",
        f"{CALLBACK}\r\nX: y",
        "",
    ],
)
def test_no_other_spelling_of_a_url_is_led_to(app: Application, browser: httpx2.Client, url: str) -> None:
    for changed in ({}, {"prompt": "none"}, {"response_type": "token"}):
        answer = app.send(browser, redirect_uri=url, **changed)
        assert answer.status_code == 400 and "location" not in answer.headers, answer.text


def test_an_unknown_application_and_repeated_parameters_lead_nowhere(
    app: Application, browser: httpx2.Client, user: dict
) -> None:
    for client_id in ("", user["id"], "user_nothing", "\0"):
        assert app.send(browser, client_id=client_id).status_code == 400
    twice = [*app.asked().items(), ("redirect_uri", "https://evil.example/")]
    assert browser.get("/oauth2/authorize", params=urlencode(twice)).status_code == 400
    with visitor(app.server) as nobody:
        form = nobody.get("/account/sign-in", params={"next": "/oauth2/authorize?redirect_uri=https://evil.example/"})
        assert "evil" not in form.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("registered", "url", "is_led_to"),
    [
        ("http://127.0.0.1/callback", "http://127.0.0.1:51004/callback", True),
        ("http://127.0.0.1:8000/callback", "http://127.0.0.1:51004/callback", True),
        ("http://[::1]/callback", "http://[::1]:51004/callback", True),
        ("http://127.0.0.1/callback", "http://127.0.0.1:51004/other", False),
        ("http://127.0.0.1/callback", "http://127.0.0.2:51004/callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:51004@evil.example/callback", False),
        ("http://localhost:5000/callback", "http://localhost:51004/callback", False),
        ("com.example.app:/callback", "com.example.app:/callback", True),
        ("com.example.app:/callback", "com.example.app:/other", False),
    ],
)
def test_programs_on_a_persons_own_machine_listen_on_any_port(
    server: Server, http: httpx2.Client, browser: httpx2.Client, registered: str, url: str, is_led_to: bool
) -> None:
    with application(server, http, is_public=True, redirect_urls=[registered]) as native:
        answer = native.send(browser, redirect_uri=url)
        assert (answer.status_code == 303) == is_led_to
        if is_led_to:
            assert (
                native.exchange(parameters_of(answer.headers["location"])["code"], redirect_uri=url).status_code == 200
            )


@pytest.mark.parametrize(
    "url",
    [
        "http://grafana.example.com/",
        "https://grafana.example.com/#x",
        "https://user@grafana.example.com/",
        "https:///x",
        "https://grafana.example.com\\x",
        "javascript:alert(1)",
        "app:/callback",
        "/callback",
        "https://",
        "https://grafana.example.com/ x",
    ],
)
def test_a_url_that_could_lead_elsewhere_is_not_registered(http: httpx2.Client, url: str) -> None:
    for name in ("redirect_urls", "post_logout_redirect_urls"):
        answer = http.post("/v1/applications", json={"name": "Other", name: ["https://ok.example.com/", url]})
        assert answer.status_code == 400 and answer.json()["param"] == f"{name}[1]", answer.text


# ---- the secret


def test_a_secret_is_sent_in_one_of_two_ways_and_rotated_with_an_overlap(
    http: httpx2.Client, app: Application, browser: httpx2.Client
) -> None:
    code = app.code(browser)
    fields = {"code": code, "redirect_uri": CALLBACK, "code_verifier": app.verifier, "grant_type": "authorization_code"}
    posted = {"client_id": app.id, "client_secret": app.secret}
    refused(app.http.post("/oauth2/token", data=fields | posted, auth=(app.id, app.secret)), "invalid_request")
    refused(app.http.post("/oauth2/token", data=fields, auth=("\0", app.secret)), "invalid_request")
    other = f"{app.secret[:-1]}{'1' if app.secret.endswith('0') else '0'}"
    wrong = app.http.post("/oauth2/token", data=fields, auth=(app.id, other))
    refused(wrong, "invalid_client", 401)
    assert wrong.headers["www-authenticate"].startswith("Basic")
    refused(app.http.post("/oauth2/token", data=fields | {"client_id": app.id}), "invalid_client", 401)
    tokens = app.http.post("/oauth2/token", data=fields | posted).json()
    (key,) = http.get("/v1/keys", params={"user": app.id}).json()
    assert key["kind"] == "client" and key["scopes"] == []
    rotated = http.post(f"/v1/keys/{key['id']}/rotate", json={"overlap": 60}).json()["key"]
    assert app.secret.startswith("rbo_") and rotated.startswith("rbo_"), "told from an API key at a glance"
    first = app.refresh(tokens["refresh_token"]).json()
    assert app.holding(rotated).refresh(first["refresh_token"]).status_code == 200
    assert http.delete(f"/v1/keys/{key['id']}").status_code == 204
    refused(app.refresh("rbr_x"), "invalid_client", 401)


def test_a_secret_opens_nothing_else_and_no_other_key_is_one(
    server: Server, http: httpx2.Client, app: Application, browser: httpx2.Client, user: dict
) -> None:
    with server.http(app.secret) as held:
        assert held.get("/v1/users/me").json()["code"] == "key_kind"
        assert held.get("/scim/v2/Users").status_code == 403
    code, verifier = app.code(browser), app.verifier
    ordinary = http.post("/v1/keys", json={"user_id": app.id, "name": "other"}).json()["key"]
    for secret in (ordinary, server.key):
        refused(app.holding(secret).exchange(code, code_verifier=verifier), "invalid_client", 401)
    answer = http.post("/v1/keys", json={"user_id": user["id"], "name": "x", "kind": "client"})
    assert answer.status_code == 400 and answer.json()["param"] == "kind"
    tokens = app.exchange(code, code_verifier=verifier).json()
    for token in (tokens["access_token"], tokens["refresh_token"], tokens["id_token"]):
        with server.http(token) as stranger:
            assert stranger.get("/v1/users/me").status_code == 401


# ---- refresh tokens


def test_a_refresh_token_works_once_and_then_ends_the_session(app: Application, browser: httpx2.Client) -> None:
    first = app.signed_in(browser)
    second = app.refresh(first["refresh_token"])
    assert second.status_code == 200 and "nonce" not in app.claims(second.json()["id_token"])
    assert app.claims(second.json()["id_token"])["sid"] == app.claims(first["id_token"])["sid"]
    refused(app.refresh(first["refresh_token"]), "invalid_grant")
    refused(app.refresh(second.json()["refresh_token"]), "invalid_grant")
    refused(app.userinfo(second.json()["access_token"]), "invalid_token", 401)


def test_a_refresh_may_ask_for_less_and_never_for_more(app: Application, browser: httpx2.Client) -> None:
    tokens = app.signed_in(browser, scope="openid email offline_access")
    refused(app.refresh(tokens["refresh_token"], scope="openid profile"), "invalid_scope")
    less = app.refresh(tokens["refresh_token"], scope="openid offline_access").json()
    assert less["scope"] == "openid offline_access" and set(app.userinfo(less["access_token"]).json()) == {"sub"}
    assert "email" in app.userinfo(app.refresh(less["refresh_token"]).json()["access_token"]).json()


def test_a_refresh_token_is_another_applications_for_everyone_else(
    server: Server, http: httpx2.Client, app: Application, browser: httpx2.Client
) -> None:
    tokens = app.signed_in(browser)
    with application(server, http) as other:
        refused(other.refresh(tokens["refresh_token"]), "invalid_grant")
        assert other.revoke(tokens["refresh_token"]).status_code == 200
    body = {"refresh_token": tokens["refresh_token"], "audience": app.id}
    assert http.post("/v1/sessions/refresh", json=body).json()["code"] == "session_ended"
    renewed = app.refresh(tokens["refresh_token"])
    assert renewed.status_code == 200, "nothing of it has ended the session"
    assert app.revoke(renewed.json()["refresh_token"]).status_code == 200
    refused(app.userinfo(tokens["access_token"]), "invalid_token", 401)
    assert app.revoke("rbr_unknown").status_code == 200


# ---- tokens that others made


def test_tokens_that_this_server_has_not_signed_tell_nothing(app: Application, browser: httpx2.Client) -> None:
    tokens = app.signed_in(browser)
    access = tokens["access_token"]
    head, payload, signature = access.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    (key,) = (key for key in app.http.get("/.well-known/jwks.json").json()["keys"] if key["kid"] == header["kid"])
    public = jwt.PyJWK(key).key.public_bytes(*_pem())

    def headed(**changed: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(header | changed).encode()).decode().rstrip("=")

    with_public = f"{headed(alg='HS256')}.{payload}"
    mac = base64.urlsafe_b64encode(hmac.digest(public, with_public.encode(), "sha256")).decode().rstrip("=")
    for token in (
        f"{headed(alg='none')}.{payload}.",
        f"{headed(alg='None')}.{payload}.{signature}",
        f"{with_public}.{mac}",
        f"{headed(kid='other')}.{payload}.{signature}",
        f"{head}.{payload[:-4]}AAAA.{signature}",
        f"{head}.{payload}.{signature[:-4]}AAAA",
        f"{head}.{payload}.",
        tokens["id_token"],
        tokens["refresh_token"],
        "x",
        "..",
    ):
        refused(app.userinfo(token), "invalid_token", 401)
    assert app.http.get("/oauth2/userinfo", params={"access_token": access}).status_code == 401, "not in a query"
    assert app.http.get("/oauth2/userinfo").headers["www-authenticate"] == 'Bearer realm="Rollbook"'
    assert app.http.post("/oauth2/userinfo", data={"access_token": access}).status_code == 200
    assert app.userinfo(access).status_code == 200


def _pem() -> tuple[Any, Any]:
    from cryptography.hazmat.primitives import serialization

    return serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo


def test_a_key_that_is_replaced_in_mid_flow_stops_no_one_and_a_code_lives_for_a_minute(tmp_path: Path) -> None:
    day = 86_400
    with running(tmp_path / "data", "--rate-limit", "none") as server:
        with server.http(None) as stranger:
            assert stranger.get("/.well-known/openid-configuration").status_code == 200
        server.pass_time(89 * day + 3_600)
        server.stop()
        server.start()  # the next key is announced as soon as this server leads
        keys, until = [], time.monotonic() + PATIENCE
        while len(keys) < 2:
            assert time.monotonic() < until, keys
            keys = server.ask("SELECT id, signs_from FROM signing_keys WHERE algorithm = 'RS256' ORDER BY signs_from")
        (old, _), (new, signs_from) = keys

        def move(seconds: float) -> None:
            """To so many seconds after the new key has begun to sign."""
            server.pass_time(signs_from / 1_000_000 - time.time() + seconds)

        move(-30)
        with server.http() as http, application(server, http) as app, signed_in(server) as browser:
            first, code, verifier = app.signed_in(browser), app.code(browser), app.verifier
            assert jwt.get_unverified_header(first["id_token"])["kid"] == old
            move(10)
            second = app.exchange(code, code_verifier=verifier).json()
            third = app.refresh(first["refresh_token"]).json()
            for tokens in (second, third):
                assert jwt.get_unverified_header(tokens["id_token"])["kid"] == new and app.claims(tokens["id_token"])
            assert app.userinfo(first["access_token"]).status_code == 200, "its key is published still"
            assert "code" in app.answered(browser, prompt="none", id_token_hint=first["id_token"])
            late, verifier = app.code(browser), app.verifier
            move(71)
            refused(app.exchange(late, code_verifier=verifier), "invalid_grant")
            move(311)
            refused(app.userinfo(second["access_token"]), "invalid_token", 401)


# ---- signing out


def test_an_application_signs_its_person_out(
    server: Server, http: httpx2.Client, app: Application, browser: httpx2.Client
) -> None:
    tokens, code = app.signed_in(browser), app.code(browser)
    with application(server, http) as other:
        theirs = other.signed_in(browser)
        asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": SIGNED_OUT, "state": "s1"}
        answer = browser.get("/oauth2/logout", params=asked)
        assert answer.headers["location"] == f"{SIGNED_OUT}?state=s1"
        refused(app.refresh(tokens["refresh_token"]), "invalid_grant")
        refused(app.userinfo(tokens["access_token"]), "invalid_token", 401)
        refused(app.exchange(code), "invalid_grant")
        assert not is_signed_in(browser)
        assert other.userinfo(theirs["access_token"]).status_code == 200, "that is another application's"


def test_sign_out_leads_to_no_url_that_is_not_registered_and_asks_whom_it_does_not_know(
    app: Application, browser: httpx2.Client, server: Server
) -> None:
    with signed_in(server) as owner:
        hint = app.signed_in(owner)["id_token"]
    for asked in ({}, {"id_token_hint": "x"}, {"client_id": app.id, "post_logout_redirect_uri": SIGNED_OUT}):
        page = browser.get("/oauth2/logout", params=asked)
        assert page.status_code == 200 and 'action="/account/sign-out"' in page.text
    answer = browser.get(
        "/oauth2/logout", params={"id_token_hint": hint, "post_logout_redirect_uri": "https://evil.example/"}
    )
    assert answer.headers["location"].startswith("/account/sign-in") and is_signed_in(browser), "the hint is another's"


def test_signing_out_everywhere_ends_the_sessions_of_applications(
    http: httpx2.Client, app: Application, browser: httpx2.Client, user: dict
) -> None:
    tokens = app.signed_in(browser)
    assert browser.post("/account/sessions/end-others").status_code == 303
    refused(app.refresh(tokens["refresh_token"]), "invalid_grant")
    refused(app.userinfo(tokens["access_token"]), "invalid_token", 401)


# ---- pages


def test_no_page_on_the_way_is_framed_and_no_other_site_signs_anyone_out(
    app: Application, browser: httpx2.Client
) -> None:
    chosen, posted = app.send(browser, prompt="select_account"), app.send(browser, response_mode="form_post")
    for page in (chosen, posted, browser.get("/oauth2/logout"), browser.get("/account/confirm")):
        assert page.headers["x-frame-options"] == "DENY", page.request.url
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    asked = browser.post("/oauth2/logout", data={"client_id": app.id}, headers=foreign)
    assert 'action="/account/sign-out"' in browser.get(asked.headers["location"]).text
    for path in ("/account/sign-out", "/account/confirm", f"/admin/applications/{app.id}/sign-in"):
        assert browser.post(path, data={"redirect_urls": "https://evil.example/"}, headers=foreign).status_code == 403
    assert is_signed_in(browser)


def test_people_and_admins_see_where_someone_signed_in(
    server: Server, http: httpx2.Client, app: Application, browser: httpx2.Client, user: dict
) -> None:
    app.signed_in(browser)
    assert ">Grafana</span>" in browser.get("/account/sessions").text
    with signed_in(server) as owner:
        assert ">Grafana</span>" in owner.get(f"/admin/users/{user['id']}/sessions").text
        tab = owner.get(f"/admin/applications/{app.id}/sign-in").text
        assert "Last sign-ins" in tab and f'<a href="/admin/users/{user["id"]}">' in tab
