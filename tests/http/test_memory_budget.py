"""Memory for unfinished requests: when it is used up, those who take most of it lose their oldest requests, and nobody
else any."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from wire import Client, Hold, Server, until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"
GREEDY, OTHER = "127.0.0.2", "127.0.0.3"


@pytest.fixture
def server() -> Iterator[Server]:
    """With room for some 120 requests of which 60 KB came. No time-out ends one, however long a busy machine takes."""
    with Server("request_memory=8", "header_timeout=600", "body_timeout=600") as running:
        yield running


def _is_there(client: Client) -> bool:
    """Whether something has come from the server."""
    client.socket.setblocking(False)
    try:
        return bool(client.socket.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    finally:
        client.socket.settimeout(60)


def test_the_oldest_of_whoever_holds_most_go_and_those_of_others_stay(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(server.client(source=OTHER))
        other.send(POST + b"x" * 59_999)
        greedy = [stack.enter_context(server.client(source=GREEDY)) for _ in range(300)]
        for client in greedy:
            client.send(POST + b"x" * 59_999)
        until(lambda: _is_there(greedy[0]))
        answer = greedy[0].read()
        assert (answer.status, int(answer.headers["retry-after"]) >= 1, answer.headers["connection"]) == (
            503,
            True,
            "close",
        )
        for client in (other, greedy[-1]):
            client.send(b"x")
            assert client.read().status == 200
        with server.client(source=GREEDY) as later:
            later.send(POST + b"x" * 60_000)
            assert later.read().status == 200


def test_heads_that_never_end_count_too(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(300)]
        for client in clients:
            client.send(GET[:-2] + b"X: " + b"y" * 50_000)
        until(lambda: _is_there(clients[0]))
        assert clients[0].read().status == 503
        assert not _is_there(clients[-1])


def test_what_is_sent_behind_a_request_that_is_being_handled_counts(server: Server, tmp_path: Path) -> None:
    holds = [Hold(tmp_path) for _ in range(60)]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in holds]
        for client, hold in zip(clients, holds, strict=True):
            client.send(f"GET {hold.path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            hold.begun()
            client.send(GET * 12_000)
        for hold in holds:
            hold.let_go()
        assert clients[0].read().status == 200, "what is being handled is answered"
        assert clients[0].read().status == 503
        assert clients[0].at_end()


def test_responses_that_no_one_reads_count(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(12):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(60)
            client.connect(("127.0.0.1", server.port))
            clients.append(stack.enter_context(client))
            client.sendall(b"GET /big?bytes=9000000 HTTP/1.1\r\nHost: a\r\n\r\n")

        def received() -> int:
            size = 0
            with contextlib.suppress(ConnectionResetError):
                while part := clients[0].recv(1 << 20):
                    size += len(part)
            return size

        assert received() < 9_000_000
        with server.client() as other:
            assert other.get().status == 200
