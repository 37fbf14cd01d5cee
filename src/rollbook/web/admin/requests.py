"""The request log of all users, or of one, for admins."""

from __future__ import annotations

from rollbook.errors import NotFound
from rollbook.http.response import Response
from rollbook.records import users
from rollbook.records.request_log import Logged
from rollbook.web import log_page
from rollbook.web.log_page import KeyLink, Place
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    return await log_page.show(page, _place(page))


async def show_live(page: PageRequest) -> Response:
    return await log_page.show_live(page, _place(page))


async def show_one(page: PageRequest) -> Response:
    """Raises NotFound."""
    return await log_page.show_one(page, _place(page), page.ids[0])


def _place(page: PageRequest) -> Place:
    names: dict[str, str] = {}

    async def name(request: Logged) -> KeyLink:
        id = request.user_id
        if id not in names:
            try:
                names[id] = (await users.get(page.on.db, id)).name
            except NotFound:  # deleted since
                names[id] = id
        return KeyLink(names[id], f"/admin/users/{id}")

    return Place("/admin/requests", "admin/requests", None, "All requests", None, name)
