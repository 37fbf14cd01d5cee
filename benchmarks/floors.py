"""What the machine allows with no HTTP and no rules: SQLite read and written straight from Python, argon2 alone. Prints
one line of JSON."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from argon2.low_level import Type, hash_secret_raw
from people import people


def main(folder: Path, users: int, seconds: float) -> dict[str, float]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    database = sqlite3.connect(folder / "floor.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT, email TEXT UNIQUE, created_at INTEGER)")
    database.execute("CREATE INDEX users_by_age ON users (created_at, id)")
    choose = random.Random(2)
    ids = [f"user_{choose.getrandbits(130):026x}" for _ in range(users)]
    database.execute("BEGIN")
    database.executemany(
        "INSERT INTO users VALUES (?, ?, ?, ?)",
        ((id, *person, n) for n, (id, person) in enumerate(zip(ids, people(users), strict=True))),
    )
    database.execute("COMMIT")
    choose.shuffle(ids)
    counter = iter(range(1 << 40))

    def page() -> None:
        database.execute(
            "SELECT id, name, email, created_at FROM users ORDER BY created_at, id LIMIT 20 OFFSET 0"
        ).fetchall()

    def deep_page() -> None:
        database.execute(
            "SELECT id, name, email, created_at FROM users ORDER BY created_at, id LIMIT 20 OFFSET ?", (users - 100,)
        ).fetchall()

    def get() -> None:
        database.execute(
            "SELECT id, name, email, created_at FROM users WHERE id = ?", (ids[next(counter) % users],)
        ).fetchone()

    def update() -> None:
        number = next(counter)
        database.execute("UPDATE users SET name = ? WHERE id = ?", (f"Renamed {number}", ids[number % users]))

    figures = {
        "W1": cost(page, seconds),
        "W1d": cost(deep_page, seconds),
        "W2": cost(get, seconds),
        "W3": cost(update, seconds),
    }
    return figures | {"hashes_per_second": hashes_per_second(1, max(seconds, 2))}


def cost(work: Callable[[], None], seconds: float) -> float:
    """CPU microseconds of one call. What the kernel does for an fsync after the call returns is not in it."""
    for _ in range(20):
        work()
    calls, end, began = 0, time.perf_counter() + seconds, time.process_time()
    while time.perf_counter() < end:
        work()
        calls += 1
    return (time.process_time() - began) / calls * 1e6


def hashes_per_second(threads: int, seconds: float) -> float:
    """argon2id as we use it (19 MiB, t=2, p=1), in so many threads; the library lets go of the GIL."""
    done = [0] * threads
    began = time.perf_counter()

    def work(index: int) -> None:
        while time.perf_counter() - began < seconds:
            hash_secret_raw(b"orchard lantern 42 river", b"0123456789abcdef", 2, 19_456, 1, 32, Type.ID)
            done[index] += 1

    workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done) / (time.perf_counter() - began)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
