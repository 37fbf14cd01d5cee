"""Events that are not part of a change: failed sign-ins, exceeded limits, keys that expire. Each once, whatever is
tried."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import clock
from rollbook.observe.metrics import REFUSALS
from rollbook.records.event_types import TYPES
from tests.engines import once
from tests.harness import Server, new_user, running
from tests.visitor import signed_in

DAY = 86_400
PASSWORD = "a lobster in the library"
MINUTES = count(1)
"""Each is given once: time is set, not added to."""


def waited_for(found: Callable[[], list[Any]], how_many: int) -> list[Any]:
    """As soon as there are so many, after which none may come in what a job takes for its next step."""
    deadline = clock.now() + 60 * clock.SECOND
    while len(seen := found()) < how_many and clock.now() < deadline:
        threading.Event().wait(0.05)
    assert len(seen) == how_many, seen
    threading.Event().wait(1.2)
    assert found() == seen
    return seen


@pytest.fixture(scope="module")
def busy(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("busy") / "data", "--workers", "2", "--role-limits", "owner=none") as server:
        yield server


def events_of(http: httpx2.Client, user: dict[str, Any], type: str) -> Callable[[], list[dict[str, Any]]]:
    return lambda: http.get("/v1/events", params={"user": user["id"], "type": type}).json()


@once
def test_of_many_failed_sign_ins_one_a_minute_is_recorded_for_each_user(busy: Server) -> None:
    with busy.http() as http:
        users = [new_user(http) for _ in range(2)]
        before = http.get("/v1/events?limit=1000").headers["event-position"]

        def guess(address: str) -> None:
            for email in (*(user["email"] for user in users), "nobody@example.com"):
                with busy.http() as own:  # a new connection: often another worker
                    credentials = {"email": email, "password": "wrong", "address": address}
                    assert own.post("/v1/users/verify-password", json=credentials).status_code in (401, 429)

        for minute in (1, 2):
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(guess, [f"203.0.113.{number}" for number in range(6)]))
            for user in users:
                failed = waited_for(events_of(http, user, "user.sign_in_failed"), minute)
                assert failed[-1]["object"] == http.get(f"/v1/users/{user['id']}").json()
                assert failed[-1]["actor"]["address"].startswith("203.0.113.")
            busy.pass_time(61 * next(MINUTES))
        types = [event["type"] for event in http.get("/v1/events", params={"after": before}).json()]
        assert types == ["user.sign_in_failed"] * 4  # and nothing about an email that no user has


def test_a_flood_of_refused_requests_is_one_event_a_window_and_user(busy: Server) -> None:
    with busy.http() as http:
        user = new_user(http, rate_limit="3/minute,1000/hour")
        made = http.post("/v1/keys", json={"name": "flood", "user_id": user["id"]}).json()

        def flood(_: int) -> list[int]:
            with busy.http(made["key"]) as own:
                return [own.get("/v1/users/me").status_code for _ in range(50)]

        for window in (1, 2):
            with ThreadPoolExecutor(4) as pool:
                statuses = [status for found in pool.map(flood, range(4)) for status in found]
            assert statuses.count(200) == 3 and statuses.count(429) == 197
            exceeded = waited_for(events_of(http, user, "limit.exceeded"), window)
            assert exceeded[-1]["actor"]["user_id"] == user["id"] and exceeded[-1]["actor"]["key_id"] == made["id"]
            resets_at = clock.parse(exceeded[-1]["object"].pop("resets_at"))
            assert exceeded[-1]["object"] == {
                "user_id": user["id"],
                "key_id": made["id"],
                "window": "minute",
                "limit": 3,
            }
            assert (
                clock.parse(exceeded[-1]["created_at"])
                < resets_at
                < clock.parse(exceeded[-1]["created_at"]) + 62 * clock.SECOND
            )
            busy.pass_time(61 * next(MINUTES))


def refusals(http: httpx2.Client, type: str) -> int:
    found = re.search(
        rf'^rollbook_security_refusals_total{{type="{type}"}} (\d+)$', http.get("/metrics").text, re.MULTILINE
    )
    assert found is not None
    return int(found[1])


def test_what_is_counted_as_refused_are_types_of_events() -> None:
    assert set(REFUSALS) <= set(TYPES)


def test_wrong_current_passwords_are_told_and_then_that_the_user_is_locked_out(busy: Server) -> None:
    with busy.http() as http:
        user = new_user(http, password=PASSWORD)
        made = http.post("/v1/keys", json={"name": "found", "user_id": user["id"]}).json()
        guess = {"password": "another good one", "current_password": "wrong"}
        before = {type: refusals(http, type) for type in REFUSALS}
        with busy.http(made["key"]) as own:
            statuses = [own.put("/v1/users/me/password", json=guess).status_code for _ in range(14)]
        assert statuses == [401] * 10 + [429] * 4
        for type, times in (("user.confirmation_failed", 10), ("user.locked_out", 4)):
            (event,) = waited_for(events_of(http, user, type), 1)
            now = http.get(f"/v1/users/{user['id']}").json()
            assert {**event["object"], "last_active_at": now["last_active_at"]} == now, "the guesses were activity"
            assert (event["actor"]["user_id"], event["actor"]["key_id"]) == (user["id"], made["id"])
            assert refusals(http, type) - before[type] == times
        assert not events_of(http, user, "user.sign_in_failed")()
        busy.pass_time(61 * next(MINUTES))


def test_an_account_is_locked_out_by_its_own_wrong_passwords_and_not_by_those_of_an_address(busy: Server) -> None:
    with busy.http() as http:
        attacked, other = new_user(http), new_user(http)

        def guess(email: str, times: int) -> list[int]:
            sent = {"email": email, "password": "wrong", "address": "198.51.100.7"}
            return [http.post("/v1/users/verify-password", json=sent).status_code for _ in range(times)]

        assert guess(attacked["email"], 12) == [401] * 10 + [429] * 2
        assert guess("nobody@example.com", 10) + guess("nobody.else@example.com", 10) == [401] * 20
        assert guess(other["email"], 2) == [429] * 2
        waited_for(events_of(http, attacked, "user.locked_out"), 1)
        assert not events_of(http, other, "user.locked_out")() and not events_of(http, other, "user.sign_in_failed")()
        busy.pass_time(61 * next(MINUTES))


def test_the_use_of_a_revoked_or_expired_key_is_told_once_a_minute(busy: Server) -> None:
    with busy.http() as http:
        user, later = new_user(http), 61 * next(MINUTES)
        soon = (datetime.now(UTC) + timedelta(seconds=later - 31)).replace(microsecond=0).isoformat()
        revoked = http.post("/v1/keys", json={"name": "revoked", "user_id": user["id"]}).json()
        expired = http.post("/v1/keys", json={"name": "expired", "user_id": user["id"], "expires_at": soon}).json()
        assert http.delete(f"/v1/keys/{revoked['id']}").status_code == 204
        before = refusals(http, "key.refused")
        busy.pass_time(later)
        for key in (revoked, expired):
            for _ in range(5):
                with busy.http(key["key"]) as own:
                    assert own.get("/v1/users/me").status_code == 401
        with busy.http("rbk_" + "x" * 38) as unknown:
            assert unknown.get("/v1/users/me").status_code == 401
        told = waited_for(events_of(http, user, "key.refused"), 2)
        # Each worker records its own, in any order.
        assert {(event["object"]["id"], event["actor"]["key_id"]) for event in told} == {
            (key["id"], key["id"]) for key in (revoked, expired)
        }
        assert all(event["actor"]["address"] == "127.0.0.1" for event in told)
        assert refusals(http, "key.refused") - before == 10


def test_a_form_that_another_site_sends_is_told_to_whom_it_was_done(busy: Server) -> None:
    with busy.http() as http, signed_in(busy) as person, busy.http(None) as stranger:
        me = http.get("/v1/users/me").json()
        before = refusals(http, "session.form_refused")
        for browser in (person, person, stranger):
            sent = browser.post(
                "/account/password", data={"password": PASSWORD}, headers={"Sec-Fetch-Site": "same-site"}
            )
            assert sent.status_code == 403
        (event,) = waited_for(events_of(http, me, "session.form_refused"), 1)
        assert event["object"]["user_id"] == me["id"] and event["object"]["id"].startswith("ses_")
        assert refusals(http, "session.form_refused") - before == 3


def test_keys_that_expire_tell_7_days_and_1_day_before_and_when_they_have(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none") as server:

        def restarted(seconds: float) -> None:
            """The job gives notice when a server starts, then each minute."""
            server.stop()
            server.pass_time(seconds)
            server.start()

        def told() -> list[tuple[str, str]]:
            with server.http() as http:
                found = http.get("/v1/events", params={"type": ["key.expiring", "key.expired"]}).json()
                keys = {key["id"]: key for key in http.get("/v1/keys").json()}
            for event in found:
                status = "expired" if event["type"] == "key.expired" else "active"
                now = {**keys[event["object"]["id"]], "status": status}  # as it was then
                assert event["object"].items() <= now.items() and event["actor"]["address"] == "system"
            return [(event["type"], event["object"]["name"]) for event in found]

        waited_for(lambda: server.ask("SELECT number FROM marks WHERE name LIKE 'keys.%'"), 3)
        with server.http() as http:
            for name, days in (
                ("short", 0.5),
                ("days", 3.0),
                ("long", 10.0),
                ("twin", 10.0),
                ("revoked", 10.0),
                ("far", 100.0),
            ):
                expires_at = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0).isoformat()
                http.post("/v1/keys", json={"name": name, "expires_at": expires_at})
            revoked = next(key for key in http.get("/v1/keys").json() if key["name"] == "revoked")
            assert http.delete(f"/v1/keys/{revoked['id']}").status_code == 204
            rotated = http.post("/v1/keys", json={"name": "rotated"}).json()["id"]
            assert http.post(f"/v1/keys/{rotated}/rotate", json={"overlap": 3 * DAY}).status_code == 201
        expected: list[tuple[str, str]] = []
        for passed, news in (
            (0.6, [("key.expired", "short")]),
            (2.2, [("key.expiring", "days")]),
            (
                3.2,
                [
                    ("key.expiring", "long"),
                    ("key.expiring", "twin"),
                    ("key.expired", "days"),
                    ("key.expired", "rotated"),
                ],
            ),
            (9.2, [("key.expiring", "long"), ("key.expiring", "twin")]),
            (10.2, [("key.expired", "long"), ("key.expired", "twin")]),
        ):
            restarted(passed * DAY)
            expected += news
            assert waited_for(told, len(expected)) == expected
        restarted(10.2 * DAY + 1)
        assert waited_for(told, len(expected)) == expected
