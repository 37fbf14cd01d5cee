"""Bulk jobs: changes of many users in the background, who they are, how far each job has come, and what became of each
user.

The users of a job are stored in parts. A part is done in one transaction with the progress that it makes (`advance`),
so that no user is changed twice, whatever process does it and however it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from rollbook import clock, ids
from rollbook.records.background_jobs import COLLECTING, JobTable, job_options
from rollbook.records.presenting import Hidden, OrNull, Time, presenter
from rollbook.storage.database import Queries, Tx, first, in_parts

PART = 50
"""Users of a part. On PostgreSQL, they and whoever created the job are locked until all of them are done."""
MAX_KEPT_USERS = 5_000_000
"""Users whose results are kept, of all jobs. The newest job is kept whole."""
CHANNEL = "bulk_jobs"
"""Notified when there is another job."""


class BulkJob(NamedTuple):
    id: str
    user_id: OrNull  # empty: the command line
    key_id: str | None
    address: Hidden[str | None]
    action: str
    options: Hidden[str]  # a JSON object
    undoes: str | None
    status: str = COLLECTING
    error: str | None = None
    error_code: str | None = None
    parts_done: Hidden[int] = 0
    total: int = 0
    done: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    created_at: Time = 0
    started_at: Time | None = None
    finished_at: Time | None = None
    session_id: Hidden[str | None] = None  # that it was created in, if that goes back to others
    rule_id: str | None = None  # whose run it is; its users then have their occasion in the place of the role
    rule_step: Hidden[int | None] = None


class JobUser(NamedTuple):
    """A user of a job, and the role that is put back if it undoes another job, or the occasion of a rule's run."""

    user_id: str
    role: str = ""


class RefusedChange(NamedTuple):
    """The reason why a user was not changed."""

    code: str
    reason: str


Outcome = bool | str | RefusedChange
"""Outcome for a user: whether they were changed, the role they had before, or the reason of a refusal."""


class Link(NamedTuple):
    """A link that was created for a user: the text of its token, what that is for, and when it expires."""

    text: str
    purpose: str
    expires_at: int


class JobPart(NamedTuple):
    """Some of the users of a job, with what became of them once the part is done."""

    id: str
    targets: list[JobUser]
    outcomes: list[Outcome] | None
    sealed: bytes | None


_shown = presenter(BulkJob)
_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode_outcomes = msgspec.json.Decoder(list[bool | str | RefusedChange]).decode

_decode_links = msgspec.json.Decoder(list[Link | None]).decode

JOBS = JobTable(BulkJob, "bulk_jobs", "job", f"sum(total) OVER newer - total > {MAX_KEPT_USERS}")
COLUMNS = JOBS.columns
START = f"""
    UPDATE bulk_jobs SET status = 'queued', total = ? WHERE id = ? AND status = '{COLLECTING}' RETURNING {COLUMNS}"""
GIVE_UP = f"UPDATE bulk_jobs SET finished_at = ? WHERE id = ? AND status = '{COLLECTING}'"
ADVANCE = """
    UPDATE bulk_jobs SET status = 'running', started_at = coalesce(started_at, ?), parts_done = parts_done + 1,
        done = done + ?, changed = changed + ?, unchanged = unchanged + ?, refused = refused + ?
    WHERE id = ?"""
# Of at most a thousand jobs: no index is worth its writes.
UNDOING = f"SELECT {COLUMNS} FROM bulk_jobs WHERE undoes = ? AND status <> '{COLLECTING}' ORDER BY id DESC LIMIT 1"
UNDONE = "SELECT undoes FROM bulk_jobs WHERE undoes IS NOT NULL AND changed > 0"
OF_RULE = f"""
    SELECT {COLUMNS} FROM bulk_jobs
    WHERE rule_id = ? AND id < ? AND status <> '{COLLECTING}' ORDER BY id DESC LIMIT ?"""
OF_RULES = "SELECT id FROM bulk_jobs WHERE id = ? AND (rule_id IS NOT NULL OR undoes IS NOT NULL)"
ADD_PART = "INSERT INTO bulk_job_parts (id, changed, refused, users) VALUES (?, 0, 0, ?)"
PART_BY_ID = "SELECT id, users, results, sealed FROM bulk_job_parts WHERE id = ?"
PART_DONE = "UPDATE bulk_job_parts SET changed = ?, refused = ?, results = ?, sealed = ? WHERE id = ?"
DONE_PARTS = """
    SELECT id, users, results, sealed FROM bulk_job_parts
    WHERE id > ? AND id < ? AND results IS NOT NULL AND changed >= ? AND refused >= ? ORDER BY id LIMIT ?"""
FORGET_PARTS = """
    DELETE FROM bulk_job_parts WHERE id IN (
        SELECT id FROM bulk_job_parts WHERE id > ? AND id < ? ORDER BY id LIMIT ?)"""
OLD_LINKS = "SELECT id FROM bulk_job_parts WHERE id < ? AND sealed IS NOT NULL ORDER BY id LIMIT 1"
FORGET_SEALED = """
    UPDATE bulk_job_parts SET sealed = NULL WHERE id IN (
        SELECT id FROM bulk_job_parts WHERE id < ? AND sealed IS NOT NULL ORDER BY id LIMIT ?)"""
SEALED_AFTER = "SELECT id, sealed FROM bulk_job_parts WHERE id > ? AND sealed IS NOT NULL ORDER BY id LIMIT ?"
SEAL_AGAIN = "UPDATE bulk_job_parts SET sealed = ? WHERE id = ? AND sealed = ?"
NAMES = f"""
    SELECT id, name, email FROM users WHERE id IN ({", ".join("?" * PART)})
    UNION ALL SELECT id, name, email FROM deleted_users WHERE id IN ({", ".join("?" * PART)})"""
ROLES = f"SELECT id, role, status, version, kind FROM users WHERE id IN ({', '.join('?' * PART)})"


def metadata_patch(job: BulkJob) -> str:
    """Changes of the metadata, as JSON."""
    return _encode(job_options(job)["metadata"]).decode()


def links_text(links: Sequence[Link | None]) -> bytes:
    """The links of a part, in the order of its users, to be sealed."""
    return _encode(links)


def links(text: bytes) -> list[Link | None]:
    return _decode_links(text)


def public(job: BulkJob) -> dict[str, Any]:
    """All that may be seen of a job: what it was asked for, its state and its counts."""
    return _shown(job) | job_options(job)


def in_events(job: BulkJob) -> dict[str, Any]:
    """Object of a job in events: without the options that it was not asked for with."""
    values = {name: value for name, value in job_options(job).items() if value is not None}
    if "metadata" in values:
        values["metadata"] = msgspec.Raw(_encode(values["metadata"]))  # as events keep it
    return _shown(job) | values


async def add_parts(tx: Tx, id: str, number: int, parts: Iterable[str]) -> None:
    """Store users of a job, in parts from this number on, each as its `text`."""
    await tx.many(ADD_PART, [(_part_id(id, number + at), part) for at, part in enumerate(parts)])


async def start(tx: Tx, id: str, total: int) -> BulkJob | None:
    """All of its users are stored: its turn will come. None: it took so long that the job is gone."""
    row = await tx.one(START, total, id)
    tx.notify(CHANNEL)
    return BulkJob._make(row) if row else None


async def undoing(queries: Queries, id: str) -> BulkJob | None:
    """The last job that undoes a job or an import."""
    row = await queries.one(UNDOING, id)
    return BulkJob._make(row) if row else None


async def undone(queries: Queries) -> set[str]:
    """The jobs and imports of which a job has put back something."""
    return {id for (id,) in await queries.all(UNDONE)}


async def of_rule(queries: Queries, rule_id: str, before: str, limit: int) -> list[BulkJob]:
    """Runs of a rule, newest first."""
    return [BulkJob._make(row) for row in await queries.all(OF_RULE, rule_id, before, limit)]


async def is_of_rule(queries: Queries, id: str) -> bool:
    """Test whether a job is the run of a rule, or puts something back, so that no rule begins with what it does."""
    return await first(queries, OF_RULES, id) is not None


async def give_up(tx: Tx, id: str) -> None:
    """A job whose users were not all stored waits no longer; `expired` finds it."""
    await tx.run(GIVE_UP, clock.now(), id)


async def next_part(queries: Queries, job: BulkJob) -> JobPart | None:
    """The first part that is not done. None: all are."""
    row = await queries.one(PART_BY_ID, _part_id(job.id, job.parts_done))
    return _part(*row) if row else None


async def advance(tx: Tx, job: BulkJob, part: JobPart, outcomes: Sequence[Outcome], sealed: bytes | None) -> None:
    """This part is done."""
    refused = sum(isinstance(outcome, RefusedChange) for outcome in outcomes)
    unchanged = sum(outcome is False for outcome in outcomes)
    changed = len(outcomes) - refused - unchanged
    await tx.run(PART_DONE, changed, refused, _encode(outcomes).decode(), sealed, part.id)
    await tx.run(ADVANCE, clock.now(), len(outcomes), changed, unchanged, refused, job.id)


async def done_parts(queries: Queries, id: str, after: str, limit: int, result: str | None = None) -> list[JobPart]:
    """Parts that are done, after the one with the ID `after`; only those with users who were `changed` or `refused`, if
    that is the `result` asked for."""
    bounds = max(after, f"{id}/"), f"{id}0"
    rows = await queries.all(DONE_PARTS, *bounds, int(result == "changed"), int(result == "refused"), limit)
    return [_part(*row) for row in rows]


async def people(queries: Queries, user_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Name and email of living and deleted users, by ID."""
    names: dict[str, tuple[str, str]] = {}
    for part in in_parts(user_ids, PART):
        names |= {row[0]: (row[1], row[2]) for row in await queries.all(NAMES, *part, *part)}
    return names


class UserState(NamedTuple):
    role: str
    status: str
    version: int
    kind: str


async def known(queries: Queries, user_ids: Sequence[str]) -> dict[str, UserState]:
    """Facts about users before they are changed, by ID."""
    [part] = in_parts(user_ids, PART)
    return {row[0]: UserState(*row[1:]) for row in await queries.all(ROLES, *part)}


async def remove(tx: Tx, id: str, limit: int) -> bool:
    """Up to `limit` of its parts, and the job once it has none. Returns whether there is more."""
    if await tx.run(FORGET_PARTS, f"{id}/", f"{id}0", limit) == limit:
        return True
    await JOBS.remove(tx, id)
    return False


async def has_links(queries: Queries, before: int) -> bool:
    """Test whether there are links of jobs that were created before this time."""
    return await first(queries, OLD_LINKS, ids.first("job", before)) is not None


async def forget_links(tx: Tx, before: int, limit: int) -> None:
    """Forget the links of up to `limit` parts of jobs that were created before this time."""
    await tx.run(FORGET_SEALED, ids.first("job", before), limit)


async def sealed_after(queries: Queries, id: str, limit: int) -> list[tuple[str, bytes]]:
    return [(row[0], row[1]) for row in await queries.all(SEALED_AFTER, id, limit)]


async def seal_again(tx: Tx, changed: Iterable[tuple[bytes, str, bytes]]) -> None:
    """New sealed links, ID of the part and former sealed links of each."""
    await tx.many(SEAL_AGAIN, changed)


def _part_id(job_id: str, number: int) -> str:
    return f"{job_id}/{number:06}"


def text(targets: Sequence[JobUser]) -> str:
    """A part as it is stored."""
    return " ".join([f"{id}={role}" if role else id for id, role in targets])


def _part(id: str, users: str, results: str | None, sealed: bytes | None) -> JobPart:
    targets = [JobUser(name, role) for name, _, role in [entry.partition("=") for entry in users.split(" ")]]
    return JobPart(id, targets, None if results is None else _decode_outcomes(results), sealed)
