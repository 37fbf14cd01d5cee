"""Memory that unfinished requests of one process may hold together, and which of them has to go when it is used up."""

from __future__ import annotations

import ctypes
from collections import deque
from heapq import heapify, heappop, heappush
from typing import Protocol

# Part of the limit that is left once there is room again: room is made for many at a time.
LEFT = 7 / 8
# Part of the limit by which more is held before room is looked for again, where nothing could go.
STEP = 1 / 16
# Bytes after which freed memory is given back to the system.
WORTH = 8 << 20


class Holder(Protocol):
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
        self._holders: dict[Holder, int] = {}  # those that have held something for longest come first

    def charge(self, holder: Holder, size: int) -> None:
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
        of_clients: dict[tuple[bool, str], deque[Holder]] = {}
        sums: dict[tuple[bool, str], int] = {}
        for holder, size in self._holders.items():
            client = holder.is_known, holder.client
            of_clients.setdefault(client, deque()).append(holder)
            sums[client] = sums.get(client, 0) + size
        heap = [(known, -size, client) for (known, client), size in sums.items()]
        heapify(heap)
        while heap and self.held > LEFT * self._limit:
            known, negative, client = heappop(heap)
            holders = of_clients[known, client]
            before = self.held
            holders.popleft().shed()
            if holders:
                heappush(heap, (known, negative + before - self.held, client))
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
