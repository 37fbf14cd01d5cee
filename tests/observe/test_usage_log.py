"""The request log through the front door: without secrets, kept as long as set, whole after a stop. `test_usage.py` has what differs by database."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from signal import SIGKILL

import httpx2
from counted import count, reading, until, wait_for, whole_log

from rollbook.auth import key_format
from rollbook.records import usage
from tests.harness import Server, new_key, new_user, running

DAY = 86_400


def test_requests_without_a_known_key_count_for_the_server_and_for_no_key(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--unauthenticated-limit", "3/minute") as server:
        with server.http(key_format.mint()) as stranger:
            statuses = Counter(stranger.get("/v1/users").status_code for _ in range(5))
            assert statuses == {401: 3, 429: 2}
        for _ in range(5):
            assert httpx2.get(f"{server.url}/account/sign-in", headers={"Accept": "text/html"}, timeout=60).status_code == 200
        assert server.stop() == 0
        with reading(server) as read:
            hours = read(usage.server_hours, 0)
            assert sum(hour.requests for hour in hours) >= 10
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
