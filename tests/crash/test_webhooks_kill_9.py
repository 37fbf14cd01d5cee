"""kill -9 while events are sent to a receiver that refuses every second one: none is lost, and those of each user
arrive in order.

Six rounds each in `make soak`, more with ROLLBOOK_ROUNDS.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests import postgres
from tests.callers import Connection, events
from tests.crash.load import WIDE, kill_all, processes
from tests.harness import Server, new_user
from tests.nodes.pair import Pair
from tests.nodes.pair import ask as query
from tests.webhooks.listener import Answer, Listener, Message, check_order, listening

ROUNDS = int(os.environ.get("ROLLBOOK_ROUNDS", "20"))
FLAGS = ("--webhook-allow", "127.0.0.0/8", *WIDE)
PATIENCE = 3
"""Failures of an event at most: what comes after them takes hours."""


def moody(message: Message) -> Answer:
    """Every second answer is an error."""
    refused = message.number <= PATIENCE and random.random() < 0.5
    return (500 if refused else 200, random.uniform(0, 0.01))


class Changes(threading.Thread):
    """Changes a few users without pause, whichever of the servers answers."""

    def __init__(self, servers: list[Server], users: list[str]) -> None:
        super().__init__(daemon=True)
        self._servers = servers
        self._users = users
        self._ended = threading.Event()
        self.start()

    def run(self) -> None:
        number = 0
        while not self._ended.is_set():
            with suppress(OSError, HTTPException), Connection(random.choice(self._servers)) as connection:
                while not self._ended.wait(0.005):
                    number += 1
                    user = random.choice(self._users)
                    if connection.call("PATCH", f"/v1/users/{user}", {"name": f"Name {number}"}).status >= 500:
                        break

    def end(self) -> None:
        self._ended.set()
        self.join()


class Hurry(threading.Thread):
    """Time flies: a wait of minutes between two attempts lasts a moment."""

    def __init__(self, servers: list[Server], seconds: float) -> None:
        super().__init__(daemon=True)
        self._servers = servers
        self._seconds = seconds
        self._passed = 0.0
        self._ended = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._ended.wait(0.02):
            self._passed += self._seconds
            for server in self._servers:
                server.pass_time(self._passed)

    def end(self) -> None:
        self._ended.set()
        self.join()


def settled(server: Server) -> bool:
    """Nothing waits."""
    if server.database and server.ask("SELECT 1 FROM events_new LIMIT 1"):
        return False  # PostgreSQL gives events their numbers later
    rows = server.ask(
        "SELECT (SELECT max(seq) FROM events), (SELECT min(seq) FROM webhook_cursors), (SELECT count(*) FROM "
        "webhook_lanes)"
    )
    newest, cursor, lanes = rows[0]
    return newest == cursor and lanes == 0


def check(server: Server, listener: Listener) -> int:
    """How many came more often than once."""
    with Connection(server) as connection:
        log: list[dict[str, Any]] = list(events(connection))
    start = next(place for place, event in enumerate(log) if event["type"] == "webhook.created")
    duplicates = check_order(log[start:], listener.delivered())
    assert listener.overlaps == 0, "two events about a user were on the wire at the same time"
    return duplicates


@contextmanager
def under_way(servers: list[Server]) -> Iterator[tuple[Listener, Changes]]:
    """Users of the first server change, and their events go to a moody receiver, for whom time flies. At the end, all
    have arrived in order."""
    with listening() as listener:
        listener.answer = moody
        with servers[0].http() as http:
            assert http.post("/v1/webhooks", json={"url": listener.url()}).status_code == 201
            users = [new_user(http)["id"] for _ in range(8)]
        changes, hurry = Changes(servers, users), Hurry(servers, 120)
        try:
            yield listener, changes
            changes.end()
            listener.wait_for(lambda: settled(servers[0]), 120)
        finally:
            changes.end()
            hurry.end()
        print(f"{len(listener.messages)} messages, {check(servers[0], listener)} duplicates")


def wait_for_more(listener: Listener, messages: int = 20) -> None:
    arrived = len(listener.messages)
    listener.wait_for(lambda: len(listener.messages) > arrived + messages)


@pytest.mark.parametrize("workers", [1, 4])
def test_kill_9_loses_no_event_and_keeps_the_order_of_each_user(tmp_path: Path, workers: int) -> None:
    server = Server(tmp_path / "data", "--workers", str(workers), *FLAGS)
    server.start()
    try:
        with under_way([server]) as (listener, _):
            for _ in range(ROUNDS):
                wait_for_more(listener)
                # One that the parent has yet to fork would live on.
                listener.wait_for(lambda: workers == 1 or len(processes(server)) == 1 + workers)
                time.sleep(random.uniform(0, 0.1))
                kill_all(server)
                server.start()
    finally:
        server.stop()


def test_kill_9_of_a_node_hands_its_webhooks_to_the_other_one(tmp_path: Path) -> None:
    nodes = Pair(tmp_path, postgres.migrated_database(), *FLAGS)
    try:
        nodes.start()
        with under_way([*nodes.both]) as (listener, _):
            for round in range(ROUNDS):
                wait_for_more(listener)
                time.sleep(random.uniform(0, 0.1))
                node = nodes.both[round % 2]
                killed = processes(node)
                kill_all(node)
                expire(nodes.database, killed, listener)
                wait_for_more(listener)
                node.start()
        nodes.check_logs()
    finally:
        nodes.stop()


def expire(database: str, killed: list[int], listener: Listener) -> None:
    """What these had is free, as half a minute later: nothing of theirs is on the wire by then."""
    ((holder,),) = query(database, "SELECT holder FROM webhook_cursors")
    if holder and int(holder.split("/")[1]) in killed:
        listener.wait_for(lambda: listener.connections == 0)
        query(database, "UPDATE webhook_cursors SET until = 0")
