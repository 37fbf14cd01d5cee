"""fastapi-users on SQLAlchemy, on SQLite or PostgreSQL (`apps/accounts.py`), signed in with its bearer token, under
uvicorn."""

from __future__ import annotations

import json
import shutil
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from load import WORK, Call, numbers
from machine import SERVER_CPU, Process, call, free_port, wait_for_answer
from people import PASSWORD

from peers.environment import program, versions

APP = Path(__file__).parent / "apps" / "accounts.py"


class FastapiUsers:
    name = "fastapi-users"
    calls: Mapping[str, Call] = {}

    def __init__(self) -> None:
        self.folder = WORK / "fastapi-users"
        self.port = free_port()
        self._log = WORK / "logs" / "fastapi-users.log"

    def version(self) -> str:
        return versions("fastapi-users", "fastapi", "sqlalchemy", "aiosqlite", "slowapi", "uvicorn")

    def start(self, users: int) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.fill(users, f"sqlite+aiosqlite:///{self.folder / 'users.db'}")
        self.serve()

    def fill(self, users: int, database: str) -> None:
        """`users` users in the empty database at SQLAlchemy's address of it."""
        self._users, self._ids = users, self.folder / "ids"
        self._environment = {"BENCH_DATABASE": database}
        self.folder.mkdir(parents=True, exist_ok=True)
        filling = Process(
            [program("python"), APP, str(users), self._ids], cpus=SERVER_CPU, log=self._log, env=self._environment
        )
        if filling.wait():
            raise RuntimeError(self._log.read_text()[-2000:])

    def serve(self, workers: int = 1, cpus: str = SERVER_CPU) -> None:
        self.process = Process(
            [
                program("uvicorn"),
                "accounts:app",
                "--app-dir",
                APP.parent,
                "--host",
                "127.0.0.1",
                "--port",
                str(self.port),
                "--workers",
                str(workers),
                "--loop",
                "uvloop",
                "--http",
                "httptools",
                "--no-access-log",
            ],
            cpus=cpus,
            log=self._log,
            env=self._environment,
        )
        wait_for_answer(self.process, self.port, "/openapi.json")
        bearer = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        new = {"name": "Charlie Mboya", "email": "c@N@@example.com", "password": PASSWORD}
        self.calls = {
            "W1": Call("GET", "/users?limit=20&offset=@ID@", bearer, ids=numbers(0, 20)),
            "W1d": Call("GET", "/users?limit=20&offset=@ID@", bearer, ids=numbers(self._users - 100, -20)),
            "W2": Call("GET", "/users/@ID@", bearer, ids=self._ids),
            "W3": Call("PATCH", "/users/@ID@", bearer, '{"name": "Renamed @N@"}', self._ids),
            "W4": Call("POST", "/auth/register", bearer, json.dumps(new)),
        }

    def _token(self) -> str:
        form = urllib.parse.urlencode({"username": "admin@example.com", "password": PASSWORD}).encode()
        status, _, body = call(
            self.port, "POST", "/auth/jwt/login", {"Content-Type": "application/x-www-form-urlencoded"}, form
        )
        if status != 200:
            raise RuntimeError(f"fastapi-users does not sign its administrator in: {status} {body!r}")
        return str(json.loads(body)["access_token"])
