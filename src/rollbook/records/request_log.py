"""Reads the request log: of a user or of all, newest first, or oldest first from a moment on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from heapq import nsmallest
from itertools import chain, repeat
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

from rollbook import clock
from rollbook.http.request import made_at
from rollbook.observe.usage_buffer import SPAN, Client, RequestLine, ToldError
from rollbook.records.presenting import Shown, presenter
from rollbook.records.usage import unpack
from rollbook.storage.database import Engine, Queries, Row

MAX_SEARCHED = 1_000_000
"""Entries of the index that a search in one user's log looks at: 0.1 s. Each stands for up to 500 requests, about a
second's."""
MAX_SEARCHED_OF_ALL = 200_000
"""Entries of the index that a search in the log of all users looks at. This index leads to the rows themselves."""
MAX_READ = 1_000
"""Rows that one search reads and unpacks, once it has gone on in time."""
LONGEST = 150 * clock.SECOND
"""A request is in the log by so long after it was given its id: it runs for two minutes at most."""
CLOCK = 5 * clock.SECOND
"""By so much the clock may have been set back meanwhile."""
END = 1 << 62


class Logged(NamedTuple):
    """A request as its user may see it again."""

    request_id: Annotated[str, Shown("{0}", "id")]
    at: Annotated[int, Shown("clock.format_time_exactly({0})", "created_at")]
    """The time when it was answered. No two requests of a user have the same."""
    user_id: str
    key_id: str
    method: str
    path: str  # without the query, at most 200 characters before its encoding
    status: int
    microseconds: Annotated[int, Shown("round({0} / 1000, 3)", "duration_ms")]
    address: str
    headers: Annotated[tuple[tuple[str, str], ...], Shown("dict({0})")]  # those of observe/usage_buffer.LOGGED_HEADERS
    query: tuple[str, ...]  # the names of the query's parameters
    error: Annotated[ToldError | None, Shown("None")]
    """The error it was answered with, if there was room to note it."""
    limited_by: str | None
    left_out: Annotated[int, Shown("{0}", "more")]
    """So many more like it came within the same moment and were only counted."""


public = presenter(Logged)
"""All that may be seen of a request. Its error names the host that was called: who answers puts it in."""


Test = Callable[[RequestLine, int], bool]


class Search(NamedTuple):
    """Search for requests."""

    user_id: str | None = None
    """ID of one user; None for all."""
    key_id: str | None = None
    statuses: tuple[int, int] = (0, 999)
    """The least and the greatest."""
    method: str | None = None
    path: str = ""
    """Beginning of the path."""
    is_whole: bool = False
    """True if that is all of it."""
    after: int = 0
    before: int = END
    hidden: str | None = None
    """A path whose successful requests are left out."""

    def test(self) -> Test:
        """A function that tells whether a line of a request with this status is looked for."""
        wanted = self.path
        # As it is almost always: then the line's path need not be encoded to be compared.
        is_plain = wanted == _quoted(wanted)

        def holds(line: RequestLine, status: int) -> bool:
            path = line.path if is_plain else _quoted(line.path)
            return (
                self.after < line.at < self.before
                and (self.method is None or line.method == self.method)
                and (path == wanted if self.is_whole else path.startswith(wanted))
                and (line.path != self.hidden or status >= 400)
            )

        return holds


class FoundRequests(NamedTuple):
    lines: list[Logged]
    next: int | None
    """The place where the search goes on: `before` of the next page, or `after` if the oldest come first. None if there
    is no more. A page can be short, or empty, with more to come: it looks at a limited part of the log."""


# The inner query walks the index, so far and no farther; the outer one ends the walk when it has enough.
_ENTRIES = """
    SELECT id, first, last FROM (
        SELECT id, first, last, status, key_id FROM request_log WHERE {of}last > ? AND last < ? AND first < ?
        ORDER BY last {way} LIMIT {depth}) AS searched
    WHERE status BETWEEN ? AND ? AND (CAST(? AS TEXT) IS NULL OR key_id = ?) {order}LIMIT ?"""
_DEPTH = (
    "SELECT last FROM request_log WHERE {of}last > ? AND last < ? AND first < ? ORDER BY last {way} LIMIT 1 "
    "OFFSET {depth}"
)
_OF = {False: ("", MAX_SEARCHED_OF_ALL), True: ("user_id = ? AND ", MAX_SEARCHED)}
_WAY = {False: ("DESC", ""), True: ("ASC", "ORDER BY first ")}
ENTRIES = {
    (one, oldest): _ENTRIES.format(of=of, depth=depth, way=way, order=order)
    for one, (of, depth) in _OF.items()
    for oldest, (way, order) in _WAY.items()
}
DEPTH = {
    (one, oldest): _DEPTH.format(of=of, depth=depth, way=way)
    for one, (of, depth) in _OF.items()
    for oldest, (way, _) in _WAY.items()
}
_COLUMNS = "user_id, key_id, status, limited_by, left_out, lines"
READ = (4, 8, 16, 32, 64)
"""Rows that are read at once: most pages need few, and each statement is a way to PostgreSQL and back."""
ROWS = {size: f"SELECT id, {_COLUMNS} FROM request_log WHERE id IN ({', '.join('?' * size)})" for size in READ}
_HOLDING: dict[Engine, str] = {
    "sqlite": "instr(lines, CAST(? AS BLOB))",
    "postgresql": "position(convert_to(?, 'UTF8') IN lines)",
}
HOLDING: dict[tuple[Engine, bool], str] = {
    (
        engine,
        one,
    ): f"SELECT {_COLUMNS} FROM request_log WHERE {of}last BETWEEN ? AND ? AND {place} > 0 ORDER BY last LIMIT 1"
    for engine, place in _HOLDING.items()
    for one, (of, _) in _OF.items()
}

_PATH_SAFE = "/:@!$&'()*+,;=~"
_TIES = 20
"""Requests of several servers that may have been answered in the same microsecond: a page ends behind them."""


async def search(queries: Queries, wanted: Search, limit: int, oldest_first: bool = False) -> FoundRequests:
    """Up to `limit` requests, or a few more that were answered in one microsecond. To be called by `read_aside`."""
    # Rows overlap in time. They come in the order of their edges: no line of a row, or of one that comes later, lies
    # before its edge. Going back in time, edges and places of lines count downwards.
    sign = 1 if oldest_first else -1
    start = wanted.after + 1 if oldest_first else 1 - wanted.before
    found: list[tuple[int, str, Logged]] = []
    stop: int | None = None
    rows, test = 0, wanted.test()
    async for id, edge, row in _read(queries, _entries(queries, wanted, oldest_first, limit + 50)):
        if id is None or (rows >= MAX_READ and edge > start):
            stop = max(edge, start + 1)
        if stop is not None or (len(found) > limit and found[limit][0] < edge):
            break
        if row is not None and (lines := [(sign * line.at, line.request_id, line) for line in _lines(row, test)]):
            found = nsmallest(limit + _TIES, [*found, *lines])
        rows += 1
    if stop is not None:
        found = [each for each in found if each[0] < stop]
    cut = min(limit, len(found))
    while 0 < cut < len(found) and found[cut][0] == found[cut - 1][0]:
        cut += 1
    page = [line for _, _, line in found[:cut]]
    if len(found) > cut:
        return FoundRequests(page, abs(found[cut - 1][0]))
    return FoundRequests(page, None if stop is None else abs(stop - 1))


async def _read(
    queries: Queries, entries: AsyncIterator[tuple[int | None, int]]
) -> AsyncIterator[tuple[int | None, int, Row | None]]:
    """Read the rows of entries, None for one that has expired meanwhile. A few are read ahead, then more."""
    sizes = chain(READ, repeat(READ[-1]))
    size = next(sizes)
    ahead: list[tuple[int | None, int]] = []
    async for entry in entries:
        ahead.append(entry)
        if len(ahead) == size:
            for each in await _with_rows(queries, ahead, size):
                yield each
            ahead, size = [], next(sizes)
    for each in await _with_rows(queries, ahead, size):
        yield each


async def _with_rows(
    queries: Queries, entries: Sequence[tuple[int | None, int]], size: int
) -> list[tuple[int | None, int, Row | None]]:
    ids = [id for id, _ in entries if id is not None]
    if not ids:
        return [(id, edge, None) for id, edge in entries]
    rows = {row[0]: row[1:] for row in await queries.all(ROWS[size], *ids, *[ids[-1]] * (size - len(ids)))}
    return [(id, edge, rows.get(id)) for id, edge in entries]


async def _entries(
    queries: Queries, wanted: Search, oldest_first: bool, count: int
) -> AsyncIterator[tuple[int | None, int]]:
    """The rows that can hold what is wanted, and the edge of each. The last has no row, if the walk along the index
    ended before the log."""
    one = wanted.user_id is not None
    span = (*([wanted.user_id] if one else ()), wanted.after, min(wanted.before, END - SPAN) + SPAN, wanted.before)
    only = (*wanted.statuses, wanted.key_id, wanted.key_id)
    entries: Sequence[Any] = ()
    while True:
        done = len(entries)
        entries = await queries.all(ENTRIES[one, oldest_first], *span, *only, count)
        for id, first, last in entries[done:]:
            yield id, first if oldest_first else -last
        if len(entries) < count:
            break
        count *= 2
    end = await queries.one(DEPTH[one, oldest_first], *span)
    if end is not None:
        yield None, max(end[0] - SPAN, wanted.after + clock.SECOND) if oldest_first else -end[0]


async def request(queries: Queries, user_id: str | None, request_id: str) -> Logged | None:
    """One request, of this user or of anyone. To be called by `read_aside`."""
    made = made_at(request_id)
    if made is None:
        return None
    of = () if user_id is None else (user_id,)
    row = await queries.one(
        HOLDING[queries.engine, user_id is not None], *of, made - CLOCK, made + LONGEST + SPAN, request_id
    )
    if row is None:
        return None
    return next(_lines(row, lambda line, status: line.request_id == request_id), None)


def statuses(text: str) -> tuple[int, int]:
    """The least and the greatest of a status (`404`) or a class of them (`4xx`). Raises ValueError if it is neither."""
    if len(text) == 3 and text[0] in "12345":
        if text[1:] == "xx":
            return int(text[0]) * 100, int(text[0]) * 100 + 99
        if text.isascii() and text.isdigit():
            return int(text), int(text)
    raise ValueError(f"{text!r} is no status: write 404 or 4xx.")


def _lines(row: Sequence[Any], test: Test) -> Iterator[Logged]:
    """The lines of a row that pass the test."""
    user_id, key_id, status, limited_by, left_out, packed = row
    clients, lines = unpack(packed)
    for line in lines:
        if not test(line, status):
            continue
        yield Logged(
            request_id=line.request_id,
            at=line.at,
            user_id=user_id,
            key_id=key_id,
            method=line.method,
            path=_quoted(line.path),
            status=status,
            microseconds=line.microseconds,
            address=clients[line.client].address,
            headers=_headers(clients[line.client], line),
            query=tuple(line.query.split(",")) if line.query else (),
            error=_error(lines, line),
            limited_by=limited_by,
            left_out=left_out if line is lines[-1] else 0,
        )


def _quoted(path: str) -> str:
    """The path as it is in a URL."""
    return quote(path, safe=_PATH_SAFE)


def _error(lines: Sequence[RequestLine], line: RequestLine) -> ToldError | None:
    found = lines[line.error].error if isinstance(line.error, int) else line.error
    return found if isinstance(found, ToldError) else None


def _headers(client: Client, line: RequestLine) -> tuple[tuple[str, str], ...]:
    parts = b"\n".join(filter(None, (client.headers, line.headers))).decode("latin-1").split("\n")
    return tuple(zip(parts[::2], parts[1::2], strict=False))
