"""kill -9 while mails are sent to a server that refuses some for the moment: none is lost, and each kill repeats at most
one, with the same Message-ID.

Six rounds each in `make soak`, more with ROLLBOOK_ROUNDS.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tests import postgres
from tests.callers import Connection, events
from tests.certificates import certified
from tests.crash.load import WIDE, kill_all, processes
from tests.crash.test_webhooks_kill_9 import Hurry, settled
from tests.harness import Server, new_user
from tests.mail_server import ACCEPTED, Mail, MailServer, mail_server
from tests.nodes.pair import Pair
from tests.nodes.pair import ask as query

ROUNDS = int(os.environ.get("ROLLBOOK_ROUNDS", "20"))
FLAGS = ("--mail-rate", "100000", "--mail-notices", "email_changed", *WIDE)
ADDRESS = "http://127.0.0.1:9"


class Changes(threading.Thread):
    """Changes the emails of a few users without pause, whichever of the servers answers. Each change is a mail."""

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
                while not self._ended.wait(0.02):
                    number += 1
                    user = random.choice(self._users)
                    fields = {"email": f"user{number}@example.com"}
                    if connection.call("PATCH", f"/v1/users/{user}", fields).status >= 500:
                        break

    def end(self) -> None:
        self._ended.set()
        self.join()


def moody(mail: MailServer) -> None:
    """Every fourth mail is refused for the moment, each of them once."""
    refused: set[str] = set()

    def answer(each: Mail) -> str:
        if each.id in refused or random.random() < 0.75:
            return ACCEPTED
        refused.add(each.id)
        return "451 Not now"

    mail.answer = answer


def check(server: Server, mail: MailServer, kills: int) -> None:
    with Connection(server) as connection:
        log: list[dict[str, Any]] = list(events(connection))
    wanted = {
        f"<{event['id']}@[127.0.0.1]>": event["before"]["email"]
        for event in log
        if event["type"] == "user.updated" and "email" in event["before"]
    }
    sent = Counter(each.id for each in mail.accepted)
    assert set(sent) == set(wanted), "one was lost, or one too many was sent"
    assert all(wanted[each.id] == each.recipient for each in mail.accepted)
    repeated = sum(sent.values()) - len(sent)
    print(f"{len(wanted)} mails, {repeated} of them repeated by {kills} kills")
    assert repeated <= kills


@contextmanager
def under_way(servers: list[Server], mail: MailServer, kills: int) -> Iterator[None]:
    """Users of the first server change their emails, for whom time flies. At the end, all mails have arrived."""
    moody(mail)
    with servers[0].http() as http:
        users = [new_user(http)["id"] for _ in range(8)]
    changes, hurry = Changes(servers, users), Hurry(servers, 60)
    try:
        yield
        changes.end()
        mail.wait_for(lambda: settled(servers[0]), 120)
    finally:
        changes.end()
        hurry.end()
    check(servers[0], mail, kills)


def wait_for_more(mail: MailServer, count: int = 5) -> None:
    arrived = len(mail.mails)
    mail.wait_for(lambda: len(mail.mails) >= arrived + count)
    time.sleep(random.uniform(0, 0.05))


def test_kill_9_loses_no_mail_and_repeats_at_most_one(tmp_path: Path) -> None:
    with mail_server(certified(tmp_path / "tls", "127.0.0.1")) as mail:
        server = Server(tmp_path / "data", *FLAGS, *mail.flags(ADDRESS))
        server.start()
        try:
            with under_way([server], mail, ROUNDS):
                for _ in range(ROUNDS):
                    wait_for_more(mail)
                    kill_all(server)
                    server.start()
        finally:
            server.stop()


def test_kill_9_of_a_node_hands_mail_to_the_other_one(tmp_path: Path) -> None:
    with mail_server(certified(tmp_path / "tls", "127.0.0.1")) as mail:
        nodes = Pair(tmp_path, postgres.migrated_database(), *FLAGS, *mail.flags(ADDRESS))
        try:
            nodes.start()
            with under_way([*nodes.both], mail, ROUNDS):
                for round in range(ROUNDS):
                    wait_for_more(mail)
                    node = nodes.both[round % 2]
                    killed = processes(node)
                    kill_all(node)
                    expire(nodes.database, killed)
                    wait_for_more(mail)
                    node.start()
            nodes.check_logs()
        finally:
            nodes.stop()


def expire(database: str, killed: list[int]) -> None:
    """What these had is free, as half a minute later."""
    ((holder,),) = query(database, "SELECT holder FROM webhook_cursors")
    if holder and int(holder.split("/")[1]) in killed:
        query(database, "UPDATE webhook_cursors SET until = 0")
