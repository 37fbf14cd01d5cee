"""A new email of one's own, where the server sends mail: it counts once its owner has opened the link that is sent to
it. So a typo locks no one out, and no one takes an address that isn't theirs."""

from __future__ import annotations

from msgspec import UnsetType

from rollbook.actions import passwords, token_requests, tokens
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require
from rollbook.actions.principal import Principal
from rollbook.auth.tokens import mint
from rollbook.errors import TooManyRequests
from rollbook.records import events, one_time_tokens, users
from rollbook.records.one_time_tokens import NewToken
from rollbook.records.webhooks import MAIL_ID
from rollbook.storage.database import Tx

WAIT = 3_600
"""Seconds after which a refused person is told to try again."""


async def ask(on: Rollbook, by: Principal, email: str, password: str | UnsetType, language: str) -> None:
    """Send a link to a new email of the caller, which changes theirs. The limits of links that people ask for hold, so
    that no one is flooded with them.

    Raises InvalidParameter, ProofRequired, WrongPassword, TooManyAttempts, TooManyRequests, EmailTaken, Overloaded.
    """
    require(by, "users:write", by.user_id)
    user = await users.get(on.db, by.user_id)
    await passwords.prove_for_email(on, by, user, password)
    if not await token_requests.admits(on, email, by.address):
        raise TooManyRequests(WAIT, "Too many links were sent already.")
    text = mint()
    new = tokens.record(
        text,
        user.id,
        "change_email",
        tokens.lifetime(on.settings, "change_email"),
        email=email,
        language=language,
        created_by=user.id,
    )
    await on.write(_add, by, tokens.to_deliver(on.secret, new, text, MAIL_ID))


async def _add(tx: Tx, by: Principal, new: NewToken) -> None:
    user = await users.get(tx, new.user_id)
    await tokens.check_free(tx, user, str(new.email))
    token = await tokens.add(tx, user, new)
    told = one_time_tokens.in_events(token) | {"send": True}
    await events.record(tx, "token.created", user.id, by.actor, told)
