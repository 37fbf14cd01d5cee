"""Clients that change users and keys without pause and write down every answer, and what must then hold of the server's
data."""

from __future__ import annotations

import http.client
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from rollbook import clock
from rollbook.config import Settings
from rollbook.records import idempotency_keys
from tests.callers import Answer, Connection, events, pages
from tests.harness import Server

# Answered in no other way under load: anything else is a failure of the test.
EXPECTED = {200, 201, 204}
GONE = (OSError, http.client.HTTPException)

# The event that each acknowledged change leaves.
MADE_BY = {
    "create": "user.created",
    "update": "user.updated",
    "delete": "user.deleted",
    "restore": "user.restored",
    "make key": "key.created",
    "revoke": "key.revoked",
}

WIDE = ("--rate-limit", "none", "--unauthenticated-limit", "none")


def processes(server: Server) -> list[int]:
    """The server's processes: the parent and, where there are several, its workers."""
    assert server.process is not None
    parent = server.process.pid
    return [parent, *map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())]


def kill_all(server: Server) -> None:
    """All at once, as when the machine dies: the supervisor has no time to pass anything on. Until the last has let go
    of the port: one that is within an fsync ends after it."""
    found = processes(server)
    for process in found:
        os.kill(process, signal.SIGSTOP)
    for process in found:
        os.kill(process, signal.SIGKILL)
    server.stop()
    until = time.monotonic() + 60
    while any(_lives(process) for process in found):
        assert time.monotonic() < until, "a killed process does not end"
        time.sleep(0.01)


def _lives(process: int) -> bool:
    """Whether its files are open: those of a zombie are not, once its other threads have ended too."""
    try:
        states = [
            file.read_text().rpartition(")")[2].split()[0] for file in Path(f"/proc/{process}/task").glob("*/stat")
        ]
    except OSError:  # one ended at this moment
        return Path(f"/proc/{process}").exists()
    return any(state not in "ZX" for state in states)


class Client(threading.Thread):
    """One caller with users of its own, so that it knows what each of them must be. It ends when its connection does,
    or when told to; with `persistent` it finds out what became of the change it got no answer to, and goes on.

    `users` holds what was acknowledged: id to name, email and whether it lives. `unsure` is the change whose answer
    never came: it may have been made or not.
    """

    def __init__(self, server: Server, name: str, seed: int, persistent: bool = False) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._name = name
        self._random = random.Random(seed)
        self._number = 0
        self._told = threading.Event()
        self._persistent = persistent
        self.broken = 0  # connections that ended without an answer
        self.users: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, bool] = {}  # id: whether it still works
        self.requests: dict[str, str] = {}  # id of an acknowledged request: its verb
        self.unsure: dict[str, Any] | None = None
        self.problem: BaseException | None = None

    def stop(self) -> None:
        self._told.set()

    def run(self) -> None:
        try:
            while not self._told.is_set() and (self._persistent or not self.broken):
                try:
                    if self.unsure is not None:
                        settle(self._server, [self])
                    self._work()
                except GONE:  # also while it settles: a worker can be killed again
                    self.broken += 1
        except BaseException as problem:
            self.problem = problem

    def _work(self) -> None:
        with Connection(self._server) as connection:
            while not self._told.is_set():
                self._step(connection)

    def _step(self, connection: Connection) -> None:
        living = [id for id, user in self.users.items() if user["alive"]]
        deleted = [id for id, user in self.users.items() if not user["alive"]]
        valid = [id for id, works in self.keys.items() if works]
        verbs = (
            ["create"] * 3
            + ["update"] * 4 * bool(living)
            + ["delete"] * (len(living) > 5)
            + ["restore"] * bool(deleted)
        )
        verbs += ["make key"] + ["revoke"] * bool(valid)
        verb = self._random.choice(verbs)
        self._number += 1
        label = f"{self._name}-{self._number}"
        target = ""
        if verb == "create":
            call = (
                "POST",
                "/v1/users",
                {"name": f"Name {label}", "email": f"{label}@example.com", "password": "securepassword123"},
            )
        elif verb == "update":
            target = self._random.choice(living)
            call = ("PUT", f"/v1/users/{target}", {"name": f"Name {label}", "email": f"{label}@example.com"})
        elif verb == "delete":
            target = self._random.choice(living)
            call = ("DELETE", f"/v1/users/{target}", None)
        elif verb == "restore":
            target = self._random.choice(deleted)
            call = ("POST", f"/v1/users/{target}/restore", None)
        elif verb == "make key":
            call = ("POST", "/v1/keys", {"name": label})
        else:
            target = self._random.choice(valid)
            call = ("DELETE", f"/v1/keys/{target}", None)
        self.unsure = {"verb": verb, "target": target, "label": label, "body": call[2]}
        extra = {"Idempotency_Key": label} if verb == "create" else {}
        answer = connection.call(*call, **extra)
        if answer.status == 503 and answer.json["code"] == "stopping":
            raise ConnectionError("refused: the server is going down")
        if self._turned_away(answer):
            return
        assert answer.status in EXPECTED, (verb, answer.status, answer.body)
        self.requests[answer.headers["x-request-id"]] = verb
        if verb in ("create", "make key"):
            target = answer.json["id"]
        self.done(verb, target, label)
        self.unsure = None

    def _turned_away(self, answer: Answer) -> bool:
        """Whether the answer is one that this client expects, though nothing was done."""
        return False

    def done(self, verb: str, target: str, label: str) -> None:
        """Take down a change that was made."""
        if verb in ("create", "update"):
            self.users[target] = {"name": f"Name {label}", "email": f"{label}@example.com", "alive": True}
        elif verb in ("delete", "restore"):
            self.users[target]["alive"] = verb == "restore"
        else:
            self.keys[target] = verb == "make key"


def settle(server: Server, clients: list[Client]) -> None:
    """Find out what became of each unanswered change, and take it down: it was made as a whole, or not at all."""
    with Connection(server) as connection:
        log = list(events(connection))
        for client in clients:
            assert client.problem is None, client.problem
            if client.unsure is not None:
                _settle(server, connection, client, client.unsure, log)
                client.unsure = None


def _settle(
    server: Server, connection: Connection, client: Client, unsure: dict[str, Any], log: list[dict[str, Any]]
) -> None:
    verb, target, label = unsure["verb"], unsure["target"], unsure["label"]
    before = len([event for event in log if event["object"].get("name") in (label, f"Name {label}")])
    assert before <= 1
    if verb == "create":
        retried = connection.call("POST", "/v1/users", unsure["body"], Idempotency_Key=label)
        if retried.status == 409:
            # The claim was written, the user was not; who had it is dead, but for two minutes nobody can tell.
            assert before == 0
            _pass_time(server)
            retried = connection.call("POST", "/v1/users", unsure["body"], Idempotency_Key=label)
        assert retried.status == 201, retried.body
        again = connection.call("POST", "/v1/users", unsure["body"], Idempotency_Key=label)
        assert (again.status, again.json["id"]) == (201, retried.json["id"])
        assert ("idempotency-replayed" in retried.headers) == bool(before)
        client.done(verb, retried.json["id"], label)
    elif verb == "update":
        user = connection.call("GET", f"/v1/users/{target}").json
        changed = (user["name"], user["email"]) == (f"Name {label}", f"{label}@example.com")
        assert changed == bool(before)
        if changed:
            client.done(verb, target, label)
    elif verb in ("delete", "restore"):
        lives = connection.call("GET", f"/v1/users/{target}").status == 200
        if lives == (verb == "restore"):
            client.done(verb, target, label)
    elif verb == "make key":
        made = [
            event["object"]["id"]
            for event in log
            if event["type"] == "key.created" and event["object"]["name"] == label
        ]
        for id in made:
            client.done(verb, id, label)
    else:
        key = connection.call("GET", f"/v1/keys/{target}").json
        if key["revoked_at"] is not None:
            client.done(verb, target, label)


def _pass_time(server: Server) -> None:
    """Until a claim that nobody has finished is free."""
    shift = int.from_bytes(server.clock_file.read_bytes(), "little")
    clock.move(str(server.clock_file), shift + idempotency_keys.LEASE + clock.SECOND)


class _Patiently(Connection):
    """What the database was too slow for on a busy machine is asked again: 503 says nothing of what it holds."""

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        until = time.monotonic() + 60
        while (answer := super().call(method, path, body, **headers)).status == 503 and time.monotonic() < until:
            time.sleep(0.1)
        return answer


def check(server: Server, clients: list[Client], requests: dict[str, str]) -> None:
    """Nothing acknowledged is lost, nothing deleted undead, nothing doubled; counts, list, search and log agree.
    `requests` are all that were ever acknowledged."""
    users = {id: user for client in clients for id, user in client.users.items()}
    living = {id: user for id, user in users.items() if user["alive"]}
    with _Patiently(server) as connection:
        first = connection.call("GET", "/v1/users?limit=1")
        total = int(first.headers["x-total-count"])
        owner = connection.call("GET", "/v1/users/me").json["id"]
        listed = pages(connection, "/v1/users?limit=1000")
        assert total == connection.call("GET", "/v1/users/count").json["count"] == len(listed)
        assert Counter(user["id"] for user in listed) == Counter([owner, *living])
        assert all(
            (user["name"], user["email"]) == (living[user["id"]]["name"], living[user["id"]]["email"])
            for user in listed
            if user["id"] != owner
        )
        for offset in {0, total // 2, total - 1}:
            assert connection.call("GET", f"/v1/users?limit=2&offset={offset}").json == listed[offset : offset + 2]
        for id, user in random.sample(sorted(users.items()), min(len(users), 20)):
            assert connection.call("GET", f"/v1/users/{id}").status == (200 if user["alive"] else 404)
            found = connection.call("GET", f"/v1/users?q={user['email']}").json
            assert [each["id"] for each in found] == [id] * user["alive"]
        keys = {id: works for client in clients for id, works in client.keys.items()}
        shown: dict[str, Any] = {}
        while page := connection.call("GET", f"/v1/keys?limit=1000&offset={len(shown)}").json:
            shown |= {key["id"]: key for key in page}
        assert {id: shown[id]["revoked_at"] is None for id in keys} == keys
        assert len(shown) == len(keys) + 1
        log = list(events(connection))
    assert len({event["id"] for event in log}) == len(log)
    # The owner and its key were made at the first start, by no request.
    of_request = Counter(event["actor"]["request_id"] for event in log[2:])
    assert max(of_request.values()) == 1, "a change was made twice"
    types = {event["actor"]["request_id"]: event["type"] for event in log}
    assert {id: types.get(id) for id in requests} == {id: MADE_BY[verb] for id, verb in requests.items()}
    _retell(log, users, keys, owner)


def _retell(log: list[dict[str, Any]], users: dict[str, dict[str, Any]], keys: dict[str, bool], owner: str) -> None:
    """The log alone leads to the same users and keys: an event for each change, and a change for each event."""
    told: dict[str, dict[str, Any]] = {}
    told_keys: dict[str, bool] = {}
    for event in log:
        item = event["object"]
        if event["type"].startswith("key."):
            told_keys[item["id"]] = event["type"] != "key.revoked"
            continue
        before = told.get(item["id"], {"alive": False})
        assert before["alive"] == (event["type"] not in ("user.created", "user.restored"))
        told[item["id"]] = {"name": item["name"], "email": item["email"], "alive": event["type"] != "user.deleted"}
    told.pop(owner, None)
    assert told == users
    assert {id: works for id, works in told_keys.items() if id in keys} == keys
    assert len(told_keys) <= len(keys) + 1


def check_file(data: Path) -> None:
    """The database by itself is whole: for when no server runs on it."""
    with closing(sqlite3.connect(Settings(data=data).sqlite_file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
