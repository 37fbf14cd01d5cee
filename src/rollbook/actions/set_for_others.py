"""Ways that someone opened for themselves into accounts above member in the last 90 days, and could still use after
they have left, or through somebody else: what is still as they left it, shown line by line, and ended."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple

from msgspec import UNSET

from rollbook import clock
from rollbook.actions import creators, passwords, second_factors, sessions, users, webhooks
from rollbook.actions import keys as key_actions
from rollbook.actions.arguments import Email, NewPassword
from rollbook.actions.arguments.passwords import PasswordChange
from rollbook.actions.arguments.users import UserUpdate
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import known, require, require_proof
from rollbook.actions.principal import Principal
from rollbook.actions.ways_in import (
    ACCOUNT,
    EMAIL,
    FACTORS,
    KEYS,
    LINK,
    OPEN,
    PASSWORD,
    RETURN,
    ROLE,
    USED,
    WEBHOOKS,
    Trail,
    Way,
)
from rollbook.auth import tokens
from rollbook.errors import EmailTaken, LastOwner, NotFound
from rollbook.records import events, keys, one_time_tokens, staff_events
from rollbook.records import second_factors as factor_records
from rollbook.records import sessions as session_records
from rollbook.records import users as records
from rollbook.records import webhooks as webhook_records
from rollbook.records.staff_events import StaffEvent
from rollbook.records.users import User
from rollbook.storage.database import Queries

DAYS = 90
MAX_EVENTS = 20_000
MAX_LINES = 500
MAX_WEBHOOKS = 1_000
"""Webhooks of a user that are looked at."""


class SetForOther(NamedTuple):
    """Line of what someone set for a user. `via`: as whom they may have done it; None: as themselves."""

    user: User
    via: User | None
    what: dict[str, list[str]]
    """With the IDs of keys and webhooks, and the email before it was changed."""
    can_end: bool
    events: dict[str, StaffEvent]
    """The last event of each; none for keys and webhooks that the log doesn't reach back to."""
    key_names: list[str]

    @property
    def needs_link(self) -> bool:
        """Test whether the user can't sign in without a new password once it has ended."""
        return PASSWORD in self.what and self.what.keys().isdisjoint((ACCOUNT, RETURN))

    @property
    def id(self) -> str:
        return f"{self.user.id}.{self.via.id if self.via else ''}"

    @property
    def is_sure(self) -> bool:
        """Test whether they set it themselves, or as the user: through anyone else, only if that was them."""
        return self.via is None or self.via.id == self.user.id


class SetForOthers(NamedTuple):
    person: User
    lines: list[SetForOther]
    since: int
    """Time from which on the event log was searched."""
    is_whole: bool
    """False: the log, or what was read of it, doesn't go back DAYS."""
    has_more: bool
    """True: there are more than MAX_LINES."""


async def find(on: Rollbook, by: Principal, id: str) -> SetForOthers:
    """Find what is still as this user set it, themselves, with a key that goes back to them, or as someone into whose
    account they could get. The user may have been deleted. Raises InsufficientScope."""
    require(by, "users:grant")
    require(by, "events:read")
    await events.settle(on.db)
    told, since, is_whole = await on.read_aside(_events, clock.now() - DAYS * clock.DAY)
    actor_keys = sorted({event.actor.key_id for event in told if event.actor.key_id})
    trail = Trail(known("user", id), await on.read_aside(keys.that_go_back_to, id, actor_keys))
    for event in told:
        trail.follow(event)
    await _add_held(on, by, trail)
    lines = list[SetForOther]()
    for user_id, ways in trail.ways.items():
        user = await records.by_id(on.db, user_id)
        if user is not None and user.role != "member" and len(lines) <= MAX_LINES:
            lines += await _lines(on, by, user, ways, trail)
    lines.sort(key=lambda line: not line.is_sure)
    person = await _person(on, trail.id)
    assert person is not None  # only for no ID
    return SetForOthers(person, lines[:MAX_LINES], since, is_whole, len(lines) > MAX_LINES)


async def _events(queries: Queries, since: int) -> tuple[list[StaffEvent], int, bool]:
    """The events about users above member and about all who changed them, be they deleted or members by now, oldest
    first; and from when on, and whether those are all since then."""
    after = await events.seq_at(queries, since)
    told = {event.seq: event for event in await staff_events.of_staff(queries, after, MAX_EVENTS + 1)}
    read = {event.user_id for event in told.values()}
    while new := {person for event in told.values() for person in event.people if person} - read:
        told |= {event.seq: event for event in await staff_events.of_users(queries, new, after, MAX_EVENTS + 1)}
        read |= new
    newest = [told[seq] for seq in sorted(told)[-MAX_EVENTS:]]
    begins = await events.begins(queries)
    if len(told) > MAX_EVENTS:
        begins = max(begins, newest[0].created_at)
    return newest, max(since, begins), begins <= since


async def _add_held(on: Rollbook, by: Principal, trail: Trail) -> None:
    """Keys and webhooks that go back to the person, however old they are."""
    held = (await creators.going_back(on, by, [trail.id]))[trail.id]
    for what, ids in ((KEYS, held.keys), (WEBHOOKS, held.webhooks)):
        for id, user_id in ids.items():
            values = trail.ways.setdefault(user_id, {}).setdefault(Way("", what), [])
            values += [] if id in values else [id]


async def _lines(
    on: Rollbook, by: Principal, user: User, ways: dict[Way, list[str]], trail: Trail
) -> list[SetForOther]:
    lines = list[SetForOther]()
    can_end = user.id != by.user_id and (user.role != "owner" or by.role == "owner")
    for via in dict.fromkeys(way.via for way in ways):
        what = {way.what: values for way, values in ways.items() if way.via == via}
        if via == user.id:  # what they did themselves as well ends with that
            what = {each: values for each, values in what.items() if values != [""] or Way("", each) not in ways}
        if left := await _still(on, user, what):
            opened = {
                each: trail.opened[user.id, Way(via, each)]
                for each in left
                if (user.id, Way(via, each)) in trail.opened
            }
            held = await keys.by_ids(on.db, user.id, left[KEYS]) if KEYS in left else []
            names = [key.name for key in held]
            lines.append(SetForOther(user, await _person(on, via), left, can_end, opened, names))
    return lines


async def _person(on: Rollbook, id: str) -> User | None:
    if not id:
        return None
    user = await records.by_id(on.db, id)
    if user is None and (deleted := await records.deleted(on.db, id)) is not None:
        user = deleted.user
    return user or User(0, id, id, "")  # erased: the log has the ID


async def _still(on: Rollbook, user: User, what: dict[str, list[str]]) -> dict[str, list[str]]:
    """The part of it that nobody has ended since."""
    left = dict(what)
    if KEYS in left:
        held = await keys.by_ids(on.db, user.id, left[KEYS])
        left[KEYS] = [key.id for key in held if key.status in ("active", "suspended")]
    if WEBHOOKS in left:
        hooks = await webhook_records.some(on.db, user.id, MAX_WEBHOOKS)
        left[WEBHOOKS] = [hook.id for hook in hooks if hook.id in left[WEBHOOKS] and webhook_records.works(hook)]
    ended = {
        ACCOUNT: user.status == "suspended",
        RETURN: user.status == "suspended",
        EMAIL: left.get(EMAIL, [""])[0] == user.email,
        PASSWORD: PASSWORD in left and await records.password_hash(on.db, user.id) is None,
        LINK: LINK in left and not await _is_in(on, user.id, left[LINK]),
        FACTORS: FACTORS in left and not await factor_records.has(on.db, user.id),
        KEYS: not left.get(KEYS),
        WEBHOOKS: not left.get(WEBHOOKS),
    }
    return {each: values for each, values in left.items() if not ended.get(each)}


async def _is_in(on: Rollbook, user_id: str, links: Collection[str]) -> bool:
    """Test whether a link for this user is open, or someone who may have come by one is signed in."""
    if OPEN in links and await one_time_tokens.of_user(on.db, user_id):
        return True
    return USED in links and await session_records.count(on.db, user_id, on.session_lifetime) > 0


async def end(on: Rollbook, by: Principal, id: str, chosen: Collection[str]) -> list[SetForOther]:
    """End these lines: accounts are suspended, roles become member, passwords are replaced by ones that no one knows,
    and so on. Each by the action that does it alone, with its event. Return the lines that were ended. Raises
    InsufficientScope, ProofRequired."""
    require(by, "users:grant")
    require_proof(by)
    ended = list[SetForOther]()
    for line in (await find(on, by, id)).lines:
        if line.id in chosen and line.can_end:
            with suppress(LastOwner, NotFound):
                await _end(on, by, line.user, line.what)
                ended.append(line)
    return ended


async def _end(on: Rollbook, by: Principal, user: User, what: dict[str, list[str]]) -> None:
    suspends = ACCOUNT in what or RETURN in what
    if EMAIL in what:
        try:
            await users.update(on, by, user.id, UserUpdate(email=Email(what[EMAIL][0])))
        except EmailTaken:
            suspends = True  # whoever reads the mail of the new one could set the password
    if PASSWORD in what:
        await passwords.set_password(on, by, user.id, PasswordChange(NewPassword(tokens.mint()), UNSET, False))
    elif LINK in what or EMAIL in what:
        await sessions.end_all(on, by, user.id)
    if FACTORS in what:
        await second_factors.lift_second_factors(on, by, user.id)
    for key_id in what.get(KEYS, ()):
        await key_actions.revoke(on, by, key_id)
    for webhook_id in what.get(WEBHOOKS, ()):
        await webhooks.pause(on, by, webhook_id)
    if suspends:
        await users.suspend(on, by, user.id)
    elif ROLE in what:
        await users.update(on, by, user.id, UserUpdate(role="member"))
