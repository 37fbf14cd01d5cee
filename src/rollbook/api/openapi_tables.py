"""Everything in the OpenAPI description that doesn't come from routes, types and errors: parameters, headers, examples,
and the description of the API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, get_args

import msgspec
from msgspec import Meta

from rollbook import __version__, clock, errors, roles
from rollbook.actions import arguments
from rollbook.actions.bulk import Verb
from rollbook.records import event_types, events, examples
from rollbook.records.examples import ALICE_ID, BOB_ID, CHARLIE_ID, REQUEST_ID
from rollbook.schemas import Schema, open_enum

# ---- schemas

NEXT_CURSOR = "9mF0c2Nq8yTn3bVx1kWzQpOpY3JlYXRlZF9hdMKSzwAGCMhQ"


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def string(about: Meta) -> Schema:
    return {"type": "string", **(about.extra_json_schema or {})}


def _enum(values: Iterable[str], description: str) -> Schema:
    """Each value has a name, for generators that make a constant of it: of `*` alone, Ruby's would make none."""
    names = [re.sub(r"\W+", "_", value.replace("*", "all")).upper() for value in values]
    return {"type": "string", "enum": list(values), "x-enum-varnames": names, "description": description}


# Enumerations, each with a name of its own, so that generated code has one type for it. In requests, these values and
# no others are accepted.
ENUMS: dict[str, Schema] = {
    "Role": _enum(roles.ROLES, arguments.ABOUT_ROLE),
    "Status": _enum(roles.STATUSES, arguments.ABOUT_STATUS),
    "Scope": _enum(roles.SCOPES, "What an API key can be used for."),
    "UserKind": _enum(roles.USER_KINDS, arguments.ABOUT_KIND),
    "KeyKind": _enum(roles.KEY_KINDS, arguments.ABOUT_KEY_KIND),
    "EventPattern": _enum(
        event_types.patterns(),
        "An event type, all of a group such as `user.*`, or `*` for all, including those of later versions.",
    ),
    "WebhookFormat": _enum(get_args(arguments.WebhookFormat), arguments.ABOUT_FORMATS),
    "BulkVerb": _enum(get_args(Verb), "What to do."),
    "WebhookPayload": _enum(get_args(arguments.WebhookPayload), arguments.ABOUT_PAYLOADS),
    "ReplayOnly": _enum(["failed", "undelivered"], "Which events of a replay are sent."),
    "WebhookSetStatus": _enum(["enabled", "paused"], "`paused`: nothing is sent until the webhook is resumed."),
}
# Those that are only in responses. Clients must expect others.
OPEN_ENUMS: dict[str, Schema] = {
    "EventType": string(
        open_enum(event_types.TYPES, "What happened. Later versions can add types: ignore those you don't know.")
    ),
    "ErrorCode": string(
        open_enum(
            dict.fromkeys(error.code for error in errors.tree()),
            "What went wrong, for programs. Codes never change. Later versions can add some: treat those you "
            "don't know by the status.",
        )
    ),
}

# ---- calls

SCHEME = "key"

ABOUT = """\
Manage users, their API keys, and the event log.

- **Authentication.** Send `Authorization: Bearer YOUR_API_KEY`. A key acts on behalf of its user, limited by the \
user's role and the key's scopes.
- **Errors.** JSON with `error` (a message for people), `code` (for programs) and `request_id`. With `Accept: \
application/problem+json`, problem details (RFC 9457).
- **Rate limits.** By default 100 requests per minute and 5,000 per hour for each user, shared by all of their keys. \
The `RateLimit` headers report the remaining quota.
- **Safe retries.** A POST accepts an `Idempotency-Key`, unless it only checks a password or token. Repeating the same \
request within 24 hours returns the stored response, and nothing is done twice.
- **Methods.** Every GET endpoint also answers HEAD. OPTIONS and 405 list the methods of a path in `Allow`.
"""

ABOUT_WEBHOOKS = (
    "The event has been received. It is sent to each webhook that selects its type, at least once. Answer with a "
    "status of 2xx within 15 seconds."
)

TAGS: dict[str, str] = {
    "Users": "People with a name, an email and a password.",
    "Applications": "Programs that call the API: users that have API keys and can't sign in.",
    "Groups": "Groups of users, such as teams, and their members.",
    "Keys": "API keys, with scopes, allowed IPs, rate limits and expiry.",
    "Tokens": "One-time tokens: invitations, password resets, confirmed emails and sign-in links.",
    "Bulk jobs": "Changes of many users in the background, chosen by filters or IDs, with progress, results and undo.",
    "Imports": "Files of users that the server imports in the background: with password hashes, upsert, dry run "
    "and a report.",
    "Webhooks": "Endpoints to which events are sent: signed as specified by Standard Webhooks, and in order for "
    "each user.",
    "Sessions": "Where users are signed in: browsers with the dashboard, and your applications.",
    "Requests": "The request log: calls with API keys.",
    "Usage": "Requests by time, API key and endpoint.",
    "Events": "The event log: every change, in the order of commits.",
    "Exports": "The directory as a file.",
    "Operations": "Health checks, metrics and the API description.",
}

OF_EVERY_CALL = (
    errors.InvalidParameter,
    errors.BadMessage,
    errors.RequestTimeout,
    errors.UriTooLong,
    errors.HeadersTooLarge,
    errors.ApiError,
    errors.StorageUnavailable,
    errors.DatabaseTimeout,
    errors.OutcomeUnknown,
    errors.Stopping,
)
OF_CALLS_WITH_A_KEY = (
    errors.MissingKey,
    errors.MalformedKey,
    errors.InvalidKey,
    errors.ExpiredKey,
    errors.RevokedKey,
    errors.InsufficientScope,
    errors.UserSuspended,
    errors.KeySuspended,
    errors.AddressNotAllowed,
    errors.WrongKeyKind,
    errors.TooManyRequests,
    errors.LimitsUnavailable,
    errors.Overloaded,
)
OF_CALLS_WITH_A_BODY = (errors.InvalidJson, errors.ContentTooLarge, errors.UnsupportedMediaType)
OF_POSTS = (errors.StillRunning, errors.KeyReused)
# Sent by the transport before the API key is checked.
BEFORE_THE_KEY = (408, 413, 414, 431)

# ---- headers

EVERYWHERE = ("X-Request-Id",)
LIMITED = (*EVERYWHERE, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "RateLimit")
PAGED = {
    "list_users": ("Link", "X-Next-Cursor", "X-Total-Count", "Event-Position"),
    "list_applications": ("Link", "X-Next-Cursor", "X-Total-Count", "Event-Position"),
    "export_user": ("Event-Position",),
    "export_users": ("Event-Position",),
    "list_groups": ("X-Total-Count",),
    "list_members": ("Link", "X-Next-Cursor", "X-Total-Count"),
    "list_keys": ("Link", "X-Total-Count"),
    "list_sessions": ("X-Total-Count",),
    "list_webhooks": ("X-Total-Count",),
    "list_deliveries": ("Link",),
    "list_replays": ("X-Total-Count",),
    "list_requests": ("Link", "Request-Position"),
    "list_events": ("Link", "Event-Position"),
    "follow_events": ("Event-Position",),
}


def header(description: str, schema: Schema, example: Any) -> Schema:
    return {"description": description, "schema": schema, "example": example}


def number(least: int = 0) -> Schema:
    return {"type": "integer", "format": "int64", "minimum": least, "maximum": 1 << 53}


TEXT: Schema = {"type": "string"}


def line(longest: int, **more: Any) -> Schema:
    """A text that clients send, of at most this length."""
    return {**TEXT, "maxLength": longest, **more}


HEADERS: Schema = {
    "X-Request-Id": header("ID of this request, also in the server's log.", TEXT, REQUEST_ID),
    "RateLimit-Limit": header("The limit of the window with the fewest requests left.", number(1), 100),
    "RateLimit-Remaining": header("Requests left in that window.", number(), 97),
    "RateLimit-Reset": header("Seconds until that window resets.", number(1), 42),
    "RateLimit-Policy": header(
        "All windows: the number of requests (`q`) per number of seconds (`w`).",
        TEXT,
        '"minute";q=100;w=60, "hour";q=5000;w=3600',
    ),
    "RateLimit": header(
        "All windows: the requests left (`r`) and the seconds until the window resets (`t`).",
        TEXT,
        '"minute";r=97;t=42, "hour";r=4890;t=2871',
    ),
    "Retry-After": header("Seconds to wait before you try again.", number(1), 23),
    "ETag": header("The version, for `If-Match` and, of a user or group, `If-None-Match`.", TEXT, '"3"'),
    "Link": header(
        "Other pages of this list (RFC 8288): `first`, `prev` and `next`, if they exist.",
        TEXT,
        '<https://api.example.com/v1/users?limit=50>; rel="first"',
    ),
    "X-Next-Cursor": header(
        "The `cursor` of the next page, as in the `next` link. Missing on the last page.", TEXT, NEXT_CURSOR
    ),
    "X-Total-Count": header(
        "The total number of items. For filtered lists of users only with `count=exact`.", number(), 2
    ),
    "Event-Position": header(
        "A position of the event log: this response has all changes up to there. To follow what comes next, pass "
        "it as `after` to `GET /v1/events`.",
        TEXT,
        "48213",
    ),
    "Request-Position": header(
        "A position of the request log: this response has what was asked for up to there, or pages before it. To "
        "follow what comes next, pass it as `after`.",
        TEXT,
        "2023-10-27T10:15:04.000000Z",
    ),
    "Location": header("The URL of the new object.", TEXT, f"https://api.example.com/v1/users/{CHARLIE_ID}"),
    "WWW-Authenticate": header(
        "How to authenticate, and what was wrong (RFC 6750).", TEXT, errors.InvalidKey.challenge
    ),
    "Idempotency-Replayed": header(
        "`true`: this is the stored response of the first request with this `Idempotency-Key`.",
        {"type": "string", "enum": ["true"]},
        "true",
    ),
}


def in_path(name: str, description: str, example: str, word: str = "") -> Schema:
    """An ID like the example, or this word instead."""
    prefix, _, random = example.rpartition("_")
    pattern = f"{prefix}_[0-9a-v]{{{len(random)}}}"
    schema = line(len(example), pattern=f"^({word}|{pattern})$" if word else f"^{pattern}$")
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
        "example": example,
    }


_PARAMETERS: list[Schema] = [
    in_path("userId", "ID of the user, or `me` for the user the API key belongs to.", CHARLIE_ID, "me"),
    in_path(
        "applicationId",
        "ID of the application, or `me` for the one the API key belongs to.",
        examples.APPLICATION_ID,
        "me",
    ),
    in_path("groupId", "ID of the group.", examples.GROUP_ID),
    in_path("keyId", "ID of the API key, or `current` for the key that sends the request.", examples.KEY_ID, "current"),
    in_path("webhookId", "ID of the webhook.", examples.WEBHOOK_ID),
    in_path("deliveryId", "ID of the delivery.", examples.DELIVERY_ID),
    in_path("jobId", "ID of the bulk job.", examples.JOB_ID),
    in_path("importId", "ID of the import.", examples.IMPORT_ID),
    in_path("replayId", "ID of the replay.", examples.REPLAY_ID),
    in_path("eventId", "ID of the event.", examples.EVENT_ID),
    in_path("requestId", "ID of the request.", REQUEST_ID),
    in_path("factorId", "ID of the second factor.", examples.FACTOR_ID),
    in_path("sessionId", "ID of the session.", examples.SESSION_ID),
    in_path("tokenId", "ID of the token.", examples.TOKEN_ID),
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A string that is different for each new request, such as a random UUID. Repeating the "
        "same request with it within 24 hours returns the stored response.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    },
    {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The `id` of the last message, after a lost connection. Takes precedence over `after`. "
        "Browsers send it on their own.",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": 40,
            "pattern": "^[!-~]+$",
            "examples": [examples.EVENT_ID],
        },
    },
    {
        "name": "If-Match",
        "in": "header",
        "description": "Only proceed if the user, group or webhook still has this `ETag`. Otherwise 412.",
        "schema": line(1024, pattern='^(\\*|(W/)?"[^"]*"( *, *(W/)?"[^"]*")*)$'),
        "example": '"3"',
    },
    {
        "name": "If-None-Match",
        "in": "header",
        "description": "Return 304 if the user or group still has this `ETag`.",
        "schema": line(1024, pattern="^[ -~]*$"),
        "example": '"3"',
    },
    {
        "name": "webhook-id",
        "in": "header",
        "required": True,
        "description": "ID of the event. The same on every attempt: use it to ignore what you have received before.",
        "schema": TEXT,
        "example": examples.EVENT_ID,
    },
    {
        "name": "webhook-timestamp",
        "in": "header",
        "required": True,
        "description": "When this attempt was sent, in seconds since 1970.",
        "schema": TEXT,
        "example": "1698404400",
    },
    {
        "name": "webhook-signature",
        "in": "header",
        "required": True,
        "description": "Signatures of ID, timestamp and body (Standard Webhooks), separated by spaces. While a "
        "secret is being rotated, there is one for each.",
        "schema": TEXT,
        "example": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    },
]
PARAMETERS: Schema = {each["name"]: each for each in _PARAMETERS}


def scheme_text() -> str:
    scopes = "\n".join(f"- `{scope}`: {text}" for scope, text in roles.SCOPES.items())
    return f"An API key in the Authorization header: `Authorization: Bearer YOUR_API_KEY`. Scopes:\n\n{scopes}"


# ---- examples


def event_example(type: str) -> dict[str, Any]:
    """The example of a type, as the API returns it."""
    event = events.example(type, examples.EVENT_ID, clock.parse("2023-10-27T11:00:00Z"))
    return msgspec.json.decode(msgspec.json.encode(events.public(event)))


ALICE = {"id": ALICE_ID, "name": "Alice Wonderland", "email": "alice@example.com", "created_at": "2023-10-27T10:00:00Z"}
BOB = {"id": BOB_ID, "name": "Bob The Builder", "email": "bob@example.com", "created_at": "2023-10-27T10:05:00Z"}
CHARLIE = {
    "id": CHARLIE_ID,
    "name": "Charlie Chaplin",
    "email": "charlie@example.com",
    "created_at": "2023-10-27T10:15:00Z",
}
SHOP = {
    "id": examples.APPLICATION_ID,
    "name": "Shop",
    "email": f"{examples.APPLICATION_ID}@applications.invalid",
    "created_at": "2023-10-27T10:15:00Z",
}
CHARLES = {
    "id": CHARLIE_ID,
    "name": "Charles Chaplin",
    "email": "charlie.c@example.com",
    "updated_at": "2023-10-27T11:00:00Z",
}
TOKEN = {**examples.TOKEN, "redirect_url": "https://app.example.com/welcome"}
USED_TOKEN = {name: TOKEN[name] for name in ("id", "purpose", "redirect_url", "data")}
LISTED_WEBHOOK = {
    **examples.WEBHOOK,
    "url": "https://app.example.com/hooks/rollbook",
    "health": {
        "delivered": 128,
        "failed": 0,
        "last_outcome": "delivered",
        "waiting": 0,
        "next_attempt_at": None,
        "failing_since": None,
        "summary": "Works: the last delivery succeeded on 27 Oct 2023, 11:00 UTC.",
    },
}
RENAMED = event_example("user.updated")
_OF_AUDIENCE = {name: examples.SESSION[name] for name in ("id", "user_id", "audience")}
SESSION_TOKENS = {
    **_OF_AUDIENCE,
    "token": examples.SESSION_TOKEN,
    "refresh_token": examples.REFRESH_TOKEN,
    "expires_at": examples.SESSION["expires_at"],
    "refresh_expires_at": examples.SESSION["refresh_expires_at"],
    "user": examples.USER,
}
PUBLIC_KEY = {
    "kty": "OKP",
    "crv": "Ed25519",
    "alg": "EdDSA",
    "use": "sig",
    "kid": examples.SIGNING_KEY_ID,
    "x": examples.PUBLIC_KEY,
}
VERIFIED_SESSION = {
    **_OF_AUDIENCE,
    "expires_at": examples.SESSION["expires_at"],
    "user": {name: examples.USER[name] for name in ("id", "name", "email")},
}
LOGGED = {
    "id": REQUEST_ID,
    "created_at": "2023-10-27T10:15:00.123456Z",
    "user_id": CHARLIE_ID,
    "key_id": examples.KEY_ID,
    "method": "GET",
    "path": "/v1/users",
    "status": 403,
    "duration_ms": 0.412,
    "address": "203.0.113.7",
    "headers": {"user-agent": "curl/8.5.0"},
    "query": [],
    "error": {
        "error": "This API key does not have the scope users:read.",
        "code": "insufficient_scope",
        "request_id": REQUEST_ID,
        "doc_url": "https://api.example.com/docs/errors/insufficient_scope",
    },
    "limited_by": None,
    "more": 0,
}
LISTED_DELIVERY = {
    "id": examples.DELIVERY_ID,
    "webhook_id": examples.WEBHOOK_ID,
    "event_id": examples.EVENT_ID,
    "type": "user.updated",
    "user_id": CHARLIE_ID,
    "trigger": "event",
    "attempt": 1,
    "created_at": "2023-10-27T11:00:00Z",
    "duration_ms": 42,
    "outcome": "http_500",
    "detail": None,
    "http_status": 500,
    "address": "203.0.113.7",
    "retry_at": "2023-10-27T11:00:05Z",
}
DELIVERED = LISTED_DELIVERY | {
    "request": {
        "url": "https://app.example.com/hooks/rollbook",
        "headers": {
            "content-type": "application/json",
            "webhook-id": examples.EVENT_ID,
            "webhook-timestamp": "1698404400",
            "webhook-signature": "…",
        },
        "body": json.dumps(RENAMED, ensure_ascii=False),
    },
    "response": {"content_type": "text/plain", "body": "Internal error"},
}
IMPORT = {**examples.IMPORT, "report_url": f"https://api.example.com/v1/imports/{examples.IMPORT_ID}/report"}
BULK_JOB = {
    **examples.BULK_JOB,
    "role": None,
    "metadata": None,
    "redirect_url": None,
    "results_url": f"https://api.example.com/v1/bulk-jobs/{examples.JOB_ID}/results",
}
_KEY = {**examples.KEY, "created_by": CHARLIE_ID, "created_with": None}
REPLAY = {
    "id": examples.REPLAY_ID,
    "webhook_id": examples.WEBHOOK_ID,
    "trigger": "replay",
    "status": "running",
    "progress": 0.25,
    "delivered": 120,
    "failed": 2,
    "types": ["user.*"],
    "user_id": None,
    "only": "undelivered",
    "created_by": ALICE_ID,
    "created_at": "2023-10-27T11:00:00Z",
    "finished_at": None,
}

GROUP_MEMBERSHIP = {
    "group_id": examples.GROUP_ID,
    "group_name": "Engineering",
    "role": "lead",
    "added_at": "2023-10-27T10:45:00Z",
}
MEMBER = {
    "user_id": CHARLIE_ID,
    "name": "Charles Chaplin",
    "email": "charlie.c@example.com",
    "role": "lead",
    "added_at": "2023-10-27T10:45:00Z",
}

BULK_RESULTS: list[dict[str, Any]] = [
    {"index": 0, "status": 201, "user": CHARLIE, "etag": '"1"'},
    {
        "index": 1,
        "status": 200,
        "user": {
            "id": ALICE_ID,
            "name": "Alice Wonderland",
            "email": "alice@example.com",
            "updated_at": "2023-10-27T11:00:00Z",
        },
        "etag": '"4"',
    },
    {
        "index": 2,
        "status": 404,
        "error": {
            "error": errors.NotFound.message,
            "code": "not_found",
            "request_id": REQUEST_ID,
            "doc_url": "https://api.example.com/docs/errors/not_found",
        },
    },
]

_COUNTS = {"client_errors": 3, "rate_limited": 0, "server_errors": 0}
USAGE = {
    "user_id": CHARLIE_ID,
    "period": "7d",
    "since": "2023-10-21T00:00:00Z",
    "until": "2023-10-27T11:00:00Z",
    "interval": "hour",
    "total": {"requests": 96, **_COUNTS},
    "intervals": [{"at": "2023-10-27T10:00:00Z", "requests": 96, **_COUNTS}],
    "users": [],
    "keys": [{"key_id": examples.KEY_ID, "name": "Backend", "user_id": CHARLIE_ID, "requests": 96, **_COUNTS}],
    "routes": [{"route": "GET /v1/users/{userId}", "requests": 96, **_COUNTS, "p50_ms": 0.31, "p95_ms": 0.92}],
    "rate_limits": [],
}

# An example for each type of a body or response.
EXAMPLES: dict[str, Any] = {
    "UsageReport": USAGE,
    "UserCreate": {"name": "Charlie Chaplin", "email": "charlie@example.com", "password": "securepassword123"},
    "UserPatch": {"name": "Charles Chaplin", "metadata": {"plan": "team", "trial_ends": None}},
    "UserUpdate": {"name": "Charles Chaplin", "email": "charlie.c@example.com"},
    "ApplicationCreate": {"name": "Shop", "role": "viewer"},
    "ApplicationPatch": {"name": "Web shop", "rate_limit": "600/minute"},
    "BulkOperation": {"op": "suspend", "id": BOB_ID},
    "Bulk": {
        "operations": [
            {"op": "create", "name": "Charlie Chaplin", "email": "charlie@example.com"},
            {"op": "update", "id": ALICE_ID, "metadata": {"plan": "team"}, "if_match": '"3"'},
            {"op": "suspend", "id": BOB_ID},
        ]
    },
    "BulkResult": BULK_RESULTS[0],
    "BulkResults": {"results": BULK_RESULTS},
    "PasswordChange": {"password": "another-good-one", "current_password": "securepassword123"},
    "Credentials": {"email": "charlie@example.com", "password": "securepassword123"},
    "ChallengeAnswer": {"challenge": examples.CHALLENGE, "code": "287082"},
    "SecondFactorCreate": {"kind": "totp", "name": "Phone", "issuer": "Acme"},
    "SecondFactorActivation": {"code": "287082"},
    "SecondFactorCode": {"code": "287082"},
    "RecoveryCodesCreate": {},
    "EventRevert": {},
    "RevertedEvent": {
        "id": examples.EVENT_ID,
        "type": "user.updated",
        "user_id": CHARLIE_ID,
        "reverted": {"name": "Charlie Chaplin"},
        "not_reverted": [{"field": "email", "code": "changed_since", "message": "email has changed since."}],
    },
    "SecondFactor": examples.SECOND_FACTOR,
    "SecondFactors": {"second_factors": [examples.SECOND_FACTOR], "recovery_codes_left": 10},
    "RecoveryCodes": {"recovery_codes": examples.RECOVERY_CODES},
    "VerifiedCode": {"factor_id": examples.FACTOR_ID, "recovery_codes_left": 10},
    "KeyCreate": {
        "name": "billing service",
        "scopes": ["users:read"],
        "ip_allow": ["203.0.113.0/24"],
        "rate_limit": "50/minute",
    },
    "KeyUpdate": {"rate_limit": "100/minute", "current_password": "correct horse battery staple"},
    "PasswordLinkCreate": {"redirect_url": "https://app.example.com/sign-in"},
    "TokenCreate": {"purpose": "verify_email", "redirect_url": TOKEN["redirect_url"], "data": {"plan": "pro"}},
    "TokenRequest": {"email": "charlie.c@example.com", "purpose": "reset_password", "address": "203.0.113.7"},
    "TokenConsume": {"token": examples.TOKEN_TEXT},
    "KeyRotation": {"overlap": 3600},
    "WebhookCreate": {"url": "https://app.example.com/hooks/rollbook", "types": ["user.*"]},
    "WebhookUpdate": {"types": ["user.*", "key.*"], "headers": {"X-Tenant": "acme"}},
    "WebhookRotation": {"overlap": 3600},
    "WebhookResume": {"from": "cursor"},
    "WebhookTest": {"type": "user.created"},
    "ReplayCreate": {"from": "2023-10-27T10:00:00Z", "to": "2023-10-27T11:00:00Z", "only": "undelivered"},
    "Delivery": DELIVERED,
    "DeliveryRequest": DELIVERED["request"],
    "DeliveryResponse": DELIVERED["response"],
    "BulkJobCreate": {"action": "suspend", "filter": {"created_before": "2022-01-01T00:00:00Z"}, "confirm_count": 1204},
    "BulkFilter": {"status": "active", "created_before": "2022-01-01T00:00:00Z"},
    "BulkJob": BULK_JOB,
    "Import": IMPORT,
    "Replay": REPLAY,
    "Webhook": {**LISTED_WEBHOOK, "secret": examples.WEBHOOK_SECRET},
    "WebhookHealth": LISTED_WEBHOOK["health"],
    "PasswordProof": {"password": "securepassword123"},
    "User": examples.USER,
    "Count": {"count": 2},
    "Group": examples.GROUP,
    "GroupCreate": {"name": "Engineering", "external_id": "team-7", "metadata": {"cost_center": "4711"}},
    "GroupUpdate": {"name": "Engineering"},
    "GroupPatch": {"metadata": {"cost_center": "4712"}},
    "GroupMembership": GROUP_MEMBERSHIP,
    "Member": MEMBER,
    "MemberUpdate": {"role": "lead"},
    "MemberToAdd": {"user_id": CHARLIE_ID, "role": "lead"},
    "MembersAdd": {"members": [{"user_id": CHARLIE_ID, "role": "lead"}, {"user_id": BOB_ID}]},
    "AddedMembers": {"added": 2, "changed": 0, "unchanged": 0},
    "Key": {**_KEY, "key": examples.KEY_TEXT},
    "Session": examples.SESSION,
    "SessionCreate": {
        "email": "charlie.c@example.com",
        "password": "securepassword123",
        "audience": examples.AUDIENCE,
        "address": "203.0.113.7",
    },
    "SessionRefresh": {"refresh_token": examples.REFRESH_TOKEN, "audience": examples.AUDIENCE},
    "SessionVerification": {"token": examples.SESSION_TOKEN, "audience": examples.AUDIENCE},
    "SessionTokens": SESSION_TOKENS,
    "VerifiedSession": VERIFIED_SESSION,
    "PublicKey": PUBLIC_KEY,
    "PublicKeys": {"keys": [PUBLIC_KEY]},
    "LoggedRequest": LOGGED,
    "Token": {
        **TOKEN,
        "token": examples.TOKEN_TEXT,
        "url": f"https://api.example.com/account/confirm-email?token={examples.TOKEN_TEXT}",
    },
    "UsedToken": USED_TOKEN,
    "ConsumedToken": {**examples.USER, "email_verified": True, "token": USED_TOKEN},
    "PasswordLink": {
        "url": "https://api.example.com/account/set-password?token=Example-Only-Example-Only-Example-Only-Exam",
        "expires_at": "2023-10-30T10:20:00Z",
    },
    "Event": RENAMED,
    "Export": {
        "user": examples.USER,
        "keys": [examples.KEY],
        "tokens": [TOKEN],
        "sessions": [examples.SESSION],
        "second_factors": [examples.SECOND_FACTOR],
        "groups": [GROUP_MEMBERSHIP],
        "scim": [{"user_name": "ada", "attributes": {"name": {"givenName": "Ada"}}, "external_ids": {}}],
        "events": [RENAMED],
    },
    "Health": {"status": "ok"},
    "dict": {"openapi": "3.1.0", "info": {"title": "Rollbook", "version": __version__}},
}

# A user as `show` returns it without `fields`, where that is not all of it.
SHOWN: dict[str, Any] = {
    "webhook": LISTED_WEBHOOK,
    "user_created": CHARLIE,
    "user_listed": CHARLIE,
    "application_created": SHOP,
    "user_updated": CHARLES,
    "second_factor_created": {
        **examples.SECOND_FACTOR,
        "confirmed_at": None,
        "last_used_at": None,
        "secret": examples.TOTP_SECRET,
        "otpauth_url": "otpauth://totp/Acme:charlie%40example.com?secret=" + examples.TOTP_SECRET + "&issuer=Acme",
    },
    "group_created": examples.GROUP_AS_CREATED,
    "second_factor_activated": {**examples.SECOND_FACTOR, "recovery_codes": examples.RECOVERY_CODES},
}

LISTS: dict[str, list[Any]] = {
    "User": [ALICE, BOB],
    "Group": [examples.GROUP],
    "Member": [MEMBER],
    "Key": [_KEY],
    "Session": [examples.SESSION],
    "Token": [TOKEN],
    "LoggedRequest": [LOGGED],
    "Webhook": [LISTED_WEBHOOK],
    "Delivery": [LISTED_DELIVERY],
    "BulkJob": [BULK_JOB],
    "Import": [IMPORT],
    "Replay": [REPLAY],
    "Event": [RENAMED],
}

EVENT_STREAM = f"""\
: Events follow.
retry: 2417
event: position
id: 48213
data: {{"position":"48213"}}

event: user.updated
id: {RENAMED["id"]}
data: {json.dumps(RENAMED, separators=(",", ":"))}

"""

EXPORTED = {**examples.USER, "created_at": "2023-10-27T10:15:00.250000Z", "updated_at": "2023-10-27T11:00:00.125000Z"}
EXPORTED_TABLE = "id,name,email\r\nuser_065n18a8k1rnhbvqalm9j3ts0c,Charlie Chaplin,charlie@example.com\r\n"
FILE: dict[str, Schema] = {
    "application/octet-stream": {
        "schema": {
            "type": "string",
            "format": "binary",
            "maxLength": 4 << 30,
            "description": "The file, as it is. Its format and compression are detected from its content, not "
            "from the headers of the request.",
        },
    }
}

_RESULT = {
    "user_id": CHARLIE_ID,
    "name": "Charlie Chaplin",
    "email": "charlie@example.com",
    "result": "refused",
    "code": "insufficient_scope",
    "reason": "Only owners can change an owner.",
    "url": None,
    "expires_at": None,
}
# Bodies that are not JSON objects: the content type, what it holds, and an example.
TEXTS: dict[str, list[tuple[str, str, str]]] = {
    "follow_events": [
        (
            "text/event-stream",
            "Server-sent events. The `id` of a message is the ID of an event or a position, `event` the type of the "
            "event, `data` the event as JSON. A message `position` only moves on the `id`. The last message may be "
            "`end`, with an error as its data.",
            EVENT_STREAM,
        ),
    ],
    "export_users": [
        ("application/x-ndjson", "A user on each line, as JSON.", json.dumps(EXPORTED, separators=(",", ":")) + "\n"),
        (
            "text/csv",
            "With `format=csv`: a table with a header (RFC 4180). Cells that a spreadsheet would take for a "
            "formula begin with `'`.",
            EXPORTED_TABLE,
        ),
    ],
    "get_bulk_job_results": [
        (
            "application/x-ndjson",
            "A JSON object per line, with `user_id`, `name`, `email`, `result`, `code`, `reason`, `url` and "
            "`expires_at`: the last two are those of the user's link.",
            json.dumps(_RESULT) + "\n",
        ),
        (
            "text/csv",
            "The same with `format=csv`.",
            f"{','.join(_RESULT)}\r\n{','.join(value or '' for value in _RESULT.values())}\r\n",
        ),
    ],
    "report_import": [
        (
            "application/x-ndjson",
            "A JSON object per line, with `line`, `field`, `code`, `reason` and `user_id`: whoever was imported "
            "without their password.",
            '{"line":17,"field":"email","code":"invalid_parameter","reason":"The email has no @.","user_id":null}\n',
        ),
        (
            "text/csv",
            "The same with `format=csv`.",
            "line,field,code,reason,user_id\r\n17,email,invalid_parameter,The email has no @.,\r\n",
        ),
    ],
    "show_metrics": [
        (
            "text/plain",
            "Prometheus text format.",
            "# TYPE rollbook_connections_open gauge\nrollbook_connections_open 1\n",
        )
    ],
}
