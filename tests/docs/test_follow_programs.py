"""The programs of the guides about the event log miss nothing and repeat nothing they need not, whoever is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.harness import Server, new_user, running
from tests.nodes.pair import wait_until
from tests.processes import ROOT

PAGE, EXAMPLES = ROOT / "docs" / "follow.md", ROOT / "examples" / "follow"
WIDE = ("--rate-limit", "none")


def program(name: str, server: Server, folder: Path) -> list[str]:
    """The command of a program of the page or of the examples."""
    page = re.findall(rf"^```python\n# {name}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    file = folder / name
    file.write_text((page or [(EXAMPLES / name).read_text()])[0].replace("http://127.0.0.1:8000", server.url))
    return [sys.executable if name.endswith(".py") else "node", str(file)]


@contextmanager
def started(command: list[str], server: Server, folder: Path) -> Iterator[None]:
    """Until the end, when it is killed."""
    with (folder / "printed").open("a") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | {"ROLLBOOK_KEY": server.key}, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield
            assert process.poll() is None, (folder / "printed").read_text()
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("name", ["plain.py", "plain.mjs"])
def test_the_followers_of_the_guide_print_every_event_once(name: str, tmp_path: Path) -> None:
    printed = tmp_path / "printed"
    with running(tmp_path / "data", *WIDE) as server, server.http() as http:
        command = program(name, server, tmp_path)

        def has_printed(user: dict[str, Any]) -> bool:
            return printed.exists() and events_of(http, user["id"])[-1] in printed.read_text()

        with started(command, server, tmp_path):
            wait_until(lambda: (tmp_path / "last-event-id").exists())
            first = new_user(http)
            wait_until(lambda: has_printed(first))
            server.stop(signal.SIGKILL)
            server.start()
            second = new_user(http)
            wait_until(lambda: has_printed(second))
            wait_until(lambda: (tmp_path / "last-event-id").read_text() in events_of(http, second["id"]))
        third = new_user(http)
        with started(command, server, tmp_path):
            wait_until(lambda: has_printed(third))
        expected = [f"user.created {events_of(http, user['id'])[0]}" for user in (first, second, third)]
        assert printed.read_text().splitlines() == expected


def events_of(http: httpx2.Client, user: str) -> list[str]:
    return [event["id"] for event in http.get("/v1/events", params={"user": user}).json()]


def test_the_copy_of_the_guide_is_the_directory_whoever_is_killed(tmp_path: Path) -> None:
    def copied() -> dict[str, Any]:
        try:
            with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
                rows = copy.execute("SELECT id, content FROM users")
                return {id: json.loads(content) | {"last_active_at": None} for id, content in rows}
        except sqlite3.OperationalError:
            return {}

    def directory() -> dict[str, Any]:
        users = http.get("/v1/users?fields=*&limit=1000").json()
        return {user["id"]: user | {"last_active_at": None} for user in users}  # no event tells it

    with running(tmp_path / "data", *WIDE) as server, server.http() as http:
        command = program("copy_users.py", server, tmp_path)
        users = [new_user(http) for _ in range(20)]
        for turn in range(3):
            with started(command, server, tmp_path):
                wait_until(lambda: copied() == directory())
                for user in users[turn * 4 : turn * 4 + 4]:
                    http.patch(f"/v1/users/{user['id']}", json={"name": "Changed", "metadata": {"turn": turn}})
                http.delete(f"/v1/users/{users[turn * 4]['id']}")
                http.delete(f"/v1/users/{users[turn * 4 + 1]['id']}?purge=true")
                http.post(f"/v1/users/{users[turn * 4 + 2]['id']}/suspend")
                if turn == 1:
                    server.stop(signal.SIGKILL)
                    server.start()
                    http.post(f"/v1/users/{users[0]['id']}/restore")
                new_user(http)
                wait_until(lambda: copied() == directory())
            new_user(http)  # while it is not there
        assert len(copied()) < len(directory())


def test_a_copy_that_was_away_for_too_long_is_made_again(tmp_path: Path) -> None:
    with running(tmp_path / "data", *WIDE, "--event-retention", "7") as server, server.http() as http:
        command = program("copy_users.py", server, tmp_path)
        for _ in range(3):
            gone = new_user(http)
        http.delete(f"/v1/users/{gone['id']}")
        with closing(sqlite3.connect(tmp_path / "copy.db")) as copy, copy:
            copy.execute("CREATE TABLE users (id TEXT PRIMARY KEY, content TEXT)")
            copy.execute("CREATE TABLE position (value TEXT)")
            copy.execute("INSERT INTO position VALUES ('1')")
            copy.execute("INSERT INTO users VALUES (?, '{}')", (gone["id"],))
        server.stop()
        server.pass_time(8 * 86_400)
        server.start()
        wait_until(lambda: http.get("/v1/events", params={"after": "1"}).status_code == 410)
        expected = {user["id"] for user in http.get("/v1/users").json()}

        def ids() -> set[str]:
            with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
                return {row[0] for row in copy.execute("SELECT id FROM users")}

        with started(command, server, tmp_path):
            wait_until(lambda: ids() == expected)
