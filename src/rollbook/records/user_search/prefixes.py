"""Search by the first characters of an ID or an external ID, in the indexes that these have anyway."""

from __future__ import annotations

from typing import NamedTuple

from rollbook import ids
from rollbook.records import rules
from rollbook.records.user_list.query import ANY, Part, Query, beyond, order_by, passing
from rollbook.storage.database import Queries, Row

LOOKED_AT = {2_000: 1_000, 20_000: 20_000}
"""Of more users with the prefix than this, the page is first looked for among so many of those that the list begins
with. Otherwise all are sorted: 20,000 take 30 ms."""
MANY = max(LOOKED_AT)
_ID = ids.new("user")[:5]

COUNT_FEW = {
    column: f"SELECT count(*) FROM (SELECT 1 FROM users WHERE {column} >= ? AND {column} < ? LIMIT {MANY + 1}) AS few"
    for column in ("external_id", "id")
}


class Range(NamedTuple):
    """Texts of a column of `users` from `low` up to `high`, exclusive: those that begin with `low`."""

    column: str
    low: str
    high: str

    @property
    def condition(self) -> Part:
        """Begins with AND."""
        return Part(f" AND {self.column} >= ? AND {self.column} < ?", [self.low, self.high])


def ranges(term: str) -> list[Range]:
    """Ranges in which a term is looked for as a prefix. `user_` alone, with which all IDs begin, is no prefix of
    one."""
    result = [Range("external_id", term, _after(term))]
    folded = rules.fold(term)
    if folded.startswith(_ID) and folded != _ID:
        result.append(Range("id", folded, _after(folded)))
    return result


def has_prefix(id: str, external_id: str | None, term: str) -> bool:
    """Test whether `ranges` finds this user."""
    folded = rules.fold(term)
    return (external_id or "").startswith(term) or (folded != _ID and folded.startswith(_ID) and id.startswith(folded))


async def present(queries: Queries, term: str) -> dict[Range, int]:
    """The ranges in which there are users, and how many, up to one more than MANY."""
    counts = {}
    for span in ranges(term):
        row = await queries.one(COUNT_FEW[span.column], span.low, span.high)
        if row is not None and row[0]:
            counts[span] = row[0]
    return counts


async def find(queries: Queries, counts: dict[Range, int], fields: str, query: Query, limit: int) -> list[Row]:
    """The first users of the query that each range has, `limit` of each, and `email_key` behind what is wanted."""
    rows: list[Row] = []
    where, past, order = await passing(queries, query.filters), beyond(query), order_by(query)
    select, rest = f"SELECT {fields}, email_key FROM", f"users WHERE true{where.sql}{past.sql}"
    values = [*where.values, *past.values]
    for span, users in counts.items():
        condition = span.condition
        page: list[Row] = []
        for looked in [looked for many, looked in LOOKED_AT.items() if users > many]:
            first = f"(SELECT * FROM {rest}{order} LIMIT {looked}) AS users WHERE true{condition.sql}"
            page = await queries.all(f"{select} {first}{order} LIMIT ?", *values, *condition.values, limit)
            if len(page) == limit:
                break
        if len(page) == limit:
            rows += page
            continue
        # Behind LIMIT, so that the index of the column is what finds them.
        seqs = Part(
            f"SELECT seq FROM (SELECT seq FROM users WHERE true{condition.sql} LIMIT {1 << 62}) AS few",
            condition.values,
        )
        if query.order[0].name == "added" and query.filters._replace(q=None, first_seq=None, last_seq=None) == ANY:
            # What decides is all in their numbers: no further user is looked at than those of the page.
            end = f" WHERE true{where.sql}{past.sql}{order} LIMIT ?"
            seqs = Part(seqs.sql + end, [*seqs.values, *values, limit])
        rows += await queries.all(
            f"{select} {rest} AND seq IN ({seqs.sql}){order} LIMIT ?", *values, *seqs.values, limit
        )
    return rows


def _after(text: str) -> str:
    """The least text that is greater than all that begin with this one, in the order of code points."""
    last = ord(text[-1]) + 1
    if last > 0x10FFFF:
        return _after(text[:-1]) if len(text) > 1 else text + text
    return text[:-1] + chr(0xE000 if last == 0xD800 else last)
