"""The Python client when connections break, servers are busy or newer than it, and at its own end."""

from __future__ import annotations

import asyncio
import gc
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import rollbook_client
from rollbook_client import AsyncRollbook, Rollbook, errors
from rollbook_client._sync._waiting import Clock

from tests.clients.later import NEW, later
from tests.harness import Server, running
from tests.nodes.pair import wait_until
from tests.sdk_python.broken import Wire, wire
from tests.sdk_python.test_calls import new_user, unique_email


@pytest.fixture
def cable(server: Server) -> Iterator[Wire]:
    with wire(server) as cable:
        yield cable


class Quick(Clock):
    """Waits between tries take no time."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def quick(client: Rollbook) -> list[float]:
    client._connection.clock = clock = Quick()
    return clock.slept


def test_calls_go_through_a_proxy(server: Server, cable: Wire) -> None:
    async def ask() -> str:
        async with AsyncRollbook(url="http://users.example", key=server.key, proxy=cable.url) as client:
            return (await client.users.get("me")).id

    with Rollbook(url="http://users.example", key=server.key, proxy=cable.url) as client:
        assert client.users.get("me").id == asyncio.run(ask())
    assert [request.split(b"?")[0] for request in cable.requests] == [b"GET http://users.example/v1/users/me"] * 2


@pytest.mark.parametrize("cuts", [[0], [0, 0, 0], [40]])
def test_a_post_whose_response_is_lost_is_repeated_and_done_once(server: Server, cable: Wire, cuts: list[int]) -> None:
    with Rollbook(url=cable.url, key=server.key) as client:
        slept = quick(client)
        assert client.users.get("me")
        cable.cuts = list(cuts)
        cable.requests.clear()
        email = unique_email()
        created = client.users.create(name="Al", email=email, password="securepassword123")
        assert [user.id for user in client.users.list(email=email)] == [created.id]
        keys = {
            found[1] for request in cable.requests if (found := re.search(rb"idempotency-key: (\S+)", request, re.I))
        }
        assert len(keys) == 1 and len(slept) == len(cuts)
        assert all(0.25 * 2**number <= pause <= 0.5 * 2**number for number, pause in enumerate(slept))


def test_a_connection_that_was_kept_too_long_costs_nothing(server: Server, cable: Wire) -> None:
    with Rollbook(url=cable.url, key=server.key) as client:
        quick(client)
        first = client.users.get("me")
        cable.cut()
        assert client.users.get("me") == first


def test_what_cannot_be_reached_is_an_error_with_its_cause(server: Server, cable: Wire) -> None:
    with Rollbook(url=cable.url, key=server.key, max_retries=1) as client:
        slept = quick(client)
        cable.cuts = [0, 0]
        with pytest.raises(errors.ConnectionFailed, match="does not answer") as lost:
            client.users.get("me")
        assert isinstance(lost.value.__cause__, httpx2.TransportError) and len(slept) == 1
        cable.close()
        with pytest.raises(errors.ConnectionFailed) as refused:
            client.users.get("me")
        assert isinstance(refused.value.__cause__, httpx2.ConnectError) and server.key not in str(refused.value)


def test_a_server_that_is_none_of_ours_is_named(server: Server) -> None:
    http = httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200, text="<p>hello")))
    with pytest.raises(errors.UnexpectedResponse, match="not like a Rollbook server"):
        Rollbook(url=server.url, key=server.key, http_client=http).users.get("me")


def test_what_the_server_says_of_when_to_try_again_is_kept_to(server: Server) -> None:
    """A busy server, stood in for: to make a real one busy takes longer than this file."""
    answers = [
        httpx2.Response(503, headers={"Retry-After": "7"}, json={"error": "Busy.", "code": "overloaded"}),
        httpx2.Response(502, text="bad gateway"),
        httpx2.Response(200, json={"count": 3}),
        httpx2.Response(429, headers={"Retry-After": "900"}, json={"error": "Wait.", "code": "too_many_attempts"}),
        httpx2.Response(418, json={"error": "No.", "code": "later_code"}),
    ]
    http = httpx2.Client(transport=httpx2.MockTransport(lambda request: answers.pop(0)))
    client = Rollbook(url=server.url, key=server.key, http_client=http)
    slept = quick(client)
    assert client.users.count().count == 3
    assert 7 <= slept[0] <= 7.25 and 0.5 <= slept[1] <= 1
    with pytest.raises(errors.TooManyAttempts) as attempts:
        client.users.verify_password(email="a@example.com", password="wrong password")
    assert attempts.value.retry_after == 900 and len(slept) == 2
    with pytest.raises(errors.APIError) as unknown:
        client.users.get("me")
    assert (unknown.value.status, unknown.value.code) == (418, "later_code")


def test_a_later_version_of_the_server_breaks_nothing(server: Server) -> None:
    with later(server) as url, Rollbook(url=url, key=server.key) as client:
        user = new_user(client)
        assert (user.role, user.status, user["later"]) == (NEW["role"], NEW["status"], 1)
        key = client.keys.create(name="app", scopes=["users:read"], user_id=user.id)
        assert key.scopes and "teams:read" in key.scopes
        assert {event.type for event in client.events.list(user=user.id)} == {NEW["type"]}
        with pytest.raises(errors.NotFound) as unknown:
            client.users.get("user_x")
        assert unknown.value.code == NEW["code"]
        assert [found.id for found in client.users.list(ids=[user.id])] == [user.id]


def test_events_are_followed_over_lost_connections_with_none_left_out(server: Server, cable: Wire) -> None:
    with Rollbook(url=cable.url, key=server.key) as client:
        quick(client)
        position = client.users.list(limit=1).page().event_position
        user = new_user(client)
        follow = client.events.follow(position, types=["user.*"], user=user.id)
        seen = [next(follow).type]
        for number in range(6):
            client.users.update(user.id, name=f"Al {number}")
            if number % 2:
                cable.cut()
            seen.append((event := next(follow)).object.name or "")
        assert seen == ["user.created", *(f"Al {number}" for number in range(6))]
        client.users.update(user.id, name="Alonzo")
        follow.close()
        assert next(client.events.follow(event.id, user=user.id)).object.name == "Alonzo"


def test_a_key_that_is_revoked_ends_the_stream_with_an_error(server: Server) -> None:
    with Rollbook(url=server.url, key=server.key) as owner:
        key = owner.keys.create(name="follower")
        with Rollbook(url=server.url, key=key.key) as client:
            follow = client.events.follow("0")
            next(follow)
            owner.keys.revoke(key.id)
            with pytest.raises(errors.RevokedKey) as ended:
                for _ in follow:
                    pass
            assert ended.value.status == 401


def test_a_position_that_the_log_has_no_longer_is_an_error(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--event-retention", "7") as server,
        Rollbook(url=server.url, key=server.key) as client,
    ):
        new_user(client)
        server.stop()
        server.pass_time(8 * 86_400)
        server.start()
        # What is too old goes soon after the start.
        wait_until(lambda: len(client.events.list().page()) <= 1)
        with pytest.raises(errors.PositionExpired) as expired:
            next(client.events.follow("0"))
        assert expired.value.status == 410


def test_tasks_follow_events_too(server: Server) -> None:
    async def run() -> list[str]:
        async with AsyncRollbook(url=server.url, key=server.key) as client:
            follow = client.events.follow("0", types=["user.created"])
            found = [(await anext(follow)).type]
            await follow.aclose()
            return found

    assert asyncio.run(run()) == ["user.created"]


def test_a_closed_client_says_so_and_leaves_nothing_behind(server: Server) -> None:
    threads = set(threading.enumerate())  # some may be about to end
    with Rollbook(url=server.url, key=server.key) as client:
        client.users.get("me")
    with pytest.raises(rollbook_client.RollbookError, match="closed"):
        client.users.get("me")
    Rollbook(url=server.url, key=server.key).users.get("me")  # not closed by anyone
    gc.collect()  # a socket that is left is a warning, which fails the test
    assert set(threading.enumerate()) <= threads


def test_importing_the_client_loads_no_http_client(tmp_path: Path) -> None:
    check = "import sys, rollbook_client as c; c.Rollbook(url='http://h', key='k'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert not {"httpx2", "asyncio", "ssl", "logging", "rollbook"} & set(done.stdout.split())


@pytest.mark.parametrize("path", [".evil.example/v1/users", "@evil.example/v1/users", "v1/users", ""])
def test_a_path_cannot_name_another_server_which_would_get_the_key(server: Server, path: str) -> None:
    with Rollbook(url=server.url, key=server.key) as client, pytest.raises(ValueError, match="slash"):
        client.get(path)


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_an_id_cannot_make_another_path(server: Server, id: str) -> None:
    with Rollbook(url=server.url, key=server.key) as client, pytest.raises(ValueError, match="Not an ID"):
        client.users.delete(id)
