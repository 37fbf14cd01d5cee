"""The database interface that records use; `sqlite.py` and `postgres.py` implement it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol, TypeVar

from rollbook.errors import ApiError, NotFound, Unavailable

Row = Sequence[Any]
T = TypeVar("T")
Engine = Literal["sqlite", "postgresql"]
Call = tuple[Callable[..., Awaitable[Any]], tuple[Any, ...]]
"""A function of a `Tx`, and its further arguments."""


class Duplicate(Exception):
    """A UNIQUE constraint refused a row; `constraint` is `table.column`."""

    def __init__(self, constraint: str) -> None:
        self.constraint = constraint
        super().__init__(constraint)


class Undone(Exception):
    """Raised in a part of a write (`Tx.attempt`) that is complete, and to be undone."""


class DatabaseUnusable(Exception):
    """The database cannot be used as it is. The message says what is wrong and how to fix it, for whoever starts the
    server."""


LOOK_UP = "a look-up"
"""A SELECT that PostgreSQL is asked for many writes at once, as `postgres_text.batched` makes it."""
EACH = "each by itself"
"""A statement that is sent for each of many writes, without waiting for the answers in between. With RETURNING, there
must be one row for each."""


class Statement(str):
    """A statement, and how PostgreSQL is asked it inside a write. On SQLite, and outside of writes, it is text like any
    other.

    `locks`: it selects rows that the write is going to change, or to rely on; no one else can change them until it ends
    (FOR UPDATE). `together`: how it is asked for many writes at once, about different things (`write_together`,
    `attempt_each`): LOOK_UP, EACH, or a statement with an array for each parameter. Then each row starts with the
    1-based index of its write. Without RETURNING, row counts are not reported.
    """

    locks: bool
    together: str | None

    def __new__(cls, sql: str, *, locks: bool = False, together: str | None = None) -> Statement:
        self = super().__new__(cls, sql)
        self.locks = locks
        self.together = together
        return self


class Queries(Protocol):
    """Statements with `?` for each value. On SQLite none of these suspends, so that a function of them can be driven to
    its end at once."""

    @property
    def engine(self) -> Engine: ...

    dialect: Any
    """Dialect given when the database was opened: how the records work on this engine. Storage only hands it on."""

    async def one(self, sql: str, *values: Any) -> Row | None:
        """The first row, or None."""
        ...

    async def all(self, sql: str, *values: Any) -> list[Row]:
        """All rows."""
        ...


class Statements(Queries, Protocol):
    """Statements of a write transaction."""

    async def run(self, sql: str, *values: Any) -> int:
        """Execute the statement; the number of rows it changed."""
        ...

    async def many(self, sql: str, rows: Iterable[Row]) -> None:
        """Execute the statement for each row."""
        ...


class Tx(Statements, Protocol):
    """A write transaction. What was done in it is there for all, or for none."""

    def notify(self, channel: str) -> None:
        """Once this transaction is committed, call those who said `listen(channel)` in this process, before the writer
        gets its answer."""
        ...

    async def attempt(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """`await fn(tx, *args)` as a part of this write: an error of the application that it raises undoes this part
        alone, as Undone does, and the write can go on. After others the transaction is lost."""
        ...

    async def attempt_each(self, calls: Sequence[Call]) -> list[Any]:
        """Attempt many calls, about different things: the result of each, or its ApiError. On PostgreSQL they are done
        side by side as far as they can be, see `postgres_together`."""
        ...

    async def insert(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """On PostgreSQL only: add many rows. Raises Duplicate."""
        ...

    async def number(self, counter: str, at: int, how_many: int = 1) -> tuple[int, int]:
        """On PostgreSQL only: unique numbers, with times in the same order. See `postgres_writer`."""
        ...

    async def reserve(self, counter: str, at: int, how_many: int) -> None:
        """On PostgreSQL only: take so many numbers at once, which `number` hands out one by one. Those that are left
        are never used."""
        ...


class Database(Queries, Protocol):
    """`one` and `all` directly on a database are single reads, each in a snapshot of its own."""

    async def read(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """`await fn(queries, *args)` in one snapshot. For bounded, indexed statements: they run where the caller
        stands."""
        ...

    def one_snapshot(self) -> AbstractContextManager[object]:
        """On SQLite: what the event loop reads within it is of one snapshot."""
        return nullcontext()

    async def read_aside(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Read away from the event loop: for reads whose cost has no small bound (counts of a filtered list,
        searches)."""
        ...

    async def read_within(self, seconds: float, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Read what can be done without. Raises DatabaseTimeout when it takes longer than this: on PostgreSQL, when one
        of its statements does."""
        ...

    async def probe(self) -> None:
        """Raises StorageUnavailable when the database is not there, whatever of it is in memory."""
        ...

    async def read_eventually(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Read for callers who would rather have a quick answer than the newest state: from a standby where there is
        one."""
        ...

    async def write(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """`await fn(tx, *args)` in one write transaction; returns once it is durable. An error raised by `fn` undoes
        what `fn` did and reaches the caller; other writers of the same commit are not touched. `fn` may run more than
        once: it changes nothing but `tx`."""
        ...

    async def write_together(self, about: str, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Write like `write`. On PostgreSQL, calls of the same `fn` about different things may share a transaction, see
        `postgres_batches`."""
        ...

    def listen(self, channel: str, callback: Callable[[], None]) -> None: ...

    @property
    def writes_waiting(self) -> int:
        """Writes that the database has not begun, or on PostgreSQL not finished."""
        ...

    def read_now(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """`read` for code without an event loop."""
        ...

    def write_now(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """`write` for code without an event loop. It blocks until the commit."""
        ...

    def run_now(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """A coroutine that uses this database to its end, for code without an event loop: in one that this database
        keeps."""
        ...

    async def about(self) -> dict[str, Any]:
        """Facts for the server page; `engine` says of which kind."""
        ...

    async def stop(self) -> None:
        """Commits the writes that wait, then closes."""
        ...

    def close(self) -> None:
        """Stop, from code without an event loop."""
        ...


async def attempted(attempt: Callable[..., Awaitable[Any]], call: Call) -> Any:
    """The result of a call by `Tx.attempt`, or its error, which has undone it alone. Raises Unavailable."""
    fn, args = call
    try:
        return await attempt(fn, *args)
    except Unavailable:
        raise
    except ApiError as problem:
        return problem


def in_parts(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """`size` items at a time, the last part filled up with its last item: one statement, whatever their number."""
    for start in range(0, len(items), size):
        part = [*items[start : start + size]]
        yield part + part[-1:] * (size - len(part))


async def scalar(queries: Queries, sql: str, *values: Any) -> Any:
    """The first column of a statement that always has a row: it counts, adds up, or has no FROM."""
    row = await queries.one(sql, *values)
    assert row is not None
    return row[0]


async def first(queries: Queries, sql: str, *values: Any) -> Any:
    """The first column of the first row. None: there is none."""
    row = await queries.one(sql, *values)
    return row[0] if row else None


async def existing(queries: Queries, sql: str, *values: Any) -> Row:
    """The first row. Raises NotFound."""
    row = await queries.one(sql, *values)
    if row is None:
        raise NotFound()
    return row
