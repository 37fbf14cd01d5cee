"""The clock that all servers on a database agree on: the database's own. On SQLite, that of the machine."""

from __future__ import annotations

from rollbook import clock
from rollbook.records.dialect import dialect
from rollbook.storage.database import Queries, scalar

NOW = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"


async def read(queries: Queries) -> int:
    """Microseconds since 1970. In a transaction, too, it is the time of this call."""
    if not dialect(queries).is_shared:
        return clock.now()
    return await scalar(queries, NOW)
