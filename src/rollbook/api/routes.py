"""The table of all API endpoints. The router, permissions, OpenAPI, docs and contract tests read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from rollbook import errors
from rollbook.actions import (
    arguments,
    bulk,
    events,
    exports,
    imports,
    keys,
    passwords,
    requests,
    sessions,
    usage,
    users,
    webhook_deliveries,
    webhook_replays,
    webhooks,
)
from rollbook.actions.checking import fields_of
from rollbook.api import bulk as bulk_calls
from rollbook.api import event_stream, operations, show, take, types
from rollbook.api import exports as export_files
from rollbook.api.call import Call
from rollbook.http.response import Response


class Special(NamedTuple):
    """Properties that only a few calls need."""

    reads: Callable[[Call], Awaitable[Any]] | None = None
    """Reads the body of a POST that is not a single small object. The row's `body` is then its description."""
    max_body: int = 0
    """Largest body in bytes, where that of the setting does not do."""
    streams_body: bool = False
    """The action takes the body as it comes, from `request.chunks()`, and can't be repeated by key."""
    replays: bool = True
    """True if the answer to an `Idempotency-Key` is kept: not where a secret is checked, so that it is checked each
    time."""


USUAL = Special()


class Route(NamedTuple):
    """One call.

    `action` is what it does; its arguments are the ids in the path, then what `takes` makes of the call, or else its
    body, or else its query. `shows` makes the response of the result; without it, `action` makes the whole of it from
    the call. `scope` is what a key needs, None for a call without key. `self_access` says what is left for a key whose
    scope reaches only its own user: nothing, the call about that user ("user"), or the call narrowed to its own keys,
    sessions, requests or webhooks ("keys", "sessions", "requests", "webhooks"). `answer` is the type of what is sent,
    for the description; `errors` are those of this call beside the ones that any call can have. `special` is what few
    rows need.
    """

    method: str
    path: str
    action: Callable[..., Coroutine[Any, Any, Any]]
    scope: str | None
    success: int = 200
    query: Any = None
    body: Any = None
    answer: Any = None
    errors: tuple[type[errors.ApiError], ...] = ()
    self_access: str = ""
    takes: Callable[[Call], tuple[Any, ...]] | None = None
    shows: Callable[[Call, Any], Response] | None = None
    special: Special = USUAL

    @property
    def max_body(self) -> int:
        return self.special.max_body

    @property
    def streams_body(self) -> bool:
        return self.special.streams_body

    def with_max_body(self, size: int) -> Route:
        return self._replace(special=self.special._replace(max_body=size))

    @property
    def body_is_optional(self) -> bool:
        """Test whether the body may be absent: in a POST, if it has only optional fields. An update without a body is a
        mistake."""
        return self.method == "POST" and not any(
            field.required for field in fields_of(self.body or arguments.Body).values()
        )


USER = "/v1/users/{userId}"
KEY = "/v1/keys/{keyId}"
WEBHOOK = "/v1/webhooks/{webhookId}"
DELIVERY = WEBHOOK + "/deliveries/{deliveryId}"
REPLAY = WEBHOOK + "/replays/{replayId}"
IMPORT = "/v1/imports/{importId}"
REQUEST = "/v1/requests/{requestId}"
SESSION = "/v1/sessions/{sessionId}"
TAKEN = (errors.EmailTaken, errors.ExternalIdTaken)
FOUND = (errors.NotFound,)
PROOF = (errors.WrongPassword, errors.TooManyAttempts, errors.Overloaded)
MATCH = (errors.NotFound, errors.PreconditionFailed)

ROUTES = [
    Route(
        "GET",
        "/v1/users",
        users.list_users,
        "users:read",
        query=types.ListUsers,
        answer=list[types.User],
        takes=take.user_page,
        shows=show.user_page,
    ),
    Route(
        "POST",
        "/v1/users",
        users.create,
        "users:write",
        201,
        types.ShownFields,
        types.UserCreate,
        types.User,
        (*TAKEN, errors.Overloaded),
        shows=show.user_created,
    ),
    Route(
        "POST",
        "/v1/users/bulk",
        bulk.bulk_users,
        "users:write",
        207,
        body=types.Bulk,
        answer=types.BulkResults,
        errors=(errors.BulkRefused, errors.Overloaded),
        takes=bulk_calls.taken,
        shows=bulk_calls.shown,
        special=Special(reads=bulk_calls.read, max_body=bulk_calls.MAX_BODY),
    ),
    Route(
        "GET",
        "/v1/users/count",
        users.count_users,
        "users:read",
        query=arguments.UserFilters,
        answer=types.Count,
        takes=take.filters,
        shows=show.count,
    ),
    Route(
        "POST",
        "/v1/users/verify-password",
        passwords.verify_password,
        "users:verify",
        200,
        types.ShownFields,
        arguments.Credentials,
        types.User,
        (errors.WrongPassword, errors.UserSuspended, errors.TooManyAttempts, errors.Overloaded),
        shows=show.user_listed,
        special=Special(replays=False),
    ),
    Route(
        "GET",
        USER,
        users.get,
        "users:read",
        query=types.ShownFields,
        answer=types.User,
        errors=FOUND,
        self_access="user",
        takes=take.nothing,
        shows=show.user,
    ),
    Route(
        "PUT",
        USER,
        users.update,
        "users:write",
        200,
        types.ShownFields,
        types.UserUpdate,
        types.User,
        (*MATCH, *TAKEN, errors.LastOwner, errors.NotYourself, *PROOF),
        "user",
        take.changes,
        show.user_updated,
    ),
    Route(
        "PATCH",
        USER,
        users.update,
        "users:write",
        200,
        types.ShownFields,
        types.UserPatch,
        types.User,
        (*MATCH, *TAKEN, errors.LastOwner, errors.NotYourself, *PROOF),
        "user",
        take.changes,
        show.user_updated,
    ),
    Route(
        "DELETE",
        USER,
        users.delete,
        "users:delete",
        204,
        types.DeleteUser,
        errors=(*MATCH, errors.NotYourself, errors.LastOwner),
        takes=take.deletion,
        shows=show.nothing,
    ),
    Route(
        "PUT",
        USER + "/password",
        passwords.set_password,
        "users:write",
        204,
        body=arguments.PasswordChange,
        errors=(errors.NotFound, *PROOF),
        self_access="user",
        shows=show.nothing,
    ),
    Route(
        "POST",
        USER + "/password-link",
        passwords.create_password_link,
        "users:write",
        201,
        body=arguments.PasswordLinkCreate,
        answer=types.PasswordLink,
        errors=(errors.NotFound, errors.NotYourself),
        shows=show.password_link,
    ),
    Route(
        "POST",
        USER + "/suspend",
        users.suspend,
        "users:write",
        200,
        types.ShownFields,
        answer=types.User,
        errors=(errors.NotFound, errors.NotYourself, errors.LastOwner),
        takes=take.nothing,
        shows=show.user_updated,
    ),
    Route(
        "POST",
        USER + "/activate",
        users.activate,
        "users:write",
        200,
        types.ShownFields,
        answer=types.User,
        errors=FOUND,
        takes=take.nothing,
        shows=show.user_updated,
    ),
    Route(
        "POST",
        USER + "/restore",
        users.restore,
        "users:write",
        200,
        types.ShownFields,
        answer=types.User,
        errors=(errors.NotFound, *TAKEN),
        takes=take.nothing,
        shows=show.user_listed,
    ),
    Route(
        "GET",
        USER + "/export",
        users.export,
        "users:export",
        answer=types.Export,
        errors=(errors.NotFound, errors.ExportRunning),
        self_access="user",
        shows=show.export,
    ),
    Route(
        "GET",
        "/v1/exports",
        exports.export_users,
        "users:export",
        query=arguments.ExportUsers,
        answer=str,
        errors=(errors.ExportRunning,),
        takes=export_files.taken,
        shows=export_files.shown,
    ),
    Route(
        "GET",
        "/v1/keys",
        keys.list_keys,
        "keys:read",
        query=arguments.ListKeys,
        answer=list[types.Key],
        errors=FOUND,
        self_access="keys",
        shows=show.key_list,
    ),
    Route(
        "POST",
        "/v1/keys",
        keys.create,
        "keys:write",
        201,
        body=arguments.KeyCreate,
        answer=types.Key,
        errors=(errors.NotFound, errors.KeyLimitReached),
        self_access="keys",
        shows=show.key_created,
    ),
    Route("GET", KEY, keys.get, "keys:read", answer=types.Key, errors=FOUND, self_access="keys", shows=show.key),
    Route("DELETE", KEY, keys.revoke, "keys:write", 204, errors=FOUND, self_access="keys", shows=show.nothing),
    Route(
        "POST",
        KEY + "/reveal",
        keys.reveal,
        "keys:write",
        200,
        body=arguments.PasswordProof,
        answer=types.Key,
        errors=(errors.NotFound, *PROOF),
        self_access="keys",
        shows=show.key_revealed,
        special=Special(replays=False),
    ),
    Route(
        "POST",
        KEY + "/rotate",
        keys.rotate,
        "keys:write",
        201,
        body=arguments.KeyRotation,
        answer=types.Key,
        errors=(errors.NotFound, errors.KeyLimitReached),
        self_access="keys",
        shows=show.key_created,
    ),
    Route(
        "GET",
        "/v1/sessions",
        sessions.list_sessions,
        "sessions:read",
        query=arguments.ListSessions,
        answer=list[types.Session],
        errors=FOUND,
        self_access="sessions",
        shows=show.session_list,
    ),
    Route(
        "DELETE", SESSION, sessions.end, "sessions:write", 204, errors=FOUND, self_access="sessions", shows=show.nothing
    ),
    Route(
        "GET",
        "/v1/webhooks",
        webhooks.list_webhooks,
        "webhooks:read",
        query=arguments.ListWebhooks,
        answer=list[types.Webhook],
        errors=FOUND,
        self_access="webhooks",
        shows=show.webhook_list,
    ),
    Route(
        "POST",
        "/v1/webhooks",
        webhooks.create,
        "webhooks:write",
        201,
        body=arguments.WebhookCreate,
        answer=types.Webhook,
        errors=(errors.WebhookLimitReached,),
        self_access="webhooks",
        shows=show.webhook_created,
    ),
    Route(
        "GET",
        WEBHOOK,
        webhooks.get,
        "webhooks:read",
        answer=types.Webhook,
        errors=FOUND,
        self_access="webhooks",
        shows=show.webhook,
    ),
    Route(
        "PATCH",
        WEBHOOK,
        webhooks.update,
        "webhooks:write",
        body=arguments.WebhookUpdate,
        answer=types.Webhook,
        errors=(*MATCH, errors.WebhookLimitReached),
        self_access="webhooks",
        takes=take.changes,
        shows=show.webhook,
    ),
    Route(
        "DELETE",
        WEBHOOK,
        webhooks.delete,
        "webhooks:write",
        204,
        errors=MATCH,
        self_access="webhooks",
        takes=take.versions,
        shows=show.nothing,
    ),
    Route(
        "POST",
        WEBHOOK + "/pause",
        webhooks.pause,
        "webhooks:write",
        answer=types.Webhook,
        errors=FOUND,
        self_access="webhooks",
        shows=show.webhook,
    ),
    Route(
        "POST",
        WEBHOOK + "/resume",
        webhooks.resume,
        "webhooks:write",
        body=arguments.WebhookResume,
        answer=types.Webhook,
        errors=(errors.NotFound, errors.PositionExpired),
        self_access="webhooks",
        shows=show.webhook,
    ),
    Route(
        "POST",
        WEBHOOK + "/reveal",
        webhooks.reveal,
        "webhooks:write",
        body=arguments.PasswordProof,
        answer=types.Webhook,
        errors=(errors.NotFound, *PROOF),
        self_access="webhooks",
        shows=show.webhook_revealed,
        special=Special(replays=False),
    ),
    Route(
        "POST",
        WEBHOOK + "/rotate-secret",
        webhooks.rotate_secret,
        "webhooks:write",
        body=arguments.WebhookRotation,
        answer=types.Webhook,
        errors=FOUND,
        self_access="webhooks",
        shows=show.webhook_revealed,
    ),
    Route(
        "POST",
        WEBHOOK + "/test",
        webhook_deliveries.test,
        "webhooks:write",
        body=arguments.WebhookTest,
        answer=types.Delivery,
        errors=FOUND,
        self_access="webhooks",
        shows=show.delivery,
    ),
    Route(
        "GET",
        WEBHOOK + "/deliveries",
        webhook_deliveries.list_deliveries,
        "webhooks:read",
        query=arguments.ListDeliveries,
        answer=list[types.Delivery],
        errors=FOUND,
        self_access="webhooks",
        shows=show.delivery_list,
    ),
    Route(
        "GET",
        DELIVERY,
        webhook_deliveries.get_delivery,
        "webhooks:read",
        answer=types.Delivery,
        errors=FOUND,
        self_access="webhooks",
        shows=show.delivery,
    ),
    Route(
        "POST",
        DELIVERY + "/resend",
        webhook_deliveries.resend_delivery,
        "webhooks:write",
        201,
        answer=types.Replay,
        errors=(errors.NotFound, errors.ReplayLimitReached),
        self_access="webhooks",
        shows=show.replay_created,
    ),
    Route(
        "GET",
        WEBHOOK + "/replays",
        webhook_replays.list_replays,
        "webhooks:read",
        query=arguments.ListReplays,
        answer=list[types.Replay],
        errors=FOUND,
        self_access="webhooks",
        shows=show.replay_list,
    ),
    Route(
        "POST",
        WEBHOOK + "/replays",
        webhook_replays.create_replay,
        "webhooks:write",
        201,
        body=arguments.ReplayCreate,
        answer=types.Replay,
        errors=(errors.NotFound, errors.PositionExpired, errors.ReplayLimitReached),
        self_access="webhooks",
        shows=show.replay_created,
    ),
    Route(
        "GET",
        REPLAY,
        webhook_replays.get_replay,
        "webhooks:read",
        answer=types.Replay,
        errors=FOUND,
        self_access="webhooks",
        shows=show.replay,
    ),
    Route(
        "DELETE",
        REPLAY,
        webhook_replays.cancel_replay,
        "webhooks:write",
        204,
        errors=FOUND,
        self_access="webhooks",
        shows=show.nothing,
    ),
    Route(
        "GET",
        "/v1/events",
        events.list_events,
        "events:read",
        query=arguments.ListEvents,
        answer=list[types.Event],
        errors=(errors.PositionExpired, errors.TooManyStreams),
        takes=take.waiting,
        shows=show.event_list,
    ),
    Route(
        "GET",
        "/v1/events/stream",
        events.follow_events,
        "events:read",
        query=arguments.FollowEvents,
        answer=str,
        errors=(errors.PositionExpired, errors.TooManyStreams),
        takes=take.following,
        shows=event_stream.answer,
    ),
    Route(
        "GET",
        "/v1/imports",
        imports.list_imports,
        "users:write",
        query=arguments.ListImports,
        answer=list[types.Import],
        shows=show.import_list,
    ),
    Route(
        "POST",
        "/v1/imports",
        imports.create,
        "users:write",
        201,
        query=arguments.ImportOptions,
        answer=types.Import,
        errors=(errors.ImportLimitReached, errors.StorageUnavailable),
        takes=take.import_file,
        shows=show.import_created,
        special=Special(streams_body=True, replays=False),
    ),
    Route("GET", IMPORT, imports.get, "users:write", answer=types.Import, errors=FOUND, shows=show.import_),
    Route(
        "GET",
        IMPORT + "/report",
        imports.report,
        "users:write",
        query=arguments.ImportReport,
        answer=str,
        errors=FOUND,
        shows=show.import_report,
    ),
    Route(
        "POST", IMPORT + "/cancel", imports.cancel, "users:write", answer=types.Import, errors=FOUND, shows=show.import_
    ),
    Route(
        "GET",
        "/v1/requests",
        requests.list_requests,
        "requests:read",
        query=arguments.ListRequests,
        answer=list[types.LoggedRequest],
        errors=(errors.NotFound, errors.TooManyStreams),
        self_access="requests",
        takes=take.waiting,
        shows=show.request_list,
    ),
    Route(
        "GET",
        REQUEST,
        requests.get_request,
        "requests:read",
        answer=types.LoggedRequest,
        errors=FOUND,
        self_access="requests",
        shows=show.request,
    ),
    Route(
        "GET",
        "/v1/usage",
        usage.get_usage,
        "requests:read",
        query=arguments.ReadUsage,
        answer=types.UsageReport,
        errors=FOUND,
        self_access="requests",
        shows=show.usage,
    ),
    Route("GET", "/metrics", operations.show_metrics, "metrics:read", answer=str),
    Route("GET", "/health/live", operations.live, None, answer=types.Health),
    Route("GET", "/health/ready", operations.ready, None, answer=types.Health, errors=(errors.Unavailable,)),
    Route("GET", "/openapi.json", operations.show_openapi, None, answer=dict),
]
