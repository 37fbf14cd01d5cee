"""Holder of the API keys that a page is about: one's own, or a user's that an admin looks at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rollbook.actions import keys
from rollbook.errors import NotFound
from rollbook.records.keys import Key, KeyName
from rollbook.records.users import User
from rollbook.roles import APPLICATION
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
    section = "admin/applications" if user.kind == APPLICATION else "admin/users"
    return Holder(user, f"{base}/keys", section, f"{base}/requests", False)


async def find(page: PageRequest, holder: Holder, id: str) -> Key:
    """One of their keys. Raises NotFound."""
    key = await keys.get(page.on, page.by, id)
    if key.user_id != holder.user.id:
        raise NotFound()
    return key


async def find_own(page: PageRequest, id: str) -> Key:
    """One of the person's own. An admin's permissions on others' keys are for the admin pages. Raises NotFound."""
    return await find(page, mine(page), id)


async def chosen_own(page: PageRequest) -> Key | None:
    """The key that the URL asks for, which must be the person's own. Raises NotFound."""
    id = page.query.get("key")
    return await find_own(page, id) if id else None


def key_options(found: Iterable[KeyName], chosen: Key | None) -> list[tuple[str, str]]:
    """Options of a select field, in which `chosen` is never missing."""
    options = {key.id: key_label(key) for key in found}
    if chosen is not None:
        options.setdefault(chosen.id, key_label(chosen))
    return list(options.items())


def key_label(key: Key | KeyName) -> str:
    return f"{key.name} (…{key.last_four})"
