"""The caller of an action: an API key and its user, a person who is signed in, the command line, or the server
itself."""

from __future__ import annotations

import msgspec

from rollbook import clock, roles
from rollbook.actions import key_bounds
from rollbook.actions.key_bounds import UNBOUNDED, Bounds
from rollbook.errors import (
    AddressNotAllowed,
    ExpiredKey,
    InvalidKey,
    KeySuspended,
    RevokedKey,
    Unauthorized,
    UserSuspended,
)
from rollbook.limits.meter import Meter
from rollbook.limits.policy import key_bucket, scim_bucket
from rollbook.networks import within
from rollbook.quota import NO_LIMIT, Limit
from rollbook.records import keys, lineages, sessions, users
from rollbook.records.events import Actor
from rollbook.records.keys import CallerFacts
from rollbook.storage.database import Queries

# When a key ends that was revoked, or that does not expire, in microseconds as all other times.
REVOKED, NEVER = -1, 1 << 62
SESSION_ENDED = "Your session has ended. Sign in again."


class Caller:
    """A user's role and what their key narrows it to. It does not change from one request to the next, so the gate
    remembers it."""

    __slots__ = (
        "acted_by",
        "audiences",
        "bucket",
        "created_by",
        "ends_at",
        "free_scopes",
        "goes_back_to",
        "is_key_suspended",
        "key_bucket",
        "key_id",
        "key_limit",
        "kind",
        "limit",
        "limited_with",
        "meter",
        "networks",
        "privileges",
        "role",
        "scopes",
        "scopes_on_all",
        "scopes_on_self",
        "suspended",
        "tenant",
        "user_id",
    )

    def __init__(self, holder: CallerFacts, limit: Limit, acted_by: str | None = None) -> None:
        self.acted_by = acted_by
        """ID of the person who acts as this user, and then only reads."""
        self.key_id = holder.key_id
        self.user_id = holder.user_id
        self.role = holder.role
        self.kind = holder.kind
        """Kind of the key: where it is valid."""
        self.tenant = holder.tenant or holder.key_id
        """ID of the first key that this one was rotated from, or its own: what an identity provider keeps here belongs
        to it. None without a key."""
        self.suspended = roles.is_barred(holder.status)
        # All that tells this key from a wider or narrower one of the same user.
        self.privileges = (
            holder.role,
            holder.scopes,
            holder.ip_allow,
            holder.key_limit,
            holder.expires_at,
            holder.audiences,
        )
        self.audiences = key_bounds.audiences_of(holder.audiences)
        """Audiences for which the key makes, refreshes, verifies, lists and ends sessions. None: any."""
        self.ends_at = (
            REVOKED if holder.revoked_at is not None else NEVER if holder.expires_at is None else holder.expires_at
        )
        self.bucket = scim_bucket(self.user_id, self.tenant or "") if self.kind == "scim" else self.user_id
        """In which `limit` is counted."""
        self.limit = limit
        self.key_limit = key_bounds.limit_of(holder.key_limit)
        self.created_by = holder.created_by if holder.key_id or holder.lineage else holder.user_id
        """ID of the person whom the key or session goes back to; without either, the user."""
        self.goes_back_to = lineages.users(holder.lineage)
        """IDs of all users whom the key or session goes back to, beside its own."""
        self.is_key_suspended = holder.is_suspended != 0
        self.limited_with = holder.limited_with or holder.key_id if self.key_limit else None
        """The key whose limit this one shares, and those that it creates."""
        self.key_bucket = key_bucket(holder.user_id, self.limited_with) if self.limited_with else None
        self.scopes = key_bounds.scopes_of(holder.scopes)
        self.scopes_on_all, self.scopes_on_self = roles.reach(
            holder.role, self.scopes if acted_by is None else roles.READING
        )
        self.networks = key_bounds.networks_of(holder.ip_allow)
        self.free_scopes = self.scopes_on_all
        if self.suspended or self.is_key_suspended or self.networks is not None or self.kind != "api":
            self.free_scopes = frozenset()
        """Scopes that reach all users, with nothing else to check for each request."""
        self.meter: Meter | None = None
        """Counter of its requests, where the gate knows one."""

    @property
    def bounds(self) -> Bounds:
        """Bounds of its key, and hence of the keys it creates. A person who is signed in is bound by the role alone."""
        if self.key_id is None:
            return UNBOUNDED
        ends_at = None if self.ends_at == NEVER else self.ends_at
        return Bounds(self.scopes, self.networks, self.key_limit, ends_at, self.audiences)

    def actor(
        self, address: str, request_id: str | None, trace_id: str | None = None, client: str | None = None
    ) -> Actor:
        """Actor that the event log names."""
        creator = self.created_by if self.created_by != self.user_id else None
        return Actor(self.user_id or None, self.key_id, address, request_id, trace_id, client, creator or None)


def signed_in(
    user_id: str,
    role: str,
    status: str,
    rate_limit: str | None,
    limit: Limit,
    created_by: str | None = None,
    lineage: str | None = None,
    acted_by: str | None = None,
) -> Caller:
    """A person with everything their role allows, without a key. `created_by`, `lineage` and `acted_by` are those of
    their session."""
    return Caller(
        CallerFacts(
            key_id=None,
            user_id=user_id,
            scopes=None,
            ip_allow=None,
            key_limit=None,
            expires_at=None,
            revoked_at=None,
            role=role,
            status=status,
            user_limit=rate_limit,
            created_by=created_by,
            lineage=lineage,
        ),
        limit,
        acted_by,
    )


class Principal(msgspec.Struct, eq=False):
    """The caller of one request."""

    caller: Caller
    address: str
    """The origin of the request: an address, `cli` or `system`."""
    request_id: str | None
    trace_id: str | None = None
    """The distributed trace that the request belongs to."""
    proven_at: int | None = None
    """The time when a person who is signed in last proved who they are; None without a session."""
    session_id: str | None = None
    """Of a person who is signed in."""
    client: str | None = None
    """The assistant through which they act, as it calls itself."""

    @property
    def user_id(self) -> str:
        """Empty where no user acts."""
        return self.caller.user_id

    @property
    def key_id(self) -> str | None:
        return self.caller.key_id

    @property
    def tenant(self) -> str:
        """ID of the first key that the caller's key was rotated from, or its own. Empty without a key."""
        return self.caller.tenant or ""

    @property
    def borrowed_session(self) -> str | None:
        """ID of the session, if that goes back to others: what is begun in it goes on only while it lasts."""
        return self.session_id if self.caller.goes_back_to else None

    @property
    def role(self) -> str:
        return self.caller.role

    @property
    def scopes(self) -> frozenset[str]:
        """All scopes, including those that only reach the caller's own user."""
        return self.caller.scopes_on_all | self.caller.scopes_on_self

    @property
    def is_operator(self) -> bool:
        """Test whether it is someone who can write to the server's files, and so has full access at any time."""
        return self.caller is _OPERATOR

    @property
    def actor(self) -> Actor:
        """Actor that the event log names."""
        return self.caller.actor(self.address, self.request_id, self.trace_id, self.client)


async def as_of_now(queries: Queries, by: Principal) -> Caller:
    """The caller of a request that was admitted a while ago, for those that take long. Raises Unauthorized when their
    key or session has ended, AddressNotAllowed, UserSuspended, NotFound when a person who is signed in was deleted."""
    caller = by.caller
    if by.session_id is not None and await sessions.working(queries, by.session_id) is None:
        raise Unauthorized(SESSION_ENDED)
    if caller.key_id is not None:
        now = await _of_key(queries, caller.key_id, caller.limit)
        if now.networks is not None and not within(by.address, now.networks):
            raise AddressNotAllowed()
        return now
    if not caller.user_id:
        return caller
    origin = caller.created_by, lineages.of(caller.goes_back_to), caller.acted_by
    return await _of_person(queries, caller.user_id, caller.limit, *origin)


async def for_job(
    queries: Queries, user_id: str, key_id: str | None, session_id: str | None, address: str | None, job_id: str
) -> Principal:
    """Principal of whoever asked for a job, with what they can do by now; the job's ID stands for the request.
    `session_id` is their `borrowed_session`. Raises Unauthorized, UserSuspended, NotFound."""
    if key_id is not None:
        return Principal(await _of_key(queries, key_id, NO_LIMIT), address or "", job_id)
    origin: tuple[str | None, ...] = ()
    if session_id is not None:
        session = await sessions.working(queries, session_id)
        if session is None:
            raise Unauthorized(SESSION_ENDED)
        origin = session.created_by, session.lineage, session.acted_by
    caller = await _of_person(queries, user_id, NO_LIMIT, *origin)
    return Principal(caller, address or "", job_id, session_id=session_id)


async def _of_person(
    queries: Queries,
    user_id: str,
    limit: Limit,
    created_by: str | None = None,
    lineage: str | None = None,
    acted_by: str | None = None,
) -> Caller:
    user = await users.get(queries, user_id)
    if roles.is_barred(user.status):
        raise UserSuspended()
    return signed_in(user.id, user.role, user.status, user.rate_limit, limit, created_by, lineage, acted_by)


async def _of_key(queries: Queries, key_id: str, limit: Limit) -> Caller:
    holder = await keys.holder_of(queries, key_id)
    if holder is None:
        raise InvalidKey()
    caller = Caller(holder, limit)
    if caller.ends_at <= clock.now():
        raise RevokedKey() if caller.ends_at == REVOKED else ExpiredKey()
    if caller.suspended:
        raise UserSuspended()
    if caller.is_key_suspended:
        raise KeySuspended()
    return caller


_OPERATOR = signed_in("", "owner", "active", None, NO_LIMIT)
CLI = Principal(_OPERATOR, "cli", None)
SYSTEM = Principal(_OPERATOR, "system", None)
_STRANGER = Caller(
    CallerFacts(
        key_id=None,
        user_id="",
        scopes="",
        ip_allow=None,
        key_limit=None,
        expires_at=None,
        revoked_at=None,
        role="member",
        status="active",
        user_limit=None,
    ),
    NO_LIMIT,
)


def cli_job(job_id: str) -> Principal:
    """The command line, in what it does under this ID."""
    return Principal(_OPERATOR, "cli", job_id)


def stranger(address: str, request_id: str | None, trace_id: str | None = None) -> Principal:
    """A visitor who has not signed in yet. All they can do is prove who they are."""
    return Principal(_STRANGER, address, request_id, trace_id)
