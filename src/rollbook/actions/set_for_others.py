"""Ways that someone opened for themselves into accounts above member in the last 90 days, and could still use after
they have left, or through somebody else: what is still as they left it, shown line by line, and ended. The event log
tells them, also those by way of whom somebody could act as. Who could sign in to an account, or gave it its power, may
have done all that it did since then."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import NamedTuple

from msgspec import UNSET

from rollbook import clock, roles
from rollbook.actions import creators, passwords, second_factors, sessions, users, webhooks
from rollbook.actions import keys as key_actions
from rollbook.actions.arguments import Email, NewPassword
from rollbook.actions.arguments.passwords import PasswordChange
from rollbook.actions.arguments.users import UserUpdate
from rollbook.actions.arguments.webhooks import WebhookUpdate
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import known, require, require_proof
from rollbook.actions.principal import Principal
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

ACCOUNT, RETURN, ROLE, EMAIL, PASSWORD = "account", "return", "role", "email", "password"
LINK, FACTORS, KEYS, WEBHOOKS = "link", "second factors", "keys", "webhooks"
OPEN, USED = "open", "used"
"""States of a link."""
SIGNS_IN = frozenset((EMAIL, PASSWORD, LINK, FACTORS))
"""Ways with which someone else can act as the user: what the user does to themselves counts, too."""
GIVES_POWER = SIGNS_IN | {ACCOUNT, RETURN, ROLE}

_OPENS = {
    "user.restored": RETURN,
    "user.password_changed": PASSWORD,
    "second_factor.activated": FACTORS,
    "second_factor.codes_regenerated": FACTORS,
}
_CLOSES = {
    "user.restored": (RETURN, ACCOUNT),
    "user.password_changed": (PASSWORD, LINK),
    "user.access_ended": (PASSWORD, LINK, FACTORS),
    "second_factor.lifted": (FACTORS,),
    "session.revoked": (LINK,),
}
_LINKS = ("token.created", "token.requested")


class Way(NamedTuple):
    via: str
    """ID of the user as whom it was opened. Empty: by the person themselves, or a key that goes back to them."""
    what: str


class Trail:
    """Trail of one person. It is fed with the events of everyone, oldest first."""

    def __init__(self, id: str, keys: Iterable[str]) -> None:
        """`keys` are those that go back to the person."""
        self.id = id
        self.ways: dict[str, dict[Way, list[str]]] = {}
        """Ways that are open, by the user whose account it is; of keys and webhooks with their IDs, of an email with
        the one before it, and of links with what became of them."""
        self.opened: dict[tuple[str, Way], StaffEvent] = {}
        """The last event that opened a way of a user."""
        self._keys = dict.fromkeys(keys, "")
        self._links: dict[tuple[str, str], str | None] = {}
        """Person who may have the open link of a user for a purpose, as in `Way.via`. None: no one of them."""
        self._requests: dict[str, str | None] = {}
        """Requests that used such a link."""

    def follow(self, event: StaffEvent) -> None:
        if event.user_id == self.id:
            return
        via = self._via(event)
        if event.type in _LINKS:
            self._link(event, via)
        elif event.type == "token.consumed":
            self._use_link(event)
        elif event.type.startswith("key.") and via is not None:
            self._keys[event.object["id"]] = via
            self._open(event, via, KEYS, event.object["id"])
        elif event.type.startswith("webhook.") and via is not None:
            if event.type != "webhook.updated" or not event.before.keys().isdisjoint(("url", "user_id")):
                self._open(event, via, WEBHOOKS, event.object["id"])
        elif via is None:
            self._close(event, (*_CLOSES.get(event.type, ()), *(what for what, _ in _changes(event))))
            if event.type == "user.activated" and event.before.get("status") == "suspended":
                self._close(event, (ACCOUNT,))
        else:
            if event.type in _OPENS:
                self._open(event, via, _OPENS[event.type])
            for what, value in _changes(event):
                self._open(event, via, what, self._email_before(event.user_id) or value if what == EMAIL else value)

    def _via(self, event: StaffEvent) -> str | None:
        """As whom the person may have done this. Empty: as themselves. None: someone else did it."""
        actor = event.actor
        if actor.request_id in self._requests:
            return self._requests[actor.request_id]
        if self.id in (actor.user_id, actor.key_created_by):
            return ""
        if actor.key_id in self._keys:
            return self._keys[actor.key_id]
        for user_id in event.people:
            if user_id and self._has(user_id, SIGNS_IN if user_id == event.user_id else GIVES_POWER):
                return user_id
        return None

    def _has(self, user_id: str, any_of: Collection[str]) -> bool:
        return any(way.what in any_of for way in self.ways.get(user_id, ()))

    def _link(self, event: StaffEvent, via: str | None) -> None:
        """A link that is mailed is had by whoever reads the user's mail."""
        if event.object.get("purpose") == "verify_email":
            return
        if event.type == "token.requested" or event.object.get("send"):
            via = event.user_id if self._has(event.user_id, (EMAIL,)) else None
        self._links[event.user_id, _purpose(event)] = via
        if via is not None:
            self._open(event, via, LINK, OPEN)

    def _use_link(self, event: StaffEvent) -> None:
        """Note who has the link: what follows in the same request is done by them."""
        if (link := (event.user_id, _purpose(event))) not in self._links:
            return
        via = self._links.pop(link)
        if via is not None:
            self._open(event, via, LINK, USED)
        if event.actor.request_id:
            self._requests[event.actor.request_id] = via

    def _email_before(self, user_id: str) -> str | None:
        """The email that a user had before the first of several changes."""
        return next((values[0] for way, values in self.ways.get(user_id, {}).items() if way.what == EMAIL), None)

    def _open(self, event: StaffEvent, via: str, what: str, value: str = "") -> None:
        self.opened[event.user_id, Way(via, what)] = event
        values = self.ways.setdefault(event.user_id, {}).setdefault(Way(via, what), [])
        if value not in values:
            values.append(value)

    def _close(self, event: StaffEvent, what: Collection[str]) -> None:
        ways = self.ways.get(event.user_id, {})
        for way in [way for way in ways if way.what in what]:
            del ways[way]


def _purpose(event: StaffEvent) -> str:
    """Purpose of a token; those of passwords, of which a user has one, have the same."""
    purpose = event.object["purpose"]
    return "" if purpose in ("invite", "reset_password") else purpose


def _changes(event: StaffEvent) -> list[tuple[str, str]]:
    """Ways that an event about a user opens if the person caused it, and closes if someone else did."""
    object, before = event.object, event.before
    ways = list[tuple[str, str]]()
    if event.type == "user.created":
        ways.append((ACCOUNT, ""))
        if object.get("kind", roles.PERSON) == roles.PERSON and object.get("status") == "active":
            ways.append((PASSWORD, ""))
    elif "email" in before:
        ways.append((EMAIL, before["email"]))
    if "role" in before and "role" in object and roles.is_promotion(before["role"], object["role"]):
        ways.append((ROLE, ""))
    if event.type == "user.activated" and before.get("status") == "suspended":
        ways.append((RETURN, ""))
    return ways


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
    log, since, is_whole = await on.read_aside(_events, clock.now() - DAYS * clock.DAY)
    actor_keys = sorted({event.actor.key_id for event in log if event.actor.key_id})
    trail = Trail(known("user", id), await on.read_aside(keys.that_go_back_to, id, actor_keys))
    for event in log:
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
    by_seq = {event.seq: event for event in await staff_events.of_staff(queries, after, MAX_EVENTS + 1)}
    read = {event.user_id for event in by_seq.values()}
    while new := {person for event in by_seq.values() for person in event.people if person} - read:
        by_seq |= {event.seq: event for event in await staff_events.of_users(queries, new, after, MAX_EVENTS + 1)}
        read |= new
    newest = [by_seq[seq] for seq in sorted(by_seq)[-MAX_EVENTS:]]
    begins = await events.begins(queries)
    if len(by_seq) > MAX_EVENTS:
        begins = max(begins, newest[0].created_at)
    return newest, max(since, begins), begins <= since


async def _add_held(on: Rollbook, by: Principal, trail: Trail) -> None:
    """Keys and webhooks that go back to the person, however old they are."""
    holdings = (await creators.going_back(on, by, [trail.id]))[trail.id]
    for what, ids in ((KEYS, holdings.keys), (WEBHOOKS, holdings.webhooks)):
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
            what = {kind: values for kind, values in what.items() if values != [""] or Way("", kind) not in ways}
        if left := await _still(on, user, what):
            opened = {
                kind: trail.opened[user.id, Way(via, kind)]
                for kind in left
                if (user.id, Way(via, kind)) in trail.opened
            }
            own_keys = await keys.by_ids(on.db, user.id, left[KEYS]) if KEYS in left else []
            names = [key.name for key in own_keys]
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
    """The part of it that no one has ended since."""
    left = dict(what)
    if KEYS in left:
        own_keys = await keys.by_ids(on.db, user.id, left[KEYS])
        left[KEYS] = [key.id for key in own_keys if key.status in ("active", "suspended")]
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
    return {kind: values for kind, values in left.items() if not ended.get(kind)}


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
        await webhooks.update(on, by, webhook_id, WebhookUpdate(status="paused"))
    if suspends:
        await users.suspend(on, by, user.id)
    elif ROLE in what:
        await users.update(on, by, user.id, UserUpdate(role="member"))
