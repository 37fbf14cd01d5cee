"""A copy's SQLite side: what is read there, and what is written besides the rows."""

from __future__ import annotations

from collections.abc import Sequence

from rollbook.records.copying import USERS, CopyTable, Positions
from rollbook.records.user_counts import sqlite as user_counts
from rollbook.records.user_search import sqlite as user_search
from rollbook.storage.bulk import CopySession
from rollbook.storage.database import Row

POSITIONS = """
    SELECT 1 + max((SELECT coalesce(max(seq), 0) FROM users), (SELECT coalesce(max(seq), 0) FROM deleted_users),
                   (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'users')),
           1 + max((SELECT coalesce(max(created_at), -1) FROM users), (SELECT coalesce(max(created_at), -1)
             FROM deleted_users)),
           1 + max((SELECT coalesce(max(seq), 0) FROM events), (SELECT coalesce(max(seq), 0) FROM erased_events)),
           (SELECT version FROM access)"""
_NO_LAST_USER = "DELETE FROM sqlite_sequence WHERE name = 'users'"
_LAST_USER = "INSERT INTO sqlite_sequence (name, seq) VALUES ('users', ?)"
_ACCESS = "UPDATE access SET version = ?"


def source(table: CopyTable) -> str:
    return table.name


async def begin(target: CopySession) -> None:
    """Its file is new: there is nothing to refuse."""


async def put(target: CopySession, table: CopyTable, rows: Sequence[Row]) -> None:
    await target.insert(table.name, table.columns, rows)
    if table is USERS:
        seq, name, email = map(table.columns.index, ("seq", "name", "email"))
        await user_counts.adjust(target, [row[seq] for row in rows], +1)
        await user_search.index(target, [(row[seq], row[name], row[email]) for row in rows])


async def finish(target: CopySession, positions: Positions, fingerprint: bytes | None) -> None:
    await target.run(_NO_LAST_USER)
    await target.run(_LAST_USER, positions.user - 1)
    await target.run(_ACCESS, positions.access)
