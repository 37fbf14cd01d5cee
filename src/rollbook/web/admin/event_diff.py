"""Differences that an event made to its object, field by field."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from rollbook.api.show import for_people
from rollbook.records.events import Event


class Row(NamedTuple):
    """A field, as JSON. None: the object did not have it."""

    name: str
    before: str | None
    after: str | None
    changed: bool


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def rows(event: Event) -> list[Row]:
    """All fields, those that changed first. None at all where nothing was before, or where an old version stored what
    is too deep to read."""
    if event.before is None:
        return []
    try:
        before, after = _fields(event.before), _fields(event.object)
    except RecursionError:
        return []
    found = [
        Row(
            name,
            _text(before.get(name, after.get(name))),
            _text(after.get(name)),
            name in before and before[name] != after.get(name),
        )
        for name in dict.fromkeys([*before, *after])
    ]
    return sorted(found, key=lambda row: not row.changed)


def _text(value: msgspec.Raw | None) -> str | None:
    return None if value is None else for_people(bytes(value)).decode()
