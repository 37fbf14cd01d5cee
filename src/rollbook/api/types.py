"""What callers send and what they get back, exactly as the guide shows it.

A type's constraints are checked when a request arrives and shown in `/openapi.json`; both read them here.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Schema = dict[str, Any]
Role = Literal["member", "viewer", "admin", "owner"]
Status = Literal["active", "suspended"]


class Name(str):
    """A person's name: outer white space trimmed, NFC, 1 to 255 characters, none of them a control character."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["Charlie Chaplin"]}


class Email(str):
    """An e-mail address of at most 254 bytes; internationalised addresses are allowed. Kept as sent, unique without regard to case."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "format": "email",
        "minLength": 3,
        "maxLength": 254,
        "examples": ["charlie@example.com"],
    }


class NewPassword(str):
    """A password of 8 to 256 characters that is not one of the commonly used ones. No other rules; nothing is cut off."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "format": "password",
        "minLength": 8,
        "maxLength": 256,
        "examples": ["securepassword123"],
    }


class Time(int):
    """An RFC 3339 time with an offset, such as `2023-10-27T10:00:00Z`. Kept as microseconds since 1970."""

    schema: ClassVar[Schema] = {"type": "string", "format": "date-time", "maxLength": 40, "examples": ["2023-10-27T10:00:00Z"]}


class Metadata(str):
    """A JSON object of the caller's own, at most 16 KiB, not interpreted. Kept as its JSON text."""

    schema: ClassVar[Schema] = {"type": "object", "additionalProperties": True, "examples": [{"plan": "pro"}]}


class LimitText(str):
    """Requests per window, such as `100/minute,5000/hour`, or `none` for no limit."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 4, "maxLength": 100, "examples": ["100/minute,5000/hour"]}


class Network(str):
    """An address or network (CIDR), such as `203.0.113.7` or `2001:db8::/32`."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 2, "maxLength": 43, "examples": ["203.0.113.0/24"]}


class Names(tuple[str, ...]):
    """Names with commas between."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 8192}


class Fields(Names):
    """Which fields of a user the answer holds: names with commas between, or `*` for all."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 200, "examples": ["id,role", "*"]}


class Ids(Names):
    """Up to 200 identifiers with commas between."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 1,
        "maxLength": 8192,
        "examples": ["user_06h102rkb9pil1094rgi2i5ec4"],
    }


class Sort(Names):
    """`created_at`, `name` or `email`, several with commas between; a minus before one turns its direction."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 1,
        "maxLength": 100,
        "examples": ["-created_at", "name,-created_at"],
    }


class Cursor(str):
    """Where a page begins, taken from a `Link` header; not meant to be read or made."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 2048}


class SearchText(str):
    """Part of a name or e-mail, at least three characters, in any case."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 3, "maxLength": 255, "examples": ["wonder"]}


CUSTOM = (
    Name, Email, NewPassword, Time, Metadata, LimitText, Network, Fields, Ids, Sort, Cursor, SearchText,
)  # fmt: skip

GivenPassword = Annotated[str, Meta(min_length=1, max_length=1024, description="The user's present password.")]
# The end is asked for twice: for Python `$` is also before a line break that ends the text.
NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$(?!\n)"
ExternalId = Annotated[
    str, Meta(min_length=1, max_length=255, pattern=NO_CONTROLS, description="The caller's own identifier of the user. Unique.")
]
Limit = Annotated[int, Meta(ge=1, le=1000, description="Maximum number of items to return.")]
Offset = Annotated[int, Meta(ge=0, description="Number of items to skip.")]
Scope = Literal[
    "users:read",
    "users:write",
    "users:delete",
    "users:verify",
    "users:export",
    "keys:read",
    "keys:write",
    "sessions:read",
    "sessions:write",
    "events:read",
    "metrics:read",
]
Scopes = Annotated[
    tuple[Scope, ...], Meta(max_length=32, description="What the key may do. Left out or null: all that its user may.")
]
Networks = Annotated[
    tuple[Network, ...],
    Meta(min_length=1, max_length=64, description="Where the key may be used from. Left out or null: anywhere."),
]


# ---- what arrives


class Body(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A JSON object. Fields that are left out are UNSET; unknown ones are refused."""


class NewUser(Body):
    """A user to create."""

    name: Name
    email: Email
    password: NewPassword
    role: Role | UnsetType = UNSET
    external_id: ExternalId | None | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    email_verified: bool | UnsetType = UNSET
    rate_limit: LimitText | None | UnsetType = UNSET


class UserChanges(Body):
    """Fields of a user to change; those left out stay as they are."""

    name: Name | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    external_id: ExternalId | None | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    email_verified: bool | UnsetType = UNSET
    rate_limit: LimitText | None | UnsetType = UNSET


class PasswordChange(Body):
    """A password to set. A user who changes its own password gives the present one too."""

    password: NewPassword
    current_password: GivenPassword | UnsetType = UNSET


class Credentials(Body):
    """What a user signs in with."""

    email: Annotated[
        str, Meta(min_length=1, max_length=254, description="The user's e-mail address.", examples=["alice@example.com"])
    ]
    password: GivenPassword


class NewKey(Body):
    """An API key to make."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=NO_CONTROLS, description="What the key is for.", examples=["billing service"])]  # fmt: skip
    user_id: Annotated[str, Meta(max_length=40, description="Whose key it will be. Left out: the caller's.")] | UnsetType = UNSET
    scopes: Scopes | None | UnsetType = UNSET
    expires_at: Time | None | UnsetType = UNSET
    ip_allow: Networks | None | UnsetType = UNSET
    rate_limit: LimitText | None | UnsetType = UNSET
    revealable: Annotated[bool, Meta(description="Whether its owner can be shown the key again.")] = True


class KeyRotation(Body):
    """How to replace a key."""

    overlap: Annotated[
        int, Meta(ge=0, le=2_592_000, description="Seconds that the old key goes on working, at most 30 days.", examples=[3600])
    ] = 0


class PasswordProof(Body):
    """The caller's own password."""

    password: GivenPassword


# ---- queries


class Query(Struct, kw_only=True, frozen=True):
    """Parameters of a query string. Unknown, repeated and empty ones are refused."""


class UserFields(Query):
    fields: Fields | None = None


class UserFilters(Query):
    email: Annotated[str, Meta(max_length=254, description="Exactly this e-mail address, in any case.")] | None = None
    external_id: Annotated[str, Meta(max_length=255, description="Exactly this external id.")] | None = None
    ids: Ids | None = None
    role: Role | None = None
    status: Status | None = None
    created_after: Time | None = None
    created_before: Time | None = None
    q: SearchText | None = None


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


class ListKeys(Query):
    user: Annotated[str, Meta(max_length=40, description="Whose keys. Left out: the caller's.")] | None = None
    limit: Limit = 50
    offset: Offset = 0


class ListSessions(Query):
    user: Annotated[str, Meta(max_length=40, description="Whose sessions. Left out: the caller's.")] | None = None
    limit: Limit = 50
    offset: Offset = 0


class ListEvents(Query):
    after: Annotated[str, Meta(max_length=40, description="Only events that came after the one with this id.")] | None = None
    type: Annotated[str, Meta(max_length=40, description="Only events of this type, such as `user.created`.")] | None = None
    user: Annotated[str, Meta(max_length=40, description="Only events about this user.")] | None = None
    limit: Limit = 50


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
