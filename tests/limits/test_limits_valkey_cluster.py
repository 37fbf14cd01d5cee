"""A real cluster of three: every bucket where it belongs, also while slots move and when a server is gone."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollbook.clock import now
from rollbook.limits import valkey_address, valkey_script
from rollbook.limits.memory import Memory
from rollbook.limits.valkey import Valkey
from rollbook.limits.valkey_cluster import SLOTS, slot
from rollbook.quota import Limit
from tests.valkey import ValkeyServer

LIMIT = Limit.parse("100/minute,5000/hour")
BOUNDS = [0, 5461, 10923, SLOTS]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[ValkeyServer]]:
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--cluster-require-full-coverage", "no"]
    servers: list[ValkeyServer] = []
    try:
        for number in range(3):
            # The bus of a server listens 10,000 above its port.
            servers.append(ValkeyServer(tmp_path / f"valkey{number}", *options, port=free_pair()).start())
            first, after = BOUNDS[number], BOUNDS[number + 1]
            assert servers[-1].ask("CLUSTER", "ADDSLOTSRANGE", str(first), str(after - 1)) == b"+OK\r\n"
            assert servers[-1].ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1)) == b"+OK\r\n"
        for server in servers[1:]:
            servers[0].ask("CLUSTER", "MEET", "127.0.0.1", str(server.port))
        deadline = time.monotonic() + 30
        while not all(
            b"cluster_state:ok" in (told := server.ask("CLUSTER", "INFO")) and b"cluster_slots_ok:16384" in told
            for server in servers
        ):
            assert time.monotonic() < deadline, servers[0].ask("CLUSTER", "NODES")
            time.sleep(0.05)
        yield servers
    finally:
        for server in servers:
            server.kill()


def free_pair() -> int:
    for _ in range(1000):
        port = random.SystemRandom().randrange(10_000, 20_000)
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port
    raise RuntimeError("no two free ports")


async def joined(server: ValkeyServer) -> Valkey:
    limiter = Valkey(valkey_address.parse(server.url), Memory())
    await limiter.start()
    assert limiter.away == ""
    return limiter


def test_exactly_what_is_allowed_on_every_server_of_the_cluster(cluster: list[ValkeyServer]) -> None:
    async def test() -> None:
        limiters = [await joined(server) for server in cluster]
        users = [f"user_{number}" for number in range(30)]
        own = Limit.parse("40/minute")
        verdicts = await asyncio.gather(
            *(limiter.take(user, LIMIT, 0) for user in users for limiter in limiters for _ in range(50)),
            *(
                limiter.take(f"{user}b", LIMIT, 0, f"{user}b:key_1", own)
                for user in users
                for limiter in limiters
                for _ in range(20)
            ),
        )
        assert sum(verdict.admitted for verdict in verdicts) == 30 * 100 + 30 * 40
        assert all(verdict.at for verdict in verdicts)
        for limiter in limiters:
            await limiter.stop()

    asyncio.run(asyncio.wait_for(test(), 100))
    assert all(int(server.ask("DBSIZE")[1:]) >= 10 for server in cluster), "they share the users"


def test_two_buckets_that_lie_apart_count_together_or_not_at_all(cluster: list[ValkeyServer]) -> None:
    """An account and the address it is tried from."""

    async def test() -> None:
        limiter = await joined(cluster[0])
        accounts, address = [f"attempts:{number}" for number in range(20)], "sign-in:address:192.0.2.1"
        tight = Limit.parse("30/minute")
        verdicts = [await limiter.take(account, LIMIT, 0, address, tight) for account in accounts * 2]
        assert [verdict.admitted for verdict in verdicts] == [True] * 30 + [False] * 10
        assert verdicts[29].left[:1] == ((98, 60),) and verdicts[29].left[2][0] == 0
        assert verdicts[39].left[0][0] == 99, "what is left of the account, untouched"
        left = [(await limiter.peek(account, LIMIT, 0))[0][0] for account in accounts]
        assert left == [98] * 10 + [99] * 10, "a refused try counts against no account"
        for _ in range(3):
            refused = await limiter.take("attempts:tight", Limit.parse("1/minute"), 0, "sign-in:address:192.0.2.2", tight)
        assert not refused.admitted and refused.left[1][0] == 29
        await limiter.stop()

    asyncio.run(asyncio.wait_for(test(), 100))


def test_while_slots_move_nothing_is_lost_or_counted_twice(cluster: list[ValkeyServer]) -> None:
    ids = {server.port: server.ask("CLUSTER", "MYID").split(b"\r\n")[1].decode() for server in cluster}
    users = [user for number in range(400) if slot(valkey_script.name(user := f"user_{number}")) < BOUNDS[1]][:20]

    async def move(user: str) -> None:
        """By hand what `valkey-cli --cluster reshard` does, slowly."""
        source, target = cluster[0], cluster[1]
        key = valkey_script.name(user)
        number = str(slot(key))

        def ask(server: ValkeyServer, *words: str) -> None:
            answer = server.ask(*words)
            assert answer.startswith((b"+OK", b"+NOKEY")), answer

        for server, state, other in ((target, "IMPORTING", source), (source, "MIGRATING", target)):
            await asyncio.to_thread(ask, server, "CLUSTER", "SETSLOT", number, state, ids[other.port])
        await asyncio.sleep(0.02)
        for name in (key.decode(), f"{key.decode()}:key_1"):
            await asyncio.to_thread(ask, source, "MIGRATE", "127.0.0.1", str(target.port), name, "0", "1000")
            await asyncio.sleep(0.005)
        for server in (target, source, cluster[2]):
            await asyncio.to_thread(ask, server, "CLUSTER", "SETSLOT", number, "NODE", ids[target.port])

    async def test() -> None:
        limiters = [await joined(server) for server in cluster]
        admitted = dict.fromkeys(users, 0)
        moved = asyncio.Event()

        async def hammer(limiter: Valkey) -> None:
            while not moved.is_set():
                for user in users:
                    verdict = await limiter.take(user, LIMIT, 0, f"{user}:key_1", Limit.parse("90/minute"))
                    admitted[user] += verdict.admitted
                await asyncio.sleep(0.002)

        hammers = [asyncio.create_task(hammer(limiter)) for limiter in limiters]
        for user in users:
            await move(user)
        await asyncio.sleep(0.3)
        moved.set()
        await asyncio.gather(*hammers)
        for user in users:
            for limiter in limiters:
                for _ in range(40):
                    verdict = await limiter.take(user, LIMIT, 0, f"{user}:key_1", Limit.parse("90/minute"))
                    admitted[user] += verdict.admitted
        assert sum(limiter.locally for limiter in limiters) == 0
        assert set(admitted.values()) == {90}
        for limiter in limiters:
            await limiter.stop()

    asyncio.run(asyncio.wait_for(test(), 100))
    assert int(cluster[1].ask("DBSIZE")[1:]) >= 40, "they did move"


def test_when_one_server_is_gone_the_others_go_on_counting(cluster: list[ValkeyServer]) -> None:
    async def test() -> None:
        limiter = await joined(cluster[0])
        users = [f"user_{number}" for number in range(60)]
        cluster[2].kill()
        deadline = time.monotonic() + 30
        while str(cluster[2].port) not in limiter.away:
            assert time.monotonic() < deadline, limiter.away
            await asyncio.sleep(0.02)
        verdicts = {user: await limiter.take(user, LIMIT, now()) for user in users}
        for user, verdict in verdicts.items():
            assert verdict.admitted and bool(verdict.at) == (slot(valkey_script.name(user)) < BOUNDS[2])
        cluster[2].start()
        deadline = time.monotonic() + 60
        while limiter.away:
            assert time.monotonic() < deadline, limiter.away
            await asyncio.sleep(0.05)
        assert all([(await limiter.take(user, LIMIT, now())).at for user in users])
        await limiter.stop()

    asyncio.run(asyncio.wait_for(test(), 100))
