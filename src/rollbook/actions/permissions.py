"""Permission checks. Every action runs one first, whichever entrance called it."""

from __future__ import annotations

from collections.abc import Callable

from rollbook import clock, ids, roles
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.errors import EMAIL_FOR_ID, Forbidden, InsufficientScope, NotFound, ProofRequired
from rollbook.records import users
from rollbook.storage.database import Queries

PROOF_MINUTES = 10
ACTING = "You act as somebody else: you see what they see, and can't change anything."


def require(by: Principal, scope: str, about: str | None = None) -> None:
    """This scope, and that it reaches the user with the id `about`, or without one all users. Raises
    InsufficientScope."""
    caller = by.caller
    if scope in caller.scopes_on_all:
        return
    if about is None or about != caller.user_id or scope not in caller.scopes_on_self:
        is_own = about is not None and about == caller.user_id
        raise _lacking(by, scope, lambda role: roles.reach(role, None)[is_own])


def require_own(by: Principal, scope: str) -> None:
    """This scope, be it only for the caller's own keys or sessions: the action narrows itself to them. Raises
    InsufficientScope."""
    if scope not in by.caller.scopes_on_self:
        raise _lacking(by, scope, roles.grantable)


def _lacking(by: Principal, scope: str, scopes_of: Callable[[str], frozenset[str]]) -> InsufficientScope:
    """Names the scope if a key of this user could have it, and otherwise the role that would do: then there is no scope
    to add. `scopes_of` are those of a role."""
    if by.caller.acted_by is not None:
        return InsufficientScope(ACTING, scope=scope)
    if scope in scopes_of(by.role):
        return InsufficientScope(f"This API key does not have the scope {scope}.", scope=scope)
    if by.key_id is None:
        return InsufficientScope(refusal(by, scope, scopes_of), scope=scope)
    lack = f"The role of this API key's user, {by.role}, doesn't allow this. {_enough(scope, scopes_of)}"
    return InsufficientScope(lack, scope=scope)


def refusal(by: Principal, scope: str, scopes_of: Callable[[str], frozenset[str]] = roles.ON_ALL.__getitem__) -> str:
    """The sentence for a person whose role lacks a scope."""
    lack = f"Your role, {by.role}, doesn't allow you to {roles.SCOPES_OF_PEOPLE[scope]}."
    return f"{lack} {_enough(scope, scopes_of)}"


def _enough(scope: str, scopes_of: Callable[[str], frozenset[str]]) -> str:
    """The least role that has a scope, as a sentence."""
    return f"The role {next(role for role in roles.ROLES if scope in scopes_of(role))} does."


def require_audience(by: Principal, audience: str | None) -> None:
    """Require that sessions for this audience are the caller's business: an application signs no one in to another one.
    Raises InsufficientScope."""
    audiences = by.caller.audiences
    if audiences is not None and audience not in audiences:
        names = " or ".join(sorted(audiences))
        raise InsufficientScope(f"This API key is only for sessions with the audience {names}.")


def reaches_all(by: Principal, scope: str) -> bool:
    """Test whether this scope reaches every user, not only the caller."""
    return scope in by.caller.scopes_on_all


def reaches(by: Principal, scope: str, user_id: str | None) -> bool:
    """Test whether this scope reaches this user, or without one every user."""
    return reaches_all(by, scope) or (user_id == by.user_id and scope in by.caller.scopes_on_self)


def may_touch(by: Principal, user_id: str, role: str) -> None:
    """Only `users:grant` changes someone with a role above member, or what they have: their user, keys, webhooks,
    sessions, jobs and memberships of groups. Users may change themselves. Raises InsufficientScope."""
    if role != "member" and user_id != by.user_id:
        _check_role(by, role)


async def may_touch_of(queries: Queries, by: Principal, user_id: str) -> None:
    """Check that the caller may touch what belongs to a user who may have been deleted, or to no one: the command line
    is an owner's. In a write, the user is locked. Raises InsufficientScope."""
    if user_id != by.user_id:
        may_touch(by, user_id, await role_of(queries, user_id))


async def role_of(queries: Queries, user_id: str) -> str:
    """The role of a user who may have been deleted; owner if there is none."""
    user = await users.by_id(queries, user_id)
    if user is None and (deleted := await users.deleted(queries, user_id)) is not None:
        user = deleted.user
    return "owner" if user is None else user.role


def may_grant(by: Principal, role: str) -> None:
    """Only `users:grant` gives someone a role above member, or a way to act with it: a password, a link, an account
    that works again. So a key without it makes no one more powerful than a member, whatever the role of its user.
    Raises InsufficientScope, ProofRequired."""
    _check_role(by, role)
    if role != "member":
        require_proof(by)


def _check_role(by: Principal, role: str) -> None:
    """Only an owner changes an owner, or makes one. Raises InsufficientScope."""
    if role == "owner" and by.role != "owner":
        raise InsufficientScope("Only owners can change an owner.")
    if role != "member":
        require(by, "users:grant")


def require_proof(by: Principal) -> None:
    """Require that a person who is signed in proved who they are within the last ten minutes: before what would outlive
    their session, or end what others rely on. To sign in is a proof; `proof.renew` makes another. API keys have their
    scopes instead. Raises ProofRequired, Forbidden for somebody who acts as them."""
    require_oneself(by)
    if by.proven_at is not None and by.proven_at <= clock.now() - PROOF_MINUTES * clock.MINUTE:
        raise ProofRequired()


def require_oneself(by: Principal) -> None:
    """Refuse what only the person does themself to somebody who acts as them. Raises Forbidden."""
    if by.caller.acted_by is not None:
        raise Forbidden(ACTING)


def may_act_as(by: Principal, role: str) -> None:
    """Check that the caller may act as a user with this role: a lower one than their own, whose rights over others they
    have, all of them. Raises InsufficientScope."""
    require(by, "users:impersonate")
    if not roles.is_promotion(role, by.role):
        raise InsufficientScope("You can only act as users whose role is lower than yours.")
    for scope in sorted(roles.ON_ALL[role]):
        require(by, scope)


def whom(by: Principal, named: str) -> str:
    """The ID of the user who is meant: `me` is the caller."""
    return by.user_id if named == "me" else named


async def subject(on: Rollbook, by: Principal, scope: str, named: str | None) -> str:
    """The ID of the user a call is about: the caller, unless another is named. Raises InsufficientScope, NotFound."""
    require_own(by, scope)
    id = whom(by, named or "me")
    if id == by.user_id:
        return id
    if not reaches_all(by, scope):
        raise InsufficientScope(f"Only admins can use {scope} for other users.")
    return (await users.get(on.db, known("user", id))).id


async def subject_or_all(on: Rollbook, by: Principal, scope: str, named: str | None) -> str | None:
    """The ID of the user a call is about; None, for all users, if none is named by a caller who reaches all. Raises
    InsufficientScope, NotFound."""
    return None if named is None and reaches_all(by, scope) else await subject(on, by, scope, named)


def known(kind: str, id: str) -> str:
    """The id, unless it has not even the form of one. Raises NotFound."""
    if not ids.is_id(kind, id):
        raise NotFound(EMAIL_FOR_ID if kind == "user" and "@" in id else None)
    return id
