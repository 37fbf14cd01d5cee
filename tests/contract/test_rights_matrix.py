"""A matrix of the right to change others: every way to change a user, or what they have, by each kind of key, against one
oracle."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import count
from typing import Any, NamedTuple

import httpx2
import pytest

from rollbook.roles import SCIM_GRANTABLE, SCIM_SCOPES, SCOPES
from tests import assistant
from tests.contract.answers import Log
from tests.contract.test_bulk_jobs import done, results, undone
from tests.contract.test_imports import done as imported
from tests.contract.test_imports import reported
from tests.engines import once
from tests.grids import grid
from tests.harness import Server, new_key, new_user

pytestmark = once  # who may do what is a rule of no database
Client = httpx2.Client
ALL_BUT_GRANT = sorted(set(SCOPES) - {"users:grant"})
KEYS = {
    "owner": ("owner", {}),
    "owner without users:grant": ("owner", {"scopes": ALL_BUT_GRANT}),
    "admin": ("admin", {}),
    "admin without users:grant": ("admin", {"scopes": ALL_BUT_GRANT}),
    "viewer": ("viewer", {}),
    "member": ("member", {}),
    "SCIM": ("admin", {"kind": "scim", "scopes": sorted(SCIM_SCOPES)}),
    "SCIM with users:grant": ("admin", {"kind": "scim", "scopes": sorted(SCIM_GRANTABLE)}),
}
TARGETS = ("member", "viewer", "admin", "owner", "application")
"""Roles of persons; the application is an admin."""
PASSWORD = "a password for the matrix"
numbers = count(time.time_ns() // 1000)


class Caller(NamedTuple):
    key: str
    user: dict[str, Any]
    client: Client

    @property
    def is_scim(self) -> bool:
        return KEYS[self.key][1].get("kind") == "scim"

    def may_job(self, target: str) -> bool:
        return may_change(self.key, target) and not self.is_scim


def may_change(key: str, target: str) -> bool:
    """The oracle: an admin changes all but owners, and no key without `users:grant` changes people above member."""
    role, narrowed = KEYS[key]
    of = "admin" if target == "application" else target
    has_grant = "users:grant" in narrowed.get("scopes", SCOPES)
    return role in ("admin", "owner") and (of == "member" or has_grant) and (of != "owner" or role == "owner")


@pytest.fixture(scope="module", params=KEYS)
def caller(request: pytest.FixtureRequest, server: Server, http: Client) -> Iterator[Caller]:
    role, narrowed = KEYS[request.param]
    user = new_user(http, role=role, email_verified=True)
    with server.http(new_key(http, user_id=user["id"], **narrowed)) as client:
        yield Caller(request.param, user, client)


def fresh(http: Client, targets: Sequence[str] = TARGETS[:4]) -> list[str]:
    """IDs of new users, who are of these kinds."""
    ids: list[str] = []
    for target in targets:
        mark = next(numbers)
        names = {"name": "Mo Matrix", "external_id": f"m{mark}"}
        if target == "application":
            answer = http.post("/v1/applications", json=names | {"role": "admin"})
        else:
            person = {"email": f"matrix{mark}@example.com", "password": PASSWORD, "email_verified": True}
            answer = http.post("/v1/users", json=names | person | {"role": target})
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["id"])
    return ids


def fields_of(http: Client, ids: Sequence[str]) -> dict[str, Any]:
    if not ids:
        return {}
    users = http.get("/v1/users", params={"ids": ",".join(ids), "fields": "*", "limit": 200}).json()
    return {user["id"]: user for user in users}


@contextmanager
def unchanged(http: Client, ids: Sequence[str]) -> Iterator[None]:
    """Nothing that happens here may be seen in these users or in the event log."""
    before, log = fields_of(http, ids), Log(http)
    with log.silent():
        yield
    assert fields_of(http, ids) == before


# ---- calls about one user


class Way(NamedTuple):
    call: Callable[[Client, str, str], httpx2.Response]
    """The caller's client, the user's ID, and what was prepared."""
    prepare: Callable[[Client, str], str] = lambda http, id: ""
    """By the owner: the ID of what the call is about."""
    persons_only: bool = True


def on_user(method: str, rest: str = "", body: Any = None, prepare: Any = None, persons_only: bool = False) -> Way:
    way = Way(lambda by, id, about: by.request(method, f"/v1/users/{id}{rest}".replace("{about}", about), json=body))
    return way._replace(persons_only=persons_only, **({"prepare": prepare} if prepare else {}))


def suspended(http: Client, id: str) -> str:
    return str(http.post(f"/v1/users/{id}/suspend").raise_for_status())


def deleted(http: Client, id: str) -> str:
    return str(http.delete(f"/v1/users/{id}").raise_for_status())


def token(http: Client, id: str) -> str:
    return str(http.post(f"/v1/users/{id}/tokens", json={"purpose": "verify_email"}).json()["id"])


def factor(http: Client, id: str) -> str:
    return str(http.post(f"/v1/users/{id}/second-factors", json={"kind": "totp"}).json()["id"])


def key(http: Client, id: str) -> str:
    return str(http.post("/v1/keys", json={"name": "old", "user_id": id, "scopes": ["users:read"]}).json()["id"])


def session(http: Client, id: str) -> str:
    email = http.get(f"/v1/users/{id}").json()["email"]
    body = {"audience": "matrix", "email": email, "password": PASSWORD}
    return str(http.post("/v1/sessions", json=body).json()["id"])


def renamed(http: Client, id: str) -> str:
    http.patch(f"/v1/users/{id}", json={"name": "Mo Renamed"}).raise_for_status()
    return str(http.get("/v1/events", params={"user": id, "type": "user.updated"}).json()[0]["id"])


def group(http: Client, id: str) -> str:
    """The ID of a group that the user is in."""
    made = http.post("/v1/groups", json={"name": "Matrix"}).json()["id"]
    http.put(f"/v1/groups/{made}/members/{id}", json={"role": "buyer"}).raise_for_status()
    return str(made)


def in_bulk(op: str, prepare: Any = None, persons_only: bool = False, **fields: Any) -> Way:
    """A result of 403 counts as a refusal of the call."""

    def call(by: Client, id: str, about: str) -> httpx2.Response:
        answer = by.post("/v1/users/bulk", json={"operations": [{"op": op, "id": id, **fields}]})
        if answer.status_code != 207:
            return answer
        [result] = answer.json()["results"]
        return httpx2.Response(result["status"], json=result.get("error", {}), request=answer.request)

    return Way(call, prepare or (lambda http, id: ""), persons_only)


def by_assistant(tool: str, **arguments: Any) -> Way:
    def call(by: Client, id: str, about: str) -> httpx2.Response:
        found = assistant.call(by, tool, user_id=id, **arguments)
        status = 403 if found.get("isError") or "code" in found else 200
        code = found.get("structuredContent", {}).get("code") if status == 403 else None
        return httpx2.Response(status, json={"code": code}, request=httpx2.Request("POST", "http://mcp"))

    return Way(call)


WAYS: dict[str, Way] = {
    "name": on_user("PATCH", body={"name": "Mo Moved"}),
    "replacing metadata": on_user("PUT", body={"metadata": {"a": 1}}),
    "merging metadata": on_user("PATCH", body={"metadata": {"a": 1}}),
    "rate limit": on_user("PATCH", body={"rate_limit": "7/minute"}),
    "external id": on_user("PATCH", body={"external_id": None}),
    "email verified": on_user("PATCH", body={"email_verified": True}),
    "no change": on_user("PATCH", body={}),
    "suspension": on_user("POST", "/suspend"),
    "suspension by update": on_user("PATCH", body={"status": "suspended"}),
    "activation": on_user("POST", "/activate", prepare=suspended),
    "deletion": on_user("DELETE"),
    "restoration": on_user("POST", "/restore", prepare=deleted),
    "password": on_user("PUT", "/password", {"password": "another for the matrix"}, persons_only=True),
    "password link": on_user("POST", "/tokens", {"purpose": "reset_password"}, persons_only=True),
    "token": on_user("POST", "/tokens", {"purpose": "sign_in"}, persons_only=True),
    "token revoked": on_user("DELETE", "/tokens/{about}", prepare=token, persons_only=True),
    "second factor": on_user("POST", "/second-factors", {"kind": "totp"}, persons_only=True),
    "second factor removed": on_user("DELETE", "/second-factors/{about}", prepare=factor, persons_only=True),
    "second factors lifted": on_user("DELETE", "/second-factors", prepare=factor, persons_only=True),
    "adoption": on_user("POST", "/adopt", persons_only=True),
    "session": Way(lambda by, id, about: by.delete(f"/v1/sessions/{about}"), session),
    "key": Way(
        lambda by, id, about: by.post("/v1/keys", json={"name": "n", "user_id": id, "scopes": ["users:read"]}),
        persons_only=False,
    ),
    "key renamed": Way(lambda by, id, about: by.patch(f"/v1/keys/{about}", json={"name": "z"}), key, False),
    "key rotated": Way(lambda by, id, about: by.post(f"/v1/keys/{about}/rotate", json={}), key, False),
    "key revoked": Way(lambda by, id, about: by.delete(f"/v1/keys/{about}"), key, False),
    "added to a group": Way(
        lambda by, id, about: by.post(f"/v1/groups/{about}/members", json={"members": [{"user_id": id}]}),
        lambda http, id: str(http.post("/v1/groups", json={"name": "Empty"}).json()["id"]),
        False,
    ),
    "role in a group": Way(
        lambda by, id, about: by.put(f"/v1/groups/{about}/members/{id}", json={"role": "treasurer"}), group, False
    ),
    "removed from a group": Way(lambda by, id, about: by.delete(f"/v1/groups/{about}/members/{id}"), group, False),
    "undo of a role in a group": Way(
        lambda by, id, about: by.post(f"/v1/events/{about}/revert", json={}),
        lambda http, id: str(
            group(http, id)
            and http.get("/v1/events", params={"user": id, "type": "group.member_added"}).json()[-1]["id"]
        ),
        False,
    ),
    "undo": Way(lambda by, id, about: by.post(f"/v1/events/{about}/revert", json={}), renamed),
    "dry run of undo": Way(lambda by, id, about: by.post(f"/v1/events/{about}/revert?dry_run=true"), renamed),
    "name in bulk": in_bulk("update", name="Mo Bulk"),
    "suspension in bulk": in_bulk("suspend"),
    "activation in bulk": in_bulk("activate", suspended),
    "deletion in bulk": in_bulk("delete"),
    "restoration in bulk": in_bulk("restore", deleted),
    "token in bulk": in_bulk("create_token", persons_only=True, purpose="verify_email"),
    "name by assistant": by_assistant("update_user", name="Mo Model"),
}


def test_a_call_about_a_user_takes_the_right_to_change_them(http: Client, caller: Caller) -> None:
    if caller.is_scim:
        return
    calls = [(name, target) for name, way in WAYS.items() for target in (TARGETS[:4] if way.persons_only else TARGETS)]
    ids = fresh(http, [target for _, target in calls])
    prepared = [(*call, id, WAYS[call[0]].prepare(http, id)) for call, id in zip(calls, ids, strict=True)]
    refused = [call for call in prepared if not may_change(caller.key, call[1])]
    with unchanged(http, [id for _, _, id, _ in refused]):
        for name, target, id, about in refused:
            answer = WAYS[name].call(caller.client, id, about)
            told = (answer.status_code, answer.is_error and answer.json()["code"])
            # For who reaches only their own keys and sessions, those of others do not exist.
            hidden = (404, "not_found") if caller.user["role"] in ("viewer", "member") else None
            assert told in ((403, "insufficient_scope"), hidden), (name, target, told)
    for name, target, id, about in prepared:
        if may_change(caller.key, target):
            answer = WAYS[name].call(caller.client, id, about)
            assert answer.is_success, (name, target, answer.text)


def test_what_a_dry_run_of_an_undo_would_do_is_not_done(http: Client) -> None:
    [id] = fresh(http, ["member"])
    event = renamed(http, id)
    with unchanged(http, [id]):
        answer = http.post(f"/v1/events/{event}/revert?dry_run=true")
    assert answer.json() == http.post(f"/v1/events/{event}/revert", json={}).json()


def test_users_change_themselves_with_whichever_key(http: Client, caller: Caller) -> None:
    if caller.is_scim:
        path, body = f"/scim/v2/Users/{caller.user['id']}", patched("displayName", "Me Myself")
        assert caller.client.patch(path, json=body).status_code == 200
    else:
        assert caller.client.patch("/v1/users/me", json={"name": "Me Myself"}).status_code == 200
    assert http.get(f"/v1/users/{caller.user['id']}").json()["name"] == "Me Myself"


# ---- calls about many users


JOBS: dict[str, tuple[dict[str, Any], Callable[[Client, str], str]]] = {
    "suspend": ({}, lambda http, id: ""),
    "activate": ({}, suspended),
    "delete": ({}, lambda http, id: ""),
    "restore": ({}, deleted),
    "metadata": ({"metadata": {"b": 2}}, lambda http, id: ""),
    "role": ({"role": "member"}, lambda http, id: ""),
    "setup_links": ({}, lambda http, id: ""),
}


@grid("action", JOBS)
def test_a_bulk_job_changes_whom_its_creator_may_change(http: Client, caller: Caller, action: str) -> None:
    fields, prepare = JOBS[action]
    ids = fresh(http)
    for id in ids:
        prepare(http, id)
    left = [id for id, target in zip(ids, TARGETS, strict=False) if not caller.may_job(target)]
    with unchanged(http, left) if len(left) == len(ids) else nullcontext():
        before = fields_of(http, left)
        if not caller.may_job("member"):
            body = {"action": action, "ids": ids, **fields}
            assert caller.client.post("/v1/bulk-jobs", json=body).status_code == 403
            return
        job = done(caller.client, action, ids=ids, **fields)
        told = {row["user_id"]: (row["result"], row["code"]) for row in results(caller.client, job)}
    for id, target in zip(ids, TARGETS, strict=False):
        expected = ("unchanged" if (action, target) == ("role", "member") else "changed", None)
        assert told[id] == (("refused", "insufficient_scope") if id in left else expected), target
    assert fields_of(http, left) == before


@grid("action", ["suspend", "delete", "metadata"])
def test_undoing_a_job_changes_whom_the_one_who_undoes_it_may_change(http: Client, caller: Caller, action: str) -> None:
    if not caller.may_job("member"):
        return
    ids = fresh(http)
    back = undone(caller.client, done(http, action, ids=ids, **JOBS[action][0]))
    told = {row["user_id"]: row["result"] for row in results(http, back)}
    assert [told[id] for id in ids] == ["changed" if caller.may_job(each) else "refused" for each in TARGETS[:4]]


@pytest.mark.parametrize("of", ["admin", "owner", "caller"])
def test_a_job_is_canceled_by_who_may_change_its_creator(server: Server, http: Client, caller: Caller, of: str) -> None:
    """Whether it still runs or not: the answer doesn't tell."""
    if caller.is_scim or (of == "caller" and not caller.may_job("member")):
        return
    ids, who = fresh(http, ["member"]), caller.user["id"] if of == "caller" else new_user(http, role=of)["id"]
    with server.http(new_key(http, user_id=who)) as creator:
        job = done(creator, "activate", ids=ids)["id"]
        file = imported(creator, {"name": "Mo", "email": f"matrix{next(numbers)}@example.com"})["id"]
    is_allowed = of == "caller" or may_change(caller.key, of)
    for path in (f"/v1/bulk-jobs/{job}/cancel", f"/v1/imports/{file}/cancel"):
        assert caller.client.post(path).status_code == (200 if is_allowed else 403), path


def test_an_import_updates_whom_its_starter_may_change(http: Client, caller: Caller) -> None:
    ids = fresh(http)
    before = fields_of(http, ids)
    rows = [{"name": "Mo Imported"} | {each: before[id][each] for each in ("email", "external_id")} for id in ids]
    if not caller.may_job("member"):
        content = "\n".join(map(json.dumps, rows))
        answer = caller.client.post("/v1/imports", params={"on_conflict": "update"}, content=content)
        assert answer.status_code == 403
    else:
        job = imported(caller.client, *rows, on_conflict="update")
        lines = [each["line"] for each in reported(caller.client, job)]
        assert lines == [line for line, target in enumerate(TARGETS[:4], 1) if not caller.may_job(target)]
    now = fields_of(http, ids)
    assert [now[id] != before[id] for id in ids] == [caller.may_job(target) for target in TARGETS[:4]]


def patched(path: str, value: Any) -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": path, "value": value}],
    }


CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
SCIM: dict[str, tuple[str, Any]] = {
    "name": ("PATCH", patched("displayName", "Mo Provider")),
    "userName": ("PATCH", patched("userName", "mo")),
    "department": ("PATCH", patched("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "X")),
    "externalId": ("PATCH", patched("externalId", "mo")),
    "email": ("PATCH", patched("emails", [{"value": "mo@example.com", "primary": True}])),
    "suspension": ("PATCH", patched("active", False)),
    "activation": ("PATCH", patched("active", True)),
    "replacement": ("PUT", {"schemas": [CORE], "userName": "mo", "emails": [{"value": "mo@example.com"}]}),
    "deletion": ("DELETE", None),
}


def by_provider(by: Client, method: str, id: str, sent: Any, in_bulk: bool) -> int:
    """The status of the answer, or of the operation in it."""
    body = json.loads(json.dumps(sent).replace('"mo', f'"mo{next(numbers)}'))
    if not in_bulk:
        return by.request(method, f"/scim/v2/Users/{id}", json=body).status_code
    operation = {"method": method, "path": f"/Users/{id}", **({"data": body} if body else {})}
    asked = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [operation]}
    answer = by.post("/scim/v2/Bulk", json=asked)
    return int(answer.json()["Operations"][0]["status"]) if answer.is_success else answer.status_code


def test_an_identity_provider_changes_whom_its_key_may_change(http: Client, caller: Caller) -> None:
    calls = [(name, in_bulk, target) for name in SCIM for in_bulk in (False, True) for target in TARGETS[:4]]
    ids = fresh(http, [target for _, _, target in calls])
    for (name, _, _), id in zip(calls, ids, strict=True):
        if name == "activation":
            suspended(http, id)
    refused = [id for (_, _, target), id in zip(calls, ids, strict=True) if not may_change(caller.key, target)]
    kept = {id: http.get(f"/scim/v2/Users/{id}").json() for id in refused[::7]}
    with unchanged(http, refused):
        for (name, in_bulk, target), id in zip(calls, ids, strict=True):
            if id in refused:
                assert by_provider(caller.client, *_sent(name, id), in_bulk) == 403, (name, in_bulk, target)
    assert all(http.get(f"/scim/v2/Users/{id}").json() == before for id, before in kept.items())
    for (name, in_bulk, target), id in zip(calls, ids, strict=True):
        if id not in refused:
            assert by_provider(caller.client, *_sent(name, id), in_bulk) in (200, 204), (name, in_bulk, target)


def _sent(name: str, id: str) -> tuple[str, str, Any]:
    method, body = SCIM[name]
    return method, id, body
