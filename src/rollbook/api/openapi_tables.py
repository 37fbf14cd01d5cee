"""Everything in the OpenAPI description that doesn't come from routes, types and errors: enumerations, the errors and
headers of calls, and what is read from files once it is needed: `openapi_parts.json` and `openapi_examples.json`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Meta

from rollbook import __version__, clock, errors, roles
from rollbook.actions import arguments
from rollbook.actions.arguments import keys as key_arguments
from rollbook.actions.arguments import webhooks as webhook_arguments
from rollbook.actions.bulk import Verb
from rollbook.records import event_types, events, examples
from rollbook.records.examples import CHARLIE_ID, REQUEST_ID
from rollbook.schemas import Schema, open_enum

_HERE = Path(__file__).parent

# ---- schemas


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
    "KeyKind": _enum(roles.KEY_KINDS, key_arguments.ABOUT_KEY_KIND),
    "EventPattern": _enum(
        event_types.patterns(),
        "An event type, all of a group such as `user.*`, or `*` for all, including those of later versions.",
    ),
    "WebhookFormat": _enum(get_args(webhook_arguments.WebhookFormat), webhook_arguments.ABOUT_FORMATS),
    "BulkVerb": _enum(get_args(Verb), "What to do."),
    "WebhookPayload": _enum(get_args(webhook_arguments.WebhookPayload), webhook_arguments.ABOUT_PAYLOADS),
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


def line(longest: int, **more: Any) -> Schema:
    """A text that clients send, of at most this length."""
    return {"type": "string", "maxLength": longest, **more}


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


_IN_PATHS = [
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
    in_path("ruleId", "ID of the rule.", examples.RULE_ID),
    in_path("importId", "ID of the import.", examples.IMPORT_ID),
    in_path("replayId", "ID of the replay.", examples.REPLAY_ID),
    in_path("eventId", "ID of the event.", examples.EVENT_ID),
    in_path("requestId", "ID of the request.", REQUEST_ID),
    in_path("factorId", "ID of the second factor.", examples.FACTOR_ID),
    in_path("sessionId", "ID of the session.", examples.SESSION_ID),
    in_path("tokenId", "ID of the token.", examples.TOKEN_ID),
]


def parameters() -> dict[str, Schema]:
    """Parameters of the components, by name."""
    return {parameter["name"]: parameter for parameter in (*_IN_PATHS, *parts()["parameters"])}


def scheme_text() -> str:
    scopes = "\n".join(f"- `{scope}`: {text}" for scope, text in roles.SCOPES.items())
    return f"An API key in the Authorization header: `Authorization: Bearer YOUR_API_KEY`. Scopes:\n\n{scopes}"


# ---- what is in files


def event_example(type: str) -> dict[str, Any]:
    """Example of a type of event, as the API returns it."""
    event = events.example(type, examples.EVENT_ID, clock.parse("2023-10-27T11:00:00Z"))
    return msgspec.json.decode(msgspec.json.encode(events.public(event)))


@cache
def parts() -> dict[str, Any]:
    """Read the parts of the description that are the same whatever the routes are: tags, headers, parameters that are
    not in paths, and bodies that are not JSON objects, by the operations that have them."""
    exported = examples.USER | {
        "created_at": "2023-10-27T10:15:00.250000Z",
        "updated_at": "2023-10-27T11:00:00.125000Z",
    }
    return examples.read(
        _HERE / "openapi_parts.json",
        EVENT=event_example("user.updated"),
        EXPORTED=exported,
        UNAUTHORIZED=errors.InvalidKey.challenge,
    )


@cache
def shown() -> dict[str, Any]:
    """Read the examples of bodies and responses: by the name of their type, of the function that shows them where that
    leaves fields out, or of the type and `[]` where the items of a list are others."""
    event = event_example("user.updated")
    return examples.read(
        _HERE / "openapi_examples.json",
        EVENT=event,
        EVENT_BODY=msgspec.json.encode(event).decode(),
        NOT_FOUND=errors.NotFound.message,
        VERSION=__version__,
    )
