"""A body that is handled while it arrives: no faster than the handler takes it, in constant memory, up to the limit of
its row."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from wire import Hold, Server

from rollbook.errors import BadMessage
from rollbook.http.body import BodyStream

MAX = 100_000_000  # of echo's /upload


@pytest.fixture(scope="module")
def uploads() -> Iterator[Server]:
    with Server("max_body=4096") as running:
        yield running


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    """One that soon gives up a client that sends nothing: not sooner than a busy machine may keep this one waiting."""
    with Server("body_timeout=2", "max_body=4096") as running:
        yield running


def head(query: str = "", *lines: str, length: int | None = None, path: str = "/upload") -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return "\r\n".join((f"POST {path}?{query} HTTP/1.1", "Host: a", framing, *lines, "", "")).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def seen(body: bytes) -> dict[str, object]:
    return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


BODY = bytes(range(256)) * 4000  # a megabyte


@pytest.mark.parametrize("piece", [0, 10_007], ids=["whole", "pieces"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunks"])
def test_every_byte_arrives_and_the_connection_goes_on(uploads: Server, is_chunked: bool, piece: int) -> None:
    with uploads.client() as client:
        for _ in range(2):
            if is_chunked:
                client.send(head() + chunk(BODY[:300_000]) + chunk(BODY[300_000:]) + b"0\r\nX: y\r\n\r\n", piece)
            else:
                client.send(head(length=len(BODY)) + BODY, piece)
            assert client.read().json == seen(BODY)
        assert client.get().status == 200


def test_what_follows_is_the_next_request(uploads: Server) -> None:
    with uploads.client() as client:
        client.send(
            head("pause=0.01", length=1000)
            + b"x" * 1000
            + b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n"
            + head()
            + b"0\r\n\r\n"
        )
        assert client.read().json == seen(b"x" * 1000)
        assert client.read().json["path"] == "/after"
        assert client.read().json == seen(b"")


def test_it_waits_for_its_turn(uploads: Server) -> None:
    with uploads.client() as client:
        client.send(b"GET /slow?s=0.3 HTTP/1.1\r\nHost: a\r\n\r\n" + head(length=len(BODY)) + BODY)
        assert client.read().json["path"] == "/slow"
        assert client.read().json == seen(BODY)


def test_a_body_after_an_upgrade_wish_is_streamed_too(uploads: Server) -> None:
    with uploads.client() as client:
        client.send(head("", "Connection: upgrade", "Upgrade: h2c", length=len(BODY)) + BODY)
        assert client.read().json == seen(BODY)
        assert client.get().status == 200


def test_a_handler_that_takes_little_holds_the_client_up_and_no_memory(uploads: Server, tmp_path: Path) -> None:
    hold = Hold(tmp_path)
    with uploads.client(timeout=1.0) as client:
        before = _memory(uploads)
        client.socket.sendall(head(f"held={hold.path.partition('=')[2]}", length=MAX))
        hold.begun()
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < MAX:
                sent += client.socket.send(bytes(100_000))
        assert sent < 20_000_000  # what the sockets between us hold
        assert _memory(uploads) - before < 8_000_000
        with uploads.client() as other:
            assert other.get().status == 200
        hold.let_go()
        client.socket.settimeout(30)
        while sent < MAX:
            sent += client.socket.send(bytes(min(100_000, MAX - sent)))
        assert client.read().json["size"] == MAX
        assert _memory(uploads) - before < 12_000_000


class TestLimit:
    def test_a_length_above_it_is_refused_at_once(self, uploads: Server) -> None:
        with uploads.client() as client:
            client.send(head(length=MAX + 1))
            answer = client.read()
            assert (answer.status, answer.headers["connection"]) == (413, "close")
            assert client.at_end()

    def test_chunks_above_it_are_refused_as_they_come(self, uploads: Server) -> None:
        with uploads.client() as client:
            client.send(head())
            part = chunk(bytes(1_000_000))
            for _ in range(MAX // 1_000_000 + 2):
                client.send(part)
            answer = client.read()
            assert (answer.status, answer.headers["connection"]) == (413, "close")

    def test_endless_framing_is_refused(self, uploads: Server) -> None:
        """A chunk extension counts for no byte of the body, and comes to an end all the same."""
        with uploads.client() as client:
            client.send(head() + b"5;")
            for _ in range(900):
                client.send(b"a" * 1_000_000)
            assert client.read().status == 413

    def test_a_row_can_have_a_smaller_one(self, uploads: Server) -> None:
        with uploads.client() as client:
            client.send(head(length=100, path="/small") + b"x" * 100)
            assert client.read().json["body"] == "x" * 100
            client.send(head(length=101, path="/small") + b"x" * 101)
            assert client.read().status == 413
        with uploads.client() as client:
            client.send(head(path="/small") + chunk(b"x" * 60) * 2)
            assert client.read().status == 413

    def test_the_others_keep_that_of_the_setting(self, uploads: Server) -> None:
        with uploads.client() as client:
            client.send(head(length=4097, path="/"))
            assert client.read().status == 413


class TestEarlyAnswers:
    """The handler answers before the body has ended: the rest is not read as another request."""

    SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

    @pytest.mark.parametrize("parts", [0, 1])
    def test_the_connection_closes_and_the_answer_arrives(self, uploads: Server, parts: int) -> None:
        with uploads.client() as client:
            client.send(head(f"parts={parts}", length=50_000_000))
            for _ in range(50):
                client.send(self.SMUGGLED * 1000)
            answer = client.read()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert client.at_end()

    def test_one_whose_body_has_arrived_keeps_the_connection(self, uploads: Server) -> None:
        with uploads.client() as client:
            client.send(head("parts=0&pause=0", length=3) + b"abc" + self.SMUGGLED)
            answer = client.read()
            if "connection" not in answer.headers:  # it may have been answered before its body was there
                assert client.read().json["path"] == "/smuggled"
            else:
                assert client.at_end()


class TestExpect:
    def test_the_body_is_asked_for_when_the_handler_wants_it(self, uploads: Server) -> None:
        with uploads.client() as client:
            client.send(head("", "Expect: 100-continue", length=5))
            assert client.read().status == 100
            client.send(b"hello")
            assert client.read().json == seen(b"hello")

    def test_a_refusal_comes_instead(self, uploads: Server) -> None:
        with uploads.client() as client:
            client.send(head("parts=0", "Expect: 100-continue", length=5))
            answer = client.read()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert client.at_end()


class TestBrokenOff:
    def test_a_client_that_stands_still_gets_408(self, hasty: Server) -> None:
        with hasty.client() as client:
            began = time.monotonic()
            client.send(head(length=1000) + b"x")
            answer = client.read()
            assert (answer.status, answer.headers["connection"]) == (408, "close")
            assert time.monotonic() - began > 1

    def test_one_that_goes_on_has_all_the_time(self, hasty: Server) -> None:
        def taken() -> bool:
            """Whether one that sends a byte every tenth of a second is read to its end. It may be given up only when we
            were held up for as long as it may stand still."""
            with hasty.client() as client:
                client.send(head(length=30))
                last, longest = time.monotonic(), 0.0
                for _ in range(30):
                    client.send(b"x")
                    now = time.monotonic()
                    last, longest = now, max(longest, now - last)
                    time.sleep(0.1)
                answer = client.read()
                assert answer.status in (200, 408) and (answer.status == 200 or longest > 1)
                return answer.status == 200 and answer.json == seen(b"x" * 30)

        assert any(taken() for _ in range(10))

    def test_a_slow_handler_is_not_the_clients_fault(self, hasty: Server) -> None:
        with hasty.client() as client:
            client.send(head("pause=3", length=10) + b"x" * 10)
            assert client.read().json == seen(b"x" * 10)

    @pytest.mark.parametrize("rest", [b"zz\r\n", b"5\r\nhello!", b"0\r\nX y\r\n\r\n"])
    def test_broken_chunks_get_400(self, uploads: Server, rest: bytes) -> None:
        with uploads.client() as client:
            client.send(head() + chunk(b"hello") + rest)
            answer = client.read()
            assert (answer.status, answer.headers["connection"]) == (400, "close")
            assert client.at_end()

    def test_an_end_in_the_middle_gets_400(self, uploads: Server) -> None:
        with uploads.client() as client:
            client.send(head(length=1000) + b"x")
            client.socket.shutdown(1)
            assert client.read().status == 400
            assert client.at_end()

    def test_a_client_that_leaves_harms_nobody(self, uploads: Server) -> None:
        for _ in range(5):
            with uploads.client() as client:
                client.send(head(length=1_000_000) + b"x" * 100_000)
        with uploads.client() as other:
            assert other.get().status == 200


def test_a_stream_says_once_and_for_all_that_it_broke_off() -> None:
    stream = BodyStream()
    stream.put(b"a")
    stream.fail(BadMessage("gone"))
    taken = stream.__anext__()
    with pytest.raises(StopIteration) as end:
        taken.send(None)
    assert end.value.value == b"a"
    for _ in range(2):
        with pytest.raises(BadMessage):
            stream.__anext__().send(None)


def _memory(server: Server) -> int:
    with open(f"/proc/{server.process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096
