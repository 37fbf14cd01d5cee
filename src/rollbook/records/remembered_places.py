"""Where a page of the list begins, on PostgreSQL: from counts that each worker remembers, proven by the statement that reads the page.

The counts of `user_blocks` change only when what writers appended is folded, and each fold draws a new version. So a worker keeps the
counts it has read, walks them as `places.find` does, and asks for the page from there, together with the version of the moment and what has
been appended since. When the version is another one, the page is not used, and the walk begins anew.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple
from weakref import WeakKeyDictionary

from rollbook.records.places import BITS, LEVELS, VERSION_LEVEL
from rollbook.storage.database import Queries, Row

TRIES = 4
MOST_REMEMBERED = 4_096
"""Runs whose inside a worker remembers: some 600 bytes each."""

_VERSION = f"coalesce((SELECT n FROM user_blocks WHERE level = {VERSION_LEVEL} AND block = 0), 0)"
TOP = f"""
    SELECT {_VERSION}, array(SELECT block FROM user_blocks WHERE level = 3 ORDER BY block),
           array(SELECT n FROM user_blocks WHERE level = 3 ORDER BY block)"""
# Of a run of level $1, the counts of the 64 runs inside it.
INSIDE = f"""
    SELECT {_VERSION}, array(
        SELECT coalesce(n, 0) FROM generate_series($2::bigint * 64, $2::bigint * 64 + 63) AS run
        LEFT JOIN user_blocks ON level = $1::integer - 1 AND block = run ORDER BY run)"""
# The total and the rows, behind them the version and how many users of the page's first small run stand before it. What was appended since the last
# fold counts: for the total all of it, for the place what lies before the run.
FROM = f"""
    SELECT now.total, page.*, now.version, now.skip FROM (
        SELECT {_VERSION} AS version, CAST((SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 3) + appended AS bigint) AS total,
               $2::bigint - CAST(before AS bigint) AS skip
        FROM (SELECT coalesce(sum(change), 0) AS appended, coalesce(sum(change) FILTER (WHERE run < $1::bigint), 0) AS before
              FROM user_block_deltas) AS deltas) AS now
    LEFT JOIN LATERAL (
        SELECT seq, id, name, email, created_at FROM users WHERE seq >= $1::bigint << {BITS} ORDER BY seq
        LIMIT $3::bigint OFFSET greatest(now.skip, 0)) AS page ON true"""


class Counts(NamedTuple):
    """Runs side by side, and how many users there are up to the end of each."""

    runs: Sequence[int]
    upto: Sequence[int]

    def find(self, offset: int) -> tuple[int, int]:
        """The run that this offset falls into, and how many users stand before that run; the last run that has users when it lies beyond."""
        at = bisect_right(self.upto, offset)
        if at == len(self.upto):
            at = bisect_left(self.upto, self.upto[-1])
        return self.runs[at], self.upto[at - 1] if at else 0


class Remembered:
    """What one worker knows of one version."""

    def __init__(self, version: int, top: Counts) -> None:
        self.version = version
        self.top = top
        self.inside: dict[tuple[int, int], Counts] = {}


_known: WeakKeyDictionary[Queries, Remembered] = WeakKeyDictionary()


async def page(queries: Queries, limit: int, offset: int) -> list[Row] | None:
    """`limit` rows from this offset on, of the total, LISTED and two more columns; a single one without a user past the end. None when too many folds came in
    between, or more users came back to the list before this place than can be told apart."""
    for _ in range(TRIES):
        known = _known.get(queries)
        if known is None:
            known = _known[queries] = await _read(queries)
        place = await _find(queries, known, offset)
        if place is not None:
            rows = await queries.all(FROM, *place, limit)
            version, skip = rows[0][-2:]
            if version == known.version:
                return rows if skip >= 0 else None
        if _known.get(queries) is known:
            del _known[queries]
    return None


async def _read(queries: Queries) -> Remembered:
    row = await queries.one(TOP)
    assert row is not None  # it has no FROM
    version, runs, users = row
    return Remembered(version, _counts(runs, users))


async def _find(queries: Queries, known: Remembered, offset: int) -> tuple[int, int] | None:
    """The smallest run to begin at, and how many rows of it to skip. None when the version has changed meanwhile."""
    if not known.top.runs:
        return 0, offset
    run, before = known.top.find(offset)
    offset -= before
    for level in LEVELS:
        inside = known.inside.get((level, run))
        if inside is None:
            row = await queries.one(INSIDE, level, run)
            assert row is not None  # it has no FROM
            version, users = row
            if version != known.version:
                return None
            if len(known.inside) >= MOST_REMEMBERED:
                known.inside.clear()
            inside = known.inside[level, run] = _counts(range(run << BITS, (run + 1) << BITS), users)
        run, before = inside.find(offset)
        offset -= before
    return run, offset


def _counts(runs: Iterable[int], users: Iterable[int]) -> Counts:
    return Counts(runs if isinstance(runs, range) else array("q", runs), array("q", accumulate(users)))
