"""A body that is produced while it is sent: no faster than the client reads, and for no longer than the client is
there."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from wire import Client, Server, until


@pytest.fixture(scope="module")
def streams() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A line for each request that was reported as finished."""
    return tmp_path / "finished"


@pytest.fixture
def own(finished: Path) -> Iterator[Server]:
    """One that no other test has asked anything."""
    finished.touch()
    with Server(environment={"ECHO_FINISHED": str(finished)}) as running:
        yield running


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    """One that soon cuts off a client that reads nothing, or a stream that stands still: not sooner than a busy machine
    may keep them waiting."""
    with Server("body_timeout=2") as running:
        yield running


def ask(client: Client, query: str, version: str = "1.1", method: str = "GET", *lines: str) -> None:
    client.send("\r\n".join((f"{method} /stream?{query} HTTP/{version}", "Host: a", *lines, "", "")).encode())


def head_of(client: Client) -> str:
    while b"\r\n\r\n" not in client.buffer:
        client._more()
    head, _, client.buffer = client.buffer.partition(b"\r\n\r\n")
    return head.decode().lower()


def test_the_body_comes_in_chunks_and_the_connection_goes_on(streams: Server) -> None:
    with streams.client() as client:
        for pause in ("", "&pause=0.01"):
            ask(client, f"count=5&bytes=1000{pause}")
            answer = client.read()
            assert (answer.status, answer.body) == (200, b"x" * 5000)
            assert "connection" not in answer.headers
            assert answer.headers["x-request-id"].startswith("req_")
        assert client.get().status == 200


def test_parts_arrive_before_the_last_one_is_made(streams: Server) -> None:
    with streams.client() as client:
        ask(client, "count=2&bytes=10&pause=600")
        head_of(client)
        assert next(client.chunks()) == b"x" * 10


def test_empty_parts_do_not_end_it(streams: Server) -> None:
    with streams.client() as client:
        ask(client, "count=3&bytes=0")
        assert client.read().body == b""
        assert client.get().status == 200


def test_requests_behind_it_are_answered_after_it(streams: Server) -> None:
    with streams.client() as client:
        ask(client, "count=3&bytes=10&pause=0.02")
        client.send(b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        assert len(client.read().body) == 30
        assert [client.read().json["path"], client.read().json["path"]] == ["/after", "/after"]


def test_http_1_0_gets_it_without_chunks_until_the_end_of_the_connection(streams: Server) -> None:
    with streams.client() as client:
        ask(client, "count=3&bytes=10", "1.0")
        head = head_of(client)
        assert "transfer-encoding" not in head and "content-length" not in head and "connection: close" in head
        with contextlib.suppress(EOFError):
            while True:
                client._more()
        assert client.buffer == b"x" * 30


def test_head_gets_no_body_and_nothing_is_produced(streams: Server, tmp_path: Path) -> None:
    with streams.client() as client:
        ask(client, f"closed={tmp_path / 'closed'}", method="HEAD")
        assert client.read(head=True).status == 200
        assert client.get().json["path"] == "/"
    assert not (tmp_path / "closed").exists()


def test_close_is_said_and_done(streams: Server) -> None:
    with streams.client() as client:
        ask(client, "count=3&bytes=10", "1.1", "GET", "Connection: close")
        answer = client.read()
        assert (len(answer.body), answer.headers["connection"]) == (30, "close")
        assert client.at_end()


def test_one_that_never_waits_does_not_keep_others_waiting(streams: Server) -> None:
    with streams.client() as greedy, streams.client() as other:
        ask(greedy, "bytes=10000")
        until(lambda: bool(greedy.socket.recv(1000)))
        for _ in range(20):
            with contextlib.suppress(BlockingIOError):
                greedy.socket.recv(1 << 20, socket.MSG_DONTWAIT)
            assert other.get().status == 200


def test_nothing_is_produced_beyond_what_the_client_reads(streams: Server, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    with streams.client() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        before = _memory(streams)
        ask(client, f"bytes=10000&closed={closed}")
        time.sleep(0.3)
        assert _memory(streams) - before < 8_000_000
    until(closed.exists)
    assert 10_000 * int(closed.read_text()) < 16_000_000  # what the sockets between us hold


def test_a_client_that_reads_slowly_gets_it_all(streams: Server) -> None:
    with streams.client() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        ask(client, "count=200&bytes=100000")
        head_of(client)
        size = 0
        for number, part in enumerate(client.chunks()):
            size += len(part)
            if number % 50 == 0:
                time.sleep(0.1)
        assert size == 20_000_000
        assert client.get().status == 200


@pytest.mark.parametrize("pause", ["", "&pause=0.05"], ids=["that is full", "that waits"])
def test_when_the_client_leaves_the_producer_is_closed(streams: Server, tmp_path: Path, pause: str) -> None:
    closed = tmp_path / "closed"
    with streams.client() as client:
        ask(client, f"closed={closed}{pause}")
        head_of(client)
        next(client.chunks())
    until(closed.exists)
    assert len(closed.read_text().splitlines()) == 1


def test_a_producer_that_raises_ends_the_connection_before_the_last_chunk(tmp_path: Path) -> None:
    with Server() as server:
        with server.client() as client:
            ask(client, f"count=2&raises=1&closed={tmp_path / 'closed'}")
            with pytest.raises((EOFError, ConnectionResetError)):
                client.read()
        with server.client() as other:
            assert other.get().status == 200
        _, _, errors = server.stop()
    assert "broken promise" in errors
    assert (tmp_path / "closed").read_text() == "2\n"


def test_one_that_stands_still_is_cut_off_but_not_one_that_goes_on(hasty: Server, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    with hasty.client() as client:
        began = time.monotonic()
        ask(client, f"pause=600&closed={closed}")
        with pytest.raises((EOFError, ConnectionResetError)):
            client.read()
        assert time.monotonic() - began > 1
    until(closed.exists)

    def whole() -> bool:
        """Whether one that takes longer than the deadline, in parts that each keep it, is sent. A machine that holds
        the server up for as long may keep it from that."""
        with hasty.client() as client, contextlib.suppress(EOFError, ConnectionResetError):
            ask(client, "count=30&pause=0.1")
            return len(client.read().body) == 300
        return False

    assert any(whole() for _ in range(10))


def test_a_client_that_stops_reading_is_cut_off(hasty: Server, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    with hasty.client() as client:
        ask(client, f"bytes=100000&closed={closed}")
        until(closed.exists)


def test_a_client_that_stops_reading_finds_the_reason_if_it_reads_on(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    with Server("body_timeout=6") as server, server.client() as client:
        ask(client, f"bytes=1000000&endless=1&cut_off=too+slow&closed={closed}")
        until(closed.exists)
        head_of(client)
        *parts, last = client.chunks()
        assert last == b"too slow" and {len(part) for part in parts} == {1_000_000}
        assert client.at_end()


def test_an_endless_one_ends_when_its_client_sends_no_more(streams: Server, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    with streams.client() as client:
        ask(client, f"endless=1&pause=0.1&closed={closed}")
        head_of(client)
        next(client.chunks())
        client.socket.shutdown(socket.SHUT_WR)
        until(closed.exists)


def test_each_is_reported_once_at_its_end_with_what_was_sent(own: Server, finished: Path) -> None:
    with own.client() as client:
        ask(client, "count=4&bytes=100")
        client.read()
        ask(client, "count=4", method="HEAD")
        client.read(head=True)
        body = client.get("/reported").body
    with own.client() as client:
        ask(client, "bytes=7&pause=0.05")
        head_of(client)
        next(client.chunks())
    until(lambda: finished.read_text().count("\n") == 4)
    *whole, cut = finished.read_text().splitlines()
    assert whole == ["GET /stream 200 400", "HEAD /stream 200 0", f"GET /reported 200 {len(body)}"]
    assert re.fullmatch(r"GET /stream 200 \d+", cut) and int(cut.split()[-1]) % 7 == 0


class TestStop:
    def test_one_that_ends_by_itself_is_sent_whole(self) -> None:
        with Server("drain_timeout=600") as server, server.client() as client:
            ask(client, "count=10&bytes=10&pause=0.1")
            head_of(client)
            parts = client.chunks()
            next(parts)
            server.process.send_signal(signal.SIGTERM)
            assert len(list(parts)) == 9
            assert client.at_end()
            assert server.process.wait(60) == 0

    def test_one_without_end_ends_cleanly_at_once(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        with Server("drain_timeout=600") as server, server.client() as client:
            ask(client, f"endless=1&pause=600&closed={closed}")
            head_of(client)
            parts = client.chunks()
            next(parts)
            server.process.send_signal(signal.SIGTERM)
            assert list(parts) == []
            assert client.at_end()
            assert server.process.wait(60) == 0
        assert closed.read_text() == "1\n"

    def test_one_that_does_not_end_in_time_is_cut_off_and_closed(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        with Server("drain_timeout=0.5") as server, server.client() as client:
            ask(client, f"pause=0.1&closed={closed}")
            head_of(client)
            next(client.chunks())
            code, _, errors = server.stop()
            with pytest.raises((EOFError, ConnectionResetError)):
                list(client.chunks())
        assert code == 0
        assert "unfinished" in errors
        assert closed.exists()


def _memory(server: Server) -> int:
    with open(f"/proc/{server.process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096
