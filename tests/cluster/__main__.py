"""Starts the cluster of docs/scaling.md on this machine, in network namespaces, and breaks it.

make cluster                     start it, and keep it until Ctrl+C
make cluster ARGS=chaos          break it at random for 20 minutes at most, and check what its clients were told
make cluster ARGS="chaos --seed 7 --minutes 5 --only 'lose primary,cut node in' --record"
make cluster ARGS="chaos --upgrade"    upgrade its nodes one after the other, with three faults in between
make cluster ARGS=stop           remove what a run has left

With ROLLBOOK_CLUSTER=2 in the environment, a second one runs beside the first.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from tests.cluster import network
from tests.cluster.checks import Books, longest_gap, most_admitted
from tests.cluster.cluster import ADDRESSES, FOLDER, ROOT, Cluster, stop
from tests.cluster.faults import FAULTS, UPGRADE, Scene
from tests.cluster.load import LIMIT, WINDOW, Load
from tests.cluster.results import RESULTS, Round, Run, commit_of

SILENCE = 30.0
"""Seconds within which reads and writes are accepted again, unless all machines are lost."""
WHOLE = 300
"""Seconds in which the cluster must be whole again by itself."""


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def faults_of(chance: random.Random, names: Sequence[str], rounds: int | None) -> Iterator[str]:
    """All of them in a random order, again and again; each `rounds` times."""
    turn = 0
    while rounds is None or turn < rounds:
        turn += 1
        yield from chance.sample(names, len(names))


def with_upgrades(faults: Iterator[str]) -> Iterator[str]:
    """Three faults while nodes of two versions are side by side."""
    for upgraded in (2, 1, 0):
        yield UPGRADE
        yield from itertools.islice(faults, upgraded)


def play(
    cluster: Cluster, load: Load, books: Books, fault: str, chance: random.Random, is_patient: bool = False
) -> Round:
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
    if fault != "lose all" and not is_patient:
        problems += [f"{gaps[each]:.0f} s without {each}s" for each in ("write", "read") if gaps[each] > SILENCE]
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
        cluster.versions(),
        problems,
    )


def chaos(arguments: argparse.Namespace) -> int:
    names = [name for name in FAULTS if name in arguments.only.split(",")] if arguments.only else kinds()
    chance = random.Random(arguments.seed)
    faults = faults_of(chance, names, arguments.rounds)
    if arguments.upgrade:
        arguments.upgrade = network.run("git", "-C", str(ROOT), "rev-parse", "--short=12", arguments.upgrade).strip()
        faults = with_upgrades(faults)
    until = time.monotonic() + 60 * arguments.minutes
    say(f"seed {arguments.seed}, {len(names)} kinds of faults, {arguments.minutes} minutes at most")
    cluster = Cluster(arguments.upgrade, arguments.valkey_cluster)
    run = Run(
        arguments.record, arguments.seed, arguments.upgrade, "cluster" if arguments.valkey_cluster else "Sentinel"
    )
    in_the_end: list[str] = []
    try:
        cluster.start(say)
        load = Load(cluster.key, arguments.seed, arguments.pause).start()
        books = Books(load.notes, cluster.key)
        for number, fault in enumerate(faults, 1):
            if time.monotonic() > until - 120:  # no fault is begun that would not end in time
                break
            done = play(cluster, load, books, fault, random.Random(f"{arguments.seed} {number}"), arguments.patient)
            run.add(done)
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
    bad = in_the_end + [problem for done in run.rounds for problem in done.problems]
    say(
        f"{len(run.rounds)} faults, {sum(done.acknowledged for done in run.rounds)} writes acknowledged, {len(bad)} problems"
    )
    return 1 if bad else 0


def kinds() -> list[str]:
    return [name for name in FAULTS if name != UPGRADE]


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


def keep_running() -> int:
    cluster = Cluster()
    try:
        cluster.start(say)
        here = f"ip netns exec {network.PREFIX}clients curl"
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
    parser.add_argument(
        "--upgrade",
        nargs="?",
        metavar="COMMIT",
        const=f"{commit_of('src/rollbook/storage/migrations', changes='A')}^",
        help="begin with this commit on all nodes, by default the last one before the newest migration",
    )
    parser.add_argument(
        "--record",
        nargs="?",
        type=Path,
        const=RESULTS,
        help="add to benchmarks/cluster.json and CLUSTER.md, or to this file",
    )
    parser.add_argument("--patient", action="store_true", help="judge no times, on a machine that is busy")
    parser.add_argument("--valkey-cluster", action="store_true", help="Valkey is a cluster, without Sentinel")
    parser.add_argument("--keep-logs", help="folder for the logs of all services")
    chosen = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    if os.geteuid() != 0:
        sys.exit("Network namespaces need root.")
    if chosen.command == "stop":
        stop()
        return 0
    return chaos(chosen) if chosen.command == "chaos" else keep_running()


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
