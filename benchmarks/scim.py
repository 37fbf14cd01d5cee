"""SCIM: users provisioned by single POSTs over eight connections, and a group of 10,000 members, read without them and
whole.

    .venv/bin/python benchmarks/scim.py [--users N] [--members N] [--engine sqlite|postgresql]

PostgreSQL is the one that the tests use.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import harness
from tests.harness import Server, new_key, running
from tests.scim.provider import GROUP, USER

FLAGS = ("--scim-limit", "none", "--rate-limit", "none", "--no-access-log")
CONNECTIONS = 8
READS = 20


class Client:
    """One connection that asks as cheaply as Python can: on two cores, the client takes from what it measures."""

    def __init__(self, server: Server, key: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._fields = f"Host: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/scim+json\r\n"

    def call(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} /scim/v2{path} HTTP/1.1\r\n{self._fields}Content-Length: {len(content)}\r\n\r\n"
        self._socket.sendall(head.encode() + content)
        found = b""
        while (end := found.find(b"\r\n\r\n")) < 0:
            found += self._socket.recv(65536)
        length = int(found[:end].lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        parts = [found[end + 4 :]]
        left = length - len(parts[0])
        while left > 0:
            parts.append(self._socket.recv(1 << 20))
            left -= len(parts[-1])
        return int(found[9:12]), b"".join(parts)


def cpu_of(server: Server) -> float:
    """Seconds of CPU that its process has had."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def person(number: int) -> dict[str, object]:
    email = f"person{number}@example.com"
    return {
        "schemas": [USER],
        "userName": email,
        "externalId": f"00u{number}",
        "name": {"givenName": "Person", "familyName": str(number)},
        "emails": [{"primary": True, "value": email, "type": "work"}],
        "displayName": f"Person {number}",
        "active": True,
    }


def provision(server: Server, key: str, users: int) -> list[str]:
    def some(first: int) -> list[str]:
        client, ids = Client(server, key), []
        for number in range(first, users, CONNECTIONS):
            status, body = client.call("POST", "/Users", person(number))
            assert status == 201, body
            ids.append(json.loads(body)["id"])
        return ids

    before, began = cpu_of(server), time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        found = list(pool.map(some, range(CONNECTIONS)))
    took, cpu = time.perf_counter() - began, cpu_of(server) - before
    print(
        f"{users:,} users by POST over {CONNECTIONS} connections: {users / took:,.0f}/s, {cpu / users * 1e6:,.0f} µs CPU each"
    )
    return [id for ids in found for id in ids]


def group(server: Server, key: str, ids: list[str]) -> None:
    client = Client(server, key)
    body = {"schemas": [GROUP], "displayName": "Everyone", "members": [{"value": id} for id in ids]}
    began = time.perf_counter()
    status, answer = client.call("POST", "/Groups", body)
    assert status == 201, answer
    print(f"a group of {len(ids):,} members by one POST: {(time.perf_counter() - began) * 1e3:,.0f} ms")
    path = f"/Groups/{json.loads(answer)['id']}"
    change = {"Operations": [{"op": "add", "path": "members", "value": [{"value": ids[0]}]}]}
    for what, method, target, sent in (
        ("without its members", "GET", f"{path}?excludedAttributes=members", None),
        ("whole", "GET", path, None),
        ("in a list without members", "GET", "/Groups?excludedAttributes=members&count=100", None),
        ("in a list with members", "GET", "/Groups?count=100", None),
        ("changed by PATCH", "PATCH", path, change),
        ("one user by userName", "GET", "/Users?filter=userName%20eq%20%22PERSON7%40example.com%22", None),
        ("a page of 1,000 users", "GET", "/Users?count=1000", None),
    ):
        times = []
        for _ in range(READS):
            began = time.perf_counter()
            status, answer = client.call(method, target, sent)
            times.append((time.perf_counter() - began) * 1e3)
            assert status in (200, 204), answer
        print(f"{what}: {statistics.median(times):.1f} ms (worst of {READS}: {max(times):.1f}), {len(answer):,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    asked = parser.parse_args()
    harness.engine = asked.engine
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data", *FLAGS, cheap=False) as server:
        with server.http() as http:
            key = new_key(http, kind="scim", name="benchmark")
        ids = provision(server, key, asked.users)
        group(server, key, ids[: asked.members])


if __name__ == "__main__":
    main()
