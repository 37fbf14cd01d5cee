"""kill -9 of the primary and promotion of its synchronous standby under load: nothing acknowledged is lost, nothing is
half there.

Six rounds in `make soak`, more with ROLLBOOK_ROUNDS.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

from tests.callers import ask
from tests.crash.load import WIDE
from tests.crash.patient import settle_and_check, start, stop, wait_for
from tests.crash.standby import Two, wake
from tests.nodes.pair import Pair
from tests.postgres import USER

ROUNDS = int(os.environ.get("ROLLBOOK_ROUNDS", "2"))


def test_failover_under_load_loses_nothing_acknowledged_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    two = Two()
    refused: Counter[str] = Counter()
    gaps = []
    try:
        two.primary.ask("CREATE DATABASE failover")
        nodes = Pair(tmp_path, two.url("failover"), "--workers", "2", "--database-timeout", "2", *WIDE)
        try:
            nodes.start()
            clients = start(nodes.both, "f", 8)
            for _ in range(ROUNDS):
                wait_for(clients, 100)
                time.sleep(random.uniform(0, 0.3))
                began = time.monotonic()
                two.fail_over()
                wait_for(clients, 50)
                gaps.append(time.monotonic() - began)
                two.rebuild()
            wait_for(clients, 100)
            stop(clients)
            refused = sum((client.refused for client in clients), Counter[str]())
            assert refused["storage_unavailable"] + refused["outcome_unknown"] > 0
            settle_and_check(nodes.both[0], clients)
            for node in nodes.both:
                assert ask(node, "GET", "/health/ready").status == 200
            nodes.check_logs()
        finally:
            nodes.stop()
    finally:
        two.remove()
    print(f"refused: {dict(refused)}; until 50 more were acknowledged: {max(gaps):.1f} s at most")
    assert max(gaps) < 50, gaps


def test_both_addresses_are_shown_without_their_password() -> None:
    from rollbook.storage.postgres_connection import address

    shown = address(
        "postgresql://rollbook:hunter2@one:5432,two:5433/users?target_session_attrs=read-write&password=hunter3"
    ).public
    assert shown == "postgresql://rollbook@one:5432,two:5433/users?target_session_attrs=read-write"


def test_a_primary_that_falls_silent_is_left_for_the_one_that_takes_its_place(tmp_path: Path) -> None:
    """As when its machine has no power: nobody refuses the connection, nobody answers. It may stand first in the
    address."""
    two = Two()
    silent: list[int] = []
    try:
        two.primary.ask("CREATE DATABASE silent")
        hosts = f"127.0.0.1:{two.primary.port},127.0.0.1:{two.standby.port}"
        nodes = Pair(
            tmp_path,
            f"postgresql://{USER}@{hosts}/silent?target_session_attrs=read-write",
            "--database-timeout",
            "2",
            *WIDE,
        )
        try:
            nodes.start()
            clients = start(nodes.both, "s", 6)
            wait_for(clients, 50)
            silent = two.silence()
            two.promote()
            wait_for(clients, 50)
            stop(clients)
            assert max(client.slowest for client in clients) < 30
            settle_and_check(nodes.both[1], clients)
            nodes.check_logs()
        finally:
            nodes.stop()
    finally:
        wake(silent)
        two.remove()
