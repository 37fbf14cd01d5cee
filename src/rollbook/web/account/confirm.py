"""The page on which people confirm that it is them before they go on."""

from __future__ import annotations

from rollbook.http.response import Response
from rollbook.web import proof
from rollbook.web.account.sign_in import destination
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    return await proof.ask(page, next=page.query.get("next", ""))


async def confirm(page: PageRequest) -> Response:
    """Lead the person to where they wanted to go: they have been proven by now, if a proof was sent."""
    wanted = page.form.get("next", "")
    if not proof.is_given(page):
        return await proof.ask(page)
    return page.redirect(destination(wanted))
