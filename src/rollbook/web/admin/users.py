"""The list of users: search, filters, order, pages; and as a file.

Users, groups and API keys that the palette finds while somebody types: a part of a page.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rollbook import clock
from rollbook.actions import exports, groups, keys, users
from rollbook.actions.arguments.groups import ListGroups
from rollbook.actions.arguments.keys import ListKeys
from rollbook.actions.arguments.users import TIMES, ExportUsers
from rollbook.actions.checking import check_texts
from rollbook.actions.keys import KeyPage
from rollbook.api import exports as export_files
from rollbook.api import take
from rollbook.api.files import File
from rollbook.errors import InvalidParameter, Unavailable
from rollbook.http.request import Response, line
from rollbook.records.groups import Group
from rollbook.records.user_list.query import Position, Query
from rollbook.records.users import User
from rollbook.roles import DELETED, ROLES, STATUSES
from rollbook.web import forms, zones
from rollbook.web.admin import bulk, stopping
from rollbook.web.admin.events import wrong
from rollbook.web.admin.groups import find_group
from rollbook.web.admin.user_filters import (
    HOW,
    KINDS,
    LABELS,
    NEWEST_FIRST,
    POSITIONS,
    asked_of,
    chips,
    filters_of,
    find_people,
    list_url,
    selection_of,
)
from rollbook.web.page_request import PageRequest, download_file, minute, whole_number

PAGE = 50
SORTS = [
    ("", "Newest first"),
    ("created_at", "Oldest first"),
    ("name", "Name, A to Z"),
    ("-name", "Name, Z to A"),
    ("email", "Email, A to Z"),
    ("-email", "Email, Z to A"),
    ("last_active_at", "Longest inactive first"),
    ("-last_active_at", "Last active first"),
    ("ends_at", "Ends first"),
]


class UserListPage(NamedTuple):
    """A page of the list, and the URLs of those around it."""

    users: list[User]
    total: int | None
    previous: str | None
    next: str | None
    more_than: int = 0
    """A number that the total exceeds, if that isn't known."""


async def show(page: PageRequest) -> Response:
    """The list, or only its table when htmx requests it."""
    query = page.query
    values = asked_of(query)
    if values["status"] == DELETED:
        return page.redirect("/admin/users/deleted")
    number, listed = 1, UserListPage([], None, None, None)
    problems: dict[str, str] = {}
    shown: dict[str, str] = {}
    try:
        if values["group"]:
            group = await find_group(page, values["group"])
            values, shown = values | {"group": group.id}, {"group": group.name}
        number = _page_number(query.get("page", ""))
        listed = await _counted(page, values, number, await listed_page(page, values, number))
    except InvalidParameter as error:
        problems = forms.problems(page, error, LABELS)
    pages = None if listed.total is None else max(1, -(-listed.total // PAGE))
    context: dict[str, Any] = {
        **_filters(values, shown),
        "section": "admin/users",
        "zone": zones.named(values.get("zone")) if any(values[name] for name in TIMES) else page.zone,
        "role_options": list(ROLES),
        "status_options": list(STATUSES),
        "kinds": KINDS,
        "sorts": SORTS,
        "bulk_options": bulk.options(page),
        "may_touch": page.may_touch,
        "positions": {name: query.get(name, "") for name in POSITIONS},
        "listed": listed,
        "stops": await stopping.of_users(page, listed.users),
        "retention_days": page.on.settings.deleted_retention,
        "number": number,
        "pages": pages,
        "problems": problems,
        "last_link": None if pages is None else list_url(values, page=pages),
    }
    if page.is_htmx:
        # What is searched for while typing gets a URL too, without the fields that are empty.
        return page.render("admin/users_table.html", headers=line("HX-Replace-Url", list_url(values)), **context)
    return page.render("admin/users.html", **context)


async def export(page: PageRequest) -> Response:
    """All users that the filters select, as a file. Raises ApiError."""
    format = page.query.get("format", "").strip()
    query = check_texts(ExportUsers, filters_of(asked_of(page.query)) | ({"format": format} if format else {}))
    file = await exports.export_users(page.on, page.by, query, export_files.form_of(query.format))
    return download_file(f"rollbook-users-{minute()}", File(query.format, file.parts))


def _filters(values: dict[str, str], shown: dict[str, str]) -> dict[str, Any]:
    """The filters and the order, and the links that change them."""
    filtered = [name for name, value in values.items() if value and name not in HOW]
    return {
        "asked": values,
        "filtered": bool(filtered),
        "plain": not filtered and values["sort"] in ("", "created_at"),
        "more_asked": any(name not in ("q", "role", "status") for name in filtered),
        "chips": chips(values, shown),
        "sort_link": lambda name: list_url(values | {"sort": _turned(values["sort"], name)}),
        "sorted_by": lambda name: {name: "ascending", f"-{name}": "descending"}.get(values["sort"] or NEWEST_FIRST),
        "export_link": lambda format: list_url({**values, "sort": ""}, "/admin/users/export", format=format),
        "count_link": list_url(values, count="exact"),
    }


async def listed_page(
    page: PageRequest, values: dict[str, str], number: int, path: str = "/admin/users"
) -> UserListPage:
    """The users that these filters select, newest first; `path` is the page that lists them. Raises
    InvalidParameter."""
    selection = selection_of(values)
    cursor, count = page.query.get("cursor", ""), page.query.get("count", "")
    secret = page.on.secret
    sort = users.sort_of(selection)
    position = take.position(secret, sort, cursor) if cursor else None
    offset = 0 if cursor else (number - 1) * PAGE
    query = Query(users.filters_of(selection), users.order_of(sort), PAGE, offset, position, count=count == "exact")
    batch = await users.list_users(page.on, page.by, query)

    def url(position: Position | None, number: int) -> str | None:
        if position is None:
            return None
        return list_url(values, path, page=number, cursor=take.cursor(secret, sort, position), count=count)

    return UserListPage(
        [User._make(row) for row in batch.rows],
        batch.total,
        url(batch.before, max(1, number - 1)),
        url(batch.after, number + 1),
    )


async def _counted(page: PageRequest, values: dict[str, str], number: int, listed: UserListPage) -> UserListPage:
    """The page of this number, with the total where that is quick to count."""
    if listed.total is not None:
        return listed
    if number == 1 and listed.previous is None and listed.next is None:
        return listed._replace(total=len(listed.users))
    counted = await users.count_soon(page.on, page.by, users.filters_of(selection_of(values)))
    if counted.is_exact:
        return listed._replace(total=counted.users)
    return listed._replace(more_than=max(counted.users, (number - 1) * PAGE + len(listed.users)))


def _turned(sort: str, name: str) -> str:
    """The order after a press on a column's heading: by this column, or the other way round."""
    order = f"-{name}" if (sort or NEWEST_FIRST) == name else name
    return "" if order == NEWEST_FIRST else order


def _page_number(text: str) -> int:
    number = whole_number(text or "1", 12)
    if not number:
        raise wrong("page", "The page must be a whole number, 1 or higher.")
    return number


async def show_deleted(page: PageRequest) -> Response:
    before = _deleted_before(page.query.get("before", ""))
    batch = await users.list_deleted(page.on, page.by, PAGE + 1, before)
    has_more = len(batch) > PAGE
    batch = batch[:PAGE]
    days = page.on.settings.deleted_retention
    return page.render(
        "admin/deleted.html",
        section="admin/users/deleted",
        found=batch,
        retention=days * clock.DAY,
        retention_days=days,
        first=before is None,
        next=f"/admin/users/deleted?before={batch[-1].deleted_at}-{batch[-1].user.seq}" if has_more else None,
        may_touch=lambda user: page.may_touch(user.role),
    )


def _deleted_before(text: str) -> tuple[int, int] | None:
    """Position at which the page before this one ended: when its last user was deleted, and their number. Raises
    InvalidParameter."""
    if not text:
        return None
    at, _, seq = text.partition("-")
    deleted_at, number = whole_number(at), whole_number(seq)
    if deleted_at is None or number is None:
        raise InvalidParameter("This link is invalid. Start from the newest.", param="before")
    return deleted_at, number


MAX_USERS = 6
MAX_GROUPS = 3
MAX_KEYS = 6


async def show_matches(page: PageRequest) -> Response:
    """People, groups and API keys for Ctrl-K. None where a search for this text isn't possible, or not yet."""
    text = " ".join(page.query.get("q", "").split())
    people: list[User] = []
    teams: list[Group] = []
    batch = KeyPage([], 0, {})
    try:
        if text:
            people = await find_people(page, text, MAX_USERS)
            if page.may("keys:read") and text.startswith(("rbk_", "rbo_", "key_")):
                query = {"user": keys.ALL, "prefix": text, "limit": str(MAX_KEYS)}
                batch = await keys.select(page.on, page.by, check_texts(ListKeys, query))
            if page.may("groups:read"):
                group_query = check_texts(ListGroups, {"q": text, "limit": str(MAX_GROUPS)})
                teams = (await groups.list_groups(page.on, page.by, group_query)).groups
    except (InvalidParameter, Unavailable):
        pass
    stops = await stopping.of_users(page, people)
    return page.render("admin/people.html", people=people, groups=teams, found=batch, stops=stops)
