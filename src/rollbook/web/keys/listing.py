"""The list of someone's API keys: those that work, newest first, and folded below them those that were revoked or have
expired."""

from __future__ import annotations

from typing import Any, NamedTuple

from rollbook import clock
from rollbook.actions import keys
from rollbook.actions.lists import ListPage
from rollbook.records.keys import Key
from rollbook.web.keys.holder import Holder
from rollbook.web.page_request import PageRequest, whole_number

PAGE = 20
SOON = 7 * clock.DAY
"""A key that expires within this is pointed out."""
NEW = clock.DAY
"""How long a key is marked as new: after a rotation there are two of one name."""


class KeyState(NamedTuple):
    kind: str
    text: str
    works: bool


def state(key: Key) -> KeyState:
    """State of a key now."""
    if key.revoked_at is not None:
        return KeyState("", "Revoked", False)
    if key.expires_at is None:
        return KeyState("ok", "Active", True)
    left = key.expires_at - clock.now()
    if left <= 0:
        return KeyState("bad", "Expired", False)
    return KeyState("warn", "Expires soon", True) if left <= SOON else KeyState("ok", "Active", True)


async def listed(page: PageRequest, holder: Holder) -> dict[str, Any]:
    """Context of `keys/list.html`."""
    ended = page.query.get("show") == "ended"
    number = whole_number(page.query.get("page", ""), 9) or 1
    shown = await _page(page, holder, not ended, number)
    last = max(1, -(-shown.total // PAGE))
    if number > last:
        number, shown = last, await _page(page, holder, not ended, last)
    # The other ones: how many there are, and the newest of those that are folded.
    others = await _page(page, holder, ended, 1)

    def url(number: int) -> str:
        return f"{holder.base}?{'show=ended&' if ended else ''}page={number}"

    return {
        "holder": holder,
        "ended": ended,
        "keys": shown.items,
        "total": shown.total,
        "others": others,
        "state": state,
        "is_new": lambda key: key.created_at > clock.now() - NEW,
        "first": (number - 1) * PAGE + 1,
        "previous": url(number - 1) if number > 1 else None,
        "next": url(number + 1) if number < last else None,
    }


async def _page(page: PageRequest, holder: Holder, working: bool, number: int) -> ListPage[Key]:
    return await keys.list_by_state(page.on, page.by, holder.user.id, working, PAGE, (number - 1) * PAGE)
