"""Users, groups and API keys that the palette finds while somebody types: a part of a page."""

from __future__ import annotations

from rollbook.actions import groups, keys, users
from rollbook.actions.arguments import ListGroups, ListKeys, UserSelection
from rollbook.actions.checking import check_texts
from rollbook.errors import InvalidParameter, Unavailable
from rollbook.http.response import Response
from rollbook.records.groups import Group
from rollbook.records.keys import Key
from rollbook.records.user_list.query import Query
from rollbook.records.users import User
from rollbook.web.admin import stopping
from rollbook.web.admin.user_filters import NEWEST_FIRST
from rollbook.web.page_request import PageRequest

MAX_USERS = 6
MAX_GROUPS = 3
MAX_KEYS = 6


async def show(page: PageRequest) -> Response:
    """People, groups and API keys for Ctrl-K. None where a search for this text isn't possible, or not yet."""
    text = " ".join(page.query.get("q", "").split())
    people: list[User] = []
    teams: list[Group] = []
    found: list[Key] = []
    try:
        if text:
            exact = await _found(page, email=text) if "@" in text else []
            people = [*dict.fromkeys([*exact, *await _found(page, q=text)])][:MAX_USERS]
            if page.may("keys:read") and text.startswith(("rbk_", "key_")):
                query = {"user": keys.ALL, "prefix": text, "limit": str(MAX_KEYS)}
                found = (await keys.select(page.on, page.by, check_texts(ListKeys, query))).keys
            if page.may("groups:read"):
                asked = check_texts(ListGroups, {"q": text, "limit": str(MAX_GROUPS)})
                teams = (await groups.list_groups(page.on, page.by, asked)).groups
    except (InvalidParameter, Unavailable):
        pass
    stops = await stopping.of_users(page, people)
    return page.render("admin/people.html", people=people, groups=teams, keys=found, stops=stops)


async def _found(page: PageRequest, **filters: str) -> list[User]:
    selection = check_texts(UserSelection, {**filters, "sort": NEWEST_FIRST})
    query = Query(users.filters_of(selection), users.order_of(users.sort_of(selection)), MAX_USERS)
    return [User._make(row) for row in (await users.list_users(page.on, page.by, query)).rows]
