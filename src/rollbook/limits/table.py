"""Counts on one server: a table in anonymous memory, created before the workers are forked and shared by them.

The table has groups of 16 slots. A bucket belongs to one group, chosen by a keyed digest of its name so that names
which share a group cannot be worked out; within it, any slot will do. Pages that were never written cost nothing: an
idle table takes no memory. A full one holds a million buckets in 128 MiB for several workers, and a quarter of that for
one.

With several workers, whoever reads or writes a group holds a byte-range lock on it (POSIX record lock, `fcntl(2)`). The
kernel releases it when its holder dies; `windows` says what such a death may leave in a slot. A lock belongs to a
process, not to a thread: a Table is for the thread that runs a worker's event loop, which never suspends between lock
and unlock.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
import time
from functools import lru_cache
from hashlib import blake2b

from rollbook.limits import meter
from rollbook.limits.meter import Meter
from rollbook.limits.windows import SIZE, UNLIMITED, Left, Starts, Verdict, clear, look, seen, settle, undo, worth
from rollbook.quota import NO_LIMIT, Limit
from rollbook.unix import fcntl

# A group: the digests of its slots side by side, so that one search finds the slot, then the numbers of each slot.
_WORD = 8
_SLOTS = 16
_DIGEST = 16
_DIGESTS = _SLOTS * _DIGEST
_GROUP = _DIGESTS + _SLOTS * SIZE * _WORD  # 1,792 bytes


class Table:
    """Created in the parent; every worker forked afterwards uses the same object."""

    def __init__(self, descriptor: int, groups: int, shared: bool) -> None:
        self._descriptor = descriptor
        self.is_shared = shared  # by several workers
        self._groups = groups
        self.memory = mmap.mmap(descriptor, groups * _GROUP + mmap.PAGESIZE)
        # One item is one machine word: an assignment to it is a single store.
        self.words = memoryview(self.memory).cast("q")
        self._evicted = groups * _GROUP // _WORD
        key = os.urandom(32)

        @lru_cache(16_384)
        def locate(bucket: str) -> tuple[int, bytes]:
            digest = blake2b(bucket.encode(), digest_size=_DIGEST, key=key).digest()
            return int.from_bytes(digest[:8], "little") % groups, digest

        self.locate = locate
        """The group of a bucket, and its digest."""

    @classmethod
    def create(cls, workers: int, groups: int | None = None) -> Table:
        """An empty table. Raises OSError when there is no memory for it."""
        if groups is None:
            groups = 16_384 if workers == 1 else 65_536
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("rollbook-limits", os.MFD_CLOEXEC)
        else:
            # Closing a duplicate is harmless here: no lock is held yet.
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, groups * _GROUP + mmap.PAGESIZE)
        return cls(descriptor, groups, shared=workers > 1)

    def close(self) -> None:
        """Release the memory. The end of the process does so too."""
        self.words.release()
        self.memory.close()
        os.close(self._descriptor)

    @property
    def evicted(self) -> int:
        return self.words[self._evicted]

    def meter(self, bucket: str, limit: Limit, own: str | None, own_limit: Limit) -> Meter | None:
        return meter.of(self, bucket, limit, own, own_limit)

    def slot(self, group: int, digest: bytes) -> tuple[slice, int] | None:
        """Position of a bucket's digest in the memory, and the index of its first word. None when it has no slot."""
        start = self._find(group, digest)
        if start is None:
            return None
        at = group * _GROUP + (start - _start(group * _GROUP, 0)) // SIZE * _DIGEST
        return slice(at, at + _DIGEST), start

    async def take(
        self,
        bucket: str,
        limit: Limit,
        now: int,
        own: str | None = None,
        own_limit: Limit = NO_LIMIT,
        requests: int = 1,
    ) -> Verdict:
        if own is not None and own_limit:
            if limit:
                return self._take_both(bucket, limit, now, own, own_limit, requests)
            bucket, limit = own, own_limit
        elif not limit:
            return UNLIMITED
        group, digest = self.locate(bucket)
        self._lock(group)
        try:
            start = self._find(group, digest)
            if start is None:
                start = self._allocate(group, digest, now)
            left: Left = []
            starts: Starts = []
            fits = look(self.words, start, limit, now, left, starts, requests)
            return settle(self.words, left, starts, fits, requests)
        finally:
            self._unlock(group)

    async def give_back(self, bucket: str, limit: Limit, now: int, at: int = 0) -> None:
        group, digest = self.locate(bucket)
        self._lock(group)
        try:
            start = self._find(group, digest)
            if start is not None:
                undo(self.words, start, limit, now)
        finally:
            self._unlock(group)

    async def peek(self, bucket: str, limit: Limit, now: int) -> tuple[tuple[int, int], ...]:
        group, digest = self.locate(bucket)
        self._lock(group)
        try:
            start = self._find(group, digest)
            return limit if start is None else seen(self.words, start, limit, now)
        finally:
            self._unlock(group)

    def _take_both(self, bucket: str, limit: Limit, now: int, own: str, own_limit: Limit, requests: int) -> Verdict:
        group, digest = self.locate(bucket)
        own_group, own_digest = self.locate(own)
        left: Left = []
        starts: Starts = []
        # Always the lower group first: two workers that want the same two cannot wait for each other.
        groups = sorted({group, own_group})
        locked = []
        try:
            for number in groups:
                self._lock(number)
                locked.append(number)
            start = self._find(group, digest)
            own_start = self._find(own_group, own_digest)
            # If they share a group, neither may be given the other's slot, where nothing may have been counted yet.
            if start is None:
                start = self._allocate(group, digest, now, keep=own_start)
            if own_start is None:
                own_start = self._allocate(own_group, own_digest, now, keep=start)
            fits = look(self.words, start, limit, now, left, starts, requests)
            fits = look(self.words, own_start, own_limit, now, left, starts, requests) and fits
            return settle(self.words, left, starts, fits, requests)
        finally:
            for number in locked:
                self._unlock(number)

    def _find(self, group: int, digest: bytes) -> int | None:
        """The index of the bucket's first word, or None when it has no slot."""
        base = group * _GROUP
        at = self.memory.find(digest, base, base + _DIGESTS)
        while at >= 0 and (at - base) % _DIGEST:  # across two digests: as good as impossible
            at = self.memory.find(digest, at + 1, base + _DIGESTS)
        return None if at < 0 else _start(base, (at - base) // _DIGEST)

    def _allocate(self, group: int, digest: bytes, now: int, keep: int | None = None) -> int:
        """A slot for a new bucket: one without a running window or, in a full group, the one of least worth."""
        base = group * _GROUP
        slots = [_start(base, slot) for slot in range(_SLOTS)]
        least, start = (1, 1), -1
        for candidate in slots:
            value = worth(self.words, candidate, now)
            if candidate != keep and (start < 0 or value < least):
                least, start = value, candidate
                if value == (0, 0):
                    break
        else:
            self._count_eviction()
        # The windows stop before the name changes: whoever dies between leaves an idle slot, under either name or under
        # none.
        clear(self.words, start)
        at = base + slots.index(start) * _DIGEST
        self.memory[at : at + _DIGEST] = digest
        return start

    def _count_eviction(self) -> None:
        # Its lock lies behind those of all groups, so it keeps their order.
        self._lock(self._groups)
        try:
            self.words[self._evicted] += 1
        finally:
            self._unlock(self._groups)

    def _lock(self, group: int) -> None:
        while self.is_shared:
            try:
                return fcntl.lockf(self._descriptor, fcntl.LOCK_EX, 1, group)
            except OSError as problem:
                # The kernel looks for deadlocks between processes, not threads: when one of our threads holds a record
                # lock of any file, and one of the holder's waits for that, it sees a circle where there is none. The
                # holder is about to let go.
                if problem.errno != errno.EDEADLK:
                    raise
                time.sleep(0)

    def _unlock(self, group: int) -> None:
        if self.is_shared:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, group)


def _start(base: int, slot: int) -> int:
    return (base + _DIGESTS) // _WORD + slot * SIZE
