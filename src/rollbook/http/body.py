"""The body of a request as a stream: what has arrived waits here until the handler takes it.

Memory that unfinished requests of one process may hold together, and which of them has to go when it is used up.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections import deque
from heapq import heapify, heappop, heappush
from typing import NamedTuple, Protocol

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


# Part of the limit that is left once there is room again: room is made for many at a time.
LEFT = 7 / 8
# Part of the limit by which more is held before room is looked for again, where nothing could go.
STEP = 1 / 16
# Bytes after which freed memory is given back to the system.
WORTH = 8 << 20


class MemoryHolder(Protocol):
    """A connection."""

    @property
    def is_known(self) -> bool:
        """Test whether it is known whose request it is."""
        ...

    @property
    def client(self) -> str:
        """The network of its client."""
        ...

    def shed(self) -> None:
        """Let go of what can go, and tell `charge` what is left."""
        ...


class Budget:
    """Bytes that the connections of one process hold of requests that have not arrived whole, that wait behind others
    or are being handled, and of responses that clients do not read."""

    def __init__(self, limit: int) -> None:
        self.held = 0
        self._limit = self._full_at = limit
        self._peak = 0  # since memory was given back
        self._holders: dict[MemoryHolder, int] = {}  # those that have held something for longest come first

    def charge(self, holder: MemoryHolder, size: int) -> None:
        """Note that the holder has so many bytes now."""
        self.held += size - self._holders.get(holder, 0)
        if size:
            self._holders[holder] = size
            self._peak = max(self._peak, self.held)
        else:
            self._holders.pop(holder, None)
        if self.held < self._limit:
            self._full_at = self._limit

    @property
    def is_exceeded(self) -> bool:
        return self.held > self._full_at

    def make_room(self) -> None:
        """Let the clients that hold most lose their oldest requests: strangers first, since a caller who is known has
        limits of their own. What is being handled already stays."""
        of_clients: dict[tuple[bool, str], deque[MemoryHolder]] = {}
        sums: dict[tuple[bool, str], int] = {}
        for holder, size in self._holders.items():
            client = holder.is_known, holder.client
            of_clients.setdefault(client, deque()).append(holder)
            sums[client] = sums.get(client, 0) + size
        heap = [(is_known, -size, client) for (is_known, client), size in sums.items()]
        heapify(heap)
        while heap and self.held > LEFT * self._limit:
            is_known, negative, client = heappop(heap)
            holders = of_clients[is_known, client]
            before = self.held
            holders.popleft().shed()
            if holders:
                heappush(heap, (is_known, negative + before - self.held, client))
        self._full_at = max(self._limit, self.held + int(STEP * self._limit))

    def has_fallen(self) -> bool:
        """Test whether much was held, and most of it is free by now. True once."""
        if self._peak < WORTH or self.held > self._peak // 8:
            return False
        self._peak = self.held
        return True


def give_back() -> None:
    """Give freed memory back to the system. Only glibc keeps it, and can be asked to."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
