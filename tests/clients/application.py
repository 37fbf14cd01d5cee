"""What an application does with a generated client, and what it must have seen then."""

from __future__ import annotations

import os
from typing import Any

from tests.clients.generated import Client
from tests.clients.later import NEW, later
from tests.harness import Server


def works(client: Client | Exception, server: Server, ids: str) -> None:
    seen = seen_by(client, server.url, server.key, ids)
    events = ["user.created", "user.updated", "key.created", "key.rotated", "key.revoked"]
    assert seen == expected("member", "active", events, ("invalid_parameter", "not_found"), ["users:read"])


def works_with_a_later_version(client: Client | Exception, server: Server, ids: str) -> None:
    with later(server) as url:
        seen = seen_by(client, url, server.key, ids)
    code = NEW["code"]
    assert seen == expected(NEW["role"], NEW["status"], [NEW["type"]] * 5, (code, code), ["users:read", "teams:read"])


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
        "group": [[["Alan", role]], ["Alan"]],  # its members, and users by group
        "webhook": [["*"], "whsec_"],
        "exported": "Alan",
    }


def seen_by(client: Client | Exception, url: str, key: str, ids: str) -> dict[str, Any]:
    if isinstance(client, Exception):
        raise client
    return client.run(ROLLBOOK_URL=url, ROLLBOOK_KEY=key, IDS=ids, EMAIL=f"{os.urandom(6).hex()}@example.com")
