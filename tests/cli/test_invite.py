"""`rollbook users invite`: a link, and a user where there is none; on a folder and on a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollbook import clock
from rollbook.auth import tokens
from tests.cli.command import good, refused, rollbook
from tests.harness import OWNER_EMAIL, Server, new_user, running
from tests.visitor import is_signed_in, set_password, visitor

Place = tuple[str, ...]
PASSWORD = "a few random words"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(
        tmp_path_factory.mktemp("server") / "data", "--rate-limit", "none", "--unauthenticated-limit", "none"
    ) as server:
        yield server


@pytest.fixture(params=["a folder that is served", "a server"])
def place(request: pytest.FixtureRequest, server: Server) -> Place:
    if request.param == "a server":
        return ("--url", server.url, "--key", server.key)
    return ("--data", str(server.data))


@pytest.fixture
def email(request: pytest.FixtureRequest) -> str:
    return f"person{abs(hash(request.node.name))}@example.com"


def test_somebody_who_is_invited_sets_a_password_and_is_signed_in(server: Server, place: Place, email: str) -> None:
    done = rollbook("users", "invite", email, "--name", "Ada Byron", "--role", "viewer", *place)
    assert done.returncode == 0, done.stderr
    link = done.stdout.strip()
    assert link.startswith(f"{server.url}/account/invitation?token=")
    assert "a new user with the role viewer" in done.stderr and link not in done.stderr
    with server.http() as http, visitor(server) as person:
        [user] = http.get("/v1/users", params={"email": email, "fields": "*"}).json()
        assert (user["name"], user["role"]) == ("Ada Byron", "viewer")
        assert set_password(person, link, PASSWORD).status_code == 303
        assert is_signed_in(person)


def test_a_user_that_there_is_keeps_its_name_and_role(server: Server, place: Place, email: str) -> None:
    first = json.loads(good("users", "invite", email, "--json", *place))
    assert first["is_new"] and first["user"]["name"] == email.partition("@")[0] and first["user"]["role"] == "member"
    done = rollbook("users", "invite", email.upper(), "--name", "Another", "--role", "admin", *place)
    assert "an existing user with the role member" in done.stderr and "--role admin" in done.stderr
    with server.http() as http, visitor(server) as person:
        assert http.get(f"/v1/users/{first['user']['id']}").json()["name"] == first["user"]["name"]
        assert person.get(first["url"]).status_code == 404, "the newest link counts"
        assert person.get(done.stdout.strip()).status_code == 200


def test_a_link_leads_to_an_application(server: Server, place: Place, email: str) -> None:
    assert "--redirect-url must lead to an origin" in refused(
        "users", "invite", email, "--redirect-url", "http://app.example.com", *place, code=2
    )
    done = rollbook("users", "invite", email, "--redirect-url", "http://localhost:3000/welcome", *place)
    with server.http() as http, visitor(server) as person:
        assert len(http.get("/v1/users", params={"email": email}).json()) == 1
        assert "is signed in" not in done.stderr
        location = set_password(person, done.stdout.strip(), PASSWORD).headers["location"]
        assert location == "http://localhost:3000/welcome"


def test_quiet_prints_just_the_link(place: Place, email: str) -> None:
    done = rollbook("users", "invite", email, "--quiet", *place)
    assert done.stdout.count("\n") == 1 and done.stdout.startswith("http") and done.stderr == ""


def test_the_suspended_are_not_invited(server: Server, place: Place, email: str) -> None:
    good("users", "invite", email, *place)
    place_only = place[:2] if place[0] == "--data" else place
    good("users", "set", email, "--status", "suspended", *place_only)
    assert "--status active" in refused("users", "invite", email, *place)


def test_what_is_no_address_is_refused(place: Place) -> None:
    assert "email" in refused("users", "invite", "nobody", *place, code=2).lower()


def test_a_new_folder_may_be_invited_to_before_it_is_served(tmp_path: Path) -> None:
    found = json.loads(
        good(
            "users",
            "invite",
            "ada@example.org",
            "--json",
            "--data",
            str(tmp_path / "data"),
            public_url="https://u.example.org/",
        )
    )
    assert found["url"].startswith("https://u.example.org/account/invitation?token=")
    token = found["url"].partition("=")[2]
    content = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file())
    assert token.encode() not in content and tokens.digest(token) in content


def test_a_server_tells_its_own_address(server: Server) -> None:
    words = refused(
        "users",
        "invite",
        OWNER_EMAIL,
        "--url",
        server.url,
        "--key",
        server.key,
        "--public-url",
        "https://elsewhere.example",
        code=2,
    )
    assert "public_url" in words


def test_a_user_is_created_as_invited(server: Server, place: Place, email: str) -> None:
    create = ("users", "create", "--name", "Ada Byron", "--email", email, "--status", "invited")
    assert "leave out --password" in refused(*create, "--password", PASSWORD, *place, code=2)
    done = rollbook(*create, *place)
    assert f"users invite {email}" in done.stderr
    with server.http() as http, visitor(server) as person:
        assert http.get("/v1/users", params={"email": email, "fields": "status"}).json()[0]["status"] == "invited"
        link = good("users", "invite", email, "--quiet", *place).strip()
        assert set_password(person, link, PASSWORD).status_code == 303
        assert http.get("/v1/users", params={"email": email, "fields": "status"}).json()[0]["status"] == "active"


def test_tokens_are_created_listed_revoked_and_consumed(server: Server, place: Place, email: str) -> None:
    with server.http() as http:
        user = new_user(http, email=email)
    create = ("tokens", "create", email, *place)
    link = good(*create, "--purpose", "verify_email", "--expires", "15m", "--quiet").strip()
    assert link.startswith(f"{server.url}/account/confirm-email?token=")
    made = json.loads(good(*create, "--purpose", "reset_password", "--token-data", "plan=pro", "--json"))
    assert made["data"] == {"plan": "pro"} and made["url"] == f"{server.url}/account/set-password?token={made['token']}"
    listed = json.loads(good("tokens", "list", email, "--json", *place))
    assert [each["purpose"] for each in listed] == ["verify_email", "reset_password"]
    lasts = clock.parse(listed[0]["expires_at"]) - clock.parse(listed[0]["created_at"])
    assert lasts == 15 * clock.MINUTE
    assert good("tokens", "revoke", email, listed[0]["id"], "--quiet", *place).strip() == listed[0]["id"]
    assert "expired" in refused("tokens", "consume", link.partition("token=")[2], *place)
    assert "password" in refused("tokens", "consume", made["token"], *place, code=2)
    used = json.loads(good("tokens", "consume", made["token"], "--password", PASSWORD, "--json", *place))
    assert (used["id"], used["token"]["purpose"]) == (user["id"], "reset_password")
    assert json.loads(good("tokens", "list", email, "--json", *place)) == []
    request = ("tokens", "request", "no-one@example.com", "--purpose", "reset_password")
    assert good(*request, "--quiet", *place) == good(*request, *place) == ""
    assert "smtp" in refused(*create, "--purpose", "verify_email", "--send", code=2).lower()


def test_no_token_looks_like_an_option() -> None:
    assert all(tokens.mint()[0].isalnum() for _ in range(1_000))
