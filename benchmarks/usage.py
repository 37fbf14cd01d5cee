"""What counting and logging a request costs, alone: on the event loop, in the writer's thread, and in SQLite.

    taskset -c 1 .venv/bin/python benchmarks/usage.py

10,000 requests are noted and written as a server does it: all of one user, of a hundred users, and of as many users as
requests. Prints microseconds of CPU for a request, the least of many runs, since whoever shares the machine only adds
to it.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rollbook import clock
from rollbook.http.request import Request, RequestIds
from rollbook.jobs.schedule import BATCH, BUCKET, HANDFUL
from rollbook.observe.usage_buffer import UsageBuffer
from rollbook.records import usage
from rollbook.storage import migrate
from rollbook.storage.sqlite import SQLite

REQUESTS = 10_000
RUNS = 40

NOTING = "noted"
PREPARING = "made ready"
HANDING_OVER = "handed to SQLite"
LOOP = "in all, with the interpreter's lock held"
SQLITE = "SQLite, without it"
LONGEST = "longest stop of the loop"


def requests(users: int) -> list[Request]:
    """As the parser makes them: nothing of one is shared with the next."""
    new_id = RequestIds()
    made = []
    for number in range(REQUESTS):
        user = number % users
        fields = {
            "host": "127.0.0.1:8000",
            "user-agent": "python-httpx2/2.16.2",
            "accept": "*/*",
            "accept-encoding": "gzip, deflate, br",
            "connection": "keep-alive",
            "authorization": f"Bearer rbk_{user:038}",
        }
        headers = {name.encode(): value.encode() for name, value in fields.items()}
        request = Request("GET", f"/v1/users/user_{number:026}", "", headers, b"", "127.0.0.1", False, new_id(), 0)
        request.user_id, request.key_id = f"user_{user:026}", f"key_{user:026}"
        made.append(request)
    return made


async def run(db: SQLite, bound: sqlite3.Connection, made: Sequence[Request]) -> dict[str, float]:
    """Seconds of each part."""
    buffer = UsageBuffer(lines=True)
    seconds = dict.fromkeys((NOTING, PREPARING, HANDING_OVER, LOOP, SQLITE, LONGEST), 0.0)
    began = time.thread_time()
    for request in made:
        request.status, request.microseconds, request.answered_at = 200, 70, clock.now()
        buffer.add([request])
    buffer.flush()
    seconds[NOTING] = time.thread_time() - began
    while buckets := buffer.peek(BATCH):
        buffer.ack(len(buckets))
        batch = usage.UsageBatch()
        began, done = time.thread_time(), 0
        for bucket in buckets:
            batch.add(bucket)
            done += BUCKET + len(bucket.lines)
            if done >= HANDFUL or bucket is buckets[-1]:
                step = time.thread_time() - began
                seconds[PREPARING] += step
                seconds[LONGEST] = max(seconds[LONGEST], step)
                began, done = time.thread_time(), 0
        before = _other_threads()
        await db.write(usage.add, batch)
        seconds[SQLITE] += _other_threads() - before
        began = time.thread_time()
        for statement, values in batch.statements():
            bound.execute(f"EXPLAIN {statement}", values).close()  # takes the values and does nothing with them
        seconds[HANDING_OVER] += time.thread_time() - began
    seconds[LOOP] = seconds[NOTING] + seconds[PREPARING] + seconds[HANDING_OVER]
    seconds[SQLITE] -= seconds[HANDING_OVER]
    return seconds


def _other_threads() -> float:
    return time.process_time() - time.thread_time()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rollbook.db"
        with closing(SQLite.open(path)) as db, closing(sqlite3.connect(path)) as bound:
            migrate.migrate(db)
            for users in (1, 100, REQUESTS):
                made = requests(users)
                gc.collect()
                gc.freeze()  # as a server does once it has started
                runs = [asyncio.run(run(db, bound, made)) for _ in range(RUNS)]
                print(f"{users} users:")
                for name in runs[0]:
                    least = min(each[name] for each in runs)
                    print(f"  {name:<42}{least * 1e6 / (1 if name == LONGEST else REQUESTS):8.2f} µs")
                asyncio.run(db.write(forget))


async def forget(tx: object) -> None:
    for table in ("usage", "request_log", "request_log_sizes"):
        await tx.run(f"DELETE FROM {table}")  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
