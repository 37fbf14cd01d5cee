"""Purposes of applications: what each needs and no more, as a role, scopes and a rate limit, in words, and as commands
that work with such a key."""

from __future__ import annotations

from typing import Any, NamedTuple

from rollbook.actions.key_bounds import scopes_of
from rollbook.records.keys import Key
from rollbook.records.users import User

TEST_PASSWORD = "three-quiet-otters-at-9"
_TRY = 'curl -H "Authorization: Bearer $ROLLBOOK_KEY"'
# Another at each run: the second would say that the first has it.
_EMAIL = "EMAIL=test.$(date +%s).$$@example.com"
_MAX_NAME = 100  # of a key


class Purpose(NamedTuple):
    title: str
    about: str
    """Permissions of the application, in a sentence for people."""
    role: str
    scopes: tuple[str, ...]
    rate_limit: str
    """Rate limit of the application. Where each visitor is a request, a limit would stop the one after it."""
    commands: tuple[str, ...]
    """Lines of a shell to try it with."""


PURPOSES = {
    "sign-in": Purpose(
        "Sign people in",
        "Creates members and changes them, signs them in and out, and sends them links. It can’t list users, and can’t "
        "do anything to viewers, admins and owners.",
        "admin",
        ("users:write", "tokens:create", "sessions:create", "sessions:verify", "sessions:write"),
        "none",
        (
            _EMAIL,
            """{run} {url}/v1/users \\
  --json '{{"name": "Test Person", "email": "'$EMAIL'", "password": "{password}"}}'""",
            """{run} {url}/v1/sessions \\
  --json '{{"email": "'$EMAIL'", "password": "{password}",
    "audience": "{audience}"}}'""",
        ),
    ),
    "read": Purpose(
        "Read users",
        "Lists, searches and reads all users and groups. It changes nothing.",
        "viewer",
        ("users:read", "groups:read"),
        "600/minute",
        ("{run} '{url}/v1/users?limit=10&fields=*'",),
    ),
    "manage": Purpose(
        "Manage users",
        "Reads all users and groups, and creates, changes, suspends and deletes members. It can’t do anything to "
        "viewers, admins and owners.",
        "admin",
        ("users:read", "users:write", "users:delete", "groups:read", "groups:write"),
        "600/minute",
        (
            _EMAIL,
            """{run} {url}/v1/users \\
  --json '{{"name": "Test Person", "email": "'$EMAIL'", "status": "invited"}}'""",
            '{run} "{url}/v1/users?email=$EMAIL&fields=*"',
        ),
    ),
    "sync": Purpose(
        "Keep a copy in sync",
        "Reads all users and groups, and follows the event log or receives it by webhooks of its own. It changes no "
        "users.",
        "viewer",
        ("users:read", "groups:read", "events:read", "webhooks:read", "webhooks:write"),
        "600/minute",
        (
            "{run} '{url}/v1/users?limit=1000&fields=*'",
            "{run} '{url}/v1/events?order=desc&limit=10'",
        ),
    ),
}
"""By the name that the command line has for them, in the order in which people choose."""


def of_application(name: str, purpose: str) -> dict[str, Any]:
    """The fields of an application with this purpose."""
    return {"name": name, "role": PURPOSES[purpose].role, "rate_limit": PURPOSES[purpose].rate_limit}


def of_key(name: str, purpose: str | None) -> dict[str, Any]:
    """The fields of the first key of an application, which tell what it is for."""
    if purpose is None:
        return {"name": name[:_MAX_NAME].strip(), "revealable": False}
    named = f"{name[: _MAX_NAME - len(purpose) - 2].strip()}: {purpose}"
    return {"name": named, "revealable": False, "scopes": list(PURPOSES[purpose].scopes)}


def found(user: User, key: Key) -> Purpose | None:
    """The purpose of an application that has this key, if it is one of these."""
    scopes = scopes_of(key.scopes)
    matching = (each for each in PURPOSES.values() if user.role == each.role and scopes == frozenset(each.scopes))
    return next(matching, None)


def program(purpose: Purpose, url: str, token: str, audience: str) -> str:
    """A program for a shell that works with the key as it is."""
    fields = {"run": _TRY, "url": url, "audience": audience, "password": TEST_PASSWORD}
    return "\n".join([f"export ROLLBOOK_KEY={token}", *(each.format(**fields) for each in purpose.commands)])
