"""Machines with services: started in their order, started again when they end, killed, paused and switched off."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import network


@dataclass
class Service:
    """A program that a machine keeps running, as systemd does."""

    name: str
    command: Sequence[str]
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    restart: float = 2.0
    """Seconds until it is started again (RestartSec)."""
    clock: int = 0
    """Seconds by which its clock is wrong when it starts next (libfaketime)."""
    process: subprocess.Popen[bytes] | None = None
    ended_at: float = 0.0
    started: int = 0


class Machine:
    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name = name
        self.address = address
        self.folder = folder
        self.services: dict[str, Service] = {}
        self.is_on = False
        self._lock = threading.RLock()

    def add(self, service: Service) -> None:
        """It starts with the machine, or soon where that runs."""
        with self._lock:
            self.services[service.name] = service

    def switch_on(self) -> None:
        with self._lock:
            self.is_on = True
            network.mend(self.name)
            for service in self.services.values():
                self._start(service)

    def look_after(self) -> None:
        """Start again what has ended."""
        with self._lock:
            if not self.is_on:
                return
            for service in self.services.values():
                if service.process is not None and service.process.poll() is not None:
                    service.process, service.ended_at = None, time.monotonic()
                if service.process is None and time.monotonic() - service.ended_at >= service.restart:
                    self._start(service)

    def _start(self, service: Service) -> None:
        with open(self.folder / f"{service.name}.log", "ab") as log:
            service.process = subprocess.Popen(
                network.command_on(self.name, [*with_clock(service.clock), *service.command], service.user),
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **service.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        service.started += 1

    def kill(self, name: str) -> None:
        """kill -9 of a service's first process."""
        process = self.services[name].process
        if process is not None:
            kill([process.pid])

    def restart(self, name: str, seconds: float = 20) -> None:
        """As an administrator does."""
        with self._lock:
            service = self.services[name]
            if service.process is not None:
                service.process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    service.process.wait(seconds)
                service.process.kill()
                service.process.wait()
            self._start(service)

    def switch_off(self) -> None:
        """All its processes at once, as when the power fails: no one is told, connections stay open without an end."""
        with self._lock:
            self.is_on = False
            network.cut(self.name, "both")
            found = self.pause()
            kill(found)
            self._wait_for_end()

    def pause(self) -> list[int]:
        """Nothing on it goes on, until `wake`."""
        stopped: dict[int, None] = {}
        while new := [pid for pid in network.processes(self.name) if pid not in stopped]:
            for pid in new:
                stopped[pid] = None
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
        return list(stopped)

    def _wait_for_end(self) -> None:
        for service in self.services.values():
            if service.process is not None:
                service.process.wait(30)
                service.process = None
        until = time.monotonic() + 30
        while network.processes(self.name) and time.monotonic() < until:
            time.sleep(0.05)

    def tell(self) -> str:
        """States of its services, for people."""
        return " ".join(
            f"{name}{'' if service.process is not None and service.process.poll() is None else ' (down)'}"
            for name, service in self.services.items()
        )


def with_clock(seconds: int) -> list[str]:
    """What a command begins with, so that its clock is wrong by so much. Not for programs that change the user: libfaketime
    shares memory with what is executed next, which would wait for it for good."""
    if not seconds:
        return []
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return ["env", f"LD_PRELOAD={library}", f"FAKETIME={seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC=1"]


def wake(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
