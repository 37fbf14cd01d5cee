"""Clients that go on while nodes and the database come and go, and take down what nobody can know until it is over."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.callers import Answer, Connection
from tests.crash.load import GONE, Client, check, settle
from tests.harness import Server


class Patient(Client):
    """A `Client` that counts answers of 503 and turns to the next node when one does not answer. What it could not know
    the outcome of is in `unknown`, and it leaves that user or key alone."""

    def __init__(self, nodes: Sequence[Server], name: str, seed: int) -> None:
        super().__init__(nodes[seed % len(nodes)], name, seed, persistent=True)
        self._nodes = nodes
        self._turn = seed
        self.unknown: list[tuple[dict[str, Any], Any]] = []
        self.refused: Counter[str] = Counter()
        self.slowest = 0.0
        self.last_done = time.monotonic()

    def run(self) -> None:
        try:
            while not self._told.is_set():
                try:
                    with Connection(self._server) as connection:
                        while not self._told.is_set():
                            began = time.monotonic()
                            self._step(connection)
                            self.slowest = max(self.slowest, time.monotonic() - began)
                except GONE:
                    self.broken += 1
                    self._hold()
                    self._turn += 1
                    self._server = self._nodes[self._turn % len(self._nodes)]
                    time.sleep(0.05)
        except BaseException as problem:
            self.problem = problem

    def _turned_away(self, answer: Answer) -> bool:
        if answer.status != 503:
            self.last_done = time.monotonic()
            return False
        assert int(answer.headers["retry-after"]) >= 1
        code = answer.json["code"]
        assert code in ("storage_unavailable", "outcome_unknown", "overloaded", "database_timeout"), answer.body
        self.refused[code] += 1
        if code == "outcome_unknown":
            self._hold()
        self.unsure = None
        time.sleep(0.02)
        return True

    def _hold(self) -> None:
        if self.unsure is not None:
            target = self.unsure["target"]
            held = self.users.pop(target, None) if target.startswith("user_") else self.keys.pop(target, None)
            self.unknown.append((self.unsure, held))
            self.unsure = None


def settle_and_check(server: Server, clients: Sequence[Patient]) -> None:
    """Find out what became of what was unknown, each a whole or nothing, and hold all that was acknowledged against
    what is there."""
    for client in clients:
        assert client.problem is None, client.problem
        for unsure, held in client.unknown:
            target = unsure["target"]
            if held is not None:
                (client.users if target.startswith("user_") else client.keys)[target] = held
            client.unsure = unsure
            settle(server, [client])
        client.unknown.clear()
    check(server, list(clients), {id: verb for client in clients for id, verb in client.requests.items()})


def start(nodes: Sequence[Server], name: str, count: int) -> list[Patient]:
    clients = [Patient(nodes, f"{name}c{number}", number) for number in range(count)]
    for client in clients:
        client.start()
    return clients


def stop(clients: Sequence[Patient]) -> None:
    for client in clients:
        client.stop()
    for client in clients:
        client.join(60)
        assert not client.is_alive(), "a client waits for an answer that does not come"


def wait_for(clients: Sequence[Client], more: int, seconds: float = 60) -> None:
    """Until so many more changes were acknowledged."""
    before = acknowledged(clients)
    until = time.monotonic() + seconds
    while acknowledged(clients) < before + more:
        for client in clients:
            assert client.problem is None, client.problem
        assert time.monotonic() < until, "hardly anything is acknowledged any more"
        time.sleep(0.02)


def acknowledged(clients: Sequence[Client]) -> int:
    return sum(len(client.requests) for client in clients)
