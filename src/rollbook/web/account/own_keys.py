"""The person's own API keys, to look up and to choose from."""

from __future__ import annotations

from collections.abc import Iterable

from rollbook.records.keys import Key, KeyName
from rollbook.web.keys import holder
from rollbook.web.page_request import PageRequest


async def find(page: PageRequest, id: str) -> Key:
    """One of the person's own. An admin's permissions on others' keys are for the admin pages. Raises NotFound."""
    return await holder.find(page, holder.mine(page), id)


async def chosen(page: PageRequest) -> Key | None:
    """The key that the URL asks for, which must be the person's own. Raises NotFound."""
    id = page.query.get("key")
    return await find(page, id) if id else None


def options(found: Iterable[KeyName], chosen: Key | None) -> list[tuple[str, str]]:
    """Options of a select field, in which `chosen` is never missing."""
    options = {key.id: label(key) for key in found}
    if chosen is not None:
        options.setdefault(chosen.id, label(chosen))
    return list(options.items())


def label(key: Key | KeyName) -> str:
    return f"{key.name} (…{key.last_four})"
