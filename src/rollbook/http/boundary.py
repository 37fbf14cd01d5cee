"""Turns an error into a response: `{"error": ...}` with its status, or a problem document (RFC 9457) if the client
accepts one."""

from __future__ import annotations

from typing import Any

import msgspec

from rollbook.errors import ApiError
from rollbook.http.request import JSON, PRIVATE, PROBLEM, Response, line
from rollbook.http.sending import REASON

_encode = msgspec.json.Encoder().encode


def render(error: ApiError, request_id: str, base_url: str, accept: bytes | None = None, head: bytes = b"") -> Response:
    """`head` holds header lines that every response to this request has, such as those of the rate limits."""
    content = describe(error, request_id, base_url)
    kind = JSON
    if accept is not None and b"application/problem+json" in accept:
        kind = PROBLEM
        content = {
            "type": content["doc_url"],
            "title": REASON[error.status],
            "status": error.status,
            "detail": error.message,
            "instance": f"urn:rollbook:request:{request_id}",
            **content,
        }
    own = b"".join([line(name, value) for name, value in error.headers.items()])
    return Response(error.status, kind + PRIVATE + own + head, _encode(content))


def describe(error: ApiError, request_id: str, base_url: str) -> dict[str, Any]:
    """The object that tells of an error."""
    content: dict[str, Any] = {
        "error": error.message,
        "code": error.code,
        "request_id": request_id,
        "doc_url": f"{base_url}/docs/errors/{error.code}",
    }
    if error.param is not None:
        content["param"] = error.param
    if error.faults:
        content["errors"] = [{"param": fault.param, "message": fault.message} for fault in error.faults]
    content.update(error.members)
    return content
