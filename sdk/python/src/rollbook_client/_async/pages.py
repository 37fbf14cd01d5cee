"""Lists that go on over all their pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Generic, TypeVar

from .._models import Model
from .._pages import By, Page, next_query
from .._requests import Request
from .._responses import RawResponse, list_of

if TYPE_CHECKING:
    import httpx2

    from .client import AsyncRollbook

M = TypeVar("M", bound=Model)


class AsyncPager(Generic[M]):
    """All items of a list: pages are fetched as you go on, and each time you iterate, from the first one.

    Example:
        >>> async for user in client.users.list():
        ...     print(user.email)
        >>> page = await client.users.list(limit=10).page()
        >>> page.total, page.items
    """

    def __init__(self, client: AsyncRollbook, request: Request, kind: type[M], by: By) -> None:
        self._client, self._request, self._kind, self._by = client, request, kind, by

    async def __aiter__(self) -> AsyncIterator[M]:
        async for page in self.pages():
            for item in page:
                yield item

    async def pages(self) -> AsyncIterator[Page[M]]:
        """One page after the other, with what its head says."""
        request = self._request
        while True:
            page = (await self._fetch(request)).parsed
            yield page
            if page.next_query is None:
                return
            request = request.with_query(page.next_query)

    async def page(self) -> Page[M]:
        """Only the first page."""
        return (await self._fetch(self._request)).parsed

    async def _fetch(self, request: Request) -> RawResponse[Page[M]]:
        def decode(response: httpx2.Response) -> Page[M]:
            items = list_of(self._kind)(response)
            return Page(items, response.headers, next_query(self._by, request.query, response.headers, items))

        return await self._client._send(request, decode)
