"""Claims of the docs about what a key can do and can't: each is run with that key."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from time import time_ns
from typing import Any, NamedTuple

import httpx2

from tests import assistant
from tests.contract.answers import Log
from tests.contract.test_bulk_jobs import done
from tests.engines import once
from tests.grids import grid
from tests.harness import Server, new_key, new_user

Client = httpx2.Client
DOCS = Path(__file__).parents[2] / "docs"
ABOVE = ("viewer", "admin", "owner")
numbers = count(time_ns() // 1000)


class Claim(NamedTuple):
    """`{member}`, `{viewer}`, `{admin}` and `{owner}` in calls are IDs of users, `{email}` is a new one."""

    page: str
    sentence: str
    role: str
    scopes: str
    refused: list[tuple[str, str, Any]]
    allowed: list[tuple[str, str, Any]]


def about(roles: tuple[str, ...], *calls: tuple[str, str, Any]) -> list[tuple[str, str, Any]]:
    return [(method, path.replace("{user}", "{" + role + "}"), body) for role in roles for method, path, body in calls]


LISTS = [
    ("GET", "/v1/users", None),
    ("GET", "/v1/users/count", None),
    ("GET", "/v1/users/{member}", None),
    ("GET", "/v1/users?q=alice", None),
    ("GET", "/v1/users?status=deleted", None),
    ("GET", "/v1/exports", None),
    ("GET", "/v1/events", None),
    ("GET", "/v1/groups", None),
    ("POST", "/v1/bulk-jobs", {"action": "activate", "filter": {}}),
    ("POST", "/v1/bulk-jobs", {"action": "activate", "filter": {"role": "owner"}, "confirm_count": 7}),
    ("PATCH", "/v1/users/{member}?fields=*", {}),
]
WRITES: tuple[tuple[str, str, Any], ...] = (
    ("PATCH", "/v1/users/{user}", {"name": "Pwned"}),
    ("PATCH", "/v1/users/{user}", {"metadata": {"a": 1}}),
    ("PATCH", "/v1/users/{user}", {"email": "{email}"}),
    ("PATCH", "/v1/users/{user}", {"role": "member"}),
    ("PUT", "/v1/users/{user}/password", {"password": "a planted password"}),
    ("POST", "/v1/users/{user}/tokens", {"purpose": "reset_password"}),
    ("POST", "/v1/users/{user}/second-factors", {"kind": "totp"}),
    ("POST", "/v1/users/{user}/suspend", None),
    ("POST", "/v1/users/{user}/activate", None),
)
TOKENS = ("POST", "/v1/users/{user}/tokens", {"purpose": "sign_in"})
NEW = {"name": "New", "email": "{email}", "password": "a password of a member"}
SCIM_USER = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "{email}"}
SHOP = "users:write,tokens:create,sessions:create,sessions:verify,sessions:write"

CLAIMS = [
    Claim(
        "applications.md",
        "It can't list users, and can't do anything to viewers, admins and owners.",
        "admin",
        SHOP,
        [
            *LISTS,
            *about(ABOVE, *WRITES, TOKENS, ("DELETE", "/v1/sessions/{session of {user}}", None)),
            ("POST", "/v1/users", {**NEW, "role": "admin"}),
        ],
        [("POST", "/v1/users", NEW), ("PATCH", "/v1/users/{member}", {"name": "B"}), *about(("member",), TOKENS)],
    ),
    Claim(
        "tokens.md",
        "Without `users:grant`, it only creates tokens for members.",
        "admin",
        "users:read,tokens:create,tokens:consume",
        about(ABOVE, TOKENS),
        about(("member",), TOKENS),
    ),
    Claim(
        "authentication.md",
        "| `viewer` | Can read all users, groups, events and rules, and have webhooks. Otherwise like a member. |",
        "viewer",
        "users:read,groups:read,events:read,webhooks:read,webhooks:write",
        about(("member", *ABOVE), *WRITES, ("DELETE", "/v1/users/{user}", None)),
        [("GET", "/v1/users", None), ("GET", "/v1/events", None)],
    ),
    Claim(
        "keys.md",
        "a key without it [can't change anything](authentication.md#keys-without-usersgrant) about viewers, admins and "
        "owners.",
        "owner",
        "users:read,users:write,users:delete,tokens:create,keys:write,sessions:write,users:import",
        [
            *about(
                ABOVE,
                *WRITES,
                TOKENS,
                ("DELETE", "/v1/users/{user}", None),
                ("POST", "/v1/keys", {"name": "planted", "user_id": "{user}"}),
            ),
            ("PATCH", "/v1/users/{member}", {"role": "admin"}),
            ("POST", "/v1/users", {**NEW, "role": "admin"}),
        ],
        [("PATCH", "/v1/users/{member}", {"name": "B"})],
    ),
    Claim(
        "keys.md",
        "| Suspend and activate users in a support tool | `admin` | `users:read` `users:write` |",
        "admin",
        "users:read,users:write",
        about(ABOVE, *WRITES),
        [("POST", "/v1/users/{member}/suspend", None), ("POST", "/v1/users/{member}/activate", None)],
    ),
    Claim(
        "keys.md",
        "| Delete users at their request | `admin` | `users:read` `users:delete` |",
        "admin",
        "users:read,users:delete",
        about(("member", *ABOVE), *WRITES) + about(ABOVE, ("DELETE", "/v1/users/{user}", None)),
        [("DELETE", "/v1/users/{member}", None)],
    ),
    Claim(
        "keys.md",
        "| Monitoring | `admin` | `metrics:read` |",
        "admin",
        "metrics:read",
        [*LISTS, *about(("member", *ABOVE), *WRITES, TOKENS)],
        [("GET", "/metrics", None)],
    ),
    Claim(
        "authentication.md",
        "Applications have a role like everyone.",
        "admin",
        SHOP,
        [("PATCH", "/v1/users/{application}", {"name": "Pwned"}), ("POST", "/v1/users/{application}/suspend", None)],
        [],
    ),
    Claim(
        "authentication.md",
        "It needs `users:read` as well for other `fields` of existing users, for a [bulk job](bulk-jobs.md) that selects "
        "users by a filter, and for SCIM.",
        "admin",
        "users:write,users:delete,users:grant",
        [*LISTS, ("PUT", "/scim/v2/Users/{member}", SCIM_USER)],
        [("PATCH", "/v1/users/{member}", {"name": "B"})],
    ),
    Claim(
        "tokens.md",
        "A key with this scope alone can do nothing without a token.",
        "admin",
        "tokens:consume",
        [*LISTS, *about(("member", *ABOVE), *WRITES, TOKENS)],
        [],
    ),
    Claim(
        "keys.md",
        "Admins change keys of others, but not of owners.",
        "admin",
        "",
        [("POST", "/v1/keys", {"name": "planted", "user_id": "{owner}"})],
        [("POST", "/v1/keys", {"name": "k", "user_id": "{admin}"})],
    ),
    Claim(
        "authentication.md",
        'Members access only their own data ("own only").',
        "member",
        "",
        [*LISTS, *about(("member", *ABOVE), *WRITES, TOKENS)],
        [("GET", "/v1/users/me", None)],
    ),
]


@once
@grid("claim", CLAIMS, ids=[f"{claim.page}-{at}" for at, claim in enumerate(CLAIMS)])
def test_a_claim_about_a_key_holds_with_this_key(server: Server, http: Client, claim: Claim) -> None:
    text = " ".join((DOCS / claim.page).read_text().split())
    assert claim.sentence in text, "the page says something else: change the claim with it"
    users = {role: new_user(http, role=role) for role in ("member", *ABOVE)}
    known = {f"{{{role}}}": user["id"] for role, user in users.items()}
    application = http.post("/v1/applications", json={"name": "CRM", "role": "admin"}).json()
    known["{application}"] = application["id"]
    for user in users.values():
        body = {"audience": "other", "email": user["email"], "password": user["password"]}
        known[f"{{session of {user['id']}}}"] = http.post("/v1/sessions", json=body).json()["id"]
    narrowed = {"scopes": claim.scopes.split(",")} if claim.scopes else {}
    holder = new_user(http, role=claim.role)
    with server.http(new_key(http, user_id=holder["id"], **narrowed)) as client:
        with Log(http).silent():
            for method, path, body in claim.refused:
                answer = client.request(method, filled(path, known), json=filled(body, known))
                assert answer.status_code in (403, 404), (method, path, body, answer.text)
                assert "alice" not in answer.text.lower()
        for method, path, body in claim.allowed:
            answer = client.request(method, filled(path, known), json=filled(body, known))
            assert answer.is_success, (method, path, body, answer.text)


def filled(value: Any, known: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: filled(each, known) for name, each in value.items()}
    if not isinstance(value, str):
        return value
    for name, id in known.items():
        value = value.replace(name, id)
    for name, id in known.items():  # of a name in a name
        value = value.replace(name, id)
    return value.replace("{email}", f"claim{next(numbers)}@example.com")


@once
def test_an_assistant_with_a_read_only_address_or_key_changes_nothing(server: Server, http: Client) -> None:
    sentence = "**With `/mcp/readonly` or a read-only key, it can't change anything**, whatever it sends."
    assert sentence in " ".join((DOCS / "mcp.md").read_text().split())
    user = new_user(http)
    reader = new_user(http, role="admin")["id"]
    asked = {"user_id": user["id"], "name": "X"}
    with server.http(new_key(http, user_id=reader, scopes=["users:read"])) as client, Log(http).silent():
        for by, path in ((http, "/mcp/readonly"), (client, "/mcp")):
            found = assistant.call(by, "update_user", path, **asked)
            assert found.get("isError") or "code" in found


@once
def test_a_job_of_the_shop_names_nobody(server: Server, http: Client) -> None:
    ids = [new_user(http, role=role)["id"] for role in ("member", "owner")]
    holder = new_user(http, role="admin")["id"]
    with server.http(new_key(http, user_id=holder, scopes=SHOP.split(","))) as shop:
        job = done(shop, "activate", ids=ids)
        text = shop.get(job["results_url"]).text
    assert ids[1] in text and "alice" not in text.lower()
