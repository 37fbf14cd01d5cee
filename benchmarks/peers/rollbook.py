"""Ours, as shipped: limits, access log and metrics on, synchronous=FULL, one worker."""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from argon2 import PasswordHasher
from load import WORK, Call, numbers
from machine import BOTH_CPUS, SERVER_CPU, Process, call, free_port, wait_for_answer
from people import PASSWORD, write_ndjson

PROGRAM = Path(sys.executable).with_name("rollbook")
OWNER = "owner@example.com"
PAGE = 1000  # the longest page of a list


class Rollbook:
    name = "Rollbook"
    program: tuple[str | Path, ...] = (PROGRAM,)
    calls: Mapping[str, Call] = {}
    environment: Mapping[str, str] = {}

    def __init__(self, folder: str = "rollbook") -> None:
        from rollbook.auth.key_format import mint

        self.folder = WORK / folder
        self.key = mint()
        self.port = free_port()
        self.import_seconds = 0.0

    def version(self) -> str:
        import rollbook

        return f"rollbook {rollbook.__version__}"

    @property
    def database(self) -> tuple[str | Path, ...]:
        """The flags that say where the users are."""
        return "--data", self.folder / "data"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}

    def start(self, users: int) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.fill(users)
        self.serve()
        ids = self.folder / "ids"
        self.write_ids(ids, min(users, 100_000))
        self.calls = self.calls_for(users, ids)

    def fill(self, users: int) -> None:
        """`users` users by `rollbook users import`; `import_seconds` is how long it took, its start included."""
        file = WORK / f"people-{users}.ndjson"
        if not file.exists():
            write_ndjson(file, users, PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(PASSWORD))
        log = WORK / "logs" / "import.log"
        began = time.perf_counter()
        command = [*self.program, "users", "import", file, "--data", self.folder / "data"]
        importing = Process(command, cpus=BOTH_CPUS, log=log, env=self.environment)
        if importing.wait():
            raise RuntimeError(f"rollbook users import failed: {log.read_text(errors='replace')[-2000:]}")
        self.import_seconds = time.perf_counter() - began

    def serve(self, *, workers: int = 1, cpus: str = SERVER_CPU, settings: Mapping[str, str] | None = None) -> float:
        """Start it on what is in the folder. Returns the seconds from there to the first 200 of an authenticated
        call."""
        began = time.perf_counter()
        self.process = Process(
            [
                *self.program,
                "serve",
                "--host",
                "127.0.0.1",
                "--port",
                str(self.port),
                "--workers",
                str(workers),
                *self.database,
                "--rate-limit",
                "1000000000/minute,1000000000/hour",
                "--unauthenticated-limit",
                "none",
            ],
            cpus=cpus,
            log=WORK / "logs" / f"{self.folder.name}.log",
            env={
                "ROLLBOOK_OWNER_EMAIL": OWNER,
                "ROLLBOOK_OWNER_PASSWORD": PASSWORD,
                "ROLLBOOK_OWNER_KEY": self.key,
                "ROLLBOOK_LOG": "json",
                **self.environment,
                **(settings or {}),
            },
        )
        wait_for_answer(self.process, self.port, "/v1/users?limit=1", self.headers)
        return time.perf_counter() - began

    def calls_for(self, users: int, ids: Path) -> dict[str, Call]:
        new = {"name": "Charlie Mboya", "email": "c@N@@example.com", "password": PASSWORD}
        return {
            "W1": Call("GET", "/v1/users?limit=20&offset=@ID@", self.headers, ids=numbers(0, 20)),
            "W1d": Call("GET", "/v1/users?limit=20&offset=@ID@", self.headers, ids=numbers(users - 100, -20)),
            "W2": Call("GET", "/v1/users/@ID@", self.headers, ids=ids),
            "W3": Call("PUT", "/v1/users/@ID@", self.headers, '{"name": "Renamed @N@"}', ids),
            "W4": Call("POST", "/v1/users", self.headers, json.dumps(new)),
        }

    def write_ids(self, file: Path, count: int) -> None:
        """`count` ids from pages spread over the whole list, in a scrambled order."""
        total = self.total()
        pages = max(1, count // PAGE)
        ids = [id for page in range(pages) for id in self.page(page * total // pages)][:count]
        random.Random(2).shuffle(ids)
        file.write_text("\n".join(ids) + "\n")

    def all_ids(self) -> Iterator[str]:
        for offset in range(0, self.total(), PAGE):
            yield from self.page(offset)

    def page(self, offset: int) -> list[str]:
        return [user["id"] for user in json.loads(self.get(f"/v1/users?fields=id&limit={PAGE}&offset={offset}")[1])]

    def total(self) -> int:
        return int(self.get("/v1/users?limit=1")[0]["x-total-count"])

    def get(self, path: str) -> tuple[Mapping[str, str], bytes]:
        status, fields, body = call(self.port, "GET", path, self.headers)
        if status != 200:
            raise RuntimeError(f"{path} answered {status}: {body!r}")
        return fields, body
