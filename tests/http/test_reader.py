"""What the reader makes of bytes does not depend on how they are cut: the messages of `test_messages`, without a
socket."""

from __future__ import annotations

import pytest
from test_messages import CLOSED, KEPT

from rollbook.config import Settings
from rollbook.http.body import BodyRule
from rollbook.http.reader import CLOSED as READS_NOTHING_MORE
from rollbook.http.reader import SLICE, Reader, RefusedRequest, Rules
from rollbook.http.request import Request

STREAMED = BodyRule(4096, is_streamed=True)
BUFFERED = BodyRule(4096)


def read(data: bytes, piece: int, rule: BodyRule = BUFFERED) -> list[tuple[object, ...]]:
    """The requests and refusals in these bytes, and how the connection stands at their end."""
    found: list[tuple[object, ...]] = []

    def deliver(message: Request | RefusedRequest, keep: bool) -> None:
        if isinstance(message, RefusedRequest):
            found.append((message.error.status, keep))
        else:
            found.append((message.method, message.path, message.query, sorted(message.headers), message.body, keep))

    settings = Settings(max_body=4096, max_target=1024)
    reader = Reader(Rules(settings, lambda method, path: rule), deliver, "192.0.2.1", False)
    for start in range(0, len(data), piece):
        if reader.state == READS_NOTHING_MORE:
            break
        reader.feed(data[start : start + piece])
    found.append((reader.state,))
    return found


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_messages_are_the_same_in_pieces(piece: int) -> None:
    for name, (data, _) in {**KEPT, **CLOSED}.items():
        size = piece if len(data) < 2000 else piece * 100
        assert read(data, size) == read(data, SLICE), name


def test_what_is_refused_is_what_the_server_refuses() -> None:
    for name, (data, statuses) in {**KEPT, **CLOSED}.items():
        *messages, _ = read(data, SLICE)
        refused = [message[0] if isinstance(message[0], int) else 200 for message in messages]
        assert refused == [status if 400 <= status < 500 else 200 for status in statuses], name


def test_a_streamed_body_is_delivered_with_its_head() -> None:
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    assert read(head, SLICE, STREAMED)[:-1] == [("POST", "/a", "", [b"content-length", b"host"], b"", True)]
    assert len(read(head + b"hello" + head, SLICE, STREAMED)) == 3
    assert read(head, SLICE)[:-1] == []


def test_a_request_without_a_body_asks_for_no_rule() -> None:
    def rule(method: str, path: str) -> BodyRule:
        raise AssertionError(path)

    got: list[Request | RefusedRequest] = []
    reader = Reader(Rules(Settings(), rule), lambda message, keep: got.append(message), "", False)
    reader.feed(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert [message.path for message in got if isinstance(message, Request)] == ["/a", "/b"]
