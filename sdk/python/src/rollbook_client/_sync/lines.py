"""Responses with an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._requests import Request
from .._responses import connection_failure, stranger

if TYPE_CHECKING:
    import httpx2

    from .client import Rollbook


class Lines:
    """Objects, read as you go on, however many there are. Each time you iterate, they are asked for again.

    Example:
        >>> users = client.exports.users()
        >>> for user in users:
        ...     print(user["email"])
        >>> users.event_position
        '48213'
    """

    event_position: str | None = None
    """Known from the first object on, if the server says: the objects have all changes up to there."""

    def __init__(self, client: Rollbook, request: Request) -> None:
        self._client, self._request = client, request

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Raises ConnectionFailed if the connection is lost before the end: then some are missing."""
        import httpx2

        with self._client._stream(self._request) as response:
            self.event_position = response.headers.get("event-position")
            try:
                for line in _lines(response):
                    yield json.loads(line)
            except httpx2.TransportError as problem:
                raise connection_failure(problem, self._client.url) from problem
            except ValueError:
                raise stranger(response) from None


def _lines(response: httpx2.Response) -> Iterator[bytes]:
    """The lines that aren't empty. `iter_lines` also ends a line at U+2028 and U+0085, which JSON texts may
    contain."""
    rest = b""
    for part in response.iter_bytes():
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            if line:
                yield line
    if rest:
        yield rest
