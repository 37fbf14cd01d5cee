"""Pages of lists, and how the next one is asked for. Free of input and output."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

T = TypeVar("T")
Query = Sequence[tuple[str, str]]
By = Literal["link", "before", "offset"]
"""How a list goes on: by the link to its next page; before the last item's ID; after as many items."""

_LINK = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')


class Page(Generic[T]):
    """Some items of a list, and what the head of the response says of the list."""

    def __init__(self, items: list[T], headers: Mapping[str, str], next_query: Query | None) -> None:
        self.items = items
        self.headers = headers
        self.next_query = next_query

    @property
    def has_next(self) -> bool:
        """Whether there is another page. The last page of some lists is empty."""
        return self.next_query is not None

    @property
    def total(self) -> int | None:
        """Items of the whole list, if the server says; of filtered lists of users only with `count="exact"`."""
        value = self.headers.get("x-total-count", "")
        return int(value) if value.isdecimal() else None

    @property
    def event_position(self) -> str | None:
        """The page has all changes up to there: `client.events.follow(page.event_position)` goes on with what comes
        next."""
        return self.headers.get("event-position")

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> T:
        return self.items[index]

    def __repr__(self) -> str:
        return f"<Page of {len(self)}{', more follow' if self.has_next else ''}>"


def next_query(by: By, query: Query, headers: Mapping[str, str], items: Sequence[Any]) -> Query | None:
    """The query of the next page; None after the last one. Only the query of a link is used: the server may know itself
    by another host name."""
    if by == "link":
        found = _LINK.search(headers.get("link", ""))
        return parse_qsl(urlsplit(found[1]).query, keep_blank_values=True) if found and items else None
    given = dict(query)
    if len(items) < int(given.get("limit", 1)):
        return None
    if by == "before":
        return list((given | {"before": str(items[-1]["id"])}).items())
    return list((given | {"offset": str(int(given.get("offset", 0)) + len(items))}).items())
