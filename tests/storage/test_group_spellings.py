"""Groups of before other spellings, and of the version before while it is being replaced: they are found as before all
the time, and soon without their accents."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.records import groups, rules
from rollbook.records.groups import Selection
from rollbook.storage.database import Database, Tx
from rollbook.storage.migrate import migrate
from tests.engines import ENGINES, migrate_before, migrated_by

OLD_ADD = """
    INSERT INTO groups (id, name, name_key, metadata, members, version, created_at, updated_at)
    VALUES (?, ?, ?, '{}', 0, 1, 1, 1)"""
OLD_RENAME = "UPDATE groups SET name = ?, name_key = ?, version = version + 1 WHERE id = ?"


async def add_as_before(tx: Tx, id: str, name: str) -> None:
    await tx.run(OLD_ADD, id, name, rules.fold(name))


async def rename_as_before(tx: Tx, id: str, name: str) -> None:
    await tx.run(OLD_RENAME, name, rules.fold(name), id)


def found(db: Database, q: str) -> list[str]:
    names = [group.name for group in db.read_now(groups.some, Selection(q=q), 10)]
    assert db.read_now(groups.count, Selection(q=q)) == len(names)
    return names


@pytest.mark.parametrize("engine", ENGINES)
def test_groups_of_the_version_before_are_found_as_before_then_without_accents(engine: str, tmp_path: Path) -> None:
    with migrated_by(engine, tmp_path, lambda db: migrate_before(db, "group_spellings", tmp_path)) as db:
        db.write_now(add_as_before, "group_1", "Équipe d’Öland")
        db.write_now(add_as_before, "group_2", "Sales")
        migrate(db)
        assert found(db, "ÉQUIPE") == ["Équipe d’Öland"] and found(db, "equipe") == []
        assert found(db, "sal") == ["Sales"]
        assert db.run_now(groups.spell(db)) is False
        for q in ("équipe", "equipe", "d'oland", "doland"):
            assert found(db, q) == ["Équipe d’Öland"], q
        db.write_now(rename_as_before, "group_1", "Garçons")
        assert found(db, "garçons") == ["Garçons"] and found(db, "equipe") == []
        db.run_now(groups.spell(db))
        assert found(db, "garcons") == ["Garçons"] and found(db, "equipe") == []
        assert db.run_now(groups.spell(db)) is False and found(db, "sal") == ["Sales"]
