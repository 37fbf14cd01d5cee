"""The order of the event log: every event has a number, `seq`, so that a reader can resume from the last one it saw and
miss none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from rollbook.storage.database import Database, Queries, Row, Tx, scalar

COLUMNS = (
    "id, type, user_id, created_at, actor_user, actor_key, address, request_id, trace_id, client, key_created_by, "
    "object, before"
)

ERASED_END = ',"erased":true}'
"""The end of the object of an event whose user was erased: besides, it has only the ID of what it is about."""

NEWEST = "(SELECT coalesce(max(seq), 0) FROM events)"
"""The position of the log's end, as an expression."""
POSITION = f"SELECT {NEWEST}"


async def position(queries: Queries) -> int:
    """The number of the newest event: whatever is read after it, or in the same snapshot, includes the changes up to
    there. 0: there is none."""
    return await scalar(queries, POSITION)


class EventLog(Protocol):
    async def erase(self, tx: Tx, user_id: str) -> None:
        """Erase what is personal in the events about a user: of what they are about, all but its ID, and the address
        and assistant of what the user did."""
        ...

    async def append(self, tx: Tx, event: Row) -> None:
        """Values of COLUMNS."""
        ...

    async def append_many(self, tx: Tx, events: Iterable[Row]) -> None:
        """Append the events, as the last step: until the commit, no one else on PostgreSQL can number events."""
        ...

    async def settle(self, db: Database) -> None:
        """Wait until all that was committed by now is in the log; awaited before it is read."""
        ...

    async def newest(self, db: Database) -> int:
        """The number of the newest event, 0 if there is none. All that were committed by now have one."""
        ...

    async def size(self, queries: Queries) -> int:
        """About how many bytes the log takes up, with its indexes. Costs less than a millisecond, however long the log
        is."""
        ...

    async def settle_in(self, tx: Tx) -> None:
        """Settle inside a transaction that changes what is in the log."""
        ...
