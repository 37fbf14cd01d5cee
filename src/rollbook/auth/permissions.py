"""Who may do what: the scopes there are, and how far each role reaches."""

from __future__ import annotations

from rollbook.errors import InsufficientScope

SCOPES: dict[str, str] = {
    "users:read": "List, search, count and read users.",
    "users:write": "Create, change, suspend, activate and restore users, and set their passwords.",
    "users:delete": "Delete users.",
    "users:verify": "Check the e-mail and password with which a user signs in.",
    "users:export": "Read all that is held about a user.",
    "keys:read": "List API keys, without their text.",
    "keys:write": "Create, reveal, rotate and revoke API keys.",
    "sessions:read": "List the browsers in which users are signed in.",
    "sessions:write": "End sessions.",
    "events:read": "Read the log of changes.",
    "metrics:read": "Read the server's metrics.",
}

ROLES: dict[str, str] = {
    "member": "Reads and changes itself, and keeps its own API keys and sessions.",
    "viewer": "Reads all users and events; otherwise as a member.",
    "admin": "Does all, but cannot touch owners.",
    "owner": "Does all.",
}

EVERYONE = frozenset(SCOPES)
# Scopes that reach every user, by role; with those of ITSELF a role reaches only its own user, keys and sessions.
EVERY_USER: dict[str, frozenset[str]] = {
    "member": frozenset(),
    "viewer": frozenset({"users:read", "events:read"}),
    "admin": EVERYONE,
    "owner": EVERYONE,
}
ITSELF = frozenset({"users:read", "users:write", "users:export", "keys:read", "keys:write", "sessions:read", "sessions:write"})


def reach(role: str, scopes: frozenset[str] | None) -> tuple[frozenset[str], frozenset[str]]:
    """What a key may do to every user, and what to its own. `scopes` narrows the role; None leaves it whole."""
    every, itself = EVERY_USER[role], EVERY_USER[role] | ITSELF
    return (every, itself) if scopes is None else (every & scopes, itself & scopes)


def grantable(role: str) -> frozenset[str]:
    """Scopes that a key of a user with this role can use."""
    return EVERY_USER[role] | ITSELF


def may_touch(actor_role: str, subject_role: str) -> None:
    """Only an owner changes an owner, or makes one. Raises InsufficientScope."""
    if subject_role == "owner" and actor_role != "owner":
        raise InsufficientScope("Only an owner may change an owner.")
