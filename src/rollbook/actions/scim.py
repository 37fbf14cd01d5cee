"""Actions of identity providers on users, as they know them by SCIM. What becomes of a user is done by the actions on
users."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from msgspec import UNSET, UnsetType

from rollbook.actions import users as user_actions
from rollbook.actions.checking import check_end, check_version, given, refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import known, require
from rollbook.actions.principal import Principal
from rollbook.errors import EmailUnproven, InvalidParameter, NotFound, NotYourself
from rollbook.records import rules, scim, user_list, users
from rollbook.records.scim import ScimDetails
from rollbook.records.user_list.query import PERSONS, Order, Query
from rollbook.records.users import User
from rollbook.roles import APPLICATION
from rollbook.storage.database import Queries, Tx

MAX_SCANNED = 10_000
"""Users, or groups, that a filter without an index looks at."""
MAX_COMPARED = 100_000
"""Comparisons of conditions with users, or groups, in one search: 0.2 s of CPU."""
AT_ONCE = 200
TURN = 20
"""Users, or groups, that are tested without a break: fewer if there are more conditions than MANY_CONDITIONS."""
MANY_CONDITIONS = 10
TEXT_LENGTH = 255

A = TypeVar("A")

Versions = frozenset[str] | None
"""Versions of a resource that the caller will change; None: any."""


class ScimUser(NamedTuple):
    """A user as an identity provider has them."""

    user: User
    kept: ScimDetails

    @property
    def version(self) -> str:
        return f"{self.user.version}-{self.kept.version}"

    @property
    def user_name(self) -> str:
        return self.kept.user_name or (self.user.id if self.kept.is_taken else self.user.email)

    @property
    def is_active(self) -> bool:
        return self.user.status != "suspended"


class PersonChange(NamedTuple):
    """A user as an identity provider wants them. None: it says nothing of it."""

    user_name: str | None
    active: bool | None
    email: str | None
    external_id: str | None
    attributes: dict[str, Any]
    """All others, by their names in SCIM; a part of a name or a displayName that is empty is not shown."""
    ends_at: int | None | UnsetType = UNSET
    """None: never. UNSET: it says nothing of it, and nor do those who don't know it."""


class ScimSearch(NamedTuple):
    """Selection and order of listed resources. `lead` is a condition that an index answers; `passes` tests all
    conditions, and `key` is what they are sorted by: both of a Person, or a Team."""

    lead: tuple[str, str] | None = None
    passes: Callable[[Any], bool] | None = None
    key: Callable[[Any], Any] | None = None
    order: Order | None = None
    """By which an index sorts all users."""
    falling: bool = False
    offset: int = 0
    limit: int = 100
    members: tuple[str, ...] | None = None
    """IDs of users that `passes` asks groups for."""
    conditions: int = 1
    """Comparisons that `passes` may make."""


class ScimPage(NamedTuple):
    total: int
    resources: Sequence[Any]


# ---- users


async def get_person(on: Rollbook, by: Principal, id: str) -> ScimUser:
    require(by, "users:read")
    return await on.read(_person, known("user", id), by.tenant)


async def _person(queries: Queries, id: str, tenant: str) -> ScimUser:
    """Raises NotFound, for applications too: identity providers know persons."""
    user = await users.get(queries, id)
    if user.kind == APPLICATION:
        raise NotFound()
    return ScimUser(user, await scim.kept(queries, tenant, id))


async def create_person(on: Rollbook, by: Principal, change: PersonChange) -> ScimUser:
    """Create a user who signs in with their identity provider: without a password."""
    require(by, "users:read")  # the answer has all of them: refused before anything is done
    require(by, "users:write")
    user_name = _required(change.user_name)
    if change.email is None and "@" not in user_name:
        refuse("emails", "is required where userName is no email address")
    _check(change)
    email = checked(rules.email, "emails", change.email or user_name)
    name = _name(change.attributes) or checked(rules.name, "userName", user_name)
    new = users.new(name, email, email_asserted=1)
    check_end(change.ends_at, "endsAt")
    new = new._replace(status="suspended" if change.active is False else "active", ends_at=given(change.ends_at))
    return await on.write(_create_person, by, new, change)


async def _create_person(tx: Tx, by: Principal, new: User, change: PersonChange) -> ScimUser:
    user = await user_actions.add(tx, by, new)
    return ScimUser(user, await _kept(tx, by, user, ScimDetails(), change))


async def change_person(
    on: Rollbook,
    by: Principal,
    id: str,
    edit: Callable[[ScimUser], PersonChange],
    versions: Versions = None,
    replaces: bool = False,
) -> ScimUser:
    """Change a user to what `edit` makes of them; it may be asked more than once. `replaces`: all that it doesn't tell
    is as if it had never been said."""
    require(by, "users:read")  # the answer has all of them: refused before anything is done
    require(by, "users:write")
    return await on.write(_change_person, by, known("user", id), edit, versions, replaces)


async def _change_person(
    tx: Tx, by: Principal, id: str, edit: Callable[[ScimUser], PersonChange], versions: Versions, replaces: bool
) -> ScimUser:
    await users.lock_if_owner(tx, id)
    person = await _person(tx, id, by.tenant)
    check_version(person.version, versions)
    change = edit(person)
    if replaces:
        _required(change.user_name)
    _check(change)
    user, extra = person
    columns = _columns(by, person, change, replaces)
    adopts = _adopts(person, change, columns)
    unproven = await users.unproven(tx, [user.id]) if adopts else None
    user = await user_actions.change(tx, by, user, columns)
    if unproven:  # rights come first
        raise EmailUnproven()
    if adopts or "email" in columns:
        await users.assert_email(tx, user.id)
    extra = await _kept(tx, by, user, extra, change)
    return ScimUser(user, extra) if extra.user_name else await _person(tx, id, by.tenant)


def _adopts(person: ScimUser, change: PersonChange, columns: Mapping[str, Any]) -> bool:
    """Test whether this takes a user over whom the provider has not had so far. To suspend one is always possible, if
    nothing else comes with it: what is kept of a suspended user would count when they are active again."""
    external_id = person.kept.external_id
    if external_id is not None and change.external_id == external_id:
        return False
    return change.active is not False or change.external_id is not None or not columns.keys() <= {"status"}


async def _kept(tx: Tx, by: Principal, user: User, extra: ScimDetails, change: PersonChange) -> ScimDetails:
    """Keep what is wanted. Raises UserNameTaken, ExternalIdTaken."""
    external_id = change.external_id
    if (change.user_name, change.attributes, external_id) == (extra.user_name, extra.attributes, extra.external_id):
        return extra
    if external_id != extra.external_id:
        await scim.identify(tx, by.tenant, "user", user.id, external_id, extra.external_id)
    extra = await scim.keep(tx, user.id, change.user_name, change.attributes, extra)
    return extra._replace(external_id=external_id)


def _columns(by: Principal, person: ScimUser, change: PersonChange, replaces: bool) -> dict[str, Any]:
    """Changes of the user that everybody sees. A name is only set by what the provider says of it now: it may have
    been changed here since."""
    user, extra = person
    columns: dict[str, Any] = {}
    name = _name(change.attributes)
    if name and (replaces or name != _name(named_now(person))):
        columns["name"] = name
    if change.active is not None and change.active != person.is_active:
        columns["status"] = "active" if change.active else "suspended"
    if change.ends_at not in (UNSET, user.ends_at):
        check_end(change.ends_at, "endsAt")
        columns["ends_at"] = change.ends_at
    email, user_name = change.email, change.user_name
    if email is None and user_name is not None and "@" in user_name:
        follows = rules.email_key(extra.user_name or user.email) == rules.email_key(user.email)
        email = user_name if follows or replaces else None
    if email is not None and email != user.email:
        if user.id == by.user_id:  # a key, however narrow, must not lead to the password of its user
            raise NotYourself("You cannot change your own email by SCIM.")
        columns["email"] = checked(rules.email, "emails", email)
    return columns


def named_now(person: ScimUser) -> dict[str, Any]:
    """The attributes that are kept; a displayName is the name as it is by now."""
    attributes = person.kept.attributes
    return {**attributes, "displayName": person.user.name} if attributes.get("displayName") else attributes


def _name(attributes: dict[str, Any]) -> str:
    """The name that these attributes give a user; empty if they say none."""
    parts = attributes.get("name", {})
    whole = f"{parts.get('givenName', '')} {parts.get('familyName', '')}".strip()
    text = attributes.get("displayName") or parts.get("formatted") or whole
    return checked(rules.name, "displayName", text[: rules.NAME_LENGTH]) if text else ""


def _required(user_name: str | None) -> str:
    """Raises InvalidParameter."""
    return refuse("userName", "is required") if user_name is None else user_name


def _check(change: PersonChange) -> None:
    """Check the texts. Raises InvalidParameter."""
    check_text("userName", change.user_name)
    check_text("externalId", change.external_id)
    for name, value in change.attributes.items():
        check_text(name, value)


def check_text(name: str, text: Any) -> None:
    """Check a text, or all in an object. Raises InvalidParameter."""
    for part in text.values() if isinstance(text, dict) else ():
        check_text(name, part)
    if not isinstance(text, str):
        return
    if len(text) > TEXT_LENGTH or any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text):
        refuse(name, f"must have at most {TEXT_LENGTH} characters, and no control characters")
    if character := rules.hidden(text):
        refuse(name, f"must have no invisible characters ({character})")


def checked(rule: Callable[[str], str], param: str, text: str) -> str:
    """The text as the rule has it. Raises InvalidParameter."""
    try:
        return rule(text)
    except ValueError as problem:
        raise InvalidParameter(str(problem), param=param) from None


# ---- lists


async def list_people(on: Rollbook, by: Principal, search: ScimSearch) -> ScimPage:
    """Users who pass, in the order in which they were added unless it is sorted. Raises InvalidParameter for a search
    that would look at too many."""
    require(by, "users:read")
    if search.passes is None and (search.key is None or search.order is not None):
        if not search.limit:
            return ScimPage(await user_list.count(on.db, PERSONS), ())
        query = Query(PERSONS, limit=search.limit, offset=search.offset, count=True)
        page = await user_list.page(on.db, query if search.order is None else query._replace(order=(search.order,)))
        return ScimPage(page.total or 0, await _people(on, by, page))
    if search.lead is not None:
        return await sliced(await _led_people(on, by, *search.lead), search)
    check_few(await user_list.count(on.db, PERSONS), "users", search)
    async with looking(on, by):
        people, position = [], None
        while True:
            page = await user_list.page(on.db, Query(PERSONS, limit=AT_ONCE, position=position))
            people += await _people(on, by, page)
            if (position := page.after) is None:
                return await sliced(people, search)


def looking(on: Rollbook, by: Principal) -> asyncio.Lock:
    """Held while many users or groups are looked at for a key: its next search waits."""
    return on.searches.setdefault(by.caller.key_id or by.user_id, asyncio.Lock())


async def _people(on: Rollbook, by: Principal, page: user_list.UserPage) -> list[ScimUser]:
    batch = [User._make(row) for row in page.rows]
    read = on.read if len(batch) <= AT_ONCE else on.read_aside
    extras = await read(scim.kept_of, by.tenant, [user.id for user in batch])
    return [ScimUser(user, extras.get(user.id, ScimDetails())) for user in batch]


async def _led_people(on: Rollbook, by: Principal, name: str, value: str) -> list[ScimUser]:
    if name == "userName":
        id = await scim.named(on.db, value)
    elif name == "externalId":
        id = await scim.identified(on.db, by.tenant, "user", value)
    elif name == "email":
        user = await users.by_email(on.db, value)
        id = None if user is None else user.id
    else:
        id = value
    try:
        return [] if id is None else [await get_person(on, by, id)]
    except NotFound:
        return []


def check_few(total: int, kind: str, search: ScimSearch) -> None:
    """Refuse a search that would take long. Raises InvalidParameter."""
    compared = total * search.conditions
    if total > MAX_SCANNED:
        problem = f"This would look at {total:,} {kind}, more than {MAX_SCANNED:,}. Filter"
    elif compared > MAX_COMPARED:
        problem = (
            f"This would compare {total:,} {kind} with {search.conditions} conditions each, {compared:,} times in all, "
            f"more than {MAX_COMPARED:,}. Use fewer conditions, or filter"
        )
    else:
        return
    raise too_many(
        f"{problem} by eq on userName, externalId, emails.value or id, or for groups displayName or members."
    )


def too_many(message: str) -> InvalidParameter:
    error = InvalidParameter(message)
    error.members["scimType"] = "tooMany"
    return error


async def sliced(candidates: Sequence[Any], search: ScimSearch) -> ScimPage:
    """The candidates who pass, sorted. Others get their turn meanwhile: a filter may have a hundred conditions."""
    matches = candidates
    if search.passes is not None:
        turn = max(1, TURN * MANY_CONDITIONS // max(MANY_CONDITIONS, search.conditions))
        matches = [candidate async for candidate in _in_turns(candidates, turn) if search.passes(candidate)]
    if search.key is not None:
        keyed = [(search.key(candidate), candidate) async for candidate in _in_turns(matches, TURN)]
        keyed.sort(key=itemgetter(0), reverse=search.falling)
        matches = [candidate for _, candidate in keyed]
    return ScimPage(len(matches), matches[search.offset : search.offset + search.limit])


async def _in_turns(items: Sequence[A], turn: int) -> AsyncIterator[A]:
    for at, item in enumerate(items):
        yield item
        if at % turn == turn - 1:
            await asyncio.sleep(0)


async def delete_person(on: Rollbook, by: Principal, id: str, versions: Versions = None) -> None:
    """Delete a user, who can be restored."""
    require(by, "users:delete")
    person = await on.read(_person, known("user", id), by.tenant)
    if versions is None:
        return await user_actions.delete(on, by, id)
    check_version(person.version, versions)
    return await user_actions.delete(on, by, id, versions=frozenset({person.user.version}))
