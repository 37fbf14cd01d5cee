"""Several processes on one table: exact, deaf to kill -9, and of one opinion about who gives way when it is full."""

from __future__ import annotations

import fcntl
import mmap
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any

import pytest

from rollbook.clock import SECOND
from rollbook.limits import table as module
from rollbook.limits.table import Table
from rollbook.quota import Limit

NOW = 1_700_000_000 * SECOND


@pytest.fixture(autouse=True)
def no_test_waits_for_ever() -> Iterator[None]:
    signal.alarm(100)
    yield
    signal.alarm(0)


def worker(work: Callable[[], object]) -> int:
    """Run it in a forked process; returns the process id."""
    child = os.fork()
    if child == 0:
        signal.alarm(100)  # not inherited
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return child


def join(*workers: int) -> None:
    for child in workers:
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0


def numbers() -> memoryview:
    """Numbers that processes forked later share: each writes its own."""
    return memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")


def test_four_processes_on_one_bucket_get_exactly_what_is_allowed(counters: Any) -> None:
    counter = counters(Table.create(workers=4))
    admitted = numbers()

    def hammer(who: int) -> None:
        admitted[who] = counter.admitted(5_000, "user", "10000/minute,50000/hour", NOW)

    join(*[worker(partial(hammer, who)) for who in range(4)])
    assert sum(admitted[:4]) == 10_000
    assert counter.take("user", "10000/minute,50000/hour", NOW).left == ((0, 60), (40_000, 3600))


def used(counter: Any, bucket: str, limit: str) -> list[int]:
    """What the windows of a bucket have counted, read without counting: the take is refused for a key that has used up
    its own."""
    counter.take("anybody", (), NOW, "closed", "1/minute")
    refused = counter.take(bucket, limit, NOW, "closed", "1/minute")
    assert not refused.admitted
    return [window.calls - remaining for window, (remaining, _) in zip(Limit.parse(limit), refused.left, strict=False)]


def test_four_processes_with_keys_of_their_own_get_exactly_what_is_allowed(counters: Any) -> None:
    """Users and keys lie in groups of any order: no count is lost, and no two workers wait for each other."""
    counter = counters(Table.create(workers=4, groups=4))
    admitted = numbers()

    def hammer(who: int) -> None:
        for turn in range(4_000):
            user, key = turn % 5, (turn + who) % 7
            admitted[who] += counter.take(f"user{user}", "1000/minute", NOW, f"key{key}", "600/minute").admitted

    join(*[worker(partial(hammer, who)) for who in range(4)])
    of_users = [used(counter, f"user{user}", "1000/minute")[0] for user in range(5)]
    of_keys = [used(counter, f"key{key}", "600/minute")[0] for key in range(7)]
    assert sum(admitted[:4]) == sum(of_users) == sum(of_keys)
    assert of_keys == [600] * 7, "no user but every key was used up"


def test_kill_9_leaves_no_lock_and_no_request_for_free(counters: Any) -> None:
    counter = counters(Table.create(workers=4))
    chance = random.Random(9)
    for turn in range(30):
        bucket, key, admitted = f"user{turn}", f"key{turn}", numbers()

        def hammer(who: int, bucket: str = bucket, key: str = key, admitted: memoryview = admitted) -> None:
            while True:
                admitted[who] += counter.take(bucket, "90000/minute,99999/hour", NOW, key, "80000/minute").admitted

        victims = [worker(partial(hammer, who)) for who in range(2)]
        time.sleep(chance.uniform(0.002, 0.008))
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
        minute, hour = used(counter, bucket, "90000/minute,99999/hour")  # not held up by the lock of a dead worker
        (of_key,) = used(counter, key, "80000/minute")
        answered = sum(admitted[:2])
        for counted in (minute, hour, of_key):
            assert answered <= counted <= answered + 2, "each death may cost one request, none is let through uncounted"


def test_a_full_group_forgets_the_bucket_with_the_least_to_lose(counters: Any) -> None:
    shared = Table.create(workers=4, groups=1)
    counter = counters(shared)
    for number in range(16):
        counter.admitted(2 if number == 11 else 3, f"user{number}", "3/minute", NOW + number)
    assert shared.evicted == 0
    for flood in range(500):
        assert counter.take(f"address:{flood}", "3/minute", NOW + 1_000 + flood).admitted
    assert shared.evicted == 500
    used_up = [
        not counter.take(f"user{number}", "3/minute", NOW + 2_000).admitted for number in range(16) if number != 11
    ]
    assert all(used_up), "a flood frees nobody who has used up a window"


def test_of_those_with_as_much_to_lose_the_one_that_ends_first_is_forgotten(counters: Any) -> None:
    counter = counters(Table.create(workers=4, groups=1))
    for number in range(16):
        counter.take(f"user{number}", "1/minute", NOW - number)
    counter.take("another", "1/minute", NOW)
    admitted = [number for number in range(15) if counter.take(f"user{number}", "1/minute", NOW).admitted]
    assert admitted == [], "the fifteen that end later are still there"


def test_a_slot_whose_windows_have_ended_is_used_before_any_other_is_forgotten(counters: Any) -> None:
    shared = Table.create(workers=4, groups=1)
    counter = counters(shared)
    for number in range(200):
        assert counter.take(f"user{number}", "3/minute,5/hour", NOW + number * 300 * SECOND).left == (
            (2, 60),
            (4, 3600),
        )
    assert shared.evicted == 0


def test_buckets_counted_by_a_clock_that_was_set_back_make_room(counters: Any) -> None:
    table = Table.create(workers=1, groups=1)
    counter = counters(table)
    for number in range(16):
        counter.take(f"address:{number}", "5/minute", NOW + 365 * 86_400 * SECOND)
    for number in range(16, 32):
        counter.take(f"address:{number}", "5/minute", NOW)
    assert table.evicted == 0


def test_a_slot_used_again_starts_empty(counters: Any) -> None:
    counter = counters(Table.create(workers=1, groups=1))
    for number in range(16):
        counter.admitted(5, f"user{number}", "5/minute,9/hour", NOW)
    later = NOW + 2 * 3600 * SECOND
    for number in range(16, 32):
        assert counter.take(f"user{number}", "5/minute,9/hour", later).left == ((4, 60), (8, 3600))


def test_a_flood_of_addresses_frees_nobody_who_is_used_up(counters: Any) -> None:
    table = Table.create(workers=1, groups=64)
    counter = counters(table)
    users = [f"user{number}" for number in range(50)]
    for user in users:
        assert counter.admitted(9, user, "5/minute", NOW) == 5
    for number in range(3_000):
        assert counter.take(f"address:{number}", "5/minute", NOW + number).admitted
    assert table.evicted >= 3_050 - 64 * 16
    assert not any(counter.take(user, "5/minute", NOW + 3_000).admitted for user in users)


def test_a_user_and_its_key_in_one_full_group_do_not_push_each_other_out(counters: Any) -> None:
    shared = Table.create(workers=4, groups=1)
    counter = counters(shared)
    for number in range(16):
        counter.admitted(3, f"user{number}", "3/minute", NOW)
    assert counter.take("user", "3/minute", NOW, "key", "2/minute").left == ((2, 60), (1, 60))
    assert counter.take("user", "3/minute", NOW, "key", "2/minute").left == ((1, 60), (0, 60))
    assert not counter.take("user", "3/minute", NOW, "key", "2/minute").admitted
    assert shared.evicted == 2


def test_the_group_of_a_bucket_differs_from_server_to_server() -> None:
    """So nobody can work out names that meet in one group."""
    names = [f"address:{number}" for number in range(50)]
    first, second = Table.create(workers=4), Table.create(workers=4)
    assert [first.locate(name) for name in names] != [second.locate(name) for name in names]


def test_an_idle_table_takes_next_to_no_memory(counters: Any) -> None:
    shared = Table.create(workers=4)
    counters(shared).take("user", "3/minute", NOW)
    assert os.fstat(shared._descriptor).st_size > 100 << 20
    assert os.fstat(shared._descriptor).st_blocks * 512 <= 64 << 10


def test_without_memfd_an_unlinked_file_does(counters: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(module.os, "memfd_create", raising=False)
    shared = Table.create(workers=4, groups=4)
    counter = counters(shared)
    assert os.fstat(shared._descriptor).st_nlink == 0
    assert counter.admitted(9, "user", "3/minute", NOW) == 3
    admitted = numbers()

    def work() -> None:
        admitted[0] = 1 + counter.admitted(9, "user", "5/minute", NOW)

    join(worker(work))
    assert admitted[0] == 1 + 2


def test_no_lock_is_held_between_two_requests(counters: Any) -> None:
    """A worker that goes idle keeps nobody waiting."""
    shared = Table.create(workers=4, groups=2)
    counter = counters(shared)
    for number in range(40):  # full groups, both orders, and both in one
        counter.take(f"user{number}", "3/minute", NOW, f"key{number}", "1/minute")
        counter.take(f"user{number}", "3/minute", NOW, f"key{number}", "1/minute")
        counter.take(f"user{number}", "3/minute", NOW)
        counter.give_back(f"user{number}", "3/minute", NOW)

    def every_lock_at_once() -> None:
        fcntl.lockf(shared._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    assert shared.evicted > 0
    join(worker(every_lock_at_once))


def test_a_circle_the_kernel_only_believes_in_is_waited_out(counters: Any) -> None:
    """We hold a record lock on another file, a thread of the other worker waits for it while its loop holds a group: no
    deadlock."""
    shared = Table.create(workers=4, groups=1)
    counter = counters(shared)
    ready, tell = os.pipe()

    def other(file: IO[bytes]) -> None:
        shared._lock(0)
        threading.Thread(target=fcntl.lockf, args=(file, fcntl.LOCK_EX), daemon=True).start()
        time.sleep(0.1)
        os.write(tell, b"!")
        time.sleep(0.2)
        shared._unlock(0)
        time.sleep(0.1)

    with tempfile.TemporaryFile() as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        child = worker(partial(other, file))
        os.read(ready, 1)
        assert counter.take("user", "3/minute", NOW).admitted
        join(child)
