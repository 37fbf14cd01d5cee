"""Sends a streamed response: pulls its chunks no faster than the client reads, and ends it for whatever reason there
is.

A task does it, not `http/driver`: a stream must be cancelled when its client leaves, wherever it waits, and a task is
what can be cancelled. Its 15 microseconds are paid once for a response that is long anyway.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from rollbook.errors import ApiError
from rollbook.http import wire
from rollbook.http.request import Request
from rollbook.http.response import Response, Stream

if TYPE_CHECKING:
    from rollbook.http.connection import Connection

log = logging.getLogger("rollbook")


class Sending:
    """One streamed response on its way. Its head is written; the connection is told by `stream_ended` when all is
    done."""

    def __init__(
        self, connection: Connection, request: Request, response: Response, stream: Stream, keep: bool
    ) -> None:
        self.request = request
        self.response = response
        self.keep = keep  # the connection stays open after it
        self.size = 0  # bytes of the body so far
        is_head = request.method == "HEAD"
        # HTTP/1.0 has no chunks: there the end of the connection ends the body.
        self.is_chunked = request.version != "1.0" and not is_head
        self.complete = is_head
        self._cancelled = is_head
        self._connection = connection
        self._stream = stream
        self._room: asyncio.Future[None] | None = None  # while the client has more than enough to read
        self._pulling = False
        self.task = connection.worker.loop.create_task(self._send())
        self.task.add_done_callback(self._done)

    def cancel(self) -> None:
        """The client has left."""
        if not self._cancelled:
            self._cancelled = True
            if self._pulling:
                self.task.cancel()

    def stop(self) -> None:
        """The server stops: a stream without an end of its own ends here."""
        if self._stream.endless:
            self.complete = True
            self.cancel()

    @property
    def is_endless(self) -> bool:
        return self._stream.endless

    def cut_off(self) -> bool:
        """The client does not read. False if the stream has nothing to say to that."""
        reason = self._stream.cut_off
        if not reason or self._cancelled:
            return False
        transport = self._connection.transport
        transport.write(wire.chunk(reason) + wire.LAST_CHUNK if self.is_chunked else reason)
        transport.close()  # once it has read all, if it does
        self.cancel()
        return True

    def resume(self) -> None:
        """The client reads again."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _send(self) -> None:
        connection = self._connection
        chunks = self._stream.chunks
        try:
            if self._cancelled:
                return
            self._pulling = True
            async for chunk in chunks:
                if self._cancelled:
                    return
                if not chunk:  # would be the last one
                    continue
                connection.transport.write(wire.chunk(chunk) if self.is_chunked else chunk)
                self.size += len(chunk)
                connection.moved()
                if connection.write_blocked:
                    self._room = connection.worker.loop.create_future()
                    await self._room
                else:  # a producer that never waits must not keep the others waiting
                    await asyncio.sleep(0)
            self.complete = True
        finally:
            self._pulling = False
            await chunks.aclose()

    def _done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.complete = False
            what = f"{self.request.method} {self.request.path}"
            if isinstance(error, ApiError) and error.status < 500:
                log.warning("the body of %s was cut off: %s", what, error.message)
            else:
                log.error("sending the body of %s failed", what, exc_info=error)
        transport = self._connection.transport
        if self.complete and self.is_chunked and not transport.is_closing():
            transport.write(wire.LAST_CHUNK)
        self._connection.stream_ended(self)
