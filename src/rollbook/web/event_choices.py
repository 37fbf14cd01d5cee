"""The catalogue of events as the choices of a form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rollbook.records import event_types

NAMES = {
    "user": "Users",
    "group": "Groups",
    "key": "API keys",
    "session": "Sessions",
    "token": "One-time tokens",
    "password_link": "Password links",
    "second_factor": "Second factors",
    "limit": "Rate limits",
    "webhook": "Webhooks",
    "users": "Exports",
    "bulk_job": "Bulk jobs",
    "import": "Imports",
    "server": "Server",
}


class EventGroup(NamedTuple):
    name: str
    pattern: str
    """Selects all of them."""
    types: list[tuple[str, str]]
    """Each with what it says."""


def groups(without: Iterable[str] = ()) -> list[EventGroup]:
    """All types, by what they are about."""
    found: dict[str, list[tuple[str, str]]] = {}
    for type, about in event_types.TYPES.items():
        if type not in without:
            found.setdefault(event_types.kind(type), []).append((type, about.for_people))
    return [EventGroup(NAMES[name], f"{name}.*", types) for name, types in found.items()]
