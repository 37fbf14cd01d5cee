"""Fields that an event changed and that can be put back: those that still have the value it gave them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from rollbook.records import rules
from rollbook.records.events import Event
from rollbook.records.users import METADATA

DERIVED = frozenset(("updated_at", "last_sign_in_at", "status_reason", "created_by", "created_with"))
"""Fields that follow from what happens."""
CHANGED_SINCE, NOT_REVERSIBLE = "changed_since", "not_reversible"

decoded = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
_MISSING = object()


class Kept(NamedTuple):
    """A field that stays as it is, and why."""

    field: str
    code: str
    message: str


class Reverted(NamedTuple):
    """Fields that were put back, or would be, and those that were not."""

    event: Event
    values: dict[str, Any]
    """The fields that get an earlier value, as events show them; of metadata, the keys. None: it is removed."""
    kept: list[Kept]
    wanted: dict[str, Any]
    """The same, as columns."""


def compared(event: Event, public: Mapping[str, Any]) -> Reverted:
    """Changed fields that can be put back, for a subject that is now so."""
    before, after, now = decoded(event.before or "{}"), decoded(event.object), decoded(_encode(public))
    found = Reverted(event, {}, [], {})
    for name, was in before.items():
        if name in DERIVED:
            continue
        if name in METADATA:
            _compare_metadata(found, name, was, after.get(name), now[name])
        elif now.get(name) != after.get(name):
            found.kept.append(changed_since(name))
        else:
            found.values[name] = found.wanted[name] = was
    return found


def _compare_metadata(found: Reverted, field: str, was: Any, after: Any, now: Any) -> None:
    """Metadata is put back key by key, as it is merged."""
    if not isinstance(was, dict) or not isinstance(after, dict):
        return found.kept.append(Kept(field, NOT_REVERSIBLE, "The log no longer has the metadata."))
    whole, values = dict(now), dict[str, Any]()
    for key in dict.fromkeys([*was, *after]):
        earlier, changed = was.get(key, _MISSING), after.get(key, _MISSING)
        if _is_same(earlier, changed):
            continue
        if not _is_same(now.get(key, _MISSING), changed):
            found.kept.append(changed_since(f"{field}.{key}"))
            continue
        values[key] = None if earlier is _MISSING else earlier
        whole.pop(key, None) if earlier is _MISSING else whole.update({key: earlier})
    if not values:
        return None
    try:
        found.wanted[field] = rules.metadata(was if now == after else whole)
        found.values[field] = values
    except ValueError as problem:
        found.kept.append(Kept(field, NOT_REVERSIBLE, f"{field} {problem}."))
    return None


def _is_same(one: Any, other: Any) -> bool:
    """Compare as JSON: in Python, 1 and true are equal."""
    return one is other or (_MISSING not in (one, other) and _encode(one) == _encode(other))


def changed_since(field: str) -> Kept:
    return Kept(field, CHANGED_SINCE, f"{field} has changed since.")


def keep(found: Reverted, field: str, message: str) -> None:
    del found.wanted[field], found.values[field]
    found.kept.append(Kept(field, NOT_REVERSIBLE, message))
