"""Many clients at once: plain keep-alive connections, cheap enough that the server is the slow part, and threads that
start together."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from tests.harness import PATIENCE, Server

T = TypeVar("T")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def worker(self) -> str:
        """Which process answered."""
        return worker_of(self.headers["x-request-id"])


def worker_of(request_id: str) -> str:
    """Which process gave it: behind the second of the request its ids have nine characters alike, and no other process
    has them."""
    return request_id[11:20]


class Connection:
    """One connection of one client. `key` is the owner's by default; None sends none."""

    def __init__(self, server: Server, key: str | None = "", timeout: float = PATIENCE) -> None:
        self._headers = {} if key is None else {"Authorization": f"Bearer {key or server.key}"}
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Raises OSError or http.client.HTTPException when there is no answer. `headers` are written with
        underscores."""
        sent = self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, content, sent)
        with self._connection.getresponse() as answer:
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ask(server: Server, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """The answer to one call of the owner's, on a connection of its own."""
    with Connection(server) as connection:
        return connection.call(method, path, body, **headers)


def together(*calls: Callable[[], T]) -> list[T]:
    """What they return, each in a thread of its own, all begun at the same moment. Raises what the first of them
    raised."""
    results: dict[int, T] = {}
    problems: list[BaseException] = []
    start = threading.Barrier(len(calls))

    def run(index: int, call: Callable[[], T]) -> None:
        try:
            start.wait()
            results[index] = call()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(index, call), daemon=True) for index, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return [results[index] for index in range(len(calls))]


SOON = 1.0
"""Seconds after which each worker knows of a change of keys and users, as docs/keys.md promises."""


def last_unseen(done: float, seen: Callable[[], bool]) -> float:
    """Seconds after `done`, a time of `time.monotonic`, when the last request was sent that did not know of the change;
    asked again and again, to see that nobody goes back on it. However long a busy machine takes to answer it, a request
    that is sent later knows."""
    last, in_a_row = done, 0
    while (sent := time.monotonic()) < done + SOON + 0.2 or (in_a_row < 3 and sent < done + 60):
        in_a_row += 1
        if not seen():
            last, in_a_row = sent, 0
        time.sleep(0.02)  # without it, eight callers would be all that two cores do
    return last - done


@contextmanager
def of_each_worker(server: Server, workers: int, key: str | None = "") -> Iterator[list[Connection]]:
    """One connection to each of the workers."""
    found: dict[str, Connection] = {}
    spare: list[Connection] = []
    began, tries = time.monotonic(), 0
    while len(found) < workers and (tries < 400 or time.monotonic() < began + 60):
        if tries > 200:
            time.sleep(0.05)  # one of them is held up: it takes a connection when it runs again
        tries += 1
        # The system gives a new connection to whoever takes it first, mostly the one that has just slept.
        connection = Connection(server, key)
        worker = connection.call("GET", "/health/live").worker
        if worker in found:
            spare.append(connection)
        else:
            found[worker] = connection
    try:
        assert len(found) == workers, f"only {len(found)} of {workers} workers answered"
        yield list(found.values())
    finally:
        close([*found.values(), *spare])


def close(connections: Iterable[Connection]) -> None:
    for connection in connections:
        connection.close()


def pages(connection: Connection, path: str) -> list[dict[str, Any]]:
    """A whole list, page after page by its `next` links."""
    found: list[dict[str, Any]] = []
    while True:
        answer = connection.call("GET", path)
        assert answer.status == 200, answer.body
        found += answer.json
        link = next((part for part in answer.headers["link"].split(", ") if part.endswith('rel="next"')), None)
        if link is None:
            return found
        path = link[link.index("/v1/") : link.index(">")]


def events(connection: Connection, after: str | None = None) -> Iterator[dict[str, Any]]:
    """The log of changes from there on, as far as it goes now."""
    while True:
        answer = connection.call("GET", "/v1/events?limit=1000" + (f"&after={after}" if after else ""))
        assert answer.status == 200, answer.body
        if not answer.json:
            return
        yield from answer.json
        after = answer.json[-1]["id"]
