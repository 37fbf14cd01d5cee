"""Interface between the transport and the application behind it: one request in, one response out."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from rollbook.errors import ApiError
from rollbook.http.body import BodyRule
from rollbook.http.request import Request
from rollbook.http.response import Response


class Application(Protocol):
    """Built once in each worker process."""

    connections: int
    """Open connections; the transport updates it about twice a second."""

    async def start(self) -> None:
        """Open what it needs. No connection is accepted before this has returned."""
        ...

    async def drain(self) -> None:
        """The server stops: answer requests that wait for something to happen, and finish within `drain_timeout` what
        is done besides requests. The others are answered meanwhile."""
        ...

    async def stop(self) -> None:
        """Flush and close. Called when the last response has been written."""
        ...

    def body_rule(self, method: str, path: str) -> BodyRule:
        """Asked at the end of the head of a request that has a body."""
        ...

    def answer(self, request: Request) -> Response | Coroutine[Any, Any, Response]:
        """At once, or by a coroutine. Neither raises. The coroutine waits only on futures (and `sleep(0)`): there may
        be no task around it, so `asyncio.timeout` and `current_task` do not work. The transport adds the lines of
        `request.head` to the response."""
        ...

    def finished(self, request: Request, status: int, size: int) -> None:
        """The request is answered with so many bytes of body, or as many as the client has waited for. Logs and counts
        it."""
        ...

    def refuse(
        self,
        error: ApiError,
        *,
        id: str,
        address: str,
        method: str = "",
        path: str = "",
        headers: dict[bytes, bytes] | None = None,
    ) -> Response:
        """The response to a request that the transport itself rejects, with the header fields that it had; logs and
        counts it."""
        ...
