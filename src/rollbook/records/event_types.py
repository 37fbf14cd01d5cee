"""The catalogue of events: every type with what it says, the kind of object it has, and an example.

The docs, the API description, the choices in forms and test deliveries come from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from rollbook.records import examples
from rollbook.records.examples import KEY, SESSION, USER, WEBHOOK

ALL = "*"
"""The pattern of all types, those of later versions too."""


class EventType(NamedTuple):
    """`kind` is the kind of the object; `user_id`, `object` and `before` are those of the example."""

    says: str
    kind: str
    object: dict[str, Any]
    before: dict[str, Any] | None = None
    user_id: str = examples.CHARLIE_ID


def _webhook(says: str, object: dict[str, Any], before: dict[str, Any] | None = None) -> EventType:
    return EventType(says, "webhook", object, before, examples.ALICE_ID)


TYPES: dict[str, EventType] = {
    "user.created": EventType("A user was created.", "user", examples.USER_AS_CREATED),
    "user.updated": EventType("A user was updated. `before` has the previous values.", "user", USER, {"name": "Charlie Chaplin", "email": "charlie@example.com"}),
    "user.promoted": EventType("A user got a higher role. They were signed out, and their password link and the API keys that others created for them ended. `before` has the previous values.", "user", {**USER, "role": "viewer"}, {"role": "member"}),
    "user.password_changed": EventType("A user's password was set.", "user", USER),
    "user.suspended": EventType("A user was suspended.", "user", {**USER, "status": "suspended"}, {"status": "active"}),
    "user.activated": EventType("A suspended user was activated.", "user", USER, {"status": "suspended"}),
    "user.signed_in": EventType("A user signed in to the dashboard, or an application verified their password. `actor.address` is theirs, if it is known.", "user", {**USER, "last_sign_in_at": "2023-10-27T11:00:00Z"}),
    "user.sign_in_failed": EventType("A wrong password was given for a user. At most one a minute for each user: more attempts in that time are not recorded.", "user", USER),
    "user.deleted": EventType("A user was deleted. They can be restored.", "user", USER),
    "user.restored": EventType("A deleted user was restored.", "user", USER),
    "user.purged": EventType("A user was permanently erased. The object contains only the ID.", "user", {"id": examples.CHARLIE_ID}),
    "key.created": EventType("An API key was created.", "key", KEY),
    "key.revealed": EventType("An API key was revealed.", "key", KEY),
    "key.rotated": EventType("An API key was replaced by a new one and will expire.", "key", KEY, {**KEY, "id": "key_065n18kq2h1o9d3f7g5j8l4n6s", "expires_at": "2023-10-27T12:00:00Z"}),
    "key.expiring": EventType("An API key expires soon. Recorded 7 days and 1 day before.", "key", KEY),
    "key.expired": EventType("An API key expired.", "key", KEY),
    "key.revoked": EventType("An API key was revoked.", "key", {**KEY, "revoked_at": "2023-10-27T11:00:00Z"}),
    "session.created": EventType("A user signed in to the dashboard.", "session", SESSION),
    "session.revoked": EventType("A user signed out, or was signed out.", "session", SESSION),
    "password_link.created": EventType("A setup or password reset link was created.", "password_link", examples.PASSWORD_LINK),
    "limit.exceeded": EventType("A user or API key exceeded a rate limit. At most one for each window.", "limit", examples.EXCEEDED),
    "webhook.created": _webhook("A webhook was created.", WEBHOOK),
    "webhook.updated": _webhook("A webhook was updated, paused or resumed. `before` has the previous values.", WEBHOOK, {"types": ["*"]}),
    "webhook.revealed": _webhook("The secret of a webhook was revealed.", WEBHOOK),
    "webhook.rotated": _webhook("The secret of a webhook was replaced by a new one.", WEBHOOK),
    "webhook.deleted": _webhook("A webhook was deleted.", WEBHOOK),
    "webhook.disabled": _webhook("A webhook was disabled. `status_reason` says why.", {**WEBHOOK, "status": "disabled", "status_reason": "failing"}, {"status": "enabled", "status_reason": None}),
    "webhook.events_missed": _webhook("Events that a webhook had not been sent yet were past their retention. `missed` says how many.", {**WEBHOOK, "missed": 1200}),
    "import.finished": EventType("An import of users has ended. `status` is finished, failed or canceled; the counts say what became of the records.", "import", examples.IMPORT, user_id=examples.ALICE_ID),
    "server.test": EventType("A test delivery of a webhook. Never in the event log.", "server", {"message": "Your webhook works."}, user_id=""),
}  # fmt: skip
"""By name, in the order in which they are shown."""


def is_pattern(pattern: str) -> bool:
    """Whether this selects types: the name of one, `user.*` for all of a group, or `*`."""
    return pattern == ALL or pattern in TYPES or any(pattern == f"{name.partition('.')[0]}.*" for name in TYPES)


def matches(patterns: Iterable[str], type: str) -> bool:
    """Whether any of these patterns selects this type."""
    return any(pattern in (ALL, type) or (pattern.endswith(".*") and type.startswith(pattern[:-1])) for pattern in patterns)


def selected(patterns: Iterable[str]) -> frozenset[str] | None:
    """The types that these patterns select, in this version; None: all."""
    patterns = tuple(patterns)
    return None if ALL in patterns else frozenset(type for type in TYPES if matches(patterns, type))


def patterns() -> list[str]:
    """All patterns: `*`, then each group and its types."""
    groups = dict.fromkeys(name.partition(".")[0] for name in TYPES)
    return [
        ALL,
        *(pattern for group in groups for pattern in (f"{group}.*", *(name for name in TYPES if name.startswith(f"{group}.")))),
    ]
