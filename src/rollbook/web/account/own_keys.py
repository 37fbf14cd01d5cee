"""The person's own API keys, to look up and to choose from."""

from __future__ import annotations

from collections.abc import Iterable

from rollbook.actions import keys
from rollbook.actions.arguments import ListKeys
from rollbook.records.keys import Key
from rollbook.web.keys import holder
from rollbook.web.page_request import PageRequest

MAX_OPTIONS = 200
"""The newest keys, offered as filters."""


async def find(page: PageRequest, id: str) -> Key:
    """One of the person's own. An admin's permissions on others' keys are for the admin pages. Raises NotFound."""
    return await holder.find(page, holder.mine(page), id)


async def newest(page: PageRequest) -> list[Key]:
    """The newest first."""
    return (await keys.list_keys(page.on, page.by, ListKeys(limit=MAX_OPTIONS), newest_first=True)).keys


async def chosen(page: PageRequest) -> str | None:
    """The id of the key that the URL asks for, which must be the person's own. Raises NotFound."""
    id = page.query.get("key") or None
    return None if id is None else (await find(page, id)).id


def options(found: Iterable[Key]) -> list[tuple[str, str]]:
    """For a select field."""
    return [(key.id, label(key)) for key in found]


def label(key: Key) -> str:
    return f"{key.name} (…{key.last_four})"
