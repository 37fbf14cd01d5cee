"""Hashing passwords: what is kept, what is verified, how many wait, and at which priority."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.auth import password_hashes, passwords
from rollbook.auth.passwords import Passwords, check_hash
from rollbook.config import Settings
from rollbook.errors import Overloaded
from rollbook.records.password_parameters import Price, of, price

CHEAP = Settings(password_memory=64, password_time_cost=1, password_threads=1)
PASSWORD = "securepassword123"


@pytest.fixture
def cheap() -> Iterator[Passwords]:
    hasher = Passwords(CHEAP)
    yield hasher
    hasher.queue.close()


def drive(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine to its end as the transport does: on a loop, but in no task."""
    loop = asyncio.new_event_loop()
    ended = loop.create_future()

    def step() -> None:
        assert asyncio.current_task(loop) is None
        try:
            future = work.send(None)
        except StopIteration as result:
            ended.set_result(result.value)
        except BaseException as problem:
            ended.set_exception(problem)
        else:
            future._asyncio_future_blocking = False
            future.add_done_callback(lambda _: step())

    try:
        loop.call_soon(step)
        return loop.run_until_complete(ended)
    finally:
        loop.close()


class Held(Passwords):
    """Hashes that do not end until they are let."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.begun = threading.Event()
        self.go = threading.Event()

    def hash_now(self, password: str) -> str:
        self.begun.set()
        self.go.wait(30)
        return super().hash_now(password)


async def until(reached: Callable[[], bool]) -> None:
    while not reached():  # noqa: ASYNC110 - threads bring it about, and they set no event
        await asyncio.sleep(0.001)


async def until_waiting(hasher: Passwords, count: int) -> None:
    await until(lambda: hasher.queue.waiting == count)


def test_the_hash_is_argon2id_with_the_parameters_of_the_settings() -> None:
    hasher = Passwords(Settings())
    kept = asyncio.run(hasher.hash(PASSWORD))
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert argon2.PasswordHasher().verify(kept, PASSWORD)
    assert argon2.extract_parameters(kept).salt_len == 16
    assert argon2.extract_parameters(kept).hash_len == 32
    assert PASSWORD not in kept
    assert hasher.hash_now(PASSWORD) != kept
    assert asyncio.run(hasher.verify(kept, PASSWORD))


def test_only_the_password_itself_is_right(cheap: Passwords) -> None:
    kept = cheap.hash_now(PASSWORD)
    assert cheap.verify_now(kept, PASSWORD)
    for wrong in ["", PASSWORD + " ", PASSWORD[:-1], PASSWORD.upper(), PASSWORD + "\x00", "\ud800", "x" * 100_000]:
        assert not cheap.verify_now(kept, wrong)


def test_nothing_of_a_long_password_is_left_out(cheap: Passwords) -> None:
    kept = cheap.hash_now("😀" * 255 + "a")
    assert cheap.verify_now(kept, "😀" * 255 + "a")
    assert not cheap.verify_now(kept, "😀" * 255 + "b")


@pytest.mark.parametrize(
    ("one", "other"),
    [("cafe\u0301-noir", "caf\u00e9-noir"), ("ｐａｓｓ-ﬁre", "pass-fire"), ("\u212bngstroms", "\u00c5ngstroms")],
)
def test_one_password_typed_on_two_systems_is_one(cheap: Passwords, one: str, other: str) -> None:
    assert cheap.verify_now(cheap.hash_now(one), other)


@pytest.mark.parametrize("password", ["half \ud800", "long " * 100, "\ufdfa" * 15])
def test_a_password_that_cannot_be_hashed_is_refused_without_quoting_it(cheap: Passwords, password: str) -> None:
    with pytest.raises(ValueError, match=r"^The password") as refusal:
        cheap.hash_now(password)
    assert password not in str(refusal.value)
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("type", [argon2.Type.ID, argon2.Type.I, argon2.Type.D])
@pytest.mark.parametrize("version", [0x10, 0x13])
def test_hashes_of_other_parameters_and_kinds_are_verified_and_to_be_renewed(
    cheap: Passwords, type: argon2.Type, version: int
) -> None:
    older = argon2.low_level.hash_secret(PASSWORD.encode(), b"saltsalt", 3, 128, 2, 24, type, version).decode()
    check_hash(older)
    assert cheap.verify_now(older, PASSWORD)
    assert not cheap.verify_now(older, "another password")
    assert cheap.needs_renewal(older)


def test_a_hash_of_today_needs_no_renewal(cheap: Passwords) -> None:
    assert not cheap.needs_renewal(cheap.hash_now(PASSWORD))
    assert Passwords(Settings()).needs_renewal(cheap.hash_now(PASSWORD))
    assert cheap.needs_renewal("")


@pytest.mark.parametrize(
    "hash",
    [None, "", "x", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$!!!!"],
)
def test_without_a_hash_the_same_work_is_done_for_nothing(monkeypatch: pytest.MonkeyPatch, hash: str | None) -> None:
    """What is compared is the work, not the time: the argon2 call that an unknown account leads to has today's
    parameters."""
    worked: list[bytes] = []
    real = password_hashes.verify_secret
    monkeypatch.setattr(
        password_hashes, "verify_secret", lambda hash, *rest: (worked.append(hash), real(hash, *rest))[1]
    )
    hasher = Passwords(Settings())
    known = hasher.hash_now(PASSWORD)
    assert not asyncio.run(hasher.verify(known, "another password"))
    assert not asyncio.run(hasher.verify(hash, "another password"))
    assert not asyncio.run(hasher.verify(known, "too long " * 100))
    costs = [work.decode().rsplit("$", 2)[0] for work in worked]
    assert costs == ["$argon2id$v=19$m=19456,t=2,p=1"] * 3
    assert {len(work) for work in worked} == {len(known)}


def test_a_wrong_password_is_one_hash_with_the_parameters_of_the_account_or_its_stand_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worked: list[str] = []
    real = password_hashes.verify_secret
    monkeypatch.setattr(
        password_hashes, "verify_secret", lambda hash, *rest: (worked.append(of(hash.decode())), real(hash, *rest))[1]
    )
    hashers = [Passwords(Settings(password_memory=memory, password_time_cost=1)) for memory in (64, 128)]
    for hasher in hashers:
        kept = hasher.hash_now(PASSWORD)
        for password in ("another password", PASSWORD):
            worked.clear()
            assert hashers[0].verify_now(kept, password, hashers[1].current) == (password == PASSWORD)
            assert worked == [of(kept)]
    for hash in (None, "", "$2b$12$abcdefghijklmnopqrstuv"):
        worked.clear()
        assert not hashers[0].verify_now(hash, "another password", hashers[1].current)
        assert worked == [hashers[1].current]


def test_a_hash_that_needs_more_memory_than_it_may_is_never_computed(cheap: Passwords) -> None:
    """Of a folder from before there was a bound. It costs what an unknown account costs."""
    big = argon2.low_level.hash_secret(PASSWORD.encode(), b"saltsalt", 1, 129 * 1024, 1, 24, argon2.Type.ID).decode()
    assert not cheap.verify_now(big, PASSWORD)
    for more in (Settings(imported_hash_memory=129), Settings(password_memory=129 * 1024)):
        hasher = Passwords(more)
        assert hasher.verify_now(big, PASSWORD)


def test_a_hash_is_tried_in_two_spellings_only_if_both_cost_at_most_a_second(
    monkeypatch: pytest.MonkeyPatch, cheap: Passwords
) -> None:
    tried: list[bytes] = []
    monkeypatch.setattr(passwords, "matches", lambda hash, secret: bool(tried.append(secret)))
    typed, normal = "\u212bngstr\u00f6ms".encode(), "\u00c5ngstr\u00f6ms".encode()
    dots = "." * 53
    for hash, spellings in (
        (f"$2b$14${dots}", [typed]),
        (f"$2b$13${dots}", [typed, normal]),
        (cheap.hash_now("x"), [normal, typed]),
    ):
        tried.clear()
        assert not cheap.verify_now(hash, "\u212bngstr\u00f6ms")
        assert tried == spellings


def test_it_works_where_there_is_no_task(cheap: Passwords) -> None:
    kept = drive(cheap.hash(PASSWORD))
    assert drive(cheap.verify(kept, PASSWORD)) is True
    assert drive(cheap.verify(None, PASSWORD)) is False
    with pytest.raises(ValueError, match="surrogate"):
        drive(cheap.hash("half \ud800"))
    assert cheap.queue.waiting == 0


def test_when_too_many_wait_the_next_is_refused_with_a_time_and_room_comes_back() -> None:
    hasher = Held(Settings(password_memory=64, password_time_cost=1, password_threads=2, password_queue=3))

    async def crowd() -> None:
        taken = [asyncio.ensure_future(hasher.hash(PASSWORD)) for _ in range(5)]
        await until_waiting(hasher, 3)
        for call in (hasher.hash(PASSWORD), hasher.verify(None, PASSWORD)):
            with pytest.raises(Overloaded) as refusal:
                await call
            assert refusal.value.status == 503
            assert int(refusal.value.headers["Retry-After"]) >= 1
        hasher.go.set()
        assert len(set(await asyncio.gather(*taken))) == 5
        await until_waiting(hasher, 0)
        assert len({*await asyncio.gather(*(hasher.hash(PASSWORD) for _ in range(5)))}) == 5

    asyncio.run(crowd())
    hasher.queue.close()


def test_the_time_to_wait_grows_with_the_queue_and_the_time_of_a_hash() -> None:
    hasher = Held(Settings(password_memory=1024, password_time_cost=100, password_threads=1, password_queue=9))
    hasher.queue._pace = 2.0 / price(hasher.current).seconds

    async def crowd() -> None:
        taken = [asyncio.ensure_future(hasher.hash(PASSWORD)) for _ in range(10)]
        await until_waiting(hasher, 9)
        with pytest.raises(Overloaded) as refusal:
            await hasher.hash(PASSWORD)
        assert refusal.value.headers["Retry-After"] == "20"
        hasher.go.set()
        await asyncio.gather(*taken)

    asyncio.run(crowd())
    hasher.queue.close()


def test_a_caller_that_goes_away_leaves_its_place_in_the_queue() -> None:
    hasher = Held(Settings(password_memory=64, password_threads=1, password_queue=2))

    async def crowd() -> None:
        running = asyncio.ensure_future(hasher.hash(PASSWORD))
        await until(hasher.begun.is_set)
        waiting = [asyncio.ensure_future(hasher.hash(PASSWORD)) for _ in range(2)]
        await until_waiting(hasher, 2)
        waiting[0].cancel()
        await until_waiting(hasher, 1)
        last = asyncio.ensure_future(hasher.hash(PASSWORD))
        await until_waiting(hasher, 2)
        hasher.go.set()
        await asyncio.gather(running, waiting[1], last)

    asyncio.run(crowd())
    hasher.queue.close()


def test_its_threads_have_a_low_priority_and_nothing_else_has(cheap: Passwords) -> None:
    # At +19, a sign-in beside busy programs took seconds (decision 6).
    threads_have_their_own = sys.platform == "linux"

    def nice() -> int:
        if not threads_have_their_own:
            return os.getpriority(os.PRIO_PROCESS, 0)
        # Field 19 of proc(5); the name of the thread, in brackets, may hold blanks.
        return int(Path(f"/proc/self/task/{threading.get_native_id()}/stat").read_text().rpartition(")")[2].split()[16])

    async def look() -> Any:
        await cheap.hash(PASSWORD)
        return await cheap.queue.run(nice, Price(0, 0))

    before = nice()
    assert asyncio.run(look()) == (min(before + 10, 19) if threads_have_their_own else before)
    assert nice() == before
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.mark.parametrize(
    ("cores", "workers", "asked", "threads"), [(8, 1, 0, 8), (8, 3, 0, 2), (2, 4, 0, 1), (2, 4, 5, 5)]
)
def test_the_cores_are_shared_out_among_the_workers(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, asked: int, threads: int
) -> None:
    monkeypatch.setattr(passwords, "available_cpus", lambda: cores)
    assert Passwords(Settings(workers=workers, password_threads=asked)).queue._threads == threads


@pytest.mark.parametrize(("workers", "asked", "mebibytes"), [(1, 0, 256), (2, 0, 147), (1000, 0, 147), (2, 300, 300)])
def test_a_quarter_of_the_memory_is_shared_out_among_the_workers_but_the_dearest_hash_and_a_new_one_fit_into_each_share(
    monkeypatch: pytest.MonkeyPatch, workers: int, asked: int, mebibytes: int
) -> None:
    monkeypatch.setattr(passwords, "available_memory", lambda: 1024)
    assert Passwords(Settings(workers=workers, password_memory_budget=asked)).queue._mebibytes == mebibytes


SALT, DIGEST = "c2FsdHNhbHQ", "L0" * 21 + "A"


@pytest.mark.parametrize(
    "hash",
    [
        f"$argon2id$v=19$m=19456,t=2,p=1${SALT}${DIGEST}",
        f"$argon2i$v=16$m=8,t=1,p=1${SALT}${DIGEST}",
        f"$argon2d$m=65536,t=3,p=4${SALT}${DIGEST}",
        f"$argon2id$v=19$m=131072,t=10,p=16${SALT}${DIGEST}",
    ],
)
def test_an_imported_hash_is_taken(hash: str) -> None:
    assert check_hash(hash) == hash


@pytest.mark.parametrize(
    "hash",
    [
        "",
        "x",
        "$2b$12$abcdefghijklmnopqrstuv",
        f"argon2id$v=19$m=19456,t=2,p=1${SALT}${DIGEST}",
        f"$argon2x$v=19$m=19456,t=2,p=1${SALT}${DIGEST}",
        f"$argon2id$v=18$m=19456,t=2,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$t=2,m=19456,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=7,t=2,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=31,t=2,p=4${SALT}${DIGEST}",
        f"$argon2id$v=19$m=-8,t=2,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=19456,t=0,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=19456,t=2,p=1${SALT}",
        f"$argon2id$v=19$m=19456,t=2,p=1$${DIGEST}",
        f"$argon2id$v=19$m=19456,t=2,p=1$c2FsdA${DIGEST}",
        f"$argon2id$v=19$m=19456,t=2,p=1${SALT}$c2hvcnQ",
        f"$argon2id$v=19$m=19456,t=2,p=1${SALT}${DIGEST}=",
        f"$argon2id$v=19$m=19456,t=2,p=1${SALT}${DIGEST[:-1]}B",
        f"$argon2id$v=19$m=19456,t=2,p=1${SALT}${DIGEST}\n",
        f"$argon2id$v=19$m=19456,t=2,p=1${SALT}${DIGEST[:41]}",
        f"$argon2id$v=19$m=١٩٤٥٦,t=2,p=1${SALT}${DIGEST}",
    ],
)
def test_what_is_no_argon2_string_is_refused_and_no_password_fits_it(cheap: Passwords, hash: str) -> None:
    with pytest.raises(ValueError, match=r"^The password hash is not"):
        assert check_hash(hash) == hash
    assert not cheap.verify_now(hash, PASSWORD)


@pytest.mark.parametrize(
    "cost",
    ["m=132096,t=1,p=1", "m=131072,t=11,p=1", "m=8192,t=999,p=1", "m=19456,t=2,p=17", "m=4294967295,t=4294967295,p=1"],
)
def test_an_imported_hash_cannot_make_every_sign_in_cost_the_earth(cost: str) -> None:
    with pytest.raises(ValueError, match=r"^The password hash is too expensive to verify"):
        check_hash(f"$argon2id$v=19${cost}${SALT}${DIGEST}")


@given(st.binary(min_size=8, max_size=64), st.binary(min_size=16, max_size=64), st.sampled_from(list(argon2.Type)))
def test_whatever_passes_the_check_the_library_can_verify(salt: bytes, digest: bytes, type: argon2.Type) -> None:
    made = argon2.low_level.hash_secret(b"x", salt, 1, 8, 1, len(digest), type).decode()
    check_hash(made)
    assert Passwords(CHEAP).verify_now(made, "x")
    assert not Passwords(CHEAP).verify_now(made, "y")
