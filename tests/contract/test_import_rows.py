"""What whoever started an import sees of its file, and no one else does: what becomes of each column, and the refused
records as they were, for as long as they are kept."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import httpx2
import pytest

from rollbook import clock, errors
from rollbook.actions import import_files
from rollbook.api.files import refused_rows
from rollbook.records.import_rows import FileFacts
from tests.contract.answers import refused
from tests.contract.test_imports import HASH, counts, email, ended, start, user
from tests.engines import once
from tests.harness import Server, new_key, new_user, running
from tests.nodes.pair import wait_until
from tests.visitor import signed_in

MAPPING = json.dumps({"Mail": "email", "Full name": "name", "Plan": "metadata.plan", "Notes": None})
SECRET = "value-of-a-refused-row"


def table(*rows: str) -> bytes:
    return "\r\n".join(["Mail;Full name;Plan;Notes", *rows, ""]).encode()


def rows(http: httpx2.Client, job: dict[str, Any]) -> bytes:
    answer = http.get(f"/v1/imports/{job['id']}/report", params={"format": "rows"})
    assert answer.status_code == 200, answer.text
    return answer.content


def columns(http: httpx2.Client, job: dict[str, Any]) -> dict[str, str]:
    found = http.get(f"/v1/imports/{job['id']}").json()["columns"]
    return {each["name"]: f"{each['outcome']} {each['target'] or each['reason']}" for each in found}


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_each_column_is_reported_and_refused_rows_are_fixed_and_imported_alone(
    http: httpx2.Client, dry_run: str
) -> None:
    good, fixed, taken = email(), email(), new_user(http)["email"]
    content = table(
        f"{good};Zoë;pro;n", f'{SECRET};"Ann ""A""";free;=1', "too;few", f'{email()};"B"x;free;', f"{taken};T;;"
    )
    options = {"mapping": MAPPING, "on_conflict": "fail"}
    job = ended(http, start(http, content, dry_run=dry_run, **options))
    assert counts(job) == {"added": 1, "refused": 4}
    assert columns(http, job) == {
        "Mail": "mapped email",
        "Full name": "mapped name",
        "Plan": "mapped metadata.plan",
        "Notes": "ignored Left out by the mapping.",
    }
    text = rows(http, job).decode("utf-8-sig")
    header, *found = csv.reader(io.StringIO(text), delimiter=";")
    assert header == ["Mail", "Full name", "Plan", "Notes", "problem"]
    assert [row[:4] for row in found] == [
        [SECRET, 'Ann "A"', "free", "'=1"],  # which a spreadsheet would take for a formula
        ["too", "few", "", ""],
        [found[2][0], "", "", ""],  # what is no row of a table is in the first cell, whole
        [taken, "T", "", ""],
    ]
    assert '"B"x' in found[2][0] and [bool(row[4]) for row in found] == [True] * 4
    assert found[0][4] == "An email address must have an @-sign." and "4" in found[1][4]
    since = ended(http, start(http, f"email,name,created_at\n{good},Zoë,2001-01-01\n".encode(), on_conflict="update"))
    assert http.get(f"/v1/imports/{since['id']}").json()["columns"][-1]["reason"].startswith("Only new users: ")
    again = text.replace(SECRET, fixed)
    second = ended(http, start(http, again.encode(), **options))
    assert counts(second) == {"added": 1, "refused": 3}
    assert columns(http, second)["problem"] == "ignored Says why a record was refused before."
    added = http.get("/v1/users", params={"email": fixed, "fields": "*"}).json()[0]
    assert (added["name"], added["metadata"]) == ('Ann "A"', {"plan": "free"})


def test_json_stays_json_and_its_problem_is_left_out_when_it_is_imported_again(http: httpx2.Client) -> None:
    people = [user(email=SECRET, metadata={"a": [1, "\u2028"]}), user(), user(email=SECRET, nickname="x")]
    for content in (json.dumps(people, indent=1), "".join(json.dumps(each) + "\n" for each in people) + "[oops\n"):
        job = ended(http, start(http, content.encode()))
        assert columns(http, job) == {
            "name": "kept name",
            "email": "kept email",
            "metadata": "kept metadata",
            "nickname": "ignored Not a field of a user: records that have it are refused.",
        }
        found = [json.loads(line) for line in rows(http, job).splitlines()]
        assert [{**people[at], "problem": found[at // 2]["problem"]} for at in (0, 2)] == found[:2]
        assert [each["record"] for each in found[2:]] == ["[oops"] * ("oops" in content)
        # Refused again, a record still says one problem; then it is right.
        first = json.dumps(found[0])
        again = rows(http, ended(http, start(http, first.encode())))
        assert json.loads(again) == found[0] and again.count(b"problem") == 1
        assert ended(http, start(http, first.replace(SECRET, email()).encode()))["added"] == 1


def test_blanks_in_refused_records_cost_no_more_than_other_characters() -> None:
    def seconds(text: str) -> float:
        begin = process_time()
        refused_rows(FileFacts("ndjson", "utf-8", [], [])).part([(f'{{"name":"{text * 60_000}"}}', "why")])
        return process_time() - begin

    assert seconds(" ") < 100 * seconds("x") + 0.5  # of 10 s


def test_the_export_of_a_system_says_where_each_of_its_columns_goes(http: httpx2.Client) -> None:
    person = {
        "id": email(),
        "username": "zoe",
        "email": email(),
        "emailVerified": True,
        "firstName": "Zoë",
        "enabled": False,
        "createdTimestamp": 1_698_400_800_000,
        "totp": False,
        "resetToken": "x",
        "requiredActions": ["UPDATE_PASSWORD"],
        "credentials": [{"type": "password", "value": "x"}],
        "access": {},
    }
    job = ended(http, start(http, json.dumps({"users": [person]}).encode(), source="keycloak", unknown_hashes="skip"))
    assert columns(http, job) == {
        "id": "mapped external_id",
        "username": "kept metadata.username",
        "email": "kept email",
        "emailVerified": "mapped email_verified",
        "firstName": "mapped name",
        "enabled": "mapped status",
        "createdTimestamp": "mapped created_at",
        "totp": "ignored Empty or false in every record.",
        "resetToken": "ignored Named like a secret: of these, only passwords and secrets of authenticator apps are imported.",
        "requiredActions": "ignored Exports of Keycloak have nothing about a user in this column.",
        "credentials": "mapped password_hash",
        "access": "ignored Empty or false in every record.",
    }


def test_the_fields_of_djangos_dumpdata_are_reported_as_columns(http: httpx2.Client) -> None:
    fields = {"email": email(), "password": "!x", "first_name": "Zoë", "plan": "pro", "groups": [["staff"]]}
    records = [
        {"model": "auth.group", "pk": 1, "fields": {"name": "staff"}},
        {"model": "auth.user", "pk": 7, "fields": fields},
    ]
    job = ended(http, start(http, json.dumps(records).encode(), source="django"))
    assert columns(http, job) == {
        "id": "mapped external_id",
        "email": "kept email",
        "password": "mapped password_hash",
        "first_name": "mapped name",
        "plan": "kept private_metadata.plan",
        "groups": "kept private_metadata.groups",
    }


def test_only_whoever_started_an_import_sees_columns_values_and_rows(
    http: httpx2.Client, server: Server, as_role: Callable[..., httpx2.Client]
) -> None:
    hash = HASH.replace("CCCC", "DDDD", 1)[:-9]
    content = f"name,email,metadata.{SECRET},password_hash\nA,{SECRET},x,{hash}\n".encode()
    job = ended(http, start(http, content))
    assert SECRET in rows(http, job).decode() and SECRET in str(columns(http, job)) and hash.encode() in rows(http, job)
    other_key = http.__class__(base_url=http.base_url, headers={"Authorization": f"Bearer {new_key(http)}"})
    with other_key, as_role("admin") as admin:
        for stranger in (other_key, admin):
            path = f"/v1/imports/{job['id']}"
            shown = stranger.get(path)
            assert shown.status_code == 200 and "columns" not in shown.json() and SECRET not in shown.text
            refused(stranger.get(f"{path}/report", params={"format": "rows"}), errors.Forbidden)
            for format in ("csv", "ndjson"):
                assert SECRET not in stranger.get(f"{path}/report", params={"format": format}).text
            assert SECRET not in stranger.get("/v1/imports").text + stranger.get("/v1/events?order=desc").text
    with signed_in(server) as owner, signed_in(server, new_user(http, role="admin")) as person:
        seen = owner.get(f"/admin/imports/{job['id']}").text
        assert SECRET in seen and "An email address must have an @-sign." in seen and hash not in seen
        seen = person.get(f"/admin/imports/{job['id']}").text
        assert SECRET not in seen and "An email address must have an @-sign." in seen
        assert person.get(f"/admin/imports/{job['id']}/report?format=rows").status_code == 403
    assert SECRET not in server.log.read_text()
    if server.database is None or not server.database:
        assert SECRET.encode() not in (server.data / "rollbook.db").read_bytes(), "it is encrypted"


@once
def test_refused_rows_are_bounded_and_erased_after_a_week_and_with_their_import(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none") as server, server.http() as http:
        job = ended(http, start(http, f"name,email\nA,{SECRET}\n".encode()))
        fat = "".join(f'{{"name":"A","email":"no{at}","metadata":{{"a":"{"x" * 60_000}"}}}}\n' for at in range(300))
        many = ended(http, start(http, fat.encode()))
        kept = rows(http, many).count(b"\n")
        assert many["refused"] == 300 and 200 < kept < 300, "16 MiB are kept of one import"
        assert http.get(many["report_url"]).text.count("\n") == 300
        server.pass_time((import_files.ROWS_KEPT + clock.HOUR) / clock.SECOND)
        with sqlite3.connect(server.data / "rollbook.db") as db:
            wait_until(lambda: db.execute("SELECT count(*) FROM import_rows").fetchone() == (2,))
        db.close()
        assert rows(http, job).decode("utf-8-sig") == "name,email,problem\r\n" and columns(http, job)
        server.pass_time(31 * clock.DAY / clock.SECOND)
        with sqlite3.connect(server.data / "rollbook.db") as db:
            wait_until(lambda: db.execute("SELECT count(*) FROM import_rows").fetchone() == (0,))
        db.close()
