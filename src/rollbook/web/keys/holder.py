"""Whose API keys a page is about: one's own, or a user's that an admin looks at."""

from __future__ import annotations

from typing import NamedTuple

from rollbook.actions import keys
from rollbook.errors import NotFound
from rollbook.records.keys import Key
from rollbook.records.users import User
from rollbook.web.page_request import PageRequest


class Holder(NamedTuple):
    user: User
    base: str
    """The path of the list of keys, under which all else about them is."""
    section: str
    """The entry of the side navigation."""
    requests: str
    """The path of the request log of these keys."""
    mine: bool


def mine(page: PageRequest) -> Holder:
    return Holder(page.me.user, "/account/keys", "account/keys", "/account/requests", True)


def theirs(user: User) -> Holder:
    base = f"/admin/users/{user.id}"
    return Holder(user, f"{base}/keys", "admin/users", f"{base}/requests", False)


async def find(page: PageRequest, holder: Holder, id: str) -> Key:
    """One of their keys. Raises NotFound."""
    key = await keys.get(page.on, page.by, id)
    if key.user_id != holder.user.id:
        raise NotFound()
    return key
