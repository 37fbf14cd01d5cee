"""Events reach who waits for them, by a stream or a long poll: all of them, once, in order, and for as long as they may
be seen."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.callers import of_each_worker
from tests.contract.answers import refused
from tests.engines import once
from tests.event_stream import Follower
from tests.harness import Server, new_key, new_user, running
from tests.nodes.pair import wait_until

WIDE = ("--rate-limit", "none", "--unauthenticated-limit", "none")


@pytest.fixture(scope="module")
def workers(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two, which notice soon when a client does not read."""
    folder = tmp_path_factory.mktemp("workers")
    with running(folder / "data", "--workers", "2", "--body-timeout", "4", *WIDE) as server:
        yield server


def rename(http: httpx2.Client, user: dict[str, Any], name: str) -> None:
    assert http.put(f"/v1/users/{user['id']}", json={"name": name}).is_success


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["object"]["name"] for event in events]


def later(call: Callable[[], Any]) -> Callable[[], Any]:
    """Begin it now; what is returned waits for its result."""
    pool = ThreadPoolExecutor(1)
    result = pool.submit(call).result
    pool.shutdown(wait=False)
    return result


# ---- what is sent


def test_what_happens_is_sent_as_the_list_shows_it(server: Server, http: httpx2.Client, user: dict) -> None:
    with Follower(server) as follower:
        assert (follower.status, follower.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert follower.headers["cache-control"] == "no-store"
        for number in range(3):
            rename(http, user, f"Name {number}")
        messages = follower.messages()
        found = [next(messages) for _ in range(3)]
    listed = http.get("/v1/events", params={"after": follower.headers["event-position"]}).json()
    assert [message.data for message in found] == listed
    assert [(message.id, message.type) for message in found] == [(event["id"], event["type"]) for event in listed]


def test_without_names_messages_are_for_the_onmessage_of_a_browser(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    with Follower(server, names="false") as unnamed, Follower(server) as named:
        rename(http, user, "One")
        found = [next(each.messages()) for each in (unnamed, named)]
        assert [message.type for message in found] == ["message", "user.updated"]
        assert found[0].data == found[1].data


def test_who_connects_again_gets_what_came_meanwhile_and_nothing_twice(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    with Follower(server) as follower:
        rename(http, user, "One")
        assert names(follower.take(1)) == ["One"]
    for number in range(150):  # more than a page
        rename(http, user, f"Missed {number}")
    with Follower(server, last_id=follower.last_id, after="0") as again:
        rename(http, user, "Last")
        assert names(again.take(151)) == [*(f"Missed {number}" for number in range(150)), "Last"]


def test_who_connects_again_before_the_first_event_misses_none(server: Server, http: httpx2.Client, user: dict) -> None:
    with Follower(server) as follower:
        follower.beat()
    assert follower.last_id == follower.headers["event-position"]
    rename(http, user, "Meanwhile")
    with Follower(server, last_id=follower.last_id) as again:
        assert names(again.take(1)) == ["Meanwhile"]


def test_after_takes_an_event_or_a_position(server: Server, http: httpx2.Client, user: dict) -> None:
    rename(http, user, "One")
    rename(http, user, "Two")
    one, two = http.get("/v1/events", params={"user": user["id"]}).json()[-2:]
    with Follower(server, after=one["id"]) as follower:
        assert follower.take(1) == [two]
    with Follower(
        server, after=str(int(http.get("/v1/events?order=desc&limit=1").headers["event-position"]) - 2)
    ) as follower:
        assert follower.take(2) == [one, two]


def test_only_what_was_asked_for_is_sent(server: Server, http: httpx2.Client, user: dict) -> None:
    other = new_user(http)
    with (
        Follower(server, type="user.*", user=user["id"]) as some,
        Follower(server, type="key.created,user.deleted") as types,
    ):
        key = http.post("/v1/keys", json={"name": "x", "user_id": user["id"]}).json()
        rename(http, other, "Other")
        rename(http, user, "Mine")
        http.delete(f"/v1/users/{other['id']}")
        http.delete(f"/v1/users/{user['id']}")
        assert [event["type"] for event in some.take(2)] == ["user.updated", "user.deleted"]
        found = types.take(3)
        assert [event["type"] for event in found] == ["key.created", "user.deleted", "user.deleted"]
        assert found[0]["object"]["id"] == key["id"]


@once
def test_a_heartbeat_tells_how_far_the_log_was_read(workers: Server) -> None:
    with workers.http() as http, Follower(workers, type="user.purged") as follower:
        follower.beat()
        rename(http, http.get("/v1/users/me").json(), "Not asked for")
        newest = http.get("/v1/events?order=desc&limit=1").headers["event-position"]
        until = time.monotonic() + 60
        while follower.last_id != newest:
            assert time.monotonic() < until
            follower.beat()


def test_it_comes_from_each_worker_to_each_worker_once_and_in_order(workers: Server) -> None:
    with workers.http() as http, of_each_worker(workers, 2) as connections, ExitStack() as stack:
        user = new_user(http)
        followers = [stack.enter_context(Follower(workers, user=user["id"])) for _ in range(8)]
        for number in range(100):
            assert (
                connections[number % 2].call("PUT", f"/v1/users/{user['id']}", {"name": f"Name {number}"}).status == 200
            )
        for follower in followers:
            assert names(follower.take(100)) == [f"Name {number}" for number in range(100)]


def test_who_is_far_behind_a_burst_gets_all_of_it_once_and_in_order(server: Server, tmp_path: Path) -> None:
    people = tmp_path / "people.ndjson"
    emails = [f"burst{number}@example.com" for number in range(3000)]
    people.write_text("".join(f'{{"name": "Burst", "email": "{email}", "password_hash": null}}\n' for email in emails))
    with Follower(server, type="user.created") as follower, Follower(server, type="user.purged") as other:
        server.rollbook("users", "import", str(people), "--data", str(server.data))
        with server.http() as http:
            gone = new_user(http)
            http.delete(f"/v1/users/{gone['id']}?purge=true")
        created = (message.data["object"]["email"] for message in follower.messages())
        assert [next(created) for _ in emails] == emails
        assert [event["user_id"] for event in other.take(1)] == [gone["id"]]


# ---- who may follow


@once
def test_it_is_refused_before_it_begins(server: Server, http: httpx2.Client, as_role: Any) -> None:
    with Follower(server, after="evt_0650000000000000000000000n") as follower:
        assert (follower.status, follower.json()["code"]) == (400, "invalid_parameter")
    with Follower(server, last_id="nothing") as follower:
        assert (follower.status, follower.json()["errors"][0]["param"]) == (400, "Last-Event-ID")
    with Follower(server, type="user.unknown") as follower:
        assert (follower.status, follower.json()["code"]) == (400, "invalid_parameter")
    with Follower(server, new_key(http, scopes=["users:read"])) as follower:
        assert (follower.status, follower.json()["code"]) == (403, "insufficient_scope")
    refused(as_role("member").get("/v1/events/stream"), errors.InsufficientScope)


def test_a_stream_counts_as_one_request(server: Server, user: dict, as_role: Any) -> None:
    own = as_role("admin", rate_limit="100/hour")  # in an hour that begins here
    before = int(own.get("/v1/users/me").headers["ratelimit-remaining"])
    key = new_key(own)
    with Follower(server, key) as follower:
        rename(own, user, "One")
        rename(own, user, "Two")
        follower.take(2)
        left = int(own.get("/v1/users/me").headers["ratelimit-remaining"])
    assert before - left == 5  # the key, the stream, two changes and the last look


def revoke(http: httpx2.Client, user: dict[str, Any], key: str) -> None:
    assert http.delete(f"/v1/keys/{key}").status_code == 204


def suspend(http: httpx2.Client, user: dict[str, Any], key: str) -> None:
    assert http.post(f"/v1/users/{user['id']}/suspend").is_success


def delete(http: httpx2.Client, user: dict[str, Any], key: str) -> None:
    assert http.delete(f"/v1/users/{user['id']}").is_success


def demote(http: httpx2.Client, user: dict[str, Any], key: str) -> None:
    assert http.patch(f"/v1/users/{user['id']}", json={"role": "member"}).is_success


def narrow(http: httpx2.Client, user: dict[str, Any], key: str) -> None:
    assert http.patch(f"/v1/keys/{key}", json={"scopes": ["users:read"]}).is_success


def move(http: httpx2.Client, user: dict[str, Any], key: str) -> None:
    assert http.patch(f"/v1/keys/{key}", json={"ip_allow": ["192.0.2.0/24"]}).is_success


@pytest.mark.parametrize(
    ("end", "codes"),
    [
        (revoke, ["revoked_key"]),
        (narrow, ["insufficient_scope"]),
        (move, ["address_not_allowed"]),
        (suspend, ["user_suspended"]),
        (delete, ["revoked_key", "invalid_key"]),
        (demote, ["insufficient_scope"]),
    ],
    ids=["revoked", "narrowed", "moved", "suspended", "deleted", "demoted"],
)
def test_a_caller_who_may_no_longer_see_events_is_told_so_within_a_second(
    workers: Server, end: Callable[..., None], codes: list[str]
) -> None:
    """A machine that has other work may take longer, but not each time."""
    late: list[float] = []
    while min(late, default=5.0) >= 5:
        assert len(late) < 10, late
        late.append(_told_that_it_ended(workers, end, codes))


def _told_that_it_ended(workers: Server, end: Callable[..., None], codes: list[str]) -> float:
    """Seconds until all who followed, or waited, with a key of the user have heard of it."""
    with workers.http() as http, of_each_worker(workers, 2) as connections:
        user = new_user(http, role="viewer")
        made = http.post("/v1/keys", json={"name": "x", "user_id": user["id"]}).json()
        with ExitStack() as stack:
            followers = [stack.enter_context(Follower(workers, made["key"])) for _ in range(4)]
            waiting = [
                later(
                    lambda: httpx2.get(
                        f"{workers.url}/v1/events?wait=60&type=server.test",
                        headers={"Authorization": f"Bearer {made['key']}"},
                        timeout=60,
                    )
                )
                for _ in range(2)
            ]
            other = stack.enter_context(Follower(workers))
            for follower in (*followers, other):
                follower.beat()
            del connections
            end(http, user, made["id"])
            began = time.monotonic()
            ends = [follower.end() for follower in followers]
            assert {code for code, _ in ends} <= set(codes)
            for wait in waiting:
                answer = wait()
                assert answer.json()["code"] in codes
            # Another caller's stream goes on.
            last = new_user(http)["id"]
            assert any(message.data["object"]["id"] == last for message in other.messages())
            return max(at for _, at in ends) - began


@once
def test_a_key_that_expires_ends_it(tmp_path: Path, engine: str) -> None:
    with running(tmp_path / "data", *WIDE) as server, server.http() as http:
        key = http.post("/v1/keys", json={"name": "x", "expires_at": "2099-01-01T00:00:00Z"}).json()
        rotated = http.post(f"/v1/keys/{key['id']}/rotate", json={"overlap": 3600}).json()
        with Follower(server, key["key"]) as old, Follower(server, rotated["key"]) as new:
            old.beat()
            server.pass_time(3700)
            assert old.end()[0] == "expired_key"
            new.beat()


@once
def test_a_user_follows_with_100_requests_at_most(server: Server, http: httpx2.Client, as_role: Any) -> None:
    viewer = as_role("viewer")
    key = new_key(http, user_id=viewer.user["id"])
    with ExitStack() as stack:
        followers = [stack.enter_context(Follower(server, key)) for _ in range(100)]
        with Follower(server, key) as refused_one:
            assert (refused_one.status, refused_one.json()["code"]) == (429, "too_many_streams")
            assert refused_one.headers["retry-after"]
        refused(viewer.get("/v1/events?wait=60&type=server.test"), errors.TooManyStreams)
        with Follower(server) as other:
            assert other.status == 200
        followers[0].__exit__()
        wait_until(lambda: viewer.head("/v1/events/stream").status_code == 200)
    for _ in range(101):
        assert viewer.head("/v1/events/stream").status_code == 200


@once
def test_a_server_follows_with_1000_requests_at_most_on_all_its_workers(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--workers", "2", *WIDE) as server, server.http() as http, ExitStack() as stack:
        keys = [new_key(http, user_id=new_user(http, role="viewer")["id"]) for _ in range(11)]
        followers = [stack.enter_context(Follower(server, keys[number // 100])) for number in range(1000)]
        assert {follower.status for follower in followers} == {200}
        for _ in range(8):
            with Follower(server, keys[10]) as late:
                assert late.status == 503 and late.json()["code"] == "overloaded"
                assert late.headers["retry-after"]
        assert http.get("/v1/events?limit=1").status_code == 200, "what does not wait is answered"
        rename(http, http.get("/v1/users/me").json(), "Heard by all")
        assert {follower.take(1)[0]["object"]["name"] for follower in followers} == {"Heard by all"}
        followers[0].__exit__()
        wait_until(
            lambda: http.head("/v1/events/stream", headers={"Authorization": f"Bearer {keys[10]}"}).status_code == 200
        )


# ---- its end


@once
def test_a_reader_who_stops_is_dropped_and_finds_the_reason(tmp_path: Path) -> None:
    """It has as long to read on as it had to stop: a busy machine needs some of it."""
    with (
        running(tmp_path / "data", "--body-timeout", "10", *WIDE) as server,
        server.http() as http,
        Follower(server, type="user.updated") as follower,
    ):
        user = new_user(http)
        filler = {"filler": "x" * 15_000}
        for number in range(400):
            assert http.put(f"/v1/users/{user['id']}", json={"metadata": {**filler, "number": number}}).is_success
        wait_until(lambda: "without progress" in server.log.read_text())
        code, _ = follower.end()
        assert code == "request_timeout"
        with Follower(server, last_id=follower.last_id, type="user.updated") as again:
            assert again.status == 200


def test_at_the_end_of_the_server_streams_are_complete_and_long_polls_answered(tmp_path: Path, engine: str) -> None:
    with running(tmp_path / "data", "--drain-timeout", "60", *WIDE) as server:
        with Follower(server) as follower, server.http() as http:
            follower.beat()
            waiting = HTTPConnection("127.0.0.1", server.port, timeout=60)
            waiting.request(
                "GET", "/v1/events?wait=60&type=server.test", headers={"Authorization": f"Bearer {server.key}"}
            )
            wait_until(lambda: "rollbook_connections_open 3" in http.get("/metrics").text)
            http.get("/metrics")  # when this is answered, what came before has been read
            began = time.monotonic()
            stopping = later(server.stop)
            assert list(follower.messages()) == []
            answer = waiting.getresponse()
            assert (answer.status, answer.read()) == (200, b"[]")
            waiting.close()
            assert stopping() == 0 and time.monotonic() - began < 30
        lines = [line for line in server.logged() if line.get("route", "").startswith("/v1/events")]
        assert len(lines) == 2 and all(line["status"] == 200 for line in lines)


# ---- waiting for the list


def test_a_list_that_waits_returns_as_soon_as_there_is_something(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    position = http.get("/v1/events?order=desc&limit=1").headers["event-position"]
    asked = {"after": position, "user": user["id"], "type": "user.updated,user.deleted", "wait": "60"}
    began = time.monotonic()
    with server.http() as second:
        waiting = later(lambda: second.get("/v1/events", params=asked))
        new_user(http)
        http.post("/v1/keys", json={"name": "not asked for", "user_id": user["id"]})
        rename(http, user, "Now")
        answer = waiting()
    assert names(answer.json()) == ["Now"]
    assert http.get("/v1/events", params={"after": answer.headers["event-position"]}).json() == []
    assert names(http.get("/v1/events", params=asked).json()) == ["Now"]
    assert time.monotonic() - began < 50


def test_a_list_that_waits_is_empty_when_nothing_happened(server: Server, http: httpx2.Client, user: dict) -> None:
    began = time.monotonic()
    answer = http.get("/v1/events", params={"after": "0", "user": user["id"], "type": "user.purged", "wait": "1"})
    assert (answer.status_code, answer.json()) == (200, [])
    assert time.monotonic() - began > 0.9
    assert answer.headers["event-position"] == http.get("/v1/events?order=desc&limit=1").headers["event-position"]
    refused(http.get("/v1/events?order=desc&wait=1"), errors.InvalidParameter)
    refused(http.get("/v1/events?wait=61"), errors.InvalidParameter)


@once
def test_a_client_that_leaves_gives_its_place_back(server: Server, http: httpx2.Client, as_role: Any) -> None:
    viewer = as_role("viewer")
    key = new_key(http, user_id=viewer.user["id"])
    sockets: list[socket.socket] = []

    def ask() -> None:
        sockets.append(socket.create_connection(("127.0.0.1", server.port)))
        sockets[-1].sendall(
            f"GET /v1/events?wait=60&type=server.test HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        )

    def is_full() -> bool:
        if viewer.head("/v1/events/stream").status_code == 429:
            return True
        ask()  # one of them may have come while this took the last place
        return False

    for _ in range(100):
        ask()
    wait_until(is_full)
    for each in sockets:
        each.close()
    wait_until(lambda: viewer.head("/v1/events/stream").status_code == 200)
