"""Usage and request log through the front door: exact over all workers, without secrets, kept as long as set, gone with
their user."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from counted import count, latest, reading, until, wait_for, whole_log

from rollbook.records import request_log, usage
from tests.engines import engine
from tests.harness import Server, new_key, new_user, running

DAY = 86_400

__all__ = ["engine"]  # each test holds on each database


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("usage") / "data", "--attempts-limit", "2/minute") as server:
        yield server


def test_counts_are_exact_after_many_requests_at_once(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--workers", "4", "--unauthenticated-limit", "none") as server:
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
            assert sum(hour.refused for hour in hours) == sum(
                times for (_, status), times in seen.items() if status >= 400
            )
            assert sum(hour.errors + hour.limited for hour in hours) == 0
            log = whole_log(read, user["id"])
            assert len(log) + sum(line.left_out for line in log) == 24 * 60
            assert len({line.request_id for line in log}) == len({line.at for line in log}) == len(log)
            if not any(line.left_out for line in log):
                assert Counter(line.status for line in log) == Counter(
                    {status: sum(times for (_, code), times in seen.items() if code == status) for _, status in seen}
                )
            assert {line.key_id for line in log} == {made["id"] for made in keys_of(server, user["id"])}
            # Those without a valid key count for no one, the server included.
            of_all = read(usage.hours, usage.ALL_USERS, 0)
            assert sum(hour.refused for hour in of_all) == sum(hour.refused for hour in hours)


def keys_of(server: Server, user: str) -> list[dict[str, Any]]:
    with server.http() as owner:
        return owner.get(f"/v1/keys?user={user}").json()


def test_a_page_shows_a_request_two_seconds_later(server: Server) -> None:
    with server.http() as http, reading(server) as read:
        me = http.get("/v1/users/me").json()["id"]
        id = http.get("/v1/users/me").headers["x-request-id"]
        answered = time.monotonic()
        while (line := read(request_log.request, me, id)) is None:
            assert time.monotonic() - answered < 50  # told from one that is never written, or by the minute
            time.sleep(0.02)
        assert (line.method, line.path, line.status, line.address) == ("GET", "/v1/users/me", 200, "127.0.0.1")
        assert 0 < line.microseconds < 10_000_000
        assert dict(line.headers)["user-agent"].startswith("python-httpx2")


def test_refusals_name_the_window_that_refused(server: Server) -> None:
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
            assert sum(hour.limited for hour in read(usage.hours, user["id"], 0)) == refused
            assert {line.limited_by for line in latest(read, user["id"], "429")} == {window}
            assert {line.limited_by for line in latest(read, user["id"], "2xx")} == {None}


def test_wrong_passwords_of_an_account_are_told_from_a_used_up_window(server: Server) -> None:
    with server.http() as owner:
        user = new_user(owner, role="admin")
        key = new_key(owner, user_id=user["id"])
    with server.http(key) as http:
        body = {"email": "nobody@example.com", "password": "not the password"}
        assert [http.post("/v1/users/verify-password", json=body).status_code for _ in range(3)] == [401, 401, 429]
        wait_for(server, user["id"], 3)
        with reading(server) as read:
            assert read(usage.hit, user["id"], 0) == {"attempts": 1}


def test_who_is_erased_leaves_no_usage(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        with server.http() as owner:
            user = new_user(owner, role="admin")
            with server.http(new_key(owner, user_id=user["id"])) as http:
                for _ in range(5):
                    http.get("/v1/users/me")
                wait_for(server, user["id"], 5)
                http.get("/v1/users/me")
                assert (
                    owner.delete(f"/v1/users/{user['id']}?purge=true").status_code == 204
                )  # one request is still to be written
        server.stop()
        server.pass_time(61)
        server.start()
        tables = ("usage", "usage_limits", "usage_routes", "request_log", "erased_usage")

        def gone() -> bool:
            return all(
                server.ask(f"SELECT count(*) FROM {table} WHERE user_id = '{user['id']}'") == [(0,)] for table in tables
            )

        until(gone)
        time.sleep(0.5)
        assert gone(), "and nothing comes back"


def test_a_database_that_cannot_be_written_loses_lines_says_so_and_counts_later(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none") as server:
        with server.http() as http:
            me = http.get("/v1/users/me").json()["id"]
            wait_for(server, me, 1)
            with server.held("usage"):  # by somebody else's tool, for longer than we wait
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
