"""Buffers usage counts and request-log lines of requests with an API key until `jobs/usage` writes them to the
database.

Each request is counted in a bucket: one for each API key, status and exceeded window of an hour. The first requests of
a bucket are also kept as lines. All of it runs on the event loop, which no thread may keep waiting for the
interpreter's lock (docs/decisions/0004-logging.md).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rollbook import clock
from rollbook.observe.lines import masked

if TYPE_CHECKING:
    from rollbook.errors import ApiError
    from rollbook.http.request import Request

# Lines of a bucket; beyond, requests are only counted. A bucket is written about once a second.
MAX_LINES = 500
# Lines of a user in an hour, bytes of header fields in them, and lines of a user in a minute that a rate limit refused;
# beyond, requests are only counted. All of a user's keys share these, so that creating keys doesn't fill the disk.
MAX_HOURLY_LINES = 20_000
MAX_HOURLY_BYTES = 4 * 1024 * 1024
MAX_LIMITED = 5
# Users whose share of an hour is known; beyond, all of them start over.
MAX_USERS = 50_000
# Lines that wait, and bytes of the clients' header fields with them, of all buckets; beyond, requests are only counted.
MAX_WAITING = 20_000
MAX_BYTES = 8 * 1024 * 1024
# Buckets that wait; beyond, as after hours without a disk, a key's requests are not even counted.
MAX_BUCKETS = 50_000
# Longest time that the lines of a bucket span, in microseconds. Readers of the log rely on it.
SPAN = 30 * clock.SECOND
# Characters kept of a path, of a text of an error, of all names of query parameters, of a method and of a header field;
# faults kept of an error.
MAX_TEXT = 200
MAX_METHOD = 32
MAX_FAULTS = 10
# Names of query parameters that are kept as they are: whatever else was sent in their place could be a secret.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,32}").fullmatch

# Upper bounds of the durations that are counted together, in microseconds; the last ones are longer than any of these.
DURATIONS = (250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000)

# Header fields that describe how a client calls. No others are kept: no key, no cookie, no referrer.
LOGGED_HEADERS = frozenset(
    b"""accept accept-encoding accept-language content-encoding content-length content-type expect forwarded host
    idempotency-key if-match if-none-match origin traceparent transfer-encoding user-agent via x-forwarded-for
    x-forwarded-host x-forwarded-proto
    x-request-id""".split()
)
# Those that differ from request to request: kept with the line, so that the others are kept once.
OWN_HEADERS = frozenset((b"idempotency-key", b"traceparent", b"x-request-id"))


class ToldError(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """Error as the client was told."""

    code: str
    message: str
    param: str | None
    faults: tuple[tuple[str, str], ...]  # parameter and message


class RequestLine(msgspec.Struct, array_like=True, gc=False):
    """One request. `client` is an index into the clients of its bucket."""

    at: int  # microseconds; no two lines of a user have the same
    request_id: str
    method: str
    path: str
    microseconds: int
    client: int
    headers: bytes = b""  # OWN_HEADERS, in the form of a client's
    query: str = ""  # the names of the query's parameters, with commas between
    error: ToldError | int | None = None  # or the index of an earlier line of the bucket, with the same


class Client(msgspec.Struct, array_like=True, gc=False, frozen=True):
    address: str
    headers: bytes  # names and values in turn with a line feed between, which no field may contain


class Share:
    """Lines left to a user in this hour and, for lines of refused requests, in this minute."""

    __slots__ = ("bytes", "limited", "lines", "minute")

    def __init__(self) -> None:
        self.lines = MAX_HOURLY_LINES
        self.bytes = MAX_HOURLY_BYTES
        self.limited = self.minute = 0

    def takes_limited(self, at: int) -> bool:
        """Test whether one more request that a rate limit refused gets a line."""
        minute = at // clock.MINUTE
        if minute != self.minute:
            self.minute, self.limited = minute, 0
        self.limited += 1
        return self.limited <= MAX_LIMITED


class ClientDetails(NamedTuple):
    """The client of the last line: most often the next line has the same."""

    address: str
    fields: dict[bytes, bytes]
    """All header fields of the request."""
    client: int
    own: bytes
    """OWN_HEADERS, as in a line."""


@dataclass(slots=True, eq=False)
class UsageBucket:
    """The requests of one hour with the same key, status and exceeded window: how many, of each endpoint by duration,
    and the first of them as lines."""

    user_id: str
    key_id: str
    status: int
    limited_by: str | None
    hour: int  # when it began
    max_lines: int
    share: Share
    count: int = 0
    lines: list[RequestLine] = field(default_factory=list)
    clients: dict[Client, int] = field(default_factory=dict)
    errors: dict[ToldError, int] = field(default_factory=dict)  # the lines on which they are described
    # By the identity of its row, which lives as long as the process: its name, and how many requests took how long
    # (DURATIONS).
    routes: dict[int, tuple[str, list[int]]] = field(default_factory=dict)
    last: ClientDetails | None = None
    retried: bool = False


class UsageBuffer:
    """The usage and log lines of one worker, in memory. Timestamps are unique across workers: `at % workers == worker`.

    Without `lines`, requests are only counted. A process that is killed loses its buffer.
    """

    def __init__(self, lines: bool, worker: int = 0, workers: int = 1) -> None:
        self.lost = 0
        """Requests with a key that were not counted for it, because too much waited."""
        self._max_lines = MAX_LINES if lines else 0
        self._worker = worker
        self._workers = workers
        self._open: dict[tuple[str, int, str | None], UsageBucket] = {}
        self._closed: deque[UsageBucket] = deque()
        self._requeued: dict[tuple[int, str, int, str | None], UsageBucket] = {}
        self._waiting = self._bytes = 0
        self._last_time = 0
        self._shares: dict[str, Share] = {}
        self._shares_of = 0  # the hour

    def add(self, handful: Sequence[Request]) -> None:
        """Record these requests, in the order in which they were answered."""
        for request in handful:
            user_id, key_id = request.user_id, request.key_id
            if user_id is not None and key_id is not None:
                self._record(request, user_id, key_id)

    def _record(self, request: Request, user_id: str, key_id: str) -> None:
        status, microseconds, at = request.status, request.microseconds, request.answered_at
        at += self._worker - at % self._workers
        if at <= self._last_time < at + clock.SECOND:  # not after the clock was set back by more
            at = self._last_time + self._workers
        self._last_time = at
        bucket = self._open.get((key_id, status, request.limited_by))
        if bucket is None or not 0 <= at - bucket.hour < clock.HOUR:
            bucket = self._new_bucket(user_id, key_id, status, request.limited_by, at)
            if bucket is None:
                self.lost += 1
                return
        bucket.count += 1
        route = request.route
        if route is not None:
            counted = bucket.routes.get(id(route))
            if counted is None:
                counted = bucket.routes[id(route)] = (f"{route.method} {route.path}", [0] * (len(DURATIONS) + 1))
            counted[1][bisect_left(DURATIONS, microseconds)] += 1
        lines, share = bucket.lines, bucket.share
        is_full = len(lines) >= bucket.max_lines or self._waiting >= MAX_WAITING
        if is_full or (lines and not 0 <= at - lines[0].at < SPAN):
            return
        if share.lines <= 0 or (status == 429 and not share.takes_limited(at)):
            return
        last = bucket.last
        headers = request.headers
        if last is not None and (last.fields is headers or last.fields == headers) and last.address == request.address:
            _, _, client, own = last
        elif self._bytes >= MAX_BYTES or share.bytes <= 0:
            return
        else:
            client, own = self._describe_client(bucket, request)
        path = _short(request.path)
        error = None if request.error is None else self._describe_error(bucket, request.error)
        query = _names(request.query) if request.query else ""
        lines.append(
            RequestLine(at, request.id, request.method[:MAX_METHOD], path, microseconds, client, own, query, error)
        )
        share.lines -= 1
        self._waiting += 1

    def flush(self) -> None:
        """Let `peek` return all that was recorded so far."""
        if (
            not self._closed
        ):  # what was handed over to be written counts no longer, so there may be twice as much in all
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
        """Writing these failed: count them again with the next flush, without their lines. Returns how many lines are
        lost."""
        lost = 0
        for bucket in buckets:
            lost += len(bucket.lines)
            name = (bucket.hour, bucket.key_id, bucket.status, bucket.limited_by)
            again = self._requeued.get(name)
            if again is None:
                if len(self._requeued) >= MAX_BUCKETS:
                    self.lost += bucket.count
                    continue
                again = UsageBucket(
                    bucket.user_id, bucket.key_id, bucket.status, bucket.limited_by, bucket.hour, 0, bucket.share
                )
                again.retried = True
                self._requeued[name] = again
            again.count += bucket.count
            for route, (route_name, times) in bucket.routes.items():
                sums = again.routes.setdefault(route, (route_name, [0] * len(times)))[1]
                sums[:] = [one + other for one, other in zip(sums, times, strict=True)]
        return lost

    def _new_bucket(
        self, user_id: str, key_id: str, status: int, limited_by: str | None, at: int
    ) -> UsageBucket | None:
        """A new bucket; None when there are too many."""
        name = (key_id, status, limited_by)
        if name in self._open:
            self._closed.append(self._open[name])  # of another hour
        elif len(self._open) + len(self._closed) >= MAX_BUCKETS:
            return None
        hour = at - at % clock.HOUR
        bucket = UsageBucket(user_id, key_id, status, limited_by, hour, self._max_lines, self._share(user_id, hour))
        self._open[name] = bucket
        return bucket

    def _share(self, user_id: str, hour: int) -> Share:
        if hour != self._shares_of or len(self._shares) >= MAX_USERS:
            self._shares_of = hour
            self._shares.clear()
        return self._shares.setdefault(user_id, Share())

    def _describe_client(self, bucket: UsageBucket, request: Request) -> tuple[int, bytes]:
        """The index of the request's client among those of the bucket, where it is added if it is new; the fields of
        this request only."""
        fields = [field for field in request.headers.items() if field[0] in LOGGED_HEADERS]
        own = _joined([field for field in fields if field[0] in OWN_HEADERS])
        client = Client(request.address, _joined([field for field in fields if field[0] not in OWN_HEADERS]))
        size = len(own)
        index = bucket.clients.get(client)
        if index is None:
            index = bucket.clients[client] = len(bucket.clients)
            size += len(client.headers) + 64
        self._bytes += size
        bucket.share.bytes -= size
        bucket.last = ClientDetails(request.address, request.headers, index, own)
        return index, own

    def _describe_error(self, bucket: UsageBucket, error: ApiError) -> ToldError | int | None:
        """Description of an error, or the line that has it already; None when there is no room."""
        if self._bytes >= MAX_BYTES or bucket.share.bytes <= 0:
            return None
        faults = tuple((_short(fault.param), _short(fault.message)) for fault in (error.faults or ())[:MAX_FAULTS])
        problem = ToldError(
            error.code, _short(error.message), None if error.param is None else _short(error.param), faults
        )
        index = bucket.errors.get(problem)
        if index is not None:
            return index
        bucket.errors[problem] = len(bucket.lines)
        size = 64 + len(problem.message) + sum(len(param) + len(message) for param, message in faults)
        self._bytes += size
        bucket.share.bytes -= size
        return problem


def _short(text: str) -> str:
    """Shorten in this order, so that no piece of a key is left over."""
    return text if len(text) <= MAX_TEXT else masked(text)[:MAX_TEXT]


def _names(query: str) -> str:
    """The names of the parameters of a query."""
    names = [part.partition("=")[0] for part in query[: 10 * MAX_TEXT].split("&")]
    return ",".join([name if _PLAIN_NAME(name) else "…" for name in names if name])[:MAX_TEXT]


def _joined(fields: list[tuple[bytes, bytes]]) -> bytes:
    """Names and values in turn, each value cut to what is kept of it."""
    return b"\n".join([part for name, value in fields for part in (name, _cut(value))])


def _cut(value: bytes) -> bytes:
    return value if len(value) <= MAX_TEXT else masked(value.decode("latin-1")).encode("latin-1")[:MAX_TEXT]
