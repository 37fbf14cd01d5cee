"""uvicorn (httptools, uvloop) with answers made beforehand (`apps/bare.py`): what HTTP alone costs in Python, with
nothing behind it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from load import WORK, Call
from machine import SERVER_CPU, Process, free_port, wait_for_answer

from peers.environment import program, versions

APPS = Path(__file__).parent / "apps"


class Bare:
    name = "bare uvicorn"
    calls: Mapping[str, Call] = {}

    def __init__(self) -> None:
        self.folder = WORK / "bare"
        self.port = free_port()

    def version(self) -> str:
        return versions("uvicorn", "httptools", "uvloop")

    def start(self, users: int) -> None:
        self.process = Process(
            [
                program("uvicorn"),
                "bare:app",
                "--app-dir",
                APPS,
                "--host",
                "127.0.0.1",
                "--port",
                str(self.port),
                "--loop",
                "uvloop",
                "--http",
                "httptools",
                "--lifespan",
                "off",
                "--no-access-log",
            ],
            cpus=SERVER_CPU,
            log=WORK / "logs" / "bare.log",
        )
        wait_for_answer(self.process, self.port, "/v1/users")
        self.calls = {"W1": Call("GET", "/v1/users"), "W2": Call("GET", "/v1/users/user_06ck3v8sn5p7p0m4q2h1t9d6bg")}
