"""A hundred wrong passwords or codes in a row: then only known browsers, passkeys and recovery codes are accepted."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.callers import together
from tests.contract.test_second_step import STEP, at_localhost, first_step, named, options, with_passkey
from tests.engines import once
from tests.factors import App, enrolled
from tests.harness import Server, new_key, new_user, running
from tests.visitor import is_signed_in, set_password, sign_in, signed_in, visitor

UNLIMITED = ("attempts", "account-attempts", "address-attempts", "rate", "unauthenticated", "page")
MAX, NEW = 100, "a lobster in the library"

addresses = (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in itertools.count())
"""Each invented address is used once."""


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It counts nothing by time, so that nothing else refuses a guess."""
    flags = [flag for name in UNLIMITED for flag in (f"--{name}-limit", "none")]
    with running(tmp_path_factory.mktemp("server") / "data", *flags) as server:
        yield server


def verify(http: httpx2.Client, user: dict[str, Any], password: str = "") -> httpx2.Response:
    body = {"email": user["email"], "password": password or user["password"], "address": next(addresses)}
    return http.post("/v1/users/verify-password", json=body)


def guess(http: httpx2.Client, user: dict[str, Any], times: int = MAX) -> None:
    for number in range(times):
        assert verify(http, user, f"wrong {number}").json()["code"] == "wrong_password"


def verify_code(http: httpx2.Client, user: dict[str, Any], code: str) -> httpx2.Response:
    body = {"code": code, "address": next(addresses)}
    return http.post(f"/v1/users/{user['id']}/second-factors/verify", json=body)


def guess_codes(http: httpx2.Client, user: dict[str, Any], app: App, times: int) -> None:
    for _ in range(times):
        assert verify_code(http, user, app.wrong()).json()["code"] == "wrong_code"


def skip(server: Server, user: dict[str, Any], kind: str) -> None:
    """After the first wrong one, all but the last of a hundred: the first test sends each of them."""
    where = f"WHERE account = '{user['id']}' AND kind = '{kind}'"
    assert server.ask(f"SELECT failures FROM failed_guesses {where}") == [(1,)]
    server.ask(f"UPDATE failed_guesses SET failures = {MAX - 1} {where}")


def guess_all(server: Server, http: httpx2.Client, user: dict[str, Any]) -> None:
    guess(http, user, 1)
    skip(server, user, "password")
    guess(http, user, 3)


def guess_all_codes(server: Server, http: httpx2.Client, user: dict[str, Any], app: App) -> None:
    guess_codes(http, user, app, 1)
    skip(server, user, "code")
    guess_codes(http, user, app, 3)


def exhausted(http: httpx2.Client, user: dict[str, Any]) -> int:
    return len(http.get("/v1/events", params={"user": user["id"], "type": "user.guesses_exhausted"}).json())


def known_browser(server: Server, user: dict[str, Any]) -> httpx2.Client:
    """One in which the user has signed in, and out again."""
    found = visitor(server)
    with signed_in(server, user) as person:
        assert person.post("/account/sign-out").status_code == 303
        found.cookies = person.cookies
    return found


@once
def test_after_a_hundred_wrong_passwords_in_a_row_the_right_one_counts_in_known_browsers_only(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    key = new_key(http, user_id=user["id"])
    with known_browser(server, user) as known, visitor(server) as unknown, server.http(key) as caller:
        guess(http, user, MAX - 1)
        assert verify(http, user).status_code == 200, "a right one between: they are counted from the beginning"
        guess(http, user, MAX - 1)
        assert exhausted(http, user) == 0
        guess(http, user, 10)
        assert exhausted(http, user) == 1
        refused, of_no_one = verify(http, user), verify(http, {"email": f"no.{user['email']}"}, user["password"])
        assert refused.status_code == of_no_one.status_code == 401
        assert {**refused.json(), "request_id": ""} == {**of_no_one.json(), "request_id": ""}
        session = {"audience": "shop", "email": user["email"], "password": user["password"]}
        assert http.post("/v1/sessions", json=session).json()["code"] == "wrong_password"
        assert sign_in(unknown, user["email"], user["password"]).status_code == 401
        own = caller.patch("/v1/users/me", json={"email": f"x.{user['email']}", "current_password": user["password"]})
        assert (own.status_code, own.json()["code"]) == (401, "wrong_password")
        assert "Set a new one, or use a browser" in own.json()["error"]
        assert sign_in(known, user["email"], "wrong").status_code == 401
        assert sign_in(known, user["email"], user["password"]).status_code == 303
        assert verify(http, user).status_code == 200, "it was a right one"
    guess(http, user)
    assert exhausted(http, user) == 2


@once
def test_a_known_browser_has_a_hundred_of_its_own_and_a_password_link_opens_the_account(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    with known_browser(server, user) as known, visitor(server) as unknown:
        guess_all(server, http, user)
        for number in range(MAX - 1):
            assert sign_in(known, user["email"], f"wrong {number}").status_code == 401
        assert sign_in(known, user["email"], user["password"]).status_code == 303
        assert known.post("/account/sign-out").status_code == 303
        guess_all(server, http, user)
        for number in range(MAX):
            assert sign_in(known, user["email"], f"wrong {number}").status_code == 401
        assert sign_in(known, user["email"], user["password"]).status_code == 401
        link = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"}).json()["url"]
        assert set_password(unknown, link, NEW).status_code == 303
        assert verify(http, user, NEW).status_code == 200
    assert exhausted(http, user) == 2


@once
def test_after_a_hundred_wrong_codes_recovery_codes_passkeys_and_known_browsers_are_left(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    passkey = with_passkey(server, user)
    recovery = http.post(f"/v1/users/{user['id']}/recovery-codes", json={}).json()["recovery_codes"]
    app = enrolled(http, user["id"])
    with at_localhost(server) as person, visitor(server) as unknown:
        guess_all_codes(server, http, user, app)
        refused = verify_code(http, user, app.code())
        assert (refused.status_code, refused.json()["code"]) == (401, "wrong_code")
        assert "Use a recovery code" in refused.json()["error"]
        assert verify(http, user).json()["code"] == "second_factor_required", "passwords are counted by themselves"
        first_step(unknown, user)
        page = unknown.post(STEP, data={"code": app.at()}, headers={"Accept-Language": "de"})
        assert page.status_code == 401 and "Es wurden zu viele falsche Codes" in page.text
        signing = options(person.get("/account/sign-in").text)
        credential = passkey.get(signing, named(server))
        assert person.post("/account/sign-in", data={"credential": credential}).status_code == 303
        assert is_signed_in(person)
        person.post("/account/sign-out")
        assert verify_code(http, user, app.code()).status_code == 401, "a passkey opens nothing for others"
        first_step(person, user)
        assert person.post(STEP, data={"code": app.at(1)}).status_code == 303, "a browser that is known by now"
        assert exhausted(http, user) == 1
        guess_all_codes(server, http, user, app)
        assert first_step(unknown, user) and unknown.post(STEP, data={"code": recovery[0]}).status_code == 303
    assert verify_code(http, user, recovery[1]).status_code == 200
    assert exhausted(http, user) == 2


@once
def test_a_new_password_brings_no_codes_and_whoever_lifts_the_factors_opens_the_account(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    app = enrolled(http, user["id"])
    guess_all_codes(server, http, user, app)
    http.put(f"/v1/users/{user['id']}/password", json={"password": NEW}).raise_for_status()
    assert verify_code(http, user, app.code()).status_code == 401
    http.delete(f"/v1/users/{user['id']}/second-factors").raise_for_status()
    app = enrolled(http, user["id"])
    guess_codes(http, user, app, 1)
    skip(server, user, "code")
    assert verify_code(http, user, app.at(1)).status_code == 200


def test_many_at_once_are_a_hundred_and_an_unknown_email_leaves_one_of_few_rows(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    app = enrolled(http, user["id"])
    answers = together(*[lambda: verify_code(http, user, app.wrong()).status_code] * (MAX + 30))
    assert Counter(answers) == {401: MAX + 30}
    assert server.ask(f"SELECT kind, failures FROM failed_guesses WHERE account = '{user['id']}'") == [("code", MAX)]
    assert verify(http, user).json()["code"] == "second_factor_required"
    assert exhausted(http, user) == 1
    for number in range(300):
        verify(http, {"email": f"no{number}.{user['email']}"}, "wrong")
    [(shared,)] = server.ask("SELECT count(*) FROM failed_guesses WHERE account LIKE 'shared %' AND kind = 'password'")
    assert 100 < shared <= 256


def test_the_count_goes_with_the_user(server: Server, http: httpx2.Client, user: dict) -> None:
    other = new_user(http)
    for each in (user, other):
        guess(http, each, 1)
    assert http.delete(f"/v1/users/{user['id']}", params={"purge": "true"}).status_code == 204
    assert http.delete(f"/v1/users/{other['id']}").status_code == 204
    found = server.ask(f"SELECT account FROM failed_guesses WHERE account IN ('{user['id']}', '{other['id']}')")
    assert [row[0] for row in found] == [other["id"]], "who is deleted can be restored"
