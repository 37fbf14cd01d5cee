"""Usage and request log in the database: every line found again, in order, at a bounded cost; and gone when it shall
be."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from rollbook import clock
from rollbook.actions import users as actions
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM
from rollbook.api.routes import ROUTES
from rollbook.config import Settings
from rollbook.http.request import Request, RequestIds, RequestName
from rollbook.observe import usage_buffer
from rollbook.observe.usage_buffer import Share, UsageBucket, UsageBuffer
from rollbook.records import request_log, usage, users
from rollbook.records.request_log import END, Logged, Search
from rollbook.records.usage import Hour, OfKey, OfRoute, UsageBatch
from rollbook.storage.database import Database, Queries
from rollbook.storage.sqlite import SQLite
from tests.engines import ENGINES, migrated

START = 1_700_000_000 * clock.SECOND // clock.HOUR * clock.HOUR
STATUSES = (200, 200, 200, 201, 400, 404, 429, 500, 503)
LIST, READ = (
    next(route for route in ROUTES if (route.method, route.path) == ("GET", path))
    for path in ("/v1/users", "/v1/users/{userId}")
)
HANDFUL = 1_000
"""Refused requests a user has lines of in a minute, where the tests look for each line."""


def record(buffer: UsageBuffer, made: Request, status: int, microseconds: int) -> None:
    """A request that was answered now."""
    made.status, made.microseconds, made.answered_at = status, microseconds, clock.now()
    buffer.add([made])


@pytest.fixture(params=ENGINES)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with migrated(request.param, tmp_path) as db:
        yield db


class World:
    """Workers that record requests while time passes, and what they recorded."""

    def __init__(self, db: Database, monkeypatch: pytest.MonkeyPatch, workers: int = 3) -> None:
        self.db = db
        self.now = START
        monkeypatch.setattr(clock, "now", lambda: self.now)
        monkeypatch.setattr(usage_buffer, "MAX_LIMITED", HANDFUL)
        self.workers = [
            (UsageBuffer(lines=True, worker=worker, workers=workers), RequestIds()) for worker in range(workers)
        ]
        self.sent: list[tuple[str, str, int, str | None]] = []  # id, key, status, window

    def request(
        self,
        worker: int,
        key: str,
        status: int,
        window: str | None = None,
        path: str = "/v1/users",
        route: RequestName | None = None,
    ) -> str:
        buffer, new_id = self.workers[worker]
        new_id.refresh()
        made = Request("GET", path, "", {b"user-agent": b"test"}, b"", "10.0.0.1", False, new_id(), 0)
        made.user_id, made.key_id, made.limited_by = "user_" + key.partition("_")[2][0], key, window
        made.route = route
        record(buffer, made, status, 70)
        self.sent.append((made.id, key, status, window))
        return made.id

    def write(self, worker: int) -> None:
        self.db.write_now(usage.add, batch(taken(self.workers[worker][0])))

    def write_all(self) -> None:
        for worker in range(len(self.workers)):
            self.write(worker)

    def lines(self, user: str | None = "user_a", limit: int = 50, **only: Any) -> list[Logged]:
        return self.db.read_now(request_log.search, _search(user, **only), limit).lines

    def all_lines(
        self, limit: int = 50, user: str | None = "user_a", oldest_first: bool = False, **only: Any
    ) -> list[Logged]:
        """Page by page."""
        wanted, found = _search(user, **only), []
        while True:
            lines, place = self.db.read_now(request_log.search, wanted, limit, oldest_first)
            assert len(lines) <= limit
            found += lines
            if place is None:
                return found
            wanted = wanted._replace(after=place) if oldest_first else wanted._replace(before=place)


def _search(user: str | None, key: str | None = None, status: str | None = None, before: int = END) -> Search:
    return Search(user, key, (0, 999) if status is None else request_log.statuses(status), before=before)


def taken(buffer: UsageBuffer) -> list[UsageBucket]:
    buffer.flush()
    buckets = buffer.peek(1_000_000)
    buffer.ack(len(buckets))
    return buckets


def batch(buckets: list[UsageBucket]) -> UsageBatch:
    made = UsageBatch()
    for bucket in buckets:
        made.add(bucket)
    return made


@pytest.fixture
def world(db: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(db, monkeypatch)


@pytest.fixture
def busy(world: World) -> World:
    """Three workers, three keys of two users; each worker writes when it likes, so that pieces of the log overlap in
    time."""
    choose = random.Random(7)
    # A page asks PostgreSQL for each piece by itself, and a smaller log has as many ways to overlap.
    for _ in range(3_000 if world.db.engine == "sqlite" else 750):
        world.now += choose.randrange(0, 20_000)
        status = choose.choice(STATUSES)
        window = choose.choice(["minute", "hour", "key-minute"]) if status == 429 else None
        world.request(choose.randrange(3), choose.choice(["key_a1", "key_a2", "key_b"]), status, window)
        if choose.random() < 0.02:
            world.write(choose.randrange(3))
    world.write_all()
    return world


def test_pages_hold_every_line_once_newest_first(busy: World) -> None:
    for limit in (7, 50, 5_000):
        lines = busy.all_lines(limit)
        times = [line.at for line in lines]
        assert times == sorted(set(times), reverse=True)
        assert {line.request_id for line in lines} == {id for id, key, _, _ in busy.sent if key != "key_b"}


def test_filters_find_all_and_nothing_else(busy: World) -> None:
    for key, status in product((None, "key_a1", "key_a2", "key_b"), (None, "2xx", "4xx", "5xx", "404", "429", "418")):
        lines = busy.all_lines(40, key=key, status=status)
        wanted = {
            id
            for id, of, code, _ in busy.sent
            if of != "key_b"
            and key in (None, of)
            and (status is None or str(code) == status or f"{code // 100}xx" == status)
        }
        assert {line.request_id for line in lines} == wanted
        times = [line.at for line in lines]
        assert times == sorted(set(times), reverse=True)
        assert busy.all_lines(40, key=key, status=status, oldest_first=True) == lines[::-1]


def test_all_users_are_read_in_both_directions(busy: World) -> None:
    lines = busy.all_lines(50, user=None)
    assert {line.request_id for line in lines} == {id for id, *_ in busy.sent}
    assert busy.all_lines(50, user=None, oldest_first=True) == lines[::-1]


@pytest.mark.parametrize("depth", ["MAX_READ", "MAX_SEARCHED"])
def test_a_search_that_ends_early_goes_on_where_it_ended(
    busy: World, monkeypatch: pytest.MonkeyPatch, depth: str
) -> None:
    # Near a moment, at least as much is looked at going forward as lies in the longest span of a row.
    wanted = {oldest: busy.all_lines(50, status="404", oldest_first=oldest) for oldest in (False, depth == "MAX_READ")}
    monkeypatch.setattr(request_log, depth, 3 if depth == "MAX_READ" else 100)
    for oldest, lines in wanted.items():
        assert busy.all_lines(50, status="404", oldest_first=oldest) == lines


def test_a_line_is_returned_as_it_was_recorded(world: World) -> None:
    id = world.request(1, "key_a1", 429, "key-minute", path="/v1/a b/ü")
    world.write_all()
    (line,) = world.lines()
    assert line == Logged(
        request_id=id,
        at=line.at,
        user_id="user_a",
        key_id="key_a1",
        method="GET",
        path="/v1/a%20b/%C3%BC",
        status=429,
        microseconds=70,
        address="10.0.0.1",
        headers=(("user-agent", "test"),),
        query=(),
        error=None,
        limited_by="key-minute",
        left_out=0,
    )
    assert abs(line.at - world.now) < clock.SECOND


@pytest.mark.parametrize("status", ["", "4", "xxx", "6xx", "4xy", "4040", "²00", "20٣"])
def test_a_status_that_is_none_is_an_error(world: World, status: str) -> None:
    with pytest.raises(ValueError, match="no status"):
        world.lines(status=status)


def test_every_request_is_found_by_its_id_by_its_own_user_only(busy: World) -> None:
    for id, key, status, window in busy.sent[::50]:
        mine, other = ("user_b", "user_a") if key == "key_b" else ("user_a", "user_b")
        line = busy.db.read_now(request_log.request, mine, id)
        assert line is not None
        assert (line.request_id, line.key_id, line.status, line.limited_by) == (id, key, status, window)
        assert busy.db.read_now(request_log.request, other, id) is None
    for id in ("", "req_", "req_" + "0" * 24, busy.sent[0][0][:-1], busy.sent[0][0].upper(), "%", "req_" + "v" * 24):
        assert busy.db.read_now(request_log.request, "user_a", id) is None


def test_a_request_that_ran_for_two_minutes_is_found(world: World) -> None:
    buffer, new_id = world.workers[0]
    made = Request("POST", "/v1/users", "", {}, b"", "10.0.0.1", False, new_id(), 0)
    made.user_id, made.key_id = "user_a", "key_a"
    world.now += 2 * clock.MINUTE
    record(buffer, made, 201, 120_000_000)
    world.write(0)
    assert world.db.read_now(request_log.request, "user_a", made.id) is not None


def test_counts_of_all_workers_add_up_by_user_key_and_hour(busy: World) -> None:
    assert busy.now - START < clock.HOUR

    def hour(*keys: str) -> Hour:
        codes = [status for _, key, status, _ in busy.sent if not keys or key in keys]
        refused = sum(400 <= code < 500 and code != 429 for code in codes)
        return Hour(START, len(codes), sum(code >= 500 for code in codes), refused, codes.count(429))

    read = busy.db.read_now
    assert read(usage.hours, "user_a", START + clock.MINUTE) == [hour("key_a1", "key_a2")]
    assert read(usage.hours, "user_a", 0, "key_a1") == [hour("key_a1")]
    assert read(usage.hours, "user_b", 0) == [hour("key_b")]
    assert read(usage.hours, "user_a", 0, "key_b") == read(usage.hours, "user_c", 0) == []
    assert read(usage.hours, usage.ALL_USERS, 0) == [hour()]
    assert (
        read(usage.hours, "user_a", START + clock.HOUR) == read(usage.hours, usage.ALL_USERS, START + clock.HOUR) == []
    )
    windows = [window for _, key, _, window in busy.sent if key != "key_b" and window]
    assert read(usage.hit, "user_a", 0) == {name: windows.count(name) for name in set(windows)}
    assert read(usage.hit, "user_a", START + clock.HOUR) == {}


def test_the_whole_server_is_counted_by_user_and_key_also_after_a_user_is_erased(busy: World) -> None:
    read = busy.db.read_now

    def of(*keys: str) -> tuple[int, int, int, int]:
        return usage.total([hour for key in keys for hour in read(usage.hours, f"user_{key[4]}", 0, key)])[1:]

    by_key = [usage.OfKey(f"user_{key[4]}", key, *of(key)) for key in ("key_a1", "key_a2", "key_b")]
    by_key.sort(key=lambda each: (-each.requests, each.key_id))
    assert read(usage.by_key, usage.ALL_USERS, 0) == by_key
    by_user = [usage.OfUser("user_a", *of("key_a1", "key_a2")), usage.OfUser("user_b", *of("key_b"))]
    assert read(usage.by_user, 0) == by_user
    whole = read(usage.hours, usage.ALL_USERS, 0)
    windows = [window for *_, window in busy.sent if window]
    assert read(usage.hit, usage.ALL_USERS, 0) == {name: windows.count(name) for name in set(windows)}
    busy.db.write_now(usage.erased, "user_b", 1_000)
    assert read(usage.by_user, 0) == by_user[:1]
    assert read(usage.hours, usage.ALL_USERS, 0) == whole


def test_not_implemented_is_no_fault_of_the_server(world: World) -> None:
    for status in (200, 501, 503):
        world.request(0, "key_a", status)
    world.write(0)
    for whose in ("user_a", usage.ALL_USERS):
        assert world.db.read_now(usage.hours, whose, 0) == [Hour(START, requests=3, errors=1, refused=1, limited=0)]


def test_hours_come_in_order_and_only_those_with_requests(world: World) -> None:
    for hour in (5, 0, 2):
        world.now = START + hour * clock.HOUR
        world.request(0, "key_a", 200)
        world.write(0)
    assert [hour.at for hour in world.db.read_now(usage.hours, "user_a", 0)] == [
        START + hour * clock.HOUR for hour in (0, 2, 5)
    ]
    assert [hour.at for hour in world.db.read_now(usage.hours, usage.ALL_USERS, START + clock.HOUR)] == [
        START + hour * clock.HOUR for hour in (2, 5)
    ]


def test_endpoints_are_counted_by_key_with_how_long_they_took(world: World) -> None:
    for key, status, route in (
        ("key_a1", 200, LIST),
        ("key_a1", 404, READ),
        ("key_a2", 200, LIST),
        ("key_b", 200, READ),
        ("key_a1", 429, LIST),
    ):
        world.request(0, key, status, "minute" if status == 429 else None, route=route)
    world.write(0)
    buffer = world.workers[0][0]
    world.request(0, "key_a1", 500, route=LIST)
    buffer.requeue(taken(buffer))  # a write that failed, of a user who is gone
    world.write(0)
    read = world.db.read_now
    found = read(usage.by_route, "user_a", 0)
    assert [each[:5] for each in found] == [("GET /v1/users", 3, 0, 0, 1), ("GET /v1/users/{userId}", 1, 0, 1, 0)]
    assert [each.times for each in found] == [(3, *[0] * 9), (1, *[0] * 9)]
    assert [each[:2] for each in read(usage.by_route, "user_a", 0, "key_a2")] == [("GET /v1/users", 1)]
    assert read(usage.by_route, "user_a", START + clock.HOUR) == []
    assert read(usage.by_key, "user_a", 0) == [
        OfKey("user_a", "key_a1", 3, 0, 1, 1),
        OfKey("user_a", "key_a2", 1, 0, 0, 0),
    ]
    assert read(usage.hit, "user_a", 0, "key_a1") == {"minute": 1} and read(usage.hit, "user_a", 0, "key_a2") == {}


@pytest.mark.parametrize(
    ("times", "median", "most"),
    [
        ((4,), 0.12, 0.24),
        ((0, 0, 10), 0.75, 0.97),
        ((9, 0, 0, 1), 0.14, 1.8),
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 5), 1000, 1000),
    ],
)
def test_durations_are_estimated_from_their_counts(times: tuple[int, ...], median: float, most: float) -> None:
    found = OfRoute("GET /v1/users", sum(times), 0, 0, 0, (*times, *[0] * (10 - len(times))))
    assert (found.quantile(0.5), found.quantile(0.95)) == (median, most)


def test_old_hours_are_folded_into_days_and_nothing_is_lost(world: World) -> None:
    midnight = START - START % clock.DAY
    for day, hour in product(range(11), (0, 3, 4, 23)):
        world.now = midnight + day * clock.DAY + hour * clock.HOUR
        for key in ("key_a1", "key_a2", "key_b"):
            world.request(0, key, 429, "minute", route=LIST)
        world.write(0)
    read, write = world.db.read_now, world.db.write_now

    def seen() -> list[Any]:
        return [
            *(read(what, "user_a", 0) for what in (usage.by_key, usage.by_route, usage.hit)),
            *(
                read(usage.by_route, "user_a", since, "key_a1")
                for since in (midnight + 4 * clock.DAY, world.now - clock.DAY)
            ),
        ]

    before = seen()
    for table in usage.TABLES:
        while write(usage.fold, table, world.now, 2):
            pass
        assert read(usage.next_hour, table, world.now) is None
    assert seen() == before
    hours = [(hour.at - midnight, hour.limited) for hour in read(usage.hours, "user_a", 0)]
    # Day 2 ends with the hour that is eight days old, which is still told apart.
    folded = [(0, 8), (clock.DAY, 8), (2 * clock.DAY, 6), (2 * clock.DAY + 23 * clock.HOUR, 2)]
    later = [(day * clock.DAY + hour * clock.HOUR, 2) for day, hour in product(range(3, 11), (0, 3, 4, 23))]
    assert hours == folded + later


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)  # whose steps can be counted
def test_usage_of_many_keys_costs_as_much_to_read_as_that_of_one(world: World) -> None:
    """86,400 rows of 18 keys, 30 endpoints and 160 hours."""
    many = UsageBatch()
    for hour, key in product(range(160), range(18)):
        bucket = UsageBucket("user_a", f"key_{key}", 200, None, START + hour * clock.HOUR, 0, Share())
        bucket.count = 30
        bucket.routes = {number: (f"GET /v1/things/{number}", [1] + [0] * 9) for number in range(30)}
        many.add(bucket)
    world.db.write_now(usage.add, many)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def cost(*key: str) -> tuple[int, int]:
        """Requests, and what it took to find them."""
        nonlocal steps
        steps = 0
        hours, routes = (world.db.read_now(what, "user_a", 0, *key) for what in (usage.hours, usage.by_route))
        assert len(hours) == 160 and len(routes) == 30
        assert sum(hour.requests for hour in hours) == sum(route.requests for route in routes)
        return sum(hour.requests for hour in hours), steps

    assert isinstance(world.db, SQLite)
    world.db._reader.set_progress_handler(count, 1_000)
    (whole, of_all), (some, of_one) = cost(), cost("key_7")
    assert (whole, some) == (86_400, 4_800)
    assert of_all < 1.5 * of_one and of_all < 4_800 * 100 / 1_000, "a hundred steps a row of its own"


def test_the_log_says_what_it_left_out(world: World) -> None:
    for _ in range(usage_buffer.MAX_LINES + 30):
        world.request(0, "key_a", 200)
    world.write(0)
    lines = world.all_lines()
    assert len(lines) == usage_buffer.MAX_LINES and sum(line.left_out for line in lines) == 30


def test_old_lines_and_counts_go_in_small_steps_and_new_ones_stay(world: World) -> None:
    for step in range(20):
        world.now = START + step * clock.HOUR
        world.request(0, "key_a", 429, "minute", route=LIST)
        world.write(0)
    read, write, before = world.db.read_now, world.db.write_now, START + 10 * clock.HOUR
    assert read(usage.is_log_older, before) and read(usage.is_older, before)
    assert [write(usage.expire_log, before, 4) for _ in range(4)] == [4, 4, 2, 0]
    while write(usage.expire, before, 4) == 4:
        pass
    assert not read(usage.is_log_older, before) and not read(usage.is_older, before)
    assert {line.at // clock.HOUR for line in world.all_lines()} == {
        START // clock.HOUR + step for step in range(10, 20)
    }
    for hours in (read(usage.hours, "user_a", 0), read(usage.hours, usage.ALL_USERS, 0)):
        assert [hour.at for hour in hours] == [START + step * clock.HOUR for step in range(10, 20)]
    assert read(usage.hit, "user_a", 0) == {"minute": 10}
    assert [each.requests for each in read(usage.by_route, "user_a", 0)] == [10]


def test_the_size_of_the_log_is_known_and_the_oldest_lines_go_first(world: World) -> None:
    read, write = world.db.read_now, world.db.write_now
    for step in range(20):
        world.now = START + step * clock.HOUR // 4
        world.request(0, "key_a", 200)
        world.request(0, "key_b", 404, path="/" + "x" * 150)
        world.write(0)

    async def real(queries: Queries) -> int:
        row = await queries.one(f"SELECT CAST(sum(length(lines) + {usage.ROW_BYTES}) AS BIGINT) FROM request_log")
        assert row is not None
        return row[0] or 0

    full = read(usage.log_size, 0)
    assert full == read(real) > 20 * 2 * usage.ROW_BYTES
    while read(usage.log_size, 0) > full // 2:
        assert write(usage.expire_log, world.now, 3) == 3
        assert read(usage.log_size, 0) == read(real)
    left = [line.at for line in world.all_lines()]
    assert 8 <= len(left) <= 10 and min(left) > START + 9 * clock.HOUR // 4
    assert write(usage.expire_log, world.now + clock.DAY, 100) > 0
    assert read(usage.log_size, 0) == read(real) == 0


def rows_about(db: Database, user_id: str) -> int:
    async def count(queries: Queries) -> int:
        rows = 0
        for table in ("usage", "usage_limits", "usage_routes", "request_log", "erased_usage"):
            row = await queries.one(f"SELECT count(*) FROM {table} WHERE user_id = ?", user_id)
            assert row is not None
            rows += row[0]
        return rows

    return db.read_now(count)


def test_an_erased_user_leaves_nothing_also_when_a_worker_writes_late(world: World) -> None:
    on = Rollbook(Settings(), world.db)
    user = world.db.write_now(users.add, users.new("Alice", "alice@example.com"))
    buffer, new_id = world.workers[0]

    def ask(times: int) -> list[UsageBucket]:
        for _ in range(times):
            made = Request("GET", "/v1/users", "", {}, b"", "10.0.0.1", False, new_id(), 0)
            made.user_id, made.key_id, made.limited_by = user.id, "key_x", "minute"
            record(buffer, made, 429, 1)
        return taken(buffer)

    for _ in range(users.MAX_ERASED + 50):
        world.now += clock.SECOND
        world.db.write_now(usage.add, batch(ask(1)))
    world.request(1, "key_b", 200)
    world.write(1)
    late = ask(3)
    on.run(actions.delete(on, SYSTEM, user.id, purge=True))
    assert world.db.read_now(usage.hours, user.id, 0) == []
    world.db.write_now(usage.add, batch(late))
    assert rows_about(world.db, user.id) > 0
    assert world.db.read_now(usage.erased_before, world.now) is None
    world.now += clock.MINUTE
    assert world.db.read_now(usage.erased_before, world.now) == user.id
    while world.db.write_now(usage.forget_erased, user.id, 20):
        pass
    assert rows_about(world.db, user.id) == 0
    assert world.db.read_now(usage.erased_before, world.now) is None

    ask(1)
    buffer.requeue(ask(1))  # a write that failed, tried again when its user is long gone
    world.db.write_now(usage.add, batch(taken(buffer)))
    assert rows_about(world.db, user.id) == 0
    assert rows_about(world.db, "user_b") == 3, "a line of the log, counted for its key and for all keys"


def test_what_is_tried_again_is_counted_for_users_that_are_there_or_can_be_restored(world: World) -> None:
    on = Rollbook(Settings(), world.db)
    user = world.db.write_now(users.add, users.new("Alice", "alice@example.com"))
    buffer, new_id = world.workers[0]
    for expected in (1, 2):
        made = Request("GET", "/v1/users", "", {}, b"", "10.0.0.1", False, new_id(), 0)
        made.user_id, made.key_id = user.id, "key_x"
        record(buffer, made, 200, 1)
        buffer.requeue(taken(buffer))
        world.db.write_now(usage.add, batch(taken(buffer)))
        assert [hour.requests for hour in world.db.read_now(usage.hours, user.id, 0)] == [expected]
        if expected == 1:
            on.run(actions.delete(on, SYSTEM, user.id))


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)  # whose steps can be counted
def test_a_filter_that_finds_nothing_in_a_long_log_answers_in_a_tenth_of_a_second(world: World) -> None:
    assert isinstance(world.db, SQLite)
    connection = sqlite3.connect(world.db.path)
    with connection:
        connection.execute(
            """INSERT INTO request_log (user_id, key_id, status, first, last, left_out, lines)
            WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 200000)
            SELECT 'user_a', 'key_a', 200, n * 1000000, n * 1000000 + 900000, 0, x'92' FROM n"""
        )
    connection.close()
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    world.db._reader.set_progress_handler(count, 1_000)
    assert world.lines(status="500") == []
    assert steps < 200_000 * 30 / 1_000, "two looks at an entry of the index, and no line opened"
    steps = 0
    assert world.db.read_now(request_log.request, "user_a", world.workers[0][1]()) is None
    assert steps <= 1, "the id tells where to look"
