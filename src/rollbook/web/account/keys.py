"""The person's own API keys: create, edit, reveal, rotate and revoke them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rollbook.http.response import Response
from rollbook.web.keys import form, listing, one
from rollbook.web.keys.holder import mine
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    holder = mine(page)
    found = await listing.listed(page, holder)
    return page.render("account/keys.html", section=holder.section, call=one.example_call(page, holder), **found)


def _mine(handler: Callable[..., Awaitable[Response]]) -> Callable[[PageRequest], Awaitable[Response]]:
    return lambda page: handler(page, mine(page), *page.ids)


show_form, create = _mine(form.show), _mine(form.create)
show_edit, save = _mine(form.show_edit), _mine(form.save)
show_one, show_secret = _mine(one.show), _mine(one.show_secret)
reveal, rotate, revoke = _mine(one.reveal), _mine(one.rotate), _mine(one.revoke)
