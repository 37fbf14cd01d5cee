"""A real server in a real process, as it ships: limits, keys and logs on. What every test that knocks at the front door
uses."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socketserver import BaseServer
from typing import Any, TypeVar

import httpx2

from rollbook import clock
from rollbook.auth import key_format
from tests import fixed, processes
from tests.plain_http import PlainTransport

OWNER_EMAIL = "owner@example.com"
OWNER_PASSWORD = "correct horse battery staple"
# Cheap hashes, so that tests which are not about passwords do not wait for them. The default's cost is tested by
# itself.
CHEAP = {"ROLLBOOK_PASSWORD_MEMORY": "8", "ROLLBOOK_PASSWORD_TIME_COST": "1"}

PLAIN: dict[str, Any] = {"verify": False}
"""For clients that speak no TLS: to load the certificates of all authorities takes longer than a hundred requests."""

PATIENCE = 120
"""Seconds that a busy machine has for an answer, to start a server or to end one."""


def client_of(url: str, **options: Any) -> httpx2.Client:
    """A client of a server without TLS."""
    plain: dict[str, Any] = {"base_url": url, "timeout": PATIENCE, "transport": PlainTransport()}
    return httpx2.Client(**plain | options)


engine = "sqlite"
"""The database of servers that say nothing about theirs; the fixture `engine` chooses it for a module of tests."""

_databases: dict[Path, str] = {}


def database_of(data: Path) -> str:
    """What the setting `database` is for a server on this folder: on PostgreSQL a database of its own, the same one
    when it starts again."""
    if engine == "sqlite":
        return ""
    from tests import postgres

    if data not in _databases:
        _databases[data] = postgres.migrated_database()
    return _databases[data]


def direct_of(data: Path) -> str:
    """The same past the pooler that tests may run behind, for migrations."""
    if data not in _databases:
        return ""
    from tests import postgres

    return postgres.direct(_databases[data])


def migrated(data: Path) -> Path:
    """A new data folder whose SQLite database has this version's schema and nothing in it: a copy of one that was made
    once."""
    data.mkdir(mode=0o700)
    file = data / "rollbook.db"
    file.touch(0o600)
    file.write_bytes(_migrated())
    return data


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "rollbook.cli.main", "migrate", "--data", folder]
        done = processes.run(
            command, env={name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}
        )
        assert done.returncode == 0, done.stderr
        return (Path(folder) / "rollbook.db").read_bytes()


def cheap_hashes(flags: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """What makes hashes cheap, unless the settings say that others reach the server: then it refuses that."""
    names = {each.removeprefix("--").replace("-", "_").upper() for each in flags} | {
        each.removeprefix("ROLLBOOK_") for each in environment
    }
    return {} if names & {"HOST", "TRUSTED_PROXY", "PUBLIC_URL"} else CHEAP


class Server:
    """`rollbook serve` on a folder of its own. `key` is the owner's; `http()` a client that sends it."""

    def __init__(
        self,
        data: Path,
        *flags: str,
        environment: dict[str, str] | None = None,
        cheap: bool = True,
        owner_key: str | None = None,
        program: str = fixed.COMMAND,
    ) -> None:
        self.data = data
        self._program = program
        self.flags = flags
        self.key = owner_key or key_format.mint()
        self.clock_file = data.with_name(data.name + ".clock")
        clock.move(str(self.clock_file), 0)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data.with_name(data.name + ".log")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")},
            "ROLLBOOK_OWNER_EMAIL": OWNER_EMAIL,
            "ROLLBOOK_OWNER_PASSWORD": OWNER_PASSWORD,
            "ROLLBOOK_OWNER_KEY": self.key,
            "ROLLBOOK_CLOCK_FILE": str(self.clock_file),
            "ROLLBOOK_LOG": "json",
            "ROLLBOOK_MEMBER_FIELDS": "name,email,keys",
            "ROLLBOOK_DATABASE": database_of(data),
            "ROLLBOOK_DATABASE_DIRECT": direct_of(data),
            **(cheap_hashes(flags, environment or {}) if cheap else {}),
            **(environment or {}),
        }
        self.process: processes.AnyProcess | None = None

    @property
    def program(self) -> str:
        return fixed.program_of(self._program, self.flags)

    def command(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            self.program,
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--data",
            str(self.data),
            *self.flags,
        ]

    def start(self) -> Server:
        if not self.database and not self.data.exists():
            migrated(self.data)
        more = {} if self.program == fixed.COMMAND else {"PYTHONPATH": str(Path(__file__).parents[1])}
        with open(self.log, "ab") as log:
            self.process = processes.start(
                self.command(), env=self.environment | more, stdout=log, stderr=log, cwd=self.data.parent
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            if answers(self.port, "/health/ready") == 200:
                return self
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.02)

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.process = None
            if how == signal.SIGKILL:
                self._wait_for_workers()

    def _wait_for_workers(self) -> None:
        """Workers whose parent was killed end a moment later: until then they take connections, which end with them."""
        until = time.monotonic() + 60
        while True:
            with socket.socket() as caller:
                if caller.connect_ex(("127.0.0.1", self.port)):
                    return
            assert time.monotonic() < until, "a worker outlives its parent"
            time.sleep(0.01)

    def http(self, key: str | None = "", **options: Any) -> httpx2.Client:
        """A client with this key, the owner's by default; None sends no key."""
        headers = {} if key is None else {"Authorization": f"Bearer {key or self.key}"}
        return client_of(self.url, headers=headers, **options)

    def rollbook(
        self, *arguments: str, check: bool = True, input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The command line on this server's folder, or what is given."""
        command = [sys.executable, "-m", fixed.program_of(fixed.COMMAND, arguments), *arguments]
        done = processes.run(command, env=self.environment, input=input, cwd=self.data.parent)
        if check and done.returncode:
            raise RuntimeError(f"rollbook {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    @property
    def database(self) -> str:
        """The address of its PostgreSQL; empty when it is on SQLite."""
        return self.environment["ROLLBOOK_DATABASE"]

    def kept(self) -> dict[str, bytes]:
        """All that it has written down: files of its folder, its log, and what is in its PostgreSQL."""
        files = {path.name: path.read_bytes() for path in [*self.data.rglob("*"), self.log] if path.is_file()}
        if self.database:
            from tests import postgres

            files["PostgreSQL"] = postgres.dump(self.database)
        return files

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of its database, or a change of them."""
        if self.database:
            from tests import postgres

            return postgres.rows(self.database, sql)
        with closing(sqlite3.connect(self.data / "rollbook.db", isolation_level=None)) as database:
            return database.execute(sql).fetchall()

    @contextmanager
    def writers_wait(self) -> Iterator[None]:
        """No write gets on as long as this lasts."""
        if self.database:
            from tests import postgres

            with postgres.locked(self.database, "users"):
                yield
        else:
            with open(self.data / "writer.lock", "rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield

    @contextmanager
    def held(self, table: str) -> Iterator[None]:
        """Somebody else's transaction keeps everybody from writing to it; on SQLite, to anything."""
        if self.database:
            from tests import postgres

            with postgres.locked(self.database, table):
                yield
        else:
            with closing(sqlite3.connect(self.data / "rollbook.db", isolation_level=None)) as tool:
                tool.execute("BEGIN IMMEDIATE")
                yield
                tool.execute("ROLLBACK")

    def lose_database(self) -> None:
        """Make it useless, for good."""
        if self.database:
            from tests import postgres

            postgres.drop(self.database)
            return
        # While it stands still: from what is left at any moment in between, SQLite could recover, and go on with the
        # pages that it has read.
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        while any(
            file.read_text().rpartition(")")[2].split()[0] != "T"
            for file in Path(f"/proc/{self.process.pid}/task").glob("*/stat")
        ):
            time.sleep(0.001)
        for name in ("rollbook.db-wal", "rollbook.db-shm", "rollbook.db"):
            file = self.data / name
            file.write_bytes(b"\xff" * file.stat().st_size)
        self.process.send_signal(signal.SIGCONT)

    def pass_time(self, seconds: float) -> None:
        """Move the server's clock on by this much in all."""
        clock.move(str(self.clock_file), int(seconds * clock.SECOND))

    def logged(self) -> list[dict[str, Any]]:
        """Lines of its log that are JSON, without one that is being written."""
        lines = self.log.read_text().rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def answers(port: int, path: str) -> int:
    """The status of the answer to a GET; 0 when there is none."""
    try:
        with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status
    except (OSError, HTTPException):
        return 0


@contextmanager
def running(data: Path, *flags: str, **options: Any) -> Iterator[Server]:
    """A server for the block. One that ended by itself meanwhile fails the test, whatever else the test has seen."""
    server = Server(data, *flags, **options)
    server.start()
    try:
        yield server
    finally:
        code = server.process.poll() if server.process else None
        server.stop()
        if code is not None:
            raise RuntimeError(f"the server has ended by itself, with {code}:\n{server.log.read_text()[-4000:]}")


AnyServer = TypeVar("AnyServer", bound=BaseServer)


@contextmanager
def serving(server: AnyServer) -> Iterator[AnyServer]:
    """A server of the standard library's answers in a thread of its own. It looks often whether it is to end: it would
    take half a second."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    """One below those that the system gives to outgoing connections, of which one could take it before it is used. No
    one is given it twice, neither here nor in the tests that run beside these: it stays its owner's while that has not
    started yet, or is down."""
    for port in _ports_of_these_tests():
        if _is_free(port):
            return port
    raise RuntimeError("no port between 22000 and 32000 is left")


def free_pair() -> int:
    """A free port whose number plus 10,000 is free too: there the bus of a Valkey cluster's server listens."""
    for port in _pairs_of_these_tests():
        if _is_free(port) and _is_free(port + 10_000):
            return port
    raise RuntimeError("no port between 10000 and 12000 is left")


def _is_free(port: int) -> bool:
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as those do that will use it
        try:
            found.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@cache
def _ports_of_these_tests() -> Iterator[int]:
    return _share_of(22_000, 32_000)


@cache
def _pairs_of_these_tests() -> Iterator[int]:
    return _share_of(10_000, 12_000)


def _share_of(first: int, end: int) -> Iterator[int]:
    """The share that these tests have of the ports, in any order: another run of the suite may be using some."""
    number, processes = (
        int(os.environ.get("PYTEST_WORKER", "0")),
        int(os.environ.get("PYTEST_WORKER_COUNT", "1")),
    )
    ports = list(range(first + number, end, processes))
    random.SystemRandom().shuffle(ports)
    return iter(ports)


def new_user(http: httpx2.Client, **fields: Any) -> dict[str, Any]:
    """A user made through the API, as the server shows it."""
    number = time.perf_counter_ns()
    body = {
        "name": "Alice Wonderland",
        "email": f"alice{number}@example.com",
        "password": "securepassword123",
        **fields,
    }
    answer = http.post("/v1/users?fields=*", json=body)
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "password": body["password"]}


def new_update(http: httpx2.Client) -> str:
    """ID of the event of a user who was renamed."""
    path = f"/v1/users/{new_user(http)['id']}"
    assert http.patch(path, json={"name": "Renamed"}).status_code == 200
    asked = {"user": path.rpartition("/")[2], "type": "user.updated"}
    return str(http.get("/v1/events", params=asked).json()[0]["id"])


def new_token(http: httpx2.Client, user_id: str, **fields: Any) -> dict[str, Any]:
    """A one-time token made through the API, with `token` and `url`."""
    answer = http.post(f"/v1/users/{user_id}/tokens", json={"purpose": "verify_email", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def new_key(http: httpx2.Client, **fields: Any) -> str:
    """The text of a key made through the API."""
    answer = http.post("/v1/keys", json={"name": "test", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["key"]
