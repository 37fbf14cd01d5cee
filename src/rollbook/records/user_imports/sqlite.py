"""Many users at once on SQLite: inserted together, then asked which of them are there."""

from __future__ import annotations

from collections.abc import Sequence

from rollbook import clock
from rollbook.errors import EmailTaken, ExternalIdTaken
from rollbook.records import events, password_parameters
from rollbook.records.events import Actor
from rollbook.records.user_counts import sqlite as user_counts
from rollbook.records.user_imports import BATCH, Prepared, Refused, created, insert
from rollbook.records.user_search import sqlite as user_search
from rollbook.records.user_search.sqlite import FOLDED, FORGET, FORGET_WORDS, OLDEST
from rollbook.records.users import KEPT
from rollbook.storage.database import Tx

# An import writes all over the indexes of emails and names: pages that don't fit into the cache are read and logged again and again.
CACHE = "PRAGMA cache_size = -262144"  # KiB
ADD = f"{insert(KEPT)} ON CONFLICT DO NOTHING"
ADDED = "SELECT seq FROM users WHERE seq >= ?"
LAST = "UPDATE sqlite_sequence SET seq = ? WHERE name = 'users'"
HAS_EMAIL = "SELECT 1 FROM users WHERE email_key = ?"
TO_INDEX = """
    SELECT seq, name, email FROM users
    WHERE seq BETWEEN ? AND ? AND seq IN (SELECT seq FROM user_search_pending WHERE number <= ?) ORDER BY seq"""


async def add(tx: Tx, new: Sequence[Prepared], by: Actor) -> list[Refused]:
    await tx.run(CACHE)
    first, start = await user_counts.assign(tx, clock.now())
    await tx.many(ADD, [user.row(first + at, start + at) for at, user in enumerate(new)])
    added = [row[0] for row in await tx.all(ADDED, first)]
    refused: list[Refused] = []
    if len(added) < len(new):
        refused = await _refused(tx, new, first, set(added))
        # Refused rows consumed sequence numbers. Hand them back, or importing a file again leaves gaps.
        await tx.run(LAST, added[-1] if added else first - 1)
    if added:
        await user_counts.adjust(tx, added, +1)
        await user_search.changed(tx, added)
        await password_parameters.note_imported(tx, [new[seq - first].password_hash for seq in added])
        await events.record_many(tx, created([(new[seq - first], start + seq - first) for seq in added], by))
    return refused


async def index(tx: Tx) -> int:
    """As `user_search.sqlite.fold` does, many at once."""
    await tx.run(CACHE)
    notes = await tx.all(OLDEST, BATCH)
    if not notes:
        return 0
    seqs = sorted({seq for _, seq in notes})
    for forget in (FORGET, FORGET_WORDS):
        await tx.many(forget, [(seq,) for seq in seqs])
    found = await tx.all(TO_INDEX, seqs[0], seqs[-1], notes[-1][0])
    await user_search.index(tx, found)
    await tx.run(FOLDED, notes[-1][0])
    return len(notes)


async def _refused(tx: Tx, new: Sequence[Prepared], first: int, added: set[int]) -> list[Refused]:
    refused: list[Refused] = []
    for at, user in enumerate(new):
        if first + at not in added:
            email_taken = await tx.one(HAS_EMAIL, user.email_key) is not None
            refused.append((at, EmailTaken() if email_taken else ExternalIdTaken()))
    return refused
