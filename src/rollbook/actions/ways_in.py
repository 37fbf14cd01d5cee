"""Ways into other people's accounts that somebody opened, also by way of whom they could act as, as the event log
tells it. Who could sign in to an account, or gave it its power, may have done all that it did since then."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from rollbook import roles
from rollbook.records.staff_events import StaffEvent

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
_LINKS = ("password_link.created", "token.created", "token.requested")


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
    """Purpose of a token; setup and password reset links, of which there is one, have the same."""
    purpose = event.object.get("purpose", "")
    return "" if purpose in ("invite", "reset_password") else purpose


def _changes(event: StaffEvent) -> list[tuple[str, str]]:
    """Ways that an event about a user opens if the person caused it, and closes if someone else did."""
    object, before = event.object, event.before
    found = list[tuple[str, str]]()
    if event.type == "user.created":
        found.append((ACCOUNT, ""))
        if object.get("kind", roles.PERSON) == roles.PERSON and object.get("status") == "active":
            found.append((PASSWORD, ""))
    elif "email" in before:
        found.append((EMAIL, before["email"]))
    if "role" in before and "role" in object and roles.is_promotion(before["role"], object["role"]):
        found.append((ROLE, ""))
    if event.type == "user.activated" and before.get("status") == "suspended":
        found.append((RETURN, ""))
    return found
