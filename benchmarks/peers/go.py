"""A bare server in Go: net/http and pgx on PostgreSQL (`apps/go/main.go`), built from Debian's packages."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cluster import Database
from load import WORK, Call, numbers
from machine import Process, call, free_port, wait_for_answer
from people import PASSWORD, people

SOURCE = Path(__file__).parent / "apps" / "go" / "main.go"
PACKAGES = Path("/usr/share/gocode/src")
PGX = "github.com/jackc/pgx/v4"
MISSING = "Go is left out: it needs the packages golang-go and golang-github-jackc-pgx-v4-dev of Debian."


def missing() -> str | None:
    """Why it cannot be measured here."""
    return None if shutil.which("go") and (PACKAGES / PGX).is_dir() else MISSING


class Go:
    name = "Go, net/http + pgx"
    calls: Mapping[str, Call] = {}

    def __init__(self, database: Database) -> None:
        self.folder = WORK / "go"
        self.port = free_port()
        self._database = database
        self._key = secrets.token_urlsafe(32)
        self._program = self.folder / "server"

    def version(self) -> str:
        words = subprocess.run(["go", "version"], check=True, capture_output=True, text=True).stdout.split()
        shown = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", "golang-github-jackc-pgx-v4-dev"],
            check=False,
            capture_output=True,
            text=True,
        ).stdout
        return f"{words[2]}, pgx {shown or 'v4'}"

    def fill(self, users: int) -> None:
        """Build it, and `users` users in a database of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {
            "GOPATH": str(PACKAGES.parent),
            "GO111MODULE": "off",
            "GOCACHE": str(self.folder / "cache"),
            "GOFLAGS": "",
        }
        built = subprocess.run(
            ["go", "build", "-o", self._program, SOURCE],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            raise RuntimeError(f"go build failed: {built.stderr[-2000:]}")
        self._environment = {"BENCH_DATABASE": self._database.create("go"), "BENCH_KEY": self._key}
        lines = "".join(f"{name}\t{email}\n" for name, email in people(users))
        filled = subprocess.run(
            [self._program, "fill"],
            env={**os.environ, **self._environment},
            input=lines,
            capture_output=True,
            text=True,
            check=False,
        )
        if filled.returncode:
            raise RuntimeError(f"The Go server was not filled: {filled.stderr[-2000:]}")
        made = filled.stdout.split()
        random.Random(2).shuffle(made)
        ids = self.folder / "ids"
        ids.write_text("\n".join(made) + "\n")
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        change = '{"name": "Renamed @N@"}'
        self.calls = {
            "W1": Call("GET", "/v1/users?limit=20&offset=@ID@", headers, ids=numbers(0, 20)),
            "W1d": Call("GET", "/v1/users?limit=20&offset=@ID@", headers, ids=numbers(users - 100, -20)),
            "W2": Call("GET", "/v1/users/@ID@", headers, ids=ids),
            "W3": Call("PUT", "/v1/recorded/@ID@", headers, change, ids),
            "W3 alone": Call("PUT", "/v1/users/@ID@", headers, change, ids),
            "W4": Call(
                "POST",
                "/v1/users",
                headers,
                f'{{"name": "Charlie Mboya", "email": "c@N@@example.com", "password": "{PASSWORD}"}}',
            ),
        }

    def serve(self, workers: int, cpus: str) -> None:
        """With as many threads that run Go as others have workers."""
        environment = {**self._environment, "GOMAXPROCS": str(workers)}
        self.process = Process(
            [self._program, str(self.port)], cpus=cpus, log=WORK / "logs" / "go.log", env=environment
        )
        wait_for_answer(self.process, self.port, "/v1/users?limit=1&offset=0", self.calls["W1"].headers)
        status, _, body = call(self.port, "GET", "/v1/users?limit=1&offset=0")
        if status != 401:
            raise RuntimeError(f"The Go server answers without a key: {status} {body!r}")
