"""What is lost with a machine of which Litestream has a copy; writes COPIES.md and copies.json.

    .venv/bin/python benchmarks/copies.py                       ten losses, some minutes
    .venv/bin/python benchmarks/copies.py --users 1000000       one with so many users in it: 1 GiB and 8 minutes for a million
    .venv/bin/python benchmarks/copies.py --rounds 0            only the page, from what is kept

Clients change their users without a pause and write down when each change was acknowledged. At a moment by chance every
process gets SIGKILL and the data folder is deleted. What the replica, a folder, then restores tells how much is missing,
and what it restores of a moment before, how far that is from the moment. Beside it: how long changes take with Litestream
and without.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import record
from argon2 import PasswordHasher
from people import PASSWORD, write_ndjson
from report import grid, keep, number
from tooling import install_litestream

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.callers import Connection
from tests.crash.load import WIDE
from tests.deploy.litestream import Copied, lose_machine, rows
from tests.deploy.programs import program, run
from tests.harness import Server, new_user
from tests.processes import EXECUTED

HERE = Path(__file__).parent
CLIENTS, WORKERS = 8, 2
LEAST, MOST = 5.0, 10.0
"""Seconds of load before the loss."""


class Change(NamedTuple):
    """A change that was acknowledged: seconds of `time.time` at which it was sent and answered."""

    number: int
    sent: float
    answered: float


class Writer(threading.Thread):
    """A client that counts in the metadata of a user of its own."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._server = server
        with server.http() as http:
            self.user = str(new_user(http)["id"])
        self.done: list[Change] = []

    def run(self) -> None:
        number = 0
        with suppress(OSError, HTTPException), Connection(self._server) as connection:
            while True:
                number += 1
                sent = time.time()
                answer = connection.call("PUT", f"/v1/users/{self.user}", {"metadata": {"count": number}})
                if answer.status == 200:
                    self.done.append(Change(number, sent, time.time()))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(";")[0])
    parser.add_argument("--rounds", type=int, default=10, help="losses of a machine (default 10)")
    parser.add_argument("--users", type=int, help="import so many before, for one loss")
    arguments = parser.parse_args()
    install_litestream()
    kept = HERE / "copies.json"
    chance = random.Random(1)
    with tempfile.TemporaryDirectory(dir=HERE, prefix="work-") as folder:
        if arguments.users:
            figures = origin() | loss(Path(folder) / "large", chance, arguments.users)
            keep(kept, "large", {"users": arguments.users, **figures})
        elif arguments.rounds:
            figures = origin()
            figures["rounds"] = [loss(Path(folder) / str(number), chance) for number in range(arguments.rounds)]
            figures["changes_ms"] = {
                "without": latencies(new(Server, Path(folder) / "without")),
                "with": latencies(new(Copied, Path(folder) / "with")),
            }
            figures["longest_lost_s"] = max(each["lost_s"] for each in figures["rounds"])
            keep(kept, "losses", figures)
    (HERE / "COPIES.md").write_text(page(json.loads(kept.read_text())))
    print("Written: benchmarks/COPIES.md, copies.json. `make docs` puts them on the pages.")


def origin() -> dict[str, Any]:
    figures = record.origin() | {"clients": CLIENTS, "workers": WORKERS}
    figures["machine"]["litestream"] = run(program("litestream"), "version").stdout.strip()
    return figures


def new(kind: type[Server], folder: Path) -> Server:
    folder.mkdir()
    return kind(folder / "data", "--workers", str(WORKERS), *WIDE, environment=EXECUTED)


def start(server: Server) -> list[Writer]:
    server.start()
    shutil.copy(server.data / "secret", server.data.with_name("secret"))
    writers = [Writer(server) for _ in range(CLIENTS)]
    if isinstance(server, Copied):
        server.wait_for_copy()
    for writer in writers:
        writer.start()
    return writers


def loss(folder: Path, chance: random.Random, users: int = 0) -> dict[str, float]:
    """One machine that is lost."""
    server = new(Copied, folder)
    assert isinstance(server, Copied)
    if users:
        fill(server, users)
    writers = start(server)
    time.sleep(chance.uniform(LEAST, MOST))
    size = sum(file.stat().st_size for file in server.data.glob("rollbook.db*"))
    lost_at = lose_machine(server)
    for writer in writers:
        writer.join()
    changes = [change for writer in writers for change in writer.done]
    # In the five minutes for which Litestream keeps what it copied apart, and after the writers had begun.
    moment = lost_at - chance.uniform(1, LEAST - 2)
    behind, ahead = off(counted(server.restore("earlier", "-timestamp", timestamp(moment))), writers, moment)
    began = time.perf_counter()
    data = server.restore("restored", checked=False)
    restored = time.perf_counter() - began
    kept = counted(data)
    missing = [change for writer in writers for change in writer.done if change.number > kept[writer.user]]
    again = Server(data, *WIDE, environment=EXECUTED, owner_key=server.key)
    began = time.perf_counter()
    again.start()
    started = time.perf_counter() - began
    again.stop()
    shutil.rmtree(folder)
    return {
        "acknowledged": len(changes),
        "lost": len(missing),
        "lost_s": round(max([0.0, *(lost_at - change.answered for change in missing)]), 3),
        "size_mib": record.rounded(size / 2**20),
        "restore_s": record.rounded(restored),
        "back_s": record.rounded(restored + started),
        "moment_behind_s": round(behind, 3),
        "moment_ahead": ahead,
    }


def fill(server: Server, users: int) -> None:
    """By `rollbook users import`, into the folder of a server that has not started yet."""
    file = server.data.with_name("people.ndjson")
    write_ndjson(file, users, PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(PASSWORD))
    plain = Server(server.data, owner_key=server.key)
    plain.start()
    plain.stop()
    plain.rollbook("users", "import", str(file), "--data", str(server.data))
    file.unlink()


def timestamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def counted(data: Path) -> dict[str, int]:
    """How far each writer's count is in what was restored."""
    users = rows(data, "SELECT id, metadata FROM users WHERE metadata LIKE '%count%'")
    found = {str(id): int(json.loads(str(metadata))["count"]) for id, metadata in users}
    return defaultdict(int, found)


def off(kept: Mapping[str, int], writers: Sequence[Writer], moment: float) -> tuple[float, int]:
    """Seconds by which the oldest missing change was answered before the moment, and how many are there that were sent
    after it."""
    missing = [
        change.answered
        for writer in writers
        for change in writer.done
        if change.number > kept[writer.user] and change.answered < moment
    ]
    ahead = [
        change
        for writer in writers
        for change in writer.done
        if change.number <= kept[writer.user] and change.sent > moment
    ]
    return moment - min(missing, default=moment), len(ahead)


def latencies(server: Server) -> dict[str, float]:
    writers = start(server)
    time.sleep(MOST)
    server.stop()
    for writer in writers:
        writer.join()
    taken = sorted((change.answered - change.sent) * 1000 for writer in writers for change in writer.done)
    return {
        "a second": record.rounded(len(taken) / MOST),
        "median": record.rounded(statistics.median(taken)),
        "99 %": record.rounded(taken[len(taken) * 99 // 100]),
        "longest": record.rounded(taken[-1]),
    }


def page(kept: dict[str, Any]) -> str:
    return "\n\n".join(parts(kept["losses"], kept.get("large"))) + "\n"


def parts(figures: dict[str, Any], large: dict[str, Any] | None) -> Iterator[str]:
    yield "# Copies by Litestream"
    yield "Written by `benchmarks/copies.py`; not edited by hand. The figures as data: [copies.json](copies.json)."
    yield record.caption(figures)
    yield (
        f"{figures['clients']} clients change users without a pause on a server with {figures['workers']} workers, which "
        "Litestream copies as `deploy/litestream.yml` says, into a folder. Then all processes are killed at once, and the "
        "data folder is deleted. Lost is what was acknowledged and is not in what is restored: how many changes, and how "
        "long before the loss the oldest of them was acknowledged. A server has answered again after the restore and its "
        "start. Then the database of a moment between the first and the last change is restored: how long before it the "
        "oldest missing change was acknowledged, and how many changes are there that were sent after it."
    )
    yield grid(COLUMNS, map(line, figures["rounds"]))
    yield f"At most **{figures['longest_lost_s']:.2f} s** were lost. How long changes take on this machine, in ms:"
    names = list(figures["changes_ms"]["with"])
    yield grid(
        ["", *names],
        [
            [f"{how} Litestream", *(number(figures["changes_ms"][how][name]) for name in names)]
            for how in ("without", "with")
        ],
    )
    if large:
        yield f"## {large['users']:,} users"
        yield record.caption(large)
        yield grid(COLUMNS, [line(large)])


COLUMNS = (
    "acknowledged",
    "lost",
    "seconds lost",
    "database, MiB",
    "restored in, s",
    "answers after, s",
    "moment: seconds missing",
    "moment: changes too many",
)


def line(each: dict[str, float]) -> list[str]:
    return [
        f"{each['acknowledged']:,.0f}",
        f"{each['lost']:,.0f}",
        f"{each['lost_s']:.2f}",
        f"{each['size_mib']:,.3g}",
        f"{each['restore_s']:.3g}",
        f"{each['back_s']:.3g}",
        f"{each['moment_behind_s']:.2f}",
        f"{each['moment_ahead']:,.0f}",
    ]


if __name__ == "__main__":
    main()
