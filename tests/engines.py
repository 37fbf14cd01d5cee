"""The fixture that runs a folder of tests on each database. A `conftest.py` imports it: `from tests.engines import
engine`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rollbook.config import Settings
from rollbook.records.connect import connect
from rollbook.storage import migrate
from rollbook.storage.database import Database
from tests import harness

ENGINES = ("sqlite", "postgresql")
CHOSEN = tuple(os.environ.get("ROLLBOOK_TEST_ENGINES", ",".join(ENGINES)).split(","))
"""`make compat` has one of them."""


@contextmanager
def migrated(engine: str, folder: Path) -> Iterator[Database]:
    """An empty database of this kind with the schema of this version, to be used without a server."""
    from tests import postgres

    database = "" if engine == "sqlite" else postgres.migrated_database()
    db = connect(Settings(data=folder / "data", database=database), for_migration=True)
    try:
        migrate.migrate(db)
        yield db
    finally:
        db.close()


VARIANTS = {
    # Serializable by default, as CockroachDB always is: what the server does must not depend on anything weaker.
    "serializable": ("test_users", "test_conditional", "test_password_links", "test_reads_see_writes"),
    # In parts by the hash of the id, as Citus distributes it: unique in nothing but the id.
    "partitioned": ("test_lists", "test_search", "test_names_emails_passwords", "test_roles"),
    # Behind PgBouncer in transaction mode with three sessions: each transaction may run on another one.
    "pgbouncer": ("test_idempotency", "test_events", "test_keys", "test_sessions"),
}
"""Files of tests/contract whose PostgreSQL is not set up as it comes. All of them hold on each:
`ROLLBOOK_TEST_POSTGRES=pgbouncer make test ARGS="tests/contract -k postgresql"`."""


def set_engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Servers that are started meanwhile run on it."""
    from tests import postgres

    before = postgres.variant
    if not before:
        name = request.module.__name__.rpartition(".")[2]
        postgres.variant = next((variant for variant, files in VARIANTS.items() if name in files), "")
    harness.engine = request.param
    with postgres.dropping():
        yield request.param
    harness.engine, postgres.variant = "sqlite", before


engine = pytest.fixture(scope="module", params=CHOSEN, autouse=True)(set_engine)
once = pytest.mark.parametrize("engine", ["sqlite"], indirect=True, scope="module")
"""For tests of what no database has a part in: they run on one of them. What reaches SQL runs on each."""
