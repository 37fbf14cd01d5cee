"""Buffers usage counts and request-log lines until `jobs/usage` writes them to the database.

Each request is counted in a bucket: one for each API key, status and exceeded window of an hour. The first requests of a bucket are also
kept as lines. All of it runs on the event loop, which no thread may keep waiting for the interpreter's lock (docs/decisions/0004-logging.md).
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from rollbook import clock
from rollbook.observe.lines import masked

if TYPE_CHECKING:
    from rollbook.http.request import Request

# Lines of a bucket; beyond, requests are only counted. A bucket is written about once a second.
MAX_LINES = 500
# Lines that wait, and bytes of the clients' header fields with them, of all buckets; beyond, requests are only counted.
MAX_WAITING = 20_000
MAX_BYTES = 8 * 1024 * 1024
# Buckets that wait; beyond, as after hours without a disk, a key's requests are not even counted.
MAX_BUCKETS = 50_000
# Longest time that the lines of a bucket span, in microseconds. Readers of the log rely on it.
SPAN = 30 * clock.SECOND
# Characters kept of a path, a method and a header field.
MAX_TEXT = 200
MAX_METHOD = 32

# Header fields that describe how a client calls. No others are kept: no key, no cookie, no referrer.
LOGGED_HEADERS = frozenset(
    b"""accept accept-encoding accept-language content-encoding content-length content-type expect forwarded host idempotency-key
    if-match if-none-match origin traceparent transfer-encoding user-agent via x-forwarded-for x-forwarded-host x-forwarded-proto""".split()
)


class Line(msgspec.Struct, array_like=True, gc=False):
    """One request. `client` is an index into the clients of its bucket."""

    at: int  # microseconds; no two lines of a user have the same
    request_id: str
    method: str
    path: str
    microseconds: int
    client: int


class Client(msgspec.Struct, array_like=True, gc=False, frozen=True):
    address: str
    headers: bytes  # names and values in turn with a line feed between, which no field may contain


class UsageBucket:
    """The requests of one hour with the same key, status and exceeded window: how many, and the first of them as lines."""

    __slots__ = ("clients", "count", "hour", "key_id", "last", "limited_by", "lines", "max_lines", "retried", "status", "user_id")

    def __init__(
        self, user_id: str | None, key_id: str | None, status: int, limited_by: str | None, hour: int, max_lines: int
    ) -> None:
        self.user_id = user_id
        self.key_id = key_id
        self.status = status
        self.limited_by = limited_by
        self.hour = hour  # when it began
        self.count = 0
        self.max_lines = max_lines
        self.lines: list[Line] = []
        self.clients: dict[Client, int] = {}
        # Address and header fields of the last line, and its client: most often the next line has the same.
        self.last: tuple[str, dict[bytes, bytes], int] | None = None
        self.retried = False


class UsageBuffer:
    """What one worker has recorded and not yet written. `worker` of `workers`, so that their lines never have the same time.

    Without `lines`, requests are only counted. A process that is killed loses its buffer.
    """

    def __init__(self, lines: bool, worker: int = 0, workers: int = 1) -> None:
        self.lost = 0
        """Requests with a key that were not counted for it, because too much waited."""
        self._max_lines = MAX_LINES if lines else 0
        self._worker = worker
        self._workers = workers
        self._open: dict[tuple[str | None, int, str | None], UsageBucket] = {}
        self._closed: deque[UsageBucket] = deque()
        self._requeued: dict[tuple[int, str | None, int, str | None], UsageBucket] = {}
        self._waiting = self._bytes = 0
        self._last_time = 0

    def record(self, request: Request, status: int, microseconds: int) -> None:
        """Record one answered request. `microseconds` from its last byte to its answer."""
        at = clock.now()
        at += self._worker - at % self._workers
        if at <= self._last_time < at + clock.SECOND:  # not after the clock was set back by more
            at = self._last_time + self._workers
        self._last_time = at
        bucket = self._open.get((request.key_id, status, request.limited_by))
        if bucket is None or not 0 <= at - bucket.hour < clock.HOUR:
            bucket = self._new_bucket(request, status, at)
            if bucket is None:
                self.lost += 1
                return
        bucket.count += 1
        lines = bucket.lines
        if len(lines) >= bucket.max_lines or self._waiting >= MAX_WAITING or (lines and not 0 <= at - lines[0].at < SPAN):
            return
        last = bucket.last
        if last is not None and last[1] == request.headers and last[0] == request.address:
            client = last[2]
        elif self._bytes >= MAX_BYTES:
            return
        else:
            client = self._client_index(bucket, request)
        path = request.path
        if len(path) > MAX_TEXT:
            path = masked(path)[:MAX_TEXT]  # in this order, so that no piece of a key is left over
        lines.append(Line(at, request.id, request.method[:MAX_METHOD], path, microseconds, client))
        self._waiting += 1

    def flush(self) -> None:
        """Let `peek` return all that was recorded so far."""
        if not self._closed:  # what was handed over to be written counts no longer, so there may be twice as much in all
            self._waiting = self._bytes = 0
        self._closed.extend(self._requeued.values())
        self._closed.extend(self._open.values())
        self._requeued, self._open = {}, {}

    def peek(self, limit: int) -> list[UsageBucket]:
        """Up to `limit` of the flushed buckets. They stay until `ack`: nothing is lost when the caller is stopped."""
        return list(islice(self._closed, limit))

    def ack(self, count: int) -> None:
        """The first `count` buckets were handed over to be written."""
        for _ in range(count):
            self._closed.popleft()

    def requeue(self, buckets: list[UsageBucket]) -> int:
        """Writing these failed: count them again with the next flush, without their lines. Returns how many lines are lost."""
        lost = 0
        for bucket in buckets:
            lost += len(bucket.lines)
            name = (bucket.hour, bucket.key_id, bucket.status, bucket.limited_by)
            again = self._requeued.get(name)
            if again is None:
                if len(self._requeued) >= MAX_BUCKETS and bucket.key_id is not None:
                    self.lost += bucket.count
                    continue
                again = UsageBucket(bucket.user_id, bucket.key_id, bucket.status, bucket.limited_by, bucket.hour, 0)
                again.retried = True
                self._requeued[name] = again
            again.count += bucket.count
        return lost

    def _new_bucket(self, request: Request, status: int, at: int) -> UsageBucket | None:
        """None when there are too many."""
        key_id = request.key_id
        name = (key_id, status, request.limited_by)
        if name in self._open:
            self._closed.append(self._open[name])  # of another hour
        elif len(self._open) + len(self._closed) >= MAX_BUCKETS and key_id is not None:
            return None
        max_lines = 0 if key_id is None else self._max_lines
        bucket = UsageBucket(request.user_id, key_id, status, request.limited_by, at - at % clock.HOUR, max_lines)
        self._open[name] = bucket
        return bucket

    def _client_index(self, bucket: UsageBucket, request: Request) -> int:
        """The index of the request's client among those of the bucket, where it is added if it is new."""
        fields = [part for field in request.headers.items() if field[0] in LOGGED_HEADERS for part in field]
        headers = b"\n".join(fields)
        if len(headers) > MAX_TEXT:
            headers = b"\n".join([_cut(part) for part in fields])
        client = Client(request.address, headers)
        index = bucket.clients.get(client)
        if index is None:
            index = bucket.clients[client] = len(bucket.clients)
            self._bytes += len(headers) + 64
        bucket.last = (request.address, request.headers, index)
        return index


def _cut(value: bytes) -> bytes:
    return value if len(value) <= MAX_TEXT else masked(value.decode("latin-1")).encode("latin-1")[:MAX_TEXT]
