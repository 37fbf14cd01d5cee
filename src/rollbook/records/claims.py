"""Who has an e-mail address or an identifier of the caller's own, on PostgreSQL: in tables whose primary keys decide a race.

On SQLite unique indexes of `users` do. A table that is partitioned or distributed by a user's id cannot have them: its indexes know one
part each. So PostgreSQL keeps them apart whether `users` is in one piece or in many. Duplicate names the same constraint either way.
"""

from __future__ import annotations

from rollbook.storage.database import Tx

TAKE_EMAIL = "INSERT INTO email_claims (email_key, user_id) VALUES (?, ?)"
TAKE_EXTERNAL_ID = "INSERT INTO external_id_claims (external_id, user_id) VALUES (?, ?)"
GIVE_EMAIL = "DELETE FROM email_claims WHERE email_key = ?"
GIVE_EXTERNAL_ID = "DELETE FROM external_id_claims WHERE external_id = ?"


async def take(tx: Tx, user_id: str, email_key: str, external_id: str | None) -> None:
    """Raises Duplicate, in one of both ways, when another user has it."""
    await change(tx, user_id, (None, email_key), (None, external_id))


async def release(tx: Tx, email_key: str, external_id: str | None) -> None:
    """The user that had them is deleted."""
    await change(tx, "", (email_key, None), (external_id, None))


async def change(
    tx: Tx, user_id: str, email_key: tuple[str | None, str | None], external_id: tuple[str | None, str | None]
) -> None:
    """What the user had, and has from now on. Raises Duplicate."""
    if tx.engine == "sqlite":
        return
    for (old, new), give, claim in ((email_key, GIVE_EMAIL, TAKE_EMAIL), (external_id, GIVE_EXTERNAL_ID, TAKE_EXTERNAL_ID)):
        if old == new:
            continue
        if old is not None:
            await tx.run(give, old)
        if new is not None:
            await tx.run(claim, new, user_id)
