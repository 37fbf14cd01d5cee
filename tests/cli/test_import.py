"""`rollbook users import`: every user as if it had been created alone, and nothing lost when a line is bad."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from rollbook.actions.arguments.imports import ImportOptions
from rollbook.auth.passwords import Passwords
from rollbook.cli.imports import FileImport, send
from rollbook.config import Settings
from tests import harness, processes
from tests.cli.command import PASSWORD, at_terminal, good, peak_of, rollbook
from tests.cli.small_batches import BATCH, SMALL_BATCHES
from tests.engines import engine, once
from tests.harness import Server, database_of, running
from tests.nodes.pair import wait_until

__all__ = ["engine"]

HASH = Passwords(Settings(password_memory=8, password_time_cost=1)).hash_now(PASSWORD)


def line(**fields: Any) -> str:
    return json.dumps({"name": "Charlie Chaplin", "password_hash": HASH, **fields}, ensure_ascii=False)


def many(count: int, start: int = 0) -> str:
    return "".join(
        line(name=f"Person {number:06}", email=f"p{number}@example.com") + "\n"
        for number in range(start, start + count)
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def load(data: Path, text: str, code: int = 0) -> tuple[dict[str, Any], list[str]]:
    """The summary, and what was said of bad lines."""
    command = ("users", "import", "-", "--json", "--data", str(data))
    done = rollbook(*command, input=text, database=database_of(data), program=SMALL_BATCHES)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout), done.stderr.splitlines()


def rows(data: Path, sql: str) -> list[Any]:
    if harness.engine == "postgresql":
        return [tuple(row.values()) for row in asyncio.run(_asked(data, sql))]
    with sqlite3.connect(data / "rollbook.db") as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


async def _asked(data: Path, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database_of(data))
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


def columns_of(data: Path, table: str) -> list[str]:
    if harness.engine == "postgresql":
        sql = (
            f"SELECT attname::text FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 ORDER "
            "BY attnum"
        )
        return [row[0] for row in rows(data, sql)]
    return [row[1] for row in rows(data, f"PRAGMA table_xinfo({table})")]


def kept_in(data: Path) -> list[Any]:
    """Everything that an import may change."""
    tables = ["users", "events", "user_blocks"]
    if harness.engine == "postgresql":
        tables += ["email_claims", "external_id_claims", "numbers", "events_new", "user_block_deltas"]
    else:
        tables += ["user_search_pending", "sqlite_sequence"]
    return [sorted(rows(data, f"SELECT * FROM {table}"), key=repr) for table in tables]


def test_a_loaded_user_is_what_a_created_one_is(data: Path) -> None:
    at: dict[str, str] = {"database": database_of(data)}
    good(
        "users",
        "create",
        "--name",
        "Zoë Ångström",
        "--email",
        "Zoë@exämple.com",
        "--password",
        PASSWORD,
        "--data",
        str(data),
        **at,
    )
    load(data, line(name="Zoë Ångström", email="Zoe@exämple.com") + "\n")
    created, loaded = rows(data, "SELECT * FROM users ORDER BY seq")
    columns = columns_of(data, "users")
    own = {"seq", "id", "email", "email_key", "password_hash", "created_at", "created", "updated_at", "search_text"}
    own.add("email_asserted")
    for name, one, other in zip(columns, created, loaded, strict=True):
        assert one == other or name in own, name
    assert loaded[columns.index("email_key")] == "zoe@xn--exmple-cua.com"
    if harness.engine == "postgresql":
        assert loaded[columns.index("search_text")] == "zoë ångström\nzoe@exämple.com\nzoe angstrom\nzoe@example.com"
    first, second = rows(data, "SELECT * FROM events ORDER BY seq")[:2]
    columns = columns_of(data, "events")
    for name, one, other in zip(columns, first, second, strict=True):
        assert one == other or name in ("seq", "id", "user_id", "created_at", "object", "request_id"), name
    assert second[columns.index("request_id")].startswith("imp_")
    before, after = json.loads(first[columns.index("object")]), json.loads(second[columns.index("object")])
    assert list(before) == list(after)
    shown = json.loads(good("users", "get", "zoe@exämple.com", "--json", "--data", str(data), **at))
    assert after == shown


def test_all_fields_are_taken_and_every_user_signs_in(data: Path) -> None:
    lines = [
        line(
            email="one@example.com",
            role="admin",
            external_id="e1",
            metadata={"plan": "pro"},
            email_verified=True,
            rate_limit="5/minute",
        ),
        json.dumps({"name": "N", "email": "two@example.com", "password": PASSWORD}),
        json.dumps({"name": "N", "email": "three@example.com", "password_hash": None}),
        json.dumps({"name": "N", "email": "four@example.com"}),
    ]
    summary, said = load(data, "\n".join(lines))
    assert summary["added"] == 4
    assert said == []
    with running(data) as server, server.http() as http:
        (one,) = http.get("/v1/users", params={"email": "one@example.com", "fields": "*"}).json()
        assert (one["role"], one["external_id"], one["metadata"]) == ("admin", "e1", {"plan": "pro"})
        assert (one["email_verified"], one["rate_limit"]) == (True, "5/minute")
        for email, status in (
            ("one@example.com", 200),
            ("two@example.com", 200),
            ("three@example.com", 401),
            ("four@example.com", 401),
        ):
            assert (
                http.post("/v1/users/verify-password", json={"email": email, "password": PASSWORD}).status_code
                == status
            )


def test_bad_lines_are_named_with_their_number_and_the_rest_is_loaded(data: Path) -> None:
    lines = [
        line(email="a@example.com", external_id="e1"),
        "nonsense",
        "",
        line(email="A@Example.com"),
        line(email="b@example.com", external_id="e1"),
        line(email="c@example.com", password_hash="$2b$12$abcdefghijklmnopqrstuv"),
        line(email="d@example.com", password=PASSWORD),
        json.dumps({"name": "N", "email": "f@example.com", "password": "password"}),
        line(name=" ", email="g"),
        line(email="h@example.com", surname="H"),
        line(email="i@example.com", metadata={"a": "\0"}),
        '["a list"]',
        line(email="j@example.com", name="x" * 70_000),
        line(email="z@example.com"),
    ]
    summary, said = load(data, "\n".join(lines), code=1)
    assert summary["added"] == 2
    assert (summary["skipped"], summary["refused"]) == (0, 11)
    assert [sentence.partition(":")[0] for sentence in said] == [f"line {number}" for number in (2, 4, *range(5, 14))]
    assert said[1] == "line 4: Repeats line 1, which has the same email."
    assert said[2] == "line 5: External ID is already in use."
    assert "argon2" in said[3]
    assert "either" in said[4]
    assert PASSWORD not in "".join(said)
    assert [row[0] for row in rows(data, "SELECT email FROM users ORDER BY seq")] == ["a@example.com", "z@example.com"]


def test_users_whose_hash_is_not_known_are_imported_on_request_and_sent_a_link(data: Path, tmp_path: Path) -> None:
    file, report, place = tmp_path / "people.ndjson", tmp_path / "report.ndjson", ("--data", str(data))
    old = "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8"
    file.write_text(f"{line(email='a@example.com')}\n{line(email='b@example.com', password_hash=old)}\n")
    command = ("users", "import", str(file), "--unknown-hashes", "skip", *place)
    tried = rollbook(*command, "--dry-run", database=database_of(data))
    assert tried.returncode == 0 and "2 users added, 1 without a password, 0 records refused" in tried.stderr
    assert "line 2: Imported without a password. The password hash is not in a format" in tried.stderr
    done = rollbook(*command, "--report", str(report), "--json", database=database_of(data))
    assert (done.returncode, json.loads(done.stdout)["without_password"]) == (0, 1)
    [told] = [json.loads(each) for each in report.read_text().splitlines()]
    assert (told["line"], told["code"]) == (2, "imported_without_password") and "cff36ea" not in told["reason"]
    link = rollbook("users", "invite", told["user_id"], "--json", *place, database=database_of(data))
    made = json.loads(link.stdout)
    assert (made["user"]["email"], made["is_new"]) == ("b@example.com", False) and "token=" in made["url"]


def test_the_same_file_again_changes_nothing(data: Path) -> None:
    text = many(BATCH + 5)
    load(data, text)
    before = kept_in(data)
    summary, said = load(data, text)
    assert (summary["added"], summary["skipped"], summary["refused"], said) == (0, BATCH + 5, 0, [])
    assert before == kept_in(data)


def test_order_counts_events_and_search_are_those_of_users_made_one_by_one(data: Path) -> None:
    total = 2 * BATCH + 345
    load(data, many(total))
    assert rows(data, "SELECT count(*), count(DISTINCT created_at), count(DISTINCT id) FROM users") == [
        (total, total, total)
    ]
    assert rows(
        data, "SELECT count(*) FROM users a JOIN users b ON b.seq = a.seq + 1 WHERE b.created_at <= a.created_at"
    ) == [(0,)]
    assert rows(data, "SELECT count(*) FROM events WHERE type = 'user.created'") == [(total,)]
    waiting = "user_search_pending" if harness.engine == "sqlite" else "user_block_deltas"
    assert rows(data, f"SELECT count(*) FROM {waiting}") == [(0,)]
    with running(data) as server, server.http() as http:
        answer = http.get("/v1/users", params={"offset": total - 2, "limit": 5})
        assert answer.headers["x-total-count"] == str(total + 1)  # and the owner
        assert [user["name"] for user in answer.json()] == [f"Person {total - 2:06}", f"Person {total - 1:06}", "Owner"]
        found = http.get("/v1/users", params={"q": f"person {total - 3:06}"}).json()
        assert [user["email"] for user in found] == [f"p{total - 3}@example.com"]


def test_a_running_server_sees_the_users_and_goes_on_writing(data: Path) -> None:
    with running(data, "--rate-limit", "none") as server, server.http() as http:
        load(data, many(BATCH))
        assert http.get("/v1/users", params={"q": "p77@example.com"}).json()[0]["name"] == "Person 000077"
        made = http.post("/v1/users", json={"name": "After", "email": "after@example.com", "password": PASSWORD})
        assert made.status_code == 201
        answer = http.get("/v1/users", params={"offset": BATCH + 1})
        assert [user["name"] for user in answer.json()] == ["After"]
        assert answer.headers["x-total-count"] == str(BATCH + 2)


@once
def test_a_running_server_is_sent_the_file_and_says_what_became_of_it(data: Path, tmp_path: Path) -> None:
    file, report = tmp_path / "people.csv", tmp_path / "refused.ndjson"
    file.write_text(
        f'Full name,email,password_hash\nAda,ada@example.com,"{HASH}"\n,nameless@example.com,\nBob,bob@example.com,\n'
    )
    with running(data) as server, server.http() as http:
        place = ("--url", server.url, "--key", server.key, "--json", "--map", "Full name=name")
        elsewhere: dict[str, Any] = {"url": server.url, "key": server.key, "cwd": tmp_path / "empty"}
        elsewhere["cwd"].mkdir()
        tried = rollbook("users", "import", str(file), "--dry-run", *place[4:], **elsewhere)
        assert not any(elsewhere["cwd"].iterdir()), "the variables name the server: no database is created here"
        assert (tried.returncode, json.loads(tried.stdout)["added"]) == (1, 2)
        assert tried.stderr.startswith("line 3: name ")
        done = rollbook("users", "import", "-", "--report", str(report), *place, input=file.read_text())
        counts = json.loads(done.stdout)
        assert (done.returncode, counts["added"], counts["refused"]) == (1, 2, 1)
        assert [json.loads(each)["field"] for each in report.read_text().splitlines()] == ["name"]
        again = rollbook("users", "import", str(file), "--on-conflict", "update", *place)
        counts = json.loads(again.stdout)
        assert (counts["added"], counts["unchanged"], counts["refused"]) == (0, 2, 1)
        assert [user["email"] for user in http.get("/v1/users").json()[1:]] == ["ada@example.com", "bob@example.com"]
        proof = {"email": "ada@example.com", "password": PASSWORD}
        assert http.post("/v1/users/verify-password", json=proof).status_code == 200


@once
def test_a_running_server_says_each_of_many_refused_records(data: Path, tmp_path: Path) -> None:
    """Also what people put into them: U+2028 ends a line of text, but not one of NDJSON."""
    report = tmp_path / "refused.ndjson"
    text = "name,email\nAda,ada@example.com\n" + "".join(f"B,not\u2028one {number}\n" for number in range(150))
    with running(data) as server:
        command = ("users", "import", "-", "--json", "--url", server.url, "--key", server.key)
        done = rollbook(*command, input=text)
        assert (done.returncode, json.loads(done.stdout)["refused"]) == (1, 150), done.stderr
        said = [line for line in done.stderr.split("\n") if line]
        assert [line.partition(": ")[0] for line in said] == [f"line {number}" for number in range(3, 153)]
        assert rollbook(*command, "--report", str(report), input=text).returncode == 1
        refused = [json.loads(line) for line in report.read_bytes().splitlines()]
        assert [(each["line"], each["field"]) for each in refused] == [(number, "email") for number in range(3, 153)]


@once
def test_an_import_into_a_folder_is_listed_and_undone(data: Path) -> None:
    with running(data) as server, server.http() as http:
        text = "name,Mail\nAda,ada@example.com\nBob,bob@example.com\nNo,no-address\n"
        into = ("--map", "Mail=email", "--data", str(data))
        assert rollbook("users", "import", "-", *into, input=text).returncode == 1, "a record was refused"
        assert http.get("/v1/imports").json()[0]["mapping"] is None, "it names columns of the file"
        to = ("--url", server.url, "--key", server.key)
        [id] = good("imports", "list", "--quiet", *to).split()
        report = http.get(f"/v1/imports/{id}/report", params={"format": "csv"}).text.splitlines()
        assert len(report) == 2 and "An email address must have an @-sign." in report[1]
        http.post("/v1/imports?dry_run=true", content=text.replace("Mail", "email"))
        asked = rollbook("imports", "undo", id, *to)
        assert asked.returncode == 1 and "2 users would be deleted, 0 put back. Add --yes" in asked.stderr
        undone = rollbook("imports", "undo", id, "--yes", *to)
        assert undone.returncode == 0 and "Finished: 2 deleted, 0 unchanged, 0 refused." in undone.stderr
        assert len(http.get("/v1/users").json()) == 1
        wait_until(lambda: http.get("/v1/imports").json()[0]["finished_at"])
        lines = [line.split("\t")[2] for line in good("imports", "list", *to).splitlines()]
        assert lines == ["dry run", "undone"]


@once
def test_what_is_told_is_what_was_waited(data: Path) -> None:
    command = [sys.executable, "-m", SMALL_BATCHES, "users", "import", "-", "--json", "--data", str(data)]
    environment = {**os.environ, "ROLLBOOK_DATABASE": database_of(data)}
    process = processes.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdin and process.stdout
    time.sleep(1)  # for the file, as others wait for modules or an upload
    process.stdin.write(many(1))
    process.stdin.close()
    told = json.loads(process.stdout.read())
    process.stdout.close()
    assert process.wait(60) == 0 and told["added"] == 1 and told["seconds"] >= 1


def test_what_was_loaded_stays_when_it_is_interrupted(data: Path, server: Server) -> None:
    command = [sys.executable, "-m", SMALL_BATCHES, "users", "import", "-", "--data", str(data)]
    environment = {**server.environment, "ROLLBOOK_DATABASE": database_of(data)}
    process = processes.start(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdin and process.stderr
    process.stdin.write(many(BATCH + 10))
    process.stdin.flush()
    until = time.monotonic() + 60
    while not _count(data):
        assert time.monotonic() < until
        time.sleep(0.05)
    (reader,) = processes.children(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130  # and no end of the input meanwhile, at which it would end by itself
    assert not Path(f"/proc/{reader}").exists(), "the process that reads ended, too"
    said = process.stderr.read()
    process.stdin.close()
    process.stderr.close()
    assert "Traceback" not in said
    added = _count(data)
    assert f"Stopped by Ctrl+C: {added:,} users added" in said
    assert "They stay. To go on, run the same command again: users who exist are skipped." in said
    assert 0 < added <= BATCH + 10


# Standard input whose number is asked for last: a function of C that sends SIGINT, so that no step of Python's own is
# left before the wait.
LATE = """
import ctypes, functools, select
from rollbook.cli.main import main
class Input:
    fileno = functools.partial(getattr(ctypes.CDLL(None), "raise"), 2)
wait = select.select
select.select = lambda reads, writes, errors: wait([Input(), *reads[1:]], writes, errors)
main()
"""


@once
def test_an_interrupt_just_before_it_waits_for_input_ends_it(data: Path, server: Server) -> None:
    command = [sys.executable, "-c", LATE, "users", "import", "-", "--data", str(data)]
    environment = {**server.environment, "ROLLBOOK_DATABASE": database_of(data)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.wait(60) == 130


def _count(data: Path) -> int:
    if harness.engine == "sqlite" and not (data / "rollbook.db").exists():
        return 0
    try:
        return rows(data, "SELECT count(*) FROM users")[0][0]
    except (sqlite3.OperationalError, asyncpg.UndefinedTableError):  # not made yet
        return 0


# A tenth of a batch and little of a cache: a small file is many times as large.
SMALL = """
from rollbook.records import user_imports
user_imports.BATCH //= 10
from rollbook.records.user_imports import sqlite
sqlite.CACHE = "PRAGMA cache_size = -2048"
"""


def test_memory_does_not_grow_with_the_file(data: Path, tmp_path: Path) -> None:
    peaks = []
    for count in (BATCH, 10 * BATCH):
        file = tmp_path / "users.ndjson"
        file.write_text(many(count))
        into = tmp_path / f"data{count}"
        peaks.append(
            peak_of("users", "import", str(file), "--data", str(into), first=SMALL, database=database_of(into))
        )
    assert peaks[1] < peaks[0] + 20_000


@once
def test_an_import_fits_into_512_mebibytes_beside_a_server(tmp_path: Path) -> None:
    """So many that the pages they change would fill a cache of 256 MiB by a third."""
    file = tmp_path / "people.ndjson"
    with file.open("w") as people:
        for number in range(80_000):
            name = f"{number * 7_919 % 80_000:05} Charlie Chaplin"
            people.write(f'{{"name":"{name}","email":"{name[:5]}@example.com","external_id":"of {name}"}}\n')
    peak = peak_of("users", "import", str(file), "--data", str(tmp_path / "data"), first="")
    assert peak < 200 * 1024


@once
@pytest.mark.parametrize("on_server", [False, True])
def test_columns_without_a_field_are_kept_as_metadata_and_named_before_the_import(
    tmp_path: Path, on_server: bool
) -> None:
    (tmp_path / "people.csv").write_text("name,email,Secret plan,Age\nA,a@example.com,pro,7\n")
    with running(tmp_path / "server") if on_server else nullcontext() as server:
        place = ("--url", server.url, "--key", server.key) if server else ("--data", "data")
        command = ("users", "import", "people.csv", "--map", "Age=", *place)
        done = rollbook(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stderr.index("Kept as metadata: Secret plan.") < done.stderr.index("1 user added")
        assert "null" not in done.stderr
        found = json.loads(good("users", "get", "a@example.com", "--json", *place, cwd=tmp_path))
        assert found["metadata"] == {"Secret plan": "pro"}
        again = rollbook(*command, "--map", "Secret plan=", cwd=tmp_path)
        assert again.returncode == 0 and "Kept as metadata" not in again.stderr
        (tmp_path / "people.csv").write_text("Ada,pro\nBob,free\n")
        headless = rollbook("users", "import", "people.csv", *place, cwd=tmp_path)
        assert headless.returncode == 2 and "names no column for the email" in headless.stderr
        assert "Ada" not in headless.stdout + headless.stderr and "null" not in headless.stderr
        piped = rollbook("users", "import", "-", *place, cwd=tmp_path, input="name,email,Plan\nA,b@example.com,pro\n")
        assert "Column 3 has no field." in piped.stderr and '--map "COLUMN="' in piped.stderr
        assert "null" not in piped.stderr and "Plan" not in piped.stderr.replace('"Plan=metadata.plan"', "")


@once
def test_the_columns_of_a_file_without_a_header_are_named_at_the_importers_own_terminal(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name,Mehl,Secret plan\nA,a@example.com,pro\n")
    code, shown = at_terminal("users", "import", "people.csv", "--data", "data", answers=(), cwd=tmp_path)
    assert code == 2 and "names no column for the email" in shown and "Columns: 1 name, 2 Mehl, 3 Secret plan" in shown


@once
def test_an_import_says_that_its_database_is_new_and_how_to_see_who_was_skipped(tmp_path: Path) -> None:
    people = [
        {"name": "A", "email": "a@example.com"},
        {"name": "B", "email": "A@example.com"},
        {"name": "C", "email": "c"},
    ]
    (tmp_path / "people.json").write_text(json.dumps(people))
    command = ("users", "import", "people.json", "--data", "data")
    first, again = (rollbook(*command, cwd=tmp_path).stderr for _ in range(2))
    assert first.startswith("There was no database yet: ") and "record 2: Repeats record 1, which has" in first
    assert "--on-conflict fail names them.\n0 users added, 1 skipped" in again and "There was no database" not in again
    assert "record 3: An email address" in again, "there are no lines to count"


@once
@pytest.mark.parametrize("on_server", [False, True])
def test_columns_are_said_and_refused_records_written_to_be_fixed(tmp_path: Path, on_server: bool) -> None:
    """Each value stands in that file, and nowhere else."""
    value = "no-address-of-anyone"
    (tmp_path / "p.csv").write_text(f"Mail,name,Plan,Notes\n{value},Zoë,pro,n\na@example.com,Ann,,\n")
    options = ("--map", "Mail=email", "--map", "Plan=metadata.plan", "--map", "Notes=", "--refused", "fix.csv")
    with running(tmp_path / "server") if on_server else nullcontext() as server:
        place = ("--url", server.url, "--key", server.key) if server else ("--data", "data")
        done = rollbook("users", "import", "p.csv", *options, *place, cwd=tmp_path)
        assert done.returncode == 1 and value not in done.stdout + done.stderr
        columns = (
            "Mail   mapped to email\nname   kept as name\nPlan   mapped to metadata.plan\nNotes  ignored: Left out by"
        )
        assert columns in done.stderr and done.stderr.splitlines()[-1].startswith("1 user added, 1 record refused")
        assert "fix.csv has the refused records" in done.stderr and "line 2" not in done.stderr, "the file says why"
        fixed = (tmp_path / "fix.csv").read_text(encoding="utf-8-sig")
        assert fixed.splitlines()[0] == "Mail,name,Plan,Notes,problem" and f"{value},Zoë,pro,n,An email" in fixed
        assert (tmp_path / "fix.csv").stat().st_mode & 0o077 == 0
        (tmp_path / "fix.csv").write_text(fixed.replace(value, "zoe@example.com"))
        again = rollbook("users", "import", "fix.csv", *options, "--json", *place, cwd=tmp_path)
        summary = json.loads(again.stdout)
        assert (again.returncode, summary["added"], summary["columns"][-1]["name"]) == (0, 1, "problem")
        unknown = rollbook("users", "import", "p.csv", "--map", "Nope=email", *place, cwd=tmp_path)
        assert "must name columns of the file, unlike column Nope (4 columns)" in unknown.stderr
        (tmp_path / "page.csv").write_text("<html><body>Session expired")
        wrong = rollbook("users", "import", "page.csv", *place, cwd=tmp_path)
        assert "is a web page" in wrong.stderr and "--map" not in wrong.stderr, "its columns are not what is wrong"


class Interrupted:
    """A server on which 7 of 10 records are done when Ctrl+C comes."""

    def create_import(self, query: dict[str, Any], file: Iterator[bytes]) -> dict[str, Any]:
        return {"id": "imp_1", "status": "waiting", "bytes": len(b"".join(file))}

    def one(self, method: str, path: str) -> dict[str, Any]:
        if method == "GET":
            raise KeyboardInterrupt
        assert path.endswith("/imp_1/cancel")
        return {"status": "canceled", "records": 7, "added": 6, "skipped": 1}


@once
def test_ctrl_c_says_what_a_server_has_done_by_then(tmp_path: Path) -> None:
    file = tmp_path / "people.ndjson"
    file.write_text(many(10))
    for conflict, advice in (("skip", "are skipped"), ("update", "where they differ"), ("fail", "--on-conflict skip")):
        asked = FileImport(file, ImportOptions(on_conflict=conflict))  # type: ignore[arg-type]
        assert asked.stopped == "Stopped by Ctrl+C: nothing was imported."
        with pytest.raises(KeyboardInterrupt):
            send(Interrupted(), asked)  # type: ignore[arg-type]
        assert asked.stopped.startswith("Stopped by Ctrl+C: 6 users added, 1 skipped, 0 records refused")
        assert "They stay. To go on, run the same command again: " in asked.stopped and advice in asked.stopped


@once
@pytest.mark.parametrize("into_folder", [True, False])
def test_who_is_absent_is_named_and_suspended_or_waits_for_a_yes(data: Path, into_folder: bool) -> None:
    with running(data) as server, server.http() as http:
        to = ("--url", server.url, "--key", server.key)
        into = ("--data", str(data)) if into_folder else to
        people = [f"Bea {number},p{number}@example.com,Staff\n" for number in range(6)]
        file = ["name,email,groups\n", *people]
        assert rollbook("users", "import", "-", *into, input="".join(file)).returncode == 0
        ids = [user["id"] for user in http.get("/v1/users").json()[1:]]
        absent = ("users", "import", "-", *into, "--absent", "suspend", "--absent-group", "Staff")
        tried = rollbook(*absent, "--dry-run", input="".join(file[:-1]))
        assert f"absent: {ids[-1]}\n" in tried.stderr and "1 person is not in the file." in tried.stderr, tried.stderr
        assert http.get("/v1/users/count?status=suspended").json()["count"] == 0

        def suspended() -> list[str]:
            return [user["id"] for user in http.get("/v1/users?status=suspended").json()]

        half = rollbook(*absent, "--json", input="".join(file[:3]))
        assert (half.returncode, json.loads(half.stdout)["absent_users"]) == (0, 4), half.stderr
        assert "That is too many to suspend them without asking" in half.stderr and not suspended()
        [id] = re.findall(r"imports suspend (?:.* )?(imp_\w+)", half.stderr)
        asked = rollbook("imports", "suspend", id, *to)
        assert asked.returncode == 1 and "4 users would be suspended. Add --yes" in asked.stderr
        done = rollbook("imports", "suspend", id, "--yes", *to)
        assert done.returncode == 0 and "Finished: 4 changed" in done.stderr, done.stderr
        [job] = re.findall(r"job_\w+", done.stdout)
        assert suspended() == ids[2:]
        assert rollbook("bulk", "undo", job, "--yes", *to).returncode == 0 and not suspended()
        left = rollbook(*absent, input="".join(file[:-1]))
        assert left.returncode == 0 and "Suspended by the bulk job job_" in left.stderr, left.stderr
        wait_until(lambda: suspended() == ids[-1:])
        again = rollbook(*absent, input="".join(file[:-1]))
        assert "0 people are not in the file." in again.stderr and suspended() == ids[-1:]
