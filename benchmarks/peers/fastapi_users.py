"""fastapi-users on SQLAlchemy and SQLite (`apps/accounts.py`), signed in with its bearer token, one uvicorn worker."""

from __future__ import annotations

import json
import shutil
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from load import WORK, Call
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

    def version(self) -> str:
        return versions("fastapi-users", "fastapi", "sqlalchemy", "aiosqlite", "slowapi", "uvicorn")

    def start(self, users: int) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        ids, log = self.folder / "ids", WORK / "logs" / "fastapi-users.log"
        environment = {"BENCH_DATABASE": str(self.folder / "users.db")}
        filling = Process([program("python"), APP, str(users), ids], cpus=SERVER_CPU, log=log, env=environment)
        if filling.wait():
            raise RuntimeError(log.read_text()[-2000:])
        self.process = Process(
            [program("uvicorn"), "accounts:app", "--app-dir", APP.parent, "--host", "127.0.0.1", "--port", str(self.port),
             "--loop", "uvloop", "--http", "httptools", "--no-access-log"],
            cpus=SERVER_CPU, log=log, env=environment,
        )  # fmt: skip
        wait_for_answer(self.process, self.port, "/openapi.json")
        bearer = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        new = {"name": "Charlie Mboya", "email": "c@N@@example.com", "password": PASSWORD}
        self.calls = {
            "W1": Call("GET", "/users?limit=20&offset=0", bearer),
            "W1d": Call("GET", f"/users?limit=20&offset={users - 100}", bearer),
            "W2": Call("GET", "/users/@ID@", bearer, ids=ids),
            "W3": Call("PATCH", "/users/@ID@", bearer, '{"name": "Renamed @N@"}', ids),
            "W4": Call("POST", "/auth/register", bearer, json.dumps(new)),
        }

    def _token(self) -> str:
        form = urllib.parse.urlencode({"username": "admin@example.com", "password": PASSWORD}).encode()
        status, _, body = call(self.port, "POST", "/auth/jwt/login", {"Content-Type": "application/x-www-form-urlencoded"}, form)
        if status != 200:
            raise RuntimeError(f"fastapi-users does not sign its administrator in: {status} {body!r}")
        return str(json.loads(body)["access_token"])
