"""Two nodes behind PgBouncer in transaction mode, with fewer sessions than there are writers: nobody waits for a
session that waits for it."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.callers import Connection, together
from tests.crash.patient import settle_and_check, start, stop, wait_for
from tests.nodes.pair import WIDE, Pair
from tests.pgbouncer import PgBouncer


@pytest.fixture
def pooled() -> Iterator[tuple[str, str]]:
    """The address of a database through the pooler, and past it."""
    direct = postgres.migrated_database()
    pooler = PgBouncer(int(direct.rpartition("/")[0].rpartition(":")[2]), size=3)
    try:
        yield pooler.url(direct.rpartition("/")[2]), direct
    finally:
        pooler.remove()


def nodes_behind(folder: Path, pooled: tuple[str, str]) -> Pair:
    through, direct = pooled
    flags = ("--workers", "4", *WIDE)  # who starves gets 503 in the end
    return Pair(folder, through, *flags, environment={"ROLLBOOK_DATABASE_DIRECT": direct})


def test_creates_of_eight_workers_share_three_sessions_and_none_of_them_starves(
    tmp_path: Path, pooled: tuple[str, str]
) -> None:
    nodes = nodes_behind(tmp_path, pooled)
    try:
        nodes.start()
        until = time.monotonic() + 2

        def creator(number: int) -> Callable[[], Counter[int]]:
            def create() -> Counter[int]:
                seen: Counter[int] = Counter()
                with Connection(nodes.both[number % 2]) as connection:
                    for at in itertools.count():
                        if time.monotonic() > until and at >= 4:
                            break
                        body = {"name": "A", "email": f"p{number}-{at}@example.com", "password": "securepassword123"}
                        seen[connection.call("POST", "/v1/users", body).status] += 1
                return seen

            return create

        seen = together(*map(creator, range(32)))
        total = sum(seen, Counter[int]())
        assert set(total) == {201} and total[201] > 100, total
        nodes.check_logs()
    finally:
        nodes.stop()


def test_all_kinds_of_changes_through_a_pooler_lose_nothing(tmp_path: Path, pooled: tuple[str, str]) -> None:
    nodes = nodes_behind(tmp_path, pooled)
    try:
        nodes.start()
        clients = start(nodes.both, "p", 8)
        wait_for(clients, 300)
        stop(clients)
        assert not any(client.refused or client.broken for client in clients), [client.refused for client in clients]
        settle_and_check(nodes.both[1], clients)
        nodes.check_logs()
    finally:
        nodes.stop()
