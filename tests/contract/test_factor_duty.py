"""Who needs a second factor to use the dashboard, and from when on: `second_factor_roles` and `second_factor_grace`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.factors import App, enrolled
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_key, new_user, running
from tests.visitor import own_key, sign_in, visitor

DAY = 86_400
PUBLIC = "http://id.example.com"
OPEN = ("/account/security", "/account/security/passkey", "/account/confirm", "/docs")
CLOSED = ("/account", "/account/keys", "/account/export", "/admin", "/admin/users")


def started(folder: Path, **settings: str) -> AbstractContextManager[Server]:
    environment = {f"ROLLBOOK_{name.upper()}": value for name, value in settings.items()}
    return running(folder / "data", "--rate-limit=none", "--unauthenticated-limit=none", environment=environment)


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A new one that others can reach, with nothing said about factors."""
    with started(tmp_path_factory.mktemp("server"), public_url=PUBLIC, trusted_proxy="127.0.0.0/8") as server:
        yield server


@pytest.fixture
def later(server: Server) -> Iterator[Callable[[float], None]]:
    yield server.pass_time
    server.pass_time(0)


@contextmanager
def from_outside(server: Server, user: dict[str, Any] | None = None, app: App | None = None) -> Iterator[httpx2.Client]:
    """Somebody who signs in by the public URL: a user, or the owner."""
    given = (OWNER_EMAIL, OWNER_PASSWORD) if user is None else (user["email"], user["password"])
    with visitor(server, Host="id.example.com", Origin=PUBLIC) as person:
        answer = sign_in(person, *given)
        assert answer.status_code == 303, answer.text
        if app is not None:
            assert person.post("/account/sign-in/code", data={"code": app.code()}).status_code == 303
        yield person


def needs_one(person: httpx2.Client) -> bool:
    """Whether the banner says so."""
    return '<div class="notice warn"><p>Your role' in person.get("/account/security").text


def is_closed(person: httpx2.Client, path: str) -> bool:
    answer = person.get(path)
    return answer.status_code == 303 and answer.headers["location"] == "/account/security"


def test_admins_of_a_new_server_have_seven_days_then_only_the_enrolment_is_open(
    server: Server, http: httpx2.Client, later: Callable[[float], None]
) -> None:
    admin, member, viewer = (new_user(http, role=role) for role in ("admin", "member", "viewer"))
    key = new_key(http, user_id=admin["id"])
    with from_outside(server, admin) as person:
        assert "Set one up</a> before" in person.get("/account/keys").text
        # It begins with the first sign-in, not with the account, and no later one begins it again.
        later(6 * DAY)
    with from_outside(server, admin) as person:
        assert needs_one(person) and not is_closed(person, "/account/keys")
        later(7 * DAY + 1)
    with from_outside(server, admin) as person:
        assert all(is_closed(person, path) for path in CLOSED)
        assert [person.get(path).status_code for path in OPEN] == [200] * len(OPEN)
        assert person.post("/account/keys", data={"name": "late"}).headers["location"] == "/account/security"
        program = person.get("/account/keys", headers={"Accept": "application/json"})
        assert (program.status_code, program.json()["code"]) == (403, "forbidden")
        with server.http(key) as own:
            assert own.get("/v1/users/me").status_code == 200, "API keys work as before"
        app = enrolled(http, admin["id"], 7 * DAY + 1)
        assert not needs_one(person) and not any(is_closed(person, path) for path in CLOSED)
    for other in (member, viewer):
        with from_outside(server, other) as person:
            assert not needs_one(person) and not is_closed(person, "/account/keys")
    with from_outside(server, admin, app) as person:
        refused = person.post(f"/account/security/{app.factor_id}/remove", data={})
        assert refused.status_code == 403 and "Your role needs a second factor." in refused.text
        key = own_key(person)
    with server.http(key) as own:
        refusal = own.delete(f"/v1/users/me/second-factors/{app.factor_id}", params={"code": app.recovery_codes[0]})
        assert (refusal.status_code, refusal.json()["code"]) == (403, "last_factor")
    # Once it is lifted, they set up another one at once.
    assert http.delete(f"/v1/users/{admin['id']}/second-factors").status_code == 204
    with from_outside(server, admin) as person:
        assert is_closed(person, "/account/keys")


@pytest.mark.parametrize(
    ("settings", "needs"),
    [
        ({}, False),  # on this machine alone
        ({"public_url": PUBLIC, "second_factor_roles": "none"}, False),
        ({"second_factor_roles": "owner"}, True),
        ({"public_url": "http://localhost:8000"}, False),
    ],
)
def test_nobody_needs_one_on_this_machine_unless_it_is_said(
    tmp_path: Path, settings: dict[str, str], needs: bool
) -> None:
    with started(tmp_path, **settings) as server, visitor(server) as person:
        assert sign_in(person).status_code == 303
        assert needs_one(person) is needs


def test_without_grace_it_is_set_up_at_the_first_sign_in(tmp_path: Path) -> None:
    settings = {"second_factor_roles": "owner,admin", "second_factor_grace": "0"}
    with started(tmp_path, **settings) as server, visitor(server) as owner:
        assert sign_in(owner).status_code == 303
        assert is_closed(owner, "/admin")
        assert "Set one up to continue." in owner.get("/account/security").text
