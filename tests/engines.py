"""The fixture that runs a folder of tests on each database. A `conftest.py` imports it: `from tests.engines import engine`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rollbook.config import Settings
from rollbook.records import opening
from rollbook.storage import migrate
from rollbook.storage.database import Database
from tests import harness

ENGINES = ("sqlite", "postgresql")


@contextmanager
def migrated(engine: str, folder: Path) -> Iterator[Database]:
    """An empty database of this kind with the schema of this version, to be used without a server."""
    from tests import postgres

    settings = Settings(data=folder / "data", database="" if engine == "sqlite" else postgres.migrated_database())
    db = opening.open_for_migration(settings)
    try:
        migrate.migrate(db)
        yield db
    finally:
        db.close()


@pytest.fixture(scope="module", params=ENGINES, autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Servers that are started meanwhile run on it."""
    harness.engine = request.param
    yield request.param
    harness.engine = "sqlite"


once = pytest.mark.parametrize("engine", ["sqlite"], indirect=True, scope="module")
"""For tests of what no database has a part in: they run on one of them. What reaches SQL runs on each."""
