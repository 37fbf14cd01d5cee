"""The page on which people confirm their password before they go on."""

from __future__ import annotations

from rollbook.http.response import Response
from rollbook.web import proof
from rollbook.web.account.sign_in import destination
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    return proof.ask(page, next=page.query.get("next", ""))


async def confirm(page: PageRequest) -> Response:
    """To where the person wanted to go: the password has been proven by now, if it was sent."""
    wanted = page.form.get("next", "")
    if proof.FIELD not in page.form:
        return proof.ask(page)
    return page.redirect(destination(wanted))
