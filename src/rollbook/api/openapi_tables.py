"""Everything in the OpenAPI description that doesn't come from routes, types and errors: patterns, descriptions, headers, examples."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from rollbook import __version__, errors, roles
from rollbook.actions import arguments
from rollbook.api import types
from rollbook.records import events
from rollbook.records.user_list.query import SORTABLE

Schema = dict[str, Any]

# ---- schemas

ANY_TEXT = "^[^\\u0000]*$"
USER_ID = "user_[0-9a-v]{26}"
KEY_ID = "key_[0-9a-v]{26}"
SESSION_ID = "ses_[0-9a-v]{26}"
EVENT_ID = "evt_[0-9a-v]{26}"
ALICE_ID = "user_065n14sd01rd526r46hrcu0i8o"
BOB_ID = "user_065n1610s1svlbjclvt8htp6r0"
CHARLIE_ID = "user_065n18a8k1rnhbvqalm9j3ts0c"
THE_KEY_ID = "key_065n19esg1vsvaetc6pc73vuso"
THE_SESSION_ID = "ses_065n19qk2l1v7fm8c0t3b5d6eg"
THE_EVENT_ID = "evt_065n1ijrg1t7ne57u1m417e15k"
REQUEST_ID = "req_7m2c9v0kq1t8a3hs0000001f"
# A key in the right format that no server has.
KEY_TEXT = "rbk_" + "Example" * 4 + "Only" + "1gTtmI"


def string(description: str, longest: int, *, pattern: str = ANY_TEXT, **more: Any) -> Schema:
    return {"type": "string", "maxLength": longest, "pattern": pattern, "description": description, **more}


def uri(description: str, longest: int) -> Schema:
    return {"type": "string", "format": "uri", "maxLength": longest, "description": description}


def identifier(pattern: str, description: str, example: str) -> Schema:
    return string(description, 31, pattern=f"^{pattern}$", examples=[example])


def moment(description: str, example: str = "2023-10-27T10:00:00Z") -> Schema:
    return {"type": "string", "format": "date-time", "maxLength": 20, "description": description, "examples": [example]}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


# Names as `records/rules` accepts them: surrounding whitespace, no control characters, at least one visible character.
_WHITE = "\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"
_REFUSED = "\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069"
_INVISIBLE = "\\u00ad\\u115f\\u1160\\u200b-\\u200f\\u2060-\\u2065\\u2800\\u3164\\ufeff\\uffa0"
_WINDOW = "[1-9][0-9]{0,8}/(second|minute|hour|day|[1-9][0-9]{0,5}s)"
_FIELD = f"({'|'.join(types.USER_FIELDS)})"

PATTERNS: dict[type, Schema] = {
    arguments.Name: {"pattern": f"^[{_WHITE}]*[^{_REFUSED}]*[^{_REFUSED}{_WHITE}{_INVISIBLE}][^{_REFUSED}]*[{_WHITE}]*$"},
    arguments.Time: {"pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-"},
    arguments.LimitText: {"pattern": f"^(none|{_WINDOW}(,{_WINDOW}){{0,3}})$"},
    arguments.Network: {"pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"},
    types.Fields: {"pattern": f"^(\\*|{_FIELD}(,{_FIELD})*)$", "maxLength": 8192},
    arguments.Ids: {"pattern": "^[^,\\u0000]+(,[^,\\u0000]+)*$"},
    arguments.Sort: {"pattern": f"^({'|'.join('-?{}(,-?{}(,-?{})?)?'.format(*each) for each in permutations(SORTABLE))})$"},
    types.Cursor: {"pattern": "^[A-Za-z0-9_-]+$"},
    arguments.SearchText: {"pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]+$"},
}

_ROLE = "The user's role. " + " ".join(f"`{role}`: {reach}" for role, reach in roles.ROLES.items())
_STATUS = "`suspended` users can't sign in or use their API keys until they are activated."

# Descriptions of the fields of bodies, by name, or by type and name. Fields with their own type have them there.
BODIES: dict[str, Schema] = {
    "Credentials.email": {"pattern": ANY_TEXT},
    "UserCreate.role": {"description": _ROLE, "default": "member"},
    "role": {"description": _ROLE},
    "status": {"description": _STATUS},
    "external_id": {"description": "Your own identifier for the user. Unique. Null removes it."},
    "email_verified": {"description": "Whether the email is verified."},
    "rate_limit": {"description": "Rate limit, such as `100/minute,5000/hour`, or `none`. Null: the default applies."},
    "ip_allow": {"description": "IP addresses and networks that can use the key. Default or null: any."},
    "password": {"format": "password"},
    "current_password": {"format": "password"},
    "expires_at": {"description": "When the key expires, an RFC 3339 time in the future. Default or null: never."},
    "user_id": {"pattern": ANY_TEXT, "examples": [CHARLIE_ID]},
    "scopes": {"description": "The scopes of the key. Default or null: everything its user can do."},
}  # fmt: skip

# Schemas of query parameters, by name.
QUERIES: dict[str, Schema] = {
    "email": {"minLength": 1, "pattern": ANY_TEXT, "examples": ["alice@example.com"]},
    "external_id": {"minLength": 1, "pattern": ANY_TEXT, "examples": ["crm-1042"]},
    "role": {"description": "Only users with this role."},
    "status": {"description": "Only users with this status."},
    "created_after": {"description": "Only users created after this RFC 3339 time."},
    "created_before": {"description": "Only users created before this RFC 3339 time."},
    "user": {"minLength": 1, "pattern": ANY_TEXT, "examples": [CHARLIE_ID]},
    "after": {"minLength": 1, "pattern": ANY_TEXT, "examples": [THE_EVENT_ID]},
    "type": {"enum": list(events.TYPES), "description": "Only events of this type. " + " ".join(f"`{name}`: {text}" for name, text in events.TYPES.items())},
    "limit": {"examples": [2]},
    "offset": {"examples": [0]},
}  # fmt: skip

# What an event contains about a setup or password reset link: never the link itself.
LINK_MADE: Schema = {
    "type": "object", "additionalProperties": False, "required": ["user_id", "expires_at"],
    "properties": {"user_id": identifier(USER_ID, "ID of the user the link is for.", CHARLIE_ID), "expires_at": moment("When the link expires.")},
}  # fmt: skip

# Schemas of strings and raw JSON in responses, by field, or by type and field where a name has several meanings.
ANSWERS: dict[str, Schema] = {
    "id": identifier(USER_ID, "ID of the user. Never reused.", ALICE_ID),
    "Key.id": identifier(KEY_ID, "ID of the API key.", THE_KEY_ID),
    "Session.id": identifier(SESSION_ID, "ID of the session.", THE_SESSION_ID),
    "Event.id": identifier(EVENT_ID, "ID of the event. Pass it as `after` to get the events that follow.", THE_EVENT_ID),
    "name": string("The user's name.", 255, minLength=1, examples=["Alice Wonderland"]),
    "Key.name": string("What the key is used for.", 100, minLength=1, examples=["billing service"]),
    "email": {"type": "string", "format": "email", "maxLength": 254, "description": "The user's email.", "examples": ["alice@example.com"]},
    "role": {"enum": list(roles.ROLES), "description": _ROLE},
    "status": {"enum": list(roles.STATUSES), "description": _STATUS},
    "external_id": string("Your own identifier for the user.", 255, examples=["crm-1042"]),
    "metadata": {"type": "object", "additionalProperties": True, "description": "A JSON object with your own data.", "examples": [{"plan": "pro"}]},
    "email_verified": {"type": "boolean", "description": "Whether the email is verified."},
    "rate_limit": string("Rate limit, or `none`. Null: the default applies.", 100, examples=["1000/minute"]),
    "created_at": moment("When it was created."),
    "updated_at": moment("When it was last updated.", "2023-10-27T11:00:00Z"),
    "last_sign_in_at": moment("When the user last signed in, or their password was last verified."),
    "user_id": identifier(USER_ID, "ID of the user it belongs to.", CHARLIE_ID),
    "Session.user_id": identifier(USER_ID, "ID of the user who is signed in.", CHARLIE_ID),
    "Session.created_at": moment("When the user signed in."),
    "last_seen_at": moment("When the browser was last seen, accurate to about a minute."),
    "Session.address": string("The IP address the user signed in from.", 64, examples=["203.0.113.7"]),
    "user_agent": string("The browser's User-Agent header.", 300, examples=["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"]),
    "PasswordLink.expires_at": moment("When the link expires.", "2023-10-30T10:20:00Z"),
    "url": uri("The link. Only returned once.", 2048),
    "Event.user_id": identifier(USER_ID, "ID of the user the event is about, or whose key, session or link it is about.", CHARLIE_ID),
    "EventActor.user_id": identifier(USER_ID, "ID of the user who made the request.", ALICE_ID),
    "masked": string("The beginning and end of the key, to tell keys apart.", 16, examples=[f"{KEY_TEXT[:8]}…{KEY_TEXT[-4:]}"]),
    "scopes": {"type": "array", "maxItems": 32, "items": {"enum": list(roles.SCOPES)}, "description": "The scopes of the key. Null: everything its user can do."},
    "ip_allow": {"type": "array", "maxItems": 64, "items": string("An IP address or network.", 43), "description": "IP addresses and networks that can use the key. Null: any."},
    "revealable": {"type": "boolean", "description": "Whether the key can be revealed again."},
    "expires_at": moment("When the key expires. Null: never.", "2024-10-27T10:00:00Z"),
    "last_used_at": moment("When the key was last used, accurate to a few seconds. Null: never."),
    "revoked_at": moment("When the key was revoked. Null: it was not revoked."),
    "key": string("The API key itself.", 42, pattern="^rbk_[0-9A-Za-z]{38}$", examples=[KEY_TEXT]),
    "type": {"enum": list(events.TYPES), "description": "What happened."},
    "key_id": identifier(KEY_ID, "ID of the API key that made the request.", THE_KEY_ID),
    "address": string("Where the request came from: an IP address, `cli` for the command line, `system` for the server itself.", 64, examples=["203.0.113.7"]),
    "request_id": string("ID of the request, also in `X-Request-Id` and in the server's log.", 28, pattern="^req_[0-9a-v]{24}$", examples=[REQUEST_ID]),
    "object": {"description": "The user, API key or session after the change. For a setup or password reset link, when it expires. For an erased user, only the ID.", "anyOf": [reference("UserFields"), reference("Key"), reference("Session"), LINK_MADE]},
    "before": {"description": "The previous values of the fields that changed, or the API key that was rotated. Null if there is no previous state.", "anyOf": [reference("UserFields"), reference("Key"), {"type": "null"}]},
    "count": {"type": "integer", "minimum": 0, "maximum": 1 << 53, "description": "The number of users."},
    "Export.keys": {"type": "array", "maxItems": 1_000_000, "items": reference("Key"), "description": "The user's API keys, without the secrets."},
    "sessions": {"type": "array", "maxItems": 1_000_000, "items": reference("Session"), "description": "The browsers the user is signed in with."},
    "Export.events": {"type": "array", "maxItems": 2_147_483_647, "items": reference("Event"), "description": "The events about the user and their API keys."},
    "error": string("What went wrong, for people.", 2048, examples=["Email address is already in use."]),
    "code": {"enum": list(dict.fromkeys(error.code for error in errors.tree())), "description": "What went wrong, for programs. Stable."},
    "doc_url": uri("The documentation of this error.", 2048),
    "param": string("The query parameter, header or field of the body that is invalid.", 64, examples=["email"]),
    "errors": {"type": "array", "maxItems": 10_000, "items": reference("ErrorDetail"), "description": "Everything that is wrong with the request."},
    "ErrorDetail.message": string("What is wrong with it.", 2048),
    "Health.status": {"enum": ["ok", "unavailable"], "description": "Whether the server is healthy."},
    "checks": {"type": "object", "maxProperties": 16, "additionalProperties": string("`ok`, or what is wrong.", 1024), "description": "The result of each check."},
}  # fmt: skip

# ---- calls

SCHEME = "key"

ABOUT = """\
Manage users, their API keys, and the event log.

- **Authentication.** Send `Authorization: Bearer YOUR_API_KEY`. A key acts on behalf of its user, limited by the user's role and the key's scopes.
- **Errors.** JSON with `error` (a message for people), `code` (for programs) and `request_id`. With `Accept: application/problem+json`, problem details (RFC 9457).
- **Rate limits.** By default 100 requests per minute and 5,000 per hour for each user, shared by all of their keys. The `RateLimit` headers report the remaining quota.
- **Safe retries.** Every POST accepts an `Idempotency-Key`. Repeating the same request within 24 hours returns the stored response, and nothing is done twice.
- **Methods.** Every GET endpoint also answers HEAD. OPTIONS and 405 list the methods of a path in `Allow`.
"""

TAGS: dict[str, str] = {
    "Users": "People with a name, an email and a password.",
    "Keys": "API keys, with scopes, allowed IPs, rate limits and expiry.",
    "Sessions": "The browsers users are signed in to the dashboard with.",
    "Events": "The event log: every change, in the order of commits.",
    "Operations": "Health checks, metrics and the API description.",
}

OF_EVERY_CALL = (
    errors.InvalidParameter, errors.BadMessage, errors.RequestTimeout, errors.UriTooLong, errors.HeadersTooLarge, errors.ApiError,
    errors.StorageUnavailable, errors.OutcomeUnknown, errors.Stopping,
)  # fmt: skip
OF_CALLS_WITH_A_KEY = (
    errors.MissingKey, errors.MalformedKey, errors.InvalidKey, errors.ExpiredKey, errors.RevokedKey, errors.InsufficientScope,
    errors.UserSuspended, errors.AddressNotAllowed, errors.TooManyRequests, errors.LimitsUnavailable,
    errors.Overloaded,
)  # fmt: skip
OF_CALLS_WITH_A_BODY = (errors.InvalidJson, errors.ContentTooLarge, errors.UnsupportedMediaType)
OF_POSTS = (errors.StillRunning, errors.KeyReused)
# Sent by the transport before the API key is checked.
BEFORE_THE_KEY = (408, 413, 414, 431)

# ---- headers

EVERYWHERE = ("X-Request-Id",)
LIMITED = (*EVERYWHERE, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "RateLimit")
PAGED = {"list_users": ("Link", "X-Total-Count"), "list_keys": ("X-Total-Count",), "list_sessions": ("X-Total-Count",)}


def header(description: str, schema: Schema, example: Any) -> Schema:
    return {"description": description, "schema": schema, "example": example}


def number(least: int = 0) -> Schema:
    return {"type": "integer", "format": "int64", "minimum": least, "maximum": 1 << 53}


def line(pattern: str = "^[ -~]*$", longest: int = 8192) -> Schema:
    return {"type": "string", "maxLength": longest, "pattern": pattern}


HEADERS: Schema = {
    "X-Request-Id": header("ID of this request, also in the server's log.", line("^req_[0-9a-v]{24}$", 28), REQUEST_ID),
    "RateLimit-Limit": header("The limit of the window with the fewest requests left.", number(1), 100),
    "RateLimit-Remaining": header("Requests left in that window.", number(), 97),
    "RateLimit-Reset": header("Seconds until that window resets.", number(1), 42),
    "RateLimit-Policy": header("All windows: the number of requests (`q`) per number of seconds (`w`).", line(), '"minute";q=100;w=60, "hour";q=5000;w=3600'),
    "RateLimit": header("All windows: the requests left (`r`) and the seconds until the window resets (`t`).", line(), '"minute";r=97;t=42, "hour";r=4890;t=2871'),
    "Retry-After": header("Seconds to wait before you try again.", number(1), 23),
    "ETag": header("The user's version, for `If-Match` and `If-None-Match`.", line('^"[0-9]+"$', 32), '"3"'),
    "Link": header("Other pages of this list (RFC 8288): `first`, `prev` and `next`, if they exist.", line(longest=32_768), '<https://api.example.com/v1/users?limit=50>; rel="first"'),
    "X-Total-Count": header("The total number of items. For filtered lists of users only with `count=exact`.", number(), 2),
    "Location": header("The URL of the new object.", line("^/v1/[a-z]+/[a-z]+_[0-9a-v]{26}$", 64), f"/v1/users/{CHARLIE_ID}"),
    "WWW-Authenticate": header("How to authenticate, and what was wrong (RFC 6750).", line(longest=512), errors.InvalidKey.challenge),
    "Idempotency-Replayed": header("`true`: this is the stored response of the first request with this `Idempotency-Key`.", {"type": "string", "enum": ["true"]}, "true"),
}  # fmt: skip

PARAMETERS: Schema = {
    "userId": {
        "name": "userId", "in": "path", "required": True,
        "description": "ID of the user, or `me` for the user the API key belongs to.",
        "schema": string("", 31, pattern=f"^(me|{USER_ID})$"), "example": CHARLIE_ID,
    },
    "keyId": {
        "name": "keyId", "in": "path", "required": True,
        "description": "ID of the API key, or `current` for the key that sends the request.",
        "schema": string("", 30, pattern=f"^(current|{KEY_ID})$"), "example": THE_KEY_ID,
    },
    "sessionId": {
        "name": "sessionId", "in": "path", "required": True, "description": "ID of the session.",
        "schema": string("", 30, pattern=f"^{SESSION_ID}$"), "example": THE_SESSION_ID,
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key", "in": "header", "required": False,
        "description": "A string that is different for each new request, such as a random UUID. Repeating the same request with it within 24 hours returns the stored response.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": '^(?!""$)[!-~]([ -~]*[!-~])?$'}, "example": "0b2c7f0e-9a54-4b43-8d3e-6a1f0c7d2e55",
    },
    "If-Match": {
        "name": "If-Match", "in": "header", "required": False,
        "description": "Only proceed if the user still has this `ETag`. Otherwise 412.",
        "schema": line('^(\\*|(W/)?"[^"]*"( *, *(W/)?"[^"]*")*)$', 1024), "example": '"3"',
    },
    "If-None-Match": {
        "name": "If-None-Match", "in": "header", "required": False,
        "description": "Return 304 if the user still has this `ETag`.",
        "schema": line(longest=1024), "example": '"3"',
    },
}  # fmt: skip


def scheme_text() -> str:
    scopes = "\n".join(f"- `{scope}`: {text}" for scope, text in roles.SCOPES.items())
    return f"An API key in the Authorization header: `Authorization: Bearer YOUR_API_KEY`. Scopes:\n\n{scopes}"


# ---- examples

ALICE = {"id": ALICE_ID, "name": "Alice Wonderland", "email": "alice@example.com", "created_at": "2023-10-27T10:00:00Z"}
BOB = {"id": BOB_ID, "name": "Bob The Builder", "email": "bob@example.com", "created_at": "2023-10-27T10:05:00Z"}
CHARLIE = {"id": CHARLIE_ID, "name": "Charlie Chaplin", "email": "charlie@example.com", "created_at": "2023-10-27T10:15:00Z"}
CHARLES = {"id": CHARLIE_ID, "name": "Charles Chaplin", "email": "charlie.c@example.com", "updated_at": "2023-10-27T11:00:00Z"}
WHOLE_CHARLES = dict.fromkeys(types.USER_FIELDS) | {
    "id": CHARLIE_ID, "name": "Charles Chaplin", "email": "charlie.c@example.com", "role": "member", "status": "active",
    "external_id": "crm-1042", "metadata": {"plan": "pro"}, "email_verified": False,
    "created_at": "2023-10-27T10:15:00Z", "updated_at": "2023-10-27T11:00:00Z",
}  # fmt: skip
LISTED_KEY = {
    "id": THE_KEY_ID, "user_id": CHARLIE_ID, "name": "billing service", "masked": f"{KEY_TEXT[:8]}…{KEY_TEXT[-4:]}",
    "scopes": ["users:read"], "ip_allow": ["203.0.113.0/24"], "rate_limit": "50/minute", "revealable": True,
    "created_at": "2023-10-27T10:20:00Z", "expires_at": "2024-10-27T10:00:00Z", "last_used_at": None, "revoked_at": None,
}  # fmt: skip
SIGNED_IN = {
    "id": THE_SESSION_ID, "user_id": CHARLIE_ID, "created_at": "2023-10-27T10:25:00Z", "last_seen_at": "2023-10-27T10:40:00Z",
    "address": "203.0.113.7", "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}  # fmt: skip
RENAMED = {
    "id": THE_EVENT_ID, "type": "user.updated", "created_at": "2023-10-27T11:00:00Z", "user_id": CHARLIE_ID,
    "actor": {"user_id": ALICE_ID, "key_id": THE_KEY_ID, "address": "203.0.113.7", "request_id": REQUEST_ID},
    "object": WHOLE_CHARLES, "before": {"name": "Charlie Chaplin", "email": "charlie@example.com"},
}  # fmt: skip

# An example for each type of a body or response.
EXAMPLES: dict[str, Any] = {
    "UserCreate": {"name": "Charlie Chaplin", "email": "charlie@example.com", "password": "securepassword123"},
    "UserUpdate": {"name": "Charles Chaplin", "email": "charlie.c@example.com"},
    "PasswordChange": {"password": "another-good-one", "current_password": "securepassword123"},
    "Credentials": {"email": "charlie@example.com", "password": "securepassword123"},
    "KeyCreate": {"name": "billing service", "scopes": ["users:read"], "ip_allow": ["203.0.113.0/24"], "rate_limit": "50/minute"},
    "KeyRotation": {"overlap": 3600},
    "PasswordProof": {"password": "securepassword123"},
    "UserListed": CHARLIE,
    "UserUpdated": CHARLES,
    "User": WHOLE_CHARLES,
    "UserFields": {"id": CHARLIE_ID, "role": "member"},
    "Count": {"count": 2},
    "Key": {**LISTED_KEY, "key": KEY_TEXT},
    "Session": SIGNED_IN,
    "PasswordLink": {
        "url": "https://api.example.com/account/set-password?token=Example-Only-Example-Only-Example-Only-Exam",
        "expires_at": "2023-10-30T10:20:00Z",
    },
    "Event": RENAMED,
    "Export": {"user": WHOLE_CHARLES, "keys": [LISTED_KEY], "sessions": [SIGNED_IN], "events": [RENAMED]},
    "Health": {"status": "ok"},
    "dict": {"openapi": "3.1.0", "info": {"title": "Rollbook", "version": __version__}},
}

LISTS: dict[str, list[Any]] = {"UserListed": [ALICE, BOB], "Key": [LISTED_KEY], "Session": [SIGNED_IN], "Event": [RENAMED]}

TEXTS: dict[str, tuple[str, Schema, str]] = {
    "show_metrics": ("text/plain", string("Prometheus text format.", 10_000_000), "# TYPE rollbook_connections_open gauge\nrollbook_connections_open 1\n"),
}  # fmt: skip
