"""The records' statements as PostgreSQL takes them: with numbered parameters, and with many callers' values in one statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

_MARK_OR_QUOTED = re.compile(r"\?|'(?:[^']|'')*'")
_PARAMETER = re.compile(r"\$([0-9]+)")
_SELECT = re.compile(r"\s*SELECT\b(?!.*\bFOR UPDATE\b)", re.DOTALL)
_LOCK = re.compile(r"\s*SELECT\b.*\bFOR UPDATE\s*$", re.DOTALL)
_INSERT = re.compile(r"\s*(INSERT INTO \w+ \([^)]*\))\s+VALUES \((.*)\)\s*(ON CONFLICT DO NOTHING)?\s*", re.DOTALL)
_UPDATE = re.compile(r"\s*(UPDATE \w+ SET .*?) WHERE (.*)", re.DOTALL)
_DELETE = re.compile(r"\s*(DELETE FROM \w+) WHERE (.*)", re.DOTALL)


class Statement(NamedTuple):
    """A statement with numbered parameters, and of which kind it is."""

    text: str
    reads: bool
    """It only reads and locks nothing."""
    locks: bool
    """It reads rows in order to change them."""


class Gathered(NamedTuple):
    """One statement for many callers: its parameters are arrays, one for each parameter of the single statement."""

    text: str
    numbered: bool
    """Whether each row begins with the number of the caller it belongs to, from 1 on. If not, there are no rows."""
    skips: bool = False
    """Whether it may leave out rows without telling whose."""


@lru_cache(2048)
def numbered(sql: str) -> str:
    """`?` becomes `$1`, `$2` and so on; what stands in quotes stays."""
    count = 0

    def number(match: re.Match[str]) -> str:
        nonlocal count
        if match[0] != "?":
            return match[0]
        count += 1
        return f"${count}"

    return _MARK_OR_QUOTED.sub(number, sql)


@lru_cache(2048)
def is_select(sql: str) -> bool:
    """Whether it only reads and locks nothing."""
    return _SELECT.match(sql) is not None


def is_lock(sql: str) -> bool:
    """Whether it reads rows in order to change them."""
    return _LOCK.match(sql) is not None


@lru_cache(2048)
def statement(text: str) -> Statement:
    """Of a text with numbered parameters."""
    return Statement(text, is_select(text), is_lock(text))


def gathered(sql: str, types: Sequence[str]) -> Gathered | None:
    """The statement (with numbered parameters of these types) for many callers at once; None when it has no such form.

    Selects ask once for each row of an `unnest` by a LATERAL subquery, which PostgreSQL runs in the callers' order, each in its own
    order. An UPDATE or DELETE of one row by several callers would be done for one of them only: the writer keeps such callers apart.
    """
    if not types:
        return None
    names = ", ".join(f"a{at}" for at in range(1, len(types) + 1))
    arrays = ", ".join(f"${at}::{type}[]" for at, type in enumerate(types, 1))
    rows = f"unnest({arrays}) WITH ORDINALITY AS _g({names}, n)"

    def filled(text: str) -> str:
        return _PARAMETER.sub(r"_g.a\1", text)

    if _SELECT.match(sql) or _LOCK.match(sql):
        return Gathered(f"SELECT _g.n, _s.* FROM {rows}, LATERAL ({filled(sql)}) AS _s", True)
    if " RETURNING " in sql:
        return None
    if match := _INSERT.fullmatch(sql):
        return Gathered(f"{match[1]} SELECT {filled(match[2])} FROM {rows} {match[3] or ''}", False, match[3] is not None)
    if match := _UPDATE.fullmatch(sql):
        return Gathered(f"{filled(match[1])} FROM {rows} WHERE {filled(match[2])} RETURNING _g.n", True)
    if match := _DELETE.fullmatch(sql):
        return Gathered(f"{match[1]} USING {rows} WHERE {filled(match[2])} RETURNING _g.n", True)
    return None
