"""The log of requests that were made with the person's keys, and one request in detail."""

from __future__ import annotations

from rollbook.actions import keys
from rollbook.http.response import Response
from rollbook.records.request_log import Logged
from rollbook.web import log_page
from rollbook.web.account import own_keys
from rollbook.web.log_page import KeyLink, Place
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    return await log_page.show(page, await _place(page))


async def show_live(page: PageRequest) -> Response:
    return await log_page.show_live(page, await _place(page))


async def show_one(page: PageRequest) -> Response:
    """Raises NotFound. Admins can see others' requests, but not here."""
    return await log_page.show_one(page, await _place(page), page.ids[0])


async def _place(page: PageRequest) -> Place:
    """Raises NotFound."""
    chosen = await own_keys.chosen(page)
    choices = own_keys.options(await keys.choices(page.on, page.by, page.me.user.id), chosen)
    names = dict(choices)

    async def name(request: Logged) -> KeyLink:
        if request.key_id not in names:
            names[request.key_id] = own_keys.label(await own_keys.find(page, request.key_id))
        return KeyLink(names[request.key_id], f"/account/keys/{request.key_id}")

    return Place("/account/requests", "account/requests", page.me.user.id, "Requests", choices, name)
