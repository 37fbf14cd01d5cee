"""A client of `GET /v1/events/stream` that reads messages as the WHATWG HTML Standard says in section 9.2.6."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import time
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx2

from tests.harness import Server

PATH = "/v1/events/stream"


def begun(client: httpx2.Client, path: str, **options: Any) -> httpx2.Response:
    """The answer to a GET with the beginning of a stream for its body, or the whole body where it is an error."""
    with client.stream("GET", path, **options) as answer:
        if answer.status_code == 200:
            answer._content = next(answer.iter_bytes())
        else:
            answer.read()
        return answer


class Message(NamedTuple):
    id: str
    """The last one that was sent, by this message or before."""
    type: str
    data: Any


class Follower:
    """One connection. `last_id` is what a browser would send when it connects again."""

    def __init__(
        self,
        server: Server,
        key: str = "",
        *,
        method: str = "GET",
        timeout: float = 60,
        last_id: str = "",
        **query: str,
    ) -> None:
        self.last_id = last_id
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
        self._connection.connect()
        # So that a reader who stops is noticed soon.
        self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        headers = {"Authorization": f"Bearer {key or server.key}"} | ({"Last-Event-ID": last_id} if last_id else {})
        self._connection.request(method, f"/v1/events/stream?{urlencode(query)}", headers=headers)
        self.answer = self._connection.getresponse()
        self.status = self.answer.status
        self.headers = {name.lower(): value for name, value in self.answer.getheaders()}

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self._connection.close()

    def json(self) -> Any:
        """The body of an answer that is no stream."""
        return json.loads(self.answer.read())

    def messages(self) -> Iterator[Message]:
        """Until the server ends it. Raises OSError or IncompleteRead where the connection breaks instead."""
        kind, data = "message", []
        for line in iter(self.answer.readline, b""):
            name, colon, value = line.rstrip(b"\n").decode().partition(":")
            value = value.removeprefix(" ")
            if not name and not colon:
                assert data, "some clients hand out a message without data as an event"
                if kind != "position":
                    yield Message(self.last_id, kind, json.loads("\n".join(data)))
                kind, data = "message", []
            elif name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data.append(value)

    def take(self, count: int, users: Collection[str] = ()) -> list[Any]:
        """The data of so many messages, or of so many about these users."""
        found = (each.data for each in self.messages() if not users or each.data["user_id"] in users)
        return list(itertools.islice(found, count))

    def beat(self) -> None:
        """Wait for the next comment that stands alone, or the next position."""
        while (line := self.answer.readline()) not in (b":\n", b"event: position\n"):
            assert line, "the stream has ended"
        # The rest of the position.
        while line != b":\n" and (line := self.answer.readline().strip()):
            if line.startswith(b"id:"):
                self.last_id = line[3:].strip().decode()

    def end(self) -> tuple[str, float]:
        """Why it ended, and when, in the time of `time.monotonic`. Events before it are passed over."""
        *_, last = self.messages()
        assert last.type == "end", last
        return last.data["code"], time.monotonic()
