"""`rollbook migrate`: migrate a database to this version's schema without starting the server."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path

import click

from rollbook import config
from rollbook.cli import options
from rollbook.cli.output import as_json, hint
from rollbook.records.connect import connect
from rollbook.records.dialect import dialect
from rollbook.storage import migrate as migrations
from rollbook.storage.database import Database

DATABASE = options.option(
    "--database",
    "PostgreSQL instead of a data folder. Prefer the environment variable: other users can see command lines. "
    "[env: ROLLBOOK_DATABASE]",
    metavar="URL",
)


@options.command(
    None,
    "migrate",
    options.option("--check", "Only list pending migrations. Exit code 1 if there are any."),
    options.JSON,
    options.DATA,
    DATABASE,
)
def app(check: bool, json: bool, data: Path | None, database: str | None) -> None:
    """Apply pending migrations to the database. The server does this at every start.

    On PostgreSQL, this also builds missing indexes, while servers go on. Use the URL of the role that owns the tables:
    that of the servers need not be allowed to change the schema.
    """
    settings, _ = config.load({"data": data, "database": database})
    with closing(connect(settings, for_migration=True)) as db:
        found = migrations.pending(db) if check else migrations.migrate(db)
        if not check:
            _build(db)
    names = [migration.file_name for migration in found]
    if json:
        as_json({"pending" if check else "applied": names})
    else:
        for name in names:
            print(name)
        hint(f"{len(names)} {'pending' if check else 'applied'}." if names else "The database is up to date.")
    raise click.exceptions.Exit(1 if check and names else 0)


def _build(db: Database) -> None:
    """Build the indexes that servers otherwise build after their start, if their role may."""
    for upkeep in dialect(db).upkeep:
        if upkeep.is_build:
            db.run_now(_done(upkeep.step(db)))


async def _done(step: Awaitable[bool]) -> bool:
    return await step
