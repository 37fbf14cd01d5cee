"""A crowd that guesses without a pause, from many networks, keeps nobody else from signing in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import OWNER_PASSWORD, Server, new_user, running
from tests.networks import PROXY, at
from tests.visitor import sign_in, signed_in, visitor

# Some hundred guesses are hashed as they would be outside of tests.
pytestmark = pytest.mark.timeout(900)


@contextmanager
def guessing(server: Server, addresses: Callable[[int], str], refusal: int) -> Iterator[None]:
    """Eight strangers guess without a pause, each time from the next address. Each has been told that it was wrong, and
    many `refusal`."""
    stop = threading.Event()
    told: list[int] = []

    def guess(first: int) -> None:
        with visitor(server) as stranger:
            for number in range(first, 1_000_000, 8):
                stranger.headers["X-Forwarded-For"] = addresses(number)
                told.append(sign_in(stranger, f"nobody{number}@example.com", "wrong").status_code)
                if stop.is_set():
                    return

    threads = [threading.Thread(target=guess, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    try:
        while told.count(refusal) < 20 or told.count(401) < 16:
            stop.wait(0.01)
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


NARROW = (*PROXY, "--password-threads", "1", "--password-queue", "8")


@pytest.mark.parametrize(("limit", "refusal"), [("5/minute,200/hour", 429), ("none", 503)])
def test_256_networks_of_a_line_guess_and_the_owner_still_signs_in_from_a_new_address(
    tmp_path: Path, limit: str, refusal: int
) -> None:
    """With a limit, few of the guesses are hashed; without one, the queue alone is fair."""
    with (
        running(tmp_path / "data", *NARROW, "--address-attempts-limit", limit, cheap=False) as server,
        guessing(server, lambda number: f"2001:db8:1:{number % 256:x}::1", refusal),
    ):
        for host in range(4):
            with at(server, f"203.0.{host}.5") as owner:
                assert sign_in(owner).status_code == 303


def test_eight_lines_guess_and_the_owner_still_signs_in_from_a_new_address(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", *NARROW, "--address-attempts-limit", "none", cheap=False) as server,
        guessing(server, lambda number: f"10.0.{number % 8}.1", 503),
    ):
        for host in range(4):
            with at(server, f"203.0.{host}.5") as owner:
                assert sign_in(owner).status_code == 303


def test_strangers_of_many_lines_crowd_out_no_browser_that_is_known_no_session_and_no_key(tmp_path: Path) -> None:
    with running(tmp_path / "data", *NARROW, "--address-attempts-limit", "none", cheap=False) as server:
        with signed_in(server) as browser:
            browser.post("/account/sign-out")
        with guessing(server, lambda number: f"10.{number // 250 % 250}.{number % 250}.1", 503), server.http() as http:
            for _ in range(4):
                with visitor(server) as known:
                    known.cookies = browser.cookies
                    assert sign_in(known).status_code == 303
                    own = {"current_password": OWNER_PASSWORD, "password": OWNER_PASSWORD}
                    assert known.post("/account/password", data=own).status_code == 303
                new_user(http)
