"""What is lost with a machine of which Litestream has a copy; writes COPIES.md and copies.json.

    .venv/bin/python benchmarks/copies.py               ten losses, some minutes
    .venv/bin/python benchmarks/copies.py --rounds 3

Clients change their users without a pause and write down when each change was acknowledged. At a moment by chance every
process gets SIGKILL and the data folder is deleted. What the replica, a folder, then restores tells how much is missing.
Beside it: how long changes take with Litestream and without. How long a restore takes by size is in GROWTH.md.
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
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import record
from report import grid, keep

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


class Writer(threading.Thread):
    """A client that counts in the metadata of a user of its own. `done` has each number and when it was acknowledged."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._server = server
        with server.http() as http:
            self.user = str(new_user(http)["id"])
        self.done: list[tuple[int, float]] = []
        self.seconds: list[float] = []

    def run(self) -> None:
        number = 0
        with suppress(OSError, HTTPException), Connection(self._server) as connection:
            while True:
                number += 1
                began = time.time()
                answer = connection.call("PUT", f"/v1/users/{self.user}", {"metadata": {"count": number}})
                if answer.status == 200:
                    self.done.append((number, time.time()))
                    self.seconds.append(time.time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(";")[0])
    parser.add_argument("--rounds", type=int, default=10, help="losses of a machine (default 10)")
    arguments = parser.parse_args()
    figures = record.origin() | {"clients": CLIENTS, "workers": WORKERS}
    figures["machine"]["litestream"] = run(program("litestream"), "version").stdout.strip()
    chance = random.Random(1)
    with tempfile.TemporaryDirectory(dir=HERE, prefix="work-") as folder:
        figures["rounds"] = [loss(Path(folder) / str(number), chance) for number in range(arguments.rounds)]
        figures["changes_ms"] = {
            "without": latencies(new(Server, Path(folder) / "without")),
            "with": latencies(new(Copied, Path(folder) / "with")),
        }
    figures["longest_lost_s"] = max(each["lost_s"] for each in figures["rounds"])
    keep(HERE / "copies.json", "litestream", figures)
    (HERE / "COPIES.md").write_text("\n\n".join(page(figures)) + "\n")
    print("Written: benchmarks/COPIES.md, copies.json")


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


def loss(folder: Path, chance: random.Random) -> dict[str, float]:
    """One machine that is lost."""
    server = new(Copied, folder)
    writers = start(server)
    time.sleep(chance.uniform(LEAST, MOST))
    lost_at = lose_machine(server)
    for writer in writers:
        writer.join()
    began = time.perf_counter()
    assert isinstance(server, Copied)
    data = server.restore("restored")
    seconds = time.perf_counter() - began
    kept = {str(id): str(metadata) for id, metadata in rows(data, "SELECT id, metadata FROM users")}
    missing = [
        when
        for writer in writers
        for number, when in writer.done
        if number > json.loads(kept[writer.user]).get("count", 0)
    ]
    shutil.rmtree(folder)
    return {
        "acknowledged": sum(len(writer.done) for writer in writers),
        "lost": len(missing),
        "lost_s": round(max([0.0, *(lost_at - when for when in missing)]), 3),
        "restore_s": round(seconds, 2),
    }


def latencies(server: Server) -> dict[str, float]:
    writers = start(server)
    time.sleep(MOST)
    server.stop()
    for writer in writers:
        writer.join()
    taken = sorted(seconds * 1000 for writer in writers for seconds in writer.seconds)
    return {
        "a second": record.rounded(len(taken) / MOST),
        "median": record.rounded(statistics.median(taken)),
        "99 %": record.rounded(taken[len(taken) * 99 // 100]),
        "longest": record.rounded(taken[-1]),
    }


def page(figures: dict[str, Any]) -> Iterator[str]:
    yield "# Copies by Litestream"
    yield "Written by `benchmarks/copies.py`; not edited by hand. The figures as data: [copies.json](copies.json)."
    yield record.caption(figures)
    yield (
        f"{figures['clients']} clients change users without a pause on a server with {figures['workers']} workers, which "
        "Litestream copies as `deploy/litestream.yml` says, into a folder. Then all processes are killed at once, and the "
        "data folder is deleted. Lost is what was acknowledged and is not in what is restored: how many changes, and how "
        "long before the loss the oldest of them was acknowledged."
    )
    yield grid(
        ["acknowledged", "lost", "seconds lost", "restored in, s"],
        [
            [
                f"{each['acknowledged']:,.0f}",
                f"{each['lost']:,.0f}",
                f"{each['lost_s']:.2f}",
                f"{each['restore_s']:.1f}",
            ]
            for each in figures["rounds"]
        ],
    )
    yield f"At most **{figures['longest_lost_s']:.2f} s** were lost. How long changes take on this machine, in ms:"
    names = list(figures["changes_ms"]["with"])
    yield grid(
        ["", *names],
        [
            [f"{how} Litestream", *(f"{figures['changes_ms'][how][name]:,.3g}" for name in names)]
            for how in ("without", "with")
        ],
    )


if __name__ == "__main__":
    main()
