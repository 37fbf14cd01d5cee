"""What is noted about requests until it is written: counted exactly, bounded, without secrets."""

from __future__ import annotations

from typing import Any

import pytest

from rollbook import clock
from rollbook.http.request import Request
from rollbook.observe import requests as noted
from rollbook.observe.requests import Requests, Tally, unpacked

HOUR = 1_700_000_000 * clock.SECOND // clock.HOUR * clock.HOUR


class Clock:
    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock(HOUR + clock.MINUTE)
    monkeypatch.setattr(clock, "now", moved)
    return moved


def request(number: int = 0, user: str | None = "user_a", path: str = "/v1/users", **fields: str) -> Request:
    headers = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}
    made = Request("GET", path, "secret=query", headers, b"secret body", "10.0.0.1", False, f"req_{number}", 0)
    made.user_id, made.key_id = user, user and user.replace("user", "key")
    return made


def taken(requests: Requests) -> list[Tally]:
    requests.gather()
    tallies = requests.first(1_000_000)
    requests.drop(len(tallies))
    return tallies


def counts(tallies: list[Tally]) -> dict[tuple[Any, ...], int]:
    return {(tally.key_id, tally.status, tally.limited_by): tally.count for tally in tallies}


def test_every_request_is_counted_once_by_key_status_and_window() -> None:
    requests = Requests(lines=True)
    for number in range(1_000):
        requests.note(request(number, f"user_{number % 3}"), (200, 404)[number % 2], 70)
    limited = request()
    limited.limited_by = "minute"
    for _ in range(5):
        requests.note(limited, 429, 9)
        requests.note(request(user=None), 401, 9)
    found = counts(taken(requests))
    assert sum(found.values()) == 1_010
    assert found["key_a", 429, "minute"] == 5 and found[None, 401, None] == 5
    assert {found[f"key_{user}", status, None] for user in range(3) for status in (200, 404)} == {166, 167}
    assert taken(requests) == []


def test_a_line_tells_of_its_request_without_body_query_or_fields_that_may_be_secret(now: Clock) -> None:
    requests = Requests(lines=True)
    secrets = {
        "authorization": "Bearer rbk_x",
        "cookie": "session=1",
        "proxy_authorization": "y",
        "referer": "/?token=1",
        "x_api_key": "z",
    }
    requests.note(request(7, user_agent="curl/8", x_forwarded_for="1.2.3.4", idempotency_key="once", **secrets), 201, 123)
    (tally,) = taken(requests)
    packed = tally.packed()
    (client,), (line,) = unpacked(packed)
    assert line == (now.at, "req_7", "GET", "/v1/users", 123, 0)
    assert client == ("10.0.0.1", (("user-agent", "curl/8"), ("x-forwarded-for", "1.2.3.4"), ("idempotency-key", "once")))
    assert not [text for text in (b"secret", b"session", b"token", b"rbk_", b"authorization") if text in packed]


@pytest.mark.parametrize("length", [12, 38])
@pytest.mark.parametrize("before", [0, 150, 185, 250])
def test_keys_are_masked_wherever_they_stand(length: int, before: int) -> None:
    requests = Requests(lines=True)
    key = "rbk_" + "aB3" * 20
    key = key[: 4 + length]
    requests.note(request(path=f"/{'x' * before}/{key}", user_agent=f"{'y' * before} {key}", host="h"), 404, 1)
    requests.note(request(path="/v1/$argon2id$v=19$m=8$abc", origin="$argon2id$v=19$m=8$abc"), 404, 1)
    (tally,) = taken(requests)
    packed = tally.packed()
    assert b"aB3aB3" not in packed and b"argon2" not in packed
    clients, lines = unpacked(packed)
    assert len(clients) == len(lines) == 2
    assert len(lines[0].path) <= noted.CUT and all(len(value) <= noted.CUT for _, value in clients[0].headers)


def test_clients_are_kept_once() -> None:
    requests = Requests(lines=True)
    for number in range(300):
        requests.note(request(number, user_agent=f"agent {number % 2}", authorization=f"{number}"), 200, 1)
    (tally,) = taken(requests)
    clients, lines = unpacked(tally.packed())
    assert [dict(client.headers)["user-agent"] for client in clients] == ["agent 0", "agent 1"]
    assert [line.client for line in lines] == [0, 1] * 150


def test_no_two_lines_of_any_workers_have_the_same_time(now: Clock) -> None:
    times: list[int] = []
    for worker in range(4):
        requests = Requests(lines=True, worker=worker, workers=4)
        for _ in range(200):
            requests.note(request(), 200, 1)
        times += [line.at for tally in taken(requests) for line in unpacked(tally.packed())[1]]
    assert len(set(times)) == 800
    assert max(times) - now.at < clock.SECOND // 1_000


def test_a_clock_that_is_set_back_is_followed(now: Clock) -> None:
    requests = Requests(lines=True)
    requests.note(request(1), 200, 1)
    now.at -= 10 * clock.SECOND
    requests.note(request(2), 200, 1)
    tallies = taken(requests)
    assert sum(tally.count for tally in tallies) == 2
    assert all(tally.first in (now.at, now.at + 10 * clock.SECOND) for tally in tallies)


def test_requests_are_counted_in_the_hour_of_their_answer(now: Clock) -> None:
    requests = Requests(lines=True)
    for step in range(4):
        now.at = HOUR + (step + 1) * (clock.HOUR // 2) - 1
        requests.note(request(step), 200, 1)
    assert [(tally.hour, tally.count) for tally in taken(requests)] == [(HOUR, 2), (HOUR + clock.HOUR, 2)]


def test_beyond_the_bounds_requests_are_only_counted(monkeypatch: pytest.MonkeyPatch, now: Clock) -> None:
    requests = Requests(lines=True)
    for number in range(noted.MOST_LINES + 100):
        requests.note(request(number), 200, 1)
    (tally,) = taken(requests)
    assert (tally.count, tally.kept) == (noted.MOST_LINES + 100, noted.MOST_LINES)

    monkeypatch.setattr(noted, "MOST_WAITING", 100)
    for number in range(400):
        requests.note(request(number, f"user_{number}"), 200, 1)
    tallies = taken(requests)
    assert sum(tally.count for tally in tallies) == 400
    assert sum(tally.kept for tally in tallies) == 100

    monkeypatch.setattr(noted, "MOST_BYTES", 10_000)
    for number in range(50):
        requests.note(request(number, user_agent=f"{number}" * 100), 200, 1)
    (tally,) = taken(requests)
    assert tally.count == 50 and 10_000 / (200 + 100) <= tally.kept < 50

    requests.note(request(1), 200, 1)
    now.at += noted.SPAN + clock.SECOND
    requests.note(request(2), 200, 1)
    (tally,) = taken(requests)
    assert (tally.count, tally.kept) == (2, 1)


def test_a_worker_that_cannot_write_for_long_says_what_it_no_longer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noted, "MOST_TALLIES", 10)
    requests = Requests(lines=True)
    for number in range(20):
        requests.note(request(number, f"user_{number}"), 200, 1)
    requests.note(request(user=None), 200, 1)
    tallies = taken(requests)
    assert len(tallies) == 11 and requests.lost == 10
    assert counts(tallies)[None, 200, None] == 1
    requests.give_back(tallies)
    for number in range(20, 40):
        requests.note(request(number, f"user_{number}"), 200, 1)
    requests.give_back(taken(requests))
    assert requests.lost + sum(tally.count for tally in taken(requests)) == 41


def test_what_is_given_back_is_counted_again_without_its_lines() -> None:
    requests = Requests(lines=True)
    for _ in range(3):
        requests.note(request(), 200, 1)
    assert requests.give_back(taken(requests)) == 3
    requests.note(request(), 200, 1)
    again, fresh = taken(requests)
    assert (again.count, again.kept, again.retried) == (3, 0, True)
    assert (fresh.count, fresh.kept, fresh.retried) == (1, 1, False)
    assert requests.give_back([again, fresh]) == 1
    (both,) = taken(requests)
    assert both.count == 4


def test_without_a_log_nothing_but_counts_is_kept() -> None:
    requests = Requests(lines=False)
    for number in range(100):
        requests.note(request(number), 200, 1)
    (tally,) = taken(requests)
    assert tally.count == 100 and not tally.lines and not tally.clients
