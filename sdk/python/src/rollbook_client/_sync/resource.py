"""What all resources have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from rollbook_client._models import Model
from rollbook_client._pages import By
from rollbook_client._requests import Request
from rollbook_client._responses import connection_failure, stranger
from rollbook_client._sync.pages import Pager

if TYPE_CHECKING:
    import httpx2

    from rollbook_client._sync.client import Rollbook

T = TypeVar("T")
M = TypeVar("M", bound=Model)


class Resource:
    """Calls about one kind of object. With `raw`, methods return a `RawResponse` instead of what it holds."""

    def __init__(self, client: Rollbook, *, raw: bool = False) -> None:
        self._client, self._raw = client, raw

    def _call(self, request: Request, decode: Callable[[httpx2.Response], T]) -> T:
        response = self._client._send(request, decode)
        return cast("T", response) if self._raw else response.parsed

    def _pages(self, request: Request, kind: type[M], by: By) -> Pager[M]:
        pager = Pager(self._client, request, kind, by)
        return cast("Any", pager._fetch(request)) if self._raw else pager

    def _lines(self, request: Request) -> Iterator[dict[str, Any]]:
        """The objects of a response that has one a line, as they come."""
        import httpx2

        with self._client._stream(request) as response:
            try:
                for line in response.iter_lines():
                    if line:
                        yield json.loads(line)
            except httpx2.TransportError as problem:
                raise connection_failure(problem, self._client.url) from problem
            except ValueError:
                raise stranger(response) from None
