"""Load on a server: wrk on a core of its own, one thread, keep-alive connections."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from machine import CLIENT_CPU, Process

HERE = Path(__file__).parent
WORK = HERE / "work"

_runs = itertools.count()


@dataclass(frozen=True)
class Call:
    """What is asked for. `@ID@` in the path or body becomes the lines of the file `ids` in turn; `@N@` in the body is
    different each time."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    ids: Path | None = None


def numbers(first: int, step: int) -> Path:
    """Five numbers, for `@ID@` in a path: callers ask for different pages, so that no answer serves several of them."""
    file = WORK / f"numbers-{first}-{step}"
    file.write_text("".join(f"{first + step * at}\n" for at in range(5)))
    return file


@dataclass(frozen=True)
class Load:
    """What wrk saw. `refused`: answers of 400 and above; `broken`: connections that failed or timed out. Both must be
    0."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Running:
    """A load that is under way."""

    def __init__(self, port: int, call: Call, *, connections: int, seconds: int) -> None:
        number = next(_runs)
        headers = [part for name, value in call.headers.items() for part in ("-H", f"{name}: {value}")]
        tag = f"{int(time.time())}-{os.getpid()}-{number}-"
        self._process = Process(
            [
                "wrk",
                "-t1",
                f"-c{connections}",
                f"-d{seconds}s",
                "--timeout",
                "30s",
                "-s",
                HERE / "wrk.lua",
                *headers,
                f"http://127.0.0.1:{port}",
                "--",
                call.method,
                call.path,
                call.body,
                call.ids or "-",
                tag,
            ],
            cpus=CLIENT_CPU,
            log=WORK / "logs" / f"wrk-{os.getpid()}-{number % 4}.log",
        )

    def result(self) -> Load:
        status = self._process.wait()
        output = self._process.log.read_text(errors="replace").strip()
        last = output.splitlines()[-1] if output else ""
        if status or not last.startswith("{"):
            raise RuntimeError(f"wrk failed ({status}): {output[-1000:]}")
        return Load(**json.loads(last))


def load(port: int, call: Call, *, connections: int = 32, seconds: int) -> Load:
    return Running(port, call, connections=connections, seconds=seconds).result()
