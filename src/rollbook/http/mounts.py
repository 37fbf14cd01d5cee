"""Mounts an ASGI 3 application under a path prefix, behind whatever admits its callers.

Unlike our own handlers, such an application runs in a task: libraries like anyio need one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from rollbook.errors import ApiError
from rollbook.http.request import Request
from rollbook.http.response import Response, Stream, line
from rollbook.http.routing import Ids, RoutedRow

log = logging.getLogger("rollbook")

Message = MutableMapping[str, Any]
Asgi = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
Admit = Callable[[Request], Awaitable[Mapping[str, Any]]]
"""Raises ApiError, or returns what the application finds in `scope["state"]` about its caller."""

# The transport writes these itself.
OURS = frozenset((b"connection", b"content-length", b"date", b"transfer-encoding"))
# Seconds that an application has to end when its client has left, or to shut down, before it is cancelled.
GRACE = 1.0


class MountRow(NamedTuple):
    """One method of a mount."""

    method: str
    path: str
    max_body: int
    streams_body: bool = True


class Mount:
    """An entrance for all paths from `prefix` on. The application is called once `admit` has returned."""

    def __init__(self, app: Asgi, prefix: str, methods: Sequence[str], admit: Admit, max_body: int = 0) -> None:
        self.rows: list[RoutedRow] = [MountRow(method, prefix, max_body) for method in methods]
        self._app = app
        self._prefix = prefix
        self._admit = admit
        self._tasks: set[asyncio.Task[None]] = set()
        self._lifespan = _Lifespan(app)

    async def start(self) -> None:
        await self._lifespan.start()

    async def stop(self) -> None:
        """Called when all connections are closed."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE)
        await self._lifespan.stop()

    async def before_refusal(self, request: Request, rows: Sequence[MountRow]) -> None:
        await self._admit(request)

    async def answer(self, request: Request, row: MountRow, ids: Ids) -> Response:
        state = await self._admit(request)
        exchange = _Exchange(request)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": request.version,
            "method": request.method,
            "scheme": "https" if request.secure else "http",
            "path": request.path,
            "root_path": self._prefix,
            "query_string": request.query.encode("ascii"),
            "headers": list(request.headers.items()),
            "client": (request.address, 0),
            "server": None,
            "state": {**self._lifespan.state, **state},
        }
        task = asyncio.get_running_loop().create_task(exchange.run(self._app, scope))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        exchange.task = task
        return await exchange.response()


class _Exchange:
    """One request of the application and its response, whose body `Sending` pulls from here."""

    task: asyncio.Task[None]

    def __init__(self, request: Request) -> None:
        self._loop = asyncio.get_running_loop()
        self._request = request
        self._incoming = request.chunks()
        self._is_read = False
        self._broken: ApiError | None = None  # why the rest of the request will not come
        self._over = asyncio.Event()  # the response is complete, or the client has left
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._start: Message | None = None
        self._complete = False
        # One part at a time: `send` returns when the one before has been taken.
        self._parts: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(1)

    async def run(self, app: Asgi, scope: MutableMapping[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
            if not self._complete and not self._over.is_set():
                raise self._broken or RuntimeError("the application ended before its response did")
        except asyncio.CancelledError:
            self._fail(RuntimeError("the application was cancelled"))
            raise
        except Exception as error:
            if self._fail(self._broken or error):
                return
            if not self._over.is_set():
                await self._parts.put(error)
            elif not isinstance(error, OSError):  # which is how it hears that its client has left
                log.error("a mounted application failed after its response", exc_info=error)

    def _fail(self, error: Exception) -> bool:
        """There is no response yet, and none will come. False when it is too late to say so."""
        if self._started.done():
            return False
        self._started.set_exception(error)
        return True

    async def response(self) -> Response:
        await self._started
        start = self._start
        assert start is not None
        try:
            head = b"".join(
                line(name.decode("latin-1"), value.decode("latin-1"))
                for name, value in start.get("headers", ())
                if name.lower() not in OURS
            )
        except ValueError:
            await self.aclose()
            raise
        if self._complete and self._request.method != "HEAD":
            return Response(start["status"], head, self._whole())
        # A stream of events has no end of its own.
        return Response(start["status"], head, stream=Stream(self, b"text/event-stream" in head))

    def _whole(self) -> bytes:
        part = None if self._parts.empty() else self._parts.get_nowait()
        return part if isinstance(part, bytes) else b""

    # What the application calls.

    async def _receive(self) -> Message:
        if not self._is_read:
            try:
                part = await anext(self._incoming, None)
            except ApiError as error:
                self._is_read = True
                self._broken = error
                return {"type": "http.disconnect"}
            if part is not None:
                return {"type": "http.request", "body": part, "more_body": True}
            self._is_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._broken is None:
            await self._over.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._over.is_set():
            raise OSError("the client has left, or its response is complete")
        if message["type"] == "http.response.start":
            self._start = message
            # The body often follows at once: then the response needs no stream.
            self._loop.call_soon(self._begin)
        elif message["type"] == "http.response.body":
            if self._start is None:
                raise RuntimeError("the application sent a body before the start of its response")
            if part := message.get("body", b""):
                await self._parts.put(bytes(part))
            if not message.get("more_body"):
                self._complete = True
                if self._started.done():
                    await self._parts.put(None)
                self._begin()
                self._over.set()

    def _begin(self) -> None:
        if not self._started.done():
            self._started.set_result(None)

    # What the transport calls.

    def __aiter__(self) -> _Exchange:
        return self

    async def __anext__(self) -> bytes:
        part = await self._parts.get()
        if part is None:
            raise StopAsyncIteration
        if isinstance(part, Exception):
            raise part
        return part

    async def aclose(self) -> None:
        self._over.set()
        while not self._parts.empty():  # whoever waits to put one goes on, and hears of it next time
            self._parts.get_nowait()
        if not self._complete:
            self._loop.call_later(GRACE, self.task.cancel)


class _Lifespan:
    """The application's own start and stop, where it has them."""

    def __init__(self, app: Asgi) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._said: asyncio.Queue[Message] = asyncio.Queue()

    async def start(self) -> None:
        """Raises RuntimeError when the application says that it cannot start."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self._task = asyncio.get_running_loop().create_task(self._run(scope))
        answer = await self._tell("lifespan.startup")
        if answer["type"] == "lifespan.startup.failed":
            raise RuntimeError(f"a mounted application cannot start: {answer.get('message', '')}")

    async def stop(self) -> None:
        if self._task is None:
            return
        if not self._task.done():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._tell("lifespan.shutdown"), GRACE)
            self._task.cancel()
        await asyncio.wait([self._task], timeout=GRACE)

    async def _run(self, scope: MutableMapping[str, Any]) -> None:
        try:
            await self._app(scope, self._incoming.get, self._said.put)
        except Exception as problem:
            # Applications without a lifespan raise at this scope (ASGI, lifespan protocol).
            log.debug("a mounted application has no lifespan: %r", problem)
        finally:
            self._said.put_nowait({"type": "ended"})

    async def _tell(self, type: str) -> Message:
        self._incoming.put_nowait({"type": type})
        return await self._said.get()
