"""High-water marks of background jobs, such as retention in the event log: a number by name, which only rises until the
job begins again."""

from __future__ import annotations

from rollbook.storage.database import LOOK_UP, Queries, Statement, Tx, first

GET = Statement("SELECT number FROM marks WHERE name = ?", together=LOOK_UP)
LOCK = Statement(GET, locks=True)
ADVANCE = """
    INSERT INTO marks (name, number) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET number = excluded.number WHERE marks.number < excluded.number"""

FORGET = "DELETE FROM marks WHERE name = ?"


async def get(queries: Queries, name: str) -> int:
    """0 if it was never set."""
    return await first(queries, GET, name) or 0


async def lock(tx: Tx, name: str) -> int:
    """Lock the position and read it, to advance it: others who do so wait."""
    return await first(tx, LOCK, name) or 0


async def advance(tx: Tx, name: str, number: int) -> None:
    await tx.run(ADVANCE, name, number)


async def forget(tx: Tx, *names: str) -> None:
    """Begin again."""
    await tx.many(FORGET, [(name,) for name in names])
