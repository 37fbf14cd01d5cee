"""What imports keep of their errors: nothing that a file holds, not even what earlier versions had kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rollbook.actions import import_files
from rollbook.config import Settings
from rollbook.jobs import import_process
from rollbook.records import imports
from rollbook.records.connect import connect
from rollbook.storage.database import Tx
from rollbook.storage.migrate import FOLDER, migrate
from tests.engines import ENGINES
from tests.postgres import new_database

SECRET = "Tr0ub4dor-unique"
QUOTING = f'No column has the email. Columns: "alice@example.com", "{SECRET}".'
PLAIN = "The file's gzip data ends early."
OPTIONS = {"source": "rollbook", "mapping": json.dumps({SECRET: "name"}), "dry_run": False}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_upgrade_removes_what_errors_and_events_quoted(engine: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER / engine, tmp_path / "migrations")
    first = next((tmp_path / "migrations").glob("*_import_error_codes.sql")).name
    for file in (tmp_path / "migrations").glob("*.sql"):
        if file.name >= first:
            file.unlink()

    async def fill(tx: Tx) -> None:
        columns = "id, user_id, options, status, error, finished_at, seen_at, created_at"
        counts = "bytes, bytes_read, records, added, updated, unchanged, skipped, refused"
        for number, (error, finished) in enumerate([(QUOTING, 1), (PLAIN, 1), (None, 1), (None, None)]):
            sql = (
                f"INSERT INTO imports ({columns}, {counts}) VALUES (?, 'u', ?, 'failed', ?, ?, 1, 1, 0, 0, 0, "
                "0, 0, 0, 0, 0)"
            )
            await tx.run(sql, f"imp_{number}", json.dumps(OPTIONS), error, finished)
        for table in ("events", "events_new") if engine == "postgresql" else ("events",):
            seq = ("seq, ", "1, ") if table == "events" else ("", "")
            sql = (
                f"INSERT INTO {table} ({seq[0]}id, type, user_id, created_at, object) VALUES ({seq[1]}?, ?, 'u', 1, ?)"
            )
            object = {"id": "imp_0", "error": QUOTING, "mapping": OPTIONS["mapping"], "added": 7}
            await tx.run(sql, f"evt_{table}", "import.finished", json.dumps(object))

    database = "" if engine == "sqlite" else new_database("import_errors")
    db = connect(Settings(data=tmp_path / "data", database=database), for_migration=True)
    try:
        migrate(db, tmp_path / "migrations")
        db.write_now(fill)
        migrate(db)
        found = [
            imports.Import._make(row)
            for row in db.run_now(db.all(f"SELECT {imports.COLUMNS} FROM imports ORDER BY id"))
        ]
        tables = ["events", *(["events_new"] if engine == "postgresql" else [])]
        told = [json.loads(row[0]) for table in tables for row in db.run_now(db.all(f"SELECT object FROM {table}"))]
    finally:
        db.close()
    assert [(each.error, each.error_code) for each in found] == [
        ("The columns of the file could not be mapped.", "invalid_parameter"),
        (PLAIN, None),
        (None, None),
        (None, None),
    ]
    assert [imports.options(each)["mapping"] for each in found] == [None, None, None, OPTIONS["mapping"]], (
        "one still runs"
    )
    assert told == [{"id": "imp_0", "error": None, "mapping": None, "added": 7}] * len(tables)


def test_a_bug_in_reading_a_file_is_logged_without_the_cell_it_failed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(data: Path, id: str) -> None:
        raise KeyError(SECRET)

    monkeypatch.setattr(import_files, "opened", fail)
    with pytest.raises(SystemExit):
        import_process.run(Settings(data=tmp_path, log="json"), "imp_1")
    said = json.loads(capsys.readouterr().err)
    assert said["problem"] == "KeyError" and "test_import_errors.py" in said["where"]
    assert SECRET not in f"{said}"
