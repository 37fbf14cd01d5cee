"""What only the store over a connection must promise: one clock for all, one write a turn, nothing left behind, and an
end to waiting."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.clock import SECOND, now
from rollbook.errors import LimitsUnavailable
from rollbook.limits import valkey_address, valkey_connection
from rollbook.limits.table import Table
from rollbook.limits.valkey import Valkey
from rollbook.limits.valkey_connection import Reader, ReplyError, ValkeyTimeouts, encode
from rollbook.limits.windows import Verdict
from rollbook.quota import NO_LIMIT, Limit
from tests.grids import grid
from tests.valkey import LONG_TIMEOUTS, TIMEOUTS, ValkeyServer, running_valkey

LIMIT = Limit.parse("100/minute,5000/hour")
HOUR = 3600 * SECOND


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ValkeyServer]:
    """One that a test may harm."""
    with running_valkey(tmp_path / "valkey") as server:
        yield server


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 100))


async def joined(url: str, closed: bool = False, timeouts: ValkeyTimeouts = LONG_TIMEOUTS) -> Valkey:
    limiter = Valkey(valkey_address.parse(url), Table.create(workers=1), closed, timeouts=timeouts)
    await limiter.start()
    return limiter


async def is_back(limiter: Valkey, away: bool = False) -> None:
    """Wait until it counts in Valkey; or until it has seen that Valkey is `away`."""
    deadline = time.monotonic() + 60
    while bool(limiter.away) != away:
        assert time.monotonic() < deadline, limiter.away
        await asyncio.sleep(0.01)


async def is_away(limiter: Valkey) -> None:
    await is_back(limiter, away=True)


# ---- one clock


def test_servers_whose_clocks_differ_by_hours_share_one_window(valkey: ValkeyServer) -> None:
    async def test() -> None:
        limiters = [await joined(valkey.url) for _ in range(3)]
        here = now()
        verdicts = [
            await limiters[turn % 3].take("user_clocks", LIMIT, here + (turn % 3 - 1) * 5 * HOUR) for turn in range(150)
        ]
        assert sum(verdict.admitted for verdict in verdicts) == 100
        assert all(30 < verdict.left[0][1] <= 60 for verdict in verdicts)
        assert all(abs(verdict.at - here) < HOUR for verdict in verdicts)
        for limiter in limiters:
            await limiter.stop()

    run(test())


def test_a_take_is_given_back_to_the_window_it_was_counted_in_and_to_no_later_one(valkey: ValkeyServer) -> None:
    async def test() -> None:
        limiter = await joined(valkey.url)
        limit = Limit.parse("2/3s,9/hour")
        for attempt in range(20):
            bucket = f"attempts:back{attempt}"
            first = await limiter.take(bucket, limit, 5)
            await limiter.give_back(bucket, limit, 5, first.at)
            left = [left for left, _ in await limiter.peek(bucket, limit, 5)]
            second = await limiter.take(bucket, limit, 5)
            if second.at - first.at < 3 * SECOND:  # or the machine held us up, and the window was over
                break
        assert left == [2, 9]
        for _ in range(20):
            await asyncio.sleep(3.01)
            third = await limiter.take(bucket, limit, 5)
            await limiter.give_back(bucket, limit, 5, second.at)
            found = [left for left, _ in await limiter.peek(bucket, limit, 5)]
            if (await limiter.take(f"{bucket}:later", limit, 5)).at - third.at < 3 * SECOND:  # as above
                break
        assert found == [1, 8]
        await limiter.stop()

    run(test())


def test_what_was_counted_here_is_never_given_back_there(own: ValkeyServer) -> None:
    async def test() -> None:
        limiter = await joined(own.url, timeouts=TIMEOUTS)
        await limiter.take("attempts:x", LIMIT, now())
        own.freeze()
        counted_here = now()
        verdict = await limiter.take("attempts:x", LIMIT, counted_here)
        assert verdict.at == 0 and limiter.locally == 1
        own.thaw()
        await is_back(limiter)
        await asyncio.sleep(0.1)
        before = [left for left, _ in await limiter.peek("attempts:x", LIMIT, now())]
        await limiter.give_back("attempts:x", LIMIT, counted_here, verdict.at)
        assert [left for left, _ in await limiter.peek("attempts:x", LIMIT, now())] == before
        own.kill()
        await is_away(limiter)
        assert (await limiter.peek("attempts:x", LIMIT, now()))[0][0] == 100, "given back to the table of this server"
        await limiter.stop()

    run(test())


# ---- what lies in Valkey


def test_buckets_vanish_by_themselves_soon_after_their_last_window(valkey: ValkeyServer) -> None:
    async def test() -> None:
        limiter = await joined(valkey.url)
        await limiter.take("user_ttl", LIMIT, 0, "user_ttl:key_a", Limit.parse("5/30s"))
        await limiter.take("user_ttl", LIMIT, 0)
        await limiter.stop()

    began = time.monotonic()
    run(test())
    for key, seconds in (("rollbook:{user_ttl}", 3600), ("rollbook:{user_ttl}:key_a", 30)):
        left = int(valkey.ask("PTTL", key)[1:]) / 1000
        assert seconds - 5 - (time.monotonic() - began) < left <= seconds + 10


def test_peeking_and_giving_back_leave_no_bucket_behind(valkey: ValkeyServer) -> None:
    async def test() -> None:
        limiter = await joined(valkey.url)
        await limiter.peek("user_never", LIMIT, 0)
        await limiter.give_back("user_never", LIMIT, 0, now())
        await limiter.stop()

    run(test())
    assert valkey.ask("EXISTS", "rollbook:{user_never}") == b":0\r\n"


def test_what_others_have_put_under_our_name_is_as_good_as_nothing(valkey: ValkeyServer) -> None:
    async def test() -> None:
        limiter = await joined(valkey.url)
        for kind, command in (
            ("text", ("SET", "rollbook:{user_text}", "nonsense")),
            ("list", ("RPUSH", "rollbook:{user_list}", "nonsense")),
        ):
            valkey.ask(*command)
            left = [(await limiter.take(f"user_{kind}", LIMIT, 0)).left[0][0] for _ in range(3)]
            assert left == [99, 98, 97]
        assert limiter.locally == 0 and not limiter.away
        await limiter.stop()

    run(test())


def test_a_valkey_that_has_forgotten_the_script_is_sent_it_again(valkey: ValkeyServer) -> None:
    async def test() -> None:
        limiter = await joined(valkey.url)
        left = []
        for _ in range(5):
            valkey.ask("SCRIPT", "FLUSH")
            verdicts = await asyncio.gather(*(limiter.take("user_flush", LIMIT, 0) for _ in range(4)))
            left += [verdict.left[0][0] for verdict in verdicts]
        assert sorted(left, reverse=True) == list(range(99, 79, -1)), "each counted once"
        assert limiter.locally == 0
        await limiter.stop()

    run(test())


# ---- over the wire


def test_all_calls_of_a_turn_go_in_one_write(own: ValkeyServer) -> None:
    def reads() -> int:
        found = re.search(rb"total_reads_processed:(\d+)", own.ask("INFO", "stats"))
        assert found is not None
        return int(found[1])

    async def test() -> None:
        limiter = await joined(own.url)
        before, began = reads(), time.monotonic()
        for _ in range(20):
            verdicts = await asyncio.gather(*(limiter.take("user_turn", LIMIT, 0) for _ in range(50)))
        assert [verdict.admitted for verdict in verdicts] == [False] * 50
        beats = time.monotonic() - began
        assert reads() - before <= 20 + 5 + beats, "one each, the questions of this test, and a beat each second"
        await limiter.stop()

    run(test())


REPLIES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.integers(-(2**63), 2**63 - 1),
        st.binary(max_size=20),
        st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=20).map(ReplyError),
    ),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


def written(reply: Any) -> bytes:
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    if isinstance(reply, ReplyError):
        return f"-{reply.text}\r\n".encode()
    if isinstance(reply, list):
        return b"*%d\r\n" % len(reply) + b"".join(map(written, reply))
    return b":%d\r\n" % reply


@given(replies=st.lists(REPLIES, max_size=8), pieces=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_replies_are_read_alike_in_whatever_pieces_they_come(replies: list[Any], pieces: list[int]) -> None:
    data = b"".join(written(reply) + b"+1 0 99 60\r\n" for reply in replies)
    expected = [each for reply in replies for each in (reply, b"1 0 99 60")]
    assert Reader().feed(data) == expected
    reader, found, at = Reader(), [], 0
    while at < len(data):
        piece = pieces[at % len(pieces)]
        found += reader.feed(data[at : at + piece])
        at += piece
    assert found == expected


def test_what_is_no_valkey_is_recognized() -> None:
    async def test() -> None:
        async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(web, "127.0.0.1", 0)
        limiter = await joined(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert limiter.away == "what answers there is no Valkey"
        assert (await limiter.take("user", LIMIT, now())).admitted and limiter.locally == 1
        await limiter.stop()
        server.close()

    run(test())


# ---- away


def test_a_frozen_valkey_keeps_nobody_waiting_beyond_the_time_out(own: ValkeyServer) -> None:
    async def test() -> None:
        limiter = await joined(own.url, timeouts=TIMEOUTS)
        own.freeze()
        began = time.monotonic()
        verdicts = await asyncio.gather(*(limiter.take("user_frozen", LIMIT, now()) for _ in range(300)))
        took = time.monotonic() - began
        assert TIMEOUTS.reply * 0.9 < took < TIMEOUTS.reply * 15, "they wait beside each other"
        assert sum(verdict.admitted for verdict in verdicts) == 100, "the same limits, counted here"
        assert limiter.locally == 300 and f"no answer within {TIMEOUTS.reply * 1000:.0f} ms" in limiter.away
        began = time.monotonic()
        for _ in range(100):
            assert not (await limiter.take("user_frozen", LIMIT, now())).admitted
        assert time.monotonic() - began < 20 * TIMEOUTS.reply, "once it is known to be away, nobody waits"
        own.thaw()
        await is_back(limiter)
        assert (await limiter.take("user_thawed", LIMIT, now())).at
        await limiter.stop()

    run(test())


def test_a_request_whose_answer_did_not_come_is_counted_once_at_most_in_each_place(own: ValkeyServer) -> None:
    async def test() -> None:
        limiter = await joined(own.url, timeouts=TIMEOUTS)
        own.freeze()
        for _ in range(3):
            assert (await limiter.take("user_once", LIMIT, now())).admitted
        own.thaw()
        await is_back(limiter)
        await asyncio.sleep(0.3)
        left, _ = (await limiter.peek("user_once", LIMIT, now()))[0]
        assert left >= 99, "only the first of them was sent, and not again"
        await limiter.stop()

    run(test())


def test_closed_refuses_while_valkey_is_away_and_lets_in_again_by_itself(own: ValkeyServer) -> None:
    async def test() -> None:
        limiter = await joined(own.url, closed=True)
        assert (await limiter.take("user", LIMIT, now())).left[0][0] == 99
        own.kill()
        await is_away(limiter)
        for _ in range(3):
            with pytest.raises(LimitsUnavailable) as refusal:
                await limiter.take("user", LIMIT, now())
            assert refusal.value.headers["Retry-After"] == "1"
        assert limiter.locally == 0
        assert (await limiter.take("user", NO_LIMIT, now())).admitted, "who has no limit needs no count"
        own.start()
        await is_back(limiter)
        assert (await limiter.take("user", LIMIT, now())).left[0][0] == 99
        await limiter.stop()

    run(test())


def test_while_away_the_server_holds_the_same_limits_by_itself(own: ValkeyServer) -> None:
    async def test() -> None:
        limiter = await joined(own.url)
        assert [(await limiter.take("user", LIMIT, now())).admitted for _ in range(150)].count(True) == 100
        own.kill()
        await is_away(limiter)
        assert [(await limiter.take("user", LIMIT, now())).admitted for _ in range(150)].count(True) == 100
        assert limiter.locally == 150
        await limiter.stop()

    run(test())


# ---- who may, and what is said when not


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ("", "asks for a password"),
        (":wrong@", "password is wrong"),
        ("nobody:wrong@", "password is wrong"),
        (":s%C3%ABcret%2F@", ""),
        ("rollbook:s3cret@", ""),
        ("reader:s3cret@", "may not do all"),
    ],
)
def test_passwords_and_users(tmp_path: Path, caplog: pytest.LogCaptureFixture, user: str, says: str) -> None:
    # The rights of the user `rollbook` are those of docs/operations.md.
    rights = "+hello +select +ping +script|load +evalsha +eval +get +set +time".split()
    options = ["--requirepass", "sëcret/", "--user", "rollbook", "on", ">s3cret", "~rollbook:*", *rights]
    options += ["--user", "reader", "on", ">s3cret", "~rollbook:*", "+hello", "+get"]

    async def test(server: ValkeyServer) -> None:
        limiter = await joined(f"valkey://{user}127.0.0.1:{server.port}/3")
        verdict = await limiter.take("user_auth", LIMIT, now())
        assert verdict.admitted
        assert says in limiter.away and bool(limiter.away) == bool(says) == (verdict.at == 0)
        await limiter.stop()

    with running_valkey(tmp_path / "valkey", *options) as server:
        run(test(server))
    assert bool(says) == ("is away" in caplog.text)
    for secret in ("wrong@", ":wrong", "s3cret", "sëcret", "%C3%AB"):
        assert secret not in caplog.text


def test_databases_are_apart(own: ValkeyServer) -> None:
    async def test() -> None:
        one, two = await joined(own.url + "/1"), await joined(own.url + "/2")
        assert [(await limiter.take("user", LIMIT, 0)).left[0][0] for limiter in (one, one, two)] == [99, 98, 99]
        await one.stop()
        await two.stop()

    run(test())


def test_a_replica_counts_nothing_and_says_so(own: ValkeyServer, tmp_path: Path) -> None:
    async def test(replica: ValkeyServer) -> None:
        limiter = await joined(replica.url)
        assert "replica" in limiter.away and "primary" in limiter.away
        replica.ask("REPLICAOF", "NO", "ONE")
        await is_back(limiter)
        await limiter.stop()

    with running_valkey(tmp_path / "replica", "--replicaof", f"127.0.0.1 {own.port}") as replica:
        run(test(replica))


def test_a_full_memory_is_told_and_counting_goes_on_here(own: ValkeyServer) -> None:
    async def test() -> None:
        limiter = await joined(own.url)
        own.ask("CONFIG", "SET", "maxmemory", "1")
        assert (await limiter.take("user_full", LIMIT, now())).at == 0
        assert "memory is full" in limiter.away
        own.ask("CONFIG", "SET", "maxmemory", "0")
        await is_back(limiter)
        assert (await limiter.take("user_full", LIMIT, now())).at
        await limiter.stop()

    run(test())


@grid(
    ("url", "says"),
    [
        ("http://:hunter2@host", "begins with valkey://"),
        ("hunter2", "begins with valkey://"),
        ("valkey://", "names no host"),
        ("valkey://:hunter2@", "names no host"),
        ("valkey://:hunter2@host:port", "host or port"),
        ("valkey://:hunter2@host:99999", "host or port"),
        ("valkey://:hunter2@host/zero", "number of a database"),
        ("valkey://:hunter2#x@host", "cannot be read|ends with the database"),
        ("valkey://:hunter2@host?x=1", "ends with the database"),
        ("valkey://hunter2@host", "without a password"),
        ("valkey://[hunter2", "host or port"),
        ("valkey://:hunter2@a,b", "several hosts"),
        ("valkey+cluster://:hunter2@a,b:c", "host or port"),
        ("valkey+cluster://:hunter2@a,", "names no host"),
        ("valkey+cluster://:hunter2@a,b/3", "no databases"),
        ("valkey+sentinel://:hunter2@a,b", "name of the primary"),
        ("valkey+something://:hunter2@a", "begins with valkey://"),
    ],
)
def test_what_is_no_address_is_refused_with_advice_and_without_the_password(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refusal:
        valkey_address.parse(url)
    assert "hunter2" not in str(refusal.value)


def test_an_address_is_read_and_never_shows_its_password() -> None:
    address = valkey_address.parse("rediss://me:h%40nter2@cache.example.com/7")
    assert (address.kind, address.hosts, address.user, address.password, address.database) == (
        "server",
        (("cache.example.com", 6379),),
        "me",
        "h@nter2",
        7,
    )
    assert address.tls is not None and valkey_address.parse("redis://[::1]").tls is None
    assert "nter2" not in f"{address} {address!r}"
    assert str(valkey_address.parse("valkey://[::1]:1234")) == "[::1]:1234"


def test_a_command_is_what_the_protocol_says() -> None:
    assert encode("SET", b"\x00\xff", 12) == b"*3\r\n$3\r\nSET\r\n$2\r\n\x00\xff\r\n$2\r\n12\r\n"
    sent = valkey_connection.script_command("take", 0, b"k", Limit.parse("5/minute"))
    assert sent == encode("EVALSHA", valkey_connection.DIGEST, 1, "k", 0, "take", 1, 5, 60)
    sent = valkey_connection.script_command(
        "take", 17, b"k", Limit.parse("5/minute,6/hour"), b"own", Limit.parse("2/1s")
    )
    assert sent == encode("EVALSHA", valkey_connection.DIGEST, 2, "k", "own", 17, "take", 2, 5, 60, 6, 3600, 1, 2, 1)
    assert valkey_connection.whole(sent) == encode(
        "EVAL", valkey_connection.SCRIPT, 2, "k", "own", 17, "take", 2, 5, 60, 6, 3600, 1, 2, 1
    )
    assert valkey_connection.verdict(b"0 17 1 2 3 4 5 6") == Verdict(False, ((1, 2), (3, 4), (5, 6)), 17)
