"""What all resources have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .._keywords import explain_keywords
from .._models import Model
from .._pages import By
from .._requests import Request
from .lines import AsyncLines
from .pages import AsyncPager

if TYPE_CHECKING:
    import httpx2

    from .client import AsyncRollbook

T = TypeVar("T")
M = TypeVar("M", bound=Model)


class AsyncResource:
    """Calls about one kind of object. With `raw`, methods return a `RawResponse` instead of what it holds."""

    def __init__(self, client: AsyncRollbook, *, raw: bool = False) -> None:
        self._client, self._raw = client, raw

    def __init_subclass__(cls) -> None:
        explain_keywords(cls)

    async def _call(self, request: Request, decode: Callable[[httpx2.Response], T]) -> T:
        response = await self._client._send(request, decode)
        return cast("T", response) if self._raw else response.parsed

    def _pages(self, request: Request, kind: type[M], by: By) -> AsyncPager[M]:
        pager = AsyncPager(self._client, request, kind, by)
        return cast("Any", pager._fetch(request)) if self._raw else pager

    def _lines(self, request: Request) -> AsyncLines:
        return AsyncLines(self._client, request)
