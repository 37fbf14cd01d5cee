"""Links with which a password is set: once, for three days, and by nobody else."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import errors, languages
from tests.callers import together
from tests.contract.answers import Log, refused
from tests.engines import once
from tests.grids import grid
from tests.harness import OWNER_PASSWORD, Server, new_key, new_user, running
from tests.visitor import is_signed_in, set_password, sign_in, signed_in, visitor

DAY = 86_400
NEW = "a few random words"


def link(http: httpx2.Client, user: dict[str, Any]) -> str:
    answer = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"})
    assert answer.status_code == 201, answer.text
    return answer.json()["url"]


def token_of(link: str) -> str:
    return link.partition("token=")[2]


def send(person: httpx2.Client, link: str, password: str = NEW) -> httpx2.Response:
    """The form alone, as whoever has opened the page before sends it."""
    fields = {"token": token_of(link), "password": password}
    return person.post("/account/set-password", data=fields)


@pytest.fixture
def person(server: Server) -> Iterator[httpx2.Client]:
    with visitor(server) as found:
        yield found


@pytest.fixture
def timed(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "data") as server:
        yield server


def is_dead(person: httpx2.Client, link: str) -> bool:
    """Nothing is set, nobody is signed in, and the page says whom to ask."""
    page, answer = person.get(link), send(person, link, "yet another good one")
    assert page.status_code == answer.status_code, "the page and its form agree"
    for each in (page, answer):
        signs_in = any("-notice=;" not in line for line in each.headers.get_list("set-cookie"))
        assert each.status_code == 200 or ("Ask an administrator" in each.text and not signs_in)
    return page.status_code == 404


# ---- it works


def test_a_link_sets_the_password_signs_in_and_leads_to_the_profile(
    server: Server, http: httpx2.Client, user: dict, person: httpx2.Client
) -> None:
    log = Log(http)
    answer = set_password(person, link(http, user), NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert is_signed_in(person)
    assert [(event["type"], event["actor"]["user_id"]) for event in log.news()] == [
        ("token.created", http.get("/v1/users/me").json()["id"]),
        ("token.consumed", user["id"]),
        ("user.password_changed", user["id"]),
        ("user.signed_in", user["id"]),
        ("session.created", user["id"]),
    ]
    body = {"email": user["email"], "password": NEW}
    assert http.post("/v1/users/verify-password", json=body).status_code == 200
    refused(http.post("/v1/users/verify-password", json=body | {"password": user["password"]}), errors.WrongPassword)


def test_the_answer_says_until_when(timed: Server) -> None:
    with timed.http() as http:
        user = new_user(http)
        answer = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password", "expires_in": 3 * DAY})
        assert answer.headers["cache-control"] == "no-store"
        with visitor(timed) as person:
            timed.pass_time(3 * DAY - 30)
            assert person.get(answer.json()["url"]).status_code == 200
            timed.pass_time(3 * DAY + 1)
            assert is_dead(person, answer.json()["url"])


@once
@pytest.mark.parametrize("path", ["/account/invitation", "/account/set-password", "/account/sign-in-link"])
def test_a_dead_link_says_what_customers_can_do_and_names_no_command(person: httpx2.Client, path: str) -> None:
    for code in languages.NAMES:
        page = person.get(path, params={"token": "dead", "lang": code})
        assert page.status_code == 404 and languages.language(code).t("ask_for_new_link") in page.text
        assert "<code>" not in page.text and "rollbook users" not in page.text, code


def test_to_open_a_link_uses_nothing_up(http: httpx2.Client, user: dict, person: httpx2.Client) -> None:
    url = link(http, user)
    with Log(http).silent():
        for method in ("GET", "HEAD", "GET", "OPTIONS"):
            assert person.request(method, url).status_code in (200, 204)
    assert set_password(person, url, NEW).status_code == 303


@once
def test_a_link_of_a_public_server_leads_there(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--public-url", "https://users.example.com/") as server, server.http() as http:
        answer = http.post(
            f"/v1/users/{new_user(http)['id']}/tokens",
            json={"purpose": "reset_password"},
            headers={"Host": "evil.example"},
        )
        assert answer.json()["url"].startswith("https://users.example.com/account/set-password?token=")


# ---- once, and only the newest


def test_a_link_works_once(http: httpx2.Client, user: dict, person: httpx2.Client) -> None:
    url = link(http, user)
    assert send(person, url).status_code == 303
    with Log(http).silent():
        assert is_dead(person, url)
    body = {"email": user["email"], "password": NEW}
    assert http.post("/v1/users/verify-password", json=body).status_code == 200


def test_of_those_who_use_one_link_at_once_one_wins(server: Server, http: httpx2.Client, user: dict) -> None:
    url = link(http, user)
    passwords = [f"{NEW} {number}" for number in range(6)]

    def use(password: str) -> int:
        with visitor(server) as each:
            return send(each, url, password).status_code

    statuses = together(*[lambda password=password: use(password) for password in passwords])
    assert sorted(statuses) == [303] + [404] * 5
    verified = {
        password: http.post(
            "/v1/users/verify-password", json={"email": user["email"], "password": password}
        ).status_code
        for password in passwords
    }
    assert [password for password, status in verified.items() if status == 200] == [passwords[statuses.index(303)]]
    assert len(http.get("/v1/sessions", params={"user": user["id"]}).json()) == 1


def test_a_newer_link_takes_the_place_of_the_older(http: httpx2.Client, user: dict, person: httpx2.Client) -> None:
    older, newer = link(http, user), link(http, user)
    assert is_dead(person, older)
    assert set_password(person, newer, NEW).status_code == 303


def test_a_link_dies_with_another_new_password_and_with_its_user(http: httpx2.Client, person: httpx2.Client) -> None:
    for end in (
        lambda path: http.put(path + "/password", json={"password": "set by an admin, then"}),
        lambda path: http.delete(path),
        lambda path: http.delete(path + "?purge=true"),
    ):
        user = new_user(http)
        url = link(http, user)
        assert end(f"/v1/users/{user['id']}").is_success
        assert is_dead(person, url)
    user = new_user(http)
    url = link(http, user)
    assert http.delete(f"/v1/users/{user['id']}").is_success and http.post(f"/v1/users/{user['id']}/restore").is_success
    assert is_dead(person, url), "nor does it come back with its user"


@once
def test_a_link_is_of_no_use_to_who_has_a_part_of_it(http: httpx2.Client, user: dict, person: httpx2.Client) -> None:
    url = link(http, user)
    for other in (
        url[:-1],
        url + "A",
        url.swapcase().replace("TOKEN", "token"),
        url.partition("?")[0],
        url + "&token=",
    ):
        assert person.get(other.replace("HTTP", "http")).status_code in (404, 400)
    assert set_password(person, url, NEW).status_code == 303


# ---- the rules of passwords


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short", "shorter than 8"),
        ("x" * 257, "longer than 256"),
        ("password1", "too common"),
        ("Summer2026!", "common word"),
        ("", "shorter than 8"),
    ],
)
@once
def test_a_password_that_is_refused_uses_nothing_up(
    http: httpx2.Client, user: dict, person: httpx2.Client, password: str, words: str
) -> None:
    url = link(http, user)
    with Log(http).silent():
        answer = send(person, url, password)
    assert answer.status_code == 400 and words in answer.text and "set-cookie" not in answer.headers
    assert password == "" or f'value="{password}"' not in answer.text, "a password is never sent back"
    assert send(person, url).status_code == 303


def test_the_users_own_address_and_name_are_no_passwords(http: httpx2.Client, person: httpx2.Client) -> None:
    user = new_user(http, name="Long Enough Name")
    url = link(http, user)
    for password in (user["email"], "long enough name", "Long.Enough.Name.1"):
        assert send(person, url, password).status_code == 400


# ---- what it does to others


def test_whoever_was_signed_in_with_the_old_password_is_signed_out(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    with signed_in(server, user) as before, visitor(server) as person:
        assert send(person, link(http, user)).status_code == 303
        assert is_signed_in(person) and not is_signed_in(before)


def test_who_is_signed_in_as_another_is_signed_in_as_the_links_user(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    with signed_in(server) as person:
        assert send(person, link(http, user)).status_code == 303
        assert user["email"] in person.get("/account").text


def test_the_suspended_get_no_link_and_lose_theirs(http: httpx2.Client, user: dict, person: httpx2.Client) -> None:
    url = link(http, user)
    assert http.post(f"/v1/users/{user['id']}/suspend").is_success
    with Log(http).silent():
        assert is_dead(person, url)
        answer = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"})
    assert "suspended" in refused(answer, errors.BadRequest)["error"]
    assert http.post(f"/v1/users/{user['id']}/activate").is_success
    assert is_dead(person, url), "nor does it come back when they are activated"


@once
def test_a_role_that_may_not_sign_in_still_sets_its_password(tmp_path: Path) -> None:
    """It may be an application that signs its members in, by `verify-password`."""
    with (
        running(tmp_path / "data", environment={"ROLLBOOK_SIGN_IN_ROLES": "owner"}) as server,
        server.http() as http,
        visitor(server) as person,
    ):
        user = new_user(http)
        answer = send(person, link(http, user))
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/sign-in")
        assert not is_signed_in(person)
        assert http.post("/v1/users/verify-password", json={"email": user["email"], "password": NEW}).status_code == 200
        assert sign_in(person, user["email"], NEW).status_code == 403


# ---- where it leads

EVIL = "https://evil.example"
HOME = "http://localhost:3000/sign-in?from=reset&x=%C3%A9#form"


def leads_to(http: httpx2.Client, user: dict[str, Any], url: str) -> str:
    answer = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password", "redirect_url": url})
    assert answer.status_code == 201, answer.text
    return answer.json()["url"]


@once
def test_a_link_can_lead_to_an_application_and_then_signs_no_one_in_here(
    http: httpx2.Client, user: dict, person: httpx2.Client
) -> None:
    url = leads_to(http, user, HOME)
    page = person.get(url)
    assert "form-action 'self' http://localhost:3000;" in page.headers["content-security-policy"]
    assert "localhost:3000" in page.text and "and sign in" not in page.text
    refused_first = send(person, url, "short")
    assert (
        refused_first.status_code == 400
        and "http://localhost:3000;" in refused_first.headers["content-security-policy"]
    )
    answer = send(person, url)
    assert (answer.status_code, answer.headers["location"]) == (303, HOME)
    assert "set-cookie" not in answer.headers and not is_signed_in(person)
    assert http.post("/v1/users/verify-password", json={"email": user["email"], "password": NEW}).status_code == 200
    assert is_dead(person, url)
    assert http.get("/v1/sessions", params={"user": user["id"]}).json() == []


@once
def test_no_one_can_change_where_a_link_leads(http: httpx2.Client, user: dict, person: httpx2.Client) -> None:
    def encoded(url: str) -> str:
        return base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")

    plain = link(http, user)
    assert is_dead(person, f"{plain}.{encoded(HOME)}")
    url = leads_to(http, user, HOME)
    for other in (f"{url}.", f"{url}.{encoded(EVIL)}", f"{url}.=", f"{url}&redirect_url={EVIL}"):
        answer = person.get(other)
        assert answer.status_code == 404 or "evil" not in answer.text + answer.headers["content-security-policy"]
    assert is_dead(person, f"{url}.{encoded(EVIL)}")
    assert send(person, url).headers["location"] == HOME


@once
@pytest.mark.parametrize("url", ["https://localhost", "http://localhost:3000/", "http://127.0.0.1:5000?a"])
def test_where_a_link_may_lead(http: httpx2.Client, user: dict, person: httpx2.Client, url: str) -> None:
    assert send(person, leads_to(http, user, url)).headers["location"] == url


@once
@grid(
    "url",
    [
        "",
        "/account",
        "app.example.com",
        "//app.example.com",
        "http://app.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com/",
        "javascript:alert(1)",
        "https:/app.example.com",
        "https://a@app.example.com",
        "https://app.example.com:80@evil.example",
        "https://app.example.com\\@evil.example",
        "https://app.example.com/a b",
        "https://app.example.com/\r\nX: y",
        "https://app.example.com/é",
        "https://bücher.example",
        "https://app.example.com;x/",
        "https://*.example.com/",
        "https://[::1]/",
        "https://app.example.com/" + "x" * 1001,
        7,
        None,
    ],
)
def test_where_a_link_may_not_lead(http: httpx2.Client, user: dict, url: Any) -> None:
    with Log(http).silent():
        answer = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password", "redirect_url": url})
    assert refused(answer, errors.InvalidParameter)["param"] == "redirect_url"


# ---- who may make one


@once
def test_nobody_makes_a_link_for_itself_but_who_has_no_password(
    server: Server, http: httpx2.Client, tmp_path: Path
) -> None:
    refused(http.post("/v1/users/me/tokens", json={"purpose": "reset_password"}), errors.NotYourself)
    with running(tmp_path / "data", environment={"ROLLBOOK_OWNER_PASSWORD": ""}) as other, other.http() as owner:
        assert owner.post("/v1/users/me/tokens", json={"purpose": "reset_password"}).status_code == 201


def test_a_repeated_request_gets_the_same_link_and_a_narrower_key_does_not(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    path, headers = f"/v1/users/{user['id']}/tokens", {"Idempotency-Key": "link-1"}
    body = {"purpose": "reset_password"}
    first, second = http.post(path, json=body, headers=headers), http.post(path, json=body, headers=headers)
    assert first.json() == second.json() and second.headers["idempotency-replayed"] == "true"
    with server.http(new_key(http, scopes=["tokens:create"])) as narrow:
        refused(narrow.post(path, json=body, headers=headers), errors.KeyReused)


# ---- it is a secret


def test_the_text_of_a_link_is_nowhere_but_in_its_answer(
    server: Server, http: httpx2.Client, user: dict, person: httpx2.Client
) -> None:
    token = token_of(url := link(http, user))
    page = person.get(url)
    assert page.headers["referrer-policy"] == "strict-origin" and page.headers["cache-control"] == "no-store"
    assert "content-encoding" not in page.headers
    assert is_dead(person, url + "x")
    assert send(person, url).status_code == 303
    for told in (
        http.get("/v1/events", params={"user": user["id"], "limit": 1000}).text,
        http.get(f"/v1/users/{user['id']}/export").text,
        http.get(f"/v1/users/{user['id']}").text,
        server.log.read_text(),
    ):
        assert token not in told
    files = b"".join(path.read_bytes() for path in server.data.iterdir() if path.is_file())
    assert token.encode() not in files and OWNER_PASSWORD.encode() not in files
