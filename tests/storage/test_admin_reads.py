"""What the admin pages read: exact at any number of users, newest first, and at a cost that does not grow with the
number of users."""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from test_query_plans import STATEMENT, tracing, walks

from rollbook import clock, first_start, ids
from rollbook.actions import events as event_actions
from rollbook.actions.principal import SYSTEM
from rollbook.app import App
from rollbook.auth import key_format
from rollbook.config import Settings
from rollbook.http.request import Request, Response
from rollbook.http.routing import settled
from rollbook.quota import NO_LIMIT
from rollbook.records import connect, events, user_list, users
from rollbook.records.dialect import dialect
from rollbook.records.events import Selection
from rollbook.records.user_counts import postgres as user_counts_postgres
from rollbook.records.user_list.query import AS_ADDED, Filters, Order, Query
from rollbook.records.user_search import sqlite as user_search
from rollbook.storage import migrate
from rollbook.storage.database import Database, Tx
from rollbook.storage.sqlite import SQLite
from tests.engines import ENGINES, migrated

SOME = 4_000
"""Users at places of three of the largest runs."""
OWNER = "owner@example.com"
PASSWORD = "correct horse battery staple"
INSERT = """
    INSERT INTO users (seq, id, name, email, email_key, role, status, metadata, email_verified, version, created_at,
      updated_at)
    VALUES (?, ?, 'Alice', ?, ?, ?, 'active', '{}', 0, 1, ?, 0)"""
SEARCHED_INSERT = INSERT.replace("updated_at)", "updated_at, search_text)").replace(", 0)", ", 0, 'alice')")


@pytest.fixture
def people(path: Path) -> Iterator[SQLite]:
    db = SQLite.open(path, dialect=connect.SQLITE)
    migrate.migrate(db)
    yield db
    db.close()


async def at_places(tx: Tx, seqs: list[int]) -> None:
    """Users created at the microsecond that is their place."""
    sql = SEARCHED_INSERT if tx.engine == "postgresql" else INSERT
    await tx.many(
        sql, [(seq, f"user_{seq}", f"{seq}@example.com", f"{seq}@example.com", "member", seq) for seq in seqs]
    )
    await dialect(tx).user_counts.adjust(tx, seqs, +1)


async def delete(tx: Tx, id: str) -> None:
    await users.delete(tx, await users.get(tx, id))


# ---- how many came since when


@pytest.mark.parametrize("engine", ENGINES)
def test_how_many_came_since_is_exact_at_every_place(engine: str, tmp_path: Path) -> None:
    chance = random.Random(5)
    seqs = sorted(chance.sample(range(1, 600_000), SOME))
    gone = chance.sample(seqs, SOME // 10)
    left = sorted(set(seqs) - set(gone))
    edges = [0, 1, 63, 64, 4_095, 4_096, 262_143, 262_144, 524_288, left[0] - 1, left[0], left[-1] - 1, left[-1], 10**9]
    times = [*edges, *chance.sample(range(600_000), 500)]
    with migrated(engine, tmp_path) as db:
        assert db.read_now(user_list.created_since, times) == [0] * len(times)
        db.write_now(at_places, seqs)
        for number, seq in enumerate(gone):
            if number == len(gone) // 2 and engine == "postgresql":
                db.write_now(user_counts_postgres.fold)  # the rest is appended and not yet folded
            db.write_now(delete, f"user_{seq}")
        found = db.read_now(user_list.created_since, times)
    assert found == [sum(seq > at for seq in left) for at in times]


async def test_counting_a_role_ends_where_it_was_told_to(people: SQLite) -> None:
    await people.write(at_places, list(range(1, 51)))
    assert await user_list.count_few(people, "role", "member", 1_000) == 50
    assert await user_list.count_few(people, "role", "member", 20) == 20
    assert await user_list.count_few(people, "status", "suspended", 20) == 0


async def test_a_search_among_few_looks_at_those_few(people: SQLite) -> None:
    """Where all users have the word and hardly any the role, the index of words would be read to its end."""
    await people.write(at_places, list(range(1, SOME + 1)))

    async def prepare(tx: Tx) -> None:
        await user_search.changed(tx, range(1, SOME + 1))
        await tx.run("UPDATE users SET role = 'viewer' WHERE seq IN (7, 4000)")
        while await user_search.fold(tx):
            pass

    await people.write(prepare)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    people._reader.set_progress_handler(count, 100)
    filters = Filters(role="viewer", q="alice")
    for order in (AS_ADDED, (Order("name", True),)):
        page = await people.read(user_list.read, Query(filters, order, count=True, listed=True))
        assert sorted(row[0] for row in page.rows) == [7, SOME] and page.total == 2
    assert steps * 100 < 2 * SOME, "of those who match none but the few is opened"


# ---- newest first


async def test_deleted_users_come_newest_first_and_each_once(people: SQLite, monkeypatch: pytest.MonkeyPatch) -> None:
    await people.write(at_places, list(range(1, 31)))
    chance = random.Random(2)
    order = chance.sample(range(1, 31), 30)
    for number, seq in enumerate(order):
        # Several at the same microsecond: their places tell them apart.
        monkeypatch.setattr(clock, "now", lambda number=number: 1_000 + number // 4)
        await people.write(delete, f"user_{seq}")
    seen: list[users.Deleted] = []
    before = None
    while page := await users.lately_deleted(people, 0, 7, before):
        seen += page
        before = (page[-1].deleted_at, page[-1].user.seq)
    wanted = sorted(((1_000 + number // 4, seq) for number, seq in enumerate(order)), reverse=True)
    assert [(each.deleted_at, each.user.seq) for each in seen] == wanted
    assert len(await users.lately_deleted(people, 1_005, 100)) == sum(at >= 1_005 for at, _ in wanted)
    assert await users.count_lately_deleted(people, 1_005, 100) == sum(at >= 1_005 for at, _ in wanted)
    assert await users.count_lately_deleted(people, 0, 11) == 11


async def test_changes_come_newest_first_and_pages_meet(people: SQLite) -> None:
    async def record(tx: Tx) -> None:
        for number in range(40):
            await events.record(
                tx,
                "user.updated" if number % 3 else "key.created",
                f"user_{number % 2}",
                SYSTEM.actor,
                {"number": number},
            )

    await people.write(record)
    whole = (await events.latest(people, 100)).events
    assert [event.seq for event in whole] == list(range(40, 0, -1))
    for type, user_id in ((None, None), ("user.updated", None), (None, "user_1"), ("user.updated", "user_1")):
        wanted = [event for event in whole if type in (None, event.type) and user_id in (None, event.user_id)]
        asked = Selection(None if type is None else frozenset((type,)), user_id)
        first = (await events.page(people, asked, 5, newest_first=True)).events
        second = (await events.page(people, asked._replace(before=first[-1].seq), 5, newest_first=True)).events
        assert first + second == wanted[:10]
        assert (await events.page(people, asked._replace(after=second[0].seq), 5)).events == first[::-1]


async def happen(tx: Tx, made: list[tuple[str, str, str, str, int]]) -> None:
    """Events: type, user, actor, address and when."""
    rows = [
        (f"evt_{n}", type, user, at, actor, None, address, None, None, None, None, "{}", None)
        for n, (type, user, actor, address, at) in enumerate(made)
    ]
    await dialect(tx).event_log.append_many(tx, rows)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_search_of_the_log_finds_what_fits_on_pages_in_both_directions(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With parts of a few events, so that every search has several; and times that are not quite in the order of the
    log."""
    monkeypatch.setattr(events, "MAX_SEARCHED", 7)
    chance = random.Random(3)
    start = 1_700_000_000 * clock.SECOND
    made = [
        (
            chance.choice(("user.created", "user.updated", "user.updated", "key.created")),
            chance.choice(("user_1", "user_2", "user_3")),
            chance.choice(("user_1", "user_9")),
            chance.choice(("192.0.2.1", "192.0.2.2")),
            start + n * clock.HOUR + chance.randrange(-20, 20) * clock.SECOND,
        )
        for n in range(120)
    ]
    searches: list[dict[str, Any]] = [
        {},
        {"types": frozenset({"user.updated"})},
        {"types": frozenset({"key.created", "user.created"}), "address": "192.0.2.1"},
        {"user_id": "user_2"},
        {"user_id": "user_2", "types": frozenset({"user.updated"}), "actor": "user_9"},
        {"user_id": "user_3", "address": "192.0.2.2"},
        {"actor": "user_1", "created_after": made[20][-1], "created_before": made[100][-1]},
        {"types": frozenset({"user.updated"}), "created_before": made[50][-1]},
        {"created_after": made[-1][-1] + clock.DAY},
        {"created_before": start - clock.DAY},
        {"actor": ids.new("key")},
    ]
    with migrated(engine, tmp_path) as db:
        assert db.run_now(collected(db, Selection(), newest_first=True)) == []
        db.write_now(happen, made)
        for search in searches:
            asked = Selection(**search)
            wanted = [f"evt_{n}" for n, event in enumerate(made) if fits(asked, *event)]
            assert db.run_now(collected(db, asked, newest_first=True)) == wanted[::-1]
            assert db.run_now(collected(db, asked, newest_first=False)) == wanted


def fits(asked: Selection, type: str, user: str, actor: str, address: str, at: int) -> bool:
    return (
        (asked.types is None or type in asked.types)
        and asked.user_id in (None, user)
        and asked.actor in (None, actor)
        and asked.address in (None, address)
        and (asked.created_after is None or at > asked.created_after)
        and (asked.created_before is None or at < asked.created_before)
    )


async def collected(db: Database, asked: Selection, newest_first: bool) -> list[str]:
    """The ids that a search finds, five at a time. Where no index leads to them, no page looks at more than
    MAX_SEARCHED events."""
    found: list[str] = []
    while True:
        page = await db.read(partial(events.page, newest_first=newest_first), asked, 5)
        found += [event.id for event in page.events]
        if not page.more:
            return found
        at = page.events[-1].seq if page.searched_to is None else page.searched_to
        assert asked.after < at < asked.before
        asked = asked._replace(before=at) if newest_first else asked._replace(after=at)


def test_a_page_of_the_log_says_how_far_back_it_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what is looked for is rare, a page reads a bounded part of the log, and the next one goes on from there."""
    monkeypatch.setattr(events, "MAX_SEARCHED", 4)
    monkeypatch.setattr(event_actions, "MAX_PARTS", 2)
    start = 1_700_000_000 * clock.SECOND
    settings = _prepared(tmp_path)
    made = [("user.updated", "user_1", "user_2", "192.0.2.7" if n == 3 else "192.0.2.1", start + n) for n in range(30)]
    with closing(SQLite.open(settings.sqlite_file, dialect=connect.SQLITE)) as db:
        db.write_now(happen, made)

    async def run() -> list[bytes]:
        app = App(settings)
        try:
            visit = Visitor(app)
            await visit("POST", "/account/sign-in", email=OWNER, password=PASSWORD)
            bodies, target = [], "/admin/events?address=192.0.2.7"
            while target:
                bodies.append((await visit("GET", target)).body)
                found = re.search(rb'href="([^"]+)">Search further', bodies[-1])
                target = found[1].decode().replace("&amp;", "&") if found else ""
            return bodies
        finally:
            await app.stop()

    *cut, last = asyncio.run(run())
    assert len(cut) > 2
    assert all(b"Searched back to" in body and b"No events found" not in body for body in cut)
    assert b"Searched back to" not in last
    assert [body.count(b"user.updated</span>") for body in (*cut, last)].count(1) == 1


# ---- their cost


class Visitor:
    """The owner's browser, without the browser: pages of an application in this process."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.cookie = ""

    async def __call__(self, method: str, target: str, **form: str) -> Response:
        path, _, query = target.partition("?")
        headers = {b"accept": b"text/html", b"sec-fetch-site": b"same-origin", b"cookie": self.cookie.encode()}
        request = Request(
            method,
            path,
            query,
            headers,
            urlencode(form).encode(),
            "127.0.0.1",
            False,
            "req_pages",
            time.perf_counter_ns(),
        )
        response: Response = await settled(self.app.answer(request))
        assert response.status < 400, (method, target, response.body[:2000])
        if path == "/account/sign-in" and (found := re.search(rb"Set-Cookie: ([^;]+)", response.head)):
            self.cookie = found[1].decode()
        return response


async def every_read(visit: Visitor) -> None:
    await visit("POST", "/account/sign-in", email=OWNER, password=PASSWORD)
    made = [
        await visit("POST", "/admin/users/new", name=f"Alice {n}", email=f"alice{n}@example.com", password=PASSWORD)
        for n in range(3)
    ]
    [one, gone] = [re.search(rb"user_\w{26}", response.head)[0].decode() for response in made[:2]]  # type: ignore[index]
    await visit("POST", f"/admin/users/{gone}/delete")
    answer = await visit("POST", f"/admin/users/{one}/keys", name="a key")
    key = re.search(rb"key_\w{26}", answer.head)[0].decode()  # type: ignore[index]
    made_group = await visit("POST", "/admin/groups", name="Engineering")
    group = re.search(rb"group_\w{26}", made_group.head)[0].decode()  # type: ignore[index]
    await visit("POST", f"/admin/groups/{group}/members", members=f"{one}, alice2@example.com", role="lead")
    await visit("POST", f"/admin/groups/{group}/members/role", id=one, role="guest")
    await visit("POST", f"/admin/users/{one}/groups", group="Engineering", role="lead")
    lists = (
        "",
        f"group={group}",
        f"group={group}&q=alice&sort=name&count=exact",
        "q=alice",
        "role=member",
        "status=active",
        "sort=-created_at",
        "sort=name",
        "sort=-email",
        "page=2",
        "q=alice&sort=-name&role=member",
        f"q={one}",
        "role=member&count=exact",
        "created_after=2023-10-27&created_before=2023-10-28",
        "external_id=crm-1",
        "metadata%5Bplan%5D=pro",
        "metadata%5Bplan%5D=pro&metadata%5Bseats%5D=1&role=member&sort=name&count=exact",
        "metadata%5Bplan%5D=pro&q=alice",
    )
    logs = (
        "",
        "type=user.created",
        f"user={one}",
        f"type=user.*&user={one}",
        "type=user.*&type=key.*",
        f"actor={one}",
        "address=cli",
        "created_after=2023-10-27T10:00",
        "created_before=2023-10-27T10:00",
        "before=3",
        "after=1",
        f"after=1&user={one}",
    )
    for path in (
        "/admin",
        *(f"/admin/users?{query}" for query in lists),
        *(f"/admin/events?{query}" for query in logs),
        f"/admin/groups/{group}",
        f"/admin/groups/{group}?after=1",
        f"/admin/groups/{group}/details",
        f"/admin/groups/{group}/delete",
        f"/admin/users/{one}/groups",
        "/admin/users/deleted",
        "/admin/users/deleted?before=9-9",
        f"/admin/users/{one}",
        *(
            f"/admin/users/{one}/{tab}"
            for tab in (
                "keys",
                "keys?show=ended",
                "keys?q=a&sort=-last_used_at",
                f"keys/{key}/edit",
                f"keys/{key}",
                "sessions",
                "requests",
                f"requests?key={key}",
                "events",
            )
        ),
        f"/admin/users/{gone}",
        "/admin/server",
        "/admin/server/mail",
    ):
        await visit("GET", path.rstrip("?"))
    made = await visit("POST", "/admin/webhooks/inbox")
    hook = "/admin/webhooks/" + re.search(rb"webhook_\w{26}", made.head)[0].decode()  # type: ignore[index]
    await visit("POST", f"{hook}/replays", **{"from": "2023-10-27T10:00"})
    delivery = re.search(rb"dlv_\w{26}", (await visit("POST", f"{hook}/test")).head)[0].decode()  # type: ignore[index]
    sent = ("", "outcome=failed", "type=user.created", f"user={one}", "trigger=test", "created_after=2023-10-27T10:00")
    for path in (
        "/admin/webhooks",
        "/admin/webhooks",
        "/admin/webhooks/inbox",
        hook,
        *(f"{hook}/deliveries?{query}" for query in sent),
        f"{hook}/replays",
        f"{hook}/settings",
        f"{hook}/deliveries/{delivery}",
    ):
        await visit("GET", path.rstrip("?"))


def _prepared(tmp_path: Path) -> Settings:
    """Of a data folder with an owner."""
    settings = Settings(
        data=tmp_path / "data",
        password_memory=8,
        password_time_cost=1,
        page_limit=NO_LIMIT,
        log="none",
        access_log=False,
    )
    given = {"EMAIL": OWNER, "PASSWORD": PASSWORD, "KEY": key_format.mint()}
    first_start.prepare(settings, {f"ROLLBOOK_OWNER_{name}": value for name, value in given.items()})
    return settings


def test_no_statement_of_an_admin_page_walks_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tracing(monkeypatch) as sent:
        settings = _prepared(tmp_path)

        async def run() -> None:
            app = App(settings)
            try:
                await every_read(Visitor(app))
            finally:
                await app.stop()

        sent.clear()
        asyncio.run(run())
    asked = [statement for statement in dict.fromkeys(sent) if STATEMENT.match(statement)]
    assert len(asked) > 80
    with closing(sqlite3.connect(settings.sqlite_file)) as database:
        found = {statement: walks(database, statement) for statement in asked}
    assert {statement: steps for statement, steps in found.items() if steps} == {}
