"""Usage before it is written: counted exactly, bounded, without secrets."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from rollbook import clock
from rollbook.errors import ApiError, Fault, InvalidParameter, NotFound
from rollbook.http.request import Request
from rollbook.observe import usage_buffer
from rollbook.observe.usage_buffer import Client, RequestLine, ToldError, UsageBucket, UsageBuffer
from rollbook.records.usage import pack, unpack

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
    made = Request(
        "GET",
        path,
        "limit=confidential&offset=2&sk~live=confidential",
        headers,
        b"secret body",
        "10.0.0.1",
        False,
        f"req_{number}",
        0,
    )
    made.user_id, made.key_id = user, user and user.replace("user", "key")
    return made


def record(buffer: UsageBuffer, made: Request, status: int, microseconds: int) -> None:
    """A request that was answered now."""
    made.status, made.microseconds, made.answered_at = status, microseconds, clock.now()
    buffer.add([made])


def taken(buffer: UsageBuffer) -> list[UsageBucket]:
    buffer.flush()
    buckets = buffer.peek(1_000_000)
    buffer.ack(len(buckets))
    return buckets


def counts(buckets: list[UsageBucket]) -> dict[tuple[Any, ...], int]:
    return {(bucket.key_id, bucket.status, bucket.limited_by): bucket.count for bucket in buckets}


def test_every_request_is_counted_once_by_key_status_and_window() -> None:
    buffer = UsageBuffer(lines=True)
    for number in range(1_000):
        record(buffer, request(number, f"user_{number % 3}"), (200, 404)[number % 2], 70)
    limited = request()
    limited.limited_by = "minute"
    for _ in range(5):
        record(buffer, limited, 429, 9)
        record(buffer, request(user=None), 401, 9)
    found = counts(taken(buffer))
    assert sum(found.values()) == 1_005, "none without a key"
    assert found["key_a", 429, "minute"] == 5
    assert {found[f"key_{user}", status, None] for user in range(3) for status in (200, 404)} == {166, 167}
    assert taken(buffer) == []


def test_a_line_tells_of_its_request_without_body_query_or_fields_that_may_be_secret(now: Clock) -> None:
    buffer = UsageBuffer(lines=True)
    secrets = {
        "authorization": "Bearer rbk_x",
        "cookie": "session=1",
        "proxy_authorization": "y",
        "referer": "/?token=1",
        "x_api_key": "z",
    }
    record(
        buffer, request(7, user_agent="curl/8", x_forwarded_for="1.2.3.4", idempotency_key="once", **secrets), 201, 123
    )
    (bucket,) = taken(buffer)
    packed = pack(bucket.clients, bucket.lines)
    (client,), (line,) = unpack(packed)
    assert line == RequestLine(now.at, "req_7", "GET", "/v1/users", 123, 0, b"idempotency-key\nonce", "limit,offset,…")
    assert client == Client("10.0.0.1", b"user-agent\ncurl/8\nx-forwarded-for\n1.2.3.4")
    assert not [
        text for text in (b"secret", b"confidential", b"session", b"token", b"rbk_", b"authorization") if text in packed
    ]


def test_keys_are_masked_wherever_they_stand() -> None:
    for prefix, length, before in itertools.product(("rbk_", "rbo_"), (12, 38), (0, 150, 185, 250)):
        check_masked(prefix, length, before)


def check_masked(prefix: str, length: int, before: int) -> None:
    buffer = UsageBuffer(lines=True)
    key = prefix + "aB3" * 20
    key = key[: 4 + length]
    record(buffer, request(path=f"/{'x' * before}/{key}", user_agent=f"{'y' * before} {key}", host="h"), 404, 1)
    record(buffer, request(path="/v1/$argon2id$v=19$m=8$abc", origin="$argon2id$v=19$m=8$abc"), 404, 1)
    (bucket,) = taken(buffer)
    packed = pack(bucket.clients, bucket.lines)
    assert b"aB3aB3" not in packed and b"argon2" not in packed
    clients, lines = unpack(packed)
    assert len(clients) == len(lines) == 2
    assert len(lines[0].path) <= usage_buffer.MAX_TEXT and all(
        len(value) <= usage_buffer.MAX_TEXT for value in clients[0].headers.split(b"\n")
    )


def failed(number: int, error: ApiError) -> Request:
    made = request(number)
    made.error = error
    return made


def test_an_error_is_described_once_within_bounds_and_without_keys() -> None:
    buffer = UsageBuffer(lines=True)
    key = "rbk_" + "aB3" * 13
    wrong = InvalidParameter("x" * 190 + key, param=key, faults=[Fault(key, f"“{key}” is unknown.")] * 40)
    for number in range(100):
        record(buffer, failed(number, NotFound() if number % 2 else wrong), 400, 1)
    record(buffer, request(100), 400, 1)
    (bucket,) = taken(buffer)
    packed = pack(bucket.clients, bucket.lines)
    assert b"aB3aB3" not in packed and packed.count(b"not_found") == packed.count(b"invalid_parameter") == 1
    assert len(packed) < 101 * 90
    _, lines = unpack(packed)
    first, second = lines[0].error, lines[1].error
    assert isinstance(first, ToldError) and first.param == "***" and len(first.faults) == usage_buffer.MAX_FAULTS
    assert len(first.message) <= usage_buffer.MAX_TEXT and first.faults[0] == ("***", "“***” is unknown.")
    assert second == ToldError("not_found", NotFound.message, None, ())
    assert [line.error for line in lines[2:]] == [0, 1] * 49 + [None]


def test_errors_that_are_all_different_are_described_until_the_bytes_of_an_hour_are_used_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usage_buffer, "MAX_HOURLY_BYTES", 20_000)
    buffer = UsageBuffer(lines=True)
    for number in range(400):
        record(buffer, failed(number, InvalidParameter(f"{number} " + "x" * 400, param="q")), 400, 1)
    (bucket,) = taken(buffer)
    described = [line for line in bucket.lines if line.error is not None]
    assert len(bucket.lines) == 400 and 50 < len(described) < 100


def test_lines_of_the_version_before_are_read() -> None:
    before = msgspec.msgpack.encode(([["10.0.0.1", b""]], [[HOUR, "req_1", "GET", "/v1/users", 5, 0, b""]]))
    assert unpack(before)[1] == [RequestLine(HOUR, "req_1", "GET", "/v1/users", 5, 0)]


def test_clients_are_kept_once() -> None:
    buffer = UsageBuffer(lines=True)
    for number in range(300):
        fields = {"user_agent": f"agent {number % 2}", "authorization": f"{number}", "traceparent": f"{number}"}
        record(buffer, request(number, **fields), 200, 1)
    (bucket,) = taken(buffer)
    clients, lines = unpack(pack(bucket.clients, bucket.lines))
    assert [line.headers for line in lines] == [b"traceparent\n%d" % number for number in range(300)]
    assert [client.headers for client in clients] == [b"user-agent\nagent 0", b"user-agent\nagent 1"]
    assert [line.client for line in lines] == [0, 1] * 150


def test_no_two_lines_of_any_workers_have_the_same_time(now: Clock) -> None:
    times: list[int] = []
    for worker in range(4):
        buffer = UsageBuffer(lines=True, worker=worker, workers=4)
        for _ in range(200):
            record(buffer, request(), 200, 1)
        times += [line.at for bucket in taken(buffer) for line in unpack(pack(bucket.clients, bucket.lines))[1]]
    assert len(set(times)) == 800
    assert max(times) - now.at < clock.SECOND // 1_000


def test_a_clock_that_is_set_back_is_followed(now: Clock) -> None:
    buffer = UsageBuffer(lines=True)
    record(buffer, request(1), 200, 1)
    now.at -= 10 * clock.SECOND
    record(buffer, request(2), 200, 1)
    buckets = taken(buffer)
    assert sum(bucket.count for bucket in buckets) == 2
    assert all(bucket.lines[0].at in (now.at, now.at + 10 * clock.SECOND) for bucket in buckets)


def test_requests_are_counted_in_the_hour_of_their_answer(now: Clock) -> None:
    buffer = UsageBuffer(lines=True)
    for step in range(4):
        now.at = HOUR + (step + 1) * (clock.HOUR // 2) - 1
        record(buffer, request(step), 200, 1)
    assert [(bucket.hour, bucket.count) for bucket in taken(buffer)] == [(HOUR, 2), (HOUR + clock.HOUR, 2)]


def test_beyond_the_bounds_requests_are_only_counted(monkeypatch: pytest.MonkeyPatch, now: Clock) -> None:
    buffer = UsageBuffer(lines=True)
    for number in range(usage_buffer.MAX_LINES + 100):
        record(buffer, request(number), 200, 1)
    (bucket,) = taken(buffer)
    assert (bucket.count, len(bucket.lines)) == (usage_buffer.MAX_LINES + 100, usage_buffer.MAX_LINES)

    monkeypatch.setattr(usage_buffer, "MAX_WAITING", 100)
    for number in range(400):
        record(buffer, request(number, f"user_{number}"), 200, 1)
    buckets = taken(buffer)
    assert sum(bucket.count for bucket in buckets) == 400
    assert sum(len(bucket.lines) for bucket in buckets) == 100

    monkeypatch.setattr(usage_buffer, "MAX_BYTES", 10_000)
    for number in range(50):
        record(buffer, request(number, user_agent=f"{number}" * 100), 200, 1)
    (bucket,) = taken(buffer)
    assert bucket.count == 50 and 10_000 / (200 + 100) <= len(bucket.lines) < 50

    record(buffer, request(1), 200, 1)
    now.at += usage_buffer.SPAN + clock.SECOND
    record(buffer, request(2), 200, 1)
    (bucket,) = taken(buffer)
    assert (bucket.count, len(bucket.lines)) == (2, 1)


def test_all_keys_of_a_user_share_what_is_logged_of_them_in_an_hour(
    monkeypatch: pytest.MonkeyPatch, now: Clock
) -> None:
    monkeypatch.setattr(usage_buffer, "MAX_HOURLY_LINES", 100)
    monkeypatch.setattr(usage_buffer, "MAX_HOURLY_BYTES", 10_000)
    buffer = UsageBuffer(lines=True)

    def ask(requests: int, user: str = "user_a", **fields: str) -> int:
        """Lines of so many requests, each with another key."""
        for number in range(requests):
            made = request(number, user, **{name: f"{value}{number}" for name, value in fields.items()})
            made.key_id = f"key_{number}"
            record(buffer, made, (200, 404)[number % 2], 1)
        buckets = taken(buffer)
        assert sum(bucket.count for bucket in buckets) == requests
        return sum(len(bucket.lines) for bucket in buckets)

    assert (ask(60), ask(60), ask(60)) == (60, 40, 0)
    assert 30 <= ask(60, "user_b", idempotency_key="x" * 180) <= 40, "each takes some 260 bytes"
    assert ask(30, "user_c") == 30
    now.at += clock.HOUR
    assert (ask(60), ask(60, "user_b")) == (60, 60)


def test_of_refused_requests_a_user_has_a_handful_of_lines_a_minute(now: Clock) -> None:
    buffer = UsageBuffer(lines=True)
    for minute in range(3):
        for number in range(200):
            made = request(number, user_agent=f"agent {number}")
            made.key_id, made.limited_by = f"key_{number % 7}", ("minute", "key-hour")[number % 2]
            record(buffer, made, 429, 1)
        buckets = taken(buffer)
        assert sum(bucket.count for bucket in buckets) == 200
        assert sum(len(bucket.lines) for bucket in buckets) == usage_buffer.MAX_LIMITED, minute
        now.at += clock.MINUTE


def test_a_worker_that_cannot_write_for_long_says_what_it_no_longer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_buffer, "MAX_BUCKETS", 10)
    buffer = UsageBuffer(lines=True)
    for number in range(20):
        record(buffer, request(number, f"user_{number}"), 200, 1)
    buckets = taken(buffer)
    assert len(buckets) == 10 and buffer.lost == 10
    buffer.requeue(buckets)
    for number in range(20, 40):
        record(buffer, request(number, f"user_{number}"), 200, 1)
    buffer.requeue(taken(buffer))
    assert buffer.lost + sum(bucket.count for bucket in taken(buffer)) == 40


def test_what_is_given_back_is_counted_again_without_its_lines() -> None:
    buffer = UsageBuffer(lines=True)
    for _ in range(3):
        record(buffer, request(), 200, 1)
    assert buffer.requeue(taken(buffer)) == 3
    record(buffer, request(), 200, 1)
    again, fresh = taken(buffer)
    assert (again.count, len(again.lines), again.retried) == (3, 0, True)
    assert (fresh.count, len(fresh.lines), fresh.retried) == (1, 1, False)
    assert buffer.requeue([again, fresh]) == 1
    (both,) = taken(buffer)
    assert both.count == 4


def test_without_a_log_nothing_but_counts_is_kept() -> None:
    buffer = UsageBuffer(lines=False)
    for number in range(100):
        record(buffer, request(number), 200, 1)
    (bucket,) = taken(buffer)
    assert bucket.count == 100 and not bucket.lines and not bucket.clients


def test_a_lone_surrogate_spoils_no_line(now: Clock) -> None:
    buffer = UsageBuffer(lines=True)
    record(buffer, request(1, path="/\ud800/rbk_" + "a" * 38), 200, 1)
    record(buffer, request(2), 200, 1)
    (bucket,) = taken(buffer)
    _, lines = unpack(pack(bucket.clients, bucket.lines))
    assert [line.path for line in lines] == ["/?/***", "/v1/users"]
