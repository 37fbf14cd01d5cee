"""A user's API keys, for admins: the same pages as one's own, without revealing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rollbook.http.response import Response
from rollbook.web.admin import user_frame
from rollbook.web.admin.permitted import may_touch
from rollbook.web.keys import form, listing, one, secret
from rollbook.web.keys.holder import theirs
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    holder = theirs(await user_frame.user(page))
    found = await listing.listed(page, holder)
    return page.render("admin/user_keys.html", **user_frame.context(page, holder.user, "keys"), **found)


async def show_one(page: PageRequest) -> Response:
    holder = theirs(await user_frame.user(page))
    return await one.show(page, holder, page.ids[1], may_touch(page, holder.user.role))


def _theirs(handler: Callable[..., Awaitable[Response]]) -> Callable[[PageRequest], Awaitable[Response]]:
    async def handle(page: PageRequest) -> Response:
        return await handler(page, theirs(await user_frame.user(page)), *page.ids[1:])

    return handle


show_form, create = _theirs(form.show), _theirs(form.create)
show_secret, rotate, revoke = _theirs(secret.show), _theirs(one.rotate), _theirs(one.revoke)
