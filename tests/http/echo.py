"""A server for the tests of the transport: an application that says what it was asked. Run as `python -m
tests.http.echo SETTING=VALUE …`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import parse_qs

import msgspec

from rollbook.config import Settings, load
from rollbook.errors import ApiError
from rollbook.http.body import BodyRule
from rollbook.http.door import Door
from rollbook.http.request import JSON, Request, Response, Stream
from rollbook.http.server import serve
from tests import fixed


class Echo:
    """Each path does something that a handler may do to the transport."""

    def __init__(self, settings: Settings, worker: int) -> None:
        self.settings = settings
        self.worker = worker
        self.written = 0
        self.turns = 0
        self.connections = 0
        self.waiting: set[asyncio.Future[str]] = set()

    async def start(self) -> None:
        if os.environ.get("ECHO_FAILS_TO_START"):
            raise RuntimeError("no storage")
        if path := os.environ.get("ECHO_START_HELD"):
            await self._held(Path(path))

    async def stop(self) -> None:
        if path := os.environ.get("ECHO_STOPPED"):
            with open(path, "a") as file:  # noqa: ASYNC230
                file.write(f"{self.worker} {self.written}\n")

    async def drain(self) -> None:
        for future in self.waiting:
            future.set_result("stopping")

    def at_once(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext()

    def body_rule(self, method: str, path: str) -> BodyRule:
        if path == "/upload":
            return BodyRule(100_000_000, is_streamed=True)
        return BodyRule(100 if path == "/small" else self.settings.max_body)

    async def answer(self, request: Request) -> Response:
        query = {name: values[0] for name, values in parse_qs(request.query).items()}
        match request.path:
            case "/slow":
                await self._pause(float(query.get("s", "0.05")))
            case "/held":
                await self._held(Path(query["by"]))
                self.written += 1
            case "/wait":
                return Response(200, JSON, msgspec.json.encode(await self._wait(request, query)))
            case "/stall":  # nothing else happens meanwhile, and the turns that the loop then takes are counted
                self._stall(Path(query["by"]))
            case "/turn":
                return Response(200, JSON, msgspec.json.encode(self.turns))
            case "/turns":
                for _ in range(3):
                    await asyncio.sleep(0)
            case "/write":
                await self._pause(float(query.get("s", "0.2")))
                self.written += 1
            case "/written":
                return Response(200, JSON, msgspec.json.encode(self.written))
            case "/raises":
                raise RuntimeError("broken promise")
            case "/raises-later":
                await self._pause(0.01)
                raise RuntimeError("broken promise")
            case "/cancelled":
                future = asyncio.get_running_loop().create_future()
                asyncio.get_running_loop().call_soon(future.cancel)
                await future
            case "/big":
                return Response(200, JSON, b'"' + b"x" * (int(query["bytes"]) - 2) + b'"')
            case "/upload":
                try:
                    return Response(200, JSON, msgspec.json.encode(await self._upload(request, query)))
                except ApiError as error:
                    return self.refuse(error, id=request.id, address=request.address)
            case "/stream":
                return Response(
                    200, JSON, stream=Stream(self._parts(query), "endless" in query, query.get("cut_off", "").encode())
                )
            case "/empty":
                return Response(204)
            case "/unchanged":
                return Response(304, b'ETag: "1"\r\n')
            case "/process":
                return Response(200, JSON, msgspec.json.encode(os.getpid()))
        return Response(200, JSON, msgspec.json.encode(self._seen(request)))

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
        head = JSON + b"".join(f"{name}: {value}\r\n".encode() for name, value in error.headers.items())
        return Response(
            error.status, head, msgspec.json.encode({"error": error.message, "address": address, "request_id": id})
        )

    async def _upload(self, request: Request, query: dict[str, str]) -> dict[str, object]:
        """Reads `parts` parts (none: all), `pause` seconds apart, beginning when `held` says so."""
        if "held" in query:
            await self._held(Path(query["held"]))
        size, digest, read = 0, hashlib.sha256(), 0
        limit = int(query.get("parts", 1 << 60))
        chunks = request.chunks()
        while read < limit and (part := await anext(chunks, None)) is not None:
            read += 1
            size += len(part)
            digest.update(part)
            if "pause" in query:
                await self._pause(float(query["pause"]))
        return {"size": size, "sha256": digest.hexdigest()}

    async def _parts(self, query: dict[str, str]) -> AsyncGenerator[bytes, None]:
        """`count` parts of `bytes` bytes (none: without end), `pause` seconds apart; `raises` at the end; then a word
        in `closed`."""
        part, count = b"x" * int(query.get("bytes", "10")), int(query.get("count", "0"))
        sent = 0
        try:
            while not count or sent < count:
                sent += 1
                yield part
                if "pause" in query:
                    await self._pause(float(query["pause"]))
            if "raises" in query:
                raise RuntimeError("broken promise")
        finally:
            if "closed" in query:
                await asyncio.sleep(0)  # cleaning up may wait
                closed = Path(query["closed"])  # whole once it is there
                told = closed.read_text() if closed.exists() else ""  # noqa: ASYNC240
                closed.with_suffix(".new").write_text(f"{told}{sent}\n")
                closed.with_suffix(".new").rename(closed)

    def finished(self, request: Request, status: int, size: int) -> None:
        if path := os.environ.get("ECHO_FINISHED"):
            with open(path, "a") as file:
                file.write(f"{request.method} {request.path} {status} {size}\n")

    def _stall(self, until: Path) -> None:
        until.with_suffix(".begun").touch()
        while not until.exists():
            time.sleep(0.001)
        self._count_turns()

    def _count_turns(self) -> None:
        self.turns += 1
        if self.turns < 1_000:
            asyncio.get_running_loop().call_soon(self._count_turns)

    async def _held(self, by: Path) -> None:
        """Until somebody makes this file."""
        by.with_suffix(".begun").touch()
        while not by.exists():  # noqa: ASYNC240
            await self._pause(0.01)

    async def _wait(self, request: Request, query: dict[str, str]) -> str:
        """Why it ended: nothing but the end of the server or the client does."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.add(future)
        if request.left is None:
            request.left = lambda: future.set_result("left")
        else:
            future.set_result("gone")
        if "begun" in query:
            Path(query["begun"]).touch()  # noqa: ASYNC240
        why = await future
        self.waiting.remove(future)
        if "ended" in query:
            Path(query["ended"]).with_suffix(".new").write_text(why)
            Path(query["ended"]).with_suffix(".new").rename(query["ended"])
        return why

    async def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_later(seconds, future.set_result, None)
        await future

    def _seen(self, request: Request) -> dict[str, object]:
        return {
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.items()},
            "body": request.body.decode("latin-1"),
            "address": request.address,
            "secure": request.secure,
            "id": request.id,
        }


def main() -> None:
    logging.basicConfig(stream=sys.stderr, format="%(name)s %(levelname)s %(message)s")
    pairs = [argument.partition("=") for argument in sys.argv[1:]]
    if "ECHO_LOOPBACK_COUNTS" in os.environ:  # as any other network
        Door._is_apart = lambda door, address: False  # type: ignore[method-assign]
    settings, _ = load(
        environment={f"ROLLBOOK_{name.upper()}": value for name, _, value in pairs if name not in fixed.NAMES}
    )
    settings = fixed.replaced(settings, {name: value for name, _, value in pairs if name in fixed.NAMES})
    sys.exit(serve(settings, lambda settings, worker: Echo(settings, worker), lambda url: print(url, flush=True)))


if __name__ == "__main__":
    main()
