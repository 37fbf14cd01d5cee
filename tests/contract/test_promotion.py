"""No one acts with a role they could not give: what a promotion ends, and what a key without `users:grant` cannot
do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import Log, refused
from tests.harness import Server, new_key, new_user
from tests.visitor import is_signed_in, own_key, signed_in, visitor

Client = httpx2.Client
GOOD = "a password for promotions"


def status(server: Server, key: str) -> int:
    with server.http(key) as client:
        return client.get("/v1/users/me").status_code


@pytest.mark.parametrize("role", ["viewer", "admin", "owner"])
def test_a_promotion_ends_what_others_hold_for_the_user_and_nothing_of_their_own(
    server: Server, http: Client, as_role: Callable[..., Client], user: dict[str, Any], role: str
) -> None:
    admin = as_role("admin")
    planted = new_key(admin, user_id=user["id"])
    with server.http(planted) as client:
        made_with_it = new_key(client)
        rotated = client.post("/v1/keys", json={"name": "rotated"}).json()
        rotated = client.post(f"/v1/keys/{rotated['id']}/rotate", json={}).json()["key"]
    from_the_files = server.rollbook(
        "keys", "create", user["email"], "--quiet", "--data", str(server.data)
    ).stdout.strip()
    with signed_in(server, user) as person:
        own = own_key(person)
        with server.http(own) as client:
            made_with_own = new_key(client)
        link = admin.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"}).json()["url"]
        assert http.patch(f"/v1/users/{user['id']}", json={"role": role}).status_code == 200
        assert not is_signed_in(person)
    assert [status(server, key) for key in (planted, made_with_it, rotated)] == [401] * 3
    assert [status(server, key) for key in (own, made_with_own, from_the_files)] == [200] * 3
    with visitor(server) as stranger:
        assert stranger.get(link).status_code == 404


def test_a_promotion_is_an_event_and_each_key_it_revokes_is_another(http: Client, user: dict[str, Any]) -> None:
    key = http.post("/v1/keys", json={"name": "planted", "user_id": user["id"]}).json()
    log = Log(http)
    http.patch(f"/v1/users/{user['id']}", json={"role": "admin"})
    promoted, revoked = log.news()
    assert (promoted["type"], promoted["object"]["role"], promoted["before"]) == (
        "user.promoted",
        "admin",
        {"role": "member"},
    )
    assert (revoked["type"], revoked["object"]["id"]) == ("key.revoked", key["id"])
    assert revoked["object"]["revoked_at"] and revoked["actor"] == promoted["actor"]


def test_what_is_no_promotion_ends_nothing(server: Server, http: Client) -> None:
    user = new_user(http, role="admin")
    key = new_key(http, user_id=user["id"])
    with signed_in(server, user) as person:
        for changes in ({"role": "admin"}, {"name": "Same Role"}, {"role": "viewer"}, {"role": "member"}):
            assert http.patch(f"/v1/users/{user['id']}", json=changes).status_code == 200
        assert is_signed_in(person)
    assert status(server, key) == 200


def test_the_page_says_what_a_promotion_ends_before_it_is_saved(server: Server, user: dict[str, Any]) -> None:
    with signed_in(server) as owner:
        assert (
            "revokes their links and the API keys that others created for them"
            in owner.get(f"/admin/users/{user['id']}").text
        )


def test_the_command_line_promotes_alike(server: Server, http: Client, user: dict[str, Any]) -> None:
    key = new_key(http, user_id=user["id"])
    server.rollbook("users", "set", user["email"], "--role", "owner", "--data", str(server.data))
    assert http.get(f"/v1/users/{user['id']}").json()["role"] == "owner"
    assert status(server, key) == 401


# ---- users:grant

WITHOUT = ["users:read", "users:write", "users:delete", "tokens:create", "keys:read", "keys:write"]


def grants(http: Client, admin: dict[str, Any]) -> dict[str, Callable[[Client], httpx2.Response]]:
    """Calls that give someone a role above member, or a way to act with one."""
    member, suspended, deleted = new_user(http), new_user(http, role="viewer"), new_user(http, role="viewer")
    http.post(f"/v1/users/{suspended['id']}/suspend")
    http.delete(f"/v1/users/{deleted['id']}")
    other = f"/v1/users/{admin['id']}"
    person = {"name": "New", "email": f"granted-{admin['id']}@example.com", "password": GOOD, "role": "viewer"}
    return {
        "create": lambda by: by.post("/v1/users", json=person),
        "promote": lambda by: by.patch(f"/v1/users/{member['id']}", json={"role": "viewer"}),
        "activate": lambda by: by.post(f"/v1/users/{suspended['id']}/activate"),
        "restore": lambda by: by.post(f"/v1/users/{deleted['id']}/restore"),
        "password": lambda by: by.put(f"{other}/password", json={"password": GOOD}),
        "link": lambda by: by.post(f"{other}/tokens", json={"purpose": "reset_password"}),
        "email": lambda by: by.patch(other, json={"email": f"moved-{admin['id']}@example.com"}),
        "demote": lambda by: by.patch(other, json={"role": "member"}),
    }


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_a_key_without_the_scope_gives_nobody_more_than_a_member_has(
    http: Client, as_role: Callable[..., Client], role: str
) -> None:
    narrow, able, whole = as_role(role, WITHOUT), as_role(role, [*WITHOUT, "users:grant"]), as_role(role)
    for by in (able, whole):
        for name, call in grants(http, new_user(http, role="admin")).items():
            with Log(http).silent():
                answer = call(narrow)
            refused(answer, errors.InsufficientScope)
            assert 'scope="users:grant"' in answer.headers["www-authenticate"]
            assert call(by).is_success, name


def test_without_the_scope_a_key_still_manages_members(http: Client, as_role: Callable[..., Client]) -> None:
    narrow = as_role("admin", WITHOUT)
    user = new_user(narrow)
    path = f"/v1/users/{user['id']}"
    assert narrow.patch(path, json={"name": "Renamed", "role": "member"}).status_code == 200
    assert narrow.put(f"{path}/password", json={"password": GOOD}).status_code == 204
    assert narrow.post(f"{path}/tokens", json={"purpose": "reset_password"}).status_code == 201
    assert narrow.post(f"{path}/suspend").status_code == narrow.post(f"{path}/activate").status_code == 200
    assert narrow.delete(path).status_code == 204
    assert narrow.post(f"{path}/restore").status_code == 200


def test_a_narrowed_key_sets_its_own_users_password_only_with_the_current_one(
    http: Client, as_role: Callable[..., Client]
) -> None:
    narrow = as_role("viewer", ["users:write"])
    body = {"password": GOOD, "current_password": narrow.user["password"]}  # type: ignore[attr-defined]
    assert narrow.put("/v1/users/me/password", json=body).status_code == 204
    assert (
        narrow.put("/v1/users/me/password", json={"password": GOOD + "!", "current_password": GOOD}).status_code == 204
    )


def test_a_viewer_without_a_password_sets_the_first_one_with_a_whole_key_only(server: Server, http: Client) -> None:
    server.rollbook("users", "invite", "no-password@example.com", "--role", "viewer", "--data", str(server.data))
    (user,) = http.get("/v1/users?email=no-password@example.com").json()
    with server.http(new_key(http, user_id=user["id"], scopes=["users:write"])) as narrow, Log(http).silent():
        refused(narrow.put("/v1/users/me/password", json={"password": GOOD}), errors.InsufficientScope)
        email = {"email": "moved.no-password@example.com"}  # to which a link would be sent that sets one
        refused(narrow.patch("/v1/users/me", json=email), errors.InsufficientScope)
    with server.http(new_key(http, user_id=user["id"])) as whole:
        assert whole.put("/v1/users/me/password", json={"password": GOOD}).status_code == 204
