"""The catalogue of events: every type with what it says and an example.

The docs, the API description, the choices in forms and test deliveries come from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from rollbook.records import examples
from rollbook.records.examples import GROUP, KEY, MEMBER, SESSION, USER, WEBHOOK

ALL = "*"
"""The pattern of all types, those of later versions too."""


class EventType(NamedTuple):
    """`object`, `before` and `user_id` are those of the example."""

    says: str
    """Meaning of the type, in a sentence."""
    object: dict[str, Any]
    before: dict[str, Any] | None = None
    more: str = ""
    """Further explanation."""
    about_before: str = ""
    """Explanation of the field `before` for programs. People are shown what changed."""
    user_id: str = examples.CHARLIE_ID

    @property
    def for_people(self) -> str:
        """The description as plain text, without what only programs see."""
        return " ".join(filter(None, (self.says, self.more))).replace("`", "")

    @property
    def description(self) -> str:
        """The whole description, as Markdown."""
        return " ".join(filter(None, (self.says, self.more, self.about_before)))


_BEFORE = "`before` has the previous values of the fields that changed."
_webhook = _rule = partial(EventType, user_id=examples.ALICE_ID)
_OF_RULE = {"id": examples.RULE_ID, "name": examples.RULE["name"]}

TYPES: dict[str, EventType] = {
    "user.created": EventType("A user was created.", examples.USER_AS_CREATED),
    "user.updated": EventType(
        "A user was updated.", USER, {"name": "Charlie Chaplin", "email": "charlie@example.com"}, about_before=_BEFORE
    ),
    "user.promoted": EventType(
        "A user got a higher role.",
        {**USER, "role": "viewer"},
        {"role": "member"},
        more="They were signed out, and their one-time tokens and the API keys that others created for them ended.",
        about_before=_BEFORE,
    ),
    "user.password_changed": EventType(
        "A user's password was set.",
        {**USER, "first_password": False},
        more="`first_password` says whether they had none before.",
    ),
    "user.suspended": EventType("A user was suspended.", {**USER, "status": "suspended"}, {"status": "active"}),
    "user.activated": EventType(
        "A suspended user was activated, or an invited one set their first password.", USER, {"status": "suspended"}
    ),
    "user.signed_in": EventType(
        "A user signed in to the dashboard, or an application verified their password.",
        {**USER, "last_sign_in_at": "2023-10-27T11:00:00Z"},
        more="`actor.address` is theirs, if it is known.",
    ),
    "user.sign_in_failed": EventType(
        "A user's sign-in failed: wrong password, or wrong code of a second factor.",
        USER,
        more="At most one a minute for each user.",
    ),
    "user.confirmation_failed": EventType(
        "A user's confirmation failed: wrong current password or code.",
        USER,
        more="Someone may have found an open browser, or stolen a cookie or key. At most one a minute for each user.",
    ),
    "user.locked_out": EventType(
        "A user's sign-in from an address is refused for a while: too many wrong passwords or codes.",
        USER,
        more="At most one a minute for each user.",
    ),
    "user.guesses_exhausted": EventType(
        "A user got a hundred wrong passwords, or codes of a second factor, with no right one between.",
        USER,
    ),
    "user.access_ended": EventType(
        "A user's access ended: their password, second factors, sessions, API keys and links.",
        USER,
        more="They were adopted, or the person with this email said that the account isn't theirs.",
    ),
    "user.deleted": EventType("A user was deleted.", USER, more="They can be restored."),
    "user.restored": EventType("A deleted user was restored.", USER),
    "user.purged": EventType(
        "A user was permanently erased.",
        {"id": examples.CHARLIE_ID},
        more="The object contains only the ID. What is personal in earlier events about them is erased.",
    ),
    "application.updated": EventType(
        "An application's sign-in was set up, or changed.",
        examples.APPLICATION,
        {"redirect_urls": []},
        about_before=_BEFORE,
        user_id=examples.APPLICATION_ID,
    ),
    "group.created": EventType("A group was created.", examples.GROUP_AS_CREATED, user_id=""),
    "group.updated": EventType("A group was updated.", GROUP, {"name": "Developers"}, about_before=_BEFORE, user_id=""),
    "group.deleted": EventType(
        "A group was deleted.", GROUP, more="Its members left it, without events of their own.", user_id=""
    ),
    "group.member_added": EventType("A user was added to a group.", MEMBER),
    "group.member_changed": EventType(
        "A user got another role in a group.", MEMBER, {"role": ""}, about_before=_BEFORE
    ),
    "group.member_removed": EventType(
        "A user was removed from a group.",
        MEMBER,
        more="Not recorded when the user or the group is deleted.",
    ),
    "key.created": EventType("An API key was created.", KEY),
    "key.updated": EventType(
        "An API key was changed.",
        KEY,
        {"name": "billing", "scopes": ["users:read", "users:write"]},
        more="Its name, permissions, allowed IPs, rate limit or expiry.",
        about_before=_BEFORE,
    ),
    "key.revealed": EventType("An API key was revealed.", KEY),
    "key.rotated": EventType(
        "An API key was replaced by a new one and will expire.",
        KEY,
        {**KEY, "id": "key_065n18kq2h1o9d3f7g5j8l4n6s", "expires_at": "2023-10-27T12:00:00Z"},
    ),
    "key.expiring": EventType("An API key expires soon.", KEY, more="Recorded 7 days and 1 day before."),
    "key.expired": EventType("An API key expired.", KEY),
    "key.revoked": EventType("An API key was revoked.", {**KEY, "revoked_at": "2023-10-27T11:00:00Z"}),
    "key.refused": EventType(
        "An API key was used after it was revoked, or had expired.",
        {**KEY, "revoked_at": "2023-10-27T11:00:00Z"},
        more="At most one a minute for each key. `actor.address` is where it was used.",
    ),
    "session.created": EventType(
        "A user signed in to the dashboard or, with an `audience`, to an application.",
        {**SESSION, "new_device": False},
        more="`new_device`, of the dashboard only: they had signed in before, but not with this browser in 180 days.",
    ),
    "session.impersonated": EventType(
        "A user got a session of someone who acts as them, for support.",
        {**SESSION, "acted_by": examples.ALICE_ID, "reason": "Ticket 4711"},
        more="Instead of `session.created`. `acted_by` is who, and `refresh_expires_at` until when.",
    ),
    "session.revoked": EventType("A user signed out, or was signed out.", SESSION),
    "session.reuse_detected": EventType(
        "A user's refresh token was sent a second time, so its session ended.",
        SESSION,
        more="Someone may have stolen it, or an application refreshes a session in two places at once.",
    ),
    "session.form_refused": EventType(
        "A user's browser sent a form of another site, which was refused.",
        SESSION,
        more="At most one a minute for each user.",
    ),
    "second_factor.activated": EventType(
        "A user's second factor was activated: an authenticator app or a passkey.", examples.SECOND_FACTOR
    ),
    "second_factor.removed": EventType(
        "A user's second factor was removed.",
        examples.SECOND_FACTOR,
        more="If `actor.user_id` is not the user, someone else did it.",
    ),
    "second_factor.lifted": EventType(
        "A user's second factors and recovery codes were all removed for them.",
        {"user_id": examples.CHARLIE_ID, "recovery_codes_left": 0},
        more="Their password alone signs them in again.",
    ),
    "second_factor.codes_regenerated": EventType(
        "A user got new recovery codes.", {"user_id": examples.CHARLIE_ID, "recovery_codes_left": 10}
    ),
    "second_factor.used_recovery_code": EventType(
        "A user's recovery code was used instead of a second factor.",
        {"user_id": examples.CHARLIE_ID, "recovery_codes_left": 9},
        more="`recovery_codes_left` says how many are left.",
    ),
    "token.created": EventType(
        "A user got a one-time token.",
        {**examples.TOKEN, "send": False},
        more="The token itself is never contained. `send`: whether Rollbook mails it.",
    ),
    "token.requested": EventType(
        "A user is sent a one-time token that someone asked for.",
        examples.REQUESTED_TOKEN,
        more="Recorded only if there is such a user, and the token can be delivered. A webhook that names this type "
        "gets `token`, `url` and `email` in the object as well.",
    ),
    "token.email_change_requested": EventType(
        "A user's change of email was requested.",
        {**examples.TOKEN, "purpose": "change_email", "email": "charlie@example.com"},
        more="Recorded with the token that makes the change. The user is told, with a link that stops it.",
    ),
    "token.consumed": EventType("A user's one-time token was used.", examples.TOKEN, more="`actor` is who used it."),
    "token.revoked": EventType(
        "A user's one-time token was revoked.",
        examples.TOKEN,
        more="Not recorded where another event says so: a new password, a changed email or role, suspension, deletion, "
        "or a newer token.",
    ),
    "limit.exceeded": EventType(
        "A user or API key exceeded a rate limit.", examples.EXCEEDED, more="At most one for each window."
    ),
    "webhook.created": _webhook("A webhook was created.", WEBHOOK),
    "webhook.updated": _webhook(
        "A webhook was updated, paused or resumed.", WEBHOOK, {"types": ["*"]}, about_before=_BEFORE
    ),
    "webhook.revealed": _webhook("The secret of a webhook was revealed.", WEBHOOK),
    "webhook.rotated": _webhook("The secret of a webhook was replaced by a new one.", WEBHOOK),
    "webhook.deleted": _webhook("A webhook was deleted.", WEBHOOK),
    "webhook.disabled": _webhook(
        "A webhook was disabled.",
        {**WEBHOOK, "status": "disabled", "status_reason": "failing"},
        {"status": "enabled", "status_reason": None},
        more="`status_reason` says why.",
    ),
    "webhook.events_missed": _webhook(
        "Events that a webhook had not been sent yet were past their retention.",
        {**WEBHOOK, "missed": 1200},
        more="`missed` says how many.",
    ),
    "users.exported": EventType(
        "Users were exported.",
        examples.EXPORTED,
        user_id="",
        more="Recorded when the export begins. `count` says how many users match. Of filters by email, ID or search, "
        "only the name is kept.",
    ),
    "bulk_job.finished": EventType(
        "A bulk job has ended.",
        examples.BULK_JOB,
        user_id=examples.ALICE_ID,
        more="`status` is finished, failed or canceled; the counts say what became of the users. The events of the "
        "users have the ID of the job as `request_id`.",
    ),
    "rule.created": _rule("A rule was created.", examples.RULE),
    "rule.updated": _rule(
        "A rule was updated, enabled or turned off.", examples.RULE, {"enabled": False}, about_before=_BEFORE
    ),
    "rule.deleted": _rule("A rule was deleted.", examples.RULE),
    "rule.waiting": _rule(
        "A rule would begin with more people than its ceiling, and waits until someone approves.",
        {**examples.RULE, "waiting_count": 1204},
        more="`waiting_count` says how many.",
    ),
    "rule.stopped": _rule(
        "A rule has stopped by itself.",
        {**examples.RULE, "enabled": False, "stopped_reason": "A run was canceled."},
        {"enabled": True},
        more="`stopped_reason` says why.",
    ),
    "rule.mailed": EventType(
        "A rule mailed a user.",
        {**_OF_RULE, "subject": "Still there, {{ user.name }}?", "text": "Sign in within 14 days: {{ link }}"},
    ),
    "rule.called": EventType(
        "A rule called a webhook about a user.",
        {**_OF_RULE, "webhook_id": WEBHOOK["id"], "user": USER},
        more="Sent to this webhook, whatever its types.",
    ),
    "rule.reported": _rule(
        "A rule reported whom it is for.",
        {**_OF_RULE, "job_id": examples.JOB_ID, "people": 12, "webhook_id": None},
        more="To this webhook or, if null, by mail.",
    ),
    "import.finished": EventType(
        "An import of users has ended.",
        examples.IMPORT,
        user_id=examples.ALICE_ID,
        more="`status` is finished, failed or canceled; the counts say what became of the records. `error_code` "
        "says why it failed.",
    ),
    "import.waiting": EventType(
        "More people are absent from a file than an import suspends unasked.",
        {**examples.IMPORT, "absent": "suspend", "absent_group": examples.GROUP_ID, "absent_users": 1204},
        user_id=examples.ALICE_ID,
        more="`absent_users` says how many.",
    ),
    "settings.updated": EventType(
        "Settings were changed in the dashboard.",
        examples.SETTINGS,
        {"brand_name": "Rollbook", "brand_color": ""},
        more="Those of mail and of the brand. Without passwords.",
        about_before=_BEFORE,
        user_id="",
    ),
    "server.test": EventType(
        "A test delivery of a webhook.", {"message": "Your webhook works."}, user_id="", more="Never in the event log."
    ),
}
"""By name, in the order in which they are shown."""


class Ocsf(NamedTuple):
    """Class, activity, status and severity of a type in OCSF 1.5."""

    class_uid: int
    activity_id: int
    status_id: int = 1
    severity_id: int = 1


BASE, ACCOUNT, AUTHENTICATION, API = 0, 3001, 3002, 6003
"""Classes: Base Event, Account Change, Authentication, API Activity."""
OTHER = 99
_FAILED, _MEDIUM = 2, 3
_ALARM = Ocsf(AUTHENTICATION, OTHER, _FAILED, _MEDIUM)
_VERBS = {"created": 1, "revealed": 2, "updated": 3, "rotated": 3, "deleted": 4, "revoked": 4}
"""Activities of API Activity by the end of a type's name."""
_OCSF: dict[str, Ocsf] = {
    "user.created": Ocsf(ACCOUNT, 1),
    "user.restored": Ocsf(ACCOUNT, 2),
    "user.activated": Ocsf(ACCOUNT, 2),
    "user.password_changed": Ocsf(ACCOUNT, 3),
    "user.suspended": Ocsf(ACCOUNT, 5),
    "user.deleted": Ocsf(ACCOUNT, 6),
    "user.purged": Ocsf(ACCOUNT, 6),
    "user.promoted": Ocsf(ACCOUNT, 7),
    "user.access_ended": Ocsf(ACCOUNT, 9, 1, _MEDIUM),
    "second_factor.activated": Ocsf(ACCOUNT, 10),
    "second_factor.removed": Ocsf(ACCOUNT, 11),
    "second_factor.lifted": Ocsf(ACCOUNT, 11),
    "user.signed_in": Ocsf(AUTHENTICATION, 1),
    "session.created": Ocsf(AUTHENTICATION, 1),
    "session.impersonated": Ocsf(AUTHENTICATION, 1, 1, _MEDIUM),
    "session.revoked": Ocsf(AUTHENTICATION, 2),
    "user.sign_in_failed": Ocsf(AUTHENTICATION, 1, _FAILED, 2),
    **dict.fromkeys(("user.confirmation_failed", "user.locked_out", "user.guesses_exhausted"), _ALARM),
    **dict.fromkeys(("session.reuse_detected", "session.form_refused", "key.refused"), _ALARM),
    "token.consumed": Ocsf(AUTHENTICATION, OTHER),
    "second_factor.used_recovery_code": Ocsf(AUTHENTICATION, OTHER),
    "users.exported": Ocsf(API, 2),
    "limit.exceeded": Ocsf(API, OTHER, _FAILED, 2),
    "server.test": Ocsf(BASE, OTHER),
}
_BY_KIND = dict.fromkeys(("user", "token", "second_factor"), ACCOUNT)
"""Classes of types that the table doesn't name, with the activity Other; of all other kinds, API Activity."""


def ocsf(type: str) -> Ocsf:
    """The class and activity of a type; Base Event for one of a later version."""
    if type not in TYPES:
        return Ocsf(BASE, OTHER)
    class_uid = _BY_KIND.get(kind(type), API)
    activity = _VERBS.get(type.rpartition(".")[2], OTHER) if class_uid == API else OTHER
    return _OCSF.get(type) or Ocsf(class_uid, activity)


OF_WEBHOOKS = frozenset(type for type in TYPES if type.startswith("webhook."))
"""Changes of webhooks."""


OF_CALLS = frozenset(("rule.called", "rule.reported"))
"""Events of rules for one webhook, which their object names."""


def kind(type: str) -> str:
    """The kind of the object of these events."""
    return type.partition(".")[0]


def is_pattern(pattern: str) -> bool:
    """Test whether this selects types: the name of one, `user.*` for all of a group, or `*`."""
    return pattern == ALL or pattern in TYPES or any(pattern == f"{kind(name)}.*" for name in TYPES)


def matches(patterns: Iterable[str], type: str) -> bool:
    """Test whether any of these patterns selects this type."""
    return any(
        pattern in (ALL, type) or (pattern.endswith(".*") and type.startswith(pattern[:-1])) for pattern in patterns
    )


def selected(patterns: Iterable[str]) -> frozenset[str] | None:
    """The types that these patterns select, in this version; None: all."""
    patterns = tuple(patterns)
    return None if ALL in patterns else frozenset(type for type in TYPES if matches(patterns, type))


def patterns() -> list[str]:
    """All patterns: `*`, then each group and its types."""
    groups = dict.fromkeys(map(kind, TYPES))
    return [
        ALL,
        *(
            pattern
            for group in groups
            for pattern in (f"{group}.*", *(name for name in TYPES if name.startswith(f"{group}.")))
        ),
    ]
