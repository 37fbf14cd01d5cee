"""Statements in PostgreSQL's form: with numbered parameters, and one for the look-ups of many callers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_MARK_OR_QUOTED = re.compile(r"\?|'(?:[^']|'')*'")


@lru_cache(2048)
def numbered(sql: str) -> str:
    """`?` becomes `$1`, `$2` and so on; what stands in quotes stays."""
    return _filled(sql, "$")


def batched(sql: str, types: Sequence[str]) -> str:
    """The look-up for many callers at once. Its parameters are arrays of these types, one for each `?`; its rows begin
    with the number of the caller they belong to, from 1 on, and are in each caller's own order."""
    columns = ", ".join(f"a{at}" for at in range(1, len(types) + 1))
    arrays = ", ".join(f"${at}::{type}[]" for at, type in enumerate(types, 1))
    callers = f"unnest({arrays}) WITH ORDINALITY AS callers({columns}, number)"
    return f"SELECT callers.number, found.* FROM {callers}, LATERAL ({_filled(sql, 'callers.a')}) AS found"


def _filled(sql: str, parameter: str) -> str:
    count = 0

    def number(match: re.Match[str]) -> str:
        nonlocal count
        if match[0] != "?":
            return match[0]
        count += 1
        return f"{parameter}{count}"

    return _MARK_OR_QUOTED.sub(number, sql)
