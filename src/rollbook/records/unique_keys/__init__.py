"""Unique emails and external IDs: of callers who want the same one at the same moment, one gets it."""

from __future__ import annotations

from typing import Protocol

from rollbook.storage.database import Tx


class UniqueKeys(Protocol):
    async def reserve(self, tx: Tx, user_id: str, email_key: str, external_id: str | None) -> None:
        """Raises Duplicate when another user has one of the two."""
        ...

    async def release(self, tx: Tx, email_key: str, external_id: str | None) -> None:
        """The user who had them is deleted."""
        ...

    async def change(
        self, tx: Tx, user_id: str, email_key: tuple[str | None, str | None], external_id: tuple[str | None, str | None]
    ) -> None:
        """Release the keys that the user had and take those they have from now on. Raises Duplicate."""
        ...
