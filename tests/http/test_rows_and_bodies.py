"""What a row of the API says about its body holds on the whole server: who may send it is decided before it is read."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from rows import LARGE, ROWS, SMALL, STREAMED
from wire import Answer, Client

from tests.harness import Server, new_key, new_user, running
from tests.visitor import signed_in


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data: Path = tmp_path_factory.mktemp("rows") / "data"
    with running(data, "--rate-limit", "none", "--unauthenticated-limit", "20/hour", program=ROWS) as started:
        yield started


def ask(server: Server, path: str, length: int, body: bytes = b"", key: str | None = None, *lines: str) -> Answer:
    fields = ["Host: a", f"Content-Length: {length}", "Content-Type: application/json", *lines]
    if key is not None:
        fields.append(f"Authorization: Bearer {key}")
    with Client(server.port) as client:
        client.send("\r\n".join((f"POST /v1/test/{path} HTTP/1.1", *fields, "", "")).encode() + body)
        return client.read()


def document(size: int) -> bytes:
    start = b'{"name": "Alice", "email": "a@example.com", "password": "securepassword123", "metadata": {}'
    return start + b" " * (size - len(start) - 1) + b"}"


@pytest.mark.parametrize("path", ["streamed", "large"])
def test_a_stranger_is_refused_before_the_body_is_sent(server: Server, path: str) -> None:
    for key in (None, "nonsense"):
        answer = ask(server, path, 900_000, b"", key)
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        answer = ask(server, path, 900_000, b"", key, "Expect: 100-continue")
        assert (answer.status, answer.headers["connection"]) == (401, "close")


def test_a_usual_body_of_a_stranger_is_not_read_if_it_is_longer_than_4_kib(server: Server) -> None:
    for key in (None, "nonsense"):
        for path in ("usual", "no-such-path"):
            answer = ask(server, path, 60_000, b"", key)
            assert (answer.status, answer.headers["connection"]) == (401, "close")
    answer = ask(server, "usual", 4_096, document(4_096))
    assert (answer.status, "connection" in answer.headers) == (401, False)
    for size in (4_096, 4_097, 60_000):
        assert ask(server, "usual", size, document(size), server.key).json["size"] == size
    with Client(server.port) as client:  # of a length that it does not tell
        client.send(
            b"POST /v1/test/usual HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: application/json\r\nAuthorization: Bearer %b\r\n\r\n1000\r\n" % server.key.encode()
        )
        client.send(document(4_096) + b"\r\n0\r\n\r\n", 1_000)
        assert client.read().json["size"] == 4_096
        client.send(b"GET /v1/users/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\n\r\n" % server.key.encode())
        assert client.read().status == 200


def test_forms_of_strangers_are_small(server: Server) -> None:
    def post(path: str, length: int, body: bytes = b"") -> Answer:
        with Client(server.port) as client:
            client.send(
                f"POST {path} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: {length}\r\n"
                "Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode()
                + body
            )
            return client.read()

    for path in ("sign-in", "sign-out", "set-password", "invitation", "confirm-email", "sign-in-link"):
        assert post(f"/account/{path}", 8_193).status == 413
    password = quote("\N{GRINNING FACE}" * 256)
    longest = f"token={'t' * 1_500}&password={password}&again={password}".encode()
    assert post("/account/set-password", len(longest), longest).status == 404, "there is no such link"
    for path in ("/account/profile", "/account/password", "/admin/users/new"):
        answer = post(path, 60_000)
        assert (answer.status, answer.headers["connection"]) == (303, "close"), "to the form for signing in"
    with signed_in(server) as owner:
        long = owner.post("/account/profile", data={"name": "x" * 30_000})
        assert (long.status_code, "connection" in long.headers) == (400, False), "what a person sent is read"


def test_a_usual_body_has_its_time_as_a_whole_also_if_its_key_is_known(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--body-timeout", "0.6") as server, Client(server.port) as client:
        client.send(
            f"POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\nAuthorization: Bearer {server.key}\r\n"
            "Content-Type: application/json\r\n\r\n".encode()
        )
        while not select.select([client.socket], [], [], 0.1)[0]:
            client.send(b" ")  # a trickle does not move the deadline
        assert client.read().status == 408


def test_a_key_that_may_not_is_refused_before_the_body_is_sent(server: Server) -> None:
    with server.http() as http:
        viewer = new_user(http, role="viewer")
        key = new_key(http, user_id=viewer["id"])
    answer = ask(server, "streamed", STREAMED, b"", key)
    assert (answer.status, answer.json["code"], answer.headers["connection"]) == (403, "insufficient_scope", "close")


def test_each_row_has_its_own_limit(server: Server) -> None:
    key = server.key
    for path, limit in (("streamed", STREAMED), ("large", LARGE), ("small", SMALL)):
        assert ask(server, path, limit + 1, b"", key).status == 413
        size = min(limit, LARGE)
        answer = ask(server, path, size, document(size), key)
        assert (answer.status, answer.json.get("size")) == (200, size), answer.json


def test_a_large_body_is_parsed_once_it_is_there(server: Server) -> None:
    answer = ask(server, "large", 500_000, document(500_000), server.key)
    assert answer.json == {"size": 500_000, "type": "UserCreate"}
    answer = ask(server, "large", 100_000, b"x" * 100_000, server.key)
    assert (answer.status, "connection" in answer.headers) == (400, False)


def test_a_stream_that_breaks_off_is_answered_as_any_error(server: Server) -> None:
    with Client(server.port) as client:
        client.send(
            f"POST /v1/test/streamed HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.key}\r\n"
            "Content-Length: 1000\r\n\r\nabc".encode()
        )
        client.socket.shutdown(socket.SHUT_WR)
        answer = client.read()
        assert (answer.status, answer.json["code"]) == (400, "bad_message")
        assert client.at_end()


def test_fifty_megabytes_pass_in_constant_memory(server: Server) -> None:
    before = _peak(server)
    with Client(server.port) as client:
        client.send(
            f"POST /v1/test/streamed HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.key}\r\n"
            f"Content-Length: {STREAMED}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert client.read().status == 100
        for _ in range(STREAMED // 1_000_000):
            client.send(bytes(1_000_000))
        assert client.read().json == {"size": STREAMED}
    assert _peak(server) - before < 8_000_000


def _peak(server: Server) -> int:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
