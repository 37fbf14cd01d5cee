"""Lineages: the users that a key, webhook, one-time token or session goes back to, beside its own. It does nothing
while one of them is suspended, and ends when one of them loses the right to have created it."""

from __future__ import annotations

from collections.abc import Iterable

from rollbook.storage.database import EACH, Statement, Tx

KEEP = Statement("INSERT INTO lineages (lineage, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING", together=EACH)
FORGET = "DELETE FROM lineages WHERE user_id = ?"
IS_SUSPENDED = """
    EXISTS (SELECT 1 FROM lineages JOIN users ON users.id = lineages.user_id
      WHERE lineages.lineage = {} AND users.status = 'suspended')"""
"""Condition of a column with a lineage: one of its users is suspended."""


def of(user_ids: Iterable[str]) -> str | None:
    """Lineage of these users. None: there are none."""
    return " ".join(sorted(user_ids)) or None


def users(lineage: str | None) -> frozenset[str]:
    return frozenset((lineage or "").split())


async def keep(tx: Tx, lineage: str | None) -> None:
    """Store a lineage, if it is not there yet, so that it is found by each of its users."""
    for user_id in sorted(users(lineage)):
        await tx.run(KEEP, lineage, user_id)


async def forget(tx: Tx, user_id: str) -> None:
    """Erase a user, whose lineages have all ended."""
    await tx.run(FORGET, user_id)
