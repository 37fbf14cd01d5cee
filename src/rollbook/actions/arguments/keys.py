"""Arguments about API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType

from rollbook.actions.arguments import (
    Body,
    Code,
    GivenPassword,
    Limit,
    LimitText,
    Offset,
    Owner,
    Query,
    SearchText,
    SomeUser,
    Time,
    label,
)
from rollbook.actions.arguments.sessions import SomeAudience
from rollbook.roles import KEY_KINDS, KeyKind, Scope
from rollbook.schemas import Schema, listed, says


class Network(str):
    """An IP address or network (CIDR), such as `203.0.113.7` or `2001:db8::/32`."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 2,
        "maxLength": 43,
        "examples": ["203.0.113.0/24"],
        "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$",
    }


Scopes = Annotated[
    tuple[Scope, ...],
    Meta(max_length=32, description="The scopes of the key. Default or null: everything its user can do."),
]
Networks = Annotated[
    tuple[Network, ...],
    Meta(
        min_length=1, max_length=64, description="IP addresses and networks that can use the key. Default or null: any."
    ),
]
KeySort = Literal["created_at", "-created_at", "name", "-name", "last_used_at", "-last_used_at"]
ABOUT_KEY_KIND = "Where the key works. " + listed(KEY_KINDS)
Audiences = Annotated[
    tuple[SomeAudience, ...],
    Meta(
        min_length=1,
        max_length=16,
        description="The audiences for which the key creates, refreshes, verifies, lists and ends sessions. Default or "
        "null: any, or of an application, its ID.",
    ),
]


class KeyCreate(Body):
    """An API key to create."""

    name: Annotated[str, label("What you use the key for.", "billing service")]
    user_id: Annotated[Owner, says("ID of the user the key belongs to. Default: yourself.")] | UnsetType = UNSET
    kind: Annotated[KeyKind, says(ABOUT_KEY_KIND)] = "api"
    scopes: Scopes | None | UnsetType = UNSET
    expires_at: (
        Annotated[
            Time,
            says(
                "When the key expires, an RFC 3339 time in the future. Default or null: never, or when the creating "
                "key expires, and no later than the setting `key_max_age` allows."
            ),
        ]
        | None
        | UnsetType
    ) = UNSET
    ip_allow: Networks | None | UnsetType = UNSET
    rate_limit: LimitText | None | UnsetType = UNSET
    audiences: Audiences | None | UnsetType = UNSET
    revealable: Annotated[bool, Meta(description="Whether the key can be revealed again.")] = True


class KeyUpdate(Body):
    """The fields of an API key to change. Missing fields are left unchanged."""

    refused: ClassVar[Mapping[str, str]] = {
        name: f"The {words} of a key can't be changed. Create a new key."
        for name, words in (("kind", "kind"), ("user_id", "user"), ("revealable", "field revealable"))
    }

    name: Annotated[str, label("What you use the key for.", "billing service")] | UnsetType = UNSET
    scopes: Annotated[Scopes, says("The scopes of the key. Null: everything its user can do.")] | None | UnsetType = (
        UNSET
    )
    expires_at: (
        Annotated[Time, says("When the key expires, an RFC 3339 time in the future. Null: never.")] | None | UnsetType
    ) = UNSET
    ip_allow: (
        Annotated[Networks, says("IP addresses and networks that can use the key. Null: any.")] | None | UnsetType
    ) = UNSET
    rate_limit: LimitText | None | UnsetType = UNSET
    audiences: Audiences | None | UnsetType = UNSET
    current_password: (
        Annotated[
            GivenPassword,
            says("Your current password. Required to give a key more than it has, unless you have a second factor."),
        ]
        | UnsetType
    ) = UNSET
    code: (
        Annotated[
            Code,
            says(
                "A code of your authenticator app, or a recovery code. Required to give a key more than it has, if you "
                "have a second factor."
            ),
        ]
        | UnsetType
    ) = UNSET


class KeyRotation(Body):
    """Options of a key's rotation."""

    overlap: Annotated[
        int,
        Meta(ge=0, le=2_592_000, description="Seconds the old key keeps working, at most 30 days.", examples=[3600]),
    ] = 0


class ListKeys(Query):
    user: (
        Annotated[
            SomeUser,
            says(
                "ID of the user whose keys to list. Default: yourself. `all`: all users, each key with the name, "
                "email and kind of its user. Requires the scope `users:read` as well."
            ),
        ]
        | None
    ) = None
    q: (
        Annotated[
            SearchText,
            says(
                "Search: part of the name, ignoring case and accents, or the beginning of the ID or of the key. Only "
                "among the keys of one user, without the filters below."
            ),
        ]
        | None
    ) = None
    prefix: (
        Annotated[
            str,
            Meta(
                max_length=64,
                description="Only keys whose ID or text begins like this: the first 8 characters count. Or a key as "
                "lists show it, `rbk_Exam…TtmI`.",
                examples=["rbk_Exam"],
            ),
        ]
        | None
    ) = None
    scope: (
        Annotated[Scope, says("Only keys that can use this scope: their own, or all that the user's role has.")] | None
    ) = None
    unused_since: (
        Annotated[
            Time,
            says("Only keys that work, were created before this RFC 3339 time, and have not been used from then on."),
        ]
        | None
    ) = None
    expires_before: Annotated[Time, says("Only keys that work, and expire before this RFC 3339 time.")] | None = None
    created_by: (
        Annotated[
            SomeUser,
            says(
                "Only keys that go back to this user, or `me`: created by them, or with a key that goes back to them."
            ),
        ]
        | None
    ) = None
    sort: Annotated[
        KeySort,
        says("Order. Prefix with `-` for descending order. Keys that were never used are used the longest ago."),
    ] = "created_at"
    limit: Limit = 50
    offset: Offset = 0
