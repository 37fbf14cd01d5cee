"""A receiver of webhooks in a thread of its own, which writes down what arrives and answers as a test wants."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

When = float | threading.Event
Answer = tuple[int, When] | tuple[int, When, dict[str, str]] | None
"""Status, seconds until then or what is waited for, and headers. None: never."""


class Message:
    """One request as it arrived."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes, number: int) -> None:
        self.at = time.monotonic()
        self.path = path
        self.headers = headers
        self.body = body
        self.event: dict[str, Any] = json.loads(body)
        self.id = headers["webhook-id"]
        self.user_id: str | None = self.event.get("user_id")
        self.number = number
        """How often this event came to this path, from 1."""
        self.status: int | None = None
        """Of the answer, once it has been sent."""


class Listener:
    """`answer` decides about each message, in the listener's thread; 200 at once if it is not set."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.answer: Callable[[Message], Answer] = lambda message: (200, 0)
        self.echoes = False
        """Answers repeat the message."""
        self.says = b""
        """The body of answers that don't repeat it."""
        self.connections = 0
        """Open ones."""
        self.overlaps = 0
        """Messages about a user that arrived while another one about them was on the wire to the same path."""
        self._counts: Counter[tuple[str, str]] = Counter()
        self._running: dict[tuple[str, str], asyncio.StreamReader] = {}
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str = "/hook") -> list[Message]:
        return [message for message in list(self.messages) if message.path == path]

    def delivered(self, path: str = "/hook") -> list[Message]:
        """Those that were answered with success, in the order of their arrival."""
        return [message for message in self.at(path) if message.status is not None and 200 <= message.status < 300]

    def wait_for(self, happened: Callable[[], Any], seconds: float = 60) -> None:
        until, pause = time.monotonic() + seconds, 0.005
        while not happened():
            assert time.monotonic() < until, f"it did not happen; {len(self.messages)} messages came: {self._last()}"
            time.sleep(pause)
            pause = min(1.5 * pause, 0.1)

    def _last(self) -> list[tuple[str, int | None]]:
        return [(message.event.get("type", ""), message.status) for message in self.messages[-10:]]

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await self._exchange(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.connections -= 1
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head[:-4].split("\r\n")
        headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        body = await reader.readexactly(int(headers["content-length"]))
        path = line.split()[1]
        self._counts[path, headers["webhook-id"]] += 1
        message = Message(path, headers, body, self._counts[path, headers["webhook-id"]])
        key = (path, message.user_id or "")
        other = self._running.get(key)
        self.overlaps += other is not None and not other.at_eof() and other.exception() is None
        self._running[key] = reader
        self.messages.append(message)
        try:
            await self._answer(message, writer)
        finally:
            if self._running.get(key) is reader:
                del self._running[key]

    async def _answer(self, message: Message, writer: asyncio.StreamWriter) -> None:
        answer = self.answer(message)
        if answer is None:
            await asyncio.Event().wait()
            return
        status, delay, *more = answer
        if isinstance(delay, threading.Event):
            while not delay.is_set():  # noqa: ASYNC110 - another thread sets it
                await asyncio.sleep(0.005)
        elif delay:
            await asyncio.sleep(delay)
        lines = "".join(f"{name}: {value}\r\n" for name, value in (more[0] if more else {}).items())
        message.status = status
        body = message.body if self.echoes else self.says
        writer.write(f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()
    try:
        yield listener
    finally:
        listener.stop()


def check_order(log: list[dict[str, Any]], delivered: list[Message]) -> int:
    """Every event of the log arrived, and those about each user in the order of the log: the first arrival of each
    counts, since any can come twice. Returns how many came more often than once."""
    first: dict[str, int] = {}
    for place, message in enumerate(delivered):
        first.setdefault(message.id, place)
    lost = [event["id"] for event in log if event["id"] not in first]
    assert not lost, f"{len(lost)} of {len(log)} events never arrived, first {lost[0]}"
    last: dict[str | None, int] = {}
    for event in log:
        user, place = event["user_id"], first[event["id"]]
        assert place > last.get(user, -1), f"event {event['id']} of {user} overtook an earlier one"
        last[user] = place
    return len(delivered) - len(first)
