"""Search on SQLite: an index of three-letter parts (FTS5 trigram) that writes do not wait for.

A write only notes the user's place in `user_search_pending`. A search asks the index, leaves out what is pending, then looks at the pending
users themselves. A job folds them into the index, some hundreds at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from rollbook.records import rules
from rollbook.records.user_list.query import Filters, Query, beyond, order_by, passing, sort_keys
from rollbook.records.user_search import are_few, searched_text
from rollbook.storage.database import Database, Queries, Row, Tx

COLUMNS: tuple[str, ...] = ()
BATCH = 512

CHANGED = "INSERT INTO user_search_pending (seq) VALUES (?)"
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
PAGES = 64  # rewritten in one transaction: some 5 ms
PAUSE = 0.02  # seconds between two of these transactions

# What follows FROM, open for more conditions: whom the index finds and is not pending, and who is pending.
FOUND = """
    user_search AS s CROSS JOIN users ON users.seq = s.rowid
    WHERE s.text MATCH ? AND s.rowid NOT IN (SELECT seq FROM user_search_pending)"""
PENDING = "(SELECT DISTINCT seq AS pending FROM user_search_pending) CROSS JOIN users ON users.seq = pending WHERE true"


def columns(name: str, email: str) -> dict[str, str]:
    return {}


async def changed(tx: Tx, seqs: Iterable[int]) -> None:
    await tx.many(CHANGED, [(seq,) for seq in seqs])


async def erased(tx: Tx, seq: int) -> None:
    """The entry is forgotten at once; its letters go with the next `compact`."""
    await tx.run(FORGET, seq)
    await tx.run(ERASED)


async def find(queries: Queries, wanted: str, query: Query) -> list[Row]:
    term = query.filters.q
    assert term is not None  # or it is no search
    end = query.offset + query.limit + 1
    past = beyond(query)
    where = await passing(queries, query.filters)
    if await are_few(queries, query.filters):
        sql = f"SELECT {wanted}, email_key FROM users WHERE true{where.sql}{past.sql}"
        few = await queries.all(sql, *where.values, *past.values)
        return _sorted([row for row in few if _matches(row[2], row[3], term)], query)[query.offset : end]
    found = await _found(queries, wanted, query, end)
    sql = f"SELECT {wanted}, email_key FROM {PENDING}{where.sql}{past.sql}"
    pending = await queries.all(sql, *where.values, *past.values)
    return _sorted(found + [row for row in pending if _matches(row[2], row[3], term)], query)[query.offset : end]


async def count(queries: Queries, filters: Filters) -> int:
    term = filters.q
    assert term is not None  # or it is no search
    where = await passing(queries, filters)
    if await are_few(queries, filters):
        few = await queries.all(f"SELECT name, email FROM users WHERE true{where.sql}", *where.values)
        return sum([_matches(name, email, term) for name, email in few])
    row = await queries.one(f"SELECT count(*) FROM {FOUND}{where.sql}", _phrase(term), *where.values)
    assert row is not None  # count(*) always has a row
    pending = await queries.all(f"SELECT name, email FROM {PENDING}{where.sql}", *where.values)
    return row[0] + sum([_matches(name, email, term) for name, email in pending])


async def _found(queries: Queries, wanted: str, query: Query, limit: int) -> list[Row]:
    # By the index's own number: in the order of age it is read in its own order, and no further than to the end of the page.
    seq = "s.rowid"
    where, past = await passing(queries, query.filters, seq), beyond(query, seq)
    sql = f"SELECT {wanted}, email_key FROM {FOUND}{where.sql}{past.sql}{order_by(query, seq)} LIMIT ?"
    return await queries.all(sql, _phrase(query.filters.q or ""), *where.values, *past.values, limit)


async def fold(tx: Tx) -> int:
    """Bring what was noted longest ago, up to BATCH notes, into the index. Returns how many there were."""
    notes = await tx.all(OLDEST, BATCH)
    for seq in sorted({seq for _, seq in notes}):
        await tx.run(FORGET, seq)
        user = await tx.one(NOW, seq)
        if user is not None:
            await tx.run(INDEX, seq, searched_text(*user))
    if notes:
        await tx.run(FOLDED, notes[-1][0])
    return len(notes)


async def fold_pending(db: Database) -> bool:
    """`fold`, where there is anything. A job: whether there is more."""
    return await db.one(ANY_PENDING) is not None and await db.write(fold) == BATCH


async def compact(db: Database) -> bool:
    """Rewrite the index without the entries of erased users, a few pages at a time. A job."""
    number = await db.read(last_erased)
    if number:
        begin = True
        while await db.write(merge, begin):
            begin = False
            await asyncio.sleep(PAUSE)
        await db.write(_compacted, number)
    return False


async def last_erased(queries: Queries) -> int:
    """The newest erasure that the index still has letters of; 0 when there is none."""
    row = await queries.one(LAST_ERASED)
    assert row is not None  # max() always has a row
    return row[0]


async def merge(tx: Tx, begin: bool) -> bool:
    """Rewrite the next pages of the index. Whether there are more."""
    before = await tx.one(CHANGES)
    await tx.run(MERGE, -PAGES if begin else PAGES)
    after = await tx.one(CHANGES)
    assert before is not None and after is not None  # neither has a FROM
    return after[0] - before[0] >= 2


async def _compacted(tx: Tx, number: int) -> None:
    await tx.run(COMPACTED, number)


def _phrase(term: str) -> str:
    """The term as an FTS5 string: any text is data there, none is syntax."""
    return '"' + rules.fold(term).replace('"', '""') + '"'


def _matches(name: str, email: str, term: str) -> bool:
    folded = rules.fold(term)
    return folded in rules.fold(name) or folded in rules.fold(email)


def _sorted(rows: list[Row], query: Query) -> list[Row]:
    at = {"seq": 0, "name": 2, "email_key": -1}
    # The last key first: Python's sort is stable, so the first key decides in the end.
    for column, descending in reversed(sort_keys(query.order)):
        rows.sort(key=lambda row, index=at[column]: row[index], reverse=descending != query.is_backwards)  # type: ignore[misc]
    return rows
