"""The person's own API keys: create, edit, reveal, rotate and revoke them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rollbook.http.request import Response
from rollbook.web.keys import form, pages
from rollbook.web.keys.pages import mine
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    holder = mine(page)
    found = await pages.listed(page, holder)
    return page.render("account/keys.html", section=holder.section, call=pages.example_call(page, holder), **found)


def _mine(handler: Callable[..., Awaitable[Response]]) -> Callable[[PageRequest], Awaitable[Response]]:
    return lambda page: handler(page, mine(page), *page.ids)


show_form, create = _mine(form.show), _mine(form.create)
show_edit, save = _mine(form.show_edit), _mine(form.save)
show_one, show_secret = _mine(pages.show), _mine(pages.show_secret)
reveal, rotate, revoke = _mine(pages.reveal), _mine(pages.rotate), _mine(pages.revoke)
