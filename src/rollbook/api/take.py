"""Arguments that several nouns have and that are more than the call's body or query: versions, waiting, and positions
in lists, with their cursors, which are signed, and `Link` headers (RFC 8288)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from rollbook.actions.checking import refuse
from rollbook.actions.events import Waiting
from rollbook.actions.users import order_of
from rollbook.api.call import Call
from rollbook.auth.server_secret import Secret
from rollbook.auth.tokens import decoded, encoded
from rollbook.http.coding import plain_tag
from rollbook.http.request import Request
from rollbook.records.user_list.query import Position, lengths

_ETAG = re.compile(r'(W/)?"([^"]*)"')
_ETAGS = re.compile(r'[ \t,]*(?:W/)?"[^"]*"(?:[ \t]*,(?:[ \t]*(?:W/)?"[^"]*")?)*[ \t]*')


def nothing(call: Call) -> tuple[()]:
    """Take no arguments: the query only chooses what is shown."""
    return ()


def changes(call: Call) -> tuple[Any, frozenset[int] | None]:
    return call.body, if_match(call)


def versions(call: Call) -> tuple[frozenset[int] | None]:
    return (if_match(call),)


def waiting(call: Call) -> tuple[Any, Waiting]:
    return call.query, partial(_waiting, call.request)


@contextmanager
def _waiting(request: Request, leave: Callable[[], None]) -> Iterator[None]:
    """The time in it is not counted as that of the request: it says nothing about the server."""
    began = time.perf_counter_ns()
    if request.left is not None:
        leave()
    request.left = leave
    try:
        yield
    finally:
        request.left = None
        request.started += time.perf_counter_ns() - began


def if_match(call: Call) -> frozenset[int] | None:
    """Versions the caller will change, None for any (RFC 9110 section 13.1.1: a weak tag never matches)."""
    header = call.request.headers.get(b"if-match")
    if header is None:
        return None
    return versions_in(header.decode("latin-1").strip(), "If-Match")


def versions_in(text: str, name: str) -> frozenset[int] | None:
    """Versions in the value of a condition, in a header or elsewhere. Raises InvalidParameter."""
    if text == "*":
        return None
    if not _ETAGS.fullmatch(text):
        refuse(name, 'must hold entity tags in quotes, such as "3"')
    tags = [plain_tag(tag) for weak, tag in _ETAG.findall(text) if not weak]
    return frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) < 19)


PURPOSE = "cursors"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, bool, tuple[int | str, ...]]).decode


@lru_cache(1_024)
def cursor(secret: Secret, sort: tuple[str, ...] | None, position: Position) -> str:
    """A position as a signed string. Includes the order: a position in one order means nothing in another. Remembered:
    the same few pages are asked for again and again, above all the first."""
    content = _encode((_name(sort), position.backwards, position.values))
    return encoded(secret.sign(PURPOSE, content) + content)


def position(secret: Secret, sort: tuple[str, ...] | None, text: str) -> Position:
    """The position in a cursor. Raises InvalidParameter for a forged cursor, or one for another order."""
    try:
        raw = decoded(text)
        size = len(secret.sign(PURPOSE, b""))
        signature, content = raw[:size], raw[size:]
        if not secret.signed(PURPOSE, content, signature):
            raise ValueError("signature")
        if encoded(raw) != text:  # the decoder ignores characters that are not base64
            raise ValueError("form")
        of, backwards, values = _decode(content)
    except (ValueError, msgspec.DecodeError):
        refuse("cursor", "is invalid. Take it from a Link header")
    if of != _name(sort) or len(values) not in lengths(order_of(sort)):
        refuse("cursor", "is for another sort order")
    return Position(values, backwards)


def links(
    secret: Secret,
    base: str,
    parameters: Sequence[tuple[str, str]],
    sort: tuple[str, ...] | None,
    limit: int,
    before: Position | None,
    after: Position | None,
) -> bytes:
    """The header lines `Link`, with `first`, `prev` and `next` if these pages exist, and `X-Next-Cursor`, the bare
    cursor of the next one for clients that follow no links. `before` and `after` say where the neighboring pages
    begin."""
    own = "".join(f"{name}={quote(value, safe=',*:')}&" for name, value in parameters)
    start = f"<{base}?{own}limit={limit}"
    entries = [f'{start}>; rel="first"']
    if before is not None:
        entries.append(f'{start}&cursor={cursor(secret, sort, before)}>; rel="prev"')
    if after is None:
        return f"Link: {', '.join(entries)}\r\n".encode()
    next = cursor(secret, sort, after)
    entries.append(f'{start}&cursor={next}>; rel="next"')
    return f"Link: {', '.join(entries)}\r\nX-Next-Cursor: {next}\r\n".encode()


plain_links = lru_cache(1_024)(links)
"""Links of lists without parameters, which are short. Remembered, as cursors are."""


def after(call: Call, offset: int) -> bytes:
    """The header line `Link` to the page of this list that begins at `offset`."""
    query = [(name, value) for name, value in parse_qsl(call.request.query) if name != "offset"]
    url = f"{call.services.base_url(call.request)}{call.request.path}?{urlencode([*query, ('offset', offset)])}"
    return f'Link: <{url}>; rel="next"\r\n'.encode()


def _name(sort: tuple[str, ...] | None) -> str:
    return ",".join(sort) if sort else "created_at"
