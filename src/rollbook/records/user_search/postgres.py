"""Search on PostgreSQL: whether its index is asked, and for which letters of a term.

| way | when | what is read |
| --- | --- | --- |
| `_among_few` | other filters leave few users | these users |
| `_among_first` | the page should be full soon | the first users of the list; if it isn't full, one of the next |
| `_among_all` | a fifth of all users hold the term | the list in its order, until the page is full |
| `_by_index` | fewer hold it | the users whom an index finds, who are sorted |

A sample of users tells how many hold a term. It decides about the way, never about what is found. PostgreSQL can't
decide: it thinks a search a thousand times too cheap or too expensive. OFFSET 0 and LIMIT inside keep what they enclose
together.

The index (pg_trgm) has a list of users for each three letters. To find a term it goes through the lists of all its
threes side by side, those that nearly everybody has too: 90 ms for `user7300000@` among ten million users. So it is
asked for those alone that save more than they cost (`rare_parts`): 3 ms. Terms of one and two characters are found by
an index of their own (`BEGINNINGS`).
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import NamedTuple

from rollbook.records.dialect import dialect
from rollbook.records.user_list.query import Filters, Part, Query, beyond, count_rows, order_by, passing
from rollbook.records.user_search import are_few, folding, page, prefixes
from rollbook.records.user_search.folding import searched_text
from rollbook.storage.database import Queries, Row, Tx, scalar

COLUMNS = ("search_text",)

SAMPLED = 2_000
"""Users in a sample, about: some 5 ms, and 0.3 MB of memory in a worker."""
LOOKED_AT = 20_000
"""Users that are looked at in the order of the list before the index is asked: 10 to 20 ms as added, 80 by name."""
MANY = 0.2
"""The share of users that hold a term, from which a page is looked for among all."""
MANY_COUNTED = 0.02
"""The share of users that the index finds, from which they are counted among all, which several processes of PostgreSQL
can do together. Of a short term it is MANY: comparing one takes a regular expression."""
LONGEST = 60
"""Letters of a longer term that are thought about."""
# What these cost beside a user that the index finds (8 µs): one that is looked at as added, one in the index's list.
_LOOKED = 0.1
_LISTED = 0.000_75

LAST = "SELECT coalesce(max(seq), 0) FROM users"
# Of whole pages of the table: users chosen one by one are a page of the table and one of an index each, and from a cold
# disk these take seconds. Of a quarter of their users, since neighbors are alike.
SAMPLE = "SELECT search_text FROM users TABLESAMPLE SYSTEM (?) WHERE random() < ?"
# What parts words is the same to the index, whatever it is.
_apart = partial(re.compile(r"[\W_]").sub, " ")
# Three letters or digits, or two at the beginning or the end of a word.
_LISTED_PART = re.compile(r"[^ ][^ ][^ ]| [^ ][^ ]|[^ ][^ ] ").fullmatch

BEGINNINGS = (
    "string_to_array(regexp_replace(search_text, "
    f"'[{folding.SEPARATORS}]*(?:([{folding.UNSPACED}])|({folding.LETTERS})({folding.LETTERS}?)"
    f"{folding.LETTERS}*)', '\\1\\2 \\2\\3 ', 'g'), ' ')"
)
"""An array: each unspaced character, and the first and the first two letters of each other word. What the index
`users_words` is made on."""


class Sample:
    """Some users by chance, and of how many they are about."""

    def __init__(self, texts: list[str], users: float, taken: float) -> None:
        """`taken` is a monotonic time."""
        self._terms = "\n".join(texts)
        self.texts = [f" {_apart(text)} " for text in texts]
        parts = "".join(self.texts)
        self.share_listed: Callable[[str], float] = lru_cache(10_000)(lambda part: self._share(parts.count(part)))
        """The part of all users that the index lists for three letters, 0 to 1."""
        self._beginnings = Counter(chain.from_iterable(map(folding.beginnings, texts)))
        self.users = users
        # So soon that, at 5,000 users a second, no more than about as many can have come since.
        self.until = taken + min(600.0, max(1.0, users / 5_000))

    def share(self, term: str) -> float:
        """The part of all users that hold a term, 0 to 1; half a user of the sample where none does."""
        return self._share(self._beginnings[term] if folding.is_short(term) else self._terms.count(term))

    def _share(self, count: int) -> float:
        return min(1.0, (count or 0.5) / max(1, len(self.texts)))


class LatestSample:
    """The sample of a database that searches go by."""

    sample: Sample | None = None

    async def get(self, queries: Queries) -> Sample:
        now, latest = time.monotonic(), self.sample
        if latest is None or now > latest.until:
            if latest is not None:
                latest.until = now + 5  # meanwhile others go by it
            seqs = max(1, await scalar(queries, LAST))
            pages = min(1.0, 4 * SAMPLED / seqs)
            share = min(1.0, SAMPLED / (seqs * pages))
            rows = await queries.all(SAMPLE, 100 * pages, share)
            latest = self.sample = Sample([row[0] for row in rows], len(rows) / (pages * share), now)
        return latest


def columns(name: str, email: str) -> dict[str, str]:
    return {"search_text": searched_text(name, email)}


async def changed(tx: Tx, seqs: Iterable[int]) -> None:
    """The index of `search_text` follows by itself."""


async def erased(tx: Tx, seq: int) -> None:
    """Forget an erased user, as `changed` does."""


async def find(queries: Queries, fields: str, query: Query) -> list[Row]:
    assert query.filters.q is not None  # or it is no search
    term = Term.of(query.filters.q)
    if await are_few(queries, query.filters):
        matches = _matches(term, prefixes.ranges(query.filters.q))
        return await _among_few(queries, matches, fields, query)
    by_prefix = await prefixes.present(queries, query.filters.q)
    if not by_prefix:
        return [] if term is None else await _holding(queries, term, fields, query)
    # Several ways may find a user: each of them looks for all up to the end of the page.
    end = query.offset + query.limit + 1
    rows = await prefixes.find(queries, by_prefix, fields, query, end)
    if term is not None:
        rows += await _holding(queries, term, fields, query._replace(limit=end - 1, offset=0))
    return page(fields, rows, query)


async def _holding(queries: Queries, term: Term, fields: str, query: Query) -> list[Row]:
    """Users whose name or email holds the term."""
    sample, looked = await dialect(queries).latest_sample.get(queries), LOOKED_AT
    share = term.share(sample)
    if query.order[0].name == "added":
        # As long as the index would take: at worst it is twice the time.
        looked = max(looked, int(term.asked(sample)[1] / _LOOKED))
    if 1.5 * (query.offset + query.limit + 1) / share < looked:
        rows = await _among_first(queries, term, fields, query, looked)
        if len(rows) > query.limit:
            return rows
    if share > MANY:
        return await _among_all(queries, term, fields, query)
    return await _by_index(queries, term, term.asked(sample)[0], fields, query)


async def _among_few(queries: Queries, matches: Part, fields: str, query: Query) -> list[Row]:
    where, past = await passing(queries, query.filters), beyond(query)
    users = f"(SELECT * FROM users WHERE true{where.sql}{past.sql} OFFSET 0) AS users WHERE {matches.sql}"
    return await _select(queries, fields, query, Part(users, [*where.values, *past.values, *matches.values]))


async def _among_first(queries: Queries, term: Term, fields: str, query: Query, looked: int) -> list[Row]:
    where, past, holds = await passing(queries, query.filters), beyond(query), term.holds
    users = f"(SELECT * FROM users WHERE true{where.sql}{past.sql}{order_by(query)} LIMIT ?) AS users WHERE {holds.sql}"
    return await _select(queries, fields, query, Part(users, [*where.values, *past.values, looked, *holds.values]))


async def _among_all(queries: Queries, term: Term, fields: str, query: Query) -> list[Row]:
    where, past, holds = await passing(queries, query.filters), beyond(query), term.holds
    users = f"users WHERE true{where.sql}{past.sql} AND {holds.sql}"
    return await _select(queries, fields, query, Part(users, [*where.values, *past.values, *holds.values]))


async def _by_index(queries: Queries, term: Term, condition: Part, fields: str, query: Query) -> list[Row]:
    table, where, past = _indexed(term, condition), await passing(queries, query.filters), beyond(query)
    users = f"{table.sql}{where.sql}{past.sql}"
    return await _select(queries, fields, query, Part(users, [*table.values, *where.values, *past.values]))


async def _select(queries: Queries, fields: str, query: Query, users: Part) -> list[Row]:
    sql = f"SELECT {fields}, email_key FROM {users.sql}{order_by(query)} LIMIT ? OFFSET ?"
    return await queries.all(sql, *users.values, query.limit + 1, query.offset)


def _indexed(term: Term, condition: Part) -> Part:
    """Clause behind FROM that has the index find who holds a term, open for more conditions."""
    holds = term.holds
    users = f"SELECT * FROM users WHERE {condition.sql} AND {holds.sql} OFFSET 0"
    return Part(f"({users}) AS users WHERE true", [*condition.values, *holds.values])


async def count(queries: Queries, filters: Filters, limit: int | None) -> int:
    assert filters.q is not None  # or it is no search
    term = Term.of(filters.q)
    where = await passing(queries, filters, walks_far=True)
    if await are_few(queries, filters):
        matches = _matches(term, prefixes.ranges(filters.q))
        few = f"(SELECT * FROM users WHERE true{where.sql} OFFSET 0) AS users WHERE {matches.sql}"
        return await count_rows(queries, Part(few, [*where.values, *matches.values]), limit)
    by_prefix = await prefixes.present(queries, filters.q)
    further = 0
    if by_prefix:
        holds, ranges = _matches(term, ()), _matches(None, by_prefix)
        users = f"users WHERE {ranges.sql} AND NOT {holds.sql}{where.sql}"
        further = await count_rows(queries, Part(users, [*ranges.values, *holds.values, *where.values]), limit)
    if term is None:
        return further
    sample = await dialect(queries).latest_sample.get(queries)
    condition, left = term.asked(sample)
    table = _indexed(term, condition)
    if left > sample.users * (MANY if term.is_short else MANY_COUNTED):
        table = Part(f"users WHERE {term.holds.sql}", term.holds.values)
    return further + await count_rows(queries, Part(f"{table.sql}{where.sql}", [*table.values, *where.values]), limit)


class Term(NamedTuple):
    """A term in its folded spellings, one of which names and emails may hold. Nearly all who hold one of them hold the
    others. All are short, or none is."""

    spellings: list[str]

    @classmethod
    def of(cls, q: str) -> Term | None:
        """None where no name or email can hold it."""
        spellings = folding.spellings(q)
        return None if folding.is_short(spellings[0]) and folding.begins_none(spellings[0]) else cls(spellings)

    @property
    def is_short(self) -> bool:
        return folding.is_short(self.spellings[0])

    @property
    def holds(self) -> Part:
        """The condition."""
        if self.is_short:
            return _either([Part("search_text ~ ?", [folding.pattern(spelling)]) for spelling in self.spellings])
        return _either([Part("strpos(search_text, ?) > 0", [spelling]) for spelling in self.spellings])

    def share(self, sample: Sample) -> float:
        """The part of all users that hold it, 0 to 1."""
        return max(map(sample.share, self.spellings))

    def asked(self, sample: Sample) -> tuple[Part, float]:
        """The condition that an index finds them by, and about how many users it finds."""
        if self.is_short:
            asked = [Part(f"{BEGINNINGS} @> ?", [folding.indexed(spelling)]) for spelling in self.spellings]
            return _either(asked), sample.users * self.share(sample)
        found = [rare_parts(sample, spelling) for spelling in self.spellings]
        asked = [Part(" AND ".join(["search_text LIKE ?"] * len(parts)), [*map(_like, parts)]) for parts, _ in found]
        return _either(asked), max([users for _, users in found])


def _matches(term: Term | None, ranges: Iterable[prefixes.Range]) -> Part:
    """The condition that a user holds the term, or has an ID in one of the ranges."""
    in_ranges = [Part(f"true{a_range.condition.sql}", a_range.condition.values) for a_range in ranges]
    return _either([*([] if term is None else [term.holds]), *in_ranges])


def _either(conditions: Sequence[Part]) -> Part:
    sql = " OR ".join([f"({condition.sql})" for condition in conditions]) or "false"
    return Part(f"({sql})", [value for condition in conditions for value in condition.values])


def rare_parts(sample: Sample, term: str) -> tuple[list[str], float]:
    """Parts of a term to ask the index for, and about how many users have them all: the rarest and, one after the
    other, the one that saves most, as long as going through its list costs less than the users whom it spares. The
    term itself where the index knows nothing smaller of it."""
    spelled = _parts(term[:LONGEST])
    shares = {part: sample.share_listed(part) for part in spelled}
    if not shares:
        return [term], sample.users
    rest = sorted(shares, key=lambda part: (shares[part], part))
    chosen, left, texts = [rest[0]], sample.users * shares[rest[0]], sample.texts
    while True:
        part = chosen[-1]
        rest.remove(part)
        texts = [text for text in texts if part in text]
        # What each would leave of them; from fewer texts than these it is a guess: parts of one word go together.
        leaves = {
            part: max(sum([part in text for text in texts]), 0.5) / len(texts)
            if len(texts) > 3
            else shares[part] ** 0.5
            for part in rest
        }
        saved = {part: left * (1 - leaves[part]) - sample.users * shares[part] * _LISTED for part in rest}
        best = max(rest, key=saved.__getitem__, default="")
        if not best or saved[best] <= 0:
            return [spelled[part] for part in chosen], left
        chosen.append(best)
        left *= leaves[best]


def _parts(term: str) -> dict[str, str]:
    """Parts of a term as the index has them, and as they stand in the term."""
    apart = _apart(term)
    threes = [at for at in range(len(apart) - 2) if _LISTED_PART(apart[at : at + 3])]
    parts = {apart[at : at + 3]: term[at : at + 3] for at in threes}
    if apart[-2:-1] == " " and apart[-1] != " ":  # a word that begins with this letter
        parts[apart[-2:]] = term[-2:]
    return parts


def _like(part: str) -> str:
    """Part of a folded term for LIKE, whose wildcards are data here."""
    return "%" + part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
