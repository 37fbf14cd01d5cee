"""Unique emails and external IDs: of callers who want the same one at the same moment, one gets it.

On SQLite, unique indexes of `users` decide. On PostgreSQL, primary keys of tables of their own do: a table that is
partitioned or distributed by a user's ID cannot have other unique indexes, as each part has its own.
"""

from __future__ import annotations

from rollbook.records.dialect import dialect
from rollbook.storage.database import EACH, Statement, Tx

EMAIL_CLAIM = ("email_key", "user_id")
EXTERNAL_ID_CLAIM = ("external_id", "user_id")
RESERVE_EMAIL = Statement(f"INSERT INTO email_claims ({', '.join(EMAIL_CLAIM)}) VALUES (?, ?)", together=EACH)
RESERVE_EXTERNAL_ID = Statement(
    f"INSERT INTO external_id_claims ({', '.join(EXTERNAL_ID_CLAIM)}) VALUES (?, ?)", together=EACH
)
RELEASE_EMAIL = Statement("DELETE FROM email_claims WHERE email_key = ?", together=EACH)
RELEASE_EXTERNAL_ID = Statement("DELETE FROM external_id_claims WHERE external_id = ?", together=EACH)
NONE = (None, None)


async def change(
    tx: Tx, user_id: str, before: tuple[str | None, str | None] = NONE, after: tuple[str | None, str | None] = NONE
) -> None:
    """Release the email key and the external ID that the user had and take those they have from now on. Raises
    Duplicate when another user has one of the two."""
    if not dialect(tx).is_shared:
        return
    statements = ((RELEASE_EMAIL, RESERVE_EMAIL), (RELEASE_EXTERNAL_ID, RESERVE_EXTERNAL_ID))
    for old, new, (release, reserve) in zip(before, after, statements, strict=True):
        if old == new:
            continue
        if old is not None:
            await tx.run(release, old)
        if new is not None:
            await tx.run(reserve, new, user_id)
