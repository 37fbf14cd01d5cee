"""`rollbook migrate`: migrate a database to this version's schema without starting the server."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from rollbook import config
from rollbook.cli import options
from rollbook.cli.output import as_json, hint
from rollbook.records.connect import connect
from rollbook.storage import migrate as migrations

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

    On PostgreSQL, use the URL of the role that owns the tables: that of the servers need not be allowed to change the
    schema.
    """
    settings, _ = config.load({"data": data, "database": database})
    with closing(connect(settings, for_migration=True)) as db:
        found = migrations.pending(db) if check else migrations.migrate(db)
    names = [migration.file_name for migration in found]
    if json:
        as_json({"pending" if check else "applied": names})
    else:
        for name in names:
            print(name)
        hint(f"{len(names)} {'pending' if check else 'applied'}." if names else "The database is up to date.")
    raise click.exceptions.Exit(1 if check and names else 0)
