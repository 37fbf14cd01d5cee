"""Who may do what: every role on every row, on itself, on others and on owners. The table below is the whole of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import errors, ids
from rollbook.api.route import Route
from rollbook.api.routes import ROUTES
from rollbook.roles import SCOPES, SCOPES_OF_PEOPLE, grantable
from tests import event_stream
from tests.contract.answers import Log, refused
from tests.contract.paths import FACTOR, FACTORS, GROUP, KEY, MEMBER, MEMBERS, RULE, TOKEN, USER, WEBHOOK
from tests.engines import once
from tests.factors import App, enrolled
from tests.grids import grid
from tests.harness import Server, new_key, new_token, new_update, new_user, running
from tests.visitor import own_key, signed_in

ROLES = ("member", "viewer", "admin", "owner")
TARGETS = ("own", "other", "owner")

# For each row, what each role gets when the call is about itself, about a member, and about an owner (another one, for
# an owner). "yes" the row's success; "no" 403; "none" 404, where others' keys do not exist for the caller; a name: that
# error. Rows that are about nobody in particular have one column.
MATRIX = """
GET /v1/users                    member no                    viewer yes                   admin yes                   owner yes
POST /v1/users                   member no                    viewer no                    admin yes                   owner yes
POST /v1/users/bulk              member no                    viewer no                    admin yes                   owner yes
GET /v1/users/count              member no                    viewer yes                   admin yes                   owner yes
POST /v1/users/verify-password   member no                    viewer no                    admin yes                   owner yes
GET /v1/events                   member no                    viewer yes                   admin yes                   owner yes
GET /v1/events/stream            member no                    viewer yes                   admin yes                   owner yes
GET /v1/events/{eventId}         member no                    viewer yes                   admin yes                   owner yes
POST /v1/events/{eventId}/revert member no                    viewer no                    admin yes                   owner yes
GET /v1/imports                  member no                    viewer no                    admin yes                   owner yes
POST /v1/imports                 member no                    viewer no                    admin yes                   owner yes
GET /v1/imports/{importId}       member no                    viewer no                    admin missing               owner missing
GET /v1/imports/{importId}/report member no                   viewer no                    admin missing               owner missing
POST /v1/imports/{importId}/run  member no                    viewer no                    admin missing               owner missing
POST /v1/imports/{importId}/cancel member no                  viewer no                    admin missing               owner missing
POST /v1/imports/{importId}/suspend member no                 viewer no                    admin missing               owner missing
POST /v1/imports/{importId}/undo member no                    viewer no                    admin missing               owner missing
GET /v1/bulk-jobs                member no                    viewer no                    admin yes                   owner yes
POST /v1/bulk-jobs               member no                    viewer no                    admin yes                   owner yes
GET /v1/bulk-jobs/{jobId}        member no                    viewer no                    admin missing               owner missing
GET /v1/bulk-jobs/{jobId}/results member no                   viewer no                    admin missing               owner missing
POST /v1/bulk-jobs/{jobId}/cancel member no                   viewer no                    admin missing               owner missing
POST /v1/bulk-jobs/{jobId}/undo  member no                    viewer no                    admin missing               owner missing
GET /v1/rules                    member no                    viewer yes                   admin yes                   owner yes
POST /v1/rules                   member no                    viewer no                    admin yes                   owner yes
POST /v1/rules/preview           member no                    viewer yes                   admin yes                   owner yes
GET /v1/rules/{ruleId}           member no                    viewer missing               admin missing               owner missing
PATCH /v1/rules/{ruleId}         member no                    viewer no                    admin missing               owner missing
DELETE /v1/rules/{ruleId}        member no                    viewer no                    admin missing               owner missing
POST /v1/rules/{ruleId}/preview  member no                    viewer missing               admin missing               owner missing
POST /v1/rules/{ruleId}/run      member no                    viewer no                    admin missing               owner missing
GET /v1/rules/{ruleId}/runs      member no                    viewer no                    admin missing               owner missing
GET /metrics                     member no                    viewer no                    admin yes                   owner yes
GET /v1/users/{userId}           member yes no no             viewer yes yes yes           admin yes yes yes           owner yes yes yes
PUT /v1/users/{userId}           member yes no no             viewer yes no no             admin yes yes no            owner yes yes yes
PATCH /v1/users/{userId}         member yes no no             viewer yes no no             admin yes yes no            owner yes yes yes
DELETE /v1/users/{userId}        member no no no              viewer no no no              admin yourself yes no       owner yourself yes yes
PUT /v1/users/{userId}/password  member yes no no             viewer yes no no             admin yes yes no            owner yes yes yes
GET /v1/users/{userId}/tokens    member no no no              viewer no no no              admin yes yes yes           owner yes yes yes
POST /v1/users/{userId}/tokens   member no no no              viewer no no no              admin yes yes no            owner yes yes yes
DELETE /v1/users/{userId}/tokens/{tokenId} member no no no    viewer no no no              admin yes yes no            owner yes yes yes
POST /v1/tokens/request          member no                    viewer no                    admin yes                   owner yes
POST /v1/tokens/consume          member no                    viewer no                    admin yes                   owner yes
POST /v1/users/verify-challenge  member no                    viewer no                    admin yes                   owner yes
GET /v1/users/{userId}/second-factors member yes no no         viewer yes no no             admin yes yes yes           owner yes yes yes
POST /v1/users/{userId}/second-factors member yes no no        viewer yes no no             admin yes yes no            owner yes yes yes
DELETE /v1/users/{userId}/second-factors member no no no       viewer no no no              admin yourself yes no       owner yourself yes yes
POST /v1/users/{userId}/second-factors/verify member no no no  viewer no no no              admin yes yes yes           owner yes yes yes
GET /v1/users/{userId}/second-factors/{factorId} member yes no no viewer yes no no          admin yes yes yes           owner yes yes yes
DELETE /v1/users/{userId}/second-factors/{factorId} member yes no no viewer yes no no       admin yes yes no            owner yes yes yes
POST /v1/users/{userId}/second-factors/{factorId}/activate member yes no no viewer yes no no admin yes yes no           owner yes yes yes
POST /v1/users/{userId}/recovery-codes member yes no no        viewer yes no no             admin yes yes no            owner yes yes yes
POST /v1/users/{userId}/suspend  member no no no              viewer no no no              admin yourself yes no       owner yourself yes yes
POST /v1/users/{userId}/activate member no no no              viewer no no no              admin yes yes no            owner yes yes yes
POST /v1/users/{userId}/adopt    member no no no              viewer no no no              admin yourself yes no       owner yourself yes yes
POST /v1/users/{userId}/restore  member no no no              viewer no no no              admin missing yes no        owner missing yes yes
GET /v1/users/{userId}/export    member yes no no             viewer yes no no             admin yes yes yes           owner yes yes yes
GET /v1/exports                  member no                    viewer no                    admin yes                   owner yes
GET /v1/applications             member no                    viewer yes                   admin yes                   owner yes
POST /v1/applications            member no                    viewer no                    admin yes                   owner yes
GET /v1/applications/{applicationId} member none no no        viewer none none none        admin none none none        owner none none none
PATCH /v1/applications/{applicationId} member none no no      viewer none no no            admin none none none        owner none none none
DELETE /v1/applications/{applicationId} member no no no       viewer no no no              admin none none none        owner none none none
GET /v1/groups                   member no                    viewer yes                   admin yes                   owner yes
POST /v1/groups                  member no                    viewer no                    admin yes                   owner yes
GET /v1/groups/{groupId}         member no                    viewer yes                   admin yes                   owner yes
PUT /v1/groups/{groupId}         member no                    viewer no                    admin yes                   owner yes
PATCH /v1/groups/{groupId}       member no                    viewer no                    admin yes                   owner yes
DELETE /v1/groups/{groupId}      member no                    viewer no                    admin yes                   owner yes
GET /v1/groups/{groupId}/members member no                    viewer yes                   admin yes                   owner yes
POST /v1/groups/{groupId}/members member no                   viewer no                    admin yes                   owner yes
PUT /v1/groups/{groupId}/members/{userId} member no no no     viewer no no no              admin yes yes no            owner yes yes yes
DELETE /v1/groups/{groupId}/members/{userId} member no no no  viewer no no no              admin yes yes no            owner yes yes yes
GET /v1/keys                     member yes no no             viewer yes no no             admin yes yes yes           owner yes yes yes
POST /v1/keys                    member yes no no             viewer yes no no             admin yes yes no            owner yes yes yes
GET /v1/keys/{keyId}             member yes none none         viewer yes none none         admin yes yes yes           owner yes yes yes
PATCH /v1/keys/{keyId}           member yes none none         viewer yes none none         admin yes yes no            owner yes yes yes
DELETE /v1/keys/{keyId}          member yes none none         viewer yes none none         admin yes yes no            owner yes yes yes
POST /v1/keys/{keyId}/reveal     member yes none none         viewer yes none none         admin yes no no            owner yes no no
POST /v1/keys/{keyId}/rotate     member yes none none         viewer yes none none         admin yes yes no            owner yes yes yes
GET /v1/sessions                 member yes no no             viewer yes no no             admin yes yes yes           owner yes yes yes
GET /v1/webhooks                 member no no no               viewer yes no no             admin yes yes yes           owner yes yes yes
POST /v1/webhooks                member no no no               viewer yes no no             admin yes yes no           owner yes yes yes
GET /v1/webhooks/{webhookId}     member no no no               viewer yes none none         admin yes yes yes           owner yes yes yes
PATCH /v1/webhooks/{webhookId}   member no no no               viewer yes none none         admin yes yes no           owner yes yes yes
DELETE /v1/webhooks/{webhookId}  member no no no               viewer yes none none         admin yes yes no           owner yes yes yes
POST /v1/webhooks/{webhookId}/reveal member no no no           viewer yes none none         admin yes yes no           owner yes yes yes
POST /v1/webhooks/{webhookId}/rotate-secret member no no no    viewer yes none none         admin yes yes no           owner yes yes yes
POST /v1/webhooks/{webhookId}/test member no no no viewer yes none none admin yes yes no owner yes yes yes
GET /v1/webhooks/{webhookId}/deliveries member no no no viewer yes none none admin yes yes yes owner yes yes yes
GET /v1/webhooks/{webhookId}/deliveries/{deliveryId} member no no no viewer missing none none admin missing missing missing owner missing missing missing
POST /v1/webhooks/{webhookId}/deliveries/{deliveryId}/resend member no no no viewer missing none none admin missing missing no owner missing missing missing
GET /v1/webhooks/{webhookId}/replays member no no no viewer yes none none admin yes yes yes owner yes yes yes
POST /v1/webhooks/{webhookId}/replays member no no no viewer yes none none admin yes yes no owner yes yes yes
GET /v1/webhooks/{webhookId}/replays/{replayId} member no no no viewer yes none none admin yes yes yes owner yes yes yes
DELETE /v1/webhooks/{webhookId}/replays/{replayId} member no no no viewer yes none none admin yes yes no owner yes yes yes
GET /v1/requests                 member yes no no             viewer yes no no             admin yes yes yes           owner yes yes yes
GET /v1/usage                    member yes no no             viewer yes no no             admin yes yes yes           owner yes yes yes
GET /v1/requests/{requestId}     member missing               viewer missing               admin missing               owner missing
POST /v1/sessions                member no                    viewer no                    admin yes                   owner yes
POST /v1/sessions/refresh        member no                    viewer no                    admin yes                   owner yes
POST /v1/sessions/verify         member no                    viewer no                    admin yes                   owner yes
DELETE /v1/sessions/{sessionId}  member yes none none         viewer yes none none         admin yes yes no            owner yes yes yes
"""
MEANING = {
    "no": errors.InsufficientScope,
    "none": errors.NotFound,
    "missing": errors.NotFound,
    "yourself": errors.NotYourself,
}


def read_matrix() -> dict[tuple[str, str, str], str]:
    found: dict[tuple[str, str, str], str] = {}
    for line in MATRIX.strip().splitlines():
        method, path, *words = line.split()
        role = ""
        column = 0
        for word in words:
            if word in ROLES:
                role, column = word, 0
            else:
                found[f"{method} {path}", role, TARGETS[column]] = word
                column += 1
    return found


EXPECTED = read_matrix()
WITH_KEY = {f"{route.method} {route.path}": route for route in ROUTES if route.scope is not None}


@once
def test_the_table_has_every_row_every_role_and_every_target() -> None:
    of_none = [
        row
        for row in WITH_KEY
        if "{" not in row
        or "{importId}" in row
        or "{jobId}" in row
        or "{ruleId}" in row
        or "{requestId}" in row
        or "{eventId}" in row
        or ("{groupId}" in row and "{userId}" not in row)
    ]
    about_nobody = [
        row
        for row in of_none
        if row == "POST /v1/sessions"
        or not row.endswith(("/v1/keys", "/v1/sessions", "/v1/requests", "/v1/usage", "/v1/webhooks"))
    ]
    cells = {(row, role, "own") for row in about_nobody for role in ROLES}
    cells |= {
        (row, role, target) for row in WITH_KEY if row not in about_nobody for role in ROLES for target in TARGETS
    }
    assert set(EXPECTED) == cells


class People:
    """The caller of a role and those it may call about: itself, another member, another owner."""

    def __init__(self, server: Server, http: httpx2.Client) -> None:
        self.server = server
        self.http = http
        self.log = Log(http)
        self.users = {role: new_user(http, role=role) for role in ROLES}
        self.callers = {role: self.client(user) for role, user in self.users.items()}
        self.bystander = new_user(http)
        self.code = "123456"
        self.owners = [new_user(http, role="owner")]
        self.token = "x" * 43

    def client(self, user: dict[str, Any], **fields: Any) -> httpx2.Client:
        client = self.server.http(new_key(self.http, user_id=user["id"], **fields))
        client.user = user  # type: ignore[attr-defined]
        return client

    def ask(self, route: Route, caller: httpx2.Client, target: str) -> httpx2.Response:
        """The call about a fresh user (or a fresh key of one), so that no case is in the way of another."""
        about = caller.user if target == "own" else self.target(route, target)  # type: ignore[attr-defined]
        path = route.path
        if route.path.endswith("/restore") and target != "own":
            assert self.http.delete(f"/v1/users/{about['id']}").status_code == 204
        if route.path.endswith("/activate") and target != "own":
            assert self.http.post(f"/v1/users/{about['id']}/suspend").status_code == 200
        path = (
            path.replace("{userId}", about["id"])
            .replace("{applicationId}", about["id"])
            .replace("{importId}", ids.new("imp"))
            .replace("{jobId}", ids.new("job"))
            .replace("{ruleId}", ids.new("rule"))
            .replace("{requestId}", "req_" + "0" * 24)
        )
        if "{eventId}" in path:
            path = path.replace("{eventId}", new_update(self.http))
        if "{groupId}" in path:
            group = self.http.post("/v1/groups", json={"name": "Engineering"}).json()["id"]
            path = path.replace("{groupId}", group)
            if route.path == MEMBER and route.method == "DELETE":
                assert self.http.put(path).status_code == 200
        if "{tokenId}" in path:
            path = path.replace("{tokenId}", new_token(self.http, about["id"])["id"])
        if "{keyId}" in path:
            made = self.http.post("/v1/keys", json={"name": "test", "user_id": about["id"]}).json()
            path = path.replace("{keyId}", made["id"])
        if "{webhookId}" in path:
            made = self.http.post("/v1/webhooks", json={"url": "inbox", "user_id": about["id"]})
            path = path.replace("{webhookId}", made.json().get("id") or ids.new("webhook")).replace(
                "{deliveryId}", ids.new("dlv")
            )
            if "{replayId}" in path:
                made = self.http.post(path.rpartition("/")[0], json={"from": "2023-10-27T10:00:00Z"})
                path = path.replace("{replayId}", made.json().get("id") or ids.new("replay"))
        params = {"dry_run": "true"} if route.path == "/v1/imports" and route.method == "POST" else None
        if route.path.startswith((FACTORS, f"{USER}/recovery-codes")):
            path = path.replace("{factorId}", self.with_factor(route, about["id"]))
            if route.method == "DELETE" and route.path == FACTOR and target == "own":
                params = {"code": self.code}
        elif path.endswith("/reveal") or "{sessionId}" in path:
            # The password alone signs in and reveals.
            assert self.http.delete(f"/v1/users/{caller.user['id']}/second-factors").status_code == 204  # type: ignore[attr-defined]
        if "{sessionId}" in path:
            signed_in(self.server, about | self.http.get(f"/v1/users/{about['id']}?fields=email").json()).close()
            path = path.replace(
                "{sessionId}", self.http.get("/v1/sessions", params={"user": about["id"]}).json()[0]["id"]
            )
        if path.endswith("/consume"):
            self.token = new_token(self.http, about["id"])["token"]
        self.log.news()
        if f"{route.method} {route.path}" in (
            "GET /v1/keys",
            "GET /v1/sessions",
            "GET /v1/requests",
            "GET /v1/usage",
            "GET /v1/webhooks",
        ):
            return caller.get(path, params={"user": about["id"]})
        if path == event_stream.PATH:
            return event_stream.begun(caller, path)
        return caller.request(route.method, path, params=params, json=self.body(route, about, caller.user))  # type: ignore[attr-defined]

    @property
    def credentials(self) -> dict[str, str]:
        return {"email": self.bystander["email"], "password": self.bystander["password"], "audience": "shop"}

    def with_factor(self, route: Route, user_id: str) -> str:
        """The ID of the one second factor of this user, for rows that need one. `code` is good for it."""
        path = f"/v1/users/{user_id}/second-factors"
        assert self.http.delete(path).status_code == 204
        if route.path == FACTORS:
            return ""
        if route.path.endswith("/activate"):
            made = self.http.post(path, json={"kind": "totp"}).json()
            self.code = App(made["secret"]).code()
            return made["id"]
        app = enrolled(self.http, user_id)
        self.code = app.recovery_codes[0]
        return app.factor_id

    def target(self, route: Route, target: str) -> dict[str, Any]:
        """Members have no webhooks."""
        other = "viewer" if "webhooks" in route.path else "member"
        return new_user(self.http, role="owner" if target == "owner" else other)

    def body(self, route: Route, about: dict[str, Any], me: dict[str, Any]) -> dict[str, Any] | None:
        number = ids.new("n")
        match f"{route.method} {route.path}":
            case "POST /v1/users" | "POST /v1/imports":
                return {"name": "New", "email": f"{number}@example.com", "password": "securepassword123"}
            case "POST /v1/users/bulk":
                return {"operations": [{"op": "create", "name": "New", "email": f"{number}@example.com"}]}
            case "POST /v1/bulk-jobs":
                return {"action": "suspend", "filter": {"email": f"{number}@example.com"}}
            case "POST /v1/imports/{importId}/suspend":
                return {"confirm_count": 1}
            case "POST /v1/rules" | "POST /v1/rules/preview":
                return RULE
            case "PATCH /v1/rules/{ruleId}":
                return {"name": "Another"}
            case "POST /v1/users/verify-password":
                return {"email": self.bystander["email"], "password": self.bystander["password"]}
            case "POST /v1/sessions":
                return self.credentials
            case "POST /v1/sessions/refresh" | "POST /v1/sessions/verify":
                made = self.http.post("/v1/sessions", json=self.credentials).json()
                self.log.news()
                token = "refresh_token" if route.path.endswith("refresh") else "token"
                return {token: made[token], "audience": "shop"}
            case "POST /v1/tokens/request":
                return {"email": f"{number}@example.com", "purpose": "sign_in"}
            case "POST /v1/tokens/consume":
                return {"token": self.token}
            case row if row == f"POST {USER}/tokens":
                return {"purpose": "verify_email"}
            case "POST /v1/users/verify-challenge":
                user = new_user(self.http)
                self.code = enrolled(self.http, user["id"]).recovery_codes[0]
                credentials = {"email": user["email"], "password": user["password"]}
                answer = self.http.post("/v1/users/verify-password", json=credentials)
                self.log.news()
                return {"challenge": answer.json()["challenge"], "code": self.code}
            case row if row == f"POST {FACTORS}":
                return {"kind": "totp"} | ({"current_password": me["password"]} if about["id"] == me["id"] else {})
            case row if row in (f"POST {FACTORS}/verify", f"POST {FACTOR}/activate"):
                return {"code": self.code}
            case row if row == f"POST {USER}/recovery-codes":
                return {"code": self.code} if about["id"] == me["id"] else {}
            case "POST /v1/applications" | "PATCH /v1/applications/{applicationId}":
                return {"name": "Shop"}
            case "POST /v1/groups":
                return {"name": "Engineering"}
            case row if row in (f"PUT {GROUP}", f"PATCH {GROUP}"):
                return {"name": "Developers"}
            case row if row == f"POST {MEMBERS}":
                return {"members": [{"user_id": self.bystander["id"]}]}
            case "POST /v1/keys":
                return {"name": "test", "user_id": about["id"]}
            case row if row in (f"PUT {USER}", f"PATCH {USER}"):
                return {"name": f"Renamed {number}"}
            case row if row == f"PUT {USER}/password":
                return {"password": about["password"]} | (
                    {"current_password": me["password"]} if about["id"] == me["id"] else {}
                )
            case row if row == f"PATCH {KEY}":
                return {"name": "changed"}
            case row if row == f"POST {KEY}/reveal":
                return {"password": me["password"]}
            case row if row == f"POST {KEY}/rotate":
                return {}
            case "POST /v1/webhooks":
                return {"url": "inbox", "user_id": about["id"]}
            case row if row == f"PATCH {WEBHOOK}":
                return {"description": "Renamed"}
            case row if row == f"POST {WEBHOOK}/replays":
                return {"from": "2023-10-27T10:00:00Z"}
            case row if row == f"POST {WEBHOOK}/reveal":
                return {"password": me["password"]}
        return None


@pytest.fixture(scope="module")
def people(server: Server, http: httpx2.Client) -> Iterator[People]:
    people = People(server, http)
    yield people
    for client in people.callers.values():
        client.close()


@once
@grid(("row", "role", "target"), EXPECTED)
def test_the_table_of_permissions_holds(people: People, row: str, role: str, target: str) -> None:
    route, expected = WITH_KEY[row], EXPECTED[row, role, target]
    answer = people.ask(route, people.callers[role], target)
    if expected == "yes":
        assert answer.status_code == route.success, answer.text
    else:
        refused(answer, MEANING[expected])
        assert people.log.news() == [], "what is refused changes nothing"


# ---- 403 tells nothing about what exists


@once
@grid("role", ["member", "viewer"])
@grid("row", [row for row, route in WITH_KEY.items() if "{userId}" in route.path])
def test_where_a_role_does_not_reach_others_403_is_the_same_whether_they_exist(
    people: People, row: str, role: str
) -> None:
    route, caller = WITH_KEY[row], people.callers[role]
    existing, unknown, malformed = people.bystander["id"], ids.new("user"), "user_1"
    body = people.body(route, people.bystander, caller.user)  # type: ignore[attr-defined]
    answers = [
        caller.request(route.method, route.path.replace("{userId}", id), json=body)
        for id in (existing, unknown, malformed)
    ]
    if EXPECTED[row, role, "other"] == "yes":
        assert [answer.status_code for answer in answers] == [route.success, 404, 404], "a viewer reads all"
        return
    contents = [refused(answer, errors.InsufficientScope) | {"request_id": ""} for answer in answers]
    assert contents[0] == contents[1] == contents[2]
    headers = [
        {
            name: value
            for name, value in answer.headers.items()
            if name in ("content-length", "www-authenticate", "etag")
        }
        for answer in answers
    ]
    assert headers[0] == headers[1] == headers[2]


@once
@pytest.mark.parametrize("user", ["existing", "unknown", "malformed"])
def test_naming_another_users_keys_is_403_whether_it_exists(people: People, user: str) -> None:
    id = {"existing": people.bystander["id"], "unknown": ids.new("user"), "malformed": "user_1"}[user]
    member = people.callers["member"]
    for answer in (
        member.get("/v1/keys", params={"user": id}),
        member.post("/v1/keys", json={"name": "test", "user_id": id}),
    ):
        assert refused(answer, errors.InsufficientScope)["error"].startswith("Only admins can use keys:")


@once
def test_who_lacks_a_role_is_told_about_the_role_and_who_lacks_a_scope_about_the_key(http: httpx2.Client) -> None:
    def said(role: str, *scopes: str) -> str:
        user = new_user(http, role=role)
        key = new_key(http, user_id=user["id"], **({"scopes": scopes} if scopes else {}))
        answer = http.get("/v1/events", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 403 and 'scope="events:read"' in answer.headers["www-authenticate"]
        return str(answer.json()["error"])

    lacks = "The role of this API key's user, member, doesn't allow this. The role viewer does."
    assert said("member") == said("member", "users:read") == lacks
    assert said("viewer", "users:read") == "This API key does not have the scope events:read."


def test_403_comes_before_a_look_at_the_body_the_query_and_the_version(people: People) -> None:
    member, other = people.callers["member"], f"/v1/users/{people.bystander['id']}"
    for answer in (
        member.put(other, content=b"not json"),
        member.put(other, json={"email": "nonsense"}),
        member.get(other, params={"unknown": "1"}),
        member.delete(other, headers={"If-Match": '"999"'}),
        member.post("/v1/users", json={}),
    ):
        refused(answer, errors.InsufficientScope)


def test_a_stale_version_of_what_an_admin_may_not_touch_is_403_not_412(people: People) -> None:
    owner = f"/v1/users/{people.owners[0]['id']}"
    for call in (
        lambda: people.callers["admin"].put(owner, json={"name": "x"}, headers={"If-Match": '"999"'}),
        lambda: people.callers["admin"].delete(owner, headers={"If-Match": '"999"'}),
    ):
        refused(call(), errors.InsufficientScope)


# ---- what a user may change of itself

PRIVILEGES: list[dict[str, Any]] = [
    {"role": "admin"},
    {"role": "owner"},
    {"status": "suspended"},
    {"rate_limit": "none"},
    {"email_verified": True},
    {"external_id": "mine"},
    {"name": "Allowed", "role": "viewer"},
]


@once
@grid("change", PRIVILEGES, ids=str)
@grid("method", ["PUT", "PATCH"])
def test_a_member_cannot_raise_itself(people: People, method: str, change: dict[str, Any]) -> None:
    member = people.callers["member"]
    before = member.get("/v1/users/me").json()
    with people.log.silent():
        refused(member.request(method, "/v1/users/me", json=change), errors.InsufficientScope)
    assert member.get("/v1/users/me").json() == before


def test_a_member_changes_its_own_name_and_email_and_may_send_back_the_rest(people: People) -> None:
    member = people.callers["member"]
    whole = member.get("/v1/users/me").json()
    changed = whole | {"name": "Another", "email": f"{ids.new('n')}@example.com"}
    proof = {"current_password": "securepassword123"}
    assert member.put("/v1/users/me", json=changed | proof).status_code == 200
    after = member.get("/v1/users/me").json()
    assert after == changed | {"updated_at": after["updated_at"]}


def test_a_member_needs_its_present_password_to_change_it(people: People) -> None:
    member = people.callers["member"]
    with people.log.silent():
        assert (
            refused(
                member.put("/v1/users/me/password", json={"password": "anothersecurepassword"}), errors.InvalidParameter
            )["param"]
            == "current_password"
        )
        body = {"password": "anothersecurepassword", "current_password": "not the password"}
        refused(member.put("/v1/users/me/password", json=body), errors.WrongPassword)


def test_me_stands_for_the_callers_own_user(people: People) -> None:
    for role, client in people.callers.items():
        found = client.get("/v1/users/me").json()
        assert (found["id"], found["role"]) == (client.user["id"], role)  # type: ignore[attr-defined]


# ---- owners


@once
@pytest.mark.parametrize(
    "call",
    [
        lambda admin, owner: admin.put(f"/v1/users/{owner}", json={"name": "x"}),
        lambda admin, owner: admin.put(f"/v1/users/{owner}", json={}),
        lambda admin, owner: admin.put(f"/v1/users/{owner}", json={"role": "member"}),
        lambda admin, owner: admin.delete(f"/v1/users/{owner}?purge=true"),
        lambda admin, owner: admin.put(f"/v1/users/{owner}/password", json={"password": "securepassword123"}),
        lambda admin, owner: admin.put("/v1/users/me", json={"role": "owner"}),
        lambda admin, owner: admin.post(
            "/v1/users",
            json={
                "name": "x",
                "email": f"{ids.new('n')}@example.com",
                "password": "securepassword123",
                "role": "owner",
            },
        ),
    ],
    ids=["change", "change nothing", "demote", "purge", "set its password", "become one", "create one"],
)
def test_an_admin_cannot_touch_an_owner_nor_make_one(people: People, call: Callable[..., httpx2.Response]) -> None:
    with people.log.silent():
        refused(call(people.callers["admin"], people.owners[0]["id"]), errors.InsufficientScope)


def test_an_admin_cannot_make_another_user_an_owner(people: People, user: dict) -> None:
    with people.log.silent():
        refused(
            people.callers["admin"].put(f"/v1/users/{user['id']}", json={"role": "owner"}), errors.InsufficientScope
        )


def test_an_admin_cannot_purge_a_deleted_owner(people: People) -> None:
    gone = new_user(people.http, role="owner")
    assert people.http.delete(f"/v1/users/{gone['id']}").status_code == 204
    with people.log.silent():
        refused(people.callers["admin"].delete(f"/v1/users/{gone['id']}?purge=true"), errors.InsufficientScope)


def test_an_admin_makes_and_unmakes_admins(people: People, user: dict) -> None:
    admin = people.callers["admin"]
    for role in ("viewer", "admin", "member"):
        assert admin.put(f"/v1/users/{user['id']}?fields=role", json={"role": role}).json()["role"] == role


def test_nobody_suspends_or_deletes_itself(people: People) -> None:
    for role in ("admin", "owner"):
        caller = people.callers[role]
        with people.log.silent():
            refused(caller.delete("/v1/users/me"), errors.NotYourself)
            refused(caller.delete(f"/v1/users/{caller.user['id']}?purge=true"), errors.NotYourself)  # type: ignore[attr-defined]
            refused(caller.post("/v1/users/me/suspend"), errors.NotYourself)
            refused(caller.put("/v1/users/me", json={"status": "suspended"}), errors.NotYourself)


def test_owners_that_give_their_role_away_at_the_same_moment_leave_one(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--rate-limit", "none", "--workers", "2") as server,
        server.http() as http,
        ExitStack() as opened,
    ):
        for _ in range(3):
            owners = [
                http,
                *(opened.enter_context(server.http(key_of(server, new_user(http, role="owner")))) for _ in range(3)),
            ]
            with ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(lambda owner: owner.put("/v1/users/me", json={"role": "admin"}), owners))
            assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 403]
            last = next(owner for owner, answer in zip(owners, answers, strict=True) if answer.status_code == 403)
            refused(last.put("/v1/users/me", json={"role": "admin"}), errors.LastOwner)
            found = last.get("/v1/users", params={"role": "owner"}).json()
            assert [user["id"] for user in found] == [last.get("/v1/users/me").json()["id"]]
            if last is not http:
                assert (
                    last.put(f"/v1/users/{http.get('/v1/users/me').json()['id']}", json={"role": "owner"}).status_code
                    == 200
                )
                wait_until_owner(http, last.get("/v1/users/me").json()["id"])
                assert last.put("/v1/users/me", json={"role": "admin"}).status_code == 200


def key_of(server: Server, user: dict[str, Any]) -> str:
    """One that the user created: it does not end with the role of whoever created the user."""
    with signed_in(server, user) as person:
        return own_key(person)


def wait_until_owner(http: httpx2.Client, other_owner: str) -> None:
    """A worker may take up to a quarter of a second to hear what another has changed of a key's user. Only owners may
    send a change of another owner, even one that changes nothing."""
    deadline = time.monotonic() + 60
    while http.put(f"/v1/users/{other_owner}", json={}).status_code != 200:
        assert time.monotonic() < deadline, "it did not happen in time"


# ---- suspended users


def test_a_suspended_user_is_refused_everything(people: People, user: dict) -> None:
    admin = people.client(new_user(people.http, role="admin"))
    assert admin.get("/v1/users/me").status_code == 200
    people.http.post(f"/v1/users/{admin.user['id']}/suspend")  # type: ignore[attr-defined]
    with people.log.silent():
        for route in WITH_KEY.values():
            path = (
                route.path.replace("{userId}", user["id"])
                .replace("{keyId}", "current")
                .replace("{sessionId}", ids.new("ses"))
                .replace("{tokenId}", ids.new("tok"))
                .replace("{factorId}", ids.new("fac"))
            )
            refused(admin.request(route.method, path, json=people.body(route, user, admin.user)), errors.UserSuspended)  # type: ignore[attr-defined]
    admin.close()


def test_a_suspended_user_cannot_sign_in_and_stays_in_lists(people: People, user: dict) -> None:
    people.http.post(f"/v1/users/{user['id']}/suspend")
    good = {"email": user["email"], "password": user["password"]}
    refused(people.http.post("/v1/users/verify-password", json=good), errors.UserSuspended)
    refused(people.http.post("/v1/users/verify-password", json=good | {"password": "wrong"}), errors.WrongPassword)
    assert people.http.get("/v1/users", params={"email": user["email"]}).json()[0]["id"] == user["id"]
    assert [
        found["id"]
        for found in people.http.get("/v1/users", params={"status": "suspended", "email": user["email"]}).json()
    ] == [user["id"]]


# ---- scopes narrow, and never widen


@once
@grid("scope", SCOPES)
@grid("role", ROLES)
def test_a_key_with_one_scope_does_what_its_role_may_in_that_scope_and_nothing_else(
    people: People, role: str, scope: str
) -> None:
    if scope not in grantable(role):
        answer = people.http.post(
            "/v1/keys", json={"name": "test", "user_id": people.users[role]["id"], "scopes": [scope]}
        )
        assert refused(answer, errors.InvalidParameter)["param"] == "scopes"
        return
    me = people.users[role]
    narrow = people.client(me, scopes=[scope])
    with people.log.silent():
        for route in WITH_KEY.values():
            if route.scope == scope or role != "owner":  # whose role refuses nothing, so that the scope does
                continue
            path = (
                route.path.replace("{userId}", "me")
                .replace("{keyId}", "current")
                .replace("{sessionId}", ids.new("ses"))
                .replace("{tokenId}", ids.new("tok"))
                .replace("{factorId}", ids.new("fac"))
            )
            for name, kind in (("{webhookId}", "webhook"), ("{deliveryId}", "dlv"), ("{replayId}", "replay")):
                path = path.replace(name, ids.new(kind))
            refused(narrow.request(route.method, path, json=people.body(route, me, me)), errors.InsufficientScope)
    # A key with few scopes gets no hold of the wide one that the case makes, and hands on no events that it can't read.
    # For who is above member, tokens need users:grant too.
    more = (
        f"POST {USER}/tokens",
        f"DELETE {TOKEN}",
        f"PATCH {KEY}",
        "POST /v1/events/{eventId}/revert",
        f"POST {KEY}/reveal",
        f"POST {KEY}/rotate",
        "POST /v1/webhooks",
        f"GET {WEBHOOK}/deliveries",
        f"POST {WEBHOOK}/test",
        f"POST {WEBHOOK}/replays",
        f"PUT {MEMBER}",  # is answered with who the member is
        "POST /v1/bulk-jobs",  # with a filter, which tells who there is
        "POST /v1/rules",  # which does what its author could
        "POST /v1/rules/preview",
    )
    for row, route in WITH_KEY.items():
        if route.scope == scope and EXPECTED[row, role, "own"] == "yes":
            answer = people.ask(route, narrow, "own")
            assert answer.status_code == (403 if row in more else route.success), (row, answer.text)
    narrow.close()


@once
def test_people_are_told_of_each_scope_in_words_of_their_own(people: People) -> None:
    """A page speaks of what its reader may not do, not of a key that they don't have."""
    assert SCOPES_OF_PEOPLE.keys() == SCOPES.keys()
    member = new_user(people.http)
    with signed_in(people.server, member) as person:
        answer = person.get("/admin/webhooks")
        assert answer.status_code == 403
        assert "Your role, member, doesn’t allow you to see webhooks. The role viewer does." in answer.text
        assert "This API key" not in answer.text


@once
def test_a_key_without_any_scope_does_nothing(people: People) -> None:
    nothing = people.client(new_user(people.http, role="owner"), scopes=[])
    refused(nothing.get("/v1/users/me"), errors.InsufficientScope)
    nothing.close()
