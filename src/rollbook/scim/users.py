"""Users in SCIM: their calls, how they are read, and how they are shown."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from rollbook import clock
from rollbook.actions import scim
from rollbook.actions.arguments import Time
from rollbook.actions.checking import text_hook
from rollbook.actions.scim import PersonChange, ScimPage, ScimUser, named_now
from rollbook.records.users import User
from rollbook.scim.asking import Ask, Reply, listed, projection, reply, search_of, whole, window
from rollbook.scim.attributes import CORE, ENTERPRISE, ROLLBOOK
from rollbook.scim.errors import refused
from rollbook.scim.patching import PatchStep, apply, operations, parts

_BOOLEANS = {"true": True, "false": False}
_NO_NAME = {"formatted": "", "givenName": "", "familyName": ""}


async def get_user(ask: Ask, id: str) -> Reply:
    return reply(ask, "User", 200, shown(await scim.get_person(ask.on, ask.by, id), ask.base))


async def create_user(ask: Ask) -> Reply:
    person = await scim.create_person(ask.on, ask.by, read(whole(ask, "User")))
    return reply(ask, "User", 201, shown(person, ask.base))


async def replace_user(ask: Ask, id: str) -> Reply:
    change = read(whole(ask, "User"))
    person = await scim.change_person(ask.on, ask.by, id, lambda _: change, ask.versions, replaces=True)
    return reply(ask, "User", 200, shown(person, ask.base))


async def patch_user(ask: Ask, id: str) -> Reply:
    steps = operations("User", ask.body)
    person = await scim.change_person(ask.on, ask.by, id, lambda now: edited(now, steps), ask.versions)
    return reply(ask, "User", 200, shown(person, ask.base))


async def delete_user(ask: Ask, id: str) -> Reply:
    await scim.delete_person(ask.on, ask.by, id, ask.versions)
    return Reply(204)


async def list_users(ask: Ask) -> Reply:
    return listed(ask, await found(ask, *window(ask)))


async def found(ask: Ask, offset: int, limit: int) -> ScimPage:
    search = search_of(ask, "User", lambda person: shown(person, ask.base))._replace(offset=offset, limit=limit)
    people = await scim.list_people(ask.on, ask.by, search)
    part = projection(ask, "User")
    return ScimPage(people.total, [part(shown(person, ask.base)) for person in people.resources])


def shown(person: ScimUser, base: str) -> dict[str, Any]:
    user, extra = person
    attributes = extra.attributes
    first, _, family = user.name.rpartition(" ")
    name = {"formatted": user.name, "familyName": family, "givenName": first or family, **attributes.get("name", {})}
    work, own = attributes.get(ENTERPRISE), _own(user)
    resource = {
        "schemas": [f"{CORE}User", *([ENTERPRISE] if work else []), *([ROLLBOOK] if own else [])],
        "id": user.id,
        "externalId": extra.external_id,
        "userName": person.user_name,
        "name": {part: text for part, text in name.items() if text},
        "displayName": user.name if attributes.get("displayName") != "" else None,
        "active": person.is_active,
        "emails": [{"value": user.email, "type": "work", "primary": True, **attributes.get("emails", {})}],
        ENTERPRISE: work,
        ROLLBOOK: own,
        "meta": meta("User", base, user.id, user.created_at, max(user.updated_at, extra.updated_at), person.version),
    }
    return {name: value for name, value in resource.items() if value not in (None, {})}


def _own(user: User) -> dict[str, str]:
    return {} if user.ends_at is None else {"endsAt": clock.format_time_exactly(user.ends_at)}


def meta(kind: str, base: str, id: str, created: int, modified: int, version: str) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "created": clock.format_time_exactly(created),
        "lastModified": clock.format_time_exactly(modified),
        "location": f"{base}/{kind}s/{id}",
        "version": f'W/"{version}"',
    }


def read(body: dict[str, Any]) -> PersonChange:
    """A user from a whole resource. Raises InvalidParameter."""
    resource: dict[str, Any] = {}
    for part in parts("User", body):
        apply(resource, part)
    return _wanted(resource, [], {})


def edited(person: ScimUser, operations: list[PatchStep]) -> PersonChange:
    """A user as the operations make them. Raises InvalidParameter."""
    user, extra = person
    address = extra.attributes.get("emails", {})
    before = [{"value": user.email, "type": "work", "primary": True, **address}]
    resource = {
        **named_now(person),
        "userName": extra.user_name,
        "externalId": extra.external_id,
        "active": person.is_active,
        "emails": before,
        ROLLBOOK: {"endsAt": None, **_own(user)},
    }
    for operation in operations:
        apply(resource, operation)
    return _wanted(resource, before, address)


def _wanted(resource: dict[str, Any], before: list[dict[str, Any]], address: dict[str, Any]) -> PersonChange:
    """`before`: the emails that nothing was said of, if they still are those; `address` is what is kept about them."""
    email, emails = None, resource.get("emails") or []
    if emails != before and (chosen := _chosen(emails)):
        email = _text("emails", chosen.get("value"))
        primary = chosen.get("primary")
        kind = _text("emails", chosen.get("type"))
        address = {} if kind in (None, "work") else {"type": kind}
        if primary is not None and not _boolean("emails", primary):
            address["primary"] = False
    attributes: dict[str, Any] = {"emails": address} if address else {}
    if "displayName" in resource:
        attributes["displayName"] = _text("displayName", resource["displayName"]) or ""
    if "name" in resource:
        name = _NO_NAME if resource["name"] is None else resource["name"]
        attributes["name"] = {part: _text("name", text) or "" for part, text in name.items()}
    if work := _known(resource.get(ENTERPRISE) or {}):
        attributes[ENTERPRISE] = work
    active = resource.get("active")
    return PersonChange(
        _text("userName", resource.get("userName")),
        None if active is None else _boolean("active", active),
        email,
        _text("externalId", resource.get("externalId")),
        attributes,
        _end(resource.get(ROLLBOOK)),
    )


def _end(own: dict[str, Any] | None) -> Time | None | UnsetType:
    """The end of a user; UNSET, if nothing is said of it."""
    if own is None:
        return UNSET
    text = _text("endsAt", own.get("endsAt"))
    try:
        return None if text is None else text_hook(Time, text)
    except ValueError as problem:
        raise refused("invalidValue", f"endsAt {problem}.") from None


def _chosen(emails: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The address that is kept: the primary one, else that of work, else the first."""
    emails = [email for email in emails if email.get("value")]
    primary = [email for email in emails if str(email.get("primary")).lower() == "true"]
    work = [email for email in emails if str(email.get("type")).lower() == "work"]
    return next(iter([*primary, *work, *emails]), None)


def _known(work: dict[str, Any]) -> dict[str, Any]:
    """The attributes of the extension that have a value."""
    attributes: dict[str, Any] = {}
    for name, value in work.items():
        if isinstance(value, dict):
            value = {part: text for part, subvalue in value.items() if (text := _text(name, subvalue))}
        else:
            value = _text(name, value)
        if value:
            attributes[name] = value
    return attributes


def _text(name: str, value: Any) -> str | None:
    """Texts; numbers are taken for them. What is empty is as if it were not there."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise refused("invalidValue", f"{name} must be a text.")
    return value or None


def _boolean(name: str, value: Any) -> bool:
    """True and false, also as the texts that Entra ID sends."""
    boolean = _BOOLEANS.get(str(value).lower())
    if boolean is None:
        raise refused("invalidValue", f"{name} must be true or false.")
    return boolean
