"""What a user's keys did over a period, for admins."""

from __future__ import annotations

from typing import NamedTuple

from rollbook.actions import keys as key_actions
from rollbook.actions import users
from rollbook.actions.arguments import ListKeys
from rollbook.errors import NotFound
from rollbook.http.response import Response
from rollbook.records.keys import Key
from rollbook.records.users import User
from rollbook.web import polling, usage_page
from rollbook.web.account import own_keys
from rollbook.web.page_request import PageRequest
from rollbook.web.usage_page import Place


class Whose(NamedTuple):
    user: User
    keys: list[Key]
    place: Place


async def show(page: PageRequest) -> Response:
    user, keys, place = await _whose(page)
    return page.render(
        "account/usage.html",
        section="admin/users",
        about=user,
        keys=own_keys.options(keys),
        **await usage_page.context(page, place, {key.id: own_keys.label(key) for key in keys}),
    )


async def show_live(page: PageRequest) -> Response:
    """The windows alone, for a page that is open."""
    _, _, place = await _whose(page)
    if not page.is_htmx:
        return page.redirect(place.path)
    found = await usage_page.gauges(page, place)
    return page.render(
        "account/live.html", place=place, gauges=found, polls=polling.next_poll(page), most_polls=polling.MAX_POLLS
    )


async def export(page: PageRequest) -> Response:
    _, keys, place = await _whose(page)
    return await usage_page.export(page, place, {key.id: key.name for key in keys})


async def _whose(page: PageRequest) -> Whose:
    """Raises NotFound."""
    user = await users.get(page.on, page.by, page.ids[0])
    found = await key_actions.list_keys(page.on, page.by, ListKeys(user=user.id, limit=own_keys.MAX_OPTIONS), newest_first=True)
    key = None
    if id := page.query.get("key"):
        key = await key_actions.get(page.on, page.by, id)
        if key.user_id != user.id:
            raise NotFound()
    limit = page.on.policy.limit_for(user.role, user.rate_limit)
    path = f"/admin/users/{user.id}/usage"
    return Whose(user, found.keys, Place(user.id, limit, path, "/admin/requests", {"user": user.id}, key))
