"""The end of all that was begun for a user, once how they sign in has changed: whoever began it may have been someone
else."""

from __future__ import annotations

from rollbook.actions import creators
from rollbook.records import challenges, events, failed_guesses, keys, one_time_tokens, second_factors, sessions, users
from rollbook.records.events import Actor
from rollbook.records.users import User
from rollbook.storage.database import Tx


async def end_begun(tx: Tx, user_id: str, keep: str | None = None) -> None:
    """End the sessions of a user but `keep`, their challenges, factors that are not activated yet, and one-time tokens,
    a change of email that waits among them. A token that confirms the email they have stays: it leads to nothing else.
    The user is locked, and the caller records an event that says so."""
    await sessions.end_all_but(tx, user_id, keep)
    await challenges.end_begun(tx, user_id)
    await second_factors.remove_unconfirmed(tx, user_id)
    await one_time_tokens.end_begun(tx, user_id)


async def end_access(tx: Tx, by: Actor, user_id: str) -> User:
    """End all that leads into an account that may be in the wrong hands, and all that was made in it: its password,
    second factors, sessions and links, and what ends with `end_made`. The user is locked."""
    await users.remove_password(tx, user_id)
    await end_factors(tx, by, user_id)
    await end_made(tx, by, await users.get(tx, user_id))
    await end_begun(tx, user_id)
    await one_time_tokens.end_all(tx, user_id)
    user = await users.get(tx, user_id)
    await events.record(tx, "user.access_ended", user_id, by, users.complete(user))
    return user


async def end_factors(tx: Tx, by: Actor, user_id: str) -> None:
    """End what a new password doesn't. The user is locked."""
    removed = await second_factors.remove_all(tx, user_id)
    if any(factor.confirmed_at is not None for factor in removed):
        lifted = {"user_id": user_id, "recovery_codes_left": 0}
        await events.record(tx, "second_factor.lifted", user_id, by, lifted)
    await failed_guesses.forget(tx, user_id)


async def end_made(tx: Tx, by: Actor, user: User) -> None:
    """End what acts for a user without their password, or was made by whoever had it: their API keys and webhooks, and
    all keys, webhooks, tokens and sessions of others that go back to them. The user is locked."""
    for key in await keys.revoke_working(tx, user.id):
        await events.record(tx, "key.revoked", user.id, by, keys.public(key))
    await creators.disable_all(tx, by, user.id, creators.ACCESS_ENDED)
    await creators.end(tx, by, user, None, creators.ACCESS_ENDED)
