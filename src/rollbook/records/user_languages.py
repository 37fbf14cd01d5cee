"""The language in which each person last used the pages, for mails to them."""

from __future__ import annotations

from rollbook.storage.database import Queries, Tx, first

OF_USER = "SELECT language FROM user_languages WHERE user_id = ?"
ADD = "INSERT INTO user_languages (user_id, language) VALUES (?, ?) ON CONFLICT (user_id) DO "
KEEP = f"{ADD}NOTHING"
REPLACE = f"{ADD}UPDATE SET language = excluded.language WHERE user_languages.language <> excluded.language"
FORGET = "DELETE FROM user_languages WHERE user_id = ?"


async def of_user(queries: Queries, user_id: str) -> str | None:
    return await first(queries, OF_USER, user_id)


async def note(tx: Tx, user_id: str, language: str, replaces: bool = True) -> None:
    """Note a language: in place of another one, or if none is known."""
    await tx.run(REPLACE if replaces else KEEP, user_id, language)


async def forget(tx: Tx, user_id: str) -> None:
    await tx.run(FORGET, user_id)
