"""A real cluster and real Sentinels: exact counts, also while slots move, and the same limits while a primary fails
over to its replica."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from rollbook.clock import now
from rollbook.errors import LimitsUnavailable
from rollbook.limits import valkey_address, valkey_connection
from rollbook.limits.policy import key_bucket, scim_bucket
from rollbook.limits.table import Table
from rollbook.limits.valkey import Valkey, inspect
from rollbook.quota import Limit
from tests.harness import free_pair
from tests.valkey import (
    LONG_TIMEOUTS,
    ValkeyServer,
    running_cluster,
    running_sentinels,
    running_valkey,
    wait_for,
)

LIMIT = Limit.parse("100/minute,5000/hour")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ValkeyServer]]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as servers:
        yield servers


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 200))


async def joined(url: str, closed: bool = False) -> Valkey:
    limiter = Valkey(valkey_address.parse(url), Table.create(workers=1), closed, timeouts=LONG_TIMEOUTS)
    await limiter.start()
    assert limiter.away == ""
    return limiter


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_for, condition, 100)


def url_of(servers: list[ValkeyServer]) -> str:
    return "valkey+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in servers[:2])


def slot(bucket: str) -> int:
    return key_slot(valkey_connection.name(bucket))


def test_the_buckets_of_one_call_lie_in_one_slot_and_users_spread_over_all() -> None:
    for user in range(200):
        assert slot(f"user_{user}") == slot(f"user_{user}:key_1") == slot(f"user_{user}:key_2")
    assert len({slot(f"user_{user}") for user in range(200)}) > 150
    assert slot("attempts:1") == slot("attempts:2") == slot("sign-in:address:192.0.2.1")


def test_a_cluster_admits_exactly_what_is_allowed_whichever_servers_the_address_names(
    cluster: list[ValkeyServer],
) -> None:
    async def test() -> None:
        limiters = [await joined(url_of(cluster[first : first + 2])) for first in range(3)]
        users, own = [f"user_{number}" for number in range(20)], Limit.parse("40/minute")
        calls = [limiter.take(user, LIMIT, 0) for user in users for limiter in limiters for _ in range(50)]
        calls += [
            limiter.take(f"{user}b", LIMIT, 0, f"{user}b:key_1", own)
            for user in users
            for limiter in limiters
            for _ in range(20)
        ]
        calls += [
            limiter.take(scim_bucket(user, "key_1"), LIMIT, 0, key_bucket(user, "key_2"), own)
            for user in users
            for limiter in limiters
            for _ in range(20)
        ]
        tight = Limit.parse("30/minute")
        calls += [
            limiters[0].take(f"attempts:{number}", LIMIT, 0, "sign-in:address:192.0.2.1", tight) for number in range(50)
        ]
        verdicts = await asyncio.gather(*calls)
        assert sum(verdict.admitted for verdict in verdicts) == 20 * 100 + 2 * 20 * 40 + 30
        assert all(verdict.at for verdict in verdicts), "counted in the cluster"
        left = [(await limiters[1].peek(f"attempts:{number}", LIMIT, 0))[0][0] for number in range(50)]
        assert left.count(99) == 30 and left.count(100) == 20, "a refused attempt counts against no account"
        await limiters[2].give_back("user_0", LIMIT, 0, now())
        assert (await limiters[0].peek("user_0", LIMIT, 0))[0][0] == 1
        for limiter in limiters:
            await limiter.stop()

    run(test())
    assert all(int(server.ask("DBSIZE")[1:]) >= 5 for server in cluster[:3]), "they share the users"
    facts = asyncio.run(inspect(valkey_address.parse(url_of(cluster))))
    assert facts.name and not facts.policy


def test_while_slots_move_nothing_is_lost_or_admitted_twice(cluster: list[ValkeyServer]) -> None:
    source, target, third = cluster[:3]
    ids = {server.port: server.ask("CLUSTER", "MYID").split(b"\r\n")[1].decode() for server in cluster[:3]}
    first_slots = range(5461)
    users = [user for number in range(600) if slot(user := f"user_moved_{number}") in first_slots][:20]

    async def ask(server: ValkeyServer, *words: str) -> None:
        answer = await asyncio.to_thread(server.ask, *words)
        assert answer.startswith((b"+OK", b"+NOKEY")), answer

    async def move(user: str) -> None:
        """By hand what `valkey-cli --cluster reshard` does, slowly."""
        number, key = str(slot(user)), valkey_connection.name(user).decode()
        await ask(target, "CLUSTER", "SETSLOT", number, "IMPORTING", ids[source.port])
        await ask(source, "CLUSTER", "SETSLOT", number, "MIGRATING", ids[target.port])
        await asyncio.sleep(0.02)
        for name in (key, f"{key}:key_1"):
            await ask(source, "MIGRATE", "127.0.0.1", str(target.port), name, "0", "1000")
            await asyncio.sleep(0.005)
        for server in (target, source, third):
            await ask(server, "CLUSTER", "SETSLOT", number, "NODE", ids[target.port])

    async def test() -> None:
        limiters = [await joined(url_of(cluster)) for _ in range(3)]
        admitted = dict.fromkeys(users, 0)
        moved = asyncio.Event()
        calls = 0

        async def call(limiter: Valkey, user: str) -> None:
            verdict = await limiter.take(user, LIMIT, 0, f"{user}:key_1", Limit.parse("90/minute"))
            admitted[user] += verdict.admitted and bool(verdict.at)

        async def hammer(limiter: Valkey) -> None:
            nonlocal calls
            while not moved.is_set():
                for user in users:
                    calls += 1
                    await call(limiter, user)
                await asyncio.sleep(0.002)

        hammers = [asyncio.create_task(hammer(limiter)) for limiter in limiters]
        for user in users:
            await move(user)
        await asyncio.sleep(0.3)
        moved.set()
        await asyncio.gather(*hammers)
        for user in users:
            for limiter in limiters:
                await asyncio.gather(*(call(limiter, user) for _ in range(40)))
        assert max(admitted.values()) == 90, "never one more"
        counted = sum(admitted.values()) + sum(limiter.locally for limiter in limiters)
        assert counted >= 90 * len(users), "what moved kept its count"
        locally = sum(limiter.locally for limiter in limiters)
        assert locally < calls / 10, "few are counted elsewhere while their slot moves: one of twenty"
        for limiter in limiters:
            await limiter.stop()

    run(test())
    assert int(target.ask("DBSIZE")[1:]) >= 40, "they did move"


def test_while_a_primary_of_a_cluster_fails_over_its_keys_are_counted_here_and_then_by_its_replica(
    cluster: list[ValkeyServer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rollbook")

    async def test() -> None:
        limiter, strict = await joined(url_of(cluster)), await joined(url_of(cluster), closed=True)
        lost = cluster[2]
        users = [f"user_{number}" for number in range(60)]
        theirs = next(user for user in users if slot(user) >= 10_923)
        lost.kill()
        await until(lambda: str(lost.port) in limiter.away and str(lost.port) in strict.away)
        verdicts = [await limiter.take(theirs, LIMIT, now()) for _ in range(150)]
        if not any(verdict.at for verdict in verdicts):
            assert sum(verdict.admitted for verdict in verdicts) == 100, "the same limits"
        with suppress(LimitsUnavailable):
            assert (await strict.take(theirs, LIMIT, now())).at, "counted by the replica, or refused"
        await until(lambda: not limiter.away and not strict.away)
        assert all([(await limiter.take(user, LIMIT, now())).at for user in users])
        lost.start()
        await limiter.stop()
        await strict.stop()

    run(test())
    assert caplog.text.count("is away") == 2 and caplog.text.count("is back") == 2


def test_sentinel_names_the_primary_and_after_a_failover_the_next(tmp_path: Path) -> None:
    with running_sentinels(tmp_path) as (url, servers):
        primary, replica = servers[:2]

        async def test() -> None:
            limiters = [await joined(url) for _ in range(2)]
            verdicts = await asyncio.gather(
                *(limiter.take("user", LIMIT, 0) for limiter in limiters for _ in range(80))
            )
            assert sum(verdict.admitted for verdict in verdicts) == 100
            assert all(verdict.at for verdict in verdicts)
            assert b"connected_clients:1" not in primary.ask("INFO", "clients")
            primary.kill()
            verdict = await limiters[0].take("user_2", LIMIT, now())
            assert verdict.admitted and not verdict.at and limiters[0].away
            await until(lambda: not any(limiter.away for limiter in limiters))
            assert b"role:master" in replica.ask("INFO", "replication")
            verdicts = await asyncio.gather(
                *(limiter.take("user_3", LIMIT, 0) for limiter in limiters for _ in range(80))
            )
            assert sum(verdict.admitted for verdict in verdicts) == 100
            assert all(verdict.at for verdict in verdicts)
            for limiter in limiters:
                await limiter.stop()

        run(test())


def test_the_address_of_one_server_says_how_to_write_that_of_its_group(
    tmp_path: Path, cluster: list[ValkeyServer]
) -> None:
    async def away(url: str) -> str:
        limiter = Valkey(valkey_address.parse(url), Table.create(workers=1), timeouts=LONG_TIMEOUTS)
        await limiter.start()
        await limiter.stop()
        return limiter.away

    assert "valkey+cluster://" in asyncio.run(away(cluster[0].url))
    sentinel = ValkeyServer(tmp_path, monitors=cluster[0].port)
    try:
        assert "valkey+sentinel://" in asyncio.run(away(sentinel.start().url))
        assert "'other'" in asyncio.run(away(f"valkey+sentinel://127.0.0.1:{sentinel.port}/other"))
    finally:
        sentinel.kill()


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ("", "asks for a password"),
        (":wrong@", "password is wrong"),
        (":s%C3%ABcret%2F@", ""),
        ("rollbook:s3cret@", ""),
        ("reader:s3cret@", "may not do all"),
    ],
)
def test_passwords_and_users_of_a_cluster(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, user: str, says: str
) -> None:
    # The rights of the user `rollbook` are those of docs/operations.md.
    rights = "+hello +select +ping +script|load +evalsha +eval +get +set +time +command +cluster|slots".split()
    options = ["--requirepass", "sëcret/", "--user", "rollbook", "on", ">s3cret", "~rollbook:*", *rights]
    options += ["--user", "reader", "on", ">s3cret", "~rollbook:*", "+hello", "+get", "+command", "+cluster|slots"]

    async def test(url: str) -> None:
        limiter = Valkey(valkey_address.parse(url), Table.create(workers=1), timeouts=LONG_TIMEOUTS)
        await limiter.start()
        verdict = await limiter.take("user", LIMIT, now())
        assert says in limiter.away and bool(limiter.away) == bool(says) == (verdict.at == 0)
        await limiter.stop()

    with running_valkey(tmp_path, "--cluster-enabled", "yes", *options, port=free_pair()) as server:
        words = ["valkey-cli", "-p", str(server.port), "-a", "sëcret/", "cluster", "addslotsrange", "0", "16383"]
        subprocess.run(words, check=True, capture_output=True)
        wait_for(lambda: b"ok" in subprocess.run([*words[:5], "cluster", "info"], capture_output=True).stdout[:20])
        run(test(f"valkey+cluster://{user}127.0.0.1:{server.port}"))
    for secret in ("wrong@", ":wrong", "s3cret", "sëcret", "%C3%AB"):
        assert secret not in caplog.text
