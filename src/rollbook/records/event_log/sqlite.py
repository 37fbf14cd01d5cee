"""The order of the event log on SQLite: events are numbered as they are written, since there is one writer at a time."""

from __future__ import annotations

from collections.abc import Sequence

from rollbook.records.event_log import COLUMNS
from rollbook.storage.database import Database, Row, Tx

APPEND = f"INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


async def append(tx: Tx, event: Row) -> None:
    await tx.run(APPEND, *event)


async def append_many(tx: Tx, events: Sequence[Row]) -> None:
    await tx.many(APPEND, events)


async def settle(db: Database) -> None: ...


async def settle_in(tx: Tx) -> None: ...
