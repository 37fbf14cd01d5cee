"""`rollbook doctor`: the checks of `actions/checks.py`, and those for which no server must run. Changes no data."""

from __future__ import annotations

import http.client
import os
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import click

from rollbook import __version__, machine, units
from rollbook.actions import checks, keys, stored_settings
from rollbook.actions.checks import Finding, fault, judged, ok, warning
from rollbook.auth import server_secret
from rollbook.cli import health, options, server_address
from rollbook.cli.output import as_json, counted, program, where
from rollbook.cli.server import FIRST_START
from rollbook.config import PREFIX, ConfigurationError, Settings, Source, load, without_secrets
from rollbook.delivery import outcomes, smtp
from rollbook.errors import ApiError
from rollbook.first_start import with_stored
from rollbook.http.server import bind
from rollbook.limits import valkey, valkey_address
from rollbook.limits.valkey_connection import Unavailable
from rollbook.mailing import MailServer
from rollbook.records import keys as key_records
from rollbook.records.connect import connect, is_sqlite
from rollbook.storage import migrate
from rollbook.storage.database import Database, DatabaseUnusable
from rollbook.storage.sqlite_connection import check_version, connect_reader

# Above this size, checking every page takes too long, and requires --deep.
LARGE = 1024 * units.MEBIBYTE
NOT_SETTINGS = set(
    "CONFIG URL KEY PROFILE OWNER_EMAIL OWNER_PASSWORD OWNER_KEY SECRET SECRET_FILE CLOCK_FILE COPY_FROM COPY_TO "
    "WEBHOOK_SECRET".split()
)


@options.command(
    None,
    "doctor",
    options.option("--deep", "Check every page and index of the database, whatever its size."),
    options.JSON,
    options.file("--config", "FILE", "Settings file."),
    options.DATA,
)
def app(deep: bool, json: bool, config: Path | None, data: Path | None) -> None:
    """Check this installation and say how to fix what is wrong. Exit code 1 if the server could not run."""
    findings = [ok("Rollbook", f"{__version__}, called as {program()}"), *_elsewhere(data)]
    sources: list[Source] = []
    try:
        settings, sources = load({"data": data}, file=config)
    except ConfigurationError as problem:
        fix = "Correct this setting, then run doctor again for the other checks."
        findings.append(fault("settings", str(problem), fix))
    else:
        findings += _sources(sources)
        findings += checks.of_machine(settings)
        findings += _folder(settings)
        findings += _database(settings, deep)
        effective = with_stored(settings)
        if stored := stored_settings.differing(settings, effective):
            findings.append(ok("settings", f"{', '.join(stored)}: set in the dashboard"))
        findings += checks.of_settings(effective)
        findings += [*_limits(settings), *_mail(effective), *_files(settings), _port(settings)]
    is_faulty = any(finding.state == "fault" for finding in findings)
    if json:
        in_force = [
            {"name": source.name, "value": without_secrets(source.name, source.value), "origin": source.origin}
            for source in sources
        ]
        as_json({"ok": not is_faulty, "findings": [finding._asdict() for finding in findings], "settings": in_force})
    else:
        for finding in findings:
            _print(finding)
    raise click.exceptions.Exit(1 if is_faulty else 0)


def _elsewhere(data: Path | None) -> Iterator[Finding]:
    """Say that this is not about the server that other commands ask."""
    url = os.environ.get(f"{PREFIX}URL")
    if url and data is None:
        fix = f"Run doctor where it runs, with --data. From here, {url.rstrip('/')}/health/ready tells how it is."
        yield warning("server", f"{url} ({PREFIX}URL) is not examined, only this machine", fix)


def _sources(sources: list[Source]) -> Iterator[Finding]:
    chosen = [source for source in sources if source.origin != "default"]
    for source in chosen:
        yield ok("setting", f"{source.name} = {without_secrets(source.name, source.value)} ({source.origin})")
    yield ok("settings", f"{len(sources) - len(chosen)} have their default values (docs/configuration.md)")
    names = {PREFIX + name for name in NOT_SETTINGS} | {PREFIX + source.name.upper() for source in sources}
    for variable in sorted(name for name in os.environ if name.startswith(PREFIX) and name not in names):
        unknown = f"{variable} is not a setting and has no effect"
        yield warning("environment", unknown, "Correct its name or unset it.")


def _folder(settings: Settings) -> Iterator[Finding]:
    data, what = settings.data, "data folder"
    if not is_sqlite(settings) and server_secret.is_given():
        return  # this server has no data folder
    if not data.exists():
        parent = next(folder for folder in data.absolute().parents if folder.exists())
        if os.access(parent, os.W_OK):
            yield ok(what, f"{data} does not exist yet; the first start creates it")
        else:
            fix = "Choose another --data, or change the owner of the folder."
            yield fault(what, f"{data} does not exist and {parent} is not writable", fix)
        return
    if not data.is_dir():
        yield fault(what, f"{data} is not a folder", "Name a folder with --data.")
        return
    yield _file(data, what, os.R_OK | os.W_OK | os.X_OK, "700")
    for name in (*(f"{settings.sqlite_file.name}{suffix}" for suffix in ("", "-wal", "-shm")), "writer.lock"):
        if (data / name).exists() and (finding := _file(data / name, name, os.R_OK | os.W_OK, "600")).state != "ok":
            yield finding
    if (file := data / FIRST_START).exists():
        leftover = f"{file} has an API key and a sign-in link of the owner"
        yield warning("first start", leftover, "Delete it once you have read it.")
    if (data / "secret").exists():
        try:
            server_secret.load(data)
        except ConfigurationError as problem:
            yield fault("secret", str(problem))
        else:
            yield ok("secret", f"{data / 'secret'}, readable by its owner only")


def _file(path: Path, what: str, access: int, mode: str) -> Finding:
    status = path.stat()
    about = f"{path}, mode {stat.S_IMODE(status.st_mode):04o}"
    if not os.access(path, access):
        fix = f"The user {os.getuid()} can't use it. Run as its owner."
        return fault(what, f"{about}, owner {status.st_uid}", fix)
    owner = path.parent.stat().st_uid
    if path.is_file() and status.st_uid != owner:
        # Copied here by root: the server starts, reads, and can't write.
        return fault(what, f"{about}, owner {status.st_uid}, the folder's is {owner}", f"Run: chown {owner} {path}")
    if status.st_mode & 0o077:
        return warning(what, f"{about}: other users can access it", f"Run: chmod {mode} {path}")
    return ok(what, about)


def _database(settings: Settings, deep: bool) -> Iterator[Finding]:
    path, fix = settings.sqlite_file, ""
    try:
        check_version()
        if is_sqlite(settings) and not path.exists():
            where_else = "The first start creates it. If there is a server, name its data folder with --data."
            yield warning("database", f"there is none in {settings.data}", where_else)
            return
        with closing(connect(settings, for_migration=True)) as db:
            if is_sqlite(settings):
                fix = "Restore a backup, or run `sqlite3 rollbook.db .recover` to save what is left."
            yield from checks.of_engine(machine.run(_about(settings)), settings)
            yield from _contents(db, settings)
            if is_sqlite(settings):
                yield _pages(path, deep)
    except DatabaseUnusable as problem:
        yield fault("database", str(problem))
    except (ApiError, sqlite3.Error) as problem:
        yield fault("database", str(problem), fix)


async def _about(settings: Settings) -> dict[str, Any]:
    """Facts by the connection that a server uses: migrations may have another one."""
    db = connect(settings)
    try:
        return await db.about()
    finally:
        await db.stop()


def _contents(db: Database, settings: Settings) -> Iterator[Finding]:
    if pending := ", ".join(migration.file_name for migration in migrate.pending(db)):
        fix = f"The next start applies them, or: {program()} migrate{where(settings)}"
        yield warning("migrations", f"pending: {pending}", fix)
        return
    yield ok("migrations", "up to date")
    yield from db.read_now(checks.of_contents, settings)
    for key_id, sealed in db.read_now(key_records.sealed_after, "", 1):
        yield from _secret(settings, key_id, sealed)


def _secret(settings: Settings, key_id: str, sealed: bytes) -> Iterator[Finding]:
    """Check that the secret opens an API key. A database that was restored without its secret gets a new one with the
    first command or start."""
    path = settings.data / "secret"
    fix = "Restore it from a backup. Without it API keys keep working, but existing ones can't be revealed."
    if not path.exists() and not server_secret.is_given():
        yield warning("secret", f"{path} is missing", fix)
        return
    with suppress(ConfigurationError):  # reported with the folder
        secret = server_secret.load(settings.data)
        try:
            secret.unseal(keys.SEALED, sealed, key_id.encode())
        except ValueError:
            yield warning("secret", f"not the one with which the API key {key_id} was encrypted", fix)
        if secret.is_changing:
            former = counted(len(secret.roots) - 1, "former one")
            yield ok("secret", f"{former} accepted as well. To remove: {program()} secret forget{where(settings)}")


def _pages(path: Path, deep: bool) -> Finding:
    if path.stat().st_size > LARGE and not deep:
        return ok("pages", "not checked: the database is large. Use --deep to check them")
    check = "integrity_check" if deep else "quick_check"
    with closing(connect_reader(path)) as connection:
        errors = "; ".join(row[0] for row in connection.execute(f"PRAGMA {check}(10)") if row[0] != "ok")
    fix = "The file is damaged. Restore a backup, and check the disk."
    return judged(not errors, "pages", f"{check}: {errors or 'no errors'}", fix, "fault")


def _limits(settings: Settings) -> Iterator[Finding]:
    if not settings.limits:
        return
    try:
        address = valkey_address.parse(settings.limits)
    except ValueError as problem:
        yield fault("limits", f"limits: {problem}", "Correct this setting.")
        return
    try:
        facts = machine.run(valkey.inspect(address))
    except Unavailable as problem:
        is_local = settings.limits_when_away == "local"
        fix = f"While Valkey is unavailable, {'each server counts by itself' if is_local else 'requests get 503'}."
        yield Finding("warning" if is_local else "fault", "limits", f"Valkey at {address}: {problem}", fix)
    else:
        cluster = ", a cluster" if address.kind == "cluster" else ""
        is_safe = not facts.policy or facts.policy in valkey.SAFE_POLICIES
        policy = "" if is_safe else f", maxmemory-policy {facts.policy}"
        fix = (
            "If its memory is full, it discards counts of running windows. Set maxmemory-policy to noeviction or "
            "volatile-ttl."
        )
        yield judged(is_safe, "limits", f"{facts.name or 'Valkey'} at {address}{cluster}{policy}", fix)


def _mail(settings: Settings) -> Iterator[Finding]:
    """Connect and sign in to the mail server. Nothing is sent."""
    if not settings.sends_mail:
        return
    try:
        smtp.check_settings(settings)
        yield ok("mail", machine.run(smtp.Mailer(settings, smtp.TIMEOUTS._replace(total=10.0)).check()))
    except ConfigurationError as problem:
        yield fault("mail", str(problem), "Correct this setting.")
    except smtp.Failed as failed:
        reason = f"{outcomes.describe_mail(failed.outcome)} {failed.detail}".rstrip()
        fix = "Mails wait, and are tried again for three days."
        yield warning("mail", f"{MailServer.parse(settings.smtp).address}: {reason}", fix)


def _files(settings: Settings) -> Iterator[Finding]:
    for name in ("tls_cert", "tls_key"):
        if (file := getattr(settings, name)) and not os.access(file, os.R_OK):
            yield fault(name, f"{file} can't be read", "Name a PEM file that this user can read.")


def _port(settings: Settings) -> Finding:
    if running := server_address.find(settings.data):
        return ok("port", f"the server of this folder runs at {running}")
    try:
        for listener in bind(settings.host, settings.port):
            listener.close()
    except ConfigurationError as problem:
        if _answers(settings):
            return ok("port", f"a server answers at {settings.host}:{settings.port}")
        return fault("port", str(problem))
    return ok("port", f"{settings.host}:{settings.port} is free")


def _answers(settings: Settings) -> bool:
    with suppress(OSError, http.client.HTTPException):
        return health.ask(health.address_of(settings), "/health/live", is_own=True)[0] == 200
    return False


def _print(finding: Finding) -> None:
    color = {"ok": "32", "warning": "33", "fault": "31"}[finding.state]
    state = f"{finding.state:<8}"
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        state = f"\x1b[{color}m{state}\x1b[0m"
    print(f"{state} {finding.what}: {finding.found}")
    if finding.fix:
        print(f"{'':<8} -> {finding.fix}")
