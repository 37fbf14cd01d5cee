"""Who waits for how many others until their password is hashed, and who is refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rollbook.auth.hashing_queue import KNOWN, HashingQueue, Waiter
from rollbook.errors import Overloaded, Stopping
from rollbook.records.password_parameters import Price

CHEAP = Price(0.001, 1)


def stranger(*networks: str) -> Waiter:
    return Waiter(networks, is_stranger=True)


def one_of(network: int) -> Waiter:
    """In one of the /64 networks of one /56."""
    return stranger("2001:db8:1::/48", "2001:db8:1::/56", f"2001:db8:1:{network:x}::/64")


class Crowd:
    """Jobs behind one that holds the only thread until `release`; `ended` names them in the order in which they ran."""

    def __init__(self, places: int = 64, mebibytes: int = 100, threads: int = 1) -> None:
        self.queue = HashingQueue(threads, places, mebibytes)
        self.ended: list[str] = []
        self.futures: dict[str, asyncio.Future[Any]] = {}
        self._go = threading.Event()

    async def hold(self, price: Price = CHEAP, waiter: Waiter = KNOWN) -> None:
        begun = threading.Event()
        self.futures["held"] = asyncio.ensure_future(
            self.queue.run(lambda: (begun.set(), self._go.wait(30), self.ended.append("held")), price, waiter)
        )
        while not begun.is_set():  # noqa: ASYNC110 - a thread brings it about
            await asyncio.sleep(0.001)

    async def add(self, name: str, waiter: Waiter = KNOWN, price: Price = CHEAP) -> None:
        self.futures[name] = asyncio.ensure_future(self.queue.run(lambda: self.ended.append(name), price, waiter))
        for _ in range(5):  # until a refusal has arrived
            await asyncio.sleep(0)

    async def release(self) -> list[str]:
        """The names in the order in which they ran, of those that were not refused."""
        self._go.set()
        await asyncio.gather(*self.futures.values(), return_exceptions=True)
        self.queue.close()
        return [name for name in self.ended if name != "held"]

    def refused(self) -> list[str]:
        return [
            name
            for name, future in self.futures.items()
            if future.done() and isinstance(future.exception(), Overloaded)
        ]


def in_crowd(test: Callable[[Crowd], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        crowd = Crowd(**options)
        try:
            await test(crowd)
        finally:
            await crowd.release()

    asyncio.run(run())


def test_strangers_have_half_of_the_places_and_known_ones_all_that_is_left() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.hold()
        for number in range(40):
            await crowd.add(f"stranger {number}", stranger(f"198.51.{number}.0/24"))
        assert crowd.queue.waiting == 8
        for number in range(12):
            await crowd.add(f"known {number}")
        assert crowd.queue.waiting == 16
        assert crowd.refused() == [f"stranger {n}" for n in range(8, 40)] + [f"known {n}" for n in range(8, 12)]
        assert crowd.queue.refused == 36

    in_crowd(test, places=16)


def test_known_ones_use_places_that_no_stranger_wants_and_give_them_back() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.hold()
        for number in range(5):
            await crowd.add(f"known {number}")
        await crowd.add("stranger", stranger("198.51.100.0/24"))
        assert crowd.refused() == ["known 3", "known 4"]
        assert sorted(await crowd.release()) == ["known 0", "known 1", "known 2", "stranger"]

    in_crowd(test, places=4)


def test_a_newcomer_is_next_before_any_network_that_has_guessed_lately() -> None:
    async def test(crowd: Crowd) -> None:
        for number in range(20):
            await crowd.queue.run(lambda: None, CHEAP, stranger(f"198.51.{number}.0/24"))
        await crowd.hold()
        for number in range(20):
            await crowd.add(f"guess {number}", stranger(f"198.51.{number}.0/24"))
        await crowd.add("owner", stranger("203.0.113.0/24"))
        assert len(crowd.refused()) == 17 and "owner" not in crowd.refused()
        assert (await crowd.release())[0] == "owner"

    in_crowd(test, places=8)


def test_who_waits_for_memory_is_not_overtaken_by_a_newcomer() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.queue.run(lambda: None, CHEAP, stranger("198.51.100.0/24"))
        await crowd.hold(Price(0.001, 60))
        await crowd.add("large", stranger("198.51.100.0/24"), Price(0.001, 90))
        await crowd.add("small", stranger("203.0.113.0/24"), Price(0.001, 20))  # fits beside what is held only
        assert await crowd.release() == ["large", "small"]

    in_crowd(test, threads=2, mebibytes=100)


def test_users_who_are_known_take_turns_too() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.hold()
        for number in range(20):
            await crowd.add(f"created {number}", Waiter(("user_program",)))
        await crowd.add("person", Waiter(("user_person",)))
        assert crowd.refused() == [f"created {number}" for number in range(7, 20)]
        assert (await crowd.release())[:3] == ["created 0", "person", "created 1"]

    in_crowd(test, places=8)


def test_strangers_get_half_of_the_time_while_known_ones_wait() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.hold()
        for number in range(3):
            await crowd.add(f"stranger {number}", stranger("198.51.100.0/24"), Price(0.004, 1))
        for number in range(9):
            await crowd.add(f"known {number}", price=Price(0.001, 1))
        known = [f"known {number}" for number in range(9)]
        assert await crowd.release() == [known[0], "stranger 0", *known[1:5], "stranger 1", *known[5:9], "stranger 2"]

    in_crowd(test)


def test_a_stranger_elsewhere_is_next_however_many_networks_of_one_line_wait() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.hold()
        for number in range(256):
            await crowd.add(f"guess {number}", one_of(number))
        assert crowd.queue.waiting == 32
        await crowd.add("owner", stranger("203.0.113.0/24", "203.0.113.5/32"))
        await crowd.add("neighbor", stranger("2001:db8:1::/48", "2001:db8:1:100::/56", "2001:db8:1:100::/64"))
        assert "guess 31" in crowd.refused() and {"owner", "neighbor"}.isdisjoint(crowd.refused())
        assert (await crowd.release())[:4] == ["guess 0", "owner", "neighbor", "guess 1"]

    in_crowd(test)


def test_who_waits_alone_in_a_network_does_not_give_way_to_one_with_many() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.hold()
        await crowd.add("owner", stranger("203.0.113.0/24", "203.0.113.5/32"))
        for number in range(40):
            await crowd.add(f"guess {number}", one_of(0))
        assert crowd.refused() == [f"guess {number}" for number in range(3, 40)]

    in_crowd(test, places=8)


def test_what_needs_memory_waits_for_it_and_nobody_overtakes() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.hold(Price(0.001, 60))
        await crowd.add("large", price=Price(0.001, 90))
        await crowd.add("small", price=Price(0.001, 20))  # fits beside what is held only
        assert crowd.queue.waiting == 2
        assert await crowd.release() == ["large", "small"]

    in_crowd(test, threads=2, mebibytes=100)


def test_a_known_one_does_not_wait_for_the_memory_of_one_stranger_after_the_other() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.hold(Price(0.001, 90), stranger("198.51.100.0/24"))
        crowd.queue._lead = -1.0  # it is the strangers' turn
        await crowd.add("stranger", stranger("203.0.113.0/24"), Price(0.001, 90))
        await crowd.add("known", KNOWN, Price(0.001, 10))
        await asyncio.wait_for(crowd.futures["known"], 30)
        await crowd.add("too much", KNOWN, Price(0.001, 20))
        assert crowd.ended == ["known"]

    in_crowd(test, threads=2)


def test_what_needs_more_memory_than_all_is_computed_alone() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.hold(Price(0.001, 1000))
        await crowd.add("small")
        assert crowd.queue.waiting == 1
        await crowd.add("huge", price=Price(0.001, 1000))
        assert await crowd.release() == ["small", "huge"]

    in_crowd(test, threads=2, mebibytes=100)


def test_too_little_memory_is_a_busy_server() -> None:
    async def test(crowd: Crowd) -> None:
        def work() -> None:
            raise MemoryError

        with pytest.raises(Overloaded) as refusal:
            await crowd.queue.run(work, CHEAP)
        assert int(refusal.value.headers["Retry-After"]) >= 1
        await crowd.add("next")
        assert await crowd.release() == ["next"]

    in_crowd(test)


def test_a_thread_that_the_system_refuses_is_a_busy_server(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(crowd: Crowd) -> None:
        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            await crowd.add("refused")
        assert crowd.refused() == ["refused"]
        await crowd.add("next")
        assert await crowd.release() == ["next"]

    in_crowd(test)


def test_what_waits_when_it_is_closed_is_given_up_and_what_runs_is_finished() -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.hold()
        await crowd.add("waiting")
        crowd.queue.close()
        with pytest.raises(Stopping):
            await crowd.futures["waiting"]
        with pytest.raises(Stopping):
            await crowd.queue.run(lambda: None, CHEAP)
        await crowd.release()
        assert crowd.ended == ["held"]
        assert crowd.queue.done == 1

    in_crowd(test)
