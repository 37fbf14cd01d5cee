"""Search on PostgreSQL: which letters of a term its index is asked for, and when it is not asked at all.

The index (pg_trgm) keeps for each three letters the list of users that have them. To find a term it goes through the
lists of all its threes side by side, those that nearly everybody has too: 90 ms for `user7300000@` among ten million
users. It is asked only for those that save more than they cost instead, and of the users that have them those that hold
the term are kept: 3 ms. For a term that many have, the first users in the order of the list are looked at; when they
fill the page, nothing else is asked. A sample of users tells what is rare and what many have; it decides about the way,
never about what is found. Nor does PostgreSQL decide, which thinks a search a thousand times too cheap or too
expensive: OFFSET 0 and LIMIT inside keep what they enclose together.

Terms of one and two characters are found by an index of their own (`BEGINNINGS`), in the same ways.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple, Protocol

from rollbook.records.user_list.query import Filters, Part, Query, beyond, count_rows, order_by, passing
from rollbook.records.user_search import are_few, folding, page, prefixes
from rollbook.records.user_search.folding import searched_text
from rollbook.storage.database import Queries, Row, Tx, scalar

COLUMNS = ("search_text",)

SAMPLED = 2_000
"""Users in a sample, about: some 5 ms, and 0.3 MB of memory in a worker."""
MAX_AGE = 600.0
GROWTH = 5_000
"""A sample is renewed after ten minutes; for few users sooner: so soon that no more than about as many can have come
since, at this many a second."""
LOOKED_AT = 20_000
"""Users that are looked at one by one, in the order of the list, for a term that many have: 10 to 20 ms as added, 80 by
name."""
LONGEST = 60
"""Letters of a longer term that are thought about."""
MAX_ASKED = 6
ENOUGH = 4
"""Users of the sample that must have what is asked for so far, for their other letters to say anything."""
MANY = 0.2
"""The share of users that hold a term, beyond which a page is looked for among all rather than those that the index
finds."""
MANY_COUNTED = 0.02
"""The share of users that the index finds beyond which a count looks among all, which several processes of PostgreSQL
can make together. Of a short term it is MANY: comparing one takes a regular expression."""

# Microseconds: a user that the index finds, one that is looked at as added, one in a list of the index.
_FETCHED = 8.0
_LOOKED = 0.8
_LISTED = 0.006

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
        self._parts = "".join(self.texts)
        self._beginnings = Counter(chain.from_iterable(map(folding.beginnings, texts)))
        self._shares: dict[str, float] = {}
        self.users = users
        self.until = taken + min(MAX_AGE, max(1.0, users / GROWTH))

    def share(self, term: str) -> float:
        """The part of all users that hold a term, 0 to 1; half a user of the sample where none does."""
        return self._share(self._terms.count(term))

    def share_beginning(self, term: str) -> float:
        """The part of all users that have a word that begins with a short term, 0 to 1."""
        return self._share(self._beginnings[term])

    def share_listed(self, part: str) -> float:
        """The part of all users that the index lists for one of `parts`, 0 to 1."""
        found = self._shares.get(part)
        if found is None:
            if len(self._shares) > 10_000:
                self._shares.clear()
            found = self._shares[part] = self._share(self._parts.count(part))
        return found

    def _share(self, count: int) -> float:
        return min(1.0, (count or 0.5) / max(1, len(self.texts)))


class _Latest:
    """Latest sample of this process. Which database it is of matters for the speed only."""

    sample: Sample | None = None


def columns(name: str, email: str) -> dict[str, str]:
    return {"search_text": searched_text(name, email)}


async def changed(tx: Tx, seqs: Iterable[int]) -> None:
    """The index of `search_text` follows by itself."""


async def erased(tx: Tx, seq: int) -> None:
    """Forget an erased user, as `changed` does."""


async def find(queries: Queries, wanted: str, query: Query) -> list[Row]:
    filters, limit, skip = query.filters, query.limit + 1, query.offset
    assert filters.q is not None  # or it is no search
    term = _term(filters.q)
    if await are_few(queries, filters):
        where, past = await passing(queries, filters), beyond(query)
        users = f"(SELECT * FROM users WHERE true{where.sql}{past.sql} OFFSET 0) AS users"
        matches = _matches(term, prefixes.ranges(filters.q))
        sql = f"SELECT {wanted}, email_key FROM {users} WHERE {matches.sql}{order_by(query)} LIMIT ? OFFSET ?"
        return await queries.all(sql, *where.values, *past.values, *matches.values, limit, skip)
    by_prefix = await prefixes.present(queries, filters.q)
    if not by_prefix:
        return await _holding(queries, term, wanted, query, limit, skip)
    # Several ways may find a user: each of them looks for all up to the end of the page.
    rows = await _holding(queries, term, wanted, query, skip + limit, 0)
    return page(wanted, [*rows, *await prefixes.find(queries, by_prefix, wanted, query, skip + limit)], query)


async def count(queries: Queries, filters: Filters, limit: int | None) -> int:
    assert filters.q is not None  # or it is no search
    term = _term(filters.q)
    where = await passing(queries, filters, walks_far=True)
    if await are_few(queries, filters):
        matches = _matches(term, prefixes.ranges(filters.q))
        few = f"(SELECT * FROM users WHERE true{where.sql} OFFSET 0) AS users WHERE {matches.sql}"
        return await count_rows(queries, Part(few, [*where.values, *matches.values]), limit)
    by_prefix = await prefixes.present(queries, filters.q)
    further = 0
    if by_prefix:
        holds, ranges = _matches(term, ()), _matches(None, by_prefix)
        users = f"users WHERE ({ranges.sql}) AND NOT ({holds.sql}){where.sql}"
        further = await count_rows(queries, Part(users, [*ranges.values, *holds.values, *where.values]), limit)
    if term is None:
        return further
    sample = await _sample(queries)
    if term.left(sample) > term.many_counted * sample.users:
        users = Part(f"users WHERE true{where.sql}{term.holds.sql}", [*where.values, *term.holds.values])
        return further + await count_rows(queries, users, limit)
    found = term.found(sample)
    return further + await count_rows(queries, Part(f"{found.sql}{where.sql}", [*found.values, *where.values]), limit)


async def _holding(queries: Queries, term: Term | None, wanted: str, query: Query, limit: int, skip: int) -> list[Row]:
    """Users whose name or email holds the term."""
    if term is None:
        return []
    where, past, order = await passing(queries, query.filters), beyond(query), order_by(query)
    holds = term.holds
    select, end = f"SELECT {wanted}, email_key FROM", f"{order} LIMIT ? OFFSET ?"
    values = [*where.values, *past.values]
    users = f"users WHERE true{where.sql}{past.sql}"
    sample = await _sample(queries)
    looked, share = LOOKED_AT, term.share(sample)
    if query.order[0].name == "added":
        # As long as the index would take: at worst it is twice the time.
        looked = max(looked, int(term.left(sample) * _FETCHED / _LOOKED))
    if 1.5 * (skip + limit) / share < looked:
        sql = f"{select} (SELECT * FROM {users}{order} LIMIT ?) AS users WHERE true{holds.sql}{end}"
        rows = await queries.all(sql, *values, looked, *holds.values, limit, skip)
        if len(rows) == limit:
            return rows
    if share > MANY:
        return await queries.all(f"{select} {users}{holds.sql}{end}", *values, *holds.values, limit, skip)
    found = term.found(sample)
    sql = f"{select} {found.sql}{where.sql}{past.sql}{end}"
    return await queries.all(sql, *found.values, *values, limit, skip)


class Spelling(Protocol):
    """A folded text that names and emails may hold."""

    @property
    def holds(self) -> Part:
        """The condition."""
        ...

    @property
    def many_counted(self) -> float:
        """The share of users that the index finds, beyond which all are compared to count them."""
        ...

    def share(self, sample: Sample) -> float:
        """The part of all users that hold it, 0 to 1."""
        ...

    def left(self, sample: Sample) -> float:
        """Estimate how many users the index finds."""
        ...

    def asked(self, sample: Sample) -> Part:
        """The condition that the index finds them by."""
        ...


class LongSpelling(NamedTuple):
    text: str

    @property
    def holds(self) -> Part:
        return Part("strpos(search_text, ?) > 0", [self.text])

    @property
    def many_counted(self) -> float:
        return MANY_COUNTED

    def share(self, sample: Sample) -> float:
        return sample.share(self.text)

    def left(self, sample: Sample) -> float:
        return parts(sample, self.text)[1]

    def asked(self, sample: Sample) -> Part:
        asked = parts(sample, self.text)[0]
        return Part(" AND ".join(["search_text LIKE ?"] * len(asked)), [*map(_pattern, asked)])


class ShortSpelling(NamedTuple):
    text: str

    @property
    def holds(self) -> Part:
        return Part("search_text ~ ?", [folding.pattern(self.text)])

    @property
    def many_counted(self) -> float:
        return MANY

    def share(self, sample: Sample) -> float:
        return sample.share_beginning(self.text)

    def left(self, sample: Sample) -> float:
        return sample.users * self.share(sample)

    def asked(self, sample: Sample) -> Part:
        return Part(f"{BEGINNINGS} @> ?", [folding.indexed(self.text)])


class Term(NamedTuple):
    """A term in its spellings, one of which names and emails may hold. Nearly all who hold one of them hold the
    others."""

    spellings: Sequence[Spelling]

    @property
    def holds(self) -> Part:
        """The condition, beginning with AND."""
        either = _either([spelling.holds for spelling in self.spellings])
        return Part(f" AND {either.sql}", either.values)

    @property
    def many_counted(self) -> float:
        return self.spellings[0].many_counted

    def share(self, sample: Sample) -> float:
        """The part of all users that hold it, 0 to 1."""
        return max([spelling.share(sample) for spelling in self.spellings])

    def left(self, sample: Sample) -> float:
        """Estimate how many users the index finds."""
        return max([spelling.left(sample) for spelling in self.spellings])

    def found(self, sample: Sample) -> Part:
        """Clause behind FROM that has the index find them, open for more conditions."""
        asked, holds = _either([spelling.asked(sample) for spelling in self.spellings]), self.holds
        users = f"SELECT * FROM users WHERE {asked.sql}{holds.sql} OFFSET 0"
        return Part(f"({users}) AS users WHERE true", [*asked.values, *holds.values])


def _term(q: str) -> Term | None:
    """The term; None where no name or email can hold it."""
    found = folding.spellings(q)
    if not folding.is_short(found[0]):
        return Term([LongSpelling(each) for each in found])
    return None if folding.begins_none(found[0]) else Term([ShortSpelling(each) for each in found])


def _matches(term: Term | None, ranges: Iterable[prefixes.Range]) -> Part:
    """The condition that a user holds the term, or has an ID in one of the ranges."""
    each = [*([] if term is None else [term.holds]), *[one.condition for one in ranges]]
    return _either([Part(f"true{condition.sql}", condition.values) for condition in each])


def _either(conditions: Sequence[Part]) -> Part:
    sql = " OR ".join([f"({condition.sql})" for condition in conditions]) or "false"
    return Part(f"({sql})", [value for condition in conditions for value in condition.values])


def parts(sample: Sample, term: str) -> tuple[list[str], float]:
    """Parts of a term (as it is indexed) to ask the index for, and about how many users have them all. The term itself
    where the index knows nothing smaller of it."""
    apart = _apart(term[:LONGEST])
    # As the index has them, and as they stand in the term.
    spelled = {
        apart[at : at + 3]: term[at : at + 3] for at in range(len(apart) - 2) if _LISTED_PART(apart[at : at + 3])
    }
    if apart[-2:-1] == " " and apart[-1] != " ":
        at = len(apart) - 2
        spelled[apart[at:]] = term[at : at + 2]  # a word that begins with this letter
    rest = sorted(spelled, key=lambda part: (sample.share_listed(part), part))
    if not rest:
        return [term], sample.users
    asked = [rest.pop(0)]
    left = sample.users * sample.share_listed(asked[0])
    among = [text for text in sample.texts if asked[0] in text]

    def staying(part: str) -> float:
        """The share that this one leaves of those who are left."""
        if len(among) >= ENOUGH:
            return max(sum(part in text for text in among), 0.5) / len(among)
        return sample.share_listed(part) ** 0.5  # beside others of the same word it tells less than alone

    def saving(part: str) -> float:
        """Microseconds."""
        return left * (1 - staying(part)) * _FETCHED - sample.users * sample.share_listed(part) * _LISTED

    while rest and len(asked) < MAX_ASKED:
        part = max(rest, key=saving)
        if saving(part) <= 0:
            break
        left *= staying(part)
        rest.remove(part)
        asked.append(part)
        among = [text for text in among if part in text]
    return [spelled[part] for part in asked], left


def _pattern(part: str) -> str:
    """Part of a folded term for LIKE, whose wildcards are data here."""
    return "%" + part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


async def _sample(queries: Queries) -> Sample:
    now = time.monotonic()
    latest = _Latest.sample
    if latest is None or now > latest.until:
        if latest is not None:
            latest.until = now + 5  # meanwhile others go by it
        seqs = max(1, await scalar(queries, LAST))
        pages = min(1.0, 4 * SAMPLED / seqs)
        share = min(1.0, SAMPLED / (seqs * pages))
        rows = await queries.all(SAMPLE, 100 * pages, share)
        latest = _Latest.sample = Sample([row[0] for row in rows], len(rows) / (pages * share), now)
    return latest
