"""`/v1/imports`: files of users that the server imports in the background, with upsert, dry run, report and cancel."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import errors, ids
from rollbook.actions import import_files
from tests.contract.answers import refused
from tests.engines import once
from tests.harness import OWNER_PASSWORD, Server, new_key, new_token, new_user, running
from tests.nodes.pair import wait_until
from tests.processes import EXECUTED, children, importing
from tests.visitor import signed_in

numbers = count(time.time_ns() // 1000)
FINAL = ("finished", "failed", "canceled")
COUNTS = ("added", "updated", "unchanged", "skipped", "refused", "without_password", "weak_hashes")
HASH = "$2b$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"


def email() -> str:
    return f"import{next(numbers)}@example.com"


def user(**fields: Any) -> dict[str, Any]:
    return {"name": "Ida Import", "email": email(), **fields}


def ndjson(*users: dict[str, Any] | str) -> bytes:
    return "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in users).encode()


def start(http: httpx2.Client, content: bytes, **options: str) -> dict[str, Any]:
    answer = http.post("/v1/imports", params=options, content=content)
    assert answer.status_code == 201, answer.text
    return answer.json()


def ended(http: httpx2.Client, job: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (found := http.get(f"/v1/imports/{job['id']}").json())["status"] not in FINAL:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def done(http: httpx2.Client, *users: dict[str, Any] | str, **options: str) -> dict[str, Any]:
    """The import, when it has ended."""
    return ended(http, start(http, ndjson(*users), **options))


def counts(job: dict[str, Any]) -> dict[str, int]:
    return {name: job[name] for name in COUNTS if job[name]}


def found(http: httpx2.Client, email: str) -> dict[str, Any]:
    return http.get("/v1/users", params={"email": email, "fields": "*"}).json()[0]


def reported(http: httpx2.Client, job: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in http.get(job["report_url"]).text.splitlines()]


def test_a_file_is_imported_and_its_report_names_what_was_refused(http: httpx2.Client) -> None:
    good, other = user(metadata={"plan": "pro"}, status="suspended"), user(external_id=email())
    content = ndjson(good, "nonsense", user(email="nobody"), other, user(external_id=other["external_id"]))
    answer = http.post("/v1/imports", content=gzip.compress(content))
    job = answer.json()
    assert answer.headers["location"].endswith(f"/v1/imports/{job['id']}")
    assert (job["status"], job["bytes"]) == ("waiting", len(gzip.compress(content)))
    job = ended(http, job)
    assert (job["status"], job["error"], job["records"], job["bytes_read"]) == ("finished", None, 5, job["bytes"])
    assert counts(job) == {"added": 2, "refused": 3}
    assert (
        found(http, good["email"])["metadata"] == {"plan": "pro"}
        and found(http, good["email"])["status"] == "suspended"
    )
    report = reported(http, job)
    assert [(line["line"], line["code"]) for line in report] == [
        (2, "invalid_json"),
        (3, "invalid_parameter"),
        (5, "external_id_taken"),
    ]
    table = http.get(job["report_url"], params={"format": "csv"}).text.split("\r\n")
    assert table[0] == "line,field,code,reason,user_id" and len(table) == 5
    assert http.get("/v1/imports", params={"limit": 1}).json()[0]["id"] == job["id"]
    assert job["id"] not in http.get("/v1/imports", params={"before": job["id"]}).text


def test_each_user_is_told_of_with_the_imports_id_and_the_end_once(http: httpx2.Client) -> None:
    place = http.get("/v1/events", params={"order": "desc", "limit": 1}).headers["event-position"]
    one, other = done(http, user()), done(http, user(), events="summary")
    log = http.get("/v1/events", params={"after": place}).json()
    types = [
        (event["type"], event["actor"]["request_id"])
        for event in log
        if event["actor"]["request_id"] in (one["id"], other["id"])
    ]
    assert types == [("user.created", one["id"]), ("import.finished", one["id"]), ("import.finished", other["id"])]
    told = next(event["object"] for event in log if event["type"] == "import.finished")
    assert told == {name: one[name] for name in one if name not in ("report_url", "encoding", "columns")}


def test_the_page_of_an_event_leads_to_its_import_or_bulk_job_and_calls_neither_a_request(
    http: httpx2.Client, server: Server
) -> None:
    made = user()
    job = done(http, made)
    id = found(http, made["email"])["id"]
    bulk = http.post("/v1/bulk-jobs", json={"action": "suspend", "ids": [id]}).json()
    wait_until(lambda: http.get(f"/v1/bulk-jobs/{bulk['id']}").json()["finished_at"])
    events = {event["type"]: event["id"] for event in http.get("/v1/events", params={"user": id}).json()}
    with signed_in(server) as owner:
        made_by = owner.get(f"/admin/events/{events['user.created']}").text
        suspended_by = owner.get(f"/admin/events/{events['user.suspended']}").text
        [first] = http.get("/v1/events", params={"address": "system", "type": "user.created", "limit": 1}).json()
        made_at_start = owner.get(f"/admin/events/{first['id']}").text
    assert f'<dt>Import</dt><dd class="mono"><a href="/admin/imports/{job["id"]}">' in made_by
    assert f'<dt>Bulk job</dt><dd><a href="/admin/bulk-jobs/{bulk["id"]}">' in suspended_by.replace("\n", "")
    assert "Request ID" not in made_by + suspended_by
    assert "<dt>IP address</dt>" in made_by and "<dt>IP address</dt>" not in made_at_start
    assert '<span class="muted">System</span>' in made_at_start


def test_the_same_file_again_changes_nothing_whatever_happens_to_users_who_exist(http: httpx2.Client) -> None:
    users = [user(role="viewer"), user(metadata={"a": 1}), user(status="active"), user(status="suspended")]
    assert counts(done(http, *users)) == {"added": 4}
    before = [found(http, each["email"]) for each in users]
    assert counts(done(http, *users)) == {"skipped": 4}
    assert counts(done(http, *users, on_conflict="update")) == {"unchanged": 4}
    failing = done(http, *users, on_conflict="fail")
    assert counts(failing) == {"refused": 4}
    assert [line["code"] for line in reported(http, failing)] == ["email_taken"] * 4
    assert [found(http, each["email"]) for each in users] == before


def test_an_update_leaves_metadata_that_the_file_does_not_have(http: httpx2.Client) -> None:
    one = user(metadata={"plan": "pro", "old": {"a": 1}})
    done(http, one)
    again = one | {"metadata": {"old": {"b": None}, "seats": 3}}
    assert counts(done(http, again, on_conflict="update")) == {"updated": 1}
    assert found(http, one["email"])["metadata"] == {"plan": "pro", "old": {"b": None}, "seats": 3}
    assert counts(done(http, again, on_conflict="update")) == {"unchanged": 1}
    large = one | {"metadata": {"large": "x" * 16_360}}
    job = done(http, large, on_conflict="update")
    assert "with the keys that the user has already" in reported(http, job)[0]["reason"]


def test_passwords_that_come_in_a_file_of_their_own_change_nothing_else(http: httpx2.Client) -> None:
    """As the page of Auth0 says: the profiles first, with their times, then the hashes, which have no names."""
    profile = {"user_id": f"auth0|{email()}", "email": email(), "name": "Zoë", "created_at": "2019-01-01T00:00:00.000Z"}
    alone = email()
    assert counts(done(http, profile, source="auth0")) == {"added": 1}
    before = found(http, profile["email"])
    hashes = [{"_id": {"$oid": each}, "email": each, "passwordHash": HASH} for each in (profile["email"], alone)]
    hashes[0]["_id"] = {"$oid": profile["user_id"].removeprefix("auth0|")}
    assert counts(done(http, *hashes, source="auth0", on_conflict="update")) == {"added": 1, "updated": 1}
    after = found(http, profile["email"])
    assert (after["name"], after["created_at"]) == ("Zoë", "2019-01-01T00:00:00Z")
    assert after == before | {"updated_at": after["updated_at"]}
    assert found(http, alone)["name"] == alone.partition("@")[0]
    http.patch(f"/v1/users/{after['id']}", json={"status": "active"})
    assert found(http, profile["email"])["status"] == "active"


def test_an_update_sets_the_fields_of_the_file_and_says_what_they_were(http: httpx2.Client) -> None:
    one, external_id = user(), email()
    done(http, {**one, "external_id": external_id})
    moved = {**one, "email": email(), "name": "Ida Moved", "external_id": external_id, "password": OWNER_PASSWORD}
    job = done(http, moved, moved, user(external_id=email()), user(), match="external_id", on_conflict="update")
    assert counts(job) == {"updated": 1, "unchanged": 1, "added": 1, "refused": 1}
    after = found(http, moved["email"])
    assert (after["name"], after["external_id"]) == ("Ida Moved", external_id)
    event = http.get("/v1/events", params={"user": after["id"], "type": "user.updated"}).json()[0]
    assert event["before"] == {"name": one["name"], "email": one["email"]}
    check = http.post("/v1/users/verify-password", json={"email": moved["email"], "password": OWNER_PASSWORD})
    assert check.status_code == 200, "a password is set where the user has none"
    job = done(http, {**moved, "password": "another-good-one"}, match="external_id", on_conflict="update")
    assert counts(job) == {"unchanged": 1}, "and nowhere else"


@once
def test_an_update_obeys_the_rules_of_users(http: httpx2.Client, as_role: Callable[..., httpx2.Client]) -> None:
    admin, owner, taken = as_role("admin"), new_user(http, role="owner"), user()
    done(http, taken)
    me = http.get("/v1/users/me").json()
    other = user(external_id=email())
    done(http, other)
    job = done(
        admin,
        {"name": "No", "email": owner["email"]},
        {**user(), "role": "owner"},
        {**other, "email": taken["email"]},
        on_conflict="update",
    )
    assert [line["code"] for line in reported(http, job)] == [
        "insufficient_scope",
        "insufficient_scope",
        "external_id_taken",
    ]
    itself = done(http, {"name": me["name"], "email": me["email"], "status": "suspended"}, on_conflict="update")
    assert [line["code"] for line in reported(http, itself)] == ["not_yourself"]


def test_an_update_does_not_change_the_email_of_who_imports(
    http: httpx2.Client, as_role: Callable[..., httpx2.Client]
) -> None:
    admin = as_role("admin")
    mine = admin.get("/v1/users/me").json()
    external_id = f"x{mine['id']}"
    assert http.patch(f"/v1/users/{mine['id']}", json={"external_id": external_id}).status_code == 200
    line = {"name": "Ann", "email": f"taken-{mine['email']}", "external_id": external_id}
    job = done(admin, line, on_conflict="update", match="external_id")
    assert [each["code"] for each in reported(admin, job)] == ["not_yourself"]
    assert http.get(f"/v1/users/{mine['id']}").json()["email"] == mine["email"]


def test_a_dry_run_finds_the_same_and_changes_nothing(http: httpx2.Client) -> None:
    there, new = user(), user(password=OWNER_PASSWORD)
    done(http, there)
    place = http.get("/v1/events", params={"order": "desc", "limit": 1}).headers["event-position"]
    total = http.get("/v1/users/count").json()
    job = done(http, {**there, "name": "Changed"}, new, new, user(role="boss"), on_conflict="update", dry_run="true")
    assert counts(job) == {"updated": 2, "added": 1, "refused": 1}
    assert http.get("/v1/users/count").json() == total
    assert found(http, there["email"])["name"] == there["name"]
    assert http.get("/v1/events", params={"after": place}).json() == []


@once
def test_hashes_that_are_easy_to_guess_at_are_counted(http: httpx2.Client) -> None:
    digest = "A" * 43
    weak = [
        "$2b$09$" + "C" * 53,
        f"$pbkdf2-sha256$i=29000,l=32$c2FsdA${digest}",
        f"$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHQ${digest}",
    ]
    good = [
        "$2b$10$" + "C" * 53,
        f"$pbkdf2-sha256$i=600000,l=32$c2FsdA${digest}",
        f"$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHQ${digest}",
    ]
    people = [user(password_hash=hash) for hash in weak + good]
    assert counts(done(http, *people, dry_run="true")) == {"added": 6, "weak_hashes": 3}
    assert counts(done(http, *people)) == {"added": 6, "weak_hashes": 3}
    assert counts(done(http, *people)) == {"skipped": 6}


@once
def test_a_user_whom_the_file_has_twice_is_refused_with_the_line_that_it_repeats(http: httpx2.Client) -> None:
    ann, bob = user(external_id="e1"), user()
    people = (ann, bob, ann | {"email": ann["email"].upper()}, bob)
    for options in ({"dry_run": "true"}, {}, {"on_conflict": "fail"}):
        job = done(http, *people, **options)
        lines = [(line["line"], line["code"], line["reason"]) for line in reported(http, job)]
        twice = [(n, "repeated", f"Repeats line {n - 2}, which has the same email.") for n in (3, 4)]
        assert [line for line in lines if line[1] == "repeated"] == twice
    assert counts(done(http, *people, on_conflict="update"))["unchanged"] >= 2, "the later line updates the earlier one"


@once
def test_users_whose_hash_is_not_known_are_refused_or_imported_without_it_and_named(http: httpx2.Client) -> None:
    hash = "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8"
    unknown, plain, known = user(password_hash=hash), user(password_hash="{noop}open sesame"), user(password_hash=HASH)
    people, skip = (unknown, plain, known), {"unknown_hashes": "skip"}
    refusal = done(http, *people)
    assert counts(refusal) == {"added": 1, "refused": 2} and refusal["unknown_hashes"] == "refuse"
    assert [line["user_id"] for line in reported(http, refusal)] == [None, None]

    dry = done(http, *people, dry_run="true", **skip)
    assert counts(dry) == {"added": 2, "skipped": 1, "without_password": 2}
    assert [(line["line"], line["user_id"]) for line in reported(http, dry)] == [(1, None), (2, None)]

    job = done(http, user(email="nobody"), *people, **skip)
    assert counts(job) == {"added": 2, "skipped": 1, "refused": 1, "without_password": 2}
    assert (job["unknown_hashes"], http.get(f"/v1/imports/{job['id']}").json()) == ("skip", job)
    bad, first, second = reported(http, job)
    assert (bad["line"], bad["user_id"]) == (1, None)
    for line, each, why in ((first, unknown, "not in a format"), (second, plain, "a plain password")):
        assert (line["field"], line["code"]) == ("password_hash", "imported_without_password") and why in line["reason"]
        assert line["user_id"] == found(http, each["email"])["id"] and found(http, each["email"])["status"] == "active"
        assert "cff36ea" not in line["reason"] and "sesame" not in line["reason"]
        guess = {"email": each["email"], "password": each["password_hash"]}
        refused(http.post("/v1/users/verify-password", json=guess), errors.WrongPassword)
    assert http.post(f"/v1/users/{first['user_id']}/tokens", json={"purpose": "reset_password"}).status_code == 201

    # Again, those are named who have no password by now.
    http.put(f"/v1/users/{second['user_id']}/password", json={"password": OWNER_PASSWORD})
    again = done(http, *people, on_conflict="update", **skip)
    assert counts(again) == {"unchanged": 3, "without_password": 1}
    assert [line["user_id"] for line in reported(http, again)] == [first["user_id"]]


def test_users_keep_their_id_times_and_whether_their_email_is_verified(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none") as server, server.http() as http:
        times = {
            "created_at": "2020-01-02T03:04:05Z",
            "updated_at": "2020-05-06T07:08:09Z",
            "last_sign_in_at": "2021-01-01T00:00:00Z",
        }
        old = {"id": ids.new("user"), "email_verified": True, **times}
        one, epoch, other = (
            user(**old),
            user(created_at="1970-01-01T00:00:00Z"),
            user(updated_at="2020-01-01T00:00:00Z"),
        )
        assert counts(done(http, one, epoch, other)) == {"added": 3}
        kept = found(http, one["email"])
        assert {name: kept[name] for name in old} == old
        first = found(http, epoch["email"])
        assert first["created_at"] == first["updated_at"] == "1970-01-01T00:00:00Z"
        now = found(http, other["email"])
        assert now["updated_at"] == now["created_at"] > "2026", "no one is updated before they are created"
        emails = [each["email"] for each in (one, epoch, other)]
        assert [each["email"] for each in http.get("/v1/users").json()][1:] == emails, (
            "the order in which they were added"
        )
        dated = http.get("/v1/users", params={"sort": "created_at"}).json()
        assert [each["email"] for each in dated] == [epoch["email"], one["email"], "owner@example.com", other["email"]]
        assert [
            each["email"] for each in http.get("/v1/users", params={"created_before": times["updated_at"]}).json()
        ] == emails[:2]
        (event,) = http.get("/v1/events", params={"user": old["id"]}).json()
        assert (event["object"]["created_at"], event["created_at"] > "2026") == (times["created_at"], True)
        assert http.delete(f"/v1/users/{old['id']}").status_code == 204
        again = done(http, user(id=old["id"]), user(id=now["id"]))
        assert [line["code"] for line in reported(http, again)] == ["id_taken"] * 2
        assert http.post(f"/v1/users/{old['id']}/restore").status_code == 200
        assert [each["email"] for each in http.get("/v1/users").json()][1:] == emails


@once
@pytest.mark.parametrize("dry_run", ["false", "true"])
def test_a_time_in_the_future_is_refused_with_the_reason(http: httpx2.Client, dry_run: str) -> None:
    names = ("created_at", "updated_at", "last_sign_in_at", "last_active_at")
    job = done(http, *[user(**{name: "2999-01-01T00:00:00Z"}) for name in names], dry_run=dry_run)
    assert counts(job) == {"refused": 4}
    for name, line in zip(names, reported(http, job), strict=True):
        assert (line["field"], line["code"]) == (name, "invalid_parameter")
        assert f"{name} is in the future" in line["reason"]


@once
def test_a_key_that_ends_ends_its_imports(http: httpx2.Client, server: Server) -> None:
    key = http.post("/v1/keys", json={"name": "soon gone"}).json()
    first = start(http, long_file(), format="ndjson")  # one at a time is imported: the next one waits
    with server.http(key["key"]) as caller:
        job = start(caller, ndjson(user()))
    assert http.delete(f"/v1/keys/{key['id']}").status_code == 204
    assert http.post(f"/v1/imports/{first['id']}/cancel").json()["status"] == "canceled"
    job = ended(http, job)
    assert (job["status"], job["added"]) == ("failed", 0)
    assert "revoked" in job["error"] or "Invalid API key" in job["error"]


@cache
def long_file() -> bytes:
    """It takes longer to be read than anything here that is done meanwhile."""
    return gzip.compress(b"".join(b"\n" * 200_000 + os.urandom(2_000).hex().encode() + b"\n" for _ in range(500)))


def stop_between_writes(process: int, data: Path) -> None:
    """SIGSTOP, when it has no lock for which the server would wait."""
    while True:
        os.kill(process, signal.SIGSTOP)
        with closing(sqlite3.connect(data / "rollbook.db", timeout=1, isolation_level=None)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                os.kill(process, signal.SIGCONT)
                time.sleep(0.05)
            else:
                return


@once
def test_the_process_of_a_canceled_import_ends_at_once_whatever_the_file_holds(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none", environment=EXECUTED) as server, server.http() as http:
        blank = start(http, long_file(), format="ndjson")
        wait_until(lambda: http.get(f"/v1/imports/{blank['id']}").json().get("bytes_read"))
        (process,) = importing(server.data)
        assert [os.getpriority(os.PRIO_PROCESS, each) for each in children(process)] == [19], "requests come first"
        stop_between_writes(process, server.data)  # it does not even see that it was canceled
        assert http.post(f"/v1/imports/{blank['id']}/cancel").json()["status"] == "canceled"
        wait_until(lambda: not _runs(process))
        assert done(http, user())["added"] == 1


def test_an_import_goes_on_whichever_of_its_two_processes_is_killed(
    engine: str, http: httpx2.Client, server: Server
) -> None:
    """What reads has a lower priority than the server, and no transaction waits for it."""
    assert server.process is not None
    of_server = os.getpriority(os.PRIO_PROCESS, server.process.pid)
    for which in (0, 1):
        blank = b"\n" * 4_000_000  # for a second
        job = start(http, gzip.compress(ndjson(user()) + blank + ndjson(user()), 1), format="ndjson")
        wait_until(lambda: [reader for writer in importing(server.data) for reader in children(writer)])
        (writer,) = importing(server.data)
        (reader,) = children(writer)
        wait_until(lambda reader=reader: os.getpriority(os.PRIO_PROCESS, reader) > of_server)
        # SQLite's writer is a thread of its own.
        assert (os.getpriority(os.PRIO_PROCESS, writer) == of_server) is (engine == "postgresql")
        os.kill((writer, reader)[which], signal.SIGKILL)
        wait_until(lambda writer=writer, reader=reader: not any(map(_runs, (writer, reader))))
        job = ended(http, job)
        assert (job["status"], job["records"], job["added"]) == ("finished", 2, 2)


def _runs(process: int) -> bool:
    with suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    return False


def test_a_canceled_import_imports_no_more_and_its_file_is_gone(http: httpx2.Client, server: Server) -> None:
    first, second = start(http, long_file(), format="ndjson"), start(http, ndjson(user()))
    for job in (second, first):
        assert http.post(f"/v1/imports/{job['id']}/cancel").json()["status"] == "canceled"
        assert not (server.data / "imports" / f"{job['id']}.part").exists()
    assert done(http, user())["added"] == 1, "which came after both"
    assert http.get(f"/v1/imports/{second['id']}").json()["added"] == 0


@once
def test_a_file_that_cannot_be_read_fails_with_the_reason(http: httpx2.Client) -> None:
    job = ended(http, start(http, gzip.compress(ndjson(user()))[:-6]))
    assert job["status"] == "failed" and "gzip" in job["error"]


@once
def test_an_error_names_columns_by_number_and_an_event_only_its_code(
    http: httpx2.Client, as_role: Callable[..., httpx2.Client]
) -> None:
    viewer, password = as_role("viewer"), "Tr0ub4dor-unique"
    hook = viewer.post("/v1/webhooks", json={"url": "inbox", "types": ["import.*"]}).json()
    mapping = json.dumps({password: "name"})
    jobs = [
        ended(http, start(http, content.encode(), **options))
        for content, options in (
            (f"alice@example.com,{password},Alice\n", {}),
            (f"1,{password},Alice\n", {}),
            (f"Alice,{password},Alice\n", {}),
            (f"{password},email\nAlice,nobody\n", {"mapping": mapping}),
            (f"email,name\n{email()},A\n", {"mapping": mapping}),
        )
    ]
    assert [(job["status"], job["error_code"]) for job in jobs] == [
        *[("failed", "invalid_parameter")] * 3,
        ("finished", None),
        ("failed", "invalid_parameter"),
    ]
    assert [job["error"] for job in jobs] == [
        "The first line must name the columns, but column 1 holds an email address. Put a line with names above it.",
        "The first line names no column for the email (3 columns).",
        "Columns 1 and 3 have the same name.",
        None,
        "mapping must name columns of the file, unlike entry 1 of 1 (2 columns).",
    ]
    told = [
        event
        for event in viewer.get("/v1/events", params={"type": "import.finished", "order": "desc", "limit": 5}).json()
        if event["object"]["id"] in {job["id"] for job in jobs}
    ]
    assert [(event["object"]["error"], event["object"]["error_code"]) for event in reversed(told)] == [
        (None, job["error_code"]) for job in jobs
    ]
    path = f"/v1/webhooks/{hook['id']}/deliveries"
    wait_until(lambda: len(viewer.get(path).json()) == len(jobs))
    sent = [viewer.get(f"{path}/{each['id']}").text for each in viewer.get(path).json()]
    assert jobs[0]["id"] in "".join(sent)
    reports = [http.get(job["report_url"]).text for job in jobs]
    for text in (http.get("/v1/imports").text, f"{told}", f"{sent}", f"{reports}"):
        assert password not in text
    assert viewer.delete(f"/v1/webhooks/{hook['id']}").status_code == 204


def undo(http: httpx2.Client, job: dict[str, Any]) -> tuple[tuple[int, ...], dict[str, str]]:
    """The counts of the job that undoes an import, and why each user was refused, by email."""
    answer = http.post(f"/v1/imports/{job['id']}/undo")
    assert answer.status_code == 201, answer.text
    path = f"/v1/bulk-jobs/{answer.json()['id']}"
    assert answer.headers["location"].endswith(path)
    wait_until(lambda: http.get(path).json()["finished_at"])
    made = http.get(path).json()
    assert (made["action"], made["undoes"], made["status"]) == ("undo_import", job["id"], "finished")
    lines = [json.loads(line) for line in http.get(f"{path}/results?result=refused").text.splitlines()]
    return tuple(made[name] for name in ("total", "changed", "refused")), {
        line["email"]: line["code"] for line in lines
    }


def test_an_import_is_undone_for_whom_nobody_has_changed_since(http: httpx2.Client, server: Server) -> None:
    """Those it added are deleted, those it changed put back, each with an event of their own."""
    group = f"Team {email()}"
    kept, renamed, promoted, secret = old = [user(metadata={"a": 1}) for _ in range(4)]
    done(http, *old)
    was = found(http, kept["email"])
    plain, member, edited, entered = new = [user(), user(groups=group), user(), user()]
    changed = [
        {**kept, "name": "Ida Changed", "metadata": {"a": 2, "b": 1}, "groups": group},
        {**renamed, "name": "Ida Changed"},
        {**promoted, "role": "viewer"},
        {**secret, "password": OWNER_PASSWORD},
    ]
    job = done(http, *new, *changed, on_conflict="update")
    assert counts(job) == {"added": 4, "updated": 4}
    http.patch(f"/v1/users/{found(http, edited['email'])['id']}", json={"name": "Ida Edited"})
    http.patch(f"/v1/users/{found(http, renamed['email'])['id']}", json={"name": "Ida Renamed"})
    token = new_token(http, found(http, entered["email"])["id"], purpose="reset_password")["token"]
    used = http.post("/v1/tokens/consume", json={"token": token, "password": OWNER_PASSWORD})
    assert used.status_code == 200, used.text
    with signed_in(server) as owner:
        shown = owner.get(f"/admin/imports/{job['id']}/users").text
        assert [shown.count(f">{word}<") for word in ("added", "updated")] == [4, 4]
    refused = {
        edited["email"]: "changed_since",
        entered["email"]: "changed_since",
        renamed["email"]: "changed_since",
        secret["email"]: "not_reversible",
    }
    assert undo(http, job) == ((8, 4, 4), refused)
    for gone in (plain, member):
        assert http.get("/v1/users", params={"email": gone["email"]}).json() == []
    now = found(http, kept["email"])
    assert (now["name"], now["metadata"], now["id"]) == (was["name"], was["metadata"], was["id"])
    assert http.get("/v1/groups", params={"name": group}).json()[0]["members"] == 0
    assert found(http, promoted["email"])["role"] == "member"
    with signed_in(server) as owner:
        again = owner.post(f"/admin/imports/{job['id']}/undo").headers["location"]
        assert "Undo the import of 8 users" in owner.get(again).text
        wait_until(lambda: http.get(again.replace("admin", "v1")).json()["refused"] == 8)
        page = owner.get(f"/admin/imports/{job['id']}").text
        listed = owner.get("/admin/imports").text.partition(f'/admin/imports/{job["id"]}"')[2].partition("</tr>")[0]
    assert "0 of 8 users put back</a>" in page and f"/admin/imports/{job['id']}/undo" not in page
    assert ">undone<" in listed and ">finished<" not in listed


def test_what_can_not_be_undone_is_said(http: httpx2.Client, server: Server) -> None:
    quiet, tried = done(http, user(), events="summary"), done(http, user(), dry_run="true")
    for job, words in ((quiet, "events=summary"), (tried, "changed no one"), (done(http, "{}"), "changed no one")):
        answer = http.post(f"/v1/imports/{job['id']}/undo")
        assert words in refused(answer, errors.BadRequest)["error"]
    made = user()
    job = done(http, made)
    with server.http(new_key(http, scopes=["users:read", "users:write"])) as narrow:
        assert narrow.post(f"/v1/imports/{job['id']}/undo").json()["code"] == "insufficient_scope"
    assert found(http, made["email"])["name"] == made["name"]


@once
def test_an_import_is_undone_for_as_long_as_the_log_has_its_events(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none", "--event-retention", "7") as server, server.http() as http:
        job = done(http, user())
        server.stop()
        server.pass_time(8 * 86_400)
        server.start()
        wait_until(lambda: len(http.get("/v1/events").json()) == 1)  # the newest stays
        assert "past its retention" in refused(http.post(f"/v1/imports/{job['id']}/undo"), errors.BadRequest)["error"]


def test_a_summary_tells_of_what_changes_who_a_user_is_or_what_they_may_do(http: httpx2.Client) -> None:
    people = [user(external_id=email()) for _ in range(6)]
    done(http, *people, events="summary")
    calm, moved, promoted, suspended, verified, secret = people
    changed: list[dict[str, Any]] = [
        {**calm, "name": "Ida Renamed", "metadata": {"a": 1}},
        {**moved, "email": email()},
        {**promoted, "role": "admin"},
        {**suspended, "status": "suspended"},
        {**verified, "email_verified": True},
        {**secret, "password": OWNER_PASSWORD},
        boss := user(role="admin"),
    ]
    job = done(http, *changed, match="external_id", on_conflict="update", events="summary")
    assert counts(job) == {"refused": 1, "updated": 6}, "the boss has no external ID"
    assert counts(done(http, boss, events="summary")) == {"added": 1}
    log = [http.get("/v1/events", params={"user": found(http, each["email"])["id"]}).json() for each in changed]
    assert [[event["type"] for event in events] for events in log] == [
        [],
        ["user.updated"],
        ["user.promoted"],
        ["user.suspended"],
        ["user.updated"],
        ["user.password_changed"],
        ["user.created"],
    ]
    assert log[1][0]["before"] == {"email": moved["email"]} and log[1][0]["actor"]["request_id"] == job["id"]


def test_what_stands_before_the_damaged_part_of_a_file_is_imported_and_reported(http: httpx2.Client) -> None:
    whole = ndjson(user(), "nonsense", *(user() for _ in range(12_000)))
    job = ended(http, start(http, gzip.compress(whole)[:-6]))
    assert job["status"] == "failed" and "gzip" in job["error"]
    assert job["records"] >= 12_000 and (job["added"], job["refused"]) == (job["records"] - 1, 1)
    assert [each["line"] for each in reported(http, job)] == [2]


@once
def test_what_is_sent_has_bounds(tmp_path: Path) -> None:
    flags = ("--import-max-size", "2000", "--rate-limit", "none")
    with running(tmp_path / "data", *flags) as server, server.http() as http:
        refused(http.post("/v1/imports", content=b"x" * 2_001), errors.ContentTooLarge)
        refused(http.post("/v1/imports", content=b""), errors.InvalidParameter)
        refused(http.post("/v1/imports", params={"mapping": "[]"}, content=b"x"), errors.InvalidParameter)
        folder = server.data / "imports"
        assert not folder.exists() or not list(folder.iterdir())
        with server.http(new_key(http)) as caller:
            for _ in range(300):  # faster than they are imported
                answer = caller.post("/v1/imports", content=ndjson(user()))
                if answer.status_code != 201:
                    break
            refused(answer, errors.ImportLimitReached)


def test_a_server_without_a_data_folder_imports(tmp_path: Path) -> None:
    """As on PostgreSQL, with the secret in the environment."""
    with running(tmp_path / "data", environment={"ROLLBOOK_SECRET": "5" * 64}) as server, server.http() as http:
        assert server.data.exists() == (not server.database)
        assert done(http, user())["added"] == 1


@once
def test_the_oldest_imports_go_where_more_refused_records_are_kept_than_a_million(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none") as server, server.http() as http:
        jobs = [done(http, user(email="nobody"))["id"], *(ids.new("imp") for _ in range(10))]
        for table, name in (("imports", "id"), ("import_refusals", "import_id")):
            same = ", ".join(column for _, column, *_ in server.ask(f"PRAGMA table_info({table})") if column != name)
            for job in jobs[1:]:  # imports like the first one
                server.ask(
                    f"INSERT INTO {table} ({name}, {same}) SELECT '{job}', {same} FROM {table} WHERE {name} = "
                    f"'{jobs[0]}'"
                )
        server.ask("UPDATE imports SET refused = 200000")  # of which each keeps 100,000
        wait_until(lambda: [each["id"] for each in http.get("/v1/imports").json()] == jobs[:0:-1])
        refused(http.get(f"/v1/imports/{jobs[0]}"), errors.NotFound)
        assert [import_id for (import_id,) in server.ask("SELECT import_id FROM import_refusals ORDER BY 1")] == sorted(
            jobs[1:]
        )


@once
def test_webhooks_can_leave_out_what_imports_do(http: httpx2.Client) -> None:
    fields = {"url": "inbox", "types": ["user.*", "import.*"]}
    hook = http.post("/v1/webhooks", json={**fields, "skip_imports": True}).json()
    assert hook["skip_imports"] is True
    made = new_user(http)
    job = done(http, user(), user())
    last = new_user(http)
    path, deadline = f"/v1/webhooks/{hook['id']}/deliveries", time.monotonic() + 60
    while last["id"] not in (text := http.get(path).text):
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
    sent = [(each["type"], each["user_id"]) for each in reversed(http.get(path).json())]
    assert sent == [("user.created", made["id"]), ("import.finished", job["user_id"]), ("user.created", last["id"])]
    assert http.delete(f"/v1/webhooks/{hook['id']}").status_code == 204


@pytest.mark.parametrize("scopes", [["users:read"], []])
@once
def test_imports_take_the_scope_to_write_users(http: httpx2.Client, server: Server, scopes: list[str]) -> None:
    with server.http(new_key(http, scopes=scopes)) as caller:
        refused(caller.get("/v1/imports"), errors.InsufficientScope)
        refused(caller.post("/v1/imports", content=ndjson(user())), errors.InsufficientScope)


@once
def test_hashes_take_a_scope_of_their_own(http: httpx2.Client, as_role: Callable[..., httpx2.Client]) -> None:
    narrow, able = as_role("admin", ["users:write"]), as_role("admin", ["users:write", "users:import"])
    hashed = user(password_hash="$2b$12$" + "C" * 53)
    job = done(narrow, hashed, user(), user(password_hash=None))
    assert counts(job) == {"added": 2, "refused": 1}
    (line,) = reported(http, job)
    assert (line["line"], line["code"]) == (1, "insufficient_scope")
    assert line["reason"] == "This API key does not have the scope users:import."
    assert counts(done(able, hashed)) == {"added": 1}
    assert counts(done(as_role("admin"), user(password_hash="$2b$12$" + "C" * 53))) == {"added": 1}
    key = as_role("admin", ["users:write", "keys:write"]).post(
        "/v1/keys", json={"name": "more", "scopes": ["users:import"]}
    )
    refused(key, errors.InsufficientScope)


@once
def test_passwords_that_are_easy_to_guess_are_refused_in_imports_too(http: httpx2.Client) -> None:
    guessed = ("Summer2026!", "Lovelace1815!", "rollbook2026")
    new = [user(name="Ada Lovelace", password=password) for password in (*guessed, "securepassword123")]
    job = done(http, *new)
    assert counts(job) == {"added": 1, "refused": 3}
    for line, password in zip(reported(http, job), guessed, strict=True):
        assert (line["field"], line["code"]) == ("password", "invalid_parameter")
        assert "easy to guess" in line["reason"] and password not in line["reason"]


@pytest.mark.parametrize("mapped", [False, True])
@once
def test_a_hash_in_a_column_named_password_is_no_password(http: httpx2.Client, mapped: bool) -> None:
    hash, name = "$2y$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkY8jIucDrjc8deX1s.", email()
    hash = f"{hash:.<60}"
    content = f"name,email,password\nLa Ra,{name},{hash}\n".encode()
    job = ended(http, start(http, content, **({"mapping": '{"password": "password_hash"}'} if mapped else {})))
    if mapped:
        assert counts(job) == {"added": 1, "weak_hashes": 1}
    else:
        (line,) = reported(http, job)
        assert (
            line["field"] == "password"
            and "--map password=password_hash" in line["reason"]
            and hash not in line["reason"]
        )
    assert http.post("/v1/users/verify-password", json={"email": name, "password": hash}).status_code == 401


def test_a_tested_file_is_imported_as_it_was_tested_by_whoever_tested_it(http: httpx2.Client, server: Server) -> None:
    mail, other = email(), email()
    content = f"Mail;Label;Customer No.\n{mail};Ida;C-{mail}\n{other};Ole;C-{other}\n".encode()
    mapping = json.dumps({"Mail": "email", "Label": "name", "Customer No.": "external_id"})
    tested = ended(http, start(http, content, mapping=mapping, dry_run="true", events="summary"))
    assert tested["added"] == 2 and http.get("/v1/users", params={"email": mail}).json() == []
    kept = server.data / "imports" / f"{tested['id']}.tested"
    assert kept.stat().st_mode & 0o777 == 0o600 and mail.encode() not in kept.read_bytes(), "encrypted"
    with server.http(new_key(http)) as stranger:
        refused(stranger.post(f"/v1/imports/{tested['id']}/run"), errors.Forbidden)
    answer = http.post(f"/v1/imports/{tested['id']}/run")
    assert answer.status_code == 201 and answer.headers["location"].endswith(answer.json()["id"])
    refused(http.post(f"/v1/imports/{tested['id']}/run"), errors.NotFound)
    job = ended(http, answer.json())
    assert (job["status"], job["added"], job["dry_run"], job["events"]) == ("finished", 2, False, "summary")
    assert found(http, mail)["external_id"] == f"C-{mail}" and found(http, mail)["metadata"] == {}
    wait_until(lambda: not [each for each in kept.parent.iterdir() if each.stem in (tested["id"], job["id"])])
    refused(http.post(f"/v1/imports/{tested['id']}/run"), errors.NotFound)
    refused(http.post(f"/v1/imports/{job['id']}/run"), errors.NotFound)


@once
def test_tested_files_go_when_they_are_a_week_old_and_bounded_in_size(tmp_path: Path) -> None:
    folder = tmp_path / "imports"
    folder.mkdir()

    def seal(text: bytes, associated: bytes) -> bytes:
        return text

    for number in range(3):
        import_files.path(tmp_path, f"imp_{number}").write_bytes(b"x" * 10)
        assert import_files.keep(tmp_path, f"imp_{number}", b"{}", seal)
        os.utime(folder / f"imp_{number}.tested", (time.time() - 86_400 * (5 - number),) * 2)
    with pytest.MonkeyPatch.context() as bounds:
        bounds.setattr(import_files, "MAX_KEPT", 60)
        import_files.path(tmp_path, "imp_3").write_bytes(b"x" * 10)
        assert import_files.keep(tmp_path, "imp_3", b"{}", seal)
        import_files.path(tmp_path, "imp_4").write_bytes(b"x" * 61)
        assert not import_files.keep(tmp_path, "imp_4", b"{}", seal)
    assert [import_files.is_kept(tmp_path, f"imp_{number}") for number in range(5)] == [False, True, True, True, False]
    os.utime(folder / "imp_2.tested", (time.time() - 8 * 86_400,) * 2)
    import_files.remove_abandoned(tmp_path, set())
    assert not import_files.is_kept(tmp_path, "imp_2") and import_files.is_kept(tmp_path, "imp_3")
