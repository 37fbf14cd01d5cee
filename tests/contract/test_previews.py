"""`dry_run`: a change is checked and answered as it would be, and the database stays what it is, row by row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook.api.route import Route
from rollbook.api.routes import ROUTES
from tests import assistant
from tests.contract.test_routes import Ask, World, name
from tests.engines import once
from tests.grids import grid
from tests.harness import Server, new_key, new_user, running
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
}
"""Fields that are new in each response, or go with what is sent."""
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


def unchanged(
    world: World, sql: str, call: Callable[[], httpx2.Response], prepare: Callable[[], object] | None = None
) -> httpx2.Response:
    """The response to a call that changes nothing. It is tried again where jobs went on with something meanwhile: after
    `prepare` with whatever it was, since the call is about something else then."""
    for left in range(5, -1, -1):
        if prepare is not None:
            prepare()
        wait_until(lambda: kept(world, sql) == kept(world, sql))
        before = kept(world, sql)
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
        without_id = re.compile(r"req_[0-9a-v]+")
        assert without_id.sub("", preview.text) == without_id.sub("", done.text)


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
    assert {name(route) for route in others} >= {"POST /v1/sessions", "POST /v1/sessions/refresh"}
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
        for where in (("--data", str(server.data)), ("--url", server.url, "--key", server.key)):
            shown = server.rollbook("users", "delete", user["email"], "--dry-run", *where)
            assert (shown.returncode, shown.stdout) == (0, "")
            assert shown.stderr == "Dry run: nothing was changed. It would end 1 API key.\n"
        job = server.rollbook("bulk", "run", "suspend", user["email"], "--dry-run", *where)
        assert job.stderr == "Dry run: nothing was changed. It would change 1 user.\n"
        assert http.get(f"/v1/users/{user['id']}").json()["status"] == "active"
