"""kill -9 of a node, or of a worker, of several on one PostgreSQL: the others go on, nothing acknowledged is lost or
doubled.

Three rounds in `make soak`, more with ROLLBOOK_ROUNDS.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from tests import postgres
from tests.callers import ask
from tests.crash.load import WIDE, kill_all, processes
from tests.crash.patient import acknowledged, settle_and_check, start, stop, wait_for
from tests.harness import Server, new_user
from tests.nodes.pair import ask as query
from tests.nodes.pair import pair, wait_until

ROUNDS = max(1, int(os.environ.get("ROLLBOOK_ROUNDS", "2")) // 2)
ENOUGH = ("--database-timeout", "60")
"""So that no caller is refused because the machine is busy."""
TAKEN_OVER = 120  # seconds: the lease, the time until it is tried, and a busy machine


def test_kill_9_of_a_node_under_load_loses_and_doubles_nothing_and_the_other_goes_on(tmp_path: Path) -> None:
    with postgres.own_cluster() as cluster:
        cluster.ask("CREATE DATABASE killed")
        with pair(tmp_path, "--workers", "2", *ENOUGH, *WIDE, database=cluster.url("killed")) as nodes:
            clients = start(nodes.both, "k", 8)
            for round in range(ROUNDS):
                wait_for(clients, 100)
                time.sleep(random.uniform(0, 0.5))
                kill_all(nodes.both[round % 2])
                wait_for(clients, 100)  # by the other one alone
                nodes.both[round % 2].start()
            wait_for(clients, 100)
            stop(clients)
            assert sum(client.broken for client in clients) > 0, "nothing was under load"
            assert not any(client.refused for client in clients), [client.refused for client in clients]
            assert acknowledged(clients) > 250
            for node in nodes.both:
                settle_and_check(node, clients)


def test_when_the_node_that_leads_dies_the_other_does_what_one_does_for_all(tmp_path: Path) -> None:
    with pair(tmp_path, "--workers", "2", *WIDE) as nodes:

        def is_folded() -> bool:
            return query(nodes.database, "SELECT count(*) FROM user_block_deltas")[0][0] == 0

        def numbered() -> bool:
            return query(nodes.database, "SELECT count(*) FROM events_new")[0][0] == 0

        wait_until(lambda: is_folded() and numbered(), TAKEN_OVER)  # the first one has the lead
        kill_all(nodes.both[0])
        with nodes.both[1].http() as http:
            new_user(http)
        wait_until(lambda: is_folded() and numbered(), TAKEN_OVER)
        nodes.both[0].start()
        assert ask(nodes.both[0], "GET", "/v1/users/count").json == {"count": 2}


def test_a_killed_worker_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    with pair(tmp_path, "--workers", "2", *WIDE) as nodes:
        clients = start(nodes.both, "w", 6)
        for number in range(2 * ROUNDS):
            node = nodes.both[number % 2]
            wait_for(clients, 50)
            victim = random.choice(processes(node)[1:])
            os.kill(victim, signal.SIGKILL)
            # Not at once: one that dies again soon after its start is started after a pause.
            wait_until(lambda node=node, victim=victim: _is_replaced(node, victim))
        wait_for(clients, 50)
        stop(clients)
        settle_and_check(nodes.both[0], clients)
        # Nobody holds a transaction of theirs: PostgreSQL has undone it.
        wait_until(
            lambda: (
                query(
                    nodes.database,
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE "
                    "'idle in%'",
                )[0][0]
                == 0
            )
        )


def _is_replaced(node: Server, victim: int) -> bool:
    workers = processes(node)[1:]
    return len(workers) == 2 and victim not in workers
