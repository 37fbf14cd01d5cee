"""Strangers who begin thousands of requests and end none fill nobody's memory: it stays within 100 MiB of an idle
server's, and goes back when they have left.

2,500 connections of one address in `make test`, 4,500 in `make soak`.
"""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.harness import Server, running

CONNECTIONS = 4_500 if os.environ.get("ROLLBOOK_SOAK") else 2_500
MEBIBYTE = 1 << 20
HEAD = b"Host: 127.0.0.1\r\nX-Pad: " + b"p" * 30_000 + b"\r\n"
SHAPES = {
    "a head without an end": b"GET /v1/users HTTP/1.1\r\n" + HEAD + b"X-More: " + b"q" * 39_000,
    "many fields": b"GET /v1/users HTTP/1.1\r\nHost: a\r\n"
    + b"".join(b"x%d: %b\r\n" % (n, b"v" * 300) for n in range(98)),
    "a form": b"POST /account/sign-in HTTP/1.1\r\n" + HEAD + b"Content-Length: 8192\r\n\r\n" + b"a" * 8_191,
    "a body of the API": b"POST /v1/users HTTP/1.1\r\n" + HEAD + b"Content-Length: 65536\r\n\r\n" + b"a" * 65_535,
}


def test_half_sent_requests_fill_no_memory(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, _files():
        assert server.process is not None
        for what, sent in SHAPES.items():
            idle = _memory(server)
            with ExitStack() as stack:
                for _ in range(CONNECTIONS):
                    stack.enter_context(_half_sent(server, sent))
                top = _settled(server)
                with server.http() as http:
                    assert http.get("/v1/users/me").status_code == 200, "others are answered"
                assert top - idle < 100 * MEBIBYTE, (what, (top - idle) // MEBIBYTE)
            _falls(server, idle + 60 * MEBIBYTE, what)


def _half_sent(server: Server, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), 30)
    connection.setblocking(False)
    connection.send(sent)
    return connection


def _settled(server: Server) -> int:
    """The most memory that the server takes in two seconds after the last of them came."""
    top, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        top = max(top, _memory(server))
        time.sleep(0.05)
    return top


def _memory(server: Server) -> int:
    """Resident bytes."""
    assert server.process is not None
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()


def _falls(server: Server, limit: int, what: str) -> None:
    deadline = time.monotonic() + 60
    while (left := _memory(server)) > limit:
        assert time.monotonic() < deadline, (what, left // MEBIBYTE)
        time.sleep(0.1)


@contextmanager
def _files() -> Iterator[None]:
    """This process may have as many open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CONNECTIONS + 512), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
