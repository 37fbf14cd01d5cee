"""Webhooks under test, made through the API, and what the server says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2

from rollbook.delivery import signing
from tests.harness import Server
from tests.webhooks.listener import Message

Make = Callable[..., dict[str, Any]]
FAILS = (500, 0.0, {"Retry-After": "300"})
"""An answer after which nothing is sent again until the test lets time pass. Without what it asks for, that would be
after some four seconds, by when a busy machine may not have come to that."""


class Time:
    """Moves the clock of a server that several tests share: only forward."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._passed = 0.0

    def __call__(self, seconds: float) -> None:
        self._passed += seconds
        self._server.pass_time(self._passed)


def rename(http: httpx2.Client, user: dict[str, Any], name: str) -> None:
    answer = http.patch(f"/v1/users/{user['id']}", json={"name": name})
    assert answer.status_code == 200, answer.text


def names(messages: list[Message], user: dict[str, Any]) -> list[str]:
    """What a user was called, message by message."""
    return [message.event["object"]["name"] for message in messages if message.user_id == user["id"]]


def is_signed(message: Message, secret: str) -> bool:
    at = int(message.headers["webhook-timestamp"])
    (signature,) = [
        value
        for name, value in signing.headers(message.id, at, message.body, [signing.key(secret)])
        if "signature" in name
    ]
    return signature in message.headers["webhook-signature"].split()


def attempts(server: Server, webhook: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Type, number and outcome of each, in order."""
    return server.ask(
        f"SELECT type, attempt, outcome FROM webhook_deliveries WHERE webhook_id = '{webhook['id']}' ORDER BY id"
    )


def lanes(server: Server, webhook: dict[str, Any]) -> int:
    return server.ask(f"SELECT count(*) FROM webhook_lanes WHERE webhook_id = '{webhook['id']}'")[0][0]


def events(http: httpx2.Client, **filters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while page := http.get(
        "/v1/events", params={"limit": 200, **filters, **({"after": after} if after else {})}
    ).json():
        found += page
        after = page[-1]["id"]
    return found
