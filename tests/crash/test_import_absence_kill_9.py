"""kill -9 at each point between the last record of a file and the suspension of who is absent from it: the next attempt
suspends each of them once, by one job."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from rollbook.actions import bulk_jobs, imports, users
from rollbook.actions.arguments.imports import ImportOptions
from rollbook.actions.arguments.users import UserCreate
from rollbook.actions.checking import check
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI, Principal, for_job
from rollbook.config import Settings
from rollbook.records import events
from rollbook.records.bulk_jobs import JOBS
from rollbook.records.connect import connect
from rollbook.records.imports import IMPORTS, Import
from rollbook.storage import migrate
from rollbook.storage.database import Queries, Row
from tests import postgres
from tests.engines import engine

__all__ = ["engine"]

PEOPLE, GONE = 40, 3
ABSENT = ImportOptions(absent="suspend", absent_metadata="source:hr")
DYING = """
import os, pickle, sys
from rollbook.actions import bulk_jobs, import_absence, imports
from rollbook.jobs import import_process
from rollbook.records.user_imports import FileKeys

def die(*args, **more):
    os.kill(os.getpid(), 9)

async def die_later(*args, **more):
    die()

point = sys.argv[1]
if point == "keys noted":
    noted = FileKeys.note
    FileKeys.note = lambda *args: (noted(*args), die())
elif point == "read":
    import_absence.find = die_later
elif point == "reported":
    bulk_jobs._suspend_absent = die_later
elif point == "stored":
    bulk_jobs._start = die_later
elif point == "begun":
    imports.finish = die_later
settings, id = pickle.load(sys.stdin.buffer)
import_process.run(settings, id)
"""
POINTS = ("keys noted", "read", "reported", "stored", "begun")


@pytest.fixture
def on(engine: str, tmp_path: Path) -> Iterator[Rollbook]:
    """All of a server but the processes that it would start."""
    database = "" if engine == "sqlite" else postgres.migrated_database()
    settings = Settings(data=tmp_path / "data", database=database)
    db = connect(settings, for_migration=True)
    try:
        migrate.migrate(db)
        yield Rollbook(settings, db)
    finally:
        db.close()


def attempt(on: Rollbook, id: str, point: str = "") -> int:
    """The exit code of a process that imports, and dies at this point."""
    content = pickle.dumps((on.settings, id))
    return subprocess.run([sys.executable, "-c", DYING, point], input=content, timeout=60, check=False).returncode


def created(on: Rollbook, by: Principal, numbers: range, options: ImportOptions) -> str:
    lines = [
        json.dumps({"name": "Bea", "email": f"p{number}@example.com", "metadata": {"source": "hr"}})
        for number in numbers
    ]

    async def chunks() -> AsyncIterator[bytes]:
        yield "\n".join(lines).encode()

    return on.run(imports.create(on, by, options, chunks())).id


@pytest.mark.parametrize("points", [POINTS, ("stored", "begun")])
def test_each_is_suspended_once_by_one_job(on: Rollbook, points: tuple[str, ...]) -> None:
    fields = {"name": "Olga", "email": "olga@example.com", "password": "a long password", "role": "owner"}
    owner = on.run(users.create(on, CLI, check(UserCreate, fields, 8)))
    by = on.run(on.read(for_job, owner.id, None, None, "127.0.0.1", ""))
    assert attempt(on, created(on, by, range(PEOPLE), ImportOptions())) == 0
    id = created(on, by, range(GONE, PEOPLE), ABSENT)
    for point in points:
        assert attempt(on, id, point) == -9, point
        assert not on.run(on.read(IMPORTS.get, id)).finished_at
        while begun := on.run(on.read(IMPORTS.get, id)).absent_job_id:  # it may begin at once
            if not on.run(bulk_jobs.run_part(on, begun)):
                break
    assert attempt(on, id) == 0
    job: Import = on.run(on.read(IMPORTS.get, id))
    assert (job.status, job.absent_users, job.records) == ("finished", GONE, PEOPLE - GONE)
    while on.run(bulk_jobs.run_part(on, str(job.absent_job_id))):
        pass
    on.run(events.settle(on.db))
    jobs = on.run(on.read(JOBS.latest, 100))
    assert [(made.id, made.changed, made.unchanged) for made in jobs] == [(job.absent_job_id, GONE, 0)]
    sql = "SELECT count(*), count(DISTINCT email) FROM users WHERE status = 'suspended'"
    assert tuple(on.run(on.read(_row, sql))) == (GONE, GONE)
    sql = "SELECT count(*), count(DISTINCT user_id) FROM events WHERE type = 'user.suspended'"
    assert tuple(on.run(on.read(_row, sql))) == (GONE, GONE)
    sql = "SELECT count(*), count(DISTINCT user_id) FROM import_refusals WHERE code = 'absent'"
    assert tuple(on.run(on.read(_row, sql))) == (GONE, GONE)
    assert not list((on.settings.data / "imports").glob("*.keys"))


async def _row(queries: Queries, sql: str) -> Row:
    row = await queries.one(sql)
    assert row is not None
    return row
