"""The arguments of actions: their types, each with its constraints.

`checking` builds them from whatever arrived; `/openapi.json` shows the same constraints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from rollbook import roles
from rollbook.actions.import_sources import OWN_FILE, ImportSource
from rollbook.config import MAX_TOKEN_LIFETIME, LanguageCode
from rollbook.delivery import outcomes
from rollbook.records import event_types, examples, groups, one_time_tokens, rules
from rollbook.records.examples import ALICE_ID, CHARLIE_ID
from rollbook.records.one_time_tokens import Purpose as TokenPurpose
from rollbook.records.user_list.query import SORTABLE
from rollbook.roles import (
    KEY_KINDS,
    STATUSES,
    ApplicationRole,
    KeyKind,
    Role,
    Scope,
    Status,
    StatusFilter,
    UserKind,
)
from rollbook.schemas import Schema, listed, says

MAX_IDS = 200  # as many as a request target of 8 KiB has room for, and some room to spare
MAX_TYPES = 50
MAX_MEMBERS = 1000
"""Members that one call adds."""
MAX_POSITION = 40

# Generators of clients copy patterns into code: no \u, which Go, Rust and PHP do not know.
ANY_TEXT = "^[^\\x00]*$"
NO_LINE_BREAK = r"(?!\n)"
"""Needed because Python's `$` also matches before a trailing line break; the API description does without it."""
NO_HIDDEN = f"(?!.*{rules.HIDDEN})"
"""The API description does without it, too: not all languages can say these ranges."""
NO_CONTROLS = f"^{NO_HIDDEN}" + r"[^\x00-\x1f\x7f]+$" + NO_LINE_BREAK
CONTROL_FREE = f"^{NO_HIDDEN}" + r"[^\x00-\x1f\x7f]*$" + NO_LINE_BREAK
_WINDOW = "[1-9][0-9]{0,8}/(second|minute|hour|day|[1-9][0-9]{0,5}s)"


def _label(description: str, example: str) -> Meta:
    """A name that people give to something, of 1 to 100 characters."""
    return Meta(min_length=1, max_length=100, pattern=NO_CONTROLS, description=description, examples=[example])


# ---- types with rules of their own; here and below, a field a line


class Name(str):
    """The user's name, 1 to 255 characters. Surrounding whitespace is removed. No control characters, and none that no
    one sees."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["Charlie Chaplin"]}


class GroupName(str):
    """The group's name, 1 to 255 characters. Need not be unique. Surrounding whitespace is removed. No control
    characters, and none that no one sees."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["Engineering"]}


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


class Network(str):
    """An IP address or network (CIDR), such as `203.0.113.7` or `2001:db8::/32`."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 2,
        "maxLength": 43,
        "examples": ["203.0.113.0/24"],
        "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$",
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


class WebhookUrl(str):
    """The place that events are sent to: an `https` URL, or `inbox` to look at them in the dashboard. `http` and
    private addresses only if the server's setting `webhook_allow` has their network. The URL of a chat is shown with
    its host only: sent like that, it stays as it is."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 5,
        "maxLength": 2048,
        "examples": ["https://app.example.com/hooks/rollbook"],
        "pattern": "^(inbox|https?://[!-~]+…?)$",
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


class TokenData(str):
    """A JSON object with your own data, at most 4 KiB. It is returned when the token is consumed, and in events: no
    place for secrets."""

    schema: ClassVar[Schema] = {"type": "object", "additionalProperties": True, "examples": [{"plan": "pro"}]}


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


class WebhookHeaders(tuple[tuple[str, str | None], ...]):
    """Headers to send with each event, at most 20, by name. Names and values have at most 4 KiB together. Values are
    never returned."""

    schema: ClassVar[Schema] = {
        "type": "object",
        "maxProperties": 20,
        "additionalProperties": {"type": ["string", "null"], "maxLength": 4096},
        "examples": [{"X-Tenant": "acme"}],
    }


class UserId(str):
    """The ID that a user had when they were exported. It must not be in use, nor belong to a deleted user."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 31,
        "maxLength": 31,
        "examples": ["user_065n18kq2h1o9d3f7g5j8l4n6s"],
    }


class TotpSecret(str):
    """The secret of the user's authenticator app: base32, or an `otpauth://totp/` URL. The app goes on working."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 16,
        "maxLength": 1024,
        "examples": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
    }


class GroupNames(dict[str, str]):
    """The groups to add the user to, separated by `;`, each a name or `name:role`. A group that doesn't exist is
    created. Write a `;`, a backslash, and a `:` in a name with a backslash before it."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "maxLength": groups.MAX_TEXT,
        "examples": ["Design;Support:lead"],
    }


class ColumnMapping(str):
    """A JSON object from the columns of a CSV file to fields, such as `{"Mail": "email", "Plan": "metadata.plan",
    "Notes": null}`. `metadata.plan` puts a column into the metadata, null ignores it. Default: columns that are named
    like fields."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 2,
        "maxLength": 8192,
        "pattern": r"^\s*\{[\s\S]*\}\s*$",
        "examples": ['{"Mail": "email", "Plan": "metadata.plan"}'],
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
    """`created_at`, `name` or `email`; separate several with commas. Prefix with `-` for descending order."""

    schema: ClassVar[Schema] = {
        **Names.schema,
        "maxItems": len(SORTABLE),
        "items": {"type": "string", "enum": [sign + name for name in SORTABLE for sign in ("", "-")]},
        "examples": [["-created_at"], ["name", "-created_at"]],
    }


class EventTypes(Names):
    """Types of events, separated by commas: `user.created`, `user.*` for all of a group, or `*`."""

    schema: ClassVar[Schema] = {
        **Names.schema,
        "maxItems": MAX_TYPES,
        "items": {
            "type": "string",
            "maxLength": 64,
            "pattern": f"^({'|'.join(map(re.escape, event_types.patterns()))})$",
        },
        "examples": [["user.created"], ["user.*", "key.revoked"]],
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
Owner = Annotated[SomeUser, Meta(extra_json_schema={"pattern": ANY_TEXT})]
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
WebhookFormat = Literal["standard", "cloudevents", "slack", "discord", "teams"]
WebhookPayload = Literal["full", "thin"]
WebhookOrdering = Literal["user", "none"]
ABOUT_PURPOSES = listed(one_time_tokens.PURPOSES)
ABOUT_KIND = "What the user is. " + listed(roles.USER_KINDS)
ABOUT_APPLICATION_ROLES = listed({role: roles.ROLES[role] for role in roles.APPLICATION_ROLES})
ABOUT_ROLE = "The user's role. " + listed(roles.ROLES)
ABOUT_KEY_KIND = "Where the key works. " + listed(KEY_KINDS)
ABOUT_STATUS = (
    "`invited` users have no password yet, and become `active` when they set one. `suspended` users can't sign in or "
    "use their API keys until they are activated."
)
OF_APPLICATIONS = {
    "password": "An application has no password: it cannot sign in. Leave out the password, and create an API key.",
    "status": "An application is active at once. Leave out the status.",
}
NO_OWNER = "An application can't be an owner: owners must be able to sign in."
NO_PASSWORD_YET = "An invited user has no password yet: leave out the password, or the status."
ABOUT_FORMATS = (
    "`standard`: the event as `GET /v1/events` shows it. `cloudevents`: CloudEvents 1.0. `slack`, "
    "`discord`, `teams`: a sentence for people, in the format of these chats' incoming webhooks."
)
ABOUT_PAYLOADS = (
    "`full`: the whole event. `thin`: only its ID, type, time and the IDs of the user and the "
    "object, for receivers that should not get personal data."
)
ABOUT_ORDERINGS = (
    "`user`: a user's events arrive in order, so while one fails, that user's later events wait. `none`: events arrive "
    "in any order, and none waits for another."
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


class UserFields(Body, kw_only=True):
    """The fields of a user that callers set, at creation or later."""

    name: Name | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    role: Annotated[Role, says(f"{ABOUT_ROLE} Default for a new user: `member`.")] | UnsetType = UNSET
    external_id: ExternalId | None | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    private_metadata: PrivateMetadata | UnsetType = UNSET
    email_verified: Annotated[bool, says("Whether the email is verified.")] | UnsetType = UNSET
    rate_limit: LimitText | None | UnsetType = UNSET


class UserCreate(UserFields, kw_only=True):
    """A user to create. Users without a password get one through a setup link."""

    name: Name  # type: ignore[bad-override-mutable-attribute]  # frozen
    email: Email  # type: ignore[bad-override-mutable-attribute]  # frozen
    password: NewPassword | UnsetType = UNSET
    status: (
        Annotated[
            Status,
            says("Only `invited`: the user has no password until they set one, and then becomes `active`."),
        ]
        | UnsetType
    ) = UNSET

    @staticmethod
    def at_odds(given: Mapping[str, Any]) -> Mapping[str, str]:
        """Sentences about fields that are right by themselves, but not together."""
        status = given.get("status", "invited")
        if status in STATUSES and status != "invited":
            return {"status": "status must be invited, or left out."}
        return {"password": NO_PASSWORD_YET} if "status" in given and "password" in given else {}


class ImportedUser(UserCreate, kw_only=True):
    """A user to import: with a `password`, the hash of one, or neither, and then they set one through a setup link."""

    kind: Annotated[UserKind, says(f"{ABOUT_KIND} Default: `person`. Can't be changed.")] | UnsetType = UNSET
    id: UserId | UnsetType = UNSET
    password_hash: str | None | UnsetType = UNSET
    totp_secret: TotpSecret | None | UnsetType = UNSET
    created_at: Time | UnsetType = UNSET
    updated_at: Time | UnsetType = UNSET
    last_sign_in_at: Time | None | UnsetType = UNSET
    groups: GroupNames | None | UnsetType = UNSET

    @staticmethod
    def at_odds(given: Mapping[str, Any]) -> Mapping[str, str]:
        """Nothing: `import_writer` says it, which the fields of every file come to."""
        return {}

    @property
    def new_name(self) -> str:
        """The name as a new user."""
        return self.name


class ConvertedUser(ImportedUser, kw_only=True):
    """A user of another system, who may have no name."""

    name: Name | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen

    @property
    def new_name(self) -> str:
        """The name as a new user; that of one who exists stays."""
        return self.name if isinstance(self.name, str) else self.email.partition("@")[0]


class UserUpdate(UserFields, kw_only=True):
    """The fields of a user to change. Missing fields are left unchanged."""

    kind: Annotated[UserKind, says(f"{ABOUT_KIND} Can't be changed.")] | UnsetType = UNSET
    status: Annotated[Status, says(ABOUT_STATUS)] | UnsetType = UNSET
    current_password: OwnPassword | UnsetType = UNSET


class UserPatch(UserUpdate, kw_only=True):
    """The fields of a user to change. Missing fields are left unchanged, and metadata is merged."""

    metadata: MetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen
    private_metadata: PrivateMetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen


class ApplicationFields(Body, kw_only=True):
    """The fields of an application that callers set, at creation or later."""

    name: Name | UnsetType = UNSET
    role: (
        Annotated[ApplicationRole, says(f"The application's role. {ABOUT_APPLICATION_ROLES} Default: `member`.")]
        | UnsetType
    ) = UNSET
    external_id: ExternalId | None | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    rate_limit: LimitText | None | UnsetType = UNSET


class ApplicationCreate(ApplicationFields, kw_only=True):
    """An application to create: a name is enough. Its email is made up."""

    name: Name  # type: ignore[bad-override-mutable-attribute]  # frozen


class ApplicationPatch(ApplicationFields, kw_only=True):
    """The fields of an application to change. Missing fields are left unchanged, and metadata is merged."""

    metadata: MetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen
    status: Annotated[Status, says(ABOUT_STATUS)] | UnsetType = UNSET


class GroupFields(Body, kw_only=True):
    """The fields of a group that callers set, at creation or later."""

    name: GroupName | UnsetType = UNSET
    external_id: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=255,
                pattern=NO_CONTROLS,
                description="Your own identifier for the group. Unique among groups. Null removes it.",
                examples=["team-7"],
            ),
        ]
        | None
        | UnsetType
    ) = UNSET
    metadata: Metadata | UnsetType = UNSET


class GroupCreate(GroupFields, kw_only=True):
    """A group to create."""

    name: GroupName  # type: ignore[bad-override-mutable-attribute]  # frozen


class GroupUpdate(GroupFields, kw_only=True):
    """The fields of a group to change. Missing fields are left unchanged."""


class GroupPatch(GroupFields, kw_only=True):
    """The fields of a group to change. Missing fields are left unchanged, and metadata is merged."""

    metadata: MetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen


MemberRole = Annotated[
    str,
    Meta(
        max_length=255,
        pattern=CONTROL_FREE,
        description="The user's role in the group: a text of yours, which gives no rights in Rollbook. Default or "
        "null: an empty text.",
        examples=["lead"],
    ),
]


class MemberUpdate(Body):
    """A member to add, or to change."""

    role: MemberRole | None | UnsetType = UNSET


class MemberToAdd(Body):
    """A user to add to a group. One who is a member already gets the role."""

    user_id: Annotated[SomeUser, says("ID of the user.", pattern=ANY_TEXT)]
    role: MemberRole | None | UnsetType = UNSET


class MembersAdd(Body):
    """Users to add to a group."""

    members: Annotated[
        tuple[MemberToAdd, ...], Meta(min_length=1, max_length=MAX_MEMBERS, description="Up to 1,000 users, each once.")
    ]


class PasswordChange(Body):
    """A password to set. Users who change their own password must send the current one."""

    password: NewPassword
    current_password: GivenPassword | UnsetType = UNSET
    revoke_keys: (
        Annotated[
            bool,
            says(
                "Whether the user's API keys are revoked and their webhooks disabled, and what they created for others "
                "ends. Default: `true` for another user, `false` for yourself."
            ),
        ]
        | UnsetType
    ) = UNSET


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


class Credentials(Body):
    """An email and a password."""

    email: GivenEmail
    password: GivenPassword
    address: Address | UnsetType = UNSET


_OF_PATH = "A-Za-z0-9._~:@!$&()+,;=%?#-"
IS_AUDIENCE = f"^[a-z0-9][a-z0-9._:+-]*(//[a-z0-9._:-]+)?(/([{_OF_PATH}][/{_OF_PATH}]*)?)?${NO_LINE_BREAK}"
SomeAudience = Annotated[str, Meta(min_length=1, max_length=255, pattern=IS_AUDIENCE, examples=[examples.AUDIENCE])]
Audience = Annotated[
    SomeAudience,
    says(
        "Your application: its ID, or a name that you choose, such as its URL, which the API key must have among its "
        "`audiences`. Default: the only one of the key. Names and hosts are in lower case, and compared exactly. "
        "Tokens are only valid for the audience that their session was created for."
    ),
]
Audiences = Annotated[
    tuple[SomeAudience, ...],
    Meta(
        min_length=1,
        max_length=16,
        description="The audiences for which the key creates, refreshes, verifies, lists and ends sessions. Default or "
        "null: any, or of an application, its ID.",
    ),
]
UserAgent = Annotated[
    str,
    Meta(
        max_length=2048,
        description="The User-Agent header of the person's browser or app, to tell sessions apart. The first 300 "
        "characters are kept.",
        examples=[examples.USER_AGENT],
        extra_json_schema={"pattern": ANY_TEXT},
    ),
]
SessionText = Annotated[str, Meta(min_length=1, max_length=100, extra_json_schema={"pattern": ANY_TEXT})]


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


class SessionCreate(Body):
    """A person who signs in to your application: with `email` and `password`, then `challenge` and `code` if they have
    a second factor, or with a one-time `token`."""

    audience: Audience | UnsetType = UNSET
    email: GivenEmail | UnsetType = UNSET
    password: GivenPassword | UnsetType = UNSET
    token: (
        Annotated[SessionText, says("A one-time token of the purpose `sign_in`.", examples=[examples.TOKEN_TEXT])]
        | UnsetType
    ) = UNSET
    challenge: ChallengeText | UnsetType = UNSET
    code: Code | UnsetType = UNSET
    address: Address | UnsetType = UNSET
    user_agent: UserAgent | UnsetType = UNSET


class SessionRefresh(Body):
    """A refresh token, which works once."""

    refresh_token: Annotated[SessionText, says("The refresh token of the session.", examples=[examples.REFRESH_TOKEN])]
    audience: Audience | UnsetType = UNSET


class SessionVerification(Body):
    """A token of a session."""

    token: Annotated[SessionText, says("The token of the session.", examples=[examples.SESSION_TOKEN])]
    audience: Audience | UnsetType = UNSET


OwnCode = Annotated[
    Code,
    says(
        "A code of your authenticator app, or a recovery code. Required to change your own second factors with an API "
        "key."
    ),
]


class ChallengeAnswer(Body):
    """A code for the challenge of a sign-in."""

    challenge: ChallengeText
    code: Code
    address: Address | UnsetType = UNSET


class SecondFactorCreate(Body):
    """An authenticator app to add."""

    kind: Annotated[Literal["totp"], says("The kind of factor. `totp`: an authenticator app.")]
    name: Annotated[str, _label("What the user calls the factor.", "Phone")] | UnsetType = UNSET
    issuer: (
        Annotated[
            str,
            _label(
                "Name of your application, which the app shows beside the code. Default: the setting `brand_name`.",
                "Acme",
            ),
        ]
        | UnsetType
    ) = UNSET
    code: OwnCode | UnsetType = UNSET
    current_password: (
        Annotated[GivenPassword, says("Your current password. Required to add your own first factor.")] | UnsetType
    ) = UNSET


class SecondFactorActivation(Body):
    """A code of the app to activate."""

    code: Annotated[Code, says("A code that the app shows.")]


class SecondFactorCode(Body):
    """A code to verify."""

    code: Code
    address: Address | UnsetType = UNSET


class RecoveryCodesCreate(Body):
    """Recovery codes to create."""

    code: OwnCode | UnsetType = UNSET


class PasswordLinkCreate(Body):
    """A setup or password reset link to create."""

    redirect_url: RedirectUrl | UnsetType = UNSET


TokenLifetime = Annotated[
    int,
    Meta(
        ge=1,
        le=MAX_TOKEN_LIFETIME,
        description="Seconds until it expires, at most 30 days. Default: the server's setting for the purpose.",
        examples=[3600],
    ),
]
TokenSend = Annotated[
    bool,
    says("Whether Rollbook mails it to the user. `token` and `url` are then not returned. Needs the setting `smtp`."),
]
TokenLanguage = Annotated[LanguageCode, says("Language of the page. Default: the one that the browser prefers.")]


class TokenCreate(Body):
    """A one-time token to create."""

    purpose: Annotated[TokenPurpose, says(ABOUT_PURPOSES)]
    expires_in: TokenLifetime | UnsetType = UNSET
    redirect_url: RedirectUrl | UnsetType = UNSET
    email: Annotated[Email, says("The new email. Required for `change_email`, and only for that.")] | UnsetType = UNSET
    data: TokenData | UnsetType = UNSET
    language: TokenLanguage | UnsetType = UNSET
    send: TokenSend = False


class TokenRequest(Body):
    """A one-time token that someone asks for who is not signed in."""

    email: Annotated[Email, says("The email that the person entered.")]
    purpose: Annotated[
        Literal["reset_password", "verify_email", "sign_in", "invite"],
        says(listed({name: text for name, text in one_time_tokens.PURPOSES.items() if name != "change_email"})),
    ]
    redirect_url: RedirectUrl | UnsetType = UNSET
    address: (
        Annotated[
            Address,
            says(
                "The IP address of the person, as your application sees it. Not that of your application or its proxy."
            ),
        ]
        | UnsetType
    ) = UNSET
    language: (
        Annotated[LanguageCode, says("Language of the email and the page. Default: the server's setting `language`.")]
        | UnsetType
    ) = UNSET


class TokenConsume(Body):
    """A one-time token to use, with what it needs."""

    token: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=2048,
            description="The token.",
            examples=[examples.TOKEN_TEXT],
            extra_json_schema={"pattern": ANY_TEXT},
        ),
    ]
    password: (
        Annotated[NewPassword, says("The new password. Required for `invite` and `reset_password`.")] | UnsetType
    ) = UNSET
    name: (
        Annotated[Name, says("The user's name, only for `invite`, and if `member_fields` has it. Default: unchanged.")]
        | UnsetType
    ) = UNSET
    code: (
        Annotated[
            Code,
            says(
                "A code of the user's authenticator app, or a recovery code. Required for all but `verify_email` if "
                "the user has a second factor."
            ),
        ]
        | UnsetType
    ) = UNSET
    revoke_keys: (
        Annotated[
            bool,
            says(
                "Whether a new password revokes the user's API keys, disables their webhooks, and ends what they "
                "created for others. Default: `true` for `reset_password`, otherwise `false`."
            ),
        ]
        | UnsetType
    ) = UNSET
    address: Address | UnsetType = UNSET


class KeyCreate(Body):
    """An API key to create."""

    name: Annotated[str, _label("What you use the key for.", "billing service")]
    user_id: Annotated[Owner, says("ID of the user the key belongs to. Default: yourself.")] | UnsetType = UNSET
    kind: Annotated[KeyKind, says(ABOUT_KEY_KIND)] = "api"
    scopes: Scopes | None | UnsetType = UNSET
    expires_at: (
        Annotated[Time, says("When the key expires, an RFC 3339 time in the future. Default or null: never.")]
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

    name: Annotated[str, _label("What you use the key for.", "billing service")] | UnsetType = UNSET
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


class WebhookFields(Body, kw_only=True):
    """The fields of a webhook that callers set, at creation or later."""

    url: WebhookUrl | UnsetType = UNSET
    description: (
        Annotated[
            str,
            Meta(
                max_length=255, pattern=CONTROL_FREE, description="What you use the webhook for.", examples=["Billing"]
            ),
        ]
        | UnsetType
    ) = UNSET
    types: (
        Annotated[
            tuple[EventPattern, ...],
            Meta(min_length=1, max_length=64, description="The events to send.", examples=[["user.*"]]),
        ]
        | UnsetType
    ) = UNSET
    format: Annotated[WebhookFormat, says(f"{ABOUT_FORMATS} Default: `standard`.")] | UnsetType = UNSET
    payload: Annotated[WebhookPayload, says(f"{ABOUT_PAYLOADS} Default: `full`.")] | UnsetType = UNSET
    ordering: Annotated[WebhookOrdering, says(f"{ABOUT_ORDERINGS} Default: `user`.")] | UnsetType = UNSET
    skip_imports: (
        Annotated[
            bool,
            Meta(description="`true`: leave out the events of imports, except `import.finished`. Default: `false`."),
        ]
        | UnsetType
    ) = UNSET
    headers: WebhookHeaders | UnsetType = UNSET
    status: (
        Annotated[
            Literal["enabled", "paused"],
            says(
                "`paused`: nothing is sent until you resume it. `enabled`: resumes it where it stopped. Default "
                "for a new webhook: `enabled`."
            ),
        ]
        | UnsetType
    ) = UNSET
    user_id: (
        Annotated[Owner, says("ID of the user the webhook belongs to. Default for a new webhook: yourself.")]
        | UnsetType
    ) = UNSET


class WebhookCreate(WebhookFields, kw_only=True):
    """A webhook to create."""

    url: WebhookUrl  # type: ignore[bad-override-mutable-attribute]  # frozen


class WebhookUpdate(WebhookFields, kw_only=True):
    """The fields of a webhook to change. Missing fields are left unchanged. Headers are merged: null removes one."""


class WebhookRotation(Body):
    """Options of the rotation of a webhook's secret."""

    overlap: Annotated[
        int,
        Meta(
            ge=0,
            le=2_592_000,
            description="Seconds during which events are signed with the old secret as well, at most 30 days.",
            examples=[3600],
        ),
    ] = 86_400


LogPosition = Annotated[str, Meta(min_length=1, max_length=40, pattern=NO_CONTROLS)]


class WebhookResume(Body, rename={"start": "from"}):
    """The place in the event log at which a webhook resumes."""

    start: Annotated[
        LogPosition,
        Meta(
            description="Where to go on: `cursor`, with everything that happened since; `now`, without it; an "
            "RFC 3339 time; or the ID of the first event to send.",
            examples=["cursor"],
        ),
    ] = "cursor"


class WebhookTest(Body):
    """The event to send as a test."""

    type: (
        Annotated[
            str,
            Meta(
                max_length=64,
                description="The type of the example event. Default: `server.test`.",
                examples=["user.created"],
                extra_json_schema={"pattern": "^[a-z_]+[.][a-z_]+$"},
            ),
        ]
        | UnsetType
    ) = UNSET


class ReplayCreate(Body, rename={"start": "from"}):
    """The events to send again."""

    start: Annotated[
        LogPosition,
        Meta(
            description="The first event: an RFC 3339 time, an event ID, or `failure` for the first one that failed "
            "and has not been delivered since.",
            examples=["2023-10-27T10:00:00Z"],
        ),
    ]
    to: (
        Annotated[
            LogPosition,
            Meta(
                description="The last event: a time, exclusive, or an event ID. Default: the newest event.",
                examples=["2023-10-27T11:00:00Z"],
            ),
        ]
        | UnsetType
    ) = UNSET
    types: (
        Annotated[
            tuple[EventPattern, ...],
            Meta(
                min_length=1,
                max_length=64,
                description="Only events of these types. Default: the types of the webhook.",
                examples=[["user.*"]],
            ),
        ]
        | UnsetType
    ) = UNSET
    user: (
        Annotated[
            str,
            Meta(min_length=1, max_length=40, pattern=NO_CONTROLS, description="Only events about this user, or `me`."),
        ]
        | UnsetType
    ) = UNSET
    only: (
        Annotated[
            Literal["failed", "undelivered"],
            says(
                "`failed`: only events with failed attempts and no successful one. `undelivered`: only events "
                "without a successful delivery. Default: all."
            ),
        ]
        | UnsetType
    ) = UNSET


class PasswordProof(Body):
    """Your own password or, if you have a second factor, a code."""

    password: Annotated[GivenPassword, says("Your password. Required unless you have a second factor.")] | UnsetType = (
        UNSET
    )
    code: (
        Annotated[
            Code, says("A code of your authenticator app, or a recovery code. Required if you have a second factor.")
        ]
        | UnsetType
    ) = UNSET


class SecondFactorName(Body):
    """The name of a second factor."""

    name: Annotated[str, _label("What you call the factor.", "Phone")]


# ---- what selects


class Query(Struct, kw_only=True, frozen=True):
    """Arguments that arrive as text, such as a query string. Unknown, repeated and empty ones are rejected."""


class ReadUser(Query):
    at: (
        Annotated[
            str,
            Meta(
                max_length=MAX_POSITION,
                description="Return the user as they were at this RFC 3339 time, or right after the event with this "
                "ID.",
                examples=["2023-10-27T10:00:00Z"],
            ),
        ]
        | None
    ) = None


class UserFilters(Query):
    """Filters of users."""

    email: (
        Annotated[
            str,
            Meta(
                max_length=254,
                description="Only the user with this email, ignoring case.",
                examples=["alice@example.com"],
            ),
        ]
        | None
    ) = None
    external_id: (
        Annotated[str, Meta(max_length=255, description="Only the user with this external ID.", examples=["crm-1042"])]
        | None
    ) = None
    ids: Ids | None = None
    role: Annotated[Role, says("Only users with this role.")] | None = None
    status: (
        Annotated[
            StatusFilter,
            says(
                "Only users with this status. `deleted`: those who were deleted and can be restored, newest "
                "deletion first. Requires the scope `users:write` as well."
            ),
        ]
        | None
    ) = None
    kind: Annotated[UserKind, says("Only users of this kind.")] | None = None
    created_after: Annotated[Time, says("Only users created after this RFC 3339 time.")] | None = None
    created_before: Annotated[Time, says("Only users created before this RFC 3339 time.")] | None = None
    q: SearchText | None = None
    metadata: MetadataFilter | None = None
    group: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="Only members of the group with this ID. Requires the scope `groups:read` as well.",
                examples=[examples.GROUP_ID],
            ),
        ]
        | None
    ) = None


ExportFormat = Literal["ndjson", "csv"]
BulkResultKind = Literal["changed", "unchanged", "refused"]
BulkAction = Literal["suspend", "activate", "delete", "restore", "role", "metadata", "setup_links"]


ExportedStatus = Annotated[Status, says("Only users with this status.")]


class BulkFilter(UserFilters):
    """All users who match these filters of `GET /v1/users`, as they are now; `{}` is all users. Without `kind`, only
    people."""

    status: ExportedStatus | None = None  # type: ignore[bad-override-mutable-attribute]  # frozen


class ExportUsers(UserFilters):
    """The users to export, and the format."""

    status: ExportedStatus | None = None  # type: ignore[bad-override-mutable-attribute]  # frozen
    format: Annotated[
        ExportFormat, Meta(description="`ndjson`: a JSON object on each line. `csv`: a table with a header.")
    ] = "ndjson"


class UserSelection(UserFilters):
    """Filters of users, and their order."""

    sort: Sort | None = None


class ApplicationFilters(Query):
    """Filters of applications."""

    q: SearchText | None = None
    status: (
        Annotated[
            StatusFilter,
            says(
                "Only applications with this status. `deleted`: those that were deleted and can be restored, newest "
                "deletion first. Requires the scope `users:write` as well."
            ),
        ]
        | None
    ) = None


class ListGroups(Query):
    q: Annotated[SearchText, says("Search: part of the name, ignoring case and accents.")] | None = None
    name: (
        Annotated[
            str,
            Meta(max_length=255, description="Only groups with this name, ignoring case.", examples=["Engineering"]),
        ]
        | None
    ) = None
    external_id: (
        Annotated[str, Meta(max_length=255, description="Only the group with this external ID.", examples=["team-7"])]
        | None
    ) = None
    user: Annotated[SomeUser, says("Only groups of this user, with their `role` there.")] | None = None
    sort: Annotated[
        Literal["created_at", "-created_at", "name", "-name"],
        Meta(description="How to sort them. Prefix with `-` for descending order."),
    ] = "created_at"
    limit: Limit = 50
    offset: Offset = 0


class SecondFactorProof(Query):
    code: OwnCode | None = None


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


class ListSessions(Query):
    user: Annotated[SomeUser, says("ID of the user whose sessions to list. Default: yourself.")] | None = None
    audience: Annotated[SomeAudience, says("Only sessions for this audience.")] | None = None
    limit: Limit = 50
    offset: Offset = 0


class ListWebhooks(Query):
    user: Annotated[SomeUser, says("Only webhooks of this user. Default: all that you can access.")] | None = None
    limit: Limit = 50
    offset: Offset = 0


class ListDeliveries(Query):
    outcome: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=32,
                description="Only deliveries with this outcome, or `failed` for all that did not succeed.",
                examples=["failed"],
                extra_json_schema={"pattern": f"^(failed|http_[45][0-9][0-9]|{'|'.join(outcomes.DESCRIPTIONS)})$"},
            ),
        ]
        | None
    ) = None
    type: (
        Annotated[
            str, Meta(max_length=64, description="Only deliveries of events of this type.", examples=["user.created"])
        ]
        | None
    ) = None
    user: Annotated[SomeUser, says("Only deliveries of events about this user, or `me`.")] | None = None
    event: (
        Annotated[str, Meta(max_length=40, description="Only deliveries of this event.", examples=[examples.EVENT_ID])]
        | None
    ) = None
    trigger: (
        Annotated[Literal["event", "test", "resend", "replay"], Meta(description="Only deliveries for this reason.")]
        | None
    ) = None
    created_after: Annotated[Time, says("Only deliveries from after this RFC 3339 time.")] | None = None
    created_before: Annotated[Time, says("Only deliveries from before this RFC 3339 time.")] | None = None
    before: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="Only deliveries older than the one with this ID.",
                examples=[examples.DELIVERY_ID],
            ),
        ]
        | None
    ) = None
    limit: Limit = 50


class ListReplays(Query):
    before: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="Only replays older than the one with this ID.",
                examples=[examples.REPLAY_ID],
            ),
        ]
        | None
    ) = None
    limit: Limit = 50


class FollowEvents(Query):
    after: EventPosition | None = None
    type: EventTypes | None = None
    user: Annotated[SomeUser, says("Only events about this user, or `me`.")] | None = None
    actor: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="Only what this user or API key did: the ID of either, or `me`.",
                examples=[ALICE_ID],
            ),
        ]
        | None
    ) = None
    address: (
        Annotated[
            str,
            Meta(
                max_length=45,
                description="Only events with this IP address as `actor.address`. `cli`: the command line. "
                "`system`: the server itself.",
                examples=["127.0.0.1"],
            ),
        ]
        | None
    ) = None


class StreamEvents(FollowEvents):
    names: Annotated[
        bool,
        Meta(
            description="`false`: events have no `event` field, so that the `onmessage` of an `EventSource` gets all "
            "of them, including those of later types."
        ),
    ] = True


class ListEvents(FollowEvents):
    before: (
        Annotated[
            EventPosition,
            Meta(description="Only events before this one: an event ID or a position.", examples=[examples.EVENT_ID]),
        ]
        | None
    ) = None
    created_after: Annotated[Time, says("Only events from after this RFC 3339 time.")] | None = None
    created_before: Annotated[Time, says("Only events from before this RFC 3339 time.")] | None = None
    order: Annotated[Literal["asc", "desc"], Meta(description="`asc`: oldest first. `desc`: newest first.")] = "asc"
    limit: Limit = 50
    wait: Wait = 0


class EventRevert(Body):
    """An event to revert."""

    dry_run: Annotated[bool, Meta(description="`true`: only return what would be put back.")] = False


STATUS_OR_CLASS = "^[1-5]([0-9][0-9]|xx)$"
StatusOrClass = Annotated[
    str,
    Meta(
        max_length=3,
        pattern=STATUS_OR_CLASS,
        description="Only responses with this status, or this class of them.",
        examples=["4xx"],
    ),
]


class ListRequests(Query):
    user: (
        Annotated[SomeUser, says("Only requests with the API keys of this user. Default: all that you can see.")] | None
    ) = None
    key: Annotated[SomeKey, says("Only requests with this API key.")] | None = None
    status: StatusOrClass | None = None
    method: (
        Annotated[str, Meta(max_length=32, description="Only requests with this method.", examples=["POST"])] | None
    ) = None
    path: (
        Annotated[
            str,
            Meta(
                max_length=200,
                description="Only requests to this path, see `path_match`. `%` escapes are as in the URL.",
                examples=["/v1/users"],
            ),
        ]
        | None
    ) = None
    path_match: Annotated[
        Literal["prefix", "exact"],
        Meta(description="How `path` is compared. `prefix`: the path begins with it. `exact`: it is the whole path."),
    ] = "prefix"
    after: Annotated[Time, says("Only requests answered after this RFC 3339 time.")] | None = None
    before: Annotated[Time, says("Only requests answered before this RFC 3339 time.")] | None = None
    order: Annotated[
        Literal["asc", "desc"], Meta(description="`desc`: newest first. `asc`: oldest first, to follow the log.")
    ] = "desc"
    limit: Limit = 50
    wait: Wait = 0


UsagePeriod = Literal["24h", "7d", "30d", "90d"]


class ReadUsage(Query):
    user: (
        Annotated[
            SomeUser,
            says("Usage of this user. Default: your own. Admins can pass `all` for that of the whole server."),
        ]
        | None
    ) = None
    key: Annotated[SomeKey, says("Only requests with this API key of the user.")] | None = None
    period: Annotated[
        UsagePeriod,
        Meta(
            description="How far to look back. `24h` and `7d` are counted by the hour, `30d` and `90d` by the "
            "day; days begin at 00:00 UTC."
        ),
    ] = "7d"


ImportFormat = Literal["auto", "ndjson", "json", "csv"]


class ImportOptions(Query):
    """Options of an import: how its file is read, and what happens to users who exist."""

    source: Annotated[ImportSource, Meta(description="The system that the file was exported from.")] = OWN_FILE
    format: Annotated[
        ImportFormat, Meta(description="The file's format. `auto`: detected, as is compression with gzip or zstd.")
    ] = "auto"
    match: Annotated[Literal["email", "external_id"], Meta(description="How users who exist are recognized.")] = "email"
    on_conflict: Annotated[
        Literal["skip", "update", "fail"],
        Meta(
            description="What happens to users who exist already. `skip`: nothing. `update`: their fields are "
            "set to those of the file. `fail`: the report names them."
        ),
    ] = "skip"
    unknown_hashes: Annotated[
        Literal["refuse", "skip"],
        Meta(
            description="What happens to users whose password hash is in no format that Rollbook knows. "
            "`refuse`: they are refused. `skip`: they are imported without a password, and the "
            "report names them, so that you can send them a setup link."
        ),
    ] = "refuse"
    dry_run: Annotated[bool, Meta(description="`true`: do the same work and report on it, but change nothing.")] = False
    events: Annotated[
        Literal["each", "summary"],
        Meta(
            description="`each`: record `user.created` and `user.updated` for each user. `summary`: record "
            "`import.finished`, and changes of users who exist to anything but their name, metadata "
            "and external ID."
        ),
    ] = "each"
    adopt: Annotated[
        bool,
        Meta(
            description="`true`: with `on_conflict` `update`, take over users who have not verified their email and "
            "have a password, second factor or API key of their own. Ends those, with their sessions and links. "
            "`false`: such users are refused, since they may be someone else."
        ),
    ] = False
    mapping: ColumnMapping | None = None
    delimiter: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=1,
                description="The character between the columns of a CSV file. Default: detected.",
            ),
        ]
        | None
    ) = None


class BulkJobCreate(Body, kw_only=True):
    """The change, and its users: either a `filter` or `ids`."""

    action: Annotated[
        BulkAction,
        says(
            "`role` sets the `role`, `metadata` merges the `metadata`, `setup_links` creates a link for each user with "
            "which they set their password. `restore` brings deleted users back, by their `ids`."
        ),
    ]
    filter: BulkFilter | UnsetType = UNSET
    ids: (
        Annotated[
            tuple[Annotated[str, Meta(min_length=1, max_length=40)], ...],
            Meta(
                min_length=1,
                max_length=10_000,
                description="The users with these IDs.",
                examples=[[ALICE_ID, CHARLIE_ID]],
            ),
        ]
        | UnsetType
    ) = UNSET
    role: Annotated[Role, says("For `role`: the new role.")] | UnsetType = UNSET
    metadata: Annotated[MetadataPatch, says("For `metadata`: keys to set, and with null to remove.")] | UnsetType = (
        UNSET
    )
    send: Annotated[
        bool, Meta(description="For `setup_links`: mail each link to its user. Otherwise you get them.")
    ] = False
    redirect_url: (
        Annotated[RedirectUrl, says("For `setup_links`: where users continue once they have set their password.")]
        | UnsetType
    ) = UNSET
    confirm_count: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=1 << 53,
                description="How many users you expect. If it is another number, nothing happens.",
                examples=[1204],
            ),
        ]
        | UnsetType
    ) = UNSET

    @staticmethod
    def at_odds(given: Mapping[str, Any]) -> Mapping[str, str]:
        """Sentences about fields that are right by themselves, but not together."""
        action = given.get("action")
        if ("filter" in given) == ("ids" in given):
            return {"filter": "filter or ids is required, and not both."}
        if action == "restore" and "ids" not in given:
            return {"filter": "filter finds no deleted users. Send their ids."}
        for name in ("role", "metadata"):
            if action == name and name not in given:
                return {name: f"{name} is required."}
        needed = {"role": "role", "metadata": "metadata", "send": "setup_links", "redirect_url": "setup_links"}
        return {
            name: f"{name} is only for the action {of}."
            for name, of in needed.items()
            if given.get(name) not in (None, False) and action != of
        }


class ListBulkJobs(Query):
    before: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="Only jobs older than the one with this ID.",
                examples=[examples.JOB_ID],
            ),
        ]
        | None
    ) = None
    limit: Limit = 50


class BulkJobResults(Query):
    format: Annotated[Literal["ndjson", "csv"], Meta(description="The format of the results.")] = "ndjson"
    result: Annotated[BulkResultKind, says("Only users with this result.")] | None = None


class ListImports(Query):
    before: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="Only imports older than the one with this ID.",
                examples=[examples.IMPORT_ID],
            ),
        ]
        | None
    ) = None
    limit: Limit = 50


class ImportReport(Query):
    format: Annotated[
        Literal["ndjson", "csv", "rows"],
        Meta(
            description="The format of the report. `rows`: the refused records themselves, to be fixed and imported "
            "again, for a week: as CSV if the file was CSV, otherwise as NDJSON. Each says why as `problem`, which "
            "imports leave out. Only with the key that the import was requested with."
        ),
    ] = "ndjson"


class AuditFilters(Body):
    """Filters of the audit log."""

    types: Annotated[
        tuple[str, ...], Meta(max_length=64, description="Types of events, `user.*` for all of a group, or `*`.")
    ] = ()
    user: (
        Annotated[
            str,
            Meta(
                max_length=254, description="ID or email of the user the events are about, or name of an application."
            ),
        ]
        | None
    ) = None
    actor: (
        Annotated[
            str,
            Meta(
                max_length=254,
                description="ID or email of who made the changes, name of an application, or ID of an API key.",
            ),
        ]
        | None
    ) = None
    address: Annotated[str, Meta(max_length=45, description="The client's IP address, `cli` or `system`.")] | None = (
        None
    )
    created_after: Time | None = None
    created_before: Time | None = None
