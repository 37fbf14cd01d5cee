"""What the person's keys did over a period, and the windows of their limits as they stand now."""

from __future__ import annotations

from rollbook.http.response import Response
from rollbook.web import polling, usage_page
from rollbook.web.account import own_keys
from rollbook.web.page_request import PageRequest
from rollbook.web.usage_page import Place


async def show(page: PageRequest) -> Response:
    """Of all keys, or of one."""
    place = await _place(page)
    keys = await own_keys.newest(page)
    names = {key.id: own_keys.label(key) for key in keys}
    return page.render(
        "account/usage.html",
        section="account/usage",
        about=None,
        keys=own_keys.options(keys),
        **await usage_page.context(page, place, names),
    )


async def show_live(page: PageRequest) -> Response:
    """The windows alone, for a page that is open."""
    place = await _place(page)
    if not page.is_htmx:
        return page.redirect("/account/usage")
    found = await usage_page.gauges(page, place)
    return page.render(
        "account/live.html", place=place, gauges=found, polls=polling.next_poll(page), most_polls=polling.MAX_POLLS
    )


async def export(page: PageRequest) -> Response:
    keys = await own_keys.newest(page)
    return await usage_page.export(page, await _place(page), {key.id: key.name for key in keys})


async def _place(page: PageRequest) -> Place:
    """Raises NotFound."""
    key = await own_keys.find(page, id) if (id := page.query.get("key")) else None
    return Place(page.me.user.id, page.by.caller.limit, "/account/usage", "/account/requests", {}, key)
