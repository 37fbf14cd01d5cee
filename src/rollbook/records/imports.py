"""Imports: files of users that are read in the background, how far each has come, and the records it refused.

A batch of users is written in one transaction with the progress that it makes (`advance`), so that an import goes on
from where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from rollbook import clock, ids
from rollbook.records import import_rows
from rollbook.records.presenting import Hidden, OrNull, Time, presenter
from rollbook.storage.database import Queries, Statement, Tx, existing, first

MAX_REFUSALS = 100_000
"""Refused records that are kept of an import. The others are only counted."""
MAX_KEPT = 1_000
"""Imports that are kept."""
MAX_KEPT_REFUSALS = 1_000_000
"""Refused records that are kept of all imports."""


class Refusal(NamedTuple):
    """A record that was refused, or whose user was imported without their password. The reason is a sentence without
    passwords or hashes."""

    line: int
    field: str | None
    code: str
    reason: str
    user_id: str | None = None
    """User who was imported without their password."""


class Counts(NamedTuple):
    """Counts of the records read so far, by outcome."""

    records: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    refused: int = 0
    without_password: int = 0
    weak_hashes: int = 0

    @property
    def reported(self) -> int:
        return self.refused + self.without_password

    def plus(self, more: Counts) -> Counts:
        return Counts(*[mine + others for mine, others in zip(self, more, strict=True)])


class Reason(NamedTuple):
    """The reason for which an import has failed. `error` quotes nothing of the file."""

    error: str | None
    code: str | None
    """The code of an ApiError, or FILE_LOST."""


NO_REASON = Reason(None, None)
FILE_LOST = "file_lost"


class Import(NamedTuple):
    id: str
    user_id: OrNull  # empty: the command line
    key_id: str | None
    address: Hidden[str | None]
    options: Hidden[str]  # a JSON object
    status: str = "waiting"
    error: str | None = None
    """A sentence without anything that the file holds."""
    runner: Hidden[str | None] = None  # the process that imports it; before, the dry run whose file it is to import
    seen_at: Hidden[int] = 0
    bytes: int = 0
    bytes_read: int = 0
    records: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    refused: int = 0
    without_password: int = 0
    weak_hashes: int = 0
    created_at: Time = 0
    started_at: Time | None = None
    finished_at: Time | None = None
    error_code: str | None = None
    unknown_hashes: str = "refuse"  # an option, beside the others
    session_id: Hidden[str | None] = None  # that it was created in, if that goes back to others

    @property
    def counts(self) -> Counts:
        return Counts._make(getattr(self, name) for name in Counts._fields)

    @property
    def records_expected(self) -> int | None:
        """The number of records in the file: estimated, by the share of the file that those done take up, until all are
        done. None: not known yet."""
        if self.status == "finished":
            return self.records
        return self.records * self.bytes // self.bytes_read if self.bytes_read and self.records else None


_shown = presenter(Import)


COLUMNS = ", ".join(Import._fields)
ADD = f"INSERT INTO imports ({COLUMNS}) VALUES ({', '.join('?' * len(Import._fields))})"
BY_ID = Statement(f"SELECT {COLUMNS} FROM imports WHERE id = ?", locks=True)
LATEST = f"SELECT {COLUMNS} FROM imports WHERE id < ? ORDER BY id DESC LIMIT ?"
UNFINISHED = f"SELECT {COLUMNS} FROM imports WHERE finished_at IS NULL ORDER BY id"
WAITING = (
    "SELECT count(*), coalesce(sum(CASE WHEN user_id = ? THEN 1 ELSE 0 END), 0) FROM imports WHERE finished_at IS NULL"
)
SEEN = "UPDATE imports SET seen_at = ? WHERE id = ?"
CLAIM = f"""
    UPDATE imports SET status = 'running', runner = ?, started_at = coalesce(started_at, ?) WHERE id = ?
      AND finished_at IS NULL
    RETURNING {COLUMNS}"""
RESTART = """
    UPDATE imports SET bytes_read = 0, records = 0, added = 0, updated = 0, unchanged = 0, skipped = 0, refused = 0,
        without_password = 0, weak_hashes = 0
    WHERE id = ? AND runner = ?"""
ADVANCE = """
    UPDATE imports SET bytes_read = ?, records = ?, added = ?, updated = ?, unchanged = ?, skipped = ?, refused = ?,
        without_password = ?, weak_hashes = ?
    WHERE id = ? AND runner = ? AND finished_at IS NULL"""
FINISH = f"""
    UPDATE imports SET status = ?, error = ?, error_code = ?, finished_at = ? WHERE id = ? AND finished_at IS NULL
    RETURNING {COLUMNS}"""
SET_OPTIONS = f"UPDATE imports SET options = ? WHERE id = ? RETURNING {COLUMNS}"
REFUSE = (
    "INSERT INTO import_refusals (import_id, number, line, field, code, reason, user_id) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
REFUSALS = (
    "SELECT number, line, field, code, reason, user_id FROM import_refusals WHERE import_id = ? AND number "
    "> ? ORDER BY number LIMIT ?"
)
FORGET_REFUSALS = """
    DELETE FROM import_refusals WHERE import_id = ? AND number <= (
        SELECT max(number) FROM (
            SELECT number FROM import_refusals WHERE import_id = ? ORDER BY number LIMIT ?) AS first)"""
EXPIRED = f"""
    SELECT id FROM (
        SELECT id, finished_at, count(*) OVER newer AS kept,
            sum(CASE WHEN refused + without_password > {MAX_REFUSALS} THEN {MAX_REFUSALS}
                ELSE refused + without_password END)
                OVER newer AS refusals
        FROM imports WINDOW newer AS (ORDER BY id DESC)) AS all_of_them
    WHERE finished_at IS NOT NULL AND (id < ? OR kept > {MAX_KEPT} OR refusals > {MAX_KEPT_REFUSALS})
      ORDER BY id LIMIT 1"""
REMOVE = "DELETE FROM imports WHERE id = ?"


class Superseded(Exception):
    """The import was canceled, or another process has taken it over: what this one did is undone."""


def new_id() -> str:
    return ids.new("imp")


async def add(tx: Tx, new: Import) -> None:
    await tx.run(ADD, *new)


async def get(queries: Queries, id: str) -> Import:
    """Raises NotFound."""
    return Import._make(await existing(queries, BY_ID, id))


async def latest(queries: Queries, limit: int, before: str | None = None) -> list[Import]:
    """Newest first; the page after the one with the ID `before`."""
    return [Import._make(row) for row in await queries.all(LATEST, before or "imp~", limit)]


async def unfinished(queries: Queries) -> list[Import]:
    """Imports that wait or run, oldest first."""
    return [Import._make(row) for row in await queries.all(UNFINISHED)]


async def waiting(queries: Queries, user_id: str) -> tuple[int, int]:
    """Count the imports that wait or run, and those of them that are this user's."""
    row = await queries.one(WAITING, user_id)
    assert row is not None  # count(*) always has a row
    return int(row[0]), int(row[1])


async def seen(tx: Tx, id: str) -> None:
    """A server has its file."""
    await tx.run(SEEN, clock.now(), id)


async def claim(tx: Tx, id: str, runner: str) -> Import | None:
    """Let this process alone write its progress. None: it is finished."""
    row = await tx.one(CLAIM, runner, clock.now(), id)
    return Import._make(row) if row else None


async def restart(tx: Tx, id: str, runner: str) -> None:
    """Count from the beginning. For dry runs, which leave nothing behind that they could go on from."""
    await tx.run(RESTART, id, runner)
    while await tx.run(FORGET_REFUSALS, id, id, MAX_REFUSALS):
        pass
    await import_rows.erase_all(tx, id)


async def advance(tx: Tx, id: str, runner: str, bytes_read: int, counts: Counts, refusals: Sequence[Refusal]) -> None:
    """The import has come this far, with `refusals` since then. Raises Superseded."""
    if not await tx.run(ADVANCE, bytes_read, *counts, id, runner):
        raise Superseded
    first = counts.reported - len(refusals)
    await tx.many(
        REFUSE, [(id, first + at, *refusal) for at, refusal in enumerate(refusals) if first + at < MAX_REFUSALS]
    )


async def finish(tx: Tx, id: str, status: str, why: Reason = NO_REASON) -> Import | None:
    """Finish an import. None: it was finished before. Its mapping, which names columns of the file, is forgotten."""
    row = await tx.one(FINISH, status, *why, clock.now(), id)
    found = Import._make(row) if row else None
    if found is not None and (given := options(found)).get("mapping") is not None:
        row = await tx.one(SET_OPTIONS, options_text({**given, "mapping": None}), id)
        assert row is not None  # it was there a statement ago
        found = Import._make(row)
    return found


async def set_options(tx: Tx, id: str, options: str) -> None:
    await tx.run(SET_OPTIONS, options, id)


async def refusals(queries: Queries, id: str, after: int, limit: int) -> list[tuple[int, Refusal]]:
    """Some of the records of the report in the order of the file, each with its number, from 0 on."""
    return [(row[0], Refusal(*row[1:])) for row in await queries.all(REFUSALS, id, after, limit)]


async def expired(queries: Queries, before: int) -> str | None:
    """The oldest that is finished and was created before this time, or is beyond what is kept."""
    return await first(queries, EXPIRED, ids.first("imp", before))


async def remove(tx: Tx, id: str, limit: int) -> bool:
    """Up to `limit` of its refused records, and the import once it has none. Returns whether there is more."""
    if await tx.run(FORGET_REFUSALS, id, id, limit) == limit:
        return True
    await import_rows.erase_all(tx, id)
    await tx.run(REMOVE, id)
    return False


def options_text(options: dict[str, Any]) -> str:
    return msgspec.json.encode(options, enc_hook=str).decode()


def options(found: Import) -> dict[str, Any]:
    """Options by which an import is read, by name."""
    return options_of_text(found.options)


def options_of_text(text: str | bytes) -> dict[str, Any]:
    return msgspec.json.decode(text)


def public(found: Import) -> dict[str, Any]:
    """All that may be seen of an import: its options, its state and its counts."""
    return _shown(found) | options(found) | {"records_expected": found.records_expected}


def in_events(found: Import) -> dict[str, Any]:
    """Object of an import in events: neither the text of an error nor names of columns, only the code."""
    return public(found) | {"error": None, "mapping": None}
