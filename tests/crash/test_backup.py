"""A backup made beside writers, restored after everything was killed: by the commands that it prints."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import httpx2

from tests.cli.command import good, rollbook
from tests.crash.load import WIDE, kill_all
from tests.harness import Server, new_user, running


class Writer(threading.Thread):
    """Creates one user after another, and notes those that were acknowledged."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._server = server
        self.acknowledged: list[str] = []
        self.many = threading.Event()

    def run(self) -> None:
        try:
            with self._server.http() as http:
                while True:
                    self.acknowledged.append(new_user(http)["id"])
                    if len(self.acknowledged) >= 50:
                        self.many.set()
        except (httpx2.HTTPError, AssertionError):  # the server was killed
            pass


def test_what_was_acknowledged_before_a_backup_is_there_after_it_is_restored(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "copy.db"
    with running(data, *WIDE, "--workers", "2") as server:
        writers = [Writer(server) for _ in range(2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            assert writer.many.wait(60)
        before = [list(writer.acknowledged) for writer in writers]
        done = rollbook("backup", str(file), "--data", str(data))
        assert done.returncode == 0, done.stderr
        kill_all(server)
        for writer in writers:
            writer.join(60)
            assert not writer.is_alive()
        commands = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")]
        assert len(commands) == 2
        subprocess.run(["sh", "-ec", "\n".join(commands)], check=True)
        good("doctor", "--deep", "--data", str(data))
        server.start()
        with server.http() as http:
            for writer, early in zip(writers, before, strict=True):
                there = [http.get(f"/v1/users/{id}").status_code == 200 for id in writer.acknowledged]
                assert all(there[: len(early)])
                assert there == sorted(there, reverse=True), (
                    "it is the state of one moment: no later write without the earlier ones"
                )
            new_user(http)
