"""The servers of a run, one file each: how it is installed, filled, started and asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from load import Call
from machine import Process


class Server(Protocol):
    """A server under measurement. `calls` maps a workload (`W1`, …) to its request; one that is missing is not
    measured."""

    name: str
    port: int
    process: Process
    calls: Mapping[str, Call]

    def version(self) -> str:
        """Names and versions, for the table's caption."""
        ...


class Peer(Server, Protocol):
    """One that brings its own database."""

    folder: Path

    def start(self, users: int) -> None:
        """Fill a new data folder with `users` users, start the server on one core, return once it answers, `calls`
        ready."""
        ...
