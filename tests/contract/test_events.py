"""The log of changes: one event for each change and none for anything else, in an order from which a reader can go
on."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from rollbook import clock, errors, ids
from rollbook.observe.metrics import REFUSALS
from rollbook.records.event_types import TYPES
from tests.contract.answers import Log, refused
from tests.engines import once
from tests.harness import OWNER_PASSWORD, Server, new_user, running
from tests.visitor import signed_in

FIELDS = {"id", "type", "created_at", "user_id", "actor", "object", "before"}


@pytest.fixture(scope="module")
def log(http: httpx2.Client) -> Log:
    return Log(http)


@pytest.fixture(scope="module")
def me(http: httpx2.Client) -> dict[str, Any]:
    return http.get("/v1/users/me").json()


def key_of(http: httpx2.Client, **fields: Any) -> dict[str, Any]:
    return http.post("/v1/keys", json={"name": "test", **fields}).json()


# ---- each change


class Change(NamedTuple):
    """A call that changes a user, and the event it leaves; `before` names the fields that it shows as they were."""

    type: str
    call: Callable[[httpx2.Client, dict[str, Any]], httpx2.Response]
    before: set[str] | None = None
    prepare: Callable[[httpx2.Client, dict[str, Any]], httpx2.Response] | None = None


def path(user: dict[str, Any]) -> str:
    return f"/v1/users/{user['id']}"


CHANGES = [
    Change("user.updated", lambda http, user: http.put(path(user), json={"name": "New"}), {"name"}),
    Change(
        "user.updated",
        lambda http, user: http.patch(path(user), json={"email": f"{ids.new('n')}@example.com"}),
        {"email"},
    ),
    Change(
        "user.promoted",
        lambda http, user: http.put(path(user), json={"name": user["name"], "role": "viewer", "metadata": {"a": 1}}),
        {"role", "metadata"},
    ),
    Change(
        "user.updated",
        lambda http, user: http.put(path(user), json={"role": "member"}),
        {"role"},
        lambda http, user: http.put(path(user), json={"role": "admin"}),
    ),
    Change(
        "user.updated",
        lambda http, user: http.put(
            path(user), json={"external_id": user["id"], "rate_limit": "5/minute", "email_verified": True}
        ),
        {"external_id", "rate_limit", "email_verified"},
    ),
    Change(
        "user.updated",
        lambda http, user: http.put(path(user), json={"email": f"{ids.new('n')}@example.com"}),
        {"email", "email_verified"},
        lambda http, user: http.put(path(user), json={"email_verified": True}),
    ),
    Change(
        "user.password_changed",
        lambda http, user: http.put(path(user) + "/password", json={"password": "anothersecurepassword"}),
    ),
    Change("user.suspended", lambda http, user: http.post(path(user) + "/suspend"), {"status"}),
    Change(
        "user.suspended",
        lambda http, user: http.put(path(user), json={"status": "suspended", "name": "New"}),
        {"status", "name"},
    ),
    Change(
        "user.activated",
        lambda http, user: http.post(path(user) + "/activate"),
        {"status"},
        lambda http, user: http.post(path(user) + "/suspend"),
    ),
    Change("user.deleted", lambda http, user: http.delete(path(user))),
    Change(
        "user.deleted",
        lambda http, user: http.delete(path(user)),
        None,
        lambda http, user: http.post("/v1/keys", json={"name": "dies too", "user_id": user["id"]}),
    ),
    Change(
        "user.restored",
        lambda http, user: http.post(path(user) + "/restore"),
        None,
        lambda http, user: http.delete(path(user)),
    ),
    Change("user.purged", lambda http, user: http.delete(path(user) + "?purge=true")),
    Change(
        "user.purged",
        lambda http, user: http.delete(path(user) + "?purge=true"),
        None,
        lambda http, user: http.delete(path(user)),
    ),
    Change(
        "token.created",
        lambda http, user: http.post(path(user) + "/tokens", json={"purpose": "verify_email", "data": {}}),
    ),
    Change("key.created", lambda http, user: http.post("/v1/keys", json={"name": "test", "user_id": user["id"]})),
]


@pytest.mark.parametrize("change", CHANGES, ids=[f"{number} {change.type}" for number, change in enumerate(CHANGES)])
@once
def test_each_change_of_a_user_writes_one_event_with_actor_object_and_what_was(
    http: httpx2.Client, log: Log, me: dict[str, Any], user: dict, change: Change
) -> None:
    if change.prepare is not None:
        assert change.prepare(http, user).is_success
    found = http.get(path(user))
    was = found.json() if found.is_success else user
    key = http.get("/v1/keys/current").json()
    log.news()
    answer = change.call(http, user)
    assert answer.is_success, answer.text
    (event,) = log.news()
    assert set(event) == FIELDS and event["type"] == change.type
    assert event["id"].startswith("evt_") and event["user_id"] == user["id"]
    assert abs(clock.parse(event["created_at"]) - clock.now()) < clock.MINUTE
    assert event["actor"] == {
        "user_id": me["id"],
        "key_id": key["id"],
        "address": "127.0.0.1",
        "request_id": answer.headers["x-request-id"],
        "trace_id": None,
        "client": None,
        "key_created_by": None,
    }
    assert event["before"] == (None if change.before is None else {field: was[field] for field in change.before})
    if change.type == "user.purged":
        assert event["object"] == {"id": user["id"]}
    elif change.type == "key.created":
        assert event["object"].items() <= http.get(f"/v1/keys/{answer.json()['id']}").json().items()
    elif change.type == "token.created":
        (token,) = http.get(path(user) + "/tokens").json()
        assert event["object"] == {name: value for name, value in token.items() if name != "redirect_url"} | {
            "send": False
        }
    elif change.type == "user.password_changed":
        assert event["object"] == http.get(path(user)).json() | {"first_password": False}
    elif change.type == "user.deleted":
        assert event["object"] == was
    else:
        assert event["object"] == http.get(path(user)).json()


def test_a_new_user_writes_one_event(http: httpx2.Client, log: Log) -> None:
    log.news()
    user = new_user(http, role="viewer", metadata={"a": "é"}, external_id=ids.new("x"))
    (event,) = log.news()
    assert (event["type"], event["before"]) == ("user.created", None)
    assert event["object"] == http.get(path(user)).json()


def test_each_change_of_a_key_writes_one_event(http: httpx2.Client, log: Log, me: dict[str, Any]) -> None:
    key = key_of(http, scopes=["users:read"])
    for type, method, call, body in (
        ("key.updated", "PATCH", "", {"name": "changed"}),
        ("key.revealed", "POST", "/reveal", {"password": OWNER_PASSWORD}),
        ("key.rotated", "POST", "/rotate", {"overlap": 60}),
        ("key.revoked", "DELETE", "", None),
    ):
        log.news()
        answer = http.request(method, f"/v1/keys/{key['id']}{call}", json=body)
        (event,) = log.news()
        assert (event["type"], event["user_id"], event["actor"]["request_id"]) == (
            type,
            me["id"],
            answer.headers["x-request-id"],
        )
        about = answer.json()["id"] if type == "key.rotated" else key["id"]
        now = http.get(f"/v1/keys/{about}").json()
        assert {**event["object"], "last_used_at": None}.items() <= {**now, "last_used_at": None}.items()
        if type == "key.rotated":
            assert event["before"]["id"] == key["id"] and event["before"]["expires_at"] is not None


def test_a_session_writes_one_event_when_it_begins_and_one_when_it_ends(
    server: Server, http: httpx2.Client, log: Log, me: dict[str, Any], user: dict
) -> None:
    log.news()
    signed_in(server, user).close()
    [session] = http.get("/v1/sessions", params={"user": user["id"]}).json()
    answer = http.delete(f"/v1/sessions/{session['id']}")
    signed, began, ended = log.news()
    assert [event["type"] for event in (signed, began, ended)] == [
        "user.signed_in",
        "session.created",
        "session.revoked",
    ]
    assert signed["object"] == http.get(path(user)).json() and signed["actor"] == began["actor"]
    assert began["object"] == {**session, "new_device": False}
    assert ended["object"] == session and began["user_id"] == ended["user_id"] == user["id"]
    assert began["actor"]["user_id"] == user["id"] and began["actor"]["key_id"] is None
    assert (ended["actor"]["user_id"], ended["actor"]["request_id"]) == (me["id"], answer.headers["x-request-id"])


def test_rotation_without_overlap_is_one_event_too(http: httpx2.Client, log: Log) -> None:
    key = key_of(http)
    log.news()
    http.post(f"/v1/keys/{key['id']}/rotate", json={})
    (event,) = log.news()
    assert event["type"] == "key.rotated" and event["before"]["revoked_at"] is not None


def test_the_cases_above_are_all_types_there_are() -> None:
    seen = {change.type for change in CHANGES} | {"user.created", "key.revealed", "key.rotated", "key.revoked"}
    seen |= {"key.updated"}  # test_key_changes
    seen |= {"token.consumed", "token.revoked"}  # test_tokens
    seen |= {"token.requested"}  # test_requested_tokens
    seen |= {"token.email_change_requested"}  # test_mail_notices
    seen |= {"session.created", "session.revoked", "user.signed_in"}
    seen |= {"user.guesses_exhausted"}  # test_failed_guesses
    seen |= {"user.access_ended"}  # test_adoption
    seen |= {*REFUSALS, "limit.exceeded", "key.expiring", "key.expired"}  # test_event_notices
    seen |= {type for type in TYPES if type.startswith("second_factor.")}  # test_second_factors
    seen |= {"import.finished", "import.waiting", "users.exported"}  # test_imports, test_import_absence, test_exports
    seen |= {type for type in TYPES if type.startswith("rule.")}  # test_rules
    seen |= {"bulk_job.finished"}  # test_bulk_jobs
    seen |= {"settings.updated"}  # test_mail_settings
    seen |= {"application.updated"}  # test_oauth2
    seen |= {type for type in TYPES if type.startswith("group.")}  # test_groups
    seen |= {"session.reuse_detected"}  # test_app_sessions
    seen |= {"session.impersonated"}  # test_impersonation
    seen |= {type for type in TYPES if type.startswith("webhook.")}  # test_webhooks
    assert seen == set(TYPES) - {"server.test"}


# ---- what is no change


def test_what_changes_nothing_writes_nothing(http: httpx2.Client, log: Log, user: dict) -> None:
    whole = http.get(path(user)).json()
    with log.silent():
        for body in (
            {},
            whole,
            {"name": user["name"]},
            {"email": user["email"], "metadata": {}},
            {"role": "member", "status": "active", "external_id": None},
        ):
            assert http.put(path(user), json=body).status_code == 200
        assert http.post(path(user) + "/activate").status_code == 200
        assert http.get(path(user)).json() == whole
    http.post(path(user) + "/suspend")
    with log.silent():
        assert http.post(path(user) + "/suspend").status_code == 200


def test_reading_writes_nothing(http: httpx2.Client, log: Log, user: dict) -> None:
    with log.silent():
        for read in (
            "/v1/users",
            path(user),
            path(user) + "/export",
            "/v1/users/count",
            "/v1/keys",
            "/v1/keys/current",
            "/v1/events",
            "/metrics",
        ):
            assert http.get(read).status_code == 200


def test_a_verified_password_is_an_event_with_the_address_of_the_person(
    http: httpx2.Client, log: Log, me: dict, user: dict
) -> None:
    for address in ("203.0.113.9", None):
        log.news()
        credentials = {"email": user["email"], "password": user["password"]}
        answer = http.post(
            "/v1/users/verify-password", json=credentials | ({} if address is None else {"address": address})
        )
        assert answer.status_code == 200
        (event,) = log.news()
        assert (event["type"], event["user_id"], event["before"]) == ("user.signed_in", user["id"], None)
        assert event["object"] == http.get(path(user)).json() and event["object"]["last_sign_in_at"] is not None
        assert (event["actor"]["user_id"], event["actor"]["address"]) == (me["id"], address or "127.0.0.1")


def test_what_fails_writes_nothing(http: httpx2.Client, log: Log, me: dict[str, Any], user: dict) -> None:
    other = new_user(http)
    key = key_of(http)
    with log.silent():
        for answer in (
            http.put(path(user), json={"name": "New", "email": other["email"]}),
            http.put(path(user), json={"name": "New"}, headers={"If-Match": '"999"'}),
            http.put(path(user), json={"name": ""}),
            http.put(path(user) + "/password", json={"password": "short"}),
            http.delete(path(me)),
            http.put(path(me), json={"role": "member"}),
            http.post("/v1/users", json={"name": "A", "email": other["email"], "password": "securepassword123"}),
            http.post(f"/v1/keys/{key['id']}/reveal", json={"password": "wrong"}),
            http.delete(f"/v1/keys/{ids.new('key')}"),
            http.post(f"/v1/users/{ids.new('user')}/restore"),
            http.delete(f"/v1/users/{ids.new('user')}?purge=true"),
        ):
            assert 400 <= answer.status_code < 500, answer.text
    assert http.get(path(user)).json()["name"] == user["name"]


def test_a_replayed_answer_writes_no_second_event(http: httpx2.Client, log: Log) -> None:
    body = {"name": "Once", "email": f"{ids.new('n')}@example.com", "password": "securepassword123"}
    log.news()
    for _ in range(3):
        assert http.post("/v1/users", json=body, headers={"Idempotency-Key": body["email"]}).status_code == 201
    assert [event["type"] for event in log.news()] == ["user.created"]


def test_the_command_line_writes_events_too(server: Server, log: Log, user: dict) -> None:
    log.news()
    server.rollbook("users", "set", user["email"], "--name", "By hand", "--data", str(server.data))
    server.rollbook("users", "set", user["email"], "--name", "By hand", "--data", str(server.data))
    (event,) = log.news()
    assert (event["type"], event["before"]) == ("user.updated", {"name": user["name"]})
    assert event["actor"] == {"address": "cli"} | dict.fromkeys(
        ("user_id", "key_id", "key_created_by", "request_id", "trace_id", "client")
    )


# ---- no secrets


def test_no_event_and_no_export_holds_a_secret(http: httpx2.Client, user: dict) -> None:
    secrets = [user["password"], "anothersecurepassword", OWNER_PASSWORD]
    http.put(path(user) + "/password", json={"password": secrets[1]})
    for options in ({}, {"revealable": False}):
        key = key_of(http, user_id=user["id"], **options)
        secrets += [key["key"], http.post(f"/v1/keys/{key['id']}/rotate", json={}).json()["key"]]
    own = key_of(http)
    secrets.append(http.post(f"/v1/keys/{own['id']}/reveal", json={"password": OWNER_PASSWORD}).json()["key"])
    for text in (
        http.get("/v1/events", params={"limit": 1000, "user": user["id"]}).text,
        http.get(path(user) + "/export").text,
        all_events(http),
    ):
        assert not [secret for secret in secrets if secret in text]
        # Not as a part of other words: IDs are made up of letters.
        assert not re.search(r"\b(argon2|digest|sealed|password_hash)", text)


def all_events(http: httpx2.Client) -> str:
    log = Log(http)
    log.after = None
    return str(log.news())


# ---- order and going on


def test_pages_by_after_are_the_whole_log_in_its_order(http: httpx2.Client, user: dict) -> None:
    for number in range(7):
        http.put(path(user), json={"name": f"Name {number}"})
    whole = http.get("/v1/events", params={"user": user["id"]}).json()
    assert [event["type"] for event in whole] == ["user.created", *["user.updated"] * 7]
    assert [event["object"]["name"] for event in whole][1:] == [f"Name {number}" for number in range(7)]
    found: list[dict[str, Any]] = []
    while page := http.get(
        "/v1/events", params={"user": user["id"], "limit": 3} | ({"after": found[-1]["id"]} if found else {})
    ).json():
        assert len(page) <= 3
        found += page
    assert found == whole
    assert http.get("/v1/events", params={"after": whole[-1]["id"], "user": user["id"]}).json() == []


def test_a_reader_beside_writers_of_several_workers_misses_nothing_and_sees_nothing_twice(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--workers", "4", "--rate-limit", "none") as server, server.http() as http:
        users = [new_user(http) for _ in range(4)]
        log = Log(http)
        made: list[str] = []

        def write(user: dict[str, Any]) -> None:
            for number in range(60):
                with server.http() as own:  # a new connection: often another worker
                    answer = own.put(path(user), json={"name": f"Name {number}"})
                    made.append(answer.headers["x-request-id"])

        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(write, user) for user in users]
            seen: list[dict[str, Any]] = []
            while not all(job.done() for job in done):
                seen += log.news()
            for job in done:
                job.result()
        seen += log.news()
        assert sorted(event["actor"]["request_id"] for event in seen) == sorted(made) and len(made) == 240
        for user in users:
            names = [event["object"]["name"] for event in seen if event["user_id"] == user["id"]]
            assert names == [f"Name {number}" for number in range(60)]
        from_the_start = http.get("/v1/events", params={"limit": 1000}).json()
        assert [event["id"] for event in from_the_start][-240:] == [event["id"] for event in seen]


@once
@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("type", "user.exploded"),
        ("type", ""),
        ("after", "evt_1"),
        ("after", "evt_06h15iau59rth0k51t0sbk84b4"),
        ("after", ""),
        ("limit", "0"),
        ("limit", "1001"),
        ("offset", "1"),
        ("user", ""),
    ],
)
def test_a_bad_parameter_is_400(http: httpx2.Client, parameter: str, value: str) -> None:
    assert refused(http.get("/v1/events", params={parameter: value}), errors.InvalidParameter)["param"] == parameter


def test_filters_by_type_and_user(http: httpx2.Client, user: dict) -> None:
    http.put(path(user), json={"name": "New"})
    key_of(http, user_id=user["id"])
    kinds = [event["type"] for event in http.get("/v1/events", params={"user": user["id"]}).json()]
    assert kinds == ["user.created", "user.updated", "key.created"]
    both = http.get("/v1/events", params={"user": user["id"], "type": "key.created"}).json()
    assert [event["type"] for event in both] == ["key.created"]
    other = new_user(http)
    http.put(path(other), json={"name": "New"})
    after = http.get("/v1/events", params={"user": user["id"]}).json()[0]["id"]
    updated = http.get("/v1/events", params={"type": "user.updated", "after": after}).json()
    assert [(event["type"], event["user_id"]) for event in updated] == [
        ("user.updated", id) for id in (user["id"], other["id"])
    ]
    assert http.get("/v1/events", params={"user": ids.new("user")}).json() == []


# ---- large ones


def large(letter: str, **fields: Any) -> dict[str, Any]:
    """Metadata of nearly 16 KiB that looks like what is stored in its place."""
    return {"metadata": letter, "name": f'"metadata":"{letter * 32}"', "text": letter * 16_000, **fields}


def test_metadata_that_events_share_is_in_each_of_them_before_and_after(http: httpx2.Client, log: Log) -> None:
    user, other = new_user(http, metadata=large("a")), new_user(http, metadata=large("a"))
    digest = hashlib.sha256(
        user["id"].encode() + json.dumps(user["metadata"], separators=(",", ":")).encode()
    ).hexdigest()[:32]
    log.news()
    for changes in (
        {"name": "New"},
        {"metadata": large("b")},
        {"metadata": {"a": 1}, "external_id": digest},
        {"metadata": large("a")},
        {"name": digest},
    ):
        was = http.get(path(user)).json()
        now = http.patch(path(user) + "?fields=*", json=changes).json()
        (event,) = log.news()
        assert event["object"] == now and event["before"] == {name: was[name] for name in changes}
    http.post(path(user) + "/tokens", json={"purpose": "reset_password"})
    http.delete(path(user))
    assert log.news()[-1]["object"] == now
    assert http.delete(path(user) + "?purge=true").is_success
    http.patch(path(other), json={"name": "Not erased"})
    assert log.news()[-1]["object"]["metadata"] == large("a")


def test_an_event_of_a_large_user_stores_what_changed(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none") as server, server.http() as http:
        user = new_user(http, metadata=large("a"))
        before = stored(server)
        for number in range(50):
            assert http.patch(path(user), json={"name": f"Name {number}"}).is_success
        assert stored(server) - before < 50 * 1024
        for number in range(50):
            assert http.patch(path(user), json={"metadata": large("ab"[number % 2])}).is_success
        assert stored(server) - before < 100 * 1024 + 40_000


def stored(server: Server) -> int:
    """Characters that the log takes up."""
    sizes = (
        "SELECT coalesce(sum(length(object) + coalesce(length(before), 0)), 0) FROM events",
        "SELECT coalesce(sum(length(value)), 0) FROM event_metadata",
    )
    with server.http() as http:
        http.get("/v1/events?limit=1")  # numbers them
    return sum(server.ask(sql)[0][0] for sql in sizes)


def test_a_page_of_events_ends_at_1_mib_and_its_links_lead_to_all(http: httpx2.Client, log: Log) -> None:
    user = new_user(http)
    for number in range(100):
        http.patch(path(user), json={"metadata": large("ab"[number % 2])})
    url: str | None = f"/v1/events?user={user['id']}&limit=1000"
    sizes, found = [], []
    while url is not None:
        answer = http.get(url)
        sizes.append(len(answer.content))
        found += answer.json()
        url = answer.links.get("next", {}).get("url")
    assert len(found) == 101 and max(sizes) < 1.1 * 1024 * 1024 and len(sizes) == 4
    assert [event["object"]["metadata"].get("metadata") for event in found] == [None, *["a", "b"] * 50]
    assert "link" not in http.get("/v1/events", params={"user": user["id"], "after": found[-1]["id"]}).headers
    few = http.get("/v1/events", params={"user": user["id"], "type": "user.updated", "limit": 2})
    assert http.get(few.links["next"]["url"]).json() == found[3:5]


# ---- erased


def test_purge_erases_all_that_the_log_holds_about_a_person(http: httpx2.Client, log: Log, user: dict) -> None:
    http.put(path(user), json={"name": "Nobody Elses Name"})
    key_of(http, user_id=user["id"], name="Nobody Elses Key")
    http.delete(path(user))
    log.news()
    http.delete(path(user) + "?purge=true")
    *erased, event = http.get("/v1/events", params={"user": user["id"]}).json()
    assert log.news() == [event] and event["type"] == "user.purged"
    assert all(set(each["object"]) == {"id", "erased"} and each["before"] is None for each in erased)
    text = all_events(http)
    assert "Nobody Elses" not in text and user["email"] not in text


@pytest.mark.parametrize("read", ["the last event", "an event before it", "all but the newest user"])
def test_a_reader_whose_last_event_was_erased_goes_on_and_misses_nothing(
    http: httpx2.Client, log: Log, read: str
) -> None:
    first, second = new_user(http), new_user(http)
    log.news()
    if read == "all but the newest user":
        http.put(path(second), json={"name": "Read"})
    else:
        http.put(path(first), json={"name": "Read"})
        http.put(path(second), json={"name": "Not erased"})
        http.put(path(first), json={"name": "The newest event of all"})
    following = Log(http)
    if read == "an event before it":
        following.after = http.get("/v1/events", params={"user": first["id"]}).json()[1]["id"]
    erased, kept = (second, first) if read == "all but the newest user" else (first, second)
    assert http.delete(path(erased) + "?purge=true").status_code == 204
    assert http.put(path(kept), json={"name": "After"}).status_code == 200
    found = [(event["type"], event["object"].get("name")) for event in following.news()]
    missed = [("user.updated", "Not erased"), ("user.updated", None)] if read == "an event before it" else []
    assert found == [*missed, ("user.purged", None), ("user.updated", "After")]


def test_old_events_go_by_the_clock_and_the_newest_stays(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none", "--event-retention", "7") as server, server.http() as http:
        user = new_user(http)
        answer = http.get("/v1/events")
        before, position = answer.json(), int(answer.headers["event-position"])
        assert len(before) >= 2
        # The loop that drops them does so once a minute, and when the server starts.
        server.stop()
        server.pass_time(8 * 86_400)
        server.start()
        deadline = clock.now() + 60 * clock.SECOND
        while len(left := http.get("/v1/events").json()) > 1 and clock.now() < deadline:
            threading.Event().wait(0.05)
        assert left == before[-1:]
        gone = (before[0]["id"], "0", str(position - 2))
        for place in ("/v1/events", "/v1/events/stream"):
            assert all(refused(http.get(place, params={"after": each}), errors.PositionExpired) for each in gone)
        assert http.get("/v1/events", params={"before": before[0]["id"], "order": "desc"}).json() == []
        refused(http.get("/v1/events", params={"after": "evt_1" + "0" * 25}), errors.InvalidParameter)  # made in 2248
        refused(http.get("/v1/events", params={"after": position + 1}), errors.InvalidParameter)
        assert (
            http.get("/v1/events", params={"after": position - 1}).json() == before[-1:]
        )  # nothing is missing in between
        http.put(path(user), json={"name": "New"})
        for known in (before[-1]["id"], position):
            assert [event["type"] for event in http.get("/v1/events", params={"after": known}).json()] == [
                "user.updated"
            ]


# ---- who may read it


def test_only_a_key_with_the_scope_reads_it(as_role: Callable[..., httpx2.Client]) -> None:
    refused(as_role("member").get("/v1/events"), errors.InsufficientScope)
    refused(as_role("admin", scopes=["users:read"]).get("/v1/events"), errors.InsufficientScope)
    assert as_role("viewer", scopes=["events:read"]).get("/v1/events").status_code == 200
