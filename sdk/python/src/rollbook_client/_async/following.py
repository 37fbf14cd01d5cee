"""Follows the event log."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from .. import _retries
from .._errors import APIError, ConnectionFailed, UnexpectedResponse
from .._logs import note
from .._requests import build
from .._responses import failure_of
from .._sse import Message, Reader
from ..types import Event
from .resource import AsyncResource

SILENCE = 60.0
"""Seconds without a heartbeat after which a stream is lost."""
PASSING = frozenset({"request_timeout", "storage_unavailable", "database_timeout", "overloaded", "stopping"})
"""Codes that end a stream which can go on at once."""


class AsyncFollowing(AsyncResource):
    async def follow(
        self,
        position: str | None = None,
        *,
        types: Sequence[str] | None = None,
        user: str | None = None,
        actor: str | None = None,
        address: str | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Yield events as they happen, without end. A lost connection is made again, and nothing is left out or sent
        twice.

        To go on where a program was when it ended, store the `id` of the last event that was handled. The stream counts
        as one request toward the rate limit, however long it lasts.

        Args:
            position: An event ID or a position, such as `page.event_position` of a list: what comes after it is sent.
            Default: what comes
                from now on.
            types: Types, such as `user.created`, or groups, such as `user.*`. Default: all.
            user: Only events about the user with this ID.
            actor: Only what the user or API key with this ID did.
            address: Only events with this IP address, `cli` or `system` as `actor.address`.

        Raises:
            PositionExpired: The position is older than what the server keeps. Read the users again, and follow from
            their position. APIError: The key is invalid, was revoked or may no longer read events. ConnectionFailed:
            The server can't be reached at first. Later, it is tried again without end.

        Example:
            >>> async for event in client.events.follow(position, types=["user.*"]):
            ...     print(event.type, event.object.id)
        """
        place, failures, was_connected = position, 0, False
        while True:
            try:
                after = None if was_connected else position
                query = {"type": types, "user": user, "actor": actor, "address": address, "after": after}
                request = build(
                    "GET",
                    "/v1/events/stream",
                    query=query,
                    headers={"Accept": "text/event-stream", "Last-Event-ID": place if was_connected else None},
                )
                async with self._client._stream(request._replace(read_timeout=SILENCE)) as response:
                    reader, was_connected = Reader(), True
                    async for part in response.aiter_bytes():
                        for message in reader.feed(part):
                            failures, place = 0, message.last_id or place
                            if message.data and (event := _event(message)):
                                yield event
            except Exception as problem:
                if not was_connected or not _passes(problem):
                    raise
            failures += 1
            wait = _retries.pause(failures, None)
            note("The stream of events was lost. Connecting again in %.1f s.", wait)
            await self._client._connection.clock.sleep(wait)


def _event(message: Message) -> Event | None:
    """Raises APIError if it is the last message, and UnexpectedResponse if it is none of Rollbook's."""
    try:
        found: Any = json.loads(message.data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UnexpectedResponse("The stream has something that is no event.")
    if message.type == "end":
        raise failure_of(0, found, {})
    return Event(found) if "." in message.type else None


def _passes(problem: Exception) -> bool:
    """Whether connecting again can help."""
    import httpx2

    if isinstance(problem, APIError):
        return problem.code in PASSING or (problem.status in _retries.STATUSES and problem.code not in _retries.NEVER)
    return isinstance(problem, (ConnectionFailed, httpx2.TransportError))
