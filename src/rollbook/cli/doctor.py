"""`rollbook doctor`: checks everything a server needs and says how to fix what is wrong. Changes no data."""

from __future__ import annotations

import http.client
import os
import resource
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import urlsplit

import click

from rollbook import __version__, clock, first_start, machine, runner, units
from rollbook.actions import backups, keys, mails, passwords
from rollbook.actions import events as event_actions
from rollbook.actions.passwords import Costs
from rollbook.auth import passwords as password_format
from rollbook.auth import server_secret
from rollbook.cli import options, server_address
from rollbook.cli.output import as_json, counted, program, where
from rollbook.cli.server import FIRST_START
from rollbook.config import PREFIX, ConfigurationError, Settings, Source, is_loopback, load, without_secrets
from rollbook.delivery import outcomes, smtp
from rollbook.errors import ApiError
from rollbook.http.server import bind
from rollbook.limits import valkey, valkey_address
from rollbook.limits.valkey_connection import Unavailable
from rollbook.mailing import MailServer
from rollbook.records import engines, events, users
from rollbook.records.connect import connect, is_sqlite
from rollbook.records.user_search.sqlite import ANY_PENDING
from rollbook.storage import migrate, postgres_tls
from rollbook.storage.database import Database, DatabaseUnusable, Queries, Row
from rollbook.storage.sqlite import SQLite
from rollbook.storage.sqlite_connection import check_version, connect_reader

# Above this size, checking every page takes too long, and requires --deep.
LARGE = 1024 * units.MEBIBYTE
LONG_LOG = 256 * units.MEBIBYTE
LITTLE_SPACE, NO_SPACE = 1024 * units.MEBIBYTE, 100 * units.MEBIBYTE
NOT_SETTINGS = set(
    "CONFIG URL KEY PROFILE OWNER_EMAIL OWNER_PASSWORD OWNER_KEY SECRET SECRET_FILE CLOCK_FILE COPY_FROM COPY_TO "
    "WEBHOOK_SECRET".split()
)
OLDEST_SEALED = "SELECT id, sealed FROM keys WHERE sealed IS NOT NULL ORDER BY id LIMIT 1"


State = Literal["ok", "warning", "fault"]


class Finding(NamedTuple):
    """The result of one check. `fix` says what to do, if anything."""

    state: State
    what: str
    found: str
    fix: str = ""


ok, warning, fault = (partial(Finding, state) for state in get_args(State))


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
    findings = list(_platform())
    sources: list[Source] = []
    try:
        settings, sources = load({"data": data}, file=config)
    except ConfigurationError as problem:
        findings.append(
            fault("settings", str(problem), "Correct this setting, then run doctor again for the other checks.")
        )
    else:
        findings += [
            *_settings(settings, sources),
            *_folder(settings),
            *_database(settings, deep),
            *_backups(settings),
            *_breaches(settings),
            *_limits(settings),
            *_mail(settings),
            *_network(settings),
        ]
    faulty = any(finding.state == "fault" for finding in findings)
    if json:
        in_force = [
            {"name": source.name, "value": without_secrets(source.name, source.value), "origin": source.origin}
            for source in sources
        ]
        as_json({"ok": not faulty, "findings": [finding._asdict() for finding in findings], "settings": in_force})
    else:
        for finding in findings:
            _print(finding)
    raise click.exceptions.Exit(1 if faulty else 0)


# ---- checks


def _platform() -> Iterator[Finding]:
    yield ok("Rollbook", f"{__version__}, called as {program()}")
    yield ok("Python", f"{machine.python_name()} ({sys.executable})")
    try:
        check_version()
    except DatabaseUnusable as problem:
        yield fault("SQLite", sqlite3.sqlite_version, str(problem))
    else:
        yield ok("SQLite", sqlite3.sqlite_version)
    now = time.gmtime(clock.now() / clock.SECOND)
    shown = clock.format_time(clock.now())
    if now.tm_year < 2026:
        yield fault(
            "clock", shown, "The machine's clock is far behind. Expiry and rate limits depend on it. Turn on NTP."
        )
    elif clock.is_moved():
        yield warning(
            "clock",
            f"{shown}, moved by {os.environ[PREFIX + 'CLOCK_FILE']}",
            f"{PREFIX}CLOCK_FILE is for tests. Unset it.",
        )
    else:
        yield ok("clock", shown)


def _settings(settings: Settings, sources: list[Source]) -> Iterator[Finding]:
    chosen = [source for source in sources if source.origin != "default"]
    for source in chosen:
        yield ok("setting", f"{source.name} = {without_secrets(source.name, source.value)} ({source.origin})")
    yield ok("settings", f"{len(sources) - len(chosen)} have their default values (docs/configuration.md)")
    names = {source.name.upper() for source in sources} | NOT_SETTINGS
    for variable in sorted(os.environ):
        if variable.startswith(PREFIX) and variable.removeprefix(PREFIX) not in names:
            yield warning(
                "environment", f"{variable} is not a setting and has no effect", "Correct its name or unset it."
            )
    if settings.synchronous != "full":
        yield warning(
            "synchronous",
            settings.synchronous,
            "A power failure may lose acknowledged writes. Use `full` to prevent this.",
        )


def _folder(settings: Settings) -> Iterator[Finding]:
    data = settings.data
    if not is_sqlite(settings) and server_secret.is_given():
        return  # this server has no data folder
    if not data.exists():
        parent = next(folder for folder in data.absolute().parents if folder.exists())
        if os.access(parent, os.W_OK):
            yield ok("data folder", f"{data} does not exist yet; the first start creates it")
        else:
            yield fault(
                "data folder",
                f"{data} does not exist and {parent} is not writable",
                "Choose another --data, or change the owner of the folder.",
            )
        return
    if not data.is_dir():
        yield fault("data folder", f"{data} is not a folder", "Name a folder with --data.")
        return
    yield _file(data, "data folder", os.R_OK | os.W_OK | os.X_OK, "700")
    for name in (
        settings.sqlite_file.name,
        f"{settings.sqlite_file.name}-wal",
        f"{settings.sqlite_file.name}-shm",
        "writer.lock",
    ):
        if (file := data / name).exists():
            finding = _file(file, name, os.R_OK | os.W_OK, "600")
            if finding.state != "ok":
                yield finding
    if (file := data / FIRST_START).exists():
        yield warning(
            "first start", f"{file} has an API key and a sign-in link of the owner", "Delete it once you have read it."
        )
    if (data / "secret").exists():
        try:
            server_secret.load(data)
        except ConfigurationError as problem:
            yield fault("secret", str(problem))
        else:
            yield ok("secret", f"{data / 'secret'}, readable by its owner only")
    yield _disk(data)


def _disk(data: Path) -> Finding:
    free = shutil.disk_usage(data).free
    if free < NO_SPACE:
        return fault(
            "disk", f"{units.size(free)} free", "Free up disk space. Without it, the server can't accept writes."
        )
    if free < LITTLE_SPACE:
        return warning("disk", f"{units.size(free)} free", "Free up disk space soon.")
    return ok("disk", f"{units.size(free)} free")


def _file(path: Path, what: str, access: int, mode: str) -> Finding:
    found = path.stat()
    now = stat.S_IMODE(found.st_mode)
    shown = f"{path}, mode {now:04o}"
    if not os.access(path, access):
        return fault(what, f"{shown}, owner {found.st_uid}", f"The user {os.getuid()} can't use it. Run as its owner.")
    if now & 0o077:
        return warning(what, f"{shown}: other users can access it", f"Run: chmod {mode} {path}")
    return ok(what, shown)


def _database(settings: Settings, deep: bool) -> Iterator[Finding]:
    if not is_sqlite(settings):
        yield from _postgres(settings)
        return
    path = settings.sqlite_file
    if not path.exists():
        yield ok("database", "does not exist yet; the first start creates it")
        return
    try:
        db = SQLite.open(path, "full", dialect=engines.SQLITE)
    except DatabaseUnusable as problem:
        yield fault("database", str(problem))
        return
    try:
        if (yield from _contents(db, settings)) and db.read_now(_one, ANY_PENDING):
            yield ok("search", "new names are not indexed yet; searches find them anyway")
        about = db.describe()
        yield ok(
            "database",
            f"{units.size(about['size'])} in {about['page_count']:,} pages, {about['free_pages']:,} of them free",
        )
        kind, log = about["file_system"], units.size(about["wal_size"])
        fix = "SQLite's locks are not safe on a network file system. Use a local disk."
        yield warning("file system", kind, fix) if about["network_file_system"] else ok("file system", kind)
        fix = (
            "A program has been reading for a long time (a copy, an open sqlite3). End it, and the next writes "
            "shorten the log."
        )
        yield warning("log", log, fix) if about["wal_size"] > LONG_LOG else ok("log", log)
        if about["size"] > LARGE and not deep:
            yield ok("pages", "not checked: the database is large. Use --deep to check them")
        else:
            yield _pages(path, "integrity_check" if deep else "quick_check")
    except (ApiError, sqlite3.Error) as problem:
        yield fault(
            "database", str(problem), "Restore a backup, or run `sqlite3 rollbook.db .recover` to save what is left."
        )
    finally:
        db.close()


def _postgres(settings: Settings) -> Iterator[Finding]:
    try:
        db = connect(settings, for_migration=True)
    except DatabaseUnusable as problem:
        yield fault("database", str(problem))
        return
    try:
        about = runner.run(_about(settings))
        yield ok("database", f"PostgreSQL {about['version']} at {about['address']}, {units.size(about['size'])}")
        yield from _ways(settings)
        wanted = settings.database_connections * settings.workers
        free = about["most_connections"] - about["connections"]
        in_use = f"{about['connections']} of {about['most_connections']} in use"
        fix = "Raise PostgreSQL's max_connections, lower database_connections, or put PgBouncer in between."
        yield ok("connections", in_use) if free >= wanted else warning("connections", in_use, fix)
        if about["synchronous_commit"] == "off":
            yield warning(
                "synchronous_commit",
                "off",
                "A crash of PostgreSQL may lose acknowledged writes. Use `on` to prevent this.",
            )
        if not about["trigrams"]:
            fix = "Run once as a superuser: CREATE EXTENSION pg_trgm; then run rollbook migrate to create the index."
            yield warning("search", "the extension pg_trgm is missing: each search reads every user", fix)
        yield from _contents(db, settings)
    except ApiError as problem:
        yield fault("database", problem.message)
    finally:
        db.close()


def _ways(settings: Settings) -> Iterator[Finding]:
    """Check that no one on the way to PostgreSQL can read or change what is sent."""
    urls = (settings.database, settings.database_direct, *settings.database_replicas)
    for told, is_safe in dict.fromkeys(
        (way.told, way.is_safe) for way in map(postgres_tls.protection, filter(None, urls))
    ):
        what = "way to PostgreSQL"
        yield ok(what, told) if is_safe else warning(what, told, postgres_tls.FIX)


async def _about(settings: Settings) -> dict[str, Any]:
    db = connect(settings)
    try:
        return await db.about()
    finally:
        await db.stop()


def _contents(db: Database, settings: Settings) -> Generator[Finding, None, bool]:
    """Returns whether the schema is that of this version."""
    try:
        waiting = migrate.pending(db)
    except DatabaseUnusable as problem:
        yield fault("migrations", str(problem))
        return False
    if waiting:
        names = ", ".join(migration.file_name for migration in waiting)
        yield warning(
            "migrations", f"pending: {names}", f"The next start applies them, or: {program()} migrate{where(settings)}"
        )
        return False
    yield ok("migrations", "up to date")
    if (owners := db.read_now(_one, users.OWNERS)) and owners[0]:
        yield ok("owners", str(owners[0]))
    else:
        fix = f"The next start creates {first_start.DEFAULT_EMAIL}, or the owner named by {first_start.EMAIL}."
        yield warning("owners", "none", fix)
    if (sealed := db.read_now(_one, OLDEST_SEALED)) is not None:
        yield from _secret(settings, *sealed)
    yield from _hashes(settings, db.read_now(passwords.costs, settings))
    yield _event_log(settings, db.read_now(events.size))
    newest = db.read_now(_one, _NEWEST)
    if newest and newest[0] > clock.now() + clock.MINUTE:
        yield warning(
            "clock",
            f"the newest user was created at {clock.format_time(newest[0])}",
            "The clock was set back. Turn on NTP.",
        )
    return True


def _event_log(settings: Settings, size: int) -> Finding:
    if not event_actions.is_log_large(settings, size):
        return ok("event log", f"about {units.size(size)}")
    return warning(
        "event log",
        f"about {units.size(size)}, more than {units.size(settings.event_log_warning * units.MEBIBYTE)}",
        "Set event_retention to the days you need, or raise event_log_warning. Look in the audit log for users who "
        "change very often.",
    )


def _hashes(settings: Settings, costs: Costs) -> Iterator[Finding]:
    """Check the cost of a wrong password, by the hashes that users have."""
    what, dearest = "password hashes", costs.dearest
    yield ok(what, f"a wrong password costs at most {dearest.price}: {dearest.parameters}")
    for each in costs.slow:
        fix = "Ask them to sign in, which replaces the hash. If you accept the price, raise imported_hash_seconds."
        yield warning(
            what, f"{each.whose} {each.parameters}: a stranger's wrong password for them costs {each.price}", fix
        )
    for each in costs.shut:
        fix = (
            f"Send them setup links, or set imported_hash_memory to {each.price.mebibytes}: strangers can then "
            "make the server use it."
        )
        yield warning(
            what, f"{each.whose} {each.parameters}, which needs {each.price.mebibytes:,} MiB: no password matches", fix
        )
    for each in costs.weak:
        found = f"{each.whose} {each.parameters}, which is easy to guess at for whoever steals the database"
        yield warning(what, found, "It is replaced when they sign in, or set a password by a link.")
    if settings.hashes_are_weak:
        found = (
            f"password_memory {settings.password_memory} and password_time_cost {settings.password_time_cost} "
            "are for tests"
        )
        yield warning(
            what, found, "Remove these settings before others can reach the server, or use at least 19456 and 2."
        )


def _breaches(settings: Settings) -> Iterator[Finding]:
    what, path = "breached passwords", settings.breached_passwords
    if not path:
        return
    fix = (
        "Name a file of SHA-1 hashes, sorted by hash, that the server can read. New passwords are not looked up in it."
    )
    try:
        count = password_format.check(path)
    except OSError as problem:
        yield fault(what, f"{path} can't be read: {problem.strerror}", fix)
    except password_format.NoHashes as problem:
        yield fault(what, f"{path}: {problem}", fix)
    else:
        yield ok(what, f"about {count:,} in {path}, sorted")


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


_NEWEST = "SELECT created_at FROM users ORDER BY created_at DESC LIMIT 1"


async def _one(queries: Queries, sql: str) -> Row | None:
    return await queries.one(sql)


def _pages(path: Path, check: str) -> Finding:
    with closing(connect_reader(path)) as connection:
        found = [row[0] for row in connection.execute(f"PRAGMA {check}(10)")]
    if found == ["ok"]:
        return ok("pages", f"{check}: no errors")
    return fault("pages", f"{check}: {'; '.join(found)}", "The file is damaged. Restore a backup, and check the disk.")


def _backups(settings: Settings) -> Iterator[Finding]:
    if not is_sqlite(settings):
        return
    folder, now = backups.folder(settings), clock.now()
    found = backups.found(settings)
    newest = f"newest of {clock.format_time(found[0].created_at)}" if found else f"none in {folder}"
    if failed := backups.failure(settings):
        fix = "Correct this. The server tries again every five minutes, or as soon as an owner asks for a backup."
        yield warning("backups", f"failed at {clock.format_time(failed.at)}: {failed.reason}", fix)
    elif backups.is_overdue(settings, now):
        fix = "Start the server. If it is running, its log says why there is none."
        yield warning("backups", f"{newest}, though one is due every {units.duration(settings.backup_every)}", fix)
    elif found:
        yield ok("backups", f"{len(found)} in {folder}, {newest}")
    else:
        yield ok("backups", f"{newest}; start the server with --backup-every 24h to create them")


def _limits(settings: Settings) -> Iterator[Finding]:
    if not settings.limits:
        return
    try:
        address = valkey_address.parse(settings.limits)
    except ValueError as problem:
        yield fault("limits", f"limits: {problem}", "Correct this setting.")
        return
    try:
        facts = runner.run(valkey.inspect(address))
    except Unavailable as problem:
        instead = "each server counts by itself" if settings.limits_when_away == "local" else "requests get 503"
        state: Literal["warning", "fault"] = "warning" if settings.limits_when_away == "local" else "fault"
        yield Finding(state, "limits", f"Valkey at {address}: {problem}", f"While Valkey is unavailable, {instead}.")
        return
    shown = f"{facts.name or 'Valkey'} at {address}{', a cluster' if address.kind == 'cluster' else ''}"
    if address.lacks:
        fix = "Anyone who reaches it, or is in between, can change the counts. Use valkeys://user:password@host."
        yield warning("way to Valkey", f"without {' and without '.join(address.lacks)}", fix)
    if facts.policy and facts.policy not in valkey.SAFE_POLICIES:
        yield warning(
            "limits",
            f"{shown}, maxmemory-policy {facts.policy}",
            "If its memory is full, it discards counts of running windows. Set maxmemory-policy to noeviction or "
            "volatile-ttl.",
        )
    else:
        yield ok("limits", shown)


def _mail(settings: Settings) -> Iterator[Finding]:
    """Connect and sign in to the mail server. Nothing is sent."""
    if not settings.sends_mail:
        return
    server = MailServer.parse(settings.smtp)
    try:
        smtp.check_settings(settings)
        found = runner.run(smtp.Mailer(settings, smtp.TIMEOUTS._replace(total=10.0)).check())
    except ConfigurationError as problem:
        yield fault("mail", str(problem), "Correct this setting.")
    except smtp.Failed as failed:
        told = outcomes.describe_mail(failed.outcome)
        fix = "Mails wait, and are tried again for three days."
        yield warning("mail", f"{server.address}: {told}{f' {failed.detail}' if failed.detail else ''}", fix)
    else:
        yield ok("mail", found)
    if server.tls == "none" and not is_loopback(server.host):
        fix = "Use smtp:// or smtps://. Links in mails, with which anyone can act for the user, are sent in clear."
        yield warning("way to the mail server", "without TLS", fix)
    for problem in mails.problems(settings):
        yield warning(
            "mail_templates", f"{problem.file}: {problem.why}", "Correct the file. docs/mail.md has the names."
        )


def _network(settings: Settings) -> Iterator[Finding]:
    yield _port(settings)
    if settings.is_in_clear:
        told = f"off, and other machines can reach {settings.host or 'every address'}"
        fix = "Set tls_cert and tls_key, or name the network of a proxy with TLS in trusted_proxy."
        if settings.insecure_http:
            yield warning("TLS", f"{told} (insecure_http): API keys and passwords are sent unencrypted", fix)
        else:
            yield fault("TLS", f"{told}: the server does not start", f"{fix} Or start it with --insecure-http.")
    collector = urlsplit(settings.otlp_endpoint)
    if collector.scheme == "http" and not is_loopback(collector.hostname or ""):
        found = "on another machine, by plain HTTP: anyone in between can read addresses and IDs of users"
        yield warning(
            "OpenTelemetry", found, "Use an https:// URL, or a collector on this machine that sends on by TLS."
        )
    for name in ("tls_cert", "tls_key"):
        file = getattr(settings, name)
        if file and not os.access(file, os.R_OK):
            yield fault(name, f"{file} can't be read", "Name a PEM file that this user can read.")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.max_connections + 512
    if hard != resource.RLIM_INFINITY and hard < needed:
        fix = f"Raise it to {needed} (`ulimit -Hn`, LimitNOFILE= of systemd), or lower max_connections."
        yield warning("open files", f"at most {hard}, for {settings.max_connections} connections", fix)
    else:
        yield ok("open files", "no limit" if hard == resource.RLIM_INFINITY else f"at most {hard}")


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
    kind = http.client.HTTPSConnection if settings.tls_cert else http.client.HTTPConnection
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    with suppress(OSError, http.client.HTTPException), closing(kind(host, settings.port, timeout=2)) as connection:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    return False


# ---- output


def _print(finding: Finding) -> None:
    color = {"ok": "32", "warning": "33", "fault": "31"}[finding.state]
    state = f"{finding.state:<8}"
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        state = f"\x1b[{color}m{state}\x1b[0m"
    print(f"{state} {finding.what}: {finding.found}")
    if finding.fix:
        print(f"{'':<8} -> {finding.fix}")
