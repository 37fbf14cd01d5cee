"""Everything in the OpenAPI description that doesn't come from routes, types and errors: patterns, descriptions, headers, examples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from rollbook import __version__, clock, errors, roles
from rollbook.actions import arguments
from rollbook.actions.bulk import MAX_OPERATIONS, Verb
from rollbook.actions.checking import MAX_IDS, MAX_TYPES
from rollbook.api import types
from rollbook.delivery import outcomes
from rollbook.records import event_types, events, examples, webhooks
from rollbook.records.examples import ALICE_ID, BOB_ID, CHARLIE_ID, REQUEST_ID, TRACE_ID
from rollbook.records.user_list.query import SORTABLE

Schema = dict[str, Any]

# ---- schemas

# What requests may contain. Generators copy patterns into code: no \\u and no look-ahead, which Go, Rust and PHP do not know, and none in responses.
ANY_TEXT = "^[^\\x00]*$"
CONTROL_FREE = "^[^\\x00-\\x1f\\x7f]*$"
NO_CONTROLS = "^[^\\x00-\\x1f\\x7f]+$"
USER_ID = "user_[0-9a-v]{26}"
KEY_ID = "key_[0-9a-v]{26}"
SESSION_ID = "ses_[0-9a-v]{26}"
EVENT_ID = "evt_[0-9a-v]{26}"
DELIVERY_ID = "dlv_065n1p8d3o1k7f2h9v6c4m5r0g"
REPLAY_ID = "replay_065n1q2e4p1l8g3i0u7d5n6s1g"
WEBHOOK_ID = "webhook_[0-9a-v]{26}"
NEXT_CURSOR = "9mF0c2Nq8yTn3bVx1kWzQpOpY3JlYXRlZF9hdMKSzwAGCMhQ"
# A key in the right format that no server has.
WEBHOOK_SECRET = "whsec_RXhhbXBsZSBPbmx5LiBFeGFtcGxlIE9ubHkuIEV4YW0="
KEY_TEXT = "rbk_" + "Example" * 4 + "Only" + "1gTtmI"


def string(description: str, longest: int, **more: Any) -> Schema:
    return {"type": "string", "maxLength": longest, "description": description, **more}


def open_enum(values: Iterable[str], description: str) -> Schema:
    """A string in responses that has one of these values today, and others in later versions: an `enum` would make generated clients refuse those."""
    known = list(values)
    return {"type": "string", "maxLength": 64, "x-extensible-enum": known, "description": description, "examples": known[:1]}


def uri(description: str, longest: int) -> Schema:
    return {"type": "string", "format": "uri", "maxLength": longest, "description": description}


def identifier(description: str, example: str) -> Schema:
    return string(description, 34, examples=[example])


def moment(description: str, example: str = "2023-10-27T10:00:00Z") -> Schema:
    return {"type": "string", "format": "date-time", "maxLength": 20, "description": description, "examples": [example]}


def count(description: str) -> Schema:
    return {"type": "integer", "minimum": 0, "maximum": 1 << 53, "description": description}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_WINDOW = "[1-9][0-9]{0,8}/(second|minute|hour|day|[1-9][0-9]{0,5}s)"

# More about our own types than their parsers need.
OF_TYPES: dict[type, Schema] = {
    arguments.Time: {"pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-"},
    arguments.LimitText: {"pattern": f"^(none|{_WINDOW}(,{_WINDOW}){{0,3}})$"},
    arguments.Network: {"pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"},
    arguments.Address: {"pattern": "^[0-9A-Fa-f:.]+$"},
    arguments.SearchText: {"pattern": NO_CONTROLS},
    arguments.Ids: {"maxItems": MAX_IDS, "items": {"type": "string", "minLength": 1, "maxLength": 31, "pattern": "^[^,\\x00]+$"}, "examples": [[ALICE_ID, BOB_ID]]},
    arguments.EventTypes: {"maxItems": MAX_TYPES, "items": {"type": "string", "maxLength": 64, "pattern": f"^({'|'.join(map(re.escape, event_types.patterns()))})$"}, "examples": [["user.created"], ["user.*", "key.revoked"]]},
    arguments.Sort: {"maxItems": len(SORTABLE), "items": {"type": "string", "enum": [sign + name for name in SORTABLE for sign in ("", "-")]}, "examples": [["-created_at"], ["name", "-created_at"]]},
    types.Fields: {"maxItems": types.MAX_FIELDS, "items": {"type": "string", "enum": [*types.USER_FIELDS, "*"]}, "examples": [["role", "status"], ["*"]]},
    arguments.WebhookUrl: {"pattern": "^(inbox|https?://[!-~]+)$"},
    arguments.EventPattern: {"enum": event_types.patterns()},
    types.Cursor: {"pattern": "^[A-Za-z0-9_-]+$"},
}  # fmt: skip

_ROLE = "The user's role. " + " ".join(f"`{role}`: {reach}" for role, reach in roles.ROLES.items())
_STATUS = "`suspended` users can't sign in or use their API keys until they are activated."

_PROOF: Schema = {
    "format": "password",
    "description": "Your current password. Required to change your own email, unless you can change all users.",
}

_FORMATS = "`standard`: the event as `GET /v1/events` shows it. `cloudevents`: CloudEvents 1.0. `slack`, `discord`, `teams`: a sentence for people, in the format of these chats' incoming webhooks."
_PAYLOADS = "`full`: the whole event. `thin`: only its ID, type, time and the IDs of the user and the object, for receivers that should not get personal data."
_ORDERINGS = "`user`: the events of a user in order; a failed event delays later ones of the same user. `none`: in no order."

# Descriptions of the fields of bodies, by name, or by type and name. Fields with their own type have them there.
BODIES: dict[str, Schema] = {
    "Credentials.email": {"pattern": ANY_TEXT},
    "UserCreate.role": {"description": f"{_ROLE} Default: `member`."},
    "role": {"description": _ROLE},
    "status": {"description": _STATUS},
    "email_verified": {"description": "Whether the email is verified."},
    "rate_limit": {"description": "Rate limit, such as `100/minute,5000/hour`, or `none`. Null: the default applies."},
    "ip_allow": {"description": "IP addresses and networks that can use the key. Default or null: any."},
    "password": {"format": "password"},
    "current_password": {"format": "password"},
    "UserUpdate.current_password": _PROOF,
    "UserPatch.current_password": _PROOF,
    "expires_at": {"description": "When the key expires, an RFC 3339 time in the future. Default or null: never."},
    "user_id": {"pattern": ANY_TEXT, "examples": [CHARLIE_ID]},
    "format": {"description": f"{_FORMATS} Default: `standard`."},
    "payload": {"description": f"{_PAYLOADS} Default: `full`."},
    "ordering": {"description": f"{_ORDERINGS} Default: `user`."},
    "WebhookCreate.status": {"description": "`paused`: nothing is sent until you resume it. Default: `enabled`."},
    "WebhookUpdate.status": {"description": "`paused`: nothing is sent until you resume it. `enabled`: resumes it where it stopped."},
    "WebhookTest.type": {"pattern": "^[a-z_]+[.][a-z_]+$"},
    "only": {"description": "`failed`: only events with failed attempts and no successful one. `undelivered`: only events without a successful delivery. Default: all."},
    "WebhookCreate.user_id": {"pattern": ANY_TEXT, "description": "ID of the user the webhook belongs to. Default: yourself.", "examples": [CHARLIE_ID]},
    "scopes": {"description": "The scopes of the key. Default or null: everything its user can do."},
}  # fmt: skip

# Schemas of query parameters, by name.
QUERIES: dict[str, Schema] = {
    "email": {"examples": ["alice@example.com"]},
    "external_id": {"examples": ["crm-1042"]},
    "role": {"description": "Only users with this role."},
    "status": {"description": "Only users with this status. `deleted`: those who were deleted and can be restored, newest deletion first. Requires the scope `users:write` as well."},
    "ExportUsers.status": {"description": "Only users with this status."},
    "created_after": {"description": "Only users created after this RFC 3339 time."},
    "created_before": {"description": "Only users created before this RFC 3339 time."},
    "ListEvents.created_after": {"description": "Only events from after this RFC 3339 time."},
    "ListEvents.created_before": {"description": "Only events from before this RFC 3339 time."},
    "user": {"examples": [CHARLIE_ID]},
    "actor": {"examples": [ALICE_ID]},
    "address": {"examples": ["127.0.0.1"]},
    "after": {"examples": [examples.EVENT_ID]},
    "before": {"examples": [examples.EVENT_ID]},
    "ListRequests.after": {"description": "Only requests answered after this RFC 3339 time.", "examples": ["2023-10-27T10:15:04.000000Z"]},
    "ListRequests.before": {"description": "Only requests answered before this RFC 3339 time.", "examples": ["2023-10-27T10:15:04.000000Z"]},
    "ListRequests.status": {"description": "Only responses with this status, or this class of them."},
    "key": {"examples": [examples.KEY_ID]},
    "ListDeliveries.created_after": {"description": "Only deliveries from after this RFC 3339 time."},
    "ListDeliveries.created_before": {"description": "Only deliveries from before this RFC 3339 time."},
    "ListDeliveries.before": {"examples": [DELIVERY_ID]},
    "ListImports.before": {"examples": [examples.IMPORT_ID]},
    "ListReplays.before": {"examples": [REPLAY_ID]},
    "ListDeliveries.type": {"examples": ["user.created"]},
    "outcome": {"pattern": f"^(failed|http_[45][0-9][0-9]|{'|'.join(outcomes.DESCRIPTIONS)})$", "examples": ["failed"]},
    "event": {"examples": [examples.EVENT_ID]},
    "limit": {"examples": [2]},
    "offset": {"examples": [0]},
}  # fmt: skip

# Enumerations, each with a name of its own, so that generated code has one type for it. In requests, these values and no others are accepted.
ENUMS: dict[str, Schema] = {
    "Role": {"type": "string", "enum": list(roles.ROLES), "description": _ROLE},
    "Status": {"type": "string", "enum": list(roles.STATUSES), "description": _STATUS},
    "Scope": {"type": "string", "enum": list(roles.SCOPES), "description": "What an API key can be used for."},
    "EventPattern": {"type": "string", "enum": event_types.patterns(), "description": "An event type, all of a group such as `user.*`, or `*` for all, including those of later versions."},
    "WebhookFormat": {"type": "string", "enum": list(get_args(arguments.WebhookFormat)), "description": _FORMATS},
    "BulkVerb": {"type": "string", "enum": list(get_args(Verb)), "description": "What to do."},
    "WebhookPayload": {"type": "string", "enum": list(get_args(arguments.WebhookPayload)), "description": _PAYLOADS},
    "ReplayOnly": {"type": "string", "enum": ["failed", "undelivered"], "description": "Which events of a replay are sent."},
    "WebhookSetStatus": {"type": "string", "enum": ["enabled", "paused"], "description": "`paused`: nothing is sent until the webhook is resumed."},
}  # fmt: skip
ABOUT_EVENT_OBJECTS = "The user, API key, session, setup or password reset link, webhook or rate limit: the fields it has, as the type of the event says. A link is never contained, only its user and when it expires. For an erased user, only the ID."
# Those that are only in responses. Clients must expect others.
OPEN_ENUMS: dict[str, Schema] = {
    "EventType": open_enum(event_types.TYPES, "What happened. Later versions can add types: ignore those you don't know."),
    "ErrorCode": open_enum(dict.fromkeys(error.code for error in errors.tree()), "What went wrong, for programs. Codes never change. Later versions can add some: treat those you don't know by the status."),
}  # fmt: skip

# The fields of what events are about that mean something else, or are null more often, than in a user, key or session.
EVENT_OBJECT: Schema = {
    "id": string("ID of the user, API key, session or webhook.", 64, examples=[CHARLIE_ID]),
    "name": string("The name of the user or API key.", 255, examples=["Charlie Chaplin"]),
    "user_id": identifier("The user the API key, session, link or webhook belongs to.", CHARLIE_ID),
    "created_at": moment("When the user, API key, session or webhook was created."),
    "url": string(
        "The host that the webhook sends to. The rest of the URL, which may be a secret, is never contained.",
        2048,
        examples=["https://app.example.com/…"],
    ),
    "key_id": identifier("The API key whose request exceeded the limit.", examples.KEY_ID),
    "window": string(
        "The window of the limit that was exceeded, such as `minute`; `key-minute` for the API key's own limit.",
        64,
        examples=["minute"],
    ),
    "limit": {
        "type": "integer",
        "format": "int64",
        "minimum": 1,
        "maximum": 1 << 53,
        "description": "Requests that the window allows.",
    },
    "resets_at": moment("When the window ends.", "2023-10-27T11:01:00Z"),
    "message": string("What a test delivery says.", 255),
}


# Schemas of strings and raw JSON in responses, by field, or by type and field where a name has several meanings.
_IMPORTS: dict[str, Schema] = {
    "Import.id": identifier("ID of the import.", examples.IMPORT_ID),
    "Import.user_id": identifier("ID of the user who requested it. Null: from the command line.", ALICE_ID),
    "Import.key_id": identifier("ID of the API key it was requested with. Null: none.", examples.KEY_ID),
    "Import.status": open_enum(("waiting", "running", "finished", "failed", "canceled"), "`failed`: it stopped, for the reason in `error`. What was imported by then stays."),
    "Import.error": string("Why it failed.", 4096),
    "Import.source": open_enum(get_args(arguments.ImportSource), "The system that the file was exported from."),
    "Import.format": open_enum(get_args(arguments.ImportFormat), "The file's format, as requested."),
    "Import.match": open_enum(("email", "external_id"), "How users who exist are recognized."),
    "Import.on_conflict": open_enum(("skip", "update", "fail"), "What happens to users who exist already."),
    "Import.dry_run": {"type": "boolean", "description": "Whether nothing is changed."},
    "Import.events": open_enum(("each", "summary"), "Which events are recorded."),
    "Import.mapping": string("From the columns of a CSV file to fields: a JSON object.", 8192),
    "Import.delimiter": string("The character between the columns of a CSV file. Null: what was detected.", 1),
    "Import.bytes": count("Size of the file."),
    "Import.bytes_read": count("Bytes of the file that are done."),
    "Import.records": count("Records of the file that are done."),
    "Import.added": count("Users who were added."),
    "Import.updated": count("Users who existed and were changed."),
    "Import.unchanged": count("Users who existed and were the same."),
    "Import.skipped": count("Users who existed and were left alone."),
    "Import.refused": count("Records that were refused. The report says why."),
    "Import.created_at": moment("When it was requested."),
    "Import.started_at": moment("When it started. Null: it waits."),
    "Import.finished_at": moment("When it ended. Null: it waits or runs."),
    "report_url": uri("Where the report is: the records that were refused.", 2048),
}  # fmt: skip
ANSWERS: dict[str, Schema] = {
    "id": identifier("ID of the user. Never reused.", ALICE_ID),
    "Key.id": identifier("ID of the API key.", examples.KEY_ID),
    "Webhook.id": identifier("ID of the webhook.", examples.WEBHOOK_ID),
    "Webhook.url": {"type": "string", "maxLength": 2048, "description": "Where events are sent, or `inbox`.", "examples": ["https://app.example.com/hooks/rollbook"]},
    "description": string("What the webhook is used for.", 255, examples=["Billing"]),
    "Webhook.types": {"type": "array", "maxItems": 64, "items": string("An event type, all of a group such as `user.*`, or `*`.", 64, examples=["user.*"]), "description": "The events that are sent."},
    "format": open_enum(get_args(arguments.WebhookFormat), _FORMATS),
    "payload": open_enum(get_args(arguments.WebhookPayload), _PAYLOADS),
    "ordering": open_enum(get_args(arguments.WebhookOrdering), _ORDERINGS),
    "Webhook.headers": {"type": "array", "maxItems": 20, "items": string("The name of a header.", 100, examples=["X-Tenant"]), "description": "The names of the headers that are sent with each event. The values are never returned."},
    "skip_imports": {"type": "boolean", "description": "Whether events of imports are left out, except `import.finished`."},
    "Webhook.status": open_enum(("enabled", "paused", "disabled"), "`disabled`: by the server, for the reason in `status_reason`. Resume it to send again."),
    "Delivery.id": identifier("ID of the delivery.", DELIVERY_ID),
    "webhook_id": identifier("ID of the webhook.", examples.WEBHOOK_ID),
    "event_id": identifier("ID of the event, also in the header `webhook-id`. The same in every attempt.", examples.EVENT_ID),
    "Delivery.user_id": identifier("ID of the user the event is about. Null: about none, or a test.", CHARLIE_ID),
    "trigger": open_enum(("event", "test", "resend", "replay"), "Why it was sent."),
    "attempt": {"type": "integer", "minimum": 1, "maximum": 1 << 31, "description": "1 for the first attempt to send this event for this reason."},
    "Delivery.created_at": moment("When it was sent."),
    "duration_ms": count("Milliseconds until the response was complete."),
    "outcome": open_enum((*outcomes.DESCRIPTIONS, "http_500"), "How it ended. `http_` and the status for those from 400 to 599. " + " ".join(f"`{name}`: {text}" for name, text in outcomes.DESCRIPTIONS.items())),
    "Delivery.detail": string("What exactly failed, in English, where it is known: with `tls_failed`, the fault of the certificate or handshake. Null otherwise.", 4096, examples=["The certificate was not accepted: certificate has expired."]),
    "http_status": {"type": "integer", "minimum": 100, "maximum": 599, "description": "The status of the response. Null: there was none."},
    "Delivery.address": string("The IP address that it was sent to. Null: no connection was opened.", 45, examples=["203.0.113.7"]),
    "retry_at": moment("When the next attempt is. Null: there is none."),
    "request": {"oneOf": [reference("DeliveryRequest"), {"type": "null"}], "description": "What was sent. Null: the event was erased, or is past its retention."},
    "response": {"oneOf": [reference("DeliveryResponse"), {"type": "null"}], "description": "What the receiver responded. Null: nothing."},
    "DeliveryRequest.url": {"type": "string", "maxLength": 2048, "description": "The current URL of the webhook.", "examples": ["https://app.example.com/hooks/rollbook"]},
    "DeliveryRequest.headers": {"type": "object", "maxProperties": 64, "additionalProperties": string("A value.", 4096), "description": "The headers, without the values of signatures and of the webhook's own headers."},
    "DeliveryRequest.body": string("The body.", 1 << 21),
    "content_type": string("The `Content-Type`. Null: there was none.", 255, examples=["text/plain"]),
    "DeliveryResponse.body": string("The first 4 KiB of the body.", 4096, examples=["ok"]),
    "Replay.id": identifier("ID of the replay.", REPLAY_ID),
    "Replay.trigger": open_enum(("replay", "resend"), "`resend`: of one delivery."),
    "Replay.status": open_enum(("running", "done", "canceled"), "Whether it is under way."),
    "progress": {"type": "number", "minimum": 0, "maximum": 1, "description": "How much of its part of the event log is done, from 0 to 1."},
    "Replay.delivered": count("Events that were delivered."),
    "Replay.failed": count("Events that failed. They are not retried."),
    "Replay.types": {"type": "array", "maxItems": 64, "items": string("An event type, all of a group such as `user.*`, or `*`.", 64, examples=["user.*"]), "description": "The events that are sent. Null: the types of the webhook."},
    "Replay.user_id": identifier("Only events about this user. Null: about all.", CHARLIE_ID),
    "only": open_enum(("failed", "undelivered"), "Only events that failed, or were not delivered. Null: all."),
    "created_by": identifier("ID of the user who asked for it. Null: from the command line.", ALICE_ID),
    "finished_at": moment("When it was done or canceled. Null: it is under way."),
    **_IMPORTS,
    "status_reason": open_enum(webhooks.REASONS, "Why it is disabled. " + " ".join(f"`{name}`: {text}" for name, text in webhooks.REASONS.items())),
    "health": reference("WebhookHealth"),
    "delivered": count("Successful deliveries of the last 24 hours."),
    "failed": count("Failed deliveries of the last 24 hours."),
    "last_outcome": string("The outcome of the last delivery. Null: there was none.", 64, examples=["delivered"]),
    "waiting": count("Events that the webhook has not processed yet, including those of other types, and failed ones that will be retried."),
    "next_attempt_at": moment("When what has failed is tried again. Null: nothing waits for that."),
    "secret": string("The secret that signs the events (Standard Webhooks).", 64, examples=[WEBHOOK_SECRET]),
    "Session.id": identifier("ID of the session.", examples.SESSION_ID),
    "Event.id": identifier("ID of the event. Pass it as `after` to get the events that follow.", examples.EVENT_ID),
    "name": string("The user's name.", 255, minLength=1, examples=["Alice Wonderland"]),
    "Key.name": string("What the key is used for.", 100, minLength=1, examples=["billing service"]),
    "email": {"type": "string", "format": "email", "maxLength": 254, "description": "The user's email.", "examples": ["alice@example.com"]},
    "role": open_enum(roles.ROLES, _ROLE),
    "status": open_enum(roles.STATUSES, _STATUS),
    "metadata": {"type": "object", "additionalProperties": True, "description": "A JSON object with your own data.", "examples": [{"plan": "pro"}]},
    "email_verified": {"type": "boolean", "description": "Whether the email is verified."},
    "rate_limit": string("Rate limit, or `none`. Null: the default applies.", 100, examples=["1000/minute"]),
    "created_at": moment("When it was created."),
    "updated_at": moment("When it was last updated.", "2023-10-27T11:00:00Z"),
    "last_sign_in_at": moment("When the user last signed in, or their password was last verified."),
    "deleted_at": moment("When the user was deleted. Only in lists with `status=deleted`."),
    "user_id": identifier("ID of the user it belongs to.", CHARLIE_ID),
    "Session.user_id": identifier("ID of the user who is signed in.", CHARLIE_ID),
    "Session.created_at": moment("When the user signed in."),
    "last_seen_at": moment("When the browser was last seen, accurate to about a minute."),
    "Session.address": string("The IP address the user signed in from.", 64, examples=["203.0.113.7"]),
    "user_agent": string("The browser's User-Agent header.", 300, examples=["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"]),
    "LoggedRequest.id": string("ID of the request: the `X-Request-Id` of its response.", 28, examples=[REQUEST_ID]),
    "LoggedRequest.created_at": moment("When it was answered, to the microsecond.", "2023-10-27T10:15:00.123456Z") | {"maxLength": 32},
    "LoggedRequest.user_id": identifier("ID of the user whose API key was used.", CHARLIE_ID),
    "LoggedRequest.key_id": identifier("ID of the API key.", examples.KEY_ID),
    "method": string("The HTTP method.", 32, examples=["GET"]),
    "path": string("The path, without the query, at most 200 characters before percent-encoding.", 2400, examples=["/v1/users"]),
    "LoggedRequest.status": {"type": "integer", "minimum": 100, "maximum": 599, "description": "The HTTP status of the response.", "examples": [200]},
    "LoggedRequest.duration_ms": {"type": "number", "minimum": 0, "maximum": 1e9, "description": "Milliseconds from the last byte of the request to the response.", "examples": [0.412]},
    "LoggedRequest.address": string("The client's IP address.", 64, examples=["203.0.113.7"]),
    "LoggedRequest.headers": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 400}, "description": "Request headers that help with debugging. Keys and cookies are never stored.", "examples": [{"user-agent": "curl/8.5.0"}]},
    "query": {"type": "array", "maxItems": 100, "items": string("A name.", 200), "description": "The names of the query's parameters. `…` stands for an unusual one.", "examples": [["limit"]]},
    "LoggedRequest.error": {"oneOf": [reference("ErrorResponse"), {"type": "null"}], "description": "What the request was answered with, if it failed. Null: it succeeded, or there was no room to keep it."},
    "limited_by": string("The rate limit window that refused it, such as `minute`. Null: none did.", 32, examples=["minute"]),
    "more": {"type": "integer", "minimum": 0, "maximum": 2**53 - 1, "description": "How many more requests with this key and status came at the same moment and were only counted.", "examples": [0]},
    "UsageReport.user_id": identifier("ID of the user.", CHARLIE_ID),
    "period": string("How far it looks back.", 8, examples=["7d"]),
    "UsageReport.since": moment("The beginning of the first interval.", "2023-10-21T00:00:00Z"),
    "until": moment("The end of the last interval, which is still running.", "2023-10-27T11:00:00Z"),
    "interval": string("`hour` or `day`.", 8, examples=["hour"]),
    "UsageInterval.at": moment("The beginning of the hour or day.", "2023-10-27T10:00:00Z"),
    "KeyUsage.key_id": identifier("ID of the API key, which may be revoked.", examples.KEY_ID),
    "route": string("Method and path of the endpoint.", 200, examples=["GET /v1/users/{userId}"]),
    "p50_ms": {"type": "number", "minimum": 0, "maximum": 1000, "description": "Median duration in milliseconds, estimated from counts by duration. 1000 means a second or more.", "examples": [0.41]},
    "p95_ms": {"type": "number", "minimum": 0, "maximum": 1000, "description": "95th percentile of the duration in milliseconds, estimated the same way.", "examples": [1.9]},
    "WindowUsage.window": string("The window, such as `minute`; `key-minute` for an API key's own limit, `attempts` for wrong passwords.", 64, examples=["minute"]),
    "WindowUsage.refused": count("Requests that it refused.") | {"examples": [12]},
    "requests": count("All requests.") | {"examples": [1204]},
    "client_errors": count("Requests answered with a 4xx status other than 429.") | {"examples": [17]},
    "rate_limited": count("Requests answered with 429.") | {"examples": [12]},
    "server_errors": count("Requests answered with a 5xx status.") | {"examples": [0]},
    "UsageInterval.requests": count("All requests.") | {"examples": [96]},
    "total": reference("UsageCounts"),
    "intervals": {"type": "array", "maxItems": 200, "items": reference("UsageInterval"), "description": "The hours or days with requests, oldest first."},
    "UsageReport.keys": {"type": "array", "maxItems": 100, "items": reference("KeyUsage"), "description": "The same by API key, those with the most requests first."},
    "routes": {"type": "array", "maxItems": 200, "items": reference("RouteUsage"), "description": "The same by endpoint, those with the most requests first."},
    "rate_limits": {"type": "array", "maxItems": 100, "items": reference("WindowUsage"), "description": "The windows of rate limits that refused requests."},
    "PasswordLink.expires_at": moment("When the link expires.", "2023-10-30T10:20:00Z"),
    "url": uri("The link. Only returned once.", 2048),
    "Event.user_id": identifier("ID of the user the event is about, or whose key, session, link or webhook it is about. Null: it is about no user.", CHARLIE_ID),
    "EventActor.user_id": identifier("ID of the user who made the request.", ALICE_ID),
    "masked": string("The beginning and end of the key, to tell keys apart.", 16, examples=[f"{KEY_TEXT[:8]}…{KEY_TEXT[-4:]}"]),
    "scopes": {"type": "array", "maxItems": 32, "items": open_enum(roles.SCOPES, "A scope."), "description": "The scopes of the key. Null: everything its user can do."},
    "ip_allow": {"type": "array", "maxItems": 64, "items": string("An IP address or network.", 43), "description": "IP addresses and networks that can use the key. Null: any."},
    "revealable": {"type": "boolean", "description": "Whether the key can be revealed again."},
    "expires_at": moment("When the key expires. Null: never.", "2024-10-27T10:00:00Z"),
    "last_used_at": moment("When the key was last used, accurate to a few seconds. Null: never."),
    "revoked_at": moment("When the key was revoked. Null: it was not revoked."),
    "key": string("The API key itself.", 42, examples=[KEY_TEXT]),
    "type": reference("EventType"),
    "key_id": identifier("ID of the API key that made the request.", examples.KEY_ID),
    "address": string("Where the request came from: an IP address, `cli` for the command line, `system` for the server itself.", 64, examples=["203.0.113.7"]),
    "EventActor.request_id": string("ID of the request, also in `X-Request-Id` and in the server's log, or of the import that did it.", 30, examples=[REQUEST_ID]),
    "request_id": string("ID of the request, also in `X-Request-Id` and in the server's log.", 28, examples=[REQUEST_ID]),
    "trace_id": string("ID of the distributed trace that the request belongs to, from its `traceparent` header. Null: it had none.", 32, examples=[TRACE_ID]),
    "object": reference("EventObject"),
    "before": {"oneOf": [reference("EventObject"), {"type": "null"}], "description": "The previous values of the fields that changed, or the API key that was rotated. Null if there is no previous state."},
    "count": count("The number of users."),
    "Export.keys": {"type": "array", "maxItems": 1_000_000, "items": reference("Key"), "description": "The user's API keys, without the secrets."},
    "sessions": {"type": "array", "maxItems": 1_000_000, "items": reference("Session"), "description": "The browsers the user is signed in with."},
    "Export.events": {"type": "array", "maxItems": 2_147_483_647, "items": reference("Event"), "description": "The events about the user and their API keys."},
    "results": {"type": "array", "maxItems": MAX_OPERATIONS, "items": reference("BulkResult"), "description": "The results."},
    "index": {"type": "integer", "minimum": 0, "maximum": MAX_OPERATIONS - 1, "description": "The index of the operation, from 0."},
    "BulkResult.status": {"type": "integer", "minimum": 200, "maximum": 599, "description": "The HTTP status of this operation."},
    "user": reference("User"),
    "etag": string("The version of the user, for `if_match` and `If-Match`.", 32, examples=['"3"']),
    "BulkResult.error": reference("ErrorResponse"),
    "error": string("What went wrong, for people.", 512, examples=["Email address is already in use."]),
    "code": reference("ErrorCode"),
    "doc_url": uri("The documentation of this error.", 2048),
    "param": string("The query parameter, header or field of the body that is invalid.", 64, examples=["email"]),
    "errors": {"type": "array", "maxItems": 100, "items": reference("ErrorDetail"), "description": "Everything that is wrong with the request, as far as it fits into 4 KiB."},
    "ErrorDetail.message": string("What is wrong with it.", 512),
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
- **Safe retries.** A POST accepts an `Idempotency-Key`, unless it only checks a password. Repeating the same request within 24 hours returns the stored response, and nothing is done twice.
- **Methods.** Every GET endpoint also answers HEAD. OPTIONS and 405 list the methods of a path in `Allow`.
"""

ABOUT_WEBHOOKS = "Sent to each webhook that selects this type, at least once. Answer with a status of 2xx within 15 seconds."

TAGS: dict[str, str] = {
    "Users": "People with a name, an email and a password.",
    "Keys": "API keys, with scopes, allowed IPs, rate limits and expiry.",
    "Imports": "Files of users that the server imports in the background: with password hashes, upsert, dry run and a report.",
    "Webhooks": "Endpoints to which events are sent: signed as specified by Standard Webhooks, and in order for each user.",
    "Sessions": "The browsers users are signed in to the dashboard with.",
    "Requests": "The request log: calls with API keys.",
    "Usage": "Requests by time, API key and endpoint.",
    "Events": "The event log: every change, in the order of commits.",
    "Exports": "The directory as a file.",
    "Operations": "Health checks, metrics and the API description.",
}

OF_EVERY_CALL = (
    errors.InvalidParameter, errors.BadMessage, errors.RequestTimeout, errors.UriTooLong, errors.HeadersTooLarge, errors.ApiError,
    errors.StorageUnavailable, errors.DatabaseTimeout, errors.OutcomeUnknown, errors.Stopping,
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
PAGED = {
    "list_users": ("Link", "X-Next-Cursor", "X-Total-Count", "Event-Position"),
    "export_user": ("Event-Position",),
    "export_users": ("Event-Position",),
    "list_keys": ("X-Total-Count",),
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


def line(longest: int = 8192, **more: Any) -> Schema:
    return {"type": "string", "maxLength": longest, **more}


HEADERS: Schema = {
    "X-Request-Id": header("ID of this request, also in the server's log.", line(28), REQUEST_ID),
    "RateLimit-Limit": header("The limit of the window with the fewest requests left.", number(1), 100),
    "RateLimit-Remaining": header("Requests left in that window.", number(), 97),
    "RateLimit-Reset": header("Seconds until that window resets.", number(1), 42),
    "RateLimit-Policy": header("All windows: the number of requests (`q`) per number of seconds (`w`).", line(), '"minute";q=100;w=60, "hour";q=5000;w=3600'),
    "RateLimit": header("All windows: the requests left (`r`) and the seconds until the window resets (`t`).", line(), '"minute";r=97;t=42, "hour";r=4890;t=2871'),
    "Retry-After": header("Seconds to wait before you try again.", number(1), 23),
    "ETag": header("The version, for `If-Match` and, of a user, `If-None-Match`.", line(32), '"3"'),
    "Link": header("Other pages of this list (RFC 8288): `first`, `prev` and `next`, if they exist.", line(32_768), '<https://api.example.com/v1/users?limit=50>; rel="first"'),
    "X-Next-Cursor": header("The `cursor` of the next page, as in the `next` link. Missing on the last page.", line(2048), NEXT_CURSOR),
    "X-Total-Count": header("The total number of items. For filtered lists of users only with `count=exact`.", number(), 2),
    "Event-Position": header("A position of the event log: this response has all changes up to there. To follow what comes next, pass it as `after` to `GET /v1/events`.", line(20), "48213"),
    "Request-Position": header("A position of the request log: this response has what was asked for up to there, or pages before it. To follow what comes next, pass it as `after`.", line(32), "2023-10-27T10:15:04.000000Z"),
    "Location": header("The URL of the new object.", line(2048), f"https://api.example.com/v1/users/{CHARLIE_ID}"),
    "WWW-Authenticate": header("How to authenticate, and what was wrong (RFC 6750).", line(512), errors.InvalidKey.challenge),
    "Idempotency-Replayed": header("`true`: this is the stored response of the first request with this `Idempotency-Key`.", {"type": "string", "enum": ["true"]}, "true"),
}  # fmt: skip


def in_path(name: str, description: str, longest: int, pattern: str, example: str) -> Schema:
    schema = line(longest, pattern=pattern)
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema, "example": example}


_PARAMETERS: list[Schema] = [
    in_path("userId", "ID of the user, or `me` for the user the API key belongs to.", 31, f"^(me|{USER_ID})$", CHARLIE_ID),
    in_path("keyId", "ID of the API key, or `current` for the key that sends the request.", 30, f"^(current|{KEY_ID})$", examples.KEY_ID),
    in_path("webhookId", "ID of the webhook.", 34, f"^{WEBHOOK_ID}$", examples.WEBHOOK_ID),
    in_path("deliveryId", "ID of the delivery.", 30, "^dlv_[0-9a-v]{26}$", DELIVERY_ID),
    in_path("importId", "ID of the import.", 30, "^imp_[0-9a-v]{26}$", examples.IMPORT_ID),
    in_path("replayId", "ID of the replay.", 33, "^replay_[0-9a-v]{26}$", REPLAY_ID),
    in_path("requestId", "ID of the request.", 28, "^req_[0-9a-v]{24}$", REQUEST_ID),
    in_path("sessionId", "ID of the session.", 30, f"^{SESSION_ID}$", examples.SESSION_ID),
    {
        "name": "Idempotency-Key", "in": "header", "required": False,
        "description": "A string that is different for each new request, such as a random UUID. Repeating the same request with it within 24 hours returns the stored response.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    },
    {
        "name": "Last-Event-ID", "in": "header", "required": False,
        "description": "The `id` of the last message, after a lost connection. Takes precedence over `after`. Browsers send it on their own.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[!-~]+$", "examples": [examples.EVENT_ID]},
    },
    {
        "name": "If-Match", "in": "header", "required": False,
        "description": "Only proceed if the user or webhook still has this `ETag`. Otherwise 412.",
        "schema": line(1024, pattern='^(\\*|(W/)?"[^"]*"( *, *(W/)?"[^"]*")*)$'), "example": '"3"',
    },
    {
        "name": "If-None-Match", "in": "header", "required": False,
        "description": "Return 304 if the user still has this `ETag`.",
        "schema": line(1024, pattern="^[ -~]*$"), "example": '"3"',
    },
    {
        "name": "webhook-id", "in": "header", "required": True,
        "description": "ID of the event. The same on every attempt: use it to ignore what you have received before.",
        "schema": line(64), "example": examples.EVENT_ID,
    },
    {
        "name": "webhook-timestamp", "in": "header", "required": True, "description": "When this attempt was sent, in seconds since 1970.",
        "schema": line(20), "example": "1698404400",
    },
    {
        "name": "webhook-signature", "in": "header", "required": True,
        "description": "Signatures of ID, timestamp and body (Standard Webhooks), separated by spaces. While a secret is being rotated, there is one for each.",
        "schema": line(1024), "example": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    },
]  # fmt: skip
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
CHARLIE = {"id": CHARLIE_ID, "name": "Charlie Chaplin", "email": "charlie@example.com", "created_at": "2023-10-27T10:15:00Z"}
CHARLES = {"id": CHARLIE_ID, "name": "Charles Chaplin", "email": "charlie.c@example.com", "updated_at": "2023-10-27T11:00:00Z"}
LISTED_WEBHOOK = {
    **examples.WEBHOOK, "url": "https://app.example.com/hooks/rollbook",
    "health": {"delivered": 128, "failed": 0, "last_outcome": "delivered", "waiting": 0, "next_attempt_at": None},
}  # fmt: skip
RENAMED = event_example("user.updated")
LOGGED = {
    "id": REQUEST_ID, "created_at": "2023-10-27T10:15:00.123456Z", "user_id": CHARLIE_ID, "key_id": examples.KEY_ID, "method": "GET",
    "path": "/v1/users", "status": 403, "duration_ms": 0.412, "address": "203.0.113.7", "headers": {"user-agent": "curl/8.5.0"},
    "query": [], "error": {
        "error": "This API key does not have the scope users:read.", "code": "insufficient_scope", "request_id": REQUEST_ID,
        "doc_url": "https://api.example.com/docs/errors/insufficient_scope",
    }, "limited_by": None, "more": 0,
}  # fmt: skip
LISTED_DELIVERY = {
    "id": DELIVERY_ID, "webhook_id": examples.WEBHOOK_ID, "event_id": examples.EVENT_ID, "type": "user.updated", "user_id": CHARLIE_ID,
    "trigger": "event", "attempt": 1, "created_at": "2023-10-27T11:00:00Z", "duration_ms": 42, "outcome": "http_500", "detail": None, "http_status": 500,
    "address": "203.0.113.7", "retry_at": "2023-10-27T11:00:05Z",
}  # fmt: skip
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
REPLAY = {
    "id": REPLAY_ID, "webhook_id": examples.WEBHOOK_ID, "trigger": "replay", "status": "running", "progress": 0.25, "delivered": 120,
    "failed": 2, "types": ["user.*"], "user_id": None, "only": "undelivered", "created_by": ALICE_ID, "created_at": "2023-10-27T11:00:00Z",
    "finished_at": None,
}  # fmt: skip

BULK_RESULTS: list[dict[str, Any]] = [
    {"index": 0, "status": 201, "user": CHARLIE, "etag": '"1"'},
    {"index": 1, "status": 200, "user": {"id": ALICE_ID, "name": "Alice Wonderland", "email": "alice@example.com", "updated_at": "2023-10-27T11:00:00Z"}, "etag": '"4"'},
    {"index": 2, "status": 404, "error": {"error": errors.NotFound.message, "code": "not_found", "request_id": REQUEST_ID, "doc_url": "https://api.example.com/docs/errors/not_found"}},
]  # fmt: skip

_COUNTS = {"client_errors": 3, "rate_limited": 0, "server_errors": 0}
USAGE = {
    "user_id": CHARLIE_ID,
    "period": "7d",
    "since": "2023-10-21T00:00:00Z",
    "until": "2023-10-27T11:00:00Z",
    "interval": "hour",
    "total": {"requests": 96, **_COUNTS},
    "intervals": [{"at": "2023-10-27T10:00:00Z", "requests": 96, **_COUNTS}],
    "keys": [{"key_id": examples.KEY_ID, "requests": 96, **_COUNTS}],
    "routes": [{"route": "GET /v1/users/{userId}", "requests": 96, **_COUNTS, "p50_ms": 0.31, "p95_ms": 0.92}],
    "rate_limits": [],
}

# An example for each type of a body or response.
EXAMPLES: dict[str, Any] = {
    "UsageReport": USAGE,
    "UserCreate": {"name": "Charlie Chaplin", "email": "charlie@example.com", "password": "securepassword123"},
    "UserPatch": {"name": "Charles Chaplin", "metadata": {"plan": "team", "trial_ends": None}},
    "UserUpdate": {"name": "Charles Chaplin", "email": "charlie.c@example.com"},
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
    "KeyCreate": {"name": "billing service", "scopes": ["users:read"], "ip_allow": ["203.0.113.0/24"], "rate_limit": "50/minute"},
    "PasswordLinkCreate": {"redirect_url": "https://app.example.com/sign-in"},
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
    "Import": IMPORT,
    "Replay": REPLAY,
    "Webhook": {**LISTED_WEBHOOK, "secret": WEBHOOK_SECRET},
    "WebhookHealth": LISTED_WEBHOOK["health"],
    "PasswordProof": {"password": "securepassword123"},
    "User": examples.USER,
    "Count": {"count": 2},
    "Key": {**examples.KEY, "key": KEY_TEXT},
    "Session": examples.SESSION,
    "LoggedRequest": LOGGED,
    "PasswordLink": {
        "url": "https://api.example.com/account/set-password?token=Example-Only-Example-Only-Example-Only-Exam",
        "expires_at": "2023-10-30T10:20:00Z",
    },
    "Event": RENAMED,
    "Export": {"user": examples.USER, "keys": [examples.KEY], "sessions": [examples.SESSION], "events": [RENAMED]},
    "Health": {"status": "ok"},
    "dict": {"openapi": "3.1.0", "info": {"title": "Rollbook", "version": __version__}},
}

# A user as `show` returns it without `fields`, where that is not all of it.
SHOWN: dict[str, Any] = {"webhook": LISTED_WEBHOOK, "user_created": CHARLIE, "user_listed": CHARLIE, "user_updated": CHARLES}

LISTS: dict[str, list[Any]] = {
    "User": [ALICE, BOB],
    "Key": [examples.KEY],
    "Session": [examples.SESSION],
    "LoggedRequest": [LOGGED],
    "Webhook": [LISTED_WEBHOOK],
    "Delivery": [LISTED_DELIVERY],
    "Import": [IMPORT],
    "Replay": [REPLAY],
    "Event": [RENAMED],
}

EVENT_STREAM = f"""\
: Events follow.
retry: 2417
id: 48213

id: {RENAMED["id"]}
data: {json.dumps(RENAMED, separators=(",", ":"))}

"""

EXPORTED = {**examples.USER, "created_at": "2023-10-27T10:15:00.250000Z", "updated_at": "2023-10-27T11:00:00.125000Z"}
EXPORTED_TABLE = "id,name,email\r\nuser_065n18a8k1rnhbvqalm9j3ts0c,Charlie Chaplin,charlie@example.com\r\n"
OTHER_TEXTS: dict[str, tuple[str, Schema, str]] = {
    "export_users": ("text/csv", string("With `format=csv`: a table with a header (RFC 4180). Cells that a spreadsheet would take for a formula begin with `'`.", 1 << 53), EXPORTED_TABLE),
    "report_import": ("text/csv", string("The same with `format=csv`.", 1 << 53), "line,field,code,reason\r\n17,email,invalid_parameter,The email address has no @.\r\n"),
}  # fmt: skip
"""In another format, where the query can ask for one."""
FILE: dict[str, Schema] = {
    "application/octet-stream": {
        "schema": {"type": "string", "format": "binary", "maxLength": 4 << 30, "description": "The file, as it is. Its format and compression are detected from its content, not from the headers of the request."},
    }
}  # fmt: skip

TEXTS: dict[str, tuple[str, Schema, str]] = {
    "follow_events": ("text/event-stream", string("Server-sent events. The `id` of a message is the ID of an event or a position, its `data` the event as JSON. The last message may be one of type `end`, with an error as its data.", 1 << 53), EVENT_STREAM),
    "export_users": ("application/x-ndjson", string("A user on each line, as JSON.", 1 << 53), json.dumps(EXPORTED, separators=(",", ":")) + "\n"),
    "report_import": ("application/x-ndjson", string("A JSON object per line, with `line`, `field`, `code` and `reason`.", 1 << 53), '{"line":17,"field":"email","code":"invalid_parameter","reason":"The email address has no @."}\n'),
    "show_metrics": ("text/plain", string("Prometheus text format.", 10_000_000), "# TYPE rollbook_connections_open gauge\nrollbook_connections_open 1\n"),
}  # fmt: skip
