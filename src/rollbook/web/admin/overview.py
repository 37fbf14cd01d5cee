"""The overview of the server: first steps on a new server, how many people there are, requests with API keys, recent
events.

First steps on a new server, for its owner and admins: a checklist on the overview. What is done is read from the
data, and remembered: a key may be erased later, a webhook or an application deleted.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from rollbook import clock
from rollbook.actions import users
from rollbook.errors import Unavailable
from rollbook.http.request import Response
from rollbook.records import events, keys, marks, user_list, webhooks
from rollbook.records import usage as usage_records
from rollbook.records import users as user_records
from rollbook.records.usage import Hour
from rollbook.records.user_list.query import PERSONS, Filters
from rollbook.roles import APPLICATION, ROLES
from rollbook.storage.database import Queries, Tx
from rollbook.web import plots, usage
from rollbook.web.admin import attention, changes
from rollbook.web.admin.changes import EventInWords
from rollbook.web.page_request import PageRequest, cookie_of

FIRST_STEPS_COOKIE = "-first-steps"
"""The end of the name of the cookie with which a browser has dismissed them."""

FIRST_STEPS_MARK = "first_steps.done"
"""Mark: the sum of a power of two for each step that was done, the first one's is 1."""


class FirstStep(NamedTuple):
    done: bool
    title: str
    text: str
    path: str


def are_first_steps_dismissed(page: PageRequest) -> bool:
    return cookie_of(page.request, page.on.settings, FIRST_STEPS_COOKIE) is not None


async def dismiss_first_steps(page: PageRequest) -> Response:
    return page.redirect(
        "/admin", headers=page.set_cookie("dismissed", 365 * clock.DAY // clock.SECOND, FIRST_STEPS_COOKIE)
    )


async def first_steps(page: PageRequest, total: int) -> list[FirstStep]:
    """The steps, on a server with this many people, deleted ones included; none when all are done."""
    before, now = await page.on.read(_done, page.me.user.id, total)
    if now != before:
        with suppress(Unavailable):  # the page is to be read
            await page.on.write(_remember, now)
    steps = _steps(now)
    return [] if all(step.done for step in steps) else steps


async def _done(queries: Queries, user_id: str, total: int) -> tuple[int, int]:
    """The steps done at an earlier look, and by now; as MARK says it."""
    before = await marks.get(queries, FIRST_STEPS_MARK)
    own = await keys.milestones(queries, user_id)
    done = (total > 1, own.narrow, own.used, own.used_narrow or bool(await webhooks.some(queries, None, 1)))
    return before, before | sum(1 << number for number, is_done in enumerate(done) if is_done)


async def _remember(tx: Tx, done: int) -> None:
    await marks.advance(tx, FIRST_STEPS_MARK, done | await marks.lock(tx, FIRST_STEPS_MARK))


def _steps(done: int) -> list[FirstStep]:
    return [
        FirstStep(
            bool(done & 1),
            "Create a user",
            "Enter a name and an email, and choose how they get a password.",
            "/admin/users/new",
        ),
        FirstStep(
            bool(done & 2),
            "Create an application",
            "Your shop or a script gets a name and an API key of its own, with only the permissions it needs.",
            "/admin/applications/new",
        ),
        FirstStep(
            bool(done & 4),
            "See a request",
            "Call the API with the command that you see with a new key. It appears in the log within seconds.",
            "/admin/requests",
        ),
        FirstStep(
            bool(done & 8),
            "Use it in your code",
            "Receive events by webhook, or call the API with the Python or TypeScript SDK.",
            "/docs/integrations",
        ),
    ]


DAYS = 30
"""Days of which the number of new users is shown."""
MAX_COUNTED = 100_000
"""The number at which counting the people of a role or status ends: 5 ms."""
LATEST = 6
READ = 100
"""Events among which the rows are looked for, since those of an import are in one."""


class Board(NamedTuple):
    """The contents of the overview, from one snapshot."""

    total: int
    """People: users who are no applications, as the list has them."""
    applications: int
    created: list[int]
    """People created since each of the times."""
    few: dict[str, int | None]
    """People with each role and some statuses. None: more than MAX_COUNTED."""
    deleted: int | None
    """Users of any kind, as the list of them has them."""
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
    week = usage_records.total(board.hours)
    steps: list[FirstStep] = []
    if page.may("users:write") and not are_first_steps_dismissed(page):
        ever = board.total + (MAX_COUNTED if board.deleted is None else board.deleted)
        steps = await first_steps(page, ever)
    return page.render(
        "admin/overview.html",
        section="admin",
        total=board.total,
        applications=board.applications,
        steps=steps,
        needs=await attention.needs_of(page),
        is_empty=bool(steps) and not any(step.done for step in steps),
        new_day=board.created[DAYS],
        new_week=board.created[DAYS + 1],
        joined=plots.users_by_day(list(zip(days, on_each_day, strict=True)), page.zone),
        has_days=sum(map(bool, on_each_day)) > 1,
        few=board.few,
        deleted=board.deleted,
        in_words=lambda count: f"{MAX_COUNTED:,}+" if count is None else f"{count:,}",
        day=usage_records.total(lately),
        week=week,
        day_plot=plots.requests(lately, until - clock.DAY, until, "Requests per hour, last 24 hours", zone=page.zone),
        week_plot=plots.requests(board.hours, since, until, "Requests per hour, last 7 days", zone=page.zone),
        changes=board.changes,
        most_read=READ,
    )


async def _board(queries: Queries, times: list[int], since: int, restorable: int) -> Board:
    total = await user_list.read_count(queries, PERSONS)
    few = await by_role(queries, total, MAX_COUNTED)
    for status in ("invited", "suspended"):
        few[status] = await user_list.count_up_to(queries, PERSONS._replace(status=status), MAX_COUNTED)
    deleted = await user_records.count_lately_deleted(queries, restorable, MAX_COUNTED + 1)
    return Board(
        total,
        await user_list.read_count(queries, Filters(kind=APPLICATION)),
        await user_list.created_since(queries, times),
        few,
        deleted if deleted <= MAX_COUNTED else None,
        await usage_records.hours(queries, usage_records.ALL_USERS, since),
        await changes.in_rows(queries, (await events.latest(queries, READ)).events, LATEST),
    )


async def by_role(queries: Queries, total: int, limit: int) -> dict[str, int | None]:
    """Count the people of each role: members, who are most, as the rest. None: more than `limit`."""
    filters = {role: PERSONS._replace(role=role) for role in ROLES}
    members = filters.pop("member")
    few = {role: await user_list.count_up_to(queries, role_filters, limit) for role, role_filters in filters.items()}
    counts = [count for count in few.values() if count is not None]
    is_rest = len(counts) == len(few)
    few["member"] = total - sum(counts) if is_rest else await user_list.count_up_to(queries, members, limit)
    return few
