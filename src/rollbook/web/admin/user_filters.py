"""What the list of users is filtered and sorted by, as its URL and its forms carry it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from rollbook.actions.arguments import UserSelection
from rollbook.actions.checking import check_texts

NAMES = ("q", "role", "status", "sort")


def asked_of(given: Mapping[str, str]) -> dict[str, str]:
    """As it was typed; blank where nothing was."""
    return {name: given.get(name, "").strip() for name in NAMES}


def selection_of(asked: Mapping[str, str]) -> UserSelection:
    """Raises InvalidParameter."""
    return check_texts(UserSelection, {name: value for name, value in asked.items() if value})


def list_url(asked: Mapping[str, str], path: str = "/admin/users", **more: object) -> str:
    """The URL of the list with these filters and parameters."""
    given = {name: str(value) for name, value in {**asked, **more}.items() if value not in (None, "")}
    return path + (f"?{urlencode(given)}" if given else "")
