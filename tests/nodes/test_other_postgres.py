"""What callers are promised holds on a PostgreSQL that is set up otherwise, too: the same tests, run again on it.

A part of them in `make test`; all of tests/contract with `ROLLBOOK_ROUNDS=20 make test ARGS="tests/nodes/test_other_postgres.py --timeout 3600"`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALL = int(os.environ.get("ROLLBOOK_ROUNDS", "0")) >= 20

PARTS = {
    # Serializable by default, as CockroachDB always is: what the server does must not depend on anything weaker.
    "serializable": (["test_users.py", "test_conditional.py"], "not admin"),
    # In parts by the hash of the id, as Citus distributes it: unique in nothing but the id.
    "partitioned": (["test_lists.py", "test_users.py"], "offset or order or cursor or restore or delete or taken or total"),
    # Behind PgBouncer in transaction mode with three sessions: each transaction may run on another one.
    "pgbouncer": (["test_users.py", "test_idempotency.py", "test_events.py"], "not full_queue"),
}  # fmt: skip


@pytest.mark.parametrize("variant", PARTS)
def test_the_promises_hold_on_a_postgresql_that_is(variant: str) -> None:
    files, words = PARTS[variant]
    chosen = ["tests/contract"] if ALL else [f"tests/contract/{name}" for name in files]
    only = "postgresql" if ALL else f"postgresql and ({words})"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "--timeout", "120", *chosen, "-k", only],
        cwd=ROOT,
        env={**os.environ, "ROLLBOOK_TEST_POSTGRES": variant},
        capture_output=True,
        text=True,
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert passed is not None and int(passed[1]) > 20, done.stdout[-2000:]
