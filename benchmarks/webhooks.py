"""Webhooks of a whole server: deliveries a second, memory with a million events waiting, delay, and what they cost the
callers.

    .venv/bin/python benchmarks/webhooks.py [--engine sqlite|postgresql] [throughput memory delay hanging updates reads]

Server and receiver have a core each; callers (wrk) share that of the receiver. PostgreSQL is the one that the tests
use, on both cores.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from deliveries import KEPT, receive

from rollbook.auth import key_format
from tests import harness
from tests.delivery.receiver import Authority
from tests.harness import Server, new_user
from tests.webhooks.listener import Listener, Message, listening

FLAGS = ("--webhook-allow", "127.0.0.0/8", "--rate-limit", "none", "--unauthenticated-limit", "none", "--no-access-log")
WAITING, MILLION = 30_000, 1_000_000
KEY = key_format.mint()
HANGS = "/0"
SECONDS = 5
ROUNDS = 3
COPIED = "type, created_at, actor_user, actor_key, address, request_id, object, before"


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

    def id(prefix: str, number: str) -> str:
        return f"'{prefix}_' || substr('{'0' * 26}', 1, 26 - length(CAST({number} AS text))) || CAST({number} AS text)"

    server.ask(f"""
        WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {count}),
            event AS (SELECT {COPIED} FROM events WHERE type = 'user.updated' LIMIT 1)
        INSERT INTO {"events_new" if server.database else "events"} (id, user_id, {COPIED})
        SELECT {id("evt", "i")}, {id("user", "i % 1000")}, {COPIED} FROM numbers, event""")


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
    return int(server.ask("SELECT coalesce(sum(delivered), 0) FROM webhook_hours")[0][0])


def prepared(server: Server, url: str) -> None:
    """A webhook, paused, and an event to copy."""
    with server.http() as http:
        user = new_user(http)
        http.patch(f"/v1/users/{user['id']}", json={"name": "Copied"})
        webhook = hook(http, url)
        http.patch(f"/v1/webhooks/{webhook['id']}", json={"status": "paused"})


def resume(server: Server) -> None:
    with server.http() as http:
        for (id,) in server.ask("SELECT id FROM webhooks"):
            assert http.patch(f"/v1/webhooks/{id}", json={"status": "enabled"}).status_code == 200


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
                    f"{name}: {count / seconds:,.0f} deliveries/s, {used / count * 1e6:.0f} µs of CPU each = "
                    f"{count / used:,.0f} of a core"
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
        print(
            f"memory {when}: {few:.1f} MiB with 20,000 events waiting, {million:.1f} with a million: "
            f"{million - few:+.1f}"
        )


def delay(folder: Path) -> None:
    """From the answer to a caller to the arrival at one of three endpoints: alone, beside updates at half of what the
    server can do with them, and beside callers who never pause."""
    with receiving() as url, serving(folder / "delay") as server, listening() as listener, server.http() as http:
        user, others = new_user(http), [new_user(http)["id"] for _ in range(200)]
        for each in (listener.url(), url, url):
            hook(http, each)
        most = requests(wrk(server, "PATCH", others, folder))[0]
        listener.wait_for(lambda: is_settled(server))
        for name, rate in (("idle", 0.0), ("half load", most / 2), ("without pause", None)):
            load = None if rate == 0 else wrk(server, "PATCH", others, folder, rate=rate, seconds=2 * SECONDS + 2)
            time.sleep(1)
            found = delays(http, user, listener)
            print(
                f"delay {name}: {quantiles(found)}{f'; {requests(load)[0]:,.0f} updates/s' if load else ''}", flush=True
            )
            listener.wait_for(lambda: is_settled(server))


def is_settled(server: Server) -> bool:
    """Whether nothing waits."""
    if server.database and server.ask("SELECT 1 FROM events_new LIMIT 1"):
        return False
    ((newest, cursor),) = server.ask("SELECT (SELECT max(seq) FROM events), (SELECT min(seq) FROM webhook_cursors)")
    return newest == cursor


def delays(http: Any, user: dict[str, Any], listener: Listener, pause: float = 0.05) -> list[float]:
    """Milliseconds of each message about some changes of a user, but for those to `/0` where that never answers."""
    first, until, answered = len(listener.messages), time.monotonic() + 2 * SECONDS, dict[str, float]()
    while time.monotonic() < until:
        name = f"Delay {time.perf_counter_ns()}"
        http.patch(f"/v1/users/{user['id']}", json={"name": name})
        answered[name] = time.monotonic()
        time.sleep(random.uniform(0.5, 1.5) * pause)
    paths = {message.path for message in listener.messages[first:]} - {HANGS}

    def of_user() -> list[Message]:
        return [
            message for message in listener.messages[first:] if message.user_id == user["id"] and message.path != HANGS
        ]

    listener.wait_for(lambda: len(of_user()) == len(paths) * len(answered))
    return [max(0.0, message.at - answered[message.event["object"]["name"]]) * 1000 for message in of_user()]


def quantiles(found: list[float]) -> str:
    cuts = statistics.quantiles(found, n=100)
    return (
        f"p50 {cuts[49]:,.1f} ms, p90 {cuts[89]:,.1f}, p99 {cuts[98]:,.1f}, longest {max(found):,.1f} of {len(found):,}"
    )


def hanging(folder: Path) -> None:
    """Delay at 99 endpoints, beside one more that answers, and one that never does."""
    with serving(folder / "hanging") as server, listening() as listener, server.http() as http:
        user, other = new_user(http), new_user(http, role="admin")
        for number in range(100):
            hook(http, listener.url(f"/{number}"), **({"user_id": other["id"]} if number % 2 else {}))
        for name in ("answers", "never answers"):
            if name == "never answers":
                listener.answer = lambda message: None if message.path == HANGS else (200, 0)
            print(f"99 endpoints, while another one {name}: {quantiles(delays(http, user, listener, 0.2))}", flush=True)


def updates(folder: Path) -> None:
    """Updates a second from callers who never pause, with no endpoint and with three, in turns; also by the CPU time of
    the server, which is what matters where other programs take some of its core."""
    with receiving() as url, serving(folder / "updates") as server, server.http() as http:
        ids = [new_user(http)["id"] for _ in range(200)]

        def made() -> tuple[float, float, int]:
            """A second, a second of CPU, and how many were delivered."""
            used, first = cpu(server), delivered(server)
            rate, _ = requests(wrk(server, "PATCH", ids, folder, seconds=2 * SECONDS))
            return rate, rate * 2 * SECONDS / (cpu(server) - used), delivered(server) - first

        for _ in range(ROUNDS):
            rate, most, _ = made()
            webhooks = [hook(http, url) for _ in range(3)]
            beside, most_beside, sent = made()
            for webhook in webhooks:
                http.delete(f"/v1/webhooks/{webhook['id']}")
            print(
                f"W3: {rate:,.0f}/s with no endpoint ({most:,.0f} of a core), {beside:,.0f}/s with three "
                f"({most_beside:,.0f}) "
                f"and {sent / (2 * SECONDS):,.0f} deliveries/s",
                flush=True,
            )


def reads(folder: Path) -> None:
    """Reads at half of what the server can do, alone and while a backlog is sent, in turns."""
    with receiving() as url:
        with serving(folder / "reads") as server:
            prepared(server, url)
        fill(server, 150_000)
        with serving(folder / "reads") as server, server.http() as http:
            ids = [new_user(http)["id"] for _ in range(200)]
            most = requests(wrk(server, "GET", ids, folder))[0]
            for _ in range(ROUNDS):
                alone = requests(wrk(server, "GET", ids, folder, rate=most / 2))
                resume(server)
                first = delivered(server)
                beside = requests(wrk(server, "GET", ids, folder, rate=most / 2))
                sent = (delivered(server) - first) / SECONDS
                for (id,) in server.ask("SELECT id FROM webhooks"):
                    http.patch(f"/v1/webhooks/{id}", json={"status": "paused"})
                print(
                    f"W2 of {most:,.0f}/s at most: {alone[0]:,.0f}/s, p99 {alone[1]:.2f} ms alone; "
                    f"{beside[0]:,.0f}/s, p99 {beside[1]:.2f} ms = {beside[1] / alone[1]:.2f} x beside "
                    f"{sent:,.0f} deliveries/s",
                    flush=True,
                )


def wrk(
    server: Server, method: str, ids: list[str], folder: Path, *, rate: float | None = None, seconds: int = SECONDS
) -> subprocess.Popen[str]:
    """Callers who never pause, or so many requests a second from more of them."""
    (folder / "ids").write_text("".join(f"{id}\n" for id in ids))
    body = '{"name": "Name @N@"}' if method == "PATCH" else ""
    connections = 8 if rate is None else 32
    pause = 0 if rate is None else round(connections / rate * 1000)
    return subprocess.Popen(
        [
            "taskset",
            "-c",
            "1",
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "-s",
            str(Path(__file__).parent / "wrk.lua"),
            "-H",
            f"Authorization: Bearer {server.key}",
            "-H",
            "Content-Type: application/json",
            server.url,
            "--",
            method,
            "/v1/users/@ID@",
            body,
            str(folder / "ids"),
            f"{time.time_ns()}-",
            str(pause),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )


def requests(load: subprocess.Popen[str]) -> tuple[float, float]:
    """A second, and the 99th percentile in milliseconds."""
    output, _ = load.communicate()
    found = re.search(r'"requests": *([\d.]+).*?"seconds": *([\d.]+).*?"p99_ms": *([\d.]+)', output)
    assert found is not None, output
    return float(found[1]) / float(found[2]), float(found[3])


PARTS = {
    "throughput": throughput,
    "memory": waiting,
    "delay": delay,
    "hanging": hanging,
    "updates": updates,
    "reads": reads,
}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("parts", nargs="*", default=PARTS)
    asked = parser.parse_args(words)
    harness.engine = asked.engine
    for part in asked.parts:
        with tempfile.TemporaryDirectory() as work:
            PARTS[part](Path(work))


if __name__ == "__main__":
    main()
