"""Checks of an installation: what was found, if it is well, and how to fix it. Readiness, the server page and
`rollbook doctor` present them; doctor adds those for which the server must not run, or others must answer."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from rollbook import clock, machine, units
from rollbook.actions import backups, mails, passwords
from rollbook.actions import events as event_actions
from rollbook.auth import passwords as password_format
from rollbook.config import PREFIX, Settings, is_loopback
from rollbook.errors import LimitsUnavailable, Unavailable
from rollbook.limits import valkey, valkey_address
from rollbook.limits.windows import Limiter
from rollbook.mailing import MailServer
from rollbook.records import events, marks, users
from rollbook.storage import postgres_tls
from rollbook.storage.database import Database, Queries, first
from rollbook.unix import resource

LONG_LOG = 256 * units.MEBIBYTE
LITTLE_SPACE, NO_SPACE = 1024 * units.MEBIBYTE, 100 * units.MEBIBYTE

State = Literal["ok", "warning", "fault"]


class Finding(NamedTuple):
    """The result of one check. `fix` says what to do, if anything. With a fault, the server can't run."""

    state: State
    what: str
    found: str
    fix: str = ""


ok, warning, fault = (partial(Finding, state) for state in get_args(State))


def judged(is_well: bool, what: str, text: str, fix: str, state: State = "warning") -> Finding:
    """A finding of this state, with its fix, unless all is well."""
    return ok(what, text) if is_well else Finding(state, what, text, fix)


async def readiness(db: Database, limiter: Limiter) -> list[Finding]:
    """Check what each request needs."""
    database, away = ok("database", "available"), isinstance(limiter, valkey.Valkey) and limiter.away
    try:
        await db.probe()
        await marks.auth_version(db)
    except Unavailable as problem:
        database = fault("database", problem.message)
    if not isinstance(limiter, valkey.Valkey):
        return [database]
    if away and limiter.closed:
        return [database, fault("limits", LimitsUnavailable.message)]
    text = "counted on this server only: Valkey cannot be reached"
    return [database, warning("limits", text) if away else ok("limits", "counted in Valkey")]


def of_machine(settings: Settings) -> Iterator[Finding]:
    yield ok("Python", f"{machine.python_name()} ({sys.executable})")
    yield ok("system", f"{platform.system()} {platform.release()}, {platform.machine()}")
    fix = f"{PREFIX}CLOCK_FILE moves it, which is for tests. Unset it."
    yield judged(not clock.is_moved(), "clock", clock.format_time(clock.now()), fix)
    if settings.data.is_dir():
        free = shutil.disk_usage(settings.data).free
        fix = "Free up disk space. Without it, the server can't accept writes."
        state: State = "fault" if free < NO_SPACE else "warning"
        yield judged(free >= LITTLE_SPACE, "disk", f"{units.size(free)} free", fix, state)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.max_connections + 512
    is_unlimited = hard == resource.RLIM_INFINITY
    text = "no limit" if is_unlimited else f"at most {hard}, for {settings.max_connections} connections"
    fix = f"Raise it to {needed} (`ulimit -Hn`, LimitNOFILE= of systemd)."
    yield judged(is_unlimited or hard >= needed, "open files", text, fix)


def of_settings(settings: Settings) -> Iterator[Finding]:
    if settings.hashes_are_weak:
        memory, passes = settings.password_memory, settings.password_time_cost
        fix = "Remove these settings before others can reach the server, or use at least 19456 and 2."
        yield warning("password hashes", f"password_memory {memory} and password_time_cost {passes} are for tests", fix)
    if settings.breached_passwords:
        yield _breaches(settings.breached_passwords)
    if not settings.database:
        yield _backups(settings)
    for problem in mails.problems(settings) if settings.sends_mail else ():
        fix = "Correct the file. docs/mail.md has the names."
        yield warning("mail_templates", f"{problem.file}: {problem.why}", fix)
    yield from _ways(settings)


def _breaches(path: str) -> Finding:
    what = "breached passwords"
    fix = "Name a file of SHA-1 hashes, sorted by hash, that the server can read. No new password is looked up in it."
    try:
        return ok(what, f"about {password_format.check(path):,} in {path}, sorted")
    except OSError as problem:
        return fault(what, f"{path} can't be read: {problem.strerror}", fix)
    except password_format.NoHashes as problem:
        return fault(what, f"{path}: {problem}", fix)


def _backups(settings: Settings) -> Finding:
    files = backups.found(settings)
    newest = f"newest of {clock.format_time(files[0].created_at)}" if files else f"none in {backups.folder(settings)}"
    if failed := backups.failure(settings):
        fix = "Correct this. The server tries again every five minutes, or as soon as an owner asks for a backup."
        return warning("backups", f"failed at {clock.format_time(failed.at)}: {failed.reason}", fix)
    if backups.is_overdue(settings, clock.now()):
        text = f"{newest}, though one is due every {units.duration(settings.backup_every)}"
        return warning("backups", text, "Start the server. If it is running, its log says why there is none.")
    text = f"{len(files)} in {backups.folder(settings)}, {newest}" if files else newest
    fix = "Start the server with --backup-every 24h, unless another program copies the database."
    return judged(bool(files) or not settings.sqlite_file.exists(), "backups", text, fix)


def _ways(settings: Settings) -> Iterator[Finding]:
    """Check that no one in between can read or change what is sent to clients, and to other servers."""
    if settings.is_in_clear:
        text = f"off, and other machines can reach {settings.host or 'every address'}"
        fix = "Set tls_cert and tls_key, or name the network of a proxy with TLS in trusted_proxy."
        if settings.insecure_http:
            yield warning("TLS", f"{text} (insecure_http): API keys and passwords are sent unencrypted", fix)
        else:
            yield fault("TLS", f"{text}: the server does not start", f"{fix} Or start it with --insecure-http.")
    urls = (settings.database, settings.database_direct, *settings.database_replicas)
    protections = map(postgres_tls.protection, filter(None, urls))
    for about, is_safe in dict.fromkeys((protection.told, protection.is_safe) for protection in protections):
        yield judged(is_safe, "way to PostgreSQL", about, postgres_tls.FIX)
    with suppress(ValueError):  # with such an address no server starts, and doctor says why
        if settings.limits and (lacks := valkey_address.parse(settings.limits).lacks):
            fix = "Anyone who reaches it, or is in between, can change the counts. Use valkeys://user:password@host."
            yield warning("way to Valkey", f"without {' and without '.join(lacks)}", fix)
    server = MailServer.parse(settings.smtp) if settings.sends_mail else None
    if server and server.tls == "none" and not is_loopback(server.host):
        fix = "Use smtp:// or smtps://. Links in mails, with which anyone can act for the user, are sent in clear."
        yield warning("way to the mail server", "without TLS", fix)
    collector = urlsplit(settings.otlp_endpoint)
    if collector.scheme == "http" and not is_loopback(collector.hostname or ""):
        text = "on another machine, by plain HTTP: anyone in between can read addresses and IDs of users"
        fix = "Use an https:// URL, or a collector on this machine that sends on by TLS."
        yield warning("OpenTelemetry", text, fix)


def of_engine(about: dict[str, Any], settings: Settings) -> Iterator[Finding]:
    """Check the facts of `Database.about`."""
    power = "acknowledged writes may be lost. Use `{}` to prevent this."
    if about["engine"] == "postgresql":
        yield ok("database", f"PostgreSQL {about['version']} at {about['address']}, {units.size(about['size'])}")
        free = about["most_connections"] - about["connections"]
        text = f"{about['connections']} of {about['most_connections']} in use"
        fix = "Raise PostgreSQL's max_connections, lower database_connections, or put PgBouncer in between."
        yield judged(free >= settings.database_connections * settings.workers, "connections", text, fix)
        commit, standbys = about["synchronous_commit"], about["standbys"]
        text = f"synchronous_commit {commit}, {standbys} standby server{'' if standbys == 1 else 's'}"
        yield judged(commit != "off", "durability", text, f"If PostgreSQL crashes, {power.format('on')}")
        if about["standbys_awaited"] > standbys and commit not in ("off", "local"):
            text = f"{standbys} connected, and writes wait for {about['standbys_awaited']} (synchronous_standby_names)"
            yield warning("standbys", text, "Start the others. Until then, changes get 503.")
        for slot in about["slots_unused"]:
            fix = "Start its standby, or drop the slot: for it, PostgreSQL keeps its log, which can fill the disk."
            yield warning("standbys", f"no one uses the replication slot {slot}", fix)
        fix = "Run once as a superuser: CREATE EXTENSION pg_trgm; then run rollbook migrate to create the index."
        text = "indexed" if about["trigrams"] else "the extension pg_trgm is missing: each search reads every user"
        yield judged(about["trigrams"], "search", text, fix)
        return
    pages = f"{about['page_count']:,} pages of {units.size(about['page_size'])}, {about['free_pages']:,} of them free"
    yield ok("database", f"SQLite {about['version']}, {about['path']}: {units.size(about['size'])} in {pages}")
    text = f"synchronous {settings.synchronous}"
    yield judged(settings.synchronous == "full", "durability", text, f"If power fails, {power.format('full')}")
    fix = "SQLite's locks are not safe on a network file system. Use a local disk."
    yield judged(not about["network_file_system"], "file system", about["file_system"], fix)
    fix = "A program has been reading for long (a copy, an open sqlite3). End it, and the next writes shorten the log."
    yield judged(about["wal_size"] <= LONG_LOG, "write-ahead log", units.size(about["wal_size"]), fix)


async def of_contents(queries: Queries, settings: Settings) -> list[Finding]:
    """Check what the database contains."""
    owners, size = await first(queries, users.OWNERS), await events.size(queries)
    fix = f"The next start creates one, with the email in {PREFIX}OWNER_EMAIL if it is set."
    findings = [judged(owners > 0, "owners", str(owners), fix)]
    findings += _hashes(await passwords.costs(queries, settings))
    limit = units.size(settings.event_log_warning * units.MEBIBYTE)
    is_large = event_actions.is_log_large(settings, size)
    last = next(iter((await events.latest(queries, 1)).events), None)
    ended = clock.format_time(last.created_at) if last else "none"
    text = f"about {units.size(size)}{f', more than {limit}' if is_large else ''}; last event: {ended}"
    fix = "Set event_retention to the days you need. Look in the audit log for users who change very often."
    findings.append(judged(not is_large, "event log", text, fix))
    if last and last.created_at > clock.now() + clock.MINUTE:
        findings.append(warning("clock", f"behind the last event, of {ended}", "It was set back. Turn on NTP."))
    return findings


def _hashes(costs: passwords.Costs) -> Iterator[Finding]:
    """Check the cost of a wrong password, by the hashes that users have."""
    what, dearest = "password hashes", costs.dearest
    yield ok(what, f"a wrong password costs at most {dearest.price}: {dearest.parameters}")
    for used in costs.slow:
        text = f"{used.whose} {used.parameters}: a stranger's wrong password for them costs {used.price}"
        yield warning(what, text, "Ask them to sign in, which replaces the hash.")
    for used in costs.shut:
        text = f"{used.whose} {used.parameters}, which needs {used.price.mebibytes:,} MiB: no password matches"
        yield warning(what, text, "Send them links to set new ones.")
    for used in costs.weak:
        text = f"{used.whose} {used.parameters}, which is easy to guess at for whoever steals the database"
        yield warning(what, text, "It is replaced when they sign in, or set a password by a link.")
