"""Cross-origin requests: which web origins may call the API from a browser, and which fields their scripts can read
(Fetch standard, "CORS protocol")."""

from __future__ import annotations

from rollbook.config import Origins
from rollbook.http.request import line

ANY_ORIGIN = line("Access-Control-Allow-Origin", "*")
"""Header of documents that are public anyway."""

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
# What a script may send beside the fields that are always allowed.
_SENT = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Traceparent, Tracestate, X-Request-Id"
# What it may read beside the fields that are always readable.
_READ = (
    "ETag, Event-Position, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Limit, RateLimit-Policy, "
    "RateLimit-Remaining, "
    "RateLimit-Reset, Retry-After, Traceparent, WWW-Authenticate, X-Next-Cursor, X-Request-Id, X-Total-Count"
)
# Browsers ask again after a day at most, some after two hours.
_PREFLIGHT = (
    line("Access-Control-Allow-Methods", _METHODS)
    + line("Access-Control-Allow-Headers", _SENT)
    + line("Access-Control-Max-Age", "86400")
)
_VARY = b"Vary: Origin\r\n"


class Cors:
    """The origins of the setting `cors_origins`."""

    def __init__(self, origins: Origins) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def lines(self, path: str, method: str, headers: dict[bytes, bytes]) -> bytes:
        """Header lines of the response to a request, an error included."""
        if not path.startswith("/v1"):
            return b""
        origin = headers.get(b"origin")
        if origin not in self._origins:
            return _VARY
        allowed = _VARY + b"Access-Control-Allow-Origin: " + origin + b"\r\n"
        if method == "OPTIONS" and b"access-control-request-method" in headers:
            return allowed + _PREFLIGHT
        return allowed + line("Access-Control-Expose-Headers", _READ)
