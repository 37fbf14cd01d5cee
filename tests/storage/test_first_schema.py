"""A database of before the first schema: one that has all migrations of then is taken over as it is, an older one is
refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from schemas import objects

from rollbook.records import users
from rollbook.storage import migrate
from rollbook.storage.database import DatabaseUnusable, Tx
from tests.engines import ENGINES, migrated

DEAD = ["CREATE INDEX groups_unspelled ON groups (id);", "CREATE INDEX keys_created_with ON keys (created_with);"]
TABLES = ["password_links", "server_usage", "user_words_building", "user_metadata_building"]
TRIGGERS = {
    "sqlite": {"group_renamed": "groups", "user_kind_left": "users", "user_kind_came": "deleted_users"}
    | {"scim_user_erased": "deleted_users"},
    "postgresql": {"keep_one_time_token": "password_links", "drop_password_link": "one_time_tokens"}
    | {"forget_group_spellings": "groups", "keep_user_kind": "users", "end_deleted_user": "deleted_users"},
}
CHECKSUMS = {1: "of the first", 40: "of one", 97: "of the last"}


async def make_old(tx: Tx, checksums: dict[int, str]) -> None:
    """Give the database what it had besides, and the rows of these migrations."""
    await tx.run("DELETE FROM migrations")
    for number, checksum in checksums.items():
        table = "migrations" if number < 50 else "newer_migrations"
        await tx.run(f"INSERT INTO {table} VALUES (?, 'name', ?, 1)", number, checksum)
    for table in TABLES:
        await tx.run(f"CREATE TABLE {table} (a INTEGER)")
    for name, table in TRIGGERS[tx.engine].items():
        if tx.engine == "sqlite":
            await tx.run(f"CREATE TRIGGER {name} AFTER DELETE ON {table} BEGIN SELECT 1; END")
        else:
            await tx.run(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
            await tx.run(f"CREATE TRIGGER {name} AFTER DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
    for statement in DEAD:
        await tx.run(statement)
    if tx.engine == "postgresql":
        await tx.run("DROP TABLE user_words_building")
        await tx.run('ALTER TABLE users ALTER COLUMN kind TYPE text COLLATE "POSIX"')


@pytest.mark.parametrize("engine", ENGINES)
def test_one_that_has_all_migrations_becomes_the_same_as_a_new_one_and_keeps_its_users(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "BEFORE", {engine: migrate.digest(CHECKSUMS)})
    with migrated(engine, tmp_path) as db:
        new, (schema, *later) = objects(db), migrate.known(migrate.FOLDER / engine)
        user = db.write_now(users.add, users.new("Alice", "alice@example.com"))
        db.write_now(make_old, CHECKSUMS)
        assert objects(db) != new
        assert migrate.pending(db) == migrate.migrate(db) == [schema]
        assert objects(db) == new and migrate.pending(db) == []
        assert db.run_now(users.get(db, user.id)) == user
        applied = db.run_now(db.all("SELECT 1 FROM migrations UNION ALL SELECT 1 FROM newer_migrations"))
        assert len(applied) == 1 + len(later)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("gone", [40, 97])
def test_one_that_lacks_a_migration_is_refused_and_stays_as_it_is(
    engine: str, gone: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "BEFORE", {engine: migrate.digest(CHECKSUMS)})
    with migrated(engine, tmp_path) as db:
        db.write_now(make_old, {number: checksum for number, checksum in CHECKSUMS.items() if number != gone})
        old = objects(db)
        for call in (migrate.pending, migrate.migrate):
            with pytest.raises(DatabaseUnusable, match=f"Run `rollbook migrate` of commit {migrate.LAST_BEFORE} on it"):
                call(db)
        assert objects(db) == old
