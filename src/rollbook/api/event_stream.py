"""The event log as server-sent events, as the WHATWG HTML Standard describes them in section 9.2.

Each event of the log is a message: `event` its type, `id` its ID, `data` the event as `GET /v1/events` shows it. A
message `position` only moves on the `id`, and `end` says why the stream ends, where more than the connection has ended.
No message is without data, which some clients would hand out as an event; so comments end no message.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial

import msgspec

from rollbook.actions.event_feeds import Feed
from rollbook.api import show
from rollbook.api.call import Call
from rollbook.errors import ApiError, RequestTimeout
from rollbook.http.boundary import render
from rollbook.http.request import LOCKED, PRIVATE, Request, Response, Stream
from rollbook.records import events
from rollbook.records.events import Event

# A proxy such as nginx would otherwise keep what comes until it has more of it.
HEAD = b"Content-Type: text/event-stream; charset=utf-8\r\nX-Accel-Buffering: no\r\n" + LOCKED + PRIVATE
HEARTBEAT = 15.0
"""Seconds without events after which a comment shows that the stream goes on."""
RETRY = (1_000, 4_000)
"""Milliseconds until clients connect again: not all at once after a restart."""

_encode = msgspec.json.Encoder().encode
End = Callable[[ApiError], bytes]
"""The last message, from the error that ends the stream."""
Make = Callable[[Event], bytes]
"""The message of an event."""


def answer(call: Call, feed: Feed) -> Response:
    request, patience = call.request, call.services.settings.body_timeout
    make = _message if call.query.names else _without_name
    parts = _Parts(request, feed, _messages(feed, make, min(HEARTBEAT, patience / 2), partial(_end, call)))
    too_slow = RequestTimeout(f"The stream was not read for {patience:g} seconds. Connect again to go on.")
    return Response(
        200, HEAD + show.event_position(feed.seq), stream=Stream(parts, endless=True, cut_off=_end(call, too_slow))
    )


class _Parts:
    """The parts of the stream."""

    def __init__(self, request: Request, feed: Feed, messages: AsyncGenerator[bytes, None]) -> None:
        self._request = request
        self._feed = feed
        self._took = time.perf_counter_ns() - request.started
        self._messages = messages

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._messages

    async def aclose(self) -> None:
        self._feed.close()
        await self._messages.aclose()
        # What the log and the metrics show is how long it took to begin, not for how long the client listened.
        self._request.started = time.perf_counter_ns() - self._took


async def _messages(feed: Feed, make: Make, heartbeat: float, end: End) -> AsyncGenerator[bytes, None]:
    sent = feed.seq
    yield b": Events follow.\nretry: %d\n%b" % (random.randint(*RETRY), _position(sent))
    try:
        while True:
            if entries := await feed.read():
                sent = entries[-1].event.seq
                yield b"".join([entry.made(make, make) for entry in entries])
            elif feed.is_closed:
                yield b": The server is shutting down.\n"
                return
            elif not await feed.wait(heartbeat):
                # With the position, so that who connects again does not have what was skipped searched once more.
                yield b":\n" if feed.seq <= sent else _position(feed.seq)
                sent = max(sent, feed.seq)
    except ApiError as problem:
        yield end(problem)


def _message(event: Event) -> bytes:
    return b"event: %b\n%b" % (event.type.encode(), _without_name(event))


def _without_name(event: Event) -> bytes:
    return b"id: %b\n%b\n" % (event.id.encode(), _data(_encode(events.public(event))))


def _position(seq: int) -> bytes:
    return b'event: position\nid: %d\ndata: {"position":"%d"}\n\n' % (seq, seq)


def _end(call: Call, problem: ApiError) -> bytes:
    return b"event: end\n%b\n" % _data(render(problem, call.request.id, call.services.url).body)


def _data(content: bytes) -> bytes:
    """JSON on one or more lines: one that it holds is between its tokens."""
    return b"data: %b\n" % content.replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
