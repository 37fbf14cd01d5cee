"""A real PostgreSQL on a free port of this machine: one for all tests, with a database for each server under test, or
one's own to break."""

from __future__ import annotations

import asyncio
import atexit
import getpass
import itertools
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from tests import processes
from tests.harness import free_port
from tools.programs import find_postgresql

if TYPE_CHECKING:
    from tests.pgbouncer import PgBouncer

MISSING = "These tests need PostgreSQL 14 or newer. `make test` brings it, or says how."
USER = "rollbook"
# For tests that are not about durability: what the disk costs would be most of their time. And a process of autovacuum
# would start every second for one of the hundred databases.
HASTY = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off")


@cache
def programs() -> Path:
    """The folder of `initdb`."""
    found = find_postgresql()
    if found is None:
        raise RuntimeError(MISSING)
    return Path(found)


class Cluster:
    """A PostgreSQL of its own, in a folder of its own. It can be killed, stopped and started again at the same port."""

    def __init__(self, *options: str, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="rollbook-pg-"))
        self.data = self.folder / "data"
        self.port = free_port()
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None
        # PostgreSQL does not run as root.
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            self.folder.mkdir(parents=True, exist_ok=True)
            entry = pwd.getpwnam(self.user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            for parent in self.folder.parents:  # it must be able to get there
                if parent.stat().st_uid == os.getuid() and not parent.stat().st_mode & 0o001:
                    parent.chmod(parent.stat().st_mode | 0o011)

    def run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(programs() / program), *arguments],
            user=self.user,
            cwd="/",
            capture_output=True,
            text=True,
            env=_environment(),
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return done.stdout

    def initialise(self) -> Cluster:
        """Its folder begins as a copy of one that was made once: `initdb` takes a second."""
        subprocess.run(["cp", "-a", ask_for_folder(), str(self.data)], user=self.user, cwd="/", check=True)
        return self

    def start(self, wait: bool = True) -> Cluster:
        settings = (
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            f"unix_socket_directories={self.folder}",
            "max_connections=300",
            # Of tables without statistics it thinks that they are large, and compiles what reads them for seconds: in the
            # tests of sessions, behind PgBouncer, that was five sixths of what it computed.
            "jit=off",
        )
        command = [str(programs() / "postgres"), "-D", str(self.data)]
        for option in (*settings, *self.options):
            command += ["-c", option]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                command,
                user=self.user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                process_group=0,
            )
        deadline = time.monotonic() + 60
        while wait and not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        return self

    def answers(self) -> bool:
        asked = ["pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        return subprocess.run([str(programs() / asked[0]), *asked[1:]], check=False).returncode == 0

    def stop(self, how: int = signal.SIGINT) -> None:
        """SIGINT ends it at once but whole (its "fast" way), SIGKILL as a power cut does."""
        if self.process is None:
            return
        if how == signal.SIGKILL:
            os.killpg(self.process.pid, how)  # its helpers, too
        else:
            self.process.send_signal(how)
        self.process.wait(60)
        self.process = None

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def ask(self, sql: str, database: str = "postgres") -> str:
        """Its answer as psql prints it, without headings."""
        return self.run(
            "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", sql
        ).strip()

    def put(self, name: str, content: bytes) -> None:
        """A file of its data folder, before it is started."""
        file = self.data / name
        file.write_bytes(content)
        file.chmod(0o600)
        if self.user:
            entry = pwd.getpwnam(self.user)
            os.chown(file, entry.pw_uid, entry.pw_gid)

    def ask_locally(self, sql: str, database: str = "postgres") -> str:
        """The same over its socket, where TLS is all that comes in from elsewhere."""
        where = ["-h", str(self.folder), "-p", str(self.port), "-U", USER, "-d", database]
        return self.run("psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", *where, "-c", sql).strip()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def initialised() -> str:
    """The data folder that all clusters begin with."""
    cluster, owner = Cluster(), os.getpid()
    cluster.run(
        "initdb", "-D", str(cluster.data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"
    )
    atexit.register(lambda: cluster.remove() if os.getpid() == owner else None)  # not in a process that a test forked
    return str(cluster.data)


ask_for_folder: Callable[[], str] = initialised
"""Tests that run beside each other ask the process that has collected them."""


@contextmanager
def own_cluster(*options: str) -> Iterator[Cluster]:
    """One to break, which keeps its promises about the disk."""
    cluster = Cluster(*options)
    try:
        yield cluster.initialise().start()
    finally:
        cluster.remove()


@cache
def shared() -> Cluster:
    """The one of all other tests."""
    cluster = Cluster(*HASTY).initialise().start()
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # not in a process that a test forked
            cluster.remove()

    atexit.register(remove)
    return cluster


def new_database(prefix: str = "test") -> str:
    """The address of an empty database in it."""
    return _create(prefix, "template1")


def migrated_database() -> str:
    """The address of a database with this version's schema and nothing in it: a copy of one that was made once."""
    address = _create("test", _migrated(variant == "partitioned"))
    if variant == "serializable":
        name = address.rpartition("/")[2]
        shared().ask(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'")
    if variant != "pgbouncer":
        return address
    pooled = pooler().url(address.rpartition("/")[2])
    _direct[pooled] = address
    return pooled


@cache
def _migrated(is_partitioned: bool) -> str:
    """The name of the database that others are copies of."""
    url = new_database("migrated")
    environment = {**os.environ, "ROLLBOOK_DATABASE": url}
    done = processes.run([sys.executable, "-m", "rollbook.cli.main", "migrate"], env=environment)
    assert done.returncode == 0, done.stderr
    if is_partitioned:
        _partition(url)
    return url.rpartition("/")[2]


_numbers = itertools.count(1)
_made: list[str] = []
"""The names of all databases, those that are gone by now among them."""


@contextmanager
def dropping() -> Iterator[None]:
    """Databases that are made in the block go with it, except what others are copies of: all of them would be more than
    a gigabyte of memory."""
    before = len(_made)
    yield
    names = [name for name in _made[before:] if not name.startswith("migrated_")]
    if names:
        asyncio.run(_drop_all(names))


async def _drop_all(names: list[str]) -> None:
    connection = await asyncpg.connect(shared().url("postgres"))
    try:
        for name in names:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await connection.close()


def _create(prefix: str, template: str) -> str:
    name = f"{prefix}_{os.getpid()}_{next(_numbers)}"
    _made.append(name)
    execute(shared().url("postgres"), f'CREATE DATABASE "{name}" TEMPLATE "{template}" {_quickly()}')
    return shared().url(name)


@cache
def _quickly() -> str:
    """To copy files is half the work of writing all of them into the log. Before 15 there was no other way, and no word
    for it."""
    return "STRATEGY file_copy" if int(shared().ask("SHOW server_version_num")) >= 150_000 else ""


variant = os.environ.get("ROLLBOOK_TEST_POSTGRES", "")
"""How databases for tests are set up: `serializable` by default, with users `partitioned` by hash, or behind
`pgbouncer`. Empty: as they come. The fixture `engine` chooses it for a module of tests."""

_direct: dict[str, str] = {}


def direct(url: str) -> str:
    """The same database, past a pooler; empty when there is none before it."""
    return _direct.get(url, "")


@cache
def pooler() -> PgBouncer:
    from tests.pgbouncer import PgBouncer

    found, owner = PgBouncer(shared().port), os.getpid()
    atexit.register(lambda: found.remove() if os.getpid() == owner else None)
    return found


def _partition(url: str) -> None:
    """Make `users` a table in four parts by the hash of the id, with the same indexes: what Citus and CockroachDB ask
    of a table holds of it, too. Nothing is unique but the id."""
    indexes = [
        text.replace("CREATE UNIQUE INDEX", "CREATE INDEX")
        for name, text in rows(url, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'users'")
        if name != "users_pkey"
    ]
    assert len(indexes) >= 7
    triggers = [
        text
        for (text,) in rows(
            url, "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'users'::regclass AND NOT tgisinternal"
        )
    ]
    parts = [
        f"CREATE TABLE users_{part} PARTITION OF users FOR VALUES WITH (MODULUS 4, REMAINDER {part})"
        for part in range(4)
    ]
    execute(
        url,
        "ALTER TABLE users RENAME TO users_whole",
        "CREATE TABLE users (LIKE users_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY HASH (id)",
        "DROP TABLE users_whole",
        "ALTER TABLE users ADD PRIMARY KEY (id)",
        *parts,
        *indexes,
        *triggers,
    )


def execute(url: str, *statements: str) -> None:
    """All of them, in one transaction."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(";\n".join(statements))
        finally:
            await connection.close()

    asyncio.run(run())


@contextmanager
def holding(url: str, *statements: str) -> Iterator[None]:
    """A transaction of somebody else's that has executed these, and is undone at the end of the block."""
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(url))
    try:
        loop.run_until_complete(connection.execute(";\n".join(("BEGIN", *statements))))
        yield
    finally:
        loop.run_until_complete(connection.close())
        loop.close()


def dump(url: str) -> bytes:
    """All that is in a database: as text, and the bytes that the text writes in hexadecimal digits."""
    done = subprocess.run(
        [str(programs() / "pg_dump"), "--dbname", direct(url) or url],
        capture_output=True,
        check=True,
        env=_environment(),
    )
    return done.stdout + b"".join(
        bytes.fromhex(digits.decode()) for digits in re.findall(rb"\\\\x([0-9a-f]+)", done.stdout)
    )


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    async def ask() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(direct(url) or url)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(ask())


def drop(url: str) -> None:
    """The database is gone, whoever was connected to it."""
    shared().ask(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Nobody changes this table meanwhile, nor locks a row of it."""
    command = [str(programs() / "psql"), "-X", "-q", "-t", "-A", "-d", url]
    session = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment())
    assert session.stdin is not None and session.stdout is not None
    session.stdin.write(f"BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE; SELECT 'held';\n")
    session.stdin.flush()
    assert session.stdout.readline().strip() == "held"
    try:
        yield
    finally:
        session.communicate("ROLLBACK;\n")


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "USER": getpass.getuser()}
