"""Since when people who need a second factor have had time to set one up."""

from __future__ import annotations

from rollbook import clock
from rollbook.storage.database import Queries, Tx, first

BEGAN = "SELECT began_at FROM second_factor_grace WHERE user_id = ?"
BEGIN = "INSERT INTO second_factor_grace (user_id, began_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
FORGET = "DELETE FROM second_factor_grace WHERE user_id = ?"


async def began(queries: Queries, user_id: str) -> int | None:
    """The time it began; None if they have not signed in since they need one."""
    return await first(queries, BEGAN, user_id)


async def begin(tx: Tx, user_id: str) -> None:
    """From now on, unless it has begun already."""
    await tx.run(BEGIN, user_id, clock.now())


async def forget(tx: Tx, user_id: str) -> None:
    await tx.run(FORGET, user_id)
