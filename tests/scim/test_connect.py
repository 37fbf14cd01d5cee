"""A person without code connects an identity provider: the key comes from the form of the page, and is used from then on
as Okta and Entra ID use it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import refused as refused_by_api
from tests.harness import PLAIN, Server, new_key, new_user
from tests.scim.provider import ENTERPRISE, GROUP, PATCH, USER, refused, told
from tests.visitor import signed_in


class Pasted:
    """What a person copies from the page, and pastes at their provider."""

    def __init__(self, page: str) -> None:
        values = [unescape(value) for value in re.findall(r'<code id="[a-z-]+">([^<]+)</code>', page)]
        self.url, self.token = values


@pytest.fixture
def connect(server: Server, http: httpx2.Client) -> Iterator[Callable[[str], httpx2.Client]]:
    """Sends the form of the page as an admin, and gives a client that asks what the provider would."""
    clients: list[httpx2.Client] = []

    def connect(provider: str) -> httpx2.Client:
        with signed_in(server, new_user(http, role="admin")) as person:
            sent = person.post("/admin/scim", data={"provider": provider, "expires": "365"})
            pasted = Pasted(person.get(sent.headers["location"]).text)
        base, _, flag = pasted.url.partition("?")
        client = httpx2.Client(
            base_url=base,
            params=dict.fromkeys(filter(None, [flag]), ""),  # Entra ID sends it with every request
            headers={"Authorization": f"Bearer {pasted.token}", "Accept": "application/scim+json"},
            timeout=60,
            **PLAIN,
        )
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()


def patch(client: httpx2.Client, path: str, *operations: dict[str, Any]) -> dict[str, Any]:
    return told(client.patch(path, json={"schemas": [PATCH], "Operations": operations}))


def test_a_run_of_okta_creates_changes_deactivates_and_pushes_a_group(
    http: httpx2.Client, connect: Callable[[str], httpx2.Client]
) -> None:
    okta = connect("okta")
    # Test API Credentials.
    told(okta.get("/Users", params={"startIndex": 1, "count": 2}))
    # Someone is assigned: Okta looks for them first.
    nobody = told(
        okta.get("/Users", params={"filter": 'userName eq "grace@example.com"', "startIndex": 1, "count": 100})
    )
    assert nobody["totalResults"] == 0
    grace = {
        "schemas": [USER],
        "userName": "grace@example.com",
        "name": {"givenName": "Grace", "familyName": "Hopper"},
        "emails": [{"primary": True, "value": "grace@example.com", "type": "work"}],
        "displayName": "Grace Hopper",
        "locale": "en-US",
        "externalId": "00u1okta",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }
    made = told(okta.post("/Users", json=grace), 201)
    assert (made["externalId"], made["active"], "password" in made) == ("00u1okta", True, False)
    refused(okta.post("/Users", json=grace), 409, "uniqueness")
    user = http.get(f"/v1/users/{made['id']}").json()
    assert (user["name"], user["email"], user["status"], user["role"]) == (
        "Grace Hopper",
        "grace@example.com",
        "active",
        "member",
    )
    # Their profile changes: Okta reads, and replaces.
    current = told(okta.get(f"/Users/{made['id']}"))
    current["name"]["familyName"], current["displayName"] = "Murray Hopper", "Grace Murray Hopper"
    told(okta.put(f"/Users/{made['id']}", json=current))
    assert http.get(f"/v1/users/{made['id']}").json()["name"] == "Grace Murray Hopper"
    # A group is pushed, and gets a member.
    group = told(okta.post("/Groups", json={"schemas": [GROUP], "displayName": "Admirals", "members": []}), 201)
    added = {"op": "add", "path": "members", "value": [{"value": made["id"], "display": "grace@example.com"}]}
    patch(okta, f"/Groups/{group['id']}", added)
    assert [member["user_id"] for member in http.get(f"/v1/groups/{group['id']}/members").json()] == [made["id"]]
    # They leave: Okta never deletes.
    own_key = new_key(http, user_id=made["id"])
    patch(okta, f"/Users/{made['id']}", {"op": "replace", "value": {"active": False}})
    assert http.get(f"/v1/users/{made['id']}").json()["status"] == "suspended"
    refused_by_api(http.get("/v1/users/me", headers={"Authorization": f"Bearer {own_key}"}), errors.UserSuspended)


@pytest.mark.parametrize("flag", [True, False], ids=["aadOptscim062020", "without"])
def test_a_run_of_entra_id_creates_changes_disables_and_pushes_a_group(
    http: httpx2.Client, connect: Callable[[str], httpx2.Client], flag: bool
) -> None:
    """As Entra ID sends it by default, and with the mark at the end of the Tenant URL."""
    entra = connect("entra")
    assert "aadOptscim062020" in entra.params
    if not flag:
        entra.params = {}
    unknown = "9d4a0e5f-0f0c-4f5b-8f0b-2f5a9f9a7b11"
    assert told(entra.get("/Users", params={"filter": f'userName eq "{unknown}"'}))["totalResults"] == 0
    name = f"alan-{flag}@example.com".lower()
    assert told(entra.get("/Users", params={"filter": f'userName eq "{name}"'}))["totalResults"] == 0
    made = told(
        entra.post(
            "/Users",
            json={
                "schemas": [USER, ENTERPRISE],
                "externalId": f"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef-{flag}",
                "userName": name,
                "active": True,
                "displayName": "Alan Turing",
                "emails": [{"primary": True, "type": "work", "value": name}],
                "meta": {"resourceType": "User"},
                "name": {"formatted": "Alan Turing", "familyName": "Turing", "givenName": "Alan"},
                "title": "Reader",
                ENTERPRISE: {"department": "Mathematics", "manager": "not-known-here"},
                "roles": [],
            },
        ),
        201,
    )
    assert made[ENTERPRISE]["department"] == "Mathematics" and "title" not in made
    at = f"/Users/{made['id']}"
    if flag:
        patch(entra, at, {"op": "replace", "value": {"displayName": "Alan M. Turing", "name.givenName": "Alan M."}})
    else:
        patch(
            entra,
            at,
            {"op": "Replace", "path": "displayName", "value": "Alan M. Turing"},
            {"op": "Replace", "path": "name.givenName", "value": "Alan M."},
        )
    assert http.get(f"/v1{at.lower()}").json()["name"] == "Alan M. Turing"
    # Groups: looked for by name, created without members, which follow.
    query = {"filter": f'displayName eq "Readers {flag}"', "excludedAttributes": "members"}
    assert told(entra.get("/Groups", params=query))["totalResults"] == 0
    group = told(
        entra.post(
            "/Groups",
            json={
                "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
                "externalId": f"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159-{flag}",
                "displayName": f"Readers {flag}",
                "meta": {"resourceType": "Group"},
            },
        ),
        201,
    )
    of_group = f"/Groups/{group['id']}"
    patch(entra, of_group, {"op": "Add", "path": "members", "value": [{"$ref": None, "value": made["id"]}]})
    assert [member["user_id"] for member in http.get(f"/v1{of_group.lower()}/members").json()] == [made["id"]]
    one = {"op": "remove", "path": f'members[value eq "{made["id"]}"]'}
    some = {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": made["id"]}]}
    patch(entra, of_group, one if flag else some)
    assert http.get(f"/v1{of_group.lower()}/members").json() == []
    # Disabled, and later deleted.
    patch(entra, at, {"op": "replace" if flag else "Replace", "path": "active", "value": False if flag else "False"})
    assert http.get(f"/v1{at.lower()}").json()["status"] == "suspended"
    assert entra.delete(at).status_code == 204
    assert http.get(f"/v1{at.lower()}").status_code == 404


def test_a_key_works_for_the_provider_while_its_user_is_an_admin(
    server: Server, http: httpx2.Client, connect: Callable[[str], httpx2.Client]
) -> None:
    okta = connect("okta")
    key = okta.headers["authorization"].removeprefix("Bearer ")
    [created] = http.get("/v1/events", params={"type": "key.created", "order": "desc", "limit": 1}).json()
    admin = created["user_id"]
    told(okta.get("/Users", params={"count": 0}))
    with server.http(key) as elsewhere:
        refused_by_api(elsewhere.get("/v1/users"), errors.WrongKeyKind)
        refused_by_api(elsewhere.get("/v1/users/me"), errors.WrongKeyKind)
        assert elsewhere.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).status_code == 403
    for role, status in (("member", 403), ("viewer", 403), ("admin", 200)):
        assert http.patch(f"/v1/users/{admin}", json={"role": role}).status_code == 200
        answer = okta.get("/Users", params={"count": 0})
        assert answer.status_code == status
        if status == 403:
            assert "admins and owners" in refused(answer, 403)
    for role in ("member", "viewer", "admin", "owner"):
        with httpx2.Client(base_url=f"{server.url}/scim/v2", timeout=60, **PLAIN) as ordinary:
            ordinary.headers["Authorization"] = f"Bearer {new_key(http, user_id=new_user(http, role=role)['id'])}"
            assert ordinary.get("/Users").status_code == (200 if role in ("admin", "owner") else 403)
    assert http.post(f"/v1/users/{admin}/suspend").status_code == 200
    refused(okta.get("/Users"), 403)
