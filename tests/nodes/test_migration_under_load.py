"""The schema of the next version arrives while servers of this one work: they notice nothing. One that starts
afterwards works, too."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rollbook.config import Settings
from rollbook.records.connect import connect
from rollbook.storage import migrate
from tests.crash.load import WIDE
from tests.crash.patient import settle_and_check, start, stop, wait_for
from tests.crash.test_postgres_away import PATHS, Reader
from tests.crash.test_postgres_nodes import ENOUGH
from tests.nodes.pair import ask as query
from tests.nodes.pair import fill, pair

NEXT = (
    # What migrations are for the most part: something more that may be empty, and an index for it.
    "ALTER TABLE users ADD COLUMN nickname text; CREATE INDEX users_nickname ON users (nickname) WHERE nickname "
    "IS NOT NULL;"
    "ALTER TABLE keys ADD COLUMN note text; ALTER TABLE events ADD COLUMN note text; ALTER TABLE events_new ADD "
    "COLUMN note text;",
    # What statements that are prepared already do not survive: their results have other types from now on.
    "ALTER TABLE users ALTER COLUMN version TYPE bigint; ALTER TABLE users ALTER COLUMN email_verified TYPE bigint;"
    "ALTER TABLE user_blocks ALTER COLUMN n TYPE bigint;",
)


@pytest.fixture
def newer(tmp_path: Path) -> list[Path]:
    """Folders with the migrations of the next version, and of the one after it."""
    found = []
    source = migrate.known(migrate.FOLDER / "postgresql")
    first = source[-1].number + 1
    for at in range(len(NEXT)):
        folder = tmp_path / f"next{at}"
        shutil.copytree(migrate.FOLDER / "postgresql" / "optional", folder / "optional")
        for file in source:
            (folder / file.file_name).write_text(file.sql)
        for number, text in enumerate(NEXT[: at + 1], first):
            (folder / f"{number:04}_next.sql").write_text(text)
        found.append(folder)
    return found


def test_a_migration_under_load_fails_no_request_and_loses_no_change(tmp_path: Path, newer: list[Path]) -> None:
    with pair(tmp_path, "--workers", "2", *ENOUGH, *WIDE) as nodes:
        clients = start(nodes.both, "m", 8)
        readers = [Reader(nodes.both[number % 2], path) for number, path in enumerate(PATHS * 2)]
        for reader in readers:
            reader.start()
        for folder in newer:
            wait_for(clients, 60)
            db = connect(Settings(database=nodes.database), for_migration=True)
            try:
                assert len(migrate.migrate(db, folder)) == 1
            finally:
                db.close()
            wait_for(clients, 60)
        for reader in readers:
            reader.stop()
            assert set(reader.seen) == {200}, (reader._path, reader.seen)
        stop(clients)
        assert not any(client.refused or client.broken for client in clients), [client.refused for client in clients]
        settle_and_check(nodes.both[0], clients)
        # A node that starts now, since it crashed or the upgrade is taken back, works on what is there.
        nodes.both[1].stop()
        nodes.both[1].start()
        clients = start(nodes.both[1:], "n", 2)
        wait_for(clients, 20)
        stop(clients)
        assert not any(client.problem or client.refused or client.broken for client in clients)
        nodes.check_logs()


def test_servers_that_start_at_once_after_an_upgrade_migrate_once(tmp_path: Path, newer: list[Path]) -> None:
    with pair(tmp_path, *WIDE) as nodes:
        fill(nodes.database, 2_000)

        def upgrade(_: int) -> int:
            db = connect(Settings(database=nodes.database), for_migration=True)
            try:
                return len(migrate.migrate(db, newer[-1]))
            finally:
                db.close()

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(upgrade, range(6))) == len(NEXT)
        applied = "SELECT (SELECT count(*) FROM migrations) + (SELECT count(*) FROM newer_migrations)"
        assert query(nodes.database, applied)[0][0] == len(migrate.known(newer[-1]))
