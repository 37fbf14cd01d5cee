"""Deliveries of webhooks: test deliveries, what is kept of each, lists, resending and replays, and how long they are
kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest

from rollbook import clock, errors, ids
from rollbook.delivery import signing
from rollbook.roles import SCOPES
from tests.contract.answers import Log, refused
from tests.contract.expect import links
from tests.harness import Server, new_key, new_user, running, serving
from tests.nodes.pair import wait_until

WIDE = ("--rate-limit", "none", "--unauthenticated-limit", "none", "--webhook-allow", "127.0.0.1/32")


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that may send to this machine."""
    with running(tmp_path_factory.mktemp("server") / "data", *WIDE) as server:
        yield server


class Receiver(ThreadingHTTPServer):
    """Keeps what arrives, and answers with `status` and `content`."""

    def __init__(self) -> None:
        self.status, self.content = 200, b"fine"
        self.seen: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(receiver.content)))
                self.end_headers()
                self.wfile.write(receiver.content)

            def log_message(self, format: str, *args: Any) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as server:
        yield server


@pytest.fixture
def made(http: httpx2.Client) -> Iterator[Callable[..., dict[str, Any]]]:
    """Creates paused webhooks, which send only what is asked for."""
    found: list[str] = []

    def make(**fields: Any) -> dict[str, Any]:
        answer = http.post("/v1/webhooks", json={"url": "inbox", "status": "paused", **fields})
        assert answer.status_code == 201, answer.text
        found.append(f"/v1/webhooks/{answer.json()['id']}")
        return {**answer.json(), "path": found[-1]}

    yield make
    for path in found:
        http.delete(path)


def new_delivery(
    server: Server, webhook: dict[str, Any], event: dict[str, Any], at: int | None = None, **fields: Any
) -> str:
    """Stored as if the event had been sent."""
    id, seq = ids.new("dlv"), server.ask(f"SELECT seq FROM events WHERE id = '{event['id']}'")[0][0]
    values = {
        "id": id,
        "webhook_id": webhook["id"],
        "seq": seq,
        "event_id": event["id"],
        "type": event["type"],
        "user_id": event["user_id"] or "",
        "trigger": "event",
        "attempt": 1,
        "created_at": clock.now() if at is None else at,
        "duration": 42_000,
        "outcome": "delivered",
        "http_status": 200,
        "response_type": "text/plain",
        "response": "ok",
        **fields,
    }
    names, texts = (
        ", ".join(values),
        ", ".join(str(value) if isinstance(value, int) else f"'{value}'" for value in values.values()),
    )
    server.ask(f"INSERT INTO webhook_deliveries ({names}) VALUES ({texts})")
    return id


def of_user(http: httpx2.Client, user: dict[str, Any]) -> dict[str, Any]:
    """The event that created this user."""
    return http.get("/v1/events", params={"user": user["id"]}).json()[0]


# ---- test deliveries


def test_a_test_delivery_is_signed_and_answered_with_what_came_back(
    http: httpx2.Client, receiver: Receiver, made: Callable[..., dict[str, Any]]
) -> None:
    webhook = made(url=receiver.url, headers={"X-Tenant": "Acme Inc."})
    with Log(http).silent():
        answer = http.post(webhook["path"] + "/test")
    assert answer.status_code == 200, answer.text
    delivery = answer.json()
    ((headers, body),) = receiver.seen
    signed = dict(
        signing.headers(
            headers["webhook-id"], int(headers["webhook-timestamp"]), body, [signing.key(webhook["secret"])]
        )
    )
    assert headers["webhook-signature"] == signed["webhook-signature"]
    assert headers["x-tenant"] == "Acme Inc." and json.loads(body)["type"] == "server.test"
    assert (delivery["outcome"], delivery["http_status"], delivery["trigger"], delivery["attempt"]) == (
        "delivered",
        200,
        "test",
        1,
    )
    assert delivery["event_id"] == headers["webhook-id"] and delivery["address"] == "127.0.0.1"
    assert delivery["response"] == {"content_type": "text/plain", "body": "fine"}
    assert json.loads(delivery["request"]["body"]) == json.loads(body)
    assert delivery["request"]["headers"]["X-Tenant"] == "…" and "Acme Inc." not in answer.text
    assert delivery["request"]["headers"]["webhook-signature"] == "…"
    assert http.get(f"{webhook['path']}/deliveries/{delivery['id']}").json() == delivery
    assert http.get(webhook["path"]).json()["health"]["last_outcome"] == "delivered"


def test_during_the_overlap_both_secrets_sign_and_afterwards_one(
    server: Server, http: httpx2.Client, receiver: Receiver, made: Callable[..., dict[str, Any]]
) -> None:
    webhook = made(url=receiver.url)
    rotated = http.post(webhook["path"] + "/rotate-secret", json={"overlap": 60}).json()
    try:
        for keys in ((rotated["secret"], webhook["secret"]), (rotated["secret"],)):
            assert http.post(webhook["path"] + "/test").json()["outcome"] == "delivered"
            headers, body = receiver.seen[-1]
            at, secrets = int(headers["webhook-timestamp"]), [signing.key(key) for key in keys]
            signed = dict(signing.headers(headers["webhook-id"], at, body, secrets))
            assert headers["webhook-signature"] == signed["webhook-signature"]
            server.pass_time(61)
    finally:
        server.pass_time(0)


def test_a_test_delivery_can_be_of_any_type_and_format(
    http: httpx2.Client, receiver: Receiver, made: Callable[..., dict[str, Any]]
) -> None:
    webhook = made(url=receiver.url, format="slack", types=["key.*"])
    assert http.post(webhook["path"] + "/test", json={"type": "user.created"}).json()["type"] == "user.created"
    assert "Charlie Chaplin" in json.loads(receiver.seen[-1][1])["text"]
    refused(http.post(webhook["path"] + "/test", json={"type": "user.*"}), errors.InvalidParameter)


def test_what_goes_wrong_is_the_outcome_of_the_delivery(
    http: httpx2.Client, receiver: Receiver, made: Callable[..., dict[str, Any]]
) -> None:
    webhook = made(url=receiver.url)
    receiver.status, receiver.content = 500, b"x" * 10_000
    failed = http.post(webhook["path"] + "/test").json()
    assert (failed["outcome"], failed["http_status"], failed["retry_at"]) == ("http_500", 500, None)
    assert failed["response"]["body"] == "x" * 4096
    unknown = made(url="https://receiver.invalid")
    failed = http.post(unknown["path"] + "/test").json()
    assert (failed["outcome"], failed["http_status"], failed["response"], failed["address"]) == (
        "no_address",
        None,
        None,
        None,
    )


def test_a_test_delivery_to_the_inbox_is_kept_there(
    server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]
) -> None:
    webhook = made()
    delivery = http.post(webhook["path"] + "/test").json()
    assert delivery["outcome"] == "delivered"
    ((headers, body),) = server.ask(f"SELECT headers, body FROM webhook_inbox WHERE webhook_id = '{webhook['id']}'")
    assert f"webhook-id: {delivery['event_id']}\n" in headers and json.loads(body)["type"] == "server.test"


# ---- lists


def test_deliveries_are_listed_newest_first_in_pages(http: httpx2.Client, made: Callable[..., dict[str, Any]]) -> None:
    webhook = made()
    sent = [http.post(webhook["path"] + "/test").json()["id"] for _ in range(5)]
    answer = http.get(webhook["path"] + "/deliveries?limit=2&trigger=test")
    found = [each["id"] for each in answer.json()]
    assert "request" not in answer.json()[0] and "response" not in answer.json()[0]
    while "next" in links(answer):
        assert len(found) < 6
        answer = http.get(links(answer)["next"])
        found += [each["id"] for each in answer.json()]
    assert found == sent[::-1]


def test_filters_select_deliveries(server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]) -> None:
    webhook, user, other = made(), new_user(http), new_user(http)
    first, second = of_user(http, user), of_user(http, other)
    at = clock.now() - clock.HOUR
    good = new_delivery(server, webhook, first, at)
    bad = new_delivery(server, webhook, second, outcome="http_500", http_status=500)
    slow = new_delivery(server, webhook, first, outcome="timed_out")
    test = http.post(webhook["path"] + "/test").json()["id"]
    for query, expected in {
        "": [test, slow, bad, good],
        "outcome=delivered": [test, good],
        "outcome=failed": [slow, bad],
        "outcome=http_500": [bad],
        "type=user.created": [slow, bad, good],
        "type=key.created": [],
        f"user={user['id']}": [slow, good],
        f"user={user['id']}&outcome=failed": [slow],
        f"event={second['id']}": [bad],
        "trigger=test": [test],
        f"before={slow}": [bad, good],
        f"created_before={clock.format_time(at + clock.MINUTE)}": [good],
        f"created_after={clock.format_time(at + clock.MINUTE)}": [test, slow, bad],
    }.items():
        answer = http.get(f"{webhook['path']}/deliveries?{query}")
        assert answer.status_code == 200 and [each["id"] for each in answer.json()] == expected, query
    for query in ("outcome=fine", "outcome=http_200", "trigger=event,test", "created_after=today", "offset=1"):
        refused(http.get(f"{webhook['path']}/deliveries?{query}"), errors.InvalidParameter)


def test_me_selects_deliveries_about_the_caller(
    server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]
) -> None:
    webhook, me = made(), http.get("/v1/users/me").json()
    http.patch("/v1/users/me", json={"metadata": {"seen": webhook["id"]}})
    mine = new_delivery(server, webhook, http.get("/v1/events", params={"user": me["id"], "order": "desc"}).json()[0])
    new_delivery(server, webhook, of_user(http, new_user(http)))
    assert [each["id"] for each in http.get(webhook["path"] + "/deliveries?user=me").json()] == [mine]


def test_a_delivery_shows_the_event_as_it_was_sent_until_the_event_is_erased(
    server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]
) -> None:
    webhook, user = made(), new_user(http, name="Zelda")
    event = of_user(http, user)
    id = new_delivery(server, webhook, event, response="Zelda was here")
    path = f"{webhook['path']}/deliveries/{id}"
    found = http.get(path).json()
    assert json.loads(found["request"]["body"]) == event and found["request"]["headers"]["webhook-id"] == event["id"]
    assert found["response"] == {"content_type": "text/plain", "body": "Zelda was here"} and found["duration_ms"] == 42
    assert http.delete(f"/v1/users/{user['id']}?purge=true").status_code == 204
    refused(http.get(path), errors.NotFound)
    assert "Zelda" not in str(server.ask("SELECT * FROM webhook_deliveries"))


def test_an_event_past_its_retention_leaves_the_delivery_without_a_request(
    server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]
) -> None:
    webhook, user = made(), new_user(http)
    event = of_user(http, user)
    id = new_delivery(server, webhook, event)
    server.ask(f"DELETE FROM events WHERE id = '{event['id']}'")
    found = http.get(f"{webhook['path']}/deliveries/{id}").json()
    assert found["request"] is None and found["outcome"] == "delivered"
    refused(http.post(f"{webhook['path']}/deliveries/{id}/resend"), errors.NotFound)


def test_another_webhooks_delivery_is_not_found(http: httpx2.Client, made: Callable[..., dict[str, Any]]) -> None:
    one, other = made(), made()
    delivery = http.post(one["path"] + "/test").json()
    refused(http.get(f"{other['path']}/deliveries/{delivery['id']}"), errors.NotFound)
    refused(http.post(f"{other['path']}/deliveries/{delivery['id']}/resend"), errors.NotFound)


def test_a_key_that_cannot_read_events_sees_and_sends_none(
    server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]
) -> None:
    webhook = made()
    delivery = http.post(webhook["path"] + "/test").json()
    key = new_key(http, scopes=sorted(set(SCOPES) - {"events:read"}))
    with server.http(key) as narrow, Log(http).silent():
        for method, path, body in (
            ("GET", "/deliveries", None),
            ("GET", f"/deliveries/{delivery['id']}", None),
            ("POST", "/test", {}),
            ("POST", f"/deliveries/{delivery['id']}/resend", {}),
            ("POST", "/replays", {"from": "2023-10-27T10:00:00Z"}),
        ):
            refused(narrow.request(method, webhook["path"] + path, json=body), errors.InsufficientScope)


def test_nothing_is_sent_on_behalf_of_who_cannot_read_events(
    http: httpx2.Client, made: Callable[..., dict[str, Any]], as_role: Callable[..., httpx2.Client]
) -> None:
    owner = as_role("viewer").user["id"]  # type: ignore[attr-defined]
    webhook = made(user_id=owner)
    replay = http.post(webhook["path"] + "/replays", json={"from": "2023-10-27T10:00:00Z"}).json()
    assert http.patch(f"/v1/users/{owner}", json={"role": "member"}).status_code == 200
    assert http.get(f"{webhook['path']}/replays/{replay['id']}").json()["status"] in ("canceled", "done")
    refused(http.post(webhook["path"] + "/test"), errors.InsufficientScope)
    refused(http.post(webhook["path"] + "/replays", json={"from": "2023-10-27T10:00:00Z"}), errors.InsufficientScope)


# ---- resending and replays


def test_a_resent_delivery_is_a_replay_of_its_event(
    server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]
) -> None:
    webhook, user = made(), new_user(http)
    id = new_delivery(server, webhook, of_user(http, user), outcome="http_500", http_status=500)
    answer = http.post(f"{webhook['path']}/deliveries/{id}/resend")
    assert answer.status_code == 201, answer.text
    replay = answer.json()
    assert (replay["trigger"], replay["user_id"], replay["types"], replay["only"]) == ("resend", user["id"], None, None)
    assert replay["created_by"] == http.get("/v1/users/me").json()["id"]
    assert http.get(answer.headers["location"]).json()["id"] == replay["id"]
    again = http.post(f"{webhook['path']}/deliveries/{id}/resend").json()
    listed = http.get(webhook["path"] + "/replays?limit=1")
    assert listed.json()[0]["id"] == again["id"] and listed.headers["x-total-count"] == "2"
    older = http.get(f"{webhook['path']}/replays?before={again['id']}").json()
    assert [each["id"] for each in older] == [replay["id"]]
    test = http.post(webhook["path"] + "/test").json()
    refused(http.post(f"{webhook['path']}/deliveries/{test['id']}/resend"), errors.NotFound)


def test_a_replay_begins_and_ends_where_it_was_asked_to(
    server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]
) -> None:
    log = Log(http)
    for _ in range(3):
        new_user(http)
    events = log.news()
    webhook = made()
    position = http.get("/v1/events?limit=1&order=desc").headers["event-position"]
    seqs = dict(server.ask("SELECT id, seq FROM events"))

    def part(**fields: Any) -> tuple[int, int]:
        answer = http.post(webhook["path"] + "/replays", json=fields)
        assert answer.status_code == 201, answer.text
        return server.ask(f"SELECT first_seq, last_seq FROM webhook_replays WHERE id = '{answer.json()['id']}'")[0]

    first, last = events[0]["id"], events[2]["id"]
    assert part(**{"from": first, "to": last}) == (seqs[first], seqs[last])
    assert part(**{"from": last, "to": last}) == (seqs[last], seqs[last])
    begin, end = part(**{"from": "2000-01-01T00:00:00Z"})
    assert begin == min(seqs.values()) and end >= int(position)
    for fields, param in (
        ({"from": last, "to": first}, "from"),
        ({"from": "2999-01-01T00:00:00Z"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": first, "to": "cursor"}, "to"),
        ({"from": ids.new("evt")}, "from"),
        ({}, "from"),
        ({"from": first, "only": "all"}, "only"),
        ({"from": first, "types": []}, "types"),
    ):
        assert refused(http.post(webhook["path"] + "/replays", json=fields), errors.InvalidParameter)["param"] == param


def test_a_webhook_resumes_at_an_event_or_a_time(
    server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]
) -> None:
    webhook, event = made(), of_user(http, new_user(http))
    seq = server.ask(f"SELECT seq FROM events WHERE id = '{event['id']}'")[0][0]

    def cursor() -> int:
        return server.ask(f"SELECT seq FROM webhook_cursors WHERE webhook_id = '{webhook['id']}'")[0][0]

    for start, bounds in ((event["id"], (seq - 1, 1 << 60)), ("2000-01-01T00:00:00Z", (0, 1 << 60))):
        answer = http.patch(webhook["path"], json={"status": "enabled", "from": start})
        assert answer.status_code == 200, answer.text
        assert bounds[0] <= cursor() <= bounds[1]
        http.patch(webhook["path"], json={"status": "paused"})
    for wrong in ("yesterday", "Cursor", ids.new("evt"), "99999999"):
        refused(http.patch(webhook["path"], json={"status": "enabled", "from": wrong}), errors.InvalidParameter)
    for status in ({}, {"status": "paused"}):
        assert (
            refused(http.patch(webhook["path"], json={"from": "now", **status}), errors.InvalidParameter)["param"]
            == "from"
        )


def test_a_replay_can_be_canceled_and_a_webhook_has_at_most_a_hundred_under_way(
    server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]
) -> None:
    webhook = made()
    asked = {"from": "2000-01-01T00:00:00Z"}
    replay = http.post(webhook["path"] + "/replays", json=asked).json()
    path = f"{webhook['path']}/replays/{replay['id']}"
    assert [http.delete(path).status_code for _ in range(2)] == [204, 204]
    found = http.get(path).json()
    assert found["status"] in ("canceled", "done") and found["finished_at"] is not None
    paused = http.patch(webhook["path"], json={"status": "paused"})
    assert paused.status_code == 200  # otherwise they end: they have no events
    columns = (
        "first_seq, next_seq, last_seq, types, user_id, selection, status, delivered, failed, created_by, created_at"
    )

    def filled() -> httpx2.Response:
        rows = ", ".join(
            f"('{ids.new('replay')}', '{webhook['id']}', 'replay', 1, 1, {1 << 40}, '', 'nobody', 'all', 'running', "
            f"0, 0, '', {clock.now()})"
            for _ in range(100)
        )
        server.ask(f"INSERT INTO webhook_replays (id, webhook_id, trigger, {columns}) VALUES {rows}")
        return http.post(webhook["path"] + "/replays", json=asked)

    # Deliveries may hear of the pause a moment later, and end these until then.
    wait_until(lambda: (answer := filled()).status_code != 201 and refused(answer, errors.ReplayLimitReached))


# ---- how long they are kept


def test_old_deliveries_and_those_of_deleted_webhooks_are_dropped(
    server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]
) -> None:
    webhook, gone, user = made(), made(), new_user(http)
    event = of_user(http, user)
    old = clock.now() - 15 * clock.DAY
    # Before the deliveries, with which they are dropped. IDs rise with time: the old ones come first.
    server.ask(f"INSERT INTO webhook_hours VALUES ('{webhook['id']}', {old // clock.HOUR}, 1, 0, 1)")
    for each in (webhook, gone):
        new_delivery(server, each, event, old)
    kept = new_delivery(server, webhook, event)
    http.delete(gone["path"])

    def left() -> set[str]:
        of = f"('{webhook['id']}', '{gone['id']}')"
        return {
            id
            for (id,) in server.ask(f"SELECT id FROM webhook_deliveries WHERE webhook_id IN {of} AND trigger = 'event'")
        }

    wait_until(lambda: left() == {kept})
    hours = f"SELECT * FROM webhook_hours WHERE webhook_id = '{webhook['id']}' AND hour = {old // clock.HOUR}"
    wait_until(lambda: server.ask(hours) == [])


def test_a_webhook_keeps_its_newest_ten_thousand_deliveries(
    server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]
) -> None:
    webhook = made()
    columns = "seq, event_id, type, user_id, trigger, attempt, created_at, duration, outcome"
    made_ids = [ids.new("dlv") for _ in range(10_300)]
    for start in range(0, len(made_ids), 500):
        rows = ", ".join(
            f"('{id}', '{webhook['id']}', 1, 'evt', 'user.created', '', 'event', 1, {clock.now()}, 1, 'delivered')"
            for id in made_ids[start : start + 500]
        )
        server.ask(f"INSERT INTO webhook_deliveries (id, webhook_id, {columns}) VALUES {rows}")
    made_ids.sort()

    def left() -> list[str]:
        return [
            id
            for (id,) in server.ask(
                f"SELECT id FROM webhook_deliveries WHERE webhook_id = '{webhook['id']}' ORDER BY id"
            )
        ]

    wait_until(lambda: left() == made_ids[300:])
    assert re.fullmatch(r"dlv_\w{26}", left()[0])


def test_finished_replays_are_dropped_in_time(
    server: Server, http: httpx2.Client, made: Callable[..., dict[str, Any]]
) -> None:
    webhook = made()
    columns = (
        "webhook_id, trigger, first_seq, next_seq, last_seq, types, user_id, selection, status, delivered, "
        "failed, created_by, created_at"
    )
    old, new = ids.first("replay", clock.now() - 15 * clock.DAY), ids.new("replay")
    for id in (old, new):
        values = f"'{webhook['id']}', 'replay', 1, 2, 1, '', '', 'all', 'done', 0, 0, '', 1"
        server.ask(f"INSERT INTO webhook_replays (id, {columns}) VALUES ('{id}', {values})")
    wait_until(lambda: [each["id"] for each in http.get(webhook["path"] + "/replays").json()] == [new])
