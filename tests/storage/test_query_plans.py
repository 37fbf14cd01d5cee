"""No statement that a request or a job sends walks through a table: its cost must not grow with the number of users."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rollbook import clock, first_start
from rollbook.actions.principal import SYSTEM
from rollbook.actions.rule_people import sought, spec
from rollbook.app import App
from rollbook.auth import key_format
from rollbook.config import Settings
from rollbook.http.request import Request, Response
from rollbook.http.routing import settled
from rollbook.quota import NO_LIMIT
from rollbook.records import (
    app_sessions,
    connect,
    event_log,
    event_parts,
    events,
    groups,
    idempotency_keys,
    keys,
    marks,
    one_time_tokens,
    scim,
    second_factors,
    sessions,
    usage,
    user_counts,
    user_dates,
    user_imports,
    user_list,
    user_rules,
    users,
)
from rollbook.records.dialect import Dialect, dialect
from rollbook.records.user_rules import MOMENTS, UserRule
from rollbook.storage import sqlite_connection
from rollbook.storage.database import Tx
from tests import factors as phones

RECORDS = (
    app_sessions,
    event_log,
    event_parts,
    events,
    groups,
    idempotency_keys,
    keys,
    marks,
    one_time_tokens,
    scim,
    second_factors,
    sessions,
    usage,
    user_counts,
    user_dates,
    user_imports,
    user_list,
    user_rules,
    users,
)
STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH)\b")

# Tables that hold little, whatever the number of users.
SMALL = {
    **dict.fromkeys(
        ("few", "searched", "oldest", "idle", "page", "chosen", "walked"),
        "the rows that a subquery with a LIMIT gives; what it walks itself is another step",
    ),
    "dated": "the users within the dates asked for: of them the index alone is read, in a thread",
    "listed": "the API keys of all users, which admins ask for, read in a thread: 40 ms for 100,000",
    "g": "groups, 100,000 at most, of which the names or the number are read in a thread",
    "rules": "100 at most",
    "steps": "five numbers",
    "groups": "100,000 at most: they are counted before one is added",
    "deleted_groups": "those of which members are left, for a moment",
    "access": "one row",
    "signing_keys": "two, or three while one is replaced",
    "password_parameters": "a row for each cost of each set of parameters that passwords have",
    "user_search_pending": "what was written since the index was last brought up to date, 0.2 s ago",
    "p": "user_search_pending",
    "samples": "64 numbers",
    "settings": "a row for each setting of mail and the brand that is stored",
    "segments": "fewer than 64 of an index, since FTS5 merges them then",
    "sqlite_sequence": "a row for each table",
    "pair": "the metadata of one user, at most 16 KiB",
    "webhooks": "500 of a server at most",
    **dict.fromkeys(("attempts", "undelivered"), "the deliveries that are kept of one webhook: 10,000 at most"),
    "token_requests": "10,000 at most, for a moment",
    "imports": "1,000 that have ended, and 100 that wait or run: what is more is removed within seconds",
    "bulk_jobs": "the same",
    "all_of_them": "imports and bulk jobs",
    "import_rows": "256 MiB of pieces of up to 256 KiB, for a week, and one more for each import",
    "json_each": "what the statement itself brings",
    **dict.fromkeys(("webhook_cursors", "w", "c"), "webhooks and their cursors: 500 at most"),
    "main.user_search_config": "FTS5's own, one row",
    "main.user_words_config": "FTS5's own, one row",
}

# Statements that only PostgreSQL is asked: what stands in them is not in SQLite's schema, or not in its language.
POSTGRES = re.compile(
    r"clock_timestamp|server_secret|_claims\b|events_new|user_block_deltas|\bnumbers\b|\bleases\b|search_text|convert_to|FOR "
    r"UPDATE|LATERAL|ANY\(|TABLESAMPLE"
)


class Calls:
    """An application in this process, and every statement that it sent."""

    def __init__(self, app: App, key: str, sent: list[str]) -> None:
        self.app, self.key, self.sent = app, key, sent

    async def __call__(self, method: str, target: str, body: Any = None, status: int = 0, **headers: str) -> Any:
        path, _, query = target.partition("?")
        fields = {b"authorization": f"Bearer {self.key}".encode()}
        fields |= {name.replace("_", "-").lower().encode(): value.encode() for name, value in headers.items()}
        content = b"" if body is None else json.dumps(body).encode()
        request = Request(method, path, query, fields, content, "127.0.0.1", False, "req_plans", time.perf_counter_ns())
        response: Response = await settled(self.app.answer(request))
        assert response.status == status or (not status and response.status < 300), (method, target, response.body)
        self.links = re.findall(rb"<[^>]*(/v1/[^>]*)>", response.head)
        if response.stream is not None:
            body = b"".join([part async for part in response.stream.chunks])
            return None if b"ndjson" in response.head else json.loads(body)
        return json.loads(response.body) if response.body.startswith((b"{", b"[")) else None


@contextmanager
def tracing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Statements of every connection made meanwhile, their values written into them."""
    sent: list[str] = []
    connect = sqlite_connection._connect

    def traced(path: Path, pragmas: tuple[str, ...]) -> sqlite3.Connection:
        connection = connect(path, pragmas)
        connection.set_trace_callback(sent.append)
        return connection

    monkeypatch.setattr(sqlite_connection, "_connect", traced)
    yield sent


async def imported(tx: Tx) -> None:
    dated = user_imports.prepare(users.new("Old", "old@example.com", metadata='{"plan":"pro"}'), None, created_at=5)
    await dialect(tx).user_imports.add(tx, [dated], SYSTEM.actor, "email", False)


async def everything(call: Calls) -> None:
    """Each kind of call, each filter and order of the list, and each job."""
    made = [
        await call(
            "POST",
            "/v1/users",
            {"name": f"Alice {n}", "email": f"alice{n}@example.com", "password": "securepassword123"},
            idempotency_key=f"k{n}",
        )
        for n in range(5)
    ]
    id = made[0]["id"]
    group = (await call("POST", "/v1/groups", {"name": "Engineering", "external_id": "x"}))["id"]
    await call("POST", f"/v1/groups/{group}/members", {"members": [{"user_id": user["id"]} for user in made]})
    filters = [
        "",
        "email=alice1@example.com",
        "external_id=x",
        f"ids={id},{made[1]['id']}",
        "role=member",
        "status=active",
        "q=alice",
        "q=a",
        "q=al",
        "q=小",
        "q=user_0",
        "created_after=2020-01-01T00:00:00Z",
        "created_before=2100-01-01T00:00:00Z",
        "q=alice&role=member",
        "role=member&status=active",
        "kind=person",
        "kind=application",
        "kind=person&role=member",
        "kind=application&role=member&status=active",
        "kind=application&q=alice",
        "created_after=2020-01-01T00:00:00Z&role=member",
        "created_before=2020-01-01T00:00:00Z",
        "metadata=plan:pro",
        "active_before=2100-01-01T00:00:00Z",
        "active_after=never&ends_after=2020-01-01T00:00:00Z",
        "email_verified=false&second_factor=false&status_since_before=2100-01-01T00:00:00Z",
        f"group={group}",
        f"group={group}&role=member",
        f"group={group}&metadata=plan:pro",
        f"group={group}&q=alice",
    ]
    for _ in range(2):
        for only in filters:
            await call("GET", f"/v1/users/count?{only}")
            for order in (
                "",
                "sort=-created_at",
                "sort=created_at,name",
                "sort=name",
                "sort=-name,email",
                "sort=email",
                "sort=last_active_at",
                "sort=-ends_at",
            ):
                query = "&".join(part for part in (only, order) if part)
                await call("GET", f"/v1/users?limit=2&{query}".rstrip("&"))
                for link in call.links:
                    await call("GET", link.decode())
                await call("GET", f"/v1/users?limit=2&offset=2&{query}".rstrip("&"))
        # The same where dates and places differ.
        await call.app._db.write(imported)
    await call("GET", f"/v1/users/{id}")
    invited = await call("POST", "/v1/users", {"name": "Ines", "email": "ines@example.com", "status": "invited"})
    operation = {"op": "create_token", "id": invited["id"], "purpose": "invite"}
    await call("POST", "/v1/users/bulk", {"operations": [operation]})
    await call("GET", "/v1/users?status=invited&sort=-created_at&limit=2")
    # What the page of invitations reads besides.
    await call.app._db.read(one_time_tokens.of_users, [id, invited["id"]], "invite")
    await call.app._db.read(user_list.count_few, "status", "invited", 1_000)
    await call(
        "PUT",
        f"/v1/users/{id}",
        {
            "name": "Bob",
            "email": "bob@example.com",
            "external_id": "x",
            "role": "owner",
            "rate_limit": "5/day",
            "metadata": {"a": "b" * 1000},
        },
    )
    await call("PUT", f"/v1/users/{id}", {"role": "member"})
    await change_many(call, id, made[2]["id"])
    await call("PUT", f"/v1/users/{id}/password", {"password": "another-good-one"})
    await call("POST", "/v1/users/verify-password", {"email": "bob@example.com", "password": "another-good-one"})
    factors = f"/v1/users/{id}/second-factors"
    app = await call("POST", factors, {"kind": "totp"})
    phone = phones.App(app["secret"])
    codes = (await call("POST", f"{factors}/{app['id']}/activate", {"code": phone.code()}))["recovery_codes"]
    challenge = await call(
        "POST", "/v1/users/verify-password", {"email": "bob@example.com", "password": "another-good-one"}, status=401
    )
    await call("POST", "/v1/users/verify-challenge", {"challenge": challenge["challenge"], "code": codes[0]})
    await call("POST", f"{factors}/verify", {"code": phone.code()})
    await call("POST", f"/v1/users/{id}/recovery-codes")
    await call("GET", factors)
    await call("GET", f"{factors}/{app['id']}")
    await call("DELETE", f"{factors}/{app['id']}")
    await call("POST", factors, {"kind": "totp"})
    await call("DELETE", factors)
    await call("POST", "/v1/tokens/request", {"email": "bob@example.com", "purpose": "reset_password"})
    await call("POST", f"/v1/users/{id}/suspend")
    await call("POST", f"/v1/users/{id}/activate")
    who = {"email": "bob@example.com", "password": "another-good-one", "audience": "shop"}
    session = await call("POST", "/v1/sessions", who)
    for fields in ("", "?fields=*"):
        await call("POST", f"/v1/sessions/verify{fields}", {"token": session["token"], "audience": "shop"})
    await call("POST", "/v1/sessions/refresh", {"refresh_token": session["refresh_token"], "audience": "shop"})
    await call("GET", f"/v1/sessions?user={id}&audience=shop")
    await call("DELETE", f"/v1/sessions/{session['id']}")
    key = await call("POST", "/v1/keys", {"name": "a key", "user_id": id})
    await call("GET", f"/v1/keys?user={id}")
    await call("GET", f"/v1/keys?user={id}&q=key&sort=-last_used_at")
    day = "2024-01-01T00:00:00Z"
    for query in ("", "prefix=key_0", "prefix=rbk_", "scope=users:read", f"unused_since={day}", f"created_by={id}"):
        await call("GET", f"/v1/keys?user=all&{query}")
    await call("PATCH", f"/v1/keys/{key['id']}", {"name": "another name"})
    await call("GET", f"/v1/keys/{key['id']}")
    own = await call("POST", "/v1/keys", {"name": "my key"})
    await call("POST", f"/v1/keys/{own['id']}/reveal", {"password": "correct horse battery staple"})
    new = await call("POST", f"/v1/keys/{own['id']}/rotate", {"overlap": 60})
    await call("POST", f"/v1/keys/{new['id']}/rotate", {})
    await call("DELETE", f"/v1/keys/{key['id']}")
    log = await call("GET", "/v1/events?limit=2")
    for query in (
        f"after={log[0]['id']}",
        f"user={id}",
        "type=user.created",
        f"after={log[0]['id']}&type=user.created&user={id}",
    ):
        await call("GET", f"/v1/events?{query}")
    now = clock.format_time_exactly(clock.now())
    await call("PATCH", f"/v1/users/{id}", {"name": "Renamed"})
    (renamed,) = await call("GET", f"/v1/events?type=user.updated&user={id}&order=desc&limit=1")
    await call("GET", f"/v1/users/{id}?at={now}")
    await call("GET", f"/v1/users/{id}?at={renamed['id']}")
    await call("GET", f"/v1/events/{renamed['id']}")
    await call("POST", f"/v1/events/{renamed['id']}/revert?dry_run=true", {})
    await call("POST", f"/v1/events/{renamed['id']}/revert", {})
    await call("GET", f"/v1/users/{id}/export")
    await call("PATCH", f"/v1/groups/{group}", {"name": "Devs", "external_id": "y"})
    await call("PUT", f"/v1/groups/{group}/members/{id}", {"role": "lead"})
    for query in ("name=devs", "external_id=y", f"user={id}", "limit=1&sort=name"):
        await call("GET", f"/v1/groups?{query}")
    await call("GET", f"/v1/groups/{group}/members?limit=2")
    await call("GET", call.links[-1].decode())
    await call("DELETE", f"/v1/groups/{group}/members/{made[2]['id']}")
    await provision(call, id)
    await call("DELETE", f"/v1/users/{id}")
    await call("POST", f"/v1/users/{id}/restore")
    await call("DELETE", f"/v1/users/{id}?purge=true")
    await call("DELETE", f"/v1/users/{made[1]['id']}")
    await call("DELETE", f"/v1/groups/{group}")
    for job in call.app._jobs.jobs:
        await job.step()


async def change_many(call: Calls, *ids: str) -> None:
    """Bulk jobs of each kind, and what undoes them."""
    [step] = [job.step for job in call.app._jobs.jobs if job.name == "bulk jobs"]
    asked: list[dict[str, Any]] = [
        {"action": "metadata", "filter": {"metadata": ["plan:pro"]}, "metadata": {"plan": "team"}},
        {"action": "role", "role": "viewer", "ids": ids},
        {"action": "suspend", "ids": ids},
        {"action": "delete", "ids": ids},
        {"action": "setup_links", "ids": ids},
    ]
    for body in asked:
        path = f"/v1/bulk-jobs/{(await call('POST', '/v1/bulk-jobs', body))['id']}"
        while await step():
            pass
        assert (await call("GET", path))["status"] == "finished"
        for query in ("", "?result=changed", "?result=refused"):
            await call("GET", f"{path}/results{query}", status=200)
        if body["action"] != "setup_links":
            await call("POST", f"{path}/undo")
            while await step():
                pass
        await call("POST", f"{path}/cancel")
    await call("GET", "/v1/bulk-jobs")


async def provision(call: Calls, id: str) -> None:
    """What identity providers ask, but for filters that look at each user, of whom there are 10,000 at most."""
    schemas = {"schemas": [f"urn:ietf:params:scim:schemas:core:2.0:{kind}" for kind in ("User", "Group")]}
    made = await call("POST", "/scim/v2/Users", {**schemas, "userName": "ada@example.com", "externalId": "7"})
    await call("POST", f"/v1/users/{id}/adopt")
    await call("PUT", f"/scim/v2/Users/{id}", {**schemas, "userName": "ada2@example.com", "externalId": "8"})
    await call("PATCH", f"/scim/v2/Users/{id}", {"Operations": [{"op": "replace", "path": "active", "value": "False"}]})
    for query in (
        'filter=userName+eq+"ada"',
        'filter=externalId+eq+"7"',
        'filter=emails+eq+"a@b.c"',
        "sortBy=displayName",
    ):
        await call("GET", f"/scim/v2/Users?{query}")
    members = [{"value": each} for each in (id, made["id"])]
    team = await call(
        "POST", "/scim/v2/Groups", {**schemas, "displayName": "Team", "externalId": "7", "members": members}
    )
    replaced = {"Operations": [{"op": "replace", "path": "members", "value": members[:1]}]}
    await call("PATCH", f"/scim/v2/Groups/{team['id']}", replaced)
    for query in ('filter=displayName+eq+"team"', 'filter=externalId+eq+"7"', f'filter=members+eq+"{id}"'):
        await call("GET", f"/scim/v2/Groups?{query}")
    await call("DELETE", f"/scim/v2/Groups/{team['id']}")
    await call("DELETE", f"/scim/v2/Users/{made['id']}")


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    return sent_on(tmp_path / "data", monkeypatch)


def sent_on(data: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """A new database, and each statement that all calls and jobs sent to it."""
    key = key_format.mint()
    settings = Settings(
        data=data,
        rate_limit=NO_LIMIT,
        password_memory=8,
        password_time_cost=1,
        event_retention=1,
        log="none",
        access_log=False,
    )
    with tracing(monkeypatch) as statements:
        owner = {"EMAIL": "owner@example.com", "PASSWORD": "correct horse battery staple", "KEY": key}
        first_start.prepare(settings, {f"ROLLBOOK_OWNER_{name}": value for name, value in owner.items()})

        async def run() -> None:
            app = App(settings)
            try:
                await everything(Calls(app, key, statements))
            finally:
                await app.stop()

        statements.clear()  # migrations and the first start happen once
        asyncio.run(run())
    return settings.sqlite_file, list(dict.fromkeys(statements))


def walks(database: sqlite3.Connection, statement: str, values: tuple[Any, ...] = ()) -> list[str]:
    """Steps of its plan that go through a whole table or index, and not only as far as the first rows it wants."""
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    statement = statement.replace(" AND kind = 'person'", "")  # all but the few applications
    # Without a condition and without sorting (but of rows that are equal in the index), LIMIT ends the walk after the
    # rows that are shown.
    bounded = (
        re.search(r"\bLIMIT\b", statement) is not None
        and not any(step.endswith("TEMP B-TREE FOR ORDER BY") for step in plan)
        and re.search(r"\bWHERE\b(?! true\b(?! AND))", statement) is None
    )
    found = []
    for step in plan:
        if (scan := re.match(r"SCAN ([\w.]+)", step)) is None or scan[1] in SMALL or bounded:
            continue
        # They have those replays that run, and those keys that are of identity providers.
        if step.endswith(("INDEX webhook_replays_running", "INDEX keys_scim")):
            continue
        if step.endswith(("VALUES CLAUSE", "CONSTANT ROWS")):  # what the statement itself brings
            continue
        # FTS5 calls everything a scan; behind the colon it says that it looks up a row (=) or a text (M).
        if re.search(r"VIRTUAL TABLE INDEX \d+:[^ ]*[=M]", step) or scan[1] == "CONSTANT":
            continue
        # Without an index, since most users share one value of each: they are looked at in a thread.
        if re.search("AND email_verified = |AS f WHERE f.user_id = users.id", statement):
            continue
        found.append(step)
    return found


def records_on(engine: Dialect) -> list[ModuleType]:
    """Those of both engines, and those of this one."""
    return [*RECORDS, *(each for each in engine if isinstance(each, ModuleType))]


def _parameters(statement: str) -> int:
    numbered = [int(number) for number in re.findall(r"\?(\d+)", statement)]
    return max(numbered) if numbered else statement.count("?")


def test_no_statement_of_a_request_or_loop_walks_a_table(sent: tuple[Path, list[str]]) -> None:
    path, statements = sent
    asked = [statement for statement in statements if STATEMENT.match(statement)]
    assert len(asked) > 150
    with closing(sqlite3.connect(path)) as database:
        found = {statement: walks(database, statement) for statement in asked}
    assert {statement: steps for statement, steps in found.items() if steps} == {}


def named_statements() -> dict[str, str]:
    """Those of the records that have a name, of which no call above may have sent some."""
    named: dict[str, str] = {}
    for module in records_on(connect.SQLITE):
        for name, value in vars(module).items():
            texts = value.values() if isinstance(value, dict) else [value]
            for text in texts:
                if isinstance(text, str) and STATEMENT.match(text) and "{" not in text and not POSTGRES.search(text):
                    named[f"{module.__name__}.{name}"] = inspect.cleandoc(text)
    return named


def walks_of(database: sqlite3.Connection, named: dict[str, str]) -> dict[str, list[str]]:
    found = {name: walks(database, text, (None,) * _parameters(text)) for name, text in named.items()}
    return {name: steps for name, steps in found.items() if steps}


def test_no_named_statement_of_the_records_walks_a_table(sent: tuple[Path, list[str]]) -> None:
    path, _ = sent
    named = named_statements()
    assert len(named) > 50
    with closing(sqlite3.connect(path)) as database:
        assert walks_of(database, named) == {}


class Noted:
    """Statements that a read would send."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[Any, ...]]] = []

    async def all(self, sql: Any, *values: Any) -> list[Any]:
        self.sent.append((str(sql), values))
        return []

    async def one(self, sql: Any, *values: Any) -> tuple[int]:
        await self.all(sql, *values)
        return (0,)


def looks_of_rules() -> list[tuple[str, tuple[Any, ...]]]:
    """All by which a rule looks for people: among the next users, those whose moment came lately, who is
    next, and these users."""
    noted: Any = Noted()
    moments = [*({"after": name, "days": 3} for name in MOMENTS), {"before": "ends_at", "days": 3}]
    for when in ({"daily": "06:00"}, *moments):
        texts = json.dumps(when), '{"role":"member"}', '[{"do":"suspend"}]'
        rule = UserRule("rule_x", "x", 1, "user_x", None, None, *texts, 50)
        whom = sought(rule, spec(rule), clock.now(), "2026-01-01")
        asyncio.run(user_rules.seek(noted, whom, 0))
        one = whom.filters._replace(ids=("user_1", "user_2"))
        asyncio.run(user_rules.matching(noted, whom._replace(filters=one)))
        asyncio.run(user_rules.count_due_matching(noted, whom, 5))
        if "daily" not in when:
            asyncio.run(user_rules.seek_few(noted, sought(rule, spec(rule), clock.now(), since=5), 10))
            asyncio.run(user_rules.next_moment(noted, whom._replace(filters=spec(rule).filters), 5))
    return noted.sent


def test_rules_look_for_people_by_an_index(sent: tuple[Path, list[str]]) -> None:
    path, _ = sent
    looks = looks_of_rules()
    assert len(looks) > 20
    with closing(sqlite3.connect(path)) as database:
        assert {sql: steps for sql, values in looks if (steps := walks(database, sql, values))} == {}


def test_people_of_a_part_of_a_run_are_found_by_the_key_however_many_are_at_the_step(
    sent: tuple[Path, list[str]],
) -> None:
    path, _ = sent
    with closing(sqlite3.connect(path)) as database:
        values = (None,) * _parameters(user_rules.AT_STEP)
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {user_rules.AT_STEP}", values)]
    assert ["user_id=?" in step for step in plan] == [True], plan
