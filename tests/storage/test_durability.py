"""What was acknowledged is on the disk: after kill -9, with a full disk, with one that fails, and by count of its
fsyncs."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from syscalls import Call, watch
from things import make_tables, names, problems, program

from rollbook.storage.sqlite import SQLite

ROUNDS = int(os.environ.get("ROLLBOOK_KILL_ROUNDS", "10"))


def make(path: Path) -> None:
    db = SQLite.open(path)
    db.write_now(make_tables)
    db.close()


def test_kill_9_loses_doubles_and_halves_nothing_that_was_acknowledged(path: Path) -> None:
    make(path)
    acknowledged: set[str] = set()
    for round in range(ROUNDS):
        processes = [
            subprocess.Popen(program("write_on", path, f"{round}-{number}", 0), stdout=subprocess.PIPE, text=True)
            for number in range(2)
        ]
        for process in processes:
            assert process.stdout is not None
            acknowledged.update(process.stdout.readline().rstrip("\n") for _ in range(20))
        time.sleep(random.uniform(0.01, 0.15))
        for process in processes:
            process.send_signal(signal.SIGKILL)
        for process in processes:
            output, _ = process.communicate()
            whole, _, _ = output.rpartition("\n")  # the last line may be half written
            acknowledged.update(whole.splitlines())

        db = SQLite.open(path)
        kept = db.read_now(names)
        assert acknowledged <= set(kept)
        assert len(kept) == len(set(kept))
        numbers: dict[str, list[int]] = {}
        for name in kept:
            caller, _, number = name.rpartition(" ")
            numbers.setdefault(caller, []).append(int(number))
        # A caller sends its next write after the answer to the last: nothing may be missing between, and at most one is
        # unanswered.
        assert all(sorted(found) == list(range(len(found))) for found in numbers.values())
        changed = Counter(row[0] for row in db.read_now(_changes))
        assert set(changed.values()) == {1}
        assert len(changed) == len(kept)
        assert db.read_now(problems) == []
        db.close()
    assert len(acknowledged) > ROUNDS * 20


async def _changes(queries: object) -> list[tuple[int]]:
    return await queries.all("SELECT thing FROM changes")  # type: ignore[attr-defined, no-any-return]


def calls_of(path: Path, callers: int, each: int) -> list[Call]:
    """What the program did between its two marks."""
    with open(os.devnull, "wb") as nowhere:
        calls = list(watch(program("write_some", path, callers, each), nowhere.fileno()))
    first, last = (index for index, call in enumerate(calls) if call == Call("write", 2))
    return [call for call in calls[first + 1 : last] if call.name != "write" or call.first == 1]


def test_each_acknowledgement_follows_an_fsync_of_its_own(path: Path) -> None:
    make(path)
    calls = calls_of(path, 1, 20)
    groups = [
        list(group) for is_answer, group in itertools.groupby(calls, lambda call: call.name == "write") if is_answer
    ]
    assert [len(group) for group in groups] == [1] * 20
    assert calls[0].name == "fdatasync"


def test_writes_that_wait_together_share_an_fsync_and_none_goes_before_it(path: Path) -> None:
    make(path)
    calls = calls_of(path, 32, 10)
    fsyncs = [call for call in calls if call.name == "fdatasync"]
    answers = [
        len(list(group))
        for is_answer, group in itertools.groupby(calls, lambda call: call.name == "write")
        if is_answer
    ]
    assert sum(answers) == 320
    assert calls[0].name != "write"
    assert max(answers) <= 32, "more answers in a row than callers: some were given before their fsync"
    # How many is up to the machine: on an idle one, hardly more than ten.
    assert 10 <= len(fsyncs) < 240, "each caller needs ten commits after one another, and they are shared"


def test_a_write_whose_fsync_fails_is_refused(path: Path) -> None:
    make(path)
    done = subprocess.run(program("fail_fsync", path), capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout) == (0, "refused 25\n"), done.stderr


def test_a_disk_that_takes_no_more_is_survived(tmp_path: Path) -> None:
    done = subprocess.run(program("fill_disk", tmp_path, "limit"), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


def test_a_full_file_system_is_survived(tmp_path: Path) -> None:
    """A tmpfs of 2 MiB in a mount namespace of its own: as root, or as a user who may make namespaces. Elsewhere
    RLIMIT_FSIZE must do."""
    inside = 'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"'
    for unshare in (["unshare", "-m"], ["unshare", "-U", "-r", "-m"]):
        if subprocess.run([*unshare, "sh", "-c", inside, tmp_path, "true"], capture_output=True).returncode == 0:
            command = [*unshare, "sh", "-c", inside, str(tmp_path), *program("fill_disk", tmp_path, "mount")]
            break
    else:
        command = program("fill_disk", tmp_path, "limit")
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("synchronous", ["full", "normal"])
def test_the_setting_synchronous_reaches_the_writer(path: Path, synchronous: str) -> None:
    db = SQLite.open(path, synchronous=synchronous)  # type: ignore[arg-type]

    async def level(tx: object) -> int:
        return (await tx.one("PRAGMA synchronous"))[0]  # type: ignore[attr-defined, no-any-return]

    assert db.write_now(level) == {"normal": 1, "full": 2}[synchronous]
    db.close()
