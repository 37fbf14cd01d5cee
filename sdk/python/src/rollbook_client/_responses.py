"""What becomes of a response: a value, or the error that its status and code stand for. Free of input and output."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import _retries
from ._errors import APIError, ConnectionFailed, TimedOut, UnexpectedResponse
from ._models import Model, each
from .errors import BY_CODE, BY_STATUS, RateLimitExceeded, ServerError

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
M = TypeVar("M", bound=Model)
Decode = Callable[["httpx2.Response"], T]


class RawResponse(Generic[T]):
    """A successful response with its head. `parsed` is what the method returns without `with_raw_response`."""

    def __init__(self, http_response: httpx2.Response, decode: Decode[T]) -> None:
        self.http_response = http_response
        self.parsed: T = decode(http_response)

    @property
    def status_code(self) -> int:
        return self.http_response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in any case."""
        return self.http_response.headers

    @property
    def content(self) -> bytes:
        return self.http_response.content

    @property
    def text(self) -> str:
        return self.http_response.text

    def json(self) -> Any:
        """Raises UnexpectedResponse if it is no JSON."""
        return json_of(self.http_response)

    @property
    def request_id(self) -> str | None:
        return self.headers.get("x-request-id")

    @property
    def etag(self) -> str | None:
        """The version of the object, for `if_match`."""
        return self.headers.get("etag")

    def __repr__(self) -> str:
        return f"<RawResponse {self.status_code} {self.request_id or ''}>"


def json_of(response: httpx2.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        raise stranger(response) from None


def one_of(kind: type[M]) -> Decode[M]:
    def decode(response: httpx2.Response) -> M:
        found = json_of(response)
        if not isinstance(found, dict):
            raise stranger(response)
        return kind(found, response.headers.get("etag"))

    return decode


def list_of(kind: type[M]) -> Decode[list[M]]:
    def decode(response: httpx2.Response) -> list[M]:
        found = json_of(response)
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise stranger(response)
        return each(kind)(found)

    return decode


def json_or_nothing(response: httpx2.Response) -> Any:
    """The body of a call that this client has no method for: None if it isn't one JSON text. NDJSON is many of them."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return json_of(response) if response.content and (kind == "application/json" or kind.endswith("+json")) else None


def text(response: httpx2.Response) -> str:
    return response.text


def nothing(response: httpx2.Response) -> None:
    return None


def stranger(response: httpx2.Response) -> UnexpectedResponse:
    url = response.request.url
    return UnexpectedResponse(
        f"{url.scheme}://{url.netloc.decode()} answered {response.status_code}, but not like a Rollbook server. "
        "Check the URL."
    )


def failure(response: httpx2.Response) -> APIError:
    """The error for a response that was read."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = response.text
    return failure_of(response.status_code, body, response.headers)


def failure_of(status: int, body: Any, headers: Mapping[str, str]) -> APIError:
    """By code, by status where the code is not known, which later versions may send."""
    code = body.get("code") if isinstance(body, dict) else None
    kind = BY_CODE.get(code) if isinstance(code, str) else None
    kind = kind or BY_STATUS.get(status) or (ServerError if status >= 500 else APIError)
    if status == 0:  # a stream ended with an error, long after its status was sent
        status = next((each for each, family in BY_STATUS.items() if issubclass(kind, family)), 0)
    return kind(status, body, headers, _retries.retry_after(headers, time.time()))


def limit_wait(seconds: float) -> APIError:
    """For a request that was not sent, since the rate limit would have refused it."""
    sentence = f"The rate limit leaves no requests for the next {seconds:.0f} s, which is longer than max_wait."
    return RateLimitExceeded(429, {"error": sentence, "code": "rate_limit_exceeded"}, {}, seconds)


def connection_failure(problem: httpx2.TransportError, url: str) -> ConnectionFailed:
    import httpx2

    if isinstance(problem, httpx2.TimeoutException):
        return TimedOut(f"{url} did not answer in time ({type(problem).__name__}).")
    told = re.sub(r"^\[Errno -?[0-9]+\] ", "", str(problem)) or type(problem).__name__
    return ConnectionFailed(f"{url} does not answer ({told}).")
