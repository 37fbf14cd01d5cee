"""SCIM keys: whom they are for, where they work, and what their rotation keeps."""

from __future__ import annotations

import re
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
from tests.grids import grid
from tests.harness import Server, new_key, new_user
from tests.nodes.pair import wait_until
from tests.visitor import signed_in


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


@grid(("kind", "role", "entrance"), GATE_CASES)
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


# ---- the page


def created_on_the_page(person: httpx2.Client, **form: str) -> httpx2.Response:
    """The page that shows a new key, after the form was sent."""
    answer = person.post("/admin/scim", data={"provider": "okta", "expires": "365", **form})
    assert answer.status_code == 303, answer.text
    return person.get(answer.headers["location"])


@pytest.mark.parametrize("role", ROLES)
def test_the_page_is_for_admins_and_owners(server: Server, http: httpx2.Client, role: str) -> None:
    with signed_in(server, new_user(http, role=role)) as person:
        shown, sent = person.get("/admin/scim"), person.post("/admin/scim", data={"provider": "okta"})
        assert (shown.status_code, sent.status_code) == ((200, 303) if role in ("admin", "owner") else (403, 403))
        assert role not in ("admin", "owner") or "the provider can’t suspend, delete or change them" in shown.text
        assert ('href="/admin/scim"' in person.get("/account").text) is (role in ("admin", "owner"))


@pytest.mark.parametrize(
    ("provider", "url"), [("entra", "/scim/v2?aadOptscim062020"), ("okta", "/scim/v2"), ("other", "/scim/v2")]
)
def test_the_page_shows_the_token_once_beside_the_url_and_the_steps_of_the_provider(
    server: Server, http: httpx2.Client, using: Callable[[str], httpx2.Client], provider: str, url: str
) -> None:
    admin = new_user(http, role="admin")
    with signed_in(server, admin) as person:
        page = created_on_the_page(person, provider=provider)
        token = re.findall(r"rbk_[0-9A-Za-z]{38}", page.text)[0]
        assert f">{server.url}{url}</code>" in page.text and f">{token}</code>" in page.text
        assert "public_url" in page.text, "this server has no name on the internet"
        assert ("Application Administrator" in page.text, "Push Groups" in page.text) == (
            provider == "entra",
            provider == "okta",
        )
        refused(using(token).get("/v1/users/me"), WrongKeyKind)
        key = http.get("/v1/keys", params={"user": admin["id"]}).json()[-1]
        assert set(key["scopes"]) == SCIM_SCOPES and not key["revealable"] and key["expires_at"] is not None
        listed = person.get("/admin/scim").text
        assert key["masked"] in listed and token not in listed and "Not used yet" in listed
        wait_until(lambda: "<code>GET /v1/users/me</code>" in person.get("/admin/scim").text)
        with signed_in(server, admin) as elsewhere:
            assert token not in elsewhere.get(page.url.path).text
        # Rotated and revoked on the key's own page.
        base = f"/account/keys/{key['id']}"
        assert base in listed
        for path in (base, f"/account/usage?key={key['id']}"):
            assert "of 6,000</span>" in person.get(path).text, "how much of its limit is used up"
        rotated = person.post(f"{base}/rotate", data={"overlap": "3600"})
        shown = person.get(rotated.headers["location"])
        new = re.findall(r"rbk_[0-9A-Za-z]{38}", shown.text)[0]
        assert new != token and "Replace the token" in shown.text
        assert person.post(f"{base}/revoke").status_code == 303
        refused(using(token).get("/v1/users/me"), errors.RevokedKey)
        refused(using(new).get("/v1/users/me"), WrongKeyKind)
        assert key["masked"] not in person.get("/admin/scim").text


def test_the_page_lists_the_keys_of_all_and_offers_an_admin_no_change_of_an_owners(
    server: Server, http: httpx2.Client
) -> None:
    of_owner, of_admin = make(http), make(http, user_id=new_user(http, role="admin")["id"])
    with signed_in(server, new_user(http, role="admin")) as person:
        page = person.get("/admin/scim").text
        assert of_owner["masked"] in page and of_admin["masked"] in page
        assert f'id="menu-{of_admin["id"]}"' in page and f'id="menu-{of_owner["id"]}"' not in page


def test_the_form_can_add_the_right_to_change_people_above_member(server: Server, http: httpx2.Client) -> None:
    admin = new_user(http, role="admin")
    with signed_in(server, admin) as person:
        created_on_the_page(person, grant="on", expires="never")
        key = http.get("/v1/keys", params={"user": admin["id"]}).json()[-1]
        assert "users:grant" in key["scopes"] and key["expires_at"] is None
