"""Nodes that share webhooks: one that is stopped for longer than its lease, one with a wrong clock, a database that
fails over, SIGTERM."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests import postgres
from tests.crash.load import kill_all, processes
from tests.crash.standby import Two
from tests.crash.test_webhooks_kill_9 import FLAGS, Changes, check, expire, settled, under_way, wait_for_more
from tests.harness import Server, new_user
from tests.nodes.pair import Pair
from tests.nodes.pair import ask as query
from tests.webhooks.listener import check_order, listening

STORING = """
    SELECT 1 FROM pg_stat_activity JOIN (
        SELECT pid, granted FROM pg_locks WHERE relation = 'webhook_deliveries'::regclass
          AND mode = 'RowExclusiveLock') AS locks USING (pid)"""


def owner(database: str) -> int:
    """The process that sends."""
    ((holder,),) = query(database, "SELECT holder FROM webhook_cursors")
    return int(holder.split("/")[1]) if holder else 0


def test_one_that_is_stopped_for_longer_than_its_lease_has_lost_it_and_sends_nothing_when_it_wakes_up(
    tmp_path: Path,
) -> None:
    nodes = Pair(tmp_path, postgres.migrated_database(), *FLAGS)
    sleeper, other = nodes.both
    try:
        sleeper.start()
        with listening() as listener:
            listener.answer = lambda message: (200, 0.005)
            with sleeper.http() as http:
                assert http.post("/v1/webhooks", json={"url": listener.url()}).status_code == 201
                users = [new_user(http)["id"] for _ in range(8)]
            listener.wait_for(lambda: owner(nodes.database) in processes(sleeper))
            other.start()
            changes = Changes([other], users)
            try:
                wait_for_more(listener)
                stopped = processes(sleeper)
                for pid in stopped:
                    os.kill(pid, signal.SIGSTOP)
                try:
                    changes.end()
                    listener.wait_for(
                        lambda: owner(nodes.database) in processes(other), 120
                    )  # when the lease has ended
                    changes = Changes([other], users)
                    wait_for_more(listener)
                finally:
                    for pid in stopped:
                        os.kill(pid, signal.SIGCONT)
                wait_for_more(listener)
                changes.end()
                listener.wait_for(lambda: settled(other))
                assert owner(nodes.database) in processes(other)
                check(other, listener)
            finally:
                changes.end()
        nodes.check_logs()
    finally:
        nodes.stop()


def test_a_node_that_joins_gets_its_share_and_one_that_leaves_passes_it_on(tmp_path: Path) -> None:
    nodes = Pair(tmp_path, postgres.migrated_database(), *FLAGS)
    first, second = nodes.both

    def shares() -> list[int]:
        """How many webhooks each node sends to."""
        holders = query(nodes.database, "SELECT holder FROM webhook_cursors WHERE until > 0")
        sending = [int(holder.split("/")[1]) for (holder,) in holders if holder]
        return [sum(pid in found for pid in sending) for found in running]

    try:
        first.start()
        running = [processes(first), []]
        with listening() as listener:
            with first.http() as http:
                paths = [f"/{number}" for number in range(5)]
                for path in paths:
                    http.post("/v1/webhooks", json={"url": listener.url(path), "types": ["user.*"]}).raise_for_status()
                users = [new_user(http)["id"] for _ in range(8)]
                log = http.get("/v1/events", params={"type": "user.created"}).json()[-8:]
            listener.wait_for(lambda: shares() == [5, 0])
            changes = Changes([first], users)
            try:
                second.start()
                running[1] = processes(second)
                listener.wait_for(lambda: sorted(shares()) == [2, 3])
                wait_for_more(listener, 100)
            finally:
                changes.end()
            first.stop()
            running[0] = []
            listener.wait_for(lambda: shares() == [0, 5])
            with second.http() as http:
                new_user(http)
                while page := http.get(
                    "/v1/events", params={"after": log[-1]["id"], "type": "user.*", "limit": 1000}
                ).json():
                    log += page
            listener.wait_for(lambda: settled(second))
            for path in paths:
                assert check_order(log, listener.delivered(path)) == 0, "some were sent twice"
            assert listener.overlaps == 0
        nodes.check_logs()
    finally:
        nodes.stop()


def test_a_change_at_one_node_holds_at_once_at_the_node_that_sends(tmp_path: Path) -> None:
    nodes = Pair(tmp_path, postgres.migrated_database(), *FLAGS)
    sender, other = nodes.both
    try:
        sender.start()
        with listening() as listener:
            with sender.http() as http:
                answer = http.post("/v1/webhooks", json={"url": listener.url(), "types": ["key.created"]})
                webhook = f"/v1/webhooks/{answer.json()['id']}"
            listener.wait_for(lambda: owner(nodes.database) in processes(sender))
            other.start()
            wanted = []
            with other.http() as http:
                for _ in range(2):
                    http.patch(webhook, json={"types": ["user.created"]}).raise_for_status()
                    wanted.append(new_user(http)["id"])
                    listener.wait_for(lambda: len(listener.messages) >= len(wanted))
                    http.patch(webhook, json={"types": ["key.created"]}).raise_for_status()
                    new_user(http)
                    listener.wait_for(lambda: settled(other))
            assert [message.event["object"]["id"] for message in listener.messages] == wanted
        nodes.check_logs()
    finally:
        nodes.stop()


def test_a_database_that_fails_over_in_the_middle_of_it_loses_no_event_and_no_order(tmp_path: Path) -> None:
    two = Two()
    try:
        two.primary.ask("CREATE DATABASE webhooks")
        nodes = Pair(tmp_path, two.url("webhooks"), "--database-timeout", "2", *FLAGS)
        try:
            nodes.start()
            with under_way([*nodes.both]) as (listener, _):
                wait_for_more(listener)
                # Results are being stored: cursors and lanes have changed, deliveries are not written.
                with postgres.locked(nodes.database, "webhook_deliveries"):
                    listener.wait_for(lambda: query(nodes.database, f"{STORING} WHERE NOT granted"))
                    two.fail_over()
                wait_for_more(listener)
                two.rebuild()
                wait_for_more(listener)
                # They are stored, and whoever stored them does not learn it.
                primary = two.primary.url("webhooks")
                two.fail_over_within_a_commit(lambda: bool(query(primary, f"{STORING} WHERE wait_event = 'SyncRep'")))
                wait_for_more(listener)
                two.rebuild()
            nodes.check_logs()
            assert any("may be unknown" in node.log.read_text() for node in nodes.both), "no one waited for the commit"
        finally:
            nodes.stop()
    finally:
        two.remove()


def test_a_clock_that_is_an_hour_ahead_delays_no_retry_and_dates_no_signature(tmp_path: Path) -> None:
    database = postgres.migrated_database()
    environment = {"ROLLBOOK_DATABASE": database, "ROLLBOOK_SECRET": "ab" * 32}
    ahead = Server(tmp_path / "ahead", *FLAGS, environment=environment, program="tests.crash.hour_ahead")
    right = Server(tmp_path / "right", *FLAGS, environment=environment, owner_key=ahead.key)
    try:
        ahead.start()
        with listening() as listener, ahead.http() as http:
            listener.answer = lambda message: (500 if message.number == 1 else 200, 0)
            assert http.post("/v1/webhooks", json={"url": listener.url(), "types": ["user.created"]}).status_code == 201
            new_user(http)
            listener.wait_for(lambda: query(database, "SELECT 1 FROM webhook_lanes"))
            assert abs(int(listener.messages[0].headers["webhook-timestamp"]) - time.time()) < 60
            killed = processes(ahead)
            kill_all(ahead)
            expire(database, killed, listener)
            right.start()
            listener.wait_for(lambda: len(listener.delivered()) == 1)
    finally:
        ahead.stop()
        right.stop()


def test_a_server_that_is_told_to_stop_finishes_what_is_on_the_wire_and_sends_nothing_twice(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", *FLAGS)
    server.start()
    try:
        with listening() as listener:
            listener.answer = lambda message: (200, 0.3)
            with server.http() as http:
                assert http.post("/v1/webhooks", json={"url": listener.url()}).status_code == 201
                for _ in range(30):
                    new_user(http)
            listener.wait_for(lambda: len(listener.messages) > 10)
            assert server.stop() == 0
            assert all(message.status for message in listener.messages), "one was cut off"
            server.start()
            listener.wait_for(lambda: settled(server))
            assert check(server, listener) == 0, "some were sent twice"
    finally:
        server.stop()
