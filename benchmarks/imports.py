"""Imports: rows a second and peak memory of each path, locally and as a job of a server, and what a job costs the
server's callers.

    .venv/bin/python benchmarks/imports.py [--rows N] [--engine sqlite|postgresql] [ndjson csv gzip again update job
    callers]

All users have an argon2id hash, so that nothing is hashed. PostgreSQL is the one that the tests use.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import harness
from tests.harness import Server, database_of, running

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObG4S3Pn5iWqpM"
PATHS = ("ndjson", "csv", "gzip", "again", "update", "job", "callers")
FLAGS = ("--rate-limit", "none", "--unauthenticated-limit", "none", "--no-access-log")
READS = 0.005  # seconds between two reads of a caller


def people(rows: int, name: str = "Person") -> Iterator[dict[str, str]]:
    for number in range(rows):
        yield {
            "name": f"{name} {number}",
            "email": f"person{number}@example.com",
            "external_id": f"crm-{number}",
            "password_hash": HASH,
        }


def write(folder: Path, rows: int) -> None:
    with open(folder / "ndjson", "w") as file:
        file.writelines(json.dumps(each) + "\n" for each in people(rows))
    with open(folder / "update", "w") as file:
        file.writelines(json.dumps(each) + "\n" for each in people(rows, "Renamed"))
    with open(folder / "csv", "w", newline="") as file:
        table = csv.DictWriter(file, ("name", "email", "external_id", "password_hash"))
        table.writeheader()
        table.writerows(people(rows))
    with open(folder / "ndjson", "rb") as plain, gzip.open(folder / "gzip", "wb", 6) as packed:
        shutil.copyfileobj(plain, packed)


def local(data: Path, file: Path, *options: str) -> tuple[float, float]:
    """Rows a second, from the start of the command to its end, and the peak memory in MiB."""
    environment = {**os.environ, "ROLLBOOK_DATABASE": database_of(data)}
    command = [
        sys.executable,
        "-m",
        "rollbook.cli.main",
        "users",
        "import",
        str(file),
        "--json",
        "--data",
        str(data),
        *options,
    ]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None  # it is a pipe
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    return json.loads(said)["records"] / (time.perf_counter() - began), usage.ru_maxrss / 1024


def job(server: Server, file: Path, rows: int) -> tuple[float, float]:
    """The same of a server's job, with the upload."""
    peak, began = 0.0, time.perf_counter()
    with server.http() as http, open(file, "rb") as content:
        found = http.post("/v1/imports", content=content).json()
        while found["status"] in ("waiting", "running"):
            peak = max(peak, *(memory(each) for each in children(server)), 0.0)
            time.sleep(0.02)
            found = http.get(f"/v1/imports/{found['id']}").json()
        seconds = time.perf_counter() - began
    assert found["added"] == rows, found
    return rows / seconds, peak


def children(server: Server) -> list[int]:
    assert server.process is not None
    tasks = Path(f"/proc/{server.process.pid}/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def memory(pid: int) -> float:
    """MiB."""
    try:
        return (
            next(
                int(line.split()[1])
                for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if line.startswith("VmHWM")
            )
            / 1024
        )
    except (OSError, StopIteration):
        return 0.0


@contextmanager
def reading(server: Server, write: bool) -> Iterator[list[float]]:
    """A caller who reads a user, or changes one, every few milliseconds: how long each took, in milliseconds."""
    took: list[float] = []
    ended = threading.Event()

    def call() -> None:
        number = 0
        with server.http() as http:
            while not ended.wait(READS):
                began, number = time.perf_counter(), number + 1
                answer = (
                    http.patch("/v1/users/me", json={"name": f"Name {number}"}) if write else http.get("/v1/users/me")
                )
                assert answer.status_code == 200, answer.text
                took.append((time.perf_counter() - began) * 1000)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()


def told(took: list[float]) -> str:
    cuts = statistics.quantiles(took, n=1000)
    return (
        f"{len(took):6,} calls, median {statistics.median(took):6.1f} ms, p99 {cuts[989]:7.1f} ms, slowest "
        f"{max(took):7.1f} ms"
    )


def callers(folder: Path, rows: int) -> None:
    for write_too in (False, True):
        with running(folder / f"callers{write_too}", *FLAGS) as server:
            kind = "writes" if write_too else "reads"
            with reading(server, write_too) as took:
                time.sleep(3)
            print(f"  {kind:8} alone           {told(took)}")
            with reading(server, write_too) as took:
                rate, _ = job(server, folder / "ndjson", rows)
            print(f"  {kind:8} beside a job    {told(took)}; the job {rate:,.0f} rows/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("paths", nargs="*", default=PATHS)
    asked = parser.parse_args()
    harness.engine = asked.engine
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, asked.rows)
        print(f"{asked.engine}, {asked.rows:,} rows")
        for path in asked.paths:
            if path == "callers":
                callers(folder, asked.rows)
                continue
            if path == "job":
                with running(folder / "job", *FLAGS) as server:
                    rate, peak = job(server, folder / "ndjson", asked.rows)
            elif path in ("again", "update"):  # of users who are there
                if not (folder / "data-ndjson").exists():
                    local(folder / "data-ndjson", folder / "ndjson")
                given = folder / ("ndjson" if path == "again" else "update")
                rate, peak = local(
                    folder / "data-ndjson", given, *(("--on-conflict", "update") if path == "update" else ())
                )
            else:
                rate, peak = local(folder / f"data-{path}", folder / path)
            print(f"  {path:8} {rate:10,.0f} rows/s {peak:6.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
