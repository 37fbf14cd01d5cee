"""Servers that Litestream has started and copies, by deploy/litestream.yml and litestream.conf."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.crash.load import check_file
from tests.deploy.programs import DEPLOY, program, run
from tests.harness import PATIENCE, Server
from tests.processes import children

CONFIG = (DEPLOY / "litestream.yml").read_text()
[COMMAND] = [
    line.removeprefix("ExecStart=")
    for line in (DEPLOY / "litestream.conf").read_text().splitlines()
    if line.startswith("ExecStart=/")
]
EVENTS = "SELECT count(*), max(seq) FROM events"


class Copied(Server):
    """A server that Litestream has started by the line of the drop-in, with its configuration but for the paths."""

    @property
    def replica(self) -> Path:
        return self.data.with_name("replica")

    def command(self) -> list[str]:
        config = self.data.with_name("litestream.yml")
        config.write_text(
            CONFIG.replace("/var/lib/rollbook", str(self.data)).replace("/backup/rollbook", str(self.replica))
        )
        here = {
            "/opt/rollbook/bin/litestream": program("litestream"),
            "/opt/rollbook/bin/rollbook serve": shlex.join(super().command()),
            "/etc/rollbook/litestream.yml": str(config),
        }
        return [here.get(word, word) for word in shlex.split(COMMAND)]

    def restore(self, name: str, *options: str, checked: bool = True) -> Path:
        """The folder of a server with what the replica holds, and with the secret that was kept elsewhere."""
        data = self.data.with_name(name)
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(mode=0o700)
        url = f"file://{self.replica}"
        run(program("litestream"), "restore", *options, "-o", data / "rollbook.db", url)
        shutil.copy(self.data.with_name("secret"), data / "secret")
        if checked:
            check_file(data)
        return data

    def files(self) -> set[Path]:
        """What has reached the replica."""
        return set(self.replica.rglob("*.ltx"))

    def wait_for_copy(self) -> None:
        """Until the replica has all that is in the database."""
        wait(self.files)
        wait(lambda: rows(self.restore("tried"), EVENTS) == rows(self.data, EVENTS))


def wait(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def rows(data: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(data / "rollbook.db")) as database:
        return database.execute(sql).fetchall()


def lose_machine(server: Server) -> float:
    """Every process dies at the same moment, and the disk is gone. Returns when that was, in seconds of `time.time`."""
    assert server.process is not None
    processes = [server.process.pid]
    for process in processes:
        processes += children(process)
    now = time.time()
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            os.kill(process, number)
    server.stop(signal.SIGKILL)
    shutil.rmtree(server.data)
    return now
