"""Unique emails and external ids on SQLite: unique indexes of `users` decide, so there is nothing to reserve."""

from __future__ import annotations

from rollbook.storage.database import Tx


async def reserve(tx: Tx, user_id: str, email_key: str, external_id: str | None) -> None: ...


async def release(tx: Tx, email_key: str, external_id: str | None) -> None: ...


async def change(
    tx: Tx, user_id: str, email_key: tuple[str | None, str | None], external_id: tuple[str | None, str | None]
) -> None: ...
