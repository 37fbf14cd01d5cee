"""Errors that do not depend on the server's version. Those by status and code are in `errors`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class RollbookError(Exception):
    """Of all errors of this client."""


class ConnectionFailed(RollbookError):
    """No response arrived: the server can't be reached, or the connection was lost in every try. Its cause is the error
    of httpx2."""


class TimedOut(ConnectionFailed):
    """No response arrived in time."""


class UnexpectedResponse(RollbookError):
    """The response is not one of a Rollbook server. Check the URL, and proxies in between."""


class ImportFailed(RollbookError):
    """An import ended before the end of its file. `job` is the import: what went in until then stays."""

    def __init__(self, job: Any) -> None:
        self.job = job
        super().__init__(f"The import {job.status}: {job.error or 'no reason is known'}")


class Fault(NamedTuple):
    """One thing that is wrong with a request."""

    param: str
    message: str


class APIError(RollbookError):
    """The server refused the request. Subclasses are for a status, and theirs for a `code`."""

    status: int
    code: str
    """What went wrong, for programs, such as `email_taken`. Empty if something before the server answered."""
    message: str
    """What went wrong and how to fix it, for people."""
    param: str | None
    """The parameter or field at fault."""
    faults: Sequence[Fault]
    """All that is wrong with a body or query."""
    challenge: str | None
    """To be sent with a code, where a second factor is required."""
    request_id: str | None
    """Of the server's log."""
    doc_url: str | None
    retry_after: float | None
    """Seconds, if the server says when to try again."""
    headers: Mapping[str, str]
    body: Any
    """The decoded response, or its text."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str], retry_after: float | None = None) -> None:
        found: Mapping[str, Any] = body if isinstance(body, dict) else {}
        sentence = found.get("error")
        self.status, self.headers, self.body, self.retry_after = status, headers, body, retry_after
        self.code = _string(found.get("code")) or ""
        self.message = sentence if isinstance(sentence, str) else f"The server answered {status}."
        self.param, self.doc_url = _string(found.get("param")), _string(found.get("doc_url"))
        self.challenge = _string(found.get("challenge"))
        self.request_id = _string(found.get("request_id")) or headers.get("x-request-id")
        faults = found.get("errors")
        self.faults = [
            Fault(str(each.get("param", "")), str(each.get("message", "")))
            for each in (faults if isinstance(faults, list) else ())
            if isinstance(each, dict)
        ]
        super().__init__(status, body, headers, retry_after)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.status}, {self.code!r}, {self.message!r})"

    def __str__(self) -> str:
        sentence = " ".join(each.message for each in self.faults) or self.message
        return f"{sentence} ({', '.join(filter(None, (str(self.status), self.code, self.request_id)))})"


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None
