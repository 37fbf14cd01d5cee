"""Unique emails and external ids on PostgreSQL: tables of their own, whose primary keys decide a race.

A table that is partitioned or distributed by a user's id cannot have other unique indexes: each part has its own. So
they are kept apart whether `users` is in one piece or in many.
"""

from __future__ import annotations

from rollbook.storage.database import EACH, Statement, Tx

EMAIL_CLAIM = ("email_key", "user_id")
EXTERNAL_ID_CLAIM = ("external_id", "user_id")
RESERVE_EMAIL = Statement(f"INSERT INTO email_claims ({', '.join(EMAIL_CLAIM)}) VALUES (?, ?)", together=EACH)
RESERVE_EXTERNAL_ID = Statement(
    f"INSERT INTO external_id_claims ({', '.join(EXTERNAL_ID_CLAIM)}) VALUES (?, ?)", together=EACH
)
RELEASE_EMAIL = Statement("DELETE FROM email_claims WHERE email_key = ?", together=EACH)
RELEASE_EXTERNAL_ID = Statement("DELETE FROM external_id_claims WHERE external_id = ?", together=EACH)


async def reserve(tx: Tx, user_id: str, email_key: str, external_id: str | None) -> None:
    await change(tx, user_id, (None, email_key), (None, external_id))


async def release(tx: Tx, email_key: str, external_id: str | None) -> None:
    await change(tx, "", (email_key, None), (external_id, None))


async def change(
    tx: Tx, user_id: str, email_key: tuple[str | None, str | None], external_id: tuple[str | None, str | None]
) -> None:
    for (old, new), release, reserve in (
        (email_key, RELEASE_EMAIL, RESERVE_EMAIL),
        (external_id, RELEASE_EXTERNAL_ID, RESERVE_EXTERNAL_ID),
    ):
        if old == new:
            continue
        if old is not None:
            await tx.run(release, old)
        if new is not None:
            await tx.run(reserve, new, user_id)
