"""Webhooks of a whole server on SQLite: deliveries a second, memory with a million events waiting, delay, and what they cost the callers.

    .venv/bin/python benchmarks/webhooks.py [throughput memory delay callers]

Server and receiver have a core each; callers (wrk) share that of the receiver.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from deliveries import KEPT, receive

from rollbook.auth import key_format
from tests.delivery.receiver import Authority
from tests.harness import Server, new_user
from tests.webhooks.listener import Listener, listening

FLAGS = ("--webhook-allow", "127.0.0.0/8", "--rate-limit", "none", "--unauthenticated-limit", "none", "--no-access-log")
WAITING, MILLION = 30_000, 1_000_000
KEY = key_format.mint()
SECONDS = 5
ROUNDS = 3
COPY = "id, type, user_id, created_at, actor_user, actor_key, address, request_id, object, before"


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[Server]:
    folder.mkdir(exist_ok=True)
    server = Server(folder / "data", *FLAGS, environment=environment, owner_key=KEY)
    server.start()
    assert server.process is not None
    os.sched_setaffinity(server.process.pid, {0})
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def receiving(certificate: Path | None = None) -> Iterator[str]:
    """The URL of a receiver that answers at once."""
    near, far = multiprocessing.Pipe()
    process = multiprocessing.Process(target=receive, args=(KEPT, certificate, far), daemon=True)
    process.start()
    assert process.pid is not None
    os.sched_setaffinity(process.pid, {1})
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{near.recv()}/hook"
    finally:
        process.kill()
        process.join()


def hook(http: Any, url: str, **fields: Any) -> dict[str, Any]:
    answer = http.post("/v1/webhooks", json={"url": url, "types": ["user.*"], **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def fill(server: Server, count: int) -> None:
    """So many updates of a thousand users, in the log of a server that is down."""
    with closing(sqlite3.connect(server.data / "rollbook.db")) as database:
        row = database.execute(f"SELECT {COPY} FROM events WHERE type = 'user.updated' LIMIT 1").fetchone()
        database.executemany(
            f"INSERT INTO events ({COPY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((f"evt_{n:026}", row[1], f"user_{n % 1000:026}", *row[3:]) for n in range(count)),
        )
        database.commit()


def cpu(server: Server) -> float:
    """Seconds of its process."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(server: Server) -> float:
    """MiB, of its own."""
    assert server.process is not None
    found = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
    return sum(int(each) for each in re.findall(r"Private_\w+: +(\d+)", found)) / 1024


def delivered(server: Server) -> int:
    return server.ask("SELECT coalesce(sum(delivered), 0) FROM webhook_hours")[0][0]


def prepared(server: Server, url: str) -> None:
    """A webhook, paused, and an event to copy."""
    with server.http() as http:
        user = new_user(http)
        http.patch(f"/v1/users/{user['id']}", json={"name": "Copied"})
        webhook = hook(http, url)
        http.post(f"/v1/webhooks/{webhook['id']}/pause")


def resume(server: Server) -> None:
    with server.http() as http:
        for (id,) in server.ask("SELECT id FROM webhooks"):
            assert http.post(f"/v1/webhooks/{id}/resume").status_code == 200


def throughput(folder: Path) -> None:
    """Deliveries a second to one endpoint that is behind."""
    authority = Authority(folder)
    authority.server("127.0.0.1")
    for name, certificate in (("HTTP", None), ("TLS", folder / "server.pem")):
        with receiving(certificate) as url:
            with serving(folder / name, SSL_CERT_FILE=str(authority.path)) as server:
                prepared(server, url)
            fill(server, WAITING)
            with serving(folder / name, SSL_CERT_FILE=str(authority.path)) as server:
                resume(server)
                began, used, first = time.monotonic(), cpu(server), delivered(server)
                while delivered(server) < WAITING:
                    assert time.monotonic() - began < 60, server.ask(
                        "SELECT outcome, count(*) FROM webhook_deliveries GROUP BY outcome"
                    )
                    time.sleep(0.05)
                count = delivered(server) - first
                seconds, used = time.monotonic() - began, cpu(server) - used
                print(
                    f"{name}: {count / seconds:,.0f} deliveries/s, {used / count * 1e6:.0f} µs of CPU each = {count / used:,.0f} of a core"
                )


def waiting(folder: Path) -> None:
    """Memory of a server with a million events waiting, paused and while it sends, against one that sends a few."""
    found = {}
    with receiving() as url:
        for name, count in (("few", 20_000), ("million", MILLION)):
            with serving(folder / name) as server:
                prepared(server, url)
            fill(server, count)
            with serving(folder / name) as server:
                time.sleep(1)
                found[name] = [memory(server)]
                resume(server)
                peak, until = 0.0, time.monotonic() + 15
                while delivered(server) < min(count, 20_000) and time.monotonic() < until:
                    peak = max(peak, memory(server))
                    time.sleep(0.05)
                found[name].append(peak)
            shutil.rmtree(folder / name)
    for place, when in enumerate(("paused", "sending")):
        few, million = found["few"][place], found["million"][place]
        print(f"memory {when}: {few:.1f} MiB with 20,000 events waiting, {million:.1f} with a million: {million - few:+.1f}")


def delay(folder: Path) -> None:
    """From the answer to the caller to the arrival at the receiver, for single changes; alone, and beside callers who change others."""
    with serving(folder / "delay") as server, listening() as listener, server.http() as http:
        user, others = new_user(http), [new_user(http)["id"] for _ in range(50)]
        hook(http, listener.url(), types=["user.updated"])
        for name in ("idle", "beside updates"):
            load = wrk(server, "PATCH", others, folder, connections=2, seconds=12) if name != "idle" else None
            found = sorted(delays(http, user, listener))
            rate = load and requests(load)[0]
            print(
                f"delay {name}: p50 {statistics.median(found):.1f} ms, p99 {found[int(len(found) * 0.99)]:.1f} ms{f', {rate:,.0f} updates/s' if rate else ''}"
            )


def delays(http: Any, user: dict[str, Any], listener: Listener) -> Iterator[float]:
    until = time.monotonic() + 8
    number = 0
    while time.monotonic() < until:
        number += 1
        name = f"Delay {time.perf_counter_ns()}"
        http.patch(f"/v1/users/{user['id']}", json={"name": name})
        answered = time.monotonic()
        listener.wait_for(lambda: any(message.event["object"]["name"] == name for message in listener.messages[-500:]))  # noqa: B023
        arrived = next(message.at for message in listener.messages[-500:] if message.event["object"]["name"] == name)
        yield max(0.0, arrived - answered) * 1000
        time.sleep(random.uniform(0.01, 0.05))


def callers(folder: Path) -> None:
    """What callers notice: updates with three endpoints against none, and reads while a backlog is sent."""
    with receiving() as url:
        with serving(folder / "callers") as server, server.http() as http:
            ids = [new_user(http)["id"] for _ in range(200)]
            with_none, with_three = [], []
            for _ in range(ROUNDS):
                with_none.append(requests(wrk(server, "PATCH", ids, folder))[0])
                made = [hook(http, url) for _ in range(3)]
                with_three.append(requests(wrk(server, "PATCH", ids, folder))[0])
                for webhook in made:
                    http.delete(f"/v1/webhooks/{webhook['id']}")
            print(
                f"W3: {statistics.median(with_none):,.0f}/s with no endpoint, {statistics.median(with_three):,.0f}/s with three"
            )
            hook(http, url, status="paused")
        fill(server, 150_000)
        with serving(folder / "callers") as server:
            alone = requests(wrk(server, "GET", ids, folder, connections=1))
            resume(server)
            first = delivered(server)
            beside = requests(wrk(server, "GET", ids, folder, connections=1))
            sent = (delivered(server) - first) / SECONDS
            print(
                f"W2 on one connection: {alone[0]:,.0f}/s, p99 {alone[1]:.2f} ms alone; {beside[0]:,.0f}/s, p99 {beside[1]:.2f} ms beside {sent:,.0f} deliveries/s"
            )


def wrk(
    server: Server, method: str, ids: list[str], folder: Path, *, connections: int = 8, seconds: int = SECONDS
) -> subprocess.Popen[str]:
    (folder / "ids").write_text("".join(f"{id}\n" for id in ids))
    body = '{"name": "Name @N@"}' if method == "PATCH" else ""
    return subprocess.Popen(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(Path(__file__).parent / "wrk.lua"),
         "-H", f"Authorization: Bearer {server.key}", "-H", "Content-Type: application/json", server.url, "--", method, "/v1/users/@ID@", body,
         str(folder / "ids"), f"{time.time_ns()}-"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def requests(load: subprocess.Popen[str]) -> tuple[float, float]:
    """A second, and the 99th percentile in milliseconds."""
    output, _ = load.communicate()
    found = re.search(r'"requests": *([\d.]+).*?"seconds": *([\d.]+).*?"p99_ms": *([\d.]+)', output)
    assert found is not None, output
    return float(found[1]) / float(found[2]), float(found[3])


PARTS = {"throughput": throughput, "memory": waiting, "delay": delay, "callers": callers}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory() as work:
            PARTS[part](Path(work))
