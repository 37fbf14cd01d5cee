"""Groups of users: who is in them, with which role, and what the event log says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from rollbook import clock, ids
from tests.contract.answers import Log
from tests.contract.expect import faults, refused
from tests.contract.expect import pages as all_pages
from tests.engines import once
from tests.harness import Server, new_key, new_user

UNKNOWN = "user_" + "0" * 26


@pytest.fixture(scope="module")
def log(http: httpx2.Client) -> Log:
    return Log(http)


@pytest.fixture
def group(http: httpx2.Client) -> str:
    """Path of a new group."""
    return made(http, name="Engineering")


def made(http: httpx2.Client, **fields: Any) -> str:
    answer = http.post("/v1/groups", json=fields)
    assert answer.status_code == 201, answer.text
    return f"/v1/groups/{answer.json()['id']}"


def people(http: httpx2.Client, how_many: int) -> list[str]:
    return [new_user(http)["id"] for _ in range(how_many)]


def put(http: httpx2.Client, group: str, *user_ids: str, role: str = "") -> None:
    members = [{"user_id": user_id, "role": role} for user_id in user_ids]
    assert http.post(f"{group}/members", json={"members": members}).status_code == 200


def members(http: httpx2.Client, group: str) -> dict[str, str]:
    """The role of each member."""
    found = http.get(f"{group}/members?limit=1000").json()
    assert http.get(group).json()["members"] == len(found)
    return {member["user_id"]: member["role"] for member in found}


# ---- groups


def test_a_group_keeps_what_it_is_given(http: httpx2.Client) -> None:
    fields = {"name": "  Engineering ", "external_id": ids.new("x"), "metadata": {"a": "é", "b": [1, None]}}
    answer = http.post("/v1/groups", json=fields)
    found = answer.json()
    assert found == {
        "id": found["id"],
        **fields,
        "name": "Engineering",
        "members": 0,
        "created_at": found["created_at"],
        "updated_at": found["created_at"],
    }
    assert http.get(answer.headers["location"]).json() == found
    assert made(http, name="Engineering") != answer.headers["location"], "names need not be unique"


def test_put_replaces_the_metadata_and_patch_merges_it(http: httpx2.Client, group: str) -> None:
    assert http.put(group, json={"metadata": {"a": 1, "b": 2}}).json()["metadata"] == {"a": 1, "b": 2}
    assert http.patch(group, json={"metadata": {"a": None, "c": 3}}).json()["metadata"] == {"b": 2, "c": 3}
    assert http.put(group, json={"metadata": {"d": 4}}).json()["metadata"] == {"d": 4}
    assert http.get(group).json()["name"] == "Engineering"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": "x" * 256, "external_id": "", "metadata": []}, ["name", "external_id", "metadata"]),
        ({"name": "a\nb"}, ["name"]),
        ({"name": "a", "metadata": {"a": "x" * 16_384}}, ["metadata"]),
        ({"name": "a", "members": 3}, ["members"]),
    ],
    ids=str,
)
@once
def test_what_is_wrong_with_a_group_is_named(http: httpx2.Client, fields: dict[str, Any], wrong: list[str]) -> None:
    assert faults(http.post("/v1/groups", json=fields)) == wrong


def test_the_etag_changes_with_the_group_and_with_its_members(http: httpx2.Client, group: str) -> None:
    user = new_user(http)["id"]
    seen = [http.get(group).headers["etag"]]

    def changed(answer: httpx2.Response) -> None:
        assert answer.is_success
        seen.append(http.get(group).headers["etag"])
        assert len(set(seen)) == len(seen)

    changed(http.patch(group, json={"name": "Other"}))
    changed(http.put(f"{group}/members/{user}"))
    changed(http.put(f"{group}/members/{user}", json={"role": "lead"}))
    changed(http.delete(f"/v1/users/{user}"))
    changed(http.post(f"/v1/users/{user}/restore"))
    changed(http.delete(f"{group}/members/{user}"))
    assert http.get(group, headers={"If-None-Match": seen[-1]}).status_code == 304
    assert http.put(group, json={"name": "Other"}).headers["etag"] == seen[-1], "it was the same"
    for method, body in (("PUT", {"name": "Mine"}), ("PATCH", {"name": "Mine"}), ("DELETE", None)):
        answer = http.request(method, group, json=body, headers={"If-Match": seen[-2]})
        refused(answer, 412, "precondition_failed")
    assert http.delete(group, headers={"If-Match": seen[-1]}).status_code == 204
    refused(http.get(group), 404, "not_found")


def test_groups_are_found_by_name_external_id_and_member(http: httpx2.Client) -> None:
    mark = ids.new("x")
    paths = [made(http, name=f"{mark} {name}") for name in ("Straße", "a_b", "axb", "ÉCLAIR")]
    there = {path: http.get(path).json() for path in paths}
    user = new_user(http)["id"]
    put(http, paths[2], user, role="lead")
    put(http, paths[0], user)

    def found(**params: Any) -> list[str]:
        answer = http.get("/v1/groups", params=params)
        assert answer.status_code == 200, answer.text
        assert int(answer.headers["x-total-count"]) >= len(answer.json())
        return [f"/v1/groups/{each['id']}" for each in answer.json()]

    assert found(q=mark) == paths
    assert found(q=mark.upper() + " STRASSE") == paths[:1]
    assert found(q=f"{mark} a_b") == paths[1:2], "no pattern"
    assert http.patch(paths[0], json={"name": f"{mark} Équipe d’Öland"}).status_code == 200
    for q in ("equipe", "ÉQUIPE", "equipe d'oland", "equipe doland"):
        assert found(q=f"{mark} {q}") == paths[:1], q
    assert http.patch(paths[0], json={"name": f"{mark} Straße"}).status_code == 200
    assert found(q=f"{mark} equipe") == []
    assert found(name=f"{mark} éclair") == paths[3:]
    assert found(q=mark, sort="name") == [paths[1], paths[2], paths[0], paths[3]]
    assert found(q=mark, sort="-created_at", limit=2, offset=1) == [paths[2], paths[1]]
    http.patch(paths[1], json={"external_id": mark})
    assert found(external_id=mark) == [paths[1]]
    assert found(user=user, sort="name") == [paths[2], paths[0]]
    roles = {each["id"]: each["role"] for each in http.get("/v1/groups", params={"user": user}).json()}
    assert roles == {there[paths[0]]["id"]: "", there[paths[2]]["id"]: "lead"}
    refused(http.get("/v1/groups", params={"user": UNKNOWN}), 404, "not_found")


# ---- members


def test_members_are_put_changed_and_removed(http: httpx2.Client, group: str) -> None:
    user = new_user(http)
    path = f"{group}/members/{user['id']}"
    added = http.put(path, json={"role": "lead"}).json()
    assert added == {
        "user_id": user["id"],
        "name": user["name"],
        "email": user["email"],
        "role": "lead",
        "added_at": added["added_at"],
    }
    assert abs(clock.parse(added["added_at"]) - clock.now()) < clock.MINUTE
    assert http.put(path, json={"role": None}).json() == added | {"role": ""}, "without a role"
    assert http.put(path).json()["role"] == "", "nor with a body"
    assert members(http, group) == {user["id"]: ""}
    assert http.delete(path).status_code == 204
    refused(http.delete(path), 404, "not_found")
    assert members(http, group) == {}
    assert http.get(f"/v1/users/{user['id']}").status_code == 200
    assert http.put(f"{group}/members/me").json()["user_id"] == http.get("/v1/users/me").json()["id"]


def test_all_are_added_or_none_and_what_is_wrong_is_named(http: httpx2.Client, group: str) -> None:
    one, two, three = people(http, 3)
    put(http, group, one, role="lead")
    bodies: dict[str, list[dict[str, Any]]] = {
        "members[1].user_id": [{"user_id": two}, {"user_id": UNKNOWN}],
        "members[2].user_id": [{"user_id": two}, {"user_id": three}, {"user_id": two}],
        "members": [],
    }
    for param, body in bodies.items():
        assert faults(http.post(f"{group}/members", json={"members": body})) == [param]
    assert faults(http.post(f"{group}/members", json={"members": [{"user_id": two}] * 1_001})) == ["members"]
    assert members(http, group) == {one: "lead"}
    answer = http.post(
        f"{group}/members",
        json={"members": [{"user_id": one}, {"user_id": two, "role": "x"}, {"user_id": three, "role": None}]},
    )
    assert answer.json() == {"added": 2, "changed": 1, "unchanged": 0}
    again = http.post(f"{group}/members", json={"members": [{"user_id": two, "role": "x"}]})
    assert again.json() == {"added": 0, "changed": 0, "unchanged": 1}
    assert members(http, group) == {one: "", two: "x", three: ""}


def test_1_000_members_fit_into_one_call_with_roles_of_any_length(http: httpx2.Client, group: str) -> None:
    body = {"members": [{"user_id": f"user_{number:026}", "role": "é" * 255} for number in range(1_000)]}
    assert len(faults(http.post(f"{group}/members", json=body))) > 10, "it was read, and no one of them exists"


def test_pages_of_members_go_on_where_the_last_one_ended(http: httpx2.Client, group: str) -> None:
    first, gone, later, *others = people(http, 6)
    put(http, group, *reversed([first, gone, *others]))
    pages = all_pages(http, f"{group}/members?limit=2")
    found = [member["user_id"] for member in next(pages).json()]
    assert found == [first, gone], "in the order in which the users were added"
    http.delete(f"/v1/users/{gone}?purge=true")
    put(http, group, later)
    rest = [answer.json() for answer in pages]
    assert [member["user_id"] for page in rest for member in page] == [later, *others]
    refused(http.get(f"{group}/members?cursor=abc"), 400, "invalid_parameter", param="cursor")


def test_users_are_listed_counted_and_exported_by_group(server: Server, http: httpx2.Client, group: str) -> None:
    one, two, other = people(http, 3)
    put(http, group, two, one)
    asked = {"group": group[11:]}
    assert [user["id"] for user in http.get("/v1/users", params=asked).json()] == [one, two]
    assert [user["id"] for user in http.get("/v1/users", params=asked | {"ids": f"{other},{two}"}).json()] == [two]
    assert http.get("/v1/users/count", params=asked).json() == {"count": 2}
    exported = http.get("/v1/exports", params=asked)
    assert [json.loads(line)["id"] for line in exported.text.splitlines()] == [one, two]
    told = http.get("/v1/events", params={"type": "users.exported", "order": "desc", "limit": 1}).json()[0]
    assert told["object"]["filters"] == asked
    for path in ("/v1/users", "/v1/users/count", "/v1/exports"):
        for unknown in (ids.new("group"), "1", "me"):
            refused(http.get(path, params={"group": unknown}), 404, "not_found")
    refused(http.get("/v1/users", params=asked | {"status": "deleted"}), 400, "invalid_parameter", param="group")
    with server.http(new_key(http, scopes=["users:read"])) as narrow:
        refused(narrow.get("/v1/users", params=asked), 403, "insufficient_scope")
        assert narrow.get("/v1/users").status_code == 200


def test_who_is_deleted_leaves_and_who_is_restored_is_back(http: httpx2.Client, group: str) -> None:
    one, two = people(http, 2)
    other = made(http, name="Other")
    put(http, group, one, two, role="lead")
    put(http, other, one)
    assert http.delete(f"/v1/users/{one}").status_code == 204
    assert members(http, group) == {two: "lead"} and members(http, other) == {}
    refused(http.put(f"{group}/members/{one}"), 404, "not_found")
    refused(http.delete(f"{group}/members/{one}"), 404, "not_found")
    assert http.delete(other).status_code == 204
    assert http.post(f"/v1/users/{one}/restore").status_code == 200
    assert members(http, group) == {one: "lead", two: "lead"}
    assert [each["group_id"] for each in http.get(f"/v1/users/{one}/export").json()["groups"]] == [group[11:]]


def test_who_is_erased_is_in_no_group_and_in_no_event_of_one(server: Server, http: httpx2.Client, group: str) -> None:
    user = new_user(http)["id"]
    put(http, group, user, role="a role of theirs")
    assert http.delete(f"/v1/users/{user}").status_code == 204
    assert http.delete(f"/v1/users/{user}?purge=true").status_code == 204
    for table in ("group_members", "deleted_group_members"):
        assert server.ask(f"SELECT user_id FROM {table} WHERE user_id = '{user}'") == []
    added = next(event for event in http.get("/v1/events", params={"user": user}).json() if "member" in event["type"])
    assert added["object"] == {"id": user, "erased": True}


def test_a_user_can_be_in_1_000_groups_and_a_server_have_100_000(server: Server, http: httpx2.Client) -> None:
    user, (one, two) = new_user(http)["id"], (made(http, name="A"), made(http, name="B"))
    [(seq,)] = server.ask(f"SELECT seq FROM users WHERE id = '{user}'")
    fill = """
        INSERT INTO groups (id, name, name_key, metadata, members, version, created_at, updated_at)
        WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {}) SELECT 'g' || n, 'x', 'x', '{{}}',
        1, 1, 1, 1 FROM n WHERE n > {}"""
    server.ask(fill.format(999, 0))
    server.ask(f"INSERT INTO group_members SELECT id, {seq}, '{user}', '', 1 FROM groups WHERE name_key = 'x'")
    assert http.put(f"{one}/members/{user}").status_code == 200
    answer = http.post(f"{two}/members", json={"members": [{"user_id": "me"}, {"user_id": user}]})
    assert user in refused(answer, 403, "group_limit_reached")["error"]
    refused(http.put(f"{two}/members/{user}"), 403, "group_limit_reached")
    assert http.put(f"{one}/members/{user}", json={"role": "x"}).status_code == 200, "who is a member stays one"
    assert members(http, two) == {}
    server.ask(fill.format(100_000, 999))
    refused(http.post("/v1/groups", json={"name": "C"}), 403, "group_limit_reached")
    server.ask("DELETE FROM groups WHERE name_key = 'x'")


# ---- events


def test_each_change_writes_its_event_in_order_with_the_users_own(http: httpx2.Client, log: Log) -> None:
    me = http.get("/v1/users/me").json()["id"]
    user = new_user(http)["id"]
    log.news()
    group = made(http, name="Engineering", external_id=ids.new("x"))
    member = {"group_id": group[11:], "group_name": "Engineering", "user_id": user}
    steps: list[tuple[str, Callable[[], httpx2.Response], dict[str, Any] | None]] = [
        ("user.updated", lambda: http.put(f"/v1/users/{user}", json={"name": "A"}), {"name": "Alice Wonderland"}),
        ("group.member_added", lambda: http.put(f"{group}/members/{user}", json={"role": "lead"}), None),
        ("user.updated", lambda: http.put(f"/v1/users/{user}", json={"name": "B"}), {"name": "A"}),
        ("group.member_changed", lambda: http.put(f"{group}/members/{user}"), {"role": "lead"}),
        ("group.updated", lambda: http.patch(group, json={"name": "Devs"}), {"name": "Engineering"}),
        ("group.member_removed", lambda: http.delete(f"{group}/members/{user}"), None),
        ("group.deleted", lambda: http.delete(group), None),
    ]
    shown = http.get(group).json()
    for type, step, _ in steps:
        answer = step()
        assert answer.is_success, answer.text
        if type == "group.updated":
            shown = answer.json()
    created, *events = log.news()
    assert created["type"] == "group.created" and created["user_id"] is None
    assert [event["type"] for event in events] == [type for type, _, _ in steps]
    for event, (type, _, before) in zip(events, steps, strict=True):
        assert event["before"] == before and event["actor"]["user_id"] == me
        assert event["user_id"] == (None if type in ("group.updated", "group.deleted") else user)
    assert [event["object"] for event in events if "member_" in event["type"]] == [
        member | {"role": "lead"},
        member | {"role": ""},
        member | {"group_name": "Devs", "role": ""},
    ]
    assert events[4]["object"] == shown
    of_user = http.get("/v1/events", params={"user": user}).json()
    assert [event["id"] for event in of_user[1:]] == [event["id"] for event in events if event["user_id"] == user]


def test_what_changes_nothing_and_what_fails_writes_nothing(http: httpx2.Client, log: Log, group: str) -> None:
    user = new_user(http)["id"]
    put(http, group, user, role="lead")
    with log.silent():
        assert http.put(f"{group}/members/{user}", json={"role": "lead"}).status_code == 200
        assert http.put(group, json={"name": "Engineering", "metadata": {}}).status_code == 200
        assert http.put(f"{group}/members/{UNKNOWN}").status_code == 404
        assert http.post(f"{group}/members", json={"members": [{"user_id": UNKNOWN}]}).status_code == 400
        assert http.put(group, json={"external_id": ""}).status_code == 400


def test_many_members_are_an_event_each(http: httpx2.Client, log: Log, group: str) -> None:
    added = people(http, 3)
    log.news()
    put(http, group, *added)
    assert [(event["type"], event["user_id"]) for event in log.news()] == [
        ("group.member_added", user_id) for user_id in added
    ]


# ---- at the same time


def test_two_who_put_the_same_member_agree(server: Server, http: httpx2.Client, group: str) -> None:
    """Whoever comes second changes the role: one row, and a number of members that is right."""
    user = new_user(http)["id"]
    with ThreadPoolExecutor(6) as pool:
        asked = [
            pool.submit(http.put, f"{group}/members/{user}", json={"role": f"role {number}"}) for number in range(12)
        ]
        assert {each.result().status_code for each in asked} == {200}
    assert members(http, group)[user].startswith("role ")
    events = http.get("/v1/events", params={"user": user, "type": "group.*"}).json()
    assert [event["type"] for event in events] == ["group.member_added"] + ["group.member_changed"] * 11
    assert [event["before"]["role"] for event in events[1:]] == [event["object"]["role"] for event in events[:-1]]


def test_a_group_that_is_deleted_while_members_come_leaves_nothing(server: Server, http: httpx2.Client) -> None:
    group, users = made(http, name="Engineering"), people(http, 12)
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(http.put, f"{group}/members/{user}") for user in users[:6]]
        deleted = pool.submit(http.delete, group)
        asked += [pool.submit(http.put, f"{group}/members/{user}") for user in users[6:]]
        assert deleted.result().status_code == 204
        assert {each.result().status_code for each in asked} <= {200, 404}
    refused(http.put(f"{group}/members/{users[0]}"), 404, "not_found")
    left = f"SELECT count(*) FROM group_members WHERE group_id = '{group[11:]}'"
    deadline = clock.now() + clock.MINUTE
    while server.ask(left) != [(0,)] or server.ask("SELECT id FROM deleted_groups"):
        assert clock.now() < deadline


def test_users_who_are_deleted_while_they_are_added_are_counted_right(server: Server, http: httpx2.Client) -> None:
    group, users = made(http, name="Engineering"), people(http, 30)
    with ThreadPoolExecutor(8) as pool:
        both = [
            (pool.submit(http.put, f"{group}/members/{user}"), pool.submit(http.delete, f"/v1/users/{user}"))
            for user in users
        ]
    assert {added.result().status_code for added, _ in both} <= {200, 404}
    assert {deleted.result().status_code for _, deleted in both} == {204}
    assert members(http, group) == {}
    for user in users:
        assert http.post(f"/v1/users/{user}/restore").status_code == 200
    assert set(members(http, group)) <= set(users)
    assert server.ask(f"SELECT count(*) FROM deleted_group_members WHERE group_id = '{group[11:]}'") == [(0,)]
