"""Search on SQLite: an index of three-letter parts (FTS5 trigram), and one of the beginnings of words, that writes do
not wait for.

A write only notes the user's `seq` in `user_search_pending`. A search asks an index, leaves out what is pending, then
looks at the pending users themselves. A job folds them into both indexes, some hundreds at a time, and merges the
segments of which FTS5 makes an index, some pages at a time: if FTS5 did so by itself, within a fold, all other writes
would wait for up to 0.3 s (decision 8).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rollbook.records import groups
from rollbook.records.user_list.query import Filters, Part, Query, beyond, count_rows, order_by, passing
from rollbook.records.user_search import are_few, folding, page, prefixes
from rollbook.records.user_search.folding import searched_text
from rollbook.storage.database import Database, Queries, Row, Statements, Tx, scalar

COLUMNS: tuple[str, ...] = ()
BATCH = 512
MANY = 20_000
"""Users who match, beyond which a page in another order than as added is first looked for among those that the list
begins with: sorting so many takes 30 ms."""
LOOKED_AT = (1_000, 20_000)
"""So many of them, then so many: 2 and 40 ms."""
CHANGED = "INSERT INTO user_search_pending (seq) VALUES (?)"
OLDEST = "SELECT number, seq FROM user_search_pending ORDER BY number LIMIT ?"
NOTED = (
    "SELECT seq, name, email FROM users WHERE seq IN (SELECT seq FROM user_search_pending WHERE number <= ?) "
    "ORDER BY seq"
)
ANY_PENDING = "SELECT 1 FROM user_search_pending LIMIT 1"
# A user's old entry goes for half of what a removal of its own costs. One who has none costs 1 µs more than INSERT.
INDEX = "REPLACE INTO user_search (rowid, text) VALUES (?, ?)"
INDEX_WORDS = "REPLACE INTO user_words (rowid, text) VALUES (?, ?)"
FORGET = "DELETE FROM user_search WHERE rowid = ?"
FORGET_WORDS = "DELETE FROM user_words WHERE rowid = ?"
FOLDED = "DELETE FROM user_search_pending WHERE number <= ?"

ERASED = "INSERT INTO user_search_erased DEFAULT VALUES"
LAST_ERASED = "SELECT coalesce(max(number), 0) FROM user_search_erased"
COMPACTED = "DELETE FROM user_search_erased WHERE number <= ?"
# https://sqlite.org/fts5.html#the_merge_command: a negative number makes one segment of all, the following positive
# ones go on with it.
MERGE = "INSERT INTO user_search (user_search, rank) VALUES ('merge', ?)"
MERGE_WORDS = "INSERT INTO user_words (user_words, rank) VALUES ('merge', ?)"
CHANGES = "SELECT total_changes()"
# How many segments the index has: the first of each, one after the other.
SEGMENTS = """
    WITH RECURSIVE segments(id) AS (
        SELECT min(segid) FROM user_search_idx
        UNION ALL SELECT (SELECT min(segid) FROM user_search_idx WHERE segid > id) FROM segments WHERE id IS NOT NULL
    ) SELECT count(id) FROM segments"""
PAGES = 64  # rewritten in one transaction when erased users are removed: some 5 ms
MERGED = 32  # rewritten in one transaction after a fold: some 3 ms
PAUSE = 0.02  # seconds between two of these transactions

PENDING = "(SELECT DISTINCT seq AS pending FROM user_search_pending) CROSS JOIN users ON users.seq = pending WHERE true"
NOT_PENDING = "NOT IN (SELECT seq FROM user_search_pending)"

Matches = Callable[[str, str], bool]


class Term(NamedTuple):
    """A term, in the spellings that are looked for."""

    q: str
    spellings: list[str]

    @property
    def is_short(self) -> bool:
        return folding.is_short(self.spellings[0])

    @property
    def table(self) -> str | None:
        """The index that is asked for it. None where nothing can match."""
        if not self.is_short:
            return "user_search"
        return None if folding.begins_none(self.spellings[0]) else "user_words"

    @property
    def phrase(self) -> str:
        """FTS5 strings: any text is data there, none is syntax."""
        written = _token if self.is_short else _quoted
        return " OR ".join([f'"{written(spelling)}"' for spelling in self.spellings])

    def matching(self) -> Matches:
        """Test whether a spelling is in a name or an email, or begins a word of them."""
        if self.table is None:
            return lambda name, email: False
        if self.is_short:
            search = re.compile("|".join(map(folding.pattern, self.spellings))).search
            return lambda name, email: search(searched_text(name, email)) is not None
        if len(self.spellings) == 1:
            only = self.spellings[0]
            return lambda name, email: only in searched_text(name, email)
        return lambda name, email: any(map(searched_text(name, email).__contains__, self.spellings))


def columns(name: str, email: str) -> dict[str, str]:
    return {}


async def changed(tx: Tx, seqs: Iterable[int]) -> None:
    await tx.many(CHANGED, [(seq,) for seq in seqs])


async def erased(tx: Tx, seq: int) -> None:
    """The entry is forgotten at once; its letters go with the next `compact`."""
    await tx.run(FORGET, seq)
    await tx.run(FORGET_WORDS, seq)
    await tx.run(ERASED)


async def find(queries: Queries, fields: str, query: Query) -> list[Row]:
    term = _term(query.filters.q)
    past = beyond(query)
    where = await passing(queries, query.filters)
    matches = term.matching()
    group = query.filters.group
    has_many, are_all = False, await are_few(queries, query.filters)
    if not are_all:
        has_many = (query.order[0].name != "added" or group is not None) and await _has_many(queries, term)
        are_all = has_many and group is not None and await groups.size(queries, group) <= MANY
    if are_all:
        sql = f"SELECT {fields}, external_id, email_key FROM users WHERE true{where.sql}{past.sql}"
        few = await queries.all(sql, *where.values, *past.values)
        return page(fields, _matching_rows(few, term.q, matches), query)
    end = query.offset + query.limit + 1
    if has_many:
        rows = await _first(queries, term, fields, query, end)
        if len(rows) >= end:
            return page(fields, rows, query)
    indexed = await _found(queries, term, fields, query, end)
    sql = f"SELECT {fields}, email_key FROM {PENDING}{where.sql}{past.sql}"
    pending = await queries.all(sql, *where.values, *past.values)
    by_prefix = await prefixes.find(queries, await prefixes.present(queries, term.q), fields, query, end)
    return page(fields, [*indexed, *[row for row in pending if matches(row[2], row[3])], *by_prefix], query)


async def count(queries: Queries, filters: Filters, limit: int | None) -> int:
    term = _term(filters.q)
    where = await passing(queries, filters, walks_far=True)
    matches = term.matching()
    if await are_few(queries, filters):
        few = await queries.all(f"SELECT id, name, email, external_id FROM users WHERE true{where.sql}", *where.values)
        return sum([_matches(id, name, email, own, term.q, matches) for id, name, email, own in few])
    by_prefix = [prefix.condition for prefix in await prefixes.present(queries, term.q)]
    index = term.table
    sql = "SELECT 0 AS seq WHERE false"
    if index is not None:
        sql = f"SELECT rowid AS seq FROM {index} WHERE {index} MATCH ? AND rowid {NOT_PENDING}"
    if by_prefix:  # several ways may find a user
        sql = " UNION ".join([sql, *[f"SELECT seq FROM users WHERE true{prefix.sql}" for prefix in by_prefix]])
    values = [value for prefix in by_prefix for value in prefix.values]
    if where.sql:
        sql = f"SELECT seq FROM ({sql}) AS found CROSS JOIN users USING (seq) WHERE true{where.sql}"
    phrase = [] if index is None else [term.phrase]
    indexed = await count_rows(queries, Part(f"({sql})", [*phrase, *values, *where.values]), limit)
    pending = await queries.all(f"SELECT id, name, email, external_id FROM {PENDING}{where.sql}", *where.values)
    return indexed + sum(
        [matches(name, email) for id, name, email, own in pending if not prefixes.has_prefix(id, own, term.q)]
    )


async def _has_many(queries: Queries, term: Term) -> bool:
    index = term.table
    if index is None:
        return False
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {index} WHERE {index} MATCH ? LIMIT ?)"
    row = await queries.one(sql, term.phrase, MANY + 1)
    return row is not None and row[0] > MANY


async def _first(queries: Queries, term: Term, fields: str, query: Query, limit: int) -> list[Row]:
    """Users who match, of those that the list begins with; when there are `limit` of them, they begin the list."""
    matches = term.matching()
    where, past, order = await passing(queries, query.filters), beyond(query), order_by(query)
    users, group = "users INDEXED BY users_name" if query.order[0].name == "name" else "users", query.filters.group
    all_of_them = Part(f"SELECT * FROM {users} WHERE true", [])
    if query.order[0].name == "added" and group is not None:
        where = await passing(queries, query.filters._replace(group=None))
        joined = "group_members AS m CROSS JOIN users ON users.seq = m.user_seq"
        all_of_them = Part(f"SELECT users.* FROM {joined} WHERE m.group_id = ?", [group])
        past, order = beyond(query, "m.user_seq"), order_by(query, "m.user_seq")
    matching: list[Row] = []
    for looked in LOOKED_AT:
        sql = (
            f"SELECT {fields}, external_id, email_key FROM ({all_of_them.sql}{past.sql}{order} LIMIT ?) AS users "
            f"WHERE true{where.sql}"
        )
        rows = await queries.all(sql, *all_of_them.values, *past.values, looked, *where.values)
        matching = _matching_rows(rows, term.q, matches)
        if len(matching) >= limit:
            break
    return matching


async def _found(queries: Queries, term: Term, fields: str, query: Query, limit: int) -> list[Row]:
    index = term.table
    if index is None:
        return []
    # By the index's own number: as added it is read in its own order, and no further than to the end of the page.
    seq = "s.rowid"
    where, past = await passing(queries, query.filters, seq), beyond(query, seq)
    sql = (
        f"SELECT {fields}, email_key FROM {index} AS s CROSS JOIN users ON users.seq = s.rowid "
        f"WHERE s.{index} MATCH ? AND s.rowid {NOT_PENDING}{where.sql}{past.sql}{order_by(query, seq)} LIMIT ?"
    )
    return await queries.all(sql, term.phrase, *where.values, *past.values, limit)


async def fold(tx: Tx) -> int:
    """Bring what was noted longest ago, up to BATCH notes, into the indexes. Returns how many there were."""
    notes = await tx.all(OLDEST, BATCH)
    if notes:
        last = notes[-1][0]
        await follow(tx, {seq for _, seq in notes}, await tx.all(NOTED, last))
        await tx.run(FOLDED, last)
    return len(notes)


async def follow(tx: Tx, seqs: set[int], users: Sequence[Row]) -> None:
    """Bring both indexes up to date with users at `seqs`. Those who are not among `users` are gone."""
    await index(tx, users)
    gone = [(seq,) for seq in sorted(seqs.difference([user[0] for user in users]))]
    await tx.many(FORGET, gone)
    await tx.many(FORGET_WORDS, gone)


async def index(tx: Statements, users: Sequence[Row]) -> None:
    """Add users, of each seq, name and email, to both indexes, in place of the entries they have."""
    texts, beginnings = entries(users)
    await tx.many(INDEX, texts)
    await tx.many(INDEX_WORDS, beginnings)


def entries(users: Iterable[Row]) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Entries of these users in the two indexes."""
    texts = [(seq, searched_text(name, email)) for seq, name, email in users]
    return texts, [(seq, _beginnings(text)) for seq, text in texts]


async def fold_pending(db: Database) -> bool:
    """`fold`, where there is anything, then what FTS5 would have done within it. A job: whether there is more."""
    if await db.one(ANY_PENDING) is None:
        return False
    is_more = await db.write(fold) == BATCH
    await merge_segments(db, MERGED)
    return is_more


async def merge_segments(db: Database, pages: int, pause: float = 0.0) -> None:
    """Merge segments that are many, `pages` in a write, until there are few. `pause` is in seconds."""
    for statement in (MERGE, MERGE_WORDS):
        is_more = True
        while is_more:
            is_more = await db.write(merge, False, statement, pages)
            await asyncio.sleep(pause)


async def compact(db: Database) -> bool:
    """Rewrite the indexes without the entries of erased users, a few pages at a time. A job."""
    number = await db.read(last_erased)
    if number:
        for statement in (MERGE, MERGE_WORDS):
            begin = True
            while await db.write(merge, begin, statement):
                begin = False
                await asyncio.sleep(PAUSE)
        await db.write(_compacted, number)
    return False


async def last_erased(queries: Queries) -> int:
    """The newest erasure that the indexes still have letters of; 0 when there is none."""
    return await scalar(queries, LAST_ERASED)


async def merge(tx: Tx, begin: bool, statement: str = MERGE, pages: int = PAGES) -> bool:
    """Rewrite the next pages of an index. Whether there are more."""
    before = await scalar(tx, CHANGES)
    await tx.run(statement, -pages if begin else pages)
    return await scalar(tx, CHANGES) - before >= 2


async def _compacted(tx: Tx, number: int) -> None:
    await tx.run(COMPACTED, number)


def _term(q: str | None) -> Term:
    assert q is not None  # or it is no search
    return Term(q, folding.spellings(q))


def _quoted(text: str) -> str:
    return text.replace('"', '""')


def _beginnings(text: str) -> str:
    """Entry of the index of words for a folded text."""
    plain = folding.plain_beginnings(text)
    return plain if plain is not None else " ".join([_token(beginning) for beginning in folding.beginnings(text)])


def _token(beginning: str) -> str:
    """Token for FTS5's tokenizer `ascii`, to which the signs of ASCII part words: in their place stand characters for
    private use."""
    last = beginning[-1]
    return beginning if last.isalnum() or last >= "\x80" else f"{beginning[:-1]}{chr(0xE000 + ord(last))}"


def _matching_rows(rows: Iterable[Row], term: str, matches: Matches) -> list[Row]:
    """Rows of the users who match, which begin with seq, id, name and email and end with external_id and email_key:
    without external_id."""
    matching: list[Row] = []
    for row in rows:
        _, id, name, email, *_, external_id, email_key = row
        if _matches(id, name, email, external_id, term, matches):
            matching.append((*row[:-2], email_key))
    return matching


def _matches(id: str, name: str, email: str, external_id: str | None, term: str, matches: Matches) -> bool:
    return matches(name, email) or prefixes.has_prefix(id, external_id, term)
