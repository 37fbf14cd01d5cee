"""Usage: requests counted by the hour, and the lines of the request log. Both in batches, from
`observe/usage_buffer`.

Folds old usage: the hours of a day into one row, the one of its first hour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from rollbook import clock
from rollbook.observe.lines import masked
from rollbook.observe.usage_buffer import DURATIONS, Client, RequestLine, ToldError, UsageBucket
from rollbook.records import marks
from rollbook.storage.database import Queries, Tx, first, in_parts, scalar

UsageKey = tuple[Any, ...]
"""Of a row."""


class Hour(NamedTuple):
    at: int  # its first microsecond
    requests: int
    errors: int  # 5xx other than 501
    refused: int  # 4xx other than 429, and 501
    limited: int  # 429


class OfKey(NamedTuple):
    """Usage of one API key."""

    user_id: str
    key_id: str
    requests: int
    errors: int
    refused: int
    limited: int


class OfUser(NamedTuple):
    """Usage of all keys of one user."""

    user_id: str
    requests: int
    errors: int
    refused: int
    limited: int


class OfRoute(NamedTuple):
    """Usage of one endpoint."""

    route: str  # method and pattern: `GET /v1/users/{userId}`
    requests: int
    errors: int
    refused: int
    limited: int
    times: tuple[int, ...]
    """Requests by duration, see DURATIONS."""

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share of the requests was answered, estimated between the bounds of DURATIONS:
        two digits, at most a second."""
        rank, lower = sum(self.times) * share, 0
        for count, upper in zip(self.times, DURATIONS, strict=False):
            if count and rank <= count:
                return float(f"{(lower + (upper - lower) * rank / count) / 1000:.2g}")
            rank, lower = rank - count, upper
        return lower / 1000


ALL_KEYS = ""
"""The `key_id` of rows that count what all keys of a user did together: a user with many keys has thousands of rows for
each of these."""
ALL_USERS = ""
"""The `user_id` of rows that count the whole server, also what users did who have been erased since."""
MAX_KEYS = MAX_USERS = 100
"""API keys and users that are told apart, those with the most requests first."""
AT_ONCE = 50
"""Users of a statement."""
ROW_BYTES = 256
"""Bytes that a row of the log takes beside its lines, with its entries in two indexes."""
ROWS = 64
"""Rows written by one statement: each statement costs the writer's thread the interpreter's lock, which the event loop
wants."""

_TIMES = [f"t{number}" for number in range(len(DURATIONS) + 1)]
_NUMBERS = ["requests", "errors", "refused", "limited"]
_KEYS = {
    "usage": "hour, user_id, key_id",
    "usage_limits": "hour, user_id, key_id, name",
    "usage_routes": "hour, user_id, key_id, route",
    "request_log_sizes": "hour",
    "request_log": "id",
}


def _count(table: str, *numbers: str) -> str:
    """Adds to the numbers of many rows."""
    sums = ", ".join([f"{name} = {table}.{name} + excluded.{name}" for name in numbers])
    columns = f"{_KEYS[table]}, {', '.join(numbers)}"
    return f"INSERT INTO {table} ({columns}) VALUES {{rows}} ON CONFLICT ({_KEYS[table]}) DO UPDATE SET {sums}"


def _delete(table: str, which: str) -> str:
    """Deletes up to so many rows."""
    return f"DELETE FROM {table} WHERE ({_KEYS[table]}) IN (SELECT {_KEYS[table]} FROM {table} WHERE {which} LIMIT ?)"


COUNT = _count("usage", *_NUMBERS)
COUNT_LIMITS = _count("usage_limits", "limited")
COUNT_ROUTES = _count("usage_routes", *_NUMBERS, *_TIMES)
COUNT_BYTES = _count("request_log_sizes", "bytes")
LOG = "INSERT INTO request_log (user_id, key_id, status, limited_by, first, last, left_out, lines) VALUES {rows}"
EXISTS = "SELECT 1 FROM users WHERE id = ? UNION ALL SELECT 1 FROM deleted_users WHERE id = ?"

HOURS = (
    "SELECT hour, requests, errors, refused, limited FROM usage WHERE user_id = ? AND key_id = ? AND hour >= "
    "? ORDER BY hour"
)
_HIT = "SELECT name, sum(limited) FROM usage_limits WHERE user_id = ? AND hour >= ?{only} GROUP BY name"
HIT = _HIT.format(only="")
HIT_OF_KEY = _HIT.format(only=" AND key_id = ?")
_SUMS = "sum(requests) AS total, sum(errors), sum(refused), sum(limited)"
_BUSIEST = f"""
    SELECT min(user_id), key_id, {_SUMS} FROM usage WHERE {{whose}}hour >= ? AND key_id > ''
    GROUP BY key_id ORDER BY total DESC, key_id LIMIT {MAX_KEYS}"""
KEYS, KEYS_OF_ALL = _BUSIEST.format(whose="user_id = ? AND "), _BUSIEST.format(whose="")
# Not by the index that begins with the user, which has all hours: those asked for lie together in the table.
USERS = f"""
    SELECT user_id || '' AS whose, {_SUMS} FROM usage WHERE hour >= ? AND user_id || '' > '' AND key_id = ''
    GROUP BY user_id || '' ORDER BY total DESC, whose LIMIT {MAX_USERS}"""
ROUTES = f"""
    SELECT route, sum(requests) AS total, sum(errors), sum(refused), sum(limited),
           {", ".join([f"sum({name})" for name in _TIMES])}
    FROM usage_routes WHERE user_id = ? AND key_id = ? AND hour >= ? GROUP BY route ORDER BY total DESC, route"""
REQUESTS = f"""
    SELECT user_id, CAST(sum(requests) AS bigint) FROM usage
    WHERE user_id IN ({", ".join("?" * AT_ONCE)}) AND key_id = '' AND hour >= ? GROUP BY user_id"""
OLDEST_HOUR = "SELECT hour FROM usage ORDER BY hour LIMIT 1"
EXPIRE_DETAILS = [_delete(table, "hour < ? ORDER BY hour") for table in ("usage_limits", "usage_routes")]
EXPIRE_COUNTS = _delete("usage", "hour < ? ORDER BY hour")
OLDEST_LINES = "SELECT last FROM request_log ORDER BY last LIMIT 1"
EXPIRE_LOG = f"{_delete('request_log', 'last < ? ORDER BY last')} RETURNING last, length(lines)"
LOG_SIZE = "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM request_log_sizes WHERE hour > ?"
LESS_BYTES = "UPDATE request_log_sizes SET bytes = bytes - ? WHERE hour = ?"
# Those of hours before the oldest line's: what users left who were erased.
FORGET_SIZES = "DELETE FROM request_log_sizes WHERE hour < coalesce((SELECT min(last) FROM request_log), ?) - ?"

NOTE_ERASED = "INSERT INTO erased_usage (user_id, erased_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
ERASED = "SELECT user_id FROM erased_usage WHERE erased_at < ? ORDER BY erased_at LIMIT 1"
FORGET_ERASED = "DELETE FROM erased_usage WHERE user_id = ?"
ERASE = [_delete(table, "user_id = ?") for table in ("usage", "usage_limits", "usage_routes", "request_log")]

# The column `request_log.lines`: MessagePack of the clients of a bucket and its lines, oldest first.
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[Client], list[RequestLine]]).decode


# ---- writing


class UsageBatch:
    """Buckets as rows of their statements, prepared outside the transaction, which only has to run them."""

    def __init__(self) -> None:
        # Each row once: PostgreSQL changes no row twice in one statement.
        self._sums: dict[str, dict[UsageKey, list[int]]] = {
            text: {} for text in (COUNT, COUNT_LIMITS, COUNT_ROUTES, COUNT_BYTES)
        }
        """By statement and key."""
        self._log: list[Any] = []
        self.retried: list[tuple[str, list[tuple[str, list[Any]]]]] = []
        """Users, and what is counted for those who still exist: statements with their values."""

    def add(self, bucket: UsageBucket) -> None:
        for count in _counts(bucket, ALL_USERS, ALL_KEYS):
            self._add(*count)
        own = _counts_of_user(bucket)
        if bucket.retried:
            values: dict[str, list[Any]] = {}
            for text, key, numbers in own:
                values.setdefault(text, []).extend((*key, *numbers))
            self.retried.append((bucket.user_id, list(values.items())))
            return
        for count in own:
            self._add(*count)
        if lines := bucket.lines:
            packed = pack(bucket.clients, lines)
            self._add(COUNT_BYTES, (bucket.hour,), (len(packed) + ROW_BYTES,))
            self._log += (
                bucket.user_id,
                bucket.key_id,
                bucket.status,
                bucket.limited_by,
                lines[0].at,
                lines[-1].at,
                bucket.count - len(lines),
                packed,
            )

    def _add(self, text: str, key: UsageKey, numbers: Sequence[int]) -> None:
        sums = self._sums[text].get(key)
        if sums is None:
            self._sums[text][key] = list(numbers)
        else:
            for at, number in enumerate(numbers):
                sums[at] += number

    def statements(self) -> Iterator[tuple[str, list[Any]]]:
        for text, sums in self._sums.items():
            # In the order of their keys: two workers that count for the same ones cannot wait for each other.
            yield from in_rows(text, [value for key, numbers in sorted(sums.items()) for value in (*key, *numbers)])
        yield from in_rows(LOG, self._log)


def _counts_of_user(bucket: UsageBucket) -> Iterator[tuple[str, UsageKey, tuple[int, ...]]]:
    """Counts of the key and of all keys of its user. What a limit refused is counted for the key alone."""
    yield from _counts(bucket, bucket.user_id, bucket.key_id)
    for text, key, numbers in _counts(bucket, bucket.user_id, ALL_KEYS):
        if text is not COUNT_LIMITS:
            yield text, key, numbers


def _counts(bucket: UsageBucket, user_id: str, key_id: str) -> Iterator[tuple[str, UsageKey, tuple[int, ...]]]:
    """Counts of one of them: statement, key and numbers."""
    yield COUNT, (bucket.hour, user_id, key_id), _numbers(bucket.status, bucket.count)
    if bucket.limited_by is not None:
        yield COUNT_LIMITS, (bucket.hour, user_id, key_id, bucket.limited_by), (bucket.count,)
    for route, times in bucket.routes.values():
        yield COUNT_ROUTES, (bucket.hour, user_id, key_id, route), (*_numbers(bucket.status, sum(times)), *times)


def _numbers(status: int, count: int) -> tuple[int, int, int, int]:
    """Requests, errors, refused and limited ones. That something isn't implemented is no fault of the server."""
    limited, refused = status == 429, status == 501 or 400 <= status < 500
    return count, count * (status >= 500 and not refused), count * (refused and not limited), count * limited


def pack(clients: Collection[Client], lines: list[RequestLine]) -> bytes:
    """The column for these lines, without anything that looks like an API key or a password hash."""
    try:
        packed = _encode((list(clients), lines))
        # Three looks at the bytes of all lines; almost always neither finds any.
        if not any(secret in packed for secret in (b"rbk_", b"rbo_", b"$argon2")):
            return packed
    except UnicodeEncodeError:  # a lone surrogate, which no transport lets through
        pass
    safe = [Client(client.address, _safe_headers(client.headers)) for client in clients]
    return _encode((safe, [_safe_line(line) for line in lines]))


def _safe_line(line: RequestLine) -> RequestLine:
    return structs.replace(
        line,
        method=_safe(line.method),
        path=_safe(line.path),
        headers=_safe_headers(line.headers),
        query=_safe(line.query),
        error=_safe_error(line.error) if isinstance(line.error, ToldError) else line.error,
    )


def unpack(packed: bytes) -> tuple[list[Client], list[RequestLine]]:
    return _decode(packed)


def _safe(text: str) -> str:
    return masked(text.encode("utf-8", "replace").decode())


def _safe_error(error: ToldError) -> ToldError:
    faults = tuple((_safe(param), _safe(message)) for param, message in error.faults)
    return ToldError(error.code, _safe(error.message), None if error.param is None else _safe(error.param), faults)


def _safe_headers(headers: bytes) -> bytes:
    return masked(headers.decode("latin-1")).encode("latin-1")


async def add(tx: Tx, batch: UsageBatch) -> None:
    """Count them, and put their lines into the log."""
    for statement, values in batch.statements():
        await tx.run(statement, *values)
    for user_id, counted in batch.retried:  # their user may have been erased meanwhile
        if await tx.one(EXISTS, user_id, user_id) is not None:
            for text, rows in counted:
                for statement, values in in_rows(text, rows):
                    await tx.run(statement, *values)


def in_rows(text: str, values: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
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
    """Hours since then in which the user, ALL_USERS or one of the user's keys made requests; oldest first."""
    return [
        Hour._make(row) for row in await queries.all(HOURS, user_id, key_id or ALL_KEYS, since - since % clock.HOUR)
    ]


def total(hours: Sequence[Hour]) -> Hour:
    """The sum; its time is 0."""
    return Hour(0, *(sum(hour[column] for hour in hours) for column in range(1, len(Hour._fields))))


async def hit(queries: Queries, user_id: str, since: int, key_id: str | None = None) -> dict[str, int]:
    """Count the user's requests, or those with one of its keys, that each window refused: `minute`, `key-minute` (a
    key's own), `attempts` (wrong passwords)."""
    text, only = (HIT, ()) if key_id is None else (HIT_OF_KEY, (key_id,))
    return {row[0]: row[1] for row in await queries.all(text, user_id, since - since % clock.HOUR, *only)}


async def by_key(queries: Queries, user_id: str, since: int) -> list[OfKey]:
    """Usage of each of the user's keys since then, or of ALL_USERS', up to MAX_KEYS, those with the most requests
    first."""
    text, whose = (KEYS_OF_ALL, ()) if user_id == ALL_USERS else (KEYS, (user_id,))
    return [OfKey._make(row) for row in await queries.all(text, *whose, since - since % clock.HOUR)]


async def by_user(queries: Queries, since: int) -> list[OfUser]:
    """Usage of each user since then, up to MAX_USERS, those with the most requests first."""
    return [OfUser._make(row) for row in await queries.all(USERS, since - since % clock.HOUR)]


async def requests(queries: Queries, user_ids: Sequence[str], since: int) -> dict[str, int]:
    """Requests of each of these users since then, of those who made any."""
    counts = {}
    for part in in_parts(user_ids, AT_ONCE):
        rows = await queries.all(REQUESTS, *part, since - since % clock.HOUR)
        counts |= {row[0]: row[1] for row in rows}
    return counts


async def by_route(queries: Queries, user_id: str, since: int, key_id: str | None = None) -> list[OfRoute]:
    """Usage of each endpoint since then, of all keys of a user or of one."""
    rows = await queries.all(ROUTES, user_id, key_id or ALL_KEYS, since - since % clock.HOUR)
    return [OfRoute._make((*row[:5], tuple(row[5:]))) for row in rows]


# ---- forgetting


async def is_older(queries: Queries, before: int) -> bool:
    """Test whether there are counts from before this time."""
    row = await queries.one(OLDEST_HOUR)
    return row is not None and row[0] < before


async def expire(tx: Tx, before: int, limit: int) -> int:
    """Drop up to `limit` counts of each kind from before this time. Returns how many went, of the kind of which most
    did."""
    gone = [await tx.run(statement, before, limit) for statement in EXPIRE_DETAILS]
    if max(gone) < limit:  # these last: they tell whether there is anything left
        gone.append(await tx.run(EXPIRE_COUNTS, before, limit))
    return max(gone)


async def is_log_older(queries: Queries, before: int) -> bool:
    row = await queries.one(OLDEST_LINES)
    return row is not None and row[0] < before


async def expire_log(tx: Tx, before: int, limit: int) -> int:
    """Drop up to `limit` pieces of the log from before this time, the oldest first. Returns how many went."""
    gone = await tx.all(EXPIRE_LOG, before, limit)
    sizes: Counter[int] = Counter()
    for last, size in gone:
        sizes[last - last % clock.HOUR] += size + ROW_BYTES
    for hour, size in sorted(sizes.items()):
        await tx.run(LESS_BYTES, size, hour)
    await tx.run(FORGET_SIZES, before, clock.HOUR)
    return len(gone)


async def log_size(queries: Queries, since: int) -> int:
    """Bytes of the lines since then, without the space that deleted ones left."""
    return await scalar(queries, LOG_SIZE, since - clock.HOUR)


async def erase(tx: Tx, user_id: str, limit: int) -> bool:
    """Erase up to `limit` rows of each kind about a user. False when none is left."""
    gone = [await tx.run(statement, user_id, limit) for statement in ERASE]
    return max(gone) == limit


async def erased(tx: Tx, user_id: str, limit: int) -> None:
    """A user was erased. What is not erased here at once, or is written down by a worker later, `erased_before` leads
    to."""
    await erase(tx, user_id, limit)
    await tx.run(NOTE_ERASED, user_id, clock.now())


async def erased_before(queries: Queries, before: int) -> str | None:
    """A user that was erased before this time and of whom something may be left."""
    return await first(queries, ERASED, before)


async def forget_erased(tx: Tx, user_id: str, limit: int) -> bool:
    """Erase what is left of such a user. True when there is more to do."""
    if await erase(tx, user_id, limit):
        return True
    await tx.run(FORGET_ERASED, user_id)
    return False


class Folded(NamedTuple):
    """A table whose old hours are folded."""

    name: str
    kept: int
    """Microseconds for which its hours are told apart."""
    count: str
    """The statement that adds to its rows."""
    next: str
    take: str

    @property
    def mark(self) -> str:
        """The name of the mark that says up to which hour it is folded."""
        return f"{self.name}.folded"


def _folded(name: str, days: int, count: str) -> Folded:
    columns = count[count.index("(") + 1 : count.index(")")]
    key = ", ".join(
        [column for column in columns.split(", ") if column in ("hour", "user_id", "key_id", "name", "route")]
    )
    return Folded(
        name,
        days,
        count,
        f"SELECT hour FROM {name} WHERE hour > ? AND hour < ? ORDER BY hour LIMIT 1",
        f"DELETE FROM {name} WHERE ({key}) IN (SELECT {key} FROM {name} WHERE hour = ? LIMIT ?) RETURNING {columns}",
    )


# What pages plot by the hour is kept so for longer than they look back.
TABLES = (
    _folded("usage", 8 * clock.DAY, COUNT),
    _folded("usage_limits", 8 * clock.DAY, COUNT_LIMITS),
    _folded("usage_routes", 2 * clock.DAY, COUNT_ROUTES),
)


async def next_hour(queries: Queries, table: Folded, now: int) -> int | None:
    """The oldest hour that is to be folded, if any."""
    return await first(queries, table.next, await marks.get(queries, table.mark), now - table.kept)


async def fold(tx: Tx, table: Folded, now: int, limit: int) -> bool:
    """Fold up to `limit` rows of the oldest hour. False when there are none to fold."""
    await marks.lock(tx, table.mark)
    hour = await next_hour(tx, table, now)
    if hour is None:
        return False
    day = hour - hour % clock.DAY
    gone = [] if hour == day else await tx.all(table.take, hour, limit)
    values = [value for row in sorted(map(tuple, gone)) for value in (day, *row[1:])]
    for statement, some in in_rows(table.count, values):
        await tx.run(statement, *some)
    if len(gone) < limit:
        await marks.advance(tx, table.mark, hour)
    return True
