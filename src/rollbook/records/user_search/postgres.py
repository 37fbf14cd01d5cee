"""Search on PostgreSQL: which letters of a term its index is asked for, and when it is not asked at all.

The index (pg_trgm) keeps for each three letters the list of users that have them. To find a term it goes through the lists of all its
threes side by side, those that nearly everybody has too: 90 ms for `user7300000@` among ten million users. It is asked only for those that
save more than they cost instead, and of the users that have them those that hold the term are kept: 3 ms. For a term that many have, the
first users in the order of the list are looked at; when they fill the page, nothing else is asked. A sample of users tells what is rare and
what many have; it decides about the way, never about what is found. Nor does PostgreSQL decide, which thinks a search a thousand times too
cheap or too expensive: OFFSET 0 and LIMIT inside keep what they enclose together.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from functools import partial

from rollbook.records import rules
from rollbook.records.user_list.query import Filters, Part, Query, beyond, order_by, passing
from rollbook.records.user_search import are_few, searched_text
from rollbook.storage.database import Queries, Row, Tx

COLUMNS = ("search_text",)

SAMPLED = 2_000
"""Users in a sample: some 10 ms, and 0.3 MB of memory in a worker."""
MAX_AGE = 600.0
GROWTH = 5_000
"""A sample is renewed after ten minutes; for few users sooner: so soon that no more than about as many can have come since, at this many a
second."""
LOOKED_AT = 20_000
"""Users that are looked at one by one, in the order of the list, for a term that many have: 10 to 20 ms by age, 80 by name."""
LONGEST = 60
"""Of a longer term, the letters that are thought about."""
MAX_ASKED = 6
ENOUGH = 4
"""Users of the sample that must have what is asked for so far, for their other letters to say anything."""
MANY = 0.2
"""The share of users that hold a term, beyond which a page is looked for among all rather than those that the index finds."""
MANY_COUNTED = 0.02
"""The same of those that the index finds, for a count, which several processes of PostgreSQL can make together."""

# Microseconds: a user that the index finds, one that is looked at in the order of age, one in a list of the index.
_FETCHED = 8.0
_LOOKED = 0.8
_LISTED = 0.006

SAMPLE = f"""
    SELECT search_text, (SELECT max(seq) FROM users) FROM (
        SELECT DISTINCT CAST(floor(random() * (SELECT max(seq) + 1 FROM users)) AS bigint) AS seq FROM generate_series(1, {SAMPLED})) AS chosen
    JOIN users USING (seq)"""
# What parts words is the same to the index, whatever it is.
_apart = partial(re.compile(r"[\W_]").sub, " ")
# Three letters or digits, or two at the beginning or the end of a word.
_LISTED_PART = re.compile(r"[^ ][^ ][^ ]| [^ ][^ ]|[^ ][^ ] ").fullmatch
_HOLDS = " AND strpos(search_text, ?) > 0"


class Sample:
    """Some users by chance, and of how many they are about."""

    def __init__(self, texts: list[str], users: float, taken: float) -> None:
        """`taken` is a monotonic time."""
        self._terms = "\n".join(texts)
        self.texts = [f" {_apart(text)} " for text in texts]
        self._parts = "".join(self.texts)
        self._shares: dict[str, float] = {}
        self.users = users
        self.until = taken + min(MAX_AGE, max(1.0, users / GROWTH))

    def share(self, term: str) -> float:
        """The part of all users that hold a term, 0 to 1; half a user of the sample where none does."""
        return self._share(self._terms.count(term))

    def share_listed(self, part: str) -> float:
        """The same of those that the index lists for one of `parts`."""
        found = self._shares.get(part)
        if found is None:
            if len(self._shares) > 10_000:
                self._shares.clear()
            found = self._shares[part] = self._share(self._parts.count(part))
        return found

    def _share(self, count: int) -> float:
        return min(1.0, (count or 0.5) / max(1, len(self.texts)))


class _Latest:
    """Of this process. Which database it is of matters for the speed only."""

    sample: Sample | None = None


def columns(name: str, email: str) -> dict[str, str]:
    return {"search_text": searched_text(name, email)}


async def changed(tx: Tx, seqs: Iterable[int]) -> None:
    """The index of `search_text` follows by itself."""


async def erased(tx: Tx, seq: int) -> None:
    """As in `changed`."""


async def find(queries: Queries, wanted: str, query: Query) -> list[Row]:
    filters, limit, skip = query.filters, query.limit + 1, query.offset
    term = _folded(filters)
    where, past = await passing(queries, filters), beyond(query)
    values = [*where.values, *past.values]
    order = order_by(query)
    select = f"SELECT {wanted}, email_key FROM"
    end = f"{order} LIMIT ? OFFSET ?"
    users = f"users WHERE true{where.sql}{past.sql}"
    if await are_few(queries, filters):
        sql = f"{select} (SELECT * FROM {users} OFFSET 0) AS users WHERE true{_HOLDS}{end}"
        return await queries.all(sql, *values, term, limit, skip)
    sample = await _sample(queries)
    asked, left = parts(sample, term)
    looked = LOOKED_AT
    if query.order[0].name == "created_at":
        looked = max(looked, int(left * _FETCHED / _LOOKED))  # as long as the index would take: at worst it is twice the time
    if 1.5 * (skip + limit) / sample.share(term) < looked:
        sql = f"{select} (SELECT * FROM {users}{order} LIMIT ?) AS users WHERE true{_HOLDS}{end}"
        rows = await queries.all(sql, *values, looked, term, limit, skip)
        if len(rows) == limit:
            return rows
    if sample.share(term) > MANY:
        return await queries.all(f"{select} {users}{_HOLDS}{end}", *values, term, limit, skip)
    found = _found(asked, term)
    sql = f"{select} {found.sql}{where.sql}{past.sql}{end}"
    return await queries.all(sql, *found.values, *values, limit, skip)


async def count(queries: Queries, filters: Filters) -> int:
    term = _folded(filters)
    where = await passing(queries, filters)
    few = await are_few(queries, filters)
    sample = await _sample(queries)
    asked, left = parts(sample, term)
    if few or left > MANY_COUNTED * sample.users:
        users = f"(SELECT * FROM users WHERE true{where.sql}{' OFFSET 0' if few else ''}) AS users"
        row = await queries.one(f"SELECT count(*) FROM {users} WHERE true{_HOLDS}", *where.values, term)
    else:
        found = _found(asked, term)
        row = await queries.one(f"SELECT count(*) FROM {found.sql}{where.sql}", *found.values, *where.values)
    assert row is not None  # count(*) always has a row
    return row[0]


def parts(sample: Sample, term: str) -> tuple[list[str], float]:
    """Those of a term (as it is indexed) to ask the index for, and how many users have them all, about. The term itself where the index knows
    nothing smaller of it."""
    apart = _apart(term[:LONGEST])
    # As the index has them, and as they stand in the term.
    spelled = {apart[at : at + 3]: term[at : at + 3] for at in range(len(apart) - 2) if _LISTED_PART(apart[at : at + 3])}
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


def _found(asked: list[str], term: str) -> Part:
    """What stands behind FROM to have the index find them, open for more conditions."""
    likes = " AND search_text LIKE ?" * len(asked)
    sql = f"(SELECT * FROM users WHERE true{likes}{_HOLDS} OFFSET 0) AS users WHERE true"
    return Part(sql, [*map(_pattern, asked), term])


def _pattern(part: str) -> str:
    """Part of a folded term for LIKE, whose wildcards are data here."""
    return "%" + part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _folded(filters: Filters) -> str:
    assert filters.q is not None  # or it is no search
    return rules.fold(filters.q)


async def _sample(queries: Queries) -> Sample:
    now = time.monotonic()
    latest = _Latest.sample
    if latest is None or now > latest.until:
        if latest is not None:
            latest.until = now + 5  # meanwhile others go by it
        rows = await queries.all(SAMPLE)
        users = (rows[0][1] + 1) * len(rows) / SAMPLED if rows else 0
        latest = _Latest.sample = Sample([row[0] for row in rows], max(users, len(rows)), now)
    return latest
