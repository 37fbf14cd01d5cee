"""Webhooks: created, changed, paused and deleted; their secrets; whose they are, and that they end with the right to
read events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from rollbook import errors, ids
from rollbook.roles import SCOPES
from tests.contract.answers import Log, refused
from tests.engines import once
from tests.grids import grid
from tests.harness import OWNER_PASSWORD, Server, new_key, new_user
from tests.nodes.pair import wait_until
from tests.visitor import signed_in

URL = "https://receiver.invalid/hooks/rollbook?tenant=1"


def make(http: httpx2.Client, **fields: Any) -> dict[str, Any]:
    answer = http.post("/v1/webhooks", json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def path(webhook: dict[str, Any]) -> str:
    return f"/v1/webhooks/{webhook['id']}"


def get(http: httpx2.Client, webhook: dict[str, Any]) -> dict[str, Any]:
    answer = http.get(path(webhook))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def admin(as_role: Callable[..., httpx2.Client]) -> httpx2.Client:
    return as_role("admin")


# ---- created, read, changed


def test_a_new_webhook_has_what_was_asked_for_and_the_secret_only_now(admin: httpx2.Client) -> None:
    fields = {
        "description": "Billing",
        "types": ["user.*", "key.created"],
        "format": "cloudevents",
        "payload": "thin",
        "ordering": "none",
        "headers": {"X-Tenant": "Acme Inc."},
        "status": "paused",
    }
    made = make(admin, **fields)
    assert {name: made[name] for name in fields} == {**fields, "headers": ["X-Tenant"]}
    assert made["url"] == URL and made["user_id"] == admin.user["id"]  # type: ignore[attr-defined]
    assert made["secret"].startswith("whsec_") and len(made["secret"]) == 50
    assert made["health"].keys() == {
        "delivered",
        "failed",
        "last_outcome",
        "waiting",
        "next_attempt_at",
        "failing_since",
        "summary",
    }
    secret = made.pop("secret")
    found = get(admin, made)
    assert found == made | {"health": found["health"]}  # other tests' events may wait meanwhile
    for text in (admin.get(path(made)).text, admin.get("/v1/webhooks").text, admin.get("/v1/events?limit=1000").text):
        assert made["id"] in text and secret not in text and "Acme" not in text


def test_by_default_a_webhook_gets_whole_events_of_all_types_in_order(admin: httpx2.Client) -> None:
    made = make(admin)
    defaults = {"types": ["*"], "format": "standard", "payload": "full", "ordering": "user", "status": "enabled"}
    assert {name: made[name] for name in defaults} == defaults
    assert (made["description"], made["headers"], made["status_reason"]) == ("", [], None)


def test_what_is_secret_is_nowhere_in_what_the_server_writes_down(server: Server, http: httpx2.Client) -> None:
    made = make(http, headers={"Authorization": "Bearer of-the-receiver"})
    rotated = http.post(path(made) + "/rotate-secret").json()
    kept = b"".join(server.kept().values())
    for secret in (made["secret"], rotated["secret"], "of-the-receiver"):
        assert secret.removeprefix("whsec_").encode() not in kept
    assert made["id"].encode() in kept
    events = http.get("/v1/events?limit=1000").text
    assert "tenant=1" not in events and '"url":"https://receiver.invalid/…"' in events, (
        "the path of a URL may be a secret"
    )
    http.delete(path(made))


def test_webhooks_are_listed_oldest_first_in_pages(http: httpx2.Client, admin: httpx2.Client) -> None:
    made = [make(admin)["id"] for _ in range(3)]
    answer = admin.get("/v1/webhooks", params={"user": "me", "limit": 2})
    assert [each["id"] for each in answer.json()] == made[:2] and answer.headers["x-total-count"] == "3"
    rest = http.get("/v1/webhooks", params={"user": admin.user["id"], "offset": 2})  # type: ignore[attr-defined]
    assert [each["id"] for each in rest.json()] == made[2:]
    assert set(made) <= {each["id"] for each in http.get("/v1/webhooks?limit=1000").json()}, "an admin sees all"


def test_a_viewer_sees_no_webhooks_of_others(admin: httpx2.Client, as_role: Callable[..., httpx2.Client]) -> None:
    make(admin)
    viewer = as_role("viewer")
    own = make(viewer)
    assert [each["id"] for each in viewer.get("/v1/webhooks").json()] == [own["id"]]
    refused(viewer.get("/v1/webhooks", params={"user": admin.user["id"]}), errors.InsufficientScope)  # type: ignore[attr-defined]


def test_an_update_changes_what_is_sent_and_records_what_was(admin: httpx2.Client) -> None:
    made = make(admin, headers={"X-Tenant": "acme", "X-Old": "1"})
    log = Log(admin)
    changes = {"description": "new", "types": ["key.*", "key.*"], "headers": {"x-old": None, "X-New": "2"}}
    answer = admin.patch(path(made), json=changes)
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert (changed["description"], changed["types"], changed["headers"]) == ("new", ["key.*"], ["X-Tenant", "X-New"])
    (event,) = log.news()
    assert event["type"] == "webhook.updated" and event["user_id"] == admin.user["id"]  # type: ignore[attr-defined]
    assert event["before"] == {"description": "", "types": ["*"], "headers": ["X-Tenant", "X-Old"]}
    with log.silent():
        again = admin.patch(path(made), json={"description": "new", "types": ["key.*"]}).json()
        assert again == changed | {"health": again["health"]}, "no change, no event"


def test_an_update_of_a_stale_version_changes_nothing(admin: httpx2.Client) -> None:
    made = make(admin)
    tag = admin.get(path(made)).headers["etag"]
    assert admin.patch(path(made), json={"description": "a"}, headers={"If-Match": tag}).status_code == 200
    with Log(admin).silent():
        refused(
            admin.patch(path(made), json={"description": "b"}, headers={"If-Match": tag}), errors.PreconditionFailed
        )
        refused(admin.delete(path(made), headers={"If-Match": tag}), errors.PreconditionFailed)
    assert get(admin, made)["description"] == "a"


@once
@grid(
    ("fields", "param"),
    [
        *(
            ({"url": url}, "url")
            for url in (
                "",
                "ftp://example.com",
                "https://",
                "https://user:password@example.com/",
                "https://example.com/#part",
                "https://example.com/a b",
                "https://example.com/\u00e4",
                "Inbox",
                "http://example.com",
                "https://127.0.0.1/",
                "https://[::1]/",
                "https://10.1/",
                "https://169.254.169.254/",
                "https://example.com/" + "a" * 2048,
                None,
                "https://example.com\n",
            )
        ),
        *(
            ({"types": types}, "types")
            for types in ([], ["user"], ["user.exploded"], ["*.created"], "user.*", [""], ["user.*"] * 65)
        ),
        *(
            ({"headers": headers}, "headers")
            for headers in (
                {"Host": "a"},
                {"webhook-id": "a"},
                {"Content-Type": "a"},
                {"X A": "a"},
                {"X-A": "a\r\nX-B: b"},
                {"X-A": ""},
                {"X-A": " a"},
                {"X-A": 1},
                {"X-A": "a", "x-a": "b"},
                {f"X-{i}": "a" for i in range(21)},
                {"X-A": "a" * 4096},
                ["X-A"],
            )
        ),
        ({"description": "a" * 256}, "description"),
        ({"description": "a\nb"}, "description"),
        ({"format": "xml"}, "format"),
        ({"payload": "none"}, "payload"),
        ({"ordering": "global"}, "ordering"),
        ({"status": "disabled"}, "status"),
        ({"secret": "whsec_mine"}, "secret"),
        ({"user_id": 1}, "user_id"),
    ],
)
def test_a_bad_field_makes_no_webhook_and_is_named(http: httpx2.Client, fields: dict[str, Any], param: str) -> None:
    with Log(http).silent():
        assert (
            refused(http.post("/v1/webhooks", json={"url": "inbox", **fields}), errors.InvalidParameter)["param"]
            == param
        )


def test_headers_of_many_updates_stay_within_their_bounds(admin: httpx2.Client) -> None:
    made = make(admin, headers={f"X-{i}": "a" * 200 for i in range(15)})
    more = {f"Y-{i}": "a" for i in range(6)}
    assert refused(admin.patch(path(made), json={"headers": more}), errors.InvalidParameter)["param"] == "headers"
    refused(admin.patch(path(made), json={"headers": {"Y": "a" * 1100}}), errors.InvalidParameter)
    assert len(get(admin, made)["headers"]) == 15


def test_a_deleted_webhook_is_gone(admin: httpx2.Client) -> None:
    made = make(admin)
    log = Log(admin)
    assert admin.delete(path(made)).status_code == 204
    assert [event["type"] for event in log.news()] == ["webhook.deleted"]
    for answer in (
        admin.get(path(made)),
        admin.patch(path(made), json={}),
        admin.delete(path(made)),
        admin.patch(path(made), json={"status": "paused"}),
    ):
        refused(answer, errors.NotFound)
    assert made["id"] not in admin.get("/v1/webhooks").text


def test_a_repeated_creation_makes_one_webhook_and_returns_its_secret_again(admin: httpx2.Client) -> None:
    again = {"Idempotency-Key": ids.new("n")}
    first, second = (admin.post("/v1/webhooks", json={"url": "inbox"}, headers=again) for _ in range(2))
    assert first.json() == second.json() and second.headers["idempotency-replayed"] == "true"


def test_a_user_has_at_most_fifty_webhooks(http: httpx2.Client, admin: httpx2.Client) -> None:
    for _ in range(50):
        made = make(admin)
    refused(admin.post("/v1/webhooks", json={"url": "inbox"}), errors.WebhookLimitReached)
    other = make(http)
    to_admin = {"user_id": admin.user["id"]}  # type: ignore[attr-defined]
    refused(http.patch(path(other), json=to_admin), errors.WebhookLimitReached)
    assert admin.delete(path(made)).status_code == 204
    assert http.patch(path(other), json=to_admin).json()["user_id"] == to_admin["user_id"]
    assert http.delete(f"/v1/users/{to_admin['user_id']}?purge=true").status_code == 204


def test_the_url_of_a_chat_is_sealed_and_shown_by_its_host_only(server: Server, http: httpx2.Client) -> None:
    url, shown = "https://receiver.invalid/services/T0/sesame", "https://receiver.invalid/…"
    made = make(http, url=url, format="slack", headers={"X-Tenant": "acme"})
    assert made["url"] == shown
    log = Log(http)
    for same in ({"url": shown}, {"url": url}):
        assert http.patch(path(made), json=same).json()["headers"] == ["X-Tenant"]
    assert log.news() == []
    moved = http.patch(path(made), json={"url": url + "2"}).json()
    assert (moved["url"], moved["headers"]) == (shown, [])
    [event] = log.news()
    assert "sesame" not in str(event)
    plain = make(http, url=url)
    assert plain["url"] == url
    assert http.patch(path(plain), json={"format": "teams"}).json()["url"] == shown
    assert http.patch(path(plain), json={"format": "standard"}).json()["url"] == shown
    for answer in (
        http.post("/v1/webhooks", json={"url": shown}),
        http.patch(path(plain), json={"url": "https://other.invalid/…"}),
    ):
        assert refused(answer, errors.InvalidParameter)["param"] == "url"
    rows = server.ask(f"SELECT * FROM webhooks WHERE id IN ('{made['id']}', '{plain['id']}')")
    assert len(rows) == 2 and "sesame" not in str(rows)


# ---- paused and resumed


def test_a_paused_webhook_waits_until_it_is_resumed(admin: httpx2.Client) -> None:
    made = make(admin)
    log = Log(admin)
    assert admin.patch(path(made), json={"status": "paused"}).json()["status"] == "paused"
    assert admin.patch(path(made), json={"status": "paused"}).json()["status"] == "paused"
    assert admin.patch(path(made), json={"status": "enabled"}).json()["status"] == "enabled"
    assert [(event["type"], event["before"]["status"]) for event in log.news()] == [
        ("webhook.updated", "enabled"),
        ("webhook.updated", "paused"),
    ]
    assert admin.patch(path(made), json={"status": "paused"}).json()["status"] == "paused"


def test_what_happens_during_a_pause_waits_unless_it_is_skipped(http: httpx2.Client, admin: httpx2.Client) -> None:
    made = make(admin)
    admin.patch(path(made), json={"status": "paused"})
    before = get(admin, made)["health"]["waiting"]
    for _ in range(3):
        new_user(http)
    http.get("/v1/events?limit=1")  # on PostgreSQL, events get their numbers when somebody reads
    assert get(admin, made)["health"]["waiting"] >= before + 3
    skipped = admin.patch(path(made), json={"status": "enabled", "from": "now"}).json()
    assert skipped["health"]["waiting"] <= 1, "the event that says so"


# ---- the secret


def test_the_secret_is_revealed_for_the_password(server: Server, http: httpx2.Client) -> None:
    made = make(http)
    log = Log(http)
    answer = http.post(path(made) + "/reveal", json={"password": OWNER_PASSWORD})
    assert answer.status_code == 200 and answer.json()["secret"] == made["secret"]
    assert [event["type"] for event in log.news()] == ["webhook.revealed"]
    with log.silent():
        refused(http.post(path(made) + "/reveal", json={"password": "not the password"}), errors.WrongPassword)
    http.delete(path(made))


def test_a_rotated_secret_is_another_one(http: httpx2.Client) -> None:
    made = make(http)
    log = Log(http)
    answer = http.post(path(made) + "/rotate-secret", json={"overlap": 60})
    assert answer.status_code == 200, answer.text
    assert answer.json()["secret"] not in (None, made["secret"])
    assert (
        http.post(path(made) + "/reveal", json={"password": OWNER_PASSWORD}).json()["secret"] == answer.json()["secret"]
    )
    assert [event["type"] for event in log.news()] == ["webhook.rotated", "webhook.revealed"]
    http.delete(path(made))


# ---- who may, and for how long


def test_a_key_that_cannot_read_events_decides_nothing_about_where_they_go(
    server: Server, http: httpx2.Client, admin: httpx2.Client
) -> None:
    made = make(admin)
    key = new_key(http, user_id=admin.user["id"], scopes=sorted(set(SCOPES) - {"events:read"}))  # type: ignore[attr-defined]
    with server.http(key) as narrow, Log(http).silent():
        refused(narrow.post("/v1/webhooks", json={"url": "inbox"}), errors.InsufficientScope)
        for changes in ({"url": "inbox"}, {"types": ["*"]}, {"format": "slack"}, {"payload": "full"}):
            answer = refused(narrow.patch(path(made), json=changes), errors.InsufficientScope)
            assert answer["error"] == "This API key does not have the scope events:read."
    with server.http(key) as narrow:
        assert narrow.patch(path(made), json={"description": "mine"}).status_code == 200
        assert narrow.patch(path(made), json={"status": "paused"}).status_code == 200


def test_a_webhook_belongs_to_a_user_who_may_have_it(
    http: httpx2.Client, user: dict, as_role: Callable[..., httpx2.Client]
) -> None:
    viewer = as_role("viewer")
    with Log(http).silent():
        for id in (user["id"], ids.new("user"), "nobody"):
            answer = http.post("/v1/webhooks", json={"url": "inbox", "user_id": id})
            assert refused(answer, errors.InvalidParameter)["param"] == "user_id"
        refused(viewer.post("/v1/webhooks", json={"url": "inbox", "user_id": user["id"]}), errors.InsufficientScope)
    assert make(http, user_id=viewer.user["id"])["id"] in viewer.get("/v1/webhooks").text  # type: ignore[attr-defined]


LOSSES: dict[str, Callable[[httpx2.Client, str], httpx2.Response]] = {
    "owner_suspended": lambda http, user: http.post(user + "/suspend"),
    "owner_demoted": lambda http, user: http.patch(user, json={"role": "member"}),
    "owner_deleted": lambda http, user: http.delete(user),
}


@pytest.mark.parametrize("reason", LOSSES)
def test_a_webhook_is_disabled_when_its_owner_may_no_longer_read_events(
    http: httpx2.Client, as_role: Callable[..., httpx2.Client], reason: str
) -> None:
    viewer = as_role("viewer")
    sending, paused = make(viewer), make(viewer, status="paused")
    other = make(http)
    log = Log(http)
    owner = f"/v1/users/{viewer.user['id']}"  # type: ignore[attr-defined]
    assert LOSSES[reason](http, owner).status_code < 300
    # A suspension may end: what was paused is then paused still.
    left = ("paused", None) if reason == "owner_suspended" else ("disabled", reason)
    for webhook, expected in ((sending, ("disabled", reason)), (paused, left)):
        found = get(http, webhook)
        assert (found["status"], found["status_reason"]) == expected
        assert refused(http.patch(path(webhook), json={"status": "enabled"}), errors.InsufficientScope)
    disabled = [event for event in log.news() if event["type"] == "webhook.disabled"]
    assert [(event["object"]["id"], event["before"]["status"]) for event in disabled] == [
        (sending["id"], "enabled"),
        (paused["id"], "paused"),
    ][: 1 if reason == "owner_suspended" else 2]
    assert get(http, other)["status"] == "enabled"
    # Somebody else takes it over.
    taken = http.patch(path(sending), json={"user_id": "me", "status": "enabled"})
    assert (taken.json()["status"], taken.json()["status_reason"]) == ("enabled", None), taken.text
    for webhook in (sending, paused, other):
        http.delete(path(webhook))


def test_a_lower_role_that_still_reads_events_keeps_its_webhooks(http: httpx2.Client, admin: httpx2.Client) -> None:
    made = make(admin)
    assert http.patch(f"/v1/users/{admin.user['id']}", json={"role": "viewer"}).status_code == 200  # type: ignore[attr-defined]
    assert get(http, made)["status"] == "enabled"


def test_a_purged_users_webhooks_are_gone(http: httpx2.Client, admin: httpx2.Client) -> None:
    made = make(admin, description="of somebody who leaves")
    assert http.delete(f"/v1/users/{admin.user['id']}?purge=true").status_code == 204  # type: ignore[attr-defined]
    refused(http.get(path(made)), errors.NotFound)
    told = http.get("/v1/events?limit=1000").text
    assert made["id"] in told and "of somebody who leaves" not in told


def test_values_of_headers_cannot_be_read_by_sending_them_elsewhere(admin: httpx2.Client) -> None:
    headers = {"Authorization": "Bearer of-the-receiver", "X-Tenant": "acme"}
    for url in ("inbox", URL.replace("receiver", "other"), URL + "&more=1"):
        made = make(admin, headers=headers)
        assert admin.patch(path(made), json={"url": url, "headers": {"X-TENANT": "a"}}).json()["headers"] == [
            "X-TENANT"
        ]
        assert admin.patch(path(made), json={"url": URL}).json()["headers"] == []


def test_the_inbox_has_no_values_of_headers(server: Server, http: httpx2.Client) -> None:
    """Of none that it is sent, nor on the disk, nor in a backup."""
    made = make(http, url="inbox", types=["user.*"], headers={"Authorization": "Bearer of-the-receiver"})
    user = new_user(http)
    wait_until(lambda: user["id"] in http.get(f"{path(made)}/deliveries").text)
    assert http.post(f"{path(made)}/test", json={}).json()["outcome"] == "delivered"
    with signed_in(server) as owner:
        page = owner.get("/admin/webhooks/inbox", params={"webhook": made["id"]}).text
    assert "Authorization" in page and "webhook-signature" in page and "of-the-receiver" not in page
    assert not [name for name, content in server.kept().items() if b"of-the-receiver" in content]
