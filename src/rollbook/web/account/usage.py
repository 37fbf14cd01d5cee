"""Usage of the person's keys over a period, and the windows of their limits as they stand now."""

from __future__ import annotations

from rollbook.http.response import Response
from rollbook.web import usage_page
from rollbook.web.account import own_keys
from rollbook.web.page_request import PageRequest
from rollbook.web.usage_page import Place


async def show(page: PageRequest) -> Response:
    """Of all keys, or of one."""
    return await usage_page.show(page, await _place(page))


async def show_live(page: PageRequest) -> Response:
    return await usage_page.show_live(page, await _place(page))


async def export(page: PageRequest) -> Response:
    return await usage_page.export(page, await _place(page))


async def _place(page: PageRequest) -> Place:
    """Raises NotFound."""
    return Place(page.me.user, True, await own_keys.chosen(page))
