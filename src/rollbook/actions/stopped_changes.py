"""The link with which whoever gets mail at a user's present email stops its change, without signing in."""

from __future__ import annotations

from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.auth import tokens
from rollbook.errors import NotFound, TokenInvalid
from rollbook.records import events, one_time_tokens, users
from rollbook.records.one_time_tokens import Token
from rollbook.records.users import User
from rollbook.storage.database import Queries, Tx


async def look(on: Rollbook, text: str) -> User | None:
    """The user whose change this link stops, without stopping it. None if there is nothing to stop: it was stopped or
    made, or has expired."""
    named = tokens.stopped(on.secret, text)
    if named is None or await _change(on.db, *named) is None:
        return None
    return await users.by_id(on.db, named[0])


async def stop(on: Rollbook, by: Principal, text: str) -> User:
    """End the token that would change the email, once. Raises TokenInvalid."""
    named = tokens.stopped(on.secret, text)
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
    return next((each for each in await one_time_tokens.of_user(queries, user_id) if each.id == id), None)
