"""Who is absent from the file of an import: reported, and suspended by a bulk job unless they are too many."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import refused
from tests.contract.test_bulk_jobs import ended as job_ended
from tests.contract.test_bulk_jobs import people, statuses, undone
from tests.contract.test_groups import made as new_group
from tests.contract.test_groups import put
from tests.contract.test_imports import done, ended, ndjson, reported, start
from tests.engines import once
from tests.harness import Server, new_key, new_user, running
from tests.mail_server import mail_server
from tests.visitor import signed_in

Client = httpx2.Client
User = dict[str, Any]


class Staff:
    """People of a group, and the records about them that a nightly file has."""

    def __init__(self, http: Client, count: int) -> None:
        self.http = http
        self.mark, self.ids = people(http, count)
        self.path = new_group(http, name=self.mark)
        self.group = self.path.rpartition("/")[2]
        put(http, self.path, *self.ids)
        # As its filter finds them, in the order in which they were added.
        listed = http.get("/v1/users", params={"metadata": self.mark, "limit": 1000}).json()
        self.records = [{"name": user["name"], "email": user["email"]} for user in listed]
        self.suspend = {"absent": "suspend", "absent_group": self.group}

    def suspended(self) -> set[str]:
        found = self.http.get("/v1/users", params={"metadata": self.mark, "status": "suspended", "limit": 1000})
        return {user["id"] for user in found.json()}


def imported(http: Client, job: dict[str, Any]) -> dict[str, Any]:
    """The import with what its bulk job has done."""
    if job["absent_job_id"]:
        made = job_ended(http, {"id": job["absent_job_id"]})
        assert (made["action"], made["status"]) == ("suspend", "finished"), made
    return job


def types(http: Client, job: dict[str, Any]) -> list[str]:
    log = http.get("/v1/events", params={"order": "desc", "limit": 200}).json()
    return [event["type"] for event in reversed(log) if event["actor"]["request_id"] == job["id"]]


def test_who_left_is_suspended_once_and_the_undo_of_that_job_brings_them_back(http: Client) -> None:
    staff = Staff(http, 12)
    outside = people(http, 2)[1]
    present = staff.records[:-2]
    present[0] = {**present[0], "email": present[0]["email"].upper()}
    tried = done(http, *present, **staff.suspend, dry_run="true")
    assert (tried["absent_users"], tried["absent_job_id"]) == (2, None) and not staff.suspended()
    assert [(line["code"], line["user_id"]) for line in reported(http, tried)] == [
        ("absent", id) for id in staff.ids[-2:]
    ]
    refused(http.post(f"/v1/imports/{tried['id']}/suspend", json={"confirm_count": 2}), errors.BadRequest)
    job = imported(http, ended(http, http.post(f"/v1/imports/{tried['id']}/run").json()))
    assert job["absent_users"] == 2 and staff.suspended() == set(staff.ids[-2:])
    assert statuses(http, outside) == {"active"}
    assert types(http, job) == ["import.finished"]
    event = http.get("/v1/events", params={"type": "user.suspended", "order": "desc", "limit": 1}).json()[0]
    assert event["actor"]["request_id"] == job["absent_job_id"]
    again = imported(http, done(http, *present, **staff.suspend))
    assert (again["absent_users"], again["absent_job_id"]) == (0, None), "they are suspended already"
    assert undone(http, {"id": job["absent_job_id"]})["changed"] == 2 and not staff.suspended()
    refused(http.post(f"/v1/imports/{job['id']}/suspend", json={"confirm_count": 2}), errors.BadRequest)


@pytest.mark.parametrize("count", [120, 8])
def test_half_a_file_waits_until_someone_says_yes(http: Client, server: Server, count: int) -> None:
    """More than half of a small group is too many as well, though it is fewer than 50."""
    staff = Staff(http, count)
    half = count // 2 - 1
    job = done(http, *staff.records[:half], **staff.suspend)
    gone = count - half
    assert (job["status"], job["absent_users"], job["absent_job_id"]) == ("finished", gone, None)
    assert types(http, job) == ["import.finished", "import.waiting"] and not staff.suspended()
    path = f"/v1/imports/{job['id']}/suspend"
    refused(http.post(path, json={"confirm_count": gone - 1}), errors.InvalidParameter)
    refused(http.post(path, json={}), errors.InvalidParameter)
    with server.http(new_key(http, scopes=["users:write"])) as narrow:
        refused(narrow.post(path, json={"confirm_count": gone}), errors.InsufficientScope)
    back = staff.ids[-1]
    http.delete(f"/v1/groups/{staff.group}/members/{back}")  # is no longer one of those whom the file should have
    tried = http.post(path, params={"dry_run": "true"}, json={"confirm_count": gone})
    assert tried.json()["total"] == gone - 1 and not staff.suspended()
    assert http.get(f"/v1/imports/{job['id']}").json()["absent_job_id"] is None
    made = http.post(path, json={"confirm_count": gone})
    assert made.status_code == 201, made.text
    assert job_ended(http, made.json())["changed"] == gone - 1
    assert staff.suspended() == set(staff.ids[half:-1])
    assert http.get(f"/v1/imports/{job['id']}").json()["absent_job_id"] == made.json()["id"]
    assert undone(http, made.json())["changed"] == gone - 1 and not staff.suspended()


def test_the_whole_file_of_the_next_night_takes_the_place_of_half_a_file(http: Client) -> None:
    staff = Staff(http, 8)
    half = done(http, *staff.records[:2], **staff.suspend)
    whole = done(http, *staff.records, **staff.suspend)
    assert whole["absent_users"] == 0
    answer = http.post(f"/v1/imports/{half['id']}/suspend", json={"confirm_count": 6})
    refused(answer, errors.BadRequest)
    assert whole["id"] in answer.json()["error"] and not staff.suspended()


def test_a_report_names_them_until_someone_suspends_them(http: Client, server: Server) -> None:
    staff = Staff(http, 6)
    job = done(http, *staff.records[:-1], absent="report", absent_metadata=staff.mark)
    assert job["absent_users"] == 1 and not staff.suspended() and types(http, job) == ["import.finished"]
    assert [line["user_id"] for line in reported(http, job)] == staff.ids[-1:]
    with signed_in(server) as owner:
        page = owner.get(f"/admin/imports/{job['id']}").text
        assert staff.records[-1]["email"] in page and "Suspend who is absent" in page
        assert owner.post(f"/admin/imports/{job['id']}/suspend", data={"count": "2"}).status_code == 400
        answer = owner.post(f"/admin/imports/{job['id']}/suspend", data={"count": "1"})
        assert answer.headers["location"].startswith("/admin/bulk-jobs/job_"), answer.text
        assert staff.suspended() == set(staff.ids[-1:])
        assert "Suspend who is absent" not in owner.get(f"/admin/imports/{job['id']}").text


def test_owners_applications_and_whoever_imports_are_left_alone(http: Client, server: Server) -> None:
    staff = Staff(http, 6)
    admin = new_user(http, role="admin", metadata={"mark": staff.mark.partition(":")[2]})
    owner = new_user(http, role="owner")
    program = http.post("/v1/applications", json={"name": "HR", "role": "admin"}).json()
    put(http, staff.path, *[user["id"] for user in (admin, owner, program, http.get("/v1/users/me").json())])
    text = new_key(http, user_id=program["id"])
    with server.http(new_key(http, user_id=admin["id"])) as by, server.http(text) as robot:
        job = imported(http, done(by, *staff.records[:-1], **staff.suspend))
        assert job["absent_users"] == 1 and staff.suspended() == set(staff.ids[-1:])
        job = imported(http, done(robot, *staff.records[:-2], **staff.suspend))
        assert job["absent_users"] == 2, "an admin who did not start it is as absent as others"
    assert [http.get(f"/v1/users/{user['id']}").json()["status"] for user in (admin, owner, program)] == [
        "suspended",
        "active",
        "active",
    ]


def test_who_has_a_record_that_is_refused_is_not_absent(http: Client) -> None:
    staff = Staff(http, 8)
    *present, bad, other, _ = staff.records
    job = imported(http, done(http, *present, {**bad, "name": ""}, {**other, "role": "king"}, **staff.suspend))
    assert (job["refused"], job["absent_users"]) == (2, 1) and staff.suspended() == set(staff.ids[-1:])
    assert [line["code"] for line in reported(http, job)] == ["invalid_parameter", "invalid_parameter", "absent"]
    undone(http, {"id": job["absent_job_id"]})
    for unknown in ("nonsense", {"name": "Bea", "email": "bea.example.com"}):
        job = done(http, *present, bad, unknown, other, **staff.suspend)
        assert (job["absent_users"], job["absent_job_id"]) == (1, None), "it may be the record of who is absent"
        assert not staff.suspended()


def test_either_email_or_external_id_is_enough_to_be_in_the_file(http: Client) -> None:
    staff = Staff(http, 4)
    http.patch(f"/v1/users/{staff.ids[0]}", json={"external_id": f"hr-{staff.ids[0]}"})
    records: list[User] = [
        {"name": "Bea", "email": f"new{time.time_ns()}@example.com", "external_id": f"hr-{staff.ids[0]}"}
    ]
    for match in ("email", "external_id"):
        rest = [{**record, "external_id": record["email"]} for record in staff.records[1:]]
        job = done(http, *records, *rest, **staff.suspend, match=match)
        assert job["absent_users"] == 0, match


def test_it_must_be_said_of_whom_the_file_has_all(http: Client, server: Server) -> None:
    staff = Staff(http, 1)
    for options in (
        {"absent": "suspend"},
        {"absent": "report", "absent_group": staff.group, "absent_metadata": "a:b"},
        {"absent_group": staff.group},
        {"absent": "report", "absent_metadata": "nothing"},
        {"absent": "delete", "absent_group": staff.group},
    ):
        refused(http.post("/v1/imports", params=options, content=ndjson(*staff.records)), errors.InvalidParameter)
    unknown = {"absent": "report", "absent_group": "group_unknown"}
    refused(http.post("/v1/imports", params=unknown, content=ndjson(*staff.records)), errors.NotFound)
    for missing in ("users:read", "groups:read"):
        scopes = {"users:read", "groups:read", "users:write"} - {missing}
        with server.http(new_key(http, scopes=sorted(scopes))) as by:
            answer = by.post("/v1/imports", params=staff.suspend, content=ndjson(*staff.records))
            refused(answer, errors.InsufficientScope)


def test_nobody_is_suspended_once_whoever_imports_lost_the_right_or_the_group_is_gone(
    http: Client, server: Server
) -> None:
    staff = Staff(http, 30)
    filler = "\n" * 2_000_000
    admin = new_user(http, role="admin")
    for end in (
        lambda: http.patch(f"/v1/users/{admin['id']}", json={"role": "member"}),
        lambda: http.delete(f"/v1/groups/{staff.group}"),
    ):
        http.patch(f"/v1/users/{admin['id']}", json={"role": "admin"})
        with server.http(new_key(http, user_id=admin["id"])) as by:
            answer = by.post(
                "/v1/imports", params=staff.suspend, content=ndjson(*staff.records[:-1], filler, staff.records[0])
            )
            assert end().status_code in (200, 204)
            job = ended(http, answer.json())
        assert job["status"] == "failed" and job["absent_job_id"] is None, job
        assert not staff.suspended()


def test_the_form_finds_a_group_by_its_name(http: Client, server: Server) -> None:
    staff = Staff(http, 4)
    name = http.get(f"/v1/groups/{staff.group}").json()["name"]
    form = {"absent": "suspend", "absent_group": name}
    with signed_in(server) as owner:
        files = {"file": ("people.ndjson", ndjson(*staff.records[:-1]))}
        answer = owner.post("/admin/imports?run=import", data=form, files=files)
        id = answer.headers["location"].rpartition("/")[2]
        job = imported(http, ended(http, {"id": id}))
        assert (job["absent_group"], job["absent_users"]) == (staff.group, 1)
        answer = owner.post("/admin/imports?run=import", data={**form, "absent_group": "No such"}, files=files)
        assert answer.status_code == 400 and "No group has this name or ID." in answer.text


def test_a_canceled_import_suspends_nobody(http: Client) -> None:
    staff = Staff(http, 30)
    job = start(http, ndjson(*staff.records[:-1], "\n" * 4_000_000, staff.records[0]), **staff.suspend)
    assert http.post(f"/v1/imports/{job['id']}/cancel").status_code == 200
    job = http.get(f"/v1/imports/{job['id']}").json()
    assert job["status"] in ("canceled", "finished")
    if job["status"] == "canceled":
        assert job["absent_job_id"] is None and not staff.suspended()
        refused(http.post(f"/v1/imports/{job['id']}/suspend", json={"confirm_count": 1}), errors.BadRequest)


@once
def test_whoever_imports_is_mailed_that_it_waits(tmp_path: Path) -> None:
    with (
        mail_server() as mail,
        running(tmp_path / "data", *mail.flags("http://127.0.0.1:1")) as server,
        server.http() as http,
    ):
        staff, importer = Staff(http, 8), new_user(http, role="admin")
        with server.http(new_key(http, user_id=importer["id"])) as by:
            job = done(by, *staff.records[:2], **staff.suspend)
        mail.wait_for(lambda: any("waits for you" in each.subject for each in mail.to(importer["email"])))
        sent = mail.to(importer["email"])[-1]
        assert "6 are absent from its file" in sent.text and f"/admin/imports/{job['id']}" in sent.text
