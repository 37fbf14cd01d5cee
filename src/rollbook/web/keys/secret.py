"""The page with an API key in full, after it was created, rotated or revealed."""

from __future__ import annotations

from rollbook.actions.keys import IssuedKey
from rollbook.http.response import Response
from rollbook.records.keys import Key
from rollbook.web import shown_once
from rollbook.web.keys import calls
from rollbook.web.keys.holder import Holder, find
from rollbook.web.page_request import PageRequest


def redirect(
    page: PageRequest, holder: Holder, issued: IssuedKey, old: Key | None = None, revealed: bool = False
) -> Response:
    """`old` is the key that it replaces."""
    shown = {"token": issued.token, "old": old and old.id, "revealed": revealed}
    return shown_once.redirect(page, f"{holder.base}/{issued.key.id}/secret", shown)


async def show(page: PageRequest, holder: Holder, id: str) -> Response:
    """Once it is too late, leads to the page about the key. Raises NotFound."""
    key = await find(page, holder, id)
    shown = shown_once.found(page)
    if shown is None:
        return page.redirect(f"{holder.base}/{key.id}")
    token = shown["token"]
    return page.render(
        "keys/secret.html",
        secret=True,
        section=holder.section,
        holder=holder,
        key=key,
        token=token,
        old=None if shown["old"] is None else await find(page, holder, shown["old"]),
        revealed=shown["revealed"],
        minutes=shown_once.MINUTES,
        call=calls.example(page, holder, key, token),
        environment=f"ROLLBOOK_URL={page.on.url}\nROLLBOOK_KEY={token}",
    )
