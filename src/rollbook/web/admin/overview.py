"""The overview of the server: first steps on a new server, how many users there are, requests with API keys, recent
events."""

from __future__ import annotations

from typing import NamedTuple

from rollbook import clock
from rollbook.actions import users
from rollbook.http.response import Response
from rollbook.records import events, user_list
from rollbook.records import usage as usage_records
from rollbook.records import users as user_records
from rollbook.records.usage import Hour
from rollbook.roles import ROLES
from rollbook.storage.database import Queries
from rollbook.web import plots, usage
from rollbook.web.admin import changes, first_steps
from rollbook.web.admin.changes import EventInWords
from rollbook.web.admin.first_steps import Step
from rollbook.web.page_request import PageRequest

DAYS = 30
"""Days of which the number of new users is shown."""
MAX_COUNTED = 100_000
"""The number at which counting the users of a role or status ends: 5 ms."""
LATEST = 6


class Board(NamedTuple):
    """The contents of the overview, from one snapshot."""

    created: list[int]
    """Users created since each of the times."""
    few: dict[str, int]
    """Users with each role and some statuses, up to MAX_COUNTED."""
    deleted: int
    hours: list[Hour]
    changes: list[EventInWords]


async def show(page: PageRequest) -> Response:
    now = clock.now()
    since, until = usage.last_week()
    days = page.zone.last_days(now, DAYS)
    times = [*days, now - clock.DAY, now - 7 * clock.DAY]
    await events.settle(page.on.db)
    board = await page.on.read_aside(_board, times, since, users.restorable_since(page.on))
    created = board.created[:DAYS]
    on_each_day = [count - later for count, later in zip(created, [*created[1:], 0], strict=True)]
    lately = [hour for hour in board.hours if hour.at >= until - clock.DAY]
    total, week = await users.count_users(page.on, page.by), usage_records.total(board.hours)
    steps: list[Step] = []
    if page.may("users:write") and not first_steps.are_dismissed(page):
        steps = await page.on.read(first_steps.find, page.me.user.id, total + board.deleted)
    return page.render(
        "admin/overview.html",
        section="admin",
        total=total,
        steps=steps,
        is_empty=bool(steps) and not any(step.done for step in steps),
        new_day=board.created[DAYS],
        new_week=board.created[DAYS + 1],
        joined=plots.users_by_day(list(zip(days, on_each_day, strict=True)), page.zone),
        few=with_members(board.few, total),
        deleted=board.deleted,
        in_words=lambda count: f"{count:,}" if count != MAX_COUNTED else f"{count:,}+",
        day=usage_records.total(lately),
        week=week,
        day_plot=plots.requests(lately, until - clock.DAY, until, "Requests per hour, last 24 hours", zone=page.zone),
        week_plot=plots.requests(board.hours, since, until, "Requests per hour, last 7 days", zone=page.zone),
        changes=board.changes,
    )


def with_members(few: dict[str, int], total: int) -> dict[str, int]:
    """Counts in which members, where they are too many to count, are all who have no other role."""
    others = [few[role] for role in ROLES if role != "member"]
    if few["member"] < MAX_COUNTED or max(others) >= MAX_COUNTED:
        return few
    return few | {"member": max(MAX_COUNTED, total - sum(others))}


async def _board(queries: Queries, times: list[int], since: int, restorable: int) -> Board:
    few = {role: await user_list.count_few(queries, "role", role, MAX_COUNTED) for role in ROLES}
    for status in ("invited", "suspended"):
        few[status] = await user_list.count_few(queries, "status", status, MAX_COUNTED)
    return Board(
        await user_list.created_since(queries, times),
        few,
        await user_records.count_lately_deleted(queries, restorable, MAX_COUNTED),
        await usage_records.hours(queries, usage_records.ALL_USERS, since),
        (await changes.latest(queries, LATEST)).changes,
    )
