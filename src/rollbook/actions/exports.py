"""The directory as a file: all users, or those that match, as they were at one moment."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from rollbook.actions.arguments.users import TIMES, ExportUsers
from rollbook.actions.checking import time_text
from rollbook.actions.context import Rollbook
from rollbook.actions.exporting import Form, Spool, take_turn
from rollbook.actions.permissions import reaches_all, require, require_proof
from rollbook.actions.principal import Principal
from rollbook.actions.users import check_group, filters_of
from rollbook.errors import InsufficientScope, StorageUnavailable
from rollbook.records import event_log, events, user_list
from rollbook.records import groups as group_records
from rollbook.records.user_list.query import Filters, Query
from rollbook.records.users import User
from rollbook.storage.database import Queries

AT_ONCE = 200
"""Users that are read and written at a time: on PostgreSQL, that is done on the event loop."""


class ExportedUser(NamedTuple):
    """A user, with the hash of their password and the text of their groups where those are told."""

    user: User
    hash: str | None
    groups: str | None


class UserListExport(NamedTuple):
    parts: Spool
    position: int
    """Position of the event log: the export has all changes up to there."""


async def export_users(
    on: Rollbook, by: Principal, query: ExportUsers, form: Form, with_hashes: bool = False
) -> UserListExport:
    """Export users

    Returns a snapshot of all users, or of those that match the filters, in the order in which they were added and with
    all fields. If you import it, you get the same users in the same order, with the same times. Follow the event log
    from its `Event-Position`. The export contains no API keys, sessions or password hashes; on the server's machine,
    `rollbook users export --with-hashes` includes the hashes. You can run one export at a time.
    """
    require(by, "users:export")
    require_proof(by)
    if with_hashes and not by.is_operator:
        raise InsufficientScope("Password hashes can only be exported from the data folder, on the server's machine.")
    filters = filters_of(query)
    if filters.group is not None:
        await check_group(on, by, filters.group)
    with_groups = reaches_all(by, "groups:read")
    turn = take_turn(on, by, "users:export")
    details = {"count": await user_list.count(on.db, filters), "filters": _told(filters), "with_hashes": with_hashes}
    await on.write(events.record, "users.exported", "", by.actor, details)
    await events.settle(on.db)
    try:
        spool = Spool(on.settings.data, turn)
    except OSError:
        raise StorageUnavailable("The server can't create a file for the export. Check its disk.") from None
    begun: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    reading = asyncio.get_running_loop().create_task(
        _read(on, spool, begun, Query(filters, limit=AT_ONCE), form, with_hashes, with_groups)
    )
    _reading.add(reading)
    reading.add_done_callback(_reading.discard)
    return UserListExport(spool, await begun)


def _told(filters: Filters) -> dict[str, str]:
    """Filters for the event log, without what is personal."""
    shown: dict[str, str] = {}
    for name, value in filters._asdict().items():
        if value is not None:
            is_told = name in ("role", "status", "kind", "group", "email_verified", "second_factor")
            text = str(value).lower() if isinstance(value, bool) else value
            shown[name] = time_text(value) if name in TIMES else text if is_told else "…"
    return shown


_reading: set[asyncio.Task[None]] = set()
"""Kept, or they could be collected before they are done."""


async def _read(on: Rollbook, spool: Spool, begun: asyncio.Future[int], *arguments: Any) -> None:
    try:
        async with on.exports:
            await on.read_aside(_all, spool, begun, *arguments)
    except Exception as problem:
        if not begun.done():
            begun.set_exception(problem)
        spool.end(problem)
    else:
        spool.end()


async def _all(
    queries: Queries,
    spool: Spool,
    begun: asyncio.Future[int],
    query: Query,
    form: Form,
    with_hashes: bool,
    with_groups: bool,
) -> None:
    """Read one snapshot, from a thread on SQLite. It lasts for as long as it takes to read all, however slowly the
    client reads them."""
    position = await event_log.position(queries)
    begun.get_loop().call_soon_threadsafe(_begin, begun, position)
    spool.write(form.start)
    read = user_list.read_held if with_hashes else user_list.read
    width = len(User._fields)
    while not spool.is_closed:
        page = await read(queries, query)
        users = [User._make(row[:width]) for row in page.rows]
        groups = await group_records.of_users(queries, [user.id for user in users]) if with_groups else None
        lines = [
            ExportedUser(
                user,
                row[width] if with_hashes else None,
                None if groups is None else group_records.write(groups.get(user.id, ())),
            )
            for user, row in zip(users, page.rows, strict=True)
        ]
        spool.write(form.part(lines))
        if page.after is None:
            return
        query = query._replace(position=page.after)


def _begin(begun: asyncio.Future[int], position: int) -> None:
    if not begun.done():  # on PostgreSQL, a snapshot is taken again where its connection broke
        begun.set_result(position)
