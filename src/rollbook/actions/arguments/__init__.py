"""The arguments of actions: their types, each with its constraints. A module for each noun, and here what several have.

`checking` builds them from whatever arrived; `/openapi.json` shows the same constraints.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from rollbook import roles
from rollbook.records import event_types, examples
from rollbook.records.examples import ALICE_ID, CHARLIE_ID
from rollbook.records.rules import HIDDEN
from rollbook.records.user_list.query import SORTABLE
from rollbook.roles import Status
from rollbook.schemas import Schema, listed, says

MAX_IDS = 200  # as many as a request target of 8 KiB has room for, and some room to spare
MAX_POSITION = 40
# Generators of clients copy patterns into code: no \u, which Go, Rust and PHP do not know.
ANY_TEXT = "^[^\\x00]*$"
NO_LINE_BREAK = r"(?!\n)"
"""Needed because Python's `$` also matches before a trailing line break; the API description does without it."""
NO_HIDDEN = f"(?!.*{HIDDEN})"
"""The API description does without it, too: not all languages can say these ranges."""
NO_CONTROLS = f"^{NO_HIDDEN}" + r"[^\x00-\x1f\x7f]+$" + NO_LINE_BREAK
CONTROL_FREE = f"^{NO_HIDDEN}" + r"[^\x00-\x1f\x7f]*$" + NO_LINE_BREAK
_WINDOW = "[1-9][0-9]{0,8}/(second|minute|hour|day|[1-9][0-9]{0,5}s)"


def label(description: str, example: str, most: int = 100) -> Meta:
    """A name that people give to something, on one line."""
    return Meta(min_length=1, max_length=most, pattern=NO_CONTROLS, description=description, examples=[example])


# ---- types with rules of their own; here and below, a field a line


class Name(str):
    """The user's name, 1 to 255 characters. Surrounding whitespace is removed. No control characters, and no
    invisible ones."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["Charlie Chaplin"]}


class Email(str):
    """The user's email, at most 254 bytes. International addresses are allowed. Must be unique, ignoring case. Stored
    as sent."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "format": "email",
        "minLength": 3,
        "maxLength": 254,
        "examples": ["charlie@example.com"],
    }


class NewPassword(str):
    """A password of 8 to 256 characters. Passwords that are easy to guess are rejected: common ones, and those made of
    a common word or the user's name or email, with digits or signs. Nothing is truncated."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "format": "password",
        "minLength": 8,
        "maxLength": 256,
        "examples": ["securepassword123"],
    }


class GivenPassword(str):
    """The user's current password."""

    schema: ClassVar[Schema] = {"type": "string", "format": "password", "minLength": 1, "maxLength": 256}


class Time(int):
    """An RFC 3339 time with an offset, such as `2023-10-27T10:00:00Z`."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "format": "date-time",
        "maxLength": 40,
        "examples": ["2023-10-27T10:00:00Z"],
        "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-",
    }


class ActiveTime(Time):
    """An RFC 3339 time with an offset, or `never`."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "maxLength": 40,
        "examples": ["2023-10-27T10:00:00Z", "never"],
        "pattern": "^(never$|(19[7-9][0-9]|[2-9][0-9]{3})-)",
    }


class Metadata(str):
    """A JSON object with your own data, at most 16 KiB."""

    schema: ClassVar[Schema] = {"type": "object", "additionalProperties": True, "examples": [{"plan": "pro"}]}


ABOUT_PRIVATE = "Like `metadata`, for data that the user doesn't see, such as what another system kept from them."
PrivateMetadata = Annotated[Metadata, says(ABOUT_PRIVATE)]


class MetadataPatch(str):
    """Changes of the metadata (RFC 7396): keys you send are set, those with null are removed, objects are merged, and
    others stay. The result has at most 16 KiB."""

    schema: ClassVar[Schema] = {
        "type": "object",
        "additionalProperties": True,
        "examples": [{"plan": "team", "trial_ends": None}],
    }


PrivateMetadataPatch = Annotated[MetadataPatch, says(ABOUT_PRIVATE)]


class LimitText(str):
    """Rate limit, such as `100/minute,5000/hour`, or `none`. Null: the default applies."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 4,
        "maxLength": 100,
        "examples": ["100/minute,5000/hour"],
        "pattern": f"^(none|{_WINDOW}(,{_WINDOW}){{0,3}})$",
    }


class Address(str):
    """The IP address of the person who signs in, as your application sees it. Not that of your application or its
    proxy."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 2,
        "maxLength": 45,
        "examples": ["203.0.113.7"],
        "pattern": "^[0-9A-Fa-f:.]+$",
    }


class RedirectUrl(str):
    """The page that the person continues to, instead of the dashboard: a URL at an origin of the server's setting
    `redirect_origins`, or on `localhost` or `127.0.0.1` with any port."""

    # No user name, which could look like the host, and nothing that browsers read otherwise than it is written.
    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 9,
        "maxLength": 1024,
        "examples": ["https://app.example.com/sign-in"],
        "pattern": (r"^https?://[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?([/?#][!-\[\]-~]*)?$"),
    }


class EventPattern(str):
    """An event type such as `user.created`, all of a group such as `user.*`, or `*` for all, those of later versions
    included."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 1,
        "maxLength": 64,
        "examples": ["user.*"],
        "enum": event_types.patterns(),
    }


class Names(tuple[str, ...]):
    """Names, separated by commas."""

    schema: ClassVar[Schema] = {"type": "array", "minItems": 1}


class Ids(Names):
    """Up to 200 IDs, separated by commas."""

    schema: ClassVar[Schema] = {
        **Names.schema,
        "maxItems": MAX_IDS,
        "items": {"type": "string", "minLength": 1, "maxLength": 31, "pattern": "^[^,\\x00]+$"},
        "examples": [[ALICE_ID, examples.BOB_ID]],
    }


class Sort(Names):
    """`created_at`, `name`, `email`, `last_active_at` or `ends_at`; separate several with commas. Prefix with `-` for
    descending order. Users who were never active come before all others, those without an end behind them."""

    schema: ClassVar[Schema] = {
        **Names.schema,
        "maxItems": len(SORTABLE),
        "items": {"type": "string", "enum": [sign + name for name in SORTABLE for sign in ("", "-")]},
        "examples": [["-created_at"], ["name", "-created_at"]],
    }


class MetadataFilter(tuple[tuple[str, str], ...]):
    """Only users with these values in their metadata: `plan:pro`, up to 10, separated by commas. Compares texts,
    numbers, booleans and null at the top level as text, such as `pro`, `1`, `0.5`, `true` or `null`. Keys and values
    have at most 255 characters. Write a comma, a backslash, and a colon in a key with a backslash before it."""

    schema: ClassVar[Schema] = {
        "type": "array",
        "minItems": 1,
        "maxItems": 10,
        "items": {
            "type": "string",
            "minLength": 3,
            "maxLength": 1021,
            "pattern": r"^([^,:\\\x00]|\\[,:\\])+:([^,\\\x00]|\\[,:\\])+$",
        },
        "examples": [["plan:pro"], ["plan:pro", "team:red"]],
    }


class SearchText(str):
    """Search: part of a name or email, ignoring case and accents, or the first characters of an ID or external ID. One
    or two characters find words that begin with them and, in Chinese, Japanese, Korean and other scripts written
    without spaces, any place."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "examples": ["wonder"],
        "pattern": r"^[^\x00-\x1f\x7f]+$",
    }


OwnPassword = Annotated[GivenPassword, says("Your current password. Required to change your own email.")]
Limit = Annotated[int, Meta(ge=1, le=1000, description="Maximum number of items to return.", examples=[2])]
Offset = Annotated[int, Meta(ge=0, description="Number of items to skip.", examples=[0])]
Wait = Annotated[int, Meta(ge=0, le=60, description="Seconds to wait if there is nothing yet. Only with `order=asc`.")]
EventPosition = Annotated[
    str,
    Meta(
        max_length=MAX_POSITION,
        description="Only events after this one: an event ID, or the `Event-Position` of an earlier response.",
        examples=[examples.EVENT_ID],
    ),
]
SomeUser = Annotated[str, Meta(max_length=40, examples=[CHARLIE_ID])]
SomeKey = Annotated[str, Meta(max_length=40, examples=[examples.KEY_ID])]
NO_EMAIL = "^[^@]*$"
Owner = Annotated[SomeUser, Meta(pattern=NO_EMAIL, extra_json_schema={"pattern": "^[^@\\x00]*$"})]
ABOUT_KIND = "What the user is. " + listed(roles.USER_KINDS)
ABOUT_ROLE = "The user's role. " + listed(roles.ROLES)
ABOUT_STATUS = (
    "`invited` users have no password yet, and become `active` when they set one. `suspended` users can't sign in or "
    "use their API keys until they are activated."
)

# ---- what changes something


class Body(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """An object. Missing fields are UNSET; unknown fields are rejected."""


ExternalId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=NO_CONTROLS,
        description="Your own identifier for the user. Unique. Null removes it.",
    ),
]
GivenEmail = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=254,
        description="The user's email.",
        examples=["alice@example.com"],
        extra_json_schema={"pattern": ANY_TEXT},
    ),
]
Code = Annotated[
    str,
    Meta(
        min_length=6,
        max_length=64,
        pattern=NO_CONTROLS,
        description="A code of the user's authenticator app, or a recovery code. Spaces and hyphens don't matter.",
        examples=["287082"],
    ),
]
ChallengeText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=NO_CONTROLS,
        description="The `challenge` that the right password returned with `second_factor_required`.",
        examples=[examples.CHALLENGE],
    ),
]
OwnCode = Annotated[
    Code,
    says(
        "A code of your authenticator app, or a recovery code. Required to change your own second factors with an API "
        "key."
    ),
]

# ---- what selects


class Query(Struct, kw_only=True, frozen=True):
    """Arguments that arrive as text, such as a query string. Unknown, repeated and empty ones are rejected."""


ExportedStatus = Annotated[Status, says("Only users with this status.")]
