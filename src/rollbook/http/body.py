"""The body of a request as a stream: what has arrived waits here until the handler takes it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from rollbook.errors import ApiError

# Bytes that may wait before the connection reads no more from the client.
HIGH_WATER = 131_072


# Bytes of a body that are read before anyone is asked whose request it is.
EARLY = 4_096


class BodyRule(NamedTuple):
    """Rule for the body that a row accepts."""

    max_bytes: int
    is_streamed: bool = False
    """The request is handed over at the end of its head, its body comes while it is handled. Else the body is complete
    first, unless it may be longer than `early`."""
    early: int = 1 << 62

    def hands_over(self, length: int) -> bool:
        """Test whether a request with a body of this length, or of none that it tells (-1), is handed over before it is
        read."""
        return self.is_streamed or (length if length >= 0 else self.max_bytes) > self.early


class BodyStream:
    """An async iterator of the parts of one body. Raises ApiError when the rest of it will not come: too large, too
    late, broken off.

    The reader puts parts in; `pulled` is called whenever the handler takes one or waits for one. `is_short`: all of it
    has to arrive within the time of a body, from when the handler waits for it.
    """

    def __init__(self, is_short: bool = False) -> None:
        self.is_short = is_short
        self.expires_at: float | None = None
        """The time at which a short one is late, by the clock of the loop."""
        self.collected = 0
        """Bytes that the handler took and keeps."""
        self.is_complete = False
        """All of it has arrived, though not all may be taken."""
        self.pulled = lambda: None
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._error: ApiError | None = None
        self._waiting: asyncio.Future[None] | None = None

    # The reader's side.

    def put(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        self._wake()

    def complete(self) -> None:
        self.is_complete = True
        self._wake()

    def fail(self, error: ApiError) -> None:
        self._error = error
        self._wake()

    @property
    def held(self) -> int:
        """Bytes in memory, taken or not."""
        return self._size + self.collected

    @property
    def is_full(self) -> bool:
        return self._size >= HIGH_WATER

    @property
    def is_awaited(self) -> bool:
        """Test whether the handler can do nothing until more of it arrives."""
        return self._waiting is not None and not self._waiting.done()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # The handler's side.

    def __aiter__(self) -> BodyStream:
        return self

    async def __anext__(self) -> bytes:
        while not self._parts:
            if self._error is not None:
                raise self._error
            if self.is_complete:
                raise StopAsyncIteration
            self._waiting = asyncio.get_running_loop().create_future()
            self.pulled()
            await self._waiting
        part = self._parts.popleft()
        self._size -= len(part)
        self.pulled()
        return part
