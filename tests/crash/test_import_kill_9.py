"""kill -9 of a server and the process that imports for it, in the middle of an import: nothing is lost, doubled or
half-written.

Half of ROLLBOOK_ROUNDS: three rounds in `make soak`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.crash.load import WIDE
from tests.engines import engine
from tests.harness import Server, running
from tests.processes import importing

__all__ = ["engine"]

ROUNDS = max(2, int(os.environ.get("ROLLBOOK_ROUNDS", "2")) // 2)
USERS, BAD = 8_000, 7
"""Records that hold a user, and every how many there is one that holds none."""


def file_of(round: int) -> bytes:
    lines = []
    for number in range(USERS):
        lines.append(json.dumps({"name": f"Person {number}", "email": f"r{round}-{number}@example.com"}))
        if number % BAD == 0:
            lines.append("nonsense")
    return "\n".join(lines).encode()


def state(server: Server, id: str) -> dict[str, Any]:
    with server.http() as http:
        return http.get(f"/v1/imports/{id}").json()


def kill_in_the_middle(server: Server, id: str, after: int) -> None:
    deadline = time.monotonic() + 240
    while (job := state(server, id))["records"] < after and job["status"] in ("waiting", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = importing(server.data)
    if random.random() < 0.5:  # the process first: the server is about to start another one
        for child in children:
            with suppress(ProcessLookupError):  # it was done meanwhile
                os.kill(child, signal.SIGKILL)
        time.sleep(random.random() / 10)
    server.stop(signal.SIGKILL)


def test_an_import_survives_kill_9(tmp_path: Path) -> None:
    with running(tmp_path / "data", *WIDE) as server:
        for round in range(ROUNDS):
            content = file_of(round)
            with server.http() as http:
                id = http.post("/v1/imports", content=content).json()["id"]
            records = content.count(b"\n") + 1
            for _ in range(2):
                kill_in_the_middle(server, id, random.randrange(1, records))
                server.start()
            deadline = time.monotonic() + 240
            while (job := state(server, id))["status"] in ("waiting", "running"):
                assert time.monotonic() < deadline, job
                time.sleep(0.02)
            check(server, job, round, records)


def check(server: Server, job: dict[str, Any], round: int, records: int) -> None:
    assert (job["status"], job["added"], job["records"]) == ("finished", USERS, records), job
    emails = f"SELECT count(*), count(DISTINCT email) FROM users WHERE email LIKE 'r{round}-%'"
    assert [tuple(row) for row in server.ask(emails)] == [(USERS, USERS)]
    with server.http() as http:
        http.get("/v1/events")  # on PostgreSQL, that gives new ones their numbers
        lines = [json.loads(line)["line"] for line in http.get(job["report_url"]).text.splitlines()]
    events = (
        f"SELECT type, count(*), count(DISTINCT user_id) FROM events WHERE request_id = '{job['id']}' GROUP "
        "BY type ORDER BY type"
    )
    owner = 1
    assert [tuple(row) for row in server.ask(events)] == [("import.finished", 1, owner), ("user.created", USERS, USERS)]
    assert len(lines) == job["refused"] == records - USERS and lines == sorted(set(lines))
    check_that_the_file_goes(server.data / "imports", server)


def check_that_the_file_goes(folder: Path, server: Server) -> None:
    """At once; an hour later, if both were killed between the import's end and that."""
    for left in folder.iterdir():
        with suppress(FileNotFoundError):
            os.utime(left, (0, 0))
        server.stop()
        server.start()
    deadline = time.monotonic() + 60
    while list(folder.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
