"""The event log over the API, also as server-sent events, as the WHATWG HTML Standard describes them in section 9.2.

Each event of the stream is a message: `event` its type, `id` its ID, `data` the event as `GET /v1/events` shows it. A
message `position` only moves on the `id`, and `end` says why the stream ends, where more than the connection has ended.
No message is without data, which some clients would hand out as an event; so comments end no message.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from rollbook import errors
from rollbook.actions import events, reverting
from rollbook.actions.arguments import MAX_POSITION
from rollbook.actions.arguments.events import FollowEvents, ListEvents, StreamEvents
from rollbook.actions.checking import refuse
from rollbook.actions.event_feeds import Feed
from rollbook.actions.reverting import Reversal
from rollbook.api import show, take
from rollbook.api.call import Call
from rollbook.api.route import TAKEN, Route, get, post
from rollbook.errors import ApiError, RequestTimeout
from rollbook.http.boundary import render
from rollbook.http.request import LOCKED, PRIVATE, Request, Response, Stream
from rollbook.records import events as event_records
from rollbook.records import examples
from rollbook.records.event_parts import Event
from rollbook.records.events import EventPage
from rollbook.records.examples import CHARLIE_ID
from rollbook.schemas import array, identifier, moment, number, open_enum, reference, says

# A proxy such as nginx would otherwise keep what comes until it has more of it.
HEAD = b"Content-Type: text/event-stream; charset=utf-8\r\nX-Accel-Buffering: no\r\n" + LOCKED + PRIVATE
HEARTBEAT = 15.0
"""Seconds without events after which a comment shows that the stream goes on."""
RETRY = (1_000, 4_000)
"""Milliseconds until clients connect again: not all at once after a restart."""

_encode = msgspec.json.Encoder().encode
End = Callable[[ApiError], bytes]
"""The last message, from the error that ends the stream."""
Make = Callable[[event_records.Event], bytes]
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


def _message(event: event_records.Event) -> bytes:
    return b"event: %b\n%b" % (event.type.encode(), _without_name(event))


def _without_name(event: event_records.Event) -> bytes:
    return b"id: %b\n%b\n" % (event.id.encode(), _data(_encode(event_records.public(event))))


def _position(seq: int) -> bytes:
    return b'event: position\nid: %d\ndata: {"position":"%d"}\n\n' % (seq, seq)


def _end(call: Call, problem: ApiError) -> bytes:
    return b"event: end\n%b\n" % _data(render(problem, call.request.id, call.services.url).body)


def _data(content: bytes) -> bytes:
    """JSON on one or more lines: one that it holds is between its tokens."""
    return b"data: %b\n" % content.replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")


class NotReverted(Struct, frozen=True):
    """A field that was not put back."""

    field: Annotated[str, says("The field, or `metadata.KEY` for a key of the metadata.", examples=["email"])]
    code: Annotated[
        str,
        open_enum(
            ("changed_since", "not_reversible"),
            "Why. `changed_since`: it has changed since. `not_reversible`: it can't be put back.",
        ),
    ]
    message: Annotated[str, says("The reason as a sentence.", examples=["email has changed since."])]


class RevertedEvent(Struct, frozen=True):
    """Event that was reverted: what was put back, and what was not."""

    id: Annotated[str, identifier("ID of the event.", examples.EVENT_ID)]
    type: Annotated[str, reference("EventType")]
    user_id: (
        Annotated[str, identifier("ID of the user the event is about. Null: it is about no user.", CHARLIE_ID)] | None
    )
    reverted: Annotated[dict[str, Any], reference("EventObject")]
    not_reverted: Annotated[list[NotReverted], array("The fields that stay as they are.", 1000)]


class EventObject(Struct, frozen=True):
    """The object that the event is about, such as a user or an API key, with its fields. Never the text of a key, token
    or link. If the user was erased, only the ID and `erased`."""

    count: Annotated[int, number("How many users were exported.")] | UnsetType = UNSET
    filters: (
        Annotated[
            dict[str, Annotated[str, says("The value, or `…`.")]],
            says("The filters of an export; of personal ones, only that they were given.", maxProperties=16),
        ]
        | UnsetType
    ) = UNSET
    with_hashes: Annotated[bool, says("Whether the export has password hashes.")] | UnsetType = UNSET
    erased: (
        Annotated[bool, says("`true`: the user was erased, so that nothing else is left of the object.")] | UnsetType
    ) = UNSET
    # Those that mean something else, or are null more often, than in a user, key or session. It has all of theirs.
    id: (
        Annotated[str, says("ID of the user, group, API key, session, token or webhook.", examples=[CHARLIE_ID])]
        | UnsetType
    ) = UNSET
    name: Annotated[str, says("The name of the user, group or API key.", examples=["Charlie Chaplin"])] | UnsetType = (
        UNSET
    )
    email: (
        Annotated[
            str,
            says("The email of the user, or that the token is about.", format="email", examples=["bob@example.com"]),
        ]
        | None
        | UnsetType
    ) = UNSET
    user_id: (
        Annotated[
            str, identifier("The user the API key, session, token, webhook or membership belongs to.", CHARLIE_ID)
        ]
        | UnsetType
    ) = UNSET
    role: (
        Annotated[str, says("The role of the user or, of a member, in the group.", examples=["member"])] | UnsetType
    ) = UNSET
    group_id: Annotated[str, identifier("The group of a member.", examples.GROUP_ID)] | UnsetType = UNSET
    group_name: Annotated[str, says("The name of that group.", examples=["Engineering"])] | UnsetType = UNSET
    created_at: (
        Annotated[str, moment("When the user, group, API key, session, token or webhook was created.")] | UnsetType
    ) = UNSET
    url: (
        Annotated[
            str,
            says(
                "The host that the webhook sends to. The rest of the URL, which may be a secret, is never contained.",
                examples=["https://app.example.com/…"],
            ),
        ]
        | UnsetType
    ) = UNSET
    send: Annotated[bool, says("Whether Rollbook mails the token.")] | UnsetType = UNSET
    key_id: Annotated[str, identifier("The API key whose request exceeded the limit.", examples.KEY_ID)] | UnsetType = (
        UNSET
    )
    window: (
        Annotated[
            str,
            says(
                "The window of the limit that was exceeded, such as `minute`; `key-minute` for the API key's own "
                "limit.",
                examples=["minute"],
            ),
        ]
        | UnsetType
    ) = UNSET
    limit: Annotated[int, number("Requests that the window allows.", minimum=1)] | UnsetType = UNSET
    resets_at: Annotated[str, moment("When the window ends.", "2023-10-27T11:01:00Z")] | UnsetType = UNSET
    recovery_codes_left: (
        Annotated[int, number("How many recovery codes the user has left.", maximum=10)] | UnsetType
    ) = UNSET
    message: Annotated[str, says("What a test delivery says.")] | UnsetType = UNSET


def show_event(call: Call, event: event_records.Event) -> Response:
    return show.answer(200, event_records.public(event))


def show_reverted(call: Call, reverted: Reversal) -> Response:
    not_reverted = [NotReverted(*field) for field in reverted.kept]
    event = reverted.event
    return show.answer(200, RevertedEvent(event.id, event.type, event.user_id or None, reverted.values, not_reverted))


def show_event_list(call: Call, page: EventPage) -> Response:
    head = show.event_position(page.position)
    if page.more:
        last = page.events[-1].id if page.searched_to is None else str(page.searched_to)
        head += show.next_page(call, "/v1/events", **{show.goes_on(call): last})
    return show.answer(200, [event_records.public(event) for event in page.events], head)


def take_following(call: Call) -> tuple[FollowEvents, str | None]:
    last = call.request.headers.get(b"last-event-id")
    if last is not None and len(last) > MAX_POSITION:
        refuse("Last-Event-ID", f"must be at most {MAX_POSITION} characters")
    return call.query, None if last is None else last.decode("latin-1")


STREAM = (errors.PositionExpired, errors.TooManyStreams)
ROWS: dict[str, list[Route]] = {
    "/v1/events": [
        get(events.list_events, "events:read", ListEvents, list[Event], show_event_list).but(
            errors=STREAM, takes=take.waiting
        ),
    ],
    "/v1/events/stream": [
        get(events.follow_events, "events:read", StreamEvents, str, answer).but(errors=STREAM, takes=take_following),
    ],
    "/v1/events/{eventId}": [
        get(events.get, "events:read", None, Event, show_event),
    ],
    "/v1/events/{eventId}/revert": [
        post(reverting.revert, "events:read", None, RevertedEvent, show_reverted).but(
            errors=(
                errors.NotReversible,
                *TAKEN,
                errors.LastOwner,
                errors.NotYourself,
                errors.GroupLimitReached,
                errors.PreconditionFailed,
            ),
        ),
    ],
}
