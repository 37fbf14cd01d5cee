"""The roles a user can have, the kinds and scopes of API keys, and how far each role reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

# The least powerful first.
ROLES: dict[str, str] = {
    "member": "Can read and change their own user, API keys and sessions, and read the log of their requests.",
    "viewer": "Can read all users, groups, events and rules, and have webhooks. Otherwise like a member.",
    "admin": "Full access, except to owners.",
    "owner": "Full access.",
}

STATUSES = ("active", "invited", "suspended")
DELETED = "deleted"
"""Pseudo-status for lists: users who were deleted, and can be restored."""

SCOPES: dict[str, str] = {
    "users:read": "List, search, count and read users.",
    "users:write": "Create, update, suspend, activate and restore users, and set their passwords.",
    "users:grant": "Give users a role above member, and change or delete users who have one, or what they have: API "
    "keys, webhooks, sessions, links and second factors.",
    "users:import": "Import users with password hashes of other systems. The import itself needs `users:write`.",
    "users:delete": "Delete users.",
    "users:verify": "Verify the email and password of a user.",
    "users:export": "Export all data about a user.",
    "users:impersonate": "Create links with which the key's user acts as a user with a lower role, for support. "
    "Also needs `tokens:create`.",
    "groups:read": "List and read groups, and their members with names and emails.",
    "groups:write": "Create, update and delete groups, and add and remove members.",
    "tokens:create": "Create, list and revoke one-time tokens, with which users set passwords, confirm emails and sign "
    "in.",
    "tokens:consume": "Use one-time tokens for the people who have them.",
    "keys:read": "List and read API keys, without the secrets.",
    "keys:write": "Create, change, reveal, rotate and revoke API keys.",
    "sessions:read": "List sessions: where users are signed in.",
    "sessions:write": "Delete sessions, which signs users out.",
    "sessions:create": "Create and refresh sessions of your application, for users who prove who they are.",
    "sessions:verify": "Verify the tokens of these sessions, and read the user who is signed in.",
    "events:read": "Read the event log.",
    "requests:read": "Read the request log: calls made with API keys.",
    "webhooks:read": "List and read webhooks and, with `events:read`, their deliveries. Without the secrets.",
    "webhooks:write": "Create, update, test and delete webhooks, reveal and rotate their secrets, and send events "
    "again.",
    "rules:read": "List and read rules, and their runs.",
    "rules:write": "Create, update, run and delete rules. A rule does what its author can do.",
    "metrics:read": "Read the server's metrics.",
}

SCOPES_OF_PEOPLE: dict[Scope, str] = {
    "users:read": "see other users",
    "users:write": "create or change other users",
    "users:grant": "give users a role above member, or change how such users sign in",
    "users:import": "import password hashes of other systems",
    "users:delete": "delete users",
    "users:verify": "verify passwords of users",
    "users:export": "export all data about other users",
    "users:impersonate": "act as other users",
    "groups:read": "see groups",
    "groups:write": "create or change groups",
    "tokens:create": "create one-time tokens",
    "tokens:consume": "use one-time tokens of others",
    "keys:read": "see the API keys of other users",
    "keys:write": "create or change API keys of other users",
    "sessions:read": "see where other users are signed in",
    "sessions:write": "sign other users out",
    "sessions:create": "create sessions of applications",
    "sessions:verify": "verify sessions of applications",
    "events:read": "read the event log",
    "requests:read": "see the requests of other users",
    "webhooks:read": "see webhooks",
    "webhooks:write": "create or change webhooks",
    "rules:read": "see rules",
    "rules:write": "create or change rules",
    "metrics:read": "read the metrics of the server",
}
"""Meaning of each scope for people who are signed in: what they may not do without it."""

PERSON, APPLICATION = "person", "application"
APPLICATION_ROLES = tuple(role for role in ROLES if role != "owner")
"""Roles that an application can have: owners must be able to sign in."""
USER_KINDS: dict[str, str] = {
    PERSON: "Someone who can sign in.",
    APPLICATION: "A program, such as your shop: it has API keys and webhooks, but no password, and can't sign in.",
}

KEY_KINDS: dict[str, str] = {
    "api": "For your applications and scripts, under `/v1`.",
    "scim": "For an identity provider, only under `/scim/v2`. Its user must be an admin or owner, it counts toward the "
    "setting `scim_limit`, and its scopes are by default those of users and groups.",
    "assistant": "For an assistant that signed in, only at `/mcp`.",
    "client": "The secret of an application that people sign in to, only at `/oauth2/token` and `/oauth2/revoke`. It "
    "has no scopes.",
}

# Types whose values are the names above; for a type checker they are text.
if TYPE_CHECKING:
    Role = str
    Status = str
    StatusFilter = str
    ApplicationRole = str
    UserKind = str
    Scope = str
    KeyKind = str
else:
    Role = Literal[tuple(ROLES)]
    Status = Literal[STATUSES]
    StatusFilter = Literal[(*STATUSES, DELETED)]
    ApplicationRole = Literal[APPLICATION_ROLES]
    UserKind = Literal[tuple(USER_KINDS)]
    Scope = Literal[tuple(SCOPES)]
    KeyKind = Literal[tuple(KEY_KINDS)]

EVERYTHING = frozenset(SCOPES)
ON_ALL: dict[str, frozenset[str]] = {
    "member": frozenset(),
    "viewer": frozenset({"users:read", "groups:read", "events:read", "rules:read"}),
    "admin": EVERYTHING,
    "owner": EVERYTHING,
}
"""Scopes that reach every user, by role."""
ON_SELF = frozenset(
    {
        "users:read",
        "users:write",
        "users:export",
        "keys:read",
        "keys:write",
        "sessions:read",
        "sessions:write",
        "requests:read",
    }
)
"""Scopes that reach each user's own account, keys, sessions and requests, whatever their role."""
READING = frozenset(scope for scope in SCOPES if scope.endswith(":read"))
"""Scopes of whoever acts as somebody else: they see what that user sees, and change nothing."""
OF_READERS = frozenset({"webhooks:read", "webhooks:write"})
"""Scopes that reach a user's own webhooks, with a role that can read all events: a webhook hands them on."""
WEBHOOK_ROLES = tuple(role for role in ROLES if "events:read" in ON_ALL[role])
"""The roles whose users can have webhooks."""

SCIM_ROLES = frozenset(role for role in ROLES if "users:write" in ON_ALL[role])
"""The roles whose users' keys identity providers can use."""
SCIM_SCOPES = frozenset({"users:read", "users:write", "users:delete", "groups:read", "groups:write"})
"""The scopes of a new SCIM key, unless it asks for fewer."""
SCIM_GRANTABLE = SCIM_SCOPES | {"users:grant"}
"""All scopes that a SCIM key can have."""


def is_barred(status: str) -> bool:
    """Test whether users with this status can do nothing: neither sign in nor use their API keys. Invited ones can use
    their keys, and have no password to sign in with."""
    return status == "suspended"


def is_promotion(old: str, new: str) -> bool:
    """Test whether the new role can do more than the old one."""
    order = list(ROLES)
    return order.index(new) > order.index(old)


def reach(role: str, scopes: frozenset[str] | None) -> tuple[frozenset[str], frozenset[str]]:
    """The scopes of a key for all users, and for its own user. `scopes` restricts the role; None doesn't."""
    on_all, on_self = ON_ALL[role], grantable(role)
    return (on_all, on_self) if scopes is None else (on_all & scopes, on_self & scopes)


def grantable(role: str) -> frozenset[str]:
    """Scopes that a key of a user with this role can use."""
    return ON_ALL[role] | ON_SELF | (OF_READERS if role in WEBHOOK_ROLES else frozenset())
