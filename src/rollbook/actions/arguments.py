"""What actions are asked for: the types of their arguments, each with its constraints.

`checking` makes them from what arrived, whichever way it did; `/openapi.json` shows the same constraints.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType

from rollbook.roles import Role, Scope, Status

Schema = dict[str, Any]


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


class SearchText(str):
    """Part of a name or e-mail, at least three characters, in any case."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 3, "maxLength": 255, "examples": ["wonder"]}


GivenPassword = Annotated[str, Meta(min_length=1, max_length=1024, description="The user's present password.")]
# The end is asked for twice: for Python `$` is also before a line break that ends the text.
NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$(?!\n)"
ExternalId = Annotated[
    str, Meta(min_length=1, max_length=255, pattern=NO_CONTROLS, description="The caller's own identifier of the user. Unique.")
]
Limit = Annotated[int, Meta(ge=1, le=1000, description="Maximum number of items to return.")]
Offset = Annotated[int, Meta(ge=0, description="Number of items to skip.")]
Scopes = Annotated[
    tuple[Scope, ...], Meta(max_length=32, description="What the key may do. Left out or null: all that its user may.")
]
Networks = Annotated[
    tuple[Network, ...],
    Meta(min_length=1, max_length=64, description="Where the key may be used from. Left out or null: anywhere."),
]


# ---- what changes something


class Body(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """An object. Fields that are left out are UNSET; unknown ones are refused."""


class NewUser(Body):
    """A user to create. Without a password, a link sets the first one."""

    name: Name
    email: Email
    password: NewPassword | UnsetType = UNSET
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


# ---- what selects


class Query(Struct, kw_only=True, frozen=True):
    """What may be given as text, such as a query string. Unknown, repeated and empty ones are refused."""


class UserFilters(Query):
    """Which users."""

    email: Annotated[str, Meta(max_length=254, description="Exactly this e-mail address, in any case.")] | None = None
    external_id: Annotated[str, Meta(max_length=255, description="Exactly this external id.")] | None = None
    ids: Ids | None = None
    role: Role | None = None
    status: Status | None = None
    created_after: Time | None = None
    created_before: Time | None = None
    q: SearchText | None = None


class UserSelection(UserFilters):
    """Which users, in which order."""

    sort: Sort | None = None


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
