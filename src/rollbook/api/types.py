"""What callers send and what they get back, exactly as the guide shows it.

A type's constraints are checked when a request arrives and shown in `/openapi.json`; both read them here.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from rollbook.actions import arguments
from rollbook.actions.arguments import Limit, Names, NewPassword, Offset, Query, Schema, Sort, UserFilters
from rollbook.roles import Role, Status


class Fields(Names):
    """Which fields of a user the answer holds: names with commas between, or `*` for all."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 200, "examples": ["id,role", "*"]}


class Cursor(str):
    """Where a page begins, taken from a `Link` header; not meant to be read or made."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 2048}


# ---- what arrives, where it is more than the arguments of an action


class NewUser(arguments.NewUser):
    """A user to create."""

    password: NewPassword  # type: ignore[bad-override-mutable-attribute]  # frozen


class UserChanges(arguments.UserChanges):
    """Fields of a user to change; those left out stay as they are."""

    refused: ClassVar[dict[str, str]] = {"password": "password cannot be changed here: use PUT /v1/users/{userId}/password."}


class UserFields(Query):
    fields: Fields | None = None


class ListUsers(UserFilters):
    limit: Limit = 50
    offset: Offset = 0
    cursor: Cursor | None = None
    sort: Sort | None = None
    fields: Fields | None = None
    count: Annotated[Literal["exact"], Meta(description="`exact`: send `X-Total-Count` for a filtered list too.")] | None = None
    consistency: (
        Annotated[
            Literal["strong", "eventual"],
            Meta(description="`eventual`: may be answered by a standby server, and lag behind. Otherwise a list shows every change that was answered before."),
        ]
        | None
    ) = None  # fmt: skip


class DeleteUser(Query):
    purge: (
        Annotated[Literal["true", "false"], Meta(description="`true`: erase for good instead of keeping it restorable.")] | None
    ) = None


# ---- what goes out


class UserListed(Struct, frozen=True):
    """A user as lists and creation show it. `fields` asks for more or less."""

    id: str
    name: str
    email: str
    created_at: str


class UserUpdated(Struct, frozen=True):
    """A user as an update shows it."""

    id: str
    name: str
    email: str
    updated_at: str


class User(Struct, frozen=True):
    """All that is kept of a user, except the password."""

    id: str
    name: str
    email: str
    role: Role
    status: Status
    external_id: str | None
    metadata: msgspec.Raw
    email_verified: bool
    rate_limit: str | None
    created_at: str
    updated_at: str
    last_sign_in_at: str | None


USER_FIELDS = tuple(field.name for field in msgspec.structs.fields(User))


class Count(Struct, frozen=True):
    """How many users there are."""

    count: int


class Key(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An API key. `key`, its text, is shown when it is made, rotated or revealed, and at no other time."""

    id: str
    user_id: str
    name: str
    masked: str
    scopes: tuple[str, ...] | None
    ip_allow: tuple[str, ...] | None
    rate_limit: str | None
    revealable: bool
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None
    key: str | UnsetType = UNSET


class Session(Struct, frozen=True):
    """A browser in which a user is signed in to the pages."""

    id: str
    user_id: str
    created_at: str
    last_seen_at: str
    address: str
    user_agent: str


class PasswordLink(Struct, frozen=True):
    """A link that sets a user's password once."""

    url: str
    expires_at: str


class EventActor(Struct, frozen=True):
    """Who did it: user and key of the request, the client's address (`cli` for the command line), the request's id."""

    user_id: str | None
    key_id: str | None
    address: str | None
    request_id: str | None


class Event(Struct, frozen=True):
    """Something that happened to a user or to one of its keys."""

    id: str
    type: str
    created_at: str
    user_id: str
    actor: EventActor
    object: msgspec.Raw
    before: msgspec.Raw | None


class Export(Struct, frozen=True):
    """All that is held about a user."""

    user: User
    keys: list[Any]
    sessions: list[Session]
    events: list[Event]


class FaultShown(Struct, frozen=True):
    """One thing that is wrong with a request."""

    param: str
    message: str


class Error(Struct, frozen=True, omit_defaults=True):
    """What went wrong. `error` is for people, `code` for programs; `request_id` finds the request in the server's log."""

    error: str
    code: str
    request_id: str
    doc_url: str
    param: str | UnsetType = UNSET
    errors: tuple[FaultShown, ...] | UnsetType = UNSET


class Health(Struct, frozen=True, omit_defaults=True):
    """Whether the server lives, or is ready for requests."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str] | UnsetType = UNSET
