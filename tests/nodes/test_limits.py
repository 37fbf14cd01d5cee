"""100 requests are 100 requests, however many workers and nodes they arrive at.

2,000 requests in `make test`; all 10,000 with `ROLLBOOK_ROUNDS=20 make test ARGS="tests/nodes/test_limits.py"`.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter

from tests.harness import Server, new_key, new_user
from tests.nodes.pair import Pair

REQUESTS = 10_000 if int(os.environ.get("ROLLBOOK_ROUNDS", "0")) >= 20 else 2_000
CONNECTIONS = 20  # to each node


async def flood(servers: tuple[Server, ...], key: str) -> list[int]:
    """Their statuses; the requests of a connection are sent without waiting for answers."""
    each = REQUESTS // (len(servers) * CONNECTIONS)
    request = f"GET /v1/users/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n".encode()

    async def one(server: Server) -> list[int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request * each)
        found = []
        for _ in range(each):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            await reader.readexactly(int(fields["content-length"]))
            found.append(int(head.split(" ")[1]))
        writer.close()
        await writer.wait_closed()
        return found

    answers = await asyncio.gather(*(one(server) for server in servers for _ in range(CONNECTIONS)))
    return [status for found in answers for status in found]


def test_of_concurrent_requests_of_one_user_to_two_nodes_exactly_100_are_admitted(nodes: Pair) -> None:
    with nodes.both[0].http() as http:
        user = new_user(http, rate_limit="100/day")
        key = new_key(http, user_id=user["id"])
    assert Counter(asyncio.run(flood(nodes.both, key))) == {200: 100, 429: REQUESTS - 100}
