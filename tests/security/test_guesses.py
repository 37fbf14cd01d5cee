"""Guessing a password is slow from wherever it is tried, and what strangers guess keeps nobody out of their account."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.callers import together
from tests.harness import Server, new_key, new_user, running
from tests.visitor import is_signed_in, sign_in, signed_in, visitor

ACCOUNT, ADDRESS = 5, 4
"""Wrong passwords an hour that all strangers together have for an account, and each address, key, session or browser:
few, since the hashes are those that ship."""


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--rate-limit", "none", "--address-attempts-limit", "none", "--trusted-proxy", "127.0.0.1/32")
    limit = ("--account-attempts-limit", f"{ACCOUNT}/hour", "--attempts-limit", f"{ADDRESS}/hour")
    workers = ("--workers", str(request.param))
    with running(tmp_path_factory.mktemp("server") / "data", *flags, *limit, *workers) as server:
        yield server


def at(server: Server, address: str) -> httpx2.Client:
    return visitor(server, **{"X-Forwarded-For": address})


def guess(server: Server, email: str, times: int, address: str = "203.0.113.7") -> list[int]:
    """What a stranger there is told who tries wrong passwords."""
    with at(server, address) as stranger:
        return [sign_in(stranger, email, f"wrong {number}").status_code for number in range(times)]


def lock(server: Server, email: str) -> None:
    """Strangers use up all that they have for the account."""
    statuses = [status for host in range(2) for status in guess(server, email, ADDRESS + 1, f"203.0.113.{host}")]
    assert (statuses.count(401), statuses.count(429)) == (ACCOUNT, len(statuses) - ACCOUNT)


def prove(client: httpx2.Client, password: str) -> int:
    """At the form that changes one's own password to the same one, which needs the current one."""
    return client.post(
        "/account/password", data={"current_password": password, "password": "a lobster in the library"}
    ).status_code


def test_a_stranger_is_refused_and_others_sign_in(server: Server, user: dict) -> None:
    assert guess(server, user["email"], ADDRESS + 2) == [401] * ADDRESS + [429] * 2
    with at(server, "203.0.113.7") as there, at(server, "203.0.113.8") as elsewhere:
        assert sign_in(there, user["email"], user["password"]).status_code == 429
        assert sign_in(elsewhere, user["email"], user["password"]).status_code == 303


def test_all_strangers_together_are_limited_too_and_an_unknown_email_as_a_known_one(server: Server, user: dict) -> None:
    for email in (user["email"], f"nobody.{user['email']}"):
        lock(server, email)
        with at(server, "198.51.100.1") as stranger:
            assert sign_in(stranger, email, user["password"]).status_code == 429


def test_strangers_keep_out_neither_a_session_nor_a_key_nor_a_browser_that_signed_in_before(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    key = new_key(http, user_id=user["id"])
    with signed_in(server, user) as person, signed_in(server, user) as browser, server.http(key) as caller:
        browser.post("/account/sign-out")
        assert not is_signed_in(browser)
        lock(server, user["email"])
        assert sign_in(browser, user["email"], user["password"]).status_code == 303
        mine = caller.get("/v1/keys").json()[0]["id"]
        assert caller.post(f"/v1/keys/{mine}/reveal", json={"password": user["password"]}).status_code == 200
        assert prove(person, user["password"]) == 303


def test_a_password_set_with_a_link_lifts_the_lock(server: Server, http: httpx2.Client, user: dict) -> None:
    lock(server, user["email"])
    link = urlsplit(
        http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"}).json()["url"]
    ).query.removeprefix("token=")
    new = "a lobster in the library"
    with visitor(server) as person, visitor(server) as another:
        fields = {"token": link, "password": new}
        assert person.post("/account/set-password", data=fields).status_code == 303
        assert is_signed_in(person)
        assert sign_in(another, user["email"], new).status_code == 303


def test_a_browser_that_is_known_has_no_more_attempts_than_a_stranger_and_signs_nobody_in(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    other = new_user(http)
    with signed_in(server, user) as person:
        [device] = [cookie for cookie in person.cookies.jar if cookie.name.endswith("-device")]
    assert user["id"] not in str(device.value), "who reads it learns nothing of the user"
    with visitor(server, Cookie=f"{device.name}={device.value}") as thief:
        assert not is_signed_in(thief)
        statuses = together(*[lambda: sign_in(thief, user["email"], "wrong").status_code] * (ADDRESS + 4))
        assert (statuses.count(401), statuses.count(429)) == (ADDRESS, 4)
        # For another account it is a stranger.
        lock(server, other["email"])
        assert sign_in(thief, other["email"], other["password"]).status_code == 429
    with visitor(server) as bystander:
        assert sign_in(bystander, user["email"], user["password"]).status_code == 303


def test_a_device_cookie_that_was_changed_or_is_old_is_none(server: Server, user: dict) -> None:
    with signed_in(server, user) as person:
        [device] = [cookie for cookie in person.cookies.jar if cookie.name.endswith("-device")]
    time, number, signature = str(device.value).split(".")

    def tried_with(value: str) -> int:
        with visitor(server, Cookie=f"{device.name}={value}") as stranger:
            return sign_in(stranger, user["email"], user["password"]).status_code

    lock(server, user["email"])
    for forged in (
        f"7fffffff.{number}.{signature}",
        f"{time}.{number[::-1]}.{signature}",
        f"{time}.{number}.{signature[::-1]}",
        "x" * 5000,
    ):
        assert tried_with(forged) == 429, forged
    assert tried_with(str(device.value)) == 303, "as it was, it is known"
    server.pass_time(181 * 86_400)
    lock(server, user["email"])
    assert tried_with(str(device.value)) == 429
    server.pass_time(0)


def test_an_application_that_tells_addresses_locks_out_the_stranger_only(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    def verify(password: str, **fields: str) -> int:
        body = {"email": user["email"], "password": password, **fields}
        return http.post("/v1/users/verify-password", json=body).status_code

    stranger, other = {"address": "2001:db8::1"}, {"address": "2001:db8:0:1::1"}
    assert [verify("wrong", **stranger) for _ in range(ADDRESS + 1)] == [401] * ADDRESS + [429]
    assert verify(user["password"], address="2001:db8::2") == 429, "the same network"
    assert verify(user["password"], **other) == 200
    assert verify(user["password"]) == 200
    # What it does not tell is counted for the application, apart from the page. By now the account has all of its own.
    server.pass_time(3600)
    assert [verify("wrong") for _ in range(ADDRESS + 1)] == [401] * ADDRESS + [429]
    with visitor(server) as person:
        assert sign_in(person, user["email"], user["password"]).status_code == 303
    server.pass_time(0)
    answer = http.post(
        "/v1/users/verify-password", json={"email": user["email"], "password": "x", "address": "localhost"}
    )
    assert (answer.status_code, answer.json()["param"]) == (400, "address")


def test_a_stolen_key_has_few_guesses_however_often_it_changes_the_user_or_itself(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    key = new_key(http, user_id=user["id"], scopes=["users:write", "keys:read", "keys:write"])
    statuses: list[int] = []
    with server.http(key) as thief:
        id = thief.get("/v1/keys").json()[0]["id"]
        for number in range(ADDRESS):
            body = {"password": "a lobster in the library", "current_password": f"wrong {number}"}
            statuses.append(thief.put("/v1/users/me/password", json=body).status_code)
            with server.http(new_key(thief)) as minted:
                statuses.append(minted.post(f"/v1/keys/{id}/reveal", json={"password": f"wrong {number}"}).status_code)
            changed = {"email": f"changed{number}.{user['email']}"}
            assert thief.patch("/v1/users/me", json=changed).status_code == 400
            http.patch(f"/v1/users/{user['id']}", json=changed)
    assert (statuses.count(401), statuses.count(429)) == (ADDRESS, ADDRESS)


def test_a_stolen_session_has_few_guesses_however_often_the_email_changes(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    with signed_in(server, user) as thief:
        statuses: list[int] = []
        for number in range(ADDRESS + 4):
            statuses.append(prove(thief, f"wrong {number}"))
            http.patch(f"/v1/users/{user['id']}", json={"email": f"changed{number}.{user['email']}"})
    assert (statuses.count(401), statuses.count(429)) == (ADDRESS, 4)
