"""The list of someone's API keys, which can be searched and sorted: those that work, and folded below them those that
were revoked or have expired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rollbook import clock
from rollbook.actions import keys
from rollbook.actions.arguments import ListKeys
from rollbook.actions.checking import check_texts
from rollbook.actions.lists import ListPage
from rollbook.errors import InvalidParameter
from rollbook.http.response import line
from rollbook.records.keys import Key
from rollbook.web import forms
from rollbook.web.admin.user_filters import list_url
from rollbook.web.keys.holder import Holder
from rollbook.web.page_request import PageRequest, whole_number

PAGE = 100
FEW = 10
"""Keys that need no search."""
NEWEST = "-created_at"
SORTS = (
    (NEWEST, "Newest first"),
    ("created_at", "Oldest first"),
    ("-last_used_at", "Last used first"),
    ("last_used_at", "Longest unused first"),
    ("name", "Name"),
)
SOON = 7 * clock.DAY
"""A key that expires within this is pointed out."""
NEW = clock.DAY
"""The time that a key is marked as new: after a rotation there are two of one name."""


class KeyState(NamedTuple):
    kind: str
    text: str
    works: bool


def state(key: Key) -> KeyState:
    """State of a key now."""
    if key.revoked_at is not None:
        return KeyState("", "Revoked", False)
    if key.status == "suspended":
        return KeyState("warn", "Suspended", True)
    if key.expires_at is None:
        return KeyState("ok", "Active", True)
    left = key.expires_at - clock.now()
    if left <= 0:
        return KeyState("bad", "Expired", False)
    return KeyState("warn", "Expires soon", True) if left <= SOON else KeyState("ok", "Active", True)


def is_new(key: Key) -> bool:
    return key.created_at > clock.now() - NEW


async def listed(page: PageRequest, holder: Holder) -> dict[str, Any]:
    """Context of `keys/list.html`."""
    ended = page.query.get("show") == "ended"
    number = whole_number(page.query.get("page", ""), 9) or 1
    asked = {"q": page.query.get("q", "").strip(), "sort": page.query.get("sort") or NEWEST}
    asked["sort"] = asked["sort"] if asked["sort"] in dict(SORTS) else NEWEST
    problems: dict[str, str] = {}
    try:
        shown = await _page(page, holder, not ended, number, asked)
    except InvalidParameter as error:
        problems, shown = forms.problems(page, error), ListPage([])
    last = max(1, -(-shown.total // PAGE))
    if number > last:
        number, shown = last, await _page(page, holder, not ended, last, asked)
    # The other ones: how many there are, and the first of those that are folded.
    others = ListPage([]) if problems else await _page(page, holder, ended, 1, asked)

    def url(number: int, *, q: str = asked["q"], show: str = "ended" if ended else "") -> str:
        given = {"show": show, "q": q, "sort": asked["sort"] if asked["sort"] != NEWEST else ""}
        return list_url(given, holder.base, page=number)

    return {
        "status": 400 if problems and not page.is_htmx else 200,
        "headers": line("HX-Replace-Url", url(number)) if page.is_htmx else b"",
        "holder": holder,
        "ended": ended,
        "asked": asked,
        "sorts": SORTS,
        "problems": problems,
        "keys": shown.items,
        "total": shown.total,
        "others": others,
        "many": bool(asked["q"]) or shown.total + others.total > FEW,
        "state": state,
        "is_new": is_new,
        "first": (number - 1) * PAGE + 1,
        "list_url": url,
        "previous": url(number - 1) if number > 1 else None,
        "next": url(number + 1) if number < last else None,
    }


async def _page(
    page: PageRequest, holder: Holder, working: bool, number: int, asked: Mapping[str, str]
) -> ListPage[Key]:
    given = {"user": holder.user.id, "limit": str(PAGE), "offset": str((number - 1) * PAGE), **asked}
    wanted = check_texts(ListKeys, {name: value for name, value in given.items() if value})
    return await keys.list_by_state(page.on, page.by, wanted, working)
