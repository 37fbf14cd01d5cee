"""A bare server in Go: net/http and SQLite (`apps/go_sqlite/main.go`), built from Debian's packages."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from load import WORK, Call, numbers
from machine import SERVER_CPU, Process, call, free_port, wait_for_answer
from people import people

SOURCE = Path(__file__).parent / "apps" / "go_sqlite" / "main.go"
PACKAGES = Path("/usr/share/gocode/src")
DRIVER = "github.com/mattn/go-sqlite3"
MISSING = "Go is left out: it needs the packages golang-go and golang-github-mattn-go-sqlite3-dev of Debian."


def missing() -> str | None:
    """Why it cannot be measured here."""
    return None if shutil.which("go") and (PACKAGES / DRIVER).is_dir() else MISSING


class GoSqlite:
    name = "Go, net/http + SQLite"
    calls: Mapping[str, Call] = {}

    def __init__(self) -> None:
        self.folder = WORK / "go-sqlite"
        self.port = free_port()
        self._key = secrets.token_urlsafe(32)
        self._program = self.folder / "server"

    def version(self) -> str:
        words = subprocess.run(["go", "version"], check=True, capture_output=True, text=True).stdout.split()
        package = ["dpkg-query", "-W", "-f", "${Version}", "golang-github-mattn-go-sqlite3-dev"]
        shown = subprocess.run(package, check=False, capture_output=True, text=True).stdout
        return f"{words[2]}, go-sqlite3 {shown}"

    def start(self, users: int) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._build()
        environment = {"BENCH_DATABASE": str(self.folder / "users.db"), "BENCH_KEY": self._key, "GOMAXPROCS": "1"}
        ids = self._fill(users, environment)
        log = WORK / "logs" / "go-sqlite.log"
        self.process = Process([self._program, str(self.port)], cpus=SERVER_CPU, log=log, env=environment)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        wait_for_answer(self.process, self.port, "/v1/users?limit=1&offset=0", headers)
        status, _, body = call(self.port, "GET", "/v1/users?limit=1&offset=0")
        if status != 401:
            raise RuntimeError(f"The Go server answers without a key: {status} {body!r}")
        self.calls = {
            "W1": Call("GET", "/v1/users?limit=20&offset=@ID@", headers, ids=numbers(0, 20)),
            "W1d": Call("GET", "/v1/users?limit=20&offset=@ID@", headers, ids=numbers(users - 100, -20)),
            "W2": Call("GET", "/v1/users/@ID@", headers, ids=ids),
            "W3": Call("PUT", "/v1/users/@ID@", headers, '{"name": "Renamed @N@"}', ids),
        }

    def _build(self) -> None:
        environment = {
            "GOPATH": str(PACKAGES.parent),
            "GO111MODULE": "off",
            "GOCACHE": str(self.folder / "cache"),
            "GOFLAGS": "",
        }
        command = ["go", "build", "-o", self._program, SOURCE]
        built = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        if built.returncode:
            raise RuntimeError(f"go build failed: {built.stderr[-2000:]}")

    def _fill(self, users: int, environment: Mapping[str, str]) -> Path:
        """The file with the ids, in a scrambled order."""
        lines = "".join(f"{name}\t{email}\n" for name, email in people(users))
        command = [self._program, "fill"]
        filled = subprocess.run(
            command, env={**os.environ, **environment}, input=lines, capture_output=True, text=True, check=False
        )
        if filled.returncode:
            raise RuntimeError(f"The Go server was not filled: {filled.stderr[-2000:]}")
        made = filled.stdout.split()
        random.Random(2).shuffle(made)
        ids = self.folder / "ids"
        ids.write_text("\n".join(made) + "\n")
        return ids
