"""What callers did: requests counted by the hour, and the lines of the request log. Both in batches, from `observe/usage_buffer`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import structs

from rollbook import clock
from rollbook.observe.lines import masked
from rollbook.observe.usage_buffer import Client, Line, UsageBucket
from rollbook.storage.database import Queries, Tx

K = TypeVar("K")


class Hour(NamedTuple):
    at: int  # its first microsecond
    requests: int
    errors: int  # 5xx
    refused: int  # 4xx other than 429
    limited: int  # 429


ROW_BYTES = 256
"""What a row of the log takes beside its lines, with its entries in two indexes."""
ROWS = 64
"""Rows written by one statement: each statement costs the writer's thread the interpreter's lock, which the event loop wants."""

COUNT = (
    "INSERT INTO usage (hour, user_id, key_id, requests, errors, refused, limited) VALUES {rows} ON CONFLICT (hour, user_id, key_id) "
    "DO UPDATE SET requests = usage.requests + excluded.requests, errors = usage.errors + excluded.errors, refused = usage.refused + excluded.refused, "
    "limited = usage.limited + excluded.limited"
)
COUNT_LIMITS = (
    "INSERT INTO usage_limits (hour, user_id, key_id, name, limited) VALUES {rows} ON CONFLICT (hour, user_id, key_id, name) "
    "DO UPDATE SET limited = usage_limits.limited + excluded.limited"
)
COUNT_SERVER = (
    "INSERT INTO server_usage (hour, requests, errors, refused, limited) VALUES {rows} ON CONFLICT (hour) "
    "DO UPDATE SET requests = server_usage.requests + excluded.requests, errors = server_usage.errors + excluded.errors, refused = server_usage.refused + excluded.refused, "
    "limited = server_usage.limited + excluded.limited"
)
COUNT_BYTES = (
    "INSERT INTO request_log_sizes (hour, bytes) VALUES {rows} ON CONFLICT (hour) "
    "DO UPDATE SET bytes = request_log_sizes.bytes + excluded.bytes"
)
LOG = "INSERT INTO request_log (user_id, key_id, status, limited_by, first, last, left_out, lines) VALUES {rows}"
EXISTS = "SELECT 1 FROM users WHERE id = ? UNION ALL SELECT 1 FROM deleted_users WHERE id = ?"

HOURS = """
    SELECT hour, sum(requests), sum(errors), sum(refused), sum(limited) FROM usage WHERE user_id = ? AND hour >= ?{only}
    GROUP BY hour ORDER BY hour"""
HOURS_OF_USER = HOURS.format(only="")
HOURS_OF_KEY = HOURS.format(only=" AND key_id = ?")
SERVER_HOURS = "SELECT hour, requests, errors, refused, limited FROM server_usage WHERE hour >= ? ORDER BY hour"
HIT = "SELECT name, sum(limited) FROM usage_limits WHERE user_id = ? AND hour >= ? GROUP BY name"
OLDEST_HOUR = "SELECT hour FROM server_usage ORDER BY hour LIMIT 1"
EXPIRE_USAGE = """
    DELETE FROM usage WHERE (hour, user_id, key_id) IN (
        SELECT hour, user_id, key_id FROM usage WHERE hour < ? ORDER BY hour LIMIT ?)"""
EXPIRE_LIMITS = """
    DELETE FROM usage_limits WHERE (hour, user_id, key_id, name) IN (
        SELECT hour, user_id, key_id, name FROM usage_limits WHERE hour < ? ORDER BY hour LIMIT ?)"""
EXPIRE_SERVER = "DELETE FROM server_usage WHERE hour IN (SELECT hour FROM server_usage WHERE hour < ? ORDER BY hour LIMIT ?)"
OLDEST_LINES = "SELECT last FROM request_log ORDER BY last LIMIT 1"
EXPIRE_LOG = """
    DELETE FROM request_log WHERE id IN (SELECT id FROM request_log WHERE last < ? ORDER BY last LIMIT ?)
    RETURNING last, length(lines)"""
LOG_SIZE = "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM request_log_sizes WHERE hour > ?"
LESS_BYTES = "UPDATE request_log_sizes SET bytes = bytes - ? WHERE hour = ?"
# Those of hours before the oldest line's: what users left who were erased.
FORGET_SIZES = "DELETE FROM request_log_sizes WHERE hour < coalesce((SELECT min(last) FROM request_log), ?) - ?"

NOTE_ERASED = "INSERT INTO erased_usage (user_id, erased_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
ERASED = "SELECT user_id FROM erased_usage WHERE erased_at < ? ORDER BY erased_at LIMIT 1"
FORGET_ERASED = "DELETE FROM erased_usage WHERE user_id = ?"
ERASE_USAGE = """
    DELETE FROM usage WHERE (hour, user_id, key_id) IN (SELECT hour, user_id, key_id FROM usage WHERE user_id = ? LIMIT ?)"""
ERASE_LIMITS = """
    DELETE FROM usage_limits WHERE (hour, user_id, key_id, name) IN (
        SELECT hour, user_id, key_id, name FROM usage_limits WHERE user_id = ? LIMIT ?)"""
ERASE_LOG = "DELETE FROM request_log WHERE id IN (SELECT id FROM request_log WHERE user_id = ? LIMIT ?)"

# The column `request_log.lines`: MessagePack of the clients of a bucket and its lines, oldest first.
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[Client], list[Line]]).decode


# ---- writing


class Batch:
    """Buckets as rows of their statements, prepared outside the transaction, which only has to run them."""

    def __init__(self) -> None:
        # Each row once: PostgreSQL changes no row twice in one statement.
        self._counts: dict[tuple[int, str, str], list[int]] = {}
        self._limits: dict[tuple[int, str, str, str], list[int]] = {}
        self._log: list[Any] = []
        self._bytes: dict[int, list[int]] = {}
        self._server: dict[int, list[int]] = {}
        self.retried: list[tuple[str, list[Any], list[Any]]] = []

    def add(self, bucket: UsageBucket) -> None:
        count, status, hour = bucket.count, bucket.status, bucket.hour
        errors = count if status >= 500 else 0
        limited = count if status == 429 else 0
        refused = count if 400 <= status < 500 and not limited else 0
        numbers = (count, errors, refused, limited)
        _add(self._server, hour, numbers)
        user_id, key_id, limited_by = bucket.user_id, bucket.key_id, bucket.limited_by
        if user_id is None or key_id is None:
            return
        if bucket.retried:
            limits = [] if limited_by is None else [hour, user_id, key_id, limited_by, count]
            self.retried.append((user_id, [hour, user_id, key_id, *numbers], limits))
        else:
            _add(self._counts, (hour, user_id, key_id), numbers)
            if limited_by is not None:
                _add(self._limits, (hour, user_id, key_id, limited_by), (count,))
        if lines := bucket.lines:
            packed = pack(bucket.clients, lines)
            _add(self._bytes, hour, (len(packed) + ROW_BYTES,))
            self._log += (user_id, key_id, status, limited_by, lines[0].at, lines[-1].at, count - len(lines), packed)

    def statements(self) -> Iterator[tuple[str, list[Any]]]:
        # In the order of their keys: two workers that count for the same ones cannot wait for each other.
        server = [value for hour, numbers in sorted(self._server.items()) for value in (hour, *numbers)]
        counts = [value for key, numbers in sorted(self._counts.items()) for value in (*key, *numbers)]
        limits = [value for name, numbers in sorted(self._limits.items()) for value in (*name, *numbers)]
        sizes = [value for hour, numbers in sorted(self._bytes.items()) for value in (hour, *numbers)]
        for text, values in (
            (COUNT, counts), (COUNT_LIMITS, limits), (COUNT_SERVER, server), (COUNT_BYTES, sizes), (LOG, self._log),
        ):  # fmt: skip
            yield from _in_rows(text, values)


def pack(clients: Collection[Client], lines: list[Line]) -> bytes:
    """The column for these lines, without anything that looks like an API key or a password hash."""
    try:
        packed = _encode((list(clients), lines))
        if (
            b"rbk_" not in packed and b"$argon2" not in packed
        ):  # two looks at the bytes of all lines; almost always neither finds any
            return packed
    except UnicodeEncodeError:  # a lone surrogate, which no transport lets through
        pass
    safe = [Client(client.address, _safe_headers(client.headers)) for client in clients]
    return _encode(
        (
            safe,
            [
                structs.replace(line, method=_safe(line.method), path=_safe(line.path), headers=_safe_headers(line.headers))
                for line in lines
            ],
        )
    )


def unpack(packed: bytes) -> tuple[list[Client], list[Line]]:
    return _decode(packed)


def _safe(text: str) -> str:
    return masked(text.encode("utf-8", "replace").decode())


def _safe_headers(headers: bytes) -> bytes:
    return masked(headers.decode("latin-1")).encode("latin-1")


def _add(sums: dict[K, list[int]], key: K, numbers: Sequence[int]) -> None:
    found = sums.get(key)
    if found is None:
        sums[key] = list(numbers)
    else:
        for at, number in enumerate(numbers):
            found[at] += number


async def add(tx: Tx, batch: Batch) -> None:
    """Count them, and put their lines into the log."""
    for statement, values in batch.statements():
        await tx.run(statement, *values)
    for user_id, counts, limits in batch.retried:  # their user may have been erased meanwhile
        if await tx.one(EXISTS, user_id, user_id) is not None:
            for text, rows in ((COUNT, counts), (COUNT_LIMITS, limits)):
                for statement, values in _in_rows(text, rows):
                    await tx.run(statement, *values)


def _in_rows(text: str, values: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Statements with many rows each, in so few sizes that all of them stay prepared."""
    columns = text[: text.index(")")].count(",") + 1
    start, size = 0, ROWS
    while start < len(values):
        while size * columns > len(values) - start:
            size //= 2
        end = start + size * columns
        yield _with_rows(text, size, columns), list(values[start:end])
        start = end


@cache
def _with_rows(text: str, rows: int, columns: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return text.format(rows=", ".join([row] * rows))


# ---- reading


async def hours(queries: Queries, user_id: str, since: int, key_id: str | None = None) -> list[Hour]:
    """Hours since then in which the user, or one of its keys, made requests; oldest first."""
    hour = since - since % clock.HOUR
    if key_id is None:
        return [Hour._make(row) for row in await queries.all(HOURS_OF_USER, user_id, hour)]
    return [Hour._make(row) for row in await queries.all(HOURS_OF_KEY, user_id, hour, key_id)]


async def server_hours(queries: Queries, since: int) -> list[Hour]:
    """The same of all requests, also those without a key."""
    return [Hour._make(row) for row in await queries.all(SERVER_HOURS, since - since % clock.HOUR)]


async def hit(queries: Queries, user_id: str, since: int) -> dict[str, int]:
    """Which windows refused the user's requests, and how many: `minute`, `key-minute` (a key's own), `attempts` (wrong passwords)."""
    return {row[0]: row[1] for row in await queries.all(HIT, user_id, since - since % clock.HOUR)}


# ---- forgetting


async def is_older(queries: Queries, before: int) -> bool:
    """Whether there are counts from before this time."""
    row = await queries.one(OLDEST_HOUR)
    return row is not None and row[0] < before


async def expire(tx: Tx, before: int, limit: int) -> int:
    """Drop up to `limit` counts of each kind from before this time. Returns how many went, of the kind of which most did."""
    gone = await tx.run(EXPIRE_USAGE, before, limit), await tx.run(EXPIRE_LIMITS, before, limit)
    if max(gone) < limit:  # the server's counts last: they tell whether there is anything left
        gone = *gone, await tx.run(EXPIRE_SERVER, before, limit)
    return max(gone)


async def is_log_older(queries: Queries, before: int) -> bool:
    row = await queries.one(OLDEST_LINES)
    return row is not None and row[0] < before


async def expire_log(tx: Tx, before: int, limit: int) -> int:
    """Drop up to `limit` pieces of the log from before this time, the oldest first. Returns how many went."""
    gone = await tx.all(EXPIRE_LOG, before, limit)
    sizes: dict[int, list[int]] = {}
    for last, size in gone:
        _add(sizes, last - last % clock.HOUR, (size + ROW_BYTES,))
    for hour, (size,) in sorted(sizes.items()):
        await tx.run(LESS_BYTES, size, hour)
    await tx.run(FORGET_SIZES, before, clock.HOUR)
    return len(gone)


async def log_size(queries: Queries, since: int) -> int:
    """Bytes of the lines since then, without the space that deleted ones left."""
    row = await queries.one(LOG_SIZE, since - clock.HOUR)
    assert row is not None  # a sum is one row
    return row[0]


async def erase(tx: Tx, user_id: str, limit: int) -> bool:
    """Erase up to `limit` rows of each kind about a user. False when none is left."""
    gone = [await tx.run(statement, user_id, limit) for statement in (ERASE_USAGE, ERASE_LIMITS, ERASE_LOG)]
    return max(gone) == limit


async def erased(tx: Tx, user_id: str, limit: int) -> None:
    """A user was erased. What is not erased here at once, or is written down by a worker later, `erased_before` leads to."""
    await erase(tx, user_id, limit)
    await tx.run(NOTE_ERASED, user_id, clock.now())


async def erased_before(queries: Queries, before: int) -> str | None:
    """A user that was erased before this time and of whom something may be left."""
    row = await queries.one(ERASED, before)
    return row[0] if row else None


async def forget_erased(tx: Tx, user_id: str, limit: int) -> bool:
    """Erase what is left of such a user. True when there is more to do."""
    if await erase(tx, user_id, limit):
        return True
    await tx.run(FORGET_ERASED, user_id)
    return False
