"""deploy/litestream.yml and litestream.conf: Litestream starts the server, and what it copied is all there when the
machine is gone. How much the last moment holds is measured by `benchmarks/copies.py`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tests.callers import Connection, events
from tests.crash.load import WIDE, Client, check
from tests.crash.patient import wait_for
from tests.deploy.litestream import Copied, lose_machine, rows, wait
from tests.deploy.test_systemd import Confined, _allowed
from tests.harness import OWNER_EMAIL, PATIENCE, Server, new_user


def started(server: Server, name: str) -> list[Client]:
    clients = [Client(server, f"{name}{number}", number) for number in range(4)]
    for client in clients:
        client.start()
    wait_for(clients, 60, PATIENCE)
    return clients


def requests_of(clients: Iterable[Client]) -> dict[str, str]:
    return {id: verb for client in clients for id, verb in client.requests.items()}


def test_what_was_copied_survives_the_machine_and_any_moment_of_it_can_be_restored(tmp_path: Path) -> None:
    server = Copied(tmp_path / "data", "--workers", "2", *WIDE)
    server.start()
    shutil.copy(server.data / "secret", tmp_path / "secret")
    before = started(server, "before")
    for client in before:
        client.stop()
    for client in before:
        client.join()
    server.wait_for_copy()
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    copied = server.files()
    after = started(server, "after")
    wait(lambda: len(server.files() - copied) > 1)  # the first may hold what was written before that moment
    lose_machine(server)
    for client in after:
        client.join()

    earlier = Server(server.restore("earlier", "-timestamp", moment), *WIDE, owner_key=server.key)
    earlier.start()
    try:
        check(earlier, before, requests_of(before))
    finally:
        earlier.stop()

    latest = Server(server.restore("latest"), *WIDE, owner_key=server.key)
    assert latest.rollbook("doctor", "--data", str(latest.data)).returncode == 0
    latest.start()
    try:
        with Connection(latest) as connection:
            known = {event["actor"]["request_id"] for event in events(connection)}
    finally:
        latest.stop()
    assert requests_of(before).keys() <= known
    for client in after:  # each waited for its answers: what is lost is the end, without a gap before it
        there = [id in known for id in client.requests]
        assert there == sorted(there, reverse=True)


def test_a_backup_that_replaces_the_database_is_what_is_copied_from_then_on(tmp_path: Path) -> None:
    server = Copied(tmp_path / "data")
    server.start()
    shutil.copy(server.data / "secret", tmp_path / "secret")
    with server.http() as http:
        new_user(http, email="kept@example.com")
        server.rollbook("backup", str(tmp_path / "before.db"), "--data", str(server.data))
        new_user(http, email="later@example.com")
    server.wait_for_copy()
    assert server.stop() == 0
    for end in ("-wal", "-shm"):
        (server.data / f"rollbook.db{end}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "before.db", server.data / "rollbook.db")
    server.start()
    try:
        with server.http() as http:
            new_user(http, email="new@example.com")
        server.wait_for_copy()
    finally:
        assert server.stop() == 0
    people = {email for (email,) in rows(server.restore("latest"), "SELECT email FROM users")}
    assert people == {OWNER_EMAIL, "kept@example.com", "new@example.com"}


class ConfinedCopied(Confined, Copied):
    """Both under what the unit forbids."""


def test_it_works_under_what_the_unit_forbids(tmp_path: Path) -> None:
    server = ConfinedCopied(tmp_path / "data", cheap=False)
    server.start()
    try:
        with server.http() as http:
            new_user(http)
        wait(server.files)
    finally:
        assert server.stop() == 0
    calls = set(re.findall(r"^\d+ +(\w+)\(", server.trace.read_text(), re.MULTILINE))
    assert "epoll_pwait" in calls, "nothing of Go's"
    # Owners of files that stay what they are: neither SQLite nor Litestream minds that it is refused.
    assert calls - _allowed() - {"fchown", "fchownat"} == set()
