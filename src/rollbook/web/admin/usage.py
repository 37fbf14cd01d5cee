"""Usage of a user's keys over a period, for admins."""

from __future__ import annotations

from rollbook.http.response import Response
from rollbook.web import usage_page
from rollbook.web.admin import user_frame
from rollbook.web.keys.holder import find, theirs
from rollbook.web.page_request import PageRequest
from rollbook.web.usage_page import Place


async def show(page: PageRequest) -> Response:
    return await usage_page.show(page, await _place(page))


async def show_live(page: PageRequest) -> Response:
    return await usage_page.show_live(page, await _place(page))


async def export(page: PageRequest) -> Response:
    return await usage_page.export(page, await _place(page))


async def _place(page: PageRequest) -> Place:
    """Raises NotFound."""
    user = await user_frame.user(page)
    return Place(user, False, await find(page, theirs(user), id) if (id := page.query.get("key")) else None)
