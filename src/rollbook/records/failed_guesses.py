"""Wrong passwords and codes in a row, counted by user for all nodes together."""

from __future__ import annotations

from typing import Literal

from rollbook.storage.database import Queries, Statement, Tx, first, scalar

GuessKind = Literal["password", "code"]

COUNT = "SELECT failures FROM failed_guesses WHERE account = ? AND kind = ?"
COUNT_LOCKED = Statement(COUNT, locks=True)
ADD = """
    INSERT INTO failed_guesses (account, kind, failures) VALUES (?, ?, 1)
    ON CONFLICT (account, kind) DO UPDATE SET failures = failed_guesses.failures + 1 RETURNING failures"""
END = "DELETE FROM failed_guesses WHERE account = ? AND kind = ?"
FORGET = "DELETE FROM failed_guesses WHERE account = ?"


async def count(queries: Queries, user_id: str, kind: GuessKind) -> int:
    """Failures since the last right one."""
    return await first(queries, COUNT, user_id, kind) or 0


async def lock(tx: Tx, user_id: str, kind: GuessKind) -> int:
    """Lock the count of failures since the last right guess, and read it."""
    return await first(tx, COUNT_LOCKED, user_id, kind) or 0


async def add(tx: Tx, account: str, kind: GuessKind) -> int:
    """Count a failure. Returns how many there are with it."""
    return await scalar(tx, ADD, account, kind)


async def end(tx: Tx, user_id: str, kind: GuessKind) -> None:
    """Begin to count from zero again."""
    await tx.run(END, user_id, kind)


async def forget(tx: Tx, user_id: str) -> None:
    await tx.run(FORGET, user_id)
