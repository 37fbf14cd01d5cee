"""Usage and request log through the front door: exact over all workers, without secrets, kept as long as set, gone with their user."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx2
import pytest

from rollbook.auth import key_format
from rollbook.config import Settings
from rollbook.records import opening, usage
from rollbook.records.usage import Logged
from tests.engines import engine
from tests.harness import Server, new_key, new_user, running

DAY = 86_400

__all__ = ["engine"]  # each test holds on each database


@contextmanager
def reading(server: Server) -> Iterator[Callable[..., Any]]:
    """Its database, as a page reads it."""
    db = opening.open_database(Settings(data=server.data, database=server.database))
    try:
        yield db.read_now
    finally:
        db.close()


def count(read: Callable[..., Any], user: str) -> int:
    return sum(hour.requests for hour in read(usage.hours, user, 0))


def wait_for(server: Server, user: str, requests: int, seconds: float = 60.0) -> None:
    """Until so many requests of the user are counted."""
    deadline = time.monotonic() + seconds
    with reading(server) as read:
        while (seen := count(read, user)) < requests:
            assert time.monotonic() < deadline, f"{seen} of {requests} are counted"
            time.sleep(0.05)
        assert seen == requests


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def whole_log(read: Callable[..., Any], user: str) -> list[Logged]:
    found: list[Logged] = []
    while page := read(usage.requests, user, None, None, found[-1].at if found else None, 200):
        found += page
    return found


@pytest.mark.parametrize("workers", [1, 4])
def test_counts_are_exact_after_many_requests_at_once(tmp_path: Path, workers: int) -> None:
    with running(tmp_path / "data", "--workers", str(workers), "--unauthenticated-limit", "none") as server:
        with server.http() as owner:
            user = new_user(owner, role="admin", rate_limit="none")
            key, other = (new_key(owner, user_id=user["id"]) for _ in range(2))

        def ask(part: int) -> Counter[tuple[str, int]]:
            seen: Counter[tuple[str, int]] = Counter()
            with server.http(key if part % 2 else other) as http, server.http(None) as stranger:
                for number in range(60):
                    path = ("/v1/users/me", "/v1/users/user_nobody", "/v1/nothing", "/v1/users?limit=0")[number % 4]
                    seen[("key", "other")[part % 2], http.get(path).status_code] += 1
                    if number % 10 == 0:
                        assert stranger.get("/v1/users").status_code == 401
            return seen

        with ThreadPoolExecutor(12) as pool:
            seen = sum(pool.map(ask, range(24)), Counter())
        wait_for(server, user["id"], 24 * 60)
        with reading(server) as read:
            hours = read(usage.hours, user["id"], 0)
            assert sum(hour.refused for hour in hours) == sum(times for (_, status), times in seen.items() if status >= 400)
            assert sum(hour.errors + hour.limited for hour in hours) == 0
            log = whole_log(read, user["id"])
            assert len(log) + sum(line.left_out for line in log) == 24 * 60
            assert len({line.request_id for line in log}) == len({line.at for line in log}) == len(log)
            if not any(line.left_out for line in log):
                assert Counter(line.status for line in log) == Counter(
                    {status: sum(times for (_, code), times in seen.items() if code == status) for _, status in seen}
                )
            assert {line.key_id for line in log} == {made["id"] for made in keys_of(server, user["id"])}
            everything = read(usage.server_hours, 0)
            assert sum(hour.requests for hour in everything) >= 24 * 66
            assert sum(hour.refused for hour in everything) >= sum(hour.refused for hour in hours) + 24 * 6


def keys_of(server: Server, user: str) -> list[dict[str, Any]]:
    with server.http() as owner:
        return owner.get(f"/v1/keys?user={user}").json()


def test_a_page_shows_a_request_two_seconds_later(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.http() as http, reading(server) as read:
        me = http.get("/v1/users/me").json()["id"]
        id = http.get("/v1/users/me").headers["x-request-id"]
        answered = time.monotonic()
        while (line := read(usage.request, me, id)) is None:
            assert time.monotonic() - answered < 10  # told from one that is never written, or by the minute
            time.sleep(0.02)
        assert (line.method, line.path, line.status, line.address) == ("GET", "/v1/users/me", 200, "127.0.0.1")
        assert 0 < line.microseconds < 10_000_000
        assert dict(line.headers)["user-agent"].startswith("python-httpx2")


def test_refusals_name_the_window_that_refused(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        with server.http() as owner:
            by_minute = new_user(owner, rate_limit="3/minute,100/hour")
            by_key = new_user(owner)
            by_30s = new_user(owner, rate_limit="2/30s")
            texts = [
                new_key(owner, user_id=by_minute["id"]),
                new_key(owner, user_id=by_key["id"], rate_limit="4/hour"),
                new_key(owner, user_id=by_30s["id"]),
            ]
        for text in texts:
            with server.http(text) as http:
                statuses = Counter(http.get("/v1/users/me").status_code for _ in range(9))
                assert set(statuses) == {200, 429}
        with reading(server) as read:
            for user, window, refused in ((by_minute, "minute", 6), (by_key, "key-hour", 5), (by_30s, "30s", 7)):
                wait_for(server, user["id"], 9)
                assert read(usage.hit, user["id"], 0) == {window: refused}
                assert [hour.limited for hour in read(usage.hours, user["id"], 0)] == [refused]
                assert {line.limited_by for line in read(usage.requests, user["id"], None, "429")} == {window}
                assert {line.limited_by for line in read(usage.requests, user["id"], None, "2xx")} == {None}


def test_wrong_passwords_of_an_account_are_told_from_a_used_up_window(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--attempts-limit", "2/minute") as server, server.http() as owner:
        me = owner.get("/v1/users/me").json()["id"]
        body = {"email": "nobody@example.com", "password": "not the password"}
        assert [owner.post("/v1/users/verify-password", json=body).status_code for _ in range(3)] == [401, 401, 429]
        wait_for(server, me, 4)
        with reading(server) as read:
            assert read(usage.hit, me, 0) == {"attempts": 1}


def test_what_was_refused_before_the_key_was_known_is_nobodys(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--unauthenticated-limit", "3/minute") as server:
        with server.http(key_format.mint()) as stranger:
            statuses = Counter(stranger.get("/v1/users").status_code for _ in range(5))
            assert statuses == {401: 3, 429: 2}
        assert server.stop() == 0
        with reading(server) as read:
            hours = read(usage.server_hours, 0)
            assert sum(hour.limited for hour in hours) == 2 and sum(hour.refused for hour in hours) == 3
        for table in ("usage", "usage_limits", "request_log"):
            assert server.ask(f"SELECT count(*) FROM {table}") == [(0,)]


def test_no_secret_reaches_the_database(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        with server.http() as owner:
            user = new_user(owner, role="admin", rate_limit="none")
            text = new_key(owner, user_id=user["id"], revealable=False)
        fields = {
            "Cookie": "session=cookie-secret-1", "Referer": "https://example.com/?token=referrer-secret-2", "X-Api-Key": "field-secret-3",
            "Proxy-Authorization": "Basic proxy-secret-4", "User-Agent": f"agent {text}", "Idempotency-Key": "x" * 190 + text,
        }  # fmt: skip
        with server.http(text) as http:
            for path in (
                f"/v1/users/{text}",
                f"/v1/{'y' * 185}/{text}",
                f"/v1/users/%72bk_{text[4:]}",
                "/v1/users/me?q=query-secret-5",
            ):
                http.get(path, headers=fields)
            del fields["Idempotency-Key"]
            http.post("/v1/users", json={"name": "x", "email": "x@example.com", "password": "password-secret-6"}, headers=fields)
        wait_for(server, user["id"], 5)
        with reading(server) as read:
            log = read(usage.requests, user["id"])
            assert {line.path for line in log} >= {"/v1/users", "/v1/users/me", "/v1/users/***"}
            assert all(dict(line.headers)["user-agent"] == "agent ***" for line in log)
        files = {name: content for name, content in server.kept().items() if name != server.log.name}
        assert any(b"agent ***" in content for content in files.values())
        for secret in (text, text[4:30], *(f"secret-{number}" for number in range(1, 7))):
            assert not [name for name, content in files.items() if secret.encode() in content], secret


def test_lines_and_counts_are_kept_as_long_as_set(tmp_path: Path) -> None:
    flags = ("--request-retention", "2", "--usage-retention", "5")
    with running(tmp_path / "data", *flags) as server:
        with server.http() as http:
            me = http.get("/v1/users/me").json()["id"]

        def restarted(days: float) -> None:
            server.stop()  # what is old is dropped at the start, then every minute
            server.pass_time(days * DAY)
            server.start()

        with reading(server) as read:

            def kept() -> tuple[int, int]:
                """Requests counted, and lines of them."""
                return count(read, me), len(read(usage.requests, me))

            restarted(1.9)
            time.sleep(0.5)
            assert kept() == (1, 1)
            restarted(2.1)
            until(lambda: kept() == (1, 0))
            restarted(4.8)
            time.sleep(0.5)
            assert kept() == (1, 0)
            restarted(5.2)
            until(lambda: kept() == (0, 0))
            assert min(hour.at for hour in read(usage.server_hours, 0)) > (time.time() + 0.1 * DAY) * 1e6


def test_without_retention_there_is_no_log_and_the_old_one_goes(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    try:
        with server.http() as http:
            me = http.get("/v1/users/me").json()["id"]
        server.stop()
        with reading(server) as read:
            assert len(read(usage.requests, me)) == 1
        server.flags = ("--request-retention", "0")
        server.start()
        with server.http() as http, reading(server) as read:
            http.get("/v1/users/me")
            until(lambda: not read(usage.requests, me))  # the old one goes as soon as this server leads
        server.stop()
        with reading(server) as read:
            assert count(read, me) == 2
            assert read(usage.requests, me) == []
    finally:
        server.stop()


def test_who_is_erased_leaves_no_usage(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        with server.http() as owner:
            user = new_user(owner, role="admin")
            with server.http(new_key(owner, user_id=user["id"])) as http:
                for _ in range(5):
                    http.get("/v1/users/me")
                wait_for(server, user["id"], 5)
                http.get("/v1/users/me")
                assert owner.delete(f"/v1/users/{user['id']}?purge=true").status_code == 204  # one request is still to be written
        server.stop()
        server.pass_time(61)
        server.start()
        tables = ("usage", "usage_limits", "request_log", "erased_usage")

        def gone() -> bool:
            return all(server.ask(f"SELECT count(*) FROM {table} WHERE user_id = '{user['id']}'") == [(0,)] for table in tables)

        until(gone)
        time.sleep(0.5)
        assert gone(), "and nothing comes back"


def test_a_stop_loses_nothing_and_a_kill_only_what_was_not_yet_written(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--workers", "2") as server:
        with server.http() as http:
            me = http.get("/v1/users/me").json()["id"]
            for _ in range(9):
                http.get("/v1/users/me")
        assert server.stop() == 0
        with reading(server) as read:
            assert count(read, me) == len(whole_log(read, me)) == 10
            server.start()
            with server.http() as http:
                for _ in range(9):
                    http.get("/v1/users/me")
                wait_for(server, me, 19)
                http.get("/v1/users/me")
            server.stop(SIGKILL)
            server.start()
            assert count(read, me) in (19, 20)
            with server.http() as http:
                assert http.get("/v1/users/me").status_code == 200


def test_a_database_that_cannot_be_written_loses_lines_says_so_and_counts_later(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none") as server:
        with server.http() as http:
            me = http.get("/v1/users/me").json()["id"]
            wait_for(server, me, 1)
            with server.held("server_usage"):  # by somebody else's tool, for longer than we wait
                for _ in range(7):
                    assert http.get("/v1/users/me").status_code == 200
                deadline = time.monotonic() + 60
                while "lines of the request log are lost" not in server.log.read_text():
                    assert time.monotonic() < deadline
                    assert http.get("/v1/users/me/").status_code == 200
                    time.sleep(0.5)
            http.get("/v1/nothing")
        server.stop()
        sent = [line for line in server.logged() if line.get("event") == "request" and line.get("user_id") == me]
        with reading(server) as read:
            assert count(read, me) == len(sent) >= 9
            kept = whole_log(read, me)
            assert 2 <= len(kept) < len(sent)
            assert "/v1/nothing" in {line.path for line in kept}


def test_a_request_of_a_page_counts_for_the_server_and_for_no_key(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        for _ in range(5):
            assert httpx2.get(f"{server.url}/account/sign-in", headers={"Accept": "text/html"}, timeout=60).status_code == 200
        server.stop()
        with reading(server) as read:
            assert sum(hour.requests for hour in read(usage.server_hours, 0)) >= 5
        assert server.ask("SELECT count(*) FROM usage") == [(0,)]
