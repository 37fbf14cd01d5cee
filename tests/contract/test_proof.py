"""Proof of who is signed in: what outlives a session, or ends what others rely on, asks for a password from the last ten
minutes, on every page alike."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest

from rollbook.web.pages import PAGES
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_key, new_user
from tests.visitor import cookie, is_signed_in, own_key, signed_in, visitor

LATE = 601
KEY = {"name": "planted", "reach": "all", "expires": "never", "revealable": "on"}


@pytest.fixture
def later(server: Server) -> Iterator[Server]:
    yield server
    server.pass_time(0)


@pytest.fixture
def person(later: Server) -> Iterator[httpx2.Client]:
    """The owner, whose session is older than a proof may be."""
    with signed_in(later) as person:
        later.pass_time(LATE)
        yield person


def asks(answer: httpx2.Response) -> bool:
    return answer.status_code == 200 and 'name="proof_password"' in answer.text


def fields(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page))


def test_a_session_creates_no_key_without_a_password_from_the_last_ten_minutes(later: Server) -> None:
    with signed_in(later) as person:
        later.pass_time(LATE - 60)
        assert own_key(person)
        later.pass_time(LATE)
        answer = person.post("/account/keys", data=KEY)
        assert asks(answer)
        assert "planted" not in person.get("/account/keys").text
        # The same form with the password, and with nothing but what the page holds.
        action = re.search(r'<form method="post" action="([^"]+)"', answer.text[answer.text.index("<h1>") :])
        assert action and action[1] == "/account/keys"
        done = person.post(action[1], data={**fields(answer.text), "proof_password": OWNER_PASSWORD})
        assert done.status_code == 303, done.text
        assert "planted" in person.get("/account/keys").text
        assert person.post("/account/keys", data={**KEY, "name": "second"}).status_code == 303, "asked once"


def test_a_wrong_password_proves_nothing(person: httpx2.Client) -> None:
    answer = person.post("/account/keys", data={**KEY, "name": "guessed", "proof_password": "not the password"})
    assert answer.status_code == 401
    assert "Incorrect password." in answer.text
    assert fields(answer.text)["name"] == "guessed"
    assert "guessed" not in person.get("/account/keys").text


def test_a_proof_ends_copies_of_the_cookie(later: Server, person: httpx2.Client) -> None:
    with visitor(later) as thief:
        thief.cookies.set(f"rollbook-{later.port}", cookie(person, later) or "", domain="127.0.0.1")
        assert is_signed_in(thief)
        done = person.post("/account/confirm", data={"proof_password": OWNER_PASSWORD, "next": "/account/keys"})
        assert (done.status_code, done.headers["location"]) == (303, "/account/keys")
        assert is_signed_in(person)
        assert not is_signed_in(thief)


def test_a_form_that_is_refused_after_the_proof_leaves_the_person_signed_in(person: httpx2.Client) -> None:
    answer = person.post("/account/keys", data={**KEY, "name": "", "proof_password": OWNER_PASSWORD})
    assert answer.status_code == 400
    assert is_signed_in(person)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/account/sessions/end-others", {}),
        ("/account/sessions/ses_00000000000000000000000000/end", {}),
        ("/admin/users/{id}/delete", {}),
        ("/admin/users/{id}/purge", {"confirm": "{email}"}),
        ("/admin/users/{id}/sessions/end", {}),
        ("/admin/users/{id}/keys", KEY),
        ("/account/assistants", {"assistant": "cursor", "access": "read", "expires": "90"}),
        ("/admin/scim", {"provider": "okta", "expires": "365"}),
        ("/admin/users/bulk/apply", {"op": "delete", "ids": "{id}"}),
        ("/admin/users/bulk/apply", {"op": "role:admin", "ids": "{id}"}),
        (
            "/admin/users/new",
            {"name": "Eve", "email": "eve-{id}@example.com", "role": "admin", "password": "a good one"},
        ),
        ("/admin/users/{admin}/link", {}),
    ],
)
def test_what_outlives_a_session_or_ends_something_asks_for_the_password(
    http: httpx2.Client, person: httpx2.Client, path: str, form: dict[str, str]
) -> None:
    user, admin = new_user(http), new_user(http, role="admin")
    known = {"id": user["id"], "email": user["email"], "admin": admin["id"]}
    sent = {name: value.format(**known) for name, value in form.items()}
    assert asks(person.post(path.format(**known), data=sent))
    assert http.get(f"/v1/users/{user['id']}").json()["role"] == "member"
    assert http.get("/v1/users", params={"email": f"eve-{user['id']}@example.com"}).json() == []


DELETING = [
    page.path
    for page in PAGES
    if page.method == "POST" and re.search(r"/(delete|purge)$", page.path) and page.path != "/account/delete"
]
"""But for that of one's own account, which a setting opens."""


RULE = {"name": "Leavers", "when": {"daily": "06:00"}, "steps": [{"do": "suspend"}]}


@pytest.mark.parametrize("path", DELETING)
def test_every_page_that_deletes_asks_for_the_password(http: httpx2.Client, person: httpx2.Client, path: str) -> None:
    user = new_user(http)
    made = {
        "users": f"/v1/users/{user['id']}",
        "applications": f"/v1/applications/{http.post('/v1/applications', json={'name': 'Shop'}).json()['id']}",
        "groups": f"/v1/groups/{http.post('/v1/groups', json={'name': 'Customers'}).json()['id']}",
        "webhooks": f"/v1/webhooks/{http.post('/v1/webhooks', json={'url': 'inbox', 'types': ['*']}).json()['id']}",
        "rules": f"/v1/rules/{http.post('/v1/rules', json=RULE).json()['id']}",
    }[path.split("/")[2]]
    form = {"confirm": user["email"] if "/users/" in path else "Shop"}
    assert asks(person.post(path.replace("{id}", made.rpartition("/")[2]), data=form))
    assert http.get(made).status_code == 200


def test_other_changes_ask_for_nothing(http: httpx2.Client, person: httpx2.Client) -> None:
    user = new_user(http)
    assert person.post("/account/profile", data={"name": "Olivia", "email": OWNER_EMAIL}).status_code == 303
    assert person.post(f"/admin/users/{user['id']}/suspend", data={}).status_code == 303


def test_an_import_asks_before_its_form_is_filled_in(person: httpx2.Client) -> None:
    answer = person.get("/admin/imports/new")
    assert answer.headers["location"] == "/account/confirm?next=/admin/imports/new"
    page = person.get(answer.headers["location"])
    done = person.post("/account/confirm", data={**fields(page.text), "proof_password": OWNER_PASSWORD})
    assert done.headers["location"] == "/admin/imports/new"
    assert person.get("/admin/imports/new").status_code == 200


def test_a_program_is_told_so(person: httpx2.Client) -> None:
    answer = person.post("/account/keys", data=KEY, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (403, "proof_required")


@pytest.mark.parametrize("scopes", [None, ["users:read", "users:write"]])
def test_no_key_alone_changes_the_email_of_its_own_user(
    server: Server, http: httpx2.Client, scopes: list[str] | None
) -> None:
    admin = new_user(http, role="admin")
    with server.http(new_key(http, user_id=admin["id"], scopes=scopes)) as own:
        answer = own.patch("/v1/users/me", json={"email": f"taken-{admin['email']}"})
        assert (answer.status_code, answer.json()["param"]) == (400, "current_password")
        bulk = own.post(
            "/v1/users/bulk",
            json={"operations": [{"op": "update", "id": admin["id"], "email": f"taken-{admin['email']}"}]},
        )
        assert bulk.json()["results"][0]["status"] == 400
        assert own.patch("/v1/users/me", json={"name": "Ann", "email": admin["email"]}).status_code == 200
        assert http.get(f"/v1/users/{admin['id']}").json()["email"] == admin["email"]
        given = {"email": f"new-{admin['email']}", "current_password": admin["password"]}
        assert own.patch("/v1/users/me", json=given).status_code == 200
