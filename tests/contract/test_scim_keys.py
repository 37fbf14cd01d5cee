"""SCIM keys: whom they are for, where they work, and what their rotation keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import httpx2
import pytest

from rollbook import errors
from rollbook.actions.principal import Caller, Principal
from rollbook.api.routes import ROUTES
from rollbook.errors import Forbidden, InsufficientScope, WrongKeyKind
from rollbook.gate import BY_API, BY_SCIM, Accepted, Gate
from rollbook.quota import NO_LIMIT
from rollbook.records.keys import CallerFacts
from rollbook.roles import ROLES, SCIM_SCOPES
from tests.contract.answers import refused
from tests.harness import Server, new_key, new_user


def make(http: httpx2.Client, **fields: Any) -> dict[str, Any]:
    answer = http.post("/v1/keys", json={"name": "Okta", "kind": "scim", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
def using(server: Server) -> Iterator[Callable[[str], httpx2.Client]]:
    """Gives clients that use a key."""
    clients: list[httpx2.Client] = []

    def use(key: str) -> httpx2.Client:
        clients.append(server.http(key))
        return clients[-1]

    yield use
    for client in clients:
        client.close()


# ---- what is created


def test_a_key_is_for_the_api_unless_it_says_otherwise_and_shows_its_kind_everywhere(http: httpx2.Client) -> None:
    ordinary, scim = make(http, kind="api"), make(http)
    assert http.post("/v1/keys", json={"name": "test"}).json()["kind"] == ordinary["kind"] == "api"
    assert scim["kind"] == "scim" and set(scim["scopes"]) == SCIM_SCOPES
    assert http.get(f"/v1/keys/{scim['id']}").json()["kind"] == "scim"
    listed = {key["id"]: key["kind"] for key in http.get("/v1/keys?limit=1000").json()}
    assert (listed[ordinary["id"]], listed[scim["id"]]) == ("api", "scim")
    created = http.get("/v1/events", params={"type": "key.created", "limit": 1000, "order": "desc"}).json()
    kinds = {event["object"]["id"]: event["object"]["kind"] for event in created}
    assert (kinds[ordinary["id"]], kinds[scim["id"]]) == ("api", "scim")
    assert "tenant" not in scim, "what only we need is not shown"


def test_a_scim_key_can_have_fewer_scopes_or_the_right_to_grant_and_no_others(http: httpx2.Client) -> None:
    assert make(http, scopes=["users:read"])["scopes"] == ["users:read"]
    assert "users:grant" in make(http, scopes=[*SCIM_SCOPES, "users:grant"])["scopes"]
    for scope in ("keys:write", "users:import", "metrics:read"):
        body = {"name": "Okta", "kind": "scim", "scopes": ["users:read", scope]}
        answer = http.post("/v1/keys", json=body)
        refused(answer, errors.InvalidParameter)
        assert answer.json()["param"] == "scopes" and scope in answer.json()["error"]
    refused(http.post("/v1/keys", json={"name": "Okta", "kind": "oidc"}), errors.InvalidParameter)


def test_a_narrow_key_creates_a_scim_key_with_no_more_than_it_has(
    http: httpx2.Client, using: Callable[[str], httpx2.Client]
) -> None:
    admin = new_user(http, role="admin")
    narrow = using(new_key(http, user_id=admin["id"], scopes=["keys:write", "users:read"], rate_limit="50/minute"))
    made = make(narrow)
    assert made["scopes"] == ["users:read"] and made["rate_limit"] == "50/minute"
    answer = narrow.post("/v1/keys", json={"name": "Okta", "kind": "scim", "scopes": ["users:write"]})
    refused(answer, errors.InsufficientScope)
    whole = make(http, user_id=admin["id"])
    refused(narrow.post(f"/v1/keys/{whole['id']}/rotate"), errors.InsufficientScope)


@pytest.mark.parametrize("role", ROLES)
def test_only_admins_and_owners_have_scim_keys(
    http: httpx2.Client, using: Callable[[str], httpx2.Client], role: str
) -> None:
    user = new_user(http, role=role)
    own = using(new_key(http, user_id=user["id"])).post("/v1/keys", json={"name": "Okta", "kind": "scim"})
    theirs = http.post("/v1/keys", json={"name": "Okta", "kind": "scim", "user_id": user["id"]})
    for answer in (own, theirs):
        if role in ("admin", "owner"):
            assert answer.status_code == 201
        else:
            refused(answer, errors.InsufficientScope)
            assert f"role {role}" in answer.json()["error"]
    held = http.get("/v1/keys", params={"user": user["id"]}).json()
    assert any(key["kind"] == "scim" for key in held) is (role in ("admin", "owner"))


# ---- where it works


def test_a_scim_key_works_nowhere_under_v1(http: httpx2.Client, using: Callable[[str], httpx2.Client]) -> None:
    """Nor does it tell what exists: every call is refused, and does nothing."""
    made = make(http, scopes=[*SCIM_SCOPES, "users:grant"])
    scim = using(made["key"])
    for route in ROUTES:
        if route.scope is None:
            continue
        path = route.path.replace("{userId}", "me").replace("{keyId}", "current")
        answer = scim.request(route.method, path, headers={"Content-Type": "application/json"})
        refused(answer, WrongKeyKind)
        assert answer.json()["code"] == "key_kind" and "/scim/v2" in answer.json()["error"]
        assert answer.headers["ratelimit-policy"] == '"minute";q=6000;w=60, "hour";q=360000;w=3600'
    assert http.get(f"/v1/keys/{made['id']}").json()["revoked_at"] is None


GATE_CASES: dict[tuple[str, str, Accepted], type[Forbidden] | None] = {
    # kind of the key, role of its user, entrance: what is raised
    ("api", "member", BY_API): None,
    ("api", "viewer", BY_API): None,
    ("api", "owner", BY_API): None,
    ("scim", "owner", BY_API): WrongKeyKind,
    ("api", "member", BY_SCIM): InsufficientScope,
    ("api", "viewer", BY_SCIM): InsufficientScope,
    ("api", "admin", BY_SCIM): None,
    ("api", "owner", BY_SCIM): None,
    ("scim", "member", BY_SCIM): InsufficientScope,  # demoted since
    ("scim", "viewer", BY_SCIM): InsufficientScope,
    ("scim", "admin", BY_SCIM): None,
    ("scim", "owner", BY_SCIM): None,
}


@pytest.mark.parametrize(("kind", "role", "entrance"), GATE_CASES)
def test_each_entrance_accepts_its_kinds_of_keys_and_roles(kind: str, role: str, entrance: Accepted) -> None:
    facts = CallerFacts("key_1", "user_1", None, None, None, None, None, role, "active", None, kind=kind)
    by = Principal(Caller(facts, NO_LIMIT), "127.0.0.1", None)
    expected = GATE_CASES[kind, role, entrance]
    with nullcontext() if expected is None else pytest.raises(expected):
        Gate.accept(Gate.__new__(Gate), by, entrance)


# ---- how long it works


def test_rotation_keeps_kind_and_tenant(http: httpx2.Client, using: Callable[[str], httpx2.Client]) -> None:
    first = make(http, rate_limit="1000/minute")
    second = http.post(f"/v1/keys/{first['id']}/rotate", json={"overlap": 3600}).json()
    third = http.post(f"/v1/keys/{second['id']}/rotate").json()
    assert third["kind"] == second["kind"] == "scim" and third["scopes"] == first["scopes"]
    # Those that work count in one bucket: that of the first.
    left = []
    for key in (first, third, first):
        answer = using(key["key"]).get("/v1/users/me")
        refused(answer, WrongKeyKind)
        left.append(answer.headers["ratelimit"].split('"hour";r=')[1].split(";")[0])
    assert [int(number) for number in left] == [360_000 - 1, 360_000 - 2, 360_000 - 3]


def test_a_scim_key_that_an_admin_created_for_another_ends_with_their_right(
    http: httpx2.Client, using: Callable[[str], httpx2.Client]
) -> None:
    creator, holder = new_user(http, role="admin"), new_user(http, role="admin")
    made = make(using(new_key(http, user_id=creator["id"])), user_id=holder["id"])
    assert http.patch(f"/v1/users/{creator['id']}", json={"role": "viewer"}).status_code == 200
    assert http.get(f"/v1/keys/{made['id']}").json()["revoked_at"] is not None
    refused(using(made["key"]).get("/v1/users/me"), errors.RevokedKey)
