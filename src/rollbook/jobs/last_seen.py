"""Stores when keys and sessions were last used: each worker those that it served."""

from __future__ import annotations

from rollbook.gate import Gate
from rollbook.records import keys, sessions
from rollbook.storage.database import Database
from rollbook.web.site import Site


async def store(db: Database, gate: Gate, site: Site) -> bool:
    if uses := gate.take_uses():
        await db.write(keys.used, uses)
    if seen := site.take_seen():
        await db.write(sessions.seen, seen)
    return False
