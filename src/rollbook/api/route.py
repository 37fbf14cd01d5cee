"""A row of `api/routes`: what is known of one endpoint, and how the table writes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from rollbook import errors
from rollbook.actions.arguments import Body
from rollbook.actions.checking import fields_of
from rollbook.api import show
from rollbook.api.call import Call
from rollbook.gate import NARROWED
from rollbook.http.request import Response
from rollbook.roles import OF_READERS, ON_SELF, Scope

T = TypeVar("T")
Action = Callable[..., Coroutine[Any, Any, T]]
Shows = Callable[[Call, T], Response]
Takes = Callable[[Call], tuple[Any, ...]]
NARROWING = ON_SELF | OF_READERS
"""Scopes that reach one's own."""
Errors = tuple[type[errors.ApiError], ...]


class Special(NamedTuple):
    """Properties that only a few calls need."""

    reads: Callable[[Call], Awaitable[Any]] | None = None
    """Reads the body of a POST that is not a single small object. The row's `body` is then its description."""
    max_body: int = 0
    """Largest body in bytes, where that of the setting does not do."""
    streams_body: bool = False
    """The action takes the body as it comes, from `request.chunks()`, and can't be repeated by key."""
    replays: bool = True
    """True if the answer to an `Idempotency-Key` is kept: not where something is checked, so that it is checked each
    time."""
    optional_body: bool = False
    """True if a PUT says enough without a body."""
    previews: bool = True
    """False if the call only checks, reveals or sends, so that there is nothing to preview."""


USUAL = Special()
CHECKS = Special(replays=False, previews=False)


class Route(NamedTuple):
    """One call.

    `action` is what it does; its arguments are the ids in the path, then what `takes` makes of the call, or else its
    body, or else its query. `shows` makes the response of the result; without it, `action` makes the whole of it from
    the call. `scope` is what a key needs, None for a call without key. `self_access` says what is left for a key whose
    scope reaches only its own user: nothing, the call about that user ("user"), or the call narrowed to its own keys,
    sessions, requests or webhooks ("keys", "sessions", "requests", "webhooks"). `answer` is the type of what is sent,
    for the description; `errors` are those of this call beside the ones that any call can have. `special` is what few
    rows need.

    What a row does not say: a call without an answer is a 204, any other a 200; a call with a scope of keys, sessions,
    requests or webhooks that reaches one's own is narrowed to it; a call with ids in its path can be a 404.
    """

    method: str
    path: str
    action: Action[Any]
    scope: Scope | None
    query: Any
    body: Any
    answer: Any
    shows: Shows[Any] | None
    success: int
    self_access: str
    errors: Errors = ()
    takes: Takes | None = None
    special: Special = USUAL

    @property
    def max_body(self) -> int:
        return self.special.max_body

    @property
    def streams_body(self) -> bool:
        return self.special.streams_body

    @property
    def can_be_previewed(self) -> bool:
        """Test whether it takes `dry_run`."""
        return self.method != "GET" and self.special.previews and not self.streams_body

    def with_max_body(self, size: int) -> Route:
        return self._replace(special=self.special._replace(max_body=size))

    @property
    def body_is_optional(self) -> bool:
        """Test whether the body may be absent: in a POST, if it has only optional fields. An update without a body is a
        mistake, nearly always."""
        return (self.method == "POST" or self.special.optional_body) and not any(
            field.required for field in fields_of(self.body or Body).values()
        )

    def but(
        self,
        *,
        success: int | None = None,
        query: Any = None,
        self_access: str | None = None,
        errors: Errors = (),
        takes: Takes | None = None,
        special: Special = USUAL,
    ) -> Route:
        """The row with what not every row has."""
        return self._replace(
            success=success or self.success,
            query=query or self.query,
            self_access=self_access or self.self_access,
            errors=errors,
            takes=takes,
            special=special,
        )


def get(action: Action[T], scope: Scope | None, query: Any, answer: Any, shows: Shows[T] | None = None) -> Route:
    return _row("GET", action, scope, query, None, answer, shows)


def post(action: Action[T], scope: Scope, body: Any, answer: Any, shows: Shows[T] | None) -> Route:
    return _row("POST", action, scope, None, body, answer, shows)


def put(action: Action[T], scope: Scope, body: Any, answer: Any, shows: Shows[T]) -> Route:
    return _row("PUT", action, scope, None, body, answer, shows)


def patch(action: Action[T], scope: Scope, body: Any, answer: Any, shows: Shows[T]) -> Route:
    return _row("PATCH", action, scope, None, body, answer, shows)


def delete(action: Action[None], scope: Scope) -> Route:
    return _row("DELETE", action, scope, None, None, None, show.nothing)


def at(path: str, row: Route) -> Route:
    """The row at its path. What a path names may be missing."""
    return row._replace(path=path, errors=(errors.NotFound, *row.errors) if "{" in path else row.errors)


def _row(
    method: str,
    action: Action[Any],
    scope: Scope | None,
    query: Any,
    body: Any,
    answer: Any,
    shows: Shows[Any] | None,
) -> Route:
    noun = (scope or "").partition(":")[0]
    self_access = noun if noun in NARROWED and scope in NARROWING else ""
    return Route(method, "", action, scope, query, body, answer, shows, 204 if answer is None else 200, self_access)


TAKEN = (errors.EmailTaken, errors.ExternalIdTaken)
FOUND = (errors.NotFound,)
PROOF = (errors.WrongPassword, errors.TooManyAttempts, errors.Overloaded)
CODE = (errors.WrongCode, errors.TooManyAttempts)
