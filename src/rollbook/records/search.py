"""Search: users whose name or e-mail contains a text, exact right after a write, without making writes dear.

A write only notes the user's place in `user_search_pending`. A search asks the three-letter index (FTS5 trigram) and leaves out what is
pending there, then looks at the pending users themselves. The background folds them into the index, some hundreds at a time.
"""

from __future__ import annotations

from rollbook.records import rules
from rollbook.storage.database import Queries, Row, Tx

SHORTEST = 3  # characters: what a three-letter index can find
BATCH = 512

TOUCHED = "INSERT INTO user_search_pending VALUES (?) ON CONFLICT DO NOTHING"
PENDING = "SELECT p.seq, u.name, u.email FROM user_search_pending p LEFT JOIN users u ON u.seq = p.seq ORDER BY p.seq LIMIT ?"
ANY_PENDING = "SELECT 1 FROM user_search_pending LIMIT 1"
FORGET = "DELETE FROM user_search WHERE rowid = ?"
INDEX = "INSERT INTO user_search (rowid, text) VALUES (?, ?)"
FOLDED = "DELETE FROM user_search_pending WHERE seq = ?"


async def touched(tx: Tx, seq: int) -> None:
    """The name or e-mail at this place is new, other or gone."""
    await tx.run(TOUCHED, seq)


async def fold(tx: Tx) -> int:
    """Bring up to 512 pending users into the index. Returns how many it were."""
    rows = await tx.all(PENDING, BATCH)
    for seq, name, email in rows:
        await tx.run(FORGET, seq)
        if name is not None:
            await tx.run(INDEX, seq, indexed_text(name, email))
        await tx.run(FOLDED, seq)
    return len(rows)


async def is_pending(queries: Queries) -> bool:
    return await queries.one(ANY_PENDING) is not None


def indexed_text(name: str, email: str) -> str:
    """What is searched. The line break, which no search term holds, keeps a match within one of the two."""
    return f"{rules.fold(name)}\n{rules.fold(email)}"


def phrase(term: str) -> str:
    """The term as an FTS5 string: any text is data there, none is syntax."""
    return '"' + rules.fold(term).replace('"', '""') + '"'


def matches(row: Row, term: str) -> bool:
    """Whether a pending user (seq, name, email) contains the term."""
    folded = rules.fold(term)
    return folded in rules.fold(row[1]) or folded in rules.fold(row[2])
