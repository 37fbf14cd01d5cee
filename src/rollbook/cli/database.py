"""Commands on the database of a server, which need no server: `rollbook backup` copies it to one file, `rollbook
migrate` brings it to this version's schema, and `rollbook copy` copies everything to another one, SQLite or
PostgreSQL."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import NamedTuple

import click

from rollbook import config, machine, units
from rollbook.auth import server_secret
from rollbook.auth.server_secret import Secret
from rollbook.cli import options
from rollbook.cli.output import Failure, Misuse, as_json, bar, counted, hint, program
from rollbook.cli.tables import table
from rollbook.records import copying, marks
from rollbook.records.connect import POSTGRESQL, SQLITE, connect, is_sqlite
from rollbook.records.copying import transfer
from rollbook.records.copying.transfer import Say, Sums
from rollbook.storage import bulk, migrate, sqlite_backup
from rollbook.storage.bulk import CopySession, PostgresSession, SQLiteSession
from rollbook.storage.database import Database
from rollbook.storage.postgres_connection import Address, address
from rollbook.storage.sqlite import SQLite


@options.command(
    None,
    "backup",
    options.argument("file", "FILE", type=click.Path(path_type=Path)),
    options.option("--force", "Replace the file if it exists."),
    options.JSON,
    options.DATA,
)
def back_up(file: Path, force: bool, json: bool, data: Path | None) -> None:
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
        size = sqlite_backup.back_up(
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
def migrate_database(check: bool, json: bool, data: Path | None, database: str | None) -> None:
    """Apply pending migrations to the database. The server does this at every start.

    On PostgreSQL, use the URL of the role that owns the tables: that of the servers need not be allowed to change the
    schema.
    """
    settings, _ = config.load({"data": data, "database": database})
    with closing(connect(settings, for_migration=True)) as db:
        batch = migrate.pending(db) if check else migrate.migrate(db)
    names = [migration.file_name for migration in batch]
    if json:
        as_json({"pending" if check else "applied": names})
    else:
        for name in names:
            print(name)
        hint(f"{len(names)} {'pending' if check else 'applied'}." if names else "The database is up to date.")
    raise click.exceptions.Exit(1 if check and names else 0)


FROM, TO = "ROLLBOOK_COPY_FROM", "ROLLBOOK_COPY_TO"


class CopySide(NamedTuple):
    """One of the two databases: a SQLite file, or the address of a PostgreSQL database."""

    file: Path | None
    address: Address | None

    @property
    def shown(self) -> str:
        """Without a password."""
        return f"sqlite:{self.file}" if self.file else self._address.public

    @property
    def folder(self) -> Path | None:
        return self.file.parent if self.file else None

    @property
    def _address(self) -> Address:
        assert self.address is not None  # it is one or the other
        return self.address

    def database(self) -> Database:
        """Raises DatabaseUnusable."""
        if self.file:
            return SQLite.open(self.file)
        return connect(config.load({"database": self._address.url, "database_direct": ""})[0], for_migration=True)

    async def session(self, write: bool = False) -> CopySession:
        if self.file:
            return SQLiteSession(self.file, SQLITE, write)
        return await PostgresSession.open(self._address, POSTGRESQL, write)

    async def is_served(self) -> bool:
        return bulk.is_open(self.file) if self.file else await bulk.servers(self._address) > 0


_SECRETLY = "Prefer the environment variable for a password: other users can see command lines."


@options.command(
    None,
    "copy",
    click.Option(
        ["--from", "source"],
        metavar="PLACE",
        help=f"The source: `sqlite:DIR`, a data folder, or `postgresql://user@host/name`. {_SECRETLY} [env: {FROM}]",
    ),
    click.Option(["--to", "target"], metavar="PLACE", help=f"The target, in the same format. [env: {TO}]"),
    options.option("--verify", "Only compare the two databases."),
    options.option(
        "--without-secret",
        "Copy into a folder even though the server's secret is lost. API keys keep working, but can't be revealed.",
    ),
    options.JSON,
)
def copy_everything(source: str | None, target: str | None, verify: bool, without_secret: bool, json: bool) -> None:
    """Copy everything to another database, such as from SQLite to PostgreSQL. The other way and between two of a kind
    work as well.

    Stop all servers on the source first, and start none on either side until the copy is done. The command refuses a
    source that a server has open, and a target that is not empty. Before it commits, it reads all rows again and
    compares them; the exit code is 1 if they are not the same. An interrupted copy leaves nothing behind: run the same
    command again, and it starts over.
    """
    here, there = _side(source, FROM, "--from"), _side(target, TO, "--to")
    if here == there:
        raise Misuse("--from and --to are the same database.")
    _check(here)
    try:
        if verify:
            _check(there)
            ours, theirs = machine.run(_compare(here, there))
        else:
            ours, theirs = _copy(here, there, without_secret)
    except bulk.FAILED as problem:
        reason_given = str(problem).partition("\n")[0] or type(problem).__name__
        raise Failure(
            f"The copy failed and left nothing behind: {reason_given}. Fix that, then run the same command again."
        ) from None
    _show(ours, theirs, json)
    if ours != theirs:
        hint(
            f"{there.shown} is NOT the same as "
            f"{here.shown}.{'' if verify else ' Nothing was kept: run the command again.'}"
        )
        raise click.exceptions.Exit(1)
    hint(f"Every row of {there.shown} is the same as in {here.shown}.")
    if not verify:
        hint(_next(here, there))


def _side(text: str | None, variable: str, option: str) -> CopySide:
    text = text or os.environ.get(variable, "")
    if not text:
        raise click.BadParameter(
            f"Use sqlite:DIR or postgresql://user@host/name, or set {variable}.", param_hint=option
        )
    if text.startswith("sqlite:"):
        path = Path(text.removeprefix("sqlite:"))
        named = path.suffix == ".db" and not path.is_dir()
        return CopySide((path if named or path.is_file() else path / "rollbook.db").absolute(), None)
    if not text.startswith(("postgresql://", "postgres://")):
        # Don't repeat the value: it may contain a password.
        raise click.BadParameter("Use sqlite:DIR or postgresql://user@host/name.", param_hint=option)
    return CopySide(None, address(text))


def _check(side: CopySide) -> None:
    """There is a database with this version's schema, and it is whole."""
    if side.file:
        bulk.check_sqlite(side.file)
    with closing(side.database()) as db:
        db.read_now(copying.refuse_mark)
        if waiting := migrate.pending(db):
            raise Failure(
                f"{side.shown} needs {counted(len(waiting), 'migration')} of this version. Run `rollbook "
                "migrate` on it first."
            )


def _copy(here: CopySide, there: CopySide, without_secret: bool) -> tuple[Sums, Sums]:
    if machine.run(here.is_served()):
        raise Failure(f"{here.shown} is in use. Stop all servers on it, then copy.")
    if there.file is None:
        fingerprint = _secret(here, there, without_secret)
        _migrate(there)
        return machine.run(_transfer(here, there, fingerprint))
    part = copying.part(there.file)
    with bulk.new_file(there.file, part) as publish:
        _secret(here, there, without_secret)
        _migrate(CopySide(part, None))
        ours, theirs = machine.run(_transfer(here, CopySide(part, None), None))
        if ours == theirs:
            publish()
    return ours, theirs


def _migrate(side: CopySide) -> None:
    with closing(side.database()) as db:
        migrate.migrate(db)


def _secret(here: CopySide, there: CopySide, without_secret: bool) -> bytes | None:
    """The secret goes along: what is sealed with it can be opened by no other."""
    secret = _known(here.folder) or (_known(there.folder) if there.folder else None)
    fingerprint = None if secret is None else secret.mac("fingerprint", b"")
    mac = machine.run(_kept(here)) if here.address else None
    if mac is not None and secret is not None and not secret.has_mac("fingerprint", b"", mac):
        raise Failure(
            f"This secret is not the one of the servers on {here.shown}. Set {server_secret.SECRET_FILE} to "
            "their file `secret`, or put that file "
            "into the target's folder."
        )
    if there.folder is None:
        return mac or fingerprint
    if secret is None:
        if not without_secret:
            raise Failure(
                "The server's secret is required as well: put the file `secret` of the servers on the source "
                f"into {there.folder}, or "
                f"set {server_secret.SECRET_FILE}. If it is lost, add --without-secret: API keys keep working, "
                "but can't be revealed."
            )
    else:
        server_secret.keep(there.folder, secret)
    return None


def _known(folder: Path | None) -> Secret | None:
    """The secret of the environment, or of this folder."""
    if server_secret.is_given() or (folder is not None and (folder / "secret").exists()):
        return server_secret.load(folder or Path())
    return None


async def _kept(side: CopySide) -> bytes | None:
    async with AsyncExitStack() as sessions:
        row = await (await _open(sessions, side)).one(marks.FINGERPRINT)
        return bytes(row[0]) if row else None


async def _transfer(here: CopySide, there: CopySide, fingerprint: bytes | None) -> tuple[Sums, Sums]:
    """The sums of the rows that were read, and of those that are there now. The copy is committed when they are the
    same."""
    async with AsyncExitStack() as sessions:
        source, target = await _open(sessions, here), await _open(sessions, there, write=True)
        state = await transfer.state(source)
        total = sum(state.rows.values())
        with bar("Copying", total) as (_, show):
            ours = await transfer.copy(source, target, state.positions, fingerprint, _teller(show))
        with bar("Comparing", total) as (_, show):
            theirs = await transfer.sums(target, _teller(show))
        if await transfer.state(await _open(sessions, here)) != state:
            raise Failure(
                "The source was written to during the copy. Stop all servers on it and run the same command again."
            )
        if ours == theirs:
            await target.commit()
    return ours, theirs


async def _compare(here: CopySide, there: CopySide) -> tuple[Sums, Sums]:
    async with AsyncExitStack() as sessions:
        source, target = await _open(sessions, here), await _open(sessions, there)
        states = await transfer.state(source), await transfer.state(target)
        with bar("Comparing", sum(sum(state.rows.values()) for state in states)) as (_, show):
            say = _teller(show)
            return await transfer.sums(source, say), await transfer.sums(target, say)


async def _open(sessions: AsyncExitStack, side: CopySide, write: bool = False) -> CopySession:
    session = await side.session(write)
    sessions.push_async_callback(session.close)
    return session


def _teller(show: Callable[[float, str], None]) -> Say:
    done, began = 0, time.perf_counter()

    def say(rows: int, what: str) -> None:
        nonlocal done
        done += rows
        show(done, f"{what}, {done / (time.perf_counter() - began):,.0f} rows/s")

    return say


def _show(ours: Sums, theirs: Sums, json: bool) -> None:
    rows = [
        {
            "table": name,
            "source_rows": source.rows,
            "target_rows": theirs[name].rows,
            "source_checksum": source.hex,
            "target_checksum": theirs[name].hex,
            "same": source == theirs[name],
        }
        for name, source in ours.items()
    ]
    if json:
        as_json({"tables": rows})
    else:
        table(("table", "source_rows", "target_rows", "same", "source_checksum", "target_checksum"), rows)


def _next(here: CopySide, there: CopySide) -> str:
    """Advice for what to do with the copy."""
    if there.folder is not None:
        return f"Now start the server on it: {program()} serve --data {shlex.quote(str(there.folder))}"
    secret = "the same secret as before"
    if here.folder is not None and (here.folder / "secret").exists():
        secret = (
            f"the file {shlex.quote(str(here.folder / 'secret'))}, as `secret` in their data folders or by "
            f"{server_secret.SECRET_FILE}"
        )
    return (
        f"Now give the servers {secret}, set ROLLBOOK_DATABASE to the address of --to, and start them: "
        f"{program()} serve\n"
        "Keep the source until you have checked everything, and don't start a server on it."
    )
