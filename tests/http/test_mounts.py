"""An ASGI application under a path prefix: called only for those who may, with streams in both directions."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from mounted import LIMIT, MOUNTED
from wire import Answer, Client, until

from tests.harness import Server, new_key, new_user, running


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the application wrote down."""
    file = tmp_path_factory.mktemp("noted") / "words"
    file.touch()
    return file


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, noted: Path) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("mounted") / "data"
    flags = ("--rate-limit", "1000000/minute", "--unauthenticated-limit", "1000/hour", "--body-timeout", "2")
    with running(data, *flags, program=MOUNTED, environment={"NOTED": str(noted)}) as started:
        yield started


def send(client: Client, server: Server, method: str, path: str, *lines: str, body: bytes = b"", key: str | None = "") -> None:
    fields = ["Host: a", *lines]
    if key is not None:
        fields.append(f"Authorization: Bearer {key or server.key}")
    if body:
        fields.append(f"Content-Length: {len(body)}")
    client.send("\r\n".join((f"{method} {path} HTTP/1.1", *fields, "", "")).encode() + body)


def ask(server: Server, method: str, path: str, *lines: str, body: bytes = b"", key: str | None = "") -> Answer:
    with Client(server.port) as client:
        send(client, server, method, path, *lines, body=body, key=key)
        return client.read(head=method == "HEAD")


def head_of(client: Client) -> str:
    while b"\r\n\r\n" not in client.buffer:
        client._more()
    head, _, client.buffer = client.buffer.partition(b"\r\n\r\n")
    return head.decode().lower()


def test_the_application_is_called_with_what_was_sent_and_by_whom(server: Server) -> None:
    answer = ask(server, "POST", "/asgi/seen?a=%41", "Accept: text/plain", body=b"hello")
    with server.http() as http:
        me = http.get("/v1/users/me").json()["id"]
    assert answer.status == 203
    assert answer.json == {
        "method": "POST", "path": "/asgi/seen", "root_path": "/asgi", "scheme": "http", "state": {"started": True}, "query": "a=%41",
        "accept": "text/plain", "user_id": me, "body": "hello",
    }  # fmt: skip
    assert answer.headers["x-own"] == "1" and answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["x-request-id"].startswith("req_") and "ratelimit" in " ".join(answer.headers)
    for path in ("/asgi", "/asgi/", "/asgi/seen/"):
        assert ask(server, "GET", path).json["path"] == path


def test_a_response_without_a_body(server: Server) -> None:
    with Client(server.port) as client:
        send(client, server, "GET", "/asgi/empty")
        assert client.read().status == 204
        send(client, server, "HEAD", "/asgi/seen")
        assert client.read(head=True).status == 203
        send(client, server, "GET", "/asgi/seen")
        assert client.read().status == 203


class TestGate:
    def test_strangers_are_refused_before_it_is_called(self, server: Server) -> None:
        for key in (None, "nonsense"):
            for method, path in (("GET", "/asgi"), ("POST", "/asgi/raises"), ("DELETE", "/asgi/raises")):
                assert ask(server, method, path, key=key).status == 401

    def test_the_scope_is_needed(self, server: Server) -> None:
        with server.http() as http:
            member = new_user(http, role="member")
            narrow = new_key(http, user_id=member["id"])
            keys_only = new_key(http, scopes=["keys:read"])
        for key in (narrow, keys_only):
            answer = ask(server, "GET", "/asgi/raises", key=key)
            assert (answer.status, answer.json["code"]) == (403, "insufficient_scope")

    def test_requests_count(self, server: Server) -> None:
        with server.http() as http:
            owner = new_user(http, role="admin", rate_limit="2/hour")
            key = new_key(http, user_id=owner["id"])
        assert [ask(server, "GET", "/asgi/seen", key=key).status for _ in range(3)] == [203, 203, 429]

    def test_methods_are_those_of_the_mount(self, server: Server) -> None:
        answer = ask(server, "DELETE", "/asgi/seen")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")

    def test_it_is_logged_and_measured_under_its_prefix(self, server: Server) -> None:
        id = ask(server, "GET", "/asgi/seen").headers["x-request-id"]
        until(lambda: any(line.get("request_id") == id for line in server.logged()))
        (line,) = [line for line in server.logged() if line.get("request_id") == id]
        assert (line["route"], line["status"]) == ("/asgi", 203)
        with server.http() as http:
            assert 'route="/asgi"' in http.get("/metrics").text


class TestBodies:
    def test_both_directions_stream(self, server: Server) -> None:
        with Client(server.port) as client:
            send(client, server, "POST", "/asgi/echo", "Content-Length: 10")
            head_of(client)
            client.send(b"hello")
            parts = client.chunks()
            assert next(parts) == b"hello"
            client.send(b"world")
            assert list(parts) == [b"world"]

    def test_a_large_one_passes_and_a_larger_one_does_not(self, server: Server) -> None:
        assert ask(server, "POST", "/asgi/size", body=bytes(LIMIT)).body == b"%d" % LIMIT
        assert ask(server, "POST", "/asgi/size", f"Content-Length: {LIMIT + 1}").status == 413

    def test_one_that_grows_too_large_is_refused_though_it_has_begun(self, server: Server) -> None:
        with Client(server.port) as client:
            send(client, server, "POST", "/asgi/size", "Transfer-Encoding: chunked")
            for _ in range(LIMIT // 1_000_000 + 1):
                client.send(b"f4240\r\n" + bytes(1_000_000) + b"\r\n")
            answer = client.read()
            assert (answer.status, answer.json["code"]) == (413, "content_too_large")

    def test_nothing_is_produced_beyond_what_the_client_reads(self, server: Server, noted: Path) -> None:
        with Client(server.port) as client:
            send(client, server, "GET", "/asgi/flood")
            head_of(client)
            next(client.chunks())
        sent = _word(noted, "sent")
        assert int(sent) * 10_000 < 16_000_000


class TestLeaving:
    def test_the_application_hears_of_it(self, server: Server, noted: Path) -> None:
        with Client(server.port) as client:
            send(client, server, "GET", "/asgi/events")
            assert "text/event-stream" in head_of(client)
            assert next(client.chunks()) == b"data: 1\n\n"
        assert _word(noted, "left") == "http.disconnect"

    def test_one_that_takes_no_notice_is_cancelled(self, server: Server, noted: Path) -> None:
        """It sends nothing, so that only the deadline of streams finds the client gone."""
        with Client(server.port) as client:
            send(client, server, "GET", "/asgi/deaf")
            head_of(client)
        assert _word(noted, "cancelled") == ""


class TestErrors:
    @pytest.mark.parametrize("path", ["/asgi/raises", "/asgi/nothing", "/asgi/splits"])
    def test_before_the_response_they_are_json(self, server: Server, path: str) -> None:
        answer = ask(server, "GET", path)
        assert (answer.status, answer.json["code"]) == (500, "internal_error")
        assert b"broken" not in answer.body and "set-cookie" not in answer.headers

    def test_in_the_middle_they_end_the_connection(self, server: Server) -> None:
        with Client(server.port) as client:
            send(client, server, "GET", "/asgi/late")
            head_of(client)
            with pytest.raises((EOFError, ConnectionResetError)):
                list(client.chunks())
        assert ask(server, "GET", "/asgi/seen").status == 203


def test_a_stop_ends_streams_of_events_cleanly_and_lets_the_application_shut_down(tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    with running(tmp_path / "data", program=MOUNTED, environment={"NOTED": str(noted)}) as server, Client(server.port) as client:
        send(client, server, "GET", "/asgi/events")
        head_of(client)
        parts = client.chunks()
        next(parts)
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        assert set(parts) <= {b"data: 1\n\n"}
        assert client.at_end()
        assert server.process.wait(20) == 0
    assert _word(noted, "shutdown") == ""


def _word(noted: Path, first: str) -> str:
    """What follows this word on its line, once it is there."""
    until(lambda: any(line.startswith(first) for line in noted.read_text().splitlines()))
    (line,) = [line for line in noted.read_text().splitlines() if line.startswith(first)]
    return line.partition(" ")[2]
