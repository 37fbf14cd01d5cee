"""Programs of others that run our integrations, as `make integrations` has installed them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from tests.harness import PLAIN, serving

ROOT = Path(__file__).resolve().parents[2]
HOSTS = ROOT / "integrations" / "hosts"
SECONDS = 240


def environment(**more: str) -> dict[str, str]:
    """Without what belongs to Rollbook, or to an npm that may have started us."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROLLBOOK_", "npm_", "N8N_"))}
    return {**kept, **more}


def run(command: Sequence[str | Path], folder: Path, **more: str) -> str:
    """What the command prints. AssertionError with all it said, if it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


@contextmanager
def started(command: Sequence[str | Path], folder: Path, log: Path, ready: str, **more: str) -> Iterator[None]:
    """A server that runs as long as this lasts; it answers at the URL `ready` when it is."""
    with open(log, "ab") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(**more), stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    try:
        until = time.monotonic() + SECONDS
        while not answers(ready):
            assert process.poll() is None and time.monotonic() < until, log.read_text()[-6000:]
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(60)


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=10, **PLAIN).status_code == 200
    except httpx2.HTTPError:
        return False


class Receiver(NamedTuple):
    """What some other service got: the bodies of all requests to `url`."""

    url: str
    received: list[dict[str, Any]]


@contextmanager
def receiving() -> Iterator[Receiver]:
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield Receiver(f"http://127.0.0.1:{server.server_address[1]}/", received)
