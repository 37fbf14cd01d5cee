"""People who are absent from the file of an import: of those whom it should have, whoever has neither their email nor
their external ID in it. `bulk_jobs` suspends them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import NamedTuple

from rollbook.actions import import_files, rules
from rollbook.actions.arguments.imports import ImportOptions
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require
from rollbook.actions.principal import Principal
from rollbook.actions.users import check_group
from rollbook.records import imports, user_list
from rollbook.records.imports import ABSENT, MAX_REFUSALS, Counts, Import, Refusal
from rollbook.records.user_imports import FileKeys
from rollbook.records.user_list.query import PERSONS, Filters, Query
from rollbook.records.users import User
from rollbook.roles import is_barred

AT_ONCE = 10_000
"""Users that are read at a time."""
PAGE = 1_000
"""Reported users that are read at a time."""
OPTIONS = ("absent", "absent_group", "absent_metadata")


class Absence(NamedTuple):
    """People who are absent."""

    reported: list[Refusal]
    """As many of them as a report has room for."""
    total: int
    may_go: bool
    """False: they are so many, or so much of the file couldn't be read, that someone has to look at it first."""


async def check(on: Rollbook, by: Principal, options: ImportOptions) -> None:
    """Check that someone may ask who is absent. Raises InsufficientScope, InvalidParameter, NotFound."""
    group, pair = options.absent_group, options.absent_metadata
    if options.absent == "ignore":
        for name in OPTIONS[1:]:
            if getattr(options, name) is not None:
                refuse(name, "is only for absent: report or suspend")
        return
    require(by, "users:read")
    if (group is None) == (pair is None):
        refuse(
            "absent",
            "needs a group or a value in the metadata (absent_group or absent_metadata): only its people can be absent",
        )
    if group is not None:
        await check_group(on, by, group)
    elif (key := str(pair).partition(":")[0]) in on.settings.member_fields.metadata_keys:
        refuse("absent_metadata", f"can't be {key}, which users can change themselves (member_fields)")


def file_keys(data: Path | None, id: str, options: ImportOptions) -> FileKeys | None:
    """Keys of the file of an import that asks who is absent: beside the file if that is in the folder `data`."""
    if options.absent == "ignore":
        return None
    return FileKeys(None if data is None else import_files.keys_path(data, id))


async def find(on: Rollbook, by: Principal, options: ImportOptions, counts: Counts, keys: FileKeys) -> Absence:
    """Find who is absent, once the whole file was read. More than 50 people and 5 % of those whom it should have may
    not go at once, nor more than half of them."""
    total, absent = 0, 0
    reported: list[Refusal] = []
    room = MAX_REFUSALS - counts.reported
    async for users in _people(on, by, _filters(options.absent_group, options.absent_metadata)):
        total += len(users)
        for user in users:
            if not keys.has(user.email, user.external_id):
                absent += 1
                if len(reported) < room:
                    reported.append(Refusal(0, None, ABSENT, "Not in the file.", user.id))
    ceiling = min(max(rules.MAX_USERS, total // rules.SHARE), total // 2)
    is_known = keys.records >= counts.records and not keys.unknown
    return Absence(reported, absent, is_known and absent <= ceiling and absent == len(reported))


async def still_absent(on: Rollbook, by: Principal, job: Import) -> AsyncGenerator[list[str], None]:
    """IDs of people whom an import has reported, without those who are no longer for it."""
    after = job.counts.reported - 1
    filters = _filters(job.absent_group, job.absent_metadata)
    while part := await on.read(imports.refusals, job.id, after, PAGE):
        after = part[-1][0]
        ids = tuple([str(refusal.user_id) for _, refusal in part if refusal.code == ABSENT])
        if ids:
            async for users in _people(on, by, filters._replace(ids=ids)):
                yield [user.id for user in users]


def _filters(group: str | None, pair: str | None) -> Filters:
    key, _, value = (pair or "").partition(":")
    return PERSONS._replace(group=group, metadata=((key, value),) if pair else None)


async def _people(on: Rollbook, by: Principal, filters: Filters) -> AsyncGenerator[list[User], None]:
    """People who can be suspended: neither owners, nor whoever imports, nor whom their key goes back to."""
    query = Query(filters, limit=AT_ONCE)
    spared = {by.user_id, by.caller.created_by, *by.caller.goes_back_to}
    while True:
        page = await on.read_aside(user_list.read, query)
        users = [User._make(row) for row in page.rows]
        yield [user for user in users if user.role != "owner" and user.id not in spared and not is_barred(user.status)]
        if page.after is None:
            return
        query = query._replace(position=page.after)
