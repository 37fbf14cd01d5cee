"""One-time tokens: invitations, new passwords, confirmed emails and sign-in links. An application hands them out, or
Rollbook mails them; whoever has one does what it is for, once.

Destinations of people who leave our pages: only applications that whoever runs the server has named.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from rollbook import clock, ids
from rollbook.actions import attempts, creators, passwords, proof, second_factors, user_kinds
from rollbook.actions.arguments import NewPassword
from rollbook.actions.arguments.tokens import HANDED_ON, TokenConsume, TokenCreate
from rollbook.actions.attempts import AttemptOrigin
from rollbook.actions.checking import given, refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.creators import NOT_KNOWN, Origin
from rollbook.actions.permissions import known, may_act_as, may_grant, require, require_proof
from rollbook.actions.principal import Principal
from rollbook.actions.proof import GivenFactor, Proven
from rollbook.actions.user_kinds import check_person
from rollbook.auth import tokens
from rollbook.auth.hashing_queue import KNOWN, Waiter
from rollbook.auth.server_secret import Purpose, Secret
from rollbook.config import Settings
from rollbook.errors import (
    BadRequest,
    EmailTaken,
    Forbidden,
    InsufficientScope,
    LastOwner,
    NotFound,
    NotYourself,
    SecondFactorRequired,
    TokenInvalid,
)
from rollbook.records import events, one_time_tokens, rules, users, webhooks
from rollbook.records import second_factors as factor_records
from rollbook.records.events import Actor
from rollbook.records.one_time_tokens import IMPERSONATE, OF_PASSWORDS, NewToken, Token
from rollbook.records.users import User
from rollbook.records.webhooks import cursors
from rollbook.roles import APPLICATION
from rollbook.storage.database import Queries, Tx

_LOCAL = ("localhost", "127.0.0.1")
"""Hosts with any port and either scheme, for development: they lead no further than the person's own machine."""
_DEFAULT_PORTS = {"https": 443, "http": 80}


def check(settings: Settings, url: str | None) -> str:
    """The URL as it is kept, empty for none. Its origin must be one of `redirect_origins`. Raises InvalidParameter."""
    if url is None:
        return ""
    if not _is_local(url) and origin(url) not in settings.redirect_origins:
        refuse("redirect_url", "must lead to an origin that the setting redirect_origins has, or to localhost")
    return str(url)


def origin(url: str) -> str:
    """Origin of a URL, as browsers send it (RFC 6454 section 6.2). The URL has passed the pattern of
    `arguments.RedirectUrl`: what precedes the path is a scheme, a host and a port, and nothing else."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in _LOCAL


SEALED: Purpose = "links"
MAX_ACTING = 3_600
"""Seconds for which somebody can act as a user: those of the token, and of the session that it opens."""
LEADS_TO = {
    "verify_email": "confirm their email",
    "change_email": "confirm a new email",
    "sign_in": "sign in",
    "impersonate": "be acted as, for support",
}
"""By purpose, what a user does with the link; of all others, they set a password."""
OF_FACTOR = (*OF_PASSWORDS, "sign_in", "change_email")
"""Purposes for which a token alone is not enough, where there is a second factor."""


NOT_MAILED = (
    "the link that Rollbook mails signs in to the dashboard, and this API key has audiences. Send the token in a link "
    "to your application"
)


class IssuedToken(NamedTuple):
    """A token with its text, which is shown at no other time; empty if it is mailed."""

    token: Token
    text: str


# ---- creating, listing and revoking


async def create_token(on: Rollbook, by: Principal, id: str, fields: TokenCreate) -> IssuedToken:
    """Create a one-time token

    Send `url` to the user: it leads to a page of Rollbook. Or hand out `token` in a link to your own application, which
    calls `POST /v1/tokens/consume`. Both are returned only once, or not at all with `send`: then Rollbook mails it to
    the user, or to the new email of `change_email`. A newer token of the same purpose ends the older one;
    to suspend or delete the user, or to change their email or role, ends all. For a user with a role above member, the
    key needs the scope `users:grant` as well. `impersonate` needs the scope `users:impersonate`, lasts at most an hour
    with the session it opens, is for users with a lower role than yours, and works in the dashboard only for you.
    """
    require(by, "tokens:create")
    _check_asked(on, by, fields)
    text = tokens.mint()
    new = record(
        text,
        known("user", id),
        fields.purpose,
        lifetime(on.settings, fields.purpose) if fields.expires_in is UNSET else fields.expires_in * clock.SECOND,
        email=given(fields.email),
        redirect_url=check(on.settings, given(fields.redirect_url)),
        data=given(fields.data),
        language=given(fields.language),
        origin=creators.of(by, id),
        audiences=audiences_of(by),
        acted_by=by.user_id if fields.purpose == IMPERSONATE else None,
        reason=given(fields.reason),
    )
    if fields.send:
        return await on.write(_create, by, to_deliver(on.secret, new, text, webhooks.MAIL_ID), "")
    return await on.write(_create, by, new, text)


def _check_asked(on: Rollbook, by: Principal, fields: TokenCreate) -> None:
    """Check that the arguments go together. Raises InvalidParameter."""
    if fields.purpose == "change_email" and fields.email is UNSET:
        refuse("email", "is required: the new email")
    if fields.purpose != "change_email" and fields.email is not UNSET:
        refuse("email", "is only for change_email. Others are about the email that the user has")
    if fields.purpose == IMPERSONATE:
        _check_acting(by, fields)
    elif fields.reason is not UNSET:
        refuse("reason", f"is only for {IMPERSONATE}")
    if fields.send and not on.settings.sends_mail:
        refuse("send", "needs a mail server: set smtp")
    if fields.send and fields.purpose == "sign_in" and by.caller.audiences is not None:
        refuse("send", f"can't be true for sign_in: {NOT_MAILED}")


def _check_acting(by: Principal, fields: TokenCreate) -> None:
    """Raises InvalidParameter, InsufficientScope, ProofRequired."""
    require(by, "users:impersonate")
    require_proof(by)
    if not by.user_id:
        raise InsufficientScope("Events and sessions name the person who acts: use the key of one.")
    if fields.reason is UNSET:
        refuse("reason", "is required: the user sees it")
    if fields.expires_in is not UNSET and fields.expires_in > MAX_ACTING:
        refuse("expires_in", f"must be at most {MAX_ACTING} for {IMPERSONATE}")
    if fields.send:
        refuse("send", f"can't be true for {IMPERSONATE}: the link is yours")


def lifetime(settings: Settings, purpose: str) -> int:
    """Microseconds."""
    return (
        clock.SECOND
        * {
            "invite": settings.invite_lifetime,
            "reset_password": settings.reset_lifetime,
            "verify_email": settings.verify_lifetime,
            "change_email": settings.verify_lifetime,
            "sign_in": settings.sign_in_lifetime,
            IMPERSONATE: MAX_ACTING,
        }[purpose]
    )


def record(
    text: str,
    user_id: str,
    purpose: str,
    lifetime: int,
    *,
    email: str | None = None,
    redirect_url: str = "",
    data: str | None = None,
    language: str | None = None,
    origin: Origin = NOT_KNOWN,
    audiences: str | None = None,
    acted_by: str | None = None,
    reason: str | None = None,
) -> NewToken:
    """Record of a new token with this text."""
    now = clock.now()
    return NewToken(
        id=ids.new("tok"),
        digest=tokens.digest(text),
        user_id=user_id,
        purpose=purpose,
        email=email,
        redirect_url=redirect_url,
        data=data,
        language=language,
        sealed=None,
        delivered_by=None,
        created_by=origin.created_by,
        created_with=origin.created_with,
        lineage=origin.lineage,
        created_at=now,
        expires_at=now + lifetime,
        audiences=audiences,
        acted_by=acted_by,
        reason=reason,
    )


def audiences_of(by: Principal) -> str | None:
    """The audiences that a token of this caller signs in to, as they are kept: those of the caller's key."""
    return None if by.caller.audiences is None else " ".join(sorted(by.caller.audiences))


def is_for(token: Token, audiences: Collection[str] | None) -> bool:
    """Test whether a token signs in to one of these audiences. None: any; none of them: the dashboard."""
    return token.audiences is None or audiences is None or not set(token.audiences.split()).isdisjoint(audiences)


def to_deliver(secret: Secret, new: NewToken, text: str, webhook_id: str) -> NewToken:
    """A new token with its text sealed: sent by the deliveries of this webhook, and shown to no one else."""
    return new._replace(sealed=secret.seal(SEALED, text.encode(), new.id.encode()), delivered_by=webhook_id)


async def add(tx: Tx, by: Actor, user: User, new: NewToken) -> Token:
    """Instead of an older one of the same purpose. Its user is locked; whether they can use it is checked before. An
    event of its own tells of a change of email, so that the user hears of it while they can still stop it."""
    if new.purpose == "verify_email":
        new = new._replace(email=user.email)
    token = await one_time_tokens.add(tx, new)
    if new.purpose == "change_email":
        await events.record(tx, "token.email_change_requested", user.id, by, one_time_tokens.in_events(token))
    return token


async def _create(tx: Tx, by: Principal, new: NewToken, text: str) -> IssuedToken:
    await creators.lock_people(tx, by, "tokens:create", new.user_id)
    user = await users.get(tx, new.user_id)
    may_grant(by, user.role)
    await _check_possible(tx, by, user, new)
    if not text:  # on a folder whose server has not started with mail yet
        await cursors.start_once(tx, webhooks.MAIL_ID)
    return await _issued(tx, by, user, new, text)


async def _issued(tx: Tx, by: Principal, user: User, new: NewToken, text: str) -> IssuedToken:
    token = await add(tx, by.actor, user, new)
    details = one_time_tokens.in_events(token) | {"send": not text}
    await events.record(tx, "token.created", user.id, by.actor, details)
    return IssuedToken(token, text)


async def _check_possible(tx: Tx, by: Principal, user: User, new: NewToken) -> None:
    """Check that this user could use such a token. Raises BadRequest, InvalidParameter, EmailTaken, NotYourself."""
    check_can_use(user)
    if new.purpose == "invite" and user.status != "invited":
        refuse("purpose", "can only be invite for invited users. For others, use reset_password")
    if new.purpose == IMPERSONATE:
        may_act_as(by, user.role)
        if (await users.get(tx, by.user_id)).kind == APPLICATION:
            refuse("purpose", f"can't be {IMPERSONATE} with the key of an application: a person acts")
    if new.purpose in ("reset_password", "sign_in", IMPERSONATE) and user.status == "invited":
        refuse("purpose", "must be invite for a user who is invited, and has no password yet")
    if new.purpose != "verify_email":
        await _check_not_oneself(tx, by, user.id)
    if new.email is not None:
        if new.email == user.email:
            refuse("email", "is the user's email already")
        await check_free(tx, user, new.email)


async def check_free(tx: Tx, user: User, email: str) -> None:
    """Check that an email is no one else's. Raises EmailTaken."""
    other = await users.by_email(tx, email)
    if other is not None and other.id != user.id:
        raise EmailTaken()


def check_can_use(user: User) -> None:
    """Check that a link leads this user anywhere. Raises BadRequest."""
    check_person(user)
    if user.status == "suspended":
        raise BadRequest("The user is suspended. Activate them first.")


async def _check_not_oneself(tx: Tx, by: Principal, id: str) -> None:
    """An API key alone must not be enough to take over its user, who has a current password to prove. Raises
    NotYourself."""
    if id == by.user_id and await users.password_hash(tx, id) is not None:
        raise NotYourself("You have a password. Change it, or your email, with your current password.")


async def list_tokens(on: Rollbook, by: Principal, id: str) -> list[Token]:
    """List a user's open tokens

    Returns the tokens that can still be used, oldest first, without `token` and `url`. There is at most one of each
    purpose.
    """
    require(by, "tokens:create")
    return await one_time_tokens.of_user(on.db, (await users.get(on.db, known("user", id))).id)


async def revoke_token(on: Rollbook, by: Principal, id: str, token_id: str) -> None:
    """Revoke a token

    It can't be used anymore.
    """
    require(by, "tokens:create")
    await on.write(_revoke, by, known("user", id), known("tok", token_id))


async def _revoke(tx: Tx, by: Principal, id: str, token_id: str) -> None:
    may_grant(by, (await users.get(tx, id)).role)
    token = await one_time_tokens.revoke(tx, token_id, id)
    await events.record(tx, "token.revoked", id, by.actor, one_time_tokens.in_events(token))


def password_purpose(status: str) -> str:
    """Purpose of a token with which a user with this status sets a password."""
    return "invite" if status == "invited" else "reset_password"


async def add_link(tx: Tx, by: Principal, user: User, text: str) -> IssuedToken:
    """A link with which a new user sets a password, which a person hands on."""
    lifetime = HANDED_ON * clock.SECOND
    new = record(text, user.id, password_purpose(user.status), lifetime, origin=creators.of(by, user.id))
    return await _issued(tx, by, user, new, text)


# ---- using


class OpenToken(NamedTuple):
    """A token that can be used, whose it is, and where they continue afterwards: empty for the dashboard."""

    token: Token
    user: User
    redirect_url: str


async def look(on: Rollbook, text: str) -> OpenToken | None:
    """Find a token without using it. None if it is unknown, was used, replaced or ended, or has expired:
    no one learns which."""
    token = await one_time_tokens.find(on.db, tokens.digest(text))
    user = None if token is None else await users.by_id(on.db, token.user_id)
    if token is None or user is None or user.status == "suspended":
        return None
    return OpenToken(token, user, token.redirect_url)


class TokenUse(NamedTuple):
    """The user after the act, and the token that was used."""

    user: User
    token: Token


async def consume_token(on: Rollbook, by: Principal, fields: TokenConsume) -> TokenUse:
    """Consume a one-time token

    Does what the token is for and returns the user, with all fields, and the token's `purpose`, `redirect_url` and
    `data`. `invite` and `reset_password` need the new `password`; one that is refused does not use the token up. Of
    several callers at once, one succeeds. If the user has a second factor, all but `verify_email` need a `code` as
    well, and fail with 401 without one. Unknown, used, replaced and expired tokens are refused in the same way, and
    take the same time.
    """
    require(by, "tokens:consume")
    origin, actor = attempts.of_application(by, fields.address)
    ready = await prepare(on, actor, fields, origin, Waiter((by.user_id,)), audiences=by.caller.audiences)
    return await on.write(_consume, actor, ready)


async def _consume(tx: Tx, by: Actor, ready: Ready) -> TokenUse:
    user = await use(tx, by, ready)
    if ready.open.token.purpose == "sign_in":
        user = await passwords.signed_in(tx, by, user.id)
    return TokenUse(user, ready.open.token)


class Ready(NamedTuple):
    """A token whose use has passed all checks but those that need a lock."""

    open: OpenToken
    digest: bytes
    name: str | None
    hash: str | None
    """Hash of the new password."""
    revokes_keys: bool
    factor: Proven | None


async def prepare(
    on: Rollbook,
    by: Actor,
    fields: TokenConsume,
    origin: AttemptOrigin,
    waiter: Waiter = KNOWN,
    given_factor: GivenFactor | None = None,
    audiences: Collection[str] | None = None,
    marks_acting: bool = False,
) -> Ready:
    """Check and compute all that can be before the write; nothing is used up yet. `by` and `origin` are those of
    whoever has the token. A token proves what a password proves: where there is a second factor, it is asked for too.
    `marks_acting`: what is begun with it says who acts as the user, if somebody does.

    Raises TokenInvalid, InvalidParameter, InsufficientScope, SecondFactorRequired, WrongCode, TooManyAttempts,
    Overloaded.
    """
    open = await look(on, fields.token)
    if open is None or (open.token.purpose == "sign_in" and not is_for(open.token, audiences)):
        raise TokenInvalid()
    purpose = open.token.purpose
    if purpose == IMPERSONATE and not marks_acting:
        raise TokenInvalid()
    if fields.name is not UNSET and purpose != "invite":
        refuse("name", "is only for tokens of the purpose invite")
    if fields.name not in (UNSET, open.user.name):
        user_kinds.check_own_field("name", on.settings.member_fields)
    password = None
    if purpose in OF_PASSWORDS:
        password = _password(fields.password, purpose)
        await passwords.check(on, password, email=open.user.email, name=given(fields.name, open.user.name))
    elif fields.password is not UNSET:
        refuse("password", f"is only for tokens of the purposes {' and '.join(OF_PASSWORDS)}")
    factor = None
    if await needs_factor(on.db, open):
        factor = await proof.check(on, by, open.user, given_factor or GivenFactor(given(fields.code, "")), origin)
    hash = None if password is None else await on.passwords.hash(password, waiter)
    revokes = purpose == "reset_password" if fields.revoke_keys is UNSET else fields.revoke_keys
    return Ready(open, tokens.digest(fields.token), given(fields.name), hash, revokes, factor)


async def needs_factor(queries: Queries, open: OpenToken) -> bool:
    """Test whether the token alone is not enough."""
    if is_first_proof(open.token, open.user):
        return await _keeps_factors(queries, open.user)
    return open.token.purpose in OF_FACTOR and await second_factors.has(queries, open.user.id)


async def _keeps_factors(queries: Queries, user: User) -> bool:
    """Test whether this user has a second factor that who reads their email doesn't lift: with a role above member, or
    set by an admin or an import. It is not that of a stranger who was here first, or an admin decides."""
    if user.role == "member":
        return await factor_records.has_vouched(queries, user.id)
    return await second_factors.has(queries, user.id)


def is_first_proof(token: Token, user: User) -> bool:
    """Test whether a token sets a password and is the first thing to show that its user can read their email. What
    leads into the account by then may be another person's: it ends, and a second factor that may be theirs, too, is not
    asked for."""
    return token.purpose in OF_PASSWORDS and bool(token.has_been_sent) and not user.email_verified


def _password(password: NewPassword | UnsetType, purpose: str) -> str:
    if password is UNSET:
        refuse("password", f"is required for a token of the purpose {purpose}")
    return str(password)


async def use(tx: Tx, by: Actor, ready: Ready) -> User:
    """Do what the token is for, once; to record a sign-in is left to the caller. Of several at once, one gets here. All
    of it or nothing. Raises TokenInvalid, EmailTaken, SecondFactorRequired, WrongCode."""
    try:
        user = await users.get(tx, ready.open.user.id)  # locked first, as by all who end its tokens
    except NotFound:
        raise TokenInvalid() from None
    token = await one_time_tokens.use(tx, ready.digest)
    if token is None or user.status == "suspended":
        raise TokenInvalid()
    if ready.factor is None and await needs_factor(tx, OpenToken(token, user, "")):
        raise SecondFactorRequired()  # set up meanwhile
    await proof.use(tx, by, ready.factor)
    await events.record(tx, "token.consumed", user.id, by, one_time_tokens.in_events(token))
    if is_first_proof(token, user):
        if ready.factor is None:
            await creators.end_factors(tx, by, user.id)
        await creators.end_made(tx, by, user)
    if columns := _columns(user, token, ready.name):
        user = await _change(tx, by, user, columns)
    if ready.hash is not None:
        user = await passwords.change(tx, by, user.id, ready.hash, ready.revokes_keys)
    return user


def _columns(user: User, token: Token, name: str | None) -> dict[str, str | int]:
    """Columns of the user that change, beside the password. Raises TokenInvalid."""
    columns: dict[str, str | int] = {}
    if token.purpose == "change_email" and token.email is not None:
        columns = {"email": token.email, "email_verified": 1}
    elif token.purpose == "verify_email":
        if token.email is None or rules.email_key(token.email) != rules.email_key(user.email):
            raise TokenInvalid()
        columns = {"email_verified": 1}
    elif token.has_been_sent:
        columns = {"email_verified": 1}
    if name is not None:
        columns["name"] = name
    return {field: value for field, value in columns.items() if getattr(user, field) != value}


async def _change(tx: Tx, by: Actor, user: User, columns: dict[str, str | int]) -> User:
    after = await users.change(tx, user, columns)
    if "email" in columns:
        await one_time_tokens.end_all(tx, user.id)
    before = users.public_part(frozenset(columns))(user)
    await events.record(tx, "user.updated", user.id, by, users.complete(after), before)
    return after


async def disown(on: Rollbook, by: Principal, text: str) -> User:
    """Say, by the link that verifies an email, that the account isn't theirs who has the email: all that leads into it
    ends. Raises TokenInvalid, also once the email is verified, LastOwner, and Forbidden for an account whose second
    factor stays."""
    return await on.write(_disown, by.actor, tokens.digest(text))


async def _disown(tx: Tx, by: Actor, digest: bytes) -> User:
    token = await one_time_tokens.find(tx, digest)
    if token is None or token.purpose != "verify_email":
        raise TokenInvalid()
    await users.lock_if_owner(tx, token.user_id)
    try:
        user = await users.get(tx, token.user_id)  # locked first, as by all who end its tokens
    except NotFound:
        raise TokenInvalid() from None
    if user.email_verified or not _columns(user, token, None) or await one_time_tokens.use(tx, digest) is None:
        raise TokenInvalid()
    if await users.is_last_owner(tx, user):
        raise LastOwner()
    if await _keeps_factors(tx, user):
        raise Forbidden("Only an administrator can close this account.")
    return await creators.end_access(tx, by, user.id)
