"""`rollbook copy`: all that a server kept is there in the other database, exactly; a copy that was killed leaves
nothing that is served."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from rollbook import clock
from rollbook.auth.passwords import Passwords
from rollbook.config import Settings
from rollbook.records import copying
from tests import postgres, processes
from tests.cli.command import PASSWORD, good, peak_of, refused, rollbook
from tests.contract.paths import RULE
from tests.factors import enrolled
from tests.harness import OWNER_PASSWORD, new_user, running
from tests.nodes.pair import wait_until
from tests.visitor import signed_in

HASH = Passwords(Settings(password_memory=8, password_time_cost=1)).hash_now(PASSWORD)
PEOPLE = 5_000
FLAGS = ("--rate-limit", "1000000/minute,10000000/hour", "--unauthenticated-limit", "1000000/minute")
TABLES = (
    "users",
    "deleted_users",
    "groups",
    "group_members",
    "deleted_group_members",
    "deleted_groups",
    "keys",
    "lineages",
    "sessions",
    "signing_keys",
    "clients",
    "sign_in_codes",
    "sign_outs",
    "password_parameters",
    "one_time_tokens",
    "token_requests",
    "second_factors",
    "recovery_codes",
    "challenges",
    "scim_users",
    "scim_external_ids",
    "events",
    "erased_events",
    "unlogged_changes",
    "purged_users",
    "marks",
    "settings",
    "second_factor_grace",
    "failed_guesses",
    "user_languages",
    "new_passwords",
    "event_metadata",
    "replies",
    "usage",
    "usage_limits",
    "usage_routes",
    "request_log",
    "request_log_sizes",
    "erased_usage",
    "webhooks",
    "webhook_cursors",
    "webhook_lanes",
    "webhook_deliveries",
    "webhook_hours",
    "webhook_replays",
    "bulk_jobs",
    "rules",
    "rule_people",
    "bulk_job_parts",
    "imports",
    "import_refusals",
    "import_rows",
    "webhook_inbox",
)


EMPTY = ["deleted_groups", "token_requests", "erased_events"]
"""What is asked for and what is left of a group is done within seconds."""


class Kept(NamedTuple):
    """A folder that was served, and what a caller knew of it when it was stopped."""

    data: Path
    owner_key: str
    key_id: str
    event: str
    deleted: dict[str, Any]
    session: dict[str, Any]
    seen: dict[str, Any]


def seen_by(http: httpx2.Client) -> dict[str, Any]:
    """What does not depend on when, or on which database, it is asked."""
    asked = {
        "offset": "/v1/users?limit=20&fields=*&offset=4321",
        "last": "/v1/users?limit=20&fields=*&sort=-created_at",
        "by date": "/v1/users?limit=20&fields=*&sort=created_at&offset=700",
        "from a date on": "/v1/users?limit=20&fields=*&created_after=2020-01-01T00:00:00Z&count=exact",
        "by name": "/v1/users?limit=20&fields=*&sort=name",
        "search": "/v1/users?limit=20&fields=*&q=person 00123",
        "search beyond ASCII": "/v1/users?limit=20&fields=*&q=ångstr",
        "filter": "/v1/users?limit=20&fields=*&role=admin",
    }
    found: dict[str, Any] = {}
    for name, path in asked.items():
        answer = http.get(path)
        assert answer.status_code == 200, answer.text
        users = answer.json()
        for user in users:
            del user["last_active_at"]  # of the owner it follows these calls
        found[name] = (answer.headers.get("x-total-count"), users)
    return found


def newest_event(http: httpx2.Client) -> str:
    last = None
    while page := http.get("/v1/events", params={"limit": 100} | ({"after": last} if last else {})).json():
        last = page[-1]["id"]
    assert last
    return last


def dated(number: int) -> dict[str, str]:
    """Some bring an earlier date than those before them, which many have."""
    return {} if number % 3 else {"created_at": f"20{10 + number % 15}-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Something in every table."""
    data = tmp_path_factory.mktemp("source") / "data"
    people = "".join(
        json.dumps(
            {"name": f"Person {number:06}", "email": f"p{number}@example.com", "password_hash": HASH} | dated(number)
        )
        + "\n"
        for number in range(PEOPLE)
    )
    good("users", "import", "-", "--data", str(data), input=people)
    with running(data, *FLAGS, "--second-factor-roles=owner") as server, server.http() as http:
        new_user(
            http,
            name="Zoë Ångström",
            email="zoë@exämple.com",
            external_id="e1",
            metadata={"plan": "pro", "ü": [1, None], "large": "ü" * 1000},
            private_metadata={"score": 12, "large": "é" * 1000},
            rate_limit="1/hour",
            role="admin",
            email_verified=True,
        )
        suspended, deleted, purged = (new_user(http, name=name) for name in ("Suspended", "Deleted", "Purged"))
        group = http.post("/v1/groups", json={"name": "Ärzte", "external_id": "g1", "metadata": {"ü": 1}}).json()["id"]
        members = [{"user_id": each["id"], "role": "lead"} for each in (suspended, deleted, purged)]
        assert http.post(f"/v1/groups/{group}/members", json={"members": members}).status_code == 200
        provided = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "zoë", "externalId": "7"}
        emails = [{"value": "zoe@example.com"}]
        assert http.post("/scim/v2/Users", json={**provided, "emails": emails}).status_code == 201
        assert http.post(f"/v1/users/{suspended['id']}/suspend").status_code == 200
        assert http.delete(f"/v1/users/{deleted['id']}").status_code == 204
        assert http.delete(f"/v1/users/{purged['id']}?purge=true").status_code == 204
        key = http.post("/v1/keys", json={"name": "shown", "revealable": True, "scopes": ["users:read"]}).json()
        revoked = http.post("/v1/keys", json={"name": "revoked"}).json()
        assert http.delete(f"/v1/keys/{revoked['id']}").status_code == 204
        assert (
            http.post(f"/v1/users/{new_user(http)['id']}/tokens", json={"purpose": "reset_password"}).status_code == 201
        )
        once = http.post(
            "/v1/users",
            json={"name": "Once", "email": "once@example.com", "password": PASSWORD},
            headers={"Idempotency-Key": "once"},
        )
        assert once.status_code == 201
        limited = new_user(http, rate_limit="1/hour")
        other = http.post("/v1/keys", json={"name": "l", "user_id": limited["id"]}).json()["key"]
        with server.http(other) as theirs:
            assert [theirs.get("/v1/users/me").status_code for _ in range(3)] == [200, 429, 429]
        signed_in(server).close()
        app_user = new_user(http)
        who = {"email": app_user["email"], "password": app_user["password"], "audience": "shop"}
        session = http.post("/v1/sessions", json=who).json()
        server.ask("INSERT INTO signing_keys VALUES ('sgn_1', x'01', x'02', 3, 4, 'EdDSA')")
        shop = {"name": "Shop", "redirect_urls": ["https://shop.example.com/"]}
        assert http.post("/v1/applications", json=shop).status_code == 201
        server.ask(
            f"INSERT INTO sign_in_codes VALUES (x'05', 'a', 'b', 'c', 'd', NULL, 'e', NULL, {clock.LATEST}, 'f')"
        )
        server.ask("INSERT INTO sign_outs VALUES ('ses_1', 'a', 'b', 0, 0)")
        careful = new_user(http)
        enrolled(http, careful["id"])
        credentials = {"email": careful["email"], "password": careful["password"]}
        assert http.post("/v1/users/verify-password", json=credentials).json()["challenge"]
        guess = {"email": app_user["email"], "password": "a wrong password"}
        assert http.post("/v1/users/verify-password", json=guess).status_code == 401
        webhook = http.post("/v1/webhooks", json={"url": "inbox", "headers": {"X-Tenant": "acme"}}).json()["id"]
        assert http.post(f"/v1/webhooks/{webhook}/rotate-secret").status_code == 200
        assert http.post(f"/v1/webhooks/{webhook}/test").status_code == 200
        assert http.post(f"/v1/webhooks/{webhook}/replays", json={"from": "2023-10-27T10:00:00Z"}).status_code == 201
        paused = http.post("/v1/webhooks", json={"url": "https://receiver.invalid", "status": "paused"}).json()["id"]
        server.ask(f"INSERT INTO webhook_lanes VALUES ('{paused}', '{limited['id']}', 1, 2, 3, 4, 'timed_out')")
        assert http.post("/v1/rules", json=RULE).status_code == 201
        server.ask("INSERT INTO rule_people VALUES ('rule_1', 'user_1', '2023-10-27', 1, 2)")
        server.ask(f"INSERT INTO new_passwords VALUES ('{limited['id']}')")
        server.ask("INSERT INTO marks VALUES ('events.expired', 0)")
        server.ask("INSERT INTO settings VALUES ('brand_name', 'Acme', NULL, 1)")
        hour = clock.now() // clock.HOUR
        server.ask(f"INSERT INTO webhook_hours VALUES ('{paused}', {hour}, 1, 2, 3)")
        # The usage of the user above is erased a minute later, however long this takes.
        server.ask(f"INSERT INTO erased_usage VALUES ('usr_w', {clock.now() + clock.DAY})")
        job = http.post(
            "/v1/imports?events=summary", content=b'{}\n{"name": "Quiet", "email": "quiet@example.org"}'
        ).headers["location"]
        changed = {"action": "setup_links", "ids": [limited["id"]]}
        many = f"/v1/bulk-jobs/{http.post('/v1/bulk-jobs', json=changed).json()['id']}"
        wait_until(lambda: http.get(job).json()["status"] == "finished" and http.get(many).json()["finished_at"])
        seen = seen_by(http)
        # Usage and what exceeded a limit are written later.
        filled = [table for table in TABLES if table not in EMPTY]
        wait_until(lambda: all(server.ask(f"SELECT 1 FROM {table} LIMIT 1") for table in filled))
        wait_until(lambda: http.get("/v1/events?type=limit.exceeded").json())
        event = newest_event(http)
    return Kept(data, server.key, key["id"], event, deleted, session, seen)


@pytest.fixture
def empty() -> str:
    return postgres.new_database("copy")


@pytest.fixture
def migrated() -> str:
    """Empty, too, but for tables that can be locked."""
    return postgres.migrated_database()


def copy(source: str, target: str, *flags: str, code: int = 0, **variables: Any) -> dict[str, Any]:
    done = rollbook("copy", "--from", source, "--to", target, "--json", *flags, **variables)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def ask(url: str, sql: str) -> str:
    return postgres.shared().ask(sql, url.rpartition("/")[2])


def test_there_and_back_everything_is_the_same(kept: Kept, empty: str, tmp_path: Path) -> None:
    there = copy(f"sqlite:{kept.data}", empty)
    assert [table["table"] for table in there["tables"]] == list(TABLES)
    assert all(table["same"] and table["source_rows"] == table["target_rows"] for table in there["tables"])
    # Every other table had something to lose.
    assert [table["table"] for table in there["tables"] if not table["source_rows"]] == EMPTY
    back = tmp_path / "back"
    back.mkdir(mode=0o700)
    shutil.copy(kept.data / "secret", back / "secret")
    again = copy(empty, f"sqlite:{back}")
    assert [table["target_checksum"] for table in again["tables"]] == [
        table["source_checksum"] for table in there["tables"]
    ]
    columns = "seq, id, name, email, email_key, metadata, created_at, created"
    assert rows(back, f"SELECT {columns} FROM users ORDER BY seq") == rows(
        kept.data, f"SELECT {columns} FROM users ORDER BY seq"
    )
    assert rows(back, "SELECT * FROM user_blocks ORDER BY level, block") == rows(
        kept.data, "SELECT * FROM user_blocks ORDER BY level, block"
    )
    assert rows(back, "SELECT * FROM sqlite_sequence WHERE name = 'users'") == rows(
        kept.data, "SELECT * FROM sqlite_sequence WHERE name = 'users'"
    )
    serves_the_same(kept, back, "")


def test_a_server_on_the_copy_goes_on_where_the_other_one_stopped(kept: Kept, empty: str, tmp_path: Path) -> None:
    copy(f"sqlite:{kept.data}", empty)
    serves_the_same(kept, tmp_path / "node", empty, ROLLBOOK_SECRET_FILE=str(kept.data / "secret"))


def serves_the_same(kept: Kept, data: Path, database: str, **variables: str) -> None:
    options = {"environment": {"ROLLBOOK_DATABASE": database, **variables}, "owner_key": kept.owner_key}
    with running(data, *FLAGS, **options) as server, server.http() as http:  # type: ignore[arg-type]
        assert seen_by(http) == kept.seen
        assert http.get("/v1/events", params={"after": kept.event}).json() == []
        shown = http.post(f"/v1/keys/{kept.key_id}/reveal", json={"password": OWNER_PASSWORD})
        assert shown.status_code == 200, shown.text
        with server.http(shown.json()["key"]) as theirs:
            assert theirs.get("/v1/users/me").status_code == 200
        token = {"token": kept.session["token"], "audience": "shop"}
        assert http.post("/v1/sessions/verify", json=token).json()["user_id"] == kept.session["user_id"]
        restored = http.post(f"/v1/users/{kept.deleted['id']}/restore")
        assert restored.status_code == 200, restored.text
        made = new_user(http, name="After")
        last = http.get("/v1/users", params={"sort": "-created_at", "limit": 1}).json()
        assert last[0]["id"] == made["id"]
        taken = http.post("/v1/users", json={"name": "Seven", "email": "P7@example.com", "password": PASSWORD})
        assert (taken.status_code, taken.json()["code"]) == (400, "email_taken")
        types = [event["type"] for event in http.get("/v1/events", params={"after": kept.event}).json()]
        assert types == ["key.revealed", "user.restored", "user.created"]
        again = http.post(
            "/v1/users",
            json={"name": "Once", "email": "once@example.com", "password": PASSWORD},
            headers={"Idempotency-Key": "once"},
        )
        assert again.status_code == 201
        assert again.headers["idempotency-replayed"] == "true"


def test_between_databases_of_one_kind(kept: Kept, empty: str, tmp_path: Path) -> None:
    first = copy(f"sqlite:{kept.data}", f"sqlite:{tmp_path / 'second'}")
    assert (tmp_path / "second" / "secret").read_text() == (kept.data / "secret").read_text()
    copy(f"sqlite:{tmp_path / 'second' / 'rollbook.db'}", empty)
    other = postgres.new_database("copy")
    last = copy(empty, other)
    assert [table["target_checksum"] for table in last["tables"]] == [
        table["target_checksum"] for table in first["tables"]
    ]
    assert ask(other, "SELECT encode(fingerprint, 'hex') FROM server_secret") == ask(
        empty, "SELECT encode(fingerprint, 'hex') FROM server_secret"
    )


def test_events_that_have_no_number_yet_are_copied_in_their_order(kept: Kept, empty: str) -> None:
    copy(f"sqlite:{kept.data}", empty)
    for number in range(3):
        good(
            "users",
            "create",
            "--name",
            "New",
            "--email",
            f"new{number}@example.com",
            "--password",
            PASSWORD,
            database=empty,
        )
    assert ask(empty, "SELECT count(*) FROM events_new") == "3"
    other = postgres.new_database("copy")
    copy(empty, other)
    assert ask(other, "SELECT count(*) FROM events_new") == "0"
    newest = "SELECT string_agg(id, ',' ORDER BY seq) FROM (SELECT id, seq FROM events ORDER BY seq DESC LIMIT 3) AS e"
    assert ask(other, newest) == ask(empty, "SELECT string_agg(id, ',' ORDER BY written_at, id) FROM events_new")
    assert ask(other, "SELECT next - (SELECT max(seq) FROM events) FROM numbers WHERE counter = 'events'") == "1"


@contextmanager
def halted(source: str, target: str) -> Iterator[processes.AnyProcess]:
    """A copy that stands still: into PostgreSQL when all but its last table are written, from there before the first
    one is. It goes on afterwards, unless it was killed."""
    into = target.startswith("postgresql:")
    place, mode = (target, "SHARE") if into else (source, "ACCESS EXCLUSIVE")
    with postgres.holding(place, f"LOCK TABLE {TABLES[-1]} IN {mode} MODE"):
        process = processes.start(command(source, target), env=environment(), stderr=subprocess.PIPE)
        wait_until(lambda: process.poll() is not None or ask(place, f"{COPIES} AND wait_event_type = 'Lock'") == "1")
        assert process.poll() is None, said_by(process)
        yield process
    if process.poll() == -signal.SIGKILL:
        # PostgreSQL looks whether its client is still there at the end of a statement.
        wait_until(lambda: ask(place, COPIES) == "0")


COPIES = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rollbook copy'"
)


def command(source: str, target: str) -> list[str]:
    return [sys.executable, "-m", "rollbook.cli.main", "copy", "--from", source, "--to", target]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}


def said_by(process: processes.AnyProcess) -> str:
    """Its standard error, once it has ended."""
    with process:
        assert process.stderr is not None
        return process.stderr.read()


def test_a_copy_to_postgresql_that_was_killed_starts_over(kept: Kept, migrated: str) -> None:
    with halted(f"sqlite:{kept.data}", migrated) as process:
        process.kill()
        said_by(process)
    # Nothing of it was committed, and what is missing is not served as if it were all.
    assert ask(migrated, "SELECT count(*) FROM users") == "0"
    assert "copy" in refused("users", "list", database=migrated)
    node = kept.data.with_name("node")
    with pytest.raises(RuntimeError, match="copy"), running(node, environment={"ROLLBOOK_DATABASE": migrated}):
        pass
    found = copy(f"sqlite:{kept.data}", migrated)
    assert all(table["same"] for table in found["tables"])
    assert ask(migrated, "SELECT to_regclass('copy_unfinished') IS NULL") == "t"
    claims = (
        "SELECT count(*) FROM users FULL JOIN email_claims AS c USING (email_key) WHERE id IS DISTINCT FROM user_id"
    )
    assert ask(migrated, claims) == "0"


def test_a_copy_to_sqlite_that_was_killed_starts_over(kept: Kept, copied: str, tmp_path: Path) -> None:
    data = tmp_path / "back"
    data.mkdir(mode=0o700)
    shutil.copy(kept.data / "secret", data / "secret")
    with halted(copied, f"sqlite:{data}") as process:
        process.kill()
        said_by(process)
    with closing(sqlite3.connect(data / "rollbook.db.copying")) as part, part:
        part.execute("INSERT INTO marks VALUES ('left behind', 1)")  # whatever it had written
    assert not (data / "rollbook.db").exists()
    assert "copy" in refused("users", "list", "--data", str(data))
    with pytest.raises(RuntimeError, match="copy"), running(data):
        pass
    found = copy(copied, f"sqlite:{data}")
    assert all(table["same"] for table in found["tables"])
    assert rows(data, "PRAGMA integrity_check") == [("ok",)]
    assert sorted(path.name for path in data.iterdir()) == ["rollbook.db", "secret", "writer.lock"]
    assert (data / "rollbook.db").stat().st_mode & 0o777 == 0o600


def test_a_copy_of_a_source_that_is_written_to_meanwhile_is_not_kept(kept: Kept, migrated: str, tmp_path: Path) -> None:
    data = tmp_path / "changed"
    shutil.copytree(kept.data, data)
    with halted(f"sqlite:{data}", migrated) as process:
        good(
            "users",
            "create",
            "--name",
            "New",
            "--email",
            "new@example.com",
            "--password",
            PASSWORD,
            "--data",
            str(data),
        )
    assert "written to" in said_by(process)
    assert process.returncode == 1
    assert ask(migrated, "SELECT count(*) FROM users") == "0"


def test_a_target_that_is_not_empty_is_refused_and_left_alone(kept: Kept, empty: str, tmp_path: Path) -> None:
    data = tmp_path / "served"
    with running(data):
        pass
    before = rows(data, "SELECT * FROM users")
    assert "not empty" in refused(
        "copy", "--from", f"sqlite:{kept.data}", "--to", f"sqlite:{data}", secret_file=str(data / "secret")
    )
    assert rows(data, "SELECT * FROM users") == before
    good("users", "create", "--name", "N", "--email", "n@example.com", "--password", PASSWORD, database=empty)
    assert "not empty" in refused("copy", "--from", f"sqlite:{kept.data}", "--to", empty)
    assert ask(empty, "SELECT count(*) FROM users") == "1"


def test_a_source_that_is_served_is_refused(empty: str, tmp_path: Path) -> None:
    data = tmp_path / "served"
    with running(data):
        assert "in use" in refused("copy", "--from", f"sqlite:{data}", "--to", empty)
    with running(tmp_path / "node", environment={"ROLLBOOK_DATABASE": empty}):
        assert "in use" in refused("copy", "--from", empty, "--to", f"sqlite:{tmp_path / 'there'}", "--without-secret")


CHANGES = {
    "a row that was changed": ("UPDATE users SET name = 'Mallory' WHERE seq = 77", "users"),
    "a row that is gone": ("DELETE FROM events WHERE seq = 12", "events"),
    "a row that was added": ("INSERT INTO erased_usage VALUES ('usr_x', 5)", "erased_usage"),
    "a line of the log": ("UPDATE request_log SET left_out = left_out + 1", "request_log"),
}


@pytest.fixture(scope="module")
def copied(kept: Kept) -> str:
    url = postgres.new_database("copy")
    copy(f"sqlite:{kept.data}", url)
    return url


@pytest.mark.parametrize("change", CHANGES)
def test_the_comparison_finds(change: str, kept: Kept, copied: str) -> None:
    sql, table = CHANGES[change]
    mine = postgres.new_database("copy")
    name, template = mine.rpartition("/")[2], copied.rpartition("/")[2]
    postgres.shared().ask(f'DROP DATABASE "{name}"')
    postgres.shared().ask(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    assert all(each["same"] for each in copy(f"sqlite:{kept.data}", mine, "--verify")["tables"])
    ask(mine, sql)
    found = copy(f"sqlite:{kept.data}", mine, "--verify", code=1)
    assert [each["table"] for each in found["tables"] if not each["same"]] == [table]
    assert "Mallory" not in json.dumps(found)


# What a copy does not take over row by row: it follows from the rows, belongs to the server that runs, or is the
# database's own.
NOT_COPIED = {
    "access",
    "email_claims",
    "events_new",
    "external_id_claims",
    "leases",
    "migrations",
    "newer_migrations",
    "numbers",
    "server_secret",
    "user_block_deltas",
    "user_blocks",
    "user_metadata",
    "user_search",
    "user_words",
}


def test_no_column_is_forgotten(kept: Kept, copied: str) -> None:
    copied_columns = {(table.name, column) for table in copying.TABLES for column in table.columns}
    names = "SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'"
    on_sqlite = {
        (table, column)
        for table, column in rows(kept.data, names)
        if not table.startswith(("sqlite_", "user_search_", "user_words_"))
    }
    found = ask(
        copied, "SELECT table_name || ' ' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    on_postgresql = {tuple(line.split()) for line in found.splitlines()}
    own = {("request_log", "id"), ("users", "search_text"), ("deleted_users", "search_text"), ("users", "created")}
    for columns in (on_sqlite, on_postgresql):
        assert {(table, column) for table, column in columns if table not in NOT_COPIED} - own == copied_columns


def test_the_secret_of_another_server_is_refused(kept: Kept, copied: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("ab" * 32)
    wrong.chmod(0o600)
    said = refused("copy", "--from", copied, "--to", f"sqlite:{tmp_path / 'there'}", secret_file=str(wrong))
    assert "secret" in said
    assert "abab" not in said
    assert "secret" in refused("copy", "--from", copied, "--to", f"sqlite:{tmp_path / 'there'}")
    # A server that starts with a secret of its own does not serve what it could not open.
    with (
        pytest.raises(RuntimeError, match="secret"),
        running(tmp_path / "node", environment={"ROLLBOOK_DATABASE": copied}),
    ):
        pass


WRONG = (
    "postgresql://rollbook:s3cr3t-word@127.0.0.1:1/none",
    "postgresql://rollbook:s3cr3t-word/x@127.0.0.1:1/none",
    "postgresql://rollbook:s3cr3t-word#x@127.0.0.1:1/none",
    "postgresql://rollbook:s3cr3t-word?x@127.0.0.1:1/none",
    "postgresql://127.0.0.1:1/none?user=rollbook&password=s3cr3t-word",
    "mysql://rollbook:s3cr3t-word@127.0.0.1/none",
)


@pytest.mark.parametrize("url", WRONG)
def test_no_password_is_ever_said(url: str, kept: Kept) -> None:
    for done in (
        rollbook("copy", "--from", f"sqlite:{kept.data}", "--to", url),
        rollbook("copy", copy_from=url, copy_to=f"sqlite:{kept.data}"),
    ):
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr
        assert done.stderr.count("\n") < 6
        assert "s3cr3t" not in done.stderr + done.stdout


def test_both_must_be_said_and_be_two(kept: Kept, empty: str) -> None:
    assert "ROLLBOOK_COPY_TO" in refused("copy", "--from", f"sqlite:{kept.data}", code=2)
    assert "same database" in refused("copy", "--from", empty, "--to", empty, code=2)
    assert "no database" in refused("copy", "--from", f"sqlite:{kept.data}/nowhere", "--to", empty)


def rows(data: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(data / "rollbook.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_of_two_copies_into_one_database_the_second_is_refused(kept: Kept, copied: str, migrated: str) -> None:
    with halted(f"sqlite:{kept.data}", migrated) as process:
        assert "Another" in refused("copy", "--from", copied, "--to", migrated)
    said_by(process)
    assert process.returncode == 0
    assert all(table["same"] for table in copy(f"sqlite:{kept.data}", migrated, "--verify")["tables"])


def test_of_two_copies_into_one_folder_the_second_is_refused(kept: Kept, copied: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    shutil.copy(kept.data / "secret", data / "secret")
    with halted(copied, f"sqlite:{data}") as process:
        assert "Another" in refused("copy", "--from", f"sqlite:{kept.data}", "--to", f"sqlite:{data}")
    said_by(process)
    assert process.returncode == 0
    assert all(table["same"] for table in copy(copied, f"sqlite:{data}", "--verify")["tables"])


def test_a_connection_that_is_cut_is_reported_and_the_copy_can_be_repeated(kept: Kept, migrated: str) -> None:
    with halted(f"sqlite:{kept.data}", migrated) as process:
        ask(migrated, COPIES.replace("count(*)", "pg_terminate_backend(pid)"))
        said = said_by(process)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "run the same command again" in said
    assert all(table["same"] for table in copy(f"sqlite:{kept.data}", migrated)["tables"])


def test_a_comparison_with_what_is_no_database_says_so(kept: Kept, empty: str, tmp_path: Path) -> None:
    assert "migrate` on it first" in refused("copy", "--verify", "--from", f"sqlite:{kept.data}", "--to", empty)
    assert "no database" in refused("copy", "--verify", "--from", f"sqlite:{kept.data}", "--to", f"sqlite:{tmp_path}")
    (tmp_path / "rollbook.db").write_text("no database, but a text that is longer than a header")
    assert "cannot be used" in refused("copy", "--from", f"sqlite:{tmp_path}", "--to", empty)


def test_memory_does_not_grow_with_the_database(kept: Kept, tmp_path: Path) -> None:
    with running(tmp_path / "data"):
        pass
    # A batch of rows is under way, and another read ahead.
    small = "from rollbook.storage import bulk; bulk.BATCH = 200"
    targets = {data: postgres.migrated_database() for data in (tmp_path / "data", kept.data)}
    peaks = [
        peak_of("copy", "--from", f"sqlite:{data}", "--to", target, first=small) for data, target in targets.items()
    ]
    assert peaks[1] < peaks[0] + 8_000


def test_a_terminal_shows_how_far_it_is(kept: Kept, empty: str) -> None:
    ours, theirs = pty.openpty()
    wide = {"TERM": "xterm-256color", "COLUMNS": "160"}
    process = processes.start(command(f"sqlite:{kept.data}", empty), stderr=theirs, env=environment() | wide)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # Linux's way to say that the other end is closed
        while part := os.read(ours, 65_536):
            shown += part
    os.close(ours)
    assert process.wait(60) == 0
    text = shown.decode()
    assert "Copying" in text
    assert "Comparing" in text
    assert "rows/s" in text
    assert "100%" in text
