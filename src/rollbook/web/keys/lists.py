"""Lists of API keys, with filters: the person's own, with the pages of each, and those of all users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from rollbook import clock
from rollbook.actions import events, keys
from rollbook.actions.arguments.keys import ListKeys
from rollbook.actions.checking import check_texts
from rollbook.actions.keys import KeyPage
from rollbook.errors import ApiError
from rollbook.http.request import Response
from rollbook.roles import SCOPES
from rollbook.web.keys import form, pages
from rollbook.web.keys.pages import mine
from rollbook.web.page_request import PageRequest, whole_number


async def show_own(page: PageRequest) -> Response:
    holder = mine(page)
    frame = await pages.listed(page, holder)
    return page.render("account/keys.html", section=holder.section, call=pages.example_call(page, holder), **frame)


def _mine(handler: Callable[..., Awaitable[Response]]) -> Callable[[PageRequest], Awaitable[Response]]:
    return lambda page: handler(page, mine(page), *page.ids)


show_form, create = _mine(form.show), _mine(form.create)
show_edit, save = _mine(form.show_edit), _mine(form.save)
show_one, show_secret = _mine(pages.show), _mine(pages.show_secret)
reveal, rotate, revoke = _mine(pages.reveal), _mine(pages.rotate), _mine(pages.revoke)


SECTION = "admin/keys"
UNUSED = (("", "Any time"), ("30", "Unused for 30 days"), ("90", "Unused for 90 days"), ("365", "Unused for a year"))
EXPIRES = (("", "Any time"), ("7", "Within 7 days"), ("30", "Within 30 days"), ("90", "Within 90 days"))
NAMES = ("prefix", "owner", "unused", "expires", "scope", "created_by", "sort")


async def show_all(page: PageRequest) -> Response:
    """Keys that work and, below them, those that were revoked or have expired."""
    values = pages.asked_of(page, NAMES)
    labels = {"owner": "Owner", "created_by": "Created by"}
    frame = await pages.by_state(page, f"/{SECTION}", values, partial(_keys, page, values), KeyPage([], 0, {}), labels)
    return page.render(
        "admin/all_keys.html",
        section=SECTION,
        filtered=any(value for name, value in values.items() if name != "sort"),
        unused=UNUSED,
        expires=EXPIRES,
        scopes=SCOPES,
        **frame,
    )


async def revoke_some(page: PageRequest) -> Response:
    """Revoke the selected keys. Raises the first refusal, once all others are revoked."""
    ids, refusals = page.getlist("id"), list[ApiError]()
    for id in ids:
        try:
            await keys.revoke(page.on, page.by, id)
        except ApiError as refusal:
            refusals.append(refusal)
    if refusals:
        raise refusals[0]
    return page.redirect(f"/{SECTION}", "keys-revoked" if ids else "no-key-selected", count=len(ids) or None)


async def _keys(page: PageRequest, values: Mapping[str, str], works: bool, offset: int) -> KeyPage:
    """Raises InvalidParameter."""
    query = {"user": keys.ALL, "limit": str(pages.PAGE), "offset": str(offset), "sort": pages.NEWEST}
    query |= {name: values[name] for name in ("prefix", "scope", "sort") if values[name]}
    for name, days, sign in (("unused_since", values["unused"], -1), ("expires_before", values["expires"], 1)):
        if (length := whole_number(days, 4)) is not None:
            query[name] = clock.format_time(clock.now() + sign * length * clock.DAY)
    for name, field in (("user", "owner"), ("created_by", "created_by")):
        if (id := await events.person(page.on, page.by, field, values[field] or None)) is not None:
            query[name] = id
    return await keys.select(page.on, page.by, check_texts(ListKeys, query), works)
