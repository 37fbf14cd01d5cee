"""A user's API keys, for admins: the same pages as one's own, without revealing."""

from __future__ import annotations

from rollbook.http.response import Response
from rollbook.web.admin import user_frame
from rollbook.web.admin.permitted import may_touch
from rollbook.web.keys import form, listing, one, secret
from rollbook.web.keys.holder import Holder, theirs
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    holder = await _holder(page)
    found = await listing.listed(page, holder)
    return page.render("admin/user_keys.html", **user_frame.context(page, holder.user, "keys"), **found)


async def show_form(page: PageRequest) -> Response:
    return await form.show(page, await _holder(page))


async def create(page: PageRequest) -> Response:
    return await form.create(page, await _holder(page))


async def show_one(page: PageRequest) -> Response:
    holder = await _holder(page)
    return await one.show(page, holder, page.ids[1], may_touch(page, holder.user.role))


async def show_secret(page: PageRequest) -> Response:
    return await secret.show(page, await _holder(page), page.ids[1])


async def rotate(page: PageRequest) -> Response:
    return await one.rotate(page, await _holder(page), page.ids[1])


async def revoke(page: PageRequest) -> Response:
    return await one.revoke(page, await _holder(page), page.ids[1])


async def _holder(page: PageRequest) -> Holder:
    """Raises NotFound."""
    return theirs(await user_frame.user(page))
