"""The event log in words: who did what to whom, and which fields changed, field by field."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from rollbook import ids
from rollbook.actions import sessions, tokens
from rollbook.actions.reverting import REVERTIBLE
from rollbook.api.show import for_people
from rollbook.records import events, keys, users
from rollbook.records.bulk_jobs import JOBS
from rollbook.records.event_types import TYPES
from rollbook.records.events import Event
from rollbook.records.user_history import DERIVED, Reversal
from rollbook.records.users import METADATA
from rollbook.roles import DELETED
from rollbook.storage.database import Queries
from rollbook.web.admin.bulk_jobs import BulkJobView

UNSHOWN = ("updated_at", "last_sign_in_at", "last_active_at")
"""Fields that change with every change and say nothing by themselves."""

UNLOGGED = ("updated_at",)
"""Fields that change with every change, and whose value before isn't part of events."""
MAX_KEYS = 20
"""Keys of the metadata that one line of an event names."""

MAX_TEXT, SHOWN = 80, 20
"""Characters of a value, and those before the first difference of two."""

MAX_LATER = 100
"""Events about a user among which the one that puts back another is looked for."""

COUNTS = {
    "import.finished": ("added", "updated", "refused"),
    "import.waiting": ("absent_users",),
    "bulk_job.finished": ("changed", "refused"),
}
"""Of what changes many users, the numbers that its line names."""

_A_USER = re.compile(r"\b(?:[Aa] (?:deleted |suspended )?user|An application)\b(?! or )")
"""The user in the sentence of a type, in whose place their name is put."""
_BEGINS_WITH_USER = re.compile(rf"^{_A_USER.pattern}(?:'s)? ")

_json = msgspec.json.Decoder().decode
_raw_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Field(NamedTuple):
    """A field that changed."""

    name: str
    before: str
    after: str


class EventInWords(NamedTuple):
    """An event in words. The names of users who were erased are None."""

    event: Event
    user: str | None
    by: str | None
    key: str | None
    """The name of the API key that it was done with."""
    about: str
    """The key, group, session, webhook or limit that it is about; of imports and bulk jobs, what they did."""
    fields: list[Field]
    job: BulkJobView | None
    """The bulk job that did it, or that ended."""
    import_id: str
    """The import that did it, or that ended; empty if none did."""
    says: str
    """The event in a sentence; empty for a type of a later version."""
    may_be_put_back: bool
    """True if, as far as this page of the log tells, what it changed has not changed since."""
    folded: list[EventInWords] = []
    """The others of its import or bulk job on the same page of the log."""

    @property
    def meaning(self) -> str:
        """The event in words that follow the name of the user, where nothing else tells it. A session's browser does
        not."""
        if self.fields or self.job or (self.about and not self.event.type.startswith("session.")):
            return ""
        return _BEGINS_WITH_USER.sub("", self.says).rstrip(".")

    @property
    def heading(self) -> str:
        """The event in a sentence with the name of its user."""
        says = (_A_USER.sub(lambda _: self.user or "", self.says, 1) if self.user else self.says).rstrip(".")
        about = "" if self.event.type.startswith("session.") else self.about
        return ": ".join(filter(None, (says, about))) or self.event.type

    @property
    def kinds(self) -> str:
        """The number of events of each type, with those that are folded."""
        counts = Counter(change.event.type for change in (self, *self.folded))
        return ", ".join(f"{count:,} {type}" for type, count in counts.items())


class Difference(NamedTuple):
    """A field of an event, as JSON. None: the object did not have it."""

    name: str
    before: str | None
    after: str | None
    changed: bool
    is_known: bool
    """False if the event doesn't say what it was before."""


async def in_rows(queries: Queries, log: Iterable[Event], limit: int | None = None) -> list[EventInWords]:
    """Up to `limit` rows of the log, newest first: all events of an import or bulk job are in one."""
    groups: dict[str, list[Event]] = {}
    for event in log:
        groups.setdefault(_job_id(event, _decode(event.object)) or event.id, []).append(event)
    rows = [*groups.values()][:limit]
    changes = iter(await in_words(queries, chain.from_iterable(rows)))
    return [next(changes)._replace(folded=[next(changes) for _ in row[1:]]) for row in rows]


async def in_words(queries: Queries, log: Iterable[Event]) -> list[EventInWords]:
    names: dict[str | None, str | None] = {None: None, "": None}
    key_names: dict[str | None, str | None] = {None: None}
    jobs: dict[str, BulkJobView | None] = {"": None}
    later = set[tuple[Any, ...]]()
    changes = []
    for event in log:
        by, object = event.actor, _decode(event.object)
        for id in filter(None, (event.user_id, by.user_id, object.get("audience"))):  # an application's ID, or any text
            if id not in names and ids.is_id("user", id):
                names[id] = await users.name(queries, id)
        if by.key_id not in key_names and by.key_id and by.user_id:
            found_keys = await keys.names(queries, by.user_id, [by.key_id])
            key_names[by.key_id] = found_keys[0].name if found_keys else None
        job_id = _job_id(event, object)
        changed = _changed_fields(event, object)
        import_id = job_id if ids.is_id("imp", job_id) else ""
        if job_id not in jobs and not import_id:
            job = await JOBS.find(queries, job_id)
            jobs[job_id] = None if job is None else BulkJobView(job)
        people = names.get(event.user_id), names.get(by.user_id), key_names.get(by.key_id)
        what = _about(event.type, object), _fields(event, object), jobs.get(job_id), import_id
        may_be_put_back = event.type in REVERTIBLE and not event.is_erased and not changed & later
        changes.append(EventInWords(event, *people, *what, _says(event, object, names), may_be_put_back))
        later |= changed
    return changes


def _job_id(event: Event, object: dict[str, Any]) -> str:
    """Empty, if it is of no import or bulk job. The ID of one is in the place of that of a request."""
    id = object.get("id") if event.type in COUNTS else event.actor.request_id
    return id if isinstance(id, str) and (ids.is_id("job", id) or ids.is_id("imp", id)) else ""


def _changed_fields(event: Event, object: dict[str, Any]) -> set[tuple[Any, ...]]:
    """The fields that a change which can be put back has changed, and of what."""
    if event.type not in REVERTIBLE:
        return set()
    names = _decode(event.before or "").keys() - DERIVED or {"role" if event.type.startswith("group.") else "status"}
    return {(object.get("group_id"), object.get("user_id"), object.get("id"), name) for name in names}


def _says(event: Event, object: dict[str, Any], names: Mapping[str | None, str | None]) -> str:
    """The sentence of a type; where that has several cases, of this one."""
    type = TYPES.get(event.type)
    by = event.actor.user_id
    is_own = by in (None, event.user_id)
    if event.type == "user.signed_in" and not is_own:
        return f"A user signed in through {names.get(by) or 'an application'}."
    if event.type in ("user.signed_in", "session.created") and not event.is_erased:
        audience = object.get("audience")
        return f"A user signed in to {names.get(audience) or audience or 'Rollbook'}."
    if event.type == "token.created" and not event.is_erased:
        return f"A user got a link to {tokens.LEADS_TO.get(object['purpose'], 'set a password')}."
    if event.type == "session.revoked":
        return "A user signed out." if is_own else "A user was signed out."
    if event.type == "user.activated":
        was_suspended = _decode(event.before or "").get("status") == "suspended"
        return "A user was activated." if was_suspended else "A user got their first password."
    return "" if type is None else type.says


def differences(event: Event) -> list[Difference]:
    """All fields, those that changed first, and metadata by key. None at all where nothing was before."""
    if event.before is None:
        return []
    before, after = _raw_fields(event.before), _raw_fields(event.object)
    metadata = [
        Difference(f"{name}.{key}", _json_text(old), _json_text(new), old != new, True)
        for name in METADATA
        if name in before
        for key, old, new in by_key(before.pop(name), after.pop(name, None))
    ]
    lines = [
        Difference(
            name,
            None if name in UNLOGGED and name not in before else _json_text(before.get(name, after.get(name))),
            _json_text(after.get(name)),
            name in before and before[name] != after.get(name),
            name not in UNLOGGED or name in before,
        )
        for name in dict.fromkeys([*before, *after])
    ]
    return sorted([*lines, *metadata], key=lambda difference: not difference.changed)


def by_key(
    before: msgspec.Raw | None, after: msgspec.Raw | None
) -> list[tuple[str, msgspec.Raw | None, msgspec.Raw | None]]:
    """The values of each key of two metadata; None where one doesn't have it."""
    old, new = (_raw_fields(metadata or b"{}") for metadata in (before, after))
    return [(key, old.get(key), new.get(key)) for key in {**old, **new}]


async def put_back_by(queries: Queries, event: Event) -> EventInWords | None:
    """The next change of the same fields, if it has put back all of them."""
    object, was = _decode(event.object), _decode(event.before or "")
    fields = was.keys() - DERIVED
    log = (await events.latest(queries, MAX_LATER, event.user_id)).events
    ours = next((at for at, other in enumerate(log) if other.id == event.id), 0)
    for later in reversed(log[:ours]):
        now = _decode(later.object)
        is_same = all(now.get(name) == object.get(name) for name in ("id", "group_id"))
        if is_same and fields & _decode(later.before or "").keys():
            is_undo = all(now.get(name) == was[name] for name in fields)
            return (await in_words(queries, [later]))[0] if is_undo else None
    return None


def put_back(undo: Reversal) -> list[Field]:
    """Fields that are put back: what they are now, and what they become."""
    type = undo.event.type
    object: dict[str, Any] = {"status": DELETED} if type == "user.deleted" else _decode(undo.event.object)
    if type.startswith("group.member_"):
        now = None if type == "group.member_removed" else object.get("role")
        return [Field("membership", _membership(now), _membership(undo.values["role"]))]
    fields = []
    for name, value in undo.values.items():
        if name in METADATA:
            is_now = object.get(name) or {}
            fields += [Field(f"{name}.{key}", _text(is_now.get(key)), _text(was)) for key, was in value.items()]
        else:
            fields.append(Field(name, _text(object.get(name)), _text(value)))
    return fields


def _membership(role: str | None) -> str:
    return "not a member" if role is None else f"member ({role})" if role else "member"


def _about(type: str, object: dict[str, Any]) -> str:
    if type.startswith("key."):
        return f"{object.get('name', '')} {object.get('masked', '')}".strip()
    if type.startswith("group."):
        name, role = object.get("name") or object.get("group_name") or "", object.get("role")
        return f"{name} ({role})" if role else str(name)
    if type.startswith("webhook."):
        return " ".join(str(object.get(name) or "") for name in ("description", "url")).strip()
    if type in COUNTS:
        what = str(object.get("action", "")).replace("_", " ")
        counts = [f"{object[name]:,} {name}" for name in COUNTS[type] if object.get(name)] or ["nothing changed"]
        return f"{what}: {', '.join(counts)}" if what else ", ".join(counts)
    if type == "limit.exceeded":
        _, is_of_key, window = str(object.get("window", "")).rpartition("key-")
        return f"{object.get('limit', '')} per {window}{', one key' if is_of_key else ''}"
    return sessions.name(str(object.get("user_agent", ""))) if type.startswith("session.") else ""


def _fields(event: Event, object: dict[str, Any]) -> list[Field]:
    """Fields that an update changed. The type of other events says it all."""
    if event.before is None or not event.type.startswith(("user.", "group.", "webhook.", "settings.")):
        return []
    fields: list[Field] = []
    for name, old in _decode(event.before).items():
        new = object.get(name)
        if name in ("metadata", "private_metadata") and isinstance(old, dict) and isinstance(new, dict):
            keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
            fields += [_changed(f"{name}.{key}", old.get(key), new.get(key)) for key in keys[:MAX_KEYS]]
            if len(keys) > MAX_KEYS:
                fields.append(Field(name, f"{len(keys) - MAX_KEYS} more keys", "see the event"))
        elif name not in UNSHOWN:
            fields.append(_changed(name, old, new))
    return fields


def _changed(name: str, before: Any, after: Any) -> Field:
    """Two long texts that begin alike are shown from where they differ."""
    texts = (_whole(before), _whole(after))
    if max(map(len, texts)) > MAX_TEXT:
        pairs = enumerate(zip(*texts, strict=False))
        start = next((at for at, (old, new) in pairs if old != new), min(map(len, texts))) - SHOWN
        texts = tuple(f"…{text[start:]}" for text in texts) if start > 0 else texts
    return Field(name, *map(_short, texts))


def _decode(stored: str) -> dict[str, Any]:
    """Decode a stored event."""
    return _json(stored) if stored else {}


def _text(value: Any) -> str:
    return _short(_whole(value))


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _whole(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _json_text(value: msgspec.Raw | None) -> str | None:
    return None if value is None else for_people(bytes(value)).decode()
