"""One's own email, where the server sends mail: a new one counts once its owner has opened the link that is sent to it.
So a typo locks no one out, and no one takes an address that isn't theirs. One that isn't verified is sent a link, too.
Whoever gets mail at the present email stops the change with another link, without signing in."""

from __future__ import annotations

from msgspec import UnsetType

from rollbook.actions import creators, passwords, token_requests, tokens, user_kinds
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import reaches_all, require
from rollbook.actions.principal import Principal
from rollbook.auth import tokens as token_format
from rollbook.auth.tokens import mint
from rollbook.errors import BadRequest, NotFound, TokenInvalid, TooManyRequests
from rollbook.records import events, one_time_tokens, users
from rollbook.records.one_time_tokens import NewToken, Token
from rollbook.records.users import User
from rollbook.records.webhooks import MAIL_ID
from rollbook.storage.database import Queries, Tx

WAIT = 3_600
"""Seconds after which a refused person is told to try again."""


async def ask(on: Rollbook, by: Principal, email: str, password: str | UnsetType, language: str) -> None:
    """Send a link to a new email of the caller, which changes theirs.

    Raises InsufficientScope, InvalidParameter, BadRequest, ProofRequired, WrongPassword, TooManyAttempts,
    TooManyRequests, EmailTaken, Overloaded.
    """
    require(by, "users:write", by.user_id)
    if not reaches_all(by, "users:write"):
        user_kinds.check_own_field("email", on.settings.member_fields)
    user = await users.get(on.db, by.user_id)
    await passwords.prove_for_email(on, by, user, password)
    await on.write(_add, by, await to_send(on, by, "change_email", email, language))


async def ask_to_verify(on: Rollbook, by: Principal, language: str) -> None:
    """Send a link to the caller's email, which verifies it. Raises BadRequest, TooManyRequests."""
    require(by, "users:write", by.user_id)
    user = await users.get(on.db, by.user_id)
    if user.email_verified:
        raise BadRequest("Your email is verified already.")
    await on.write(_add, by, await to_send(on, by, "verify_email", user.email, language))


async def to_send(on: Rollbook, by: Principal, purpose: str, email: str, language: str | None = None) -> NewToken:
    """A token to `add`, whose link is mailed. The limits of links that people ask for hold, so that no one is flooded
    with them. Raises BadRequest, TooManyRequests."""
    if not on.settings.sends_mail:
        raise BadRequest("This server sends no mail.")
    if not await token_requests.admits(on, email, by.address):
        raise TooManyRequests(WAIT, "Too many links were sent already.")
    text, id = mint(), by.user_id
    lifetime = tokens.lifetime(on.settings, purpose)
    new = tokens.record(text, id, purpose, lifetime, email=email, language=language, origin=creators.of(by, id))
    return tokens.to_deliver(on.secret, new, text, MAIL_ID)


async def _add(tx: Tx, by: Principal, new: NewToken) -> None:
    await add(tx, by, await users.get(tx, new.user_id), new)


async def add(tx: Tx, by: Principal, user: User, new: NewToken) -> None:
    """Raises EmailTaken."""
    await tokens.check_free(tx, user, str(new.email))
    token = await tokens.add(tx, by.actor, user, new)
    details = one_time_tokens.in_events(token) | {"send": True}
    await events.record(tx, "token.created", user.id, by.actor, details)


async def waiting(on: Rollbook, by: Principal) -> Token | None:
    """The open link that would change the caller's email; None if there is none."""
    require(by, "users:read", by.user_id)
    return await _waiting(on.db, by.user_id)


async def cancel(on: Rollbook, by: Principal) -> None:
    """End that link, if it is still open."""
    require(by, "users:write", by.user_id)
    await on.write(_cancel, by)


async def _waiting(queries: Queries, id: str) -> Token | None:
    return next(
        (token for token in await one_time_tokens.of_user(queries, id) if token.purpose == "change_email"), None
    )


async def _cancel(tx: Tx, by: Principal) -> None:
    user = await users.get(tx, by.user_id)
    if (token := await _waiting(tx, user.id)) is not None:
        await one_time_tokens.revoke(tx, token.id, user.id)
        await events.record(tx, "token.revoked", user.id, by.actor, one_time_tokens.in_events(token))


async def look_at_change(on: Rollbook, text: str) -> User | None:
    """The user whose change this link stops, without stopping it. None if there is nothing to stop: it was stopped or
    made, or has expired."""
    named = token_format.stopped(on.secret, text)
    if named is None or await _change(on.db, *named) is None:
        return None
    return await users.by_id(on.db, named[0])


async def stop_change(on: Rollbook, by: Principal, text: str) -> User:
    """End the token that would change the email, once. Raises TokenInvalid."""
    named = token_format.stopped(on.secret, text)
    if named is None:
        raise TokenInvalid()
    return await on.write(_stop, by, *named)


async def _stop(tx: Tx, by: Principal, user_id: str, id: str) -> User:
    try:
        user = await users.get(tx, user_id)  # locked first, as by all who end its tokens
    except NotFound:
        raise TokenInvalid() from None
    token = await _change(tx, user_id, id)
    if token is None:
        raise TokenInvalid()
    await one_time_tokens.revoke(tx, id, user_id)
    await events.record(tx, "token.revoked", user_id, by.actor, one_time_tokens.in_events(token))
    return user


async def _change(queries: Queries, user_id: str, id: str) -> Token | None:
    return next((token for token in await one_time_tokens.of_user(queries, user_id) if token.id == id), None)
