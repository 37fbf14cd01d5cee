"""What someone set for people above member in the last 90 days, and could still sign in with after they have left:
passwords, second factors, recovery codes, accounts and roles."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from msgspec import UNSET

from rollbook import clock
from rollbook.actions import audit, passwords, second_factors, users
from rollbook.actions.arguments import AuditFilters, NewPassword, PasswordChange, Time, UserUpdate
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import known, require, require_proof
from rollbook.actions.principal import Principal
from rollbook.auth import tokens
from rollbook.errors import LastOwner
from rollbook.records import keys
from rollbook.records import users as records
from rollbook.records.users import User

DAYS = 90
MAX_EVENTS = 1_000
MAX_KEYS = 100
ACCOUNT, ROLE, PASSWORD, FACTORS = "account", "role", "password", "second factors"
_SETS = {
    "user.created": ACCOUNT,
    "user.promoted": ROLE,
    "user.password_changed": PASSWORD,
    "second_factor.activated": FACTORS,
    "second_factor.codes_regenerated": FACTORS,
}
"""What events of a type set."""


class SetForOther(NamedTuple):
    user: User
    what: frozenset[str]


async def find(on: Rollbook, by: Principal, id: str) -> list[SetForOther]:
    """What is still as this user set it, or a key that goes back to them, by the event log. The user may have been
    deleted. Raises InsufficientScope."""
    require(by, "users:read")
    require(by, "events:read")
    actors = {known("user", id), *await on.read(keys.ids_created_for_others, id, MAX_KEYS)}
    since = clock.now() - DAYS * clock.DAY
    found: dict[str, set[str]] = {}
    for actor in sorted(actors, key=lambda actor: actor != id):
        asked = AuditFilters(types=tuple(_SETS), actor=actor, created_after=Time(since))
        for event in (await audit.search(on, by, asked, MAX_EVENTS)).events:
            if event.user_id not in ("", id):
                found.setdefault(event.user_id, set()).add(_SETS[event.type])
    still: list[SetForOther] = []
    for user_id, what in found.items():
        user = await records.by_id(on.db, user_id)
        if user is not None and user.role != "member" and (left := await _still(on, by, user, what, actors)):
            still.append(SetForOther(user, left))
    return still


async def _still(on: Rollbook, by: Principal, user: User, what: set[str], actors: set[str]) -> frozenset[str]:
    """The part of it that nobody has changed since."""
    left = set(what)
    if user.status == "suspended":
        left.discard(ACCOUNT)
    if PASSWORD in left:
        asked = AuditFilters(types=("user.password_changed",), user=user.id)
        last = (await audit.search(on, by, asked, 1)).events
        if not last or not actors & {last[0].actor.user_id, last[0].actor.key_id}:
            left.discard(PASSWORD)
    if FACTORS in left and not await second_factors.has(on.db, user.id):
        left.discard(FACTORS)
    return frozenset(left)


async def end(on: Rollbook, by: Principal, id: str) -> int:
    """End it: accounts are suspended, roles become member, passwords are replaced by ones that no one knows, and second
    factors are lifted. Each by the action that does it alone, with its event. Return how many users were changed.
    Raises InsufficientScope, ProofRequired."""
    require(by, "users:grant")
    require_proof(by)
    ended = 0
    for user, what in await find(on, by, id):
        if user.id == by.user_id:
            continue  # who is here changes their own password and factors with the ones they have
        with suppress(LastOwner):
            if PASSWORD in what:
                await passwords.set_password(on, by, user.id, PasswordChange(NewPassword(tokens.mint()), UNSET, False))
            if FACTORS in what:
                await second_factors.lift_second_factors(on, by, user.id)
            if ACCOUNT in what:
                await users.suspend(on, by, user.id)
            elif ROLE in what:
                await users.update(on, by, user.id, UserUpdate(role="member"))
            ended += 1
    return ended
