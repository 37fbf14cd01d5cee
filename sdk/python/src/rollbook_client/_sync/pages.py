"""Lists that go on over all their pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from .._models import Model
from .._pages import By, Page, next_query
from .._requests import Request
from .._responses import RawResponse, list_of

if TYPE_CHECKING:
    import httpx2

    from .client import Rollbook

M = TypeVar("M", bound=Model)


class Pager(Generic[M]):
    """All items of a list: pages are fetched as you go on, and each time you iterate, from the first one.

    Example:
        >>> for user in client.users.list():
        ...     print(user.email)
        >>> page = client.users.list(limit=10).page()
        >>> page.total, page.items
    """

    def __init__(self, client: Rollbook, request: Request, kind: type[M], by: By) -> None:
        self._client, self._request, self._kind, self._by = client, request, kind, by

    def __iter__(self) -> Iterator[M]:
        for page in self.pages():
            yield from page

    def pages(self) -> Iterator[Page[M]]:
        """One page after the other, with what its head says."""
        request = self._request
        while True:
            page = (self._fetch(request)).parsed
            yield page
            if page.next_query is None:
                return
            request = request.with_query(page.next_query)

    def page(self) -> Page[M]:
        """Only the first page."""
        return (self._fetch(self._request)).parsed

    def _fetch(self, request: Request) -> RawResponse[Page[M]]:
        def decode(response: httpx2.Response) -> Page[M]:
            items = list_of(self._kind)(response)
            return Page(items, response.headers, next_query(self._by, request.query, response.headers, items))

        return self._client._send(request, decode)
