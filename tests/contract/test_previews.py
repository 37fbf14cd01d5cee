"""`dry_run`: a change is checked and answered as it would be, and the database stays what it is, row by row."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook.actions import bulk_jobs
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI
from rollbook.api.route import Route
from rollbook.api.routes import ROUTES
from rollbook.config import Settings
from rollbook.records import users
from rollbook.records.users import User
from rollbook.storage.database import Queries, Tx
from tests import assistant
from tests.contract.paths import FACTORS, KEY, RULE_PATH, WEBHOOK
from tests.contract.test_routes import Ask, World, name
from tests.engines import migrated, once
from tests.grids import grid
from tests.harness import OWNER_PASSWORD, Server, new_key, new_user, running
from tests.mail_server import mail_server
from tests.nodes.pair import wait_until

PREVIEWED = [route for route in ROUTES if route.can_be_previewed]
OF_REQUESTS = {
    "request_log",
    "request_log_sizes",
    "usage",
    "usage_limits",
    "usage_routes",
    "marks",
    "leases",
    "numbers",
}
"""Tables that every request writes to, jobs, or whoever asks for a number on PostgreSQL."""
OF_DISPATCHER = {"webhook_cursors", "webhook_lanes", "webhook_hours", "webhook_deliveries", "webhook_inbox"}
"""Tables of what is sent: it follows the event log, which is compared."""
BY_JOBS = {
    "user_search_pending",
    "user_search_erased",
    "user_blocks",
    "user_block_deltas",
    "token_requests",
    "webhook_replays",
    "imports",
    "bulk_jobs",
    "deleted_groups",
}
"""Tables in which a moment later jobs go on with what the test has prepared."""
VOLATILE = {"last_used_at", "last_active_at", "last_seen_at", "seen_at"}
RANDOM = {
    "key",
    "masked",
    "start",
    "last_four",
    "secret",
    "otpauth_url",
    "token",
    "url",
    "recovery_codes",
    "expires_at",
    "health",
    "request_id",
}
"""Fields that are new in each response, or go with what is sent."""
WITHOUT = {
    # Their tokens would work.
    "POST /v1/sessions",
    "POST /v1/sessions/refresh",
    # They only check.
    "POST /v1/users/verify-password",
    "POST /v1/users/verify-challenge",
    f"POST {FACTORS}/verify",
    "POST /v1/sessions/verify",
    "POST /v1/rules/preview",
    f"POST {RULE_PATH}/preview",
    # They reveal.
    f"POST {KEY}/reveal",
    f"POST {WEBHOOK}/reveal",
    # It sends.
    f"POST {WEBHOOK}/test",
    # It has an option of its own.
    "POST /v1/imports",
}
"""Calls that are not GET and can't be previewed, with the reason."""
Rows = dict[str, list[str]]


@pytest.fixture(scope="module")
def world(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("previews") / "data", "--rate-limit", "none") as server, server.http() as http:
        world = World(server, http)
        assert http.post("/v1/sessions", json=world.credentials).status_code == 201  # makes the keys that sign
        yield world
        world.close()


def statement(server: Server) -> str:
    """Selects all rows of all tables as text, each with the name of its table."""
    if server.database:
        listed = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    else:
        listed = """
            SELECT tables.name, columns.name FROM sqlite_master AS tables
            JOIN pragma_table_info(tables.name) AS columns
            WHERE tables.type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'
              AND tables.name NOT GLOB '*_config' AND tables.name NOT GLOB '*_data' AND tables.name NOT GLOB '*_idx'
              AND tables.name NOT GLOB '*_content' AND tables.name NOT GLOB '*_docsize'"""
    parts = []
    for table, rows in groupby(sorted(server.ask(listed)), lambda row: row[0]):
        columns = [f'"{column}"' for _, column in rows if column not in VOLATILE]
        values = (
            f"ROW({', '.join(columns)})::text"
            if server.database
            else " || '|' || ".join(map("quote({})".format, columns))
        )
        if table not in OF_REQUESTS | OF_DISPATCHER:
            parts.append(f"SELECT '{table}', {values} FROM {table}")
    assert len(parts) > 30
    return " UNION ALL ".join(parts)


def kept(world: World, sql: str) -> Rows:
    """All rows of the database, by table, and the files of imports."""
    assert world.http.get("/v1/events?limit=1").status_code == 200  # on PostgreSQL, that gives new events their numbers
    return {
        table: sorted(text for _, text in rows)
        for table, rows in groupby(sorted(world.server.ask(sql)), lambda row: row[0])
    } | {"imports": sorted(file.name for file in (world.server.data / "imports").glob("*"))}


def at_rest(world: World, sql: str) -> Rows:
    """What is kept, once jobs have done what there was to do: they count new users, and index them, a moment later."""
    seen: list[Rows] = [{}]

    def is_at_rest() -> bool:
        seen.append(kept(world, sql))
        return seen[-1] == seen[-2] and not seen[-1].keys() & {"user_block_deltas", "user_search_pending"}

    wait_until(is_at_rest)
    return seen[-1]


def unchanged(
    world: World, sql: str, call: Callable[[], httpx2.Response], prepare: Callable[[], object] | None = None
) -> httpx2.Response:
    """The response to a call that changes nothing. It is tried again where jobs went on with something meanwhile: after
    `prepare` with whatever it was, since the call is about something else then."""
    for left in range(5, -1, -1):
        if prepare is not None:
            prepare()
        before = at_rest(world, sql)
        answer = call()
        after = kept(world, sql)
        differing = {table for table in before.keys() | after.keys() if before.get(table) != after.get(table)}
        if not differing:
            return answer
        assert left and (prepare is not None or differing <= BY_JOBS), {
            table: ({*after.get(table, ())} ^ {*before.get(table, ())}) for table in differing
        }
    raise AssertionError


def plain(value: Any) -> Any:
    """A value without what is new in each response."""
    if isinstance(value, dict):
        return {key: "new" if key in RANDOM and part is not None else plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"\b([a-z]+)_[0-9a-v]{26}\b|\d{4}-\d\d-\d\dT[\d:.]+Z", r"\1", value)


def said(answer: httpx2.Response) -> tuple[Any, ...]:
    own = ("x-dry-run", "x-request-id", "date", "ratelimit", "content-length")
    headers = {key: plain(text) for key, text in answer.headers.items() if not key.startswith(own)}
    return answer.status_code, headers, plain(answer.json() if answer.content else None)


@pytest.fixture(scope="module")
def sql(world: World) -> str:
    return statement(world.server)


@grid("route", PREVIEWED, ids=name)
def test_a_preview_keeps_nothing_and_the_change_then_answers_the_same(world: World, sql: str, route: Route) -> None:
    asks: list[Ask] = []
    preview = unchanged(
        world,
        sql,
        lambda: world.ask(route, asks[-1], params={"dry_run": "true"}),
        lambda: asks.append(world.valid(route)),
    )
    assert preview.headers["x-dry-run"] == "true", preview.text
    done = world.ask(route, asks[-1])
    assert done.status_code == route.success, done.text
    assert "x-dry-run" not in done.headers
    assert said(preview) == said(done)


@once
def test_a_preview_sends_nothing(tmp_path: Path) -> None:
    """What a server sends about one user, it sends in order: what comes after the previews is all there is."""
    with (
        mail_server() as mail,
        running(tmp_path / "data", *mail.flags("http://127.0.0.1:1")) as server,
        server.http() as http,
    ):
        user = new_user(http)
        http.post("/v1/tokens/request", json={"email": user["email"], "purpose": "reset_password"})
        mail.wait_for_mail(user["email"])
        hook = f"/v1/webhooks/{http.post('/v1/webhooks', json={'url': 'inbox'}).json()['id']}"
        path, sent = f"/v1/users/{user['id']}", {"purpose": "reset_password", "send": True}
        for method, target, body in (
            ("POST", f"{path}/tokens", sent),
            ("POST", "/v1/users/bulk", {"operations": [{"op": "create_token", "id": user["id"], **sent}]}),
            ("POST", "/v1/bulk-jobs", {"action": "setup_links", "send": True, "ids": [user["id"]]}),
            ("POST", "/v1/tokens/request", {"email": user["email"], "purpose": "reset_password"}),
            ("PUT", f"{path}/password", {"password": "anotherpassword123"}),
            ("PATCH", path, {"email": f"another.{user['email']}"}),
            ("DELETE", path, None),
        ):
            preview = http.request(method, target, params={"dry_run": "true"}, json=body)
            assert preview.is_success and preview.headers["x-dry-run"] == "true", preview.text
        http.post(f"{path}/tokens", json={"purpose": "sign_in", "send": True})
        mail.wait_for(lambda: len(mail.mails) > 1)
        assert ["sign-in" in sent.link for sent in mail.mails] == [False, True]
        wait_until(lambda: len(http.get(f"{hook}/deliveries").json()) > 1)
        assert [sent["type"] for sent in http.get(f"{hook}/deliveries").json()] == ["token.created", "webhook.created"]


def test_what_would_end_is_counted(world: World, sql: str) -> None:
    http, admin = world.http, new_user(world.http, role="admin")
    path = f"/v1/users/{admin['id']}"
    keys = [new_key(http, user_id=admin["id"]) for _ in range(2)]
    with world.server.http(keys[0]) as theirs:
        assert theirs.post("/v1/keys", json={"name": "theirs", "user_id": world.user["id"]}).status_code == 201
    sign_in = {"email": admin["email"], "password": admin["password"], "audience": "shop"}
    session = http.post("/v1/sessions", json=sign_in).json()
    assert http.post("/v1/webhooks", json={"url": "inbox", "user_id": admin["id"]}).status_code == 201

    def ends(method: str, path: str, **body: Any) -> str | None:
        answer = unchanged(
            world, sql, lambda: http.request(method, path, params={"dry_run": "true"}, json=body or None)
        )
        assert answer.is_success and answer.headers["x-dry-run"] == "true", answer.text
        return answer.headers.get("x-dry-run-ends")

    assert ends("DELETE", path) == ends("POST", f"{path}/suspend") == "sessions=1, keys=3, webhooks=1"
    assert ends("PATCH", path, role="member") == "keys=1, webhooks=1"
    assert ends("PATCH", path, name="Another") is None
    assert ends("DELETE", f"/v1/sessions/{session['id']}") == "sessions=1"
    assert ends("POST", "/v1/users/bulk", operations=[{"op": "delete", "id": admin["id"]}]) == (
        "sessions=1, keys=3, webhooks=1"
    )
    assert http.post(f"{path}/suspend").status_code == 200
    assert ends("POST", f"{path}/activate") is None
    assert ends("DELETE", path) is None, "what pauses ends nothing more"


def test_a_preview_is_refused_as_the_change_is(world: World, sql: str) -> None:
    for method, path, body in (
        ("POST", "/v1/users", {"name": "Charlie", "email": world.user["email"], "password": "securepassword123"}),
        ("PATCH", f"/v1/users/{world.user['id']}", {"name": ""}),
        ("DELETE", "/v1/users/me", None),
        ("DELETE", "/v1/groups/group_065n1e8q5o1v3g7m2h9c4t0d6s", None),
    ):
        preview = unchanged(world, sql, lambda: world.http.request(method, path, params={"dry_run": "true"}, json=body))  # noqa: B023
        done = world.http.request(method, path, json=body)
        assert preview.status_code == done.status_code >= 400
        assert preview.headers["x-dry-run"] == "true" and "x-dry-run" not in done.headers
        without_id = re.compile(r"req_[0-9a-v]+")
        assert without_id.sub("", preview.text) == without_id.sub("", done.text)
    with (
        world.server.http("rbk_wrong") as stranger,
        world.server.http(new_key(world.http, scopes=["users:read"])) as by,
    ):
        for client, status in ((stranger, 401), (by, 403)):
            answer = client.post("/v1/groups", params={"dry_run": "true"}, json={"name": "Engineering"})
            assert (answer.status_code, answer.headers["x-dry-run"]) == (status, "true")


def test_an_idempotency_key_is_left_for_the_change(world: World, sql: str) -> None:
    body = {"name": "Charlie", "email": world.email(), "password": "securepassword123"}
    once = {"Idempotency-Key": "previewed"}
    for _ in range(2):
        preview = unchanged(
            world, sql, lambda: world.http.post("/v1/users", params={"dry_run": "true"}, json=body, headers=once)
        )
        assert (preview.status_code, "idempotency-replayed" in preview.headers) == (201, False)
    done = world.http.post("/v1/users", json=body, headers=once)
    assert (done.status_code, "idempotency-replayed" in done.headers) == (201, False)
    assert world.http.get(f"/v1/users/{preview.json()['id']}").status_code == 404
    late = unchanged(
        world, sql, lambda: world.http.post("/v1/users", params={"dry_run": "true"}, json=body, headers=once)
    )
    assert (late.status_code, late.json()["code"]) == (400, "email_taken"), "a preview isn't answered by the change"


def test_a_version_is_checked_in_a_preview_too(world: World, sql: str) -> None:
    path = f"/v1/users/{new_user(world.http)['id']}"
    tag = world.http.get(path).headers["etag"]

    def preview(tag: str) -> httpx2.Response:
        dry = {"dry_run": "true"}
        return unchanged(
            world,
            sql,
            lambda: world.http.patch(path, params=dry, json={"name": "Another"}, headers={"If-Match": tag}),
        )

    assert (preview(tag).status_code, preview('"another"').status_code) == (200, 412)
    assert world.http.get(path).headers["etag"] == tag, "a preview makes no version"


def test_what_a_preview_shows_once_does_not_work(world: World, sql: str) -> None:
    http, dry = world.http, {"dry_run": "true"}
    user = new_user(http)
    made = http.post("/v1/keys", params=dry, json={"name": "never"}).json()
    key = http.post("/v1/keys", json={"name": "kept"}).json()
    rotated = http.post(f"/v1/keys/{key['id']}/rotate", params=dry, json={"overlap": 0}).json()
    for text, status in ((made["key"], 401), (rotated["key"], 401), (key["key"], 200)):
        with world.server.http(text) as client:
            assert client.get("/v1/users/me").status_code == status
    token = http.post(f"/v1/users/{user['id']}/tokens", params=dry, json={"purpose": "reset_password"}).json()
    for query in ({}, dry):
        used = http.post("/v1/tokens/consume", params=query, json={"token": token["token"], "password": OWNER_PASSWORD})
        assert (used.status_code, used.json()["code"]) == (400, "token_invalid")
    factors = f"/v1/users/{user['id']}/second-factors"
    secrets = [http.post(factors, params=query, json={"kind": "totp"}).json()["secret"] for query in (dry, dry, {})]
    assert len({*secrets}) == 3
    webhook = http.post("/v1/webhooks", json={"url": "inbox"}).json()
    turned = http.post(f"/v1/webhooks/{webhook['id']}/rotate-secret", params=dry, json={"overlap": 0}).json()
    shown = http.post(f"/v1/webhooks/{webhook['id']}/reveal", json={"password": OWNER_PASSWORD}).json()
    assert turned["secret"] != webhook["secret"] == shown["secret"]


@once
@grid("query", ["dry_run=yes", "dry_run=2", "dry_run=", "dry_run", "dry_run=true&dry_run=false", "Dry_Run=true"])
def test_what_is_not_true_or_false_is_refused(world: World, query: str) -> None:
    path = f"/v1/users/{new_user(world.http)['id']}"
    answer = world.http.delete(f"{path}?{query}")
    assert (answer.status_code, answer.json()["param"].lower()) == (400, "dry_run")
    assert world.http.get(f"{path}?dry_run=true").json()["param"] == "dry_run", "a read has no preview"
    assert world.http.get(path).status_code == 200


@once
def test_a_preview_counts_for_the_rate_limit(world: World) -> None:
    with world.server.http(new_key(world.http, rate_limit="3/hour")) as client:
        dry = {"dry_run": "true"}
        answers = [client.post("/v1/groups", params=dry, json={"name": "Engineering"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer.headers["x-dry-run"] for answer in answers} == {"true"}
    wait_until(lambda: world.http.get("/v1/events", params={"type": "limit.exceeded"}).json())


def test_only_what_the_key_can_list_is_counted(world: World, sql: str) -> None:
    admin = new_user(world.http, role="admin")
    new_key(world.http, user_id=admin["id"])
    sign_in = {"email": admin["email"], "password": admin["password"], "audience": "shop"}
    assert world.http.post("/v1/sessions", json=sign_in).status_code == 201
    for scopes, counted in (
        ([], None),
        (["keys:read"], "keys=1"),
        (["sessions:read", "webhooks:read"], "sessions=1"),
        (["sessions:read", "keys:read"], "sessions=1, keys=1"),
    ):
        key = new_key(world.http, scopes=["users:write", "users:grant", *scopes])
        with world.server.http(key) as client:
            answer = unchanged(
                world,
                sql,
                lambda: client.post(f"/v1/users/{admin['id']}/suspend", params={"dry_run": "true"}),
            )
        assert (answer.status_code, answer.headers.get("x-dry-run-ends")) == (200, counted)


@once
def test_previews_leave_the_limit_of_requested_tokens(tmp_path: Path) -> None:
    with (
        mail_server() as mail,
        running(tmp_path / "data", *mail.flags("http://127.0.0.1:1"), "--token-email-limit", "1/hour") as server,
        server.http() as http,
    ):
        body = {"email": new_user(http)["email"], "purpose": "reset_password", "address": "203.0.113.7"}
        for _ in range(3):
            assert http.post("/v1/tokens/request", params={"dry_run": "true"}, json=body).status_code == 202
        assert http.post("/v1/tokens/request", json=body).status_code == 202
        mail.wait_for_mail(body["email"])
        assert len(mail.mails) == 1


def test_a_change_is_done_once_to_preview_it(engine: str, tmp_path: Path) -> None:
    """Whoever writes beside it waits for it once, and is told nothing."""
    done: list[str] = []
    notified: list[str] = []
    with migrated(engine, tmp_path) as db:
        on = Rollbook(Settings(data=tmp_path), db)
        db.listen("events", lambda: notified.append("events"))

        async def change(tx: Tx) -> str:
            user = await users.add(tx, users.new("Charlie", "charlie@example.com"))
            tx.notify("events")
            done.append(user.id)
            return user.id

        async def previewed() -> tuple[str, str]:
            return await on.dry().write(change), await on.dry().write(change)

        assert on.run(previewed()) == (done[0], done[1])
        assert len(done) == 2 and not notified
        assert db.read_now(partial(_named, "charlie@example.com")) is None


async def _named(email: str, queries: Queries) -> User | None:
    return await users.by_email(queries, email)


def test_previews_of_jobs_look_for_users_one_at_a_time(tmp_path: Path) -> None:
    running_now: list[int] = []
    most: list[int] = []

    async def choose(targets: bulk_jobs.JobTargets) -> None:
        running_now.append(1)
        most.append(len(running_now))
        await asyncio.sleep(0.001)
        running_now.pop()

    with migrated("sqlite", tmp_path) as db:
        on = Rollbook(Settings(data=tmp_path), db).dry()

        async def previews() -> list[Any]:
            return await asyncio.gather(*[bulk_jobs._add(on, CLI, "suspend", {}, choose) for _ in range(5)])

        jobs = on.run(previews())
    assert len({job.id for job in jobs}) == 5 and most == [1] * 5


def test_a_bulk_job_is_previewed_with_its_number_of_users(world: World, sql: str) -> None:
    ids = [new_user(world.http)["id"] for _ in range(3)]
    body = {"action": "suspend", "ids": ids}
    preview = unchanged(world, sql, lambda: world.http.post("/v1/bulk-jobs", params={"dry_run": "true"}, json=body))
    assert (preview.status_code, preview.json()["total"]) == (201, 3)
    many = {"action": "suspend", "filter": {"ids": ids}, "confirm_count": 2}
    refused = world.http.post("/v1/bulk-jobs", params={"dry_run": "true"}, json=many)
    assert (refused.status_code, refused.headers["x-dry-run"]) == (400, "true")


def test_wrong_codes_count_in_a_preview_too(world: World) -> None:
    with world.server.http(new_key(world.http, user_id=world.user["id"])) as own:
        path, body = f"/v1/users/{world.user['id']}", {"email": world.email(), "current_password": "wrongpassword"}
        assert own.patch(path, params={"dry_run": "true"}, json=body).status_code == 401
    failures = "SELECT sum(failures) FROM failed_guesses"
    assert world.server.ask(failures)[0][0] >= 1
    again = new_key(world.http, user_id=world.user["id"])
    with world.server.http(again) as own:
        body["current_password"] = world.user["password"]
        assert own.patch(path, params={"dry_run": "true"}, json=body).status_code == 200


@once
def test_calls_that_have_no_preview_refuse_the_parameter(world: World) -> None:
    others = [route for route in ROUTES if route.method != "GET" and not route.can_be_previewed]
    assert {name(route) for route in others} == WITHOUT
    for route in others:
        if route.path != "/v1/imports":  # an option of its own
            answer = world.ask(route, world.valid(route), params={"dry_run": "true"})
            assert (answer.status_code, answer.json()["param"]) == (400, "dry_run"), name(route)


@once
def test_assistants_and_commands_preview(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.http() as http:
        user = new_user(http)
        new_key(http, user_id=user["id"])
        arguments = {"user_id": user["id"], "dry_run": True}
        told = assistant.post(http, assistant.message("tools/call", name="delete_user", arguments=arguments))
        result = told.json()["result"]
        assert result["structuredContent"] == {"dry_run": True, "would_end": "keys=1"}, "no one has to confirm it"
        for value in ("true", 1, "yes"):
            told = assistant.post(
                http, assistant.message("tools/call", name="delete_user", arguments=arguments | {"dry_run": value})
            )
            refused = told.json()["result"]
            assert refused["isError"] and refused["structuredContent"]["param"] == "dry_run", "what it does is clear"
        for where in (("--data", str(server.data)), ("--url", server.url, "--key", server.key)):
            shown = server.rollbook("users", "delete", user["email"], "--dry-run", *where)
            assert (shown.returncode, shown.stdout) == (0, "")
            said = f"Dry run: nothing was changed. It would delete a user: {user['email']}. It would end 1 API key.\n"
            assert shown.stderr == said
            made = server.rollbook("keys", "create", user["email"], "--name", "mine", "--dry-run", *where)
            assert made.stderr == "Dry run: nothing was changed. It would create an API key of a user: mine.\n"
        job = server.rollbook("bulk", "run", "suspend", user["email"], "--dry-run", *where)
        assert job.stderr == "Dry run: nothing was changed. It would change 1 user.\n"
        assert http.get(f"/v1/users/{user['id']}").json()["status"] == "active"
