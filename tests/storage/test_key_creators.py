"""A database of before keys knew their creator: the migration learns it from the event log, as far as it says so for
certain."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rollbook.config import Settings
from rollbook.records.connect import connect
from rollbook.storage.database import Tx
from rollbook.storage.migrate import FOLDER, migrate
from tests.engines import ENGINES
from tests.postgres import new_database

# Key, type of the event, its actor's user and key; and who created the key then, for a key of Alice.
KEYS = [
    ("by herself", "key.created", "alice", None, "alice"),
    ("rotated by herself", "key.rotated", "alice", None, "alice"),
    ("on the command line", "key.created", None, None, ""),
    ("by another", "key.created", "bob", None, None),
    ("rotated by another", "key.rotated", "bob", "key_of_bob", None),
    ("with a key of hers, which another may have created", "key.created", "alice", "key_1", None),
    ("only revoked by herself", "key.revoked", "alice", None, None),
    ("before the log begins", None, None, None, None),
]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_creators_of_old_keys_are_found_in_the_log(engine: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER / engine, tmp_path / "migrations")
    first = next((tmp_path / "migrations").glob("*_key_creators.sql")).name
    for file in (tmp_path / "migrations").glob("*.sql"):
        if file.name >= first:
            file.unlink()

    async def fill(tx: Tx) -> None:
        for number, (name, type, user, key, _) in enumerate(KEYS, 1):
            id = f"key_{number}"
            columns = "id, user_id, name, digest, start, last_four, created_at"
            await tx.run(
                f"INSERT INTO keys ({columns}) VALUES (?, 'alice', ?, ?, 'rbk_', '1234', 1)", id, name, id.encode()
            )
            if type is not None:
                columns = "seq, id, type, user_id, created_at, actor_user, actor_key, object"
                event = (number, f"evt_{number}", type, user, key, f'{{"id":"{id}"}}')
                await tx.run(f"INSERT INTO events ({columns}) VALUES (?, ?, ?, 'alice', 1, ?, ?, ?)", *event)

    db = connect(
        Settings(data=tmp_path / "data", database="" if engine == "sqlite" else new_database("creators")),
        for_migration=True,
    )
    try:
        migrate(db, tmp_path / "migrations")
        db.write_now(fill)
        migrate(db)
        creators = {row[0]: row[1] for row in db.run_now(db.all("SELECT name, created_by FROM keys"))}
    finally:
        db.close()
    assert creators == {name: creator for name, *_, creator in KEYS}
