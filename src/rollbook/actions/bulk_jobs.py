"""Changes of many users in the background: any number of them, chosen by filters or by ID. Each user is changed by the
action that does it alone, so that its rules hold."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import IO, Any, NamedTuple

import msgspec
from msgspec import UNSET

from rollbook import clock
from rollbook.actions import (
    background_jobs,
    bulk,
    groups,
    import_absence,
    imports,
    reverting,
    rule_people,
    rule_steps,
    sessions,
    tokens,
)
from rollbook.actions.arguments import MetadataPatch, RedirectUrl, Time
from rollbook.actions.arguments.bulk_jobs import GROUP_ACTIONS, BulkJobCreate, BulkJobResults, ListBulkJobs
from rollbook.actions.arguments.imports import AbsentSuspend
from rollbook.actions.arguments.rules import ONLY_RULES
from rollbook.actions.arguments.tokens import TokenCreate
from rollbook.actions.arguments.users import TIMES, UserPatch, UserUpdate
from rollbook.actions.bulk import Operation, Plan
from rollbook.actions.checking import check_end, given, refuse, time_text
from rollbook.actions.context import Rollbook
from rollbook.actions.exporting import Download, folder_of_files
from rollbook.actions.import_absence import Absence
from rollbook.actions.permissions import known, may_grant, reaches_all, require, require_proof
from rollbook.actions.principal import SYSTEM, Principal, as_of_now, cli_job, for_job
from rollbook.actions.rule_people import chosen
from rollbook.actions.tokens import IssuedToken, password_purpose
from rollbook.actions.users import check_group
from rollbook.auth.server_secret import Purpose
from rollbook.errors import (
    ApiError,
    BadRequest,
    BulkJobLimitReached,
    ChangedSince,
    Forbidden,
    NotFound,
    NotReversible,
    NotYourself,
    Unavailable,
)
from rollbook.records import bulk_jobs, events, user_list, users
from rollbook.records import imports as import_records
from rollbook.records.background_jobs import COLLECTING, NO_REASON, Reason, job_options, options_text
from rollbook.records.bulk_jobs import JOBS, PART, BulkJob, JobPart, JobUser, Link, Outcome, RefusedChange, UserState
from rollbook.records.events import Actor
from rollbook.records.imports import Counts, Import
from rollbook.records.user_imports import FileKeys
from rollbook.records.user_list.query import Filters, Query
from rollbook.records.users import User
from rollbook.roles import APPLICATION, Scope
from rollbook.storage.database import Call, Queries, Tx

SEALED: Purpose = "bulk links"
MAX_USERS = 5_000_000
"""Users of a job."""
AT_ONCE = 10_000
"""Users that are read or stored at a time."""
LINKS_KEPT = clock.DAY
"""The time in which the links of a job can be downloaded."""
MAX_REASON = 300

_ID = re.compile(r"\w+", re.ASCII).fullmatch
_SCOPES: dict[str, Scope] = {
    "delete": "users:delete",
    "setup_links": "tokens:create",
    "end_sessions": "sessions:write",
    **dict.fromkeys(GROUP_ACTIONS, "groups:write"),
}
"""Scopes of actions that need another one than users:write, to which jobs need theirs anyway."""
UNDONE_BY = {
    "suspend": "activate",
    "activate": "suspend",
    "delete": "restore",
    "role": "role",
    "metadata": "metadata",
    "ends_at": "ends_at",
    "add_to_group": "remove_from_group",
    "remove_from_group": "add_to_group",
}
_EVENTS = {
    "activate": ("user.suspended", "user.activated"),
    "suspend": ("user.suspended", "user.activated"),
    "restore": ("user.deleted", "user.restored"),
}
"""Types of events of which the last one about a user must be that of the job that is undone."""


_NO_OPTIONS = {
    **dict.fromkeys(("role", "metadata", "ends_at", "redirect_url", "group_id", "filter")),
    "send": False,
}


class UserResult(NamedTuple):
    """The result of a job for one user."""

    user_id: str
    name: str | None
    """None, like the email, if the caller may not read users."""
    email: str | None
    outcome: Outcome
    link: Link | None


class JobTargets:
    """The users of a new job, in parts as they are stored: in a file without a name, since there may be millions."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.total = 0

    def clear(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self.total = 0

    def add(self, targets: Sequence[JobUser]) -> None:
        for at in range(0, len(targets), PART):
            self._file.write(bulk_jobs.text(targets[at : at + PART]) + "\n")
        self.total += len(targets)

    def parts(self) -> Iterator[list[str]]:
        """The parts in their order, those of AT_ONCE users at a time."""
        self._file.seek(0)
        while some := [line.rstrip("\n") for line in islice(self._file, AT_ONCE // PART)]:
            yield some


class Run(NamedTuple):
    """A step of a rule that a job does, or the end of an import, which has no rule."""

    rule_id: str | None
    step: int | None
    started: Callable[[Tx, BulkJob], Awaitable[None]]
    """Notes on the rule or import, in the transaction in which the job begins."""


class Results(NamedTuple):
    """Results for the users of a job who are done, in parts."""

    job: BulkJob
    format: str
    parts: AsyncGenerator[list[UserResult], None]


# ---- asking for a job


async def create_bulk_job(on: Rollbook, by: Principal, new: BulkJobCreate) -> BulkJob:
    """Create a bulk job

    Changes many users in the background: those in `ids`, or all who match the `filter` now, any number of them.
    Applications are left out unless the filter has `"kind": "application"`. A filter needs the scope `users:read` as
    well. To count them first, call `GET /v1/users/count` with the same filters and a `kind`, and send what it says as
    `confirm_count`. Each user is changed once and by the rules of the endpoint that does it alone, with an event of
    their own; whoever can't be changed is refused, and the others are not affected. To see the progress, call `GET
    /v1/bulk-jobs/{jobId}`. Jobs end when whoever created them loses the right to. You can have 10 unfinished jobs, of
    which one runs at a time.
    """
    _require(by, new.action)
    require_proof(by)
    if new.role is not UNSET:
        may_grant(by, new.role)
    check_end(new.ends_at)
    if new.send and not on.settings.sends_mail:
        refuse("send", "needs a mail server: set smtp")
    tokens.check(on.settings, given(new.redirect_url))
    if new.group_id is not UNSET:
        await groups.check_may_change(on, by, new.group_id)
    filters = None
    if new.filter is not UNSET:
        require(by, "users:read")  # whom it finds, and how many, tells who there is
        filters = chosen(new.filter)
        if filters.group is not None:
            await check_group(on, by, filters.group)
    options = {
        "role": given(new.role),
        "metadata": None if new.metadata is UNSET else msgspec.Raw(new.metadata.encode()),
        "ends_at": clock.format_time(new.ends_at) if isinstance(new.ends_at, int) else None,
        "send": new.send,
        "redirect_url": given(new.redirect_url),
        "group_id": given(new.group_id),
        "filter": None if filters is None else told(filters),
    }
    return await _add(on, by, new.action, options, partial(_asked_for, on, new, filters))


async def _asked_for(on: Rollbook, new: BulkJobCreate, filters: Filters | None, targets: JobTargets) -> None:
    """Raises InvalidParameter."""
    if filters is None:
        ids = dict.fromkeys(given(new.ids, ()))
        if not all(map(_ID, ids)):
            refuse("ids", "must be IDs of users")
        targets.add([JobUser(id) for id in ids])
    else:
        await on.read_aside(_matching, filters, targets)
    if new.confirm_count not in (UNSET, targets.total):
        refuse("confirm_count", f"is {new.confirm_count:,}, but {targets.total:,} users match now. Nothing was changed")


async def _matching(queries: Queries, filters: Filters, targets: JobTargets) -> None:
    """All users who match, as they are in one snapshot. Raises InvalidParameter."""
    query = Query(filters, limit=AT_ONCE, listed=True)
    targets.clear()
    while True:
        page = await user_list.read(queries, query)
        targets.add([JobUser(row[1]) for row in page.rows])
        if targets.total > MAX_USERS:
            refuse("filter", f"matches more than {MAX_USERS:,} users, the most that a job can have")
        if page.after is None:
            return
        query = query._replace(position=page.after)


def told(filters: Filters) -> dict[str, Any]:
    """Filters as they are kept, without what names a person: of filters by email, ID or search, only the name is."""
    shown: dict[str, Any] = {}
    for name, value in filters._asdict().items():
        if value is None:
            continue
        if name in TIMES:
            shown[name] = time_text(value)
        elif name == "metadata":
            shown[name] = [f"{key}:{text}" for key, text in value]
        else:
            shown[name] = "…" if name in ("email", "external_id", "ids", "q") else value
    return shown


async def _add(
    on: Rollbook,
    by: Principal,
    action: str,
    options: Mapping[str, Any],
    choose: Callable[[JobTargets], Awaitable[None]],
    undoes: str = "",
    run: Run | None = None,
) -> BulkJob:
    """Store a job: first that it is one of those that may wait, then its users by the thousand, so that other writes
    wait for none of it, and last that it is whole."""
    new = BulkJob(
        id=JOBS.new_id(),
        user_id=by.user_id,
        key_id=by.key_id,
        address=by.address,
        action=action,
        options=options_text(dict(options)),
        undoes=undoes or None,
        created_at=clock.now(),
        session_id=by.borrowed_session,
        rule_id=None if run is None else run.rule_id,
        rule_step=None if run is None else run.step,
    )
    if on.is_dry:
        return await _previewed(on, new, choose)
    await on.db.write(_begin, new)
    try:
        with tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder_of_files(on.settings.data)) as file:
            targets, stored = JobTargets(file), 0
            await choose(targets)
            for some in targets.parts():
                await on.db.write(bulk_jobs.add_parts, new.id, stored, some)
                stored += len(some)
        return await on.write(_start, new.id, targets.total, run)
    except BaseException:
        await on.db.write(bulk_jobs.give_up, new.id)
        raise


async def _previewed(on: Rollbook, new: BulkJob, choose: Callable[[JobTargets], Awaitable[None]]) -> BulkJob:
    """The job as it would begin. Previews are not limited in number as jobs are, so that one at a time looks for the
    users of jobs of this caller."""
    turn = on.searches.setdefault(f"previews of {new.user_id}", asyncio.Lock())
    async with turn:
        with tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder_of_files(on.settings.data)) as file:
            targets = JobTargets(file)
            await choose(targets)
    return await on.write(_begin_and_start, new, targets.total)


async def _begin_and_start(tx: Tx, new: BulkJob, total: int) -> BulkJob:
    await _begin(tx, new)
    return await _start(tx, new.id, total)


async def _begin(tx: Tx, new: BulkJob) -> None:
    """Add a bulk job. Its user is locked: of two at the same time, the second sees the first. Raises
    BulkJobLimitReached."""
    if new.rule_id is None:
        if new.user_id:
            await users.get(tx, new.user_id)
        await background_jobs.check_limits(tx, JOBS, new.user_id, BulkJobLimitReached)
    await JOBS.add(tx, new)


async def _start(tx: Tx, id: str, total: int, run: Run | None = None) -> BulkJob:
    started = await bulk_jobs.start(tx, id, total)
    if started is None:
        raise NotFound()
    if run is not None:
        await run.started(tx, started)
    return started


async def add_run(
    on: Rollbook,
    by: Principal,
    action: str,
    options: Mapping[str, Any],
    choose: Callable[[JobTargets], Awaitable[None]],
    run: Run,
) -> BulkJob:
    """Create the job of a step of a rule, by the rule's author."""
    _require(by, action)
    return await _add(on, by, action, options, choose, run=run)


async def undo_bulk_job(on: Rollbook, by: Principal, id: str) -> BulkJob:
    """Undo a bulk job

    Creates a job that puts back what this one changed: who was suspended is active or invited again, as they were, who
    was activated is suspended, who was deleted is restored, who got a role gets the one they had, keys of the metadata
    and the end get back their values, who was added to a group leaves it, and who was removed is a member again, in the
    role they had there. Whoever was changed in the same way since is left alone, and refused with the code
    `changed_since` or `not_reversible`. Jobs of other actions can't be undone.
    """
    undone = await get_bulk_job(on, by, id)
    action = UNDONE_BY.get(undone.action)
    if action is None:
        raise BadRequest("Jobs that restored users, created links, ended sessions or undid an import can't be undone.")
    if undone.undoes is not None:
        raise BadRequest("This job undid another one. Create a new job instead.")
    if undone.finished_at is None:
        raise BadRequest("The job hasn't ended. Cancel it first, or wait until it has.")
    _require(by, action)
    require_proof(by)
    options = job_options(undone) | {"filter": None}
    return await _add(on, by, action, options, partial(_changed, on, undone.id), undone.id)


async def undo_import(on: Rollbook, by: Principal, id: str) -> BulkJob:
    """Undo an import

    Creates a bulk job that puts back what the import did: users whom it added are deleted, and can be restored; users
    whom it changed get back what they had, and leave the groups it added them to. Whoever was changed since is left
    alone, and refused with the code `changed_since`; passwords that the import set can't be put back, and those users
    are refused with `not_reversible`. Works for imports with an event for each user, as long as the event log has
    them. If it added users, the key needs the scope `users:delete` as well.
    """
    job, _ = await imports.get(on, by, id)
    await imports.check_undo(on, job)
    if job.added + job.updated > MAX_USERS:
        raise BadRequest(f"The import changed more than {MAX_USERS:,} users, the most that a job can have.")
    if job.added:
        require(by, "users:delete")
    require_proof(by)
    return await _add(on, by, "undo_import", _NO_OPTIONS, partial(_imported, on, job), job.id)


async def suspend_absent(on: Rollbook, by: Principal, id: str, options: AbsentSuspend) -> BulkJob:
    """Suspend who is absent

    Creates a bulk job that suspends the people whom an import has reported as absent from its file: with `absent`
    `report`, or with `suspend` if they were so many that it waits until someone approves. Who is suspended by now, or
    no longer one of those whom the file should have, is left out, as are owners and you. Also requires the scope
    `users:read`. To put it back, undo the job. Not possible once a newer file for the same group or metadata was
    imported.
    """
    job, _ = await imports.get(on, by, id)
    require(by, "users:read")
    require_proof(by)
    await imports.check_absent(on, job)
    if options.confirm_count != job.absent_users:
        refuse("confirm_count", f"is {options.confirm_count:,}, but {job.absent_users:,} are absent")
    return await _suspend_absent(on, by, job)


async def end_absent(on: Rollbook, by: Principal, job: Import, counts: Counts, keys: FileKeys) -> Absence:
    """Report who is absent from a file that was read to its end, and suspend them if that was asked for, and they are
    not too many."""
    options = imports.options_of(job)
    await import_absence.check(on, by, options)
    absence = await import_absence.find(on, by, options, counts, keys)
    await imports.note_absent(on, job.id, counts.reported, absence)
    if options.absent == "suspend" and absence.total and absence.may_go and not options.dry_run:
        with suppress(BulkJobLimitReached):  # then it waits, too
            await _suspend_absent(on, by, job._replace(**counts._asdict()))
    return absence


async def _suspend_absent(on: Rollbook, by: Principal, job: Import) -> BulkJob:
    _require(by, "suspend")
    run = Run(None, None, partial(_note_absent_job, import_id=job.id))
    return await _add(on, by, "suspend", _NO_OPTIONS, partial(_absent, on, by, job), run=run)


async def _note_absent_job(tx: Tx, job: BulkJob, import_id: str) -> None:
    """Raises BadRequest."""
    if not await import_records.set_absent_job(tx, import_id, job.id):
        raise BadRequest("They were suspended already, or the import was canceled.")


async def _absent(on: Rollbook, by: Principal, job: Import, targets: JobTargets) -> None:
    """People whom an import has found absent, and who still can be suspended."""
    async for ids in import_absence.still_absent(on, by, job):
        targets.add([JobUser(id) for id in ids])


async def _imported(on: Rollbook, job: Import, targets: JobTargets) -> None:
    """Users whom an import has added or changed."""
    after: int | None = 0
    while after is not None:
        found, after = await imports.changed_users(on, job, after, AT_ONCE)
        targets.add([JobUser(user.user_id) for user in found])


async def _changed(on: Rollbook, id: str, targets: JobTargets) -> None:
    """Users whom a job has changed, each with the role that they had."""
    after = ""
    while parts := await on.read(bulk_jobs.done_parts, id, after, 10, "changed"):
        after = parts[-1].id
        for part in parts:
            targets.add(_changed_of(part))


def _changed_of(part: JobPart) -> list[JobUser]:
    return [
        JobUser(target.user_id, "" if outcome is True else outcome)
        for target, outcome in zip(part.targets, part.outcomes or (), strict=True)
        if outcome is True or isinstance(outcome, str)
    ]


async def list_bulk_jobs(on: Rollbook, by: Principal, query: ListBulkJobs) -> list[BulkJob]:
    """List bulk jobs

    Returns the bulk jobs of the last 30 days, newest first: at most 1,000, and of 5,000,000 users in all.
    """
    require(by, "users:write")
    return await JOBS.latest(on.db, query.limit, query.before)


async def get_bulk_job(on: Rollbook, by: Principal, id: str) -> BulkJob:
    """Get a bulk job

    Returns the job with its progress: how many of its `total` users are done, and what became of them.
    """
    require(by, "users:write")
    return await JOBS.get(on.db, known("job", id))


async def cancel_bulk_job(on: Rollbook, by: Principal, id: str) -> BulkJob:
    """Cancel a bulk job

    Users who were changed already stay as they are: undo the job to put them back. If it has ended, nothing happens.
    For a job of another user with a role above member, the key needs the scope `users:grant` as well.
    """
    return await on.write(background_jobs.cancel, by, JOBS, _finish, await get_bulk_job(on, by, id))


async def get_bulk_job_results(on: Rollbook, by: Principal, id: str, query: BulkJobResults) -> Results:
    """Get the results of a bulk job

    Returns a line for each user who is done: whether they were `changed`, `unchanged` or `refused`, and why. `name` and
    `email` are null without the scope `users:read`. For `setup_links`, it has their links as well, for one day, and
    only for whoever created the job, with the same API key.
    """
    job = await get_bulk_job(on, by, id)
    with_links = shows_links(by, job) and query.result != "refused"
    if with_links:
        require(by, "tokens:create")
        require_proof(by)
    return Results(job, query.format, _results(on, by, job, query.result, with_links))


def shows_links(by: Principal, job: BulkJob) -> bool:
    """Test whether the caller can still download the links of a job."""
    if job.action != "setup_links" or job.created_at <= clock.now() - LINKS_KEPT or job_options(job)["send"]:
        return False
    return (by.user_id, by.key_id, by.borrowed_session) == (job.user_id, job.key_id, job.session_id)


def can_be_undone(job: BulkJob) -> bool:
    """Test whether there is something that could be put back."""
    return job.action in UNDONE_BY and job.undoes is None and job.changed > 0


async def _results(
    on: Rollbook, by: Principal, job: BulkJob, result: str | None, with_links: bool
) -> AsyncGenerator[list[UserResult], None]:
    is_reader = reaches_all(by, "users:read")
    download = Download(on, by, "users:read" if is_reader else "users:write")
    unknown = ("", "") if is_reader else (None, None)
    after = ""
    while parts := await on.read(bulk_jobs.done_parts, job.id, after, 1, result):
        await download.check()
        [part] = parts
        after = part.id
        people = await on.read(bulk_jobs.people, [target.user_id for target in part.targets]) if is_reader else {}
        links = _unsealed(on, part) if with_links else None
        yield [
            UserResult(target.user_id, *people.get(target.user_id, unknown), outcome, links[at] if links else None)
            for at, (target, outcome) in enumerate(zip(part.targets, part.outcomes or (), strict=True))
            if result in (None, result_of(outcome))
        ]


def result_of(outcome: Outcome) -> str:
    return "refused" if isinstance(outcome, RefusedChange) else "unchanged" if outcome is False else "changed"


def _unsealed(on: Rollbook, part: JobPart) -> list[Link | None] | None:
    """The links of a part. None: it has none, or not any more."""
    return None if part.sealed is None else bulk_jobs.links(on.secret.unseal(SEALED, part.sealed, part.id.encode()))


# ---- what the job does


async def under_way(on: Rollbook) -> list[str]:
    """IDs of the jobs whose turn it is, oldest first: one of each creator, and of each rule."""
    jobs = reversed(await on.read(JOBS.unfinished))
    return sorted({(job.user_id, job.rule_id): job.id for job in jobs if job.status != COLLECTING}.values())


async def run_few(on: Rollbook, job: BulkJob) -> None:
    """Do a job of few users while its creator waits, if it is its turn. Otherwise, it goes on in the background."""
    if job.total <= PART and job.id in await under_way(on):
        with suppress(Unavailable):
            while await run_part(on, job.id):
                pass


async def run_part(on: Rollbook, id: str) -> bool:
    """Do the next part of a job, or end it. Returns whether there is more. Two processes may do so at the same time:
    one of them does nothing."""
    job = await on.read(JOBS.get, id)
    if job.finished_at is not None:
        return False
    by = Principal(SYSTEM.caller, job.address or "", id)
    try:
        by = await _caller(on, job)
        part = await on.read(bulk_jobs.next_part, job)
        if part is None:
            await on.db.write(_finish, by.actor, id, "finished")
            return False
        if job.undoes is not None:
            await events.settle(on.db)
        await on.db.write(_do, on, by, job, part, await _plans(on, by, job, part))
    except ApiError as problem:
        if problem.status >= 500:
            raise
        await fail(on, by.actor, id, problem)
        return False
    return True


async def _plans(on: Rollbook, by: Principal, job: BulkJob, part: JobPart) -> Sequence[Plan | ApiError]:
    """The change of each user of a part."""
    if job.action == "undo_import":
        return [Plan(reverting.revert_import, (on, by, target.user_id, job.undoes)) for target in part.targets]
    people = await on.read(bulk_jobs.known, [target.user_id for target in part.targets])
    planning = on.writing(bulk.planned)
    options = job_options(job)
    patch = MetadataPatch(bulk_jobs.metadata_patch(job)) if job.action == "metadata" else None
    plans: list[Plan | ApiError]
    if job.action in GROUP_ACTIONS:
        change = groups.join if job.action == "add_to_group" else groups.leave
        plans = [Plan(change, (by, options["group_id"], target.user_id)) for target in part.targets]
    elif job.action == "end_sessions":
        plans = [Plan(sessions.end_all_in, (on, by, target.user_id)) for target in part.targets]
    elif job.action in ONLY_RULES:
        plans = [*await rule_steps.planned(on, by, job, part)]
    else:
        targets = part.targets if job.rule_id is None else [JobUser(target.user_id) for target in part.targets]
        operations = [_operation(by, job.action, options, patch, target, people) for target in targets]
        plans = [await bulk.plan(planning, by, operation) for operation in operations]
    if job.undoes is None or (type := _REVERTED.get(job.action)) is None:
        return plans
    return [
        Plan(_revert, (on, by, target.user_id, job.undoes, type, plan))
        for target, plan in zip(part.targets, plans, strict=True)
    ]


async def fail(on: Rollbook, by: Actor, id: str, problem: ApiError) -> None:
    await on.db.write(_finish, by, id, "failed", Reason(problem.full_message, problem.code))


async def _caller(on: Rollbook, job: BulkJob) -> Principal:
    """The creator of the job, if they could still create it. Raises Unauthorized, Forbidden, NotFound."""
    by = cli_job(job.id)
    if job.user_id:
        by = await on.read(for_job, job.user_id, job.key_id, job.session_id, job.address, job.id)
    _require(by, job.action)
    options = job_options(job)
    if job.action == "role" and job.undoes is None:
        may_grant(by, options["role"])
    if job.action in GROUP_ACTIONS:
        await groups.check_may_change(on, by, options["group_id"])
    return by


_REFUSED = Forbidden("This is an application: choose applications by the filter kind=application.")
_REVERTED = {
    "metadata": "user.updated",
    "ends_at": "user.updated",
    "activate": "user.suspended",
    "remove_from_group": "group.member_added",
    "add_to_group": "group.member_removed",
}
"""Events that jobs which undo others put back, by their action: they know what was before."""


def _require(by: Principal, action: str) -> None:
    require(by, "users:write")
    require(by, _SCOPES.get(action, "users:write"))


def _operation(
    by: Principal,
    action: str,
    options: Mapping[str, Any],
    patch: MetadataPatch | None,
    target: JobUser,
    people: Mapping[str, UserState],
) -> Operation:
    id, role = target
    if action == "role":
        refused = NotYourself("You cannot change your own role in a bulk job.") if id == by.user_id else None
        return Operation("update", id, UserUpdate(role=role or options["role"]), refused=refused)
    if patch is not None:
        return Operation("update", id, UserPatch(metadata=patch))
    if action == "ends_at":
        end = options["ends_at"]
        return Operation("update", id, UserPatch(ends_at=None if end is None else Time(clock.parse(end))))
    if action == "setup_links":
        purpose = password_purpose(people[id].status if id in people else "")
        url = UNSET if options["redirect_url"] is None else RedirectUrl(options["redirect_url"])
        return Operation("create_token", id, TokenCreate(purpose=purpose, send=options["send"], redirect_url=url))
    return Operation(action, id)


async def _do(
    tx: Tx, on: Rollbook, by: Principal, job: BulkJob, part: JobPart, plans: Sequence[Plan | ApiError]
) -> None:
    """Nothing happens if the job has ended or come further, or if its creator has another role or key than it was
    planned with. Raises Unauthorized, Forbidden, NotFound."""
    now = await JOBS.get(tx, job.id)
    if now.finished_at is not None or now.parts_done != job.parts_done:
        return
    user_ids = [target.user_id for target in part.targets]
    await users.lock_owner_and_users(tx, [*user_ids, by.user_id])
    caller = await as_of_now(tx, by)
    if (caller.role, caller.scopes_on_all) != (by.role, by.caller.scopes_on_all):
        return
    people = await bulk_jobs.known(tx, user_ids)
    filters = job_options(job)["filter"] or {}
    if job.undoes is None and filters.get("kind") != APPLICATION:
        plans = [
            _REFUSED if (person := people.get(id)) is not None and person.kind == APPLICATION else plan
            for id, plan in zip(user_ids, plans, strict=True)
        ]
    if job.rule_id is not None:
        plans = await rule_people.leave_alone(tx, job, part, plans)
    results = await _attempt_each(tx, job, part, plans, people)
    outcomes = [_outcome(job, people.get(id), result) for id, result in zip(user_ids, results, strict=True)]
    links = [
        Link(result.text, result.token.purpose, result.token.expires_at)
        if isinstance(result, IssuedToken) and result.text
        else None
        for result in results
    ]
    sealed = None
    if any(links):
        sealed = on.secret.seal(SEALED, bulk_jobs.links_text(links), part.id.encode())
    await bulk_jobs.advance(tx, job, part, outcomes, sealed)
    if job.rule_id is not None:
        await rule_people.advance(tx, job, part, outcomes)


async def _attempt_each(
    tx: Tx, job: BulkJob, part: JobPart, plans: Sequence[Plan | ApiError], people: Mapping[str, UserState]
) -> list[Any]:
    """Change them all: the result for each, or why there is none."""
    changes: list[Call] = [
        (_change, (job, target, people.get(target.user_id), plan))
        for target, plan in zip(part.targets, plans, strict=True)
        if isinstance(plan, Plan)
    ]
    done = iter(await tx.attempt_each(changes))
    return [bulk.checked(next(done)) if isinstance(plan, Plan) else plan for plan in plans]


async def _change(tx: Tx, job: BulkJob, target: JobUser, before: UserState | None, plan: Plan) -> Any:
    """Raises ChangedSince, and what the plan does."""
    if job.undoes is not None and not await _is_same(tx, job, target, before):
        raise ChangedSince()
    return await plan.fn(tx, *plan.args)


async def _revert(
    tx: Tx, on: Rollbook, by: Principal, user_id: str, job_id: str, type: str, by_hand: Plan | ApiError
) -> Any:
    """Put back the metadata, end, status or membership that a job has changed. Raises NotReversible, and what the
    change by hand does, which also ends suspensions that the event log no longer has."""
    event = await events.of_request(tx, user_id, job_id, type)
    if event is None and type != "user.suspended":
        raise NotReversible("The event log no longer has what it was.")
    if isinstance(by_hand, ApiError):
        raise by_hand
    if event is None:
        return await by_hand.fn(tx, *by_hand.args)
    await reverting.revert_in(tx, on, by, event)
    return await users.get(tx, user_id) if type.startswith("user.") else None


async def _is_same(tx: Tx, job: BulkJob, target: JobUser, now: UserState | None) -> bool:
    """Test whether no one else has changed a user in the same way since the job that is undone."""
    if job.action == "role":
        return now is None or now.role in (job_options(job)["role"], target.role)
    if job.action in ("metadata", "ends_at", "undo_import", *GROUP_ACTIONS):
        return True  # the events are compared
    return await events.last_request(tx, target.user_id, _EVENTS[job.action]) in (None, job.undoes)


def _outcome(job: BulkJob, before: UserState | None, result: Any) -> Outcome:
    if isinstance(result, ApiError):
        return RefusedChange(result.code, result.full_message[:MAX_REASON])
    if result is False or (isinstance(result, User) and before is not None and result.version == before.version):
        return False
    return before.role if job.action == "role" and before is not None else True


async def _finish(tx: Tx, by: Actor, id: str, status: str, why: Reason = NO_REASON) -> BulkJob | None:
    job = await JOBS.finish(tx, id, status, why)
    if job is not None:
        await events.record(tx, "bulk_job.finished", job.user_id, by, bulk_jobs.in_events(job))
        if job.rule_id is not None:
            await rule_people.run_ended(tx, job)
            await rule_steps.run_ended(tx, job)
    return job


async def expire(on: Rollbook) -> bool:
    """Delete jobs after 30 days, and the oldest where there are too many; links after a day."""
    now = clock.now()
    has_old_jobs = await background_jobs.expire(on, JOBS, bulk_jobs.remove, PART)
    if has_old_links := await on.read(bulk_jobs.has_links, now - LINKS_KEPT):
        await on.db.write(bulk_jobs.forget_links, now - LINKS_KEPT, PART)
    return has_old_jobs or has_old_links
