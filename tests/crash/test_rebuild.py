"""A copy of the directory: a snapshot by the list, then what follows its position in the log. It ends up exactly as the
directory, although the log's beginning is gone, users change while the snapshot is read, and the server is killed."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

from rollbook import ids
from tests.crash.load import kill_all
from tests.engines import engine
from tests.harness import Server, new_user, running

__all__ = ["engine"]

WRITERS = 4
PASSWORD = "a lobster in the library"
DAY = 86_400


def test_a_snapshot_and_what_follows_it_is_the_directory_after_a_kill_and_with_the_beginning_of_the_log_gone(
    tmp_path: Path,
) -> None:
    flags = ("--workers", "2", "--rate-limit", "none", "--account-attempts-limit", "none", "--event-retention", "1")
    with running(tmp_path / "data", *flags) as server:
        import_users(server, "old", 150)
        server.stop()
        server.pass_time(2 * DAY)
        server.start()
        with server.http() as http:
            for _ in range(WRITERS * 5):
                new_user(http, password=PASSWORD)
        wait_until(lambda: asked_for(server, "/v1/events", after="0").status_code == 410)
        over = threading.Event()
        writers = [
            threading.Thread(target=write, args=(server, number, over), daemon=True) for number in range(WRITERS)
        ]
        copy = Copy(server)
        follower = threading.Thread(target=copy.follow, args=(over,), daemon=True)
        for thread in (*writers, follower):
            thread.start()
        try:
            wait_until(lambda: copy.applied > 50)
            import_users(server, "new", 20)
            kill_all(server)
            server.start()
            before = copy.applied
            wait_until(lambda: copy.applied > before + 150)
        finally:
            over.set()
            for thread in (*writers, follower):
                thread.join(60)
        copy.catch_up()
        assert copy.users == directory(server)
        assert copy.snapshots == 1 and copy.types >= {
            "user.created",
            "user.updated",
            "user.signed_in",
            "user.deleted",
            "user.restored",
            "user.purged",
        }


class Copy:
    """What a consumer keeps: users by their IDs, and the position up to where they are."""

    def __init__(self, server: Server) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.position = ""
        self.applied = 0
        self.types: set[str] = set()
        self.snapshots = 0
        self._server = server

    def follow(self, over: threading.Event) -> None:
        self._read_all()
        while not over.is_set():
            if not self._read_more():
                time.sleep(0.01)

    def catch_up(self) -> None:
        while self._read_more():
            pass

    def _read_all(self) -> None:
        self.snapshots += 1
        answer = asked_for(self._server, "/v1/users", fields="*", limit="7")
        self.position = answer.headers["event-position"]
        while True:
            self.users |= {user["id"]: told(user) for user in answer.json()}
            if "next" not in answer.links:
                return
            answer = asked_for(self._server, answer.links["next"]["url"].removeprefix(self._server.url))

    def _read_more(self) -> bool:
        answer = asked_for(self._server, "/v1/events", after=self.position, type="user.*", limit="25")
        assert answer.status_code == 200, answer.text
        for event in answer.json():
            if event["type"] in ("user.deleted", "user.purged"):
                self.users.pop(event["object"]["id"], None)
            else:
                self.users[event["object"]["id"]] = told(event["object"])
            self.types.add(event["type"])
        self.applied += len(answer.json())
        moved, self.position = self.position != answer.headers["event-position"], answer.headers["event-position"]
        return moved


def write(server: Server, number: int, over: threading.Event) -> None:
    """Whatever can happen to users, some of which others change at the same time."""
    chance = random.Random(number)
    known: list[dict[str, Any]] = []
    while not over.is_set():
        with suppress(httpx2.TransportError, IndexError), server.http() as http:
            while not over.is_set():
                listed = http.get("/v1/users", params={"limit": 3, "sort": "-created_at"})
                known = [*known[-8:], *(listed.json() if listed.is_success else [])]
                change(http, chance, chance.choice(known))
        time.sleep(0.05)


def change(http: httpx2.Client, chance: random.Random, user: dict[str, Any]) -> None:
    path = f"/v1/users/{user['id']}"
    what = chance.randrange(12)
    if what < 3:
        body = {
            "name": f"New {ids.new('n')}",
            "email": f"{ids.new('n')}@example.com",
            "metadata": {"large": "x" * chance.choice((1, 600))},
        }
        http.post("/v1/users", json=body | {"password": PASSWORD})
    elif what < 7:
        http.patch(path, json={"name": f"Name {ids.new('n')}", "role": chance.choice(("member", "viewer"))})
    elif what == 7:
        http.post("/v1/users/verify-password", json={"email": user["email"], "password": PASSWORD})
    elif what == 8:
        http.post(path + chance.choice(("/suspend", "/activate")))
    else:
        http.delete(path)
        if what == 9:
            http.post(path + "/restore")
        elif what == 10:
            http.delete(path + "?purge=true")


def directory(server: Server) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    while page := asked_for(server, "/v1/users", fields="*", limit="1000", offset=str(len(found))).json():
        found |= {user["id"]: told(user) for user in page}
    return found


def told(user: dict[str, Any]) -> dict[str, Any]:
    """What events tell of a user, which is all but when they were last active."""
    return {name: value for name, value in user.items() if name != "last_active_at"}


def asked_for(server: Server, path: str, **parameters: str) -> httpx2.Response:
    """Asked again while the server is away."""
    while True:
        with suppress(httpx2.TransportError), server.http() as http:
            answer = http.get(path, params=parameters or None)
            if answer.status_code < 500:
                return answer
        time.sleep(0.02)


def import_users(server: Server, name: str, how_many: int) -> None:
    lines = [
        json.dumps({"name": name, "email": f"{name}{number}@example.com", "password_hash": None})
        for number in range(how_many)
    ]
    server.rollbook("users", "import", "-", "--data", str(server.data), input="\n".join(lines))


def wait_until(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)
