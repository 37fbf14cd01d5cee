"""One HTTP request as the API sees it: whole, its body read, its framing already checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollbook.api.routes import Route



class Request:
    """What a transport (`http/protocol`, `http/asgi`) hands to the application.

    `headers` has lower-case names; values of a repeated field are joined by ", " (RFC 9110 section 5.3).
    `address` is the client's, taken from a proxy's header only where the peer is a trusted proxy. `started` is
    `time.perf_counter_ns()` when the last byte of the request had arrived. The gate fills in `user_id`, `key_id` and
    `route` for the access line.
    """

    __slots__ = (
        "address", "body", "headers", "id", "key_id", "method", "path", "query", "route", "secure", "started", "user_id",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[bytes, bytes],
        body: bytes,
        address: str,
        secure: bool,
        id: str,
        started: int,
    ) -> None:
        self.method = method
        self.path = path  # percent-decoded
        self.query = query  # as sent, without the question mark
        self.headers = headers
        self.body = body
        self.address = address
        self.secure = secure
        self.id = id
        self.started = started
        self.user_id: str | None = None
        self.key_id: str | None = None
        self.route: Route | None = None
