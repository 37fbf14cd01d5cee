"""Actions on imports: files of users that the server reads in the background. `import_writer` writes the users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, NamedTuple

from msgspec import structs
from msgspec.structs import asdict

from rollbook import clock
from rollbook.actions import background_jobs, import_absence, import_files
from rollbook.actions.arguments.imports import ImportOptions, ImportReport, ListImports
from rollbook.actions.background_jobs import LOST, check_limits
from rollbook.actions.context import Rollbook
from rollbook.actions.exporting import Download
from rollbook.actions.import_absence import Absence
from rollbook.actions.permissions import known, require, require_proof
from rollbook.actions.principal import SYSTEM, Principal
from rollbook.actions.reverting import OF_IMPORTS
from rollbook.errors import ApiError, BadRequest, Forbidden, ImportLimitReached, InvalidParameter, NotFound
from rollbook.records import events, imports, users
from rollbook.records.background_jobs import (
    MAX_KEPT,
    NO_REASON,
    Reason,
    job_options,
    options_of_text,
    options_text,
)
from rollbook.records.dialect import dialect
from rollbook.records.events import Actor, UsersOfRequest
from rollbook.records.import_rows import FileFacts, Raw
from rollbook.records.imports import FILE_LOST, IMPORTS, Counts, Import, Refusal
from rollbook.storage.database import Queries, Tx

SUMMED_UP = "This import recorded one event for all users (events=summary), so it can't be undone."
PAGE = 1_000
"""Refused records that are read at a time."""


class ImportDetails(NamedTuple):
    """An import, and what its file was found to be, for whoever started it."""

    found: Import
    facts: FileFacts | None


class RefusedRows(NamedTuple):
    """The refused records of an import themselves, each with the reason, in parts."""

    facts: FileFacts
    parts: AsyncGenerator[list[tuple[Raw, str]], None]


class Report(NamedTuple):
    """The refused records of an import, in parts."""

    format: str
    parts: AsyncGenerator[list[Refusal], None]


async def create(
    on: Rollbook, by: Principal, options: ImportOptions, chunks: AsyncIterator[bytes], name: str = ""
) -> Import:
    """Import users

    The body is the file: NDJSON, a JSON array or CSV, optionally compressed with gzip or zstd. The server responds when
    it has stored the file, and then imports the users in the background, even after a restart. To see the progress,
    call `GET /v1/imports/{importId}`. For users with a role above member, the key also needs the scope `users:grant`,
    and for password hashes `users:import`. You can have 10 unfinished imports.
    """
    require(by, "users:write")
    if not options.dry_run:
        require_proof(by)
    await import_absence.check(on, by, options)
    id = IMPORTS.new_id()
    uploads = on.uploads
    await on.read(check_limits, IMPORTS, by.user_id, ImportLimitReached, uploads.values())
    uploads[id] = by.user_id
    try:
        size = await import_files.store(on.settings.data, id, chunks)
        if not size:
            import_files.remove(on.settings.data, id)
            raise InvalidParameter("The body is empty. Send the file as the body.")
        del uploads[id]
        now = clock.now()
        new = Import(
            id,
            by.user_id,
            by.key_id,
            by.address,
            bytes=size,
            seen_at=now,
            created_at=now,
            session_id=by.borrowed_session,
            **_stored(options),
        )
        try:
            return await on.write(_create, on, new, name)
        except ApiError:
            import_files.remove(on.settings.data, id)
            raise
    finally:
        uploads.pop(id, None)


async def _create(tx: Tx, on: Rollbook, new: Import, name: str) -> Import:
    """Add an import. Its user is locked: of two at the same time, the second sees the first."""
    await users.get(tx, new.user_id)
    unfinished = await check_limits(tx, IMPORTS, new.user_id, ImportLimitReached, on.uploads.values())
    if new.runner and any(job.runner == new.runner for job in unfinished):
        raise NotFound("The file of this dry run is being imported.")
    await IMPORTS.add(tx, new)
    await import_files.keep_name(tx, on.secret, new.id, name)
    tx.notify(imports.CHANNEL)
    return new


async def run(on: Rollbook, by: Principal, id: str) -> Import:
    """Import the file of a dry run

    Imports exactly what was tested: the same file with the same options and columns. The server keeps the file of a dry
    run for a week, encrypted, up to 1 GiB in all, until it is imported. Only the key that requested the dry run can do
    this, or the person who did.
    """
    require(by, "users:write")
    require_proof(by)
    tested, facts = await get(on, by, id)
    if not import_files.is_own(by, tested):
        raise Forbidden("Only the person or API key that started a dry run can import its file.")
    is_near = dialect(on.db).is_shared or import_files.is_kept(on.settings.data, tested.id)
    if facts is None or not facts.is_kept or not is_near:
        raise NotFound("The file of this import is not kept. Send it again.")
    now = clock.now()
    new = Import(
        IMPORTS.new_id(),
        by.user_id,
        by.key_id,
        by.address,
        options_text(job_options(tested) | {"dry_run": False}),
        runner=tested.id,  # until it has the file
        bytes=tested.bytes,
        seen_at=now,
        created_at=now,
        unknown_hashes=tested.unknown_hashes,
        session_id=by.borrowed_session,
        **{name: getattr(tested, name) for name in import_absence.OPTIONS},
    )
    return await on.write(_create, on, new, facts.name)


async def list_imports(on: Rollbook, by: Principal, query: ListImports) -> list[Import]:
    """List imports

    Returns the imports of the last 30 days, newest first: at most 1,000, and 1,000,000 refused records in all.
    """
    require(by, "users:write")
    return await IMPORTS.latest(on.db, query.limit, query.before)


async def get(on: Rollbook, by: Principal, id: str) -> ImportDetails:
    """Get an import

    Returns the import with its progress: `records` of about `records_expected`, and how many of them were added,
    updated, skipped and refused so far. With the key that it was requested with, also what becomes of each column of
    the file (`columns`).
    """
    require(by, "users:write")
    job = await IMPORTS.get(on.db, known("imp", id))
    return ImportDetails(job, await import_files.facts_of(on, id) if import_files.is_own(by, job) else None)


async def report(on: Rollbook, by: Principal, id: str, query: ImportReport) -> Report | RefusedRows:
    """Get the report of an import

    Returns the records that were refused so far, each with its line, field, code and reason, and the users who were
    imported without a password, each with their `user_id`: at most 100,000 in all.
    """
    job, facts = await get(on, by, id)
    download = Download(on, by, "users:write")
    if query.format != "rows":
        return Report(query.format, _refusals(on, download, job.id))
    if not import_files.is_own(by, job):
        raise Forbidden("Only the person or API key that started an import can read its refused records.")
    if facts is None:
        raise NotFound("There are no refused records here. They are kept for a week.")
    return RefusedRows(facts, _refused_rows(on, download, job.id))


async def _refused_rows(on: Rollbook, download: Download, id: str) -> AsyncGenerator[list[tuple[Raw, str]], None]:
    async for part in import_files.rows(on, id):
        await download.check()
        first, last = part[0].number, part[-1].number
        reasons = {
            number: refusal.reason
            for number, refusal in await on.read(imports.refusals, id, first - 1, last - first + 1)
        }
        yield [(row.raw, reasons.get(row.number, "")) for row in part]


async def _refusals(on: Rollbook, download: Download, id: str) -> AsyncGenerator[list[Refusal], None]:
    after = -1
    while part := await on.read(imports.refusals, id, after, PAGE):
        await download.check()
        yield [refusal for _, refusal in part]
        after = part[-1][0]


async def cancel(on: Rollbook, by: Principal, id: str) -> Import:
    """Cancel an import

    Users who were imported already stay. If the import has finished, nothing happens. For an import of another user
    with a role above member, the key needs the scope `users:grant` as well.
    """
    require(by, "users:write")
    job = await IMPORTS.get(on.db, known("imp", id))
    job = await on.write(background_jobs.cancel, by, IMPORTS, _finish, job)
    if not on.is_dry:
        import_files.remove(on.settings.data, id)
    return job


# ---- what it did


def why_not_undone(job: Import) -> str:
    """Return the reason why nothing can say what an import did; empty if its events can."""
    options = options_of(job)
    if job.finished_at is None:
        return "The import hasn't ended. Cancel it first, or wait until it has."
    if options.dry_run or not job.added + job.updated:
        return "This import changed no one."
    return SUMMED_UP if options.events != "each" else ""


async def check_undo(on: Rollbook, job: Import) -> None:
    """Check that the event log has all that an import did. Raises BadRequest."""
    await events.settle(on.db)
    why_not = why_not_undone(job)
    if why_not or await on.read(events.begins) > (job.started_at or job.created_at):
        raise BadRequest(why_not or "The event log no longer has what this import did: it is past its retention.")


async def changed_users(on: Rollbook, job: Import, after: int, limit: int) -> UsersOfRequest:
    """Up to `limit` users whom an import has added or changed, in the order in which it did."""
    return await on.read_aside(_changed_users, job, after, limit)


async def _changed_users(queries: Queries, job: Import, after: int, limit: int) -> UsersOfRequest:
    span = await events.span(queries, job.started_at or job.created_at, job.finished_at or clock.now())
    return await events.users_of_request(queries, job.id, OF_IMPORTS, span, after, limit)


# ---- what the job does


async def restart(on: Rollbook, id: str, runner: str) -> None:
    """Begin a dry run from the beginning. Of what was found before, only the file's name stays."""
    facts = await import_files.facts_of(on, id)
    await on.write(_restart, on, id, runner, "" if facts is None else facts.name)


async def _restart(tx: Tx, on: Rollbook, id: str, runner: str, name: str) -> None:
    await imports.restart(tx, id, runner)
    await import_files.keep_name(tx, on.secret, id, name)


async def finish(on: Rollbook, by: Actor, id: str, status: str, why: Reason = NO_REASON) -> None:
    """The import is over, and its file is not needed anymore. Nothing happens if it was before."""
    await on.write(_finish, by, id, status, why)
    import_files.remove(on.settings.data, id)


async def _finish(tx: Tx, by: Actor, id: str, status: str, why: Reason = NO_REASON) -> Import | None:
    job = await imports.finish(tx, id, status, why)
    if job is not None and not options_of(job).dry_run:
        await events.record(tx, "import.finished", job.user_id, by, imports.in_events(job))
        if job.waits:
            await events.record(tx, "import.waiting", job.user_id, by, imports.in_events(job))
    return job


async def record_local(
    on: Rollbook,
    by: Principal,
    id: str,
    options: ImportOptions,
    counts: Counts,
    refusals: list[Refusal],
    status: str,
    began: int,
    size: int,
    absent_users: int | None = None,
) -> None:
    """An import without a job is over. `refusals` are for its report."""
    job = Import(
        id,
        "",
        None,
        by.address,
        status=status,
        bytes=size,
        bytes_read=size,
        **counts._asdict(),
        created_at=began,
        started_at=began,
        finished_at=clock.now(),
        absent_users=absent_users,
        **_stored(structs.replace(options, mapping=None)),  # which names columns of the file
    )
    await on.write(_record_local, by, job)
    for first in range(0, len(refusals), PAGE):
        await on.write(imports.report, id, first, refusals[first : first + PAGE])


async def _record_local(tx: Tx, by: Principal, job: Import) -> None:
    await IMPORTS.add(tx, job)
    await events.record(tx, "import.finished", "", by.actor, imports.in_events(job))


async def note_absent(on: Rollbook, id: str, first: int, absence: Absence) -> None:
    """Report who is absent, after what was refused."""
    await on.write(imports.note_absent, id, first, absence.total)
    for at in range(0, len(absence.reported), PAGE):
        await on.write(imports.report, id, first + at, absence.reported[at : at + PAGE])


async def check_absent(on: Rollbook, job: Import) -> None:
    """Check that those whom an import has found absent can be suspended now. Raises BadRequest."""
    if job.finished_at is None or job.status != "finished" or not job.absent_users or options_of(job).dry_run:
        raise BadRequest("This import has found no one absent, or hasn't finished, or was a dry run.")
    if job.absent_job_id is not None:
        raise BadRequest(f"They were suspended already, by the bulk job {job.absent_job_id}.")
    scope = job.absent_group, job.absent_metadata
    for other in await on.read(IMPORTS.latest, MAX_KEPT):
        is_same = (other.absent_group, other.absent_metadata) == scope and not options_of(other).dry_run
        if other.id > job.id and is_same and other.status == "finished":
            raise BadRequest(f"There is a newer file: that of the import {other.id}.")


async def look_after(on: Rollbook) -> list[Import]:
    """The unfinished imports whose files are on this server, oldest first. Those that no server has had the file of for
    an hour have failed."""
    unfinished = await IMPORTS.unfinished(on.db)
    here, now = [], clock.now()
    for job in unfinished:
        if job.runner and import_files.is_kept(on.settings.data, job.runner):
            await _take_tested(on, job, job.runner)
        if import_files.exists(on.settings.data, job.id):
            here.append(job)
            if job.seen_at < now - LOST // 6:
                await on.write(imports.seen, job.id)
        elif job.seen_at < now - LOST:
            why = Reason("The file is gone: the server that received it has lost it.", FILE_LOST)
            await finish(on, SYSTEM.actor, job.id, "failed", why)
    return here


async def keep_tested(on: Rollbook, job: Import, options: ImportOptions, facts: FileFacts) -> None:
    """Keep the file of a dry run that has found users in it."""
    text = options_text(_options(options))
    data = on.settings.data
    if await asyncio.to_thread(import_files.keep, data, job.id, text.encode(), import_files.sealing(on.secret)):
        await import_files.keep_facts(on, job.id, structs.replace(facts, is_kept=True))


async def _take_tested(on: Rollbook, job: Import, tested: str) -> None:
    """Let an import have the file of its dry run, and the options, which name the file's columns."""
    unseal = import_files.unsealing(on.secret)
    try:
        text = await asyncio.to_thread(import_files.tested_options, on.settings.data, tested, unseal)
        options = options_of_text(text) | {"dry_run": False}
        await on.write(imports.set_options, job.id, options_text(options))
        await asyncio.to_thread(import_files.take, on.settings.data, tested, job.id, unseal)
        if (facts := await import_files.facts_of(on, tested)) is not None:
            await import_files.keep_facts(on, tested, structs.replace(facts, is_kept=False))
    except FileNotFoundError:  # a moment ago it was there
        return
    except (ValueError, OSError):
        why = Reason("The file of the dry run can't be read. Send it again.", FILE_LOST)
        await finish(on, SYSTEM.actor, job.id, "failed", why)


async def clean_folder(on: Rollbook) -> None:
    """Delete files that no import needs."""
    import_files.remove_abandoned(on.settings.data, {job.id for job in await IMPORTS.unfinished(on.db)})


async def expire(on: Rollbook) -> bool:
    """Delete imports after 30 days, and the oldest where there are too many, or too many refused records."""
    return await background_jobs.expire(on, IMPORTS, imports.remove, PAGE) or await import_files.expire(on)


def options_of(job: Import) -> ImportOptions:
    return ImportOptions(**(job_options(job) | {name: getattr(job, name) for name in _OF_COLUMNS}))


def _stored(options: ImportOptions) -> dict[str, Any]:
    """By column."""
    return {name: getattr(options, name) for name in _OF_COLUMNS} | {"options": options_text(_options(options))}


def _options(options: ImportOptions) -> dict[str, Any]:
    """All options but those that have columns of their own."""
    return {name: value for name, value in asdict(options).items() if name not in _OF_COLUMNS}


_OF_COLUMNS = ("unknown_hashes", *import_absence.OPTIONS)
