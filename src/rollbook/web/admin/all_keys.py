"""The list of all API keys of the server, with filters: whose a key is, which are unused, and which expire soon."""

from __future__ import annotations

from collections.abc import Mapping

from rollbook import clock
from rollbook.actions import events, keys
from rollbook.actions.arguments.keys import ListKeys
from rollbook.actions.checking import check_texts
from rollbook.actions.keys import KeyPage
from rollbook.errors import InvalidParameter
from rollbook.http.request import Response, line
from rollbook.roles import SCOPES
from rollbook.web import forms
from rollbook.web.admin.user_filters import list_url
from rollbook.web.keys import pages
from rollbook.web.page_request import PageRequest, whole_number

SECTION = "admin/keys"
UNUSED = (("", "Any time"), ("30", "Unused for 30 days"), ("90", "Unused for 90 days"), ("365", "Unused for a year"))
EXPIRES = (("", "Any time"), ("7", "Within 7 days"), ("30", "Within 30 days"), ("90", "Within 90 days"))
NAMES = ("prefix", "owner", "unused", "expires", "scope", "created_by", "sort")


async def show(page: PageRequest) -> Response:
    """Keys that work and, below them, those that were revoked or have expired."""
    asked = {name: page.query.get(name, "").strip() for name in NAMES}
    asked["sort"] = asked["sort"] if asked["sort"] in dict(pages.SORTS) else pages.NEWEST
    ended, number = page.query.get("show") == "ended", whole_number(page.query.get("page", ""), 9) or 1
    problems: dict[str, str] = {}
    found, others = KeyPage([], 0, {}), KeyPage([], 0, {})
    try:
        found = await _page(page, asked, not ended, number)
        if not ended and not asked["unused"] and not asked["expires"]:
            others = await _page(page, asked, False, 1)
    except InvalidParameter as error:
        problems = forms.problems(page, error, {"owner": "Owner", "created_by": "Created by"})
    url_of = {
        **asked,
        "show": "ended" if ended else "",
        "sort": asked["sort"] if asked["sort"] != pages.NEWEST else "",
    }

    def url(number: int, **more: str) -> str:
        return list_url({**url_of, **more}, f"/{SECTION}", page=number if number > 1 else "")

    return page.render(
        "admin/all_keys.html",
        400 if problems and not page.is_htmx else 200,
        headers=line("HX-Replace-Url", url(number)) if page.is_htmx else b"",
        section=SECTION,
        asked=asked,
        filtered=any(value for name, value in asked.items() if name != "sort"),
        ended=ended,
        sorts=pages.SORTS,
        unused=UNUSED,
        expires=EXPIRES,
        scopes=SCOPES,
        found=found,
        others=others,
        problems=problems,
        state=pages.state,
        is_new=pages.is_new,
        first=(number - 1) * pages.PAGE + 1,
        list_url=url,
        previous=url(number - 1) if number > 1 else None,
        next=url(number + 1) if number * pages.PAGE < found.total else None,
    )


async def _page(page: PageRequest, asked: Mapping[str, str], works: bool, number: int) -> KeyPage:
    """Raises InvalidParameter."""
    query = {"user": keys.ALL, "limit": str(pages.PAGE), "offset": str((number - 1) * pages.PAGE)}
    query |= {name: asked[name] for name in ("prefix", "scope", "sort") if asked[name]}
    for name, days, sign in (("unused_since", asked["unused"], -1), ("expires_before", asked["expires"], 1)):
        if (length := whole_number(days, 4)) is not None:
            query[name] = clock.format_time(clock.now() + sign * length * clock.DAY)
    for name, field in (("user", "owner"), ("created_by", "created_by")):
        if (id := await events.person(page.on, page.by, field, asked[field] or None)) is not None:
            query[name] = id
    return await keys.select(page.on, page.by, check_texts(ListKeys, query), works)
