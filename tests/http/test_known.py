"""A connection that repeats its head is read the same way with and without what is remembered of it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from test_messages import CLOSED, HOST, KEPT, SMUGGLED, get, post

from rollbook.config import Networks, Settings
from rollbook.http import heads, reader
from rollbook.http.body import BodyRule
from rollbook.http.reader import CLOSED as READS_NOTHING_MORE
from rollbook.http.reader import SLICE, Reader, RefusedRequest, Rules
from rollbook.http.request import Request

SETTINGS = Settings(max_body=4096, max_target=512, trusted_proxy=Networks.parse(("192.0.2.0/24",)))
SMALL = BodyRule(100)
KEY = (b"Authorization: Bearer rbk_a", b"Accept: */*")
FORWARDED = (*KEY, b"X-Forwarded-For: 198.51.100.7", b"X-Forwarded-Proto: https")
JSON = b'{"name":"Ada"}'
LENGTH = b"Content-Length: %d" % len(JSON)
TARGETS = (
    b"/",
    b"/v1/users?limit=2&offset=0",
    b"/v1/users/user_1",
    b"//a",
    b"/a?",
    b"/a?b=%zz",
    b"/a?b#c",
    b"/a#c",
    b"/%61",
    b"/a%2fb",
    b"/\xc3\xa9",
    b"/a b",
    b"/a\tb",
    b"*",
    b"http://api.example.com/a",
    b"http://evil.example/",
    b"a",
    b"",
    b"/~!$&'()*+,;=:@",
    b"/a?b[c]=d",
    b"/<>",
    b"/" + b"a" * 511,
    b"/" + b"a" * 510 + b"?",
    b"/?" + b"a" * 510,
    b"/" + b"a" * 512,
    b"/?" + b"a" * 511,
    b"/small",
    b"/streamed",
)
METHODS = b"GET GET GET HEAD PUT PATCH POST DELETE OPTIONS TRACE CONNECT get GETS G".split()
HEADS = (
    KEY,
    KEY,
    KEY,
    FORWARDED,
    (b"X-Many: 1", b"x-many: 2"),
    (b"Connection: keep-alive",),
    (b"Connection: close",),
    (b"Content-Length: 0",),
    (b"Connection: Upgrade", b"Upgrade: websocket"),
    (b"Expect: 100-continue",),
    (b"Expect: 100-continue", LENGTH),
    (LENGTH,),
    (*KEY, LENGTH),
    (b"Transfer-Encoding: chunked",),
    (LENGTH, b"Transfer-Encoding: chunked"),
    (b"X: a\rb",),
    (b"Host: b",),
    (b"Connection: upgrade", LENGTH),
)
USUAL = (KEY, FORWARDED, (*KEY, LENGTH), (b"Connection: keep-alive",))
# What may stand between two messages, or is the beginning or the end of one.
SCRAPS = (b"", b"", b"", b"", b"\r\n", b"\r", b"\n", b"G", b"GET ", b"\0", b" ", b"0\r\n\r\n", JSON, SMUGGLED)


def rule(method: str, path: str) -> BodyRule:
    return BodyRule(4096, is_streamed=True) if path == "/streamed" else SMALL if path == "/small" else BodyRule(4096)


def read(pieces: list[bytes], remembers: bool, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """All that the reader makes of these pieces."""
    found: list[object] = []

    def deliver(message: Request | RefusedRequest, keep: bool) -> None:
        if isinstance(message, RefusedRequest):
            error = message.error
            found.append(
                (error.code, error.message, message.method, message.target, list(message.headers.items()), keep)
            )
        else:
            found.append(
                (
                    message.method,
                    message.path,
                    message.query,
                    list(message.headers.items()),
                    message.body,
                    message.address,
                    message.secure,
                    message.version,
                    message.stream is None,
                    keep,
                )
            )
            if message.path == "/user_raises":
                raise ValueError("a mistake in the application")

    with monkeypatch.context() as patch:
        if not remembers:
            patch.setattr(heads, "learn", lambda data, request: None)
        reading = Reader(Rules(SETTINGS, rule), deliver, "192.0.2.1", False)
        for piece in pieces:
            if reading.state == READS_NOTHING_MORE:
                break
            reading.feed(piece)
            found.append((reading.state, reading.continue_due))
        if reading.state != READS_NOTHING_MORE:
            reading.end()
    return found


def conversation(choose: random.Random) -> Iterator[bytes]:
    """Messages of one client, most with the same head, some odd or broken, cut and joined as packets may be."""
    usual = choose.choice(HEADS if choose.random() < 0.3 else USUAL)
    host = HOST if choose.random() < 0.9 else choose.choice((b"Host: localhost:8000\r\n", b"Host: a b\r\n", b""))
    odd = choose.choice((0.02, 0.1, 0.4))
    waiting = b""
    for _ in range(choose.randint(2, 8)):
        lines = usual if choose.random() > odd else choose.choice(HEADS)
        version = b"HTTP/1.1" if choose.random() > odd / 2 else choose.choice((b"HTTP/1.0", b"HTTP/1.2", b"http/1.1"))
        target = choose.choice(TARGETS) if choose.random() < odd else b"/v1/users/user_%d" % choose.randrange(1000)
        body = JSON if LENGTH in lines else b"0\r\n\r\n" if b"Transfer-Encoding: chunked" in lines else b""
        method = choose.choice(METHODS) if choose.random() < odd else b"GET"
        waiting += get(target, *lines, method=method, version=version, host=host) + body
        if choose.random() < odd / 4:
            waiting += choose.choice(SCRAPS)
        if choose.random() < odd / 4:
            at = choose.randrange(len(waiting))
            waiting = waiting[:at] + choose.choice(SCRAPS) + waiting[at + choose.randint(0, 1) :]
        while waiting:
            piece = len(waiting) if choose.random() > odd else choose.randint(1, len(waiting))
            yield waiting[:piece]
            waiting = waiting[piece:]
            if choose.random() < odd / 2:
                break  # the rest arrives with the next message


def test_what_is_remembered_changes_no_request_and_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    repeated = 0
    real = heads.repeated

    def counted(data: bytes, head: heads.KnownHead, max_target: int) -> tuple[str, str, str, bytes] | None:
        nonlocal repeated
        found = real(data, head, max_target)
        repeated += found is not None
        return found

    monkeypatch.setattr(reader.heads, "repeated", counted)
    for seed in range(4_000):
        pieces = list(conversation(random.Random(seed)))
        assert read(pieces, True, monkeypatch) == read(pieces, False, monkeypatch), (seed, pieces)
    assert repeated > 4_000, "hardly any request took the short way, so the two were not compared"


@pytest.mark.parametrize("head", [get(b"/before", *KEY), post(JSON, LENGTH)])
def test_every_message_after_a_known_head(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (data, _) in {**KEPT, **CLOSED}.items():
        pieces = [head, head, *(data[at : at + SLICE] for at in range(0, len(data), SLICE)), head, head]
        assert read(pieces, True, monkeypatch) == read(pieces, False, monkeypatch), name


def test_a_message_that_is_sent_twice_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (data, _) in {**KEPT, **CLOSED}.items():
        assert read([data] * 3, True, monkeypatch) == read([data] * 3, False, monkeypatch), name


def test_a_repetition_behind_a_piece_of_a_message_is_read_as_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    message = get(b"/", *KEY)
    for cut in range(1, len(message)):
        for pieces in ([message, message + message[:cut], message], [message, message, message[:cut], message]):
            assert read(pieces, True, monkeypatch) == read(pieces, False, monkeypatch), cut

    lines = (
        b"GET /a HTTP/1.1\r\n" + HOST + b"X: ",
        b"GET /b HTTP/1.1\r\nY: 1\r\n\r\n",
        b"GET /c HTTP/1.1\r\nY: 1\r\n\r\n",
    )
    assert read([*lines], True, monkeypatch) == read([*lines], False, monkeypatch)


def test_a_mistake_of_the_application_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [get(b"/", *KEY), get(b"/user_raises", *KEY)]
    assert read(pieces, True, monkeypatch) == read(pieces, False, monkeypatch)
    assert "internal_error" in str(read(pieces, True, monkeypatch))


def test_a_long_head_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    for size, is_kept in ((heads.LONGEST_HEAD - 100, True), (heads.LONGEST_HEAD, False)):
        message = get(b"/", b"X: " + b"a" * size)
        request = Request("GET", "/", "", {}, b"", "192.0.2.1", False, "req_1", 0)
        assert (heads.learn(message, request) is not None) is is_kept
