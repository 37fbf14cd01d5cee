"""Content codings: responses in zstd or gzip for clients that accept them (RFC 9110 sections 8.4 and 12.5.3).

zstd is the standard library's from Python 3.14 on, and its backport before (decision 29).
"""

from __future__ import annotations

import asyncio
import re
import sys
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from rollbook.http.request import Chunks, Request, Response, Stream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Bytes from which compressing a response is worth its time.
MIN_SIZE = 4_096
# Bytes from which gzip takes longer than it takes to hand the body to a thread: 0.2 ms.
_OFF_LOOP = 32_768
# In order of preference, where the client has none.
_CODINGS = ("zstd", "gzip")
_VARY = b"Vary: Accept-Encoding\r\n"
_WEIGHT = re.compile(r"\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*").fullmatch
_OPAQUE_TAG = re.compile(rb'(?<=ETag: ")[^"]*')


def accepted(request: Request) -> str:
    """The coding for the response: `zstd`, `gzip`, or empty for none."""
    field = request.headers.get(b"accept-encoding")
    if not field:
        return ""
    return _choose(field) if len(field) < 256 else _choose.__wrapped__(field)


@lru_cache(maxsize=256)
def _choose(field: bytes) -> str:
    weights: dict[str, float] = {}
    for part in field.decode("latin-1").lower().split(","):
        name, semicolon, parameter = part.partition(";")
        match = _WEIGHT(parameter)
        weights[name.strip().removeprefix("x-")] = 1.0 if not semicolon else float(match[1]) if match else 0.0
    other = weights.get("*", 0.0)
    best = max(_CODINGS, key=lambda coding: weights.get(coding, other))
    weight = weights.get(best, other)
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else ""


def is_long(response: Response) -> bool:
    """Test whether it is worth compressing. A stream that never ends is not: it would keep a compressor's window for as
    long as its client stays."""
    stream = response.stream
    return len(response.body) >= MIN_SIZE if stream is None else not stream.endless


def compressed(request: Request, response: Response) -> Response | Coroutine[Any, Any, Response]:
    """The response in the coding that the client prefers; a coroutine where compressing it takes a thread. Only for
    responses without a secret: their length tells about their content (BREACH)."""
    coding = accepted(request)
    status, head, body, stream = response.status, response.head, response.body, response.stream
    head += _VARY
    if not coding:
        return Response(status, head, body, stream)
    head = _OPAQUE_TAG.sub(lambda tag: tag[0] + b"-" + coding.encode(), head) + _line(coding)
    if stream is not None:
        return Response(status, head, stream=Stream(_Compressed(stream.chunks, coding), stream.endless))
    if len(body) < _OFF_LOOP:
        return Response(status, head, compress(body, coding))
    return _compressed_off_loop(status, head, body, coding)


async def _compressed_off_loop(status: int, head: bytes, body: bytes, coding: str) -> Response:
    return Response(status, head, await _off_loop(body, coding))


def compress(data: bytes, coding: str, best: bool = False) -> bytes:
    """`best`: for data that is compressed once and sent often."""
    if coding == "zstd":
        return zstd.compress(data, 15 if best else 1)
    return zlib.compress(data, 9 if best else 1, wbits=31)


def plain_tag(tag: str) -> str:
    """An entity tag without the coding that it ends with: which version of the content it names."""
    return tag.removesuffix("-gzip").removesuffix("-zstd")


def known_tag(request: Request, tag: str) -> str | None:
    """The entity tag in If-None-Match that names this content, in whatever coding, as the client wrote it; None if
    there is none. Tags are compared weakly (RFC 9110 section 13.1.2)."""
    header = request.headers.get(b"if-none-match")
    if header is None:
        return None
    for part in header.decode("latin-1").split(","):
        quoted = part.strip().removeprefix("W/")
        if quoted == "*":
            return tag
        if quoted[:1] == quoted[-1:] == '"' and plain_tag(quoted[1:-1]) == tag:
            return quoted[1:-1]
    return None


class Fixed:
    """Content that stays the same while the server runs: compressed once for each coding, each with an entity tag of
    its own."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.digest = blake2b(content, digest_size=8).hexdigest()
        self._compressed: dict[str, bytes] = {}

    async def answer(self, request: Request, head: bytes) -> Response:
        """200, or 304 where the client has it already. `head` are the header lines of both."""
        head += _VARY
        tag = known_tag(request, self.digest)
        if tag is not None:
            return Response(304, b'%bETag: "%b"\r\n' % (head, tag.encode()))
        coding = accepted(request)
        if coding and coding not in self._compressed:
            self._compressed[coding] = await _off_loop(self.content, coding, best=True)
        body = self._compressed[coding] if coding else self.content
        if not coding or len(body) >= len(self.content):
            return Response(200, b'%bETag: "%b"\r\n' % (head, self.digest.encode()), self.content)
        return Response(
            200, b'%bETag: "%b-%b"\r\n%b' % (head, self.digest.encode(), coding.encode(), _line(coding)), body
        )


class _Compressed:
    """The parts of a stream, each compressed when it comes, so that the client can read it without waiting for the
    next."""

    def __init__(self, chunks: Chunks, coding: str) -> None:
        self._chunks = chunks
        self._parts = self._compress(coding)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._parts

    async def aclose(self) -> None:
        await self._parts.aclose()
        await self._chunks.aclose()

    async def _compress(self, coding: str) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        compressor = _Zstd() if coding == "zstd" else _Gzip()
        async for chunk in self._chunks:
            if len(chunk) < _OFF_LOOP:
                yield compressor.add(chunk)
            else:
                yield await loop.run_in_executor(None, compressor.add, chunk)
        yield compressor.end()


class _Gzip:
    def __init__(self) -> None:
        self._compressor = zlib.compressobj(1, wbits=31)

    def add(self, data: bytes) -> bytes:
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._compressor.flush()


class _Zstd:
    def __init__(self) -> None:
        self._compressor = zstd.ZstdCompressor(1)

    def add(self, data: bytes) -> bytes:
        return self._compressor.compress(data, zstd.ZstdCompressor.FLUSH_BLOCK)

    def end(self) -> bytes:
        return self._compressor.flush()


async def _off_loop(data: bytes, coding: str, best: bool = False) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(None, compress, data, coding, best)


def _line(coding: str) -> bytes:
    return b"Content-Encoding: " + coding.encode() + b"\r\n"
