"""The request log through the front door: without secrets, kept as long as set, whole after a stop. `test_usage.py` has
what differs by database."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from signal import SIGKILL

import httpx2
import pytest
from counted import count, latest, reading, until, wait_for, whole_log

from rollbook.auth import key_format
from rollbook.observe import usage_buffer
from rollbook.records import usage
from tests.harness import Server, new_key, new_user, running

DAY = 86_400
# All header fields that the log keeps and a client may make as long as it likes.
LONG = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Forwarded",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Origin",
    "Traceparent",
    "User-Agent",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Request-Id",
)


def test_requests_without_a_known_key_and_pages_count_nowhere(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--unauthenticated-limit", "3/minute") as server:
        with server.http(key_format.mint()) as stranger:
            statuses = Counter(stranger.get("/v1/users").status_code for _ in range(5))
            assert statuses == {401: 3, 429: 2}
        for _ in range(5):
            assert (
                httpx2.get(f"{server.url}/account/sign-in", headers={"Accept": "text/html"}, timeout=60).status_code
                == 200
            )
        assert server.stop() == 0
        for table in ("usage", "usage_limits", "usage_routes", "request_log"):
            assert server.ask(f"SELECT count(*) FROM {table}") == [(0,)]


def test_no_secret_reaches_the_database(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        with server.http() as owner:
            user = new_user(owner, role="admin", rate_limit="none")
            text = new_key(owner, user_id=user["id"], revealable=False)
        fields = {
            "Cookie": "session=cookie-secret-1",
            "Referer": "https://example.com/?token=referrer-secret-2",
            "X-Api-Key": "field-secret-3",
            "Proxy-Authorization": "Basic proxy-secret-4",
            "User-Agent": f"agent {text}",
            "Idempotency-Key": "x" * 190 + text,
        }
        with server.http(text) as http:
            for path in (
                f"/v1/users/{text}",
                f"/v1/{'y' * 185}/{text}",
                f"/v1/users/%72bk_{text[4:]}",
                "/v1/users/me?q=query-secret-5",
            ):
                http.get(path, headers=fields)
            del fields["Idempotency-Key"]
            http.post(
                "/v1/users",
                json={"name": "x", "email": "x@example.com", "password": "password-secret-6"},
                headers=fields,
            )
        wait_for(server, user["id"], 5)
        with reading(server) as read:
            log = latest(read, user["id"])
            assert {line.path for line in log} >= {"/v1/users", "/v1/users/me", "/v1/users/***"}
            assert all(dict(line.headers)["user-agent"] == "agent ***" for line in log)
        files = {name: content for name, content in server.kept().items() if name != server.log.name}
        assert any(b"agent ***" in content for content in files.values())
        for secret in (text, text[4:30], *(f"secret-{number}" for number in range(1, 7))):
            assert not [name for name, content in files.items() if secret.encode() in content], secret


@pytest.mark.parametrize("keys", [1, 4])
def test_a_client_that_is_only_refused_does_not_fill_the_disk(tmp_path: Path, keys: int) -> None:
    refused = 300
    with running(tmp_path / "data", "--rate-limit", "1000/minute") as server:
        with server.http() as owner:
            member = new_user(owner, rate_limit="1/hour")
            texts = [new_key(owner, user_id=member["id"]) for _ in range(keys)]
        sent, began = 0, time.monotonic()
        for minute in range(2):
            for text in texts:
                with server.http(text) as http:
                    for _ in range(refused):
                        sent += 1
                        status = http.get("/v1/users/me", headers=dict.fromkeys(LONG, f"{sent}{'x' * 190}")).status_code
                        assert status == (200 if sent == 1 else 429)
            wait_for(server, member["id"], sent)
            server.pass_time(60 * (minute + 1))
        took = time.monotonic() - began
        with reading(server) as read:
            assert sum(hour.limited for hour in read(usage.hours, member["id"], 0)) == sent - 1
            lines = whole_log(read, member["id"])
        # A handful in each minute of the clock that this took, and no more of the disk than those need.
        minutes = len({line.at // 60_000_000 for line in lines})
        assert 2 <= minutes <= 4 + took // 60 and len(lines) <= usage_buffer.MAX_LIMITED * minutes + 1
        ((size,),) = server.ask(f"SELECT sum(length(lines)) FROM request_log WHERE user_id = '{member['id']}'")
        assert size <= len(lines) * (len(LONG) * (200 + 20) + 300) <= minutes * 60 * 1024


def test_a_log_that_is_too_large_loses_its_oldest_lines(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none", "--request-log-size", "1") as server:
        with server.http() as http:
            me = http.get("/v1/users/me").json()["id"]
            for number in range(400):
                fields = dict.fromkeys(LONG, f"{number}{'x' * 190}")
                assert http.get("/v1/users/me", headers=fields).status_code == 200
            wait_for(server, me, 401)
            with reading(server) as read:
                before = whole_log(read, me)
                assert read(usage.log_size, 0) > 1 << 20
            server.stop()
            server.start()  # looks at the size, as it does every minute

            def size() -> int:
                with reading(server) as read:
                    return read(usage.log_size, 0)

            until(lambda: size() <= 1 << 20)
            http.get("/v1/users/me")
        server.stop()
        with reading(server) as read:
            kept = whole_log(read, me)
            assert count(read, me) == 402
        assert 1 <= len(kept) < 401 and kept[0].at > before[0].at
        assert {line.request_id for line in kept[1:]} <= {line.request_id for line in before[: len(kept)]}


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
                return count(read, me), len(latest(read, me))

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
            assert read(usage.hours, usage.ALL_USERS, 0) == []


def test_without_retention_there_is_no_log_and_the_old_one_goes(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    try:
        with server.http() as http:
            me = http.get("/v1/users/me").json()["id"]
        server.stop()
        with reading(server) as read:
            assert len(latest(read, me)) == 1
        server.flags = ("--request-retention", "0")
        server.start()
        with server.http() as http, reading(server) as read:
            http.get("/v1/users/me")
            until(lambda: not latest(read, me))  # the old one goes as soon as this server leads
        server.stop()
        with reading(server) as read:
            assert count(read, me) == 2
            assert latest(read, me) == []
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
