"""Slots for what clients keep open, counted for all workers of one server: streams, waiting requests and exports.

The parent creates `Slots` before it forks. Each worker has a part of the shared memory in which it alone writes: how
many slots of each kind it has taken, and a word for each, a keyed digest of its kind and user. Whoever takes one reads
all parts, under a lock that the kernel releases if its holder dies. A worker that replaces one that died empties that
one's part.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import NamedTuple

from rollbook.errors import Overloaded
from rollbook.unix import fcntl

MAX_SLOTS = 1_000
"""Slots of one server, of all kinds together."""


class SlotKind(NamedTuple):
    """Purpose of a slot, and how many of the kind one user and all together may have."""

    number: int
    of_user: int
    of_server: int


FOLLOWING = SlotKind(0, 100, MAX_SLOTS)
"""The event log, by a stream or by waiting."""
WAITING = SlotKind(1, 10, 200)
"""The request log, which is searched for each of them once a second."""
EXPORTING = SlotKind(2, 1, MAX_SLOTS)

_KINDS = 3
_WORD = 8
_PART = (_KINDS + MAX_SLOTS) * _WORD
_FREE = bytes(_WORD)


class UserHasEnough(Exception):
    """The user has as many slots of this kind as one may have."""


class Slot:
    """A slot that is taken, until `leave`."""

    __slots__ = ("_at", "_kind", "_slots")

    def __init__(self, slots: Slots, kind: SlotKind, at: int) -> None:
        self._slots: Slots | None = slots
        self._kind = kind
        self._at = at

    def leave(self) -> None:
        """May be called again."""
        if self._slots is not None:
            self._slots.free(self._kind, self._at)
            self._slots = None


class Slots:
    """Created in the parent; every worker forked afterwards uses the same object, and calls `join`."""

    def __init__(self, descriptor: int, workers: int) -> None:
        self._descriptor = descriptor
        self._workers = workers
        self._memory = mmap.mmap(descriptor, workers * _PART)
        # One item is one machine word: an assignment to it is a single store.
        self._words = memoryview(self._memory).cast("q")
        self._key = os.urandom(32)
        self.join(0)

    @classmethod
    def create(cls, workers: int) -> Slots:
        """Raises OSError when there is no memory for them."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("rollbook-slots", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, workers * _PART)
        return cls(descriptor, workers)

    def join(self, worker: int) -> None:
        """From now on this process counts as this worker, 0 being the first. What an earlier one had is free."""
        self._counts = worker * _PART // _WORD
        start = worker * _PART + _KINDS * _WORD
        self._memory[worker * _PART : (worker + 1) * _PART] = bytes(_PART)
        self._unused = list(range(start, start + MAX_SLOTS * _WORD, _WORD))

    def take(self, kind: SlotKind, user_id: str) -> Slot:
        """A slot of this kind for a user. Raises UserHasEnough, Overloaded."""
        name = blake2b(f"{kind.number}:{user_id}".encode(), digest_size=_WORD, key=self._key).digest()
        with self._locked():
            if self._memory[:].count(name) >= kind.of_user:
                raise UserHasEnough
            counts = [self._words[worker * _PART // _WORD :][:_KINDS] for worker in range(self._workers)]
            if sum(map(sum, counts)) >= MAX_SLOTS or sum(used[kind.number] for used in counts) >= kind.of_server:
                raise Overloaded("Too many clients follow the log, wait for requests or export. Try again shortly.")
            at = self._unused.pop()
            self._memory[at : at + _WORD] = name
            self._words[self._counts + kind.number] += 1
        return Slot(self, kind, at)

    def free(self, kind: SlotKind, at: int) -> None:
        self._memory[at : at + _WORD] = _FREE
        self._words[self._counts + kind.number] -= 1
        self._unused.append(at)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """A record lock belongs to a process: `Slots` is for the thread that runs a worker's event loop."""
        if self._workers == 1:
            yield
            return
        while True:
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
                break
            except OSError as problem:
                if problem.errno != errno.EDEADLK:  # a circle where there is none, see `table`
                    raise
                time.sleep(0)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
