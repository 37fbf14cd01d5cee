"""Names of the users and API keys that an event has the IDs of, for texts that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollbook.records.examples import ALICE_ID, CHARLIE_ID, KEY_ID
from rollbook.storage.database import Queries

MAX_NAMED = 13
"""IDs that one statement looks up: user, actor and key, and those of five changes."""
FEW = 3
"""As many as most events have."""


def _names(count: int) -> str:
    ids = ", ".join("?" * count)
    return " UNION ALL ".join(
        f"SELECT id, name FROM {table} WHERE id IN ({ids})" for table in ("users", "deleted_users", "keys")
    )


NAMES_OF_FEW, NAMES = _names(FEW), _names(MAX_NAMED)

EXAMPLES: Mapping[str, str] = {ALICE_ID: "Alice Example", CHARLIE_ID: "Charlie Chaplin", KEY_ID: "CRM sync"}
"""Names in test events."""


async def of(queries: Queries, ids: Sequence[str]) -> dict[str, str]:
    """By ID, also of deleted users. Those of erased users are not found: no one knows them any more."""
    if not ids:
        return {}
    sql, count = (NAMES_OF_FEW, FEW) if len(ids) <= FEW else (NAMES, MAX_NAMED)
    found = [*ids[:count], *[""] * (count - len(ids))]
    return {row[0]: row[1] for row in await queries.all(sql, *found, *found, *found)}
