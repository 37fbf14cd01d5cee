"""The door every call passes: who is it, how often, may they, what do they say.

`admit` asks in this order, and the first that fails is the answer: the key (401), the windows (429), the user's state and the key's
address (403), the scope (403), the route (404, 405). All of it before anything is looked up for the caller, so that a refusal tells
nothing about what exists.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, NamedTuple, Protocol

from rollbook import clock
from rollbook.auth import key_format, permissions
from rollbook.auth.passwords import Passwords
from rollbook.auth.server_secret import Secret
from rollbook.config import Settings, Source
from rollbook.errors import (
    AddressNotAllowed,
    ApiError,
    ExpiredKey,
    InsufficientScope,
    InvalidKey,
    RevokedKey,
    TooManyRequests,
    Unauthorized,
    UserSuspended,
)
from rollbook.http.request import Request
from rollbook.http.response import Response
from rollbook.http.routing import Ids
from rollbook.limits import headers, windows
from rollbook.limits.windows import Limiter
from rollbook.observe.metrics import Usage
from rollbook.quota import NO_LIMIT, Limit
from rollbook.records import access
from rollbook.records import keys as key_records
from rollbook.records.events import Actor
from rollbook.records.users import User
from rollbook.storage.database import Database

# Calls whose handlers narrow themselves to what is the caller's.
NARROWED = ("keys", "sessions")
# How long a worker may go on without asking whether a key was revoked elsewhere, in microseconds.
FRESH = clock.SECOND // 4
# Callers a worker remembers; beyond it, it begins anew.
MOST_CALLERS = 50_000


# When a key ends that was revoked, or that does not expire, in microseconds as all other times.
REVOKED, NEVER = -1, 1 << 62


class Caller:
    """A key and its user, as far as the gate must know them. Without a key: a person who is signed in to the pages."""

    __slots__ = (
        "ends_at",
        "key_id",
        "limit",
        "networks",
        "own_bucket",
        "own_limit",
        "privileges",
        "role",
        "scopes_on_all",
        "scopes_on_self",
        "suspended",
        "user_id",
    )

    def __init__(self, holder: key_records.Holder, limit: Limit) -> None:
        self.key_id = holder.key_id
        self.user_id = holder.user_id
        self.role = holder.role
        self.suspended = holder.status != "active"
        # All that tells this key from a wider or narrower one of the same user.
        self.privileges = (holder.role, holder.scopes, holder.ip_allow, holder.key_limit, holder.expires_at)
        self.ends_at = REVOKED if holder.revoked_at is not None else NEVER if holder.expires_at is None else holder.expires_at
        self.limit = limit
        self.own_limit = Limit.parse(holder.key_limit) if holder.key_limit else NO_LIMIT
        self.own_bucket = key_bucket(holder.user_id, holder.key_id) if holder.key_id and self.own_limit else None
        scopes = None if holder.scopes is None else frozenset(holder.scopes.split())
        self.scopes_on_all, self.scopes_on_self = permissions.reach(holder.role, scopes)
        self.networks: tuple[IPv4Network | IPv6Network, ...] | None = (
            None if holder.ip_allow is None else tuple(ip_network(network) for network in holder.ip_allow.split())
        )


class About(NamedTuple):
    """What a server is and runs with, for those who keep it."""

    sources: tuple[Source, ...]
    """Its settings, each with where it came from."""
    started: float
    """Seconds since 1970."""
    usages: list[Usage]
    connections: int
    database: dict[str, Any]
    """As `Database.about` tells."""


class Operations(Protocol):
    """What the application tells of itself."""

    async def checks(self) -> tuple[bool, dict[str, str]]:
        """Whether it can serve, and for each thing it needs `ok` or what is wrong."""
        ...

    def metrics(self) -> bytes: ...

    def openapi(self) -> bytes: ...

    async def about(self) -> About: ...

    def count(self, error: ApiError, request: Request) -> None:
        """For the metrics: this error was answered. Those that handlers raise are counted by themselves."""
        ...


class Services(NamedTuple):
    """What handlers work with. Put together once, by `app`."""

    settings: Settings
    db: Database
    secret: Secret
    passwords: Passwords
    limiter: Limiter
    operations: Operations
    url: str
    """Base of every link we make."""


class Write(Protocol):
    """`fn(tx, *args)` in one durable transaction, its result made into the answer. The answer is made inside where it is kept."""

    async def __call__(self, fn: Callable[..., Awaitable[Any]], *args: Any, answer: Callable[[Any], Response]) -> Response: ...


class Call:
    """One admitted request, as its handler sees it. `query` and `body` have the types of the route's row."""

    __slots__ = ("body", "caller", "db", "ids", "query", "request", "scope", "services", "write")

    caller: Caller  # not there on calls that take no key
    write: Write

    def __init__(self, services: Services, request: Request, ids: Ids, scope: str | None) -> None:
        self.services = services
        self.db: Database = services.db
        self.request = request
        self.scope = scope  # that the call needs
        self.ids = ids  # the values of the path's braces, in order
        self.query: Any = None
        self.body: Any = None
        self.write = self._write

    async def _write(self, fn: Callable[..., Awaitable[Any]], *args: Any, answer: Callable[[Any], Response]) -> Response:
        return answer(await self.services.db.write(fn, *args))

    @property
    def actor(self) -> Actor:
        """Whom the log of changes names."""
        return Actor(self.caller.user_id, self.caller.key_id, self.request.address, self.request.id)

    @property
    def reaches_all(self) -> bool:
        """Whether the scope of this call reaches every user, not only the caller itself."""
        return self.scope in self.caller.scopes_on_all


class Gate:
    def __init__(self, services: Services) -> None:
        settings = services.settings
        self._services = services
        self._db = services.db
        self._limiter = services.limiter
        self._limit = Limit.parse(settings.rate_limit)
        self._role_limits = role_limits(settings)
        self._unauthenticated = Limit.parse(settings.unauthenticated_limit)
        # By the whole Authorization header, so that a key seen before is neither parsed nor hashed again.
        self._callers: dict[bytes | None, Caller] = {}
        self._version = -1
        self._asked_at = 0
        self._used: dict[str, int] = {}
        services.db.listen(access.CHANNEL, self._forget)

    async def admit(self, request: Request) -> Caller:
        """Whose key the request carries, the request counted. Puts the lines about the limits into `request.head`.

        Raises Unauthorized, or TooManyRequests once the user, the key or, without a valid key, the address has used up a window.
        """
        now = clock.now()
        header = request.headers.get(b"authorization")
        try:
            if not 0 <= now - self._asked_at < FRESH:
                await self._refresh(now)
            caller = self._callers.get(header) or await self._identify(header)
            if caller.ends_at <= now:
                raise RevokedKey() if caller.ends_at == REVOKED else ExpiredKey()
        except Unauthorized:
            limit = self._unauthenticated
            verdict = await self._limiter.take(stranger(request.address), limit, now)
            request.head = headers.render(limit, NO_LIMIT, verdict)
            if verdict.admitted:
                raise
            raise TooManyRequests(windows.retry_after(verdict)) from None
        request.user_id = caller.user_id
        request.key_id = key_id = caller.key_id
        if key_id is not None:
            self._used[key_id] = now
        own = caller.own_limit
        verdict = await self._limiter.take(caller.user_id, caller.limit, now, caller.own_bucket, own)
        request.head = headers.render(caller.limit, own, verdict)
        if not verdict.admitted:
            request.limited_by = windows.refused_by(caller.limit, own, verdict)
            raise TooManyRequests(windows.retry_after(verdict))
        return caller

    async def _identify(self, header: bytes | None) -> Caller:
        """A caller not met lately."""
        # What is looked up now goes to those who are remembered now: once they are forgotten, it may be out of date already.
        callers = self._callers
        holder = await key_records.holder(self._db, key_format.digest(key_format.from_header(header)))
        if holder is None:
            raise InvalidKey()
        if len(callers) >= MOST_CALLERS:
            callers.clear()
        caller = callers[header] = Caller(holder, self.limit_for(holder.role, holder.user_limit))
        return caller

    def person(self, user: User) -> Caller:
        """Somebody who is signed in to the pages, as a caller: all that the role may do, without a key."""
        holder = key_records.Holder(None, user.id, None, None, None, None, None, user.role, user.status, user.rate_limit)
        return Caller(holder, self.limit_for(holder.role, holder.user_limit))

    def check(self, caller: Caller, request: Request, scope: str, self_access: str, ids: Ids) -> None:
        """Whether this caller may make this call. Raises Forbidden.

        `self_access` says what a caller whose scope reaches only itself may do: "" nothing, "user" the call about its own user, "keys" the call,
        whose handler shows it no keys but its own, "sessions" the same of sessions.
        """
        if caller.suspended:
            raise UserSuspended()
        if caller.networks is not None and not _within(request.address, caller.networks):
            raise AddressNotAllowed()
        if scope in caller.scopes_on_all:
            return
        if scope in caller.scopes_on_self and (self_access in NARROWED or (self_access == "user" and ids[0] == caller.user_id)):
            return
        raise InsufficientScope(scope=scope)

    def take_uses(self) -> list[tuple[str, int]]:
        """Keys used since the last call, with the time of their last use."""
        used, self._used = self._used, {}
        return list(used.items())

    async def _refresh(self, now: int) -> None:
        version = await access.version(self._db)
        if version != self._version:
            self._callers = {}
            self._version = version
        self._asked_at = now

    def _forget(self) -> None:
        self._callers = {}

    def limit_for(self, role: str, own: str | None) -> Limit:
        """The windows of a user with this role and this `rate_limit`."""
        return self._role_limits.get(role, self._limit) if own is None else Limit.parse(own)


def key_bucket(user_id: str, key_id: str) -> str:
    """The bucket of a key with a limit of its own. It names the user, with whose bucket it is counted in one step."""
    return f"{user_id}:{key_id}"


def stranger(address: str) -> str:
    """The bucket of requests without a valid key: an IPv4 address, or the /64 that one holder of IPv6 has all to itself."""
    if ":" in address:
        try:
            return f"address:{int(ip_address(address)) >> 64:x}::/64"
        except ValueError:
            pass
    return f"address:{address}"


def role_limits(settings: Settings) -> dict[str, Limit]:
    """Limits of roles that have their own. Raises ValueError."""
    found: dict[str, Limit] = {}
    for text in settings.role_limits:
        role, _, limit = text.partition("=")
        if role not in permissions.ROLES:
            raise ValueError(f"role_limits: {role!r} is no role. Roles: {', '.join(permissions.ROLES)}. Write admin=1000/minute.")
        found[role] = Limit.parse(limit)
    return found


def _within(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)
