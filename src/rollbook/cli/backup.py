"""`rollbook backup`: a copy of the SQLite database in one file, while the server runs."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from rollbook import config, units
from rollbook.cli import options
from rollbook.cli.output import Failure, as_json, hint
from rollbook.cli.progress import bar
from rollbook.records.connect import is_sqlite
from rollbook.storage.sqlite_backup import back_up


@options.command(
    None,
    "backup",
    options.argument("file", "FILE", type=click.Path(path_type=Path)),
    options.option("--force", "Replace the file if it exists."),
    options.JSON,
    options.DATA,
)
def app(file: Path, force: bool, json: bool, data: Path | None) -> None:
    """Back up the SQLite database to a file. The server can be running.

    The file contains everything that was written before the backup began, including emails and password hashes. It is
    checked, and only you can read it. To have the server create backups by itself, start it with --backup-every 24h.
    """
    settings, _ = config.load({"data": data})
    if not is_sqlite(settings):
        raise Failure(
            "This server's data is in PostgreSQL, whose own tools copy it consistently and restore it: pg_dump "
            "--format=custom --file=FILE, or pg_basebackup."
        )
    source = settings.sqlite_file
    if not source.exists():
        raise Failure(f"There is no database in {settings.data}. Name the data folder with --data.")
    if file.is_dir():
        raise Failure(f"{file} is a folder. Name a file in it, such as {shlex.quote(str(file / 'rollbook.db'))}.")
    if file.exists() and not force:
        raise Failure(f"{file} exists. Add --force to replace it, or choose another name.")
    with bar("Backing up", 1.0) as (_, show):
        size = back_up(
            source, file, lambda done, total: show(done / total, "checking it" if done == total else ""), force
        )
    if json:
        as_json({"file": str(file.absolute()), "size": size})
        return
    hint(f"{file}: {units.size(size)}, checked.\n")
    hint(
        f"To restore it, stop the server, then:\n\n  rm -f {_quoted(source)}-wal {_quoted(source)}-shm\n  cp "
        f"{_quoted(file.absolute())} {_quoted(source)}\n"
    )
    hint(
        f"Store {settings.data.absolute() / 'secret'} as well, in another place: without it, API keys can't be "
        "revealed."
    )


def _quoted(file: Path) -> str:
    return shlex.quote(str(file.absolute()))
