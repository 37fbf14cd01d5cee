"""Ours on PostgreSQL: as shipped, with a database that `fill.py` has filled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from argon2 import PasswordHasher
from cluster import Database
from fill import fill
from load import Call
from machine import SERVER_CPU
from people import PASSWORD

from peers.rollbook import Rollbook

SAMPLE = 100_000  # users that are asked for


class RollbookPostgresql(Rollbook):
    def __init__(self, database: Database, name: str = "rollbook") -> None:
        super().__init__("rollbook-postgresql")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._url = database.create(name)
        self._ids = self.folder / "ids"

    @property
    def database(self) -> tuple[str | Path, ...]:
        return "--database", self._url, "--data", self.folder / "data"

    def load(self, users: int, say: Callable[[str], None] = lambda text: None) -> None:
        """Its tables, made by a first start, and `users` users in them."""
        self.serve()
        self.process.stop()
        hash = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(PASSWORD)
        ids = asyncio.run(fill(self._url, users, hash, min(users, SAMPLE), say))
        random.Random(2).shuffle(ids)
        self._ids.write_text("\n".join(ids) + "\n")
        terms = self.folder / "terms"
        terms.write_text(
            "".join(f"user{number}@\n" for number in random.Random(3).sample(range(users), min(users, 10_000)))
        )
        self.calls = {
            **self.calls_for(users, self._ids),
            "W6": Call("GET", "/v1/users?limit=20&q=@ID@", self.headers, ids=terms),
        }

    def run(self, workers: int = 1, cpus: str = SERVER_CPU) -> float:
        """Start it on what was loaded. Returns the seconds from there to the first 200 of an authenticated call."""
        return self.serve(workers=workers, cpus=cpus)
