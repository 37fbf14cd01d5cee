"""Many users at once on SQLite: inserted together, then asked which of them are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from rollbook import clock
from rollbook.errors import EmailTaken, ExternalIdTaken, IdTaken
from rollbook.records import event_log, events, password_parameters, user_dates
from rollbook.records.events import Actor
from rollbook.records.user_counts import sqlite as user_counts
from rollbook.records.user_imports import (
    BATCH,
    Existing,
    Match,
    PreparedUser,
    RefusedUser,
    Taken,
    created,
    dates,
    values,
    with_own_event,
)
from rollbook.records.user_search import sqlite as user_search
from rollbook.records.user_search.sqlite import FOLDED, OLDEST
from rollbook.records.users import COLUMNS, KEPT, User
from rollbook.storage.database import Database, Tx, scalar
from rollbook.storage.sqlite_connection import insert_rows

# An import writes all over the indexes of emails and names. Ten times as much saves no CPU: pages that don't fit are in
# the cache of the operating system. Three times what other connections have, since a batch changes many.
CACHE = "PRAGMA cache_size = -24576"  # KiB
ADDED = "SELECT seq FROM users WHERE seq >= ?"
LAST = "UPDATE sqlite_sequence SET seq = ? WHERE name = 'users'"
HAS_EMAIL = "SELECT 1 FROM users WHERE email_key = ?"
HAS_EXTERNAL_ID = "SELECT 1 FROM users WHERE external_id = ?"
EXISTING = {
    "email": f"SELECT email_key, password_hash IS NOT NULL, {COLUMNS} FROM users WHERE email_key IN (SELECT value "
    "FROM json_each(?))",
    "external_id": f"SELECT external_id, password_hash IS NOT NULL, {COLUMNS} FROM users WHERE external_id IN "
    "(SELECT value FROM json_each(?))",
}
GONE = """
    SELECT value FROM json_each(?)
    WHERE value IN (SELECT id FROM deleted_users) OR value IN (SELECT id FROM purged_users)"""
MANY_SEGMENTS = 52
"""FTS5 merges at 64 (`crisismerge`). A batch of the command line adds about four."""
MERGED = 256
"""Pages rewritten in one transaction: some 50 ms, less than a batch takes, and half of the work of 16 at a time."""
ENTRY = ("rowid", "text")
TO_INDEX = """
    SELECT seq, name, email FROM users
    WHERE seq BETWEEN ? AND ? AND seq IN (SELECT seq FROM user_search_pending WHERE number <= ?) ORDER BY seq"""

_encode = msgspec.json.Encoder().encode


async def existing(tx: Tx, match: Match, keys: Sequence[str]) -> dict[str, Existing]:
    rows = await tx.all(EXISTING[match], _encode(keys).decode())
    return {row[0]: Existing(User._make(row[2:]), bool(row[1])) for row in rows}


async def add(tx: Tx, new: Sequence[PreparedUser], by: Actor, match: Match, all_events: bool) -> list[RefusedUser]:
    await tx.run(CACHE)
    own = [user.new.id for user in new if user.has_own_id]
    deleted = {row[0] for row in await tx.all(GONE, _encode(own).decode())} if own else set()
    first, start = await user_counts.assign(tx, clock.now())
    latest = await user_dates.latest(tx)
    pairs = [
        (user, user.at(first + number, at))
        for number, (user, at) in enumerate(zip(new, dates(new, start), strict=True))
    ]
    rows = (values(user, prepared) for prepared, user in pairs if user.id not in deleted)
    await insert_rows(tx, "users", KEPT, rows, "ON CONFLICT DO NOTHING")
    added = {row[0] for row in await tx.all(ADDED, first)}
    refused: list[RefusedUser] = []
    if len(added) < len(new):
        refused = [
            (user.seq - first, await _taken(tx, prepared, match)) for prepared, user in pairs if user.seq not in added
        ]
        # Refused rows consumed sequence numbers. Hand them back, or importing a file again leaves gaps.
        await tx.run(LAST, max(added, default=first - 1))
        pairs = [pair for pair in pairs if pair[1].seq in added]
    if added:
        await user_counts.adjust(tx, added, +1)
        await _index(tx, [user for _, user in pairs])
        await user_dates.note(tx, user_dates.mixed_by([user.created_at for _, user in pairs], latest))
        await password_parameters.note_imported(tx, [prepared.password_hash for prepared, _ in pairs])
        if not all_events:
            await event_log.note_added(tx, min(added), max(added), clock.now())
        if recorded := with_own_event(pairs, all_events):
            await events.record_many(tx, created(recorded, by))
    return refused


async def _index(tx: Tx, added: Iterable[User]) -> None:
    """At once, and not noted to be indexed in time: that would be a third more work, and searches meanwhile look at
    each who is noted."""
    texts, beginnings = user_search.entries((user.seq, user.name, user.email) for user in added)
    await insert_rows(tx, "user_search", ENTRY, texts)
    await insert_rows(tx, "user_words", ENTRY, beginnings)


async def tidy(db: Database) -> None:
    """Merge the segments of the search index before there are so many that FTS5 does, within a write."""
    if await scalar(db, user_search.SEGMENTS) >= MANY_SEGMENTS:
        await user_search.merge_segments(db, MERGED)


async def index(tx: Tx) -> int:
    """Index users as `user_search.sqlite.fold` does, many at once."""
    await tx.run(CACHE)
    notes = await tx.all(OLDEST, BATCH)
    if not notes:
        return 0
    seqs, last = {seq for _, seq in notes}, notes[-1][0]
    await user_search.follow(tx, seqs, await tx.all(TO_INDEX, min(seqs), max(seqs), last))
    await tx.run(FOLDED, last)
    return len(notes)


async def _taken(tx: Tx, user: PreparedUser, match: Match) -> Taken:
    external_id = user.new.external_id
    email_taken = await tx.one(HAS_EMAIL, user.email_key) is not None
    external_id_taken = external_id is not None and await tx.one(HAS_EXTERNAL_ID, external_id) is not None
    if match == "external_id" and external_id_taken:
        return ExternalIdTaken()
    return EmailTaken() if email_taken else ExternalIdTaken() if external_id_taken else IdTaken()
