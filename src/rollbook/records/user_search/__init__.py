"""Search: users whose name or email contains a term, or whose ID or external ID begins with it, exact right after a
write.

A term of one or two characters is looked for at the beginning of words (`words`). Accents and punctuation need not be
typed (`folding`).
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Protocol

from rollbook.records import user_list, user_metadata
from rollbook.records.user_list.query import Filters, Query, sort_keys
from rollbook.storage.database import Queries, Row, Tx


class UserSearch(Protocol):
    @property
    def COLUMNS(self) -> tuple[str, ...]:
        """Columns of `users` that only search reads."""
        ...

    def columns(self, name: str, email: str) -> dict[str, str]:
        """Their values for a user of this name and email."""
        ...

    async def changed(self, tx: Tx, seqs: Iterable[int]) -> None:
        """The name or email at these positions is new, different or gone."""
        ...

    async def erased(self, tx: Tx, seq: int) -> None:
        """The user who was at this position is erased for good."""
        ...

    async def find(self, queries: Queries, fields: str, query: Query) -> list[Row]:
        """The columns of `fields`, and `email_key`, of users who match the query, one more than its limit."""
        ...

    async def count(self, queries: Queries, filters: Filters, limit: int | None) -> int:
        """Count the users who match, exactly, or to where counting can end."""
        ...


async def are_few(queries: Queries, filters: Filters) -> bool:
    """Test whether so few users pass the other filters that looking at each of them is cheaper than a search among
    all."""
    if await user_list.are_few(queries, filters):
        return True
    return (
        filters.metadata is not None and (await user_metadata.rarest_first(queries, filters.metadata, user_list.FEW))[1]
    )


def page(fields: str, rows: Iterable[Row], query: Query) -> list[Row]:
    """Return the rows of the page and one more, of rows as `find` has them, which may have a user twice."""
    at = user_list.column_indexes(fields)
    matches = list({row[0]: row for row in rows}.values())
    # The last key first: Python's sort is stable, so the first key decides in the end.
    for column, descending in reversed(sort_keys(query.order)):
        matches.sort(key=itemgetter(at[column]), reverse=descending != query.is_backwards)
    return matches[query.offset : query.offset + query.limit + 1]
