"""100 requests are 100 requests, however many workers and nodes they arrive at.

2,000 requests, and 10,000 with ROLLBOOK_ROUNDS=20.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore

from tests import postgres
from tests.harness import Server, new_key, new_user
from tests.nodes.pair import Pair, ask

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


def test_a_user_has_ten_unfinished_imports_however_many_uploads_end_at_once_on_two_nodes(nodes: Pair) -> None:
    uploads = 40
    with nodes.both[0].http() as http:
        user = new_user(http, role="admin")
        key = new_key(http, user_id=user["id"])
    begun, all_begun = Semaphore(0), Event()

    def body() -> Iterator[bytes]:
        yield b"nonsense\n"
        begun.release()
        all_begun.wait(60)
        yield b"nonsense\n"

    def upload(server: Server) -> int:
        with server.http(key) as http:
            return http.post("/v1/imports", content=body()).status_code

    # What they refuse can't be stored, so that none of them ends soon. One that waited too long for that has failed, and
    # made room for another one.
    with postgres.locked(nodes.database, "import_refusals"), ThreadPoolExecutor(uploads) as pool:
        answers = [pool.submit(upload, nodes.both[number % 2]) for number in range(uploads)]
        for _ in range(uploads):
            begun.acquire()
        all_begun.set()
        statuses = Counter(answer.result() for answer in answers)
        imports = ask(nodes.database, "SELECT created_at, finished_at FROM imports WHERE user_id = $1", user["id"])
    at_once = max(
        sum(each["created_at"] <= one["created_at"] < (each["finished_at"] or math.inf) for each in imports)
        for one in imports
    )
    assert statuses.keys() == {201, 403} and len(imports) == statuses[201] and at_once <= 10, statuses
