"""The application as ASGI: for pages and mounted applications beside it, and for any other ASGI server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from rollbook.config import Settings
from rollbook.errors import ApiError, ContentTooLarge, RequestTimeout
from rollbook.http import guard, wire
from rollbook.http.application import Application
from rollbook.http.proxies import Proxies, plain
from rollbook.http.request import Request, RequestIds
from rollbook.http.response import Response

log = logging.getLogger("rollbook")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Asgi:
    """ASGI 3. Gives the answers that `http/protocol` gives directly, from the same checks."""

    def __init__(self, app: Application, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._proxies = Proxies(settings.trusted_proxy)
        self._new_id = RequestIds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._new_id.refresh()
        id = self._new_id()
        method = scope["method"]
        raw_path = scope.get("raw_path") or scope["path"].encode("utf-8")
        peer = plain(scope["client"][0]) if scope.get("client") else ""
        address, secure = peer, scope["scheme"] == "https"
        headers: dict[bytes, bytes] = {}
        close = False
        try:
            for name, value in scope["headers"]:
                headers[name] = guard.join(name, headers[name], value) if name in headers else value
            address, secure = self._proxies.client(peer, secure, headers)
            path, _ = guard.split_target(raw_path)
            body = await self._body(headers, receive)
            if body is None:
                return
            request = Request(
                method, path, scope["query_string"].decode("latin-1"), headers, body, address, secure, id, time.perf_counter_ns()
            )
            response = await self._app.answer(request)
        except ApiError as error:
            close = isinstance(error, (ContentTooLarge, RequestTimeout))
            response = self._refuse(error, id, address, method, raw_path, headers)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # the server gives up on us, not the handler on itself
                raise
            log.error("the handler of %s %s raised", method, raw_path.decode("latin-1"), exc_info=error)
            response = self._refuse(ApiError(), id, address, method, raw_path, headers)
        await self._send(send, response, id, method, secure, close)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """The whole body; None when the client has hung up. Raises ContentTooLarge, RequestTimeout."""
        if int(headers.get(b"content-length", b"0")) > self._settings.max_body:
            raise ContentTooLarge()
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body = bytearray(message.get("body", b""))
        if len(body) > self._settings.max_body:
            raise ContentTooLarge()
        if not message.get("more_body"):
            return bytes(body)
        try:
            async with asyncio.timeout(self._settings.body_timeout):
                while message.get("more_body"):
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._settings.max_body:
                        raise ContentTooLarge()
        except TimeoutError:
            raise RequestTimeout() from None
        return bytes(body)

    def _refuse(
        self, error: ApiError, id: str, address: str, method: str, raw_path: bytes, headers: dict[bytes, bytes]
    ) -> Response:
        return self._app.refuse(
            error, id=id, address=address, method=method, path=raw_path.decode("latin-1"), accept=headers.get(b"accept", b"")
        )

    async def _send(self, send: Send, response: Response, id: str, method: str, secure: bool, close: bool) -> None:
        headers = [*wire.every(secure), (b"X-Request-Id", id.encode("ascii")), *wire.fields(response)]
        if close:
            headers.append((b"Connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        body = b"" if method == "HEAD" or response.status in wire.BODYLESS else response.body
        await send({"type": "http.response.body", "body": body})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._app.start()
        except Exception as problem:
            await send({"type": "lifespan.startup.failed", "message": str(problem)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._app.stop()
        await send({"type": "lifespan.shutdown.complete"})
