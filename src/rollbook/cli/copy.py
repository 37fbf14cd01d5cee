"""`rollbook copy`: everything from one database to another, SQLite or PostgreSQL on either side, and a comparison of the two."""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from rollbook import config
from rollbook.auth import server_secret
from rollbook.auth.server_secret import Secret
from rollbook.cli import options
from rollbook.cli.output import Failure, as_json, hint, program, table
from rollbook.cli.progress import bar
from rollbook.config import Settings
from rollbook.records import copy_targets, copying, opening
from rollbook.records.copy_targets import PostgresTarget, Say, SQLiteTarget
from rollbook.records.copying import Compared
from rollbook.storage import bulk, migrate
from rollbook.storage.bulk import PostgresReading, PostgresWriting, Reading, SQLiteReading
from rollbook.storage.database import Database
from rollbook.storage.postgres_connection import Address, address
from rollbook.storage.sqlite import SQLite

app = options.single()

FROM, TO = "ROLLBOOK_COPY_FROM", "ROLLBOOK_COPY_TO"
FINGERPRINT = "SELECT fingerprint FROM server_secret"


class Place(NamedTuple):
    """One of the two databases: a file of SQLite, or an address of PostgreSQL."""

    file: Path | None
    address: Address | None

    @property
    def shown(self) -> str:
        """Without a password."""
        return f"sqlite:{self.file}" if self.file else self._address.shown

    @property
    def folder(self) -> Path | None:
        return self.file.parent if self.file else None

    @property
    def _address(self) -> Address:
        assert self.address is not None  # it is one or the other
        return self.address

    @property
    def settings(self) -> Settings:
        url = self.address.url if self.address else ""
        return config.load({"database": url, "database_direct": "", "data": self.folder})[0]

    def database(self) -> Database:
        """For code without an event loop. Raises DatabaseUnusable."""
        return SQLite.open(self.file) if self.file else opening.open_for_migration(self.settings)

    def database_here(self) -> Database:
        """For the event loop that runs."""
        return SQLite.open(self.file) if self.file else opening.open_with_time(self.settings)

    async def read(self) -> Reading:
        """A snapshot of it."""
        return SQLiteReading(self.file) if self.file else await PostgresReading.open(self._address)

    async def write(self) -> PostgresWriting:
        """A session that writes to it."""
        return await PostgresWriting.open(self._address)

    async def is_served(self) -> bool:
        return bulk.is_open(self.file) if self.file else await bulk.servers(self._address) > 0


@app.command()
def copy(
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PLACE",
            help=f"What to copy: `sqlite:DIR`, a data folder, or `postgresql://user@host/name`. A password is better in the environment: others can see a command line. [env: {FROM}]",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--to", metavar="PLACE", help=f"Where to: written in the same way. [env: {TO}]", show_default=False),
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Copy nothing, only compare the two.")] = False,
    without_secret: Annotated[
        bool,
        typer.Option(
            "--without-secret", help="Into a folder, though the server's secret is lost: keys work, but cannot be shown again."
        ),
    ] = False,
    json: options.Json = False,
) -> None:
    """Copy everything from one database to another: SQLite to PostgreSQL, back, or to another of the same kind.

    Stop all servers on the source first, and start none on either side before it is done: what is written meanwhile would be lost. The command
    refuses a source that a server has open, and a target that is not empty. Run it again after it was interrupted: it goes on where it was.
    At the end all rows of both are read and compared; the exit code is 1 when they are not the same.
    """
    here, there = _place(source, FROM, "--from"), _place(target, TO, "--to")
    if here == there:
        raise Failure("--from and --to are the same database.")
    _check(here)
    if verify:
        _check(there)
    try:
        if not verify:
            fingerprint = _prepare(here, there, without_secret)
            asyncio.run(_copy(here, there, fingerprint))
        compared, wrong = asyncio.run(_compare(here, there, finish=not verify))
    except bulk.FAILED as problem:
        told = str(problem).partition("\n")[0] or type(problem).__name__
        raise Failure(
            f"It ended early: {told}. Run the same command again once that is mended: it goes on where it was."
        ) from None
    _show(compared, wrong, json)
    if wrong or not all(each.same for each in compared):
        hint(f"{there.shown} is NOT the same as {here.shown}.")
        raise typer.Exit(1)
    hint(f"Every row of {there.shown} is the same as in {here.shown}.")
    if not verify:
        hint(_next(here, there))


def _place(text: str | None, variable: str, option: str) -> Place:
    text = text or os.environ.get(variable, "")
    if not text:
        raise typer.BadParameter(f"Write sqlite:DIR or postgresql://user@host/name, or set {variable}.", param_hint=option)
    if text.startswith("sqlite:"):
        path = Path(text.removeprefix("sqlite:"))
        named = path.suffix == ".db" and not path.is_dir()
        return Place((path if named or path.is_file() else path / "rollbook.db").absolute(), None)
    if not text.startswith(("postgresql://", "postgres://")):
        # Not repeated: it may hold a password.
        raise typer.BadParameter("Write sqlite:DIR or postgresql://user@host/name.", param_hint=option)
    return Place(None, address(text))


def _check(place: Place) -> None:
    """There is a database with this version's schema, and it is whole."""
    if place.file:
        bulk.check_sqlite(place.file)
    db = place.database()
    try:
        if waiting := migrate.pending(db):
            raise Failure(f"{place.shown} lacks {len(waiting)} migrations of this version. Run `rollbook migrate` on it first.")
    finally:
        db.close()


def _prepare(here: Place, there: Place, without_secret: bool) -> bytes | None:
    """The target with this version's schema, and the secret where it belongs. The fingerprint of the secret, if it is known."""
    if asyncio.run(here.is_served()):
        raise Failure(f"{here.shown} is in use. Stop all servers on it, then copy.")
    fingerprint = _secret(here, there, without_secret)
    db = there.database()
    try:
        migrate.migrate(db)
    finally:
        db.close()
    return fingerprint


def _secret(here: Place, there: Place, without_secret: bool) -> bytes | None:
    """The secret goes along: what is sealed with it can be opened by no other."""
    secret = _known(here.folder) or (_known(there.folder) if there.folder else None)
    fingerprint = None if secret is None else secret.mac("fingerprint", b"")
    kept = asyncio.run(_kept(here)) if here.address else None
    if kept is not None and fingerprint is not None and kept != fingerprint:
        raise Failure(
            f"The secret at hand is not that of the servers on {here.shown}. Set {server_secret.SECRET_FILE} to their file `secret`, or put that file "
            "into the target's folder."
        )
    if there.folder is None or there.file is None:
        return kept or fingerprint
    if secret is None:
        if not without_secret:
            raise Failure(
                f"The server's secret is needed beside the database: put the file `secret` of the servers on the source into {there.folder}, or "
                f"set {server_secret.SECRET_FILE}. If it is lost for good, add --without-secret: API keys work, but cannot be shown again."
            )
    else:
        server_secret.keep(there.folder, secret)
    return None


def _known(folder: Path | None) -> Secret | None:
    """The secret of the environment, or of this folder."""
    if server_secret.is_given() or (folder is not None and (folder / "secret").exists()):
        return server_secret.load(folder or Path())
    return None


async def _kept(place: Place) -> bytes | None:
    reading = await place.read()
    try:
        rows = await reading.all(FINGERPRINT)
        return bytes(rows[0][0]) if rows else None
    finally:
        await reading.close()


async def _copy(here: Place, there: Place, fingerprint: bytes | None) -> None:
    source = await here.read()
    try:
        total = await copying.count(source, indexed=there.file is not None)
        db = there.database_here()
        try:
            with bar("Copying", total) as (_, show):
                say = _teller(show)
                if there.file:
                    await copying.copy(source, SQLiteTarget(db), fingerprint, say)
                else:
                    rows = await there.write()
                    try:
                        await copying.copy(source, PostgresTarget(db, rows), fingerprint, say)
                    finally:
                        await rows.close()
        finally:
            await db.stop()
    finally:
        await source.close()


async def _compare(here: Place, there: Place, finish: bool) -> tuple[list[Compared], list[str]]:
    """Both as they are now, and what does not follow from the rows of the target. A good copy is finished."""
    reading = await here.read()
    total = await copying.count(reading)
    before = await copying.mark(reading)
    await reading.close()
    with bar("Comparing", 2 * total) as (_, show):
        compared = await copying.compare(here.read, there.read, _teller(show))
    target, again = await there.read(), await here.read()
    wrong = await copy_targets.derived(target)
    copying.refuse_changed(before, await copying.mark(again))
    await target.close()
    await again.close()
    if finish and not wrong and all(each.same for each in compared):
        db = there.database_here()
        try:
            await db.write(copy_targets.end)
        finally:
            await db.stop()
    return compared, wrong


def _teller(show: Callable[[float, str], None]) -> Say:
    done, began = 0, time.perf_counter()

    def say(rows: int, what: str) -> None:
        nonlocal done
        done += rows
        show(done, f"{what}, {done / (time.perf_counter() - began):,.0f} rows/s")

    return say


def _show(compared: list[Compared], wrong: list[str], json: bool) -> None:
    rows = [
        {
            "table": each.table,
            "source_rows": each.source.rows,
            "target_rows": each.target.rows,
            "source_checksum": each.source.shown,
            "target_checksum": each.target.shown,
            "same": each.same,
        }
        for each in compared
    ]
    if json:
        differences = [f"{each.table}: {difference}" for each in compared for difference in each.differences]
        as_json({"tables": rows, "differences": differences, "wrong": wrong})
        return
    table(("table", "source_rows", "target_rows", "same", "source_checksum", "target_checksum"), rows)
    for each in compared:
        for difference in each.differences:
            hint(f"{each.table}: {difference}.")
    for sentence in wrong:
        hint(f"{sentence}.")


def _next(here: Place, there: Place) -> str:
    """What to do with it."""
    if there.folder is not None:
        return f"Now start the server on it: {program()} serve --data {shlex.quote(str(there.folder))}"
    secret = "the same secret as before"
    if here.folder is not None and (here.folder / "secret").exists():
        secret = f"the file {shlex.quote(str(here.folder / 'secret'))}, as `secret` in their data folders or by {server_secret.SECRET_FILE}"
    return (
        f"Now give the servers {secret}, set ROLLBOOK_DATABASE to the address of --to, and start them: {program()} serve\n"
        "Keep the source until you have seen that all is well, and start no server on it."
    )
