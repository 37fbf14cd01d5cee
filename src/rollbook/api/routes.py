"""The whole API on one page. Router, permissions, OpenAPI, docs and contract tests all read this table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from rollbook import errors
from rollbook.api import events, keys, operations, sessions, types, users


class Route(NamedTuple):
    """One call.

    `scope` is what a key needs, None for a call without key. `self_access` says what is left for a key whose scope reaches only its own user:
    nothing, the call about that user ("user"), or the call narrowed to its own keys or sessions ("keys", "sessions"). `errors` are those of this call beside
    the ones that any call can have.
    """

    method: str
    path: str
    handler: Callable[..., Awaitable[Any]]
    scope: str | None
    success: int = 200
    query: Any = None
    body: Any = None
    answer: Any = None
    errors: tuple[type[errors.ApiError], ...] = ()
    self_access: str = ""


USER = "/v1/users/{userId}"
KEY = "/v1/keys/{keyId}"
SESSION = "/v1/sessions/{sessionId}"
TAKEN = (errors.EmailTaken, errors.ExternalIdTaken)
FOUND = (errors.NotFound,)
MATCH = (errors.NotFound, errors.PreconditionFailed)

ROUTES = [
    Route("GET", "/v1/users", users.list_users, "users:read", query=types.ListUsers, answer=list[types.UserListed]),
    Route("POST", "/v1/users", users.create_user, "users:write", 201, types.UserFields, types.NewUser, types.UserListed, (*TAKEN, errors.Overloaded)),
    Route("GET", "/v1/users/count", users.count_users, "users:read", query=types.UserFilters, answer=types.Count),
    Route("POST", "/v1/users/verify-password", users.verify_password, "users:verify", 200, types.UserFields, types.Credentials, types.UserListed, (errors.WrongPassword, errors.UserSuspended, errors.TooManyAttempts, errors.Overloaded)),
    Route("GET", USER, users.get_user, "users:read", query=types.UserFields, answer=types.User, errors=FOUND, self_access="user"),
    Route("PUT", USER, users.update_user, "users:write", 200, types.UserFields, types.UserChanges, types.UserUpdated, (*MATCH, *TAKEN, errors.LastOwner, errors.NotYourself), "user"),
    Route("PATCH", USER, users.update_user, "users:write", 200, types.UserFields, types.UserChanges, types.UserUpdated, (*MATCH, *TAKEN, errors.LastOwner, errors.NotYourself), "user"),
    Route("DELETE", USER, users.delete_user, "users:delete", 204, types.DeleteUser, errors=(*MATCH, errors.NotYourself, errors.LastOwner)),
    Route("PUT", USER + "/password", users.set_password, "users:write", 204, body=types.PasswordChange, errors=(errors.NotFound, errors.WrongPassword, errors.TooManyAttempts, errors.Overloaded), self_access="user"),
    Route("POST", USER + "/password-link", users.create_password_link, "users:write", 201, answer=types.PasswordLink, errors=(errors.NotFound, errors.NotYourself)),
    Route("POST", USER + "/suspend", users.suspend_user, "users:write", 200, types.UserFields, answer=types.UserUpdated, errors=(errors.NotFound, errors.NotYourself, errors.LastOwner)),
    Route("POST", USER + "/activate", users.activate_user, "users:write", 200, types.UserFields, answer=types.UserUpdated, errors=FOUND),
    Route("POST", USER + "/restore", users.restore_user, "users:write", 200, types.UserFields, answer=types.UserListed, errors=(errors.NotFound, *TAKEN)),
    Route("GET", USER + "/export", users.export_user, "users:export", answer=types.Export, errors=FOUND, self_access="user"),
    Route("GET", "/v1/keys", keys.list_keys, "keys:read", query=types.ListKeys, answer=list[types.Key], errors=FOUND, self_access="keys"),
    Route("POST", "/v1/keys", keys.create_key, "keys:write", 201, body=types.NewKey, answer=types.Key, errors=FOUND, self_access="keys"),
    Route("GET", KEY, keys.get_key, "keys:read", answer=types.Key, errors=FOUND, self_access="keys"),
    Route("DELETE", KEY, keys.revoke_key, "keys:write", 204, errors=FOUND, self_access="keys"),
    Route("POST", KEY + "/reveal", keys.reveal_key, "keys:write", 200, body=types.PasswordProof, answer=types.Key, errors=(errors.NotFound, errors.WrongPassword, errors.TooManyAttempts, errors.Overloaded), self_access="keys"),
    Route("POST", KEY + "/rotate", keys.rotate_key, "keys:write", 201, body=types.KeyRotation, answer=types.Key, errors=FOUND, self_access="keys"),
    Route("GET", "/v1/sessions", sessions.list_sessions, "sessions:read", query=types.ListSessions, answer=list[types.Session], errors=FOUND, self_access="sessions"),
    Route("DELETE", SESSION, sessions.end_session, "sessions:write", 204, errors=FOUND, self_access="sessions"),
    Route("GET", "/v1/events", events.list_events, "events:read", query=types.ListEvents, answer=list[types.Event]),
    Route("GET", "/metrics", operations.show_metrics, "metrics:read", answer=str),
    Route("GET", "/health/live", operations.live, None, answer=types.Health),
    Route("GET", "/health/ready", operations.ready, None, answer=types.Health, errors=(errors.Unavailable,)),
    Route("GET", "/openapi.json", operations.show_openapi, None, answer=dict),
]  # fmt: skip
