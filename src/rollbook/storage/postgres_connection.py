"""Connections to PostgreSQL: how they are made and used, what their errors mean, and the pools in which a worker holds
them.

Nothing here needs a session: each statement stands alone or inside one transaction, so PgBouncer may hand the session
to others in between (transaction mode).
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from rollbook.config import public_query
from rollbook.errors import DatabaseTimeout, OutcomeUnknown, StorageUnavailable
from rollbook.storage import postgres_tls
from rollbook.storage.database import DatabaseUnusable, Duplicate, Row
from rollbook.storage.postgres_text import batched, numbered
from rollbook.storage.postgres_tls import Protection

MAX_PREPARED = 400
"""Statements a connection keeps prepared; PgBouncer keeps them too (`max_prepared_statements`, 200 or more)."""
PAUSE = 0.5
"""Seconds after a failed connection in which callers are told so without another try."""
MAX_GRACE = 1.0
"""Seconds in which a server has to answer after it was told to stop a statement; half of the usual time where that is
shorter."""

FAILING = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.OperatorInterventionError,  # it is shutting down, starting up, or a statement took too long
    asyncpg.InsufficientResourcesError,  # full disk, no memory, too many connections
    asyncpg.ReadOnlySQLTransactionError,  # what was the primary is a standby now
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # None of several hosts is the primary at the moment, or the server announced its shutdown on an idle connection.
    asyncpg.exceptions.InternalClientError,
)
_STALE = (
    asyncpg.InvalidCachedStatementError,
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.exceptions.OutdatedSchemaCacheError,
    asyncpg.exceptions.ProtocolError,  # "the number of columns in the result row is different from what was described"
)
"""Errors after which a prepared statement is of no use: a migration changed its columns or types, or a pooler has
forgotten it."""
AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.StatementCompletionUnknownError, *_STALE)
"""40001, 40P01, 40003, and outdated prepared statements: retrying the transaction may succeed."""
BROKEN = (
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.ConnectionFailureError,
    asyncpg.InterfaceError,
    asyncpg.exceptions.InternalClientError,
    ConnectionResetError,
    BrokenPipeError,
)
"""The connection was cut: where nothing was done on it, another one may be tried."""
OUT_OF_TIME = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)
"""57014, 55P03: the statement took too long, or waited too long for a lock."""
_WAITING = "SELECT pid FROM pg_stat_activity WHERE pid = ANY($1::int[]) AND wait_event = 'SyncRep'"
# The statement, not the connection, is at fault: it can be used on.
_USABLE = (*OUT_OF_TIME, asyncpg.DiskFullError)


_HOST = re.compile(r"(\[[0-9a-fA-F:.%]*\]|[^:\[\]]*)(:[0-9]*)?").fullmatch


class Address(NamedTuple):
    """A `postgresql://` address, checked."""

    url: str

    @property
    def public(self) -> str:
        """Without its password."""
        parts = urlsplit(self.url)
        place = parts.netloc.rpartition("@")
        user = place[0].partition(":")[0]
        netloc = f"{user}@{place[2]}" if user else place[2]
        return urlunsplit((parts.scheme, netloc, parts.path, public_query(parts.query), ""))

    @property
    def protection(self) -> Protection:
        return postgres_tls.protection(self.url)

    @property
    def each(self) -> list[str]:
        """The addresses of its hosts one by one, where it names several."""
        parts = urlsplit(self.url)
        user, at, hosts = parts.netloc.rpartition("@")
        if "prefer-standby" in parts.query:  # only who knows all of them can choose
            return [self.url]
        return [urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in hosts.split(",")]


def address(url: str) -> Address:
    """Raises DatabaseUnusable with a sentence that does not repeat the address, which may hold a password."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise DatabaseUnusable(
            "`database` is not the URL of a PostgreSQL database. Use postgresql://user@host:5432/name."
        )
    if not _is_readable(url):
        raise DatabaseUnusable(
            "The URL of PostgreSQL cannot be read. Use postgresql://user@host:5432/name. In a password, write "
            "%2F for /, %3F for ?, %23 for #, "
            "%40 for @ and %25 for %."
        )
    if file := postgres_tls.missing_root(url):
        raise DatabaseUnusable(
            f"sslrootcert: {file} does not exist or cannot be read. Name a file with the certificate (PEM) of the "
            "authority that vouches for PostgreSQL, or use sslrootcert=system."
        )
    return Address(url)


def reason(problem: BaseException) -> str:
    """The reason for which there is no connection: `Connection refused`, where asyncio would repeat the address and its
    parts."""
    if of_tls := postgres_tls.reason(problem):
        return of_tls
    if isinstance(problem, asyncpg.exceptions.TargetServerAttributeNotMatched):
        return "no host has the role that target_session_attrs requires"
    if isinstance(problem, OSError) and problem.errno:
        # A negative number is of the name service, which has words of its own.
        return os.strerror(problem.errno) if problem.errno > 0 else str(problem.strerror)
    return str(problem) or type(problem).__name__


def _weight(problem: BaseException) -> tuple[bool, bool]:
    """Order of problems with several hosts: what only an operator can fix weighs more than that one is away, or is not
    the primary."""
    return bool(postgres_tls.reason(problem)), isinstance(problem, asyncpg.PostgresError)


def _is_readable(url: str) -> bool:
    """Test whether its parts are what they seem: a password with a bare slash in it would end up in the part that is
    shown."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    hosts = parts.netloc.rpartition("@")[2].split(",")
    astray = parts.path + parts.fragment + ("" if "@" in parts.netloc else parts.query)
    return "@" not in astray and not parts.fragment and all(map(_HOST, hosts))


def translate_error(problem: BaseException) -> BaseException:
    """The program's own error for this one, caused by it: Duplicate, DatabaseTimeout, StorageUnavailable; or the error
    itself. A new one for each who gets it: a raised exception gathers its traceback."""
    meant: Exception
    if isinstance(problem, asyncpg.UniqueViolationError):
        meant = Duplicate(getattr(problem, "constraint_name", None) or "")
    elif isinstance(problem, OUT_OF_TIME):
        meant = DatabaseTimeout()
    elif isinstance(problem, FAILING):
        meant = StorageUnavailable("The database cannot be reached at the moment. Nothing was changed.")
    else:
        return problem
    meant.__cause__ = problem
    return meant


async def copy_rows(connection: asyncpg.Connection, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Add rows to a table by COPY, which costs half as much as an INSERT for each. Raises what asyncpg raises."""
    # A COPY that waits until it may send more does not notice that the connection is gone (asyncpg 0.32), also when
    # asyncpg ends it because PostgreSQL is silent.
    lost = asyncio.get_running_loop().create_future()

    def note(_: object) -> None:
        if not lost.done():
            lost.set_result(None)

    connection.add_termination_listener(note)
    copying = asyncio.ensure_future(connection.copy_records_to_table(table, records=rows, columns=columns))
    try:
        await asyncio.wait((copying, lost), return_when=asyncio.FIRST_COMPLETED)
        if not copying.done():
            raise ConnectionError("the connection to PostgreSQL was lost")
        await copying
    finally:
        connection.remove_termination_listener(note)
        copying.cancel()
        await asyncio.gather(copying, return_exceptions=True)


class Connection:
    """One connection with its prepared statements. Used by one task at a time."""

    def __init__(self, connection: asyncpg.Connection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._grace = min(MAX_GRACE, timeout / 2)
        self._warned = False
        connection.add_log_listener(self._note)
        self.process = connection.get_server_pid()
        self.left = False
        """True if this hung up while PostgreSQL committed: its process is still there, and waits."""
        self._prepared: OrderedDict[str, PreparedStatement] = OrderedDict()
        self._batched: dict[str, str] = {}
        self._names = 0

    @classmethod
    async def open(cls, to: Address, timeout: float) -> Connection:  # noqa: ASYNC109 - of each of its statements, too
        """Connect to the first of its hosts that will have us. Each has its share of the time: one that is silent, as a
        machine without power is, must not use up all of it. Raises what asyncpg raises."""
        problems: list[BaseException] = []
        for url in (hosts := to.each):
            try:
                return await cls._to(url, timeout / len(hosts), timeout)
            except FAILING as problem:
                problems.append(problem)
        raise sorted(problems, key=_weight)[-1]

    @classmethod
    async def _to(cls, url: str, within: float, timeout: float) -> Connection:  # noqa: ASYNC109 - as above
        return cls(
            await asyncpg.connect(
                url,
                ssl=postgres_tls.protection(url).driver,
                timeout=within,
                command_timeout=timeout,
                statement_cache_size=0,
                server_settings={"application_name": "rollbook"},
            ),
            timeout,
        )

    @property
    def is_open(self) -> bool:
        return not self._connection.is_closed()

    async def execute(self, sql: str, within: float | None = None) -> None:
        """Statements without values, several with semicolons between, in one round trip. `within`: seconds, instead of
        the usual time."""
        await self._connection.execute(sql, timeout=within)

    async def fetch(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """Rows of a statement with numbered parameters."""
        return await self._with(sql, PreparedStatement.fetch, *values)

    async def fetch_batched(self, sql: str, columns: Sequence[Any]) -> list[Row]:
        """Rows of a look-up (with `?`) for many callers, see `postgres_text.batched`; from a list of values for each
        parameter."""
        text = self._batched.get(sql)
        if text is None:
            single = numbered(sql)
            statement = self._prepared.get(single) or await self._prepare(single)
            text = self._batched[sql] = batched(sql, [type.name for type in statement.get_parameters()])
        return await self.fetch(text, columns)

    async def run(self, sql: str, values: Sequence[Any]) -> tuple[list[Row], int]:
        """The rows, and how many were changed."""
        rows = await self._with(sql, PreparedStatement.fetch, *values)
        count = (self._prepared[sql].get_statusmsg() or "").rpartition(" ")[2]
        return rows, int(count) if count.isdigit() else 0

    async def run_many(self, sql: str, rows: Iterable[Row]) -> None:
        """Execute the statement for each row, without waiting for the answers in between."""
        await self._with(sql, PreparedStatement.executemany, rows)

    async def fetch_each(self, sql: str, rows: Iterable[Row]) -> list[Row]:
        """Execute the statement for each row, without waiting in between; all rows that it returns."""
        return await self._with(sql, PreparedStatement.fetchmany, rows)

    async def copy(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        await copy_rows(self._connection, table, columns, rows)

    async def commit(self) -> None:
        """Raises OutcomeUnknown unless PostgreSQL says that the transaction is committed, and does not warn that a
        standby may not have it.

        Told to stop (by the driver when its time is over, for one), PostgreSQL no longer waits for its standby, and
        everybody sees what that may never get. So this hangs up instead: PostgreSQL goes on waiting, and shows the
        change only once the standby has it.
        """
        self._warned = False
        hang_up = asyncio.get_running_loop().call_later(self._timeout, self._leave)
        try:
            done = await self._connection.execute("COMMIT", timeout=2 * self._timeout)
        except (*FAILING, asyncpg.StatementCompletionUnknownError) as problem:
            self.terminate()
            raise OutcomeUnknown from problem
        finally:
            hang_up.cancel()
        if done != "COMMIT" or self._warned:
            raise OutcomeUnknown

    def _leave(self) -> None:
        self.left = True
        self.terminate()

    async def _with(self, sql: str, method: Callable[..., Awaitable[Any]], *values: Any) -> Any:
        """A method of the prepared statement with these values. QueryCanceledError when it takes too long and
        PostgreSQL has stopped it."""
        try:
            return await method(self._prepared.get(sql) or await self._prepare(sql), *values)
        except _STALE:
            self._prepared.clear()
            self._batched.clear()
            raise
        except TimeoutError as problem:
            if await self._answers():
                raise asyncpg.QueryCanceledError("the statement took too long") from problem
            raise

    async def _answers(self) -> bool:
        """Test whether the server has stopped what took too long, as the driver told it to. Otherwise it is silent:
        frozen, or out of reach."""
        try:
            async with asyncio.timeout(self._grace):
                await self._connection.execute("SELECT 1")
        except asyncpg.InFailedSQLTransactionError:  # an answer, too
            return True
        except (*FAILING, asyncpg.PostgresError):
            return False
        return True

    async def _prepare(self, sql: str) -> PreparedStatement:
        if len(self._prepared) >= MAX_PREPARED:
            self._prepared.popitem(last=False)  # closed once it is no longer used
            self._batched.clear()
        # With a name: otherwise asyncpg makes PostgreSQL parse the text at every call, which more than doubles a
        # lookup.
        self._names += 1
        statement = self._prepared[sql] = await self._connection.prepare(sql, name=f"rollbook_{self._names}")
        return statement

    def _note(self, _: object, message: object) -> None:
        if isinstance(message, asyncpg.PostgresWarning):
            self._warned = True

    async def roll_back(self, after: BaseException) -> None:
        """End the transaction in which this went wrong. A connection that does not answer is not asked again: it would
        take as long once more."""
        if isinstance(after, (*FAILING, asyncio.CancelledError)) and not isinstance(after, _USABLE):
            self.terminate()
        elif self.is_open:
            try:
                await self.execute("ROLLBACK")
            except (*FAILING, asyncpg.PostgresError):  # what went wrong before is what the caller must hear
                self.terminate()

    def terminate(self) -> None:
        self._connection.terminate()

    async def close(self) -> None:
        try:
            await self._connection.close(timeout=2)
        except (*FAILING, asyncpg.PostgresError):
            self._connection.terminate()


class Pool:
    """Up to so many connections for one purpose, opened when they are first needed and again after they broke.

    A process of PostgreSQL that was left while it waited for a standby holds its connection until that comes back. With
    as many of them as the pool may have connections, no more are opened: there would be none for anybody else in the
    end.
    """

    def __init__(self, to: Address, size: int, timeout: float) -> None:
        self.size = size
        self.address = to
        self._timeout = timeout
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(size)
        self._failed = (-PAUSE, "")
        self._left: set[int] = set()
        self._closed = False

    def taken(self) -> PooledConnection:
        """A connection for as long as the block lasts; one that broke inside is not used again. Raises what asyncpg
        raises."""
        return PooledConnection(self)

    async def take(self) -> Connection:
        await self._free.acquire()
        try:
            connection = self._idle.pop() if self._idle else None
            if connection is None or not connection.is_open:
                connection = await self._open()
        except BaseException:
            self._free.release()
            raise
        return connection

    def give_back(self, connection: Connection, problem: BaseException | None) -> None:
        """After this problem, if any."""
        if (
            problem is not None
            and not isinstance(problem, _USABLE)
            and isinstance(problem, (*FAILING, asyncio.CancelledError))
        ):
            connection.terminate()
        else:
            self._give_back(connection)
        self._free.release()

    async def _open(self) -> Connection:
        failed_at, why = self._failed
        if time.monotonic() - failed_at < PAUSE:
            raise ConnectionError(why)
        try:
            connection = await Connection.open(self.address, self._timeout)
            if len(self._left) >= self.size:
                await self._ask_for_those_left(connection)
            return connection
        except (*FAILING, asyncpg.PostgresError) as problem:
            self._failed = time.monotonic(), reason(problem)
            raise

    async def _ask_for_those_left(self, connection: Connection) -> None:
        """Raises ConnectionError when too many still wait. After a failover none does: it is another server that is
        asked."""
        left = list(self._left)
        try:
            waiting = {row[0] for row in await connection.fetch(_WAITING, (left,))}
        except BaseException:
            connection.terminate()
            raise
        self._left.difference_update(set(left) - waiting)
        if len(self._left) >= self.size:
            connection.terminate()
            raise ConnectionError("as many commits as there may be wait for a standby")

    def _give_back(self, connection: Connection) -> None:
        if connection.left:
            self._left.add(connection.process)
        if self._closed or not connection.is_open:
            connection.terminate()
        else:
            self._idle.append(connection)

    async def close(self) -> None:
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()


class PooledConnection:
    """A block with a connection of a pool."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool.take()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.give_back(self._connection, problem)
