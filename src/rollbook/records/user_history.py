"""Users as they were at a time, by the event log: its events hold the whole user.

Fields that an event changed and that can be put back: those that still have the value it gave them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from rollbook import clock, ids
from rollbook.errors import NotFound, NotInLog
from rollbook.records import event_log, events, rules, users
from rollbook.records.event_types import TYPES
from rollbook.records.events import Event, Selection
from rollbook.records.users import METADATA, User
from rollbook.storage.database import Queries

Fields = dict[str, msgspec.Raw]

OF_USERS = frozenset(type for type in TYPES if type.startswith("user."))
"""Events whose object is the user."""
UNLOGGED = ("name", "metadata", "private_metadata", "external_id")
"""Fields that an import changes without an event, if it is told to."""
ACTIVE = "last_active_at"
"""The field that changes without an event."""
SAME_UPDATED_AT = frozenset(
    (
        "user.signed_in",
        "user.sign_in_failed",
        "user.confirmation_failed",
        "user.locked_out",
        "user.guesses_exhausted",
        "user.deleted",
    )
)
"""Events that leave `updated_at` as it was."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Fields).decode


class Moment(NamedTuple):
    """A time; or the place in the log after the event with a number, which happened at this time."""

    time: int
    seq: int | None = None


class UserAsOf(NamedTuple):
    """A user as they were."""

    fields: Fields
    """As events show them."""
    unknown: tuple[str, ...]
    """The fields that the log doesn't tell."""


def _shown(user: User) -> Fields:
    return _decode(_encode(users.complete(user)))


_FIELDS = _shown(User(0, "", "", ""))
_TIMES = ("created_at", "updated_at", "last_sign_in_at", ACTIVE)
_AT_FIRST = {name: value for name, value in _FIELDS.items() if name in User._field_defaults and name not in _TIMES}
"""The values of fields in events from before there were such fields."""


async def as_of(queries: Queries, id: str, moment: Moment) -> UserAsOf:
    """A user as they were. Raises NotFound where there was none, NotInLog where the log doesn't tell."""
    user, deleted_at = await _now(queries, id)
    last = await _last(queries, id, moment)
    if last is not None and last.type == "user.deleted":
        raise NotFound("The user was deleted at this time.")
    later = await _following(queries, id, 0 if last is None else last.seq)
    if last is None:
        await _check_existed(queries, user, deleted_at, moment, later)
    after = _shown(user) if later is None else _rewound(later)
    quiet = await _unlogged(queries, user, last, later)
    if last is not None:
        fields = _between(_decode(last.object), after, quiet, moment)
    elif quiet and moment.time < quiet[-1]:
        raise _untold(UNLOGGED)
    else:
        fields = after | _updated(quiet)
    fields = _AT_FIRST | fields
    shown = {name: fields[name] for name in _FIELDS if name in fields and name != ACTIVE}
    return UserAsOf(shown, tuple([name for name in _FIELDS if name not in shown]))


async def _now(queries: Queries, id: str) -> tuple[User, int | None]:
    """The user, and when they were deleted. Raises NotFound."""
    user = await users.by_id(queries, id)
    if user is not None:
        return user, None
    deleted = await users.deleted(queries, id)
    if deleted is None:
        raise NotFound()
    return deleted


async def _last(queries: Queries, id: str, moment: Moment) -> Event | None:
    """The newest event with the user from before the moment has passed."""
    selection = Selection(OF_USERS, id)
    if moment.seq is not None:
        selection = selection._replace(before=moment.seq + 1)
    else:
        selection = selection._replace(created_before=moment.time + 1)
    while True:
        page = await events.page(queries, selection, 1, newest_first=True)
        if page.events or page.searched_to is None:
            return page.events[0] if page.events else None
        selection = selection._replace(before=page.searched_to)


async def _following(queries: Queries, id: str, seq: int) -> Event | None:
    """The next event with the user."""
    selection = Selection(OF_USERS, id, after=seq)
    while True:
        page = await events.page(queries, selection, 1)
        if page.events or page.searched_to is None:
            return page.events[0] if page.events else None
        selection = selection._replace(after=page.searched_to)


async def _check_existed(
    queries: Queries, user: User, deleted_at: int | None, moment: Moment, later: Event | None
) -> None:
    """Check that there was the user, where no event from before tells. Raises NotFound, NotInLog."""
    if later is not None and later.type == "user.created":
        raise NotFound("There was no such user at this time.")
    added = await event_log.added(queries, user.seq)
    if moment.time < (ids.time(user.id) if added is None else added):
        raise NotFound("There was no such user at this time.")
    begins = await events.begins(queries)
    if moment.time < begins or (begins == 0 and added is None):
        raise NotInLog()
    if (later is not None and later.type == "user.restored") or (
        later is None and deleted_at is not None and deleted_at <= moment.time
    ):
        raise NotFound("The user was deleted at this time.")


def _rewound(event: Event) -> Fields:
    """The user before an event, without the fields of which it doesn't tell that."""
    fields = _decode(event.object)
    if event.before is not None:
        fields.update(_decode(event.before))
    if event.type not in SAME_UPDATED_AT:
        fields.pop("updated_at", None)
    if event.type == "user.signed_in":
        fields.pop("last_sign_in_at", None)
    return fields


async def _unlogged(queries: Queries, user: User, last: Event | None, later: Event | None) -> list[int]:
    """Times between two events at which the user was changed without one."""
    first, end = 0 if last is None else last.created_at, clock.LATEST if later is None else later.created_at
    return [at for at in await event_log.of_user(queries, user.seq) if first <= at <= end]


def _between(before: Fields, after: Fields, quiet: list[int], moment: Moment) -> Fields:
    """The user between two events. `quiet`: when they were changed without one. Raises NotInLog."""
    if quiet and moment.time >= quiet[-1]:
        return before | {name: after[name] for name in UNLOGGED} | _updated(quiet)
    if quiet and moment.time >= quiet[0]:
        raise _untold(UNLOGGED)
    differing = [name for name in after if name != ACTIVE and before.get(name, after[name]) != after[name]]
    if not quiet and differing:
        raise _untold(differing)
    return before


def _updated(quiet: list[int]) -> Fields:
    return {"updated_at": msgspec.Raw(_encode(clock.format_time(quiet[-1])))} if quiet else {}


def _untold(fields: Iterable[str]) -> NotInLog:
    names = ", ".join(fields)
    return NotInLog(f"The event log doesn't tell {names} at this time: an import changed it without events.")


DERIVED = frozenset(("updated_at", "last_sign_in_at", ACTIVE, "status_reason", "created_by", "created_with"))
"""Fields that follow from what happens."""
CHANGED_SINCE, NOT_REVERSIBLE = "changed_since", "not_reversible"

decoded = msgspec.json.Decoder(dict[str, Any]).decode

_MISSING = object()


class KeptField(NamedTuple):
    """A field that stays as it is, and why."""

    field: str
    code: str
    message: str


class Reversal(NamedTuple):
    """Fields that were put back, or would be, and those that were not."""

    event: Event
    values: dict[str, Any]
    """The fields that get an earlier value, as events show them; of metadata, the keys. None: it is removed."""
    kept: list[KeptField]
    wanted: dict[str, Any]
    """The fields that get an earlier value, as columns."""


def compared(event: Event, public: Mapping[str, Any]) -> Reversal:
    """Changed fields that can be put back, for a subject that is now so."""
    before, after, now = decoded(event.before or "{}"), decoded(event.object), decoded(_encode(public))
    undo = Reversal(event, {}, [], {})
    for name, was in before.items():
        if name in DERIVED:
            continue
        if name in METADATA:
            _compare_metadata(undo, name, was, after.get(name), now[name])
        elif now.get(name) != after.get(name):
            undo.kept.append(changed_since(name))
        else:
            undo.values[name] = undo.wanted[name] = was
    return undo


def is_as_left(event: Event, public: Mapping[str, Any]) -> bool:
    """Test whether a subject is still as an event left it."""
    after, now = decoded(event.object), decoded(_encode(public))
    return all(_is_same(after[name], now[name]) for name in (after.keys() & now.keys()) - DERIVED)


def _compare_metadata(undo: Reversal, field: str, was: Any, after: Any, now: Any) -> None:
    """Metadata is put back key by key, as it is merged."""
    if not isinstance(was, dict) or not isinstance(after, dict):
        return undo.kept.append(KeptField(field, NOT_REVERSIBLE, "The log no longer has the metadata."))
    whole, values = dict(now), dict[str, Any]()
    for key in dict.fromkeys([*was, *after]):
        earlier, changed = was.get(key, _MISSING), after.get(key, _MISSING)
        if _is_same(earlier, changed):
            continue
        if not _is_same(now.get(key, _MISSING), changed):
            undo.kept.append(changed_since(f"{field}.{key}"))
            continue
        values[key] = None if earlier is _MISSING else earlier
        whole.pop(key, None) if earlier is _MISSING else whole.update({key: earlier})
    if not values:
        return None
    try:
        undo.wanted[field] = rules.metadata(was if now == after else whole)
        undo.values[field] = values
    except ValueError as problem:
        undo.kept.append(KeptField(field, NOT_REVERSIBLE, f"{field} {problem}."))
    return None


def _is_same(one: Any, other: Any) -> bool:
    """Compare as JSON: in Python, 1 and true are equal."""
    return one is other or (_MISSING not in (one, other) and _encode(one) == _encode(other))


def changed_since(field: str) -> KeptField:
    return KeptField(field, CHANGED_SINCE, f"{field} has changed since.")


def keep(undo: Reversal, field: str, message: str) -> None:
    del undo.wanted[field], undo.values[field]
    undo.kept.append(KeptField(field, NOT_REVERSIBLE, message))
