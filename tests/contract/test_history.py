"""A user as they were, and what an event changed put back: only where nobody has changed it since, by whoever may."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import clock, errors, ids
from rollbook.api.events import RevertedEvent
from tests.contract.answers import Log, fits, refused
from tests.engines import once
from tests.harness import Server, new_key, new_user, running

Body = dict[str, Any]


def of(http: httpx2.Client, id: str, type: str) -> Body:
    """The newest event of this type about a user."""
    return http.get("/v1/events", params={"user": id, "type": type, "order": "desc", "limit": 1}).json()[0]


def revert(http: httpx2.Client, event: Body, **query: str) -> httpx2.Response:
    return http.post(f"/v1/events/{event['id']}/revert", params=query)


def reverted(http: httpx2.Client, event: Body) -> tuple[Body, list[str]]:
    answer = revert(http, event)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["id"], told["type"], told["user_id"]) == (event["id"], event["type"], event["user_id"])
    return told["reverted"], [each["field"] for each in told["not_reverted"]]


def read(http: httpx2.Client, id: str, **query: str) -> Body:
    answer = http.get(f"/v1/users/{id}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def invited(http: httpx2.Client) -> str:
    answer = http.post("/v1/users", json={"name": "Ines", "email": f"{ids.new('i')}@example.com", "status": "invited"})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


# ---- as of a time


def test_a_user_is_shown_as_they_were_at_a_time_and_after_an_event(http: httpx2.Client) -> None:
    born = clock.format_time_exactly(clock.now())
    user = new_user(http)
    id = user["id"]
    first = read(http, id)
    http.patch(f"/v1/users/{id}", json={"name": "Renamed", "metadata": {"plan": "pro"}, "role": "viewer"})
    second = read(http, id)
    between = clock.format_time_exactly(clock.now())
    assert http.delete(f"/v1/users/{id}").status_code == 204
    deleted = clock.format_time_exactly(clock.now())
    assert http.post(f"/v1/users/{id}/restore").status_code == 200
    for user in (first, second):
        del user["last_active_at"]  # the log never tells it
        user["unknown_fields"] = ["last_active_at"]
    assert read(http, id, at=between) == second
    assert read(http, id, at=of(http, id, "user.created")["id"]) == first
    assert read(http, id, at=of(http, id, "user.promoted")["id"], fields="role") == {
        **{name: second[name] for name in ("id", "name", "email")},
        "role": "viewer",
    }
    assert "etag" not in http.get(f"/v1/users/{id}", params={"at": between}).headers
    for gone in (born, "2020-01-01T00:00:00Z", deleted, of(http, id, "user.deleted")["id"]):
        refused(http.get(f"/v1/users/{id}", params={"at": gone}), errors.NotFound)
    for wrong in ("yesterday", "2999-01-01T00:00:00Z", "", "2026-01-01", ids.new("evt")):
        answer = http.get(f"/v1/users/{id}", params={"at": wrong})
        assert refused(answer, errors.InvalidParameter)["param"] in ("at", "after"), wrong
    assert http.delete(f"/v1/users/{id}?purge=true").status_code == 204
    refused(http.get(f"/v1/users/{id}", params={"at": between}), errors.NotFound)


def test_to_see_the_past_takes_the_right_to_read_the_log(as_role: Callable[..., httpx2.Client], user: Body) -> None:
    now = clock.format_time_exactly(clock.now())
    path = f"/v1/users/{user['id']}"
    assert as_role("viewer").get(path, params={"at": now}).status_code == 200
    answer = as_role("admin", scopes=["users:read"]).get(path, params={"at": now})
    assert "events:read" in refused(answer, errors.InsufficientScope)["error"]
    member = as_role("member")
    refused(member.get("/v1/users/me", params={"at": now}), errors.InsufficientScope)
    refused(as_role("admin", scopes=["events:read"]).get(path, params={"at": now}), errors.InsufficientScope)


def test_before_the_retention_of_the_log_there_is_no_answer(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none", "--event-retention", "7") as server, server.http() as http:
        user = new_user(http)
        was, then = read(http, user["id"]), clock.now()
        new_user(http)  # the newest event stays
        server.stop()
        server.pass_time(8 * 86_400)
        server.start()
        deadline = clock.now() + 60 * clock.SECOND
        while len(http.get("/v1/events").json()) > 1 and clock.now() < deadline:
            threading.Event().wait(0.05)
        http.patch(f"/v1/users/{user['id']}", json={"name": "Later"})
        path = f"/v1/users/{user['id']}"
        refused(http.get(path, params={"at": clock.format_time_exactly(then)}), errors.NotInLog)
        # The log begins with the event that stays, and tells that nothing had changed until now but when it had.
        at = clock.format_time_exactly(then + 2 * clock.MINUTE)
        found = read(http, user["id"], at=at)
        assert found.pop("unknown_fields") == ["last_active_at", "updated_at"]
        assert found == {name: was[name] for name in was if name not in ("updated_at", "last_active_at")}
        assert "unknown_fields" not in read(http, user["id"], at=at, fields="role")


def test_one_event_is_read_as_it_is_in_the_list(http: httpx2.Client, user: Body) -> None:
    event = of(http, user["id"], "user.created")
    assert http.get(f"/v1/events/{event['id']}").json() == event
    refused(http.get(f"/v1/events/{ids.new('evt')}"), errors.NotFound)


# ---- reverting


def test_an_update_is_put_back_but_for_what_has_changed_since(http: httpx2.Client) -> None:
    id = new_user(http, name="Ann", metadata={"plan": "pro", "old": 1, "same": {"a": [1]}})["id"]
    path = f"/v1/users/{id}"
    wanted = {
        "name": "Bob",
        "external_id": ids.new("crm"),
        "rate_limit": "7/minute",
        "email_verified": True,
        "role": "viewer",
        "metadata": {"plan": "team", "old": None, "new": True},
    }
    before = read(http, id)
    http.patch(path, json=wanted)
    event = of(http, id, "user.promoted")
    http.patch(path, json={"name": "Carl", "metadata": {"plan": "solo"}})
    log = Log(http)
    preview = revert(http, event, dry_run="true").json()
    assert log.news() == [] and read(http, id)["name"] == "Carl"
    answer = revert(http, event)
    fits(answer, RevertedEvent)
    assert answer.json() == preview
    put_back, kept = preview["reverted"], preview["not_reverted"]
    assert put_back == {
        "external_id": None,
        "rate_limit": None,
        "email_verified": False,
        "role": "member",
        "metadata": {"old": 1, "new": None},
    }
    assert [(each["field"], each["code"]) for each in kept] == [
        ("name", "changed_since"),
        ("metadata.plan", "changed_since"),
    ]
    now = read(http, id)
    assert now == before | {
        "name": "Carl",
        "metadata": {"plan": "solo", "same": {"a": [1]}, "old": 1},
        "updated_at": now["updated_at"],
    }
    (own,) = log.news()
    assert own["type"] == "user.updated" and own["before"]["role"] == "viewer"
    assert refused(revert(http, event), errors.NotReversible)["error"].startswith("name has changed since. role")
    assert reverted(http, own)[0]["role"] == "viewer"  # what put it back can be undone, too


def test_suspension_is_lifted_and_deletion_restored_and_both_again(http: httpx2.Client) -> None:
    fields = {"name": "Paul", "email": f"{ids.new('p')}@example.com"}
    made = http.post("/v1/users/bulk", json={"operations": [{"op": "create", **fields}]}).json()
    without_password = made["results"][0]["user"]["id"]
    for id, status in ((new_user(http)["id"], "active"), (invited(http), "invited"), (without_password, "active")):
        http.post(f"/v1/users/{id}/suspend")
        assert reverted(http, of(http, id, "user.suspended")) == ({"status": status}, [])
        assert read(http, id)["status"] == status
        assert reverted(http, of(http, id, "user.activated")) == ({"status": "suspended"}, [])
        http.delete(f"/v1/users/{id}")
        refused(revert(http, of(http, id, "user.suspended")), errors.NotReversible)  # there is no such user
        deletion = of(http, id, "user.deleted")
        assert reverted(http, deletion) == ({"status": "suspended"}, [])
        refused(revert(http, deletion), errors.NotReversible)
        assert reverted(http, of(http, id, "user.restored")) == ({"status": "deleted"}, [])
        refused(http.get(f"/v1/users/{id}"), errors.NotFound)


def test_what_cannot_be_undone_says_so(http: httpx2.Client) -> None:
    id = invited(http)
    http.put(f"/v1/users/{id}/password", json={"password": "a very good password"})
    for type, words in (
        ("user.created", "delete the user"),
        ("user.password_changed", "the old one is not kept"),
        ("user.activated", "have set a password"),
    ):
        told = refused(revert(http, of(http, id, type)), errors.NotReversible)
        assert words in told["error"]
    http.delete(f"/v1/users/{id}")
    deletion = of(http, id, "user.deleted")
    http.delete(f"/v1/users/{id}?purge=true")
    for event in (deletion, of(http, id, "user.purged")):
        assert "erased" in refused(revert(http, event), errors.NotReversible)["error"]


def test_it_follows_the_rules_of_the_change_by_hand(http: httpx2.Client, as_role: Callable[..., httpx2.Client]) -> None:
    id = new_user(http, role="owner")["id"]
    http.patch(f"/v1/users/{id}", json={"name": "Renamed"})
    event = of(http, id, "user.updated")
    refused(revert(as_role("viewer"), event), errors.InsufficientScope)
    refused(revert(as_role("admin", scopes=["events:read"]), event), errors.InsufficientScope)
    refused(revert(as_role("admin", scopes=["users:write"]), event), errors.InsufficientScope)
    told = refused(revert(as_role("admin"), event), errors.InsufficientScope)
    assert told["error"] == "Only owners can change an owner."
    admin = new_user(http, role="admin")["id"]
    http.patch(f"/v1/users/{admin}", json={"role": "member"})
    narrow = as_role("admin", scopes=["events:read", "users:write"])
    told = refused(revert(narrow, of(http, admin, "user.updated")), errors.InsufficientScope)
    assert "users:grant" in told["error"]
    assert reverted(http, of(http, admin, "user.updated")) == ({"role": "admin"}, [])
    http.delete(f"/v1/users/{admin}")
    http.post(f"/v1/users/{admin}/restore")
    told = refused(revert(narrow, of(http, admin, "user.restored")), errors.InsufficientScope)
    assert "users:delete" in told["error"]


def test_your_own_email_account_and_last_owner_are_safe(server: Server, http: httpx2.Client) -> None:
    me = new_user(http, role="owner")
    with server.http(new_key(http, user_id=me["id"])) as mine:
        http.patch(f"/v1/users/{me['id']}", json={"email": f"new.{me['email']}", "name": "Renamed"})
        assert reverted(mine, of(http, me["id"], "user.updated")) == ({"name": me["name"]}, ["email"])
        http.delete(f"/v1/users/{me['id']}")
        http.post(f"/v1/users/{me['id']}/restore")
    with server.http(new_key(http, user_id=me["id"])) as mine:
        refused(revert(mine, of(http, me["id"], "user.restored")), errors.NotYourself)
        http.post(f"/v1/users/{me['id']}/suspend")
        http.post(f"/v1/users/{me['id']}/activate")
        refused(revert(mine, of(http, me["id"], "user.activated")), errors.NotYourself)


def test_no_email_is_verified_that_another_one_was(http: httpx2.Client) -> None:
    user = new_user(http)
    path, first = f"/v1/users/{user['id']}", user["email"]
    http.patch(path, json={"email_verified": True})
    http.patch(path, json={"email": f"second.{first}"})
    changed = of(http, user["id"], "user.updated")
    http.patch(path, json={"email": f"third.{first}"})
    refused(revert(http, changed), errors.NotReversible)
    http.patch(path, json={"email": f"second.{first}"})
    assert reverted(http, changed) == ({"email": first, "email_verified": True}, [])
    http.patch(path, json={"email_verified": False})
    doubted = of(http, user["id"], "user.updated")
    http.patch(path, json={"email": f"fourth.{first}"})
    refused(revert(http, doubted), errors.NotReversible)
    assert read(http, user["id"])["email_verified"] is False


def test_an_address_that_someone_else_has_by_now_is_refused(http: httpx2.Client) -> None:
    user = new_user(http, external_id="crm-first")
    http.patch(f"/v1/users/{user['id']}", json={"email": f"new.{user['email']}"})
    event = of(http, user["id"], "user.updated")
    other = new_user(http, email=user["email"])
    refused(revert(http, event), errors.EmailTaken)
    http.delete(f"/v1/users/{other['id']}")
    new_user(http, email=other["email"])
    refused(revert(http, of(http, other["id"], "user.deleted")), errors.EmailTaken)
    http.patch(f"/v1/users/{user['id']}", json={"external_id": None})
    event = of(http, user["id"], "user.updated")
    new_user(http, external_id="crm-first")
    refused(revert(http, event), errors.ExternalIdTaken)


def test_groups_their_members_and_webhooks(http: httpx2.Client, user: Body) -> None:
    group = http.post("/v1/groups", json={"name": "Old", "metadata": {"a": 1}}).json()["id"]
    http.patch(f"/v1/groups/{group}", json={"name": "New", "metadata": {"a": 2}})
    [event] = http.get("/v1/events", params={"type": "group.updated", "order": "desc", "limit": 1}).json()
    answer = revert(http, event)
    assert answer.json()["reverted"] == {"name": "Old", "metadata": {"a": 1}}, answer.text
    member = f"/v1/groups/{group}/members/{user['id']}"

    def role() -> str | None:
        found = [each for each in http.get(f"/v1/groups/{group}/members").json() if each["user_id"] == user["id"]]
        return found[0]["role"] if found else None

    http.put(member, json={"role": "lead"})
    http.put(member, json={"role": "guest"})
    added, changed = of(http, user["id"], "group.member_added"), of(http, user["id"], "group.member_changed")
    refused(revert(http, added), errors.NotReversible)
    assert reverted(http, changed) == ({"role": "lead"}, []) and role() == "lead"
    http.delete(member)
    assert reverted(http, of(http, user["id"], "group.member_removed")) == ({"role": "lead"}, []) and role() == "lead"
    assert reverted(http, of(http, user["id"], "group.member_added")) == ({"role": None}, []) and role() is None

    hook = http.post("/v1/webhooks", json={"url": "inbox", "types": ["user.*"]}).json()
    path = f"/v1/webhooks/{hook['id']}"
    http.patch(path, json={"types": ["key.*"], "description": "Now", "url": "https://example.com/x"})
    me = http.get("/v1/users/me").json()["id"]
    assert reverted(http, of(http, me, "webhook.updated")) == ({"description": "", "types": ["user.*"]}, ["url"])
    found = http.get(path).json()
    assert (found["types"], found["description"], found["url"]) == (["user.*"], "", "https://example.com/x")
    http.patch(f"{path}", json={"status": "paused"})
    assert reverted(http, of(http, me, "webhook.updated")) == ({"status": "enabled"}, [])
    http.delete(path)
    refused(revert(http, of(http, me, "webhook.updated")), errors.NotReversible)


def test_keys_get_back_what_takes_no_proof(http: httpx2.Client) -> None:
    me = http.get("/v1/users/me").json()["id"]
    key = f"/v1/keys/{http.post('/v1/keys', json={'name': 'billing'}).json()['id']}"
    http.patch(key, json={"name": "shop"})
    assert reverted(http, of(http, me, "key.updated")) == ({"name": "billing"}, [])
    assert http.get(key).json()["name"] == "billing"
    http.patch(key, json={"name": "shop", "scopes": ["users:read"]})
    told = refused(revert(http, of(http, me, "key.updated")), errors.NotReversible)
    assert "takes your password" in told["error"]
    http.delete(key)
    told = refused(revert(http, of(http, me, "key.updated")), errors.NotReversible)
    assert "no longer works" in told["error"]


@once
@pytest.mark.parametrize("tries", [4])
def test_of_several_at_once_one_puts_it_back(server: Server, http: httpx2.Client, user: Body, tries: int) -> None:
    http.patch(f"/v1/users/{user['id']}", json={"name": "Renamed"})
    event = of(http, user["id"], "user.updated")
    answers: list[int] = []

    def ask() -> None:
        with server.http() as client:
            answers.append(revert(client, event).status_code)

    threads = [threading.Thread(target=ask) for _ in range(tries)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * (tries - 1)
