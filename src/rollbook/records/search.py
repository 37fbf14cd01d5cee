"""Search: users whose name or e-mail contains a text, exact right after a write, without making writes dear.

A write only notes the user's place in `user_search_pending`. A search asks the three-letter index (FTS5 trigram) and leaves out what is
pending there, then looks at the pending users themselves. The background folds them into the index, some hundreds at a time.
"""

from __future__ import annotations

from rollbook.records import rules
from rollbook.storage.database import Queries, Row, Tx

SHORTEST = 3  # characters: what a three-letter index can find
BATCH = 512

TOUCHED = "INSERT INTO user_search_pending (seq) VALUES (?)"
OLDEST = "SELECT number, seq FROM user_search_pending ORDER BY number LIMIT ?"
NOW = "SELECT name, email FROM users WHERE seq = ?"
ANY_PENDING = "SELECT 1 FROM user_search_pending LIMIT 1"
FORGET = "DELETE FROM user_search WHERE rowid = ?"
INDEX = "INSERT INTO user_search (rowid, text) VALUES (?, ?)"
FOLDED = "DELETE FROM user_search_pending WHERE number <= ?"

ERASED = "INSERT INTO user_search_erased DEFAULT VALUES"
LAST_ERASED = "SELECT coalesce(max(number), 0) FROM user_search_erased"
COMPACTED = "DELETE FROM user_search_erased WHERE number <= ?"
# https://sqlite.org/fts5.html#the_merge_command: a negative number makes one segment of all, the following positive ones go on with it.
MERGE = "INSERT INTO user_search (user_search, rank) VALUES ('merge', ?)"
CHANGES = "SELECT total_changes()"
PAGES = 64  # written anew in one transaction: some 5 ms


async def touched(tx: Tx, seq: int) -> None:
    """The name or e-mail at this place is new, other or gone. On PostgreSQL the index of `users.search_text` follows by itself."""
    if tx.engine == "postgresql":
        return
    await tx.run(TOUCHED, seq)


async def fold(tx: Tx) -> int:
    """Bring what was noted longest ago, up to 512 notes, into the index. Returns how many it were."""
    notes = await tx.all(OLDEST, BATCH)
    for seq in sorted({seq for _, seq in notes}):
        await tx.run(FORGET, seq)
        user = await tx.one(NOW, seq)
        if user is not None:
            await tx.run(INDEX, seq, indexed_text(*user))
    if notes:
        await tx.run(FOLDED, notes[-1][0])
    return len(notes)


async def erased(tx: Tx, seq: int) -> None:
    """The user that was at this place is erased for good. Its entry is forgotten at once, its letters go with the next compaction."""
    if tx.engine == "postgresql":
        return
    await tx.run(FORGET, seq)
    await tx.run(ERASED)


async def last_erased(queries: Queries) -> int:
    """What to begin a compaction with; 0 when there is nothing to do."""
    row = await queries.one(LAST_ERASED)
    assert row is not None  # max() always has a row
    return row[0]


async def compact(tx: Tx, begin: bool) -> bool:
    """Write the next pages of the index anew, without entries that were deleted. Whether there are more."""
    before = await tx.one(CHANGES)
    await tx.run(MERGE, -PAGES if begin else PAGES)
    after = await tx.one(CHANGES)
    assert before is not None and after is not None  # neither has a FROM
    return after[0] - before[0] >= 2


async def compacted(tx: Tx, number: int) -> None:
    """The compaction that began with this `last_erased` is done."""
    await tx.run(COMPACTED, number)


async def is_pending(queries: Queries) -> bool:
    return await queries.one(ANY_PENDING) is not None


def indexed_text(name: str, email: str) -> str:
    """What is searched. The line break, which no search term holds, keeps a match within one of the two."""
    return f"{rules.fold(name)}\n{rules.fold(email)}"


def phrase(term: str) -> str:
    """The term as an FTS5 string: any text is data there, none is syntax."""
    return '"' + rules.fold(term).replace('"', '""') + '"'


def pattern(part: str) -> str:
    """Part of a folded term for LIKE over `users.search_text`, whose wildcards are data here."""
    return "%" + part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def matches(row: Row, term: str) -> bool:
    """Whether a pending user (seq, name, email) contains the term."""
    folded = rules.fold(term)
    return folded in rules.fold(row[1]) or folded in rules.fold(row[2])
