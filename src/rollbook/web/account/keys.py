"""The person's own API keys: create, reveal, rotate and revoke them."""

from __future__ import annotations

from rollbook.http.response import Response
from rollbook.web.keys import calls, form, listing, one, secret
from rollbook.web.keys.holder import mine
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    holder = mine(page)
    found = await listing.listed(page, holder)
    return page.render("account/keys.html", section=holder.section, call=calls.example(page, holder), **found)


async def show_form(page: PageRequest) -> Response:
    return await form.show(page, mine(page))


async def create(page: PageRequest) -> Response:
    return await form.create(page, mine(page))


async def show_one(page: PageRequest) -> Response:
    return await one.show(page, mine(page), page.ids[0])


async def show_secret(page: PageRequest) -> Response:
    return await secret.show(page, mine(page), page.ids[0])


async def reveal(page: PageRequest) -> Response:
    return await one.reveal(page, mine(page), page.ids[0])


async def rotate(page: PageRequest) -> Response:
    return await one.rotate(page, mine(page), page.ids[0])


async def revoke(page: PageRequest) -> Response:
    return await one.revoke(page, mine(page), page.ids[0])
