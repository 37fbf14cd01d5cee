"""Starts the cluster of docs/scaling.md on this machine, in network namespaces, and breaks it.

make cluster                     start it, and keep it until Ctrl+C
make cluster ARGS=chaos          break it at random for 20 minutes at most, and check what its clients were told
make cluster ARGS="chaos --seed 7 --minutes 5 --only 'lose primary,cut node in' --record"
make cluster ARGS=stop           remove what a run has left
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster.checks import Books, longest_gap, most_admitted
from tests.cluster.cluster import ADDRESSES, FOLDER, NODES, ROOT, Cluster, stop
from tests.cluster.faults import FAULTS, Scene
from tests.cluster.load import LIMIT, WINDOW, Load
from tests.cluster.network import PREFIX

WRITES, STANDBYS = 30.0, 10.0
"""Seconds within which writes, and reads of a standby, are accepted again."""
WHOLE = 240
"""Seconds in which the cluster must be whole again by itself."""
RESULTS = ROOT / "benchmarks/cluster.json"


@dataclass
class Round:
    """One fault, and what became of it."""

    fault: str
    where: str
    acknowledged: int
    without_writes: float
    without_reads: float
    without_standby_reads: float
    slowest: float
    """Seconds until a client had an answer, or gave up."""
    until_whole: float
    until_delivered: float
    """Seconds from then until webhooks had all events."""
    admitted: int
    """Requests of the user with a limit in one window, at most."""
    was_without_valkey: bool
    """A node counted by itself meanwhile."""
    problems: list[str] = field(default_factory=list)


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def faults_of(chance: random.Random, names: Sequence[str], rounds: int | None) -> Iterator[str]:
    """All of them in a random order, again and again; each `rounds` times."""
    turn = 0
    while rounds is None or turn < rounds:
        turn += 1
        yield from chance.sample(names, len(names))


def play(cluster: Cluster, load: Load, books: Books, fault: str, chance: random.Random) -> Round:
    scene = Scene(cluster, chance)
    notes = load.notes
    time.sleep(chance.uniform(2, 6))
    start, wall, before = time.monotonic(), time.time(), notes.acknowledged
    problems = []
    try:
        FAULTS[fault](scene)
        whole = cluster.wait_for("a whole cluster", cluster.is_whole, WHOLE)
    except TimeoutError as problem:
        problems.append(f"it needs a person: {problem}")
        whole = float(WHOLE)
    time.sleep(5)
    end = time.monotonic()
    try:
        problems += books.check()
    except TimeoutError as problem:
        problems.append(f"it needs a person: {problem}")
    gaps = {purpose: longest_gap(list(moments), start, end) for purpose, moments in notes.started.items()}
    admitted = most_admitted(list(notes.limited), start, end)
    was_without_valkey = cluster.was_without_valkey(wall - 2 * WINDOW)
    if admitted > LIMIT and not was_without_valkey:
        problems.append(f"{admitted} requests in a window of {LIMIT}, while Valkey was there")
    if gaps["write"] > WRITES and fault != "lose all":
        problems.append(f"{gaps['write']:.0f} s without writes")
    return Round(
        fault,
        ", ".join(scene.told),
        notes.acknowledged - before,
        round(gaps["write"], 1),
        round(gaps["read"], 1),
        round(gaps["standby"], 1),
        round(max((seconds for moment, seconds in list(notes.durations) if start < moment < end), default=0.0), 1),
        round(whole, 1),
        round(books.waited, 1),
        admitted,
        was_without_valkey,
        problems,
    )


def chaos(arguments: argparse.Namespace) -> int:
    names = [name for name in FAULTS if not arguments.only or name in arguments.only.split(",")]
    previous = {NODES[0]: arguments.previous} if arguments.previous else {}
    chance = random.Random(arguments.seed)
    until = time.monotonic() + 60 * arguments.minutes
    say(f"seed {arguments.seed}, {len(names)} kinds of faults, {arguments.minutes} minutes at most")
    cluster = Cluster(previous, arguments.valkey_cluster)
    rounds: list[Round] = []
    in_the_end: list[str] = []
    try:
        cluster.start(say)
        load = Load(cluster.key, arguments.seed, arguments.pause).start()
        books = Books(load.notes, cluster.key)
        for number, fault in enumerate(faults_of(chance, names, arguments.rounds), 1):
            if time.monotonic() > until - 120:  # no fault is begun that would not end in time
                break
            done = play(cluster, load, books, fault, random.Random(f"{arguments.seed} {number}"))
            rounds.append(done)
            say(_line(done))
            if load.problem is not None:
                raise load.problem
        load.stop()
        in_the_end = books.check()
        for problem in in_the_end:
            say(f"  in the end: {problem}")
        say(f"answers other than success: {dict(sorted(load.notes.codes.items()))}")
        say(
            f"{load.notes.tokens} one-time tokens, {load.notes.refreshes} refreshes, {books.doubled_deliveries()} deliveries twice"
        )
    except KeyboardInterrupt:
        say("stopped")
    finally:
        if arguments.keep_logs:
            _keep(arguments.keep_logs)
        cluster.stop()
    if arguments.record:
        record(rounds, arguments)
    bad = in_the_end + [problem for done in rounds for problem in done.problems]
    say(f"{len(rounds)} faults, {sum(done.acknowledged for done in rounds)} writes acknowledged, {len(bad)} problems")
    return 1 if bad else 0


def _line(done: Round) -> str:
    told = (
        f"{done.fault} ({done.where}): {done.acknowledged} acknowledged; without writes {done.without_writes} s, reads "
        f"{done.without_reads} s, of a standby {done.without_standby_reads} s; slowest answer {done.slowest} s; whole after {done.until_whole} s; webhooks after {done.until_delivered} s; "
        f"{done.admitted} of {LIMIT} admitted"
    )
    return "\n".join([told, *(f"    {problem[:300]}" for problem in done.problems[:8])])


def _keep(folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for log in FOLDER.glob("*/*.log"):
        Path(folder, f"{log.parent.name}-{log.name}").write_bytes(log.read_bytes())


def record(rounds: Sequence[Round], arguments: argparse.Namespace) -> None:
    """Add these to the file, and write the table in CLUSTER.md beside it from all that is there."""
    target: Path = arguments.record
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], check=False, capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()
    kept = json.loads(target.read_text()) if target.exists() else []
    run = {
        "commit": commit,
        "seed": arguments.seed,
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "previous": bool(arguments.previous),
    }
    kept.append(run | {"rounds": [asdict(done) for done in rounds]})
    target.write_text(json.dumps(kept, indent=1) + "\n")
    target.with_name("CLUSTER.md").write_text(table(kept))


def table(runs: Sequence[dict]) -> str:
    by_fault: dict[str, list[dict]] = defaultdict(list)
    for run in runs:
        for done in run["rounds"]:
            by_fault[done["fault"]].append(done)
    lines = [
        "# A cluster that loses machines",
        "",
        'Written by `make cluster ARGS="chaos --record"` from `cluster.json`. The cluster is that of',
        "[Scaling](../docs/scaling.md#6-a-cluster), on one machine with 2 cores that others used at the same time. Seconds are the",
        f"longest of all runs. `limit`: requests admitted in one minute by a limit of {LIMIT}, at most.",
        "",
        "| fault | runs | acknowledged | lost | doubled | other problems | without writes | without reads | without reads of a standby | slowest answer | whole again | webhooks | limit |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for fault in [name for name in FAULTS if name in by_fault]:
        done = by_fault[fault]
        problems = [problem for each in done for problem in each["problems"]]
        lost, doubled = (sum(problem.startswith(word) for problem in problems) for word in ("lost", "doubled"))
        numbers = [
            f"{max(each[name] for each in done):.0f} s"
            for name in (
                "without_writes",
                "without_reads",
                "without_standby_reads",
                "slowest",
                "until_whole",
                "until_delivered",
            )
        ]
        cells = [
            fault,
            len(done),
            sum(each["acknowledged"] for each in done),
            lost,
            doubled,
            len(problems) - lost - doubled,
            *numbers,
            max(each["admitted"] for each in done),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += [
        "",
        "Runs: "
        + ", ".join(
            f"{run['commit']} seed {run['seed']} ({run['at']}{', one node of an earlier commit' if run['previous'] else ''})"
            for run in runs
        )
        + ".",
        "",
    ]
    return "\n".join(lines)


def keep_running() -> int:
    cluster = Cluster()
    try:
        cluster.start(say)
        here = f"ip netns exec {PREFIX}clients curl"
        say(
            f"It runs until Ctrl+C. {here} -H 'Authorization: Bearer {cluster.key}' http://{ADDRESSES['balancer']}:8080/v1/users/me"
        )
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        return 0
    finally:
        cluster.stop()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="make cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", nargs="?", default="start", choices=("start", "chaos", "stop"))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000))
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rounds", type=int, help="of each kind")
    parser.add_argument("--only", help="kinds of faults, with commas")
    parser.add_argument("--pause", type=float, default=1.0, help="factor of the clients' pauses")
    parser.add_argument("--previous", type=Path, help="another checkout, which node1 runs")
    parser.add_argument(
        "--record",
        nargs="?",
        type=Path,
        const=RESULTS,
        help="add to benchmarks/cluster.json and CLUSTER.md, or to this file",
    )
    parser.add_argument("--valkey-cluster", action="store_true", help="Valkey is a cluster, without Sentinel")
    parser.add_argument("--keep-logs", help="folder for the logs of all services")
    chosen = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.exit("Network namespaces need root.")
    if chosen.command == "stop":
        stop()
        return 0
    return chaos(chosen) if chosen.command == "chaos" else keep_running()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
