"""What readers of both nodes see while writers of both write: no event missed or told twice, totals and pages of one
moment, any offset exact."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.callers import Connection, ask, events, of_each_worker, pages, together, worker_of
from tests.event_stream import Follower
from tests.harness import new_user
from tests.nodes.pair import WIDE, Pair, fill, pair, wait_until
from tests.nodes.pair import ask as query

IS_LONG = int(os.environ.get("ROLLBOOK_ROUNDS", "0")) >= 20
SECONDS = 30.0 if IS_LONG else 4.0
FILLED = 300_000 if IS_LONG else 6_000
"""More than one run of 4,096 users; in the long run, of the largest size, 262,144."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(tmp_path_factory.mktemp("filled"), "--workers", "2", *WIDE) as nodes:
        fill(nodes.database, FILLED)
        yield nodes


def test_who_follows_the_events_on_either_node_misses_none_and_sees_none_twice(nodes: Pair) -> None:
    """Readers ask with `after=` what came next while all workers of both nodes write. What is told once stays where it
    was told."""
    with nodes.both[0].http() as http:
        users = [new_user(http)["id"] for _ in range(8)]
    with Connection(nodes.both[0]) as connection:
        start = list(events(connection))[-1]["id"]
    ended = threading.Event()
    until = time.monotonic() + SECONDS

    def writer(id: str, connection: Connection) -> Callable[[], list[str]]:
        def write() -> list[str]:
            made: list[str] = []
            for at in itertools.count():
                now = time.monotonic()
                if now > until and (len(made) > 25 or now > until + 60):
                    break
                answer = connection.call("PUT", f"/v1/users/{id}", {"name": f"Alice {at}"})
                assert answer.status == 200, answer.body
                made.append(answer.headers["x-request-id"])
            return made

        return write

    def follower(number: int) -> Callable[[], list[str]]:
        def follow() -> list[str]:
            seen: list[str] = []
            after: str = start
            connections = [Connection(node) for node in nodes.both]
            for turn in itertools.count(number):
                last = ended.is_set()
                # In turn on one node and the other, if it is the third one.
                connection = connections[number if number < 2 else turn % 2]
                answer = connection.call("GET", f"/v1/events?limit=1000&after={after}")
                assert answer.status == 200, answer.body
                seen += [event["actor"]["request_id"] for event in answer.json if event["user_id"] in users]
                if answer.json:
                    after = answer.json[-1]["id"]
                elif last:
                    break
            for connection in connections:
                connection.close()
            return seen

        return follow

    def writers() -> list[str]:
        with of_each_worker(nodes.both[0], 4) as some, of_each_worker(nodes.both[1], 4) as others:
            made = together(*(writer(*each) for each in zip(users, [*some, *others], strict=True)))
        ended.set()
        return list(itertools.chain(*made))

    made, *followed = together(writers, *map(follower, range(3)))
    assert len({worker_of(id) for id in made}) == 8
    assert len(made) > 200
    for seen in followed:
        assert len(seen) == len(set(seen)) == len(made)
        assert set(seen) == set(made)
    assert followed[0] == followed[1] == followed[2]
    with Connection(nodes.both[1]) as connection:
        told = [event for event in events(connection, start) if event["user_id"] in users]
        assert [event["actor"]["request_id"] for event in told] == followed[0]


def test_a_stream_of_either_node_has_what_all_workers_of_both_write_once_and_in_order(nodes: Pair) -> None:
    with ExitStack() as stack:
        users = [new_user(stack.enter_context(node.http())) for node in nodes.both for _ in range(4)]
        followers = [stack.enter_context(Follower(node, type="user.updated")) for node in nodes.both for _ in range(6)]

        def writer(id: str, connection: Connection) -> Callable[[], None]:
            def write() -> None:
                for at in range(25):
                    assert connection.call("PUT", f"/v1/users/{id}", {"name": f"Streamed {at}"}).status == 200

            return write

        some = stack.enter_context(of_each_worker(nodes.both[0], 4))
        others = stack.enter_context(of_each_worker(nodes.both[1], 4))
        together(*(writer(user["id"], connection) for user, connection in zip(users, [*some, *others], strict=True)))
        ours = {user["id"] for user in users}
        found = [follower.take(200, ours) for follower in followers]
        assert len(found[0]) == 200 and all(each == found[0] for each in found)
        for user in users:
            names = [event["object"]["name"] for event in found[0] if event["user_id"] == user["id"]]
            assert names == [f"Streamed {at}" for at in range(25)]


def test_totals_lists_and_offsets_are_exact_on_both_nodes_while_users_come_and_go(filled: Pair) -> None:
    began = time.monotonic()
    gone: list[str] = []
    looked = Counter[str]()

    def going() -> bool:
        """For so many seconds, and longer where so little was done."""
        seconds = time.monotonic() - began
        enough = looked["last pages"] > 5 and looked["walks"] > 1 and looked["deleted"] > 10
        return seconds < SECONDS or (seconds < SECONDS + 60 and not enough)

    def writer(number: int) -> Callable[[], Counter[str]]:
        def write() -> Counter[str]:
            made: list[str] = []
            done: Counter[str] = Counter()
            with Connection(filled.both[number % 2]) as connection:
                while going():
                    step = done.total()
                    if step % 3 < 2:
                        body = {"name": f"Come {number} {step}", "email": f"come{number}-{step}@example.com"}
                        answer = connection.call("POST", "/v1/users", {**body, "password": "securepassword123"})
                        assert answer.status == 201, answer.body
                        made.append(answer.json["id"])
                        done["created"] += 1
                    elif step % 2:
                        assert connection.call("DELETE", f"/v1/users/{made.pop(step % len(made))}").status == 204
                        done["deleted"] += 1
                        looked["deleted"] += 1
                    else:  # one of those who were there long before
                        id = f"user_{random.randrange(FILLED):026}"
                        status = connection.call("DELETE", f"/v1/users/{id}").status
                        assert status in (204, 404)
                        done["deleted" if status == 204 else "missed"] += 1
                        if status == 204:
                            gone.append(id)
            return done

        return write

    def reader(number: int) -> Callable[[], Counter[str]]:
        def read() -> Counter[str]:
            with Connection(filled.both[number % 2]) as connection:
                while going():
                    # One snapshot: the total in the header is that of the list beside it, so that the last page says
                    # where it ends.
                    total = int(connection.call("GET", "/v1/users?limit=1").headers["x-total-count"])
                    offset = max(0, total - 500)
                    answer = connection.call("GET", f"/v1/users?limit=1000&offset={offset}")
                    assert answer.status == 200, answer.body
                    ids = [user["id"] for user in answer.json]
                    assert len(ids) == len(set(ids)) == int(answer.headers["x-total-count"]) - offset
                    found = connection.call("GET", "/v1/users?q=come&count=exact&limit=1000")
                    assert min(int(found.headers["x-total-count"]), 1000) == len(found.json)
                    looked["last pages"] += 1
            return Counter()

        return read

    def walker() -> Counter[str]:
        """A walk by `next` links sees everybody who was there all the time, once, and nobody twice."""
        with Connection(filled.both[1]) as connection:
            while going():
                walked = [user["id"] for user in pages(connection, "/v1/users?limit=1000&q=filler+1")]
                assert len(walked) == len(set(walked))
                looked["walks"] += 1
        return Counter()

    before = ask(filled.both[0], "GET", "/v1/users/count").json["count"]
    calls = [*(writer(number) for number in range(4)), *(reader(number) for number in range(2))]
    done = sum(together(*calls, walker), Counter[str]())
    now = before + done["created"] - done["deleted"]
    assert looked["last pages"] > 5 and looked["walks"] > 1 and done["deleted"] > 10, (looked, done)
    exact(filled, now)
    # The background folds what was appended: nothing changes by it.
    wait_until(lambda: query(filled.database, "SELECT count(*) FROM user_block_deltas")[0][0] == 0)
    exact(filled, now)


def exact(nodes: Pair, total: int) -> None:
    """Totals and places at any offset are those of a plain ORDER BY; the list walked by links and by offsets is the
    table."""
    table = [row[0] for row in query(nodes.database, "SELECT id FROM users ORDER BY seq")]
    assert len(table) == total
    for node in nodes.both:
        with Connection(node) as connection:
            assert connection.call("GET", "/v1/users/count").json["count"] == total
            for offset in {
                0,
                1,
                63,
                64,
                65,
                4095,
                4096,
                total // 3,
                total // 2,
                total - 1,
                total,
                *random.sample(range(total), 20),
            }:
                for fields in ("", "&fields=*"):
                    answer = connection.call("GET", f"/v1/users?limit=3&offset={offset}{fields}")
                    assert [user["id"] for user in answer.json] == table[offset : offset + 3], offset
                    assert answer.headers["x-total-count"] == str(total)
    with Connection(nodes.both[0]) as connection:
        assert [user["id"] for user in pages(connection, "/v1/users?limit=1000")] == table
        by_offset: list[Any] = []
        for offset in range(0, min(total, 20_000), 1000):
            by_offset += connection.call("GET", f"/v1/users?limit=1000&offset={offset}").json
        assert [user["id"] for user in by_offset] == table[: len(by_offset)]


def test_a_walk_sees_everybody_who_was_there_all_the_time_once(tmp_path: Path) -> None:
    with pair(tmp_path, *WIDE) as nodes:
        fill(nodes.database, 3_000)
        stay = {f"user_{number:026}" for number in range(0, 3_000, 2)}
        go = iter([f"user_{number:026}" for number in range(1, 3_000, 2)])
        until = time.monotonic() + SECONDS / 2

        def come_and_go(number: int) -> Callable[[], int]:
            def change() -> int:
                with Connection(nodes.both[number]) as connection:
                    for at in itertools.count():
                        if time.monotonic() > until or (id := next(go, None)) is None:
                            return 0
                        assert connection.call("DELETE", f"/v1/users/{id}").status == 204
                        body = {
                            "name": "New",
                            "email": f"new{number}-{at}@example.com",
                            "password": "securepassword123",
                        }
                        assert connection.call("POST", "/v1/users", body).status == 201
                return 0

            return change

        def walk(node: int, path: str) -> Callable[[], int]:
            def walked() -> int:
                walks = 0
                with Connection(nodes.both[node]) as connection:
                    while time.monotonic() < until or (walks < 2 and time.monotonic() < until + 60):
                        seen = Counter(user["id"] for user in pages(connection, path))
                        assert max(seen.values()) == 1
                        assert stay <= seen.keys()
                        walks += 1
                return walks

            return walked

        walks = together(
            come_and_go(0), come_and_go(1), walk(0, "/v1/users?limit=200"), walk(1, "/v1/users?limit=200&sort=-name")
        )
        assert min(walks[2:]) > 1
