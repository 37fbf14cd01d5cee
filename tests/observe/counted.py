"""What is counted and logged of a server's requests, read as a page reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rollbook.config import Settings
from rollbook.records import request_log, usage
from rollbook.records.connect import connect
from rollbook.records.request_log import Logged, Search
from tests.harness import Server


@contextmanager
def reading(server: Server) -> Iterator[Callable[..., Any]]:
    """Its database, as a page reads it."""
    db = connect(Settings(data=server.data, database=server.database))
    try:
        yield db.read_now
    finally:
        db.close()


def count(read: Callable[..., Any], user: str) -> int:
    return sum(hour.requests for hour in read(usage.hours, user, 0))


def wait_for(server: Server, user: str, requests: int, seconds: float = 60.0) -> None:
    """Until so many requests of the user are counted."""
    deadline = time.monotonic() + seconds
    with reading(server) as read:
        while (seen := count(read, user)) < requests:
            assert time.monotonic() < deadline, f"{seen} of {requests} are counted"
            time.sleep(0.05)
        assert seen == requests


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def latest(read: Callable[..., Any], user: str, status: str | None = None) -> list[Logged]:
    statuses = (0, 999) if status is None else request_log.statuses(status)
    return read(request_log.search, Search(user, statuses=statuses), 50).lines


def whole_log(read: Callable[..., Any], user: str) -> list[Logged]:
    found: list[Logged] = []
    wanted = Search(user)
    while True:
        lines, place = read(request_log.search, wanted, 200)
        found += lines
        if place is None:
            return found
        wanted = wanted._replace(before=place)
