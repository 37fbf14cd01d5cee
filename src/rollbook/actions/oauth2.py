"""Sign-in to applications over OpenID Connect: the codes and tokens that they get, and what they are told of a person.

An application gets a code in the browser of a person who is signed in, and exchanges it for tokens of a session, which
is one of its audience like all others. With each of these steps it is asked again who the person is now: whether they
may sign in, and to this application.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from rollbook import clock, ids, roles
from rollbook.actions import app_sessions, clients, sessions
from rollbook.actions import keys as key_actions
from rollbook.actions.app_sessions import Minted, ReusedError, Start
from rollbook.actions.arguments.keys import KeyCreate
from rollbook.actions.context import Rollbook
from rollbook.actions.key_bounds import networks_of
from rollbook.actions.principal import Principal
from rollbook.auth import key_format, session_tokens
from rollbook.auth.session_tokens import RefreshDigests
from rollbook.config import Settings
from rollbook.delivery.client_documents import is_url
from rollbook.errors import NotFound, OAuthRefused
from rollbook.networks import within
from rollbook.records import app_sessions as session_records
from rollbook.records import clients as records
from rollbook.records import events, groups, keys, user_languages, users
from rollbook.records import sessions as dashboard
from rollbook.records.app_sessions import NewSession
from rollbook.records.clients import Client, Grant, SignInCode
from rollbook.records.events import Actor
from rollbook.records.groups import Membership
from rollbook.records.keys import NewKey
from rollbook.records.sessions import Session
from rollbook.records.sign_outs import SignOut
from rollbook.records.users import User
from rollbook.storage.database import Queries, Tx

SCOPES = ("openid", "profile", "email", "groups", "offline_access")
CODE_LIFETIME = clock.MINUTE
ACCESS, ID, LOGOUT = "at+jwt", "JWT", "logout+jwt"
"""Types of tokens (RFC 9068, section 2.1; Back-Channel Logout, section 2.4)."""
GRANT_DAYS = 30
"""Days for which the key of an assistant works."""
LOGOUT_LIFETIME = 2 * clock.MINUTE
HAS_ENDED = {"http://schemas.openid.net/event/backchannel-logout": {}}


def refuse(error: str, message: str, status: int = 400) -> OAuthRefused:
    return OAuthRefused(error, message, status)


class TokenSet(NamedTuple):
    """Tokens as an application gets them."""

    access_token: str
    id_token: str | None
    refresh_token: str | None
    scope: str | None
    lifetime: int = app_sessions.LIFETIME


class Subject(NamedTuple):
    """A person as an application sees them now."""

    user: User
    groups: list[Membership]
    client: Client
    language: str | None


async def subject(queries: Queries, settings: Settings, user: User | None, client_id: str) -> Subject | None:
    """The person, if they may sign in to this application now."""
    working = await records.working(queries, client_id)
    if working is None or user is None:
        return None
    return await _admitted(queries, settings, user, working.client, await user_languages.of_user(queries, user.id))


async def _admitted(
    queries: Queries, settings: Settings, user: User, client: Client, language: str | None, scope: str = "groups"
) -> Subject | None:
    """The person, without their groups if these are neither told by the scope nor decide."""
    if roles.is_barred(user.status) or user.role not in settings.sign_in_roles:
        return None
    has_groups = client.sign_in_groups or "groups" in scope.split()
    memberships = await groups.of_user(queries, user.id) if has_groups else []
    allowed = client.sign_in_groups.split()
    if allowed and not any(membership.group_id in allowed for membership in memberships):
        return None
    return Subject(user, memberships, client, language)


def claims_of(who: Subject, scope: str) -> dict[str, Any]:
    """Claims that the scopes tell of a person (OpenID Connect Core, section 5.4)."""
    user, scopes = who.user, scope.split()
    claims: dict[str, Any] = {"sub": user.id}
    if "profile" in scopes:
        claims |= {"name": user.name, "preferred_username": user.email, "updated_at": user.updated_at // clock.SECOND}
        claims |= {"locale": who.language} if who.language else {}
    if "email" in scopes:
        claims |= {"email": user.email, "email_verified": bool(user.email_verified)}
    if "groups" in scopes:
        is_by_id = who.client.group_claims == "ids"
        claims["groups"] = [group.group_id if is_by_id else group.group_name for group in who.groups]
    if who.client.role_claim:
        claims["role"] = user.role
    return claims


# ---- the application proves who it is


class ProvenClient(NamedTuple):
    """An application that has said who it is; with a `key_id`, it has proven it by its secret."""

    client: Client
    key_id: str | None
    name: str

    @property
    def id(self) -> str:
        return self.client.user_id


async def prove_client(on: Rollbook, address: str, client_id: str, secret: str) -> ProvenClient:
    """An application by its ID and, unless it is public, its secret. Raises OAuthRefused."""
    working = await clients.working(on, client_id)
    holder = await keys.holder(on.db, key_format.digest(secret)) if secret else None
    if working is None or not working.client.redirect_urls:
        raise refuse("invalid_client", "There is no such application that people sign in to.", 401)
    if holder is None:
        if secret or not working.client.public_client:
            raise refuse("invalid_client", "The client secret is missing or wrong.", 401)
        return ProvenClient(working.client, None, working.name)
    networks = networks_of(holder.ip_allow)
    if (
        holder.kind != "client"
        or holder.user_id != client_id
        or holder.revoked_at is not None
        or (holder.expires_at is not None and holder.expires_at <= clock.now())
        or holder.is_suspended
        or (networks is not None and not within(address, networks))
    ):
        raise refuse("invalid_client", "The client secret is missing or wrong.", 401)
    return ProvenClient(working.client, holder.key_id, working.name)


# ---- a code


class CodeFor(NamedTuple):
    """Facts that a code is bound to."""

    client_id: str
    redirect_url: str
    challenge: str | None
    scope: str
    nonce: str | None


async def issue_code(on: Rollbook, user: User, session: Session, wanted: CodeFor) -> str | None:
    """A code for who is signed in with this session of a browser; None if they may not sign in to the application."""
    if await subject(on.db, on.settings, user, wanted.client_id) is None:
        return None
    text, code = _minted(session, wanted, clock.now() + CODE_LIFETIME)
    await on.write(records.add_code, code)
    return text


def _minted(session: Session, wanted: CodeFor, expires_at: int, key_id: str | None = None) -> tuple[str, SignInCode]:
    """A code for who is signed in with this session, and what is kept of it."""
    text = session_tokens.mint_code()
    digests = _digests(text)
    assert digests is not None  # minted here
    bound = wanted[1:]
    return text, SignInCode(digests.token, wanted.client_id, session.user_id, session.id, *bound, expires_at, key_id)


def _digests(code: str) -> RefreshDigests | None:
    return session_tokens.refresh_digests(session_tokens.as_refresh(code))


class Begun(NamedTuple):
    """A session that has begun, or goes on, and what its tokens say."""

    session: Session
    who: Subject
    scope: str
    methods: str | None
    proven_at: int
    nonce: str | None = None


async def exchange(
    on: Rollbook, by: Actor, client: ProvenClient, text: str, redirect_url: str, verifier: str, resource: str = ""
) -> TokenSet:
    """Tokens for a code. One that comes twice ends what the first has got. Raises OAuthRefused."""
    digests = _digests(text)
    if digests is None:
        raise refuse("invalid_grant", "The code is not one of this server.")
    if is_url(client.id):
        return await _exchange_for_key(on, by, client, digests.token, redirect_url, verifier, resource)
    sign = await app_sessions.signer(on, session_tokens.RS256)
    minted = Minted(session_tokens.mint_session(), session_tokens.mint_refresh(session_tokens.as_refresh(text)), None)
    code = await records.code(on.db, digests.token)
    begun = None
    if code is not None:
        begun = await on.write(_exchange, on, by, client, code, redirect_url, verifier, minted)
    if begun is None:
        await on.write(app_sessions.end_reused, by, digests.family, client.id)
        raise refuse("invalid_grant", "The code was used before, or has expired.")
    return _tokens(on, sign, client.id, begun, minted.refresh_token)


async def _exchange(
    tx: Tx,
    on: Rollbook,
    by: Actor,
    client: ProvenClient,
    code: SignInCode,
    redirect_url: str,
    verifier: str,
    minted: Minted,
) -> Begun | None:
    """None: the code was used meanwhile. The user is locked first, as by all who end what was begun for them."""
    user = await users.by_id(tx, code.user_id)
    if await records.code(tx, code.digest) is None:
        return None
    _check_code(code, client, redirect_url, verifier)
    browser = await dashboard.working(tx, code.session_id)
    who = await subject(tx, on.settings, user, client.id)
    if browser is None or who is None:
        raise refuse("invalid_grant", "The person has signed out, or may not sign in to this application.")
    await records.use_code(tx, code.digest)
    new = NewSession(
        ids.new("ses"),
        client.id,
        browser.address,
        browser.user_agent,
        client.id,
        browser.lineage,
        browser.methods,
        code.scope,
        browser.id,
        browser.proven_at,
        browser.acted_by,
        browser.reason,
    )
    latest_end = None if browser.acted_by is None else browser.refresh_expires_at
    session = await app_sessions.begin(tx, on, by, who.user, Start(new, minted, latest_end))
    return Begun(session, who, code.scope, browser.methods, browser.proven_at, code.nonce)


def _check_code(code: SignInCode, client: ProvenClient, redirect_url: str, verifier: str) -> None:
    """Check what a code is bound to. Raises OAuthRefused."""
    if code.expires_at <= clock.now():
        raise refuse("invalid_grant", "The code was used before, or has expired.")
    if code.client_id != client.id:
        raise refuse("invalid_grant", "The code is another application's.")
    if code.redirect_url != redirect_url or not clients.leads_to(redirect_url, client.client):
        raise refuse("invalid_grant", "redirect_uri is not the one that the code was sent to.")
    if (code.challenge is None) != (verifier == "") or (
        code.challenge is not None and session_tokens.challenge_of(verifier) != code.challenge
    ):
        raise refuse("invalid_grant", "code_verifier doesn't belong to the code_challenge.")


# ---- keys of assistants


def resources(url: str) -> tuple[str, str]:
    """Resources that assistants can ask for (RFC 8707): all, or reading alone."""
    return f"{url}/mcp", f"{url}/mcp/readonly"


async def issue_key(on: Rollbook, by: Principal, session: Session, wanted: CodeFor, new: KeyCreate) -> str:
    """A code for a person who consents, and the key that it is exchanged for. Until then the key has no text that
    anyone knows, and expires with the code. Raises ProofRequired, Forbidden."""
    key, unknown = await key_actions.prepared(on, by, new)
    assert key.expires_at is not None  # with the code
    text, code = _minted(session, wanted, key.expires_at, key.id)
    await on.write(_issue_key, by, key, unknown, code)
    return text


async def _issue_key(tx: Tx, by: Principal, key: NewKey, unknown: str, code: SignInCode) -> None:
    await key_actions.create_in(tx, by, key, unknown)
    await records.add_code(tx, code)


async def _exchange_for_key(
    on: Rollbook, by: Actor, client: ProvenClient, digest: bytes, redirect_url: str, verifier: str, resource: str
) -> TokenSet:
    code = await records.code(on.db, digest)
    if code is None or code.key_id is None:
        raise refuse("invalid_grant", "The code has expired.")
    _check_code(code, client, redirect_url, verifier)
    if resource != code.scope:
        raise refuse("invalid_target", "resource is not the one that the person consented to.")
    token, days = key_format.mint(), min(GRANT_DAYS, on.settings.key_max_age or GRANT_DAYS)
    until = clock.now() + days * clock.DAY
    text = key_format.digest(token), key_format.start(token), key_format.last_four(token), until
    by = by._replace(user_id=None)  # an assistant is no user
    if not await on.write(_give_text, by, code, text):
        await on.write(_end_key, by, code.key_id)
        raise refuse("invalid_grant", "The code was used before, so its key is revoked, or the person has signed out.")
    return TokenSet(token, None, None, None, days * clock.DAY)


async def _give_text(tx: Tx, by: Actor, code: SignInCode, text: tuple[bytes, str, str, int]) -> bool:
    user = await users.by_id(tx, code.user_id)
    if user is None or roles.is_barred(user.status) or await dashboard.working(tx, code.session_id) is None:
        return False
    assert code.key_id is not None  # of an assistant
    key = await keys.give_text(tx, code.key_id, text, code.expires_at)
    if key is not None:
        before = {"expires_at": clock.format_time(code.expires_at)}
        await events.record(tx, "key.updated", user.id, by, keys.public(key), before)
    return key is not None


async def _end_key(tx: Tx, by: Actor, id: str) -> None:
    with suppress(NotFound):  # it is revoked already
        key = await keys.revoke(tx, id)
        await events.record(tx, "key.revoked", key.user_id, by, keys.public(key))


async def _revoke_key(on: Rollbook, by: Actor, client: ProvenClient, token: str) -> None:
    """End the key of an assistant that gives it back."""
    holder = await keys.holder(on.db, key_format.digest(token))
    if holder is None or holder.key_id is None or holder.kind != "assistant":
        return
    if (await keys.get(on.db, holder.key_id)).name == client.name:
        await on.write(_end_key, by._replace(user_id=None), holder.key_id)


# ---- tokens


def _tokens(
    on: Rollbook, sign: app_sessions.Signer, client_id: str, begun: Begun, refresh_token: str | None
) -> TokenSet:
    now, issuer = clock.now(), on.settings.url
    methods = begun.methods.split() if begun.methods else []
    common = {
        "iss": issuer,
        "sub": begun.who.user.id,
        "aud": client_id,
        "iat": now // clock.SECOND,
        "sid": begun.session.id,
        "auth_time": begun.proven_at // clock.SECOND,
        **app_sessions.act_of(begun.session.acted_by),
    }
    ends_at = begun.session.refresh_expires_at if begun.session.acted_by else None
    if methods:
        common |= {"amr": methods, "acr": "aal2" if "mfa" in methods else "aal1"}
    access = {
        **common,
        "exp": min(now + app_sessions.LIFETIME, ends_at or clock.LATEST) // clock.SECOND,
        "client_id": client_id,
        "jti": ids.new("tok"),
        "scope": begun.scope,
    }
    access_token = sign(access, ACCESS)
    identity = {
        **claims_of(begun.who, begun.scope),
        **common,
        "exp": min(now + app_sessions.ID_LIFETIME, ends_at or clock.LATEST) // clock.SECOND,
        "at_hash": session_tokens.half_hash(access_token),
    }
    if begun.nonce is not None:
        identity["nonce"] = begun.nonce
    is_offline = "offline_access" in begun.scope.split()
    return TokenSet(access_token, sign(identity, ID), refresh_token if is_offline else None, begun.scope)


async def refresh(on: Rollbook, by: Actor, client: ProvenClient, text: str, scope: str) -> TokenSet:
    """The next tokens. A refresh token that comes twice ends its session. Raises OAuthRefused."""
    digests = session_tokens.refresh_digests(text)
    if digests is None:
        raise refuse("invalid_grant", "The refresh token is not one of this server.")
    sign = await app_sessions.signer(on, session_tokens.RS256)
    minted = Minted(session_tokens.mint_session(), session_tokens.mint_refresh(text), None)
    try:
        begun = await on.write(_refresh, on, client, digests, minted, scope)
    except ReusedError:
        await on.write(app_sessions.end_reused, by, digests.family, client.id)
        raise refuse("invalid_grant", "This refresh token was used before, so the session has ended.") from None
    if begun.session.acted_by is None:
        on.active[begun.session.user_id] = clock.now()
    tokens = _tokens(on, sign, client.id, begun, None)
    return tokens._replace(refresh_token=minted.refresh_token)


async def _refresh(
    tx: Tx, on: Rollbook, client: ProvenClient, digests: RefreshDigests, minted: Minted, scope: str
) -> Begun:
    grant = await records.by_family(tx, digests.family)
    if grant is None or grant.client_id != client.id or grant.refresh_expires_at <= clock.now():
        raise refuse("invalid_grant", "The session has ended.")
    if grant.refresh_digest != digests.token:
        raise ReusedError()
    if "offline_access" not in grant.scope.split():
        raise refuse("invalid_grant", "The session has no refresh tokens.")
    if not set(scope.split()) <= set(grant.scope.split()):
        raise refuse("invalid_scope", "A refresh gets no scope that the sign-in didn't have.")
    who = await subject(tx, on.settings, await session_records.user(tx, grant.user_id), client.id)
    if who is None:
        raise refuse("invalid_grant", "The person may not sign in to this application.")
    latest_end = None if grant.acted_by is None else grant.refresh_expires_at
    issue = app_sessions.digests_of(on.settings, minted, client.id, grant.created_at, clock.now(), latest_end)
    session = await session_records.renew(tx, grant.id, issue)
    return Begun(session, who, " ".join(scope.split()) or grant.scope, grant.methods, grant.proven_at)


async def userinfo(on: Rollbook, token: str) -> dict[str, Any]:
    """Claims that the scopes of an access token tell of its person now. Raises OAuthRefused."""
    claims = await app_sessions.claims_of(on, token, ACCESS)
    if claims is None or claims["iss"] != on.settings.url or claims["exp"] * clock.SECOND <= clock.now():
        raise refuse("invalid_token", "The access token is not one of this server, or has expired.", 401)
    use = await records.in_use(on.db, claims["sid"])
    who = None
    if use is not None and _is_of(use.grant, claims):
        who = await _admitted(on.db, on.settings, use.user, use.client, use.language, claims["scope"])
    if who is None:
        raise refuse("invalid_token", "The session of the access token has ended.", 401)
    if use is not None and use.grant.acted_by is None:
        on.active[who.user.id] = clock.now()
    return claims_of(who, claims["scope"])


def _is_of(grant: Grant, claims: dict[str, Any]) -> bool:
    """Test whether this is the session of a token, and goes on."""
    is_its = grant.user_id == claims["sub"] and grant.client_id == claims["aud"]
    return is_its and grant.refresh_expires_at > clock.now()


async def revoke(on: Rollbook, by: Actor, client: ProvenClient, token: str) -> None:
    """End the session of a token, if it is the application's (RFC 7009). Others' are as if they didn't exist."""
    if is_url(client.id):
        return await _revoke_key(on, by, client, token)
    digests = session_tokens.refresh_digests(token)
    if digests is not None:
        grant = await records.by_family(on.db, digests.family)
    else:
        claims = await app_sessions.claims_of(on, token, ACCESS)
        found = None if claims is None else await records.grant(on.db, claims["sid"])
        grant = found if found is not None and claims is not None and _is_of(found, claims) else None
    if grant is not None and grant.client_id == client.id:
        await on.write(_end, by, [grant.id])


async def _end(tx: Tx, by: Actor, session_ids: list[str]) -> None:
    for id in session_ids:
        if await dashboard.working(tx, id) is not None:
            await sessions.revoked(tx, by, await dashboard.end(tx, id))


# ---- signing out


class SignOutRequest(NamedTuple):
    """A request to sign out, which an ID token proves to be of whoever signed in with it."""

    client: Client
    user_id: str
    grant: Grant | None
    """None: the session has ended already."""


async def read_hint(on: Rollbook, hint: str) -> SignOutRequest | None:
    """By an ID token, expired or not."""
    claims = await app_sessions.claims_of(on, hint, ID)
    if claims is None or claims["iss"] != on.settings.url:
        return None
    working = await records.working(on.db, str(claims["aud"]))
    if working is None:
        return None
    return SignOutRequest(working.client, claims["sub"], await records.grant(on.db, claims["sid"]))


async def sign_out(on: Rollbook, by: Actor, asked: SignOutRequest, browser: Session | None) -> bool:
    """End what an application has of the browser's session in which this one began: its sessions, and a code in hand.
    Returns whether it is the session of `browser`, which then ends, too."""
    begun_in = None if asked.grant is None else asked.grant.begun_in
    is_here = browser is not None and browser.user_id == asked.user_id
    await on.write(_sign_out, by, asked, begun_in, browser.id if is_here and browser is not None else None)
    return is_here


async def _sign_out(tx: Tx, by: Actor, asked: SignOutRequest, begun_in: str | None, browser: str | None) -> None:
    client_id = asked.client.user_id
    ending = [] if asked.grant is None else [asked.grant.id]
    for session_id in {begun_in, browser} - {None}:
        assert session_id is not None
        ending += await records.begun_in(tx, session_id, client_id)
        await records.end_codes(tx, session_id, client_id)
    await _end(tx, by, [*dict.fromkeys(ending), *([] if browser is None else [browser])])


async def logout_tokens(on: Rollbook, ended: Sequence[SignOut]) -> list[str]:
    """Tokens that tell applications which of their sessions have ended (OpenID Connect Back-Channel Logout)."""
    sign = await app_sessions.signer(on, session_tokens.RS256)
    now = clock.now()
    common = {
        "iss": on.settings.url,
        "iat": now // clock.SECOND,
        "exp": (now + LOGOUT_LIFETIME) // clock.SECOND,
        "events": HAS_ENDED,
    }
    return [
        sign({**common, "sub": it.user_id, "aud": it.client_id, "sid": it.session_id, "jti": ids.new("tok")}, LOGOUT)
        for it in ended
    ]
