"""Clients that hang up right after sending: what they asked for is done once or not at all, and a retry finds out
which."""

from __future__ import annotations

import json
import random
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx2
import pytest

from tests.callers import ask
from tests.harness import Server, new_user
from tests.nodes.pair import wait_until


def send_and_go(
    server: Server,
    method: str,
    path: str,
    body: Any,
    abruptly: bool,
    share: float = 1.0,
    after: Callable[[], object] = lambda: True,
    **headers: str,
) -> None:
    """`share` of the request, then gone: closed, or (abruptly) reset. Not before this is so: what is reset at once,
    a machine with one core may never read."""
    content = json.dumps(body).encode()
    fields = {"Host": "test", "Authorization": f"Bearer {server.key}", "Content-Length": str(len(content)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    message = f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + content
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        if abruptly:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(message[: int(len(message) * share)])
        wait_until(after)


def new(email: str) -> dict[str, str]:
    return {"name": "Alice", "email": email, "password": "securepassword123"}


@pytest.mark.parametrize("abruptly", [False, True])
def test_a_create_whose_client_hangs_up_is_made_once_or_not_at_all_and_the_retry_gets_that_user(
    server: Server, http: httpx2.Client, abruptly: bool
) -> None:
    made = 0
    for number in range(40):
        email = f"gone{number}-{abruptly}@example.com"
        found = partial(http.get, f"/v1/users?email={email}")
        after = (lambda found=found: found().json()) if number % 4 == 0 else lambda: True
        send_and_go(server, "POST", "/v1/users", new(email), abruptly, after=after, Idempotency_Key=email)
        if number % 2:
            time.sleep(random.uniform(0, 0.01))
        until = time.monotonic() + 60
        while (answer := ask(server, "POST", "/v1/users", new(email), Idempotency_Key=email)).status == 409:
            assert time.monotonic() < until, answer.body
        assert answer.status == 201, answer.body
        made += "idempotency-replayed" in answer.headers
        assert found().json() == [answer.json]
        (event,) = http.get(f"/v1/events?type=user.created&user={answer.json['id']}").json()
        assert event["object"]["email"] == email
    assert made, "no request of a client that hung up was done: this tests nothing"


@pytest.mark.parametrize("abruptly", [False, True])
def test_an_update_whose_client_hangs_up_is_made_once_or_not_at_all(
    server: Server, http: httpx2.Client, abruptly: bool
) -> None:
    user = new_user(http)["id"]
    log = f"/v1/events?type=user.updated&user={user}&limit=1000"

    def names() -> list[str]:
        return [event["object"]["name"] for event in http.get(log).json()]

    for number in range(100):
        name = f"Alice {number}"
        after = (lambda name=name: name in names()) if number % 10 == 0 else lambda: True
        send_and_go(server, "PUT", f"/v1/users/{user}", {"name": name}, abruptly, after=after)
    ask(server, "PUT", f"/v1/users/{user}", {"name": "The last"})
    until = time.monotonic() + 60
    while True:  # the last ones may still be on their way
        before, now = names(), http.get(f"/v1/users/{user}").json()["name"]
        time.sleep(0.2)
        if names() == before:
            break
        assert time.monotonic() < until
    assert len(before) == len(set(before)), "one was made twice"
    assert "The last" in before and len(before) > 10
    assert now == before[-1]


def test_half_a_request_changes_nothing(server: Server, http: httpx2.Client) -> None:
    before = http.get("/v1/users/count").json()
    for number in range(50):
        share = random.uniform(0.1, 0.98)
        send_and_go(
            server, "POST", "/v1/users", new(f"half{number}@example.com"), abruptly=number % 2 == 0, share=share
        )
    assert http.get("/v1/users?q=half&count=exact").json() == []
    assert http.get("/v1/users/count").json() == before
