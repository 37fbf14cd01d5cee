"""Processes of a run: started in a session of their own, pinned to a core, their cost read from /proc, none left
behind."""

from __future__ import annotations

import contextlib
import http.client
import os
import platform
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
SERVER_CPU, CLIENT_CPU = "0", "1"  # a load client on the server's core would slow what it measures
BOTH_CPUS = "0,1"

_running: list[Process] = []


class Process:
    """A command and all its children. Its output goes to `log`, emptied first."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        cpus: str,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.log = log
        # pdeathsig: if this script is killed with SIGKILL, nothing is left to stop the server.
        wrapped = ["taskset", "-c", cpus, "setpriv", "--pdeathsig", "TERM", *map(str, command)]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                wrapped,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        self.pid = self._process.pid
        _running.append(self)

    def alive(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended; its session is then emptied."""
        status = self._process.wait(timeout)
        self.stop()
        return status

    def stop(self) -> None:
        """SIGTERM to the leader, which is to end its children; after 12 s SIGKILL to whatever is left of the group."""
        if self.alive():
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(12)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        if self in _running:
            _running.remove(self)

    def pids(self) -> list[int]:
        """Every process of the session that `command` leads."""
        return [pid for pid, fields in stat() if int(fields[3]) == self.pid]

    def cpu_seconds(self) -> float:
        """User and system time of the processes of this session, ended children included. Resolution 10 ms."""
        return sum(sum(map(int, fields[11:15])) for _, fields in stat() if int(fields[3]) == self.pid) / TICK

    def exact_cpu_seconds(self) -> float:
        """The same of the threads that are alive, in nanoseconds (schedstat): short runs on a busy machine need it."""
        total = 0
        for pid in self.pids():
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    total += int((thread / "schedstat").read_text().split()[0])
        return total / 1e9

    def memory_mib(self) -> float:
        """Proportional set size: memory shared with other processes counts in parts, so that a sum over processes is
        right."""
        return sum(self.memory_by_process().values())

    def memory_by_process(self) -> dict[int, float]:
        return {pid: _pss_mib(pid) for pid in self.pids()}

    def settle(self, limit: float = 20.0) -> float:
        """Wait until it has no more than 2 % of a core to do, `limit` seconds at most. Returns the CPU seconds that
        this took."""
        began, before = time.monotonic(), self.cpu_seconds()
        last, quiet = before, 0
        while quiet < 2 and time.monotonic() - began < limit:
            time.sleep(0.25)
            now = self.cpu_seconds()
            quiet = quiet + 1 if now - last <= 0.005 else 0
            last = now
        return last - before


@contextlib.contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Stops every process started inside, however this ends: by its end, an error, Ctrl-C, SIGTERM or a closed
    terminal."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        yield
    finally:
        for process in reversed(_running.copy()):
            process.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(
    port: int,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 60,
) -> tuple[int, Mapping[str, str], bytes]:
    """One request on a connection of its own: status, header fields with lower-case names, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def wait_for_answer(
    process: Process, port: int, path: str, headers: Mapping[str, str] | None = None, timeout: float = 60
) -> None:
    """Until `path` answers 200. Raises RuntimeError with the end of the server's log when it stops or takes longer."""
    end = time.monotonic() + timeout
    status = 0
    while process.alive() and time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _, _ = call(port, "GET", path, headers, timeout=5)
            if status == 200:
                return
        time.sleep(0.005)
    tail = process.log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"No 200 from {path} (last status {status or 'none'}). The end of {process.log.name}:\n{tail}")


def require_two_cores() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("The benchmarks need two cores: one for the server, one for the client.")


def description() -> dict[str, str]:
    """What a reader needs to judge the figures: processor, kernel, versions."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    return {
        "processor": f"{model or platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{release.get('PRETTY_NAME', platform.system())}, Linux {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def stat() -> Iterator[tuple[int, list[str]]]:
    """Process id and the fields of /proc/PID/stat after the name: state, parent, group, session, … (proc(5))."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                text = (folder / "stat").read_text()
                yield int(folder.name), text[text.rindex(")") + 2 :].split()


def _pss_mib(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
