"""Background jobs: who asked for one, whether it waits, runs or has ended, and how long it is kept. Each kind of job
has a table, with columns of its own beside these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from rollbook import clock, ids
from rollbook.storage.database import Queries, Statement, Tx, existing, first

MAX_KEPT = 1_000
"""Jobs of a kind that are kept."""
COLLECTING = "collecting"
"""Status of a job that is not stored as a whole yet. No one sees it."""


J = TypeVar("J", bound=Any)
"""The record of a kind: a NamedTuple with id, user_id, options (a JSON object), status, started_at and finished_at."""


class Reason(NamedTuple):
    """The reason for which a job has failed: a sentence that quotes nothing of a file, and a code for programs."""

    error: str | None
    code: str | None


NO_REASON = Reason(None, None)

_encode = msgspec.json.Encoder(enc_hook=str).encode


def job_options(job: Any) -> dict[str, Any]:
    """Arguments of a job by name."""
    return options_of_text(job.options)


def options_of_text(text: str | bytes) -> dict[str, Any]:
    return msgspec.json.decode(text)


def options_text(values: dict[str, Any]) -> str:
    return _encode(values).decode()


class JobTable(Generic[J]):
    """The jobs of a kind: their record, their table and the prefix of their IDs. `too_much`, in SQL, is true of jobs
    before which so much is kept that they go, in the window `newer`."""

    def __init__(self, record: type[J], table: str, prefix: str, too_much: str) -> None:
        self.prefix = prefix
        self.columns = ", ".join(record._fields)
        self._make = record._make
        select = f"SELECT {self.columns} FROM {table} WHERE"
        self.statements = {
            "add": f"INSERT INTO {table} ({self.columns}) VALUES ({', '.join('?' * len(record._fields))})",
            "get": Statement(f"{select} id = ? AND status <> '{COLLECTING}'", locks=True),
            "latest": f"{select} id < ? AND status <> '{COLLECTING}' ORDER BY id DESC LIMIT ?",
            "unfinished": f"{select} finished_at IS NULL ORDER BY id",
            "finish": f"""
                UPDATE {table} SET status = ?, error = ?, error_code = ?, finished_at = ?
                WHERE id = ? AND finished_at IS NULL
                RETURNING {self.columns}""",
            "expired": f"""
                SELECT id FROM (
                    SELECT id, status, finished_at, count(*) OVER newer AS kept, {too_much} AS is_beyond
                    FROM {table} WINDOW newer AS (ORDER BY id DESC)) AS all_of_them
                WHERE finished_at IS NOT NULL AND (finished_at < ? OR kept > {MAX_KEPT} OR is_beyond)
                    OR status = '{COLLECTING}' AND id < ?
                ORDER BY id LIMIT 1""",
            "remove": f"DELETE FROM {table} WHERE id = ?",
        }

    def new_id(self) -> str:
        return ids.new(self.prefix)

    def _made(self, row: Sequence[Any] | None) -> J | None:
        return self._make(row) if row else None

    async def add(self, tx: Tx, new: J) -> None:
        await tx.run(self.statements["add"], *new)

    async def find(self, queries: Queries, id: str) -> J | None:
        return self._made(await queries.one(self.statements["get"], id))

    async def get(self, queries: Queries, id: str) -> J:
        """Raises NotFound."""
        return self._make(await existing(queries, self.statements["get"], id))

    async def latest(self, queries: Queries, limit: int, before: str | None = None) -> list[J]:
        """Newest first; the page after the one with the ID `before`."""
        return [
            self._make(row) for row in await queries.all(self.statements["latest"], before or f"{self.prefix}~", limit)
        ]

    async def unfinished(self, queries: Queries) -> list[J]:
        """Jobs that wait or run, oldest first, also those that no one sees yet."""
        return [self._make(row) for row in await queries.all(self.statements["unfinished"])]

    async def finish(self, tx: Tx, id: str, status: str, why: Reason = NO_REASON) -> J | None:
        """Finish a job. None: it was finished before."""
        return self._made(await tx.one(self.statements["finish"], status, *why, clock.now(), id))

    async def expired(self, queries: Queries, before: int, lost: int) -> str | None:
        """The oldest that ended before this time, or has ended and is beyond what is kept; or that was never stored as
        a whole, though it was created before the time `lost`."""
        return await first(queries, self.statements["expired"], before, ids.first(self.prefix, lost))

    async def remove(self, tx: Tx, id: str) -> None:
        await tx.run(self.statements["remove"], id)
