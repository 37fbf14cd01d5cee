"""Reads the request log: of a user or of all, newest first, or oldest first from a moment on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import nsmallest
from itertools import chain, repeat
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

from rollbook import clock
from rollbook.http.request import made_at
from rollbook.observe.usage_buffer import SPAN, Client, RequestLine, ToldError
from rollbook.records.presenting import Shown, presenter
from rollbook.records.usage import unpack
from rollbook.storage.database import Engine, Queries

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
        start = self.path
        # As it is almost always: then the line's path need not be encoded to be compared.
        is_plain = start == _quoted(start)

        def holds(line: RequestLine, status: int) -> bool:
            path = line.path if is_plain else _quoted(line.path)
            return (
                self.after < line.at < self.before
                and (self.method is None or line.method == self.method)
                and (path == start if self.is_whole else path.startswith(start))
                and (line.path != self.hidden or status >= 400)
            )

        return holds


class FoundRequests(NamedTuple):
    lines: list[Logged]
    next: int | None
    """The place where the search goes on: `before` of the next page, or `after` if the oldest come first. None if there
    is no more. A page can be short, or empty, with more to come: it looks at a limited part of the log."""


# The innermost query walks the index, so far and no farther; the one around it ends the walk when it has enough.
_ROWS = """
    SELECT id, first, last, {columns} FROM request_log JOIN (
        SELECT id FROM (SELECT id, first, status, key_id FROM request_log {walk} LIMIT {depth}) AS walked
        WHERE status BETWEEN ? AND ? AND (CAST(? AS TEXT) IS NULL OR key_id = ?) {order} LIMIT {{}}
    ) AS chosen USING (id) ORDER BY {edge}"""
_COLUMNS = "user_id, key_id, status, limited_by, left_out, lines"


def _texts(one: bool, oldest_first: bool) -> tuple[str, str]:
    """A statement for so many rows, and one for the end of the walk, of one user's log or of all."""
    of, depth = ("user_id = ? AND ", MAX_SEARCHED) if one else ("", MAX_SEARCHED_OF_ALL)
    way, order, edge = ("ASC", "ORDER BY first", "first") if oldest_first else ("DESC", "", "last DESC")
    walk = f"WHERE {of}last BETWEEN ? AND ? AND first BETWEEN ? AND ? ORDER BY last {way}"
    rows = _ROWS.format(columns=_COLUMNS, walk=walk, depth=depth, order=order, edge=edge)
    return rows, f"SELECT last FROM request_log {walk} LIMIT 1 OFFSET {depth}"


READ = (4, 16, 64, 256)
"""Rows that are read at once: most pages need few, and each statement is a way to PostgreSQL and back."""
_HAS_ID: dict[Engine, str] = {
    "sqlite": "instr(lines, CAST(? AS BLOB))",
    "postgresql": "position(convert_to(?, 'UTF8') IN lines)",
}
_LINE = f"SELECT {_COLUMNS} FROM request_log WHERE {{of}}last BETWEEN ? AND ? AND {{has_id}} > 0 ORDER BY last LIMIT 1"

_PATH_SAFE = "/:@!$&'()*+,;=~"
_TIES = 20
"""Requests of several servers that may have been answered in the same microsecond: a page ends behind them."""


async def search(queries: Queries, query: Search, limit: int, oldest_first: bool = False) -> FoundRequests:
    """Up to `limit` requests, or a few more that were answered in one microsecond. To be called by `read_aside`."""
    # Rows overlap in time. They come in the order of their edges, the beginning or the end of their span: no line of a
    # later row lies before the edge of a row. Going back in time, edges and lines are compared by their negative times.
    sign, start = (1, query.after + 1) if oldest_first else (-1, 1 - query.before)
    rows_of, end_of_walk = _texts(query.user_id is not None, oldest_first)
    of = () if query.user_id is None else (query.user_id,)
    low, high, least = query.after + 1, min(query.before, END - SPAN) + SPAN - 1, 0
    lines: list[tuple[int, str, Logged]] = []
    read: set[int] = set()
    test = query.test()
    for size in chain(READ[2:] if oldest_first else READ, repeat(READ[-1])):
        span = (*of, low, high, least, query.before - 1)
        rows = await queries.all(rows_of.format(size), *span, *query.statuses, query.key_id, query.key_id)
        for id, first, last, *row in rows:
            edge = first if oldest_first else -last
            if edge > start and (len(read) >= MAX_READ or (lines[limit:] and lines[limit][0] < edge)):
                return _page(lines, edge, limit)
            if id not in read and (of_row := [(sign * line.at, line.request_id, line) for line in _lines(row, test)]):
                lines = nsmallest(limit + _TIES, [*lines, *of_row])
            read.add(id)
        if len(rows) < size:
            break
        low, high, least = (max(low, first), high, first) if oldest_first else (low, last, least)
    end = await queries.one(end_of_walk, *span)
    if end is None:
        return _page(lines, None, limit)
    return _page(lines, max(end[0] - SPAN, start + clock.SECOND) if oldest_first else max(-end[0], start + 1), limit)


def _page(lines: list[tuple[int, str, Logged]], edge: int | None, limit: int) -> FoundRequests:
    """The first lines, of those before the edge: behind it there may be others. None: these are all."""
    lines = lines if edge is None else [line for line in lines if line[0] < edge]
    cut = min(limit, len(lines))
    while 0 < cut < len(lines) and lines[cut][0] == lines[cut - 1][0]:
        cut += 1
    end = lines[cut - 1][0] if cut < len(lines) else None if edge is None else edge - 1
    return FoundRequests([line for _, _, line in lines[:cut]], None if end is None else abs(end))


async def request(queries: Queries, user_id: str | None, request_id: str) -> Logged | None:
    """One request, of this user or of anyone. To be called by `read_aside`."""
    moment = made_at(request_id)
    if moment is None:
        return None
    of, whose = ("", ()) if user_id is None else ("user_id = ? AND ", (user_id,))
    text = _LINE.format(of=of, has_id=_HAS_ID[queries.engine])
    row = await queries.one(text, *whose, moment - CLOCK, moment + LONGEST + SPAN, request_id)
    return None if row is None else next(_lines(row, lambda line, status: line.request_id == request_id), None)


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
    error = lines[line.error].error if isinstance(line.error, int) else line.error
    return error if isinstance(error, ToldError) else None


def _headers(client: Client, line: RequestLine) -> tuple[tuple[str, str], ...]:
    parts = b"\n".join(filter(None, (client.headers, line.headers))).decode("latin-1").split("\n")
    return tuple(zip(parts[::2], parts[1::2], strict=False))
