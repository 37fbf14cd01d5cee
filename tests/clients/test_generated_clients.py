"""Clients that generators make of the description compile, and do against a running server what an application does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients import generated
from tests.clients.generated import Client
from tests.clients.later import NEW, later
from tests.harness import Server, new_user, running

pytestmark = pytest.mark.timeout(300)
each_client = pytest.mark.parametrize("name", generated.CLIENTS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", "--rate-limit", "none") as server:
        yield server


@pytest.fixture(scope="module")
def ids(server: Server) -> str:
    with server.http() as http:
        return ",".join(new_user(http, name=f"User {number}")["id"] for number in range(5))


def expected(role: str, status: str, events: list[str], codes: tuple[str, str], scopes: list[str]) -> dict[str, Any]:
    return {
        "pages": [[["User 4", role], ["User 3", role]], [["User 2", role], ["User 1", role]], [["User 0", role]]],
        "created": ["Al", True, role, status, {}, None],
        "updated": ["Alan", role, {"plan": "pro"}, None],
        "found": ["Alan"],  # by metadata that an update of the name has left alone
        "key": ["rbk_", scopes, True],
        "events": [[events[0], "Al", True], [events[1], "Alan", True], *([type, "app", False] for type in events[2:])],
        "invalid": [400, codes[0], "email"],
        "gone": [404, codes[1], None],
    }


@each_client
def test_a_generated_client_does_what_an_application_does(
    clients: dict[str, Client | Exception], server: Server, ids: str, name: str
) -> None:
    seen = seen_by(clients[name], server.url, server.key, ids)
    events = ["user.created", "user.updated", "key.created", "key.rotated", "key.revoked"]
    assert seen == expected("member", "active", events, ("invalid_parameter", "not_found"), ["users:read"])


@each_client
def test_a_client_generated_today_works_with_a_later_version(
    clients: dict[str, Client | Exception], server: Server, ids: str, name: str
) -> None:
    with later(server) as url:
        seen = seen_by(clients[name], url, server.key, ids)
    code = NEW["code"]
    assert seen == expected(NEW["role"], NEW["status"], [NEW["type"]] * 5, (code, code), ["users:read", "teams:read"])


def seen_by(client: Client | Exception, url: str, key: str, ids: str) -> dict[str, Any]:
    if isinstance(client, Exception):
        raise client
    return client.run(ROLLBOOK_URL=url, ROLLBOOK_KEY=key, IDS=ids, EMAIL=f"{os.urandom(6).hex()}@example.com")
