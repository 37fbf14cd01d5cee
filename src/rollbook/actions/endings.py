"""The end of all that was begun for a user, once how they sign in has changed: whoever began it may have been someone
else."""

from __future__ import annotations

from rollbook.records import challenges, one_time_tokens, second_factors, sessions
from rollbook.storage.database import Tx


async def end_begun(tx: Tx, user_id: str, keep: str | None = None) -> None:
    """End the sessions of a user but `keep`, their challenges, factors that are not activated yet, and one-time tokens,
    a change of email that waits among them. A token that confirms the email they have stays: it leads to nothing else.
    The user is locked, and the caller records an event that says so."""
    await sessions.end_all_but(tx, user_id, keep)
    await challenges.end_begun(tx, user_id)
    await second_factors.remove_unconfirmed(tx, user_id)
    await one_time_tokens.end_begun(tx, user_id)
