"""Requests noted for their users to see: counted exactly, kept as packed lines until somebody writes them down.

`note` only appends. Every 64th makes what has gathered into tallies: one for each key, status and refusing window of an hour, with a
count and the lines themselves. `gather` and `first` hand them to whoever writes them; all of it runs on the event loop, which no thread may
keep waiting for the interpreter's lock (docs/decisions/0004-logging.md).
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rollbook import clock
from rollbook.observe.lines import masked

if TYPE_CHECKING:
    from rollbook.http.request import Request

# Requests made into lines in one go: less than 0.2 ms.
_HANDFUL = 64
# Lines of a tally; beyond, requests are only counted. A tally is written about once a second.
MOST_LINES = 500
# Lines that wait, and bytes of the clients' header fields with them, whoever they belong to; beyond, requests are only counted.
MOST_WAITING = 20_000
MOST_BYTES = 8 * 1024 * 1024
# Tallies that wait; beyond, as after hours without a disk, a key's requests are not even counted.
MOST_TALLIES = 50_000
# Longest time that the lines of a tally span, in microseconds. Who reads a log relies on it.
SPAN = 30 * clock.SECOND
# Characters kept of a path, a method and a header field.
CUT = 200
_METHOD = 32

# Header fields that tell how a client calls. Whatever is not here is not kept: no key, no cookie, no referrer.
HARMLESS = frozenset(
    b"""accept accept-encoding accept-language content-encoding content-length content-type expect forwarded host idempotency-key
    if-match if-none-match origin traceparent transfer-encoding user-agent via x-forwarded-for x-forwarded-host x-forwarded-proto""".split()
)

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[list[tuple[str, bytes]], list[tuple[int, str, str, str, int, int]]]).decode


class Line(NamedTuple):
    """One request as it is kept. `client` is the place of its address and header fields in the tally's table."""

    at: int  # microseconds; no two lines of a user have the same
    request_id: str
    method: str
    path: str
    microseconds: int
    client: int


class Client(NamedTuple):
    address: str
    headers: tuple[tuple[str, str], ...]


class Tally:
    """Requests of one hour with the same key, status and refusing window, and the first of them as lines.

    Lines and clients are packed where they come: objects that stay would cost more than their packing, once there are thousands.
    """

    __slots__ = (
        "address", "client", "clients", "count", "fields", "first", "headers", "hour", "kept", "key_id", "last", "limited_by", "lines",
        "most", "places", "retried", "status", "user_id",
    )  # fmt: skip

    def __init__(
        self, user_id: str | None, key_id: str | None, status: int, limited_by: str | None, hour: int, most: int
    ) -> None:
        self.user_id = user_id
        self.key_id = key_id
        self.status = status
        self.limited_by = limited_by
        self.hour = hour  # when it began
        self.count = 0
        self.most = most  # lines
        self.kept = 0
        self.first = self.last = 0  # times of the lines
        self.lines = bytearray()
        self.clients = bytearray()
        # The client of the last line, and where it stands in the table. Mostly the next line has the same.
        self.address = ""
        self.fields = b""
        self.headers: dict[bytes, bytes] | None = None
        self.client = -1
        self.places: dict[tuple[str, bytes], int] | None = None  # of all clients, once there are several
        self.retried = False

    def packed(self) -> bytes:
        """The lines as `unpacked` reads them."""
        clients = 1 if self.places is None else len(self.places)
        packed = b"".join(
            (b"\x92\xdd", clients.to_bytes(4, "big"), self.clients, b"\xdd", self.kept.to_bytes(4, "big"), self.lines)
        )
        # Two looks at the bytes for all lines; almost always neither finds anything.
        return _masked(packed) if b"rbk_" in packed or b"$argon2" in packed else packed


class Requests:
    """What one worker has noted and not yet written down. `worker` of `workers`, so that their lines never have the same time.

    With `lines` off, requests are only counted. A killed process loses what it has here.
    """

    def __init__(self, lines: bool, worker: int = 0, workers: int = 1) -> None:
        self.lost = 0
        """Requests with a key that were not counted for it, because too much waited."""
        self._keep = lines
        self._worker = worker
        self._workers = workers
        self._noted: list[tuple[Any, ...]] = []
        self._tallies: dict[tuple[str | None, int, str | None], Tally] = {}
        self._gathered: deque[Tally] = deque()
        self._again: dict[tuple[int, str | None, int, str | None], Tally] = {}
        self._waiting = self._bytes = 0
        self._last = 0

    def note(self, request: Request, status: int, microseconds: int) -> None:
        """Note one answered request. `microseconds` from its last byte to its answer."""
        noted = self._noted
        noted.append(
            (
                clock.now(), request.user_id, request.key_id, status, request.limited_by, request.id, request.method, request.path,
                microseconds, request.address, request.headers,
            )
        )  # fmt: skip
        if len(noted) >= _HANDFUL:
            self._sort()

    def gather(self) -> None:
        """Let `first` give all that was noted so far."""
        self._sort()
        if not self._gathered:  # what is handed over to be written counts no longer, so there may be twice as much in all
            self._waiting = self._bytes = 0
        self._gathered.extend(self._again.values())
        self._gathered.extend(self._tallies.values())
        self._again, self._tallies = {}, {}

    def first(self, limit: int) -> list[Tally]:
        """Up to `limit` of the tallies gathered. They stay until `drop`: nothing is lost when somebody who makes them ready is stopped."""
        return list(islice(self._gathered, limit))

    def drop(self, count: int) -> None:
        """So many of the first were handed over to be written."""
        for _ in range(count):
            self._gathered.popleft()

    def give_back(self, tallies: list[Tally]) -> int:
        """Count these again at the next try, without their lines. Returns how many lines are lost."""
        lost = 0
        for tally in tallies:
            lost += tally.kept
            name = (tally.hour, tally.key_id, tally.status, tally.limited_by)
            again = self._again.get(name)
            if again is None:
                if len(self._again) >= MOST_TALLIES and tally.key_id is not None:
                    self.lost += tally.count
                    continue
                again = self._again[name] = Tally(tally.user_id, tally.key_id, tally.status, tally.limited_by, tally.hour, 0)
                again.retried = True
            again.count += tally.count
        return lost

    def _sort(self) -> None:
        """Make what was noted into counts and lines."""
        noted, self._noted = self._noted, []
        tallies = self._tallies
        worker, workers, last = self._worker, self._workers, self._last
        waiting = self._waiting
        for at, user_id, key_id, status, limited_by, id, method, path, microseconds, address, headers in noted:
            at += worker - at % workers
            if at <= last < at + clock.SECOND:  # not after the clock was set back by more
                at = last + workers
            last = at
            tally = tallies.get((key_id, status, limited_by))
            if tally is None or not 0 <= at - tally.hour < clock.HOUR:
                tally = self._tally(at, user_id, key_id, status, limited_by)
                if tally is None:
                    self.lost += 1
                    continue
            tally.count += 1
            if tally.kept >= tally.most or waiting >= MOST_WAITING:
                continue
            if not tally.kept:
                tally.first = at
            elif not 0 <= at - tally.first < SPAN:
                continue
            if headers != tally.headers or address != tally.address:
                if self._bytes >= MOST_BYTES:
                    continue
                self._meet(tally, address, headers)
            if len(path) > CUT:
                path = masked(path)[:CUT]  # in this order, so that no piece of a key is left over
            try:
                tally.lines += _pack((at, id, method[:_METHOD], path, microseconds, tally.client))
            except UnicodeEncodeError:  # a lone surrogate, which no transport lets through
                continue
            tally.kept += 1
            tally.last = at
            waiting += 1
        self._last, self._waiting = last, waiting

    def _tally(self, at: int, user_id: str | None, key_id: str | None, status: int, limited_by: str | None) -> Tally | None:
        """A new tally; None when there are too many."""
        name = (key_id, status, limited_by)
        if name in self._tallies:
            self._gathered.append(self._tallies[name])  # of another hour
        elif len(self._tallies) + len(self._gathered) >= MOST_TALLIES and key_id is not None:
            return None
        most = MOST_LINES if self._keep and key_id is not None else 0
        tally = self._tallies[name] = Tally(user_id, key_id, status, limited_by, at - at % clock.HOUR, most)
        return tally

    def _meet(self, tally: Tally, address: str, headers: dict[bytes, bytes]) -> None:
        """Find the client's place in the tally's table, or give it one."""
        # Names and values in turn with a line feed between, which no field may hold.
        fields = b"\n".join([part for field in headers.items() if field[0] in HARMLESS for part in field])
        if len(fields) > CUT:
            fields = b"\n".join([part for name, value in headers.items() if name in HARMLESS for part in (name, _cut(value))])
        if fields == tally.fields and address == tally.address and tally.client >= 0:
            tally.headers = headers  # kept from the second time on: most tallies have one line
            return
        client = (address, fields)
        if tally.client < 0:
            place: int | None = None
        elif tally.places is None:
            place, tally.places = None, {(tally.address, tally.fields): 0}
        else:
            place = tally.places.get(client)
        if place is None:
            place = 0 if tally.places is None else len(tally.places)
            if tally.places is not None:
                tally.places[client] = place
            tally.clients += _pack(client)
            self._bytes += len(fields) + 64
        tally.address, tally.fields, tally.headers, tally.client = address, fields, None, place


def unpacked(packed: bytes) -> tuple[list[Client], list[Line]]:
    """Clients and lines, oldest first."""
    clients, lines = _unpack(packed)
    return [Client(address, _fields(fields)) for address, fields in clients], [Line._make(line) for line in lines]


def _fields(fields: bytes) -> tuple[tuple[str, str], ...]:
    parts = fields.decode("latin-1").split("\n")
    return tuple(zip(parts[::2], parts[1::2], strict=False))


def _cut(value: bytes) -> bytes:
    return value if len(value) <= CUT else _hidden(value)[:CUT]


def _hidden(value: bytes) -> bytes:
    return masked(value.decode("latin-1")).encode("latin-1")


def _masked(packed: bytes) -> bytes:
    """The same without what looks like a key or a password's hash."""
    clients, lines = _unpack(packed)
    safe = [(address, _hidden(fields)) for address, fields in clients]
    return _pack((safe, [(at, id, masked(method), masked(path), *rest) for at, id, method, path, *rest in lines]))
