"""Authenticates, rate-limits and authorizes every API call.

`admit` and `check` ask in this order, and the first that fails is the answer: the key (401), the windows (429), the
user's state, the key's addresses and its kind (403), the scope (403). All of it before anything is looked up for the
caller, so that a refusal tells nothing about what exists.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, NamedTuple

from rollbook import clock, roles
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require, require_own
from rollbook.actions.principal import REVOKED, Caller, Principal
from rollbook.auth import key_format
from rollbook.errors import (
    AddressNotAllowed,
    ExpiredKey,
    InsufficientScope,
    InvalidKey,
    KeySuspended,
    RevokedKey,
    TooManyRequests,
    Unauthorized,
    UserSuspended,
    WrongKeyKind,
)
from rollbook.http.request import Request
from rollbook.limits import meter, windows
from rollbook.limits.policy import address_bucket
from rollbook.limits.windows import Verdict
from rollbook.networks import within
from rollbook.quota import NO_LIMIT
from rollbook.records import keys as key_records
from rollbook.records import marks

# Calls whose actions narrow themselves to what is the caller's.
NARROWED = ("keys", "sessions", "requests", "webhooks")
# How long a worker may go on without asking whether a key was revoked elsewhere, in microseconds.
FRESH = clock.SECOND // 4
# Callers a worker caches. When the cache is full, it is cleared.
MAX_CALLERS = 50_000


class Accepted(NamedTuple):
    """Keys that an entrance accepts: of these kinds, and of users with these roles."""

    kinds: frozenset[str]
    roles: frozenset[str]


BY_API = Accepted(frozenset({"api"}), frozenset(roles.ROLES))
BY_MCP = Accepted(frozenset({"api", "assistant"}), frozenset(roles.ROLES))
BY_SCIM = Accepted(frozenset({"api", "scim"}), roles.SCIM_ROLES)


class Gate:
    def __init__(self, on: Rollbook) -> None:
        self._db = on.db
        self._limiter = on.limiter
        self._policy = on.policy
        self._deferred_events = on.deferred_events
        self._unauthenticated = on.settings.unauthenticated_limit
        # By the whole Authorization header, so that a key seen before is neither parsed nor hashed again.
        self._callers: dict[bytes | None, Caller] = {}
        self._version = -1
        self._asked_at = 0
        self._used: dict[str, int] = {}
        on.db.listen(marks.AUTH_VERSION_CHANNEL, self._forget)

    def admit(self, request: Request) -> Caller | Coroutine[Any, Any, Caller]:
        """Admit a request: find the caller whose key it carries, and count it. Puts the lines about the limits into
        `request.head`.

        A caller met lately, with nothing to refuse, is returned at once. For all others there is a coroutine, which
        raises Unauthorized, or TooManyRequests once the user, the key or, without a valid key, the address has used up
        a window.
        """
        now = clock.now()
        if 0 <= now - self._asked_at < FRESH:
            caller = self._callers.get(request.headers.get(b"authorization"))
            if caller is not None and caller.meter is not None and caller.ends_at > now:
                lines = caller.meter.take(now)
                if lines is not None:
                    request.head = lines
                    self._seen(request, caller, now)
                    return caller
        return self._admit(request, now)

    async def admitted(self, request: Request) -> Caller:
        """Admit a request, and wait for its caller."""
        caller = self.admit(request)
        return caller if isinstance(caller, Caller) else await caller

    async def _admit(self, request: Request, now: int) -> Caller:
        header = request.headers.get(b"authorization")
        try:
            if not 0 <= now - self._asked_at < FRESH:
                await self._refresh(now)
            caller = self._callers.get(header) or await self._identify(header)
            if caller.ends_at <= now:
                actor = caller.actor(request.address, request.id, request.trace_id)
                self._deferred_events.key_refused(caller.user_id, caller.key_id or "", actor)
                raise RevokedKey() if caller.ends_at == REVOKED else ExpiredKey()
        except Unauthorized:
            limit = self._unauthenticated
            verdict = await self._limiter.take(address_bucket(request.address), limit, now)
            request.head = meter.render(limit, NO_LIMIT, verdict)
            if verdict.admitted:
                raise
            raise TooManyRequests(windows.retry_after(verdict)) from None
        self._seen(request, caller, now)
        own = caller.key_limit
        verdict = await self._limiter.take(caller.bucket, caller.limit, now, caller.key_bucket, own)
        request.head = meter.render(caller.limit, own, verdict)
        if not verdict.admitted:
            raise self._refused(request, caller, verdict)
        return caller

    def _seen(self, request: Request, caller: Caller, now: int) -> None:
        request.user_id = caller.user_id
        request.key_id = key_id = caller.key_id
        if key_id is not None:
            self._used[key_id] = now

    def note_use(self, key_id: str) -> None:
        """Note that a key which opens nothing of the API, a client's secret, has been used."""
        self._used[key_id] = clock.now()

    async def count_further(self, request: Request, caller: Caller, requests: int) -> None:
        """Count an admitted request as so many more, when what it asks for is known. Raises TooManyRequests, and then
        counts none of these."""
        verdict = await self._limiter.take(
            caller.bucket, caller.limit, clock.now(), caller.key_bucket, caller.key_limit, requests
        )
        request.head = meter.render(caller.limit, caller.key_limit, verdict)
        if not verdict.admitted:
            raise self._refused(request, caller, verdict, requests)

    def _refused(self, request: Request, caller: Caller, verdict: Verdict, requests: int = 1) -> TooManyRequests:
        name, limit = windows.refused_by(caller.limit, caller.key_limit, verdict, requests)
        request.limited_by = name
        actor = caller.actor(request.address, request.id, request.trace_id)
        seconds = windows.retry_after(verdict, requests)
        self._deferred_events.limit_exceeded(actor, name, limit, seconds)
        return TooManyRequests(seconds)

    async def _identify(self, header: bytes | None) -> Caller:
        """A caller not met lately."""
        # What is looked up now goes to those who are remembered now: once they are forgotten, it may be out of date
        # already.
        callers = self._callers
        holder = await key_records.holder(self._db, key_format.digest(key_format.from_header(header)))
        if holder is None:
            raise InvalidKey()
        if len(callers) >= MAX_CALLERS:
            callers.clear()
        caller = callers[header] = Caller(
            holder, self._policy.limit_of_key(holder.kind, holder.role, holder.user_limit)
        )
        caller.meter = self._limiter.meter(caller.bucket, caller.limit, caller.key_bucket, caller.key_limit)
        return caller

    def accept(self, by: Principal, accepted: Accepted = BY_API) -> None:
        """Test whether this caller may use an entrance at all. Raises Forbidden."""
        caller = by.caller
        if caller.suspended:
            raise UserSuspended()
        if caller.is_key_suspended:
            raise KeySuspended()
        if caller.networks is not None and not within(by.address, caller.networks):
            raise AddressNotAllowed()
        if caller.kind not in accepted.kinds:
            raise WrongKeyKind()
        if caller.role not in accepted.roles:
            raise InsufficientScope(
                f"Only keys of admins and owners work here. This key's user has the role {caller.role}: "
                "ask an admin to create a SCIM key."
            )

    def check(self, by: Principal, scope: str, self_access: str, about: str, accepted: Accepted = BY_API) -> None:
        """Test whether this caller may make this call, at an entrance that accepts these keys. Raises Forbidden.

        `self_access` says what is left to one whose scope reaches only themselves: "" nothing, "user" the call about
        their own user, "keys", "sessions" and "webhooks" the call, whose action shows them no others than their own.
        """
        self.accept(by, accepted)
        if scope in by.caller.scopes_on_all:  # as `require` would find, for most
            return
        if self_access in NARROWED:
            require_own(by, scope)
        else:
            require(by, scope, about if self_access else None)

    def take_uses(self) -> list[tuple[str, int]]:
        """Keys used since the last call, with the time of their last use."""
        used, self._used = self._used, {}
        return list(used.items())

    async def _refresh(self, now: int) -> None:
        version = await marks.auth_version(self._db)
        if version != self._version:
            self._callers = {}
            self._version = version
        self._asked_at = now

    def _forget(self) -> None:
        self._callers = {}
