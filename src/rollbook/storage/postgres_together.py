"""Writes side by side in one transaction of PostgreSQL: statements that many of them wait for are asked at once.

Each write is driven to its next statement. When all of them wait for one, those that wait for the same statement ask it
once, as it says (`Statement.together`). A write that needs any other statement leaves, and is done alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from rollbook.storage.database import EACH, LOOK_UP, Call, Engine, Row, Statement
from rollbook.storage.postgres_connection import Connection
from rollbook.storage.postgres_text import numbered

T = TypeVar("T")


class _Query(NamedTuple):
    sql: str
    is_many: bool = False


class _Ask:
    """Request of a write. Its rows are sent back into the coroutine."""

    __slots__ = ("asked", "values")

    def __init__(self, query: _Query, values: Any) -> None:
        self.asked = query
        self.values = values

    def __await__(self) -> Generator[_Ask, list[Row], list[Row]]:
        return (yield self)


class Alone(Exception):
    """The write, or with it all that share its transaction, cannot share it."""


class _Transaction:
    """The `Tx` of one of the writes."""

    engine: Engine = "postgresql"

    def __init__(self, dialect: Any) -> None:
        self.dialect = dialect
        self.channels: list[str] = []
        self.wrote = False

    async def one(self, sql: str, *values: Any) -> Row | None:
        rows = await _Ask(_Query(sql), values)
        return rows[0] if rows else None

    async def all(self, sql: str, *values: Any) -> list[Row]:
        return await _Ask(_Query(sql), values)

    async def run(self, sql: str, *values: Any) -> int:
        return len(await _Ask(_Query(sql), values))

    async def many(self, sql: str, rows: Iterable[Row]) -> None:
        await _Ask(_Query(sql, is_many=True), rows)

    async def insert(self, table: str, columns: Any, rows: Any) -> None:
        raise Alone

    async def attempt(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        raise Alone

    async def attempt_each(self, calls: Sequence[Call]) -> list[Any]:
        raise Alone

    async def number(self, counter: str, at: int, how_many: int = 1) -> tuple[int, int]:
        raise Alone

    async def reserve(self, counter: str, at: int, how_many: int) -> None:
        raise Alone

    def notify(self, channel: str) -> None:
        self.channels.append(channel)


class Running:
    """A write on its way: what it waits for, or how it ended."""

    def __init__(self, call: Call, dialect: Any) -> None:
        self.tx = _Transaction(dialect)
        self.ask: _Ask | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        fn, args = call
        self._coroutine: Coroutine[Any, Any, Any] = fn(self.tx, *args)  # type: ignore[assignment]
        self.go_on(None)

    def go_on(self, rows: list[Row] | None) -> None:
        try:
            self.ask = self._coroutine.send(rows)
        except StopIteration as end:
            self.ask, self.result = None, end.value
        except Exception as problem:
            self.ask, self.error = None, problem

    def drop(self) -> None:
        self._coroutine.close()


async def drive(connection: Connection, running: Iterable[Running]) -> list[Running]:
    """All to their ends; those that did not leave. Raises Alone when one that wrote something fails, or would have to
    leave."""
    shared = list(running)
    while waiting := [member for member in shared if member.ask is not None]:
        groups: dict[_Query, list[Running]] = {}
        for member in waiting:
            groups.setdefault(member.ask.asked, []).append(member)  # type: ignore[union-attr]
        for query, members in groups.items():
            sql = query.sql
            if not isinstance(sql, Statement) or sql.together is None or (query.is_many and sql.together is not EACH):
                if any(member.tx.wrote for member in members):
                    raise Alone
                for member in members:
                    member.drop()
                    shared.remove(member)
                continue
            values: list[Any] = [member.ask.values for member in members]  # type: ignore[union-attr]
            answers = await _ask(connection, sql, query.is_many, values)
            for member, rows in zip(members, answers, strict=True):
                member.tx.wrote = member.tx.wrote or not (sql.locks or sql.together is LOOK_UP)
                member.go_on(rows)
    if any(isinstance(member.error, Alone) or (member.error is not None and member.tx.wrote) for member in shared):
        raise Alone
    return shared


async def _ask(connection: Connection, sql: Statement, is_many: bool, values: list[Any]) -> list[list[Row]]:
    """The rows for each of these values."""
    answers: list[list[Row]] = [[] for _ in values]
    if is_many:
        await connection.run_many(numbered(sql), [row for rows in values for row in rows])
    elif sql.together is EACH:
        if rows := await connection.fetch_each(numbered(sql), values):
            if len(rows) != len(values):
                raise Alone
            answers = [[row] for row in rows]
    else:
        columns = list(map(list, zip(*values, strict=True)))
        if sql.together is LOOK_UP:
            rows = await connection.fetch_batched(f"{sql} FOR UPDATE" if sql.locks else sql, columns)
        else:
            rows = await connection.fetch(numbered(sql.together or ""), columns)
        for row in rows:
            answers[row[0] - 1].append(row[1:])
    return answers
