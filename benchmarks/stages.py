"""Where the time of a read goes: µs of each stage in a warm loop without sockets, and the calls and files that one
request walks through.

    .venv/bin/python benchmarks/stages.py [--users 2000] [--before COMMIT] [--write]

Of another commit, only whole requests can be measured: its stages are others.

On the wire the same code costs half as much again, since other code runs in between and the caches are cold: compare
tables of this program with each other, and costs of requests with `alternate.py`. CPU time counts, the lowest of many
rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import random
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from people import people
from report import grid

from rollbook.actions import keys, users
from rollbook.actions.arguments import Email, Name
from rollbook.actions.arguments.keys import KeyCreate
from rollbook.actions.arguments.users import UserCreate
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI
from rollbook.app import App
from rollbook.config import Settings
from rollbook.http.connection import Connection
from rollbook.http.worker import Worker
from rollbook.quota import Limit
from rollbook.records.connect import connect
from rollbook.storage import migrate

ROUNDS, REPEATED = 30, 400
ABOUT = """# Where the time of a read goes

Written by `benchmarks/stages.py --before d55413e --write`; not edited by hand. Warm loops without sockets, {when}, {python}. CPU time, the lowest of
many rounds. A stage is part of those that are named above it where its name says so; their sum is less than the whole, whose code does not
stay in the caches.

"""


class Wire(asyncio.Transport):
    """Takes what a connection writes."""

    last = b""
    is_secure, is_open = False, True

    def write(self, data: Any) -> None:
        self.last = data

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True


class Bench:
    """A server's application in this process, with users and a key."""

    def __init__(self, folder: Path, count: int) -> None:
        # Limits that are counted and never reached; the request log goes to a file that forgets it.
        limit = Limit.parse("1000000000/minute,1000000000/hour")
        self.settings = Settings(
            data=folder / "data", rate_limit=limit, log="json", password_memory=8, password_time_cost=1
        )
        db = connect(self.settings, for_migration=True)
        migrate.migrate(db)
        on = Rollbook(self.settings, db)
        owner = on.run(
            users.create(
                on, CLI, UserCreate(name=Name("Olivia Owner"), email=Email("olivia@example.com"), role="owner")
            )
        )
        self.key = on.run(keys.create(on, CLI, KeyCreate(name="bench", user_id=owner.id))).token
        made = people(count)
        self.ids = [
            on.run(users.create(on, CLI, UserCreate(name=Name(each.name), email=Email(each.email)))).id for each in made
        ]
        db.close()

    async def start(self) -> None:
        self.app = App(self.settings)
        self.app._access_log._descriptor = os.open(os.devnull, os.O_WRONLY)
        await self.app.start()
        self.worker = Worker(self.settings, self.app, asyncio.get_running_loop())
        # At earlier commits there is no door that addresses enter by.
        door = getattr(self.worker, "door", None)
        self.connection = Connection(self.worker, *() if door is None else (door.enter("127.0.0.1"),))
        self.wire = Wire()
        self.connection.connection_made(self.wire)  # type: ignore[bad-argument-type]
        await asyncio.sleep(0.5)

    def request(self, target: str, more: str = "") -> bytes:
        return (
            f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nAuthorization: Bearer {self.key}\r\n{more}\r\n".encode()
        )


def at_once(answer: Any) -> Any:
    """What it is, or what it comes to without waiting."""
    if not isinstance(answer, Coroutine):
        return answer
    try:
        answer.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a read waited")


async def lowest(work: Callable[[int], object]) -> float:
    """Microseconds of CPU of one call."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time_ns()
        for number in range(REPEATED):
            work(number)
        best = min(best, (time.thread_time_ns() - began) / REPEATED / 1000)
        await asyncio.sleep(0)  # what is logged by handfuls, and jobs
    return best


async def whole(bench: Bench) -> dict[str, float]:
    """Requests from their bytes to those of the answer."""
    receive = bench.connection.data_received
    chosen = random.Random(1).choices(bench.ids, k=REPEATED)
    gets = [bench.request(f"/v1/users/{id}") for id in chosen]
    lists = [bench.request(f"/v1/users?limit=20&offset={20 * (number % 5)}") for number in range(REPEATED)]
    other = [bench.request(f"/v1/users/{id}", f"X-Request-Id: {number}\r\n") for number, id in enumerate(chosen)]
    table = {
        "GET /v1/users/{userId}, bytes to bytes": await lowest(lambda number: receive(gets[number])),
        "the same, another head each time": await lowest(lambda number: receive(other[number])),
        "GET /v1/users?limit=20&offset=…, bytes to bytes": await lowest(lambda number: receive(lists[number])),
    }
    assert bench.wire.last.startswith(b"HTTP/1.1 200 OK\r\n"), bench.wire.last
    return table


async def stages(bench: Bench) -> dict[str, float]:
    from rollbook.http import sending
    from rollbook.http.reader import Reader
    from rollbook.http.request import Request
    from rollbook.http.routing import settled
    from rollbook.records import users as user_records

    app, worker = bench.app, bench.worker
    chosen = random.Random(1).choices(bench.ids, k=REPEATED)
    gets = [bench.request(f"/v1/users/{id}") for id in chosen]
    other = [bench.request(f"/v1/users/{id}", f"X-Request-Id: {number}\r\n") for number, id in enumerate(chosen)]
    got: list[Any] = []
    known, parsed = (
        Reader(worker.rules, lambda message, keep: got.append(message), "127.0.0.1", False) for _ in range(2)
    )
    known.feed(gets[0])
    parsed.feed(other[0])
    request: Request = got[0]
    find, gate, perform = app._routes.find, app._router.gate, app._routes.answer
    found, _ = app._routes.find(request.path) or (None, ())
    assert found is not None
    response = await settled(app.answer(request))
    records = app._db

    def fresh() -> Request:
        return Request("GET", request.path, "", request.headers, b"", "127.0.0.1", False, request.id, 1)

    def drive(number: int) -> object:
        return at_once(user_records.get(records, chosen[number]))

    def one(call: Callable[[Request], object]) -> Callable[[int], object]:
        return lambda number: call(request)

    return {
        "reader, known head": await lowest(lambda number: (known.feed(gets[number]), got.clear())),
        "reader, llhttp": await lowest(lambda number: (parsed.feed(other[number]), got.clear())),
        "route": await lowest(lambda number: find(request.path)),
        "gate: caller and limits": await lowest(one(lambda request: at_once(gate.admit(request)))),
        "Routes.answer: route, gate, plan": await lowest(one(lambda request: at_once(perform(request)))),
        "App.answer": await lowest(one(lambda request: at_once(app.answer(request)))),
        "records: SQL and User": await lowest(drive),
        "wire.encode": await lowest(
            lambda number: sending.encode(response, worker.common[False], request.id, request.head)
        ),
        "App.finished, with what follows by handfuls": await lowest(lambda number: app.finished(request, 200, 400)),
        "Request": await lowest(lambda number: fresh()),
    }


def walk(connection: Connection, data: bytes) -> dict[str, int]:
    """Calls of our own functions, files they are in, and calls of functions in C, for one request."""
    calls, files, native = 0, set(), 0

    def profile(frame: Any, event: str, _argument: object) -> None:
        nonlocal calls, native
        place = frame.f_code.co_filename
        if "/rollbook/" not in place:
            return
        if event == "call":
            calls += 1
            files.add(place)
        elif event == "c_call":
            native += 1

    sys.setprofile(profile)
    connection.data_received(data)
    sys.setprofile(None)
    return {"calls": calls, "files": len(files), "calls of C": native}


async def measured(bench: Bench, with_stages: bool = True) -> tuple[dict[str, float], dict[str, int]]:
    await bench.start()
    gc.collect()
    gc.freeze()
    table = await whole(bench)
    if with_stages:
        table |= await stages(bench)
    # The least: now and then the gate asks whether a key was revoked, or a handful is full.
    data = bench.request(f"/v1/users/{bench.ids[1]}")
    walked = min((walk(bench.connection, data) for _ in range(8)), key=lambda found: found["calls"])
    await bench.app.stop()
    bench.worker.close()
    return table, walked


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/stages.py", description="µs of each stage of a read.")
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--before", metavar="COMMIT", help="whole requests at another commit as well")
    parser.add_argument("--write", action="store_true", help="write STAGES.md as well")
    parser.add_argument("--whole", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        table, walked = asyncio.run(measured(Bench(Path(folder), asked.users), not asked.whole))
    if asked.whole:
        print(json.dumps([table, walked]))
        return
    before, walked_before = at_commit(asked.before, asked.users) if asked.before else ({}, {})
    heads, rows = ["stage", "µs"], [[name, f"{value:.2f}"] for name, value in table.items()]
    if asked.before:
        heads.append(f"at {asked.before}, µs")
        rows = [[*row, f"{before[row[0]]:.2f}" if row[0] in before else ""] for row in rows]
    found = grid(heads, rows) + f"\n\n`GET /v1/users/{{userId}}` walks through {said(walked)}"
    found += f"; at {asked.before} through {said(walked_before)}." if asked.before else "."
    print(found)
    if asked.write:
        (Path(__file__).parent / "STAGES.md").write_text(
            ABOUT.format(when=f"{datetime.now(UTC):%Y-%m-%d}", python=python()) + found + "\n"
        )


def said(walked: dict[str, int]) -> str:
    return ", ".join(f"{value} {name}" for name, value in walked.items())


def at_commit(commit: str, users: int) -> tuple[dict[str, float], dict[str, int]]:
    """The same of another commit, on its own packages."""
    from alternate import checked_out
    from load import WORK
    from tooling import runtime_of

    with checked_out(commit) as source:
        command = [runtime_of(source, WORK / "alternate-venv"), __file__, "--whole", "--users", str(users)]
        paths = {"PYTHONPATH": str(source / "src")}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, **paths})
    table, walked = json.loads(done.stdout)
    return table, walked


def python() -> str:
    optimized = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"Python {platform.python_version()}{'' if optimized else ', built without --enable-optimizations'}"


if __name__ == "__main__":
    main()
