"""The PostgreSQL of a run: as durable as it comes, on the client's core, its CPU time read from /proc."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from machine import TICK, stat

from tests.postgres import Cluster

SETTINGS = ("shared_buffers=1GB", "max_wal_size=4GB", "maintenance_work_mem=1GB", "checkpoint_timeout=15min")
"""Otherwise as it is after `initdb`: fsync, full_page_writes and synchronous_commit are on."""


class Database(Cluster):
    """Runs on the cores that this process may use when it starts. A new one each time, since the settings of a run are
    part of its figures."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        super().__init__(*SETTINGS, folder=folder)
        self.initialise()

    def create(self, name: str) -> str:
        """The address of an empty database."""
        self.ask(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.ask(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def move_to(self, cpus: str) -> None:
        """Bind it, and what it starts later, to these cores."""
        allowed = set(map(int, cpus.split(",")))
        for pid, _ in self._processes():
            os.sched_setaffinity(pid, allowed)

    def cpu_seconds(self) -> float:
        """User and system time of the postmaster and all its children, ended ones included. Resolution 10 ms each."""
        return sum(sum(map(int, fields[11:15])) for _, fields in self._processes()) / TICK

    def _processes(self) -> list[tuple[int, list[str]]]:
        """Its children have sessions of their own, so it is the parent that tells them."""
        assert self.process is not None
        leader = self.process.pid
        return [(pid, fields) for pid, fields in stat() if pid == leader or int(fields[1]) == leader]
