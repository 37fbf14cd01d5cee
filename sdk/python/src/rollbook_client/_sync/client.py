"""The client for threads, and programs without any."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from .. import _responses, _retries, _settings
from .._errors import RollbookError
from .._logs import note
from .._requests import OMIT, Request, build, target
from .._responses import RawResponse
from ._waiting import Clock, Gate, abandon
from .resources import Resources

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")


class _Connection:
    """What copies of a client share. The HTTP client is loaded and made at the first call."""

    def __init__(self, url: str, head: Mapping[str, str], proxy: str | None, http_client: httpx2.Client | None) -> None:
        self.url, self.head = url, head
        self.clock = Clock()
        self.gate = Gate(self.clock)
        self._proxy = proxy
        self._http = self._given = http_client
        self._is_closed = False
        self._lock = threading.Lock()

    def http(self) -> httpx2.Client:
        """Raises RollbookError when it was closed."""
        if self._is_closed:
            raise RollbookError("The client is closed.")
        if self._http is None:
            import httpx2

            with self._lock:
                if self._http is None:
                    is_plain = not _settings.needs_certificates(self.url, self._proxy)
                    verify = False if is_plain else _settings.tls_context()
                    self._http = httpx2.Client(proxy=self._proxy, verify=verify)
                    weakref.finalize(self, abandon, self._http)
        return self._http

    def close(self) -> None:
        self._is_closed = True
        if self._http is not None and self._http is not self._given:
            self._http.close()


class Rollbook(Resources):
    """A client of one server with one API key.

    It connects at the first call and keeps connections, so create one and use it everywhere; close it at the end, or
    use it with `with`. Every call raises a subclass of `RollbookError` if it fails.

    Args:
        url: The server's, such as `https://users.example.com`. Default: the variable `ROLLBOOK_URL`. key: An API key.
        Default: the variable `ROLLBOOK_KEY`. It cannot be changed later. timeout: Seconds to connect, and to wait for
        each part of a response. None: no limit. max_retries: How many times a call that fails is tried again: after
        lost connections, 408, 429 and 5xx. POSTs are safe to repeat,
            since each has an `Idempotency-Key`.
        pacing: Whether calls wait before the rate limit is exceeded, instead of after. max_wait: The longest time in
        seconds that a call waits for the rate limit; if it would take longer, `RateLimitExceeded` is raised
            at once. The default lets programs that do a lot finish; in a web application, choose a second or two.
        proxy: URL of a proxy. Default: what `HTTPS_PROXY` and `HTTP_PROXY` name.
        http_client: A client of httpx2 of your own, for certificates, transports and pools; close it yourself.

    Example:
        >>> with Rollbook() as client:
        ...     for user in client.users.list(role="admin"):
        ...         print(user.email)
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        key: str | None = None,
        timeout: float | None = 30.0,
        max_retries: int = 3,
        pacing: bool = True,
        max_wait: float = 3600.0,
        proxy: str | None = None,
        http_client: httpx2.Client | None = None,
    ) -> None:
        self._settings = _settings.Settings(timeout, max_retries, max_wait, pacing)
        self._connection = _Connection(_settings.address(url), _settings.head(key), proxy, http_client)

    @property
    def url(self) -> str:
        """The server's, without `/v1`."""
        return self._connection.url

    def with_options(
        self,
        *,
        timeout: float | None = -1,
        max_retries: int | None = None,
        pacing: bool | None = None,
        max_wait: float | None = None,
    ) -> Rollbook:
        """A client with other settings: connections, key and what is known of the rate limit are shared.

        Example:
            >>> client.with_options(max_retries=0, timeout=2).users.get("user_065n14sd01rd526r46hrcu0i8o")
        """
        twin = object.__new__(type(self))
        given = {"max_retries": max_retries, "pacing": pacing, "max_wait": max_wait}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        twin._settings = self._settings._replace(
            **changes, timeout=self._settings.timeout if timeout == -1 else timeout
        )
        twin._connection = self._connection
        return twin

    # ---- calls without a method of their own

    def get(
        self, path: str, *, query: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> RawResponse[Any]:
        """Any GET. Retries, pacing and errors are those of all calls. `parsed` is the decoded JSON.

        Example:
            >>> response = client.get("/v1/users", query={"limit": 2})
            >>> response.parsed[0]["email"]
        """
        return self.request("GET", path, query=query, headers=headers)

    def post(
        self,
        path: str,
        body: Any = OMIT,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> RawResponse[Any]:
        """Any POST, with `body` as JSON."""
        return self.request("POST", path, body, query=query, headers=headers, idempotency_key=idempotency_key)

    def put(
        self,
        path: str,
        body: Any = OMIT,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RawResponse[Any]:
        """Any PUT, with `body` as JSON."""
        return self.request("PUT", path, body, query=query, headers=headers)

    def patch(
        self,
        path: str,
        body: Any = OMIT,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RawResponse[Any]:
        """Any PATCH, with `body` as JSON."""
        return self.request("PATCH", path, body, query=query, headers=headers)

    def delete(
        self, path: str, *, query: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> RawResponse[Any]:
        """Any DELETE."""
        return self.request("DELETE", path, query=query, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        body: Any = OMIT,
        *,
        query: Mapping[str, Any] | None = None,
        content: Any = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> RawResponse[Any]:
        """Any call. `content`: a body that is no JSON, as bytes or an iterable of them, which is not sent a second
        time."""
        request = build(
            method.upper(),
            path,
            query=query,
            body=body,
            content=content,
            headers=headers,
            idempotency_key=idempotency_key,
        )
        return self._send(request, _responses.json_or_nothing)

    @contextmanager
    def stream(self, path: str, *, query: Mapping[str, Any] | None = None) -> Iterator[httpx2.Response]:
        """A GET whose body is too large to be held, such as an export: read it in parts.

        Example:
            >>> with client.stream("/v1/exports", query={"format": "csv"}) as response:
            ...     for part in response.iter_bytes():
            ...         file.write(part)
        """
        with self._stream(build("GET", path, query=query)) as response:
            yield response

    # ---- what resources stand on

    def _send(self, request: Request, decode: Callable[[httpx2.Response], T]) -> RawResponse[T]:
        return RawResponse(self._exchange(request, stream=False), decode)

    @contextmanager
    def _stream(self, request: Request) -> Iterator[httpx2.Response]:
        """A successful response whose body is still to be read."""
        response = self._exchange(request, stream=True)
        try:
            yield response
        finally:
            response.close()

    def _exchange(self, request: Request, *, stream: bool) -> httpx2.Response:
        """The successful response, after as many tries as it takes."""
        import httpx2

        tries = 0
        while True:
            tries += 1
            may_repeat = tries <= self._settings.max_retries
            try:
                response = self._try(request, stream)
            except httpx2.TransportError as problem:
                why: Exception = _responses.connection_failure(problem, self.url)
                was_sent = not isinstance(problem, (httpx2.ConnectError, httpx2.ConnectTimeout))
                is_final = isinstance(problem, (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError))
                if is_final or not may_repeat or (was_sent and not request.repeats):
                    raise why from problem
                wait = _retries.pause(tries, None)
            else:
                if response.is_success or response.status_code == 304:
                    return response
                why = failure = _responses.failure(response)
                wait = _retries.pause(tries, failure.retry_after)
                is_worth_it = _retries.is_worth_it(failure.status, failure.code)
                if not (may_repeat and request.repeats and is_worth_it and wait <= self._settings.max_wait + 1):
                    raise failure
            note("%s Trying again in %.1f s.", why, wait)
            self._connection.clock.sleep(wait)

    def _try(self, request: Request, stream: bool) -> httpx2.Response:
        """Whatever the server answers; read, unless it is a success to stream."""
        import httpx2

        connection, settings = self._connection, self._settings
        http = connection.http()
        timeout = httpx2.Timeout(settings.timeout, pool=None)
        if request.read_timeout is not None:
            timeout = httpx2.Timeout(settings.timeout, pool=None, read=request.read_timeout)
        prepared = http.build_request(
            request.method,
            connection.url + target(request),
            content=request.content,
            headers={**connection.head, **request.headers},
            timeout=timeout,
        )
        is_paced = request.is_limited
        if is_paced and settings.pacing:
            connection.gate.enter(request.cost, settings.max_wait)
        elif is_paced:
            connection.gate.pass_by(request.cost)
        status, headers = 0, cast("Mapping[str, str]", {})
        try:
            response = http.send(prepared, stream=True, follow_redirects=False)
            status, headers = response.status_code, response.headers
        finally:
            if is_paced:
                connection.gate.leave(request.cost, status, headers)
        if not (stream and response.is_success):
            try:
                response.read()
            finally:
                response.close()
        return response

    # ---- the end

    def close(self) -> None:
        """Close all connections. The client can't be used afterward."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"
