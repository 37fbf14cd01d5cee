"""Imports: files of users that are read in the background, how far each has come, and the records it refused.

A batch of users is written in one transaction with the progress that it makes (`advance`), so that an import goes on
from where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rollbook import clock
from rollbook.records import import_rows
from rollbook.records.background_jobs import NO_REASON, JobTable, Reason, job_options, options_text
from rollbook.records.presenting import Hidden, OrNull, Time, presenter
from rollbook.storage.database import Queries, Tx

CHANNEL = "imports"
"""Is notified when there is one more to import."""
MAX_REFUSALS = 100_000
"""Refused records that are kept of an import. The others are only counted."""
MAX_KEPT_REFUSALS = 1_000_000
"""Refused records that are kept of all imports."""


class Refusal(NamedTuple):
    """A record that was refused, or whose user was imported without their password; or, with the line 0, a user who is
    absent from the file. The reason is a sentence without passwords or hashes."""

    line: int
    field: str | None
    code: str
    reason: str
    user_id: str | None = None
    """User who was imported without their password, or is absent."""


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


FILE_LOST = "file_lost"
ABSENT = "absent"
"""The code of those in a report who are not in the file."""


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
    absent: str = "ignore"  # an option, as are the next two
    absent_group: str | None = None
    absent_metadata: str | None = None
    absent_users: int | None = None
    absent_job_id: str | None = None

    @property
    def waits(self) -> bool:
        """Test whether it waits until someone approves suspending who is absent."""
        is_due = (self.status, self.absent, self.absent_job_id) == ("finished", "suspend", None)
        return is_due and bool(self.absent_users) and not job_options(self)["dry_run"]

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


REPORTED = "refused + without_password + coalesce(absent_users, 0)"
IMPORTS = JobTable(
    Import,
    "imports",
    "imp",
    f"sum(CASE WHEN {REPORTED} > {MAX_REFUSALS} THEN {MAX_REFUSALS} ELSE {REPORTED} END) OVER newer"
    f" > {MAX_KEPT_REFUSALS}",
)
COLUMNS = IMPORTS.columns
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
SET_ABSENT = "UPDATE imports SET absent_users = ? WHERE id = ?"
SET_ABSENT_JOB = """
    UPDATE imports SET absent_job_id = ? WHERE id = ? AND absent_job_id IS NULL AND status IN ('running', 'finished')"""
FORGET_ABSENT = "DELETE FROM import_refusals WHERE import_id = ? AND number >= ?"
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


class Superseded(Exception):
    """The import was canceled, or another process has taken it over: what this one did is undone."""


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
    await report(tx, id, counts.reported - len(refusals), refusals)


async def report(tx: Tx, id: str, first: int, refusals: Sequence[Refusal]) -> None:
    """Keep these refused records of an import, whose first one has the number `first` in its report."""
    await tx.many(
        REFUSE, [(id, first + at, *refusal) for at, refusal in enumerate(refusals) if first + at < MAX_REFUSALS]
    )


async def note_absent(tx: Tx, id: str, first: int, total: int) -> None:
    """Note how many users are absent, before they are reported from the number `first` on."""
    await tx.run(FORGET_ABSENT, id, first)  # what an attempt reported that was interrupted
    await tx.run(SET_ABSENT, total, id)


async def set_absent_job(tx: Tx, id: str, job_id: str) -> bool:
    """Note the job that suspends who is absent. False: there was one, or the import was canceled."""
    return await tx.run(SET_ABSENT_JOB, job_id, id) == 1


async def finish(tx: Tx, id: str, status: str, why: Reason = NO_REASON) -> Import | None:
    """Finish an import. None: it was finished before. Its mapping, which names columns of the file, is forgotten."""
    job = await IMPORTS.finish(tx, id, status, why)
    if job is not None and (values := job_options(job)).get("mapping") is not None:
        row = await tx.one(SET_OPTIONS, options_text({**values, "mapping": None}), id)
        assert row is not None  # it was there a statement ago
        job = Import._make(row)
    return job


async def set_options(tx: Tx, id: str, options: str) -> None:
    await tx.run(SET_OPTIONS, options, id)


async def refusals(queries: Queries, id: str, after: int, limit: int) -> list[tuple[int, Refusal]]:
    """Some of the records of the report in the order of the file, each with its number, from 0 on."""
    return [(row[0], Refusal(*row[1:])) for row in await queries.all(REFUSALS, id, after, limit)]


async def remove(tx: Tx, id: str, limit: int) -> bool:
    """Up to `limit` of its refused records, and the import once it has none. Returns whether there is more."""
    if await tx.run(FORGET_REFUSALS, id, id, limit) == limit:
        return True
    await import_rows.erase_all(tx, id)
    await IMPORTS.remove(tx, id)
    return False


def public(job: Import) -> dict[str, Any]:
    """All that may be seen of an import: its options, its state and its counts."""
    return _shown(job) | job_options(job) | {"records_expected": job.records_expected}


def in_events(job: Import) -> dict[str, Any]:
    """Object of an import in events: neither the text of an error nor names of columns, only the code."""
    return public(job) | {"error": None, "mapping": None}
