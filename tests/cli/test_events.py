"""`rollbook events tail` prints what happens, as it happens, over the network and on the files, and goes on after a
lost connection."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests import harness, processes
from tests.engines import ENGINES
from tests.harness import Server, new_key, new_user, running

WIDE = ("--rate-limit", "none", "--unauthenticated-limit", "none")


@pytest.fixture(params=ENGINES)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    harness.engine = request.param
    try:
        with running(tmp_path / "data", *WIDE) as server:
            yield server
    finally:
        harness.engine = "sqlite"


class Tail:
    def __init__(self, server: Server, *arguments: str, key: str = "", log: str = "events") -> None:
        environment = server.environment | {"ROLLBOOK_KEY": key or server.key}
        self.process = processes.start(
            [sys.executable, "-m", "rollbook.cli.main", log, "tail", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=server.data.parent,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def line(self) -> str:
        try:
            return self._lines.get(timeout=60)
        except queue.Empty:
            raise AssertionError(self.stop()) from None

    def events(self, count: int) -> list[Any]:
        return [json.loads(self.line()) for _ in range(count)]

    def stop(self) -> tuple[int, str]:
        """Ctrl+C."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> tuple[int, str]:
        """Its exit code, and what it said to people."""
        self._reader.join(60)
        assert self.process.stderr is not None and self.process.stdout is not None
        with self.process.stderr, self.process.stdout:
            return self.process.wait(60), self.process.stderr.read()


@contextmanager
def tail(server: Server, *arguments: str, **options: str) -> Iterator[Tail]:
    found = Tail(server, *arguments, **options)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
            found.end()


def places(server: Server) -> list[tuple[str, str]]:
    return [("--url", server.url), ("--data", str(server.data))]


def test_an_event_is_shown_and_put_back_and_a_user_is_shown_as_they_were(server: Server) -> None:
    with server.http() as http:
        user = new_user(http, name="Ann", metadata={"plan": "pro"})
        http.patch(f"/v1/users/{user['id']}", json={"name": "Bob", "metadata": {"plan": "team", "new": 1}})
        http.patch(f"/v1/users/{user['id']}", json={"metadata": {"plan": "solo"}})
        event, _ = http.get("/v1/events", params={"user": user["id"], "type": "user.updated"}).json()
        for where in (("--url", server.url, "--key", server.key), ("--data", str(server.data))):
            shown = server.rollbook("events", "get", event["id"], *where)
            assert json.loads(shown.stdout) == event
            told = server.rollbook("events", "revert", event["id"], "--dry-run", *where)
            assert told.stdout.split() == ["name", "Ann", "metadata", '{"new":', "null}"]
            assert f"Would put back user.updated of {user['email']} (20" in told.stderr
            assert "Not put back: metadata.plan has changed since." in told.stderr
        done = server.rollbook("events", "revert", event["id"], "--json", "--data", str(server.data))
        assert json.loads(done.stdout)["reverted"] == {"name": "Ann", "metadata": {"new": None}}
        assert http.get(f"/v1/users/{user['id']}").json()["name"] == "Ann"
        assert server.rollbook("events", "revert", "--data", str(server.data), check=False).returncode == 2
        for where in (("--url", server.url, "--key", server.key), ("--data", str(server.data))):
            was = server.rollbook("users", "get", user["id"], "--at", event["id"], "--json", *where)
            assert json.loads(was.stdout)["name"] == "Bob"


def test_the_last_change_is_put_back_or_nothing_is(server: Server) -> None:
    with server.http() as http:
        user, other = new_user(http), new_user(http)
        for where in (("--url", server.url, "--key", server.key), ("--data", str(server.data))):
            http.delete(f"/v1/users/{user['id']}")
            # What comes and goes by itself is no change.
            signs_in = {"email": other["email"], "password": other["password"]}
            assert http.post("/v1/sessions", json=signs_in | {"audience": "shop"}).is_success
            assert http.post(f"/v1/users/{other['id']}/tokens", json={"purpose": "reset_password"}).is_success
            told = server.rollbook("events", "revert", "--last", *where)
            assert f"Put back user.deleted of {user['email']} (20" in told.stderr and "active" in told.stdout
            assert http.get(f"/v1/users/{user['id']}").json()["status"] == "active"
            newer, newest = new_user(http), http.get("/v1/events?type=user.restored&order=desc&limit=1").json()[0]
            told = server.rollbook("events", "revert", "--last", *where, check=False)
            assert told.returncode == 1 and "To undo it, delete the user." in told.stderr
            assert f"The newest change, user.created of {newer['email']} (" in told.stderr
            assert f"The newest that can is user.restored of {user['email']} (" in told.stderr
            assert f"events revert {newest['id']}" in told.stderr
            assert http.get(f"/v1/users/{user['id']}").json()["status"] == "active", "nothing was changed"


def position(http: httpx2.Client) -> str:
    return http.get("/v1/events?order=desc&limit=1").headers["event-position"]


def test_it_prints_what_happens_as_the_log_has_it_until_it_is_interrupted(server: Server) -> None:
    with server.http() as http:
        for place in places(server):
            with tail(
                server, "--json", "--type", "user.*", "--type", "key.revoked", "--after", position(http), *place
            ) as found:
                user = new_user(http)
                new_key(http)
                assert http.put(
                    f"/v1/users/{user['id']}", json={"metadata": {"note": "Zoë\u2028\x9b\r\nLine"}}
                ).is_success
                events = found.events(2)
                assert events == http.get("/v1/events", params={"user": user["id"]}).json()
                assert found.stop() == (130, "")


def test_people_get_a_line_for_each(server: Server) -> None:
    with server.http() as http:
        me = http.get("/v1/users/me").json()
        user = new_user(http)
        for place in places(server):
            with tail(server, "--user", user["email"], "--after", "0", *place) as found:
                (event,) = http.get("/v1/events", params={"user": user["id"]}).json()
                assert found.line().rstrip("\n").split("\t") == [
                    event["created_at"],
                    "user.created",
                    user["email"],
                    me["name"],
                    event["id"],
                ]


def test_it_goes_on_after_the_server_was_killed_and_misses_nothing(server: Server) -> None:
    with server.http() as http:
        place = ("--url", server.url, "--after", position(http))
        with tail(server, "--json", *place) as found, tail(server, *place) as read:
            user = new_user(http)
            assert found.events(1)[0]["user_id"] == user["id"] and read.line().split("\t")[2] == user["email"]
            server.stop(signal.SIGKILL)
            server.start()
            new = [new_user(http) for _ in range(3)]
            assert [event["user_id"] for event in found.events(3)] == [user["id"] for user in new]
            assert [read.line().split("\t")[2] for _ in new] == [user["email"] for user in new]
            assert "Connecting again" in found.stop()[1]


def test_it_ends_and_says_why_when_the_key_no_longer_works(server: Server) -> None:
    with server.http() as http:
        key = http.post("/v1/keys", json={"name": "x"}).json()
        with tail(server, "--json", "--url", server.url, "--after", position(http), key=key["key"]) as found:
            new_user(http)
            found.events(1)
            http.delete(f"/v1/keys/{key['id']}")
            code, said = found.end()
            assert code == 1 and "revoked" in said


def test_a_wrong_place_or_type_is_said_at_once(server: Server) -> None:
    for place in places(server):
        for arguments in (("--after", "evt_none"), ("--type", "user.unknown")):
            done = (
                server.rollbook("events", "tail", *arguments, *place, "--key", server.key, check=False)
                if place[0] == "--url"
                else server.rollbook("events", "tail", *arguments, *place, check=False)
            )
            assert done.returncode == 2 and done.stderr.startswith("rollbook: "), done.stderr
